/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the exec to the end of the last process: copies the streams, counts time, CPU time and
 * silence, takes samples, passes on the wish to end.  Every way to end it early is the same way
 * (stop.c), and the first reason stays.  When the main process is gone, so is, a moment later,
 * everything else.
 */
#include "keeper_internal.h"

#include "fd.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	/* Version 1 groups kill one process and let the rest wait for it for ever. */
	OOM_LOOK_MS = 1000,
	/* A run may use up to this, times its CPUs, beyond its CPU time before it is seen. */
	CPU_LOOK_LEAST_MS = 20,
	/* A start is told when it has lasted this long: the end of a shorter run says it, too, and
	 * waking everybody twice would take longer than that run. */
	TELL_MS = 2,
	MS = 1000000,
};

struct watch {
	struct keeper *k;
	struct watched result;
	int64_t n_read; /* bytes of both streams */
	bool over;      /* the main process is */
	struct stop stop;
	struct sampler sampler;
	struct deadline tell, wall, silence, cpu_look, oom_look;
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

/* --- CPU time ------------------------------------------------------------------------------- */

/* No run gains CPU time faster than this many times the clock. */
static int64_t
parallel(const struct keeper *k)
{
	const int64_t quota = (k->order.limits.cpu_milli + 999) / 1000;
	cpu_set_t set;
	int64_t cpus, pinned = 0;

	cpus = sched_getaffinity(0, sizeof(set), &set) < 0 ? quota : CPU_COUNT(&set);
	for (size_t i = 0; i < SANDBOX_CPU_WORDS; i++)
		pinned += __builtin_popcountll(k->order.cpu_set[i]);
	if (pinned > 0 && pinned < cpus)
		cpus = pinned;
	if (quota < cpus)
		cpus = quota;
	return cpus < 1 ? 1 : cpus;
}

/* Looks again when the rest could be used up, and so ever closer to the moment when it is. */
static void
look_at_cpu_time(struct watch *w)
{
	const int64_t limit_ms = w->k->order.limits.cpu_ms;
	int64_t left_ms, wait_ms;

	if (limit_ms == 0)
		return;
	left_ms = limit_ms - account_used(w->k, CGROUP_STAT_CPU) / MS;
	wait_ms = left_ms / parallel(w->k);
	if (left_ms <= 0) {
		stop_begin(&w->stop, w->k, SANDBOX_CPU_TIME);
		return;
	}
	if (wait_ms < CPU_LOOK_LEAST_MS)
		wait_ms = CPU_LOOK_LEAST_MS;
	w->cpu_look = deadline_in_ms(wait_ms);
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

/* By the kernel's word, which no sender can choose: from a process outside this pid namespace. */
static bool
is_from_outside(const struct signalfd_siginfo *s)
{
	return s->ssi_code == SI_USER && s->ssi_pid == 0;
}

static void
read_signals(struct watch *w)
{
	struct signalfd_siginfo s;

	while (read(w->k->signal_fd, &s, sizeof(s)) == sizeof(s)) {
		/* Whoever has ended by itself is not told to. */
		reap(w);
		if (w->over || !is_from_outside(&s))
			continue;
		if (s.ssi_signo == KEEPER_SIGNAL_STOP)
			stop_begin(&w->stop, w->k, SANDBOX_STOPPED);
		else if (s.ssi_signo == KEEPER_SIGNAL_KILL)
			stop_now(&w->stop, SANDBOX_STOPPED);
	}
}

/* Takes what one read gives; false at the end of the stream or when nothing is there. */
static bool
read_stream(struct watch *w, int i)
{
	ssize_t n;

	if (w->k->pipe_read[i] < 0)
		return false;
	n = read(w->k->pipe_read[i], w->k->buffer, sizeof(w->k->buffer));
	if (n > 0) {
		run_log_add(&w->k->log, (uint32_t)i + 1, w->k->buffer, (size_t)n);
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
	/* It ended by itself, however late this process came to see it: it may have stood still
	 * since it looked last. */
	if (deadline_passed(w->wall) || deadline_passed(w->silence))
		reap(w);
	if (w->over)
		return;
	if (deadline_passed(w->tell)) {
		(void)keeper_report(KEEPER_STARTED, 0, 0); /* nobody hears: the run goes on */
		w->tell = (struct deadline){ 0 };
	}
	if (deadline_passed(w->wall))
		stop_begin(&w->stop, w->k, SANDBOX_WALL);
	if (deadline_passed(w->silence))
		stop_begin(&w->stop, w->k, SANDBOX_NO_OUTPUT);
	if (deadline_passed(w->cpu_look))
		look_at_cpu_time(w);
	if (deadline_passed(w->oom_look)) {
		if (account_used(w->k, CGROUP_STAT_OOM) > 0)
			stop_now(&w->stop, SANDBOX_OOM);
		w->oom_look = deadline_in_ms(OOM_LOOK_MS);
	}
	stop_look(&w->stop, w->k);
	sampler_look(&w->sampler, w->k);
}

static int
next_wait(const struct watch *w)
{
	/* The last three are reasons to end, and one is enough. */
	const struct deadline all[] = { w->tell, w->stop.next, w->oom_look, w->sampler.next,
		w->wall, w->silence, w->cpu_look };
	const size_t n = w->stop.reason == 0 ? ARRAY_LEN(all) : ARRAY_LEN(all) - 3;
	int ms = -1;

	for (size_t i = 0; i < n; i++) {
		int left = deadline_poll_ms(all[i]);

		if (left >= 0 && (ms < 0 || left < ms))
			ms = left;
	}
	return ms;
}

static int
turn(struct watch *w, struct err *e)
{
	struct pollfd p[1 + STREAMS] = { { .fd = w->k->signal_fd, .events = POLLIN } };
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

	/* Without a child there is nobody else in the namespace, and no need to go through every
	 * process of the host. */
	while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) == 0) {
		(void)kill(-1, SIGKILL);
		(void)waitid(P_ALL, 0, &info, WEXITED); /* looked at again above */
	}
	/* All writers are dead: what is still in the pipes is all that will ever come. */
	for (int i = 0; i < STREAMS; i++)
		while (read_stream(w, i))
			;
}

int
watch_run(struct keeper *k, struct watched *ret, struct err *e)
{
	struct watch w = { .k = k,
		.tell = deadline_in_ms(TELL_MS),
		.wall = deadline_in_ms(k->order.limits.wall_ms),
		.oom_look = deadline_in_ms(OOM_LOOK_MS) };
	int rc = 0;

	restart_silence(&w);
	sampler_begin(&w.sampler, k);
	look_at_cpu_time(&w);
	while (rc == 0 && !w.over)
		rc = turn(&w, e);
	end_rest(&w);
	account_over(k);
	sampler_close(&w.sampler);
	if (rc < 0)
		return -1;
	w.result.reason = w.stop.reason;
	w.result.oom_kills = account_used(k, CGROUP_STAT_OOM);
	*ret = w.result;
	return 0;
}
