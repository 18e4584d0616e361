/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_INTERNAL_H
#define HTTP_INTERNAL_H

/*
 * Private to src/http.  struct conn lives on the loop thread only.  struct http_req and struct
 * http_stream are shared with whoever answers: what crosses is under their lock, and they are
 * counted, because the client, the answering thread and a posted item let go in any order.
 */

#include "buf.h"
#include "http.h"
#include "lock.h"
#include "loop.h"
#include "metrics.h"

struct MHD_Connection;
struct MHD_Daemon;
struct MHD_Response;
struct http_tls;
struct http_tls_pair;
struct sockaddr;

enum {
	/* Longest target that proxies and clients agree on; routes and cursors need far less. */
	HTTP_TARGET_MAX = 8 << 10,
	/* Request line and fields.  Half the connection's memory, the other half is for the answer.
	 */
	HTTP_HEAD_MAX = 16 << 10,
	HTTP_FIELDS_MAX = 64,
	HTTP_MEMORY_PER_CONNECTION = 32 << 10,
	/* Response fields set by a handler. */
	HTTP_REPLY_FIELDS_MAX = 24,
};

struct http_field {
	const char *name;
	const char *value;
};

/* --- http_guard.c: pure ----------------------------------------------------------------------- */

struct http_head {
	const char *method;
	const char *target; /* raw */
	size_t
	    target_bytes; /* as received; target may hold only the first HTTP_TARGET_MAX of them */
	const char *version;
	const struct http_field *fields;
	size_t n_fields; /* as received; fields holds at most HTTP_FIELDS_MAX */
};
enum { HTTP_BODY_CHUNKED = -1 };
/* Refuses what RFC 9110 and 9112 leave ambiguous.  *ret_body_bytes: what Content-Length says, 0
 * when there is none, HTTP_BODY_CHUNKED. */
int http_guard(const struct http_head *head, int64_t *ret_body_bytes, struct err *e) MUST_CHECK;

/* --- http_layout.c: pure ---------------------------------------------------------------------- */

/* Whether the strings in `seen`, which must be the library's own pointers, account for each of the
 * head_bytes bytes of the head. */
bool http_layout_exact(const struct http_head *seen, size_t head_bytes);

/* --- http_forwarded.c: pure ------------------------------------------------------------------- */

/* Whom a request comes from: peer, or when that is trusted, the last one in X-Forwarded-For that is
 * not. */
struct net_addr http_forwarded(const struct net_cidrs *trusted, const struct net_addr *peer,
    const struct http_field *fields, size_t n_fields);

/* --- http_source.c: how many connections each source has -------------------------------------- */

struct source {
	struct net_addr addr; /* of IPv6 the /64 */
	int n_conns;
	struct source *next;
};
enum { SOURCE_BUCKETS = 1024 };
struct sources {
	uint64_t secret;
	struct source *buckets[SOURCE_BUCKETS];
};
void sources_init(struct sources *s);
/* Counts one connection; the source lives until its last one is given back.  NULL: no memory. */
struct source *source_take(struct sources *s, const struct net_addr *a);
void source_give(struct sources *s, struct source *source);

/* --- http_conn.c: loop thread ----------------------------------------------------------------- */

/* What a connection owes us or we owe it; decides which deadline applies. */
enum conn_phase {
	CONN_HEAD,   /* bytes of a head are awaited: since accept, or since they began to come */
	CONN_BODY,   /* head is complete, body is coming */
	CONN_HELD,   /* the handler has the request */
	CONN_REPLY,  /* the answer is being sent */
	CONN_STREAM, /* an open stream */
	CONN_IDLE,   /* between two requests */
};
enum { CONN_PHASES = CONN_IDLE + 1 };

/* The lists that a connection may be in. */
enum conn_place {
	PLACE_PHASE, /* one list per phase */
	PLACE_TURN,  /* handshakes whose client has sent something */
};
enum { CONN_PLACES = PLACE_TURN + 1 };
struct conn_list {
	enum conn_place place;
	struct conn *first, *last;
};

struct conn {
	struct http *h;
	struct MHD_Connection *mhd;
	struct conn *prev[CONN_PLACES], *next[CONN_PLACES];
	struct http_req *req;       /* from its request line to its completion */
	struct http_stream *stream; /* while its answer is one */
	int fd;                     /* the library's */
	enum conn_phase phase;
	int64_t since_ms; /* monotonic, start of the phase */
	uint64_t
	    seen_bytes; /* CONN_IDLE: received, CONN_REPLY: acknowledged, when first looked at */
	bool seen;      /* seen_bytes is set */
	bool suspended;
	bool drain; /* unread request bytes may be in flight when it is closed */
	bool cut;   /* shut by us; gone when the library has looked */
	int64_t n_requests;
	int64_t body_bytes; /* CONN_BODY: received */
	struct net_addr addr;
	char peer[NET_ADDR_SIZE]; /* addr as text */
	bool trusted;             /* addr is a proxy of ours */
	struct source *source;
	struct http_tls_pair *pair;   /* the certificate it was accepted with; NULL without TLS */
	struct loop_watch *handshake; /* until TLS is established */
	bool queued;                  /* in h->turns */
	int n_finished;               /* Finished messages of the handshake, both ways */
};

