/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_call_internal.h"

#include "parse.h"

#include <stdio.h>
#include <string.h>

bool
cli_state_final(const char *state)
{
	return strcmp(state, "succeeded") == 0 || strcmp(state, "failed") == 0 ||
	       strcmp(state, "canceled") == 0;
}

/* --- list ----------------------------------------------------------------------------------- */

/* --label name=value becomes label.name=value */
static int
add_label(struct buf *path, const struct cli *cli, struct err *e)
{
	const char *label = cli_option(cli, "--label");
	size_t n = label == NULL ? 0 : strcspn(label, "=");
	AUTO_FREE char *name = NULL;

	if (label == NULL)
		return 0;
	if (n == 0 || label[n] == '\0')
		return err_set(e, ERR_USAGE, "--label is NAME=VALUE, not '%.60s'", label);
	name = strndup(label, n);
	if (name == NULL)
		return err_set(e, ERR_NO_MEMORY, "not enough memory for a filter");
	buf_printf(path, "%slabel.", strchr(path->p, '?') == NULL ? "?" : "&");
	client_escape(name, path);
	buf_char(path, '=');
	client_escape(label + n + 1, path);
	return 0;
}

/* The context's project unless --project names another one; --project= is all of them. */
static int
add_project(struct cli *cli, struct buf *path, struct err *e)
{
	const char *project = cli_option(cli, "--project");
	char id[CLI_ID_SIZE];

	if (project == NULL)
		project = cli->project;
	if (project == NULL || project[0] == '\0')
		return 0;
	if (cli_resolve(cli, "project", project, id, e) < 0)
		return -1;
	cli_query(path, "project", id);
	return 0;
}

int
cli_job_list(struct cli *cli, struct err *e)
{
	AUTO_BUF path = { 0 };

	buf_init(&path, CLI_PATH_BYTES);
	buf_str(&path, "/v1/jobs");
	cli_query(&path, "state", cli_option(cli, "--state"));
	cli_query(&path, "environment", cli_option(cli, "--environment"));
	if (add_label(&path, cli, e) < 0 || add_project(cli, &path, e) < 0 ||
	    buf_check(&path, e) < 0)
		return -1;
	return cli_show_pages(
	    cli, path.p, "id:job name environment state created_at:created usage.wall_s:wall_s", e);
}

/* --- get, cancel, wait ---------------------------------------------------------------------- */

static int
get_job(struct cli *cli, const char *suffix, struct json **ret, struct buf *ret_body, struct err *e)
{
	AUTO_BUF path = { 0 };

	buf_init(&path, CLI_PATH_BYTES);
	cli_job_path(cli, suffix, &path);
	if (buf_check(&path, e) < 0)
		return -1;
	return cli_get_json(cli, path.p, ret, ret_body, e);
}

/* For -o json: unread, so that no answer is too large to be passed on. */
static int
print_answer(struct cli *cli, const char *suffix, struct err *e)
{
	AUTO_BUF body = { 0 };
	AUTO_BUF path = { 0 };

	buf_init(&path, CLI_PATH_BYTES);
	cli_job_path(cli, suffix, &path);
	if (buf_check(&path, e) < 0 || cli_get(cli, path.p, &body, e) < 0)
		return -1;
	cli_print_raw(&body);
	return 0;
}

int
cli_job_get(struct cli *cli, struct err *e)
{
	AUTO(json) j = NULL;
	AUTO_BUF body = { 0 };

	if (cli->json)
		return print_answer(cli, "", e);
	if (get_job(cli, "", &j, &body, e) < 0)
		return -1;
	return cli_show_fields(json_root(j),
	    "id name project environment state created_at claimed_at started_at ended_at "
	    "waiting.message:waits cause.kind:cause cause.message:because "
	    "usage.output_files_skipped:left_out",
	    e);
}

int
cli_job_cancel(struct cli *cli, struct err *e)
{
	AUTO(json) j = NULL;
	AUTO_BUF body = { 0 };
	AUTO_BUF path = { 0 };

	buf_init(&path, CLI_PATH_BYTES);
	cli_job_path(cli, "/cancel", &path);
	if (buf_check(&path, e) < 0 || cli_post_json(cli, path.p, NULL, NULL, &j, &body, e) < 0)
		return -1;
	if (cli->json) {
		cli_print_raw(&body);
		return 0;
	}
	cli_print_line(stdout, cli->words[0]);
	printf(" will end; it was ");
	cli_print_line(stdout, cli_text(json_root(j), "state"));
	putchar('\n');
	return 0;
}

