/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JWT_RIG_H
#define JWT_RIG_H

/*
 * An issuer of tokens, written on OpenSSL alone, with a key of each algorithm.  What it makes is
 * read by the code under test, of which only base64 is used here.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base64.h"
#include "jwt_token.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#define must(call)                                                                                 \
	do {                                                                                       \
		if ((call) < 0)                                                                    \
			fail_msg("%s: %s: %s", #call, err_slug(e.code), e.msg);                    \
	} while (0)

enum { RIG_TEXT_SIZE = 20000, RIG_SIG_MAX = 1024 };

struct rig_key {
	const char *kid, *alg;
	EVP_PKEY *pkey;
};
enum rig_kid {
	RIG_RS256,
	RIG_RS384,
	RIG_RS512,
	RIG_PS256,
	RIG_ES256,
	RIG_ES384,
	RIG_EDDSA,
	RIG_KEYS,
	RIG_STRANGER = RIG_KEYS, /* P-256, in no set */
	RIG_COUNT
};
struct rig {
	struct rig_key keys[RIG_COUNT];
	struct jws_keys *set;
	char jwks[RIG_TEXT_SIZE];
};

/* --- keys ----------------------------------------------------------------------------------- */

static inline void
rig_number(const EVP_PKEY *pkey, const char *param, int size, char *out)
{
	BIGNUM *v = NULL;
	uint8_t bytes[RIG_SIG_MAX];
	int n;

	assert_int_equal(EVP_PKEY_get_bn_param(pkey, param, &v), 1);
	n = BN_bn2binpad(v, bytes, size == 0 ? BN_num_bytes(v) : size);
	assert_true(n > 0);
	(void)base64_encode(BASE64_URL, bytes, (size_t)n, out);
	BN_free(v);
}

/* The public members of a JWK: "kty":..,"n":..,"e":.. */
static inline void
rig_members(const EVP_PKEY *pkey, char out[static 4096])
{
	char a[2048], b[2048], group[32];
	uint8_t raw[64];
	size_t n = sizeof(raw);

	if (EVP_PKEY_is_a(pkey, "RSA")) {
		rig_number(pkey, OSSL_PKEY_PARAM_RSA_N, 0, a);
		rig_number(pkey, OSSL_PKEY_PARAM_RSA_E, 0, b);
		(void)snprintf(out, 4096, "\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"", a, b);
	} else if (EVP_PKEY_is_a(pkey, "EC")) {
		bool p256 = EVP_PKEY_get_bits(pkey) == 256;

		assert_int_equal(EVP_PKEY_get_group_name(pkey, group, sizeof(group), &n), 1);
		rig_number(pkey, OSSL_PKEY_PARAM_EC_PUB_X, p256 ? 32 : 48, a);
		rig_number(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, p256 ? 32 : 48, b);
		(void)snprintf(out, 4096, "\"kty\":\"EC\",\"crv\":\"%s\",\"x\":\"%s\",\"y\":\"%s\"",
		    p256 ? "P-256" : "P-384", a, b);
	} else {
		assert_int_equal(EVP_PKEY_get_raw_public_key(pkey, raw, &n), 1);
		(void)base64_encode(BASE64_URL, raw, n, a);
		(void)snprintf(out, 4096, "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%s\"", a);
	}
}

static inline void
rig_open(struct rig *r)
{
	EVP_PKEY *rsa = EVP_RSA_gen(2048), *pss = EVP_RSA_gen(2048);
	struct err e = { 0 };
	size_t n;

	assert_non_null(rsa);
	assert_non_null(pss);
	*r = (struct rig){ .keys = {
			       [RIG_RS256] = { "rs256", "RS256", rsa },
			       [RIG_RS384] = { "rs384", "RS384", rsa },
			       [RIG_RS512] = { "rs512", "RS512", rsa },
			       [RIG_PS256] = { "ps256", "PS256", pss },
			       [RIG_ES256] = { "es256", "ES256", EVP_EC_gen("P-256") },
			       [RIG_ES384] = { "es384", "ES384", EVP_EC_gen("P-384") },
			       [RIG_EDDSA] = { "eddsa", "EdDSA",
				   EVP_PKEY_Q_keygen(NULL, NULL, "ED25519") },
			       [RIG_STRANGER] = { "stranger", "ES256", EVP_EC_gen("P-256") },
			   } };
	(void)EVP_PKEY_up_ref(rsa);
	(void)EVP_PKEY_up_ref(rsa);
	n = (size_t)snprintf(r->jwks, sizeof(r->jwks), "{\"keys\":[");
	for (size_t i = 0; i < RIG_KEYS; i++) {
		char members[4096];

		rig_members(r->keys[i].pkey, members);
		n += (size_t)snprintf(r->jwks + n, sizeof(r->jwks) - n,
		    "%s{\"kid\":\"%s\",\"alg\":\"%s\",%s}", i == 0 ? "" : ",", r->keys[i].kid,
		    r->keys[i].alg, members);
	}
	n += (size_t)snprintf(r->jwks + n, sizeof(r->jwks) - n, "]}");
	assert_true(n < sizeof(r->jwks));
	must(jws_keys_parse_text(r->jwks, n, &r->set, &e));
}

static inline void
rig_close(struct rig *r)
{
	for (size_t i = 0; i < RIG_COUNT; i++)
		EVP_PKEY_free(r->keys[i].pkey);
	jws_keys_free(r->set);
}

/* --- signatures ----------------------------------------------------------------------------- */

/* How a signature is made, apart from what the header says. */
struct rig_sign {
	const char *digest; /* NULL: none */
	int padding;        /* of RSA; 0: none */
	int salt;
	bool der; /* ECDSA as OpenSSL makes it, not as a JWS has it */
};

static inline struct rig_sign
rig_sign_of(const char *alg)
{
	struct rig_sign s = { .digest = strcmp(alg, "EdDSA") == 0    ? NULL
					: strstr(alg, "384") != NULL ? "SHA384"
					: strstr(alg, "512") != NULL ? "SHA512"
								     : "SHA256" };

	s.padding = alg[0] == 'R' ? RSA_PKCS1_PADDING : alg[0] == 'P' ? RSA_PKCS1_PSS_PADDING : 0;
	s.salt = RSA_PSS_SALTLEN_DIGEST;
	return s;
}

static inline size_t
rig_raw_of_der(const uint8_t *der, size_t der_n, int size, uint8_t *out)
{
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)der_n);

	assert_non_null(sig);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, size), size);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + size, size), size);
	ECDSA_SIG_free(sig);
	return 2 * (size_t)size;
}

