/* SPDX-License-Identifier: Apache-2.0 */
/* The scheduler's side of jobs: leases, what waits, and the record of attempts. */
#include "job_fixture.h"

static struct fixture f;

static int
clear(void **state)
{
	(void)state;
	fixture_clear(&f);
	return 0;
}

/* --- leases --------------------------------------------------------------------------------- */

static void
leases_are_renewed_for_their_node_alone(void **state)
{
	struct uuid a = fixture_submit(&f), b = fixture_submit(&f), node = uuid_v7();
	struct job_claim c = { .tenant = f.alpha.tenant, .id = b };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(fixture_claim(&f, &f.alpha, a), 1);
	must(job_claim(f.db, node, 5000, &fixture_quota, &c, 1, f.mem, &e));
	assert_int_equal(job_lease_renew(f.db, f.node, 60000, &e), 1);
	assert_int_equal(job_lease_renew(f.db, uuid_v7(), 60000, &e), 0);
	assert_int_equal(fixture_count(&f, "select count(*) from wardian.job_queue "
					   "where lease_until > now() + interval '50 seconds'"),
	    1);
	assert_int_equal(fixture_count(&f, "select count(*) from wardian.job_queue "
					   "where lease_until < now() + interval '6 seconds'"),
	    1);
}

static void
a_lease_that_ran_out_is_found_after_its_grace_longest_first(void **state)
{
	struct job_queued *rows;
	struct uuid old = fixture_submit(&f), older = fixture_submit(&f), live = fixture_submit(&f);
	char text[UUID_STR_SIZE], sql[256];
	size_t n;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(fixture_claim(&f, &f.alpha, old), 1);
	assert_int_equal(fixture_claim(&f, &f.alpha, older), 1);
	assert_int_equal(fixture_claim(&f, &f.alpha, live), 1);
	(void)snprintf(sql, sizeof(sql),
	    "update wardian.job_queue set lease_until = now() - interval '3 seconds' "
	    "where job_id = '%s'",
	    uuid_format(old, text));
	test_script(f.t.url, sql);
	(void)snprintf(sql, sizeof(sql),
	    "update wardian.job_queue set lease_until = now() - interval '9 seconds' "
	    "where job_id = '%s'",
	    uuid_format(older, text));
	test_script(f.t.url, sql);
	must(job_queue_expired(f.db, 1000, 10, f.mem, &rows, &n, &e));
	assert_int_equal(n, 2);
	assert_int_equal(uuid_cmp(rows[0].id, older), 0);
	assert_int_equal(uuid_cmp(rows[1].id, old), 0);
	assert_int_equal(uuid_cmp(rows[0].lease_owner, f.node), 0);
	must(job_queue_expired(f.db, 5000, 10, f.mem, &rows, &n, &e));
	assert_int_equal(n, 1);
	must(job_queue_expired(f.db, 1000, 1, f.mem, &rows, &n, &e));
	assert_int_equal(n, 1);
	assert_int_equal(uuid_cmp(rows[0].id, older), 0);
}

static void
what_a_node_holds_is_listed_with_its_wishes(void **state)
{
	struct uuid a = fixture_submit(&f), b = fixture_submit(&f);
	struct job_queued *rows;
	size_t n;
	struct err e = { 0 };

	(void)state;
	(void)b; /* stays in the queue */
	assert_int_equal(fixture_claim(&f, &f.alpha, a), 1);
	must(fixture_cancel(&f, &f.alpha, a, &e));
	must(job_queue_mine(f.db, f.node, f.mem, &rows, &n, &e));
	assert_int_equal(n, 1);
	assert_int_equal(uuid_cmp(rows[0].id, a), 0);
	assert_int_equal(uuid_cmp(rows[0].tenant.uuid, f.alpha.tenant.uuid), 0);
	assert_int_equal(rows[0].state, JOB_CLAIMED);
	assert_int_equal(rows[0].epoch, 1);
	assert_int_equal(rows[0].attempt, 1);
	assert_int_equal(rows[0].max_attempts, 3);
	assert_int_equal(rows[0].cpu_milli, 1000);
	assert_true(rows[0].cancel_requested);
}

/* --- waiting rows --------------------------------------------------------------------------- */

