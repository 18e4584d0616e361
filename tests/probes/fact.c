/* SPDX-License-Identifier: Apache-2.0 */
/* Reports, and what most acts need: a child that may die of the attempt, clocks, threads. */
#include "probe.h"

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TEXT_BYTES = 900, LINE_BYTES = 6 * TEXT_BYTES + 256, THREAD_STACK_BYTES = 64 << 10 };

struct line {
	char text[LINE_BYTES];
	size_t n;
};

static void
put_text(struct line *l, const char *s)
{
	for (const unsigned char *p = (const unsigned char *)s; *p != '\0'; p++) {
		if (l->n > LINE_BYTES - 16)
			return;
		if (*p < 0x20 || *p > 0x7e || *p == '"' || *p == '\\')
			l->n += (size_t)snprintf(l->text + l->n, 8, "\\u%04x", *p);
		else
			l->text[l->n++] = (char)*p;
	}
}

static void
put_plain(struct line *l, const char *s)
{
	const size_t n = strlen(s);

	memcpy(l->text + l->n, s, n);
	l->n += n;
}

void
fact(const char *name, const char *fmt, ...)
{
	char text[TEXT_BYTES];
	struct line l = { .n = 0 };
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	put_plain(&l, "{\"fact\":\"");
	put_text(&l, name);
	put_plain(&l, "\",\"got\":\"");
	put_text(&l, text);
	put_plain(&l, "\"}\n");
	(void)!write(1, l.text, l.n); /* one write: lines of several processes stay whole */
}

static const char *
errno_name(int err)
{
	const char *name = strerrorname_np(err);

	return name != NULL ? name : "unknown errno";
}

void
fact_rc(const char *name, long rc)
{
	fact(name, "%s", rc >= 0 ? "ok" : errno_name(errno));
}

void
fact_number(const char *name, long long n)
{
	fact(name, "%lld", n);
}

/* --- a child -------------------------------------------------------------------------------- */

struct attempt {
	long rc;
	int err;
};

static void
report_child(const char *name, const struct attempt *a, int status)
{
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		fact(name, "blocks");
	else if (WIFSIGNALED(status))
		fact(name, "SIG%s", sigabbrev_np(WTERMSIG(status)));
	else
		fact(name, "%s", a->rc >= 0 ? "ok" : errno_name(a->err));
}

void
fact_child(const char *name, probe_call call, const void *arg)
{
	struct attempt *a =
	    mmap(NULL, sizeof(*a), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const struct itimerval second = { .it_value = { .tv_sec = 1 } };
	int status = 0;
	pid_t pid;

	if (a == MAP_FAILED || (pid = fork()) < 0) {
		fact(name, "no child: %s", errno_name(errno));
		return;
	}
	if (pid == 0) {
		(void)setitimer(ITIMER_REAL, &second, NULL);
		errno = 0;
		a->rc = call(arg);
		a->err = errno;
		_exit(0);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	report_child(name, a, status);
	(void)munmap(a, sizeof(*a));
}

/* --- small things ----------------------------------------------------------------------------- */

long
argument(char **argv, int i, long otherwise)
{
	for (int k = 0; k <= i; k++)
		if (argv[k] == NULL)
			return otherwise;
	return strtol(argv[i], NULL, 10);
}

long long
now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void
wait_for_the_end(void)
{
	for (;;)
		(void)pause();
}

long
start_threads(long n, void *(*body)(void *), void *arg)
{
	pthread_attr_t attr;
	pthread_t thread;
	long made = 0;

	if (pthread_attr_init(&attr) != 0 ||
	    pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES) != 0)
		return -1;
	while (made < n && (errno = pthread_create(&thread, &attr, body, arg)) == 0)
		made++;
	return made;
}
