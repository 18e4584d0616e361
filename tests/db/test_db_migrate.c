/* SPDX-License-Identifier: Apache-2.0 */
/* Migrations: fresh, again, changed, unknown, broken, and at the same time. */
#include "test_db.h"

#include "db_migrate_internal.h"
#include "lock.h"

static struct test_db t;
static const struct log silent;

static int
migrate(struct err *e)
{
	return db_migrate_up(t.url, TEST_TIMEOUT_MS, &silent, e);
}

static int
count_files(void)
{
	int n = 0;

	while (db_migration_files[n].name != NULL)
		n++;
	return n;
}

static int
count_applied(void *ctx, const struct db_migration *m)
{
	int *n = ctx;

	n[0]++;
	n[1] += m->applied;
	assert_int_equal(m->number, n[0]);
	assert_true(m->applied == (m->applied_wall_us > 0));
	return 0;
}

static int
fresh(void **state)
{
	(void)state;
	test_database_new(&t);
	return 0;
}

static void
a_fresh_database_gets_all_migrations_and_the_second_run_none(void **state)
{
	int n[2] = { 0 };
	struct err e;

	(void)state;
	must(db_migrate_status(t.url, TEST_TIMEOUT_MS, count_applied, n, &e));
	assert_int_equal(n[0], count_files());
	assert_int_equal(n[1], 0);
	assert_int_equal(migrate(&e), count_files());
	assert_int_equal(migrate(&e), 0);
	n[0] = n[1] = 0;
	must(db_migrate_status(t.url, TEST_TIMEOUT_MS, count_applied, n, &e));
	assert_int_equal(n[1], count_files());
}

static void
a_changed_migration_is_refused(void **state)
{
	struct err e;

	(void)state;
	must(migrate(&e));
	test_script(
	    t.url, "update wardian.schema_migration set sha256 = repeat('0', 64) where number = 2");
	must_fail(ERR_DB_SCHEMA, migrate(&e));
	assert_non_null(strstr(e.msg, "0002_tenant"));
	must_fail(ERR_DB_SCHEMA,
	    db_migrate_status(t.url, TEST_TIMEOUT_MS, count_applied, (int[2]){ 0 }, &e));
}

static void
a_migration_of_a_newer_version_is_refused(void **state)
{
	struct err e;

	(void)state;
	must(migrate(&e));
	test_script(t.url,
	    "insert into wardian.schema_migration (number, name, sha256)"
	    " select max(number) + 1, '9999_future', 'x' from wardian.schema_migration");
	must_fail(ERR_DB_SCHEMA, migrate(&e));
	assert_non_null(strstr(e.msg, "9999_future"));
	assert_non_null(strstr(e.msg, "install"));
}

static void
a_missing_migration_is_refused(void **state)
{
	struct err e;

	(void)state;
	must(migrate(&e));
	test_script(t.url, "delete from wardian.schema_migration where number = 2");
	must_fail(ERR_DB_SCHEMA, migrate(&e));
	assert_non_null(strstr(e.msg, "migration 2 is missing"));
}

/* The real first one, then what a test wants. */
static int
migrate_with(const char *second, const char *third, struct err *e)
{
	const struct db_migration_file files[] = { db_migration_files[0], { "0002_x", second },
		{ third == NULL ? NULL : "0003_y", third }, { NULL, NULL } };

	return db_migrate_up_of(files, t.url, TEST_TIMEOUT_MS, &silent, e);
}

static void
a_migration_that_fails_leaves_nothing_and_can_be_run_again(void **state)
{
	struct err e;

	(void)state;
	must_fail(ERR_DB, migrate_with("create table x (a int); select 1/0;", NULL, &e));
	assert_non_null(strstr(e.msg, "0002_x"));
	assert_string_equal(test_text(t.url, "select to_regclass('wardian.x') is null"), "t");
	assert_string_equal(test_text(t.url, "select count(*) from wardian.schema_migration"), "1");
	assert_int_equal(migrate_with("create table x (a int)", "create table y (a int)", &e), 2);
	assert_string_equal(test_text(t.url, "select to_regclass('wardian.y') is not null"), "t");
}

static void
what_a_migration_makes_belongs_to_wardian_owner(void **state)
{
	struct err e;

	(void)state;
	must(migrate_with("create table x (a int)", NULL, &e));
	assert_string_equal(
	    test_text(t.url,
		"select string_agg(distinct pg_get_userbyid(relowner), ',') from pg_class"
		" where relnamespace = 'wardian'::regnamespace"),
	    "wardian_owner");
}

