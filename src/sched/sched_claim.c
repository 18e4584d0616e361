/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One turn of the queue, on the ledger's thread: what waits, what this node holds, what was
 * canceled, and a batch of claims that fits into what is free.  What is free was counted when the
 * turn was sent off; since then it can only have grown, because nothing else claims.
 *
 * The directories of claimed jobs are written by sched_files.c, from the manifests that the claim
 * has brought along in the turn's arena.
 */
#include "sched_internal.h"

#include <string.h>

enum {
	/* The rows of a turn and one batch of manifests (job.h caps them at 8 MiB). */
	TURN_ARENA_BYTES = 64 << 20,
	/* A turn that found nothing to do is not repeated at once, whatever bells ring: a backlog
	 * that does not fit costs a walk over it each time. */
	IDLE_LEAST_MS = 5,
	IDLE_MOST_MS = 100,
	/* Cancel wishes are looked for this often while bells ring. */
	MINE_LEAST_MS = 50
};

/* --- on the ledger's thread ------------------------------------------------------------------- */

struct sched_hold_counts
sched_row_wants(const struct job_queued *row)
{
	return (struct sched_hold_counts){ .gpus = row->gpus,
		.cpus = row->pin_cpus ? (row->cpu_milli + 999) / 1000 : 0 };
}

/* Which devices and CPUs; that there are enough was seen when the job was picked. */
static void
give(struct sched *s, const struct job_queued *row, struct compute_run *launch)
{
	struct sched_hold hold;

	REQUIRE(sched_hold_pick(s->o.topology, sched_row_wants(row), &s->turn.spare, &hold));
	launch->gpus = hold.gpus;
	memcpy(launch->cpu_set, hold.cpus, sizeof(launch->cpu_set));
}

static void
add_claimed(struct sched *s, const struct job_queued *row, const struct job_claim *claim)
{
	struct sched_turn *t = &s->turn;
	struct sched_claimed *c = &t->claimed[t->n_claimed];

	*c = (struct sched_claimed){ .attempt = claim->attempt,
		.max_attempts = row->max_attempts,
		.manifest = claim->manifest,
		.created_wall_us = claim->created_wall_us };
	/* What was counted against the node is what the run gets, whatever defaults are by now. */
	c->launch = (struct compute_run){
		.id = { .tenant = claim->tenant, .run = claim->id, .epoch = claim->epoch },
		.uid_slot = claim->uid_slot,
		.cpu_milli = row->cpu_milli,
		.memory_bytes = row->memory_bytes,
		.processes = s->o.processes,
		.grace_ms = s->o.grace_ms
	};
	give(s, row, &c->launch);
	t->n_claimed++;
}

/* This node as a whole. */
static struct sched_capacity
capacity(const struct sched *s)
{
	const struct sched_hold all = sched_hold_all(s->o.gpus, s->o.topology);
	const struct sched_hold_counts n = sched_hold_count(&all);

	return (struct sched_capacity){ .cpu_milli = s->o.cpu_milli,
		.memory_bytes = s->o.memory_bytes,
		.jobs = s->o.jobs_max,
		.gpus = n.gpus,
		.pins = n.cpus };
}

static int
choose(struct sched *s, const struct job_queued *rows, size_t n, size_t **ret, size_t *ret_n,
    struct err *e)
{
	struct sched_turn *t = &s->turn;
	struct sched_candidate *v = arena_array(t->op.mem, n, sizeof(*v));
	struct sched_question q = { .candidates = v,
		.n_candidates = n,
		.uses = t->uses,
		.n_uses = t->n_uses,
		.max = SCHED_CLAIMS_MAX,
		.total = capacity(s) };

	if (v == NULL)
		return arena_err(e);
	for (size_t i = 0; i < n; i++)
		v[i] = (struct sched_candidate){ .tenant = rows[i].tenant,
			.id = rows[i].id,
			.project = rows[i].project,
			.priority = rows[i].priority,
			.queued_wall_us = rows[i].queued_wall_us,
			.cpu_milli = rows[i].cpu_milli,
			.memory_bytes = rows[i].memory_bytes,
			.gpus = rows[i].gpus,
			.pins = sched_row_wants(&rows[i]).cpus,
			.tenant_room = rows[i].tenant_room,
			.project_room = rows[i].project_room };
	return sched_pick(&q, &t->reserved, t->op.mem, ret, ret_n, e);
}

