/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLIENT_H
#define CLIENT_H

/*
 * HTTP client for the API; the only owner of libcurl.  Blocking, one thread.  Follows no redirects,
 * bounds everything it reads.  Tries again after 503 what may be repeated (GET, HEAD, and POST with
 * an idempotency key), and after 429 "rate-limited" everything, as Retry-After says, for at most
 * half a minute in all.  The process ignores SIGPIPE, which OpenSSL would otherwise raise when a
 * server closes early.
 */

#include "base.h"
#include "buf.h"
#include "err.h"

#include <stdbool.h>

struct client;

struct client_options {
	const char *server;     /* "http://127.0.0.1:8080" */
	const char *credential; /* an API key or a token, NULL: none */
	int64_t timeout_ms;     /* of a whole exchange; of streams: between two pieces */
};
int client_new(const struct client_options *o, struct client **ret, struct err *e) MUST_CHECK;
void client_free(struct client *c);
AUTO_TYPE(client);

struct client_response {
	int status;
	struct buf body; /* released by buf_done */
	char etag[80];
	char location[256]; /* "" without one, as etag */
};
struct client_request {
	const char *method;
	const char *path; /* "/v1/jobs?..." */
	const void *body; /* NULL: none */
	size_t n;
	const char *content_type;    /* NULL: application/json */
	const char *if_match;        /* NULL: none */
	const char *idempotency_key; /* NULL: none */
	const char *last_event_id;   /* NULL: none */
	bool once;                   /* 503 and 429 are answers, too: do not try again */
};
/* -1 with ERR_UNAVAILABLE when the server cannot be reached; any HTTP status is a success here. */
int client_request(struct client *c, const struct client_request *q, struct client_response *ret,
    struct err *e) MUST_CHECK;
/* Turns a problem document into an error with its code, message, and fields. */
int client_problem(const struct client_response *r, struct err *e);
/* The id under which the server's log has the last exchange; "" when that was a success. */
const char *client_failed_request(const struct client *c);
/* Streams the body of a GET to fn as it arrives; fn returns false to stop.  A status other than 2xx
 * is -1 with the problem. */
int client_stream(struct client *c, const struct client_request *q,
    bool (*fn)(void *ctx, const char *p, size_t n), void *ctx, struct err *e) MUST_CHECK;
/* Percent-encodes text for a path segment or query value into out. */
void client_escape(const char *text, struct buf *out);
/* The same for a path of several segments: '/' stays. */
void client_escape_path(const char *path, struct buf *out);

#endif
