/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <limits.h>
#include <time.h>

#include "clock.h"

static void
monotonic_time_never_goes_back(void **state)
{
	int64_t before = clock_mono_ns();

	(void)state;
	for (int i = 0; i < 1000; i++) {
		int64_t now = clock_mono_ns();

		assert_true(now >= before);
		before = now;
	}
	assert_in_range(clock_mono_ms() - before / 1000000, 0, 1000);
	/* Later than this was written, earlier than a mistake in units would give. */
	assert_true(clock_wall_us() > INT64_C(1700000000000000));
	assert_true(clock_wall_us() < INT64_C(17000000000000000));
}

static void
deadlines_count_down_and_pass(void **state)
{
	struct deadline never = { 0 }, now = deadline_in_ms(0), later = deadline_in_ms(60000);

	(void)state;
	assert_false(deadline_passed(never));
	assert_int_equal(deadline_poll_ms(never), -1);
	assert_true(deadline_passed(now));
	assert_int_equal(deadline_poll_ms(now), 0);
	assert_false(deadline_passed(later));
	assert_in_range(deadline_poll_ms(later), 55000, 60000);
	assert_int_equal(deadline_poll_ms(deadline_in_ms(INT64_MAX)), INT_MAX);
	assert_false(deadline_passed(deadline_in_ms(INT64_MAX)));
	assert_true(deadline_passed(deadline_in_ms(-1)));
	assert_true(deadline_passed(deadline_in_ms(INT64_MIN)));
}

static void
a_deadline_is_rounded_up_so_that_poll_does_not_spin(void **state)
{
	struct deadline soon = { .mono_ns = clock_mono_ns() + INT64_C(60000500000) };
	int left = deadline_poll_ms(soon);

	(void)state;
	assert_in_range(left, 1, 60001);
	assert_true((int64_t)left * 1000000 + clock_mono_ns() >= soon.mono_ns);
}

static void
times_are_printed_as_rfc_3339_and_imf_fixdate(void **state)
{
	static const struct {
		int64_t us;
		const char *rfc3339, *http;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00.000000Z", "Thu, 01 Jan 1970 00:00:00 GMT" },
		{ -1, "1969-12-31T23:59:59.999999Z", "Wed, 31 Dec 1969 23:59:59 GMT" },
		{ INT64_C(784111777000000), "1994-11-06T08:49:37.000000Z",
		    "Sun, 06 Nov 1994 08:49:37 GMT" },
		{ INT64_C(951782400000000), "2000-02-29T00:00:00.000000Z",
		    "Tue, 29 Feb 2000 00:00:00 GMT" },
		{ INT64_C(1795414603123456), "2026-11-23T06:16:43.123456Z",
		    "Mon, 23 Nov 2026 06:16:43 GMT" },
		{ INT64_MAX, "9999-12-31T23:59:59.999999Z", "Fri, 31 Dec 9999 23:59:59 GMT" },
		{ INT64_MIN, "0000-01-01T00:00:00.000000Z", "Sat, 01 Jan 0000 00:00:00 GMT" },
	};
	char out[CLOCK_STR_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_string_equal(clock_format(cases[i].us, out), cases[i].rfc3339);
		assert_string_equal(clock_http_date(cases[i].us, out), cases[i].http);
	}
}

static void
printing_agrees_with_the_c_library_over_four_centuries(void **state)
{
	char ours[CLOCK_STR_SIZE], theirs[CLOCK_STR_SIZE];

	(void)state;
	/* A prime step visits every day of the week, month and hour. */
	for (int64_t s = -INT64_C(6300000000); s < INT64_C(12600000000); s += 999983) {
		time_t t = (time_t)s;
		struct tm tm;
		int64_t back = 0;
		struct err e = { 0 };

		assert_non_null(gmtime_r(&t, &tm));
		assert_true(strftime(theirs, sizeof(theirs), "%Y-%m-%dT%H:%M:%S.000000Z", &tm) > 0);
		assert_string_equal(clock_format(s * 1000000, ours), theirs);
		assert_true(strftime(theirs, sizeof(theirs), "%a, %d %b %Y %H:%M:%S GMT", &tm) > 0);
		assert_string_equal(clock_http_date(s * 1000000, ours), theirs);
		assert_int_equal(clock_parse(clock_format(s * 1000000, ours), &back, &e), 0);
		assert_true(back == s * 1000000);
	}
}

static void
rfc_3339_is_read_with_offset_and_fraction(void **state)
{
	static const struct {
		const char *text;
		int64_t us;
	} cases[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "1970-01-01t00:00:00z", 0 },
		{ "1970-01-01T01:00:00+01:00", 0 },
		{ "1969-12-31T18:30:00-05:30", 0 },
		{ "1970-01-01T00:00:00.5Z", 500000 },
		{ "1970-01-01T00:00:00.000001999Z", 1 },
		{ "2016-12-31T23:59:60Z", INT64_C(1483228800000000) },
		{ "2024-02-29T00:00:00Z", INT64_C(1709164800000000) },
		{ "9999-12-31T23:59:59.999999Z", INT64_C(253402300799999999) },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = { 0 };
		int64_t us = 1;

		assert_int_equal(clock_parse(cases[i].text, &us, &e), 0);
		assert_true(us == cases[i].us);
	}
}

static void
malformed_times_are_refused(void **state)
{
	static const char *const cases[] = { "", "2026", "2026-11-23", "2026-11-23T06:16:43",
		"2026-11-23 06:16:43Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z",
		"2026-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2026-04-31T00:00:00Z",
		"2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-01-01T00:00:61Z",
		"2026-01-01T00:00:00.Z", "2026-01-01T00:00:00.1234567890Z",
		"2026-01-01T00:00:00+1:00", "2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00Z ",
		" 2026-01-01T00:00:00Z", "2026-01-01T00:00:00ZZ", "+026-01-01T00:00:00Z",
		"2026-1-01T00:00:00Z" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = { 0 };
		int64_t us = 1;

		assert_int_equal(clock_parse(cases[i], &us, &e), -1);
		assert_int_equal(e.code, ERR_INVALID);
		assert_int_equal(us, 1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(monotonic_time_never_goes_back),
		cmocka_unit_test(deadlines_count_down_and_pass),
		cmocka_unit_test(a_deadline_is_rounded_up_so_that_poll_does_not_spin),
		cmocka_unit_test(times_are_printed_as_rfc_3339_and_imf_fixdate),
		cmocka_unit_test(printing_agrees_with_the_c_library_over_four_centuries),
		cmocka_unit_test(rfc_3339_is_read_with_offset_and_fraction),
		cmocka_unit_test(malformed_times_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
