/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulation's own way from the keeper to its program, a column of steps after clone.  It
 * shares memory with the keeper, which sleeps meanwhile (CLONE_VM and CLONE_VFORK), so it touches
 * nothing of the C library that keeps state: ids and capabilities are set by plain system calls,
 * which the library's wrappers would try to spread over threads.
 *
 * Entering the control groups comes first: from there on everything is billed.  Capabilities go
 * before the ids, since the bounding set can only be emptied with one; the filter comes last but
 * one, and under it every wall is looked at once more.
 */
#include "keeper_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	STACK_BYTES = 64 << 10,
	CAPS_MAX = 64,
	ALL_SIGNALS_BYTES = 8, /* of the kernel's signal set */
};

static int
step_cgroup_enter(const struct keeper *k)
{
	for (uint32_t i = 0; i < k->order.n_enter; i++)
		if (write(KEEPER_FD_ENTER + (int)i, "0", 1) != 1)
			return -1;
	return 0;
}

static int
step_landlock(const struct keeper *k)
{
	if (k->landlock_fd < 0)
		return 0;
	return (int)syscall(SYS_landlock_restrict_self, k->landlock_fd, 0);
}

/* Stdin is /dev/null, stdout and stderr the pipes, and there is nothing else. */
static int
place_fds(const struct keeper *k)
{
	int null_fd = open("/dev/null", O_RDONLY);

	if (null_fd < 0 || dup2(null_fd, 0) < 0)
		return -1;
	if (dup2(k->pipe_write[0], 1) < 0 || dup2(k->pipe_write[1], 2) < 0)
		return -1;
	return (int)syscall(SYS_close_range, 3, ~0u, 0);
}

/* Never RLIMIT_AS: interpreters reserve far more than they use, and memory is limited by its group.
 */
static int
set_limits(const struct sandbox_limits *l)
{
	const struct {
		int resource;
		rlim_t soft, hard;
	} rows[] = {
		{ RLIMIT_CORE, 0, 0 },
		{ RLIMIT_NOFILE, (rlim_t)l->open_files, (rlim_t)l->open_files },
		{ RLIMIT_FSIZE, (rlim_t)l->scratch_bytes, (rlim_t)l->scratch_bytes },
		/* The usual default; Fortran programs may ask for more. */
		{ RLIMIT_STACK, 8 << 20, 1 << 30 },
		{ RLIMIT_MEMLOCK, 8 << 20, 8 << 20 },
		{ RLIMIT_MSGQUEUE, 0, 0 },
		{ RLIMIT_SIGPENDING, 4096, 4096 },
		{ RLIMIT_NICE, 0, 0 },
		{ RLIMIT_RTPRIO, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rlimit now, want = { rows[i].soft, rows[i].hard };

		/* The host's own hard limit cannot be raised, and need not be. */
		if (syscall(SYS_prlimit64, 0, rows[i].resource, NULL, &now) < 0)
			return -1;
		if (want.rlim_max > now.rlim_max)
			want.rlim_max = now.rlim_max;
		if (want.rlim_cur > want.rlim_max)
			want.rlim_cur = want.rlim_max;
		if (syscall(SYS_prlimit64, 0, rows[i].resource, &want, NULL) < 0)
			return -1;
	}
	return 0;
}

static int
step_limits(const struct keeper *k)
{
	const uint64_t no_signals = 0;

	if (place_fds(k) < 0 || set_limits(&k->order.limits) < 0)
		return -1;
	(void)umask(022);
	if (syscall(SYS_setsid) < 0 || chdir("/work") < 0)
		return -1;
	return (int)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &no_signals, NULL, ALL_SIGNALS_BYTES);
}

