/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCHED_WORLD_H
#define SCHED_WORLD_H

/*
 * A world for the scheduler: a database, machines with spawners, and jobs that behave as told.  It
 * defines the functions of compute.h, db.h, job.h and result.h that the scheduler calls, so that
 * the real scheduler, with its real threads, loop and pools, runs against it.  It keeps the books
 * that the tests read, and counts every broken promise as it happens.
 *
 * Included by a test that has brought the clock: draw, sched_now_ms and struct instance
 * (sched_time.h, or the test's own).  WORLD_HASTE shortens the waits that the scheduler asks the
 * database for.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "compute.h"
#include "db.h"
#include "json.h"
#include "job_queue.h"
#include "lock.h"
#include "loop.h"
#include "metrics.h"
#include "result.h"
#include "sched_internal.h"

enum { JOBS = 256, BOXES = 4096, EVENTS = 4096, TENANTS = 4, PROJECTS = 3 };

enum behaviour {
	GOES_WELL,
	EXITS_BADLY,     /* exit code 1 */
	KEEPER_DIES,     /* no exit record */
	CANNOT_START,    /* FAILED by the spawner */
	CANNOT_EXECUTE,  /* ENDED without STARTED */
	RUNS_ON,         /* until told to end */
	IGNORES_TERM,    /* until its sandbox is ended */
	BAD_RESULT,      /* the database refuses what it found */
	LOGS_ERROR,      /* clean exit, but the criteria do not hold */
	INPUTS_TOO_LARGE /* FAILED: they fill its scratch space */
};

/* Tenants and projects are known by the first byte of their ids.  Limits of 0: none. */
struct world_tenant {
	bool suspended;
	struct job_room limit, project_limit[PROJECTS];
};
struct job_row {
	struct tenant_id tenant;
	struct uuid id, project;
	enum behaviour behaviour;
	int64_t lasts_ms;
	/* as in the database */
	enum job_state state;
	int64_t priority, queued_ms, not_before_ms, lease_ms;
	int64_t cpu_milli, memory_bytes, gpus;
	bool pin_cpus;
	int64_t attempt, max_attempts, epoch;
	struct uuid owner;
	bool cancel;
	char cause[512];
	uint64_t recorded; /* bit per epoch */
	int results, ends;
};
/* A sandbox, or its directory. */
struct box {
	char node; /* 'A' or 'B' */
	struct compute_run_id id;
	enum behaviour behaviour;
	int64_t lasts_ms, cpu_milli, ends_ms;
	struct sched_hold hold;
	bool dir, live, record;
	struct compute_outcome outcome;
};
struct compute {
	struct compute_options o;
	char node;
	struct loop_timer *timer;
	bool connected;
	struct compute_event events[EVENTS];
	size_t n_events;
};

static struct world {
	struct lock lock;    /* everything below but what is the database's */
	struct lock db_lock; /* rows; held by a transaction from begin to end; taken first */
	struct job_row jobs[JOBS], backup[JOBS];
	size_t n_jobs;
	struct world_tenant tenants[TENANTS]; /* the database's */
	struct box boxes[BOXES];
	size_t n_boxes;
	int64_t cpu_milli; /* of each node */
	uint64_t gpus;     /* the same */
	bool holds_lost;   /* nobody knows any more what runs have to themselves */
	/* weather */
	_Atomic bool spawner_down[2]; /* of node A, B */
	_Atomic int lost_acks_percent;
	_Atomic bool renewals_fail;
	_Atomic bool profile_gone;
	/* books */
	int shared, odd_holds; /* devices and CPUs of two runs at once, or another number of them */
	int sampled;           /* attempts whose samples were recorded, all of them as they were */
	int starts, kills, overlaps_here, overlaps_there, overloads, doubles, out_of_turn, moves,
	    stale, over_limits, expiries;
} world;

/* Of each node: two cores of two threads. */
static const struct sched_topology world_topology = { .n = 4,
	.at = { { 0, 0, 0 }, { 0, 0, 1 }, { 0, 2, 2 }, { 0, 2, 3 } } };
static const struct environment plain_environment = { .name = "plain", .available = true };
static const struct environment_rule a_rule = { .name = "x" };
static const struct environment ruled_environment = {
	.name = "ruled", .available = true, .rules = &a_rule, .n_rules = 1
};

/* --- the database ----------------------------------------------------------------------------- */

/* Each daemon has a connection of its own; struct db is its struct instance. */
struct db_sys_tx {
	struct db *db;
};

static bool
is_cut_off(struct db *db)
{
	const struct instance *of = (const struct instance *)(const void *)db;

	return of->db_down || of->dead;
}

static int
db_gate(struct db *db, struct err *e)
{
	if (is_cut_off(db))
		return err_set(e, ERR_UNAVAILABLE, "the database is away");
	return 0;
}

