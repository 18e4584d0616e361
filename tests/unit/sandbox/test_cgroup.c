/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding, limiting and reading control groups.  Version 2 is tried on directories that look like
 * cgroupfs, since a host that has the controllers in version 1 cannot show them in version 2.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_cgroup.h"

#include <errno.h>

/* --- where things stand --------------------------------------------------------------------- */

static const char v1_mounts[] =
    "22 27 0:21 / /proc rw,relatime - proc proc rw\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
    "39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n"
    "40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
static const char v2_mounts[] =
    "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";

static void
version_1_gives_one_place_per_hierarchy(void **state)
{
	struct cgroup_places p;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(
	    cgroup_places_parse(v1_mounts,
		"9:name=systemd:/x\n8:pids:/\n4:memory:/a/b\n2:cpu,cpuacct:/c\n0::/\n", &p, &e),
	    0);
	assert_int_equal(p.n, 4);
	assert_int_equal(p.at[0].version, 1);
	assert_int_equal(p.at[0].controllers, C | A);
	assert_string_equal(p.at[0].dir, "/sys/fs/cgroup/cpu,cpuacct/c");
	assert_int_equal(p.at[1].controllers, M);
	assert_string_equal(p.at[1].dir, "/sys/fs/cgroup/memory/a/b");
	assert_int_equal(p.at[2].controllers, P);
	assert_string_equal(p.at[2].dir, "/sys/fs/cgroup/pids");
	/* Version 2 may have what version 1 does not hold. */
	assert_int_equal(p.at[3].version, 2);
	assert_int_equal(p.at[3].controllers, S | I);
}

static void
version_2_gives_one_place_for_everything(void **state)
{
	struct cgroup_places p;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(cgroup_places_parse(v2_mounts, "0::/system.slice/x.service\n", &p, &e), 0);
	assert_int_equal(p.n, 1);
	assert_int_equal(p.at[0].version, 2);
	assert_int_equal(p.at[0].controllers, M | C | A | P | S | I);
	assert_string_equal(p.at[0].dir, "/sys/fs/cgroup/system.slice/x.service");
}

static void
a_hybrid_host_takes_each_controller_where_it_is(void **state)
{
	static const char mounts[] =
	    "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
	    "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
	struct cgroup_places p;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(cgroup_places_parse(mounts, "4:memory:/m\n0::/u\n", &p, &e), 0);
	assert_int_equal(p.n, 2);
	assert_int_equal(p.at[0].controllers, M);
	assert_int_equal(p.at[1].version, 2);
	assert_int_equal(p.at[1].controllers, C | A | P | S | I);
	assert_string_equal(p.at[1].dir, "/sys/fs/cgroup/unified/u");
}

static void
every_controller_can_have_a_hierarchy_of_its_own(void **state)
{
	static const char mounts[] = "31 23 0:28 / /cg/cpu rw - cgroup cgroup rw,cpu\n"
				     "32 23 0:29 / /cg/cpuacct rw - cgroup cgroup rw,cpuacct\n"
				     "33 23 0:30 / /cg/cpuset rw - cgroup cgroup rw,cpuset\n"
				     "34 23 0:31 / /cg/memory rw - cgroup cgroup rw,memory\n"
				     "35 23 0:32 / /cg/blkio rw - cgroup cgroup rw,blkio\n"
				     "36 23 0:33 / /cg/pids rw - cgroup cgroup rw,pids\n"
				     "37 23 0:34 / /cg/unified rw - cgroup2 cgroup2 rw\n";
	static const uint32_t want[] = { C, A, S, M, I, P };
	struct cgroup_places p;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(
	    cgroup_places_parse(mounts,
		"8:pids:/\n7:blkio:/\n4:memory:/\n3:cpuset:/\n2:cpuacct:/\n1:cpu:/\n0::/\n", &p,
		&e),
	    0);
	/* Nothing is left for version 2. */
	assert_int_equal(p.n, ARRAY_LEN(want));
	for (size_t i = 0; i < p.n; i++) {
		assert_int_equal(p.at[i].version, 1);
		assert_int_equal(p.at[i].controllers, want[i]);
	}
}

