/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DB_H
#define DB_H

/*
 * PostgreSQL; the only owner of libpq.  A transaction is a tenant: struct db_tx opens only with a
 * struct tenant_id, on role wardian_api under row-level security.  The scheduler's struct db_sys_tx
 * and the platform's struct db_platform_tx are other types on other roles, so that platform data
 * and tenant data are never in one transaction.  Statements are named in .sql files, prepared when
 * a connection of their role joins its pool, and run with declared arguments and columns; no SQL
 * text exists at run time.  Beside this: db_schema.h (migrations), db_cluster.h (the private
 * server).
 *
 * Round trips: BEGIN, the tenant and the first statement leave in one flush (libpq pipeline mode);
 * the *_commit forms send the last statement and COMMIT together; db_read is one round trip in all.
 * Every call has a deadline (settings), after which the connection is dropped and ERR_TIMEOUT
 * returned.  Errors: ERR_DB_RETRY for serialization failures, deadlocks and locks that were not had
 * in time (nothing was stored), ERR_DB_CONSTRAINT (the constraint's name in db_err_constraint) for
 * violations, ERR_INVALID for values that PostgreSQL cannot hold (\u0000 in JSON, a number out of
 * range), ERR_UNAVAILABLE when the server cannot be reached, ERR_DB_SCHEMA for mistakes of the
 * program, ERR_DB else; text of the server is logged, never returned.  A connection that dies
 * before its first answer is replaced unseen.
 *
 * Thread-safe: struct db.  A transaction belongs to the thread that opened it.
 */

#include "arena.h"
#include "base.h"
#include "db_value.h"
#include "err.h"
#include "id.h"
#include "log.h"

#include <stdbool.h>

struct db;
struct db_tx;
struct db_sys_tx;
struct db_platform_tx;

/* Bits, for sets of roles. */
enum db_role { DB_ROLE_API = 1, DB_ROLE_SCHED = 2, DB_ROLE_PLATFORM = 4 };

/*
 * One .sql file.  Each statement in it starts with a line
 *     -- :name job_get :role api        (api, sched, platform, or a list: api,platform)
 * and ends before the next such line; $n parameters carry casts ($1::uuid).  Names are unique over
 * all modules.  The types of arguments are compared with what the server says of the parameters.
 */
struct db_sql {
	const char *module; /* "job" */
	const char *text;
};

struct db_options {
	const char *url; /* libpq connection string of the owner role (migrations, audit) */
	/* At least one each. */
	int api_connections;
	int sched_connections;
	int platform_connections;
	int64_t timeout_ms;
	const struct db_sql *sql; /* terminated by a row with module NULL */
	struct log log;
	/*
	 * May be NULL; called from any thread.  With ns < 0, one event: the failures "connect",
	 * "deadline", "serialization", "constraint" and "other" (labels of METRIC_DB_ERRORS),
	 * "batch" and "write" of group commit, "lookups" and "lookup", "opened" and "closed"
	 * connections.  "call": a call took ns.
	 */
	void (*observe)(void *ctx, const char *what, int64_t ns);
	void *observe_ctx;
};

/*
 * Opens the pools after db_migrate_up; the first connection of each role is made before returning.
 * They log in to the URL's server as wardian_api, wardian_sched and wardian_platform.  When the URL
 * holds a password, theirs are the hexadecimal HMAC-SHA-256 of the role's name under it, which
 * db_migrate_up has set if the URL's role may do so; without one the server must trust them
 * (private cluster: a 0700 socket directory) or know them otherwise (peer, certificate, passfile).
 * Beside the pools, group commit and lookups have two connections each. Refuses (ERR_DB_SCHEMA)
 * when the server is older than 15, when a role is superuser, may bypass RLS or owns tables, when a
 * statement does not prepare, and when the catalogue audit fails.
 */
