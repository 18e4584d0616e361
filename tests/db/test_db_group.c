/* SPDX-License-Identifier: Apache-2.0 */
/* Group commit: many threads, faults that stay alone, order, durability, lost connections. */
#include "test_proxy.h"

#include <signal.h>

enum { THREADS = 24 };

static struct test_db t;
static struct tenant_id tenants[3];
static struct arena *mem;

#define MINE "(select nullif(current_setting('wardian.tenant_id', true), '')::uuid)"
static const char sql_text[] =
    "-- :name t_put :role api\n"
    "insert into note (tenant_id, body, note_id)\n"
    "values (" MINE ", $1::text, $2::uuid) returning body, at\n"
    "-- :name t_echo :role api\n"
    "insert into echo (tenant_id, note_id, body) values (" MINE ", $1::uuid, $2::text)\n"
    "-- :name t_touch :role api\n"
    "update note set touched_at = now() where body = $1::text returning kind\n"
    "-- :name t_slow :role api\n"
    "insert into note (tenant_id, body, note_id)\n"
    "select " MINE ", $1::text, $2::uuid from pg_sleep(0.3)\n"
    "-- :name t_get :role api\n"
    "select tenant_id from note where note_id = $1::uuid\n"
    "-- :name t_lock :role api\n"
    "update audit_head set number = number + 1 where tenant_id = " MINE "\n";
static const struct db_sql sql[] = { { "t", sql_text }, { NULL, NULL } };

/* Two rows of one unit. */
struct unit {
	char key[UUID_STR_SIZE];
	struct db_arg put[3], echo[3];
	struct db_write writes[2];
};

static void
unit_make(struct unit *u, struct uuid id, const char *key)
{
	(void)snprintf(u->key, sizeof(u->key), "%.36s", key);
	u->put[0] = (struct db_arg)DB_ARG_TEXT(u->key);
	u->put[1] = (struct db_arg)DB_ARG_UUID(id);
	u->put[2] = (struct db_arg)DB_ARGS_END;
	u->echo[0] = (struct db_arg)DB_ARG_UUID(id);
	u->echo[1] = (struct db_arg)DB_ARG_TEXT(u->key);
	u->echo[2] = (struct db_arg)DB_ARGS_END;
	u->writes[0] = (struct db_write){ .stmt = "t_put", .args = u->put, .must_affect = true };
	u->writes[1] = (struct db_write){ .stmt = "t_echo", .args = u->echo };
}

static int
put(struct db *db, struct tenant_id tenant, struct uuid id, struct err *e)
{
	char text[UUID_STR_SIZE];
	struct unit u;

	unit_make(&u, id, uuid_format(id, text));
	return db_group_write(db, tenant, u.writes, 2, NULL, NULL, e);
}

static int
get(struct db *db, struct tenant_id tenant, struct uuid id, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(id), DB_ARGS_END };

	return db_read_one(db, tenant, "t_get", args, NULL, NULL, e);
}

static void
rows_and_columns_of_each_statement_come_back(void **state)
{
	struct db *db = test_db_pools(&t, sql, 5000);
	struct uuid id = uuid_v7();
	const char *key = NULL;
	int64_t rows[2] = { -1, -1 }, at = 0;
	const struct db_col cols[] = { DB_TEXT("body", &key), DB_TIME("at", &at), DB_COLS_END };
	struct unit u;
	struct err e;

	(void)state;
	unit_make(&u, id, "first");
	u.writes[0].cols = cols;
	must(db_group_write(db, tenants[0], u.writes, 2, rows, mem, &e));
	assert_string_equal(key, "first");
	assert_in_range(clock_wall_us() - at, 0, 60 * 1000000);
	assert_int_equal(rows[0], 1);
	assert_int_equal(rows[1], 1);
	assert_int_equal(get(db, tenants[0], id, &e), 1);
	assert_int_equal(get(db, tenants[1], id, &e), 0);
	db_free(db);
}

