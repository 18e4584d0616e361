/* SPDX-License-Identifier: Apache-2.0 */
/* The scheduler's side of jobs: claims and fenced moves. */
#include "job_fixture.h"

#include "clock.h"
#include "lock.h"

static struct fixture f;

static int
clear(void **state)
{
	(void)state;
	fixture_clear(&f);
	return 0;
}

/* --- claims --------------------------------------------------------------------------------- */

static void
a_claim_brings_all_that_starting_takes(void **state)
{
	struct uuid id = fixture_submit(&f);
	struct job_claim c = { .tenant = f.alpha.tenant, .id = id };
	struct job j = fixture_get(&f, &f.alpha, id);
	struct err e = { 0 };

	(void)state;
	must(job_claim(f.db, f.node, 15000, &fixture_quota, &c, 1, f.mem, &e));
	assert_int_equal(c.epoch, 1);
	assert_int_equal(c.attempt, 1);
	assert_string_equal(c.manifest, fixture_manifest);
	assert_int_equal(c.created_wall_us, j.created_wall_us);
	assert_int_equal(c.uid_slot,
	    fixture_count(&f, "select uid_slot from wardian.tenant where name = 'alpha'"));
	j = fixture_get(&f, &f.alpha, id);
	assert_int_equal(j.state, JOB_CLAIMED);
	assert_int_equal(j.epoch, 1);
	assert_int_equal(j.attempt, 1);
	assert_true(j.claimed_wall_us >= j.created_wall_us);
	assert_int_equal(
	    fixture_count(&f,
		"select count(*) from wardian.job_queue where lease_until "
		"between now() + interval '13 seconds' and now() + interval '15 seconds'"),
	    1);
}

static void
a_claimed_unknown_canceled_or_delayed_job_is_not_claimed(void **state)
{
	struct job_claim c[5] = { { .epoch = 7 } };
	struct uuid taken = fixture_submit(&f), canceled = fixture_submit(&f),
		    delayed = fixture_submit(&f);
	struct uuid good = fixture_submit(&f);
	struct err e = { 0 };

	(void)state;
	assert_int_equal(fixture_claim(&f, &f.alpha, taken), 1);
	must(fixture_cancel(&f, &f.alpha, canceled, &e));
	assert_int_equal(fixture_claim(&f, &f.alpha, delayed), 1);
	assert_true(fixture_move(&f, &(struct job_move){ .tenant = f.alpha.tenant,
					 .id = delayed,
					 .epoch = 1,
					 .from = JOB_CLAIMED,
					 .on = JOB_ON_RETRY,
					 .delay_ms = 60000 }));
	for (size_t i = 0; i < ARRAY_LEN(c); i++)
		c[i].tenant = f.alpha.tenant;
	c[0].id = taken;
	c[1].id = canceled;
	c[2].id = delayed;
	c[3].id = uuid_v7();
	c[4].id = good;
	must(job_claim(f.db, f.node, 15000, &fixture_quota, c, ARRAY_LEN(c), f.mem, &e));
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(c[i].epoch, 0);
	assert_int_equal(c[4].epoch, 1);
}

static void
a_job_named_twice_or_under_a_foreign_tenant_is_claimed_once(void **state)
{
	struct uuid id = fixture_submit(&f);
	struct job_claim c[3] = { { .tenant = f.beta.tenant, .id = id },
		{ .tenant = f.alpha.tenant, .id = id }, { .tenant = f.alpha.tenant, .id = id } };
	struct err e = { 0 };

	(void)state;
	must(job_claim(f.db, f.node, 15000, &fixture_quota, c, 3, f.mem, &e));
	assert_int_equal(c[0].epoch, 0);
	assert_int_equal(c[1].epoch + c[2].epoch, 1);
	assert_int_equal(fixture_count(&f, "select count(*) from wardian.job_event"), 1);
}

