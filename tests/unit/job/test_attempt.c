/* SPDX-License-Identifier: Apache-2.0 */
/* Attempts as the API shows them, byte for byte, and series with fewer points. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "job.h"

#include <errno.h>
#include <string.h>

static void
expect_text(const struct job_attempt_view *v, const char *expected)
{
	AUTO(json) back = NULL;
	struct json_out o;
	AUTO_BUF b = { 0 };
	struct err e = { 0 };

	buf_init(&b, 1 << 16);
	json_out_init(&o, &b);
	job_attempt_print(v, &o);
	assert_int_equal(buf_check(&b, &e), 0);
	assert_string_equal(b.p, expected);
	assert_int_equal(json_parse(b.p, b.n, &back, &e), 0);
}

static void
an_attempt_that_goes_on_shows_nulls_for_what_is_not_known_yet(void **state)
{
	const struct job_attempt_view v = {
		.did = { .epoch = 3 }, .queued_wall_us = 1000000, .claimed_wall_us = 3500000
	};

	(void)state;
	expect_text(&v,
	    "{\"number\":3,\"outcome\":null,\"exit_code\":null,\"signal\":null,\"cause\":null,"
	    "\"fault\":null,\"node\":null,\"claimed_at\":\"1970-01-01T00:00:03.500000Z\","
	    "\"started_at\":null,\"ended_at\":null,\"phases\":{\"queued_s\":2.5,\"stage_s\":null,"
	    "\"launch_s\":null,\"run_s\":null,\"collect_s\":null},\"usage\":null}");
}

static void
an_attempt_that_left_no_record_was_lost(void **state)
{
	const struct job_attempt_view v = { .did = { .epoch = 1, .ended_wall_us = 2000000 },
		.queued_wall_us = 2000000, /* of a clock that was put back */
		.claimed_wall_us = 1000000,
		.cause = "{\"kind\": \"lost\"}" };

	(void)state;
	expect_text(&v, "{\"number\":1,\"outcome\":\"lost\",\"exit_code\":null,\"signal\":null,"
			"\"cause\":{\"kind\": \"lost\"},\"fault\":null,\"node\":null,"
			"\"claimed_at\":\"1970-01-01T00:00:01.000000Z\",\"started_at\":null,"
			"\"ended_at\":\"1970-01-01T00:00:02.000000Z\",\"phases\":{\"queued_s\":0,"
			"\"stage_s\":null,\"launch_s\":null,\"run_s\":null,\"collect_s\":null},"
			"\"usage\":null}");
}

static struct job_attempt_view
whole(void)
{
	return (struct job_attempt_view){ .did = { .epoch = 2,
					      .node = { .b = { [15] = 7 } },
					      .outcome = "fault",
					      .exit_code = 5,
					      .signal = 9,
					      .started_wall_us = 1000000,
					      .ended_wall_us = 2000000,
					      .wall_ns = 1500000000,
					      .cpu_user_ns = 250000000,
					      .cpu_system_ns = 500000000,
					      .memory_peak_bytes = 4096,
					      .throttled_ns = 125000000,
					      .log_bytes = 1,
					      .output_files = 2,
					      .output_bytes = 3,
					      .log_truncated = true,
					      .stage_ns = 1000000,
					      .launch_ns = 500000,
					      .collect_ns = 2000000,
					      .faults_minor = 4,
					      .faults_major = 5,
					      .io_read_bytes = 6,
					      .io_write_bytes = 7,
					      .processes_peak = 8,
					      .oom_kills = 9,
					      .output_files_skipped = 10,
					      .fault_step = "exec",
					      .fault_errno = ENOENT },
		.recorded = true,
		.detailed = true };
}

static void
an_attempt_that_is_over_shows_all_of_it(void **state)
{
	const struct job_attempt_view v = whole();

	(void)state;
	expect_text(&v,
	    "{\"number\":2,\"outcome\":\"fault\",\"exit_code\":null,\"signal\":null,"
	    "\"cause\":null,\"fault\":{\"step\":\"exec\",\"errno\":\"ENOENT\"},"
	    "\"node\":\"00000000-0000-0000-0000-000000000007\",\"claimed_at\":null,"
	    "\"started_at\":\"1970-01-01T00:00:01.000000Z\","
	    "\"ended_at\":\"1970-01-01T00:00:02.000000Z\",\"phases\":{\"queued_s\":0,"
	    "\"stage_s\":0.001,\"launch_s\":0.0005,\"run_s\":1.5,\"collect_s\":0.002},"
	    "\"usage\":{\"wall_s\":1.5,\"cpu_s\":0.75,\"cpu_user_s\":0.25,\"cpu_system_s\":0.5,"
	    "\"throttled_s\":0.125,\"memory_peak_bytes\":4096,\"processes_peak\":8,"
	    "\"faults_minor\":4,\"faults_major\":5,\"io_read_bytes\":6,\"io_write_bytes\":7,"
	    "\"oom_kills\":9,\"log_bytes\":1,\"log_truncated\":true,\"output_files\":2,"
	    "\"output_bytes\":3,\"output_files_skipped\":10}}");
}

