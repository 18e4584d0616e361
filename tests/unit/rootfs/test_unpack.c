/* SPDX-License-Identifier: Apache-2.0 */
/* Archives that mean harm, and those that only look strange. */
#include "rootfs_fixture.h"

#include "rootfs_internal.h"

#include <limits.h>

#define FILE_ITEM(name)                                                                            \
	{                                                                                          \
		(name), AE_IFREG, 0644, "x", NULL, 0                                               \
	}
#define LINK_ITEM(name, target)                                                                    \
	{                                                                                          \
		(name), AE_IFLNK, 0777, (target), NULL, 0                                          \
	}
#define HARD_ITEM(name, target)                                                                    \
	{                                                                                          \
		(name), AE_IFREG, 0644, NULL, (target), 0                                          \
	}
#define DIR_ITEM(name)                                                                             \
	{                                                                                          \
		(name), AE_IFDIR, 0755, NULL, NULL, 0                                              \
	}

struct hostile {
	const char *what;
	struct item items[4];
	enum err_code code;
	const char *says;
};

static char long_name[600], deep_name[2 * 200 + 2];

static const struct hostile list[] = {
	{ "absolute", { FILE_ITEM("/etc/cron.d/x") }, ERR_INVALID, "absolute" },
	{ "absolute directory", { DIR_ITEM("/etc/x") }, ERR_INVALID, "absolute" },
	{ "up", { FILE_ITEM("../x") }, ERR_INVALID, "'..'" },
	{ "up inside", { FILE_ITEM("a/../../x") }, ERR_INVALID, "'..'" },
	{ "up and down again", { FILE_ITEM("a/../b") }, ERR_INVALID, "'..'" },
	{ "up at the end", { DIR_ITEM("a/..") }, ERR_INVALID, "'..'" },
	{ "through a link", { LINK_ITEM("a", "../../.."), FILE_ITEM("a/x") }, ERR_INVALID,
	    "symbolic link" },
	{ "through an absolute link", { LINK_ITEM("a", "/tmp"), FILE_ITEM("a/x") }, ERR_INVALID,
	    "symbolic link" },
	{ "through a link inside", { DIR_ITEM("b"), LINK_ITEM("a", "b"), FILE_ITEM("a/x") },
	    ERR_INVALID, "symbolic link" },
	{ "a directory through a link", { LINK_ITEM("a", "/tmp"), DIR_ITEM("a/b/c") }, ERR_INVALID,
	    "symbolic link" },
	{ "a directory in the place of a link", { LINK_ITEM("a", "/tmp"), DIR_ITEM("a") },
	    ERR_INVALID, "symbolic link" },
	{ "below a file", { FILE_ITEM("a"), FILE_ITEM("a/b") }, ERR_INVALID, "or a file" },
	{ "a file twice", { FILE_ITEM("a"), FILE_ITEM("a") }, ERR_INVALID, "twice" },
	{ "a file, then a link", { FILE_ITEM("a"), LINK_ITEM("a", "/etc/passwd") }, ERR_INVALID,
	    "twice" },
	{ "a link, then a file through it", { LINK_ITEM("a", "/etc/motd"), FILE_ITEM("a") },
	    ERR_INVALID, "twice" },
	{ "a directory, then a link", { DIR_ITEM("a"), LINK_ITEM("a", "/etc") }, ERR_INVALID,
	    "twice" },
	{ "the same under another name", { FILE_ITEM("a"), FILE_ITEM(".//./a") }, ERR_INVALID,
	    "twice" },
	{ "hard link out", { HARD_ITEM("a", "../../../../etc/passwd") }, ERR_INVALID, "'..'" },
	{ "hard link to an absolute name", { HARD_ITEM("a", "/etc/passwd") }, ERR_INVALID,
	    "absolute" },
	{ "hard link through a link", { LINK_ITEM("a", "/etc"), HARD_ITEM("b", "a/passwd") },
	    ERR_INVALID, "hard link" },
	{ "hard link to nothing", { HARD_ITEM("a", "b") }, ERR_INVALID, "hard link" },
	{ "hard link to a directory", { DIR_ITEM("a"), HARD_ITEM("b", "a") }, ERR_INVALID,
	    "directory" },
	{ "hard link to the top", { HARD_ITEM("b", ".") }, ERR_INVALID, "hard link" },
	{ "the top as a file", { FILE_ITEM(".") }, ERR_INVALID, "top" },
	{ "the top as a link", { LINK_ITEM(".", "/etc") }, ERR_INVALID, "top" },
	{ "dev as a link", { LINK_ITEM("dev", "/proc/sys/kernel"), FILE_ITEM("a") }, ERR_INVALID,
	    "'dev' must be a directory" },
	{ "proc as a file", { FILE_ITEM("proc") }, ERR_INVALID, "'proc'" },
	{ "work as a link", { LINK_ITEM("work", "/etc") }, ERR_INVALID, "'work'" },
	{ "tmp as a link", { LINK_ITEM("tmp", "work") }, ERR_INVALID, "'tmp'" },
	{ "etc as a link", { LINK_ITEM("etc", "usr/etc") }, ERR_INVALID, "'etc'" },
	{ "usr as a link", { LINK_ITEM("usr", "/usr"), FILE_ITEM("a") }, ERR_INVALID, "'usr'" },
	{ "nothing", { { "p", AE_IFIFO, 0644, NULL, NULL, 0 } }, ERR_INVALID, "nothing in it" },
	{ "a component too long", { FILE_ITEM(long_name) }, ERR_INVALID, "no file system" },
	{ "too deep", { FILE_ITEM(deep_name) }, ERR_INVALID, "128 directories" },
	{ "too many bytes", { { "a", AE_IFREG, 0644, NULL, NULL, (1 << 20) + 1 } }, ERR_TOO_LARGE,
	    "sandbox.root_bytes_max" },
	{ "too many bytes in links",
	    { { "a", AE_IFREG, 0644, NULL, NULL, 600000 }, HARD_ITEM("b", "a") }, ERR_TOO_LARGE,
	    "sandbox.root_bytes_max" },
};