static void
a_migration_that_says_so_runs_as_the_role_of_the_url(void **state)
{
	struct err e;

	(void)state;
	must(migrate_with("-- A head comment.\n-- :as connecting\n-- More of it.\n"
			  "create table public.connecting (a int)",
	    "create table y (a int);\n-- :as connecting\n", &e));
	/* What comes behind it, and a line that is not in the head, run as the owner. */
	assert_string_equal(
	    test_text(t.url,
		"select string_agg(relname || ' ' || pg_get_userbyid(relowner), ', ' order by 1)"
		" from pg_class where relname in ('connecting', 'y')"),
	    "connecting wardian_admin, y wardian_owner");
	assert_string_equal(test_text(t.url, "select count(*) from wardian.schema_migration"), "3");
}

static void *
migrate_in_thread(void *arg)
{
	struct err e;
	int *ret = arg;

	*ret = migrate(&e);
	if (*ret < 0)
		fprintf(stderr, "%s\n", e.msg);
	return NULL;
}

static void
daemons_that_start_together_migrate_once(void **state)
{
	enum { DAEMONS = 6 };
	struct thread threads[DAEMONS] = { 0 };
	int ret[DAEMONS], done = 0;
	struct err e;

	(void)state;
	for (int i = 0; i < DAEMONS; i++)
		must(thread_start(&threads[i], "migrate", migrate_in_thread, &ret[i], &e));
	for (int i = 0; i < DAEMONS; i++) {
		thread_join(&threads[i]);
		assert_true(ret[i] == 0 || ret[i] == count_files());
		done += ret[i] > 0;
	}
	assert_int_equal(done, 1);
}

static struct db *
open_pools(const char *url)
{
	const struct db_options o = { .url = url,
		.api_connections = 1,
		.sched_connections = 1,
		.platform_connections = 1,
		.timeout_ms = 5000 };
	struct db *db = NULL;
	struct err e;

	must(db_open(&o, &db, &e));
	return db;
}

/* An administrator applied what came before wardian_platform; the daemon's role is a member of the
 * owner and no more. */
static void
a_member_of_the_owner_is_told_which_role_to_have_made_and_then_goes_on(void **state)
{
	enum { BEFORE = 5 };
	struct db_migration_file files[BEFORE + 1] = { 0 };
	char url[TEST_URL_SIZE];
	struct err e;

	(void)state;
	memcpy(files, db_migration_files, BEFORE * sizeof(files[0]));
	assert_int_equal(db_migrate_up_of(files, t.url, TEST_TIMEOUT_MS, &silent, &e), BEFORE);
	test_script(t.admin_url, "create role member login; grant wardian_owner to member");
	test_url_as(t.url, "member", url);
	must_fail(ERR_DB, db_migrate_up(url, TEST_TIMEOUT_MS, &silent, &e));
	assert_non_null(strstr(e.msg, "role member may not create roles"));
	assert_non_null(strstr(e.msg, "run CREATE ROLE wardian_platform LOGIN as"));
	test_script(t.admin_url, "CREATE ROLE wardian_platform LOGIN");
	assert_int_equal(db_migrate_up(url, TEST_TIMEOUT_MS, &silent, &e), count_files() - BEFORE);
	db_free(open_pools(url));
}

/* Leaves a server without any of Wardian's roles. */
static int
forget_roles(void **state)
{
	char sql[256];

	(void)state;
	(void)snprintf(sql, sizeof(sql), "drop database %s with (force)", t.name);
	test_script(t.admin_url, sql);
	test_script(t.admin_url,
	    "drop role member, wardian_owner, wardian_api, wardian_sched, wardian_platform");
	return 0;
}

/* While the server has none of Wardian's roles. */
static void
a_role_that_may_create_roles_and_owns_the_database_is_enough(void **state)
{
	char url[TEST_URL_SIZE], sql[256];
	struct err e;

	(void)state;
	(void)snprintf(sql, sizeof(sql),
	    "create role plain login createrole; alter database %s owner to plain", t.name);
	test_script(t.admin_url, sql);
	test_url_as(t.url, "plain", url);
	assert_int_equal(db_migrate_up(url, TEST_TIMEOUT_MS, &silent, &e), count_files());
	assert_int_equal(db_migrate_up(url, TEST_TIMEOUT_MS, &silent, &e), 0);
}

static int
login_as(const char *role, const char *password)
{
	char url[TEST_URL_SIZE], base[TEST_URL_SIZE];
	struct db_owner *o = NULL;
	struct err e;
	int rc;

	test_url_as(t.url, role, base);
	(void)snprintf(url, sizeof(url), "%.900s password=%.80s", base, password);
	rc = db_owner_open(url, 300, &o, &e);
	db_owner_free(o);
	return rc;
}

static void
ask_for_passwords(void)
{
	char hba[128];
	FILE *f;

	(void)snprintf(hba, sizeof(hba), "%s/data/pg_hba.conf", t.dir);
	f = fopen(hba, "w");
	assert_non_null(f);
	fputs("local all wardian_admin trust\nlocal all all scram-sha-256\n", f);
	fclose(f);
	test_script(t.admin_url, "select pg_reload_conf(); select pg_sleep(0.2)");
}

