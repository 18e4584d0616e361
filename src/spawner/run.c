/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run, from START to the removal of its control groups.  The keeper reports on a socket that it
 * was executed or why it was not; its end is seen on a pidfd, which also works for keepers that an
 * earlier worker started.  The order, without which a keeper ends by itself, is sent last, when the
 * keeper can be found again: a worker that dies on the way leaves nothing alive behind.
 */
#include "spawner_internal.h"

#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* After the keeper's end its groups are empty; what takes longer is the kernel's own work. */
enum { REMOVE_TIMEOUT_MS = 10000 };

/* --- the table ------------------------------------------------------------------------------ */

static bool
same_run(const struct sandbox_run_id *a, const struct sandbox_run_id *b)
{
	return a->epoch == b->epoch && uuid_cmp(a->run, b->run) == 0 &&
	       uuid_cmp(a->tenant.uuid, b->tenant.uuid) == 0;
}

struct run *
run_find(struct worker *w, const struct sandbox_run_id *id)
{
	for (size_t i = 0; i < w->runs_end; i++)
		if (w->runs[i].state != RUN_NONE && same_run(&w->runs[i].id, id))
			return &w->runs[i];
	return NULL;
}

struct run *
run_add(struct worker *w, const struct sandbox_run_id *id)
{
	for (size_t i = 0; i < RUNS_MAX; i++) {
		if (w->runs[i].state != RUN_NONE)
			continue;
		w->runs[i] =
		    (struct run){ .state = RUN_LIVE, .id = *id, .pidfd = -1, .status_fd = -1 };
		w->n_runs++;
		if (i >= w->runs_end)
			w->runs_end = i + 1;
		return &w->runs[i];
	}
	return NULL;
}

void
run_drop(struct worker *w, struct run *r)
{
	fd_close(&r->pidfd);
	fd_close(&r->status_fd);
	r->state = RUN_NONE;
	w->n_runs--;
	while (w->runs_end > 0 && w->runs[w->runs_end - 1].state == RUN_NONE)
		w->runs_end--;
}

static int
fault_at(struct fault *f, enum sandbox_step step, int sys)
{
	*f = (struct fault){ .step = step, .sys = sys };
	return -1;
}

/* --- starting ------------------------------------------------------------------------------- */

/* What a start holds until the sandbox has its own copies. */
struct start {
	struct box box;
	struct cgroup group;
	uint32_t stat_version[CGROUP_STATS];
	size_t n_enter;
	int own_status_fd;
	char path[ID_RUN_PATH_SIZE];
	char name[ID_RUN_PATH_SIZE];
};

static void
start_close(struct start *st)
{
	cgroup_close(&st->group);
	fd_close(&st->box.run_fd);
	fd_close(&st->box.out_fd);
	fd_close(&st->box.status_fd);
	fd_close(&st->own_status_fd);
	for (size_t i = 0; i < CGROUP_TREES_MAX; i++)
		fd_close(&st->box.enter_fd[i]);
	for (size_t i = 0; i < CGROUP_STATS; i++)
		fd_close(&st->box.stat_fd[i]);
}

static void
start_init(struct start *st, const struct worker *w, const struct sandbox_request *q)
{
	*st = (struct start){ .own_status_fd = -1 };
	st->box = (struct box){ .path = st->path,
		.limits = &q->limits,
		.uid = w->s->uid_base + q->uid_slot * KEEPER_UIDS,
		.group = w->s->group,
		.run_fd = -1,
		.out_fd = -1,
		.status_fd = -1,
		.filter_fd = w->filter_fd,
		.keeper_fd = w->s->keeper_fd,
		.userns_fd = -1 };
	memset(st->box.enter_fd, -1, sizeof(st->box.enter_fd));
	memset(st->box.stat_fd, -1, sizeof(st->box.stat_fd));
	(void)id_run_path(q->id.tenant, q->id.run, q->id.epoch, st->path);
	(void)sandbox_run_name(&q->id, st->name);
}

static int
open_run_dir(
    struct start *st, const struct worker *w, const struct sandbox_request *q, struct fault *f)
{
	st->box.run_fd = run_dir_open(w->s, &q->id);
	if (st->box.run_fd < 0)
		return fault_at(f, SANDBOX_STEP_RUN_DIR, errno);
	if (run_dir_has_exit(st->box.run_fd))
		return fault_at(f, SANDBOX_STEP_RUN_DIR, EEXIST);
	return 0;
}

static int
make_groups(struct start *st, const struct worker *w, struct fault *f)
{
	struct err e = { 0 };

	if (!w->complete)
		return fault_at(f, SANDBOX_STEP_CGROUP, ENOTSUP);
	if (cgroup_make(&w->host, st->name, &st->group, &e) < 0 ||
	    cgroup_limit(&st->group, st->box.limits, &e) < 0 ||
	    cgroup_open_enter(&st->group, st->box.enter_fd, &st->n_enter, &e) < 0) {
		log_err(&w->log, LOG_LEVEL_WARN, &e, "control groups of a run");
		return fault_at(f, SANDBOX_STEP_CGROUP, e.sys);
	}
	cgroup_open_stats(&st->group, st->box.stat_fd, st->stat_version);
	return 0;
}

