/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a fresh process in fresh namespaces to the keeper.  The order carries the design:
 * everything is mounted and configured while the process is still root outside, so that the mount,
 * pid, network, ipc, uts and cgroup namespaces belong to the initial user namespace; only then does
 * it enter the tenant's user namespace.  Whatever capability somebody gains in there gives nothing
 * over the walls.  A step that fails is reported and ends the process, and with it everything that
 * it built.
 */
#include "spawner_internal.h"

#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Source descriptors are moved above this before they take their fixed places. */
enum { FD_ASIDE = 64 };

/* chown and read what the simulation leaves, kill it, become it, empty its bounding set. */
static const uint64_t keeper_caps = 1u << CAP_CHOWN | 1u << CAP_DAC_OVERRIDE |
				    1u << CAP_DAC_READ_SEARCH | 1u << CAP_FOWNER | 1u << CAP_KILL |
				    1u << CAP_SETGID | 1u << CAP_SETUID | 1u << CAP_SETPCAP;

int
caps_keep(uint64_t mask)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	/* The kernel knows the last one: beyond it the answer is EINVAL. */
	for (int cap = 0; cap < 64 && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if ((mask & UINT64_C(1) << cap) == 0 && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return -1;
	if (syscall(SYS_capget, &head, data) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(data); i++) {
		data[i].permitted &= (uint32_t)(mask >> (32 * i));
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	return (int)syscall(SYS_capset, &head, data);
}

struct build {
	const struct box *b;
	int root_fd;
};

static int
step_root(struct build *u)
{
	return root_make(&u->root_fd);
}

static int
step_system(struct build *u)
{
	return root_add_system(u->root_fd);
}

static int
step_dev(struct build *u)
{
	return root_add_dev(u->root_fd);
}

static int
step_proc(struct build *u)
{
	return root_add_proc(u->root_fd);
}

static int
step_scratch(struct build *u)
{
	return root_add_scratch(u->root_fd, u->b->limits, u->b->uid + KEEPER_SIM_UID);
}

static int
step_pivot(struct build *u)
{
	return root_pivot(u->root_fd);
}

static int
step_loopback(struct build *u)
{
	struct ifreq r = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	AUTO_FD int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)u;
	return fd < 0 ? -1 : ioctl(fd, SIOCSIFFLAGS, &r);
}

static int
step_hostname(struct build *u)
{
	static const char name[] = "wardian";

	(void)u;
	if (setdomainname("", 0) < 0)
		return -1;
	return sethostname(name, sizeof(name) - 1);
}

/* The daemon's group is outside the user namespace's map: the keeper holds it to read the run
 * directory, and nothing in the sandbox can ask for it again. */
static int
step_user(struct build *u)
{
	if (setgroups(1, &u->b->group) < 0)
		return -1;
	if (setns(u->b->userns_fd, CLONE_NEWUSER) < 0)
		return -1;
	if (setresgid(KEEPER_UID, KEEPER_UID, KEEPER_UID) < 0)
		return -1;
	return setresuid(KEEPER_UID, KEEPER_UID, KEEPER_UID);
}

static int
step_capabilities(struct build *u)
{
	(void)u;
	if (caps_keep(keeper_caps) < 0)
		return -1;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* Gives every descriptor its fixed place.  A source in a place that is still to be filled would be
 * overwritten before it is used, so all of them are first copied out of the way. */
static int
place_fds(const struct box *b, int *ret_keeper_fd)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	int from[KEEPER_FD_END] = { null_fd, null_fd,
		null_fd, [KEEPER_FD_RUN] = b->run_fd, [KEEPER_FD_OUT] = b->out_fd,
		[KEEPER_FD_STATUS] = b->status_fd, [KEEPER_FD_FILTER] = b->filter_fd };

	for (int i = 0; i < CGROUP_TREES_MAX; i++)
		from[KEEPER_FD_ENTER + i] = b->enter_fd[i];
	for (int i = 0; i < CGROUP_STATS; i++)
		from[KEEPER_FD_STAT + i] = b->stat_fd[i];
	*ret_keeper_fd = fcntl(b->keeper_fd, F_DUPFD_CLOEXEC, FD_ASIDE);
	if (null_fd < 0 || *ret_keeper_fd < 0)
		return -1;
	for (int i = 0; i < KEEPER_FD_END; i++)
		if (from[i] >= 0 && (from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, FD_ASIDE)) < 0)
			return -1;
	for (int i = 0; i < KEEPER_FD_END; i++) {
		(void)close(i); /* it may not have been open */
		if (from[i] >= 0 && dup2(from[i], i) < 0)
			return -1;
	}
	return (int)syscall(SYS_close_range, KEEPER_FD_END, ~0u, CLOSE_RANGE_CLOEXEC);
}

static int
step_keeper(struct build *u)
{
	char name[] = "wardian-keeper";
	char path[ID_RUN_PATH_SIZE];
	char *argv[] = { name, path, NULL };
	char *envp[] = { NULL };
	int keeper_fd;

	(void)memccpy(path, u->b->path, '\0', sizeof(path)); /* of the same size */
	if (place_fds(u->b, &keeper_fd) < 0)
		return -1;
	return (int)syscall(SYS_execveat, keeper_fd, "", argv, envp, AT_EMPTY_PATH);
}

void
box_main(const struct box *b)
{
	static const struct {
		enum sandbox_step step;
		int (*run)(struct build *u);
	} steps[] = {
		{ SANDBOX_STEP_MOUNT_ROOT, step_root },
		{ SANDBOX_STEP_MOUNT_SYSTEM, step_system },
		{ SANDBOX_STEP_MOUNT_DEV, step_dev },
		{ SANDBOX_STEP_MOUNT_PROC, step_proc },
		{ SANDBOX_STEP_MOUNT_SCRATCH, step_scratch },
		{ SANDBOX_STEP_PIVOT, step_pivot },
		{ SANDBOX_STEP_LOOPBACK, step_loopback },
		{ SANDBOX_STEP_HOSTNAME, step_hostname },
		{ SANDBOX_STEP_USER_MAP, step_user },
		{ SANDBOX_STEP_CAPABILITIES, step_capabilities },
		{ SANDBOX_STEP_KEEPER, step_keeper },
	};
	struct keeper_report report = { .version = KEEPER_VERSION, .kind = KEEPER_FAILED };
	struct build u = { .b = b, .root_fd = -1 };
	int status_fd = fcntl(b->status_fd, F_DUPFD_CLOEXEC, FD_ASIDE);

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		if (steps[i].run(&u) == 0)
			continue;
		report.step = steps[i].step;
		report.sys = errno;
		break;
	}
	/* Nobody to tell: then the end of this process says it. */
	(void)send(status_fd, &report, sizeof(report), MSG_NOSIGNAL | MSG_DONTWAIT);
	_exit(1);
}
