/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of a request.  On the HTTP loop: make a struct req, find the route, push to the pool.  On
 * a worker, in this order: method and route, readiness, credential, Accept, body, path, query,
 * handler, reply, one log line.  The tenant comes from the credential alone; everything before the
 * credential is the same for everybody, so nothing can be learnt without one.
 *
 * Two ways leave the column: a stream is handed to the follower when its head is sent, and a parked
 * request (long poll) comes back through req_resume, which goes straight to the handler.
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
#include "parse.h"
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

static int
check_credential(struct req *rq, struct err *e)
{
	if (rq->route->access == ROUTE_PUBLIC)
		return 0;
	if (tenants_authenticate(
		rq->api->o.tenants, http_req_header(rq->http, "Authorization"), &rq->who, e) < 0)
		return -1;
	rq->authenticated = true;
	return 0;
}

static int
check_accept(struct req *rq, struct err *e)
{
	static const char *const types[][2] = {
		[ROUTE_JSON] = { "application/json", NULL },
		[ROUTE_TEXT] = { "text/plain", NULL },
		[ROUTE_JSON_OR_TEXT] = { "application/json", "text/plain" },
		[ROUTE_LOG] = { "text/plain", "text/event-stream" },
	};
	const char *accept = http_req_header(rq->http, "Accept");
	enum route_media media = rq->route->media;

	if (accept == NULL || media == ROUTE_ANY)
		return 0;
	for (size_t i = 0; i < 2 && types[media][i] != NULL; i++)
		if (value_accept(accept, types[media][i]) > 0)
			return 0;
	return err_set(e, ERR_NOT_ACCEPTABLE, "This endpoint answers with %s%s%s; change Accept.",
	    types[media][0], types[media][1] == NULL ? "" : " or ",
	    types[media][1] == NULL ? "" : types[media][1]);
}

static int
check_body(struct req *rq, struct err *e)
{
	const char *type = http_req_header(rq->http, "Content-Type");
	const char *coding = http_req_header(rq->http, "Content-Encoding");
	size_t n;

	(void)http_req_body(rq->http, &n); /* only its length is asked for */
	if (rq->route->body_max == 0 && n > 0)
		return err_set(e, ERR_TOO_LARGE, "This endpoint takes no body; send none.");
	if (rq->route->body_max == 0)
		return 0;
	if ((int64_t)n > rq->route->body_max)
		return err_set(e, ERR_TOO_LARGE, "The body has %zu bytes; at most %lld are taken.",
		    n, (long long)rq->route->body_max);
	if (coding != NULL && strcmp(coding, "identity") != 0)
		return err_set(e, ERR_MEDIA_TYPE, "Send the body without a Content-Encoding.");
	if (type == NULL || !value_media_is(type, "application/json"))
		return err_set(e, ERR_MEDIA_TYPE,
		    "Send the body as Content-Type: application/json (in UTF-8).");
	return 0;
}

/* One {placeholder}: decoded, and for ids checked. */
static int
read_arg(struct req *rq, size_t i, struct err *e)
{
	const char *name = rq->match.args[i].name;
	size_t name_n = rq->match.args[i].name_n;
	char *text = arena_alloc(rq->mem, rq->match.args[i].raw_n + 1);

	if (text == NULL)
		return arena_err(e);
	if (http_decode(rq->match.args[i].raw, rq->match.args[i].raw_n, false, text) < 0)
		return err_set(e, ERR_BAD_REQUEST,
		    "The path holds a malformed percent escape, or bytes that are not UTF-8.");
	if (strncmp(name, "job", name_n) == 0)
		return id_parse("job", text, &rq->job, e);
	if (strncmp(name, "path", name_n) == 0)
		rq->path = text;
	else
		rq->name = text;
	return 0;
}

static int
read_args(struct req *rq, struct err *e)
{
	for (size_t i = 0; i < rq->match.n; i++)
		if (read_arg(rq, i, e) < 0)
			return -1;
	return 0;
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
	if (check_route(rq, e) < 0)
		return -1;
	if (rq->route == NULL)
		return 0; /* OPTIONS */
	if (check_running(rq, e) < 0 || check_credential(rq, e) < 0 || check_accept(rq, e) < 0)
		return -1;
	if (check_body(rq, e) < 0 || read_args(rq, e) < 0 || check_query(rq, e) < 0)
		return -1;
	return rq->route->handler(rq, e);
}

/* --- sending ---------------------------------------------------------------------------------- */

