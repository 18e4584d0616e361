/* SPDX-License-Identifier: Apache-2.0 */
/* Names, opening, writing and listing below a descriptor, with what a hostile job leaves there. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "caps.h"
#include "fd.h"
#include "lock.h"
#include "object.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/fs.h>

/* A directory with in/ (the tenant's) and out/secret (somebody else's). */
struct place {
	char path[64];
	int top, in, out;
};

static void
put(int dirfd, const char *path, const char *text)
{
	struct err e = { 0 };

	if (object_write(dirfd, path, text, strlen(text), &e) < 0)
		fail_msg("%s: %s", path, e.msg);
}

static int
setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	(void)snprintf(p->path, sizeof(p->path), "/tmp/wardian-test-object-XXXXXX");
	assert_non_null(mkdtemp(p->path));
	p->top = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(p->top, "in", 0700), 0);
	assert_int_equal(mkdirat(p->top, "out", 0700), 0);
	p->in = openat(p->top, "in", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	p->out = openat(p->top, "out", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put(p->out, "secret", "outside");
	*state = p;
	return 0;
}

static int
teardown(void **state)
{
	struct place *p = *state;
	struct err e = { 0 };
	int r = 0;

	r |= object_remove_tree(p->top, "in", &e);
	r |= object_remove_tree(p->top, "out", &e);
	r |= rmdir(p->path);
	close(p->in);
	close(p->out);
	close(p->top);
	free(p);
	return r;
}

/* --- names -------------------------------------------------------------------------------- */

static void
plain_relative_names_are_valid(void **state)
{
	static const char *const names[] = { "a", "a/b", "log", "files/out.dat", ".hidden", "a..b",
		"...", "with space", "-dash", "\xc3\xa4/\xe2\x82\xac", "a:b", "%2e%2e", "~" };
	const char *why = "untouched";

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!object_path_valid(names[i], &why))
			fail_msg("%s %s", names[i], why);
	assert_string_equal(why, "untouched");
}

struct bad_name {
	const char *name;
	const char *why;
};
static const struct bad_name bad_names[] = {
	{ "", "is empty" },
	{ "/etc/passwd", "is absolute" },
	{ "/", "is absolute" },
	{ "..", "has a component \".\" or \"..\"" },
	{ ".", "has a component \".\" or \"..\"" },
	{ "../x", "has a component \".\" or \"..\"" },
	{ "a/../b", "has a component \".\" or \"..\"" },
	{ "a/..", "has a component \".\" or \"..\"" },
	{ "a/./b", "has a component \".\" or \"..\"" },
	{ "a//b", "has an empty component" },
	{ "a/", "has an empty component" },
	{ "a\\b", "has a backslash" },
	{ "a\nb", "has a control character or is not UTF-8" },
	{ "a\x7f", "has a control character or is not UTF-8" },
	{ "\x1b[2J", "has a control character or is not UTF-8" },
	{ "\xc2\x9b", "has a control character or is not UTF-8" },
	{ "\xff", "has a control character or is not UTF-8" },
	{ "\xc0\xae\xc0\xae/x", "has a control character or is not UTF-8" },
	{ "\xe0\x80\xaf", "has a control character or is not UTF-8" },
	{ "\xed\xa0\x80", "has a control character or is not UTF-8" },
};

static void
names_that_lead_elsewhere_or_deceive_are_refused_with_a_reason(void **state)
{
	const struct place *p = *state;

	for (size_t i = 0; i < ARRAY_LEN(bad_names); i++) {
		const char *why = "nothing";
		struct err e = { 0 };
		int fd = -1;
		int64_t size;

		assert_false(object_path_valid(bad_names[i].name, &why));
		assert_string_equal(why, bad_names[i].why);
		assert_false(object_path_valid(bad_names[i].name, NULL));
		assert_int_equal(object_open(p->in, bad_names[i].name, &fd, &size, &e), -1);
		assert_int_equal(e.code, ERR_NOT_FOUND);
		assert_int_equal(object_write(p->in, bad_names[i].name, "x", 1, &e), -1);
		assert_int_equal(e.code, ERR_INVALID);
		assert_int_equal(object_remove_tree(p->in, bad_names[i].name, &e), -1);
	}
}

static void
names_are_measured(void **state)
{
	char name[5000];
	const char *why;

	(void)state;
	memset(name, 'a', sizeof(name));
	name[4096] = '\0';
	assert_false(object_path_valid(name, &why));
	assert_string_equal(why, "is longer than 512 bytes");
	for (size_t i = 200; i < 4096; i += 200)
		name[i] = '/';
	name[CAP_PATH_BYTES + 1] = '\0';
	assert_false(object_path_valid(name, &why));
	name[CAP_PATH_BYTES] = '\0';
	assert_true(object_path_valid(name, &why));
	memset(name, 'a', 256);
	name[256] = '\0';
	assert_false(object_path_valid(name, &why));
	assert_string_equal(why, "has a component of more than 255 bytes");
	name[255] = '\0';
	assert_true(object_path_valid(name, &why));
}