/* The answer to a commit may be lost before or after the database wrote it. */
static int
db_answer(struct db *db, struct err *e)
{
	uint32_t dice = draw(200);

	if (!is_cut_off(db) && dice / 2 >= (uint32_t)atomic_load(&world.lost_acks_percent))
		return 0;
	if (dice % 2 == 0 || is_cut_off(db))
		memcpy(world.jobs, world.backup, world.n_jobs * sizeof(world.jobs[0]));
	return err_set(e, ERR_TIMEOUT, "the answer was lost");
}

int
db_sys_begin(struct db *db, struct db_sys_tx **ret, struct err *e)
{
	if (db_gate(db, e) < 0)
		return -1;
	*ret = calloc(1, sizeof(**ret));
	(*ret)->db = db;
	lock_take(&world.db_lock);
	memcpy(world.backup, world.jobs, world.n_jobs * sizeof(world.jobs[0]));
	return 0;
}

int
db_sys_commit(struct db_sys_tx **tx, struct err *e)
{
	int rc = db_answer((*tx)->db, e);

	lock_give(&world.db_lock);
	free(*tx);
	*tx = NULL;
	return rc;
}

void
db_sys_tx_free(struct db_sys_tx *tx)
{
	if (tx == NULL)
		return;
	memcpy(world.jobs, world.backup, world.n_jobs * sizeof(world.jobs[0]));
	lock_give(&world.db_lock);
	free(tx);
}

static struct job_row *
row_of(struct uuid id)
{
	for (size_t i = 0; i < world.n_jobs; i++)
		if (uuid_cmp(world.jobs[i].id, id) == 0)
			return &world.jobs[i];
	return NULL;
}

static bool
is_live(const struct job_row *r)
{
	return r->state == JOB_CLAIMED || r->state == JOB_RUNNING || r->state == JOB_CANCELING;
}

/* What a limit leaves of it, given what the tenant's live jobs hold, or those of a project. */
static struct job_room
room_left(const struct job_row *of, bool in_project)
{
	const struct world_tenant *t = &world.tenants[of->tenant.uuid.b[0]];
	struct job_room left = in_project ? t->project_limit[of->project.b[0]] : t->limit;

	left.jobs = left.jobs == 0 ? INT64_MAX : left.jobs;
	left.cpu_milli = left.cpu_milli == 0 ? INT64_MAX : left.cpu_milli;
	left.memory_bytes = left.memory_bytes == 0 ? INT64_MAX : left.memory_bytes;
	left.gpus = left.gpus == 0 ? INT64_MAX : left.gpus;
	for (size_t i = 0; i < world.n_jobs; i++) {
		const struct job_row *r = &world.jobs[i];

		if (!is_live(r) || uuid_cmp(r->tenant.uuid, of->tenant.uuid) != 0 ||
		    (in_project && uuid_cmp(r->project, of->project) != 0))
			continue;
		left.jobs--;
		left.cpu_milli -= r->cpu_milli;
		left.memory_bytes -= r->memory_bytes;
		left.gpus -= r->gpus;
	}
	return left;
}

static bool
has_room(struct job_room room)
{
	return room.jobs > 0 && room.cpu_milli > 0 && room.memory_bytes > 0;
}

static bool
is_broken(struct job_room room)
{
	return room.jobs < 0 || room.cpu_milli < 0 || room.memory_bytes < 0 || room.gpus < 0;
}

static struct job_queued
row_shown(const struct job_row *r)
{
	return (struct job_queued){ .tenant = r->tenant,
		.id = r->id,
		.project = r->project,
		.state = r->state,
		.priority = r->priority,
		.queued_wall_us = r->queued_ms * 1000,
		.cpu_milli = r->cpu_milli,
		.memory_bytes = r->memory_bytes,
		.gpus = r->gpus,
		.pin_cpus = r->pin_cpus,
		.attempt = r->attempt,
		.max_attempts = r->max_attempts,
		.epoch = r->epoch,
		.lease_owner = r->owner,
		.cancel_requested = r->cancel,
		.tenant_room = room_left(r, false),
		.project_room = room_left(r, true) };
}

static int
list_rows(struct db *db, bool (*wanted)(const struct job_row *r, struct uuid node),
    struct uuid node, int64_t max, struct arena *mem, struct job_queued **ret, size_t *ret_n,
    struct err *e)
{
	struct job_queued *v = arena_array(mem, JOBS, sizeof(*v));
	size_t n = 0;

	if (db_gate(db, e) < 0)
		return -1;
	lock_take(&world.db_lock);
	for (size_t i = 0; i < world.n_jobs && (int64_t)n < max; i++)
		if (wanted(&world.jobs[i], node))
			v[n++] = row_shown(&world.jobs[i]);
	lock_give(&world.db_lock);
	*ret = v;
	*ret_n = n;
	return 0;
}

