/* SPDX-License-Identifier: Apache-2.0 */
/* Lines, words, numbers and names of hostile text. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "result_internal.h"

#include "parse.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void
numbers_of_c_and_fortran_are_read(void **state)
{
	static const struct {
		const char *text;
		double value;
	} good[] = {
		{ "0", 0 },
		{ "-0.5", -0.5 },
		{ "+3", 3 },
		{ "007", 7 },
		{ ".5", 0.5 },
		{ "1.", 1 },
		{ "9.930000e-01", 0.993 },
		{ "-6.7733681", -6.7733681 },
		{ "0.1000000E+01", 1 },
		{ "1.0D+00", 1 },
		{ "-2.5d-3", -0.0025 },
		{ "1.234567-100", 1.234567e-100 },
		{ "-1.5+101", -1.5e101 },
		{ "4.9e-324", 4.9e-324 },
		{ "1e-999", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		double v = 77;

		if (!result_number(good[i].text, strlen(good[i].text), &v) || v != good[i].value)
			fail_msg("'%s' is %g", good[i].text, v);
	}
}

static void
numbers_that_are_none_keep_their_kind(void **state)
{
	static const char *const nans[] = { "nan", "NaN", "-nan", "+NAN", "nan(0x8000)", "****",
		"*********" };
	static const char *const infinities[] = { "inf", "Inf", "+inf", "Infinity", "INFINITY" };
	double v;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(nans); i++) {
		v = 0;
		assert_true(result_number(nans[i], strlen(nans[i]), &v));
		assert_true(isnan(v));
	}
	for (size_t i = 0; i < ARRAY_LEN(infinities); i++) {
		v = 0;
		assert_true(result_number(infinities[i], strlen(infinities[i]), &v));
		assert_true(isinf(v) && v > 0);
	}
	assert_true(result_number("-Infinity", 9, &v));
	assert_true(isinf(v) && v < 0);
}

static void
words_that_are_no_numbers_are_refused(void **state)
{
	static const char *const bad[] = { "", "-", "+", ".", "e5", "1e", "1e+", "--1", "1-",
		"1.2.3", "0x10", "1,5", "1_000", "12abc", "in", "infinite", "nanny", "nan(", "-n",
		"*", "1e5e5", "1-2-3", "d5", "1e1.5", "0b1", "\xd9\xa3",
		"1111111111111111111111111111111111111111111111111111111111111111111111111111" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		double v = 77;

		if (result_number(bad[i], strlen(bad[i]), &v))
			fail_msg("'%s' was taken as %g", bad[i], v);
	}
}

static void
a_number_ends_where_its_length_says(void **state)
{
	double v = 0;

	(void)state;
	assert_true(result_number("12345", 3, &v));
	assert_true(v == 123);
	assert_false(result_number("nanx", 2, &v));
	assert_true(result_number("***x", 3, &v));
}

static void
words_are_split_at_blanks_and_counted_to_a_cap(void **state)
{
	struct result_word words[RESULT_WORDS + 1];
	char line[4 * RESULT_WORDS];

	(void)state;
	assert_int_equal(result_words("", 0, words), 0);
	assert_int_equal(result_words("  \t ", 4, words), 0);
	assert_int_equal(result_words(" a\tbc  d", 8, words), 3);
	assert_memory_equal(words[1].p, "bc", 2);
	assert_int_equal(words[2].n, 1);
	for (size_t i = 0; i < sizeof(line); i++)
		line[i] = i % 2 == 0 ? 'x' : ' ';
	assert_int_equal(result_words(line, 2 * RESULT_WORDS, words), RESULT_WORDS);
	assert_int_equal(result_words(line, sizeof(line), words), RESULT_WORDS + 1);
}

/* --- lines ---------------------------------------------------------------------------------- */

struct collected {
	char text[256];
	size_t n, lines, longest;
};

static int
collect(void *ctx, const char *line, size_t n, struct err *e)
{
	struct collected *c = ctx;

	(void)e;
	c->lines++;
	c->longest = n > c->longest ? n : c->longest;
	if (c->n + n + 2 < sizeof(c->text))
		c->n +=
		    (size_t)snprintf(c->text + c->n, sizeof(c->text) - c->n, "%.*s|", (int)n, line);
	return 0;
}

static void
lines_are_the_same_whatever_the_pieces(void **state)
{
	static const char text[] = "one\ntwo\r\n\r10%\r20%\n\n\nlast";

	(void)state;
	for (size_t piece = 1; piece < sizeof(text); piece++) {
		struct collected c = { .n = 0 };
		struct result_lines l = { .fn = collect, .ctx = &c };
		struct err e = { 0 };

		for (size_t at = 0; at < sizeof(text) - 1; at += piece) {
			size_t left = sizeof(text) - 1 - at;

			assert_int_equal(
			    result_lines_feed(&l, text + at, left < piece ? left : piece, &e), 0);
		}
		assert_int_equal(result_lines_end(&l, &e), 0);
		assert_string_equal(c.text, "one|two|10%|20%|last|");
	}
}

static void
an_endless_line_is_cut_and_the_next_one_is_whole(void **state)
{
	struct collected c = { .n = 0 };
	struct result_lines l = { .fn = collect, .ctx = &c };
	struct err e = { 0 };

	(void)state;
	for (int i = 0; i < 100000; i++)
		assert_int_equal(result_lines_feed(&l, "x", 1, &e), 0);
	assert_int_equal(result_lines_feed(&l, "\nnext\n", 6, &e), 0);
	assert_int_equal(c.lines, 2);
	assert_int_equal(c.longest, RESULT_LINE_BYTES);
	assert_string_equal(c.text, "next|");
}