int db_open(const struct db_options *o, struct db **ret, struct err *e) MUST_CHECK;
void db_free(struct db *db);
AUTO_TYPE(db);
/* A round trip on a pooled connection, at most timeout_ms; for readiness. */
int db_ping(struct db *db, struct err *e) MUST_CHECK;

/* Called after each row was written to the column destinations; -1 stops with *e filled. */
typedef int db_row_fn(void *ctx, struct err *e);

/* --- one tenant ------------------------------------------------------------------------------- */

/* Nothing is sent yet.  Waits for a connection at most the timeout (ERR_BUSY). */
int db_tx_begin(
    struct db *db, struct tenant_id tenant, struct db_tx **ret, struct err *e) MUST_CHECK;
/* Takes the transaction: *tx becomes NULL whatever happens.  When the acknowledgement of COMMIT is
 * lost, the outcome is asked for (pg_xact_status) before answering: ERR_DB_RETRY means that nothing
 * was stored.  Only when nobody can tell (the server stays away, or crashed meanwhile) it is
 * ERR_UNAVAILABLE with a message that says so. */
int db_tx_commit(struct db_tx **tx, struct err *e) MUST_CHECK;
void db_tx_free(struct db_tx *tx); /* rolls back; accepts NULL */
AUTO_TYPE(db_tx);

/* Rows returned or affected: db_one gives 1 or 0 (more is ERR_DB_SCHEMA), -1 on error. */
int db_one(struct db_tx *tx, const char *stmt, const struct db_arg *args, const struct db_col *cols,
    struct arena *mem, struct err *e) MUST_CHECK;
/* Calls row for each; the count of rows, or -1. */
int64_t db_each(struct db_tx *tx, const char *stmt, const struct db_arg *args,
    const struct db_col *cols, struct arena *mem, db_row_fn *row, void *ctx,
    struct err *e) MUST_CHECK;
/* Rows affected, or -1. */
int64_t db_exec(
    struct db_tx *tx, const char *stmt, const struct db_arg *args, struct err *e) MUST_CHECK;
/* db_one and db_tx_commit in one flush; takes the transaction.  It commits whether or not a row was
 * found.  A network that swallows the whole answer leaves the outcome unknown (see above); where
 * that matters, use db_group_write or two calls. */
int db_one_commit(struct db_tx **tx, const char *stmt, const struct db_arg *args,
    const struct db_col *cols, struct arena *mem, struct err *e) MUST_CHECK;

/* One reading statement in a transaction of its own: one round trip.  A statement that writes is
 * refused (ERR_DB_SCHEMA), because the outcome of its commit could not be asked for. */
int db_read_one(struct db *db, struct tenant_id tenant, const char *stmt, const struct db_arg *args,
    const struct db_col *cols, struct arena *mem, struct err *e) MUST_CHECK;
/* db_read_one for a statement that finds its row by a key, and is therefore quick: those of many
 * callers, each under its own tenant, travel together, so that under load one costs the server a
 * fraction.  Blocks as db_group_write does. */
int db_lookup(struct db *db, struct tenant_id tenant, const char *stmt, const struct db_arg *args,
    const struct db_col *cols, struct arena *mem, struct err *e) MUST_CHECK;
int64_t db_read_each(struct db *db, struct tenant_id tenant, const char *stmt,
    const struct db_arg *args, const struct db_col *cols, struct arena *mem, db_row_fn *row,
    void *ctx, struct err *e) MUST_CHECK;

/*
 * Group commit: an independent small unit of writes (at most DB_GROUP_STATEMENTS statements that do
 * not need each other's results).  Units of many callers travel in one transaction batch, each
 * under its own tenant, and are acknowledged after the batch's commit; when the batch fails, units
 * are replayed one by one so that only the faulty one reports an error.  rows[i] (may be NULL) gets
 * the rows affected by statement i; cols of each statement are filled as by db_one from its first
 * row. A unit whose statement `must_affect` affects no row fails alone with ERR_CONFLICT.  Order is
 * kept between a caller's own units only.  Blocks until the commit is durable: at most one timeout
 * in the queue (ERR_BUSY), two under way, and one more to learn the outcome of a lost COMMIT, which
 * is known in every case but a crash of the server.
 */
