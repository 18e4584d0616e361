/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs inside a sandbox, statically linked: works a known amount, or takes as much of one thing as
 * there is, and says on stdout what it got.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

enum { MIB = 1 << 20, PAGE = 4096 };

static long
number(char **argv, int i)
{
	return argv[i] == NULL ? 0 : strtol(argv[i], NULL, 10);
}

static void
say(const char *what, long long n)
{
	char line[64];
	int len = snprintf(line, sizeof(line), "%s %lld\n", what, n);

	if (write(1, line, (size_t)len) != len)
		_exit(99);
}

/* --- memory --------------------------------------------------------------------------------- */

static int
touch(char *p, long mib)
{
	if (p == MAP_FAILED)
		return 1;
	for (long i = 0; i < mib * MIB; i += PAGE)
		p[i] = 1;
	say("touched", mib);
	return 0;
}

static int
act_anon(char **argv)
{
	const long mib = number(argv, 0);

	return touch(mmap(NULL, (size_t)mib * MIB, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
	    mib);
}

static int
act_shared(char **argv)
{
	const long mib = number(argv, 0);

	return touch(mmap(NULL, (size_t)mib * MIB, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0),
	    mib);
}

static int
act_memfd(char **argv)
{
	static char block[MIB];
	const long mib = number(argv, 0);
	int fd = memfd_create("x", 0);

	for (long i = 0; i < mib; i++)
		if (write(fd, block, sizeof(block)) != (ssize_t)sizeof(block))
			return 1;
	say("touched", mib);
	return 0;
}

/* A file in /work, kept or not. */
static int
act_tmpfs(char **argv)
{
	static char block[MIB];
	const long mib = number(argv, 0);
	int fd = open("/work/file", O_WRONLY | O_CREAT, 0600);

	for (long i = 0; i < mib; i++)
		if (write(fd, block, sizeof(block)) < 0) {
			say(strerrorname_np(errno), i);
			return 3;
		}
	say("touched", mib);
	unlink("/work/file");
	return 0;
}

static int
act_pipes(char **argv)
{
	static char block[MIB];
	const long mib = number(argv, 0);

	for (long i = 0; i < mib; i++) {
		int ends[2];

		if (pipe2(ends, O_NONBLOCK) < 0 || fcntl(ends[1], F_SETPIPE_SZ, MIB) < 0) {
			say(strerrorname_np(errno), i);
			return 3;
		}
		(void)!write(ends[1], block, sizeof(block));
	}
	say("touched", mib);
	return 0;
}

/* A grandchild takes the memory; its parents go on. */
static int
act_grandchild(char **argv)
{
	if (fork() == 0) {
		if (fork() == 0)
			_exit(act_anon(argv));
		wait(NULL);
		_exit(0);
	}
	wait(NULL);
	return 0;
}

static int
act_read(char **argv)
{
	static char block[MIB];
	int fd = open(argv[0], O_RDONLY);
	long long total = 0;
	ssize_t n;

	while ((n = read(fd, block, sizeof(block))) > 0)
		total += n;
	say("read", total);
	return n < 0;
}

/* --- processes, files ----------------------------------------------------------------------- */

static int
act_processes(char **argv)
{
	long n = 1;

	(void)argv;
	while (fork() > 0)
		n++;
	if (errno != EAGAIN) {
		pause();
		_exit(0);
	}
	say("EAGAIN", n);
	return 0;
}

static int
act_files(char **argv)
{
	long n = 3;

	(void)argv;
	while (open("/dev/null", O_RDONLY) >= 0)
		n++;
	say(strerrorname_np(errno), n);
	return 0;
}

static int
act_inodes(char **argv)
{
	long n = 0;

	(void)argv;
	for (;; n++) {
		char name[32];

		snprintf(name, sizeof(name), "/work/f%ld", n);
		if (mknod(name, S_IFREG | 0600, 0) < 0)
			break;
	}
	say(strerrorname_np(errno), n);
	return 0;
}

/* --- CPU ------------------------------------------------------------------------------------ */

static long long
clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void
burn(clockid_t id, long ms)
{
	const long long until = clock_ns(id) + ms * 1000000LL;

	while (clock_ns(id) < until)
		;
}

/* For so many ms of wall time, on so many processes. */
static int
act_spin(char **argv)
{
	const long ms = number(argv, 0), n = number(argv, 1);

	say("ready", getpid());
	for (long i = 1; i < n; i++)
		if (fork() == 0)
			break;
	burn(CLOCK_MONOTONIC, ms);
	while (wait(NULL) > 0)
		;
	return 0;
}

static void
burn_and_say(long ms)
{
	burn(CLOCK_PROCESS_CPUTIME_ID, ms);
	say("cpu", clock_ns(CLOCK_PROCESS_CPUTIME_ID));
}

static void *
burn_thread(void *arg)
{
	burn(CLOCK_THREAD_CPUTIME_ID, *(long *)arg);
	return NULL;
}

static int
act_burn(char **argv)
{
	burn_and_say(number(argv, 0));
	return 0;
}

/* Every way to have a process: reaped, reaped by nobody, orphaned in a session of its own, vforked;
 * and threads.  Each says what it used as its last act. */
static int
act_family(char **argv)
{
	char program[] = "/work/probe", act[] = "burn";
	char *const again[] = { program, act, argv[0], NULL };
	long ms = number(argv, 0);
	pthread_t thread;
	int done[2];
	char c;

	if (pipe2(done, O_CLOEXEC) < 0)
		return 1;
	if (fork() == 0) {
		burn_and_say(ms);
		_exit(0);
	}
	wait(NULL);
	signal(SIGCHLD, SIG_IGN);
	if (fork() == 0) {
		burn_and_say(ms);
		_exit(0);
	}
	wait(NULL);
	signal(SIGCHLD, SIG_DFL);
	if (fork() == 0) {
		if (fork() == 0) {
			setsid();
			burn_and_say(ms);
		}
		_exit(0);
	}
	wait(NULL);
	if (vfork() == 0) {
		execve(program, again, again + 3);
		_exit(1);
	}
	wait(NULL);
	pthread_create(&thread, NULL, burn_thread, &ms);
	pthread_join(thread, NULL);
	close(done[1]);
	while (read(done[0], &c, 1) > 0) /* until the last of them has let go */
		;
	burn_and_say(ms);
	return 0;
}

/* --- pinning -------------------------------------------------------------------------------- */

static long long
affinity(void)
{
	cpu_set_t set;
	long long mask = 0;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return -1;
	for (size_t i = 0; i < 62; i++)
		if (CPU_ISSET(i, &set))
			mask |= 1LL << i;
	return mask;
}

static void *
look_around(void *arg)
{
	const long long until = clock_ns(CLOCK_MONOTONIC) + 200000000;

	while (clock_ns(CLOCK_MONOTONIC) < until) {
		__atomic_or_fetch((long long *)arg, 1LL << sched_getcpu(), __ATOMIC_RELAXED);
		sched_yield();
	}
	return NULL;
}

static int
act_cpus(char **argv)
{
	long long seen = 0;
	pthread_t thread[4];
	cpu_set_t all;

	(void)argv;
	say("affinity", affinity());
	memset(&all, 0xff, sizeof(all));
	say("widen", sched_setaffinity(0, sizeof(all), &all));
	say("affinity", affinity());
	for (size_t i = 0; i < LEN(thread); i++)
		pthread_create(&thread[i], NULL, look_around, &seen);
	for (size_t i = 0; i < LEN(thread); i++)
		pthread_join(thread[i], NULL);
	say("seen", seen);
	return 0;
}

/* --- the end -------------------------------------------------------------------------------- */

static int
act_wait_file(char **argv)
{
	char text[256];
	ssize_t n;
	int fd;

	signal(SIGTERM, SIG_IGN);
	say("ready", 0);
	while ((fd = open(argv[0], O_RDONLY)) < 0)
		usleep(2000);
	n = read(fd, text, sizeof(text));
	printf("told: %.*s\n", (int)n, text);
	return 9;
}

static int
act_wait_signal(char **argv)
{
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, (int)number(argv, 0));
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	say("ready", 0);
	sigwait(&set, &sig);
	say("signal", sig);
	return 8;
}

