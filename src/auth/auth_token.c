/* SPDX-License-Identifier: Apache-2.0 */
#include "auth.h"

#include "base64.h"

#include <string.h>

/*
 * base64url(payload || HMAC-SHA256(key, size of purpose, purpose, size of payload, payload)).
 * Sealed, not secret: whoever holds a token can read its payload.  There is one text per payload:
 * padding, blanks and left-over bits are refused, so a token also works as a key of a cache.
 */
enum {
	TOKEN_PURPOSE_MAX = 64,
	TOKEN_BYTES_MAX = (AUTH_TOKEN_SIZE - 1) / 4 * 3,
	TOKEN_PAYLOAD_MAX = TOKEN_BYTES_MAX - AUTH_SHA256_SIZE
};

/* Sizes go in as 64 bits, least significant byte first, so that no two pairs of texts meet. */
static uint8_t *
put_sized(uint8_t *at, const void *p, size_t n)
{
	for (int shift = 0; shift < 64; shift += 8)
		*at++ = (uint8_t)((uint64_t)n >> shift);
	memcpy(at, p, n);
	return at + n;
}

static void
tag_make(const uint8_t key[static 32], const char *purpose, const void *p, size_t n,
    uint8_t tag[static AUTH_SHA256_SIZE])
{
	uint8_t message[8 + TOKEN_PURPOSE_MAX + 8 + TOKEN_PAYLOAD_MAX], *end;

	REQUIRE(strlen(purpose) <= TOKEN_PURPOSE_MAX);
	end = put_sized(message, purpose, strlen(purpose));
	end = put_sized(end, p, n);
	auth_hmac(key, 32, message, (size_t)(end - message), tag);
}

int
auth_token_seal(const uint8_t key[static 32], const char *purpose, const void *p, size_t n,
    char out[static AUTH_TOKEN_SIZE], struct err *e)
{
	uint8_t bytes[TOKEN_BYTES_MAX];

	if (n > TOKEN_PAYLOAD_MAX)
		return err_set(e, ERR_TOO_LARGE, "A token can hold %d bytes, not %zu; ask for less",
		    TOKEN_PAYLOAD_MAX, n);
	memcpy(bytes, p, n);
	tag_make(key, purpose, p, n, bytes + n);
	(void)base64_encode(BASE64_URL, bytes, n + AUTH_SHA256_SIZE, out);
	return 0;
}

int
auth_token_open(const uint8_t key[static 32], const char *purpose, const char *text, void *out,
    size_t *ret_n, struct err *e)
{
	uint8_t bytes[TOKEN_BYTES_MAX], tag[AUTH_SHA256_SIZE];
	size_t n = 0;

	if (!base64_decode(
		BASE64_URL, text, strnlen(text, AUTH_TOKEN_SIZE), bytes, sizeof(bytes), &n) ||
	    n < sizeof(tag))
		goto forged;
	n -= sizeof(tag);
	tag_make(key, purpose, bytes, n, tag);
	if (!auth_equal(tag, bytes + n, sizeof(tag)) || n > *ret_n)
		goto forged;
	memcpy(out, bytes, n);
	*ret_n = n;
	return 0;
forged:
	return err_set(e, ERR_BAD_CURSOR,
	    "The cursor was cut, changed or made for another list; start again without it");
}
