/* SPDX-License-Identifier: Apache-2.0 */
#include "auth.h"

#include <limits.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

/*
 * The one-shot calls below fail only when the process cannot get a few hundred bytes or libcrypto
 * has no SHA-256.  Neither is survivable for a server whose every request is checked by them, and
 * a wrong digest would be worse than none, so both end the process.
 */

void
auth_sha256(const void *p, size_t n, uint8_t out[static AUTH_SHA256_SIZE])
{
	/* A NULL pointer is fine for an empty text here, but not there. */
	REQUIRE(SHA256(n == 0 ? (const unsigned char *)"" : p, n, out) != NULL);
}

void
auth_hmac(
    const void *key, size_t key_n, const void *p, size_t n, uint8_t out[static AUTH_SHA256_SIZE])
{
	unsigned int out_n = 0;

	REQUIRE(key_n <= INT_MAX);
	REQUIRE(HMAC(EVP_sha256(), key, (int)key_n, p, n, out, &out_n) != NULL);
	REQUIRE(out_n == AUTH_SHA256_SIZE);
}

bool
auth_equal(const void *a, const void *b, size_t n)
{
	return CRYPTO_memcmp(a, b, n) == 0;
}

void
auth_wipe(void *p, size_t n)
{
	OPENSSL_cleanse(p, n);
}

/* --- streaming ---------------------------------------------------------------------------- */

struct auth_digest {
	EVP_MD_CTX *ctx;
};

int
auth_digest_new(struct auth_digest **ret, struct err *e)
{
	struct auth_digest *d = calloc(1, sizeof(*d));

	if (d != NULL)
		d->ctx = EVP_MD_CTX_new();
	if (d == NULL || d->ctx == NULL || EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL) != 1) {
		auth_digest_free(d);
		return err_set(e, ERR_NO_MEMORY, "The server is short of memory; try again later");
	}
	*ret = d;
	return 0;
}

void
auth_digest_free(struct auth_digest *d)
{
	if (d == NULL)
		return;
	EVP_MD_CTX_free(d->ctx);
	free(d);
}

void
auth_digest_add(struct auth_digest *d, const void *p, size_t n)
{
	REQUIRE(EVP_DigestUpdate(d->ctx, p, n) == 1);
}

void
auth_digest_end(struct auth_digest *d, uint8_t out[static AUTH_SHA256_SIZE])
{
	unsigned int n = 0;

	/* Fails for a second end without a start, too. */
	REQUIRE(EVP_DigestFinal_ex(d->ctx, out, &n) == 1);
	REQUIRE(n == AUTH_SHA256_SIZE);
}

void
auth_hex(const void *p, size_t n, char *out)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = "0123456789abcdef"[b[i] >> 4];
		out[2 * i + 1] = "0123456789abcdef"[b[i] & 15];
	}
	out[2 * n] = '\0';
}
