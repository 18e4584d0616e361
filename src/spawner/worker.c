/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker: one thread, one epoll loop.  It keeps no state that the kernel does not also have:
 * after its death the next worker finds the keepers among the processes and the groups in cgroupfs,
 * and makes zygotes of its own.
 */
#include "spawner_internal.h"

#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	EVENTS_PER_TURN = 64,
	IDLE_MS = 5000,
	/* A daemon that has just started us may first have to make a database. */
	FIRST_CONTACT_MS = 120000,
	RETRY_MS = 50,
	/* Cells are made ahead, and taken down, when nothing happened for so long: not while a run
	 * starts, with which they would compete for processors and for the kernel's locks. */
	QUIET_MS = 1,
	LOOK_MS = 1000,   /* for what has not been used for long */
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

/* A host without usable groups is no reason to end: the daemon hears it, and each START fails,
 * unless weaker sandboxes are allowed. */
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
	    cgroup_places_parse(mountinfo, self, &places, &e) == 0) {
		if (w->s->one_uid)
			own_user_groups(&places);
		if (cgroup_host_open(&places, w->s->cgroup_base, &w->host, &e) == 0)
			w->complete = cgroup_host_complete(&w->host);
	}
	if (e.code != ERR_NONE)
		log_err(&w->log, LOG_LEVEL_ERROR, &e, "control groups");
	else if (!w->complete && w->s->one_uid)
		log_warn(&w->log,
		    "memory, CPU time and processes of jobs are not limited, or not all of them, "
		    "and "
		    "memory that ran out is not told apart: no control groups are handed down to "
		    "this user (Delegate=yes in the systemd unit)");
	else if (!w->complete)
		log_error(&w->log,
		    "memory, CPU time and processes cannot all be limited on this host; "
		    "make the memory, cpu and pids controllers available to the spawner");
}

/* The keepers use what there is; that there is less than usual must be seen somewhere. */
static bool
look_at_landlock(const struct worker *w)
{
	long version =
	    syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	if (version >= LANDLOCK_WANTED)
		return true;
	log_warn(&w->log,
	    "this kernel has Landlock version %ld, %d is wanted; sandboxes stand on "
	    "namespaces, mounts and the system call filter",
	    version < 0 ? 0 : version, LANDLOCK_WANTED);
	return false;
}

/* Fail closed: what parts tenants from each other is missing only where somebody allowed it. */
static uint32_t
look_for_weakness(struct worker *w)
{
	uint32_t weak = look_at_landlock(w) ? 0 : SANDBOX_WEAK_LANDLOCK;

	open_groups(w);
	if (!w->complete)
		weak |= SANDBOX_WEAK_LIMITS;
	if (w->s->one_uid)
		weak |= SANDBOX_WEAK_UIDS;
	if (w->s->one_uid ? w->s->refuses : !w->complete)
		weak |= SANDBOX_WEAK_REFUSED;
	return weak;
}

static bool
in_use(void *ctx, const char *name)
{
	struct worker *w = ctx;

	for (size_t i = 0; i < w->runs_end; i++)
		if (w->runs[i].state == RUN_LIVE && strcmp(w->runs[i].group_name, name) == 0)
			return true;
	return cgroup_pool_has(&w->pool, name);
}

/* What the read-back of cells is compared with. */
static int
look_at_own_namespaces(struct worker *w, struct err *e)
{
	for (size_t i = 0; i < KEEPER_NAMESPACES; i++) {
		struct stat st;

		if (stat(keeper_ns_paths[i], &st) < 0)
			return err_sys(e, errno, "cannot look at %s", keeper_ns_paths[i]);
		w->ns[i] = st.st_ino;
	}
	return 0;
}

static int
open_descriptors(struct worker *w, struct err *e)
{
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (w->epoll_fd < 0)
		return err_sys(e, errno, "cannot make an epoll descriptor");
	w->null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (w->null_fd < 0)
		return err_sys(e, errno, "cannot open /dev/null");
	for (int i = 0; i < SECCOMP_PROGRAMS; i++)
		if (sandbox_seccomp_program((enum seccomp_layer)i, &w->filter_fd[i], e) < 0)
			return -1;
	return open_signals(w, e);
}

