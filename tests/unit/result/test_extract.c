/* SPDX-License-Identifier: Apache-2.0 */
/* Files of a finished run: found where the rule says, never elsewhere, and absent ones are reasons.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "result_internal.h"

#include "fd.h"
#include "json.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The name of a rule's file is the environment's business; here it is what the test says. */
const char *
environment_rule_file(const struct environment *env, const struct environment_rule *rule,
    const struct environment_value *values, size_t n_values, struct arena *mem)
{
	(void)env;
	(void)values;
	(void)n_values;
	return strchr(rule->file, '{') != NULL ? NULL : arena_strdup(mem, rule->file);
}

struct run {
	char path[64];
	int dirfd;
	struct arena *mem;
};

static int
run_setup(void **state)
{
	static struct run r;

	(void)snprintf(r.path, sizeof(r.path), "/tmp/wardian-result-XXXXXX");
	assert_non_null(mkdtemp(r.path));
	r.dirfd = open(r.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(r.dirfd >= 0);
	assert_int_equal(mkdirat(r.dirfd, "files", 0700), 0);
	r.mem = arena_new(CAP_REQUEST_ARENA_BYTES);
	*state = &r;
	return 0;
}

static int
run_teardown(void **state)
{
	static const char *const names[] = { "log", "files/a", "files/d/b", "files/d", "files/link",
		"files/dirlink", "files/fifo", "files", "secret" };
	struct run *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (unlinkat(r->dirfd, names[i], 0) < 0)
			(void)unlinkat(r->dirfd, names[i], AT_REMOVEDIR); /* most are not there */
	arena_free(r->mem);
	close(r->dirfd);
	return rmdir(r->path);
}

static void
put(const struct run *r, const char *name, const char *text, size_t n)
{
	int fd = openat(r->dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct err e = { 0 };

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, n, &e), 0);
	close(fd);
}

static struct result_set
extract(const struct run *r, const struct environment_rule *rules, size_t n)
{
	const struct environment env = { .name = "demo", .rules = rules, .n_rules = n };
	struct result_set set = { 0 };
	struct err e = { 0 };

	if (result_extract(&env, NULL, 0, r->dirfd, r->mem, &set, &e) < 0)
		fail_msg("%s", e.msg);
	return set;
}

static void
each_rule_reads_its_own_file(void **state)
{
	static const struct environment_rule rules[] = {
		{ .name = "m", .kind = ENVIRONMENT_RULE_MEASURE, .file = "log" },
		{ .name = "t",
		    .kind = ENVIRONMENT_RULE_TABLE,
		    .target = ENVIRONMENT_TARGET_METRIC,
		    .file = "a",
		    .start = "Step",
		    .step = "Step" },
		{ .name = "j", .kind = ENVIRONMENT_RULE_JSON, .file = "d/b" },
	};
	struct run *r = *state;
	struct result_set set;

	put(r, "log", "x = 1\n", 6);
	put(r, "files/a", "Step T\n5 6", 10);
	assert_int_equal(mkdirat(r->dirfd, "files/d", 0700), 0);
	put(r, "files/d/b", "{\"y\": 2}", 8);
	set = extract(r, rules, ARRAY_LEN(rules));
	assert_int_equal(set.n_values, 2);
	assert_string_equal(set.values[0].name, "x");
	assert_string_equal(set.values[1].name, "y");
	assert_int_equal(set.n_points, 1);
	assert_true(set.points[0].step == 5 && set.points[0].value == 6);
	assert_false(set.truncated);
}

static void
absent_files_are_reasons_and_no_errors(void **state)
{
	static const char *const columns[] = { "x", "y" };
	static const struct environment_rule rules[] = {
		{ .name = "m", .kind = ENVIRONMENT_RULE_MEASURE, .file = "log" },
		{ .name = "b",
		    .kind = ENVIRONMENT_RULE_BLOCK,
		    .file = "a",
		    .start = "s",
		    .columns = columns,
		    .n_columns = 2 },
		{ .name = "j", .kind = ENVIRONMENT_RULE_JSON, .file = "d/b" },
		{ .name = "t",
		    .kind = ENVIRONMENT_RULE_TABLE,
		    .target = ENVIRONMENT_TARGET_METRIC,
		    .file = "a",
		    .start = "Step",
		    .step = "Step" },
	};
	static const char *const names[] = { "m", "b.x.max", "b.y.max", "j" };
	struct result_set set = extract(*state, rules, ARRAY_LEN(rules));

	assert_int_equal(set.n_values, ARRAY_LEN(names));
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		assert_string_equal(set.values[i].name, names[i]);
		assert_true(set.values[i].missing);
		assert_non_null(strstr(set.values[i].reason, "the job left no file"));
	}
	assert_non_null(strstr(set.values[3].reason, "d/b"));
}

static void
a_file_named_by_a_missing_parameter_is_a_reason(void **state)
{
	static const struct environment_rule rule = {
		.name = "j", .kind = ENVIRONMENT_RULE_JSON, .file = "{deck}"
	};
	struct result_set set = extract(*state, &rule, 1);

	assert_int_equal(set.n_values, 1);
	assert_non_null(strstr(set.values[0].reason, "parameter"));
}

