/* SPDX-License-Identifier: Apache-2.0 */
/* Takes as much as it gets: processes, memory, descriptors, files, timers, CPUs. */
#include "probe.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MIB = 1 << 20, PAGE = 4096, TRIES = 100000 };

/* --- processes -------------------------------------------------------------------------------- */

static long
by_fork(void)
{
	const pid_t pid = fork();

	if (pid == 0)
		wait_for_the_end();
	return pid;
}

/* posix_spawn is vfork and exec. */
static long
by_vfork(void)
{
	char name[] = "sleep", time[] = "60";
	char *argv[] = { name, time, NULL };
	pid_t pid;

	errno = posix_spawn(&pid, "/usr/bin/sleep", NULL, NULL, argv, environ);
	return errno == 0 ? pid : -1;
}

static void *
idle(void *arg)
{
	wait_for_the_end();
	return arg;
}

static long
by_thread(void)
{
	return start_threads(1, idle, NULL) == 1 ? 1 : -1;
}

int
act_bomb(char **argv)
{
	static const struct {
		const char *name;
		long (*one)(void);
	} ways[] = { { "fork", by_fork }, { "vfork", by_vfork }, { "thread", by_thread } };
	long made = 0;

	for (size_t i = 0; argv[0] != NULL && i < LEN(ways); i++)
		if (strcmp(argv[0], ways[i].name) == 0) {
			while (made < TRIES && ways[i].one() >= 0)
				made++;
			fact_rc("refused with", made == TRIES ? 0 : -1);
		}
	fact_number("made", made);
	return 0;
}

static void
ignore_all_signals(void)
{
	for (int sig = 1; sig < 65; sig++)
		(void)signal(sig, SIG_IGN);
}

/* A fork bomb that never ends by itself; every other child leaves the session and its parent. */
int
act_storm(char **argv)
{
	(void)argv;
	ignore_all_signals();
	fact("storm", "begins");
	for (unsigned i = 0;; i++) {
		const pid_t pid = fork();

		if (pid == 0 && (i & 1) != 0) {
			(void)setsid();
			if (fork() != 0)
				_exit(0);
		}
		if (pid < 0)
			(void)sched_yield();
	}
}

/* --- memory ----------------------------------------------------------------------------------- */

static void
eat_anonymous(void)
{
	for (;;) {
		char *p =
		    mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p != MAP_FAILED)
			memset(p, 1, MIB);
	}
}

static void
eat_shared(void)
{
	for (;;) {
		char *p =
		    mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

		if (p != MAP_FAILED)
			memset(p, 1, MIB);
	}
}

static void
eat_file(int fd)
{
	static char block[MIB];

	while (write(fd, block, sizeof(block)) > 0)
		;
	fact_rc("write", -1);
}

static void
eat_memory_files(void)
{
	for (;;)
		eat_file(memfd_create("eat", 0));
}

