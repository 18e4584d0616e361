/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOB_H
#define JOB_H

/*
 * Jobs: the manifest (decode and check), the state table (pure), and the store.  The API's side
 * works in tenant transactions; the scheduler's side in system transactions, where every write
 * after the claim is fenced by the lease's epoch: zero rows mean the lease has moved on.
 */

#include "arena.h"
#include "base.h"
#include "db.h"
#include "environment.h"
#include "err.h"
#include "id.h"
#include "json.h"
#include "tenant.h"

#include <stdbool.h>

extern const struct db_sql job_sql;

/* --- state table ---------------------------------------------------------------------------- */

enum job_state {
#define STATE(name, text, terminal) JOB_##name,
#include "job_fsm.def"
#undef STATE
	JOB_STATE_COUNT
};
enum job_event {
#define EVENT(name, text) JOB_ON_##name,
#include "job_fsm.def"
#undef EVENT
	JOB_EVENT_COUNT
};
const char *job_state_name(enum job_state s);
const char *job_event_name(enum job_event ev);
bool job_state_parse(const char *text, enum job_state *ret);
bool job_state_terminal(enum job_state s);
/* False when the table has no such move.  Pure. */
bool job_fsm_next(enum job_state from, enum job_event on, enum job_state *ret);

/* --- manifest ------------------------------------------------------------------------------- */

struct job_input {
	const char *path;
	const char *text; /* bytes, decoded from `text` or `base64` */
	size_t n;
};
struct job_spec {
	const struct environment *environment;
	const char *name; /* NULL: none */
	const char *const *argv;
	size_t n_argv;
	const struct job_input *inputs;
	size_t n_inputs;
	const struct environment_value *parameters;
	size_t n_parameters;
	int64_t cpu_milli, memory_bytes, disk_bytes;
	int64_t wall_ms, no_output_ms, log_bytes;
	int64_t priority;     /* -100 .. 100, greater is sooner */
	int64_t max_attempts; /* 1 .. 10 */
	int64_t seed;
	bool has_seed;
	const char *labels; /* JSON object of texts */
};
/* What a manifest may ask for and what it gets when it does not ask. */
struct job_limits {
	int64_t cpu_milli_max, memory_max_bytes; /* of the largest node; beyond: ERR_IMPOSSIBLE */
	int64_t memory_default_bytes, disk_default_bytes, wall_default_ms, wall_max_ms,
	    log_default_bytes;
};
/*
 * All faults of the manifest at once, each with its JSON Pointer.  The code is ERR_NO_ENVIRONMENT,
 * ERR_ENVIRONMENT_BROKEN or ERR_IMPOSSIBLE when all are of that kind, else ERR_INVALID.  Either
 * `command` or `parameters`: a command replaces the environment's template and is a program of
 * /usr/bin or an absolute path below /usr.  `j` and mem must outlive *ret.
 */
int job_spec_decode(const struct json *j, const struct environments *envs,
    const struct job_limits *limits, struct arena *mem, struct job_spec *ret,
    struct err *e) MUST_CHECK;

/* --- API's side ----------------------------------------------------------------------------- */

struct job {
	struct uuid id;
	enum job_state state;
	const char *environment, *name;
	const char *labels;               /* JSON */
	const char *manifest;             /* JSON; only from job_get */
	const char *cause;                /* JSON; NULL while nothing failed */
	int64_t priority, attempt, epoch; /* epoch 0: never claimed */
	int64_t cpu_milli, memory_bytes;
	int64_t created_wall_us, claimed_wall_us, started_wall_us, ended_wall_us; /* 0: not yet */
	int64_t cancel_requested_wall_us;
	int64_t wall_ns, cpu_ns, memory_peak_bytes; /* of the last attempt that ended */
	bool log_truncated;
};

struct job_submission {
	struct job_spec spec;
	const char *manifest; /* raw body */
	size_t manifest_n;
	const char *idempotency_key; /* NULL: none */
	uint8_t fingerprint[32];     /* of route and body */
	const char *request_id;
	/* Jobs of this tenant that may wait; exact but for what commits at the same moment. */
	int64_t queued_max;
};
/*
 * Durable when it returns.  *ret_replayed: the key was used before for the same request, *ret_id is
 * that job.  ERR_IDEMPOTENCY_REUSED for another request, ERR_QUOTA when too many wait.
 */
int job_submit(struct db *db, const struct principal *who, const struct job_submission *s,
    struct arena *mem, struct uuid *ret_id, bool *ret_replayed, struct err *e) MUST_CHECK;
/* ERR_NOT_FOUND for unknown and foreign ids alike. */
int job_get(struct db *db, struct tenant_id tenant, struct uuid id, struct arena *mem,
    struct job *ret, struct err *e) MUST_CHECK;
