/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a fresh child of the worker to a zygote: the root of one environment, the network of one
 * tenant, and then the keeper.  Everything is made while the process is still root in the initial
 * user namespace, to which mounts and network belong.  A step that fails is reported and ends the
 * process, and with it everything that it built.
 */
#include "root_pick_internal.h"
#include "spawner_internal.h"

#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Source descriptors are moved above this before they take their fixed places. */
enum { FD_ASIDE = 64 };

/* Namespaces and mounts of its cells; the way to the keeper's ids and groups, its bounding set, and
 * the owner of the scratch space. */
static const uint64_t zygote_caps = UINT64_C(1) << CAP_SYS_ADMIN | UINT64_C(1) << CAP_SETUID |
				    UINT64_C(1) << CAP_SETGID | UINT64_C(1) << CAP_SETPCAP |
				    UINT64_C(1) << CAP_CHOWN;

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
	const struct zygote_plan *p;
	int root_fd;
};

/* It ends with the worker, from the first instant. */
static int
step_life(struct build *b)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -1;
	if (getppid() == b->p->worker)
		return 0;
	errno = ECHILD;
	return -1;
}

/* What all cells inherit or make copies of must not be the worker's own. */
static int
step_network(struct build *b)
{
	static const enum keeper_ns others[] = { KEEPER_NS_NET, KEEPER_NS_MNT, KEEPER_NS_UTS };

	if (setns(b->p->net_fd, CLONE_NEWNET) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		struct stat st;

		if (stat(keeper_ns_paths[others[i]], &st) < 0)
			return -1;
		if (st.st_ino == b->p->worker_ns[others[i]]) {
			errno = EPERM;
			return -1;
		}
	}
	return 0;
}

static int
step_root(struct build *b)
{
	return root_make(&b->root_fd);
}

static int
step_system(struct build *b)
{
	return b->p->tree_fd < 0 ? root_add_system(b->root_fd) : 0;
}

static int
step_tree(struct build *b)
{
	return b->p->tree_fd < 0 ? 0 : root_add_tree(&b->root_fd, b->p->tree_fd, b->p->key->root);
}

static int
step_dev(struct build *b)
{
	return root_add_dev(b->root_fd);
}

static int
step_gpus(struct build *b)
{
	return root_add_gpus(b->root_fd, b->p->gpus, &b->p->loan);
}

/* Where nothing else limits memory, the kernel looks for its victims among the simulations, which
 * inherit this and cannot lower it; the daemon and its database are this user's, too. */
static int
step_victim(struct build *b)
{
	static const char first[] = "1000";
	AUTO_FD int fd = -1;

	if (!b->p->one_uid)
		return 0;
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	return fd >= 0 && write(fd, first, sizeof(first) - 1) == sizeof(first) - 1 ? 0 : -1;
}

static int
step_proc(struct build *b)
{
	return b->p->one_uid ? root_add_proc(b->root_fd) : 0;
}

static int
step_pivot(struct build *b)
{
	return root_pivot(b->root_fd);
}

/* Every cell's own uts namespace begins as a copy of this one. */
static int
step_hostname(struct build *b)
{
	static const char name[] = "wardian";

	(void)b;
	if (setdomainname("", 0) < 0)
		return -1;
	return sethostname(name, sizeof(name) - 1);
}

static int
step_capabilities(struct build *b)
{
	(void)b;
	return caps_keep(zygote_caps);
}

/* Gives every descriptor its fixed place.  A source in a place that is still to be filled would be
 * overwritten before it is used, so all of them are first copied out of the way. */
static int
place_fds(const struct zygote_plan *p, int *ret_keeper_fd)
{
	int from[KEEPER_FD_ZYGOTE_END];

	for (int i = 0; i < KEEPER_FD_ZYGOTE_END; i++)
		from[i] = p->null_fd;
	from[KEEPER_FD_STATUS] = p->status_fd;
	from[KEEPER_FD_USERNS] = p->user_fd;
	for (int i = 0; i < SECCOMP_LAYERS; i++)
		from[KEEPER_FD_FILTER + i] = p->filter_fd[i];
	*ret_keeper_fd = fcntl(p->keeper_fd, F_DUPFD_CLOEXEC, FD_ASIDE);
	if (*ret_keeper_fd < 0)
		return -1;
	for (int i = 0; i < KEEPER_FD_ZYGOTE_END; i++)
		if ((from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, FD_ASIDE)) < 0)
			return -1;
	for (int i = 0; i < KEEPER_FD_ZYGOTE_END; i++)
		if (dup2(from[i], i) < 0)
			return -1;
	return (int)syscall(SYS_close_range, KEEPER_FD_ZYGOTE_END, ~0u, CLOSE_RANGE_CLOEXEC);
}

static int
step_keeper(struct build *b)
{
	char name[] = KEEPER_NAME;
	char room[KEEPER_ARGS_ROOM + 1];
	char *argv[] = { name, room, NULL };
	char *envp[] = { NULL };
	int keeper_fd;

	memset(room, '-', KEEPER_ARGS_ROOM);
	room[KEEPER_ARGS_ROOM] = '\0';
	if (place_fds(b->p, &keeper_fd) < 0)
		return -1;
	return (int)syscall(SYS_execveat, keeper_fd, "", argv, envp, AT_EMPTY_PATH);
}

void
zygote_build(const struct zygote_plan *p)
{
	static const struct {
		enum sandbox_step step;
		int (*run)(struct build *b);
	} steps[] = {
		{ SANDBOX_STEP_ZYGOTE, step_life },
		{ SANDBOX_STEP_NAMESPACES, step_network },
		{ SANDBOX_STEP_LIMITS, step_victim },
		{ SANDBOX_STEP_MOUNT_ROOT, step_root },
		{ SANDBOX_STEP_MOUNT_SYSTEM, step_system },
		{ SANDBOX_STEP_ROOT, step_tree },
		{ SANDBOX_STEP_MOUNT_DEV, step_dev },
		{ SANDBOX_STEP_GPU, step_gpus },
		{ SANDBOX_STEP_MOUNT_PROC, step_proc },
		{ SANDBOX_STEP_PIVOT, step_pivot },
		{ SANDBOX_STEP_HOSTNAME, step_hostname },
		{ SANDBOX_STEP_CAPABILITIES, step_capabilities },
		{ SANDBOX_STEP_ZYGOTE, step_keeper },
	};
	struct keeper_report report = { .version = KEEPER_VERSION, .kind = KEEPER_FAILED };
	struct build b = { .p = p, .root_fd = -1 };
	int status_fd = fcntl(p->status_fd, F_DUPFD_CLOEXEC, FD_ASIDE);

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		if (steps[i].run(&b) == 0)
			continue;
		report.step = steps[i].step;
		report.sys = errno;
		break;
	}
	/* Nobody to tell: then the end of this process says it. */
	(void)send(status_fd, &report, sizeof(report), MSG_NOSIGNAL | MSG_DONTWAIT);
	_exit(1);
}