/* Something else lies where the stop file should be; then it waits for TERM. */
static int
act_wait_hostile(char **argv)
{
	static const char target[] = "/work/target";

	close(open(target, O_WRONLY | O_CREAT, 0600));
	if (strcmp(argv[0], "fifo") == 0)
		mkfifo("/work/STOP", 0600);
	else if (strcmp(argv[0], "link") == 0)
		(void)!symlink(target, "/work/STOP");
	else if (strcmp(argv[0], "dangling") == 0)
		(void)!symlink("/work/created", "/work/STOP");
	else if (strcmp(argv[0], "dir") == 0)
		mkdir("/work/STOP", 0700);
	else if (strcmp(argv[0], "closed") == 0)
		chmod("/work", 0);
	else if (strcmp(argv[0], "full") == 0)
		(void)act_inodes(argv);
	say("signal", act_wait_signal((char *[]){ NULL }));
	chmod("/work", 0700);
	if (access("/work/created", F_OK) == 0)
		say("followed", 1);
	return 8;
}

/* Not as fast as it can: what a refused fork took from the kernel's memory comes back late, and a
 * bomb that is fast enough runs out of memory before anybody can stop it. */
static void
go_on_forking(void)
{
	for (;;)
		usleep(fork() < 0 ? 20000 : 1000);
}

