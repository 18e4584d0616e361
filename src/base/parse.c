/* SPDX-License-Identifier: Apache-2.0 */
#include "parse.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
	ECHO_BYTES = 40,
	/* No name that anyone compares is longer. */
	DISTANCE_LENGTH_MAX = 64,
	DISTANCE_FAR = 4,
	/* More digits than any writer of doubles prints. */
	F64_TEXT_MAX = 127
};

struct unit {
	const char *name;
	int64_t factor;
};

/* Largest first, for printing. */
static const struct unit byte_units[] = {
	{ "TiB", INT64_C(1) << 40 },
	{ "GiB", INT64_C(1) << 30 },
	{ "MiB", INT64_C(1) << 20 },
	{ "KiB", INT64_C(1) << 10 },
	{ "", 1 },
	{ NULL, 0 },
};
static const struct unit time_units[] = {
	{ "d", INT64_C(86400000) },
	{ "h", 3600000 },
	{ "m", 60000 },
	{ "s", 1000 },
	{ "ms", 1 },
	{ NULL, 0 },
};

/* Bytes of the well-formed sequence at p, 0 when there is none within n bytes. */
static size_t
utf8_length(const unsigned char *p, size_t n)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t len;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (len > n)
		return 0;
	/* RFC 3629 section 4: the second byte's range excludes overlong forms and surrogates. */
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

bool
parse_utf8_valid(const char *p, size_t n)
{
	const unsigned char *at = (const unsigned char *)p;

	while (n > 0) {
		size_t len = *at == '\0' ? 0 : utf8_length(at, n);

		if (len == 0)
			return 0;
		at += len;
		n -= len;
	}
	return 1;
}

size_t
parse_utf8_printable(const char *p, size_t n)
{
	const unsigned char *at = (const unsigned char *)p;
	size_t len = n == 0 ? 0 : utf8_length(at, n);

	/* C0, DEL and C1 drive terminals. */
	if (len == 1 && (at[0] < 0x20 || at[0] == 0x7f))
		return 0;
	if (len == 2 && at[0] == 0xc2 && at[1] < 0xa0)
		return 0;
	return len;
}

const char *
parse_echo(const char *text, char out[static PARSE_ECHO_SIZE])
{
	size_t left = strnlen(text, 4 * (size_t)ECHO_BYTES), n = 0;

	while (left > 0 && n < ECHO_BYTES) {
		size_t len = parse_utf8_printable(text, left);

		if (len == 0)
			out[n] = '?';
		else
			memcpy(out + n, text, len);
		len += len == 0;
		text += len;
		left -= len;
		n += len;
	}
	memcpy(out + n, "...", 4);
	if (left == 0)
		out[n] = '\0';
	return out;
}

/* Reads an optional '-' and digits; the text after them, or NULL when malformed or over 64 bits. */
static const char *
get_i64(const char *at, int64_t *ret)
{
	bool negative = *at == '-';
	int64_t v = 0;

	at += negative;
	if (*at < '0' || *at > '9' || (at[0] == '0' && at[1] >= '0' && at[1] <= '9'))
		return NULL;
	/* Counts downward: the most negative value has no positive twin. */
	for (; *at >= '0' && *at <= '9'; at++)
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_sub_overflow(v, *at - '0', &v))
			return NULL;
	if (!negative && __builtin_sub_overflow(0, v, &v))
		return NULL;
	*ret = v;
	return at;
}

int
parse_i64(const char *text, int64_t min, int64_t max, int64_t *ret, struct err *e)
{
	char echo[PARSE_ECHO_SIZE];
	int64_t v = 0;
	const char *end = get_i64(text, &v);

	if (end == NULL || *end != '\0' || v < min || v > max)
		return err_set(e, ERR_INVALID, "expected a whole number from %jd to %jd, got '%s'",
		    (intmax_t)min, (intmax_t)max, parse_echo(text, echo));
	*ret = v;
	return 0;
}

static const char *
format_units(const struct unit *units, int64_t v, char out[static PARSE_UNIT_SIZE])
{
	const struct unit *u = units;

	while (u[1].name != NULL && (v == 0 || v % u->factor != 0))
		u++;
	(void)snprintf(out, PARSE_UNIT_SIZE, "%jd%s", (intmax_t)(v / u->factor), u->name);
	return out;
}

const char *
format_bytes(int64_t bytes, char out[static PARSE_UNIT_SIZE])
{
	return format_units(byte_units, bytes, out);
}

const char *
format_duration_ms(int64_t ms, char out[static PARSE_UNIT_SIZE])
{
	return format_units(time_units, ms, out);
}

/* A number followed by exactly one of the units. */
static bool
get_units(const struct unit *units, const char *text, int64_t *ret)
{
	int64_t v = 0;
	const char *end = get_i64(text, &v);

	if (end == NULL)
		return false;
	for (const struct unit *u = units; u->name != NULL; u++)
		if (strcmp(end, u->name) == 0)
			return !__builtin_mul_overflow(v, u->factor, ret);
	return false;
}

