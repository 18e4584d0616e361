/* SPDX-License-Identifier: Apache-2.0 */
/* The job as the API shows it, byte for byte. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "job.h"

#include <string.h>

static void
expect_text(const struct job *j, bool with_manifest, const char *expected)
{
	AUTO(json) back = NULL;
	struct json_out o;
	AUTO_BUF b = { 0 };
	struct err e = { 0 };

	buf_init(&b, 1 << 16);
	json_out_init(&o, &b);
	job_print(j, with_manifest, &o);
	assert_int_equal(buf_check(&b, &e), 0);
	assert_string_equal(b.p, expected);
	assert_int_equal(json_parse(b.p, b.n, &back, &e), 0);
}

static void
a_queued_job_shows_nulls_for_what_has_not_happened(void **state)
{
	const struct job j = { .state = JOB_QUEUED,
		.environment = "demo",
		.labels = "{}",
		.cpu_milli = 500,
		.memory_bytes = 1048576,
		.created_wall_us = 1000000 };

	(void)state;
	expect_text(&j, false,
	    "{\"id\":\"job_00000000000000000000000000\",\"state\":\"queued\",\"project\":\"prj_"
	    "00000000000000000000000000\",\"environment\":"
	    "\"demo\","
	    "\"name\":null,\"labels\":{},\"priority\":0,\"resources\":{\"cpus\":0.5,\"memory_"
	    "bytes\":1048576},"
	    "\"attempt\":0,\"created_at\":\"1970-01-01T00:00:01.000000Z\",\"claimed_at\":null,"
	    "\"started_at\":null,\"ended_at\":null,\"cancel_requested_at\":null,\"cause\":null,"
	    "\"usage\":null}");
}

static void
a_failed_job_shows_its_cause_usage_and_manifest(void **state)
{
	const struct job j = { .state = JOB_FAILED,
		.project = { .b = { [15] = 1 } },
		.environment = "demo",
		.name = "\"x\"",
		.labels = "{\"a\": \"b\"}",
		.manifest = "{\"environment\": \"demo\"}",
		.cause = "{\"category\": \"user\"}",
		.priority = -3,
		.attempt = 2,
		.epoch = 2,
		.cpu_milli = 1000,
		.memory_bytes = 1,
		.created_wall_us = 1000000,
		.claimed_wall_us = 2000000,
		.started_wall_us = 3000000,
		.ended_wall_us = 4000000,
		.cancel_requested_wall_us = 5000000,
		.wall_ns = 1500000000,
		.cpu_ns = 250000000,
		.memory_peak_bytes = 4096,
		.log_truncated = true };

	(void)state;
	expect_text(&j, true,
	    "{\"id\":\"job_00000000000000000000000000\",\"state\":\"failed\",\"project\":\"prj_"
	    "00000000000000000000000001\",\"environment\":"
	    "\"demo\","
	    "\"name\":\"\\\"x\\\"\",\"labels\":{\"a\": \"b\"},\"priority\":-3,"
	    "\"resources\":{\"cpus\":1,\"memory_bytes\":1},\"attempt\":2,"
	    "\"created_at\":\"1970-01-01T00:00:01.000000Z\",\"claimed_at\":\"1970-01-01T00:00:02."
	    "000000Z\","
	    "\"started_at\":\"1970-01-01T00:00:03.000000Z\",\"ended_at\":\"1970-01-01T00:00:04."
	    "000000Z\","
	    "\"cancel_requested_at\":\"1970-01-01T00:00:05.000000Z\",\"cause\":{\"category\": "
	    "\"user\"},"
	    "\"usage\":{\"wall_s\":1.5,\"cpu_s\":0.25,\"memory_peak_bytes\":4096,\"log_truncated\":"
	    "true},"
	    "\"manifest\":{\"environment\": \"demo\"}}");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_queued_job_shows_nulls_for_what_has_not_happened),
		cmocka_unit_test(a_failed_job_shows_its_cause_usage_and_manifest),
	};

	json_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
