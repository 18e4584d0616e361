/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DB_H
#define DB_H

/*
 * PostgreSQL; the only owner of libpq.  A transaction is a tenant: struct db_tx opens only with a
 * struct tenant_id, on role wardian_api under row-level security; the scheduler's struct db_sys_tx
 * is another type on another role.  Statements are named in .sql files, prepared when a connection
 * joins its pool, and run with declared arguments and columns; no SQL text exists at run time.
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
#include "err.h"
#include "id.h"
#include "log.h"

#include <stdbool.h>

struct db;
struct db_tx;
struct db_sys_tx;

enum db_role { DB_ROLE_API = 1, DB_ROLE_SCHED = 2 };

/*
 * One .sql file.  Each statement in it starts with a line
 *     -- :name job_get :role api        (api, sched, or api,sched)
 * and ends before the next such line; $n parameters carry casts ($1::uuid).  Names are unique over
 * all modules.  The types of arguments are compared with what the server says of the parameters.
 */
struct db_sql {
	const char *module; /* "job" */
	const char *text;
};

struct db_options {
	const char *url; /* libpq connection string of the owner role (migrations, audit) */
	int api_connections;
	int sched_connections;
	int64_t timeout_ms;
	const struct db_sql *sql; /* terminated by a row with module NULL */
	struct log log;
	/*
	 * May be NULL; called from any thread.  With ns < 0, one event: the failures "connect",
	 * "deadline", "serialization", "constraint" and "other" (labels of METRIC_DB_ERRORS),
	 * "batch" and "write" of group commit, "opened" and "closed" connections.  "call": a call
	 * took ns.
	 */
	void (*observe)(void *ctx, const char *what, int64_t ns);
	void *observe_ctx;
};

/*
 * Opens the pools after db_migrate_up; the first connection of each role is made before returning.
 * They log in to the URL's server as wardian_api and wardian_sched.  When the URL holds a password,
 * theirs are the hexadecimal HMAC-SHA-256 of the role's name under it, which db_migrate_up has set;
 * without one the server must trust them (private cluster: a 0700 socket directory) or know them
 * otherwise (peer, certificate, passfile).  Beside the pools, group commit has two connections.
 * Refuses (ERR_DB_SCHEMA) when the server is older than 15, when a role is superuser, may bypass
 * RLS or owns tables, when a statement does not prepare, and when the catalogue audit fails.
 */
int db_open(const struct db_options *o, struct db **ret, struct err *e) MUST_CHECK;
void db_free(struct db *db);
AUTO_TYPE(db);
/* A round trip on a pooled connection, at most timeout_ms; for readiness. */
int db_ping(struct db *db, struct err *e) MUST_CHECK;

/* Arguments, by position. */
enum db_type {
	DB_END,
	DB_TYPE_UUID,
	DB_TYPE_TEXT,
	DB_TYPE_I64,
	DB_TYPE_I32,
	DB_TYPE_F64,
	DB_TYPE_BOOL,
	DB_TYPE_TIME,
	DB_TYPE_BYTES,
	DB_TYPE_JSON,
	DB_TYPE_UUIDS,
	DB_TYPE_TEXTS,
	DB_TYPE_I64S,
	DB_TYPE_F64S,
	DB_TYPE_TIMES
};
struct db_arg {
	enum db_type type;
	bool null;
	union {
		struct uuid uuid;
		const char *text; /* NULL is SQL NULL; TEXT and JSON */
		int64_t i64;      /* I64, I32, TIME (wall microseconds) */
		double f64;
		bool boolean;
		const void *p; /* BYTES and arrays */
	} v;
	size_t n; /* bytes or elements */
};
#define DB_ARG_UUID(x)                                                                             \
	{                                                                                          \
		.type = DB_TYPE_UUID, .v.uuid = (x)                                                \
	}
#define DB_ARG_TEXT(x)                                                                             \
	{                                                                                          \
		.type = DB_TYPE_TEXT, .v.text = (x)                                                \
	}
#define DB_ARG_JSON(x)                                                                             \
	{                                                                                          \
		.type = DB_TYPE_JSON, .v.text = (x)                                                \
	}
