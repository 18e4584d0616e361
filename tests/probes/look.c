/* SPDX-License-Identifier: Apache-2.0 */
/* What a job sees: files it should not open, what it starts with, memory that others had. */
#include "probe.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MIB = 1 << 20 };

static const struct wanted {
	const char *group;
	const char *path;
	int flags;
} paths[] = {
	{ "devices", "/dev/kvm", O_RDWR },
	{ "devices", "/dev/mem", O_RDONLY },
	{ "devices", "/dev/kmem", O_RDONLY },
	{ "devices", "/dev/port", O_RDONLY },
	{ "devices", "/dev/kmsg", O_RDONLY },
	{ "devices", "/dev/vda", O_RDONLY },
	{ "devices", "/dev/fuse", O_RDWR },
	{ "devices", "/dev/net/tun", O_RDWR },
	{ "devices", "/dev/vsock", O_RDWR },
	{ "devices", "/dev/tty", O_RDWR },
	{ "devices", "/dev/tty0", O_RDWR },
	{ "devices", "/dev/console", O_RDWR },
	{ "devices", "/dev/ptmx", O_RDWR },
	{ "devices", "/dev/pts/0", O_RDWR },
	{ "devices", "/dev/pts", O_RDONLY },
	{ "devices", "/dev/loop-control", O_RDWR },
	{ "devices", "/dev/loop0", O_RDWR },
	{ "devices", "/dev/userfaultfd", O_RDWR },
	{ "devices", "/dev/uinput", O_RDWR },
	{ "devices", "/dev/hugepages", O_RDONLY },
	{ "devices", "/dev/mqueue", O_RDONLY },
	{ "devices", "/dev/nvidiactl", O_RDWR },
	{ "devices", "/dev/nvidia0", O_RDWR },
	{ "devices", "/dev/dri", O_RDONLY },
	{ "devices", "/dev/null/x", O_RDONLY },

	{ "kernel", "/proc/sys/kernel/core_pattern", O_WRONLY },
	{ "kernel", "/proc/sys/kernel/hostname", O_WRONLY },
	{ "kernel", "/proc/sys/vm/drop_caches", O_WRONLY },
	{ "kernel", "/proc/sys/kernel/ns_last_pid", O_WRONLY },
	{ "kernel", "/proc/sys", O_RDONLY },
	{ "kernel", "/proc/sysrq-trigger", O_WRONLY },
	{ "kernel", "/proc/irq", O_RDONLY },
	{ "kernel", "/proc/bus", O_RDONLY },
	{ "kernel", "/proc/fs", O_RDONLY },
	{ "kernel", "/proc/self/oom_score_adj", O_WRONLY },
	{ "kernel", "/proc/self/oom_adj", O_WRONLY },
	{ "kernel", "/proc/1/oom_score_adj", O_WRONLY },
	{ "kernel", "/proc/self/uid_map", O_WRONLY },
	{ "kernel", "/proc/self/gid_map", O_WRONLY },
	{ "kernel", "/proc/self/setgroups", O_WRONLY },
	{ "kernel", "/proc/self/attr/current", O_WRONLY },
	{ "kernel", "/proc/self/attr/exec", O_WRONLY },
	{ "kernel", "/proc/self/timerslack_ns", O_WRONLY },
	{ "kernel", "/proc/self/coredump_filter", O_WRONLY },
	{ "kernel", "/proc/self/autogroup", O_WRONLY },
	{ "kernel", "/proc/self/clear_refs", O_WRONLY },
	{ "kernel", "/proc/self/exe", O_RDWR },
	{ "kernel", "/proc/new", O_WRONLY | O_CREAT },

	{ "groups", "/sys/fs/cgroup", O_RDONLY },
	{ "groups", "/sys/fs/cgroup/memory/release_agent", O_WRONLY },
	{ "groups", "/sys/fs/cgroup/cgroup.procs", O_WRONLY },
	{ "groups", "/proc/cgroups", O_RDONLY },
	{ "groups", "/proc/1/cgroup", O_RDONLY },
	{ "groups", "/proc/self/ns/../../1/ns/cgroup", O_RDONLY },

	{ "sys", "/sys/kernel", O_RDONLY },
	{ "sys", "/sys/kernel/uevent_helper", O_WRONLY },
	{ "sys", "/sys/kernel/debug", O_RDONLY },
	{ "sys", "/sys/fs", O_RDONLY },
	{ "sys", "/sys/class", O_RDONLY },
	{ "sys", "/sys/block", O_RDONLY },
	{ "sys", "/sys/bus", O_RDONLY },
	{ "sys", "/sys/dev", O_RDONLY },
	{ "sys", "/sys/module", O_RDONLY },
	{ "sys", "/sys/firmware", O_RDONLY },
	{ "sys", "/sys/power", O_RDONLY },
	{ "sys", "/sys/hypervisor", O_RDONLY },
	{ "sys", "/sys/new", O_WRONLY | O_CREAT },

	{ "first-process", "/proc/1/environ", O_RDONLY },
	{ "first-process", "/proc/1/cmdline", O_RDONLY },
	{ "first-process", "/proc/1/exe", O_RDONLY },
	{ "first-process", "/proc/1/mem", O_RDWR },
	{ "first-process", "/proc/1/maps", O_RDONLY },
	{ "first-process", "/proc/1/fd", O_RDONLY },
	{ "first-process", "/proc/1/fd/3", O_RDONLY },
	{ "first-process", "/proc/1/root", O_RDONLY },
	{ "first-process", "/proc/1/root/etc/shadow", O_RDONLY },
	{ "first-process", "/proc/1/cwd", O_RDONLY },
	{ "first-process", "/proc/1/stat", O_RDONLY },
	{ "first-process", "/proc/1/status", O_RDONLY },
	{ "first-process", "/proc/1/task/1/stat", O_RDONLY },
	{ "first-process", "/proc/1/ns/user", O_RDONLY },

	{ "tables", "/proc/kallsyms", O_RDONLY },
	{ "tables", "/proc/kcore", O_RDONLY },
	{ "tables", "/proc/kmsg", O_RDONLY },
	{ "tables", "/proc/keys", O_RDONLY },
	{ "tables", "/proc/key-users", O_RDONLY },
	{ "tables", "/proc/timer_list", O_RDONLY },
	{ "tables", "/proc/sched_debug", O_RDONLY },
	{ "tables", "/proc/slabinfo", O_RDONLY },
	{ "tables", "/proc/vmallocinfo", O_RDONLY },
	{ "tables", "/proc/pagetypeinfo", O_RDONLY },
	{ "tables", "/proc/kpageflags", O_RDONLY },
	{ "tables", "/proc/config.gz", O_RDONLY },
	{ "tables", "/proc/cmdline", O_RDONLY },
	{ "tables", "/proc/modules", O_RDONLY },
	{ "tables", "/proc/interrupts", O_RDONLY },
	{ "tables", "/proc/locks", O_RDONLY },
	{ "tables", "/proc/diskstats", O_RDONLY },
	{ "tables", "/proc/partitions", O_RDONLY },
	{ "tables", "/proc/swaps", O_RDONLY },
	{ "tables", "/proc/vmstat", O_RDONLY },
	{ "tables", "/proc/zoneinfo", O_RDONLY },
	{ "tables", "/proc/pressure", O_RDONLY },
	{ "tables", "/proc/sysvipc/shm", O_RDONLY },

	{ "load", "/proc/meminfo", O_RDONLY },
	{ "load", "/proc/loadavg", O_RDONLY },
	{ "load", "/proc/stat", O_RDONLY },
	{ "load", "/proc/uptime", O_RDONLY },
	{ "load", "/proc/cpuinfo", O_RDONLY },
	{ "load", "/proc/version", O_RDONLY },

	{ "host", "/root", O_RDONLY },
	{ "host", "/home", O_RDONLY },
	{ "host", "/run", O_RDONLY },
	{ "host", "/boot", O_RDONLY },
	{ "host", "/mnt", O_RDONLY },
	{ "host", "/var/lib", O_RDONLY },
	{ "host", "/var/log", O_RDONLY },
	{ "host", "/etc/shadow", O_RDONLY },
	{ "host", "/etc/machine-id", O_RDONLY },
	{ "host", "/etc/ssh", O_RDONLY },
	{ "host", "/etc/ssl/private", O_RDONLY },
	{ "host", "/var/run/docker.sock", O_RDWR },
	{ "host", "/proc/self/root/../root", O_RDONLY },
	{ "host", "/..//root", O_RDONLY },

	{ "environment", "/usr/bin/true", O_WRONLY },
	{ "environment", "/usr/bin/python3", O_RDWR },
	{ "environment", "/usr/new", O_WRONLY | O_CREAT },
	{ "environment", "/usr/lib/new", O_WRONLY | O_CREAT },
	{ "environment", "/usr/local/new", O_WRONLY | O_CREAT },
	{ "environment", "/bin/new", O_WRONLY | O_CREAT },
	{ "environment", "/new", O_WRONLY | O_CREAT },
	{ "environment", "/etc/passwd", O_WRONLY },
	{ "environment", "/etc/hosts", O_WRONLY },
	{ "environment", "/etc/new", O_WRONLY | O_CREAT },
	{ "environment", "/etc/ld.so.cache", O_WRONLY },
	{ "environment", "/etc/alternatives/new", O_WRONLY | O_CREAT },
	{ "environment", "/dev/new", O_WRONLY | O_CREAT },
	{ "environment", "/var/new", O_WRONLY | O_CREAT },
	{ "environment", "/usr", O_RDWR | O_TMPFILE },
	{ "environment", "/", O_RDWR | O_TMPFILE },

	{ "streams", "/proc/self/fd/1", O_RDWR },
	{ "streams", "/proc/self/fd/1", O_RDONLY },
	{ "streams", "/proc/self/fd/0", O_RDWR },

	{ "oracle", "/root/.ssh/id_rsa", O_RDONLY },
	{ "oracle", "/root/no-such-file", O_RDONLY },
	{ "oracle", "/var/lib/wardian/node", O_RDONLY },
	{ "oracle", "/no/such/file", O_RDONLY },
};

