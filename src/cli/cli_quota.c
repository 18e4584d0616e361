/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of the tenant, of a project, or (for operators) of any tenant. */
#include "cli_call_internal.h"

#include "caps.h"
#include "parse.h"

#include <stdio.h>
#include <string.h>

enum { BODY_BYTES = 16 << 10 };

static const char columns[] = "name used limit unit default description";

/* Where the limits lie: by --project, by --tenant, else the caller's own tenant. */
static int
limits_path(struct cli *cli, bool write, struct buf *out, struct err *e)
{
	const char *project = cli_option(cli, "--project"), *tenant = cli_option(cli, "--tenant");
	char id[CLI_ID_SIZE];

	if (project != NULL && tenant != NULL)
		return err_set(e, ERR_USAGE, "give --project or --tenant, not both");
	if (write && project == NULL && tenant == NULL)
		return err_set(
		    e, ERR_USAGE, "say whose limits: --project, or as an operator --tenant");
	buf_init(out, CLI_PATH_BYTES);
	if (project == NULL && tenant == NULL) {
		buf_str(out, "/v1/quota");
		return 0;
	}
	if (cli_resolve(cli, project != NULL ? "project" : "tenant",
		project != NULL ? project : tenant, id, e) < 0)
		return -1;
	if (project != NULL && !write)
		buf_printf(out, "/v1/quota?project=%s", id);
	else
		buf_printf(out, "/v1/%s/%s/quota", project != NULL ? "projects" : "tenants", id);
	return buf_check(out, e);
}

static int
print_limits(struct cli *cli, struct buf *body, struct err *e)
{
	AUTO(json) j = NULL;

	if (cli->json) {
		cli_print_raw(body);
		return 0;
	}
	if (cli_parse(body, &j, e) < 0)
		return -1;
	return cli_show_rows(json_member(json_root(j), "data"), columns, e);
}

static int
get(struct cli *cli, struct err *e)
{
	AUTO_BUF path = { 0 };
	AUTO_BUF body = { 0 };

	if (limits_path(cli, false, &path, e) < 0 || cli_get(cli, path.p, &body, e) < 0)
		return -1;
	return print_limits(cli, &body, e);
}

/* NAME=AMOUNT: a number, for bytes with a unit as well, or "default". */
static int
put_limit(const char *word, struct json_out *o, struct err *e)
{
	static const char bytes[] = "_bytes";
	size_t n = strcspn(word, "=");
	char name[CAP_NAME_BYTES + 1];
	int64_t amount;
	int rc;

	if (word[n] == '\0' || n == 0 || n > CAP_NAME_BYTES)
		return err_set(e, ERR_USAGE, "a limit is NAME=AMOUNT, not '%.60s'", word);
	cli_piece(name, sizeof(name), word, n);
	if (strcmp(word + n + 1, "default") == 0) {
		json_put_null(o, name);
		return 0;
	}
	if (n > sizeof(bytes) && strcmp(name + n - (sizeof(bytes) - 1), bytes) == 0)
		rc = parse_bytes(word + n + 1, 0, INT64_MAX, &amount, e);
	else
		rc = parse_i64(word + n + 1, 0, INT64_MAX, &amount, e);
	if (rc < 0)
		return err_wrap(e, "%s (or default)", name);
	json_put_i64(o, name, amount);
	return 0;
}

static int
set(struct cli *cli, struct err *e)
{
	struct client_request q = { .method = "PUT" };
	AUTO_BUF path = { 0 };
	AUTO_BUF wish = { 0 };
	AUTO_BUF body = { 0 };
	struct json_out o;

	if (limits_path(cli, true, &path, e) < 0)
		return -1;
	buf_init(&wish, BODY_BYTES);
	json_out_init(&o, &wish);
	json_out_begin(&o);
	json_out_key(&o, "limits");
	json_out_begin(&o);
	for (size_t i = 0; i < cli->n_words; i++)
		if (put_limit(cli->words[i], &o, e) < 0)
			return -1;
	json_out_end(&o);
	json_out_end(&o);
	if (buf_check(&wish, e) < 0)
		return -1;
	q.path = path.p;
	q.body = wish.p;
	q.n = wish.n;
	if (cli_send(cli, &q, &body, e) < 0)
		return -1;
	return print_limits(cli, &body, e);
}

static const struct cli_command commands[] = {
	{ "get", get, 0, 0, "", "--project= --tenant=", "quota:read (tenants:read with --tenant)",
	    "Show limits and what is used of them", "wardian quota get --project wing", { 0 } },
	{ "set", set, 1, CLI_WORDS, "NAME=AMOUNT...",
	    "--project= --tenant=", "quota:update (tenants:quota with --tenant)",
	    "Set limits; 'default' in place of the amount unsets one",
	    "wardian quota set --project wing jobs_running=10 memory_bytes=64GiB cpus=default",
	    { 0 } },
};
const struct cli_noun noun_quota = { commands, ARRAY_LEN(commands) };
