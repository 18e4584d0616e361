/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulation's own way from the keeper to its program, a column of steps after clone.  It is
 * made before the order comes and shares memory and descriptors with the keeper, which sleeps until
 * the exec takes them apart; so it touches nothing of the C library that keeps state: ids and
 * capabilities are set by plain system calls, which the library's wrappers would try to spread over
 * threads.  (CLONE_VFORK would do for the sleep, too, but counts as load of the host.)
 *
 * Whatever does not depend on the run was done before the order came: by the zygote (limits, large
 * filter) and the cell (mounts, namespaces, bounding set, Landlock's rules, small filter). Entering
 * the control groups comes late: from there on everything is billed, and nothing before it.  At the
 * end every wall is looked at once more.
 */
#include "keeper_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	ALL_SIGNALS_BYTES = 8, /* of the kernel's signal set */
};

/* Everything that needs no order, and what to look at when there is one: in /proc a process is
 * looked up for the first time here. */
static int
step_session(struct keeper *k)
{
	k->groups_fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
	return k->groups_fd < 0 || syscall(SYS_setsid) < 0 ? -1 : 0;
}

static int
step_cgroup_enter(struct keeper *k)
{
	for (uint32_t i = 0; i < k->order.n_enter; i++)
		if (write(KEEPER_FD_ENTER + (int)i, "0", 1) != 1)
			return -1;
	return 0;
}

static int
step_cpu_set(struct keeper *k)
{
	return cpu_set_apply(k->order.cpu_set);
}

static int
step_landlock(struct keeper *k)
{
	if (k->landlock_fd < 0)
		return 0;
	return (int)syscall(SYS_landlock_restrict_self, k->landlock_fd, 0);
}

static int
set_limit(int resource, rlim_t want, rlim_t max)
{
	const rlim_t value = want < max ? want : max;
	const struct rlimit limit = { value, value };

	return (int)syscall(SYS_prlimit64, 0, resource, &limit, NULL);
}

