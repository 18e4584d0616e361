/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions: values, errors, commit and rollback, and how many round trips they take. */
#include "test_proxy.h"

#include <math.h>

static struct test_db t;
static struct proxy proxy;
static struct db *db;
static struct tenant_id alpha, beta;
static struct arena *mem;

#define MINE "(select nullif(current_setting('wardian.tenant_id', true), '')::uuid)"
static const char sql_text[] =
    "-- :name t_put :role api\n"
    "insert into note (tenant_id, note_id, body) values (" MINE ", $1::uuid, $2::text)\n"
    "-- :name t_put_returning :role api\n"
    "insert into note (tenant_id, note_id, body) values (" MINE
    ", $1::uuid, $2::text) returning kind\n"
    "-- :name t_count :role api\n"
    "select count(*) as n from note where note_id = $1::uuid\n"
    "-- :name t_touch :role api\n"
    "update note set touched_at = now() where note_id = $1::uuid\n"
    "-- :name t_sys_count :role sched\n"
    "select count(*) as n from note where note_id = $1::uuid\n"
    "-- :name t_sys_put :role sched\n"
    "insert into note (tenant_id, note_id, body) values ($1::uuid, $2::uuid, $3::text)\n"
    "-- :name t_platform_put :role platform\n"
    "insert into ledger (number, body) values ($1::int8, $2::text)\n"
    "-- :name t_platform_list :role platform\n"
    "select number from ledger order by number\n"
    "-- :name t_platform_get :role platform\n"
    "select body from ledger where number = $1::int8\n"
    "-- :name t_both :role api,platform\n"
    "select current_user::text as who\n"
    "-- :name t_echo :role api\n"
    "select $1::uuid as u, $2::text as t, $3::int8 as i, $4::int4 as s, $5::float8 as d, $6::bool "
    "as b,\n"
    "  $7::timestamptz as at, $8::bytea as y, $9::jsonb as j, $10::json as k\n"
    "-- :name t_arrays :role api\n"
    "select u, t, i, d, at from unnest($1::uuid[], $2::text[], $3::int8[], $4::float8[], "
    "$5::timestamptz[])\n"
    "  with ordinality as x (u, t, i, d, at, n) order by n\n"
    "-- :name t_series :role api\n"
    "select i from generate_series(1, $1::int4) as x (i)\n"
    "-- :name t_divide :role api\n"
    "select 1 / $1::int4 as q\n"
    "-- :name t_json :role api\n"
    "select $1::jsonb as j\n"
    "-- :name t_sleep :role api\n"
    "select pg_sleep($1::float8)::text as s\n"
    "-- :name t_context :role api\n"
    "select coalesce(current_setting('wardian.tenant_id', true), '') as c\n";
static const struct db_sql sql[] = { { "t", sql_text }, { NULL, NULL } };

static int64_t
count_of(struct tenant_id tenant, struct uuid id)
{
	const struct db_arg args[] = { DB_ARG_UUID(id), DB_ARGS_END };
	int64_t n = -1;
	const struct db_col cols[] = { DB_I64("n", &n), DB_COLS_END };
	struct err e;

	must(db_read_one(db, tenant, "t_count", args, cols, NULL, &e));
	return n;
}

static void
every_type_travels_there_and_back(void **state)
{
	struct uuid u = uuid_v7(), u2;
	const struct db_arg args[] = { DB_ARG_UUID(u), DB_ARG_TEXT("gr\xc3\xbc\xc3\x9f'e\"\\"),
		DB_ARG_I64(INT64_MIN), DB_ARG_I32(-5), DB_ARG_F64(-INFINITY), DB_ARG_BOOL(true),
		DB_ARG_TIME(INT64_C(1732341000123456)), DB_ARG_BYTES("\0\xff", 2),
		DB_ARG_JSON("{\"a\": [1]}"), DB_ARG_JSON("{\"a\":  1}"), DB_ARGS_END };
	const char *text, *j, *k;
	struct db_bytes y;
	int64_t i, s, at;
	double d;
	bool b;
	const struct db_col cols[] = { DB_UUID("u", &u2), DB_TEXT("t", &text), DB_I64("i", &i),
		DB_I64("s", &s), DB_F64("d", &d), DB_BOOL("b", &b), DB_TIME("at", &at),
		DB_BYTES("y", &y), DB_JSON("j", &j), DB_JSON("k", &k), DB_COLS_END };
	struct err e;

	(void)state;
	must(db_read_one(db, alpha, "t_echo", args, cols, mem, &e));
	assert_int_equal(uuid_cmp(u, u2), 0);
	assert_string_equal(text, "gr\xc3\xbc\xc3\x9f'e\"\\");
	assert_true(i == INT64_MIN);
	assert_int_equal(s, -5);
	assert_true(isinf(d) && d < 0);
	assert_true(b);
	assert_true(at == INT64_C(1732341000123456));
	assert_int_equal(y.n, 2);
	assert_memory_equal(y.p, "\0\xff", 2);
	assert_string_equal(j, "{\"a\": [1]}");
	assert_string_equal(k, "{\"a\":  1}");
}

