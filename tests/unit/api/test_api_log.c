/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api_log_internal.h"

#include "fd.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct entry {
	int64_t wall_us, offset;
	uint32_t n, stream;
};

struct run {
	char dir[64];
	int dirfd;
};

static int
make_run(void **state)
{
	static struct run r;

	(void)snprintf(r.dir, sizeof(r.dir), "/tmp/api-log-XXXXXX");
	assert_non_null(mkdtemp(r.dir));
	r.dirfd = open(r.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(r.dirfd >= 0);
	assert_int_equal(mkdirat(r.dirfd, "out", 0750), 0);
	*state = &r;
	return 0;
}

static int
remove_run(void **state)
{
	struct run *r = *state;

	(void)unlinkat(r->dirfd, "out/log", 0);
	(void)unlinkat(r->dirfd, "out/log.index", 0);
	assert_int_equal(unlinkat(r->dirfd, "out", AT_REMOVEDIR), 0);
	assert_int_equal(close(r->dirfd), 0);
	return rmdir(r->dir);
}

static void
put(const struct run *r, const char *name, const void *p, size_t n)
{
	AUTO_FD int fd = openat(r->dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	struct err e = { 0 };

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, p, n, &e), 0);
}

/* The text between the marks o ( stdout ) and e: "o:hello e:oops" as log and index. */
static void
put_pieces(const struct run *r, const char *const *pieces, size_t n)
{
	struct entry index[16];
	char log[4096];
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(pieces[i] + 1);

		memcpy(log + at, pieces[i] + 1, len);
		index[i] = (struct entry){ .wall_us = (int64_t)i,
			.offset = (int64_t)at,
			.n = (uint32_t)len,
			.stream = pieces[i][0] == 'o' ? LOG_STDOUT : LOG_STDERR };
		at += len;
	}
	put(r, "out/log", log, at);
	put(r, "out/log.index", index, n * sizeof(index[0]));
}

static void
assert_read(const struct run *r, int which, int64_t offset, size_t max, const char *want,
    int64_t next, bool last)
{
	AUTO_LOG l;
	struct api_log_piece p;
	struct err e = { 0 };
	char out[256];

	assert_int_equal(api_log_open(r->dirfd, which, &l, &e), 0);
	assert_int_equal(api_log_read(&l, offset, out, max, &p, &e), 0);
	assert_int_equal(p.n, strlen(want));
	assert_memory_equal(out, want, p.n);
	assert_int_equal(p.next, next);
	assert_int_equal(p.last, last);
}

static const char *const six[] = { "oone\n", "eERR1\n", "otwo\n", "eERR2\n", "eERR3\n",
	"othree\n" };
/*                                  0..4     4..9       9..13    13..18     18..23     23..29 */

static void
both_streams_are_the_bytes_of_the_file(void **state)
{
	struct run *r = *state;

	put_pieces(r, six, ARRAY_LEN(six));
	assert_read(r, LOG_BOTH, 0, 200, "one\nERR1\ntwo\nERR2\nERR3\nthree\n", 29, true);
	assert_read(r, LOG_BOTH, 4, 5, "ERR1\n", 9, false);
	assert_read(r, LOG_BOTH, 29, 200, "", 29, true);
	assert_read(r, LOG_BOTH, 1000, 200, "", 1000, true);
}

static void
one_stream_is_picked_by_the_index(void **state)
{
	struct run *r = *state;

	put_pieces(r, six, ARRAY_LEN(six));
	assert_read(r, LOG_STDOUT, 0, 200, "one\ntwo\nthree\n", 29, true);
	assert_read(r, LOG_STDERR, 0, 200, "ERR1\nERR2\nERR3\n", 29, true);
	assert_read(r, LOG_STDERR, 15, 200, "R2\nERR3\n", 29, true);
	assert_read(r, LOG_STDERR, 0, 7, "ERR1\nER", 15, false);
	assert_read(r, LOG_STDERR, 15, 3, "R2\n", 18, false);
	assert_read(r, LOG_STDOUT, 29, 200, "", 29, true);
}

static void
bytes_that_the_index_does_not_know_yet_are_left_for_later(void **state)
{
	struct run *r = *state;
	const struct entry grown = { .offset = 0, .n = 6, .stream = LOG_STDOUT };
	struct entry growing = grown;

	growing.n = 3;
	put(r, "out/log", "abcdef", 6);
	put(r, "out/log.index", &growing, sizeof(growing));
	assert_read(r, LOG_STDOUT, 0, 200, "abc", 3, true);
	put(r, "out/log.index", &grown, sizeof(grown));
	assert_read(r, LOG_STDOUT, 3, 200, "def", 6, true);
}

