/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_H
#define CONF_H

/*
 * Settings: one table (conf.def) from which the struct, the defaults, the checks, --help, the
 * environment names, the example file and the README table all come.  Order of precedence: default,
 * file, environment (WARDIAN_SECTION_KEY), command line (--section.key=value).  Also the reader of
 * the TOML subset, which environment profiles share.  Read once at start on the main thread;
 * immutable afterwards.
 */

#include "base.h"
#include "err.h"

#include <stdbool.h>
#include <stdio.h>

/* Where a value comes from. */
enum conf_origin { CONF_FROM_DEFAULT, CONF_FROM_FILE, CONF_FROM_ENVIRONMENT, CONF_FROM_OPTION };

/* CONF_SETTINGS counts the rows. */
enum conf_setting {
#define CONF_TEXT(section, key, def, max, sentence) CONF_AT_##section##_##key,
#define CONF_INT(section, key, def, min, max, unit, sentence) CONF_AT_##section##_##key,
#define CONF_BYTES(section, key, def, min, max, sentence) CONF_AT_##section##_##key,
#define CONF_TIME(section, key, def, min, max, sentence) CONF_AT_##section##_##key,
#define CONF_BOOL(section, key, def, sentence) CONF_AT_##section##_##key,
#include "conf.def"
#undef CONF_TEXT
#undef CONF_INT
#undef CONF_BYTES
#undef CONF_TIME
#undef CONF_BOOL
	CONF_SETTINGS
};

/* Fields are named <section>_<key>, with the unit of ms and bytes settings as a suffix. */
struct conf {
#define CONF_TEXT(section, key, def, max, sentence) char *section##_##key;
#define CONF_INT(section, key, def, min, max, unit, sentence) int64_t section##_##key;
#define CONF_BYTES(section, key, def, min, max, sentence) int64_t section##_##key##_bytes;
#define CONF_TIME(section, key, def, min, max, sentence) int64_t section##_##key##_ms;
#define CONF_BOOL(section, key, def, sentence) bool section##_##key;
#include "conf.def"
#undef CONF_TEXT
#undef CONF_INT
#undef CONF_BYTES
#undef CONF_TIME
#undef CONF_BOOL
	unsigned char origins[CONF_SETTINGS]; /* enum conf_origin, by enum conf_setting */
};

/*
 * Fills *c from defaults, the file (NULL: none), environ-style `env` (NULL: none) and the options
 * args (each "--section.key=value"; what is none is an error, so the caller keeps its own words).
 * An unknown key, a key given twice in the file, or a value out of range is ERR_CONF with
 * file:line:column, or the variable or option, and the nearest known name; so is an unknown
 * WARDIAN_ variable, save WARDIAN_URL, WARDIAN_API_KEY, WARDIAN_OUTPUT, WARDIAN_CONTEXT,
 * WARDIAN_CONF and WARDIAN_TEST_*.  The last of equal options holds.  conf_done releases.
 */
int conf_load(const char *file, char *const env[], size_t n_args, char *const args[],
    struct conf *c, struct err *e) MUST_CHECK;
void conf_done(struct conf *c);

/* Text of every setting for --help, as a Markdown table, and as an annotated example file. */
void conf_print_help(FILE *out);
void conf_print_markdown(FILE *out);
void conf_print_example(FILE *out);
/* "section.key = value  # origin" per setting; a database URL's password is masked. */
void conf_print_values(const struct conf *c, FILE *out);

/*
 * The TOML subset: comments, [section] and [section.name] tables, key = value with basic and
 * literal strings, decimal integers, floats, booleans and one-level arrays of strings or numbers
 * (which may span lines).  Keys and table names are [A-Za-z0-9_-]+.  At most 1 MiB, 64 KiB per
 * line, 4096 keys and 512 tables.
 */
enum toml_type { TOML_STRING, TOML_INT, TOML_FLOAT, TOML_BOOL, TOML_STRINGS, TOML_NUMBERS };
struct toml_value {
	enum toml_type type;
	const char *string; /* TOML_STRING: NUL-terminated UTF-8 */
	int64_t integer;
	double number; /* TOML_FLOAT, and TOML_INT converted */
	bool boolean;
	size_t n; /* elements of an array, at most 1024; an empty one is TOML_STRINGS */
	const char *const *strings;
	const double *numbers;
};
/* Where a key stands, for messages; columns count characters. */
struct toml_place {
	const char *file;
	int line;
	int column;
};
/*
 * Calls fn for each key in order; table is "" before the first [table].  Everything passed lives
 * only during the call.  fn returns -1 to stop, with *e filled; toml_read puts the place before the
 * message.  Duplicate keys and tables are errors.  ERR_CONF on malformed text.
 */
typedef int toml_fn(void *ctx, const char *table, const char *key, const struct toml_value *v,
    struct toml_place at, struct err *e);
int toml_read(
    const char *file, const char *text, size_t n, toml_fn *fn, void *ctx, struct err *e) MUST_CHECK;

#endif
