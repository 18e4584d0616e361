/* SPDX-License-Identifier: Apache-2.0 */
/* The local backend against a real spawner: what the scheduler hears, and what it finds on disk. */
/* As source, so that this test needs nothing of the build but its own line; before cmocka.h, which
 * takes the name skip for a macro. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-truncation"
#include "rig.c"
#pragma GCC diagnostic pop

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "compute.h"
#include "loop.h"
#include "object.h"

enum { EVENT_MS = 20000, EVENTS_MAX = 256 };

struct desk {
	struct rig rig;
	struct loop *loop;
	struct loop_timer *patience;
	struct compute *c;
	struct compute_event events[EVENTS_MAX];
	size_t n_events;
	size_t n_looked; /* of them, that a test has waited for or past */
	enum compute_event_kind wanted;
	const char *argv[4][3]; /* of the last runs */
	size_t n_argv;
};

static void
on_event(void *ctx, const struct compute_event *ev)
{
	struct desk *d = ctx;

	assert_true(d->n_events < EVENTS_MAX);
	d->events[d->n_events++] = *ev;
	if (ev->kind == d->wanted)
		loop_stop(d->loop);
}

static void
on_patience(void *arg)
{
	struct desk *d = arg;

	loop_stop(d->loop);
}

static bool
look_for(struct desk *d, enum compute_event_kind kind)
{
	while (d->n_looked < d->n_events)
		if (d->events[d->n_looked++].kind == kind)
			return true;
	return false;
}

/* Runs the loop until the next event of the kind, unless it came together with the last one; false
 * when none comes. */
static bool
await_event(struct desk *d, enum compute_event_kind kind, int64_t ms)
{
	if (look_for(d, kind))
		return true;
	d->wanted = kind;
	loop_timer_start(d->patience, ms, 0);
	loop_run(d->loop);
	loop_timer_stop(d->patience);
	return look_for(d, kind);
}

static void
open_backend(struct desk *d)
{
	char runs[128], socket_path[128];
	struct err e = { 0 };
	struct compute_options o = {
		.on_event = on_event, .ctx = d, .runs_dir = runs, .socket_path = socket_path
	};

	snprintf(runs, sizeof(runs), "%s/runs", d->rig.dir);
	snprintf(socket_path, sizeof(socket_path), "%s/spawner.sock", d->rig.dir);
	assert_int_equal(loop_new(&d->loop, &e), 0);
	assert_int_equal(loop_timer_new(d->loop, on_patience, d, &d->patience, &e), 0);
	o.loop = d->loop;
	assert_int_equal(compute_new(&o, &d->c, &e), 0);
}

static void
close_backend(struct desk *d)
{
	compute_free(d->c);
	loop_timer_free(d->patience);
	loop_free(d->loop);
}

static int
open_desk(void **state)
{
	struct desk *d = calloc(1, sizeof(*d));

	rig_open(&d->rig);
	/* The daemon's own group, by which the keeper reads; all of the daemon where that is the
	 * spawner's user, too. */
	rig_as_daemon(&d->rig);
	if (setegid(d->rig.gid) < 0)
		return -1;
	open_backend(d);
	assert_true(await_event(d, COMPUTE_CONNECTED, EVENT_MS));
	*state = d;
	return 0;
}

static int
close_desk(void **state)
{
	struct desk *d = *state;

	close_backend(d);
	rig_as_root(&d->rig);
	if (setegid(0) < 0)
		return -1;
	rig_close(&d->rig);
	free(d);
	return 0;
}

static struct compute_run
shell_run(struct desk *d, const char *script)
{
	const char **argv = d->argv[d->n_argv++ % ARRAY_LEN(d->argv)];
	static const char *const env[] = { "PATH=/usr/bin:/bin", "HOME=/work" };
	static const struct compute_input inputs[] = { { "deck.in", "from the deck\n", 14 } };

	argv[0] = "/bin/sh";
	argv[1] = "-c";
	argv[2] = script;
	return (
	    struct compute_run){ .id = { .tenant = d->rig.tenant, .run = uuid_v7(), .epoch = 1 },
		.uid_slot = 0,
		.argv = argv,
		.n_argv = 3,
		.env = env,
		.n_env = 2,
		.inputs = inputs,
		.n_inputs = 1,
		.cpu_milli = 1000,
		.memory_bytes = 128 * MIB,
		.disk_bytes = 16 * MIB,
		.processes = 32,
		.wall_ms = 60000,
		.log_bytes = MIB,
		.grace_ms = 500 };
}

static void
prepare_and_start(struct desk *d, const struct compute_run *r)
{
	struct err e = { 0 };

	if (compute_prepare(d->c, r, &e) < 0 || compute_start(d->c, r, &e) < 0)
		fail_msg("%s", e.msg);
}

