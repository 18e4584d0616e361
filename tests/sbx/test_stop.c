/* SPDX-License-Identifier: Apache-2.0 */
/* How runs are told to end: the recipe, TERM, KILL, and nothing that stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "clock.h"
#include "rig.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MS = 1000000 };

static struct rig_run
act(const char *const *argv, struct sandbox_stop stop)
{
	return (struct rig_run){ .argv = argv,
		.probe = true,
		.program = "sbx-limits-probe",
		.limits = rig_limits(),
		.stop = stop };
}

/* Starts it, stops it when it is ready; milliseconds from there to its end. */
static int64_t
stopped(void **state, const struct rig_run *run, struct rig_result *res)
{
	int64_t began_ns;

	rig_start(*state, run, res);
	rig_wait_log(*state, res, "ready", 20000);
	began_ns = clock_mono_ns();
	rig_send(*state, SANDBOX_STOP, &res->id);
	rig_wait(*state, res, 20000);
	rig_collect(*state, res);
	assert_true(res->has_exit);
	assert_int_equal(res->exit.outcome, SANDBOX_STOPPED);
	return (clock_mono_ns() - began_ns) / MS;
}

static void
a_recipe_with_a_signal_is_followed(void **state)
{
	const struct rig_run run = act(RIG_ARGV("/work/probe", "wait-signal", "10"),
	    (struct sandbox_stop){ .signal = SIGUSR1, .wait_ms = 20000 });
	struct rig_result res;

	assert_true(stopped(state, &run, &res) < 5000);
	assert_int_equal(res.exit.exit_code, 8);
	assert_string_equal(res.log, "ready 0\nsignal 10\n");
	rig_done(&res);
}

static void
a_recipe_with_a_file_is_followed(void **state)
{
	const struct rig_run run = act(RIG_ARGV("/work/probe", "wait-file", "STOP"),
	    (struct sandbox_stop){
		.file = "STOP", .text = "write and end\nnow", .wait_ms = 20000 });
	struct rig_result res;
	char *left;

	assert_true(stopped(state, &run, &res) < 5000);
	assert_int_equal(res.exit.exit_code, 9);
	assert_string_equal(res.log, "ready 0\ntold: write and end\nnow\n");
	/* It is the simulation's, as if it had written it itself. */
	left = rig_output(&res, "STOP");
	assert_non_null(left);
	assert_string_equal(left, "write and end\nnow");
	free(left);
	rig_done(&res);
}

static void
every_reason_to_end_follows_the_recipe(void **state)
{
	static const struct {
		enum sandbox_outcome outcome;
		int64_t wall_ms, no_output_ms, cpu_ms;
		const char *act;
	} cases[] = { { SANDBOX_WALL, 400, 0, 0, "wait-file" },
		{ SANDBOX_NO_OUTPUT, 60000, 400, 0, "wait-file" },
		{ SANDBOX_CPU_TIME, 60000, 0, 15, "wait-file" } };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rig_run run = act(RIG_ARGV("/work/probe", cases[i].act, "STOP"),
		    (struct sandbox_stop){ .file = "STOP", .wait_ms = 20000 });
		struct rig_result res;

		run.limits.wall_ms = cases[i].wall_ms;
		run.limits.no_output_ms = cases[i].no_output_ms;
		run.limits.cpu_ms = cases[i].cpu_ms;
		rig_do(*state, &run, &res);
		assert_true(res.has_exit);
		assert_int_equal(res.exit.outcome, cases[i].outcome);
		assert_int_equal(res.exit.exit_code, 9);
		assert_string_equal(res.log, "ready 0\ntold: \n");
		rig_done(&res);
	}
}

static void
a_recipe_that_does_not_help_is_followed_by_term_and_kill(void **state)
{
	/* Deaf to both, deaf to the recipe only. */
	struct rig_run run = act(RIG_ARGV("/work/probe", "wait-file", "OTHER"),
	    (struct sandbox_stop){ .signal = SIGURG, .wait_ms = 400 });
	struct rig_result res;
	int64_t ms;

	run.limits.grace_ms = 300;
	ms = stopped(state, &run, &res);
	assert_in_range(ms, 700, 1200);
	assert_int_equal(res.exit.signal, SIGKILL);
	rig_done(&res);

	run = act(RIG_ARGV("/work/probe", "wait-signal", "10"),
	    (struct sandbox_stop){ .file = "STOP", .wait_ms = 400 });
	ms = stopped(state, &run, &res);
	assert_in_range(ms, 400, 900);
	assert_string_equal(res.log, "ready 0\nsignal 15\n");
	rig_done(&res);
}

static void
a_stopped_process_hears_the_recipe(void **state)
{
	const struct rig_run run =
	    act(RIG_ARGV("/bin/sh", "-c",
		    "trap 'echo told; exit 6' USR1; echo ready; kill -STOP $$; "
		    "while :; do sleep 0.02; done"),
		(struct sandbox_stop){ .signal = SIGUSR1, .wait_ms = 10000 });
	struct rig_result res;

	assert_true(stopped(state, &run, &res) < 5000);
	assert_int_equal(res.exit.exit_code, 6);
	rig_done(&res);
}

