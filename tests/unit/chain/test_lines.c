/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of files: whole ones only, none longer than said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "fd.h"
#include "lines.h"

#include <sys/mman.h>
#include <unistd.h>

static int
file_of(const char *text, size_t n)
{
	int fd = memfd_create("lines", MFD_CLOEXEC);
	struct err e = { 0 };

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, n, &e), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void
whole_lines_come_one_by_one(void **state)
{
	AUTO_FD int fd = file_of("one\n\nthree\nrest", 15);
	static const char *const expected[] = { "one", "", "three" };
	AUTO_LINES l;
	const char *line;
	struct err e = { 0 };
	size_t n;

	(void)state;
	assert_int_equal(lines_init(&l, fd, 6, &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
		assert_int_equal(lines_next(&l, &line, &n, &e), 1);
		assert_int_equal(n, strlen(expected[i]));
		assert_memory_equal(line, expected[i], n);
	}
	assert_int_equal(lines_next(&l, &line, &n, &e), 0);
	assert_int_equal(l.rest, 4);
	assert_int_equal(lines_next(&l, &line, &n, &e), 0);
}

static void
an_empty_file_has_no_lines(void **state)
{
	AUTO_FD int fd = file_of("", 0);
	AUTO_LINES l;
	const char *line;
	struct err e = { 0 };
	size_t n;

	(void)state;
	assert_int_equal(lines_init(&l, fd, 10, &e), 0);
	assert_int_equal(lines_next(&l, &line, &n, &e), 0);
	assert_int_equal(l.rest, 0);
}

static void
longer_lines_are_refused_finished_or_not(void **state)
{
	static const char *const texts[] = { "ab\nabcdef\n", "ab\nabcdef" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		AUTO_FD int fd = file_of(texts[i], strlen(texts[i]));
		AUTO_LINES l;
		const char *line;
		struct err e = { 0 };
		size_t n;

		assert_int_equal(lines_init(&l, fd, 5, &e), 0);
		assert_int_equal(lines_next(&l, &line, &n, &e), 1);
		assert_int_equal(lines_next(&l, &line, &n, &e), -1);
		assert_int_equal(e.code, ERR_TOO_LARGE);
	}
}

static void
lines_across_reads_are_whole(void **state)
{
	enum { LINES = 40000, LINE = 17 };
	AUTO_FREE char *text = malloc(LINES * LINE);
	AUTO_LINES l;
	const char *line;
	struct err e = { 0 };
	size_t n, count = 0;
	int fd;

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < LINES * LINE; i++)
		text[i] = i % LINE == LINE - 1 ? '\n' : (char)('a' + i / LINE % 26);
	fd = file_of(text, LINES * LINE);
	assert_int_equal(lines_init(&l, fd, LINE, &e), 0);
	for (; lines_next(&l, &line, &n, &e) == 1; count++) {
		assert_int_equal(n, LINE - 1);
		assert_int_equal(line[0], 'a' + (int)(count % 26));
		assert_int_equal(line[n - 1], line[0]);
	}
	assert_int_equal(count, LINES);
	fd_close(&fd);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(whole_lines_come_one_by_one),
	cmocka_unit_test(an_empty_file_has_no_lines),
	cmocka_unit_test(longer_lines_are_refused_finished_or_not),
	cmocka_unit_test(lines_across_reads_are_whole),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