static void
a_job_that_somebody_is_moving_is_skipped_and_not_waited_for(void **state)
{
	struct uuid id = fixture_submit(&f);
	struct job_move m = {
		.tenant = f.alpha.tenant, .id = id, .from = JOB_QUEUED, .on = JOB_ON_CANCEL
	};
	struct db_sys_tx *tx;
	struct err e = { 0 };

	(void)state;
	must(db_sys_begin(f.db, &tx, &e));
	must(job_move(tx, &m, 1, &e));
	assert_true(m.ok);
	/* Waiting would end with a deadline, for the other transaction is this thread's own. */
	assert_int_equal(fixture_claim(&f, &f.alpha, id), 0);
	db_sys_tx_free(tx);
	assert_int_equal(fixture_claim(&f, &f.alpha, id), 1);
}

static void
manifests_beyond_a_batch_s_room_wait_for_the_next(void **state)
{
	struct job_submission s = fixture_submission();
	struct job_claim c[12] = { 0 };
	AUTO_BUF body = { 0 };
	int claimed = 0;
	struct err e = { 0 };

	(void)state;
	buf_init(&body, 2 << 20);
	buf_str(&body, "{\"environment\":\"demo\",\"name\":\"");
	for (int i = 0; i < 1000000; i++)
		buf_char(&body, 'x');
	buf_str(&body, "\"}");
	assert_false(body.failed);
	s.manifest = body.p;
	s.manifest_n = body.n;
	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		c[i].tenant = f.alpha.tenant;
		c[i].id = fixture_submit_as(&f, &f.alpha, &s);
		arena_reset(f.mem);
	}
	must(job_claim(f.db, f.node, 15000, &fixture_quota, c, ARRAY_LEN(c), f.mem, &e));
	assert_true(arena_used(f.mem) < CAP_REQUEST_ARENA_BYTES);
	for (size_t i = 0; i < ARRAY_LEN(c); i++)
		claimed += c[i].epoch != 0;
	assert_int_equal(claimed, 9); /* 9 begin below 8 MiB */
	arena_reset(f.mem);
	must(job_claim(f.db, f.node, 15000, &fixture_quota, c + 9, 3, f.mem, &e));
	for (size_t i = 9; i < ARRAY_LEN(c); i++)
		assert_int_equal(c[i].epoch, 1);
}

static void
a_failed_claim_leaves_its_output_alone(void **state)
{
	struct uuid id = fixture_submit(&f);
	struct job_claim c = { .tenant = f.alpha.tenant, .id = id, .epoch = 77, .attempt = 78 };
	AUTO(arena) small = arena_new(600);
	struct err e = { 0 };

	(void)state;
	assert_non_null(small);
	must_fail(ERR_TOO_LARGE, job_claim(f.db, f.node, 15000, &fixture_quota, &c, 1, small, &e));
	assert_int_equal(c.epoch, 77);
	assert_int_equal(c.attempt, 78);
	fixture_expect_state(&f, id, JOB_QUEUED);
}

/* --- many claimers -------------------------------------------------------------------------- */

enum { JOBS = 2000, CLAIMERS = 8, CLAIM_BATCH = 50 };

struct claimer {
	struct thread thread;
	struct uuid node;
	struct uuid *won; /* room for all */
	size_t n_won;
	struct err e;
	bool failed;
};

static bool
claim_batch(struct claimer *c, const struct job_queued *rows, size_t n, struct arena *mem)
{
	struct job_claim claims[CLAIM_BATCH] = { 0 };

	for (size_t i = 0; i < n; i++) {
		claims[i].tenant = rows[i].tenant;
		claims[i].id = rows[i].id;
	}
	if (job_claim(f.db, c->node, 60000, &fixture_quota, claims, n, mem, &c->e) < 0)
		return c->e.code == ERR_DB_RETRY || c->e.code == ERR_BUSY;
	for (size_t i = 0; i < n; i++)
		if (claims[i].epoch != 0)
			c->won[c->n_won++] = claims[i].id;
	return true;
}

