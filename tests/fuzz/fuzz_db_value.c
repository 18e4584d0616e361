/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns from a server that cannot be trusted: the first byte chooses the declared type, the
 * second the server's, the rest is the value.
 */
#include "db_value_internal.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint32_t oids[] = { OID_BOOL, OID_BYTEA, OID_NAME, OID_INT8, OID_INT2, OID_INT4,
	OID_TEXT, OID_JSON, OID_FLOAT4, OID_FLOAT8, OID_BPCHAR, OID_VARCHAR, OID_TIMESTAMPTZ,
	OID_UUID, OID_JSONB, 0 };
static const enum db_type types[] = { DB_TYPE_UUID, DB_TYPE_TEXT, DB_TYPE_I64, DB_TYPE_I32,
	DB_TYPE_F64, DB_TYPE_BOOL, DB_TYPE_TIME, DB_TYPE_BYTES, DB_TYPE_JSON };

union dest {
	struct uuid uuid;
	const char *text;
	int64_t i64;
	double f64;
	bool boolean;
	struct db_bytes bytes;
};

static void
check(enum db_type type, const union dest *d, size_t n)
{
	if ((type == DB_TYPE_TEXT || type == DB_TYPE_JSON) && strlen(d->text) > n)
		abort();
	if (type == DB_TYPE_BYTES && d->bytes.n != n)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *mem = arena_new(1 << 16);
	union dest d;

	if (size >= 2 && mem != NULL) {
		const struct db_col col = {
			.name = "c", .type = types[data[0] % ARRAY_LEN(types)], .dest = &d
		};
		const struct db_cell cell = { .p = (const char *)data + 2, .n = size - 2 };
		uint32_t oid = oids[data[1] % ARRAY_LEN(oids)];
		struct err e;

		if (db_value_fits(col.type, oid) && db_value_check(&col, oid, cell, "s", &e) == 0 &&
		    db_value_read(&col, oid, cell, mem, &e) == 0)
			check(col.type, &d, cell.n);
	}
	arena_free(mem);
	return 0;
}
