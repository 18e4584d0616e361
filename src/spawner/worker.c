/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker: one thread, one epoll loop.  It keeps no state that the kernel does not also have:
 * after its death the next worker finds the keepers among the processes and the groups in cgroupfs.
 */
#include "spawner_internal.h"

#include "fd.h"

#include <errno.h>
#include <linux/landlock.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	EVENTS_PER_TURN = 64,
	IDLE_MS = 5000,
	/* A daemon that has just started us may first have to make a database. */
	FIRST_CONTACT_MS = 120000,
	REMOVE_RETRY_MS = 50,
	SWEEP_MS = 10000, /* the kernel takes its time with processes that were just killed */
	MOUNTINFO_MAX = 4 << 20,
	LANDLOCK_WANTED =
	    1, /* files; Debian 12's kernel has version 2, signals are scoped from 6 on */
};

int
worker_watch(struct worker *w, int fd, enum watch_kind kind, size_t slot, struct err *e)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = (uint64_t)kind << 32 | slot };

	if (epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return err_sys(e, errno, "cannot watch a descriptor");
	return 0;
}

static int
open_signals(struct worker *w, struct err *e)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	w->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (w->signal_fd < 0)
		return err_sys(e, errno, "cannot open a signal descriptor");
	return worker_watch(w, w->signal_fd, WATCH_SIGNAL, 0, e);
}

/* A host without usable groups is no reason to end: the daemon hears it, and each START fails. */
static void
open_groups(struct worker *w)
{
	AUTO_FREE char *mountinfo = NULL;
	AUTO_FREE char *self = NULL;
	struct cgroup_places places;
	struct err e = { 0 };
	size_t n;

	if (fd_read_file(-1, "/proc/self/mountinfo", MOUNTINFO_MAX, &mountinfo, &n, &e) == 0 &&
	    fd_read_file(-1, "/proc/self/cgroup", MOUNTINFO_MAX, &self, &n, &e) == 0 &&
	    mountinfo != NULL && self != NULL &&
	    cgroup_places_parse(mountinfo, self, &places, &e) == 0 &&
	    cgroup_host_open(&places, w->s->cgroup_base, &w->host, &e) == 0)
		w->complete = cgroup_host_complete(&w->host);
	if (e.code != ERR_NONE)
		log_err(&w->log, LOG_LEVEL_ERROR, &e, "control groups");
	else if (!w->complete)
		log_error(&w->log,
		    "memory, CPU time and processes cannot all be limited on this host; "
		    "make the memory, cpu and pids controllers available to the spawner");
}

/* The keepers use what there is; that there is less than usual must be seen somewhere. */
static void
look_at_landlock(const struct worker *w)
{
	long version =
	    syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	if (version < LANDLOCK_WANTED)
		log_warn(&w->log,
		    "this kernel has Landlock version %ld, %d is wanted; sandboxes stand on "
		    "namespaces, mounts and the system call filter",
		    version < 0 ? 0 : version, LANDLOCK_WANTED);
}

static bool
lives(void *ctx, const char *name)
{
	struct worker *w = ctx;
	char run[ID_RUN_PATH_SIZE];

	for (size_t i = 0; i < w->runs_end; i++)
		if (w->runs[i].state == RUN_LIVE &&
		    strcmp(sandbox_run_name(&w->runs[i].id, run), name) == 0)
			return true;
	return false;
}

static int
worker_open(struct worker *w, const struct spawner *s, struct err *e)
{
	*w = (struct worker){ .s = s,
		.log = log_component(&s->log, "spawner"),
		.epoll_fd = -1,
		.signal_fd = -1,
		.filter_fd = -1 };
	for (size_t i = 0; i < CONNS_MAX; i++)
		w->conns[i].fd = -1;
	for (size_t i = 0; i < USERNS_KEPT; i++)
		w->userns[i].fd = -1;
	w->runs = calloc(RUNS_MAX, sizeof(*w->runs));
	if (w->runs == NULL)
		return err_set(e, ERR_NO_MEMORY, "no memory for the table of runs");
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (w->epoll_fd < 0)
		return err_sys(e, errno, "cannot make an epoll descriptor");
	if (open_signals(w, e) < 0 || sandbox_seccomp_program(&w->filter_fd, e) < 0)
		return -1;
	look_at_landlock(w);
	open_groups(w);
	adopt_keepers(w);
	w->sweep = deadline_in_ms(SWEEP_MS);
	return worker_watch(w, s->listen_fd, WATCH_LISTEN, 0, e);
}

static void
handle(struct worker *w, uint64_t data)
{
	const size_t slot = (uint32_t)data;

	switch ((enum watch_kind)(data >> 32)) {
	case WATCH_LISTEN:
		conn_accept(w);
		return;
	case WATCH_CONN:
		conn_readable(w, slot);
		return;
	case WATCH_PIDFD:
		run_pidfd_readable(w, slot);
		return;
	case WATCH_STATUS:
		run_status_readable(w, slot);
		return;
	case WATCH_SIGNAL:
		return; /* looked at by the loop */
	}
}

static bool
anybody_there(const struct worker *w)
{
	for (size_t i = 0; i < CONNS_MAX; i++)
		if (w->conns[i].fd >= 0)
			return true;
	return w->n_runs > 0;
}

/* Groups of runs whose keeper is dead or not to be proven; true while some are left to try again.
 */
static bool
sweep(struct worker *w)
{
	size_t left;

	if (w->sweep.mono_ns == 0)
		return false;
	left = cgroup_sweep(&w->host, lives, w);
	if (left > 0 && !deadline_passed(w->sweep))
		return true;
	if (left > 0)
		log_warn(&w->log, "%zu control groups of dead runs could not be removed", left);
	w->sweep = (struct deadline){ 0 };
	return false;
}

/* Milliseconds to sleep; 0 when it is time to end. */
static int
next_wait(struct worker *w)
{
	const bool removing = run_retry_removals(w);
	const bool retry = sweep(w) || removing;
	int ms;

	if (anybody_there(w))
		w->idle = (struct deadline){ 0 };
	else if (w->idle.mono_ns == 0)
		w->idle = deadline_in_ms(w->next_serial == 0 ? FIRST_CONTACT_MS : IDLE_MS);
	ms = deadline_poll_ms(w->idle);
	return retry && (ms < 0 || ms > REMOVE_RETRY_MS) ? REMOVE_RETRY_MS : ms;
}

static int
worker_loop(struct worker *w)
{
	struct epoll_event events[EVENTS_PER_TURN];
	struct signalfd_siginfo signal;
	int ms;

	while ((ms = next_wait(w)) != 0) {
		int n = epoll_wait(w->epoll_fd, events, EVENTS_PER_TURN, ms);

		if (n < 0 && errno != EINTR) {
			log_error(&w->log, "epoll_wait failed; the worker is started again");
			return 1;
		}
		/* A slot that an earlier event of this turn emptied or filled anew takes a late
		 * event for nothing: every handler looks before it acts. */
		for (int i = 0; i < n; i++)
			handle(w, events[i].data.u64);
		if (read(w->signal_fd, &signal, sizeof(signal)) == sizeof(signal))
			break;
	}
	return 0;
}

int
worker_main(const struct spawner *s)
{
	struct err e = { 0 };
	struct worker w;
	int rc = 1;

	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (worker_open(&w, s, &e) == 0)
		rc = worker_loop(&w);
	else
		log_err(&w.log, LOG_LEVEL_ERROR, &e, "start");
	cgroup_host_close(&w.host);
	free(w.runs);
	return rc;
}
