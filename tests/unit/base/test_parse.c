/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <float.h>
#include <locale.h>
#include <math.h>

#include "id.h"
#include "parse.h"

static void
whole_numbers_are_read_within_their_range(void **state)
{
	static const struct {
		const char *text;
		int64_t v;
	} cases[] = { { "0", 0 }, { "-0", 0 }, { "7", 7 }, { "-7", -7 },
		{ "9223372036854775807", INT64_MAX }, { "-9223372036854775808", INT64_MIN } };
	struct err e = { 0 };
	int64_t v = 1;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(parse_i64(cases[i].text, INT64_MIN, INT64_MAX, &v, &e), 0);
		assert_true(v == cases[i].v);
	}
	assert_int_equal(parse_i64("10", 1, 10, &v, &e), 0);
	assert_int_equal(parse_i64("11", 1, 10, &v, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	assert_string_equal(e.msg, "expected a whole number from 1 to 10, got '11'");
	assert_int_equal(v, 10);
}

static void
what_is_no_whole_number_is_refused(void **state)
{
	static const char *const cases[] = { "", "-", "+1", " 1", "1 ", "01", "-01", "1.0", "0x10",
		"1e3", "9223372036854775808", "-9223372036854775809", "99999999999999999999999",
		"--1", "1\n" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = { 0 };
		int64_t v = 42;

		assert_int_equal(parse_i64(cases[i], INT64_MIN, INT64_MAX, &v, &e), -1);
		assert_int_equal(v, 42);
	}
}

static void
bytes_are_read_with_binary_units(void **state)
{
	static const struct {
		const char *text;
		int64_t v;
	} cases[] = { { "0", 0 }, { "512", 512 }, { "64KiB", 64 * KIB }, { "10MiB", 10 * MIB },
		{ "2GiB", 2 * GIB }, { "1TiB", 1024 * GIB } };
	static const char *const bad[] = { "", "KiB", "1kb", "1KB", "1 KiB", "1.5GiB", "1KiBB",
		"9007199254740992KiB", "-1", "-1KiB", "1B" };
	struct err e = { 0 };
	int64_t v = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(parse_bytes(cases[i].text, 0, INT64_MAX, &v, &e), 0);
		assert_true(v == cases[i].v);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		v = 42;
		assert_int_equal(parse_bytes(bad[i], 0, INT64_MAX, &v, &e), -1);
		assert_int_equal(v, 42);
	}
	assert_int_equal(parse_bytes("1KiB", 2 * KIB, 3 * MIB, &v, &e), -1);
	assert_string_equal(e.msg,
	    "expected bytes from 2KiB to 3MiB, like 512, 64KiB, 10MiB, 2GiB or 1TiB, got '1KiB'");
}

static void
durations_need_a_unit(void **state)
{
	static const struct {
		const char *text;
		int64_t v;
	} cases[] = { { "0ms", 0 }, { "250ms", 250 }, { "30s", 30000 }, { "5m", 300000 },
		{ "2h", 7200000 }, { "7d", 604800000 } };
	static const char *const bad[] = { "", "5", "0", "5 s", "5S", "5min", "1.5s", "-1s", "ms",
		"106751991168d" };
	struct err e = { 0 };
	int64_t v = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(parse_duration_ms(cases[i].text, 0, INT64_MAX, &v, &e), 0);
		assert_true(v == cases[i].v);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(parse_duration_ms(bad[i], 0, INT64_MAX, &v, &e), -1);
	assert_int_equal(parse_duration_ms("8d", 1000, 604800000, &v, &e), -1);
	assert_string_equal(
	    e.msg, "expected a time from 1s to 7d, like 250ms, 30s, 5m, 2h or 7d, got '8d'");
}

static void
sizes_and_times_print_as_they_are_read(void **state)
{
	char out[PARSE_UNIT_SIZE];
	struct err e = { 0 };
	int64_t back = 0;

	(void)state;
	assert_string_equal(format_bytes(0, out), "0");
	assert_string_equal(format_bytes(1025, out), "1025");
	assert_string_equal(format_bytes(INT64_C(1) << 50, out), "1024TiB");
	assert_string_equal(format_duration_ms(0, out), "0ms");
	assert_string_equal(format_duration_ms(1500, out), "1500ms");
	assert_string_equal(format_duration_ms(5400000, out), "90m");
	for (int64_t v = 1; v < INT64_MAX / 8; v = v * 7 + 1024) {
		assert_int_equal(parse_bytes(format_bytes(v, out), 0, INT64_MAX, &back, &e), 0);
		assert_true(back == v);
		assert_int_equal(
		    parse_duration_ms(format_duration_ms(v, out), 0, INT64_MAX, &back, &e), 0);
		assert_true(back == v);
	}
}

