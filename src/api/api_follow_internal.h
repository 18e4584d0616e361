/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_FOLLOW_INTERNAL_H
#define API_FOLLOW_INTERNAL_H

/*
 * One thread that serves everything that waits: log streams (SSE) and parked requests (long polls).
 * Workers hand things over and go on; nobody blocks on a reader.  Places are reserved first, so
 * that a tenant's limit is checked before an answer has begun.
 */

#include "api_log_internal.h"
#include "base.h"
#include "buf.h"
#include "err.h"
#include "id.h"
#include "job.h"
#include "lock.h"
#include "log.h"

#include <stdbool.h>

struct http_stream;
struct req;

enum {
	/* Of one stream: several chunks, so that a burst needs fewer rounds of the HTTP loop. */
	FOLLOW_BUFFER_BYTES = 256 << 10,
};

struct follow;
struct follower;

/* How a job stands. */
struct follow_answer {
	enum job_state state;
	int64_t epoch, attempt;
};
struct follow_target;
struct follow_options {
	int runs_dirfd;
	struct log log;
	/* All run on the follower's thread. */
	/* Whether the caller's credential is known to hold, which costs nothing to ask; else the
	 * question below tells. */
	bool (*known)(void *ctx, const struct follow_target *t);
	/* ERR_NOT_FOUND: the job, or the caller's right to see it, is gone. */
	int (*ask)(
	    void *ctx, const struct follow_target *t, struct follow_answer *ret, struct err *e);
	void (*resume)(void *ctx, struct req *rq); /* takes the request */
	void *ctx;
};
int follow_new(const struct follow_options *o, struct follow **ret, struct err *e) MUST_CHECK;
/* Any thread: closes the streams, gives parked requests back, refuses new ones; does not wait. */
void follow_drain(struct follow *f);
void follow_free(struct follow *f); /* joins the thread; accepts NULL */

struct follow_target {
	struct tenant_id tenant;
	struct uuid job;
	struct follow_answer seen; /* how the job stood when the request was handled */
	int which;                 /* LOG_BOTH, ... */
	int64_t offset;
	int64_t wait_ms; /* of a long poll */
	int64_t at_most; /* streams and long polls of the tenant */
	/* What the caller presented: what was true when it asked need not be an hour later.
	 * Copied by follow_reserve. */
	const char *authorization, *source;
};
/* ERR_QUOTA when the tenant has as many as it may, ERR_STOPPING after the drain. */
int follow_reserve(struct follow *f, const struct follow_target *t, struct follower **ret,
    struct err *e) MUST_CHECK;
/* Any thread, once: gives the place back, starts the stream, or parks the request (takes both). */
void follow_cancel(struct follow *f, struct follower *w);
void follow_stream(struct follow *f, struct follower *w, struct http_stream *stream);
void follow_park(struct follow *f, struct follower *w, struct req *rq);

/* --- shared by api_follow.c and api_follow_log.c ---------------------------------------------- */

enum follower_kind { FOLLOWER_RESERVED, FOLLOWER_STREAM, FOLLOWER_PARKED, FOLLOWER_OVER };

struct follower {
	struct follower *next; /* written before it is listed, then by the thread alone */
	/* tenant, job, authorization and source: immutable; the rest: thread */
	struct follow_target target;
	char *credential; /* owns authorization and source */
	size_t credential_n;

	/* under follow.lock */
	enum follower_kind kind;
	struct http_stream *stream;
	struct req *parked;

	/* thread */
	struct api_log log;
	int run_dirfd; /* of the present attempt; -1: not there (yet) */
	bool greeted;
	bool over;                  /* target.seen.state is final: what is in the log now is all */
	struct follow_answer later; /* epoch > 0: another attempt has begun */
	int64_t until_ms;           /* monotonic, as all below; of a parked request */
	int64_t ask_ms;             /* ask about the job not before */
	int64_t sure_ms;            /* until then the last answer stands for the credential, too */
	int64_t news_ms;  /* since when the files say that the attempt is over; 0: they do not */
	int64_t beat_ms;  /* write a heartbeat not before */
	int64_t stuck_ms; /* since when the reader takes nothing; 0: it does */
};

struct follow {
	struct follow_options o; /* immutable */
	struct thread thread;
	struct lock lock;
	struct cond changed;

	/* under lock */
	bool stopping;
	struct follower *list; /* new ones at the head; only the thread unlinks */

	/* thread */
	struct buf text; /* the event being written */
	char *chunk;     /* log bytes on their way */
	int64_t now_ms;
	int64_t ask_ms; /* the database failed: ask nothing before */
	int asks_left;  /* in this round, so that logs go on beside many questions */
	bool moved;     /* in this round something was sent or learnt */
};

/*
 * Asks how w's job stands: 1 answered, 0 not due, -1 the job is gone.  Every every_ms, and at once
 * when the files say that the job has moved on.
 */
int follow_ask(struct follow *f, struct follower *w, int64_t every_ms, struct follow_answer *ret);
/* Opens the directory of the present attempt, once it is there. */
void follow_open_run(struct follow *f, struct follower *w);
/* Writes to w's stream; false when it is over. */
bool follow_write(struct follow *f, struct follower *w, const char *p, size_t n);
/* One look at a stream; false when it is over. */
bool follow_log_step(struct follow *f, struct follower *w);

#endif
