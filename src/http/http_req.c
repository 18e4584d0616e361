/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request, from its request line to the end of its exchange.  The library calls
 *
 *     http_req_new        request line read
 *     http_req_call       head read: guard.  Never answered here unless it is refused, because the
 *                         library closes the connection after an answer that is this early.
 *     http_req_call ...   pieces of the body
 *     http_req_call       all read: to the handler; unless that answers before it returns, the
 *                         connection is suspended, and
 *     http_req_call       again after the answer resumed it: the answer goes to the library
 *     http_req_completed  sent, or the connection died
 *
 * A suspended connection is invisible to the library, so a client that leaves meanwhile is noticed
 * when the answer is sent.  The library takes an end of file that it reads then for a client that
 * left: who half-closes after the request gets an answer only if the handler gave it at once.
 */
#include "http_internal.h"

#include <microhttpd.h>
#include <string.h>
#include <strings.h>

static void
req_free(struct http_req *r)
{
	if (r->on_done != NULL)
		r->on_done(r, r->on_done_ctx);
	if (r->response != NULL)
		MHD_destroy_response(r->response);
	for (int i = 0; i < r->n_reply; i++)
		free((void *)(uintptr_t)r->reply[i].name);
	buf_done(&r->body);
	free(r->fields);
	lock_done(&r->lock);
	free(r);
}

void
http_req_unref(struct http_req *r)
{
	bool last;

	lock_take(&r->lock);
	last = --r->n_refs == 0;
	lock_give(&r->lock);
	if (last)
		req_free(r);
}

struct http_req *
http_req_new(struct http *h, struct MHD_Connection *mhd, const char *target)
{
	struct conn *c = conn_of(mhd);
	const size_t n = strlen(target);
	const size_t kept = n > HTTP_TARGET_MAX ? HTTP_TARGET_MAX : n;
	struct http_req *r;

	REQUIRE(c->req == NULL);
	r = calloc(1, sizeof(*r) + kept + 1);
	if (r == NULL)
		return NULL;
	memcpy(r->target, target, kept);
	r->client = c->addr;
	memcpy(r->peer, c->peer, sizeof(r->peer));
	r->h = h;
	r->conn = c;
	r->n_refs = 1;
	r->started_ns = clock_mono_ns();
	r->raw_target = target;
	r->target_bytes = n;
	r->method = "";
	r->path = r->target;
	r->query = "";
	buf_init(&r->body, h->o.body_max_bytes);
	lock_init(&r->lock);
	c->req = r;
	c->n_requests++;
	/* A head whose first bytes were not seen has run from here on at the latest. */
	if (c->phase == CONN_IDLE)
		conn_enter(c, CONN_HEAD);
	return r;
}

/* The head as the library shows it: pointers into its memory. */
struct raw_head {
	struct http_field fields[HTTP_FIELDS_MAX];
	size_t n_fields;   /* may exceed the array */
	size_t text_bytes; /* of those in the array */
};

static enum MHD_Result
collect_field(void *ctx, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct raw_head *raw = ctx;

	(void)kind;
	if (value == NULL)
		value = "";
	if (raw->n_fields < HTTP_FIELDS_MAX) {
		raw->fields[raw->n_fields] = (struct http_field){ name, value };
		raw->text_bytes += strlen(name) + strlen(value) + 2;
	}
	raw->n_fields++;
	return MHD_YES;
}

/* Copies and advances *at; trailing blanks belong to no value (RFC 9110 section 5.5). */
static const char *
keep_text(char **at, const char *s)
{
	size_t n = strlen(s);
	char *kept = *at;

	while (n > 0 && (s[n - 1] == ' ' || s[n - 1] == '\t'))
		n--;
	memcpy(kept, s, n);
	kept[n] = '\0';
	*at += n + 1;
	return kept;
}

/* The library's memory goes with the connection, which may be cut while a handler still reads. */
static int
keep_head(struct http_req *r, const struct raw_head *raw, const char *method)
{
	const size_t n = raw->n_fields > HTTP_FIELDS_MAX ? HTTP_FIELDS_MAX : raw->n_fields;
	char *at;

	r->fields = malloc(n * sizeof(*r->fields) + raw->text_bytes + strlen(method) + 1);
	if (r->fields == NULL)
		return -1;
	at = (char *)(r->fields + n);
	for (size_t i = 0; i < n; i++) {
		r->fields[i].name = keep_text(&at, raw->fields[i].name);
		r->fields[i].value = keep_text(&at, raw->fields[i].value);
	}
	r->n_fields = n;
	r->method = keep_text(&at, method);
	return 0;
}

