/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One test for each layer, as a simulation sees it or the spawner applies it.  Where two layers
 * would refuse the same thing, the test looks at what only one of them does.  The spawner's starter
 * is careless: what it leaves lying about must not get in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "rig.h"

#include "clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MS = 1000000, WAIT_MS = 20000, GONE_MS = 2000 };

/* --- a careless starter ---------------------------------------------------------------------- */

/* As far as it may: without CAP_SYS_RESOURCE up to the hard limit it was given. */
static void
raise_limits(void)
{
	static const __rlimit_resource_t which[] = { RLIMIT_CORE, RLIMIT_STACK, RLIMIT_MSGQUEUE,
		RLIMIT_SIGPENDING, RLIMIT_NICE, RLIMIT_RTPRIO, RLIMIT_MEMLOCK };
	const struct rlimit most = { RLIM_INFINITY, RLIM_INFINITY };
	struct rlimit now;

	for (size_t i = 0; i < ARRAY_LEN(which); i++) {
		if (setrlimit(which[i], &most) == 0)
			continue;
		assert_int_equal(getrlimit(which[i], &now), 0);
		now.rlim_cur = now.rlim_max;
		/* So that a limit that is right already is not taken for one that was set. */
		if (which[i] == RLIMIT_MEMLOCK)
			now.rlim_cur = 1 << 20;
		assert_int_equal(setrlimit(which[i], &now), 0);
	}
}

/* Mounts are shared, as on most hosts; in a chroot they stay as they are. */
static void
share_mounts(void)
{
	rig_own_mounts();
	if (rig_root_is_mount())
		assert_int_equal(mount("", "/", NULL, MS_REC | MS_SHARED, NULL), 0);
}

