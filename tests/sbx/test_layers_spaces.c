/* SPDX-License-Identifier: Apache-2.0 */
/* One test for each namespace and each control group of a run, as the host sees them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "host_look.h"

#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

/* --- namespaces ------------------------------------------------------------------------------ */

static const char *const spaces[] = { "cgroup", "ipc", "mnt", "net", "pid", "user", "uts" };

static int
open_space(pid_t pid, const char *space)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, space);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static ino_t
inode(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

static bool
same_space(pid_t a, pid_t b, const char *space)
{
	AUTO_FD int x = open_space(a, space);
	AUTO_FD int y = open_space(b, space);

	return inode(x) == inode(y);
}

static void
share_nothing_of(pid_t a, pid_t b, const char *const *names)
{
	int n = 0;

	for (; *names != NULL; names++)
		if (same_space(a, b, *names)) {
			print_message("the namespace %s is shared\n", *names);
			n++;
		}
	assert_int_equal(n, 0);
}

static void
no_namespace_of_a_run_is_the_spawners_or_the_hosts(void **state)
{
	static const char *const names[] = { "cgroup", "ipc", "mnt", "net", "pid", "user", "uts",
		NULL };
	struct rig_result res;

	start_sleeper(*state, &res);
	share_nothing_of(res.pid, rig_worker(*state), names);
	share_nothing_of(res.pid, getpid(), names);
	end(*state, &res);
}

static void
no_namespace_of_a_cell_is_its_zygotes(void **state)
{
	static const char *const names[] = { "cgroup", "ipc", "mnt", "pid", "user", "uts", NULL };
	struct rig_result res;

	start_sleeper(*state, &res);
	share_nothing_of(res.pid, rig_zygote(*state), names);
	end(*state, &res);
}

static void
the_spawner_has_mounts_and_network_of_its_own(void **state)
{
	share_nothing_of(rig_worker(*state), getpid(), (const char *const[]){ "mnt", "net", NULL });
}

static void
two_runs_of_a_tenant_share_no_processes_mounts_names_or_objects(void **state)
{
	struct rig_result a, b;

	start_sleeper(*state, &a);
	start_sleeper(*state, &b);
	share_nothing_of(
	    a.pid, b.pid, (const char *const[]){ "cgroup", "ipc", "mnt", "pid", "uts", NULL });
	end(*state, &a);
	end(*state, &b);
}

static void
two_tenants_share_neither_network_nor_ids(void **state)
{
	struct rig *r = *state;
	struct rig_result a, b;
	char want[64];

	start_sleeper(r, &a);
	r->slot = 3;
	start_sleeper(r, &b);
	r->slot = 0;
	share_nothing_of(a.pid, b.pid, (const char *const[]){ "net", "user", NULL });
	snprintf(want, sizeof(want), "%u\t%u\t%u\t%u", r->uid_base + 3072, r->uid_base + 3072,
	    r->uid_base + 3072, r->uid_base + 3072);
	has_status(b.pid, "Uid", want);
	end(r, &a);
	end(r, &b);
}

/* So that no capability in the tenant's user namespace is one over any wall. */
static void
namespaces_belong_to_the_user_namespace_of_the_host(void **state)
{
	AUTO_FD int own = open_space(getpid(), "user");
	struct rig_result res;

	start_sleeper(*state, &res);
	for (size_t i = 0; i < ARRAY_LEN(spaces); i++) {
		AUTO_FD int fd = open_space(res.pid, spaces[i]);
		AUTO_FD int owner = ioctl(fd, NS_GET_USERNS);

		assert_true(owner >= 0);
		if (inode(owner) != inode(own))
			fail_msg("the namespace %s is the tenant's", spaces[i]);
	}
	end(*state, &res);
}

static int
has_no_domain(pid_t keeper)
{
	AUTO_FD int fd = open_space(keeper, "uts");
	char name[65] = "?";

	if (setns(fd, CLONE_NEWUTS) < 0 || getdomainname(name, sizeof(name)) < 0)
		return 2;
	return name[0] == '\0' ? 0 : 1;
}

static void
the_domain_of_the_host_has_no_name_inside(void **state)
{
	struct rig_result res;

	start_sleeper(*state, &res);
	in_a_child(has_no_domain, res.pid);
	end(*state, &res);
}

/* --- control groups -------------------------------------------------------------------------- */

/* The simulation's line of a hierarchy in /proc/PID/cgroup, and a file of the group behind it. */
static bool
group_file(pid_t pid, const char *controller, const char *file, char *out, size_t n)
{
	char *text = proc_text(pid, "cgroup");
	char key[32], path[512];
	struct err e = { 0 };
	char *line, *value = NULL;
	size_t size;
	bool found = false;

	snprintf(key, sizeof(key), ":%s:", controller);
	line = strstr(text, key);
	if (line != NULL) {
		line += strlen(key);
		snprintf(path, sizeof(path), "/sys/fs/cgroup/%s%.*s/%s", controller,
		    (int)strcspn(line, "\n"), line, file);
		found = fd_read_file(AT_FDCWD, path, 4096, &value, &size, &e) == 0;
	}
	snprintf(out, n, "%s", value == NULL ? "" : value);
	free(value);
	free(text);
	return found;
}

static int
child_of(pid_t keeper)
{
	char path[64];
	char *text;
	int pid;

	snprintf(path, sizeof(path), "task/%d/children", keeper);
	text = proc_text(keeper, path);
	pid = (int)strtol(text, NULL, 10);
	free(text);
	assert_true(pid > 1);
	return pid;
}

static void
swap_is_off(void **state)
{
	struct rig_result res;
	char memory[32], both[32];
	bool there;

	start_sleeper(*state, &res);
	there = group_file(
		    child_of(res.pid), "memory", "memory.limit_in_bytes", memory, sizeof(memory)) &&
		group_file(
		    child_of(res.pid), "memory", "memory.memsw.limit_in_bytes", both, sizeof(both));
	end(*state, &res);
	if (!there)
		skip(); /* version 2, which has unit tests, or no accounting of swap */
	assert_string_equal(memory, "268435456\n");
	assert_string_equal(both, memory);
}

static void
the_keeper_stays_outside_the_groups_of_its_run(void **state)
{
	struct rig_result res;
	char *keeper, *sim;

	start_sleeper(*state, &res);
	keeper = proc_text(res.pid, "cgroup");
	sim = proc_text(child_of(res.pid), "cgroup");
	assert_null(strstr(keeper, "/wardian-"));
	assert_non_null(strstr(sim, "/wardian-"));
	free(keeper);
	free(sim);
	end(*state, &res);
}

/* In a hierarchy of version 1; others have unit tests. */
static bool
has_hierarchy(const char *controller)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/fs/cgroup/%s/tasks", controller);
	return access(path, F_OK) == 0;
}

