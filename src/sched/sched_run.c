/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of an attempt between claim and end, driven by the spawner's events.  Rows follow: what
 * must be written is found by looking at the runs (sched_move.c, sched_finish.c), so that an event
 * never waits for the database.
 */
#include "sched_internal.h"

enum {
	/* A keeper that does not end a run within its grace is stuck: the spawner ends the whole
	 * sandbox. */
	STOP_SLACK_MS = 10000,
	/* So long after wall time and grace the keeper of a run was stopped, or it collects.  The
	 * first wish for the end wakes the one and means nothing to the other, whose work is not
	 * to be lost by the second before it had time. */
	WALL_SLACK_MS = 3000,
	COLLECT_SLACK_MS = 60000,
	/* A start that nobody answers is asked after. */
	START_SLACK_MS = 30000,
	/* A start of this connection may lie behind the question for the list. */
	LIST_SLACK_MS = 10000,
	/* A claimed job that cannot be started goes back to the queue, for others to take. */
	PREPARED_SLACK_MS = 10000
};

static void
log_run(struct sched *s, const struct sched_run *r, const char *what)
{
	char id[ID_STR_SIZE];

	log_warn(&s->o.log, "%s: %s, attempt %lld", id_format("job", r->launch.id.run, id), what,
	    (long long)r->attempt);
}

void
sched_run_over(struct sched *s, struct sched_run *r)
{
	r->state = SCHED_RUN_OVER;
	s->finish_due = true;
	/* Its part of the node is free from now on. */
	s->turn_due = true;
	s->turn_after_ms = 0;
}

void
sched_run_failed(struct sched *s, struct sched_run *r, const char *what, int sys, const char *why)
{
	r->over = (struct sched_over){ .failed = true, .what = what, .sys = sys };
	if (why != NULL)
		sched_message(r->over.why, "%s", why);
	sched_run_over(s, r);
}

void
sched_run_stop(struct sched *s, struct sched_run *r, enum sched_stop how)
{
	if (r->state == SCHED_RUN_OVER)
		return;
	if (how > r->stop)
		r->stop = how;
	if (r->state == SCHED_RUN_PREPARED)
		sched_run_failed(s, r, NULL, 0, "it was stopped before it started");
	s->unsent = true;
}

static void
stop_stranger(struct sched *s, const struct compute_run_id *id)
{
	struct err e = { 0 };

	log_warn(&s->o.log, "ending a sandbox that belongs to no attempt of this node");
	if (compute_stop(s->compute, id, true, &e) < 0)
		log_err(&s->o.log, LOG_LEVEL_WARN, &e, "end a stranger");
}

/* --- sending ---------------------------------------------------------------------------------- */

static bool
may_start(const struct sched *s)
{
	return s->connected && !s->foreign && !s->listing && s->booted && s->trusted;
}

static bool
is_with_spawner(const struct sched_run *r)
{
	return r->state == SCHED_RUN_STARTING || r->state == SCHED_RUN_RUNNING;
}

static void
send_start(struct sched *s, struct sched_run *r)
{
	struct err e = { 0 };

	if (compute_start(s->compute, &r->launch, &e) == 0) {
		r->state = SCHED_RUN_STARTING;
		r->sent_on = s->connection;
		r->started_ms = sched_now_ms();
	} else if (err_retryable(e.code)) {
		/* the socket is full or gone; the next event or tick tries again */
		s->unsent = true;
	} else {
		sched_run_failed(s, r, NULL, 0, e.msg);
	}
}

static void
send_stop(struct sched *s, struct sched_run *r)
{
	struct err e = { 0 };

	if (!s->connected ||
	    compute_stop(s->compute, &r->launch.id, r->stop == SCHED_STOP_AT_ONCE, &e) < 0) {
		s->unsent = true;
		return;
	}
	r->stop_sent = r->stop;
	r->stop_sent_ms = sched_now_ms();
}

void
sched_run_flush(struct sched *s)
{
	struct sched_run *r = NULL;

	s->unsent = false;
	while ((r = sched_table_next(s, r)) != NULL) {
		if (r->state == SCHED_RUN_PREPARED && may_start(s))
			send_start(s, r);
		else if (is_with_spawner(r) && r->stop > r->stop_sent)
			send_stop(s, r);
	}
}

