/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests that are refused: each fault is told with its JSON Pointer, all of them at once. */
#include "spec_fixture.h"

/* --- what is refused ------------------------------------------------------------------------ */

/* Every JSON type, with the letter by which the table below allows it. */
static const struct {
	char letter;
	const char *text;
} samples[] = {
	{ 's', "\"text\"" },
	{ 'i', "7" },
	{ 'r', "1.5" },
	{ 'b', "true" },
	{ 'n', "null" },
	{ 'a', "[]" },
	{ 'o', "{}" },
	{ 'b', "false" },
};

static void
a_member_of_the_wrong_type_is_a_fault_at_its_place(void **state)
{
	/* member with @ for the value, pointer, types that are not wrong */
	static const struct {
		const char *member, *pointer, *allowed;
	} places[] = {
		{ "\"name\":@", "/name", "s" },
		{ "\"project\":@", "/project", "s" },
		{ "\"parameters\":@", "/parameters", "o" },
		{ "\"command\":@", "/command", "a" },
		{ "\"command\":[@]", "/command/0", "s" },
		{ "\"command\":[\"a\",\"b\",@]", "/command/2", "s" },
		{ "\"inputs\":@", "/inputs", "a" },
		{ "\"inputs\":[@]", "/inputs/0", "o" },
		{ "\"inputs\":[{\"path\":\"x\",\"text\":\"\"},@]", "/inputs/1", "o" },
		{ "\"inputs\":[{\"path\":@,\"text\":\"\"}]", "/inputs/0/path", "s" },
		{ "\"inputs\":[{\"path\":\"x\",\"text\":@}]", "/inputs/0/text", "s" },
		{ "\"inputs\":[{\"path\":\"x\",\"base64\":@}]", "/inputs/0/base64", "s" },
		{ "\"resources\":@", "/resources", "o" },
		{ "\"resources\":{\"cpus\":@}", "/resources/cpus", "ir" },
		{ "\"resources\":{\"memory_bytes\":@}", "/resources/memory_bytes", "i" },
		{ "\"resources\":{\"disk_bytes\":@}", "/resources/disk_bytes", "i" },
		{ "\"resources\":{\"gpus\":@}", "/resources/gpus", "i" },
		{ "\"resources\":{\"pin_cpus\":@}", "/resources/pin_cpus", "b" },
		{ "\"limits\":@", "/limits", "o" },
		{ "\"limits\":{\"cpu_s\":@}", "/limits/cpu_s", "ir" },
		{ "\"limits\":{\"io_read_bytes_per_s\":@}", "/limits/io_read_bytes_per_s", "i" },
		{ "\"limits\":{\"io_write_bytes_per_s\":@}", "/limits/io_write_bytes_per_s", "i" },
		{ "\"limits\":{\"wall_s\":@}", "/limits/wall_s", "i" },
		{ "\"limits\":{\"no_output_s\":@}", "/limits/no_output_s", "i" },
		{ "\"limits\":{\"output_bytes\":@}", "/limits/output_bytes", "i" },
		{ "\"priority\":@", "/priority", "i" },
		{ "\"retry\":@", "/retry", "o" },
		{ "\"retry\":{\"max_attempts\":@}", "/retry/max_attempts", "i" },
		{ "\"seed\":@", "/seed", "i" },
		{ "\"labels\":@", "/labels", "o" },
		{ "\"labels\":{\"k\":@}", "/labels/k", "s" },
	};
	size_t tried = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		for (size_t k = 0; k < ARRAY_LEN(samples); k++) {
			AUTO_BUF member = { 0 };

			if (strchr(places[i].allowed, samples[k].letter) != NULL)
				continue;
			buf_init(&member, 256);
			fill(&member, places[i].member, samples[k].text);
			assert_false(member.failed);
			expect_member_fault(member.p, ERR_INVALID, places[i].pointer);
			tried++;
		}
	assert_true(tried > 150);
}