static int
step_limits(struct keeper *k)
{
	const struct sandbox_limits *l = &k->order.limits;
	const uint64_t no_signals = 0;

	/* Stdin is /dev/null from the zygote on, stdout and stderr are the cell's pipes, and
	 * nothing else is left after the exec; until then the entries of the control groups are. */
	if (syscall(SYS_close_range, 3, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		return -1;
	if (set_limit(RLIMIT_NOFILE, (rlim_t)l->open_files, k->files_max) < 0 ||
	    set_limit(RLIMIT_FSIZE, (rlim_t)l->scratch_bytes, k->size_max) < 0)
		return -1;
	(void)umask(022);
	if (chdir("/work") < 0)
		return -1;
	return (int)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &no_signals, NULL, ALL_SIGNALS_BYTES);
}

static int
step_credentials(struct keeper *k)
{
	return k->rights->become_sim(k);
}

int
sim_filter(const struct keeper *k)
{
	const struct sock_fprog program = { .len = (unsigned short)k->n_filter,
		.filter = (struct sock_filter *)(uintptr_t)k->filter };

	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

static int
step_seccomp(struct keeper *k)
{
	return k->late_filter ? sim_filter(k) : 0;
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
	return true;
}

/* Each layer of the filter refuses in its own way something that the kernel would answer otherwise:
 * without the large one keyctl would not know the request, without the small one clone3 would find
 * no arguments. */
static bool
filters_hold(void)
{
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 &&
	       prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == SECCOMP_MODE_FILTER &&
	       syscall(SYS_keyctl, -1) < 0 && errno == EPERM && syscall(SYS_clone3, NULL, 0) < 0 &&
	       errno == ENOSYS;
}

/* Anybody may make a character device with the number 0 (mknod(2), whiteouts): only Landlock says
 * no. */
static bool
landlock_holds(const struct keeper *k)
{
	return k->landlock_fd < 0 ||
	       (syscall(SYS_mknodat, AT_FDCWD, "/work/.landlock", S_IFCHR, 0) < 0 &&
		   errno == EACCES);
}

/* Lines of "number:controllers:path" that end with the run's group. */
static uint32_t
lines_in_group(const char *text, size_t n, const char *group)
{
	const size_t length = strlen(group);
	uint32_t found = 0;

	for (size_t at = 0; at < n; at++)
		if (text[at] == '\n' && at > length && text[at - length - 1] == '/' &&
		    memcmp(text + at - length, group, length) == 0)
			found++;
	return found;
}

static bool
in_groups(struct keeper *k)
{
	const ssize_t n = pread(k->groups_fd, k->text, sizeof(k->text), 0);

	return n > 0 && lines_in_group(k->text, (size_t)n, k->order.group) == k->order.n_enter;
}

/* What a kernel says that it did is believed only when it shows: fail closed. */
static int
step_read_back(struct keeper *k)
{
	if (ids_are(SYS_getresuid, KEEPER_SIM_UID) && ids_are(SYS_getresgid, KEEPER_SIM_UID) &&
	    k->rights->sim_holds(k) && caps_are_empty() && filters_hold() && landlock_holds(k) &&
	    in_groups(k))
		return 0;
	errno = EPERM;
	return -1;
}

static int
step_exec(struct keeper *k)
{
	account_exec(k);
	return (int)syscall(SYS_execve, k->launch.argv[0], k->launch.argv, k->launch.env);
}

static const struct step {
	enum sandbox_step step;
	int (*run)(struct keeper *k);
} steps[] = {
	{ SANDBOX_STEP_LAUNCH_FILE, order_launch_file },
	{ SANDBOX_STEP_LOG, order_results },
	{ SANDBOX_STEP_INPUTS, order_inputs },
	{ SANDBOX_STEP_LANDLOCK, step_landlock },
	{ SANDBOX_STEP_LIMITS, step_limits },
	{ SANDBOX_STEP_CREDENTIALS, step_credentials },
	{ SANDBOX_STEP_CGROUP_ENTER, step_cgroup_enter },
	{ SANDBOX_STEP_CPU_SET, step_cpu_set },
	{ SANDBOX_STEP_SECCOMP, step_seccomp },
	{ SANDBOX_STEP_READ_BACK, step_read_back },
	{ SANDBOX_STEP_EXEC, step_exec },
};

struct sim_start {
	struct keeper *k;
	struct sim_fault *fault;
};

/* 1 when there is something to run. */
static int
await_order(struct keeper *k)
{
	const int rc = step_session(k);

	return rc < 0 ? -1 : order_take(k);
}

static int
sim_main(void *arg)
{
	const struct sim_start *s = arg;
	struct sim_fault *f = s->fault;
	const int rc = await_order(s->k);

	if (rc < 0)
		f->sys = errno;
	else if (rc == 0)
		f->step = SANDBOX_STEP_NONE;
	for (size_t i = 0; rc > 0 && i < ARRAY_LEN(steps); i++) {
		f->step = steps[i].step;
		if (steps[i].run(s->k) == 0)
			continue;
		f->sys = errno;
		break;
	}
	_exit(1);
}

/* The kernel clears the word and wakes its sleeper when the memory is not shared any more
 * (set_tid_address(2)). */
static void
await_exec(struct keeper *k)
{
	pid_t now;

	while ((now = atomic_load(&k->sharing)) != 0)
		(void)syscall(SYS_futex, &k->sharing, FUTEX_WAIT, now, NULL); /* looked at again */
}

int
sim_start(struct keeper *k, struct sim_fault *f, struct err *e)
{
	struct sim_start s = { .k = k, .fault = f };

	f->step = SANDBOX_STEP_KEEPER;
	f->sys = 0;
	atomic_store(&k->sharing, 1);
	k->pid = clone(sim_main, k->stack + sizeof(k->stack),
	    CLONE_VM | CLONE_FILES | CLONE_CHILD_CLEARTID | SIGCHLD, &s, NULL, NULL, &k->sharing);
	if (k->pid < 0)
		return err_sys(e, errno, "cannot clone the simulation");
	await_exec(k);
	if (f->sys == 0 && f->step != SANDBOX_STEP_EXEC && f->step != SANDBOX_STEP_NONE)
		f->sys = ECHILD; /* killed on the way: the program had no part in it */
	return 0;
}
