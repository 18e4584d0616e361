/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_CALL_INTERNAL_H
#define CLI_CALL_INTERNAL_H

/*
 * Commands as rows of tables.  Most commands are one request: words and options fill its path,
 * query and body, and some members of the answer are shown.  A row says which, and one of the
 * functions below carries it out.  Each noun's rows stand in its own file; cli_commands.def lists
 * the nouns.
 */

#include "cli_internal.h"

enum cli_type {
	CLI_PARAMS_END,
	CLI_TEXT,
	CLI_INTEGER,
	CLI_DURATION, /* "90d", in the body as seconds */
	CLI_SWITCH,   /* yes or no */
	CLI_PRESENT,  /* no value: true */
	CLI_TRUE,     /* always true, whatever is given; option "" */
	CLI_FALSE,
	CLI_LIST,  /* may be repeated, and each value may be several with commas between */
	CLI_ROLES, /* "engineer" or "engineer@PROJECT", repeated */
	CLI_RULES, /* "CLAIM=VALUE:ROLE[@PROJECT]", see put_rule; repeated */
	CLI_FILE,  /* name of a file that holds JSON, - for standard input */
	CLI_ID     /* an id, or a name of the kind that the member says (cli_resolve) */
};
enum {
	CLI_REQUIRED = 1,
	CLI_CLEARABLE = 2, /* --clear takes the name; the body says null */
	CLI_ALWAYS = 4     /* of lists: an empty one when nothing is given */
};
struct cli_param {
	const char *option; /* "--title"; "NAME": the word that is called so in the row; "" */
	const char *member; /* of the body: "title", or "owner/name"; of the query: "?state" */
	enum cli_type type;
	unsigned flags;
};

struct cli_call {
	const char *method;
	const char *path; /* "/v1/projects/{PROJECT}": the word of this name, see cli_resolve */
	const struct cli_param *params; /* ended by a row of type CLI_PARAMS_END; NULL: none */
	/* Columns or fields: members of the answer with blanks between, "operator.name" for members
	 * of members, "operator.name:BY" with another head.  Of cli_call_done: what was done. */
	const char *shows;
	const char *secret; /* member that is shown this once, only of cli_call_secret */
};

struct cli_command {
	const char *verb;
	cli_fn *fn;
	size_t least, most;
	const char *words, *options, *needs, *summary, *example;
	struct cli_call call;
};
struct cli_noun {
	const struct cli_command *commands;
	size_t n;
};
#define COMMAND(noun, verb, handler, least, most, words, options, needs, summary, example)
#define NOUN(noun, table) extern const struct cli_noun table;
#include "cli_commands.def"
#undef COMMAND
#undef NOUN

/* Options that the functions below understand; for the column `options`. */
#define CLI_PAGES "--limit= --all"
#define CLI_VERSIONED "--if-match="
#define CLI_CHANGES "--clear=* --if-match="
#define CLI_CREATES "--idempotency-key="
#define CLI_SHOWS_SECRET "--output="

cli_fn cli_call_list;   /* pages of rows; CLI_PAGES, or none for lists without pages */
cli_fn cli_call_one;    /* an answer with one resource */
cli_fn cli_call_done;   /* no answer */
cli_fn cli_call_secret; /* an answer with a secret; CLI_SHOWS_SECRET */

/* Sends the call of the command that runs. */
int cli_call_send(
    struct cli *cli, const struct cli_call *call, struct buf *ret_body, struct err *e) MUST_CHECK;
/* Prints an answer: as it is, or the fields that the call shows. */
int cli_call_show(
    struct cli *cli, const struct cli_call *call, struct buf *body, struct err *e) MUST_CHECK;
/* Waits for an operation of the platform as `operation wait` does. */
int cli_operation_wait(struct cli *cli, const char *operation, struct err *e) MUST_CHECK;
/* The word that the row calls `name` ("PROJECT"); NULL when it was not given. */
const char *cli_word(const struct cli *cli, const char *name);
bool cli_command_has(const struct cli *cli, const char *option);

/* --- parts of a request ---------------------------------------------------------------------- */

/* Path with its query. */
int cli_call_path(
    struct cli *cli, const struct cli_call *call, struct buf *out, struct err *e) MUST_CHECK;
/* The body: an object, which may be empty. */
int cli_call_body(
    struct cli *cli, const struct cli_call *call, struct buf *out, struct err *e) MUST_CHECK;
/* Value of an option or word; NULL when it was not given. */
const char *cli_param_value(const struct cli *cli, const struct cli_param *p);
/* What an id is of: the last part of the member. */
const char *cli_param_kind(const struct cli_param *p);
/* "yes" or "no". */
int cli_switch(const char *text, bool *ret, struct err *e) MUST_CHECK;

/*
 * kind: "project", "user", "key", "tenant", "issuer".  An id stays, a name is looked for in the
 * list of its kind.  ERR_NOT_FOUND when nothing or more than one thing bears the name.
 */
enum { CLI_ID_SIZE = 64 };
bool cli_kind_known(const char *kind, size_t n);
int cli_resolve(struct cli *cli, const char *kind, const char *text, char ret[static CLI_ID_SIZE],
    struct err *e) MUST_CHECK;
/* The whole of a file, "-" for standard input; at most a request's body. */
int cli_read_file(const char *path, struct buf *out, struct err *e) MUST_CHECK;

/* --- answers -----------------------------------------------------------------------------------
 */

/* Text of the member at `path` (n bytes: "operator.name"), lists with commas between. */
void cli_render(const struct json_value *v, const char *path, size_t n, struct buf *out);
/* shows: as in struct cli_call. */
int cli_show_rows(const struct json_value *rows, const char *shows, struct err *e) MUST_CHECK;
int cli_show_fields(const struct json_value *v, const char *shows, struct err *e) MUST_CHECK;
/* Prints the list at `first`: a page, or with --limit or --all as many as were asked for. */
int cli_show_pages(struct cli *cli, const char *first, const char *shows, struct err *e) MUST_CHECK;

/* --- secrets -----------------------------------------------------------------------------------
 */

/* A file that a secret will be written to; made before the secret is, which is shown only once. */
struct cli_secret_file {
	const char *path;
	char *temporary;
	int fd;
};
int cli_secret_open(const char *path, struct cli_secret_file *ret, struct err *e) MUST_CHECK;
int cli_secret_write(struct cli_secret_file *f, const char *p, size_t n, struct err *e) MUST_CHECK;
void cli_secret_close(struct cli_secret_file *f); /* without a write nothing stays */
/* One line without echo from the terminal: 1, or 0 when it was canceled. */
int cli_secret_ask(const char *prompt, char *out, size_t size, struct err *e) MUST_CHECK;

#endif
