/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_H
#define HTTP_H

/*
 * HTTP/1.1 server; the only owner of libmicrohttpd, which runs in external mode on one loop thread
 * (its own epoll thread stalls when 128*k connections are ready at once).  A request is read whole
 * (bounded), checked by the guard (RFC 9112 ambiguities are answered 400 and closed), handed to the
 * handler on the loop thread, which passes it on and returns; any thread answers it once.
 * Knows bytes and headers; knows no tenants.
 */

#include "base.h"
#include "err.h"
#include "log.h"
#include "net.h"

#include <stdbool.h>

struct http;
struct http_req;
struct loop;
struct metrics;

struct http_options {
	const char *address; /* IPv4 or IPv6 literal */
	uint16_t port;       /* 0: any */
	int connections;
	int connections_per_address;     /* or per /64 of IPv6; 0: no limit */
	int64_t requests_per_connection; /* 0: no limit */
	int streams;
	/* Whole head, from accept (the TLS handshake included) or from its first byte; whole body;
	 * between requests.  A body that brings less than 1 KiB/s is cut after head_timeout_ms, an
	 * answer whose reader takes less after body_timeout_ms. */
	int64_t head_timeout_ms, body_timeout_ms, idle_timeout_ms;
	size_t body_max_bytes;
	/* Whose X-Forwarded-For is believed; they have no limit per address.  NULL: nobody. */
	const struct net_cidrs *trusted_proxies;
	/* PEM files; both make it HTTPS only, NULL or "" is none.  They are read again on
	 * http_reload_certificate and when a look each tls_check_ms finds them changed. */
	const char *tls_certificate, *tls_key;
	int64_t tls_check_ms;
	struct log log;
	struct metrics *metrics; /* NULL: not counted */
	/* Loop thread; must not block; takes the request and answers it now or later with one
	 * reply. */
	void (*handle)(void *ctx, struct http_req *req);
	/* Any failure before a handler runs (guard, limits): writes a problem document to the
	 * request by one of the replies.  Loop thread.  The connection closes after it.  Method and
	 * target are as the client sent them, which may be anything. */
	void (*refuse)(void *ctx, struct http_req *req, const struct err *e);
	void *ctx;
};

/* Binds and listens; ERR_CONF when the address is taken or the certificate cannot be used.  Copies
 * what the options point to.  Requests arrive once the loop runs.  Files are sent with sendfile(2)
 * when the process ignores SIGPIPE by now, which it should.  Raises the soft limit of descriptors
 * when the connections need it; where the hard one forbids that, it holds fewer and says so. */
int http_new(
    struct loop *loop, const struct http_options *o, struct http **ret, struct err *e) MUST_CHECK;
uint16_t http_port(const struct http *h);
bool http_is_tls(const struct http *h);
/* Loop thread: reads certificate and key again, for connections to come; when they cannot be used
 * the old ones stay.  Says in the log what became of it.  Nothing without TLS. */
void http_reload_certificate(struct http *h);
/* Loop thread: stops accepting, tells streams to end, closes idle connections; done(ctx) when the
 * last connection is gone or after grace_ms. */
void http_shutdown(struct http *h, int64_t grace_ms, void (*done)(void *ctx), void *ctx);
/* Accepts NULL.  After http_shutdown is done (or before the loop ran), and when no other thread
 * holds a request any more; answers given between the two are safe and go nowhere.  Streams may be
 * written to (in vain) and closed even later. */
void http_free(struct http *h);

/* The request; valid until it is answered. */
const char *http_req_method(const struct http_req *r); /* "GET"; HEAD is reported as "HEAD" */
const char *http_req_path(const struct http_req *r);   /* raw, undecoded, without the query */
const char *http_req_query(const struct http_req *r);  /* raw, "" when there is none */
const char *http_req_header(const struct http_req *r, const char *name); /* NULL when absent */
const char *http_req_body(const struct http_req *r, size_t *ret_n);
/* Where the request comes from: the peer of the connection, or whom a trusted proxy names.  Only
 * the peer for a request that is refused. */
const char *http_req_peer(const struct http_req *r);
const struct net_addr *http_req_peer_addr(const struct http_req *r);
bool http_req_is_tls(const struct http_req *r);
int64_t http_req_started_ns(const struct http_req *r); /* monotonic, end of the request line */
/* Free for the handler's owner (request arena, log context). */
void http_req_set_data(struct http_req *r, void *data);
void *http_req_data(const struct http_req *r);
/* Called once when the exchange is over, answered or aborted by the client, and the request given
 * back; r is still readable.  On the loop thread, except that a request answered after a forced
 * shutdown ends on the thread that answers. */
void http_req_on_done(struct http_req *r, void (*fn)(struct http_req *r, void *ctx), void *ctx);

/* Response headers are collected on the request before the reply; copies; a second one of the same
 * name replaces the first.  ERR_INVALID for control characters, empty values, and what the server
 * sets itself (framing, Connection, Date). */
int http_req_set_header(
    struct http_req *r, const char *name, const char *value, struct err *e) MUST_CHECK;

/*
 * Replies; any thread, exactly once per request; they take the request.  The body is copied unless
 * said otherwise.  HEAD and 304 answers send no body but its length, so pass the body to them, too.
 */
void http_reply(struct http_req *r, int status, const void *body, size_t n);
void http_reply_take(struct http_req *r, int status, char *malloced_body, size_t n);
/* n bytes of a file from offset, by sendfile; takes the descriptor. */
void http_reply_file(struct http_req *r, int status, int fd, int64_t offset, int64_t n);
/* Closes the connection after the answer. */
void http_req_close_after(struct http_req *r);

/*
 * Streams (SSE, NDJSON).  http_reply_stream answers 200 and returns a handle that any thread may
 * write to; idle streams are suspended, not polled.  A write beyond the buffer's maximum (a slow
 * reader) or after the peer has gone returns -1 (ERR_BUSY, ERR_UNAVAILABLE); it writes all or
 * nothing.  A peer that closed is noticed within a second; one that vanished, when writing fails,
 * so callers write a heartbeat every 15 s.  HEAD gets the headers, and the stream is gone at once.
 */
struct http_stream;
int http_reply_stream(struct http_req *r, size_t buffer_max_bytes, struct http_stream **ret,
    struct err *e) MUST_CHECK; /* on -1 the request is still the caller's to answer */
int http_stream_write(struct http_stream *s, const void *p, size_t n, struct err *e) MUST_CHECK;
size_t http_stream_room(struct http_stream *s); /* bytes that may be written now */
bool http_stream_gone(struct http_stream *s);   /* or the server is shutting down */
/* Ends the response after what is buffered; the handle is gone. */
void http_stream_close(struct http_stream *s);

/* Percent-decoding of one path segment or query component ('+' is a blank only in queries); -1 for
 * malformed escapes, NUL, and bytes that are not UTF-8.  Reads n bytes; out holds n + 1. */
int http_decode(const char *in, size_t n, bool query, char *out) MUST_CHECK;

#endif
