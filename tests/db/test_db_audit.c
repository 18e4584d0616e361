/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalogue audit: silent on what the migrations make, and it finds each fault that is planted.
 * Roles belong to the whole server, so this program has one of its own.
 */
#include "test_db.h"

static struct test_db t;

struct findings {
	int n;
	char text[16][256];
};

static void
keep(void *ctx, const char *finding)
{
	struct findings *f = ctx;

	if (f->n < 16)
		(void)snprintf(f->text[f->n], sizeof(f->text[0]), "%s", finding);
	f->n++;
}

static void
audit(struct findings *f)
{
	struct err e;

	f->n = 0;
	must(db_audit_catalogue(t.url, TEST_TIMEOUT_MS, keep, f, &e));
}

static void
the_migrations_pass(void **state)
{
	struct findings f;

	(void)state;
	audit(&f);
	for (int i = 0; i < f.n && i < 16; i++)
		fprintf(stderr, "%s\n", f.text[i]);
	assert_int_equal(f.n, 0);
}

#define MINE "(tenant_id = (select nullif(current_setting('wardian.tenant_id', true), '')::uuid))"
/* A whole table as it should be, to be spoilt. */
#define GOOD(name)                                                                                 \
	"create table " name                                                                       \
	" (tenant_id uuid not null, a int not null, primary key (tenant_id, a));"                  \
	"comment on table " name " is 'x'; comment on column " name                                \
	".tenant_id is 'x'; comment on column " name ".a is 'x';"                                  \
	"alter table " name " enable row level security; alter table " name                        \
	" force row level security;"                                                               \
	"create policy p1 on " name " to wardian_api using " MINE " with check " MINE ";"          \
	"create policy p2 on " name " to wardian_sched using (true) with check (true);"