static void
nulls_of_every_type_travel_there_and_back(void **state)
{
	const struct db_arg args[] = { DB_ARG_NULL(DB_TYPE_UUID), DB_ARG_TEXT(NULL),
		DB_ARG_NULL(DB_TYPE_I64), DB_ARG_NULL(DB_TYPE_I32), DB_ARG_NULL(DB_TYPE_F64),
		DB_ARG_NULL(DB_TYPE_BOOL), DB_ARG_TIME_OR_NULL(0), DB_ARG_NULL(DB_TYPE_BYTES),
		DB_ARG_JSON(NULL), DB_ARG_JSON(NULL), DB_ARGS_END };
	const char *text = "x", *j = "x";
	int64_t i = 1, at = 1;
	double d = 1;
	const struct db_col cols[] = { DB_TEXT_NULL("t", &text), DB_I64_NULL("i", &i),
		DB_F64_NULL("d", &d), DB_TIME_NULL("at", &at), DB_JSON_NULL("j", &j), DB_COLS_END };
	const struct db_col strict[] = { DB_I64("i", &i), DB_COLS_END };
	struct err e;

	(void)state;
	must(db_read_one(db, alpha, "t_echo", args, cols, mem, &e));
	assert_null(text);
	assert_null(j);
	assert_int_equal(i, 0);
	assert_int_equal(at, 0);
	assert_true(d == 0);
	must_fail(ERR_DB_SCHEMA, db_read_one(db, alpha, "t_echo", args, strict, mem, &e));
}

struct array_row {
	struct uuid u;
	const char *text;
	int64_t i, at, seen;
	double d;
};

static int
see_array_row(void *ctx, struct err *e)
{
	struct array_row *r = ctx;

	(void)e;
	if (r->seen == 0) {
		assert_string_equal(r->text, "{a,\"b\"}");
		assert_true(r->i == INT64_MAX);
		assert_true(isnan(r->d));
		assert_int_equal(r->at, 0);
	} else {
		assert_null(r->text);
		assert_int_equal(r->at, 1000000);
	}
	r->seen++;
	return 0;
}

static void
arrays_are_unnested_in_their_order(void **state)
{
	const struct uuid ids[] = { uuid_v7(), uuid_v7() };
	static const char *const texts[] = { "{a,\"b\"}", NULL };
	static const int64_t numbers[] = { INT64_MAX, 0 }, times[] = { 0, 1000000 };
	const double floats[] = { NAN, 1 };
	const struct db_arg args[] = { DB_ARG_UUIDS(ids, 2), DB_ARG_TEXTS(texts, 2),
		DB_ARG_I64S(numbers, 2), DB_ARG_F64S(floats, 2), DB_ARG_TIMES(times, 2),
		DB_ARGS_END };
	struct array_row r = { .seen = 0 };
	const struct db_col cols[] = { DB_UUID("u", &r.u), DB_TEXT_NULL("t", &r.text),
		DB_I64("i", &r.i), DB_F64("d", &r.d), DB_TIME_NULL("at", &r.at), DB_COLS_END };
	const struct db_arg none[] = { DB_ARG_UUIDS(NULL, 0), DB_ARG_TEXTS(NULL, 0),
		DB_ARG_I64S(NULL, 0), DB_ARG_F64S(NULL, 0), DB_ARG_TIMES(NULL, 0), DB_ARGS_END };
	struct err e;

	(void)state;
	assert_int_equal(
	    db_read_each(db, alpha, "t_arrays", args, cols, mem, see_array_row, &r, &e), 2);
	assert_int_equal(r.seen, 2);
	assert_int_equal(uuid_cmp(r.u, ids[1]), 0);
	assert_int_equal(
	    db_read_each(db, alpha, "t_arrays", none, cols, mem, see_array_row, &r, &e), 0);
}

