/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEEPER_H
#define KEEPER_H

/*
 * What the spawner and the keeper agree on; the daemon never includes this.  The keeper is executed
 * with the descriptors of enum keeper_fd, waits for one struct keeper_order on KEEPER_FD_STATUS and
 * answers with at most one struct keeper_report.  End of file instead of an order means that the
 * spawner died while it was building: the keeper then ends without a trace.
 */

#include "cgroup.h"
#include "caps.h"
#include "sandbox.h"

/* Inside ids: the keeper is the tenant range's first uid, the simulation its thousandth. */
enum { KEEPER_UID = 0, KEEPER_SIM_UID = 1000, KEEPER_UIDS = 1024 };

enum keeper_fd {
	KEEPER_FD_RUN = 3, /* run directory */
	KEEPER_FD_OUT,     /* its out/ */
	KEEPER_FD_STATUS,  /* SOCK_SEQPACKET to the spawner */
	KEEPER_FD_FILTER,  /* memory file: struct sock_filter[] */
	KEEPER_FD_ENTER,   /* the simulation writes "0" to each of n_enter of these */
	KEEPER_FD_STAT = KEEPER_FD_ENTER + CGROUP_TREES_MAX, /* counters, by enum cgroup_stat */
	KEEPER_FD_END = KEEPER_FD_STAT + CGROUP_STATS
};

/* Both signals come from the spawner, from outside the pid namespace. */
#define KEEPER_SIGNAL_STOP SIGTERM
#define KEEPER_SIGNAL_KILL SIGUSR1

enum { KEEPER_ORDER_MAGIC = 0x44524f57 /* "WORD" */, KEEPER_FILE_MAGIC = 0x50454b57 /* "WKEP" */ };
enum { KEEPER_VERSION = 1 };

struct keeper_order {
	uint32_t magic;
	uint32_t version;
	struct sandbox_run_id id;
	struct sandbox_limits limits;
	uint32_t n_enter;
	uint32_t reserved;
	uint32_t stat_version[CGROUP_STATS]; /* 1 or 2; 0: this counter does not exist here */
};

enum keeper_report_kind { KEEPER_STARTED = 1, KEEPER_FAILED };
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
int keeper_file_decode(
    const void *p, size_t n, struct sandbox_keeper_file *ret, struct err *e) MUST_CHECK;

/* argv and env point into the decoded bytes and end with NULL. */
struct keeper_launch {
	const char *argv[CAP_ARGS + 1];
	const char *env[CAP_ARGS + 1];
	size_t n_argv, n_env;
};
int sandbox_launch_decode(
    const char *p, size_t n, struct keeper_launch *ret, struct err *e) MUST_CHECK;

/* "<run uuid>.<epoch>": name of the run's cgroup and first argument of its keeper. */
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

/* --- the system call filter, spawner's side ------------------------------------------------------
 */

/* The allow-list of seccomp.def as a BPF program in a sealed memory file. */
int sandbox_seccomp_program(int *ret_fd, struct err *e) MUST_CHECK;

#endif
