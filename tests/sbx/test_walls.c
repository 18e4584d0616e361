/* SPDX-License-Identifier: Apache-2.0 */
/* What a simulation sees, and what it is refused: the probe program tries and judges inside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "rig.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int
open_rig(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	/* Descriptors and variables that a careless launcher would pass on. */
	for (int i = 0; i < 50; i++)
		assert_true(open("/etc/passwd", O_RDONLY) >= 0);
	rig_open(r);
	*state = r;
	return 0;
}

static int
close_rig(void **state)
{
	rig_close(*state);
	free(*state);
	return 0;
}

/* Runs an act whose exit status is the number of walls that did not hold. */
static void
holds(void **state, const char *act)
{
	const struct rig_run run = { .argv = RIG_ARGV("/work/probe", act), .probe = true };
	struct rig_result res;

	rig_do(*state, &run, &res);
	assert_true(res.has_exit);
	if (res.exit.outcome != SANDBOX_EXITED || res.exit.exit_code != 0)
		print_message("%s", res.log);
	assert_int_equal(res.exit.outcome, SANDBOX_EXITED);
	assert_int_equal(res.exit.exit_code, 0);
	rig_done(&res);
}

static void
what_must_be_refused_is_refused(void **state)
{
	holds(state, "refusals");
}

static void
foreign_system_call_tables_kill(void **state)
{
	holds(state, "foreign");
}

static void
only_its_own_processes_and_three_descriptors_are_there(void **state)
{
	holds(state, "look");
}

static void
loopback_works_and_nothing_else_is_reachable(void **state)
{
	holds(state, "network");
}

static bool
has_line(const char *text, const char *name, const char *value)
{
	char line[128];

	snprintf(line, sizeof(line), "%s:\t%s", name, value);
	return strstr(text, line) != NULL;
}

static void
ids_and_capabilities_are_nobodys(void **state)
{
	static const char zero[] = "0000000000000000\n";
	static const char *const sets[] = { "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb" };
	const struct rig_run run = { .argv = RIG_ARGV("/bin/cat", "/proc/self/status") };
	struct rig_result res;

	rig_do(*state, &run, &res);
	assert_int_equal(res.exit.exit_code, 0);
	for (size_t i = 0; i < ARRAY_LEN(sets); i++)
		assert_true(has_line(res.log, sets[i], zero));
	assert_true(has_line(res.log, "NoNewPrivs", "1\n"));
	assert_true(has_line(res.log, "Seccomp", "2\n"));
	assert_true(has_line(res.log, "Uid", "1000\t1000\t1000\t1000\n"));
	assert_true(has_line(res.log, "Gid", "1000\t1000\t1000\t1000\n"));
	assert_true(has_line(res.log, "Groups", " \n"));
	assert_true(has_line(res.log, "SigBlk", zero));
	assert_true(has_line(res.log, "SigIgn", zero));
	rig_done(&res);
}

static void
the_host_sees_the_tenants_ids(void **state)
{
	struct rig *r = *state;
	const struct rig_run run = { .argv = RIG_ARGV("/work/probe", "stubborn"), .probe = true };
	struct rig_result res;
	struct stat st;
	char path[64];

	r->slot = 3;
	rig_start(r, &run, &res);
	rig_wait_started(r, &res, 10000);
	assert_true(res.pid > 1);
	snprintf(path, sizeof(path), "/proc/%d", res.pid);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, r->mode == RIG_ROOT ? r->uid_base + 3 * 1024 : r->uid);
	/* What ran before is still being taken down. */
	for (int i = 0; i < 500 && rig_processes(r) != 2; i++)
		usleep(10000);
	assert_int_equal(rig_processes(r), 2);
	rig_send(r, SANDBOX_KILL, &res.id);
	rig_wait(r, &res, 10000);
	r->slot = 0;
	rig_done(&res);
}

static void
the_hosts_root_is_not_among_its_ids(void **state)
{
	struct rig *r = *state;
	const struct rig_run run = { .argv = RIG_ARGV(
					 "/bin/cat", "/proc/self/uid_map", "/proc/self/gid_map") };
	struct rig_result res;
	char want[128];

	rig_do(r, &run, &res);
	if (r->mode == RIG_ROOT)
		snprintf(want, sizeof(want), "%10d %10u %10d\n%10d %10u %10d\n", 0, r->uid_base,
		    1024, 0, r->uid_base, 1024);
	else /* one id; its number outside is the tenant's namespace's, not the host's */
		snprintf(
		    want, sizeof(want), "%10d %10d %10d\n%10d %10d %10d\n", 1000, 0, 1, 1000, 0, 1);
	assert_string_equal(res.log, want);
	rig_done(&res);
}