int
act_opens(char **argv)
{
	for (; *argv != NULL; argv++)
		for (size_t i = 0; i < LEN(paths); i++) {
			const struct wanted *w = &paths[i];
			char name[96];
			int fd;

			if (strcmp(w->group, *argv) != 0)
				continue;
			(void)snprintf(name, sizeof(name), "%s %#o", w->path, (unsigned)w->flags);
			fd = open(w->path, w->flags | O_CLOEXEC, 0600);
			fact_rc(name, fd);
			if (fd >= 0)
				(void)close(fd);
		}
	return 0;
}

/* Adds to a text as long as there is room. */
static void __attribute__((format(printf, 3, 4)))
append(char *text, size_t size, const char *fmt, ...)
{
	const size_t n = strlen(text);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text + n, size - n, fmt, ap);
	va_end(ap);
}

/* --- the start ----------------------------------------------------------------------------------
 */

static void
list_directory(const char *name, const char *path)
{
	DIR *d = opendir(path);
	struct dirent *entry;
	char text[800] = "";

	while (d != NULL && (entry = readdir(d)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			append(text, sizeof(text), "%s ", entry->d_name);
	if (d != NULL)
		(void)closedir(d);
	fact(name, "%s", text);
}

static void
list_processes(void)
{
	DIR *d = opendir("/proc");
	struct dirent *entry;
	int n = 0;

	while (d != NULL && (entry = readdir(d)) != NULL)
		if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9')
			n++;
	if (d != NULL)
		(void)closedir(d);
	fact_number("processes", n);
}

static void
list_descriptors(void)
{
	char text[256] = "";

	for (int fd = 0; fd < 4096; fd++) {
		const int flags = fcntl(fd, F_GETFL);
		static const char *const modes[] = {
			[O_RDONLY] = "r", [O_WRONLY] = "w", [O_RDWR] = "rw", [O_ACCMODE] = "none"
		};

		if (flags >= 0)
			append(text, sizeof(text), "%d:%s ", fd, modes[flags & O_ACCMODE]);
	}
	fact("descriptors", "%s", text);
}

static void
show_file(const char *path)
{
	static char text[1 << 16];
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	const ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n < 0) {
		fact_rc(path, -1);
		return;
	}
	text[n] = '\0';
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
		fact(path, "%s", line);
	(void)close(fd);
}

int
act_look(char **argv)
{
	static const char *const files[] = { "/proc/self/status", "/proc/self/mountinfo",
		"/proc/self/cgroup", "/proc/self/uid_map", "/proc/self/gid_map",
		"/proc/self/limits" };
	struct utsname u;
	struct sysinfo s;
	struct statfs f;

	(void)argv;
	list_descriptors();
	list_processes();
	list_directory("root", "/");
	list_directory("dev", "/dev");
	for (size_t i = 0; i < LEN(files); i++)
		show_file(files[i]);
	for (char **e = environ; *e != NULL; e++)
		fact("environment", "%s", *e);
	if (uname(&u) == 0)
		fact("uname", "%s %s", u.nodename, u.domainname);
	if (sysinfo(&s) == 0)
		fact("sysinfo", "%lu KiB in all, %d processes, load %lu", s.totalram / 1024,
		    s.procs, s.loads[0]);
	for (size_t i = 0; i < 3; i++) {
		static const char *const at[] = { "/", "/usr", "/work" };
		char name[32];

		(void)snprintf(name, sizeof(name), "statfs %s", at[i]);
		if (statfs(at[i], &f) == 0)
			fact(name, "%#lx %llu", (unsigned long)f.f_type,
			    (unsigned long long)f.f_blocks * (unsigned long long)f.f_bsize / MIB);
	}
	return 0;
}

/* --- what a cell of another job could have left ------------------------------------------------
 */

static void
state_of_signals(void)
{
	sigset_t set;
	char text[200] = "";

	(void)sigprocmask(SIG_SETMASK, NULL, &set);
	for (int sig = 1; sig < 65; sig++) {
		struct sigaction now;

		if (sigaction(sig, NULL, &now) < 0)
			continue;
		if (!sigismember(&set, sig) && now.sa_handler == SIG_DFL)
			continue;
		append(text, sizeof(text), "%d ", sig);
	}
	fact("signals not as usual", "%s", text);
}

static void
state_of_limits(void)
{
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		struct rlimit l;
		char name[32];

		(void)snprintf(name, sizeof(name), "rlimit %d", i);
		if (getrlimit((unsigned)i, &l) == 0)
			fact(name, "%lu %lu", l.rlim_cur, l.rlim_max);
	}
}

