/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_SERVER_H
#define API_SERVER_H

/* An HTTP server on a free port of the loopback with its loop on a thread of its own, and the least
 * client that talks to it. */

#include "buf.h"
#include "clock.h"
#include "http.h"
#include "lock.h"
#include "loop.h"
#include "metrics.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct server {
	struct loop *loop;
	struct http *http;
	struct metrics *metrics;
	struct thread thread;
	struct loop_item item;
};

static inline void *
server_loop(void *arg)
{
	loop_run(arg);
	return NULL;
}

/* Before server_start, for whom the API needs the metrics before the server is there. */
static inline void
server_prepare(struct server *s)
{
	struct err e = { 0 };

	assert_int_equal(metrics_new(&s->metrics, &e), 0);
}

static inline void
server_start(struct server *s, void (*handle)(void *, struct http_req *),
    void (*refuse)(void *, struct http_req *, const struct err *), void *ctx)
{
	struct http_options o = { .address = "127.0.0.1",
		.connections = 50,
		.connections_per_address = 50,
		.streams = 10,
		.head_timeout_ms = 5000,
		.body_timeout_ms = 5000,
		.idle_timeout_ms = 5000,
		.body_max_bytes = 1 << 20,
		.handle = handle,
		.refuse = refuse,
		.ctx = ctx };
	struct err e = { 0 };

	assert_int_equal(loop_new(&s->loop, &e), 0);
	if (s->metrics == NULL)
		server_prepare(s);
	o.metrics = s->metrics;
	assert_int_equal(http_new(s->loop, &o, &s->http, &e), 0);
	assert_int_equal(thread_start(&s->thread, "http", server_loop, s->loop, &e), 0);
}

static inline void
server_done(void *arg)
{
	loop_stop(arg);
}

static inline void
server_shutdown(void *arg)
{
	struct server *s = arg;

	http_shutdown(s->http, 5000, server_done, s->loop);
}

static inline void
server_stop(struct server *s)
{
	loop_post(s->loop, &s->item, server_shutdown, s);
	thread_join(&s->thread);
	http_free(s->http);
	loop_free(s->loop);
}

/* After the workers, which count into the metrics, have ended. */
static inline void
server_release(struct server *s)
{
	metrics_free(s->metrics);
}

static inline int
server_connect(const struct server *s)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(http_port(s->http)) };
	struct timeval limit = { .tv_sec = 10 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(inet_pton(AF_INET, "127.0.0.1", &at.sin_addr), 1);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

/* Reads until `mark` has come (or the end when NULL); fails the test after ten seconds. */
static inline void
server_read(int fd, struct buf *in, const char *mark)
{
	char block[4096];
	ssize_t n;

	while (mark == NULL || in->p == NULL || strstr(in->p, mark) == NULL) {
		n = recv(fd, block, sizeof(block), 0);
		if (n == 0 && mark == NULL)
			return;
		if (n <= 0)
			fail_msg("no \"%s\" in: %s", mark == NULL ? "end" : mark, in->p);
		buf_append(in, block, (size_t)n);
	}
}

/* One exchange on a connection of its own; head and body land in `in`. */
static inline void
server_ask(const struct server *s, const char *method, const char *path, const char *fields,
    struct buf *in)
{
	int fd = server_connect(s);
	char text[2048];
	int n = snprintf(text, sizeof(text),
	    "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n", method, path, fields);

	buf_clear(in);
	assert_int_equal(send(fd, text, (size_t)n, MSG_NOSIGNAL), n);
	server_read(fd, in, NULL);
	assert_int_equal(close(fd), 0);
}

#endif
