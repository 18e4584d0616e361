/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Completion: everything that is over becomes history in one transaction, as many attempts together
 * as have queued up.  The move comes first, because it is the fence: only where it applied do usage
 * and results follow.  Until the transaction has committed the exit record stays on disk, so a
 * completion can be repeated by this daemon or the next; a second one finds the row gone and the
 * attempt recorded, and changes nothing.
 *
 * A batch that the database refuses is taken apart, so that one attempt with an indigestible result
 * holds up no other; that one is completed without its results in the end.
 */
#include "sched_internal.h"

#include "fd.h"

#include <stdio.h>
#include <string.h>

enum {
	/* Results of one batch; a series of 100,000 points takes 2.4 MiB. */
	FINISH_ARENA_BYTES = 96 << 20,
	/* No further attempt is read in once the batch holds as much. */
	FINISH_ENOUGH_BYTES = 16 << 20,
	AGAIN_FIRST_MS = 1000,
	AGAIN_MOST_MS = 60000,
	/* Of so many tries alone, the last is made without results. */
	TRIES_PER_ROUND = 6
};

/* --- on the ledger's thread ------------------------------------------------------------------- */

static int
assess(struct sched *s, struct sched_completion *c, struct arena *mem, struct err *e)
{
	struct buf detail;

	if (c->lost)
		return 0;
	if (sched_assess(s, c, mem, e) < 0)
		return -1;
	if (c->cause.ok)
		return 0;
	buf_init(&detail, 4 * (size_t)KIB);
	sched_cause_print(&c->cause, &detail);
	if (buf_check(&detail, e) < 0) {
		buf_done(&detail);
		return -1;
	}
	c->detail = buf_take(&detail, NULL);
	return 0;
}

/* Reads as many attempts as fit; the batch is cut there. */
static int
assess_all(struct sched *s, struct sched_finish *f, struct err *e)
{
	f->n_taken = 0;
	while (f->n_taken < f->n && arena_used(f->op.mem) < FINISH_ENOUGH_BYTES) {
		if (assess(s, &f->v[f->n_taken], f->op.mem, e) < 0)
			return -1;
		f->n_taken++;
	}
	return 0;
}

static struct job_attempt
attempt_of(const struct sched *s, const struct sched_completion *c)
{
	const struct compute_outcome *o = &c->outcome;
	bool failed = o->kind == COMPUTE_FAULT || o->kind == COMPUTE_EXEC_FAILED ||
		      o->kind == COMPUTE_SCRATCH;

	return (struct job_attempt){ .tenant = c->id.tenant,
		.id = c->id.run,
		.epoch = c->id.epoch,
		.node = s->o.node,
		.outcome = compute_outcome_name(o->kind),
		.exit_code = o->exit_code,
		.signal = o->signal,
		.started_wall_us = o->started_wall_us,
		.ended_wall_us = o->ended_wall_us != 0 ? o->ended_wall_us : clock_wall_us(),
		.wall_ns = o->wall_ns,
		.cpu_user_ns = o->cpu_user_ns,
		.cpu_system_ns = o->cpu_system_ns,
		.memory_peak_bytes = o->memory_peak_bytes,
		.throttled_ns = o->throttled_ns,
		.log_bytes = o->log_bytes,
		.output_files = o->output_files,
		.output_bytes = o->output_bytes,
		.log_truncated = o->log_truncated,
		.stage_ns = o->stage_ns,
		.launch_ns = o->launch_ns,
		.collect_ns = o->collect_ns,
		.faults_minor = o->faults_minor,
		.faults_major = o->faults_major,
		.io_read_bytes = o->io_read_bytes,
		.io_write_bytes = o->io_write_bytes,
		.processes_peak = o->processes_peak,
		.oom_kills = o->oom_kills,
		.output_files_skipped = o->output_files_skipped,
		.fault_step = failed ? o->what : NULL,
		.fault_errno = failed ? o->sys : 0,
		.samples = c->samples,
		.n_samples = c->n_samples };
}

