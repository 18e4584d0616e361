/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root of a sandbox: a small tmpfs with the host's /usr and a few files of /etc, read-only; its
 * own /dev and /proc; and one tmpfs of the run's size behind /work, /tmp and /dev/shm.  All mounts
 * are made and moved by descriptor, every mount point lies in the tmpfs that was made here a moment
 * ago, and nothing of it exists in any other mount namespace.
 */
#include "spawner_internal.h"

#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

struct option {
	const char *name;
	const char *value;
};

/* A new file system as a detached mount. */
static int
mount_new(
    const char *type, const struct option *options, size_t n, unsigned attributes, int *ret_fd)
{
	AUTO_FD int fs = fsopen(type, FSOPEN_CLOEXEC);
	int fd;

	if (fs < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (fsconfig(fs, FSCONFIG_SET_STRING, options[i].name, options[i].value, 0) < 0)
			return -1;
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -1;
	fd = fsmount(fs, FSMOUNT_CLOEXEC, attributes);
	if (fd < 0)
		return -1;
	*ret_fd = fd;
	return 0;
}

static int
attach(int mount_fd, int root_fd, const char *where)
{
	return move_mount(mount_fd, "", root_fd, where, MOVE_MOUNT_F_EMPTY_PATH);
}

static int
write_small(int root_fd, const char *path, const char *text)
{
	AUTO_FD int fd = openat(root_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
	size_t n = strlen(text);

	if (fd < 0)
		return -1;
	return write(fd, text, n) == (ssize_t)n ? 0 : -1;
}

int
root_make(int *ret_fd)
{
	static const struct option options[] = { { "size", "1m" }, { "nr_inodes", "256" },
		{ "mode", "755" } };
	static const char *const dirs[] = { "usr", "etc", "dev", "proc", "work", "tmp", "var",
		"etc/openmpi" };
	static const struct option links[] = { { "bin", "usr/bin" }, { "sbin", "usr/sbin" },
		{ "lib", "usr/lib" }, { "lib64", "usr/lib64" }, { "var/tmp", "../tmp" } };
	AUTO_FD int fd = -1;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -1;
	if (mount_new("tmpfs", options, ARRAY_LEN(options), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
		&fd) < 0)
		return -1;
	/* Over the old root, below which paths are still looked up until the pivot. */
	if (attach(fd, AT_FDCWD, "/") < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		if (mkdirat(fd, dirs[i], 0755) < 0)
			return -1;
	for (size_t i = 0; i < ARRAY_LEN(links); i++)
		if (symlinkat(links[i].value, fd, links[i].name) < 0)
			return -1;
	*ret_fd = fd_take(&fd);
	return 0;
}

/* --- what the host lends -------------------------------------------------------------------------
 */

/* Only what programs of /usr need to start; nothing that names the host or its users. */
static const struct loan {
	const char *path; /* on the host; inside without the leading slash */
	bool directory;
	bool optional;
} loans[] = {
	{ "/usr", true, false },
	{ "/etc/alternatives", true, true }, /* /usr/bin has links into it */
	{ "/etc/ld.so.cache", false, true }, /* libraries outside the default directories */
	{ "/etc/localtime", false, true },
};

static const struct option written[] = {
	{ "etc/passwd",
	    "root:x:0:0:root:/work:/bin/sh\nsim:x:1000:1000:simulation:/work:/bin/sh\n" },
	{ "etc/group", "root:x:0:\nsim:x:1000:\n" },
	{ "etc/hosts", "127.0.0.1 localhost wardian\n::1 localhost\n" },
	{ "etc/hostname", "wardian\n" },
	{ "etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n" },
	{ "etc/resolv.conf", "" },
	/* No fabrics to look for; and ranks may not read each other's memory, which Open MPI would
	 * otherwise try, and complain about, for each large message. */
	{ "etc/openmpi/openmpi-mca-params.conf",
	    "btl_vader_single_copy_mechanism = none\nbtl_base_warn_component_unused = 0\n"
	    "btl = ^uct,openib,ofi\nmtl = ^ofi\npml = ^ucx\nosc = ^ucx,pt2pt\n" },
	{ "etc/openmpi/openmpi-default-hostfile", "" },
};

static int
lend(int root_fd, const struct loan *l)
{
	const char *inside = l->path + 1;
	AUTO_FD int tree = open_tree(AT_FDCWD, l->path,
	    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (l->directory ? AT_RECURSIVE : 0u));

	if (tree < 0)
		return l->optional && errno == ENOENT ? 0 : -1;
	if (l->directory) {
		if (mkdirat(root_fd, inside, 0755) < 0 && errno != EEXIST)
			return -1;
	} else if (write_small(root_fd, inside, "") < 0) {
		return -1;
	}
	return attach(tree, root_fd, inside);
}

int
root_add_system(int root_fd)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
	};

	for (size_t i = 0; i < ARRAY_LEN(loans); i++)
		if (lend(root_fd, &loans[i]) < 0)
			return -1;
	for (size_t i = 0; i < ARRAY_LEN(written); i++)
		if (write_small(root_fd, written[i].name, written[i].value) < 0)
			return -1;
	/* Recursive: a writable mount somewhere below /usr would be everybody's letter box. */
	return mount_setattr(root_fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr));
}

