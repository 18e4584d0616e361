/* SPDX-License-Identifier: Apache-2.0 */
/* The spawner's manners: what it refuses, whom it hears, how it starts and ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "clock.h"
#include "fd.h"
#include "rig.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void
start_sleeper(struct rig *r, const char *script, struct rig_result *res)
{
	const struct rig_run run = { .argv = RIG_ARGV("/bin/sh", "-c", script) };

	rig_start(r, &run, res);
	rig_wait_started(r, res, 10000);
	assert_true(res->started);
}

static void
a_run_cannot_be_started_twice(void **state)
{
	struct rig *r = *state;
	struct sandbox_request q = {
		.protocol = SANDBOX_PROTOCOL, .verb = SANDBOX_START, .limits = rig_limits()
	};
	struct rig_result res;
	struct err e = { 0 };

	start_sleeper(r, "sleep 1", &res);
	q.id = res.id;
	assert_int_equal(sandbox_send(r->fd, &q, &e), 0);
	rig_wait(r, &res, 10000);
	assert_true(res.refused);
	assert_int_equal(res.sys, EEXIST);
	res.refused = false;
	rig_wait(r, &res, 10000);
	assert_true(res.ended);
	res.ended = false;
	assert_int_equal(sandbox_send(r->fd, &q, &e), 0);
	rig_wait(r, &res, 10000);
	assert_true(res.refused);
	assert_int_equal(res.step, SANDBOX_STEP_RUN_DIR);
	assert_int_equal(res.sys, EEXIST);
	rig_collect(r, &res);
	assert_true(res.has_exit);
	rig_done(&res);
}

static void
stop_of_a_run_that_is_over_says_so(void **state)
{
	struct rig *r = *state;
	const struct rig_run run = { .argv = RIG_ARGV("/usr/bin/true") };
	struct rig_result res;

	rig_do(r, &run, &res);
	res.ended = false;
	rig_send(r, SANDBOX_STOP, &res.id);
	rig_wait(r, &res, 10000);
	assert_true(res.ended);
	rig_done(&res);
}

static void
impossible_starts_are_refused_with_the_check_that_failed(void **state)
{
	struct rig *r = *state;
	struct sandbox_request q = {
		.protocol = SANDBOX_PROTOCOL, .verb = SANDBOX_START, .limits = rig_limits()
	};
	struct sandbox_event ev;
	struct err e = { 0 };

	q.id = (struct sandbox_run_id){ .tenant = r->tenant, .run = uuid_v7(), .epoch = 1 };
	assert_int_equal(sandbox_send(r->fd, &q, &e), 0);
	assert_true(rig_event(r, &ev, 10000));
	assert_int_equal(ev.kind, SANDBOX_FAILED);
	assert_int_equal(ev.step, SANDBOX_STEP_RUN_DIR);
	assert_int_equal(ev.sys, ENOENT);
	q.limits.memory_bytes = -1;
	assert_int_equal(sandbox_send(r->fd, &q, &e), 0);
	assert_true(rig_event(r, &ev, 10000));
	assert_int_equal(ev.kind, SANDBOX_REFUSED);
	assert_int_equal(ev.step, SANDBOX_STEP_LIMITS);
	q.limits = rig_limits();
	q.uid_slot = UINT32_MAX;
	assert_int_equal(sandbox_send(r->fd, &q, &e), 0);
	assert_true(rig_event(r, &ev, 10000));
	assert_int_equal(ev.kind, SANDBOX_REFUSED);
	assert_int_equal(ev.step, SANDBOX_STEP_USER_MAP);
	q.reserved = 1;
	assert_int_equal(sandbox_send(r->fd, &q, &e), 0);
	assert_true(rig_event(r, &ev, 10000));
	assert_int_equal(ev.kind, SANDBOX_REFUSED);
	assert_int_equal(ev.step, SANDBOX_STEP_RECORD);
}

static void
a_missing_launch_file_fails_the_start_and_leaves_nothing(void **state)
{
	struct rig *r = *state;
	const struct rig_run run = { .argv = RIG_ARGV("/usr/bin/true") };
	struct sandbox_request q = {
		.protocol = SANDBOX_PROTOCOL, .verb = SANDBOX_START, .limits = rig_limits()
	};
	struct rig_result res;
	char command[1024];
	struct err e = { 0 };

	/* A run that is over, then its directory as if it had never been and without a launch file.
	 */
	rig_do(r, &run, &res);
	snprintf(command, sizeof(command), "rm '%s/../launch' && rm -rf '%s'", res.out, res.out);
	assert_int_equal(system(command), 0);
	q.id = res.id;
	res.ended = res.started = false;
	assert_int_equal(sandbox_send(r->fd, &q, &e), 0);
	rig_wait(r, &res, 10000);
	assert_true(res.failed);
	assert_int_equal(res.step, SANDBOX_STEP_LAUNCH_FILE);
	assert_int_equal(res.sys, ENOENT);
	assert_true(access(res.out, F_OK) < 0);
	assert_true(rig_quiet(r, 5000));
	rig_done(&res);
}