static void
what_is_committed_stays_and_what_is_not_goes(void **state)
{
	struct uuid kept = uuid_v7(), dropped = uuid_v7();
	char body[2][UUID_STR_SIZE];
	const struct db_arg keep[] = { DB_ARG_UUID(kept), DB_ARG_TEXT(uuid_format(kept, body[0])),
		DB_ARGS_END };
	const struct db_arg drop[] = { DB_ARG_UUID(dropped),
		DB_ARG_TEXT(uuid_format(dropped, body[1])), DB_ARGS_END };
	struct db_tx *tx;
	struct err e;

	(void)state;
	must(db_tx_begin(db, alpha, &tx, &e));
	assert_int_equal(db_exec(tx, "t_put", keep, &e), 1);
	must(db_tx_commit(&tx, &e));
	assert_null(tx);
	must(db_tx_begin(db, alpha, &tx, &e));
	assert_int_equal(db_exec(tx, "t_put", drop, &e), 1);
	db_tx_free(tx);
	assert_int_equal(count_of(alpha, kept), 1);
	assert_int_equal(count_of(alpha, dropped), 0);
	assert_int_equal(count_of(beta, kept), 0);
}

static void
a_failed_statement_fails_the_transaction_and_the_connection_lives_on(void **state)
{
	struct uuid id = uuid_v7();
	char body[UUID_STR_SIZE];
	const struct db_arg put[] = { DB_ARG_UUID(id), DB_ARG_TEXT(uuid_format(id, body)),
		DB_ARGS_END };
	const struct db_arg zero[] = { DB_ARG_I32(0), DB_ARGS_END };
	struct db_tx *tx;
	struct err e;

	(void)state;
	for (int i = 0; i < 20; i++) {
		must(db_tx_begin(db, alpha, &tx, &e));
		must(db_exec(tx, "t_put", put, &e));
		must_fail(ERR_INVALID, db_exec(tx, "t_divide", zero, &e));
		must_fail(ERR_DB, db_exec(tx, "t_put", put, &e));
		must_fail(ERR_DB, db_tx_commit(&tx, &e));
		assert_null(tx);
	}
	assert_int_equal(count_of(alpha, id), 0);
}

static void
errors_of_the_server_become_codes_and_constraints_keep_their_names(void **state)
{
	struct uuid id = uuid_v7();
	char body[UUID_STR_SIZE];
	const struct db_arg put[] = { DB_ARG_UUID(id), DB_ARG_TEXT(uuid_format(id, body)),
		DB_ARGS_END };
	const struct db_arg nul[] = { DB_ARG_JSON("\"\\u0000\""), DB_ARGS_END };
	const struct db_arg bad[] = { DB_ARG_JSON("{"), DB_ARGS_END };
	struct db_tx *tx;
	struct err e;

	(void)state;
	must(db_tx_begin(db, alpha, &tx, &e));
	must(db_one_commit(&tx, "t_put", put, NULL, NULL, &e));
	must(db_tx_begin(db, alpha, &tx, &e));
	must_fail(ERR_DB_CONSTRAINT, db_exec(tx, "t_put", put, &e));
	assert_string_equal(db_err_constraint(&e), "note_pkey");
	db_tx_free(tx);
	must_fail(ERR_INVALID, db_read_one(db, alpha, "t_json", nul, NULL, NULL, &e));
	assert_string_equal(db_err_constraint(&e), "");
	must_fail(ERR_INVALID, db_read_one(db, alpha, "t_json", bad, NULL, NULL, &e));
	assert_null(strstr(e.msg, "select"));
}

