/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of a request.  On the HTTP loop, which never blocks: make a struct req, find the route,
 * count the source, recall the caller and count it, push to the pool under its tenant, so that one
 * tenant's flood waits in a queue of its own.  On a worker, in this order: credential (when the
 * loop could not recall it), permission, Accept, body, path, query, handler, audit, reply, one log
 * line. The tenant comes from the credential alone; everything before the credential is the same
 * for everybody, so nothing can be learnt without one.
 *
 * Two ways leave the column: a stream is handed to the follower when its head is sent, and a parked
 * request (long poll) comes back through req_resume, which asks again who it is and goes to the
 * handler.
 */

#include "api_follow_internal.h"
#include "api_internal.h"
#include "api_query_internal.h"
#include "api_value_internal.h"

#include "caps.h"
#include "clock.h"
#include "fd.h"
#include "http.h"
#include "metrics.h"
#include "rate.h"
#include "work.h"

#include <stdio.h>
#include <string.h>

/* The largest reply that is built in memory: 10,000 files with the longest paths. */
enum { REPLY_MAX_BYTES = 16 << 20 };

static const struct query_param no_parameters[] = { QUERY_PARAMS_END };

/* --- one request ------------------------------------------------------------------------------ */

static void
take_request_id(struct req *rq)
{
	const char *given = http_req_header(rq->http, "X-Request-Id");
	char own[ID_STR_SIZE];

	if (given != NULL && value_request_id_valid(given))
		(void)snprintf(rq->id, sizeof(rq->id), "%s", given); /* checked: fits */
	else
		(void)snprintf(rq->id, sizeof(rq->id), "%s", id_format("req", uuid_v7(), own));
}

/* For the log alone: it is the caller's word, and decides nothing here. */
static void
take_trace_id(struct req *rq)
{
	const char *given = http_req_header(rq->http, "traceparent");

	if (given == NULL || !value_trace_id(given, rq->trace_id))
		rq->trace_id[0] = '\0';
}

struct req *
req_new(struct api *api, struct http_req *http)
{
	struct arena *mem = arena_new(CAP_REQUEST_ARENA_BYTES);
	struct req *rq = mem == NULL ? NULL : arena_alloc(mem, sizeof(*rq));

	if (rq == NULL) {
		arena_free(mem);
		return NULL;
	}
	rq->api = api;
	rq->http = http;
	rq->mem = mem;
	rq->method = arena_strdup(mem, http_req_method(http));
	rq->raw_path = arena_strdup(mem, http_req_path(http));
	rq->peer = arena_strdup(mem, http_req_peer(http));
	rq->started_ns = http_req_started_ns(http);
	rq->reply.fd = -1;
	rq->lacking = PERM_NONE;
	buf_init(&rq->body, REPLY_MAX_BYTES);
	if (rq->method == NULL || rq->raw_path == NULL || rq->peer == NULL) {
		req_free(rq);
		return NULL;
	}
	rq->head = strcmp(rq->method, "HEAD") == 0;
	take_request_id(rq);
	take_trace_id(rq);
	return rq;
}

void
req_free(struct req *rq)
{
	if (rq == NULL)
		return;
	json_free(rq->doc);
	buf_done(&rq->body);
	fd_close(&rq->reply.fd);
	if (rq->reply.follower != NULL)
		follow_cancel(rq->api->follow, rq->reply.follower);
	arena_free(rq->mem); /* holds rq */
}

/* --- the steps -------------------------------------------------------------------------------- */

static int
check_route(struct req *rq, struct err *e)
{
	char allow[ROUTE_ALLOW_SIZE];
	unsigned allowed;

	rq->route = route_find(rq->method, rq->raw_path, &rq->match, &allowed);
	if (rq->route != NULL)
		return 0;
	if (!route_method_known(rq->method))
		return err_set(
		    e, ERR_METHOD_UNKNOWN, "This server does not implement that method.");
	if (allowed == 0)
		return err_set(e, ERR_NO_ROUTE,
		    "No endpoint has this path; GET /openapi.json describes those that exist.");
	if (reply_header(rq, "Allow", route_allow(allowed, allow), e) < 0)
		return -1;
	if (strcmp(rq->method, "OPTIONS") != 0)
		return err_set(e, ERR_METHOD, "This endpoint allows %s.", allow);
	if ((allowed & 1u << ROUTE_PATCH) != 0 &&
	    reply_header(rq, "Accept-Patch", REQ_PATCH_MEDIA, e) < 0)
		return -1;
	rq->reply.kind = REPLY_BYTES;
	rq->reply.status = 204;
	return 0;
}

