/* SPDX-License-Identifier: Apache-2.0 */
/* Deaths of daemon, worker, zygote and keeper, and what must not be left behind. */
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

/* The list as the spawner tells it now; true when the run is on it. */
static bool
listed(struct rig *r, const struct rig_result *res, pid_t *ret_pid)
{
	struct sandbox_event ev;
	bool found = false;

	rig_send(r, SANDBOX_LIST, NULL);
	while (rig_event(r, &ev, 10000) && ev.kind != SANDBOX_LIST_END) {
		if (ev.kind != SANDBOX_LISTED || memcmp(&ev.id, &res->id, sizeof(ev.id)) != 0)
			continue;
		found = true;
		*ret_pid = ev.pid;
	}
	return found;
}

static void
kill_worker(struct rig *r)
{
	pid_t worker = rig_worker(r);

	assert_true(worker > 1);
	assert_int_equal(kill(worker, SIGKILL), 0);
	rig_connect(r);
	assert_true(rig_worker(r) != worker);
}

static void
a_run_outlives_its_daemon(void **state)
{
	struct rig *r = *state;
	struct rig_result res;
	pid_t pid = -1;

	start_sleeper(r, "echo before; sleep 1; echo after", &res);
	fd_close(&r->fd);
	usleep(100000);
	rig_connect(r);
	assert_true(listed(r, &res, &pid));
	assert_int_equal(pid, res.pid);
	rig_wait(r, &res, 10000);
	rig_collect(r, &res);
	assert_int_equal(res.exit.outcome, SANDBOX_EXITED);
	assert_string_equal(res.log, "before\nafter\n");
	rig_done(&res);
}

static void
a_run_outlives_the_worker_and_is_adopted(void **state)
{
	struct rig *r = *state;
	struct rig_result res;
	pid_t pid = -1;

	start_sleeper(r, "echo before; sleep 2; echo after; exit 5", &res);
	kill_worker(r);
	assert_true(listed(r, &res, &pid));
	assert_int_equal(pid, res.pid);
	rig_wait(r, &res, 10000);
	assert_true(res.ended);
	rig_collect(r, &res);
	assert_int_equal(res.exit.outcome, SANDBOX_EXITED);
	assert_int_equal(res.exit.exit_code, 5);
	assert_string_equal(res.log, "before\nafter\n");
	assert_true(rig_quiet(r, 5000));
	rig_done(&res);
}

static void
a_run_outlives_the_whole_spawner(void **state)
{
	static const int signals[] = { SIGTERM, SIGKILL };
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		struct rig_result res;
		pid_t pid = -1;

		start_sleeper(r, "echo before; sleep 2; echo after; exit 5", &res);
		rig_restart(r, signals[i]);
		assert_true(listed(r, &res, &pid));
		assert_int_equal(pid, res.pid);
		rig_wait(r, &res, 10000);
		rig_collect(r, &res);
		assert_int_equal(res.exit.exit_code, 5);
		assert_string_equal(res.log, "before\nafter\n");
		assert_true(rig_quiet(r, 5000));
		rig_done(&res);
	}
}

static void
an_adopted_run_can_be_stopped(void **state)
{
	struct rig *r = *state;
	struct rig_result res;

	start_sleeper(r, "sleep 60", &res);
	kill_worker(r);
	rig_send(r, SANDBOX_STOP, &res.id);
	rig_wait(r, &res, 10000);
	rig_collect(r, &res);
	assert_int_equal(res.exit.outcome, SANDBOX_STOPPED);
	assert_true(rig_quiet(r, 5000));
	rig_done(&res);
}

static void
a_run_that_ends_while_no_worker_lives_leaves_its_record(void **state)
{
	struct rig *r = *state;
	struct rig_result res;
	char path[512];
	pid_t pid;

	start_sleeper(r, "sleep 0.3; exit 9", &res);
	pid = rig_worker(r);
	assert_int_equal(kill(pid, SIGSTOP), 0);
	snprintf(path, sizeof(path), "%s/exit", res.out);
	for (int i = 0; access(path, F_OK) < 0 && i < 1000; i++)
		usleep(10000);
	assert_int_equal(kill(pid, SIGKILL), 0);
	rig_connect(r);
	assert_false(listed(r, &res, &pid));
	rig_collect(r, &res);
	assert_true(res.has_exit);
	assert_int_equal(res.exit.exit_code, 9);
	assert_true(rig_quiet(r, 5000));
	rig_done(&res);
}

