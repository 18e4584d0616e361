/* SPDX-License-Identifier: Apache-2.0 */
/* Every limit of a run, met by a program that wants more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "account.h"
#include "cgroup.h"
#include "clock.h"
#include "rig.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MS = 1000000, TRIES = 3 };

static struct rig_run
act(const char *const *argv, struct sandbox_limits limits)
{
	return (struct rig_run){
		.argv = argv, .probe = true, .program = "sbx-limits-probe", .limits = limits
	};
}

static void
probe(void **state, const char *const *argv, struct sandbox_limits limits, struct rig_result *res)
{
	const struct rig_run run = act(argv, limits);

	rig_do(*state, &run, res);
	assert_true(res->ended);
	assert_true(res->has_exit);
}

/* The number behind a word at the start of a line of the log, -1 without one. */
static long long
said(const struct rig_result *res, const char *word)
{
	const size_t n = strlen(word);

	for (const char *line = res->log; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, word, n) == 0 && line[n] == ' ')
			return strtoll(line + n, NULL, 10);
	}
	return -1;
}

static int64_t
cpu_ns(const struct rig_result *res)
{
	return res->exit.cpu_user_ns + res->exit.cpu_system_ns;
}

/* --- memory --------------------------------------------------------------------------------- */

static void
every_kind_of_memory_is_charged_to_the_run(void **state)
{
	static const char *const kinds[] = { "anon", "shared", "memfd", "tmpfs", "pipes",
		"grandchild" };

	RIG_NEEDS_GROUPS();
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct sandbox_limits l = rig_limits();
		struct rig_result res;

		l.memory_bytes = 32 * MIB;
		l.scratch_bytes = 256 * MIB;
		l.open_files = 1024;
		probe(state, RIG_ARGV("/work/probe", kinds[i], "100"), l, &res);
		assert_int_equal(res.exit.outcome, SANDBOX_OOM);
		assert_true(res.exit.oom_kills >= 1);
		assert_true(res.exit.memory_peak_bytes <= l.memory_bytes);
		assert_true(res.exit.memory_peak_bytes > l.memory_bytes - 2 * MIB);
		assert_int_equal(said(&res, "touched"), -1);
		rig_done(&res);
	}
}

static void
scratch_below_memory_is_full_and_not_out_of_memory(void **state)
{
	struct sandbox_limits l = rig_limits();
	struct rig_result res;

	l.scratch_bytes = 16 * MIB;
	l.memory_bytes = 128 * MIB;
	probe(state, RIG_ARGV("/work/probe", "tmpfs", "100"), l, &res);
	assert_int_equal(res.exit.outcome, SANDBOX_EXITED);
	assert_int_equal(res.exit.exit_code, 3);
	/* The probe itself lies there, too. */
	assert_in_range(said(&res, "ENOSPC"), 14, 16);
	assert_int_equal(res.exit.oom_kills, 0);
	rig_done(&res);
}

static void
inodes_run_out_before_anything_else_does(void **state)
{
	struct sandbox_limits l = rig_limits();
	struct rig_result res;

	l.scratch_files = 200;
	probe(state, RIG_ARGV("/work/probe", "inodes"), l, &res);
	assert_int_equal(res.exit.outcome, SANDBOX_EXITED);
	assert_in_range(said(&res, "ENOSPC"), 180, 199);
	rig_done(&res);
}

static void
inputs_count_against_memory(void **state)
{
	enum { BIG = 20 * 1024 * 1024 };
	char *text = malloc(BIG + 1);
	struct rig_file big = { .path = "big", .text = text };

	RIG_NEEDS_GROUPS();
	memset(text, 'b', BIG);
	text[BIG] = '\0';
	for (int fits = 0; fits < 2; fits++) {
		struct rig_run run =
		    act(RIG_ARGV("/work/probe", "anon", fits ? "4" : "1"), rig_limits());
		struct rig_result res;

		run.inputs = &big;
		run.n_inputs = 1;
		run.limits.memory_bytes = (fits ? 64 : 16) * MIB;
		rig_do(*state, &run, &res);
		assert_true(res.has_exit);
		assert_true(res.started == (fits != 0));
		assert_int_equal(res.exit.outcome, fits ? SANDBOX_EXITED : SANDBOX_OOM);
		assert_true(res.exit.memory_peak_bytes >= (fits ? 24 : 14) * MIB);
		assert_true(res.exit.memory_peak_bytes <= run.limits.memory_bytes);
		assert_true(res.exit.stage_ns > 0);
		rig_done(&res);
	}
	free(text);
}