/* What lies there stays as it is, and TERM comes without waiting for what nobody was asked. */
static void
a_hostile_thing_in_the_place_of_the_file_is_left_alone(void **state)
{
	static const char *const things[] = { "fifo", "link", "dangling", "dir", "closed", "full" };

	for (size_t i = 0; i < ARRAY_LEN(things); i++) {
		const struct rig_run run = act(RIG_ARGV("/work/probe", "wait-hostile", things[i]),
		    (struct sandbox_stop){
			.file = "STOP", .text = "overwritten", .wait_ms = 20000 });
		struct rig_result res;
		char *target;

		assert_true(stopped(state, &run, &res) < 5000);
		assert_int_equal(res.exit.exit_code, 8);
		assert_non_null(strstr(res.log, "signal 15\n"));
		assert_null(strstr(res.log, "followed"));
		target = rig_output(&res, "target");
		if (target != NULL)
			assert_string_equal(target, "");
		free(target);
		target = rig_output(&res, "STOP");
		assert_null(target);
		rig_done(&res);
	}
}

static void
kill_does_not_wait_for_a_recipe(void **state)
{
	const struct rig_run run = act(RIG_ARGV("/work/probe", "wait-file", "OTHER"),
	    (struct sandbox_stop){ .file = "STOP", .wait_ms = 20000 });
	struct rig_result res;
	int64_t began_ns;

	for (int after_stop = 0; after_stop < 2; after_stop++) {
		rig_start(*state, &run, &res);
		rig_wait_log(*state, &res, "ready", 20000);
		began_ns = clock_mono_ns();
		if (after_stop)
			rig_send(*state, SANDBOX_STOP, &res.id);
		rig_send(*state, SANDBOX_KILL, &res.id);
		rig_wait(*state, &res, 20000);
		rig_collect(*state, &res);
		assert_int_equal(res.exit.outcome, SANDBOX_STOPPED);
		assert_int_equal(res.exit.signal, SIGKILL);
		assert_true(clock_mono_ns() - began_ns < INT64_C(2000) * MS);
		rig_done(&res);
	}
}

/* Until the bomb fills its limit, the keeper beside it. */
static void
wait_processes(const struct rig *r, int n)
{
	struct deadline until = deadline_in_ms(20000);

	while (rig_processes(r) < n)
		if (deadline_passed(until))
			fail_msg("%d processes instead of %d", rig_processes(r), n);
}

static void
a_fork_bomb_of_escapees_is_gone_within_a_second_after_the_grace(void **state)
{
	int64_t worst_ms = 0;

	for (int i = 0; i < 3; i++) {
		struct rig_run run = act(
		    RIG_ARGV("/work/probe", "bomb", "100"), (struct sandbox_stop){ .signal = 0 });
		struct rig_result res;
		int64_t ms, began_ns;

		run.limits.processes = 200;
		run.limits.memory_bytes = GIB;
		run.limits.grace_ms = 300;
		rig_start(*state, &run, &res);
		rig_wait_log(*state, &res, "ready", 20000);
		wait_processes(*state, 201);
		began_ns = clock_mono_ns();
		rig_send(*state, SANDBOX_STOP, &res.id);
		while (rig_groups(*state) > 0)
			assert_true(clock_mono_ns() - began_ns < INT64_C(20000) * MS);
		ms = (clock_mono_ns() - began_ns) / MS - run.limits.grace_ms;
		worst_ms = ms > worst_ms ? ms : worst_ms;
		rig_wait(*state, &res, 20000);
		rig_collect(*state, &res);
		assert_int_equal(res.exit.outcome, SANDBOX_STOPPED);
		if (rig_mode() != RIG_USER)
			assert_in_range(res.exit.processes_peak, 190, 200);
		assert_true(rig_quiet(*state, 5000));
		rig_done(&res);
	}
	print_message(
	    "200 escapees were gone %jd ms after the grace at worst\n", (intmax_t)worst_ms);
	assert_true(worst_ms <= 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_recipe_with_a_signal_is_followed),
		cmocka_unit_test(a_recipe_with_a_file_is_followed),
		cmocka_unit_test(every_reason_to_end_follows_the_recipe),
		cmocka_unit_test(a_recipe_that_does_not_help_is_followed_by_term_and_kill),
		cmocka_unit_test(a_stopped_process_hears_the_recipe),
		cmocka_unit_test(a_hostile_thing_in_the_place_of_the_file_is_left_alone),
		cmocka_unit_test(kill_does_not_wait_for_a_recipe),
		cmocka_unit_test(a_fork_bomb_of_escapees_is_gone_within_a_second_after_the_grace),
	};

	return cmocka_run_group_tests_name("stop", tests, rig_suite_open, rig_suite_close);
}
