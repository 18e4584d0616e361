/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CGROUP_INTERNAL_H
#define CGROUP_INTERNAL_H

/* Shared by the files about control groups. */

#include "cgroup.h"

/* Version 2 gives no group with processes of its own any child with controllers: the spawner and
 * its neighbours step aside into this one. */
#define CGROUP_ASIDE "wardian.host"

extern const char *const cgroup_controller_names[CGROUP_CONTROLLERS];

/* What to open for a counter; file NULL: this version has none. */
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
