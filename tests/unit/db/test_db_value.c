/* SPDX-License-Identifier: Apache-2.0 */
/* Binary formats, against bytes written by hand from the protocol's rules. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "db_value_internal.h"

static struct err e;

/* Builds one argument and compares its bytes. */
static void
expect_bytes(struct db_arg arg, uint32_t oid, const void *bytes, size_t n)
{
	const struct db_arg args[] = { arg, DB_ARGS_END };
	struct db_params p;

	assert_int_equal(db_params_build(&p, args, &oid, 1, "s", &e), 0);
	assert_int_equal(p.n, 1);
	assert_int_equal(p.formats[0], 1);
	assert_int_equal(p.lengths[0], n);
	assert_memory_equal(p.values[0], bytes, n);
	db_params_done(&p);
}

#define EXPECT(oid, bytes, ...)                                                                    \
	expect_bytes((struct db_arg)__VA_ARGS__, (oid), (bytes), sizeof(bytes) - 1)

static void
scalars_are_big_endian_and_as_wide_as_the_parameter(void **state)
{
	struct uuid u;

	(void)state;
	memset(u.b, 0xab, sizeof(u.b));
	expect_bytes((struct db_arg)DB_ARG_UUID(u), OID_UUID, u.b, 16);
	EXPECT(OID_INT8, "\0\0\0\0\0\0\1\2", DB_ARG_I64(258));
	EXPECT(OID_INT8, "\xff\xff\xff\xff\xff\xff\xff\xfe", DB_ARG_I64(-2));
	EXPECT(OID_INT4, "\0\0\1\2", DB_ARG_I64(258));
	EXPECT(OID_INT4, "\x80\0\0\0", DB_ARG_I32(INT32_MIN));
	EXPECT(OID_INT2, "\x7f\xff", DB_ARG_I64(INT16_MAX));
	EXPECT(OID_FLOAT8, "\x3f\xf8\0\0\0\0\0\0", DB_ARG_F64(1.5));
	EXPECT(OID_FLOAT4, "\x3f\xc0\0\0", DB_ARG_F64(1.5));
	EXPECT(OID_BOOL, "\1", DB_ARG_BOOL(true));
	EXPECT(OID_BOOL, "\0", DB_ARG_BOOL(false));
	EXPECT(OID_BYTEA, "a\0b", DB_ARG_BYTES("a\0b", 3));
	EXPECT(OID_BYTEA, "", DB_ARG_BYTES(NULL, 0));
}

static void
times_count_from_the_year_2000(void **state)
{
	(void)state;
	EXPECT(OID_TIMESTAMPTZ, "\0\0\0\0\0\0\0\1", DB_ARG_TIME(INT64_C(946684800000001)));
	EXPECT(OID_TIMESTAMPTZ, "\x80\0\0\0\0\0\0\0", DB_ARG_TIME(INT64_MIN + 5));
}

static void
arrays_carry_dimension_type_and_elements(void **state)
{
	static const char *const texts[] = { "ab", NULL, "" };
	static const int64_t numbers[] = { 1, -1 }, times[] = { 0, INT64_C(946684800000000) };
	static const double floats[] = { -0.0 };

	(void)state;
	EXPECT(OID_TEXT_ARRAY,
	    "\0\0\0\1\0\0\0\1\0\0\0\x19\0\0\0\3\0\0\0\1\0\0\0\2"
	    "ab\xff\xff\xff\xff\0\0\0\0",
	    DB_ARG_TEXTS(texts, 3));
	EXPECT(OID_INT8_ARRAY,
	    "\0\0\0\1\0\0\0\0\0\0\0\x14\0\0\0\2\0\0\0\1\0\0\0\x8\0\0\0\0\0\0\0\1"
	    "\0\0\0\x8\xff\xff\xff\xff\xff\xff\xff\xff",
	    DB_ARG_I64S(numbers, 2));
	EXPECT(OID_TIMESTAMPTZ_ARRAY,
	    "\0\0\0\1\0\0\0\1\0\0\x4\xa0\0\0\0\2\0\0\0\1\xff\xff\xff\xff"
	    "\0\0\0\x8\0\0\0\0\0\0\0\0",
	    DB_ARG_TIMES(times, 2));
	EXPECT(OID_FLOAT8_ARRAY,
	    "\0\0\0\1\0\0\0\0\0\0\2\xbd\0\0\0\1\0\0\0\1\0\0\0\x8\x80\0\0\0\0\0\0\0",
	    DB_ARG_F64S(floats, 1));
	EXPECT(OID_UUID_ARRAY, "\0\0\0\0\0\0\0\0\0\0\xb\x86", DB_ARG_UUIDS(NULL, 0));
}

