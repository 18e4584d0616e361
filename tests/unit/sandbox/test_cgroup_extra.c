/* SPDX-License-Identifier: Apache-2.0 */
/* What only some runs ask for: CPUs of their own and limits on disks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_cgroup.h"

#include <errno.h>
#include <sys/sysmacros.h>

static void
lists_of_cpus_are_read_and_written_as_the_kernel_does(void **state)
{
	static const struct {
		const char *text;
		uint64_t first, second;
	} good[] = { { "", 0, 0 }, { "\n", 0, 0 }, { "0\n", 1, 0 }, { "0-1\n", 3, 0 },
		{ "0-3,8", 0x10f, 0 }, { "63-64", UINT64_C(1) << 63, 1 }, { "0,2,4-5", 0x35, 0 } };
	static const char *const bad[] = { "x", "-1", "1-", "3-1", "1,", "1,,2", "1 2", "1-2-3",
		"1234567", ",", "1,\n" };
	uint64_t set[SANDBOX_CPU_WORDS];
	char text[CPU_SET_TEXT_SIZE];
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_int_equal(cpu_set_parse(good[i].text, set, &e), 0);
		assert_int_equal(set[0], good[i].first);
		assert_int_equal(set[1], good[i].second);
		assert_int_equal(cpu_set_empty(set), good[i].first == 0 && good[i].second == 0);
		assert_int_equal(strncmp(cpu_set_format(set, text), good[i].text, strlen(text)), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		memset(set, 7, sizeof(set));
		assert_int_equal(cpu_set_parse(bad[i], set, &e), -1);
		assert_int_equal(set[0], UINT64_C(0x0707070707070707));
	}
	/* The longest there is, and one that goes on behind the end of a set. */
	for (size_t i = 0; i < SANDBOX_CPU_WORDS; i++)
		set[i] = UINT64_C(0xaaaaaaaaaaaaaaaa);
	assert_true(strlen(cpu_set_format(set, text)) < CPU_SET_TEXT_SIZE - 1);
	assert_int_equal(cpu_set_parse(text, set, &e), 0);
	assert_int_equal(set[15], UINT64_C(0xaaaaaaaaaaaaaaaa));
	assert_int_equal(cpu_set_parse("1020-5000", set, &e), 0);
	assert_string_equal(cpu_set_format(set, text), "1020-1023");
}

static struct sandbox_request
asking(uint64_t cpus, int64_t read_bps, int64_t write_bps)
{
	struct sandbox_request q = { .limits = fake_limits };

	q.cpu_set[0] = cpus;
	q.limits.io_read_bps = read_bps;
	q.limits.io_write_bps = write_bps;
	return q;
}

/* A directory of its own per hierarchy, as version 1 has it. */
static void
open_fake_v1(const struct fake *f, struct cgroup_host *h)
{
	static const struct {
		const char *dir;
		uint32_t controllers;
	} trees[] = { { "cpu", C | A }, { "memory", M }, { "pids", P }, { "cpuset", S },
		{ "blkio", I } };
	struct cgroup_places places = { .n = ARRAY_LEN(trees) };
	struct err e = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(trees); i++) {
		places.at[i].version = 1;
		places.at[i].controllers = trees[i].controllers;
		snprintf(
		    places.at[i].dir, sizeof(places.at[i].dir), "%s/%s", f->path, trees[i].dir);
		assert_int_equal(mkdirat(f->fd, trees[i].dir, 0700), 0);
	}
	put_file(f, "cpuset/cpuset.cpus", "0-3\n");
	put_file(f, "cpuset/cpuset.mems", "0\n");
	assert_int_equal(mkdirat(f->fd, "cpuset/base", 0700), 0);
	put_file(f, "cpuset/base/cpuset.cpus", "");
	put_file(f, "cpuset/base/cpuset.mems", "");
	put_file(f, "cpuset/base/cgroup.clone_children", "");
	assert_int_equal(cgroup_host_open(&places, "base", h, &e), 0);
	assert_true(cgroup_host_complete(h));
	assert_int_equal(h->n, 5);
}

static void
only_a_run_that_asks_for_it_gets_a_group_in_cpuset_and_blkio(void **state)
{
	const struct fake *f = *state;
	const struct sandbox_request nothing = asking(0, 0, 0), all = asking(6, 1000, 0);
	const int disks[CGROUP_DISKS] = { -1, -1 };
	struct cgroup_host h;
	struct cgroup g;
	struct err e = { 0 };

	open_fake_v1(f, &h);
	assert_file(f, "cpuset/base/cpuset.cpus", "0-3\n");
	assert_file(f, "cpuset/base/cpuset.mems", "0\n");
	assert_file(f, "cpuset/base/cgroup.clone_children", "1");
	assert_int_equal(cgroup_make(&h, "run.1", &g, &e), 0);
	assert_int_equal(g.n, 3);
	assert_false(cgroup_extras_wanted(&nothing));
	assert_int_equal(cgroup_add_extras(&h, "run.1", &nothing, disks, &g, &e), 0);
	assert_int_equal(g.n, 3);
	assert_true(faccessat(f->fd, "cpuset/base/run.1", F_OK, 0) < 0);
	/* The set cannot be written: these are plain directories without the kernel's files. */
	assert_true(cgroup_extras_wanted(&all));
	assert_int_equal(cgroup_add_extras(&h, "run.1", &all, disks, &g, &e), -1);
	assert_int_equal(e.sys, ENODEV);
	assert_int_equal(g.n, 5);
	cgroup_close(&g);
	assert_true(cgroup_remove(&h, "run.1"));
	assert_true(faccessat(f->fd, "cpuset/base/run.1", F_OK, 0) < 0);
	assert_true(faccessat(f->fd, "blkio/base/run.1", F_OK, 0) < 0);
	cgroup_host_close(&h);
}