static void
mistakes_of_the_caller_are_schema_errors(void **state)
{
	const struct db_arg none[] = { DB_ARGS_END };
	const struct db_arg text[] = { DB_ARG_TEXT("1"), DB_ARGS_END };
	const struct db_arg three[] = { DB_ARG_I32(3), DB_ARGS_END };
	const char *q;
	int64_t i = 9;
	const struct db_col missing[] = { DB_I64("absent", &i), DB_COLS_END };
	const struct db_col wrong[] = { DB_TEXT("i", &q), DB_COLS_END };
	const struct db_col right[] = { DB_I64("i", &i), DB_COLS_END };
	struct err e;

	(void)state;
	must_fail(ERR_DB_SCHEMA, db_read_one(db, alpha, "t_nothing", none, NULL, NULL, &e));
	must_fail(ERR_DB_SCHEMA, db_read_one(db, alpha, "t_sys_count", none, NULL, NULL, &e));
	must_fail(ERR_DB_SCHEMA, db_read_one(db, alpha, "t_series", none, right, NULL, &e));
	must_fail(ERR_DB_SCHEMA, db_read_one(db, alpha, "t_series", text, right, NULL, &e));
	must_fail(ERR_DB_SCHEMA, db_read_one(db, alpha, "t_series", three, right, NULL, &e));
	assert_int_equal(i, 9);
	must_fail(ERR_DB_SCHEMA,
	    db_read_each(db, alpha, "t_series", three, missing, NULL, NULL, NULL, &e));
	must_fail(
	    ERR_DB_SCHEMA, db_read_each(db, alpha, "t_series", three, wrong, mem, NULL, NULL, &e));
	must_fail(ERR_DB_SCHEMA, db_read_one(db, alpha, "t_put", three, NULL, NULL, &e));
	assert_int_equal(i, 9);
}

static int
stop_at_two(void *ctx, struct err *e)
{
	int *left = ctx;

	return --*left > 0 ? 0 : err_set(e, ERR_TOO_LARGE, "enough");
}

static void
a_row_function_that_fails_ends_the_statement_and_not_the_transaction(void **state)
{
	const struct db_arg ten[] = { DB_ARG_I32(10), DB_ARGS_END };
	int left = 2;
	int64_t i = 0;
	const struct db_col cols[] = { DB_I64("i", &i), DB_COLS_END };
	struct db_tx *tx;
	struct err e;

	(void)state;
	must(db_tx_begin(db, alpha, &tx, &e));
	must_fail(ERR_TOO_LARGE, db_each(tx, "t_series", ten, cols, NULL, stop_at_two, &left, &e));
	assert_int_equal(i, 2);
	assert_int_equal(db_each(tx, "t_series", ten, cols, NULL, NULL, NULL, &e), 10);
	must(db_tx_commit(&tx, &e));
}

static void
the_server_gives_up_a_slow_statement_before_the_client_does(void **state)
{
	const struct db_arg args[] = { DB_ARG_F64(30), DB_ARGS_END };
	struct db *quick = test_db_pools(&t, sql, 500);
	int64_t start = clock_mono_ms();
	struct err e;

	(void)state;
	must_fail(ERR_TIMEOUT, db_read_one(quick, alpha, "t_sleep", args, NULL, NULL, &e));
	assert_in_range(clock_mono_ms() - start, 400, 1500);
	must(db_ping(quick, &e));
	db_free(quick);
}

static void
the_scheduler_sees_all_tenants_and_cannot_run_tenants_statements(void **state)
{
	struct uuid id = uuid_v7();
	char body[UUID_STR_SIZE];
	const struct db_arg put[] = { DB_ARG_UUID(id), DB_ARG_TEXT(uuid_format(id, body)),
		DB_ARGS_END };
	const struct db_arg get[] = { DB_ARG_UUID(id), DB_ARGS_END };
	const struct uuid other = uuid_v7();
	char other_body[UUID_STR_SIZE];
	const struct db_arg sys_put[] = { DB_ARG_UUID(alpha.uuid), DB_ARG_UUID(other),
		DB_ARG_TEXT(uuid_format(other, other_body)), DB_ARGS_END };
	int64_t n = 0;
	const struct db_col cols[] = { DB_I64("n", &n), DB_COLS_END };
	struct db_sys_tx *sys;
	struct db_tx *tx;
	struct err e;

	(void)state;
	must(db_tx_begin(db, beta, &tx, &e));
	must(db_one_commit(&tx, "t_put", put, NULL, NULL, &e));
	must(db_sys_read_one(db, "t_sys_count", get, cols, NULL, &e));
	assert_int_equal(n, 1);
	must(db_sys_begin(db, &sys, &e));
	must(db_sys_exec(sys, "t_sys_put", sys_put, &e));
	must(db_sys_one(sys, "t_sys_count", get, cols, NULL, &e));
	assert_int_equal(db_sys_each(sys, "t_sys_count", get, cols, NULL, NULL, NULL, &e), 1);
	must(db_sys_commit(&sys, &e));
	assert_int_equal(count_of(alpha, other), 1);
	assert_int_equal(db_sys_read_each(db, "t_sys_count", get, cols, NULL, NULL, NULL, &e), 1);
	must(db_sys_begin(db, &sys, &e));
	must_fail(ERR_DB_SCHEMA, db_sys_exec(sys, "t_put", put, &e));
	db_sys_tx_free(sys);
}

