/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clocks that are wrong, of which nobody else on the host notices anything.  As a library for
 * LD_PRELOAD it sets the wall clock of wardiand, and of no other program, a day forward and back
 * every second, while the monotonic clock runs on as it does.  With names that the linker wraps it
 * is a part of two keepers: one with such a wall clock, and one (HASTE) whose monotonic clock runs
 * so many times as fast.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { DAY_S = 86400 };
#define NS_PER_S INT64_C(1000000000)

#ifdef IN_A_KEEPER
#define NAME(call) __wrap_##call
#else
#define NAME(call) call
#endif

int NAME(clock_gettime)(clockid_t id, struct timespec *ret);
time_t NAME(time)(time_t *ret);
int NAME(gettimeofday)(struct timeval *ret, void *zone);

static bool
is_for_this(void)
{
#ifdef IN_A_KEEPER
	return true;
#else
	char name[16] = "";
	const int fd = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
	const ssize_t n = fd < 0 ? 0 : read(fd, name, sizeof(name) - 1);

	if (fd >= 0)
		(void)close(fd);
	return n > 0 && strncmp(name, "wardiand\n", (size_t)n) == 0;
#endif
}

static bool here;

__attribute__((constructor)) static void
look_who_this_is(void)
{
	here = is_for_this();
}

#ifdef HASTE
static void
falsify(clockid_t id, struct timespec *now)
{
	const int64_t ns = (now->tv_sec * NS_PER_S + now->tv_nsec) * HASTE;

	if (id == CLOCK_MONOTONIC)
		*now = (struct timespec){ ns / NS_PER_S, ns % NS_PER_S };
}
#else
static void
falsify(clockid_t id, struct timespec *now)
{
	struct timespec mono;

	if (id == CLOCK_REALTIME && syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &mono) == 0)
		now->tv_sec += mono.tv_sec % 2 == 0 ? DAY_S : -DAY_S;
}
#endif

int
NAME(clock_gettime)(clockid_t id, struct timespec *ret)
{
	const int rc = (int)syscall(SYS_clock_gettime, id, ret);

	if (rc == 0 && here)
		falsify(id, ret);
	return rc;
}

time_t
NAME(time)(time_t *ret)
{
	struct timespec now = { 0 };

	(void)NAME(clock_gettime)(CLOCK_REALTIME, &now);
	if (ret != NULL)
		*ret = now.tv_sec;
	return now.tv_sec;
}

int
NAME(gettimeofday)(struct timeval *ret, void *zone)
{
	struct timespec now = { 0 };

	(void)zone;
	(void)NAME(clock_gettime)(CLOCK_REALTIME, &now);
	*ret = (struct timeval){ now.tv_sec, now.tv_nsec / 1000 };
	return 0;
}
