/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs inside a sandbox, statically linked, and behaves badly in the way its first argument names.
 * What must be refused is tried here and judged here: the exit status is the number of acts that
 * were not refused as they should, each of them named on stdout.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))
#define ADDR(p) ((long)(intptr_t)(p))

/* --- refusals ------------------------------------------------------------------------------- */

static const struct call_probe {
	const char *name;
	long nr;
	long a, b, c, d;
	int want; /* errno */
} call_probes[] = {
	{ "unshare user", SYS_unshare, CLONE_NEWUSER, 0, 0, 0, EPERM },
	{ "unshare net", SYS_unshare, CLONE_NEWNET, 0, 0, 0, EPERM },
	{ "clone newuser", SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, EPERM },
	{ "clone newpid", SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, EPERM },
	{ "clone newns", SYS_clone, CLONE_NEWNS | SIGCHLD, 0, 0, 0, EPERM },
	{ "clone newnet", SYS_clone, CLONE_NEWNET | SIGCHLD, 0, 0, 0, EPERM },
	{ "clone newipc", SYS_clone, CLONE_NEWIPC | SIGCHLD, 0, 0, 0, EPERM },
	{ "clone newuts", SYS_clone, CLONE_NEWUTS | SIGCHLD, 0, 0, 0, EPERM },
	{ "clone newcgroup", SYS_clone, CLONE_NEWCGROUP | SIGCHLD, 0, 0, 0, EPERM },
	{ "clone3", SYS_clone3, 0, 0, 0, 0, ENOSYS },
	{ "setns", SYS_setns, 0, 0, 0, 0, EPERM },
	{ "mount", SYS_mount, ADDR("none"), ADDR("/work"), ADDR("tmpfs"), 0, EPERM },
	{ "umount2", SYS_umount2, ADDR("/proc"), 2, 0, 0, EPERM },
	{ "pivot_root", SYS_pivot_root, ADDR("."), ADDR("."), 0, 0, EPERM },
	{ "chroot", SYS_chroot, ADDR("/work"), 0, 0, 0, EPERM },
	{ "open_tree", SYS_open_tree, AT_FDCWD, ADDR("/"), 1, 0, EPERM },
	{ "move_mount", SYS_move_mount, 0, 0, 0, 0, EPERM },
	{ "fsopen", SYS_fsopen, ADDR("tmpfs"), 0, 0, 0, EPERM },
	{ "fsmount", SYS_fsmount, 0, 0, 0, 0, EPERM },
	{ "mount_setattr", SYS_mount_setattr, AT_FDCWD, ADDR("/"), 0, 0, EPERM },
	{ "sethostname", SYS_sethostname, ADDR("x"), 1, 0, 0, EPERM },
	{ "ptrace", SYS_ptrace, PTRACE_TRACEME, 0, 0, 0, EPERM },
	{ "ptrace keeper", SYS_ptrace, PTRACE_SEIZE, 1, 0, 0, EPERM },
	{ "process_vm_readv", SYS_process_vm_readv, 1, 0, 0, 0, EPERM },
	{ "process_vm_writev", SYS_process_vm_writev, 1, 0, 0, 0, EPERM },
	{ "kcmp", SYS_kcmp, 1, 1, 0, 0, EPERM },
	{ "pidfd_getfd", SYS_pidfd_getfd, 0, 0, 0, 0, EPERM },
	{ "move_pages", SYS_move_pages, 1, 0, 0, 0, EPERM },
	{ "bpf", SYS_bpf, 0, 0, 0, 0, EPERM },
	{ "perf_event_open", SYS_perf_event_open, 0, 0, 0, 0, EPERM },
	{ "userfaultfd", SYS_userfaultfd, 1, 0, 0, 0, EPERM },
	{ "io_uring_setup", SYS_io_uring_setup, 1, 0, 0, 0, EPERM },
	{ "memfd_secret", SYS_memfd_secret, 0, 0, 0, 0, EPERM },
	{ "keyctl", SYS_keyctl, 0, -3, 0, 0, EPERM },
	{ "add_key", SYS_add_key, ADDR("user"), ADDR("k"), ADDR("v"), 1, EPERM },
	{ "request_key", SYS_request_key, ADDR("user"), ADDR("k"), 0, 0, EPERM },
	{ "seccomp listener", SYS_seccomp, 1, 8, 0, 0, EPERM },
	{ "vmsplice", SYS_vmsplice, 1, 0, 0, 0, EPERM },
	{ "shmget", SYS_shmget, 0, 4096, 01600, 0, EPERM },
	{ "msgget", SYS_msgget, 0, 01600, 0, 0, EPERM },
	{ "semget", SYS_semget, 0, 1, 01600, 0, EPERM },
	{ "mq_open", SYS_mq_open, ADDR("q"), 0102, 0600, 0, EPERM },
	{ "inotify_init1", SYS_inotify_init1, 0, 0, 0, 0, EPERM },
	{ "fanotify_init", SYS_fanotify_init, 0, 0, 0, 0, EPERM },
	{ "open_by_handle_at", SYS_open_by_handle_at, 0, 0, 0, 0, EPERM },
	{ "name_to_handle_at", SYS_name_to_handle_at, AT_FDCWD, ADDR("/usr"), 0, 0, EPERM },
	{ "setxattr", SYS_setxattr, ADDR("/work"), ADDR("user.x"), ADDR("y"), 1, EPERM },
	{ "capset", SYS_capset, 0, 0, 0, 0, EPERM },
	{ "setgroups", SYS_setgroups, 0, 0, 0, 0, EPERM },
	{ "settimeofday", SYS_settimeofday, 0, 0, 0, 0, EPERM },
	{ "clock_settime", SYS_clock_settime, 0, 0, 0, 0, EPERM },
	{ "adjtimex", SYS_adjtimex, 0, 0, 0, 0, EPERM },
	{ "swapon", SYS_swapon, ADDR("/work/x"), 0, 0, 0, EPERM },
	{ "reboot", SYS_reboot, 0, 0, 0, 0, EPERM },
	{ "init_module", SYS_init_module, 0, 0, 0, 0, EPERM },
	{ "kexec_load", SYS_kexec_load, 0, 0, 0, 0, EPERM },
	{ "syslog", SYS_syslog, 10, 0, 0, 0, EPERM },
	{ "acct", SYS_acct, 0, 0, 0, 0, EPERM },
	{ "quotactl", SYS_quotactl, 0, 0, 0, 0, EPERM },
	{ "sync", SYS_sync, 0, 0, 0, 0, EPERM },
	{ "socket vsock", SYS_socket, 40, SOCK_STREAM, 0, 0, EAFNOSUPPORT },
	{ "socket packet", SYS_socket, AF_PACKET, SOCK_RAW, 0, 0, EAFNOSUPPORT },
	{ "socket netlink", SYS_socket, AF_NETLINK, SOCK_RAW, 0, 0, EAFNOSUPPORT },
	{ "socket alg", SYS_socket, 38, SOCK_SEQPACKET, 0, 0, EAFNOSUPPORT },
	{ "socket bluetooth", SYS_socket, 31, SOCK_STREAM, 0, 0, EAFNOSUPPORT },
	{ "socket xdp", SYS_socket, 44, SOCK_RAW, 0, 0, EAFNOSUPPORT },
	{ "socket inet raw", SYS_socket, AF_INET, SOCK_RAW, 1, 0, EPERM },
	{ "socket sctp", SYS_socket, AF_INET, SOCK_STREAM, 132, 0, EPROTONOSUPPORT },
	{ "socket high bits", SYS_socket, 40 | 1L << 32, SOCK_STREAM, 0, 0, EAFNOSUPPORT },
	{ "TIOCSTI", SYS_ioctl, 0, TIOCSTI, ADDR("x"), 0, EPERM },
	{ "TIOCSTI with bit 32", SYS_ioctl, 0, TIOCSTI | 1L << 32, ADDR("x"), 0, EPERM },
	{ "TIOCLINUX", SYS_ioctl, 0, 0x541c, ADDR("\x02"), 0, EPERM },
	{ "personality", SYS_personality, 0x0400000, 0, 0, 0, EPERM },
	{ "prctl set mm", SYS_prctl, PR_SET_MM, 1, 0, 0, EPERM },
	{ "prctl ptracer", SYS_prctl, 0x59616d61, -1, 0, 0, EPERM },
	{ "prctl seccomp", SYS_prctl, PR_SET_SECCOMP, 2, 0, 0, EPERM },
	{ "fcntl lease", SYS_fcntl, 0, F_SETLEASE, F_RDLCK, 0, EPERM },
	{ "fcntl notify", SYS_fcntl, 0, F_NOTIFY, 2, 0, EPERM },
	{ "prlimit keeper", SYS_prlimit64, 1, RLIMIT_NOFILE, 0, 0, EPERM },
	{ "kill keeper", SYS_kill, 1, SIGKILL, 0, 0, EPERM },
	{ "stop keeper", SYS_kill, 1, SIGTERM, 0, 0, EPERM },
	{ "tkill keeper", SYS_tkill, 1, SIGTERM, 0, 0, EPERM },
	{ "tgkill keeper", SYS_tgkill, 1, 1, SIGUSR1, 0, EPERM },
	{ "queue for keeper", SYS_rt_sigqueueinfo, 1, SIGTERM, 0, 0, EPERM },
	{ "queue for keeper's thread", SYS_rt_tgsigqueueinfo, 1, 1, SIGTERM, 0, EPERM },
	{ "pidfd of keeper", SYS_pidfd_open, 1, 0, 0, 0, EPERM },
	{ "signal of choice", SYS_fcntl, 0, F_SETSIG, SIGTERM, 0, EPERM },
	{ "nice keeper", SYS_setpriority, PRIO_PROCESS, 1, 19, 0, EPERM },
	{ "ioprio of keeper", SYS_ioprio_set, 1, 1, 3 << 13, 0, EPERM },
	{ "pin keeper", SYS_sched_setaffinity, 1, 8, 0, 0, EPERM },
	{ "schedule keeper", SYS_sched_setscheduler, 1, 5, 0, 0, EPERM },
	{ "realtime", SYS_setpriority, PRIO_PROCESS, 0, -20, 0, EACCES },
	{ "unknown call 600", 600, 0, 0, 0, 0, ENOSYS },
	{ "unknown call 1023", 1023, 0, 0, 0, 0, ENOSYS },
	{ "unknown call 5000", 5000, 0, 0, 0, 0, ENOSYS },
};

