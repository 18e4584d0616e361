/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_REQ_INTERNAL_H
#define API_REQ_INTERNAL_H

/* What handlers ask of their request: ids of the path, body, conditions, rights, keys. */

#include "access.h"
#include "base.h"
#include "err.h"
#include "id.h"
#include "identity.h"
#include "json.h"

#include <stdbool.h>

struct job;
struct query_given;
struct query_param;
struct req;

/* --- path and query --------------------------------------------------------------------------- */

/* The id of a placeholder: req_id(rq, "project").  For {role}, which may be a name, nil then. */
struct uuid req_id(const struct req *rq, const char *name);
/* Its text, decoded: names, and ids as they were given. */
const char *req_text(const struct req *rq, const char *name);
/* Query parameters of routes with ROUTE_QUERY. */
int req_query(struct req *rq, const struct query_param *params, struct err *e) MUST_CHECK;
/* The most welcome of these media types by Accept; the first of equals. */
const char *req_accept(const struct req *rq, const char *const *types);

/* --- body and conditions ---------------------------------------------------------------------- */

/* Decodes the body by declaration.  Values of JSON_VALUE live as long as the request. */
int req_body_decode(struct req *rq, const struct json_field *fields, struct err *e) MUST_CHECK;
/*
 * After it: whether the member was given, be it null.  PATCH: a JSON_NULLABLE member that was given
 * and left its destination alone is to be cleared; one that was not given stays as it is.
 */
bool req_body_has(const struct req *rq, const char *name);
/* An id that came as text in the body, NULL leaves *ret alone.  The nil id, which stands for none
 * in the program, is a fault like a malformed one.  Faults are recorded at the pointer;
 * end with err_fields_done(e, ERR_INVALID). */
void req_body_id(
    const char *text, const char *prefix, const char *pointer, struct uuid *ret, struct err *e);
/*
 * If-Match of a change: the version that must hold, for the change's own statement
 * ($n::bigint = -1 or version = $n::bigint), which answers ERR_PRECONDITION by req_stale.
 */
enum { REQ_ANY_VERSION = -1, REQ_NO_VERSION = 0 /* a tag that no version has */ };
int req_if_match(const struct req *rq, int64_t *ret_version, struct err *e) MUST_CHECK;
/* ERR_PRECONDITION in the words of all of them. */
int req_stale(struct err *e);

/* --- rights ----------------------------------------------------------------------------------- */

/*
 * Beyond the route's own permission, which dispatch has checked.  ERR_DENIED names the permission;
 * dispatch records every 403 of a known caller in the audit log, so handlers and stores do not.
 */
int req_may(struct req *rq, enum permission perm, struct err *e) MUST_CHECK;
int req_may_in(struct req *rq, enum permission perm, struct uuid project, struct err *e) MUST_CHECK;

/* --- Idempotency-Key -------------------------------------------------------------------------- */

/*
 * *ret_key NULL: none was sent.  fingerprint: SHA-256 of principal, method, path and body.  The
 * store, in the transaction of the creation and after audit_lock (which makes look-up and creation
 * one step): a key that is there with the same fingerprint gives the resource of then (replayed),
 * with another one ERR_IDEMPOTENCY_REUSED; else it is kept with the new resource.  Where a secret
 * was shown, the same fingerprint is ERR_CONFLICT instead.
 */
enum { REQ_FINGERPRINT_SIZE = 32 };
int req_idempotency(struct req *rq, const char **ret_key,
    uint8_t fingerprint[static REQ_FINGERPRINT_SIZE], struct err *e) MUST_CHECK;

/* --- lists ------------------------------------------------------------------------------------ */

/*
 *	if (page_begin(rq, filters, &page, e) < 0 || ..._list(..., &page, &rows, &n, &more, e) < 0)
 *		return -1;
 *	o = page_rows(rq);
 *	for (...) print(&rows[i], o);
 *	return page_end(rq, &page, more ? &rows[n - 1].id : NULL, e);
 *
 * limit and cursor are added to the filters; every other parameter chooses rows, so a cursor fits
 * the same ones alone.
 */
struct page {
	int64_t limit;    /* 1 .. CAP_PAGE_ITEMS */
	struct uuid last; /* last row of the page before; nil: this is the first */
	/* for page_end */
	uint8_t filter[32];
	const struct query_given *given;
	size_t n_given;
};
int page_begin(
    struct req *rq, const struct query_param *filters, struct page *ret, struct err *e) MUST_CHECK;
struct json_out *page_rows(struct req *rq);
/* last: of the rows shown, when others follow; NULL: none do. */
int page_end(
    struct req *rq, const struct page *p, const struct uuid *last, struct err *e) MUST_CHECK;
/* Lists in the order of a number carry it in place of an id.  number >= 0. */
struct uuid page_number(int64_t number);
int64_t page_number_of(struct uuid last); /* 0 for nil */

/* --- identity --------------------------------------------------------------------------------- */

struct identity_ask req_ask(const struct req *rq);
/* The tenant of the caller, with its version. */
int req_reply_tenant(struct req *rq, struct err *e) MUST_CHECK;

/* --- jobs ------------------------------------------------------------------------------------- */

/* The job of the path, if it may be read; ERR_DENIED when the route's permission lacks in its
 * project; the same ERR_NOT_FOUND for unknown and foreign ids. */
int req_job(struct req *rq, struct job *ret, struct err *e) MUST_CHECK;
int req_job_error(struct err *e);
/* POST /v1/jobs and POST /simulate. */
struct submitted {
	struct uuid id;
	bool replayed;
};
int req_submit(struct req *rq, struct submitted *ret, struct err *e) MUST_CHECK;
/* Reserves a place at the follower within the tenant's limit; fills who asks. */
struct follow_target;
int req_follow(struct req *rq, struct follow_target *t, struct err *e) MUST_CHECK;
/* Opens out/<name> of the job's latest attempt: 1, or 0 when there is none (yet). */
int req_open_out(
    struct req *rq, const struct job *job, const char *name, int *ret_fd, struct err *e) MUST_CHECK;
/* JSON has no NaN and infinities: they are the texts "NaN", "Infinity" and "-Infinity". */
void req_number_print(struct json_out *o, const char *name, double v);
int req_series_print(struct req *rq, struct uuid job, struct json_out *o, struct err *e) MUST_CHECK;

#endif
