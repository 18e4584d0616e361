/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "aborts.h"
#include "buf.h"

static void
appends_grow_and_end_with_a_nul(void **state)
{
	AUTO_BUF b;
	struct err e = { 0 };

	(void)state;
	buf_init(&b, 10000);
	assert_null(b.p);
	buf_str(&b, "");
	assert_string_equal(b.p, "");
	for (int i = 0; i < 1000; i++)
		buf_printf(&b, "%d,", i % 10);
	buf_char(&b, '!');
	buf_append(&b, "a\0b", 3);
	assert_int_equal(b.n, 2004);
	assert_memory_equal(b.p + 2000, "!a\0b\0", 5);
	assert_int_equal(buf_check(&b, &e), 0);
}

static void
the_maximum_can_be_filled_exactly_but_not_exceeded(void **state)
{
	AUTO_BUF b;
	struct err e = { 0 };

	(void)state;
	buf_init(&b, 4);
	buf_str(&b, "abcd");
	assert_int_equal(buf_check(&b, &e), 0);
	buf_char(&b, 'e');
	assert_true(b.failed);
	assert_string_equal(b.p, "abcd");
	assert_int_equal(buf_check(&b, &e), -1);
	assert_int_equal(e.code, ERR_TOO_LARGE);
}

static void
after_a_failure_nothing_shorter_slips_in(void **state)
{
	AUTO_BUF b;

	(void)state;
	buf_init(&b, 4);
	buf_str(&b, "ab");
	buf_str(&b, "cde");
	buf_str(&b, "f");
	buf_printf(&b, "%d", 1);
	assert_string_equal(b.p, "ab");
	buf_clear(&b);
	assert_false(b.failed);
	buf_str(&b, "wxyz");
	assert_string_equal(b.p, "wxyz");
}

static void
room_is_written_to_directly(void **state)
{
	AUTO_BUF b;
	char *at;

	(void)state;
	buf_init(&b, 1000);
	at = buf_room(&b, 500);
	assert_non_null(at);
	memset(at, 'x', 500);
	buf_grown(&b, 499);
	assert_int_equal(b.n, 499);
	assert_int_equal(strlen(b.p), 499);
	assert_null(buf_room(&b, 502));
	assert_false(b.failed);
	assert_non_null(buf_room(&b, 501));
	assert_null(buf_room(&b, SIZE_MAX));
}

static void
dropping_moves_the_rest_to_the_front(void **state)
{
	AUTO_BUF b;

	(void)state;
	buf_init(&b, 100);
	buf_drop(&b, 0);
	buf_str(&b, "hello world");
	buf_drop(&b, 6);
	assert_string_equal(b.p, "world");
	buf_drop(&b, 5);
	assert_int_equal(b.n, 0);
	assert_string_equal(b.p, "");
}

static void
taking_moves_the_memory_to_the_caller(void **state)
{
	struct buf b;
	size_t n = 9;
	char *p;

	(void)state;
	buf_init(&b, 100);
	assert_null(buf_take(&b, &n));
	assert_int_equal(n, 0);
	buf_str(&b, "mine");
	p = buf_take(&b, &n);
	assert_string_equal(p, "mine");
	assert_int_equal(n, 4);
	assert_null(b.p);
	free(p);
	buf_str(&b, "again");
	assert_string_equal(b.p, "again");
	buf_done(&b);
	buf_done(&b);
}

/* The linker puts it in the place of realloc. */
static bool memory_is_short;
void *__real_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n);

void *
__wrap_realloc(void *p, size_t n)
{
	return memory_is_short ? NULL : __real_realloc(p, n);
}

static void
want_of_memory_is_told_from_a_limit(void **state)
{
	AUTO_BUF b;
	struct err e = { 0 };

	(void)state;
	buf_init(&b, 1000);
	buf_str(&b, "kept");
	memory_is_short = true;
	assert_null(buf_room(&b, 500));
	assert_true(b.no_memory && !b.failed);
	assert_null(buf_room(&b, 1000));
	assert_false(b.no_memory);
	buf_printf(&b, "%500d", 1);
	memory_is_short = false;
	buf_str(&b, "dropped, although there would be memory now");
	assert_true(b.failed && b.no_memory);
	assert_string_equal(b.p, "kept");
	assert_int_equal(buf_check(&b, &e), -1);
	assert_int_equal(e.code, ERR_NO_MEMORY);
	assert_int_equal(err_http_status(e.code), 503);
	buf_clear(&b);
	assert_int_equal(buf_check(&b, &e), 0);
	buf_printf(&b, "%1001d", 1);
	assert_int_equal(buf_check(&b, &e), -1);
	assert_int_equal(e.code, ERR_TOO_LARGE);
}

static void
drop_too_much(void *arg)
{
	buf_drop(arg, 3);
}

static void
claim_too_much(void *arg)
{
	buf_grown(arg, 4096);
}

static void
claiming_or_dropping_more_than_there_is_aborts(void **state)
{
	AUTO_BUF b;

	(void)state;
	buf_init(&b, 100);
	buf_str(&b, "ab");
	assert_true(aborts(drop_too_much, &b));
	assert_true(aborts(claim_too_much, &b));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(appends_grow_and_end_with_a_nul),
		cmocka_unit_test(the_maximum_can_be_filled_exactly_but_not_exceeded),
		cmocka_unit_test(after_a_failure_nothing_shorter_slips_in),
		cmocka_unit_test(room_is_written_to_directly),
		cmocka_unit_test(dropping_moves_the_rest_to_the_front),
		cmocka_unit_test(taking_moves_the_memory_to_the_caller),
		cmocka_unit_test(want_of_memory_is_told_from_a_limit),
		cmocka_unit_test(claiming_or_dropping_more_than_there_is_aborts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
