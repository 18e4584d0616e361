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
	CGROUP_CONTROLLERS
};
enum cgroup_stat {
	CGROUP_STAT_CPU,        /* ns, exact */
	CGROUP_STAT_CPU_USER,   /* ns; version 1 counts this and the next by timer ticks */
	CGROUP_STAT_CPU_SYSTEM, /* ns */
	CGROUP_STAT_PEAK,       /* bytes */
	CGROUP_STAT_OOM,        /* kills */
	CGROUP_STAT_THROTTLED,  /* ns */
	CGROUP_STATS
};

/* One hierarchy each for memory, cpu, cpuacct and pids at most. */
enum { CGROUP_TREES_MAX = 4, CGROUP_PATH_SIZE = 1024, CGROUP_NAME_SIZE = 96 };

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
/* An existing group of that name is an error: names are never used twice. */
int cgroup_make(
    const struct cgroup_host *h, const char *name, struct cgroup *ret, struct err *e) MUST_CHECK;
void cgroup_close(struct cgroup *g);
int cgroup_limit(const struct cgroup *g, const struct sandbox_limits *l, struct err *e) MUST_CHECK;
/* Files that a process enters by writing "0" to; -1 beyond *ret_n. */
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

#endif
