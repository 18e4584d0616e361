/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "err.h"
#include "parse.h"

static void
setting_returns_minus_one_and_remembers_code_and_place(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_int_equal(err_set(&e, ERR_NOT_FOUND, "no job %d", 7), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_string_equal(e.msg, "no job 7");
	assert_int_equal(e.sys, 0);
	assert_non_null(strstr(e.file, "test_err.c"));
	assert_true(e.line > 0);
}

static void
a_system_error_carries_errno_and_its_text(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_int_equal(err_sys(&e, ENOENT, "cannot open '%s'", "x"), -1);
	assert_int_equal(e.code, ERR_SYSTEM);
	assert_int_equal(e.sys, ENOENT);
	assert_string_equal(e.msg, "cannot open 'x': No such file or directory");
	(void)err_sys(&e, 9999, "odd");
	assert_string_equal(e.msg, "odd: error number 9999");
}

static void
a_message_may_be_built_from_the_message_before(void **state)
{
	struct err e = { 0 };

	(void)state;
	(void)err_set(&e, ERR_INVALID, "first");
	(void)err_set(&e, ERR_CONF, "second: %s", e.msg);
	assert_string_equal(e.msg, "second: first");
	assert_int_equal(err_wrap(&e, "third of %d", 3), -1);
	assert_string_equal(e.msg, "third of 3: second: first");
	assert_int_equal(e.code, ERR_CONF);
	(void)err_wrap(&e, "%s", e.msg);
	assert_string_equal(e.msg, "third of 3: second: first: third of 3: second: first");
}

static void
a_long_message_is_cut_at_a_whole_character(void **state)
{
	char text[600];
	struct err e = { 0 };

	(void)state;
	for (size_t shift = 0; shift < 4; shift++) {
		memset(text, 'a', sizeof(text));
		for (size_t i = shift; i + 3 < sizeof(text); i += 3)
			memcpy(text + i, "\xe2\x82\xac", 3);
		text[sizeof(text) - 1] = '\0';
		(void)err_set(&e, ERR_INVALID, "%s", text);
		assert_in_range(strlen(e.msg), ERR_MSG_SIZE - 4, ERR_MSG_SIZE - 1);
		assert_true(parse_utf8_valid(e.msg, strlen(e.msg)));
	}
	for (size_t shift = 0; shift < 5; shift++) {
		memset(text, 'a', sizeof(text));
		for (size_t i = shift; i + 4 < sizeof(text); i += 4)
			memcpy(text + i, "\xf0\x9f\x98\x80", 4);
		text[sizeof(text) - 1] = '\0';
		(void)err_set(&e, ERR_INVALID, "%s", text);
		assert_true(parse_utf8_valid(e.msg, strlen(e.msg)));
	}
}

static void
faults_of_fields_are_kept_up_to_a_limit_and_summed_up(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_int_equal(err_fields_done(&e, ERR_INVALID), 0);
	assert_int_equal(e.code, ERR_NONE);
	err_field_add(&e, "/cpus", "must be at least %d", 1);
	assert_int_equal(err_fields_done(&e, ERR_INVALID), -1);
	assert_int_equal(e.code, ERR_INVALID);
	assert_string_equal(e.msg, "/cpus: must be at least 1");
	for (int i = 0; i < ERR_FIELDS_MAX + 2; i++)
		err_field_add(&e, "/x", "bad");
	assert_int_equal(err_fields_done(&e, ERR_INVALID), -1);
	assert_int_equal(e.n_fields, ERR_FIELDS_MAX);
	assert_int_equal(e.n_fields_lost, 3);
	assert_string_equal(e.msg, "/cpus: must be at least 1 (and 10 more)");
	assert_string_equal(e.fields[1].name, "/x");
	(void)err_set(&e, ERR_DB, "else");
	assert_int_equal(e.n_fields, 0);
}

static void
the_summary_of_overlong_faults_keeps_its_count(void **state)
{
	char name[200], msg[300];
	struct err e = { 0 };

	(void)state;
	memset(name, 'n', sizeof(name));
	memset(msg, 'm', sizeof(msg));
	name[sizeof(name) - 1] = msg[sizeof(msg) - 1] = '\0';
	err_field_add(&e, name, "%s", msg);
	err_field_add(&e, name, "%s", msg);
	assert_int_equal(strlen(e.fields[0].name), ERR_FIELD_SIZE - 1);
	assert_int_equal(strlen(e.fields[0].msg), ERR_FIELD_MSG_SIZE - 1);
	assert_int_equal(err_fields_done(&e, ERR_INVALID), -1);
	assert_non_null(strstr(e.msg, " (and 1 more)"));
}

static void
every_code_has_a_unique_slug_and_a_plausible_status(void **state)
{
	(void)state;
	for (int i = ERR_NONE + 1; i < ERR_CODE_COUNT; i++) {
		enum err_code code = (enum err_code)i;

		assert_int_equal(err_code_of_slug(err_slug(code)), code);
		assert_in_range(err_http_status(code), 400, 599);
		assert_in_range(err_exit_status(code), 1, 7);
		assert_true(strlen(err_title(code)) > 5);
		if (err_retryable(code))
			assert_true(err_http_status(code) == 429 || err_http_status(code) >= 500);
	}
	assert_int_equal(err_code_of_slug("no-such-slug"), ERR_NONE);
	assert_int_equal(err_code_of_slug("none"), ERR_NONE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(setting_returns_minus_one_and_remembers_code_and_place),
		cmocka_unit_test(a_system_error_carries_errno_and_its_text),
		cmocka_unit_test(a_message_may_be_built_from_the_message_before),
		cmocka_unit_test(a_long_message_is_cut_at_a_whole_character),
		cmocka_unit_test(faults_of_fields_are_kept_up_to_a_limit_and_summed_up),
		cmocka_unit_test(the_summary_of_overlong_faults_keeps_its_count),
		cmocka_unit_test(every_code_has_a_unique_slug_and_a_plausible_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