static void
a_unit_is_stored_whole_or_not_at_all(void **state)
{
	struct db *db = test_db_pools(&t, sql, 5000);
	struct uuid id = uuid_v7(), other = uuid_v7();
	int64_t rows[2] = { 7, 7 };
	struct unit u, again;
	struct err e;

	(void)state;
	unit_make(&u, id, "whole");
	must(db_group_write(db, tenants[0], u.writes, 2, rows, NULL, &e));
	/* The second statement repeats the id. */
	unit_make(&again, other, "half");
	again.echo[0] = (struct db_arg)DB_ARG_UUID(id);
	rows[0] = rows[1] = 7;
	must_fail(
	    ERR_DB_CONSTRAINT, db_group_write(db, tenants[0], again.writes, 2, rows, NULL, &e));
	assert_string_equal(db_err_constraint(&e), "echo_pkey");
	assert_int_equal(rows[0], 7);
	assert_int_equal(get(db, tenants[0], other, &e), 0);
	/* A unit with a mistake never reaches the others. */
	again.writes[1].stmt = "t_nothing";
	must_fail(ERR_DB_SCHEMA, db_group_write(db, tenants[0], again.writes, 2, NULL, NULL, &e));
	db_free(db);
}

static void
a_statement_that_must_affect_a_row_and_does_not_is_a_conflict(void **state)
{
	struct db *db = test_db_pools(&t, sql, 5000);
	struct uuid id = uuid_v7();
	const struct db_arg args[] = { DB_ARG_TEXT("no such note"), DB_ARGS_END };
	const char *name = "untouched";
	const struct db_col cols[] = { DB_TEXT("kind", &name), DB_COLS_END };
	struct db_write writes[3];
	int64_t rows[3] = { 7, 7, 7 };
	struct unit u;
	struct err e;

	(void)state;
	unit_make(&u, id, "conflict");
	writes[0] = u.writes[0];
	writes[1] = u.writes[1];
	writes[2] =
	    (struct db_write){ .stmt = "t_touch", .args = args, .cols = cols, .must_affect = true };
	must_fail(ERR_CONFLICT, db_group_write(db, tenants[0], writes, 3, rows, mem, &e));
	assert_int_equal(get(db, tenants[0], id, &e), 0);
	writes[2].must_affect = false;
	must(db_group_write(db, tenants[0], writes, 3, rows, mem, &e));
	assert_int_equal(rows[2], 0);
	assert_string_equal(name, "untouched");
	assert_int_equal(get(db, tenants[0], id, &e), 1);
	db_free(db);
}

/* --- many at once ----------------------------------------------------------------------------- */

struct writer {
	struct db *db;
	int index, n;
	bool faulty; /* every second unit repeats a key */
	bool may_fail;
	int stored, refused, wrong;
	struct thread thread;
};

static void *
run_writer(void *arg)
{
	struct writer *w = arg;
	struct tenant_id tenant = tenants[w->index % 3];
	struct uuid last = { { 0 } };
	struct err e;

	for (int i = 0; i < w->n; i++) {
		struct uuid id = uuid_v7();
		bool spoilt = w->faulty && i % 2 == 1;
		char text[UUID_STR_SIZE];
		struct unit u;
		int rc, there;

		unit_make(&u, id, uuid_format(spoilt ? last : id, text));
		rc = db_group_write(w->db, tenant, u.writes, 2, NULL, NULL, &e);
		there = get(w->db, tenant, id, &(struct err){ 0 });
		while (there < 0 && w->may_fail)
			there = get(w->db, tenant, id, &(struct err){ 0 });
		/* What was acknowledged before is a duplicate now: order is kept. */
		if (rc == 0 && there == 1 && !spoilt)
			w->stored++;
		else if (rc < 0 && there == 0 && spoilt && e.code == ERR_DB_CONSTRAINT)
			w->refused++;
		else if (rc < 0 && there == 0 && w->may_fail &&
			 (e.code == ERR_UNAVAILABLE || e.code == ERR_DB_RETRY))
			w->refused++;
		else
			w->wrong++;
		last = id;
	}
	return NULL;
}

