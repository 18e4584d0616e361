/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Closed-loop HTTP/1.1 load: each of C keep-alive connections sends a request, waits for the whole
 * answer, sends the next.  One thread, epoll, nothing but the response's status, Content-Length and
 * body size is looked at.  Usage: http_load PORT PATH CONNECTIONS MILLISECONDS
 * Prints one JSON object: replies, errors, replies per second, the longest time without any reply,
 * and the median and 99th percentile of the response time.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	CONNECTIONS_MAX = 4096,
	EVENTS_MAX = 512,
	ANSWER_MAX = 4096,
	SAMPLES_MAX = 1 << 20,
};

struct client {
	int fd;
	size_t n;    /* bytes of the answer so far */
	size_t need; /* whole answer, 0: head not complete */
	int64_t sent_ns;
	char answer[ANSWER_MAX];
};

struct load {
	int epoll;
	struct sockaddr_in to;
	char request[512];
	size_t request_n;
	struct client *clients;
	int n_clients;
	int64_t replies, errors, last_reply_ns, longest_ns;
	uint32_t *sample_us;
	size_t n_samples;
};

static int64_t
now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void
die(const char *what)
{
	(void)fprintf(stderr, "http_load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void
ask(struct load *l, struct client *c)
{
	c->n = 0;
	c->need = 0;
	c->sent_ns = now_ns();
	if (send(c->fd, l->request, l->request_n, MSG_NOSIGNAL) != (ssize_t)l->request_n)
		l->errors++;
}

static void
open_client(struct load *l, struct client *c)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&l->to, sizeof(l->to)) < 0)
		die("connect");
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &ev) < 0)
		die("epoll_ctl");
}

static void
reply_seen(struct load *l, struct client *c)
{
	const int64_t now = now_ns();

	l->replies++;
	if (now - l->last_reply_ns > l->longest_ns)
		l->longest_ns = now - l->last_reply_ns;
	l->last_reply_ns = now;
	if (l->n_samples < SAMPLES_MAX)
		l->sample_us[l->n_samples++] = (uint32_t)((now - c->sent_ns) / 1000);
	/* Servers end a connection after some thousands of requests. */
	if (strcasestr(c->answer, "\r\nConnection: close") != NULL) {
		(void)close(c->fd);
		open_client(l, c);
	}
	ask(l, c);
}

static void
fail(struct load *l, struct client *c)
{
	l->errors++;
	(void)close(c->fd);
	open_client(l, c);
	ask(l, c);
}

static void
on_bytes(struct load *l, struct client *c)
{
	const ssize_t n = recv(c->fd, c->answer + c->n, ANSWER_MAX - 1 - c->n, MSG_DONTWAIT);
	const char *end, *length;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || c->n + (size_t)n == ANSWER_MAX - 1) {
		fail(l, c);
		return;
	}
	c->n += (size_t)n;
	c->answer[c->n] = '\0';
	if (c->need == 0) {
		end = strstr(c->answer, "\r\n\r\n");
		if (end == NULL)
			return;
		length = strcasestr(c->answer, "\r\nContent-Length: ");
		if (strncmp(c->answer, "HTTP/1.1 200 ", 13) != 0 || length == NULL) {
			fail(l, c);
			return;
		}
		c->need = (size_t)(end + 4 - c->answer) + strtoul(length + 18, NULL, 10);
	}
	if (c->n == c->need)
		reply_seen(l, c);
	else if (c->n > c->need)
		fail(l, c);
}

static int
by_value(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void
run(struct load *l, int64_t ms)
{
	const int64_t start = now_ns(), end = start + ms * 1000000;
	struct epoll_event events[EVENTS_MAX];
	double seconds;
	int64_t now;

	l->last_reply_ns = start;
	for (int i = 0; i < l->n_clients; i++)
		ask(l, &l->clients[i]);
	while ((now = now_ns()) < end) {
		const int n =
		    epoll_wait(l->epoll, events, EVENTS_MAX, (int)((end - now) / 1000000) + 1);

		for (int i = 0; i < n; i++)
			on_bytes(l, events[i].data.ptr);
	}
	if (now - l->last_reply_ns > l->longest_ns)
		l->longest_ns = now - l->last_reply_ns;
	seconds = (double)(now - start) / 1e9;
	qsort(l->sample_us, l->n_samples, sizeof(*l->sample_us), by_value);
	printf("{\"connections\":%d,\"replies\":%lld,\"errors\":%lld,\"per_s\":%.0f,"
	       "\"longest_gap_ms\":%.1f,\"p50_us\":%u,\"p99_us\":%u}\n",
	    l->n_clients, (long long)l->replies, (long long)l->errors, (double)l->replies / seconds,
	    (double)l->longest_ns / 1e6, l->n_samples ? l->sample_us[l->n_samples / 2] : 0,
	    l->n_samples ? l->sample_us[l->n_samples * 99 / 100] : 0);
}

int
main(int argc, char **argv)
{
	struct load l = { .to = { .sin_family = AF_INET } };

	if (argc != 5) {
		(void)fprintf(stderr, "usage: http_load PORT PATH CONNECTIONS MILLISECONDS\n");
		return 2;
	}
	l.to.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
	l.to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	l.request_n = (size_t)snprintf(l.request, sizeof(l.request),
	    "GET %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: http_load\r\n\r\n", argv[2]);
	l.n_clients = (int)strtol(argv[3], NULL, 10);
	if (l.n_clients < 1 || l.n_clients > CONNECTIONS_MAX || l.request_n >= sizeof(l.request)) {
		(void)fprintf(stderr, "http_load: at most %d connections\n", CONNECTIONS_MAX);
		return 2;
	}
	l.epoll = epoll_create1(EPOLL_CLOEXEC);
	l.clients = calloc((size_t)l.n_clients, sizeof(*l.clients));
	l.sample_us = malloc(SAMPLES_MAX * sizeof(*l.sample_us));
	if (l.epoll < 0 || l.clients == NULL || l.sample_us == NULL)
		die("start");
	for (int i = 0; i < l.n_clients; i++)
		open_client(&l, &l.clients[i]);
	run(&l, strtoll(argv[4], NULL, 10));
	return 0;
}
