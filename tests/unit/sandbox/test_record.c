/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "keeper.h"

#include <stdio.h>
#include <string.h>

static struct sandbox_run_id
some_id(void)
{
	return (struct sandbox_run_id){ .tenant.uuid = uuid_v7(), .run = uuid_v7(), .epoch = 1 };
}

static struct sandbox_limits
some_limits(void)
{
	return (struct sandbox_limits){ .memory_bytes = 64 * MIB,
		.cpu_milli = 1000,
		.processes = 16,
		.scratch_bytes = MIB,
		.scratch_files = 100,
		.open_files = 64,
		.wall_ms = 1000,
		.log_bytes = 1000,
		.output_bytes = 1000,
		.output_files = 10,
		.grace_ms = 100 };
}

static struct sandbox_request
some_request(uint32_t verb)
{
	struct sandbox_request q = { .protocol = SANDBOX_PROTOCOL, .verb = verb, .id = some_id() };

	if (verb == SANDBOX_START) /* the others end with their head */
		q.limits = some_limits();
	return q;
}

static int
decode(const struct sandbox_request *q, size_t n)
{
	struct sandbox_request got;
	struct err e = { 0 };
	int rc = sandbox_request_decode(q, n, &got, &e);

	if (rc == 0)
		assert_memory_equal(
		    &got, q, q->verb == SANDBOX_START ? sizeof(got) : SANDBOX_HEAD_BYTES);
	else
		assert_int_equal(e.code, ERR_PROTOCOL);
	return rc;
}

static void
every_verb_is_read_back(void **state)
{
	(void)state;
	for (uint32_t verb = SANDBOX_HELLO; verb <= SANDBOX_PURGE; verb++) {
		struct sandbox_request q = some_request(verb);

		assert_int_equal(decode(&q, sizeof(q)), 0);
	}
}

static void
a_request_of_another_size_is_refused(void **state)
{
	char bytes[sizeof(struct sandbox_request) + 8] = { 0 };
	struct sandbox_request q = some_request(SANDBOX_START), got;
	struct err e = { 0 };

	(void)state;
	memcpy(bytes, &q, sizeof(q));
	for (size_t n = 0; n <= sizeof(bytes); n++)
		if (n != sizeof(q))
			assert_int_equal(sandbox_request_decode(bytes, n, &got, &e), -1);
}

static void
every_unusable_field_of_a_request_is_refused(void **state)
{
	const struct sandbox_request good = some_request(SANDBOX_START);
	struct sandbox_request q;

	(void)state;
	q = good;
	q.protocol++;
	assert_int_equal(decode(&q, sizeof(q)), -1);
	q = good;
	q.verb = 0;
	assert_int_equal(decode(&q, sizeof(q)), -1);
	q.verb = SANDBOX_PURGE + 1;
	assert_int_equal(decode(&q, sizeof(q)), -1);
	q.verb = UINT32_MAX;
	assert_int_equal(decode(&q, sizeof(q)), -1);
	q = good;
	q.reserved = 1;
	assert_int_equal(decode(&q, sizeof(q)), -1);
	q = good;
	memset(&q.id.tenant, 0, sizeof(q.id.tenant));
	assert_int_equal(decode(&q, sizeof(q)), -1);
	q = good;
	memset(&q.id.run, 0, sizeof(q.id.run));
	assert_int_equal(decode(&q, sizeof(q)), -1);
	for (int64_t epoch = -1; epoch <= 0; epoch++) {
		q = good;
		q.id.epoch = epoch;
		assert_int_equal(decode(&q, sizeof(q)), -1);
	}
}

static void
verbs_without_a_run_need_no_id(void **state)
{
	struct sandbox_request q = { .protocol = SANDBOX_PROTOCOL, .verb = SANDBOX_HELLO };

	(void)state;
	assert_int_equal(decode(&q, sizeof(q)), 0);
	q.verb = SANDBOX_LIST;
	assert_int_equal(decode(&q, sizeof(q)), 0);
	q.verb = SANDBOX_STOP;
	assert_int_equal(decode(&q, sizeof(q)), -1);
}

