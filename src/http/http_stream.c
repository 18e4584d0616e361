/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams.  Writers on any thread fill a bounded ring; the library reads it on the loop thread.  A
 * reader that has nothing must not just say so: the library would ask again at once, for ever.  It
 * suspends its connection instead, and the next write posts a resume.  Suspending from inside the
 * reader is safe in 0.9.75 when the reader then returns 0: the state machine leaves a suspended
 * connection alone, and the response's mutex, held around the reader, is not the daemon's.
 *
 * References: the writer's until http_stream_close, the response's until the library drops it, and
 * one with a posted item.
 */
#include "http_internal.h"

#include <microhttpd.h>

enum { BLOCK_BYTES = 4096 }; /* memory in the response for HTTP/1.0 clients, which get no chunks */

struct http_stream {
	struct http *h; /* immutable */

	/* loop thread */
	struct conn *conn; /* while the answer is being sent */

	/* under lock */
	struct lock lock;
	int n_refs;
	struct ring ring;
	bool ended;  /* no more writes */
	bool gone;   /* the exchange is over */
	bool asleep; /* the connection is suspended for want of bytes */
	bool posted; /* item is queued */
	struct loop_item item;
};

static void
stream_free(struct http_stream *s)
{
	if (s == NULL)
		return;
	ring_done(&s->ring);
	lock_done(&s->lock);
	free(s);
}

static void
stream_unref(struct http_stream *s)
{
	bool last;

	lock_take(&s->lock);
	last = --s->n_refs == 0;
	lock_give(&s->lock);
	if (last)
		stream_free(s);
}

static int
take_place(struct http *h, struct err *e)
{
	bool room;

	lock_take(&h->lock);
	room = h->n_streams < h->o.streams;
	if (room)
		http_gauge(h, METRIC_HTTP_OPEN_STREAMS, ++h->n_streams);
	lock_give(&h->lock);
	if (room)
		return 0;
	http_count_refused(h, "streams");
	return err_set(
	    e, ERR_BUSY, "all %d event streams are in use; try again later or poll", h->o.streams);
}

static void
give_place(struct http *h)
{
	lock_take(&h->lock);
	http_gauge(h, METRIC_HTTP_OPEN_STREAMS, --h->n_streams);
	lock_give(&h->lock);
}

static void
on_wake(void *arg)
{
	struct http_stream *s = arg;

	lock_take(&s->lock);
	s->posted = false;
	s->asleep = false;
	lock_give(&s->lock);
	if (s->conn != NULL)
		conn_resume(s->conn);
	stream_unref(s);
}

/* With the lock held: the loop must not go away between the look at `gone` and the post. */
static void
wake(struct http_stream *s)
{
	REQUIRE(lock_held(&s->lock));
	if (!s->asleep || s->posted || s->gone)
		return;
	s->posted = true;
	s->n_refs++;
	loop_post(s->h->loop, &s->item, on_wake, s);
}

/* MHD_ContentReaderCallback; loop thread. */
static ssize_t
on_read(void *ctx, uint64_t pos, char *out, size_t max)
{
	struct http_stream *s = ctx;
	bool ended, asleep;
	size_t n;

	(void)pos;
	REQUIRE(s->conn != NULL);
	if (s->h->forced)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	lock_take(&s->lock);
	n = ring_get(&s->ring, out, max);
	ended = s->ended;
	asleep = n == 0 && !ended && !s->gone;
	s->asleep = asleep;
	lock_give(&s->lock);
	/* From here on it is an answer of known length, with an answer's deadline. */
	if (ended && s->conn->phase == CONN_STREAM)
		conn_enter(s->conn, CONN_REPLY);
	if (n > 0)
		return (ssize_t)n;
	if (ended)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (!asleep)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	conn_suspend(s->conn);
	return 0;
}

/* MHD_ContentReaderFreeCallback: sent, cut, or never sent at all. */
static void
on_dropped(void *ctx)
{
	struct http_stream *s = ctx;

	http_stream_abandon(s);
	s->conn = NULL;
	give_place(s->h);
	stream_unref(s);
}

static struct http_stream *
stream_new(struct http *h, size_t buffer_max_bytes)
{
	struct http_stream *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->h = h;
	s->n_refs = 2; /* the writer's, the response's */
	lock_init(&s->lock);
	ring_init(&s->ring, buffer_max_bytes);
	return s;
}

int
http_reply_stream(
    struct http_req *r, size_t buffer_max_bytes, struct http_stream **ret, struct err *e)
{
	struct MHD_Response *response = NULL;
	struct http_stream *s;

	if (take_place(r->h, e) < 0)
		return -1;
	s = stream_new(r->h, buffer_max_bytes);
	if (s != NULL)
		response = MHD_create_response_from_callback(
		    MHD_SIZE_UNKNOWN, BLOCK_BYTES, on_read, s, on_dropped);
	if (response == NULL) {
		give_place(r->h);
		stream_free(s);
		return err_set(e, ERR_NO_MEMORY, "no memory for an event stream");
	}
	*ret = s;
	http_reply_with(r, 200, response, s);
	return 0;
}

void
http_stream_attach(struct http_stream *s, struct conn *c)
{
	s->conn = c;
	c->stream = s;
	conn_enter(c, CONN_STREAM);
	if (c->h->closing)
		http_stream_end(s);
}

static int
stream_put(struct http_stream *s, const void *p, size_t n, struct err *e)
{
	if (s->gone || s->ended)
		return err_set(e, ERR_UNAVAILABLE, "the reader of the stream has gone");
	if (!ring_put(&s->ring, p, n))
		return err_set(e, ERR_BUSY, "the reader of the stream is too slow for it");
	wake(s);
	return 0;
}

int
http_stream_write(struct http_stream *s, const void *p, size_t n, struct err *e)
{
	int status;

	lock_take(&s->lock);
	status = stream_put(s, p, n, e);
	lock_give(&s->lock);
	return status;
}

size_t
http_stream_room(struct http_stream *s)
{
	size_t room;

	lock_take(&s->lock);
	room = s->gone || s->ended ? 0 : s->ring.max - s->ring.n;
	lock_give(&s->lock);
	return room;
}

bool
http_stream_gone(struct http_stream *s)
{
	bool gone;

	lock_take(&s->lock);
	gone = s->gone || s->ended;
	lock_give(&s->lock);
	return gone;
}

void
http_stream_end(struct http_stream *s)
{
	lock_take(&s->lock);
	s->ended = true;
	wake(s);
	lock_give(&s->lock);
}

void
http_stream_abandon(struct http_stream *s)
{
	lock_take(&s->lock);
	s->gone = true;
	lock_give(&s->lock);
}

void
http_stream_close(struct http_stream *s)
{
	http_stream_end(s);
	stream_unref(s);
}
