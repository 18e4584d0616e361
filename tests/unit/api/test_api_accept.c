/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api_value_internal.h"

static void
no_accept_welcomes_everything(void **state)
{
	(void)state;
	assert_int_equal(value_accept(NULL, "application/json"), 1000);
}

static void
the_most_specific_range_decides(void **state)
{
	(void)state;
	assert_int_equal(
	    value_accept("*/*;q=0.1, application/*;q=0.5, application/json", "application/json"),
	    1000);
	assert_int_equal(value_accept("application/json;q=0.2, */*", "application/json"), 200);
	assert_int_equal(value_accept("text/*;q=0.5, */*;q=0.1", "text/plain"), 500);
	assert_int_equal(value_accept("text/*;q=0.5, */*;q=0.1", "application/json"), 100);
}

static void
q_zero_and_missing_ranges_refuse(void **state)
{
	(void)state;
	assert_int_equal(value_accept("application/json;q=0", "application/json"), 0);
	assert_int_equal(value_accept("*/*, application/json;q=0", "application/json"), 0);
	assert_int_equal(value_accept("text/html", "application/json"), 0);
	assert_int_equal(value_accept("", "application/json"), 0);
	assert_int_equal(value_accept("application/jsonp", "application/json"), 0);
	assert_int_equal(value_accept("app/*", "application/json"), 0);
	assert_int_equal(value_accept("*", "application/json"), 0);
}

static void
blanks_case_and_parameters_are_tolerated(void **state)
{
	(void)state;
	assert_int_equal(value_accept("  APPLICATION/Json ; charset=\"a,b;c\\\"\" ; Q=0.25 ,x/y",
			     "application/json"),
	    250);
	assert_int_equal(value_accept(",,application/json,,", "application/json"), 1000);
}

static void
a_malformed_quality_drops_its_range_only(void **state)
{
	static const char *const bad[] = { "application/json;q=2", "application/json;q=1.5",
		"application/json;q=.5", "application/json;q=0.1234", "application/json;q=x",
		"application/json;q=-1" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(value_accept(bad[i], "application/json"), 0);
	assert_int_equal(value_accept("application/json;q=9, */*;q=0.5", "application/json"), 500);
}

static void
content_type_is_compared_without_its_parameters(void **state)
{
	(void)state;
	assert_true(value_media_is("application/json", "application/json"));
	assert_true(value_media_is(" Application/JSON ; charset=UTF-8", "application/json"));
	assert_true(value_media_is("application/json;charset=\"utf-8\"", "application/json"));
	assert_true(value_media_is("application/json; profile=x", "application/json"));
	assert_false(value_media_is("application/json; charset=latin1", "application/json"));
	assert_false(value_media_is("application/json5", "application/json"));
	assert_false(value_media_is("text/json", "application/json"));
	assert_false(value_media_is("", "application/json"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_accept_welcomes_everything),
		cmocka_unit_test(the_most_specific_range_decides),
		cmocka_unit_test(q_zero_and_missing_ranges_refuse),
		cmocka_unit_test(blanks_case_and_parameters_are_tolerated),
		cmocka_unit_test(a_malformed_quality_drops_its_range_only),
		cmocka_unit_test(content_type_is_compared_without_its_parameters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
