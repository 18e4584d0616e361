/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SANDBOX_H
#define SANDBOX_H

/*
 * What the daemon, the spawner and the keeper agree on: records over SOCK_SEQPACKET, the layout of
 * a run directory, the launch file and the exit record.  The sandbox runs a launch file; it knows
 * no jobs.  Everything here is parsed defensively by both sides: fixed sizes, checked ranges.
 *
 * Run directory <state>/runs/<tenant uuid>/<run uuid>.<epoch>/, made by the daemon.  The keeper
 * reads launch and in/ as a member of the daemon's group and with no other right to them:
 * directories need mode 0750, files 0640, and the group of the user that the spawner was told
 * (--user).
 * - launch: argv, environment and stop recipe (sandbox_launch_write), read by the keeper.
 * - in/: input files, copied to /work before the start; the working directory is /work.
 * - out/: made by the spawner for the keeper; everything below is readable, and every directory
 *   writable, for the daemon's group, so that the daemon can remove it:
 *   - log: stdout and stderr as they came, capped; absent until something comes;
 *   - log.index: struct sandbox_log_entry per piece: which stream, when, where; there before log;
 *   - usage: struct sandbox_sample per interval;
 *   - files/: what the simulation left in /work, regular files only, capped; absent when that is
 *     nothing;
 *   - exit: struct sandbox_exit, linked atomically when all of the above is complete.
 */

#include "base.h"
#include "err.h"
#include "id.h"

#include <stdbool.h>

enum { SANDBOX_PROTOCOL = 2, SANDBOX_ROOT_BYTES = 32, SANDBOX_CPU_WORDS = 16 };

/* Identity of one attempt; its directory is id_run_path() below <state>/runs. */
struct sandbox_run_id {
	struct tenant_id tenant;
	struct uuid run;
	int64_t epoch; /* 1.. */
};

struct sandbox_limits {
	int64_t memory_bytes;
	int64_t cpu_milli; /* CPU quota in thousandths */
	int64_t processes;
	int64_t scratch_bytes; /* of the tmpfs behind /work and /tmp */
	int64_t scratch_files; /* its inodes */
	int64_t open_files;
	int64_t wall_ms;
	int64_t no_output_ms; /* 0: no limit */
	int64_t log_bytes;
	int64_t output_bytes; /* collected files, as a whole */
	int64_t output_files;
	int64_t grace_ms; /* between TERM and KILL */
	int64_t cpu_ms;   /* CPU time of all processes; 0: no limit */
	/* Bytes a second from and to each disk, where the host can limit them; 0: no limit. */
	int64_t io_read_bps, io_write_bps;
};

/*
 * Versions.  The first SANDBOX_HEAD_BYTES of every record, protocol, verb or kind, and run, are the
 * same in every version, and so is what a verb means, but START.  So daemon and spawner of
 * different releases greet, list, stop, kill and purge as ever; START takes two of the same.  Each
 * side writes its own version; towards version 1, which takes nothing else, the daemon writes that.
 */
enum { SANDBOX_HEAD_BYTES = 48 };

/* --- records daemon -> spawner -------------------------------------------------------------- */

enum sandbox_verb {
	SANDBOX_HELLO = 1, /* first record on a connection; answered by SANDBOX_READY */
	/* Start `id`; answered by STARTED (later ENDED), by FAILED, or by ENDED alone when the
	 * sandbox stood but the program could not be executed (the exit record says EXEC_FAILED).
	 * REFUSED for a run that lives or that has an exit record. */
	SANDBOX_START,
	/* End it politely: TERM, grace, KILL; the keeper records a cancel.  ENDED at once when the
	 * run is not alive, so that a STOP that crosses the end of its run is no fault. */
	SANDBOX_STOP,
	/* End it at once; the keeper still collects and records a cancel.  A second KILL ends the
	 * keeper itself, which then leaves no record. */
	SANDBOX_KILL,
	SANDBOX_LIST, /* answered by one LISTED per live run, then LIST_END */
	/* Remove out/ of a run that is over when it holds no exit record; answered by PURGED.  What
	 * a finished run left stays the daemon's to remove. */
	SANDBOX_PURGE
};
struct sandbox_request {
	uint32_t protocol; /* SANDBOX_PROTOCOL */
	uint32_t verb;
	struct sandbox_run_id id;
	uint32_t uid_slot; /* START: the tenant's slot in the uid range */
	uint32_t reserved; /* 0 */
	struct sandbox_limits limits;
	/* SHA-256 of an unpacked environment, a directory of its name in hexadecimal below
	 * <state>/roots; all zero: the host's /usr. */
	uint8_t root[SANDBOX_ROOT_BYTES];
	uint64_t gpus;                       /* bit per device of gpu.h; 0: none */
	uint64_t cpu_set[SANDBOX_CPU_WORDS]; /* bit per CPU to stay on; all zero: any */
};

