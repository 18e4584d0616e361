/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding by declaration: what is stored, what is said about each fault, and where. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "json.h"

#include <stdio.h>
#include <string.h>

enum { PARTS_MAX = 4 };

struct target {
	const char *name;
	int64_t priority;
	double cpus;
	bool dry;
	bool has_priority;
	const char *parts[PARTS_MAX];
	size_t n_parts;
	const char *labels[PARTS_MAX];
	size_t n_labels;
	int64_t wall_s;
	const struct json_value *any;
};

static int
part_each(
    struct json_decoder *d, const struct json_value *v, size_t index, const char *name, void *ctx)
{
	struct target *t = ctx;
	const struct json_field fields[] = {
		JSON_TEXT("path", &t->parts[index], 1, 16, JSON_REQUIRED),
		JSON_FIELDS_END,
	};

	assert_null(name);
	t->n_parts = index + 1;
	return json_decode_value(d, v, fields);
}

static int
label_each(
    struct json_decoder *d, const struct json_value *v, size_t index, const char *name, void *ctx)
{
	struct target *t = ctx;

	if (!json_get_text(v, &t->labels[index]))
		json_fault(d, "", "must be a string, not %s", json_type_name(json_type(v)));
	if (strlen(name) > 100)
		json_fault(d, "", "has a name that is too long");
	t->n_labels = index + 1;
	return 0;
}

static int
decode(const char *text, struct target *t, struct arena *mem, struct err *e)
{
	const struct json_field limits[] = {
		JSON_I64("wall_s", &t->wall_s, 1, 3600, 0),
		JSON_FIELDS_END,
	};
	struct json_field fields[] = {
		JSON_TEXT("name", &t->name, 1, 8, JSON_REQUIRED),
		JSON_I64("priority", &t->priority, -100, 100, JSON_NULLABLE),
		JSON_F64("cpus", &t->cpus, 0.1, 64, 0),
		JSON_BOOL("dry", &t->dry, 0),
		JSON_EACH("parts", part_each, t, PARTS_MAX, 0),
		JSON_MAP("labels", label_each, t, PARTS_MAX, 0),
		JSON_OBJECT("limits", limits, 0),
		JSON_VALUE("any", &t->any, 0),
		JSON_FIELDS_END,
	};
	AUTO(json) j = NULL;

	fields[1].present = &t->has_priority;
	if (json_parse(text, strlen(text), &j, e) < 0)
		return -1;
	return json_decode(j, fields, mem, e);
}

static void
decode_well(const char *text, struct target *t, struct arena *mem)
{
	struct err e = { 0 };

	if (decode(text, t, mem, &e) < 0)
		fail_msg("%s: %s", text, e.msg);
}