static void
the_own_path_is_taken_relative_to_the_mount(void **state)
{
	static const struct {
		const char *mount, *self, *dir;
	} cases[] = {
		/* in a container, without and with a cgroup namespace */
		{ "1 1 0:1 /docker/abc /cg rw - cgroup2 c rw\n", "0::/docker/abc\n", "/cg" },
		{ "1 1 0:1 /docker/abc /cg rw - cgroup2 c rw\n", "0::/docker/abc/sub\n",
		    "/cg/sub" },
		{ "1 1 0:1 / /cg rw - cgroup2 c rw\n", "0::/\n", "/cg" },
		/* a sibling's name that begins alike, and a path outside the mount */
		{ "1 1 0:1 /docker/abc /cg rw - cgroup2 c rw\n", "0::/docker/abcd\n", "/cg" },
		{ "1 1 0:1 /.. /cg rw - cgroup2 c rw\n", "0::/\n", "/cg" },
		/* a spawner that stepped aside finds the same place again */
		{ "1 1 0:1 / /cg rw - cgroup2 c rw\n", "0::/svc/wardian.host\n", "/cg/svc" },
		{ "1 1 0:1 / /cg rw - cgroup2 c rw\n", "0::/wardian.host\n", "/cg" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct cgroup_places p;
		struct err e = { 0 };

		assert_int_equal(cgroup_places_parse(cases[i].mount, cases[i].self, &p, &e), 0);
		assert_int_equal(p.n, 1);
		assert_string_equal(p.at[0].dir, cases[i].dir);
	}
}

static void
texts_that_make_no_sense_give_no_places(void **state)
{
	static const char *const mounts[] = { "", "\n\n", "cgroup2", "1 2 3",
		"1 1 0:1 / /cg rw - cgroup2", "1 1 0:1 / /cg rw cgroup2 c rw\n",
		"1 1 0:1 / /cg rw - ext4 c memory\n", "1 1 0:1 / /cg rw - cgroup c rw,hugetlb\n" };
	struct cgroup_places p;
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(mounts); i++) {
		assert_int_equal(cgroup_places_parse(mounts[i], "0::/\n4:memory:/\n", &p, &e), 0);
		assert_int_equal(p.n, 0);
	}
	assert_int_equal(cgroup_places_parse(v2_mounts, "", &p, &e), 0);
	assert_int_equal(p.n, 0);
	assert_int_equal(
	    cgroup_places_parse("1 1 0:1 / /c\\040g rw - cgroup2 c rw\n", "0::/\n", &p, &e), -1);
	assert_int_equal(e.code, ERR_CONF);
}

/* --- counters ------------------------------------------------------------------------------- */

static void
numbers_are_found_by_whole_keys(void **state)
{
	static const char text[] =
	    "oom 7\noom_kill 3\noom_kill_disable 0\nunder_oom 1\nbig 99999999999999999999\n";

	(void)state;
	assert_int_equal(cgroup_text_number(text, "oom_kill"), 3);
	assert_int_equal(cgroup_text_number(text, "oom"), 7);
	assert_int_equal(cgroup_text_number(text, "under_oom"), 1);
	assert_int_equal(cgroup_text_number(text, "kill"), -1);
	assert_int_equal(cgroup_text_number(text, "big"), -1);
	assert_int_equal(cgroup_text_number("123\n", NULL), 123);
	assert_int_equal(cgroup_text_number("9223372036854775807\n", NULL), INT64_MAX);
	assert_int_equal(cgroup_text_number("9223372036854775808\n", NULL), -1);
	assert_int_equal(cgroup_text_number("max\n", NULL), -1);
	assert_int_equal(cgroup_text_number("-1\n", NULL), -1);
	assert_int_equal(cgroup_text_number("12x\n", NULL), -1);
	assert_int_equal(cgroup_text_number("", NULL), -1);
}

