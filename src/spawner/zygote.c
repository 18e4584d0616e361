/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Zygotes: one for each tenant and root in use, made at the first run and kept for the next.  A
 * zygote makes the cells of runs; for runs that come one after the other it makes some ahead, which
 * wait for their order, so that a start is only that.  Making them is for quiet moments: when every
 * processor has something to do, a cell made ahead is no cheaper than one made on demand.
 *
 * A cell says READY on a socket of its own with its credentials, which the kernel vouches for: that
 * is how the worker learns who it is.  Cells are the worker's children, so a number names the same
 * process until it is waited for.
 */
#include "root_pick_internal.h"
#include "spawner_internal.h"

#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	/* The first is short: a cell holds 100 KiB of kernel memory that nobody is billed for. */
	WARM_IDLE_MS = 30000,
	ZYGOTE_IDLE_MS = 30000, /* it holds its root, which nobody can remove meanwhile */
	WARM_IN_ALL = 128,
	WARM_OF_TENANT = 8,
	/* Orders wait in the socket: as many as there may be runs, of less than 1 KiB each. */
	SEND_BUFFER = 10 << 20,
};

/* --- making one ----------------------------------------------------------------------------- */

static bool
same_key(const struct zygote_key *a, const struct zygote_key *b)
{
	return a->slot == b->slot && a->gpus == b->gpus &&
	       memcmp(a->root, b->root, sizeof(a->root)) == 0;
}

static void
zygote_end(struct zygote *z)
{
	/* It ends at the end of file, its cells live on. */
	fd_close(&z->fd);
	fd_close(&z->tree_fd);
}

/* A free place; when many are in use, the one that nobody has used for longest is told to end. */
static struct zygote *
find_place(struct worker *w)
{
	struct zygote *oldest = NULL, *found = NULL;
	size_t n = 0;

	for (size_t i = 0; i < ZYGOTES_MAX; i++) {
		struct zygote *z = &w->zygotes[i];

		if (z->pidfd < 0)
			found = z;
		n += z->fd >= 0;
		if (z->fd >= 0 && (oldest == NULL || z->used_ms < oldest->used_ms))
			oldest = z;
	}
	if (n >= ZYGOTES_KEPT)
		zygote_end(oldest);
	return found;
}

