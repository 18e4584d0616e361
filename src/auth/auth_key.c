/* SPDX-License-Identifier: Apache-2.0 */
#include "auth.h"

#include "id.h"

#include <stdio.h>
#include <string.h>

#include <zlib.h>

/*
 * wdn_<kind>_<id><secret><checksum>.  32 digits of base62 hold 190 bits, so a plain SHA-256 is
 * enough to store: there is nothing to guess.  Only '_' stands between the parts, so that a double
 * click selects the whole key.
 */
enum { KEY_CHECKSUM_LEN = 6, KEY_KIND_MAX = 3, KEY_DIGITS = 62 };
enum { KEY_TAIL_LEN = AUTH_KEY_ID_LEN + AUTH_KEY_SECRET_LEN + KEY_CHECKSUM_LEN };

static const char key_prefix[] = "wdn_";
static const char kinds[AUTH_KEY_KIND_COUNT][KEY_KIND_MAX + 1] = {
	[AUTH_KEY_SERVICE] = "sk",
	[AUTH_KEY_PERSON] = "pat",
	[AUTH_KEY_OPERATOR] = "op",
};
static const char digits[KEY_DIGITS + 1] =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

_Static_assert(
    sizeof(key_prefix) + KEY_KIND_MAX + 1 + KEY_TAIL_LEN <= AUTH_KEY_SIZE, "the longest key fits");

/* n random digits.  Bytes of 248 and above are thrown away: 248 is four times 62, so the remainder
 * of the others is even. */
static void
random_digits(char *out, size_t n)
{
	uint8_t pool[64];
	size_t have = 0;

	while (n > 0) {
		if (have == 0) {
			random_bytes(pool, sizeof(pool));
			have = sizeof(pool);
		}
		have--;
		if (pool[have] < 4 * KEY_DIGITS) {
			*out++ = digits[pool[have] % KEY_DIGITS];
			n--;
		}
	}
	auth_wipe(pool, sizeof(pool));
}

/* CRC-32 of the n bytes at text as six digits, most significant first; 62^6 is above 2^32. */
static void
checksum(const char *text, size_t n, char out[static KEY_CHECKSUM_LEN])
{
	unsigned long crc = crc32(0, (const Bytef *)text, (uInt)n);

	for (size_t i = KEY_CHECKSUM_LEN; i > 0; i--) {
		out[i - 1] = digits[crc % KEY_DIGITS];
		crc /= KEY_DIGITS;
	}
}

const char *
auth_key_kind_name(enum auth_key_kind kind)
{
	REQUIRE(kind < AUTH_KEY_KIND_COUNT);
	return kinds[kind];
}

void
auth_key_make(enum auth_key_kind kind, struct auth_key *ret)
{
	char id[AUTH_KEY_ID_LEN + 1] = "";

	random_digits(id, AUTH_KEY_ID_LEN);
	auth_key_renew(kind, id, ret);
}

void
auth_key_renew(enum auth_key_kind kind, const char *id, struct auth_key *ret)
{
	char *text = ret->text;
	size_t n;

	REQUIRE(strlen(id) == AUTH_KEY_ID_LEN);
	memset(ret, 0, sizeof(*ret));
	ret->kind = kind;
	n = (size_t)snprintf(
	    text, sizeof(ret->text), "%s%s_", key_prefix, auth_key_kind_name(kind));
	memcpy(ret->id, id, AUTH_KEY_ID_LEN);
	memcpy(text + n, id, AUTH_KEY_ID_LEN);
	n += AUTH_KEY_ID_LEN;
	random_digits(text + n, AUTH_KEY_SECRET_LEN);
	n += AUTH_KEY_SECRET_LEN;
	checksum(text, n, text + n);
	auth_sha256(text, n + KEY_CHECKSUM_LEN, ret->hash);
}

static bool
kind_of(const char *name, size_t n, enum auth_key_kind *ret)
{
	for (size_t i = 0; i < AUTH_KEY_KIND_COUNT; i++) {
		if (strlen(kinds[i]) != n || memcmp(kinds[i], name, n) != 0)
			continue;
		*ret = (enum auth_key_kind)i;
		return true;
	}
	return false;
}

/* Finds the kind and where the id starts; false when the n bytes do not have the form of a key. */
static bool
parts_of(const char *text, size_t n, enum auth_key_kind *ret_kind, size_t *ret_at)
{
	static const size_t head = sizeof(key_prefix) - 1;
	size_t at;

	if (n < head + 2 + KEY_TAIL_LEN || memcmp(text, key_prefix, head) != 0)
		return false;
	at = n - KEY_TAIL_LEN;
	if (text[at - 1] != '_' || !kind_of(text + head, at - 1 - head, ret_kind))
		return false;
	for (size_t i = at; i < n; i++)
		if (strchr(digits, text[i]) == NULL) /* no NUL is among the n bytes */
			return false;
	*ret_at = at;
	return true;
}

int
auth_key_read(const char *text, struct auth_key *ret, struct err *e)
{
	size_t n = strnlen(text, AUTH_KEY_SIZE), at;
	char sum[KEY_CHECKSUM_LEN];
	enum auth_key_kind kind;

	if (!parts_of(text, n, &kind, &at))
		return err_set(e, ERR_UNAUTHENTICATED,
		    "The API key does not have the form of one; send it whole, as wdn_sk_...");
	checksum(text, n - sizeof(sum), sum);
	if (memcmp(sum, text + n - sizeof(sum), sizeof(sum)) != 0)
		return err_set(e, ERR_UNAUTHENTICATED,
		    "The API key has a typing mistake or was cut; copy it again");
	memset(ret, 0, sizeof(*ret));
	ret->kind = kind;
	memcpy(ret->id, text + at, AUTH_KEY_ID_LEN);
	auth_sha256(text, n, ret->hash);
	return 0;
}