static size_t
items_of(const struct hostile *h)
{
	size_t n = 0;

	while (n < ARRAY_LEN(h->items) && h->items[n].name != NULL)
		n++;
	return n;
}

static void
a_hostile_archive_is_refused_with_a_sentence_and_leaves_nothing(void **state)
{
	const struct place *p = *state;

	memset(long_name, 'n', sizeof(long_name) - 1);
	for (size_t i = 0; i < 200; i++)
		memcpy(deep_name + 2 * i, "d/", 2);
	deep_name[400] = 'f';
	for (size_t i = 0; i < ARRAY_LEN(list); i++) {
		const struct hostile *h = &list[i];
		AUTO_FD int fd = write_archive(h->items, items_of(h), GNU, PLAIN, false);
		struct rootfs_info info = { .entries = -1 };
		struct err e = { 0 };

		if (rootfs_import(p->roots_fd, fd, &roomy, &info, &e) == 0)
			fail_msg("accepted: %s", h->what);
		if (e.code != h->code || strstr(e.msg, h->says) == NULL)
			fail_msg("%s: %s", h->what, e.msg);
		assert_int_equal(info.entries, -1);
		assert_int_equal(roots_count(p), 0);
	}
}

static void
devices_are_left_out_and_counted(void **state)
{
	static const struct item items[] = { FILE_ITEM("a"),
		{ "null", AE_IFCHR, 0666, NULL, NULL, 0 },
		{ "disk", AE_IFBLK, 0666, NULL, NULL, 0 },
		{ "dev/fifo", AE_IFIFO, 0666, NULL, NULL, 0 } };
	struct rootfs_info info;

	import_well(*state, GNU_ARCHIVE(items), &info);
	assert_int_equal(info.left_out, 3);
	assert_int_equal(info.entries, 1);
	assert_int_equal(access(in_tree(*state, info.hex, "null"), F_OK), -1);
}

