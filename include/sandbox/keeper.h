/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEEPER_H
#define KEEPER_H

/*
 * What the spawner and the keeper agree on; the daemon never includes this.
 *
 * The spawner executes the keeper as a zygote, which stands in one environment's root and one
 * tenant's network and makes cells: each a clone, without an exec, that builds the rest of a
 * sandbox around itself and then waits for its order.  A cell's socket to the worker is its own: on
 * it come READY from the cell, one struct keeper_order with the descriptors from KEEPER_FD_RUN on,
 * then STARTED and ENDED, or FAILED at any point.  End of file instead of an order means that the
 * worker died or needs the cell no more: it then ends without a trace.
 */

#include "cgroup.h"
#include "caps.h"
#include "sandbox.h"

/*
 * The filter has two layers, since loading costs about 1 us per instruction: the zygote loads the
 * large one once, and all that comes from it is under it; the small one takes away what only
 * building a sandbox needs, and is loaded by the cell before it takes an order.
 */
enum seccomp_layer {
	SECCOMP_ALL,
	SECCOMP_SIM,
	SECCOMP_LAYERS,
	/* In the place of SECCOMP_ALL for runs with GPUs, whose drivers are spoken to by ioctl. */
	SECCOMP_GPUS = SECCOMP_LAYERS,
	SECCOMP_PROGRAMS
};

/* Inside ids: the keeper is the tenant range's first uid, the simulation its thousandth. */
enum { KEEPER_UID = 0, KEEPER_SIM_UID = 1000, KEEPER_UIDS = 1024 };

enum keeper_fd {
	KEEPER_FD_STATUS = 3, /* SOCK_SEQPACKET to the worker: the zygote's, or the cell's own */
	/* Come with the order, in this order, those that do not exist as /dev/null. */
	KEEPER_FD_RUN,   /* run directory */
	KEEPER_FD_OUT,   /* its out/ */
	KEEPER_FD_ENTER, /* the simulation writes "0" to each of n_enter of these */
	KEEPER_FD_STAT = KEEPER_FD_ENTER + CGROUP_TREES_MAX, /* counters, by enum cgroup_stat */
	KEEPER_FD_END = KEEPER_FD_STAT + CGROUP_STATS,
	/* The zygote's: until then its places for the above are taken. */
	KEEPER_FD_USERNS = KEEPER_FD_END,
	KEEPER_FD_FILTER, /* memory files by enum seccomp_layer: struct sock_filter[] */
	KEEPER_FD_ZYGOTE_END = KEEPER_FD_FILTER + SECCOMP_LAYERS
};
enum { KEEPER_ORDER_FDS = KEEPER_FD_END - KEEPER_FD_RUN };

/* Both signals come from the spawner, from outside the pid namespace, and are the same in every
 * version up to this one. */
#define KEEPER_SIGNAL_STOP SIGTERM
#define KEEPER_SIGNAL_KILL SIGUSR1

enum {
	KEEPER_ORDER_MAGIC = 0x44524f57 /* "WORD" */,
	KEEPER_ZYGOTE_MAGIC = 0x59475a57 /* "WZGY" */,
	KEEPER_CELL_MAGIC = 0x4c4c4357 /* "WCLL" */
};
enum { KEEPER_VERSION = 3 };

/*
 * The arguments are how the next worker finds the keepers of the last one: "wardian-keeper", the
 * run's id_run_path, its group's name and the keeper's version, which a cell writes over its own
 * when it takes an order.  The zygote is executed with KEEPER_ARGS_ROOM bytes to write on.
 */
enum { KEEPER_GROUP_SIZE = 32, KEEPER_ARGS_ROOM = ID_RUN_PATH_SIZE + KEEPER_GROUP_SIZE + 12 };
#define KEEPER_NAME "wardian-keeper"
struct keeper_args {
	struct sandbox_run_id id;
	uint32_t version;
	char group[CGROUP_NAME_SIZE];
};

/* The namespaces that are compared: no cell may be in one of the worker's. */
enum keeper_ns {
	KEEPER_NS_CGROUP,
	KEEPER_NS_IPC,
	KEEPER_NS_MNT,
	KEEPER_NS_NET,
	KEEPER_NS_PID,
	KEEPER_NS_USER,
	KEEPER_NS_UTS,
	KEEPER_NAMESPACES
};
extern const char *const keeper_ns_paths[KEEPER_NAMESPACES]; /* "/proc/self/ns/..." */

/* Inodes of the scratch space that are not the simulation's: its root and three directories. */
enum { KEEPER_SCRATCH_OWN = 4 };

/* First record to a zygote: whom it serves. */
struct keeper_zygote {
	uint32_t magic;
	uint32_t version;
	uint32_t uid;     /* the spawner's, of the keepers */
	uint32_t group;   /* the spawner's, by which they read run directories */
	uint32_t one_uid; /* 1: keepers and simulations have one and the same id of the host */
	uint32_t reserved;
	uint64_t worker_ns[KEEPER_NAMESPACES];
};
/* Every other: make a cell, whose socket comes with it. */
struct keeper_cell {
	uint32_t magic;
	uint32_t version;
	int64_t scratch_bytes;
	int64_t scratch_files;
	uint32_t warm; /* 1: its READY brings a descriptor of the scratch space */
	/* 1: the simulation loads the small layer itself, late: a run with CPUs of its own may have
	 * to forbid more calls before. */
	uint32_t late_filter;
};

