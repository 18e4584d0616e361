/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api_query_internal.h"

#include "arena.h"
#include "id.h"

#include <string.h>

struct values {
	const char *text, *word;
	int64_t number, limit, wait_ms;
	bool flag;
	struct query_pair pair;
};

static int
decode(const char *raw, struct values *v, struct arena *mem, struct err *e)
{
	const struct query_param params[] = {
		QUERY_PARAM("text", TEXT, 1, 5, &v->text),
		QUERY_WORDS("word", "red green", &v->word),
		QUERY_PARAM("number", I64, -5, 5, &v->number),
		QUERY_PARAM("limit", LIMIT, 1, 200, &v->limit),
		QUERY_PARAM("wait", TIME, 0, 60000, &v->wait_ms),
		QUERY_PARAM("flag", FLAG, 0, 0, &v->flag),
		QUERY_PARAM("label.", PAIR, 0, 10, &v->pair),
		QUERY_PARAMS_END,
	};

	*v = (struct values){ .limit = 50 };
	return query_decode(raw, params, mem, e);
}

static void
declared_parameters_are_decoded(void **state)
{
	AUTO(arena) mem = arena_new(1 << 20);
	struct err e = { 0 };
	struct values v;

	(void)state;
	assert_int_equal(
	    decode("text=a%20b+&word=green&number=-5&limit=7&wait=30s&flag&label.team=x%3Dy", &v,
		mem, &e),
	    0);
	assert_string_equal(v.text, "a b ");
	assert_string_equal(v.word, "green");
	assert_int_equal(v.number, -5);
	assert_int_equal(v.limit, 7);
	assert_int_equal(v.wait_ms, 30000);
	assert_true(v.flag);
	assert_string_equal(v.pair.name, "team");
	assert_string_equal(v.pair.value, "x=y");
	assert_int_equal(decode("", &v, mem, &e), 0);
	assert_int_equal(v.limit, 50);
	assert_null(v.text);
	assert_int_equal(decode("&&flag=false&", &v, mem, &e), 0);
	assert_false(v.flag);
}

static void
a_limit_beyond_the_most_is_the_most(void **state)
{
	AUTO(arena) mem = arena_new(1 << 20);
	struct err e = { 0 };
	struct values v;

	(void)state;
	assert_int_equal(decode("limit=100000", &v, mem, &e), 0);
	assert_int_equal(v.limit, 200);
}

static void
an_unknown_parameter_names_the_known_ones(void **state)
{
	AUTO(arena) mem = arena_new(1 << 20);
	struct err e = { 0 };
	struct values v;

	(void)state;
	assert_int_equal(decode("texd=a", &v, mem, &e), -1);
	assert_int_equal(e.code, ERR_BAD_PARAMETER);
	assert_string_equal(e.fields[0].name, "texd");
	assert_non_null(
	    strstr(e.fields[0].msg, "text, word, number, limit, wait, flag, label.<name>"));
	const struct query_param none[] = { QUERY_PARAMS_END };

	e = (struct err){ 0 };
	assert_int_equal(query_decode("x=1", none, mem, &e), -1);
	assert_non_null(strstr(e.fields[0].msg, "takes no query parameters"));
	e = (struct err){ 0 };
	assert_int_equal(query_decode("", none, mem, &e), 0);
}

static void
each_bad_value_is_refused_with_its_name(void **state)
{
	static const char *const bad[] = { "text=", "text=123456", "word=blue", "word=re",
		"word=", "number=6", "number=x", "number=", "number=1.5",
		"number=99999999999999999999", "limit=0", "limit=-1", "limit=ten", "wait=30",
		"wait=61s", "wait=-1s", "flag=yes", "label.=x", "label.a=12345678901",
		"text=a&text=a", "text%3d=x" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		AUTO(arena) mem = arena_new(1 << 20);
		struct err e = { 0 };
		struct values v;

		assert_int_equal(decode(bad[i], &v, mem, &e), -1);
		assert_int_equal(e.code, ERR_BAD_PARAMETER);
		assert_int_equal(e.n_fields, 1);
		assert_int_equal(v.limit, 50);
	}
}

