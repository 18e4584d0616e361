/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole scheduler with its real threads, loop and pools, in the world of sched_world.h: what
 * can go wrong is the simulation's business (test_sched_sim.c), this is about threads that meet,
 * and is worth most under ThreadSanitizer.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "sched_internal.h"

struct instance {
	_Atomic bool db_down, dead;
	struct sched *s;
};

static _Atomic uint64_t seed;

/* Any thread. */
static uint32_t
draw(uint32_t below)
{
	uint64_t x = atomic_fetch_add(&seed, UINT64_C(0x9e3779b97f4a7c15));

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)(x >> 33) % below;
}

#define WORLD_HASTE 100
#define WORLD_TICK_MS 1
#include "sched_machines.h"

enum { LEASE_MS = 600, WAIT_MS = 20000 };

static struct metrics *metrics;

static struct uuid
node_id(char name)
{
	struct uuid u = { 0 };

	u.b[0] = (uint8_t)name;
	return u;
}

static void
pause_ms(int64_t ms)
{
	const struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000 };

	(void)nanosleep(&ts, NULL);
}

static void
new_world(uint64_t number)
{
	memset(&world, 0, sizeof(world));
	lock_init(&world.lock);
	lock_init(&world.db_lock);
	atomic_store(&seed, number);
	world.cpu_milli = 4000;
	world.gpus = 0x25;
}

static struct sched *
start_node(struct instance *of, char name)
{
	static const struct job_limits limits = { 0 };
	static const struct job_quota_defaults quota = { 0 };
	const char runs_dir[2] = { name, '\0' };
	const struct sched_options o = { .db = (struct db *)(void *)of,
		.metrics = metrics,
		.limits = &limits,
		.quota = &quota,
		.node = node_id(name),
		.cpu_milli = world.cpu_milli,
		.gpus = world.gpus,
		.topology = &world_topology,
		.memory_bytes = 64 * GIB,
		.jobs_max = 16,
		.lease_ms = LEASE_MS,
		.heartbeat_ms = 150,
		.reap_ms = 50,
		.poll_ms = 20,
		.processes = 9,
		.grace_ms = 100,
		.runs_dir = runs_dir,
		.spawner_socket = "" };
	struct err e = { 0 };

	assert_int_equal(sched_start(&o, &of->s, &e), 0);
	return of->s;
}

/* The index of the new job. */
static size_t
submit(enum behaviour behaviour, int64_t lasts_ms)
{
	struct job_row *r;
	size_t i;

	lock_take(&world.db_lock);
	i = world.n_jobs;
	assert_true(i < JOBS);
	r = &world.jobs[world.n_jobs++];
	*r = (struct job_row){ .behaviour = behaviour,
		.lasts_ms = lasts_ms,
		.state = JOB_QUEUED,
		.queued_ms = sched_now_ms(),
		.cpu_milli = 1000,
		.memory_bytes = MIB,
		.max_attempts = 1,
		.id = uuid_v7() };
	r->tenant.uuid.b[0] = (uint8_t)(1 + draw(3));
	lock_give(&world.db_lock);
	return i;
}

static struct job_row
look(size_t i)
{
	struct job_row r;

	lock_take(&world.db_lock);
	r = world.jobs[i];
	lock_give(&world.db_lock);
	return r;
}

static void
await_state(size_t i, enum job_state wanted)
{
	struct deadline until = deadline_in_ms(WAIT_MS);

	while (look(i).state != wanted && !deadline_passed(until))
		pause_ms(2);
	assert_string_equal(job_state_name(look(i).state), job_state_name(wanted));
}

static void
await_all_ended(void)
{
	struct deadline until = deadline_in_ms(3 * WAIT_MS);
	size_t i = 0;

	while (i < world.n_jobs && !deadline_passed(until))
		if (job_state_terminal(look(i).state))
			i++;
		else
			pause_ms(2);
	assert_int_equal(i, world.n_jobs);
}

static void
assert_promises_kept(void)
{
	assert_int_equal(world.overloads, 0);
	assert_int_equal(world.shared, 0);
	assert_int_equal(world.odd_holds, 0);
	assert_int_equal(world.overlaps_here, 0);
	assert_int_equal(world.doubles, 0);
	assert_int_equal(world.out_of_turn, 0);
	for (size_t i = 0; i < world.n_jobs; i++) {
		struct job_row r = look(i);

		assert_true(r.ends <= 1);
		assert_true(r.results <= 1);
		assert_int_equal(r.ends, job_state_terminal(r.state));
		if (r.state == JOB_SUCCEEDED)
			assert_int_equal(r.results, 1);
	}
}

