/* SPDX-License-Identifier: Apache-2.0 */
/* System calls that no job may make, by the group they belong to; and the tables beside x86-64's.
 */
#include "probe.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LOOP_SET = 0x4c00, LOOP_FREE = 0x4c82, IO_GROUP = 40, BIT_32 = 32 };
#define HIGH (1L << BIT_32)
#define FS_SETFLAGS 0x40086602L
#define DEDUPE 0xc0189436L
/* Header files of the oldest supported host do not know them. */
#define CALL_OPEN_TREE_ATTR 467
#define CALL_LISTMOUNT 458
#define CALL_STATMOUNT 457
#define CALL_CACHESTAT 451
#define CALL_MAP_SHADOW_STACK 453
#define CALL_LSM_SET_SELF 460

static const struct call {
	const char *group;
	const char *name;
	long nr;
	long a, b, c, d, e;
} calls[] = {
	{ "namespaces", "unshare user", SYS_unshare, CLONE_NEWUSER, 0, 0, 0, 0 },
	{ "namespaces", "unshare mount", SYS_unshare, CLONE_NEWNS, 0, 0, 0, 0 },
	{ "namespaces", "unshare pid", SYS_unshare, CLONE_NEWPID, 0, 0, 0, 0 },
	{ "namespaces", "unshare net", SYS_unshare, CLONE_NEWNET, 0, 0, 0, 0 },
	{ "namespaces", "unshare ipc", SYS_unshare, CLONE_NEWIPC, 0, 0, 0, 0 },
	{ "namespaces", "unshare uts", SYS_unshare, CLONE_NEWUTS, 0, 0, 0, 0 },
	{ "namespaces", "unshare cgroup", SYS_unshare, CLONE_NEWCGROUP, 0, 0, 0, 0 },
	{ "namespaces", "unshare time", SYS_unshare, 0x80, 0, 0, 0, 0 },
	{ "namespaces", "clone user", SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0 },
	{ "namespaces", "clone mount", SYS_clone, CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0 },
	{ "namespaces", "clone pid", SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0 },
	{ "namespaces", "clone net", SYS_clone, CLONE_NEWNET | SIGCHLD, 0, 0, 0, 0 },
	{ "namespaces", "clone ipc", SYS_clone, CLONE_NEWIPC | SIGCHLD, 0, 0, 0, 0 },
	{ "namespaces", "clone uts", SYS_clone, CLONE_NEWUTS | SIGCHLD, 0, 0, 0, 0 },
	{ "namespaces", "clone cgroup", SYS_clone, CLONE_NEWCGROUP | SIGCHLD, 0, 0, 0, 0 },
	{ "namespaces", "clone user with bit 32", SYS_clone, HIGH | CLONE_NEWUSER | SIGCHLD, 0, 0,
	    0, 0 },
	{ "namespaces", "clone3", SYS_clone3, 0, 0, 0, 0, 0 },
	{ "namespaces", "setns", SYS_setns, 0, 0, 0, 0, 0 },

	{ "mounts", "mount tmpfs", SYS_mount, ADDR("none"), ADDR("/work"), ADDR("tmpfs"), 0, 0 },
	{ "mounts", "mount proc", SYS_mount, ADDR("none"), ADDR("/work"), ADDR("proc"), 0, 0 },
	{ "mounts", "mount cgroup", SYS_mount, ADDR("none"), ADDR("/work"), ADDR("cgroup"), 0,
	    ADDR("memory") },
	{ "mounts", "mount cgroup2", SYS_mount, ADDR("none"), ADDR("/work"), ADDR("cgroup2"), 0,
	    0 },
	{ "mounts", "mount overlay", SYS_mount, ADDR("none"), ADDR("/usr"), ADDR("overlay"), 0, 0 },
	{ "mounts", "bind over /usr", SYS_mount, ADDR("/work"), ADDR("/usr"), 0, 4096, 0 },
	{ "mounts", "remount writable", SYS_mount, 0, ADDR("/usr"), 0, 32 | 4096, 0 },
	{ "mounts", "umount /proc", SYS_umount2, ADDR("/proc"), 2, 0, 0, 0 },
	{ "mounts", "pivot_root", SYS_pivot_root, ADDR("."), ADDR("."), 0, 0, 0 },
	{ "mounts", "chroot", SYS_chroot, ADDR("/work"), 0, 0, 0, 0 },
	{ "mounts", "fsopen", SYS_fsopen, ADDR("tmpfs"), 0, 0, 0, 0 },
	{ "mounts", "fspick", SYS_fspick, AT_FDCWD, ADDR("/"), 0, 0, 0 },
	{ "mounts", "fsconfig", SYS_fsconfig, 0, 0, 0, 0, 0 },
	{ "mounts", "fsmount", SYS_fsmount, 0, 0, 0, 0, 0 },
	{ "mounts", "open_tree", SYS_open_tree, AT_FDCWD, ADDR("/"), 1, 0, 0 },
	{ "mounts", "open_tree_attr", CALL_OPEN_TREE_ATTR, AT_FDCWD, ADDR("/"), 1, 0, 0 },
	{ "mounts", "move_mount", SYS_move_mount, 0, 0, 0, 0, 0 },
	{ "mounts", "mount_setattr", SYS_mount_setattr, AT_FDCWD, ADDR("/"), 0, 0, 0 },
	{ "mounts", "listmount", CALL_LISTMOUNT, 0, 0, 0, 0, 0 },
	{ "mounts", "statmount", CALL_STATMOUNT, 0, 0, 0, 0, 0 },

	{ "machinery", "bpf", SYS_bpf, 0, 0, 0, 0, 0 },
	{ "machinery", "perf_event_open", SYS_perf_event_open, 0, 0, 0, 0, 0 },
	{ "machinery", "userfaultfd", SYS_userfaultfd, 1, 0, 0, 0, 0 },
	{ "machinery", "io_uring_setup", SYS_io_uring_setup, 1, 0, 0, 0, 0 },
	{ "machinery", "io_uring_enter", SYS_io_uring_enter, 0, 0, 0, 0, 0 },
	{ "machinery", "io_uring_register", SYS_io_uring_register, 0, 0, 0, 0, 0 },
	{ "machinery", "keyctl", SYS_keyctl, 0, -3, 0, 0, 0 },
	{ "machinery", "add_key", SYS_add_key, ADDR("user"), ADDR("k"), ADDR("v"), 1, -3 },
	{ "machinery", "request_key", SYS_request_key, ADDR("user"), ADDR("k"), 0, 0, 0 },
	{ "machinery", "memfd_secret", SYS_memfd_secret, 0, 0, 0, 0, 0 },
	{ "machinery", "modify_ldt", SYS_modify_ldt, 0, 0, 0, 0, 0 },
	{ "machinery", "iopl", SYS_iopl, 3, 0, 0, 0, 0 },
	{ "machinery", "ioperm", SYS_ioperm, 0x80, 1, 1, 0, 0 },
	{ "machinery", "kexec_load", SYS_kexec_load, 0, 0, 0, 0, 0 },
	{ "machinery", "kexec_file_load", SYS_kexec_file_load, 0, 0, 0, 0, 0 },
	{ "machinery", "init_module", SYS_init_module, 0, 0, 0, 0, 0 },
	{ "machinery", "finit_module", SYS_finit_module, 0, 0, 0, 0, 0 },
	{ "machinery", "delete_module", SYS_delete_module, ADDR("x"), 0, 0, 0, 0 },
	{ "machinery", "swapon", SYS_swapon, ADDR("/work/x"), 0, 0, 0, 0 },
	{ "machinery", "swapoff", SYS_swapoff, ADDR("/work/x"), 0, 0, 0, 0 },
	{ "machinery", "reboot", SYS_reboot, 0, 0, 0, 0, 0 },
	{ "machinery", "acct", SYS_acct, 0, 0, 0, 0, 0 },
	{ "machinery", "quotactl", SYS_quotactl, 0, 0, 0, 0, 0 },
	{ "machinery", "quotactl_fd", SYS_quotactl_fd, 0, 0, 0, 0, 0 },
	{ "machinery", "syslog", SYS_syslog, 10, 0, 0, 0, 0 },
	{ "machinery", "open_by_handle_at", SYS_open_by_handle_at, AT_FDCWD, 0, 0, 0, 0 },
	{ "machinery", "name_to_handle_at", SYS_name_to_handle_at, AT_FDCWD, ADDR("/usr"), 0, 0,
	    0 },
	{ "machinery", "fanotify_init", SYS_fanotify_init, 0, 0, 0, 0, 0 },
	{ "machinery", "clock_settime", SYS_clock_settime, 0, 0, 0, 0, 0 },
	{ "machinery", "clock_adjtime", SYS_clock_adjtime, 0, 0, 0, 0, 0 },
	{ "machinery", "settimeofday", SYS_settimeofday, 0, 0, 0, 0, 0 },
	{ "machinery", "adjtimex", SYS_adjtimex, 0, 0, 0, 0, 0 },
	{ "machinery", "sethostname", SYS_sethostname, ADDR("x"), 1, 0, 0, 0 },
	{ "machinery", "setdomainname", SYS_setdomainname, ADDR("x"), 1, 0, 0, 0 },
	{ "machinery", "process_madvise", SYS_process_madvise, 0, 0, 0, 0, 0 },
	{ "machinery", "process_mrelease", SYS_process_mrelease, 0, 0, 0, 0, 0 },
	{ "machinery", "lookup_dcookie", SYS_lookup_dcookie, 0, 0, 0, 0, 0 },
	{ "machinery", "remap_file_pages", SYS_remap_file_pages, 0, 0, 0, 0, 0 },
	{ "machinery", "vmsplice", SYS_vmsplice, 1, 0, 0, 0, 0 },
	{ "machinery", "vhangup", SYS_vhangup, 0, 0, 0, 0, 0 },
	{ "machinery", "sync", SYS_sync, 0, 0, 0, 0, 0 },
	{ "machinery", "uselib", SYS_uselib, ADDR("/usr/bin/true"), 0, 0, 0, 0 },
	{ "machinery", "ustat", SYS_ustat, 0, 0, 0, 0, 0 },
	{ "machinery", "sysfs", SYS_sysfs, 3, 0, 0, 0, 0 },
	{ "machinery", "_sysctl", SYS__sysctl, 0, 0, 0, 0, 0 },
	{ "machinery", "nfsservctl", SYS_nfsservctl, 0, 0, 0, 0, 0 },
	{ "machinery", "cachestat", CALL_CACHESTAT, 0, 0, 0, 0, 0 },
	{ "machinery", "map_shadow_stack", CALL_MAP_SHADOW_STACK, 0, 4096, 0, 0, 0 },
	{ "machinery", "lsm_set_self_attr", CALL_LSM_SET_SELF, 0, 0, 0, 0, 0 },
	{ "machinery", "capset", SYS_capset, 0, 0, 0, 0, 0 },
	{ "machinery", "setgroups", SYS_setgroups, 0, 0, 0, 0, 0 },
	{ "machinery", "setuid 0", SYS_setuid, 0, 0, 0, 0, 0 },
	{ "machinery", "setgid 0", SYS_setgid, 0, 0, 0, 0, 0 },
	{ "machinery", "setresuid 0", SYS_setresuid, 0, 0, 0, 0, 0 },
	{ "machinery", "setreuid 0 -1", SYS_setreuid, 0, -1, 0, 0, 0 },

	{ "processes", "ptrace traceme", SYS_ptrace, PTRACE_TRACEME, 0, 0, 0, 0 },
	{ "processes", "ptrace seize 1", SYS_ptrace, PTRACE_SEIZE, 1, 0, 0, 0 },
	{ "processes", "ptrace attach 1", SYS_ptrace, PTRACE_ATTACH, 1, 0, 0, 0 },
	{ "processes", "process_vm_readv 1", SYS_process_vm_readv, 1, 0, 0, 0, 0 },
	{ "processes", "process_vm_writev 1", SYS_process_vm_writev, 1, 0, 0, 0, 0 },
	{ "processes", "pidfd_getfd 1", SYS_pidfd_getfd, 0, 3, 0, 0, 0 },
	{ "processes", "kcmp 1", SYS_kcmp, 1, 1, 0, 0, 0 },
	{ "processes", "move_pages 1", SYS_move_pages, 1, 0, 0, 0, 0 },
	{ "processes", "migrate_pages 1", SYS_migrate_pages, 1, 0, 0, 0, 0 },
	{ "processes", "prlimit 1", SYS_prlimit64, 1, RLIMIT_NOFILE, 0, 0, 0 },
	{ "processes", "prlimit parent", SYS_prlimit64, 2, RLIMIT_NOFILE, 0, 0, 0 },
	{ "processes", "prctl ptracer", SYS_prctl, 0x59616d61, -1, 0, 0, 0 },
	{ "processes", "prctl set mm", SYS_prctl, PR_SET_MM, 1, 0, 0, 0 },

	{ "ipc", "shmget", SYS_shmget, 0, 4096, 01600, 0, 0 },
	{ "ipc", "shmat", SYS_shmat, 0, 0, 0, 0, 0 },
	{ "ipc", "semget", SYS_semget, 0, 1, 01600, 0, 0 },
	{ "ipc", "msgget", SYS_msgget, 0, 01600, 0, 0, 0 },
	{ "ipc", "mq_open", SYS_mq_open, ADDR("q"), O_RDWR | O_CREAT, 0600, 0, 0 },
	{ "ipc", "mq_unlink", SYS_mq_unlink, ADDR("q"), 0, 0, 0, 0 },

	{ "families", "vsock", SYS_socket, 40, SOCK_STREAM, 0, 0, 0 },
	{ "families", "vsock datagram", SYS_socket, 40, SOCK_DGRAM, 0, 0, 0 },
	{ "families", "vsock with bit 32", SYS_socket, 40 | HIGH, SOCK_STREAM, 0, 0, 0 },
	{ "families", "packet", SYS_socket, AF_PACKET, SOCK_RAW, 0, 0, 0 },
	{ "families", "netlink", SYS_socket, AF_NETLINK, SOCK_RAW, 0, 0, 0 },
	{ "families", "alg", SYS_socket, 38, SOCK_SEQPACKET, 0, 0, 0 },
	{ "families", "bluetooth", SYS_socket, 31, SOCK_RAW, 1, 0, 0 },
	{ "families", "xdp", SYS_socket, 44, SOCK_RAW, 0, 0, 0 },
	{ "families", "can", SYS_socket, 29, SOCK_RAW, 1, 0, 0 },
	{ "families", "tipc", SYS_socket, 30, SOCK_SEQPACKET, 0, 0, 0 },
	{ "families", "rds", SYS_socket, 21, SOCK_SEQPACKET, 0, 0, 0 },
	{ "families", "kcm", SYS_socket, 41, SOCK_DGRAM, 0, 0, 0 },
	{ "families", "smc", SYS_socket, 43, SOCK_STREAM, 0, 0, 0 },
	{ "families", "mctp", SYS_socket, 45, SOCK_DGRAM, 0, 0, 0 },
	{ "families", "x25", SYS_socket, AF_X25, SOCK_SEQPACKET, 0, 0, 0 },
	{ "families", "socketpair of another family", SYS_socketpair, AF_INET, SOCK_STREAM, 0, 0,
	    0 },
	{ "raw", "raw ip", SYS_socket, AF_INET, SOCK_RAW, 1, 0, 0 },
	{ "raw", "raw ipv6", SYS_socket, AF_INET6, SOCK_RAW, 58, 0, 0 },
	{ "raw", "ping socket", SYS_socket, AF_INET, SOCK_DGRAM, 1, 0, 0 },
	{ "raw", "sctp", SYS_socket, AF_INET, SOCK_STREAM, 132, 0, 0 },
	{ "raw", "mptcp", SYS_socket, AF_INET, SOCK_STREAM, 262, 0, 0 },
	{ "raw", "packet type of ip", SYS_socket, AF_INET, SOCK_PACKET, 0, 0, 0 },

	{ "filters", "listener", SYS_seccomp, SECCOMP_SET_MODE_FILTER,
	    SECCOMP_FILTER_FLAG_NEW_LISTENER, 0, 0, 0 },
	{ "filters", "strict mode", SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, 0, 0, 0 },
	{ "filters", "a filter", SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, 0, 0, 0 },
	{ "filters", "a filter by prctl", SYS_prctl, PR_SET_SECCOMP, 2, 0, 0, 0 },

	{ "rulesets", "question for the version", SYS_landlock_create_ruleset, 0, 0, 1, 0, 0 },
	{ "rulesets", "a ruleset", SYS_landlock_create_ruleset, ADDR("\x01\0\0\0\0\0\0"), 8, 0, 0,
	    0 },
	{ "rulesets", "a rule", SYS_landlock_add_rule, -1, 1, 0, 0, 0 },
	{ "rulesets", "restrict without a ruleset", SYS_landlock_restrict_self, -1, 0, 0, 0, 0 },
	{ "rulesets", "restrict by another descriptor", SYS_landlock_restrict_self, 0, 0, 0, 0, 0 },
	{ "rulesets", "restrict with a flag", SYS_landlock_restrict_self, -1, 8, 0, 0, 0 },

	{ "personality", "READ_IMPLIES_EXEC", SYS_personality, 0x0400000, 0, 0, 0, 0 },
	{ "personality", "ADDR_NO_RANDOMIZE", SYS_personality, 0x0040000, 0, 0, 0, 0 },
	{ "personality", "UNAME26", SYS_personality, 0x0020000, 0, 0, 0, 0 },
	{ "personality", "LINUX32", SYS_personality, 8, 0, 0, 0, 0 },
	{ "personality", "MMAP_PAGE_ZERO", SYS_personality, 0x0100000, 0, 0, 0, 0 },
	{ "personality-allowed", "none", SYS_personality, 0, 0, 0, 0, 0 },
	{ "personality-allowed", "a question", SYS_personality, 0xffffffff, 0, 0, 0, 0 },

	{ "requests", "TIOCSTI", SYS_ioctl, 0, TIOCSTI, ADDR("x"), 0, 0 },
	{ "requests", "TIOCSTI with bit 32", SYS_ioctl, 0, TIOCSTI | HIGH, ADDR("x"), 0, 0 },
	{ "requests", "TIOCSTI with bit 63", SYS_ioctl, 0, TIOCSTI | 1L << 62, ADDR("x"), 0, 0 },
	{ "requests", "TIOCLINUX", SYS_ioctl, 0, 0x541c, ADDR("\x02"), 0, 0 },
	{ "requests", "TIOCLINUX with bit 32", SYS_ioctl, 0, 0x541c | HIGH, ADDR("\x02"), 0, 0 },
	{ "requests", "TIOCSETD", SYS_ioctl, 0, TIOCSETD, ADDR("\0\0\0"), 0, 0 },
	{ "requests", "TIOCCONS", SYS_ioctl, 0, TIOCCONS, 0, 0, 0 },
	{ "requests", "FS_IOC_SETFLAGS", SYS_ioctl, 0, FS_SETFLAGS, ADDR("\0\0\0\0\0\0\0"), 0, 0 },
	{ "requests", "LOOP_SET_FD", SYS_ioctl, 0, LOOP_SET, 0, 0, 0 },
	{ "requests", "LOOP_CTL_GET_FREE", SYS_ioctl, 0, LOOP_FREE, 0, 0, 0 },
	{ "requests", "FIDEDUPERANGE", SYS_ioctl, 0, DEDUPE, 0, 0, 0 },
	{ "requests", "a random request", SYS_ioctl, 0, 0xdeadbeef, 0, 0, 0 },

	{ "watches", "inotify_init1", SYS_inotify_init1, 0, 0, 0, 0, 0 },
	{ "watches", "inotify_init", SYS_inotify_init, 0, 0, 0, 0, 0 },
	{ "watches", "lease", SYS_fcntl, 0, F_SETLEASE, F_RDLCK, 0, 0 },
	{ "watches", "directory notice", SYS_fcntl, 0, F_NOTIFY, 2, 0, 0 },

	{ "nodes", "mknod null", SYS_mknod, ADDR("/work/null"), 020666, 0x103, 0, 0 },
	{ "nodes", "mknod mem", SYS_mknod, ADDR("/work/mem"), 020666, 0x101, 0, 0 },
	{ "nodes", "mknod disk", SYS_mknod, ADDR("/work/disk"), 060666, 0xfe00, 0, 0 },
	{ "nodes", "mknodat kvm", SYS_mknodat, AT_FDCWD, ADDR("/work/kvm"), 020666, IO_GROUP, 0 },
	{ "nodes", "whiteout", SYS_mknod, ADDR("/work/w"), 020000, 0, 0, 0 },
};

