/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A socket that is closed while request bytes are unread makes the kernel send a reset, which can
 * destroy the refusal before the client has read it.  So after an early answer a duplicate of the
 * socket, whose sending side the library has shut, stays open for a moment and what comes is
 * discarded (RFC 9112 section 9.6).
 */
#include "http_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "fd.h"

enum {
	DRAINS_MAX = 64, /* beyond it clients may see a reset */
	DRAIN_MS = 2000,
	READS_PER_TURN = 16,
	READ_BYTES = 64 << 10,
};

struct drain {
	struct http *h;
	struct drain *next;
	struct loop_watch *watch;
	int fd;
	int64_t until_ms;
};

static void
drain_free(struct drain *d)
{
	loop_watch_free(d->watch);
	fd_close(&d->fd);
	free(d);
}

static void
drain_end(struct drain *d)
{
	struct drain **p = &d->h->drains;

	while (*p != d)
		p = &(*p)->next;
	*p = d->next;
	d->h->n_drains--;
	drain_free(d);
}

static void
on_readable(void *arg, int events)
{
	struct drain *d = arg;

	(void)events;
	for (int i = 0; i < READS_PER_TURN; i++) {
		/* MSG_TRUNC: a TCP socket drops the bytes without copying them (tcp(7)). */
		const ssize_t n = recv(d->fd, NULL, READ_BYTES, MSG_TRUNC | MSG_DONTWAIT);

		if (n > 0)
			continue;
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			drain_end(d);
		return;
	}
}

void
drain_start(struct http *h, int fd)
{
	struct drain *d;
	struct err e;

	if (h->n_drains == DRAINS_MAX)
		return;
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return;
	*d = (struct drain){ .h = h, .until_ms = clock_mono_ms() + DRAIN_MS };
	d->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (d->fd < 0 || loop_watch_new(h->loop, d->fd, on_readable, d, &d->watch, &e) < 0) {
		drain_free(d);
		return;
	}
	/* The library shuts TLS only (close_notify), which not every client takes for the end. */
	(void)shutdown(d->fd, SHUT_WR);
	loop_watch_start(d->watch, LOOP_READ);
	d->next = h->drains;
	h->drains = d;
	h->n_drains++;
}

void
drain_sweep(struct http *h, int64_t now_ms)
{
	struct drain *next;

	for (struct drain *d = h->drains; d != NULL; d = next) {
		next = d->next;
		if (now_ms >= d->until_ms)
			drain_end(d);
	}
}

void
drain_stop_all(struct http *h)
{
	while (h->drains != NULL)
		drain_end(h->drains);
}