static int
send_whom(struct worker *w, const struct zygote *z)
{
	struct keeper_zygote who = { .magic = KEEPER_ZYGOTE_MAGIC,
		.version = KEEPER_VERSION,
		.uid = tenant_uid(w->s, z->key.slot),
		.group = w->s->group,
		.one_uid = w->s->one_uid };
	const int size = SEND_BUFFER;

	memcpy(who.worker_ns, w->ns, sizeof(who.worker_ns));
	/* An ordinary user has the host's largest: about a hundred orders. */
	if (setsockopt(z->fd, SOL_SOCKET, w->s->one_uid ? SO_SNDBUF : SO_SNDBUFFORCE, &size,
		sizeof(size)) < 0)
		return -1;
	return send(z->fd, &who, sizeof(who), MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof(who) ? 0 : -1;
}

static int
spawn(struct worker *w, struct zygote *z, struct zygote_plan *p, struct fault *f)
{
	struct clone_args args = {
		.flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND | CLONE_NEWNS | CLONE_NEWUTS,
		.pidfd = (uintptr_t)&z->pidfd,
		.exit_signal = SIGCHLD,
	};
	struct err e = { 0 };
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return fault_at(f, SANDBOX_STEP_ZYGOTE, errno);
	z->fd = pair[0];
	p->status_fd = pair[1];
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		zygote_build(p);
	fd_close(&pair[1]);
	if (pid > 0 && send_whom(w, z) == 0 &&
	    worker_watch(w, z->pidfd, WATCH_ZYGOTE, (size_t)(z - w->zygotes), &e) == 0)
		return 0;
	(void)fault_at(f, SANDBOX_STEP_ZYGOTE, e.sys != 0 ? e.sys : errno); /* -1 */
	if (pid > 0) {
		(void)kill(pid, SIGKILL);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		/* It ended before, and says why. */
		(void)zygote_fault(w, (size_t)(z - w->zygotes));
		if (z->fault.step != SANDBOX_STEP_NONE)
			*f = z->fault;
	}
	fd_close(&z->pidfd);
	return -1;
}

/* What the zygote is made from: its root and the devices that are lent to it. */
static int
open_parts(struct worker *w, struct zygote *z, struct zygote_plan *p, struct fault *f)
{
	static const uint8_t none[SANDBOX_ROOT_BYTES];
	const bool own_root = memcmp(z->key.root, none, sizeof(none)) != 0;
	const struct tenant_ns *ns;
	struct err e = { 0 };

	if (tenant_ns_get(w, z->key.slot, &ns, &e) < 0) {
		log_err(&w->log, LOG_LEVEL_WARN, &e, "namespaces of a tenant");
		return fault_at(f, SANDBOX_STEP_USER_MAP, e.sys);
	}
	p->user_fd = ns->user_fd;
	p->net_fd = ns->net_fd;
	if (own_root && root_pick_open(w->s, z->key.root, &z->tree_fd) < 0)
		return fault_at(f, SANDBOX_STEP_ROOT, errno);
	p->tree_fd = z->tree_fd;
	if (gpu_lend(w->s->gpus, z->key.gpus, own_root, &p->loan) < 0)
		return fault_at(f, SANDBOX_STEP_GPU, errno);
	return 0;
}

static int
zygote_new(struct worker *w, struct zygote *z, const struct zygote_key *key, struct fault *f)
{
	struct zygote_plan p = { .worker = getpid(),
		.key = &z->key,
		.worker_ns = w->ns,
		.one_uid = w->s->one_uid,
		.gpus = w->s->gpus,
		.null_fd = w->null_fd,
		.keeper_fd = w->s->keeper_fd };
	int rc;

	memcpy(p.filter_fd, w->filter_fd, sizeof(p.filter_fd));
	if (key->gpus != 0)
		p.filter_fd[SECCOMP_ALL] = w->filter_fd[SECCOMP_GPUS];
	*z = (struct zygote){ .pidfd = -1, .fd = -1, .tree_fd = -1, .key = *key };
	rc = open_parts(w, z, &p, f);
	if (rc == 0)
		rc = spawn(w, z, &p, f);
	gpu_loan_close(&p.loan);
	if (rc < 0)
		zygote_end(z);
	else
		log_debug(&w->log, "a zygote for slot %u", key->slot);
	return rc;
}

int
zygote_get(struct worker *w, const struct sandbox_request *q, size_t *ret_index, struct fault *f)
{
	struct zygote_key key = { .slot = q->uid_slot, .gpus = q->gpus };
	struct zygote *z = NULL;

	memcpy(key.root, q->root, sizeof(key.root));
	for (size_t i = 0; i < ZYGOTES_MAX && z == NULL; i++)
		if (w->zygotes[i].fd >= 0 && same_key(&w->zygotes[i].key, &key))
			z = &w->zygotes[i];
	if (z == NULL) {
		z = find_place(w);
		if (z == NULL)
			return fault_at(f, SANDBOX_STEP_ZYGOTE, EAGAIN);
		if (zygote_new(w, z, &key, f) < 0)
			return -1;
	}
	z->used_ms = clock_mono_ms();
	z->scratch_bytes = q->limits.scratch_bytes;
	z->scratch_files = q->limits.scratch_files;
	*ret_index = (size_t)(z - w->zygotes);
	return 0;
}

/* --- its end -------------------------------------------------------------------------------- */

struct fault
zygote_fault(struct worker *w, size_t index)
{
	const struct fault gone = { SANDBOX_STEP_ZYGOTE, ECHILD };
	char bytes[sizeof(struct keeper_report) + 1];
	struct keeper_report r;
	struct err e = { 0 };
	struct zygote *z;
	ssize_t n;

	if (index >= ZYGOTES_MAX)
		return gone;
	z = &w->zygotes[index];
	if (z->fd >= 0) {
		n = recv(z->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		/* That it ended with orders unread is told first, and once; its words lie behind.
		 */
		if (n < 0 && errno == ECONNRESET)
			n = recv(z->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (n > 0 && keeper_report_decode(bytes, (size_t)n, &r, &e) == 0)
			z->fault = (struct fault){ r.step, r.sys };
	}
	return z->fault.step != SANDBOX_STEP_NONE ? z->fault : gone;
}

void
zygote_pidfd_readable(struct worker *w, size_t index)
{
	struct zygote *z = &w->zygotes[index];
	siginfo_t info = { 0 };

	if (z->pidfd < 0 ||
	    (waitid(P_PIDFD, (id_t)z->pidfd, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0))
		return; /* not this one */
	for (size_t i = 0; i < w->runs_end; i++) {
		struct run *r = &w->runs[i];

		if (r->state == RUN_NONE || r->zygote != index)
			continue;
		if (r->fault.step == SANDBOX_STEP_NONE)
			r->fault = zygote_fault(w, index);
		r->zygote = ZYGOTES_MAX;
		if (r->state == RUN_WARM)
			warm_end(w, r);
	}
	if (z->fd >= 0)
		log_debug(&w->log, "the zygote for slot %u is gone", z->key.slot);
	zygote_end(z);
	fd_close(&z->pidfd);
}

/* --- cells ---------------------------------------------------------------------------------- */

static int
send_cell(const struct zygote *z, const struct run *r, int fd)
{
	const struct keeper_cell c = { .magic = KEEPER_CELL_MAGIC,
		.version = KEEPER_VERSION,
		.scratch_bytes = r->scratch_bytes,
		.scratch_files = r->scratch_files,
		.warm = r->state == RUN_WARM,
		.late_filter = r->late_filter };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr head;
	} control = { .head = { .cmsg_len = CMSG_LEN(sizeof(int)),
			  .cmsg_level = SOL_SOCKET,
			  .cmsg_type = SCM_RIGHTS } };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)&c, .iov_len = sizeof(c) };
	const struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };

	memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	return sendmsg(z->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof(c) ? 0 : -1;
}

/* It has ended: with a word, then that is why; or without, then the next start makes another. */
static void
zygote_lost(struct worker *w, size_t index, struct fault *f)
{
	struct zygote *z = &w->zygotes[index];

	(void)zygote_fault(w, index);
	*f = z->fault;
	if (z->fault.step == SANDBOX_STEP_NONE)
		(void)fault_at(f, SANDBOX_STEP_ZYGOTE, EPIPE); /* -1 */
	zygote_end(z);
}

int
zygote_ask(struct worker *w, size_t index, struct run *r, struct fault *f)
{
	struct zygote *z = &w->zygotes[index];
	const int on = 1;
	struct err e = { 0 };
	int pair[2];
	int rc = -1;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return fault_at(f, SANDBOX_STEP_CLONE, errno);
	r->zygote = index;
	r->slot = z->key.slot;
	if (setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0 &&
	    worker_watch(w, pair[0], WATCH_STATUS, (size_t)(r - w->runs), &e) == 0)
		rc = send_cell(z, r, pair[1]);
	if (rc < 0) {
		(void)fault_at(f, SANDBOX_STEP_ZYGOTE, errno); /* -1 */
		fd_close(&pair[0]);
		if (f->sys == EPIPE || f->sys == ECONNRESET)
			zygote_lost(w, index, f);
	}
	fd_close(&pair[1]);
	r->status_fd = pair[0];
	r->unborn = rc == 0;
	w->n_unborn += r->unborn;
	return rc;
}

/* Of the file system behind /work, /tmp and /dev/shm. */
static int
resize_scratch(int scratch_fd, const struct sandbox_limits *l)
{
	AUTO_FD int fs = fspick(scratch_fd, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
	char size[24], files[24];

	(void)snprintf(size, sizeof(size), "%jd", (intmax_t)l->scratch_bytes);
	(void)snprintf(
	    files, sizeof(files), "%jd", (intmax_t)l->scratch_files + KEEPER_SCRATCH_OWN);
	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "size", size, 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "nr_inodes", files, 0) < 0)
		return -1;
	return fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0);
}