static int
write_rest(struct sched *s, struct db_sys_tx *tx, struct sched_completion *c, struct err *e)
{
	struct job_attempt attempt = attempt_of(s, c);

	if (job_attempt_record(tx, &attempt, e) < 0)
		return -1;
	if (!c->has_results)
		return 0;
	return result_store(tx, c->id.tenant, c->id.run, &c->results, e);
}

/* Moves of the batch, and for each the index of its completion. */
struct finish_moves {
	struct job_move v[SCHED_FINISH_MAX];
	size_t origin[SCHED_FINISH_MAX];
	size_t n;
};

static void
collect_moves(const struct sched_finish *f, struct finish_moves *m)
{
	for (size_t i = 0; i < f->n_taken; i++) {
		const struct sched_completion *c = &f->v[i];

		if (c->lost)
			continue;
		m->origin[m->n] = i;
		m->v[m->n++] = (struct job_move){ .tenant = c->id.tenant,
			.id = c->id.run,
			.epoch = c->id.epoch,
			.from = c->row,
			.on = c->next.on,
			.detail = c->detail,
			.delay_ms = c->next.delay_ms,
			.refund = c->next.refund };
	}
}

static int
write_all(struct sched *s, struct sched_finish *f, struct finish_moves *m, struct err *e)
{
	AUTO(db_sys_tx) tx = NULL;

	if (db_sys_begin(s->o.db, &tx, e) < 0)
		return -1;
	if (job_move(tx, m->v, m->n, e) < 0)
		return -1;
	for (size_t i = 0; i < m->n; i++)
		if (m->v[i].ok && write_rest(s, tx, &f->v[m->origin[i]], e) < 0)
			return -1;
	return db_sys_commit(&tx, e);
}

/* A move that did not apply: completed before and the answer lost, or not this node's any more. */
static int
resolve(struct sched *s, struct sched_completion *c, bool moved, struct err *e)
{
	bool known = moved;

	if (!moved &&
	    job_attempt_known(s->o.db, c->id.tenant, c->id.run, c->id.epoch, &known, e) < 0)
		return -1;
	c->verdict = known ? SCHED_DONE : SCHED_UNSURE;
	return 0;
}

static int
finish_work(struct sched_op *op, struct err *e)
{
	struct sched *s = op->s;
	struct sched_finish *f = &s->finish;
	struct finish_moves m = { .n = 0 };

	if (assess_all(s, f, e) < 0)
		return -1;
	collect_moves(f, &m);
	if (m.n > 0 && write_all(s, f, &m, e) < 0)
		return -1;
	for (size_t i = 0; i < m.n; i++)
		if (resolve(s, &f->v[m.origin[i]], m.v[i].ok, e) < 0)
			return -1;
	return 0;
}

/* --- on the loop ------------------------------------------------------------------------------ */

static void
count(struct sched *s, const struct sched_completion *c)
{
	enum job_state to;

	if (c->verdict != SCHED_DONE)
		return;
	REQUIRE(job_fsm_next(c->row, c->next.on, &to));
	if (job_state_terminal(to))
		metrics_add_by(s->o.metrics, METRIC_JOBS_ENDED, job_state_name(to), 1);
	if (!c->cause.ok && c->row != JOB_CANCELING)
		metrics_add_by(
		    s->o.metrics, METRIC_JOB_FAILURES, sched_category_name(c->cause.category), 1);
	if (c->outcome.kind == COMPUTE_FAULT && !c->over.failed)
		metrics_add(s->o.metrics, METRIC_SANDBOX_FAULTS, 1);
}

static void
say(struct sched *s, const struct sched_completion *c)
{
	char id[ID_STR_SIZE];

	if (c->verdict == SCHED_DONE && !c->cause.ok && c->cause.category == SCHED_PLATFORM)
		log_warn(&s->o.log, "%s: attempt %lld: %s", id_format("job", c->id.run, id),
		    (long long)c->attempt, c->cause.message);
}

static void
settle(struct sched *s, struct sched_run *r, const struct sched_completion *c)
{
	struct err e = { 0 };

	if (c->verdict == SCHED_UNSURE) {
		r->unsure = true;
		s->mine_due = true;
		s->turn_due = true;
		return;
	}
	count(s, c);
	say(s, c);
	s->turn_due = true; /* what it held of its tenant's limits is free from now on */
	sched_tidy_add(s, &c->id);
	/* A spawner that is away sweeps what is empty when it starts. */
	if (s->connected && compute_purge(s->compute, &c->id, &e) < 0)
		log_err(&s->o.log, LOG_LEVEL_DEBUG, &e, "clear what the spawner holds of a run");
	sched_table_remove(s, r);
}