static void *
claim_until_empty(void *arg)
{
	struct claimer *c = arg;

	for (;;) {
		AUTO(arena) mem = arena_new(CAP_REQUEST_ARENA_BYTES);
		struct job_queued *rows;
		size_t n;

		if (job_queue_waiting(f.db, &fixture_quota, CLAIM_BATCH, mem, &rows, &n, &c->e) <
		    0) {
			c->failed = c->e.code != ERR_BUSY;
			if (c->failed)
				return NULL;
			continue;
		}
		if (n == 0)
			return NULL;
		if (!claim_batch(c, rows, n, mem)) {
			c->failed = true;
			return NULL;
		}
	}
}

static int
order_ids(const void *a, const void *b)
{
	return uuid_cmp(*(const struct uuid *)a, *(const struct uuid *)b);
}

static void
many_claimers_take_each_job_exactly_once(void **state)
{
	static struct uuid won[CLAIMERS][JOBS], all[JOBS];
	struct claimer c[CLAIMERS] = { 0 };
	struct err e = { 0 };
	size_t total = 0;
	int64_t began_ms;

	(void)state;
	for (int i = 0; i < JOBS; i++)
		(void)fixture_submit(&f);
	began_ms = clock_mono_ms();
	for (size_t i = 0; i < CLAIMERS; i++) {
		c[i].node = uuid_v7();
		c[i].won = won[i];
		must(thread_start(&c[i].thread, "claim", claim_until_empty, &c[i], &e));
	}
	for (size_t i = 0; i < CLAIMERS; i++)
		thread_join(&c[i].thread);
	print_message("%d claims by %d threads in %lld ms\n", JOBS, CLAIMERS,
	    (long long)(clock_mono_ms() - began_ms));
	for (size_t i = 0; i < CLAIMERS; i++) {
		if (c[i].failed)
			fail_msg("%s", c[i].e.msg);
		assert_true(total + c[i].n_won <= JOBS);
		memcpy(all + total, c[i].won, c[i].n_won * sizeof(all[0]));
		total += c[i].n_won;
	}
	assert_int_equal(total, JOBS);
	qsort(all, JOBS, sizeof(all[0]), order_ids);
	for (size_t i = 1; i < JOBS; i++)
		assert_int_not_equal(uuid_cmp(all[i - 1], all[i]), 0);
	assert_int_equal(
	    fixture_count(&f, "select count(*) from wardian.job_queue where state = 'claimed' "
			      "and lease_epoch = 1 and attempt = 1 and moves = 1"),
	    JOBS);
	assert_int_equal(
	    fixture_count(
		&f, "select count(*) from wardian.job_event where number = 0 and epoch = 1"),
	    JOBS);
}

/* --- moves ---------------------------------------------------------------------------------- */

static void
a_job_runs_from_claim_to_success(void **state)
{
	struct uuid id = fixture_submit(&f);
	struct job j;

	(void)state;
	assert_int_equal(fixture_claim(&f, &f.alpha, id), 1);
	assert_true(fixture_step(&f, id, 1, JOB_CLAIMED, JOB_ON_STARTED));
	j = fixture_get(&f, &f.alpha, id);
	assert_int_equal(j.state, JOB_RUNNING);
	assert_true(j.started_wall_us >= j.claimed_wall_us);
	assert_true(fixture_step(&f, id, 1, JOB_RUNNING, JOB_ON_EXITED_OK));
	j = fixture_get(&f, &f.alpha, id);
	assert_int_equal(j.state, JOB_SUCCEEDED);
	assert_true(
	    j.ended_wall_us >= j.started_wall_us && j.started_wall_us > 0 && j.claimed_wall_us > 0);
	assert_int_equal(j.epoch, 1);
	assert_int_equal(j.attempt, 1);
	assert_int_equal(fixture_count(&f, "select count(*) from wardian.job_queue"), 0);
}

