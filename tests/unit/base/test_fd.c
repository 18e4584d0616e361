/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "lock.h"

struct scratch {
	char dir[64];
	int fd;
};

static int
make_scratch(void **state)
{
	static struct scratch s;

	(void)snprintf(s.dir, sizeof(s.dir), "/tmp/wardian-fd-XXXXXX");
	if (mkdtemp(s.dir) == NULL)
		return -1;
	s.fd = open(s.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = &s;
	return s.fd < 0 ? -1 : 0;
}

static int
drop_scratch(void **state)
{
	static const char *const names[] = { "a", "big", "link", "fifo", "sub/b", "empty" };
	struct scratch *s = *state;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		(void)unlinkat(s->fd, names[i], 0);
	(void)unlinkat(s->fd, "sub", AT_REMOVEDIR);
	fd_close(&s->fd);
	/* Fails, and fails the test, when a temporary file was left behind. */
	return rmdir(s->dir);
}

static void
closing_keeps_errno_and_is_safe_twice(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), same = fd;

	(void)state;
	errno = EDOM;
	fd_close(&fd);
	assert_int_equal(errno, EDOM);
	assert_int_equal(fd, -1);
	assert_int_equal(fcntl(same, F_GETFD), -1);
	fd_close(&fd);
}

static void
taking_leaves_nothing_to_close(void **state)
{
	int kept;

	(void)state;
	{
		AUTO_FD int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

		kept = fd_take(&fd);
		assert_int_equal(fd, -1);
	}
	assert_true(fcntl(kept, F_GETFD) >= 0);
	fd_close(&kept);
}