static void
numbers_of_devices_are_summed_up(void **state)
{
	static const char v1[] = "8:0 Read 100\n8:0 Write 7\n8:16 Read 23\nTotal 130\n";
	static const char v2[] = "8:0 rbytes=5 wbytes=6 rios=1\n8:16 rbytes=7 wbytes=0 dbytes=9\n";

	(void)state;
	assert_int_equal(cgroup_text_sum(v1, "Read "), 123);
	assert_int_equal(cgroup_text_sum(v1, "Write "), 7);
	assert_int_equal(cgroup_text_sum(v2, "rbytes="), 12);
	assert_int_equal(cgroup_text_sum(v2, "wbytes="), 6);
	/* Not a part of another word, not at the start of the text. */
	assert_int_equal(cgroup_text_sum(v2, "bytes="), 0);
	assert_int_equal(cgroup_text_sum("Read 5\n", "Read "), 0);
	assert_int_equal(cgroup_text_sum("", "Read "), 0);
	assert_int_equal(cgroup_text_sum("8:0 Read x\n", "Read "), -1);
	assert_int_equal(
	    cgroup_text_sum("8:0 Read 9223372036854775807\n8:1 Read 1\n", "Read "), -1);
}

static void
version_2_limits_are_written_to_its_files(void **state)
{
	const struct fake *f = *state;
	struct cgroup g = fake_group(f, 2, M | C | A | P);
	struct err e = { 0 };

	put_file(f, "memory.max", "");
	put_file(f, "memory.swap.max", "");
	put_file(f, "memory.oom.group", "");
	put_file(f, "cpu.max", "");
	put_file(f, "cpu.weight", "");
	put_file(f, "pids.max", "");
	assert_int_equal(cgroup_limit(&g, &fake_limits, &e), 0);
	assert_file(f, "cpu.weight", "150");
	assert_file(f, "memory.max", "67108864");
	assert_file(f, "memory.swap.max", "0");
	assert_file(f, "memory.oom.group", "1");
	assert_file(f, "cpu.max", "150000 100000");
	assert_file(f, "pids.max", "32");
	cgroup_close(&g);
}

static void
version_1_limits_are_written_to_its_files(void **state)
{
	const struct fake *f = *state;
	struct cgroup g = fake_group(f, 1, M | C | P);
	struct err e = { 0 };

	put_file(f, "memory.limit_in_bytes", "");
	put_file(f, "memory.memsw.limit_in_bytes", "");
	put_file(f, "cpu.cfs_period_us", "");
	put_file(f, "cpu.cfs_quota_us", "");
	put_file(f, "cpu.shares", "");
	put_file(f, "pids.max", "");
	assert_int_equal(cgroup_limit(&g, &fake_limits, &e), 0);
	assert_file(f, "cpu.shares", "1536");
	assert_file(f, "memory.limit_in_bytes", "67108864");
	assert_file(f, "memory.memsw.limit_in_bytes", "67108864");
	assert_file(f, "cpu.cfs_period_us", "100000");
	assert_file(f, "cpu.cfs_quota_us", "150000");
	assert_file(f, "pids.max", "32");
	cgroup_close(&g);
}

