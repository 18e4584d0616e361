/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libmicrohttpd 0.9.75 takes bare LF for a line end, cuts values at NUL, glues folded lines into
 * field names, ends the head at a line that starts with NUL, and shows none of this to its
 * callbacks.  It parses in place, though: it writes one NUL over each separator (SP, colon) and
 * over each byte of a line end, and its callbacks get pointers into that memory.  So in an honest
 * head
 *
 *     method NUL target NUL version NUL NUL  name NUL [blanks] value NUL NUL ...  NUL NUL
 *
 * the pieces lie edge to edge and end where the reported size of the head ends.  A byte that no
 * piece accounts for is one of the tricks above.  A version of the library that lays its memory out
 * differently has all requests refused, never more accepted, and the tests notice.  From 1.0 on it
 * refuses these heads itself.
 *
 * What cannot be told apart: a NUL directly before a bare LF looks like CRLF, and so does a colon
 * there when it begins its line, which the library takes for the blank one.
 */
#include "http_internal.h"

#include <string.h>

static uintptr_t
end_of(const char *s)
{
	return (uintptr_t)s + strlen(s);
}

/* Whether n line-end bytes were overwritten behind s; they lie within the head. */
static bool
line_end(const char *s, size_t n)
{
	static const char NULS[4];

	return memcmp(s + strlen(s), NULS, n) == 0;
}

bool
http_layout_exact(const struct http_head *seen, size_t head_bytes)
{
	const char *last = seen->version;

	if ((uintptr_t)seen->target != end_of(seen->method) + 1)
		return false;
	if ((uintptr_t)seen->version != (uintptr_t)seen->target + seen->target_bytes + 1)
		return false;
	for (size_t i = 0; i < seen->n_fields; i++) {
		const struct http_field *f = &seen->fields[i];

		/* Between the colon and the value the library skips nothing but blanks. */
		if ((uintptr_t)f->name != end_of(last) + 2 ||
		    (uintptr_t)f->value <= end_of(f->name))
			return false;
		if (!line_end(last, 2))
			return false;
		last = f->value;
	}
	return end_of(last) + 4 == (uintptr_t)seen->method + head_bytes && line_end(last, 4);
}
