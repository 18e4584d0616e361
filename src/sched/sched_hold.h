/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCHED_HOLD_H
#define SCHED_HOLD_H

/*
 * What a run has to itself: GPUs and CPUs, each given to one run at a time.  Which are free is said
 * by the caller, who takes off what the runs of this node hold.  Pure.
 */

#include "base.h"
#include "compute.h"
#include "sched_topology.h"

#include <stdbool.h>

struct sched_hold {
	uint64_t gpus;                    /* bit per device */
	uint64_t cpus[COMPUTE_CPU_WORDS]; /* bit per CPU */
};
struct sched_hold_counts {
	int64_t gpus, cpus;
};
struct sched_hold_counts sched_hold_count(const struct sched_hold *h);
/* Everything: all devices of the mask and all CPUs of the topology; NULL: none of those. */
struct sched_hold sched_hold_all(uint64_t gpus, const struct sched_topology *t);
/* Takes b off a, however much of it is there. */
void sched_hold_take_off(struct sched_hold *a, const struct sched_hold *b);

/*
 * Moves n devices and n CPUs from what is free to *ret; false, and nothing changes, when fewer are.
 * CPUs come from one node where they fit, from the fullest node that has room, and with all threads
 * of their cores as far as possible.
 */
bool sched_hold_pick(const struct sched_topology *t, struct sched_hold_counts n,
    struct sched_hold *spare, struct sched_hold *ret);

#endif
