/* SPDX-License-Identifier: Apache-2.0 */
#include "http.h"

#include "parse.h"

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Value of the escape that starts at in[0], which is '%'; -1 when it is malformed. */
static int
escape_value(const char *in, size_t n)
{
	int high, low;

	if (n < 3)
		return -1;
	high = hex_value(in[1]);
	low = hex_value(in[2]);
	return high < 0 || low < 0 ? -1 : high * 16 + low;
}

int
http_decode(const char *in, size_t n, bool query, char *out)
{
	size_t n_out = 0;

	for (size_t i = 0; i < n; i++) {
		int c = (unsigned char)in[i];

		if (c == '%') {
			c = escape_value(in + i, n - i);
			i += 2;
		} else if (c == '+' && query) {
			c = ' ';
		}
		if (c <= 0)
			return -1;
		out[n_out++] = (char)c;
	}
	out[n_out] = '\0';
	return parse_utf8_valid(out, n_out) ? 0 : -1;
}