static int
open_rig(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	const gid_t groups[] = { 4242, 4243 };
	int ends[2];

	if (geteuid() == 0) {
		share_mounts();
		raise_limits();
		assert_int_equal(setgroups(ARRAY_LEN(groups), groups), 0);
	}
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
	(void)signal(SIGUSR2, SIG_IGN);
	(void)umask(0);
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

/* --- runs ------------------------------------------------------------------------------------ */

static void
must_have_started(const struct rig_result *res)
{
	if (res->failed || res->refused)
		fail_msg(
		    "not started: %s, %s", sandbox_step_name(res->step), strerrorname_np(res->sys));
}

static void
run_limited(
    struct rig *r, const char *script, const struct sandbox_limits *l, struct rig_result *res)
{
	const struct rig_run run = { .argv = RIG_ARGV("/bin/sh", "-c", script), .limits = *l };

	rig_do(r, &run, res);
	must_have_started(res);
	assert_true(res->has_exit);
}

static void
run_script(struct rig *r, const char *script, struct rig_result *res)
{
	const struct sandbox_limits l = rig_limits();

	run_limited(r, script, &l, res);
}

static void
prints(struct rig *r, const char *script, const char *want)
{
	struct rig_result res;

	run_script(r, script, &res);
	assert_string_equal(res.log, want);
	rig_done(&res);
}

static void
a_run_starts_and_ends(void **state)
{
	prints(*state, "echo here", "here\n");
}

/* --- limits of a process --------------------------------------------------------------------- */

static void
has_limits(struct rig *r, const char *name, const char *want)
{
	struct rig_result res;
	char soft[32], hard[32], had[80];
	const char *line;

	run_script(r, "cat /proc/self/limits", &res);
	line = strstr(res.log, name);
	assert_non_null(line);
	assert_int_equal(sscanf(line + strlen(name), "%31s %31s", soft, hard), 2);
	snprintf(had, sizeof(had), "%s %s", soft, hard);
	assert_string_equal(had, want);
	rig_done(&res);
}

static void
no_core_is_dumped(void **state)
{
	has_limits(*state, "Max core file size", "1 1");
}

static void
the_stack_is_limited(void **state)
{
	has_limits(*state, "Max stack size", "8388608 1073741824");
}

static void
locked_memory_is_limited(void **state)
{
	has_limits(*state, "Max locked memory", "8388608 8388608");
}

static void
message_queues_are_limited(void **state)
{
	has_limits(*state, "Max msgqueue size", "0 0");
}

static void
pending_signals_are_limited(void **state)
{
	has_limits(*state, "Max pending signals", "4096 4096");
}

static void
niceness_cannot_be_lowered(void **state)
{
	has_limits(*state, "Max nice priority", "0 0");
}

static void
no_process_is_real_time(void **state)
{
	has_limits(*state, "Max realtime priority", "0 0");
}

static void
files_are_no_larger_than_the_scratch(void **state)
{
	has_limits(*state, "Max file size", "67108864 67108864");
}

/* --- how it starts --------------------------------------------------------------------------- */

static void
stdin_is_dev_null(void **state)
{
	prints(*state, "stat -L -c '%F %t:%T' /dev/stdin", "character special file 1:3\n");
}

static void
files_are_nobody_elses_to_write(void **state)
{
	prints(*state, "umask", "0022\n");
}

static void
no_signal_is_ignored_or_blocked(void **state)
{
	prints(*state, "exec grep -E 'Sig(Blk|Ign)' /proc/self/status",
	    "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

static void
it_leads_a_session_of_its_own(void **state)
{
	struct rig_result res;
	int pid, group, session, terminal;

	run_script(*state, "exec cat /proc/self/stat", &res);
	assert_int_equal(
	    sscanf(strrchr(res.log, ')'), ") %*c %*d %d %d %d", &group, &session, &terminal), 3);
	pid = (int)strtol(res.log, NULL, 10);
	assert_int_equal(group, pid);
	assert_int_equal(session, pid);
	assert_int_equal(terminal, 0);
	rig_done(&res);
}

static void
its_host_has_another_name(void **state)
{
	prints(*state, "uname -n", "wardian\n");
}

/* Where no control group limits memory, the kernel's choice must fall on it. */
static void
a_simulation_of_one_uid_is_the_first_to_be_killed(void **state)
{
	prints(*state, "cat /proc/self/oom_score_adj", rig_mode() == RIG_ROOT ? "0\n" : "1000\n");
}

/* --- mounts ---------------------------------------------------------------------------------- */

static void
has_options(const char *line, const char *where, const char *options, const char *const *want)
{
	for (; *want != NULL; want++) {
		const char *at = strstr(options, *want);
		const size_t n = strlen(*want);

		if (at == NULL || (at != options && at[-1] != ',') ||
		    (at[n] != ',' && at[n] != '\0'))
			fail_msg("%s is not %s: %s", where, *want, line);
	}
}

/* Calls look for each line of mountinfo as a simulation sees it. */
static void
each_mount(struct rig *r, void (*look)(const char *line, const char *where, const char *options))
{
	struct rig_result res;
	char *rest = NULL;

	run_script(r, "cat /proc/self/mountinfo", &res);
	for (char *line = strtok_r(res.log, "\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\n", &rest)) {
		char where[256], options[256];

		assert_int_equal(sscanf(line, "%*s %*s %*s %*s %255s %255s", where, options), 2);
		look(line, where, options);
	}
	rig_done(&res);
}

static void
look_at_flags(const char *line, const char *where, const char *options)
{
	static const char *const scratch[] = { "nosuid", "nodev", NULL };
	static const char *const dev[] = { "ro", "nosuid", "noexec", NULL };
	static const char *const proc[] = { "ro", "nosuid", "nodev", "noexec", NULL };
	static const char *const others[] = { "ro", "nosuid", "nodev", NULL };
	static const struct {
		const char *where;
		const char *const *want;
	} table[] = { { "/work", scratch }, { "/tmp", scratch }, { "/dev/shm", scratch },
		{ "/dev", dev }, { "/proc", proc } };
	const char *const *want = others;

	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (strcmp(where, table[i].where) == 0)
			want = table[i].want;
	if (strncmp(where, "/dev/", 5) == 0 && strcmp(where, "/dev/shm") != 0)
		want = dev; /* where a node cannot be made, the host's is bound */
	has_options(line, where, options, want);
}

static void
every_mount_has_its_flags(void **state)
{
	each_mount(*state, look_at_flags);
}

static void
look_at_propagation(const char *line, const char *where, const char *options)
{
	(void)options;
	if (strstr(line, " shared:") != NULL || strstr(line, " master:") != NULL)
		fail_msg("%s hears of the host's mounts: %s", where, line);
}

static void
no_mount_of_the_host_comes_in_later(void **state)
{
	if (!rig_root_is_mount())
		skip(); /* a chroot: its mounts cannot be made shared */
	each_mount(*state, look_at_propagation);
}

static void
look_at_proc(const char *line, const char *where, const char *options)
{
	(void)options;
	if (strcmp(where, "/proc") != 0 || strstr(line, " - proc ") == NULL)
		return;
	assert_non_null(strstr(line, "hidepid=invisible"));
	assert_non_null(strstr(line, "subset=pid"));
}

static void
proc_shows_ones_own_processes_alone(void **state)
{
	each_mount(*state, look_at_proc);
}

/* Landlock would say EACCES, and a missing right EPERM. */
static void
mounts_are_read_only_whatever_landlock_says(void **state)
{
	struct rig_result res;
	int n = 0;

	run_script(*state,
	    "for f in /new /etc/new /usr/new /usr/lib/new /var/new /dev/new; do "
	    "mkdir $f 2>&1; done",
	    &res);
	for (const char *p = res.log; (p = strstr(p, "Read-only file system")) != NULL; p++)
		n++;
	if (n != 6)
		fail_msg("%s", res.log);
	rig_done(&res);
}

static void
five_devices_are_there(void **state)
{
	prints(*state,
	    "cd /dev; for f in *; do [ -c $f -o -b $f ] && stat -L -c '%n %t:%T' $f; done | grep "
	    "-v std",
	    "full 1:7\nnull 1:3\nrandom 1:8\nurandom 1:9\nzero 1:5\n");
}

static void
wait_for_unmount(int fd)
{
	const struct deadline until = deadline_in_ms(GONE_MS);
	struct inotify_event ev = { 0 };

	while ((ev.mask & IN_UNMOUNT) == 0) {
		assert_false(deadline_passed(until));
		usleep(2000);
		(void)!read(fd, &ev, sizeof(ev));
	}
}

/* An inotify watch does not hold a file system, but hears of its end. */
static void
no_file_system_of_the_host_is_held(void **state)
{
	const struct rig_run run = { .argv = RIG_ARGV("/bin/sleep", "60") };
	char dir[] = "/tmp/wardian-held-XXXXXX";
	struct rig *r = *state;
	struct rig_result res;
	int fd;

	if (!rig_root_is_mount())
		skip(); /* a chroot: what is unmounted here stays mounted for the spawner */
	assert_non_null(mkdtemp(dir));
	assert_int_equal(mount("held", dir, "tmpfs", 0, NULL), 0);
	fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	assert_true(inotify_add_watch(fd, dir, IN_ATTRIB) >= 0);
	r->slot = 5; /* whose zygote is made now, of what the spawner has mounted now */
	rig_start(r, &run, &res);
	rig_wait_started(r, &res, WAIT_MS);
	r->slot = 0;
	assert_int_equal(umount2(dir, MNT_DETACH), 0);
	must_have_started(&res);
	wait_for_unmount(fd);
	close(fd);
	assert_int_equal(rmdir(dir), 0); /* which would take it from everybody */
	rig_send(r, SANDBOX_KILL, &res.id);
	rig_wait(r, &res, WAIT_MS);
	rig_done(&res);
}

/* --- Landlock -------------------------------------------------------------------------------- */

/* Anybody may make a character device without a number, wherever he may write (whiteouts). */
static void
landlock_stands_behind_the_mounts(void **state)
{
	struct rig_result res;

	run_script(*state, "mknod /work/hole c 0 0 2>&1", &res);
	assert_non_null(strstr(res.log, "Permission denied"));
	rig_done(&res);
}

/* --- a cell that waited ---------------------------------------------------------------------- */

/* The next run asks for another scratch space than that with which its cell was made. */
static void
a_cell_that_waited_has_the_limits_of_its_run(void **state)
{
	static const char script[] =
	    "df -B1 --output=size /work | tail -1 | tr -d ' '; df --output=itotal /tmp | tail -1 "
	    "| tr -d ' '";
	struct sandbox_limits l = rig_limits();
	struct deadline until = deadline_in_ms(WAIT_MS);
	struct rig *r = *state;
	struct rig_result res;
	char want[64];

	run_limited(r, script, &l, &res);
	rig_done(&res);
	while (rig_idle_cells(r) == 0) {
		assert_false(deadline_passed(until));
		usleep(2000);
	}
	l.scratch_bytes /= 2;
	l.scratch_files /= 2;
	run_limited(r, script, &l, &res);
	snprintf(want, sizeof(want), "%jd\n%jd\n", (intmax_t)l.scratch_bytes,
	    (intmax_t)l.scratch_files + 4);
	assert_string_equal(res.log, want);
	rig_done(&res);
}

/* A run with CPUs of its own loads the small layer of the filter later than others. */
static void
the_walls_hold_for_a_pinned_run(void **state)
{
	const struct rig_run run = {
		.argv = RIG_ARGV("/work/probe", "refusals"), .probe = true, .cpus = 1
	};
	struct rig_result res;

	rig_do(*state, &run, &res);
	must_have_started(&res);
	assert_string_equal(res.log, "");
	assert_int_equal(res.exit.exit_code, 0);
	rig_done(&res);
}

/* --- the end --------------------------------------------------------------------------------- */

/* What the main process leaves behind ends with it, and is not waited for. */
static void
nobody_outlives_the_main_process(void **state)
{
	struct rig_result res;

	run_script(*state, "setsid sleep 2.5 & sleep 0.1", &res);
	assert_true(res.exit.wall_ns < INT64_C(2000) * MS);
	rig_done(&res);
}

/* --- directories of the daemon --------------------------------------------------------------- */

static void
shell(const struct rig_result *res, const char *words)
{
	char command[1024];

	snprintf(command, sizeof(command), "run=$(dirname %s) tenant=$(dirname $(dirname %s)); %s",
	    res->out, res->out, words);
	assert_int_equal(system(command), 0);
}

/* Prepares a run, lets the words change its directory, and starts it. */
static void
is_refused_after(
    struct rig *r, const char *words, const char *undo, enum sandbox_step step, int sys)
{
	const struct rig_run run = { .argv = RIG_ARGV("/usr/bin/true") };
	struct sandbox_request q = {
		.protocol = SANDBOX_PROTOCOL, .verb = SANDBOX_START, .limits = rig_limits()
	};
	struct rig_result res;
	struct err e = { 0 };

	rig_prepare(r, &run, &res);
	shell(&res, words);
	q.id = res.id;
	assert_int_equal(sandbox_send(r->fd, &q, &e), 0);
	rig_wait(r, &res, WAIT_MS);
	shell(&res, undo);
	if (!res.failed)
		fail_msg("started after: %s", words);
	assert_string_equal(sandbox_step_name(res.step), sandbox_step_name(step));
	assert_string_equal(strerrorname_np(res.sys), strerrorname_np(sys));
	rig_done(&res);
}

static void
a_run_directory_behind_a_link_is_refused(void **state)
{
	is_refused_after(*state, "mv $run $run.away && ln -s $run.away $run", "true",
	    SANDBOX_STEP_RUN_DIR, ELOOP);
	is_refused_after(*state, "mv $run $run.away && ln -s $(basename $run).away $run", "true",
	    SANDBOX_STEP_RUN_DIR, ELOOP);
	is_refused_after(*state,
	    "mv $tenant $tenant.away && ln -s $(basename $tenant).away $tenant",
	    "rm $tenant && mv $tenant.away $tenant", SANDBOX_STEP_RUN_DIR, ELOOP);
}

static void
a_run_directory_of_somebody_else_is_refused(void **state)
{
	is_refused_after(*state, "chown 4242 $run", "true", SANDBOX_STEP_RUN_DIR, EPERM);
}

static void
a_launch_file_behind_a_link_is_refused(void **state)
{
	is_refused_after(*state, "mv $run/launch $run/there && ln -s there $run/launch", "true",
	    SANDBOX_STEP_LAUNCH_FILE, ELOOP);
}

static void
inputs_behind_a_link_are_refused(void **state)
{
	is_refused_after(*state, "mv $run/in $run/there && ln -s there $run/in", "true",
	    SANDBOX_STEP_INPUTS, ENOTDIR);
}

static void
nothing_of_the_daemons_lies_among_the_outputs(void **state)
{
	static const char *const names[] = { ".", "..", "exit", "log", "log.index", "files",
		"usage" };
	const struct dirent *entry;
	struct rig_result res;
	struct stat st;
	DIR *d;

	run_script(*state, "echo log; echo file >file", &res);
	assert_int_equal(lstat(res.out, &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	d = opendir(res.out);
	assert_non_null(d);
	while ((entry = readdir(d)) != NULL) {
		bool known = false;

		for (size_t i = 0; i < ARRAY_LEN(names); i++)
			known = known || strcmp(entry->d_name, names[i]) == 0;
		if (!known)
			fail_msg("%s was there before the run", entry->d_name);
	}
	closedir(d);
	rig_done(&res);
}

/* What failed in the middle of a run leaves it there. */
static int
end_runs(void **state)
{
	rig_end_all(*state);
	return 0;
}

#define ONE(test) cmocka_unit_test_teardown(test, end_runs)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ONE(a_run_starts_and_ends),
		ONE(no_core_is_dumped),
		ONE(the_stack_is_limited),
		ONE(locked_memory_is_limited),
		ONE(message_queues_are_limited),
		ONE(pending_signals_are_limited),
		ONE(niceness_cannot_be_lowered),
		ONE(no_process_is_real_time),
		ONE(files_are_no_larger_than_the_scratch),
		ONE(stdin_is_dev_null),
		ONE(files_are_nobody_elses_to_write),
		ONE(no_signal_is_ignored_or_blocked),
		ONE(it_leads_a_session_of_its_own),
		ONE(its_host_has_another_name),
		ONE(a_simulation_of_one_uid_is_the_first_to_be_killed),
		ONE(every_mount_has_its_flags),
		ONE(no_mount_of_the_host_comes_in_later),
		ONE(proc_shows_ones_own_processes_alone),
		ONE(mounts_are_read_only_whatever_landlock_says),
		ONE(five_devices_are_there),
		ONE(no_file_system_of_the_host_is_held),
		ONE(landlock_stands_behind_the_mounts),
		ONE(a_cell_that_waited_has_the_limits_of_its_run),
		ONE(the_walls_hold_for_a_pinned_run),
		ONE(nobody_outlives_the_main_process),
		ONE(a_run_directory_behind_a_link_is_refused),
		ONE(a_run_directory_of_somebody_else_is_refused),
		ONE(a_launch_file_behind_a_link_is_refused),
		ONE(inputs_behind_a_link_are_refused),
		ONE(nothing_of_the_daemons_lies_among_the_outputs),
	};

	return cmocka_run_group_tests_name("layers", tests, open_rig, close_rig);
}