static void
doubles_are_read_when_they_fill_the_text(void **state)
{
	static const struct {
		const char *text;
		double v;
	} cases[] = { { "0", 0 }, { "-0.5", -0.5 }, { "+1", 1 }, { "1.", 1 }, { ".5", 0.5 },
		{ "6.02e23", 6.02e23 }, { "1E-3", 1e-3 }, { "1e+3", 1e3 }, { "1e-400", 0 },
		{ "007", 7 } };
	static const char *const bad[] = { "", ".", "-", "e5", "1e", "1e+", "inf", "nan", "-inf",
		"0x1p3", " 1", "1 ", "1,5", "1.5.2", "1e400", "1_000", "--1" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = { 0 };
		double v = 42;

		assert_int_equal(parse_f64(cases[i].text, strlen(cases[i].text), &v, &e), 0);
		assert_true(v == cases[i].v);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = { 0 };
		double v = 42;

		assert_int_equal(parse_f64(bad[i], strlen(bad[i]), &v, &e), -1);
		assert_int_equal(e.code, ERR_INVALID);
		assert_true(v == 42);
	}
}

static void
doubles_are_read_from_exactly_the_bytes_given(void **state)
{
	char text[300];
	struct err e = { 0 };
	double v = 0;

	(void)state;
	assert_int_equal(parse_f64("12345", 2, &v, &e), 0);
	assert_true(v == 12);
	assert_int_equal(parse_f64("1\0002", 3, &v, &e), -1);
	memset(text, '1', sizeof(text));
	assert_int_equal(parse_f64(text, 100, &v, &e), 0);
	assert_int_equal(parse_f64(text, 127, &v, &e), 0);
	assert_int_equal(parse_f64(text, 128, &v, &e), -1);
}

static void
doubles_survive_printing_and_print_short(void **state)
{
	static const struct {
		double v;
		const char *text;
	} cases[] = { { 0, "0" }, { -0.0, "-0" }, { 0.1, "0.1" }, { 1.0 / 3, "0.3333333333333333" },
		{ 1e21, "1e+21" }, { 123456789, "123456789" }, { 5e-324, "4.94065645841247e-324" },
		{ 0.1 + 0.2, "0.30000000000000004" } };
	char out[PARSE_F64_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_string_equal(format_f64(cases[i].v, out), cases[i].text);
	for (int i = 0; i < 20000; i++) {
		struct err e = { 0 };
		double v, back = 0;

		random_bytes(&v, sizeof(v));
		if (!isfinite(v))
			continue;
		(void)format_f64(v, out); /* returns out */
		assert_int_equal(parse_f64(out, strlen(out), &back, &e), 0);
		assert_memory_equal(&v, &back, sizeof(v));
	}
	assert_string_equal(format_f64(-DBL_MAX, out), "-1.7976931348623157e+308");
}

static void
numbers_do_not_depend_on_the_locale(void **state)
{
	static const char *const commas[] = { "de_DE.UTF-8", "fr_FR.UTF-8", "de_DE.utf8" };
	char out[PARSE_F64_SIZE];
	struct err e = { 0 };
	double v = 0;
	size_t i = 0;

	(void)state;
	while (i < ARRAY_LEN(commas) && setlocale(LC_ALL, commas[i]) == NULL)
		i++;
	if (i == ARRAY_LEN(commas))
		skip(); /* no locale with a comma is installed */
	assert_string_equal(localeconv()->decimal_point, ",");
	assert_string_equal(format_f64(1.5, out), "1.5");
	assert_int_equal(parse_f64("2.5", 3, &v, &e), 0);
	assert_true(v == 2.5);
	assert_int_equal(parse_f64("2,5", 3, &v, &e), -1);
	assert_string_equal(localeconv()->decimal_point, ",");
	(void)setlocale(LC_ALL, "C");
}

static void
distance_counts_edits_up_to_three(void **state)
{
	static const struct {
		const char *a, *b;
		int d;
	} cases[] = { { "", "", 0 }, { "port", "port", 0 }, { "prot", "port", 2 },
		{ "port", "ports", 1 }, { "", "abc", 3 }, { "", "abcd", 4 },
		{ "kitten", "sitting", 3 }, { "abcdef", "uvwxyz", 4 }, { "a", "abcdefgh", 4 } };
	char lengthy[200];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(parse_distance(cases[i].a, cases[i].b), cases[i].d);
		assert_int_equal(parse_distance(cases[i].b, cases[i].a), cases[i].d);
	}
	memset(lengthy, 'x', sizeof(lengthy));
	lengthy[sizeof(lengthy) - 1] = '\0';
	assert_int_equal(parse_distance(lengthy, lengthy + 1), 4);
	lengthy[64] = '\0';
	assert_int_equal(parse_distance(lengthy, lengthy + 1), 1);
}

