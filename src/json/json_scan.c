/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"
#include "json_internal.h"

/*
 * One pass over the bytes before the parser sees them.  jansson allows a depth of 2,048, and its
 * parser recurses; a hundred bytes per member would let a megabyte of "[[],[],..." become far more
 * memory than the body.  The pass need not understand malformed text: it only must not count too
 * low for text that the parser goes on to accept.
 */
struct scan {
	uint32_t depth;
	uint32_t members; /* members of objects and elements of arrays */
	int line, column; /* column counts characters, as the parser's does */
	bool in_string, escaped;
	bool opened; /* just behind an opening bracket, so the next value is its first */
};

static void
scan_place(struct scan *s, unsigned char c)
{
	if (c == '\n') {
		s->line++;
		s->column = 0;
	} else if ((c & 0xc0) != 0x80) {
		s->column++;
	}
}

static void
scan_string_byte(struct scan *s, unsigned char c)
{
	if (s->escaped)
		s->escaped = false;
	else if (c == '\\')
		s->escaped = true;
	else if (c == '"')
		s->in_string = false;
}

/* The first value behind a bracket makes one member, every comma another. */
static void
scan_first(struct scan *s)
{
	if (s->opened)
		s->members++;
	s->opened = false;
}

static void
scan_token_byte(struct scan *s, unsigned char c)
{
	switch (c) {
	case ' ':
	case '\t':
	case '\r':
	case '\n':
		break;
	case '[':
	case '{':
		scan_first(s);
		s->opened = true;
		s->depth++;
		break;
	case ']':
	case '}':
		s->opened = false;
		if (s->depth > 0)
			s->depth--;
		break;
	case ',':
		s->members++;
		break;
	case '"':
		scan_first(s);
		s->in_string = true;
		break;
	default:
		scan_first(s);
	}
}

int
json_scan(const char *text, size_t n, struct err *e)
{
	struct scan s = { .line = 1 };

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];

		scan_place(&s, c);
		if (s.in_string)
			scan_string_byte(&s, c);
		else
			scan_token_byte(&s, c);
		if (s.depth > JSON_MAX_DEPTH)
			return err_set(e, ERR_BAD_JSON,
			    "The JSON text is nested deeper than %d levels at line %d, column %d; "
			    "flatten it",
			    JSON_MAX_DEPTH, s.line, s.column);
		if (s.members > JSON_MAX_MEMBERS)
			return err_set(e, ERR_BAD_JSON,
			    "The JSON text has more than %d members at line %d, column %d; split "
			    "it",
			    JSON_MAX_MEMBERS, s.line, s.column);
	}
	return 0;
}