static const struct open_probe {
	const char *path;
	int flags;
} open_probes[] = {
	{ "/root", O_RDONLY },
	{ "/home", O_RDONLY },
	{ "/sys", O_RDONLY },
	{ "/var/lib", O_RDONLY },
	{ "/run", O_RDONLY },
	{ "/etc/shadow", O_RDONLY },
	{ "/etc/ssh", O_RDONLY },
	{ "/dev/kvm", O_RDWR },
	{ "/dev/mem", O_RDONLY },
	{ "/dev/tty", O_RDWR },
	{ "/dev/ptmx", O_RDWR },
	{ "/dev/vda", O_RDONLY },
	{ "/dev/fuse", O_RDWR },
	{ "/dev/vsock", O_RDWR },
	{ "/dev/net/tun", O_RDWR },
	{ "/dev/shm/../mem", O_RDONLY },
	{ "/proc/1/environ", O_RDONLY },
	{ "/proc/1/mem", O_RDONLY },
	{ "/proc/1/fd", O_RDONLY },
	{ "/proc/1/root/etc", O_RDONLY },
	{ "/proc/1/cwd", O_RDONLY },
	{ "/proc/1/exe", O_RDONLY },
	{ "/proc/kallsyms", O_RDONLY },
	{ "/proc/kcore", O_RDONLY },
	{ "/proc/keys", O_RDONLY },
	{ "/proc/cmdline", O_RDONLY },
	{ "/proc/config.gz", O_RDONLY },
	{ "/proc/mounts/x", O_RDONLY },
	{ "/proc/sysrq-trigger", O_WRONLY },
	{ "/proc/sys/kernel/core_pattern", O_WRONLY },
	{ "/proc/self/exe", O_RDWR },
	{ "/proc/self/oom_score_adj", O_WRONLY },
	{ "/proc/self/uid_map", O_WRONLY },
	{ "/proc/self/setgroups", O_WRONLY },
	{ "/usr/bin/true", O_WRONLY },
	{ "/usr/new", O_WRONLY | O_CREAT },
	{ "/new", O_WRONLY | O_CREAT },
	{ "/etc/passwd", O_WRONLY },
	{ "/etc/new", O_WRONLY | O_CREAT },
	{ "/etc/ld.so.cache", O_WRONLY },
	{ "/dev/new", O_WRONLY | O_CREAT },
	{ "/proc/new", O_WRONLY | O_CREAT },
	{ "/var/new", O_WRONLY | O_CREAT },
	{ "/usr/lib/new", O_WRONLY | O_CREAT },
	{ "/proc/self/fd/1", O_RDWR },
	{ "/proc/self/fd/1", O_RDONLY },
};

