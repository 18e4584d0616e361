/* SPDX-License-Identifier: Apache-2.0 */
/* The record of changes: with the change or not at all, and for ever. */
#include "test_db.h"

#include "audit.h"

static struct test_db t;
static struct db *db;
static struct tenant_id tenant, other;

static const char *
rows_with(const char *resource)
{
	char sql[256];

	(void)snprintf(sql, sizeof(sql),
	    "select count(*) || ' ' || coalesce(min(concat_ws('|', actor, action, outcome, "
	    "request_id)), '')"
	    " from audit_log where resource = '%s'",
	    resource);
	return test_text(t.url, sql);
}

static void
an_entry_joins_the_transaction_of_its_change(void **state)
{
	const struct principal who = { .tenant = tenant, .key_public = "abcdefghijkl" };
	struct audit_entry a;
	struct db_tx *tx;
	struct err e;

	(void)state;
	audit_entry_init(&a, &who, "job.submit", "job_1", "req-1");
	must(db_tx_begin(db, tenant, &tx, &e));
	must(audit_append(tx, &a, &e));
	db_tx_free(tx);
	assert_string_equal(rows_with("job_1"), "0 ");
	must(db_tx_begin(db, tenant, &tx, &e));
	must(audit_append(tx, &a, &e));
	must(db_tx_commit(&tx, &e));
	assert_string_equal(rows_with("job_1"), "1 key:abcdefghijkl|job.submit|ok|req-1");
}

static void
an_entry_joins_a_unit_of_group_commit(void **state)
{
	struct db_arg args[2][AUDIT_ARGS];
	struct audit_entry a[2];
	struct db_write w[2];
	struct err e;

	(void)state;
	audit_entry_init(&a[0], NULL, "job.cancel", "job_2", NULL);
	audit_entry_init(&a[1], NULL, "job.cancel", "job_2", NULL);
	a[1].outcome = "denied";
	for (int i = 0; i < 2; i++)
		audit_write(&a[i], args[i], &w[i]);
	must(db_group_write(db, other, w, 2, NULL, NULL, &e));
	assert_string_equal(rows_with("job_2"), "2 system|job.cancel|denied");
	/* The same entries again: one id, one row. */
	must_fail(ERR_DB_CONSTRAINT, db_group_write(db, other, w, 2, NULL, NULL, &e));
}

static void
an_outcome_that_is_none_is_refused(void **state)
{
	struct audit_entry a;
	struct db_tx *tx;
	struct err e;

	(void)state;
	audit_entry_init(&a, NULL, "x", "y", NULL);
	a.outcome = "perhaps";
	must(db_tx_begin(db, tenant, &tx, &e));
	must_fail(ERR_DB_CONSTRAINT, audit_append(tx, &a, &e));
	db_tx_free(tx);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(an_entry_joins_the_transaction_of_its_change),
	cmocka_unit_test(an_entry_joins_a_unit_of_group_commit),
	cmocka_unit_test(an_outcome_that_is_none_is_refused),
};

int
main(void)
{
	struct db_sql sql[2] = { audit_sql, { NULL, NULL } };
	int rc;

	test_db_open(&t);
	tenant = test_tenant(&t, "alpha");
	other = test_tenant(&t, "beta");
	db = test_db_pools(&t, sql, 5000);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	db_free(db);
	test_db_close(&t);
	return rc;
}
