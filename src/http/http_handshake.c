/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS handshakes.  While one waits for the client, libmicrohttpd 0.9.75 keeps its connection on the
 * list of those that are ready and asks to be run again at once: a client that sends one byte of a
 * ClientHello would keep the loop busy until its deadline.  So a connection in its handshake is
 * suspended, and we wait for its socket ourselves.  When the client has sent something it is
 * resumed for one run of the library, which takes the handshake as far as it goes, and suspended
 * again unless that was the end.  A few in each turn of the loop, because each costs a private-key
 * operation and others are waiting; the rest stands in a queue, unwatched, for a loop that sees
 * thousands of readable sockets does nothing else.
 */
#include "http_internal.h"

#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static gnutls_session_t
session_of(const struct conn *c)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);

	REQUIRE(info != NULL);
	return info->tls_session;
}

/* gnutls_handshake_hook_func, after each message sent or received.  There is one Finished of each
 * side, because there is no second handshake on a connection. */
static int
on_message(gnutls_session_t session, unsigned int type, unsigned int when, unsigned int incoming,
    const gnutls_datum_t *message)
{
	struct conn *c = gnutls_session_get_ptr(session);

	(void)when;
	(void)message;
	if (type == GNUTLS_HANDSHAKE_FINISHED)
		c->n_finished++;
	/* For this GnuTLS says "again" although more may be there, and the library then waits for
	 * an edge that has been.  A resumed connection is taken for readable. */
	if (type == GNUTLS_HANDSHAKE_KEY_UPDATE && incoming != 0 && !c->h->forced) {
		conn_suspend(c);
		conn_resume(c);
	}
	return 0;
}

static bool
established(const struct conn *c)
{
	return c->n_finished == 2;
}

static void
on_ready(void *arg, int events)
{
	struct conn *c = arg;

	(void)events;
	loop_watch_stop(c->handshake);
	c->queued = true;
	conn_list_append(&c->h->turns, c);
	http_run_soon(c->h);
}

static void
leave_queue(struct conn *c)
{
	if (!c->queued)
		return;
	c->queued = false;
	conn_list_remove(&c->h->turns, c);
}

static void
wait_for_client(struct conn *c, int events)
{
	conn_suspend(c);
	loop_watch_start(c->handshake, events);
}

void
handshake_begin(struct conn *c)
{
	struct err e;

	/* The library sets it for its answers only; a handshake would wait for delayed
	 * acknowledgements, 40 ms each. */
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	if (loop_watch_new(c->h->loop, c->fd, on_ready, c, &c->handshake, &e) < 0) {
		log_debug(&c->h->log, "closing %s: %s", c->peer, e.msg);
		conn_shut(c);
		return;
	}
	gnutls_handshake_set_hook_function(
	    session_of(c), GNUTLS_HANDSHAKE_ANY, GNUTLS_HOOK_POST, on_message);
	wait_for_client(c, LOOP_READ);
}

void
handshake_abort(struct conn *c)
{
	/* Else what has come would be read still, and answered with a signature. */
	gnutls_transport_set_int(session_of(c), -1);
	loop_watch_stop(c->handshake);
	leave_queue(c);
	conn_resume(c);
}

void
handshake_end(struct conn *c)
{
	struct http *h = c->h;

	leave_queue(c);
	loop_watch_free(c->handshake);
	c->handshake = NULL;
	for (int i = 0; i < h->n_shaking; i++)
		if (h->shaking[i] == c)
			h->shaking[i] = h->shaking[--h->n_shaking];
}

void
handshakes_give_turns(struct http *h)
{
	while (h->turns.first != NULL && h->n_shaking < HANDSHAKES_PER_TURN) {
		struct conn *c = h->turns.first;

		leave_queue(c);
		h->shaking[h->n_shaking++] = c;
		conn_resume(c);
	}
}

void
handshakes_take_turns(struct http *h)
{
	/* From the end, where handshake_end takes its replacement from. */
	for (int i = h->n_shaking - 1; i >= 0; i--) {
		struct conn *c = h->shaking[i];

		if (established(c))
			handshake_end(c);
		else if (gnutls_record_get_direction(session_of(c)) == 0)
			wait_for_client(c, LOOP_READ);
		else
			wait_for_client(c, LOOP_WRITE);
	}
	h->n_shaking = 0;
	if (h->turns.first != NULL)
		http_run_soon(h);
}