static void
a_killed_keeper_takes_everything_with_it_and_leaves_no_record(void **state)
{
	struct rig *r = *state;
	struct rig_result res;

	start_sleeper(r, "sleep 60 & sleep 60", &res);
	assert_int_equal(kill(res.pid, SIGKILL), 0);
	rig_wait(r, &res, 10000);
	assert_true(res.ended);
	rig_collect(r, &res);
	assert_false(res.has_exit);
	assert_true(rig_quiet(r, 5000));
	rig_done(&res);
}

static void
a_second_kill_ends_the_keeper_itself(void **state)
{
	struct rig *r = *state;
	struct rig_result res;

	start_sleeper(r, "sleep 60", &res);
	assert_int_equal(kill(res.pid, SIGSTOP), 0);
	rig_send(r, SANDBOX_KILL, &res.id);
	rig_send(r, SANDBOX_KILL, &res.id);
	rig_wait(r, &res, 10000);
	assert_true(res.ended);
	rig_collect(r, &res);
	assert_false(res.has_exit);
	rig_done(&res);
}

/* PID 1 of a pid namespace under a keeper's uid with a keeper's arguments; its pid here. */
static pid_t
fake_keeper(const struct rig *r, const struct rig_result *res, char *version)
{
	char name[] = "wardian-keeper", group[] = "g0", path[ID_RUN_PATH_SIZE];
	char *const argv[] = { name, path, group, version, NULL };
	int pids[2];
	pid_t pid = -1, outer;

	id_run_path(res->id.tenant, res->id.run, res->id.epoch, path);
	assert_int_equal(pipe2(pids, O_CLOEXEC), 0);
	outer = fork();
	if (outer == 0) {
		if (unshare(CLONE_NEWPID) < 0)
			_exit(1);
		pid = fork();
		if (pid != 0)
			_exit(write(pids[1], &pid, sizeof(pid)) != sizeof(pid));
		if (setgid(r->uid_base) < 0 || setuid(r->uid_base) < 0)
			_exit(1);
		execv(WARDIAN_BUILD_DIR "/tests/sbx-probe", argv);
		_exit(1);
	}
	close(pids[1]);
	assert_int_equal(read(pids[0], &pid, sizeof(pid)), sizeof(pid));
	close(pids[0]);
	assert_int_equal(waitpid(outer, NULL, 0), outer);
	return pid;
}

static void
a_keeper_of_a_later_release_is_listed_and_ended_only_as_a_whole(void **state)
{
	struct rig *r = *state;
	const struct rig_run run = { .argv = RIG_ARGV("/usr/bin/true") };
	struct rig_result res;
	char version[] = "9";
	pid_t pid, found = -1;

	rig_do(r, &run, &res);
	pid = fake_keeper(r, &res, version);
	assert_true(pid > 1);
	usleep(50000); /* its exec */
	kill_worker(r);
	assert_true(listed(r, &res, &found));
	assert_int_equal(found, pid);
	assert_int_equal(kill(pid, 0), 0);
	res.ended = false;
	rig_send(r, SANDBOX_KILL, &res.id);
	rig_wait(r, &res, 10000);
	assert_true(res.ended);
	assert_true(rig_quiet(r, 5000));
	rig_done(&res);
}

static void
wait_idle_cells(struct rig *r, int n)
{
	struct deadline until = deadline_in_ms(10000);

	while (rig_idle_cells(r) != n) {
		assert_false(deadline_passed(until));
		usleep(2000);
	}
}

