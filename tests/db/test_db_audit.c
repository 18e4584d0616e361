/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalogue audit: silent on what the migrations make, and it finds each fault that is planted.
 * Roles belong to the whole server, so this program has one of its own.
 */
#include "test_db.h"

enum { FINDINGS_MAX = 256 };

static struct test_db t;

struct findings {
	int n;
	char text[FINDINGS_MAX][256];
};

static void
keep(void *ctx, const char *finding)
{
	struct findings *f = ctx;

	if (f->n < FINDINGS_MAX)
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
	for (int i = 0; i < f.n && i < FINDINGS_MAX; i++)
		fprintf(stderr, "%s\n", f.text[i]);
	assert_int_equal(f.n, 0);
}

#define MINE "(tenant_id = (select nullif(current_setting('wardian.tenant_id', true), '')::uuid))"
#define DELETING "(tenant_id in (select t.tenant_id from tenant t where t.state = 'deleting'))"
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
	    "drop policy extra on job",
	    "table job has 2 permissive policies for wardian_api instead of 1" },
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
	    "table job has 0 permissive policies for wardian_api instead of 1" },
	{ "drop policy job_api on job; create policy job_api on job for select to wardian_api "
	  "using " MINE,
	    "drop policy job_api on job; create policy job_api on job to wardian_api using " MINE
	    " with check " MINE,
	    "policy job_api on job must be permissive, for all commands" },
	{ "alter policy job_sched on job to public",
	    "alter policy job_sched on job to wardian_sched",
	    "policy job_sched on job must be permissive, for all commands" },
	{ "alter policy job_sched on job to wardian_sched, wardian_platform",
	    "alter policy job_sched on job to wardian_sched",
	    "policy job_sched on job must be permissive, for all commands" },
	{ "create policy extra on job as restrictive to wardian_api using (true)",
	    "drop policy extra on job",
	    "policy extra on job must be permissive, for all commands" },
	{ "create policy extra on job as restrictive for update to wardian_platform using (true)",
	    "drop policy extra on job",
	    "policy extra on job must be permissive, for all commands" },
	{ "alter policy job_sched on job using (priority > 5)",
	    "alter policy job_sched on job using (true)",
	    "policy job_sched on job is not true for all rows" },
	{ "alter policy job_platform on job with check (false)",
	    "alter policy job_platform on job with check (true)",
	    "policy job_platform on job is not true for all rows" },
	{ "alter policy job_platform_delete on job using (true)",
	    "alter policy job_platform_delete on job using " DELETING,
	    "policy job_platform_delete on job is not the one that spares tenants" },
	{ "alter policy job_platform_delete on job using (tenant_id in (select t.tenant_id from "
	  "tenant t where t.state <> 'active'))",
	    "alter policy job_platform_delete on job using " DELETING,
	    "policy job_platform_delete on job is not the one that spares tenants" },
	{ "alter policy tenant_platform_delete on tenant using (state <> 'active')",
	    "alter policy tenant_platform_delete on tenant using (state = 'deleting')",
	    "policy tenant_platform_delete on tenant is not the one that spares tenants" },
	{ "alter policy job_platform_delete on job rename to x",
	    "alter policy x on job rename to job_platform_delete",
	    "policy x on job must be named job_platform_delete" },
	{ "alter policy operation_platform on operation rename to x",
	    "alter policy x on operation rename to operation_platform",
	    "policy x on operation must be named operation_platform" },
	{ "drop policy job_platform on job",
	    "create policy job_platform on job to wardian_platform using (true) with check (true)",
	    "table job has 0 permissive policies for wardian_platform instead of 1" },
	{ "drop policy job_platform_delete on job",
	    "create policy job_platform_delete on job as restrictive for delete to "
	    "wardian_platform using " DELETING,
	    "table job has 0 restrictive policies for wardian_platform instead of 1" },
	{ "create policy role_sched on role to wardian_sched using (true) with check (true)",
	    "drop policy role_sched on role",
	    "table role has 1 permissive policies for wardian_sched instead of 0" },
	{ "grant select (name) on role to wardian_sched",
	    "revoke select (name) on role from wardian_sched",
	    "table role has 0 permissive policies for wardian_sched instead of 1" },
	{ "create table bad (tenant_id text not null, primary key (tenant_id)); comment on table "
	  "bad is 'x'; comment on column bad.tenant_id is 'x'",
	    "drop table bad", "table bad has no column tenant_id of type uuid that is not null" },
	{ "create function f() returns bigint language sql security definer as 'select count(*) "
	  "from wardian.job'",
	    "drop function f()",
	    "function f() runs with its owner's rights and can be called by wardian_api" },
	{ "create function f() returns bigint language sql security definer as 'select 1'; revoke "
	  "all on function f() from public; grant execute on function f() to wardian_platform",
	    "drop function f()",
	    "function f() runs with its owner's rights and can be called by wardian_platform" },
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
	{ "grant create on schema public to wardian_platform",
	    "revoke create on schema public from wardian_platform",
	    "role wardian_platform may create in schema public" },
	{ "alter role wardian_platform rename to elsewhere",
	    "alter role elsewhere rename to wardian_platform", "role wardian_platform is missing" },
	{ "alter role wardian_platform bypassrls", "alter role wardian_platform nobypassrls",
	    "role wardian_platform must not have BYPASSRLS" },
	{ "alter role wardian_platform createrole", "alter role wardian_platform nocreaterole",
	    "role wardian_platform must not have CREATEROLE" },
	{ "alter role wardian_platform createdb", "alter role wardian_platform nocreatedb",
	    "role wardian_platform must not have CREATEDB" },
	{ "alter role wardian_platform replication", "alter role wardian_platform noreplication",
	    "role wardian_platform must not have REPLICATION" },
	{ "grant wardian_sched to wardian_platform", "revoke wardian_sched from wardian_platform",
	    "role wardian_platform must not be a member of wardian_sched" },
	{ "alter table signing_key owner to wardian_platform",
	    "alter table signing_key owner to wardian_owner; "
	    "grant select, insert, delete on signing_key to wardian_platform",
	    "role wardian_platform owns table signing_key" },
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
	    "alter table idempotency owner to wardian_owner; "
	    "grant select, insert on idempotency to wardian_api",
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
	{ "grant update (hash) on audit_log to wardian_platform",
	    "revoke update (hash) on audit_log from wardian_platform",
	    "UPDATE on audit_log (hash) is granted to wardian_platform" },
	{ "grant update (tenant_id) on audit_head to wardian_api",
	    "revoke update (tenant_id) on audit_head from wardian_api",
	    "UPDATE on audit_head (tenant_id) is granted to wardian_api" },
	{ "grant update on audit_head to wardian_platform",
	    "revoke update on audit_head from wardian_platform; "
	    "grant update (number, at, hash) on audit_head to wardian_platform",
	    "UPDATE on audit_head is granted to wardian_platform" },
	{ "grant update (number) on audit_head to wardian_sched; "
	  "create policy audit_head_sched on audit_head to wardian_sched using (true) with check "
	  "(true)",
	    "revoke update (number) on audit_head from wardian_sched; "
	    "drop policy audit_head_sched on audit_head",
	    "UPDATE on audit_head (number) is granted to wardian_sched" },
	{ "grant insert on audit_head to wardian_api",
	    "revoke insert on audit_head from wardian_api",
	    "INSERT on audit_head is granted to wardian_api" },
	{ "grant delete on audit_head to wardian_api",
	    "revoke delete on audit_head from wardian_api",
	    "DELETE on audit_head is granted to wardian_api" },
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
	{ "grant usage on sequence tenant_uid_slot to wardian_sched",
	    "revoke usage on sequence tenant_uid_slot from wardian_sched",
	    "USAGE on tenant_uid_slot is granted to wardian_sched" },
	{ "grant update on sequence tenant_uid_slot to wardian_platform",
	    "revoke update on sequence tenant_uid_slot from wardian_platform",
	    "UPDATE on tenant_uid_slot is granted to wardian_platform" },
	{ "comment on column job.priority is null", "comment on column job.priority is 'x'",
	    "column priority of table job has no comment" },
	{ "comment on table job is null", "comment on table job is 'x'",
	    "table job has no comment" },
};

