/* SPDX-License-Identifier: Apache-2.0 */
/* Part of every test program: WARDIAN_TEST_ONLY names the one test to run, or several by a pattern
 * with stars. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

__attribute__((constructor)) static void
choose(void)
{
	cmocka_set_test_filter(getenv("WARDIAN_TEST_ONLY"));
}
