/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOB_QUEUE_H
#define JOB_QUEUE_H

/*
 * Jobs as the scheduler sees them, of all tenants, in system transactions.  Every write after the
 * claim is fenced by the lease's epoch: zero rows mean the lease has moved on.  Thread-safe.
 */

#include "job.h"

/* --- limits --------------------------------------------------------------------------------- */

/* What a tenant or a project may still claim of its limits; less than 0 when a limit was lowered
 * below what is held. */
struct job_room {
	int64_t jobs, cpu_milli, memory_bytes, gpus;
};
/* What one job takes of it. */
struct job_size {
	int64_t cpu_milli, memory_bytes, gpus;
};
/*
 * The rooms of many tenants and projects, to take from; pure.  Filled once (any order, repetitions
 * are dropped), then asked.  What has no room for a job is closed by it, so that no smaller one
 * behind it goes first for ever: a tenant's jobs, or those of a project, keep their order.  One
 * that lacks nothing but GPUs closes only those: what needs none takes nothing away from it.
 */
struct job_lane {
	struct tenant_id tenant;
	struct uuid project; /* nil: the tenant itself */
	struct job_room room;
};
struct job_rooms {
	struct job_lane *v; /* room for two per job */
	size_t n;
	bool sorted;
};
void job_rooms_add(struct job_rooms *r, struct tenant_id tenant, struct uuid project,
    struct job_room of_tenant, struct job_room of_project);
/* Whether both have room for one job of this size; when not, that which lacks it is closed. */
bool job_rooms_fit(
    struct job_rooms *r, struct tenant_id tenant, struct uuid project, const struct job_size *size);
/* Takes what fitted. */
void job_rooms_take(
    struct job_rooms *r, struct tenant_id tenant, struct uuid project, const struct job_size *size);

/* --- the hot table --------------------------------------------------------------------------- */

/* A row of the hot table. */
struct job_queued {
	struct tenant_id tenant;
	struct uuid id, project;
	enum job_state state;
	int64_t priority, queued_wall_us, cpu_milli, memory_bytes, gpus;
	bool pin_cpus;
	int64_t attempt, max_attempts, epoch;
	struct uuid lease_owner; /* nil: none */
	bool cancel_requested;
	/* Only from job_queue_waiting, of rows that nobody asked to end. */
	struct job_room tenant_room, project_room;
};
/*
 * Queued rows that are due, at most max, with those to be canceled.  Within a tenant: wishes to
 * cancel, then priority, then age; the tenants' rows are interleaved by that rank, so that the
 * backlog of one never hides another's.  Jobs of tenants that are not active, and of tenants and
 * projects without any room left, are left out unless they are to be canceled.
 */
int job_queue_waiting(struct db *db, const struct job_quota_defaults *quota, int64_t max,
    struct arena *mem, struct job_queued **ret, size_t *ret_n, struct err *e) MUST_CHECK;
/* Rows leased to this node, whatever their state; for start-up and for cancel wishes. */
int job_queue_mine(struct db *db, struct uuid node, struct arena *mem, struct job_queued **ret,
    size_t *ret_n, struct err *e) MUST_CHECK;
/* Rows whose lease ran out more than grace_ms ago (database clock). */
int job_queue_expired(struct db *db, int64_t grace_ms, int64_t max, struct arena *mem,
    struct job_queued **ret, size_t *ret_n, struct err *e) MUST_CHECK;

/* --- claims and leases ----------------------------------------------------------------------- */

struct job_claim {
	struct tenant_id tenant;
	struct uuid id;
	int64_t epoch; /* out: the new epoch; 0 when somebody else was faster, it was canceled, its
			* tenant is not active, or `limited` */
	bool limited;  /* out: a limit of its tenant or project has no room for it now */
	int64_t attempt;         /* out */
	int64_t uid_slot;        /* out: of the tenant */
	const char *manifest;    /* out, in mem */
	int64_t created_wall_us; /* out */
};
/*
 * Claims a batch for the node in one transaction: lease, epoch + 1, state claimed, history.  n is
 * at most JOB_CLAIM_MAX.  Limits hold exactly, whoever else claims meanwhile; the first of the
 * batch come first.  The manifests of one batch are capped at 8 MiB: what lies beyond keeps epoch 0
 * and is claimed by the next call, so an arena of 16 MiB always does.
 */
enum { JOB_CLAIM_MAX = 256 };
int job_claim(struct db *db, struct uuid node, int64_t lease_ms,
    const struct job_quota_defaults *quota, struct job_claim *claims, size_t n, struct arena *mem,
    struct err *e) MUST_CHECK;
/* Extends the leases of all jobs of the node; the count. */
int64_t job_lease_renew(
    struct db *db, struct uuid node, int64_t lease_ms, struct err *e) MUST_CHECK;

/* --- moves ----------------------------------------------------------------------------------- */

/* One state change.  Terminal moves also take the job off the hot table. */
struct job_move {
	struct tenant_id tenant;
	struct uuid id;
	int64_t epoch;
	enum job_state from;
	enum job_event on;
	const char *detail; /* JSON or NULL; becomes `cause` when the move ends the job badly */
	int64_t delay_ms;   /* back to the queue: not before now + delay */
	bool refund;        /* back to the queue: the attempt does not count (platform cause) */
	bool ok;            /* out, on success: false when the lease had moved on or the state was
			     * another; nothing was written then */
};
/*
 * Applies moves in order, in one transaction; with job_claim the only caller of the only statement
 * that writes a state, and what jobs hold of the limits.  Each move must be a row of job_fsm.def
 * other than CLAIM.  Any n, the same job several times too; up to JOB_MOVE_BATCH different jobs are
 * one statement, and transactions with one such statement cannot deadlock.
 */
enum { JOB_MOVE_BATCH = JOB_CLAIM_MAX };
int job_move(struct db_sys_tx *tx, struct job_move *moves, size_t n, struct err *e) MUST_CHECK;

/* The record of one finished attempt, its samples included; in the same transaction as its move,
 * and after it, when it was ok.  ERR_CONFLICT when the job is under another epoch (the transaction
 * can go on). */
int job_attempt_record(struct db_sys_tx *tx, const struct job_attempt *a, struct err *e) MUST_CHECK;
/* Whether an attempt was recorded already (start-up after a lost acknowledgement). */
int job_attempt_known(struct db *db, struct tenant_id tenant, struct uuid id, int64_t epoch,
    bool *ret, struct err *e) MUST_CHECK;

/* Forgets idempotency keys older than that, at most max; the count, or -1. */
int64_t job_idempotency_expire(
    struct db *db, int64_t older_ms, int64_t max, struct err *e) MUST_CHECK;

#endif