enum { DB_GROUP_STATEMENTS = 8 };
struct db_write {
	const char *stmt;
	const struct db_arg *args;
	const struct db_col *cols; /* NULL: none */
	bool must_affect;
};
int db_group_write(struct db *db, struct tenant_id tenant, const struct db_write *writes, size_t n,
    int64_t *rows, struct arena *mem, struct err *e) MUST_CHECK;

/* Name of the constraint behind the last ERR_DB_CONSTRAINT in *e, "" otherwise. */
const char *db_err_constraint(const struct err *e);

/* --- the scheduler: role wardian_sched, jobs of all tenants ----------------------------------- */

/* As their namesakes above. */
int db_sys_begin(struct db *db, struct db_sys_tx **ret, struct err *e) MUST_CHECK;
int db_sys_commit(struct db_sys_tx **tx, struct err *e) MUST_CHECK;
void db_sys_tx_free(struct db_sys_tx *tx);
AUTO_TYPE(db_sys_tx);
int db_sys_one(struct db_sys_tx *tx, const char *stmt, const struct db_arg *args,
    const struct db_col *cols, struct arena *mem, struct err *e) MUST_CHECK;
int64_t db_sys_each(struct db_sys_tx *tx, const char *stmt, const struct db_arg *args,
    const struct db_col *cols, struct arena *mem, db_row_fn *row, void *ctx,
    struct err *e) MUST_CHECK;
int64_t db_sys_exec(
    struct db_sys_tx *tx, const char *stmt, const struct db_arg *args, struct err *e) MUST_CHECK;
int db_sys_read_one(struct db *db, const char *stmt, const struct db_arg *args,
    const struct db_col *cols, struct arena *mem, struct err *e) MUST_CHECK;
int64_t db_sys_read_each(struct db *db, const char *stmt, const struct db_arg *args,
    const struct db_col *cols, struct arena *mem, db_row_fn *row, void *ctx,
    struct err *e) MUST_CHECK;

/* --- platform operations: role wardian_platform ----------------------------------------------- */

/*
 * The registry of tenants, credentials before their tenant is known, and what deletes a tenant. The
 * role reads nothing of what tenants own (jobs, results, changes: the catalogue audit sees to it)
 * and deletes rows of tenants that are being deleted only.  Hold one of these or a struct db_tx,
 * never both at once: two pools that wait for each other's connections are a deadlock.
 */
int db_platform_begin(struct db *db, struct db_platform_tx **ret, struct err *e) MUST_CHECK;
int db_platform_commit(struct db_platform_tx **tx, struct err *e) MUST_CHECK;
void db_platform_tx_free(struct db_platform_tx *tx);
AUTO_TYPE(db_platform_tx);
int db_platform_one(struct db_platform_tx *tx, const char *stmt, const struct db_arg *args,
    const struct db_col *cols, struct arena *mem, struct err *e) MUST_CHECK;
int64_t db_platform_each(struct db_platform_tx *tx, const char *stmt, const struct db_arg *args,
    const struct db_col *cols, struct arena *mem, db_row_fn *row, void *ctx,
    struct err *e) MUST_CHECK;
int64_t db_platform_exec(struct db_platform_tx *tx, const char *stmt, const struct db_arg *args,
    struct err *e) MUST_CHECK;
int db_platform_read_one(struct db *db, const char *stmt, const struct db_arg *args,
    const struct db_col *cols, struct arena *mem, struct err *e) MUST_CHECK;
int64_t db_platform_read_each(struct db *db, const char *stmt, const struct db_arg *args,
    const struct db_col *cols, struct arena *mem, db_row_fn *row, void *ctx,
    struct err *e) MUST_CHECK;

#endif
