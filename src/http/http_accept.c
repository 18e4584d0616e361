/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who gets in.  We accept connections ourselves and hand them to the library, because it knows only
 * two answers to a full table: to stop accepting, so that a few thousand silent connections shut
 * everybody out, and to refuse an address, our own proxy included.
 *
 * A new connection is always taken while there is one that owes us something, which then makes
 * room: the oldest that has not sent a whole head (an honest client sends it within a round trip,
 * so an attacker must open the whole table anew within that time to hit one), else the oldest that
 * is idle between two requests (which RFC 9112 section 9.3.1 lets us close at any time), else the
 * oldest whose body is not there after a second.  Requests being handled, answers and streams
 * are never cut for it; they have limits of their own (http.queue, http.streams), whose sum should
 * stay below http.connections.  When nobody can make room, new clients wait in the kernel's queue.
 *
 * Within one source address, or one /64 of IPv6, the same holds for heads only: what one client
 * holds idle is not taken by another behind the same address.  A source is the peer of the socket;
 * X-Forwarded-For comes too late to decide this.  Connections of trusted proxies are many clients'
 * and are neither limited by address nor cut.
 *
 * When descriptors run out before the table is full, the oldest makes room as well.
 */
#include "http_internal.h"

#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fd.h"

enum {
	/* Then the loop serves others first; the socket stays readable. */
	ACCEPTS_PER_TURN = 64,
	/* Nearly all bodies come with their head. */
	BODY_SAFE_MS = 1000,
	/* Each connection may send a file; everything else (database, runs, logs) needs far less
	 * than this beside. */
	DESCRIPTORS_PER_CONNECTION = 2,
	DESCRIPTORS_BESIDE = 512,
	CAPACITY_MIN = 16,
};

/* --- Making room ------------------------------------------------------------------------------ */

/* The oldest of a phase that may be cut; of any source when that is NULL. */
static struct conn *
oldest(const struct http *h, enum conn_phase phase, const struct source *source)
{
	for (struct conn *c = h->phases[phase].first; c != NULL; c = c->next[PLACE_PHASE])
		if (!c->cut && !c->trusted && (source == NULL || c->source == source))
			return c;
	return NULL;
}

static bool
make_room(struct http *h)
{
	struct conn *c = oldest(h, CONN_HEAD, NULL);

	if (c == NULL)
		c = oldest(h, CONN_IDLE, NULL);
	if (c == NULL) {
		c = oldest(h, CONN_BODY, NULL);
		if (c != NULL && clock_mono_ms() - c->since_ms < BODY_SAFE_MS)
			c = NULL;
	}
	if (c == NULL)
		return false;
	conn_cut(c, "evicted");
	http_run_soon(h);
	return true;
}

static bool
full(const struct http *h)
{
	return h->n_conns - h->n_cut >= h->capacity;
}

/* Whether the newcomer's source may have one more. */
static bool
admitted(struct http *h, const struct conn *newcomer)
{
	const int limit = h->o.connections_per_address;
	struct conn *c;

	/* The newcomer is counted already. */
	if (limit == 0 || newcomer->trusted || newcomer->source->n_conns <= limit)
		return true;
	c = oldest(h, CONN_HEAD, newcomer->source);
	if (c == NULL)
		return false;
	conn_cut(c, "evicted");
	http_run_soon(h);
	return true;
}

/* --- Accepting -------------------------------------------------------------------------------- */

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static struct net_addr
addr_of(const union address *a)
{
	static const uint8_t MAPPED[12] = { [10] = 0xff, [11] = 0xff };
	struct net_addr addr;

	if (a->any.sa_family == AF_INET6) {
		memcpy(addr.bytes, &a->v6.sin6_addr, sizeof(addr.bytes));
		return addr;
	}
	memcpy(addr.bytes, MAPPED, sizeof(MAPPED));
	memcpy(addr.bytes + sizeof(MAPPED), &a->v4.sin_addr, 4);
	return addr;
}

