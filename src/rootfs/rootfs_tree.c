/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes from an archive is hostile: a name is taken apart here, and the kernel's RESOLVE_
 * flags keep each parent below the tree and off every link, whatever was unpacked before.  Nothing
 * is ever replaced or written to twice, so what an entry stands for does not depend on those before
 * it.
 */
#include "rootfs_internal.h"

#include "fd.h"
#include "parse.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int
rootfs_openat(int dir_fd, const char *path, int flags)
{
	const struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC | O_NOFOLLOW),
		.resolve =
		    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};

	return (int)syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
}

/* --- names ---------------------------------------------------------------------------------- */

static int
bad_name(const char *name, const char *why, struct err *e)
{
	char echo[PARSE_ECHO_SIZE];

	return err_set(e, ERR_INVALID, "The entry '%s' %s", parse_echo(name, echo), why);
}

int
rootfs_path_clean(const char *name, char out[static PATH_MAX], struct err *e)
{
	size_t n = 0, depth = 0, len;

	if (name[0] == '/')
		return bad_name(
		    name, "has an absolute name; make the archive with relative ones", e);
	for (const char *p = name; *p != '\0'; p += len + (p[len] == '/')) {
		len = strcspn(p, "/");
		if (len == 0 || (len == 1 && p[0] == '.'))
			continue;
		if (len == 2 && p[0] == '.' && p[1] == '.')
			return bad_name(name, "has '..' in its name, which could lead outside", e);
		if (len > NAME_MAX || n + len + 2 > PATH_MAX)
			return bad_name(name, "has a name that no file system can hold", e);
		if (++depth > ROOTFS_DEPTH_MAX)
			return bad_name(name, "lies in more than 128 directories", e);
		if (n > 0)
			out[n++] = '/';
		memcpy(out + n, p, len);
		n += len;
	}
	out[n] = '\0';
	return 0;
}

int
rootfs_tree_count(struct rootfs_tree *t, const char *path, int64_t bytes, struct err *e)
{
	char echo[PARSE_ECHO_SIZE];

	if (t->entries >= t->limits.files_max)
		return err_set(e, ERR_TOO_LARGE,
		    "There are more than %lld entries; raise sandbox.root_files_max if this is "
		    "meant",
		    (long long)t->limits.files_max);
	if (bytes < 0 || bytes > t->limits.bytes_max - t->bytes)
		return err_set(e, ERR_TOO_LARGE,
		    "With '%s' there are more than %lld bytes; raise sandbox.root_bytes_max if "
		    "this "
		    "is meant",
		    parse_echo(path, echo), (long long)t->limits.bytes_max);
	t->entries++;
	t->bytes += bytes;
	return 0;
}

/* --- making --------------------------------------------------------------------------------- */

static int
cannot(int sys, const char *path, struct err *e)
{
	if (sys == EEXIST)
		return bad_name(path, "is there twice", e);
	if (sys == ELOOP || sys == ENOTDIR)
		return bad_name(path, "lies below a symbolic link or a file, or in its place", e);
	err_sys(e, sys, "cannot unpack an entry");
	return -1;
}

/* After rootfs_openat has said ENOENT, which it says only when no link is among those on the way
 * that are there. */
static int
make_directories(struct rootfs_tree *t, const char *path, struct err *e)
{
	char part[PATH_MAX];

	for (size_t n = 0;; n++) {
		n += strcspn(path + n, "/");
		memcpy(part, path, n);
		part[n] = '\0';
		if (mkdirat(t->fd, part, 0755) < 0) {
			if (errno != EEXIST)
				return cannot(errno, path, e);
		} else if (rootfs_tree_count(t, part, 0, e) < 0) {
			return -1;
		} else if (fchmodat(t->fd, part, 0755, 0) < 0) { /* whatever the umask */
			return err_sys(e, errno, "cannot set the mode of a directory");
		}
		if (path[n] == '\0')
			return 0;
	}
}

/* Opens the directory `path`, making those on the way that are not there. */
static int
open_directory(struct rootfs_tree *t, const char *path, int *ret_fd, struct err *e)
{
	int fd = rootfs_openat(t->fd, path[0] == '\0' ? "." : path, O_RDONLY | O_DIRECTORY);

	if (fd < 0 && errno == ENOENT) {
		if (make_directories(t, path, e) < 0)
			return -1;
		fd = rootfs_openat(t->fd, path, O_RDONLY | O_DIRECTORY);
	}
	if (fd < 0)
		return cannot(errno, path, e);
	*ret_fd = fd;
	return 0;
}

