/* SPDX-License-Identifier: Apache-2.0 */
#include "db_value_internal.h"

#include <endian.h>
#include <limits.h>
#include <string.h>

/* From 1970-01-01 to 2000-01-01, PostgreSQL's epoch. */
#define EPOCH_US (INT64_C(946684800) * 1000000)

static const char *const type_names[] = {
	[DB_END] = "nothing",
	[DB_TYPE_UUID] = "uuid",
	[DB_TYPE_TEXT] = "text",
	[DB_TYPE_I64] = "int8",
	[DB_TYPE_I32] = "int4",
	[DB_TYPE_F64] = "float8",
	[DB_TYPE_BOOL] = "bool",
	[DB_TYPE_TIME] = "timestamptz",
	[DB_TYPE_BYTES] = "bytea",
	[DB_TYPE_JSON] = "json",
	[DB_TYPE_UUIDS] = "uuid[]",
	[DB_TYPE_TEXTS] = "text[]",
	[DB_TYPE_I64S] = "int8[]",
	[DB_TYPE_F64S] = "float8[]",
	[DB_TYPE_TIMES] = "timestamptz[]",
};

static void
put_u32(struct buf *b, uint32_t v)
{
	v = htobe32(v);
	buf_append(b, &v, sizeof(v));
}

static void
put_i64(struct buf *b, int64_t v)
{
	uint64_t u = htobe64((uint64_t)v);

	buf_append(b, &u, sizeof(u));
}

static void
put_f64(struct buf *b, double v)
{
	uint64_t u;

	memcpy(&u, &v, sizeof(u));
	u = htobe64(u);
	buf_append(b, &u, sizeof(u));
}

static void
put_time(struct buf *b, int64_t wall_us)
{
	/* Before about 290,000 BC there is only -infinity, which PostgreSQL writes as the least
	 * value. */
	put_i64(b, wall_us < INT64_MIN + EPOCH_US ? INT64_MIN : wall_us - EPOCH_US);
}

static uint32_t
element_oid(enum db_type type)
{
	switch (type) {
	case DB_TYPE_UUIDS:
		return OID_UUID;
	case DB_TYPE_TEXTS:
		return OID_TEXT;
	case DB_TYPE_I64S:
		return OID_INT8;
	case DB_TYPE_F64S:
		return OID_FLOAT8;
	case DB_TYPE_TIMES:
		return OID_TIMESTAMPTZ;
	case DB_END:
	case DB_TYPE_UUID:
	case DB_TYPE_TEXT:
	case DB_TYPE_I64:
	case DB_TYPE_I32:
	case DB_TYPE_F64:
	case DB_TYPE_BOOL:
	case DB_TYPE_TIME:
	case DB_TYPE_BYTES:
	case DB_TYPE_JSON:
		break;
	}
	return 0;
}

static void
put_text_element(struct buf *b, const char *text)
{
	if (text == NULL) {
		put_u32(b, UINT32_MAX); /* length -1: NULL */
		return;
	}
	/* A longer text does not fit the buffer and fails it. */
	put_u32(b, (uint32_t)strlen(text));
	buf_str(b, text);
}

static void
put_element(struct buf *b, const struct db_arg *a, size_t i)
{
	switch (a->type) {
	case DB_TYPE_UUIDS:
		put_u32(b, sizeof(struct uuid));
		buf_append(b, ((const struct uuid *)a->v.p)[i].b, sizeof(struct uuid));
		break;
	case DB_TYPE_TEXTS:
		put_text_element(b, ((const char *const *)a->v.p)[i]);
		break;
	case DB_TYPE_I64S:
		put_u32(b, sizeof(int64_t));
		put_i64(b, ((const int64_t *)a->v.p)[i]);
		break;
	case DB_TYPE_F64S:
		put_u32(b, sizeof(double));
		put_f64(b, ((const double *)a->v.p)[i]);
		break;
	case DB_TYPE_TIMES:
		if (((const int64_t *)a->v.p)[i] == 0) {
			put_u32(b, UINT32_MAX);
			break;
		}
		put_u32(b, sizeof(int64_t));
		put_time(b, ((const int64_t *)a->v.p)[i]);
		break;
	case DB_END:
	case DB_TYPE_UUID:
	case DB_TYPE_TEXT:
	case DB_TYPE_I64:
	case DB_TYPE_I32:
	case DB_TYPE_F64:
	case DB_TYPE_BOOL:
	case DB_TYPE_TIME:
	case DB_TYPE_BYTES:
	case DB_TYPE_JSON:
		base_require_failed("not an array", __FILE__, __LINE__);
	}
}

/* Dimensions, whether NULLs occur (the server does not insist), element type, then per dimension
 * its length and lower bound, then the elements; an empty array has no dimension. */
static void
put_array(struct buf *b, const struct db_arg *a)
{
	put_u32(b, a->n > 0 ? 1 : 0);
	put_u32(b, a->type == DB_TYPE_TEXTS || a->type == DB_TYPE_TIMES ? 1 : 0);
	put_u32(b, element_oid(a->type));
	if (a->n == 0)
		return;
	put_u32(b, (uint32_t)a->n);
	put_u32(b, 1);
	for (size_t i = 0; i < a->n && !b->failed; i++)
		put_element(b, a, i);
}