static int
sum_numbers(void *ctx, struct err *e)
{
	int64_t *v = ctx;

	(void)e;
	v[1] += v[0];
	return 0;
}

static void
platform_transactions_commit_and_roll_back_on_a_role_of_their_own(void **state)
{
	const struct db_arg one[] = { DB_ARG_I64(1), DB_ARG_TEXT("one"), DB_ARGS_END };
	const struct db_arg two[] = { DB_ARG_I64(2), DB_ARG_TEXT("two"), DB_ARGS_END };
	const struct db_arg get[] = { DB_ARG_I64(1), DB_ARGS_END }, none[] = { DB_ARGS_END };
	const char *body = NULL, *who = NULL;
	int64_t number[2] = { 0, 0 };
	const struct db_col cols[] = { DB_TEXT("body", &body), DB_COLS_END };
	const struct db_col numbers[] = { DB_I64("number", &number[0]), DB_COLS_END };
	const struct db_col whose[] = { DB_TEXT("who", &who), DB_COLS_END };
	struct db_platform_tx *tx;
	struct err e;

	(void)state;
	must(db_platform_begin(db, &tx, &e));
	assert_int_equal(db_platform_exec(tx, "t_platform_put", one, &e), 1);
	must(db_platform_commit(&tx, &e));
	assert_null(tx);
	must(db_platform_begin(db, &tx, &e));
	assert_int_equal(db_platform_exec(tx, "t_platform_put", two, &e), 1);
	assert_int_equal(
	    db_platform_each(tx, "t_platform_list", none, numbers, NULL, sum_numbers, number, &e),
	    2);
	assert_int_equal(number[1], 3);
	assert_int_equal(db_platform_one(tx, "t_platform_get", get, cols, mem, &e), 1);
	assert_string_equal(body, "one");
	db_platform_tx_free(tx);
	number[1] = 0;
	assert_int_equal(db_platform_read_each(
			     db, "t_platform_list", none, numbers, NULL, sum_numbers, number, &e),
	    1);
	assert_int_equal(number[1], 1);
	body = NULL;
	assert_int_equal(db_platform_read_one(db, "t_platform_get", get, cols, mem, &e), 1);
	assert_string_equal(body, "one");
	must(db_platform_read_one(db, "t_both", none, whose, mem, &e));
	assert_string_equal(who, "wardian_platform");
	must(db_read_one(db, alpha, "t_both", none, whose, mem, &e));
	assert_string_equal(who, "wardian_api");
}

static void
statements_of_one_role_do_not_run_on_another(void **state)
{
	const struct db_arg get[] = { DB_ARG_I64(1), DB_ARGS_END };
	const struct db_arg id[] = { DB_ARG_UUID(uuid_v7()), DB_ARGS_END };
	struct err e;

	(void)state;
	must_fail(ERR_DB_SCHEMA, db_platform_read_one(db, "t_count", id, NULL, NULL, &e));
	assert_non_null(strstr(e.msg, "wardian_platform"));
	must_fail(ERR_DB_SCHEMA, db_platform_read_one(db, "t_sys_count", id, NULL, NULL, &e));
	must_fail(ERR_DB_SCHEMA, db_read_one(db, alpha, "t_platform_get", get, NULL, NULL, &e));
	must_fail(ERR_DB_SCHEMA, db_sys_read_one(db, "t_platform_get", get, NULL, NULL, &e));
	must_fail(ERR_DB_SCHEMA, db_sys_read_one(db, "t_both", get, NULL, NULL, &e));
}