static int
check_running(struct req *rq, struct err *e)
{
	if (atomic_load(&rq->api->draining) && (rq->route->flags & ROUTE_QUIET) == 0)
		return err_set(
		    e, ERR_STOPPING, "The server is shutting down; try again in a moment.");
	return 0;
}

/* What a route answers with, most usual first. */
static const char *const media_types[ROUTE_MEDIA_COUNT][4] = {
	[ROUTE_JSON] = { "application/json" },
	[ROUTE_TEXT] = { "text/plain" },
	[ROUTE_JSON_OR_TEXT] = { "application/json", "text/plain" },
	[ROUTE_LOG] = { "text/plain", "text/event-stream" },
	[ROUTE_EXPORT] = { "application/json", "application/x-ndjson", "text/csv" },
	[ROUTE_NDJSON] = { "application/x-ndjson" },
};

static int
check_accept(struct req *rq, struct err *e)
{
	const char *accept = http_req_header(rq->http, "Accept");
	const char *const *types = media_types[rq->route->media];
	AUTO_BUF list = { 0 };

	if (accept == NULL || rq->route->media == ROUTE_ANY)
		return 0;
	buf_init(&list, ERR_MSG_SIZE);
	for (size_t i = 0; types[i] != NULL; i++) {
		if (value_accept(accept, types[i]) > 0)
			return 0;
		buf_printf(&list, "%s%s", i == 0 ? "" : " or ", types[i]);
	}
	return err_set(e, ERR_NOT_ACCEPTABLE, "This endpoint answers with %s; change Accept.",
	    list.p == NULL ? "something else" : list.p);
}

static int
check_media(const struct req *rq, struct err *e)
{
	const char *type = http_req_header(rq->http, "Content-Type");
	const char *coding = http_req_header(rq->http, "Content-Encoding");

	if (coding != NULL && strcmp(coding, "identity") != 0)
		return err_set(e, ERR_MEDIA_TYPE, "Send the body without a Content-Encoding.");
	if (type != NULL && value_media_is(type, "application/json"))
		return 0;
	if (rq->route->method != ROUTE_PATCH)
		return err_set(e, ERR_MEDIA_TYPE,
		    "Send the body as Content-Type: application/json (in UTF-8).");
	if (type != NULL && value_media_is(type, "application/merge-patch+json"))
		return 0;
	return err_set(e, ERR_MEDIA_TYPE,
	    "Send the change as Content-Type: application/merge-patch+json (in UTF-8).");
}

static int
check_body(struct req *rq, struct err *e)
{
	size_t n;

	(void)http_req_body(rq->http, &n); /* only its length is asked for */
	if (rq->route->body_max == 0 && n > 0)
		return err_set(e, ERR_TOO_LARGE, "This endpoint takes no body; send none.");
	if (rq->route->body_max == 0 || (n == 0 && (rq->route->flags & ROUTE_BODY_OPTIONAL) != 0))
		return 0;
	if ((int64_t)n > rq->route->body_max)
		return err_set(e, ERR_TOO_LARGE, "The body has %zu bytes; at most %lld are taken.",
		    n, (long long)rq->route->body_max);
	return check_media(rq, e);
}

static int
check_query(struct req *rq, struct err *e)
{
	if ((rq->route->flags & ROUTE_QUERY) != 0)
		return 0;
	return query_decode(http_req_query(rq->http), no_parameters, rq->mem, e);
}

static int
handle(struct req *rq, struct err *e)
{
	if (req_authenticate(rq, e) < 0 || req_permit(rq, e) < 0 || check_accept(rq, e) < 0)
		return -1;
	if (check_body(rq, e) < 0 || req_read_args(rq, e) < 0 || check_query(rq, e) < 0)
		return -1;
	return rq->route->handler(rq, e);
}

/* A parked request went through all of this before; who asks may have lost the right meanwhile. */
static int
handle_again(struct req *rq, struct err *e)
{
	rq->authenticated = false;
	if (req_authenticate(rq, e) < 0 || req_permit(rq, e) < 0)
		return -1;
	return rq->route->handler(rq, e);
}