static void
every_limit_has_both_bounds(void **state)
{
	const struct sandbox_limits good = some_limits();
	struct err e = { 0 };

	(void)state;
	assert_int_equal(sandbox_limits_check(&good, &e), 0);
	for (size_t i = 0; i < sizeof(good) / sizeof(int64_t); i++) {
		struct sandbox_limits l = good;

		memcpy((char *)&l + i * sizeof(int64_t), &(int64_t){ -1 }, sizeof(int64_t));
		assert_int_equal(sandbox_limits_check(&l, &e), -1);
		assert_int_equal(e.code, ERR_INVALID);
		l = good;
		memcpy((char *)&l + i * sizeof(int64_t), &(int64_t){ INT64_MAX }, sizeof(int64_t));
		assert_int_equal(sandbox_limits_check(&l, &e), -1);
	}
}

static void
no_output_limit_may_be_absent_and_wall_time_not(void **state)
{
	struct sandbox_limits l = some_limits();
	struct err e = { 0 };

	(void)state;
	l.no_output_ms = 0;
	assert_int_equal(sandbox_limits_check(&l, &e), 0);
	l.wall_ms = 0;
	assert_int_equal(sandbox_limits_check(&l, &e), -1);
	assert_non_null(strstr(e.msg, "wall_ms"));
}

static void
events_are_checked_before_the_daemon_sees_them(void **state)
{
	struct sandbox_event ev = {
		.protocol = SANDBOX_PROTOCOL, .kind = SANDBOX_ENDED, .id = some_id()
	};
	struct sandbox_event got;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(sandbox_event_decode(&ev, sizeof(ev), &got, &e), 0);
	assert_memory_equal(&got, &ev, sizeof(ev));
	assert_int_equal(sandbox_event_decode(&ev, sizeof(ev) - 1, &got, &e), -1);
	ev.kind = SANDBOX_REFUSED + 1;
	assert_int_equal(sandbox_event_decode(&ev, sizeof(ev), &got, &e), -1);
	ev.kind = 0;
	assert_int_equal(sandbox_event_decode(&ev, sizeof(ev), &got, &e), -1);
	ev.kind = SANDBOX_READY;
	ev.protocol = 0;
	assert_int_equal(sandbox_event_decode(&ev, sizeof(ev), &got, &e), -1);
}

static void
of_a_request_of_another_version_the_head_is_read_but_nothing_starts(void **state)
{
	static const size_t sizes[] = { SANDBOX_HEAD_BYTES, 152, sizeof(struct sandbox_request),
		sizeof(struct sandbox_request) + 8 };
	char bytes[sizeof(struct sandbox_request) + 8];
	struct sandbox_request want, got;
	struct err e = { 0 };

	(void)state;
	for (uint32_t verb = SANDBOX_HELLO; verb <= SANDBOX_PURGE; verb++)
		for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
			want = (struct sandbox_request){
				.protocol = SANDBOX_PROTOCOL + 5, .verb = verb, .id = some_id()
			};
			memset(bytes, 0xee, sizeof(bytes));
			memcpy(bytes, &want, SANDBOX_HEAD_BYTES);
			if (verb == SANDBOX_START) {
				assert_int_equal(
				    sandbox_request_decode(bytes, sizes[i], &got, &e), -1);
				continue;
			}
			assert_int_equal(sandbox_request_decode(bytes, sizes[i], &got, &e), 0);
			assert_memory_equal(&got, &want, sizeof(want));
		}
	/* Right in everything else. */
	want = (struct sandbox_request){ .protocol = SANDBOX_PROTOCOL,
		.verb = SANDBOX_START,
		.id = some_id(),
		.limits = some_limits() };
	assert_int_equal(sandbox_request_decode(&want, sizeof(want), &got, &e), 0);
	want.protocol++;
	assert_int_equal(sandbox_request_decode(&want, sizeof(want), &got, &e), -1);
	assert_int_equal(sandbox_request_decode(bytes, SANDBOX_HEAD_BYTES - 1, &got, &e), -1);
	memset(bytes, 0, sizeof(uint32_t));
	assert_int_equal(sandbox_request_decode(bytes, SANDBOX_HEAD_BYTES, &got, &e), -1);
}

