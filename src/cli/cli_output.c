/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_internal.h"
#include "parse.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* --- tables --------------------------------------------------------------------------------- */

void
cli_table_init(struct cli_table *t, size_t n, const char *const *heads)
{
	REQUIRE(n <= CLI_COLUMNS);
	*t = (struct cli_table){ .n_columns = n };
	memcpy(t->heads, heads, n * sizeof(*heads));
}

void
cli_table_done(struct cli_table *t)
{
	for (size_t r = 0; r < t->n_rows; r++)
		for (size_t i = 0; i < t->n_columns; i++)
			free(t->rows[r][i]);
	free(t->rows);
	*t = (struct cli_table){ 0 };
}

static bool
make_room(struct cli_table *t)
{
	size_t cap = t->cap_rows == 0 ? 64 : t->cap_rows * 2;
	void *grown;

	if (t->n_rows < t->cap_rows)
		return true;
	grown = reallocarray(t->rows, cap, sizeof(*t->rows));
	if (grown == NULL)
		return false;
	t->rows = grown;
	t->cap_rows = cap;
	return true;
}

void
cli_table_row(struct cli_table *t, const char *const *cells)
{
	if (t->failed || !make_room(t)) {
		t->failed = true;
		return;
	}
	for (size_t i = 0; i < t->n_columns; i++) {
		t->rows[t->n_rows][i] = strdup(cells[i]);
		t->failed = t->failed || t->rows[t->n_rows][i] == NULL;
	}
	t->n_rows++;
}

static void
print_cell(const char *text, size_t width, bool last, bool terminal)
{
	size_t n = strlen(text);

	cli_print_line(stdout, text);
	if (last)
		putchar('\n');
	else if (terminal)
		printf("%*s", (int)(n < width ? width - n : 0) + 2, "");
	else
		putchar('\t');
}

static void
measure(const struct cli_table *t, size_t widths[static CLI_COLUMNS])
{
	for (size_t i = 0; i < t->n_columns; i++) {
		widths[i] = strlen(t->heads[i]);
		for (size_t r = 0; r < t->n_rows; r++)
			if (strlen(t->rows[r][i]) > widths[i])
				widths[i] = strlen(t->rows[r][i]);
		/* One long cell must not push the columns of all rows off the screen. */
		if (widths[i] > CLI_WIDTH)
			widths[i] = CLI_WIDTH;
	}
}

int
cli_table_print(const struct cli_table *t, struct err *e)
{
	bool terminal = isatty(STDOUT_FILENO) == 1;
	size_t widths[CLI_COLUMNS];

	if (t->failed)
		return err_set(
		    e, ERR_NO_MEMORY, "not enough memory for a table; ask for fewer rows");
	measure(t, widths);
	/* Scripts read every line as data. */
	for (size_t i = 0; terminal && i < t->n_columns; i++)
		print_cell(t->heads[i], widths[i], i + 1 == t->n_columns, terminal);
	for (size_t r = 0; r < t->n_rows; r++)
		for (size_t i = 0; i < t->n_columns; i++)
			print_cell(t->rows[r][i], widths[i], i + 1 == t->n_columns, terminal);
	return 0;
}

/* --- text of servers and simulations -------------------------------------------------------- */

/* Bytes that drive a terminal (C0, DEL, C1) and bytes that are no text are shown as \xNN. */
static void
print_visible(FILE *to, const char *p, size_t n, const char *allowed)
{
	for (size_t i = 0, len; i < n; i += len) {
		len = parse_utf8_printable(p + i, n - i);
		if (len == 0 && p[i] != '\0' && strchr(allowed, p[i]) != NULL)
			len = 1;
		if (len > 0) {
			(void)fwrite(p + i, 1, len, to); /* noticed at the end */
		} else {
			(void)fprintf(to, "\\x%02x", (unsigned)(unsigned char)p[i]);
			len = 1;
		}
	}
}

void
cli_print_safe(const char *p, size_t n)
{
	if (isatty(STDOUT_FILENO) == 1)
		print_visible(stdout, p, n, "\n\t\r");
	else if (n > 0)
		(void)fwrite(p, 1, n, stdout); /* noticed at the end */
}

void
cli_print_line(FILE *to, const char *text)
{
	print_visible(to, text, strlen(text), "");
}

void
cli_print_raw(const struct buf *body)
{
	if (body->n == 0)
		return;
	cli_print_safe(body->p, body->n);
	if (body->p[body->n - 1] != '\n')
		putchar('\n');
}

void
cli_print_field(const char *name, const char *value)
{
	if (value[0] == '\0')
		return;
	printf("%-18s ", name);
	cli_print_line(stdout, value);
	putchar('\n');
}

void
cli_say(const char *fmt, ...)
{
	char text[ERR_MSG_SIZE];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* cut when too long */
	va_end(ap);
	(void)fputs("wardian: ", stderr);
	cli_print_line(stderr, text);
	(void)fputc('\n', stderr);
}

int
cli_flush(struct err *e)
{
	if (fflush(stdout) == 0 && ferror(stdout) == 0)
		return 0;
	return err_set(e, ERR_SYSTEM,
	    "standard output cannot be written; is the disk full, or its reader gone?");
}
