/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api_value_internal.h"

#include "buf.h"

#include <string.h>

static void
entity_tags_are_found_in_lists(void **state)
{
	(void)state;
	assert_true(value_etag_listed("*", "\"a\"", false));
	assert_true(value_etag_listed("\"x\", \"a\"", "\"a\"", false));
	assert_true(value_etag_listed("\"x\",W/\"a\"", "\"a\"", true));
	assert_false(value_etag_listed("W/\"a\"", "\"a\"", false));
	assert_false(value_etag_listed("\"ab\"", "\"a\"", true));
	assert_true(
	    value_etag_listed("\"x,\\\", \"a\"", "\"a\"", true)); /* \ is no escape in a tag */
}

static void
a_malformed_tag_list_matches_nothing_after_the_fault(void **state)
{
	static const char *const bad[] = { "", "a", "\"a", "x\"a\"", "W/a", "W/", "**" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(value_etag_listed(bad[i], "\"a\"", true));
}

static void
a_version_comes_from_one_strong_tag(void **state)
{
	static const struct {
		const char *text;
		enum value_version is;
	} cases[] = {
		{ NULL, VALUE_VERSION_ANY },
		{ "*", VALUE_VERSION_ANY },
		{ " * ", VALUE_VERSION_ANY },
		{ "\"7\"", VALUE_VERSION_ONE },
		{ " \"7\" ", VALUE_VERSION_ONE },
		{ "W/\"7\"", VALUE_VERSION_NONE },
		{ "\"0\"", VALUE_VERSION_NONE },
		{ "\"07\"", VALUE_VERSION_NONE },
		{ "\"-7\"", VALUE_VERSION_NONE },
		{ "\"7a\"", VALUE_VERSION_NONE },
		{ "\"\"", VALUE_VERSION_NONE },
		{ "\"99999999999999999999\"", VALUE_VERSION_NONE },
		{ "\"9999999999999999999999999999999999999999\"", VALUE_VERSION_NONE },
		{ "7", VALUE_VERSION_NONE },
		{ "\"7", VALUE_VERSION_NONE },
		{ "", VALUE_VERSION_NONE },
		{ "**", VALUE_VERSION_NONE },
		{ "\"7\", \"8\"", VALUE_VERSION_MANY },
		{ "\"7\" x", VALUE_VERSION_MANY },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t version = -5;
		enum value_version is = value_version(cases[i].text, &version);

		if (is != cases[i].is)
			fail_msg("%s: %d", cases[i].text, (int)is);
		assert_int_equal(version, is == VALUE_VERSION_ONE ? 7 : -5);
	}
}

static void
ranges_become_offset_and_length(void **state)
{
	static const struct {
		const char *text;
		int64_t first, n;
	} good[] = {
		{ "bytes=0-0", 0, 1 },
		{ "bytes=0-9", 0, 10 },
		{ "bytes=5-", 5, 95 },
		{ "bytes=90-200", 90, 10 },
		{ "bytes=-1", 99, 1 },
		{ "bytes=-500", 0, 100 },
		{ "bytes=0-99999999999999999999", 0, 100 },
		{ "bytes= 1-2", 1, 2 },
	};
	int64_t first, n;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_int_equal(
		    value_range_parse(good[i].text, 100, &first, &n), VALUE_RANGE_PART);
		assert_int_equal(first, good[i].first);
		assert_int_equal(n, good[i].n);
	}
}

static void
ranges_beyond_the_end_are_told_from_nonsense(void **state)
{
	static const char *const outside[] = { "bytes=100-", "bytes=100-200", "bytes=-0",
		"bytes=99999999999999999999-" };
	static const char *const nonsense[] = { "bytes=", "bytes=a-b", "bytes=5-2", "bytes=0-1,5-6",
		"items=0-1", "bytes 0-1", "bytes=--1", "bytes=-", "bytes=1", "bytes=0-1 ",
		"bytes=+1-2" };
	int64_t first = 7, n = 7;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(outside); i++)
		assert_int_equal(
		    value_range_parse(outside[i], 100, &first, &n), VALUE_RANGE_OUTSIDE);
	for (size_t i = 0; i < ARRAY_LEN(nonsense); i++)
		assert_int_equal(value_range_parse(nonsense[i], 100, &first, &n), VALUE_RANGE_NONE);
	assert_int_equal(value_range_parse(NULL, 100, &first, &n), VALUE_RANGE_NONE);
	assert_int_equal(value_range_parse("bytes=0-", 0, &first, &n), VALUE_RANGE_OUTSIDE);
	assert_int_equal(value_range_parse("bytes=-5", 0, &first, &n), VALUE_RANGE_OUTSIDE);
	assert_int_equal(first, 7);
	assert_int_equal(n, 7);
}

