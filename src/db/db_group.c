/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Group commit, and lookups in groups.  Callers put a unit, which lives on their stack, into a
 * queue and sleep. Committers, threads with a connection each, take whatever has queued up while
 * their last batch was in flight (no timer, no delay) and run it as one transaction (db_batch.c).
 * While one committer waits for the disk the other one works.  A unit is the committer's from the
 * moment it is taken until it is done; before that its caller may take it back when the deadline
 * passes.
 */
#include "db_group_internal.h"

#include <string.h>

enum {
	COMMITTERS = 2,   /* one at the disk, one at work; more only add deadlocks (measured) */
	QUEUE_MAX = 4096, /* units; far more than there are threads to wait for them */
};

struct committer {
	struct db_group *group;
	struct thread thread;
	struct db_conn conn;   /* owned by the thread */
	struct db_batch batch; /* owned by the thread */
};

struct db_group {
	struct db *db;
	bool reads;
	struct lock lock;
	struct cond work; /* the queue is not empty, or stop */
	/* under lock */
	struct db_unit *first, **last;
	int n_queued;
	bool stop;
	/* immutable while threads run */
	struct committer committers[COMMITTERS];
};

/* --- committers ------------------------------------------------------------------------------- */

static bool
take_batch(struct db_group *g, struct db_batch *b)
{
	size_t bytes = 0;

	b->n = 0;
	lock_take(&g->lock);
	while (g->first == NULL && !g->stop)
		(void)cond_wait(&g->work, &g->lock, (struct deadline){ 0 });
	while (g->first != NULL && b->n < DB_BATCH_UNITS && bytes < DB_BATCH_BYTES) {
		struct db_unit *u = g->first;

		g->first = u->next;
		if (g->first == NULL)
			g->last = &g->first;
		g->n_queued--;
		u->taken = true;
		bytes += u->bytes;
		b->units[b->n++] = u;
	}
	lock_give(&g->lock);
	return b->n > 0;
}

/* A unit is gone as soon as its latch is open. */
static void
report_batch(struct db_batch *b)
{
	for (size_t i = 0; i < b->n; i++)
		latch_open(&b->units[i]->done);
}

static void *
run_committer(void *arg)
{
	struct committer *c = arg;

	while (take_batch(c->group, &c->batch)) {
		db_batch_run(&c->batch, c->group->reads, &c->group->db->api, &c->conn);
		report_batch(&c->batch);
	}
	db_conn_close(&c->group->db->api, &c->conn);
	return NULL;
}

int
db_group_new(struct db *db, bool reads, struct db_group **ret, struct err *e)
{
	struct db_group *g = calloc(1, sizeof(*g));

	if (g == NULL)
		return err_set(e, ERR_NO_MEMORY, "there is no memory for the group committer");
	g->db = db;
	g->reads = reads;
	lock_init(&g->lock);
	cond_init(&g->work);
	g->last = &g->first;
	for (size_t i = 0; i < COMMITTERS; i++) {
		struct committer *c = &g->committers[i];

		c->group = g;
		if (db_batch_init(&c->batch, e) < 0 ||
		    thread_start(
			&c->thread, reads ? "db-lookup" : "db-commit", run_committer, c, e) < 0) {
			db_group_free(g);
			return -1;
		}
	}
	*ret = g;
	return 0;
}

void
db_group_free(struct db_group *g)
{
	if (g == NULL)
		return;
	lock_take(&g->lock);
	g->stop = true;
	cond_wake_all(&g->work);
	lock_give(&g->lock);
	for (size_t i = 0; i < COMMITTERS; i++) {
		thread_join(&g->committers[i].thread);
		db_batch_done(&g->committers[i].batch);
	}
	REQUIRE(g->first == NULL);
	cond_done(&g->work);
	lock_done(&g->lock);
	free(g);
}

/* --- callers ---------------------------------------------------------------------------------- */

static void
unlink_unit(struct db_group *g, struct db_unit *u)
{
	struct db_unit **at = &g->first;

	while (*at != u)
		at = &(*at)->next;
	*at = u->next;
	if (g->last == &u->next)
		g->last = at;
	g->n_queued--;
}

