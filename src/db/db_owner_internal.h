/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DB_OWNER_INTERNAL_H
#define DB_OWNER_INTERNAL_H

/*
 * One connection outside the pools, as the role of the URL: migrations, the catalogue audit, the
 * private cluster, and tests.  Statements are sent as text; libpq stays hidden, so that tests may
 * use it.  Errors are for the operator: they carry what the server said.
 */

#include "base.h"
#include "err.h"

struct db_owner;
/* Tries until the deadline.  ERR_UNAVAILABLE, ERR_DB_SCHEMA when the server is older than 15. */
int db_owner_open(
    const char *url, int64_t timeout_ms, struct db_owner **ret, struct err *e) MUST_CHECK;
void db_owner_free(struct db_owner *o);
AUTO_TYPE(db_owner);
int db_owner_version(const struct db_owner *o); /* server_version_num */

/* Text of a statement of db_owner.sql or db_audit.sql, which must exist. */
const char *db_owner_stmt(const struct db_owner *o, const char *name);
/* Those whose names start with prefix, by name. */
int db_owner_each_stmt(const struct db_owner *o, const char *prefix,
    int (*fn)(void *ctx, const char *name, const char *text, struct err *e), void *ctx,
    struct err *e) MUST_CHECK;

/* Any number of statements in one text, at most timeout_ms in all. */
int db_owner_script(
    struct db_owner *o, const char *text, int64_t timeout_ms, struct err *e) MUST_CHECK;

/* One statement with text parameters.  row (may be NULL) gets each row as texts, NULL for SQL NULL,
 * and stops with -1.  Rows returned or affected, or -1. */
typedef int db_owner_row_fn(void *ctx, const char *const *cells, struct err *e);
int64_t db_owner_query(struct db_owner *o, const char *text, int n_params,
    const char *const *params, db_owner_row_fn *row, void *ctx, struct err *e) MUST_CHECK;
/* The first cell of the first row, copied (out_size bytes); "" when there is none. */
int db_owner_text(
    struct db_owner *o, const char *text, char *out, size_t out_size, struct err *e) MUST_CHECK;

/* Lets the serving roles log in with passwords derived from the URL's; nothing when it has none, or
 * when the URL's role may not set them. */
int db_owner_set_passwords(struct db_owner *o, struct err *e) MUST_CHECK;

#endif
