/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 of a whole text and its HMAC go through the functions on contexts of the caller's, which
 * take no memory and so cannot fail: every request is checked by them, and one that comes while
 * memory is short must not end the server for all.  They are deprecated for being tied to one
 * implementation, which is what is wanted here.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "auth.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

enum { HMAC_BLOCK = 64 };

void
auth_sha256(const void *p, size_t n, uint8_t out[static AUTH_SHA256_SIZE])
{
	SHA256_CTX c;

	REQUIRE(SHA256_Init(&c) == 1);
	if (n > 0)
		REQUIRE(SHA256_Update(&c, p, n) == 1);
	REQUIRE(SHA256_Final(out, &c) == 1);
}

/* One of the two passes of RFC 2104. */
static void
hmac_pass(const uint8_t key[static HMAC_BLOCK], uint8_t pad, const void *p, size_t n,
    uint8_t out[static AUTH_SHA256_SIZE])
{
	uint8_t block[HMAC_BLOCK];
	SHA256_CTX c;

	for (size_t i = 0; i < HMAC_BLOCK; i++)
		block[i] = key[i] ^ pad;
	REQUIRE(SHA256_Init(&c) == 1);
	REQUIRE(SHA256_Update(&c, block, sizeof(block)) == 1);
	if (n > 0)
		REQUIRE(SHA256_Update(&c, p, n) == 1);
	REQUIRE(SHA256_Final(out, &c) == 1);
	OPENSSL_cleanse(block, sizeof(block));
	OPENSSL_cleanse(&c, sizeof(c));
}

void
auth_hmac(
    const void *key, size_t key_n, const void *p, size_t n, uint8_t out[static AUTH_SHA256_SIZE])
{
	uint8_t block[HMAC_BLOCK] = { 0 };
	uint8_t inner[AUTH_SHA256_SIZE];

	if (key_n > HMAC_BLOCK)
		auth_sha256(key, key_n, block);
	else if (key_n > 0)
		memcpy(block, key, key_n);
	hmac_pass(block, 0x36, p, n, inner);
	hmac_pass(block, 0x5c, inner, sizeof(inner), out);
	OPENSSL_cleanse(block, sizeof(block));
	OPENSSL_cleanse(inner, sizeof(inner));
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
