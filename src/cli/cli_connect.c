/* SPDX-License-Identifier: Apache-2.0 */
/* Which server, with which credential, in which form: option, environment, context, default. */
#include "cli_store_internal.h"

#include "clock.h"
#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { REQUEST_TIMEOUT_MS = 60000 };

static const char default_server[] = "http://127.0.0.1:8080";

/* NULL, too, when it is set to nothing. */
static const char *
from_environment(const char *name)
{
	const char *value = getenv(name);

	return value == NULL || value[0] == '\0' ? NULL : value;
}

/* The first that is given. */
static const char *
first_of(const char *a, const char *b, const char *c)
{
	if (a != NULL)
		return a;
	return b != NULL ? b : c;
}

/* --- context ---------------------------------------------------------------------------------- */

/* NULL in *ret when none is in effect. */
static int
find_context(struct cli *cli, struct cli_context **ret, struct err *e)
{
	const char *name;

	*ret = NULL;
	if (cli->store == NULL && cli_store_open(&cli->store, e) < 0)
		return -1;
	name = cli_context_chosen(cli, cli->store);
	return name[0] == '\0' ? 0 : cli_context_get(cli->store, name, ret, e);
}

const char *
cli_choose_server(const struct cli *cli, const struct cli_context *c)
{
	const char *of_context = c == NULL || c->server[0] == '\0' ? NULL : c->server;
	const char *chosen =
	    first_of(cli->globals.server, from_environment("WARDIAN_URL"), of_context);

	return chosen == NULL ? default_server : chosen;
}

static int
use_output(struct cli *cli, const struct cli_context *c, struct err *e)
{
	const char *of_context = c == NULL || c->output[0] == '\0' ? NULL : c->output;
	const char *want =
	    first_of(cli->globals.output, from_environment("WARDIAN_OUTPUT"), of_context);

	if (want != NULL && strcmp(want, "table") != 0 && strcmp(want, "json") != 0)
		return err_set(
		    e, ERR_USAGE, "the output format is table or json, not '%.30s'", want);
	cli->json = want != NULL && want[0] == 'j';
	return 0;
}

int
cli_choose_output(struct cli *cli, struct err *e)
{
	return use_output(cli, NULL, e);
}

/* --- credential ------------------------------------------------------------------------------- */

/* The first line of a file, whoever may read it. */
static int
read_line(int fd, char out[static CLI_CREDENTIAL_SIZE], struct err *e)
{
	ssize_t n = fd_read_full(fd, out, CLI_CREDENTIAL_SIZE - 1, e);

	if (n < 0)
		return -1;
	out[n] = '\0';
	if (strcspn(out, "\r\n") == CLI_CREDENTIAL_SIZE - 1)
		return err_set(e, ERR_USAGE, "the API key is longer than any key is");
	out[strcspn(out, "\r\n")] = '\0';
	return 0;
}

int
cli_read_credential(const char *path, char out[static CLI_CREDENTIAL_SIZE], struct err *e)
{
	AUTO_FD int fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
						: open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_set(e, ERR_USAGE, "the API key file %.200s cannot be read", path);
	return read_line(fd, out, e);
}

/* ~/.config/wardian/api_key: for who has one server and no contexts. */
static int
read_default_file(struct cli *cli, char out[static CLI_CREDENTIAL_SIZE], struct err *e)
{
	const char *home = getenv("HOME");
	AUTO_FD int fd = -1;
	AUTO_BUF path = { 0 };

	buf_init(&path, CLI_PATH_BYTES);
	buf_printf(&path, "%s/.config/wardian/api_key", home == NULL ? "" : home);
	if (buf_check(&path, e) < 0)
		return -1;
	fd = open(path.p, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0; /* some routes need no key; the server says so where one is needed */
	cli->credential_from = "the file ~/.config/wardian/api_key";
	return read_line(fd, out, e);
}

static bool
same_server(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);

	while (n > 0 && a[n - 1] == '/')
		n--;
	while (m > 0 && b[m - 1] == '/')
		m--;
	return n == m && strncmp(a, b, n) == 0;
}

/* A credential is shown to the server that it was stored for and to no other. */
static int
take_stored(struct cli *cli, const struct cli_context *c, char out[static CLI_CREDENTIAL_SIZE],
    struct err *e)
{
	const char *own_server = c->server[0] == '\0' ? default_server : c->server;
	const char *stored = c->api_key != NULL ? c->api_key : c->token;
	int64_t expires_us = 0;

	if (stored == NULL)
		return 0;
	if (!same_server(own_server, cli->server)) {
		cli_say("the credential of context %s is for %s and not sent to %s", c->name,
		    own_server, cli->server);
		return 0;
	}
	if (c->expires_at[0] != '\0' && clock_parse(c->expires_at, &expires_us, e) < 0)
		return err_wrap(e, "expires_at of context %s", c->name);
	if (expires_us != 0 && expires_us <= clock_wall_us()) {
		cli_say("the token of context %s expired at %s; log in again: wardian auth login",
		    c->name, c->expires_at);
		return 0; /* the server refuses what needs one */
	}
	cli->credential_from = "the context";
	(void)snprintf(out, CLI_CREDENTIAL_SIZE, "%s", stored); /* bounded where it was read */
	return 0;
}

static int
find_credential(struct cli *cli, const struct cli_context *c, char out[static CLI_CREDENTIAL_SIZE],
    struct err *e)
{
	const char *from_env = from_environment("WARDIAN_API_KEY");

	out[0] = '\0';
	cli->credential_from = "nowhere";
	if (cli->globals.key_file != NULL) {
		cli->credential_from = "--api-key-file";
		return cli_read_credential(cli->globals.key_file, out, e);
	}
	if (from_env != NULL) {
		if (strlen(from_env) >= CLI_CREDENTIAL_SIZE)
			return err_set(e, ERR_USAGE, "WARDIAN_API_KEY is too long to be a key");
		cli->credential_from = "WARDIAN_API_KEY";
		(void)snprintf(out, CLI_CREDENTIAL_SIZE, "%s", from_env); /* measured: fits */
		return 0;
	}
	return c == NULL ? read_default_file(cli, out, e) : take_stored(cli, c, out, e);
}

/* --- client ----------------------------------------------------------------------------------- */

int
cli_connect_with(struct cli *cli, const char *server, const char *credential, struct err *e)
{
	struct client_options o = { .server = server,
		.credential = credential[0] == '\0' ? NULL : credential,
		.timeout_ms = REQUEST_TIMEOUT_MS };
	struct client *made;

	if (client_new(&o, &made, e) < 0)
		return -1;
	client_free(cli->client);
	cli->client = made;
	cli->server = server;
	return 0;
}

int
cli_connect(struct cli *cli, struct err *e)
{
	char credential[CLI_CREDENTIAL_SIZE];
	struct cli_context *c;
	int rc;

	if (find_context(cli, &c, e) < 0 || use_output(cli, c, e) < 0)
		return -1;
	cli->server = cli_choose_server(cli, c);
	cli->project = c == NULL || c->project[0] == '\0' ? NULL : c->project;
	rc = find_credential(cli, c, credential, e);
	if (rc == 0)
		rc = cli_connect_with(cli, cli->server, credential, e);
	explicit_bzero(credential, sizeof(credential));
	return rc;
}
