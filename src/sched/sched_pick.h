/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCHED_PICK_H
#define SCHED_PICK_H

/*
 * Which of the waiting jobs to start now: a function over values, no clock, no I/O.  Across tenants
 * the one with the least dominant share of this node goes first; inside a tenant priority, then
 * age. A job at the head of its tenant that does not fit is reserved for: at most
 * SCHED_OVERTAKES_MAX jobs behind it are started before it, then the node drains until it fits.
 * While GPUs or CPUs to pin are what it lacks, only jobs that take of those count, and are held
 * back: the others take nothing away from it.
 * A job for which its tenant or project has no room stops that tenant or project for the round and
 * nobody else.
 */

#include "arena.h"
#include "base.h"
#include "err.h"
#include "id.h"
#include "job_queue.h"

enum {
	/* Small jobs that may pass a large one: enough to keep a node busy while it drains, few
	 * enough that the large one waits for about one generation of them. */
	SCHED_OVERTAKES_MAX = 16,
	/* Large jobs reserved for at once, one per tenant. */
	SCHED_RESERVATIONS = 64
};

struct sched_candidate {
	struct tenant_id tenant;
	struct uuid id, project;
	int64_t priority; /* greater is sooner */
	int64_t queued_wall_us;
	int64_t cpu_milli, memory_bytes;
	int64_t gpus, pins; /* whole devices and CPUs that nobody else may have */
	/* The same in all candidates of a tenant and of a project. */
	struct job_room tenant_room, project_room;
};
/* One job that holds a part of the node. */
struct sched_use {
	struct tenant_id tenant;
	int64_t cpu_milli, memory_bytes, gpus, pins;
};
struct sched_capacity {
	int64_t cpu_milli, memory_bytes, jobs, gpus, pins;
};
/* Remembered from one round to the next by the caller, who starts with {0}. */
struct sched_reservation {
	struct tenant_id tenant;
	struct uuid id;
	int64_t overtaken;
};
struct sched_reservations {
	struct sched_reservation v[SCHED_RESERVATIONS];
	size_t n;
};
struct sched_question {
	const struct sched_candidate *candidates;
	size_t n_candidates;
	const struct sched_use *uses;
	size_t n_uses;
	struct sched_capacity total; /* of the node; what `uses` holds is taken off */
	size_t max;                  /* picks at once */
};
/* Indices of the candidates to start, in order, in mem. */
int sched_pick(const struct sched_question *q, struct sched_reservations *reserved,
    struct arena *mem, size_t **ret, size_t *ret_n, struct err *e) MUST_CHECK;

#endif
