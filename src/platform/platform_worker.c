/* SPDX-License-Identifier: Apache-2.0 */
#include "clock.h"
#include "lock.h"
#include "object.h"
#include "platform_delete_internal.h"

#include <string.h>

enum {
	LOOK_MS = 1000, /* between looks for work; a step that got on is followed by the next */
	SOON_MS = 50,
	ARENA_BYTES = 4 << 20,
	GONE_MAX = 16, /* as many as platform_work_mine and platform_work_left return */
};

struct platform_worker {
	/* immutable */
	struct platform_worker_options o;
	struct thread thread;
	/* under lock */
	struct lock lock;
	struct cond woken;
	bool wake, stop;
	/* worker thread */
	bool failing;        /* logged once per outage */
	struct uuid cleared; /* newest deletion of which nothing is left here */
};

/* --- files of this node ----------------------------------------------------------------------- */

struct gone {
	struct uuid operation, target;
	bool stopping; /* its jobs may be alive */
};
struct gones {
	struct gone row;
	struct gone at[GONE_MAX];
	size_t n;
};

static int
keep_gone(void *ctx, struct err *e)
{
	struct gones *g = ctx;

	if (g->n == GONE_MAX)
		return err_set(e, ERR_DB_SCHEMA, "a list of deletions has too many rows");
	g->at[g->n++] = g->row;
	return 0;
}

static int
report_done(struct platform_worker *w, struct uuid operation, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(operation), DB_ARG_UUID(w->o.node),
		DB_ARGS_END };
	AUTO(db_platform_tx) tx = NULL;

	if (db_platform_begin(w->o.db, &tx, e) < 0 ||
	    db_platform_exec(tx, "platform_work_mine_done", args, e) < 0)
		return -1;
	return db_platform_commit(&tx, e);
}

static int
remove_tenant(struct platform_worker *w, struct uuid target, struct err *e)
{
	char dir[UUID_STR_SIZE];

	uuid_format(target, dir);
	if (object_remove_tree(w->o.runs_dirfd, dir, e) < 0)
		return err_wrap(e, "removing the files of tenant %s", dir);
	if (w->o.forget != NULL && w->o.forget(w->o.ctx, (struct tenant_id){ target }, e) < 0)
		return err_wrap(e, "forgetting tenant %s", dir);
	return 0;
}

static int
remove_one(struct platform_worker *w, const struct gone *g, struct err *e)
{
	char id[UUID_STR_SIZE];

	if (remove_tenant(w, g->target, e) < 0 || report_done(w, g->operation, e) < 0)
		return -1;
	log_info(&w->o.log, "removed the files of deleted tenant %s", uuid_format(g->target, id));
	return 0;
}

/* One tenant's files that cannot be removed hold no other's up. */
static int
remove_awaited(struct platform_worker *w, struct arena *mem, int *ret_next_ms, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(w->o.node), DB_ARGS_END };
	struct gones g = { .n = 0 };
	const struct db_col cols[] = { DB_UUID("operation_id", &g.row.operation),
		DB_UUID("target", &g.row.target), DB_COLS_END };
	int rc = 0;

	(void)ret_next_ms; /* as it is */
	if (db_platform_read_each(
		w->o.db, "platform_work_mine", args, cols, mem, keep_gone, &g, e) < 0)
		return -1;
	for (size_t i = 0; i < g.n; i++) {
		struct err why = { 0 };

		if (remove_one(w, &g.at[i], &why) == 0)
			continue;
		*e = why;
		rc = -1;
	}
	return rc;
}

/* Every deletion once, from the first of all on after each start. */
static int
remove_left(struct platform_worker *w, struct arena *mem, int *ret_next_ms, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(w->cleared), DB_ARGS_END };
	struct gones g = { .n = 0 };
	const struct db_col cols[] = { DB_UUID("operation_id", &g.row.operation),
		DB_UUID("target", &g.row.target), DB_BOOL("stopping", &g.row.stopping),
		DB_COLS_END };

	(void)ret_next_ms; /* as it is */
	if (db_platform_read_each(
		w->o.db, "platform_work_left", args, cols, mem, keep_gone, &g, e) < 0)
		return -1;
	for (size_t i = 0; i < g.n && !g.at[i].stopping; i++) {
		if (remove_tenant(w, g.at[i].target, e) < 0)
			return -1;
		w->cleared = g.at[i].operation;
	}
	return 0;
}