static void
ask_for_list(struct sched *s)
{
	struct err e = { 0 };

	if (!s->connected || s->listing)
		return;
	s->list++;
	s->n_live = 0;
	s->live_broken = false;
	s->boot_due = false;
	s->listing = compute_list(s->compute, &e) == 0;
	if (!s->listing)
		log_err(&s->o.log, LOG_LEVEL_WARN, &e, "ask the spawner for its runs");
}

/* --- events ----------------------------------------------------------------------------------- */

static void
on_started(struct sched *s, struct sched_run *r)
{
	if (r->state != SCHED_RUN_STARTING)
		return;
	r->state = SCHED_RUN_RUNNING;
	r->started_ms = sched_now_ms();
	s->moves_due = true;
	metrics_add(s->o.metrics, METRIC_SANDBOX_STARTS, 1);
	if (r->claimed_ms != 0)
		metrics_observe_ns(
		    s->o.metrics, METRIC_JOB_START, (sched_now_ms() - r->claimed_ms) * 1000000);
}

static void
on_failed(struct sched *s, struct sched_run *r, const struct compute_event *ev)
{
	if (r->state == SCHED_RUN_STARTING) {
		if (!ev->no_scratch)
			metrics_add(s->o.metrics, METRIC_SANDBOX_FAULTS, 1);
		sched_run_failed(s, r, ev->what, ev->sys, NULL);
		r->over.no_scratch = ev->no_scratch;
	} else if (r->state == SCHED_RUN_RUNNING) {
		ask_for_list(s); /* the spawner refused a stop: does it know the run at all? */
	}
}

static void
follow_list(struct sched *s, struct sched_run *r)
{
	bool listed = r->listed == s->list;
	/* What was sent on a connection that broke has been read by now, or never will be. */
	bool young = r->sent_on == s->connection && sched_now_ms() - r->started_ms < LIST_SLACK_MS;

	if (r->state == SCHED_RUN_STARTING) {
		/* Alive, and the word of its start went to a connection that broke. */
		if (listed && r->sent_on != s->connection)
			on_started(s, r);
		else if (!listed && !young)
			sched_run_over(s, r);
	} else if (r->state == SCHED_RUN_RUNNING && !listed) {
		sched_run_over(s, r);
	}
}

static void
on_list_end(struct sched *s)
{
	struct sched_run *r = NULL;

	s->listing = false;
	if (!s->booted) {
		s->boot_due = true;
		return;
	}
	while ((r = sched_table_next(s, r)) != NULL)
		follow_list(s, r);
	s->unsent = true;
}

static void
on_known(struct sched *s, struct sched_run *r, const struct compute_event *ev)
{
	switch (ev->kind) {
	case COMPUTE_STARTED:
		on_started(s, r);
		break;
	case COMPUTE_FAILED:
		on_failed(s, r, ev);
		break;
	case COMPUTE_ENDED:
		if (r->state != SCHED_RUN_OVER)
			sched_run_over(s, r);
		break;
	case COMPUTE_LISTED:
		r->listed = s->list;
		break;
	case COMPUTE_CONNECTED:
	case COMPUTE_LOST:
	case COMPUTE_LIST_END:
		break; /* about no run */
	}
}

static void
on_unknown(struct sched *s, const struct compute_event *ev)
{
	struct err e = { 0 };

	if (ev->kind == COMPUTE_STARTED || ev->kind == COMPUTE_LISTED)
		stop_stranger(s, &ev->id);
	else if (ev->kind == COMPUTE_ENDED && compute_purge(s->compute, &ev->id, &e) < 0)
		log_err(&s->o.log, LOG_LEVEL_DEBUG, &e, "clear what is left of a stranger");
}

/* Before start-up is reconciled no run is known. */
static void
on_early(struct sched *s, const struct compute_event *ev)
{
	if (ev->kind == COMPUTE_LISTED)
		sched_boot_listed(s, &ev->id);
	else if (ev->kind == COMPUTE_ENDED)
		sched_boot_ended(s, &ev->id);
}

static void
on_run(struct sched *s, const struct compute_event *ev)
{
	struct sched_run *r;

	if (!s->booted) {
		on_early(s, ev);
		return;
	}
	r = sched_table_find(s, &ev->id);
	if (r != NULL)
		on_known(s, r, ev);
	else
		on_unknown(s, ev);
}