static void
a_cpu_set_is_believed_when_it_is_in_effect(void **state)
{
	static const char *const file[] = {
		[1] = "cpuset.effective_cpus", [2] = "cpuset.cpus.effective"
	};
	const struct fake *f = *state;
	const struct sandbox_request q = asking(6, 0, 0);
	const int disks[CGROUP_DISKS] = { -1, -1 };
	const struct cgroup_host none = { .n = 0 };
	struct err e = { 0 };

	put_file(f, "cpuset.cpus", "");
	for (uint32_t version = 1; version <= 2; version++) {
		struct cgroup g = fake_group(f, version, M | S);

		put_file(f, file[version], "1-2\n");
		assert_int_equal(cgroup_add_extras(&none, "run", &q, disks, &g, &e), 0);
		assert_file(f, "cpuset.cpus", "1-2");
		/* Version 2 takes any list and uses what there is of it. */
		put_file(f, file[version], "1\n");
		assert_int_equal(cgroup_add_extras(&none, "run", &q, disks, &g, &e), -1);
		assert_int_equal(e.sys, ENODEV);
		put_file(f, file[version], "0-3\n");
		assert_int_equal(cgroup_add_extras(&none, "run", &q, disks, &g, &e), -1);
		cgroup_close(&g);
	}
}

static void
a_host_without_the_extras_runs_everything_but_for_them(void **state)
{
	const struct fake *f = *state;
	const struct sandbox_request q = asking(6, 1000, 1000);
	const int disks[CGROUP_DISKS] = { f->fd, -1 };
	const struct cgroup_host none = { .n = 0 };
	struct cgroup g = fake_group(f, 2, M | C | P);
	struct err e = { 0 };

	assert_int_equal(cgroup_add_extras(&none, "run", &q, disks, &g, &e), 0);
	/* And a disk that cannot be throttled is no fault. */
	g.in[0].controllers |= I;
	assert_int_equal(cgroup_add_extras(&none, "run",
			     &(struct sandbox_request){ .limits.io_read_bps = 1 }, disks, &g, &e),
	    0);
	cgroup_close(&g);
}

static void
io_limits_are_written_per_disk(void **state)
{
	const struct fake *f = *state;
	const struct sandbox_request q = asking(0, 1000, 2000);
	const uint64_t disk = cgroup_disk_of(f->fd, "/sys/dev/block");
	const int disks[CGROUP_DISKS] = { f->fd, f->fd };
	const struct cgroup_host none = { .n = 0 };
	struct err e = { 0 };
	char want[64];

	if (disk == 0)
		skip(); /* /tmp lies on no disk */
	put_file(f, "io.max", "");
	put_file(f, "blkio.throttle.read_bps_device", "");
	put_file(f, "blkio.throttle.write_bps_device", "");
	for (uint32_t version = 1; version <= 2; version++) {
		struct cgroup g = fake_group(f, version, I);

		assert_int_equal(cgroup_add_extras(&none, "run", &q, disks, &g, &e), 0);
		cgroup_close(&g);
	}
	snprintf(want, sizeof(want), "%u:%u 1000", (unsigned)(disk >> 32), (unsigned)disk);
	assert_file(f, "blkio.throttle.read_bps_device", want);
	snprintf(want, sizeof(want), "%u:%u 2000", (unsigned)(disk >> 32), (unsigned)disk);
	assert_file(f, "blkio.throttle.write_bps_device", want);
	/* The last write stays in a plain file. */
	snprintf(want, sizeof(want), "%u:%u wbps=2000", (unsigned)(disk >> 32), (unsigned)disk);
	assert_file(f, "io.max", want);
}