static int
open_status(struct start *st, struct fault *f)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return fault_at(f, SANDBOX_STEP_CLONE, errno);
	st->own_status_fd = pair[0];
	st->box.status_fd = pair[1];
	return 0;
}

static int
clone_box(struct start *st, struct run *r, struct fault *f)
{
	int pidfd = -1;
	struct clone_args args = {
		.flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND | CLONE_NEWPID | CLONE_NEWNS |
			 CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWCGROUP,
		.pidfd = (uintptr_t)&pidfd,
		.exit_signal = SIGCHLD,
	};
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

	if (pid < 0)
		return fault_at(f, SANDBOX_STEP_CLONE, errno);
	if (pid == 0) {
		/* The other end must be this process's alone, so that the worker's death is seen.
		 */
		fd_close(&st->own_status_fd);
		box_main(&st->box);
	}
	r->pid = pid;
	r->pidfd = pidfd;
	r->status_fd = fd_take(&st->own_status_fd);
	fd_close(&st->box.status_fd);
	return 0;
}

static int
send_order(const struct start *st, const struct run *r, struct fault *f)
{
	struct keeper_order order = { .magic = KEEPER_ORDER_MAGIC,
		.version = KEEPER_VERSION,
		.id = r->id,
		.limits = *st->box.limits,
		.n_enter = (uint32_t)st->n_enter };

	memcpy(order.stat_version, st->stat_version, sizeof(order.stat_version));
	/* EPIPE: the child failed already and has said why. */
	if (send(r->status_fd, &order, sizeof(order), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
	    errno != EPIPE)
		return fault_at(f, SANDBOX_STEP_KEEPER, errno);
	return 0;
}

/* Everything after the clone. */
static int
release_box(struct worker *w, struct start *st, struct run *r, struct fault *f)
{
	size_t slot = (size_t)(r - w->runs);
	struct err e = { 0 };

	if (run_out_give(w->s, st->box.out_fd, r, st->box.uid, &e) < 0)
		return fault_at(f, SANDBOX_STEP_RUN_DIR, e.sys);
	if (fd_nonblock(r->status_fd, &e) < 0 ||
	    worker_watch(w, r->status_fd, WATCH_STATUS, slot, &e) < 0 ||
	    worker_watch(w, r->pidfd, WATCH_PIDFD, slot, &e) < 0)
		return fault_at(f, SANDBOX_STEP_CLONE, e.sys);
	return send_order(st, r, f);
}

static int
build(struct worker *w, struct start *st, const struct sandbox_request *q, struct run *r,
    struct fault *f)
{
	struct err e = { 0 };

	if (run_out_make(st->box.run_fd, &st->box.out_fd) < 0)
		return fault_at(f, SANDBOX_STEP_RUN_DIR, errno);
	if (make_groups(st, w, f) < 0)
		return -1;
	if (userns_get(w, q->uid_slot, &st->box.userns_fd, &e) < 0) {
		log_err(&w->log, LOG_LEVEL_WARN, &e, "user namespace of a tenant");
		return fault_at(f, SANDBOX_STEP_USER_MAP, e.sys);
	}
	if (open_status(st, f) < 0 || clone_box(st, r, f) < 0)
		return -1;
	return release_box(w, st, r, f);
}

static void
reap(struct run *r, int options)
{
	siginfo_t info;

	/* ECHILD: an adopted keeper is the monitor's to reap. */
	while (waitid(P_PIDFD, (id_t)r->pidfd, &info, WEXITED | options) < 0 && errno == EINTR)
		;
}

/* Leaves nothing of a start that failed; an out/ that was there before is not touched. */
static void
undo(struct worker *w, struct start *st, struct run *r)
{
	if (r->pidfd >= 0) {
		run_signal(r, SIGKILL);
		reap(r, 0);
	}
	cgroup_close(&st->group);
	if (!cgroup_remove(&w->host, st->name))
		log_warn(&w->log, "control groups of %s stay until the next start", st->name);
	if (st->box.out_fd >= 0)
		run_out_remove(st->box.run_fd);
}

int
run_start(struct worker *w, const struct sandbox_request *q, struct fault *f)
{
	struct start st;
	struct run *r = NULL;
	int rc;

	start_init(&st, w, q);
	rc = open_run_dir(&st, w, q, f);
	if (rc == 0 && (r = run_add(w, &q->id)) == NULL)
		rc = fault_at(f, SANDBOX_STEP_CLONE, EAGAIN);
	if (r != NULL && (rc = build(w, &st, q, r, f)) < 0) {
		undo(w, &st, r);
		run_drop(w, r);
	}
	start_close(&st);
	return rc;
}

/* --- living --------------------------------------------------------------------------------- */

static void
tell(struct worker *w, const struct run *r, enum sandbox_event_kind kind)
{
	const struct sandbox_event ev = { .protocol = SANDBOX_PROTOCOL,
		.kind = kind,
		.id = r->id,
		.step = r->fault.step,
		.sys = r->fault.sys,
		.pid = r->pid };

	conn_tell_newest(w, &ev);
}

void
run_signal(struct run *r, int sig)
{
	if (r->pidfd >= 0)
		(void)syscall(
		    SYS_pidfd_send_signal, r->pidfd, sig, NULL, 0); /* ESRCH: it is over */
}

void
run_status_readable(struct worker *w, size_t slot)
{
	struct run *r = &w->runs[slot];
	char bytes[sizeof(struct keeper_report) + 1];
	struct keeper_report report;
	struct err e = { 0 };
	ssize_t n;

	if (r->state != RUN_LIVE || r->status_fd < 0)
		return;
	n = recv(r->status_fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0 && keeper_report_decode(bytes, (size_t)n, &report, &e) == 0) {
		r->fault = (struct fault){ .step = report.step, .sys = report.sys };
		if (report.kind == KEEPER_STARTED && !r->started) {
			r->started = true;
			tell(w, r, SANDBOX_STARTED);
		}
		return;
	}
	if (n > 0)
		log_err(&w->log, LOG_LEVEL_ERROR, &e, "a keeper's report");
	fd_close(&r->status_fd); /* its end is the pidfd's to tell */
}

static void
remove_groups(struct worker *w, struct run *r)
{
	char name[ID_RUN_PATH_SIZE];

	if (cgroup_remove(&w->host, sandbox_run_name(&r->id, name))) {
		run_drop(w, r);
		return;
	}
	if (r->state == RUN_LIVE) {
		r->state = RUN_REMOVING;
		r->give_up = deadline_in_ms(REMOVE_TIMEOUT_MS);
	} else if (deadline_passed(r->give_up)) {
		log_warn(&w->log, "control groups of %s stay until the next start", name);
		run_drop(w, r);
	}
}

bool
run_retry_removals(struct worker *w)
{
	bool more = false;

	for (size_t i = 0; i < w->runs_end; i++) {
		if (w->runs[i].state == RUN_REMOVING)
			remove_groups(w, &w->runs[i]);
		more = more || w->runs[i].state == RUN_REMOVING;
	}
	return more;
}

/* The sandbox is gone.  Without a start and without a record it never was: nothing is left of it.
 */
static void
finish(struct worker *w, struct run *r)
{
	AUTO_FD int run_fd = run_dir_open(w->s, &r->id);
	AUTO_FD int out_fd = -1;

	if (r->started || run_fd < 0 || run_dir_has_exit(run_fd)) {
		if (run_fd >= 0)
			out_fd =
			    openat(run_fd, "out", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (out_fd >= 0)
			(void)unlinkat(out_fd, "keeper", 0); /* names a process that is over */
		r->fault = (struct fault){ 0 };
		tell(w, r, SANDBOX_ENDED);
		return;
	}
	if (r->fault.step == SANDBOX_STEP_NONE)
		r->fault = (struct fault){ SANDBOX_STEP_KEEPER, ECHILD };
	run_out_remove(run_fd);
	tell(w, r, SANDBOX_FAILED);
}

void
run_pidfd_readable(struct worker *w, size_t slot)
{
	struct run *r = &w->runs[slot];
	struct pollfd over = { .fd = r->pidfd, .events = POLLIN };

	/* An event that came late may be about the slot's last run. */
	if (r->state != RUN_LIVE || poll(&over, 1, 0) != 1)
		return;
	/* What it said last may still be unread. */
	run_status_readable(w, slot);
	reap(r, WNOHANG);
	finish(w, r);
	fd_close(&r->pidfd);
	fd_close(&r->status_fd);
	remove_groups(w, r);
}

int
run_purge(struct worker *w, const struct sandbox_run_id *id, struct fault *f)
{
	AUTO_FD int run_fd = -1;
	char name[ID_RUN_PATH_SIZE];
	struct run *r = run_find(w, id);

	if (r != NULL && r->state == RUN_LIVE)
		return fault_at(f, SANDBOX_STEP_RECORD, EBUSY);
	if (!cgroup_remove(&w->host, sandbox_run_name(id, name)))
		return fault_at(f, SANDBOX_STEP_CGROUP, EBUSY);
	run_fd = run_dir_open(w->s, id);
	if (run_fd >= 0 && !run_dir_has_exit(run_fd))
		run_out_remove(run_fd);
	return 0;
}