static void
members_that_this_version_does_not_know_are_named(void **state)
{
	static const char *const top[] = { "depends_on", "metrics", "stop_rules", "success",
		"outputs", "project", "secrets", "image", "Environment", "env" };
	static const char *const nested[] = { "gpu", "queue_s", "on", "backoff", "memory_growth",
		"cpu" };
	static const char *const objects[] = { "resources", "limits", "retry" };
	char member[128], pointer[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(top); i++) {
		(void)snprintf(member, sizeof(member), "\"%s\":1", top[i]);
		(void)snprintf(pointer, sizeof(pointer), "/%s", top[i]);
		expect_member_fault(member, ERR_INVALID, pointer);
	}
	for (size_t i = 0; i < ARRAY_LEN(objects); i++)
		for (size_t k = 0; k < ARRAY_LEN(nested); k++) {
			(void)snprintf(
			    member, sizeof(member), "\"%s\":{\"%s\":1}", objects[i], nested[k]);
			(void)snprintf(pointer, sizeof(pointer), "/%s/%s", objects[i], nested[k]);
			expect_member_fault(member, ERR_INVALID, pointer);
		}
	expect_member_fault("\"inputs\":[{\"path\":\"x\",\"text\":\"\",\"mode\":1}]", ERR_INVALID,
	    "/inputs/0/mode");
}

/* Members whose values are out of range, and where the fault is. */
static const struct {
	const char *member, *pointer;
} out_of_range[] = {
	{ "\"name\":\"\"", "/name" },
	{ "\"name\":\"a\\nb\"", "/name" },
	{ "\"name\":\"\\u001b[31m\"", "/name" },
	{ "\"priority\":-101", "/priority" },
	{ "\"priority\":101", "/priority" },
	{ "\"priority\":9223372036854775807", "/priority" },
	{ "\"seed\":-1", "/seed" },
	{ "\"retry\":{\"max_attempts\":0}", "/retry/max_attempts" },
	{ "\"retry\":{\"max_attempts\":11}", "/retry/max_attempts" },
	{ "\"retry\":{\"max_attempts\":-1}", "/retry/max_attempts" },
	{ "\"resources\":{\"gpus\":-1}", "/resources/gpus" },
	{ "\"resources\":{\"gpus\":65}", "/resources/gpus" },
	{ "\"resources\":{\"gpus\":9223372036854775807}", "/resources/gpus" },
	{ "\"resources\":{\"pin_cpus\":true,\"cpus\":1.5}", "/resources/pin_cpus" },
	{ "\"resources\":{\"pin_cpus\":true,\"cpus\":0.9}", "/resources/pin_cpus" },
	{ "\"limits\":{\"cpu_s\":0}", "/limits/cpu_s" },
	{ "\"limits\":{\"cpu_s\":0.09}", "/limits/cpu_s" },
	{ "\"limits\":{\"cpu_s\":-1}", "/limits/cpu_s" },
	{ "\"limits\":{\"cpu_s\":1e300}", "/limits/cpu_s" },
	{ "\"limits\":{\"cpu_s\":316224000001}", "/limits/cpu_s" },
	{ "\"limits\":{\"io_read_bytes_per_s\":0}", "/limits/io_read_bytes_per_s" },
	{ "\"limits\":{\"io_read_bytes_per_s\":65535}", "/limits/io_read_bytes_per_s" },
	{ "\"limits\":{\"io_write_bytes_per_s\":1125899906842625}",
	    "/limits/io_write_bytes_per_s" },
	{ "\"resources\":{\"cpus\":0}", "/resources/cpus" },
	{ "\"resources\":{\"cpus\":0.05}", "/resources/cpus" },
	{ "\"resources\":{\"cpus\":0.15}", "/resources/cpus" },
	{ "\"resources\":{\"cpus\":1.01}", "/resources/cpus" },
	{ "\"resources\":{\"cpus\":1.0000001}", "/resources/cpus" },
	{ "\"resources\":{\"cpus\":-1}", "/resources/cpus" },
	{ "\"resources\":{\"cpus\":1e300}", "/resources/cpus" },
	{ "\"resources\":{\"memory_bytes\":0}", "/resources/memory_bytes" },
	{ "\"resources\":{\"memory_bytes\":16777215}", "/resources/memory_bytes" },
	{ "\"resources\":{\"memory_bytes\":-1}", "/resources/memory_bytes" },
	{ "\"resources\":{\"memory_bytes\":9223372036854775807}", "/resources/memory_bytes" },
	{ "\"resources\":{\"disk_bytes\":1}", "/resources/disk_bytes" },
	{ "\"resources\":{\"disk_bytes\":-5}", "/resources/disk_bytes" },
	{ "\"limits\":{\"wall_s\":0}", "/limits/wall_s" },
	{ "\"limits\":{\"wall_s\":-3}", "/limits/wall_s" },
	{ "\"limits\":{\"wall_s\":604801}", "/limits/wall_s" },
	{ "\"limits\":{\"wall_s\":9223372036854775807}", "/limits/wall_s" },
	{ "\"limits\":{\"no_output_s\":0}", "/limits/no_output_s" },
	{ "\"limits\":{\"output_bytes\":1023}", "/limits/output_bytes" },
	{ "\"limits\":{\"output_bytes\":1073741825}", "/limits/output_bytes" },
	{ "\"labels\":{\"\":\"x\"}", "/labels/" },
	{ "\"labels\":{\"a b\":\"x\"}", "/labels/a b" },
	{ "\"labels\":{\"a/b\":\"x\"}", "/labels/a~1b" },
	{ "\"labels\":{\"~\":\"x\"}", "/labels/~0" },
	{ "\"labels\":{\"-a\":\"x\"}", "/labels/-a" },
	{ "\"labels\":{\"\\u00e9\":\"x\"}", "/labels/\xc3\xa9" },
	{ "\"labels\":{\"a\":\"x\\ny\"}", "/labels/a" },
	{ "\"command\":[]", "/command" },
	{ "\"command\":[\"\"]", "/command/0" },
	{ "\"command\":[\"./a\"]", "/command/0" },
	{ "\"command\":[\"a/b\"]", "/command/0" },
	{ "\"command\":[\"/bin/sh\"]", "/command/0" },
	{ "\"command\":[\"/etc/passwd\"]", "/command/0" },
	{ "\"command\":[\"/usr/../etc/x\"]", "/command/0" },
	{ "\"command\":[\"/usr/bin/\"]", "/command/0" },
	{ "\"command\":[\"/usr//bin/x\"]", "/command/0" },
	{ "\"command\":[\"/usrx/bin\"]", "/command/0" },
	{ "\"command\":[\"/usr\"]", "/command/0" },
	{ "\"command\":[\"..\"]", "/command/0" },
	{ "\"command\":[\"a\\nb\"]", "/command/0" },
	{ "\"command\":[\"a\"],\"parameters\":{}", "/command" },
	{ "\"parameters\":{\"bad\":1}", "/parameters/first" },
	{ "\"parameters\":{\"x\":1,\"worse\":1}", "/parameters/later" },
};

