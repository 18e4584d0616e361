/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cell: from a fresh clone of the zygote to a finished sandbox that waits for its run.  The order
 * of the steps carries the design: everything is mounted while the process is still root outside,
 * so that the mount, pid, network, ipc, uts and cgroup namespaces belong to the initial user
 * namespace; only then does it enter the tenant's.  Whatever capability somebody gains in there
 * gives nothing over the walls.
 *
 * Nothing here depends on the run but the size of its scratch space, which the worker can change
 * later.  At the end the walls are looked at, and a cell that does not find them says so and ends.
 */
#include "keeper_internal.h"

#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PIPE_MODE = 0200, PAGE = 4096 };

/* chown and read what the simulation leaves, kill it, become it. */
static const uint32_t keeper_caps = 1u << CAP_CHOWN | 1u << CAP_DAC_OVERRIDE |
				    1u << CAP_DAC_READ_SEARCH | 1u << CAP_FOWNER | 1u << CAP_KILL |
				    1u << CAP_SETGID | 1u << CAP_SETUID;

struct cell {
	struct keeper *k;
	const struct keeper_cell *order;
};

static int
step_scratch(struct cell *c)
{
	return cell_mount_scratch(c->k->zygote.uid + c->k->rights->sim_uid, c->order->scratch_bytes,
	    c->order->scratch_files);
}

static int
step_proc(struct cell *c)
{
	return c->k->rights->mount_proc(c->k);
}

static int
step_user(struct cell *c)
{
	if (c->k->rights->take_group(c->k) < 0)
		return -1;
	if (setns(KEEPER_FD_USERNS, CLONE_NEWUSER) < 0)
		return -1;
	(void)close(KEEPER_FD_USERNS);
	if (setresgid(KEEPER_UID, KEEPER_UID, KEEPER_UID) < 0)
		return -1;
	return setresuid(KEEPER_UID, KEEPER_UID, KEEPER_UID);
}

/* The bounding set, which entering the namespace filled, is emptied here for the simulation, too:
 * it only counts at an exec, and the keeper executes nothing.  Nothing fills it again but another
 * user namespace, to which there is no way. */
static int
step_capabilities(struct cell *c)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct data[2] = { { .permitted = keeper_caps,
	    .effective = keeper_caps } };

	(void)c;
	if (bounding_set_empty() < 0 || syscall(SYS_capset, &head, data) < 0)
		return -1;
	/* A change of ids takes the host's default for this. */
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/* --- what the simulation gets --------------------------------------------------------------- */

static int
step_filter(struct cell *c)
{
	return c->k->late_filter ? 0 : sim_filter(c->k);
}

static int
step_landlock(struct cell *c)
{
	struct err e = { 0 };

	if (sim_landlock(&c->k->landlock_fd, &e) == 0)
		return 0;
	errno = e.sys;
	return -1;
}

static int
step_pipes(struct cell *c)
{
	for (int i = 0; i < STREAMS; i++) {
		int ends[2];

		/* The keeper's end alone does not block. */
		if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0 || fcntl(ends[1], F_SETFL, 0) < 0)
			return -1;
		c->k->pipe_read[i] = ends[0];
		/* So that /dev/stdout can be opened inside, for writing only. */
		if (fchown(ends[1], c->k->rights->sim_uid, c->k->rights->sim_uid) < 0 ||
		    fchmod(ends[1], PIPE_MODE) < 0 || dup2(ends[1], STDOUT_FILENO + i) < 0)
			return -1;
		(void)close(ends[1]);
	}
	return 0;
}

static int
step_signals(struct cell *c)
{
	struct err e = { 0 };

	if (watch_open_signals(&c->k->signal_fd, &e) == 0)
		return 0;
	errno = e.sys;
	return -1;
}

/* A page that is written for the first time is copied then; a cell that waits has the time for the
 * pages that it will need. */
static void
touch_pages(struct keeper *k)
{
	volatile char *const pages[] = { k->stack + sizeof(k->stack) - 1,
		k->stack + sizeof(k->stack) - PAGE, k->stack + sizeof(k->stack) - 2 * PAGE, k->text,
		k->launch_text, (char *)&k->order, (char *)&k->launch, (char *)&k->launch + PAGE,
		(char *)&k->account };
	volatile char own[3 * PAGE];

	for (size_t i = 0; i < ARRAY_LEN(pages); i++)
		*pages[i] = 0;
	for (size_t i = 0; i < sizeof(own); i += PAGE)
		own[i] = 0;
}