static void
waiting_rows_are_due_ones_by_wish_priority_and_age(void **state)
{
	struct job_submission s = fixture_submission();
	struct uuid plain, later, urgent, canceled, delayed;
	struct job_queued *rows;
	bool older;
	size_t n;
	struct err e = { 0 };

	(void)state;
	plain = fixture_submit(&f);
	later = fixture_submit(&f);
	s.spec.priority = 10;
	urgent = fixture_submit_as(&f, &f.alpha, &s);
	s.spec.priority = -10;
	canceled = fixture_submit_as(&f, &f.alpha, &s);
	must(fixture_cancel(&f, &f.alpha, canceled, &e));
	delayed = fixture_submit(&f);
	assert_int_equal(fixture_claim(&f, &f.alpha, delayed), 1);
	assert_true(fixture_move(&f, &(struct job_move){ .tenant = f.alpha.tenant,
					 .id = delayed,
					 .epoch = 1,
					 .from = JOB_CLAIMED,
					 .on = JOB_ON_RETRY,
					 .delay_ms = 60000 }));
	must(job_queue_waiting(f.db, &fixture_quota, 10, f.mem, &rows, &n, &e));
	assert_int_equal(n, 4);
	assert_int_equal(uuid_cmp(rows[0].id, canceled), 0);
	assert_true(rows[0].cancel_requested);
	assert_int_equal(uuid_cmp(rows[1].id, urgent), 0);
	/* Ids tell the age; those of one millisecond have no order but their own. */
	older = uuid_cmp(plain, later) < 0;
	assert_int_equal(uuid_cmp(rows[2].id, older ? plain : later), 0);
	assert_int_equal(uuid_cmp(rows[3].id, older ? later : plain), 0);
	assert_true(uuid_is_nil(rows[1].lease_owner));
	/* A delayed job that is wished to end need not wait for its delay. */
	must(fixture_cancel(&f, &f.alpha, delayed, &e));
	must(job_queue_waiting(f.db, &fixture_quota, 10, f.mem, &rows, &n, &e));
	assert_int_equal(n, 5);
}

static void
one_tenant_s_backlog_does_not_hide_another_s(void **state)
{
	struct job_submission s = fixture_submission();
	struct job_queued *rows;
	size_t n, theirs = 0;
	struct uuid mine;
	struct err e = { 0 };

	(void)state;
	s.spec.priority = 100;
	for (int i = 0; i < 30; i++)
		(void)fixture_submit_as(&f, &f.beta, &s);
	mine = fixture_submit(&f);
	must(job_queue_waiting(f.db, &fixture_quota, 4, f.mem, &rows, &n, &e));
	assert_int_equal(n, 4);
	for (size_t i = 0; i < n; i++)
		theirs += uuid_cmp(rows[i].id, mine) != 0;
	assert_int_equal(theirs, 3);
}

static void
many_tenants_share_what_is_returned(void **state)
{
	struct job_submission s = fixture_submission();
	struct job_queued *rows;
	struct principal who = f.beta;
	size_t n;
	struct err e = { 0 };

	(void)state;
	for (int i = 0; i < 20; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "many-%d", i);
		who.tenant = test_tenant(&f.t, name);
		for (int k = 0; k < 5; k++)
			(void)fixture_submit_as(&f, &who, &s);
	}
	must(job_queue_waiting(f.db, &fixture_quota, 20, f.mem, &rows, &n, &e));
	assert_int_equal(n, 20);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < i; k++)
			assert_int_not_equal(uuid_cmp(rows[i].tenant.uuid, rows[k].tenant.uuid), 0);
	must(job_queue_waiting(f.db, &fixture_quota, 1000, f.mem, &rows, &n, &e));
	assert_int_equal(n, 100);
}

/* --- attempts ------------------------------------------------------------------------------- */

static struct job_attempt
attempt_of(struct uuid id, int64_t epoch)
{
	return (struct job_attempt){ .tenant = f.alpha.tenant,
		.id = id,
		.epoch = epoch,
		.node = f.node,
		.outcome = "exited",
		.exit_code = 3,
		.started_wall_us = 1000000,
		.ended_wall_us = 3000000,
		.wall_ns = 2000000000,
		.cpu_user_ns = 700,
		.cpu_system_ns = 70,
		.memory_peak_bytes = 4096,
		.log_bytes = 12,
		.log_truncated = true,
		.output_files_skipped = 5 };
}

