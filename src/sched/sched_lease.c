/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases.  A renewal holds from the moment it was sent, not from its answer, and it is trusted for
 * less than the database grants: when the trust runs out, another node may take this node's jobs,
 * so their sandboxes are ended before it can.  What such an attempt has done is refused by the
 * epoch anyway; ending it is about not running one job twice.
 *
 * The reaper takes jobs from nodes that fell silent.  It leaves this node's own rows alone: those
 * are renewed, or found without an attempt by sched_rows_compare.
 */
#include "sched_internal.h"

#include <string.h>

enum {
	/* Between the end of trust and the end of the lease: a kill, a delayed answer, a slow
	   clock. */
	TRUST_MARGIN_MS = 3000,
	RENEW_AGAIN_MS = 1000,
	/* Expired for so long, by the database's clock, before a job is taken. */
	REAP_GRACE_MS = 1000,
	REAP_MAX = 100
};

static int64_t
trust_ms(const struct sched *s)
{
	int64_t quarter = s->o.lease_ms / 4;

	return s->o.lease_ms - (quarter < TRUST_MARGIN_MS ? quarter : TRUST_MARGIN_MS);
}

/* --- renewal ---------------------------------------------------------------------------------- */

static int
renew_work(struct sched_op *op, struct err *e)
{
	struct sched *s = op->s;

	return job_lease_renew(s->o.db, s->o.node, s->o.lease_ms, e) < 0 ? -1 : 0;
}

static void
renew_done(struct sched_op *op)
{
	struct sched *s = op->s;
	int64_t left_ms = op->began_ms + trust_ms(s) - sched_now_ms();

	if (op->rc < 0) {
		if (!s->renew.failing)
			log_err(
			    &s->o.log, LOG_LEVEL_WARN, &op->err, "renew the leases; trying again");
		s->renew.failing = true;
		loop_timer_start(s->heartbeat, RENEW_AGAIN_MS, s->o.heartbeat_ms);
		return;
	}
	if (s->renew.failing)
		log_info(&s->o.log, "leases are renewed again");
	s->renew.failing = false;
	if (left_ms <= 0)
		return; /* it took so long that it proves nothing; the next one is on its way */
	s->trusted = true;
	s->unsent = true;
	loop_timer_start(s->trust, left_ms, 0);
}

void
sched_lease_beat(void *arg)
{
	struct sched *s = arg;

	if (!s->renew.op.busy)
		sched_op_push(&s->renew.op);
}

void
sched_lease_expire(void *arg)
{
	struct sched *s = arg;
	struct sched_run *r = NULL;

	s->trusted = false;
	if (!s->o.sole && s->n_runs > 0) {
		log_warn(&s->o.log, "the leases could not be renewed in time; ending %zu attempts",
		    s->n_runs);
		while ((r = sched_table_next(s, r)) != NULL)
			sched_run_stop(s, r, SCHED_STOP_AT_ONCE);
	}
	sched_advance(s);
}

/* --- reaper ----------------------------------------------------------------------------------- */

struct reaping {
	struct job_move moves[REAP_MAX];
	size_t n;
};

/* NULL when memory is short. */
static const char *
detail_of(enum job_state state, struct arena *mem)
{
	struct sched_cause cause;
	AUTO_BUF detail;

	buf_init(&detail, 2 * (size_t)KIB);
	if (state == JOB_CANCELING)
		sched_cause_canceled(&cause);
	else
		sched_cause_lost(&cause);
	sched_cause_print(&cause, &detail);
	return detail.p == NULL ? NULL : arena_strdup(mem, detail.p);
}

static int
add_move(const struct job_queued *row, struct reaping *r, struct arena *mem, struct err *e)
{
	const char *detail = detail_of(row->state, mem);
	struct sched_next next;

	if (detail == NULL)
		return arena_err(e);
	next = sched_retry_lost(row->attempt, row->epoch, sched_random());
	r->moves[r->n++] = (struct job_move){ .tenant = row->tenant,
		.id = row->id,
		.epoch = row->epoch,
		.from = row->state,
		.on = next.on,
		.detail = detail,
		.delay_ms = next.delay_ms,
		.refund = next.refund };
	return 0;
}

static int
write_moves(struct sched *s, struct reaping *r, struct err *e)
{
	AUTO(db_sys_tx) tx = NULL;

	if (db_sys_begin(s->o.db, &tx, e) < 0)
		return -1;
	if (job_move(tx, r->moves, r->n, e) < 0)
		return -1;
	return db_sys_commit(&tx, e);
}

static int
reap_work(struct sched_op *op, struct err *e)
{
	struct sched *s = op->s;
	struct reaping *r = arena_alloc(op->mem, sizeof(*r));
	struct job_queued *rows;
	size_t n;

	if (r == NULL)
		return arena_err(e);
	if (job_queue_expired(s->o.db, REAP_GRACE_MS, REAP_MAX, op->mem, &rows, &n, e) < 0)
		return -1;
	for (size_t i = 0; i < n && i < REAP_MAX; i++)
		if (uuid_cmp(rows[i].lease_owner, s->o.node) != 0 &&
		    add_move(&rows[i], r, op->mem, e) < 0)
			return -1;
	if (r->n > 0 && write_moves(s, r, e) < 0)
		return -1;
	s->reap.n_reaped = 0;
	for (size_t i = 0; i < r->n; i++)
		s->reap.n_reaped += r->moves[i].ok;
	return 0;
}

static void
reap_done(struct sched_op *op)
{
	struct sched *s = op->s;

	if (op->rc < 0) {
		sched_ledger_failed(s, &op->err, "look for leases that ran out");
	} else if (s->reap.n_reaped > 0) {
		log_warn(&s->o.log, "took %zu jobs from nodes that fell silent", s->reap.n_reaped);
		metrics_add(s->o.metrics, METRIC_SCHED_REAPED, (int64_t)s->reap.n_reaped);
		s->turn_due = true;
	}
	arena_free(op->mem);
	op->mem = NULL;
}

void
sched_lease_reap(void *arg)
{
	struct sched *s = arg;
	struct sched_reap *r = &s->reap;

	if (r->op.busy || s->draining || sched_now_ms() < s->pause_until_ms)
		return;
	r->op.mem = arena_new(MIB);
	if (r->op.mem == NULL)
		return; /* the next beat of the reaper tries again */
	sched_op_push(&r->op);
}

void
sched_lease_init(struct sched *s)
{
	s->renew.op =
	    (struct sched_op){ .s = s, .pool = s->leases, .work = renew_work, .done = renew_done };
	s->reap.op =
	    (struct sched_op){ .s = s, .pool = s->ledger, .work = reap_work, .done = reap_done };
}