static void
nothing_but_regular_files_below_is_opened(void **state)
{
	static const char *const names[] = { "link", "dirlink/secret", "../secret",
		"d/../../secret", "/etc/hosts", "fifo", ".", "..", "", "d", "d//b", "//", "a/x" };
	struct run *r = *state;

	put(r, "secret", "{\"leak\": 1}", 11);
	put(r, "files/a", "{\"leak\": 1}", 11);
	assert_int_equal(mkdirat(r->dirfd, "files/d", 0700), 0);
	assert_int_equal(symlinkat("../secret", r->dirfd, "files/link"), 0);
	assert_int_equal(symlinkat("..", r->dirfd, "files/dirlink"), 0);
	assert_int_equal(mkfifoat(r->dirfd, "files/fifo", 0600), 0);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const struct environment_rule rule = {
			.name = "j", .kind = ENVIRONMENT_RULE_JSON, .file = names[i]
		};
		struct result_set set = extract(r, &rule, 1);

		assert_int_equal(set.n_values, 1);
		if (!set.values[0].missing)
			fail_msg("'%s' was read", names[i]);
	}
}

static void
a_file_beyond_the_cap_is_read_to_the_cap_and_marked(void **state)
{
	static const struct environment_rule rule = {
		.name = "m", .kind = ENVIRONMENT_RULE_MEASURE, .file = "a"
	};
	struct run *r = *state;
	struct result_set set;
	int fd;

	put(r, "files/a", "x = 1\n", 6);
	fd = openat(r->dirfd, "files/a", O_WRONLY | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, (off_t)RESULT_FILE_BYTES + 4096), 0);
	assert_int_equal(pwrite(fd, "\ny = 2\n", 7, (off_t)RESULT_FILE_BYTES + 4000), 7);
	close(fd);
	set = extract(r, &rule, 1);
	assert_int_equal(set.n_values, 1);
	assert_string_equal(set.values[0].name, "x");
	assert_true(set.truncated);
}

static void
a_results_file_beyond_its_cap_is_a_reason(void **state)
{
	static const struct environment_rule rule = {
		.name = "j", .kind = ENVIRONMENT_RULE_JSON, .file = "a"
	};
	struct run *r = *state;
	struct result_set set;
	int fd;

	put(r, "files/a", "{}", 2);
	fd = openat(r->dirfd, "files/a", O_WRONLY | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, (off_t)RESULT_JSON_BYTES + 1), 0);
	close(fd);
	set = extract(r, &rule, 1);
	assert_int_equal(set.n_values, 1);
	assert_non_null(strstr(set.values[0].reason, "4 MiB"));
}

/* --- success -------------------------------------------------------------------------------- */

static const char *
check_success(const struct run *r, const char *const *absent, size_t n)
{
	const struct environment env = {
		.name = "demo", .success_absent = absent, .n_success_absent = n
	};
	const char *why = "left alone";
	struct err e = { 0 };

	if (result_check_success(&env, r->dirfd, r->mem, &why, &e) < 0)
		fail_msg("%s", e.msg);
	return why;
}

static void
a_forbidden_text_in_the_log_is_found_and_quoted(void **state)
{
	static const char *const absent[] = { "*ERROR", "ERROR:" };
	struct run *r = *state;
	const char *why;

	put(r, "log", "all well\nERROR: lost \x1b[31matoms\nmore\n", 36);
	why = check_success(r, absent, 2);
	assert_non_null(why);
	assert_non_null(strstr(why, "\"ERROR: lost ?[31matoms\""));
	assert_non_null(strstr(why, "demo"));
	assert_null(strstr(why, "well"));
	assert_null(strstr(why, "more"));
}

static void
a_log_without_forbidden_texts_or_no_log_is_fine(void **state)
{
	static const char *const absent[] = { "ERROR:" };
	struct run *r = *state;

	assert_null(check_success(r, absent, 1));
	put(r, "log", "ERROR without colon, error: ERROR\n", 34);
	assert_null(check_success(r, absent, 1));
	assert_null(check_success(r, NULL, 0));
}

static void
a_text_across_two_pieces_is_found_at_every_offset(void **state)
{
	static const char *const absent[] = { "x", "ERROR:" };
	struct run *r = *state;
	AUTO_FREE char *text = malloc(1 << 17);

	assert_non_null(text);
	for (size_t at = (1 << 16) - 8; at <= (1 << 16) + 2; at++) {
		memset(text, '.', 1 << 17);
		memcpy(text + at, "ERROR:", 6);
		put(r, "log", text, 1 << 17);
		if (check_success(r, absent, 2) == NULL)
			fail_msg("not found at %zu", at);
		assert_int_equal(unlinkat(r->dirfd, "log", 0), 0);
	}
}

#define RUN_TEST(f) cmocka_unit_test_setup_teardown(f, run_setup, run_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		RUN_TEST(each_rule_reads_its_own_file),
		RUN_TEST(absent_files_are_reasons_and_no_errors),
		RUN_TEST(a_file_named_by_a_missing_parameter_is_a_reason),
		RUN_TEST(nothing_but_regular_files_below_is_opened),
		RUN_TEST(a_file_beyond_the_cap_is_read_to_the_cap_and_marked),
		RUN_TEST(a_results_file_beyond_its_cap_is_a_reason),
		RUN_TEST(a_forbidden_text_in_the_log_is_found_and_quoted),
		RUN_TEST(a_log_without_forbidden_texts_or_no_log_is_fine),
		RUN_TEST(a_text_across_two_pieces_is_found_at_every_offset),
	};

	json_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