/* --- is it so? ------------------------------------------------------------------------------ */

static bool
mounted_with(const char *path, unsigned long flags)
{
	struct statvfs st;

	return statvfs(path, &st) == 0 && (st.f_flag & flags) == flags;
}

static bool
not_the_workers(const struct keeper_zygote *z, enum keeper_ns ns)
{
	struct stat st;

	return stat(keeper_ns_paths[ns], &st) == 0 && st.st_ino != z->worker_ns[ns];
}

/* Mounts, network and host name were looked at when the zygote was built (zygote_build.c), and
 * cells only ever go further. */
static bool
in_own_namespaces(const struct keeper *k)
{
	return getpid() == 1 && getuid() == KEEPER_UID &&
	       not_the_workers(&k->zygote, KEEPER_NS_IPC) &&
	       not_the_workers(&k->zygote, KEEPER_NS_CGROUP) && k->rights->cell_holds(k);
}

/* What holds for the cell holds for the simulation, which adds walls but no namespace of its own;
 * the rest is looked at in the simulation itself (sim.c). */
static int
step_read_back(struct cell *c)
{
	if (bounding_set_is_empty() && in_own_namespaces(c->k) &&
	    mounted_with("/", ST_RDONLY | ST_NOSUID | ST_NODEV) &&
	    mounted_with("/work", ST_NOSUID | ST_NODEV))
		return 0;
	errno = EPERM;
	return -1;
}

/* --- the order ------------------------------------------------------------------------------ */

/* READY, to a worker that wants to change the scratch space later with a descriptor of it. */
static int
tell_ready(const struct cell *c)
{
	const struct keeper_report r = { .version = KEEPER_VERSION, .kind = KEEPER_READY };
	AUTO_FD int scratch_fd = -1;
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)&r, .iov_len = sizeof(r) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (c->order->warm != 0) {
		scratch_fd = open("/work", O_PATH | O_CLOEXEC);
		if (scratch_fd < 0)
			return -1;
		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
		*CMSG_FIRSTHDR(&m) = (struct cmsghdr){
			.cmsg_len = CMSG_LEN(sizeof(int)),
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
		};
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &scratch_fd, sizeof(int));
	}
	return sendmsg(KEEPER_FD_STATUS, &m, MSG_NOSIGNAL) == sizeof(r) ? 0 : -1;
}

static int
step_ready(struct cell *c)
{
	if (c->order->warm != 0)
		touch_pages(c->k);
	return tell_ready(c);
}

void
cell_main(struct keeper *k, const struct keeper_cell *order, int status_fd)
{
	static const struct {
		enum sandbox_step step;
		int (*run)(struct cell *c);
	} steps[] = {
		{ SANDBOX_STEP_MOUNT_SCRATCH, step_scratch },
		{ SANDBOX_STEP_MOUNT_PROC, step_proc },
		{ SANDBOX_STEP_USER_MAP, step_user },
		{ SANDBOX_STEP_CAPABILITIES, step_capabilities },
		{ SANDBOX_STEP_LANDLOCK, step_landlock },
		{ SANDBOX_STEP_LOG, step_pipes },
		{ SANDBOX_STEP_LOG, step_signals },
		{ SANDBOX_STEP_SECCOMP, step_filter },
		{ SANDBOX_STEP_READ_BACK, step_read_back },
		{ SANDBOX_STEP_KEEPER, step_ready },
	};
	struct cell c = { .k = k, .order = order };

	k->late_filter = order->late_filter != 0 || k->rights->late_filter;
	k->landlock_fd = k->exit_fd = k->sim_ns_fd = -1;
	keeper_tell(k, "cell", NULL);
	/* In the place of the zygote's, which thereby is the zygote's alone. */
	if (dup3(status_fd, KEEPER_FD_STATUS, O_CLOEXEC) < 0)
		_exit(1);
	(void)close(status_fd);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		if (steps[i].run(&c) == 0)
			continue;
		(void)keeper_report(KEEPER_FAILED, steps[i].step, errno); /* or its end tells */
		_exit(1);
	}
	keeper_run(k);
}
