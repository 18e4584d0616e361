/* SPDX-License-Identifier: Apache-2.0 */
/* Connections of daemons: who may speak, and one function per verb. */
#include "spawner_internal.h"

#include "fd.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	/* Records taken from one connection before others have their turn. */
	RECORDS_PER_TURN = 64,
	/* A LIST of every run fits: RUNS_MAX records of less than 1 KiB with their overhead. */
	SEND_BUFFER = 10 << 20
};

static void
conn_close(struct worker *w, struct conn *c)
{
	fd_close(&c->fd);
	log_debug(&w->log, "connection closed");
}

static bool
peer_allowed(const struct spawner *s, int fd)
{
	struct ucred peer;
	socklen_t n = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 && n == sizeof(peer) &&
	       (peer.uid == 0 || peer.uid == s->user);
}

/* A free place, or the oldest connection's. */
static struct conn *
conn_place(struct worker *w)
{
	struct conn *oldest = &w->conns[0];

	for (size_t i = 0; i < CONNS_MAX; i++) {
		if (w->conns[i].fd < 0)
			return &w->conns[i];
		if (w->conns[i].serial < oldest->serial)
			oldest = &w->conns[i];
	}
	conn_close(w, oldest);
	return oldest;
}

void
conn_accept(struct worker *w)
{
	AUTO_FD int fd = accept4(w->s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	const int size = SEND_BUFFER;
	struct err e = { 0 };
	struct conn *c;

	if (fd < 0)
		return; /* the peer went away again */
	if (!peer_allowed(w->s, fd)) {
		log_warn(&w->log, "a connection by another user was refused");
		return;
	}
	/* Without it a long list may close the connection, no more. */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	c = conn_place(w);
	if (worker_watch(w, fd, WATCH_CONN, (size_t)(c - w->conns), &e) < 0) {
		log_err(&w->log, LOG_LEVEL_ERROR, &e, "watch a connection");
		return;
	}
	*c = (struct conn){ .fd = fd_take(&fd), .serial = ++w->next_serial };
}

static void
answer(struct worker *w, struct conn *c, const struct sandbox_event *ev)
{
	if (c->fd >= 0 && send(c->fd, ev, sizeof(*ev), MSG_NOSIGNAL | MSG_DONTWAIT) != sizeof(*ev))
		conn_close(w, c); /* it does not read; it will ask for a list when it is back */
}

void
conn_tell_newest(struct worker *w, const struct sandbox_event *ev)
{
	struct conn *newest = NULL;

	for (size_t i = 0; i < CONNS_MAX; i++)
		if (w->conns[i].fd >= 0 && w->conns[i].greeted &&
		    (newest == NULL || w->conns[i].serial > newest->serial))
			newest = &w->conns[i];
	if (newest != NULL)
		answer(w, newest, ev);
}

static struct sandbox_event
event(enum sandbox_event_kind kind, const struct sandbox_run_id *id)
{
	struct sandbox_event ev = { .protocol = SANDBOX_PROTOCOL, .kind = kind };

	if (id != NULL)
		ev.id = *id;
	return ev;
}

static void
refuse(struct worker *w, struct conn *c, const struct sandbox_run_id *id, uint32_t step, int sys)
{
	struct sandbox_event ev = event(SANDBOX_REFUSED, id);

	ev.step = step;
	ev.sys = sys;
	answer(w, c, &ev);
}

static void
on_hello(struct worker *w, struct conn *c)
{
	struct sandbox_event ev = event(SANDBOX_READY, NULL);

	c->greeted = true;
	ev.weak = w->weak;
	answer(w, c, &ev);
}

static void
on_start(struct worker *w, struct conn *c, const struct sandbox_request *q)
{
	/* The last id of the range must be one: UINT32_MAX means "no id". */
	const uint64_t slots = (UINT32_MAX - (uint64_t)w->s->uid_base) / KEEPER_UIDS;
	struct sandbox_event ev = event(SANDBOX_FAILED, &q->id);
	struct fault f = { 0 };
	struct err e = { 0 };

	if (sandbox_limits_check(&q->limits, &e) < 0) {
		log_err(&w->log, LOG_LEVEL_WARN, &e, "a START was refused");
		refuse(w, c, &q->id, SANDBOX_STEP_LIMITS, ERANGE);
		return;
	}
	if (q->uid_slot >= slots) {
		refuse(w, c, &q->id, SANDBOX_STEP_USER_MAP, ERANGE);
		return;
	}
	if (run_find(w, &q->id) != NULL) {
		refuse(w, c, &q->id, SANDBOX_STEP_RECORD, EEXIST);
		return;
	}
	if (run_start(w, q, &f) == 0)
		return; /* the keeper will report */
	if (f.step == SANDBOX_STEP_RUN_DIR && f.sys == EEXIST) {
		refuse(w, c, &q->id, f.step, f.sys);
		return;
	}
	ev.step = f.step;
	ev.sys = f.sys;
	conn_tell_newest(w, &ev);
}

static void
on_end(struct worker *w, struct conn *c, const struct sandbox_request *q)
{
	struct sandbox_event ev = event(SANDBOX_ENDED, &q->id);
	struct run *r = run_find(w, &q->id);

	if (r == NULL) {
		answer(w, c, &ev);
		return;
	}
	if (q->verb == SANDBOX_STOP) {
		run_signal(w, r, KEEPER_SIGNAL_STOP);
	} else {
		run_signal(w, r, r->killed ? SIGKILL : KEEPER_SIGNAL_KILL);
		r->killed = true;
	}
	run_signal(w, r, SIGCONT); /* one that somebody stopped would take it only then */
}

static void
on_list(struct worker *w, struct conn *c)
{
	struct sandbox_event end = event(SANDBOX_LIST_END, NULL);

	for (size_t i = 0; i < w->runs_end; i++) {
		struct sandbox_event ev = event(SANDBOX_LISTED, &w->runs[i].id);

		ev.pid = w->runs[i].pid;
		if (w->runs[i].state == RUN_LIVE)
			answer(w, c, &ev);
	}
	answer(w, c, &end);
}

static void
on_purge(struct worker *w, struct conn *c, const struct sandbox_request *q)
{
	struct sandbox_event ev = event(SANDBOX_PURGED, &q->id);
	struct fault f = { 0 };

	if (run_purge(w, &q->id, &f) < 0)
		refuse(w, c, &q->id, f.step, f.sys);
	else
		answer(w, c, &ev);
}

static void
dispatch(struct worker *w, struct conn *c, const struct sandbox_request *q)
{
	if (!c->greeted && q->verb != SANDBOX_HELLO) {
		refuse(w, c, &q->id, SANDBOX_STEP_RECORD, EPROTO);
		return;
	}
	switch ((enum sandbox_verb)q->verb) {
	case SANDBOX_HELLO:
		on_hello(w, c);
		return;
	case SANDBOX_START:
		on_start(w, c, q);
		return;
	case SANDBOX_STOP:
	case SANDBOX_KILL:
		on_end(w, c, q);
		return;
	case SANDBOX_LIST:
		on_list(w, c);
		return;
	case SANDBOX_PURGE:
		on_purge(w, c, q);
		return;
	}
}

void
conn_readable(struct worker *w, size_t slot)
{
	struct conn *c = &w->conns[slot];

	for (int i = 0; i < RECORDS_PER_TURN && c->fd >= 0; i++) {
		char bytes[sizeof(struct sandbox_request) + 1];
		struct sandbox_request q;
		struct err e = { 0 };
		ssize_t n = recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			conn_close(w, c);
			return;
		}
		if (sandbox_request_decode(bytes, (size_t)n, &q, &e) == 0) {
			dispatch(w, c, &q);
			continue;
		}
		log_err(&w->log, LOG_LEVEL_DEBUG, &e, "a record was refused");
		refuse(w, c, NULL, SANDBOX_STEP_RECORD, EINVAL);
	}
}