static int
raw_connect(const struct rig *r)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	int rc;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/spawner.sock", r->dir);
	if (geteuid() != 0)
		rc = connect(fd, (struct sockaddr *)&addr, sizeof(addr)); /* as who this is */
	else {
		rig_as_daemon(r);
		rc = connect(fd, (struct sockaddr *)&addr, sizeof(addr));
		rig_as_root(r);
	}
	if (rc == 0)
		return fd;
	close(fd);
	return -1;
}

static void
malformed_records_are_refused_and_the_spawner_lives(void **state)
{
	struct rig *r = *state;
	pid_t worker = rig_worker(r);
	int fd = raw_connect(r);
	struct sandbox_event ev;

	assert_true(fd >= 0);
	for (size_t n = 1; n < 400; n += 7) {
		char bytes[400];

		memset(bytes, (int)n, sizeof(bytes));
		assert_int_equal(send(fd, bytes, n, 0), (ssize_t)n);
		assert_int_equal(recv(fd, &ev, sizeof(ev), 0), sizeof(ev));
		assert_int_equal(ev.kind, SANDBOX_REFUSED);
		assert_int_equal(ev.step, SANDBOX_STEP_RECORD);
	}
	close(fd);
	assert_int_equal(rig_worker(r), worker);
}

static void
strangers_cannot_speak_to_the_spawner(void **state)
{
	struct rig *r = *state;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		/* Another user with the daemon's group, who passes the socket's mode. */
		char byte;
		int fd;

		if (setgid(r->gid) < 0 || setuid(4242) < 0)
			_exit(2);
		fd = raw_connect(r);
		if (fd < 0)
			_exit(0);
		_exit(recv(fd, &byte, 1, 0) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void
a_fifth_connection_closes_the_oldest_and_the_newest_hears(void **state)
{
	struct rig *r = *state;
	struct rig_result res;
	int older[5];
	char byte;

	for (size_t i = 0; i < ARRAY_LEN(older); i++)
		assert_true((older[i] = raw_connect(r)) >= 0);
	rig_connect(r);
	assert_int_equal(recv(older[0], &byte, 1, 0), 0);
	start_sleeper(r, "exit 0", &res);
	rig_wait(r, &res, 10000);
	assert_true(res.ended);
	for (size_t i = 0; i < ARRAY_LEN(older); i++)
		close(older[i]);
	rig_done(&res);
}

static void
a_second_spawner_on_the_same_directory_refuses(void **state)
{
	struct rig *r = *state;
	char command[512];

	snprintf(command, sizeof(command),
	    WARDIAN_BUILD_DIR "/wardian-spawner --state %s --user root --uid-base 1900000000 "
			      "--keeper " WARDIAN_BUILD_DIR "/wardian-keeper 2>/dev/null",
	    r->dir);
	assert_true(system(command) != 0);
}

static void
it_goes_to_the_background_when_ready_and_ends_when_nobody_needs_it(void **state)
{
	char dir[] = "/tmp/wardian-idle-XXXXXX";
	char command[512], path[64];
	struct sandbox_event ready;
	struct deadline until;
	struct err e = { 0 };
	struct stat st;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(command, sizeof(command),
	    WARDIAN_BUILD_DIR "/wardian-spawner --state %s --user nobody --uid-base 1900000000 "
			      "--keeper " WARDIAN_BUILD_DIR "/wardian-keeper",
	    dir);
	assert_int_equal(system(command), 0);
	snprintf(path, sizeof(path), "%s/spawner.sock", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(st.st_gid, 65534);
	assert_int_equal(sandbox_connect(path, &fd, &ready, &e), 0);
	close(fd);
	until = deadline_in_ms(15000);
	while (access(path, F_OK) == 0 && !deadline_passed(until))
		usleep(20000);
	assert_true(access(path, F_OK) < 0);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

/* Mounts of most hosts are shared, which a chroot's tree inherits. */
static void
it_starts_in_a_chroot_on_shared_mounts(void **state)
{
	char dir[] = "/tmp/wardian-chroot-XXXXXX";
	char command[1024], path[64];
	struct sandbox_event ready;
	struct err e = { 0 };
	int fd;

	(void)state;
	if (!rig_root_is_mount())
		skip(); /* this is a chroot already; the other tests started their spawners in it */
	assert_non_null(mkdtemp(dir));
	snprintf(command, sizeof(command),
	    "mkdir %s/root %s/state && exec unshare -m --propagation shared sh -c '"
	    "mount --rbind / %s/root && exec chroot %s/root " WARDIAN_BUILD_DIR "/wardian-spawner "
	    "--state %s/state --user nobody --uid-base 1900000000 --keeper " WARDIAN_BUILD_DIR
	    "/wardian-keeper'",
	    dir, dir, dir, dir, dir);
	assert_int_equal(system(command), 0);
	snprintf(path, sizeof(path), "%s/state/spawner.sock", dir);
	assert_int_equal(sandbox_connect(path, &fd, &ready, &e), 0);
	assert_int_equal(ready.weak, 0);
	close(fd);
	for (struct deadline until = deadline_in_ms(15000); access(path, F_OK) == 0;) {
		assert_false(deadline_passed(until));
		usleep(20000);
	}
	snprintf(command, sizeof(command), "rm -r --one-file-system %s", dir);
	assert_int_equal(system(command), 0);
}

static void
paths_that_a_chroot_would_turn_are_refused(void **state)
{
	(void)state;
	assert_int_not_equal(
	    system(
		"cd /tmp && " WARDIAN_BUILD_DIR "/wardian-spawner --state . --user nobody "
		"--uid-base 1900000000 --keeper " WARDIAN_BUILD_DIR "/wardian-keeper 2>/dev/null"),
	    0);
}

static void
the_spawner_has_no_network_and_few_capabilities(void **state)
{
	struct rig *r = *state;
	char path[64], line[256], own[64], theirs[64];
	unsigned long long bounding = ~0ull;
	int nnp = -1;
	ssize_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", rig_worker(r));
	f = fopen(path, "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		(void)sscanf(line, "CapBnd: %llx", &bounding);
		(void)sscanf(line, "NoNewPrivs: %d", &nnp);
	}
	fclose(f);
	assert_int_equal(nnp, 1);
	/* An ordinary user's are of its own user namespace; one more maps the only id in it. */
	assert_true(__builtin_popcountll(bounding) <= (r->mode == RIG_ROOT ? 13 : 14));
	snprintf(path, sizeof(path), "/proc/%d/ns/net", rig_worker(r));
	n = readlink(path, theirs, sizeof(theirs) - 1);
	assert_true(n > 0);
	theirs[n] = '\0';
	n = readlink("/proc/self/ns/net", own, sizeof(own) - 1);
	assert_true(n > 0);
	own[n] = '\0';
	assert_string_not_equal(own, theirs);
}

static void
purge_removes_a_half_made_run_and_keeps_a_finished_one(void **state)
{
	struct rig *r = *state;
	const struct rig_run run = { .argv = RIG_ARGV("/usr/bin/true") };
	struct sandbox_event ev;
	struct rig_result res;
	char path[512];

	rig_do(r, &run, &res);
	rig_send(r, SANDBOX_PURGE, &res.id);
	assert_true(rig_event(r, &ev, 10000));
	assert_int_equal(ev.kind, SANDBOX_PURGED);
	snprintf(path, sizeof(path), "%s/exit", res.out);
	assert_int_equal(access(path, F_OK), 0);
	rig_done(&res);

	start_sleeper(r, "sleep 60", &res);
	rig_send(r, SANDBOX_PURGE, &res.id);
	rig_wait(r, &res, 10000);
	assert_true(res.refused);
	assert_int_equal(res.sys, EBUSY);
	assert_int_equal(kill(res.pid, SIGKILL), 0);
	res.refused = false;
	rig_wait(r, &res, 10000);
	assert_true(res.ended);
	rig_send(r, SANDBOX_PURGE, &res.id);
	assert_true(rig_event(r, &ev, 10000));
	assert_int_equal(ev.kind, SANDBOX_PURGED);
	assert_true(access(res.out, F_OK) < 0);
	rig_done(&res);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_run_cannot_be_started_twice),
		cmocka_unit_test(stop_of_a_run_that_is_over_says_so),
		cmocka_unit_test(impossible_starts_are_refused_with_the_check_that_failed),
		cmocka_unit_test(a_missing_launch_file_fails_the_start_and_leaves_nothing),
		cmocka_unit_test(malformed_records_are_refused_and_the_spawner_lives),
		cmocka_unit_test(strangers_cannot_speak_to_the_spawner),
		cmocka_unit_test(a_fifth_connection_closes_the_oldest_and_the_newest_hears),
		cmocka_unit_test(a_second_spawner_on_the_same_directory_refuses),
		cmocka_unit_test(
		    it_goes_to_the_background_when_ready_and_ends_when_nobody_needs_it),
		cmocka_unit_test(it_starts_in_a_chroot_on_shared_mounts),
		cmocka_unit_test(paths_that_a_chroot_would_turn_are_refused),
		cmocka_unit_test(the_spawner_has_no_network_and_few_capabilities),
		cmocka_unit_test(purge_removes_a_half_made_run_and_keeps_a_finished_one),
	};

	return cmocka_run_group_tests(tests, rig_suite_open, rig_suite_close);
}