static bool
fits(const struct run *r, const struct sandbox_limits *l)
{
	return r->scratch_bytes == l->scratch_bytes && r->scratch_files == l->scratch_files;
}

void
warm_end(struct worker *w, struct run *r)
{
	w->n_warm--;
	fd_close(&r->scratch_fd);
	fd_close(&r->status_fd); /* upon which it ends */
	r->state = RUN_OVER;
	if (r->pid != 0)
		return; /* its end will show */
	run_drop(w, r);
}

/* One that is still being made is no worse than a new one, if it is made to measure. */
struct run *
zygote_take_warm(struct worker *w, size_t index, const struct sandbox_limits *l)
{
	struct run *best = NULL;

	for (size_t i = 0; i < w->runs_end && w->n_warm > 0; i++) {
		struct run *r = &w->runs[i];

		if (r->state == RUN_WARM && r->zygote == index && r->status_fd >= 0 &&
		    (r->pid != 0 || fits(r, l)) && (best == NULL || best->pid == 0))
			best = r;
	}
	w->refill = w->s->warm > 0;
	if (best == NULL)
		return NULL;
	if (!fits(best, l) && resize_scratch(best->scratch_fd, l) < 0) {
		warm_end(w, best);
		return NULL;
	}
	w->n_warm--;
	fd_close(&best->scratch_fd);
	best->state = RUN_LIVE;
	return best;
}