void conn_list_append(struct conn_list *list, struct conn *c);
void conn_list_remove(struct conn_list *list, struct conn *c);
/* One that has not been opened yet; NULL: no memory. */
struct conn *conn_new(struct http *h, int fd, const struct net_addr *addr);
void conn_free(struct conn *c);
void conn_enter(struct conn *c, enum conn_phase phase);
void conn_suspend(struct conn *c);
void conn_resume(struct conn *c);
/* Makes the library notice an end of file; the connection goes away in its own time. */
void conn_shut(struct conn *c);
/* Shuts it for a reason that METRIC_HTTP_REFUSED knows; once. */
void conn_cut(struct conn *c, const char *reason);
struct conn *conn_of(struct MHD_Connection *mhd);
/* MHD_NotifyConnectionCallback; the opened one is h->newcomer. */
void conn_opened(struct http *h, struct MHD_Connection *mhd, void **socket_ctx);
void conn_closed(struct http *h, void **socket_ctx);
/* fn may move c to another phase; one that it moves to a later phase is visited again. */
void conn_each(struct http *h, void (*fn)(struct conn *c));

/* --- http_sweep.c: deadlines; loop thread ----------------------------------------------------- */

void conn_sweep(void *http);
/* Shuts connections that wait for a request. */
void conn_shut_idle(struct http *h);

/* --- http_accept.c: loop thread --------------------------------------------------------------- */

int accept_start(struct http *h, struct err *e) MUST_CHECK;
/* There may be room again, when there was none. */
void accept_resume(struct http *h);
void accept_stop(struct http *h);
/* Connections that descriptors are enough for, at most `wanted`; raises the soft limit. */
int accept_capacity(int wanted, const struct log *log);

/* --- http_tls.c: certificates; loop thread ---------------------------------------------------- */

int tls_new(struct http *h, struct http_tls **ret, struct err *e) MUST_CHECK;
void tls_free(struct http_tls *t);
/* Values of MHD_OPTION_HTTPS_PRIORITIES and MHD_OPTION_HTTPS_CERT_CALLBACK2. */
const char *tls_priorities(void);
void *tls_certificate_callback(void);
/* Gives the connection the certificate of today. */
void tls_attach(struct http_tls *t, struct conn *c);
void tls_detach(struct conn *c);

/* --- http_handshake.c: loop thread ------------------------------------------------------------ */

void handshake_begin(struct conn *c);
/* Before and after a run of the library. */
void handshakes_give_turns(struct http *h);
void handshakes_take_turns(struct http *h);
/* Makes the library find its socket broken in the next run. */
void handshake_abort(struct conn *c);
void handshake_end(struct conn *c);

/* --- http_drain.c: loop thread --------------------------------------------------------------- */

struct drain;
/* Keeps a duplicate of fd and discards what still arrives, for a moment. */
void drain_start(struct http *h, int fd);
void drain_sweep(struct http *h, int64_t now_ms);
void drain_stop_all(struct http *h);

/* --- http_listen.c ---------------------------------------------------------------------------- */

int http_listen(
    const char *address, uint16_t port, int *ret_fd, uint16_t *ret_port, struct err *e) MUST_CHECK;

/* --- the server ------------------------------------------------------------------------------- */

/* A handshake costs the loop up to two milliseconds (RSA 2048); others wait for a few at most. */
enum { HANDSHAKES_PER_TURN = 8 };

struct http {
	/* immutable */
	struct http_options o;
	struct net_cidrs trusted;
	struct log log;
	struct loop *loop;
	uint16_t port;
	int capacity; /* connections */

	/* loop thread */
	struct MHD_Daemon *daemon; /* NULL when stopped */
	struct http_tls *tls;      /* NULL: plain */
	int listen_fd;
	struct loop_watch *listener;
	bool listener_paused;
	struct conn *newcomer; /* given to the library, not opened yet */
	struct loop_watch *watch;
	struct loop_timer *timer; /* the library's next timeout */
	int64_t timer_at_ms;      /* 0: not armed */
	struct loop_timer *sweep;
	struct loop_timer *grace;
	struct conn_list phases[CONN_PHASES]; /* each in the order in which they entered it */
	int n_conns;
	int n_cut; /* of these, shut but not gone yet */
	struct sources sources;
	struct conn_list turns; /* handshakes that can go on */
	/* Those whose turn the next run of the library is. */
	struct conn *shaking[HANDSHAKES_PER_TURN];
	int n_shaking;
	int n_in_flight;
	struct drain *drains;
	int n_drains;
	bool closing; /* http_shutdown was called */
	bool forced;  /* grace is over: nothing may be suspended any more */
	bool finishing;
	struct loop_item finish_item;
	void (*done)(void *ctx);
	void *done_ctx;

