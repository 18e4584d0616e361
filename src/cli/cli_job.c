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

enum {
	WAIT_FIRST_MS = 50,
	WAIT_MOST_MS = 1000,
	OUTAGE_MS = 60000, /* longest absence of the server that a waiting command sits out */
	CURSOR_SIZE = 1024
};

bool
cli_state_final(const char *state)
{
	return strcmp(state, "succeeded") == 0 || strcmp(state, "failed") == 0 ||
	       strcmp(state, "canceled") == 0;
}

/* --- list ----------------------------------------------------------------------------------- */

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

static int
print_jobs(const struct json_value *data, struct err *e)
{
	static const char *const heads[] = { "JOB", "NAME", "ENVIRONMENT", "STATE", "CREATED",
		"WALL S" };
	struct cli_table t;
	int rc;

	cli_table_init(&t, ARRAY_LEN(heads), heads);
	for (size_t i = 0; i < json_count(data); i++) {
		const struct json_value *job = json_at(data, i);
		char wall[PARSE_F64_SIZE] = "";
		double wall_s = 0;
		const char *cells[] = { cli_text(job, "id"), cli_text(job, "name"),
			cli_text(job, "environment"), cli_text(job, "state"),
			cli_text(job, "created_at"), wall };

		if (json_get_f64(json_member(json_member(job, "usage"), "wall_s"), &wall_s))
			format_f64(wall_s, wall);
		cli_table_row(&t, cells);
	}
	rc = cli_table_print(&t, e);
	cli_table_done(&t);
	return rc;
}

/* Prints the page at cursor ("": the first) of the list at `first` and leaves the next one's, ""
 * after the last. */
static int
print_page(struct cli *cli, const struct buf *first, char cursor[static CURSOR_SIZE], struct err *e)
{
	AUTO(json) j = NULL;
	AUTO_BUF body = { 0 };
	AUTO_BUF path;
	const char *next;

	buf_init(&path, 8192);
	buf_append(&path, first->p, first->n);
	if (cursor[0] != '\0') {
		buf_printf(&path, "%scursor=", strchr(path.p, '?') == NULL ? "?" : "&");
		client_escape(cursor, &path);
	}
	if (buf_check(&path, e) < 0 || cli_get_json(cli, path.p, &j, &body, e) < 0)
		return -1;
	if (cli->json)
		cli_print_raw(&body);
	else if (print_jobs(json_member(json_root(j), "data"), e) < 0)
		return -1;
	next = cli_text(json_root(j), "next_cursor");
	if (strlen(next) >= CURSOR_SIZE || (next[0] != '\0' && strcmp(next, cursor) == 0))
		return err_set(
		    e, ERR_PROTOCOL, "the server's list leads nowhere: its cursor is not usable");
	(void)snprintf(cursor, CURSOR_SIZE, "%s", next); /* measured: fits */
	return cli_flush(e);
}

int
cli_job_list(struct cli *cli, struct err *e)
{
	AUTO_BUF first;
	char cursor[CURSOR_SIZE] = "";

	buf_init(&first, 8192);
	buf_str(&first, "/v1/jobs");
	add_query(&first, cli, "--state", "state");
	add_query(&first, cli, "--environment", "environment");
	add_query(&first, cli, "--limit", "limit");
	if (add_label(&first, cli, e) < 0)
		return -1;
	do {
		if (print_page(cli, &first, cursor, e) < 0)
			return -1;
	} while (cli_flag(cli, "--all") && cursor[0] != '\0');
	if (cursor[0] != '\0' && !cli->json)
		(void)fprintf(stderr, "wardian: there are more; use --all\n");
	return 0;
}

/* --- get, cancel, wait ---------------------------------------------------------------------- */

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

/* For -o json: unread, so that no answer is too large to be passed on. */
static int
print_answer(struct cli *cli, const char *suffix, struct err *e)
{
	AUTO_BUF body = { 0 };
	AUTO_BUF path;

	buf_init(&path, 4096);
	cli_job_path(cli, suffix, &path);
	if (buf_check(&path, e) < 0 || cli_get(cli, path.p, &body, e) < 0)
		return -1;
	cli_print_raw(&body);
	return 0;
}

