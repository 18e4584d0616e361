/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENVIRONMENT_H
#define ENVIRONMENT_H

/*
 * Environments: simulators that jobs run in, each a profile file (deploy/environments/README.md
 * tells its keys).  Loaded once at start, immutable afterwards, so reads need no lock.  A profile
 * whose program is missing on this host is listed as unavailable and names the package to install.
 */

#include "arena.h"
#include "base.h"
#include "err.h"
#include "json.h"

#include <stdbool.h>

struct environments;

enum environment_param_type {
	ENVIRONMENT_PARAM_FILE, /* path of one of the job's inputs */
	ENVIRONMENT_PARAM_TEXT,
	ENVIRONMENT_PARAM_INTEGER,
	ENVIRONMENT_PARAM_NUMBER,
	ENVIRONMENT_PARAM_CHOICE,
	ENVIRONMENT_PARAM_LIST /* array of strings, one argument each */
};
struct environment_param {
	const char *name;
	enum environment_param_type type;
	bool required;
	const char *default_text; /* NULL: none; text of the value */
	double min, max;          /* INTEGER and NUMBER; -DBL_MAX and DBL_MAX when open */
	const char *unit;         /* NULL: none */
	const char *title;
	const char *const *choices;
	size_t n_choices;
};

/* How numbers are found in what a run left behind. */
enum environment_rule_kind {
	ENVIRONMENT_RULE_MEASURE, /* lines "name = number ..." (ngspice .meas) */
	ENVIRONMENT_RULE_TABLE,   /* a header line, then rows of numbers until another line */
	ENVIRONMENT_RULE_BLOCK, /* a title line, then rows "id number number ..." (CalculiX .dat) */
	ENVIRONMENT_RULE_JSON   /* an object of numbers, or of {"value", "unit"} */
};
enum environment_rule_target { ENVIRONMENT_TARGET_RESULT, ENVIRONMENT_TARGET_METRIC };
struct environment_rule {
	const char *name;
	enum environment_rule_kind kind;
	enum environment_rule_target target;
	const char *file;  /* "log", or a path with {parameter} places below files/ */
	const char *start; /* TABLE: first word of the header; BLOCK: start of the title line */
	const char *step;  /* TABLE: column that counts steps */
	const char *const *columns; /* BLOCK: names of the numbers in a row, behind its ids */
	size_t n_columns;
	const char *unit; /* NULL: none */
};

/* How the program likes to be told to write what it has and to end; {0}: no way but TERM. */
struct environment_stop {
	int signal;       /* to its main process; 0: none */
	const char *file; /* one name in the working directory; NULL: none */
	const char *text; /* the file's content; NULL: empty */
	int64_t wait_ms;  /* for its end, before TERM; at most ENVIRONMENT_STOP_WAIT_MAX_MS */
};
enum { ENVIRONMENT_STOP_WAIT_MAX_MS = 3600 * 1000 };

struct environment {
	const char *name;
	const char *title;
	const char *description;
	const char *package; /* Debian package of the program */
	const char *program; /* absolute path in its root */
	/* SHA-256 of its unpacked root, 64 lower-case hexadecimal digits; NULL: the host's /usr. */
	const char *root_digest;
	const char *digest; /* hexadecimal FNV-1a 64 of the profile's text */
	bool available;
	bool root_there;            /* one that is not available lacks its program, else its root */
	const char *const *command; /* template: words with {parameter} and {parameter.stem} */
	size_t n_command;
	const char *const *env; /* NAME=value */
	size_t n_env;
	const struct environment_param *params;
	size_t n_params;
	const struct environment_rule *rules;
	size_t n_rules;
	double default_cpus; /* 0: the server's default */
	int64_t default_memory_bytes;
	int64_t default_wall_ms;
	int64_t default_gpus;
	struct environment_stop stop;
	int64_t success_exit_code;         /* usually 0 */
	const char *const *success_absent; /* texts that must not stand in the log ("ERROR:") */
	size_t n_success_absent;
};

/* Reads every *.toml of a directory.  ERR_CONF with file:line:column for a malformed profile. */
int environments_load(const char *dir, struct environments **ret, struct err *e) MUST_CHECK;
/* One profile from text; for tests and fuzzing.  Appends to set. */
int environments_add(struct environments *set, const char *file, const char *text, size_t n,
    struct err *e) MUST_CHECK;
int environments_new(struct environments **ret, struct err *e) MUST_CHECK;
void environments_free(struct environments *set);
AUTO_TYPE(environments);
/*
 * Looks at unpacked roots: an environment that has one is available when `has` says that the
 * program lies in it (1; 0: it does not, -1: there is no such root), and before this is called it
 * is not.  Before anybody else reads the set.
 */
typedef int environment_root_fn(void *ctx, const char *root_digest, const char *program);
void environments_find_roots(struct environments *set, environment_root_fn *has, void *ctx);
size_t environments_count(const struct environments *set);
const struct environment *environments_at(
    const struct environments *set, size_t i); /* by name order */
/* NULL when unknown. */
const struct environment *environments_find(const struct environments *set, const char *name);
/* Nearest known name for a message, "" when none is near. */
const char *environments_nearest(const struct environments *set, const char *name);

/* One parameter as given, and one input by path. */
struct environment_value {
	const char *name;
	const struct json_value *value;
};
struct environment_argv {
	const char *const *words;
	size_t n;
};
/*
 * Checks parameters against the schema and fills the command: faults are recorded in *e under
 * /parameters/<name>; ERR_INVALID when there were any.  paths: the job's input paths.  The words
 * live in mem.
 */
int environment_command(const struct environment *env, const struct environment_value *values,
    size_t n_values, const char *const *paths, size_t n_paths, struct arena *mem,
    struct environment_argv *ret, struct err *e) MUST_CHECK;
/* Fills {parameter} places in a rule's file name with the same values; NULL when memory is short or
 * a value is missing (the profile changed since). */
const char *environment_rule_file(const struct environment *env,
    const struct environment_rule *rule, const struct environment_value *values, size_t n_values,
    struct arena *mem);
/* The environment as the API shows it. */
void environment_print(const struct environment *env, struct json_out *o);

#endif
