/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_INTERNAL_H
#define API_INTERNAL_H

/*
 * What the parts of the API share: the API itself, one request on its way through dispatch, and the
 * reply that a handler prepares.  A request belongs to one thread at a time: the HTTP loop until it
 * is pushed to the pool, a worker while it is handled, the follower while it is parked.
 */

#include "api.h"
#include "api_route_internal.h"
#include "api_value_internal.h"
#include "arena.h"
#include "buf.h"
#include "id.h"
#include "job.h"
#include "json.h"
#include "lock.h"
#include "tenant.h"

#include <stdatomic.h>

struct follow;
struct follower;

/* A strong entity tag with its quotes. */
enum { ETAG_SIZE = 64 };

struct api {
	/* immutable after api_new */
	struct api_options o;
	struct follow *follow;
	size_t openapi_n;
	char openapi_etag[ETAG_SIZE];

	atomic_bool draining;

	struct lock lock;
	/* under lock: the last answer of the database to /readyz */
	bool pinging; /* a worker is asking right now */
	bool ping_ok;
	int64_t pinged_ms; /* monotonic; 0: never */
};

enum reply_kind {
	REPLY_NONE,
	REPLY_BYTES,  /* req.body */
	REPLY_FILE,   /* n bytes of fd from offset */
	REPLY_STREAM, /* an event stream fed by req.follower */
	REPLY_PARK    /* answered later: the follower gives the request back to the pool */
};
struct reply {
	enum reply_kind kind;
	int status;
	int fd; /* -1: none; owned until it is sent */
	int64_t offset, n;
	struct follower *follower; /* owned until it is sent */
};

enum { REQ_ID_SIZE = 65, REPLY_HEADERS_MAX = 16 };
struct reply_header {
	const char *name;  /* static */
	const char *value; /* in the request's arena */
};

struct req {
	struct api *api;
	struct http_req *http; /* gone once the reply is sent */
	struct arena *mem;     /* holds this struct, too */
	char id[REQ_ID_SIZE];
	char trace_id[VALUE_TRACE_ID_SIZE];   /* of the caller's trace; "": none */
	const char *method, *raw_path, *peer; /* copies: the log line comes after the reply */
	int64_t started_ns;                   /* monotonic */
	bool head;
	const struct route *route; /* NULL: none matched */
	struct route_match match;
	bool authenticated;
	struct principal who;
	struct uuid job;  /* {job} */
	const char *name; /* {environment}, {slug} */
	const char *path; /* {path...} */
	bool resumed;     /* back from the follower: do not park again */
	struct buf body;
	struct json_out out;
	struct reply_header headers[REPLY_HEADERS_MAX];
	size_t n_headers;
	struct reply reply;
	const char *problem; /* slug for the log line; NULL: none */
};

/* --- dispatch --------------------------------------------------------------------------------- */
struct req *req_new(struct api *api, struct http_req *http); /* NULL: out of memory */
void req_free(struct req *rq);
/* Sends what was prepared and frees the request. */
void req_send(struct req *rq);
/* Work item: handles a request that the follower gave back. */
void req_resume(void *rq);

/* --- replies: the last call of a handler; nothing leaves before dispatch sends it ------------- */

/* Starts a JSON body. */
struct json_out *reply_begin(struct req *rq);
int reply_json(struct req *rq, int status, struct err *e) MUST_CHECK;
/* The same with an ETag over the body, and 304 or 412 when the request's conditions say so. */
int reply_json_tagged(struct req *rq, struct err *e) MUST_CHECK;
/* Text that is in rq->body. */
int reply_text(struct req *rq, const char *content_type, struct err *e) MUST_CHECK;
/* Sets a header of the answer, in place of one with the same name.  name is static. */
int reply_header(struct req *rq, const char *name, const char *value, struct err *e) MUST_CHECK;
int reply_header_i64(struct req *rq, const char *name, int64_t value, struct err *e) MUST_CHECK;
/* Evaluates If-Match and If-None-Match: 1 when a 304 was prepared, 0 to go on, -1 for 412. */
int reply_conditional(struct req *rq, const char *etag, struct err *e) MUST_CHECK;
void etag_of(const void *p, size_t n, char out[static ETAG_SIZE]);
/* Replaces whatever was prepared, except for Allow and Content-Range, by a problem document. */
void reply_problem(struct req *rq, const struct err *e);
/* One type of problem, for the pages. */
void problem_type_print(enum err_code code, struct json_out *o);

/* --- what several handlers need --------------------------------------------------------------- */

/* The job of the path; the same ERR_NOT_FOUND for unknown and foreign ids. */
int req_job(struct req *rq, struct job *ret, struct err *e) MUST_CHECK;
int req_job_error(struct err *e);
/* POST /v1/jobs and POST /simulate. */
struct submitted {
	struct uuid id;
	bool replayed;
};
int req_submit(struct req *rq, struct submitted *ret, struct err *e) MUST_CHECK;
/* Opens out/<name> of the job's latest attempt: 1, or 0 when there is none (yet). */
int req_open_out(
    struct req *rq, const struct job *job, const char *name, int *ret_fd, struct err *e) MUST_CHECK;
/* JSON has no NaN and infinities: they are the texts "NaN", "Infinity" and "-Infinity". */
void req_number_print(struct json_out *o, const char *name, double v);
int req_series_print(struct req *rq, struct json_out *o, struct err *e) MUST_CHECK;

#endif
