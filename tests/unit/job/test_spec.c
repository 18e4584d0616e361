/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests that are accepted, and the spec that each becomes. */
#include "spec_fixture.h"

/* --- what is accepted ----------------------------------------------------------------------- */

static void
the_shortest_manifest_gets_every_default(void **state)
{
	struct decoded d;

	(void)state;
	decode("{\"environment\":\"demo\"}", &d);
	assert_int_equal(d.result, 0);
	assert_ptr_equal(d.spec.environment, &demo);
	assert_null(d.spec.name);
	assert_null(d.spec.project);
	assert_int_equal(d.spec.n_argv, 2);
	assert_string_equal(d.spec.argv[0], "demo");
	assert_int_equal(d.spec.n_inputs, 0);
	assert_int_equal(d.spec.cpu_milli, 1000);
	assert_int_equal(d.spec.memory_bytes, 512 * MIB);
	assert_int_equal(d.spec.disk_bytes, 256 * MIB);
	assert_int_equal(d.spec.wall_ms, 3600000);
	assert_int_equal(d.spec.no_output_ms, 0);
	assert_int_equal(d.spec.log_bytes, 64 * MIB);
	assert_int_equal(d.spec.priority, 0);
	assert_int_equal(d.spec.max_attempts, 1);
	assert_false(d.spec.has_seed);
	assert_string_equal(d.spec.labels, "{}");
	assert_int_equal(d.spec.gpus, 0);
	assert_false(d.spec.pin_cpus);
	assert_int_equal(d.spec.cpu_ms, 0);
	assert_int_equal(d.spec.io_read_bps, 0);
	assert_int_equal(d.spec.io_write_bps, 0);
	decoded_free(&d);
}

static void
every_member_arrives_in_the_spec(void **state)
{
	struct decoded d;
	const char *text;

	(void)state;
	decode("{\"environment\":\"demo\",\"name\":\"n\",\"project\":\"wing-2\",\"parameters\":{"
	       "\"deck\":\"a.cir\",\"n\":3},"
	       "\"inputs\":[{\"path\":\"a.cir\",\"text\":\"x\"},{\"path\":\"b/"
	       "c\",\"base64\":\"AAE=\"}],"
	       "\"resources\":{\"cpus\":2.3,\"memory_bytes\":1073741824,\"disk_bytes\":1048576},"
	       "\"limits\":{\"wall_s\":60,\"no_output_s\":5,\"output_bytes\":4096},"
	       "\"priority\":-100,\"retry\":{\"max_attempts\":10},\"seed\":9223372036854775807,"
	       "\"labels\":{\"a\":\"b\",\"x.y_z-1\":\"\"}}",
	    &d);
	assert_int_equal(d.result, 0);
	assert_string_equal(d.spec.name, "n");
	assert_string_equal(d.spec.project, "wing-2");
	assert_string_equal(d.spec.argv[1], "2");
	assert_int_equal(d.spec.n_parameters, 2);
	assert_string_equal(d.spec.parameters[0].name, "deck");
	assert_true(json_get_text(d.spec.parameters[0].value, &text));
	assert_string_equal(text, "a.cir");
	assert_int_equal(d.spec.n_inputs, 2);
	assert_string_equal(d.spec.inputs[0].path, "a.cir");
	assert_int_equal(d.spec.inputs[0].n, 1);
	assert_string_equal(d.spec.inputs[1].path, "b/c");
	assert_int_equal(d.spec.inputs[1].n, 2);
	assert_memory_equal(d.spec.inputs[1].text, "\0\1", 2);
	assert_int_equal(d.spec.cpu_milli, 2300);
	assert_int_equal(d.spec.memory_bytes, GIB);
	assert_int_equal(d.spec.disk_bytes, MIB);
	assert_int_equal(d.spec.wall_ms, 60000);
	assert_int_equal(d.spec.no_output_ms, 5000);
	assert_int_equal(d.spec.log_bytes, 4096);
	assert_int_equal(d.spec.priority, -100);
	assert_int_equal(d.spec.max_attempts, 10);
	assert_true(d.spec.has_seed);
	assert_true(d.spec.seed == INT64_MAX);
	assert_string_equal(d.spec.labels, "{\"a\":\"b\",\"x.y_z-1\":\"\"}");
	decoded_free(&d);
}

static void
devices_and_limits_of_every_kind_arrive_in_the_spec(void **state)
{
	struct decoded d;

	(void)state;
	decode(
	    "{\"environment\":\"demo\",\"resources\":{\"cpus\":2.0,\"gpus\":2,\"pin_cpus\":true},"
	    "\"limits\":{\"cpu_s\":1.25,\"io_read_bytes_per_s\":1048576,"
	    "\"io_write_bytes_per_s\":65536}}",
	    &d);
	assert_int_equal(d.result, 0);
	assert_int_equal(d.spec.cpu_milli, 2000);
	assert_int_equal(d.spec.gpus, 2);
	assert_true(d.spec.pin_cpus);
	assert_int_equal(d.spec.cpu_ms, 1250);
	assert_int_equal(d.spec.io_read_bps, MIB);
	assert_int_equal(d.spec.io_write_bps, 65536);
	decoded_free(&d);
}

static void
no_gpus_is_an_answer_that_an_environment_s_default_does_not_change(void **state)
{
	struct decoded d;

	(void)state;
	decode("{\"environment\":\"greedy\",\"resources\":{\"gpus\":0}}", &d);
	assert_int_equal(d.result, 0);
	assert_int_equal(d.spec.gpus, 0);
	decoded_free(&d);
}