/* Faults of a table `bad`, which is made as it should be and dropped afterwards. */
struct table_fault {
	const char *plant, *finding;
};
/* A table of tenants. */
static const struct table_fault tenant_table_faults[] = {
	{ "alter table bad add b uuid references operation; comment on column bad.b is 'x'",
	    "foreign key bad_b_fkey on bad does not bind tenant_id to tenant_id" },
	{ "revoke delete on bad from wardian_platform",
	    "wardian_platform may not delete rows of table bad" },
	{ "revoke select (tenant_id) on bad from wardian_platform",
	    "wardian_platform may not find rows of table bad" },
	{ "alter table bad add unique (a)",
	    "unique key bad_a_key on bad does not begin with tenant_id" },
	{ "create index bad_i on bad (a)", "index bad_i on bad does not begin with tenant_id" },
	{ "create index bad_i on bad ((a + 1))",
	    "index bad_i on bad does not begin with tenant_id" },
	{ "alter table bad drop constraint bad_pkey; alter table bad add primary key (a, "
	  "tenant_id)",
	    "primary key bad_pkey on bad does not begin with tenant_id" },
	{ "alter table bad drop constraint bad_pkey", "table bad has no primary key" },
	{ "alter table bad drop constraint bad_pkey; alter table bad alter tenant_id drop not null",
	    "table bad has no column tenant_id of type uuid that is not null" },
	{ "alter table bad add b int references tenant (uid_slot); comment on column bad.b is 'x'",
	    "foreign key bad_b_fkey on bad does not bind tenant_id to tenant_id" },
};