/* --- files of the host ---------------------------------------------------------------------- */

static char big_file[512];
static off_t big_size;

static int
look_for_big(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)ftw;
	if (type == FTW_F && S_ISREG(st->st_mode) && st->st_size > big_size &&
	    st->st_size < 200 * MIB && strlen(path) < sizeof(big_file)) {
		snprintf(big_file, sizeof(big_file), "%s", path);
		big_size = st->st_size;
	}
	return 0;
}

/* Out of the page cache, which takes what nobody maps; false when most of it stays. */
static bool
evict(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	const size_t pages = (size_t)(big_size + 4095) / 4096;
	unsigned char *in = calloc(1, pages);
	size_t there = 0;
	void *p;

	(void)fdatasync(fd);
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	p = mmap(NULL, (size_t)big_size, PROT_READ, MAP_SHARED, fd, 0);
	assert_true(p != MAP_FAILED);
	assert_int_equal(mincore(p, (size_t)big_size, in), 0);
	for (size_t i = 0; i < pages; i++)
		there += in[i] & 1;
	munmap(p, (size_t)big_size);
	close(fd);
	free(in);
	return there < pages / 20;
}

static bool
have_big_file(void)
{
	if (big_size == 0)
		(void)nftw("/usr/lib", look_for_big, 32, FTW_PHYS | FTW_MOUNT);
	return big_size > 24 * MIB && evict(big_file);
}

static void
page_cache_is_counted_but_gives_way(void **state)
{
	struct sandbox_limits l = rig_limits();
	struct rig_result res;

	RIG_NEEDS_GROUPS();
	if (!have_big_file())
		skip(); /* no large file in /usr/lib that nobody uses */
	l.memory_bytes = big_size / 2;
	probe(state, RIG_ARGV("/work/probe", "read", big_file), l, &res);
	assert_int_equal(res.exit.outcome, SANDBOX_EXITED);
	assert_int_equal(said(&res, "read"), big_size);
	assert_true(res.exit.memory_peak_bytes > l.memory_bytes - 2 * MIB);
	assert_true(res.exit.memory_peak_bytes <= l.memory_bytes);
	print_message("%jd bytes read, %jd from the disk\n", (intmax_t)big_size,
	    (intmax_t)res.exit.io_read_bytes);
	/* Every page came from the disk, but for what was left and what was read ahead. */
	assert_true(res.exit.io_read_bytes > big_size / 10 * 9);
	assert_true(res.exit.io_read_bytes < big_size / 10 * 11 + MIB);
	rig_done(&res);
}

static void
reading_from_a_disk_takes_as_long_as_its_limit_says(void **state)
{
	struct sandbox_limits l = rig_limits();
	struct rig_result res;
	int fd;

	RIG_NEEDS_GROUPS();
	if (access("/sys/fs/cgroup/blkio", F_OK) < 0 || !have_big_file())
		skip(); /* the test knows where version 1 has it; version 2 hosts have unit tests */
	fd = open(big_file, O_RDONLY | O_CLOEXEC);
	if (cgroup_disk_of(fd, "/sys/dev/block") == 0) {
		close(fd);
		skip(); /* /usr lies on no disk */
	}
	close(fd);
	l.io_read_bps = big_size / 2;
	probe(state, RIG_ARGV("/work/probe", "read", big_file), l, &res);
	assert_int_equal(res.exit.outcome, SANDBOX_EXITED);
	assert_true(res.exit.wall_ns > INT64_C(1700) * MS);
	assert_true(res.exit.io_read_bytes > big_size / 10 * 9);
	print_message("%jd MiB at %jd MiB/s took %jd ms\n", (intmax_t)(big_size / MIB),
	    (intmax_t)(l.io_read_bps / MIB), (intmax_t)(res.exit.wall_ns / MS));
	rig_done(&res);
}

/* --- processes and descriptors -------------------------------------------------------------- */

static void
processes_end_at_their_limit(void **state)
{
	struct sandbox_limits l = rig_limits();
	struct rig_result res;

	l.processes = 20;
	probe(state, RIG_ARGV("/work/probe", "processes"), l, &res);
	assert_int_equal(res.exit.outcome, SANDBOX_EXITED);
	assert_int_equal(said(&res, "EAGAIN"), 20);
	if (rig_mode() != RIG_USER)
		assert_in_range(
		    res.exit.processes_peak, 19, 20); /* two CPUs may race for the peak */
	rig_done(&res);
}

