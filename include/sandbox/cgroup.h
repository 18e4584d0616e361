/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CGROUP_H
#define CGROUP_H

/*
 * Control groups of runs, version 1 and 2 at once: each controller is used where this host has it.
 * The spawner makes, limits and removes; the keeper reads counters through descriptors that the
 * spawner opened.  Everything goes through directory descriptors held from the start.
 */

#include "base.h"
#include "err.h"
#include "sandbox.h"

#include <stdbool.h>

enum cgroup_controller {
	CGROUP_MEMORY,
	CGROUP_CPU,
	CGROUP_CPUACCT,
	CGROUP_PIDS,
	/* A host without these two is complete, and only a run that asks for what they do pays for
	 * their groups. */
	CGROUP_CPUSET,
	CGROUP_IO, /* "blkio" in version 1 */
	CGROUP_CONTROLLERS
};
enum cgroup_stat {
	CGROUP_STAT_CPU,        /* ns, exact */
	CGROUP_STAT_CPU_USER,   /* ns; version 1 counts this and the next by timer ticks */
	CGROUP_STAT_CPU_SYSTEM, /* ns */
	CGROUP_STAT_PEAK,       /* bytes */
	CGROUP_STAT_OOM,        /* kills */
	CGROUP_STAT_THROTTLED,  /* ns */
	CGROUP_STAT_MEMORY,     /* bytes now */
	CGROUP_STAT_PROCESSES,  /* now */
	CGROUP_STAT_PROCESSES_PEAK,
	CGROUP_STAT_IO_READ,  /* bytes; version 1 knows only a run with an io limit */
	CGROUP_STAT_IO_WRITE, /* bytes; version 1 sees no write that passed through the page cache
			       */
	CGROUP_STATS
};

/* One hierarchy for each controller at most. */
enum { CGROUP_TREES_MAX = CGROUP_CONTROLLERS, CGROUP_PATH_SIZE = 1024, CGROUP_NAME_SIZE = 96 };
/* The environment's root and the state directory may lie on two of them. */
enum { CGROUP_DISKS = 2 };

/* Where this process stands in one hierarchy, as files. */
struct cgroup_place {
	uint32_t version;
	uint32_t controllers; /* bit per enum cgroup_controller; v2: those that may be there */
	char dir[CGROUP_PATH_SIZE];
};
struct cgroup_places {
	size_t n;
	struct cgroup_place at[CGROUP_TREES_MAX];
};
/* Reads the texts of /proc/self/mountinfo and /proc/self/cgroup.  Pure. */
int cgroup_places_parse(
    const char *mountinfo, const char *self, struct cgroup_places *ret, struct err *e) MUST_CHECK;

struct cgroup_tree {
	uint32_t version;
	uint32_t controllers;
	int own_fd;  /* this process's group */
	int base_fd; /* ours below it, the parent of all runs */
};
struct cgroup_host {
	size_t n;
	struct cgroup_tree tree[CGROUP_TREES_MAX];
	char base[CGROUP_NAME_SIZE];
};
/* Makes the group `base` below the own one and, in version 2, hands the controllers down. */
int cgroup_host_open(const struct cgroup_places *places, const char *base, struct cgroup_host *ret,
    struct err *e) MUST_CHECK;
/* Removes the base again if it is empty; closes. */
void cgroup_host_close(struct cgroup_host *h);
/* Memory, CPU time and processes can all be limited. */
bool cgroup_host_complete(const struct cgroup_host *h);

/* The groups of one run, open. */
struct cgroup {
	size_t n;
	struct {
		uint32_t version;
		uint32_t controllers;
		int fd;
	} in[CGROUP_TREES_MAX];
};
/* In every hierarchy but those of CGROUP_CPUSET and CGROUP_IO alone.  An existing group of that
 * name is an error: names are never used twice. */
int cgroup_make(
    const struct cgroup_host *h, const char *name, struct cgroup *ret, struct err *e) MUST_CHECK;
void cgroup_close(struct cgroup *g);
/* Memory, CPU quota and, by what was asked for, share, processes. */
int cgroup_limit(const struct cgroup *g, const struct sandbox_limits *l, struct err *e) MUST_CHECK;

/* The run asks for a CPU set or for io limits. */
bool cgroup_extras_wanted(const struct sandbox_request *q);
/* Gives them to the run's group, adding groups of that name to g where they need their own; such a
 * group is never used again for another run.  What the host cannot limit is left out.  fd: files on
 * the disks behind the run.  Fails only when the CPU set cannot be had; without the cpuset
 * controller the simulation pins itself. */
int cgroup_add_extras(const struct cgroup_host *h, const char *name,
    const struct sandbox_request *q, const int fd[static CGROUP_DISKS], struct cgroup *g,
    struct err *e) MUST_CHECK;
/* Files that a process enters by writing "0" to, the one that counts memory first; -1 beyond
 * *ret_n. */
int cgroup_open_enter(const struct cgroup *g, int ret_fd[static CGROUP_TREES_MAX], size_t *ret_n,
    struct err *e) MUST_CHECK;
/* Counter files for reading; -1 and version 0 where this kernel has none. */
void cgroup_open_stats(const struct cgroup *g, int ret_fd[static CGROUP_STATS],
    uint32_t ret_version[static CGROUP_STATS]);
/* Kills what is left in the run's groups and removes them; true when none is left. */
bool cgroup_remove(const struct cgroup_host *h, const char *name);
/* Removes every run's group that keep() does not claim; the number that could not be removed. */
size_t cgroup_sweep(
    const struct cgroup_host *h, bool (*keep)(void *ctx, const char *name), void *ctx);

/* Reads one counter from its file; -1 when there is none or it makes no sense. */
int64_t cgroup_stat_read(int fd, uint32_t version, enum cgroup_stat what);
/* The number behind `key` in lines of "key number", or the whole text's number when key is NULL;
 * -1 when absent, malformed or beyond INT64_MAX.  Pure. */
int64_t cgroup_text_number(const char *text, const char *key);
/* The sum of the numbers right behind `key`, which stands behind a blank in lines of one device
 * each; 0 when there is none, -1 for what is malformed or beyond INT64_MAX.  Pure. */
int64_t cgroup_text_sum(const char *text, const char *key);

/* Lists of CPUs as the kernel writes them, "0-3,8".  Pure; bits beyond a set are left out. */
enum { CPU_SET_TEXT_SIZE = 3072 /* every second one of 1024 */ };
bool cpu_set_empty(const uint64_t set[static SANDBOX_CPU_WORDS]);
int cpu_set_parse(
    const char *text, uint64_t ret[static SANDBOX_CPU_WORDS], struct err *e) MUST_CHECK;
const char *cpu_set_format(
    const uint64_t set[static SANDBOX_CPU_WORDS], char out[static CPU_SET_TEXT_SIZE]);
/* The whole disk behind an open file as (major << 32 | minor), 0 for none.  dir: where the kernel
 * lists block devices by number, "/sys/dev/block". */
uint64_t cgroup_disk_of(int fd, const char *dir);

#endif