static void
a_job_on_its_way_out_keeps_when_it_started(void **state)
{
	struct uuid id = fixture_submit(&f);
	int64_t started;

	(void)state;
	assert_int_equal(fixture_claim(&f, &f.alpha, id), 1);
	assert_true(fixture_step(&f, id, 1, JOB_CLAIMED, JOB_ON_STARTED));
	started = fixture_get(&f, &f.alpha, id).started_wall_us;
	assert_true(fixture_step(&f, id, 1, JOB_RUNNING, JOB_ON_CANCEL));
	assert_int_equal(fixture_get(&f, &f.alpha, id).started_wall_us, started);
	assert_true(fixture_step(&f, id, 1, JOB_CANCELING, JOB_ON_REAPED));
	assert_int_equal(fixture_get(&f, &f.alpha, id).started_wall_us, started);
	fixture_expect_state(&f, id, JOB_CANCELED);
}

static void
a_failure_keeps_its_cause_and_a_success_has_none(void **state)
{
	struct job_move m = { .tenant = f.alpha.tenant,
		.epoch = 1,
		.from = JOB_CLAIMED,
		.detail = "{\"category\": \"user\"}" };

	(void)state;
	m.id = fixture_submit(&f);
	m.on = JOB_ON_EXITED_BAD;
	assert_int_equal(fixture_claim(&f, &f.alpha, m.id), 1);
	assert_true(fixture_move(&f, &m));
	assert_string_equal(fixture_get(&f, &f.alpha, m.id).cause, "{\"category\": \"user\"}");
	m.id = fixture_submit(&f);
	m.on = JOB_ON_EXITED_OK;
	assert_int_equal(fixture_claim(&f, &f.alpha, m.id), 1);
	assert_true(fixture_move(&f, &m));
	assert_null(fixture_get(&f, &f.alpha, m.id).cause);
}

static void
a_stale_epoch_moves_nothing(void **state)
{
	static const struct {
		enum job_state from;
		enum job_event on;
	} moves[] = {
		{ JOB_CLAIMED, JOB_ON_STARTED },
		{ JOB_CLAIMED, JOB_ON_EXITED_OK },
		{ JOB_CLAIMED, JOB_ON_RETRY },
		{ JOB_CLAIMED, JOB_ON_EXITED_BAD },
		{ JOB_CLAIMED, JOB_ON_CANCEL },
		{ JOB_CLAIMED, JOB_ON_LEASE_LOST },
		{ JOB_RUNNING, JOB_ON_EXITED_OK },
		{ JOB_CANCELING, JOB_ON_REAPED },
	};
	struct uuid id = fixture_submit(&f);

	(void)state;
	assert_int_equal(fixture_claim(&f, &f.alpha, id), 1);
	assert_true(fixture_step(&f, id, 1, JOB_CLAIMED, JOB_ON_LEASE_LOST));
	assert_int_equal(fixture_claim(&f, &f.alpha, id), 2);
	for (size_t i = 0; i < ARRAY_LEN(moves); i++) {
		assert_false(fixture_step(&f, id, 1, moves[i].from, moves[i].on));
		assert_false(fixture_step(&f, id, 3, moves[i].from, moves[i].on));
	}
	fixture_expect_state(&f, id, JOB_CLAIMED);
	assert_int_equal(fixture_count(&f, "select count(*) from wardian.job_event"), 3);
}

static void
a_move_from_another_state_or_of_another_tenant_s_job_moves_nothing(void **state)
{
	struct uuid id = fixture_submit(&f);
	struct job_move m = { .tenant = f.beta.tenant,
		.id = id,
		.epoch = 1,
		.from = JOB_CLAIMED,
		.on = JOB_ON_STARTED };

	(void)state;
	assert_int_equal(fixture_claim(&f, &f.alpha, id), 1);
	assert_false(fixture_move(&f, &m));
	assert_false(fixture_step(&f, id, 1, JOB_RUNNING, JOB_ON_EXITED_OK));
	assert_false(fixture_step(&f, id, 1, JOB_QUEUED, JOB_ON_CANCEL));
	fixture_expect_state(&f, id, JOB_CLAIMED);
}