struct keeper_order {
	uint32_t magic;
	uint32_t version;
	struct sandbox_run_id id;
	struct sandbox_limits limits;
	uint32_t n_enter;
	uint32_t stat_version[CGROUP_STATS]; /* 1 or 2; 0: this counter does not exist here */
	int64_t before[CGROUP_STATS];        /* of the counters; -1: unknown */
	uint64_t cpu_set[SANDBOX_CPU_WORDS]; /* as in the request */
	char group[KEEPER_GROUP_SIZE];       /* name of the run's control groups */
};

enum keeper_report_kind {
	KEEPER_STARTED = 1,
	KEEPER_FAILED,
	KEEPER_READY, /* the cell stands: what it is lies behind it, what is to run before it */
	/* The record is in place and every process of the run is gone but this one.  step EXEC: it
	 * was not executed, so that there was no start. */
	KEEPER_ENDED
};
struct keeper_report {
	uint32_t version;
	uint32_t kind;
	uint32_t step;
	int32_t sys;
};

/* --- decoders; pure, all fuzzed ------------------------------------------------------------------
 */

/* Structure of a record: size, protocol, verb, ids, reserved fields.  ERR_PROTOCOL. */
int sandbox_request_decode(
    const void *p, size_t n, struct sandbox_request *ret, struct err *e) MUST_CHECK;
/* Ranges of every limit; ERR_INVALID names the first that is outside. */
int sandbox_limits_check(const struct sandbox_limits *l, struct err *e) MUST_CHECK;
int sandbox_event_decode(
    const void *p, size_t n, struct sandbox_event *ret, struct err *e) MUST_CHECK;
int keeper_order_decode(
    const void *p, size_t n, struct keeper_order *ret, struct err *e) MUST_CHECK;
int keeper_report_decode(
    const void *p, size_t n, struct keeper_report *ret, struct err *e) MUST_CHECK;
/* A command line as /proc shows it; ERR_PROTOCOL for what is no keeper's with a run.  Those before
 * version 3 name neither group, which has the run's name, nor version. */
int keeper_args_decode(const char *p, size_t n, struct keeper_args *ret, struct err *e) MUST_CHECK;
int keeper_zygote_decode(
    const void *p, size_t n, struct keeper_zygote *ret, struct err *e) MUST_CHECK;
int keeper_cell_decode(const void *p, size_t n, struct keeper_cell *ret, struct err *e) MUST_CHECK;

/* argv and env point into the decoded bytes and end with NULL. */
struct keeper_launch {
	const char *argv[CAP_ARGS + 1];
	const char *env[CAP_ARGS + 1];
	size_t n_argv, n_env;
	struct sandbox_stop stop;
};
int sandbox_launch_decode(
    const char *p, size_t n, struct keeper_launch *ret, struct err *e) MUST_CHECK;

/* "<run uuid>.<epoch>" */
const char *sandbox_run_name(const struct sandbox_run_id *id, char out[static ID_RUN_PATH_SIZE]);

/* --- the exit record, keeper's side --------------------------------------------------------------
 */

/* Room for the record before the run can fill the disk: an unnamed file, or -1 without an error
 * where the file system has none. */
int sandbox_exit_reserve(int out_dirfd, int *ret_fd, struct err *e) MUST_CHECK;
/* Fills magic, version and checksum, and puts out/exit in place as a whole.  reserved_fd: -1, or
 * what sandbox_exit_reserve gave, which stays the caller's. */
int sandbox_exit_put(
    int out_dirfd, int reserved_fd, struct sandbox_exit *x, struct err *e) MUST_CHECK;
/* Both at once. */
int sandbox_exit_write(int out_dirfd, struct sandbox_exit *x, struct err *e) MUST_CHECK;

/* --- the samples of use, keeper's side -----------------------------------------------------------
 */

struct sandbox_samples {
	int out_fd; /* the caller's */
	int fd;     /* -1: no sample yet, no file */
	size_t n;
	int64_t interval_ms; /* after which the next one is due */
	struct sandbox_sample *at;
};
void sandbox_samples_init(struct sandbox_samples *s, int out_dirfd);
/* Appends to out/usage; at SANDBOX_SAMPLES_MAX every second one goes and the interval doubles.  The
 * first one makes the file.  After a failure the file is whole up to there, and nothing more may be
 * added. */
int sandbox_samples_add(
    struct sandbox_samples *s, const struct sandbox_sample *v, struct err *e) MUST_CHECK;
void sandbox_samples_done(struct sandbox_samples *s);

/* --- the system call filter, spawner's side ------------------------------------------------------
 */

/* One layer of seccomp.def as a BPF program in a sealed memory file. */
int sandbox_seccomp_program(enum seccomp_layer layer, int *ret_fd, struct err *e) MUST_CHECK;

#endif
