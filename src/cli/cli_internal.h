/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_INTERNAL_H
#define CLI_INTERNAL_H

/*
 * wardian: one noun one file.  Data goes to stdout, everything else to stderr.  Exit status: 0 ok,
 * 8 the waited-for job did not succeed, else the one of the error (err.def).
 */

#include "base.h"
#include "buf.h"
#include "client.h"
#include "err.h"
#include "json.h"

#include <stdbool.h>

enum { CLI_JOB_FAILED = 8, CLI_WORDS = 4, CLI_OPTIONS = 128 };

struct cli_option {
	const char *name; /* "--state" */
	const char *value; /* "" for options without a value */
};
struct cli {
	struct client *client;
	bool json;   /* -o json */
	bool colour; /* stdout is a terminal that wants it */
	const char *words[CLI_WORDS];
	size_t n_words;
	struct cli_option options[CLI_OPTIONS];
	size_t n_options;
	int exit_status; /* what main returns when the command succeeded */
};
typedef int cli_fn(struct cli *cli, struct err *e);

#define COMMAND(noun, verb, handler, least, most, words, options, summary, example) cli_fn handler;
#include "cli_commands.def"
#undef COMMAND

/* NULL when not given; the last one when given more than once. */
const char *cli_option(const struct cli *cli, const char *name);
bool cli_flag(const struct cli *cli, const char *name);

/* --- requests: any status but 2xx becomes the problem's error ------------------------------------- */

int cli_get(struct cli *cli, const char *path, struct buf *ret_body, struct err *e) MUST_CHECK;
int cli_get_json(struct cli *cli, const char *path, struct json **ret, struct buf *ret_body,
    struct err *e) MUST_CHECK;
int cli_post_json(struct cli *cli, const char *path, const struct buf *body,
    const char *idempotency_key, struct json **ret, struct buf *ret_body, struct err *e) MUST_CHECK;
/* "/v1/jobs/<word 0>" + suffix, escaped. */
void cli_job_path(const struct cli *cli, const char *suffix, struct buf *out);

/* --- members of answers; "" or 0 when absent ---------------------------------------------------------- */

const char *cli_text(const struct json_value *v, const char *member);
int64_t cli_i64(const struct json_value *v, const char *member);

/* --- output ---------------------------------------------------------------------------------------------- */

/* A table: widths fit the cells on a terminal, tab-separated otherwise. */
enum { CLI_COLUMNS = 8, CLI_CELL = 96 };
struct cli_table {
	size_t n_columns;
	const char *heads[CLI_COLUMNS];
	char (*rows)[CLI_COLUMNS][CLI_CELL];
	size_t n_rows;
	size_t cap_rows;
};
void cli_table_init(struct cli_table *t, size_t n, const char *const *heads);
/* False when memory is short. */
bool cli_table_row(struct cli_table *t, const char *const *cells);
void cli_table_print(const struct cli_table *t);
void cli_table_done(struct cli_table *t);
/* Writes server JSON unchanged, with a final newline. */
int cli_print_raw(const struct buf *body, struct err *e) MUST_CHECK;
/* Text of a server or a simulation, with control characters made visible on a terminal. */
void cli_print_safe(const char *p, size_t n);
/* "key: value" */
void cli_print_field(const char *name, const char *value);

/* --- shared by job commands --------------------------------------------------------------------------------- */

bool cli_state_final(const char *state);
/* Prints the log from `offset` until the job is over, through reconnects. */
int cli_follow(struct cli *cli, const char *job, int64_t offset, struct err *e) MUST_CHECK;
/* Waits; timeout_ms 0: for ever.  Sets exit_status. */
int cli_wait(struct cli *cli, const char *job, int64_t timeout_ms, struct err *e) MUST_CHECK;

#endif
