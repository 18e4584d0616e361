/* SPDX-License-Identifier: Apache-2.0 */
#include "toml_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "parse.h"

enum {
	LINE_BYTES_MAX = 64 << 10,
	/* Tail of a file name shown in messages, which are short themselves. */
	FILE_NAME_SHOWN = 100
};

struct toml_place
toml_place_of(const struct toml_reader *r, const char *p)
{
	struct toml_place place = { .file = r->file, .line = r->line, .column = 1 };
	size_t n = strlen(r->file);

	if (n > FILE_NAME_SHOWN)
		place.file += n - FILE_NAME_SHOWN;
	/* Columns count characters: bytes that do not continue one. */
	for (const char *c = r->line_start; c < p; c++)
		place.column += ((unsigned char)*c & 0xc0) != 0x80;
	return place;
}

int
toml_fail(struct toml_reader *r, const char *p, const char *fmt, ...)
{
	struct toml_place place = toml_place_of(r, p);
	char msg[ERR_MSG_SIZE];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(msg, sizeof(msg), fmt, ap); /* cut when too long */
	va_end(ap);
	return err_set(r->e, ERR_CONF, "%s:%d:%d: %s", place.file, place.line, place.column, msg);
}

int
toml_fail_memory(struct toml_reader *r)
{
	return toml_fail(r, r->at, "the file is too large for the memory that a reader may use");
}

char
toml_peek(const struct toml_reader *r)
{
	if (r->at == r->end)
		return '\0';
	return *r->at;
}

bool
toml_take(struct toml_reader *r, char c)
{
	if (toml_peek(r) != c)
		return false;
	r->at++;
	return true;
}

void
toml_skip_blanks(struct toml_reader *r)
{
	while (toml_peek(r) == ' ' || toml_peek(r) == '\t')
		r->at++;
}

bool
toml_take_line_end(struct toml_reader *r)
{
	toml_skip_blanks(r);
	if (toml_peek(r) == '#')
		while (r->at < r->end && *r->at != '\n')
			r->at++;
	(void)toml_take(r, '\r'); /* the first pass saw that a newline follows */
	if (toml_take(r, '\n')) {
		r->line++;
		r->line_start = r->at;
		return true;
	}
	return r->at == r->end;
}

static int
check_line(struct toml_reader *r, const char *line, size_t n)
{
	if (n > LINE_BYTES_MAX)
		return toml_fail(r, line, "the line is longer than %d bytes", LINE_BYTES_MAX);
	if (n > 0 && line[n - 1] == '\r' && line + n < r->end)
		n--;
	for (size_t i = 0; i < n;) {
		size_t len = line[i] == '\t' ? 1 : parse_utf8_printable(line + i, n - i);

		if (len == 0)
			return toml_fail(r, line + i, "this is a control character or not UTF-8");
		i += len;
	}
	return 0;
}

int
toml_check_lines(struct toml_reader *r)
{
	const char *line = r->at;

	while (line < r->end) {
		const char *newline = memchr(line, '\n', (size_t)(r->end - line));
		const char *stop = newline == NULL ? r->end : newline;

		r->line_start = line;
		if (check_line(r, line, (size_t)(stop - line)) < 0)
			return -1;
		r->line++;
		line = newline == NULL ? stop : newline + 1;
	}
	r->line = 1;
	r->line_start = r->at;
	return 0;
}

bool
toml_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-';
}

void
toml_skip_lines(struct toml_reader *r)
{
	while (toml_take_line_end(r) && r->at < r->end)
		;
}
