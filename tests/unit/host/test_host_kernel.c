/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "host_tree.h"

static void
kernels_are_told_by_their_version(void **state)
{
	static const struct {
		const char *release;
		enum host_state is;
		const char *says;
	} all[] = {
		{ "6.18.44-vm\n", HOST_OK, "6.18.44-vm" },
		{ "5.14.0\n", HOST_OK, "5.14.0" },
		{ "5.13.19\n", HOST_WEAK, "cgroup.kill" },
		{ "5.11.0\n", HOST_MISSING, "too old" },
		{ "4.19.0-26-amd64\n", HOST_MISSING, "too old" },
		{ "10.0\n", HOST_OK, "10.0" },
		{ "six\n", HOST_UNKNOWN, "no version" },
		{ "6\n", HOST_UNKNOWN, "no version" },
		{ "6.\n", HOST_UNKNOWN, "no version" },
		{ "123456789.1\n", HOST_UNKNOWN, "no version" },
		{ "", HOST_UNKNOWN, "no version" },
	};

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		machine_put(*state, "/proc/sys/kernel/osrelease", all[i].release);
		machine_expect(*state, HOST_AT_kernel, all[i].is, all[i].says);
	}
	machine_drop(*state, "/proc/sys/kernel/osrelease");
	machine_expect(*state, HOST_AT_kernel, HOST_UNKNOWN, "ENOENT");
}

static void
root_without_capabilities_is_not_enough(void **state)
{
	machine_put(*state, "/proc/self/status", "Name:\tx\nCapEff:\t00000000a80425fb\n");
	machine_expect(*state, HOST_AT_privileges, HOST_MISSING, "SYS_ADMIN");
	machine_put(*state, "/proc/self/status", "Name:\tx\nCapEff:\t000001fffeffffff\n");
	machine_expect(*state, HOST_AT_privileges, HOST_OK, "root");
	machine_put(*state, "/proc/self/status", "Name:\tx\n");
	machine_expect(*state, HOST_AT_privileges, HOST_UNKNOWN, "EINVAL");
	machine_drop(*state, "/proc/self/status");
	machine_expect(*state, HOST_AT_privileges, HOST_UNKNOWN, "ENOENT");
}

static void
system_calls_that_are_absent_are_named(void **state)
{
	struct machine *m = *state;

	m->f.syscall[1] = EPERM; /* an answer all the same */
	machine_expect(m, HOST_AT_syscalls, HOST_OK, "there");
	m->f.syscall[0] = ENOSYS;
	m->f.syscall[HOST_SYSCALLS - 1] = ENOSYS;
	machine_expect(m, HOST_AT_syscalls, HOST_MISSING, "clone3 mount_setattr");
}

static void
namespaces_that_none_can_be_made_of_are_named(void **state)
{
	machine_expect(*state, HOST_AT_namespaces, HOST_OK, "60000");
	machine_put(*state, "/proc/sys/user/max_net_namespaces", "0\n");
	machine_expect(*state, HOST_AT_namespaces, HOST_MISSING, "of: net");
	machine_drop(*state, "/proc/sys/user/max_user_namespaces");
	machine_expect(*state, HOST_AT_namespaces, HOST_MISSING, "of: user net");
	machine_put(*state, "/proc/sys/user/max_user_namespaces", "60000\n");
	machine_put(*state, "/proc/sys/user/max_net_namespaces", "12\n");
	machine_expect(*state, HOST_AT_namespaces, HOST_WEAK, "only 12");
	machine_put(*state, "/proc/sys/user/max_net_namespaces", "many\n");
	machine_expect(*state, HOST_AT_namespaces, HOST_UNKNOWN, "EINVAL");
}

