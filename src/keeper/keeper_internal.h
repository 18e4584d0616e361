/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEEPER_INTERNAL_H
#define KEEPER_INTERNAL_H

/* Shared by the files of the keeper, which has one thread. */

#include "base.h"
#include "clock.h"
#include "err.h"
#include "keeper.h"
#include "sandbox.h"

#include <linux/filter.h>
#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

enum { STREAMS = 2, FILTER_MAX = BPF_MAXINSNS };

/* --- copying trees -------------------------------------------------------------------------- */

/* An input as it was put into /work; what still looks like this at the end is no output. */
struct input {
	ino_t ino;
	off_t size;
	struct timespec mtime, ctime;
};
struct inputs {
	struct input *at;
	size_t n, cap;
};
int inputs_add(struct inputs *in, int fd, struct err *e) MUST_CHECK;
void inputs_sort(struct inputs *in);
struct stat;
bool inputs_unchanged(const struct inputs *in, const struct stat *st);

struct tree_copy {
	int from_fd;
	int to_fd;
	bool strict; /* into the sandbox: what is no regular file is an error, empty directories
			count */
	struct inputs *inputs; /* strict: filled; else: what to leave out */
	int64_t bytes_left, files_left;
	/* results */
	int64_t bytes, files, skipped;
};
/* Iterative, by descriptor, follows no link. */
int tree_copy(struct tree_copy *c, struct err *e) MUST_CHECK;
/* Bytes [0, size) of a regular file; holes stay holes. */
int file_copy(int from, int to, off_t size, struct err *e) MUST_CHECK;

/* --- the log -------------------------------------------------------------------------------- */

struct run_log {
	int fd;
	int index_fd;
	int64_t cap;
	int64_t kept;  /* bytes in the file, the marker not counted */
	int64_t total; /* bytes that came */
	bool truncated;
	int64_t entries, entries_max;
	struct sandbox_log_entry last;
};
int run_log_open(struct run_log *l, int out_fd, int64_t cap, struct err *e) MUST_CHECK;
/* stream: 1 or 2.  A full disk ends the log, not the run. */
void run_log_add(struct run_log *l, uint32_t stream, const char *p, size_t n);
int run_log_close(struct run_log *l, struct err *e) MUST_CHECK;

/* --- the simulation ------------------------------------------------------------------------- */

struct keeper {
	struct keeper_order order;
	char *launch_text;
	struct keeper_launch launch;
	struct inputs inputs;
	struct run_log log;
	int exit_fd; /* reserved for the exit record, -1: none */
	struct sock_filter *filter;
	size_t n_filter;
	int landlock_fd;        /* -1: this kernel has none */
	int pipe_read[STREAMS]; /* stdout, stderr */
	int pipe_write[STREAMS];
	int64_t oom_before;
	pid_t pid;
};

/* Where the simulation's own set-up stopped; it shares memory with the keeper until its exec. */
struct sim_fault {
	volatile uint32_t step;
	volatile int sys; /* 0 at step EXEC: it was executed */
};
/* Starts it; returns when it was executed or could not be. */
int sim_start(struct keeper *k, struct sim_fault *f, struct err *e) MUST_CHECK;
/* A Landlock ruleset for it, or -1 without an error where the kernel has no Landlock. */
int sim_landlock(int *ret_fd, struct err *e) MUST_CHECK;

/* --- watching ------------------------------------------------------------------------------- */

struct watched {
	enum sandbox_outcome reason; /* 0: it ended by itself */
	int code;                    /* CLD_EXITED, CLD_KILLED or CLD_DUMPED */
	int status;                  /* exit code or signal */
	int64_t oom_kills;
};
/* Returns when the simulation and everything that it left behind is gone. */
int watch_run(struct keeper *k, struct watched *ret, struct err *e) MUST_CHECK;
/* The descriptor on which the spawner's signals arrive; opened before the simulation starts. */
int watch_open_signals(int *ret_fd, struct err *e) MUST_CHECK;

#endif