/* --- names ---------------------------------------------------------------------------------- */

static void
names_are_printable_whatever_the_text_was(void **state)
{
	static const struct {
		const char *prefix, *text, *name;
	} cases[] = {
		{ "", "vmax", "vmax" },
		{ "u", "x", "u.x" },
		{ "", "", "_" },
		{ "", "a b\tc", "a_b_c" },
		{ "", "\x1b[31m", "_[31m" },
		{ "", "\xcf\x83_max", "\xcf\x83_max" },
		{ "", "\xff\xfe", "__" },
		{ "", "\xc3", "_" },
		{ "", "v(out)", "v(out)" },
		{ "", "\xc2\x85", "__" },
	};
	char name[RESULT_NAME_BYTES + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *got =
		    result_name(cases[i].prefix, cases[i].text, strlen(cases[i].text), name);

		assert_string_equal(got, cases[i].name);
	}
}

static void
names_are_cut_between_characters(void **state)
{
	char text[2 * RESULT_NAME_BYTES + 1], name[RESULT_NAME_BYTES + 1];

	(void)state;
	for (size_t shift = 0; shift < 2; shift++) {
		size_t n = 0;

		if (shift > 0)
			text[n++] = 'x';
		while (n + 2 <= sizeof(text)) {
			memcpy(text + n, "\xc3\xa9", 2);
			n += 2;
		}
		(void)result_name("", text, n, name);
		assert_true(
		    strlen(name) <= RESULT_NAME_BYTES && strlen(name) >= RESULT_NAME_BYTES - 1);
		assert_true(parse_utf8_valid(name, strlen(name)));
		(void)result_name(text, text, n, name);
		assert_true(strlen(name) <= RESULT_NAME_BYTES);
		assert_true(parse_utf8_valid(name, strlen(name)));
	}
}

/* --- sink ----------------------------------------------------------------------------------- */

static void
values_beyond_the_cap_mark_the_set_and_repeated_names_keep_the_last(void **state)
{
	AUTO(arena) mem = arena_new(CAP_REQUEST_ARENA_BYTES);
	struct result_sink *s = result_sink_new(mem);
	struct err e = { 0 };
	char name[32];

	(void)state;
	assert_non_null(s);
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < CAP_RESULT_VALUES; i++) {
			struct result_value v = { .name = name, .value = i * 10 + round };

			/* Not in order, so that the index has to sort. */
			(void)snprintf(name, sizeof(name), "n%d", i * 7 % CAP_RESULT_VALUES);
			assert_int_equal(result_sink_value(s, &v, &e), 0);
		}
	assert_int_equal(s->set.n_values, CAP_RESULT_VALUES);
	assert_false(s->set.truncated);
	for (size_t i = 0; i < s->set.n_values; i++) {
		assert_int_equal((int)s->set.values[i].value % 10, 1);
		(void)snprintf(name, sizeof(name), "n%zu", i * 7 % CAP_RESULT_VALUES);
		assert_string_equal(s->set.values[i].name, name);
	}
	assert_int_equal(result_sink_value(s, &(struct result_value){ .name = "one more" }, &e), 0);
	assert_true(s->set.truncated);
	assert_int_equal(s->set.n_values, CAP_RESULT_VALUES);
	assert_true(result_sink_has(s, "n0"));
	assert_false(result_sink_has(s, "one more"));
}

static void
points_beyond_the_cap_mark_the_set_and_fit_the_promised_arena(void **state)
{
	AUTO(arena) mem = arena_new(CAP_REQUEST_ARENA_BYTES);
	struct result_sink *s = result_sink_new(mem);
	struct err e = { 0 };
	int series;

	(void)state;
	assert_non_null(s);
	series = result_sink_series(s, "x", &e);
	assert_int_equal(series, 0);
	for (int i = 0; i < CAP_METRIC_POINTS; i++)
		assert_int_equal(result_sink_point(s, 0, i, -i, &e), 0);
	assert_false(s->set.truncated);
	assert_int_equal(result_sink_point(s, 0, 0, 0, &e), 0);
	assert_true(s->set.truncated);
	assert_int_equal(s->set.n_points, CAP_METRIC_POINTS);
	assert_true(s->set.points[777].step == 777 && s->set.points[777].value == -777);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_of_c_and_fortran_are_read),
		cmocka_unit_test(numbers_that_are_none_keep_their_kind),
		cmocka_unit_test(words_that_are_no_numbers_are_refused),
		cmocka_unit_test(a_number_ends_where_its_length_says),
		cmocka_unit_test(words_are_split_at_blanks_and_counted_to_a_cap),
		cmocka_unit_test(lines_are_the_same_whatever_the_pieces),
		cmocka_unit_test(an_endless_line_is_cut_and_the_next_one_is_whole),
		cmocka_unit_test(names_are_printable_whatever_the_text_was),
		cmocka_unit_test(names_are_cut_between_characters),
		cmocka_unit_test(
		    values_beyond_the_cap_mark_the_set_and_repeated_names_keep_the_last),
		cmocka_unit_test(points_beyond_the_cap_mark_the_set_and_fit_the_promised_arena),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
