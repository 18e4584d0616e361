/* SPDX-License-Identifier: Apache-2.0 */
/* Attempts as tenants see them: their place in the history, their record, and their samples. */
#include "job_fixture.h"

static struct fixture f;

static int
clear(void **state)
{
	(void)state;
	fixture_clear(&f);
	return 0;
}

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
		.throttled_ns = 1,
		.log_bytes = 12,
		.output_files = 2,
		.output_bytes = 3,
		.log_truncated = true,
		.stage_ns = 4,
		.launch_ns = 5,
		.collect_ns = 6,
		.faults_minor = 7,
		.faults_major = 8,
		.io_read_bytes = 9,
		.io_write_bytes = INT64_MAX,
		.processes_peak = 11,
		.oom_kills = 12,
		.output_files_skipped = 13,
		.fault_step = "exec",
		.fault_errno = 2 };
}

static int
record(const struct job_attempt *a, struct err *e)
{
	AUTO(db_sys_tx) tx = NULL;

	if (db_sys_begin(f.db, &tx, e) < 0 || job_attempt_record(tx, a, e) < 0)
		return -1;
	return db_sys_commit(&tx, e);
}

static size_t
look(const struct principal *who, struct uuid id, int64_t number, struct job_attempt_view **ret)
{
	struct err e = { 0 };
	size_t n = 0;

	must(job_attempts(f.db, who->tenant, &fixture_everywhere, id, number, f.mem, ret, &n, &e));
	return n;
}

static size_t
samples(const struct principal *who, struct uuid id, int64_t number, struct job_sample **ret)
{
	struct err e = { 0 };
	size_t n = 0;

	must(job_samples(f.db, who->tenant, id, number, f.mem, ret, &n, &e));
	return n;
}

/* Ends an attempt badly, with another one due. */
static void
retry(struct uuid id, int64_t epoch, const char *detail)
{
	struct job_move m = { .tenant = f.alpha.tenant,
		.id = id,
		.epoch = epoch,
		.from = JOB_CLAIMED,
		.on = JOB_ON_RETRY,
		.detail = detail };

	assert_true(fixture_move(&f, &m));
}

/* --- the list --------------------------------------------------------------------------------- */

static void
a_job_that_waits_has_no_attempts(void **state)
{
	struct job_attempt_view *v;
	struct uuid id = fixture_submit(&f);

	(void)state;
	assert_int_equal(look(&f.alpha, id, 0, &v), 0);
	assert_int_equal(look(&f.alpha, id, 1, &v), 0);
}

static void
an_attempt_that_goes_on_has_its_node_and_times_and_no_record(void **state)
{
	struct uuid id = fixture_submit(&f);
	struct job_attempt_view *v;

	(void)state;
	assert_int_equal(fixture_claim(&f, &f.alpha, id), 1);
	assert_int_equal(look(&f.alpha, id, 0, &v), 1);
	assert_int_equal(v[0].did.epoch, 1);
	assert_false(v[0].recorded);
	assert_int_equal(uuid_cmp(v[0].did.node, f.node), 0);
	assert_true(v[0].queued_wall_us > 0);
	assert_true(v[0].claimed_wall_us >= v[0].queued_wall_us);
	assert_int_equal(v[0].did.started_wall_us, 0);
	assert_true(fixture_step(&f, id, 1, JOB_CLAIMED, JOB_ON_STARTED));
	assert_true(fixture_step(&f, id, 1, JOB_RUNNING, JOB_ON_CANCEL));
	assert_int_equal(look(&f.alpha, id, 1, &v), 1);
	assert_true(v[0].did.started_wall_us >= v[0].claimed_wall_us);
	assert_int_equal(v[0].did.ended_wall_us, 0);
	assert_null(v[0].cause);
}

