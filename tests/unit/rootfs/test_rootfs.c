/* SPDX-License-Identifier: Apache-2.0 */
/* Roots from their import to their removal. */
#include "rootfs_fixture.h"

#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

/* Parents before children, links behind their targets: in this order, so that the reverse of the
 * part before the links is another valid one. */
static const struct item tree[] = {
	{ "usr", AE_IFDIR, 0755, NULL, NULL, 0 },
	{ "usr/bin", AE_IFDIR, 0755, NULL, NULL, 0 },
	{ "usr/bin/tool", AE_IFREG, 0755, "#!/bin/sh\n", NULL, 0 },
	{ "usr/bin-extra", AE_IFREG, 0644, "between a directory and what is in it", NULL, 0 },
	{ "usr/empty", AE_IFREG, 0640, "", NULL, 0 },
	{ "opt/big", AE_IFREG, 0644, NULL, NULL, 200000 },
	{ "opt", AE_IFDIR, 0755, NULL, NULL, 0 },
	{ "bin", AE_IFLNK, 0777, "usr/bin", NULL, 0 },
	{ "odd name\\", AE_IFREG, 0644, "odd", NULL, 0 },
};

static int
whole_tree(void)
{
	return GNU_ARCHIVE(tree);
}

/* --- digest ------------------------------------------------------------------------------------
 */

static void
the_digest_is_that_of_the_manifest_and_of_nothing_else(void **state)
{
	/* sha256sum of the text that rootfs.h describes, by hand. */
	static const struct item items[] = { { "b", AE_IFREG, 0644, "x", NULL, 0 },
		{ "a/\x80", AE_IFLNK, 0777, "to \\", NULL, 0 },
		{ "a", AE_IFDIR, 0750, NULL, NULL, 0 } };
	static const char manifest[] =
	    "wardian-root 1\n"
	    "d 750 0 - a\n"
	    "l 777 4 - a/\\x80 -> to\\x20\\x5c\n"
	    "f 644 1 2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881 b\n"
	    "total 3 1\n";
	const struct place *p = *state;
	char path[200], command[400], *text = NULL;
	struct rootfs_info info;
	struct err e = { 0 };
	size_t n;

	import_well(p, GNU_ARCHIVE(items), &info);
	(void)snprintf(path, sizeof(path), "%s/roots/%s/manifest", p->dir, info.hex);
	assert_int_equal(fd_read_file(AT_FDCWD, path, 4096, &text, &n, &e), 0);
	assert_string_equal(text, manifest);
	free(text);
	(void)snprintf(
	    command, sizeof(command), "echo '%s  %s' | sha256sum --quiet -c", info.hex, path);
	assert_int_equal(system(command), 0);
}

static void
the_digest_does_not_depend_on_format_compression_or_order(void **state)
{
	const struct place *p = *state;
	char first[ROOTFS_HEX_SIZE] = "";

	for (int f = 0; f < FORMATS; f++)
		for (int c = 0; c < COMPRESSIONS; c++)
			for (int reverse = 0; reverse < 2; reverse++) {
				struct rootfs_info info;

				import_well(p,
				    write_archive(tree, ARRAY_LEN(tree), (enum format)f,
					(enum compression)c, reverse),
				    &info);
				assert_int_equal(info.fresh, first[0] == '\0');
				if (first[0] == '\0')
					memcpy(first, info.hex, sizeof(first));
				assert_string_equal(info.hex, first);
				assert_int_equal(roots_count(p), 1);
			}
}