static int
claim(struct sched *s, const struct job_queued *rows, size_t n, struct err *e)
{
	struct sched_turn *t = &s->turn;
	struct job_claim claims[SCHED_CLAIMS_MAX] = { 0 };
	size_t *picks = NULL, n_picks = 0;

	if (choose(s, rows, n, &picks, &n_picks, e) < 0)
		return -1;
	t->n_picked = n_picks;
	for (size_t i = 0; i < n_picks; i++)
		claims[i] =
		    (struct job_claim){ .tenant = rows[picks[i]].tenant, .id = rows[picks[i]].id };
	if (job_claim(
		s->o.db, s->o.node, s->o.lease_ms, s->o.quota, claims, n_picks, t->op.mem, e) < 0)
		return -1;
	for (size_t i = 0; i < n_picks; i++) {
		t->n_limited += claims[i].limited;
		if (claims[i].epoch > 0)
			add_claimed(s, &rows[picks[i]], &claims[i]);
	}
	return 0;
}

/* Moves the rows that nobody asked to end to the front; their number. */
static size_t
keep_wanted(struct job_queued *rows, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (!rows[i].cancel_requested)
			rows[kept++] = rows[i];
	return kept;
}

static int
turn_work(struct sched_op *op, struct err *e)
{
	struct sched *s = op->s;
	struct sched_turn *t = &s->turn;
	struct job_queued *rows;
	size_t n;

	if (job_queue_waiting(s->o.db, s->o.quota, SCHED_CANDIDATES_MAX, op->mem, &rows, &n, e) < 0)
		return -1;
	if (t->read_mine) {
		if (job_queue_mine(s->o.db, s->o.node, op->mem, &t->mine, &t->n_mine, e) < 0)
			return -1;
		t->mine_read = true;
	}
	if (sched_cancel_waiting(s, rows, n, op->mem, &t->n_canceled, e) < 0)
		return -1;
	n = keep_wanted(rows, n);
	t->n_waiting = n;
	if (!t->may_claim || n == 0 || atomic_load(&s->stopping))
		return 0;
	return claim(s, rows, n, e);
}

/* --- on the loop ------------------------------------------------------------------------------ */

static void
take_on(struct sched *s, const struct sched_claimed *c, int64_t began_ms)
{
	struct sched_run *r = sched_table_add(s, &c->launch);
	int64_t waited_us = clock_wall_us() - c->created_wall_us;

	metrics_add(s->o.metrics, METRIC_SCHED_CLAIMS, 1);
	metrics_observe_ns(
	    s->o.metrics, METRIC_JOB_QUEUE_WAIT, waited_us > 0 ? waited_us * 1000 : 0);
	if (r == NULL)
		return; /* its row is found without an attempt by the next look, and put back */
	r->attempt = c->attempt;
	r->max_attempts = c->max_attempts;
	r->row = JOB_CLAIMED;
	r->claimed_ms = began_ms;
	r->busy = true;
}

/* Hands claims and the arena that holds their manifests to those who write directories. */
static void
hand_over(struct sched *s, struct sched_turn *t)
{
	struct sched_prepare *p = &s->prepare;

	for (size_t i = 0; i < t->n_claimed; i++)
		take_on(s, &t->claimed[i], t->op.began_ms);
	if (t->n_claimed == 0) {
		arena_free(t->op.mem);
	} else {
		REQUIRE(p->n == 0);
		memcpy(p->claimed, t->claimed, t->n_claimed * sizeof(t->claimed[0]));
		p->n = t->n_claimed;
		p->from = p->to = 0;
		p->op.mem = t->op.mem;
	}
	t->op.mem = NULL;
}

static void
rest(struct sched *s, int64_t took_ms)
{
	int64_t wait_ms = took_ms < IDLE_MOST_MS ? took_ms : IDLE_MOST_MS;
	int64_t at_ms = sched_now_ms() + (wait_ms > IDLE_LEAST_MS ? wait_ms : IDLE_LEAST_MS);

	if (at_ms > s->turn_after_ms)
		s->turn_after_ms = at_ms;
}