struct job_filter {
	bool by_state;
	enum job_state state;
	const char *environment;              /* NULL: any */
	const char *label_name, *label_value; /* NULL: any */
	struct uuid before;                   /* nil: from the newest; else ids older than this */
	int64_t limit;                        /* 1 .. CAP_PAGE_ITEMS */
};
/* Newest first; *ret_more tells that another page follows. */
int job_list(struct db *db, struct tenant_id tenant, const struct job_filter *f, struct arena *mem,
    struct job **ret, size_t *ret_n, bool *ret_more, struct err *e) MUST_CHECK;
/* Asks for the end; idempotent; ERR_CONFLICT with the state when it is over already. */
int job_cancel(struct db *db, const struct principal *who, struct uuid id, const char *request_id,
    struct arena *mem, struct err *e) MUST_CHECK;
/* The newest 1,000 moves in order. */
struct job_move_record {
	int64_t number, at_wall_us;
	const char *from, *to, *event, *detail; /* detail: JSON or NULL */
};
int job_history(struct db *db, struct tenant_id tenant, struct uuid id, struct arena *mem,
    struct job_move_record **ret, size_t *ret_n, struct err *e) MUST_CHECK;
/* The job as the API shows it; with_manifest only where it was read. */
void job_print(const struct job *j, bool with_manifest, struct json_out *o);

/* --- scheduler's side ----------------------------------------------------------------------- */

/* A row of the hot table. */
struct job_queued {
	struct tenant_id tenant;
	struct uuid id;
	enum job_state state;
	int64_t priority, queued_wall_us, cpu_milli, memory_bytes;
	int64_t attempt, max_attempts, epoch;
	struct uuid lease_owner; /* nil: none */
	bool cancel_requested;
};
/*
 * Queued rows that are due, at most max, with those to be canceled.  Within a tenant: wishes to
 * cancel, then priority, then age; the tenants' rows are interleaved by that rank, so that the
 * backlog of one never hides another's.
 */
int job_queue_waiting(struct db *db, int64_t max, struct arena *mem, struct job_queued **ret,
    size_t *ret_n, struct err *e) MUST_CHECK;
/* Rows leased to this node, whatever their state; for start-up and for cancel wishes. */
int job_queue_mine(struct db *db, struct uuid node, struct arena *mem, struct job_queued **ret,
    size_t *ret_n, struct err *e) MUST_CHECK;
/* Rows whose lease ran out more than grace_ms ago (database clock). */
int job_queue_expired(struct db *db, int64_t grace_ms, int64_t max, struct arena *mem,
    struct job_queued **ret, size_t *ret_n, struct err *e) MUST_CHECK;

struct job_claim {
	struct tenant_id tenant;
	struct uuid id;
	int64_t epoch; /* out: the new epoch; 0 when somebody else was faster or it was canceled */
	int64_t attempt;         /* out */
	int64_t uid_slot;        /* out: of the tenant */
	const char *manifest;    /* out, in mem */
	int64_t created_wall_us; /* out */
};
/*
 * Claims a batch for the node in one transaction: lease, epoch + 1, state claimed, history.  n is
 * at most JOB_CLAIM_MAX.  The manifests of one batch are capped at 8 MiB: what lies beyond keeps
 * epoch 0 and is claimed by the next call, so an arena of 16 MiB always does.
 */
enum { JOB_CLAIM_MAX = 256 };
int job_claim(struct db *db, struct uuid node, int64_t lease_ms, struct job_claim *claims, size_t n,
    struct arena *mem, struct err *e) MUST_CHECK;
/* Extends the leases of all jobs of the node; the count. */
int64_t job_lease_renew(
    struct db *db, struct uuid node, int64_t lease_ms, struct err *e) MUST_CHECK;

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
 * that writes a state.  Each move must be a row of job_fsm.def other than CLAIM.  Any n, the same
 * job several times too.
 */
int job_move(struct db_sys_tx *tx, struct job_move *moves, size_t n, struct err *e) MUST_CHECK;

/* The record of one finished attempt; in the same transaction as its move, and after it, when it
 * was ok.  ERR_CONFLICT when the job is under another epoch (the transaction can go on). */
struct job_attempt {
	struct tenant_id tenant;
	struct uuid id;
	int64_t epoch;
	struct uuid node;
	const char *outcome; /* "exited", "oom", ... */
	int64_t exit_code, signal;
	int64_t started_wall_us, ended_wall_us;
	int64_t wall_ns, cpu_user_ns, cpu_system_ns, memory_peak_bytes, throttled_ns;
	int64_t log_bytes, output_files, output_bytes;
	bool log_truncated;
};
int job_attempt_record(struct db_sys_tx *tx, const struct job_attempt *a, struct err *e) MUST_CHECK;
/* Whether an attempt was recorded already (start-up after a lost acknowledgement). */
int job_attempt_known(struct db *db, struct tenant_id tenant, struct uuid id, int64_t epoch,
    bool *ret, struct err *e) MUST_CHECK;

#endif
