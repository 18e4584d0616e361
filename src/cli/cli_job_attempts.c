/* SPDX-License-Identifier: Apache-2.0 */
/* Attempts of a job: how each ended, where its time went, what it used over time. */
#include "cli_call_internal.h"

#include "parse.h"

#include <stdio.h>

static int
get(struct cli *cli, const char *suffix, struct json **ret, struct buf *ret_body, struct err *e)
{
	AUTO_BUF path = { 0 };

	buf_init(&path, CLI_PATH_BYTES);
	cli_job_path(cli, suffix, &path);
	if (buf_check(&path, e) < 0)
		return -1;
	return cli_get_json(cli, path.p, ret, ret_body, e);
}

static int
print_rows(struct cli *cli, const char *suffix, const char *shows, struct err *e)
{
	AUTO(json) j = NULL;
	AUTO_BUF body = { 0 };

	if (get(cli, suffix, &j, &body, e) < 0)
		return -1;
	if (cli->json) {
		cli_print_raw(&body);
		return 0;
	}
	return cli_show_rows(json_member(json_root(j), "data"), shows, e);
}

static int
print_one(struct cli *cli, const char *suffix, struct err *e)
{
	AUTO(json) j = NULL;
	AUTO_BUF body = { 0 };

	if (get(cli, suffix, &j, &body, e) < 0)
		return -1;
	if (cli->json) {
		cli_print_raw(&body);
		return 0;
	}
	return cli_show_fields(json_root(j),
	    "number outcome exit_code signal cause.kind:cause cause.message:because fault.step "
	    "fault.errno node claimed_at started_at ended_at phases.queued_s phases.stage_s "
	    "phases.launch_s phases.run_s phases.collect_s usage.cpu_user_s usage.cpu_system_s "
	    "usage.throttled_s usage.memory_peak_bytes usage.processes_peak usage.faults_minor "
	    "usage.faults_major usage.io_read_bytes usage.io_write_bytes usage.oom_kills "
	    "usage.log_bytes usage.output_files usage.output_bytes "
	    "usage.output_files_skipped:left_out",
	    e);
}

/* The number as it was typed, if it is one. */
static int
check_number(const char *word, int64_t *ret, struct err *e)
{
	if (parse_i64(word, 1, INT64_MAX, ret, e) < 0)
		return err_wrap(e, "ATTEMPT (a number from 1)");
	return 0;
}

int
cli_job_attempts(struct cli *cli, struct err *e)
{
	AUTO_BUF suffix = { 0 };
	int64_t number;

	if (cli->n_words == 1)
		return print_rows(cli, "/attempts",
		    "number outcome cause.kind:cause phases.queued_s:queued_s "
		    "phases.launch_s:launch_s phases.run_s:run_s usage.cpu_s:cpu_s "
		    "usage.memory_peak_bytes:memory usage.io_write_bytes:written "
		    "usage.output_files:files usage.output_files_skipped:left_out node",
		    e);
	if (check_number(cli->words[1], &number, e) < 0)
		return -1;
	buf_init(&suffix, CLI_PATH_BYTES);
	buf_printf(&suffix, "/attempts/%lld", (long long)number);
	if (buf_check(&suffix, e) < 0)
		return -1;
	return print_one(cli, suffix.p, e);
}

/* --- over time -------------------------------------------------------------------------------- */

/* The newest attempt, which the list has last. */
static int
newest(struct cli *cli, int64_t *ret, struct err *e)
{
	AUTO(json) j = NULL;
	AUTO_BUF body = { 0 };
	const struct json_value *rows;

	if (get(cli, "/attempts", &j, &body, e) < 0)
		return -1;
	rows = json_member(json_root(j), "data");
	if (json_count(rows) == 0)
		return err_set(e, ERR_NOT_FOUND, "the job has not been tried yet; it still waits");
	if (!json_get_i64(json_member(json_at(rows, json_count(rows) - 1), "number"), ret))
		return err_set(e, ERR_PROTOCOL, "the server's attempts have no numbers");
	return 0;
}

int
cli_job_usage(struct cli *cli, struct err *e)
{
	AUTO_BUF suffix = { 0 };
	int64_t number;

	if (cli->n_words > 1 ? check_number(cli->words[1], &number, e) < 0
			     : newest(cli, &number, e) < 0)
		return -1;
	buf_init(&suffix, CLI_PATH_BYTES);
	buf_printf(&suffix, "/attempts/%lld/usage", (long long)number);
	cli_query(&suffix, "points", cli_option(cli, "--points"));
	if (buf_check(&suffix, e) < 0)
		return -1;
	return print_rows(cli, suffix.p,
	    "at_s cpu_s throttled_s memory_bytes processes io_read_bytes:read "
	    "io_write_bytes:written",
	    e);
}