static void
a_job_that_is_over_never_moves_again(void **state)
{
	struct uuid id = fixture_submit(&f);

	(void)state;
	assert_int_equal(fixture_claim(&f, &f.alpha, id), 1);
	assert_true(fixture_step(&f, id, 1, JOB_CLAIMED, JOB_ON_EXITED_OK));
	assert_false(fixture_step(&f, id, 1, JOB_CLAIMED, JOB_ON_EXITED_BAD));
	assert_false(fixture_step(&f, id, 1, JOB_CLAIMED, JOB_ON_LEASE_LOST));
	assert_int_equal(fixture_claim(&f, &f.alpha, id), 0);
	fixture_expect_state(&f, id, JOB_SUCCEEDED);
	assert_int_equal(fixture_count(&f, "select count(*) from wardian.job_event"), 2);
}

static void
a_retry_waits_counts_and_refunds_as_asked(void **state)
{
	struct uuid id = fixture_submit(&f);
	struct job_move m = { .tenant = f.alpha.tenant,
		.id = id,
		.epoch = 1,
		.from = JOB_CLAIMED,
		.on = JOB_ON_RETRY };
	struct job j;

	(void)state;
	assert_int_equal(fixture_claim(&f, &f.alpha, id), 1);
	assert_true(fixture_move(&f, &m));
	j = fixture_get(&f, &f.alpha, id);
	assert_int_equal(j.state, JOB_QUEUED);
	assert_int_equal(j.attempt, 1);
	assert_int_equal(j.started_wall_us, 0);
	assert_int_equal(
	    fixture_count(&f,
		"select count(*) from wardian.job_queue where lease_owner is null and "
		"lease_until is null and not_before is null and queued_at > claimed_at"),
	    1);
	assert_int_equal(fixture_claim(&f, &f.alpha, id), 2);
	assert_int_equal(fixture_get(&f, &f.alpha, id).attempt, 2);
	m.epoch = 2;
	m.refund = true;
	m.delay_ms = 30000;
	assert_true(fixture_move(&f, &m));
	assert_int_equal(fixture_get(&f, &f.alpha, id).attempt, 1);
	assert_int_equal(
	    fixture_count(&f,
		"select count(*) from wardian.job_queue where not_before "
		"between now() + interval '25 seconds' and now() + interval '30 seconds'"),
	    1);
	assert_int_equal(fixture_claim(&f, &f.alpha, id), 0);
}

static void
moves_of_one_job_in_one_batch_happen_in_order(void **state)
{
	struct uuid a = fixture_submit(&f), b = fixture_submit(&f);
	struct job_move m[] = {
		{ .id = a, .epoch = 1, .from = JOB_CLAIMED, .on = JOB_ON_STARTED },
		{ .id = b, .epoch = 1, .from = JOB_CLAIMED, .on = JOB_ON_STARTED },
		{ .id = a, .epoch = 1, .from = JOB_RUNNING, .on = JOB_ON_CANCEL },
		{ .id = a, .epoch = 1, .from = JOB_CANCELING, .on = JOB_ON_REAPED },
		{ .id = b, .epoch = 1, .from = JOB_CLAIMED, .on = JOB_ON_STARTED },
		{ .id = b, .epoch = 1, .from = JOB_RUNNING, .on = JOB_ON_EXITED_OK },
	};
	struct db_sys_tx *tx;
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(m); i++)
		m[i].tenant = f.alpha.tenant;
	assert_int_equal(fixture_claim(&f, &f.alpha, a), 1);
	assert_int_equal(fixture_claim(&f, &f.alpha, b), 1);
	must(db_sys_begin(f.db, &tx, &e));
	must(job_move(tx, m, ARRAY_LEN(m), &e));
	must(db_sys_commit(&tx, &e));
	for (size_t i = 0; i < ARRAY_LEN(m); i++)
		assert_int_equal(m[i].ok, i != 4);
	fixture_expect_state(&f, a, JOB_CANCELED);
	fixture_expect_state(&f, b, JOB_SUCCEEDED);
}