static void
the_simulation_is_in_a_group_of_every_controller(void **state)
{
	static const char *const controllers[] = { "memory", "cpu", "cpuacct", "pids" };
	struct rig_result res;
	int bad = 0;
	char *text;

	start_sleeper(*state, &res);
	text = proc_text(child_of(res.pid), "cgroup");
	for (size_t i = 0; i < ARRAY_LEN(controllers); i++) {
		char key[32];
		const char *line;

		snprintf(key, sizeof(key), ":%s:", controllers[i]);
		line = strstr(text, key);
		if (!has_hierarchy(controllers[i]) || line == NULL)
			continue;
		line += strlen(key);
		if (memmem(line, strcspn(line, "\n"), "/wardian-", 9) == NULL) {
			print_message("not in a group of %s\n", controllers[i]);
			bad++;
		}
	}
	free(text);
	end(*state, &res);
	assert_int_equal(bad, 0);
}

static void
has_in_group(pid_t pid, const char *controller, const char *file, const char *want)
{
	char had[64];

	if (has_hierarchy(controller) && !group_file(pid, controller, file, had, sizeof(had)))
		fail_msg("there is no %s", file);
	if (has_hierarchy(controller) && strcmp(had, want) != 0)
		fail_msg("%s is %s", file, had);
}

static void
the_groups_of_a_run_have_its_limits(void **state)
{
	struct rig_result res;
	pid_t pid;

	start_sleeper(*state, &res);
	pid = child_of(res.pid);
	has_in_group(pid, "memory", "memory.limit_in_bytes", "268435456\n");
	has_in_group(pid, "cpu", "cpu.cfs_period_us", "100000\n");
	has_in_group(pid, "cpu", "cpu.cfs_quota_us", "200000\n");
	has_in_group(pid, "cpu", "cpu.shares", "2048\n");
	has_in_group(pid, "pids", "pids.max", "64\n");
	end(*state, &res);
}

/* Groups are used again by the next run of the same tenant. */
static void
the_next_run_in_a_group_has_limits_of_its_own(void **state)
{
	const struct rig_run first = { .argv = RIG_ARGV("/usr/bin/true") };
	struct sandbox_limits l = rig_limits();
	struct rig_result res;
	pid_t pid;

	rig_do(*state, &first, &res);
	assert_true(res.ended);
	rig_done(&res);
	assert_true(rig_quiet(*state, GONE_MS));
	l.memory_bytes *= 2;
	l.cpu_milli /= 2;
	l.processes /= 2;
	start_limited(*state, &l, &res);
	pid = child_of(res.pid);
	has_in_group(pid, "memory", "memory.limit_in_bytes", "536870912\n");
	has_in_group(pid, "cpu", "cpu.cfs_quota_us", "100000\n");
	has_in_group(pid, "pids", "pids.max", "32\n");
	end(*state, &res);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ONE(no_namespace_of_a_run_is_the_spawners_or_the_hosts),
		ONE(no_namespace_of_a_cell_is_its_zygotes),
		ONE(the_spawner_has_mounts_and_network_of_its_own),
		ONE(two_runs_of_a_tenant_share_no_processes_mounts_names_or_objects),
		ONE(two_tenants_share_neither_network_nor_ids),
		ONE(namespaces_belong_to_the_user_namespace_of_the_host),
		ONE(the_domain_of_the_host_has_no_name_inside),
		ONE(swap_is_off),
		ONE(the_simulation_is_in_a_group_of_every_controller),
		ONE(the_groups_of_a_run_have_its_limits),
		ONE(the_next_run_in_a_group_has_limits_of_its_own),
		ONE(the_keeper_stays_outside_the_groups_of_its_run),
	};

	return cmocka_run_group_tests_name(
	    "namespaces and groups", tests, rig_suite_open, rig_suite_close);
}
