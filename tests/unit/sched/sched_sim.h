/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCHED_SIM_H
#define SCHED_SIM_H

/*
 * The whole scheduler in virtual time (sched_time.h) and a world where everything can go wrong
 * (sched_world.h): starting, stopping and killing nodes, submitting jobs, waiting for what becomes
 * of them, and the promises that hold whatever happens.
 */
#include "sched_time.h"

#define WORLD_HASTE 1
#include "sched_machines.h"

enum { LEASE_MS = 15000, LONG_MS = 3600000 };

static struct metrics *metrics;

static struct uuid
node_id(char name)
{
	struct uuid u = { 0 };

	u.b[0] = (uint8_t)name;
	return u;
}

static void
new_world(uint64_t seed)
{
	memset(&world, 0, sizeof(world));
	lock_init(&world.lock);
	lock_init(&world.db_lock);
	world.cpu_milli = 4000;
	world.gpus = 0x25;
	sim_begin(seed);
}

static void
end_world(void)
{
	lock_done(&world.lock);
	lock_done(&world.db_lock);
}

static void
start_node(struct instance *of, char name, bool sole)
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
		.heartbeat_ms = 5000,
		.reap_ms = 2000,
		.poll_ms = 1000,
		.processes = 9,
		.grace_ms = 5000,
		.sole = sole,
		.runs_dir = runs_dir,
		.spawner_socket = "" };
	struct err e = { 0 };

	*of = (struct instance){ .name = name };
	sim.starting = of;
	assert_int_equal(sched_start(&o, &of->s, &e), 0);
}

/* Hands the clock to the thread that ends. */
static void
stop_node(struct instance *of)
{
	lock_take(&of->loop->lock);
	of->loop->stopping = true;
	lock_give(&of->loop->lock);
	sched_stop(of->s);
	of->s = NULL;
}

/* kill -9, seen from the world: nothing of it happens any more. */
static inline void
kill_node(struct instance *of)
{
	of->dead = true;
}

/* Gives back the memory of a daemon that died, without letting it touch the world. */
static inline void
bury(struct instance *of)
{
	struct world before = world;

	of->dead = false;
	of->db_down = true;
	stop_node(of);
	world = before;
}

static size_t
submit(enum behaviour behaviour, int64_t lasts_ms)
{
	size_t i = world.n_jobs;
	struct job_row *r = &world.jobs[world.n_jobs++];

	assert_true(i < JOBS);
	*r = (struct job_row){ .behaviour = behaviour,
		.lasts_ms = lasts_ms,
		.state = JOB_QUEUED,
		.queued_ms = sched_now_ms(),
		.cpu_milli = 1000,
		.memory_bytes = MIB,
		.max_attempts = 1 };
	r->id.b[0] = 9;
	r->id.b[14] = (uint8_t)(i >> 8);
	r->id.b[15] = (uint8_t)i;
	r->tenant.uuid.b[0] = (uint8_t)(1 + draw(TENANTS - 1));
	r->project.b[0] = (uint8_t)(1 + draw(PROJECTS - 1));
	return i;
}

static void
pass_ms(int64_t ms)
{
	int64_t until_ms = sched_now_ms() + ms;

	while (sched_now_ms() < until_ms)
		sim_step();
}

static void
await_all_ended(void)
{
	for (size_t i = 0; i < world.n_jobs; i++) {
		int64_t until_ms = sched_now_ms() + LONG_MS;

		while (!job_state_terminal(world.jobs[i].state) && sched_now_ms() < until_ms)
			sim_step();
		assert_true(job_state_terminal(world.jobs[i].state));
	}
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
	assert_int_equal(world.over_limits, 0);
	for (size_t i = 0; i < world.n_jobs; i++) {
		const struct job_row *r = &world.jobs[i];

		assert_in_range(r->ends, 0, 1);
		assert_in_range(r->results, 0, 1);
		assert_int_equal(r->ends, job_state_terminal(r->state));
		assert_in_range(r->attempt, 0, r->max_attempts);
		assert_in_range(r->epoch, 0, r->attempt + 6);
		if (r->state == JOB_SUCCEEDED)
			assert_int_equal(r->results, 1);
	}
}

/* Once all jobs have ended: no process, and no directory that is not tidied. */
static void
assert_nothing_is_left(void)
{
	for (size_t i = 0; i < world.n_boxes; i++) {
		assert_false(world.boxes[i].live);
		assert_false(world.boxes[i].dir);
	}
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
	return 0;
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, make_metrics, drop_metrics)

static inline void
await_state_within(size_t i, enum job_state wanted, int64_t ms)
{
	int64_t until_ms = sched_now_ms() + ms;

	while (world.jobs[i].state != wanted && sched_now_ms() < until_ms)
		sim_step();
	assert_string_equal(job_state_name(world.jobs[i].state), job_state_name(wanted));
}

static inline void
await_state(size_t i, enum job_state wanted)
{
	await_state_within(i, wanted, LONG_MS);
}

#endif
