/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tenant isolation, by the roles themselves and without the module's help: every table, every verb,
 * with the own context, with another tenant's, with none, and with one that has just ended.
 */
#include "isolation_fixture.h"

static void
every_table_of_the_schema_is_in_this_test(void **state)
{
	char sql[SQL_SIZE], n[16];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		(void)snprintf(sql, sizeof(sql), "select to_regclass('wardian.%s') is not null",
		    tables[i].name);
		assert_string_equal(test_text(t.url, sql), "t");
	}
	(void)snprintf(n, sizeof(n), "%zu", ARRAY_LEN(tables) + ARRAY_LEN(platform_tables));
	assert_string_equal(
	    test_text(t.url,
		"select count(*) from pg_class where relnamespace = 'wardian'::regnamespace"
		" and relkind in ('r', 'p', 'v', 'm', 'f') and relname <> 'schema_migration'"),
	    n);
}

static void
foreign_rows_are_neither_read_nor_written_whatever_the_verb(void **state)
{
	char sql[SQL_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		for (const char *verb = "SIUD"; *verb != '\0'; verb++) {
			for (int c = NONE; c <= ALPHA; c++) {
				int64_t n;

				print_verb(*verb, &tables[i], beta_text, sql);
				n = attempt(API, c, sql);
				/* Refused, or nothing there; an insert must be refused as such. */
				if (n == -1 || (n == 0 && *verb != 'I'))
					continue;
				if (n == -2 && *verb == 'I' && tables[i].values == NULL)
					continue; /* not even a row */
				fail_msg("%c on %s with %s: %lld", *verb, tables[i].name,
				    context_names[c], (long long)n);
			}
		}
	}
}

static void
own_rows_are_invisible_without_a_context(void **state)
{
	char sql[SQL_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		print_verb('S', &tables[i], alpha_text, sql);
		assert_int_equal(attempt(API, NONE, sql), 0);
		assert_int_equal(attempt(API, ENDED, sql), 0);
		assert_int_equal(attempt(API, ALPHA, sql), 1);
		print_verb('I', &tables[i], alpha_text, sql);
		if (tables[i].values == NULL && strchr(tables[i].may[API], 'I') != NULL)
			continue; /* no whole row to try with */
		assert_int_equal(attempt(API, NONE, sql), -1);
		assert_int_equal(attempt(API, ENDED, sql), -1);
	}
}

static void
check_grants(enum context c, const struct table *x, const char *allowed)
{
	char sql[SQL_SIZE];

	for (const char *verb = "SIUD"; *verb != '\0'; verb++) {
		int64_t n;

		/* Of columns: the touched one is the api's; the others write others. */
		print_verb(*verb, x, alpha_text, sql);
		n = attempt(API, c, sql);
		if (strchr(allowed, *verb) == NULL && n != -1)
			fail_msg("%c on %s is not refused: %lld", *verb, x->name, (long long)n);
		if (*verb == 'S' && strchr(allowed, 'S') != NULL && n != 1)
			fail_msg("%c on %s: %lld", *verb, x->name, (long long)n);
		/* A duplicate key is the answer to an insert that was allowed. */
		if (*verb == 'I' && strchr(allowed, 'I') != NULL && n != -2)
			fail_msg("%c on %s: %lld", *verb, x->name, (long long)n);
	}
}

static void
each_role_has_exactly_the_verbs_that_its_work_needs(void **state)
{
	static const char *const verbs[] = { "SELECT", "INSERT", "UPDATE", "DELETE" };
	char sql[SQL_SIZE], got[8];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		check_grants(ALPHA, &tables[i], tables[i].may[API]);
		for (int role = 0; role < ROLES; role++) {
			size_t n = 0;

			for (size_t v = 0; v < ARRAY_LEN(verbs); v++) {
				(void)snprintf(sql, sizeof(sql),
				    "select has_%s_privilege('%s', 'wardian.%s', '%s')",
				    verbs[v][0] == 'D' ? "table" : "any_column", role_names[role],
				    tables[i].name, verbs[v]);
				if (strcmp(test_text(t.url, sql), "t") == 0)
					got[n++] = verbs[v][0];
			}
			got[n] = '\0';
			if (strcmp(got, tables[i].may[role]) != 0)
				fail_msg("%s: %s has %s", tables[i].name, role_names[role], got);
		}
	}
}

