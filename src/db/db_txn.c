/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One transaction on one connection, for tenants, the scheduler and the platform (db_tx.c).  BEGIN
 * and the context wait for the first statement and leave with it; a statement that may write is
 * followed by a question for the transaction's id, so that the outcome of a COMMIT whose answer
 * gets lost can be asked for on another connection.
 */
#include "db_internal.h"

#include <stdio.h>
#include <string.h>

enum {
	STEPS_MAX = 6,   /* begin, context, statement, xid, flush, commit */
	ATTEMPTS_MAX = 3 /* a statement that kills its server must not do so for ever */
};

struct plan {
	struct db_step steps[STEPS_MAX];
	size_t n;
	const struct db_step *context, *statement, *xid, *commit; /* NULL: not in the plan */
};

static void
plan_clear(struct plan *p)
{
	db_steps_clear(p->steps, p->n);
}

static const struct db_step *
plan_add(struct plan *p, enum db_step_kind kind, const struct db_stmt *stmt,
    const struct db_params *params)
{
	struct db_step *s = &p->steps[p->n++];

	REQUIRE(p->n <= STEPS_MAX);
	*s = (struct db_step){ .kind = kind, .stmt = stmt, .params = params };
	return s;
}

static void
plan_begin(struct db_txn *t, struct plan *p)
{
	if (t->begun)
		return;
	(void)plan_add(p, DB_STEP_RUN, t->db->begin, NULL); /* its result is only checked */
	if (t->scoped)
		p->context = plan_add(p, DB_STEP_RUN, t->db->context, &t->tenant);
}

static void
plan_xid(struct db_txn *t, struct plan *p)
{
	if (t->wrote && t->xid[0] == '\0')
		p->xid = plan_add(p, DB_STEP_RUN, t->db->xid, NULL);
}

/* --- a question and its answer ---------------------------------------------------------------- */

static void
keep_xid(struct db_txn *t, const struct plan *p)
{
	if (p->xid != NULL && PQresultStatus(p->xid->result) == PGRES_TUPLES_OK)
		(void)snprintf(t->xid, sizeof(t->xid), "%s", db_rows_cell(p->xid->result, 0));
}

static int
reopen(struct db_txn *t, struct deadline d, struct err *e)
{
	db_conn_close(t->pool, t->conn);
	return db_conn_open(t->pool, t->conn, d, e);
}

/* Before the first answer nothing has happened, so a connection that died idle costs a new one. */
static int
exchange(struct db_txn *t, struct plan *p, struct deadline d, struct err *e)
{
	for (int attempt = 1;; attempt++) {
		if (db_conn_exchange(t->pool, t->conn, p->steps, p->n, d, e) == 0)
			return 0;
		if (t->begun || p->commit != NULL || e->code != ERR_UNAVAILABLE ||
		    attempt == ATTEMPTS_MAX)
			return -1;
		plan_clear(p);
		if (reopen(t, d, e) < 0)
			return -1;
	}
}

/* What a conversation that ended in order says: the first fault, or a foreign context. */
static int
judge(struct db_txn *t, const struct plan *p, struct err *e)
{
	size_t fault = db_steps_fault(p->steps, p->n);

	/* What was committed already was done under the right context; only the connection goes. */
	if (p->context != NULL && fault > (size_t)(p->context - p->steps) &&
	    db_tx_context_check(t->db, t->conn, p->context, e) < 0 && p->commit == NULL) {
		t->failed = true;
		return -1;
	}
	if (fault == p->n)
		return 0;
	t->failed = true;
	if (db_err_stale(p->steps[fault].result))
		t->conn->broken = true;
	return db_err_result(t->db, p->steps[fault].result, p->steps[fault].stmt->name, e);
}

/* --- the end ---------------------------------------------------------------------------------- */

/*
 * COMMIT was sent and the conversation broke off.  What was answered until then tells: a fault
 * before COMMIT means that nothing was stored; the transaction's id leads to the outcome.
 */
static int
in_doubt(struct db_txn *t, const struct plan *p, struct err *e)
{
	size_t before = (size_t)(p->commit - p->steps), fault = db_steps_fault(p->steps, before);
	int outcome;

	if (fault < before && p->steps[fault].result != NULL)
		return db_err_result(t->db, p->steps[fault].result, p->steps[fault].stmt->name, e);
	if (fault == before && PQresultStatus(p->commit->result) == PGRES_COMMAND_OK)
		return 0;
	if (!t->wrote)
		return fault == before ? 0 : -1; /* all was read, or not; *e tells of the loss */
	if (t->xid[0] == '\0' && p->xid != NULL && p->xid->result == NULL)
		return db_xact_unknown(e);
	if (t->xid[0] == '\0')
		return 0; /* no id was drawn, so nothing was written */
	outcome = db_xact_resolve(t->pool, t->conn, t->xid, e);
	if (outcome == 0)
		return err_set(e, ERR_DB_RETRY, "the change was not stored; try again");
	return outcome < 0 ? -1 : 0;
}

static int
check_commit(PGresult *r, struct err *e)
{
	/* In a transaction that has failed, COMMIT succeeds as ROLLBACK. */
	if (strcmp(PQcmdStatus(r), "COMMIT") == 0)
		return 0;
	return err_set(e, ERR_DB_RETRY, "the change was not stored; try again");
}

