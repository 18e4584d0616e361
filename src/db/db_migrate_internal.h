/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DB_MIGRATE_INTERNAL_H
#define DB_MIGRATE_INTERNAL_H

/* Migrations over a given list of files, so that tests can bring other ones. */

#include "db_schema.h"

enum { DB_MIGRATIONS_MAX = 500 };

struct db_migration_file {
	const char *name; /* "0001_roles"; NULL ends the list */
	const char *text;
};
extern const struct db_migration_file db_migration_files[];

int db_migrate_status_of(const struct db_migration_file *files, const char *url, int64_t timeout_ms,
    int (*fn)(void *ctx, const struct db_migration *m), void *ctx, struct err *e) MUST_CHECK;
int db_migrate_up_of(const struct db_migration_file *files, const char *url, int64_t timeout_ms,
    const struct log *log, struct err *e) MUST_CHECK;

#endif
