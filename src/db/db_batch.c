/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One batch of units in one transaction, in two round trips: first everything up to the
 * transaction's id, then, when no unit failed and every `must_affect` held, COMMIT.  The pause is
 * what lets a unit be refused before anything is stored, and what makes the outcome of a lost
 * COMMIT known in every case, because the id has arrived before COMMIT leaves.
 *
 * The units of a batch are run by tenant.  A unit locks its tenant's row of audit_head before all
 * else and keeps the lock until the batch commits: in the order of arrival, two batches would take
 * the locks of two tenants in opposite orders, and one of them would lose a second to the server's
 * search for deadlocks.  Whatever takes that lock first and one tenant's other locks after it
 * cannot deadlock with a batch either.  Besides, neighbours of one tenant share its context.
 *
 * Lookups travel in the same way, without what only writes need: contexts and statements up to one
 * Sync are one transaction to the server and one round trip.
 *
 * A fault rolls the batch back.  The faulty unit is set aside and the others go again; after a few
 * faults everything left runs alone, in a transaction of its own, and so does what was set aside: a
 * fault that only came from the neighbourhood (a deadlock between two batches) does not count.
 */
#include "db_group_internal.h"

#include <stdio.h>
#include <string.h>

enum {
	FAULTS_MAX = 4,   /* whole batches run again at most; beyond, singles cost less */
	ATTEMPTS_MAX = 3, /* a unit that kills its server must not do so for ever */
};

struct run {
	struct db *db;
	struct db_pool *pool;
	struct db_conn *conn;
	struct db_step *steps;
	struct db_unit **units; /* of this transaction */
	size_t n;
	size_t n_steps;
	bool reads; /* nothing but lookups: no BEGIN, no id, no COMMIT */
	struct deadline until;
};

enum verdict {
	STORED,
	FAULTY,   /* units[*ret_fault] failed, its error is in it; nothing was stored */
	AGAIN,    /* the connection was lost before anything was stored */
	GIVEN_UP, /* *e tells; the same for all units */
};

int
db_batch_init(struct db_batch *b, struct err *e)
{
	b->units = calloc(DB_BATCH_UNITS, sizeof(struct db_unit *));
	b->steps = calloc(DB_BATCH_STEPS, sizeof(*b->steps));
	if (b->units != NULL && b->steps != NULL)
		return 0;
	db_batch_done(b);
	return err_set(e, ERR_NO_MEMORY, "there is no memory for the group committer");
}

void
db_batch_done(struct db_batch *b)
{
	free((void *)b->units);
	free(b->steps);
	*b = (struct db_batch){ 0 };
}

/* --- the conversation ------------------------------------------------------------------------- */

static void
add_step(struct run *r, const struct db_stmt *stmt, const struct db_params *params)
{
	REQUIRE(r->n_steps < DB_BATCH_STEPS);
	r->steps[r->n_steps++] =
	    (struct db_step){ .kind = DB_STEP_RUN, .stmt = stmt, .params = params };
}

/* Neighbours of one tenant share the context. */
static bool
needs_context(const struct run *r, size_t unit)
{
	return unit == 0 ||
	       uuid_cmp(r->units[unit]->tenant.uuid, r->units[unit - 1]->tenant.uuid) != 0;
}

static void
build_steps(struct run *r)
{
	r->n_steps = 0;
	if (!r->reads)
		add_step(r, r->db->begin, NULL);
	for (size_t i = 0; i < r->n; i++) {
		struct db_unit *u = r->units[i];

		if (needs_context(r, i))
			add_step(r, r->db->context, &u->context);
		for (size_t k = 0; k < u->n; k++)
			add_step(r, u->stmts[k], &u->params[k]);
	}
	if (!r->reads)
		add_step(r, r->db->xid, NULL);
}

/* Steps before those of the first unit: BEGIN. */
static size_t
head(const struct run *r)
{
	return r->reads ? 0 : 1;
}

/* First statement of a unit among the steps. */
static size_t
first_step(const struct run *r, size_t unit)
{
	size_t at = head(r);

	for (size_t i = 0; i < unit; i++)
		at += r->units[i]->n + needs_context(r, i);
	return at + needs_context(r, unit);
}

