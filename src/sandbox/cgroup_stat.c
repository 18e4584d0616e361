/* SPDX-License-Identifier: Apache-2.0 */
/* Counters of a run's groups, in one unit whatever the version. */
#include "cgroup_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* The OOM verdict is the oom_kill counter: version 1's failcnt stays 0 through kills (seen
 * on 6.18), and a death by SIGKILL may be anybody's. */
const struct cgroup_counter cgroup_counters[CGROUP_STATS] = {
	[CGROUP_STAT_CPU] = { CGROUP_CPUACCT,
	    { [1] = { "cpuacct.usage", NULL, 1 }, [2] = { "cpu.stat", "usage_usec", 1000 } } },
	[CGROUP_STAT_CPU_USER] = { CGROUP_CPUACCT,
	    { [1] = { "cpuacct.usage_user", NULL, 1 }, [2] = { "cpu.stat", "user_usec", 1000 } } },
	[CGROUP_STAT_CPU_SYSTEM] = { CGROUP_CPUACCT,
	    { [1] = { "cpuacct.usage_sys", NULL, 1 }, [2] = { "cpu.stat", "system_usec", 1000 } } },
	[CGROUP_STAT_PEAK] = { CGROUP_MEMORY,
	    { [1] = { "memory.max_usage_in_bytes", NULL, 1 }, [2] = { "memory.peak", NULL, 1 } } },
	[CGROUP_STAT_OOM] = { CGROUP_MEMORY, { [1] = { "memory.oom_control", "oom_kill", 1 },
						 [2] = { "memory.events", "oom_kill", 1 } } },
	[CGROUP_STAT_THROTTLED] = { CGROUP_CPU,
	    { [1] = { "cpu.stat", "throttled_time", 1 },
		[2] = { "cpu.stat", "throttled_usec", 1000 } } },
	[CGROUP_STAT_MEMORY] = { CGROUP_MEMORY,
	    { [1] = { "memory.usage_in_bytes", NULL, 1 }, [2] = { "memory.current", NULL, 1 } } },
	[CGROUP_STAT_PROCESSES] = { CGROUP_PIDS,
	    { [1] = { "pids.current", NULL, 1 }, [2] = { "pids.current", NULL, 1 } } },
	[CGROUP_STAT_PROCESSES_PEAK] = { CGROUP_PIDS,
	    { [1] = { "pids.peak", NULL, 1 }, [2] = { "pids.peak", NULL, 1 } } },
	[CGROUP_STAT_IO_READ] = { CGROUP_IO,
	    { [1] = { "blkio.throttle.io_service_bytes", "Read ", 1 },
		[2] = { "io.stat", "rbytes=", 1 } } },
	[CGROUP_STAT_IO_WRITE] = { CGROUP_IO,
	    { [1] = { "blkio.throttle.io_service_bytes", "Write ", 1 },
		[2] = { "io.stat", "wbytes=", 1 } } },
};

/* ends: what may stand behind the number, beside the end of the text. */
static int64_t
leading_number(const char *p, const char *ends)
{
	int64_t v = 0;

	if (*p < '0' || *p > '9')
		return -1;
	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *p - '0', &v))
			return -1;
	return *p == '\0' || strchr(ends, *p) != NULL ? v : -1;
}

int64_t
cgroup_text_number(const char *text, const char *key)
{
	size_t n = key == NULL ? 0 : strlen(key);

	if (key == NULL)
		return leading_number(text, "\n");
	for (const char *line = text; line != NULL && *line != '\0';) {
		if (strncmp(line, key, n) == 0 && line[n] == ' ')
			return leading_number(line + n + 1, "\n");
		line = strchr(line, '\n');
		if (line != NULL)
			line++;
	}
	return -1;
}

int64_t
cgroup_text_sum(const char *text, const char *key)
{
	const size_t n = strlen(key);
	int64_t sum = 0;

	for (const char *at = text; (at = strstr(at, key)) != NULL; at += n) {
		int64_t v;

		if (at == text || at[-1] != ' ')
			continue;
		v = leading_number(at + n, " \n");
		if (v < 0 || __builtin_add_overflow(sum, v, &sum))
			return -1;
	}
	return sum;
}

int64_t
cgroup_stat_read(int fd, uint32_t version, enum cgroup_stat what)
{
	const struct cgroup_counter *row = &cgroup_counters[what];
	char text[8192]; /* all are far below a page but for hosts of a hundred disks */
	int64_t v;
	ssize_t n;

	if (fd < 0 || version < 1 || version > 2)
		return -1;
	n = pread(fd, text, sizeof(text) - 1, 0);
	if (n < 0 || n == (ssize_t)sizeof(text) - 1)
		return -1;
	text[n] = '\0';
	v = row->controller == CGROUP_IO ? cgroup_text_sum(text, row->v[version].key)
					 : cgroup_text_number(text, row->v[version].key);
	if (v < 0 || __builtin_mul_overflow(v, row->v[version].factor, &v))
		return -1;
	return v;
}

void
cgroup_open_stats(const struct cgroup *g, int ret_fd[static CGROUP_STATS],
    uint32_t ret_version[static CGROUP_STATS])
{
	for (unsigned i = 0; i < CGROUP_STATS; i++) {
		ret_fd[i] = -1;
		ret_version[i] = 0;
		for (size_t j = 0; j < g->n; j++) {
			uint32_t version = g->in[j].version;

			if ((g->in[j].controllers & 1u << cgroup_counters[i].controller) == 0)
				continue;
			ret_fd[i] = openat(
			    g->in[j].fd, cgroup_counters[i].v[version].file, O_RDONLY | O_CLOEXEC);
			if (ret_fd[i] >= 0)
				ret_version[i] = version;
		}
	}
}
