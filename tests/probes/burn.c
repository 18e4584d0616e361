/* SPDX-License-Identifier: Apache-2.0 */
/* Uses a known amount of CPU in ways that are easily missed; and a job that only wants to work. */
#include "probe.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 8, DAEMONS = 4, TICK_MS = 50, ROUNDS = 500, WORK = 400000 };

/* Shared by all processes of the act. */
struct ledger {
	atomic_llong ns;
	atomic_int done;
};

static long long
cpu_ns(clockid_t clock)
{
	struct timespec t;

	(void)clock_gettime(clock, &t);
	return (long long)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void
use_cpu(clockid_t clock, long ms, bool kernel)
{
	static char block[1 << 16];
	const int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	const long long end = cpu_ns(clock) + ms * 1000000LL;

	while (cpu_ns(clock) < end)
		if (kernel)
			(void)!read(fd, block, sizeof(block));
	(void)close(fd);
}

static void *
thread_main(void *arg)
{
	use_cpu(CLOCK_THREAD_CPUTIME_ID, *(long *)arg, false);
	return NULL;
}

static void
in_threads(long ms)
{
	pthread_t thread[THREADS];
	long each = ms / THREADS;

	for (int i = 0; i < THREADS; i++)
		(void)pthread_create(&thread[i], NULL, thread_main, &each);
	for (int i = 0; i < THREADS; i++)
		(void)pthread_join(thread[i], NULL);
}

/* Nobody waits for them, they leave the session, and each writes down what it used. */
static void
in_daemons(struct ledger *l, long ms)
{
	for (int i = 0; i < DAEMONS; i++) {
		if (fork() != 0)
			continue;
		(void)setsid();
		if (fork() != 0) {
			(void)atomic_fetch_add(&l->ns, cpu_ns(CLOCK_PROCESS_CPUTIME_ID));
			_exit(0);
		}
		use_cpu(CLOCK_PROCESS_CPUTIME_ID, ms / DAEMONS, false);
		(void)atomic_fetch_add(&l->ns, cpu_ns(CLOCK_PROCESS_CPUTIME_ID));
		(void)atomic_fetch_add(&l->done, 1);
		_exit(0);
	}
	while (atomic_load(&l->done) < DAEMONS)
		(void)usleep(1000);
}

/* A child that shares memory with its parent, which sleeps meanwhile. */
static void
in_vfork(long ms)
{
	const pid_t pid = (pid_t)syscall(SYS_clone, CLONE_VFORK | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0) {
		use_cpu(CLOCK_PROCESS_CPUTIME_ID, ms, false);
		_exit(0);
	}
	(void)waitpid(pid, NULL, 0);
}

/* burn self|kernel|threads|vfork|daemons MS: then says how much CPU time all of it took. */
int
act_burn(char **argv)
{
	struct ledger *l =
	    mmap(NULL, sizeof(*l), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const long ms = argument(argv, 1, 100);
	struct rusage children;
	long long ns;

	if (l == MAP_FAILED)
		return 1;
	if (strcmp(argv[0], "threads") == 0)
		in_threads(ms);
	else if (strcmp(argv[0], "daemons") == 0)
		in_daemons(l, ms);
	else if (strcmp(argv[0], "vfork") == 0)
		in_vfork(ms);
	else
		use_cpu(CLOCK_PROCESS_CPUTIME_ID, ms, strcmp(argv[0], "kernel") == 0);
	/* Children that were waited for before the exec count, too: the shell's. */
	(void)getrusage(RUSAGE_CHILDREN, &children);
	ns = cpu_ns(CLOCK_PROCESS_CPUTIME_ID) + atomic_load(&l->ns) +
	     (children.ru_utime.tv_sec + children.ru_stime.tv_sec) * 1000000000LL +
	     (children.ru_utime.tv_usec + children.ru_stime.tv_usec) * 1000LL;
	fact_number("cpu ns", ns);
	return 0;
}

/* --- the other tenant's job ----------------------------------------------------------------------
 */

static uint64_t
hash(uint64_t x, long rounds)
{
	for (long i = 0; i < rounds; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
	}
	return x;
}

/* witness TICKS: a line each 50 ms that anybody can compute, the pace in a file, and a file that
 * must be as it was. */
int
act_witness(char **argv)
{
	const long ticks = argument(argv, 0, 20);
	volatile uint64_t sink;
	uint64_t x = UINT64_C(88172645463325252);
	char text[64] = "";
	FILE *pace = fopen("pace.txt", "we"), *own = fopen("own.txt", "w+e");

	if (pace == NULL || own == NULL)
		return 1;
	(void)fprintf(own, "nobody else's\n");
	(void)fflush(own);
	for (long i = 0; i < ticks; i++) {
		const long long at = cpu_ns(CLOCK_MONOTONIC);

		sink = hash(x, WORK);
		(void)fprintf(pace, "%lld\n", cpu_ns(CLOCK_MONOTONIC) - at);
		x = hash(x, ROUNDS);
		(void)dprintf(1, "tick %ld %016lx\n", i, x);
		(void)usleep(TICK_MS * 1000);
	}
	(void)sink;
	rewind(own);
	(void)!fgets(text, sizeof(text), own);
	(void)dprintf(1, "end %s", text);
	return fclose(pace) == 0 ? 0 : 1;
}
