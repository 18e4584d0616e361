/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "buf.h"
#include "conf.h"
#include "fd.h"
#include "parse.h"

/* One load: file text (NULL: no file), a variable or NULL, an option or NULL. */
static int
load(const char *text, const char *variable, const char *option, struct conf *c, struct err *e)
{
	char path[] = "/tmp/wardian-conf-XXXXXX";
	char *env[] = { (char *)"PATH=/bin", (char *)variable, NULL };
	char *args[] = { (char *)option };
	int rc;

	memset(e, 0, sizeof(*e));
	if (text != NULL) {
		AUTO_FD int fd = mkostemp(path, O_CLOEXEC);

		assert_int_equal(fd_write_all(fd, text, strlen(text), e), 0);
	}
	rc = conf_load(text == NULL ? NULL : path, env, option != NULL, args, c, e);
	if (text != NULL)
		assert_int_equal(unlink(path), 0);
	return rc;
}

static void
defaults_hold_when_nothing_is_said(void **state)
{
	struct conf c;
	struct err e;

	(void)state;
	assert_int_equal(conf_load(NULL, NULL, 0, NULL, &c, &e), 0);
	assert_string_equal(c.state_dir, "/var/lib/wardian");
	assert_int_equal(c.http_port, 8080);
	assert_int_equal(c.http_head_timeout_ms, 5000);
	assert_true(c.limits_job_memory_default_bytes == 512 * MIB);
	assert_string_equal(c.database_url, "");
	assert_int_equal(c.origins[CONF_AT_http_port], CONF_FROM_DEFAULT);
	conf_done(&c);
	assert_null(c.state_dir);
}

static void
the_option_beats_the_variable_beats_the_file_beats_the_default(void **state)
{
	static const struct {
		const char *text, *variable, *option;
		int64_t port;
		enum conf_origin origin;
	} cases[] = {
		{ "[http]\nworkers = 3", NULL, NULL, 8080, CONF_FROM_DEFAULT },
		{ "[http]\nport = 1", NULL, NULL, 1, CONF_FROM_FILE },
		{ "[http]\nport = 1", "WARDIAN_HTTP_PORT=2", NULL, 2, CONF_FROM_ENVIRONMENT },
		{ "[http]\nport = 1", "WARDIAN_HTTP_PORT=2", "--http.port=3", 3, CONF_FROM_OPTION },
		{ NULL, "WARDIAN_HTTP_PORT=2", "--http.queue=3", 2, CONF_FROM_ENVIRONMENT },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct conf c;
		struct err e;

		assert_int_equal(
		    load(cases[i].text, cases[i].variable, cases[i].option, &c, &e), 0);
		assert_int_equal(c.http_port, cases[i].port);
		assert_int_equal(c.origins[CONF_AT_http_port], cases[i].origin);
		conf_done(&c);
	}
}

static void
each_type_is_read_from_the_file_and_from_text(void **state)
{
	struct conf c;
	struct err e;

	(void)state;
	assert_int_equal(
	    load("[sched]\nmemory = 1048576\nlease = \"1m\"\n[limits]\njob_disk_default = "
		 "\"64MiB\"\n[state]\ndir = '/x y'",
		"WARDIAN_DATABASE_URL=postgres://h/db", "--limits.job_memory_default=1GiB", &c, &e),
	    0);
	assert_true(c.sched_memory_bytes == MIB);
	assert_int_equal(c.sched_lease_ms, 60000);
	assert_true(c.limits_job_disk_default_bytes == 64 * MIB);
	assert_true(c.limits_job_memory_default_bytes == GIB);
	assert_string_equal(c.state_dir, "/x y");
	assert_string_equal(c.database_url, "postgres://h/db");
	conf_done(&c);
}