static void
open_files_end_at_their_limit(void **state)
{
	struct sandbox_limits l = rig_limits();
	struct rig_result res;

	l.open_files = 64;
	probe(state, RIG_ARGV("/work/probe", "files"), l, &res);
	assert_int_equal(said(&res, "EMFILE"), 64);
	rig_done(&res);
}

/* --- CPU ------------------------------------------------------------------------------------ */

static void
the_quota_is_what_was_asked_for(void **state)
{
	struct sandbox_limits l = rig_limits();
	struct rig_result res;
	int64_t permille = 0;

	RIG_NEEDS_GROUPS();
	l.cpu_milli = 200; /* a busy machine gives that much */
	for (int i = 0; i < TRIES && (permille < 188 || permille > 212); i++) {
		probe(state, RIG_ARGV("/work/probe", "spin", "3000", "2"), l, &res);
		permille = cpu_ns(&res) * 1000 / res.exit.wall_ns;
		assert_true(res.exit.throttled_ns > 0);
		rig_done(&res);
	}
	print_message("200 thousandths asked for, %jd used\n", (intmax_t)permille);
	assert_in_range(permille, 188, 212);
}

static void
under_contention_cpu_is_divided_by_what_was_asked_for(void **state)
{
	/* Both quotas are above what one CPU leaves to them. */
	static const int64_t milli[] = { 1500, 500 };
	int64_t ratio = 0;

	RIG_NEEDS_GROUPS();
	for (int i = 0; i < TRIES && (ratio < 255 || ratio > 345); i++) {
		struct rig_result res[2];

		for (int j = 0; j < 2; j++) {
			struct rig_run run =
			    act(RIG_ARGV("/work/probe", "spin", "2000", "1"), rig_limits());

			run.limits.cpu_milli = milli[j];
			run.cpus = 1;
			rig_start(*state, &run, &res[j]);
		}
		/* Its events may come while the other one is waited for. */
		for (int j = 0; j < 2; j++) {
			struct deadline until = deadline_in_ms(20000);

			while (!res[j].has_exit && !deadline_passed(until)) {
				rig_wait(*state, &res[j], 100);
				rig_done(&res[j]);
				rig_collect(*state, &res[j]);
			}
			assert_true(res[j].has_exit);
			assert_int_equal(res[j].exit.outcome, SANDBOX_EXITED);
		}
		ratio = cpu_ns(&res[0]) * 100 / cpu_ns(&res[1]);
		rig_done(&res[0]);
		rig_done(&res[1]);
	}
	print_message(
	    "3:1 asked for, %jd.%02jd:1 given\n", (intmax_t)(ratio / 100), (intmax_t)(ratio % 100));
	assert_in_range(ratio, 255, 345);
}

static void
a_pinned_run_stays_where_it_was_put(void **state)
{
	struct rig_run run = act(RIG_ARGV("/work/probe", "cpus"), rig_limits());
	struct rig_result res;

	RIG_NEEDS_GROUPS();
	run.cpus = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? 2 : 1;
	rig_do(*state, &run, &res);
	assert_int_equal(said(&res, "affinity"), run.cpus);
	assert_int_equal(said(&res, "seen"), run.cpus);
	/* What it asked for was granted as far as it goes: not at all. */
	assert_non_null(strstr(res.log, "widen 0\naffinity "));
	assert_int_equal(strtoll(strstr(res.log, "widen 0\n") + 17, NULL, 10), run.cpus);
	rig_done(&res);

	run.cpus = 0;
	rig_do(*state, &run, &res);
	assert_true(said(&res, "affinity") > 2 || sysconf(_SC_NPROCESSORS_ONLN) < 2);
	rig_done(&res);
}

static void
cpus_that_the_host_lacks_are_refused(void **state)
{
	struct rig_run run = act(RIG_ARGV("/work/probe", "cpus"), rig_limits());

	for (int also = 0; also < 2; also++) {
		struct rig_result res;

		run.cpus = UINT64_C(1) << 50 | (unsigned)also;
		rig_do(*state, &run, &res);
		assert_true(res.failed);
		assert_int_equal(res.step, SANDBOX_STEP_CPU_SET);
		assert_int_equal(res.sys, ENODEV);
		rig_done(&res);
	}
	assert_true(rig_quiet(*state, 5000));
}