static void
turn_done(struct sched_op *op)
{
	struct sched *s = op->s;
	struct sched_turn *t = &s->turn;

	if (op->rc < 0)
		sched_ledger_failed(s, &op->err, "look at the queue");
	else
		sched_ledger_worked(s);
	if (t->mine_read) {
		s->mine_read_ms = sched_now_ms();
		sched_rows_compare(s, t);
	}
	hand_over(s, t);
	if (op->rc == 0) {
		metrics_set(
		    s->o.metrics, METRIC_JOBS_QUEUED, (int64_t)(t->n_waiting - t->n_claimed));
		metrics_add_by(s->o.metrics, METRIC_JOBS_ENDED, "canceled", (int64_t)t->n_canceled);
		metrics_add(s->o.metrics, METRIC_SCHED_LIMITED, (int64_t)t->n_limited);
		/* A full batch, or one that others thinned out: there is more to have.  What other
		 * nodes claimed up to a limit is no such thing. */
		if (t->n_picked == SCHED_CLAIMS_MAX || t->n_claimed + t->n_limited < t->n_picked)
			s->turn_due = true;
		else if (t->n_claimed == 0)
			rest(s, op->took_ms);
	}
	sched_run_gauges(s);
}

/* What a run takes; what it has to itself comes off *spare. */
static struct sched_use
use_of(const struct sched_run *r, struct sched_hold *spare)
{
	const struct sched_hold_counts before = sched_hold_count(spare);
	const struct sched_hold hold = sched_table_hold(r);
	struct sched_hold_counts after;

	sched_hold_take_off(spare, &hold);
	after = sched_hold_count(spare);
	return (struct sched_use){ .tenant = r->launch.id.tenant,
		.cpu_milli = r->launch.cpu_milli,
		.memory_bytes = r->launch.memory_bytes,
		.gpus = before.gpus - after.gpus,
		.pins = before.cpus - after.cpus };
}

static int
count_uses(struct sched *s, struct sched_turn *t)
{
	struct sched_run *r = NULL;

	t->uses = arena_array(t->op.mem, s->n_runs + 1, sizeof(*t->uses));
	if (t->uses == NULL)
		return -1;
	t->n_uses = 0;
	t->spare = sched_hold_all(s->o.gpus, s->o.topology);
	while ((r = sched_table_next(s, r)) != NULL)
		if (r->state != SCHED_RUN_OVER)
			t->uses[t->n_uses++] = use_of(r, &t->spare);
	return 0;
}

/* Completions that cannot be written must not pile up behind new claims. */
static bool
may_claim(const struct sched *s)
{
	return s->connected && !s->foreign && !s->listing && s->booted && s->trusted &&
	       s->prepare.n == 0 && (int64_t)s->n_runs < 2 * s->o.jobs_max;
}

void
sched_turn_push(struct sched *s)
{
	struct sched_turn *t = &s->turn;

	if (t->op.busy)
		return;
	t->op.mem = arena_new(TURN_ARENA_BYTES);
	if (t->op.mem == NULL || count_uses(s, t) < 0) {
		arena_free(t->op.mem);
		t->op.mem = NULL;
		return; /* the poll timer asks again */
	}
	t->number++;
	t->may_claim = may_claim(s);
	t->read_mine = s->mine_due && sched_now_ms() - s->mine_read_ms >= MINE_LEAST_MS;
	t->mine_read = false;
	t->n_mine = t->n_waiting = t->n_canceled = t->n_picked = t->n_limited = t->n_claimed = 0;
	sched_op_push(&t->op);
	s->turn_due = false;
	if (t->read_mine)
		s->mine_due = false;
	else if (s->mine_due)
		s->turn_after_ms = s->mine_read_ms + MINE_LEAST_MS;
}

void
sched_turn_init(struct sched *s)
{
	s->turn.op =
	    (struct sched_op){ .s = s, .pool = s->ledger, .work = turn_work, .done = turn_done };
}