static char *
read_out(struct desk *d, const struct compute_run_id *id, const char *path)
{
	AUTO_FD int out_fd = -1;
	struct err e = { 0 };
	char *text = NULL;
	size_t n;

	assert_int_equal(compute_open_out(d->c, id, &out_fd, &e), 0);
	assert_int_equal(fd_read_file(out_fd, path, 65536, &text, &n, &e), 0);
	return text;
}

static const struct compute_event *
last_event(const struct desk *d)
{
	return &d->events[d->n_looked - 1];
}

static bool
is_listed(struct desk *d, const struct compute_run_id *id)
{
	size_t from = d->n_events;
	struct err e = { 0 };

	assert_int_equal(compute_list(d->c, &e), 0);
	assert_true(await_event(d, COMPUTE_LIST_END, EVENT_MS));
	for (size_t i = from; i < d->n_events; i++)
		if (d->events[i].kind == COMPUTE_LISTED &&
		    uuid_cmp(d->events[i].id.run, id->run) == 0)
			return true;
	return false;
}

static size_t
scan(struct desk *d)
{
	AUTO(arena) mem = arena_new(1 << 20);
	struct compute_run_id *v;
	struct err e = { 0 };
	size_t n;

	assert_int_equal(compute_scan(d->c, 100, mem, &v, &n, &e), 0);
	return n;
}

static void
a_run_is_told_of_and_leaves_outcome_log_and_files(void **state)
{
	struct desk *d = *state;
	struct compute_run r = shell_run(d, "cat deck.in; echo found > result.txt; exit 3");
	struct compute_outcome o = { 0 };
	struct err e = { 0 };
	size_t before = scan(d);

	prepare_and_start(d, &r);
	assert_int_equal(scan(d), before + 1);
	assert_true(await_event(d, COMPUTE_STARTED, EVENT_MS));
	assert_true(await_event(d, COMPUTE_ENDED, EVENT_MS));
	assert_int_equal(uuid_cmp(last_event(d)->id.run, r.id.run), 0);
	assert_int_equal(compute_outcome(d->c, &r.id, &o, &e), 1);
	assert_int_equal(o.kind, COMPUTE_EXITED);
	assert_int_equal(o.exit_code, 3);
	assert_true(o.wall_ns > 0);
	assert_int_equal(o.output_files, 1);
	AUTO_FREE char *log = read_out(d, &r.id, "log");
	AUTO_FREE char *file = read_out(d, &r.id, "files/result.txt");
	assert_string_equal(log, "from the deck\n");
	assert_string_equal(file, "found\n");
	assert_int_equal(compute_purge(d->c, &r.id, &e), 0);
	assert_int_equal(compute_tidy(d->c, &r.id, &e), 0);
	assert_int_equal(scan(d), before);
	assert_int_equal(compute_outcome(d->c, &r.id, &o, &e), 1);
}

static void
a_run_that_is_stopped_says_so(void **state)
{
	struct desk *d = *state;

	for (int at_once = 0; at_once <= 1; at_once++) {
		struct compute_run r = shell_run(d, "echo up; sleep 100");
		struct compute_outcome o = { 0 };
		struct err e = { 0 };

		prepare_and_start(d, &r);
		assert_true(await_event(d, COMPUTE_STARTED, EVENT_MS));
		assert_true(is_listed(d, &r.id));
		assert_int_equal(compute_stop(d->c, &r.id, at_once == 1, &e), 0);
		assert_true(await_event(d, COMPUTE_ENDED, EVENT_MS));
		assert_int_equal(compute_outcome(d->c, &r.id, &o, &e), 1);
		assert_int_equal(o.kind, COMPUTE_STOPPED);
		assert_false(is_listed(d, &r.id));
	}
}

static void
a_program_that_is_not_there_fails_to_execute(void **state)
{
	static const char *const argv[] = { "/usr/bin/no-such-simulator" };
	struct desk *d = *state;
	struct compute_run r = shell_run(d, "");
	struct compute_outcome o = { 0 };
	struct err e = { 0 };

	r.argv = argv;
	r.n_argv = 1;
	prepare_and_start(d, &r);
	assert_true(await_event(d, COMPUTE_ENDED, EVENT_MS));
	assert_int_equal(compute_outcome(d->c, &r.id, &o, &e), 1);
	assert_int_equal(o.kind, COMPUTE_EXEC_FAILED);
	assert_int_equal(o.sys, ENOENT);
}

