/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_internal.h"
#include "clock.h"
#include "fd.h"
#include "parse.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { WAIT_FIRST_MS = 50, WAIT_MOST_MS = 1000 };

bool
cli_state_final(const char *state)
{
	return strcmp(state, "succeeded") == 0 || strcmp(state, "failed") == 0 ||
	    strcmp(state, "canceled") == 0;
}

/* --- list ------------------------------------------------------------------------------------------- */

static void
add_query(struct buf *path, const struct cli *cli, const char *option, const char *parameter)
{
	const char *value = cli_option(cli, option);

	if (value == NULL)
		return;
	buf_printf(path, "%s%s=", strchr(path->p, '?') == NULL ? "?" : "&", parameter);
	client_escape(value, path);
}

/* --label name=value becomes label.name=value */
static void
add_label(struct buf *path, const struct cli *cli)
{
	const char *label = cli_option(cli, "--label");
	size_t n = label == NULL ? 0 : strcspn(label, "=");

	if (label == NULL || label[n] == '\0')
		return;
	buf_printf(path, "%slabel.%.*s=", strchr(path->p, '?') == NULL ? "?" : "&", (int)n, label);
	client_escape(label + n + 1, path);
}

static int
print_page(const struct json_value *data)
{
	static const char *const heads[] = { "JOB", "NAME", "ENVIRONMENT", "STATE", "CREATED", "WALL S" };
	struct cli_table t;

	cli_table_init(&t, ARRAY_LEN(heads), heads);
	for (size_t i = 0; i < json_count(data); i++) {
		const struct json_value *job = json_at(data, i);
		char wall[PARSE_F64_SIZE] = "";
		double wall_s = 0;
		const char *cells[] = { cli_text(job, "id"), cli_text(job, "name"),
			cli_text(job, "environment"), cli_text(job, "state"), cli_text(job, "created_at"), wall };

		if (json_get_f64(json_member(json_member(job, "usage"), "wall_s"), &wall_s))
			format_f64(wall_s, wall);
		if (!cli_table_row(&t, cells))
			break;
	}
	cli_table_print(&t);
	cli_table_done(&t);
	return 0;
}

int
cli_job_list(struct cli *cli, struct err *e)
{
	AUTO_BUF first;
	char cursor[1024] = "";

	buf_init(&first, 8192);
	buf_str(&first, "/v1/jobs");
	add_query(&first, cli, "--state", "state");
	add_query(&first, cli, "--environment", "environment");
	add_query(&first, cli, "--limit", "limit");
	add_label(&first, cli);
	do {
		AUTO(json) j = NULL;
		AUTO_BUF body = { 0 };
		AUTO_BUF path;

		buf_init(&path, 8192);
		buf_append(&path, first.p, first.n);
		if (cursor[0] != '\0')
			buf_printf(&path, "%scursor=%s", strchr(path.p, '?') == NULL ? "?" : "&", cursor);
		if (buf_check(&path, e) < 0 || cli_get_json(cli, path.p, &j, &body, e) < 0)
			return -1;
		if (cli->json ? cli_print_raw(&body, e) < 0 : print_page(json_member(json_root(j), "data")) < 0)
			return -1;
		(void)snprintf(cursor, sizeof(cursor), "%s", cli_text(json_root(j), "next_cursor"));
	} while (cli_flag(cli, "--all") && cursor[0] != '\0');
	if (cursor[0] != '\0' && !cli->json)
		fprintf(stderr, "wardian: there are more; use --all\n");
	return 0;
}

/* --- get, cancel, wait ----------------------------------------------------------------------------------- */

static int
get_job(struct cli *cli, const char *suffix, struct json **ret, struct buf *ret_body, struct err *e)
{
	AUTO_BUF path;

	buf_init(&path, 4096);
	cli_job_path(cli, suffix, &path);
	if (buf_check(&path, e) < 0)
		return -1;
	return cli_get_json(cli, path.p, ret, ret_body, e);
}

