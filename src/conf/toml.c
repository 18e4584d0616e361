/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reader of the TOML subset.  One pass checks lines (length, UTF-8, control characters), so that
 * the second sees only clean text without NUL and needs no bounds but `end`.  Names are kept to
 * find duplicates; values live in an arena that is reset with each key.
 */
#include "conf.h"

#include <string.h>

#include "toml_internal.h"

enum {
	FILE_BYTES_MAX = 1 << 20,
	/* Names and decoded strings are no longer than their text, arrays add 16 KiB. */
	NAMES_CAP = 4 << 20,
	VALUES_CAP = 4 << 20
};

static int
take_name(struct toml_reader *r, const char *what)
{
	const char *start = r->at;

	while (toml_name_char(toml_peek(r)))
		r->at++;
	if (r->at == start)
		return toml_fail(r, start, "expected %s of letters, digits, '_' and '-'", what);
	if (r->at - start > TOML_NAME_BYTES_MAX)
		return toml_fail(r, start, "a name is longer than %d bytes", TOML_NAME_BYTES_MAX);
	return 0;
}

/* Whether `path` is `name` or lies below it: "a.b" and "a.b.c" are, "a.bc" is not. */
static bool
at_or_below(const char *path, const char *name)
{
	size_t n = strlen(name);

	return strncmp(path, name, n) == 0 && (path[n] == '\0' || path[n] == '.');
}

static bool
among(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static int
define_table(struct toml_reader *r, const char *start, const char *path)
{
	if (among(r->tables, r->n_tables, path))
		return toml_fail(r, start, "the table [%.80s] stands here a second time", path);
	for (size_t i = 0; i < r->n_keys; i++)
		if (at_or_below(path, r->keys[i]))
			return toml_fail(r, start,
			    "'%.80s' is a key already, so it cannot be a table", r->keys[i]);
	if (r->n_tables == TOML_TABLES_MAX)
		return toml_fail(r, start, "more than %d tables", TOML_TABLES_MAX);
	r->tables[r->n_tables++] = path;
	r->table = path;
	return 0;
}

static int
define_key(struct toml_reader *r, const char *start, const char *path)
{
	if (among(r->keys, r->n_keys, path))
		return toml_fail(r, start, "the key '%.80s' stands here a second time", path);
	for (size_t i = 0; i < r->n_tables; i++)
		if (at_or_below(r->tables[i], path))
			return toml_fail(
			    r, start, "'%.80s' is a table already, so it cannot be a key", path);
	if (r->n_keys == TOML_KEYS_MAX)
		return toml_fail(r, start, "more than %d keys", TOML_KEYS_MAX);
	r->keys[r->n_keys++] = path;
	return 0;
}

static int
read_table(struct toml_reader *r)
{
	const char *open = r->at++, *start;
	char *path;

	if (toml_peek(r) == '[')
		return toml_fail(r, open, "lists of tables ([[...]]) are not supported");
	toml_skip_blanks(r);
	start = r->at;
	do {
		if (take_name(r, "a table's name") < 0)
			return -1;
	} while (toml_take(r, '.'));
	path = arena_strndup(r->names, start, (size_t)(r->at - start));
	if (path == NULL)
		return toml_fail_memory(r);
	toml_skip_blanks(r);
	if (!toml_take(r, ']'))
		return toml_fail(r, r->at, "expected ']' after the table's name");
	if (define_table(r, start, path) < 0)
		return -1;
	if (!toml_take_line_end(r))
		return toml_fail(r, r->at, "expected nothing but a comment after ']'");
	return 0;
}

static int
deliver(struct toml_reader *r, struct toml_place place, const char *key, const struct toml_value *v)
{
	if (r->fn(r->ctx, r->table, key, v, place, r->e) < 0)
		return err_wrap(r->e, "%s:%d:%d", place.file, place.line, place.column);
	return 0;
}

static int
read_key(struct toml_reader *r)
{
	struct toml_value v = { 0 };
	struct toml_place place = toml_place_of(r, r->at);
	const char *start = r->at;
	char *key, *path;

	if (take_name(r, "a key") < 0)
		return -1;
	key = arena_strndup(r->names, start, (size_t)(r->at - start));
	if (key == NULL)
		return toml_fail_memory(r);
	path = r->table[0] == '\0' ? key : arena_printf(r->names, "%s.%s", r->table, key);
	if (path == NULL)
		return toml_fail_memory(r);
	if (toml_peek(r) == '.')
		return toml_fail(r, start, "a key has no dots; write [%.80s] on a line above", key);
	if (define_key(r, start, path) < 0)
		return -1;
	toml_skip_blanks(r);
	if (!toml_take(r, '='))
		return toml_fail(r, r->at, "expected '=' after the key '%.80s'", key);
	toml_skip_blanks(r);
	arena_reset(r->values);
	if (toml_read_value(r, &v) < 0)
		return -1;
	toml_skip_blanks(r);
	start = r->at;
	if (!toml_take_line_end(r))
		return toml_fail(r, start, "expected nothing but a comment after the value");
	return deliver(r, place, key, &v);
}

static int
read_all(struct toml_reader *r)
{
	if (toml_check_lines(r) < 0)
		return -1;
	for (;;) {
		toml_skip_lines(r);
		if (r->at == r->end)
			return 0;
		if ((toml_peek(r) == '[' ? read_table(r) : read_key(r)) < 0)
			return -1;
	}
}

int
toml_read(const char *file, const char *text, size_t n, toml_fn *fn, void *ctx, struct err *e)
{
	AUTO_FREE struct toml_reader *r = calloc(1, sizeof(*r));
	AUTO(arena) names = arena_new(NAMES_CAP);
	AUTO(arena) values = arena_new(VALUES_CAP);

	if (r == NULL || names == NULL || values == NULL)
		return err_set(e, ERR_NO_MEMORY, "no memory to read '%.100s'", file);
	if (n > FILE_BYTES_MAX)
		return err_set(
		    e, ERR_CONF, "'%.100s' is larger than %d bytes", file, FILE_BYTES_MAX);
	r->file = file;
	r->at = r->line_start = text;
	r->end = text + n;
	r->line = 1;
	r->table = "";
	r->names = names;
	r->values = values;
	r->fn = fn;
	r->ctx = ctx;
	r->e = e;
	return read_all(r);
}