static void
a_hostile_index_yields_only_bytes_of_the_log(void **state)
{
	struct run *r = *state;
	const struct entry bad[] = {
		{ .offset = -5, .n = 4, .stream = LOG_STDOUT },
		{ .offset = INT64_MAX, .n = UINT32_MAX, .stream = LOG_STDOUT },
		{ .offset = 2, .n = UINT32_MAX, .stream = LOG_STDOUT },
		{ .offset = 0, .n = 6, .stream = LOG_STDOUT },
		{ .offset = 1, .n = 2, .stream = 99 },
	};
	struct err e = { 0 };
	int64_t offset;
	AUTO_LOG l;

	put(r, "out/log", "abcdef", 6);
	put(r, "out/log.index", bad, sizeof(bad) - 5); /* and the last one is cut */
	assert_read(r, LOG_STDOUT, 2, 200, "cdef", 6, true);
	assert_int_equal(api_log_open(r->dirfd, LOG_STDOUT, &l, &e), 0);
	assert_int_equal(api_log_tail(&l, 3, 1000, &offset, &e), 0);
	assert_true(offset >= 0 && offset <= 6);
}

static int64_t
tail(const struct run *r, int which, int64_t lines, int64_t window)
{
	AUTO_LOG l;
	struct err e = { 0 };
	int64_t offset = -1;

	assert_int_equal(api_log_open(r->dirfd, which, &l, &e), 0);
	assert_int_equal(api_log_tail(&l, lines, window, &offset, &e), 0);
	return offset;
}

static void
the_last_lines_are_found(void **state)
{
	struct run *r = *state;

	put_pieces(r, six, ARRAY_LEN(six));
	assert_int_equal(tail(r, LOG_BOTH, 1, 1000), 23);
	assert_int_equal(tail(r, LOG_BOTH, 2, 1000), 18);
	assert_int_equal(tail(r, LOG_BOTH, 100, 1000), 0);
	assert_int_equal(tail(r, LOG_BOTH, 0, 1000), 29);
	assert_int_equal(tail(r, LOG_BOTH, 100, 10), 19);
	assert_int_equal(tail(r, LOG_STDOUT, 2, 1000), 9);
	assert_int_equal(tail(r, LOG_STDERR, 2, 1000), 13);
	assert_int_equal(tail(r, LOG_STDERR, 9, 1000), 4);
	put(r, "out/log", "a\nb\nunfinished", 14);
	assert_int_equal(tail(r, LOG_BOTH, 1, 1000), 4);
	assert_int_equal(tail(r, LOG_BOTH, 2, 1000), 2);
	put(r, "out/log", "\n\n\n", 3);
	assert_int_equal(tail(r, LOG_BOTH, 2, 1000), 1);
}

static void
lines_are_counted_across_blocks(void **state)
{
	struct run *r = *state;
	static char big[50000];

	memset(big, 'x', sizeof(big));
	for (size_t i = 99; i < sizeof(big); i += 100)
		big[i] = '\n';
	put(r, "out/log", big, sizeof(big));
	assert_int_equal(tail(r, LOG_BOTH, 300, sizeof(big)), sizeof(big) - 300 * 100);
}

static void
a_run_without_a_log_is_empty(void **state)
{
	struct run *r = *state;

	assert_read(r, LOG_BOTH, 0, 100, "", 0, true);
	assert_read(r, LOG_STDERR, 7, 100, "", 7, true);
	assert_int_equal(tail(r, LOG_BOTH, 5, 100), 0);
	put(r, "out/log", "text", 4);
	assert_read(r, LOG_STDERR, 0, 100, "", 0, true);
}

static void
a_symbolic_link_is_not_followed(void **state)
{
	struct run *r = *state;

	assert_int_equal(symlinkat("/etc/passwd", r->dirfd, "out/log"), 0);
	assert_read(r, LOG_BOTH, 0, 100, "", 0, true);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_run, remove_run)
	const struct CMUnitTest tests[] = {
		TEST(both_streams_are_the_bytes_of_the_file),
		TEST(one_stream_is_picked_by_the_index),
		TEST(bytes_that_the_index_does_not_know_yet_are_left_for_later),
		TEST(a_hostile_index_yields_only_bytes_of_the_log),
		TEST(the_last_lines_are_found),
		TEST(lines_are_counted_across_blocks),
		TEST(a_run_without_a_log_is_empty),
		TEST(a_symbolic_link_is_not_followed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
