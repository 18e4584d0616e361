/* SPDX-License-Identifier: Apache-2.0 */
/* Whoever may write to the tables is found out, and where: by the chain, by its head, and, where
 * both were made to agree again, by the checkpoints outside of the database. */
#include "audit_fixture.h"

#include "checkpoint.h"
#include "json.h"

enum { N = 60 };

static struct audit_fixture f;

/* A log of N entries with checkpoints at 20, 40 and 60. */
static struct tenant_id
sealed_log(const char *name)
{
	struct tenant_id tenant = test_tenant(&f.t, name);

	for (int i = 0; i < 3; i++) {
		audit_fixture_write(&f, tenant, N / 3);
		audit_fixture_seal(&f);
	}
	assert_string_equal(audit_fixture_verify(&f, tenant, 1), "");
	return tenant;
}

static void
the_databases_hashes_are_those_of_the_chain(void **state)
{
	struct tenant_id tenant = test_tenant(&f.t, "rule");
	struct audit_verdict v;
	struct err e = { 0 };

	(void)state;
	audit_fixture_write(&f, tenant, 100);
	audit_fixture_fill(&f, tenant, 5000);
	audit_fixture_write(&f, tenant, 100);
	arena_reset(f.mem);
	must(audit_verify(f.desk, tenant, 1, f.mem, &v, &e));
	assert_int_equal(v.n_problems, 0);
	assert_int_equal(v.first, 1);
	assert_int_equal(v.last, 5200);
	assert_int_equal(v.checkpoints, 0);
}

/* Times that are far away, and texts of every kind. */
static void
the_rule_is_the_same_for_random_entries(void **state)
{
	static const char random[] =
	    "do $$ declare h bytea; at timestamptz; entry text; begin"
	    " select hash into h from wardian.audit_head where tenant_id = '%s';"
	    " for i in 1 .. 3000 loop"
	    "  at := timestamptz '1900-01-01' + random() * interval '400 years';"
	    "  entry := jsonb_build_object('action', (select coalesce(string_agg(chr(case when c < "
	    "55295"
	    "   then c + 1 else c + 8192 end), ''), '') from (select (random() * 65000)::integer "
	    "as c"
	    "   from generate_series(1, (random() * 40)::integer + i - i)) r),"
	    "   'actor', jsonb_build_object('id', i), 'outcome', 'ok')::text;"
	    "  h := sha256(h || int8send(i) || int8send((extract(epoch from at) *"
	    "   1000000)::bigint) || convert_to(entry, 'UTF8'));"
	    "  insert into wardian.audit_log (tenant_id, number, at, entry, hash)"
	    "  values ('%s', i, at, entry, h);"
	    " end loop;"
	    " update wardian.audit_head set number = 3000, at = now(), hash = h"
	    " where tenant_id = '%s'; end $$";
	struct tenant_id tenant = test_tenant(&f.t, "random");

	(void)state;
	audit_fixture_tamper(&f, tenant, random);
	assert_string_equal(audit_fixture_verify(&f, tenant, 1), "");
}

