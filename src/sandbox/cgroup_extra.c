/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only some runs ask for: CPUs of their own, and limits on disks.  In version 1 both have
 * hierarchies of their own, which every other run is spared: a cpuset takes a kernel-wide lock when
 * it is written, and each hierarchy costs a directory and an entry.
 */
#include "cgroup_internal.h"

#include "fd.h"
#include "parse.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum {
	WORD_BITS = 64,
	CPUS_MAX = SANDBOX_CPU_WORDS * WORD_BITS,
	TEXT_MAX = 64 << 10,
	DISK_PATH_SIZE = 128
};

/* --- sets of CPUs --------------------------------------------------------------------------- */

bool
cpu_set_empty(const uint64_t set[static SANDBOX_CPU_WORDS])
{
	for (size_t i = 0; i < SANDBOX_CPU_WORDS; i++)
		if (set[i] != 0)
			return false;
	return true;
}

static bool
has(const uint64_t *set, unsigned cpu)
{
	return cpu < CPUS_MAX && (set[cpu / WORD_BITS] >> cpu % WORD_BITS & 1) != 0;
}

/* Takes a number of at most six digits from *p. */
static bool
take_cpu(const char **p, unsigned *ret)
{
	unsigned v = 0;
	int n = 0;

	for (; **p >= '0' && **p <= '9' && n < 6; (*p)++, n++)
		v = v * 10 + (unsigned)(**p - '0');
	*ret = v;
	return n > 0;
}

int
cpu_set_parse(const char *text, uint64_t ret[static SANDBOX_CPU_WORDS], struct err *e)
{
	uint64_t set[SANDBOX_CPU_WORDS] = { 0 };
	const char *p = text;

	while (*p != '\0' && *p != '\n') {
		unsigned first, last;

		if (!take_cpu(&p, &first))
			return err_set(e, ERR_PROTOCOL, "a list of CPUs is malformed");
		last = first;
		if (*p == '-' && (p++, !take_cpu(&p, &last) || last < first))
			return err_set(e, ERR_PROTOCOL, "a list of CPUs is malformed");
		for (unsigned cpu = first; cpu <= last && cpu < CPUS_MAX; cpu++)
			set[cpu / WORD_BITS] |= UINT64_C(1) << cpu % WORD_BITS;
		if (*p == ',' && p[1] != '\0' && p[1] != '\n')
			p++;
		else if (*p != '\0' && *p != '\n')
			return err_set(e, ERR_PROTOCOL, "a list of CPUs is malformed");
	}
	memcpy(ret, set, sizeof(set));
	return 0;
}

const char *
cpu_set_format(const uint64_t set[static SANDBOX_CPU_WORDS], char out[static CPU_SET_TEXT_SIZE])
{
	size_t n = 0;

	out[0] = '\0';
	for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++) {
		unsigned last = cpu;
		int put;

		if (!has(set, cpu))
			continue;
		while (has(set, last + 1))
			last++;
		put = snprintf(out + n, CPU_SET_TEXT_SIZE - n, last > cpu ? "%s%u-%u" : "%s%u",
		    n == 0 ? "" : ",", cpu, last);
		REQUIRE(put > 0);
		n += (size_t)put;
		REQUIRE(n < CPU_SET_TEXT_SIZE);
		cpu = last;
	}
	return out;
}

/* --- the cpuset controller ------------------------------------------------------------------ */

/* A new group of version 1 has neither CPUs nor memory nodes, and no process may enter it.  Ours
 * takes both from its parent, and everything below it starts with what it has. */
bool
cgroup_prepare_cpuset(const struct cgroup_tree *t)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };
	struct err ignored = { 0 }; /* the host is complete without it */

	if (t->version != 1)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		AUTO_FREE char *text = NULL;
		size_t n;

		if (fd_read_file(t->own_fd, files[i], TEXT_MAX, &text, &n, &ignored) < 0 ||
		    text == NULL || cgroup_write(t->base_fd, files[i], text, &ignored) < 0)
			return false;
	}
	return cgroup_write(t->base_fd, "cgroup.clone_children", "1", &ignored) == 0;
}

static bool
effective(int fd, uint32_t version, uint64_t ret[static SANDBOX_CPU_WORDS])
{
	AUTO_FREE char *text = NULL;
	struct err ignored = { 0 };
	size_t n;

	return fd_read_file(fd, version == 1 ? "cpuset.effective_cpus" : "cpuset.cpus.effective",
		   TEXT_MAX, &text, &n, &ignored) == 0 &&
	       cpu_set_parse(text == NULL ? "" : text, ret, &ignored) == 0;
}

