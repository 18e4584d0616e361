/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server.  libmicrohttpd runs without threads of its own: its epoll descriptor is watched by
 * our loop, which calls MHD_run and keeps a timer for MHD_get_timeout.  (Its own epoll thread waits
 * for one more event whenever exactly 128*k are ready, and serves none of them until it comes.)
 * MHD_resume_connection is called on this thread only and followed by a run: without threads of its
 * own the library has no event descriptor to ring.  The listening socket is ours (http_accept.c).
 *
 * Shutdown, in this order because MHD_stop_daemon aborts the process when a connection is
 * suspended: stop accepting, end streams, shut connections that wait for a request, let the rest
 * finish; after the grace cut all suspended ones loose (their callbacks now only fail, so none can
 * be suspended again) and shut the rest; then one turn through the loop, so that answers posted
 * before are through, and only then MHD_stop_daemon.
 */
#include "http_internal.h"

#include <microhttpd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum {
	/* MHD_run again at once while it says that work is left; then let others have the loop. */
	RUNS_PER_TURN = 8,
	/* Deadlines are met to within a tenth, and the sweep stays cheap. */
	SWEEPS_PER_HEAD_TIMEOUT = 10,
	SWEEP_MIN_MS = 20,
	SWEEP_MAX_MS = 250,
	MHD_LOG_BYTES = 256,
};

void
http_count(const struct http *h, enum metric id, int64_t n)
{
	if (h->o.metrics != NULL)
		metrics_add(h->o.metrics, id, n);
}

void
http_count_refused(const struct http *h, const char *reason)
{
	if (h->o.metrics != NULL)
		metrics_add_by(h->o.metrics, METRIC_HTTP_REFUSED, reason, 1);
}

void
http_gauge(const struct http *h, enum metric id, int64_t v)
{
	if (h->o.metrics != NULL)
		metrics_set(h->o.metrics, id, v);
}

/* --- Driving the library ---------------------------------------------------------------------- */

/* Milliseconds until the library wants to run, -1 for not before something happens. */
static int64_t
mhd_timeout_ms(struct http *h)
{
	MHD_UNSIGNED_LONG_LONG ms;

	if (MHD_get_timeout(h->daemon, &ms) != MHD_YES)
		return -1;
	return ms > INT32_MAX ? INT32_MAX : (int64_t)ms;
}

static void
arm_timer(struct http *h, int64_t ms)
{
	const int64_t at_ms = clock_mono_ms() + ms;

	if (ms < 0)
		return;
	/* An earlier timer is kept: it finds nothing and is armed anew, which is cheaper than
	 * moving it with every request. */
	if (h->timer_at_ms != 0 && h->timer_at_ms <= at_ms)
		return;
	h->timer_at_ms = at_ms;
	loop_timer_start(h->timer, ms, 0);
}

void
http_run_soon(struct http *h)
{
	arm_timer(h, 0);
}

static void
pump(struct http *h)
{
	int64_t ms = 0;

	if (h->daemon == NULL)
		return;
	handshakes_give_turns(h);
	for (int i = 0; i < RUNS_PER_TURN && ms == 0; i++) {
		(void)MHD_run(h->daemon); /* fails only for a daemon with threads */
		if (i == 0)
			handshakes_take_turns(h);
		ms = mhd_timeout_ms(h);
	}
	arm_timer(h, ms);
}

static void
on_ready(void *arg, int events)
{
	(void)events;
	pump(arg);
}

static void
on_timer(void *arg)
{
	struct http *h = arg;

	h->timer_at_ms = 0;
	pump(h);
}

/* --- Callbacks of the library ----------------------------------------------------------------- */

static void *
on_target(void *ctx, const char *target, struct MHD_Connection *mhd)
{
	return target == NULL ? NULL : http_req_new(ctx, mhd, target);
}

/* Decodes nothing: %00 would cut the path, %2f would make another one of it. */
static size_t
on_unescape(void *ctx, struct MHD_Connection *mhd, char *s)
{
	(void)ctx;
	(void)mhd;
	return strlen(s);
}

static enum MHD_Result
on_request(void *ctx, struct MHD_Connection *mhd, const char *url, const char *method,
    const char *version, const char *data, size_t *n, void **con_cls)
{
	struct http_req *r = *con_cls;

	(void)ctx;
	(void)url;
	if (r == NULL)
		return MHD_NO; /* no memory when its request line came */
	return http_req_call(r, mhd, method, version, data, n) < 0 ? MHD_NO : MHD_YES;
}