static void
values_out_of_range_are_faults(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(out_of_range); i++)
		expect_member_fault(out_of_range[i].member, ERR_INVALID, out_of_range[i].pointer);
}

static void
inputs_that_cannot_be_written_are_faults(void **state)
{
	static const struct {
		const char *inputs, *pointer;
	} bad[] = {
		{ "{\"path\":\"a\"}", "/inputs/0" },
		{ "{\"path\":\"a\",\"text\":\"\",\"base64\":\"\"}", "/inputs/0" },
		{ "{\"text\":\"\"}", "/inputs/0/path" },
		{ "{\"path\":\"\",\"text\":\"\"}", "/inputs/0/path" },
		{ "{\"path\":\"/a\",\"text\":\"\"}", "/inputs/0/path" },
		{ "{\"path\":\"../a\",\"text\":\"\"}", "/inputs/0/path" },
		{ "{\"path\":\"a/../../b\",\"text\":\"\"}", "/inputs/0/path" },
		{ "{\"path\":\"a//b\",\"text\":\"\"}", "/inputs/0/path" },
		{ "{\"path\":\"a\\\\b\",\"text\":\"\"}", "/inputs/0/path" },
		{ "{\"path\":\"a\\u0007\",\"text\":\"\"}", "/inputs/0/path" },
		{ "{\"path\":\"a\",\"base64\":\"A\"}", "/inputs/0/base64" },
		{ "{\"path\":\"a\",\"base64\":\"AA==\\n\"}", "/inputs/0/base64" },
		{ "{\"path\":\"a\",\"base64\":\"A_==\"}", "/inputs/0/base64" },
		{ "{\"path\":\"a\",\"text\":\"\"},{\"path\":\"a\",\"text\":\"\"}",
		    "/inputs/1/path" },
		{ "{\"path\":\"a\",\"text\":\"\"},{\"path\":\"a/b\",\"text\":\"\"}",
		    "/inputs/1/path" },
		{ "{\"path\":\"a/b/c\",\"text\":\"\"},{\"path\":\"a/b\",\"text\":\"\"}",
		    "/inputs/1/path" },
		{ "{\"path\":\"a\",\"text\":\"\"},{\"path\":\"b\",\"text\":\"\"},{\"path\":\"a\","
		  "\"text\":\"\"}",
		    "/inputs/2/path" },
	};
	char member[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		(void)snprintf(member, sizeof(member), "\"inputs\":[%s]", bad[i].inputs);
		expect_member_fault(member, ERR_INVALID, bad[i].pointer);
	}
}