static size_t
count_warm(const struct worker *w, size_t index, uint32_t slot)
{
	size_t n = 0;

	for (size_t i = 0; i < w->runs_end && w->n_warm > 0; i++)
		n += w->runs[i].state == RUN_WARM &&
		     (index == ZYGOTES_MAX ? w->runs[i].slot == slot : w->runs[i].zygote == index);
	return n;
}

static void
make_warm(struct worker *w, size_t index)
{
	const struct zygote *z = &w->zygotes[index];
	struct run *r = run_add(w, RUN_WARM);
	struct fault ignored; /* the next start will say */

	if (r == NULL)
		return;
	r->scratch_bytes = z->scratch_bytes;
	r->scratch_files = z->scratch_files;
	w->n_warm++;
	if (zygote_ask(w, index, r, &ignored) < 0) {
		w->n_warm--;
		run_drop(w, r);
	}
}

void
zygote_refill(struct worker *w)
{
	const int64_t now = clock_mono_ms();

	w->refill = false;
	for (size_t i = 0; i < ZYGOTES_MAX; i++) {
		const struct zygote *z = &w->zygotes[i];

		/* A run with GPUs is long, and its kind of root is one device's. */
		if (z->fd < 0 || z->key.gpus != 0 || now - z->used_ms >= WARM_IDLE_MS)
			continue;
		for (size_t n = count_warm(w, i, 0);
		     n < w->s->warm && w->n_warm < WARM_IN_ALL &&
		     count_warm(w, ZYGOTES_MAX, z->key.slot) < WARM_OF_TENANT;
		     n++)
			make_warm(w, i);
	}
}

bool
zygote_look(struct worker *w)
{
	const int64_t now = clock_mono_ms();
	bool any = false;

	for (size_t i = 0; i < w->runs_end && w->n_warm > 0; i++) {
		struct run *r = &w->runs[i];

		if (r->state == RUN_WARM && now - w->zygotes[r->zygote].used_ms >= WARM_IDLE_MS)
			warm_end(w, r);
	}
	for (size_t i = 0; i < ZYGOTES_MAX; i++) {
		struct zygote *z = &w->zygotes[i];

		if (z->fd >= 0 && now - z->used_ms >= ZYGOTE_IDLE_MS)
			zygote_end(z);
		any = any || z->fd >= 0;
	}
	return any;
}
