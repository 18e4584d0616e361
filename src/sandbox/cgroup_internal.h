/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CGROUP_INTERNAL_H
#define CGROUP_INTERNAL_H

/* Shared by the files about control groups. */

#include "cgroup.h"

/* Version 2 gives no group with processes of its own any child with controllers: the spawner and
 * its neighbours step aside into this one. */
#define CGROUP_ASIDE "wardian.host"

enum {
	CGROUP_EXTRAS = 1 << CGROUP_CPUSET | 1 << CGROUP_IO,
	/* cpu.shares and cpu.weight of one CPU: the kernel's defaults. */
	CGROUP_SHARES_PER_CPU = 1024,
	CGROUP_WEIGHT_PER_CPU = 100,
};

/* By version. */
extern const char *const cgroup_controller_names[3][CGROUP_CONTROLLERS];

int cgroup_open_dir(int dirfd, const char *name);
int cgroup_write(int dirfd, const char *file, const char *text, struct err *e);
/* A new group of one run in one hierarchy, appended to g. */
int cgroup_make_in(
    const struct cgroup_tree *t, const char *name, struct cgroup *g, struct err *e) MUST_CHECK;
/* Makes our own group fit to hold others with CPUs of their own; false when it cannot. */
bool cgroup_prepare_cpuset(const struct cgroup_tree *t);

/* What to open for a counter; file NULL: this version has none.  Those of CGROUP_IO are one line
 * for each device. */
struct cgroup_counter {
	enum cgroup_controller controller;
	struct {
		const char *file;
		const char *key; /* NULL: the file is one number */
		int64_t factor;  /* to the unit of enum cgroup_stat */
	} v[3];                  /* by version */
};
extern const struct cgroup_counter cgroup_counters[CGROUP_STATS];

#endif