static bool
is_device(const char *where)
{
	static const char *const names[] = { "null", "zero", "full", "random", "urandom" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strncmp(where, "/dev/", 5) == 0 && strcmp(where + 5, names[i]) == 0)
			return true;
	return false;
}

static void
every_mount_is_read_only_but_the_scratch(void **state)
{
	const struct rig_run run = { .argv = RIG_ARGV("/bin/cat", "/proc/self/mountinfo") };
	struct rig_result res;
	int writable = 0;

	rig_do(*state, &run, &res);
	assert_int_equal(res.exit.exit_code, 0);
	for (char *line = strtok(res.log, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		char where[256], options[256];

		assert_int_equal(sscanf(line, "%*s %*s %*s %*s %255s %255s", where, options), 2);
		assert_non_null(strstr(options, "nosuid"));
		if (is_device(where))
			assert_non_null(strstr(options, "noexec"));
		if (strncmp(options, "rw", 2) != 0)
			continue;
		writable++;
		assert_non_null(strstr(options, "nodev"));
		assert_true(strcmp(where, "/work") == 0 || strcmp(where, "/tmp") == 0 ||
			    strcmp(where, "/dev/shm") == 0);
	}
	assert_int_equal(writable, 3);
	rig_done(&res);
}

static void
scratch_ends_at_its_size_and_its_number_of_files(void **state)
{
	struct rig_run run = {
		.argv = RIG_ARGV("/work/probe", "fill"), .probe = true, .limits = rig_limits()
	};
	struct rig_result res;
	long bytes, files;

	run.limits.scratch_bytes = 8 * MIB;
	run.limits.scratch_files = 100;
	run.limits.open_files = 512;
	rig_do(*state, &run, &res);
	assert_int_equal(res.exit.outcome, SANDBOX_EXITED);
	assert_int_equal(
	    sscanf(res.log, "%ld bytes, then ENOSPC\n%ld files, then ENOSPC", &bytes, &files), 2);
	/* The probe itself lies in the scratch space, too, and is below 2 MiB. */
	assert_in_range(bytes, 6 * MIB, 8 * MIB);
	assert_in_range(files, 90, 100);
	rig_done(&res);
}

static void
two_runs_share_no_temporary_directory(void **state)
{
	const struct rig_run write = {
		.argv = RIG_ARGV("/bin/sh", "-c",
		    "echo secret > /tmp/mark; echo secret > /dev/shm/mark; ls /tmp /dev/shm")
	};
	const struct rig_run look = { .argv =
					  RIG_ARGV("/bin/sh", "-c", "ls -A /tmp /dev/shm /work") };
	struct rig_result res;

	rig_do(*state, &write, &res);
	assert_non_null(strstr(res.log, "mark"));
	rig_done(&res);
	rig_do(*state, &look, &res);
	assert_string_equal(res.log, "/dev/shm:\n\n/tmp:\n\n/work:\n");
	rig_done(&res);
}

static void
the_environment_is_what_the_launch_file_says(void **state)
{
	const struct rig_run run = { .argv = RIG_ARGV("/usr/bin/env"),
		.env = RIG_ARGV("ONE=1", "TWO=two words", "EMPTY=") };
	struct rig_result res;

	rig_do(*state, &run, &res);
	assert_string_equal(res.log, "ONE=1\nTWO=two words\nEMPTY=\n");
	rig_done(&res);
}

static void
threads_and_processes_still_work(void **state)
{
	static const char script[] =
	    "import threading, multiprocessing, subprocess, os\n"
	    "t = threading.Thread(target=lambda: print('thread', flush=True)); t.start(); "
	    "t.join()\n"
	    "with multiprocessing.Pool(2) as p: print(p.map(abs, [-1, -2]))\n"
	    "print(subprocess.run(['/bin/echo', 'child'], capture_output=True, "
	    "text=True).stdout.strip())\n"
	    "print(open('/dev/urandom', 'rb').read(4) != b'', os.path.exists('/sys'))\n";
	const struct rig_file input = { "s.py", script, 0 };
	const struct rig_run run = {
		.argv = RIG_ARGV("/usr/bin/python3", "s.py"), .inputs = &input, .n_inputs = 1
	};
	struct rig_result res;

	if (access("/usr/bin/python3", X_OK) < 0)
		skip();
	rig_do(*state, &run, &res);
	assert_string_equal(res.log, "thread\n[1, 2]\nchild\nTrue False\n");
	assert_int_equal(res.exit.exit_code, 0);
	rig_done(&res);
}

/* A spawner on a directory of its own, in a mount namespace that the words prepare. */
static void
starts_nothing_when(const struct rig *like, const char *prepare)
{
	const struct rig_run run = { .argv = RIG_ARGV("/usr/bin/true") };
	struct rig r = *like;
	struct rig_result res;
	char text[1024];

	r.fd = -1;
	snprintf(r.dir, sizeof(r.dir), "/tmp/wardian-bare-XXXXXX");
	assert_non_null(mkdtemp(r.dir));
	snprintf(text, sizeof(text), "%s/runs", r.dir);
	assert_int_equal(mkdir(text, 0750), 0);
	assert_int_equal(chown(r.dir, r.uid, r.gid), 0);
	r.runs_fd = open(text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(text, sizeof(text),
	    "exec unshare -m sh -c '%s; exec " WARDIAN_BUILD_DIR
	    "/wardian-spawner --state %s --user %s "
	    "--uid-base 1900000000 --keeper " WARDIAN_BUILD_DIR "/wardian-keeper' 2>/dev/null",
	    prepare, r.dir, getpwuid(r.uid)->pw_name);
	assert_int_equal(system(text), 0);
	rig_connect(&r);
	assert_int_equal(r.ready.weak, SANDBOX_WEAK_LIMITS | SANDBOX_WEAK_REFUSED);
	rig_start(&r, &run, &res);
	rig_wait(&r, &res, 10000);
	assert_true(res.failed);
	assert_int_equal(res.step, SANDBOX_STEP_CGROUP);
	assert_true(access(res.out, F_OK) < 0);
	rig_done(&res);
	close(r.fd);
	close(r.runs_fd);
	/* It ends when nobody is there, and takes its socket away. */
	snprintf(text, sizeof(text),
	    "for i in $(seq 150); do [ -e %s/spawner.sock ] || break; sleep 0.1; done; "
	    "[ ! -e %s/spawner.sock ] && rm -r %s",
	    r.dir, r.dir, r.dir);
	assert_int_equal(system(text), 0);
}

static void
without_usable_control_groups_every_start_fails_and_says_where(void **state)
{
	RIG_NEEDS_ROOT("an ordinary user's spawner may do without");
	if (!rig_root_is_mount())
		skip(); /* in a chroot unshare(1) cannot keep what follows from the host */
	starts_nothing_when(*state, "for d in /sys/fs/cgroup/* /sys/fs/cgroup; do "
				    "mount -o remount,bind,ro $d 2>/dev/null; done");
	starts_nothing_when(*state, "mount -t tmpfs none /sys/fs/cgroup");
}

static void
an_ordinary_users_spawner_starts_nothing_unless_that_is_allowed(void **state)
{
	const struct rig_run run = { .argv = RIG_ARGV("/usr/bin/true") };
	struct rig_result res;
	struct rig r;

	(void)state;
	if (rig_mode() == RIG_ROOT)
		skip(); /* started with WARDIAN_TEST_SPAWNER=user as a test of its own */
	rig_open_with(&r, (const char *const[]){ "--weaker", "refuse", NULL });
	assert_true((r.ready.weak & SANDBOX_WEAK_REFUSED) != 0);
	rig_start(&r, &run, &res);
	rig_wait(&r, &res, 10000);
	assert_true(res.failed);
	assert_int_equal(res.step, SANDBOX_STEP_USER_MAP);
	assert_int_equal(res.sys, EPERM);
	assert_true(access(res.out, F_OK) < 0);
	rig_done(&res);
	rig_close(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_must_be_refused_is_refused),
		cmocka_unit_test(foreign_system_call_tables_kill),
		cmocka_unit_test(only_its_own_processes_and_three_descriptors_are_there),
		cmocka_unit_test(loopback_works_and_nothing_else_is_reachable),
		cmocka_unit_test(ids_and_capabilities_are_nobodys),
		cmocka_unit_test(the_host_sees_the_tenants_ids),
		cmocka_unit_test(the_hosts_root_is_not_among_its_ids),
		cmocka_unit_test(every_mount_is_read_only_but_the_scratch),
		cmocka_unit_test(scratch_ends_at_its_size_and_its_number_of_files),
		cmocka_unit_test(two_runs_share_no_temporary_directory),
		cmocka_unit_test(the_environment_is_what_the_launch_file_says),
		cmocka_unit_test(threads_and_processes_still_work),
		cmocka_unit_test(without_usable_control_groups_every_start_fails_and_says_where),
		cmocka_unit_test(an_ordinary_users_spawner_starts_nothing_unless_that_is_allowed),
	};

	return cmocka_run_group_tests_name("walls", tests, open_rig, close_rig);
}