/* A table of the platform. */
static const struct table_fault platform_table_faults[] = {
	{ "drop policy bad_platform on bad",
	    "table bad has 0 permissive policies for wardian_platform instead of 1" },
	{ "alter table bad no force row level security",
	    "table bad does not have row-level security enabled and forced" },
	{ "alter table bad drop constraint bad_pkey", "table bad has no primary key" },
	{ "comment on column bad.a is null", "column a of table bad has no comment" },
	{ "create policy p1 on bad to wardian_api using (true) with check (true); grant select on "
	  "bad to wardian_api",
	    "table bad has no column tenant_id of type uuid that is not null" },
	{ "create policy p2 on bad to wardian_sched using (true) with check (true); grant update "
	  "(a) on bad to wardian_sched",
	    "table bad has no column tenant_id of type uuid that is not null" },
	{ "alter table bad add b uuid references tenant; comment on column bad.b is 'x'",
	    "foreign key bad_b_fkey on bad does not bind tenant_id to tenant_id" },
};

static bool
found(const struct findings *f, const char *expected)
{
	for (int i = 0; i < f->n && i < FINDINGS_MAX; i++) {
		if (strncmp(f->text[i], expected, strlen(expected)) == 0)
			return true;
	}
	return false;
}

static void
plant_and_cure(const struct fault *x)
{
	struct findings f;
	char sql[4096];

	(void)snprintf(sql, sizeof(sql), "set search_path = wardian; %s", x->plant);
	test_script(t.url, sql);
	audit(&f);
	if (!found(&f, x->finding))
		fail_msg("%s: not found; %d findings, the first: %s", x->plant, f.n,
		    f.n > 0 ? f.text[0] : "");
	(void)snprintf(sql, sizeof(sql), "set search_path = wardian; %s", x->cure);
	test_script(t.url, sql);
	audit(&f);
	if (f.n != 0)
		fail_msg("%s: still %s", x->cure, f.text[0]);
}

static void
each_planted_fault_is_found_and_gone_when_cured(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(faults); i++)
		plant_and_cure(&faults[i]);
}

static void
make_table(const char *name, enum test_table_kind kind)
{
	test_table(&t, name, kind,
	    kind == TEST_TABLE_PLATFORM
		? "a int not null, primary key (a)"
		: "tenant_id uuid not null, a int not null, primary key (tenant_id, a)");
}

static void
spoil_tables(enum test_table_kind kind, const struct table_fault *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct fault x = { rows[i].plant, "drop table bad", rows[i].finding };

		make_table("bad", kind);
		plant_and_cure(&x);
	}
}

static void
each_fault_of_a_new_table_is_found(void **state)
{
	(void)state;
	spoil_tables(TEST_TABLE_TENANTS, tenant_table_faults, ARRAY_LEN(tenant_table_faults));
	spoil_tables(TEST_TABLE_PLATFORM, platform_table_faults, ARRAY_LEN(platform_table_faults));
}

static void
new_tables_that_are_as_they_should_be_pass(void **state)
{
	(void)state;
	make_table("good", TEST_TABLE_TENANTS);
	make_table("good_platform", TEST_TABLE_PLATFORM);
	the_migrations_pass(state);
	test_script(t.url, "drop table wardian.good, wardian.good_platform");
}

static void
what_is_the_tenants_alone_is_closed_to_the_platform(void **state)
{
	static const char *const contents[] = { "job", "job_manifest", "job_queue", "job_event",
		"job_attempt", "attempt_usage", "result", "metric", "idempotency", "audit_log" };
	static const char *const verbs[] = { "select", "insert", "update" };
	char plant[256], cure[256], finding[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(contents) * ARRAY_LEN(verbs); i++) {
		const char *table = contents[i / ARRAY_LEN(verbs)];
		const char *verb = verbs[i % ARRAY_LEN(verbs)];
		const struct fault x = { plant, cure, finding };
		char column[64];

		/* The last column, whatever it is. */
		(void)snprintf(plant, sizeof(plant),
		    "select attname from pg_attribute where attrelid = 'wardian.%s'::regclass"
		    " and attnum > 0 and not attisdropped and attname <> 'tenant_id'"
		    " order by attnum desc limit 1",
		    table);
		(void)snprintf(column, sizeof(column), "%.63s", test_text(t.url, plant));
		(void)snprintf(plant, sizeof(plant), "grant %s (%s) on %s to wardian_platform",
		    verb, column, table);
		(void)snprintf(cure, sizeof(cure), "revoke %s (%s) on %s from wardian_platform",
		    verb, column, table);
		(void)snprintf(finding, sizeof(finding), "wardian_platform may %s column %s of %s",
		    verb, column, table);
		/* What operators did is added to the tenant's record. */
		if (strcmp(table, "audit_log") != 0 || strcmp(verb, "insert") != 0)
			plant_and_cure(&x);
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
	const struct db_options o = { .url = t.url,
		.api_connections = 1,
		.sched_connections = 1,
		.platform_connections = 1,
		.timeout_ms = 5000 };
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
	cmocka_unit_test(each_fault_of_a_new_table_is_found),
	cmocka_unit_test(new_tables_that_are_as_they_should_be_pass),
	cmocka_unit_test(what_is_the_tenants_alone_is_closed_to_the_platform),
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
