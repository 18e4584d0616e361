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
	    "bytes\":1048576,\"gpus\":0,\"pin_cpus\":false},"
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
		.gpus = 2,
		.pin_cpus = true,
		.created_wall_us = 1000000,
		.claimed_wall_us = 2000000,
		.started_wall_us = 3000000,
		.ended_wall_us = 4000000,
		.cancel_requested_wall_us = 5000000,
		.wall_ns = 1500000000,
		.cpu_ns = 250000000,
		.memory_peak_bytes = 4096,
		.log_truncated = true,
		.output_files_skipped = 3 };

	(void)state;
	expect_text(&j, true,
	    "{\"id\":\"job_00000000000000000000000000\",\"state\":\"failed\",\"project\":\"prj_"
	    "00000000000000000000000001\",\"environment\":"
	    "\"demo\","
	    "\"name\":\"\\\"x\\\"\",\"labels\":{\"a\": \"b\"},\"priority\":-3,"
	    "\"resources\":{\"cpus\":1,\"memory_bytes\":1,\"gpus\":2,\"pin_cpus\":true},"
	    "\"attempt\":2,"
	    "\"created_at\":\"1970-01-01T00:00:01.000000Z\",\"claimed_at\":\"1970-01-01T00:00:02."
	    "000000Z\","
	    "\"started_at\":\"1970-01-01T00:00:03.000000Z\",\"ended_at\":\"1970-01-01T00:00:04."
	    "000000Z\","
	    "\"cancel_requested_at\":\"1970-01-01T00:00:05.000000Z\",\"cause\":{\"category\": "
	    "\"user\"},"
	    "\"usage\":{\"wall_s\":1.5,\"cpu_s\":0.25,\"memory_peak_bytes\":4096,\"log_truncated\":"
	    "true,\"output_files_skipped\":3},"
	    "\"waiting\":null,\"manifest\":{\"environment\": \"demo\"}}");
}

static void
a_job_that_waits_says_for_what(void **state)
{
	static const struct {
		struct job_wait w;
		const char *text;
	} all[] = {
		{ { .reason = JOB_WAIT_TURN },
		    "\"waiting\":{\"reason\":\"turn\",\"limit\":null,\"of\":null,\"until\":null,"
		    "\"message\":\"It waits for its turn on a node with enough free CPUs and "
		    "memory.\"}" },
		{ { .reason = JOB_WAIT_GPUS, .gpus = 2 },
		    "\"waiting\":{\"reason\":\"gpus\",\"limit\":null,\"of\":null,\"until\":null,"
		    "\"message\":\"It waits for a node with 2 free GPUs, and its CPUs and memory "
		    "beside.\"}" },
		{ { .reason = JOB_WAIT_DELAY, .until_wall_us = 1000000 },
		    "\"reason\":\"delay\",\"limit\":null,\"of\":null,"
		    "\"until\":\"1970-01-01T00:00:01.000000Z\"" },
		{ { .reason = JOB_WAIT_LIMIT, .limit = "gpus", .used = 4, .amount = 5 },
		    "\"reason\":\"limit\",\"limit\":\"gpus\",\"of\":\"tenant\",\"until\":null,"
		    "\"message\":\"Jobs of its tenant hold 4 of at most 5 (limit gpus); it starts "
		    "when enough of them have ended.\"}" },
		{ { .reason = JOB_WAIT_LIMIT,
		      .limit = "cpus",
		      .of_project = true,
		      .used = 1500,
		      .amount = 2000 },
		    "\"of\":\"project\",\"until\":null,\"message\":\"Jobs of its project hold 1.5 "
		    "of "
		    "at most 2 CPUs (limit cpus); it starts when enough of them have ended.\"}" },
		{ { .reason = JOB_WAIT_LIMIT,
		      .limit = "memory_bytes",
		      .used = INT64_MAX,
		      .amount = INT64_MAX },
		    "have ended.\"}" },
	};
	struct job j = {
		.state = JOB_QUEUED, .environment = "demo", .labels = "{}", .manifest = "{}"
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct json_out o;
		AUTO_BUF b = { 0 };

		j.wait = &all[i].w;
		buf_init(&b, 1 << 16);
		json_out_init(&o, &b);
		job_print(&j, true, &o);
		if (strstr(b.p, all[i].text) == NULL)
			fail_msg("%s", b.p);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_queued_job_shows_nulls_for_what_has_not_happened),
		cmocka_unit_test(a_job_that_waits_says_for_what),
		cmocka_unit_test(a_failed_job_shows_its_cause_usage_and_manifest),
	};

	json_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
