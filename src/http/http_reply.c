/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers.  The response object is made on the answering thread, which keeps the copying off the
 * loop; only the loop thread shows it to the library.
 */
#include "http_internal.h"

#include <microhttpd.h>
#include <string.h>
#include <strings.h>

#include "fd.h"

/* The server writes these itself. */
static const char *const OWN_FIELDS[] = { "Connection", "Content-Length", "Date", "Keep-Alive",
	"Transfer-Encoding", "Trailer", "Upgrade" };

static int
check_reply_field(const char *name, const char *value, struct err *e)
{
	if (!http_token(name, strlen(name)))
		return err_set(e, ERR_INVALID, "a response header name must be a token");
	for (size_t i = 0; i < ARRAY_LEN(OWN_FIELDS); i++)
		if (strcasecmp(name, OWN_FIELDS[i]) == 0)
			return err_set(e, ERR_INVALID, "the server sets header %s itself", name);
	if (value[0] == '\0')
		return err_set(e, ERR_INVALID, "response header %s needs a value", name);
	for (const char *p = value; *p != '\0'; p++)
		if (((unsigned char)*p < ' ' && *p != '\t') || *p == 0x7f)
			return err_set(e, ERR_INVALID,
			    "response header %s may not hold control characters", name);
	return 0;
}

/* Where the field goes: over one of the same name, or behind the last. */
static struct http_field *
reply_field_slot(struct http_req *r, const char *name)
{
	for (int i = 0; i < r->n_reply; i++)
		if (strcasecmp(r->reply[i].name, name) == 0)
			return &r->reply[i];
	if (r->n_reply == HTTP_REPLY_FIELDS_MAX)
		return NULL;
	return &r->reply[r->n_reply];
}

int
http_req_set_header(struct http_req *r, const char *name, const char *value, struct err *e)
{
	const size_t n_name = strlen(name) + 1, n_value = strlen(value) + 1;
	struct http_field *slot;
	char *text;

	if (check_reply_field(name, value, e) < 0)
		return -1;
	slot = reply_field_slot(r, name);
	if (slot == NULL)
		return err_set(e, ERR_TOO_LARGE, "a response may have at most %d header fields",
		    HTTP_REPLY_FIELDS_MAX);
	text = malloc(n_name + n_value);
	if (text == NULL)
		return err_set(e, ERR_NO_MEMORY, "no memory for a response header");
	memcpy(text, name, n_name);
	memcpy(text + n_name, value, n_value);
	if (slot == &r->reply[r->n_reply])
		r->n_reply++;
	else
		free((void *)(uintptr_t)slot->name);
	*slot = (struct http_field){ text, text + n_name };
	return 0;
}

void
http_req_close_after(struct http_req *r)
{
	r->close_after = true;
}

/* Loop thread; has the reference that came with the post. */
static void
on_answered(void *arg)
{
	struct http_req *r = arg;
	bool over;

	lock_take(&r->lock);
	over = r->over;
	r->waiting = false;
	lock_give(&r->lock);
	if (!over)
		conn_resume(r->conn);
	http_req_unref(r);
}

static struct MHD_Response *
with_fields(const struct http_req *r, struct MHD_Response *response)
{
	for (int i = 0; response != NULL && i < r->n_reply; i++) {
		if (MHD_add_response_header(response, r->reply[i].name, r->reply[i].value) ==
		    MHD_YES)
			continue;
		/* Checked when it was set, so memory is short. */
		MHD_destroy_response(response);
		response = NULL;
	}
	return response;
}

void
http_reply_with(
    struct http_req *r, int status, struct MHD_Response *response, struct http_stream *stream)
{
	bool posted;

	REQUIRE(status >= 200 && status <= 599);
	response = with_fields(r, response);
	lock_take(&r->lock);
	REQUIRE(!r->answered);
	r->answered = true;
	r->status = status;
	r->response = response;
	r->stream = response == NULL ? NULL : stream;
	posted = r->waiting && !r->over;
	/* Under the lock: the loop must not go away between the look at `over` and the post. */
	if (posted)
		loop_post(r->h->loop, &r->item, on_answered, r);
	lock_give(&r->lock);
	if (!posted)
		http_req_unref(r);
}

static bool
last_of_connection(const struct http_req *r, const struct conn *c)
{
	const int64_t limit = r->h->o.requests_per_connection;

	return r->close_after || r->refused || r->h->closing ||
	       (limit > 0 && c->n_requests >= limit);
}

int
http_reply_send(struct http_req *r, struct conn *c)
{
	struct MHD_Response *response;
	bool ok;

	lock_take(&r->lock);
	response = r->response;
	r->response = NULL;
	lock_give(&r->lock);
	if (response == NULL)
		return -1; /* memory was short, or the server was forced down before the answer */
	http_req_handled(r);
	conn_enter(c, CONN_REPLY);
	if (r->stream != NULL)
		http_stream_attach(r->stream, c);
	ok = true;
	if (last_of_connection(r, c))
		ok = MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close") ==
		     MHD_YES;
	ok = ok && MHD_queue_response(c->mhd, (unsigned)r->status, response) == MHD_YES;
	MHD_destroy_response(response); /* the library has its own reference */
	return ok ? 0 : -1;
}

void
http_reply(struct http_req *r, int status, const void *body, size_t n)
{
	http_reply_with(r, status,
	    MHD_create_response_from_buffer(n, (void *)(uintptr_t)body, MHD_RESPMEM_MUST_COPY),
	    NULL);
}

void
http_reply_take(struct http_req *r, int status, char *malloced_body, size_t n)
{
	struct MHD_Response *response =
	    MHD_create_response_from_buffer(n, malloced_body, MHD_RESPMEM_MUST_FREE);

	if (response == NULL)
		free(malloced_body);
	http_reply_with(r, status, response, NULL);
}

void
http_reply_file(struct http_req *r, int status, int fd, int64_t offset, int64_t n)
{
	struct MHD_Response *response;

	REQUIRE(offset >= 0);
	REQUIRE(n >= 0);
	if (n == 0) {
		fd_close(&fd);
		http_reply(r, status, NULL, 0);
		return;
	}
	response = MHD_create_response_from_fd_at_offset64((uint64_t)n, fd, (uint64_t)offset);
	if (response == NULL)
		fd_close(&fd);
	http_reply_with(r, status, response, NULL);
}