static void
other_roles_see_rows_of_all_tenants_where_they_may_read(void **state)
{
	char sql[SQL_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		(void)snprintf(sql, sizeof(sql),
		    "select tenant_id from %s where tenant_id in ('%s', '%s')", tables[i].name,
		    alpha_text, beta_text);
		for (int role = SCHED; role <= PLATFORM; role++)
			assert_int_equal(attempt(role, NONE, sql),
			    strchr(tables[i].may[role], 'S') != NULL ? 2 : -1);
	}
}

static void
a_tenant_cannot_move_a_row_to_another_tenant(void **state)
{
	char sql[SQL_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		(void)snprintf(
		    sql, sizeof(sql), "update %s set tenant_id = '%s'", tables[i].name, beta_text);
		assert_int_equal(attempt(API, ALPHA, sql), -1);
		assert_int_equal(attempt(SCHED, NONE, sql), -1);
		assert_int_equal(attempt(PLATFORM, NONE, sql), -1);
	}
}

/* --- ways around ------------------------------------------------------------------------------ */

static void
a_row_cannot_refer_to_another_tenants_row(void **state)
{
	struct db_owner *o;
	struct err e;
	char sql[SQL_SIZE];

	(void)state;
	/* Beta's second job; alpha's manifest for it would need alpha's job of that id. */
	(void)snprintf(sql, sizeof(sql),
	    "insert into job (tenant_id, job_id, project_id, environment, environment_digest, "
	    "priority, cpu_milli, memory_bytes, created_by)"
	    " values ('%s', " ID("0f") ", " PROJECT ", 'e', 'd', 0, 1000, 1, " KEY ")",
	    beta_text);
	test_script(t.url, sql);
	must(db_owner_open(role_urls[API], TEST_TIMEOUT_MS, &o, &e));
	(void)snprintf(sql, sizeof(sql),
	    "begin; select set_config('wardian.tenant_id', '%s', true);"
	    "insert into job_manifest values ('%s', " ID("0f") ", '{}')",
	    alpha_text, alpha_text);
	must_fail(ERR_DB, db_owner_script(o, sql, TEST_TIMEOUT_MS, &e));
	assert_non_null(strstr(e.msg, "23503"));
	db_owner_free(o);
	test_script(t.url, "delete from job where job_id = " ID("0f"));
}

static void
the_same_keys_may_exist_in_two_tenants(void **state)
{
	/* seed() made every row of both tenants with the same ids and names. */
	(void)state;
	assert_string_equal(
	    test_text(t.url,
		"select count(distinct tenant_id) from api_key where public_id = 'abcdefghijkl'"),
	    "2");
	assert_string_equal(
	    test_text(t.url, "select count(distinct tenant_id) from idempotency where key = 'k'"),
	    "2");
}

static void
ways_around_the_tables_are_closed(void **state)
{
	static const char *const refused[] = {
		"truncate job",
		"create temporary table x (a int)",
		"create table x (a int)",
		"create table public.x (a int)",
		"create schema x",
		"create function f() returns int language sql as 'select 1'",
		"set role wardian_owner",
		"set role wardian_admin",
		"alter table job disable row level security",
		"alter role wardian_api bypassrls",
		"alter role wardian_platform bypassrls",
		"copy job to '/tmp/x'",
		"copy job to program 'true'",
		"select last_value from tenant_uid_slot",
		"select pg_read_file('/etc/passwd')",
		"drop table job",
		"select number from schema_migration",
		"create policy p on job using (true)",
		"vacuum full job",
		"comment on table job is ''",
		"alter system set fsync = off",
		"create extension dblink",
		"set session authorization wardian_admin",
		"reindex table job",
	};

	(void)state;
	/* A role that may delete rows may lock their table; that is not refused to the others. */
	assert_int_equal(attempt(API, NONE, "lock table job in access exclusive mode"), -1);
	for (size_t i = 0; i < ARRAY_LEN(refused) * ROLES; i++) {
		int64_t n = attempt((int)(i % ROLES), NONE, refused[i / ROLES]);

		if (n >= 0)
			fail_msg("%s: %s: %lld", role_names[i % ROLES], refused[i / ROLES],
			    (long long)n);
	}
}

