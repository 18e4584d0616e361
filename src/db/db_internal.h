/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DB_INTERNAL_H
#define DB_INTERNAL_H

/* What the files of the module share; the only header that shows libpq. */

#include "db.h"
#include "db_stmt_internal.h"
#include "db_value_internal.h"
#include "lock.h"

#include <libpq-fe.h>

static inline void
db_result_auto_clear(PGresult **r)
{
	PQclear(*r);
}
#define AUTO_RESULT __attribute__((cleanup(db_result_auto_clear))) PGresult *

/* --- db_login.c: connection parameters -------------------------------------------------------- */

enum { DB_LOGIN_MAX = 64 };
struct db_login {
	struct arena *mem;
	int n;
	const char
	    *keywords[DB_LOGIN_MAX + 1]; /* NULL-terminated, as PQconnectStartParams wants them */
	const char *values[DB_LOGIN_MAX + 1];
};
/* The owner's login from a libpq URL or keyword string; ERR_CONF. */
int db_login_parse(
    struct db_login *l, const char *url, int64_t timeout_ms, struct err *e) MUST_CHECK;
/* The serving roles, as they log in. */
enum { DB_ROLE_LOGINS = 3 };
struct db_role_login {
	enum db_role role;
	const char *name;
	const char *application; /* what the server lists the connection as */
};
extern const struct db_role_login db_role_logins[DB_ROLE_LOGINS];
/* The same server and database as one of the serving roles. */
int db_login_as(struct db_login *l, const char *url, enum db_role role, int64_t timeout_ms,
    struct err *e) MUST_CHECK;
void db_login_done(struct db_login *l);
const char *db_role_name(enum db_role role);
/* Password of a serving role, derived from the owner's; false when the URL holds none. */
enum { DB_PASSWORD_SIZE = 65 };
bool db_login_password(
    const struct db_login *owner, enum db_role role, char out[static DB_PASSWORD_SIZE]);
const char *db_login_value(const struct db_login *l, const char *keyword); /* NULL: not given */

/* --- db_wire.c: a PGconn and deadlines -------------------------------------------------------- */

enum { DB_WHY_SIZE = 160 };
/* One attempt.  why (DB_WHY_SIZE bytes) gets the first line of libpq's text on failure. */
int db_wire_connect(
    const struct db_login *l, struct deadline d, PGconn **ret, char *why, struct err *e) MUST_CHECK;
/* The next result, NULL at the end of a command; -1: ERR_TIMEOUT or ERR_UNAVAILABLE, and the
 * connection is of no more use. */
int db_wire_result(PGconn *pg, struct deadline d, PGresult **ret, struct err *e) MUST_CHECK;
/* First line of text, without its "FATAL: " and the like. */
void db_wire_why(const char *text, char out[static DB_WHY_SIZE]);

/* --- db_err.c --------------------------------------------------------------------------------- */

/* Turns a failed result into *e and logs the server's text; always -1. */
int db_err_result(struct db *db, const PGresult *r, const char *stmt, struct err *e);
/* Whether the server's plans or the session are stale, so that the connection must go. */
bool db_err_stale(const PGresult *r);

/* --- db_conn.c: a pooled connection ----------------------------------------------------------- */

enum { DB_INCARNATION_SIZE = 64, DB_XID_SIZE = 24 };
struct db_conn {
	PGconn *pg;                            /* NULL: closed */
	bool broken;                           /* must not be used again */
	char incarnation[DB_INCARNATION_SIZE]; /* of the server, see db_tx.sql */
};

enum db_step_kind { DB_STEP_RUN, DB_STEP_PREPARE, DB_STEP_DESCRIBE, DB_STEP_FLUSH };
struct db_step {
	enum db_step_kind kind;
	const struct db_stmt *stmt;     /* not for FLUSH */
	const struct db_params *params; /* RUN; NULL: none */
	PGresult *result;               /* filled; cleared by db_steps_clear */
};

struct db_pool;
/* Connects and prepares, again and again with growing pauses until the deadline. */
int db_conn_open(
    struct db_pool *pool, struct db_conn *c, struct deadline d, struct err *e) MUST_CHECK;
void db_conn_close(struct db_pool *pool, struct db_conn *c);
/* False when the server has closed or spoken to an idle connection. */
bool db_conn_alive(const struct db_conn *c);
/*
 * Sends all steps and one Sync in one flush and reads all results.  0 when the conversation ended
 * in order, even if a statement failed (db_steps_fault tells); -1 when the connection was lost or
 * the deadline passed: c->broken is set, results read until then are kept.
 */
int db_conn_exchange(struct db_pool *pool, struct db_conn *c, struct db_step *steps, size_t n,
    struct deadline d, struct err *e) MUST_CHECK;
