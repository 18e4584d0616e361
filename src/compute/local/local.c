/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The local backend: runs on this machine, built by the spawner.  Nothing that a run needs is held
 * here: the launch file and the inputs lie in its directory, limits and processes are the spawner's
 * and the keeper's, and how it ended is a record beside its output.  A daemon that dies and comes
 * back finds everything again by compute_list and compute_scan.
 *
 * The loop never waits for the spawner.  Connecting (which waits for an answer) happens on a thread
 * that lives for one attempt; sending to a full socket is ERR_BUSY and the caller's to repeat.
 */
#include "compute.h"

#include "clock.h"
#include "fd.h"
#include "local_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum {
	/* A spawner's worker that died is back within milliseconds; its socket never went. */
	RECONNECT_FIRST_MS = 50,
	RECONNECT_MS = 1000,
	/* One that was left ends five seconds later, unless somebody looks in again. */
	LEFT_MS = 30000,
	/* Records taken in one turn of the loop, so that a burst does not keep timers waiting. */
	RECORDS_PER_TURN = 64
};

static void
disconnect(struct compute *c)
{
	const struct compute_event ev = { .kind = COMPUTE_LOST };

	loop_watch_free(c->watch);
	c->watch = NULL;
	fd_close(&c->fd);
	atomic_store(&c->weak, -1);
	loop_timer_start(c->retry, RECONNECT_FIRST_MS, 0);
	c->on_event(c->ctx, &ev);
}

static void
lose(struct compute *c, const struct err *why)
{
	log_err(&c->log, LOG_LEVEL_WARN, why, "the spawner is gone; running jobs go on");
	disconnect(c);
}

static bool
is_foreign(const struct compute *c)
{
	return c->ready.protocol != SANDBOX_PROTOCOL;
}

void
compute_leave(struct compute *c)
{
	struct stat st;

	if (c->fd < 0 || !is_foreign(c))
		return;
	log_info(&c->log, "nothing runs under the spawner of another release; leaving it");
	if (stat(c->socket_path, &st) == 0) {
		c->left_born = st.st_ctim;
		c->left_until = deadline_in_ms(LEFT_MS);
	}
	disconnect(c);
}

/* Whether what listens there is the spawner that was left, and is to be given time to end. */
static bool
is_leaving(const struct compute *c)
{
	struct stat st;

	return c->left_until.mono_ns != 0 && !deadline_passed(c->left_until) &&
	       stat(c->socket_path, &st) == 0 && st.st_ctim.tv_sec == c->left_born.tv_sec &&
	       st.st_ctim.tv_nsec == c->left_born.tv_nsec;
}

static void
on_readable(void *arg, int events)
{
	struct compute *c = arg;
	struct compute_event ev;
	struct sandbox_event in;
	struct err e = { 0 };

	(void)events; /* a hang-up is seen by the read */
	for (int i = 0; i < RECORDS_PER_TURN; i++) {
		int rc = sandbox_receive(c->fd, &in, &e);

		if (rc == 0)
			return;
		if (rc < 0) {
			lose(c, &e);
			return;
		}
		if (local_event_of(&in, &ev))
			c->on_event(c->ctx, &ev);
	}
}

static int
adopt_connection(struct compute *c, struct err *e)
{
	if (c->new_fd < 0) {
		*e = c->failure;
		return -1;
	}
	if (loop_watch_new(c->loop, c->new_fd, on_readable, c, &c->watch, e) < 0) {
		fd_close(&c->new_fd);
		return -1;
	}
	c->fd = fd_take(&c->new_fd);
	loop_watch_start(c->watch, LOOP_READ);
	return 0;
}

static void
say_connected(const struct compute *c)
{
	if (is_foreign(c))
		log_warn(&c->log,
		    "the spawner speaks protocol %u and this daemon %d; it goes on with its runs "
		    "and "
		    "is replaced when they are over, or at once when it is restarted",
		    c->ready.protocol, SANDBOX_PROTOCOL);
	else
		log_info(&c->log, "spawner connected%s",
		    (c->ready.weak & SANDBOX_WEAK_REFUSED) == 0
			? ""
			: "; it lacks privileges or control groups, so it will refuse to start "
			  "runs");
}

