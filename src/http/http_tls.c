/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The certificate and its key.  libmicrohttpd speaks TLS through GnuTLS and asks us for the pair at
 * each handshake, so a new one serves the next connection and no connection is dropped: a
 * connection keeps the pair it was accepted with, and a pair lives until its last connection ends.
 *
 * The files are looked at every tls_check_ms, because whoever renews them often cannot tell us.
 * They are not replaced in one step, so a pair that does not match may be half of a renewal: the
 * old one stays, which is logged, and the next look finds the other half.
 *
 * No session tickets: their key would have to be rotated and shared, and clients of an API keep
 * their connections.  No renegotiation: the library closes a connection that asks for it.
 */
#include "http_tls_internal.h"

#include <microhttpd.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { PATH_BYTES = 512 };

/* TLS 1.3 and 1.2, authenticated encryption and ephemeral keys only; no SHA-1. */
static const char PRIORITIES[] =
    "NONE:+VERS-TLS1.3:+VERS-TLS1.2:+COMP-NULL:+CTYPE-X509:+ECDHE-ECDSA:+ECDHE-RSA:"
    "+AES-256-GCM:+CHACHA20-POLY1305:+AES-128-GCM:+AEAD:+GROUP-X25519:+GROUP-SECP256R1:"
    "+SIGN-EDDSA-ED25519:+SIGN-ECDSA-SECP256R1-SHA256:+SIGN-ECDSA-SECP384R1-SHA384:"
    "+SIGN-ECDSA-SHA256:+SIGN-ECDSA-SHA384:"
    "+SIGN-RSA-PSS-RSAE-SHA256:+SIGN-RSA-PSS-RSAE-SHA384:+SIGN-RSA-PSS-RSAE-SHA512:"
    "+SIGN-RSA-SHA256:+SIGN-RSA-SHA384:+SIGN-RSA-SHA512:%SERVER_PRECEDENCE";

/* What tells one state of a file from another. */
struct file_state {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec modified, changed;
};

struct http_tls {
	struct http *h;
	char certificate[PATH_BYTES];
	char key[PATH_BYTES];
	struct http_tls_pair *pair; /* today's */
	struct file_state tried[2]; /* when they were last read, well or not */
	struct loop_timer *timer;
};

static void
state_of(const char *path, struct file_state *ret)
{
	struct stat st = { 0 };

	(void)stat(path, &st); /* an absent file has a state, too */
	/* Copied field by field: the padding is compared as well. */
	memset(ret, 0, sizeof(*ret));
	ret->dev = st.st_dev;
	ret->ino = st.st_ino;
	ret->size = st.st_size;
	ret->modified = st.st_mtim;
	ret->changed = st.st_ctim;
}

static void
states_of(const struct http_tls *t, struct file_state ret[static 2])
{
	state_of(t->certificate, &ret[0]);
	state_of(t->key, &ret[1]);
}

/* --- Renewal ---------------------------------------------------------------------------------- */

static void
warn_of_end(const struct http_tls *t)
{
	const int64_t now_s = clock_wall_us() / 1000000;
	char text[CLOCK_STR_SIZE];
	gnutls_x509_crt_t crt;
	int64_t end_s;

	if (gnutls_pcert_export_x509(&t->pair->certs[0], &crt) < 0)
		return;
	end_s = (int64_t)gnutls_x509_crt_get_expiration_time(crt);
	gnutls_x509_crt_deinit(crt);
	if (end_s < now_s)
		log_warn(&t->h->log,
		    "the certificate in http.tls_certificate ended on %s; renew it",
		    clock_http_date(end_s * 1000000, text));
}

static int
load(struct http_tls *t, struct err *e)
{
	struct http_tls_pair *pair;

	states_of(t, t->tried);
	if (tls_pair_load(t->certificate, t->key, &pair, e) < 0)
		return -1;
	tls_pair_unref(t->pair);
	t->pair = pair;
	warn_of_end(t);
	return 0;
}

static void
reload(struct http_tls *t)
{
	struct err e;

	if (load(t, &e) < 0)
		log_err(&t->h->log, LOG_LEVEL_ERROR, &e,
		    "the new certificate is not used, the old one stays");
	else
		log_info(&t->h->log, "new connections get the certificate that was read now");
}

static void
on_look(void *arg)
{
	struct http_tls *t = arg;
	struct file_state now[2];

	states_of(t, now);
	if (memcmp(now, t->tried, sizeof(now)) != 0)
		reload(t);
}

void
http_reload_certificate(struct http *h)
{
	if (h->tls != NULL)
		reload(h->tls);
}

/* --- The library ------------------------------------------------------------------------------ */

const char *
tls_priorities(void)
{
	return PRIORITIES;
}

/* gnutls_certificate_retrieve_function3 */
static int
on_handshake(gnutls_session_t session, const struct gnutls_cert_retr_st *info,
    gnutls_pcert_st **ret_certs, unsigned int *ret_n_certs, gnutls_ocsp_data_st **ret_ocsp,
    unsigned int *ret_n_ocsp, gnutls_privkey_t *ret_key, unsigned int *ret_flags)
{
	const struct conn *c = gnutls_session_get_ptr(session);

	(void)info;
	*ret_certs = c->pair->certs;
	*ret_n_certs = c->pair->n_certs;
	*ret_ocsp = NULL;
	*ret_n_ocsp = 0;
	*ret_key = c->pair->key;
	*ret_flags = 0; /* they stay ours */
	return 0;
}

void *
tls_certificate_callback(void)
{
	return (void *)(uintptr_t)on_handshake;
}

void
tls_attach(struct http_tls *t, struct conn *c)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);

	REQUIRE(info != NULL);
	t->pair->n_refs++;
	c->pair = t->pair;
	/* The library has its own connection there, for PSK, which we do not use. */
	gnutls_session_set_ptr(info->tls_session, c);
}

void
tls_detach(struct conn *c)
{
	tls_pair_unref(c->pair);
	c->pair = NULL;
}

/* --- Start and end ---------------------------------------------------------------------------- */

static int
keep_path(char out[static PATH_BYTES], const char *setting, const char *path, struct err *e)
{
	const size_t n = strlen(path) + 1;

	if (n > PATH_BYTES)
		return err_set(
		    e, ERR_CONF, "%s may have at most %d bytes", setting, PATH_BYTES - 1);
	memcpy(out, path, n);
	return 0;
}

static int
start(struct http_tls *t, const struct http_options *o, struct err *e)
{
	if (keep_path(t->certificate, "http.tls_certificate", o->tls_certificate, e) < 0 ||
	    keep_path(t->key, "http.tls_key", o->tls_key, e) < 0)
		return -1;
	if (load(t, e) < 0)
		return -1;
	if (loop_timer_new(t->h->loop, on_look, t, &t->timer, e) < 0)
		return -1;
	loop_timer_start(t->timer, o->tls_check_ms, o->tls_check_ms);
	return 0;
}

int
tls_new(struct http *h, struct http_tls **ret, struct err *e)
{
	struct http_tls *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return err_set(e, ERR_NO_MEMORY, "no memory for TLS");
	t->h = h;
	if (start(t, &h->o, e) < 0) {
		tls_free(t);
		return -1;
	}
	*ret = t;
	return 0;
}

void
tls_free(struct http_tls *t)
{
	if (t == NULL)
		return;
	loop_timer_free(t->timer);
	tls_pair_unref(t->pair);
	free(t);
}