static void
no_role_becomes_another_and_only_the_platform_draws_slots(void **state)
{
	char sql[SQL_SIZE];

	(void)state;
	for (int role = 0; role < ROLES; role++) {
		for (int other = 0; other < ROLES; other++) {
			(void)snprintf(sql, sizeof(sql), "set role %s", role_names[other]);
			assert_int_equal(attempt(role, NONE, sql), role == other ? 0 : -1);
		}
		assert_int_equal(attempt(role, NONE, "select nextval('tenant_uid_slot')"),
		    role == PLATFORM ? 1 : -1);
	}
}

static void
row_security_off_is_an_error_and_not_a_leak(void **state)
{
	struct db_owner *o;
	struct err e;

	(void)state;
	must(db_owner_open(role_urls[API], TEST_TIMEOUT_MS, &o, &e));
	must(db_owner_script(o, "set row_security = off", TEST_TIMEOUT_MS, &e));
	must_fail(ERR_DB, db_owner_script(o, "select * from job", TEST_TIMEOUT_MS, &e));
	db_owner_free(o);
}

/* --- the module's own connections ------------------------------------------------------------- */

static const char sql_text[] =
    "-- :name t_leak :role api\nselect set_config('wardian.tenant_id', $1::text, false) as x\n"
    "-- :name t_jobs :role api\nselect tenant_id from job\n";
static const struct db_sql sql[] = { { "t", sql_text }, { NULL, NULL } };

static void
a_connection_that_kept_a_context_is_given_up_before_it_serves_another_tenant(void **state)
{
	const struct db_options o = { .url = t.url,
		.api_connections = 1,
		.sched_connections = 1,
		.platform_connections = 1,
		.timeout_ms = 5000,
		.sql = sql };
	const struct db_arg leak[] = { DB_ARG_TEXT(beta_text), DB_ARGS_END },
			    none[] = { DB_ARGS_END };
	struct uuid seen = { { 0 } };
	const struct db_col cols[] = { DB_UUID("tenant_id", &seen), DB_COLS_END };
	struct db_tx *tx;
	struct db *db;
	struct err e;

	(void)state;
	must(db_open(&o, &db, &e));
	must(db_tx_begin(db, beta, &tx, &e));
	must(db_one_commit(&tx, "t_leak", leak, NULL, NULL, &e));
	must_fail(ERR_INTERNAL, db_read_one(db, alpha, "t_jobs", none, cols, NULL, &e));
	assert_true(uuid_is_nil(seen));
	assert_int_equal(db_read_one(db, alpha, "t_jobs", none, cols, NULL, &e), 1);
	assert_int_equal(uuid_cmp(seen, alpha.uuid), 0);
	db_free(db);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(every_table_of_the_schema_is_in_this_test),
	cmocka_unit_test(foreign_rows_are_neither_read_nor_written_whatever_the_verb),
	cmocka_unit_test(own_rows_are_invisible_without_a_context),
	cmocka_unit_test(each_role_has_exactly_the_verbs_that_its_work_needs),
	cmocka_unit_test(other_roles_see_rows_of_all_tenants_where_they_may_read),
	cmocka_unit_test(a_tenant_cannot_move_a_row_to_another_tenant),
	cmocka_unit_test(a_row_cannot_refer_to_another_tenants_row),
	cmocka_unit_test(the_same_keys_may_exist_in_two_tenants),
	cmocka_unit_test(ways_around_the_tables_are_closed),
	cmocka_unit_test(no_role_becomes_another_and_only_the_platform_draws_slots),
	cmocka_unit_test(row_security_off_is_an_error_and_not_a_leak),
	cmocka_unit_test(
	    a_connection_that_kept_a_context_is_given_up_before_it_serves_another_tenant),
};

int
main(void)
{
	int rc;

	isolation_open();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	isolation_close();
	return rc;
}
