/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deadlines.  The library's own timeout counts from the last byte, so a client that sends one byte
 * a second holds its connection for ever; here the whole head, the whole body and the answer have
 * one each.  Every connection is in a list with its phase, and a sweep looks at the list a few
 * times a second.  What no callback tells, the kernel does (TCP_INFO): bytes received since the
 * connection fell idle (the first ones of the next head), bytes acknowledged of an answer (a reader
 * that dribbles), and the peer's FIN on a suspended stream.
 *
 * Known gap: the first part of the next head, if it came together with the end of the request
 * before, does not start the head's clock; the idle timeout does when no more follows, and the next
 * byte starts the clock.
 */
#include "http_internal.h"

#include <arpa/inet.h>
#include <linux/tcp.h>
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum {
	/* Slowest reader of an answer that is kept: a full kernel buffer would else hold memory and
	 * a connection for ever. */
	READER_BYTES_PER_S = 1024,
	/* The kernel's TCP_ESTABLISHED, which <linux/tcp.h> lacks; also the "01" of proc(5)
	   net/tcp. */
	STATE_ESTABLISHED = 1,
};

struct tcp_state {
	uint64_t received, acked;
	bool peer_done; /* FIN or reset seen */
};

static bool
tcp_state_of(int fd, struct tcp_state *ret)
{
	struct tcp_info info;
	socklen_t n = sizeof(info);

	memset(&info, 0, sizeof(info));
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) < 0)
		return false;
	*ret = (struct tcp_state){
		.received = info.tcpi_bytes_received,
		.acked = info.tcpi_bytes_acked,
		.peer_done = info.tcpi_state != STATE_ESTABLISHED,
	};
	return true;
}

void
conn_enter(struct conn *c, enum conn_phase phase)
{
	c->phase = phase;
	c->since_ms = clock_mono_ms();
	c->seen = false;
}

void
conn_suspend(struct conn *c)
{
	REQUIRE(!c->suspended);
	REQUIRE(!c->h->forced);
	c->suspended = true;
	MHD_suspend_connection(c->mhd);
}

void
conn_resume(struct conn *c)
{
	if (!c->suspended)
		return;
	c->suspended = false;
	MHD_resume_connection(c->mhd);
	/* The library moves resumed connections back when it runs, and nothing else makes it run.
	 * Once per turn of the loop, for all that are resumed in it. */
	http_run_soon(c->h);
}

void
conn_shut(struct conn *c)
{
	(void)shutdown(c->fd, SHUT_RDWR); /* fails only when the peer was faster */
}

struct conn *
conn_of(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info == NULL ? NULL : info->socket_context;
}

static void
peer_text(const struct sockaddr *a, char out[static INET6_ADDRSTRLEN])
{
	const struct sockaddr_in6 *v6 = (const void *)a;
	const struct sockaddr_in *v4 = (const void *)a;
	const void *p = &v4->sin_addr;
	int family = AF_INET;

	if (a->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
		p = &v6->sin6_addr.s6_addr[12];
	} else if (a->sa_family == AF_INET6) {
		family = AF_INET6;
		p = &v6->sin6_addr;
	}
	if (inet_ntop(family, p, out, INET6_ADDRSTRLEN) == NULL)
		out[0] = '\0';
}

void
conn_opened(struct http *h, struct MHD_Connection *mhd, void **socket_ctx)
{
	const union MHD_ConnectionInfo *fd, *address;
	struct conn *c = calloc(1, sizeof(*c));

	*socket_ctx = c;
	if (c == NULL)
		return; /* its requests are dropped */
	fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	address = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	c->h = h;
	c->mhd = mhd;
	c->fd = fd->connect_fd;
	peer_text(address->client_addr, c->peer);
	conn_enter(c, CONN_HEAD);
	c->next = h->conns;
	if (c->next != NULL)
		c->next->prev = c;
	h->conns = c;
	h->n_conns++;
	http_count(h, METRIC_HTTP_CONNECTIONS, 1);
	http_gauge(h, METRIC_HTTP_OPEN_CONNECTIONS, h->n_conns);
}