static const struct fault {
	const char *plant, *cure, *finding;
} faults[] = {
	{ "alter table job disable row level security", "alter table job enable row level security",
	    "table job does not have row-level security enabled and forced" },
	{ "alter table job no force row level security", "alter table job force row level security",
	    "table job does not have row-level security enabled and forced" },
	{ "create policy extra on job to wardian_api using (true) with check (true)",
	    "drop policy extra on job", "policy extra on job is not the tenant expression" },
	{ "create policy extra on job to wardian_api using " MINE " with check " MINE,
	    "drop policy extra on job", "table job has 2 policies for wardian_api instead of one" },
	{ "alter policy job_api on job using (" MINE " or priority > 5)",
	    "alter policy job_api on job using " MINE,
	    "policy job_api on job is not the tenant expression" },
	{ "alter policy job_api on job with check (true)",
	    "alter policy job_api on job with check " MINE,
	    "policy job_api on job is not the tenant expression" },
	{ "alter policy job_api on job using (tenant_id = "
	  "nullif(current_setting('wardian.tenant_id', true), '')::uuid)",
	    "alter policy job_api on job using " MINE,
	    "policy job_api on job is not the tenant expression" },
	{ "drop policy job_api on job",
	    "create policy job_api on job to wardian_api using " MINE " with check " MINE,
	    "table job has 0 policies for wardian_api instead of one" },
	{ "drop policy job_api on job; create policy job_api on job for select to wardian_api "
	  "using " MINE,
	    "drop policy job_api on job; create policy job_api on job to wardian_api using " MINE
	    " with check " MINE,
	    "policy job_api on job must be permissive, for all commands" },
	{ "alter policy job_sched on job to public",
	    "alter policy job_sched on job to wardian_sched",
	    "policy job_sched on job must be permissive, for all commands" },
	{ GOOD("bad") "alter table bad add unique (a)", "drop table bad",
	    "unique key bad_a_key on bad does not begin with tenant_id" },
	{ GOOD("bad") "create index bad_i on bad (a)", "drop table bad",
	    "index bad_i on bad does not begin with tenant_id" },
	{ GOOD("bad") "create index bad_i on bad ((a + 1))", "drop table bad",
	    "index bad_i on bad does not begin with tenant_id" },
	{ GOOD("bad") "alter table bad drop constraint bad_pkey; alter table bad add primary key "
		      "(a, tenant_id)",
	    "drop table bad", "primary key bad_pkey on bad does not begin with tenant_id" },
	{ GOOD("bad") "alter table bad drop constraint bad_pkey", "drop table bad",
	    "table bad has no primary key" },
	{ GOOD("bad") "alter table bad drop constraint bad_pkey; alter table bad alter tenant_id "
		      "drop not null",
	    "drop table bad", "table bad has no column tenant_id of type uuid that is not null" },
	{ GOOD("bad") "alter table bad add b int references tenant (uid_slot); comment on column "
		      "bad.b is 'x'",
	    "drop table bad",
	    "foreign key bad_b_fkey on bad does not bind tenant_id to tenant_id" },
	{ "create function f() returns bigint language sql security definer as 'select count(*) "
	  "from wardian.job'",
	    "drop function f()",
	    "function f() runs with its owner's rights and can be called by wardian_api" },
	{ "create function f(int) returns bool language internal immutable leakproof as 'int4um'; "
	  "revoke all on function f(int) from public",
	    "drop function f(int)",
	    "function f(integer) of schema wardian claims to be leakproof" },
	{ "create view v as select * from job; alter view v owner to wardian_owner", "drop view v",
	    "v is a view without security_invoker" },
	{ "create materialized view m as select * from job; alter materialized view m owner to "
	  "wardian_owner",
	    "drop materialized view m", "m is a materialised view" },
	{ "create rule r as on delete to job do instead nothing", "drop rule r on job",
	    "table job has rule r" },
	{ "create function f() returns trigger language plpgsql as 'begin return new; end'; revoke "
	  "all on function f() from public;"
	  "create trigger g before insert on job execute function f()",
	    "drop trigger g on job; drop function f()", "table job has trigger g" },
	{ "grant select on job to public", "revoke select on job from public",
	    "relation job is granted to PUBLIC: SELECT" },
	{ "grant select (job_id) on job to public", "revoke select (job_id) on job from public",
	    "column job_id of job is granted to PUBLIC: SELECT" },
	{ "grant usage on schema wardian to public", "revoke usage on schema wardian from public",
	    "schema wardian is granted to PUBLIC: USAGE" },
	{ "grant create on schema public to public", "revoke create on schema public from public",
	    "schema public is granted to PUBLIC: CREATE" },
	{ "create function f() returns int language sql as 'select 1'", "drop function f()",
	    "function f() is granted to PUBLIC: EXECUTE" },
	{ "do $$ begin execute format('grant temporary on database %I to public', "
	  "current_database()); end $$",
	    "do $$ begin execute format('revoke temporary on database %I from public', "
	    "current_database()); end $$",
	    "role wardian_api may use temporary in this database" },
	{ "grant create on schema wardian to wardian_api",
	    "revoke create on schema wardian from wardian_api",
	    "role wardian_api may create in schema wardian" },
	{ "alter role wardian_api superuser", "alter role wardian_api nosuperuser",
	    "role wardian_api must not have SUPERUSER" },
	{ "alter role wardian_sched bypassrls", "alter role wardian_sched nobypassrls",
	    "role wardian_sched must not have BYPASSRLS" },
	{ "alter role wardian_api createrole", "alter role wardian_api nocreaterole",
	    "role wardian_api must not have CREATEROLE" },
	{ "alter role wardian_owner login", "alter role wardian_owner nologin",
	    "role wardian_owner must not have LOGIN" },
	{ "grant wardian_owner to wardian_api", "revoke wardian_owner from wardian_api",
	    "role wardian_api must not be a member of wardian_owner" },
	{ "alter table idempotency owner to wardian_api",
	    "alter table idempotency owner to wardian_owner",
	    "role wardian_api owns table idempotency" },
	{ "alter table metric owner to wardian_admin", "alter table metric owner to wardian_owner",
	    "metric belongs to wardian_admin instead of wardian_owner" },
	{ "grant truncate on job to wardian_api", "revoke truncate on job from wardian_api",
	    "TRUNCATE on job is granted to wardian_api" },
	{ "grant references on job to wardian_sched", "revoke references on job from wardian_sched",
	    "REFERENCES on job is granted to wardian_sched" },
	{ "grant trigger on job to wardian_api", "revoke trigger on job from wardian_api",
	    "TRIGGER on job is granted to wardian_api" },
	{ "grant delete on audit_log to wardian_api", "revoke delete on audit_log from wardian_api",
	    "DELETE on audit_log is granted to wardian_api" },
	{ "grant update (actor) on audit_log to wardian_sched",
	    "revoke update (actor) on audit_log from wardian_sched",
	    "UPDATE on audit_log is granted to wardian_sched" },
	{ "grant update on job to wardian_sched",
	    "revoke update on job from wardian_sched; "
	    "grant update (end_state, started_at, ended_at, attempts, last_epoch, cause) on job to "
	    "wardian_sched",
	    "UPDATE on job is granted to wardian_sched" },
	{ "grant update (tenant_id) on job to wardian_sched",
	    "revoke update (tenant_id) on job from wardian_sched",
	    "UPDATE on job is granted to wardian_sched" },
	{ "grant select on metric to wardian_api with grant option",
	    "revoke grant option for select on metric from wardian_api",
	    "SELECT on metric is granted to wardian_api" },
	{ "create role stranger; grant select on job to stranger",
	    "revoke select on job from stranger; drop role stranger",
	    "SELECT on job is granted to stranger" },
	{ "grant usage on sequence tenant_uid_slot to wardian_api",
	    "revoke usage on sequence tenant_uid_slot from wardian_api",
	    "USAGE on tenant_uid_slot is granted to wardian_api" },
	{ "comment on column job.priority is null", "comment on column job.priority is 'x'",
	    "column priority of table job has no comment" },
	{ "comment on table job is null", "comment on table job is 'x'",
	    "table job has no comment" },
};

