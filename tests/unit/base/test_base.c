/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "aborts.h"
#include "base.h"

static void
require(void *arg)
{
	REQUIRE(*(int *)arg == 1);
}

static void
a_broken_invariant_aborts_and_a_kept_one_does_not(void **state)
{
	int one = 1, two = 2;

	(void)state;
	assert_false(aborts(require, &one));
	assert_true(aborts(require, &two));
}

static void
auto_free_releases_at_the_end_of_the_scope(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		AUTO_FREE char *text = malloc(10); /* LeakSanitizer is the judge */

		assert_non_null(text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_broken_invariant_aborts_and_a_kept_one_does_not),
		cmocka_unit_test(auto_free_releases_at_the_end_of_the_scope),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
