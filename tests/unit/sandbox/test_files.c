/* SPDX-License-Identifier: Apache-2.0 */
/* The launch file and the exit record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fd.h"
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct dir {
	char path[64];
	int fd;
};

static int
make_dir(void **state)
{
	struct dir *d = calloc(1, sizeof(*d));

	snprintf(d->path, sizeof(d->path), "/tmp/wardian-files-XXXXXX");
	assert_non_null(mkdtemp(d->path));
	d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(d->fd >= 0);
	assert_int_equal(mkdirat(d->fd, "out", 0700), 0);
	*state = d;
	return 0;
}

static int
remove_dir(void **state)
{
	struct dir *d = *state;

	unlinkat(d->fd, "launch", 0);
	unlinkat(d->fd, "out/exit", 0);
	unlinkat(d->fd, "out", AT_REMOVEDIR);
	close(d->fd);
	assert_int_equal(rmdir(d->path), 0);
	free(d);
	return 0;
}

static char *
read_launch(const struct dir *d, size_t *n)
{
	char *text = NULL;
	struct err e = { 0 };

	assert_int_equal(fd_read_file(d->fd, "launch", SANDBOX_LAUNCH_MAX, &text, n, &e), 0);
	return text;
}

static void
what_was_written_is_what_the_keeper_reads(void **state)
{
	const char *const argv[] = { "/usr/bin/prog", "", "a b", "\xff\n" };
	const char *const env[] = { "A=", "B=x=y" };
	const struct sandbox_launch l = { .argv = argv, .n_argv = 4, .env = env, .n_env = 2 };
	struct keeper_launch got;
	struct err e = { 0 };
	struct stat st;
	size_t n;
	char *text;

	assert_int_equal(sandbox_launch_write(((struct dir *)*state)->fd, &l, &e), 0);
	assert_int_equal(fstatat(((struct dir *)*state)->fd, "launch", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777 & ~0640, 0);
	text = read_launch(*state, &n);
	assert_int_equal(sandbox_launch_decode(text, n, &got, &e), 0);
	assert_int_equal(got.n_argv, 4);
	assert_int_equal(got.n_env, 2);
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(got.argv[i], argv[i]);
	for (size_t i = 0; i < 2; i++)
		assert_string_equal(got.env[i], env[i]);
	assert_null(got.argv[4]);
	assert_null(got.env[2]);
	free(text);
}

static void
unusable_commands_are_not_written(void **state)
{
	static char huge[SANDBOX_LAUNCH_MAX];
	const char *const relative[] = { "prog" };
	const char *const empty[] = { "" };
	const char *const good[] = { "/prog" };
	const char *const no_equals[] = { "NAME" };
	const char *const no_name[] = { "=value" };
	const char *const big[] = { "/prog", huge };
	const char *many[CAP_ARGS + 1];
	struct dir *d = *state;
	struct err e = { 0 };

	memset(huge, 'x', sizeof(huge) - 1);
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = "/x";
	const struct sandbox_launch bad[] = {
		{ .argv = relative, .n_argv = 1 },
		{ .argv = empty, .n_argv = 1 },
		{ .argv = good },
		{ .argv = good, .n_argv = 1, .env = no_equals, .n_env = 1 },
		{ .argv = good, .n_argv = 1, .env = no_name, .n_env = 1 },
		{ .argv = big, .n_argv = 2 },
		{ .argv = many, .n_argv = CAP_ARGS + 1 },
		{ .argv = good, .n_argv = 1, .stop = { .signal = 65 } },
		{ .argv = good, .n_argv = 1, .stop = { .signal = -1 } },
		{ .argv = good, .n_argv = 1, .stop = { .wait_ms = -1 } },
		{ .argv = good, .n_argv = 1, .stop = { .file = "" } },
		{ .argv = good, .n_argv = 1, .stop = { .file = ".." } },
		{ .argv = good, .n_argv = 1, .stop = { .file = "a/b" } },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(sandbox_launch_write(d->fd, &bad[i], &e), -1);
		assert_int_equal(e.code, ERR_INVALID);
		assert_true(faccessat(d->fd, "launch", F_OK, 0) < 0);
	}
	assert_int_equal(sandbox_launch_write(d->fd,
			     &(struct sandbox_launch){ .argv = many, .n_argv = CAP_ARGS }, &e),
	    0);
}

static void
a_launch_file_cut_or_grown_anywhere_is_refused(void **state)
{
	const char *const argv[] = { "/usr/bin/prog", "argument" };
	const char *const env[] = { "A=1" };
	const struct sandbox_launch l = { .argv = argv,
		.n_argv = 2,
		.env = env,
		.n_env = 1,
		.stop = { .signal = 10, .file = "STOP", .text = "now", .wait_ms = 5 } };
	struct keeper_launch got;
	struct err e = { 0 };
	size_t n;
	char *text, *longer;

	assert_int_equal(sandbox_launch_write(((struct dir *)*state)->fd, &l, &e), 0);
	text = read_launch(*state, &n);
	for (size_t cut = 0; cut < n; cut++) {
		char *copy = malloc(cut == 0 ? 1 : cut); /* so that a read beyond it is seen */

		memcpy(copy, text, cut);
		assert_int_equal(sandbox_launch_decode(copy, cut, &got, &e), -1);
		free(copy);
	}
	longer = calloc(1, n + 1);
	memcpy(longer, text, n);
	assert_int_equal(sandbox_launch_decode(longer, n + 1, &got, &e), -1);
	longer[sizeof(uint32_t)]++; /* the version behind the magic */
	assert_int_equal(sandbox_launch_decode(longer, n, &got, &e), -1);
	free(longer);
	free(text);
}

