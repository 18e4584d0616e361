/* SPDX-License-Identifier: Apache-2.0 */
/* Writing the record of changes: with the change or not at all, in a chain, whatever callers say.
 */
#include "audit_fixture.h"

#include "json.h"

static struct audit_fixture f;
static struct tenant_id tenant, other;

static const char *
entry_of(struct tenant_id of, int64_t number)
{
	char sql[256], id[UUID_STR_SIZE];

	(void)snprintf(sql, sizeof(sql),
	    "select coalesce((select entry from wardian.audit_log"
	    " where tenant_id = '%s' and number = %lld), 'none')",
	    uuid_format(of.uuid, id), (long long)number);
	return test_text(f.t.url, sql);
}

static int64_t
head_of(struct tenant_id of)
{
	char sql[256], id[UUID_STR_SIZE];

	(void)snprintf(sql, sizeof(sql),
	    "select number from wardian.audit_head where tenant_id = '%s'",
	    uuid_format(of.uuid, id));
	return strtoll(test_text(f.t.url, sql), NULL, 10);
}

static void
an_entry_joins_the_transaction_of_its_change(void **state)
{
	struct audit_note note = audit_fixture_note(&f);
	struct tenant_id mine = test_tenant(&f.t, "joins");
	char expected[512], key[ID_STR_SIZE], user[ID_STR_SIZE];
	struct db_tx *tx;
	struct err e = { 0 };

	(void)state;
	must(db_tx_begin(f.db, mine, &tx, &e));
	must(audit_lock(tx, mine, &e));
	must(audit_append(tx, mine, &note, f.mem, &e));
	db_tx_free(tx);
	assert_int_equal(head_of(mine), 0);
	must(db_tx_begin(f.db, mine, &tx, &e));
	must(audit_append(tx, mine, &note, f.mem, &e));
	must(db_tx_commit(&tx, &e));
	assert_int_equal(head_of(mine), 1);
	(void)snprintf(expected, sizeof(expected),
	    "{\"action\":\"job.submit\",\"actor\":{\"type\":\"api_key\",\"id\":\"%s\",\"name\":"
	    "\"ann\",\"user\":\"%s\"},\"resource\":\"job_1\",\"outcome\":\"ok\",\"reason\":null,"
	    "\"source\":\"192.0.2.7\",\"request_id\":\"req-00000001\",\"changes\":{\"a\":[1,2]}}",
	    id_format("key", f.who.key, key), id_format("usr", f.who.user, user));
	assert_string_equal(entry_of(mine, 1), expected);
}

static void
an_entry_joins_a_unit_of_group_commit(void **state)
{
	struct tenant_id mine = test_tenant(&f.t, "unit");
	struct audit_note note = audit_fixture_note(&f);
	struct db_arg args[2][AUDIT_ARGS];
	struct db_write w[2];
	struct err e = { 0 };

	(void)state;
	must(audit_write(mine, &note, f.mem, args[0], &w[0], &e));
	note.denied = "needs job:create";
	must(audit_write(mine, &note, f.mem, args[1], &w[1], &e));
	must(db_group_write(f.db, mine, w, 2, NULL, f.mem, &e));
	assert_int_equal(head_of(mine), 2);
	assert_non_null(
	    strstr(entry_of(mine, 2), "\"outcome\":\"denied\",\"reason\":\"needs job:create\""));
	assert_string_equal(audit_fixture_verify(&f, mine, 1), "");
}

static void
what_the_system_does_is_recorded_as_its_own(void **state)
{
	const struct caller nobody = { 0 };
	struct audit_note note = { .by = &nobody, .action = "tenant.suspend" };
	struct tenant_id mine = test_tenant(&f.t, "system");
	struct err e = { 0 };

	(void)state;
	must(audit_record(f.db, mine, &note, f.mem, &e));
	assert_string_equal(entry_of(mine, 1),
	    "{\"action\":\"tenant.suspend\",\"actor\":{\"type\":\"system\",\"id\":\"system\","
	    "\"name\":null},\"resource\":null,\"outcome\":\"ok\",\"reason\":null,\"source\":null,"
	    "\"request_id\":null,\"changes\":null}");
}

static void
operators_deeds_stand_in_the_log_of_whom_they_concern(void **state)
{
	struct audit_note note = audit_fixture_note(&f);
	struct tenant_id mine = test_tenant(&f.t, "concerned");
	struct db_platform_tx *tx;
	struct err e = { 0 };

	(void)state;
	must(db_platform_begin(f.db, &tx, &e));
	must(audit_platform_lock(tx, mine, &e));
	must(audit_platform_append(tx, mine, &note, f.mem, &e));
	must(audit_platform_append(tx, tenant_platform_id, &note, f.mem, &e));
	must(db_platform_commit(&tx, &e));
	assert_int_equal(head_of(mine), 1);
	assert_string_equal(audit_fixture_verify(&f, mine, 1), "");
	assert_string_equal(audit_fixture_verify(&f, tenant_platform_id, 1), "");
}

static void
a_log_that_is_gone_takes_no_entry(void **state)
{
	struct audit_note note = audit_fixture_note(&f);
	const struct tenant_id nobody = { uuid_v7() };
	struct db_tx *tx;
	struct err e = { 0 };

	(void)state;
	must_fail(ERR_CONFLICT, audit_record(f.db, nobody, &note, f.mem, &e));
	must(db_tx_begin(f.db, nobody, &tx, &e));
	must_fail(ERR_CONFLICT, audit_lock(tx, nobody, &e));
	db_tx_free(tx);
	must(db_tx_begin(f.db, nobody, &tx, &e));
	must_fail(ERR_CONFLICT, audit_append(tx, nobody, &note, f.mem, &e));
	db_tx_free(tx);
}

