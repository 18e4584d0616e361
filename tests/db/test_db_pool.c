/* SPDX-License-Identifier: Apache-2.0 */
/* The pool under load, and when its connections or its server die. */
#include "test_proxy.h"

enum { THREADS = 16 };

static struct test_db t;
static struct tenant_id tenants[2];

#define MINE "(select nullif(current_setting('wardian.tenant_id', true), '')::uuid)"
static const char sql_text[] = "-- :name t_put :role api\n"
			       "insert into note (tenant_id, body, note_id)\n"
			       "values (" MINE ", $1::text, $2::uuid)\n"
			       "-- :name t_get :role api\n"
			       "select tenant_id from note where note_id = $1::uuid\n"
			       "-- :name t_foreign :role api\n"
			       "select count(*) as n from note where tenant_id <> $1::uuid\n"
			       "-- :name t_sys_pid :role sched\n"
			       "select pg_backend_pid()::int8 as pid\n"
			       "-- :name t_pid :role api\n"
			       "select pg_backend_pid()::int8 as pid\n";
static const struct db_sql sql[] = { { "t", sql_text }, { NULL, NULL } };

static int
put_into(struct db_tx *tx, struct uuid id, struct err *e)
{
	char text[UUID_STR_SIZE];
	const struct db_arg args[] = { DB_ARG_TEXT(uuid_format(id, text)), DB_ARG_UUID(id),
		DB_ARGS_END };

	return (int)db_exec(tx, "t_put", args, e);
}

static int
put(struct db *db, struct tenant_id tenant, struct uuid id, struct err *e)
{
	AUTO(db_tx) tx = NULL;

	if (db_tx_begin(db, tenant, &tx, e) < 0 || put_into(tx, id, e) < 0)
		return -1;
	return db_tx_commit(&tx, e);
}

/* 1 or 0 as the row is there, -1 on error. */
static int
get(struct db *db, struct tenant_id tenant, struct uuid id, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(id), DB_ARGS_END };

	return db_read_one(db, tenant, "t_get", args, NULL, NULL, e);
}

static int64_t
foreign_rows(struct db *db, struct tenant_id tenant, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(tenant.uuid), DB_ARGS_END };
	int64_t n = -1;
	const struct db_col cols[] = { DB_I64("n", &n), DB_COLS_END };

	return db_read_one(db, tenant, "t_foreign", args, cols, NULL, e) < 0 ? -1 : n;
}

static int64_t
pid_of(struct db_tx *tx)
{
	const struct db_arg none[] = { DB_ARGS_END };
	int64_t pid = 0;
	const struct db_col cols[] = { DB_I64("pid", &pid), DB_COLS_END };
	struct err e;

	must(db_one(tx, "t_pid", none, cols, NULL, &e));
	return pid;
}

static void
terminate(int64_t pid)
{
	char text[96];

	(void)snprintf(
	    text, sizeof(text), "select pg_terminate_backend(%lld, 5000)", (long long)pid);
	test_script(t.admin_url, text);
}

/* --- load ------------------------------------------------------------------------------------- */

struct load {
	struct db *db;
	int n;         /* operations each */
	bool may_fail; /* with what a lost connection gives */
	unsigned seed;
	/* out */
	int stored, refused, unknown, leaks, wrong;
	struct thread thread;
};

static bool
chance(struct load *l, unsigned one_in)
{
	l->seed = l->seed * 1103515245u + 12345u;
	return (l->seed >> 16) % one_in == 0;
}

/* Whether what put() said is true. */
static void
judge(struct load *l, struct tenant_id tenant, struct uuid id, int rc, const struct err *said)
{
	struct err e;
	int there;

	do {
		there = get(l->db, tenant, id, &e);
	} while (there < 0 && l->may_fail);
	if (rc == 0 && there == 1)
		l->stored++;
	else if (rc < 0 && there == 0 && l->may_fail &&
		 (said->code == ERR_UNAVAILABLE || said->code == ERR_DB_RETRY))
		l->refused++;
	else if (rc < 0 && there == 1 && l->may_fail && said->code == ERR_UNAVAILABLE)
		l->unknown++;
	else
		l->wrong++;
}

static void *
run_load(void *arg)
{
	struct load *l = arg;

	for (int i = 0; i < l->n; i++) {
		struct tenant_id tenant = tenants[chance(l, 2)];
		struct uuid id = uuid_v7();
		struct err e = { 0 };
		struct db_tx *tx;
		int64_t n;

		if (chance(l, 20)) { /* left in the middle */
			if (db_tx_begin(l->db, tenant, &tx, &e) == 0) {
				(void)put_into(tx, id, &e);
				db_tx_free(tx);
			}
			continue;
		}
		judge(l, tenant, id, put(l->db, tenant, id, &e), &e);
		n = foreign_rows(l->db, tenant, &e);
		l->leaks += n > 0;
		l->wrong += n < 0 && !l->may_fail;
	}
	return NULL;
}

