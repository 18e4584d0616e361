/* SPDX-License-Identifier: Apache-2.0 */
/* Paths of inputs, as pure functions. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "job_internal.h"

#include <stdio.h>
#include <string.h>

static void
plain_relative_paths_are_valid(void **state)
{
	static const char *const good[] = { "a", "a/b", "deck.cir", "0/U", "system/controlDict",
		".hidden", "...", "a..b/c", "with blank", "-n", "\xc3\xa9t\xc3\xa9", "a/.b/c.", "~",
		"a:b", "$HOME" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		const char *why = NULL;

		if (!job_path_valid(good[i], &why))
			fail_msg("'%s' %s", good[i], why);
	}
}

static void
paths_that_leave_or_confuse_are_refused(void **state)
{
	static const char *const bad[] = { "", "/", "/etc/passwd", "a/", "a//b", ".", "..", "../a",
		"a/..", "a/../b", "./a", "a/.", "a/./b", "a\\b", "a\nb", "a\tb", "\x1b[31m",
		"a\x7f", "\xc2\x85", "\xff", "\xc0\xaf", "\xe2\x82", "\xed\xa0\x80",
		"a/\xf8\x88\x80\x80\x80" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const char *why = NULL;

		if (job_path_valid(bad[i], &why))
			fail_msg("'%s' was taken", bad[i]);
		assert_non_null(why);
	}
}

static void
lengths_of_paths_and_parts_are_bounded(void **state)
{
	char path[CAP_PATH_BYTES + 2];
	const char *why;

	(void)state;
	memset(path, 'a', sizeof(path));
	path[255] = '\0';
	assert_true(job_path_valid(path, &why));
	path[255] = 'a';
	path[256] = '\0';
	assert_false(job_path_valid(path, &why));
	path[256] = 'a';
	path[200] = path[400] = '/';
	path[CAP_PATH_BYTES] = '\0';
	assert_true(job_path_valid(path, &why));
	path[CAP_PATH_BYTES] = 'a';
	path[CAP_PATH_BYTES + 1] = '\0';
	assert_false(job_path_valid(path, &why));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_relative_paths_are_valid),
		cmocka_unit_test(paths_that_leave_or_confuse_are_refused),
		cmocka_unit_test(lengths_of_paths_and_parts_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