static void
of_an_event_of_another_version_the_head_is_read(void **state)
{
	char bytes[sizeof(struct sandbox_event) + 32];
	struct sandbox_event want = { .protocol = 1, .kind = SANDBOX_LISTED, .id = some_id() };
	struct sandbox_event got;
	struct err e = { 0 };

	(void)state;
	for (uint32_t kind = SANDBOX_READY; kind < 100; kind++)
		for (size_t n = SANDBOX_HEAD_BYTES; n <= sizeof(bytes); n += 8) {
			want.kind = kind;
			memset(bytes, 0xee, sizeof(bytes));
			memcpy(bytes, &want, SANDBOX_HEAD_BYTES);
			assert_int_equal(sandbox_event_decode(bytes, n, &got, &e), 0);
			assert_memory_equal(&got, &want, sizeof(want));
		}
	assert_int_equal(sandbox_event_decode(bytes, SANDBOX_HEAD_BYTES - 1, &got, &e), -1);
}

static void
an_order_with_any_impossible_field_is_refused(void **state)
{
	struct keeper_order good = { .magic = KEEPER_ORDER_MAGIC,
		.version = KEEPER_VERSION,
		.id = some_id(),
		.limits = some_limits(),
		.n_enter = CGROUP_TREES_MAX,
		.group = "g0" };
	struct keeper_order o, got;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(keeper_order_decode(&good, sizeof(good), &got, &e), 0);
	assert_int_equal(keeper_order_decode(&good, sizeof(good) - 1, &got, &e), -1);
	o = good;
	o.magic ^= 1;
	assert_int_equal(keeper_order_decode(&o, sizeof(o), &got, &e), -1);
	o = good;
	o.version++;
	assert_int_equal(keeper_order_decode(&o, sizeof(o), &got, &e), -1);
	o = good;
	o.n_enter = CGROUP_TREES_MAX + 1;
	assert_int_equal(keeper_order_decode(&o, sizeof(o), &got, &e), -1);
	o = good;
	o.stat_version[0] = 3;
	assert_int_equal(keeper_order_decode(&o, sizeof(o), &got, &e), -1);
	o = good;
	o.limits.processes = 0;
	assert_int_equal(keeper_order_decode(&o, sizeof(o), &got, &e), -1);
	o = good;
	o.id.epoch = 0;
	assert_int_equal(keeper_order_decode(&o, sizeof(o), &got, &e), -1);
	o = good;
	o.group[0] = '\0';
	assert_int_equal(keeper_order_decode(&o, sizeof(o), &got, &e), -1);
	memset(o.group, 'g', sizeof(o.group));
	assert_int_equal(keeper_order_decode(&o, sizeof(o), &got, &e), -1);
}

static void
a_zygote_serves_no_root_and_no_unknown_version(void **state)
{
	const struct keeper_zygote good = {
		.magic = KEEPER_ZYGOTE_MAGIC, .version = KEEPER_VERSION, .uid = 1u << 30
	};
	struct keeper_zygote z, got;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(keeper_zygote_decode(&good, sizeof(good), &got, &e), 0);
	assert_int_equal(keeper_zygote_decode(&good, sizeof(good) - 1, &got, &e), -1);
	z = good;
	z.uid = 0;
	assert_int_equal(keeper_zygote_decode(&z, sizeof(z), &got, &e), -1);
	z.uid = UINT32_MAX - KEEPER_UIDS + 1;
	assert_int_equal(keeper_zygote_decode(&z, sizeof(z), &got, &e), -1);
	z = good;
	z.version++;
	assert_int_equal(keeper_zygote_decode(&z, sizeof(z), &got, &e), -1);
}

