/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start-up in one pass.  Three sources name attempts: rows leased to this node, sandboxes that the
 * spawner says are alive, and run directories that were not tidied.  Put together by id, each
 * attempt gets its action from sched_reconcile.c.  Nothing is written here but directories tidied:
 * what was lost or has ended goes the way of every completion, so being killed in the middle of
 * this leaves nothing that the next start would read differently.
 *
 * The spawner's list comes first and its events go on while the ledger reads: a run that ends in
 * between is taken off the list, and is collected instead of adopted.
 */
#include "sched_internal.h"

#include "caps.h"

#include <string.h>

enum {
	BOOT_ARENA_BYTES = 128 << 20,
	/* Run directories looked at; the rest are tidied by the start after this one. */
	SCAN_MAX = 20000,
	/* Live sandboxes that one machine can have, with all doubt in favour of the spawner. */
	LIVE_MAX = 100000
};

/* --- the spawner's list, on the loop ---------------------------------------------------------- */

void
sched_boot_listed(struct sched *s, const struct compute_run_id *id)
{
	size_t cap = s->cap_live == 0 ? 64 : 2 * s->cap_live;
	struct compute_run_id *more;

	if (s->n_live < s->cap_live) {
		s->live[s->n_live++] = *id;
		return;
	}
	more = cap > LIVE_MAX ? NULL : realloc(s->live, cap * sizeof(*more));
	if (more == NULL) {
		/* A list with a hole would make live runs look lost. */
		s->live_broken = true;
		return;
	}
	s->live = more;
	s->cap_live = cap;
	s->live[s->n_live++] = *id;
}

static struct compute_run_id *
live_find(struct sched *s, const struct compute_run_id *id)
{
	for (size_t i = 0; i < s->n_live; i++)
		if (sched_id_same(&s->live[i], id))
			return &s->live[i];
	return NULL;
}

void
sched_boot_ended(struct sched *s, const struct compute_run_id *id)
{
	struct compute_run_id *at = live_find(s, id);

	if (at != NULL)
		*at = s->live[--s->n_live];
}

/* --- putting together, on the ledger's thread ------------------------------------------------- */

static int
compare_id(const struct compute_run_id *a, const struct compute_run_id *b)
{
	int order = uuid_cmp(a->run, b->run);

	if (order == 0)
		order = uuid_cmp(a->tenant.uuid, b->tenant.uuid);
	return order != 0 ? order : (a->epoch > b->epoch) - (a->epoch < b->epoch);
}

static int
compare_found(const void *x, const void *y)
{
	const struct sched_found *a = x, *b = y;

	return compare_id(&a->id, &b->id);
}

/* Folds neighbours of the same id into one; their number. */
static size_t
fold(struct sched_found *v, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (kept == 0 || !sched_id_same(&v[kept - 1].id, &v[i].id)) {
			v[kept++] = v[i];
			continue;
		}
		v[kept - 1].live = v[kept - 1].live || v[i].live;
		if (v[i].row != NULL)
			v[kept - 1].row = v[i].row;
	}
	return kept;
}

static int
gather(struct sched *s, struct sched_boot *b, struct err *e)
{
	struct arena *mem = b->op.mem;
	struct job_queued *rows;
	struct compute_run_id *dirs;
	size_t n_rows, n_dirs, n = 0;

	if (job_queue_mine(s->o.db, s->o.node, mem, &rows, &n_rows, e) < 0)
		return -1;
	if (compute_scan(s->compute, SCAN_MAX, mem, &dirs, &n_dirs, e) < 0)
		return -1;
	b->found = arena_array(mem, n_rows + n_dirs + b->n_live, sizeof(*b->found));
	if (b->found == NULL)
		return arena_err(e);
	for (size_t i = 0; i < n_rows; i++)
		b->found[n++] = (struct sched_found){ .row = &rows[i],
			.id = {
			    .tenant = rows[i].tenant, .run = rows[i].id, .epoch = rows[i].epoch } };
	for (size_t i = 0; i < n_dirs; i++)
		b->found[n++] = (struct sched_found){ .id = dirs[i] };
	for (size_t i = 0; i < b->n_live; i++)
		b->found[n++] = (struct sched_found){ .id = b->live[i], .live = true };
	if (n > 0)
		qsort(b->found, n, sizeof(*b->found), compare_found);
	b->n_found = fold(b->found, n);
	return 0;
}