/* --- exit record ---------------------------------------------------------------------------- */

static struct sandbox_exit
some_exit(void)
{
	return (
	    struct sandbox_exit){ .id = { .tenant.uuid = uuid_v7(), .run = uuid_v7(), .epoch = 3 },
		.outcome = SANDBOX_EXITED,
		.exit_code = 255,
		.wall_ns = 5,
		.output_files = 2 };
}

static int
open_out(const struct dir *d)
{
	int fd = openat(d->fd, "out", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void
an_exit_record_is_absent_then_whole(void **state)
{
	struct dir *d = *state;
	struct sandbox_exit x = some_exit(), got;
	struct err e = { 0 };
	int out = open_out(d);

	assert_int_equal(sandbox_exit_read(d->fd, &got, &e), 0);
	assert_int_equal(sandbox_exit_write(out, &x, &e), 0);
	assert_int_equal(sandbox_exit_read(d->fd, &got, &e), 1);
	assert_memory_equal(&got, &x, sizeof(x));
	/* It is the last word: nobody writes another one over it. */
	assert_int_equal(sandbox_exit_write(out, &x, &e), -1);
	assert_int_equal(e.sys, EEXIST);
	close(out);
}

static uint64_t
fnv(const unsigned char *p, size_t n)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h;
}

static void
a_record_of_the_last_version_is_read_with_its_new_numbers_at_zero(void **state)
{
	const size_t body = offsetof(struct sandbox_exit, stage_ns);
	unsigned char old[offsetof(struct sandbox_exit, stage_ns) + 8];
	struct sandbox_exit x = some_exit(), got;
	struct err e = { 0 };
	uint64_t sum;

	(void)state;
	x.magic = SANDBOX_EXIT_MAGIC;
	x.version = 1;
	x.stage_ns = 77; /* behind the end of a record of version 1 */
	memcpy(old, &x, body);
	sum = fnv(old, body);
	memcpy(old + body, &sum, sizeof(sum));
	assert_int_equal(sandbox_exit_decode(old, sizeof(old), &got, &e), 0);
	assert_int_equal(got.output_files, 2);
	assert_int_equal(got.stage_ns, 0);
	assert_int_equal(sandbox_exit_decode(old, sizeof(old) - 1, &got, &e), -1);
	old[4] = 3;
	assert_int_equal(sandbox_exit_decode(old, sizeof(old), &got, &e), -1);
	assert_int_equal(e.code, ERR_PROTOCOL);
}

/* --- samples -------------------------------------------------------------------------------- */

static void
samples_are_read_up_to_a_torn_one_and_refused_out_of_order(void **state)
{
	struct dir *d = *state;
	struct sandbox_sample v[3] = { { .at_ms = 1000, .cpu_ns = 5 },
		{ .at_ms = 2000, .memory_bytes = 9 }, { .at_ms = 3000 } };
	struct sandbox_sample got[SANDBOX_SAMPLES_MAX];
	int out = open_out(d);
	struct err e = { 0 };
	size_t n;

	assert_int_equal(sandbox_samples_read(d->fd, got, &n, &e), 0);
	assert_int_equal(n, 0);
	assert_int_equal(fd_write_file(out, "usage", v, sizeof(v) - 1, 0640, &e), 0);
	assert_int_equal(sandbox_samples_read(d->fd, got, &n, &e), 0);
	assert_int_equal(n, 2);
	assert_memory_equal(got, v, 2 * sizeof(*v));
	assert_int_equal(unlinkat(out, "usage", 0), 0);
	v[1].at_ms = 1000;
	assert_int_equal(fd_write_file(out, "usage", v, sizeof(v), 0640, &e), 0);
	assert_int_equal(sandbox_samples_read(d->fd, got, &n, &e), -1);
	assert_int_equal(e.code, ERR_PROTOCOL);
	assert_int_equal(unlinkat(out, "usage", 0), 0);
	close(out);
}

static void
samples_are_halved_when_they_are_used_up_and_never_out_of_order(void **state)
{
	struct dir *d = *state;
	struct sandbox_sample got[SANDBOX_SAMPLES_MAX];
	struct sandbox_samples s;
	int out = open_out(d);
	int64_t at_ms = 0;
	struct err e = { 0 };
	size_t n;

	sandbox_samples_init(&s, out);
	assert_true(faccessat(out, "usage", F_OK, 0) < 0);
	for (int i = 0; i < 3000; i++) {
		struct sandbox_sample v = { 0 };

		at_ms += s.interval_ms;
		v.at_ms = at_ms;
		v.cpu_ns = at_ms * 3;
		assert_int_equal(sandbox_samples_add(&s, &v, &e), 0);
		assert_int_equal(sandbox_samples_read(d->fd, got, &n, &e), 0);
		assert_in_range(n, 1, SANDBOX_SAMPLES_MAX);
		assert_int_equal(got[n - 1].at_ms, at_ms);
	}
	assert_int_equal(s.interval_ms, INT64_C(1000) << 10);
	assert_true(n >= SANDBOX_SAMPLES_MAX / 2);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(got[i].at_ms, (int64_t)(i + 1) * s.interval_ms);
		assert_int_equal(got[i].cpu_ns, got[i].at_ms * 3);
	}
	assert_true(faccessat(out, "usage.new", F_OK, 0) < 0);
	sandbox_samples_done(&s);
	assert_int_equal(unlinkat(out, "usage", 0), 0);
	close(out);
}

