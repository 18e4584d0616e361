/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api_value_internal.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define PARENT "b7ad6b7169203331"

static void
a_well_formed_traceparent_yields_its_trace_id(void **state)
{
	static const char *const good[] = {
		"00-" TRACE "-" PARENT "-01",
		"00-" TRACE "-" PARENT "-00",
		"00-" TRACE "-0000000000000001-ff",
		"01-" TRACE "-" PARENT "-00",
		"cc-" TRACE "-" PARENT "-01-what-later-versions-add",
		"01-" TRACE "-" PARENT "-01-",
	};
	char id[VALUE_TRACE_ID_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		id[0] = '\0';
		assert_true(value_trace_id(good[i], id));
		assert_string_equal(id, TRACE);
	}
}

static void
anything_else_is_no_trace(void **state)
{
	static const char *const bad[] = {
		"",
		"00",
		"00-" TRACE "-" PARENT,
		"00-" TRACE "-" PARENT "-0",
		"00-" TRACE "-" PARENT "-0x",
		"00-" TRACE "-" PARENT "-01-more",
		"00-" TRACE "-" PARENT "-011",
		"01-" TRACE "-" PARENT "-01.more",
		"ff-" TRACE "-" PARENT "-01",
		"0-" TRACE "-" PARENT "-01 ",
		"00_" TRACE "-" PARENT "-01",
		"00-" TRACE "_" PARENT "-01",
		"00-" TRACE "-" PARENT "_01",
		"00-00000000000000000000000000000000-" PARENT "-01",
		"00-" TRACE "-0000000000000000-01",
		"00-0AF7651916CD43DD8448EB211C80319C-" PARENT "-01",
		"00-0af7651916cd43dd8448eb211c80319-" PARENT "-011",
		"00-0af7651916cd43dd8448eb211c80319\n-" PARENT "-01",
	};
	char id[VALUE_TRACE_ID_SIZE] = "untouched";

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(value_trace_id(bad[i], id));
	assert_string_equal(id, "untouched");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_well_formed_traceparent_yields_its_trace_id),
		cmocka_unit_test(anything_else_is_no_trace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
