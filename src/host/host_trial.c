/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walls of a sandbox, built for the time of a look: containers, security modules and settings
 * forbid parts of it in more ways than can be read from files.  A child in new namespaces makes the
 * file systems of a sandbox without attaching them anywhere, tells the errno of each part, and
 * ends; the namespaces and mounts end with it.  Parts that need the one before are left untried.
 */
#include "host_internal.h"

#include "clock.h"
#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TRIAL_MS = 2000 };

static const uint64_t walls =
    CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;

/* --- in the child: nothing but system calls, for its memory is a copy of a process with threads -
 */

struct setting {
	const char *name, *value;
};

static int
try_mount(const char *type, const struct setting *settings, size_t n)
{
	AUTO_FD int fs = fsopen(type, FSOPEN_CLOEXEC);
	AUTO_FD int mounted = -1;

	if (fs < 0)
		return errno;
	for (size_t i = 0; i < n; i++)
		if (fsconfig(fs, FSCONFIG_SET_STRING, settings[i].name, settings[i].value, 0) < 0)
			return errno;
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return errno;
	mounted = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	return mounted < 0 ? errno : 0;
}

static int
try_tmpfs(void)
{
	static const struct setting settings[] = { { "size", "64k" }, { "nr_inodes", "16" },
		{ "mode", "755" } };

	return try_mount("tmpfs", settings, ARRAY_LEN(settings));
}

static int
try_proc(void)
{
	static const struct setting settings[] = { { "hidepid", "invisible" },
		{ "subset", "pid" } };

	return try_mount("proc", settings, ARRAY_LEN(settings));
}

/* A copy of a tree of the host's, as it is lent to jobs. */
static int
try_loan(const char *path, uint64_t attributes)
{
	struct mount_attr attr = { .attr_set = attributes };
	AUTO_FD int fd =
	    open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (unsigned)AT_RECURSIVE);

	if (fd < 0)
		return errno;
	return mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0 ? errno
											    : 0;
}

static int
write_own(const char *path, const char *text)
{
	AUTO_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
	size_t n = strlen(text);

	if (fd < 0)
		return errno;
	return write(fd, text, n) == (ssize_t)n ? 0 : errno;
}

/* One line with one id: all that a user namespace takes from an ordinary user. */
static int
try_map(uid_t uid, gid_t gid)
{
	char users[32], groups[32];
	int sys;

	(void)snprintf(users, sizeof(users), "0 %u 1\n", uid); /* both fit */
	(void)snprintf(groups, sizeof(groups), "0 %u 1\n", gid);
	sys = write_own("/proc/self/setgroups", "deny");
	if (sys == 0)
		sys = write_own("/proc/self/uid_map", users);
	return sys != 0 ? sys : write_own("/proc/self/gid_map", groups);
}

struct child {
	bool root;
	uid_t uid;
	gid_t gid;
	int tell_fd;
};

NORETURN static void
child_main(const struct child *c)
{
	int part[HOST_PARTS] = { [HOST_PART_USER] = HOST_UNTRIED };

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!c->root)
		part[HOST_PART_USER] = try_map(c->uid, c->gid);
	/* Nothing that is mounted from here on may reach the host. */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		part[HOST_PART_NAMESPACES] = errno;
	part[HOST_PART_TMPFS] = try_tmpfs();
	part[HOST_PART_PROC] = try_proc();
	part[HOST_PART_USR] =
	    try_loan("/usr", MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	part[HOST_PART_DEVICE] = try_loan("/dev/null", MOUNT_ATTR_RDONLY);
	/* Shorter than a pipe's room: whole or not at all. */
	_exit(write(c->tell_fd, part, sizeof(part)) == (ssize_t)sizeof(part) ? 0 : 1);
}

/* --- outside ------------------------------------------------------------------------------------
 */

/* Ends and reaps the child; by its descriptor, so that no other process can be meant. */
static void
end_child(int pidfd)
{
	siginfo_t info;

	(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0); /* it may have ended */
	while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0 && errno == EINTR)
		;
}

/* A child that shares nothing: 0 in it, else its pid; -1 and errno. */
static pid_t
make_child(uint64_t flags, int *ret_pidfd)
{
	struct clone_args args = { .flags = flags | CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
		.pidfd = (uint64_t)(uintptr_t)ret_pidfd,
		.exit_signal = SIGCHLD };

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

/* 0, or the errno of making the child; what it told is in the parts then. */
static int
run_child(uint64_t flags, bool root, int part[static HOST_PARTS])
{
	struct child c = { .root = root, .uid = geteuid(), .gid = getegid() };
	AUTO_FD int pidfd = -1;
	AUTO_FD int hear_fd = -1;
	struct pollfd p;
	int ends[2], told[HOST_PARTS];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return errno;
	hear_fd = ends[0];
	c.tell_fd = ends[1];
	pid = make_child(flags, &pidfd);
	if (pid == 0)
		child_main(&c);
	if (pid < 0) {
		int sys = errno;

		(void)close(ends[1]);
		return sys;
	}
	(void)close(ends[1]);
	p = (struct pollfd){ .fd = hear_fd, .events = POLLIN };
	if (poll(&p, 1, TRIAL_MS) == 1 && read(hear_fd, told, sizeof(told)) == sizeof(told))
		memcpy(part, told, sizeof(told));
	end_child(pidfd);
	return 0;
}

/* For root the user namespaces of tenants are made apart from the others, by the spawner itself. */
static int
try_userns(void)
{
	AUTO_FD int pidfd = -1;
	pid_t pid = make_child(CLONE_NEWUSER, &pidfd);

	if (pid == 0)
		_exit(0);
	if (pid < 0)
		return errno;
	end_child(pidfd);
	return 0;
}

void
host_try_sandbox(bool root, int ret_part[static HOST_PARTS])
{
	int sys;

	for (size_t i = 0; i < HOST_PARTS; i++)
		ret_part[i] = HOST_UNTRIED;
	sys = run_child(walls | (root ? 0 : CLONE_NEWUSER), root, ret_part);
	if (sys != 0)
		ret_part[HOST_PART_NAMESPACES] = sys;
	if (root)
		ret_part[HOST_PART_USER] = try_userns();
}