static void
on_connected(void *arg)
{
	struct compute *c = arg;
	struct compute_event ev = { .kind = COMPUTE_CONNECTED };
	struct err e = { 0 };

	thread_join(&c->connector);
	c->connecting = false;
	if (adopt_connection(c, &e) < 0) {
		if (!c->complained)
			log_err(
			    &c->log, LOG_LEVEL_WARN, &e, "no spawner; trying again each second");
		c->complained = true;
		loop_timer_start(c->retry, RECONNECT_MS, 0);
		return;
	}
	c->complained = false;
	atomic_store(&c->weak, is_foreign(c) ? -1 : (int64_t)c->ready.weak);
	say_connected(c);
	ev.foreign = is_foreign(c);
	c->on_event(c->ctx, &ev);
}

static void *
connect_main(void *arg)
{
	struct compute *c = arg;

	c->failure = (struct err){ 0 };
	if (sandbox_connect(c->socket_path, &c->new_fd, &c->ready, &c->failure) < 0)
		c->new_fd = -1;
	loop_post(c->loop, &c->posted, on_connected, c);
	return NULL;
}

static void
on_retry(void *arg)
{
	struct compute *c = arg;
	struct err e = { 0 };

	if (c->fd >= 0 || c->connecting)
		return;
	if (is_leaving(c)) {
		loop_timer_start(c->retry, RECONNECT_MS, 0);
		return;
	}
	c->connecting = true;
	if (thread_start(&c->connector, "connector", connect_main, c, &e) == 0)
		return;
	c->connecting = false;
	log_err(&c->log, LOG_LEVEL_WARN, &e, "connect to the spawner");
	loop_timer_start(c->retry, RECONNECT_MS, 0);
}

int
compute_new(const struct compute_options *o, struct compute **ret, struct err *e)
{
	struct compute *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return err_set(e, ERR_NO_MEMORY, "no memory for the local backend");
	*c = (struct compute){ .loop = o->loop,
		.log = o->log,
		.runs_fd = -1,
		.weak = -1,
		.fd = -1,
		.new_fd = -1,
		.on_event = o->on_event,
		.ctx = o->ctx };
	c->socket_path = strdup(o->socket_path);
	c->runs_fd = open(o->runs_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (c->socket_path == NULL)
		err_set(e, ERR_NO_MEMORY, "no memory for the local backend");
	else if (c->runs_fd < 0)
		err_sys(e, errno, "open the directory of runs");
	else if (loop_timer_new(o->loop, on_retry, c, &c->retry, e) == 0) {
		loop_timer_start(c->retry, 0, 0);
		*ret = c;
		return 0;
	}
	compute_free(c);
	return -1;
}

void
compute_free(struct compute *c)
{
	if (c == NULL)
		return;
	/* An attempt in flight ends by its own deadline; what it posts is never run. */
	thread_join(&c->connector);
	fd_close(&c->new_fd);
	loop_watch_free(c->watch);
	loop_timer_free(c->retry);
	fd_close(&c->fd);
	fd_close(&c->runs_fd);
	free(c->socket_path);
	free(c);
}

bool
compute_weak(const struct compute *c, uint32_t *ret)
{
	int64_t weak = atomic_load(&c->weak);

	if (weak >= 0)
		*ret = (uint32_t)weak;
	return weak >= 0;
}

static int
send_record(struct compute *c, struct sandbox_request *q, struct err *e)
{
	if (c->fd < 0)
		return err_set(
		    e, ERR_UNAVAILABLE, "the spawner is not connected; wait until it is back");
	q->protocol = c->ready.protocol;
	return sandbox_send(c->fd, q, e);
}

static int
send_verb(struct compute *c, enum sandbox_verb verb, const struct compute_run_id *id, struct err *e)
{
	struct sandbox_request q = { .verb = (uint32_t)verb };

	if (id != NULL)
		q.id = (struct sandbox_run_id){
			.tenant = id->tenant, .run = id->run, .epoch = id->epoch
		};
	return send_record(c, &q, e);
}

int
compute_start(struct compute *c, const struct compute_run *r, struct err *e)
{
	struct sandbox_request q;

	if (local_start_record(r, &q, e) < 0)
		return -1;
	if (c->fd >= 0 && is_foreign(c))
		return err_set(e, ERR_UNAVAILABLE,
		    "the spawner is of another release; wait until it is replaced");
	return send_record(c, &q, e);
}

int
compute_stop(struct compute *c, const struct compute_run_id *id, bool at_once, struct err *e)
{
	return send_verb(c, at_once ? SANDBOX_KILL : SANDBOX_STOP, id, e);
}

int
compute_list(struct compute *c, struct err *e)
{
	return send_verb(c, SANDBOX_LIST, NULL, e);
}

int
compute_purge(struct compute *c, const struct compute_run_id *id, struct err *e)
{
	return send_verb(c, SANDBOX_PURGE, id, e);
}
