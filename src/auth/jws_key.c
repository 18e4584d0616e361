/* SPDX-License-Identifier: Apache-2.0 */
#include "jws_internal.h"

#include "base64.h"
#include "json.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/param_build.h>

/* NULL without memory or when the parameters are no key of that type. */
static EVP_PKEY *
from_params(const char *type, OSSL_PARAM_BLD *params)
{
	OSSL_PARAM *list = OSSL_PARAM_BLD_to_param(params);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *pkey = NULL;

	if (list != NULL && ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1 &&
	    EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, list) != 1)
		pkey = NULL;
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_free(list);
	return pkey;
}

static EVP_PKEY *
rsa_key(const struct jws_numbers *numbers)
{
	OSSL_PARAM_BLD *params = OSSL_PARAM_BLD_new();
	BIGNUM *n = BN_bin2bn(numbers->a, (int)numbers->a_n, NULL);
	BIGNUM *e = BN_bin2bn(numbers->b, (int)numbers->b_n, NULL);
	EVP_PKEY *pkey = NULL;

	if (params != NULL && n != NULL && e != NULL &&
	    OSSL_PARAM_BLD_push_BN(params, OSSL_PKEY_PARAM_RSA_N, n) &&
	    OSSL_PARAM_BLD_push_BN(params, OSSL_PKEY_PARAM_RSA_E, e))
		pkey = from_params("RSA", params);
	BN_free(n);
	BN_free(e);
	OSSL_PARAM_BLD_free(params);
	return pkey;
}

/* OpenSSL refuses what does not lie on the curve. */
static EVP_PKEY *
ec_key(const char *crv, const struct jws_numbers *numbers)
{
	OSSL_PARAM_BLD *params = OSSL_PARAM_BLD_new();
	uint8_t point[1 + 2 * JWS_NUMBER_MAX] = { 4 }; /* uncompressed (SEC 1 section 2.3.3) */
	size_t n = numbers->a_n;
	EVP_PKEY *pkey = NULL;

	memcpy(point + 1, numbers->a, n);
	memcpy(point + 1 + n, numbers->b, n);
	if (params != NULL &&
	    OSSL_PARAM_BLD_push_utf8_string(params, OSSL_PKEY_PARAM_GROUP_NAME, crv, 0) &&
	    OSSL_PARAM_BLD_push_octet_string(params, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * n))
		pkey = from_params("EC", params);
	OSSL_PARAM_BLD_free(params);
	return pkey;
}

static char *
base64_of(const uint8_t *p, size_t n)
{
	char *text = malloc(BASE64_TEXT_SIZE(n));

	if (text != NULL)
		(void)base64_encode(BASE64_URL, p, n, text);
	return text;
}

int
jws_key_init(
    struct jws_key *k, const struct jws_numbers *numbers, const char **ret_why, struct err *e)
{
	const struct jws_alg_row *row = jws_alg_row(k->alg);
	const char *why = "is not a number that makes an RSA key";
	bool memory;

	if (row->crv == NULL) {
		k->pkey = rsa_key(numbers);
	} else if (k->alg != JWS_EDDSA) {
		why = "is, with \"y\", not a point of the key's curve; send the key as issued";
		k->pkey = ec_key(row->crv, numbers);
	} else {
		why = "is not a public key of Ed25519; send the key as issued";
		if (jws_ed25519_point(numbers->a))
			k->pkey = EVP_PKEY_new_raw_public_key_ex(
			    NULL, row->crv, NULL, numbers->a, numbers->a_n);
	}
	memory = jws_drain_errors();
	if (k->pkey == NULL && memory)
		return jws_no_memory(e);
	if (k->pkey == NULL) {
		*ret_why = why;
		return 1;
	}
	k->a = base64_of(numbers->a, numbers->a_n);
	k->b = numbers->b_n == 0 ? NULL : base64_of(numbers->b, numbers->b_n);
	if (k->a == NULL || (k->b == NULL && numbers->b_n > 0))
		return jws_no_memory(e);
	return 0;
}

int
jws_key_copy(struct jws_key *k, const struct jws_key *src, struct err *e)
{
	memcpy(k->kid, src->kid, sizeof(k->kid));
	k->alg = src->alg;
	k->a = strdup(src->a);
	k->b = src->b == NULL ? NULL : strdup(src->b);
	if (k->a == NULL || (k->b == NULL) != (src->b == NULL))
		return jws_no_memory(e);
	if (EVP_PKEY_up_ref(src->pkey) != 1)
		return jws_no_memory(e);
	k->pkey = src->pkey;
	return 0;
}

void
jws_key_done(struct jws_key *k)
{
	EVP_PKEY_free(k->pkey);
	free(k->a);
	free(k->b);
	memset(k, 0, sizeof(*k));
}

void
jws_key_print(const struct jws_key *k, struct json_out *o)
{
	const struct jws_alg_row *row = jws_alg_row(k->alg);

	json_out_begin(o);
	json_put_text(o, "kty", row->kty);
	json_put_text(o, "use", "sig");
	json_put_text(o, "alg", row->name);
	json_put_text(o, "kid", k->kid);
	if (row->crv != NULL)
		json_put_text(o, "crv", row->crv);
	json_put_text(o, row->crv == NULL ? "n" : "x", k->a);
	if (k->b != NULL)
		json_put_text(o, row->crv == NULL ? "e" : "y", k->b);
	json_out_end(o);
}
