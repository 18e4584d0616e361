/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOB_H
#define JOB_H

/*
 * Jobs: the state table (pure), the manifest (decode and check), and the store as tenants see it,
 * in transactions of one tenant.  What lies in a project outside the `scope` of a call does not
 * exist for it.  The scheduler's side is job_queue.h.
 */

#include "access.h"
#include "arena.h"
#include "base.h"
#include "db.h"
#include "environment.h"
#include "err.h"
#include "id.h"
#include "json.h"

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
	const char *name;    /* NULL: none */
	const char *project; /* name or prj_ id; NULL: "default" */
	const char *const *argv;
	size_t n_argv;
	const struct job_input *inputs;
	size_t n_inputs;
	const struct environment_value *parameters;
	size_t n_parameters;
	int64_t cpu_milli, memory_bytes, disk_bytes;
	int64_t gpus;  /* whole devices */
	bool pin_cpus; /* stay on CPUs of its own; cpu_milli is whole CPUs then */
	int64_t wall_ms, no_output_ms, log_bytes;
	int64_t cpu_ms;                    /* CPU time of all processes; 0: no limit */
	int64_t io_read_bps, io_write_bps; /* 0: no limit */
	int64_t priority;                  /* -100 .. 100, greater is sooner */
	int64_t max_attempts;              /* 1 .. 10 */
	int64_t seed;
	bool has_seed;
	const char *labels; /* JSON object of texts */
};
/* What a manifest may ask for and what it gets when it does not ask. */
struct job_limits {
	/* Of the largest node; beyond: ERR_IMPOSSIBLE.  gpus_max 0: none on this installation;
	 * pins_max: CPUs that a job can have to itself, which cpu_milli_max may exceed. */
	int64_t cpu_milli_max, memory_max_bytes, gpus_max, pins_max;
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
	struct uuid id, project;
	enum job_state state;
	const char *environment, *name;
	const char *labels;               /* JSON */
	const char *manifest;             /* JSON; only from job_get */
	const char *cause;                /* JSON; NULL while nothing failed */
	int64_t priority, attempt, epoch; /* epoch 0: never claimed */
	int64_t cpu_milli, memory_bytes, gpus;
	bool pin_cpus;
	int64_t created_wall_us, claimed_wall_us, started_wall_us, ended_wall_us; /* 0: not yet */
	int64_t cancel_requested_wall_us;
	int64_t wall_ns, cpu_ns, memory_peak_bytes; /* of the last attempt that ended */
	bool log_truncated;
	int64_t output_files_skipped; /* -1: recorded by a version that did not know */
	const struct job_wait *wait;  /* NULL: not asked, or it does not wait; see job_waiting */
};
/* What a queued job waits for, the first that holds it up. */
enum job_wait_reason {
	JOB_WAIT_DELAY, /* until it may be tried again */
	JOB_WAIT_LIMIT, /* for jobs of its tenant or project to end */
	JOB_WAIT_GPUS,  /* for devices of one node */
	JOB_WAIT_TURN
};
struct job_wait {
	enum job_wait_reason reason;
	int64_t until_wall_us; /* DELAY */
	const char *limit;     /* LIMIT: as in quota.def */
	bool of_project;
	int64_t used, amount; /* LIMIT; CPUs in thousandths */
	int64_t gpus;         /* GPUS */
};

/*
 * Limits of tenants that have none of their own (tenant_quota); INT64_MAX: none.  A project has
 * only limits of its own (project_quota), within its tenant's.  Names as in quota.def; `cpus` is
 * set in whole CPUs.
 */
struct job_quota_defaults {
	int64_t jobs_queued, jobs_per_day, storage_bytes;    /* held against submissions */
	int64_t jobs_running, cpu_milli, memory_bytes, gpus; /* held against claims */
};
struct job_submission {
	struct job_spec spec;
	const char *manifest; /* raw body */
	size_t manifest_n;
	const char *idempotency_key; /* NULL: none */
	uint8_t fingerprint[32];     /* of route and body */
	struct job_quota_defaults quota;
};
/*
 * Durable when it returns.  *ret_replayed: the key was used before for the same request, *ret_id is
 * that job.  ERR_IDEMPOTENCY_REUSED for another request; ERR_INVALID naming /project for a project
 * that is archived, does not exist, or is nothing that the caller may see; ERR_DENIED for one that
 * it may see (project:read) but not submit to (job:create), to be audited by the caller; ERR_QUOTA
 * names the limit that is reached, exactly; ERR_IMPOSSIBLE names the field that asks for more than
 * a limit allows at all.  by->who is not NULL.
 */
int job_submit(struct db *db, const struct caller *by, const struct job_submission *s,
    struct arena *mem, struct uuid *ret_id, bool *ret_replayed, struct err *e) MUST_CHECK;
/* ERR_NOT_FOUND for unknown and foreign ids, and those outside the scope, alike. */
int job_get(struct db *db, struct tenant_id tenant, const struct scope *scope, struct uuid id,
    struct arena *mem, struct job *ret, struct err *e) MUST_CHECK;
/* 1 with what a queued job waits for, 0 when it does not wait.  The caller has read the job. */
int job_waiting(struct db *db, struct tenant_id tenant, struct uuid id,
    const struct job_quota_defaults *quota, struct arena *mem, struct job_wait *ret,
    struct err *e) MUST_CHECK;