/* Opens the directory that the last component lies in. */
static int
open_parent(
    struct rootfs_tree *t, const char *path, int *ret_fd, const char **ret_name, struct err *e)
{
	const char *slash = strrchr(path, '/');
	char parent[PATH_MAX] = "";

	if (path[0] == '\0')
		return bad_name(".", "stands for the top and must be a directory", e);
	if (slash != NULL) {
		memcpy(parent, path, (size_t)(slash - path));
		parent[slash - path] = '\0';
	}
	if (open_directory(t, parent, ret_fd, e) < 0)
		return -1;
	*ret_name = slash == NULL ? path : slash + 1;
	return 0;
}

int
rootfs_tree_directory(struct rootfs_tree *t, const char *path, mode_t mode, struct err *e)
{
	AUTO_FD int fd = -1;

	if (path[0] == '\0')
		return 0; /* the top is ours */
	if (open_directory(t, path, &fd, e) < 0)
		return -1;
	/* Its owner must be able to fill and to remove it. */
	if (fchmod(fd, (mode & ROOTFS_MODE_MASK) | 0700) < 0)
		return err_sys(e, errno, "cannot set the mode of a directory");
	return 0;
}

int
rootfs_tree_file(struct rootfs_tree *t, const char *path, int *ret_fd, struct err *e)
{
	AUTO_FD int dir = -1;
	const char *name;
	int fd;

	if (open_parent(t, path, &dir, &name, e) < 0)
		return -1;
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return cannot(errno, path, e);
	*ret_fd = fd;
	return 0;
}

/* The time is kept because programs compare it (Python its compiled modules); no digest holds it.
 */
int
rootfs_tree_finish(
    int fd, int64_t size, mode_t mode, const struct timespec *modified, struct err *e)
{
	const struct timespec times[2] = { *modified, *modified };

	if (ftruncate(fd, size) < 0) /* a hole at the end */
		return err_sys(e, errno, "cannot set the size of a file");
	if (fchmod(fd, (mode & ROOTFS_MODE_MASK) | 0400) < 0)
		return err_sys(e, errno, "cannot set the mode of a file");
	(void)futimens(fd, times); /* a time that this file system cannot hold is no loss */
	return 0;
}

int
rootfs_tree_symlink(struct rootfs_tree *t, const char *path, const char *target, struct err *e)
{
	AUTO_FD int dir = -1;
	const char *name;

	if (target[0] == '\0' || strlen(target) >= PATH_MAX)
		return bad_name(path, "is a symbolic link without a usable target", e);
	if (open_parent(t, path, &dir, &name, e) < 0)
		return -1;
	return symlinkat(target, dir, name) < 0 ? cannot(errno, path, e) : 0;
}

int
rootfs_tree_hardlink(struct rootfs_tree *t, const char *path, const char *target, struct err *e)
{
	AUTO_FD int to = -1, dir = -1, from = rootfs_openat(t->fd, target, O_PATH);
	const char *name, *target_name;
	struct stat st;

	if (from < 0 || fstat(from, &st) < 0)
		return bad_name(path, "is a hard link to nothing that came before it", e);
	/* openat2(2): O_PATH with O_NOFOLLOW opens a link itself, and archives have links to links.
	 */
	if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
		return bad_name(path, "is a hard link to a directory", e);
	if (open_parent(t, target, &to, &target_name, e) < 0)
		return -1;
	/* Each name of a file is read for the digest, so each counts. */
	if (rootfs_tree_count(t, path, st.st_size, e) < 0 ||
	    open_parent(t, path, &dir, &name, e) < 0)
		return -1;
	return linkat(to, target_name, dir, name, 0) < 0 ? cannot(errno, path, e) : 0;
}

/* The spawner refuses to start a job in such a root (root_pick.c); it is better told at once. */
int
rootfs_tree_check_places(int tree_fd, struct err *e)
{
	static const char *const places[] = { "dev", "proc", "work", "tmp", "etc", "var", "usr" };
	struct stat st;

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		if (fstatat(tree_fd, places[i], &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    !S_ISDIR(st.st_mode))
			return bad_name(places[i],
			    "must be a directory or be left out: sandboxes put their own there", e);
	}
	return 0;
}
