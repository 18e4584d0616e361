/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sched_retry.h"

static const uint32_t half = UINT32_C(1) << 31; /* jitter of exactly 1 */

static void
the_delay_doubles_from_one_second_to_five_minutes(void **state)
{
	static const int64_t expected[] = { 1000, 2000, 4000, 8000, 16000, 32000, 64000, 128000,
		256000, 300000, 300000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(expected); i++)
		assert_int_equal(sched_retry_delay_ms((int64_t)i + 1, half), expected[i]);
	assert_int_equal(sched_retry_delay_ms(INT64_MAX, half), 300000);
	assert_int_equal(sched_retry_delay_ms(0, half), 1000);
}

static void
jitter_lies_between_half_and_one_and_a_half(void **state)
{
	(void)state;
	for (int64_t n = 1; n <= 12; n++) {
		int64_t whole = sched_retry_delay_ms(n, half);

		assert_int_equal(sched_retry_delay_ms(n, 0), whole / 2);
		assert_in_range(
		    sched_retry_delay_ms(n, UINT32_MAX), whole * 3 / 2 - 1, whole * 3 / 2);
		assert_true(sched_retry_delay_ms(n, UINT32_MAX) < whole * 3 / 2);
	}
}

static struct sched_end
failed(enum sched_category category, int64_t attempt, int64_t max_attempts, int64_t epoch)
{
	return (struct sched_end){ .from = JOB_RUNNING,
		.category = category,
		.attempt = attempt,
		.max_attempts = max_attempts,
		.epoch = epoch };
}

static void
a_success_is_the_end(void **state)
{
	struct sched_end end = failed(SCHED_USER, 1, 3, 1);

	(void)state;
	end.ok = true;
	assert_int_equal(sched_retry(&end, half).on, JOB_ON_EXITED_OK);
}

static void
a_failure_of_the_job_is_retried_while_attempts_are_left(void **state)
{
	static const enum sched_category own[] = { SCHED_USER, SCHED_NUMERICAL, SCHED_RESOURCE };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		struct sched_end end = failed(own[i], 2, 3, 2);
		struct sched_next next = sched_retry(&end, half);

		assert_int_equal(next.on, JOB_ON_RETRY);
		assert_int_equal(next.delay_ms, 2000);
		assert_false(next.refund);
		end.attempt = 3;
		assert_int_equal(sched_retry(&end, half).on, JOB_ON_EXITED_BAD);
	}
}

static void
a_failure_of_the_platform_costs_no_attempt(void **state)
{
	struct sched_end end = failed(SCHED_PLATFORM, 1, 1, 1);
	struct sched_next next = sched_retry(&end, half);

	(void)state;
	assert_int_equal(next.on, JOB_ON_RETRY);
	assert_true(next.refund);
	assert_int_equal(next.delay_ms, 1000);
}

static void
the_platform_may_fail_a_job_five_times(void **state)
{
	/* With one attempt allowed, claim n is attempt 1 again, because each loss is given back. */
	for (int64_t epoch = 1; epoch <= SCHED_PLATFORM_LOSSES_MAX; epoch++) {
		struct sched_end end = failed(SCHED_PLATFORM, 1, 1, epoch);

		assert_int_equal(sched_retry(&end, half).on, JOB_ON_RETRY);
		assert_int_equal(sched_retry_lost(1, epoch, half).on, JOB_ON_LEASE_LOST);
	}
	struct sched_end end = failed(SCHED_PLATFORM, 1, 1, SCHED_PLATFORM_LOSSES_MAX + 1);

	(void)state;
	assert_int_equal(sched_retry(&end, half).on, JOB_ON_ATTEMPTS_SPENT);
	assert_int_equal(
	    sched_retry_lost(1, SCHED_PLATFORM_LOSSES_MAX + 1, half).on, JOB_ON_ATTEMPTS_SPENT);
}

static void
what_was_told_to_end_has_ended_however_it_did(void **state)
{
	struct sched_end end = failed(SCHED_PLATFORM, 1, 9, 1);

	(void)state;
	end.from = JOB_CANCELING;
	assert_int_equal(sched_retry(&end, half).on, JOB_ON_REAPED);
	end.ok = true;
	assert_int_equal(sched_retry(&end, half).on, JOB_ON_REAPED);
}

/* Whatever happens to an attempt, the table of states has a move for it. */
static void
every_answer_is_a_legal_move(void **state)
{
	static const enum job_state held[] = { JOB_CLAIMED, JOB_RUNNING, JOB_CANCELING };
	enum job_state to;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(held); i++)
		for (int ok = 0; ok <= 1; ok++)
			for (int category = SCHED_USER; category <= SCHED_PLATFORM; category++)
				for (int64_t epoch = 1; epoch <= 12; epoch++) {
					struct sched_end end = failed(
					    (enum sched_category)category, 1, epoch % 3, epoch);

					end.from = held[i];
					end.ok = ok != 0;
					assert_true(
					    job_fsm_next(held[i], sched_retry(&end, half).on, &to));
					assert_true(job_fsm_next(
					    held[i], sched_retry_lost(1, epoch, half).on, &to));
				}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_delay_doubles_from_one_second_to_five_minutes),
		cmocka_unit_test(jitter_lies_between_half_and_one_and_a_half),
		cmocka_unit_test(a_success_is_the_end),
		cmocka_unit_test(a_failure_of_the_job_is_retried_while_attempts_are_left),
		cmocka_unit_test(a_failure_of_the_platform_costs_no_attempt),
		cmocka_unit_test(the_platform_may_fail_a_job_five_times),
		cmocka_unit_test(what_was_told_to_end_has_ended_however_it_did),
		cmocka_unit_test(every_answer_is_a_legal_move),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