static void
figures_that_an_older_version_did_not_record_are_null_and_not_zero(void **state)
{
	struct job_attempt_view v = whole();

	(void)state;
	v.detailed = false;
	v.did.outcome = "exited";
	v.did.fault_step = NULL;
	expect_text(&v,
	    "{\"number\":2,\"outcome\":\"exited\",\"exit_code\":5,\"signal\":null,"
	    "\"cause\":null,\"fault\":null,"
	    "\"node\":\"00000000-0000-0000-0000-000000000007\",\"claimed_at\":null,"
	    "\"started_at\":\"1970-01-01T00:00:01.000000Z\","
	    "\"ended_at\":\"1970-01-01T00:00:02.000000Z\",\"phases\":{\"queued_s\":0,"
	    "\"stage_s\":null,\"launch_s\":null,\"run_s\":1.5,\"collect_s\":null},"
	    "\"usage\":{\"wall_s\":1.5,\"cpu_s\":0.75,\"cpu_user_s\":0.25,\"cpu_system_s\":0.5,"
	    "\"throttled_s\":0.125,\"memory_peak_bytes\":4096,\"processes_peak\":null,"
	    "\"faults_minor\":null,\"faults_major\":null,\"io_read_bytes\":null,"
	    "\"io_write_bytes\":null,\"oom_kills\":null,\"log_bytes\":1,\"log_truncated\":true,"
	    "\"output_files\":2,\"output_bytes\":3,\"output_files_skipped\":null}}");
}

static void
a_sample_is_shown_in_seconds_and_bytes(void **state)
{
	const struct job_sample s = { 1500, 250000000, 500000000, 3, 4, 5, 6 };
	struct json_out o;
	AUTO_BUF b = { 0 };

	(void)state;
	buf_init(&b, 1 << 10);
	json_out_init(&o, &b);
	job_sample_print(&s, &o);
	assert_string_equal(b.p, "{\"at_s\":1.5,\"cpu_s\":0.25,\"throttled_s\":0.5,"
				 "\"memory_bytes\":3,\"processes\":4,\"io_read_bytes\":5,"
				 "\"io_write_bytes\":6}");
}

/* --- fewer points ----------------------------------------------------------------------------- */

static void
fill(struct job_sample *v, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * 1103515245u + 12345u;
		v[i] = (struct job_sample){ .at_ms = (int64_t)i, .memory_bytes = seed >> 16 };
	}
}

static void
few_enough_points_stay_as_they_are(void **state)
{
	struct job_sample v[8], same[8];

	(void)state;
	fill(v, 8, 1);
	memcpy(same, v, sizeof(v));
	for (size_t n = 0; n <= 8; n++)
		assert_int_equal(job_samples_thin(v, n, n < 4 ? 4 : n), n);
	assert_memory_equal(v, same, sizeof(v));
}

static void
expect_thinned(const struct job_sample *from, size_t n, size_t most)
{
	static struct job_sample v[JOB_SAMPLES_MAX];
	int64_t least = INT64_MAX, greatest = 0, kept_least = INT64_MAX, kept_greatest = 0;
	size_t kept;

	memcpy(v, from, n * sizeof(*v));
	kept = job_samples_thin(v, n, most);
	assert_true(kept >= 2 && kept <= most);
	assert_memory_equal(&v[0], &from[0], sizeof(*v));
	assert_memory_equal(&v[kept - 1], &from[n - 1], sizeof(*v));
	for (size_t i = 0; i < kept; i++) {
		assert_true(i == 0 || v[i].at_ms > v[i - 1].at_ms);
		assert_memory_equal(&v[i], &from[v[i].at_ms], sizeof(*v));
		kept_least = v[i].memory_bytes < kept_least ? v[i].memory_bytes : kept_least;
		kept_greatest =
		    v[i].memory_bytes > kept_greatest ? v[i].memory_bytes : kept_greatest;
	}
	for (size_t i = 0; i < n; i++) {
		least = from[i].memory_bytes < least ? from[i].memory_bytes : least;
		greatest = from[i].memory_bytes > greatest ? from[i].memory_bytes : greatest;
	}
	assert_true(kept_least == least && kept_greatest == greatest);
}

static void
thinning_keeps_order_ends_and_extremes(void **state)
{
	static struct job_sample v[JOB_SAMPLES_MAX];

	(void)state;
	for (unsigned seed = 1; seed <= 40; seed++)
		for (size_t n = 5; n <= JOB_SAMPLES_MAX; n += 13)
			for (size_t most = 4; most < n; most += 7) {
				fill(v, n, seed);
				expect_thinned(v, n, most);
			}
	memset(v, 0, sizeof(v)); /* no extremes at all */
	for (size_t i = 0; i < JOB_SAMPLES_MAX; i++)
		v[i].at_ms = (int64_t)i;
	expect_thinned(v, JOB_SAMPLES_MAX, 4);
	expect_thinned(v, JOB_SAMPLES_MAX, 511);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_attempt_that_goes_on_shows_nulls_for_what_is_not_known_yet),
		cmocka_unit_test(an_attempt_that_left_no_record_was_lost),
		cmocka_unit_test(an_attempt_that_is_over_shows_all_of_it),
		cmocka_unit_test(
		    figures_that_an_older_version_did_not_record_are_null_and_not_zero),
		cmocka_unit_test(a_sample_is_shown_in_seconds_and_bytes),
		cmocka_unit_test(few_enough_points_stay_as_they_are),
		cmocka_unit_test(thinning_keeps_order_ends_and_extremes),
	};

	json_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