/* Nobody becomes root: either its id may not be taken, or there is no such id in this namespace. */
static int
try_root(void)
{
	static const long calls[] = { SYS_setuid, SYS_setgid };
	int bad = 0;

	for (size_t i = 0; i < LEN(calls); i++)
		if (syscall(calls[i], 0L) == 0 || (errno != EPERM && errno != EINVAL)) {
			printf("root's id could be asked for: %s\n", strerrorname_np(errno));
			bad++;
		}
	return bad;
}

static int
run_refusals(void)
{
	int bad = try_root();

	for (size_t i = 0; i < LEN(call_probes); i++) {
		const struct call_probe *p = &call_probes[i];
		long rc;

		errno = 0;
		rc = syscall(p->nr, p->a, p->b, p->c, p->d, 0L, 0L);
		if (rc == 0 && p->nr == SYS_clone)
			_exit(0);
		if (rc >= 0 || errno != p->want) {
			printf("%s: result %ld errno %s, wanted %s\n", p->name, rc,
			    errno == 0 ? "0" : strerrorname_np(errno), strerrorname_np(p->want));
			bad++;
		}
	}
	for (size_t i = 0; i < LEN(open_probes); i++) {
		int fd = open(open_probes[i].path, open_probes[i].flags | O_CLOEXEC, 0600);

		if (fd >= 0) {
			printf("open %s with %#x worked\n", open_probes[i].path,
			    (unsigned)open_probes[i].flags);
			bad++;
			close(fd);
		}
	}
	return bad;
}

