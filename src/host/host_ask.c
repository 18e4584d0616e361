/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only the kernel tells.  A system call is asked for by arguments that it must refuse: any
 * answer but "no such call" means that it is there, and nothing happens.
 */
#include "host_internal.h"

#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/quota.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Flags and descriptors that are never valid. */
#define NO_FLAGS (~0u)
#define NO_FD (-1)

static const struct asked {
	const char *name;
	long number;
	long a, b, c;
} asked[HOST_SYSCALLS] = {
	{ "clone3", SYS_clone3, 0, 0, 0 }, /* arguments of no size */
	{ "pidfd_open", SYS_pidfd_open, NO_FD, 0, 0 },
	{ "pidfd_send_signal", SYS_pidfd_send_signal, NO_FD, 0, 0 },
	{ "openat2", SYS_openat2, NO_FD, 0, 0 },
	{ "close_range", SYS_close_range, 1, 0, 0 }, /* the last before the first */
	{ "memfd_create", SYS_memfd_create, 0, (long)NO_FLAGS, 0 },
	{ "fsopen", SYS_fsopen, 0, (long)NO_FLAGS, 0 },
	{ "fsmount", SYS_fsmount, NO_FD, (long)NO_FLAGS, 0 },
	{ "open_tree", SYS_open_tree, NO_FD, 0, (long)NO_FLAGS },
	{ "move_mount", SYS_move_mount, NO_FD, 0, NO_FD },
	{ "mount_setattr", SYS_mount_setattr, NO_FD, 0, (long)NO_FLAGS },
};

const char *
host_syscall_name(size_t i)
{
	return asked[i].name;
}

static int
ask_call(const struct asked *q)
{
	return syscall(q->number, q->a, q->b, q->c, 0L, 0L) < 0 ? errno : 0;
}

static int
ask_seccomp(void)
{
	const uint32_t action = SECCOMP_RET_ERRNO;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) < 0 ? errno : 0;
}

static int
ask_landlock(void)
{
	long version =
	    syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return version < 0 ? -errno : (int)version;
}

/* adjtimex(2) with nothing to change: TIME_ERROR while the clock is not kept in step. */
static bool
ask_clock(void)
{
	struct timex t = { .modes = 0 };
	int state = adjtimex(&t);

	return state >= 0 && state != TIME_ERROR && (t.status & STA_UNSYNC) == 0;
}

static int64_t
ask_cpus_allowed(void)
{
	enum { CPUS_MAX = 8192 };
	cpu_set_t *set = CPU_ALLOC(CPUS_MAX);
	size_t size = CPU_ALLOC_SIZE(CPUS_MAX);
	int64_t n = 0;

	if (set == NULL)
		return 0;
	if (sched_getaffinity(0, size, set) == 0)
		n = CPU_COUNT_S(size, set);
	CPU_FREE(set);
	return n;
}

void
host_ask_kernel(struct host_facts *ret)
{
	for (size_t i = 0; i < HOST_SYSCALLS; i++)
		ret->syscall[i] = ask_call(&asked[i]);
	ret->seccomp = ask_seccomp();
	ret->landlock = ask_landlock();
	ret->cpus = sysconf(_SC_NPROCESSORS_ONLN);
	ret->cpus_allowed = ask_cpus_allowed();
	ret->clock_in_step = ask_clock();
	host_try_sandbox(ret->uid == 0, ret->part);
}

/* --- the disk of the state directory ---------------------------------------------------------- */

/* The directory, or the nearest one above it that is there. */
static int
open_nearest(const char *path, bool *ret_exists)
{
	char at[PATH_MAX];
	int fd;

	*ret_exists = true;
	if (snprintf(at, sizeof(at), "%s", path) >= (int)sizeof(at)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	while ((fd = open(at, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0 && errno == ENOENT) {
		char *slash = strrchr(at, '/');

		*ret_exists = false;
		if (slash == NULL)
			return -1;
		slash[slash == at ? 1 : 0] = '\0'; /* at "/" itself open() has another errno */
	}
	return fd;
}

/* Whether the file system counts what a project uses: a question of the quota's state. */
static int
ask_quota(int fd)
{
#ifdef SYS_quotactl_fd
	uint32_t format;

	return syscall(SYS_quotactl_fd, fd, QCMD((unsigned)Q_GETFMT, PRJQUOTA), 0, &format) < 0
		   ? errno
		   : 0;
#else
	(void)fd;
	return ENOSYS;
#endif
}

/* An unnamed file: it is gone when its descriptor is. */
static void
try_files(int dir_fd, struct host_disk *ret)
{
	static const char value[] = "1";
	AUTO_FD int fd = openat(dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	ret->tmpfile = fd < 0 ? errno : 0;
	ret->xattr = ret->tmpfile;
	if (fd >= 0)
		ret->xattr = fsetxattr(fd, "user.wardian", value, 1, 0) < 0 ? errno : 0;
}

void
host_ask_disk(const char *state_dir, struct host_disk *ret)
{
	struct host_disk d = { 0 };
	AUTO_FD int fd = open_nearest(state_dir, &d.exists);
	AUTO_FD int readable = -1;
	struct statfs s;

	if (fd < 0 || fstatfs(fd, &s) < 0) {
		d.failed = errno;
		*ret = d;
		return;
	}
	d.bytes = (int64_t)s.f_blocks * (int64_t)s.f_bsize;
	d.bytes_free = (int64_t)s.f_bavail * (int64_t)s.f_bsize;
	d.files = (int64_t)s.f_files;
	d.files_free = (int64_t)s.f_ffree;
	d.type = (int64_t)s.f_type;
	readable = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d.quota = readable < 0 ? errno : ask_quota(readable);
	try_files(fd, &d);
	*ret = d;
}

void
host_ask_gpus(struct host_facts *ret)
{
	struct err e = { 0 };

	ret->gpus_failed = gpu_list(NULL, &ret->gpus, &e) < 0;
}
