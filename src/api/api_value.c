/* SPDX-License-Identifier: Apache-2.0 */
/* The smaller header values, and the encodings that replies need. */

#include "api_value_internal.h"

#include "buf.h"
#include "parse.h"

#include <stdio.h>
#include <string.h>

/* --- entity tags ------------------------------------------------------------------------------ */

/* Takes one entity tag at *p; false when there is none.  *ret, *ret_n: with its quotes. */
static bool
take_etag(const char **p, bool *ret_weak, const char **ret, size_t *ret_n)
{
	const char *start = *p, *close;

	*ret_weak = strncmp(start, "W/", 2) == 0;
	if (*ret_weak)
		start += 2;
	if (*start != '"' || (close = strchr(start + 1, '"')) == NULL)
		return false;
	*ret = start;
	*ret_n = (size_t)(close - start) + 1;
	*p = close + 1;
	return true;
}

bool
value_etag_listed(const char *list, const char *etag, bool weak)
{
	const char *tag;
	bool is_weak;
	size_t n;

	list += strspn(list, " \t");
	if (strcmp(list, "*") == 0)
		return true;
	while (*list != '\0') {
		if (!take_etag(&list, &is_weak, &tag, &n))
			return false;
		if ((weak || !is_weak) && n == strlen(etag) && memcmp(tag, etag, n) == 0)
			return true;
		list += strspn(list, " \t,");
	}
	return false;
}

enum value_version
value_version(const char *if_match, int64_t *ret)
{
	struct err ignored = { 0 };
	char digits[24] = ""; /* 19 of the largest version */
	const char *tag;
	bool weak;
	size_t n;

	if (if_match == NULL)
		return VALUE_VERSION_ANY;
	if_match += strspn(if_match, " \t");
	if (if_match[0] == '*' && if_match[1 + strspn(if_match + 1, " \t")] == '\0')
		return VALUE_VERSION_ANY;
	if (!take_etag(&if_match, &weak, &tag, &n))
		return VALUE_VERSION_NONE;
	if (if_match[strspn(if_match, " \t")] != '\0')
		return VALUE_VERSION_MANY;
	/* Weak tags never match here (RFC 9110 section 13.1.1). */
	if (weak || n - 2 >= sizeof(digits))
		return VALUE_VERSION_NONE;
	memcpy(digits, tag + 1, n - 2);
	return parse_i64(digits, 1, INT64_MAX, ret, &ignored) == 0 ? VALUE_VERSION_ONE
								   : VALUE_VERSION_NONE;
}

/* --- ranges ----------------------------------------------------------------------------------- */

/* Takes digits at *p; what is beyond INT64_MAX lies outside of any file and becomes INT64_MAX. */
static bool
take_number(const char **p, int64_t *ret)
{
	int64_t v = 0;

	if (**p < '0' || **p > '9')
		return false;
	for (; **p >= '0' && **p <= '9'; (*p)++)
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, **p - '0', &v))
			v = INT64_MAX;
	*ret = v;
	return true;
}

/* "-n": the last n bytes. */
static enum value_range
suffix_range(const char *p, int64_t size, int64_t *ret_first, int64_t *ret_n)
{
	int64_t n;

	if (!take_number(&p, &n) || *p != '\0')
		return VALUE_RANGE_NONE;
	if (n == 0 || size == 0)
		return VALUE_RANGE_OUTSIDE;
	*ret_n = n < size ? n : size;
	*ret_first = size - *ret_n;
	return VALUE_RANGE_PART;
}

enum value_range
value_range_parse(const char *range, int64_t size, int64_t *ret_first, int64_t *ret_n)
{
	int64_t first, last = INT64_MAX;

	if (range == NULL || strncmp(range, "bytes=", 6) != 0)
		return VALUE_RANGE_NONE;
	range += 6;
	range += strspn(range, " \t");
	if (*range == '-')
		return suffix_range(range + 1, size, ret_first, ret_n);
	if (!take_number(&range, &first) || *range++ != '-')
		return VALUE_RANGE_NONE;
	if (*range != '\0' && (!take_number(&range, &last) || *range != '\0' || last < first))
		return VALUE_RANGE_NONE;
	if (first >= size)
		return VALUE_RANGE_OUTSIDE;
	*ret_first = first;
	*ret_n = (last < size ? last + 1 : size) - first;
	return VALUE_RANGE_PART;
}

/* --- Idempotency-Key, X-Request-Id, Last-Event-ID --------------------------------------------- */

/* The text inside "..." with its two escapes (RFC 8941 section 3.3.3); -1 when malformed. */
static int
unquote(const char *p, char *out, size_t size)
{
	size_t n = 0;

	for (p++; *p != '"'; p++) {
		if (*p == '\\' && (p[1] == '"' || p[1] == '\\'))
			p++;
		else if (*p == '\\')
			return -1;
		if (*p == '\0' || n + 1 >= size)
			return -1;
		out[n++] = *p;
	}
	out[n] = '\0';
	return p[1] == '\0' ? 0 : -1;
}

int
value_idempotency_key(const char *text, char out[static VALUE_KEY_SIZE], struct err *e)
{
	char key[VALUE_KEY_SIZE] = "";
	bool fits = true;

	if (*text == '"')
		fits = unquote(text, key, sizeof(key)) == 0;
	else if (strlen(text) < sizeof(key))
		memcpy(key, text, strlen(text) + 1);
	for (const char *p = key; *p != '\0'; p++)
		fits = fits && *p > ' ' && *p <= '~';
	if (!fits || key[0] == '\0') {
		err_field_add(e, "Idempotency-Key", "must be 1 to 255 visible ASCII characters");
		return err_fields_done(e, ERR_BAD_HEADER);
	}
	memcpy(out, key, sizeof(key));
	return 0;
}

bool
value_request_id_valid(const char *text)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

	return n >= 8 && n <= 64 && text[n] == '\0';
}

bool
value_event_id(const char *text, struct value_event_id *ret)
{
	struct value_event_id id = { .end = strcmp(text, "end") == 0, .epoch = 1 };
	int64_t first;

	if (!id.end) {
		if (!take_number(&text, &first))
			return false;
		id.offset = first;
		if (*text == '.') {
			text++;
			id.epoch = first;
			if (!take_number(&text, &id.offset))
				return false;
		}
		/* Beyond any file, and where adding to it would overflow. */
		if (*text != '\0' || id.offset > INT64_MAX / 2)
			return false;
	}
	*ret = id;
	return true;
}

/* --- encodings -------------------------------------------------------------------------------- */

size_t
value_utf8_tail(const char *p, size_t n)
{
	for (size_t back = 1; back <= 3 && back <= n; back++) {
		unsigned char c = (unsigned char)p[n - back];
		size_t length = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;

		if (length > 1)
			return length > back ? back : 0;
		if (c < 0x80)
			return 0;
	}
	return 0;
}

void
value_escape(struct buf *b, const char *text, const char *keep)
{
	static const char unreserved[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

	for (; *text != '\0'; text++) {
		if (strchr(unreserved, *text) != NULL || strchr(keep, *text) != NULL)
			buf_char(b, *text);
		else
			buf_printf(b, "%%%02X", (unsigned)(unsigned char)*text);
	}
}
