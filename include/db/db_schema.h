/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DB_SCHEMA_H
#define DB_SCHEMA_H

/*
 * Roles and tables: the migrations that are embedded in the binary, and the audit of what the
 * server's catalogue says about them.  Called by the daemon before the pools open, by `wardiand
 * migrate` and by tests, from any thread; each call has a connection of its own as the URL's role,
 * and waits at most timeout_ms per statement (a migration's body: ten minutes).
 */

#include "base.h"
#include "err.h"
#include "log.h"

#include <stdbool.h>

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

#endif
