/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation.
 *
 * The loop's thread owns all state and never blocks.  It hears of three things: events of the
 * spawner, answers of the two pools, and timers.  Each of them changes some state and ends in
 * sched_advance, which looks at what is due and sends it off; nothing else starts work.  Work is an
 * op, one per kind, on one of three pools of one thread each.  The ledger takes turns of the queue,
 * batches of moves, batches of completions, reapings, old keys and the start-up's reconciliation,
 * in order. Run directories are written and cleared beside it, so that a slow disk keeps no queue
 * waiting, and leases are renewed beside both, so that nothing slow costs a lease.
 *
 * That the ledger does one thing after another, and that its answers come in order, is what makes
 * reading rows meaningful: a row that is read was written by everything that was answered before.
 *
 * A database that is away shows as ops that fail.  The loop then waits a little longer each time;
 * attempts that have ended stay in the table with their exit records on disk, and are completed
 * when it is back.  Nothing is claimed meanwhile.  A spawner that is away shows as an event; runs
 * go on.
 *
 * Draining: nothing is claimed any more, everything else goes on until nothing is left.
 *
 * Stopping: claims end at once, completions under way get a bounded time, then the threads are
 * joined.  Runs and their leases are left for the next start.
 */
#include "sched_internal.h"

#include <string.h>

enum {
	OPS = 8, /* kinds of them on one pool, at most */
	PAUSE_FIRST_MS = 250,
	PAUSE_MOST_MS = 5000,
	DRAIN_MS = 3000
};

/* --- ops -------------------------------------------------------------------------------------- */

static void
op_done(void *arg)
{
	struct sched_op *op = arg;

	op->busy = false;
	op->done(op);
	sched_advance(op->s);
}

static void
op_main(void *arg)
{
	struct sched_op *op = arg;

	op->began_ms = sched_now_ms();
	op->err = (struct err){ 0 };
	op->rc = op->work(op, &op->err);
	op->took_ms = sched_now_ms() - op->began_ms;
	loop_post(op->s->loop, &op->item, op_done, op);
}

void
sched_op_push(struct sched_op *op)
{
	struct err e = { 0 };

	REQUIRE(!op->busy);
	op->busy = true;
	/* A pool has room for every kind of op, and is stopped after the loop has ended. */
	REQUIRE(work_push(op->pool, op_main, op, &e) == 0);
}

void
sched_ledger_failed(struct sched *s, const struct err *e, const char *what)
{
	int64_t wait_ms = (int64_t)PAUSE_FIRST_MS << (s->failures < 5 ? s->failures : 5);

	if (s->failures == 0)
		log_err(&s->o.log, LOG_LEVEL_WARN, e, what);
	s->failures++;
	s->pause_until_ms = sched_now_ms() + (wait_ms < PAUSE_MOST_MS ? wait_ms : PAUSE_MOST_MS);
	/* Whatever failed is due again. */
	s->turn_due = s->mine_due = s->moves_due = s->finish_due = true;
	s->drain_failed = true;
}

void
sched_ledger_worked(struct sched *s)
{
	if (s->failures > 0)
		log_info(&s->o.log, "the ledger works again after %d failures", s->failures);
	s->failures = 0;
	s->pause_until_ms = 0;
}

/* --- what is due ------------------------------------------------------------------------------ */

static void
update_readiness(struct sched *s)
{
	const char *why = NULL;

	if (s->foreign)
		why = "the spawner is of another release; it goes on with its runs and is replaced "
		      "when "
		      "they are over";
	else if (!s->connected)
		why = "the spawner is not connected";
	else if (!s->booted)
		why = "the scheduler is finding out what ran before";
	else if (!s->trusted)
		why = "the database does not renew the leases of this node";
	atomic_store(&s->unready, why);
}

static bool
is_idle(const struct sched *s)
{
	return !s->turn.op.busy && !s->moves.op.busy && !s->finish.op.busy && !s->boot.op.busy &&
	       !s->reap.op.busy && !s->age.op.busy && !s->renew.op.busy && !s->prepare.op.busy &&
	       !s->tidy.op.busy;
}