void
conn_closed(struct http *h, void **socket_ctx)
{
	struct conn *c = *socket_ctx;

	if (c == NULL)
		return;
	*socket_ctx = NULL;
	REQUIRE(!c->suspended);
	REQUIRE(c->req == NULL);
	if (c->drain && !h->forced)
		drain_start(h, c->fd);
	if (c->prev == NULL)
		h->conns = c->next;
	else
		c->prev->next = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	h->n_conns--;
	http_gauge(h, METRIC_HTTP_OPEN_CONNECTIONS, h->n_conns);
	free(c);
	/* At its limit, or out of descriptors, the library stops listening; it looks whether it may
	 * start again at the beginning of a run, and frees connections at the end. */
	http_run_soon(h);
	http_check_finished(h);
}

static void
late(struct conn *c, const char *reason)
{
	http_count_refused(c->h, reason);
	log_debug(&c->h->log, "closing %s: %s", c->peer, reason);
	conn_shut(c);
}

static void
sweep_idle(struct conn *c)
{
	struct tcp_state s;

	if (!tcp_state_of(c->fd, &s))
		return;
	if (!c->seen) {
		c->seen = true;
		c->seen_bytes = s.received;
	} else if (s.received != c->seen_bytes) {
		conn_enter(c, CONN_HEAD);
	} else if (s.peer_done) {
		/* The library misses an end of file that came together with a request: it reads
		 * less than it asked for and waits for an edge that has been. */
		conn_shut(c);
	}
}

static void
sweep_reply(struct conn *c, int64_t now_ms)
{
	const int64_t spent_ms = now_ms - c->since_ms;
	struct tcp_state s;

	if (!tcp_state_of(c->fd, &s))
		return;
	if (!c->seen) {
		c->seen = true;
		c->seen_bytes = s.acked;
		return;
	}
	if (spent_ms < c->h->o.body_timeout_ms)
		return;
	if (s.acked - c->seen_bytes < (uint64_t)(READER_BYTES_PER_S * spent_ms / 1000))
		conn_shut(c);
	else
		conn_enter(c, CONN_REPLY);
}

static void
sweep_stream(struct conn *c)
{
	struct tcp_state s;

	/* When it is not suspended the library sees the end itself. */
	if (!c->suspended || !tcp_state_of(c->fd, &s) || !s.peer_done)
		return;
	http_stream_abandon(c->stream);
	conn_resume(c);
}

static void
sweep_one(struct conn *c, int64_t now_ms)
{
	const struct http_options *o = &c->h->o;

	switch (c->phase) {
	case CONN_HEAD:
		if (now_ms - c->since_ms >= o->head_timeout_ms)
			late(c, "head_timeout");
		return;
	case CONN_BODY:
		if (now_ms - c->since_ms >= o->body_timeout_ms)
			late(c, "body_timeout");
		return;
	case CONN_HELD:
		return;
	case CONN_REPLY:
		sweep_reply(c, now_ms);
		return;
	case CONN_STREAM:
		sweep_stream(c);
		return;
	case CONN_IDLE:
		sweep_idle(c);
		return;
	}
}

void
conn_sweep(void *http)
{
	struct http *h = http;
	const int64_t now_ms = clock_mono_ms();

	for (struct conn *c = h->conns; c != NULL; c = c->next)
		sweep_one(c, now_ms);
	drain_sweep(h, now_ms);
}

void
conn_shut_idle(struct http *h)
{
	for (struct conn *c = h->conns; c != NULL; c = c->next) {
		struct tcp_state s;

		if (c->phase == CONN_IDLE)
			conn_shut(c);
		if (c->phase == CONN_HEAD && tcp_state_of(c->fd, &s) && s.received == 0)
			conn_shut(c);
	}
}
