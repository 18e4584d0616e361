/* SPDX-License-Identifier: Apache-2.0 */
#include "jwt_signer_internal.h"

#include "base64.h"

#include <stdio.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/pem.h>

enum { COORDINATE = 32 /* bytes of one in P-256 */ };

/* --- PEM ------------------------------------------------------------------------------------ */

static bool
write_pem(EVP_PKEY *pkey, char out[static JWT_PEM_SIZE])
{
	BIO *bio = BIO_new(BIO_s_secmem()); /* wiped when it is freed */
	const char *text;
	bool done = false;

	if (bio != NULL && PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL)) {
		long n = BIO_get_mem_data(bio, &text);

		done = n > 0 && n < JWT_PEM_SIZE;
		if (done) {
			memcpy(out, text, (size_t)n);
			out[n] = '\0';
		}
	}
	BIO_free(bio);
	return done;
}

/* Without it OpenSSL would ask at the terminal. */
static int
no_passphrase(char *buf, int size, int writing, void *ctx)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)ctx;
	return -1;
}

static EVP_PKEY *
read_pem(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *pkey =
	    bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);

	BIO_free(bio);
	return pkey;
}

/* --- the public half ------------------------------------------------------------------------ */

static bool
coordinate(const EVP_PKEY *pkey, const char *name, uint8_t out[static COORDINATE])
{
	BIGNUM *v = NULL;
	bool done = EVP_PKEY_get_bn_param(pkey, name, &v) == 1 &&
		    BN_bn2binpad(v, out, COORDINATE) == COORDINATE;

	BN_free(v);
	return done;
}

/* False when the key is not one of P-256. */
static bool
numbers_of(const EVP_PKEY *pkey, struct jws_numbers *ret)
{
	char group[32];
	size_t n;

	ret->a_n = ret->b_n = COORDINATE;
	return EVP_PKEY_get_group_name(pkey, group, sizeof(group), &n) == 1 &&
	       strcmp(group, "prime256v1") == 0 &&
	       coordinate(pkey, OSSL_PKEY_PARAM_EC_PUB_X, ret->a) &&
	       coordinate(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, ret->b);
}

/* RFC 7638: the digest of the required members in alphabetical order. */
static void
thumbprint(const struct jws_numbers *v, char out[static JWS_KID_MAX + 1])
{
	char x[BASE64_TEXT_SIZE(COORDINATE)], y[BASE64_TEXT_SIZE(COORDINATE)], text[256];
	uint8_t digest[AUTH_SHA256_SIZE];
	int n;

	(void)base64_encode(BASE64_URL, v->a, v->a_n, x);
	(void)base64_encode(BASE64_URL, v->b, v->b_n, y);
	n = snprintf(text, sizeof(text),
	    "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}", x, y);
	auth_sha256(text, (size_t)n, digest);
	(void)base64_encode(BASE64_URL, digest, sizeof(digest), out);
}

/* --- signers -------------------------------------------------------------------------------- */

static int
not_a_key(struct err *e)
{
	return err_set(e, ERR_CONF,
	    "The key that signs tokens is not a private key of P-256 in PEM form; make a new one");
}

static int
signer_of(EVP_PKEY *pkey, struct jwt_signer **ret, struct err *e)
{
	AUTO(jwt_signer) s = calloc(1, sizeof(*s));
	struct jws_numbers numbers;
	const char *why;
	int rc;

	if (s == NULL)
		return jws_no_memory(e);
	if (pkey == NULL || !numbers_of(pkey, &numbers))
		return jws_drain_errors() ? jws_no_memory(e) : not_a_key(e);
	thumbprint(&numbers, s->key.kid);
	s->key.alg = JWS_ES256;
	rc = jws_key_init(&s->key, &numbers, &why, e);
	if (rc != 0)
		return rc < 0 ? -1 : not_a_key(e);
	if (EVP_PKEY_up_ref(pkey) != 1)
		return jws_no_memory(e);
	s->private_key = pkey;
	*ret = s;
	s = NULL;
	return 0;
}

int
jwt_signer_load(const char *pem, struct jwt_signer **ret, struct err *e)
{
	EVP_PKEY *pkey = read_pem(pem);
	int rc = signer_of(pkey, ret, e);

	EVP_PKEY_free(pkey);
	(void)jws_drain_errors(); /* what is to be said was */
	return rc;
}

int
jwt_signer_make(char pem[static JWT_PEM_SIZE], struct jwt_signer **ret, struct err *e)
{
	EVP_PKEY *pkey = EVP_EC_gen("P-256");
	AUTO(jwt_signer) s = NULL;
	int rc = pkey == NULL ? jws_no_memory(e) : signer_of(pkey, &s, e);

	if (rc == 0 && !write_pem(pkey, pem))
		rc = jws_no_memory(e);
	EVP_PKEY_free(pkey);
	(void)jws_drain_errors();
	if (rc < 0)
		return -1;
	*ret = s;
	s = NULL;
	return 0;
}

void
jwt_signer_free(struct jwt_signer *s)
{
	if (s == NULL)
		return;
	jws_key_done(&s->key);
	EVP_PKEY_free(s->private_key); /* wipes it */
	free(s);
}

static bool
halves_of(const uint8_t *der, size_t der_n, uint8_t out[static JWT_ES256_SIZE])
{
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)der_n);
	bool done = sig != NULL &&
		    BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, COORDINATE) == COORDINATE &&
		    BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + COORDINATE, COORDINATE) == COORDINATE;

	ECDSA_SIG_free(sig);
	return done;
}

int
jwt_signer_sign(const struct jwt_signer *s, const char *text, size_t n,
    uint8_t out[static JWT_ES256_SIZE], struct err *e)
{
	const char *digest = jws_alg_row(s->key.alg)->digest;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t der[JWT_ES256_SIZE + 16]; /* two integers of at most 33 bytes and three headers */
	size_t der_n = sizeof(der);
	bool done =
	    ctx != NULL &&
	    EVP_DigestSignInit_ex(ctx, NULL, digest, NULL, NULL, s->private_key, NULL) == 1 &&
	    EVP_DigestSign(ctx, der, &der_n, (const uint8_t *)text, n) == 1 &&
	    halves_of(der, der_n, out);

	EVP_MD_CTX_free(ctx);
	(void)jws_drain_errors();
	return done ? 0 : jws_no_memory(e);
}

const char *
jwt_signer_kid(const struct jwt_signer *s)
{
	return s->key.kid;
}

void
jwt_signer_print_jwk(const struct jwt_signer *s, struct json_out *o)
{
	jws_key_print(&s->key, o);
}

int
jwt_signer_keys(
    const struct jwt_signer *const *signers, size_t n, struct jws_keys **ret, struct err *e)
{
	AUTO(jws_keys) all = calloc(1, sizeof(*all));

	REQUIRE(n > 0);
	REQUIRE(n <= JWS_KEYS_MAX);
	if (all == NULL)
		return jws_no_memory(e);
	while (all->n < n) {
		struct jws_key *key = &all->keys[all->n];

		if (jws_key_copy(key, &signers[all->n]->key, e) < 0) {
			jws_key_done(key);
			return -1;
		}
		all->n++;
	}
	*ret = all;
	all = NULL;
	return 0;
}
