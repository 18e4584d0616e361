/* SPDX-License-Identifier: Apache-2.0 */
/* How runs end, and that the exit record says exactly that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "rig.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void
probe(void **state, const char *act, const char *argument, struct sandbox_limits limits,
    struct rig_result *res)
{
	const char *const argv[] = { "/work/probe", act, argument, NULL };
	const struct rig_run run = { .argv = argv, .probe = true, .limits = limits };

	rig_do(*state, &run, res);
	assert_true(res->ended);
	assert_true(res->has_exit);
	assert_memory_equal(&res->exit.id, &res->id, sizeof(res->id));
}

static void
a_program_that_ends_well_is_recorded_as_such(void **state)
{
	const struct rig_run run = { .argv = RIG_ARGV("/usr/bin/true") };
	struct rig_result res;

	rig_do(*state, &run, &res);
	assert_true(res.started);
	assert_true(res.ended);
	assert_true(res.has_exit);
	assert_int_equal(res.exit.outcome, SANDBOX_EXITED);
	assert_int_equal(res.exit.exit_code, 0);
	assert_int_equal(res.exit.signal, 0);
	assert_int_equal(res.exit.oom_kills, 0);
	assert_true(res.exit.wall_ns > 0);
	assert_true(res.exit.cpu_user_ns + res.exit.cpu_system_ns > 0);
	assert_true(res.exit.memory_peak_bytes > 0);
	assert_true(res.exit.ended_wall_us >= res.exit.started_wall_us);
	assert_string_equal(res.log, "");
	rig_done(&res);
}

static void
every_exit_code_comes_back_as_it_was(void **state)
{
	static const char *const codes[] = { "1", "2", "42", "126", "127", "128", "137", "139",
		"255" };

	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		struct rig_result res;

		probe(state, "exit", codes[i], rig_limits(), &res);
		assert_int_equal(res.exit.outcome, SANDBOX_EXITED);
		assert_int_equal(res.exit.exit_code, strtol(codes[i], NULL, 10));
		rig_done(&res);
	}
}

static void
every_deadly_signal_comes_back_as_a_signal(void **state)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGABRT, SIGKILL, SIGSEGV, SIGPIPE, SIGTERM,
		SIGUSR1, 34, 64 };

	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		struct rig_result res;
		char number[16];

		snprintf(number, sizeof(number), "%d", signals[i]);
		probe(state, "signal", number, rig_limits(), &res);
		assert_int_equal(res.exit.outcome, SANDBOX_SIGNALED);
		assert_int_equal(res.exit.signal, signals[i]);
		assert_int_equal(res.exit.exit_code, 0);
		rig_done(&res);
	}
}

static void
a_program_that_cannot_be_executed_is_told_from_one_that_failed(void **state)
{
	static const struct rig_file script = { "script", "#!/no/such/interpreter\n", 0750 };
	static const struct rig_file text = { "text", "hello\n", 0750 };
	static const struct {
		const char *program;
		int sys;
	} cases[] = { { "/usr/bin/no-such-program", ENOENT }, { "/usr", EACCES },
		{ "/etc/passwd", EACCES }, { "/work/script", ENOENT }, { "/work/text", ENOEXEC } };
	const struct rig_file inputs[] = { script, text };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct rig_run run = {
			.argv = RIG_ARGV(cases[i].program), .inputs = inputs, .n_inputs = 2
		};
		struct rig_result res;

		rig_do(*state, &run, &res);
		assert_false(res.started);
		assert_true(res.ended);
		assert_true(res.has_exit);
		assert_int_equal(res.exit.outcome, SANDBOX_EXEC_FAILED);
		assert_int_equal(res.exit.sys, cases[i].sys);
		rig_done(&res);
	}
}

static void
memory_beyond_the_limit_is_out_of_memory_and_not_a_signal(void **state)
{
	struct sandbox_limits l = rig_limits();
	struct rig_result res;

	RIG_NEEDS_GROUPS();
	l.memory_bytes = 32 * MIB;
	probe(state, "oom", NULL, l, &res);
	assert_int_equal(res.exit.outcome, SANDBOX_OOM);
	assert_true(res.exit.oom_kills >= 1);
	assert_true(res.exit.memory_peak_bytes <= l.memory_bytes);
	rig_done(&res);
}

static void
a_child_out_of_memory_counts_although_the_main_process_exits_with_0(void **state)
{
	struct sandbox_limits l = rig_limits();
	struct rig_result res;

	RIG_NEEDS_GROUPS();
	l.memory_bytes = 32 * MIB;
	probe(state, "oom-child", NULL, l, &res);
	assert_int_equal(res.exit.outcome, SANDBOX_OOM);
	assert_true(res.exit.oom_kills >= 1);
	rig_done(&res);
}

static void
a_run_that_waits_for_a_process_lost_to_the_limit_is_ended(void **state)
{
	struct sandbox_limits l = rig_limits();
	struct rig_result res;

	RIG_NEEDS_GROUPS();
	l.memory_bytes = 32 * MIB;
	probe(state, "oom-hang", NULL, l, &res);
	assert_int_equal(res.exit.outcome, SANDBOX_OOM);
	assert_true(res.exit.wall_ns < INT64_C(10000000000));
	rig_done(&res);
}

static void
wall_time_ends_even_a_program_that_ignores_every_signal(void **state)
{
	struct sandbox_limits l = rig_limits();
	struct rig_result res;

	l.wall_ms = 1000;
	l.grace_ms = 200;
	probe(state, "stubborn", NULL, l, &res);
	assert_int_equal(res.exit.outcome, SANDBOX_WALL);
	assert_int_equal(res.exit.signal, SIGKILL);
	assert_true(res.exit.wall_ns >= INT64_C(1190000000));
	assert_true(res.exit.wall_ns < INT64_C(4000000000));
	assert_string_equal(res.log, "ready\n");
	rig_done(&res);
}

static void
wall_time_ends_a_stopped_program_too(void **state)
{
	struct sandbox_limits l = rig_limits();
	struct rig_result res;

	l.wall_ms = 200;
	probe(state, "stopped", NULL, l, &res);
	assert_int_equal(res.exit.outcome, SANDBOX_WALL);
	rig_done(&res);
}

static void
a_program_that_ended_in_time_did_so_however_late_the_keeper_sees_it(void **state)
{
	struct rig_run run = { .argv = RIG_ARGV("/bin/sh", "-c", "echo ready; sleep 0.3; exit 5"),
		.limits = rig_limits() };
	struct rig_result res;

	run.limits.wall_ms = 1500;
	rig_start(*state, &run, &res);
	rig_wait_log(*state, &res, "ready", 10000);
	assert_int_equal(kill(res.pid, SIGSTOP), 0); /* a machine that was paused */
	usleep(2000000);
	assert_int_equal(kill(res.pid, SIGCONT), 0);
	rig_wait(*state, &res, 10000);
	rig_collect(*state, &res);
	assert_int_equal(res.exit.outcome, SANDBOX_EXITED);
	assert_int_equal(res.exit.exit_code, 5);
	rig_done(&res);
}

