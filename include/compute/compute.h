/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMPUTE_H
#define COMPUTE_H

/*
 * Where runs happen: the local backend (src/compute/local/) talks to the spawner and owns the run
 * directories.  Functions marked [loop] belong to the loop's thread; the others may block and are
 * called from workers.  A lost spawner is reconnected every second; runs live on meanwhile.
 */

#include "arena.h"
#include "base.h"
#include "err.h"
#include "id.h"
#include "log.h"

#include <stdbool.h>

struct compute;
struct loop;

struct compute_run_id {
	struct tenant_id tenant;
	struct uuid run;
	int64_t epoch;
};
struct compute_input {
	const char *path;
	const void *p;
	size_t n;
};
/* The environment's own way to be told to end (environment.h); strings are the caller's. */
struct compute_stop {
	int signal;       /* 0: none */
	const char *file; /* NULL: none */
	const char *text;
	int64_t wait_ms;
};
enum { COMPUTE_ROOT_BYTES = 32, COMPUTE_CPU_WORDS = 16, COMPUTE_SAMPLES_MAX = 512 };
struct compute_run {
	struct compute_run_id id;
	int64_t uid_slot;
	const char *const *argv;
	size_t n_argv;
	const char *const *env;
	size_t n_env;
	const struct compute_input *inputs;
	size_t n_inputs;
	int64_t cpu_milli, memory_bytes, disk_bytes, processes;
	int64_t wall_ms, no_output_ms, log_bytes, grace_ms;
	int64_t cpu_ms;                    /* CPU time; 0: no limit */
	int64_t io_read_bps, io_write_bps; /* 0: no limit */
	/* SHA-256 of the environment's unpacked root; all zero: the host's /usr. */
	uint8_t root[COMPUTE_ROOT_BYTES];
	uint64_t gpus;                       /* bit per device of this node; 0: none */
	uint64_t cpu_set[COMPUTE_CPU_WORDS]; /* bit per CPU to stay on; all zero: any */
	struct compute_stop stop;
};
/* Inside a run with GPUs and a root of its own: the directory of the driver's libraries. */
#define COMPUTE_GPU_LIBRARIES "/dev/gpu"

enum compute_event_kind {
	COMPUTE_CONNECTED, /* the spawner answered; compute_list may be called */
	COMPUTE_LOST,      /* the spawner is gone; reconnecting */
	COMPUTE_STARTED,
	COMPUTE_FAILED, /* could not be started, or the spawner refused a request for it: what, sys
			 */
	COMPUTE_ENDED,
	COMPUTE_LISTED, /* one live run */
	COMPUTE_LIST_END
};
struct compute_event {
	enum compute_event_kind kind;
	struct compute_run_id id;
	const char *what; /* static text of the step, FAILED only */
	int sys;
	bool no_scratch; /* FAILED: its inputs did not fit into its scratch space */
	/* CONNECTED: the spawner is of another release; runs are listed and stopped, not started */
	bool foreign;
};
struct compute_options {
	struct loop *loop;
	const char *runs_dir;
	const char *socket_path; /* of the spawner */
	struct log log;
	void (*on_event)(void *ctx, const struct compute_event *ev); /* [loop] */
	void *ctx;
};
int compute_new(const struct compute_options *o, struct compute **ret, struct err *e) MUST_CHECK;
void compute_free(struct compute *c); /* after the loop has ended; accepts NULL */
/* Any thread: true while the spawner is connected; *ret then has what its sandboxes lack, as bits
 * of enum sandbox_weak (sandbox.h). */
bool compute_weak(const struct compute *c, uint32_t *ret);

/*
 * Writes the run directory (launch file, inputs), durable enough to survive the daemon.
 * ERR_CONFLICT when that attempt has one already that is not empty; a failure leaves nothing
 * behind.
 */
int compute_prepare(struct compute *c, const struct compute_run *r, struct err *e) MUST_CHECK;
/* What a prepared run has to itself on this node, kept in its directory for the daemon's next
 * start. ERR_PROTOCOL when what was kept cannot be read; both are zero when nothing was. */
