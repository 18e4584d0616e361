/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_PROXY_H
#define TEST_PROXY_H

/*
 * A relay between the module and a PostgreSQL socket that counts round trips, loses answers, falls
 * silent, and cuts connections at COMMIT, before or after the server has seen it.
 */

#include "clock.h"
#include "fd.h"
#include "lock.h"
#include "test_db.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

enum proxy_cut { CUT_NONE, CUT_BEFORE_COMMIT, CUT_AFTER_COMMIT };
enum { PROXY_CONNECTIONS = 1024, PROXY_CHUNK = 1 << 16 };

struct proxy;
struct proxy_pair {
	struct proxy *proxy;
	struct thread thread;
	int client, server;
};

struct proxy {
	char dir[64]; /* host= of the connection string */
	char server_path[128];
	int listener;
	struct thread thread;
	atomic_bool stop;
	atomic_int cut;       /* enum proxy_cut; disarmed by the first COMMIT */
	atomic_int linger_ms; /* how long the server is left in the dark about a cut */
	atomic_bool silent;   /* answers are swallowed */
	atomic_int turns;     /* changes of direction from server to client's turn: round trips */
	atomic_int cuts;
	int n_pairs;
	struct proxy_pair pairs[PROXY_CONNECTIONS];
};

/* A Bind message names the statement behind an empty portal name. */
static inline bool
proxy_is_commit(const char *p, size_t n)
{
	return memmem(p, n, "\0db_commit", 11) != NULL;
}

static inline void
proxy_linger(struct proxy *p)
{
	(void)poll(NULL, 0, atomic_load(&p->linger_ms));
}

/* False when the pair is to end. */
static inline bool
proxy_from_client(struct proxy_pair *pair, char *chunk, bool *server_spoke)
{
	struct proxy *p = pair->proxy;
	ssize_t n = read(pair->client, chunk, PROXY_CHUNK);
	int cut = CUT_NONE;
	struct err e;

	if (n <= 0)
		return false;
	if (*server_spoke)
		atomic_fetch_add(&p->turns, 1);
	*server_spoke = false;
	if (proxy_is_commit(chunk, (size_t)n))
		cut = atomic_exchange(&p->cut, CUT_NONE);
	if (cut != CUT_NONE)
		atomic_fetch_add(&p->cuts, 1);
	if (cut == CUT_BEFORE_COMMIT) {
		fd_close(&pair->client);
		proxy_linger(p);
		return false;
	}
	if (fd_write_all(pair->server, chunk, (size_t)n, &e) < 0)
		return false;
	if (cut == CUT_AFTER_COMMIT) {
		fd_close(&pair->client);
		proxy_linger(p);
		return false;
	}
	return true;
}

static inline void *
proxy_relay(void *arg)
{
	struct proxy_pair *pair = arg;
	struct proxy *p = pair->proxy;
	char *chunk = malloc(PROXY_CHUNK);
	bool server_spoke = true;
	struct err e;

	while (!atomic_load(&p->stop)) {
		struct pollfd f[2] = { { .fd = pair->client, .events = POLLIN },
			{ .fd = pair->server, .events = POLLIN } };

		if (poll(f, 2, 50) < 0 && errno != EINTR)
			break;
		if (f[0].revents != 0 && !proxy_from_client(pair, chunk, &server_spoke))
			break;
		if (f[1].revents != 0) {
			ssize_t n = read(pair->server, chunk, PROXY_CHUNK);

			if (n <= 0)
				break;
			server_spoke = true;
			if (!atomic_load(&p->silent) &&
			    fd_write_all(pair->client, chunk, (size_t)n, &e) < 0)
				break;
		}
	}
	free(chunk);
	fd_close(&pair->client);
	fd_close(&pair->server);
	return NULL;
}

static inline int
proxy_dial(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%.100s", path);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		fd_close(&fd);
	return fd;
}

static inline void *
proxy_accept(void *arg)
{
	struct proxy *p = arg;
	struct err e;

	while (!atomic_load(&p->stop)) {
		struct pollfd f = { .fd = p->listener, .events = POLLIN };
		struct proxy_pair *pair = &p->pairs[p->n_pairs];

		if (poll(&f, 1, 50) <= 0)
			continue;
		if (p->n_pairs == PROXY_CONNECTIONS)
			test_die("proxy", "too many connections");
		pair->proxy = p;
		pair->client = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);
		pair->server = proxy_dial(p->server_path);
		if (pair->client < 0 || pair->server < 0) {
			fd_close(&pair->client);
			fd_close(&pair->server);
			continue;
		}
		if (thread_start(&pair->thread, "relay", proxy_relay, pair, &e) < 0)
			test_die("proxy", e.msg);
		p->n_pairs++;
	}
	return NULL;
}

/* In front of the cluster of `t`; writes the connection string through the proxy to url. */
static inline void
proxy_open(struct proxy *p, const struct test_db *t, char url[static TEST_URL_SIZE])
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct err e;

	memset(p, 0, sizeof(*p));
	(void)snprintf(p->dir, sizeof(p->dir), "/tmp/wardian-proxy-XXXXXX");
	(void)snprintf(p->server_path, sizeof(p->server_path), "%s/socket/.s.PGSQL.5432", t->dir);
	if (mkdtemp(p->dir) == NULL)
		test_die("mkdtemp", p->dir);
	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s/.s.PGSQL.5432", p->dir);
	p->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(p->listener, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(p->listener, 64) < 0)
		test_die("proxy", "cannot listen");
	if (thread_start(&p->thread, "proxy", proxy_accept, p, &e) < 0)
		test_die("proxy", e.msg);
	(void)snprintf(
	    url, TEST_URL_SIZE, "host=%s port=5432 user=wardian_admin dbname=%s", p->dir, t->name);
}

static inline void
proxy_close(struct proxy *p)
{
	atomic_store(&p->stop, true);
	thread_join(&p->thread);
	for (int i = 0; i < p->n_pairs; i++)
		thread_join(&p->pairs[i].thread);
	fd_close(&p->listener);
	test_remove_tree(AT_FDCWD, p->dir);
}

#endif
