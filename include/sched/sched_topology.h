/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCHED_TOPOLOGY_H
#define SCHED_TOPOLOGY_H

/* The CPUs that this daemon may give away one by one, and how they hang together. */

#include "base.h"
#include "err.h"

enum { SCHED_CPUS_MAX = 1024 };

struct sched_cpu {
	uint16_t node; /* of memory */
	uint16_t core; /* number of its first thread */
	uint16_t id;
};
struct sched_topology {
	size_t n;
	struct sched_cpu at[SCHED_CPUS_MAX]; /* by node, core, id */
};
/*
 * The CPUs that the calling thread may run on now; those beyond SCHED_CPUS_MAX are left out.  sys:
 * where to look how they hang together, NULL for "/sys"; what it does not tell is taken as one node
 * of single-threaded cores.
 */
int sched_topology_read(const char *sys, struct sched_topology *ret, struct err *e) MUST_CHECK;

#endif