/* Prints how the job ended. */
static void
print_end(struct cli *cli, const char *state, const struct buf *body)
{
	if (strcmp(state, "succeeded") != 0)
		cli->exit_status = CLI_JOB_FAILED;
	if (cli->json) {
		cli_print_raw(body);
		return;
	}
	cli_print_line(stdout, cli->words[0]);
	printf(" %s\n", state);
}

/* One look: 1 when the job is over (and printed), 0 to look again, -1. */
static int
look(struct cli *cli, struct err *e)
{
	AUTO(json) j = NULL;
	AUTO_BUF body = { 0 };
	const char *state;

	if (get_job(cli, "", &j, &body, e) < 0)
		return -1;
	state = cli_text(json_root(j), "state");
	if (state[0] == '\0')
		return err_set(e, ERR_PROTOCOL, "the server's answer lacks the job's state");
	if (!cli_state_final(state))
		return 0;
	print_end(cli, state, &body);
	return 1;
}

int
cli_wait(struct cli *cli, const char *job, int64_t timeout_ms, struct err *e)
{
	cli->words[0] = job;
	return cli_poll(cli, look, job, timeout_ms, e);
}

int
cli_job_wait(struct cli *cli, struct err *e)
{
	int64_t timeout_ms;

	if (cli_timeout_ms(cli, &timeout_ms, e) < 0)
		return -1;
	return cli_wait(cli, cli->words[0], timeout_ms, e);
}

/* --- files and results ---------------------------------------------------------------------- */

static int
print_list(struct cli *cli, const char *suffix, const char *shows, struct err *e)
{
	AUTO(json) j = NULL;
	AUTO_BUF body = { 0 };
	bool more = false;

	if (cli->json)
		return print_answer(cli, suffix, e);
	if (get_job(cli, suffix, &j, &body, e) < 0 ||
	    cli_show_rows(json_member(json_root(j), "data"), shows, e) < 0)
		return -1;
	if (json_get_bool(json_member(json_root(j), "has_more"), &more) && more)
		cli_say("there are more; use --limit");
	return 0;
}

int
cli_job_files(struct cli *cli, struct err *e)
{
	AUTO_BUF suffix = { 0 };

	buf_init(&suffix, CLI_PATH_BYTES);
	buf_str(&suffix, "/files");
	cli_query(&suffix, "limit", cli_option(cli, "--limit"));
	if (buf_check(&suffix, e) < 0)
		return -1;
	return print_list(cli, suffix.p, "path size_bytes:bytes modified_at:modified", e);
}

int
cli_job_events(struct cli *cli, struct err *e)
{
	return print_list(cli, "/events", "at event from to", e);
}

int
cli_job_metrics(struct cli *cli, struct err *e)
{
	AUTO_BUF suffix = { 0 };

	buf_init(&suffix, CLI_PATH_BYTES);
	buf_str(&suffix, "/metrics");
	cli_query(&suffix, "name", cli->words[1]);
	cli_query(&suffix, "limit", cli_option(cli, "--limit"));
	if (buf_check(&suffix, e) < 0)
		return -1;
	return print_list(cli, suffix.p, "step value", e);
}

struct result_printer {
	struct cli_table table;
};

static int
print_value(void *ctx, const char *name, const struct json_value *v)
{
	struct result_printer *p = ctx;
	char number[PARSE_F64_SIZE];
	/* No name: an array, against the contract. */
	const char *cells[] = { name == NULL ? "" : name, "missing", cli_text(v, "unit"),
		cli_text(v, "reason") };
	double value;

	if (json_get_f64(json_member(v, "value"), &value))
		cells[1] = format_f64(value, number);
	else if (cli_text(v, "value")[0] != '\0')
		cells[1] = cli_text(v, "value");
	cli_table_row(&p->table, cells);
	return 0;
}

int
cli_job_result(struct cli *cli, struct err *e)
{
	static const char *const heads[] = { "QUANTITY", "VALUE", "UNIT", "NOTE" };
	AUTO(json) j = NULL;
	AUTO_BUF body = { 0 };
	struct result_printer p;
	int rc;

	if (cli->json)
		return print_answer(cli, "/result", e);
	if (get_job(cli, "/result", &j, &body, e) < 0)
		return -1;
	cli_table_init(&p.table, ARRAY_LEN(heads), heads);
	(void)json_for_each(json_member(json_root(j), "values"), print_value, &p);
	rc = cli_table_print(&p.table, e);
	cli_table_done(&p.table);
	return rc;
}

int
cli_job_download(struct cli *cli, struct err *e)
{
	AUTO_BUF path = { 0 };

	buf_init(&path, CLI_PATH_BYTES);
	cli_job_path(cli, "/files/", &path);
	client_escape_path(cli->words[1], &path);
	if (buf_check(&path, e) < 0)
		return -1;
	return cli_download(cli, path.p, cli_option(cli, "--output"), e);
}