static inline size_t
rig_sign(EVP_PKEY *pkey, struct rig_sign how, const char *text, size_t text_n,
    uint8_t out[static RIG_SIG_MAX])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *params = NULL;
	uint8_t made[RIG_SIG_MAX];
	size_t n = sizeof(made);

	assert_int_equal(
	    EVP_DigestSignInit_ex(ctx, &params, how.digest, NULL, NULL, pkey, NULL), 1);
	if (how.padding != 0)
		assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(params, how.padding), 1);
	if (how.padding == RSA_PKCS1_PSS_PADDING)
		assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(params, how.salt), 1);
	assert_int_equal(EVP_DigestSign(ctx, made, &n, (const uint8_t *)text, text_n), 1);
	EVP_MD_CTX_free(ctx);
	if (EVP_PKEY_is_a(pkey, "EC") && !how.der)
		return rig_raw_of_der(made, n, EVP_PKEY_get_bits(pkey) == 256 ? 32 : 48, out);
	memcpy(out, made, n);
	return n;
}

/* --- tokens --------------------------------------------------------------------------------- */

static inline size_t
rig_join(const void *head, size_t head_n, const void *payload, size_t payload_n, char *out)
{
	size_t n = base64_encode(BASE64_URL, head, head_n, out);

	out[n++] = '.';
	return n + base64_encode(BASE64_URL, payload, payload_n, out + n);
}

/* "." and the signature's text behind the n bytes of a header and a payload; the whole length. */
static inline size_t
rig_attach(char *text, size_t n, const uint8_t *sig, size_t sig_n)
{
	text[n++] = '.';
	return n + base64_encode(BASE64_URL, sig, sig_n, text + n);
}

static inline size_t
rig_token(const struct rig_key *k, const char *head, const char *payload, char *out)
{
	uint8_t sig[RIG_SIG_MAX];
	size_t n = rig_join(head, strlen(head), payload, strlen(payload), out);

	return rig_attach(out, n, sig, rig_sign(k->pkey, rig_sign_of(k->alg), out, n, sig));
}

enum { RIG_NOW_S = 1700000000 };
#define RIG_ISSUER "https://issuer.example"
/* What every payload here begins with; the times are those of RIG_NOW_S. */
#define RIG_CLAIMS                                                                                 \
	"\"iss\":\"" RIG_ISSUER "\",\"aud\":\"wardian\",\"sub\":\"alice\",\"iat\":1700000000,"     \
	"\"nbf\":1700000000"
#define RIG_PAYLOAD "{" RIG_CLAIMS ",\"exp\":1700003600,\"jti\":\"t1\"}"

static const char *const rig_types[] = { "at+jwt", NULL };
static const struct jwt_rules rig_rules = { .issuer = RIG_ISSUER,
	.audience = "wardian",
	.types = rig_types,
	.now_s = RIG_NOW_S,
	.leeway_s = JWT_LEEWAY_S,
	.lifetime_max_s = JWT_LIFETIME_MAX_S };

/* Why the token is refused, "" when it is taken.  Each refusal is the same for the caller. */
static inline const char *
rig_why(const struct jws_keys *set, const struct jwt_rules *rules, const char *text, size_t n)
{
	struct jwt_token *t = NULL;
	const char *why = "";
	struct err e = { 0 };
	/* Exactly as large, so that a sanitizer sees a read beyond the end. */
	char *copy = malloc(n == 0 ? 1 : n);

	assert_non_null(copy);
	memcpy(copy, text, n);
	if (jwt_read(copy, n, &t, &why, &e) == 0 && jwt_verify(t, set, &why, &e) == 0 &&
	    jwt_check_claims(t, rules, &why, &e) == 0) {
		assert_string_equal(why, "");
	} else {
		assert_int_equal(e.code, ERR_UNAUTHENTICATED);
		assert_string_equal(e.msg, "The token is not valid here; get a new one");
		assert_int_equal(e.n_fields, 0);
		assert_string_not_equal(why, "");
	}
	jwt_token_free(t);
	free(copy);
	return why;
}

#endif