/* Exit status 0, or the line of what was wrong. */
static int
pin_oneself(void)
{
	const uint64_t set[SANDBOX_CPU_WORDS] = { 1 }, none[SANDBOX_CPU_WORDS] = { 0 };
	const uint64_t too_much[SANDBOX_CPU_WORDS] = { 1, 1 };
	cpu_set_t all, now;

	memset(&all, 0xff, sizeof(all));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || cpu_set_apply(none) < 0)
		return __LINE__ & 0xff;
	if (cpu_set_apply(too_much) == 0 || errno != ENODEV)
		return __LINE__ & 0xff;
	if (cpu_set_apply(set) < 0)
		return __LINE__ & 0xff;
	if (sched_getaffinity(0, sizeof(now), &now) < 0 || CPU_COUNT(&now) != 1)
		return __LINE__ & 0xff;
	if (sched_setaffinity(0, sizeof(all), &all) == 0 || errno != EPERM)
		return __LINE__ & 0xff;
	return getppid() > 0 ? 0 : __LINE__ & 0xff;
}

static void
without_a_cpuset_a_run_pins_itself_for_good(void **state)
{
	pid_t pid;
	int status;

	(void)state;
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		skip(); /* one CPU confines everybody */
	pid = fork();
	if (pid == 0)
		_exit(pin_oneself());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void
cpu_time_ends_a_run_soon_after_it_is_used_up(void **state)
{
	struct sandbox_limits l = rig_limits();
	int64_t over_ms = INT64_MAX, worst_ms = 0;

	l.cpu_ms = 300;
	for (int i = 0; i < TRIES; i++) {
		struct rig_result res;

		probe(state, RIG_ARGV("/work/probe", "spin", "10000", "2"), l, &res);
		assert_int_equal(res.exit.outcome, SANDBOX_CPU_TIME);
		assert_true(cpu_ns(&res) >= l.cpu_ms * MS);
		if (cpu_ns(&res) / MS - l.cpu_ms < over_ms)
			over_ms = cpu_ns(&res) / MS - l.cpu_ms;
		if (cpu_ns(&res) / MS - l.cpu_ms > worst_ms)
			worst_ms = cpu_ns(&res) / MS - l.cpu_ms;
		rig_done(&res);
	}
	print_message("CPU time overshot by %jd to %jd ms with two processes\n", (intmax_t)over_ms,
	    (intmax_t)worst_ms);
	assert_true(over_ms <= 100);
}

static void
a_run_that_sleeps_keeps_its_cpu_time(void **state)
{
	struct sandbox_limits l = rig_limits();
	struct rig_result res;

	l.cpu_ms = 100;
	probe(state, RIG_ARGV("/work/probe", "sleep", "600"), l, &res);
	assert_int_equal(res.exit.outcome, SANDBOX_EXITED);
	rig_done(&res);
}

/* --- clocks --------------------------------------------------------------------------------- */

static void
wall_time_and_silence_end_a_run_in_time(void **state)
{
	for (int silence = 0; silence < 2; silence++) {
		struct sandbox_limits l = rig_limits();
		int64_t over_ms = INT64_MAX;

		if (silence)
			l.no_output_ms = 500;
		else
			l.wall_ms = 500;
		for (int i = 0; i < TRIES; i++) {
			struct rig_result res;

			probe(state, RIG_ARGV("/work/probe", "sleep", "20000"), l, &res);
			assert_int_equal(
			    res.exit.outcome, silence ? SANDBOX_NO_OUTPUT : SANDBOX_WALL);
			assert_int_equal(res.exit.signal, SIGTERM);
			assert_true(res.exit.wall_ns >= INT64_C(500) * MS);
			if (res.exit.wall_ns / MS - 500 < over_ms)
				over_ms = res.exit.wall_ns / MS - 500;
			rig_done(&res);
		}
		print_message("%s overshot by %jd ms\n", silence ? "silence" : "wall time",
		    (intmax_t)over_ms);
		assert_true(over_ms <= 50);
	}
}

/* --- the log -------------------------------------------------------------------------------- */

static void
the_log_is_cut_at_its_cap_and_the_run_goes_on(void **state)
{
	static const struct {
		int64_t cap;
		const char *writes;
		int64_t kept;
		bool cut;
	} cases[] = { { 10000, "50000", 10000, true }, { 10003, "10000", 10003, false },
		{ 10002, "10000", 10002, true }, { 10000, "10000", 10000, true },
		{ 0, "10", 0, true }, { 777, "1000", 777, true } };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sandbox_limits l = rig_limits();
		struct rig_result res;
		const char *marker;
		char want[128];

		l.log_bytes = cases[i].cap;
		probe(state, RIG_ARGV("/work/probe", "log", cases[i].writes), l, &res);
		assert_int_equal(res.exit.outcome, SANDBOX_EXITED);
		assert_int_equal(res.exit.exit_code, 4);
		assert_int_equal(res.exit.log_bytes, strtoll(cases[i].writes, NULL, 10) + 3);
		assert_int_equal(res.exit.log_truncated, cases[i].cut);
		marker = strstr(res.log, "\n[wardian: ");
		assert_true((marker != NULL) == cases[i].cut);
		if (marker == NULL) {
			assert_int_equal(res.log_n, cases[i].kept);
		} else {
			snprintf(want, sizeof(want),
			    "\n[wardian: the log's limit of %jd bytes is reached; what follows is "
			    "not kept]\n",
			    (intmax_t)cases[i].cap);
			assert_int_equal(marker - res.log, cases[i].kept);
			assert_string_equal(marker, want);
		}
		rig_done(&res);
	}
}

