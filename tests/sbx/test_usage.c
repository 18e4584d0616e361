/* SPDX-License-Identifier: Apache-2.0 */
/* What a run used, against what it is known to have done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "clock.h"
#include "rig.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MS = 1000000, TRIES = 3 };

static void
probe(void **state, const char *const *argv, struct rig_result *res)
{
	const struct rig_run run = {
		.argv = argv, .probe = true, .program = "sbx-limits-probe", .limits = rig_limits()
	};

	rig_do(*state, &run, res);
	assert_true(res->has_exit);
	assert_int_equal(res->exit.outcome, SANDBOX_EXITED);
	assert_int_equal(res->exit.exit_code, 0);
}

static int64_t
cpu_ns(const struct rig_result *res)
{
	return res->exit.cpu_user_ns + res->exit.cpu_system_ns;
}

/* The sum of all lines "cpu N", and how many there are. */
static int64_t
said_cpu(const struct rig_result *res, int *ret_n)
{
	int64_t sum = 0;

	*ret_n = 0;
	for (const char *p = res->log; (p = strstr(p, "cpu ")) != NULL; p += 4, ++*ret_n)
		sum += strtoll(p + 4, NULL, 10);
	return sum;
}

static void
cpu_time_is_the_sum_of_what_every_process_says(void **state)
{
	int64_t permille = INT64_MAX;

	RIG_NEEDS_GROUPS();
	for (int i = 0; i < TRIES && (permille > 10 || permille < -10); i++) {
		struct rig_result res;
		int64_t said;
		int n;

		probe(state, RIG_ARGV("/work/probe", "family", "150"), &res);
		said = said_cpu(&res, &n);
		assert_int_equal(n, 5);
		permille = (cpu_ns(&res) - said) * 1000 / said;
		print_message("%jd ms said, %jd ms billed\n", (intmax_t)(said / MS),
		    (intmax_t)(cpu_ns(&res) / MS));
		rig_done(&res);
	}
	assert_true(permille <= 10 && permille >= -10);
}

static void
user_and_system_time_are_told_apart(void **state)
{
	struct rig_result res;

	probe(state, RIG_ARGV("/work/probe", "spin", "500", "1"), &res);
	assert_true(res.exit.cpu_user_ns > res.exit.cpu_system_ns);
	rig_done(&res);
	/* Pages of memory come from the kernel. */
	probe(state, RIG_ARGV("/work/probe", "faults", "50000"), &res);
	assert_true(res.exit.cpu_system_ns > res.exit.cpu_user_ns);
	rig_done(&res);
}

static void
setting_up_is_not_billed(void **state)
{
	int64_t least_ns = INT64_MAX;

	for (int i = 0; i < 10; i++) {
		struct rig_result res;

		probe(state, RIG_ARGV("/work/probe", "exit", "0"), &res);
		if (cpu_ns(&res) < least_ns)
			least_ns = cpu_ns(&res);
		assert_true(cpu_ns(&res) > 0);
		rig_done(&res);
	}
	print_message(
	    "a program that does nothing is billed %jd us\n", (intmax_t)(least_ns / 1000));
	assert_true(least_ns < 2 * MS);
}

static void
page_faults_are_counted(void **state)
{
	struct rig_result few, many;

	probe(state, RIG_ARGV("/work/probe", "faults", "100"), &few);
	probe(state, RIG_ARGV("/work/probe", "faults", "10100"), &many);
	assert_in_range(many.exit.faults_minor - few.exit.faults_minor, 9990, 10010);
	assert_true(few.exit.faults_minor > 100);
	rig_done(&few);
	rig_done(&many);
}

static void
peak_memory_is_what_was_touched(void **state)
{
	struct rig_result res;

	probe(state, RIG_ARGV("/work/probe", "anon", "48"), &res);
	/* Page tables, the program, its place in /work and what each CPU keeps in stock. */
	assert_in_range(res.exit.memory_peak_bytes, 48 * MIB, 53 * MIB);
	rig_done(&res);
}