#define DB_ARG_I64(x)                                                                              \
	{                                                                                          \
		.type = DB_TYPE_I64, .v.i64 = (x)                                                  \
	}
#define DB_ARG_I32(x)                                                                              \
	{                                                                                          \
		.type = DB_TYPE_I32, .v.i64 = (x)                                                  \
	}
#define DB_ARG_F64(x)                                                                              \
	{                                                                                          \
		.type = DB_TYPE_F64, .v.f64 = (x)                                                  \
	}
#define DB_ARG_BOOL(x)                                                                             \
	{                                                                                          \
		.type = DB_TYPE_BOOL, .v.boolean = (x)                                             \
	}
#define DB_ARG_TIME(us)                                                                            \
	{                                                                                          \
		.type = DB_TYPE_TIME, .v.i64 = (us)                                                \
	}
#define DB_ARG_TIME_OR_NULL(us)                                                                    \
	{                                                                                          \
		.type = DB_TYPE_TIME, .v.i64 = (us), .null = (us) == 0                             \
	}
#define DB_ARG_BYTES(ptr, len)                                                                     \
	{                                                                                          \
		.type = DB_TYPE_BYTES, .v.p = (ptr), .n = (len)                                    \
	}
#define DB_ARG_UUIDS(ptr, count)                                                                   \
	{                                                                                          \
		.type = DB_TYPE_UUIDS, .v.p = (ptr), .n = (count)                                  \
	} /* struct uuid[] */
#define DB_ARG_TEXTS(ptr, count)                                                                   \
	{                                                                                          \
		.type = DB_TYPE_TEXTS, .v.p = (ptr), .n = (count)                                  \
	} /* const char *[], NULL elements allowed */
#define DB_ARG_I64S(ptr, count)                                                                    \
	{                                                                                          \
		.type = DB_TYPE_I64S, .v.p = (ptr), .n = (count)                                   \
	}
#define DB_ARG_F64S(ptr, count)                                                                    \
	{                                                                                          \
		.type = DB_TYPE_F64S, .v.p = (ptr), .n = (count)                                   \
	}
#define DB_ARG_TIMES(ptr, count)                                                                   \
	{                                                                                          \
		.type = DB_TYPE_TIMES, .v.p = (ptr), .n = (count)                                  \
	} /* 0 is NULL */
#define DB_ARG_NULL(t)                                                                             \
	{                                                                                          \
		.type = (t), .null = true                                                          \
	}
#define DB_ARGS_END                                                                                \
	{                                                                                          \
		.type = DB_END                                                                     \
	}

/*
 * Columns, by name.  A column that the statement does not return, or whose type or width differs,
 * is ERR_DB_SCHEMA; an unexpected NULL, too.  The *_NULL forms write 0, false, NULL or a nil uuid.
 * Text and bytes are copied into the arena of the call.
 */
struct db_bytes {
	const void *p;
	size_t n;
};
struct db_col {
	const char *name;
	enum db_type type;
	bool nullable;
	void *dest;
};
#define DB_UUID(nm, dst)                                                                           \
	{                                                                                          \
		.name = (nm), .type = DB_TYPE_UUID, .dest = (dst)                                  \
	}
#define DB_TEXT(nm, dst)                                                                           \
	{                                                                                          \
		.name = (nm), .type = DB_TYPE_TEXT, .dest = (dst)                                  \
	}
#define DB_TEXT_NULL(nm, dst)                                                                      \
	{                                                                                          \
		.name = (nm), .type = DB_TYPE_TEXT, .nullable = true, .dest = (dst)                \
	}
#define DB_JSON(nm, dst)                                                                           \
	{                                                                                          \
		.name = (nm), .type = DB_TYPE_JSON, .dest = (dst)                                  \
	} /* const char *: its text */
#define DB_JSON_NULL(nm, dst)                                                                      \
	{                                                                                          \
		.name = (nm), .type = DB_TYPE_JSON, .nullable = true, .dest = (dst)                \
	}
#define DB_I64(nm, dst)                                                                            \
	{                                                                                          \
		.name = (nm), .type = DB_TYPE_I64, .dest = (dst)                                   \
	} /* int64_t from int8 or int4 */