static void
finish(struct req *rq, int rc, struct err *e)
{
	struct err why = { 0 };

	if (rc == 0 && rq->reply.kind == REPLY_PARK) {
		struct follower *f = rq->reply.follower;

		rq->reply = (struct reply){ .fd = -1 };
		follow_park(rq->api->follow, f, rq);
		return;
	}
	/* What cannot be recorded is not told. */
	if (req_record(rq, rc, e, &why) < 0) {
		rc = -1;
		*e = why;
	}
	if (rc < 0)
		reply_problem(rq, e);
	REQUIRE(rq->reply.kind != REPLY_NONE);
	req_send(rq);
}

static void
run(void *arg)
{
	struct req *rq = arg;
	struct err e = { 0 };
	int rc = handle(rq, &e);

	finish(rq, rc, &e);
}

void
req_resume(void *arg)
{
	struct req *rq = arg;
	struct err e = { 0 };
	int rc;

	rq->resumed = true;
	rc = handle_again(rq, &e);
	finish(rq, rc, &e);
}

/* --- the HTTP loop ---------------------------------------------------------------------------- */

static void
reply_no_memory(struct http_req *http)
{
	static const char text[] = "{\"type\":\"/problems/no-memory\",\"status\":503,"
				   "\"code\":\"no-memory\",\"retryable\":true}";

	http_reply(http, 503, text, sizeof(text) - 1);
}

/* The queue of a request: its tenant's, or before that is known its address's. */
static uint64_t
class_of(const struct req *rq)
{
	uint64_t class = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

	if (rq->authenticated)
		memcpy(&class, rq->who.tenant.uuid.b + sizeof(struct uuid) - sizeof(class),
		    sizeof(class));
	for (const char *p = rq->peer; !rq->authenticated && *p != '\0'; p++)
		class = (class ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
	return class;
}

/* Changes of one tenant wait for each other's lock of its audit log, each with a connection to the
 * database in hand; more than two of them would only keep both from others.  Submissions are stored
 * together instead. */
static enum work_width
width_of(const struct req *rq)
{
	const struct route *r = rq->route;

	return r == NULL || r->method == ROUTE_GET || (r->flags & ROUTE_TOGETHER) != 0
		   ? WORK_WIDE
		   : WORK_NARROW;
}

int
req_push(struct req *rq, void (*fn)(void *rq), struct err *e)
{
	if (work_push_for(rq->api->o.work, class_of(rq), width_of(rq), fn, rq, e) == 0)
		return 0;
	metrics_add_by(rq->api->o.metrics, METRIC_HTTP_REFUSED, "queue", 1);
	return -1;
}

/* Probes are not counted: who watches the server sees it in a flood, too. */
static int
check_source(struct req *rq, struct err *e)
{
	if (rq->api->o.rates == NULL ||
	    (rq->route != NULL && (rq->route->flags & ROUTE_QUIET) != 0))
		return 0;
	return rates_take_source(rq->api->o.rates, rq->peer, e);
}

/* Everything that is known without blocking.  1: answered already (OPTIONS). */
static int
admit(struct req *rq, struct err *e)
{
	int rc = check_route(rq, e);

	if (check_source(rq, e) < 0 || rc < 0)
		return -1;
	if (rq->route == NULL)
		return 1;
	if (check_running(rq, e) < 0)
		return -1;
	return req_recall(rq, e);
}

void
api_handle(void *ctx, struct http_req *http)
{
	struct api *api = ctx;
	struct req *rq = req_new(api, http);
	struct err e = { 0 };
	int rc;

	if (rq == NULL) {
		reply_no_memory(http);
		return;
	}
	rc = admit(rq, &e);
	if (rc == 0 && (rq->route->flags & ROUTE_INLINE) != 0) {
		run(rq);
		return;
	}
	if (rc == 0 && req_push(rq, run, &e) == 0)
		return;
	if (rc <= 0)
		reply_problem(rq, &e);
	req_send(rq);
}

void
api_refuse(void *ctx, struct http_req *http, const struct err *e)
{
	struct req *rq = req_new(ctx, http);

	if (rq == NULL) {
		reply_no_memory(http);
		return;
	}
	reply_problem(rq, e);
	req_send(rq);
}