int compute_held(struct compute *c, const struct compute_run_id *id, uint64_t *ret_gpus,
    uint64_t ret_cpus[static COMPUTE_CPU_WORDS], struct err *e) MUST_CHECK;
/* [loop] ERR_UNAVAILABLE while the spawner is lost, ERR_BUSY when its socket is full: try again. */
int compute_start(struct compute *c, const struct compute_run *r, struct err *e) MUST_CHECK;
int compute_stop(struct compute *c, const struct compute_run_id *id, bool at_once,
    struct err *e) MUST_CHECK;                                 /* [loop] */
int compute_list(struct compute *c, struct err *e) MUST_CHECK; /* [loop] */
/* [loop] Lets go of a spawner of another release, which ends when nothing runs and nobody holds it;
 * COMPUTE_LOST comes at once, and COMPUTE_CONNECTED when there is another. */
void compute_leave(struct compute *c);
/* [loop] Asks the spawner to clear what it holds of an ended run (its cgroup). */
int compute_purge(struct compute *c, const struct compute_run_id *id, struct err *e) MUST_CHECK;

enum compute_outcome_kind {
	COMPUTE_EXITED,
	COMPUTE_SIGNALED,
	COMPUTE_OOM,
	COMPUTE_WALL,
	COMPUTE_NO_OUTPUT,
	COMPUTE_STOPPED,
	COMPUTE_EXEC_FAILED,
	COMPUTE_FAULT,
	COMPUTE_CPU_TIME,
	COMPUTE_SCRATCH, /* its inputs did not fit into its scratch space */
	COMPUTE_GONE     /* no exit record: the keeper was killed */
};
const char *compute_outcome_name(enum compute_outcome_kind k); /* "exited", "oom", ... */
struct compute_outcome {
	enum compute_outcome_kind kind;
	int64_t exit_code, signal;
	const char *what; /* static; step of a FAULT, EXEC_FAILED, SCRATCH */
	int sys;
	int64_t started_wall_us, ended_wall_us, wall_ns, cpu_user_ns, cpu_system_ns;
	int64_t memory_peak_bytes, oom_kills, throttled_ns;
	int64_t log_bytes, output_files, output_bytes, output_files_skipped;
	int64_t stage_ns, launch_ns, collect_ns; /* phases beside the run itself, wall_ns */
	int64_t faults_minor, faults_major, io_read_bytes, io_write_bytes, processes_peak;
	bool log_truncated;
	bool memory_uncounted; /* this host cannot tell when memory runs out */
};
/* Reads how a run ended: 1, or 0 when there is no record yet (a caller that knows the keeper is
 * gone takes that as COMPUTE_GONE), -1 when the record is damaged. */
int compute_outcome(struct compute *c, const struct compute_run_id *id, struct compute_outcome *ret,
    struct err *e) MUST_CHECK;
/* What the run used over time, so far or as a whole: at most COMPUTE_SAMPLES_MAX, oldest first, in
 * mem.  0 entries for one that was over within its first second. */
struct compute_sample {
	int64_t at_ms; /* since its start */
	int64_t cpu_ns, throttled_ns, memory_bytes, processes, io_read_bytes, io_write_bytes;
};
int compute_samples(struct compute *c, const struct compute_run_id *id, struct arena *mem,
    struct compute_sample **ret, size_t *ret_n, struct err *e) MUST_CHECK;
/* The run's out/ directory for result extraction. */
int compute_open_out(
    struct compute *c, const struct compute_run_id *id, int *ret_fd, struct err *e) MUST_CHECK;
/* Removes launch file and inputs once a run is over and recorded; logs and outputs stay. */
int compute_tidy(struct compute *c, const struct compute_run_id *id, struct err *e) MUST_CHECK;
/* Every run directory on disk whose launch file still lies there, i.e. that was not tidied. */
int compute_scan(struct compute *c, size_t max, struct arena *mem, struct compute_run_id **ret,
    size_t *ret_n, struct err *e) MUST_CHECK;

#endif
