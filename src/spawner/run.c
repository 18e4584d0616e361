/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run, from START to the end of its cell.  START finds the run's directory, takes control groups
 * and a cell, and sends the cell its order with everything that it needs.  What follows are the
 * cell's own words: STARTED, or FAILED with a reason, and ENDED when the record is in place.  That
 * one is passed on at once; what is left, the end of the cell and the return of the groups, nobody
 * waits for: the cell stays until a quiet moment, or until a few of them have come together.  A
 * cell that ends without a word is seen on its pidfd, which also works for keepers that an earlier
 * worker started.
 */
#include "spawner_internal.h"

#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* How long a child that said nothing may take to end: the kernel tears its namespaces down. */
enum { STRAY_MS = 10000, TRIES = 3 };

/* What takes a sandbox down is as much work as what builds one, and takes the processors from runs
 * that begin just then.  Neither many nor long: its memory is still in use. */
enum { LINGER_MS = 5, LINGERERS = 8 };

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
		if (w->runs[i].state == RUN_LIVE && same_run(&w->runs[i].id, id))
			return &w->runs[i];
	return NULL;
}

struct run *
run_add(struct worker *w, enum run_state state)
{
	for (size_t i = 0; i < RUNS_MAX; i++) {
		if (w->runs[i].state != RUN_NONE)
			continue;
		w->runs[i] = (struct run){ .state = state,
			.pidfd = -1,
			.status_fd = -1,
			.scratch_fd = -1,
			.zygote = ZYGOTES_MAX };
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
	/* Made, maybe, and ended without a word: its number is not known. */
	if (r->unborn) {
		w->n_unborn--;
		w->strays = deadline_in_ms(STRAY_MS);
	}
	fd_close(&r->pidfd);
	fd_close(&r->status_fd);
	fd_close(&r->scratch_fd);
	r->state = RUN_NONE;
	w->n_runs--;
	while (w->runs_end > 0 && w->runs[w->runs_end - 1].state == RUN_NONE)
		w->runs_end--;
}

int
fault_at(struct fault *f, enum sandbox_step step, int sys)
{
	*f = (struct fault){ .step = step, .sys = sys };
	return -1;
}

/* --- starting ------------------------------------------------------------------------------- */

/* The daemon gives each device to one run; a second one that asks is a fault of its. */
static bool
gpus_are_free(const struct worker *w, uint64_t gpus)
{
	for (size_t i = 0; i < w->runs_end; i++)
		if (w->runs[i].state == RUN_LIVE && (w->runs[i].gpus & gpus) != 0)
			return false;
	return true;
}

static int
take_group(
    struct worker *w, const struct sandbox_request *q, struct cgroup_pooled **ret, struct fault *f)
{
	AUTO_FD int usr_fd = -1;
	struct err e = { 0 };

	if (cgroup_extras_wanted(q))
		usr_fd = open("/usr", O_PATH | O_CLOEXEC); /* roots of tenants lie with the state */
	if (cgroup_pool_take(
		&w->pool, q->uid_slot, q, (const int[]){ w->s->state_fd, usr_fd }, ret, &e) == 0)
		return 0;
	log_err(&w->log, LOG_LEVEL_WARN, &e, "control groups of a run");
	return fault_at(f, e.sys == ENODEV ? SANDBOX_STEP_CPU_SET : SANDBOX_STEP_CGROUP, e.sys);
}

/* A cell that waits, or a new one; r comes to be in either case. */
static int
take_cell(struct worker *w, const struct sandbox_request *q, struct run **ret, struct fault *f)
{
	struct run *r = NULL;
	size_t zygote;

	if (zygote_get(w, q, &zygote, f) < 0)
		return -1;
	if (cpu_set_empty(q->cpu_set))
		r = zygote_take_warm(w, zygote, &q->limits);
	if (r == NULL) {
		r = run_add(w, RUN_LIVE);
		if (r == NULL)
			return fault_at(f, SANDBOX_STEP_CLONE, EAGAIN);
		r->scratch_bytes = q->limits.scratch_bytes;
		r->scratch_files = q->limits.scratch_files;
		r->late_filter = !cpu_set_empty(q->cpu_set);
		if (zygote_ask(w, zygote, r, f) < 0) {
			run_drop(w, r);
			return -1;
		}
	}
	*ret = r;
	return 0;
}

/* What a start holds until there is a cell that holds it. */
struct start {
	const struct sandbox_request *q;
	int run_fd, out_fd;
	struct cgroup_pooled *group;
};

/* out/ for the keeper, and groups for the simulation. */
static int
make_parts(struct worker *w, struct start *st, struct fault *f)
{
	const uid_t owner = tenant_uid(w->s, st->q->uid_slot);

	if (run_out_make(w->s, st->run_fd, owner, &st->out_fd) < 0)
		return fault_at(f, SANDBOX_STEP_RUN_DIR, errno);
	if (take_group(w, st->q, &st->group, f) == 0)
		return 0;
	run_out_remove(st->run_fd);
	return -1;
}

/* With the socket closed the cell ends by itself. */
static void
undo(struct worker *w, struct run *r)
{
	fd_close(&r->status_fd);
	r->state = RUN_OVER;
	if (r->pid == 0)
		run_drop(w, r);
}

static void
fill_fds(const struct worker *w, const struct start *st, int ret[static KEEPER_ORDER_FDS])
{
	const struct cgroup_pooled *g = st->group;

	for (int i = 0; i < KEEPER_ORDER_FDS; i++)
		ret[i] = w->null_fd;
	ret[0] = st->run_fd;
	ret[KEEPER_FD_OUT - KEEPER_FD_RUN] = st->out_fd;
	for (size_t i = 0; i < g->n_enter; i++)
		ret[KEEPER_FD_ENTER - KEEPER_FD_RUN + (int)i] = g->enter_fd[i];
	for (int i = 0; i < CGROUP_STATS; i++)
		if (g->stat_fd[i] >= 0)
			ret[KEEPER_FD_STAT - KEEPER_FD_RUN + i] = g->stat_fd[i];
}

static int
send_order(const struct worker *w, const struct start *st, const struct run *r)
{
	const struct sandbox_request *q = st->q;
	const struct cgroup_pooled *g = st->group;
	struct keeper_order order = { .magic = KEEPER_ORDER_MAGIC,
		.version = KEEPER_VERSION,
		.id = q->id,
		.limits = q->limits,
		.n_enter = (uint32_t)g->n_enter };
	int fds[KEEPER_ORDER_FDS];
	union {
		char bytes[CMSG_SPACE(sizeof(fds))];
		struct cmsghdr head;
	} control = { .head = { .cmsg_len = CMSG_LEN(sizeof(fds)),
			  .cmsg_level = SOL_SOCKET,
			  .cmsg_type = SCM_RIGHTS } };
	struct iovec iov = { &order, sizeof(order) };
	const struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };

	memcpy(order.stat_version, g->stat_version, sizeof(order.stat_version));
	memcpy(order.before, g->before, sizeof(order.before));
	memcpy(order.cpu_set, q->cpu_set, sizeof(order.cpu_set));
	(void)snprintf(order.group, sizeof(order.group), "%.*s", KEEPER_GROUP_SIZE - 1,
	    g->name); /* the pool's own names are shorter */
	fill_fds(w, st, fds);
	memcpy(CMSG_DATA(&control.head), fds, sizeof(fds));
	return sendmsg(r->status_fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof(order) ? 0 : -1;
}

/* A cell or a zygote that somebody killed a moment ago shows here first: another one is tried. */
static int
give_order(struct worker *w, const struct start *st, struct run *r, struct fault *f)
{
	for (int i = 0; i < TRIES; i++) {
		if (r == NULL && take_cell(w, st->q, &r, f) < 0) {
			if (f->sys != EPIPE)
				return -1;
			continue;
		}
		r->id = st->q->id;
		r->gpus = st->q->gpus;
		if (send_order(w, st, r) == 0) {
			r->group = st->group;
			(void)snprintf(r->group_name, sizeof(r->group_name), "%s", st->group->name);
			return 0;
		}
		(void)fault_at(f, SANDBOX_STEP_KEEPER, errno); /* -1 */
		undo(w, r);
		r = NULL;
	}
	return -1;
}

/* The cell comes first: while the zygote makes it, the rest is made here. */
static int
start_in(struct worker *w, struct start *st, struct fault *f)
{
	struct run *r = NULL;

	if (take_cell(w, st->q, &r, f) < 0 && f->sys != EPIPE)
		return -1;
	if (make_parts(w, st, f) < 0) {
		if (r != NULL)
			undo(w, r);
		return -1;
	}
	if (give_order(w, st, r, f) == 0)
		return 0;
	cgroup_pool_put(&w->pool, st->group, true);
	run_out_remove(st->run_fd);
	return -1;
}

int
run_start(struct worker *w, const struct sandbox_request *q, struct fault *f)
{
	struct start st = { .q = q, .out_fd = -1 };
	int rc;

	if ((w->weak & SANDBOX_WEAK_REFUSED) != 0)
		return w->s->refuses ? fault_at(f, SANDBOX_STEP_USER_MAP, EPERM)
				     : fault_at(f, SANDBOX_STEP_CGROUP, ENOTSUP);
	if (q->gpus != 0 && !gpus_are_free(w, q->gpus))
		return fault_at(f, SANDBOX_STEP_GPU, EBUSY);
	st.run_fd = run_dir_open(w->s, &q->id);
	if (st.run_fd < 0)
		return fault_at(f, SANDBOX_STEP_RUN_DIR, errno);
	rc = faccessat(st.run_fd, "out", F_OK, AT_SYMLINK_NOFOLLOW) == 0
		 ? fault_at(f, SANDBOX_STEP_RUN_DIR, EEXIST)
		 : start_in(w, &st, f);
	fd_close(&st.out_fd);
	fd_close(&st.run_fd);
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

static void
send_signal(const struct run *r, int sig)
{
	(void)syscall(SYS_pidfd_send_signal, r->pidfd, sig, NULL, 0); /* ESRCH: it is over */
}

static int
born(struct worker *w, struct run *r, const struct ucred *who)
{
	const size_t slot = (size_t)(r - w->runs);
	const uid_t uid = tenant_uid(w->s, r->slot);
	struct err e = { 0 };

	/* The kernel's word for whom the cell has become. */
	if (who->pid <= 1 || who->uid != uid || r->pid != 0) {
		r->fault = (struct fault){ SANDBOX_STEP_CREDENTIALS, EPERM };
		return -1;
	}
	r->pidfd = pidfd_open(who->pid, 0);
	if (r->pidfd < 0 || worker_watch(w, r->pidfd, WATCH_PIDFD, slot, &e) < 0) {
		r->fault = (struct fault){ SANDBOX_STEP_CLONE, errno };
		fd_close(&r->pidfd);
		return -1;
	}
	r->pid = who->pid;
	r->unborn = false;
	w->n_unborn--;
	if (r->signal != 0)
		send_signal(r, r->signal);
	return 0;
}

/* What came with a record. */
struct extras {
	struct ucred who; /* pid 0: nobody */
	int fd;           /* -1: none */
};

static void
take_extras(struct msghdr *m, struct extras *ret)
{
	*ret = (struct extras){ .fd = -1 };
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_CREDENTIALS && c->cmsg_len == CMSG_LEN(sizeof(ret->who)))
			memcpy(&ret->who, CMSG_DATA(c), sizeof(ret->who));
		else if (c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(ret->fd)))
			memcpy(&ret->fd, CMSG_DATA(c), sizeof(ret->fd));
	}
}

