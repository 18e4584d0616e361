/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"
#include "clock.h"
#include "json.h"
#include "parse.h"

#include <curl/curl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
	CONNECT_TIMEOUT_MS = 5000,
	BODY_MAX = 64 << 20, /* the largest page or result, many times over */
	URL_MAX = 8192,
	SERVER_SIZE = 512,
	HEADER_MAX = 512,
	CREDENTIAL_MAX = 8192, /* tokens of issuers are long; servers take no longer heads */
	TRIES = 8,
	WAIT_MAX_S = 30, /* all waits before further tries together */
	REQUEST_ID_SIZE = 80,
	HTTP_TOO_MANY = 429,
	HTTP_UNAVAILABLE = 503
};

struct client {
	CURL *curl;
	char server[SERVER_SIZE];
	char *authorization; /* the whole header line; NULL without a credential */
	int64_t timeout_ms;
	char failed_request[REQUEST_ID_SIZE];
};

/* One exchange as the callbacks see it. */
struct exchange {
	struct buf *body;
	bool (*fn)(void *ctx, const char *p, size_t n); /* streams only */
	void *ctx;
	CURL *curl;
	char etag[80];
	char location[256];
	char request_id[REQUEST_ID_SIZE];
	int retry_after_s;
	bool stopped;
	int64_t idle_ms;  /* longest silence; 0: not watched */
	int64_t heard_ms; /* monotonic, when the last piece came */
};

