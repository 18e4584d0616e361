/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROOTFS_FIXTURE_H
#define ROOTFS_FIXTURE_H

/* A state directory with an empty roots/, and archives made of tables. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "fd.h"
#include "object.h"
#include "rootfs.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct place {
	char dir[64];
	int state_fd, roots_fd;
};

static const struct rootfs_limits roomy = { .bytes_max = 1 << 20, .files_max = 1000 };

static int
setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	struct err e = { 0 };

	(void)snprintf(p->dir, sizeof(p->dir), "/tmp/wardian-test-rootfs-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	p->state_fd = open(p->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (rootfs_open(p->state_fd, &p->roots_fd, &e) < 0)
		fail_msg("%s", e.msg);
	*state = p;
	return 0;
}

static int
teardown(void **state)
{
	struct place *p = *state;
	struct err e = { 0 };
	int r = object_remove_tree(p->state_fd, "roots", &e);

	r |= object_remove_tree(p->state_fd, "outside", &e);
	close(p->roots_fd);
	close(p->state_fd);
	r |= rmdir(p->dir); /* fails when something is beside roots/ */
	free(p);
	return r;
}

/* One entry of an archive. */
struct item {
	const char *name;
	unsigned type; /* AE_IFREG, ...; 0 with hard */
	unsigned mode;
	const char *text; /* content, or the link's target */
	const char *hard; /* name of what it is another name of */
	int64_t size;     /* instead of text: so many zeros */
};

enum compression { PLAIN, GZIP, ZSTD, XZ, COMPRESSIONS };
enum format { USTAR, GNU, PAX, FORMATS };

static void
put_item(struct archive *a, const struct item *it)
{
	static const char zeros[64 << 10];
	struct archive_entry *en = archive_entry_new();
	int64_t left = it->size != 0 ? it->size : it->text == NULL ? 0 : (int64_t)strlen(it->text);

	archive_entry_set_pathname(en, it->name);
	archive_entry_set_filetype(en, it->type);
	archive_entry_set_perm(en, (mode_t)it->mode);
	archive_entry_set_mtime(en, 1000000 + it->name[0], 0);
	archive_entry_set_uid(en, 4711);
	if (it->hard != NULL)
		archive_entry_set_hardlink(en, it->hard);
	else if (it->type == AE_IFLNK)
		archive_entry_set_symlink(en, it->text);
	else if (it->type == AE_IFREG)
		archive_entry_set_size(en, left);
	assert_true(archive_write_header(a, en) >= ARCHIVE_WARN);
	while (it->type == AE_IFREG && it->hard == NULL && left > 0) {
		size_t n = left < (int64_t)sizeof(zeros) ? (size_t)left : sizeof(zeros);

		assert_true(
		    archive_write_data(a, it->size != 0 ? zeros : it->text, n) == (ssize_t)n);
		left -= (int64_t)n;
	}
	archive_entry_free(en);
}

static int
write_archive(const struct item *items, size_t n, enum format f, enum compression c, bool reverse)
{
	int fd = memfd_create("archive", MFD_CLOEXEC);
	struct archive *a = archive_write_new();

	assert_true((f == USTAR    ? archive_write_set_format_ustar(a)
			: f == GNU ? archive_write_set_format_gnutar(a)
				   : archive_write_set_format_pax(a)) == ARCHIVE_OK);
	assert_true((c == PLAIN     ? archive_write_add_filter_none(a)
			: c == GZIP ? archive_write_add_filter_gzip(a)
			: c == ZSTD ? archive_write_add_filter_zstd(a)
				    : archive_write_add_filter_xz(a)) == ARCHIVE_OK);
	assert_int_equal(archive_write_open_fd(a, fd), ARCHIVE_OK);
	for (size_t i = 0; i < n; i++)
		put_item(a, &items[reverse ? n - 1 - i : i]);
	assert_int_equal(archive_write_close(a), ARCHIVE_OK);
	archive_write_free(a);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

#define GNU_ARCHIVE(items) write_archive((items), ARRAY_LEN(items), GNU, PLAIN, false)

/* Closes source_fd. */
static void
import_well(const struct place *p, int source_fd, struct rootfs_info *ret)
{
	struct err e = { 0 };

	if (rootfs_import(p->roots_fd, source_fd, &roomy, ret, &e) < 0)
		fail_msg("%s", e.msg);
	close(source_fd);
}

/* Number of entries in roots/, working names included. */
static int
roots_count(const struct place *p)
{
	DIR *d = fdopendir(openat(p->roots_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	const struct dirent *en;
	int n = -2;

	assert_non_null(d);
	while ((en = readdir(d)) != NULL)
		n++;
	closedir(d);
	return n;
}

static const char *
in_tree(const struct place *p, const char *hex, const char *path)
{
	static char full[512];

	(void)snprintf(full, sizeof(full), "%s/roots/%s/tree/%s", p->dir, hex, path);
	return full;
}

#endif
