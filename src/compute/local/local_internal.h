/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOCAL_INTERNAL_H
#define LOCAL_INTERNAL_H

/* Shared by the files of the local backend. */

#include "compute.h"
#include "lock.h"
#include "loop.h"
#include "sandbox.h"

struct compute {
	/* immutable */
	struct loop *loop;
	struct log log;
	char *socket_path;
	int runs_fd;
	void (*on_event)(void *ctx, const struct compute_event *ev);
	void *ctx;
	/* loop's thread */
	struct loop_timer *retry;
	struct loop_watch *watch;
	int fd; /* of the spawner; -1 while it is lost */
	bool connecting;
	bool complained; /* the spawner's absence was logged */
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
/* Reads "<run uuid>.<epoch>"; false for any other name.  Pure. */
bool local_run_name_parse(const char *name, struct uuid *ret_run, int64_t *ret_epoch);

int local_open_run(
    struct compute *c, const struct compute_run_id *id, int *ret_fd, struct err *e) MUST_CHECK;

#endif
