/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPAWNER_INTERNAL_H
#define SPAWNER_INTERNAL_H

/* Shared by the files of the spawner.  All of it runs on the worker's only thread. */

#include "base.h"
#include "cgroup.h"
#include "cgroup_pool.h"
#include "clock.h"
#include "err.h"
#include "gpu_internal.h"
#include "keeper.h"
#include "log.h"
#include "sandbox.h"

#include <stdbool.h>
#include <sys/types.h>

enum {
	RUNS_MAX = 10240, /* cells that wait for a run among them */
	CONNS_MAX = 4,
	TENANTS_KEPT = 64, /* whose namespaces are kept for their next run */
	ZYGOTES_KEPT = 64,
	ZYGOTES_MAX = 2 * ZYGOTES_KEPT, /* with those that are told to end and have not yet */
	WARM_MAX = 8,                   /* cells that wait for a run, for one zygote */
};

/* What main() found and opened; immutable afterwards. */
struct spawner {
	int state_fd;
	int listen_fd;
	int keeper_fd; /* sealed copy of the keeper */
	uid_t user;
	gid_t group;
	uid_t uid_base;
	bool one_uid; /* an ordinary user's spawner (own_user.c): every tenant has its id */
	bool refuses; /* it may not let tenants meet in one id: no run is started */
	size_t warm;  /* cells kept for each zygote in use */
	struct gpu_host *gpus;
	char cgroup_base[CGROUP_NAME_SIZE];
	struct log log;
};

/* The first of a tenant's ids, which is its keepers', as the spawner sees it. */
static inline uid_t
tenant_uid(const struct spawner *s, uint32_t slot)
{
	return s->one_uid ? s->uid_base : s->uid_base + slot * KEEPER_UIDS;
}

/* Where building a sandbox stopped. */
struct fault {
	uint32_t step;
	int sys;
};

/* Namespaces of a tenant's slot. */
struct tenant_ns {
	uint32_t slot;
	int user_fd; /* -1: free */
	int net_fd;
};

/* One per tenant and root; a run with GPUs has a root of its own kind. */
struct zygote_key {
	uint32_t slot;
	uint8_t root[SANDBOX_ROOT_BYTES];
	uint64_t gpus;
};
struct zygote {
	int pidfd; /* -1: free */
	int fd;    /* socket; -1: it is told to end */
	struct zygote_key key;
	int tree_fd;        /* holds the environment's root, -1: the host's */
	struct fault fault; /* it could not be built */
	int64_t used_ms;    /* monotonic, the last run */
	/* Of the last run: what the next one will most likely ask for. */
	int64_t scratch_bytes, scratch_files;
};

enum run_state {
	RUN_NONE,
	RUN_WARM, /* a cell that waits for a run */
	RUN_LIVE,
	RUN_OVER /* nobody waits for it any more but this worker */
};
/* A cell and the run in it. */
struct run {
	enum run_state state;
	bool started; /* the simulation was executed */
	bool killed;  /* one KILL has been passed on */
	bool late_filter;
	bool unborn; /* its cell was asked for and has not said anything yet */
	struct sandbox_run_id id;
	struct fault fault; /* reported by the sandbox before it started */
	pid_t pid;          /* 0: not known yet */
	int pidfd;
	int status_fd;  /* -1 for an adopted run */
	int scratch_fd; /* RUN_WARM: of its scratch space; -1 before it is ready */
	int64_t scratch_bytes, scratch_files;
	size_t zygote; /* index, ZYGOTES_MAX: none */
	uint32_t slot;
	uint64_t gpus; /* lent to it; 0 for an adopted run, of which only the daemon knows */
	int signal;    /* to be sent when its pid is known; 0: none */
	struct cgroup_pooled *group; /* NULL for an adopted run */
	char group_name[CGROUP_NAME_SIZE];
};

struct conn {
	int fd; /* -1: free */
	bool greeted;
	uint64_t serial; /* the largest is the newest */
};

struct worker {
	const struct spawner *s;
	struct log log;
	int epoll_fd;
	int signal_fd;
	int null_fd;
	int filter_fd[SECCOMP_PROGRAMS];
	uint64_t ns[KEEPER_NAMESPACES]; /* the worker's own */
	struct cgroup_host host;
	struct cgroup_pool pool;
	bool complete; /* every limit can be set */
	uint32_t weak; /* bits of enum sandbox_weak */
	struct conn conns[CONNS_MAX];
	uint64_t next_serial;
	struct run *runs; /* RUNS_MAX */
	size_t n_runs;    /* not RUN_NONE */
	size_t n_warm;    /* RUN_WARM */
	size_t n_unborn;
	size_t runs_end; /* every slot from here on is RUN_NONE */
	struct tenant_ns tenants[TENANTS_KEPT];
	size_t next_tenant;
	struct zygote zygotes[ZYGOTES_MAX];
	bool refill;             /* a zygote may have less cells than it should */
	size_t n_ended;          /* cells that wait to be told that they may go */
	struct deadline dismiss; /* when they are, at the latest; {0}: there are none */
	struct deadline strays;  /* until then children may end that never said a word */
	struct deadline idle;    /* {0}: somebody is there */
	struct deadline sweep;   /* {0}: nothing is left of runs before this worker */
};

