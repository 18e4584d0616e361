/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "http_internal.h"

static void
bytes_come_out_as_they_went_in_around_the_end(void **state)
{
	unsigned char in = 0, out = 0, block[777];
	struct ring r;
	unsigned seed = 1;

	(void)state;
	ring_init(&r, 10000);
	for (int step = 0; step < 20000; step++) {
		size_t n;

		seed = seed * 1103515245 + 12345;
		n = (seed >> 16) % sizeof(block);
		if ((seed & 0x10000000) != 0) {
			for (size_t i = 0; i < n; i++)
				block[i] = (unsigned char)(in + i);
			if (ring_put(&r, block, n))
				in = (unsigned char)(in + n);
			else
				assert_true(r.n + n > 10000);
		} else {
			const size_t before = r.n, got = ring_get(&r, block, n);

			assert_int_equal(got, n < before ? n : before);
			for (size_t i = 0; i < got; i++)
				assert_int_equal(block[i], out++);
		}
	}
	ring_done(&r);
}

static void
a_write_that_does_not_fit_changes_nothing(void **state)
{
	char out[8];
	struct ring r;

	(void)state;
	ring_init(&r, 4);
	assert_true(ring_put(&r, "abc", 3));
	assert_false(ring_put(&r, "de", 2));
	assert_false(ring_put(&r, "x", SIZE_MAX));
	assert_true(ring_put(&r, "d", 1));
	assert_true(ring_put(&r, "", 0));
	assert_int_equal(ring_get(&r, out, sizeof(out)), 4);
	assert_memory_equal(out, "abcd", 4);
	assert_int_equal(ring_get(&r, out, sizeof(out)), 0);
	ring_done(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_come_out_as_they_went_in_around_the_end),
		cmocka_unit_test(a_write_that_does_not_fit_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
