/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation.  A struct db holds three pools, one per role, a table of named statements,
 * and the group committer (db_group.c).  Connections are made when first needed, kept for ever, and
 * lent to one thread at a time; a slot is taken before connecting, so that the server never sees
 * more connections than were configured.  A connection goes back only when it is idle outside a
 * transaction with nothing in flight; anything else closes it.  The tenant's context is local to a
 * transaction, and the statement that sets it reports what was there before (db_tx.sql), so that a
 * leak is seen at the next use, in the same round trip.
 *
 * Deadlines: each public call has one of timeout_ms, which covers waiting for a connection, making
 * it, and the conversation.  Locks are never held over I/O.
 */
#include "db_internal.h"

#include "db_schema.h"

#include <stdio.h>
#include <string.h>

extern const unsigned char sql_db_tx[];

void
db_observe(const struct db *db, const char *what, int64_t ns)
{
	if (db->observe != NULL)
		db->observe(db->observe_ctx, what, ns);
}

int
db_find(const struct db *db, enum db_role role, const char *name, const struct db_stmt **ret,
    struct err *e)
{
	const struct db_stmt *st = db_stmts_find(&db->stmts, name);

	if (st == NULL || (st->roles & (unsigned)role) == 0)
		return err_set(
		    e, ERR_DB_SCHEMA, "there is no statement %s for %s", name, db_role_name(role));
	*ret = st;
	return 0;
}

/* --- lending ---------------------------------------------------------------------------------- */

/* An idle connection, or a slot for a new one; NULL when there is neither until the deadline. */
static struct db_conn *
wait_for_slot(struct db_pool *p, struct deadline d, bool *ret_new)
{
	bool waiting = true;

	for (;;) {
		if (p->n_idle > 0) {
			*ret_new = false;
			return p->idle[--p->n_idle];
		}
		if (p->n_made < p->max) {
			*ret_new = true;
			p->n_made++;
			return NULL;
		}
		if (!waiting)
			break;
		waiting = cond_wait(&p->freed, &p->lock, d);
	}
	*ret_new = false;
	return NULL;
}

static void
drop_slot(struct db_pool *p, struct db_conn *c)
{
	free(c);
	lock_take(&p->lock);
	p->n_made--;
	cond_wake_one(&p->freed);
	lock_give(&p->lock);
}

int
db_pool_take(struct db_pool *p, struct deadline d, struct db_conn **ret, struct err *e)
{
	struct db_conn *c;
	bool is_new;

	lock_take(&p->lock);
	c = wait_for_slot(p, d, &is_new);
	lock_give(&p->lock);
	if (c != NULL && db_conn_alive(c)) {
		*ret = c;
		return 0;
	}
	if (c == NULL && !is_new) {
		(void)err_set(e, ERR_BUSY, "all database connections are in use; try again");
		return -1;
	}
	if (c == NULL)
		c = calloc(1, sizeof(*c));
	else
		db_conn_close(p, c);
	if (c != NULL && db_conn_open(p, c, d, e) == 0) {
		*ret = c;
		return 0;
	}
	if (c == NULL)
		(void)err_set(e, ERR_NO_MEMORY, "there is no memory for a database connection");
	drop_slot(p, c);
	return -1;
}

void
db_pool_give(struct db_pool *p, struct db_conn *c)
{
	bool keep = c->pg != NULL && !c->broken && PQtransactionStatus(c->pg) == PQTRANS_IDLE;

	if (!keep) {
		db_conn_close(p, c);
		drop_slot(p, c);
		return;
	}
	lock_take(&p->lock);
	p->idle[p->n_idle++] = c;
	cond_wake_one(&p->freed);
	lock_give(&p->lock);
}

/* --- opening and closing ---------------------------------------------------------------------- */

