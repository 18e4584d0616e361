/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the first SIGTERM or SIGINT to the end.  At once: nothing is claimed any more and the server
 * is not ready.  Requests are served for a moment yet, so that whoever asks for readiness hears of
 * it before the port is closed, and for as long as running jobs are waited for.  Then the port is
 * closed and the loop ends with the last request.
 *
 * From the first signal on a thread looks at the clock and for a second signal; either ends the
 * process where it stands, also in the middle of a start.  That is safe by design, a crash is
 * nothing else: runs go on under their keepers, and whatever was not written is found again by the
 * next start.
 */
#include "daemon_internal.h"

#include "clock.h"
#include "fd.h"
#include "lock.h"
#include "loop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	/* From the first signal to the end, beside the time that running jobs are waited for. */
	LIMIT_MS = 9500,
	LOOK_MS = 50,
	NAP_MS = 50,
	EXIT_SIGNALED = 128, /* and the signal, as a shell reports it */
};

struct stop {
	struct stop_options o;
	int signal_fd;
	int wake_fd; /* eventfd: the guard is to look at `begun` and `over` */
	struct loop_watch *watch;
	struct loop_timer *timer;
	_Atomic(const char *) why; /* NULL: nobody wants the end */
	struct deadline notice, wait;
	int child_fd; /* pidfd, or -1; the guard's once `begun` is set */
	atomic_bool begun, over;
	struct thread guard;
};

/* --- the guard -------------------------------------------------------------------------------- */

NORETURN static void
end_now(const struct stop *s, int status, const char *why)
{
	log_warn(&s->o.log, "%s; ending at once, running jobs go on", why);
	/* The private PostgreSQL in the way of a fast shutdown; it needs nobody to wait for it. */
	if (s->child_fd >= 0)
		(void)syscall(SYS_pidfd_send_signal, s->child_fd, SIGINT, NULL, 0);
	_exit(status);
}