static void
a_batch_of_more_moves_than_one_statement_holds_is_applied_whole(void **state)
{
	enum { MANY = 600 };
	static struct job_move m[MANY];
	struct db_sys_tx *tx;
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < MANY; i++)
		m[i] = (struct job_move){ .tenant = f.alpha.tenant,
			.id = fixture_submit(&f),
			.from = JOB_QUEUED,
			.on = JOB_ON_CANCEL };
	must(db_sys_begin(f.db, &tx, &e));
	must(job_move(tx, m, MANY, &e));
	must(db_sys_commit(&tx, &e));
	for (size_t i = 0; i < MANY; i++)
		assert_true(m[i].ok);
	assert_int_equal(
	    fixture_count(&f, "select count(*) from wardian.job where end_state = 'canceled' "
			      "and claimed_at is null and last_epoch = 0"),
	    MANY);
}

static void
a_transaction_that_is_given_up_leaves_the_state(void **state)
{
	struct uuid id = fixture_submit(&f);
	struct job_move m = { .tenant = f.alpha.tenant,
		.id = id,
		.epoch = 1,
		.from = JOB_CLAIMED,
		.on = JOB_ON_STARTED };
	struct db_sys_tx *tx;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(fixture_claim(&f, &f.alpha, id), 1);
	must(db_sys_begin(f.db, &tx, &e));
	must(job_move(tx, &m, 1, &e));
	assert_true(m.ok);
	db_sys_tx_free(tx);
	fixture_expect_state(&f, id, JOB_CLAIMED);
	assert_int_equal(fixture_count(&f, "select count(*) from wardian.job_event"), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_claim_brings_all_that_starting_takes, clear),
		cmocka_unit_test_setup(
		    a_claimed_unknown_canceled_or_delayed_job_is_not_claimed, clear),
		cmocka_unit_test_setup(
		    a_job_named_twice_or_under_a_foreign_tenant_is_claimed_once, clear),
		cmocka_unit_test_setup(
		    a_job_that_somebody_is_moving_is_skipped_and_not_waited_for, clear),
		cmocka_unit_test_setup(manifests_beyond_a_batch_s_room_wait_for_the_next, clear),
		cmocka_unit_test_setup(a_failed_claim_leaves_its_output_alone, clear),
		cmocka_unit_test_setup(many_claimers_take_each_job_exactly_once, clear),
		cmocka_unit_test_setup(a_job_runs_from_claim_to_success, clear),
		cmocka_unit_test_setup(a_job_on_its_way_out_keeps_when_it_started, clear),
		cmocka_unit_test_setup(a_failure_keeps_its_cause_and_a_success_has_none, clear),
		cmocka_unit_test_setup(a_stale_epoch_moves_nothing, clear),
		cmocka_unit_test_setup(
		    a_move_from_another_state_or_of_another_tenant_s_job_moves_nothing, clear),
		cmocka_unit_test_setup(a_job_that_is_over_never_moves_again, clear),
		cmocka_unit_test_setup(a_retry_waits_counts_and_refunds_as_asked, clear),
		cmocka_unit_test_setup(moves_of_one_job_in_one_batch_happen_in_order, clear),
		cmocka_unit_test_setup(
		    a_batch_of_more_moves_than_one_statement_holds_is_applied_whole, clear),
		cmocka_unit_test_setup(a_transaction_that_is_given_up_leaves_the_state, clear),
	};
	int rc;

	fixture_open(&f);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	fixture_close(&f);
	return rc;
}