static size_t
unit_of_step(const struct run *r, size_t step)
{
	size_t unit = 0;

	while (unit + 1 < r->n && first_step(r, unit) + r->units[unit]->n <= step)
		unit++;
	return unit;
}

static struct deadline
deadline_of(const struct run *r)
{
	struct deadline d = deadline_in_ms(r->db->timeout_ms);

	return d.mono_ns < r->until.mono_ns ? d : r->until;
}

static void
roll_back(struct run *r)
{
	struct db_step back = { .kind = DB_STEP_RUN, .stmt = r->db->rollback };
	struct err ignored;

	/* What cannot be rolled back ends with its connection. */
	if (db_conn_exchange(r->pool, r->conn, &back, 1, deadline_of(r), &ignored) < 0 ||
	    db_steps_fault(&back, 1) == 0)
		r->conn->broken = true;
	db_steps_clear(&back, 1);
}

/* --- judging ---------------------------------------------------------------------------------- */

static bool
find_unaffected(const struct run *r, size_t *ret_fault)
{
	size_t at = head(r);

	for (size_t i = 0; i < r->n; i++) {
		struct db_unit *u = r->units[i];

		at += needs_context(r, i);
		for (size_t k = 0; k < u->n; k++, at++) {
			if (!u->writes[k].must_affect || db_rows_affected(r->steps[at].result) > 0)
				continue;
			(void)err_set(&u->err, ERR_CONFLICT, "the resource is in another state");
			*ret_fault = i;
			return true;
		}
	}
	return false;
}

static enum verdict
judge(struct run *r, size_t *ret_fault, struct err *e)
{
	size_t step = db_steps_fault(r->steps, r->n_steps);
	PGresult *result = step < r->n_steps ? r->steps[step].result : NULL;

	if (step < r->n_steps && db_err_stale(result))
		r->conn->broken = true;
	/* Neither BEGIN nor the id is any unit's. */
	if (!r->reads && (step == 0 || step + 1 == r->n_steps)) {
		(void)db_err_result(r->db, result, r->steps[step].stmt->name, e);
		return GIVEN_UP;
	}
	if (step < r->n_steps) {
		*ret_fault = unit_of_step(r, step);
		(void)db_err_result(
		    r->db, result, r->steps[step].stmt->name, &r->units[*ret_fault]->err);
		return FAULTY;
	}
	if (db_tx_context_check(r->db, r->conn, &r->steps[head(r)], e) < 0)
		return AGAIN;
	return find_unaffected(r, ret_fault) ? FAULTY : STORED;
}

/* --- the end ---------------------------------------------------------------------------------- */

static void
hand_out(struct run *r)
{
	size_t at = head(r);

	for (size_t i = 0; i < r->n; i++) {
		struct db_unit *u = r->units[i];

		at += needs_context(r, i);
		for (size_t k = 0; k < u->n; k++, at++) {
			u->results[k] = r->steps[at].result;
			r->steps[at].result = NULL;
		}
		u->failed = false;
	}
}

static enum verdict
in_doubt(struct run *r, const char *xid, struct err *e)
{
	int outcome = xid[0] == '\0' ? 1 : db_xact_resolve(r->pool, r->conn, xid, e);

	if (outcome < 0)
		return GIVEN_UP;
	return outcome == 1 ? STORED : AGAIN;
}

/* A COMMIT that is refused is laid on the last unit: in a batch of its own it is the culprit. */
static enum verdict
commit(struct run *r, size_t *ret_fault, struct err *e)
{
	struct db_step end = { .kind = DB_STEP_RUN, .stmt = r->db->commit };
	struct err *last = &r->units[r->n - 1]->err;
	enum verdict v = FAULTY;
	char xid[DB_XID_SIZE];

	*ret_fault = r->n - 1;
	(void)snprintf(xid, sizeof(xid), "%s", db_rows_cell(r->steps[r->n_steps - 1].result, 0));
	if (db_conn_exchange(r->pool, r->conn, &end, 1, deadline_of(r), e) < 0)
		v = in_doubt(r, xid, e);
	else if (db_steps_fault(&end, 1) == 0)
		(void)db_err_result(r->db, end.result, end.stmt->name, last);
	else if (strcmp(PQcmdStatus(end.result), "COMMIT") == 0)
		v = STORED;
	else
		(void)err_set(last, ERR_DB_RETRY, "the change was not stored; try again");
	db_steps_clear(&end, 1);
	return v;
}

