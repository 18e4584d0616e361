/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DB_VALUE_INTERNAL_H
#define DB_VALUE_INTERNAL_H

/*
 * PostgreSQL's binary formats, without a connection: arguments to bytes, bytes to columns.  Alone
 * here are type, NULL and width checked.  Integers are big-endian; times are microseconds since
 * 2000-01-01 UTC.
 */

#include "buf.h"
#include "db.h"

/* pg_type.oid of the types in use: fixed numbers of the protocol's catalogue (pg_type.dat). */
enum db_oid {
	OID_BOOL = 16,
	OID_BYTEA = 17,
	OID_NAME = 19,
	OID_INT8 = 20,
	OID_INT2 = 21,
	OID_INT4 = 23,
	OID_TEXT = 25,
	OID_JSON = 114,
	OID_FLOAT4 = 700,
	OID_FLOAT8 = 701,
	OID_BPCHAR = 1042,
	OID_VARCHAR = 1043,
	OID_TIMESTAMPTZ = 1184,
	OID_UUID = 2950,
	OID_JSONB = 3802,
	OID_TEXT_ARRAY = 1009,
	OID_INT8_ARRAY = 1016,
	OID_FLOAT8_ARRAY = 1022,
	OID_TIMESTAMPTZ_ARRAY = 1185,
	OID_UUID_ARRAY = 2951
};

enum {
	/* Parameters of one statement; the widest table has 18 columns. */
	DB_PARAMS_MAX = 40,
	/* Encoded arguments of one statement: 100,000 metric points with names of 64 bytes,
	   times 4. */
	DB_PARAMS_BYTES = 32 << 20,
};

/* What PQsendQueryPrepared takes.  Values point into `bytes` or into the caller's arguments. */
struct db_params {
	int n;
	const char *values[DB_PARAMS_MAX];
	int lengths[DB_PARAMS_MAX];
	int formats[DB_PARAMS_MAX]; /* 0 text, 1 binary */
	struct buf bytes;
	size_t borrowed; /* bytes that stay with the caller */
};

/* args must outlive *p.  stmt names the statement in messages.  db_params_done releases, whether
 * this succeeded or not.  ERR_DB_SCHEMA when count or type differ from what the server declared. */
int db_params_build(struct db_params *p, const struct db_arg *args, const uint32_t *oids,
    int n_oids, const char *stmt, struct err *e) MUST_CHECK;
void db_params_done(struct db_params *p);
size_t db_params_size(const struct db_params *p); /* bytes, borrowed ones included */

struct db_cell {
	const char *p; /* NULL: SQL NULL */
	size_t n;
};
/* Whether a parameter or column of the server's type goes with the declared one. */
bool db_value_fits(enum db_type type, uint32_t oid);
/* NULL and width; nothing is written. */
int db_value_check(const struct db_col *col, uint32_t oid, struct db_cell cell, const char *stmt,
    struct err *e) MUST_CHECK;
/* Writes a checked cell to the column's destination; fails only when the arena is full. */
int db_value_read(const struct db_col *col, uint32_t oid, struct db_cell cell, struct arena *mem,
    struct err *e) MUST_CHECK;

#endif