static long
one_call(const void *arg)
{
	const struct call *c = arg;
	const long rc = syscall(c->nr, c->a, c->b, c->c, c->d, c->e, 0L);

	if (rc == 0 && c->nr == SYS_clone)
		_exit(0);
	return rc;
}

int
act_calls(char **argv)
{
	for (; *argv != NULL; argv++)
		for (size_t i = 0; i < LEN(calls); i++)
			if (strcmp(calls[i].group, *argv) == 0)
				fact_child(calls[i].name, one_call, &calls[i]);
	return 0;
}

/* --- other tables ----------------------------------------------------------------------------- */

static long
call_int80(const void *arg)
{
	long rc = 20; /* getpid of i386 */

	(void)arg;
#ifdef __x86_64__
	__asm__ volatile("int $0x80" : "+a"(rc) : : "memory");
#endif
	return rc;
}

static long
call_number(const void *arg)
{
	return syscall(*(const long *)arg);
}

int
act_foreign(char **argv)
{
	static const struct {
		const char *name;
		long nr;
	} numbers[] = {
		{ "x32 getpid", 0x40000000L + SYS_getpid },
		{ "x32 ptrace", 0x40000000L + 521 },
		{ "number -1", -1 },
		{ "number 2^31", 1L << 31 },
		{ "number 2^31 + 100", (1L << 31) + 100 },
		{ "number 2^30 - 1", (1L << 30) - 1 },
		{ "number 1023", 1023 },
	};

	(void)argv;
	fact_child("int 0x80", call_int80, NULL);
	for (size_t i = 0; i < LEN(numbers); i++)
		fact_child(numbers[i].name, call_number, &numbers[i].nr);
	return 0;
}

