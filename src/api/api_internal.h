/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_INTERNAL_H
#define API_INTERNAL_H

/*
 * What the parts of the API share: the API itself, one request on its way through dispatch, and the
 * reply that a handler prepares.  A request belongs to one thread at a time: the HTTP loop until it
 * is pushed to the pool, a worker while it is handled, the follower while it is parked.
 */

#include "api.h"
#include "api_reply_internal.h"
#include "api_req_internal.h"
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

enum { REQ_ID_SIZE = 65, REPLY_HEADERS_MAX = 24 };
struct reply_header {
	const char *name;  /* static */
	const char *value; /* in the request's arena */
};

/* One {placeholder} of the path. */
struct req_arg {
	const char *name; /* points into the template */
	size_t name_n;
	const char *text;   /* decoded */
	const char *prefix; /* type of the id; NULL: it is a name */
	struct uuid id;
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
	struct scope scope;   /* where the route's permission holds */
	struct caller caller; /* for the stores */
	size_t n_args;
	struct req_arg args[ROUTE_ARGS_MAX];
	enum permission lacking; /* behind ERR_DENIED; PERM_NONE: another reason */
	const char *violated;    /* JSON array of the rate limits behind ERR_RATE; NULL: none */
	bool resumed;            /* back from the follower: do not park again */
	struct json *doc;        /* the body, once it was decoded */
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
/* Pushes a work item for the request; -1 when the pool is full.  Any thread. */
int req_push(struct req *rq, void (*fn)(void *rq), struct err *e) MUST_CHECK;

/* Accept-Patch (RFC 5789 section 3.1) of every resource that can be changed. */
#define REQ_PATCH_MEDIA "application/merge-patch+json, application/json"

/* --- the caller, in the order of dispatch ----------------------------------------------------- */

/* On the HTTP loop: 0 to go on, with the caller known if it was cached; -1 refused. */
int req_recall(struct req *rq, struct err *e) MUST_CHECK;
/* On a worker. */
int req_authenticate(struct req *rq, struct err *e) MUST_CHECK;
/* Takes one token for the caller and prepares the RateLimit headers; ERR_RATE when there is none.
 * Never blocks. */
int req_rate(struct req *rq, struct err *e) MUST_CHECK;
/* Checks the route's permission and sets the scope. */
int req_permit(struct req *rq, struct err *e) MUST_CHECK;
int req_read_args(struct req *rq, struct err *e) MUST_CHECK;
/* Once, before the answer is sent: writes what the audit log has to know of it.  rc and why: how
 * the handler ended. */
int req_record(struct req *rq, int rc, const struct err *why, struct err *e) MUST_CHECK;

#endif
