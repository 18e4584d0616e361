/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Carries a row out: one request from its words and options, and what it shows of the answer.
 * Creations carry an idempotency key of their own, so that a retry after a lost answer is safe;
 * those that show a secret do not, for the server cannot show it again.
 */
#include "cli_call_internal.h"

#include "id.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* --- the request ------------------------------------------------------------------------------ */

static int
check_required(const struct cli *cli, const struct cli_call *call, struct err *e)
{
	for (const struct cli_param *p = call->params; p != NULL && p->type != CLI_PARAMS_END; p++)
		if ((p->flags & CLI_REQUIRED) != 0 && cli_param_value(cli, p) == NULL)
			return err_set(e, ERR_USAGE, "'%s %s' needs %s", cli->noun,
			    cli->command->verb, p->option);
	return 0;
}

static bool
has_body(const struct cli_call *call)
{
	for (const struct cli_param *p = call->params; p != NULL && p->type != CLI_PARAMS_END; p++)
		if (p->member[0] != '?')
			return true;
	return false;
}

static int
make_body(struct cli *cli, const struct cli_call *call, struct buf *out, struct err *e)
{
	if (cli_call_body(cli, call, out, e) < 0)
		return -1;
	if (strcmp(call->method, "PATCH") == 0 && out->n <= sizeof("{}") - 1)
		return err_set(e, ERR_USAGE, "say what is to change; see wardian %s %s --help",
		    cli->noun, cli->command->verb);
	return 0;
}

/* A version is written as its number; the API compares entity tags, which are quoted. */
static const char *
make_if_match(const struct cli *cli, char *out, size_t size, struct err *e)
{
	const char *given = cli_option(cli, "--if-match");
	int n;

	if (given == NULL || given[0] == '"' || strcmp(given, "*") == 0)
		return given;
	n = snprintf(out, size, "\"%s\"", given);
	if (n < 0 || (size_t)n >= size) {
		(void)err_set(e, ERR_USAGE, "--if-match is a version's number"); /* always -1 */
		return NULL;
	}
	return out;
}

int
cli_call_send(struct cli *cli, const struct cli_call *call, struct buf *ret_body, struct err *e)
{
	struct client_request q = { .method = call->method };
	char key[UUID_STR_SIZE], if_match[80];
	AUTO_BUF path = { 0 };
	AUTO_BUF body = { 0 };

	if (check_required(cli, call, e) < 0 ||
	    (has_body(call) && make_body(cli, call, &body, e) < 0) ||
	    cli_call_path(cli, call, &path, e) < 0)
		return -1;
	q.body = body.p;
	q.n = body.n;
	if (strcmp(call->method, "PATCH") == 0)
		q.content_type = "application/merge-patch+json";
	if (cli_command_has(cli, "--idempotency-key"))
		q.idempotency_key = cli_flag(cli, "--idempotency-key")
					? cli_option(cli, "--idempotency-key")
					: uuid_format(uuid_v7(), key);
	q.if_match = make_if_match(cli, if_match, sizeof(if_match), e);
	if (q.if_match == NULL && cli_flag(cli, "--if-match"))
		return -1;
	q.path = path.p;
	return cli_send(cli, &q, ret_body, e);
}

/* --- what is shown of the answer -------------------------------------------------------------- */

int
cli_call_show(struct cli *cli, const struct cli_call *call, struct buf *body, struct err *e)
{
	AUTO(json) j = NULL;

	if (cli->json) {
		cli_print_raw(body);
		return 0;
	}
	if (cli_parse(body, &j, e) < 0)
		return -1;
	return cli_show_fields(json_root(j), call->shows, e);
}

int
cli_call_one(struct cli *cli, struct err *e)
{
	const struct cli_call *call = &cli->command->call;
	AUTO_BUF body = { 0 };

	if (cli_call_send(cli, call, &body, e) < 0)
		return -1;
	return cli_call_show(cli, call, &body, e);
}

int
cli_call_done(struct cli *cli, struct err *e)
{
	const struct cli_call *call = &cli->command->call;
	AUTO_BUF body = { 0 };

	REQUIRE(cli->n_words > 0); /* what was meant */
	if (cli_call_send(cli, call, &body, e) < 0)
		return -1;
	if (!cli->json)
		cli_say("%s is %s", cli->words[cli->n_words - 1], call->shows);
	return 0;
}

int
cli_call_list(struct cli *cli, struct err *e)
{
	const struct cli_call *call = &cli->command->call;
	AUTO_BUF path = { 0 };

	if (check_required(cli, call, e) < 0 || cli_call_path(cli, call, &path, e) < 0)
		return -1;
	return cli_show_pages(cli, path.p, call->shows, e);
}

/* --- secrets ---------------------------------------------------------------------------------- */

/* Into the file goes what would have gone to standard output: the answer, or the secret alone. */
static int
write_secret(struct cli *cli, struct cli_secret_file *f, const struct buf *body,
    const struct buf *secret, struct err *e)
{
	const struct buf *content = cli->json ? body : secret;

	if (cli_secret_write(f, content->p, content->n, e) == 0)
		return 0;
	return err_wrap(e, "the secret was made and is lost; revoke it (wardian key list)");
}

/* A line of its own for scripts; on a terminal with what belongs to it. */
static int
print_secret(const struct cli_call *call, const struct json_value *root, const struct buf *secret,
    struct err *e)
{
	if (isatty(STDOUT_FILENO) != 1) {
		cli_print_raw(secret);
		return 0;
	}
	if (cli_show_fields(root, call->shows, e) < 0)
		return -1;
	cli_print_field(call->secret, secret->p);
	cli_say("keep it now: it is shown this once");
	return cli_flush(e);
}

static int
show_secret(struct cli *cli, const struct cli_call *call, struct buf *body,
    struct cli_secret_file *file, struct err *e)
{
	AUTO(json) j = NULL;
	AUTO_BUF secret = { 0 };

	buf_init(&secret, CLI_CREDENTIAL_SIZE);
	if (cli->json && file->path == NULL) {
		cli_print_raw(body);
		return 0;
	}
	if (cli_parse(body, &j, e) < 0)
		return -1;
	cli_render(json_root(j), call->secret, strlen(call->secret), &secret);
	if (secret.n == 0 || secret.failed)
		return err_set(
		    e, ERR_PROTOCOL, "the server's answer lacks the secret; see it with -o json");
	if (file->path == NULL)
		return print_secret(call, json_root(j), &secret, e);
	buf_char(&secret, '\n');
	if (write_secret(cli, file, body, &secret, e) < 0)
		return -1;
	return cli->json ? 0 : cli_show_fields(json_root(j), call->shows, e);
}

int
cli_call_secret(struct cli *cli, struct err *e)
{
	const struct cli_call *call = &cli->command->call;
	const char *path = cli_option(cli, "--output");
	struct cli_secret_file file = { .fd = -1 };
	AUTO_BUF body = { 0 };
	int rc;

	if (path != NULL && strcmp(path, "-") != 0 && cli_secret_open(path, &file, e) < 0)
		return -1;
	rc = cli_call_send(cli, call, &body, e);
	if (rc == 0)
		rc = show_secret(cli, call, &body, &file, e);
	cli_secret_close(&file);
	if (body.p != NULL)
		explicit_bzero(body.p, body.n);
	return rc;
}