/* --- every number ------------------------------------------------------------------------------
 */

enum { LAST_NUMBER = 600 };

/* Without the C library's frame, since vfork returns twice into it. */
static long
bare_call(long nr)
{
	register long r10 __asm__("r10") = -1;
	register long r8 __asm__("r8") = -1;
	register long r9 __asm__("r9") = -1;
	long rc;

	__asm__ volatile("syscall"
			 : "=a"(rc)
			 : "a"(nr), "D"(-1L), "S"(-1L), "d"(-1L), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return rc;
}

static long
any_call(const void *arg)
{
	const long nr = *(const long *)arg;
	const long rc = bare_call(nr);

	if (rc == 0 && (nr == SYS_fork || nr == SYS_vfork))
		(void)bare_call(SYS_exit_group);
	if (rc < 0 && rc > -4096) {
		errno = (int)-rc;
		return -1;
	}
	return 0;
}

/* Each number with all arguments -1, which no call takes for something to do. */
int
act_every_call(char **argv)
{
	(void)argv;
	for (long nr = 0; nr <= LAST_NUMBER; nr++) {
		char name[24];

		(void)snprintf(name, sizeof(name), "%ld", nr);
		fact_child(name, any_call, &nr);
	}
	return 0;
}

static void *
touched(void *arg)
{
	*(bool *)arg = true;
	return NULL;
}

/* clone3 is closed: threads have to work all the same. */
int
act_threads(char **argv)
{
	pthread_t thread;
	bool ran = false;

	(void)argv;
	errno = pthread_create(&thread, NULL, touched, &ran);
	if (errno == 0)
		(void)pthread_join(thread, NULL);
	fact("thread", "%s", ran ? "ran" : "did not run");
	return 0;
}
