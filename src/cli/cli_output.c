/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_internal.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

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
	free(t->rows);
	t->rows = NULL;
}

bool
cli_table_row(struct cli_table *t, const char *const *cells)
{
	if (t->n_rows == t->cap_rows) {
		size_t cap = t->cap_rows == 0 ? 64 : t->cap_rows * 2;
		void *grown = reallocarray(t->rows, cap, sizeof(*t->rows));

		if (grown == NULL)
			return false;
		t->rows = grown;
		t->cap_rows = cap;
	}
	for (size_t i = 0; i < t->n_columns; i++)
		(void)snprintf(t->rows[t->n_rows][i], CLI_CELL, "%s", cells[i]);
	t->n_rows++;
	return true;
}

static void
print_cell(const char *text, size_t width, bool last, bool terminal)
{
	cli_print_safe(text, strlen(text));
	if (last)
		putchar('\n');
	else if (terminal)
		printf("%*s", (int)(width - strlen(text)) + 2, "");
	else
		putchar('\t');
}

void
cli_table_print(const struct cli_table *t)
{
	bool terminal = isatty(STDOUT_FILENO) == 1;
	size_t widths[CLI_COLUMNS];

	for (size_t i = 0; i < t->n_columns; i++) {
		widths[i] = strlen(t->heads[i]);
		for (size_t r = 0; r < t->n_rows; r++)
			if (strlen(t->rows[r][i]) > widths[i])
				widths[i] = strlen(t->rows[r][i]);
	}
	/* Scripts read every line as data. */
	for (size_t i = 0; terminal && i < t->n_columns; i++)
		print_cell(t->heads[i], widths[i], i + 1 == t->n_columns, terminal);
	for (size_t r = 0; r < t->n_rows; r++)
		for (size_t i = 0; i < t->n_columns; i++)
			print_cell(t->rows[r][i], widths[i], i + 1 == t->n_columns, terminal);
}

int
cli_print_raw(const struct buf *body, struct err *e)
{
	if (fwrite(body->p, 1, body->n, stdout) != body->n)
		return err_set(e, ERR_SYSTEM, "standard output cannot be written");
	if (body->n > 0 && body->p[body->n - 1] != '\n')
		putchar('\n');
	return 0;
}

void
cli_print_safe(const char *p, size_t n)
{
	bool terminal = isatty(STDOUT_FILENO) == 1;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		/* An escape sequence from a simulation must not drive the reader's terminal. */
		if (terminal && (c < 0x20 || c == 0x7f) && c != '\n' && c != '\t' && c != '\r')
			printf("\\x%02x", c);
		else
			putchar(c);
	}
}

void
cli_print_field(const char *name, const char *value)
{
	if (value[0] == '\0')
		return;
	printf("%-14s ", name);
	cli_print_safe(value, strlen(value));
	putchar('\n');
}