static void
null_text_and_null_arguments_are_sql_null(void **state)
{
	const struct db_arg args[] = { DB_ARG_TEXT(NULL), DB_ARG_NULL(DB_TYPE_I64),
		DB_ARG_TIME_OR_NULL(0), DB_ARG_TEXT("x"), DB_ARGS_END };
	const uint32_t oids[] = { OID_TEXT, OID_INT8, OID_TIMESTAMPTZ, OID_TEXT };
	struct db_params p;

	(void)state;
	assert_int_equal(db_params_build(&p, args, oids, 4, "s", &e), 0);
	assert_null(p.values[0]);
	assert_null(p.values[1]);
	assert_null(p.values[2]);
	assert_string_equal(p.values[3], "x");
	db_params_done(&p);
}

static void
wrong_counts_types_and_ranges_are_refused(void **state)
{
	const struct db_arg one[] = { DB_ARG_I64(1), DB_ARGS_END };
	const struct db_arg big[] = { DB_ARG_I64(INT64_C(1) << 31), DB_ARGS_END };
	const struct db_arg huge[] = { DB_ARG_BYTES("", DB_PARAMS_BYTES + 1), DB_ARGS_END };
	const uint32_t text = OID_TEXT, int4 = OID_INT4, bytea = OID_BYTEA;
	struct db_params p;

	(void)state;
	assert_int_equal(db_params_build(&p, one, NULL, 0, "s", &e), -1);
	assert_int_equal(e.code, ERR_DB_SCHEMA);
	db_params_done(&p);
	assert_int_equal(db_params_build(&p, one, &text, 1, "s", &e), -1);
	assert_int_equal(e.code, ERR_DB_SCHEMA);
	db_params_done(&p);
	assert_int_equal(db_params_build(&p, big, &int4, 1, "s", &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	db_params_done(&p);
	assert_int_equal(db_params_build(&p, huge, &bytea, 1, "s", &e), -1);
	assert_int_equal(e.code, ERR_TOO_LARGE);
	db_params_done(&p);
}

static void
arguments_larger_than_the_cap_are_refused_and_not_cut(void **state)
{
	const char *texts[40];
	const struct db_arg args[] = { DB_ARG_TEXTS(texts, ARRAY_LEN(texts)), DB_ARGS_END };
	const uint32_t oid = OID_TEXT_ARRAY;
	char *mib = test_malloc(1 << 20);
	struct db_params p;

	(void)state;
	memset(mib, 'x', (1 << 20) - 1);
	mib[(1 << 20) - 1] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		texts[i] = mib;
	assert_int_equal(db_params_build(&p, args, &oid, 1, "s", &e), -1);
	assert_int_equal(e.code, ERR_TOO_LARGE);
	db_params_done(&p);
	test_free(mib);
}

static int
read_cell(struct db_col col, uint32_t oid, const void *p, size_t n, struct arena *mem)
{
	const struct db_cell cell = { .p = p, .n = n };

	if (!db_value_fits(col.type, oid) || db_value_check(&col, oid, cell, "s", &e) < 0)
		return -1;
	return db_value_read(&col, oid, cell, mem, &e);
}

static void
columns_are_read_into_their_destinations(void **state)
{
	struct arena *mem = arena_new(4096);
	const char *text;
	struct db_bytes bytes;
	struct uuid u;
	double d;
	int64_t i;
	bool b;

	(void)state;
	assert_int_equal(read_cell((struct db_col)DB_I64("c", &i), OID_INT8,
			     "\xff\xff\xff\xff\xff\xff\xff\xfe", 8, NULL),
	    0);
	assert_int_equal(i, -2);
	assert_int_equal(
	    read_cell((struct db_col)DB_I64("c", &i), OID_INT4, "\xff\xff\xff\xfd", 4, NULL), 0);
	assert_int_equal(i, -3);
	assert_int_equal(read_cell((struct db_col)DB_I64("c", &i), OID_INT2, "\x80\0", 2, NULL), 0);
	assert_int_equal(i, INT16_MIN);
	assert_int_equal(
	    read_cell((struct db_col)DB_F64("c", &d), OID_FLOAT8, "\x7f\xf8\0\0\0\0\0\0", 8, NULL),
	    0);
	assert_true(isnan(d));
	assert_int_equal(
	    read_cell((struct db_col)DB_F64("c", &d), OID_FLOAT4, "\x3f\xc0\0\0", 4, NULL), 0);
	assert_true(d == 1.5);
	assert_int_equal(read_cell((struct db_col)DB_BOOL("c", &b), OID_BOOL, "\1", 1, NULL), 0);
	assert_true(b);
	assert_int_equal(read_cell((struct db_col)DB_TIME("c", &i), OID_TIMESTAMPTZ,
			     "\0\0\0\0\0\0\0\1", 8, NULL),
	    0);
	assert_int_equal(i, INT64_C(946684800000001));
	assert_int_equal(
	    read_cell((struct db_col)DB_UUID("c", &u), OID_UUID, "0123456789abcdef", 16, NULL), 0);
	assert_memory_equal(u.b, "0123456789abcdef", 16);
	assert_int_equal(read_cell((struct db_col)DB_TEXT("c", &text), OID_TEXT, "abc", 2, mem), 0);
	assert_string_equal(text, "ab");
	assert_int_equal(
	    read_cell((struct db_col)DB_JSON("c", &text), OID_JSONB, "\1{}", 3, mem), 0);
	assert_string_equal(text, "{}");
	assert_int_equal(read_cell((struct db_col)DB_JSON("c", &text), OID_JSON, "[]", 2, mem), 0);
	assert_string_equal(text, "[]");
	assert_int_equal(
	    read_cell((struct db_col)DB_BYTES("c", &bytes), OID_BYTEA, "a\0c", 3, mem), 0);
	assert_int_equal(bytes.n, 3);
	assert_memory_equal(bytes.p, "a\0c", 3);
	arena_free(mem);
}

static void
infinite_times_become_the_extreme_values(void **state)
{
	int64_t i;

	(void)state;
	assert_int_equal(read_cell((struct db_col)DB_TIME("c", &i), OID_TIMESTAMPTZ,
			     "\x7f\xff\xff\xff\xff\xff\xff\xff", 8, NULL),
	    0);
	assert_true(i == INT64_MAX);
	assert_int_equal(read_cell((struct db_col)DB_TIME("c", &i), OID_TIMESTAMPTZ,
			     "\x80\0\0\0\0\0\0\0", 8, NULL),
	    0);
	assert_true(i == INT64_MIN);
}

static void
nulls_are_refused_or_become_the_empty_value(void **state)
{
	const char *text = "x";
	int64_t i = 7;

	(void)state;
	assert_int_equal(read_cell((struct db_col)DB_I64("c", &i), OID_INT8, NULL, 0, NULL), -1);
	assert_int_equal(e.code, ERR_DB_SCHEMA);
	assert_int_equal(i, 7);
	assert_int_equal(
	    read_cell((struct db_col)DB_I64_NULL("c", &i), OID_INT8, NULL, 0, NULL), 0);
	assert_int_equal(i, 0);
	assert_int_equal(
	    read_cell((struct db_col)DB_TEXT_NULL("c", &text), OID_TEXT, NULL, 0, NULL), 0);
	assert_null(text);
}

static void
wrong_types_and_widths_are_refused(void **state)
{
	struct uuid u;
	int64_t i;
	const char *text;

	(void)state;
	assert_false(db_value_fits(DB_TYPE_I64, OID_TEXT));
	assert_false(db_value_fits(DB_TYPE_TEXT, OID_JSONB));
	assert_false(db_value_fits(DB_TYPE_UUID, 0));
	assert_int_equal(
	    read_cell((struct db_col)DB_I64("c", &i), OID_INT8, "\0\0\0\1", 4, NULL), -1);
	assert_int_equal(
	    read_cell((struct db_col)DB_UUID("c", &u), OID_UUID, "short", 5, NULL), -1);
	assert_int_equal(
	    read_cell((struct db_col)DB_JSON("c", &text), OID_JSONB, "\2{}", 3, NULL), -1);
	assert_int_equal(read_cell((struct db_col)DB_JSON("c", &text), OID_JSONB, "", 0, NULL), -1);
	assert_int_equal(e.code, ERR_DB_SCHEMA);
}

static void
a_full_arena_is_too_large_and_leaves_the_destination_alone(void **state)
{
	struct arena *mem = arena_new(64);
	char big[4096];
	const char *text = NULL;

	(void)state;
	memset(big, 'x', sizeof(big));
	assert_int_equal(
	    read_cell((struct db_col)DB_TEXT("c", &text), OID_TEXT, big, sizeof(big), mem), -1);
	assert_int_equal(e.code, ERR_TOO_LARGE);
	assert_null(text);
	arena_free(mem);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(scalars_are_big_endian_and_as_wide_as_the_parameter),
		cmocka_unit_test(times_count_from_the_year_2000),
		cmocka_unit_test(arrays_carry_dimension_type_and_elements),
		cmocka_unit_test(null_text_and_null_arguments_are_sql_null),
		cmocka_unit_test(wrong_counts_types_and_ranges_are_refused),
		cmocka_unit_test(arguments_larger_than_the_cap_are_refused_and_not_cut),
		cmocka_unit_test(columns_are_read_into_their_destinations),
		cmocka_unit_test(infinite_times_become_the_extreme_values),
		cmocka_unit_test(nulls_are_refused_or_become_the_empty_value),
		cmocka_unit_test(wrong_types_and_widths_are_refused),
		cmocka_unit_test(a_full_arena_is_too_large_and_leaves_the_destination_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