static void
a_file_is_written_whole_and_read_back(void **state)
{
	struct scratch *s = *state;
	AUTO_FREE char *text = NULL;
	struct err e = { 0 };
	struct stat st;
	size_t n = 0;

	assert_int_equal(fd_write_file(s->fd, "a", "one", 3, 0640, &e), 0);
	assert_int_equal(fd_write_file(s->fd, "a", "two\0!", 5, 0600, &e), 0);
	assert_int_equal(fd_read_file(s->fd, "a", 5, &text, &n, &e), 0);
	assert_int_equal(n, 5);
	assert_memory_equal(text, "two\0!\0", 6);
	assert_int_equal(fstatat(s->fd, "a", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void
a_file_below_a_directory_is_written_too(void **state)
{
	struct scratch *s = *state;
	struct err e = { 0 };

	assert_int_equal(mkdirat(s->fd, "sub", 0700), 0);
	assert_int_equal(fd_write_file(s->fd, "sub/b", "x", 1, 0600, &e), 0);
	assert_int_equal(fd_write_file(s->fd, "nowhere/b", "x", 1, 0600, &e), -1);
	assert_int_equal(e.code, ERR_SYSTEM);
	assert_int_equal(e.sys, ENOENT);
}

static void
an_empty_file_reads_as_an_empty_string(void **state)
{
	struct scratch *s = *state;
	AUTO_FREE char *text = NULL;
	struct err e = { 0 };
	size_t n = 9;

	assert_int_equal(fd_write_file(s->fd, "empty", "", 0, 0600, &e), 0);
	assert_int_equal(fd_read_file(s->fd, "empty", 10, &text, &n, &e), 0);
	assert_int_equal(n, 0);
	assert_string_equal(text, "");
}

static void
reading_stops_at_the_maximum(void **state)
{
	static char big[100000];
	struct scratch *s = *state;
	AUTO_FREE char *text = NULL;
	struct err e = { 0 };
	size_t n = 0;

	memset(big, 'b', sizeof(big));
	assert_int_equal(fd_write_file(s->fd, "big", big, sizeof(big), 0600, &e), 0);
	assert_int_equal(fd_read_file(s->fd, "big", sizeof(big) - 1, &text, &n, &e), -1);
	assert_int_equal(e.code, ERR_TOO_LARGE);
	assert_null(text);
	assert_int_equal(fd_read_file(s->fd, "big", sizeof(big), &text, &n, &e), 0);
	assert_int_equal(n, sizeof(big));
	assert_memory_equal(text, big, n);
}

static void
links_fifos_directories_and_absent_files_are_refused(void **state)
{
	static const struct {
		const char *path;
		int sys;
	} cases[] = { { "link", ELOOP }, { "fifo", EINVAL }, { ".", EISDIR },
		{ "absent", ENOENT } };
	struct scratch *s = *state;
	char *text = NULL;
	size_t n = 0;

	assert_int_equal(symlinkat("/etc/passwd", s->fd, "link"), 0);
	assert_int_equal(mkfifoat(s->fd, "fifo", 0600), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = { 0 };

		assert_int_equal(fd_read_file(s->fd, cases[i].path, 10, &text, &n, &e), -1);
		assert_int_equal(e.sys, cases[i].sys);
		assert_null(text);
	}
}

static void
a_write_to_a_symlink_replaces_the_link_not_its_target(void **state)
{
	struct scratch *s = *state;
	struct err e = { 0 };
	struct stat st;

	assert_int_equal(symlinkat("/dev/full", s->fd, "link"), 0);
	assert_int_equal(fd_write_file(s->fd, "link", "x", 1, 0600, &e), 0);
	assert_int_equal(fstatat(s->fd, "link", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISREG(st.st_mode));
}

struct drain {
	int fd;
	size_t n;
};

static void *
drain(void *arg)
{
	struct drain *d = arg;
	char chunk[1000];
	ssize_t n;

	while ((n = read(d->fd, chunk, sizeof(chunk))) > 0)
		d->n += (size_t)n;
	return NULL;
}

static void
whole_writes_pass_a_full_non_blocking_pipe(void **state)
{
	static char big[300000];
	struct thread t = { 0 };
	struct err e = { 0 };
	struct drain d = { 0 };
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(fd_nonblock(ends[1], &e), 0);
	assert_true((fcntl(ends[1], F_GETFL) & O_NONBLOCK) != 0);
	d.fd = ends[0];
	assert_int_equal(thread_start(&t, "drain", drain, &d, &e), 0);
	assert_int_equal(fd_write_all(ends[1], big, sizeof(big), &e), 0);
	fd_close(&ends[1]);
	thread_join(&t);
	assert_int_equal(d.n, sizeof(big));
	fd_close(&ends[0]);
}

static void
full_reads_gather_pieces_and_stop_at_the_end(void **state)
{
	struct err e = { 0 };
	char text[10];
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(fd_write_all(ends[1], "abc", 3, &e), 0);
	assert_int_equal(fd_write_all(ends[1], "defg", 4, &e), 0);
	assert_int_equal(fd_read_full(ends[0], text, 5, &e), 5);
	assert_memory_equal(text, "abcde", 5);
	fd_close(&ends[1]);
	assert_int_equal(fd_read_full(ends[0], text, 5, &e), 2);
	fd_close(&ends[0]);
	assert_int_equal(fd_read_full(-1, text, 5, &e), -1);
	assert_int_equal(e.sys, EBADF);
	assert_int_equal(fd_write_all(-1, text, 5, &e), -1);
}

static void
a_failed_write_leaves_no_file(void **state)
{
	struct scratch *s = *state;
	struct err e = { 0 };

	/* A directory is in the place: rename(2) refuses, drop_scratch finds what is left over. */
	assert_int_equal(mkdirat(s->fd, "sub", 0700), 0);
	assert_int_equal(fd_write_file(s->fd, "sub", "x", 1, 0600, &e), -1);
	assert_int_equal(e.sys, EISDIR);
}

int
main(void)
{
#define WITH_SCRATCH(test) cmocka_unit_test_setup_teardown(test, make_scratch, drop_scratch)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(closing_keeps_errno_and_is_safe_twice),
		cmocka_unit_test(taking_leaves_nothing_to_close),
		WITH_SCRATCH(a_file_is_written_whole_and_read_back),
		WITH_SCRATCH(a_file_below_a_directory_is_written_too),
		WITH_SCRATCH(an_empty_file_reads_as_an_empty_string),
		WITH_SCRATCH(reading_stops_at_the_maximum),
		WITH_SCRATCH(links_fifos_directories_and_absent_files_are_refused),
		WITH_SCRATCH(a_write_to_a_symlink_replaces_the_link_not_its_target),
		WITH_SCRATCH(a_failed_write_leaves_no_file),
		cmocka_unit_test(whole_writes_pass_a_full_non_blocking_pipe),
		cmocka_unit_test(full_reads_gather_pieces_and_stop_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