/* Version 2 takes CPUs that do not exist and uses the rest, so what came of it is looked at. */
static int
pin(int fd, uint32_t version, const uint64_t want[static SANDBOX_CPU_WORDS], struct err *e)
{
	uint64_t got[SANDBOX_CPU_WORDS];
	char text[CPU_SET_TEXT_SIZE];
	struct err why = { 0 };

	(void)cpu_set_format(want, text);
	if (cgroup_write(fd, "cpuset.cpus", text, &why) == 0 && effective(fd, version, got) &&
	    memcmp(got, want, sizeof(got)) == 0)
		return 0;
	return err_sys(e, ENODEV, "the CPUs %.64s cannot be had on this host", text);
}

/* --- disks ---------------------------------------------------------------------------------- */

static bool
put_path(char out[static DISK_PATH_SIZE], const char *dir, dev_t dev, const char *file)
{
	const int n =
	    snprintf(out, DISK_PATH_SIZE, "%s/%u:%u/%s", dir, major(dev), minor(dev), file);

	return n > 0 && n < DISK_PATH_SIZE;
}

/* "major:minor" and a newline, which is cut off. */
static uint64_t
parse_dev(char *text)
{
	struct err ignored = { 0 };
	char *colon = strchr(text, ':');
	char *end = strchr(text, '\n');
	int64_t major, minor;

	if (colon == NULL || end == NULL)
		return 0;
	*colon = *end = '\0';
	if (parse_i64(text, 1, UINT32_MAX, &major, &ignored) < 0 ||
	    parse_i64(colon + 1, 0, UINT32_MAX, &minor, &ignored) < 0)
		return 0;
	return (uint64_t)major << 32 | (uint64_t)minor;
}

/* Limits are of whole disks; a partition's directory lies in its disk's. */
uint64_t
cgroup_disk_of(int fd, const char *dir)
{
	AUTO_FREE char *text = NULL;
	struct err ignored = { 0 }; /* file systems without a disk have none */
	char path[DISK_PATH_SIZE];
	struct stat st;
	size_t n;

	if (fstat(fd, &st) < 0 || !put_path(path, dir, st.st_dev, "partition") ||
	    !put_path(path, dir, st.st_dev, access(path, F_OK) == 0 ? "../dev" : "dev"))
		return 0;
	if (fd_read_file(AT_FDCWD, path, 64, &text, &n, &ignored) < 0 || text == NULL)
		return 0;
	return parse_dev(text);
}

static void
limit_disk(int fd, uint32_t version, uint64_t disk, const struct sandbox_limits *l)
{
	static const char *const v1[] = { "blkio.throttle.read_bps_device",
		"blkio.throttle.write_bps_device" };
	const int64_t bps[] = { l->io_read_bps, l->io_write_bps };
	struct err ignored = { 0 }; /* a disk that cannot be throttled is not */

	for (size_t i = 0; i < ARRAY_LEN(bps); i++) {
		char text[64];

		if (bps[i] == 0)
			continue;
		(void)snprintf(text, sizeof(text), "%u:%u %s%jd", (unsigned)(disk >> 32),
		    (unsigned)disk,
		    version == 1 ? ""
		    : i == 0     ? "rbps="
				 : "wbps=",
		    (intmax_t)bps[i]); /* fits */
		(void)cgroup_write(fd, version == 1 ? v1[i] : "io.max", text, &ignored);
	}
}

/* --- a run ---------------------------------------------------------------------------------- */

static uint32_t
wanted(const struct sandbox_request *q)
{
	uint32_t mask = cpu_set_empty(q->cpu_set) ? 0 : 1u << CGROUP_CPUSET;

	if (q->limits.io_read_bps != 0 || q->limits.io_write_bps != 0)
		mask |= 1u << CGROUP_IO;
	return mask;
}

bool
cgroup_extras_wanted(const struct sandbox_request *q)
{
	return wanted(q) != 0;
}

int
cgroup_add_extras(const struct cgroup_host *h, const char *name, const struct sandbox_request *q,
    const int fd[static CGROUP_DISKS], struct cgroup *g, struct err *e)
{
	const uint32_t mask = wanted(q);
	uint64_t disk[CGROUP_DISKS];

	for (size_t i = 0; i < h->n; i++)
		if ((h->tree[i].controllers & ~(uint32_t)CGROUP_EXTRAS) == 0 &&
		    (h->tree[i].controllers & mask) != 0 &&
		    cgroup_make_in(&h->tree[i], name, g, e) < 0)
			return -1;
	for (size_t i = 0; i < CGROUP_DISKS; i++)
		disk[i] =
		    (mask & 1u << CGROUP_IO) == 0 ? 0 : cgroup_disk_of(fd[i], "/sys/dev/block");
	for (size_t i = 0; i < g->n; i++) {
		const uint32_t use = g->in[i].controllers & mask;

		if ((use & 1u << CGROUP_CPUSET) != 0 &&
		    pin(g->in[i].fd, g->in[i].version, q->cpu_set, e) < 0)
			return -1;
		for (size_t j = 0; j < CGROUP_DISKS && (use & 1u << CGROUP_IO) != 0; j++)
			if (disk[j] != 0)
				limit_disk(g->in[i].fd, g->in[i].version, disk[j], &q->limits);
	}
	return 0;
}