static bool
is_waiting(const struct job_row *r, struct uuid node)
{
	(void)node;
	if (r->state != JOB_QUEUED || r->cancel)
		return r->state == JOB_QUEUED;
	return r->not_before_ms <= sched_now_ms() &&
	       !world.tenants[r->tenant.uuid.b[0]].suspended && has_room(room_left(r, false)) &&
	       has_room(room_left(r, true));
}

static bool
is_mine(const struct job_row *r, struct uuid node)
{
	return is_live(r) && uuid_cmp(r->owner, node) == 0;
}

static bool
is_expired(const struct job_row *r, struct uuid node)
{
	(void)node;
	return is_live(r) && r->lease_ms < sched_now_ms() - 1000 / WORLD_HASTE;
}

int
job_queue_waiting(struct db *db, const struct job_quota_defaults *quota, int64_t max,
    struct arena *mem, struct job_queued **ret, size_t *ret_n, struct err *e)
{
	(void)quota;
	return list_rows(db, is_waiting, (struct uuid){ 0 }, max, mem, ret, ret_n, e);
}

int
job_queue_mine(struct db *db, struct uuid node, struct arena *mem, struct job_queued **ret,
    size_t *ret_n, struct err *e)
{
	return list_rows(db, is_mine, node, JOBS, mem, ret, ret_n, e);
}

int
job_queue_expired(struct db *db, int64_t grace_ms, int64_t max, struct arena *mem,
    struct job_queued **ret, size_t *ret_n, struct err *e)
{
	(void)grace_ms;
	return list_rows(db, is_expired, (struct uuid){ 0 }, max, mem, ret, ret_n, e);
}

static bool
is_limited(const struct job_row *r)
{
	struct job_room of_tenant = room_left(r, false), of_project = room_left(r, true);

	return of_tenant.jobs < 1 || of_project.jobs < 1 || r->cpu_milli > of_tenant.cpu_milli ||
	       r->cpu_milli > of_project.cpu_milli || r->memory_bytes > of_tenant.memory_bytes ||
	       r->memory_bytes > of_project.memory_bytes || r->gpus > of_tenant.gpus ||
	       r->gpus > of_project.gpus;
}

static void
claim_row(
    struct job_row *r, struct uuid node, int64_t lease_ms, struct job_claim *c, struct arena *mem)
{
	r->state = JOB_CLAIMED;
	r->owner = node;
	r->epoch++;
	r->attempt++;
	r->lease_ms = sched_now_ms() + lease_ms;
	c->epoch = r->epoch;
	c->attempt = r->attempt;
	c->manifest = arena_strdup(mem, "{}");
	c->created_wall_us = clock_wall_us();
	world.over_limits += is_broken(room_left(r, false)) || is_broken(room_left(r, true));
}

int
job_claim(struct db *db, struct uuid node, int64_t lease_ms, const struct job_quota_defaults *quota,
    struct job_claim *claims, size_t n, struct arena *mem, struct err *e)
{
	struct db_sys_tx *tx = NULL;

