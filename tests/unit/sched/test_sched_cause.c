/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "json.h"
#include "sched_cause.h"

static struct sched_cause
cause_of(struct compute_outcome o, const char *criteria)
{
	const struct sched_facts f = { .outcome = &o, .criteria = criteria };
	struct sched_cause c;

	sched_cause_of(&f, &c);
	return c;
}

static void
every_kind_of_end_has_its_cause(void **state)
{
	static const struct {
		struct compute_outcome o;
		enum sched_category category;
		const char *kind;
	} all[] = {
		{ { .kind = COMPUTE_EXITED, .exit_code = 3 }, SCHED_USER, "exit-code" },
		{ { .kind = COMPUTE_SIGNALED, .signal = SIGSEGV }, SCHED_USER, "signal" },
		{ { .kind = COMPUTE_SIGNALED, .signal = SIGKILL }, SCHED_USER, "signal" },
		{ { .kind = COMPUTE_SIGNALED, .signal = SIGFPE }, SCHED_NUMERICAL, "signal" },
		{ { .kind = COMPUTE_OOM }, SCHED_RESOURCE, "oom" },
		{ { .kind = COMPUTE_WALL }, SCHED_RESOURCE, "wall-time" },
		{ { .kind = COMPUTE_CPU_TIME }, SCHED_RESOURCE, "cpu-time" },
		{ { .kind = COMPUTE_NO_OUTPUT }, SCHED_RESOURCE, "no-output" },
		{ { .kind = COMPUTE_SCRATCH, .what = "inputs", .sys = ENOSPC }, SCHED_RESOURCE,
		    "scratch-space" },
		{ { .kind = COMPUTE_STOPPED }, SCHED_PLATFORM, "lost" },
		{ { .kind = COMPUTE_EXEC_FAILED, .sys = ENOENT }, SCHED_USER, "exec-failed" },
		{ { .kind = COMPUTE_EXEC_FAILED, .sys = ENOMEM }, SCHED_PLATFORM, "exec-failed" },
		{ { .kind = COMPUTE_FAULT, .what = "pivot_root", .sys = EPERM }, SCHED_PLATFORM,
		    "sandbox" },
		{ { .kind = COMPUTE_GONE }, SCHED_PLATFORM, "lost" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct sched_cause c = cause_of(all[i].o, NULL);

		assert_false(c.ok);
		assert_int_equal(c.category, all[i].category);
		assert_string_equal(c.kind, all[i].kind);
		assert_true(strlen(c.message) > 20);
		assert_int_equal(c.message[strlen(c.message) - 1], '.');
	}
}

static void
the_environment_says_which_exit_code_is_a_success(void **state)
{
	struct compute_outcome o = { .kind = COMPUTE_EXITED, .exit_code = 0 };
	struct sched_facts f = { .outcome = &o };
	struct sched_cause c;

	(void)state;
	sched_cause_of(&f, &c);
	assert_true(c.ok);
	f.success_exit_code = 4;
	sched_cause_of(&f, &c);
	assert_false(c.ok);
	o.exit_code = 4;
	sched_cause_of(&f, &c);
	assert_true(c.ok);
}

static void
a_clean_exit_with_errors_in_its_log_is_a_numerical_failure(void **state)
{
	struct sched_cause c = cause_of(
	    (struct compute_outcome){ .kind = COMPUTE_EXITED }, "the log has \"no convergence\"");

	(void)state;
	assert_false(c.ok);
	assert_int_equal(c.category, SCHED_NUMERICAL);
	assert_string_equal(c.kind, "success-criteria");
	assert_non_null(strstr(c.message, "no convergence"));
}

static void
a_canceled_job_is_canceled_however_it_ended(void **state)
{
	(void)state;
	for (int kind = COMPUTE_EXITED; kind <= COMPUTE_GONE; kind++) {
		struct compute_outcome o = { .kind = (enum compute_outcome_kind)kind };
		const struct sched_facts f = { .outcome = &o, .canceled = true };
		struct sched_cause c;

		sched_cause_of(&f, &c);
		assert_false(c.ok);
		assert_string_equal(c.kind, "canceled");
		assert_int_equal(c.category, SCHED_USER);
	}
}

static void
the_sentence_of_a_fault_names_the_step_or_the_reason_given(void **state)
{
	struct compute_outcome o = { .kind = COMPUTE_FAULT, .what = "cgroup", .sys = ENOSPC };
	struct sched_facts f = { .outcome = &o };
	struct sched_cause c;

	(void)state;
	sched_cause_of(&f, &c);
	assert_non_null(strstr(c.message, "'cgroup'"));
	assert_non_null(strstr(c.message, "No space left"));
	f.fault = "there is no environment 'x'";
	sched_cause_of(&f, &c);
	assert_non_null(strstr(c.message, "there is no environment 'x'"));
}

static void
an_endless_sentence_is_cut(void **state)
{
	char text[2000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	struct sched_cause c = cause_of((struct compute_outcome){ .kind = COMPUTE_EXITED }, text);

	(void)state;
	assert_true(strlen(c.message) < SCHED_MESSAGE_SIZE);
}

static void
a_kill_where_memory_is_not_counted_is_not_told_apart(void **state)
{
	const struct compute_outcome killed = {
		.kind = COMPUTE_SIGNALED, .signal = SIGKILL, .memory_uncounted = true
	};
	const struct compute_outcome crashed = {
		.kind = COMPUTE_SIGNALED, .signal = SIGSEGV, .memory_uncounted = true
	};
	struct sched_cause c = cause_of(killed, NULL);

	(void)state;
	assert_string_equal(c.kind, "signal");
	assert_int_equal(c.signal, SIGKILL);
	assert_non_null(strstr(c.message, "memory"));
	c = cause_of(crashed, NULL);
	assert_null(strstr(c.message, "memory"));
}

static void
the_detail_is_an_object_with_five_members(void **state)
{
	struct sched_cause c =
	    cause_of((struct compute_outcome){ .kind = COMPUTE_EXITED, .exit_code = 7 }, NULL);
	AUTO(json) j = NULL;
	struct err e = { 0 };
	const char *text;
	int64_t code;
	AUTO_BUF b;

	(void)state;
	buf_init(&b, 4096);
	sched_cause_print(&c, &b);
	assert_int_equal(json_parse(b.p, b.n, &j, &e), 0);
	assert_int_equal(json_count(json_root(j)), 5);
	assert_true(json_get_text(json_member(json_root(j), "category"), &text));
	assert_string_equal(text, "user");
	assert_true(json_get_text(json_member(json_root(j), "kind"), &text));
	assert_string_equal(text, "exit-code");
	assert_true(json_get_i64(json_member(json_root(j), "exit_code"), &code));
	assert_int_equal(code, 7);
	assert_int_equal(json_type(json_member(json_root(j), "signal")), JSON_NULL);
	assert_true(json_get_text(json_member(json_root(j), "message"), &text));
	assert_string_equal(text, c.message);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_of_end_has_its_cause),
		cmocka_unit_test(the_environment_says_which_exit_code_is_a_success),
		cmocka_unit_test(a_clean_exit_with_errors_in_its_log_is_a_numerical_failure),
		cmocka_unit_test(a_canceled_job_is_canceled_however_it_ended),
		cmocka_unit_test(the_sentence_of_a_fault_names_the_step_or_the_reason_given),
		cmocka_unit_test(an_endless_sentence_is_cut),
		cmocka_unit_test(a_kill_where_memory_is_not_counted_is_not_told_apart),
		cmocka_unit_test(the_detail_is_an_object_with_five_members),
	};

	json_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
