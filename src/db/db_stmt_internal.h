/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DB_STMT_INTERNAL_H
#define DB_STMT_INTERNAL_H

/* The named statements of the .sql files; built once in db_open, immutable afterwards. */

#include "db.h"
#include "db_value_internal.h"

enum {
	DB_ROLES_SERVING = DB_ROLE_API | DB_ROLE_SCHED | DB_ROLE_PLATFORM,
	/* Statements of the module itself that run on the owner's connection. */
	DB_ROLE_OWNER = 8,
};

enum {
	DB_STMT_NAME_MAX = 63,       /* NAMEDATALEN - 1: what a server keeps of a name */
	DB_STMT_TEXT_MAX = 32 << 10, /* longer is not a statement that a person reads */
	DB_STMTS_MAX = 512,          /* over all modules; each costs every connection a plan */
};

struct db_stmt {
	const char *name;
	const char *text;
	const char *module;
	unsigned roles; /* DB_ROLE_ bits */
	bool writes;    /* holds insert, update, delete or merge as a word, so it may take an xid */
	bool described; /* params are known */
	int n_params;
	uint32_t params[DB_PARAMS_MAX]; /* type oids, told by the server */
};

struct db_stmts {
	struct arena *mem;
	struct db_stmt *v; /* sorted by name once db_stmts_end has run */
	size_t n;
};

int db_stmts_init(struct db_stmts *s, struct err *e) MUST_CHECK;
void db_stmts_done(struct db_stmts *s);
/* Splits one file.  roles: DB_ROLE_ bits that its statements may name.  ERR_DB_SCHEMA with module
 * and line when the text is malformed. */
int db_stmts_add(
    struct db_stmts *s, const struct db_sql *sql, unsigned roles, struct err *e) MUST_CHECK;
/* Sorts; ERR_DB_SCHEMA for a name given twice. */
int db_stmts_end(struct db_stmts *s, struct err *e) MUST_CHECK;
/* NULL when there is none. */
struct db_stmt *db_stmts_find(const struct db_stmts *s, const char *name);

#endif
