/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENVIRONMENT_INTERNAL_H
#define ENVIRONMENT_INTERNAL_H

#include "environment.h"

enum {
	ENVIRONMENT_PROFILE_BYTES_MAX = 64 << 10, /* a profile is a page of text */
	ENVIRONMENT_PARAMS_MAX = 64,
	ENVIRONMENT_RULES_MAX = 32,
	ENVIRONMENT_VARIABLES_MAX = 32,
	ENVIRONMENT_COLUMNS_MAX = 32,
	ENVIRONMENT_TEXT_MAX = 4096,  /* one text value; a longer one belongs in an input file */
	ENVIRONMENT_ROOT_DIGITS = 64, /* of a SHA-256 */
	ENVIRONMENT_GPUS_MAX = 64,    /* whole devices of one node */
	ENVIRONMENT_STOP_FILE_MAX = 255,
	ENVIRONMENT_ARGV_BYTES_MAX =
	    48 << 10 /* of the 64 KiB of a launch file; the rest is for variables */
};

/* --- profile text ------------------------------------------------------------------------- */

/* Reads text into *env, which lives in mem like all it points to: known keys, types, required keys.
 */
int environment_profile_read(const char *file, const char *text, size_t n, struct arena *mem,
    struct environment *env, struct err *e) MUST_CHECK;
/* What no key tells by itself: templates that name nothing, defaults out of range. */
int environment_profile_check(
    const char *file, const struct environment *env, struct err *e) MUST_CHECK;

/* Names of types and kinds as profiles and the API write them; count is the number of rows. */
extern const char *const environment_param_type_names[];
extern const char *const environment_rule_kind_names[];
enum {
	ENVIRONMENT_PARAM_TYPES = ENVIRONMENT_PARAM_LIST + 1,
	ENVIRONMENT_RULE_KINDS = ENVIRONMENT_RULE_JSON + 1
};
/* "SIGUSR1", of those that a stop recipe can name; NULL for others. */
const char *environment_signal_name(int signal);
/* Index of the name in a table of n, or n. */
size_t environment_name_index(const char *const names[], size_t n, const char *name);
/* The name nearest to `name`, NULL when none is near enough to be meant. */
const char *environment_near(const char *const names[], size_t n, const char *name);

/* --- values that are more than their type says ---------------------------------------------- */

struct toml_value;
/* Checks a value and stores what it means at dest; what needs room lives in mem. */
typedef int environment_set_fn(
    struct arena *mem, const struct toml_value *v, void *dest, struct err *e);
environment_set_fn environment_set_memory, environment_set_wall, environment_set_type,
    environment_set_kind, environment_set_default, environment_set_signal,
    environment_set_stop_file, environment_set_stop_text, environment_set_stop_wait,
    environment_set_root, environment_set_gpus;
/* Index of a known word; -1 with the nearest one named. */
int environment_known_word(
    const char *const names[], size_t n, const char *word, struct err *e) MUST_CHECK;

/* --- templates ---------------------------------------------------------------------------- */

/* Words are made of texts and of places: {name}, {name.stem}.  There is no way to write a brace. */
enum environment_piece_kind {
	ENVIRONMENT_PIECE_END,
	ENVIRONMENT_PIECE_TEXT,
	ENVIRONMENT_PIECE_VALUE,
	ENVIRONMENT_PIECE_STEM, /* the path without its last component's extension */
	ENVIRONMENT_PIECE_BAD
};
struct environment_piece {
	enum environment_piece_kind kind;
	const char *text; /* n bytes, not terminated: the text, or the parameter's name */
	size_t n;
};
/* The piece at *at, which moves behind it. */
struct environment_piece environment_piece_next(const char **at);
/* Index of the parameter that a place names, or env->n_params. */
size_t environment_piece_param(
    const struct environment *env, const struct environment_piece *piece);

/* --- values ------------------------------------------------------------------------------- */

/* The words that stand for a parameter. */
struct environment_texts {
	const char *const *v;
	size_t n; /* 0: the parameter is absent */
};
struct environment_filling {
	const struct environment *env;
	struct arena *mem;
	struct err *e;
	const char *const *paths;
	size_t n_paths;
	bool any_path;                                          /* paths are not known */
	struct environment_texts texts[ENVIRONMENT_PARAMS_MAX]; /* by parameter */
	struct environment_texts one; /* what the reader that runs now has found */
};

/* Records a fault at /parameters/<name>. */
void environment_fault(struct environment_filling *f, const char *name, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* Fills f->texts[param] from the value given, or the default, or records a fault; -1 when memory is
 * short. */
int environment_read_param(struct environment_filling *f, size_t param,
    const struct environment_value *values, size_t n) MUST_CHECK;
/* A fault for each value that no parameter is named after. */
void environment_report_unknown(
    struct environment_filling *f, const struct environment_value *values, size_t n);

#endif