static void
every_figure_of_a_record_comes_back(void **state)
{
	struct uuid id = fixture_submit(&f);
	const struct job_attempt a = attempt_of(id, 1);
	struct job_attempt_view *v;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(fixture_claim(&f, &f.alpha, id), 1);
	retry(id, 1, "{\"kind\": \"exit-code\"}");
	must(record(&a, &e));
	assert_int_equal(look(&f.alpha, id, 1, &v), 1);
	assert_true(v[0].recorded && v[0].detailed);
	assert_string_equal(v[0].cause, "{\"kind\": \"exit-code\"}");
	assert_int_equal(v[0].did.epoch, 1);
	assert_int_equal(uuid_cmp(v[0].did.node, f.node), 0);
	assert_string_equal(v[0].did.outcome, "exited");
	assert_string_equal(v[0].did.fault_step, "exec");
	assert_true(v[0].did.log_truncated);
	/* The numbers lie side by side between what was compared. */
	assert_memory_equal(&v[0].did.exit_code, &a.exit_code,
	    offsetof(struct job_attempt, log_truncated) - offsetof(struct job_attempt, exit_code));
	assert_memory_equal(&v[0].did.stage_ns, &a.stage_ns,
	    offsetof(struct job_attempt, fault_step) - offsetof(struct job_attempt, stage_ns));
	assert_int_equal(v[0].did.fault_errno, 2);
}

static void
attempts_stand_in_their_order_with_what_became_of_each(void **state)
{
	struct uuid id = fixture_submit(&f);
	struct job_attempt third = attempt_of(id, 3);
	struct job_attempt_view *v;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(fixture_claim(&f, &f.alpha, id), 1);
	retry(id, 1, NULL);
	assert_int_equal(fixture_claim(&f, &f.alpha, id), 2);
	assert_true(fixture_step(&f, id, 2, JOB_CLAIMED, JOB_ON_STARTED));
	assert_true(fixture_step(&f, id, 2, JOB_RUNNING, JOB_ON_LEASE_LOST));
	assert_int_equal(fixture_claim(&f, &f.alpha, id), 3);
	assert_true(fixture_step(&f, id, 3, JOB_CLAIMED, JOB_ON_EXITED_OK));
	third.fault_step = NULL;
	third.fault_errno = 0;
	must(record(&third, &e));
	assert_int_equal(look(&f.alpha, id, 0, &v), 3);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(v[i].did.epoch, (int64_t)i + 1);
		assert_true(v[i].did.ended_wall_us > 0);
		assert_int_equal(v[i].recorded, i == 2);
		assert_true(i == 0 || v[i].queued_wall_us == v[i - 1].did.ended_wall_us);
	}
	assert_true(v[1].did.started_wall_us > 0); /* by its move */
	assert_int_equal(v[2].did.started_wall_us, 1000000);
	assert_null(v[2].did.fault_step);
	assert_int_equal(look(&f.alpha, id, 2, &v), 1);
	assert_int_equal(v[0].did.epoch, 2);
	assert_int_equal(look(&f.alpha, id, 4, &v), 0);
	assert_int_equal(look(&f.alpha, id, INT64_MAX, &v), 0);
}

static void
a_job_canceled_while_it_waits_again_does_not_change_its_last_attempt(void **state)
{
	struct uuid id = fixture_submit(&f);
	struct job_attempt_view *v;

	(void)state;
	assert_int_equal(fixture_claim(&f, &f.alpha, id), 1);
	retry(id, 1, "{\"kind\": \"oom\"}");
	assert_true(fixture_step(&f, id, 1, JOB_QUEUED, JOB_ON_CANCEL));
	assert_int_equal(look(&f.alpha, id, 0, &v), 1);
	assert_string_equal(v[0].cause, "{\"kind\": \"oom\"}");
}