/* --- records spawner -> daemon -------------------------------------------------------------- */

enum sandbox_event_kind {
	SANDBOX_READY = 1,
	SANDBOX_STARTED, /* the simulation was executed */
	SANDBOX_FAILED,  /* it was not: step and sys say why; nothing is left */
	/* It is over: the exit record, if any, is in place, and none of its processes is left but
	 * the keeper, which has said so and is on its way out. */
	SANDBOX_ENDED,
	SANDBOX_LISTED,
	SANDBOX_LIST_END,
	SANDBOX_PURGED,
	SANDBOX_REFUSED /* the request was malformed or impossible; step and sys say which check */
};
/*
 * STARTED, FAILED and ENDED of a run go to the newest connection, every other event to the one that
 * asked.  A connection that does not read is closed; its daemon connects again and asks for a LIST.
 */
/* Numbered steps of building a sandbox: sandbox_step_name gives the word. */
enum sandbox_step {
	SANDBOX_STEP_NONE = 0,
#define STEP(name, text) SANDBOX_STEP_##name,
#include "sandbox_steps.def"
#undef STEP
	SANDBOX_STEP_COUNT
};
const char *sandbox_step_name(uint32_t step); /* "unknown" out of range */

struct sandbox_event {
	uint32_t protocol;
	uint32_t kind;
	struct sandbox_run_id id;
	uint32_t step;
	int32_t sys;   /* errno */
	int32_t pid;   /* of the keeper in the spawner's pid namespace */
	uint32_t weak; /* READY: bits of enum sandbox_weak; 0: every wall stands */
};
/* What a sandbox lacks on this host, or in the mode the spawner was started in. */
enum sandbox_weak {
	SANDBOX_WEAK_LIMITS = 1 << 0,   /* memory, CPU time or processes cannot be limited */
	SANDBOX_WEAK_UIDS = 1 << 1,     /* every tenant runs under the spawner's own uid */
	SANDBOX_WEAK_LANDLOCK = 1 << 2, /* the kernel has no Landlock */
	SANDBOX_WEAK_REFUSED = 1 << 3   /* and therefore every START is refused */
};

/* --- daemon's side --------------------------------------------------------------------------- */

/* Connects to <state>/spawner.sock and exchanges HELLO and READY; ERR_UNAVAILABLE when nobody is
 * there.  The descriptor is non-blocking afterwards.  The spawner may be of another version:
 * ret_ready->protocol says which, and belongs into every request to it. */
int sandbox_connect(const char *socket_path, int *ret_fd, struct sandbox_event *ret_ready,
    struct err *e) MUST_CHECK;
int sandbox_send(int fd, const struct sandbox_request *r, struct err *e) MUST_CHECK;
/* 1 with *ret filled, 0 when nothing is there now, -1 on a malformed record or a closed peer. */
int sandbox_receive(int fd, struct sandbox_event *ret, struct err *e) MUST_CHECK;

/*
 * Loads the daemon's own system call filter for all of its threads: what no daemon and no database
 * needs (namespaces, mounts, other processes' memory, kernel machinery, the clock) is EPERM from
 * now on, for every program that it starts, too.  After no_new_privs; cannot be undone.
 */
int sandbox_lock_daemon(struct err *e) MUST_CHECK;

/*
 * How a program likes to be told that it should write what it has and end: a signal, or a file in
 * /work, or both.  After wait_ms without an end comes what comes to every other: TERM, grace, KILL.
 */
struct sandbox_stop {
	int signal;       /* to the main process; 0: none */
	const char *file; /* relative to /work; NULL: none */
	const char *text; /* its content; NULL: empty */
	int64_t wait_ms;
};
/* What to execute.  At most CAP_ARGS strings each, 64 KiB in all. */
struct sandbox_launch {
	const char *const *argv; /* argv[0] is an absolute path inside the sandbox */
	size_t n_argv;
	const char *const *env; /* NAME=value */
	size_t n_env;
	struct sandbox_stop stop; /* {0}: TERM at once */
};
enum { SANDBOX_LAUNCH_MAX = 64 << 10 };
/* ERR_INVALID names what is wrong; the file is either whole or absent. */
int sandbox_launch_write(int run_dirfd, const struct sandbox_launch *l, struct err *e) MUST_CHECK;