/* The document has this fault, and no other. */
static void
assert_fault(const char *text, const char *place, const char *message)
{
	AUTO(arena) mem = arena_new(1 << 16);
	struct target t = { 0 };
	struct err e = { 0 };

	assert_int_equal(decode(text, &t, mem, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	assert_int_equal(e.n_fields, 1);
	assert_string_equal(e.fields[0].name, place);
	assert_string_equal(e.fields[0].msg, message);
}

static void
a_whole_document_is_stored(void **state)
{
	AUTO(arena) mem = arena_new(1 << 16);
	struct target t = { .cpus = 2, .dry = false };

	(void)state;
	decode_well(
	    "{\"name\":\"n\",\"priority\":-100,\"cpus\":1,\"dry\":true,"
	    "\"parts\":[{\"path\":\"a\"},{\"path\":\"b\"}],\"labels\":{\"x\":\"1\",\"y\":\"2\"},"
	    "\"limits\":{\"wall_s\":60},\"any\":[]}",
	    &t, mem);
	assert_string_equal(t.name, "n");
	assert_int_equal(t.priority, -100);
	assert_true(t.has_priority);
	assert_true(t.cpus == 1);
	assert_true(t.dry);
	assert_int_equal(t.n_parts, 2);
	assert_string_equal(t.parts[1], "b");
	assert_int_equal(t.n_labels, 2);
	assert_int_equal(t.wall_s, 60);
	assert_non_null(t.any);
}

static void
what_is_absent_or_null_leaves_the_default(void **state)
{
	AUTO(arena) mem = arena_new(1 << 16);
	struct target t = { .priority = 5, .cpus = 2, .wall_s = 9 };

	(void)state;
	decode_well("{\"name\":\"n\",\"priority\":null,\"limits\":{}}", &t, mem);
	assert_int_equal(t.priority, 5);
	assert_false(t.has_priority);
	assert_true(t.cpus == 2);
	assert_int_equal(t.wall_s, 9);
}

static void
each_fault_is_named_with_its_pointer(void **state)
{
	(void)state;
	assert_fault("[]", "", "must be an object, not an array");
	assert_fault("{}", "/name", "is required");
	assert_fault("{\"name\":7}", "/name", "must be a string, not an integer");
	assert_fault("{\"name\":null}", "/name", "must be a string, not null");
	assert_fault("{\"name\":\"\"}", "/name", "must not be empty");
	assert_fault("{\"name\":\"123456789\"}", "/name", "must have at most 8 bytes, has 9");
	assert_fault("{\"name\":\"n\",\"priority\":101}", "/priority",
	    "must be between -100 and 100, is 101");
	assert_fault("{\"name\":\"n\",\"priority\":1.0}", "/priority",
	    "must be an integer, not a number with a fraction or exponent");
	assert_fault(
	    "{\"name\":\"n\",\"cpus\":0.05}", "/cpus", "must be between 0.1 and 64, is 0.05");
	assert_fault("{\"name\":\"n\",\"cpus\":\"1\"}", "/cpus", "must be a number, not a string");
	assert_fault("{\"name\":\"n\",\"dry\":0}", "/dry", "must be a boolean, not an integer");
	assert_fault("{\"name\":\"n\",\"parts\":{}}", "/parts", "must be an array, not an object");
	assert_fault("{\"name\":\"n\",\"parts\":[1,2,3,4,5]}", "/parts",
	    "must have at most 4 elements, has 5");
	assert_fault(
	    "{\"name\":\"n\",\"parts\":[{\"path\":\"a\"},{}]}", "/parts/1/path", "is required");
	assert_fault(
	    "{\"name\":\"n\",\"parts\":[3]}", "/parts/0", "must be an object, not an integer");
	assert_fault("{\"name\":\"n\",\"labels\":{\"x\":1}}", "/labels/x",
	    "must be a string, not an integer");
	assert_fault(
	    "{\"name\":\"n\",\"labels\":[]}", "/labels", "must be an object, not an array");
	assert_fault("{\"name\":\"n\",\"limits\":{\"wall_s\":0}}", "/limits/wall_s",
	    "must be between 1 and 3600, is 0");
}

static void
an_unknown_member_is_a_fault_that_names_the_nearest(void **state)
{
	(void)state;
	assert_fault("{\"name\":\"n\",\"priorty\":1}", "/priorty",
	    "is not a known member; did you mean \"priority\"?");
	assert_fault(
	    "{\"name\":\"n\",\"limits\":{\"wall\":1}}", "/limits/wall", "is not a known member");
	assert_fault("{\"name\":\"n\",\"limits\":{\"walls\":1}}", "/limits/walls",
	    "is not a known member; did you mean \"wall_s\"?");
	assert_fault("{\"name\":\"n\",\"zzzzzzzz\":1}", "/zzzzzzzz", "is not a known member");
	assert_fault("{\"name\":\"n\",\"Name\":1}", "/Name",
	    "is not a known member; did you mean \"name\"?");
}

static void
pointers_are_escaped_and_stay_pointers_when_names_are_long(void **state)
{
	char text[600], name[301];

	(void)state;
	assert_fault("{\"name\":\"n\",\"labels\":{\"a/b~c\":1}}", "/labels/a~1b~0c",
	    "must be a string, not an integer");
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	(void)snprintf(text, sizeof(text), "{\"name\":\"n\",\"labels\":{\"%s\":\"v\"}}", name);
	assert_fault(text, "/labels", "has a name that is too long");
	(void)snprintf(text, sizeof(text), "{\"name\":\"n\",\"%s\":1}", name);
	assert_fault(text, "", "is not a known member");
}

static void
all_faults_are_told_at_once_and_counted_beyond_eight(void **state)
{
	AUTO(arena) mem = arena_new(1 << 16);
	struct target t = { .priority = 5 };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(
	    decode("{\"priority\":\"x\",\"cpus\":0,\"dry\":1,\"a1\":1,\"a2\":1,\"a3\":1,"
		   "\"a4\":1,\"a5\":1,\"a6\":1}",
		&t, mem, &e),
	    -1);
	assert_int_equal(e.code, ERR_INVALID);
	assert_int_equal(e.n_fields, ERR_FIELDS_MAX);
	assert_int_equal(e.n_fields_lost, 2);
	assert_string_equal(e.fields[0].name, "/name");
	assert_string_equal(e.fields[3].name, "/dry");
	assert_int_equal(t.priority, 5);
}

static void
a_short_arena_is_too_large_a_request(void **state)
{
	AUTO(arena) mem = arena_new(64);
	struct target t = { 0 };
	struct err e = { 0 };

	(void)state;
	while (arena_alloc(mem, 1) != NULL)
		;
	assert_int_equal(decode("{\"name\":\"n\",\"zzz\":1}", &t, mem, &e), -1);
	assert_int_equal(e.code, ERR_TOO_LARGE);
}

static void
ten_thousand_unknown_members_cost_little(void **state)
{
	AUTO(arena) mem = arena_new(1 << 16);
	struct target t = { 0 };
	struct err e = { 0 };
	AUTO_BUF b = { 0 };

	(void)state;
	buf_init(&b, 1 << 20);
	buf_str(&b, "{\"name\":\"n\"");
	for (int i = 0; i < JSON_MAX_MEMBERS - 1; i++)
		buf_printf(&b, ",\"priority%d\":1", i);
	buf_char(&b, '}');
	assert_int_equal(decode(b.p, &t, mem, &e), -1);
	assert_int_equal(e.n_fields + e.n_fields_lost, JSON_MAX_MEMBERS - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_document_is_stored),
		cmocka_unit_test(what_is_absent_or_null_leaves_the_default),
		cmocka_unit_test(each_fault_is_named_with_its_pointer),
		cmocka_unit_test(an_unknown_member_is_a_fault_that_names_the_nearest),
		cmocka_unit_test(pointers_are_escaped_and_stay_pointers_when_names_are_long),
		cmocka_unit_test(all_faults_are_told_at_once_and_counted_beyond_eight),
		cmocka_unit_test(a_short_arena_is_too_large_a_request),
		cmocka_unit_test(ten_thousand_unknown_members_cost_little),
	};

	json_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