static void
run_threads(struct db *db, struct load *loads, int n, bool may_fail, struct load *sum)
{
	struct err e;

	*sum = (struct load){ 0 };
	for (int i = 0; i < THREADS; i++) {
		loads[i] = (struct load){
			.db = db, .n = n, .may_fail = may_fail, .seed = (unsigned)i + 1
		};
		must(thread_start(&loads[i].thread, "load", run_load, &loads[i], &e));
	}
	for (int i = 0; i < THREADS; i++) {
		thread_join(&loads[i].thread);
		sum->stored += loads[i].stored;
		sum->refused += loads[i].refused;
		sum->unknown += loads[i].unknown;
		sum->leaks += loads[i].leaks;
		sum->wrong += loads[i].wrong;
	}
}

static void
sixteen_threads_share_two_connections_without_seeing_each_others_tenants(void **state)
{
	const struct db_options o = { .url = t.url,
		.api_connections = 2,
		.sched_connections = 1,
		.platform_connections = 1,
		.timeout_ms = 30000,
		.sql = sql };
	struct load loads[THREADS], sum;
	struct db *db;
	struct err e;

	(void)state;
	must(db_open(&o, &db, &e));
	run_threads(db, loads, 60, false, &sum);
	assert_int_equal(sum.wrong, 0);
	assert_int_equal(sum.leaks, 0);
	assert_true(sum.stored > THREADS * 60 * 8 / 10);
	db_free(db);
}

struct killer {
	atomic_bool stop;
	int kills;
	struct thread thread;
};

static int
count_true(void *ctx, const char *const *cells, struct err *e)
{
	(void)e;
	*(int *)ctx += cells[0] != NULL && cells[0][0] == 't';
	return 0;
}

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
			"select pg_terminate_backend(pid) from pg_stat_activity"
			" where usename like 'wardian_api' order by random() limit 1",
			0, NULL, count_true, &k->kills, &e) < 0)
			test_die("kill_backends", e.msg);
		(void)poll(NULL, 0, 10);
	}
	db_owner_free(o);
	return NULL;
}

static void
killed_backends_cost_errors_but_no_answer_is_wrong(void **state)
{
	struct load loads[THREADS], sum;
	struct killer k = { .stop = false };
	struct db *db = test_db_pools(&t, sql, 20000);
	struct err e;

	(void)state;
	must(thread_start(&k.thread, "killer", kill_backends, &k, &e));
	run_threads(db, loads, 60, true, &sum);
	atomic_store(&k.stop, true);
	thread_join(&k.thread);
	print_message("%d kills: %d stored, %d refused, %d unknown\n", k.kills, sum.stored,
	    sum.refused, sum.unknown);
	assert_int_equal(sum.wrong, 0);
	assert_int_equal(sum.leaks, 0);
	/* The id of a transaction of several round trips is always known before COMMIT. */
	assert_int_equal(sum.unknown, 0);
	assert_true(k.kills > 10);
	assert_true(sum.stored > sum.refused);
	must(db_ping(db, &e));
	db_free(db);
}

/* --- one connection at a time ----------------------------------------------------------------- */

static void
a_pool_that_is_used_up_is_busy_after_the_deadline_and_not_before(void **state)
{
	struct db_tx *held[4], *tx;
	struct db *db = test_db_pools(&t, sql, 400);
	int64_t start;
	struct err e;

	(void)state;
	for (int i = 0; i < 4; i++)
		must(db_tx_begin(db, tenants[0], &held[i], &e));
	start = clock_mono_ms();
	must_fail(ERR_BUSY, db_tx_begin(db, tenants[0], &tx, &e));
	assert_in_range(clock_mono_ms() - start, 350, 2000);
	must(db_tx_commit(&held[0], &e));
	must(db_tx_begin(db, tenants[0], &held[0], &e));
	for (int i = 0; i < 4; i++)
		db_tx_free(held[i]);
	db_free(db);
}

static void
a_connection_that_dies_while_idle_is_replaced_unseen(void **state)
{
	struct db *db = test_db_pools(&t, sql, 5000);
	struct uuid id = uuid_v7();
	struct db_tx *tx;
	int64_t pid;
	struct err e;

	(void)state;
	must(db_tx_begin(db, tenants[0], &tx, &e));
	pid = pid_of(tx);
	must(db_tx_commit(&tx, &e));
	terminate(pid);
	must(put(db, tenants[0], id, &e));
	assert_int_equal(get(db, tenants[0], id, &e), 1);
	db_free(db);
}

