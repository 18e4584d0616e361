/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem documents (RFC 9457).  What the client may know is in the error's message, except for our
 * own faults: there the message is for the log, and the client gets the request id to quote.
 */

#include "api_internal.h"

#include "http.h"

#include <stdio.h>
#include <string.h>

enum { STATUS_UNAUTHORIZED = 401, STATUS_TOO_MANY = 429, STATUS_OURS = 500, STATUS_LATER = 503 };

static const char *
detail_of(const struct err *e)
{
	if (err_http_status(e->code) == STATUS_OURS)
		return "The server could not do this; the reason is in its log under this request "
		       "id.";
	return e->msg;
}

/* What kind of place the names of the faults are. */
static const char *
place_of(enum err_code code)
{
	if (code == ERR_BAD_PARAMETER)
		return "parameter";
	return code == ERR_BAD_HEADER ? "header" : "pointer";
}

static void
print_faults(const struct err *e, struct json_out *o)
{
	if (e->n_fields == 0)
		return;
	json_out_key(o, "errors");
	json_out_begin_array(o);
	for (uint32_t i = 0; i < e->n_fields; i++) {
		json_out_begin(o);
		json_put_text(o, place_of(e->code), e->fields[i].name);
		json_put_text(o, "detail", e->fields[i].msg);
		json_out_end(o);
	}
	json_out_end_array(o);
	if (e->n_fields_lost > 0)
		json_put_i64(o, "errors_omitted", e->n_fields_lost);
}

static void
put_type(enum err_code code, struct json_out *o)
{
	char type[96];

	(void)snprintf(type, sizeof(type), "/problems/%s", err_slug(code)); /* slugs are short */
	json_put_text(o, "type", type);
}

void
problem_type_print(enum err_code code, struct json_out *o)
{
	json_out_begin(o);
	put_type(code, o);
	json_put_text(o, "code", err_slug(code));
	json_put_text(o, "title", err_title(code));
	json_put_i64(o, "status", err_http_status(code));
	json_put_bool(o, "retryable", err_retryable(code));
	json_out_end(o);
}

static void
print(struct req *rq, const struct err *e, int status)
{
	struct json_out *o = reply_begin(rq);
	char instance[REQ_ID_SIZE + 32];

	(void)snprintf(instance, sizeof(instance), "urn:wardian:request:%s", rq->id); /* fits */
	json_out_begin(o);
	put_type(e->code, o);
	json_put_text(o, "title", err_title(e->code));
	json_put_i64(o, "status", status);
	json_put_text(o, "detail", detail_of(e));
	json_put_text(o, "instance", instance);
	json_put_text(o, "code", err_slug(e->code));
	json_put_text(o, "request_id", rq->id);
	json_put_bool(o, "retryable", err_retryable(e->code));
	if (rq->violated != NULL && e->code == ERR_RATE)
		json_put_raw(o, "violated_policies", rq->violated);
	print_faults(e, o);
	json_out_end(o);
}

/* A header that cannot be set costs the client a hint, not the answer. */
static void
hint(struct req *rq, const char *name, const char *value)
{
	struct err e = { 0 };

	if (reply_header(rq, name, value, &e) < 0)
		log_err(&rq->api->o.log, LOG_LEVEL_WARN, &e, "problem header left out");
}

/* What a body may be (RFC 5789 section 3.1 and Linked Data Platform); nothing is said for PUT. */
static void
hint_media(struct req *rq)
{
	if (rq->route->method == ROUTE_PATCH)
		hint(rq, "Accept-Patch", REQ_PATCH_MEDIA);
	if (rq->route->method == ROUTE_POST)
		hint(rq, "Accept-Post", "application/json");
}

static void
add_hints(struct req *rq, const struct err *e, int status)
{
	char after[16];
	int seconds = e->retry_after_s;

	hint(rq, "Content-Type", "application/problem+json");
	if (status == STATUS_UNAUTHORIZED)
		hint(rq, "WWW-Authenticate",
		    http_req_header(rq->http, "Authorization") == NULL
			? "Bearer realm=\"wardian\""
			: "Bearer realm=\"wardian\", error=\"invalid_token\"");
	if (seconds == 0 && (status == STATUS_TOO_MANY || status == STATUS_LATER))
		seconds = 1;
	if (seconds > 0) {
		(void)snprintf(after, sizeof(after), "%d", seconds); /* fits any int */
		hint(rq, "Retry-After", after);
	}
	if (e->code == ERR_MEDIA_TYPE && rq->route != NULL)
		hint_media(rq);
}

static bool
outlives_answer(const char *name)
{
	static const char *const names[] = { "Allow", "Content-Range", "RateLimit",
		"RateLimit-Policy" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

/* What the answer was to be says nothing about the problem. */
static void
keep_hints_only(struct req *rq)
{
	size_t n = 0;

	for (size_t i = 0; i < rq->n_headers; i++)
		if (outlives_answer(rq->headers[i].name))
			rq->headers[n++] = rq->headers[i];
	rq->n_headers = n;
}

void
reply_problem(struct req *rq, const struct err *e)
{
	int status = err_http_status(e->code);
	struct log log = log_with(&rq->api->o.log, "request_id", rq->id);

	if (status >= STATUS_OURS)
		log_err(
		    &log, status == STATUS_OURS ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN, e, rq->method);
	print(rq, e, status);
	keep_hints_only(rq);
	rq->problem = err_slug(e->code);
	rq->reply.kind = REPLY_BYTES;
	rq->reply.status = status;
	add_hints(rq, e, status);
}
