/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_STORE_INTERNAL_H
#define CLI_STORE_INTERNAL_H

/*
 * Contexts and credentials of a user, in $XDG_CONFIG_HOME/wardian (~/.config/wardian): config.toml
 * says which servers there are, credentials.toml what to show them.  The folder must belong to the
 * user and be writable by nobody else, so that nobody can put links or files there; credentials
 * must not be readable by others either.
 */

#include "cli_internal.h"

enum {
	CLI_CONTEXTS = 64,
	CLI_NAME_SIZE = 64, /* of a context or project, with its NUL */
	CLI_SERVER_SIZE = 512,
	CLI_TIME_SIZE = 40
};

struct cli_context {
	char name[CLI_NAME_SIZE]; /* [A-Za-z0-9_-]+ */
	bool listed; /* in config.toml; else only a credential of this name is stored */
	char server[CLI_SERVER_SIZE];
	char output[8]; /* "": none, as below */
	char project[CLI_NAME_SIZE];
	char *api_key, *token;          /* NULL: none; at most one of them */
	char expires_at[CLI_TIME_SIZE]; /* of the token */
};
struct cli_store {
	char *folder; /* NULL: there is no home */
	int lock;     /* the folder, while a change is made; else -1 */
	char current[CLI_NAME_SIZE];
	struct cli_context contexts[CLI_CONTEXTS];
	size_t n;
};

/* Reads what is there; an absent file is empty. */
int cli_store_open(struct cli_store **ret, struct err *e) MUST_CHECK;
/* The same for a change: others wait until cli_store_free. */
int cli_store_open_locked(struct cli_store **ret, struct err *e) MUST_CHECK;
int cli_store_save(struct cli_store *s, struct err *e) MUST_CHECK;
void cli_store_free(struct cli_store *s);
AUTO_TYPE(cli_store);

/* NULL when there is none. */
struct cli_context *cli_context_find(struct cli_store *s, const char *name);
/* ERR_NOT_FOUND with the names that there are. */
int cli_context_get(
    struct cli_store *s, const char *name, struct cli_context **ret, struct err *e) MUST_CHECK;
/* Finds or makes it. */
int cli_context_put(
    struct cli_store *s, const char *name, struct cli_context **ret, struct err *e) MUST_CHECK;
void cli_context_remove(struct cli_store *s, struct cli_context *c);
/* Which one is in effect: --context, WARDIAN_CONTEXT, else the current one; "" when none is. */
const char *cli_context_chosen(const struct cli *cli, const struct cli_store *s);
/* Copies text into a member of a context; ERR_USAGE when it does not fit or holds what no file may.
 */
int cli_context_set(
    char *member, size_t size, const char *text, const char *what, struct err *e) MUST_CHECK;
/* Forgets the credential; what it held is wiped. */
void cli_context_forget(struct cli_context *c);

/* --- connection
 * ----------------------------------------------------------------------------------- */

/* Chooses output, server and credential (option, environment, context, default) and makes the
 * client. */
int cli_connect(struct cli *cli, struct err *e) MUST_CHECK;
/* Only the output; for commands that run without a server. */
int cli_choose_output(struct cli *cli, struct err *e) MUST_CHECK;
/* The server alone, by the same precedence. */
const char *cli_choose_server(const struct cli *cli, const struct cli_context *c);
/* The first line of a file, "-" for standard input. */
int cli_read_credential(
    const char *path, char out[static CLI_CREDENTIAL_SIZE], struct err *e) MUST_CHECK;
/* Makes the client with this credential, in place of the one there was. */
int cli_connect_with(
    struct cli *cli, const char *server, const char *credential, struct err *e) MUST_CHECK;

#endif
