/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCHEDULER_H
#define SCHEDULER_H

/*
 * The scheduling loop of one node: claims queued jobs that fit, starts them, renews leases, turns
 * cancel wishes into stops, completes what has ended, takes over what others lost, and reconciles
 * run directories, live sandboxes and rows at start.  One loop thread that never blocks, one ledger
 * thread for SQL, one for run directories, and one that renews leases and does nothing else.  How
 * to choose is a pure function (sched_pick.h).
 */

#include "base.h"
#include "err.h"
#include "id.h"
#include "log.h"

#include <stdbool.h>

struct sched;
struct db;
struct environments;
struct job_limits;
struct job_quota_defaults;
struct metrics;
struct sched_topology;

struct sched_options {
	struct db *db;
	const struct environments *environments;
	const struct job_limits *limits;        /* outlives the scheduler */
	const struct job_quota_defaults *quota; /* the same */
	struct metrics *metrics;
	struct uuid node;
	int64_t cpu_milli, memory_bytes, jobs_max;
	uint64_t gpus;                         /* bit per device to give to jobs, whole */
	const struct sched_topology *topology; /* CPUs to pin, outlives the scheduler; NULL: none */
	int64_t lease_ms, heartbeat_ms, reap_ms, poll_ms;
	int64_t processes, grace_ms; /* per job */
	/*
	 * No other daemon can reach this database (the private PostgreSQL).  Then nobody can take
	 * over a run whose lease ran out, so an outage of the database stops no run; otherwise runs
	 * are stopped when the lease can no longer be trusted.
	 */
	bool sole;
	const char *runs_dir;
	const char *spawner_socket;
	struct log log;
};
/* Starts the threads; reconciliation runs first, nothing is claimed before it is done. */
int sched_start(const struct sched_options *o, struct sched **ret, struct err *e) MUST_CHECK;
/* Any thread, async-signal-unsafe: something was queued or canceled. */
void sched_wake(struct sched *s);
/* Any thread: true while start-up is reconciled, the spawner is connected and the database renews
 * the leases; *ret_why (static) says what is missing otherwise. */
bool sched_ready(struct sched *s, const char **ret_why);
/* Any thread: as compute_weak. */
bool sched_weak(const struct sched *s, uint32_t *ret);
/* Any thread: nothing is claimed from now on; what runs is looked after as before. */
void sched_drain(struct sched *s);
/* Any thread, after sched_drain: nothing that was claimed is left, all completions are written. */
bool sched_drained(struct sched *s);
/* Stops claiming, flushes completions, joins; running jobs go on under their keepers with their
 * leases left to be renewed by the next start.  Accepts NULL. */
void sched_stop(struct sched *s);

#endif
