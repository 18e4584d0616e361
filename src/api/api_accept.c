/* SPDX-License-Identifier: Apache-2.0 */
/* Media types in requests: what a client sends and what it would like to get. */

#include "api_value_internal.h"

#include <string.h>
#include <strings.h>

/* Skips blanks, to at most end. */
static const char *
skip_blanks(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	return p;
}

static bool
text_is(const char *p, size_t n, const char *text)
{
	return strlen(text) == n && strncasecmp(p, text, n) == 0;
}

/* How specific the range is for the type: 3 exact, 2 "type/...", 1 "...", 0 does not fit. */
static int
range_fits(const char *range, size_t n, const char *type)
{
	const char *slash = strchr(type, '/');
	size_t major = slash == NULL ? 0 : (size_t)(slash - type) + 1;

	if (text_is(range, n, type))
		return 3;
	if (text_is(range, n, "*/*"))
		return 1;
	if (n == major + 1 && range[n - 1] == '*' && strncasecmp(range, type, major) == 0)
		return 2;
	return 0;
}

/* "0.75" as 750; -1 for anything that is not a qvalue. */
static int
quality(const char *p, const char *end)
{
	int q, weight = 100;

	if (p == end || (*p != '0' && *p != '1'))
		return -1;
	q = *p++ == '1' ? 1000 : 0;
	if (p < end && *p++ != '.')
		return -1;
	for (; p < end && *p >= '0' && *p <= '9' && weight > 0; p++, weight /= 10)
		q += (*p - '0') * weight;
	return p == end && q <= 1000 ? q : -1;
}

/* The end of the element that starts at p: the next comma or semicolon outside of quotes. */
static const char *
element_end(const char *p, const char *stops)
{
	bool quoted = false;

	for (; *p != '\0'; p++) {
		if (*p == '"')
			quoted = !quoted;
		else if (quoted && *p == '\\' && p[1] != '\0')
			p++;
		else if (!quoted && strchr(stops, *p) != NULL)
			break;
	}
	return p;
}

static const char *
trim_end(const char *start, const char *end)
{
	while (end > start && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	return end;
}

/* The q parameter among those between p (at a ';' or the end) and end; 1000 when absent. */
static int
element_quality(const char *p, const char *end)
{
	while (p < end && *p == ';') {
		const char *start = skip_blanks(p + 1, end);
		const char *stop = element_end(start, ";,");

		p = stop;
		stop = trim_end(start, stop);
		if (stop - start > 2 && (*start == 'q' || *start == 'Q') && start[1] == '=')
			return quality(start + 2, stop);
	}
	return 1000;
}

int
value_accept(const char *accept, const char *type)
{
	int best_fit = 0, best_quality = 0;

	if (accept == NULL)
		return 1000;
	while (*accept != '\0') {
		const char *end = element_end(accept, ",");
		const char *start = skip_blanks(accept, end);
		const char *params = element_end(start, ";,");
		int fit = range_fits(start, (size_t)(trim_end(start, params) - start), type);
		int q = element_quality(params, end);

		if (fit > best_fit && q >= 0) {
			best_fit = fit;
			best_quality = q;
		}
		accept = *end == ',' ? end + 1 : end;
	}
	return best_quality;
}

/* A charset parameter other than UTF-8 would change the meaning of the bytes. */
static bool
charset_fits(const char *p)
{
	while (*p == ';') {
		const char *end, *start = p + 1;

		start += strspn(start, " \t");
		p = element_end(start, ";");
		end = trim_end(start, p);
		if (strncasecmp(start, "charset=", 8) != 0)
			continue;
		start += 8;
		if (!text_is(start, (size_t)(end - start), "utf-8") &&
		    !text_is(start, (size_t)(end - start), "\"utf-8\""))
			return false;
	}
	return true;
}

bool
value_media_is(const char *content_type, const char *type)
{
	const char *start = content_type + strspn(content_type, " \t");
	const char *end = element_end(start, ";");

	return text_is(start, (size_t)(trim_end(start, end) - start), type) && charset_fits(end);
}