static void
utf8_is_judged_as_by_rfc_3629(void **state)
{
	static const struct {
		const char *text;
		bool valid;
	} cases[] = { { "", true }, { "plain", true }, { "\xc3\xb6", true },
		{ "\xe2\x82\xac", true }, { "\xf0\x9f\x98\x80", true },
		{ "\xf4\x8f\xbf\xbf", true }, { "\xf4\x90\x80\x80", false }, { "\xc0\xaf", false },
		{ "\xc1\xbf", false }, { "\xe0\x80\xaf", false }, { "\xe0\x9f\xbf", false },
		{ "\xe0\xa0\x80", true }, { "\xf0\x8f\xbf\xbf", false },
		{ "\xf0\x90\x80\x80", true }, { "\xed\xa0\x80", false }, { "\xed\x9f\xbf", true },
		{ "\xee\x80\x80", true }, { "\x80", false }, { "\xff", false },
		{ "\xf5\x80\x80\x80", false }, { "\xc3", false }, { "\xe2\x82", false },
		{ "\xf0\x9f\x98", false }, { "a\xc3z", false } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(
		    parse_utf8_valid(cases[i].text, strlen(cases[i].text)), cases[i].valid);
	assert_false(parse_utf8_valid("a\0b", 3));
}

static void
an_echo_is_short_and_harmless(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = { { "", "" }, { "plain", "plain" }, { "a\x1b[2Jb\x7f", "a?[2Jb?" },
		{ "\xff\xc2\x9b!", "??"
				   "?!" },
		{ "\xc3\xb6", "\xc3\xb6" },
		{ "0123456789012345678901234567890123456789",
		    "0123456789012345678901234567890123456789" },
		{ "0123456789012345678901234567890123456789x",
		    "0123456789012345678901234567890123456789..." },
		{ "012345678901234567890123456789012345678\xf0\x9f\x98\x80x",
		    "012345678901234567890123456789012345678\xf0\x9f\x98\x80..." } };
	char out[PARSE_ECHO_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_string_equal(parse_echo(cases[i].in, out), cases[i].out);
}

static void
hexadecimal_digits_of_either_case_have_values_and_their_neighbours_have_none(void **state)
{
	static const char none[] = "/:@G`g \0";

	(void)state;
	for (int i = 0; i < 16; i++) {
		assert_int_equal(parse_hex_digit("0123456789abcdef"[i]), i);
		assert_int_equal(parse_hex_digit("0123456789ABCDEF"[i]), i);
	}
	for (size_t i = 0; i < sizeof(none); i++)
		assert_int_equal(parse_hex_digit(none[i]), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    hexadecimal_digits_of_either_case_have_values_and_their_neighbours_have_none),
		cmocka_unit_test(whole_numbers_are_read_within_their_range),
		cmocka_unit_test(what_is_no_whole_number_is_refused),
		cmocka_unit_test(bytes_are_read_with_binary_units),
		cmocka_unit_test(durations_need_a_unit),
		cmocka_unit_test(sizes_and_times_print_as_they_are_read),
		cmocka_unit_test(doubles_are_read_when_they_fill_the_text),
		cmocka_unit_test(doubles_are_read_from_exactly_the_bytes_given),
		cmocka_unit_test(doubles_survive_printing_and_print_short),
		cmocka_unit_test(numbers_do_not_depend_on_the_locale),
		cmocka_unit_test(distance_counts_edits_up_to_three),
		cmocka_unit_test(utf8_is_judged_as_by_rfc_3629),
		cmocka_unit_test(an_echo_is_short_and_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
