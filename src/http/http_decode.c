/* SPDX-License-Identifier: Apache-2.0 */
#include "http.h"

#include "parse.h"

/* Value of the escape that starts at in[0], which is '%'; -1 when it is malformed. */
static int
escape_value(const char *in, size_t n)
{
	int high, low;

	if (n < 3)
		return -1;
	high = parse_hex_digit(in[1]);
	low = parse_hex_digit(in[2]);
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
