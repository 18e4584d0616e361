/* SPDX-License-Identifier: Apache-2.0 */
/* Run directories, on a thread of their own: written before a start, cleared after the end. */
#include "sched_internal.h"

#include "caps.h"

#include <string.h>

/* Directories are written for so long before those that are ready are started. */
enum { SLICE_MS = 5 };

/* --- on the files' thread --------------------------------------------------------------------- */

static void
explain(const struct err *e, char out[static SCHED_MESSAGE_SIZE])
{
	if (e->n_fields > 0) /* the first fault says most */
		sched_message(out, "%s: %s", e->fields[0].name, e->fields[0].msg);
	else
		sched_message(out, "%s", e->msg);
}

static int
inputs_of(const struct job_spec *spec, struct arena *mem, struct compute_run *run, struct err *e)
{
	struct compute_input *inputs = arena_array(mem, spec->n_inputs, sizeof(*inputs));

	if (inputs == NULL)
		return arena_err(e);
	for (size_t i = 0; i < spec->n_inputs; i++)
		inputs[i] = (struct compute_input){ .path = spec->inputs[i].path,
			.p = spec->inputs[i].text,
			.n = spec->inputs[i].n };
	run->inputs = inputs;
	run->n_inputs = spec->n_inputs;
	return 0;
}

/* Writes the run directory; c keeps the limits, which is all that the spawner wants to know. */
static int
prepare(struct sched *s, const struct job_spec *spec, struct arena *mem, struct sched_claimed *c,
    struct err *e)
{
	struct compute_run run;
	struct sched_env env;

	c->environment = spec->environment;
	sched_spec_apply(spec, &c->launch);
	run = c->launch;
	if (sched_env_build(spec, &run, c->attempt, mem, &env, e) < 0)
		return -1;
	if (inputs_of(spec, mem, &run, e) < 0)
		return -1;
	run.argv = spec->argv;
	run.n_argv = spec->n_argv;
	run.env = env.v;
	run.n_env = env.n;
	return compute_prepare(s->compute, &run, e);
}

static void
make_ready(struct sched *s, struct sched_claimed *c)
{
	AUTO(arena) mem = arena_new(CAP_REQUEST_ARENA_BYTES);
	struct sched_spec x = { 0 };
	struct err e = { 0 };

	if (mem == NULL)
		err_set(&e, ERR_NO_MEMORY, "no memory to prepare the run");
	else if (sched_spec_of(s, c->manifest, mem, &x, &e) == 0 &&
		 prepare(s, &x.spec, mem, c, &e) == 0) {
		sched_spec_done(&x);
		return;
	}
	sched_spec_done(&x);
	c->failed = true;
	explain(&e, c->why);
}

static int
prepare_work(struct sched_op *op, struct err *e)
{
	struct sched_prepare *p = &op->s->prepare;
	int64_t until_ms = sched_now_ms() + SLICE_MS;

	(void)e; /* what fails is one run's affair */
	do
		make_ready(op->s, &p->claimed[p->to++]);
	while (p->to < p->n && sched_now_ms() < until_ms);
	return 0;
}

static int
tidy_work(struct sched_op *op, struct err *e)
{
	struct sched_tidy *t = &op->s->tidy;

	(void)e; /* what stays is found by the next start */
	for (size_t i = 0; i < t->n; i++) {
		struct err why = { 0 };

		if (compute_tidy(op->s->compute, &t->v[i], &why) < 0)
			log_err(&op->s->o.log, LOG_LEVEL_DEBUG, &why, "tidy a run directory");
	}
	return 0;
}

/* --- on the loop ------------------------------------------------------------------------------ */

static void
made_ready(struct sched *s, const struct sched_claimed *c)
{
	struct sched_run *r = sched_table_find(s, &c->launch.id);

	if (r == NULL)
		return; /* there was no memory to remember it */
	r->busy = false;
	r->launch = c->launch;
	r->environment = c->environment;
	r->state = SCHED_RUN_PREPARED;
	if (c->failed)
		sched_run_failed(s, r, NULL, 0, c->why);
	else if (r->stop != SCHED_STOP_NONE)
		sched_run_stop(s, r, r->stop);
	s->unsent = true;
	s->moves_due = true;
}

static void
prepare_done(struct sched_op *op)
{
	struct sched_prepare *p = &op->s->prepare;

	for (; p->from < p->to; p->from++)
		made_ready(op->s, &p->claimed[p->from]);
	if (p->from < p->n)
		return;
	p->n = 0;
	op->s->turn_due = true;
	arena_free(op->mem);
	op->mem = NULL;
}

void
sched_prepare_push(struct sched *s)
{
	if (!s->prepare.op.busy && s->prepare.n > 0)
		sched_op_push(&s->prepare.op);
}

static void
tidy_done(struct sched_op *op)
{
	op->s->tidy.n = 0;
}

void
sched_tidy_add(struct sched *s, const struct compute_run_id *id)
{
	if (s->tidy.n_due < SCHED_TIDY_MAX)
		s->tidy.due[s->tidy.n_due++] = *id;
}

void
sched_tidy_push(struct sched *s)
{
	struct sched_tidy *t = &s->tidy;

	if (t->op.busy || t->n_due == 0)
		return;
	memcpy(t->v, t->due, t->n_due * sizeof(t->v[0]));
	t->n = t->n_due;
	t->n_due = 0;
	sched_op_push(&t->op);
}

void
sched_files_init(struct sched *s)
{
	s->prepare.op = (struct sched_op){
		.s = s, .pool = s->files, .work = prepare_work, .done = prepare_done
	};
	s->tidy.op =
	    (struct sched_op){ .s = s, .pool = s->files, .work = tidy_work, .done = tidy_done };
}