static void
eat_shm(void)
{
	eat_file(open("/dev/shm/eat", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

/* Touches one page in each 2 MiB, so that each costs a page table as well. */
static void
eat_page_tables(void)
{
	const size_t step = 2 * MIB, n = 1UL << 40;

	for (;;) {
		volatile char *p = mmap(NULL, n, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (p == MAP_FAILED) {
			fact_rc("mmap", -1);
			return;
		}
		for (size_t at = 0; at < n; at += step)
			p[at] = 1;
	}
}

static void
eat_pipes(void)
{
	static char block[MIB];
	long long total = 0;
	int ends[2], n = 0;

	while (pipe2(ends, O_NONBLOCK | O_CLOEXEC) == 0) {
		ssize_t put;

		(void)fcntl(ends[1], F_SETPIPE_SZ, MIB);
		while ((put = write(ends[1], block, sizeof(block))) > 0)
			total += put;
		n++;
	}
	fact_rc("pipe", -1);
	fact_number("pipes", n);
	fact_number("MiB in pipes", total / MIB);
}

static void
eat_sockets(void)
{
	static char block[16 << 10];
	const int room = 64 * MIB;
	long long total = 0;
	int ends[2], n = 0;

	while (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0) {
		ssize_t put;

		(void)setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
		while ((put = write(ends[0], block, sizeof(block))) > 0)
			total += put;
		n++;
	}
	fact_rc("socket pair", -1);
	fact_number("socket pairs", n);
	fact_number("MiB in sockets", total / MIB);
}

int
act_eat(char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} ways[] = { { "anonymous", eat_anonymous }, { "shared", eat_shared },
		{ "memfd", eat_memory_files }, { "shm", eat_shm },
		{ "page-tables", eat_page_tables }, { "pipes", eat_pipes },
		{ "sockets", eat_sockets } };

	for (size_t i = 0; argv[0] != NULL && i < LEN(ways); i++)
		if (strcmp(argv[0], ways[i].name) == 0)
			ways[i].run();
	return 0;
}

/* The grandchild goes over the limit; the main process ends well. */
int
act_oom_grandchild(char **argv)
{
	const pid_t child = fork();

	(void)argv;
	if (child == 0) {
		const pid_t grandchild = fork();

		if (grandchild == 0)
			eat_anonymous();
		(void)waitpid(grandchild, NULL, 0);
		_exit(0);
	}
	(void)waitpid(child, NULL, 0);
	return 0;
}

/* --- descriptors ------------------------------------------------------------------------------ */

static int
one_nested_epoll(void)
{
	const int fd = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = { .events = EPOLLIN };

	if (fd > 0)
		(void)epoll_ctl(fd, EPOLL_CTL_ADD, fd - 1, &event);
	return fd;
}

static int
one_pipe(void)
{
	int ends[2];

	return pipe2(ends, O_CLOEXEC) < 0 ? -1 : ends[1];
}

static int
one_descriptor(size_t way)
{
	switch (way) {
	case 0:
		return fcntl(1, F_DUPFD_CLOEXEC, 0);
	case 1:
		return eventfd(0, EFD_CLOEXEC);
	case 2:
		return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	case 3:
		return one_nested_epoll();
	case 4:
		return one_pipe();
	case 5:
		return memfd_create("m", MFD_CLOEXEC);
	case 6:
		return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	default:
		return open("/usr/bin/true", O_RDONLY | O_CLOEXEC);
	}
}

int
act_descriptors(char **argv)
{
	static const char *const names[] = { "dup", "eventfd", "timerfd", "nested epoll", "pipe",
		"memory file", "socket", "file" };
	long most = 0;

	(void)argv;
	for (size_t i = 0; i < LEN(names); i++) {
		long n = 0;

		while (n < TRIES && one_descriptor(i) >= 0)
			n++;
		fact_rc(names[i], n == TRIES ? 0 : -1);
		most = n > most ? n : most;
		(void)syscall(SYS_close_range, 3, ~0u, 0);
	}
	fact_number("most", most);
	return 0;
}

/* --- memory that stays ------------------------------------------------------------------------ */

int
act_locked(char **argv)
{
	const size_t n = 64 * MIB;
	char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const void *huge;

	(void)argv;
	fact_rc("mlock of 64 MiB", p == MAP_FAILED ? -1 : mlock(p, n));
	fact_rc("mlockall", mlockall(MCL_CURRENT | MCL_FUTURE));
	(void)munlockall();
	huge = mmap(NULL, 2 * MIB, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	fact_rc("huge page", huge == MAP_FAILED ? -1 : 0);
	fact_rc("memory file of huge pages", memfd_create("h", MFD_HUGETLB | MFD_CLOEXEC));
	fact_rc("secret memory", syscall(SYS_memfd_secret, 0));
	return 0;
}

/* What a just-in-time compiler does: address space without memory behind it. */
int
act_reserve(char **argv)
{
	const size_t n = (size_t)argument(argv, 0, 64) << 30;
	char *p = mmap(NULL, n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p != MAP_FAILED && mprotect(p + n / 2, MIB, PROT_READ | PROT_WRITE) == 0)
		memset(p + n / 2, 1, MIB);
	fact_rc("reservation", p == MAP_FAILED ? -1 : 0);
	return 0;
}

/* --- CPUs ------------------------------------------------------------------------------------- */

static void *
burn_for_ever(void *arg)
{
	for (volatile unsigned long i = 0;; i++)
		;
	return arg;
}

/* spin THREADS SECONDS; 0 seconds: for ever, with all signals ignored. */
int
act_spin(char **argv)
{
	const long threads = argument(argv, 0, 1), seconds = argument(argv, 1, 0);

	if (seconds == 0)
		ignore_all_signals();
	if (threads > 1)
		fact_number("threads", start_threads(threads - 1, burn_for_ever, NULL) + 1);
	for (const long long end = now_ms() + seconds * 1000; seconds == 0 || now_ms() < end;)
		;
	return 0;
}

/* --- the scratch file system -------------------------------------------------------------------
 */

int
act_fill(char **argv)
{
	static char block[65536];
	const int fd = open(argv[0], O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	long long total = 0;
	ssize_t n;

	(void)signal(SIGXFSZ, SIG_IGN);
	while ((n = write(fd, block, sizeof(block))) > 0)
		total += n;
	fact_rc("write", n);
	fact_number("bytes", total);
	(void)unlink(argv[0]);
	return 0;
}

int
act_inodes(char **argv)
{
	long n = 0;

	for (int fd; n < 1000000; n++) {
		char name[64];

		(void)snprintf(name, sizeof(name), "%s/f%ld", argv[0], n);
		fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0)
			break;
		(void)close(fd);
	}
	fact_rc("create", n == 1000000 ? 0 : -1);
	fact_number("files", n);
	return 0;
}

/* --- timers ----------------------------------------------------------------------------------- */

int
act_timers(char **argv)
{
	const struct itimerspec often = { .it_interval = { .tv_nsec = 1000000 },
		.it_value = { .tv_nsec = 1000000 } };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN };
	union sigval value = { .sival_int = 0 };
	sigset_t set;
	timer_t timer;
	long n = 0;

	(void)argv;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGRTMIN);
	(void)sigaddset(&set, SIGRTMAX);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	for (; n < TRIES && timer_create(CLOCK_MONOTONIC, &event, &timer) == 0; n++)
		(void)timer_settime(timer, 0, &often, NULL);
	fact_rc("timer", n == TRIES ? 0 : -1);
	fact_number("timers", n);
	for (n = 0; n < TRIES && sigqueue(getpid(), SIGRTMAX, value) == 0; n++)
		;
	fact_rc("queued signal", n == TRIES ? 0 : -1);
	fact_number("queued signals", n);
	return 0;
}
