/* SPDX-License-Identifier: Apache-2.0 */
#include "result_internal.h"

#include "parse.h"

#include <math.h>
#include <string.h>
#include <strings.h>

/* Lines, words and numbers of hostile text. */

int
result_lines_end(struct result_lines *l, struct err *e)
{
	size_t n = l->n;

	l->n = 0;
	return n == 0 ? 0 : l->fn(l->ctx, l->line, n, e);
}

int
result_lines_feed(struct result_lines *l, const char *p, size_t n, struct err *e)
{
	for (const char *end = p + n; p < end; p++) {
		if (*p != '\n' && *p != '\r') {
			if (l->n < RESULT_LINE_BYTES)
				l->line[l->n++] = *p;
		} else if (l->n > 0 && result_lines_end(l, e) < 0) {
			return -1;
		}
	}
	return 0;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\v' || c == '\f';
}

size_t
result_words(const char *line, size_t n, struct result_word words[static RESULT_WORDS + 1])
{
	const char *end = line + n;
	size_t count = 0;

	while (count <= RESULT_WORDS) {
		while (line < end && is_blank(*line))
			line++;
		if (line == end)
			break;
		words[count].p = line;
		while (line < end && !is_blank(*line))
			line++;
		words[count].n = (size_t)(line - words[count].p);
		count++;
	}
	return count;
}

bool
result_integer(const char *p, size_t n)
{
	size_t i = n > 0 && (p[0] == '-' || p[0] == '+');

	if (i == n)
		return false;
	for (; i < n; i++)
		if (p[i] < '0' || p[i] > '9')
			return false;
	return true;
}

static bool
same_word(const char *p, size_t n, const char *word)
{
	return n == strlen(word) && strncasecmp(p, word, n) == 0;
}

/* nan, inf, infinity in any case, and "nan(...)", which some C libraries print. */
static bool
not_finite(const char *p, size_t n, double *ret)
{
	bool negative = p[0] == '-';

	if (n > 1 && (p[0] == '-' || p[0] == '+')) {
		p++;
		n--;
	}
	if (same_word(p, n, "inf") || same_word(p, n, "infinity"))
		*ret = negative ? -(double)INFINITY : (double)INFINITY;
	else if (same_word(p, n, "nan") ||
		 (n > 4 && strncasecmp(p, "nan(", 4) == 0 && p[n - 1] == ')'))
		*ret = (double)NAN;
	else
		return false;
	return true;
}

/* Copies a number of Fortran as C would print it: D for E, and the E that Fortran leaves out when
 * the exponent takes three digits.  The length, or 0 when there is no room. */
static size_t
copy_number(const char *p, size_t n, char *out, size_t room)
{
	size_t used = 0;
	bool exponent = false;

	for (size_t i = 0; i < n; i++) {
		bool sign = p[i] == '-' || p[i] == '+';
		char c = p[i];

		if (used + 2 > room)
			return 0;
		if (c == 'd' || c == 'D')
			c = 'e';
		if (sign && i > 0 && !exponent)
			out[used++] = 'e';
		exponent = exponent || c == 'e' || c == 'E' || (sign && i > 0);
		out[used++] = c;
	}
	return used;
}

/* One star alone is a bullet. */
static bool
all_stars(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != '*')
			return false;
	return n > 1;
}

bool
result_number(const char *p, size_t n, double *ret)
{
	char text[64];
	struct err ignored = { 0 };
	size_t used;

	if (n == 0)
		return false;
	if (all_stars(p, n)) {
		*ret = (double)NAN;
		return true;
	}
	/* Most words of a log are no numbers; their first character tells. */
	if (memchr("0123456789+-.", p[0], 13) == NULL)
		return memchr("iInN", p[0], 4) != NULL && not_finite(p, n, ret);
	used = copy_number(p, n, text, sizeof(text));
	if (used > 0 && parse_f64(text, used, ret, &ignored) == 0)
		return true;
	return not_finite(p, n, ret);
}
