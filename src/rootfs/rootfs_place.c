/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory <state>/roots.  Unfinished work has a name with a dot in front and is locked by who
 * works on it, so that what nobody locks any more is what a crash has left.
 */
#include "rootfs_internal.h"

#include "fd.h"
#include "id.h"
#include "object.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum {
	INCOMING_TRIES = 4, /* each fails only when a sweep comes between two calls */
	SWEEP_MAX = 1024,
	MOUNTINFO_MAX = 16 << 20 /* 100,000 mounts */
};

static int
check_owner(int fd, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "cannot look at the directory of roots");
	if (st.st_uid != geteuid())
		return err_set(e, ERR_DENIED,
		    "The directory roots in the state directory belongs to uid %u, not to you "
		    "(%u); on "
		    "a node whose spawner runs as root, run this as root, after moving away what "
		    "root "
		    "did not make",
		    st.st_uid, geteuid());
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return err_set(e, ERR_DENIED,
		    "Others may write to the directory roots in the state directory; check what is "
		    "in "
		    "it, then: chmod 0755 roots");
	return 0;
}

int
rootfs_open(int state_dirfd, int *ret_fd, struct err *e)
{
	const bool made = mkdirat(state_dirfd, "roots", 0755) == 0;
	AUTO_FD int fd = -1;

	if (!made && errno != EEXIST)
		return err_sys(e, errno, "cannot make the directory of roots");
	/* It may be a file system of its own. */
	fd = openat(state_dirfd, "roots", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "cannot open the directory of roots");
	if (check_owner(fd, e) < 0)
		return -1;
	if (made && fchmod(fd, 0755) < 0) /* whatever the umask */
		return err_sys(e, errno, "cannot open the directory of roots to readers");
	if (rootfs_sweep(fd, e) < 0)
		return -1;
	*ret_fd = fd_take(&fd);
	return 0;
}

/* --- unfinished work ------------------------------------------------------------------------ */

int
rootfs_make_incoming(int roots_fd, char name[static ROOTFS_NAME_SIZE], int *ret_fd, struct err *e)
{
	for (int i = 0; i < INCOMING_TRIES; i++) {
		AUTO_FD int fd = -1;
		struct stat st;
		uint64_t random;

		random_bytes(&random, sizeof(random));
		(void)snprintf(name, ROOTFS_NAME_SIZE, ".incoming-%016jx", (uintmax_t)random);
		if (mkdirat(roots_fd, name, 0700) < 0)
			return err_sys(e, errno, "cannot make a directory for the import");
		fd = rootfs_openat(roots_fd, name, O_RDONLY | O_DIRECTORY);
		if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || fstat(fd, &st) < 0 ||
		    st.st_nlink == 0)
			continue;
		*ret_fd = fd_take(&fd);
		return 0;
	}
	return err_set(e, ERR_BUSY, "The directory for the import is taken away; try again");
}

static int
sweep_one(int roots_fd, const char *name, struct err *e)
{
	AUTO_FD int fd = rootfs_openat(roots_fd, name, O_RDONLY | O_DIRECTORY);

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return 0; /* gone, or worked on */
	return object_remove_tree(roots_fd, name, e);
}

int
rootfs_sweep(int roots_fd, struct err *e)
{
	int fd = openat(roots_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *d;

	if (dir == NULL) {
		err_sys(e, errno, "cannot read the directory of roots");
		fd_close(&fd);
		return -1;
	}
	for (int i = 0; rc == 0 && i < SWEEP_MAX && (d = readdir(dir)) != NULL; i++)
		if (strncmp(d->d_name, ".incoming-", 10) == 0 ||
		    strncmp(d->d_name, ".removing-", 10) == 0)
			rc = sweep_one(roots_fd, d->d_name, e);
	closedir(dir);
	return rc;
}

/* --- in use --------------------------------------------------------------------------------- */

/* 1, 0, or -1 and errno.  A sandbox has the digest in its mount options (root_pick.c); a process
 * that has ended has nothing mounted. */
static int
mounted_by(int proc_fd, const char *pid, const char *hex)
{
	char path[32];
	AUTO_FREE char *text = NULL;
	struct err e = { 0 };
	size_t n;

	if (strlen(pid) > 16)
		return 0;
	(void)snprintf(path, sizeof(path), "%.16s/mountinfo", pid);
	if (fd_read_file(proc_fd, path, MOUNTINFO_MAX, &text, &n, &e) < 0) {
		errno = e.sys;
		return e.sys == ENOENT || e.sys == ESRCH || e.sys == EINVAL ? 0 : -1;
	}
	return text != NULL && strstr(text, hex) != NULL;
}

int
rootfs_mounted(const char *hex, struct err *e)
{
	const struct dirent *d;
	DIR *dir = opendir("/proc");
	int rc = 0;

	if (dir == NULL)
		return err_sys(e, errno, "cannot read /proc");
	while (rc == 0 && (d = readdir(dir)) != NULL)
		if (d->d_name[0] >= '1' && d->d_name[0] <= '9')
			rc = mounted_by(dirfd(dir), d->d_name, hex);
	if (rc < 0)
		err_sys(e, errno, "cannot see what sandboxes use");
	closedir(dir);
	return rc;
}