static int
worker_open(struct worker *w, const struct spawner *s, struct err *e)
{
	*w = (struct worker){
		.s = s, .log = log_component(&s->log, "spawner"), .epoll_fd = -1, .signal_fd = -1
	};
	for (size_t i = 0; i < CONNS_MAX; i++)
		w->conns[i].fd = -1;
	for (size_t i = 0; i < TENANTS_KEPT; i++)
		w->tenants[i] = (struct tenant_ns){ .user_fd = -1, .net_fd = -1 };
	for (size_t i = 0; i < ZYGOTES_MAX; i++)
		w->zygotes[i] = (struct zygote){ .pidfd = -1, .fd = -1, .tree_fd = -1 };
	w->runs = calloc(RUNS_MAX, sizeof(*w->runs));
	if (w->runs == NULL)
		return err_set(e, ERR_NO_MEMORY, "no memory for the table of runs");
	if (open_descriptors(w, e) < 0 || look_at_own_namespaces(w, e) < 0)
		return -1;
	w->weak = look_for_weakness(w);
	if (cgroup_pool_init(&w->pool, &w->host, RUNS_MAX, e) < 0)
		return -1;
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
	case WATCH_ZYGOTE:
		zygote_pidfd_readable(w, slot);
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
	return w->n_runs > w->n_warm;
}

/* Groups of runs whose keeper is dead or not to be proven; true while some are left to try again.
 */
static bool
sweep(struct worker *w)
{
	size_t left;

	if (w->sweep.mono_ns == 0)
		return false;
	left = cgroup_sweep(&w->host, in_use, w);
	if (left > 0 && !deadline_passed(w->sweep))
		return true;
	if (left > 0)
		log_warn(&w->log, "%zu control groups of dead runs could not be removed", left);
	w->sweep = (struct deadline){ 0 };
	return false;
}

/* Children that ended before anybody knew their number.  When every cell is known by a descriptor
 * of its own, a child may be waited for by whoever comes first. */
static bool
reap_strays(struct worker *w)
{
	if (w->strays.mono_ns == 0)
		return false;
	while (w->n_unborn == 0 && waitpid(-1, NULL, WNOHANG) > 0)
		;
	if (deadline_passed(w->strays))
		w->strays = (struct deadline){ 0 };
	return true;
}

static bool
remove_groups(struct worker *w)
{
	size_t lost = 0;
	const bool more = cgroup_pool_look(&w->pool, &lost);

	if (lost > 0)
		log_warn(&w->log, "%zu control groups of runs stay until the next start", lost);
	return more;
}

/* Milliseconds to sleep; 0 when it is time to end. */
static int
next_wait(struct worker *w)
{
	const bool removing = remove_groups(w);
	const bool sweeping = sweep(w);
	const bool reaping = reap_strays(w);
	const bool looking = zygote_look(w);
	int ms, most = -1;

	if (anybody_there(w))
		w->idle = (struct deadline){ 0 };
	else if (w->idle.mono_ns == 0)
		w->idle = deadline_in_ms(w->next_serial == 0 ? FIRST_CONTACT_MS : IDLE_MS);
	ms = deadline_poll_ms(w->idle);
	if (w->refill || w->n_ended > 0)
		most = QUIET_MS;
	else if (removing || sweeping || reaping)
		most = RETRY_MS;
	else if (looking)
		most = LOOK_MS;
	return most >= 0 && (ms < 0 || ms > most) ? most : ms;
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
		 * event for nothing: every handler looks before it acts.  Nobody waits for what is
		 * left of cells, so their ends come last. */
		for (int i = 0; i < n; i++)
			if (events[i].data.u64 >> 32 != WATCH_PIDFD)
				handle(w, events[i].data.u64);
		for (int i = 0; i < n; i++)
			if (events[i].data.u64 >> 32 == WATCH_PIDFD)
				handle(w, events[i].data.u64);
		run_dismiss_due(w);
		if (n == 0)
			run_dismiss(w);
		if (n == 0 && w->refill)
			zygote_refill(w);
		if (read(w->signal_fd, &signal, sizeof(signal)) == sizeof(signal))
			break;
	}
	return 0;
}

int
worker_main(const struct spawner *s)
{
	AUTO_FREE struct worker *w = calloc(1, sizeof(*w));
	struct err e = { 0 };
	int rc = 1;

	if (w == NULL)
		return 1;
	if (worker_open(w, s, &e) == 0)
		rc = worker_loop(w);
	else
		log_err(&w->log, LOG_LEVEL_ERROR, &e, "start");
	/* Runs that are over have no process in their groups any more. */
	for (size_t i = 0; i < w->runs_end; i++)
		if (w->runs[i].state == RUN_OVER && w->runs[i].group != NULL)
			cgroup_pool_put(&w->pool, w->runs[i].group, false);
	cgroup_pool_done(&w->pool);
	cgroup_host_close(&w->host);
	free(w->runs);
	return rc;
}