static void
whatever_forbids_ordinary_users_their_namespaces_is_found(void **state)
{
	static const struct {
		const char *path, *bad, *good, *says;
	} all[] = {
		{ "/proc/sys/kernel/unprivileged_userns_clone", "0\n", "1\n",
		    "kernel/unprivileged_userns_clone is 0" },
		{ "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n", "0\n",
		    "apparmor_restrict_unprivileged_userns is 1" },
		{ "/proc/sys/user/max_user_namespaces", "0\n", "9999\n",
		    "max_user_namespaces is 0" },
	};
	struct machine *m = *state;

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		machine_put(m, all[i].path, all[i].bad);
		m->f.uid = 65534;
		machine_expect(m, HOST_AT_userns, HOST_MISSING, all[i].says);
		m->f.uid = 0;
		machine_expect_advice(m, HOST_AT_userns, all[i].says);
		machine_put(m, all[i].path, all[i].good);
		m->f.uid = 65534;
		machine_expect(m, HOST_AT_userns, HOST_OK, "one was made");
	}
	m->f.part[HOST_PART_NAMESPACES] = EPERM;
	machine_expect(m, HOST_AT_userns, HOST_MISSING, "EPERM");
}

static void
a_trial_that_fails_names_its_parts(void **state)
{
	struct machine *m = *state;

	m->f.part[HOST_PART_PROC] = EPERM;
	m->f.part[HOST_PART_DEVICE] = EINVAL;
	machine_expect(m, HOST_AT_trial, HOST_MISSING, "/proc (EPERM) /dev/null (EINVAL)");
	for (size_t i = 0; i < HOST_PARTS; i++)
		m->f.part[i] = HOST_UNTRIED;
	machine_expect(m, HOST_AT_trial, HOST_UNKNOWN, "in time");
	machine_expect(m, HOST_AT_tmpfs, HOST_UNKNOWN, "not tried");
	m->f.part[HOST_PART_NAMESPACES] = ENOSPC;
	machine_expect(m, HOST_AT_trial, HOST_MISSING, "namespaces (ENOSPC)");
}

static void
root_in_a_chroot_may_be_able_to_all_the_same(void **state)
{
	struct machine *m = *state;

	m->f.part[HOST_PART_USER] = EPERM;
	machine_expect(m, HOST_AT_trial, HOST_UNKNOWN, "chroot");
	m->f.part[HOST_PART_USR] = EACCES;
	machine_expect(m, HOST_AT_trial, HOST_MISSING, "/usr (EACCES)");
	m->f.part[HOST_PART_USR] = 0;
	m->f.uid = 65534;
	machine_expect(m, HOST_AT_trial, HOST_MISSING, "user map (EPERM)");
}

static void
tmpfs_is_needed_with_its_caps(void **state)
{
	struct machine *m = *state;

	m->f.part[HOST_PART_TMPFS] = EINVAL;
	machine_expect(m, HOST_AT_tmpfs, HOST_MISSING, "EINVAL");
	machine_expect(m, HOST_AT_trial, HOST_OK, "all of it");
}

static void
filters_and_landlock_are_told_by_the_kernels_answer(void **state)
{
	struct machine *m = *state;

	m->f.seccomp = ENOSYS;
	machine_expect(m, HOST_AT_seccomp, HOST_MISSING, "ENOSYS");
	m->f.landlock = -EOPNOTSUPP;
	machine_expect(m, HOST_AT_landlock, HOST_WEAK, "not among the active");
	m->f.landlock = -ENOSYS;
	machine_expect(m, HOST_AT_landlock, HOST_WEAK, "ENOSYS");
	m->f.landlock = 0;
	machine_expect(m, HOST_AT_landlock, HOST_WEAK, "version 0");
	m->f.landlock = 2;
	machine_expect(m, HOST_AT_landlock, HOST_OK, "version 2");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		MACHINE_TEST(kernels_are_told_by_their_version),
		MACHINE_TEST(root_without_capabilities_is_not_enough),
		MACHINE_TEST(system_calls_that_are_absent_are_named),
		MACHINE_TEST(namespaces_that_none_can_be_made_of_are_named),
		MACHINE_TEST(whatever_forbids_ordinary_users_their_namespaces_is_found),
		MACHINE_TEST(a_trial_that_fails_names_its_parts),
		MACHINE_TEST(root_in_a_chroot_may_be_able_to_all_the_same),
		MACHINE_TEST(tmpfs_is_needed_with_its_caps),
		MACHINE_TEST(filters_and_landlock_are_told_by_the_kernels_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