static int
record(const struct job_attempt *a, struct err *e)
{
	AUTO(db_sys_tx) tx = NULL;

	if (db_sys_begin(f.db, &tx, e) < 0)
		return -1;
	if (job_attempt_record(tx, a, e) < 0)
		return -1;
	return db_sys_commit(&tx, e);
}

static void
an_attempt_is_recorded_once_and_shown_with_its_job(void **state)
{
	struct uuid id = fixture_submit(&f);
	struct job_attempt a = attempt_of(id, 1);
	bool known = true;
	struct job j;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(fixture_claim(&f, &f.alpha, id), 1);
	must(job_attempt_known(f.db, f.alpha.tenant, id, 1, &known, &e));
	assert_false(known);
	assert_true(fixture_step(&f, id, 1, JOB_CLAIMED, JOB_ON_EXITED_OK));
	must(record(&a, &e));
	must(job_attempt_known(f.db, f.alpha.tenant, id, 1, &known, &e));
	assert_true(known);
	must_fail(ERR_DB_CONSTRAINT, record(&a, &e));
	j = fixture_get(&f, &f.alpha, id);
	assert_int_equal(j.wall_ns, 2000000000);
	assert_int_equal(j.cpu_ns, 770);
	assert_int_equal(j.memory_peak_bytes, 4096);
	assert_true(j.log_truncated);
	assert_int_equal(j.output_files_skipped, 5);
	/* The row was claimed when the job was over already, so only the record knows when it
	 * began. */
	assert_int_equal(j.started_wall_us, 1000000);
}

static void
an_attempt_under_another_epoch_is_refused(void **state)
{
	struct uuid id = fixture_submit(&f);
	struct job_attempt a = attempt_of(id, 1);
	struct err e = { 0 };

	(void)state;
	must_fail(ERR_CONFLICT, record(&a, &e));
	assert_int_equal(fixture_claim(&f, &f.alpha, id), 1);
	assert_true(fixture_step(&f, id, 1, JOB_CLAIMED, JOB_ON_LEASE_LOST));
	assert_int_equal(fixture_claim(&f, &f.alpha, id), 2);
	must_fail(ERR_CONFLICT, record(&a, &e));
	a.tenant = f.beta.tenant;
	a.epoch = 2;
	must_fail(ERR_CONFLICT, record(&a, &e));
	a.tenant = f.alpha.tenant;
	must(record(&a, &e));
}

static void
usage_shown_is_that_of_the_last_attempt(void **state)
{
	struct uuid id = fixture_submit(&f);
	struct job_attempt first = attempt_of(id, 1), second = attempt_of(id, 2);
	struct err e = { 0 };

	(void)state;
	second.wall_ns = 5;
	assert_int_equal(fixture_claim(&f, &f.alpha, id), 1);
	assert_true(fixture_step(&f, id, 1, JOB_CLAIMED, JOB_ON_RETRY));
	must(record(&first, &e));
	assert_int_equal(fixture_get(&f, &f.alpha, id).started_wall_us, 0); /* it waits again */
	assert_int_equal(fixture_claim(&f, &f.alpha, id), 2);
	assert_true(fixture_step(&f, id, 2, JOB_CLAIMED, JOB_ON_EXITED_BAD));
	must(record(&second, &e));
	assert_int_equal(fixture_get(&f, &f.alpha, id).wall_ns, 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(leases_are_renewed_for_their_node_alone, clear),
		cmocka_unit_test_setup(
		    a_lease_that_ran_out_is_found_after_its_grace_longest_first, clear),
		cmocka_unit_test_setup(what_a_node_holds_is_listed_with_its_wishes, clear),
		cmocka_unit_test_setup(waiting_rows_are_due_ones_by_wish_priority_and_age, clear),
		cmocka_unit_test_setup(one_tenant_s_backlog_does_not_hide_another_s, clear),
		cmocka_unit_test_setup(many_tenants_share_what_is_returned, clear),
		cmocka_unit_test_setup(an_attempt_is_recorded_once_and_shown_with_its_job, clear),
		cmocka_unit_test_setup(an_attempt_under_another_epoch_is_refused, clear),
		cmocka_unit_test_setup(usage_shown_is_that_of_the_last_attempt, clear),
	};
	int rc;

	fixture_open(&f);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	fixture_close(&f);
	return rc;
}