int
cli_job_get(struct cli *cli, struct err *e)
{
	static const char *const members[] = { "id", "name", "environment", "state", "created_at",
		"claimed_at", "started_at", "ended_at" };
	AUTO(json) j = NULL;
	AUTO_BUF body = { 0 };
	const struct json_value *job;

	if (get_job(cli, "", &j, &body, e) < 0)
		return -1;
	if (cli->json)
		return cli_print_raw(&body, e);
	job = json_root(j);
	for (size_t i = 0; i < ARRAY_LEN(members); i++)
		cli_print_field(members[i], cli_text(job, members[i]));
	cli_print_field("cause", cli_text(json_member(job, "cause"), "kind"));
	cli_print_field("", cli_text(json_member(job, "cause"), "message"));
	return 0;
}

int
cli_job_cancel(struct cli *cli, struct err *e)
{
	AUTO(json) j = NULL;
	AUTO_BUF body = { 0 };
	AUTO_BUF path;

	buf_init(&path, 4096);
	cli_job_path(cli, "/cancel", &path);
	if (buf_check(&path, e) < 0 || cli_post_json(cli, path.p, NULL, NULL, &j, &body, e) < 0)
		return -1;
	if (cli->json)
		return cli_print_raw(&body, e);
	printf("%s will end; it was %s\n", cli->words[0], cli_text(json_root(j), "state"));
	return 0;
}

int
cli_wait(struct cli *cli, const char *job, int64_t timeout_ms, struct err *e)
{
	struct deadline until = { 0 };
	int nap_ms = WAIT_FIRST_MS;

	cli->words[0] = job;
	if (timeout_ms > 0)
		until = deadline_in_ms(timeout_ms);
	for (;;) {
		AUTO(json) j = NULL;
		AUTO_BUF body = { 0 };
		const char *state;

		if (get_job(cli, "", &j, &body, e) < 0)
			return -1;
		state = cli_text(json_root(j), "state");
		if (cli_state_final(state)) {
			if (strcmp(state, "succeeded") != 0)
				cli->exit_status = CLI_JOB_FAILED;
			return cli->json ? cli_print_raw(&body, e)
			    : printf("%s %s\n", job, state) < 0 ? err_set(e, ERR_SYSTEM, "cannot print")
			                                        : 0;
		}
		if (timeout_ms > 0 && deadline_passed(until))
			return err_set(e, ERR_TIMEOUT, "%s is still %s; it goes on", job, state);
		(void)poll(NULL, 0, nap_ms);
		nap_ms = nap_ms * 2 < WAIT_MOST_MS ? nap_ms * 2 : WAIT_MOST_MS;
	}
}

int
cli_job_wait(struct cli *cli, struct err *e)
{
	const char *timeout = cli_option(cli, "--timeout");
	int64_t seconds = 0;

	if (timeout != NULL && parse_i64(timeout, 1, 100000000, &seconds, e) < 0)
		return err_wrap(e, "--timeout (seconds)");
	return cli_wait(cli, cli->words[0], seconds * 1000, e);
}

/* --- files and results --------------------------------------------------------------------------------------- */

/* Prints the rows of an answer's `data` (or of `rows`) with the named members as columns. */
static int
print_rows(const struct json_value *rows, size_t n, const char *const *heads, const char *const *members)
{
	struct cli_table t;

	cli_table_init(&t, n, heads);
	for (size_t i = 0; i < json_count(rows); i++) {
		const struct json_value *row = json_at(rows, i);
		char numbers[CLI_COLUMNS][PARSE_F64_SIZE];
		const char *cells[CLI_COLUMNS];

		for (size_t k = 0; k < n; k++) {
			double v;

			cells[k] = cli_text(row, members[k]);
			if (json_get_f64(json_member(row, members[k]), &v))
				cells[k] = format_f64(v, numbers[k]);
		}
		if (!cli_table_row(&t, cells))
			break;
	}
	cli_table_print(&t);
	cli_table_done(&t);
	return 0;
}