static bool
found(const struct findings *f, const char *expected)
{
	for (int i = 0; i < f->n && i < 16; i++) {
		if (strncmp(f->text[i], expected, strlen(expected)) == 0)
			return true;
	}
	return false;
}

static void
each_planted_fault_is_found_and_gone_when_cured(void **state)
{
	struct findings f;
	char sql[4096];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		(void)snprintf(sql, sizeof(sql), "set search_path = wardian; %s", faults[i].plant);
		test_script(t.url, sql);
		audit(&f);
		if (!found(&f, faults[i].finding))
			fail_msg("%s: not found; %d findings, the first: %s", faults[i].plant, f.n,
			    f.n > 0 ? f.text[0] : "");
		(void)snprintf(sql, sizeof(sql), "set search_path = wardian; %s", faults[i].cure);
		test_script(t.url, sql);
		audit(&f);
		if (f.n != 0)
			fail_msg("%s: still %s", faults[i].cure, f.text[0]);
	}
}

static void
a_database_without_the_schema_is_a_finding(void **state)
{
	struct test_db empty = t;
	struct findings f = { 0 };
	struct err e;

	(void)state;
	test_database_new(&empty);
	must(db_audit_catalogue(empty.url, TEST_TIMEOUT_MS, keep, &f, &e));
	assert_true(found(&f, "there is no schema wardian"));
}

static void
the_daemon_does_not_serve_a_database_that_fails(void **state)
{
	const struct db_options o = {
		.url = t.url, .api_connections = 1, .sched_connections = 1, .timeout_ms = 5000
	};
	struct db *db;
	struct err e;

	(void)state;
	test_script(t.url, "alter table wardian.job no force row level security");
	must_fail(ERR_DB_SCHEMA, db_open(&o, &db, &e));
	assert_non_null(strstr(e.msg, "table job"));
	test_script(t.url, "alter table wardian.job force row level security");
	must(db_open(&o, &db, &e));
	/* A connection made later looks at its own role again. */
	test_script(t.url, "alter role wardian_api superuser");
	test_script(t.url,
	    "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'wardian_api'");
	must_fail(ERR_DB_SCHEMA, db_ping(db, &e));
	test_script(t.url, "alter role wardian_api nosuperuser");
	must(db_ping(db, &e));
	db_free(db);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_migrations_pass),
	cmocka_unit_test(each_planted_fault_is_found_and_gone_when_cured),
	cmocka_unit_test(a_database_without_the_schema_is_a_finding),
	cmocka_unit_test(the_daemon_does_not_serve_a_database_that_fails),
};

int
main(void)
{
	int rc;

	test_cluster_open(&t);
	test_database_new(&t);
	test_migrate(&t);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	test_db_close(&t);
	return rc;
}
