/* SPDX-License-Identifier: Apache-2.0 */
/* State changes that do not complete an attempt: written in batches, one transaction each. */
#include "sched_internal.h"

#include <string.h>

/* --- on the ledger's thread ------------------------------------------------------------------- */

static int
moves_work(struct sched_op *op, struct err *e)
{
	struct sched_moves *m = &op->s->moves;
	AUTO(db_sys_tx) tx = NULL;

	if (db_sys_begin(op->s->o.db, &tx, e) < 0)
		return -1;
	if (job_move(tx, m->moves, m->n, e) < 0)
		return -1;
	return db_sys_commit(&tx, e);
}

/* --- on the loop ------------------------------------------------------------------------------ */

static struct sched_run *
run_of(struct sched *s, const struct job_move *m)
{
	const struct compute_run_id id = { .tenant = m->tenant, .run = m->id, .epoch = m->epoch };

	return sched_table_find(s, &id);
}

static void
apply(struct sched *s, struct sched_run *r, const struct job_move *m, int rc)
{
	r->busy = false;
	if (rc == 0 && m->ok) {
		REQUIRE(job_fsm_next(m->from, m->on, &r->row));
		if (m->on == JOB_ON_CANCEL)
			sched_run_stop(s, r, SCHED_STOP_POLITE);
	} else {
		/* Another state, another epoch, or an answer that was lost: the rows know. */
		r->unsure = true;
		s->mine_due = true;
		s->turn_due = true;
	}
	if (r->state == SCHED_RUN_OVER)
		s->finish_due = true;
}

static void
moves_done(struct sched_op *op)
{
	struct sched *s = op->s;
	struct sched_moves *m = &s->moves;

	if (op->rc < 0)
		sched_ledger_failed(s, &op->err, "write state changes");
	else
		sched_ledger_worked(s);
	for (size_t i = 0; i < m->n; i++) {
		struct sched_run *r = run_of(s, &m->moves[i]);

		if (r != NULL)
			apply(s, r, &m->moves[i], op->rc);
		else if (op->rc == 0 && m->moves[i].ok)
			metrics_add_by(s->o.metrics, METRIC_JOB_FAILURES, "platform", 1);
		free(m->details[i]);
		m->details[i] = NULL;
	}
	m->n = 0;
}

static bool
wanted(const struct sched_run *r, enum job_event *ret)
{
	bool held = r->row == JOB_CLAIMED || r->row == JOB_RUNNING;

	if (r->busy || r->unsure || r->lost || r->state == SCHED_RUN_OVER)
		return false;
	if (r->canceled && held) {
		*ret = JOB_ON_CANCEL;
		return true;
	}
	*ret = JOB_ON_STARTED;
	return r->state == SCHED_RUN_RUNNING && r->row == JOB_CLAIMED;
}

static void
add_run(struct sched_moves *m, struct sched_run *r, enum job_event on)
{
	m->moves[m->n++] = (struct job_move){ .tenant = r->launch.id.tenant,
		.id = r->launch.id.run,
		.epoch = r->launch.id.epoch,
		.from = r->row,
		.on = on };
	r->busy = true;
}

static void
add_orphan(struct sched_moves *m, const struct sched_orphan *o)
{
	struct sched_next next;
	struct sched_cause cause;
	struct buf detail;

	next = sched_retry_lost(o->attempt, o->epoch, sched_random());
	if (o->state == JOB_CANCELING)
		sched_cause_canceled(&cause);
	else
		sched_cause_lost(&cause);
	buf_init(&detail, 2 * (size_t)KIB);
	sched_cause_print(&cause, &detail);
	m->details[m->n] = buf_take(&detail, NULL);
	m->moves[m->n] = (struct job_move){ .tenant = o->tenant,
		.id = o->id,
		.epoch = o->epoch,
		.from = o->state,
		.on = next.on,
		.detail = m->details[m->n],
		.delay_ms = next.delay_ms,
		.refund = next.refund };
	m->n++;
}

static void
gather(struct sched *s)
{
	struct sched_moves *m = &s->moves;
	struct sched_run *r = NULL;
	enum job_event on;

	while (m->n < SCHED_MOVES_MAX && s->n_orphans > 0)
		add_orphan(m, &s->orphans[--s->n_orphans]);
	while (m->n < SCHED_MOVES_MAX && (r = sched_table_next(s, r)) != NULL)
		if (wanted(r, &on))
			add_run(m, r, on);
}

void
sched_moves_push(struct sched *s)
{
	struct sched_moves *m = &s->moves;

	if (m->op.busy)
		return;
	gather(s);
	s->moves_due = m->n == SCHED_MOVES_MAX;
	if (m->n > 0)
		sched_op_push(&m->op);
}

void
sched_moves_init(struct sched *s)
{
	s->moves.op =
	    (struct sched_op){ .s = s, .pool = s->ledger, .work = moves_work, .done = moves_done };
}
