/* SPDX-License-Identifier: Apache-2.0 */
/* The last step of a request: headers, body, log line. */

#include "api_follow_internal.h"
#include "api_internal.h"

#include "clock.h"
#include "fd.h"
#include "http.h"
#include "metrics.h"

#include <stdio.h>
#include <string.h>

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

static const char *
find_header(const struct req *rq, const char *name)
{
	for (size_t i = 0; i < rq->n_headers; i++)
		if (strcmp(rq->headers[i].name, name) == 0)
			return rq->headers[i].value;
	return NULL;
}

static void
set_header(struct req *rq, const char *name, const char *value)
{
	struct err e = { 0 };

	/* An answer without one of its headers is better than none. */
	if (http_req_set_header(rq->http, name, value, &e) < 0)
		log_err(&rq->api->o.log, LOG_LEVEL_WARN, &e, "header left out");
}

/* Who asks changes what is answered, refusals included. */
static void
set_vary(struct req *rq)
{
	const char *given = find_header(rq, "Vary");
	char both[64];

	if (rq->route == NULL || rq->route->access == ROUTE_MAY_PUBLIC)
		return;
	(void)snprintf(both, sizeof(both), "%s%sAuthorization", given == NULL ? "" : given,
	    given == NULL ? "" : ", "); /* handlers name one or two fields */
	set_header(rq, "Vary", both);
}

static void
set_headers(struct req *rq)
{
	static const char *const always[][2] = {
		{ "Cache-Control", "no-store" },
		{ "X-Content-Type-Options", "nosniff" },
		{ "Referrer-Policy", "no-referrer" },
		{ "Content-Security-Policy",
		    "default-src 'none'; frame-ancestors 'none'; sandbox" },
	};

	set_header(rq, "X-Request-Id", rq->id);
	for (size_t i = 0; i < ARRAY_LEN(always); i++)
		if (find_header(rq, always[i][0]) == NULL)
			set_header(rq, always[i][0], always[i][1]);
	for (size_t i = 0; i < rq->n_headers; i++)
		set_header(rq, rq->headers[i].name, rq->headers[i].value);
	set_vary(rq);
	/* A year; of this host alone, for what else is below its name is not known here. */
	if (http_req_is_tls(rq->http))
		set_header(rq, "Strict-Transport-Security", "max-age=31536000");
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