void
sched_run_event(void *ctx, const struct compute_event *ev)
{
	struct sched *s = ctx;

	switch (ev->kind) {
	case COMPUTE_CONNECTED:
		s->connected = true;
		s->connection++;
		if (ev->foreign && !s->foreign)
			s->lost_since_ms = sched_now_ms();
		s->foreign = ev->foreign;
		s->listing = false;
		ask_for_list(s);
		break;
	case COMPUTE_LOST:
		s->connected = false;
		s->listing = false;
		s->lost_since_ms = sched_now_ms();
		break;
	case COMPUTE_LIST_END:
		on_list_end(s);
		break;
	case COMPUTE_STARTED:
	case COMPUTE_FAILED:
	case COMPUTE_ENDED:
	case COMPUTE_LISTED:
		on_run(s, ev);
		break;
	}
	sched_advance(s);
}

/* --- once a second ---------------------------------------------------------------------------- */

static void
watch_stop(struct sched *s, struct sched_run *r, int64_t now_ms)
{
	int64_t slack_ms = r->overdue ? COLLECT_SLACK_MS : STOP_SLACK_MS;

	if (r->stop_sent == SCHED_STOP_NONE ||
	    now_ms - r->stop_sent_ms < r->launch.stop.wait_ms + s->o.grace_ms + slack_ms)
		return;
	log_run(s, r, "did not end when told to; ending its sandbox");
	r->stop = SCHED_STOP_AT_ONCE;
	r->stop_sent = SCHED_STOP_NONE;
	s->unsent = true;
}

static void
watch_running(struct sched *s, struct sched_run *r, int64_t now_ms)
{
	int64_t most = r->launch.wall_ms + r->launch.stop.wait_ms + s->o.grace_ms + WALL_SLACK_MS;

	if (r->stop == SCHED_STOP_NONE && r->launch.wall_ms > 0 && now_ms - r->started_ms > most) {
		log_run(s, r, "is past its wall time and its keeper does nothing");
		r->overdue = true;
		sched_run_stop(s, r, SCHED_STOP_AT_ONCE);
	}
	watch_stop(s, r, now_ms);
}

void
sched_run_watch(struct sched *s)
{
	int64_t now_ms = sched_now_ms();
	bool stranded =
	    (!s->connected || s->foreign) && now_ms - s->lost_since_ms > PREPARED_SLACK_MS;
	struct sched_run *r = NULL;
	bool live = false;

	while ((r = sched_table_next(s, r)) != NULL) {
		if (r->state == SCHED_RUN_PREPARED && stranded)
			sched_run_failed(s, r, NULL, 0, "the spawner is not there");
		else if (r->state == SCHED_RUN_STARTING && now_ms - r->started_ms > START_SLACK_MS)
			ask_for_list(s);
		else if (r->state == SCHED_RUN_RUNNING)
			watch_running(s, r, now_ms);
		live = live || is_with_spawner(r);
	}
	if (s->foreign && s->booted && !live)
		compute_leave(s->compute);
}

void
sched_run_gauges(struct sched *s)
{
	struct sched_capacity left = { .cpu_milli = s->o.cpu_milli,
		.memory_bytes = s->o.memory_bytes };
	const struct sched_hold all = sched_hold_all(s->o.gpus, s->o.topology);
	const struct sched_hold_counts total = sched_hold_count(&all);
	struct sched_hold spare = all;
	struct sched_hold_counts left_alone;
	struct sched_run *r = NULL;
	int64_t running = 0;

	while ((r = sched_table_next(s, r)) != NULL) {
		const struct sched_hold hold = sched_table_hold(r);

		if (r->state == SCHED_RUN_OVER)
			continue;
		sched_hold_take_off(&spare, &hold);
		left.cpu_milli -= r->launch.cpu_milli;
		left.memory_bytes -= r->launch.memory_bytes;
		running += r->state == SCHED_RUN_RUNNING;
	}
	metrics_set(s->o.metrics, METRIC_JOBS_RUNNING, running);
	metrics_set(s->o.metrics, METRIC_SCHED_CPUS_FREE_MILLI, left.cpu_milli);
	metrics_set(s->o.metrics, METRIC_SCHED_MEMORY_FREE_BYTES, left.memory_bytes);
	left_alone = sched_hold_count(&spare);
	metrics_set(s->o.metrics, METRIC_SCHED_GPUS, total.gpus);
	metrics_set(s->o.metrics, METRIC_SCHED_GPUS_IN_USE, total.gpus - left_alone.gpus);
	metrics_set(s->o.metrics, METRIC_SCHED_CPUS_PINNED, total.cpus - left_alone.cpus);
}