#define DB_I64_NULL(nm, dst)                                                                       \
	{                                                                                          \
		.name = (nm), .type = DB_TYPE_I64, .nullable = true, .dest = (dst)                 \
	}
#define DB_F64(nm, dst)                                                                            \
	{                                                                                          \
		.name = (nm), .type = DB_TYPE_F64, .dest = (dst)                                   \
	}
#define DB_F64_NULL(nm, dst)                                                                       \
	{                                                                                          \
		.name = (nm), .type = DB_TYPE_F64, .nullable = true, .dest = (dst)                 \
	}
#define DB_BOOL(nm, dst)                                                                           \
	{                                                                                          \
		.name = (nm), .type = DB_TYPE_BOOL, .dest = (dst)                                  \
	}
#define DB_TIME(nm, dst)                                                                           \
	{                                                                                          \
		.name = (nm), .type = DB_TYPE_TIME, .dest = (dst)                                  \
	} /* int64_t wall microseconds */
#define DB_TIME_NULL(nm, dst)                                                                      \
	{                                                                                          \
		.name = (nm), .type = DB_TYPE_TIME, .nullable = true, .dest = (dst)                \
	}
#define DB_BYTES(nm, dst)                                                                          \
	{                                                                                          \
		.name = (nm), .type = DB_TYPE_BYTES, .dest = (dst)                                 \
	} /* struct db_bytes */
#define DB_COLS_END                                                                                \
	{                                                                                          \
		.name = NULL                                                                       \
	}

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

/* --- the scheduler and credential look-up: role wardian_sched, over all tenants ------------- */

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

/* --- schema -------------------------------------------------------------------------------------
 */

struct db_migration {
	int number;       /* 1 for 0001_... */
	const char *name; /* "0001_roles" */
	bool applied;
	int64_t applied_wall_us;
};
/* Connects as owner.  Calls fn for each migration; ERR_DB_SCHEMA for an unknown or changed one. */
int db_migrate_status(const char *url, int64_t timeout_ms,
    int (*fn)(void *ctx, const struct db_migration *m), void *ctx, struct err *e) MUST_CHECK;
/* Applies what is missing, each migration in one transaction under an advisory lock; the count. */
int db_migrate_up(
    const char *url, int64_t timeout_ms, const struct log *log, struct err *e) MUST_CHECK;
/* The catalogue audit alone: one call per finding (a sentence); the count of findings, or -1. */
int db_audit_catalogue(const char *url, int64_t timeout_ms,
    void (*fn)(void *ctx, const char *finding), void *ctx, struct err *e) MUST_CHECK;

/* --- the private PostgreSQL ----------------------------------------------------------------- */

struct db_cluster;
struct db_cluster_options {
	const char *dir; /* <state.dir>/postgres, at most 79 bytes; made when missing, mode 0700 */
	const char *bin_dir; /* "" looks in /usr/lib/postgresql/<version>/bin, newest first */
	struct log log;
};
/*
 * initdb once, then postgres on a Unix socket inside dir; adopts a server left over from a crash.
 * Must not run as root (ERR_CONF says so).  ERR_CONF naming the Debian package when the binaries
 * are missing, or older than 15.  Returns when the server accepts connections.
 */
int db_cluster_start(
    const struct db_cluster_options *o, struct db_cluster **ret, struct err *e) MUST_CHECK;
/* Becomes readable when the server has ended; the cluster's, and another one after a revival. */
int db_cluster_pidfd(const struct db_cluster *c);
/* Starts the server again after it ended; blocks as db_cluster_start does, and no other call on the
 * cluster may run meanwhile. */
int db_cluster_revive(struct db_cluster *c, struct err *e) MUST_CHECK;
/* Connection string of the owner; lives as long as the cluster. */
const char *db_cluster_url(const struct db_cluster *c);
/* Fast shutdown, waits at most 20 s, then immediate; frees.  Accepts NULL. */
void db_cluster_stop(struct db_cluster *c);
/* Frees without stopping the server, for a visitor beside a serving daemon.  Accepts NULL. */
void db_cluster_leave(struct db_cluster *c);

#endif