static int
expect_death(const char *what, int sig, void (*act)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		act();
		_exit(0);
	}
	if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) &&
	    WTERMSIG(status) == sig)
		return 0;
	printf("%s did not end by signal %d\n", what, sig);
	return 1;
}

static void
act_x32(void)
{
	(void)syscall(0x40000000L + SYS_getpid);
}

static void
act_minus_one(void)
{
	(void)syscall(-1L);
}

static void
act_int80(void)
{
#ifdef __x86_64__
	long rc = 20; /* getpid of i386 */

	__asm__ volatile("int $0x80" : "+a"(rc) : : "memory");
#endif
}

static int
run_foreign(void)
{
	return expect_death("an x32 call", SIGSYS, act_x32) +
	       expect_death("a call with number -1", SIGSYS, act_minus_one) +
	       expect_death("int 0x80", SIGSYS, act_int80);
}

/* --- what it sees --------------------------------------------------------------------------- */

static int
run_look(void)
{
	int bad = 0, pids = 0;
	DIR *d = opendir("/proc");
	struct dirent *entry;

	while (d != NULL && (entry = readdir(d)) != NULL)
		if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9')
			pids++;
	if (pids != 1) {
		printf("%d processes are visible\n", pids);
		bad++;
	}
	for (int fd = 0; fd < 1024; fd++)
		if ((fcntl(fd, F_GETFD) >= 0) != (fd < 3 || (d != NULL && fd == dirfd(d)))) {
			printf("descriptor %d\n", fd);
			bad++;
		}
	/* The first after the keeper, but for whoever copied inputs and made a namespace for it. */
	if (getpid() > 5 || getsid(0) != getpid() || getuid() != 1000 || getgid() != 1000) {
		printf("pid %d sid %d uid %u gid %u\n", getpid(), getsid(0), getuid(), getgid());
		bad++;
	}
	return bad;
}