/* What epoll hands back: which of the worker's descriptors, and which slot. */
enum watch_kind {
	WATCH_SIGNAL,
	WATCH_LISTEN,
	WATCH_CONN,
	WATCH_PIDFD,
	WATCH_STATUS,
	WATCH_ZYGOTE,
};
int worker_watch(
    struct worker *w, int fd, enum watch_kind kind, size_t slot, struct err *e) MUST_CHECK;
/* Exit status of the worker process: 0 when nothing is left to do, 1 when it cannot go on. */
int worker_main(const struct spawner *s);

int fault_at(struct fault *f, enum sandbox_step step, int sys); /* -1 */

/* --- connections ---------------------------------------------------------------------------- */

void conn_accept(struct worker *w);
void conn_readable(struct worker *w, size_t slot);
/* To the newest connection; nobody may be there. */
void conn_tell_newest(struct worker *w, const struct sandbox_event *ev);

/* --- runs ----------------------------------------------------------------------------------- */

/* The live run of that id. */
struct run *run_find(struct worker *w, const struct sandbox_run_id *id);
/* NULL when RUNS_MAX are there. */
struct run *run_add(struct worker *w, enum run_state state);
void run_drop(struct worker *w, struct run *r);
/* 0, or -1 with what to answer. */
int run_start(struct worker *w, const struct sandbox_request *q, struct fault *f) MUST_CHECK;
void run_status_readable(struct worker *w, size_t slot);
void run_pidfd_readable(struct worker *w, size_t slot);
/* Lets cells go whose run has ended: now, or if it is time. */
void run_dismiss(struct worker *w);
void run_dismiss_due(struct worker *w);
/* Sends a signal to a live run's keeper, now or as soon as it is known. */
void run_signal(struct worker *w, struct run *r, int sig);
int run_purge(struct worker *w, const struct sandbox_run_id *id, struct fault *f) MUST_CHECK;

/* --- zygotes and their cells ---------------------------------------------------------------- */

/* The zygote for a request, made when there is none. */
int zygote_get(struct worker *w, const struct sandbox_request *q, size_t *ret_index,
    struct fault *f) MUST_CHECK;
/* Has a cell made for a run, or to wait for one; r takes its socket. */
int zygote_ask(struct worker *w, size_t index, struct run *r, struct fault *f) MUST_CHECK;
/* A waiting cell of the zygote with such a scratch space, as a live run; NULL when there is none.
 */
struct run *zygote_take_warm(struct worker *w, size_t index, const struct sandbox_limits *l);
/* Why cells of this zygote come to nothing. */
struct fault zygote_fault(struct worker *w, size_t index);
void zygote_pidfd_readable(struct worker *w, size_t index);
/* Makes the cells that are wanting. */
void zygote_refill(struct worker *w);
/* Ends what nobody has used for long; true while there is anything to look after. */
bool zygote_look(struct worker *w);
/* Tells a waiting cell to end. */
void warm_end(struct worker *w, struct run *r);

/* Descriptors of the namespaces of a tenant's slot, kept by the worker. */
int tenant_ns_get(
    struct worker *w, uint32_t slot, const struct tenant_ns **ret, struct err *e) MUST_CHECK;

/* Becomes a zygote, in a fresh child of the worker with a mount and a uts namespace of its own. */
struct zygote_plan {
	pid_t worker;
	const uint64_t *worker_ns; /* by enum keeper_ns */
	bool one_uid;
	const struct zygote_key *key;
	int tree_fd; /* -1: the host's system */
	const struct gpu_host *gpus;
	struct gpu_loan loan;
	int status_fd, user_fd, net_fd, null_fd, keeper_fd;
	int filter_fd[SECCOMP_LAYERS];
};
NORETURN void zygote_build(const struct zygote_plan *p);

/* The run's directory, opened without following any link; -1 and errno. */
int run_dir_open(const struct spawner *s, const struct sandbox_run_id *id);
bool run_dir_has_exit(int run_fd);
/* Makes out/ for the keeper. */
int run_out_make(const struct spawner *s, int run_fd, uid_t owner, int *ret_fd);
void run_out_remove(int run_fd);

/* Finds keepers of an earlier worker and makes runs of them. */
void adopt_keepers(struct worker *w);

/* --- building ------------------------------------------------------------------------------- */

/* The root file system; 0, or -1 and errno.  In this order. */
int root_make(int *ret_fd);
int root_add_system(int root_fd);
int root_add_dev(int root_fd);
/* In a user namespace only: an empty /proc, by which the kernel lets cells mount theirs. */
int root_add_proc(int root_fd);
int root_pivot(int root_fd);

/* Keeps only the capabilities in the mask, in the bounding set too. */
int caps_keep(uint64_t mask);

/* Leaves a chroot for a mount namespace with the same root (own_root.c); before anything is opened.
 */
int own_root_take(struct err *e) MUST_CHECK;
/* Becomes root in a user namespace of its own, whose only id is this user's; before own_root_take.
 */
int own_user_take(struct err *e) MUST_CHECK;
/* The control groups that this user may divide. */
void own_user_groups(struct cgroup_places *places);

#endif