static void
the_disk_behind_a_file_is_the_whole_one(void **state)
{
	const struct fake *f = *state;
	struct stat st;
	char path[128];

	assert_int_equal(fstat(f->fd, &st), 0);
	assert_int_equal(cgroup_disk_of(f->fd, f->path), 0);
	assert_int_equal(cgroup_disk_of(-1, f->path), 0);
	assert_int_equal(mkdirat(f->fd, "sda", 0700), 0);
	assert_int_equal(mkdirat(f->fd, "sda/sda1", 0700), 0);
	put_file(f, "sda/dev", "8:0\n");
	put_file(f, "sda/sda1/dev", "8:1\n");
	snprintf(path, sizeof(path), "%u:%u", major(st.st_dev), minor(st.st_dev));
	assert_int_equal(symlinkat("sda/sda1", f->fd, path), 0);
	assert_int_equal(cgroup_disk_of(f->fd, f->path), UINT64_C(8) << 32 | 1);
	put_file(f, "sda/sda1/partition", "1\n");
	assert_int_equal(cgroup_disk_of(f->fd, f->path), UINT64_C(8) << 32);
	put_file(f, "sda/dev", "nonsense\n");
	assert_int_equal(cgroup_disk_of(f->fd, f->path), 0);
	put_file(f, "sda/dev", "8:0x\n");
	assert_int_equal(cgroup_disk_of(f->fd, f->path), 0);
}

static void
version_2_gives_extras_in_the_runs_one_group(void **state)
{
	const struct fake *f = *state;
	struct cgroup_host h;
	struct cgroup g;
	struct err e = { 0 };

	put_file(f, "cgroup.controllers", "cpuset cpu io memory pids\n");
	put_file(f, "cgroup.subtree_control", "");
	assert_int_equal(mkdirat(f->fd, "base", 0700), 0);
	put_file(f, "base/cgroup.subtree_control", "");
	put_file(f, "base/cpu.weight", "");
	open_fake_host(f, &h);
	assert_int_equal(h.n, 1);
	assert_int_equal(h.tree[0].controllers, M | C | A | P | S | I);
	assert_int_equal(cgroup_make(&h, "run.1", &g, &e), 0);
	assert_int_equal(g.n, 1);
	cgroup_close(&g);
	assert_int_equal(unlinkat(f->fd, "base/run.1", AT_REMOVEDIR), 0);
	cgroup_host_close(&h);
}

static void
a_version_1_host_whose_extras_are_broken_is_still_complete(void **state)
{
	const struct fake *f = *state;
	struct cgroup_places places = { .n = 3 };
	struct cgroup_host h;
	struct err e = { 0 };

	places.at[0].version = places.at[1].version = places.at[2].version = 1;
	places.at[0].controllers = M | C | P;
	places.at[1].controllers = S;
	places.at[2].controllers = I;
	snprintf(places.at[0].dir, sizeof(places.at[0].dir), "%s", f->path);
	snprintf(places.at[1].dir, sizeof(places.at[1].dir), "%s/cpuset", f->path);
	snprintf(places.at[2].dir, sizeof(places.at[2].dir), "%s/nowhere", f->path);
	assert_int_equal(mkdirat(f->fd, "cpuset", 0700), 0); /* without CPUs to hand down */
	assert_int_equal(cgroup_host_open(&places, "base", &h, &e), 0);
	assert_int_equal(h.n, 1);
	assert_true(cgroup_host_complete(&h));
	assert_true(faccessat(f->fd, "cpuset/base", F_OK, 0) < 0);
	cgroup_host_close(&h);
}

static void
the_entry_that_counts_memory_comes_first(void **state)
{
	const struct fake *f = *state;
	int enter[CGROUP_TREES_MAX];
	struct cgroup_host h;
	struct cgroup g;
	struct err e = { 0 };
	struct stat st, want;
	size_t n;

	open_fake_v1(f, &h);
	assert_int_equal(cgroup_make(&h, "run.1", &g, &e), 0);
	put_file(f, "cpu/base/run.1/tasks", "");
	put_file(f, "memory/base/run.1/tasks", "");
	put_file(f, "pids/base/run.1/tasks", "");
	assert_int_equal(cgroup_open_enter(&g, enter, &n, &e), 0);
	assert_int_equal(n, 3);
	assert_int_equal(fstat(enter[0], &st), 0);
	assert_int_equal(fstatat(f->fd, "memory/base/run.1/tasks", &want, 0), 0);
	assert_int_equal(st.st_ino, want.st_ino);
	for (size_t i = 0; i < n; i++)
		close(enter[i]);
	cgroup_close(&g);
	cgroup_host_close(&h);
}

#define FAKE(name) cmocka_unit_test_setup_teardown(name, make_fake, remove_fake)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_of_cpus_are_read_and_written_as_the_kernel_does),
		FAKE(only_a_run_that_asks_for_it_gets_a_group_in_cpuset_and_blkio),
		FAKE(a_cpu_set_is_believed_when_it_is_in_effect),
		FAKE(a_host_without_the_extras_runs_everything_but_for_them),
		FAKE(io_limits_are_written_per_disk),
		FAKE(the_disk_behind_a_file_is_the_whole_one),
		FAKE(version_2_gives_extras_in_the_runs_one_group),
		FAKE(a_version_1_host_whose_extras_are_broken_is_still_complete),
		FAKE(the_entry_that_counts_memory_comes_first),
	};

	return cmocka_run_group_tests_name("cgroup_extra", tests, NULL, NULL);
}
