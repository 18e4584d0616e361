/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOML_INTERNAL_H
#define TOML_INTERNAL_H

/* What the three files of the TOML reader share: toml.c tables and keys, toml_value.c, toml_scan.c.
 */

#include "arena.h"
#include "conf.h"

enum {
	TOML_NAME_BYTES_MAX = 256,
	/* Duplicates are searched for linearly: 8 million short comparisons at worst. */
	TOML_KEYS_MAX = 4096,
	TOML_TABLES_MAX = 512
};

struct toml_reader {
	const char *file;
	const char *at, *end;
	const char *line_start;
	int line;
	const char *table;
	struct arena *names, *values;
	size_t n_keys, n_tables;
	const char *keys[TOML_KEYS_MAX];     /* "table.key" */
	const char *tables[TOML_TABLES_MAX]; /* "table.name" */
	toml_fn *fn;
	void *ctx;
	struct err *e;
};

/* --- toml_scan.c --------------------------------------------------------------------------------
 */

struct toml_place toml_place_of(const struct toml_reader *r, const char *p);
/* ERR_CONF with the place of p before the message; always -1. */
int toml_fail(struct toml_reader *r, const char *p, const char *fmt, ...) PRINTF_LIKE(3, 4);
int toml_fail_memory(struct toml_reader *r);
/* Line lengths, UTF-8 and control characters of the whole text, which the rest then relies on. */
int toml_check_lines(struct toml_reader *r) MUST_CHECK;

bool toml_name_char(char c);
/* The next character, NUL at the end. */
char toml_peek(const struct toml_reader *r);
/* Goes past c when it is the next character. */
bool toml_take(struct toml_reader *r, char c);
void toml_skip_blanks(struct toml_reader *r);
/* Goes past blanks, a comment and the line's end; false when something else stands there. */
bool toml_take_line_end(struct toml_reader *r);
void toml_skip_lines(struct toml_reader *r);

/* --- toml_value.c -------------------------------------------------------------------------------
 */

/* What it points to lives in r->values. */
int toml_read_value(struct toml_reader *r, struct toml_value *v) MUST_CHECK;

#endif