static void
a_zygote_with_one_uid_has_that_of_its_spawner_and_no_other(void **state)
{
	const struct keeper_zygote good = {
		.magic = KEEPER_ZYGOTE_MAGIC, .version = KEEPER_VERSION, .one_uid = 1
	};
	struct keeper_zygote z = good, got;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(keeper_zygote_decode(&good, sizeof(good), &got, &e), 0);
	z.uid = 1u << 30;
	assert_int_equal(keeper_zygote_decode(&z, sizeof(z), &got, &e), -1);
	z = good;
	z.one_uid = 2;
	assert_int_equal(keeper_zygote_decode(&z, sizeof(z), &got, &e), -1);
	z = good;
	z.reserved = 1;
	assert_int_equal(keeper_zygote_decode(&z, sizeof(z), &got, &e), -1);
}

static void
a_cell_has_a_possible_scratch_space(void **state)
{
	const struct keeper_cell good = { .magic = KEEPER_CELL_MAGIC,
		.version = KEEPER_VERSION,
		.scratch_bytes = 1 << 20,
		.scratch_files = 16,
		.warm = 1 };
	struct keeper_cell c, got;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(keeper_cell_decode(&good, sizeof(good), &got, &e), 0);
	assert_int_equal(keeper_cell_decode(&good, sizeof(good) + 1, &got, &e), -1);
	c = good;
	c.version++;
	assert_int_equal(keeper_cell_decode(&c, sizeof(c), &got, &e), -1);
	c = good;
	c.scratch_bytes = 1000;
	assert_int_equal(keeper_cell_decode(&c, sizeof(c), &got, &e), -1);
	c = good;
	c.scratch_files = INT64_MAX;
	assert_int_equal(keeper_cell_decode(&c, sizeof(c), &got, &e), -1);
	c = good;
	c.warm = 2;
	assert_int_equal(keeper_cell_decode(&c, sizeof(c), &got, &e), -1);
	c = good;
	c.late_filter = 2;
	assert_int_equal(keeper_cell_decode(&c, sizeof(c), &got, &e), -1);
}

static void
a_report_names_a_known_step(void **state)
{
	struct keeper_report r = { .version = KEEPER_VERSION,
		.kind = KEEPER_FAILED,
		.step = SANDBOX_STEP_COUNT - 1,
		.sys = 1 };
	struct keeper_report got;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(keeper_report_decode(&r, sizeof(r), &got, &e), 0);
	r.version++;
	assert_int_equal(keeper_report_decode(&r, sizeof(r), &got, &e), -1);
	r.version = KEEPER_VERSION;
	r.step = SANDBOX_STEP_COUNT;
	assert_int_equal(keeper_report_decode(&r, sizeof(r), &got, &e), -1);
	r.step = 0;
	r.sys = -1;
	assert_int_equal(keeper_report_decode(&r, sizeof(r), &got, &e), -1);
	r.sys = 0;
	r.kind = KEEPER_ENDED;
	assert_int_equal(keeper_report_decode(&r, sizeof(r), &got, &e), 0);
	r.kind = KEEPER_ENDED + 1;
	assert_int_equal(keeper_report_decode(&r, sizeof(r), &got, &e), -1);
}

/* A command line from a format with blanks for NUL and one more at the end. */
static int
decode_args(const char *text, struct keeper_args *ret)
{
	char bytes[512] = "";
	struct err e = { 0 };
	size_t n = strlen(text);

	memcpy(bytes, text, n);
	for (size_t i = 0; i < n; i++)
		if (bytes[i] == ' ')
			bytes[i] = '\0';
	return keeper_args_decode(bytes, n + 1, ret, &e);
}

