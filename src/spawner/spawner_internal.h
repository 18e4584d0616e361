/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPAWNER_INTERNAL_H
#define SPAWNER_INTERNAL_H

/* Shared by the files of the spawner.  All of it runs on the worker's only thread. */

#include "base.h"
#include "cgroup.h"
#include "clock.h"
#include "err.h"
#include "keeper.h"
#include "log.h"
#include "sandbox.h"

#include <stdbool.h>
#include <sys/types.h>

enum {
	RUNS_MAX = 10240,
	CONNS_MAX = 4,
	USERNS_KEPT = 64, /* tenants whose user namespace is kept for their next run */
};

/* What main() found and opened; immutable afterwards. */
struct spawner {
	int state_fd;
	int listen_fd;
	int keeper_fd; /* sealed copy of the keeper */
	uid_t user;
	gid_t group;
	uid_t uid_base;
	char cgroup_base[CGROUP_NAME_SIZE];
	struct log log;
};

/* Where building a sandbox stopped. */
struct fault {
	uint32_t step;
	int sys;
};

enum run_state { RUN_NONE, RUN_LIVE, RUN_REMOVING /* over, its cgroup is not gone yet */ };
struct run {
	enum run_state state;
	bool started; /* the simulation was executed */
	bool killed;  /* one KILL has been passed on */
	struct sandbox_run_id id;
	struct fault fault; /* reported by the sandbox before it started */
	pid_t pid;
	int pidfd;
	int status_fd;           /* -1 for an adopted run */
	struct deadline give_up; /* RUN_REMOVING */
};

struct conn {
	int fd; /* -1: free */
	bool greeted;
	uint64_t serial; /* the largest is the newest */
};

struct userns {
	uint32_t slot;
	int fd; /* -1: free */
};

struct worker {
	const struct spawner *s;
	struct log log;
	int epoll_fd;
	int signal_fd;
	int filter_fd;
	struct cgroup_host host;
	bool complete; /* every limit can be set */
	struct conn conns[CONNS_MAX];
	uint64_t next_serial;
	struct run *runs; /* RUNS_MAX */
	size_t n_runs;    /* not RUN_NONE */
	size_t runs_end;  /* every slot from here on is RUN_NONE */
	struct userns userns[USERNS_KEPT];
	size_t next_userns;
	struct deadline idle;  /* {0}: somebody is there */
	struct deadline sweep; /* {0}: nothing is left of runs before this worker */
};

/* What epoll hands back: which of the worker's descriptors, and which slot. */
enum watch_kind { WATCH_SIGNAL, WATCH_LISTEN, WATCH_CONN, WATCH_PIDFD, WATCH_STATUS };
int worker_watch(
    struct worker *w, int fd, enum watch_kind kind, size_t slot, struct err *e) MUST_CHECK;
/* Exit status of the worker process: 0 when nothing is left to do, 1 when it cannot go on. */
int worker_main(const struct spawner *s);

/* --- connections ---------------------------------------------------------------------------- */

void conn_accept(struct worker *w);
void conn_readable(struct worker *w, size_t slot);
/* To the newest connection; nobody may be there. */
void conn_tell_newest(struct worker *w, const struct sandbox_event *ev);

/* --- runs ----------------------------------------------------------------------------------- */

struct run *run_find(struct worker *w, const struct sandbox_run_id *id);
/* NULL when RUNS_MAX are there. */
struct run *run_add(struct worker *w, const struct sandbox_run_id *id);
void run_drop(struct worker *w, struct run *r);
/* 0, or -1 with what to answer. */
int run_start(struct worker *w, const struct sandbox_request *q, struct fault *f) MUST_CHECK;
void run_status_readable(struct worker *w, size_t slot);
void run_pidfd_readable(struct worker *w, size_t slot);
/* Tries again to remove what could not be removed; true when a later try is due. */
bool run_retry_removals(struct worker *w);
/* Sends a signal to a live run's keeper. */
void run_signal(struct run *r, int sig);
int run_purge(struct worker *w, const struct sandbox_run_id *id, struct fault *f) MUST_CHECK;

/* The run's directory, opened without following any link; -1 and errno. */
int run_dir_open(const struct spawner *s, const struct sandbox_run_id *id);
bool run_dir_has_exit(int run_fd);
/* Makes out/, still the spawner's own. */
int run_out_make(int run_fd, int *ret_fd);
/* Writes out/keeper and hands out/ over. */
int run_out_give(const struct spawner *s, int out_fd, const struct run *r, uid_t owner,
    struct err *e) MUST_CHECK;
void run_out_remove(int run_fd);
/* Field 22 of /proc/<pid>/stat, -1 when there is no such process. */
int64_t process_start_ticks(pid_t pid);

/* Finds keepers of an earlier worker and makes runs of them. */
void adopt_keepers(struct worker *w);

/* A descriptor of the user namespace of a tenant's slot, kept by the worker. */
int userns_get(struct worker *w, uint32_t slot, int *ret_fd, struct err *e) MUST_CHECK;

/* --- building, in the child ----------------------------------------------------------------- */

struct box {
	const char *path; /* id_run_path: the keeper's first argument */
	const struct sandbox_limits *limits;
	uid_t uid; /* host uid of the keeper, first of the tenant's range */
	gid_t group;
	int run_fd, out_fd, status_fd, filter_fd, keeper_fd, userns_fd;
	int enter_fd[CGROUP_TREES_MAX];
	int stat_fd[CGROUP_STATS];
};
/* Builds the sandbox around the calling process, which is PID 1 of it, and becomes the keeper. */
NORETURN void box_main(const struct box *b);

/* The root file system; 0, or -1 and errno.  In this order. */
int root_make(int *ret_fd);
int root_add_system(int root_fd);
int root_add_dev(int root_fd);
int root_add_proc(int root_fd);
int root_add_scratch(int root_fd, const struct sandbox_limits *l, uid_t owner);
int root_pivot(int root_fd);

/* Keeps only the capabilities in the mask, in the bounding set too. */
int caps_keep(uint64_t mask);

/* Leaves a chroot for a mount namespace with the same root (own_root.c); before anything is opened.
 */
int own_root_take(struct err *e) MUST_CHECK;

#endif