static void
each_tampering_is_found_and_located(void **state)
{
	static const struct {
		const char *name, *sql, *expected;
	} cases[] = {
		{ "entry",
		    "update wardian.audit_log set entry = replace(entry, 'ann', 'bob')"
		    " where tenant_id = '%s' and number = 17",
		    "modified@17" },
		{ "at",
		    "update wardian.audit_log set at = at - interval '1 microsecond'"
		    " where tenant_id = '%s' and number = 60",
		    "modified@60" },
		{ "hash",
		    "update wardian.audit_log set hash = set_byte(hash, 7, get_byte(hash, 7) # 1)"
		    " where tenant_id = '%s' and number = 33",
		    "modified@33" },
		{ "delete", "delete from wardian.audit_log where tenant_id = '%s' and number = 30",
		    "missing@30" },
		{ "delete-first",
		    "delete from wardian.audit_log where tenant_id = '%s' and number <= 3",
		    "missing@1" },
		{ "close-gap",
		    "delete from wardian.audit_log where tenant_id = '%s' and number = 30;"
		    "update wardian.audit_log set number = number - 1000 where tenant_id = '%s' and"
		    " number > 30;"
		    "update wardian.audit_log set number = number + 999 where tenant_id = '%s' and"
		    " number < 0",
		    "missing@30 rolled-back@40" },
		{ "swap",
		    "update wardian.audit_log set number = -1 where tenant_id = '%s' and number = "
		    "25;"
		    "update wardian.audit_log set number = 25 where tenant_id = '%s' and number = "
		    "26;"
		    "update wardian.audit_log set number = 26 where tenant_id = '%s' and number = "
		    "-1",
		    "reordered@25" },
		{ "truncate",
		    "delete from wardian.audit_log where tenant_id = '%s' and number > 50",
		    "truncated@51" },
		{ "truncate-all", "delete from wardian.audit_log where tenant_id = '%s'",
		    "truncated@1" },
		{ "head-gone", "delete from wardian.audit_head where tenant_id = '%s'",
		    "missing@0 rolled-back@0" },
		{ "head-back", "update wardian.audit_head set number = 59 where tenant_id = '%s'",
		    "inserted@60 rolled-back@60" },
		/* The head was made to agree: only the checkpoints know. */
		{ "rollback",
		    "delete from wardian.audit_log where tenant_id = '%s' and number > 50;"
		    "update wardian.audit_head h set (number, at, hash) = (select number, at, hash "
		    "from"
		    " wardian.audit_log a where a.tenant_id = h.tenant_id and a.number = 50) where"
		    " h.tenant_id = '%s'",
		    "rolled-back@51" },
		{ "rollback-all",
		    "delete from wardian.audit_log where tenant_id = '%s';"
		    "update wardian.audit_head set number = 0, at = null, hash ="
		    " sha256(uuid_send(tenant_id)) where tenant_id = '%s'",
		    "rolled-back@1" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct tenant_id tenant = sealed_log(cases[i].name);

		audit_fixture_tamper(&f, tenant, cases[i].sql);
		assert_string_equal(audit_fixture_verify(&f, tenant, 1), cases[i].expected);
	}
}

/* By its own rule, so that the chain is whole again: what was there is known from checkpoints. */
static const char rewrite[] =
    "do $$ declare h bytea; r record; begin"
    " select hash into h from wardian.audit_log where tenant_id = '%s' and number = 29;"
    " for r in select * from wardian.audit_log where tenant_id = '%s' and number > 29"
    "   order by number loop"
    "  r.entry := replace(r.entry, 'ann', 'bob');"
    "  h := sha256(h || int8send(r.number) || int8send((extract(epoch from r.at) *"
    "   1000000)::bigint) || convert_to(r.entry, 'UTF8'));"
    "  update wardian.audit_log set entry = r.entry, hash = h"
    "  where tenant_id = r.tenant_id and number = r.number;"
    " end loop;"
    " update wardian.audit_head set hash = h where tenant_id = '%s'; end $$";

static void
a_log_written_anew_from_some_entry_on_is_found(void **state)
{
	struct tenant_id tenant = sealed_log("anew");

	(void)state;
	audit_fixture_tamper(&f, tenant, rewrite);
	assert_string_equal(audit_fixture_verify(&f, tenant, 1), "rolled-back@40");
}

/* With forged numbers and hashes behind it; the tail alone is renumbered, so the head is moved on.
 */
static void
an_entry_put_in_is_found(void **state)
{
	struct tenant_id tenant = sealed_log("put-in");

	(void)state;
	audit_fixture_tamper(&f, tenant,
	    "update wardian.audit_log set number = -number - 1 where tenant_id = '%s' and number "
	    ">= 30;"
	    "update wardian.audit_log set number = -number where tenant_id = '%s' and number < 0;"
	    "insert into wardian.audit_log (tenant_id, number, at, entry, hash)"
	    " select tenant_id, 30, at, replace(entry, 'ann', 'bob'), hash"
	    " from wardian.audit_log where tenant_id = '%s' and number = 29");
	assert_string_equal(audit_fixture_verify(&f, tenant, 1), "inserted@30 rolled-back@40");
	tenant = sealed_log("behind");
	audit_fixture_tamper(&f, tenant,
	    "insert into wardian.audit_log (tenant_id, number, at, entry, hash)"
	    " select tenant_id, 61, at, replace(entry, 'ann', 'bob'), hash"
	    " from wardian.audit_log where tenant_id = '%s' and number = 60");
	assert_string_equal(audit_fixture_verify(&f, tenant, 1), "modified@61 inserted@61");
	tenant = sealed_log("below");
	audit_fixture_tamper(&f, tenant,
	    "insert into wardian.audit_log (tenant_id, number, at, entry, hash)"
	    " select tenant_id, -5, at, entry, hash"
	    " from wardian.audit_log where tenant_id = '%s' and number = 60");
	assert_string_equal(audit_fixture_verify(&f, tenant, 1), "inserted@-5");
}

static void
an_older_copy_of_the_tables_is_found_even_when_it_has_grown(void **state)
{
	struct tenant_id tenant = test_tenant(&f.t, "older");

	(void)state;
	audit_fixture_write(&f, tenant, 20);
	test_script(f.t.url, "create table public.old_log as select * from wardian.audit_log;"
			     "create table public.old_head as select * from wardian.audit_head");
	audit_fixture_write(&f, tenant, 20);
	audit_fixture_seal(&f);
	audit_fixture_tamper(&f, tenant,
	    "delete from wardian.audit_log where tenant_id = '%s';"
	    "insert into wardian.audit_log (tenant_id, number, at, entry, hash)"
	    " select tenant_id, number, at, entry, hash from public.old_log where tenant_id = '%s';"
	    "update wardian.audit_head h set (number, at, hash) = (select o.number, o.at, o.hash"
	    " from public.old_head o where o.tenant_id = h.tenant_id) where h.tenant_id = '%s'");
	assert_string_equal(audit_fixture_verify(&f, tenant, 1), "rolled-back@21");
	audit_fixture_write(&f, tenant, 50);
	assert_string_equal(audit_fixture_verify(&f, tenant, 1), "rolled-back@40");
	test_script(f.t.url, "drop table public.old_log, public.old_head");
}

static void
damage_to_the_checkpoints_is_found(void **state)
{
	struct tenant_id tenant = sealed_log("lines");
	char path[192], id[UUID_STR_SIZE];
	FILE *file;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/%s.ndjson", f.dir, uuid_format(tenant.uuid, id));
	file = fopen(path, "r+");
	assert_non_null(file);
	assert_int_equal(fseek(file, 700, SEEK_SET), 0);
	assert_int_equal(fputc('#', file), '#');
	fclose(file);
	assert_string_equal(audit_fixture_verify(&f, tenant, 1), "checkpoint@20 checkpoint@60");
	file = fopen(path, "w");
	assert_non_null(file);
	for (int i = 0; i < 5000; i++)
		fputc('x', file);
	fclose(file);
	assert_string_equal(audit_fixture_verify(&f, tenant, 1), "checkpoint@0");
	assert_int_equal(unlink(path), 0);
	assert_string_equal(audit_fixture_verify(&f, tenant, 1), "");
}

static void
a_part_is_verified_from_its_first_entry(void **state)
{
	struct tenant_id tenant = sealed_log("part");
	struct audit_verdict v;
	struct err e = { 0 };

	(void)state;
	audit_fixture_tamper(&f, tenant,
	    "update wardian.audit_log set entry = replace(entry, 'ann', 'bob')"
	    " where tenant_id = '%s' and number = 17");
	assert_string_equal(audit_fixture_verify(&f, tenant, 18), "");
	assert_string_equal(audit_fixture_verify(&f, tenant, 17), "modified@17");
	assert_string_equal(audit_fixture_verify(&f, tenant, 61), "");
	arena_reset(f.mem);
	must_fail(ERR_BAD_PARAMETER, audit_verify(f.desk, tenant, 62, f.mem, &v, &e));
	audit_fixture_tamper(
	    &f, tenant, "delete from wardian.audit_log where tenant_id = '%s' and number = 29");
	assert_string_equal(audit_fixture_verify(&f, tenant, 30), "missing@29");
}

static void
an_empty_log_is_whole(void **state)
{
	struct tenant_id tenant = test_tenant(&f.t, "empty");

	(void)state;
	assert_string_equal(audit_fixture_verify(&f, tenant, 1), "");
}

static void
a_verdict_is_printed_with_its_problems(void **state)
{
	struct tenant_id tenant = sealed_log("printed");
	struct audit_verdict v;
	struct json_out o;
	struct err e = { 0 };
	AUTO_BUF b;

	(void)state;
	audit_fixture_tamper(
	    &f, tenant, "delete from wardian.audit_log where tenant_id = '%s' and number = 30");
	arena_reset(f.mem);
	must(audit_verify(f.desk, tenant, 1, f.mem, &v, &e));
	buf_init(&b, 1 << 16);
	json_out_init(&o, &b);
	audit_verdict_print(&v, &o);
	assert_non_null(strstr(b.p, "{\"ok\":false,\"first\":1,\"last\":60,\"head\":\""));
	assert_non_null(strstr(b.p, "\"checkpoints\":{\"checked\":3,\"last_number\":60,"));
	assert_non_null(strstr(b.p, "\"problems\":[{\"kind\":\"missing\",\"number\":30,\"detail\":"
				    "\"entries 30 to 30 are not there\"}]"));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_databases_hashes_are_those_of_the_chain),
	cmocka_unit_test(the_rule_is_the_same_for_random_entries),
	cmocka_unit_test(each_tampering_is_found_and_located),
	cmocka_unit_test(a_log_written_anew_from_some_entry_on_is_found),
	cmocka_unit_test(an_entry_put_in_is_found),
	cmocka_unit_test(an_older_copy_of_the_tables_is_found_even_when_it_has_grown),
	cmocka_unit_test(damage_to_the_checkpoints_is_found),
	cmocka_unit_test(a_part_is_verified_from_its_first_entry),
	cmocka_unit_test(an_empty_log_is_whole),
	cmocka_unit_test(a_verdict_is_printed_with_its_problems),
};

int
main(void)
{
	int rc;

	json_start();
	audit_fixture_open(&f, MIB);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	audit_fixture_close(&f);
	return rc;
}
