/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "arena.h"

#include <errno.h>
#include <string.h>

static void
memory_is_zeroed_aligned_and_apart(void **state)
{
	AUTO(arena) a = arena_new(1 << 20);
	char *before = NULL;

	(void)state;
	assert_non_null(a);
	for (size_t n = 0; n < 300; n++) {
		char *p = arena_alloc(a, n);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xff, n);
		if (before != NULL && n > 1)
			assert_int_equal((unsigned char)before[n - 2], 0xff);
		before = p;
	}
}

static void
the_cap_holds_over_small_and_large_pieces(void **state)
{
	AUTO(arena) a = arena_new(100000);
	size_t got = 0;

	(void)state;
	assert_null(arena_alloc(a, 100001));
	assert_null(arena_alloc(a, SIZE_MAX));
	while (arena_alloc(a, 64) != NULL)
		got += 64;
	assert_in_range(got, 90000, 100000);
	assert_in_range(arena_used(a), got, 100000);
}

static void
an_arena_smaller_than_a_block_keeps_its_cap(void **state)
{
	AUTO(arena) a = arena_new(100);

	(void)state;
	assert_non_null(arena_alloc(a, 96));
	assert_null(arena_alloc(a, 16));
}

static void
reset_forgets_all_and_zeroes_again(void **state)
{
	AUTO(arena) a = arena_new(1 << 20);
	char *p = arena_alloc(a, 100);

	(void)state;
	memset(p, 7, 100);
	assert_non_null(arena_alloc(a, 500000));
	arena_reset(a);
	assert_int_equal(arena_used(a), 0);
	assert_ptr_equal(arena_alloc(a, 100), p);
	assert_int_equal(p[0], 0);
	for (int i = 0; i < 10; i++) {
		arena_reset(a);
		assert_non_null(arena_alloc(a, 900000));
	}
}

static void
arrays_refuse_sizes_that_overflow(void **state)
{
	AUTO(arena) a = arena_new(1 << 20);

	(void)state;
	assert_null(arena_array(a, SIZE_MAX / 2, 4));
	assert_non_null(arena_array(a, 10, 4));
}

static void
strings_are_copied_and_formatted(void **state)
{
	AUTO(arena) a = arena_new(1 << 20);

	(void)state;
	assert_string_equal(arena_strdup(a, "abc"), "abc");
	assert_string_equal(arena_strndup(a, "abcdef", 3), "abc");
	assert_string_equal(arena_strndup(a, "ab", 10), "ab");
	assert_string_equal(arena_printf(a, "%d-%s", 5, "x"), "5-x");
	assert_string_equal(arena_strdup(a, ""), "");
}

static void
freeing_nothing_is_allowed(void **state)
{
	(void)state;
	arena_free(NULL);
}

/* The linker puts it in the place of malloc. */
static bool memory_is_short;
void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);

void *
__wrap_malloc(size_t n)
{
	if (!memory_is_short)
		return __real_malloc(n);
	errno = ENOMEM;
	return NULL;
}

static void
expect_error(enum err_code code)
{
	struct err e = { 0 };

	assert_int_equal(arena_err(&e), -1);
	assert_int_equal(e.code, code);
}

static void
want_of_memory_is_told_from_the_cap(void **state)
{
	AUTO(arena) a = arena_new(100000);

	(void)state;
	memory_is_short = true;
	assert_null(arena_new(10));
	assert_null(arena_alloc(a, 90000));
	expect_error(ERR_NO_MEMORY);
	assert_null(arena_alloc(a, 100001));
	expect_error(ERR_TOO_LARGE);
	assert_null(arena_printf(a, "%90000d", 1));
	expect_error(ERR_NO_MEMORY);
	assert_null(arena_array(a, SIZE_MAX, 2));
	expect_error(ERR_TOO_LARGE);
	memory_is_short = false;
	assert_non_null(arena_alloc(a, 90000));
	memory_is_short = true;
	assert_null(arena_alloc(a, 50000)); /* there is less left than that */
	expect_error(ERR_TOO_LARGE);
	memory_is_short = false;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_zeroed_aligned_and_apart),
		cmocka_unit_test(the_cap_holds_over_small_and_large_pieces),
		cmocka_unit_test(an_arena_smaller_than_a_block_keeps_its_cap),
		cmocka_unit_test(reset_forgets_all_and_zeroes_again),
		cmocka_unit_test(arrays_refuse_sizes_that_overflow),
		cmocka_unit_test(strings_are_copied_and_formatted),
		cmocka_unit_test(freeing_nothing_is_allowed),
		cmocka_unit_test(want_of_memory_is_told_from_the_cap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