static int
print_list(struct cli *cli, const char *suffix, size_t n, const char *const *heads,
    const char *const *members, struct err *e)
{
	AUTO(json) j = NULL;
	AUTO_BUF body = { 0 };

	if (get_job(cli, suffix, &j, &body, e) < 0)
		return -1;
	if (cli->json)
		return cli_print_raw(&body, e);
	return print_rows(json_member(json_root(j), "data"), n, heads, members);
}

int
cli_job_files(struct cli *cli, struct err *e)
{
	static const char *const heads[] = { "PATH", "BYTES", "MODIFIED" };
	static const char *const members[] = { "path", "size_bytes", "modified_at" };

	return print_list(cli, "/files", ARRAY_LEN(heads), heads, members, e);
}

int
cli_job_events(struct cli *cli, struct err *e)
{
	static const char *const heads[] = { "AT", "EVENT", "FROM", "TO" };
	static const char *const members[] = { "at", "event", "from", "to" };

	return print_list(cli, "/events", ARRAY_LEN(heads), heads, members, e);
}

int
cli_job_metrics(struct cli *cli, struct err *e)
{
	static const char *const heads[] = { "STEP", "VALUE" };
	static const char *const members[] = { "step", "value" };
	const char *limit = cli_option(cli, "--limit");
	AUTO_BUF suffix;

	buf_init(&suffix, 2048);
	buf_str(&suffix, "/metrics?name=");
	client_escape(cli->words[1], &suffix);
	if (limit != NULL) {
		buf_str(&suffix, "&limit=");
		client_escape(limit, &suffix);
	}
	if (buf_check(&suffix, e) < 0)
		return -1;
	return print_list(cli, suffix.p, ARRAY_LEN(heads), heads, members, e);
}

struct result_printer {
	struct cli_table table;
};

static int
print_value(void *ctx, const char *name, const struct json_value *v)
{
	struct result_printer *p = ctx;
	char number[PARSE_F64_SIZE];
	const char *cells[] = { name, "missing", cli_text(v, "unit"), cli_text(v, "reason") };
	double value;

	if (json_get_f64(json_member(v, "value"), &value))
		cells[1] = format_f64(value, number);
	else if (cli_text(v, "value")[0] != '\0')
		cells[1] = cli_text(v, "value");
	return cli_table_row(&p->table, cells) ? 0 : -1;
}

int
cli_job_result(struct cli *cli, struct err *e)
{
	static const char *const heads[] = { "QUANTITY", "VALUE", "UNIT", "NOTE" };
	AUTO(json) j = NULL;
	AUTO_BUF body = { 0 };
	struct result_printer p;

	if (get_job(cli, "/result", &j, &body, e) < 0)
		return -1;
	if (cli->json)
		return cli_print_raw(&body, e);
	cli_table_init(&p.table, ARRAY_LEN(heads), heads);
	(void)json_for_each(json_member(json_root(j), "values"), print_value, &p);
	cli_table_print(&p.table);
	cli_table_done(&p.table);
	return 0;
}

struct download {
	int fd;
	struct err *e;
	bool failed;
};

static bool
write_piece(void *ctx, const char *p, size_t n)
{
	struct download *d = ctx;

	d->failed = fd_write_all(d->fd, p, n, d->e) < 0;
	return !d->failed;
}

int
cli_job_download(struct cli *cli, struct err *e)
{
	const char *to = cli_option(cli, "--output");
	AUTO_FD int fd = -1;
	AUTO_BUF path;
	struct download d = { .e = e };

	buf_init(&path, 8192);
	cli_job_path(cli, "/files/", &path);
	client_escape_path(cli->words[1], &path);
	if (buf_check(&path, e) < 0)
		return -1;
	fd = to == NULL ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
	                : open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		return err_sys(e, errno, "open %.200s for writing", to == NULL ? "standard output" : to);
	d.fd = fd;
	if (client_stream(cli->client, path.p, write_piece, &d, e) < 0)
		return -1;
	return d.failed ? -1 : 0;
}
