/* SPDX-License-Identifier: Apache-2.0 */
/* Reading text: the pre-scan, the parser, access to values, and the public suite of 318 documents.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "fd.h"
#include "json.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static struct json *
parsed(const char *text)
{
	struct err e = { 0 };
	struct json *j = NULL;

	if (json_parse(text, strlen(text), &j, &e) < 0)
		fail_msg("%s: %s", text, e.msg);
	return j;
}

static void
assert_refused_n(const char *text, size_t n, const char *reason)
{
	struct err e = { 0 };
	struct json *j = NULL;

	assert_int_equal(json_parse(text, n, &j, &e), -1);
	assert_int_equal(e.code, ERR_BAD_JSON);
	assert_null(j);
	if (strstr(e.msg, reason) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", e.msg, reason);
}

static void
assert_refused(const char *text, const char *reason)
{
	assert_refused_n(text, strlen(text), reason);
}

static void
objects_and_arrays_are_documents(void **state)
{
	static const char *const texts[] = { "{}", "[]",
		" \t\r\n{\"a\":[1,2.5,\"x\",null,true]} " };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		json_free(parsed(texts[i]));
}

static void
scalars_and_nothing_are_no_documents(void **state)
{
	(void)state;
	assert_refused("", "empty");
	assert_refused(" ", "line 1");
	assert_refused("1", "line 1");
	assert_refused("\"x\"", "line 1");
	assert_refused("null", "line 1");
}

static void
a_nul_byte_is_refused_wherever_it_stands(void **state)
{
	static const char text[] = "{ \"a\" : 1 , \"b\" : [ true , null ] , \"c\" : -2.5e1 }";
	char with[sizeof(text)];

	(void)state;
	for (size_t at = 0; at < sizeof(text); at++) {
		memcpy(with, text, at);
		with[at] = '\0';
		memcpy(with + at + 1, text + at, sizeof(text) - 1 - at);
		assert_refused_n(with, sizeof(text), "NUL");
	}
}

static void
a_fault_is_told_with_line_and_column(void **state)
{
	(void)state;
	assert_refused("{\n  \"a\": 1,\n  \"b\" 2\n}", "line 3, column 7");
	assert_refused("[1,]", "line 1, column 4");
}

static void
what_other_readers_would_guess_is_refused(void **state)
{
	(void)state;
	assert_refused("{\"a\":1,\"a\":2}", "duplicate");
	assert_refused("{\"a\":1,\"\\u0061\":2}", "duplicate");
	assert_refused("{} {}", "line 1");
	assert_refused("[1] x", "line 1");
	assert_refused("\xef\xbb\xbf{}", "line 1");
	assert_refused("{\"a\":\"\\u0000\"}", "line 1");
	assert_refused("{\"\\u0000\":1}", "line 1");
	assert_refused_n("[\"a\0b\"]", 7, "NUL");
	assert_refused_n("{}\0", 3, "NUL");
	assert_refused("[\"\\ud800\"]", "line 1");
	assert_refused("[\"\xc0\xaf\"]", "line 1");
	assert_refused("[\"\xed\xa0\x80\"]", "line 1");
	assert_refused("[9223372036854775808]", "line 1");
	assert_refused("[1e400]", "line 1");
	assert_refused("[NaN]", "line 1");
	assert_refused("[01]", "line 1");
	assert_refused("['a']", "line 1");
}

static char *
repeated(const char *head, const char *unit, size_t times, const char *tail)
{
	struct buf b;
	size_t n;

	buf_init(&b, 4 << 20);
	buf_str(&b, head);
	for (size_t i = 0; i < times; i++)
		buf_str(&b, unit);
	buf_str(&b, tail);
	assert_false(b.failed);
	return buf_take(&b, &n);
}

static void
thirty_two_levels_pass_and_thirty_three_do_not(void **state)
{
	(void)state;
	for (int levels = JSON_MAX_DEPTH; levels <= JSON_MAX_DEPTH + 1; levels++) {
		AUTO_FREE char *open = repeated("", "[", (size_t)levels, "");
		AUTO_FREE char *text = repeated(open, "]", (size_t)levels, "");

		if (levels == JSON_MAX_DEPTH)
			json_free(parsed(text));
		else
			assert_refused(text, "deeper than 32 levels");
	}
}

static void
a_million_brackets_are_refused_without_recursion(void **state)
{
	AUTO_FREE char *arrays = repeated("", "[", 1 << 20, "");
	AUTO_FREE char *objects = repeated("", "{\"a\":", 1 << 18, "");

	(void)state;
	assert_refused(arrays, "column 33");
	assert_refused(objects, "deeper");
}

static void
brackets_and_commas_inside_of_strings_do_not_count(void **state)
{
	AUTO_FREE char *text = repeated("[\"\\\"", "[{,\\\\", 20000, "\"]");

	(void)state;
	json_free(parsed(text));
}

static void
ten_thousand_members_pass_and_one_more_does_not(void **state)
{
	AUTO_FREE char *full = repeated("[1", ", 1", JSON_MAX_MEMBERS - 1, " ]");
	AUTO_FREE char *over = repeated("[1", ", 1", JSON_MAX_MEMBERS, "]");
	/* Each of the 5,000 elements is an array of one element. */
	AUTO_FREE char *nested = repeated("[[1]", ",[1]", JSON_MAX_MEMBERS / 2 - 1, "]");
	AUTO_FREE char *nested_over = repeated("[[1]", ",[1]", JSON_MAX_MEMBERS / 2, "]");
	AUTO_FREE char *empty = repeated("[[]", ",{ }", JSON_MAX_MEMBERS - 1, "]");

	(void)state;
	json_free(parsed(full));
	assert_refused(over, "more than 10000 members");
	json_free(parsed(nested));
	assert_refused(nested_over, "more than 10000 members");
	json_free(parsed(empty));
}