/* The signal that is pending and asks for the end, or 0. */
static int
read_signal(const struct stop *s)
{
	struct signalfd_siginfo info;

	while (read(s->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		if (info.ssi_signo != SIGHUP)
			return (int)info.ssi_signo;
	return 0;
}

/* Sleeps; true when the guard is to end. */
static bool
nap(const struct stop *s, bool signals, int64_t ms)
{
	struct pollfd p[] = { { .fd = s->wake_fd, .events = POLLIN },
		{ .fd = s->signal_fd, .events = POLLIN } };
	eventfd_t times;

	if (poll(p, signals ? 2 : 1, (int)ms) > 0 && p[0].revents != 0)
		(void)eventfd_read(s->wake_fd, &times); /* what it means is in the flags */
	return atomic_load(&s->over);
}

/* Whether a signal waits for the loop; SIGHUP may wait as long as it takes. */
static bool
is_asked(void)
{
	sigset_t pending;

	return sigpending(&pending) == 0 &&
	       (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1);
}

/* Until the loop has taken the first signal, which it cannot before the start is over; false when
 * the guard is to end. */
static bool
await_begin(struct stop *s)
{
	struct deadline limit = { 0 };

	while (!atomic_load(&s->begun)) {
		if (nap(s, limit.mono_ns == 0, limit.mono_ns == 0 ? -1 : NAP_MS))
			return false;
		if (limit.mono_ns == 0 && is_asked())
			limit = deadline_in_ms(LIMIT_MS);
		if (deadline_passed(limit) && !atomic_load(&s->begun))
			end_now(
			    s, 1, "a stop was asked for, and the start does not come to its end");
		if (limit.mono_ns == 0 && nap(s, false, NAP_MS))
			return false;
	}
	return true;
}

static void *
guard_main(void *arg)
{
	struct stop *s = arg;
	struct deadline limit;
	int sig;

	if (!await_begin(s))
		return NULL;
	limit = deadline_in_ms(s->o.wait_ms + LIMIT_MS);
	while (!deadline_passed(limit)) {
		if (nap(s, true, deadline_poll_ms(limit)))
			return NULL;
		if ((sig = read_signal(s)) != 0)
			end_now(s, EXIT_SIGNALED + sig, "a second signal came");
	}
	end_now(s, 1, "stopping takes longer than it may");
}

static void
wake_guard(const struct stop *s)
{
	const uint64_t one = 1;

	REQUIRE(write(s->wake_fd, &one, sizeof(one)) == (ssize_t)sizeof(one));
}

/* --- on the loop ------------------------------------------------------------------------------ */

static void
on_look(void *arg)
{
	struct stop *s = arg;

	if (s->o.notice_ms > 0 && !deadline_passed(s->notice))
		return;
	if (s->o.wait_ms > 0 && !s->o.idle(s->o.ctx)) {
		if (!deadline_passed(s->wait))
			return;
		log_info(&s->o.log, "shutdown.wait is over; the jobs that run go on");
	}
	loop_timer_stop(s->timer);
	atomic_store(&s->why, "the server is shutting down");
	s->o.close(s->o.ctx);
}

static void
tell_service_manager(const struct stop *s)
{
	char text[96];

	(void)snprintf(text, sizeof(text), "STOPPING=1\nEXTEND_TIMEOUT_USEC=%lld",
	    (long long)(s->o.wait_ms + LIMIT_MS) * 1000); /* fits */
	notify_service_manager(text);
}

static void
begin(struct stop *s, int sig)
{
	atomic_store(&s->why, s->o.wait_ms > 0
				  ? "the server is shutting down when its running jobs are over"
				  : "the server is shutting down");
	s->notice = deadline_in_ms(s->o.notice_ms);
	s->wait = deadline_in_ms(s->o.wait_ms);
	if (s->o.wait_ms > 0)
		log_info(&s->o.log, "stopping after signal %d; running jobs have %lld s", sig,
		    (long long)s->o.wait_ms / 1000);
	else
		log_info(&s->o.log, "stopping after signal %d; running jobs go on", sig);
	s->o.begin(s->o.ctx);
	tell_service_manager(s);
	loop_watch_stop(s->watch); /* the next signal is the guard's */
	atomic_store(&s->begun, true);
	wake_guard(s);
	loop_timer_start(s->timer, 0, LOOK_MS);
}

static void
on_signal(void *arg, int events)
{
	struct stop *s = arg;
	struct signalfd_siginfo info;

	(void)events; /* only LOOP_READ was asked for */
	if (read(s->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP)
		s->o.reload(s->o.ctx);
	else
		begin(s, (int)info.ssi_signo);
}

/* --- life ------------------------------------------------------------------------------------- */

/* Signals are blocked in every thread and read from a descriptor, so no handler ever runs. */
static int
open_signals(struct stop *s, struct err *e)
{
	sigset_t set;

	if (sigemptyset(&set) < 0 || sigaddset(&set, SIGTERM) < 0 || sigaddset(&set, SIGINT) < 0 ||
	    sigaddset(&set, SIGHUP) < 0)
		return err_sys(e, errno, "prepare the signals");
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_sys(e, errno, "block the signals");
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signal_fd < 0)
		return err_sys(e, errno, "make a descriptor for signals");
	s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->wake_fd < 0)
		return err_sys(e, errno, "make a descriptor for the end");
	return 0;
}

int
stop_new(const struct stop_options *o, struct stop **ret, struct err *e)
{
	struct stop *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return err_set(e, ERR_NO_MEMORY, "no memory to wait for signals");
	*s = (struct stop){ .o = *o, .signal_fd = -1, .wake_fd = -1, .child_fd = -1 };
	if (open_signals(s, e) < 0 ||
	    loop_watch_new(o->loop, s->signal_fd, on_signal, s, &s->watch, e) < 0 ||
	    loop_timer_new(o->loop, on_look, s, &s->timer, e) < 0) {
		stop_free(s);
		return -1;
	}
	if (thread_start(&s->guard, "stop-guard", guard_main, s, e) < 0) {
		stop_free(s);
		return -1;
	}
	loop_watch_start(s->watch, LOOP_READ);
	*ret = s;
	return 0;
}

const char *
stop_why(struct stop *s)
{
	return atomic_load(&s->why);
}

void
stop_child(struct stop *s, int pidfd)
{
	if (pidfd >= 0 && s->child_fd < 0)
		s->child_fd = fcntl(pidfd, F_DUPFD_CLOEXEC, 0); /* -1: then it is left alone */
}

void
stop_unwatch(struct stop *s)
{
	if (s == NULL)
		return;
	loop_watch_free(s->watch);
	s->watch = NULL;
	loop_timer_free(s->timer);
	s->timer = NULL;
}

void
stop_free(struct stop *s)
{
	if (s == NULL)
		return;
	stop_unwatch(s);
	if (s->guard.started) {
		atomic_store(&s->over, true);
		wake_guard(s);
		thread_join(&s->guard);
	}
	fd_close(&s->signal_fd);
	fd_close(&s->wake_fd);
	fd_close(&s->child_fd);
	free(s);
}