static int
put_integer(struct buf *b, int64_t v, uint32_t oid, const char *stmt, struct err *e)
{
	size_t width = oid == OID_INT8 ? 8 : oid == OID_INT4 ? 4 : 2;
	int64_t max = (int64_t)(UINT64_MAX >> (65 - 8 * width));
	uint64_t u = htobe64((uint64_t)v);

	if (v > max || v < -max - 1)
		return err_set(e, ERR_INVALID, "the number %lld is out of range for statement %s",
		    (long long)v, stmt);
	/* Big-endian: the low bytes are the last ones. */
	buf_append(b, (const char *)&u + sizeof(u) - width, width);
	return 0;
}

static void
put_float(struct buf *b, double v, uint32_t oid)
{
	float narrow = (float)v;
	uint32_t u;

	if (oid == OID_FLOAT8) {
		put_f64(b, v);
		return;
	}
	memcpy(&u, &narrow, sizeof(u));
	put_u32(b, u);
}

/* Values that are sent from where they are; false for those that need encoding. */
static bool
borrow(struct db_params *p, int i, const struct db_arg *a)
{
	if (a->type == DB_TYPE_TEXT || a->type == DB_TYPE_JSON) {
		p->values[i] = a->v.text;
		if (a->v.text != NULL)
			p->borrowed += strlen(a->v.text);
		return true;
	}
	if (a->type != DB_TYPE_BYTES)
		return false;
	p->formats[i] = 1;
	p->values[i] = a->n > 0 ? a->v.p : "";
	p->lengths[i] = (int)a->n;
	p->borrowed += a->n;
	return true;
}

static int
encode(struct buf *b, const struct db_arg *a, uint32_t oid, const char *stmt, struct err *e)
{
	char flag = a->type == DB_TYPE_BOOL && a->v.boolean ? 1 : 0;

	switch (a->type) {
	case DB_TYPE_UUID:
		buf_append(b, a->v.uuid.b, sizeof(a->v.uuid.b));
		break;
	case DB_TYPE_I64:
	case DB_TYPE_I32:
		return put_integer(b, a->v.i64, oid, stmt, e);
	case DB_TYPE_F64:
		put_float(b, a->v.f64, oid);
		break;
	case DB_TYPE_BOOL:
		buf_append(b, &flag, 1);
		break;
	case DB_TYPE_TIME:
		put_time(b, a->v.i64);
		break;
	case DB_TYPE_UUIDS:
	case DB_TYPE_TEXTS:
	case DB_TYPE_I64S:
	case DB_TYPE_F64S:
	case DB_TYPE_TIMES:
		put_array(b, a);
		break;
	case DB_END:
	case DB_TYPE_TEXT:
	case DB_TYPE_JSON:
	case DB_TYPE_BYTES:
		base_require_failed("not encoded", __FILE__, __LINE__);
	}
	return 0;
}

static int
check_arg(const struct db_arg *a, int i, uint32_t oid, const char *stmt, struct err *e)
{
	REQUIRE(a->type < ARRAY_LEN(type_names));
	if (!db_value_fits(a->type, oid))
		return err_set(e, ERR_DB_SCHEMA,
		    "argument %d of statement %s is %s, but the statement declares type %u", i + 1,
		    stmt, type_names[a->type], oid);
	if (a->n > DB_PARAMS_BYTES)
		return err_set(
		    e, ERR_TOO_LARGE, "argument %d of statement %s is too large", i + 1, stmt);
	return 0;
}

int
db_params_build(struct db_params *p, const struct db_arg *args, const uint32_t *oids, int n_oids,
    const char *stmt, struct err *e)
{
	size_t at[DB_PARAMS_MAX];
	bool encoded[DB_PARAMS_MAX] = { false };
	int n = 0;

	*p = (struct db_params){ 0 };
	buf_init(&p->bytes, DB_PARAMS_BYTES);
	while (args != NULL && args[n].type != DB_END && n < DB_PARAMS_MAX)
		n++;
	if (n != n_oids)
		return err_set(e, ERR_DB_SCHEMA, "statement %s takes %d arguments and was given %d",
		    stmt, n_oids, n);
	for (int i = 0; i < n; i++) {
		if (check_arg(&args[i], i, oids[i], stmt, e) < 0)
			return -1;
		if (args[i].null || borrow(p, i, &args[i]))
			continue;
		encoded[i] = true;
		at[i] = p->bytes.n;
		if (encode(&p->bytes, &args[i], oids[i], stmt, e) < 0)
			return -1;
		p->formats[i] = 1;
		p->lengths[i] = (int)(p->bytes.n - at[i]);
	}
	if (p->bytes.no_memory)
		return buf_check(&p->bytes, e);
	if (p->bytes.failed || p->borrowed > DB_PARAMS_BYTES)
		return err_set(
		    e, ERR_TOO_LARGE, "the arguments of statement %s are too large", stmt);
	for (int i = 0; i < n; i++) {
		if (encoded[i])
			p->values[i] = p->bytes.p + at[i];
	}
	p->n = n;
	return 0;
}

void
db_params_done(struct db_params *p)
{
	buf_done(&p->bytes);
}

size_t
db_params_size(const struct db_params *p)
{
	return p->bytes.n + p->borrowed;
}
