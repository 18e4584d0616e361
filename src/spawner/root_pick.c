/* SPDX-License-Identifier: Apache-2.0 */
#include "root_pick_internal.h"

#include "root_mount_internal.h"
#include "spawner_internal.h"

#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { HEX_SIZE = 2 * SANDBOX_ROOT_BYTES + 1 };

/* What an environment may have only as directories: the first four are covered by mounts, and all
 * but usr by our own layer, which would hide what a link there stands for.  (`wardiand root import`
 * refuses the same.) */
static const char *const places[] = { "dev", "proc", "work", "tmp", "etc", "var", "usr" };

static void
hex_of(const uint8_t root[static SANDBOX_ROOT_BYTES], char out[static HEX_SIZE])
{
	for (size_t i = 0; i < SANDBOX_ROOT_BYTES; i++)
		(void)snprintf(out + 2 * i, 3, "%02x", root[i]);
}

/* --- finding it ----------------------------------------------------------------------------- */

/* The state directory belongs to the daemon's user, who can put anything of its own in the place of
 * roots/, but nothing that is the spawner's own. */
static int
open_own(int dir_fd, const char *name, int *ret_fd)
{
	const struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	AUTO_FD int fd = (int)syscall(SYS_openat2, dir_fd, name, &how, sizeof(how));
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	/* Without privileges of its own the spawner is an ordinary user, and so is the owner. */
	if ((st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		errno = EPERM;
		return -1;
	}
	*ret_fd = fd_take(&fd);
	return 0;
}

static int
check_places(int tree_fd)
{
	struct stat st;

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		if (fstatat(tree_fd, places[i], &st, AT_SYMLINK_NOFOLLOW) < 0) {
			if (errno != ENOENT)
				return -1;
		} else if (!S_ISDIR(st.st_mode)) {
			errno = S_ISLNK(st.st_mode) ? ELOOP : ENOTDIR;
			return -1;
		}
	}
	return 0;
}

/* Whoever removes a root locks it first and then takes its name away: with the lock, the name says
 * whether it is still whole. */
static int
still_named(int roots_fd, const char *hex, int root_fd)
{
	struct stat named, held;

	if (fstatat(roots_fd, hex, &named, AT_SYMLINK_NOFOLLOW) < 0 || fstat(root_fd, &held) < 0)
		return -1;
	if (named.st_dev == held.st_dev && named.st_ino == held.st_ino)
		return 0;
	errno = ENOENT;
	return -1;
}

int
root_pick_open(const struct spawner *s, const uint8_t root[static SANDBOX_ROOT_BYTES], int *ret_fd)
{
	AUTO_FD int roots_fd = -1, root_fd = -1, tree_fd = -1;
	char hex[HEX_SIZE];

	hex_of(root, hex);
	if (open_own(s->state_fd, "roots", &roots_fd) < 0 ||
	    open_own(roots_fd, hex, &root_fd) < 0 || open_own(root_fd, "tree", &tree_fd) < 0)
		return -1;
	if (flock(tree_fd, LOCK_SH | LOCK_NB) < 0 || still_named(roots_fd, hex, root_fd) < 0)
		return -1;
	if (check_places(tree_fd) < 0)
		return -1;
	*ret_fd = fd_take(&tree_fd);
	return 0;
}

/* --- assembling it -------------------------------------------------------------------------- */

/* Leaves the working directory in the mount. */
static int
detach(int mount_fd)
{
	return fchdir(mount_fd) < 0 ? -1 : umount2(".", MNT_DETACH);
}

static int
same_directory(int a, int b)
{
	struct stat x, y;

	if (fstat(a, &x) < 0 || fstat(b, &y) < 0)
		return -1;
	if (x.st_dev == y.st_dev && x.st_ino == y.st_ino)
		return 0;
	errno = ESTALE;
	return -1;
}

/*
 * The environment as a mount of this namespace.  A descriptor from before belongs to another
 * namespace, whose mounts cannot be cloned here, so the directory is looked up again by its path
 * and compared.  Not recursive: what the host has mounted below it stays out.
 */
static int
clone_tree(int tree_fd, int *ret_fd)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
	};
	char link[40], path[PATH_MAX];
	AUTO_FD int fd = -1;
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", tree_fd); /* fits any int */
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return -1;
	path[n] = '\0';
	fd = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
	if (fd < 0 || same_directory(fd, tree_fd) < 0)
		return -1;
	if (mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return -1;
	*ret_fd = fd_take(&fd);
	return 0;
}

/* Our layer: what is mounted upon, and the files that no environment decides about. */
static int
make_own_layer(int layers_fd)
{
	static const char *const dirs[] = { "dev", "proc", "work", "tmp", "etc", "var" };
	AUTO_FD int fd = -1;

	if (mkdirat(layers_fd, "own", 0755) < 0)
		return -1;
	fd = openat(layers_fd, "own", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		if (mkdirat(fd, dirs[i], 0755) < 0)
			return -1;
	if (symlinkat("../tmp", fd, "var/tmp") < 0)
		return -1;
	return root_write_etc(fd);
}

/* A tmpfs with both layers, put where paths below it can be told to the kernel. */
static int
make_layers(int root_fd, int tree_fd, const char *hex, int *ret_fd)
{
	static const struct mount_option options[] = { { "size", "256k" }, { "nr_inodes", "64" },
		{ "mode", "755" } };
	AUTO_FD int layers_fd = -1, tree = -1;

	if (clone_tree(tree_fd, &tree) < 0)
		return -1;
	if (mount_make("tmpfs", options, ARRAY_LEN(options), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
		&layers_fd) < 0)
		return -1;
	if (mount_attach(layers_fd, root_fd, "work") < 0 || make_own_layer(layers_fd) < 0)
		return -1;
	if (mkdirat(layers_fd, hex, 0755) < 0 || mount_attach(tree, layers_fd, hex) < 0)
		return -1;
	*ret_fd = fd_take(&layers_fd);
	return 0;
}

/* The layers are told relative to the working directory: no path of the host shows in mountinfo,
 * and the digest does, by which `wardiand root remove` sees what is in use. */
static int
make_overlay(int layers_fd, const char *hex, int *ret_fd)
{
	char lower[sizeof("own:") + HEX_SIZE];
	const struct mount_option options[] = { { "source", "environment" },
		{ "lowerdir", lower } };

	(void)snprintf(lower, sizeof(lower), "own:%s", hex);
	if (fchdir(layers_fd) < 0)
		return -1;
	return mount_make("overlay", options, ARRAY_LEN(options),
	    MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, ret_fd);
}

int
root_add_tree(int *root_fd, int tree_fd, const uint8_t root[static SANDBOX_ROOT_BYTES])
{
	AUTO_FD int layers_fd = -1, overlay_fd = -1;
	char hex[HEX_SIZE];

	hex_of(root, hex);
	if (make_layers(*root_fd, tree_fd, hex, &layers_fd) < 0)
		return -1;
	if (make_overlay(layers_fd, hex, &overlay_fd) < 0)
		return -1;
	/* The overlay has its own clones of both. */
	if (detach(layers_fd) < 0 || detach(*root_fd) < 0)
		return -1;
	if (mount_attach(overlay_fd, AT_FDCWD, "/") < 0 || fchdir(overlay_fd) < 0)
		return -1;
	fd_close(root_fd);
	*root_fd = fd_take(&overlay_fd);
	return 0;
}