int
cli_job_get(struct cli *cli, struct err *e)
{
	static const char *const members[] = { "id", "name", "environment", "state", "created_at",
		"claimed_at", "started_at", "ended_at" };
	AUTO(json) j = NULL;
	AUTO_BUF body = { 0 };
	const struct json_value *job;

	if (cli->json)
		return print_answer(cli, "", e);
	if (get_job(cli, "", &j, &body, e) < 0)
		return -1;
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
	struct deadline until = { 0 }, outage = { 0 };
	int nap_ms = WAIT_FIRST_MS;

	cli->words[0] = job;
	if (timeout_ms > 0)
		until = deadline_in_ms(timeout_ms);
	for (;;) {
		int rc = look(cli, e);

		if (rc > 0)
			return 0;
		/* The job goes on without the server; so does the wait, once there was an answer.
		 */
		if (rc == 0)
			outage = deadline_in_ms(OUTAGE_MS);
		else if (!err_retryable(e->code) || outage.mono_ns == 0 || deadline_passed(outage))
			return -1;
		if (timeout_ms > 0 && deadline_passed(until))
			return err_set(e, ERR_TIMEOUT, "%.60s is not over yet; it goes on", job);
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

/* --- files and results ---------------------------------------------------------------------- */

/* Prints the rows of an answer's `data` (or of `rows`) with the named members as columns. */
static int
print_rows(const struct json_value *rows, size_t n, const char *const *heads,
    const char *const *members, struct err *e)
{
	struct cli_table t;
	int rc;

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
		cli_table_row(&t, cells);
	}
	rc = cli_table_print(&t, e);
	cli_table_done(&t);
	return rc;
}

static int
print_list(struct cli *cli, const char *suffix, size_t n, const char *const *heads,
    const char *const *members, struct err *e)
{
	AUTO(json) j = NULL;
	AUTO_BUF body = { 0 };
	bool more = false;

	if (cli->json)
		return print_answer(cli, suffix, e);
	if (get_job(cli, suffix, &j, &body, e) < 0)
		return -1;
	if (print_rows(json_member(json_root(j), "data"), n, heads, members, e) < 0)
		return -1;
	if (json_get_bool(json_member(json_root(j), "has_more"), &more) && more)
		(void)fprintf(stderr, "wardian: there are more; use --limit\n");
	return 0;
}

/* --limit as a query parameter. */
static void
add_limit(const struct cli *cli, const char *separator, struct buf *suffix)
{
	const char *limit = cli_option(cli, "--limit");

	if (limit == NULL)
		return;
	buf_printf(suffix, "%slimit=", separator);
	client_escape(limit, suffix);
}

int
cli_job_files(struct cli *cli, struct err *e)
{
	static const char *const heads[] = { "PATH", "BYTES", "MODIFIED" };
	static const char *const members[] = { "path", "size_bytes", "modified_at" };
	AUTO_BUF suffix;

	buf_init(&suffix, 2048);
	buf_str(&suffix, "/files");
	add_limit(cli, "?", &suffix);
	if (buf_check(&suffix, e) < 0)
		return -1;
	return print_list(cli, suffix.p, ARRAY_LEN(heads), heads, members, e);
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
	AUTO_BUF suffix;

	buf_init(&suffix, 2048);
	buf_str(&suffix, "/metrics?name=");
	client_escape(cli->words[1], &suffix);
	add_limit(cli, "&", &suffix);
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

struct download {
	const char *to; /* NULL: standard output */
	int fd;         /* -1: not open yet */
	struct err *e;
	bool failed;
};

/* Opened when the server has sent something: what is at `to` survives a request that fails. */
static int
open_target(struct download *d)
{
	if (d->fd >= 0)
		return 0;
	d->fd = d->to == NULL ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
			      : open(d->to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (d->fd < 0)
		return err_sys(d->e, errno, "%.200s cannot be opened for writing",
		    d->to == NULL ? "standard output" : d->to);
	return 0;
}

static bool
write_piece(void *ctx, const char *p, size_t n)
{
	struct download *d = ctx;

	d->failed = open_target(d) < 0 || fd_write_all(d->fd, p, n, d->e) < 0;
	return !d->failed;
}

int
cli_job_download(struct cli *cli, struct err *e)
{
	struct download d = { .to = cli_option(cli, "--output"), .fd = -1, .e = e };
	struct client_request q = { .method = "GET" };
	AUTO_BUF path;
	int rc;

	buf_init(&path, 8192);
	cli_job_path(cli, "/files/", &path);
	client_escape_path(cli->words[1], &path);
	if (buf_check(&path, e) < 0)
		return -1;
	q.path = path.p;
	rc = client_stream(cli->client, &q, write_piece, &d, e);
	if (rc == 0 && !d.failed)
		rc = open_target(&d); /* an empty file is a file, too */
	/* What close(2) reports would be lost otherwise: a full disk of a network file system. */
	if (d.fd >= 0 && close(d.fd) < 0 && rc == 0 && !d.failed)
		rc = err_sys(e, errno, "the file cannot be written");
	return d.failed ? -1 : rc;
}