	/* under lock */
	struct lock lock;
	int n_streams;
};

void http_count(const struct http *h, enum metric id, int64_t n);
void http_count_refused(const struct http *h, const char *reason);
void http_gauge(const struct http *h, enum metric id, int64_t v);
/* Runs the library in the next turn of the loop. */
void http_run_soon(struct http *h);
/* To be called when the last connection may be gone. */
void http_check_finished(struct http *h);

/* --- http_req.c ------------------------------------------------------------------------------- */

enum req_step {
	REQ_LINE, /* request line seen */
	REQ_BODY, /* head accepted */
	REQ_HELD, /* given to handle() or refuse() */
};

struct http_req {
	struct http *h; /* immutable */

	/* loop thread until the request is handed out, immutable afterwards */
	int64_t started_ns;
	const char *method;
	const char *path;
	const char *query;
	struct http_field *fields; /* one allocation with their text */
	size_t n_fields;
	struct buf body;
	struct net_addr client;
	char peer[NET_ADDR_SIZE]; /* client as text */

	/* loop thread */
	struct conn *conn;
	enum req_step step;
	bool in_flight;    /* counted as such */
	bool refused;      /* the connection closes after the answer */
	bool body_dropped; /* beyond the limit */
	bool trailers;     /* the body has some */
	size_t body_dropped_bytes;
	const char *raw_target; /* the library's memory; compared, never read */
	size_t target_bytes;

	/* whoever holds the request: the loop thread, then the handler */
	void *data;
	void (*on_done)(struct http_req *r, void *ctx);
	void *on_done_ctx;
	struct http_field reply[HTTP_REPLY_FIELDS_MAX]; /* name and value in one allocation */
	int n_reply;
	bool close_after;

	/* under lock */
	struct lock lock;
	int n_refs; /* the exchange; the holder, whose reference moves to `item` when that is posted
		     */
	bool waiting; /* the connection is suspended until the answer */
	bool answered;
	bool over; /* the exchange ended; the answer goes nowhere */
	int status;
	struct MHD_Response *response;
	struct http_stream *stream; /* reads into `response` */
	struct loop_item item;

	char target[]; /* raw; cut into path and query after the guard */
};

/* The callbacks of the library; con_cls is the request. */
struct http_req *http_req_new(struct http *h, struct MHD_Connection *mhd, const char *target);
int http_req_call(struct http_req *r, struct MHD_Connection *mhd, const char *method,
    const char *version, const char *data, size_t *n); /* 0, or -1 to drop the connection */
void http_req_completed(struct http_req *r);
/* The answer is there, or the exchange is over without one. */
void http_req_handled(struct http_req *r);
/* The exchange is cut: later answers go nowhere. */
void http_req_abandon(struct http_req *r);
void http_req_unref(struct http_req *r);

/* --- http_reply.c ----------------------------------------------------------------------------- */

/* Takes response (NULL: no memory, the connection is dropped) and the holder's reference. */
void http_reply_with(
    struct http_req *r, int status, struct MHD_Response *response, struct http_stream *stream);
/* Hands the answer to the library; 0, or -1 to drop the connection.  Loop thread. */
int http_reply_send(struct http_req *r, struct conn *c) MUST_CHECK;
/* Field names are tokens. */
bool http_token(const char *s, size_t n);

/* --- http_stream.c: loop thread --------------------------------------------------------------- */

void http_stream_attach(struct http_stream *s, struct conn *c);
/* Ends it after what is buffered, for a shutdown. */
void http_stream_end(struct http_stream *s);
/* Ends it at once: writers are told, nothing is posted any more. */
void http_stream_abandon(struct http_stream *s);

/* --- http_ring.c: bytes in a bounded circular buffer ------------------------------------------ */

struct ring {
	char *p;
	size_t cap; /* allocated, at most max */
	size_t max;
	size_t head; /* of the oldest byte */
	size_t n;
};
void ring_init(struct ring *r, size_t max_bytes);
void ring_done(struct ring *r);
/* All n bytes or none: false when they do not fit or memory is short. */
bool ring_put(struct ring *r, const void *p, size_t n) MUST_CHECK;
/* Moves out at most n bytes; how many. */
size_t ring_get(struct ring *r, void *p, size_t n);

#endif
