/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the processes of a run use, asked of themselves: for hosts whose control groups are not
 * ours. A process that ended is counted by whoever waited for it, and at last by the keeper, to
 * whom all orphans come; one whose parent ignores its end is counted by nobody, so this is for
 * limits of time and for curves, not for bills.
 */
#include "account.h"

#include "keeper_internal.h"

#include "fd.h"
#include "parse.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Of /proc/PID/stat, counted from the state behind the name, which is the third (proc_pid_stat(5)).
 */
enum stat_field {
	STAT_UTIME = 11,
	STAT_STIME,
	STAT_CUTIME,
	STAT_CSTIME,
	STAT_THREADS = 17,
	STAT_RSS = 21
};
enum { STAT_FIELDS = STAT_RSS + 1, STAT_TEXT = 1024, NS_PER_S = 1000000000 };

struct living {
	int64_t cpu_ticks;
	int64_t threads; /* which is what a limit of processes counts */
	int64_t pages;
};

static bool
parse_stat(char *text, int64_t ret[static STAT_FIELDS])
{
	char *at = strrchr(text, ')'); /* the name may hold anything */
	struct err ignored = { 0 };

	if (at == NULL || at[1] != ' ')
		return false;
	at += 2;
	for (int i = 0; i < STAT_FIELDS; i++) {
		char *end = strchr(at, ' ');

		if (end == NULL)
			return false;
		*end = '\0';
		if (parse_i64(at, INT64_MIN, INT64_MAX, &ret[i], &ignored) < 0)
			ret[i] = 0; /* the state is a letter, and no number here is that large */
		at = end + 1;
	}
	return true;
}

/* One that ended meanwhile is counted elsewhere. */
static void
add_process(int proc_fd, const char *name, struct living *sum)
{
	char path[32], text[STAT_TEXT];
	int64_t field[STAT_FIELDS];
	AUTO_FD int fd = -1;
	ssize_t n;

	if (snprintf(path, sizeof(path), "%s/stat", name) >= (int)sizeof(path))
		return;
	fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return;
	text[n] = '\0';
	if (!parse_stat(text, field))
		return;
	for (int i = STAT_UTIME; i <= STAT_CSTIME; i++)
		sum->cpu_ticks += field[i];
	sum->threads += field[STAT_THREADS];
	sum->pages += field[STAT_RSS];
}

static bool
look_at_living(struct living *ret)
{
	DIR *d = opendir("/proc");
	const struct dirent *entry;

	*ret = (struct living){ 0 };
	if (d == NULL)
		return false;
	while ((entry = readdir(d)) != NULL)
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
		    strcmp(entry->d_name, "1") != 0)
			add_process(dirfd(d), entry->d_name, ret);
	(void)closedir(d); /* of a descriptor that was only read */
	return true;
}

static int64_t
reaped_cpu_ns(void)
{
	struct rusage u;

	if (getrusage(RUSAGE_CHILDREN, &u) < 0)
		return 0;
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * INT64_C(1000000000) +
	       (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * INT64_C(1000);
}

int64_t
living_count(enum cgroup_stat what)
{
	const long tick_hz = sysconf(_SC_CLK_TCK), page = sysconf(_SC_PAGESIZE);
	struct living l;

	if (what != CGROUP_STAT_CPU && what != CGROUP_STAT_MEMORY && what != CGROUP_STAT_PROCESSES)
		return 0;
	if (!look_at_living(&l))
		return 0;
	if (what == CGROUP_STAT_CPU)
		return reaped_cpu_ns() + l.cpu_ticks * (NS_PER_S / tick_hz);
	return what == CGROUP_STAT_MEMORY ? l.pages * page : l.threads;
}
