/* SPDX-License-Identifier: Apache-2.0 */
#include "db_value_internal.h"

#include <endian.h>
#include <string.h>

#define EPOCH_US (INT64_C(946684800) * 1000000)

/* jsonb travels as its version, one byte that is 1, and text. */
enum { JSONB_VERSION = 1 };

bool
db_value_fits(enum db_type type, uint32_t oid)
{
	static const uint32_t fits[][4] = {
		[DB_TYPE_UUID] = { OID_UUID },
		[DB_TYPE_TEXT] = { OID_TEXT, OID_VARCHAR, OID_BPCHAR, OID_NAME },
		[DB_TYPE_I64] = { OID_INT8, OID_INT4, OID_INT2 },
		[DB_TYPE_I32] = { OID_INT8, OID_INT4, OID_INT2 },
		[DB_TYPE_F64] = { OID_FLOAT8, OID_FLOAT4 },
		[DB_TYPE_BOOL] = { OID_BOOL },
		[DB_TYPE_TIME] = { OID_TIMESTAMPTZ },
		[DB_TYPE_BYTES] = { OID_BYTEA },
		[DB_TYPE_JSON] = { OID_JSON, OID_JSONB },
		[DB_TYPE_UUIDS] = { OID_UUID_ARRAY },
		[DB_TYPE_TEXTS] = { OID_TEXT_ARRAY },
		[DB_TYPE_I64S] = { OID_INT8_ARRAY },
		[DB_TYPE_F64S] = { OID_FLOAT8_ARRAY },
		[DB_TYPE_TIMES] = { OID_TIMESTAMPTZ_ARRAY },
	};

	REQUIRE(type < ARRAY_LEN(fits));
	for (size_t i = 0; i < ARRAY_LEN(fits[0]); i++) {
		if (fits[type][i] != 0 && fits[type][i] == oid)
			return true;
	}
	return false;
}

/* Bytes of a value of this type; 0 for those of any length. */
static size_t
width(uint32_t oid)
{
	switch (oid) {
	case OID_BOOL:
		return 1;
	case OID_INT2:
		return 2;
	case OID_INT4:
	case OID_FLOAT4:
		return 4;
	case OID_INT8:
	case OID_FLOAT8:
	case OID_TIMESTAMPTZ:
		return 8;
	case OID_UUID:
		return 16;
	default:
		return 0;
	}
}

int
db_value_check(
    const struct db_col *col, uint32_t oid, struct db_cell cell, const char *stmt, struct err *e)
{
	size_t w = width(oid);

	if (cell.p == NULL) {
		if (col->nullable)
			return 0;
		return err_set(e, ERR_DB_SCHEMA, "column %s of statement %s is unexpectedly NULL",
		    col->name, stmt);
	}
	if (w != 0 && cell.n != w)
		return err_set(e, ERR_DB_SCHEMA,
		    "column %s of statement %s has %zu bytes instead of %zu", col->name, stmt,
		    cell.n, w);
	if (oid == OID_JSONB && (cell.n < 1 || cell.p[0] != JSONB_VERSION))
		return err_set(e, ERR_DB_SCHEMA,
		    "column %s of statement %s is jsonb of an unknown version", col->name, stmt);
	return 0;
}

static uint64_t
get_u64(const char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return be64toh(v);
}