static void
of_very_many_attempts_the_newest_are_shown(void **state)
{
	struct uuid id = fixture_submit(&f);
	struct job_attempt_view *v;

	(void)state;
	for (int64_t i = 1; i <= JOB_ATTEMPTS_MAX + 3; i++) {
		struct job_move m = { .tenant = f.alpha.tenant,
			.id = id,
			.epoch = i,
			.from = JOB_CLAIMED,
			.on = JOB_ON_RETRY,
			.refund = true };

		assert_int_equal(fixture_claim(&f, &f.alpha, id), i);
		assert_true(fixture_move(&f, &m));
	}
	assert_int_equal(look(&f.alpha, id, 0, &v), JOB_ATTEMPTS_MAX);
	assert_int_equal(v[0].did.epoch, 4);
	assert_int_equal(v[JOB_ATTEMPTS_MAX - 1].did.epoch, JOB_ATTEMPTS_MAX + 3);
	assert_int_equal(look(&f.alpha, id, 1, &v), 1);
}

static void
figures_of_before_the_migration_are_not_known(void **state)
{
	struct uuid id = fixture_submit(&f);
	const struct job_attempt a = attempt_of(id, 1);
	struct job_attempt_view *v;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(fixture_claim(&f, &f.alpha, id), 1);
	must(record(&a, &e));
	test_script(f.t.url, "update wardian.job_attempt set stage_ns = null, launch_ns = null, "
			     "collect_ns = null, faults_minor = null, faults_major = null, "
			     "io_read_bytes = null, io_write_bytes = null, processes_peak = null, "
			     "oom_kills = null, fault_step = null, fault_errno = null");
	assert_int_equal(look(&f.alpha, id, 1, &v), 1);
	assert_true(v[0].recorded);
	assert_false(v[0].detailed);
	assert_int_equal(v[0].did.wall_ns, 2000000000);
}

/* --- walls ------------------------------------------------------------------------------------ */

static void
attempts_of_others_and_of_nobody_are_the_same_nothing(void **state)
{
	const struct scope elsewhere = { .n = 1, .projects = { uuid_v7() } };
	struct uuid id = fixture_submit(&f), none = uuid_v7();
	struct job_attempt a = attempt_of(id, 1);
	struct job_sample s = { .at_ms = 1000 }, *found;
	struct job_attempt_view *v;
	struct err e = { 0 };
	size_t n;

	(void)state;
	a.samples = &s;
	a.n_samples = 1;
	assert_int_equal(fixture_claim(&f, &f.alpha, id), 1);
	must(record(&a, &e));
	must_fail(ERR_NOT_FOUND,
	    job_attempts(f.db, f.beta.tenant, &fixture_everywhere, id, 0, f.mem, &v, &n, &e));
	must_fail(ERR_NOT_FOUND,
	    job_attempts(f.db, f.alpha.tenant, &fixture_everywhere, none, 1, f.mem, &v, &n, &e));
	must_fail(ERR_NOT_FOUND,
	    job_attempts(f.db, f.alpha.tenant, &elsewhere, id, 0, f.mem, &v, &n, &e));
	assert_int_equal(samples(&f.beta, id, 1, &found), 0);
	assert_int_equal(samples(&f.alpha, id, 1, &found), 1);
}

/* --- samples ---------------------------------------------------------------------------------- */

static void
samples_are_kept_with_the_record_and_come_back_in_order(void **state)
{
	static struct job_sample v[JOB_SAMPLES_MAX];
	struct uuid id = fixture_submit(&f);
	struct job_attempt a = attempt_of(id, 1);
	struct job_sample *found;
	struct err e = { 0 };

	(void)state;
	for (int64_t i = 0; i < JOB_SAMPLES_MAX; i++)
		v[i] = (struct job_sample){ 1000 * (i + 1), i, i + 1, INT64_MAX - i, i % 7, i + 3,
			INT64_MAX };
	a.samples = v;
	a.n_samples = JOB_SAMPLES_MAX;
	assert_int_equal(fixture_claim(&f, &f.alpha, id), 1);
	must(record(&a, &e));
	assert_int_equal(samples(&f.alpha, id, 1, &found), JOB_SAMPLES_MAX);
	assert_memory_equal(found, v, sizeof(v));
	assert_int_equal(samples(&f.alpha, id, 2, &found), 0);
}