/* Takes fd. */
static void
take_in(struct http *h, int fd, const union address *a, socklen_t n)
{
	const struct net_addr addr = addr_of(a);
	struct conn *c = conn_new(h, fd, &addr);

	if (c == NULL || !admitted(h, c)) {
		http_count_refused(h, "connections");
		if (c != NULL)
			conn_free(c);
		(void)close(fd);
		return;
	}
	h->newcomer = c;
	if (MHD_add_connection(h->daemon, fd, &a->any, n) == MHD_YES) {
		if (h->tls != NULL)
			handshake_begin(c);
		return;
	}
	/* It has closed fd.  When it had opened the connection, it has closed that, too. */
	http_count_refused(h, "connections");
	if (h->newcomer != NULL)
		conn_free(h->newcomer);
	h->newcomer = NULL;
}

/* Nobody is cut for a newcomer that does not come. */
static bool
somebody_waits(const struct http *h)
{
	struct pollfd p = { .fd = h->listen_fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

static void
pause_listening(struct http *h)
{
	h->listener_paused = true;
	loop_watch_stop(h->listener);
}

/* Whether to go on accepting in this turn. */
static bool
accept_one(struct http *h)
{
	union address a = { 0 };
	socklen_t n = sizeof(a);
	int fd;

	if (full(h) && !somebody_waits(h))
		return false;
	if (full(h) && !make_room(h)) {
		pause_listening(h);
		return false;
	}
	fd = accept4(h->listen_fd, &a.any, &n, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0) {
		take_in(h, fd, &a, n);
		return true;
	}
	if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
		log_debug(&h->log, "no descriptor or memory for a new connection");
		/* One at a time: its descriptor is free only after the library has looked. */
		if (h->n_cut == 0)
			(void)make_room(h);
		pause_listening(h);
	}
	/* Else nobody waits any more, or the one who did has left (accept(2)). */
	return false;
}

static void
on_connecting(void *arg, int events)
{
	struct http *h = arg;

	(void)events;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++)
		if (!accept_one(h))
			return;
}

void
accept_resume(struct http *h)
{
	if (!h->listener_paused || h->closing)
		return;
	h->listener_paused = false;
	loop_watch_start(h->listener, LOOP_READ);
}

int
accept_start(struct http *h, struct err *e)
{
	if (loop_watch_new(h->loop, h->listen_fd, on_connecting, h, &h->listener, e) < 0)
		return -1;
	loop_watch_start(h->listener, LOOP_READ);
	return 0;
}

void
accept_stop(struct http *h)
{
	loop_watch_free(h->listener);
	h->listener = NULL;
	h->listener_paused = false;
	fd_close(&h->listen_fd);
}

/* --- Descriptors ------------------------------------------------------------------------------ */

int
accept_capacity(int wanted, const struct log *log)
{
	const rlim_t need = (rlim_t)wanted * DESCRIPTORS_PER_CONNECTION + DESCRIPTORS_BESIDE;
	struct rlimit r;
	int enough;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur >= need)
		return wanted;
	r.rlim_cur = r.rlim_max < need ? r.rlim_max : need;
	/* Fails only where even the soft limit may not be raised; then it says what there is. */
	if (setrlimit(RLIMIT_NOFILE, &r) < 0 && getrlimit(RLIMIT_NOFILE, &r) < 0)
		return wanted;
	if (r.rlim_cur >= need)
		return wanted;
	enough = r.rlim_cur <= DESCRIPTORS_BESIDE
		     ? 0
		     : (int)(r.rlim_cur - DESCRIPTORS_BESIDE) / DESCRIPTORS_PER_CONNECTION;
	if (enough < CAPACITY_MIN)
		enough = CAPACITY_MIN;
	log_warn(log,
	    "%d connections at most instead of %d: the limit of open files is %llu, raise it to "
	    "%llu",
	    enough, wanted, (unsigned long long)r.rlim_cur, (unsigned long long)need);
	return enough;
}
