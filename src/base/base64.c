/* SPDX-License-Identifier: Apache-2.0 */
#include "base64.h"

static const char *
digits_of(enum base64_alphabet a)
{
	static const char standard[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	static const char url[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	return a == BASE64_STANDARD ? standard : url;
}

size_t
base64_encode(enum base64_alphabet a, const void *p, size_t n, char *out)
{
	const char *digits = digits_of(a);
	const uint8_t *in = p;
	char *at = out;
	uint32_t bits = 0, have = 0;

	for (size_t i = 0; i < n; i++) {
		bits = bits << 8 | in[i];
		for (have += 8; have >= 6; have -= 6)
			*at++ = digits[bits >> (have - 6) & 63];
	}
	if (have > 0)
		*at++ = digits[bits << (6 - have) & 63];
	while (a == BASE64_STANDARD && (at - out) % 4 != 0)
		*at++ = '=';
	*at = '\0';
	return (size_t)(at - out);
}

void
base64_append(struct buf *b, enum base64_alphabet a, const void *p, size_t n)
{
	enum { PIECE = 384 }; /* a multiple of 3, so that only the last piece is padded */
	char text[BASE64_TEXT_SIZE(PIECE)];
	const uint8_t *in = p;

	while (n > 0) {
		size_t piece = n < PIECE ? n : PIECE;

		buf_append(b, text, base64_encode(a, in, piece, text));
		in += piece;
		n -= piece;
	}
}

/* Value of a digit, -1 for anything else. */
static int
value_of(enum base64_alphabet a, char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == (a == BASE64_STANDARD ? '+' : '-'))
		return 62;
	return c == (a == BASE64_STANDARD ? '/' : '_') ? 63 : -1;
}

/* Takes the padding off *n; false when its length is not what the alphabet asks for. */
static bool
unpad(enum base64_alphabet a, const char *text, size_t *n)
{
	size_t pad = 0;

	if (a == BASE64_URL)
		return *n % 4 != 1;
	while (pad < 2 && pad < *n && text[*n - 1 - pad] == '=')
		pad++;
	if (*n % 4 != 0)
		return false;
	*n -= pad;
	return true;
}

bool
base64_decode(
    enum base64_alphabet a, const char *text, size_t n, void *out, size_t size, size_t *ret_n)
{
	uint8_t *bytes = out;
	uint32_t bits = 0, have = 0;
	size_t used = 0;

	if (!unpad(a, text, &n) || n / 4 * 3 + n % 4 * 3 / 4 > size)
		return false;
	for (size_t i = 0; i < n; i++) {
		int value = value_of(a, text[i]);

		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t)value;
		have += 6;
		if (have >= 8) {
			have -= 8;
			bytes[used++] = (uint8_t)(bits >> have);
		}
	}
	if ((bits & ((UINT32_C(1) << have) - 1)) != 0)
		return false;
	*ret_n = used;
	return true;
}