	(void)quota;
	if (db_sys_begin(db, &tx, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct job_row *r = row_of(claims[i].id);

		if (r->state != JOB_QUEUED || r->cancel ||
		    world.tenants[r->tenant.uuid.b[0]].suspended)
			continue;
		claims[i].limited = is_limited(r);
		if (!claims[i].limited)
			claim_row(r, node, lease_ms, &claims[i], mem);
	}
	if (db_sys_commit(&tx, e) == 0)
		return 0;
	for (size_t i = 0; i < n; i++)
		claims[i].epoch = 0;
	return -1;
}

int64_t
job_lease_renew(struct db *db, struct uuid node, int64_t lease_ms, struct err *e)
{
	struct db_sys_tx *tx = NULL;
	int64_t n = 0;

	if (atomic_load(&world.renewals_fail))
		return err_set(e, ERR_TIMEOUT, "the renewal took too long");
	if (db_sys_begin(db, &tx, e) < 0)
		return -1;
	for (size_t i = 0; i < world.n_jobs; i++)
		if (is_mine(&world.jobs[i], node)) {
			world.jobs[i].lease_ms = sched_now_ms() + lease_ms;
			n++;
		}
	return db_sys_commit(&tx, e) < 0 ? -1 : n;
}

static void
apply_move(struct job_row *r, const struct job_move *m, enum job_state to)
{
	r->state = to;
	if (to == JOB_QUEUED) {
		r->owner = (struct uuid){ 0 };
		r->queued_ms = sched_now_ms();
		r->not_before_ms = sched_now_ms() + m->delay_ms / WORLD_HASTE;
		r->attempt -= m->refund;
	}
	if (job_state_terminal(to)) {
		r->ends++;
		(void)snprintf(
		    r->cause, sizeof(r->cause), "%.500s", m->detail != NULL ? m->detail : "");
	}
}

int
job_move(struct db_sys_tx *tx, struct job_move *moves, size_t n, struct err *e)
{
	(void)tx;
	(void)e;
	for (size_t i = 0; i < n; i++) {
		struct job_row *r = row_of(moves[i].id);
		enum job_state to;

		moves[i].ok = r->state == moves[i].from && r->epoch == moves[i].epoch;
		world.moves++;
		world.stale += !moves[i].ok;
		if (!moves[i].ok)
			continue;
		if (!job_fsm_next(moves[i].from, moves[i].on, &to))
			world.out_of_turn++;
		else
			apply_move(r, &moves[i], to);
	}
	return 0;
}

int
job_attempt_record(struct db_sys_tx *tx, const struct job_attempt *a, struct err *e)
{
	struct job_row *r = row_of(a->id);
	uint64_t bit = UINT64_C(1) << a->epoch % 64;

	(void)tx;
	if ((r->recorded & bit) != 0) {
		world.doubles++;
		return err_set(e, ERR_DB_CONSTRAINT, "recorded already");
	}
	r->recorded |= bit;
	if (a->n_samples == 2 && a->samples[0].at_ms == 1000 && a->samples[1].cpu_ns == 2 &&
	    a->samples[1].throttled_ns == 3 && a->samples[1].memory_bytes == 4 &&
	    a->samples[1].processes == 5 && a->samples[1].io_read_bytes == 6 &&
	    a->samples[1].io_write_bytes == a->epoch)
		world.sampled++;
	return 0;
}

int
job_attempt_known(
    struct db *db, struct tenant_id tenant, struct uuid id, int64_t epoch, bool *ret, struct err *e)
{
	(void)tenant;
	if (db_gate(db, e) < 0)
		return -1;
	lock_take(&world.db_lock);
	*ret = (row_of(id)->recorded & UINT64_C(1) << epoch % 64) != 0;
	lock_give(&world.db_lock);
	return 0;
}

int64_t
job_idempotency_expire(struct db *db, int64_t older_ms, int64_t max, struct err *e)
{
	(void)max;
	assert_int_equal(older_ms, 24 * 3600 * 1000);
	if (db_gate(db, e) < 0)
		return -1;
	lock_take(&world.db_lock);
	world.expiries++;
	lock_give(&world.db_lock);
	return 0;
}

int
job_get(struct db *db, struct tenant_id tenant, const struct scope *scope, struct uuid id,
    struct arena *mem, struct job *ret, struct err *e)
{
	(void)tenant;
	assert_true(scope->everywhere);
	if (db_gate(db, e) < 0)
		return -1;
	*ret = (struct job){ .id = id, .manifest = arena_strdup(mem, "{}") };
	return 0;
}

int
job_spec_decode(const struct json *j, const struct environments *envs,
    const struct job_limits *limits, struct arena *mem, struct job_spec *ret, struct err *e)
{
	static const char *const argv[] = { "/usr/bin/true" };

	(void)j;
	(void)envs;
	(void)limits;
	(void)mem;
	if (world.profile_gone)
		return err_set(e, ERR_NO_ENVIRONMENT, "there is no such environment any more");
	*ret = (struct job_spec){ .environment = &ruled_environment,
		.argv = argv,
		.n_argv = 1,
		.wall_ms = 3600000,
		.disk_bytes = MIB,
		.log_bytes = MIB,
		.max_attempts = 1 };
	return 0;
}

/* --- results: the descriptor of out/ tells the job -------------------------------------------- */

int
result_check_success(const struct environment *env, int out_dirfd, struct arena *mem,
    const char **ret_why, struct err *e)
{
	char number[16] = "";
	ssize_t n = pread(out_dirfd, number, sizeof(number) - 1, 0);

	(void)env;
	(void)mem;
	(void)e;
	*ret_why = NULL;
	if (n > 0 && strtol(number, NULL, 10) == LOGS_ERROR)
		*ret_why = "the log says ERROR";
	return 0;
}

int
result_extract(const struct environment *env, const struct environment_value *values,
    size_t n_values, int out_dirfd, struct arena *mem, struct result_set *ret, struct err *e)
{
	(void)env;
	(void)values;
	(void)n_values;
	(void)out_dirfd;
	(void)mem;
	(void)e;
	*ret = (struct result_set){ .n_values = 1 };
	return 0;
}

int
result_store(struct db_sys_tx *tx, struct tenant_id tenant, struct uuid job,
    const struct result_set *set, struct err *e)
{
	struct job_row *r = row_of(job);

	(void)tx;
	(void)tenant;
	(void)set;
	if (r->behaviour == BAD_RESULT)
		return err_set(e, ERR_DB_CONSTRAINT, "a value that cannot be stored");
	r->results++;
	return 0;
}

#endif
