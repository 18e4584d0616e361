/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "host_tree.h"

static void
little_memory_is_told(void **state)
{
	machine_expect(*state, HOST_AT_memory, HOST_OK, "8.0 GiB left of 15.3 GiB");
	machine_put(*state, "/proc/meminfo", "MemTotal: 2000000 kB\nMemAvailable: 500000 kB\n");
	machine_expect(*state, HOST_AT_memory, HOST_WEAK, "488.3 MiB left");
	machine_put(*state, "/proc/meminfo", "MemTotal: 2000000 kB\n");
	machine_expect(*state, HOST_AT_memory, HOST_UNKNOWN, "does not say");
	machine_put(
	    *state, "/proc/meminfo", "MemTotal: 9223372036854775807 kB\nMemAvailable: 1 kB\n");
	machine_expect(*state, HOST_AT_memory, HOST_UNKNOWN, "does not say");
	machine_drop(*state, "/proc/meminfo");
	machine_expect(*state, HOST_AT_memory, HOST_UNKNOWN, "ENOENT");
}

static void
cpus_that_are_kept_from_us_are_told(void **state)
{
	struct machine *m = *state;

	machine_expect(m, HOST_AT_cpus, HOST_OK, "4");
	m->f.cpus_allowed = 1;
	machine_expect_advice(m, HOST_AT_cpus, "1 of 4");
}

static void
open_files_must_do_for_connections(void **state)
{
	static const char limits[] = "Max open files            1024                 4096        "
				     "         files     \n";
	static const char no_resource[] = "Name:\tx\nCapEff:\t000001fffeffffff\n";
	struct machine *m = *state;

	machine_put(m, "/proc/self/limits", limits);
	machine_expect(m, HOST_AT_open_files, HOST_OK, "1048576"); /* root raises its own */
	machine_put(m, "/proc/self/status", no_resource);
	machine_expect(m, HOST_AT_open_files, HOST_WEAK, "at most 4096");
	m->o.connections = 1000;
	machine_expect(m, HOST_AT_open_files, HOST_OK, "may need 2512");
	machine_put(m, "/proc/self/limits", "Max open files   \n");
	machine_expect(m, HOST_AT_open_files, HOST_UNKNOWN, "does not say");
	machine_put(m, "/proc/self/limits", "nothing of it\n");
	machine_expect(m, HOST_AT_open_files, HOST_UNKNOWN, "does not say");
	machine_drop(m, "/proc/self/limits");
	machine_expect(m, HOST_AT_open_files, HOST_UNKNOWN, "ENOENT");
}

static void
a_disk_is_judged_by_what_is_left(void **state)
{
	struct machine *m = *state;

	m->f.disk.bytes_free = 2 * GIB;
	machine_expect(m, HOST_AT_state_disk, HOST_WEAK, "2.0 GiB left of 100.0 GiB");
	m->f.disk.bytes_free = 100 * MIB;
	machine_expect(m, HOST_AT_state_disk, HOST_MISSING, "100.0 MiB left");
	m->f.disk.bytes_free = 50 * GIB;
	m->f.disk.files_free = 10;
	machine_expect(m, HOST_AT_state_disk, HOST_WEAK, "10 more files");
	m->f.disk.files = 0; /* btrfs counts none */
	machine_expect(m, HOST_AT_state_disk, HOST_OK, "50.0 GiB");
	m->f.disk.exists = false;
	machine_expect(m, HOST_AT_state_disk, HOST_OK, "will be");
	m->f.disk.failed = EACCES;
	machine_expect(m, HOST_AT_state_disk, HOST_UNKNOWN, "look again as root");
	machine_expect(m, HOST_AT_state_files, HOST_UNKNOWN, "look again as root");
	machine_expect(m, HOST_AT_quota, HOST_UNKNOWN, "look again as root");
}

static void
file_systems_are_judged_by_what_they_can(void **state)
{
	struct machine *m = *state;

	machine_expect(m, HOST_AT_state_files, HOST_OK, "ext4 with unnamed files and attributes");
	m->f.disk.xattr = ENOTSUP;
	machine_expect(m, HOST_AT_state_files, HOST_OK, "no attributes");
	m->f.disk.tmpfile = EOPNOTSUPP;
	machine_expect(m, HOST_AT_state_files, HOST_WEAK, "ext4 has no unnamed files");
	m->f.disk.tmpfile = EACCES;
	m->f.uid = 65534;
	machine_expect(m, HOST_AT_state_files, HOST_UNKNOWN, "may not try");
	m->f.disk.type = 0x6969;
	machine_expect(m, HOST_AT_state_files, HOST_WEAK, "nfs");
	m->f.disk.type = 12345;
	m->f.disk.tmpfile = EINVAL;
	machine_expect(m, HOST_AT_state_files, HOST_WEAK, "another kind");
}

static void
quotas_of_projects_are_only_worth_knowing(void **state)
{
	struct machine *m = *state;

	machine_expect(m, HOST_AT_quota, HOST_OK, "counted by this disk");
	m->f.disk.quota = ESRCH;
	machine_expect_advice(m, HOST_AT_quota, "ESRCH");
}

static void
an_empty_list_of_gpus_is_honest_and_no_fault(void **state)
{
	struct machine *m = *state;

	machine_expect(m, HOST_AT_gpus, HOST_OK, "none");
	assert_false(m->report.at[HOST_AT_gpus].advised);
	m->f.gpus.n_closed = 2;
	machine_expect_advice(m, HOST_AT_gpus, "2, but not everyone");
	m->f.gpus_failed = true;
	machine_expect(m, HOST_AT_gpus, HOST_UNKNOWN, "cannot be listed");
}

static void
gpus_are_counted_with_the_first_ones_model(void **state)
{
	struct machine *m = *state;

	m->f.gpus.n = 2;
	machine_expect(m, HOST_AT_gpus, HOST_OK, "2, the first of them unnamed");
	(void)snprintf(m->f.gpus.at[0].model, sizeof(m->f.gpus.at[0].model), "Model X");
	machine_expect(m, HOST_AT_gpus, HOST_OK, "Model X");
	m->f.gpus.at[0].memory_bytes = 80 * GIB;
	machine_expect(m, HOST_AT_gpus, HOST_OK, "Model X with 80.0 GiB");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		MACHINE_TEST(little_memory_is_told),
		MACHINE_TEST(cpus_that_are_kept_from_us_are_told),
		MACHINE_TEST(open_files_must_do_for_connections),
		MACHINE_TEST(a_disk_is_judged_by_what_is_left),
		MACHINE_TEST(file_systems_are_judged_by_what_they_can),
		MACHINE_TEST(quotas_of_projects_are_only_worth_knowing),
		MACHINE_TEST(an_empty_list_of_gpus_is_honest_and_no_fault),
		MACHINE_TEST(gpus_are_counted_with_the_first_ones_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