static void
an_attempt_without_samples_leaves_no_row(void **state)
{
	struct uuid id = fixture_submit(&f);
	const struct job_attempt a = attempt_of(id, 1);
	struct job_sample *found;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(fixture_claim(&f, &f.alpha, id), 1);
	must(record(&a, &e));
	assert_int_equal(samples(&f.alpha, id, 1, &found), 0);
	assert_int_equal(fixture_count(&f, "select count(*) from wardian.attempt_usage"), 0);
}

static void
a_record_that_is_refused_leaves_no_samples(void **state)
{
	struct uuid id = fixture_submit(&f);
	struct job_attempt a = attempt_of(id, 1);
	struct job_sample s = { .at_ms = 1000 };
	struct err e = { 0 };

	(void)state;
	a.samples = &s;
	a.n_samples = 1;
	must_fail(ERR_CONFLICT, record(&a, &e)); /* never claimed */
	assert_int_equal(fixture_claim(&f, &f.alpha, id), 1);
	must(record(&a, &e));
	must_fail(ERR_DB_CONSTRAINT, record(&a, &e));
	assert_int_equal(fixture_count(&f, "select count(*) from wardian.attempt_usage"), 1);
}

static void
rows_that_could_not_be_read_back_are_refused_by_the_table(void **state)
{
	static const char *const bad[] = {
		"'{}', '{}', '{}', '{}', '{}', '{}', '{}'",
		"'{1,2}', '{1}', '{1,2}', '{1,2}', '{1,2}', '{1,2}', '{1,2}'",
		("(select array_agg(n) from generate_series(1, 513) n), '{1}', '{1}', '{1}', "
		 "'{1}', '{1}', '{1}'"),
	};
	struct uuid id = fixture_submit(&f);
	const struct job_attempt a = attempt_of(id, 1);
	struct db_owner *owner;
	char sql[512];
	struct err e = { 0 };

	(void)state;
	assert_int_equal(fixture_claim(&f, &f.alpha, id), 1);
	must(record(&a, &e));
	must(db_owner_open(f.t.url, TEST_TIMEOUT_MS, &owner, &e));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		(void)snprintf(sql, sizeof(sql),
		    "insert into wardian.attempt_usage select tenant_id, job_id, epoch, %s "
		    "from wardian.job_attempt",
		    bad[i]);
		assert_int_equal(db_owner_script(owner, sql, TEST_TIMEOUT_MS, &e), -1);
		assert_non_null(strstr(e.msg, "23514"));
	}
	db_owner_free(owner);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_job_that_waits_has_no_attempts, clear),
		cmocka_unit_test_setup(
		    an_attempt_that_goes_on_has_its_node_and_times_and_no_record, clear),
		cmocka_unit_test_setup(every_figure_of_a_record_comes_back, clear),
		cmocka_unit_test_setup(
		    attempts_stand_in_their_order_with_what_became_of_each, clear),
		cmocka_unit_test_setup(
		    a_job_canceled_while_it_waits_again_does_not_change_its_last_attempt, clear),
		cmocka_unit_test_setup(of_very_many_attempts_the_newest_are_shown, clear),
		cmocka_unit_test_setup(figures_of_before_the_migration_are_not_known, clear),
		cmocka_unit_test_setup(
		    attempts_of_others_and_of_nobody_are_the_same_nothing, clear),
		cmocka_unit_test_setup(
		    samples_are_kept_with_the_record_and_come_back_in_order, clear),
		cmocka_unit_test_setup(an_attempt_without_samples_leaves_no_row, clear),
		cmocka_unit_test_setup(a_record_that_is_refused_leaves_no_samples, clear),
		cmocka_unit_test_setup(
		    rows_that_could_not_be_read_back_are_refused_by_the_table, clear),
	};
	int rc;

	fixture_open(&f);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	fixture_close(&f);
	return rc;
}