static enum sched_row
row_kind(const struct sched_found *f)
{
	if (f->row == NULL)
		return SCHED_ROW_NONE;
	return f->row->state == JOB_CANCELING ? SCHED_ROW_CANCELING : SCHED_ROW_HELD;
}

/* A record that cannot be read is one: completion says what is wrong with it. */
static bool
has_record(struct sched *s, const struct sched_found *f)
{
	struct compute_outcome ignored;
	struct err e = { 0 };

	return compute_outcome(s->compute, &f->id, &ignored, &e) != 0;
}

/*
 * What the manifest says about a run that goes on; without one (its profile may be gone by now)
 * only its own keeper limits it.  That has the stop recipe, so the recipe is then taken for the
 * longest: who waits too long for an end loses time, who waits too little the run's last state.
 */
static void
read_limits(struct sched *s, struct sched_found *f)
{
	AUTO(arena) mem = arena_new(CAP_REQUEST_ARENA_BYTES);
	struct sched_spec x = { 0 };
	struct err e = { 0 };

	f->limits.stop.wait_ms = ENVIRONMENT_STOP_WAIT_MAX_MS;
	if (mem == NULL)
		return;
	if (sched_spec_read(s, &f->id, mem, &x, &e) == 0) {
		f->environment = x.spec.environment;
		sched_spec_apply(&x.spec, &f->limits);
	} else {
		log_err(&s->o.log, LOG_LEVEL_WARN, &e, "read the manifest of a run that goes on");
	}
	sched_spec_done(&x);
}

/* A run whose devices and CPUs are not known may have any: nobody gets them until it has ended. */
static void
read_hold(struct sched *s, struct sched_found *f)
{
	struct sched_hold_counts wants = { 0 }, has;
	struct sched_hold hold = { 0 };
	struct err e = { 0 };
	int rc = compute_held(s->compute, &f->id, &hold.gpus, hold.cpus, &e);

	has = sched_hold_count(&hold);
	if (f->row != NULL)
		wants = sched_row_wants(f->row);
	if (rc == 0 && f->row != NULL && (has.gpus != wants.gpus || has.cpus != wants.cpus))
		rc = err_set(&e, ERR_PROTOCOL, "what was kept is not what the job asked for");
	if (rc < 0) {
		log_err(&s->o.log, LOG_LEVEL_WARN, &e,
		    "find out which GPUs and CPUs a live run has; none are given away meanwhile");
		hold = sched_hold_all(s->o.gpus, s->o.topology);
	}
	f->hold = hold;
}

static void
tidy(struct sched *s, const struct sched_found *f)
{
	struct err e = { 0 };

	if (compute_tidy(s->compute, &f->id, &e) < 0)
		log_err(&s->o.log, LOG_LEVEL_WARN, &e, "tidy a run directory that was left over");
}

static int
boot_work(struct sched_op *op, struct err *e)
{
	struct sched *s = op->s;
	struct sched_boot *b = &s->boot;

	if (gather(s, b, e) < 0)
		return -1;
	for (size_t i = 0; i < b->n_found; i++) {
		struct sched_found *f = &b->found[i];

		f->action =
		    sched_reconcile_action(row_kind(f), f->live, !f->live && has_record(s, f));
		if (f->live)
			read_hold(s, f);
		if (f->action == SCHED_ADOPT || f->action == SCHED_STOP)
			read_limits(s, f);
		else if (f->action == SCHED_TIDY)
			tidy(s, f);
	}
	return 0;
}

/* --- acting, on the loop ---------------------------------------------------------------------- */

static void
kill_sandbox(struct sched *s, const struct sched_found *f)
{
	struct err e = { 0 };

	if (compute_stop(s->compute, &f->id, true, &e) < 0)
		log_err(&s->o.log, LOG_LEVEL_WARN, &e, "end a sandbox that nobody waits for");
}

static struct sched_run *
add(struct sched *s, const struct sched_found *f)
{
	struct compute_run launch = { .id = f->id,
		.wall_ms = f->limits.wall_ms,
		.stop = f->limits.stop,
		.gpus = f->hold.gpus };
	struct sched_run *r;

	memcpy(launch.cpu_set, f->hold.cpus, sizeof(launch.cpu_set));
	if (f->row != NULL) {
		launch.cpu_milli = f->row->cpu_milli;
		launch.memory_bytes = f->row->memory_bytes;
	}
	r = sched_table_add(s, &launch);
	if (r == NULL)
		return NULL;
	/* no earlier than it was: a watch that is late ends nothing */
	r->started_ms = sched_now_ms();
	r->state = SCHED_RUN_RUNNING;
	return r;
}

