/* SPDX-License-Identifier: Apache-2.0 */
/* Removing trees that a hostile job left behind, and nothing else. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "fd.h"
#include "lock.h"
#include "object.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/fs.h>

struct place {
	char path[64];
	int top;
};

static int
setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	struct err e = { 0 };

	assert_non_null(p);
	(void)snprintf(p->path, sizeof(p->path), "/tmp/wardian-test-remove-XXXXXX");
	assert_non_null(mkdtemp(p->path));
	p->top = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(object_write(p->top, "outside/secret", "x", 1, &e), 0);
	*state = p;
	return 0;
}

static int
teardown(void **state)
{
	struct place *p = *state;
	struct err e = { 0 };
	int r = faccessat(p->top, "outside/secret", F_OK, 0);

	r |= object_remove_tree(p->top, "outside", &e);
	close(p->top);
	r |= rmdir(p->path); /* fails when a test left something */
	free(p);
	return r;
}

static void
remove_well(int dirfd, const char *name)
{
	struct err e = { 0 };

	if (object_remove_tree(dirfd, name, &e) < 0)
		fail_msg("%s: %s", name, e.msg);
	assert_int_equal(faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW), -1);
}

static void
touch(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static int
make_dir(int dirfd, const char *name)
{
	int fd;

	assert_int_equal(mkdirat(dirfd, name, 0700), 0);
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void
what_is_not_there_is_removed_already(void **state)
{
	const struct place *p = *state;

	remove_well(p->top, "absent");
	remove_well(p->top, "absent/below");
}

static void
a_tree_of_everything_goes(void **state)
{
	const struct place *p = *state;
	AUTO_FD int t = make_dir(p->top, "t");
	AUTO_FD int sub = make_dir(t, "sub");
	AUTO_FD int subsub = make_dir(sub, "sub");

	touch(t, "file");
	touch(sub, "-rf");
	touch(sub, "new\nline");
	touch(subsub, "\xff\xfe");
	assert_int_equal(mkfifoat(subsub, "fifo", 0000), 0);
	assert_int_equal(mknodat(subsub, "socket", S_IFSOCK | 0600, 0), 0);
	assert_int_equal(symlinkat("/nowhere", t, "dangling"), 0);
	assert_int_equal(linkat(t, "file", sub, "hard", 0), 0);
	close(make_dir(t, "hollow"));
	remove_well(p->top, "t");
}

static void
links_are_removed_and_what_they_lead_to_is_not(void **state)
{
	const struct place *p = *state;
	AUTO_FD int t = make_dir(p->top, "t");
	AUTO_FD int sub = make_dir(t, "sub");

	assert_int_equal(symlinkat("../outside", t, "dir"), 0);
	assert_int_equal(symlinkat("../../outside/secret", sub, "file"), 0);
	assert_int_equal(symlinkat("outside", p->top, "itself"), 0);
	remove_well(p->top, "t");
	remove_well(p->top, "itself");
	assert_int_equal(faccessat(p->top, "outside/secret", F_OK, 0), 0);
}

static void
a_path_through_a_link_is_refused(void **state)
{
	const struct place *p = *state;
	struct err e = { 0 };

	assert_int_equal(symlinkat("outside", p->top, "link"), 0);
	assert_int_equal(object_remove_tree(p->top, "link/secret", &e), -1);
	remove_well(p->top, "link");
}

static void
only_the_named_part_of_a_path_goes(void **state)
{
	const struct place *p = *state;
	AUTO_FD int t = make_dir(p->top, "t");
	AUTO_FD int one = make_dir(t, "one.1");
	AUTO_FD int two = make_dir(t, "one.2");

	touch(one, "x");
	touch(two, "x");
	remove_well(p->top, "t/one.1");
	assert_int_equal(faccessat(two, "x", F_OK, 0), 0);
	assert_int_equal(faccessat(t, "one.2", F_OK, 0), 0);
	remove_well(p->top, "t");
}

static void
four_thousand_levels_go(void **state)
{
	const struct place *p = *state;
	AUTO_FD int fd = make_dir(p->top, "t");

	for (int i = 0; i < 4000; i++) {
		int next = make_dir(fd, "a_name_that_makes_the_path_longer_than_any_buffer");

		touch(fd, "file");
		close(fd);
		fd = next;
	}
	remove_well(p->top, "t");
}

static void
ten_thousand_entries_go(void **state)
{
	const struct place *p = *state;
	AUTO_FD int t = make_dir(p->top, "t");

	for (int i = 0; i < 10000; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "f%d", i);
		touch(t, name);
	}
	remove_well(p->top, "t");
}

static void
a_thousand_full_directories_side_by_side_go(void **state)
{
	const struct place *p = *state;
	AUTO_FD int t = make_dir(p->top, "t");

	for (int i = 0; i < 1000; i++) {
		AUTO_FD int fd = -1;
		char name[32];

		(void)snprintf(name, sizeof(name), "d%d", i);
		fd = make_dir(t, name);
		touch(fd, "x");
		close(make_dir(fd, "y"));
	}
	remove_well(p->top, "t");
}

/* Runs fn in a child, since it changes credentials or mounts; its exit status. */
static int
in_child(int (*fn)(const struct place *p), const struct place *p)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(fn(p));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int
remove_locked_tree(const struct place *p)
{
	struct err e = { 0 };
	int fd;

	if (geteuid() == 0 &&
	    (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0))
		return 1;
	if (mkdirat(p->top, "t", 0700) < 0)
		return 2;
	fd = openat(p->top, "t", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (object_write(fd, "none/deep/file", "x", 1, &e) < 0 ||
	    object_write(fd, "read_only/file", "x", 1, &e) < 0 ||
	    object_write(fd, "search_only/file", "x", 1, &e) < 0)
		return 3;
	if (fchmodat(fd, "none/deep", 0, 0) < 0 || fchmodat(fd, "none", 0, 0) < 0 ||
	    fchmodat(fd, "read_only", 0500, 0) < 0 || fchmodat(fd, "search_only", 0100, 0) < 0)
		return 4;
	if (fchmodat(p->top, "t", 0, 0) < 0)
		return 5;
	return object_remove_tree(p->top, "t", &e) < 0 ? 6 : 0;
}

static void
permissions_that_a_job_took_away_do_not_protect_its_files(void **state)
{
	const struct place *p = *state;

	assert_int_equal(fchmod(p->top, 0777), 0);
	assert_int_equal(in_child(remove_locked_tree, p), 0);
}

enum { CANNOT_MOUNT = 77 };

static int
remove_with_mount(const struct place *p)
{
	struct err e = { 0 };
	char from[128], to[128];
	int top, r;

	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return CANNOT_MOUNT;
	/* A bind mount of the same file system: st_dev does not tell it. */
	(void)snprintf(from, sizeof(from), "%s/outside", p->path);
	(void)snprintf(to, sizeof(to), "%s/t/sub/mnt", p->path);
	if (mount(from, to, NULL, MS_BIND, NULL) < 0)
		return CANNOT_MOUNT;
	top =
	    open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* p->top is of the old namespace */
	r = object_remove_tree(top, "t", &e);
	if (faccessat(top, "outside/secret", F_OK, 0) < 0)
		return 1;
	return r < 0 ? 0 : 2;
}

static void
what_is_mounted_in_the_tree_is_left_alone(void **state)
{
	const struct place *p = *state;
	AUTO_FD int t = make_dir(p->top, "t");
	AUTO_FD int sub = make_dir(t, "sub");
	int r;

	close(make_dir(sub, "mnt"));
	r = in_child(remove_with_mount, p);
	if (r != CANNOT_MOUNT)
		assert_int_equal(r, 0);
	assert_int_equal(faccessat(p->top, "outside/secret", F_OK, 0), 0);
	remove_well(p->top, "t");
	if (r == CANNOT_MOUNT) {
		print_message("skipped: mounting is not allowed here\n");
		skip();
	}
}

/* --- races -------------------------------------------------------------------------------- */

struct racer {
	int top;
	atomic_bool stop;
};

/* A job that is still alive: swaps a directory with a link that leads out, and moves one out. */
static void *
race_run(void *arg)
{
	struct racer *r = arg;

	while (!atomic_load(&r->stop)) {
		(void)syscall(SYS_renameat2, r->top, "t/sub", r->top, "t/link", RENAME_EXCHANGE);
		(void)syscall(
		    SYS_renameat2, r->top, "t/a/b", r->top, "outside/b", RENAME_NOREPLACE);
	}
	return NULL;
}

static void
fill(int top)
{
	struct err e = { 0 };
	bool ok = true;

	for (int i = 0; i < 4; i++) {
		char name[64];

		(void)snprintf(name, sizeof(name), "t/sub/%d/x", i);
		ok = object_write(top, name, "x", 1, &e) == 0 && ok;
		(void)snprintf(name, sizeof(name), "t/a/b/%d/x", i);
		ok = object_write(top, name, "x", 1, &e) == 0 && ok;
	}
	ok = symlinkat("../outside", top, "t/link") == 0 && ok;
	(void)ok; /* the racer may have taken a directory away under our feet */
}

static void
a_race_never_removes_what_lies_outside(void **state)
{
	const struct place *p = *state;
	struct racer r = { .top = p->top };
	struct thread thread = { 0 };
	struct err e = { 0 };

	assert_int_equal(thread_start(&thread, "race", race_run, &r, &e), 0);
	for (int i = 0; i < 100; i++) {
		int removed;

		fill(p->top);
		removed = object_remove_tree(p->top, "t", &e);
		if (removed < 0)
			assert_int_equal(e.code, ERR_SYSTEM);
		assert_int_equal(faccessat(p->top, "outside/secret", F_OK, 0), 0);
	}
	atomic_store(&r.stop, true);
	thread_join(&thread);
	remove_well(p->top, "t");
	remove_well(p->top, "outside/b");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    what_is_not_there_is_removed_already, setup, teardown),
		cmocka_unit_test_setup_teardown(a_tree_of_everything_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    links_are_removed_and_what_they_lead_to_is_not, setup, teardown),
		cmocka_unit_test_setup_teardown(a_path_through_a_link_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    only_the_named_part_of_a_path_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(four_thousand_levels_go, setup, teardown),
		cmocka_unit_test_setup_teardown(ten_thousand_entries_go, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_thousand_full_directories_side_by_side_go, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    permissions_that_a_job_took_away_do_not_protect_its_files, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    what_is_mounted_in_the_tree_is_left_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_race_never_removes_what_lies_outside, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