int
parse_bytes(const char *text, int64_t min, int64_t max, int64_t *ret, struct err *e)
{
	char lowest[PARSE_UNIT_SIZE], highest[PARSE_UNIT_SIZE], echo[PARSE_ECHO_SIZE];
	int64_t v = 0;

	if (!get_units(byte_units, text, &v) || v < min || v > max)
		return err_set(e, ERR_INVALID,
		    "expected bytes from %s to %s, like 512, 64KiB, 10MiB, 2GiB or 1TiB, got '%s'",
		    format_bytes(min, lowest), format_bytes(max, highest), parse_echo(text, echo));
	*ret = v;
	return 0;
}

int
parse_duration_ms(const char *text, int64_t min, int64_t max, int64_t *ret, struct err *e)
{
	char lowest[PARSE_UNIT_SIZE], highest[PARSE_UNIT_SIZE], echo[PARSE_ECHO_SIZE];
	int64_t v = 0;

	if (!get_units(time_units, text, &v) || v < min || v > max)
		return err_set(e, ERR_INVALID,
		    "expected a time from %s to %s, like 250ms, 30s, 5m, 2h or 7d, got '%s'",
		    format_duration_ms(min, lowest), format_duration_ms(max, highest),
		    parse_echo(text, echo));
	*ret = v;
	return 0;
}

static const char *
skip_digits(const char *at)
{
	while (*at >= '0' && *at <= '9')
		at++;
	return at;
}

/* strtod(3) also takes blanks, hexadecimal, inf and nan; this decides what it gets to see. */
static bool
f64_shape(const char *at)
{
	const char *whole, *fraction;
	ptrdiff_t digits;

	if (*at == '-' || *at == '+')
		at++;
	whole = skip_digits(at);
	digits = whole - at;
	at = whole;
	if (*at == '.') {
		fraction = skip_digits(at + 1);
		digits += fraction - at - 1;
		at = fraction;
	}
	if (digits == 0)
		return false;
	if (*at == 'e' || *at == 'E') {
		at++;
		if (*at == '-' || *at == '+')
			at++;
		if (skip_digits(at) == at)
			return false;
		at = skip_digits(at);
	}
	return *at == '\0';
}

int
parse_f64(const char *text, size_t n, double *ret, struct err *e)
{
	char copy[F64_TEXT_MAX + 1], echo[PARSE_ECHO_SIZE];
	size_t kept = n < F64_TEXT_MAX ? n : F64_TEXT_MAX;
	locale_t c_locale;
	double v;

	memcpy(copy, text, kept);
	copy[kept] = '\0';
	if (n > kept || strlen(copy) != n || !f64_shape(copy))
		return err_set(e, ERR_INVALID,
		    "expected a number like 12, -0.5 or 6.02e23, got '%s'", parse_echo(copy, echo));
	/* glibc keeps the "C" locale ready: neither call allocates. */
	c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	REQUIRE(c_locale != (locale_t)0);
	v = strtod_l(copy, NULL, c_locale);
	freelocale(c_locale);
	if (!isfinite(v))
		return err_set(
		    e, ERR_INVALID, "'%s' is beyond the range of a double", parse_echo(copy, echo));
	*ret = v;
	return 0;
}

const char *
format_f64(double v, char out[static PARSE_F64_SIZE])
{
	locale_t c_locale, before;

	REQUIRE(isfinite(v));
	c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	REQUIRE(c_locale != (locale_t)0);
	before = uselocale(c_locale);
	/* 15 digits survive text, double, text; 17 survive double, text, double. */
	for (int digits = 15; digits <= 17; digits++) {
		(void)snprintf(out, PARSE_F64_SIZE, "%.*g", digits, v);
		if (strtod_l(out, NULL, c_locale) == v)
			break;
	}
	(void)uselocale(before); /* gives back what was in force */
	freelocale(c_locale);
	return out;
}

static int
least(int a, int b, int c)
{
	int ab = a < b ? a : b;

	return ab < c ? ab : c;
}

int
parse_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int
parse_distance(const char *a, const char *b)
{
	size_t n_a = strnlen(a, DISTANCE_LENGTH_MAX + 1), n_b = strnlen(b, DISTANCE_LENGTH_MAX + 1);
	int row[DISTANCE_LENGTH_MAX + 1];

	if (n_a > DISTANCE_LENGTH_MAX || n_b > DISTANCE_LENGTH_MAX)
		return DISTANCE_FAR;
	/* Levenshtein: row[j] is the distance from a's first i bytes to b's first j. */
	for (size_t j = 0; j <= n_b; j++)
		row[j] = (int)j;
	for (size_t i = 1; i <= n_a; i++) {
		int diagonal = row[0];

		row[0] = (int)i;
		for (size_t j = 1; j <= n_b; j++) {
			int above = row[j];

			row[j] =
			    least(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[n_b] < DISTANCE_FAR ? row[n_b] : DISTANCE_FAR;
}