static void
split_target(struct http_req *r)
{
	char *query = strchr(r->target, '?');

	if (query == NULL)
		return;
	*query = '\0';
	r->query = query + 1;
}

static int
check_layout(
    struct MHD_Connection *mhd, const struct http_head *head, const char *raw_target, struct err *e)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	struct http_head seen = *head;

	if (info == NULL)
		return err_set(e, ERR_BAD_REQUEST, "the head has no size");
	if (info->header_size > HTTP_HEAD_MAX)
		return err_set(e, ERR_HEAD_TOO_LARGE,
		    "the request line and header fields may have at most %d bytes", HTTP_HEAD_MAX);
	seen.target = raw_target;
	if (MHD_VERSION < 0x01000000 && !http_layout_exact(&seen, info->header_size))
		return err_set(e, ERR_BAD_REQUEST,
		    "the head holds a bare LF, a NUL, a folded line or stray blanks");
	return 0;
}

static int
check_head(struct http_req *r, struct MHD_Connection *mhd, const struct http_head *head,
    int64_t *ret_body_bytes, struct err *e)
{
	if (http_guard(head, ret_body_bytes, e) < 0 ||
	    check_layout(mhd, head, r->raw_target, e) < 0) {
		http_count_refused(r->h, "guard");
		return -1;
	}
	if (*ret_body_bytes == HTTP_BODY_CHUNKED ||
	    (uint64_t)*ret_body_bytes <= r->h->o.body_max_bytes)
		return 0;
	http_count_refused(r->h, "body_size");
	return err_set(
	    e, ERR_TOO_LARGE, "the body may have at most %zu bytes", r->h->o.body_max_bytes);
}

/* Runs handle(), or refuse() when there is an error.  The answer may come before this returns, here
 * or from another thread; if it does not, the connection sleeps until it does. */
static int
hand_out(struct http_req *r, const struct err *error)
{
	struct http *h = r->h;
	struct conn *c = r->conn;
	bool answered;

	r->step = REQ_HELD;
	r->refused = error != NULL;
	/* A refused request may be followed by bytes that will never be read. */
	c->drain = r->refused;
	conn_enter(c, CONN_HELD);
	r->in_flight = true;
	http_gauge(h, METRIC_HTTP_IN_FLIGHT, ++h->n_in_flight);
	r->n_refs++; /* the holder's; nobody else knows the request yet */
	if (error != NULL)
		h->o.refuse(h->o.ctx, r, error);
	else
		h->o.handle(h->o.ctx, r);
	lock_take(&r->lock);
	answered = r->answered;
	r->waiting = !answered;
	lock_give(&r->lock);
	if (answered)
		return http_reply_send(r, c);
	conn_suspend(c);
	return 0;
}

static void
find_client(struct http_req *r)
{
	if (!r->conn->trusted)
		return;
	r->client = http_forwarded(&r->h->trusted, &r->conn->addr, r->fields, r->n_fields);
	(void)net_addr_format(&r->client, r->peer);
}

static int
on_head(struct http_req *r, struct MHD_Connection *mhd, const char *method, const char *version)
{
	struct raw_head raw;
	struct http_head head = { .method = method,
		.target = r->target,
		.version = version,
		.target_bytes = r->target_bytes,
		.fields = raw.fields };
	int64_t body_bytes;
	struct err e;
	int status;

	raw.n_fields = 0;
	raw.text_bytes = 0;
	(void)MHD_get_connection_values(mhd, MHD_HEADER_KIND, collect_field, &raw);
	head.n_fields = raw.n_fields;
	if (keep_head(r, &raw, method) < 0)
		return -1;
	status = check_head(r, mhd, &head, &body_bytes, &e);
	split_target(r);
	if (status < 0)
		return hand_out(r, &e);
	find_client(r);
	r->step = REQ_BODY;
	r->conn->body_bytes = 0;
	conn_enter(r->conn, CONN_BODY);
	return 0;
}

static int
on_body(struct http_req *r, const char *data, size_t n)
{
	r->conn->body_bytes += (int64_t)n;
	if (!r->body_dropped && n <= r->body.max - r->body.n) {
		buf_append(&r->body, data, n);
		return r->body.failed ? -1 : 0;
	}
	/* Only a chunked body comes here.  The library takes no answer before its end, so as much
	 * again is read and dropped for the sake of a proper answer; then the connection is. */
	r->body_dropped = true;
	r->body_dropped_bytes += n;
	return r->body_dropped_bytes <= r->body.max ? 0 : -1;
}

