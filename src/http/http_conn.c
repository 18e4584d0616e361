/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One record per connection, from accept to the library's last word about it, in the list of its
 * phase.  Entering a phase appends, so each list is ordered by time and its oldest is its first.
 */
#include "http_internal.h"

#include <microhttpd.h>
#include <sys/socket.h>

void
conn_list_remove(struct conn_list *list, struct conn *c)
{
	const enum conn_place at = list->place;

	if (c->prev[at] == NULL)
		list->first = c->next[at];
	else
		c->prev[at]->next[at] = c->next[at];
	if (c->next[at] == NULL)
		list->last = c->prev[at];
	else
		c->next[at]->prev[at] = c->prev[at];
	c->prev[at] = NULL;
	c->next[at] = NULL;
}

void
conn_list_append(struct conn_list *list, struct conn *c)
{
	const enum conn_place at = list->place;

	c->prev[at] = list->last;
	c->next[at] = NULL;
	if (list->last == NULL)
		list->first = c;
	else
		list->last->next[at] = c;
	list->last = c;
}

static void
enter(struct conn *c, enum conn_phase phase)
{
	c->phase = phase;
	c->since_ms = clock_mono_ms();
	c->seen = false;
	conn_list_append(&c->h->phases[phase], c);
}

void
conn_enter(struct conn *c, enum conn_phase phase)
{
	conn_list_remove(&c->h->phases[c->phase], c);
	enter(c, phase);
}

void
conn_each(struct http *h, void (*fn)(struct conn *c))
{
	for (int i = 0; i < CONN_PHASES; i++)
		for (struct conn *c = h->phases[i].first, *next; c != NULL; c = next) {
			next = c->next[PLACE_PHASE];
			fn(c);
		}
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
	if (c->handshake != NULL)
		handshake_abort(c);
}

void
conn_cut(struct conn *c, const char *reason)
{
	if (c->cut)
		return;
	c->cut = true;
	c->h->n_cut++;
	http_count_refused(c->h, reason);
	log_debug(&c->h->log, "closing %s: %s", c->peer, reason);
	conn_shut(c);
}

struct conn *
conn_of(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	REQUIRE(info != NULL);
	REQUIRE(info->socket_context != NULL);
	return info->socket_context;
}

struct conn *
conn_new(struct http *h, int fd, const struct net_addr *addr)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->h = h;
	c->fd = fd;
	c->addr = *addr;
	c->trusted = net_cidrs_contain(&h->trusted, addr);
	(void)net_addr_format(addr, c->peer);
	c->source = source_take(&h->sources, addr);
	if (c->source == NULL) {
		free(c);
		return NULL;
	}
	return c;
}

void
conn_free(struct conn *c)
{
	if (c->pair != NULL)
		tls_detach(c);
	source_give(&c->h->sources, c->source);
	free(c);
}

void
conn_opened(struct http *h, struct MHD_Connection *mhd, void **socket_ctx)
{
	struct conn *c = h->newcomer;

	REQUIRE(c != NULL);
	h->newcomer = NULL;
	*socket_ctx = c;
	c->mhd = mhd;
	enter(c, CONN_HEAD);
	if (h->tls != NULL)
		tls_attach(h->tls, c);
	h->n_conns++;
	http_count(h, METRIC_HTTP_CONNECTIONS, 1);
	http_gauge(h, METRIC_HTTP_OPEN_CONNECTIONS, h->n_conns);
}

void
conn_closed(struct http *h, void **socket_ctx)
{
	struct conn *c = *socket_ctx;

	*socket_ctx = NULL;
	REQUIRE(!c->suspended);
	REQUIRE(c->req == NULL);
	if (c->handshake != NULL) {
		http_count(h, METRIC_HTTP_TLS_FAILED, 1);
		handshake_end(c);
	}
	if (c->drain && !c->cut && !h->forced)
		drain_start(h, c->fd);
	conn_list_remove(&h->phases[c->phase], c);
	h->n_conns--;
	h->n_cut -= c->cut;
	conn_free(c);
	http_gauge(h, METRIC_HTTP_OPEN_CONNECTIONS, h->n_conns);
	accept_resume(h);
	http_check_finished(h);
}
