/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Idempotency keys are kept for a day, which is promised, and forgotten within about an hour after.
 * Every daemon does it, at moments of its own; a batch is small, so that nothing else waits long
 * for the ledger.
 */
#include "sched_internal.h"

enum {
	KEEP_MS = 24 * 3600 * 1000,
	EVERY_MS = 3600 * 1000,
	FIRST_MS = 60 * 1000, /* at most; a daemon that is restarted often does it, too */
	AGAIN_MS = 1000,
	BATCH = 1000
};

static int
age_work(struct sched_op *op, struct err *e)
{
	struct sched_age *a = &op->s->age;

	a->n = job_idempotency_expire(op->s->o.db, KEEP_MS, BATCH, e);
	return a->n < 0 ? -1 : 0;
}

static void
age_done(struct sched_op *op)
{
	struct sched *s = op->s;
	bool more = op->rc == 0 && s->age.n == BATCH;

	if (op->rc == 0)
		metrics_add(s->o.metrics, METRIC_IDEMPOTENCY_EXPIRED, s->age.n);
	else
		log_err(&s->o.log, LOG_LEVEL_WARN, &op->err, "forget old idempotency keys");
	loop_timer_start(
	    s->age.timer, more ? AGAIN_MS : EVERY_MS / 2 + (int64_t)(sched_random() % EVERY_MS), 0);
}

void
sched_age_beat(void *arg)
{
	struct sched *s = arg;

	if (!s->draining)
		sched_op_push(&s->age.op);
}

void
sched_age_init(struct sched *s)
{
	s->age.op =
	    (struct sched_op){ .s = s, .pool = s->ledger, .work = age_work, .done = age_done };
	loop_timer_start(s->age.timer, (int64_t)(sched_random() % FIRST_MS), 0);
}
