/* SPDX-License-Identifier: Apache-2.0 */
#include "sign.h"

#include "auth.h"
#include "id.h"

#include <openssl/err.h>
#include <openssl/evp.h>

struct sign_key {
	EVP_PKEY *pkey;
	uint8_t public_key[SIGN_PUBLIC_SIZE];
};

int
sign_key_load(const uint8_t seed[static SIGN_SEED_SIZE], struct sign_key **ret, struct err *e)
{
	AUTO(sign_key) k = calloc(1, sizeof(*k));
	size_t n = SIGN_PUBLIC_SIZE;

	if (k != NULL)
		k->pkey =
		    EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, SIGN_SEED_SIZE);
	/* Every seed is a key, so only memory can be missing. */
	if (k == NULL || k->pkey == NULL ||
	    EVP_PKEY_get_raw_public_key(k->pkey, k->public_key, &n) != 1)
		return err_set(e, ERR_NO_MEMORY, "The server is short of memory; try again later");
	*ret = k;
	k = NULL;
	return 0;
}

int
sign_key_make(uint8_t seed[static SIGN_SEED_SIZE], struct sign_key **ret, struct err *e)
{
	uint8_t made[SIGN_SEED_SIZE];
	int rc;

	random_bytes(made, sizeof(made));
	rc = sign_key_load(made, ret, e);
	for (size_t i = 0; rc == 0 && i < sizeof(made); i++)
		seed[i] = made[i];
	auth_wipe(made, sizeof(made));
	return rc;
}

void
sign_key_free(struct sign_key *k)
{
	if (k == NULL)
		return;
	EVP_PKEY_free(k->pkey);
	free(k);
}

const uint8_t *
sign_key_public(const struct sign_key *k)
{
	return k->public_key;
}

int
sign_make(
    const struct sign_key *k, const void *p, size_t n, uint8_t out[static SIGN_SIZE], struct err *e)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t sig[SIGN_SIZE];
	size_t sig_n = sizeof(sig);
	bool done = ctx != NULL &&
		    EVP_DigestSignInit_ex(ctx, NULL, NULL, NULL, NULL, k->pkey, NULL) == 1 &&
		    EVP_DigestSign(ctx, sig, &sig_n, p, n) == 1 && sig_n == sizeof(sig);

	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	if (!done)
		return err_set(e, ERR_NO_MEMORY, "The server is short of memory; try again later");
	for (size_t i = 0; i < sizeof(sig); i++)
		out[i] = sig[i];
	return 0;
}

bool
sign_verify(const uint8_t public_key[static SIGN_PUBLIC_SIZE], const void *p, size_t n,
    const uint8_t sig[static SIGN_SIZE])
{
	EVP_PKEY *pkey =
	    EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key, SIGN_PUBLIC_SIZE);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = pkey != NULL && ctx != NULL &&
		    EVP_DigestVerifyInit_ex(ctx, NULL, NULL, NULL, NULL, pkey, NULL) == 1 &&
		    EVP_DigestVerify(ctx, sig, SIGN_SIZE, p, n) == 1;

	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(pkey);
	ERR_clear_error();
	return good;
}