static void
a_directory_has_the_digest_of_its_archive(void **state)
{
	struct place *p = *state;
	struct rootfs_info packed, copied;
	char command[400];
	int fd;

	import_well(p, whole_tree(), &packed);
	/* Other times, hard links for copies, a FIFO, other owners, write permission for all. */
	(void)snprintf(command, sizeof(command),
	    "mkdir %s/outside && cd %s/outside && cp -r %s . && chmod -R a+w . && "
	    "mkfifo opt/pipe && ln opt/big x && rm x && touch -d 2001-01-01 opt/big",
	    p->dir, p->dir, in_tree(p, packed.hex, "*"));
	assert_int_equal(system(command), 0);
	fd = openat(p->state_fd, "outside", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(fchmodat(fd, "usr/empty", 0640, 0), 0);
	import_well(p, fd, &copied);
	assert_string_equal(copied.hex, packed.hex);
	assert_false(copied.fresh);
	assert_int_equal(copied.left_out, 1);
}

static void
anything_else_changes_the_digest(void **state)
{
	const struct place *p = *state;
	struct item items[ARRAY_LEN(tree)];
	struct rootfs_info info;
	int n = 0;

	import_well(p, whole_tree(), &info);
	for (size_t i = 0; i < ARRAY_LEN(tree); i++) {
		memcpy(items, tree, sizeof(items));
		if (tree[i].type == AE_IFDIR || tree[i].type == AE_IFREG)
			items[i].mode ^= 0050;
		else
			items[i].text = "usr/bim";
		import_well(p, GNU_ARCHIVE(items), &info);
		assert_true(info.fresh);
		n++;
	}
	memcpy(items, tree, sizeof(items));
	items[3].name = "usr/bin-extrb";
	import_well(p, GNU_ARCHIVE(items), &info);
	memcpy(items, tree, sizeof(items));
	items[2].text = "#!/bin/si\n";
	import_well(p, GNU_ARCHIVE(items), &info);
	assert_int_equal(roots_count(p), n + 3);
}

/* --- crashes ------------------------------------------------------------------------------------
 */

/* A process that imports from a pipe which never ends; its pid when it has begun. */
static pid_t
start_stuck_import(const struct place *p, int *ret_pipe)
{
	AUTO_FD int archive = whole_tree();
	char block[4096];
	int ends[2];
	pid_t pid;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(read(archive, block, sizeof(block)), (ssize_t)sizeof(block));
	assert_int_equal(write(ends[1], block, sizeof(block)), (ssize_t)sizeof(block));
	pid = fork();
	if (pid == 0) {
		struct rootfs_info info;
		struct err e = { 0 };

		close(ends[1]);
		_exit(rootfs_import(p->roots_fd, ends[0], &roomy, &info, &e) == 0 ? 0 : 1);
	}
	close(ends[0]);
	*ret_pipe = ends[1];
	for (int i = 0; i < 1000 && roots_count(p) == 0; i++)
		usleep(1000);
	return pid;
}

static void
what_a_killed_import_left_goes_at_the_next_start(void **state)
{
	struct place *p = *state;
	struct err e = { 0 };
	int pipe_end, fd = -1;
	pid_t pid = start_stuck_import(p, &pipe_end);

	/* Not while it is alive. */
	assert_int_equal(rootfs_open(p->state_fd, &fd, &e), 0);
	fd_close(&fd);
	assert_int_equal(roots_count(p), 1);

	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(pipe_end);
	assert_int_equal(roots_count(p), 1);
	assert_int_equal(rootfs_open(p->state_fd, &fd, &e), 0);
	fd_close(&fd);
	assert_int_equal(roots_count(p), 0);
}

static void
two_imports_of_the_same_at_once_make_one_root(void **state)
{
	const struct place *p = *state;
	struct rootfs_info info;
	struct err e = { 0 };
	pid_t pids[4];

	for (size_t i = 0; i < ARRAY_LEN(pids); i++) {
		int fd = whole_tree(); /* a descriptor of its own: they share no position */

		pids[i] = fork();
		if (pids[i] == 0)
			_exit(rootfs_import(p->roots_fd, fd, &roomy, &info, &e) == 0 ? 0 : 1);
		close(fd);
	}
	for (size_t i = 0; i < ARRAY_LEN(pids); i++) {
		int status = -1;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(roots_count(p), 1);
}

/* --- verify ------------------------------------------------------------------------------------
 */

static void
verify_finds_every_change(void **state)
{
	static const struct {
		const char *command; /* in tree/ */
		const char *says;
	} list[] = {
		{ "printf y | dd of=opt/big bs=1 seek=100000 conv=notrunc status=none",
		    "'opt/big'" },
		{ "printf y >>usr/empty", "'usr/empty'" },
		{ "chmod 0777 usr/bin/tool", "'usr/bin/tool'" },
		{ "chmod 0700 opt", "'opt'" },
		{ "rm usr/empty", "" },
		{ "rm odd*", "" },
		{ "rm -r usr", "missing" },
		{ "echo new >new", "'new'" },
		{ "echo new >zzz", "'zzz'" },
		{ "ln -sfn usr/bim bin", "'bin'" },
		{ "rm usr/bin/tool && mkdir usr/bin/tool", "'usr/bin/tool'" },
		{ "rm usr/empty && mkfifo usr/empty", "neither a file" },
		{ "chmod u+w ../manifest && echo more >>../manifest", "manifest" },
		{ "chmod u+w ../manifest && sed -i s/bin-extra/bin-extrb/ ../manifest",
		    "bin-extra" },
		{ "sed -i s/bin-extra/bin-extrb/ ../manifest && mv usr/bin-extra usr/bin-extrb",
		    "both were changed" },
	};
	struct place *p = *state;

	for (size_t i = 0; i < ARRAY_LEN(list); i++) {
		struct rootfs_info info;
		char command[600];
		struct err e = { 0 };

		import_well(p, whole_tree(), &info);
		assert_int_equal(rootfs_verify(p->roots_fd, info.hex, &info, &e), 0);
		assert_int_equal(info.entries, (int64_t)ARRAY_LEN(tree));
		(void)snprintf(command, sizeof(command), "cd %s && %s", in_tree(p, info.hex, ""),
		    list[i].command);
		assert_int_equal(system(command), 0);
		if (rootfs_verify(p->roots_fd, info.hex, &info, &e) == 0)
			fail_msg("not found: %s", list[i].command);
		if (e.code != ERR_CONFLICT || strstr(e.msg, list[i].says) == NULL)
			fail_msg("%s: %s", list[i].command, e.msg);
		e = (struct err){ 0 };
		assert_int_equal(rootfs_remove(p->roots_fd, info.hex, &e), 0);
	}
}

static void
verify_finds_another_owner(void **state)
{
	struct place *p = *state;
	struct rootfs_info info;
	struct err e = { 0 };

	if (geteuid() != 0)
		skip();
	import_well(p, whole_tree(), &info);
	assert_int_equal(chown(in_tree(p, info.hex, "usr/empty"), 12345, -1), 0);
	assert_int_equal(rootfs_verify(p->roots_fd, info.hex, &info, &e), -1);
	assert_non_null(strstr(e.msg, "another user"));
}

/* --- the directory of roots --------------------------------------------------------------------
 */

static void
a_directory_that_somebody_else_may_change_is_refused(void **state)
{
	struct place *p = *state;
	struct err e = { 0 };
	int fd = -1;

	assert_int_equal(fchmod(p->roots_fd, 0775), 0);
	assert_int_equal(rootfs_open(p->state_fd, &fd, &e), -1);
	assert_int_equal(e.code, ERR_DENIED);
	assert_int_equal(fchmod(p->roots_fd, 0755), 0);
	assert_int_equal(renameat(p->state_fd, "roots", p->state_fd, "outside"), 0);
	assert_int_equal(symlinkat("outside", p->state_fd, "roots"), 0);
	assert_int_equal(rootfs_open(p->state_fd, &fd, &e), -1);
	assert_int_equal(unlinkat(p->state_fd, "roots", 0), 0);
	if (geteuid() != 0)
		return;
	assert_int_equal(mkdirat(p->state_fd, "roots", 0755), 0);
	assert_int_equal(fchownat(p->state_fd, "roots", 12345, 12345, 0), 0);
	e = (struct err){ 0 };
	assert_int_equal(rootfs_open(p->state_fd, &fd, &e), -1);
	assert_int_equal(e.code, ERR_DENIED);
	/* It is not taken over either. */
	assert_int_equal(unlinkat(p->state_fd, "roots", AT_REMOVEDIR), 0);
}

static void
a_list_tells_what_each_root_holds(void **state)
{
	static const struct item other[] = { { "x", AE_IFREG, 0644, "12345", NULL, 0 } };
	const struct place *p = *state;
	struct rootfs_info all[8], a, b;
	struct err e = { 0 };
	size_t n = 0;

	import_well(p, whole_tree(), &a);
	import_well(p, GNU_ARCHIVE(other), &b);
	assert_int_equal(rootfs_list(p->roots_fd, all, ARRAY_LEN(all), &n, &e), 0);
	assert_int_equal(n, 2);
	assert_true(strcmp(all[0].hex, all[1].hex) < 0);
	for (size_t i = 0; i < n; i++) {
		const struct rootfs_info *want = strcmp(all[i].hex, a.hex) == 0 ? &a : &b;

		assert_string_equal(all[i].hex, want->hex);
		assert_int_equal(all[i].entries, want->entries);
		assert_int_equal(all[i].bytes, want->bytes);
		assert_int_equal(all[i].imported_wall_us, want->imported_wall_us);
	}
	assert_int_equal(b.bytes, 5);
}

static void
programs_are_found_as_the_sandbox_would_find_them(void **state)
{
	static const struct item items[] = { { "usr/bin/tool", AE_IFREG, 0755, "x", NULL, 0 },
		{ "usr/bin/text", AE_IFREG, 0644, "x", NULL, 0 },
		{ "usr/bin/abs", AE_IFLNK, 0777, "/usr/bin/tool", NULL, 0 },
		{ "usr/bin/out", AE_IFLNK, 0777, "../../../../../../bin/sh", NULL, 0 },
		{ "bin", AE_IFLNK, 0777, "usr/bin", NULL, 0 } };
	const struct place *p = *state;
	struct rootfs_info info;

	import_well(p, GNU_ARCHIVE(items), &info);
	assert_int_equal(rootfs_has_program(p->roots_fd, info.hex, "/usr/bin/tool"), 1);
	assert_int_equal(rootfs_has_program(p->roots_fd, info.hex, "/bin/abs"), 1);
	assert_int_equal(rootfs_has_program(p->roots_fd, info.hex, "/usr/bin/text"), 0);
	assert_int_equal(rootfs_has_program(p->roots_fd, info.hex, "/usr/bin"), 0);
	assert_int_equal(rootfs_has_program(p->roots_fd, info.hex, "/usr/bin/out"), 0);
	assert_int_equal(rootfs_has_program(p->roots_fd, "../../etc", "/passwd"), -1);
	info.hex[0] = info.hex[0] == '0' ? '1' : '0';
	assert_int_equal(rootfs_has_program(p->roots_fd, info.hex, "/usr/bin/tool"), -1);
}

static void
a_root_goes_as_a_whole_but_not_while_it_is_locked(void **state)
{
	const struct place *p = *state;
	struct rootfs_info info;
	struct err e = { 0 };
	int fd;

	import_well(p, whole_tree(), &info);
	fd = open(in_tree(p, info.hex, ""), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_SH), 0);
	assert_int_equal(rootfs_remove(p->roots_fd, info.hex, &e), -1);
	assert_int_equal(e.code, ERR_IN_USE);
	close(fd);
	e = (struct err){ 0 };
	if (rootfs_remove(p->roots_fd, info.hex, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(roots_count(p), 0);
	assert_int_equal(rootfs_remove(p->roots_fd, info.hex, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_int_equal(rootfs_remove(p->roots_fd, "..", &e), -1);
	assert_int_equal(e.code, ERR_USAGE);
}

/* In a child, because there is no way back. */
static int
behind_the_fence(const struct place *p)
{
	static const struct item items[] = { { "a/x", AE_IFREG, 0644, "x", NULL, 0 },
		{ "b/x", AE_IFREG, 0644, NULL, "a/x", 0 } };
	int source = GNU_ARCHIVE(items);
	struct rootfs_info info;
	struct err e = { 0 };

	if (rootfs_fence(p->roots_fd, &e) < 0)
		return 2;
	if (openat(p->state_fd, "new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0 ||
	    mkdirat(p->state_fd, "outside", 0700) == 0 || open("/dev/null", O_WRONLY) >= 0)
		return 3;
	if (rootfs_import(p->roots_fd, source, &roomy, &info, &e) < 0)
		return 4;
	return rootfs_remove(p->roots_fd, info.hex, &e) < 0 ? 5 : 0;
}

static void
behind_the_fence_everything_works_and_nothing_else_can_be_written(void **state)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(behind_the_fence(*state));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_digest_is_that_of_the_manifest_and_of_nothing_else),
		TEST(the_digest_does_not_depend_on_format_compression_or_order),
		TEST(a_directory_has_the_digest_of_its_archive),
		TEST(anything_else_changes_the_digest),
		TEST(what_a_killed_import_left_goes_at_the_next_start),
		TEST(two_imports_of_the_same_at_once_make_one_root),
		TEST(verify_finds_every_change),
		TEST(verify_finds_another_owner),
		TEST(a_directory_that_somebody_else_may_change_is_refused),
		TEST(a_list_tells_what_each_root_holds),
		TEST(programs_are_found_as_the_sandbox_would_find_them),
		TEST(a_root_goes_as_a_whole_but_not_while_it_is_locked),
		TEST(behind_the_fence_everything_works_and_nothing_else_can_be_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
