/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "host_tree.h"

#define V2_MOUNT "36 30 0:34 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
#define V2_GROUP "/sys/fs/cgroup/system.slice/wardian.service"

static const enum host_check controllers[] = { HOST_AT_cgroup_memory, HOST_AT_cgroup_cpu,
	HOST_AT_cgroup_pids, HOST_AT_cgroup_cpuacct, HOST_AT_cgroup_cpuset, HOST_AT_cgroup_io };

/* Version 2 alone, in a unit's group with these controllers. */
static void
use_v2(const struct machine *m, const char *list)
{
	machine_put(m, "/proc/self/mountinfo", V2_MOUNT);
	machine_put(m, "/proc/self/cgroup", "0::/system.slice/wardian.service\n");
	machine_put(m, V2_GROUP "/cgroup.controllers", list);
	machine_put(m, V2_GROUP "/cgroup.procs", "");
	machine_put(m, V2_GROUP "/cgroup.subtree_control", "");
	machine_put(m, V2_GROUP "/memory.max", "max\n");
}

static void
version_1_serves_every_controller(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(controllers); i++)
		machine_expect(*state, controllers[i], HOST_OK, "version 1");
}

static void
version_2_serves_what_is_handed_down(void **state)
{
	use_v2(*state, "cpuset cpu io memory pids\n");
	for (size_t i = 0; i < ARRAY_LEN(controllers); i++)
		machine_expect(*state, controllers[i], HOST_OK, "version 2, ours");
	use_v2(*state, "memory pids\n");
	machine_expect(*state, HOST_AT_cgroup_memory, HOST_OK, "version 2");
	machine_expect(*state, HOST_AT_cgroup_cpu, HOST_MISSING, "not handed down");
	machine_expect(*state, HOST_AT_cgroup_cpuacct, HOST_OK, "version 2");
	machine_expect(*state, HOST_AT_cgroup_io, HOST_WEAK, "not handed down");
	machine_expect_advice(*state, HOST_AT_cgroup_cpuset, "not handed down");
}

static void
a_controller_that_is_part_of_a_word_is_not_there(void **state)
{
	use_v2(*state, "cpusets memory2 pidss\n");
	machine_expect(*state, HOST_AT_cgroup_memory, HOST_MISSING, "not handed down");
	machine_expect(*state, HOST_AT_cgroup_cpu, HOST_MISSING, "not handed down");
}

static void
a_group_of_another_user_is_not_ours(void **state)
{
	struct machine *m = *state;

	needs_root();
	m->f.uid = 65534;
	machine_expect(m, HOST_AT_cgroup_memory, HOST_WEAK, "/memory/own is not uid 65534's");
	machine_expect(m, HOST_AT_cgroup_kill, HOST_WEAK, "not ours");
	machine_mode(m, "/sys/fs/cgroup/memory/own", 0777);
	machine_expect(m, HOST_AT_cgroup_memory, HOST_OK, "version 1");
}

static void
a_delegated_group_is_an_ordinary_users(void **state)
{
	struct machine *m = *state;

	needs_root();
	use_v2(m, "cpu memory pids\n");
	m->f.uid = 65534;
	machine_mode(m, V2_GROUP, 0777);
	machine_mode(m, V2_GROUP "/cgroup.procs", 0666);
	machine_expect(m, HOST_AT_cgroup_memory, HOST_WEAK, "EACCES");
	machine_mode(m, V2_GROUP "/cgroup.subtree_control", 0666);
	machine_expect(m, HOST_AT_cgroup_memory, HOST_OK, "ours to divide");
	machine_expect(m, HOST_AT_cgroup_kill, HOST_OK, "mounted");
}

static void
no_controller_and_no_proc_are_told_apart(void **state)
{
	machine_put(*state, "/proc/self/mountinfo", "30 1 0:28 / / rw - ext4 /dev/vda rw\n");
	for (size_t i = 0; i < 3; i++)
		machine_expect(*state, controllers[i], HOST_MISSING, "neither mounted");
	machine_expect(*state, HOST_AT_cgroup_kill, HOST_WEAK, "not mounted");
	machine_drop(*state, "/proc/self/cgroup");
	machine_expect(*state, HOST_AT_cgroup_memory, HOST_MISSING, "no control groups");
	machine_drop(*state, "/proc/self/mountinfo");
	machine_expect(*state, HOST_AT_cgroup_memory, HOST_MISSING, "no /proc");
}

static void
mounts_that_make_no_sense_are_no_control_groups(void **state)
{
	static const char *const texts[] = { "", "\n\n", "cgroup2", "a b c d e f - cgroup2",
		"1 2 3 4 /x rw - cgroup2 x y", " - cgroup2 \n - cgroup2 ", "\xff\xfe - cgroup " };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		machine_put(*state, "/proc/self/mountinfo", texts[i]);
		machine_expect(*state, HOST_AT_cgroup_memory, HOST_MISSING, "");
		assert_int_not_equal(
		    machine_look(*state)->at[HOST_AT_cgroup_kill].state, HOST_MISSING);
	}
}

static void
ending_whole_groups_takes_version_2_and_a_kernel_that_can(void **state)
{
	machine_expect(*state, HOST_AT_cgroup_kill, HOST_OK, "mounted");
	machine_put(*state, "/proc/sys/kernel/osrelease", "5.13.0\n");
	machine_expect(*state, HOST_AT_cgroup_kill, HOST_WEAK, "too old");
}

static void
swap_must_be_none_or_limited(void **state)
{
	static const char swaps[] = "Filename Type Size Used Priority\n/dev/vdb partition 1 0 -2\n";
	struct machine *m = *state;

	machine_expect(m, HOST_AT_swap, HOST_OK, "no swap");
	machine_put(m, "/proc/swaps", swaps);
	machine_expect(m, HOST_AT_swap, HOST_OK, "counts into");
	machine_drop(m, "/sys/fs/cgroup/memory/own/memory.memsw.limit_in_bytes");
	machine_expect(m, HOST_AT_swap, HOST_WEAK, "no limit for it");
	use_v2(m, "memory\n");
	machine_expect(m, HOST_AT_swap, HOST_WEAK, "no limit for it");
	machine_put(m, V2_GROUP "/memory.swap.max", "max\n");
	machine_expect(m, HOST_AT_swap, HOST_OK, "jobs get none");
	machine_drop(m, V2_GROUP "/memory.swap.max");
	machine_drop(m, V2_GROUP "/memory.max");
	machine_expect(m, HOST_AT_swap, HOST_UNKNOWN, "below the root");
	machine_put(m, "/proc/self/cgroup", "");
	machine_expect(m, HOST_AT_swap, HOST_WEAK, "no controller");
	machine_drop(m, "/proc/swaps");
	machine_expect(m, HOST_AT_swap, HOST_OK, "no swap");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		MACHINE_TEST(version_1_serves_every_controller),
		MACHINE_TEST(version_2_serves_what_is_handed_down),
		MACHINE_TEST(a_controller_that_is_part_of_a_word_is_not_there),
		MACHINE_TEST(a_group_of_another_user_is_not_ours),
		MACHINE_TEST(a_delegated_group_is_an_ordinary_users),
		MACHINE_TEST(no_controller_and_no_proc_are_told_apart),
		MACHINE_TEST(mounts_that_make_no_sense_are_no_control_groups),
		MACHINE_TEST(ending_whole_groups_takes_version_2_and_a_kernel_that_can),
		MACHINE_TEST(swap_must_be_none_or_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