/* --- operations ------------------------------------------------------------------------------- */

/* 1 and the operation whose lease was taken, 0 when there is none to work on. */
static int
claim(struct platform_worker *w, struct deletion *d, const char **ret_name, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(w->o.node), DB_ARGS_END };
	const struct db_col cols[] = { DB_UUID("operation_id", &d->operation),
		DB_UUID("target", &d->tenant.uuid), DB_TEXT("target_name", ret_name),
		DB_TEXT("stage", &d->stage), DB_COLS_END };
	AUTO(db_platform_tx) tx = NULL;
	int rows;

	if (db_platform_begin(w->o.db, &tx, e) < 0)
		return -1;
	rows = db_platform_one(tx, "platform_work_claim", args, cols, d->mem, e);
	if (rows < 0 || db_platform_commit(&tx, e) < 0)
		return -1;
	return rows;
}

/* One step of one operation. */
static int
carry_on(struct platform_worker *w, struct arena *mem, int *ret_next_ms, struct err *e)
{
	struct deletion d = { .db = w->o.db, .mem = mem, .node = w->o.node };
	const char *name = "";
	int found = claim(w, &d, &name, e);
	bool waits;

	if (found <= 0)
		return found;
	waits = strcmp(d.stage, "rows") != 0;
	if (deletion_step(&d, e) < 0)
		return err_wrap(e, "deleting tenant %.63s", name);
	*ret_next_ms = waits ? LOOK_MS / 4 : SOON_MS;
	return 0;
}

/* All of it, whatever fails; the milliseconds after which to look again. */
static int
work(struct platform_worker *w, struct arena *mem, int *ret_next_ms, struct err *e)
{
	static int (*const parts[])(struct platform_worker * w, struct arena * mem,
	    int *ret_next_ms, struct err *e) = { remove_awaited, remove_left, carry_on };
	int rc = 0;

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		struct err why = { 0 };

		if (parts[i](w, mem, ret_next_ms, &why) == 0)
			continue;
		*e = why;
		rc = -1;
	}
	return rc;
}

static int
look(struct platform_worker *w)
{
	AUTO(arena) mem = arena_new(ARENA_BYTES);
	struct err e = { 0 };
	int next_ms = LOOK_MS, rc = -1;

	if (mem == NULL)
		err_set(&e, ERR_NO_MEMORY, "there is no memory for the work of the platform");
	else
		rc = work(w, mem, &next_ms, &e);
	if (rc < 0 && !w->failing)
		log_err(&w->o.log, LOG_LEVEL_WARN, &e, "work of the platform is held up");
	w->failing = rc < 0;
	return next_ms;
}

static void *
run(void *arg)
{
	struct platform_worker *w = arg;
	int pause_ms = SOON_MS;

	for (;;) {
		struct deadline d = deadline_in_ms(pause_ms);
		bool stop;

		lock_take(&w->lock);
		while (!w->stop && !w->wake && cond_wait(&w->woken, &w->lock, d))
			;
		w->wake = false;
		stop = w->stop;
		lock_give(&w->lock);
		if (stop)
			return NULL;
		pause_ms = look(w);
	}
}

static void
done(struct platform_worker *w)
{
	cond_done(&w->woken);
	lock_done(&w->lock);
	free(w);
}

int
platform_worker_start(
    const struct platform_worker_options *o, struct platform_worker **ret, struct err *e)
{
	struct platform_worker *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return err_set(e, ERR_NO_MEMORY, "there is no memory for the platform's worker");
	w->o = *o;
	lock_init(&w->lock);
	cond_init(&w->woken);
	if (thread_start(&w->thread, "platform", run, w, e) < 0) {
		done(w);
		return -1;
	}
	*ret = w;
	return 0;
}

static void
tell(struct platform_worker *w, bool stop)
{
	lock_take(&w->lock);
	w->wake = true;
	w->stop = w->stop || stop;
	cond_wake_all(&w->woken);
	lock_give(&w->lock);
}

void
platform_worker_wake(struct platform_worker *w)
{
	tell(w, false);
}

void
platform_worker_stop(struct platform_worker *w)
{
	if (w == NULL)
		return;
	tell(w, true);
	thread_join(&w->thread);
	done(w);
}