/* As far as it can be: what failed once during the drain is the next start's. */
static bool
is_written(const struct sched *s)
{
	return !s->booted || s->drain_failed ||
	       (!s->moves_due && !s->finish_due && s->prepare.n == 0 && s->tidy.n_due == 0);
}

/* Of what was claimed before the drain began, nothing runs, waits or is yet to be written. */
static void
update_drained(struct sched *s)
{
	atomic_store(&s->drained,
	    atomic_load(&s->stopping) && s->n_runs == 0 && !s->turn.op.busy && s->prepare.n == 0);
}

static void
advance_ledger(struct sched *s)
{
	if (!s->booted) {
		if (s->boot_due && !s->draining)
			sched_boot_push(s);
		return;
	}
	if (s->moves_due)
		sched_moves_push(s);
	if (s->finish_due)
		sched_finish_push(s);
	if ((s->turn_due || s->mine_due) && !s->draining && sched_now_ms() >= s->turn_after_ms)
		sched_turn_push(s);
}

/* One timer for everything that is due but not yet. */
static void
arm_later(struct sched *s)
{
	int64_t now_ms = sched_now_ms(), at_ms = 0;
	bool waiting = (s->turn_due || s->mine_due) && !s->turn.op.busy;

	if (s->pause_until_ms > now_ms)
		at_ms = s->pause_until_ms;
	else if (waiting && s->turn_after_ms > now_ms)
		at_ms = s->turn_after_ms;
	if (at_ms != 0)
		loop_timer_start(s->later, at_ms - now_ms, 0);
}

void
sched_advance(struct sched *s)
{
	if (s->unsent)
		sched_run_flush(s);
	sched_prepare_push(s);
	sched_tidy_push(s);
	if (sched_now_ms() >= s->pause_until_ms || s->draining)
		advance_ledger(s);
	arm_later(s);
	update_readiness(s);
	update_drained(s);
	if (s->draining && is_idle(s) && is_written(s))
		loop_stop(s->loop);
}

/* --- timers and bells ------------------------------------------------------------------------- */

static void
on_later(void *arg)
{
	sched_advance(arg);
}

static void
on_poll(void *arg)
{
	struct sched *s = arg;

	s->turn_due = true;
	s->mine_due = true;
	sched_advance(s);
}

static void
on_tick(void *arg)
{
	struct sched *s = arg;

	sched_run_watch(s);
	/* Whatever was put off for a reason of its own is looked at again. */
	s->moves_due = true;
	s->finish_due = true;
	s->unsent = true;
	sched_run_gauges(s);
	sched_advance(s);
}

static void
on_bell(void *arg)
{
	struct sched *s = arg;

	atomic_store(&s->bell, false);
	s->turn_due = true;
	s->mine_due = true;
	sched_advance(s);
}

static void
on_drain_over(void *arg)
{
	struct sched *s = arg;

	loop_stop(s->loop);
}

void
sched_wake(struct sched *s)
{
	if (!atomic_exchange(&s->bell, true))
		loop_post(s->loop, &s->bell_item, on_bell, s);
}

bool
sched_ready(struct sched *s, const char **ret_why)
{
	const char *why = atomic_load(&s->unready);

	if (why != NULL)
		*ret_why = why;
	return why == NULL;
}

bool
sched_weak(const struct sched *s, uint32_t *ret)
{
	return compute_weak(s->compute, ret);
}

/* --- start and stop --------------------------------------------------------------------------- */

static int
make_timers(struct sched *s, struct err *e)
{
	const struct {
		struct loop_timer **at;
		void (*fn)(void *arg);
	} all[] = { { &s->tick, on_tick }, { &s->poll, on_poll }, { &s->later, on_later },
		{ &s->heartbeat, sched_lease_beat }, { &s->reaper, sched_lease_reap },
		{ &s->trust, sched_lease_expire }, { &s->drain, on_drain_over },
		{ &s->age.timer, sched_age_beat } };

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (loop_timer_new(s->loop, all[i].fn, s, all[i].at, e) < 0)
			return -1;
	loop_timer_start(s->tick, SCHED_TICK_MS, SCHED_TICK_MS);
	loop_timer_start(s->poll, s->o.poll_ms, s->o.poll_ms);
	loop_timer_start(s->reaper, s->o.reap_ms, s->o.reap_ms);
	loop_timer_start(s->heartbeat, 0, s->o.heartbeat_ms);
	return 0;
}