static void
values_tell_their_type_and_give_only_what_they_are(void **state)
{
	AUTO(json) j = parsed("[null,\"t\",-7,0.5,true,[],{\"k\":1}]");
	static const enum json_type types[] = { JSON_NULL, JSON_STRING, JSON_INTEGER, JSON_REAL,
		JSON_BOOLEAN, JSON_ARRAY, JSON_DICT };
	const struct json_value *root = json_root(j);
	const char *text = "kept";
	int64_t integer = 99;
	double number = 99;
	bool boolean = false;

	(void)state;
	assert_int_equal(json_count(root), ARRAY_LEN(types));
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		assert_int_equal(json_type(json_at(root, i)), types[i]);
	assert_null(json_at(root, ARRAY_LEN(types)));
	assert_false(json_get_text(json_at(root, 2), &text));
	assert_string_equal(text, "kept");
	assert_true(json_get_text(json_at(root, 1), &text));
	assert_string_equal(text, "t");
	assert_false(json_get_i64(json_at(root, 3), &integer));
	assert_true(json_get_i64(json_at(root, 2), &integer));
	assert_int_equal(integer, -7);
	assert_false(json_get_f64(json_at(root, 4), &number));
	assert_true(json_get_f64(json_at(root, 3), &number));
	assert_true(number == 0.5);
	assert_true(json_get_f64(json_at(root, 2), &number));
	assert_true(number == -7);
	assert_false(json_get_bool(json_at(root, 0), &boolean));
	assert_true(json_get_bool(json_at(root, 4), &boolean));
	assert_true(boolean);
	assert_null(json_at(json_at(root, 6), 0));
	assert_null(json_member(root, "k"));
	assert_non_null(json_member(json_at(root, 6), "k"));
	assert_int_equal(json_count(json_at(root, 1)), 0);
}