static void
an_idempotency_key_is_bare_or_quoted(void **state)
{
	char key[VALUE_KEY_SIZE], longest[VALUE_KEY_SIZE + 1];
	struct err e = { 0 };

	(void)state;
	assert_int_equal(value_idempotency_key("abc-1", key, &e), 0);
	assert_string_equal(key, "abc-1");
	assert_int_equal(value_idempotency_key("\"abc-1\"", key, &e), 0);
	assert_string_equal(key, "abc-1");
	assert_int_equal(value_idempotency_key("\"a\\\"b\\\\c\"", key, &e), 0);
	assert_string_equal(key, "a\"b\\c");
	memset(longest, 'k', sizeof(longest));
	longest[VALUE_KEY_SIZE - 1] = '\0';
	assert_int_equal(value_idempotency_key(longest, key, &e), 0);
	assert_int_equal(strlen(key), 255);
}

static void
other_idempotency_keys_are_bad_headers(void **state)
{
	static const char *const bad[] = { "", "\"\"", "a b", "\"a b\"", "\"a", "\"a\"b",
		"\"a\\x\"", "\"a\\", "k\x7f", "k\xc3\xa4", "\t" };
	char key[VALUE_KEY_SIZE] = "unchanged", longer[VALUE_KEY_SIZE + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = { 0 };

		assert_int_equal(value_idempotency_key(bad[i], key, &e), -1);
		assert_int_equal(e.code, ERR_BAD_HEADER);
		assert_string_equal(e.fields[0].name, "Idempotency-Key");
		assert_string_equal(key, "unchanged");
	}
	memset(longer, 'k', sizeof(longer));
	longer[VALUE_KEY_SIZE] = '\0';
	assert_int_equal(value_idempotency_key(longer, key, &(struct err){ 0 }), -1);
}

static void
request_ids_are_8_to_64_safe_characters(void **state)
{
	char text[66];

	(void)state;
	assert_true(value_request_id_valid("abcDEF12"));
	assert_true(value_request_id_valid("req_01-x"));
	assert_false(value_request_id_valid("short12"));
	assert_false(value_request_id_valid("with blank"));
	assert_false(value_request_id_valid("line\nbreak"));
	memset(text, 'x', sizeof(text));
	text[65] = '\0';
	assert_false(value_request_id_valid(text));
	text[64] = '\0';
	assert_true(value_request_id_valid(text));
}

static void
event_ids_name_a_byte_of_an_attempt(void **state)
{
	static const char *const bad[] = { "", "x", "-1", "1.", ".1", "1.2.3", "1 ", "ends", "1.x",
		"9223372036854775807", "2.99999999999999999999" };
	struct value_event_id id;

	(void)state;
	assert_true(value_event_id("123", &id));
	assert_true(!id.end && id.epoch == 1 && id.offset == 123);
	assert_true(value_event_id("3.45", &id));
	assert_true(!id.end && id.epoch == 3 && id.offset == 45);
	assert_true(value_event_id("end", &id));
	assert_true(id.end);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(value_event_id(bad[i], &id));
}

static void
unfinished_characters_at_the_end_are_measured(void **state)
{
	(void)state;
	assert_int_equal(value_utf8_tail("abc", 3), 0);
	assert_int_equal(value_utf8_tail("ab\xc3", 3), 1);
	assert_int_equal(value_utf8_tail("ab\xc3\xa4", 4), 0);
	assert_int_equal(value_utf8_tail("\xe2\x82", 2), 2);
	assert_int_equal(value_utf8_tail("\xe2\x82\xac", 3), 0);
	assert_int_equal(value_utf8_tail("x\xf0\x9f\x98", 4), 3);
	assert_int_equal(value_utf8_tail("\xf0\x9f\x98\x80", 4), 0);
	assert_int_equal(value_utf8_tail("\x80\x80\x80\x80", 4), 0); /* not UTF-8 at all */
	assert_int_equal(value_utf8_tail("", 0), 0);
}

static void
text_is_escaped_for_urls(void **state)
{
	AUTO_BUF b;

	(void)state;
	buf_init(&b, 100);
	value_escape(&b, "a/b c\xc3\xa4~", "/");
	assert_string_equal(b.p, "a/b%20c%C3%A4~");
	buf_clear(&b);
	value_escape(&b, "a/b", "");
	assert_string_equal(b.p, "a%2Fb");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entity_tags_are_found_in_lists),
		cmocka_unit_test(a_malformed_tag_list_matches_nothing_after_the_fault),
		cmocka_unit_test(a_version_comes_from_one_strong_tag),
		cmocka_unit_test(ranges_become_offset_and_length),
		cmocka_unit_test(ranges_beyond_the_end_are_told_from_nonsense),
		cmocka_unit_test(an_idempotency_key_is_bare_or_quoted),
		cmocka_unit_test(other_idempotency_keys_are_bad_headers),
		cmocka_unit_test(request_ids_are_8_to_64_safe_characters),
		cmocka_unit_test(event_ids_name_a_byte_of_an_attempt),
		cmocka_unit_test(unfinished_characters_at_the_end_are_measured),
		cmocka_unit_test(text_is_escaped_for_urls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
