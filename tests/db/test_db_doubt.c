/* SPDX-License-Identifier: Apache-2.0 */
/*
 * COMMIT was sent and the connection is gone.  A relay cuts the client off right before or right
 * after the server sees COMMIT; the server learns of it later.  Whatever is answered must be true.
 */
#include "test_proxy.h"

#include <signal.h>

enum { ROUNDS = 60, CRASHES = 4 };

static struct test_db t;
static struct proxy proxy;
static struct db *db;
static struct tenant_id tenant;

#define MINE "(select nullif(current_setting('wardian.tenant_id', true), '')::uuid)"
static const char sql_text[] = "-- :name t_put :role api\n"
			       "insert into note (tenant_id, body, note_id)\n"
			       "values (" MINE ", $1::text, $2::uuid)\n"
			       "-- :name t_get :role api\n"
			       "select tenant_id from note where note_id = $1::uuid\n"
			       "-- :name t_none :role api\n"
			       "update note set touched_at = now() where note_id = $1::uuid\n";
static const struct db_sql sql[] = { { "t", sql_text }, { NULL, NULL } };

struct args {
	char text[UUID_STR_SIZE];
	struct db_arg v[3];
};

static const struct db_arg *
fill(struct args *a, struct uuid id)
{
	a->v[0] = (struct db_arg)DB_ARG_TEXT(uuid_format(id, a->text));
	a->v[1] = (struct db_arg)DB_ARG_UUID(id);
	a->v[2] = (struct db_arg)DB_ARGS_END;
	return a->v;
}

static bool
is_there(struct uuid id)
{
	const struct db_arg args[] = { DB_ARG_UUID(id), DB_ARGS_END };
	struct err e;
	int n = db_read_one(db, tenant, "t_get", args, NULL, NULL, &e);

	if (n < 0)
		fail_msg("%s", e.msg);
	return n == 1;
}

static void
arm(int round)
{
	atomic_store(&proxy.linger_ms, round % 4 < 2 ? 0 : 120);
	atomic_store(&proxy.cut, round % 2 == 0 ? CUT_BEFORE_COMMIT : CUT_AFTER_COMMIT);
}

static int
in_two_steps(struct uuid id, struct err *e)
{
	AUTO(db_tx) tx = NULL;
	struct args a;

	if (db_tx_begin(db, tenant, &tx, e) < 0 || db_exec(tx, "t_put", fill(&a, id), e) < 0)
		return -1;
	return db_tx_commit(&tx, e);
}

static int
in_one_step(struct uuid id, struct err *e)
{
	struct db_tx *tx;
	struct args a;

	if (db_tx_begin(db, tenant, &tx, e) < 0)
		return -1;
	return db_one_commit(&tx, "t_put", fill(&a, id), NULL, NULL, e) < 0 ? -1 : 0;
}

static int
in_a_group(struct uuid id, struct err *e)
{
	struct args a;
	const struct db_write w = { .stmt = "t_put", .args = fill(&a, id) };

	return db_group_write(db, tenant, &w, 1, NULL, NULL, e);
}

struct tally {
	int stored, refused, unknown;
};

static struct tally
cut_many(int (*store)(struct uuid id, struct err *e))
{
	struct tally tally = { 0 };
	int before = atomic_load(&proxy.cuts);

	for (int i = 0; i < ROUNDS; i++) {
		struct uuid id = uuid_v7();
		struct err e;
		int rc;

		arm(i);
		rc = store(id, &e);
		if (rc == 0) {
			assert_true(is_there(id));
			tally.stored++;
		} else if (e.code == ERR_DB_RETRY) {
			assert_false(is_there(id));
			tally.refused++;
		} else {
			assert_int_equal(e.code, ERR_UNAVAILABLE);
			assert_non_null(strstr(e.msg, "look whether it is there"));
			tally.unknown++;
		}
	}
	assert_int_equal(atomic_load(&proxy.cuts) - before, ROUNDS);
	return tally;
}

static void
a_transaction_of_two_round_trips_always_learns_its_outcome(void **state)
{
	struct tally n = cut_many(in_two_steps);

	(void)state;
	assert_int_equal(n.unknown, 0);
	assert_int_equal(n.stored, ROUNDS / 2);
	assert_int_equal(n.refused, ROUNDS / 2);
}