static void
on_completed(
    void *ctx, struct MHD_Connection *mhd, void **con_cls, enum MHD_RequestTerminationCode why)
{
	struct http_req *r = *con_cls;

	(void)ctx;
	(void)mhd;
	(void)why;
	*con_cls = NULL;
	if (r != NULL)
		http_req_completed(r);
}

static void
on_connection(void *ctx, struct MHD_Connection *mhd, void **socket_ctx,
    enum MHD_ConnectionNotificationCode what)
{
	if (what == MHD_CONNECTION_NOTIFY_STARTED)
		conn_opened(ctx, mhd, socket_ctx);
	else
		conn_closed(ctx, socket_ctx);
}

PRINTF_LIKE(2, 0)
static void
on_log(void *ctx, const char *fmt, va_list ap)
{
	const struct http *h = ctx;
	char text[MHD_LOG_BYTES];

	(void)vsnprintf(text, sizeof(text), fmt, ap);
	text[strcspn(text, "\r\n")] = '\0';
	log_debug(&h->log, "libmicrohttpd: %s", text);
}

/* --- Start ------------------------------------------------------------------------------------ */

/* sendfile(2) has no MSG_NOSIGNAL, so the library uses it only when told that SIGPIPE is harmless;
 * otherwise it reads and sends. */
static int
sigpipe_ignored(void)
{
	struct sigaction sa;

	return sigaction(SIGPIPE, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN;
}

static int
start_daemon(struct http *h, struct err *e)
{
	const struct http_options *o = &h->o;
	const unsigned int flags =
	    MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
	const struct MHD_OptionItem tls[] = {
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)tls_priorities() },
		{ MHD_OPTION_HTTPS_CERT_CALLBACK2, 0, tls_certificate_callback() },
		{ MHD_OPTION_END, 0, NULL },
	};
	const struct MHD_OptionItem options[] = {
		/* First, so that it hears about the others. */
		{ MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)on_log, h },
		/* Never reached: http_accept.c keeps the limit, but for those that it has shut. */
		{ MHD_OPTION_CONNECTION_LIMIT, INT32_MAX, NULL },
		{ MHD_OPTION_CONNECTION_MEMORY_LIMIT, HTTP_MEMORY_PER_CONNECTION, NULL },
		{ MHD_OPTION_CONNECTION_TIMEOUT, (o->idle_timeout_ms + 999) / 1000, NULL },
		{ MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, h },
		{ MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)on_completed, h },
		{ MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)on_target, h },
		{ MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)on_unescape, NULL },
		{ MHD_OPTION_SIGPIPE_HANDLED_BY_APP, sigpipe_ignored(), NULL },
		/* Not strict: what that adds (a Host, no blank in the target) the guard checks as
		 * well, and the library's own answers to it have two status lines or none. */
		{ MHD_OPTION_STRICT_FOR_CLIENT, 0, NULL },
		{ h->tls == NULL ? MHD_OPTION_END : MHD_OPTION_ARRAY, 0, (void *)(uintptr_t)tls },
		{ MHD_OPTION_END, 0, NULL },
	};

	h->daemon = MHD_start_daemon(flags | (h->tls == NULL ? 0 : MHD_USE_TLS), 0, NULL, NULL,
	    on_request, h, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
	if (h->daemon == NULL)
		return err_set(e, ERR_CONF,
		    "libmicrohttpd does not start; it needs epoll, and GnuTLS for HTTPS");
	return 0;
}

static int64_t
sweep_ms(const struct http_options *o)
{
	const int64_t ms = o->head_timeout_ms / SWEEPS_PER_HEAD_TIMEOUT;

	if (ms < SWEEP_MIN_MS)
		return SWEEP_MIN_MS;
	return ms > SWEEP_MAX_MS ? SWEEP_MAX_MS : ms;
}

static void on_grace_over(void *arg);

static int
start_loop(struct http *h, struct err *e)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD);

	REQUIRE(info != NULL);
	if (loop_watch_new(h->loop, info->epoll_fd, on_ready, h, &h->watch, e) < 0)
		return -1;
	if (loop_timer_new(h->loop, on_timer, h, &h->timer, e) < 0)
		return -1;
	if (loop_timer_new(h->loop, conn_sweep, h, &h->sweep, e) < 0)
		return -1;
	if (loop_timer_new(h->loop, on_grace_over, h, &h->grace, e) < 0)
		return -1;
	loop_watch_start(h->watch, LOOP_READ);
	loop_timer_start(h->sweep, sweep_ms(&h->o), sweep_ms(&h->o));
	return accept_start(h, e);
}