static void
do_true(struct rig *r)
{
	const struct rig_run run = { .argv = RIG_ARGV("/usr/bin/true") };
	struct rig_result res;

	rig_do(r, &run, &res);
	if (!res.ended)
		fail_msg("%s: %s", sandbox_step_name(res.step), strerror(res.sys));
	assert_true(res.has_exit);
	assert_int_equal(res.exit.outcome, SANDBOX_EXITED);
	rig_done(&res);
}

static void
cells_that_wait_end_with_the_worker(void **state)
{
	struct rig *r = *state;

	do_true(r);
	wait_idle_cells(r, 2);
	kill_worker(r);
	wait_idle_cells(r, 0);
	do_true(r);
}

static void
a_run_outlives_its_zygote_and_the_next_one_gets_another(void **state)
{
	struct rig *r = *state;
	struct rig_result res;
	pid_t zygote;

	start_sleeper(r, "echo before; sleep 0.5; echo after; exit 5", &res);
	zygote = rig_zygote(r);
	assert_true(zygote > 1);
	assert_int_equal(kill(zygote, SIGKILL), 0);
	do_true(r); /* in a cell that the dead one made, maybe */
	do_true(r);
	do_true(r);
	assert_true(rig_zygote(r) > 1);
	assert_true(rig_zygote(r) != zygote);
	rig_wait(r, &res, 10000);
	rig_collect(r, &res);
	assert_int_equal(res.exit.exit_code, 5);
	assert_string_equal(res.log, "before\nafter\n");
	rig_done(&res);
}

static void
cells_that_were_killed_while_they_waited_cost_no_run(void **state)
{
	struct rig *r = *state;

	for (int i = 0; i < 10; i++) {
		do_true(r);
		wait_idle_cells(r, 2);
		rig_kill_idle_cells(r);
		/* One that is killed when it has its order takes its run with it. */
		wait_idle_cells(r, 0);
		assert_true(rig_quiet(r, 10000));
	}
	do_true(r);
}

static void
stop_and_kill_reach_a_run_that_has_not_started(void **state)
{
	struct rig *r = *state;
	const struct rig_run run = { .argv = RIG_ARGV("/bin/sleep", "60") };

	for (int i = 0; i < 40; i++) {
		struct rig_result res;

		rig_start(r, &run, &res);
		usleep((useconds_t)(i % 20) * 100);
		rig_send(r, i < 20 ? SANDBOX_STOP : SANDBOX_KILL, &res.id);
		rig_wait(r, &res, 10000);
		assert_true(res.ended);
		rig_collect(r, &res);
		assert_int_equal(res.exit.outcome, SANDBOX_STOPPED);
		rig_done(&res);
	}
	for (int i = 0; i < 20; i++) {
		struct rig_result res;

		rig_start(r, &run, &res);
		usleep((useconds_t)i * 100);
		rig_send(r, SANDBOX_KILL, &res.id);
		rig_send(r, SANDBOX_KILL, &res.id);
		rig_wait(r, &res, 10000);
		assert_true(res.ended || res.failed);
		rig_done(&res);
	}
	assert_true(rig_quiet(r, 5000));
}

/* Two of three hit the zygote or a cell, whose runs the worker still knows. */
static void
kill_something(struct rig *r, int i, struct rig_result *res)
{
	const pid_t victim = i % 3 == 0 ? rig_worker(r) : i % 3 == 1 ? rig_zygote(r) : 0;

	if (i % 3 == 2)
		rig_kill_idle_cells(r);
	else if (victim > 1)
		kill(victim, SIGKILL);
	if (i % 3 != 0) {
		rig_wait(r, res, 10000);
		assert_true(res->ended || res->failed);
	} else if (i % 12 == 9) {
		rig_restart(r, SIGKILL); /* a monitor gives up after five workers */
	} else {
		rig_connect(r);
	}
}

static void
kills_at_any_moment_leave_nothing_behind(void **state)
{
	struct rig *r = *state;
	const struct rig_run run = { .argv = RIG_ARGV("/bin/sh", "-c", "sleep 0.01") };
	unsigned seed = 1;

	for (int i = 0; i < 200; i++) {
		struct rig_result res;

		rig_start(r, &run, &res);
		usleep((useconds_t)(rand_r(&seed) % 3000));
		kill_something(r, i, &res);
		rig_done(&res);
	}
	assert_true(rig_quiet(r, 10000));
	do_true(r);
}

