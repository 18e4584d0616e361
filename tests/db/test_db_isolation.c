/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tenant isolation, by the roles themselves and without the module's help: every table, every verb,
 * with the own context, with another tenant's, with none, and with one that has just ended.
 */
#include "test_db.h"

enum { SQL_SIZE = 4096 };

static struct test_db t;
static char api_url[TEST_URL_SIZE], sched_url[TEST_URL_SIZE];
static struct tenant_id alpha, beta;
static char alpha_text[UUID_STR_SIZE], beta_text[UUID_STR_SIZE];

/* What each role may do: S(elect) I(nsert) U(pdate some column) D(elete). */
struct table {
	const char *name, *api, *sched;
	const char *columns,
	    *values;       /* of one row beside tenant_id; %s: an id made from the tenant */
	const char *touch; /* a column to update */
};
static const struct table tables[] = {
	{ "tenant", "S", "SI", "", "", "name" },
	{ "api_key", "SIU", "S", ", key_id, public_id, hash, name",
	    ", '00000000-0000-7000-8000-000000000002', 'abcdefghijkl', decode(repeat('00', 32), "
	    "'hex'), 'k'",
	    "revoked_at" },
	{ "job", "SI", "SU",
	    ", job_id, environment, environment_digest, priority, cpu_milli, memory_bytes, "
	    "created_by",
	    ", '00000000-0000-7000-8000-000000000001', 'e', 'd', 0, 1000, 1, "
	    "'00000000-0000-7000-8000-000000000002'",
	    "cause" },
	{ "job_manifest", "SI", "S", ", job_id, manifest",
	    ", '00000000-0000-7000-8000-000000000001', '{}'", "manifest" },
	{ "job_queue", "SIU", "SUD", ", job_id, priority, cpu_milli, memory_bytes, max_attempts",
	    ", '00000000-0000-7000-8000-000000000001', 0, 1000, 1, 1", "cancel_requested_at" },
	{ "job_event", "S", "SI", ", job_id, number, from_state, to_state, event, epoch",
	    ", '00000000-0000-7000-8000-000000000001', 0, 'queued', 'claimed', 'claim', 1",
	    "detail" },
	{ "job_attempt", "S", "SI",
	    ", job_id, epoch, node_id, outcome, exit_code, signal, ended_at, wall_ns, cpu_user_ns, "
	    "cpu_system_ns,"
	    " memory_peak_bytes, throttled_ns, log_bytes, output_files, output_bytes, "
	    "log_truncated",
	    ", '00000000-0000-7000-8000-000000000001', 1, '00000000-0000-7000-8000-000000000003', "
	    "'exited', 0, 0, now(),"
	    " 1, 1, 1, 1, 1, 1, 1, 1, false",
	    "outcome" },
	{ "idempotency", "SI", "", ", key, fingerprint, resource_id",
	    ", 'k', decode(repeat('00', 32), 'hex'), '00000000-0000-7000-8000-000000000001'",
	    "key" },
	{ "result", "S", "SID", ", job_id, name, value",
	    ", '00000000-0000-7000-8000-000000000001', 'n', 1", "unit" },
	{ "metric", "S", "SID", ", job_id, name, number, step, value",
	    ", '00000000-0000-7000-8000-000000000001', 'n', 0, 0, 0", "value" },
	{ "audit_log", "SI", "I", ", audit_id, actor, action, resource, outcome",
	    ", '00000000-0000-7000-8000-000000000004', 'system', 'a', 'r', 'ok'", "outcome" },
};

enum context { NONE, ENDED, ALPHA };
static const char *const context_names[] = { "no context", "an ended context", "alpha's context" };

/* One session for each role and context; that of NONE never sees a tenant set. */
static struct db_owner *sessions[2][3];