static void
silence_longer_than_allowed_ends_the_run(void **state)
{
	struct sandbox_limits l = rig_limits();
	struct rig_result res;

	l.no_output_ms = 500;
	l.grace_ms = 100;
	probe(state, "stubborn", NULL, l, &res);
	assert_int_equal(res.exit.outcome, SANDBOX_NO_OUTPUT);
	rig_done(&res);
}

static void
output_now_and_then_keeps_a_run_alive(void **state)
{
	struct rig_run run = { .argv = RIG_ARGV("/bin/sh", "-c",
				   "for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.4; done"),
		.limits = rig_limits() };
	struct rig_result res;

	run.limits.no_output_ms = 2000;
	rig_do(*state, &run, &res);
	assert_int_equal(res.exit.outcome, SANDBOX_EXITED);
	assert_string_equal(res.log, "1\n2\n3\n4\n5\n6\n7\n8\n");
	rig_done(&res);
}

static void
a_fork_bomb_meets_its_limit_and_leaves_nothing(void **state)
{
	struct sandbox_limits l = rig_limits();
	struct rig_result res;

	l.processes = 64;
	probe(state, "fork-bomb", NULL, l, &res);
	assert_int_equal(res.exit.outcome, SANDBOX_EXITED);
	assert_int_equal(res.exit.exit_code, 0);
	assert_non_null(strstr(res.log, "EAGAIN"));
	assert_true(rig_quiet(*state, 5000));
	rig_done(&res);
}

static void
a_daemon_that_outlives_the_main_process_does_not(void **state)
{
	struct rig_result res;

	probe(state, "orphan", NULL, rig_limits(), &res);
	assert_int_equal(res.exit.outcome, SANDBOX_EXITED);
	assert_int_equal(res.exit.exit_code, 7);
	assert_non_null(strstr(res.log, "still here 0\n"));
	assert_true(res.exit.wall_ns < INT64_C(3000000000));
	assert_true(rig_quiet(*state, 5000));
	rig_done(&res);
}

