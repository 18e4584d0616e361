/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACCOUNT_H
#define ACCOUNT_H

/*
 * What a run uses, how it is told to end, and what is written down about both.  Groups are used
 * again by later runs: every counter is taken as a difference to what it was before the start.
 */

#include "cgroup.h"
#include "clock.h"
#include "keeper.h"

#include <stdbool.h>

struct keeper;

/* --- use ------------------------------------------------------------------------------------ */

struct account {
	/* Monotonic; 0: it did not come to that. */
	int64_t ordered_ns, staged_ns, started_ns, over_ns;
	int64_t started_wall_us, over_wall_us;
	bool begun;
	int64_t before[CGROUP_STATS]; /* -1: no such counter */
	int64_t processes_seen;       /* the most in any sample */
	int64_t set_up_ns;            /* CPU time of the simulation's process before its exec */
};
/* The order is there. */
void account_ordered(struct keeper *k);
/* The inputs are in place. */
void account_staged(struct keeper *k);
/* What the groups counted before anything that is the run's; again, the last moment before the
 * simulation's clone. */
void account_begin(struct keeper *k);
/* In the simulation's process, which is about to become its program. */
void account_exec(struct keeper *k);
/* Its program runs. */
void account_started(struct keeper *k);
/* Its last process is reaped. */
void account_over(struct keeper *k);
/* Since account_begin; 0 where the host does not count it.  Not for what is counted "now". */
int64_t account_used(const struct keeper *k, enum cgroup_stat what);
/* As it is now; 0 where the host does not count it. */
int64_t account_now(const struct keeper *k, enum cgroup_stat what);
/* CPU time so far, memory or processes now, of all processes of this pid namespace but the keeper,
 * where no group counts them; 0 for what processes do not tell (living.c). */
int64_t living_count(enum cgroup_stat what);
/* Bytes from or to disks: CGROUP_STAT_IO_READ or CGROUP_STAT_IO_WRITE. */
int64_t account_io(const struct keeper *k, enum cgroup_stat what);

struct watched {
	enum sandbox_outcome reason; /* 0: it ended by itself */
	int code;                    /* CLD_EXITED, CLD_KILLED or CLD_DUMPED */
	int status;                  /* exit code or signal */
	int64_t oom_kills;
};
/* How it ended and what it used; after account_over. */
void account_fill(const struct keeper *k, const struct watched *w, struct sandbox_exit *x);
/* The times of every phase; last of all. */
void account_end(struct keeper *k, struct sandbox_exit *x);

/* --- use over time (samples.c) -------------------------------------------------------------- */

struct sampler {
	struct deadline next; /* {0}: never, the disk took no more */
	struct sandbox_samples file;
};
/* Costs nothing before the first sample is due. */
void sampler_begin(struct sampler *s, const struct keeper *k);
void sampler_look(struct sampler *s, struct keeper *k);
void sampler_close(struct sampler *s);

/* --- the end (stop.c) ----------------------------------------------------------------------- */

/* The recipe, TERM to all, KILL to all; the first reason stays. */
struct stop {
	enum sandbox_outcome reason; /* 0: nobody wants it to end */
	bool asked;                  /* by the recipe, TERM is still to come */
	struct deadline next;
};
void stop_begin(struct stop *s, const struct keeper *k, enum sandbox_outcome reason);
/* KILL to all, now. */
void stop_now(struct stop *s, enum sandbox_outcome reason);
/* Goes on to what is due. */
void stop_look(struct stop *s, const struct keeper *k);

/* --- the beginning (stage.c, cpu_set.c) ----------------------------------------------------- */

/* Puts this process on its CPUs for good; 0, or -1 and errno.  After no_new_privs. */
int cpu_set_apply(const uint64_t set[static SANDBOX_CPU_WORDS]);
/* Copies in/ to /work, charged to the run's memory.  ENOMEM when that is too small. */
int stage_inputs(struct keeper *k, struct err *e) MUST_CHECK;

#endif
