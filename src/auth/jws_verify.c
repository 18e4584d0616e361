/* SPDX-License-Identifier: Apache-2.0 */
#include "jws_internal.h"

#include <openssl/ec.h>
#include <openssl/rsa.h>

/*
 * The two halves of an ECDSA signature as DER, which is what OpenSSL reads.  It refuses halves that
 * are 0 or not below the order of the curve.  NULL when the length is wrong or without memory.
 */
static uint8_t *
der_of(const struct jws_bytes *sig, size_t part, size_t *ret_n)
{
	ECDSA_SIG *halves;
	BIGNUM *r, *s;
	uint8_t *der = NULL;
	int n = -1;

	if (sig->n != 2 * part)
		return NULL;
	halves = ECDSA_SIG_new();
	r = BN_bin2bn(sig->p, (int)part, NULL);
	s = BN_bin2bn((const uint8_t *)sig->p + part, (int)part, NULL);
	if (halves != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(halves, r, s) == 1) {
		n = i2d_ECDSA_SIG(halves, &der);
	} else {
		BN_free(r);
		BN_free(s);
	}
	ECDSA_SIG_free(halves);
	*ret_n = n < 0 ? 0 : (size_t)n;
	return n < 0 ? NULL : der;
}

static bool
set_padding(EVP_PKEY_CTX *ctx, const struct jws_alg_row *row)
{
	if (!row->pss)
		return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1;
	return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
	       EVP_PKEY_CTX_set_rsa_mgf1_md_name(ctx, row->digest, NULL) == 1 &&
	       EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1;
}

/* The signature is in the form that OpenSSL reads. */
static bool
verify_with(EVP_MD_CTX *ctx, const struct jws_key *key, const struct jws_bytes *text,
    const struct jws_bytes *sig)
{
	const struct jws_alg_row *row = jws_alg_row(key->alg);
	EVP_PKEY_CTX *params = NULL; /* belongs to ctx */

	if (EVP_DigestVerifyInit_ex(ctx, &params, row->digest, NULL, NULL, key->pkey, NULL) != 1)
		return false;
	if (row->part == 0 && !set_padding(params, row))
		return false;
	return EVP_DigestVerify(ctx, sig->p, sig->n, text->p, text->n) == 1;
}

static bool
verify_ecdsa(EVP_MD_CTX *ctx, const struct jws_key *key, const struct jws_bytes *text,
    const struct jws_bytes *sig)
{
	struct jws_bytes converted = { 0 };
	uint8_t *der = der_of(sig, jws_alg_row(key->alg)->part, &converted.n);
	bool good;

	converted.p = der;
	good = der != NULL && verify_with(ctx, key, text, &converted);
	OPENSSL_free(der);
	return good;
}

int
jws_key_verify(const struct jws_key *key, const struct jws_bytes *text, const struct jws_bytes *sig,
    struct err *e)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ecdsa = key->alg == JWS_ES256 || key->alg == JWS_ES384, good, memory;

	if (ctx == NULL)
		return jws_no_memory(e);
	good = ecdsa ? verify_ecdsa(ctx, key, text, sig) : verify_with(ctx, key, text, sig);
	EVP_MD_CTX_free(ctx);
	memory = jws_drain_errors();
	if (good)
		return 0;
	return memory ? jws_no_memory(e) : 1;
}