/* The tenant's transaction sees its own head alone, whatever tenant is named. */
static void
another_tenants_log_cannot_be_written(void **state)
{
	struct audit_note note = audit_fixture_note(&f);
	int64_t before = head_of(other);
	struct db_tx *tx;
	struct err e = { 0 };

	(void)state;
	must(db_tx_begin(f.db, tenant, &tx, &e));
	must_fail(ERR_CONFLICT, audit_append(tx, other, &note, f.mem, &e));
	db_tx_free(tx);
	assert_int_equal(head_of(other), before);
}

static void
every_byte_that_a_caller_can_send_is_recorded(void **state)
{
	struct tenant_id mine = test_tenant(&f.t, "bytes");
	struct audit_note note = audit_fixture_note(&f);
	struct principal who = f.who;
	struct caller by = { .who = &who };
	char text[256], changes[2048];
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		text[i] = (char)(i + 1);
	text[sizeof(text) - 1] = '\0';
	memcpy(who.name, text + 120, sizeof(who.name) - 1);
	by.source = by.request_id = note.resource = note.denied = text;
	note.by = &by;
	note.changes = "{\"a\":\"\\u0001\\uffff\xc3\xa4\\ud83d\\udc1b\\\\\",\"b\":[-1.5e300,null]}";
	must(audit_record(f.db, mine, &note, f.mem, &e));
	for (int c = 1; c < 256; c++) {
		(void)snprintf(changes, sizeof(changes), "{\"a\":\"%c\"}", c);
		note.changes = changes;
		arena_reset(f.mem);
		must(audit_record(f.db, mine, &note, f.mem, &e));
	}
	assert_int_equal(head_of(mine), 256);
	assert_string_equal(audit_fixture_verify(&f, mine, 1), "");
	/* Of the texts no control character came through, not even escaped; the changes are the
	 * program's own JSON. */
	(void)snprintf(changes, sizeof(changes), "%s", entry_of(mine, 1));
	*strstr(changes, "\"changes\"") = '\0';
	assert_null(strstr(changes, "\\u00"));
	assert_non_null(strstr(changes, "\"request_id\":\"????????????????????????????"));
}

static void
changes_that_are_none_or_too_long_are_left_out_and_said_to_be(void **state)
{
	static const char *const wrong[] = { "", "[]", "17", "{", "{\"a\":1,\"a\":2}",
		"{\"a\":\"\\u0000\"}", "{\"a\":\"\\ud800\"}", "{\"a\":1e999}" };
	struct tenant_id mine = test_tenant(&f.t, "changes");
	struct audit_note note = audit_fixture_note(&f);
	AUTO_FREE char *large = malloc(1 << 20);
	char expected[64];
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		note.changes = wrong[i];
		must(audit_record(f.db, mine, &note, f.mem, &e));
		(void)snprintf(expected, sizeof(expected), "\"changes\":{\"omitted_bytes\":%zu}}",
		    strlen(wrong[i]));
		assert_non_null(strstr(entry_of(mine, (int64_t)i + 1), expected));
	}
	assert_non_null(large);
	memset(large, 'x', 1 << 20);
	memcpy(large, "{\"a\":\"", 6);
	memcpy(large + (1 << 20) - 3, "\"}", 3);
	note.changes = large;
	must(audit_record(f.db, mine, &note, f.mem, &e));
	assert_non_null(strstr(entry_of(mine, (int64_t)ARRAY_LEN(wrong) + 1),
	    "\"changes\":{\"omitted_bytes\":1048575}}"));
}

static void
the_largest_of_everything_fits(void **state)
{
	struct tenant_id mine = test_tenant(&f.t, "largest");
	struct audit_note note = audit_fixture_note(&f);
	struct caller by = f.by;
	AUTO_FREE char *quotes = malloc(1 << 16), *changes = malloc(1 << 16);
	struct err e = { 0 };

	(void)state;
	assert_non_null(quotes);
	assert_non_null(changes);
	memset(quotes, '"', (1 << 16) - 1);
	quotes[(1 << 16) - 1] = '\0';
	memset(changes, 'x', 12288);
	memcpy(changes, "{\"a\":\"", 6);
	memcpy(changes + 12288 - 2, "\"}", 3);
	memset(f.who.name, '"', sizeof(f.who.name) - 1);
	by.source = by.request_id = note.resource = note.denied = quotes;
	note.by = &by;
	note.changes = changes;
	must(audit_record(f.db, mine, &note, f.mem, &e));
	assert_non_null(strstr(test_text(f.t.url, "select right(entry, 100) from wardian.audit_log"
						  " order by length(entry) desc limit 1"),
	    "xxx\"}}"));
	(void)snprintf(f.who.name, sizeof(f.who.name), "ann");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(an_entry_joins_the_transaction_of_its_change),
	cmocka_unit_test(an_entry_joins_a_unit_of_group_commit),
	cmocka_unit_test(what_the_system_does_is_recorded_as_its_own),
	cmocka_unit_test(operators_deeds_stand_in_the_log_of_whom_they_concern),
	cmocka_unit_test(a_log_that_is_gone_takes_no_entry),
	cmocka_unit_test(another_tenants_log_cannot_be_written),
	cmocka_unit_test(every_byte_that_a_caller_can_send_is_recorded),
	cmocka_unit_test(changes_that_are_none_or_too_long_are_left_out_and_said_to_be),
	cmocka_unit_test(the_largest_of_everything_fits),
};

int
main(void)
{
	int rc;

	json_start();
	audit_fixture_open(&f, MIB);
	tenant = test_tenant(&f.t, "alpha");
	other = test_tenant(&f.t, "beta");
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	audit_fixture_close(&f);
	return rc;
}