static void
what_the_spawner_refuses_is_a_failed_start(void **state)
{
	struct desk *d = *state;
	struct compute_run r = shell_run(d, "true");
	struct err e = { 0 };

	/* Nothing was prepared. */
	assert_int_equal(compute_start(d->c, &r, &e), 0);
	assert_true(await_event(d, COMPUTE_FAILED, EVENT_MS));
	assert_string_equal(last_event(d)->what, "run directory");
	/* Limits that are none. */
	r.memory_bytes = 1;
	assert_int_equal(compute_prepare(d->c, &r, &e), 0);
	assert_int_equal(compute_start(d->c, &r, &e), 0);
	assert_true(await_event(d, COMPUTE_FAILED, EVENT_MS));
	assert_int_equal(uuid_cmp(last_event(d)->id.run, r.id.run), 0);
}

static void
a_stop_of_what_is_over_is_answered_by_its_end(void **state)
{
	struct desk *d = *state;
	struct compute_run r = shell_run(d, "true");
	struct err e = { 0 };

	assert_int_equal(compute_stop(d->c, &r.id, false, &e), 0);
	assert_true(await_event(d, COMPUTE_ENDED, EVENT_MS));
}

static void
a_run_outlives_its_daemon_and_is_found_by_the_next(void **state)
{
	struct desk *d = *state;
	struct compute_run r = shell_run(d, "echo one; sleep 1; echo two");
	struct compute_outcome o = { 0 };
	struct err e = { 0 };

	prepare_and_start(d, &r);
	assert_true(await_event(d, COMPUTE_STARTED, EVENT_MS));
	close_backend(d);
	open_backend(d);
	assert_true(await_event(d, COMPUTE_CONNECTED, EVENT_MS));
	assert_true(is_listed(d, &r.id));
	assert_true(scan(d) > 0);
	assert_true(await_event(d, COMPUTE_ENDED, EVENT_MS));
	assert_int_equal(compute_outcome(d->c, &r.id, &o, &e), 1);
	assert_int_equal(o.kind, COMPUTE_EXITED);
	AUTO_FREE char *log = read_out(d, &r.id, "log");
	assert_string_equal(log, "one\ntwo\n");
}

static void
the_death_of_the_spawner_is_told_and_mended(void **state)
{
	struct desk *d = *state;
	struct compute_run r = shell_run(d, "sleep 100"), late = shell_run(d, "true");
	struct compute_outcome o = { 0 };
	struct err e = { 0 };
	pid_t worker;

	prepare_and_start(d, &r);
	assert_true(await_event(d, COMPUTE_STARTED, EVENT_MS));
	worker = rig_worker(&d->rig);
	assert_true(worker > 1);
	assert_int_equal(kill(worker, SIGKILL), 0);
	assert_true(await_event(d, COMPUTE_LOST, EVENT_MS));
	assert_int_equal(compute_start(d->c, &late, &e), -1);
	assert_int_equal(e.code, ERR_UNAVAILABLE);
	assert_true(await_event(d, COMPUTE_CONNECTED, EVENT_MS));
	assert_true(is_listed(d, &r.id));
	assert_int_equal(compute_stop(d->c, &r.id, true, &e), 0);
	assert_true(await_event(d, COMPUTE_ENDED, EVENT_MS));
	assert_int_equal(compute_outcome(d->c, &r.id, &o, &e), 1);
	assert_int_equal(o.kind, COMPUTE_STOPPED);
}

static void
many_runs_end_each_for_itself(void **state)
{
	enum { N = 12 };
	struct desk *d = *state;
	struct compute_run r[N];
	struct compute_outcome o = { 0 };
	struct err e = { 0 };
	char script[32];
	size_t ended = 0, at = d->n_events;

	for (int i = 0; i < N; i++) {
		snprintf(script, sizeof(script), "exit %d", i);
		r[i] = shell_run(d, script);
		r[i].uid_slot = i % 3;
		prepare_and_start(d, &r[i]);
	}
	while (ended < N) {
		if (at == d->n_events)
			assert_true(await_event(d, COMPUTE_ENDED, EVENT_MS));
		for (; at < d->n_events; at++)
			ended += d->events[at].kind == COMPUTE_ENDED;
	}
	for (int i = 0; i < N; i++) {
		assert_int_equal(compute_outcome(d->c, &r[i].id, &o, &e), 1);
		assert_int_equal(o.exit_code, i);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_run_is_told_of_and_leaves_outcome_log_and_files),
		cmocka_unit_test(a_run_that_is_stopped_says_so),
		cmocka_unit_test(a_program_that_is_not_there_fails_to_execute),
		cmocka_unit_test(what_the_spawner_refuses_is_a_failed_start),
		cmocka_unit_test(a_stop_of_what_is_over_is_answered_by_its_end),
		cmocka_unit_test(a_run_outlives_its_daemon_and_is_found_by_the_next),
		cmocka_unit_test(the_death_of_the_spawner_is_told_and_mended),
		cmocka_unit_test(many_runs_end_each_for_itself),
	};

	return cmocka_run_group_tests(tests, open_desk, close_desk);
}