static void
the_ends_of_the_integers_survive(void **state)
{
	AUTO(json) j = parsed("[9223372036854775807,-9223372036854775808]");
	int64_t v = 0;

	(void)state;
	assert_true(json_get_i64(json_at(json_root(j), 0), &v));
	assert_true(v == INT64_MAX);
	assert_true(json_get_i64(json_at(json_root(j), 1), &v));
	assert_true(v == INT64_MIN);
}

static int
collect_names(void *ctx, const char *name, const struct json_value *v)
{
	struct buf *b = ctx;

	(void)v;
	buf_str(b, name == NULL ? "-" : name);
	return b->n == 3 ? 7 : 0;
}

static void
a_walk_keeps_the_order_and_stops_when_told(void **state)
{
	AUTO(json) object = parsed("{\"z\":1,\"a\":2}");
	AUTO(json) array = parsed("[1,2,3,4,5]");
	AUTO_BUF names = { 0 };

	(void)state;
	buf_init(&names, 16);
	assert_int_equal(json_for_each(json_root(object), collect_names, &names), 0);
	assert_string_equal(names.p, "za");
	buf_clear(&names);
	assert_int_equal(json_for_each(json_root(array), collect_names, &names), 7);
	assert_string_equal(names.p, "---");
	assert_int_equal(json_for_each(json_at(json_root(array), 0), collect_names, &names), 0);
}

/* --- the public suite --------------------------------------------------------------------- */

static const char suite_dir[] = WARDIAN_SOURCE_DIR "/../shared/data/JSONTestSuite/test_parsing";

/* Valid JSON that is refused on purpose: it means different things to different readers. */
static bool
refused_on_purpose(const char *name, const char *text, size_t n)
{
	static const char *const names[] = { "y_object_duplicated_key.json",
		"y_object_duplicated_key_and_value.json", "y_object_escaped_null_in_key.json",
		"y_string_null_escape.json" };
	size_t blanks = strspn(text, " \t\r\n");

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return blanks < n && text[blanks] != '[' && text[blanks] != '{';
}

static void
check_document(int dirfd, const char *name)
{
	AUTO_FREE char *text = NULL;
	AUTO(json) j = NULL;
	struct err e = { 0 };
	size_t n = 0;
	bool accepted;

	assert_int_equal(fd_read_file(dirfd, name, 1 << 20, &text, &n, &e), 0);
	accepted = json_parse(text, n, &j, &e) == 0;
	if (name[0] == 'n' && accepted)
		fail_msg("%s was accepted", name);
	if (name[0] == 'y' && accepted == refused_on_purpose(name, text, n))
		fail_msg("%s was %s", name, accepted ? "accepted" : e.msg);
}

static void
the_public_test_suite_holds(void **state)
{
	AUTO_FD int dirfd = open(suite_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *entry;
	int checked = 0;
	DIR *dir;

	(void)state;
	if (dirfd < 0) {
		print_message("skipped: the JSONTestSuite is not at %s\n", suite_dir);
		skip();
	}
	dir = opendir(suite_dir);
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		check_document(dirfd, entry->d_name);
		checked++;
	}
	closedir(dir);
	assert_true(checked >= 300);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_and_arrays_are_documents),
		cmocka_unit_test(scalars_and_nothing_are_no_documents),
		cmocka_unit_test(a_nul_byte_is_refused_wherever_it_stands),
		cmocka_unit_test(a_fault_is_told_with_line_and_column),
		cmocka_unit_test(what_other_readers_would_guess_is_refused),
		cmocka_unit_test(thirty_two_levels_pass_and_thirty_three_do_not),
		cmocka_unit_test(a_million_brackets_are_refused_without_recursion),
		cmocka_unit_test(brackets_and_commas_inside_of_strings_do_not_count),
		cmocka_unit_test(ten_thousand_members_pass_and_one_more_does_not),
		cmocka_unit_test(values_tell_their_type_and_give_only_what_they_are),
		cmocka_unit_test(the_ends_of_the_integers_survive),
		cmocka_unit_test(a_walk_keeps_the_order_and_stops_when_told),
		cmocka_unit_test(the_public_test_suite_holds),
	};

	json_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