/* A tree of processes that want to stay: each in a session of its own, deaf, and forking. */
static int
act_bomb(char **argv)
{
	const long want = number(argv, 0);

	for (int sig = 1; sig < 65; sig++)
		if (sig != SIGCHLD)
			signal(sig, SIG_IGN);
	for (long i = 0; i < want; i++) {
		const pid_t pid = fork();

		if (pid < 0)
			break;
		if (pid > 0) {
			waitpid(pid, NULL, 0);
			continue;
		}
		setsid();
		if (fork() != 0)
			_exit(0);
		go_on_forking(); /* an orphan by now */
	}
	say("ready", 0);
	go_on_forking();
	return 0;
}

/* --- the rest ------------------------------------------------------------------------------- */

static int
act_log(char **argv)
{
	static char block[1000];
	long left = number(argv, 0);

	memset(block, 'x', sizeof(block));
	while (left > 0) {
		const long n = left < (long)sizeof(block) ? left : (long)sizeof(block);

		if (write(1, block, (size_t)n) != n)
			return 1;
		left -= n;
	}
	if (write(2, "end", 3) != 3)
		return 1;
	return 4;
}

static int
act_faults(char **argv)
{
	const long pages = number(argv, 0);
	char *p = mmap(
	    NULL, (size_t)pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	madvise(p, (size_t)pages * PAGE, MADV_NOHUGEPAGE);
	for (long i = 0; i < pages; i++)
		p[i * PAGE] = 1;
	return 0;
}

static int
act_exit(char **argv)
{
	return (int)number(argv, 0);
}

static int
act_kill(char **argv)
{
	return kill(getpid(), (int)number(argv, 0));
}

static int
act_sleep(char **argv)
{
	say("ready", 0);
	usleep((useconds_t)number(argv, 0) * 1000);
	return 0;
}

static const struct act {
	const char *name;
	int (*run)(char **argv);
} acts[] = {
	{ "anon", act_anon },
	{ "shared", act_shared },
	{ "memfd", act_memfd },
	{ "tmpfs", act_tmpfs },
	{ "pipes", act_pipes },
	{ "grandchild", act_grandchild },
	{ "read", act_read },
	{ "processes", act_processes },
	{ "files", act_files },
	{ "inodes", act_inodes },
	{ "spin", act_spin },
	{ "burn", act_burn },
	{ "family", act_family },
	{ "cpus", act_cpus },
	{ "wait-file", act_wait_file },
	{ "wait-signal", act_wait_signal },
	{ "wait-hostile", act_wait_hostile },
	{ "bomb", act_bomb },
	{ "log", act_log },
	{ "faults", act_faults },
	{ "exit", act_exit },
	{ "kill", act_kill },
	{ "sleep", act_sleep },
};

int
main(int argc, char **argv)
{
	for (size_t i = 0; argc >= 2 && i < LEN(acts); i++)
		if (strcmp(argv[1], acts[i].name) == 0)
			return acts[i].run(argv + 2);
	fprintf(stderr, "probe: no such act\n");
	return 250;
}
