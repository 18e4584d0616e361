/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOCAL_INTERNAL_H
#define LOCAL_INTERNAL_H

/* Shared by the files of the local backend. */

#include "clock.h"
#include "compute.h"
#include "lock.h"
#include "loop.h"
#include "sandbox.h"

#include <time.h>

struct compute {
	/* immutable */
	struct loop *loop;
	struct log log;
	char *socket_path;
	int runs_fd;
	void (*on_event)(void *ctx, const struct compute_event *ev);
	void *ctx;
	/* any thread: the bits of the connected spawner; -1 while it is lost */
	_Atomic(int64_t) weak;
	/* loop's thread */
	struct loop_timer *retry;
	struct loop_watch *watch;
	int fd; /* of the spawner; -1 while it is lost */
	bool connecting;
	bool complained; /* the spawner's absence was logged */
	/* Whose socket it is that was left: its age, because numbers of inodes come back at once.
	 * Not dialed again before `left_until`, {0}: none was left. */
	struct timespec left_born;
	struct deadline left_until;
	struct thread connector;
	/* the connector's until posted is queued, then the loop's */
	struct loop_item posted;
	int new_fd;
	struct sandbox_event ready;
	struct err failure;
};

/* The record that starts a run; ERR_INVALID for numbers that no spawner accepts.  Pure. */
int local_start_record(
    const struct compute_run *r, struct sandbox_request *ret, struct err *e) MUST_CHECK;
/* False for records that are nobody's news.  Pure. */
bool local_event_of(const struct sandbox_event *in, struct compute_event *ret);
/* ERR_PROTOCOL for a record of another run or with an unknown outcome.  Pure. */
int local_outcome_of(const struct compute_run_id *id, const struct sandbox_exit *in,
    struct compute_outcome *ret, struct err *e) MUST_CHECK;
/* The file "held" of a run directory. */
struct local_held {
	uint32_t magic;
	uint32_t version;
	uint64_t gpus;
	uint64_t cpu_set[COMPUTE_CPU_WORDS];
};
/* False when the run has nothing to itself, which needs no file.  Pure. */
bool local_held_of(const struct compute_run *r, struct local_held *ret);
/* ERR_PROTOCOL for anything but a whole file of this version.  Pure. */
int local_held_decode(const void *p, size_t n, struct local_held *ret, struct err *e) MUST_CHECK;
/* Reads "<run uuid>.<epoch>"; false for any other name.  Pure. */
bool local_run_name_parse(const char *name, struct uuid *ret_run, int64_t *ret_epoch);

int local_open_run(
    struct compute *c, const struct compute_run_id *id, int *ret_fd, struct err *e) MUST_CHECK;

#endif
