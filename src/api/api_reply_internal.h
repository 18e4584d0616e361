/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_REPLY_INTERNAL_H
#define API_REPLY_INTERNAL_H

/*
 * Replies: the last call of a handler.  Nothing leaves before dispatch sends it, so that a handler
 * that fails late still answers once.
 */

#include "base.h"
#include "err.h"
#include "id.h"
#include "json.h"

#include <stdbool.h>

struct req;

/* A strong entity tag with its quotes. */
enum { ETAG_SIZE = 64 };

/* Starts a JSON body. */
struct json_out *reply_begin(struct req *rq);
int reply_json(struct req *rq, int status, struct err *e) MUST_CHECK;
/* The same with an ETag over the body, and 304 or 412 when the request's conditions say so. */
int reply_json_tagged(struct req *rq, struct err *e) MUST_CHECK;
/* 200 with ETag "<version>" and for GET 304 when the request's conditions say so.  If-Match of a
 * change is req_if_match's business. */
int reply_json_versioned(struct req *rq, int64_t version, struct err *e) MUST_CHECK;
/*
 * 201 with Location <collection>/<id>, ETag "<version>" (0: none) and the JSON body; replayed: the
 * Idempotency-Key was used before for this (Idempotency-Replayed: true).
 */
struct reply_made {
	const char *collection; /* "/v1/projects" */
	const char *prefix;     /* "prj" */
	struct uuid id;
	int64_t version;
	bool replayed;
};
int reply_created(struct req *rq, const struct reply_made *m, struct err *e) MUST_CHECK;
/* 204. */
int reply_nothing(struct req *rq, struct err *e) MUST_CHECK;
/* Text that is in rq->body. */
int reply_text(struct req *rq, const char *content_type, struct err *e) MUST_CHECK;
/* n bytes of a file from its beginning; takes the descriptor and leaves -1. */
int reply_file(
    struct req *rq, const char *content_type, int *fd, int64_t n, struct err *e) MUST_CHECK;
/* A member that is an id with its type; nil writes null. */
void put_id(struct json_out *o, const char *name, const char *prefix, struct uuid id);
/* Sets a header of the answer, in place of one with the same name.  name is static. */
int reply_header(struct req *rq, const char *name, const char *value, struct err *e) MUST_CHECK;
int reply_header_i64(struct req *rq, const char *name, int64_t value, struct err *e) MUST_CHECK;
/* Evaluates If-Match and If-None-Match: 1 when a 304 was prepared, 0 to go on, -1 for 412. */
int reply_conditional(struct req *rq, const char *etag, struct err *e) MUST_CHECK;
void etag_of(const void *p, size_t n, char out[static ETAG_SIZE]);
/* Replaces whatever was prepared, except for Allow, Content-Range and the rate headers, by a
 * problem document. */
void reply_problem(struct req *rq, const struct err *e);
/* One type of problem, for the pages. */
void problem_type_print(enum err_code code, struct json_out *o);

#endif