static struct writer
run_writers(struct db *db, int n, bool half_faulty, bool may_fail)
{
	static struct writer writers[THREADS];
	struct writer sum = { 0 };
	struct err e;

	for (int i = 0; i < THREADS; i++) {
		writers[i] = (struct writer){ .db = db,
			.index = i,
			.n = n,
			.faulty = half_faulty && i % 4 == 0,
			.may_fail = may_fail };
		must(thread_start(&writers[i].thread, "writer", run_writer, &writers[i], &e));
	}
	for (int i = 0; i < THREADS; i++) {
		thread_join(&writers[i].thread);
		sum.stored += writers[i].stored;
		sum.refused += writers[i].refused;
		sum.wrong += writers[i].wrong;
	}
	return sum;
}

static void
count_batches(void *ctx, const char *what, int64_t ns)
{
	(void)ns;
	if (strcmp(what, "batch") == 0)
		atomic_fetch_add((atomic_int *)ctx, 1);
}

static void
units_of_many_threads_and_tenants_travel_in_few_transactions(void **state)
{
	static atomic_int batches;
	const struct db_options o = { .url = t.url,
		.api_connections = 4,
		.sched_connections = 1,
		.platform_connections = 1,
		.timeout_ms = 20000,
		.sql = sql,
		.observe = count_batches,
		.observe_ctx = &batches };
	struct writer sum;
	struct db *db;
	struct err e;

	(void)state;
	must(db_open(&o, &db, &e));
	sum = run_writers(db, 50, false, false);
	assert_int_equal(sum.wrong, 0);
	assert_int_equal(sum.stored, THREADS * 50);
	print_message("%d units in %d transactions\n", sum.stored, atomic_load(&batches));
	assert_true(atomic_load(&batches) < sum.stored * 3 / 4);
	db_free(db);
}

static void
faulty_units_fail_alone(void **state)
{
	struct db *db = test_db_pools(&t, sql, 20000);
	struct writer sum;

	(void)state;
	sum = run_writers(db, 40, true, false);
	assert_int_equal(sum.wrong, 0);
	assert_int_equal(sum.refused, THREADS / 4 * 20);
	assert_int_equal(sum.stored, THREADS * 40 - sum.refused);
	db_free(db);
}

static void
a_slow_unit_delays_its_batch_and_breaks_nothing(void **state)
{
	struct db *db = test_db_pools(&t, sql, 5000);
	struct uuid id = uuid_v7();
	char text[UUID_STR_SIZE];
	struct unit u;
	struct err e;

	(void)state;
	unit_make(&u, id, uuid_format(id, text));
	u.writes[0].stmt = "t_slow";
	for (int i = 0; i < 2; i++) {
		must(db_group_write(db, tenants[0], u.writes, 1, NULL, NULL, &e));
		assert_int_equal(get(db, tenants[0], id, &e), 1);
		id = uuid_v7();
		unit_make(&u, id, uuid_format(id, text));
	}
	db_free(db);
}