static void
a_backend_killed_in_a_transaction_ends_it_and_nothing_is_stored(void **state)
{
	struct db *db = test_db_pools(&t, sql, 5000);
	struct uuid id = uuid_v7();
	struct db_tx *tx;
	struct err e;

	(void)state;
	must(db_tx_begin(db, tenants[0], &tx, &e));
	must(put_into(tx, id, &e));
	terminate(pid_of(tx));
	assert_int_equal(put_into(tx, uuid_v7(), &e), -1);
	assert_true(e.code == ERR_UNAVAILABLE || e.code == ERR_DB_RETRY);
	assert_int_equal(db_tx_commit(&tx, &e), -1);
	assert_int_equal(get(db, tenants[0], id, &e), 0);

	must(db_tx_begin(db, tenants[0], &tx, &e));
	must(put_into(tx, id, &e));
	terminate(pid_of(tx));
	must_fail(ERR_DB_RETRY, db_tx_commit(&tx, &e));
	assert_int_equal(get(db, tenants[0], id, &e), 0);
	db_free(db);
}

static void
a_server_that_falls_silent_costs_the_deadline_and_the_connection(void **state)
{
	static struct proxy proxy;
	char url[TEST_URL_SIZE];
	const struct db_options o = { .url = url,
		.api_connections = 2,
		.sched_connections = 1,
		.platform_connections = 1,
		.timeout_ms = 600,
		.sql = sql };
	struct uuid id = uuid_v7();
	struct db_tx *tx;
	struct db *db;
	int64_t start;
	struct err e;

	(void)state;
	proxy_open(&proxy, &t, url);
	must(db_open(&o, &db, &e));
	must(db_tx_begin(db, tenants[0], &tx, &e));
	must(put_into(tx, id, &e));
	atomic_store(&proxy.silent, true);
	start = clock_mono_ms();
	must_fail(ERR_TIMEOUT, put_into(tx, uuid_v7(), &e));
	assert_in_range(clock_mono_ms() - start, 500, 2500);
	start = clock_mono_ms();
	assert_int_equal(db_tx_commit(&tx, &e), -1);
	assert_int_equal(get(db, tenants[0], id, &e), -1);
	assert_in_range(clock_mono_ms() - start, 0, 4000);
	atomic_store(&proxy.silent, false);
	must(put(db, tenants[0], uuid_v7(), &e));
	assert_int_equal(get(db, tenants[0], id, &e), 0);
	db_free(db);
	proxy_close(&proxy);
}

static void
a_stopped_server_is_unavailable_within_the_deadline_and_welcome_back(void **state)
{
	struct db_cluster_options o = { .dir = t.dir, .bin_dir = "" };
	struct db *db = test_db_pools(&t, sql, 1000);
	struct uuid id = uuid_v7();
	struct db_tx *tx;
	int64_t start;
	struct err e;

	(void)state;
	must(put(db, tenants[0], id, &e));
	must(db_tx_begin(db, tenants[0], &tx, &e));
	must(put_into(tx, uuid_v7(), &e));
	db_cluster_stop(t.cluster);
	t.cluster = NULL;
	must_fail(ERR_UNAVAILABLE, put_into(tx, uuid_v7(), &e));
	db_tx_free(tx);
	for (int i = 0; i < 3; i++) {
		start = clock_mono_ms();
		must_fail(ERR_UNAVAILABLE, get(db, tenants[0], id, &e));
		assert_in_range(clock_mono_ms() - start, 0, 3000);
	}
	must(db_cluster_start(&o, &t.cluster, &e));
	assert_int_equal(get(db, tenants[0], id, &e), 1);
	must(db_ping(db, &e));
	db_free(db);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(sixteen_threads_share_two_connections_without_seeing_each_others_tenants),
	cmocka_unit_test(killed_backends_cost_errors_but_no_answer_is_wrong),
	cmocka_unit_test(a_pool_that_is_used_up_is_busy_after_the_deadline_and_not_before),
	cmocka_unit_test(a_connection_that_dies_while_idle_is_replaced_unseen),
	cmocka_unit_test(a_backend_killed_in_a_transaction_ends_it_and_nothing_is_stored),
	cmocka_unit_test(a_server_that_falls_silent_costs_the_deadline_and_the_connection),
	cmocka_unit_test(a_stopped_server_is_unavailable_within_the_deadline_and_welcome_back),
};

int
main(void)
{
	int rc;

	test_cluster_open(&t);
	test_database_new(&t);
	test_migrate(&t);
	test_note_table(&t);
	tenants[0] = test_tenant(&t, "alpha");
	tenants[1] = test_tenant(&t, "beta");
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	test_db_close(&t);
	return rc;
}
