/* SPDX-License-Identifier: Apache-2.0 */
/* Lookups that travel together: each under its own tenant, faults alone, connections lost. */
#include "test_proxy.h"

enum { THREADS = 24, TENANTS = 3, NOTES = 40 };

static struct test_db t;
static struct tenant_id tenants[TENANTS];
static struct uuid notes[TENANTS][NOTES];

#define MINE "(select nullif(current_setting('wardian.tenant_id', true), '')::uuid)"
static const char sql_text[] =
    "-- :name t_put :role api\n"
    "insert into note (tenant_id, body, note_id) values (" MINE ", $1::text, $2::uuid)\n"
    "-- :name t_get :role api\n"
    "select tenant_id from note where note_id = $1::uuid\n"
    "-- :name t_any :role api\n"
    "select tenant_id from note\n"
    "-- :name t_divide :role api\n"
    "select 12 / $1::bigint as q\n";
static const struct db_sql sql[] = { { "t", sql_text }, { NULL, NULL } };

static int
owner_of(struct db *db, struct tenant_id tenant, struct uuid note, struct uuid *ret, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(note), DB_ARGS_END };
	const struct db_col cols[] = { DB_UUID("tenant_id", ret), DB_COLS_END };

	return db_lookup(db, tenant, "t_get", args, cols, NULL, e);
}

static int
divide(struct db *db, struct tenant_id tenant, int64_t by, int64_t *ret, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_I64(by), DB_ARGS_END };
	const struct db_col cols[] = { DB_I64("q", ret), DB_COLS_END };

	return db_lookup(db, tenant, "t_divide", args, cols, NULL, e);
}

static void
a_lookup_finds_its_row_and_no_other_tenants(void **state)
{
	struct db *db = test_db_pools(&t, sql, 5000);
	struct uuid owner = { { 0 } };
	struct err e;

	(void)state;
	assert_int_equal(owner_of(db, tenants[0], notes[0][0], &owner, &e), 1);
	assert_int_equal(uuid_cmp(owner, tenants[0].uuid), 0);
	assert_int_equal(owner_of(db, tenants[1], notes[0][0], &owner, &e), 0);
	assert_int_equal(owner_of(db, tenants[0], uuid_v7(), &owner, &e), 0);
	db_free(db);
}

static void
what_writes_or_finds_many_rows_is_no_lookup(void **state)
{
	struct db *db = test_db_pools(&t, sql, 5000);
	const struct db_arg put[] = { DB_ARG_TEXT("x"), DB_ARG_UUID(uuid_v7()), DB_ARGS_END };
	const struct db_arg none[] = { DB_ARGS_END };
	struct err e;

	(void)state;
	must_fail(ERR_DB_SCHEMA, db_lookup(db, tenants[0], "t_put", put, NULL, NULL, &e));
	must_fail(ERR_DB_SCHEMA, db_lookup(db, tenants[0], "t_any", none, NULL, NULL, &e));
	must_fail(ERR_DB_SCHEMA, db_lookup(db, tenants[0], "t_nothing", none, NULL, NULL, &e));
	db_free(db);
}

/* --- many at once ----------------------------------------------------------------------------- */

struct reader {
	struct db *db;
	int index, n;
	bool faulty;   /* every second lookup divides by zero */
	bool may_fail; /* connections are being killed */
	int found, absent, refused, lost, wrong;
	struct thread thread;
};

static void
read_once(struct reader *r, int i)
{
	const int mine = r->index % TENANTS, theirs = (mine + i % 2) % TENANTS;
	struct uuid owner = { { 0 } };
	int64_t q = 0;
	struct err e;
	int rc;

	if (r->faulty && i % 2 == 1) {
		rc = divide(r->db, tenants[mine], 0, &q, &e);
		r->refused += rc < 0 && e.code != ERR_UNAVAILABLE;
		r->wrong += rc >= 0;
		return;
	}
	rc = owner_of(r->db, tenants[mine], notes[theirs][i % NOTES], &owner, &e);
	if (rc < 0 && r->may_fail && (e.code == ERR_UNAVAILABLE || e.code == ERR_DB_RETRY))
		r->lost++;
	else if (rc == 1 && theirs == mine && uuid_cmp(owner, tenants[mine].uuid) == 0)
		r->found++;
	else if (rc == 0 && theirs != mine)
		r->absent++;
	else
		r->wrong++;
}

static void *
run_reader(void *arg)
{
	struct reader *r = arg;

	for (int i = 0; i < r->n; i++)
		read_once(r, i);
	return NULL;
}

static struct reader
run_readers(struct db *db, int n, bool quarter_faulty, bool may_fail)
{
	static struct reader readers[THREADS];
	struct reader sum = { 0 };
	struct err e;

	for (int i = 0; i < THREADS; i++) {
		readers[i] = (struct reader){ .db = db,
			.index = i,
			.n = n,
			.faulty = quarter_faulty && i % 4 == 0,
			.may_fail = may_fail };
		must(thread_start(&readers[i].thread, "reader", run_reader, &readers[i], &e));
	}
	for (int i = 0; i < THREADS; i++) {
		thread_join(&readers[i].thread);
		sum.found += readers[i].found;
		sum.absent += readers[i].absent;
		sum.refused += readers[i].refused;
		sum.lost += readers[i].lost;
		sum.wrong += readers[i].wrong;
	}
	return sum;
}

