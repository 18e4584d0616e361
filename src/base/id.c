/* SPDX-License-Identifier: Apache-2.0 */
#include "id.h"

#include "clock.h"
#include "parse.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum { PREFIX_MAX = 8, DIGITS = 26 };

__extension__ typedef unsigned __int128 uint128; /* GNU; spares carrying between two halves */

static const char base32[] = "0123456789abcdefghjkmnpqrstvwxyz";

void
random_bytes(void *p, size_t n)
{
	unsigned char *at = p;

	while (n > 0) {
		ssize_t got = getrandom(at, n, 0);

		if (got < 0) {
			REQUIRE(errno == EINTR);
			continue;
		}
		at += got;
		n -= (size_t)got;
	}
}

struct uuid
uuid_v7(void)
{
	uint64_t us = (uint64_t)clock_wall_us(), ms = us / 1000;
	uint64_t part = us % 1000 * 4096 / 1000;
	struct uuid u;

	for (int i = 0; i < 6; i++)
		u.b[i] = (uint8_t)(ms >> (40 - 8 * i));
	u.b[6] = (uint8_t)(0x70 | part >> 8);
	u.b[7] = (uint8_t)part;
	random_bytes(u.b + 8, sizeof(u.b) - 8);
	u.b[8] = (uint8_t)(0x80 | (u.b[8] & 0x3f));
	return u;
}

bool
uuid_is_nil(struct uuid u)
{
	static const struct uuid nil;

	return uuid_cmp(u, nil) == 0;
}

int
uuid_cmp(struct uuid a, struct uuid b)
{
	return memcmp(a.b, b.b, sizeof(a.b));
}

int64_t
uuid_v7_wall_ms(struct uuid u)
{
	int64_t ms = 0;

	for (int i = 0; i < 6; i++)
		ms = (ms << 8) | u.b[i];
	return ms;
}

static bool
dash_before_byte(size_t i)
{
	return i == 4 || i == 6 || i == 8 || i == 10;
}

const char *
uuid_format(struct uuid u, char out[static UUID_STR_SIZE])
{
	static const char hex[] = "0123456789abcdef";
	char *at = out;

	for (size_t i = 0; i < sizeof(u.b); i++) {
		if (dash_before_byte(i))
			*at++ = '-';
		*at++ = hex[u.b[i] >> 4];
		*at++ = hex[u.b[i] & 0x0f];
	}
	*at = '\0';
	return out;
}

static bool
uuid_read(const char *at, struct uuid *ret)
{
	for (size_t i = 0; i < sizeof(ret->b); i++) {
		int high, low;

		if (dash_before_byte(i) && *at++ != '-')
			return false;
		high = parse_hex_digit(at[0]);
		low = high < 0 ? -1 : parse_hex_digit(at[1]);
		if (low < 0)
			return false;
		ret->b[i] = (uint8_t)(high << 4 | low);
		at += 2;
	}
	return *at == '\0';
}

int
uuid_parse(const char *text, struct uuid *ret, struct err *e)
{
	char echo[PARSE_ECHO_SIZE];
	struct uuid u;

	if (!uuid_read(text, &u))
		return err_set(e, ERR_BAD_ID,
		    "expected a UUID like 0189dc3e-6f00-7000-8000-0123456789ab, got '%s'",
		    parse_echo(text, echo));
	*ret = u;
	return 0;
}

/* Length of the prefix before '_', 0 when text does not begin with one. */
static size_t
prefix_length(const char *text)
{
	size_t n = 0;

	while (n <= PREFIX_MAX && text[n] >= 'a' && text[n] <= 'z')
		n++;
	return n <= PREFIX_MAX && text[n] == '_' ? n : 0;
}

static void
require_prefix(const char *prefix)
{
	size_t n = strspn(prefix, "abcdefghijklmnopqrstuvwxyz");

	REQUIRE(n >= 1 && n <= PREFIX_MAX);
	REQUIRE(prefix[n] == '\0');
}

/* 128 bits as 26 digits of 5 bits: the first digit holds the two zero bits in front. */
const char *
id_format(const char *prefix, struct uuid u, char out[static ID_STR_SIZE])
{
	size_t n = strlen(prefix);
	uint128 v = 0;

	require_prefix(prefix);
	for (size_t i = 0; i < sizeof(u.b); i++)
		v = v << 8 | u.b[i];
	memcpy(out, prefix, n);
	out[n] = '_';
	for (size_t i = DIGITS; i > 0; i--) {
		out[n + i] = base32[(unsigned)(v & 31)];
		v >>= 5;
	}
	out[n + 1 + DIGITS] = '\0';
	return out;
}

static bool
digits_read(const char *at, struct uuid *ret)
{
	uint128 v = 0;

	if (at[0] > '7')
		return false;
	for (size_t i = 0; i < DIGITS; i++) {
		const char *digit = at[i] == '\0' ? NULL : strchr(base32, at[i]);

		if (digit == NULL)
			return false;
		v = v << 5 | (unsigned)(digit - base32);
	}
	if (at[DIGITS] != '\0')
		return false;
	for (size_t i = sizeof(ret->b); i > 0; i--) {
		ret->b[i - 1] = (uint8_t)v;
		v >>= 8;
	}
	return true;
}

int
id_parse(const char *prefix, const char *text, struct uuid *ret, struct err *e)
{
	size_t n = prefix_length(text);
	char echo[PARSE_ECHO_SIZE];
	struct uuid u;

	require_prefix(prefix);
	if (n != strlen(prefix) || memcmp(text, prefix, n) != 0) {
		if (n > 0)
			return err_set(e, ERR_BAD_ID, "expected an id like %s_..., got '%.*s_...'",
			    prefix, (int)n, text);
		return err_set(e, ERR_BAD_ID, "expected an id like %s_..., got '%s'", prefix,
		    parse_echo(text, echo));
	}
	if (!digits_read(text + n + 1, &u))
		return err_set(e, ERR_BAD_ID,
		    "expected an id like %s_..., got '%s', which lacks the 26 digits of an id",
		    prefix, parse_echo(text, echo));
	*ret = u;
	return 0;
}

const char *
id_run_path(
    struct tenant_id tenant, struct uuid run, int64_t epoch, char out[static ID_RUN_PATH_SIZE])
{
	char t[UUID_STR_SIZE], r[UUID_STR_SIZE];

	(void)snprintf(out, ID_RUN_PATH_SIZE, "%s/%s.%jd", uuid_format(tenant.uuid, t),
	    uuid_format(run, r), (intmax_t)epoch); /* the size is the longest text */
	return out;
}