/* A loopback connection to itself must work, one to anywhere else must not. */
static int
run_network(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	unsigned char in[16] = { AF_INET, 0, 0, 0, 127, 0, 0, 1 };
	socklen_t n = sizeof(in);
	int server = socket(AF_INET, SOCK_STREAM, 0);
	int client = socket(AF_INET, SOCK_STREAM, 0);
	int bad = 0;

	(void)un;
	if (bind(server, (struct sockaddr *)(void *)in, sizeof(in)) < 0 || listen(server, 1) < 0 ||
	    getsockname(server, (struct sockaddr *)(void *)in, &n) < 0 ||
	    connect(client, (struct sockaddr *)(void *)in, sizeof(in)) < 0) {
		printf("loopback: %s\n", strerror(errno));
		bad++;
	}
	close(client);
	client = socket(AF_INET, SOCK_STREAM, 0);
	memcpy(in + 4, "\xa9\xfe\xa9\xfe", 4); /* 169.254.169.254 */
	in[2] = 0;
	in[3] = 80;
	if (connect(client, (struct sockaddr *)(void *)in, sizeof(in)) == 0 ||
	    errno != ENETUNREACH) {
		printf("metadata address: %s\n", strerror(errno));
		bad++;
	}
	return bad;
}

/* --- bad behaviour -------------------------------------------------------------------------- */

static void
eat_memory(void)
{
	for (;;) {
		char *p = malloc(1 << 20);

		if (p != NULL)
			memset(p, 1, 1 << 20);
	}
}

static int
run_oom_child(void)
{
	pid_t pid = fork();

	if (pid == 0)
		eat_memory();
	(void)waitpid(pid, NULL, 0);
	return 0;
}

static int
run_oom_grandchild_and_wait(void)
{
	pid_t pid = fork();

	if (pid == 0)
		eat_memory();
	while (pause() < 0)
		;
	return 0;
}

static int
run_fork_bomb(void)
{
	int children = 0;

	for (int i = 0; i < 100000; i++) {
		pid_t pid = fork();

		if (pid == 0)
			for (;;)
				(void)fork();
		if (pid < 0 && errno == EAGAIN) {
			printf("EAGAIN after %d\n", children);
			return 0;
		}
		children++;
	}
	return 1;
}

/* Leaves a daemon in a session of its own that would write long after its parent. */
static int
run_orphan(void)
{
	if (fork() == 0) {
		(void)setsid();
		if (fork() == 0)
			for (int i = 0;; i++) {
				printf("still here %d\n", i);
				fflush(stdout);
				usleep(10000);
			}
		_exit(0);
	}
	usleep(100000);
	return 7;
}

static int
run_flood(void)
{
	static char block[65536];

	memset(block, 'x', sizeof(block));
	for (int i = 0; i < 16 * 200; i++) /* 200 MiB */
		if (write(1, block, sizeof(block)) < 0)
			return 1;
	return 0;
}

/* At first so slowly that each byte is read alone. */
static int
run_drip(void)
{
	for (int i = 0; i < 20000; i++) {
		if (write(1 + (i & 1), "z", 1) != 1)
			return 1;
		if (i < 5000)
			usleep(20);
	}
	return 0;
}

static int
run_stubborn(void)
{
	for (int sig = 1; sig < 65; sig++)
		(void)signal(sig, SIG_IGN);
	printf("ready\n");
	fflush(stdout);
	while (pause() < 0)
		;
	return 0;
}

static int
run_polite(void)
{
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	printf("ready\n");
	fflush(stdout);
	sigwait(&set, &sig);
	printf("told to end\n");
	return 3;
}

static int
run_stopped(void)
{
	printf("ready\n");
	fflush(stdout);
	raise(SIGSTOP);
	return 0;
}

static int
run_fill_scratch(void)
{
	static char block[65536];
	int fd = open("/work/fill", O_WRONLY | O_CREAT, 0600);
	long total = 0;
	ssize_t n;

	while ((n = write(fd, block, sizeof(block))) > 0)
		total += n;
	printf("%ld bytes, then %s\n", total, strerrorname_np(errno));
	unlink("/work/fill");
	fd = open("/dev/shm/fill", O_WRONLY | O_CREAT, 0600);
	for (n = 0; n < 100000; n++) {
		char name[32];

		snprintf(name, sizeof(name), "/tmp/f%zd", n);
		if (open(name, O_WRONLY | O_CREAT | O_EXCL, 0600) < 0)
			break;
	}
	printf("%zd files, then %s\n", n, strerrorname_np(errno));
	return 0;
}