/* Visible ASCII: what keys are made of, and nothing that could begin another header. */
static bool
header_value_fits(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

static int
check_options(const struct client_options *o, struct err *e)
{
	if (strlen(o->server) >= SERVER_SIZE || strncmp(o->server, "http", 4) != 0)
		return err_set(e, ERR_USAGE,
		    "the server must be a URL like http://127.0.0.1:8080 (WARDIAN_URL or "
		    "--server)");
	if (o->credential == NULL)
		return 0;
	if (strlen(o->credential) > CREDENTIAL_MAX)
		return err_set(e, ERR_USAGE,
		    "the API key is too long to be one (WARDIAN_API_KEY or --api-key-file)");
	if (!header_value_fits(o->credential))
		return err_set(e, ERR_USAGE,
		    "the API key holds blanks or control characters; copy it again "
		    "(WARDIAN_API_KEY or --api-key-file)");
	return 0;
}

int
client_new(const struct client_options *o, struct client **ret, struct err *e)
{
	AUTO(client) c = NULL;

	if (check_options(o, e) < 0)
		return -1;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return err_set(e, ERR_NO_MEMORY, "not enough memory for the HTTP client");
	(void)snprintf(c->server, sizeof(c->server), "%s", o->server); /* measured: fits */
	for (size_t n = strlen(c->server); n > 0 && c->server[n - 1] == '/'; n--)
		c->server[n - 1] = '\0';
	if (o->credential != NULL &&
	    asprintf(&c->authorization, "Authorization: Bearer %s", o->credential) < 0) {
		c->authorization = NULL;
		return err_set(e, ERR_NO_MEMORY, "not enough memory for the HTTP client");
	}
	c->timeout_ms = o->timeout_ms;
	c->curl = curl_easy_init();
	if (c->curl == NULL)
		return err_set(e, ERR_NO_MEMORY, "the HTTP client could not be made");
	*ret = c;
	c = NULL;
	return 0;
}

void
client_free(struct client *c)
{
	if (c == NULL)
		return;
	curl_easy_cleanup(c->curl);
	if (c->authorization != NULL)
		explicit_bzero(c->authorization, strlen(c->authorization));
	free(c->authorization);
	free(c);
}

const char *
client_failed_request(const struct client *c)
{
	return c->failed_request;
}

static size_t
on_body(char *p, size_t size, size_t n, void *arg)
{
	struct exchange *x = arg;
	long status = 0;

	x->heard_ms = clock_mono_ms();
	(void)curl_easy_getinfo(
	    x->curl, CURLINFO_RESPONSE_CODE, &status); /* a valid handle cannot fail */
	if (x->fn != NULL && status >= 200 && status < 300) {
		if (x->fn(x->ctx, p, size * n))
			return size * n;
		x->stopped = true;
		return 0;
	}
	buf_append(x->body, p, size * n);
	return x->body->failed ? 0 : size * n;
}

/* The library's own limit (CURLOPT_LOW_SPEED_TIME) averages, and takes a heartbeat for nothing. */
static int
on_progress(void *arg, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
	const struct exchange *x = arg;

	(void)down_total;
	(void)down;
	(void)up_total;
	(void)up;
	return x->idle_ms > 0 && clock_mono_ms() - x->heard_ms > x->idle_ms;
}

/* Copies the value of a header line when it is of the header `name` ("etag: "). */
static void
take_header(const char *line, const char *name, char *out, size_t size)
{
	size_t n = strlen(name);

	if (strncasecmp(line, name, n) == 0 && strlen(line + n) < size)
		memcpy(out, line + n, strlen(line + n) + 1);
}

static size_t
on_header(char *p, size_t size, size_t n, void *arg)
{
	struct exchange *x = arg;
	char line[HEADER_MAX], after[32] = "";
	struct err ignored = { 0 };
	int64_t seconds;
	size_t len = size * n;

	if (len >= sizeof(line))
		return len;
	memcpy(line, p, len);
	line[len] = '\0';
	line[strcspn(line, "\r\n")] = '\0';
	take_header(line, "etag: ", x->etag, sizeof(x->etag));
	take_header(line, "location: ", x->location, sizeof(x->location));
	take_header(line, "x-request-id: ", x->request_id, sizeof(x->request_id));
	take_header(line, "retry-after: ", after, sizeof(after));
	if (after[0] != '\0' && parse_i64(after, 0, INT64_MAX, &seconds, &ignored) == 0)
		x->retry_after_s = seconds < INT_MAX ? (int)seconds : INT_MAX;
	return len;
}

/* NULL when memory is short; *ok collects the outcome so that callers add without checking each. */
static void
add_header(struct curl_slist **list, const char *line, bool *ok)
{
	struct curl_slist *grown = curl_slist_append(*list, line);

	if (grown == NULL)
		*ok = false;
	else
		*list = grown;
}

static struct curl_slist *
make_headers(const struct client *c, const struct client_request *q)
{
	const struct {
		const char *name, *value;
	} headers[] = {
		{ "Content-Type", q->body == NULL           ? NULL
				  : q->content_type == NULL ? "application/json"
							    : q->content_type },
		{ "Idempotency-Key", q->idempotency_key },
		{ "If-Match", q->if_match },
		{ "Last-Event-ID", q->last_event_id },
	};
	struct curl_slist *list = NULL;
	char line[HEADER_MAX];
	bool ok = true;

	add_header(&list, "Expect:", &ok); /* no pause before a body */
	if (c->authorization != NULL)
		add_header(&list, c->authorization, &ok);
	for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
		if (headers[i].value == NULL)
			continue;
		(void)snprintf(line, sizeof(line), "%s: %.255s", headers[i].name, headers[i].value);
		add_header(&list, line, &ok);
	}
	if (!ok) {
		curl_slist_free_all(list);
		return NULL;
	}
	return list;
}

