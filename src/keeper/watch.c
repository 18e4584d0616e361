/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the exec to the end of the last process: copies the streams, counts time and silence, passes
 * on the wish to end.  Every way to end it early is the same way: SIGTERM to all, grace, SIGKILL to
 * all; the first reason stays.  When the main process is gone, so is, a moment later, everything
 * else.
 */
#include "keeper_internal.h"

#include "fd.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	READ_BYTES = 64 << 10, /* a whole pipe of the default size */
	/* Version 1 groups kill one process and let the rest wait for it for ever. */
	OOM_LOOK_MS = 1000,
};

struct watch {
	struct keeper *k;
	struct watched result;
	int signal_fd;
	char *buffer;
	int64_t n_read; /* bytes of both streams */
	bool over;      /* the main process is */
	struct deadline wall, silence, kill, oom_look;
};

int
watch_open_signals(int *ret_fd, struct err *e)
{
	sigset_t set;
	int fd;

	/* All signals are blocked since before the keeper was executed, so none was lost. */
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, KEEPER_SIGNAL_STOP);
	sigaddset(&set, KEEPER_SIGNAL_KILL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return err_sys(e, errno, "cannot open a signal descriptor");
	*ret_fd = fd;
	return 0;
}

static int64_t
oom_kills(const struct keeper *k)
{
	int64_t now = cgroup_stat_read(KEEPER_FD_STAT + CGROUP_STAT_OOM,
	    k->order.stat_version[CGROUP_STAT_OOM], CGROUP_STAT_OOM);

	return now > k->oom_before ? now - k->oom_before : 0;
}

/* --- ending --------------------------------------------------------------------------------- */

static void
kill_all(void)
{
	(void)kill(-1, SIGKILL); /* ESRCH: nobody is left */
}

static void
end_politely(struct watch *w, enum sandbox_outcome reason)
{
	if (w->result.reason != 0)
		return;
	w->result.reason = reason;
	w->kill = deadline_in_ms(w->k->order.limits.grace_ms);
	(void)kill(-1, SIGTERM);
	(void)kill(-1, SIGCONT); /* a stopped process would take the first only after this */
}

static void
end_at_once(struct watch *w, enum sandbox_outcome reason)
{
	if (w->result.reason == 0)
		w->result.reason = reason;
	kill_all();
}

/* --- events --------------------------------------------------------------------------------- */

static void
reap(struct watch *w)
{
	siginfo_t info = { 0 };

	while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) == 0 && info.si_pid != 0) {
		if (info.si_pid == w->k->pid) {
			w->over = true;
			w->result.code = info.si_code;
			w->result.status = info.si_status;
		}
		info.si_pid = 0;
	}
}

static void
read_signals(struct watch *w)
{
	struct signalfd_siginfo s;

	while (read(w->signal_fd, &s, sizeof(s)) == sizeof(s)) {
		if (s.ssi_signo == SIGCHLD)
			reap(w);
		else if (s.ssi_signo == KEEPER_SIGNAL_STOP)
			end_politely(w, SANDBOX_STOPPED);
		else if (s.ssi_signo == KEEPER_SIGNAL_KILL)
			end_at_once(w, SANDBOX_STOPPED);
	}
}

/* Takes what one read gives; false at the end of the stream or when nothing is there. */
static bool
read_stream(struct watch *w, int i)
{
	ssize_t n;

	if (w->k->pipe_read[i] < 0)
		return false;
	n = read(w->k->pipe_read[i], w->buffer, READ_BYTES);
	if (n > 0) {
		run_log_add(&w->k->log, (uint32_t)i + 1, w->buffer, (size_t)n);
		w->n_read += n;
		return true;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		fd_close(&w->k->pipe_read[i]);
	return false;
}

static void
restart_silence(struct watch *w)
{
	const int64_t ms = w->k->order.limits.no_output_ms;

	w->silence = ms == 0 ? (struct deadline){ 0 } : deadline_in_ms(ms);
}

static void
look_at_clocks(struct watch *w)
{
	/* It ended by itself, however late this process came to see it. */
	if (w->over)
		return;
	if (deadline_passed(w->wall))
		end_politely(w, SANDBOX_WALL);
	if (deadline_passed(w->silence))
		end_politely(w, SANDBOX_NO_OUTPUT);
	if (deadline_passed(w->kill)) {
		kill_all();
		w->kill = (struct deadline){ 0 };
	}
	if (deadline_passed(w->oom_look)) {
		if (oom_kills(w->k) > 0)
			end_at_once(w, SANDBOX_OOM);
		w->oom_look = deadline_in_ms(OOM_LOOK_MS);
	}
}

static int
next_wait(const struct watch *w)
{
	const struct deadline all[] = { w->wall, w->silence, w->kill, w->oom_look };
	int ms = -1;

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		int left = deadline_poll_ms(all[i]);

		if (w->result.reason != 0 && i < 2)
			continue; /* it is ending already */
		if (left >= 0 && (ms < 0 || left < ms))
			ms = left;
	}
	return ms;
}

static int
turn(struct watch *w, struct err *e)
{
	struct pollfd p[1 + STREAMS] = { { .fd = w->signal_fd, .events = POLLIN } };
	int64_t before = w->n_read;

	for (int i = 0; i < STREAMS; i++)
		p[1 + i] = (struct pollfd){ .fd = w->k->pipe_read[i], .events = POLLIN };
	if (poll(p, ARRAY_LEN(p), next_wait(w)) < 0 && errno != EINTR)
		return err_sys(e, errno, "cannot wait for the simulation");
	for (int i = 0; i < STREAMS; i++)
		if (p[1 + i].revents != 0)
			(void)read_stream(w, i); /* more comes with the next turn */
	if (w->n_read != before)
		restart_silence(w);
	read_signals(w);
	look_at_clocks(w);
	return 0;
}

/* Nobody can outlive this: what forks between two signals dies of the next. */
static void
end_rest(struct watch *w)
{
	siginfo_t info;

	do
		kill_all();
	while (waitid(P_ALL, 0, &info, WEXITED) == 0 || errno == EINTR);
	/* All writers are dead: what is still in the pipes is all that will ever come. */
	for (int i = 0; i < STREAMS; i++)
		while (read_stream(w, i))
			;
}

int
watch_run(struct keeper *k, struct watched *ret, struct err *e)
{
	struct watch w = { .k = k,
		.signal_fd = -1,
		.wall = deadline_in_ms(k->order.limits.wall_ms),
		.oom_look = deadline_in_ms(OOM_LOOK_MS) };
	AUTO_FREE char *buffer = malloc(READ_BYTES);
	AUTO_FD int signal_fd = -1;
	int rc = 0;

	if (buffer == NULL)
		return err_sys(e, ENOMEM, "no memory to read the simulation's output");
	if (watch_open_signals(&signal_fd, e) < 0)
		return -1;
	w.buffer = buffer;
	w.signal_fd = signal_fd;
	restart_silence(&w);
	while (rc == 0 && !w.over)
		rc = turn(&w, e);
	end_rest(&w);
	if (rc < 0)
		return -1;
	w.result.oom_kills = oom_kills(k);
	*ret = w.result;
	return 0;
}
