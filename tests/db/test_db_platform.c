/* SPDX-License-Identifier: Apache-2.0 */
/* What the role of platform operations can do to tenants: delete them whole, and little else. */
#include "isolation_fixture.h"

static void
set_state(const char *state)
{
	char sql[SQL_SIZE];

	(void)snprintf(sql, sizeof(sql), "update tenant set state = '%s' where tenant_id = '%s'",
	    state, alpha_text);
	test_script(t.url, sql);
}

/* Rows of alpha and beta that a delete without a condition takes from each table in one
 * transaction, those first that refer to others. */
static void
delete_everything(int64_t taken[static ARRAY_LEN(tables)])
{
	struct db_owner *o = session(PLATFORM, NONE);
	char sql[SQL_SIZE];
	struct err e;

	for (size_t i = ARRAY_LEN(tables); i-- > 0;) {
		(void)snprintf(sql, sizeof(sql), "delete from %s", tables[i].name);
		taken[i] = db_owner_query(o, sql, 0, NULL, NULL, NULL, &e);
		if (taken[i] < 0)
			fail_msg("%s: %s", sql, e.msg);
	}
	must(db_owner_script(o, "rollback", TEST_TIMEOUT_MS, &e));
}

static void
the_platform_deletes_the_rows_of_tenants_that_are_being_deleted_and_no_others(void **state)
{
	static const char *const spared[] = { "active", "suspended" };
	int64_t taken[ARRAY_LEN(tables)];

	(void)state;
	for (size_t s = 0; s < ARRAY_LEN(spared); s++) {
		set_state(spared[s]);
		delete_everything(taken);
		for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
			if (taken[i] != 0)
				fail_msg("%s: %lld", tables[i].name, (long long)taken[i]);
		}
	}
	set_state("deleting");
	delete_everything(taken);
	/* One row of each is alpha's, as is one beta's. */
	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		if (taken[i] != 1)
			fail_msg("%s: %lld", tables[i].name, (long long)taken[i]);
	}
	set_state("active");
}

static void
the_platform_reads_and_changes_nothing_that_is_the_tenants_alone(void **state)
{
	static const char *const contents[] = { "job", "job_manifest", "job_queue", "job_event",
		"job_attempt", "attempt_usage", "result", "metric", "idempotency", "audit_log" };
	char sql[SQL_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		bool content = false;

		for (size_t k = 0; k < ARRAY_LEN(contents); k++)
			content |= strcmp(tables[i].name, contents[k]) == 0;
		if (!content)
			continue;
		(void)snprintf(sql, sizeof(sql), "select * from %s", tables[i].name);
		assert_int_equal(attempt(PLATFORM, NONE, sql), -1);
		(void)snprintf(sql, sizeof(sql), "delete from %s returning *", tables[i].name);
		assert_int_equal(attempt(PLATFORM, NONE, sql), -1);
		print_verb('U', &tables[i], alpha_text, sql);
		assert_int_equal(attempt(PLATFORM, NONE, sql), -1);
		print_verb('I', &tables[i], alpha_text, sql);
		/* A duplicate key is the answer to an insert that is allowed: an entry of the
		 * tenant's record. */
		assert_int_equal(attempt(PLATFORM, NONE, sql),
		    strcmp(tables[i].name, "audit_log") == 0 ? -2 : -1);
	}
}

static void
tables_of_the_platform_are_closed_to_the_other_roles(void **state)
{
	static const struct {
		const char *before, *behind;
	} verbs[] = { { "select from", "" }, { "delete from", "" },
		{ "insert into", "default values" } };
	char sql[SQL_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(platform_tables) * ARRAY_LEN(verbs); i++) {
		(void)snprintf(sql, sizeof(sql), "%s %s %s", verbs[i % ARRAY_LEN(verbs)].before,
		    platform_tables[i / ARRAY_LEN(verbs)], verbs[i % ARRAY_LEN(verbs)].behind);
		assert_int_equal(attempt(API, ALPHA, sql), -1);
		assert_int_equal(attempt(SCHED, NONE, sql), -1);
		assert_true(attempt(PLATFORM, NONE, sql) != -1);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(
	    the_platform_deletes_the_rows_of_tenants_that_are_being_deleted_and_no_others),
	cmocka_unit_test(the_platform_reads_and_changes_nothing_that_is_the_tenants_alone),
	cmocka_unit_test(tables_of_the_platform_are_closed_to_the_other_roles),
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
