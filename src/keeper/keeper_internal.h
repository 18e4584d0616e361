/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEEPER_INTERNAL_H
#define KEEPER_INTERNAL_H

/* Shared by the files of the keeper, which has one thread. */

#include "account.h"
#include "base.h"
#include "clock.h"
#include "err.h"
#include "keeper.h"
#include "rights.h"
#include "sandbox.h"

#include <linux/filter.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <time.h>

enum { STREAMS = 2, FILTER_MAX = 64 /* instructions of the small layer */, INPUTS_MAX = 1 << 20 };

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
/* Up to in->cap. */
int inputs_add(struct inputs *in, int fd, struct err *e) MUST_CHECK;
void inputs_sort(struct inputs *in);
struct stat;
bool inputs_unchanged(const struct inputs *in, const struct stat *st);

struct tree_copy {
	int from_fd;
	int to_fd;
	bool strict; /* into the sandbox: what is no regular file is an error, empty directories
			count */
	uid_t owner; /* strict: whose the copies become */
	struct inputs *inputs; /* strict: filled; else: what to leave out */
	int64_t bytes_left, files_left;
	/* results */
	int64_t bytes, files, skipped;
};
/* Nothing in a directory: then there is nothing to copy. */
int tree_empty(int dir_fd, bool *ret, struct err *e) MUST_CHECK;
/* Iterative, by descriptor, follows no link. */
int tree_copy(struct tree_copy *c, struct err *e) MUST_CHECK;
/* Bytes [0, size) of a regular file; holes stay holes. */
int file_copy(int from, int to, off_t size, struct err *e) MUST_CHECK;

/* --- the log -------------------------------------------------------------------------------- */

struct run_log {
	int fd;
	int index_fd;
	int out_fd; /* the caller's */
	int64_t cap;
	int64_t kept;  /* bytes in the file, the marker not counted */
	int64_t total; /* bytes that came */
	bool truncated;
	int64_t entries, entries_max;
	struct sandbox_log_entry last;
};
void run_log_open(struct run_log *l, int out_fd, int64_t cap);
/* stream: 1 or 2.  A full disk ends the log, not the run. */
void run_log_add(struct run_log *l, uint32_t stream, const char *p, size_t n);
int run_log_close(struct run_log *l, struct err *e) MUST_CHECK;

/* --- the simulation ------------------------------------------------------------------------- */

/*
 * One mapping, which the zygote fills as far as it can and every cell gets a copy of: what is not
 * written costs no memory, and no cell waits for an allocator.
 */
struct keeper {
	/* the zygote's */
	struct keeper_zygote zygote;
	const struct rights *rights;
	char *args; /* KEEPER_ARGS_ROOM bytes of the command line */
	size_t n_filter;
	struct sock_filter filter[FILTER_MAX];
	rlim_t files_max, size_max; /* hard limits of the host */

	/* the cell's */
	bool late_filter;
	int landlock_fd;        /* -1: this kernel has none */
	int sim_ns_fd;          /* the simulation's user namespace; -1: the keeper's */
	int pipe_read[STREAMS]; /* stdout, stderr */
	int signal_fd;          /* of watch_open_signals */

	/* the run's */
	struct keeper_order order;
	struct keeper_launch launch;
	struct inputs inputs;
	struct run_log log;
	int exit_fd; /* reserved for the exit record, -1: none */
	struct account account;
	pid_t pid;
	/* Of the simulation's process while it shares this memory; 0: not any more. */
	_Atomic(pid_t) sharing;
	int groups_fd;                      /* its /proc/self/cgroup */
	char text[4 << 10];                 /* /proc/self/cgroup: a line for each hierarchy */
	_Alignas(16) char buffer[64 << 10]; /* a whole pipe of the default size */
	char launch_text[SANDBOX_LAUNCH_MAX + 1];
	_Alignas(16) char stack[64 << 10]; /* the simulation's, until its exec */
};

/* Makes cells until the worker is gone. */
NORETURN void zygote_main(char *args);
/* In a fresh clone: builds the rest of the sandbox around itself, waits for the order, runs it. */
NORETURN void cell_main(struct keeper *k, const struct keeper_cell *c, int status_fd);
/* 0, or -1 and errno. */
int cell_mount_scratch(uid_t owner, int64_t bytes, int64_t files);
int cell_mount_proc(unsigned long read_only); /* MS_RDONLY or 0 */
/* From what lies in /dev. */
bool cell_has_gpus(void);
/* In a finished sandbox, from the order to the exit record. */
NORETURN void keeper_run(struct keeper *k);
/* On KEEPER_FD_STATUS; false when nobody is there to hear it. */
bool keeper_report(uint32_t kind, uint32_t step, int sys);
/* What the next worker reads in /proc: run and group, or one word and NULL. */
void keeper_tell(struct keeper *k, const char *first, const char *second);

/* Where the simulation's own set-up stopped; it shares memory with the keeper until its exec. */
struct sim_fault {
	volatile uint32_t step;
	volatile int sys; /* 0 at step EXEC: it was executed */
};
/* Starts it; returns when it was executed or could not be. */
int sim_start(struct keeper *k, struct sim_fault *f, struct err *e) MUST_CHECK;
/* Steps of it, before it changes its ids (order.c); 0, or -1 and errno.  order_take: 1, or 0 when
 * none will come. */
int order_take(struct keeper *k);
int order_launch_file(struct keeper *k);
int order_results(struct keeper *k);
int order_inputs(struct keeper *k);

/* Loads the small layer of the filter; 0, or -1 and errno. */
int sim_filter(const struct keeper *k);
/* A Landlock ruleset for it, or -1 without an error where the kernel has no Landlock. */
int sim_landlock(int *ret_fd, struct err *e) MUST_CHECK;

/* --- watching ------------------------------------------------------------------------------- */

/* Returns when the simulation and everything that it left behind is gone. */
int watch_run(struct keeper *k, struct watched *ret, struct err *e) MUST_CHECK;
/* The descriptor on which the spawner's signals arrive; opened before the simulation starts. */
int watch_open_signals(int *ret_fd, struct err *e) MUST_CHECK;

#endif
