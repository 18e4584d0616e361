/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A certificate chain and its key from two PEM files.  Everything that would only show at the first
 * handshake is looked at here: whether they fit each other, and whether the key is worth using.
 */
#include "http_tls_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "fd.h"

enum {
	PEM_MAX_BYTES = 256 << 10, /* the whole chain of the longest RSA keys has a tenth of it */
	RSA_BITS_MIN = 2048,
	KEY_ID_BYTES = 64,
};

/* --- Files ------------------------------------------------------------------------------------ */

/* A PEM file and what it is called in messages. */
struct pem {
	const char *setting, *path;
	unsigned char *p;
	size_t n;
};

static void
pem_done(struct pem *pem)
{
	if (pem->p != NULL)
		explicit_bzero(pem->p, pem->n);
	free(pem->p);
}

static int
open_err(struct err *e, int sys, const struct pem *pem)
{
	if (sys == EACCES)
		return err_set(e, ERR_CONF,
		    "%s: this process may not read %s; give its group to the daemon's user and the "
		    "mode 0640",
		    pem->setting, pem->path);
	return err_set(
	    e, ERR_CONF, "%s: cannot read %s: %s", pem->setting, pem->path, strerrordesc_np(sys));
}

/* Symbolic links are followed: those who renew certificates keep them behind such. */
static int
pem_read(struct pem *pem, bool secret, struct err *e)
{
	AUTO_FD int fd = open(pem->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return open_err(e, errno, pem);
	if (!S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > PEM_MAX_BYTES)
		return err_set(e, ERR_CONF, "%s: %s must be a PEM file of at most %d bytes",
		    pem->setting, pem->path, PEM_MAX_BYTES);
	if (secret && (st.st_mode & S_IROTH) != 0)
		return err_set(e, ERR_CONF,
		    "%s: everyone may read %s; take that away with chmod o-r", pem->setting,
		    pem->path);
	pem->n = (size_t)st.st_size;
	pem->p = malloc(pem->n);
	if (pem->p == NULL)
		return err_set(e, ERR_NO_MEMORY, "no memory for a certificate");
	n = fd_read_full(fd, pem->p, pem->n, e);
	if (n < 0)
		return -1;
	pem->n = (size_t)n; /* it may have shrunk meanwhile */
	return 0;
}

/* --- Pairs ------------------------------------------------------------------------------------ */

void
tls_pair_unref(struct http_tls_pair *pair)
{
	if (pair == NULL || --pair->n_refs > 0)
		return;
	for (unsigned int i = 0; i < pair->n_certs; i++)
		gnutls_pcert_deinit(&pair->certs[i]);
	gnutls_privkey_deinit(pair->key);
	free(pair);
}

static int
import_err(struct err *e, const struct pem *pem, const char *what, int status)
{
	return err_set(e, ERR_CONF, "%s: %s holds no %s that can be used: %s", pem->setting,
	    pem->path, what, gnutls_strerror(status));
}

static int
import_chain(struct http_tls_pair *pair, const struct pem *pem, struct err *e)
{
	const gnutls_datum_t text = { pem->p, (unsigned int)pem->n };
	unsigned int n = TLS_CHAIN_MAX;
	const int status = gnutls_pcert_list_import_x509_raw(
	    pair->certs, &n, &text, GNUTLS_X509_FMT_PEM, GNUTLS_X509_CRT_LIST_FAIL_IF_UNSORTED);

	if (status < 0)
		return import_err(e, pem, "certificate chain", status);
	pair->n_certs = n;
	return 0;
}

/* What PRIORITIES can sign with, and nobody can break. */
static bool
key_usable(gnutls_privkey_t key)
{
	unsigned int bits = 0;
	const int algorithm = gnutls_privkey_get_pk_algorithm(key, &bits);

	switch (algorithm) {
	case GNUTLS_PK_RSA:
		return bits >= RSA_BITS_MIN;
	case GNUTLS_PK_ECDSA:
		return bits == 256 || bits == 384;
	default:
		return algorithm == GNUTLS_PK_EDDSA_ED25519;
	}
}

static int
import_key(struct http_tls_pair *pair, const struct pem *pem, struct err *e)
{
	const gnutls_datum_t text = { pem->p, (unsigned int)pem->n };
	const int status = gnutls_privkey_import_x509_raw(
	    pair->key, &text, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN);

	if (status < 0)
		return import_err(e, pem, "key without a passphrase", status);
	if (!key_usable(pair->key))
		return err_set(e, ERR_CONF,
		    "%s: take a key of P-256, P-384, Ed25519, or RSA with at least %d bits",
		    pem->setting, RSA_BITS_MIN);
	return 0;
}

static int
key_id(gnutls_pubkey_t key, unsigned char out[static KEY_ID_BYTES], size_t *ret_n)
{
	*ret_n = KEY_ID_BYTES;
	return gnutls_pubkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, out, ret_n);
}

static bool
key_fits(const struct http_tls_pair *pair)
{
	unsigned char certified[KEY_ID_BYTES], own[KEY_ID_BYTES];
	size_t n_certified, n_own;
	gnutls_pubkey_t public;
	bool fits;

	if (gnutls_pubkey_init(&public) < 0)
		return false;
	fits = gnutls_pubkey_import_privkey(public, pair->key, 0, 0) >= 0 &&
	       key_id(public, own, &n_own) >= 0 &&
	       key_id(pair->certs[0].pubkey, certified, &n_certified) >= 0 &&
	       n_own == n_certified && memcmp(own, certified, n_own) == 0;
	gnutls_pubkey_deinit(public);
	return fits;
}

static int
pair_import(
    struct http_tls_pair *pair, const struct pem *chain, const struct pem *key, struct err *e)
{
	if (import_chain(pair, chain, e) < 0 || import_key(pair, key, e) < 0)
		return -1;
	if (!key_fits(pair))
		return err_set(e, ERR_CONF,
		    "%s is not the key of the first certificate in %s; both must come from one "
		    "issue",
		    key->setting, chain->setting);
	return 0;
}

int
tls_pair_load(
    const char *certificate, const char *key_path, struct http_tls_pair **ret, struct err *e)
{
	struct pem chain = { .setting = "http.tls_certificate", .path = certificate };
	struct pem key = { .setting = "http.tls_key", .path = key_path };
	struct http_tls_pair *pair = calloc(1, sizeof(*pair));
	int status = -1;

	if (pair == NULL)
		return err_set(e, ERR_NO_MEMORY, "no memory for a certificate");
	pair->n_refs = 1;
	if (gnutls_privkey_init(&pair->key) < 0)
		(void)err_set(e, ERR_NO_MEMORY, "no memory for a key");
	else if (pem_read(&chain, false, e) == 0 && pem_read(&key, true, e) == 0)
		status = pair_import(pair, &chain, &key, e);
	pem_done(&chain);
	pem_done(&key);
	if (status < 0)
		tls_pair_unref(pair);
	else
		*ret = pair;
	return status;
}