static void
forty_runs_at_once_all_end_and_leave_nothing(void **state)
{
	struct rig *r = *state;
	const struct rig_run run = { .argv = RIG_ARGV("/bin/sh", "-c", "echo $$; exit 3") };
	struct rig_result res[40];
	struct sandbox_event ev;
	size_t ended = 0;

	for (size_t i = 0; i < ARRAY_LEN(res); i++) {
		r->slot = (uint32_t)i % 5;
		rig_start(r, &run, &res[i]);
	}
	r->slot = 0;
	while (ended < ARRAY_LEN(res) && rig_event(r, &ev, 30000)) {
		assert_int_not_equal(ev.kind, SANDBOX_FAILED);
		ended += ev.kind == SANDBOX_ENDED;
	}
	assert_int_equal(ended, ARRAY_LEN(res));
	for (size_t i = 0; i < ARRAY_LEN(res); i++) {
		rig_collect(r, &res[i]);
		assert_int_equal(res[i].exit.exit_code, 3);
		/* Two that were before it made its user namespace. */
		assert_string_equal(res[i].log, r->mode == RIG_ROOT ? "2\n" : "4\n");
		rig_done(&res[i]);
	}
	assert_true(rig_quiet(r, 10000));
}

static void
a_worker_killed_in_the_middle_of_starts_leaves_nothing_alive_unknown(void **state)
{
	struct rig *r = *state;
	const struct rig_run run = { .argv = RIG_ARGV("/bin/sh", "-c", "sleep 0.2") };
	struct rig_result res;

	for (int i = 0; i < 2; i++) {
		rig_start(r, &run, &res);
		usleep((useconds_t)(300 + 700 * i));
		assert_int_equal(kill(rig_worker(r), SIGKILL), 0);
		rig_connect(r);
		rig_done(&res);
	}
	assert_true(rig_quiet(r, 10000));
}

int
main(void)
{
	const struct CMUnitTest early[] = {
		cmocka_unit_test(a_run_outlives_its_daemon),
		cmocka_unit_test(a_run_outlives_the_worker_and_is_adopted),
		cmocka_unit_test(a_run_outlives_the_whole_spawner),
		cmocka_unit_test(an_adopted_run_can_be_stopped),
		cmocka_unit_test(a_run_that_ends_while_no_worker_lives_leaves_its_record),
		cmocka_unit_test(a_keeper_of_a_later_release_is_listed_and_ended_only_as_a_whole),
	};
	const struct CMUnitTest zygote[] = {
		cmocka_unit_test(cells_that_wait_end_with_the_worker),
		cmocka_unit_test(a_run_outlives_its_zygote_and_the_next_one_gets_another),
		cmocka_unit_test(cells_that_were_killed_while_they_waited_cost_no_run),
		cmocka_unit_test(stop_and_kill_reach_a_run_that_has_not_started),
	};
	const struct CMUnitTest kills[] = {
		cmocka_unit_test(kills_at_any_moment_leave_nothing_behind),
	};
	/* A spawner of its own: a worker may die only so often within a minute. */
	const struct CMUnitTest late[] = {
		cmocka_unit_test(a_killed_keeper_takes_everything_with_it_and_leaves_no_record),
		cmocka_unit_test(a_second_kill_ends_the_keeper_itself),
		cmocka_unit_test(forty_runs_at_once_all_end_and_leave_nothing),
		cmocka_unit_test(
		    a_worker_killed_in_the_middle_of_starts_leaves_nothing_alive_unknown),
	};

	return cmocka_run_group_tests_name("adoption", early, rig_suite_open, rig_suite_close) +
	       cmocka_run_group_tests_name("zygote", zygote, rig_suite_open, rig_suite_close) +
	       cmocka_run_group_tests_name("kills", kills, rig_suite_open, rig_suite_close) +
	       cmocka_run_group_tests_name("survive", late, rig_suite_open, rig_suite_close);
}
