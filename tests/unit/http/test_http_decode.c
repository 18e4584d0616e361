/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "http.h"

static void
escapes_become_bytes_and_plus_a_blank_in_queries_only(void **state)
{
	static const struct {
		const char *in;
		bool query;
		const char *out;
	} TABLE[] = {
		{ "", false, "" },
		{ "plain", false, "plain" },
		{ "a%20b", false, "a b" },
		{ "a+b", false, "a+b" },
		{ "a+b", true, "a b" },
		{ "%2B", true, "+" },
		{ "%e2%82%AC", false, "\xe2\x82\xac" },
		{ "%25", false, "%" },
		{ "%2500", false, "%00" },
		{ "%2f%5C", false, "/\\" },
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(TABLE); i++) {
		assert_int_equal(
		    http_decode(TABLE[i].in, strlen(TABLE[i].in), TABLE[i].query, out), 0);
		assert_string_equal(out, TABLE[i].out);
	}
}

static void
what_is_no_text_is_refused(void **state)
{
	static const char *const TABLE[] = { "%", "%4", "a%", "%zz", "%4g", "%-1", "% 1", "%00",
		"a%00b", "%ff", "%c0%80", "%c0%af", "%ed%a0%80", "%f5%80%80%80", "%e2%82", "\x80" };
	char out[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(TABLE); i++)
		assert_int_equal(http_decode(TABLE[i], strlen(TABLE[i]), false, out), -1);
	assert_int_equal(http_decode("a\0b", 3, false, out), -1);
}

static void
nothing_beyond_the_given_length_is_read(void **state)
{
	char out[8];

	(void)state;
	assert_int_equal(http_decode("ab%41", 3, false, out), -1);
	assert_int_equal(http_decode("ab%41", 4, false, out), -1);
	assert_int_equal(http_decode("ab%41xyz", 5, false, out), 0);
	assert_string_equal(out, "abA");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(escapes_become_bytes_and_plus_a_blank_in_queries_only),
		cmocka_unit_test(what_is_no_text_is_refused),
		cmocka_unit_test(nothing_beyond_the_given_length_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