/* One record: 1, 0 when there is none now, -1 at the end or for nonsense. */
static int
receive(const struct run *r, struct keeper_report *ret, struct extras *x)
{
	union {
		char bytes[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	char bytes[sizeof(*ret) + 1];
	struct iovec iov = { bytes, sizeof(bytes) };
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	struct err ignored = { 0 }; /* a keeper that talks nonsense is not heard any more */
	ssize_t n = recvmsg(r->status_fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	/* That it ended with an order unread is told first, and once; its words lie behind. */
	if (n < 0 && errno == ECONNRESET)
		n = recvmsg(r->status_fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return -1;
	take_extras(&m, x);
	if (keeper_report_decode(bytes, (size_t)n, ret, &ignored) == 0)
		return 1;
	fd_close(&x->fd);
	return -1;
}

static int
on_report(struct worker *w, struct run *r, const struct keeper_report *report, struct extras *x)
{
	switch ((enum keeper_report_kind)report->kind) {
	case KEEPER_READY:
		if (born(w, r, &x->who) < 0)
			return -1;
		if (r->state == RUN_WARM)
			r->scratch_fd = fd_take(&x->fd);
		return 0;
	case KEEPER_STARTED:
		if (r->state == RUN_LIVE && !r->started)
			tell(w, r, SANDBOX_STARTED);
		r->started = true;
		return 0;
	case KEEPER_ENDED:
		if (r->state == RUN_LIVE && !r->started && report->step == SANDBOX_STEP_NONE)
			tell(w, r, SANDBOX_STARTED); /* it was too short to be told before */
		if (r->state == RUN_LIVE)
			tell(w, r, SANDBOX_ENDED);
		r->state = RUN_OVER;
		if (w->n_ended++ == 0)
			w->dismiss = deadline_in_ms(LINGER_MS);
		return 0;
	case KEEPER_FAILED:
		r->fault = (struct fault){ .step = report->step, .sys = report->sys };
		return 0;
	}
	return -1;
}

/* The sandbox is gone and has not said how.  Without a start and without a record it never was:
 * nothing is left of it. */
static void
finish(struct worker *w, struct run *r)
{
	AUTO_FD int run_fd = run_dir_open(w->s, &r->id);

	if (r->started || run_fd < 0 || run_dir_has_exit(run_fd)) {
		r->fault = (struct fault){ 0 };
		tell(w, r, SANDBOX_ENDED);
		return;
	}
	if (r->fault.step == SANDBOX_STEP_NONE)
		r->fault = (struct fault){ SANDBOX_STEP_KEEPER, ECHILD };
	run_out_remove(run_fd);
	tell(w, r, SANDBOX_FAILED);
}

/* Nothing of it is left. */
static void
over(struct worker *w, struct run *r)
{
	const bool clean = r->state == RUN_OVER && !r->killed;

	if (r->state == RUN_LIVE)
		finish(w, r);
	if (r->state == RUN_WARM)
		w->n_warm--;
	if (r->group != NULL)
		cgroup_pool_put(&w->pool, r->group, clean);
	else if (r->group_name[0] != '\0')
		cgroup_pool_remove(&w->pool, r->group_name);
	run_drop(w, r);
}

void
run_status_readable(struct worker *w, size_t slot)
{
	struct run *r = &w->runs[slot];
	struct keeper_report report;
	struct extras x;
	int rc;

	if (r->state == RUN_NONE || r->status_fd < 0)
		return;
	while ((rc = receive(r, &report, &x)) > 0) {
		rc = on_report(w, r, &report, &x);
		fd_close(&x.fd);
		if (rc < 0)
			break;
	}
	if (rc == 0)
		return;
	fd_close(&r->status_fd); /* the end of a cell that is known is the pidfd's to tell */
	if (r->pid != 0)
		return;
	if (r->fault.step == SANDBOX_STEP_NONE)
		r->fault = zygote_fault(w, r->zygote);
	over(w, r);
}

void
run_pidfd_readable(struct worker *w, size_t slot)
{
	struct run *r = &w->runs[slot];
	struct pollfd gone = { .fd = r->pidfd, .events = POLLIN };
	siginfo_t info;

	/* An event that came late may be about the slot's last run. */
	if (r->state == RUN_NONE || r->pidfd < 0 || poll(&gone, 1, 0) != 1)
		return;
	/* What it said last may still be unread. */
	run_status_readable(w, slot);
	/* ECHILD: an adopted keeper is the monitor's to reap. */
	while (waitid(P_PIDFD, (id_t)r->pidfd, &info, WEXITED | WNOHANG) < 0 && errno == EINTR)
		;
	over(w, r);
}

void
run_dismiss(struct worker *w)
{
	for (size_t i = 0; i < w->runs_end && w->n_ended > 0; i++)
		if (w->runs[i].state == RUN_OVER)
			fd_close(&w->runs[i].status_fd);
	w->n_ended = 0;
	w->dismiss = (struct deadline){ 0 };
}

void
run_dismiss_due(struct worker *w)
{
	if (w->n_ended >= LINGERERS || deadline_passed(w->dismiss))
		run_dismiss(w);
}

void
run_signal(struct worker *w, struct run *r, int sig)
{
	/* Its first word may be unread. */
	if (r->pid == 0)
		run_status_readable(w, (size_t)(r - w->runs));
	if (r->state != RUN_LIVE)
		return;
	if (r->pid != 0) {
		send_signal(r, sig);
	} else if (sig == SIGKILL) {
		fd_close(&r->status_fd); /* upon which it ends */
		over(w, r);
	} else if (sig != SIGCONT) {
		r->signal = sig; /* the last one counts */
	}
}

int
run_purge(struct worker *w, const struct sandbox_run_id *id, struct fault *f)
{
	AUTO_FD int run_fd = -1;

	if (run_find(w, id) != NULL)
		return fault_at(f, SANDBOX_STEP_RECORD, EBUSY);
	run_fd = run_dir_open(w->s, id);
	if (run_fd >= 0 && !run_dir_has_exit(run_fd))
		run_out_remove(run_fd);
	return 0;
}
