/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_TREE_H
#define HOST_TREE_H

/* A machine made of files and facts: everything is good until a test says otherwise. */

#include "host_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct machine {
	char root[64];
	struct host_options o;
	struct host_facts f;
	struct host_report report;
};

/* Makes the directories of the path, too. */
static inline void
machine_put(const struct machine *m, const char *path, const char *text)
{
	char full[512];
	FILE *file;

	assert_true(snprintf(full, sizeof(full), "%s%s", m->root, path) < (int)sizeof(full));
	for (char *at = strchr(full + strlen(m->root) + 1, '/'); at != NULL;
	     at = strchr(at + 1, '/')) {
		*at = '\0';
		assert_true(mkdir(full, 0755) == 0 || errno == EEXIST);
		*at = '/';
	}
	file = fopen(full, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static inline void
machine_mode(const struct machine *m, const char *path, mode_t mode)
{
	char full[512];

	assert_true(snprintf(full, sizeof(full), "%s%s", m->root, path) < (int)sizeof(full));
	assert_int_equal(chmod(full, mode), 0);
}

static inline void
machine_drop(const struct machine *m, const char *path)
{
	char full[512];

	assert_true(snprintf(full, sizeof(full), "%s%s", m->root, path) < (int)sizeof(full));
	assert_int_equal(remove(full), 0);
}

static inline void
machine_link(const struct machine *m, const char *path, const char *to)
{
	char full[512];

	assert_true(snprintf(full, sizeof(full), "%s%s", m->root, path) < (int)sizeof(full));
	(void)remove(full);
	assert_int_equal(symlink(to, full), 0);
}

/* Every file that a check reads, as on a machine without a fault: version 1 of control groups with
 * version 2 beside it. */
static inline void
machine_files(const struct machine *m)
{
	static const struct {
		const char *path, *text;
	} files[] = {
		{ "/proc/sys/kernel/osrelease", "6.1.0-18-amd64\n" },
		{ "/proc/self/status", "Name:\tx\nCapPrm:\t0\nCapEff:\t000001ffffffffff\n" },
		{ "/proc/sys/user/max_user_namespaces", "60000\n" },
		{ "/proc/sys/user/max_mnt_namespaces", "60001\n" },
		{ "/proc/sys/user/max_pid_namespaces", "60002\n" },
		{ "/proc/sys/user/max_net_namespaces", "60003\n" },
		{ "/proc/sys/user/max_ipc_namespaces", "60004\n" },
		{ "/proc/sys/user/max_uts_namespaces", "60005\n" },
		{ "/proc/sys/user/max_cgroup_namespaces", "60006\n" },
		{ "/proc/self/mountinfo",
		    "30 1 0:28 / / rw - ext4 /dev/vda rw\n"
		    "31 30 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
		    "32 30 0:30 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
		    "33 30 0:31 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
		    "34 30 0:32 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
		    "35 30 0:33 / /sys/fs/cgroup/blkio rw - cgroup cgroup rw,blkio\n"
		    "36 30 0:34 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n" },
		{ "/proc/self/cgroup", "6:blkio:/\n5:cpuset:/\n4:memory:/own\n3:pids:/\n"
				       "1:cpu,cpuacct:/\n0::/\n" },
		{ "/sys/fs/cgroup/memory/own/memory.memsw.limit_in_bytes", "1\n" },
		{ "/sys/fs/cgroup/cpu/tasks", "" },
		{ "/sys/fs/cgroup/pids/tasks", "" },
		{ "/sys/fs/cgroup/cpuset/tasks", "" },
		{ "/sys/fs/cgroup/blkio/tasks", "" },
		{ "/sys/fs/cgroup/unified/cgroup.procs", "" },
		{ "/sys/fs/cgroup/unified/cgroup.subtree_control", "" },
		{ "/sys/fs/cgroup/unified/cgroup.controllers", "hugetlb\n" },
		{ "/proc/swaps", "Filename Type Size Used Priority\n" },
		{ "/etc/passwd",
		    "root:x:0:0::/:\nwardian:x:999:999::/:\nnobody:x:65534:65534::/:\n" },
		{ "/etc/group", "root:x:0:\nnogroup:x:65534:\n" },
		{ "/proc/sys/kernel/core_pattern", "core\n" },
		{ "/proc/sys/kernel/yama/ptrace_scope", "1\n" },
		{ "/proc/sys/dev/tty/legacy_tiocsti", "0\n" },
		{ "/proc/sys/fs/protected_symlinks", "1\n" },
		{ "/proc/sys/fs/protected_hardlinks", "1\n" },
		{ "/proc/sys/fs/protected_fifos", "1\n" },
		{ "/proc/sys/fs/protected_regular", "2\n" },
		{ "/proc/sys/kernel/io_uring_disabled", "2\n" },
		{ "/proc/sys/vm/overcommit_memory", "0\n" },
		{ "/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n" },
		{ "/proc/meminfo", "MemTotal:       16000000 kB\nMemFree: 1 kB\n"
				   "MemAvailable:    8388608 kB\n" },
		{ "/proc/self/limits", "Limit                     Soft Limit           Hard Limit  "
				       "         Units     \n"
				       "Max processes             1                    2           "
				       "         processes \n"
				       "Max open files            1024                 65536       "
				       "         files     \n" },
		{ "/proc/sys/fs/nr_open", "1048576\n" },
		{ "/opt/spawner", "" },
		{ "/opt/keeper", "" },
		{ "/usr/lib/postgresql/15/bin/initdb", "" },
		{ "/usr/lib/postgresql/15/bin/postgres", "" },
	};
	static const char *const programs[] = { "/opt/spawner", "/opt/keeper",
		"/usr/lib/postgresql/15/bin/initdb", "/usr/lib/postgresql/15/bin/postgres" };

	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		machine_put(m, files[i].path, files[i].text);
	for (size_t i = 0; i < ARRAY_LEN(programs); i++)
		machine_mode(m, programs[i], 0755);
	machine_link(m, "/bin", "usr/bin");
	machine_link(m, "/lib", "/usr/lib");
}

static inline int
machine_make(void **state)
{
	static const struct host_simulator simulators[] = { { "ngspice", "ngspice", true },
		{ "python", "python3", true } };
	struct machine *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	(void)snprintf(m->root, sizeof(m->root), "/tmp/wardian-host-XXXXXX");
	assert_non_null(mkdtemp(m->root));
	assert_int_equal(chmod(m->root, 0755), 0);
	machine_files(m);
	m->o = (struct host_options){ .root = m->root,
		.state_dir = "/var/lib/wardian",
		.user = "wardian",
		.spawner = "/opt/spawner",
		.keeper = "/opt/keeper",
		.postgres_dir = "",
		.uid_base = 1879048192,
		.connections = 4096,
		.simulators = simulators,
		.n_simulators = ARRAY_LEN(simulators),
		.simulators_why = "" };
	m->f = (struct host_facts){ .landlock = 7,
		.cpus = 4,
		.cpus_allowed = 4,
		.clock_in_step = true,
		.disk = { .exists = true,
		    .bytes = 100 * GIB,
		    .bytes_free = 50 * GIB,
		    .files = 1000000,
		    .files_free = 900000,
		    .type = 0xef53 } };
	*state = m;
	return 0;
}

static inline int
machine_remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static inline int
machine_free(void **state)
{
	struct machine *m = *state;

	assert_int_equal(nftw(m->root, machine_remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	free(m);
	return 0;
}

/* Looks at the whole machine, by the rights of an ordinary user where the facts say so. */
static inline const struct host_report *
machine_look(struct machine *m)
{
	const bool drop = geteuid() == 0 && m->f.uid != 0;
	struct host_view v;
	struct err e = { 0 };

	assert_int_equal(host_view_open(&m->o, &m->f, &m->report, &v, &e), 0);
	if (drop)
		assert_int_equal(seteuid(m->f.uid), 0);
	for (size_t i = 0; i < HOST_CHECKS; i++)
		host_judge_row(&v, (enum host_check)i);
	host_judge_weak(&v);
	if (drop)
		assert_int_equal(seteuid(0), 0);
	host_view_close(&v);
	return &m->report;
}

/* Only root can become another user, by whose rights files are then looked at. */
static inline void
needs_root(void)
{
	if (geteuid() != 0)
		skip();
}

/* One row, as it must be. */
static inline void
machine_expect(struct machine *m, enum host_check check, enum host_state state, const char *says)
{
	const struct host_finding *f = &machine_look(m)->at[check];

	if (f->state != state || strstr(f->text, says) == NULL)
		fail_msg("%s is %s (%s), expected %s (%s)", host_row(check)->word,
		    host_state_word(f->state), f->text, host_state_word(state), says);
}

static inline void
machine_expect_advice(struct machine *m, enum host_check check, const char *says)
{
	machine_expect(m, check, HOST_OK, says);
	assert_true(m->report.at[check].advised);
}

#define MACHINE_TEST(name) cmocka_unit_test_setup_teardown(name, machine_make, machine_free)

#endif