static void
set_common(CURL *curl, const char *url, struct curl_slist *headers, struct exchange *x)
{
	/* curl_easy_setopt fails only for unknown options or without memory; perform reports the
	 * latter as a missing URL. */
	curl_easy_reset(curl);
	(void)curl_easy_setopt(curl, CURLOPT_URL, url);
	(void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	(void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
	(void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	(void)curl_easy_setopt(curl, CURLOPT_USERAGENT, "wardian/" WARDIAN_VERSION);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, x);
	(void)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	(void)curl_easy_setopt(curl, CURLOPT_HEADERDATA, x);
}

static int
make_url(
    const struct client *c, const struct client_request *q, char url[static URL_MAX], struct err *e)
{
	int n = snprintf(url, URL_MAX, "%s%s", c->server, q->path);

	if (q->if_match != NULL && (q->if_match[0] == '\0' || strlen(q->if_match) > 255 ||
				       !header_value_fits(q->if_match)))
		return err_set(e, ERR_USAGE, "a version is its number, or * for any");
	if (q->idempotency_key != NULL &&
	    (q->idempotency_key[0] == '\0' || strlen(q->idempotency_key) > 255 ||
		!header_value_fits(q->idempotency_key)))
		return err_set(
		    e, ERR_USAGE, "an idempotency key is 1 to 255 visible ASCII characters");
	if (n < 0 || n >= URL_MAX)
		return err_set(
		    e, ERR_URI_TOO_LONG, "the request's address is too long; use fewer filters");
	return 0;
}

static int
transport_error(const struct client *c, CURLcode rc, struct err *e)
{
	if (rc == CURLE_OPERATION_TIMEDOUT || rc == CURLE_ABORTED_BY_CALLBACK)
		return err_set(e, ERR_TIMEOUT, "%s did not answer in time", c->server);
	if (rc == CURLE_WRITE_ERROR)
		return err_set(e, ERR_TOO_LARGE, "the answer of %s is larger than %d MiB",
		    c->server, BODY_MAX >> 20);
	return err_set(e, ERR_UNAVAILABLE, "%s cannot be reached (%s); is wardiand running there?",
	    c->server, curl_easy_strerror(rc));
}

/* What the next error's reader may be asked for. */
static void
remember_failure(struct client *c, int status, const struct exchange *x)
{
	bool failed = status < 200 || status > 299;

	(void)snprintf(
	    c->failed_request, sizeof(c->failed_request), "%s", failed ? x->request_id : "");
}

static int
perform(struct client *c, const struct client_request *q, const char *url,
    struct client_response *r, int *ret_retry_s, struct err *e)
{
	struct curl_slist *headers = make_headers(c, q);
	struct exchange x = { .body = &r->body, .curl = c->curl };
	long status = 0;
	CURLcode rc;

	if (headers == NULL)
		return err_set(e, ERR_NO_MEMORY, "not enough memory for a request");
	set_common(c->curl, url, headers, &x);
	(void)curl_easy_setopt(c->curl, CURLOPT_TIMEOUT_MS, (long)c->timeout_ms);
	(void)curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, q->method);
	if (strcmp(q->method, "HEAD") == 0)
		(void)curl_easy_setopt(c->curl, CURLOPT_NOBODY, 1L);
	if (q->body != NULL || strcmp(q->method, "POST") == 0) {
		(void)curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->n);
		(void)curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, q->body == NULL ? "" : q->body);
	}
	c->failed_request[0] = '\0';
	rc = curl_easy_perform(c->curl);
	curl_slist_free_all(headers);
	if (rc != CURLE_OK)
		return transport_error(c, rc, e);
	(void)curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	r->status = (int)status;
	remember_failure(c, r->status, &x);
	(void)snprintf(r->etag, sizeof(r->etag), "%s", x.etag);
	(void)snprintf(r->location, sizeof(r->location), "%s", x.location);
	*ret_retry_s = x.retry_after_s;
	return 0;
}

/* Whether it changes nothing more when it is done twice. */
static bool
repeatable(const struct client_request *q)
{
	return strcmp(q->method, "GET") == 0 || strcmp(q->method, "HEAD") == 0 ||
	       q->idempotency_key != NULL;
}

/* Nothing was done when the rate was too high; a quota that is used up stays so for longer than
 * one waits. */
static bool
rate_limited(const struct client_response *r)
{
	struct err why = { 0 };

	return r->status == HTTP_TOO_MANY && client_problem(r, &why) < 0 && why.code == ERR_RATE;
}

/* Seconds to wait before another try; 0: this is the answer. */
static int
wait_before_retry_s(
    const struct client_request *q, const struct client_response *r, int said_s, int waited_s)
{
	int wait_s = said_s > 0 ? said_s : 1;
	bool again = r->status == HTTP_UNAVAILABLE ? repeatable(q) : rate_limited(r);

	return again && !q->once && wait_s <= WAIT_MAX_S - waited_s ? wait_s : 0;
}

int
client_request(
    struct client *c, const struct client_request *q, struct client_response *ret, struct err *e)
{
	char url[URL_MAX];
	int said_s = 0, waited_s = 0;