static void
what_is_wrong_in_the_file_is_named_by_line_and_column(void **state)
{
	static const struct {
		const char *text, *end;
	} cases[] = {
		{ "[http]\nprot = 1", ":2:1: unknown key 'http.prot'; did you mean 'http.port'?" },
		{ "[htp]\nport = 1", ":2:1: unknown key 'htp.port'; did you mean 'http.port'?" },
		{ "port = 1", ":1:1: unknown key 'port'; `wardiand --help` lists the settings" },
		{ "[a.b]\nport = 1",
		    ":2:1: unknown key 'a.b.port'; `wardiand --help` lists the settings" },
		{ "[http]\n\n  port = 65536",
		    ":3:3: http.port: expected a whole number from 0 to 65535, got '65536'" },
		{ "[http]\nport = \"1\"",
		    ":2:1: http.port: expected a whole number without quotes" },
		{ "[http]\nport = 1.0", ":2:1: http.port: expected a whole number without quotes" },
		{ "[http]\nport = [1]", ":2:1: http.port: expected a whole number without quotes" },
		{ "[http]\nhead_timeout = 5", ":2:1: http.head_timeout: expected a time with its "
					      "unit in quotes, like \"30s\"" },
		{ "[http]\nhead_timeout = \"2m\"", ":2:1: http.head_timeout: expected a time from "
						   "100ms to 1m, like 250ms, 30s, 5m, 2h or 7d, "
						   "got '2m'" },
		{ "[sched]\nmemory = -1",
		    ":2:1: sched.memory: expected bytes from 0 to 1024TiB, like 512, 64KiB, "
		    "10MiB, 2GiB or 1TiB, got '-1'" },
		{ "[sched]\nmemory = 1.5", ":2:1: sched.memory: expected bytes: a whole number, or "
					   "a text like \"64MiB\"" },
		{ "[state]\ndir = 5", ":2:1: state.dir: expected a \"text\"" },
		{ "[state]\nuser = \"123456789012345678901234567890123\"",
		    ":2:1: state.user: the text is longer than 32 bytes" },
		{ "[state]\ndir = \"a\\nb\"",
		    ":2:1: state.dir: the text holds a control character or is not UTF-8" },
		{ "[http]\nport = 1\nport = 1",
		    ":3:1: the key 'http.port' stands here a second time" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct conf c = { .http_port = 42 };
		struct err e;
		size_t n = strlen(cases[i].end);

		assert_int_equal(load(cases[i].text, NULL, NULL, &c, &e), -1);
		assert_int_equal(e.code, ERR_CONF);
		assert_true(strlen(e.msg) > n);
		assert_string_equal(e.msg + strlen(e.msg) - n, cases[i].end);
		assert_int_equal(c.http_port, 42);
		assert_null(c.state_dir);
	}
}

static void
what_is_wrong_elsewhere_is_named_by_variable_or_option(void **state)
{
	static const struct {
		const char *variable, *option, *msg;
	} cases[] = {
		{ "WARDIAN_HTTP_PROT=1", NULL,
		    "unknown variable 'WARDIAN_HTTP_PROT'; did you mean 'WARDIAN_HTTP_PORT'?" },
		{ "WARDIAN_=1", NULL,
		    "unknown variable 'WARDIAN_'; `wardiand --help` lists the settings" },
		{ "WARDIAN_TEST=1", NULL,
		    "unknown variable 'WARDIAN_TEST'; `wardiand --help` lists the settings" },
		{ "WARDIAN_HTTP_PORT=", NULL,
		    "WARDIAN_HTTP_PORT: expected a whole number from 0 to 65535, got ''" },
		{ "WARDIAN_HTTP_PORT=1\x1b", NULL,
		    "WARDIAN_HTTP_PORT: expected a whole number from 0 to 65535, got '1?'" },
		{ "WARDIAN_STATE_DIR=\xff", NULL,
		    "WARDIAN_STATE_DIR: the text holds a control character or is not UTF-8" },
		{ NULL, "--http.prot=1",
		    "unknown option '--http.prot'; did you mean '--http.port'?" },
		{ NULL, "--http.port=-1",
		    "--http.port: expected a whole number from 0 to 65535, got '-1'" },
		{ NULL, "--http.port", "expected --section.key=value, got '--http.port'" },
		{ NULL, "http.port=1", "expected --section.key=value, got 'http.port=1'" },
		{ NULL, "--=", "unknown option '--'; `wardiand --help` lists the settings" },
		{ NULL, "--log.level=loud", "log.level: expected debug, info, warn or error" },
		{ NULL, "--log.format=xml", "log.format: expected json or text" },
		{ NULL, "--sched.lease=6s",
		    "sched.heartbeat: must be at most half of sched.lease, or one late beat "
		    "loses the lease" },
		{ NULL, "--limits.job_wall_max=30m",
		    "limits.job_wall_default: must be at most limits.job_wall_max" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct conf c;
		struct err e;

		assert_int_equal(load(NULL, cases[i].variable, cases[i].option, &c, &e), -1);
		assert_int_equal(e.code, ERR_CONF);
		assert_string_equal(e.msg, cases[i].msg);
	}
}

static void
a_secret_that_is_too_long_is_not_repeated(void **state)
{
	char option[2000] = "--database.url=postgres://u:hunter2@h/";
	struct conf c;
	struct err e;
	size_t n = strlen(option);

	(void)state;
	memset(option + n, 'x', sizeof(option) - n - 1);
	assert_int_equal(load(NULL, NULL, option, &c, &e), -1);
	assert_null(strstr(e.msg, "hunter2"));
	assert_string_equal(e.msg, "--database.url: the text is longer than 1024 bytes");
}

static void
names_of_any_length_are_refused_in_bounds(void **state)
{
	char option[5000] = "--", variable[5000] = "WARDIAN_";
	struct conf c;
	struct err e;

	(void)state;
	memset(option + 2, 'k', sizeof(option) - 5);
	memset(variable + 8, 'K', sizeof(variable) - 11);
	memcpy(option + sizeof(option) - 3, "=1", 3);
	memcpy(variable + sizeof(variable) - 3, "=1", 3);
	assert_int_equal(load(NULL, NULL, option, &c, &e), -1);
	assert_true(strlen(e.msg) < 120);
	assert_int_equal(load(NULL, variable, NULL, &c, &e), -1);
	assert_true(strlen(e.msg) < 120);
}

static void
variables_of_others_are_left_alone(void **state)
{
	char *env[] = { (char *)"WARDIAN_URL=x", (char *)"WARDIAN_API_KEY=x",
		(char *)"WARDIAN_OUTPUT=x", (char *)"WARDIAN_CONTEXT=x", (char *)"WARDIAN_CONF=x",
		(char *)"WARDIAN_TEST_ANYTHING=x", (char *)"WARDIANS=x",
		(char *)"WARDIAN_HTTP_PORT", (char *)"", NULL };
	struct conf c;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(conf_load(NULL, env, 0, NULL, &c, &e), 0);
	assert_int_equal(c.http_port, 8080);
	conf_done(&c);
}

static void
the_last_of_equal_options_holds_and_nothing_leaks(void **state)
{
	char *args[] = { (char *)"--state.dir=/a", (char *)"--state.dir=/b",
		(char *)"--http.port=1", (char *)"--http.port=2" };
	struct conf c;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(conf_load(NULL, NULL, ARRAY_LEN(args), args, &c, &e), 0);
	assert_string_equal(c.state_dir, "/b");
	assert_int_equal(c.http_port, 2);
	conf_done(&c);
}

static void
a_file_that_cannot_be_read_is_an_error(void **state)
{
	struct conf c;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(conf_load("/nowhere/x.toml", NULL, 0, NULL, &c, &e), -1);
	assert_int_equal(e.code, ERR_CONF);
	assert_string_equal(
	    e.msg, "cannot read the settings file '/nowhere/x.toml': No such file or directory");
	assert_int_equal(conf_load("/", NULL, 0, NULL, &c, &e), -1);
	assert_int_equal(conf_load("/dev/zero", NULL, 0, NULL, &c, &e), -1);
	assert_string_equal(e.msg, "'/dev/zero' is larger than 1048576 bytes");
}

/* What print writes, malloc'ed. */
static char *
printed(void (*print)(FILE *out))
{
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);

	print(out);
	assert_int_equal(fclose(out), 0);
	return text;
}

static char *
printed_values(const struct conf *c)
{
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);

	conf_print_values(c, out);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void
the_example_file_is_valid_as_it_is_and_with_every_key_uncommented(void **state)
{
	AUTO_FREE char *example = printed(conf_print_example);
	AUTO_FREE char *expected = NULL, *got = NULL;
	struct conf defaults, c;
	size_t uncommented = 0;
	struct err e;

	(void)state;
	assert_int_equal(load(example, NULL, NULL, &c, &e), 0);
	conf_done(&c);
	for (char *at = example; (at = strstr(at, "\n#")) != NULL; at++) {
		if (at[2] != ' ') {
			at[1] = ' ';
			uncommented++;
		}
	}
	assert_int_equal(uncommented, CONF_SETTINGS);
	if (load(example, NULL, NULL, &c, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(load(NULL, NULL, NULL, &defaults, &e), 0);
	for (size_t i = 0; i < CONF_SETTINGS; i++) {
		assert_int_equal(c.origins[i], CONF_FROM_FILE);
		c.origins[i] = CONF_FROM_DEFAULT;
	}
	got = printed_values(&c);
	expected = printed_values(&defaults);
	assert_string_equal(got, expected);
	conf_done(&c);
	conf_done(&defaults);
}

static size_t
lines_of(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += *text == '\n';
	return n;
}

static void
help_names_option_variable_default_and_range_of_every_setting(void **state)
{
	AUTO_FREE char *help = printed(conf_print_help);
	size_t options = 0;

	(void)state;
	assert_non_null(
	    strstr(help, "  --http.port=8080  (0 to 65535; WARDIAN_HTTP_PORT)\n      TCP port"));
	assert_non_null(
	    strstr(help, "  --http.head_timeout=5s  (100ms to 1m; WARDIAN_HTTP_HEAD_TIMEOUT)\n"));
	assert_non_null(strstr(help, "(16 to 20000 connections; WARDIAN_HTTP_CONNECTIONS)\n"));
	for (char *at = help; (at = strstr(at, "  --")) != NULL; at++)
		options++;
	assert_int_equal(options, CONF_SETTINGS);
}

static void
the_markdown_table_has_a_row_per_setting_and_four_cells_per_row(void **state)
{
	AUTO_FREE char *table = printed(conf_print_markdown);

	(void)state;
	assert_int_equal(lines_of(table), CONF_SETTINGS + 2);
	for (const char *line = table; *line != '\0'; line = strchr(line, '\n') + 1) {
		int bars = 0;

		for (const char *c = line; *c != '\n'; c++)
			bars += *c == '|' && (c == line || c[-1] != '\\');
		assert_int_equal(bars, 5);
		assert_int_equal(line[0], '|');
	}
	assert_non_null(strstr(table, "| `http.port` | `8080` | 0 to 65535 | "));
	assert_null(strstr(table, " <state"));
}

static void
printed_values_show_their_origin_and_no_password(void **state)
{
	static const struct {
		const char *url, *shown;
	} cases[] = {
		{ "postgres://u:hunter2@h:5432/db", "\"postgres://u:***@h:5432/db\"" },
		{ "postgres://u:hun@ter2@h/db?application_name=x",
		    "\"postgres://u:***@h/db?application_name=x\"" },
		{ "postgres://u:h?unter2@h/db", "\"postgres://u:***@h/db\"" },
		{ "postgresql:///db?host=/tmp&password=hunter2", "\"postgresql:///db?***\"" },
		{ "postgresql:///db?p%61ssword=hunter2", "\"postgresql:///db?***\"" },
		{ "host=h password = hunter2", "\"***\"" },
		{ "host=h user='u'", "\"host=h user='u'\"" },
		{ "postgres://h:5432/db", "\"postgres://h:5432/db\"" },
		{ "", "\"\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char option[200], line[200];
		AUTO_FREE char *text = NULL;
		struct conf c;
		struct err e;

		(void)snprintf(option, sizeof(option), "--database.url=%s", cases[i].url);
		(void)snprintf(
		    line, sizeof(line), "\ndatabase.url = %s  # option\n", cases[i].shown);
		assert_int_equal(load(NULL, "WARDIAN_HTTP_PORT=9", option, &c, &e), 0);
		text = printed_values(&c);
		assert_non_null(strstr(text, line));
		assert_null(strstr(text, "hunter2"));
		assert_non_null(strstr(text, "\nhttp.port = 9  # environment\n"));
		assert_non_null(strstr(text, "\nsched.lease = \"15s\"  # default\n"));
		assert_int_equal(lines_of(text), CONF_SETTINGS);
		conf_done(&c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_hold_when_nothing_is_said),
		cmocka_unit_test(the_option_beats_the_variable_beats_the_file_beats_the_default),
		cmocka_unit_test(each_type_is_read_from_the_file_and_from_text),
		cmocka_unit_test(what_is_wrong_in_the_file_is_named_by_line_and_column),
		cmocka_unit_test(what_is_wrong_elsewhere_is_named_by_variable_or_option),
		cmocka_unit_test(a_secret_that_is_too_long_is_not_repeated),
		cmocka_unit_test(names_of_any_length_are_refused_in_bounds),
		cmocka_unit_test(variables_of_others_are_left_alone),
		cmocka_unit_test(the_last_of_equal_options_holds_and_nothing_leaks),
		cmocka_unit_test(a_file_that_cannot_be_read_is_an_error),
		cmocka_unit_test(the_example_file_is_valid_as_it_is_and_with_every_key_uncommented),
		cmocka_unit_test(help_names_option_variable_default_and_range_of_every_setting),
		cmocka_unit_test(the_markdown_table_has_a_row_per_setting_and_four_cells_per_row),
		cmocka_unit_test(printed_values_show_their_origin_and_no_password),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
