/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DB_VALUE_H
#define DB_VALUE_H

/*
 * What goes into a statement and what comes out of it: plain values, included by db.h.  Callers
 * write tables of them on the stack; nothing here owns anything, and a table must live as long as
 * the call that it is given to.  Numbers are checked against the server's types, never converted
 * with a loss.  One statement takes at most 40 arguments, 32 MiB in all.
 */

#include "base.h"
#include "id.h"

#include <stdbool.h>

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
#define DB_ARG_ONE_(ty, member, x)                                                                 \
	{                                                                                          \
		.type = (ty), .v.member = (x)                                                      \
	}
#define DB_ARG_MANY_(ty, ptr, count)                                                               \
	{                                                                                          \
		.type = (ty), .v.p = (ptr), .n = (count)                                           \
	}
#define DB_ARG_UUID(x) DB_ARG_ONE_(DB_TYPE_UUID, uuid, x)
#define DB_ARG_TEXT(x) DB_ARG_ONE_(DB_TYPE_TEXT, text, x)
#define DB_ARG_JSON(x) DB_ARG_ONE_(DB_TYPE_JSON, text, x)
#define DB_ARG_I64(x) DB_ARG_ONE_(DB_TYPE_I64, i64, x)
#define DB_ARG_I32(x) DB_ARG_ONE_(DB_TYPE_I32, i64, x)
#define DB_ARG_F64(x) DB_ARG_ONE_(DB_TYPE_F64, f64, x)
#define DB_ARG_BOOL(x) DB_ARG_ONE_(DB_TYPE_BOOL, boolean, x)
#define DB_ARG_TIME(us) DB_ARG_ONE_(DB_TYPE_TIME, i64, us)
#define DB_ARG_TIME_OR_NULL(us)                                                                    \
	{                                                                                          \
		.type = DB_TYPE_TIME, .v.i64 = (us), .null = (us) == 0                             \
	}
#define DB_ARG_BYTES(ptr, len) DB_ARG_MANY_(DB_TYPE_BYTES, ptr, len)
#define DB_ARG_UUIDS(ptr, count) DB_ARG_MANY_(DB_TYPE_UUIDS, ptr, count) /* struct uuid[] */
/* const char *[], NULL elements allowed */
#define DB_ARG_TEXTS(ptr, count) DB_ARG_MANY_(DB_TYPE_TEXTS, ptr, count)
#define DB_ARG_I64S(ptr, count) DB_ARG_MANY_(DB_TYPE_I64S, ptr, count)
#define DB_ARG_F64S(ptr, count) DB_ARG_MANY_(DB_TYPE_F64S, ptr, count)
#define DB_ARG_TIMES(ptr, count) DB_ARG_MANY_(DB_TYPE_TIMES, ptr, count) /* 0 is NULL */
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
#define DB_COL_(nm, ty, null, dst)                                                                 \
	{                                                                                          \
		.name = (nm), .type = (ty), .nullable = (null), .dest = (dst)                      \
	}
#define DB_UUID(nm, dst) DB_COL_(nm, DB_TYPE_UUID, false, dst)
#define DB_UUID_NULL(nm, dst) DB_COL_(nm, DB_TYPE_UUID, true, dst)
#define DB_TEXT(nm, dst) DB_COL_(nm, DB_TYPE_TEXT, false, dst)
#define DB_TEXT_NULL(nm, dst) DB_COL_(nm, DB_TYPE_TEXT, true, dst)
#define DB_JSON(nm, dst) DB_COL_(nm, DB_TYPE_JSON, false, dst) /* const char *: its text */
#define DB_JSON_NULL(nm, dst) DB_COL_(nm, DB_TYPE_JSON, true, dst)
#define DB_I64(nm, dst) DB_COL_(nm, DB_TYPE_I64, false, dst) /* int64_t from int8 or int4 */
#define DB_I64_NULL(nm, dst) DB_COL_(nm, DB_TYPE_I64, true, dst)
#define DB_F64(nm, dst) DB_COL_(nm, DB_TYPE_F64, false, dst)
#define DB_F64_NULL(nm, dst) DB_COL_(nm, DB_TYPE_F64, true, dst)
#define DB_BOOL(nm, dst) DB_COL_(nm, DB_TYPE_BOOL, false, dst)
#define DB_TIME(nm, dst) DB_COL_(nm, DB_TYPE_TIME, false, dst) /* int64_t wall microseconds */
#define DB_TIME_NULL(nm, dst) DB_COL_(nm, DB_TYPE_TIME, true, dst)
#define DB_BYTES(nm, dst) DB_COL_(nm, DB_TYPE_BYTES, false, dst) /* struct db_bytes */
#define DB_COLS_END                                                                                \
	{                                                                                          \
		.name = NULL                                                                       \
	}

#endif