/* Everything a program can find changed by whoever was there before. */
int
act_state(char **argv)
{
	struct itimerval t = { 0 };
	char cwd[256];
	cpu_set_t cpus;
	mode_t mask = umask(0);

	(void)argv;
	(void)umask(mask);
	(void)getitimer(ITIMER_REAL, &t);
	(void)sched_getaffinity(0, sizeof(cpus), &cpus);
	fact("umask", "%03o", mask);
	fact("cwd", "%s", getcwd(cwd, sizeof(cwd)) == NULL ? "none" : cwd);
	fact("ids", "%d %d %d %d %u %u", getpid(), getppid(), getpgrp(), getsid(0), getuid(),
	    getgid());
	fact("timer", "%ld.%06ld", t.it_value.tv_sec, t.it_value.tv_usec);
	fact("scheduler", "%d %d %d", sched_getscheduler(0), getpriority(PRIO_PROCESS, 0),
	    CPU_COUNT(&cpus));
	fact("privileges", "%d %d %d", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
	    prctl(PR_GET_SECCOMP, 0, 0, 0, 0), prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
	fact("timer slack", "%d", prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0));
	fact("child", "%s",
	    waitpid(-1, NULL, WNOHANG) < 0 ? strerrorname_np(errno) : "there is one");
	list_descriptors();
	list_processes();
	state_of_signals();
	state_of_limits();
	list_directory("work", "/work");
	list_directory("tmp", "/tmp");
	list_directory("shm", "/dev/shm");
	list_directory("var", "/var");
	for (char **e = environ; *e != NULL; e++)
		fact("environment", "%s", *e);
	return 0;
}