/* Something in it that is refused whenever it is tried, as far as the code tells. */
static bool
is_indigestible(enum err_code code)
{
	return !err_retryable(code);
}

static void
put_off(struct sched_run *r, const struct err *e)
{
	int64_t wait_ms = (int64_t)AGAIN_FIRST_MS << (r->tries < 6 ? r->tries : 6);

	r->tries++;
	r->again_ms = sched_now_ms() + (wait_ms < AGAIN_MOST_MS ? wait_ms : AGAIN_MOST_MS);
	r->bare = is_indigestible(e->code) || r->tries % TRIES_PER_ROUND == TRIES_PER_ROUND - 1;
}

static void
keep(struct sched *s, struct sched_run *r, const struct err *e, bool alone)
{
	/* ERR_DB may be this attempt's data or the database's own trouble: both are tried. */
	if (!is_indigestible(e->code) && e->code != ERR_DB)
		return;
	if (alone)
		put_off(r, e);
	r->alone = true;
	s->finish_due = true;
}

static void
finish_done(struct sched_op *op)
{
	struct sched *s = op->s;
	struct sched_finish *f = &s->finish;

	if (op->rc < 0)
		sched_ledger_failed(s, &op->err, "complete jobs");
	else
		sched_ledger_worked(s);
	for (size_t i = 0; i < f->n; i++) {
		struct sched_completion *c = &f->v[i];
		struct sched_run *r = sched_table_find(s, &c->id);

		REQUIRE(r != NULL); /* only a completion removes a run, and it is in one at most */
		r->busy = false;
		if (op->rc < 0)
			keep(s, r, &op->err, f->n == 1);
		else if (i < f->n_taken)
			settle(s, r, c);
		free(c->detail);
		c->detail = NULL;
	}
	s->finish_due = true; /* others may have ended meanwhile, or did not fit */
	f->n = 0;
	arena_free(op->mem);
	op->mem = NULL;
	sched_run_gauges(s);
}

static bool
ready(const struct sched_run *r)
{
	return r->state == SCHED_RUN_OVER && !r->busy && (!r->unsure || r->lost);
}

static void
add(struct sched_finish *f, struct sched_run *r)
{
	f->v[f->n++] = (struct sched_completion){ .id = r->launch.id,
		.row = r->row,
		.environment = r->environment,
		.attempt = r->attempt,
		.max_attempts = r->max_attempts,
		.over = r->over,
		.lost = r->lost,
		.bare = r->bare,
		.overdue = r->overdue,
		.verdict = r->lost ? SCHED_DROPPED : SCHED_UNSURE };
	r->busy = true;
}

static void
gather(struct sched *s)
{
	struct sched_finish *f = &s->finish;
	struct sched_run *r = NULL, *lonely = NULL;
	int64_t now_ms = sched_now_ms();

	while (f->n < SCHED_FINISH_MAX && (r = sched_table_next(s, r)) != NULL) {
		if (!ready(r))
			continue;
		if (!r->alone)
			add(f, r);
		else if (now_ms >= r->again_ms)
			lonely = r;
	}
	if (f->n == 0 && lonely != NULL)
		add(f, lonely);
}

void
sched_finish_push(struct sched *s)
{
	struct sched_finish *f = &s->finish;

	if (f->op.busy)
		return;
	f->op.mem = arena_new(FINISH_ARENA_BYTES);
	if (f->op.mem == NULL)
		return; /* the next tick tries again */
	s->finish_due = false;
	gather(s);
	if (f->n > 0) {
		sched_op_push(&f->op);
		return;
	}
	arena_free(f->op.mem);
	f->op.mem = NULL;
}

void
sched_finish_init(struct sched *s)
{
	s->finish.op = (struct sched_op){
		.s = s, .pool = s->ledger, .work = finish_work, .done = finish_done
	};
}