static void
a_group_always_learns_its_outcome_and_stores_what_was_not(void **state)
{
	struct tally n = cut_many(in_a_group);

	(void)state;
	assert_int_equal(n.unknown, 0);
	assert_int_equal(n.stored, ROUNDS);
}

static void
a_transaction_of_one_round_trip_says_so_when_nobody_knows(void **state)
{
	struct tally n = cut_many(in_one_step);

	(void)state;
	/* The id was cut off with the acknowledgement: nothing is claimed. */
	assert_int_equal(n.stored + n.refused + n.unknown, ROUNDS);
	assert_int_equal(n.refused, 0);
}

static void
a_commit_of_nothing_needs_no_outcome(void **state)
{
	const struct db_arg args[] = { DB_ARG_UUID(uuid_v7()), DB_ARGS_END };
	struct db_tx *tx;
	struct err e;

	(void)state;
	must(db_tx_begin(db, tenant, &tx, &e));
	assert_int_equal(db_exec(tx, "t_none", args, &e), 0);
	arm(0);
	must(db_tx_commit(&tx, &e));
	must(db_tx_begin(db, tenant, &tx, &e));
	assert_int_equal(db_exec(tx, "t_get", args, &e), 0);
	arm(1);
	must(db_tx_commit(&tx, &e));
}

static void
crash_server(void)
{
	const struct db_cluster_options o = { .dir = t.dir, .bin_dir = "" };
	char path[128], line[32] = "";
	struct err e;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/data/postmaster.pid", t.dir);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	fclose(f);
	assert_int_equal(kill((pid_t)atoi(line), SIGKILL), 0);
	db_cluster_stop(t.cluster); /* there is nothing left to stop */
	must(db_cluster_start(&o, &t.cluster, &e));
}

/*
 * After a crash the server gives the id of a transaction whose records never reached the disk to
 * somebody else, whose commit must not be taken for ours.
 */
static void
a_transaction_id_that_was_used_again_after_a_crash_proves_nothing(void **state)
{
	int reused = 0;

	(void)state;
	for (int i = 0; i < CRASHES; i++) {
		struct uuid id = uuid_v7();
		char xid[32], sql_status[96];
		struct db_tx *tx;
		struct args a;
		struct err e;

		test_script(t.url, "checkpoint");
		must(db_tx_begin(db, tenant, &tx, &e));
		must(db_exec(tx, "t_put", fill(&a, id), &e));
		(void)snprintf(xid, sizeof(xid), "%s",
		    test_text(t.url, "select backend_xid from pg_stat_activity where usename = "
				     "'wardian_api' and backend_xid is not null"));
		crash_server();
		for (int k = 0; k < 20; k++)
			test_script(
			    t.url, "create table public.burn (a int); drop table public.burn");
		(void)snprintf(
		    sql_status, sizeof(sql_status), "select pg_xact_status('%.20s')", xid);
		reused += strcmp(test_text(t.url, sql_status), "committed") == 0;
		assert_int_equal(db_tx_commit(&tx, &e), -1);
		assert_true(e.code == ERR_UNAVAILABLE || e.code == ERR_DB_RETRY);
		assert_false(is_there(id));
	}
	print_message("%d of %d ids were used again\n", reused, CRASHES);
	assert_true(reused > 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_transaction_of_two_round_trips_always_learns_its_outcome),
	cmocka_unit_test(a_group_always_learns_its_outcome_and_stores_what_was_not),
	cmocka_unit_test(a_transaction_of_one_round_trip_says_so_when_nobody_knows),
	cmocka_unit_test(a_commit_of_nothing_needs_no_outcome),
	cmocka_unit_test(a_transaction_id_that_was_used_again_after_a_crash_proves_nothing),
};

int
main(void)
{
	char url[TEST_URL_SIZE];
	struct db_options o = { .url = url,
		.api_connections = 2,
		.sched_connections = 1,
		.platform_connections = 1,
		.timeout_ms = 10000,
		.sql = sql };
	struct err e;
	int rc;

	test_cluster_open(&t);
	test_database_new(&t);
	test_migrate(&t);
	test_note_table(&t);
	tenant = test_tenant(&t, "alpha");
	proxy_open(&proxy, &t, url);
	if (db_open(&o, &db, &e) < 0)
		test_die("db_open", e.msg);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	db_free(db);
	proxy_close(&proxy);
	test_db_close(&t);
	return rc;
}