static bool
is_set(const char *text)
{
	return text != NULL && text[0] != '\0';
}

static int
start_tls(struct http *h, struct err *e)
{
	const bool certificate = is_set(h->o.tls_certificate), key = is_set(h->o.tls_key);

	if (certificate != key)
		return err_set(e, ERR_CONF, "%s is set and %s is not; HTTPS needs both, HTTP none",
		    certificate ? "http.tls_certificate" : "http.tls_key",
		    certificate ? "http.tls_key" : "http.tls_certificate");
	return certificate ? tls_new(h, &h->tls, e) : 0;
}

static int
start(struct http *h, struct err *e)
{
	const char *address = h->o.address;

	if (start_tls(h, e) < 0 || http_listen(address, h->o.port, &h->listen_fd, &h->port, e) < 0)
		return -1;
	return start_daemon(h, e) < 0 ? -1 : start_loop(h, e);
}

/* What the options point to is the caller's memory, and not needed any more. */
static void
forget_options(struct http *h)
{
	h->o.address = NULL;
	h->o.trusted_proxies = NULL;
	h->o.tls_certificate = NULL;
	h->o.tls_key = NULL;
}

int
http_new(struct loop *loop, const struct http_options *o, struct http **ret, struct err *e)
{
	struct http *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return err_set(e, ERR_NO_MEMORY, "no memory for an HTTP server");
	h->o = *o;
	h->log = log_component(&h->o.log, "http");
	h->loop = loop;
	h->listen_fd = -1;
	if (o->trusted_proxies != NULL)
		h->trusted = *o->trusted_proxies;
	h->capacity = accept_capacity(o->connections, &h->log);
	lock_init(&h->lock);
	sources_init(&h->sources);
	h->turns.place = PLACE_TURN;
	if (start(h, e) < 0) {
		http_free(h);
		return -1;
	}
	forget_options(h);
	*ret = h;
	return 0;
}

uint16_t
http_port(const struct http *h)
{
	return h->port;
}

bool
http_is_tls(const struct http *h)
{
	return h->tls != NULL;
}

/* --- End -------------------------------------------------------------------------------------- */

static void
require_awake(struct conn *c)
{
	REQUIRE(!c->suspended);
}

static void
stop_daemon(struct http *h)
{
	loop_watch_free(h->watch); /* while the library's descriptor is open */
	drain_stop_all(h);
	conn_each(h, require_awake);
	MHD_stop_daemon(h->daemon);
	h->daemon = NULL;
	REQUIRE(h->n_conns == 0);
	loop_timer_free(h->timer);
	loop_timer_free(h->sweep);
	loop_timer_free(h->grace);
}

static void
finish(void *arg)
{
	struct http *h = arg;

	stop_daemon(h);
	h->done(h->done_ctx);
}

void
http_check_finished(struct http *h)
{
	if (!h->closing || h->finishing || (h->n_conns > 0 && !h->forced))
		return;
	h->finishing = true;
	/* Posted, because the library may be on the stack, and so that what was posted before runs
	 * first. */
	loop_post(h->loop, &h->finish_item, finish, h);
}

static void
cut_loose(struct conn *c)
{
	if (c->req != NULL)
		http_req_abandon(c->req);
	if (c->stream != NULL)
		http_stream_abandon(c->stream);
	conn_resume(c);
	conn_shut(c);
}

static void
force(struct http *h)
{
	h->forced = true;
	conn_each(h, cut_loose);
	(void)MHD_run(h->daemon); /* moves the resumed ones out of suspension and drops them */
}

static void
on_grace_over(void *arg)
{
	struct http *h = arg;

	force(h);
	http_check_finished(h);
}

static void
end_stream(struct conn *c)
{
	if (c->stream != NULL)
		http_stream_end(c->stream);
}

void
http_shutdown(struct http *h, int64_t grace_ms, void (*done)(void *ctx), void *ctx)
{
	REQUIRE(!h->closing);
	h->closing = true;
	h->done = done;
	h->done_ctx = ctx;
	accept_stop(h);
	conn_each(h, end_stream);
	conn_shut_idle(h);
	loop_timer_start(h->grace, grace_ms, 0);
	http_check_finished(h);
}

void
http_free(struct http *h)
{
	if (h == NULL)
		return;
	accept_stop(h);
	if (h->daemon != NULL) {
		/* Never ran: the start of something else failed. */
		force(h);
		stop_daemon(h);
	}
	tls_free(h->tls);
	lock_done(&h->lock);
	free(h);
}