static void
count_groups(void *ctx, const char *what, int64_t ns)
{
	(void)ns;
	if (strcmp(what, "lookups") == 0)
		atomic_fetch_add((atomic_int *)ctx, 1);
}

static void
lookups_of_many_threads_and_tenants_travel_together_and_see_only_their_own(void **state)
{
	static atomic_int groups;
	const struct db_options o = { .url = t.url,
		.api_connections = 1,
		.sched_connections = 1,
		.platform_connections = 1,
		.timeout_ms = 20000,
		.sql = sql,
		.observe = count_groups,
		.observe_ctx = &groups };
	struct reader sum;
	struct db *db;
	struct err e;

	(void)state;
	must(db_open(&o, &db, &e));
	sum = run_readers(db, 400, false, false);
	assert_int_equal(sum.wrong, 0);
	assert_int_equal(sum.found, THREADS * 200);
	assert_int_equal(sum.absent, THREADS * 200);
	print_message("%d lookups in %d groups\n", THREADS * 400, atomic_load(&groups));
	assert_true(atomic_load(&groups) < THREADS * 400 * 3 / 4);
	db_free(db);
}

static void
a_lookup_that_fails_fails_alone(void **state)
{
	struct db *db = test_db_pools(&t, sql, 20000);
	struct reader sum = run_readers(db, 100, true, false);

	(void)state;
	assert_int_equal(sum.wrong, 0);
	assert_int_equal(sum.refused, THREADS / 4 * 50);
	assert_int_equal(sum.found + sum.absent, THREADS * 100 - sum.refused);
	db_free(db);
}

struct killer {
	atomic_bool stop;
	struct thread thread;
};

static void *
kill_backends(void *arg)
{
	struct killer *k = arg;
	struct db_owner *o;
	struct err e;

	if (db_owner_open(t.admin_url, TEST_TIMEOUT_MS, &o, &e) < 0)
		test_die("kill_backends", e.msg);
	while (!atomic_load(&k->stop)) {
		if (db_owner_query(o,
			"select pg_terminate_backend(pid) from pg_stat_activity where usename = "
			"'wardian_api'"
			" order by random() limit 1",
			0, NULL, NULL, NULL, &e) < 0)
			test_die("kill_backends", e.msg);
		(void)poll(NULL, 0, 15);
	}
	db_owner_free(o);
	return NULL;
}

static void
lookups_are_repeated_on_another_connection_when_theirs_is_killed(void **state)
{
	struct db *db = test_db_pools(&t, sql, 20000);
	struct killer k = { .stop = false };
	struct reader sum;
	struct err e;

	(void)state;
	must(thread_start(&k.thread, "killer", kill_backends, &k, &e));
	sum = run_readers(db, 300, false, true);
	atomic_store(&k.stop, true);
	thread_join(&k.thread);
	print_message("%d found, %d lost\n", sum.found, sum.lost);
	assert_int_equal(sum.wrong, 0);
	assert_true(sum.found > 10 * sum.lost);
	db_free(db);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_lookup_finds_its_row_and_no_other_tenants),
	cmocka_unit_test(what_writes_or_finds_many_rows_is_no_lookup),
	cmocka_unit_test(
	    lookups_of_many_threads_and_tenants_travel_together_and_see_only_their_own),
	cmocka_unit_test(a_lookup_that_fails_fails_alone),
	cmocka_unit_test(lookups_are_repeated_on_another_connection_when_theirs_is_killed),
};

static void
make_notes(void)
{
	struct db *db = test_db_pools(&t, sql, 20000);
	struct err e;

	for (int i = 0; i < TENANTS; i++)
		for (int k = 0; k < NOTES; k++) {
			char text[UUID_STR_SIZE];
			struct db_arg args[] = { DB_ARG_TEXT(text), DB_ARGS_END, DB_ARGS_END };
			struct db_write w = { .stmt = "t_put", .args = args };

			notes[i][k] = uuid_v7();
			(void)uuid_format(notes[i][k], text);
			args[1] = (struct db_arg)DB_ARG_UUID(notes[i][k]);
			if (db_group_write(db, tenants[i], &w, 1, NULL, NULL, &e) < 0)
				test_die("make_notes", e.msg);
		}
	db_free(db);
}

int
main(void)
{
	static const char *const names[TENANTS] = { "alpha", "beta", "gamma" };
	int rc;

	test_db_open(&t);
	test_note_table(&t);
	for (int i = 0; i < TENANTS; i++)
		tenants[i] = test_tenant(&t, names[i]);
	make_notes();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	test_db_close(&t);
	return rc;
}