static void
phases_add_up_to_the_time_that_passed(void **state)
{
	const int64_t began_us = clock_wall_us();
	struct rig_result res;
	int64_t sum;

	probe(state, RIG_ARGV("/work/probe", "sleep", "200"), &res);
	assert_in_range(res.exit.wall_ns, INT64_C(200) * MS, INT64_C(400) * MS);
	assert_true(res.exit.stage_ns > 0);
	assert_true(res.exit.launch_ns > 0);
	assert_true(res.exit.collect_ns > 0);
	sum = res.exit.stage_ns + res.exit.launch_ns + res.exit.wall_ns + res.exit.collect_ns;
	assert_true(sum / 1000 <= clock_wall_us() - began_us);
	assert_true(res.exit.started_wall_us >= began_us);
	assert_in_range(res.exit.ended_wall_us - res.exit.started_wall_us,
	    res.exit.wall_ns / 1000 - 1000, res.exit.wall_ns / 1000 + 50000);
	print_message("stage %jd us, launch %jd us, run %jd us, collect %jd us\n",
	    (intmax_t)(res.exit.stage_ns / 1000), (intmax_t)(res.exit.launch_ns / 1000),
	    (intmax_t)(res.exit.wall_ns / 1000), (intmax_t)(res.exit.collect_ns / 1000));
	rig_done(&res);
}

static size_t
read_samples(const struct rig_result *res, struct sandbox_sample *ret)
{
	char path[300];
	struct err e = { 0 };
	size_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/..", res->out);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(sandbox_samples_read(fd, ret, &n, &e), 0);
	close(fd);
	return n;
}

static void
a_run_of_less_than_a_second_has_no_samples(void **state)
{
	struct sandbox_sample v[SANDBOX_SAMPLES_MAX];
	struct rig_result res;
	char path[300];

	probe(state, RIG_ARGV("/work/probe", "sleep", "100"), &res);
	assert_int_equal(read_samples(&res, v), 0);
	snprintf(path, sizeof(path), "%s/usage", res.out);
	assert_true(access(path, F_OK) < 0);
	rig_done(&res);
}

static void
a_longer_run_is_sampled_every_second(void **state)
{
	struct sandbox_sample v[SANDBOX_SAMPLES_MAX];
	struct rig_result res;
	size_t n;

	probe(state, RIG_ARGV("/work/probe", "spin", "3500", "2"), &res);
	n = read_samples(&res, v);
	assert_int_equal(n, 3);
	for (size_t i = 0; i < n; i++) {
		const int64_t due_ms = (int64_t)(i + 1) * SANDBOX_SAMPLE_MS;

		assert_in_range(v[i].at_ms, due_ms, due_ms + 500);
		assert_true(v[i].memory_bytes > 0);
		assert_int_equal(v[i].processes, 2);
		assert_true(v[i].cpu_ns > (i == 0 ? 0 : v[i - 1].cpu_ns));
	}
	assert_true(v[n - 1].cpu_ns < cpu_ns(&res));
	rig_done(&res);
}

/* The counters of groups that are used again go on; the record must not. */
static void
one_run_after_another_starts_at_zero(void **state)
{
	struct rig_result res;

	probe(state, RIG_ARGV("/work/probe", "spin", "300", "8"), &res);
	assert_true(cpu_ns(&res) > 100 * MS);
	if (rig_mode() != RIG_USER)
		assert_in_range(res.exit.processes_peak, 7, 8); /* two CPUs may race for the peak */
	rig_done(&res);
	/* Its group is used again, that of the first is not. */
	probe(state, RIG_ARGV("/work/probe", "anon", "48"), &res);
	rig_done(&res);
	for (int i = 0; i < 20; i++) {
		probe(state, RIG_ARGV("/work/probe", "exit", "0"), &res);
		assert_true(cpu_ns(&res) < 50 * MS);
		assert_int_equal(res.exit.throttled_ns, 0);
		assert_int_equal(res.exit.processes_peak, 1);
		assert_true(res.exit.memory_peak_bytes < 8 * MIB);
		rig_done(&res);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cpu_time_is_the_sum_of_what_every_process_says),
		cmocka_unit_test(user_and_system_time_are_told_apart),
		cmocka_unit_test(setting_up_is_not_billed),
		cmocka_unit_test(page_faults_are_counted),
		cmocka_unit_test(peak_memory_is_what_was_touched),
		cmocka_unit_test(phases_add_up_to_the_time_that_passed),
		cmocka_unit_test(a_run_of_less_than_a_second_has_no_samples),
		cmocka_unit_test(a_longer_run_is_sampled_every_second),
		cmocka_unit_test(one_run_after_another_starts_at_zero),
	};

	return cmocka_run_group_tests_name("usage", tests, rig_suite_open, rig_suite_close);
}