static int
step_bounding_set(const struct keeper *k)
{
	(void)k;
	for (int cap = 0; cap < CAPS_MAX && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return -1;
	return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

static int
step_credentials(const struct keeper *k)
{
	(void)k;
	if (syscall(SYS_setgroups, 0, NULL) < 0)
		return -1;
	if (syscall(SYS_setresgid, KEEPER_SIM_UID, KEEPER_SIM_UID, KEEPER_SIM_UID) < 0)
		return -1;
	return (int)syscall(SYS_setresuid, KEEPER_SIM_UID, KEEPER_SIM_UID, KEEPER_SIM_UID);
}

static int
step_capabilities(const struct keeper *k)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };

	(void)k;
	return (int)syscall(SYS_capset, &head, none);
}

static int
step_no_new_privs(const struct keeper *k)
{
	(void)k;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static int
step_seccomp(const struct keeper *k)
{
	struct sock_fprog program = { .len = (unsigned short)k->n_filter, .filter = k->filter };

	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

static bool
ids_are(int call, unsigned want)
{
	unsigned id[3];

	return syscall(call, &id[0], &id[1], &id[2]) == 0 && id[0] == want && id[1] == want &&
	       id[2] == want;
}

static bool
caps_are_empty(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(data); i++)
		if ((data[i].effective | data[i].permitted | data[i].inheritable) != 0)
			return false;
	for (int cap = 0; cap < CAPS_MAX; cap++)
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
			return false;
	return true;
}

/* What a kernel says that it did is believed only when it shows: fail closed. */
static int
step_read_back(const struct keeper *k)
{
	(void)k;
	errno = EPERM;
	if (!ids_are(SYS_getresuid, KEEPER_SIM_UID) || !ids_are(SYS_getresgid, KEEPER_SIM_UID))
		return -1;
	if (syscall(SYS_getgroups, 0, NULL) != 0 || !caps_are_empty())
		return -1;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 || prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != 2)
		return -1;
	return 0;
}

static int
step_exec(const struct keeper *k)
{
	return (int)syscall(SYS_execve, k->launch.argv[0], k->launch.argv, k->launch.env);
}

struct sim_start {
	const struct keeper *k;
	struct sim_fault *fault;
};

static int
sim_main(void *arg)
{
	static const struct {
		enum sandbox_step step;
		int (*run)(const struct keeper *k);
	} steps[] = {
		{ SANDBOX_STEP_CGROUP_ENTER, step_cgroup_enter },
		{ SANDBOX_STEP_LANDLOCK, step_landlock },
		{ SANDBOX_STEP_LIMITS, step_limits },
		{ SANDBOX_STEP_CAPABILITIES, step_bounding_set },
		{ SANDBOX_STEP_CREDENTIALS, step_credentials },
		{ SANDBOX_STEP_CAPABILITIES, step_capabilities },
		{ SANDBOX_STEP_NO_NEW_PRIVS, step_no_new_privs },
		{ SANDBOX_STEP_SECCOMP, step_seccomp },
		{ SANDBOX_STEP_READ_BACK, step_read_back },
		{ SANDBOX_STEP_EXEC, step_exec },
	};
	const struct sim_start *s = arg;

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		s->fault->step = steps[i].step;
		if (steps[i].run(s->k) == 0)
			continue;
		s->fault->sys = errno;
		break;
	}
	_exit(1);
}

int
sim_start(struct keeper *k, struct sim_fault *f, struct err *e)
{
	struct sim_start s = { .k = k, .fault = f };
	char *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

	if (stack == MAP_FAILED)
		return err_sys(e, errno, "no stack for the simulation");
	f->step = SANDBOX_STEP_CLONE;
	f->sys = 0;
	/* Returns after the exec or the end of the child. */
	k->pid = clone(sim_main, stack + STACK_BYTES, CLONE_VM | CLONE_VFORK | SIGCHLD, &s);
	if (k->pid < 0)
		f->sys = errno;
	else if (f->sys == 0 && f->step != SANDBOX_STEP_EXEC)
		f->sys = ECHILD; /* killed on the way: the program had no part in it */
	(void)munmap(stack, STACK_BYTES);
	return k->pid < 0 ? err_sys(e, f->sys, "cannot clone the simulation") : 0;
}