static void
documents_that_are_no_manifest_are_faults(void **state)
{
	(void)state;
	expect_fault("[]", ERR_INVALID, "");
	expect_fault("[{\"environment\":\"demo\"}]", ERR_INVALID, "");
	expect_fault("{}", ERR_INVALID, "/environment");
	expect_fault("{\"environment\":7}", ERR_INVALID, "/environment");
	expect_fault("{\"environment\":\"\"}", ERR_INVALID, "/environment");
	expect_fault("{\"environment\":null}", ERR_INVALID, "/environment");
}

static void
counts_beyond_the_caps_are_faults(void **state)
{
	static const struct {
		const char *open, *item, *close, *pointer;
		int n;
	} bad[] = {
		{ "\"inputs\":[", "{\"path\":\"f@\",\"text\":\"\"}", "]", "/inputs",
		    CAP_INPUTS + 1 },
		{ "\"labels\":{", "\"l@\":\"\"", "}", "/labels", CAP_LABELS + 1 },
		{ "\"command\":[", "\"a@\"", "]", "/command", CAP_ARGS + 1 },
		{ "\"parameters\":{", "\"p@\":1", "}", "/parameters", 257 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		AUTO_BUF body = { 0 };

		buf_init(&body, 1 << 20);
		buf_printf(&body, "{\"environment\":\"demo\",%s", bad[i].open);
		for (int k = 0; k < bad[i].n; k++) {
			char number[16];

			(void)snprintf(number, sizeof(number), "%d", k);
			buf_str(&body, k == 0 ? "" : ",");
			fill(&body, bad[i].item, number);
		}
		buf_printf(&body, "%s}", bad[i].close);
		assert_false(body.failed);
		expect_fault(body.p, ERR_INVALID, bad[i].pointer);
	}
}

static void
a_project_that_is_neither_a_name_nor_an_id_is_a_fault(void **state)
{
	static const char *const bad[] = { "", "Wing", "a b", "-a", "a-", "a_b", "a/../b",
		"'; drop table job", "prj_", "job_01h455vb4pex5vsknk084sn02q",
		"prj_81h455vb4pex5vsknk084sn02q" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char member[128];

		(void)snprintf(member, sizeof(member), "\"project\":\"%s\"", bad[i]);
		expect_member_fault(member, ERR_INVALID, "/project");
	}
}

static void
texts_beyond_the_caps_are_faults(void **state)
{
	static const struct {
		const char *open, *close, *pointer;
		int longest;
	} bad[] = {
		{ "\"name\":\"", "\"", "/name", 128 },
		{ "\"project\":\"", "\"", "/project", CAP_NAME_BYTES },
		{ "\"labels\":{\"k\":\"", "\"}", "/labels/k", 255 },
		{ "\"labels\":{\"", "\":\"\"}", NULL, CAP_NAME_BYTES },
		{ "\"command\":[\"a\",\"", "\"]", "/command/1", 32768 },
		{ "\"inputs\":[{\"text\":\"\",\"path\":\"", "\"}]", "/inputs/0/path", 255 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		for (int over = 0; over <= 1; over++) {
			AUTO_BUF body = { 0 };
			struct decoded d;

			buf_init(&body, 1 << 20);
			buf_printf(&body, "{\"environment\":\"demo\",%s", bad[i].open);
			for (int k = 0; k < bad[i].longest + over; k++)
				buf_char(&body, 'x');
			buf_printf(&body, "%s}", bad[i].close);
			if (over && bad[i].pointer != NULL) {
				expect_fault(body.p, ERR_INVALID, bad[i].pointer);
				continue;
			}
			decode(body.p, &d);
			assert_int_equal(d.result, over ? -1 : 0);
			decoded_free(&d);
		}
}

/* What fits word by word may still be too much for the file that the sandbox starts from. */
static void
a_command_beyond_the_cap_as_a_whole_is_a_fault(void **state)
{
	enum { PROGRAM = sizeof("/usr/bin/a"), WORD = 16383 };

	(void)state;
	for (int over = 0; over <= 1; over++) {
		AUTO_BUF body = { 0 };
		struct decoded d;

		buf_init(&body, 1 << 20);
		buf_printf(&body, "{\"environment\":\"demo\",\"command\":[\"a\"");
		for (int i = 0; i < 3; i++) {
			const int n = i == 0 ? WORD - PROGRAM + over : WORD;

			buf_printf(&body, ",\"%0*d\"", n, 0);
		}
		buf_printf(&body, "]}");
		decode(body.p, &d);
		assert_int_equal(d.result, over ? -1 : 0);
		decoded_free(&d);
		if (over)
			expect_fault(body.p, ERR_INVALID, "/command");
	}
}

/* --- kinds of refusal ----------------------------------------------------------------------- */

static void
an_unknown_environment_is_told_with_its_nearest_name(void **state)
{
	struct decoded d;

	(void)state;
	expect_fault("{\"environment\":\"openfoam\"}", ERR_NO_ENVIRONMENT, "/environment");
	decode("{\"environment\":\"demos\"}", &d);
	assert_int_equal(d.e.code, ERR_NO_ENVIRONMENT);
	assert_non_null(strstr(d.e.fields[0].msg, "did you mean 'demo'?"));
	decoded_free(&d);
}

static void
an_environment_without_its_program_names_the_package(void **state)
{
	struct decoded d;

	(void)state;
	decode("{\"environment\":\"missing\"}", &d);
	assert_int_equal(d.result, -1);
	assert_int_equal(d.e.code, ERR_ENVIRONMENT_BROKEN);
	assert_non_null(strstr(d.e.msg, "missing-package"));
	decoded_free(&d);
}

static void
what_no_node_has_is_impossible(void **state)
{
	(void)state;
	expect_member_fault("\"resources\":{\"cpus\":4.1}", ERR_IMPOSSIBLE, "/resources/cpus");
	expect_member_fault("\"resources\":{\"memory_bytes\":8589934593}", ERR_IMPOSSIBLE,
	    "/resources/memory_bytes");
	expect_member_fault(
	    "\"resources\":{\"disk_bytes\":8589934593}", ERR_IMPOSSIBLE, "/resources/disk_bytes");
	expect_member_fault("\"resources\":{\"gpus\":3}", ERR_IMPOSSIBLE, "/resources/gpus");
}

static void
gpus_that_nobody_has_are_told_with_what_would_do(void **state)
{
	struct job_limits none = limits;
	AUTO(json) j = NULL;
	AUTO(arena) mem = arena_new(CAP_REQUEST_ARENA_BYTES);
	static const char body[] = "{\"environment\":\"demo\",\"resources\":{\"gpus\":1}}";
	struct job_spec spec;
	struct decoded d;
	struct err e = { 0 };

	(void)state;
	decode("{\"environment\":\"demo\",\"resources\":{\"gpus\":64}}", &d);
	assert_string_equal(d.e.fields[0].msg, "no node has as many; the largest has 2 GPUs");
	decoded_free(&d);
	none.gpus_max = 0;
	assert_int_equal(json_parse(body, strlen(body), &j, &e), 0);
	assert_int_equal(job_spec_decode(j, NULL, &none, mem, &spec, &e), -1);
	assert_int_equal(e.code, ERR_IMPOSSIBLE);
	assert_string_equal(e.fields[0].msg, "no node has a GPU; leave it out, or ask for 0");
}

/* n inputs of so many bytes each, and a scratch space. */
static void
decode_inputs(int n, int bytes, int64_t disk_bytes, struct decoded *ret)
{
	AUTO_BUF b = { 0 };

	buf_init(&b, 4 << 20);
	buf_str(&b, "{\"environment\":\"demo\",\"inputs\":[");
	for (int i = 0; i < n; i++)
		buf_printf(
		    &b, "%s{\"path\":\"f%d\",\"text\":\"%0*d\"}", i == 0 ? "" : ",", i, bytes, 1);
	buf_printf(&b, "],\"resources\":{\"disk_bytes\":%lld}}", (long long)disk_bytes);
	decode(b.p, ret);
}

static void
inputs_beyond_the_scratch_space_are_refused_with_both_numbers(void **state)
{
	const int64_t mib = 1 << 20;
	struct decoded d;

	(void)state;
	decode_inputs(64, 16384, mib, &d);
	assert_int_equal(d.result, 0);
	decoded_free(&d);
	/* A byte into the next page of each. */
	decode_inputs(64, 16385, mib, &d);
	assert_int_equal(d.e.code, ERR_INVALID);
	assert_string_equal(d.e.fields[0].name, "/inputs");
	assert_string_equal(d.e.fields[0].msg,
	    "take 1310720 bytes of scratch space in pages of 4096, and the job has 1048576; raise "
	    "resources.disk_bytes");
	decoded_free(&d);
	decode_inputs(64, 16385, 1310720, &d);
	assert_int_equal(d.result, 0);
	decoded_free(&d);
}

static void
inputs_lie_no_deeper_than_a_sandbox_walks(void **state)
{
	char path[2 * CAP_INPUT_DEPTH + 4], text[400];
	struct decoded d;

	(void)state;
	for (int depth = CAP_INPUT_DEPTH; depth <= CAP_INPUT_DEPTH + 1; depth++) {
		for (int i = 0; i < depth; i++)
			(void)memcpy(path + 2 * i, "d/", 3);
		(void)snprintf(text, sizeof(text),
		    "{\"environment\":\"demo\",\"inputs\":[{\"path\":\"%sf\",\"text\":\"x\"}]}",
		    path);
		decode(text, &d);
		assert_int_equal(d.result, depth <= CAP_INPUT_DEPTH ? 0 : -1);
		if (d.result < 0)
			assert_string_equal(d.e.fields[0].msg, "may lie in at most 63 directories");
		decoded_free(&d);
	}
}

static void
a_root_without_the_program_is_not_said_to_be_missing(void **state)
{
	struct decoded d;

	(void)state;
	decode("{\"environment\":\"wrongroot\"}", &d);
	assert_int_equal(d.e.code, ERR_ENVIRONMENT_BROKEN);
	assert_string_equal(d.e.fields[0].msg, "its root 001122334455... has no program "
					       "/usr/bin/tool; the operator has to correct the "
					       "profile");
	decoded_free(&d);
}

static void
pinned_cpus_that_no_node_has_are_impossible(void **state)
{
	static const char body[] =
	    "{\"environment\":\"demo\",\"resources\":{\"cpus\":1,\"pin_cpus\":true}}";
	AUTO(arena) mem = arena_new(CAP_REQUEST_ARENA_BYTES);
	AUTO(json) j = NULL;
	struct job_limits none = limits;
	struct job_spec spec;
	struct decoded d;
	struct err e = { 0 };

	(void)state;
	decode("{\"environment\":\"demo\",\"resources\":{\"cpus\":3,\"pin_cpus\":true}}", &d);
	assert_int_equal(d.result, 0);
	decoded_free(&d);
	decode("{\"environment\":\"demo\",\"resources\":{\"cpus\":4,\"pin_cpus\":true}}", &d);
	assert_int_equal(d.e.code, ERR_IMPOSSIBLE);
	assert_string_equal(d.e.fields[0].name, "/resources/pin_cpus");
	assert_string_equal(d.e.fields[0].msg,
	    "no node has as many CPUs to give one job alone; the largest has 3; lower "
	    "resources.cpus");
	decoded_free(&d);
	/* One fault for one mistake. */
	expect_fault("{\"environment\":\"demo\",\"resources\":{\"cpus\":5,\"pin_cpus\":true}}",
	    ERR_IMPOSSIBLE, "/resources/cpus");
	/* A default never asks too much. */
	decode("{\"environment\":\"greedy\",\"resources\":{\"pin_cpus\":true}}", &d);
	assert_int_equal(d.result, 0);
	assert_int_equal(d.spec.cpu_milli, 3000);
	decoded_free(&d);
	none.pins_max = 0;
	assert_int_equal(json_parse(body, strlen(body), &j, &e), 0);
	assert_int_equal(job_spec_decode(j, NULL, &none, mem, &spec, &e), -1);
	assert_int_equal(e.code, ERR_IMPOSSIBLE);
}

static void
an_environment_without_its_root_names_the_root(void **state)
{
	struct decoded d;

	(void)state;
	decode("{\"environment\":\"rootless\"}", &d);
	assert_int_equal(d.result, -1);
	assert_int_equal(d.e.code, ERR_ENVIRONMENT_BROKEN);
	assert_non_null(strstr(d.e.msg, "001122334455"));
	decoded_free(&d);
}

static void
impossible_wishes_alone_keep_their_code_and_any_other_fault_makes_it_invalid(void **state)
{
	struct decoded d;

	(void)state;
	decode("{\"environment\":\"demo\",\"resources\":{\"cpus\":9,\"memory_bytes\":9000000000}}",
	    &d);
	assert_int_equal(d.e.code, ERR_IMPOSSIBLE);
	assert_int_equal(d.e.n_fields, 2);
	decoded_free(&d);
	decode("{\"environment\":\"nope\",\"resources\":{\"cpus\":9}}", &d);
	assert_int_equal(d.e.code, ERR_INVALID);
	assert_int_equal(d.e.n_fields, 2);
	decoded_free(&d);
	decode("{\"environment\":\"nope\",\"priority\":1000}", &d);
	assert_int_equal(d.e.code, ERR_INVALID);
	assert_int_equal(d.e.n_fields, 2);
	decoded_free(&d);
}

static void
all_faults_are_told_at_once(void **state)
{
	static const char *const pointers[] = { "/name", "/inputs/0/path", "/priority", "/oops",
		"/resources/cpus", "/parameters/first" };
	struct decoded d;

	(void)state;
	decode("{\"environment\":\"demo\",\"name\":7,\"parameters\":{\"bad\":1},\"inputs\":[{"
	       "\"path\":\"..\","
	       "\"text\":\"\"}],\"priority\":999,\"oops\":1,\"resources\":{\"cpus\":0.25}}",
	    &d);
	assert_int_equal(d.result, -1);
	assert_int_equal(d.e.code, ERR_INVALID);
	assert_int_equal(d.e.n_fields, ARRAY_LEN(pointers));
	for (size_t i = 0; i < ARRAY_LEN(pointers); i++) {
		bool told = false;

		for (uint32_t k = 0; k < d.e.n_fields; k++)
			told = told || strcmp(d.e.fields[k].name, pointers[i]) == 0;
		if (!told)
			fail_msg("%s is not told", pointers[i]);
	}
	decoded_free(&d);
}

static void
faults_beyond_the_room_are_counted(void **state)
{
	struct decoded d;

	(void)state;
	decode("{\"environment\":\"demo\",\"a1\":1,\"a2\":1,\"a3\":1,\"a4\":1,\"a5\":1,\"a6\":1,"
	       "\"a7\":1,\"a8\":1,"
	       "\"a9\":1,\"b1\":1,\"parameters\":{\"bad\":1}}",
	    &d);
	assert_int_equal(d.result, -1);
	assert_int_equal(d.e.n_fields + d.e.n_fields_lost, 11);
	decoded_free(&d);
}

static void
a_refused_manifest_leaves_the_result_alone(void **state)
{
	struct job_spec before, spec;
	struct arena *mem = arena_new(1 << 20);
	struct json *j = NULL;
	struct err e = { 0 };
	const char *body = "{\"environment\":\"demo\",\"priority\":1000}";

	(void)state;
	memset(&before, 0x5a, sizeof(before));
	memcpy(&spec, &before, sizeof(spec));
	assert_int_equal(json_parse(body, strlen(body), &j, &e), 0);
	assert_int_equal(job_spec_decode(j, NULL, &limits, mem, &spec, &e), -1);
	assert_memory_equal(&spec, &before, sizeof(spec));
	json_free(j);
	arena_free(mem);
}

static void
a_full_arena_is_too_large_and_nothing_else(void **state)
{
	const char *body =
	    "{\"environment\":\"demo\",\"name\":\"n\",\"parameters\":{\"deck\":\"a\"},"
	    "\"inputs\":[{\"path\":\"a\",\"text\":\"x\"}],\"labels\":{\"a\":\"b\"}}";
	struct json *j = NULL;
	struct err e = { 0 };
	bool worked = false;

	(void)state;
	assert_int_equal(json_parse(body, strlen(body), &j, &e), 0);
	for (size_t cap = 64; cap < 65536 && !worked; cap += 32) {
		struct arena *mem = arena_new(cap);
		struct job_spec spec;
		struct err own = { 0 };

		if (mem == NULL)
			continue;
		worked = job_spec_decode(j, NULL, &limits, mem, &spec, &own) == 0;
		if (!worked)
			assert_int_equal(own.code, ERR_TOO_LARGE);
		arena_free(mem);
	}
	assert_true(worked);
	json_free(j);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_member_of_the_wrong_type_is_a_fault_at_its_place),
		cmocka_unit_test(members_that_this_version_does_not_know_are_named),
		cmocka_unit_test(values_out_of_range_are_faults),
		cmocka_unit_test(inputs_that_cannot_be_written_are_faults),
		cmocka_unit_test(documents_that_are_no_manifest_are_faults),
		cmocka_unit_test(counts_beyond_the_caps_are_faults),
		cmocka_unit_test(a_project_that_is_neither_a_name_nor_an_id_is_a_fault),
		cmocka_unit_test(texts_beyond_the_caps_are_faults),
		cmocka_unit_test(a_command_beyond_the_cap_as_a_whole_is_a_fault),
		cmocka_unit_test(an_unknown_environment_is_told_with_its_nearest_name),
		cmocka_unit_test(an_environment_without_its_program_names_the_package),
		cmocka_unit_test(what_no_node_has_is_impossible),
		cmocka_unit_test(gpus_that_nobody_has_are_told_with_what_would_do),
		cmocka_unit_test(an_environment_without_its_root_names_the_root),
		cmocka_unit_test(pinned_cpus_that_no_node_has_are_impossible),
		cmocka_unit_test(a_root_without_the_program_is_not_said_to_be_missing),
		cmocka_unit_test(inputs_beyond_the_scratch_space_are_refused_with_both_numbers),
		cmocka_unit_test(inputs_lie_no_deeper_than_a_sandbox_walks),
		cmocka_unit_test(
		    impossible_wishes_alone_keep_their_code_and_any_other_fault_makes_it_invalid),
		cmocka_unit_test(all_faults_are_told_at_once),
		cmocka_unit_test(faults_beyond_the_room_are_counted),
		cmocka_unit_test(a_refused_manifest_leaves_the_result_alone),
		cmocka_unit_test(a_full_arena_is_too_large_and_nothing_else),
	};

	json_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
