/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wishes and rows.  A wish to cancel is a column that the API writes; it becomes a state here, by
 * whoever may move the job: a waiting one by any node, a held one by its holder, which tells the
 * sandbox only after the row says `canceling`, so that no run is stopped for a reason nobody knows.
 *
 * The same look at the rows finds two things that no event tells: attempts whose lease somebody
 * else has taken, and rows of this node without an attempt (a claim whose answer was lost).
 */
#include "sched_internal.h"

/* --- on the ledger's thread ------------------------------------------------------------------- */

static int
cancel_batch(struct sched *s, struct job_move *moves, size_t n, struct err *e)
{
	AUTO(db_sys_tx) tx = NULL;

	if (db_sys_begin(s->o.db, &tx, e) < 0)
		return -1;
	if (job_move(tx, moves, n, e) < 0)
		return -1;
	return db_sys_commit(&tx, e);
}

/* Other nodes cancel the same jobs now; batches of one statement cannot lock each other out. */
static int
cancel_all(struct sched *s, struct job_move *moves, size_t n, struct err *e)
{
	for (size_t done = 0; done < n; done += JOB_MOVE_BATCH) {
		size_t left = n - done;

		if (cancel_batch(
			s, moves + done, left < JOB_MOVE_BATCH ? left : JOB_MOVE_BATCH, e) < 0)
			return -1;
	}
	return 0;
}

int
sched_cancel_waiting(struct sched *s, const struct job_queued *rows, size_t n, struct arena *mem,
    size_t *ret_n, struct err *e)
{
	struct job_move *moves = arena_array(mem, n, sizeof(*moves));
	AUTO_BUF detail;
	struct sched_cause cause;
	size_t k = 0, done = 0;

	buf_init(&detail, 2 * (size_t)KIB);
	sched_cause_canceled(&cause);
	sched_cause_print(&cause, &detail);
	if (moves == NULL)
		return arena_err(e);
	for (size_t i = 0; i < n; i++)
		if (rows[i].cancel_requested)
			moves[k++] = (struct job_move){ .tenant = rows[i].tenant,
				.id = rows[i].id,
				.epoch = rows[i].epoch,
				.from = JOB_QUEUED,
				.on = JOB_ON_CANCEL,
				.detail = detail.p };
	if (k > 0 && cancel_all(s, moves, k, e) < 0)
		return -1;
	for (size_t i = 0; i < k; i++)
		done += moves[i].ok;
	*ret_n = done;
	return 0;
}

/* --- on the loop ------------------------------------------------------------------------------ */

static void
follow_row(struct sched *s, struct sched_run *r, const struct job_queued *row)
{
	if (r->busy || r->lost)
		return;
	if (r->unsure) {
		r->unsure = false;
		s->finish_due = true;
		s->moves_due = true;
	}
	r->row = row->state;
	if (row->state == JOB_CANCELING && r->stop == SCHED_STOP_NONE)
		sched_run_stop(s, r, SCHED_STOP_POLITE);
	if (row->cancel_requested && !r->canceled) {
		r->canceled = true;
		s->moves_due = true;
	}
}

static void
note_orphan(struct sched *s, const struct job_queued *row)
{
	if (s->n_orphans == SCHED_ORPHANS_MAX)
		return; /* the next look finds it again */
	s->orphans[s->n_orphans++] = (struct sched_orphan){ .tenant = row->tenant,
		.id = row->id,
		.epoch = row->epoch,
		.attempt = row->attempt,
		.state = row->state };
	s->moves_due = true;
}

static void
lose(struct sched *s, struct sched_run *r)
{
	char id[ID_STR_SIZE];

	log_warn(&s->o.log, "%s: the lease of attempt %lld has moved on; ending it",
	    id_format("job", r->launch.id.run, id), (long long)r->attempt);
	metrics_add(s->o.metrics, METRIC_SCHED_LEASES_LOST, 1);
	r->lost = true;
	if (r->state == SCHED_RUN_OVER)
		s->finish_due = true;
	else
		sched_run_stop(s, r, SCHED_STOP_AT_ONCE);
}

/* What was read is later than any run's claim and any completion that was already answered, because
 * the ledger does one thing after another and answers in order. */
void
sched_rows_compare(struct sched *s, const struct sched_turn *t)
{
	struct sched_run *r = NULL;

	s->n_orphans = 0;
	for (size_t i = 0; i < t->n_mine; i++) {
		const struct job_queued *row = &t->mine[i];
		struct compute_run_id id = {
			.tenant = row->tenant, .run = row->id, .epoch = row->epoch
		};
		struct sched_run *held = sched_table_find(s, &id);

		if (held == NULL) {
			note_orphan(s, row);
			continue;
		}
		held->seen = t->number;
		follow_row(s, held, row);
	}
	while ((r = sched_table_next(s, r)) != NULL) {
		/* One that is over has no row, either, when only the answer to its completion was
		 * lost. */
		bool answered = r->state != SCHED_RUN_OVER || r->unsure;

		if (r->seen != t->number && !r->busy && !r->lost && answered)
			lose(s, r);
	}
}