static void
an_environment_with_a_root_of_its_own_has_its_programs_anywhere(void **state)
{
	struct decoded d;

	(void)state;
	decode("{\"environment\":\"rooted\",\"command\":[\"/opt/sim/bin/run\"]}", &d);
	assert_int_equal(d.result, 0);
	assert_string_equal(d.spec.argv[0], "/opt/sim/bin/run");
	decoded_free(&d);
	decode("{\"environment\":\"rooted\",\"command\":[\"sh\"]}", &d);
	assert_int_equal(d.result, 0);
	assert_string_equal(d.spec.argv[0], "/usr/bin/sh");
	decoded_free(&d);
}

static void
a_project_is_named_by_its_name_or_its_id(void **state)
{
	static const char *const good[] = { "a", "7", "wing", "a-b", "0-0",
		"prj_01h455vb4pex5vsknk084sn02q" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct decoded d;
		char body[128];

		(void)snprintf(
		    body, sizeof(body), "{\"environment\":\"demo\",\"project\":\"%s\"}", good[i]);
		decode(body, &d);
		assert_int_equal(d.result, 0);
		assert_string_equal(d.spec.project, good[i]);
		decoded_free(&d);
	}
}

static void
an_environment_s_own_defaults_come_before_the_server_s(void **state)
{
	struct decoded d;

	(void)state;
	decode("{\"environment\":\"sized\"}", &d);
	assert_int_equal(d.result, 0);
	assert_int_equal(d.spec.cpu_milli, 2500);
	assert_int_equal(d.spec.memory_bytes, 64 * MIB);
	assert_int_equal(d.spec.wall_ms, 90000);
	decoded_free(&d);
}

static void
a_default_never_asks_for_more_than_there_is(void **state)
{
	struct decoded d;

	(void)state;
	decode("{\"environment\":\"greedy\"}", &d);
	assert_int_equal(d.result, 0);
	assert_int_equal(d.spec.cpu_milli, limits.cpu_milli_max);
	assert_int_equal(d.spec.memory_bytes, limits.memory_max_bytes);
	assert_int_equal(d.spec.wall_ms, limits.wall_max_ms);
	assert_int_equal(d.spec.gpus, limits.gpus_max);
	decoded_free(&d);
}

static void
a_program_without_slash_is_one_of_usr_bin(void **state)
{
	static const struct {
		const char *body, *argv0;
	} cases[] = {
		{ "[\"ngspice\",\"-b\",\"x\"]", "/usr/bin/ngspice" },
		{ "[\"/usr/bin/lmp\"]", "/usr/bin/lmp" },
		{ "[\"/usr/lib/x/y.z\",\"\"]", "/usr/lib/x/y.z" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char body[256];
		struct decoded d;

		(void)snprintf(
		    body, sizeof(body), "{\"environment\":\"demo\",\"command\":%s}", cases[i].body);
		decode(body, &d);
		assert_int_equal(d.result, 0);
		assert_string_equal(d.spec.argv[0], cases[i].argv0);
		assert_null(d.spec.argv[d.spec.n_argv]);
		decoded_free(&d);
	}
}

static void
the_greatest_values_are_still_accepted(void **state)
{
	static const char *const good[] = {
		"\"resources\":{\"cpus\":4}",
		"\"resources\":{\"cpus\":0.1}",
		"\"resources\":{\"cpus\":0.3}",
		"\"resources\":{\"cpus\":4.0e0}",
		"\"resources\":{\"memory_bytes\":8589934592}",
		"\"resources\":{\"memory_bytes\":16777216}",
		"\"resources\":{\"disk_bytes\":8589934592}",
		"\"limits\":{\"wall_s\":604800}",
		"\"limits\":{\"wall_s\":1}",
		"\"limits\":{\"output_bytes\":1073741824}",
		"\"limits\":{}",
		"\"resources\":{\"gpus\":2}",
		"\"resources\":{\"pin_cpus\":false,\"cpus\":1.5}",
		"\"resources\":{\"pin_cpus\":true}",
		"\"limits\":{\"cpu_s\":0.1}",
		"\"limits\":{\"cpu_s\":316224000000}",
		"\"limits\":{\"io_read_bytes_per_s\":1125899906842624}",
		"\"resources\":{}",
		"\"retry\":{}",
		"\"labels\":{}",
		"\"inputs\":[]",
		"\"parameters\":{}",
		"\"priority\":100",
		"\"seed\":0",
		"\"inputs\":[{\"path\":\"a\",\"text\":\"\"}]",
		"\"inputs\":[{\"path\":\"a\",\"base64\":\"\"}]",
		("\"inputs\":[{\"path\":\"a\",\"text\":\"\"},{\"path\":\"ab\",\"text\":\"\"},"
		 "{\"path\":\"b/c\",\"text\":\"\"},{\"path\":\"b/d\",\"text\":\"\"}]"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		char body[1024];
		struct decoded d;

		(void)snprintf(body, sizeof(body), "{\"environment\":\"demo\",%s}", good[i]);
		decode(body, &d);
		if (d.result != 0)
			fail_msg("%s: %s", good[i], d.e.msg);
		decoded_free(&d);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_shortest_manifest_gets_every_default),
		cmocka_unit_test(every_member_arrives_in_the_spec),
		cmocka_unit_test(devices_and_limits_of_every_kind_arrive_in_the_spec),
		cmocka_unit_test(
		    no_gpus_is_an_answer_that_an_environment_s_default_does_not_change),
		cmocka_unit_test(an_environment_with_a_root_of_its_own_has_its_programs_anywhere),
		cmocka_unit_test(a_project_is_named_by_its_name_or_its_id),
		cmocka_unit_test(an_environment_s_own_defaults_come_before_the_server_s),
		cmocka_unit_test(a_default_never_asks_for_more_than_there_is),
		cmocka_unit_test(a_program_without_slash_is_one_of_usr_bin),
		cmocka_unit_test(the_greatest_values_are_still_accepted),
	};

	json_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