static void *
loop_main(void *arg)
{
	struct sched *s = arg;

	loop_run(s->loop);
	return NULL;
}

static int
start(struct sched *s, const struct sched_options *o, struct err *e)
{
	struct compute_options c = { .runs_dir = o->runs_dir,
		.socket_path = o->spawner_socket,
		.log = log_component(&s->o.log, "compute"),
		.on_event = sched_run_event,
		.ctx = s };

	if (loop_new(&s->loop, e) < 0)
		return -1;
	if (work_new("ledger", 1, OPS, &s->ledger, e) < 0 ||
	    work_new("files", 1, OPS, &s->files, e) < 0 ||
	    work_new("leases", 1, OPS, &s->leases, e) < 0)
		return -1;
	c.loop = s->loop;
	if (compute_new(&c, &s->compute, e) < 0 || make_timers(s, e) < 0)
		return -1;
	sched_turn_init(s);
	sched_files_init(s);
	sched_moves_init(s);
	sched_finish_init(s);
	sched_lease_init(s);
	sched_boot_init(s);
	sched_age_init(s);
	return thread_start(&s->thread, "sched", loop_main, s, e);
}

static void
release(struct sched *s)
{
	struct sched_op *const ops[] = { &s->turn.op, &s->prepare.op, &s->tidy.op, &s->moves.op,
		&s->finish.op, &s->reap.op, &s->age.op, &s->boot.op, &s->renew.op };

	/* The loop is over; what the pools still do ends by the database's deadlines. */
	work_free(s->ledger);
	work_free(s->files);
	work_free(s->leases);
	compute_free(s->compute);
	loop_timer_free(s->tick);
	loop_timer_free(s->poll);
	loop_timer_free(s->later);
	loop_timer_free(s->heartbeat);
	loop_timer_free(s->reaper);
	loop_timer_free(s->trust);
	loop_timer_free(s->drain);
	loop_timer_free(s->age.timer);
	loop_free(s->loop);
	sched_table_clear(s);
	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		arena_free(ops[i]->mem);
	for (size_t i = 0; i < s->moves.n; i++)
		free(s->moves.details[i]);
	for (size_t i = 0; i < s->finish.n; i++)
		free(s->finish.v[i].detail);
	free(s->live);
	free(s);
}

int
sched_start(const struct sched_options *o, struct sched **ret, struct err *e)
{
	struct sched *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return err_set(e, ERR_NO_MEMORY, "no memory for the scheduler");
	s->o = *o;
	s->o.runs_dir = NULL; /* the caller's memory; compute keeps what it needs */
	s->o.spawner_socket = NULL;
	atomic_store(&s->unready, "the scheduler is starting");
	if (start(s, o, e) < 0) {
		release(s);
		return -1;
	}
	*ret = s;
	return 0;
}

void
sched_drain(struct sched *s)
{
	atomic_store(&s->stopping, true);
	sched_wake(s);
}

bool
sched_drained(struct sched *s)
{
	return atomic_load(&s->drained);
}

static void
on_stop(void *arg)
{
	struct sched *s = arg;

	s->draining = true;
	s->drain_failed = false;
	loop_timer_stop(s->poll);
	loop_timer_stop(s->reaper);
	loop_timer_start(s->drain, DRAIN_MS, 0);
	s->moves_due = true;
	s->finish_due = true;
	sched_advance(s);
}

void
sched_stop(struct sched *s)
{
	if (s == NULL)
		return;
	atomic_store(&s->stopping, true);
	loop_post(s->loop, &s->stop_item, on_stop, s);
	thread_join(&s->thread);
	release(s);
}