/* --- memory ----------------------------------------------------------------------------------- */

static long
count_not_zero(const unsigned char *p, size_t n)
{
	long found = 0;

	for (size_t i = 0; i < n; i++)
		found += p[i] != 0;
	return found;
}

static void
zeroes_of_file(const char *name, int fd, size_t n)
{
	const unsigned char *p;

	if (fd < 0 || (fallocate(fd, 0, 0, (off_t)n) < 0 && ftruncate(fd, (off_t)n) < 0)) {
		fact_rc(name, -1);
		return;
	}
	p = mmap(NULL, n, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		fact_rc(name, -1);
	else
		fact_number(name, count_not_zero(p, n));
}

/* Bytes that are not zero in memory that nobody wrote. */
int
act_zeroes(char **argv)
{
	const size_t n = 16 * MIB;
	const unsigned char *p =
	    mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)argv;
	if (p == MAP_FAILED)
		fact_rc("anonymous memory", -1);
	else
		fact_number("anonymous memory", count_not_zero(p, n));
	zeroes_of_file("scratch file", open("/work/new", O_RDWR | O_CREAT | O_CLOEXEC, 0600), n);
	zeroes_of_file(
	    "shared memory", open("/dev/shm/new", O_RDWR | O_CREAT | O_CLOEXEC, 0600), n);
	zeroes_of_file("temporary file", open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600), n);
	zeroes_of_file("memory file", memfd_create("m", MFD_CLOEXEC), n);
	(void)unlink("/work/new");
	return 0;
}