/* --- opening ------------------------------------------------------------------------------ */

static void
assert_not_found(int dirfd, const char *path)
{
	struct err e = { 0 };
	int64_t size = 77;
	int fd = 77;

	assert_int_equal(object_open(dirfd, path, &fd, &size, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_string_equal(e.msg, "There is no such file; list the files to see their names");
	assert_int_equal(fd, 77);
	assert_int_equal(size, 77);
}

static void
a_regular_file_opens_with_its_size(void **state)
{
	const struct place *p = *state;
	struct err e = { 0 };
	AUTO_FD int fd = -1;
	char text[16] = "";
	int64_t size = 0;

	put(p->in, "a/b/c.txt", "hello");
	assert_int_equal(object_open(p->in, "a/b/c.txt", &fd, &size, &e), 0);
	assert_int_equal(size, 5);
	assert_int_equal(read(fd, text, sizeof(text)), 5);
	assert_string_equal(text, "hello");
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
}

static void
links_never_lead_anywhere(void **state)
{
	const struct place *p = *state;

	put(p->in, "real/file", "x");
	assert_int_equal(symlinkat("../out/secret", p->in, "up"), 0);
	assert_int_equal(symlinkat("/etc/passwd", p->in, "absolute"), 0);
	assert_int_equal(symlinkat("../out", p->in, "dir"), 0);
	assert_int_equal(symlinkat("real", p->in, "inside"), 0);
	assert_int_equal(symlinkat("loop", p->in, "loop"), 0);
	assert_int_equal(symlinkat("/proc/self/root", p->in, "root"), 0);
	assert_not_found(p->in, "up");
	assert_not_found(p->in, "absolute");
	assert_not_found(p->in, "dir/secret");
	assert_not_found(p->in, "inside/file");
	assert_not_found(p->in, "loop");
	assert_not_found(p->in, "root/etc/passwd");
}

static void
magic_links_of_proc_are_refused(void **state)
{
	AUTO_FD int proc = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	if (proc < 0)
		skip();
	assert_not_found(proc, "exe");
	assert_not_found(proc, "fd/0");
	assert_not_found(proc, "root/etc/passwd");
	assert_not_found(proc, "cwd");
}

static void
what_is_no_regular_file_is_not_found_and_never_waited_for(void **state)
{
	const struct place *p = *state;

	assert_int_equal(mkfifoat(p->in, "fifo", 0600), 0);
	assert_int_equal(mkdirat(p->in, "dir", 0700), 0);
	assert_int_equal(mknodat(p->in, "socket", S_IFSOCK | 0600, 0), 0);
	if (mknodat(p->in, "zero", S_IFCHR | 0600, 0x105) == 0)
		assert_not_found(p->in, "zero");
	assert_not_found(p->in, "fifo");
	assert_not_found(p->in, "dir");
	assert_not_found(p->in, "socket");
	assert_not_found(p->in, "absent");
	assert_not_found(p->in, "fifo/x");
}

static void
a_sparse_terabyte_opens_without_being_read(void **state)
{
	const struct place *p = *state;
	AUTO_FD int made = openat(p->in, "huge", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	struct err e = { 0 };
	AUTO_FD int fd = -1;
	int64_t size = 0;

	assert_int_equal(ftruncate(made, INT64_C(1) << 40), 0);
	assert_int_equal(object_open(p->in, "huge", &fd, &size, &e), 0);
	assert_true(size == INT64_C(1) << 40);
}

static void
a_hard_link_is_the_file_that_it_is(void **state)
{
	const struct place *p = *state;
	struct err e = { 0 };
	AUTO_FD int fd = -1;
	int64_t size;

	put(p->in, "first", "abc");
	assert_int_equal(linkat(p->in, "first", p->in, "second", 0), 0);
	assert_int_equal(object_open(p->in, "second", &fd, &size, &e), 0);
	assert_int_equal(size, 3);
}

static void
one_attempt_of_a_run_is_found_by_its_ids(void **state)
{
	const struct place *p = *state;
	struct tenant_id tenant = { uuid_v7() };
	struct uuid run = uuid_v7();
	char path[ID_RUN_PATH_SIZE], log[ID_RUN_PATH_SIZE + 16];
	struct err e = { 0 };
	AUTO_FD int dir = -1;
	AUTO_FD int fd = -1;
	int64_t size;

	(void)snprintf(log, sizeof(log), "%s/out/log", id_run_path(tenant, run, 3, path));
	put(p->in, log, "text");
	assert_int_equal(object_open_run(p->in, tenant, run, 3, &dir, &e), 0);
	assert_int_equal(object_open(dir, "out/log", &fd, &size, &e), 0);
	assert_int_equal(size, 4);
	assert_int_equal(object_open_run(p->in, tenant, run, 2, &dir, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	tenant.uuid = uuid_v7();
	assert_int_equal(object_open_run(p->in, tenant, run, 3, &dir, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
}

static void
a_directory_opens_and_a_link_to_one_does_not(void **state)
{
	const struct place *p = *state;
	struct err e = { 0 };
	AUTO_FD int fd = -1;

	put(p->in, "a/b/c", "");
	assert_int_equal(object_open_dir(p->in, "a/b", &fd, &e), 0);
	assert_int_equal(symlinkat("a", p->in, "link"), 0);
	assert_int_equal(object_open_dir(p->in, "link", &fd, &e), -1);
	assert_int_equal(object_open_dir(p->in, "link/b", &fd, &e), -1);
	assert_int_equal(object_open_dir(p->in, "a/b/c", &fd, &e), -1);
	assert_int_equal(object_open_dir(p->in, "..", &fd, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
}

/* --- writing ------------------------------------------------------------------------------ */

static void
a_file_is_written_once(void **state)
{
	const struct place *p = *state;
	struct err e = { 0 };
	struct stat st;

	put(p->in, "in/deck.cir", "text");
	assert_int_equal(fstatat(p->in, "in/deck.cir", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777 & ~0640u, 0);
	assert_int_equal(object_write(p->in, "in/deck.cir", "x", 1, &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_int_equal(object_write(p->in, "in/deck.cir/x", "x", 1, &e), -1);
	put(p->in, "empty", "");
}

static void
writing_never_follows_a_link(void **state)
{
	const struct place *p = *state;
	struct err e = { 0 };
	struct stat st;

	assert_int_equal(symlinkat("../out", p->in, "dir"), 0);
	assert_int_equal(symlinkat("../out/new", p->in, "file"), 0);
	assert_int_equal(object_write(p->in, "dir/new", "x", 1, &e), -1);
	assert_int_equal(object_write(p->in, "dir/sub/new", "x", 1, &e), -1);
	assert_int_equal(object_write(p->in, "file", "x", 1, &e), -1);
	assert_int_equal(fstatat(p->out, "new", &st, 0), -1);
	assert_int_equal(fstatat(p->out, "sub", &st, 0), -1);
}

/* --- listing ------------------------------------------------------------------------------ */

static void
files_are_listed_in_path_order_without_the_rest(void **state)
{
	static const char *const want[] = { "a/x", "a/y/z", "b", "b.c", "c/d" };
	const struct place *p = *state;
	AUTO(arena) mem = arena_new(1 << 20);
	struct object_file *files;
	struct err e = { 0 };
	bool more = true;
	size_t n;

	put(p->in, "b.c", "1234");
	put(p->in, "c/d", "");
	put(p->in, "a/y/z", "");
	put(p->in, "b", "");
	put(p->in, "a/x", "");
	assert_int_equal(symlinkat("b", p->in, "link"), 0);
	assert_int_equal(symlinkat("../out", p->in, "dirlink"), 0);
	assert_int_equal(mkfifoat(p->in, "fifo", 0600), 0);
	assert_int_equal(mkdirat(p->in, "hollow", 0700), 0);
	close(openat(p->in, "new\nline", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	close(openat(p->in, "back\\slash", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	close(openat(p->in, "\xff", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	assert_int_equal(object_list(p->in, 10, mem, &files, &n, &more, &e), 0);
	assert_int_equal(n, ARRAY_LEN(want));
	for (size_t i = 0; i < n; i++)
		assert_string_equal(files[i].path, want[i]);
	assert_int_equal(files[3].size_bytes, 4);
	assert_true(files[3].modified_wall_us > INT64_C(1600000000000000));
	assert_false(more);
}

static void
ten_thousand_files_are_listed_and_a_cap_is_told(void **state)
{
	const struct place *p = *state;
	AUTO(arena) mem = arena_new(16 << 20);
	struct object_file *files;
	struct err e = { 0 };
	bool more = true;
	size_t n;

	for (int i = 0; i < 10000; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "f%05d", i);
		close(openat(p->in, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	}
	assert_int_equal(object_list(p->in, 10000, mem, &files, &n, &more, &e), 0);
	assert_int_equal(n, 10000);
	assert_false(more);
	for (size_t i = 0; i < n; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "f%05zu", i);
		assert_string_equal(files[i].path, name);
	}
	assert_int_equal(object_list(p->in, 9999, mem, &files, &n, &more, &e), 0);
	assert_int_equal(n, 9999);
	assert_true(more);
	assert_int_equal(object_list(p->in, 0, mem, &files, &n, &more, &e), 0);
	assert_int_equal(n, 0);
	assert_true(more);
}

/* Makes `levels` directories named "d" inside of each other and a file in the last. */
static void
make_deep(int dirfd, const char *name, int levels)
{
	int fd;

	assert_int_equal(mkdirat(dirfd, name, 0700), 0);
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < levels; i++) {
		int next;

		assert_int_equal(mkdirat(fd, "d", 0700), 0);
		next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(fd);
		fd = next;
	}
	put(fd, "leaf", "x");
	close(fd);
}

static void
the_list_reaches_64_levels_and_ends_there(void **state)
{
	const struct place *p = *state;
	AUTO(arena) mem = arena_new(1 << 20);
	struct object_file *files;
	struct err e = { 0 };
	bool more;
	size_t n;

	make_deep(p->in, "ok", 63);
	assert_int_equal(object_list(p->in, 10, mem, &files, &n, &more, &e), 0);
	assert_int_equal(n, 1);
	make_deep(p->in, "over", 64);
	make_deep(p->in, "far", 4000);
	assert_int_equal(object_list(p->in, 10, mem, &files, &n, &more, &e), 0);
	assert_int_equal(n, 1);
	assert_memory_equal(files[0].path, "ok/d/", 5);
}

static void
a_short_arena_is_told(void **state)
{
	const struct place *p = *state;
	AUTO(arena) mem = arena_new(4096);
	struct object_file *files;
	struct err e = { 0 };
	bool more;
	size_t n;

	assert_int_equal(object_list(p->in, 1000000, mem, &files, &n, &more, &e), -1);
	assert_int_equal(e.code, ERR_TOO_LARGE);
}

/* --- races -------------------------------------------------------------------------------- */

struct swapper {
	int dirfd;
	atomic_bool stop;
};

/* Swaps the directory "d" with the link "l", as fast as the kernel can. */
static void *
swap_run(void *arg)
{
	struct swapper *s = arg;

	while (!atomic_load(&s->stop))
		(void)syscall(SYS_renameat2, s->dirfd, "d", s->dirfd, "l", RENAME_EXCHANGE);
	return NULL;
}

static void
a_link_swapped_in_a_race_never_leads_out(void **state)
{
	const struct place *p = *state;
	struct swapper s = { .dirfd = p->in };
	struct thread thread = { 0 };
	struct err e = { 0 };
	int found = 0, refused = 0;

	put(p->in, "d/secret", "inside!");
	assert_int_equal(symlinkat("../out", p->in, "l"), 0);
	assert_int_equal(thread_start(&thread, "swap", swap_run, &s, &e), 0);
	for (int i = 0; i < 10000; i++) {
		AUTO_FD int fd = -1;
		char text[16] = "";
		int64_t size;

		if (object_open(p->in, "d/secret", &fd, &size, &e) < 0) {
			refused++;
			continue;
		}
		found++;
		assert_int_equal(read(fd, text, sizeof(text)), 7);
		assert_string_equal(text, "inside!");
	}
	for (int i = 0; i < 2000; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "d/new/%d", i);
		if (object_write(p->in, name, "x", 1, &e) < 0)
			refused++;
	}
	atomic_store(&s.stop, true);
	thread_join(&thread);
	assert_true(found > 0);
	assert_true(refused > 0);
	assert_int_equal(faccessat(p->out, "new", F_OK, 0), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_relative_names_are_valid),
		cmocka_unit_test_setup_teardown(
		    names_that_lead_elsewhere_or_deceive_are_refused_with_a_reason, setup,
		    teardown),
		cmocka_unit_test(names_are_measured),
		cmocka_unit_test_setup_teardown(
		    a_regular_file_opens_with_its_size, setup, teardown),
		cmocka_unit_test_setup_teardown(links_never_lead_anywhere, setup, teardown),
		cmocka_unit_test(magic_links_of_proc_are_refused),
		cmocka_unit_test_setup_teardown(
		    what_is_no_regular_file_is_not_found_and_never_waited_for, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_sparse_terabyte_opens_without_being_read, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_hard_link_is_the_file_that_it_is, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    one_attempt_of_a_run_is_found_by_its_ids, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_directory_opens_and_a_link_to_one_does_not, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_is_written_once, setup, teardown),
		cmocka_unit_test_setup_teardown(writing_never_follows_a_link, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    files_are_listed_in_path_order_without_the_rest, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    ten_thousand_files_are_listed_and_a_cap_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    the_list_reaches_64_levels_and_ends_there, setup, teardown),
		cmocka_unit_test_setup_teardown(a_short_arena_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_link_swapped_in_a_race_never_leads_out, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