static void
shares_stay_inside_the_kernels_range(void **state)
{
	static const struct {
		int64_t cpu_milli;
		const char *shares, *weight;
	} cases[] = { { 1000, "1024", "100" }, { 10, "10", "1" }, { 1, "2", "1" },
		{ 10000000, "262144", "10000" } };
	const struct fake *f = *state;
	struct err e = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		for (uint32_t version = 1; version <= 2; version++) {
			const struct sandbox_limits l = { .cpu_milli = cases[i].cpu_milli };
			struct cgroup g = fake_group(f, version, C);

			put_file(f, "cpu.cfs_period_us", "");
			put_file(f, "cpu.cfs_quota_us", "");
			put_file(f, "cpu.max", "");
			put_file(f, "cpu.shares", "");
			put_file(f, "cpu.weight", "");
			assert_int_equal(cgroup_limit(&g, &l, &e), 0);
			assert_file(f, version == 1 ? "cpu.shares" : "cpu.weight",
			    version == 1 ? cases[i].shares : cases[i].weight);
			cgroup_close(&g);
		}
}

static void
kernels_without_swap_accounting_are_fine_and_without_a_limit_are_not(void **state)
{
	const struct fake *f = *state;
	struct cgroup g = fake_group(f, 2, M);
	struct err e = { 0 };

	assert_int_equal(cgroup_limit(&g, &fake_limits, &e), -1);
	assert_int_equal(e.sys, ENOENT);
	put_file(f, "memory.max", "");
	assert_int_equal(cgroup_limit(&g, &fake_limits, &e), 0);
	cgroup_close(&g);
}