static void
units_that_wait_for_a_lock_give_up_and_the_others_go_on(void **state)
{
	struct db *db = test_db_pools(&t, sql, 1000);
	struct uuid id = uuid_v7(), free_id = uuid_v7();
	struct db_owner *o;
	struct unit u;
	struct err e;
	char text[256];

	(void)state;
	/* Somebody else has the same key in an open transaction. */
	must(db_owner_open(t.url, TEST_TIMEOUT_MS, &o, &e));
	(void)snprintf(text, sizeof(text),
	    "begin; insert into note (tenant_id, body, note_id) values ('%s', 'locked', '%s')",
	    uuid_format(tenants[0].uuid, u.key), "00000000-0000-7000-8000-000000000001");
	must(db_owner_script(o, text, TEST_TIMEOUT_MS, &e));
	unit_make(&u, id, "locked");
	assert_int_equal(db_group_write(db, tenants[0], u.writes, 2, NULL, NULL, &e), -1);
	assert_true(e.code == ERR_DB_RETRY || e.code == ERR_TIMEOUT);
	must(put(db, tenants[0], free_id, &e));
	db_owner_free(o);
	must(db_group_write(db, tenants[0], u.writes, 2, NULL, NULL, &e));
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
what_was_acknowledged_is_there_though_backends_are_killed(void **state)
{
	struct db *db = test_db_pools(&t, sql, 20000);
	struct killer k = { .stop = false };
	struct writer sum;
	struct err e;

	(void)state;
	must(thread_start(&k.thread, "killer", kill_backends, &k, &e));
	sum = run_writers(db, 30, false, true);
	atomic_store(&k.stop, true);
	thread_join(&k.thread);
	print_message("%d stored, %d refused\n", sum.stored, sum.refused);
	assert_int_equal(sum.wrong, 0);
	assert_true(sum.stored > sum.refused);
	db_free(db);
}

/* --- locks ------------------------------------------------------------------------------------ */

enum { LOCKED_TENANTS = 32 };

struct locker {
	struct db *db;
	const struct tenant_id *tenants;
	int index, n;
	int stored;
	struct thread thread;
};

/* Every unit begins with a lock that lasts until its batch ends; neighbours in the queue are of
 * different tenants, in an order that no two threads share. */
static void *
run_locker(void *arg)
{
	struct locker *l = arg;
	const struct db_arg none[] = { DB_ARGS_END };
	struct err e;

	for (int i = 0; i < l->n; i++) {
		struct uuid id = uuid_v7();
		char text[UUID_STR_SIZE];
		struct unit u;

		unit_make(&u, id, uuid_format(id, text));
		u.writes[1] = u.writes[0];
		u.writes[0] =
		    (struct db_write){ .stmt = "t_lock", .args = none, .must_affect = true };
		/* 2 * index + 1 and the count of tenants have no common divisor. */
		l->stored += db_group_write(l->db,
				 l->tenants[(l->index + i * (2 * l->index + 1)) % LOCKED_TENANTS],
				 u.writes, 2, NULL, NULL, &e) == 0;
	}
	return NULL;
}

static void
count_retries(void *ctx, const char *what, int64_t ns)
{
	(void)ns;
	if (strcmp(what, "serialization") == 0)
		atomic_fetch_add((atomic_int *)ctx, 1);
}

static void
batches_that_lock_rows_of_the_same_tenants_do_not_deadlock(void **state)
{
	enum { UNITS = 250 };
	static struct locker lockers[THREADS];
	static atomic_int retries;
	const struct db_options o = { .url = t.url,
		.api_connections = 1,
		.sched_connections = 1,
		.platform_connections = 1,
		.timeout_ms = 20000,
		.sql = sql,
		.observe = count_retries,
		.observe_ctx = &retries };
	struct tenant_id locked[LOCKED_TENANTS];
	int64_t start;
	int stored = 0;
	struct db *db;
	struct err e;

	(void)state;
	for (int i = 0; i < LOCKED_TENANTS; i++)
		locked[i] = test_tenant(&t, "locked");
	must(db_open(&o, &db, &e));
	start = clock_mono_ms();
	for (int i = 0; i < THREADS; i++) {
		lockers[i] = (struct locker){ .db = db, .tenants = locked, .index = i, .n = UNITS };
		must(thread_start(&lockers[i].thread, "locker", run_locker, &lockers[i], &e));
	}
	for (int i = 0; i < THREADS; i++) {
		thread_join(&lockers[i].thread);
		stored += lockers[i].stored;
	}
	print_message(
	    "%d units with a lock each in %d ms\n", stored, (int)(clock_mono_ms() - start));
	assert_int_equal(stored, THREADS * UNITS);
	assert_int_equal(atomic_load(&retries), 0);
	assert_int_equal(
	    atoi(test_text(t.url, "select sum(number) from wardian.audit_head")), stored);
	db_free(db);
}

/* --- durability ------------------------------------------------------------------------------- */

struct crash_writer {
	struct db *db;
	atomic_bool *stop;
	struct uuid acked[4096];
	int n;
	struct thread thread;
};

static void *
write_until_crash(void *arg)
{
	struct crash_writer *w = arg;
	struct err e;

	while (!atomic_load(w->stop) && w->n < 4096) {
		struct uuid id = uuid_v7();

		if (put(w->db, tenants[0], id, &e) == 0)
			w->acked[w->n++] = id;
	}
	return NULL;
}

static void
what_was_acknowledged_survives_a_crash_of_the_server(void **state)
{
	enum { WRITERS = 6, CRASHES = 3 };
	static struct crash_writer writers[WRITERS];
	struct db *db = test_db_pools(&t, sql, 20000);
	atomic_bool stop = false;
	char path[128], line[32] = "";
	int lost = 0, acked = 0;
	struct err e;

	(void)state;
	for (int i = 0; i < WRITERS; i++) {
		writers[i] = (struct crash_writer){ .db = db, .stop = &stop };
		must(
		    thread_start(&writers[i].thread, "writer", write_until_crash, &writers[i], &e));
	}
	(void)snprintf(path, sizeof(path), "%s/data/postmaster.pid", t.dir);
	for (int i = 0; i < CRASHES; i++) {
		const struct db_cluster_options o = { .dir = t.dir, .bin_dir = "" };
		FILE *f;

		(void)poll(NULL, 0, 300);
		f = fopen(path, "r");
		assert_non_null(f);
		assert_non_null(fgets(line, sizeof(line), f));
		fclose(f);
		assert_int_equal(kill((pid_t)atoi(line), SIGKILL), 0);
		db_cluster_stop(t.cluster); /* there is nothing left to stop */
		must(db_cluster_start(&o, &t.cluster, &e));
	}
	(void)poll(NULL, 0, 300);
	atomic_store(&stop, true);
	for (int i = 0; i < WRITERS; i++) {
		thread_join(&writers[i].thread);
		acked += writers[i].n;
		for (int k = 0; k < writers[i].n; k++)
			lost += get(db, tenants[0], writers[i].acked[k], &e) != 1;
	}
	print_message("%d acknowledged over %d crashes\n", acked, CRASHES);
	assert_int_equal(lost, 0);
	assert_true(acked > 50);
	db_free(db);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(rows_and_columns_of_each_statement_come_back),
	cmocka_unit_test(a_unit_is_stored_whole_or_not_at_all),
	cmocka_unit_test(a_statement_that_must_affect_a_row_and_does_not_is_a_conflict),
	cmocka_unit_test(units_of_many_threads_and_tenants_travel_in_few_transactions),
	cmocka_unit_test(faulty_units_fail_alone),
	cmocka_unit_test(a_slow_unit_delays_its_batch_and_breaks_nothing),
	cmocka_unit_test(units_that_wait_for_a_lock_give_up_and_the_others_go_on),
	cmocka_unit_test(batches_that_lock_rows_of_the_same_tenants_do_not_deadlock),
	cmocka_unit_test(what_was_acknowledged_is_there_though_backends_are_killed),
	cmocka_unit_test(what_was_acknowledged_survives_a_crash_of_the_server),
};

int
main(void)
{
	int rc;

	test_cluster_open(&t);
	test_database_new(&t);
	test_migrate(&t);
	test_note_table(&t);
	test_table(&t, "echo", TEST_TABLE_TENANTS,
	    "tenant_id uuid not null, note_id uuid not null, body text not null,"
	    " primary key (tenant_id, note_id)");
	tenants[0] = test_tenant(&t, "alpha");
	tenants[1] = test_tenant(&t, "beta");
	tenants[2] = test_tenant(&t, "gamma");
	mem = arena_new(1 << 20);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	arena_free(mem);
	test_db_close(&t);
	return rc;
}