static void
log_access(const struct req *rq)
{
	const struct api *api = rq->api;
	int64_t ns = clock_mono_ns() - rq->started_ns;
	const char *template = rq->route == NULL ? "unmatched" : rq->route->path;
	const char *method = route_method_known(rq->method) ? rq->method : "_OTHER";
	char status[16], us[24], tenant[ID_STR_SIZE] = "";
	struct log log = log_with(&api->o.log, "request_id", rq->id);
	struct log with_trace = log_with(&log, "trace_id", rq->trace_id);
	struct log with_peer =
	    log_with(rq->trace_id[0] == '\0' ? &log : &with_trace, "peer", rq->peer);
	struct log with_tenant = log_with(&with_peer, "tenant", tenant);
	struct log with_status =
	    log_with(rq->authenticated ? &with_tenant : &with_peer, "status", status);
	struct log with_time = log_with(&with_status, "dur_us", us);
	struct log with_problem = log_with(&with_time, "problem", rq->problem);
	struct log *line = rq->problem == NULL ? &with_time : &with_problem;

	metrics_request(api->o.metrics, method, template, rq->reply.status, ns);
	if (rq->authenticated)
		(void)id_format("ten", rq->who.tenant.uuid, tenant);    /* returns tenant */
	(void)snprintf(status, sizeof(status), "%d", rq->reply.status); /* both fit */
	(void)snprintf(us, sizeof(us), "%lld", (long long)(ns / 1000));
	if (rq->route != NULL && (rq->route->flags & ROUTE_QUIET) != 0)
		log_debug(line, "%s %s", method, rq->raw_path);
	else
		log_info(line, "%s %s", method, rq->raw_path);
}

static bool
has_header(const struct req *rq, const char *name)
{
	for (size_t i = 0; i < rq->n_headers; i++)
		if (strcmp(rq->headers[i].name, name) == 0)
			return true;
	return false;
}

static void
set_header(struct req *rq, const char *name, const char *value)
{
	struct err e = { 0 };

	/* An answer without one of its headers is better than none. */
	if (http_req_set_header(rq->http, name, value, &e) < 0)
		log_err(&rq->api->o.log, LOG_LEVEL_WARN, &e, "header left out");
}

static void
set_headers(struct req *rq)
{
	static const char *const always[][2] = {
		{ "Cache-Control", "no-store" },
		{ "X-Content-Type-Options", "nosniff" },
		{ "Content-Security-Policy",
		    "default-src 'none'; frame-ancestors 'none'; sandbox" },
	};

	set_header(rq, "X-Request-Id", rq->id);
	for (size_t i = 0; i < ARRAY_LEN(always); i++)
		if (!has_header(rq, always[i][0]))
			set_header(rq, always[i][0], always[i][1]);
	for (size_t i = 0; i < rq->n_headers; i++)
		set_header(rq, rq->headers[i].name, rq->headers[i].value);
}

static void
send_bytes(struct req *rq)
{
	size_t n;
	char *p = buf_take(&rq->body, &n);

	if (p == NULL)
		http_reply(rq->http, rq->reply.status, "", 0);
	else
		http_reply_take(rq->http, rq->reply.status, p, n);
}

/* The http module refuses a stream before it has sent anything, so the problem can still follow. */
static bool
send_stream(struct req *rq)
{
	struct http_stream *stream;
	struct err e = { 0 };

	if (http_reply_stream(rq->http, FOLLOW_BUFFER_BYTES, &stream, &e) < 0) {
		reply_problem(rq, &e);
		set_headers(rq);
		return false;
	}
	follow_stream(rq->api->follow, rq->reply.follower, stream);
	rq->reply.follower = NULL;
	return true;
}

void
req_send(struct req *rq)
{
	set_headers(rq);
	if (rq->reply.kind == REPLY_FILE)
		http_reply_file(rq->http, rq->reply.status, fd_take(&rq->reply.fd),
		    rq->reply.offset, rq->reply.n);
	else if (rq->reply.kind != REPLY_STREAM || !send_stream(rq))
		send_bytes(rq);
	log_access(rq);
	req_free(rq);
}

static void
finish(struct req *rq, int rc, const struct err *e)
{
	if (rc < 0)
		reply_problem(rq, e);
	REQUIRE(rq->reply.kind != REPLY_NONE);
	if (rq->reply.kind == REPLY_PARK) {
		struct follower *f = rq->reply.follower;

		rq->reply = (struct reply){ .fd = -1 };
		follow_park(rq->api->follow, f, rq);
		return;
	}
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
	rc = rq->route->handler(rq, &e);
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

void
api_handle(void *ctx, struct http_req *http)
{
	struct api *api = ctx;
	struct req *rq = req_new(api, http);
	const struct route *route;
	struct route_match match;
	struct err e = { 0 };
	unsigned allowed;

	if (rq == NULL) {
		reply_no_memory(http);
		return;
	}
	route = route_find(rq->method, rq->raw_path, &match, &allowed);
	if (route != NULL && (route->flags & ROUTE_INLINE) != 0) {
		run(rq);
		return;
	}
	if (work_push(api->o.work, run, rq, &e) < 0) {
		metrics_add_by(api->o.metrics, METRIC_HTTP_REFUSED, "queue", 1);
		reply_problem(rq, &e);
		req_send(rq);
	}
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