static void
serving_roles_get_passwords_that_follow_from_the_urls(void **state)
{
	/* HMAC-SHA-256 of the role's name under the key "owner's", by another program. */
	static const char *const derived[][2] = {
		{ "wardian_api",
		    "cc2d7a9fbcfd69b95962fd2a942653a0f67e53bc00c10fb90f153cdaab4e0647" },
		{ "wardian_sched",
		    "a115692c5818630474dfa7381587ce43cb25e44ac9b55928b47b7d2b023621de" },
		{ "wardian_platform",
		    "510bd07c9fbe7dc0d39a4fddea24b8d0a6136f9e1ebd09393e4b33ad214404af" },
	};
	char url[TEST_URL_SIZE];
	struct db *db;
	struct err e;

	(void)state;
	(void)snprintf(url, sizeof(url), "%.900s password='owner\\'s'", t.url);
	must(db_migrate_up(url, TEST_TIMEOUT_MS, &silent, &e));
	assert_string_equal(
	    test_text(t.admin_url, "select count(*) from pg_authid where rolpassword"
				   " like 'SCRAM-SHA-256$%' and rolname ~ '^wardian_'"),
	    "3");
	ask_for_passwords();
	for (size_t i = 0; i < ARRAY_LEN(derived); i++) {
		assert_int_equal(login_as(derived[i][0], "wrong"), -1);
		assert_int_equal(login_as(derived[i][0], derived[i][1]), 0);
	}
	db = open_pools(url);
	assert_string_equal(
	    test_text(t.url,
		"select string_agg(distinct usename || ' ' || application_name, ', ')"
		" from pg_stat_activity where usename ~ '^wardian_(api|sched|platform)$'"),
	    "wardian_api wardiand-api, wardian_platform wardiand-platform, "
	    "wardian_sched wardiand-sched");
	db_free(db);
}

/* With the passwords and the rules of the test before. */
static void
a_role_that_may_not_set_passwords_leaves_them_as_they_are(void **state)
{
	static const char verifiers[] = "select md5(string_agg(rolpassword, ' ' order by rolname))"
					" from pg_authid where rolname ~ '^wardian_'";
	char member[TEST_URL_SIZE], url[TEST_URL_SIZE], before[64];
	struct err e;

	(void)state;
	must(migrate(&e));
	test_script(t.admin_url,
	    "create role keeper login password 'owner''s'; grant wardian_owner to keeper");
	(void)snprintf(before, sizeof(before), "%.60s", test_text(t.admin_url, verifiers));
	test_url_as(t.url, "keeper", member);
	(void)snprintf(url, sizeof(url), "%.900s password='owner\\'s'", member);
	assert_int_equal(db_migrate_up(url, TEST_TIMEOUT_MS, &silent, &e), 0);
	assert_string_equal(test_text(t.admin_url, verifiers), before);
	db_free(open_pools(url));
}

static void
an_unreachable_server_is_told_within_the_deadline(void **state)
{
	int64_t start = clock_mono_ms();
	struct err e;

	(void)state;
	must_fail(
	    ERR_UNAVAILABLE, db_migrate_up("host=/nonexistent user=x dbname=y", 300, &silent, &e));
	assert_in_range(clock_mono_ms() - start, 200, 2000);
	must_fail(ERR_CONF, db_migrate_up("postgresql://a:secret@[", 300, &silent, &e));
	assert_null(strstr(e.msg, "secret"));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(
	    a_member_of_the_owner_is_told_which_role_to_have_made_and_then_goes_on, fresh,
	    forget_roles),
	cmocka_unit_test_setup(a_role_that_may_create_roles_and_owns_the_database_is_enough, fresh),
	cmocka_unit_test_setup(a_fresh_database_gets_all_migrations_and_the_second_run_none, fresh),
	cmocka_unit_test_setup(a_changed_migration_is_refused, fresh),
	cmocka_unit_test_setup(a_migration_of_a_newer_version_is_refused, fresh),
	cmocka_unit_test_setup(a_missing_migration_is_refused, fresh),
	cmocka_unit_test_setup(a_migration_that_fails_leaves_nothing_and_can_be_run_again, fresh),
	cmocka_unit_test_setup(what_a_migration_makes_belongs_to_wardian_owner, fresh),
	cmocka_unit_test_setup(a_migration_that_says_so_runs_as_the_role_of_the_url, fresh),
	cmocka_unit_test_setup(daemons_that_start_together_migrate_once, fresh),
	cmocka_unit_test_setup(serving_roles_get_passwords_that_follow_from_the_urls, fresh),
	cmocka_unit_test_setup(a_role_that_may_not_set_passwords_leaves_them_as_they_are, fresh),
	cmocka_unit_test(an_unreachable_server_is_told_within_the_deadline),
};

int
main(void)
{
	int rc;

	test_cluster_open(&t);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	test_db_close(&t);
	return rc;
}