	if (make_url(c, q, url, e) < 0)
		return -1;
	for (int attempt = 1;; attempt++) {
		int wait_s;

		*ret = (struct client_response){ 0 };
		buf_init(&ret->body, BODY_MAX);
		if (perform(c, q, url, ret, &said_s, e) < 0) {
			buf_done(&ret->body);
			return -1;
		}
		wait_s = wait_before_retry_s(q, ret, said_s, waited_s);
		if (wait_s == 0 || attempt == TRIES)
			return 0;
		buf_done(&ret->body);
		(void)poll(NULL, 0, wait_s * 1000);
		waited_s += wait_s;
	}
}

int
client_stream(struct client *c, const struct client_request *q,
    bool (*fn)(void *ctx, const char *p, size_t n), void *ctx, struct err *e)
{
	struct client_response r = { 0 };
	struct curl_slist *headers;
	struct exchange x = { .body = &r.body,
		.fn = fn,
		.ctx = ctx,
		.curl = c->curl,
		.idle_ms = c->timeout_ms,
		.heard_ms = clock_mono_ms() };
	char url[URL_MAX];
	long status = 0;
	CURLcode rc;
	int failed = 0;

	if (make_url(c, q, url, e) < 0)
		return -1;
	headers = make_headers(c, q);
	if (headers == NULL)
		return err_set(e, ERR_NO_MEMORY, "not enough memory for a request");
	buf_init(&r.body, BODY_MAX);
	set_common(c->curl, url, headers, &x);
	(void)curl_easy_setopt(c->curl, CURLOPT_NOPROGRESS, 0L);
	(void)curl_easy_setopt(c->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	(void)curl_easy_setopt(c->curl, CURLOPT_XFERINFODATA, &x);
	c->failed_request[0] = '\0';
	rc = curl_easy_perform(c->curl);
	curl_slist_free_all(headers);
	(void)curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	r.status = (int)status;
	remember_failure(c, r.status, &x);
	if (rc != CURLE_OK && !(rc == CURLE_WRITE_ERROR && x.stopped))
		failed = transport_error(c, rc, e);
	else if (status < 200 || status > 299)
		failed = client_problem(&r, e);
	buf_done(&r.body);
	return failed;
}

/* --- problem documents (RFC 9457) ----------------------------------------------------------------
 */

static void
take_fields(const struct json_value *errors, struct err *e)
{
	static const char *const places[] = { "pointer", "parameter", "header" };

	for (size_t i = 0; i < json_count(errors); i++) {
		const struct json_value *row = json_at(errors, i);
		const char *pointer = "", *detail = "";

		for (size_t k = 0; k < ARRAY_LEN(places); k++)
			if (json_get_text(json_member(row, places[k]), &pointer))
				break;
		(void)json_get_text(json_member(row, "detail"), &detail);
		err_field_add(e, pointer, "%s", detail);
	}
}

int
client_problem(const struct client_response *r, struct err *e)
{
	AUTO(json) j = NULL;
	const char *code = "", *detail = NULL, *title = "";
	struct err ignored = { 0 };
	enum err_code known;

	if (r->body.n == 0 || json_parse(r->body.p, r->body.n, &j, &ignored) < 0)
		return err_set(e, ERR_PROTOCOL,
		    "the server answered %d without a problem document; is this address Wardian's?",
		    r->status);
	(void)json_get_text(json_member(json_root(j), "code"), &code);
	(void)json_get_text(json_member(json_root(j), "title"), &title);
	if (!json_get_text(json_member(json_root(j), "detail"), &detail))
		detail = title;
	if (detail[0] == '\0')
		return err_set(
		    e, ERR_PROTOCOL, "the server answered %d and does not say why", r->status);
	known = err_code_of_slug(code);
	err_set(e, known == ERR_NONE ? ERR_PROTOCOL : known, "%s", detail);
	if (json_member(json_root(j), "errors") != NULL)
		take_fields(json_member(json_root(j), "errors"), e);
	return -1;
}

static void
escape(const char *text, const char *extra, struct buf *out)
{
	static const char plain[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

	for (const char *p = text; *p != '\0'; p++) {
		if (strchr(plain, *p) != NULL || strchr(extra, *p) != NULL)
			buf_char(out, *p);
		else
			buf_printf(out, "%%%02X", (unsigned)(unsigned char)*p);
	}
}

void
client_escape(const char *text, struct buf *out)
{
	escape(text, "", out);
}

void
client_escape_path(const char *path, struct buf *out)
{
	escape(path, "/", out);
}