/* When the end of the chunks comes in pieces, the library shows the head's last field as a trailer,
 * which it is not. */
static enum MHD_Result
see_trailer(void *ctx, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct http_req *r = ctx;
	const struct http_field *last = &r->fields[r->n_fields - 1];

	(void)kind;
	if (strcmp(name, last->name) != 0 || value == NULL ||
	    strncmp(value, last->value, strlen(last->value)) != 0)
		r->trailers = true;
	return MHD_YES;
}

static int
check_body(struct http_req *r, struct MHD_Connection *mhd, struct err *e)
{
	if (r->body_dropped) {
		http_count_refused(r->h, "body_size");
		return err_set(
		    e, ERR_TOO_LARGE, "the body may have at most %zu bytes", r->body.max);
	}
	/* Some take trailers for fields of the head; nothing here has a use for one. */
	(void)MHD_get_connection_values(mhd, MHD_FOOTER_KIND, see_trailer, r);
	if (!r->trailers)
		return 0;
	http_count_refused(r->h, "guard");
	return err_set(e, ERR_BAD_REQUEST, "send header fields before the body, not behind it");
}

static int
on_last(struct http_req *r, struct MHD_Connection *mhd)
{
	struct err e;

	return hand_out(r, check_body(r, mhd, &e) < 0 ? &e : NULL);
}

int
http_req_call(struct http_req *r, struct MHD_Connection *mhd, const char *method,
    const char *version, const char *data, size_t *n)
{
	const size_t n_data = *n;

	if (r->h->forced)
		return -1;
	switch (r->step) {
	case REQ_LINE:
		return on_head(r, mhd, method, version);
	case REQ_BODY:
		*n = 0;
		return n_data > 0 ? on_body(r, data, n_data) : on_last(r, mhd);
	case REQ_HELD:
		return http_reply_send(r, r->conn);
	}
	return -1;
}

void
http_req_handled(struct http_req *r)
{
	if (!r->in_flight)
		return;
	r->in_flight = false;
	http_gauge(r->h, METRIC_HTTP_IN_FLIGHT, --r->h->n_in_flight);
}

void
http_req_abandon(struct http_req *r)
{
	lock_take(&r->lock);
	r->over = true;
	lock_give(&r->lock);
}

void
http_req_completed(struct http_req *r)
{
	struct http *h = r->h;
	struct conn *c = r->conn;

	c->req = NULL;
	c->stream = NULL;
	conn_enter(c, CONN_IDLE);
	http_req_handled(r);
	if (r->step != REQ_HELD)
		c->drain = true; /* the library refused it on its own */
	http_req_abandon(r);
	r->conn = NULL;
	http_req_unref(r);
	if (h->closing)
		conn_shut(c);
}

const char *
http_req_method(const struct http_req *r)
{
	return r->method;
}

const char *
http_req_path(const struct http_req *r)
{
	return r->path;
}

const char *
http_req_query(const struct http_req *r)
{
	return r->query;
}

const char *
http_req_header(const struct http_req *r, const char *name)
{
	for (size_t i = 0; i < r->n_fields; i++)
		if (strcasecmp(r->fields[i].name, name) == 0)
			return r->fields[i].value;
	return NULL;
}

const char *
http_req_body(const struct http_req *r, size_t *ret_n)
{
	*ret_n = r->body.n;
	return r->body.p == NULL ? "" : r->body.p;
}

const char *
http_req_peer(const struct http_req *r)
{
	return r->peer;
}

const struct net_addr *
http_req_peer_addr(const struct http_req *r)
{
	return &r->client;
}

bool
http_req_is_tls(const struct http_req *r)
{
	return r->h->tls != NULL;
}

int64_t
http_req_started_ns(const struct http_req *r)
{
	return r->started_ns;
}

void
http_req_set_data(struct http_req *r, void *data)
{
	r->data = data;
}

void *
http_req_data(const struct http_req *r)
{
	return r->data;
}

void
http_req_on_done(struct http_req *r, void (*fn)(struct http_req *r, void *ctx), void *ctx)
{
	r->on_done = fn;
	r->on_done_ctx = ctx;
}