struct job_filter {
	bool by_state;
	enum job_state state;
	struct uuid project;                  /* nil: any of the scope */
	const char *environment;              /* NULL: any */
	const char *label_name, *label_value; /* NULL: any */
	struct uuid before;                   /* nil: from the newest; else ids older than this */
	int64_t limit;                        /* 1 .. CAP_PAGE_ITEMS */
};
/* Newest first; *ret_more tells that another page follows. */
int job_list(struct db *db, struct tenant_id tenant, const struct scope *scope,
    const struct job_filter *f, struct arena *mem, struct job **ret, size_t *ret_n, bool *ret_more,
    struct err *e) MUST_CHECK;
/* Asks for the end; idempotent; ERR_CONFLICT with the state when it is over already.  The scope is
 * that of job:cancel. */
int job_cancel(struct db *db, struct tenant_id tenant, const struct scope *scope,
    const struct caller *by, struct uuid id, struct arena *mem, struct err *e) MUST_CHECK;
/*
 * Asks for the end of the tenant's live jobs, at most JOB_CANCEL_ALL of them, in one transaction;
 * the number of those that nobody had asked before, or -1.  0: all have been asked.  For tenants
 * that are being deleted.
 */
enum { JOB_CANCEL_ALL = 1000 };
int64_t job_cancel_all(struct db *db, struct tenant_id tenant, const struct caller *by,
    struct arena *mem, struct err *e) MUST_CHECK;
/* The newest 1,000 moves in order. */
struct job_move_record {
	int64_t number, at_wall_us;
	const char *from, *to, *event, *detail; /* detail: JSON or NULL */
};
int job_history(struct db *db, struct tenant_id tenant, const struct scope *scope, struct uuid id,
    struct arena *mem, struct job_move_record **ret, size_t *ret_n, struct err *e) MUST_CHECK;

/* --- attempts ------------------------------------------------------------------------------- */

/* What an attempt used up to a moment of its run. */
struct job_sample {
	int64_t at_ms; /* since its start */
	int64_t cpu_ns, throttled_ns;
	int64_t memory_bytes, processes; /* held then */
	int64_t io_read_bytes, io_write_bytes;
};
enum { JOB_SAMPLES_MAX = 512 };

/* One attempt that is over, as the node that ran it records it (job_queue.h). */
struct job_attempt {
	struct tenant_id tenant;
	struct uuid id;
	int64_t epoch; /* of the lease: the attempts of a job are 1, 2, 3, ... */
	struct uuid node;
	const char *outcome; /* "exited", "oom", ... */
	int64_t exit_code, signal;
	int64_t started_wall_us, ended_wall_us;
	int64_t wall_ns, cpu_user_ns, cpu_system_ns, memory_peak_bytes, throttled_ns;
	int64_t log_bytes, output_files, output_bytes;
	bool log_truncated;
	int64_t stage_ns, launch_ns, collect_ns; /* beside wall_ns, the run itself */
	int64_t faults_minor, faults_major;      /* of pages */
	int64_t io_read_bytes, io_write_bytes, processes_peak, oom_kills;
	int64_t output_files_skipped;     /* not kept: links, devices, odd names, beyond a cap */
	const char *fault_step;           /* of the sandbox; NULL: it did not fail */
	int64_t fault_errno;              /* 0: none */
	const struct job_sample *samples; /* only to be recorded; at most JOB_SAMPLES_MAX */
	size_t n_samples;
};
/* The same with its place in the job's history, whether it is over or not. */
struct job_attempt_view {
	struct job_attempt did; /* zero where it is not known */
	bool recorded; /* its node said how it ended; of one that is over: else it was lost */
	bool detailed; /* recorded with all figures, by no version that knew fewer */
	int64_t queued_wall_us; /* since when the job had waited for it */
	int64_t claimed_wall_us;
	const char *cause; /* JSON; NULL: it went well, or is not over */
};
/* The newest JOB_ATTEMPTS_MAX, oldest first; with a number other than 0 that one alone, which may
 * not be there.  ERR_NOT_FOUND for unknown and foreign jobs, and those outside the scope, alike. */
enum { JOB_ATTEMPTS_MAX = 100 };
int job_attempts(struct db *db, struct tenant_id tenant, const struct scope *scope, struct uuid id,
    int64_t number, struct arena *mem, struct job_attempt_view **ret, size_t *ret_n,
    struct err *e) MUST_CHECK;
void job_attempt_print(const struct job_attempt_view *a, struct json_out *o);
/* The samples of an attempt that is over, oldest first; none when it had none, or is unknown: the
 * caller has read the job. */
int job_samples(struct db *db, struct tenant_id tenant, struct uuid id, int64_t number,
    struct arena *mem, struct job_sample **ret, size_t *ret_n, struct err *e) MUST_CHECK;
/*
 * Leaves at most `most` (>= 4) of them in place and returns their number: the first, the last, and
 * of each stretch between those with the least and the most memory.  Pure.
 */
size_t job_samples_thin(struct job_sample *v, size_t n, size_t most);
/* In seconds, bytes and counts. */
void job_sample_print(const struct job_sample *s, struct json_out *o);

/* The job as the API shows it; with_manifest only where it was read. */
void job_print(const struct job *j, bool with_manifest, struct json_out *o);

#endif