static int
run_commit(struct db_txn *t, struct plan *p, struct deadline d, struct err *e)
{
	struct err lost;
	int rc;

	p->commit = plan_add(p, DB_STEP_RUN, t->db->commit, NULL);
	if (exchange(t, p, d, &lost) < 0) {
		keep_xid(t, p);
		*e = lost;
		rc = in_doubt(t, p, e);
		t->begun = false; /* the connection is another one, or closed */
		return rc;
	}
	keep_xid(t, p);
	t->begun = true; /* until it is clear that COMMIT was reached */
	if (judge(t, p, e) < 0)
		return -1;
	t->begun = false;
	return check_commit(p->commit->result, e);
}

int
db_txn_commit(struct db_txn *t, struct err *e)
{
	struct plan p = { .n = 0 };
	int rc;

	if (t->failed)
		return err_set(e, ERR_DB, "an earlier statement of the transaction failed");
	if (!t->begun)
		return 0;
	rc = run_commit(t, &p, deadline_in_ms(t->db->timeout_ms), e);
	plan_clear(&p);
	return rc;
}

void
db_txn_end(struct db_txn *t)
{
	struct db_step back = { .kind = DB_STEP_RUN, .stmt = t->db->rollback };
	struct err ignored;

	if (t->begun && t->conn->pg != NULL && !t->conn->broken) {
		log_debug(&t->db->log, "a transaction was rolled back");
		/* What cannot be rolled back ends with its connection. */
		if (db_conn_exchange(t->pool, t->conn, &back, 1, deadline_in_ms(t->db->timeout_ms),
			&ignored) < 0)
			t->conn->broken = true;
		db_steps_clear(&back, 1);
	}
	db_pool_give(t->pool, t->conn);
	db_params_done(&t->tenant);
}

/* --- the middle ------------------------------------------------------------------------------- */

int
db_txn_begin(struct db_pool *pool, const struct tenant_id *tenant, struct db_txn *t, struct err *e)
{
	struct db *db = pool->db;

	*t = (struct db_txn){ .db = db, .pool = pool, .scoped = tenant != NULL };
	if (t->scoped && db_tx_context(db, tenant, &t->tenant, e) < 0)
		return -1;
	if (db_pool_take(pool, deadline_in_ms(db->timeout_ms), &t->conn, e) == 0)
		return 0;
	db_params_done(&t->tenant);
	return -1;
}

static int64_t
run_plan(struct db_txn *t, struct plan *p, const struct db_query *q, bool commit, struct err *e)
{
	struct deadline d = deadline_in_ms(t->db->timeout_ms);
	int rc;

	if (commit) {
		rc = run_commit(t, p, d, e);
	} else {
		rc = exchange(t, p, d, e);
		t->begun = true;
		/* Lost with its connection, whatever it had done. */
		t->failed |= rc < 0;
		if (rc == 0) {
			keep_xid(t, p);
			rc = judge(t, p, e);
		}
	}
	return rc < 0 ? -1 : db_rows_read(p->statement->result, q, e);
}

int64_t
db_txn_query(struct db_txn *t, const struct db_query *q, bool commit, struct err *e)
{
	const struct db_stmt *st;
	struct db_params params;
	struct plan p = { .n = 0 };
	int64_t n = -1, start = clock_mono_ns();

	if (t->failed)
		return err_set(e, ERR_DB, "an earlier statement of the transaction failed");
	if (db_find(t->db, t->pool->role, q->stmt, &st, e) < 0)
		return -1;
	if (db_params_build(&params, q->args, st->params, st->n_params, st->name, e) == 0) {
		t->wrote |= st->writes;
		plan_begin(t, &p);
		p.statement = plan_add(&p, DB_STEP_RUN, st, &params);
		plan_xid(t, &p);
		/* The id leaves the server before it begins to commit. */
		if (commit && p.xid != NULL)
			(void)plan_add(&p, DB_STEP_FLUSH, NULL, NULL);
		n = run_plan(t, &p, q, commit, e);
		plan_clear(&p);
	}
	db_params_done(&params);
	db_observe(t->db, "call", clock_mono_ns() - start);
	return n;
}

static int64_t
read_once(struct db_txn *t, const struct db_query *q, const struct db_params *params,
    const struct db_stmt *st, struct err *e)
{
	struct plan p = { .n = 0 };
	int64_t n = -1;

	if (t->scoped)
		p.context = plan_add(&p, DB_STEP_RUN, t->db->context, &t->tenant);
	p.statement = plan_add(&p, DB_STEP_RUN, st, params);
	if (exchange(t, &p, deadline_in_ms(t->db->timeout_ms), e) == 0 && judge(t, &p, e) == 0)
		n = db_rows_read(p.statement->result, q, e);
	plan_clear(&p);
	return n;
}

int64_t
db_txn_read(
    struct db_pool *pool, const struct tenant_id *tenant, const struct db_query *q, struct err *e)
{
	const struct db_stmt *st;
	struct db_params params;
	struct db_txn t;
	int64_t n = -1, start = clock_mono_ns();

	if (db_find(pool->db, pool->role, q->stmt, &st, e) < 0)
		return -1;
	if (st->writes)
		return err_set(
		    e, ERR_DB_SCHEMA, "statement %s writes and needs a transaction", st->name);
	if (db_txn_begin(pool, tenant, &t, e) < 0)
		return -1;
	if (db_params_build(&params, q->args, st->params, st->n_params, st->name, e) == 0)
		n = read_once(&t, q, &params, st, e);
	db_params_done(&params);
	db_txn_end(&t);
	db_observe(pool->db, "call", clock_mono_ns() - start);
	return n;
}