static void
round_trips_are_as_few_as_promised(void **state)
{
	struct uuid id[3] = { uuid_v7(), uuid_v7(), uuid_v7() };
	char body[3][UUID_STR_SIZE], url[TEST_URL_SIZE];
	struct db_arg put[3][3], get[] = { DB_ARG_UUID(id[0]), DB_ARGS_END };
	const char *name;
	const struct db_col cols[] = { DB_TEXT("kind", &name), DB_COLS_END };
	const struct db_options o = { .url = url,
		.api_connections = 1,
		.sched_connections = 1,
		.platform_connections = 1,
		.timeout_ms = 5000,
		.sql = sql };
	struct db_write w = { .stmt = "t_put", .args = put[2] };
	int64_t rows;
	struct db *via;
	struct db_tx *tx;
	struct err e;
	int before;

	(void)state;
	for (int i = 0; i < 3; i++) {
		put[i][0] = (struct db_arg)DB_ARG_UUID(id[i]);
		put[i][1] = (struct db_arg)DB_ARG_TEXT(uuid_format(id[i], body[i]));
		put[i][2] = (struct db_arg)DB_ARGS_END;
	}
	proxy_open(&proxy, &t, url);
	must(db_open(&o, &via, &e));

	before = atomic_load(&proxy.turns);
	must(db_read_one(via, alpha, "t_count", get, NULL, NULL, &e));
	assert_int_equal(atomic_load(&proxy.turns) - before, 1);

	before = atomic_load(&proxy.turns);
	must(db_tx_begin(via, alpha, &tx, &e));
	assert_int_equal(atomic_load(&proxy.turns) - before, 0);
	must(db_one_commit(&tx, "t_put_returning", put[0], cols, mem, &e));
	assert_string_equal(name, "k");
	assert_int_equal(atomic_load(&proxy.turns) - before, 1);

	before = atomic_load(&proxy.turns);
	must(db_tx_begin(via, alpha, &tx, &e));
	must(db_exec(tx, "t_put", put[1], &e));
	must(db_exec(tx, "t_touch", get, &e));
	must(db_one_commit(&tx, "t_count", get, NULL, NULL, &e));
	assert_int_equal(atomic_load(&proxy.turns) - before, 3);

	before = atomic_load(&proxy.turns);
	must(db_group_write(via, alpha, &w, 1, &rows, NULL, &e));
	w = (struct db_write){ .stmt = "t_touch", .args = get };
	for (int i = 1; i < 50; i++)
		must(db_group_write(via, alpha, &w, 1, &rows, NULL, &e));
	/* Two for each, and what the two committers need to connect once. */
	assert_in_range(atomic_load(&proxy.turns) - before, 100, 110);
	db_free(via);
	proxy_close(&proxy);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(every_type_travels_there_and_back),
	cmocka_unit_test(nulls_of_every_type_travel_there_and_back),
	cmocka_unit_test(arrays_are_unnested_in_their_order),
	cmocka_unit_test(what_is_committed_stays_and_what_is_not_goes),
	cmocka_unit_test(a_failed_statement_fails_the_transaction_and_the_connection_lives_on),
	cmocka_unit_test(errors_of_the_server_become_codes_and_constraints_keep_their_names),
	cmocka_unit_test(mistakes_of_the_caller_are_schema_errors),
	cmocka_unit_test(a_row_function_that_fails_ends_the_statement_and_not_the_transaction),
	cmocka_unit_test(the_server_gives_up_a_slow_statement_before_the_client_does),
	cmocka_unit_test(the_scheduler_sees_all_tenants_and_cannot_run_tenants_statements),
	cmocka_unit_test(platform_transactions_commit_and_roll_back_on_a_role_of_their_own),
	cmocka_unit_test(statements_of_one_role_do_not_run_on_another),
	cmocka_unit_test(round_trips_are_as_few_as_promised),
};

int
main(void)
{
	int rc;

	test_cluster_open(&t);
	test_database_new(&t);
	test_migrate(&t);
	test_note_table(&t);
	test_table(&t, "ledger", TEST_TABLE_PLATFORM,
	    "number bigint not null, body text not null, primary key (number)");
	alpha = test_tenant(&t, "alpha");
	beta = test_tenant(&t, "beta");
	mem = arena_new(1 << 20);
	db = test_db_pools(&t, sql, 5000);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	db_free(db);
	arena_free(mem);
	test_db_close(&t);
	return rc;
}