/* --- /dev, /proc ---------------------------------------------------------------------------- */

static const struct device {
	const char *name;
	unsigned major, minor;
} devices[] = {
	{ "null", 1, 3 },
	{ "zero", 1, 5 },
	{ "full", 1, 7 },
	{ "random", 1, 8 },
	{ "urandom", 1, 9 },
};

int
root_add_dev(int root_fd)
{
	static const struct option options[] = { { "size", "64k" }, { "nr_inodes", "32" },
		{ "mode", "755" } };
	static const struct option links[] = { { "fd", "/proc/self/fd" },
		{ "stdin", "/proc/self/fd/0" }, { "stdout", "/proc/self/fd/1" },
		{ "stderr", "/proc/self/fd/2" } };
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
	AUTO_FD int fd = -1;

	if (mount_new("tmpfs", options, ARRAY_LEN(options), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
		&fd) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(devices); i++)
		if (mknodat(fd, devices[i].name, S_IFCHR | 0666,
			makedev(devices[i].major, devices[i].minor)) < 0)
			return -1;
	for (size_t i = 0; i < ARRAY_LEN(links); i++)
		if (symlinkat(links[i].value, fd, links[i].name) < 0)
			return -1;
	if (mkdirat(fd, "shm", 0755) < 0)
		return -1;
	if (mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return -1;
	return attach(fd, root_fd, "dev");
}

int
root_add_proc(int root_fd)
{
	/* Nothing but processes, and of those only one's own: no sys, kallsyms, keys, cmdline. */
	static const struct option options[] = { { "hidepid", "invisible" }, { "subset", "pid" } };
	AUTO_FD int fd = -1;

	if (mount_new("proc", options, ARRAY_LEN(options),
		MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
		&fd) < 0)
		return -1;
	return attach(fd, root_fd, "proc");
}

/* --- scratch -------------------------------------------------------------------------------- */

static const struct scratch_dir {
	const char *name;
	const char *where;
	mode_t mode;
	bool owned; /* by the simulation */
} scratch_dirs[] = {
	{ "work", "work", 0755, true },
	{ "tmp", "tmp", 01777, false },
	{ "shm", "dev/shm", 01777, false },
};

/* Makes one directory of the scratch file system and clones it as a mount of its own. */
static int
scratch_part(int scratch_fd, const struct scratch_dir *d, uid_t owner, int *ret_fd)
{
	AUTO_FD int fd = -1;

	if (mkdirat(scratch_fd, d->name, 0700) < 0)
		return -1;
	fd = open_tree(scratch_fd, d->name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (fd < 0)
		return -1;
	if (d->owned && fchownat(fd, "", owner, owner, AT_EMPTY_PATH) < 0)
		return -1;
	/* After the change of owner, which clears bits; open_tree's descriptors are O_PATH. */
	if (fchmodat(scratch_fd, d->name, d->mode, 0) < 0)
		return -1;
	*ret_fd = fd_take(&fd);
	return 0;
}

int
root_add_scratch(int root_fd, const struct sandbox_limits *l, uid_t owner)
{
	char size[24], files[24];
	const struct option options[] = { { "size", size }, { "nr_inodes", files },
		{ "mode", "755" } };
	int parts[ARRAY_LEN(scratch_dirs)];
	AUTO_FD int fd = -1;

	/* The root and the three directories are not the simulation's. */
	(void)snprintf(files, sizeof(files), "%jd", (intmax_t)l->scratch_files + 4);
	(void)snprintf(size, sizeof(size), "%jd", (intmax_t)l->scratch_bytes);
	if (mount_new("tmpfs", options, ARRAY_LEN(options), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
		&fd) < 0)
		return -1;
	/* Kernels before 6.15 clone only from an attached mount. */
	if (attach(fd, root_fd, "work") < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (scratch_part(fd, &scratch_dirs[i], owner, &parts[i]) < 0)
			return -1;
	if (fchdir(fd) < 0 || umount2(".", MNT_DETACH) < 0 || fchdir(root_fd) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		AUTO_FD int part = parts[i];

		if (attach(part, root_fd, scratch_dirs[i].where) < 0)
			return -1;
	}
	return 0;
}

int
root_pivot(int root_fd)
{
	if (fchdir(root_fd) < 0)
		return -1;
	/* pivot_root(2): with both the same, the old root ends up on top of the new one. */
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return -1;
	if (umount2(".", MNT_DETACH) < 0)
		return -1;
	return chdir("/");
}