/* Index of the first step that failed, or n. */
size_t db_steps_fault(const struct db_step *steps, size_t n);
void db_steps_clear(struct db_step *steps, size_t n);

/* --- db_pool.c -------------------------------------------------------------------------------- */

struct db_pool {
	/* immutable after db_open */
	struct db *db;
	enum db_role role;
	struct db_login login;
	int max;
	/* under lock */
	struct lock lock;
	struct cond freed;
	struct db_conn **idle; /* a stack: the hottest on top */
	int n_idle;
	int n_made; /* idle, lent, or being connected */
};
int db_pool_take(
    struct db_pool *p, struct deadline d, struct db_conn **ret, struct err *e) MUST_CHECK;
/* Keeps it unless it is broken or in the middle of something. */
void db_pool_give(struct db_pool *p, struct db_conn *c);

struct db_group;
struct db {
	/* immutable after db_open */
	struct log log;
	void (*observe)(void *ctx, const char *what, int64_t ns);
	void *observe_ctx;
	int64_t timeout_ms;
	struct db_stmts stmts;
	const struct db_stmt *begin, *commit, *rollback, *context, *xid, *xact_status, *incarnation,
	    *ping;
	struct db_pool api, sched, platform;
	struct db_group *group;   /* writes */
	struct db_group *lookups; /* statements by key that ride together */
};
void db_observe(const struct db *db, const char *what, int64_t ns);
/* ERR_DB_SCHEMA when the role has no such statement. */
int db_find(const struct db *db, enum db_role role, const char *name, const struct db_stmt **ret,
    struct err *e) MUST_CHECK;

/* --- db_row.c --------------------------------------------------------------------------------- */

struct db_query {
	const char *stmt;
	const struct db_arg *args;
	const struct db_col *cols; /* NULL: none */
	struct arena *mem;
	db_row_fn *row; /* NULL: none */
	void *ctx;
	bool single; /* more than one row is ERR_DB_SCHEMA */
	bool first;  /* only the first row is read */
};
/* Rows returned, or affected when the statement returns none. */
int64_t db_rows_read(PGresult *r, const struct db_query *q, struct err *e) MUST_CHECK;
int64_t db_rows_affected(PGresult *r);
/* Text of a single cell, "" for NULL or none; only for the module's own statements. */
const char *db_rows_cell(const PGresult *r, int column);

/* --- db_tx.c ---------------------------------------------------------------------------------- */

struct db_txn {
	struct db *db;
	struct db_pool *pool;
	struct db_conn *conn;
	bool scoped;             /* to one tenant; false on roles of all tenants */
	struct db_params tenant; /* argument of db_context */
	bool begun;
	bool failed;           /* a statement failed: only a rollback is possible */
	bool wrote;            /* a statement that may write was run */
	char xid[DB_XID_SIZE]; /* "": none yet */
};
int db_txn_begin(struct db_pool *pool, const struct tenant_id *tenant, struct db_txn *t,
    struct err *e) MUST_CHECK;
int64_t db_txn_query(
    struct db_txn *t, const struct db_query *q, bool commit, struct err *e) MUST_CHECK;
int db_txn_commit(struct db_txn *t, struct err *e) MUST_CHECK;
/* Rolls back what is open and returns the connection. */
void db_txn_end(struct db_txn *t);
/* One reading statement in the implicit transaction of one Sync. */
int64_t db_txn_read(struct db_pool *pool, const struct tenant_id *tenant, const struct db_query *q,
    struct err *e) MUST_CHECK;
/* The argument of the context statement; done with db_params_done. */
int db_tx_context(const struct db *db, const struct tenant_id *tenant, struct db_params *p,
    struct err *e) MUST_CHECK;
/* ERR_INTERNAL when the connection carried another tenant's context before. */
int db_tx_context_check(
    struct db *db, struct db_conn *c, const struct db_step *step, struct err *e) MUST_CHECK;

/* --- db_xact.c -------------------------------------------------------------------------------- */

/* Asks a new connection, left in *c, how a transaction ended: 1 committed, 0 aborted, -1 nobody
 * knows (ERR_UNAVAILABLE). */
int db_xact_resolve(
    struct db_pool *pool, struct db_conn *c, const char *xid, struct err *e) MUST_CHECK;

/* ERR_UNAVAILABLE with the sentence for an outcome that nobody knows; -1. */
int db_xact_unknown(struct err *e);

/* --- db_group.c ------------------------------------------------------------------------------- */

/* reads: of lookups alone. */
int db_group_new(struct db *db, bool reads, struct db_group **ret, struct err *e) MUST_CHECK;
void db_group_free(struct db_group *g);
/* As db_txn_read. */
int64_t db_group_lookup(
    struct db *db, struct tenant_id tenant, const struct db_query *q, struct err *e) MUST_CHECK;

#endif