static void
assert_nothing_is_left(void)
{
	for (size_t i = 0; i < world.n_boxes; i++)
		assert_false(world.boxes[i].live);
}

/* Submitters and ringers of the bell beside the scheduler's own threads. */
static void *
ring(void *arg)
{
	struct sched *s = arg;

	for (int i = 0; i < 500; i++) {
		sched_wake(s);
		pause_ms(draw(3));
	}
	return NULL;
}

static void
jobs_run_within_the_node_while_bells_ring(void **state)
{
	struct instance a = { 0 };
	struct thread ringers[3] = { { 0 } };
	struct err e = { 0 };
	const char *why;

	(void)state;
	new_world(1);
	(void)start_node(&a, 'A');
	for (size_t i = 0; i < ARRAY_LEN(ringers); i++)
		assert_int_equal(thread_start(&ringers[i], "ringer", ring, a.s, &e), 0);
	for (int i = 0; i < 100; i++) {
		(void)submit(GOES_WELL, draw(20));
		(void)sched_ready(a.s, &why);
		pause_ms(1);
	}
	await_all_ended();
	for (size_t i = 0; i < ARRAY_LEN(ringers); i++)
		thread_join(&ringers[i]);
	sched_stop(a.s);
	assert_promises_kept();
	assert_nothing_is_left();
	assert_int_equal(world.starts, 100);
}

static void
two_nodes_share_a_queue_without_running_anything_twice(void **state)
{
	struct instance a = { 0 }, b = { 0 };

	(void)state;
	new_world(2);
	for (int i = 0; i < 100; i++)
		(void)submit(GOES_WELL, 5);
	(void)start_node(&a, 'A');
	(void)start_node(&b, 'B');
	await_all_ended();
	sched_stop(a.s);
	sched_stop(b.s);
	assert_promises_kept();
	assert_int_equal(world.overlaps_there, 0);
	assert_int_equal(world.starts, 100);
}

static void
runs_outlive_restarts_of_the_scheduler(void **state)
{
	struct instance a = { 0 };
	size_t going;

	(void)state;
	new_world(3);
	going = submit(GOES_WELL, 1200);
	for (int i = 0; i < 40; i++)
		(void)submit(GOES_WELL, draw(40));
	for (int i = 0; i < 8; i++) {
		(void)start_node(&a, 'A');
		pause_ms(20 + draw(80));
		sched_stop(a.s);
	}
	(void)start_node(&a, 'A');
	await_state(going, JOB_SUCCEEDED);
	await_all_ended();
	sched_stop(a.s);
	assert_promises_kept();
	assert_nothing_is_left();
	assert_int_equal(look(going).epoch, 1);
	assert_int_equal(world.kills, 0);
}

static void
short_outages_are_survived(void **state)
{
	struct instance a = { 0 };
	size_t canceled;

	(void)state;
	new_world(4);
	canceled = submit(RUNS_ON, 0);
	(void)start_node(&a, 'A');
	await_state(canceled, JOB_RUNNING);
	for (int i = 0; i < 20; i++)
		(void)submit(GOES_WELL, draw(100));
	atomic_store(&a.db_down, true);
	atomic_store(&world.spawner_down[0], true);
	pause_ms(100);
	atomic_store(&a.db_down, false);
	pause_ms(50);
	atomic_store(&world.spawner_down[0], false);
	lock_take(&world.db_lock);
	world.jobs[canceled].cancel = true;
	lock_give(&world.db_lock);
	await_all_ended();
	sched_stop(a.s);
	assert_promises_kept();
	assert_nothing_is_left();
	assert_int_equal(look(canceled).state, JOB_CANCELED);
}

static int
make_metrics(void **state)
{
	struct err e = { 0 };

	(void)state;
	return metrics_new(&metrics, &e);
}

static int
drop_metrics(void **state)
{
	(void)state;
	metrics_free(metrics);
	lock_done(&world.lock);
	lock_done(&world.db_lock);
	return 0;
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, make_metrics, drop_metrics)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(jobs_run_within_the_node_while_bells_ring),
		CASE(two_nodes_share_a_queue_without_running_anything_twice),
		CASE(runs_outlive_restarts_of_the_scheduler),
		CASE(short_outages_are_survived),
	};

	json_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
