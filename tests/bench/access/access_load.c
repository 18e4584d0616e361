/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 load with a credential: each of C keep-alive connections sends a request, waits for the
 * whole answer, sends the next, or in an open loop waits until the next one is due.  One thread,
 * epoll.  Usage: access_load PORT PATH CONNECTIONS MILLISECONDS KEY [PER_SECOND [SOURCE]]
 * KEY: "" for none; PER_SECOND: requests started per second as long as a connection is free, 0 for
 * as many as are answered; SOURCE: IPv4 address to send from.
 * Prints one JSON object: replies, those of them that were 429, errors (everything but 200 and
 * 429), replies per second, and the median and 99th percentile of the response time.
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
	REQUEST_MAX = 2048,
};

struct client {
	int fd;
	size_t n;        /* bytes of the answer so far */
	size_t need;     /* whole answer, 0: head not complete */
	int64_t sent_ns; /* 0: waits for its turn */
	char answer[ANSWER_MAX];
};

struct load {
	int epoll;
	struct sockaddr_in to, from;
	char request[REQUEST_MAX];
	size_t request_n;
	struct client *clients;
	int n_clients;
	int64_t per_s; /* 0: closed loop */
	int64_t asked;
	int next; /* client to look at first when one is to ask */
	int64_t replies, refused, errors;
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
	(void)fprintf(stderr, "access_load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void
ask(struct load *l, struct client *c)
{
	c->n = 0;
	c->need = 0;
	c->sent_ns = now_ns();
	l->asked++;
	if (send(c->fd, l->request, l->request_n, MSG_NOSIGNAL) != (ssize_t)l->request_n)
		l->errors++;
}

static void
open_client(struct load *l, struct client *c)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd >= 0 && l->from.sin_addr.s_addr != 0 &&
	    bind(c->fd, (struct sockaddr *)&l->from, sizeof(l->from)) < 0)
		die("bind");
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&l->to, sizeof(l->to)) < 0)
		die("connect");
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &ev) < 0)
		die("epoll_ctl");
}

/* In an open loop the next request comes when it is due. */
static void
next(struct load *l, struct client *c)
{
	if (l->per_s == 0)
		ask(l, c);
	else
		c->sent_ns = 0;
}

static void
ask_what_is_due(struct load *l, int64_t passed_ns)
{
	const int64_t due = passed_ns / 1000000 * l->per_s / 1000;

	for (int looked = 0; l->asked < due && looked < l->n_clients; looked++) {
		struct client *c = &l->clients[l->next++ % l->n_clients];

		if (c->sent_ns == 0)
			ask(l, c);
	}
}

static void
reply_seen(struct load *l, struct client *c)
{
	const int64_t now = now_ns();

	l->replies++;
	l->refused += strncmp(c->answer, "HTTP/1.1 429 ", 13) == 0;
	if (l->n_samples < SAMPLES_MAX)
		l->sample_us[l->n_samples++] = (uint32_t)((now - c->sent_ns) / 1000);
	/* Servers end a connection after some thousands of requests. */
	if (strcasestr(c->answer, "\r\nConnection: close") != NULL) {
		(void)close(c->fd);
		open_client(l, c);
	}
	next(l, c);
}

static void
fail(struct load *l, struct client *c)
{
	l->errors++;
	(void)close(c->fd);
	open_client(l, c);
	next(l, c);
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
		if ((strncmp(c->answer, "HTTP/1.1 200 ", 13) != 0 &&
			strncmp(c->answer, "HTTP/1.1 429 ", 13) != 0) ||
		    length == NULL) {
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

	for (int i = 0; i < l->n_clients; i++)
		next(l, &l->clients[i]);
	while ((now = now_ns()) < end) {
		const int wait_ms = l->per_s == 0 ? (int)((end - now) / 1000000) + 1 : 1;
		const int n = epoll_wait(l->epoll, events, EVENTS_MAX, wait_ms);

		for (int i = 0; i < n; i++)
			on_bytes(l, events[i].data.ptr);
		if (l->per_s > 0)
			ask_what_is_due(l, now - start);
	}
	seconds = (double)(now - start) / 1e9;
	qsort(l->sample_us, l->n_samples, sizeof(*l->sample_us), by_value);
	printf("{\"connections\":%d,\"replies\":%lld,\"refused\":%lld,\"errors\":%lld,"
	       "\"per_s\":%.0f,\"p50_us\":%u,\"p99_us\":%u}\n",
	    l->n_clients, (long long)l->replies, (long long)l->refused, (long long)l->errors,
	    (double)l->replies / seconds, l->n_samples ? l->sample_us[l->n_samples / 2] : 0,
	    l->n_samples ? l->sample_us[l->n_samples * 99 / 100] : 0);
}

static void
print_request(struct load *l, const char *path, const char *key)
{
	const int n = snprintf(l->request, sizeof(l->request),
	    "GET %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: access_load\r\n%s%s%s\r\n", path,
	    key[0] == '\0' ? "" : "Authorization: Bearer ", key, key[0] == '\0' ? "" : "\r\n");

	if (n < 0 || (size_t)n >= sizeof(l->request)) {
		(void)fprintf(stderr, "access_load: path and key are too long\n");
		exit(2);
	}
	l->request_n = (size_t)n;
}

static void
take_arguments(struct load *l, int argc, char **argv)
{
	if (argc < 6 || argc > 8) {
		(void)fprintf(stderr, "usage: access_load PORT PATH CONNECTIONS MILLISECONDS KEY "
				      "[PER_SECOND [SOURCE]]\n");
		exit(2);
	}
	print_request(l, argv[2], argv[5]);
	l->to.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
	l->to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	l->per_s = argc > 6 ? strtoll(argv[6], NULL, 10) : 0;
	l->n_clients = (int)strtol(argv[3], NULL, 10);
	if (l->n_clients < 1 || l->n_clients > CONNECTIONS_MAX || l->per_s < 0 ||
	    (argc > 7 && inet_pton(AF_INET, argv[7], &l->from.sin_addr) != 1)) {
		(void)fprintf(stderr,
		    "access_load: at most %d connections, SOURCE an IPv4 address\n",
		    CONNECTIONS_MAX);
		exit(2);
	}
}

int
main(int argc, char **argv)
{
	struct load l = { .to = { .sin_family = AF_INET }, .from = { .sin_family = AF_INET } };

	take_arguments(&l, argc, argv);
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
