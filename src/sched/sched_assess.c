/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an ended attempt comes to: outcome, cause, what follows, and the results if this is the end.
 * On the ledger's thread; reads what a sandbox left behind, so nothing here trusts a byte of it.
 */
#include "sched_internal.h"

#include "caps.h"
#include "fd.h"

static void
fault(struct sched_completion *c, const char *why)
{
	c->outcome.kind = COMPUTE_FAULT;
	sched_message(c->over.why, "%s", why);
}

/* -1 when the record may be readable later: this process is short of something. */
static int
read_outcome(struct sched *s, struct sched_completion *c, struct err *e)
{
	struct err why = { 0 };
	int rc;

	c->outcome =
	    (struct compute_outcome){ .kind = COMPUTE_GONE, .ended_wall_us = clock_wall_us() };
	if (c->over.failed) {
		c->outcome.kind = c->row == JOB_CANCELING ? COMPUTE_STOPPED
				  : c->over.no_scratch    ? COMPUTE_SCRATCH
							  : COMPUTE_FAULT;
		c->outcome.what = c->over.what;
		c->outcome.sys = c->over.sys;
		return 0;
	}
	rc = compute_outcome(s->compute, &c->id, &c->outcome, &why);
	if (rc >= 0)
		return 0;
	if (why.code == ERR_PROTOCOL) {
		fault(c, "its exit record is damaged");
		return 0;
	}
	*e = why;
	return -1;
}

/* What it used over time is worth having, but no attempt waits for it: whatever is wrong with the
 * file, the figures of the exit record are complete without. */
static void
read_samples(struct sched *s, struct sched_completion *c, struct arena *mem)
{
	struct compute_sample *v = NULL;
	struct job_sample *copy;
	struct err why = { 0 };
	size_t n = 0;

	_Static_assert((int)COMPUTE_SAMPLES_MAX <= (int)JOB_SAMPLES_MAX, "all of them fit");
	c->samples = NULL;
	c->n_samples = 0;
	if (compute_samples(s->compute, &c->id, mem, &v, &n, &why) < 0) {
		log_err(&s->o.log, LOG_LEVEL_DEBUG, &why, "read what a run used over time");
		return;
	}
	copy = arena_array(mem, n, sizeof(*copy));
	if (copy == NULL)
		return;
	for (size_t i = 0; i < n; i++)
		copy[i] = (struct job_sample){ .at_ms = v[i].at_ms,
			.cpu_ns = v[i].cpu_ns,
			.throttled_ns = v[i].throttled_ns,
			.memory_bytes = v[i].memory_bytes,
			.processes = v[i].processes,
			.io_read_bytes = v[i].io_read_bytes,
			.io_write_bytes = v[i].io_write_bytes };
	c->samples = copy;
	c->n_samples = n;
}

static bool
ended_by_itself(const struct sched_completion *c)
{
	switch (c->outcome.kind) {
	case COMPUTE_EXITED:
	case COMPUTE_SIGNALED:
	case COMPUTE_OOM:
	case COMPUTE_WALL:
	case COMPUTE_NO_OUTPUT:
	case COMPUTE_CPU_TIME:
		return c->row != JOB_CANCELING;
	case COMPUTE_STOPPED:
	case COMPUTE_EXEC_FAILED:
	case COMPUTE_FAULT:
	case COMPUTE_SCRATCH:
	case COMPUTE_GONE:
		return false;
	}
	return false;
}

/* Most jobs of an environment without rules need no second look at their manifest. */
static bool
needs_manifest(const struct sched_completion *c)
{
	const struct environment *env = c->environment;

	return ended_by_itself(c) && (env == NULL || env->n_rules > 0 || env->n_success_absent > 0);
}

static void
explain(struct sched_completion *c, const char *criteria)
{
	const struct sched_facts facts = { .outcome = &c->outcome,
		.canceled = c->row == JOB_CANCELING,
		.success_exit_code = c->environment != NULL ? c->environment->success_exit_code : 0,
		.criteria = criteria,
		.fault = c->over.why[0] != '\0' ? c->over.why : NULL };

	sched_cause_of(&facts, &c->cause);
}