static int
connect_again(struct run *r, struct err *e)
{
	if (r->conn->pg != NULL && !r->conn->broken && db_conn_alive(r->conn))
		return 0;
	db_conn_close(r->pool, r->conn);
	return db_conn_open(r->pool, r->conn, deadline_of(r), e);
}

static enum verdict
attempt(struct run *r, size_t *ret_fault, struct err *e)
{
	enum verdict v;

	if (deadline_passed(r->until)) {
		(void)err_set(e, ERR_TIMEOUT, "the database did not answer in time; try again");
		return GIVEN_UP;
	}
	if (connect_again(r, e) < 0)
		return GIVEN_UP;
	build_steps(r);
	if (db_conn_exchange(r->pool, r->conn, r->steps, r->n_steps, deadline_of(r), e) < 0) {
		v = e->code == ERR_UNAVAILABLE ? AGAIN : GIVEN_UP;
	} else {
		v = judge(r, ret_fault, e);
		if (v == STORED && !r->reads)
			v = commit(r, ret_fault, e);
		else if (v != STORED && !r->reads && !r->conn->broken)
			roll_back(r);
	}
	if (v == STORED)
		hand_out(r);
	db_steps_clear(r->steps, r->n_steps);
	return v;
}

/* --- the batch -------------------------------------------------------------------------------- */

/* STORED, FAULTY, or GIVEN_UP with the units' errors filled. */
static enum verdict
settle(struct run *r, size_t *ret_fault)
{
	enum verdict v = AGAIN;
	struct err e;

	for (int i = 0; i < ATTEMPTS_MAX && v == AGAIN; i++)
		v = attempt(r, ret_fault, &e);
	if (v == STORED)
		db_observe(r->db, r->reads ? "lookups" : "batch", -1);
	if (v != AGAIN && v != GIVEN_UP)
		return v;
	for (size_t i = 0; i < r->n; i++) {
		r->units[i]->failed = true;
		r->units[i]->err = e;
	}
	return GIVEN_UP;
}

static void
settle_alone(const struct run *r, struct db_unit **unit)
{
	struct run one = *r;
	size_t fault;

	one.units = unit;
	one.n = 1;
	if (settle(&one, &fault) == FAULTY)
		(*unit)->failed = true;
}

/* Moves one unit to the end of all, behind those that are still to go together. */
static void
set_aside(struct db_batch *b, size_t at)
{
	struct db_unit *u = b->units[at];

	memmove((void *)&b->units[at], (void *)&b->units[at + 1],
	    (b->n - at - 1) * sizeof(struct db_unit *));
	b->units[b->n - 1] = u;
}

static int
compare_units(const void *a, const void *b)
{
	const struct db_unit *x = *(struct db_unit *const *)a, *y = *(struct db_unit *const *)b;
	int by_tenant = uuid_cmp(x->tenant.uuid, y->tenant.uuid);

	return by_tenant != 0 ? by_tenant : (x->arrival > y->arrival) - (x->arrival < y->arrival);
}

/* Within a tenant the order of arrival stays. */
static void
sort_by_tenant(struct db_batch *b)
{
	for (size_t i = 0; i < b->n; i++)
		b->units[i]->arrival = i;
	qsort((void *)b->units, b->n, sizeof(struct db_unit *), compare_units);
}

void
db_batch_run(struct db_batch *b, bool reads, struct db_pool *pool, struct db_conn *c)
{
	struct run r = { .db = pool->db,
		.pool = pool,
		.conn = c,
		.steps = b->steps,
		.units = b->units,
		.n = b->n,
		.reads = reads,
		.until = deadline_in_ms(2 * pool->db->timeout_ms) };
	size_t fault, settled = 0;

	sort_by_tenant(b);
	for (int faults = 0; r.n > 1 && faults < FAULTS_MAX; faults++) {
		if (settle(&r, &fault) != FAULTY) {
			settled = r.n;
			break;
		}
		set_aside(b, fault);
		r.n--;
	}
	for (size_t i = settled; i < b->n; i++)
		settle_alone(&r, &b->units[i]);
}
