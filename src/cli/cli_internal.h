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
#include <stdio.h>

enum {
	CLI_JOB_FAILED = 8,
	CLI_INTERRUPTED = 130, /* as shells say it of SIGINT */
	CLI_WORDS = 32,
	CLI_OPTIONS = 128,
	/* An API key or a token: the server takes no longer head. */
	CLI_CREDENTIAL_SIZE = 8192,
	CLI_PATH_BYTES = 8192, /* longest path with its query */
};

struct cli_command;
struct cli_store;

struct cli_option {
	const char *name;  /* "--state" */
	const char *value; /* "" for options without a value */
};
/* Options of every command; NULL when not given. */
struct cli_globals {
	const char *server, *key_file, *output, *context;
	bool help, version;
};
struct cli {
	struct client *client; /* NULL in commands that run without a server */
	const char *noun;
	const struct cli_command *command;
	struct cli_globals globals;
	struct cli_store *store; /* contexts and credentials */
	const char *server;      /* what client speaks to */
	const char *credential_from;
	const char *project; /* the context's, NULL: none */
	bool json;           /* -o json */
	const char *words[CLI_WORDS];
	size_t n_words;
	struct cli_option options[CLI_OPTIONS];
	size_t n_options;
	int exit_status; /* what main returns when the command succeeded */
};
typedef int cli_fn(struct cli *cli, struct err *e);

#define COMMAND(noun, verb, handler, least, most, words, options, needs, summary, example)         \
	cli_fn handler;
#define NOUN(noun, table)
#include "cli_commands.def"
#undef COMMAND
#undef NOUN

/* NULL when not given; the last one when given more than once. */
const char *cli_option(const struct cli *cli, const char *name);
bool cli_flag(const struct cli *cli, const char *name);

/* --- requests: any status but 2xx becomes the problem's error ------------------------------- */

int cli_send(struct cli *cli, const struct client_request *q, struct buf *ret_body,
    struct err *e) MUST_CHECK;
int cli_get(struct cli *cli, const char *path, struct buf *ret_body, struct err *e) MUST_CHECK;
int cli_get_json(struct cli *cli, const char *path, struct json **ret, struct buf *ret_body,
    struct err *e) MUST_CHECK;
int cli_post_json(struct cli *cli, const char *path, const struct buf *body,
    const char *idempotency_key, struct json **ret, struct buf *ret_body, struct err *e) MUST_CHECK;
/* Writes the answer to a file, or to standard output (to NULL). */
int cli_download(struct cli *cli, const char *path, const char *to, struct err *e) MUST_CHECK;
/* Reads an answer; on failure the body is released. */
int cli_parse(struct buf *body, struct json **ret, struct err *e) MUST_CHECK;
/* Appends "?name=value", or "&name=value" behind another one; nothing for a NULL value. */
void cli_query(struct buf *path, const char *name, const char *value);
/* "/v1/jobs/<word 0>" + suffix, escaped. */
void cli_job_path(const struct cli *cli, const char *suffix, struct buf *out);

/* Copies n bytes of text that are known to fit, and ends them. */
void cli_piece(char *out, size_t size, const char *p, size_t n);

/* --- members of answers; "" when absent ----------------------------------------------------- */

const char *cli_text(const struct json_value *v, const char *member);

/* --- output --------------------------------------------------------------------------------- */

/* A table: columns on a terminal, at most CLI_WIDTH wide where that fits; tab-separated otherwise.
 * Cells are whole, and no byte of them can end a cell or a row. */
enum { CLI_COLUMNS = 12, CLI_WIDTH = 96 };
struct cli_table {
	size_t n_columns;
	const char *heads[CLI_COLUMNS];
	char *(*rows)[CLI_COLUMNS];
	size_t n_rows;
	size_t cap_rows;
	bool failed; /* memory was short for a row; printing says so */
};
void cli_table_init(struct cli_table *t, size_t n, const char *const *heads);
/* Copies the cells. */
void cli_table_row(struct cli_table *t, const char *const *cells);
int cli_table_print(const struct cli_table *t, struct err *e) MUST_CHECK;
void cli_table_done(struct cli_table *t);
/* Writes server JSON as cli_print_safe does, with a final newline. */
void cli_print_raw(const struct buf *body);
/* Text of a server or a simulation: as it is, but on a terminal what would drive that is shown as
 * \xNN (all control characters but newline, tab and carriage return). */
void cli_print_safe(const char *p, size_t n);
/* One line of such text, wherever it goes: no control character at all. */
void cli_print_line(FILE *to, const char *text);
/* "key: value" */
void cli_print_field(const char *name, const char *value);
/* A sentence on stderr, with the program's name before it. */
void cli_say(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* -1 when something that was printed did not arrive. */
int cli_flush(struct err *e) MUST_CHECK;

/* --- shared by commands that wait ------------------------------------------------------------ */

/* One look at what is waited for: 1 when it is over (and printed), 0 to look again, -1. */
typedef int cli_look_fn(struct cli *cli, struct err *e);
/* Looks until it is over, through restarts of the server; timeout_ms 0: for ever.  what: for the
 * message of a time-out. */
int cli_poll(struct cli *cli, cli_look_fn *look, const char *what, int64_t timeout_ms,
    struct err *e) MUST_CHECK;
/* The value of --timeout (seconds) in ms, 0 without. */
int cli_timeout_ms(const struct cli *cli, int64_t *ret, struct err *e) MUST_CHECK;

/* --- shared by job commands ----------------------------------------------------------------- */

bool cli_state_final(const char *state);
/* Prints the log until the job is over, through reconnects; `from` says where it begins:
 * "offset=N" or "tail=N". */
int cli_follow(struct cli *cli, const char *job, const char *from, struct err *e) MUST_CHECK;
/* As cli_poll.  Sets exit_status. */
int cli_wait(struct cli *cli, const char *job, int64_t timeout_ms, struct err *e) MUST_CHECK;

#endif