static int
enqueue(struct db_group *g, struct db_unit *u, struct err *e)
{
	bool full;

	lock_take(&g->lock);
	REQUIRE(!g->stop);
	full = g->n_queued == QUEUE_MAX;
	if (!full) {
		*g->last = u;
		g->last = &u->next;
		g->n_queued++;
		cond_wake_one(&g->work);
	}
	lock_give(&g->lock);
	return full ? err_set(e, ERR_BUSY, "too many requests wait for the database; try again")
		    : 0;
}

/* False when a committer has it, whose work is bounded by deadlines of its own. */
static bool
take_back(struct db_group *g, struct db_unit *u)
{
	bool mine;

	lock_take(&g->lock);
	mine = !u->taken;
	if (mine)
		unlink_unit(g, u);
	lock_give(&g->lock);
	return mine;
}

static int
submit(struct db_group *g, struct db_unit *u, struct err *e)
{
	if (enqueue(g, u, e) < 0)
		return -1;
	if (latch_wait(&u->done, deadline_in_ms(g->db->timeout_ms)))
		return 0;
	if (take_back(g, u))
		return err_set(
		    e, ERR_BUSY, "the request waited too long for the database; try again");
	(void)latch_wait(&u->done, (struct deadline){ 0 }); /* without a deadline: always true */
	return 0;
}

static int
read_results(struct db_unit *u, int64_t *rows, struct arena *mem, struct err *e)
{
	for (size_t i = 0; i < u->n; i++) {
		const struct db_query q = { .stmt = u->writes[i].stmt,
			.cols = u->writes[i].cols,
			.mem = mem,
			.first = true };
		int64_t n = db_rows_read(u->results[i], &q, e);

		if (n < 0)
			return -1;
		if (rows != NULL)
			rows[i] = n;
	}
	return 0;
}

static int
prepare_unit(struct db *db, struct db_unit *u, struct tenant_id tenant, struct err *e)
{
	if (db_tx_context(db, &tenant, &u->context, e) < 0)
		return -1;
	for (size_t i = 0; i < u->n; i++) {
		const struct db_stmt **st = &u->stmts[i];

		if (db_find(db, DB_ROLE_API, u->writes[i].stmt, st, e) < 0)
			return -1;
		u->n_params++;
		if (db_params_build(&u->params[i], u->writes[i].args, (*st)->params,
			(*st)->n_params, (*st)->name, e) < 0)
			return -1;
		u->bytes += db_params_size(&u->params[i]);
	}
	return 0;
}

static void
unit_done(struct db_unit *u)
{
	for (size_t i = 0; i < u->n_params; i++)
		db_params_done(&u->params[i]);
	for (size_t i = 0; i < u->n; i++)
		PQclear(u->results[i]);
	db_params_done(&u->context);
	latch_done(&u->done);
}

int
db_group_write(struct db *db, struct tenant_id tenant, const struct db_write *writes, size_t n,
    int64_t *rows, struct arena *mem, struct err *e)
{
	struct db_unit u = { .tenant = tenant, .writes = writes, .n = n };
	int64_t start = clock_mono_ns();
	int rc = -1;

	REQUIRE(n > 0);
	REQUIRE(n <= DB_GROUP_STATEMENTS);
	latch_init(&u.done);
	if (prepare_unit(db, &u, tenant, e) == 0 && submit(db->group, &u, e) == 0) {
		if (u.failed)
			*e = u.err;
		else
			rc = read_results(&u, rows, mem, e);
	}
	unit_done(&u);
	if (rc == 0)
		db_observe(db, "write", -1);
	db_observe(db, "call", clock_mono_ns() - start);
	return rc;
}

int64_t
db_group_lookup(struct db *db, struct tenant_id tenant, const struct db_query *q, struct err *e)
{
	const struct db_write w = { .stmt = q->stmt, .args = q->args };
	struct db_unit u = { .tenant = tenant, .writes = &w, .n = 1 };
	int64_t start = clock_mono_ns();
	int64_t n = -1;

	latch_init(&u.done);
	if (prepare_unit(db, &u, tenant, e) == 0) {
		if (u.stmts[0]->writes)
			(void)err_set(
			    e, ERR_DB_SCHEMA, "statement %s writes and is no lookup", q->stmt);
		else if (submit(db->lookups, &u, e) == 0) {
			if (u.failed)
				*e = u.err;
			else
				n = db_rows_read(u.results[0], q, e);
		}
	}
	unit_done(&u);
	if (n >= 0)
		db_observe(db, "lookup", -1);
	db_observe(db, "call", clock_mono_ns() - start);
	return n;
}
