/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deadlines.  The library's own timeout counts from the last byte, so a client that sends one byte
 * a second holds its connection for ever; here the whole head, the whole body and the answer have
 * one each, and a sweep looks at the connections a few times a second.  What no callback tells, the
 * kernel does (TCP_INFO): bytes received since the connection fell idle (the first ones of the next
 * head), bytes acknowledged of an answer (a reader that dribbles), and the peer's FIN on a
 * suspended stream.  Under TLS these count ciphertext, which is near enough.
 *
 * Known gap: the first part of the next head, if it came together with the end of the request
 * before, does not start the head's clock; the idle timeout does when no more follows, and the next
 * byte starts the clock.
 */
#include "http_internal.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

enum {
	/* Slowest peer that is kept: one that sends a body slower holds its connection for nothing,
	 * one that reads an answer slower a full kernel buffer as well. */
	PEER_BYTES_PER_S = 1024,
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

static bool
too_slow(uint64_t bytes, int64_t spent_ms)
{
	return bytes < (uint64_t)(PEER_BYTES_PER_S * spent_ms / 1000);
}

/* The rest of the list is younger. */
static void
sweep_heads(struct http *h, int64_t now_ms)
{
	for (struct conn *c = h->phases[CONN_HEAD].first; c != NULL; c = c->next[PLACE_PHASE]) {
		if (now_ms - c->since_ms < h->o.head_timeout_ms)
			return;
		conn_cut(c, "head_timeout");
	}
}

static void
sweep_bodies(struct http *h, int64_t now_ms)
{
	for (struct conn *c = h->phases[CONN_BODY].first; c != NULL; c = c->next[PLACE_PHASE]) {
		const int64_t spent_ms = now_ms - c->since_ms;

		/* A body may take its time to begin, but not longer than a head. */
		if (spent_ms < h->o.head_timeout_ms)
			return;
		if (spent_ms >= h->o.body_timeout_ms || too_slow((uint64_t)c->body_bytes, spent_ms))
			conn_cut(c, "body_timeout");
	}
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
sweep_reply(struct conn *c)
{
	const int64_t spent_ms = clock_mono_ms() - c->since_ms;
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
	if (too_slow(s.acked - c->seen_bytes, spent_ms))
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
sweep_one(struct conn *c)
{
	switch (c->phase) {
	case CONN_HEAD:
	case CONN_BODY:
	case CONN_HELD:
		return;
	case CONN_REPLY:
		sweep_reply(c);
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

	sweep_heads(h, now_ms);
	sweep_bodies(h, now_ms);
	conn_each(h, sweep_one);
	drain_sweep(h, now_ms);
	accept_resume(h);
}

static void
shut_if_idle(struct conn *c)
{
	struct tcp_state s;

	if (c->phase == CONN_IDLE || c->handshake != NULL)
		conn_shut(c);
	else if (c->phase == CONN_HEAD && tcp_state_of(c->fd, &s) && s.received == 0)
		conn_shut(c);
}

void
conn_shut_idle(struct http *h)
{
	conn_each(h, shut_if_idle);
}