static void
a_place_that_is_taken_ends_the_samples(void **state)
{
	struct dir *d = *state;
	const struct sandbox_sample v = { .at_ms = 1000 };
	struct sandbox_samples s;
	int out = open_out(d);
	struct err e = { 0 };

	assert_int_equal(symlinkat("/etc/passwd", out, "usage"), 0);
	sandbox_samples_init(&s, out);
	assert_int_equal(sandbox_samples_add(&s, &v, &e), -1);
	assert_int_equal(e.sys, EEXIST);
	sandbox_samples_done(&s);
	assert_int_equal(unlinkat(out, "usage", 0), 0);
	close(out);
}

static void
no_output_directory_means_no_record_yet(void **state)
{
	struct dir *d = *state;
	struct sandbox_exit got;
	struct err e = { 0 };

	assert_int_equal(unlinkat(d->fd, "out", AT_REMOVEDIR), 0);
	assert_int_equal(sandbox_exit_read(d->fd, &got, &e), 0);
}

static void
a_flipped_bit_anywhere_is_damage(void **state)
{
	struct dir *d = *state;
	struct sandbox_exit x = some_exit(), got;
	unsigned char bytes[sizeof(x)];
	struct err e = { 0 };
	int out = open_out(d);

	assert_int_equal(sandbox_exit_write(out, &x, &e), 0);
	close(out);
	memcpy(bytes, &x, sizeof(x));
	assert_int_equal(sandbox_exit_decode(bytes, sizeof(bytes), &got, &e), 0);
	for (size_t i = 0; i < sizeof(bytes) * 8; i++) {
		bytes[i / 8] ^= (unsigned char)(1 << i % 8);
		assert_int_equal(sandbox_exit_decode(bytes, sizeof(bytes), &got, &e), -1);
		assert_int_equal(e.code, ERR_PROTOCOL);
		bytes[i / 8] ^= (unsigned char)(1 << i % 8);
	}
}

static void
a_record_of_another_size_is_damage(void **state)
{
	struct dir *d = *state;
	static const size_t sizes[] = { 0, 1, sizeof(struct sandbox_exit) - 1,
		sizeof(struct sandbox_exit) + 1, 100000 };
	static char zeros[100000];
	struct sandbox_exit got;

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		int fd = openat(d->fd, "out/exit", O_WRONLY | O_CREAT | O_TRUNC, 0600);
		struct err e = { 0 };

		assert_int_equal(write(fd, zeros, sizes[i]), (ssize_t)sizes[i]);
		close(fd);
		assert_int_equal(sandbox_exit_read(d->fd, &got, &e), -1);
		assert_int_equal(e.code, ERR_PROTOCOL);
	}
}

static void
a_link_or_a_fifo_in_its_place_is_not_followed(void **state)
{
	struct dir *d = *state;
	struct sandbox_exit got;
	struct err e = { 0 };

	assert_int_equal(symlinkat("/etc/passwd", d->fd, "out/exit"), 0);
	assert_int_equal(sandbox_exit_read(d->fd, &got, &e), -1);
	assert_int_equal(unlinkat(d->fd, "out/exit", 0), 0);
	assert_int_equal(mkfifoat(d->fd, "out/exit", 0600), 0);
	assert_int_equal(sandbox_exit_read(d->fd, &got, &e), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_written_is_what_the_keeper_reads),
		TEST(unusable_commands_are_not_written),
		TEST(a_launch_file_cut_or_grown_anywhere_is_refused),
		TEST(an_exit_record_is_absent_then_whole),
		TEST(a_record_of_the_last_version_is_read_with_its_new_numbers_at_zero),
		TEST(samples_are_read_up_to_a_torn_one_and_refused_out_of_order),
		TEST(samples_are_halved_when_they_are_used_up_and_never_out_of_order),
		TEST(a_place_that_is_taken_ends_the_samples),
		TEST(no_output_directory_means_no_record_yet),
		TEST(a_flipped_bit_anywhere_is_damage),
		TEST(a_record_of_another_size_is_damage),
		TEST(a_link_or_a_fifo_in_its_place_is_not_followed),
	};

	return cmocka_run_group_tests_name("files", tests, NULL, NULL);
}