static struct db_owner *
session(const char *url, enum context c)
{
	struct db_owner **o = &sessions[url == sched_url][c];
	char begin[256];
	struct err e;

	if (*o == NULL)
		must(db_owner_open(url, TEST_TIMEOUT_MS, o, &e));
	(void)snprintf(begin, sizeof(begin), "begin; %s%s%s%s",
	    c == NONE ? "" : "select set_config('wardian.tenant_id', '",
	    c == NONE ? "" : alpha_text, c == NONE ? "" : "', true)",
	    c == ENDED ? "; commit; begin" : "");
	must(db_owner_script(*o, begin, TEST_TIMEOUT_MS, &e));
	return *o;
}

static void
close_sessions(void)
{
	for (int i = 0; i < 6; i++)
		db_owner_free(sessions[i / 3][i % 3]);
}

/* Rows that a statement counts or affects, -1 when it is refused for lack of rights, -2 otherwise.
 */
static int64_t
attempt(const char *url, enum context c, const char *sql)
{
	struct db_owner *o = session(url, c);
	struct err e, ignored;
	int64_t n = db_owner_query(o, sql, 0, NULL, NULL, NULL, &e);

	if (db_owner_script(o, "rollback", TEST_TIMEOUT_MS, &ignored) < 0)
		test_die("rollback", ignored.msg);
	if (n < 0)
		return strstr(e.msg, "42501") != NULL ? -1 : -2;
	return n;
}

static void
print_verb(char verb, const struct table *x, const char *tenant, char out[static SQL_SIZE])
{
	switch (verb) {
	case 'S':
		(void)snprintf(out, SQL_SIZE, "select tenant_id from %s where tenant_id = '%s'",
		    x->name, tenant);
		break;
	case 'I':
		(void)snprintf(out, SQL_SIZE, "insert into %s (tenant_id%s) values ('%s'%s)",
		    x->name, x->columns, tenant, x->values);
		break;
	case 'U':
		(void)snprintf(out, SQL_SIZE, "update %s set %s = %s where tenant_id = '%s'",
		    x->name, x->touch, x->touch, tenant);
		break;
	default:
		(void)snprintf(
		    out, SQL_SIZE, "delete from %s where tenant_id = '%s'", x->name, tenant);
	}
}

static void
seed(const char *tenant)
{
	char sql[SQL_SIZE];

	for (size_t i = 1; i < ARRAY_LEN(tables); i++) {
		(void)snprintf(sql, sizeof(sql), "insert into %s (tenant_id%s) values ('%s'%s)",
		    tables[i].name, tables[i].columns, tenant, tables[i].values);
		test_script(t.url, sql);
	}
}

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
	(void)snprintf(n, sizeof(n), "%zu", ARRAY_LEN(tables));
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
				n = attempt(api_url, c, sql);
				/* Refused, or nothing there; an insert must be refused as such. */
				if (n == -1 || (n == 0 && *verb != 'I'))
					continue;
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
		assert_int_equal(attempt(api_url, NONE, sql), 0);
		assert_int_equal(attempt(api_url, ENDED, sql), 0);
		assert_int_equal(attempt(api_url, ALPHA, sql), 1);
		print_verb('I', &tables[i], alpha_text, sql);
		assert_int_equal(attempt(api_url, NONE, sql), -1);
		assert_int_equal(attempt(api_url, ENDED, sql), -1);
	}
}

static void
check_grants(const char *url, enum context c, const struct table *x, const char *allowed)
{
	char sql[SQL_SIZE];

	for (const char *verb = "SIUD"; *verb != '\0'; verb++) {
		int64_t n;

		/* Of columns: the touched one is the api's; the scheduler writes others. */
		print_verb(*verb, x, alpha_text, sql);
		n = attempt(url, c, sql);
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
		check_grants(api_url, ALPHA, &tables[i], tables[i].api);
		for (int role = 0; role < 2; role++) {
			size_t n = 0;

			for (size_t v = 0; v < ARRAY_LEN(verbs); v++) {
				(void)snprintf(sql, sizeof(sql),
				    "select has_%s_privilege('%s', 'wardian.%s', '%s')",
				    verbs[v][0] == 'D' ? "table" : "any_column",
				    role == 0 ? "wardian_api" : "wardian_sched", tables[i].name,
				    verbs[v]);
				if (strcmp(test_text(t.url, sql), "t") == 0)
					got[n++] = verbs[v][0];
			}
			got[n] = '\0';
			if (strcmp(got, role == 0 ? tables[i].api : tables[i].sched) != 0)
				fail_msg("%s: role %d has %s", tables[i].name, role, got);
		}
	}
}