/* --- outputs -------------------------------------------------------------------------------- */

static void
put_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		printf("cannot write %s: %s\n", path, strerrorname_np(errno));
	close(fd);
}

static int
run_outputs(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "/work/socket" };
	int fd;

	put_file("plain.txt", "plain\n");
	put_file("closed.txt", "closed\n");
	chmod("closed.txt", 0);
	mkdir("sub", 0700);
	mkdir("sub/empty", 0700);
	put_file("sub/inner.txt", "inner\n");
	put_file("new\nline", "x");
	put_file("bad\xff"
		 "utf8",
	    "x");
	put_file("d\xc3\xbcse.txt", "utf8\n");
	(void)!symlink("/etc/passwd", "link-etc");
	(void)!symlink("plain.txt", "link-plain");
	(void)!symlink("/proc/1/root", "link-root");
	(void)!link("plain.txt", "hard.txt");
	mkfifo("fifo", 0600);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bind(fd, (struct sockaddr *)(void *)&un, sizeof(un)) < 0)
		printf("bind: %s\n", strerrorname_np(errno));
	if (mknod("device", S_IFCHR | 0600, 0x103) == 0)
		printf("a device was made\n");
	fd = open("sparse", O_WRONLY | O_CREAT, 0600);
	if (pwrite(fd, "end", 3, (20 << 20) - 3) != 3)
		printf("sparse: %s\n", strerrorname_np(errno));
	put_file("input.txt", "changed\n");
	return 0;
}

static int
run_deep(void)
{
	for (int i = 0; i < 100; i++)
		if (mkdir("d", 0700) < 0 || chdir("d") < 0)
			return 1;
	put_file("bottom", "x");
	return 0;
}

static int
run_many(void)
{
	for (int i = 0; i < 50; i++) {
		char name[32];

		snprintf(name, sizeof(name), "file%03d", i);
		put_file(name, "0123456789");
	}
	return 0;
}

static int
run_burn(void)
{
	struct timespec t;

	do
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	while (t.tv_nsec < 300000000 && t.tv_sec == 0);
	return 0;
}

static int
run_segv(void)
{
	raise(SIGSEGV);
	return 0;
}

static const struct act {
	const char *name;
	int (*run)(void);
} acts[] = {
	{ "refusals", run_refusals },
	{ "foreign", run_foreign },
	{ "look", run_look },
	{ "network", run_network },
	{ "oom-child", run_oom_child },
	{ "oom-hang", run_oom_grandchild_and_wait },
	{ "fork-bomb", run_fork_bomb },
	{ "orphan", run_orphan },
	{ "flood", run_flood },
	{ "drip", run_drip },
	{ "stubborn", run_stubborn },
	{ "polite", run_polite },
	{ "stopped", run_stopped },
	{ "fill", run_fill_scratch },
	{ "outputs", run_outputs },
	{ "deep", run_deep },
	{ "many", run_many },
	{ "burn", run_burn },
	{ "segv", run_segv },
};

int
main(int argc, char **argv)
{
	int n;

	/* Plays a keeper of another release. */
	if (strcmp(argv[0], "wardian-keeper") == 0)
		for (;;)
			(void)pause();
	if (argc == 3 && strcmp(argv[1], "exit") == 0)
		return (int)strtol(argv[2], NULL, 10);
	if (argc == 3 && strcmp(argv[1], "signal") == 0) {
		(void)kill(getpid(), (int)strtol(argv[2], NULL, 10));
		return 0;
	}
	if (argc == 2 && strcmp(argv[1], "oom") == 0)
		eat_memory();
	for (size_t i = 0; argc == 2 && i < LEN(acts); i++)
		if (strcmp(argv[1], acts[i].name) == 0) {
			n = acts[i].run();
			return n > 255 ? 255 : n;
		}
	fprintf(stderr, "probe: no such act\n");
	return 250;
}
