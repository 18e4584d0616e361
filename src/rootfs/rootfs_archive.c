/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tar archives; the only includer of libarchive.  Of libarchive only the parser is used: what an
 * entry's name means, and whether it may be made, is decided in rootfs_tree.c.
 *
 * The program keeps the "C" locale, in which libarchive 3.6 hands out names byte by byte; in a
 * UTF-8 locale it would compose accents, and a hard link would no longer find its target.  The
 * price is a warning for each name that is not ASCII.
 */
#include "rootfs_internal.h"

#include "fd.h"
#include "parse.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { READ_BLOCK = 128 << 10 };

static int
bad_archive(struct archive *a, struct err *e)
{
	const char *why = archive_error_string(a);
	char echo[PARSE_ECHO_SIZE];

	if (archive_errno(a) == ENOMEM)
		return err_set(e, ERR_NO_MEMORY, "There is no memory to read the archive with");
	return err_set(e, ERR_INVALID,
	    "This is no whole tar archive, plain or compressed with gzip, zstd or xz: %s",
	    parse_echo(why == NULL ? "unknown fault" : why, echo));
}

/* 1 with an entry, 0 at the end. */
static int
next(struct archive *a, struct archive_entry **ret, struct err *e)
{
	int rc = archive_read_next_header(a, ret);
	const char *why;

	if (rc == ARCHIVE_OK)
		return 1;
	if (rc == ARCHIVE_EOF)
		return 0;
	why = archive_error_string(a);
	if (rc == ARCHIVE_WARN && why != NULL && strstr(why, "can't be converted") != NULL)
		return 1;
	return bad_archive(a, e);
}

/* The blocks of a sparse file leave out its holes. */
static int
write_data(struct archive *a, int fd, int64_t size, struct err *e)
{
	const void *p;
	int64_t at;
	size_t n;
	int rc;

	while ((rc = archive_read_data_block(a, &p, &n, &at)) == ARCHIVE_OK) {
		if (at < 0 || at > size || n > (uint64_t)(size - at))
			return err_set(
			    e, ERR_INVALID, "The archive holds more of a file than it announced");
		if (lseek(fd, at, SEEK_SET) < 0)
			return err_sys(e, errno, "cannot write a file");
		if (fd_write_all(fd, p, n, e) < 0)
			return -1;
	}
	return rc == ARCHIVE_EOF ? 0 : bad_archive(a, e);
}

static int
unpack_file(struct archive *a, struct archive_entry *en, struct rootfs_tree *t, const char *path,
    struct err *e)
{
	const struct timespec modified = { .tv_sec = archive_entry_mtime(en),
		.tv_nsec = archive_entry_mtime_nsec(en) };
	const int64_t size = archive_entry_size(en);
	AUTO_FD int fd = -1;

	if (rootfs_tree_file(t, path, &fd, e) < 0 || write_data(a, fd, size, e) < 0)
		return -1;
	return rootfs_tree_finish(fd, size, archive_entry_perm(en), &modified, e);
}

static int
unpack_entry(struct archive *a, struct archive_entry *en, struct rootfs_tree *t, struct err *e)
{
	const char *name = archive_entry_pathname(en), *link = archive_entry_hardlink(en);
	char path[PATH_MAX], target[PATH_MAX];

	if (name == NULL || name[0] == '\0')
		return err_set(e, ERR_INVALID, "The archive has an entry without a name");
	if (rootfs_path_clean(name, path, e) < 0)
		return -1;
	/* What is announced counts whether it is kept or not: it has to be read. */
	if (rootfs_tree_count(t, path, archive_entry_size(en), e) < 0)
		return -1;
	if (link != NULL)
		return rootfs_path_clean(link, target, e) < 0
			   ? -1
			   : rootfs_tree_hardlink(t, path, target, e);
	switch (archive_entry_filetype(en)) {
	case AE_IFREG:
		return unpack_file(a, en, t, path, e);
	case AE_IFDIR:
		return rootfs_tree_directory(t, path, archive_entry_perm(en), e);
	case AE_IFLNK:
		name = archive_entry_symlink(en);
		return rootfs_tree_symlink(t, path, name == NULL ? "" : name, e);
	default:
		t->left_out++;
		return 0;
	}
}

static int
unpack_all(struct archive *a, struct rootfs_tree *t, struct err *e)
{
	struct archive_entry *en = NULL;
	int rc;

	while ((rc = next(a, &en, e)) > 0)
		if (unpack_entry(a, en, t, e) < 0)
			return -1;
	return rc;
}

int
rootfs_unpack(int archive_fd, struct rootfs_tree *t, struct err *e)
{
	struct archive *a = archive_read_new();
	int rc;

	if (a == NULL)
		return err_set(e, ERR_NO_MEMORY, "There is no memory to read the archive with");
	if (archive_read_support_format_tar(a) != ARCHIVE_OK ||
	    archive_read_support_filter_gzip(a) != ARCHIVE_OK ||
	    archive_read_support_filter_zstd(a) != ARCHIVE_OK ||
	    archive_read_support_filter_xz(a) != ARCHIVE_OK ||
	    archive_read_open_fd(a, archive_fd, READ_BLOCK) != ARCHIVE_OK)
		rc = bad_archive(a, e);
	else
		rc = unpack_all(a, t, e);
	(void)archive_read_free(a); /* it was only read */
	return rc;
}