static void
the_scheduler_reads_all_tenants_where_it_may_read(void **state)
{
	char sql[SQL_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		(void)snprintf(sql, sizeof(sql), "select tenant_id from %s", tables[i].name);
		assert_int_equal(
		    attempt(sched_url, NONE, sql), strchr(tables[i].sched, 'S') != NULL ? 2 : -1);
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
		assert_int_equal(attempt(api_url, ALPHA, sql), -1);
		assert_int_equal(attempt(sched_url, NONE, sql), -1);
	}
}

static void
a_row_cannot_refer_to_another_tenants_row(void **state)
{
	struct db_owner *o;
	struct err e;
	char sql[SQL_SIZE];

	(void)state;
	/* Beta's second job; alpha's manifest for it would need alpha's job of that id. */
	(void)snprintf(sql, sizeof(sql),
	    "insert into job (tenant_id%s) values ('%s', '00000000-0000-7000-8000-00000000000f',"
	    " 'e', 'd', 0, 1000, 1, '00000000-0000-7000-8000-000000000002')",
	    tables[2].columns, beta_text);
	test_script(t.url, sql);
	must(db_owner_open(api_url, TEST_TIMEOUT_MS, &o, &e));
	(void)snprintf(sql, sizeof(sql),
	    "begin; select set_config('wardian.tenant_id', '%s', true);"
	    "insert into job_manifest values ('%s', '00000000-0000-7000-8000-00000000000f', '{}')",
	    alpha_text, alpha_text);
	must_fail(ERR_DB, db_owner_script(o, sql, TEST_TIMEOUT_MS, &e));
	assert_non_null(strstr(e.msg, "23503"));
	db_owner_free(o);
	test_script(t.url, "delete from job where job_id = '00000000-0000-7000-8000-00000000000f'");
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
		"set role wardian_sched",
		"alter table job disable row level security",
		"alter role wardian_api bypassrls",
		"copy job to '/tmp/x'",
		"copy job to program 'true'",
		"select nextval('tenant_uid_slot')",
		"select last_value from tenant_uid_slot",
		"select pg_read_file('/etc/passwd')",
		"lock table job in access exclusive mode",
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
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		int64_t n = attempt(api_url, NONE, refused[i]);

		if (n >= 0)
			fail_msg("%s: %lld", refused[i], (long long)n);
	}
}

static void
row_security_off_is_an_error_and_not_a_leak(void **state)
{
	struct db_owner *o;
	struct err e;

	(void)state;
	must(db_owner_open(api_url, TEST_TIMEOUT_MS, &o, &e));
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
	cmocka_unit_test(the_scheduler_reads_all_tenants_where_it_may_read),
	cmocka_unit_test(a_tenant_cannot_move_a_row_to_another_tenant),
	cmocka_unit_test(a_row_cannot_refer_to_another_tenants_row),
	cmocka_unit_test(the_same_keys_may_exist_in_two_tenants),
	cmocka_unit_test(ways_around_the_tables_are_closed),
	cmocka_unit_test(row_security_off_is_an_error_and_not_a_leak),
	cmocka_unit_test(
	    a_connection_that_kept_a_context_is_given_up_before_it_serves_another_tenant),
};

int
main(void)
{
	int rc;

	test_cluster_open(&t);
	test_database_new(&t);
	test_migrate(&t);
	test_url_as(t.url, "wardian_api", api_url);
	test_url_as(t.url, "wardian_sched", sched_url);
	alpha = test_tenant(&t, "alpha");
	beta = test_tenant(&t, "beta");
	(void)uuid_format(alpha.uuid, alpha_text);
	(void)uuid_format(beta.uuid, beta_text);
	seed(alpha_text);
	seed(beta_text);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	close_sessions();
	test_db_close(&t);
	return rc;
}
