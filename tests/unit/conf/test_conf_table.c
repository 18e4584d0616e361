/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include "conf_internal.h"
#include "parse.h"

static void
every_default_lies_in_its_range(void **state)
{
	(void)state;
	for (size_t i = 0; i < CONF_SETTINGS; i++) {
		const struct conf_row *row = &conf_rows[i];

		if (row->type == CONF_TYPE_TEXT) {
			assert_true((int64_t)strlen(row->default_text) <= row->max);
			assert_null(strpbrk(row->default_text, "\"\\"));
		} else {
			assert_true(row->min <= row->default_value);
			assert_true(row->default_value <= row->max);
		}
	}
}

static void
every_setting_has_a_sentence_and_a_short_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < CONF_SETTINGS; i++) {
		const struct conf_row *row = &conf_rows[i];
		size_t n = strlen(row->sentence);

		assert_true(n > 10);
		assert_int_equal(row->sentence[n - 1], '.');
		assert_true(strlen(row->section) + strlen(row->key) < CONF_NAME_SIZE - 16);
		/* parse_distance looks at 64 bytes: longer names would get no suggestion. */
		assert_true(strlen("WARDIAN_") + strlen(row->section) + 1 + strlen(row->key) <= 64);
	}
}

static void
no_two_settings_share_a_name_a_variable_or_a_field(void **state)
{
	char a[CONF_NAME_SIZE], b[CONF_NAME_SIZE];

	(void)state;
	for (size_t i = 0; i < CONF_SETTINGS; i++) {
		for (size_t j = 0; j < i; j++) {
			assert_string_not_equal(
			    conf_row_name(&conf_rows[i], a), conf_row_name(&conf_rows[j], b));
			assert_string_not_equal(conf_row_variable(&conf_rows[i], a),
			    conf_row_variable(&conf_rows[j], b));
			assert_int_not_equal(conf_rows[i].offset, conf_rows[j].offset);
		}
	}
}

static void
rows_stand_in_the_order_of_the_enumeration_and_sections_together(void **state)
{
	(void)state;
	assert_string_equal(conf_rows[CONF_AT_http_port].key, "port");
	assert_string_equal(conf_rows[CONF_AT_log_format].key, "format");
	for (size_t i = 2; i < CONF_SETTINGS; i++) {
		if (strcmp(conf_rows[i].section, conf_rows[i - 1].section) == 0)
			continue;
		for (size_t j = 0; j + 1 < i; j++)
			assert_string_not_equal(conf_rows[j].section, conf_rows[i].section);
	}
}

static void
variables_are_upper_case(void **state)
{
	char out[CONF_NAME_SIZE];

	(void)state;
	assert_string_equal(
	    conf_row_variable(&conf_rows[CONF_AT_database_url], out), "WARDIAN_DATABASE_URL");
	assert_string_equal(conf_row_variable(&conf_rows[CONF_AT_quota_jobs_per_day], out),
	    "WARDIAN_QUOTA_JOBS_PER_DAY");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_default_lies_in_its_range),
		cmocka_unit_test(every_setting_has_a_sentence_and_a_short_name),
		cmocka_unit_test(no_two_settings_share_a_name_a_variable_or_a_field),
		cmocka_unit_test(rows_stand_in_the_order_of_the_enumeration_and_sections_together),
		cmocka_unit_test(variables_are_upper_case),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
