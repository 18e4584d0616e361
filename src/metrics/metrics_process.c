/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics_internal.h"

#include "fd.h"
#include "parse.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* A number that cannot be had (no /proc, a limit of "unlimited") leaves its family out. */

static void
print_gauge(struct buf *out, const char *name, const char *help, int64_t v)
{
	metrics_print_head(out, name, "gauge", help);
	buf_printf(out, "%s %" PRId64 "\n", name, v);
}

static void
print_seconds(struct buf *out, const char *name, const char *type, const char *help, double v)
{
	char text[PARSE_F64_SIZE];

	metrics_print_head(out, name, type, help);
	buf_printf(out, "%s %s\n", name, format_f64(v, text));
}

/* proc_pid_statm(5): total size and resident size, in pages. */
static void
print_memory(struct buf *out)
{
	int64_t page = sysconf(_SC_PAGESIZE), total, resident;
	AUTO_FREE char *text = NULL;
	struct err e = { 0 };
	char *rest, *first, *second;
	size_t n;

	if (fd_read_file(AT_FDCWD, "/proc/self/statm", 512, &text, &n, &e) < 0)
		return;
	rest = text;
	first = strsep(&rest, " ");
	second = strsep(&rest, " ");
	if (first == NULL || second == NULL || page <= 0 ||
	    parse_i64(first, 0, INT64_MAX / page, &total, &e) < 0 ||
	    parse_i64(second, 0, INT64_MAX / page, &resident, &e) < 0)
		return;
	print_gauge(out, "process_virtual_memory_bytes", "Virtual memory size.", total * page);
	print_gauge(out, "process_resident_memory_bytes", "Resident memory size.", resident * page);
}

static void
print_descriptors(struct buf *out)
{
	struct rlimit limit;
	int64_t open_fds = -1; /* the walk's own descriptor does not count */
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL)
		open_fds += entry->d_name[0] != '.';
	if (dir != NULL) {
		closedir(dir);
		print_gauge(out, "process_open_fds", "Open file descriptors.", open_fds);
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur <= INT64_MAX)
		print_gauge(out, "process_max_fds", "Most file descriptors that may be open.",
		    (int64_t)limit.rlim_cur);
}

void
metrics_print_process(const struct metrics *m, struct buf *out)
{
	struct timespec cpu;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0)
		print_seconds(out, "process_cpu_seconds_total", "counter",
		    "User and system CPU time spent.",
		    (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9);
	/* The daemon makes its metrics first, so their age is the process's. */
	print_seconds(out, "process_start_time_seconds", "gauge",
	    "Start of the process, in seconds since 1970.", (double)m->started_wall_us / 1e6);
	print_memory(out);
	print_descriptors(out);
}
