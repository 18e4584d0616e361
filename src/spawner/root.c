/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root of a tenant's sandboxes in one environment: a small tmpfs with the host's /usr and a few
 * files of /etc, read-only, and its own /dev.  All mounts are made and moved by descriptor, every
 * mount point lies in the tmpfs that was made here a moment ago, and nothing of it exists in any
 * other mount namespace.  /proc and the scratch space are each cell's own and come later.
 */
#include "root_mount_internal.h"
#include "spawner_internal.h"

#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int
root_make(int *ret_fd)
{
	static const struct mount_option options[] = { { "size", "1m" }, { "nr_inodes", "256" },
		{ "mode", "755" } };
	static const char *const dirs[] = { "usr", "etc", "dev", "proc", "work", "tmp", "var" };
	static const struct mount_option links[] = { { "bin", "usr/bin" }, { "sbin", "usr/sbin" },
		{ "lib", "usr/lib" }, { "lib64", "usr/lib64" }, { "var/tmp", "../tmp" } };
	AUTO_FD int fd = -1;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -1;
	if (mount_make("tmpfs", options, ARRAY_LEN(options), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
		&fd) < 0)
		return -1;
	/* Over the old root, below which paths are still looked up until the pivot. */
	if (mount_attach(fd, AT_FDCWD, "/") < 0)
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
	} else if (root_write_file(root_fd, inside, "") < 0) {
		return -1;
	}
	return mount_attach(tree, root_fd, inside);
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
	if (root_write_etc(root_fd) < 0)
		return -1;
	/* Recursive: a writable mount somewhere below /usr would be everybody's letter box. */
	return mount_setattr(root_fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr));
}

/* --- /dev ----------------------------------------------------------------------------------- */

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
	static const struct mount_option options[] = { { "size", "64k" }, { "nr_inodes", "32" },
		{ "mode", "755" } };
	static const struct mount_option links[] = { { "fd", "/proc/self/fd" },
		{ "stdin", "/proc/self/fd/0" }, { "stdout", "/proc/self/fd/1" },
		{ "stderr", "/proc/self/fd/2" } };
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
	AUTO_FD int fd = -1;

	if (mount_make("tmpfs", options, ARRAY_LEN(options), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
		&fd) < 0)
		return -1;
	if (mount_attach(fd, root_fd, "dev") < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(devices); i++)
		if (root_put_device(fd, devices[i].name, devices[i].major, devices[i].minor) < 0)
			return -1;
	for (size_t i = 0; i < ARRAY_LEN(links); i++)
		if (symlinkat(links[i].value, fd, links[i].name) < 0)
			return -1;
	if (mkdirat(fd, "shm", 0755) < 0)
		return -1;
	return mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr));
}

/* --- /proc ---------------------------------------------------------------------------------- */

/* First process of a pid namespace that ends with it: what it mounts shows nothing afterwards. */
NORETURN static void
proc_main(int to_fd)
{
	static const struct mount_option options[] = { { "hidepid", "invisible" },
		{ "subset", "pid" } };
	int fd = -1;

	if (mount_make("proc", options, ARRAY_LEN(options),
		MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
		&fd) < 0 ||
	    dup3(fd, to_fd, O_CLOEXEC) < 0)
		_exit(errno > 0 && errno < 256 ? errno : EINVAL);
	_exit(0);
}

/* In a user namespace the kernel lets nobody mount a /proc who does not see one already
 * (mount_namespaces(7)), and the host's goes with the pivot. */
int
root_add_proc(int root_fd)
{
	struct clone_args args = { .flags = CLONE_NEWPID | CLONE_FILES | CLONE_VFORK,
		.exit_signal = SIGCHLD };
	AUTO_FD int fd = fcntl(root_fd, F_DUPFD_CLOEXEC, 0); /* a place for the mount */
	siginfo_t info = { 0 };
	pid_t pid;

	if (fd < 0)
		return -1;
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		proc_main(fd);
	if (pid < 0 || waitid(P_PID, (id_t)pid, &info, WEXITED) < 0)
		return -1;
	if (info.si_code != CLD_EXITED || info.si_status != 0) {
		errno = info.si_code == CLD_EXITED ? info.si_status : ECHILD;
		return -1;
	}
	return mount_attach(fd, root_fd, "proc");
}

/* --- the end -------------------------------------------------------------------------------- */

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