static uint32_t
get_u32(const char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static int64_t
get_integer(uint32_t oid, const char *p)
{
	uint16_t v;

	if (oid == OID_INT8)
		return (int64_t)get_u64(p);
	if (oid == OID_INT4)
		return (int32_t)get_u32(p);
	memcpy(&v, p, sizeof(v));
	return (int16_t)be16toh(v);
}

static double
get_float(uint32_t oid, const char *p)
{
	uint64_t wide;
	uint32_t narrow;
	double d;
	float f;

	if (oid == OID_FLOAT8) {
		wide = get_u64(p);
		memcpy(&d, &wide, sizeof(d));
		return d;
	}
	narrow = get_u32(p);
	memcpy(&f, &narrow, sizeof(f));
	return (double)f;
}

/* The infinities and the years after 292,277 become the greatest and the least value. */
static int64_t
get_time(const char *p)
{
	int64_t t = (int64_t)get_u64(p);

	if (t == INT64_MIN)
		return INT64_MIN;
	return t > INT64_MAX - EPOCH_US ? INT64_MAX : t + EPOCH_US;
}

static int
read_text(const struct db_col *col, struct db_cell cell, struct arena *mem, struct err *e)
{
	REQUIRE(mem != NULL);
	char *text = arena_strndup(mem, cell.p, cell.n);

	if (text == NULL)
		return arena_err(e);
	*(const char **)col->dest = text;
	return 0;
}

static int
read_bytes(const struct db_col *col, struct db_cell cell, struct arena *mem, struct err *e)
{
	REQUIRE(mem != NULL);
	void *p = arena_alloc(mem, cell.n > 0 ? cell.n : 1);

	if (p == NULL)
		return arena_err(e);
	memcpy(p, cell.p, cell.n);
	*(struct db_bytes *)col->dest = (struct db_bytes){ .p = p, .n = cell.n };
	return 0;
}

static void
read_null(const struct db_col *col)
{
	switch (col->type) {
	case DB_TYPE_UUID:
		*(struct uuid *)col->dest = (struct uuid){ { 0 } };
		break;
	case DB_TYPE_TEXT:
	case DB_TYPE_JSON:
		*(const char **)col->dest = NULL;
		break;
	case DB_TYPE_I64:
	case DB_TYPE_I32:
	case DB_TYPE_TIME:
		*(int64_t *)col->dest = 0;
		break;
	case DB_TYPE_F64:
		*(double *)col->dest = 0;
		break;
	case DB_TYPE_BOOL:
		*(bool *)col->dest = false;
		break;
	case DB_TYPE_BYTES:
		*(struct db_bytes *)col->dest = (struct db_bytes){ 0 };
		break;
	case DB_TYPE_UUIDS:
	case DB_TYPE_TEXTS:
	case DB_TYPE_I64S:
	case DB_TYPE_F64S:
	case DB_TYPE_TIMES:
	case DB_END:
		base_require_failed("not a column type", __FILE__, __LINE__);
	}
}

int
db_value_read(
    const struct db_col *col, uint32_t oid, struct db_cell cell, struct arena *mem, struct err *e)
{
	if (cell.p == NULL) {
		read_null(col);
		return 0;
	}
	switch (col->type) {
	case DB_TYPE_UUID:
		memcpy(((struct uuid *)col->dest)->b, cell.p, sizeof(struct uuid));
		break;
	case DB_TYPE_TEXT:
		return read_text(col, cell, mem, e);
	case DB_TYPE_JSON:
		if (oid == OID_JSONB)
			cell = (struct db_cell){ .p = cell.p + 1, .n = cell.n - 1 };
		return read_text(col, cell, mem, e);
	case DB_TYPE_I64:
	case DB_TYPE_I32:
		*(int64_t *)col->dest = get_integer(oid, cell.p);
		break;
	case DB_TYPE_TIME:
		*(int64_t *)col->dest = get_time(cell.p);
		break;
	case DB_TYPE_F64:
		*(double *)col->dest = get_float(oid, cell.p);
		break;
	case DB_TYPE_BOOL:
		*(bool *)col->dest = cell.p[0] != 0;
		break;
	case DB_TYPE_BYTES:
		return read_bytes(col, cell, mem, e);
	case DB_TYPE_UUIDS:
	case DB_TYPE_TEXTS:
	case DB_TYPE_I64S:
	case DB_TYPE_F64S:
	case DB_TYPE_TIMES:
	case DB_END:
		base_require_failed("not a column type", __FILE__, __LINE__);
	}
	return 0;
}
