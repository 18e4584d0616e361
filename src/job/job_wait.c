/* SPDX-License-Identifier: Apache-2.0 */
#include "job_internal.h"

#include <stdio.h>
#include <string.h>

/*
 * Why a job waits, as far as the database knows: the time before which it is not tried again, then
 * the limits of its project and its tenant.  Beyond them it waits for a node, and which of them has
 * how much free is known to each alone; a job that needs GPUs is told so, because they are what is
 * rare.
 */

enum { WAIT_TEXT_SIZE = 256 };

/* --- looking ---------------------------------------------------------------------------------- */

struct wait_walk {
	struct job_wait wait;
	bool decided;
	/* the row in hand */
	const char *name;
	int64_t need, whole, part, whole_amount, part_amount, gpus, not_before_wall_us;
};

static void
decide(struct wait_walk *w, bool of_project, int64_t used, int64_t amount)
{
	/* What needs nothing of a limit does not wait for it, however much is held. */
	if (w->decided || w->need == 0 || used <= amount - w->need)
		return;
	w->decided = true;
	w->wait.reason = JOB_WAIT_LIMIT;
	w->wait.limit = w->name;
	w->wait.of_project = of_project;
	w->wait.used = used;
	w->wait.amount = amount;
}

static int
wait_row(void *ctx, struct err *e)
{
	struct wait_walk *w = ctx;

	(void)e; /* nothing can fail */
	if (w->not_before_wall_us != 0) {
		w->decided = true;
		w->wait.reason = JOB_WAIT_DELAY;
		w->wait.until_wall_us = w->not_before_wall_us;
	}
	decide(w, true, w->part, w->part_amount);
	decide(w, false, w->whole, w->whole_amount);
	if (!w->decided) {
		w->wait.reason = w->gpus > 0 ? JOB_WAIT_GPUS : JOB_WAIT_TURN;
		w->wait.gpus = w->gpus;
	}
	return 0;
}

int
job_waiting(struct db *db, struct tenant_id tenant, struct uuid id,
    const struct job_quota_defaults *quota, struct arena *mem, struct job_wait *ret, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(tenant.uuid), DB_ARG_UUID(id),
		DB_ARG_I64(quota->jobs_running), DB_ARG_I64(quota->gpus),
		DB_ARG_I64(quota->cpu_milli), DB_ARG_I64(quota->memory_bytes), DB_ARGS_END };
	struct wait_walk w = { .decided = false };
	const struct db_col cols[] = { DB_TEXT("name", &w.name), DB_I64("need", &w.need),
		DB_I64("whole", &w.whole), DB_I64("part", &w.part),
		DB_I64("whole_amount", &w.whole_amount), DB_I64("part_amount", &w.part_amount),
		DB_I64("gpus", &w.gpus), DB_TIME_NULL("not_before", &w.not_before_wall_us),
		DB_COLS_END };
	int64_t n = db_read_each(db, tenant, "job_waiting", args, cols, mem, wait_row, &w, e);

	if (n < 0)
		return -1;
	if (n == 0)
		return 0;
	*ret = w.wait;
	return 1;
}

/* --- showing ---------------------------------------------------------------------------------- */

static const char *
reason_name(const struct job_wait *w)
{
	static const char *const names[] = { [JOB_WAIT_DELAY] = "delay",
		[JOB_WAIT_LIMIT] = "limit",
		[JOB_WAIT_GPUS] = "gpus",
		[JOB_WAIT_TURN] = "turn" };

	return names[w->reason];
}

static void
say_limit(const struct job_wait *w, char out[static WAIT_TEXT_SIZE])
{
	const char *of = w->of_project ? "project" : "tenant";

	if (strcmp(w->limit, "cpus") == 0)
		(void)snprintf(out, WAIT_TEXT_SIZE,
		    "Jobs of its %s hold %lld.%lld of at most %lld CPUs (limit cpus); it starts "
		    "when "
		    "enough of them have ended.",
		    of, (long long)(w->used / 1000), (long long)(w->used % 1000 / 100),
		    (long long)(w->amount / 1000));
	else
		(void)snprintf(out, WAIT_TEXT_SIZE,
		    "Jobs of its %s hold %lld of at most %lld (limit %s); it starts when enough of "
		    "them have ended.",
		    of, (long long)w->used, (long long)w->amount, w->limit);
}

static void
say(const struct job_wait *w, char out[static WAIT_TEXT_SIZE])
{
	switch (w->reason) {
	case JOB_WAIT_DELAY:
		(void)snprintf(out, WAIT_TEXT_SIZE, "It is tried again after a while.");
		break;
	case JOB_WAIT_LIMIT:
		say_limit(w, out);
		break;
	case JOB_WAIT_GPUS:
		(void)snprintf(out, WAIT_TEXT_SIZE,
		    "It waits for a node with %lld free GPU%s, and its CPUs and memory beside.",
		    (long long)w->gpus, w->gpus == 1 ? "" : "s");
		break;
	case JOB_WAIT_TURN:
		(void)snprintf(out, WAIT_TEXT_SIZE,
		    "It waits for its turn on a node with enough free CPUs and memory.");
		break;
	}
}

void
job_wait_print(const struct job_wait *w, struct json_out *o)
{
	char text[WAIT_TEXT_SIZE];

	json_out_key(o, "waiting");
	if (w == NULL) {
		json_out_null(o);
		return;
	}
	say(w, text);
	json_out_begin(o);
	json_put_text(o, "reason", reason_name(w));
	json_put_text(o, "limit", w->limit);
	json_put_text(o, "of", w->limit == NULL ? NULL : w->of_project ? "project" : "tenant");
	json_put_time(o, "until", w->until_wall_us);
	json_put_text(o, "message", text);
	json_out_end(o);
}