static void
counters_of_both_versions_come_in_one_unit(void **state)
{
	const struct fake *f = *state;
	uint32_t version[CGROUP_STATS];
	int fd[CGROUP_STATS];
	struct cgroup g = fake_group(f, 2, M | C | A | P | I);

	put_file(
	    f, "cpu.stat", "usage_usec 5000\nuser_usec 3000\nsystem_usec 2000\nthrottled_usec 7\n");
	put_file(f, "memory.events", "low 0\noom 4\noom_kill 2\noom_group_kill 1\n");
	put_file(f, "io.stat", "8:0 rbytes=10 wbytes=4 rios=1\n8:16 rbytes=20 wbytes=0 rios=2\n");
	put_file(f, "pids.peak", "9\n");
	cgroup_open_stats(&g, fd, version);
	assert_int_equal(
	    cgroup_stat_read(fd[CGROUP_STAT_CPU], version[CGROUP_STAT_CPU], CGROUP_STAT_CPU),
	    5000000);
	assert_int_equal(
	    cgroup_stat_read(fd[CGROUP_STAT_CPU_USER], 2, CGROUP_STAT_CPU_USER), 3000000);
	assert_int_equal(
	    cgroup_stat_read(fd[CGROUP_STAT_CPU_SYSTEM], 2, CGROUP_STAT_CPU_SYSTEM), 2000000);
	assert_int_equal(
	    cgroup_stat_read(fd[CGROUP_STAT_THROTTLED], 2, CGROUP_STAT_THROTTLED), 7000);
	assert_int_equal(cgroup_stat_read(fd[CGROUP_STAT_OOM], 2, CGROUP_STAT_OOM), 2);
	assert_int_equal(cgroup_stat_read(fd[CGROUP_STAT_IO_READ], version[CGROUP_STAT_IO_READ],
			     CGROUP_STAT_IO_READ),
	    30);
	assert_int_equal(cgroup_stat_read(fd[CGROUP_STAT_IO_WRITE], 2, CGROUP_STAT_IO_WRITE), 4);
	assert_int_equal(
	    cgroup_stat_read(fd[CGROUP_STAT_PROCESSES_PEAK], 2, CGROUP_STAT_PROCESSES_PEAK), 9);
	/* memory.peak came with Linux 5.19 */
	assert_int_equal(version[CGROUP_STAT_PEAK], 0);
	assert_int_equal(
	    cgroup_stat_read(fd[CGROUP_STAT_PEAK], version[CGROUP_STAT_PEAK], CGROUP_STAT_PEAK),
	    -1);
	for (size_t i = 0; i < CGROUP_STATS; i++)
		fd_close(&fd[i]);
	cgroup_close(&g);

	g = fake_group(f, 1, M | C | A | P | I);
	put_file(f, "blkio.throttle.io_service_bytes", "8:0 Read 11\n8:0 Write 12\nTotal 23\n");
	put_file(f, "cpuacct.usage", "123456\n");
	put_file(f, "cpu.stat", "nr_periods 5\nnr_throttled 2\nthrottled_time 99\n");
	put_file(f, "memory.max_usage_in_bytes", "4096\n");
	put_file(f, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n");
	cgroup_open_stats(&g, fd, version);
	assert_int_equal(
	    cgroup_stat_read(fd[CGROUP_STAT_CPU], version[CGROUP_STAT_CPU], CGROUP_STAT_CPU),
	    123456);
	assert_int_equal(cgroup_stat_read(fd[CGROUP_STAT_THROTTLED], 1, CGROUP_STAT_THROTTLED), 99);
	assert_int_equal(cgroup_stat_read(fd[CGROUP_STAT_PEAK], 1, CGROUP_STAT_PEAK), 4096);
	assert_int_equal(cgroup_stat_read(fd[CGROUP_STAT_OOM], 1, CGROUP_STAT_OOM), 1);
	assert_int_equal(cgroup_stat_read(fd[CGROUP_STAT_IO_READ], 1, CGROUP_STAT_IO_READ), 11);
	assert_int_equal(cgroup_stat_read(fd[CGROUP_STAT_IO_WRITE], 1, CGROUP_STAT_IO_WRITE), 12);
	for (size_t i = 0; i < CGROUP_STATS; i++)
		fd_close(&fd[i]);
	cgroup_close(&g);
}

static void open_fake_host(const struct fake *f, struct cgroup_host *h);

static void
a_text_too_long_for_one_read_is_no_number(void **state)
{
	const struct fake *f = *state;
	char text[9000];
	int fd;

	memset(text, ' ', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memcpy(text, "8:0 rbytes=10\n", 14);
	put_file(f, "io.stat", text);
	fd = openat(f->fd, "io.stat", O_RDONLY | O_CLOEXEC);
	assert_int_equal(cgroup_stat_read(fd, 2, CGROUP_STAT_IO_READ), -1);
	close(fd);
}

static void
version_2_hands_its_controllers_down_twice(void **state)
{
	const struct fake *f = *state;
	struct cgroup_host h;

	put_file(f, "cgroup.controllers", "cpuset cpu io memory pids\n");
	put_file(f, "cgroup.subtree_control", "");
	assert_int_equal(mkdirat(f->fd, "base", 0700), 0);
	put_file(f, "base/cgroup.subtree_control", "");
	open_fake_host(f, &h);
	assert_true(cgroup_host_complete(&h));
	/* A file keeps the last of the writes; cgroupfs adds them up. */
	assert_file(f, "cgroup.subtree_control", "+iouset");
	assert_file(f, "base/cgroup.subtree_control", "+iouset");
	cgroup_host_close(&h);
}

static void
a_host_that_lacks_a_controller_is_not_complete(void **state)
{
	const struct fake *f = *state;
	struct cgroup_host h;

	put_file(f, "cgroup.controllers", "cpu memory\n");
	put_file(f, "cgroup.subtree_control", "");
	assert_int_equal(mkdirat(f->fd, "base", 0700), 0);
	put_file(f, "base/cgroup.subtree_control", "");
	open_fake_host(f, &h);
	assert_false(cgroup_host_complete(&h));
	cgroup_host_close(&h);
}

static bool
keep_one(void *ctx, const char *name)
{
	return strcmp(name, ctx) == 0;
}

static void
groups_are_made_once_and_swept_but_for_the_living(void **state)
{
	const struct fake *f = *state;
	char kept[] = "run-a.1";
	int enter[CGROUP_TREES_MAX];
	struct cgroup_host h;
	struct cgroup g;
	struct err e = { 0 };
	size_t n;

	put_file(f, "cgroup.controllers", "cpu memory pids\n");
	put_file(f, "cgroup.subtree_control", "");
	assert_int_equal(mkdirat(f->fd, "base", 0700), 0);
	put_file(f, "base/cgroup.subtree_control", "");
	open_fake_host(f, &h);
	assert_int_equal(cgroup_make(&h, "run-a.1", &g, &e), 0);
	/* The entry of version 2 is cgroup.procs. */
	assert_int_equal(cgroup_open_enter(&g, enter, &n, &e), -1);
	assert_int_equal(mknodat(g.in[0].fd, "cgroup.procs", S_IFREG | 0600, 0), 0);
	assert_int_equal(cgroup_open_enter(&g, enter, &n, &e), 0);
	assert_int_equal(n, 1);
	close(enter[0]);
	assert_int_equal(unlinkat(g.in[0].fd, "cgroup.procs", 0), 0);
	cgroup_close(&g);
	assert_int_equal(cgroup_make(&h, "run-a.1", &g, &e), -1);
	assert_int_equal(e.sys, EEXIST);
	assert_int_equal(faccessat(f->fd, "base/run-a.1", F_OK, 0), 0);
	assert_int_equal(cgroup_make(&h, "run-b.1", &g, &e), 0);
	cgroup_close(&g);
	assert_int_equal(cgroup_sweep(&h, keep_one, kept), 0);
	assert_int_equal(faccessat(f->fd, "base/run-a.1", F_OK, 0), 0);
	assert_true(faccessat(f->fd, "base/run-b.1", F_OK, 0) < 0);
	assert_true(cgroup_remove(&h, "run-a.1"));
	assert_true(cgroup_remove(&h, "run-a.1"));
	cgroup_host_close(&h);
}

static void
a_group_that_will_not_go_is_reported(void **state)
{
	const struct fake *f = *state;
	struct cgroup_host h;

	put_file(f, "cgroup.controllers", "cpu memory pids\n");
	put_file(f, "cgroup.subtree_control", "");
	assert_int_equal(mkdirat(f->fd, "base", 0700), 0);
	put_file(f, "base/cgroup.subtree_control", "");
	open_fake_host(f, &h);
	assert_int_equal(mkdirat(f->fd, "base/run", 0700), 0);
	put_file(f, "base/run/cgroup.kill", "");
	assert_false(cgroup_remove(&h, "run"));
	assert_file(f, "base/run/cgroup.kill", "1");
	cgroup_host_close(&h);
}

#define FAKE(name) cmocka_unit_test_setup_teardown(name, make_fake, remove_fake)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_1_gives_one_place_per_hierarchy),
		cmocka_unit_test(version_2_gives_one_place_for_everything),
		cmocka_unit_test(a_hybrid_host_takes_each_controller_where_it_is),
		cmocka_unit_test(every_controller_can_have_a_hierarchy_of_its_own),
		cmocka_unit_test(the_own_path_is_taken_relative_to_the_mount),
		cmocka_unit_test(texts_that_make_no_sense_give_no_places),
		cmocka_unit_test(numbers_are_found_by_whole_keys),
		cmocka_unit_test(numbers_of_devices_are_summed_up),
		FAKE(shares_stay_inside_the_kernels_range),
		FAKE(a_text_too_long_for_one_read_is_no_number),
		FAKE(version_2_limits_are_written_to_its_files),
		FAKE(version_1_limits_are_written_to_its_files),
		FAKE(kernels_without_swap_accounting_are_fine_and_without_a_limit_are_not),
		FAKE(counters_of_both_versions_come_in_one_unit),
		FAKE(version_2_hands_its_controllers_down_twice),
		FAKE(a_host_that_lacks_a_controller_is_not_complete),
		FAKE(groups_are_made_once_and_swept_but_for_the_living),
		FAKE(a_group_that_will_not_go_is_reported),
	};

	return cmocka_run_group_tests_name("cgroup", tests, NULL, NULL);
}
