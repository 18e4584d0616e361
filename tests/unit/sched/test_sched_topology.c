/* SPDX-License-Identifier: Apache-2.0 */
/* How CPUs hang together, as a directory that looks like /sys tells it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sched_topology.h"

static char sys_dir[] = "/tmp/wardian-sys-XXXXXX";

static int
make_dir(void **state)
{
	(void)state;
	memcpy(sys_dir + sizeof(sys_dir) - 7, "XXXXXX", 6);
	return mkdtemp(sys_dir) == NULL ? -1 : 0;
}

static int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int
remove_dir(void **state)
{
	(void)state;
	return nftw(sys_dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* Directories are made. */
static void
write_file(const char *path, const char *text)
{
	char full[256];
	FILE *f;

	snprintf(full, sizeof(full), "%s/%s", sys_dir, path);
	for (char *p = full + strlen(sys_dir) + 1; (p = strchr(p, '/')) != NULL; p++) {
		*p = '\0';
		(void)mkdir(full, 0755);
		*p = '/';
	}
	f = fopen(full, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* The CPUs that this process may use, in order. */
static size_t
own_cpus(uint16_t out[static SCHED_CPUS_MAX])
{
	cpu_set_t set;
	size_t n = 0;

	assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set))
			out[n++] = (uint16_t)i;
	return n;
}

static void
read_it(struct sched_topology *t)
{
	struct err e = { 0 };

	assert_int_equal(sched_topology_read(sys_dir, t, &e), 0);
}

static void
without_a_word_from_the_kernel_each_cpu_is_a_core(void **state)
{
	static struct sched_topology t;
	uint16_t own[SCHED_CPUS_MAX];
	size_t n = own_cpus(own);

	(void)state;
	read_it(&t);
	assert_int_equal(t.n, n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(t.at[i].id, own[i]);
		assert_int_equal(t.at[i].core, own[i]);
		assert_int_equal(t.at[i].node, 0);
	}
}

static void
threads_and_nodes_are_found(void **state)
{
	static struct sched_topology t;
	uint16_t own[SCHED_CPUS_MAX];
	size_t n = own_cpus(own);
	char path[96], list[32];

	(void)state;
	if (n < 2)
		skip();
	/* The first two are one core of node 3. */
	snprintf(list, sizeof(list), "%u,%u\n", own[0], own[1]);
	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path),
		    "devices/system/cpu/cpu%u/topology/thread_siblings_list", own[i]);
		write_file(path, list);
	}
	write_file("devices/system/node/online", "0,3\n");
	write_file("devices/system/node/node3/cpulist", list);
	read_it(&t);
	assert_int_equal(t.n, n);
	assert_int_equal(t.at[n - 2].id, own[0]);
	assert_int_equal(t.at[n - 1].id, own[1]);
	for (size_t i = n - 2; i < n; i++) {
		assert_int_equal(t.at[i].core, own[0]);
		assert_int_equal(t.at[i].node, 3);
	}
}

static void
nonsense_is_taken_for_nothing(void **state)
{
	static const char *const texts[] = { "", "\n", "-", "-1", "x", "4096-1", "99999999999999",
		"0-", "1,,", "0-99999999", "\xff\xfe", "5-3" };
	static struct sched_topology t;
	uint16_t own[SCHED_CPUS_MAX];
	size_t n = own_cpus(own);
	char path[96];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		snprintf(path, sizeof(path),
		    "devices/system/cpu/cpu%u/topology/thread_siblings_list", own[n - 1]);
		write_file(path, texts[i]);
		write_file("devices/system/node/online", texts[i]);
		write_file("devices/system/node/node0/cpulist", texts[i]);
		read_it(&t);
		assert_int_equal(t.n, n);
		assert_true(t.at[n - 1].core <= own[n - 1]);
		for (size_t k = 0; k < n; k++)
			assert_int_equal(t.at[k].node, 0);
	}
}

static void
this_machine_can_be_read(void **state)
{
	static struct sched_topology t;
	uint16_t own[SCHED_CPUS_MAX];
	struct err e = { 0 };

	(void)state;
	assert_int_equal(sched_topology_read(NULL, &t, &e), 0);
	assert_int_equal(t.n, own_cpus(own));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    without_a_word_from_the_kernel_each_cpu_is_a_core, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(threads_and_nodes_are_found, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(
		    nonsense_is_taken_for_nothing, make_dir, remove_dir),
		cmocka_unit_test(this_machine_can_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