/* --- how it ended -------------------------------------------------------------------------------
 */

enum sandbox_outcome {
	SANDBOX_EXITED = 1,  /* exit_code */
	SANDBOX_SIGNALED,    /* signal, by itself or by its own processes */
	SANDBOX_OOM,         /* the cgroup's counter says so */
	SANDBOX_WALL,        /* wall time used up */
	SANDBOX_NO_OUTPUT,   /* silent for too long */
	SANDBOX_STOPPED,     /* told to end (STOP or KILL) */
	SANDBOX_EXEC_FAILED, /* the program could not be executed: sys */
	SANDBOX_FAULT,       /* the sandbox itself: step and sys */
	SANDBOX_CPU_TIME     /* CPU time used up */
};
struct sandbox_exit {
	uint32_t magic; /* SANDBOX_EXIT_MAGIC */
	uint32_t version;
	struct sandbox_run_id id;
	uint32_t outcome;
	int32_t exit_code;
	int32_t signal;
	uint32_t step;
	int32_t sys;
	uint32_t log_truncated; /* bytes were dropped at the cap */
	int64_t started_wall_us, ended_wall_us;
	int64_t wall_ns; /* monotonic */
	int64_t cpu_user_ns, cpu_system_ns;
	int64_t memory_peak_bytes;
	int64_t oom_kills; /* counter's difference over the run */
	int64_t throttled_ns;
	int64_t log_bytes;                  /* written by the simulation, kept or not */
	int64_t output_files, output_bytes; /* kept */
	int64_t output_files_skipped;       /* not regular, over a cap, or with an unusable name */
	/* Since version 2; 0 in a record of version 1. */
	int64_t stage_ns;   /* from the order to the inputs in place */
	int64_t launch_ns;  /* from there to the program's first instruction */
	int64_t collect_ns; /* from the end of the last process to this record */
	int64_t faults_minor, faults_major;
	int64_t io_read_bytes, io_write_bytes; /* from and to disks, by all processes */
	int64_t processes_peak;
	uint64_t checksum; /* FNV-1a 64 of everything before */
};
enum { SANDBOX_EXIT_MAGIC = 0x54495857 /* "WXIT" */, SANDBOX_EXIT_VERSION = 2 };
/* Reads out/exit below run_dirfd.  1 filled, 0 not there yet, -1 damaged (ERR_PROTOCOL). */
int sandbox_exit_read(int run_dirfd, struct sandbox_exit *ret, struct err *e) MUST_CHECK;
/* Parses n bytes; ERR_PROTOCOL for anything but a whole, valid record of this version or of the one
 * before, which keepers of the last release still leave. */
int sandbox_exit_decode(
    const void *p, size_t n, struct sandbox_exit *ret, struct err *e) MUST_CHECK;

/*
 * One piece of the log: stream 1 (stdout) or 2 (stderr).  Pieces of one stream that came within 10
 * ms are one entry, so the last entry may still grow.  The marker line at the cap is the last
 * entry, stream 2.  Entries are few against the log: beyond a budget they join whatever their
 * stream.
 */
struct sandbox_log_entry {
	int64_t wall_us;
	int64_t offset;
	uint32_t n;
	uint32_t stream;
};

/*
 * out/usage: what the run used so far, one entry per interval, at most SANDBOX_SAMPLES_MAX: when
 * they are used up every second one goes and the interval doubles.  None in the first second.
 */
struct sandbox_sample {
	int64_t at_ms; /* since the start */
	int64_t cpu_ns, throttled_ns;
	int64_t memory_bytes;
	int64_t processes;
	int64_t io_read_bytes, io_write_bytes;
};
enum { SANDBOX_SAMPLES_MAX = 512, SANDBOX_SAMPLE_MS = 1000 };
/* Reads out/usage below run_dirfd into at most SANDBOX_SAMPLES_MAX entries; 0 when there is none;
 * a torn last entry is left out.  ERR_PROTOCOL for numbers that make no sense. */
int sandbox_samples_read(
    int run_dirfd, struct sandbox_sample *ret, size_t *ret_n, struct err *e) MUST_CHECK;

#endif