static void
two_labels_and_all_faults_come_at_once(void **state)
{
	AUTO(arena) mem = arena_new(1 << 20);
	struct err e = { 0 };
	struct values v;

	(void)state;
	assert_int_equal(decode("label.a=1&label.b=2&limit=0&zzz", &v, mem, &e), -1);
	assert_int_equal(e.n_fields, 3);
	assert_string_equal(e.fields[0].name, "label.b");
	assert_string_equal(e.fields[1].name, "limit");
	assert_string_equal(e.fields[2].name, "zzz");
}

static void
malformed_escapes_and_floods_are_refused(void **state)
{
	AUTO(arena) mem = arena_new(1 << 20);
	struct err e = { 0 };
	struct values v;
	char flood[200];

	(void)state;
	assert_int_equal(decode("text=%zz", &v, mem, &e), -1);
	assert_int_equal(decode("text=%00", &v, mem, &e), -1);
	assert_int_equal(decode("text=%c3", &v, mem, &e), -1);
	for (size_t i = 0; i + 1 < sizeof(flood); i += 2)
		memcpy(flood + i, "a&", 2);
	flood[sizeof(flood) - 1] = '\0';
	assert_int_equal(decode(flood, &v, mem, &e), -1);
	assert_int_equal(e.code, ERR_BAD_PARAMETER);
}

static void
ids_and_times_are_decoded_or_refused_with_an_example(void **state)
{
	static const char *const bad[] = { "user=usr_0", "user=usr_00000000000000000000000000",
		"user=key_00000000000000000000000001",
		"user=", "user=usr_00000000000000000000000001x", "from=yesterday",
		"from=2026-13-01", "from=", "from=2026-11-23" };
	AUTO(arena) mem = arena_new(1 << 20);
	struct uuid user = { 0 };
	int64_t from_us = 0;
	const struct query_param params[] = {
		QUERY_TYPED_ID("user", "usr", &user),
		QUERY_PARAM("from", WHEN, 0, 0, &from_us),
		QUERY_PARAMS_END,
	};
	struct err e = { 0 };

	(void)state;
	assert_int_equal(
	    query_decode(
		"user=usr_00000000000000000000000001&from=1970-01-01T00:00:01Z", params, mem, &e),
	    0);
	assert_int_equal(user.b[15], 1);
	assert_int_equal(from_us, 1000000);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		e = (struct err){ 0 };
		assert_int_equal(query_decode(bad[i], params, mem, &e), -1);
		assert_int_equal(e.code, ERR_BAD_PARAMETER);
		assert_int_equal(e.n_fields, 1);
	}
	assert_int_equal(user.b[15], 1);
	assert_int_equal(from_us, 1000000);
}

static void
a_query_is_split_as_it_was_given(void **state)
{
	AUTO(arena) mem = arena_new(1 << 20);
	struct query_given all[QUERY_PARAMS_MAX];
	struct err e = { 0 };
	size_t n = 9;

	(void)state;
	assert_int_equal(query_split("b=%41+x&&a&label.k=", mem, all, &n, &e), 0);
	assert_int_equal(n, 3);
	assert_string_equal(all[0].name, "b");
	assert_string_equal(all[0].value, "A x");
	assert_string_equal(all[1].name, "a");
	assert_string_equal(all[1].value, "");
	assert_string_equal(all[2].name, "label.k");
	assert_int_equal(query_split("a=%zz", mem, all, &n, &e), -1);
	assert_int_equal(n, 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(declared_parameters_are_decoded),
		cmocka_unit_test(a_limit_beyond_the_most_is_the_most),
		cmocka_unit_test(an_unknown_parameter_names_the_known_ones),
		cmocka_unit_test(each_bad_value_is_refused_with_its_name),
		cmocka_unit_test(two_labels_and_all_faults_come_at_once),
		cmocka_unit_test(ids_and_times_are_decoded_or_refused_with_an_example),
		cmocka_unit_test(a_query_is_split_as_it_was_given),
		cmocka_unit_test(malformed_escapes_and_floods_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