static void
a_command_line_tells_run_group_and_version(void **state)
{
	const struct sandbox_run_id id = some_id();
	char path[ID_RUN_PATH_SIZE], name[ID_RUN_PATH_SIZE], text[400];
	struct keeper_args got;

	(void)state;
	id_run_path(id.tenant, id.run, id.epoch, path);
	snprintf(text, sizeof(text), "wardian-keeper %s g12 9 ", path);
	assert_int_equal(decode_args(text, &got), 0);
	assert_memory_equal(&got.id, &id, sizeof(id));
	assert_string_equal(got.group, "g12");
	assert_int_equal(got.version, 9);
	/* Before version 3 there was nothing but the run. */
	snprintf(text, sizeof(text), "wardian-keeper %s", path);
	assert_int_equal(decode_args(text, &got), 0);
	assert_string_equal(got.group, sandbox_run_name(&id, name));
	assert_int_equal(got.version, 2);
}

static void
another_command_line_is_no_keepers(void **state)
{
	static const char *const formats[] = { "wardian-keeper", "wardian-keeper cell",
		"wardian-keeper zygote", "other %s g12 3", "wardian-keeper %s g12",
		"wardian-keeper %s g12 2", "wardian-keeper %s g12 x", "wardian-keeper %s ../g 3",
		"wardian-keeper %s a/b 3", "wardian-keeper x%s g12 3",
		"wardian-keeper %s0x g12 3" };
	const struct sandbox_run_id id = some_id();
	char path[ID_RUN_PATH_SIZE], text[400];
	struct keeper_args got;
	struct err e = { 0 };

	(void)state;
	id_run_path(id.tenant, id.run, id.epoch, path);
	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
		snprintf(text, sizeof(text), formats[i], path);
#pragma GCC diagnostic pop
		assert_int_equal(decode_args(text, &got), -1);
	}
	/* Nothing behind the last byte is read. */
	assert_int_equal(keeper_args_decode("wardian-keeper", 14, &got, &e), -1);
	assert_int_equal(keeper_args_decode("", 0, &got, &e), -1);
}

static void
every_step_has_a_name(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < SANDBOX_STEP_COUNT; i++)
		assert_true(strlen(sandbox_step_name(i)) > 0);
	assert_string_equal(sandbox_step_name(SANDBOX_STEP_COUNT), "unknown");
	assert_string_equal(sandbox_step_name(UINT32_MAX), "unknown");
	assert_string_equal(sandbox_step_name(SANDBOX_STEP_LANDLOCK), "landlock");
}

static void
a_run_is_named_by_id_and_epoch(void **state)
{
	struct sandbox_run_id id = some_id();
	char name[ID_RUN_PATH_SIZE], run[UUID_STR_SIZE];

	(void)state;
	id.epoch = INT64_MAX;
	sandbox_run_name(&id, name);
	assert_memory_equal(name, uuid_format(id.run, run), UUID_STR_SIZE - 1);
	assert_string_equal(name + UUID_STR_SIZE - 1, ".9223372036854775807");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_verb_is_read_back),
		cmocka_unit_test(a_request_of_another_size_is_refused),
		cmocka_unit_test(every_unusable_field_of_a_request_is_refused),
		cmocka_unit_test(verbs_without_a_run_need_no_id),
		cmocka_unit_test(every_limit_has_both_bounds),
		cmocka_unit_test(no_output_limit_may_be_absent_and_wall_time_not),
		cmocka_unit_test(events_are_checked_before_the_daemon_sees_them),
		cmocka_unit_test(an_order_with_any_impossible_field_is_refused),
		cmocka_unit_test(a_report_names_a_known_step),
		cmocka_unit_test(a_zygote_serves_no_root_and_no_unknown_version),
		cmocka_unit_test(a_zygote_with_one_uid_has_that_of_its_spawner_and_no_other),
		cmocka_unit_test(a_cell_has_a_possible_scratch_space),
		cmocka_unit_test(a_command_line_tells_run_group_and_version),
		cmocka_unit_test(another_command_line_is_no_keepers),
		cmocka_unit_test(
		    of_a_request_of_another_version_the_head_is_read_but_nothing_starts),
		cmocka_unit_test(of_an_event_of_another_version_the_head_is_read),
		cmocka_unit_test(every_step_has_a_name),
		cmocka_unit_test(a_run_is_named_by_id_and_epoch),
	};

	return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
