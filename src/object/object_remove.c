/* SPDX-License-Identifier: Apache-2.0 */
#include "object.h"
#include "object_internal.h"

#include "fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/openat2.h>

/*
 * One descriptor walks the tree: down into a directory that is not empty, up again by "..".  Links
 * are removed, never followed; mount points stop the removal (RESOLVE_NO_XDEV), since what is
 * mounted there is not ours.  Somebody may move the current directory while we are in it, so every
 * step up is checked against the directory that was left on the way down.
 */
enum {
	REMOVE_LEVELS_MAX =
	    1 << 20,                /* 16 MiB of memory; a tree that deep fills gigabytes of disk */
	REMOVE_STEPS_MAX = 1 << 26, /* entries looked at: many times the inodes a job may have */
	REMOVE_ROUNDS_MAX = 8       /* of a writer that is still alive */
};

struct level {
	dev_t dev;
	ino_t ino;
};
struct removal {
	int fd;               /* the directory that we are in */
	struct level *levels; /* those above it, the top first */
	size_t n, cap;
	uint32_t steps;
};

static int
remove_err(int sys, struct err *e)
{
	return err_sys(e, sys, "cannot remove a directory of a run");
}

/* A job may take its own directories' permissions away; their owner may give them back. */
static void
make_accessible(int dirfd, const char *name)
{
	AUTO_FD int fd = object_openat2(dirfd, name, O_PATH | O_DIRECTORY, RESOLVE_NO_XDEV);
	char link[40];

	/* fchmod(2) refuses O_PATH descriptors; their link in /proc leads to the directory itself.
	 */
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd); /* fits any int */
	if (fd >= 0)
		(void)chmod(link, 0700); /* the open that follows tells whether it helped */
}

static int
open_child(int dirfd, const char *name)
{
	const int flags = O_RDONLY | O_DIRECTORY;
	int fd = object_openat2(dirfd, name, flags, RESOLVE_NO_XDEV);
	struct stat st;

	if (fd < 0 && errno == EACCES) {
		make_accessible(dirfd, name);
		fd = object_openat2(dirfd, name, flags, RESOLVE_NO_XDEV);
	}
	if (fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & S_IRWXU) != S_IRWXU)
		(void)fchmod(fd, 0700); /* unlinkat tells whether it helped */
	return fd;
}

/* Removes anything but a directory that is not empty; -1 with errno. */
static int
unlink_any(int dirfd, const char *name)
{
	if (unlinkat(dirfd, name, 0) == 0)
		return 0;
	/* EISDIR is Linux's word for it; EPERM, POSIX's, stands for a file that may not be removed.
	 */
	if (errno != EISDIR)
		return -1;
	return unlinkat(dirfd, name, AT_REMOVEDIR);
}

/*
 * Empties the current directory up to the first directory in it that is not empty: 1 with its name
 * in child, 0 when all is gone, -1 with errno.
 */
static int
sweep(struct removal *r, char child[static NAME_MAX + 1])
{
	int fd = openat(r->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), result = 0, saved;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (dir == NULL) {
		fd_close(&fd);
		return -1;
	}
	while (result == 0 && (entry = readdir(dir)) != NULL) {
		const char *name = entry->d_name;

		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			continue;
		if (r->steps++ == REMOVE_STEPS_MAX) {
			errno = EBUSY;
			result = -1;
		} else if (unlink_any(r->fd, name) < 0 && errno != ENOENT) {
			result = errno == ENOTEMPTY || errno == EEXIST ? 1 : -1;
			(void)snprintf(child, NAME_MAX + 1, "%s", name); /* d_name is no longer */
		}
	}
	saved = errno;
	closedir(dir);
	errno = saved;
	return result;
}

static int
push_level(struct removal *r)
{
	struct stat st;

	if (r->n == r->cap) {
		size_t cap = r->cap == 0 ? 64 : 2 * r->cap;
		struct level *more;

		if (cap > REMOVE_LEVELS_MAX) {
			errno = ENAMETOOLONG;
			return -1;
		}
		more = realloc(r->levels, cap * sizeof(*more));
		if (more == NULL)
			return -1;
		r->levels = more;
		r->cap = cap;
	}
	if (fstat(r->fd, &st) < 0)
		return -1;
	r->levels[r->n++] = (struct level){ st.st_dev, st.st_ino };
	return 0;
}

/* -1 with errno. */
static int
descend(struct removal *r, const char *name)
{
	int fd = open_child(r->fd, name);

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	if (push_level(r) < 0) {
		fd_close(&fd);
		return -1;
	}
	fd_close(&r->fd);
	r->fd = fd;
	return 0;
}

/* -1 with errno; ESTALE when the directory was moved away. */
static int
climb(struct removal *r)
{
	struct level above = r->levels[r->n - 1];
	AUTO_FD int fd = openat(r->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	if (st.st_dev != above.dev || st.st_ino != above.ino) {
		errno = ESTALE;
		return -1;
	}
	r->n--;
	fd_close(&r->fd);
	r->fd = fd_take(&fd);
	return 0;
}

/* Empties the directory `name`; -1 with errno. */
static int
empty_tree(int dirfd, const char *name)
{
	struct removal r = { .fd = open_child(dirfd, name) };
	char child[NAME_MAX + 1];
	int result = r.fd < 0 ? -1 : 0;

	while (result == 0) {
		result = sweep(&r, child);
		if (result > 0)
			result = descend(&r, child);
		else if (result == 0 && r.n == 0)
			break;
		else if (result == 0)
			result = climb(&r);
	}
	fd_close(&r.fd);
	free(r.levels); /* keeps errno since glibc 2.33 */
	return result;
}

static int
remove_name(int dirfd, const char *name, struct err *e)
{
	for (int round = 0; round < REMOVE_ROUNDS_MAX; round++) {
		if (unlink_any(dirfd, name) == 0 || errno == ENOENT)
			return 0;
		if (errno != ENOTEMPTY && errno != EEXIST)
			return remove_err(errno, e);
		if (empty_tree(dirfd, name) < 0 && errno != ESTALE && errno != ENOENT)
			return remove_err(errno, e);
	}
	return remove_err(EBUSY, e);
}

int
object_remove_tree(int dirfd, const char *name, struct err *e)
{
	const char *slash = strrchr(name, '/'), *why;
	char parent[PATH_MAX] = ".";
	AUTO_FD int fd = -1;

	if (!object_path_valid(name, &why))
		return err_set(e, ERR_INVALID, "The path to remove %s", why);
	if (slash != NULL) {
		memcpy(parent, name, (size_t)(slash - name)); /* CAP_PATH_BYTES is less */
		name = slash + 1;
	}
	fd = object_openat2(dirfd, parent, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return remove_err(errno, e);
	return remove_name(fd, name, e);
}