static void
cpu_time_is_what_the_program_burnt(void **state)
{
	struct rig_result res;
	int64_t ms;

	probe(state, "burn", NULL, rig_limits(), &res);
	ms = (res.exit.cpu_user_ns + res.exit.cpu_system_ns) / 1000000;
	assert_in_range(ms, 295, 400);
	rig_done(&res);
}

static void
the_cpu_limit_throttles(void **state)
{
	struct sandbox_limits l = rig_limits();
	struct rig_result res;

	RIG_NEEDS_GROUPS();
	/* Far below what a busy machine would leave to it anyway. */
	l.cpu_milli = 50;
	probe(state, "burn", NULL, l, &res);
	assert_true(res.exit.throttled_ns > 0);
	assert_true(res.exit.wall_ns >= INT64_C(5000000000));
	rig_done(&res);
}

static void
stop_is_polite_and_kill_is_not(void **state)
{
	const struct rig_run run = { .argv = RIG_ARGV("/work/probe", "polite"), .probe = true };
	struct rig_result res;

	for (int kill_it = 0; kill_it < 2; kill_it++) {
		rig_start(*state, &run, &res);
		rig_wait_log(*state, &res, "ready", 10000);
		assert_true(res.started);
		rig_send(*state, kill_it ? SANDBOX_KILL : SANDBOX_STOP, &res.id);
		rig_wait(*state, &res, 10000);
		rig_collect(*state, &res);
		assert_true(res.has_exit);
		assert_int_equal(res.exit.outcome, SANDBOX_STOPPED);
		if (kill_it) {
			assert_int_equal(res.exit.signal, SIGKILL);
		} else {
			assert_int_equal(res.exit.exit_code, 3);
			assert_string_equal(res.log, "ready\ntold to end\n");
		}
		rig_done(&res);
	}
}

static void
stop_gives_grace_and_then_kills(void **state)
{
	struct rig_run run = {
		.argv = RIG_ARGV("/work/probe", "stubborn"), .probe = true, .limits = rig_limits()
	};
	struct rig_result res;

	run.limits.grace_ms = 300;
	rig_start(*state, &run, &res);
	rig_wait_log(*state, &res, "ready", 10000);
	rig_send(*state, SANDBOX_STOP, &res.id);
	rig_wait(*state, &res, 10000);
	rig_collect(*state, &res);
	assert_int_equal(res.exit.outcome, SANDBOX_STOPPED);
	assert_int_equal(res.exit.signal, SIGKILL);
	assert_true(res.exit.wall_ns >= INT64_C(290000000));
	rig_done(&res);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_that_ends_well_is_recorded_as_such),
		cmocka_unit_test(every_exit_code_comes_back_as_it_was),
		cmocka_unit_test(every_deadly_signal_comes_back_as_a_signal),
		cmocka_unit_test(a_program_that_cannot_be_executed_is_told_from_one_that_failed),
		cmocka_unit_test(memory_beyond_the_limit_is_out_of_memory_and_not_a_signal),
		cmocka_unit_test(
		    a_child_out_of_memory_counts_although_the_main_process_exits_with_0),
		cmocka_unit_test(a_run_that_waits_for_a_process_lost_to_the_limit_is_ended),
		cmocka_unit_test(wall_time_ends_even_a_program_that_ignores_every_signal),
		cmocka_unit_test(wall_time_ends_a_stopped_program_too),
		cmocka_unit_test(
		    a_program_that_ended_in_time_did_so_however_late_the_keeper_sees_it),
		cmocka_unit_test(silence_longer_than_allowed_ends_the_run),
		cmocka_unit_test(output_now_and_then_keeps_a_run_alive),
		cmocka_unit_test(a_fork_bomb_meets_its_limit_and_leaves_nothing),
		cmocka_unit_test(a_daemon_that_outlives_the_main_process_does_not),
		cmocka_unit_test(cpu_time_is_what_the_program_burnt),
		cmocka_unit_test(the_cpu_limit_throttles),
		cmocka_unit_test(stop_is_polite_and_kill_is_not),
		cmocka_unit_test(stop_gives_grace_and_then_kills),
	};

	return cmocka_run_group_tests_name("outcome", tests, rig_suite_open, rig_suite_close);
}