/* --- causes --------------------------------------------------------------------------------- */

static void
what_looks_alike_is_told_apart(void **state)
{
	struct sandbox_limits l = rig_limits();
	struct rig_run run = act(RIG_ARGV("/work/probe", "sleep", "20000"), l);
	struct rig_result res;

	RIG_NEEDS_GROUPS();
	l.memory_bytes = 32 * MIB;
	l.wall_ms = 1500;
	l.grace_ms = 0; /* KILL at once, as the kernel does */
	probe(state, RIG_ARGV("/work/probe", "anon", "100"), l, &res);
	assert_int_equal(res.exit.outcome, SANDBOX_OOM);
	assert_int_equal(res.exit.signal, SIGKILL);
	rig_done(&res);
	probe(state, RIG_ARGV("/work/probe", "exit", "137"), l, &res);
	assert_int_equal(res.exit.outcome, SANDBOX_EXITED);
	assert_int_equal(res.exit.exit_code, 137);
	rig_done(&res);
	probe(state, RIG_ARGV("/work/probe", "kill", "9"), l, &res);
	assert_int_equal(res.exit.outcome, SANDBOX_SIGNALED);
	assert_int_equal(res.exit.signal, SIGKILL);
	assert_int_equal(res.exit.oom_kills, 0);
	rig_done(&res);
	probe(state, RIG_ARGV("/work/probe", "sleep", "20000"), l, &res);
	assert_int_equal(res.exit.outcome, SANDBOX_WALL);
	rig_done(&res);
	rig_start(*state, &run, &res);
	rig_wait_log(*state, &res, "ready", 10000);
	rig_send(*state, SANDBOX_KILL, &res.id);
	rig_wait(*state, &res, 10000);
	rig_collect(*state, &res);
	assert_int_equal(res.exit.outcome, SANDBOX_STOPPED);
	assert_int_equal(res.exit.signal, SIGKILL);
	rig_done(&res);
	/* The main process never knew. */
	probe(state, RIG_ARGV("/work/probe", "grandchild", "100"), l, &res);
	assert_int_equal(res.exit.outcome, SANDBOX_OOM);
	assert_int_equal(res.exit.exit_code, 0);
	assert_int_equal(res.exit.signal, 0);
	rig_done(&res);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_of_memory_is_charged_to_the_run),
		cmocka_unit_test(scratch_below_memory_is_full_and_not_out_of_memory),
		cmocka_unit_test(inodes_run_out_before_anything_else_does),
		cmocka_unit_test(inputs_count_against_memory),
		cmocka_unit_test(page_cache_is_counted_but_gives_way),
		cmocka_unit_test(reading_from_a_disk_takes_as_long_as_its_limit_says),
		cmocka_unit_test(processes_end_at_their_limit),
		cmocka_unit_test(open_files_end_at_their_limit),
		cmocka_unit_test(the_quota_is_what_was_asked_for),
		cmocka_unit_test(under_contention_cpu_is_divided_by_what_was_asked_for),
		cmocka_unit_test(a_pinned_run_stays_where_it_was_put),
		cmocka_unit_test(cpus_that_the_host_lacks_are_refused),
		cmocka_unit_test(without_a_cpuset_a_run_pins_itself_for_good),
		cmocka_unit_test(cpu_time_ends_a_run_soon_after_it_is_used_up),
		cmocka_unit_test(a_run_that_sleeps_keeps_its_cpu_time),
		cmocka_unit_test(wall_time_and_silence_end_a_run_in_time),
		cmocka_unit_test(the_log_is_cut_at_its_cap_and_the_run_goes_on),
		cmocka_unit_test(what_looks_alike_is_told_apart),
	};

	return cmocka_run_group_tests_name("limits", tests, rig_suite_open, rig_suite_close);
}
