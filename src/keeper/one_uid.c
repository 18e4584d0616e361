/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeper and simulation as one user of the host, told apart by user namespaces: the mounts, network
 * and processes belong to the spawner's, the keeper stands in the tenant's below it, and the
 * simulation in one of its own below that, where no capability of anybody reaches the other two.
 * The kernel's checks between two processes of one user (ptrace, its files in /proc) want
 * capabilities in the other's namespace, too; signals want none, so the keeper looks where they
 * come from (watch.c) and the filter lets nobody send it any (seccomp.def).
 *
 * The simulation's namespace is made while the cell still has the rights to mount, since its ids
 * are written through a /proc that must be read-only afterwards; it is entered by its descriptor,
 * in the moment in which the simulation comes to be.
 */
#include "rights.h"

#include "keeper_internal.h"

#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEXT_OF(number) #number
#define MAP_OF(number) TEXT_OF(number) " 0 1\n"
_Static_assert(KEEPER_SIM_UID == 1000, "the map below says so");
static const char sim_map[] = MAP_OF(1000);

enum { OVERFLOW_ID = 65534 /* of whom a map does not name */ };

static int
take_group(const struct keeper *k)
{
	(void)k;
	return 0; /* the keeper is the daemon's own user */
}

/* --- the simulation's user namespace ------------------------------------------------------------
 */

/* A child with its own memory and the caller's descriptors, which waits meanwhile. */
static pid_t
make_child(uint64_t flags)
{
	struct clone_args args = { .flags = flags | CLONE_FILES | CLONE_VFORK,
		.exit_signal = SIGCHLD };

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

/* 0, or -1 with the errno that the child ended with. */
static int
reap(pid_t pid)
{
	siginfo_t info = { 0 };

	if (pid < 0 || waitid(P_PID, (id_t)pid, &info, WEXITED) < 0)
		return -1;
	if (info.si_code == CLD_EXITED && info.si_status == 0)
		return 0;
	errno = info.si_code == CLD_EXITED ? info.si_status : ECHILD;
	return -1;
}

NORETURN static void
end_child(int rc)
{
	_exit(rc >= 0 ? 0 : errno > 0 && errno < 256 ? errno : EINVAL);
}

static int
write_map(const char *path)
{
	AUTO_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
	const size_t n = sizeof(sim_map) - 1;

	return fd >= 0 && write(fd, sim_map, n) == (ssize_t)n ? 0 : -1;
}

/* In the new namespace: gives it its one id and leaves a descriptor of it. */
static int
hold_namespace(int place)
{
	AUTO_FD int fd = -1;

	if (write_map("/proc/self/uid_map") < 0 || write_map("/proc/self/gid_map") < 0)
		return -1;
	fd = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -1 : dup3(fd, place, O_CLOEXEC);
}

/* In a child that may leave the spawner's namespace for the tenant's. */
static int
make_below_tenant(int place)
{
	pid_t pid;

	if (setns(KEEPER_FD_USERNS, CLONE_NEWUSER) < 0)
		return -1;
	pid = make_child(CLONE_NEWUSER);
	if (pid == 0)
		end_child(hold_namespace(place));
	return reap(pid);
}

static int
make_namespace(int *ret_fd)
{
	AUTO_FD int place = fcntl(KEEPER_FD_STATUS, F_DUPFD_CLOEXEC, KEEPER_FD_ZYGOTE_END);
	pid_t pid;

	if (place < 0)
		return -1;
	pid = make_child(0);
	if (pid == 0)
		end_child(make_below_tenant(place));
	if (reap(pid) < 0)
		return -1;
	*ret_fd = fd_take(&place);
	return 0;
}

static int
mount_proc(struct keeper *k)
{
	if (cell_mount_proc(0) < 0 || make_namespace(&k->sim_ns_fd) < 0)
		return -1;
	if (cell_has_gpus())
		return 0;
	return mount(NULL, "/proc", NULL,
	    MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

/* That the simulation is in another one shows in its ids, which only its own map has. */
static bool
cell_holds(const struct keeper *k)
{
	struct stat st;

	return stat(keeper_ns_paths[KEEPER_NS_USER], &st) == 0 &&
	       st.st_ino != k->zygote.worker_ns[KEEPER_NS_USER];
}

/* --- the simulation ------------------------------------------------------------------------- */

/* The kernel counts a user's processes for each user namespace; set inside, so that only those in
 * this one count against it. */
static int
limit_processes(const struct sandbox_limits *l)
{
	const struct rlimit limit = { (rlim_t)l->processes, (rlim_t)l->processes };

	return (int)syscall(SYS_prlimit64, 0, RLIMIT_NPROC, &limit, NULL);
}

static int
drop_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct none[2] = { { 0 }, { 0 } };

	return bounding_set_empty() < 0 ? -1 : (int)syscall(SYS_capset, &head, none);
}

static int
become_sim(const struct keeper *k)
{
	if (syscall(SYS_setns, k->sim_ns_fd, CLONE_NEWUSER) < 0)
		return -1;
	if (limit_processes(&k->order.limits) < 0)
		return -1;
	return drop_capabilities();
}

/* Groups of the user that started the spawner can be neither given up nor used by name: what the
 * map does not name shows as nobody's. */
static bool
groups_are_foreign(const struct keeper *k)
{
	gid_t *groups = (gid_t *)(uintptr_t)k->buffer; /* not used yet */
	const long n = syscall(SYS_getgroups, sizeof(k->buffer) / sizeof(*groups), groups);

	for (long i = 0; i < n; i++)
		if (groups[i] != OVERFLOW_ID && groups[i] != KEEPER_SIM_UID)
			return false;
	return n >= 0;
}

static bool
sim_holds(const struct keeper *k)
{
	return groups_are_foreign(k) && bounding_set_is_empty();
}

const struct rights rights_one_uid = { .sim_uid = KEEPER_UID,
	.late_filter = true,
	.take_group = take_group,
	.mount_proc = mount_proc,
	.cell_holds = cell_holds,
	.become_sim = become_sim,
	.sim_holds = sim_holds };