static int
load_statements(struct db *db, const struct db_sql *sql, struct err *e)
{
	const struct db_sql own = { "db", (const char *)sql_db_tx };
	struct {
		const char *name;
		const struct db_stmt **at;
	} used[] = {
		{ "db_begin", &db->begin },
		{ "db_commit", &db->commit },
		{ "db_rollback", &db->rollback },
		{ "db_context", &db->context },
		{ "db_xid", &db->xid },
		{ "db_ping", &db->ping },
		{ "db_xact_status", &db->xact_status },
		{ "db_incarnation", &db->incarnation },
	};

	if (db_stmts_init(&db->stmts, e) < 0 ||
	    db_stmts_add(&db->stmts, &own, DB_ROLES_SERVING, e) < 0)
		return -1;
	for (; sql != NULL && sql->module != NULL; sql++) {
		if (db_stmts_add(&db->stmts, sql, DB_ROLES_SERVING, e) < 0)
			return -1;
	}
	if (db_stmts_end(&db->stmts, e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(used); i++) {
		*used[i].at = db_stmts_find(&db->stmts, used[i].name);
		REQUIRE(*used[i].at != NULL);
	}
	return 0;
}

static void
init_pool(struct db *db, struct db_pool *p, enum db_role role, int max)
{
	REQUIRE(max > 0);
	p->db = db;
	p->role = role;
	p->max = max;
	lock_init(&p->lock);
	cond_init(&p->freed);
}

static int
open_pool(struct db_pool *p, const char *url, struct err *e)
{
	int64_t timeout_ms = p->db->timeout_ms;
	struct db_conn *c = NULL;

	p->idle = calloc((size_t)p->max, sizeof(struct db_conn *));
	if (p->idle == NULL)
		return err_set(e, ERR_NO_MEMORY, "there is no memory for the database pool");
	if (db_login_as(&p->login, url, p->role, timeout_ms, e) < 0)
		return -1;
	if (db_pool_take(p, deadline_in_ms(timeout_ms), &c, e) < 0)
		return err_wrap(e, "logging in as %s", db_role_name(p->role));
	db_pool_give(p, c);
	return 0;
}

static void
close_pool(struct db_pool *p)
{
	REQUIRE(p->n_made == p->n_idle); /* every transaction has ended */
	for (int i = 0; i < p->n_idle; i++) {
		db_conn_close(p, p->idle[i]);
		free(p->idle[i]);
	}
	free(p->idle);
	db_login_done(&p->login);
	lock_done(&p->lock);
	cond_done(&p->freed);
}

struct first_finding {
	const struct log *log;
	int n;
	char text[ERR_MSG_SIZE];
};

static void
note_finding(void *ctx, const char *finding)
{
	struct first_finding *f = ctx;

	if (f->n++ == 0)
		(void)snprintf(f->text, sizeof(f->text), "%s", finding);
	log_error(f->log, "catalogue audit: %s", finding);
}

static int
check_catalogue(const struct db_options *o, struct err *e)
{
	struct first_finding f = { .log = &o->log };
	int rc = db_audit_catalogue(o->url, o->timeout_ms, note_finding, &f, e);

	if (rc <= 0)
		return rc;
	return err_set(e, ERR_DB_SCHEMA,
	    "the database is not safe to serve (%d findings in the log): %s", rc, f.text);
}

int
db_open(const struct db_options *o, struct db **ret, struct err *e)
{
	AUTO(db) db = calloc(1, sizeof(*db));

	if (db == NULL)
		return err_set(e, ERR_NO_MEMORY, "there is no memory for the database pool");
	db->log = o->log;
	db->observe = o->observe;
	db->observe_ctx = o->observe_ctx;
	db->timeout_ms = o->timeout_ms;
	init_pool(db, &db->api, DB_ROLE_API, o->api_connections);
	init_pool(db, &db->sched, DB_ROLE_SCHED, o->sched_connections);
	init_pool(db, &db->platform, DB_ROLE_PLATFORM, o->platform_connections);
	if (load_statements(db, o->sql, e) < 0 || check_catalogue(o, e) < 0)
		return -1;
	if (open_pool(&db->api, o->url, e) < 0 || open_pool(&db->sched, o->url, e) < 0 ||
	    open_pool(&db->platform, o->url, e) < 0 || db_group_new(db, false, &db->group, e) < 0 ||
	    db_group_new(db, true, &db->lookups, e) < 0)
		return -1;
	*ret = db;
	db = NULL;
	return 0;
}

void
db_free(struct db *db)
{
	if (db == NULL)
		return;
	db_group_free(db->group);
	db_group_free(db->lookups);
	close_pool(&db->api);
	close_pool(&db->sched);
	close_pool(&db->platform);
	db_stmts_done(&db->stmts);
	free(db);
}

int
db_ping(struct db *db, struct err *e)
{
	const struct db_query q = { .stmt = "db_ping" };

	return db_txn_read(&db->api, NULL, &q, e) < 0 ? -1 : 0;
}