static struct sched_next
decide(const struct sched_completion *c)
{
	const struct sched_end end = { .from = c->row,
		.ok = c->cause.ok,
		.category = c->cause.category,
		.attempt = c->attempt,
		.max_attempts = c->max_attempts,
		.epoch = c->id.epoch };

	return sched_retry(&end, sched_random());
}

/* A success without its results is none; of a failure they are only what can be had. */
static void
extract(struct sched *s, struct sched_completion *c, const struct job_spec *spec, int out_fd,
    struct arena *mem)
{
	struct err e = { 0 };
	struct sched_next next = decide(c);

	if (c->bare) {
		if (c->cause.ok)
			fault(c, "its results could not be stored");
	} else if (next.on == JOB_ON_RETRY) {
		return; /* the next attempt's results count */
	} else if (result_extract(c->environment, spec->parameters, spec->n_parameters, out_fd, mem,
		       &c->results, &e) == 0) {
		c->has_results = true;
	} else {
		log_err(&s->o.log, LOG_LEVEL_DEBUG, &e, "extract results");
		if (c->cause.ok)
			fault(c, "its results could not be read");
	}
	if (c->outcome.kind == COMPUTE_FAULT)
		explain(c, NULL);
}

/* -1 with the sentence in *e: the attempt ended, but what it left cannot be judged. */
static int
judge(struct sched *s, struct sched_completion *c, const struct job_spec *spec, struct arena *mem,
    struct err *e)
{
	AUTO_FD int out_fd = -1;
	const char *criteria = NULL;

	c->environment = spec->environment;
	if (compute_open_out(s->compute, &c->id, &out_fd, e) < 0)
		return -1;
	if (c->outcome.kind == COMPUTE_EXITED &&
	    c->outcome.exit_code == c->environment->success_exit_code &&
	    result_check_success(c->environment, out_fd, mem, &criteria, e) < 0)
		return -1;
	explain(c, criteria);
	extract(s, c, spec, out_fd, mem);
	return 0;
}

static int
judge_by_manifest(struct sched *s, struct sched_completion *c, struct arena *mem, struct err *e)
{
	AUTO(arena) scratch = arena_new(CAP_REQUEST_ARENA_BYTES);
	struct sched_spec x = { 0 };
	struct err why = { 0 };
	int rc = -1;

	if (scratch == NULL)
		return err_set(e, ERR_NO_MEMORY, "no memory to complete a run");
	if (sched_spec_read(s, &c->id, scratch, &x, &why) == 0)
		rc = judge(s, c, &x.spec, mem, &why);
	sched_spec_done(&x);
	if (rc == 0)
		return 0;
	/* A database that is away comes back; what the manifest or the output says is final. */
	if (err_retryable(why.code)) {
		*e = why;
		return -1;
	}
	fault(c, why.n_fields > 0 ? why.fields[0].msg : why.msg);
	explain(c, NULL);
	return 0;
}

/* A keeper that was kept from counting could not say why it ended the run; the daemon can. */
static void
settle_overdue(struct sched_completion *c)
{
	if (c->overdue && (c->outcome.kind == COMPUTE_STOPPED || c->outcome.kind == COMPUTE_GONE))
		c->outcome.kind = COMPUTE_WALL;
}

int
sched_assess(struct sched *s, struct sched_completion *c, struct arena *mem, struct err *e)
{
	if (read_outcome(s, c, e) < 0)
		return -1;
	settle_overdue(c);
	if (!c->over.failed && !c->bare) /* bare: whatever was stored besides was refused */
		read_samples(s, c, mem);
	if (!needs_manifest(c))
		explain(c, NULL);
	else if (judge_by_manifest(s, c, mem, e) < 0)
		return -1;
	c->next = decide(c);
	return 0;
}