static void
dangerous_bits_are_dropped(void **state)
{
	static const struct item items[] = { { "su", AE_IFREG, 06777, "x", NULL, 0 },
		{ "d", AE_IFDIR, 07577, NULL, NULL, 0 }, { "none", AE_IFREG, 0, "x", NULL, 0 } };
	struct rootfs_info info;
	struct stat st;

	import_well(*state, GNU_ARCHIVE(items), &info);
	assert_int_equal(stat(in_tree(*state, info.hex, "su"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(st.st_uid, geteuid());
	assert_int_equal(st.st_mtime, 1000000 + 's');
	assert_int_equal(stat(in_tree(*state, info.hex, "d"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(stat(in_tree(*state, info.hex, "none"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0400);
	assert_int_equal(info.unreadable, 1);
}

static void
links_stay_as_they_are_wherever_they_lead(void **state)
{
	static const struct item items[] = { DIR_ITEM("usr/bin"), LINK_ITEM("bin", "usr/bin"),
		LINK_ITEM("var/run", "/run"), LINK_ITEM("usr/out", "../../../../etc/shadow"),
		HARD_ITEM("usr/out2", "usr/out") };
	struct rootfs_info info;
	char target[64] = "";

	import_well(*state, GNU_ARCHIVE(items), &info);
	assert_true(readlink(in_tree(*state, info.hex, "var/run"), target, sizeof(target)) == 4);
	assert_string_equal(target, "/run");
	assert_true(readlink(in_tree(*state, info.hex, "usr/out2"), target, sizeof(target)) == 22);
}

/* Bytes that no locale has, accents that normalisation would compose, a newline, 255 of them. */
static void
names_are_kept_byte_by_byte(void **state)
{
	static char longest[256];
	static const char *const names[] = { "caf\xe9\xff", "e\xcc\x81", "a\nb\\c\td ", "\x01",
		longest };
	const struct place *p = *state;

	memset(longest, 'l', 255);
	for (size_t f = GNU; f <= PAX; f++) {
		struct item items[ARRAY_LEN(names) * 2];
		struct rootfs_info info;

		for (size_t i = 0; i < ARRAY_LEN(names); i++) {
			static char second[ARRAY_LEN(names)][300];

			(void)snprintf(second[i], sizeof(second[i]), "h/%s", names[i]);
			items[2 * i] = (struct item)FILE_ITEM(names[i]);
			items[2 * i + 1] = (struct item)HARD_ITEM(second[i], names[i]);
		}
		import_well(
		    p, write_archive(items, ARRAY_LEN(items), (enum format)f, PLAIN, false), &info);
		assert_int_equal(info.entries, (int64_t)ARRAY_LEN(items) + 1);
		for (size_t i = 0; i < ARRAY_LEN(items); i++)
			if (access(in_tree(p, info.hex, items[i].name), F_OK) < 0)
				fail_msg("%s is not there", items[i].name);
	}
}

/* A million headers in 60 KB. */
static void
a_million_tiny_entries_end_at_the_limit(void **state)
{
	static const struct item pipe_item = { "p", AE_IFIFO, 0644, NULL, NULL, 0 };
	AUTO_FD int one = write_archive(&pipe_item, 1, USTAR, PLAIN, false);
	AUTO_FD int fd = memfd_create("archive", MFD_CLOEXEC);
	struct archive *a = archive_write_new();
	struct archive_entry *en = archive_entry_new();
	const struct place *p = *state;
	char block[512 * 100];
	struct rootfs_info info;
	struct err e = { 0 };

	for (size_t i = 0; i < 100; i++)
		assert_int_equal(pread(one, block + 512 * i, 512, 0), 512);
	assert_int_equal(archive_write_set_format_raw(a), ARCHIVE_OK);
	assert_int_equal(archive_write_add_filter_zstd(a), ARCHIVE_OK);
	assert_int_equal(archive_write_open_fd(a, fd), ARCHIVE_OK);
	archive_entry_set_filetype(en, AE_IFREG);
	assert_int_equal(archive_write_header(a, en), ARCHIVE_OK);
	for (int i = 0; i < 10000; i++)
		assert_true(archive_write_data(a, block, sizeof(block)) == sizeof(block));
	assert_int_equal(archive_write_close(a), ARCHIVE_OK);
	archive_write_free(a);
	archive_entry_free(en);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);

	assert_int_equal(rootfs_import(p->roots_fd, fd, &roomy, &info, &e), -1);
	assert_int_equal(e.code, ERR_TOO_LARGE);
	assert_non_null(strstr(e.msg, "sandbox.root_files_max"));
	assert_true(lseek(fd, 0, SEEK_CUR) < 1 << 20);
	assert_int_equal(roots_count(p), 0);
}

/* 1 GiB of zeros in 32 KB, announced and not. */
static void
a_bomb_is_refused_before_it_goes_off(void **state)
{
	static const struct item bomb = { "zeros", AE_IFREG, 0644, NULL, NULL, 1 << 30 };
	AUTO_FD int fd = write_archive(&bomb, 1, GNU, ZSTD, false);
	const struct place *p = *state;
	struct rootfs_info info;
	struct err e = { 0 };

	assert_true(lseek(fd, 0, SEEK_END) < 1 << 20);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(rootfs_import(p->roots_fd, fd, &roomy, &info, &e), -1);
	assert_int_equal(e.code, ERR_TOO_LARGE);
	assert_int_equal(roots_count(p), 0);
}

/* Directories that no entry announces count as well. */
static void
directories_on_the_way_count(void **state)
{
	static const struct rootfs_limits few = { .bytes_max = 1 << 20, .files_max = 10 };
	static const struct item items[] = { FILE_ITEM("a/b/c/d/e/f/g/h/i/j/k") };
	AUTO_FD int fd = GNU_ARCHIVE(items);
	const struct place *p = *state;
	struct rootfs_info info;
	struct err e = { 0 };

	assert_int_equal(rootfs_import(p->roots_fd, fd, &few, &info, &e), -1);
	assert_int_equal(e.code, ERR_TOO_LARGE);
}

static void
half_an_archive_and_none_are_refused(void **state)
{
	static const struct item items[] = { { "a", AE_IFREG, 0644, NULL, NULL, 300000 } };
	const struct place *p = *state;

	for (int c = PLAIN; c <= COMPRESSIONS; c++) {
		AUTO_FD int fd = write_archive(items, 1, GNU, c == COMPRESSIONS ? PLAIN : c, false);
		struct stat st;
		struct rootfs_info info;
		struct err e = { 0 };

		assert_int_equal(fstat(fd, &st), 0);
		if (c < COMPRESSIONS)
			assert_int_equal(ftruncate(fd, st.st_size / 2), 0);
		else
			assert_int_equal(pwrite(fd, "no archive at all", 17, 0), 17);
		assert_int_equal(rootfs_import(p->roots_fd, fd, &roomy, &info, &e), -1);
		assert_int_equal(e.code, ERR_INVALID);
		assert_non_null(strstr(e.msg, "no whole tar archive"));
		assert_int_equal(roots_count(p), 0);
	}
}

static void
clean_paths_are_relative_and_have_no_dots(void **state)
{
	static const char *const pairs[][2] = { { "a", "a" }, { "./a/", "a" },
		{ "a//b/./c///", "a/b/c" }, { ".", "" }, { "./", "" }, { "...", "..." },
		{ ".a/..b/c..", ".a/..b/c.." } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		char out[PATH_MAX];
		struct err e = { 0 };

		assert_int_equal(rootfs_path_clean(pairs[i][0], out, &e), 0);
		assert_string_equal(out, pairs[i][1]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    a_hostile_archive_is_refused_with_a_sentence_and_leaves_nothing, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(devices_are_left_out_and_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(dangerous_bits_are_dropped, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    links_stay_as_they_are_wherever_they_lead, setup, teardown),
		cmocka_unit_test_setup_teardown(names_are_kept_byte_by_byte, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_million_tiny_entries_end_at_the_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_bomb_is_refused_before_it_goes_off, setup, teardown),
		cmocka_unit_test_setup_teardown(directories_on_the_way_count, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    half_an_archive_and_none_are_refused, setup, teardown),
		cmocka_unit_test(clean_paths_are_relative_and_have_no_dots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
