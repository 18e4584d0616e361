/* SPDX-License-Identifier: Apache-2.0 */
/* Writes to stdout and stderr what a log must survive. */
#include "probe.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BLOCK = 64 << 10 };

static bool
put(int fd, const char *p, size_t n)
{
	while (n > 0) {
		const ssize_t done = write(fd, p, n);

		if (done <= 0)
			return false;
		p += done;
		n -= (size_t)done;
	}
	return true;
}

/* flood MIB: on both streams. */
int
act_flood(char **argv)
{
	static char block[BLOCK];

	memset(block, 'x', sizeof(block));
	for (long i = argument(argv, 0, 1) * 16; i > 0; i--)
		if (!put(1 + (int)(i & 1), block, sizeof(block)))
			return 1;
	return 0;
}

/* drip N: single bytes, on both streams by turns. */
int
act_drip(char **argv)
{
	for (long i = argument(argv, 0, 1); i > 0; i--)
		if (!put(1 + (int)(i & 1), "z", 1))
			return 1;
	return 0;
}

/* Period of the bytes, a prime, so that no block of a writer repeats one. */
enum { PERIOD = 65521 };

/* The bytes that tests/it/hostile_run.py makes, too: xorshift64, its low byte each, for one period;
 * then the same exclusive-or 1, 2, 3... */
static void
fill_period(unsigned char *period)
{
	uint64_t x = UINT64_C(88172645463325252);

	for (size_t i = 0; i < PERIOD; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		period[i] = (unsigned char)x;
	}
}

/* bytes N [CUT]: N bytes of everything, NUL and broken UTF-8 included, without a last newline; in
 * writes of CUT bytes, so that characters are torn. */
int
act_bytes(char **argv)
{
	static unsigned char period[PERIOD], block[BLOCK];
	const long total = argument(argv, 0, 1), cut = argument(argv, 1, BLOCK);

	fill_period(period);
	for (long at = 0; at < total;) {
		const long left = total - at, n = left < cut ? left : cut;

		for (long i = 0; i < n; i++)
			block[i] = (unsigned char)(period[(at + i) % PERIOD] ^ ((at + i) / PERIOD));
		if (!put(1, (const char *)block, (size_t)n))
			return 1;
		at += n;
	}
	return 0;
}

/* Two processes write lines to both streams at once; a third keeps the pipes open, writes on when
 * the main process has ended, and ignores every signal. */
int
act_writers(char **argv)
{
	const long lines = argument(argv, 0, 1000);
	pid_t pid[2];

	for (int who = 0; who < 2; who++) {
		pid[who] = fork();
		for (long i = 0; pid[who] == 0 && i <= lines; i++) {
			char line[64];
			const int n =
			    snprintf(line, sizeof(line), "writer %d line %06ld\n", who, i);

			if (i == lines)
				_exit(0);
			(void)put(1 + who, line, (size_t)n);
		}
	}
	for (int who = 0; who < 2; who++)
		(void)waitpid(pid[who], NULL, 0);
	if (fork() == 0) {
		(void)setsid();
		for (int sig = 1; sig < 65; sig++)
			(void)signal(sig, SIG_IGN);
		for (;;) {
			(void)!write(2, "late\n", 5);
			(void)usleep(1000);
		}
	}
	return 0;
}