/* A sandbox without a row: what it has to itself is nobody else's before it has ended. */
static void
end_stranger(struct sched *s, const struct sched_found *f)
{
	const struct sched_hold_counts has = sched_hold_count(&f->hold);
	struct sched_run *r = has.gpus + has.cpus > 0 ? add(s, f) : NULL;

	if (r == NULL) {
		kill_sandbox(s, f);
		return;
	}
	r->lost = true;
	if (live_find(s, &f->id) == NULL)
		sched_run_over(s, r);
	else
		sched_run_stop(s, r, SCHED_STOP_AT_ONCE);
}

static void
take_on(struct sched *s, const struct sched_found *f)
{
	struct sched_run *r = add(s, f);

	if (r == NULL) {
		/* Its row is found without an attempt by the next look and put back, so it must not
		 * run. */
		kill_sandbox(s, f);
		return;
	}
	r->environment = f->environment;
	r->attempt = f->row->attempt;
	r->max_attempts = f->row->max_attempts;
	r->row = f->row->state;
	if (f->action == SCHED_COLLECT || f->action == SCHED_LOSE || live_find(s, &f->id) == NULL)
		sched_run_over(s, r);
	else if (f->action == SCHED_STOP)
		sched_run_stop(s, r, SCHED_STOP_POLITE);
}

static void
act(struct sched *s, const struct sched_found *f)
{
	const char *name = sched_action_name(f->action);

	if (f->action == SCHED_KILL)
		end_stranger(s, f);
	else if (f->row != NULL)
		take_on(s, f);
	if (name != NULL)
		metrics_add_by(s->o.metrics, METRIC_SCHED_ADOPTED, name, 1);
}

static void
report(struct sched *s, const struct sched_boot *b)
{
	size_t n[SCHED_TIDY + 1] = { 0 };

	for (size_t i = 0; i < b->n_found; i++)
		n[b->found[i].action]++;
	log_info(&s->o.log,
	    "reconciled: %zu runs go on, %zu had ended, %zu were lost, %zu killed, %zu directories "
	    "tidied",
	    n[SCHED_ADOPT] + n[SCHED_STOP], n[SCHED_COLLECT], n[SCHED_LOSE], n[SCHED_KILL],
	    n[SCHED_TIDY]);
}

static void
boot_done(struct sched_op *op)
{
	struct sched *s = op->s;
	struct sched_boot *b = &s->boot;
	/* A list that is no longer the last one belongs to a connection that broke meanwhile. */
	bool current = b->list == s->list && s->connected;

	if (op->rc < 0) {
		sched_ledger_failed(s, &op->err, "reconcile what ran before");
		s->boot_due = current;
	} else if (current) {
		s->booted = true;
		for (size_t i = 0; i < b->n_found; i++)
			act(s, &b->found[i]);
		report(s, b);
		s->turn_due = s->mine_due = s->moves_due = s->finish_due = s->unsent = true;
	}
	arena_free(op->mem);
	op->mem = NULL;
}

void
sched_boot_push(struct sched *s)
{
	struct sched_boot *b = &s->boot;

	if (b->op.busy)
		return; /* boot_done of the outdated list leads here again */
	if (s->live_broken) {
		log_error(
		    &s->o.log, "the spawner lists more sandboxes than can be taken in; restart it");
		return;
	}
	b->op.mem = arena_new(BOOT_ARENA_BYTES);
	b->live = b->op.mem == NULL ? NULL : arena_array(b->op.mem, s->n_live, sizeof(*b->live));
	if (b->live == NULL) {
		arena_free(b->op.mem);
		b->op.mem = NULL;
		return;
	}
	if (s->n_live > 0)
		memcpy(b->live, s->live, s->n_live * sizeof(*b->live));
	b->n_live = s->n_live;
	b->list = s->list;
	s->boot_due = false;
	sched_op_push(&b->op);
}

void
sched_boot_init(struct sched *s)
{
	s->boot.op =
	    (struct sched_op){ .s = s, .pool = s->ledger, .work = boot_work, .done = boot_done };
}
