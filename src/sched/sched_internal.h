/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCHED_INTERNAL_H
#define SCHED_INTERNAL_H

/*
 * Shared by the files of the scheduler.  Everything in struct sched belongs to the loop's thread
 * unless it says otherwise.  Work that may block is an op: one struct per kind, so that each kind
 * is in flight at most once and all of its memory has an owner when the scheduler stops.
 */

#include "arena.h"
#include "compute.h"
#include "environment.h"
#include "job_queue.h"
#include "lock.h"
#include "log.h"
#include "loop.h"
#include "metrics.h"
#include "result.h"
#include "sched_cause.h"
#include "sched_hold.h"
#include "sched_pick.h"
#include "sched_reconcile.h"
#include "sched_retry.h"
#include "scheduler.h"
#include "work.h"

enum {
	SCHED_CANDIDATES_MAX = 1000, /* waiting jobs looked at in one turn */
	SCHED_CLAIMS_MAX = 32,       /* jobs claimed in one turn: a manifest each, up to 1 MiB */
	SCHED_MOVES_MAX = 128,
	SCHED_ORPHANS_MAX = 64,
	SCHED_FINISH_MAX = 64,
	SCHED_TIDY_MAX = 256,
	SCHED_BUCKETS = 256,
	SCHED_TICK_MS = 1000
};

/* --- one live attempt ------------------------------------------------------------------------- */

enum sched_run_state {
	SCHED_RUN_CLAIMED,  /* its directory is being written */
	SCHED_RUN_PREPARED, /* its directory stands; the spawner does not know it yet */
	SCHED_RUN_STARTING, /* asked for */
	SCHED_RUN_RUNNING,
	SCHED_RUN_OVER /* no process is left; to be completed */
};
enum sched_stop { SCHED_STOP_NONE, SCHED_STOP_POLITE, SCHED_STOP_AT_ONCE };

/* What is known about an end that left no exit record. */
struct sched_over {
	bool failed; /* it never started, for a reason */
	bool no_scratch;
	const char *what; /* static; step of the sandbox, or NULL */
	int sys;
	char why[SCHED_MESSAGE_SIZE]; /* a sentence instead of the step, or "" */
};

struct sched_run {
	struct sched_run *next;
	struct compute_run launch; /* identity and limits; argv, env and inputs are not kept */
	const struct environment *environment; /* NULL: known by the manifest only */
	int64_t attempt, max_attempts;
	enum sched_run_state state;
	enum job_state row; /* as the database had it last */
	bool busy;          /* its directory, a move or its completion is with a pool */
	bool unsure;        /* the row may be in another state; the next look at the rows tells */
	bool lost;          /* the lease is somebody else's: nothing of this attempt counts */
	bool canceled;      /* somebody asked for its end */
	bool overdue;       /* this daemon ends it, because its keeper did not in time */
	bool alone;         /* completing it together with others failed */
	bool bare;          /* its results could not be stored: complete it without */
	int tries;          /* completions that failed although it was alone */
	int64_t again_ms;   /* monotonic; not completed before */
	enum sched_stop stop, stop_sent;
	int64_t claimed_ms, started_ms, stop_sent_ms; /* monotonic */
	uint64_t sent_on; /* number of the connection that took its start */
	uint64_t listed;  /* number of the last list that had it */
	uint64_t seen;    /* number of the last turn that saw its row */
	struct sched_over over;
};

/* --- work off the loop ------------------------------------------------------------------------ */

struct sched_op {
	struct sched *s;
	struct work *pool;
	int (*work)(struct sched_op *op, struct err *e); /* on the pool's thread */
	void (*done)(struct sched_op *op);               /* on the loop */
	struct loop_item item;
	bool busy; /* loop */
	/* the pool's thread while busy, else the loop's */
	int rc;
	struct err err;
	int64_t began_ms, took_ms;
	struct arena *mem;
};

/* A job that was claimed; then made ready to start, or why it could not be. */
struct sched_claimed {
	struct compute_run launch;
	const char *manifest; /* in the arena of the turn */
	int64_t attempt, max_attempts, created_wall_us;
	/* filled when its directory is written */
	const struct environment *environment;
	bool failed;
	char why[SCHED_MESSAGE_SIZE];
};
/* Looks at the queue and at this node's rows, cancels what waits, claims what fits. */
struct sched_turn {
	struct sched_op op;
	uint64_t number;
	bool may_claim, read_mine;
	struct sched_use *uses; /* in mem */
	size_t n_uses;
	struct sched_hold spare;            /* what no run has to itself; each claim takes of it */
	struct sched_reservations reserved; /* pool's thread alone */
	struct job_queued *mine;
	size_t n_mine, n_waiting, n_canceled, n_picked, n_limited;
	bool mine_read;
	struct sched_claimed claimed[SCHED_CLAIMS_MAX];
	size_t n_claimed;
};
/* Writes the directories of what a turn has claimed, a few at a time: the first start soon. */
struct sched_prepare {
	struct sched_op op; /* mem: the turn's */
	struct sched_claimed claimed[SCHED_CLAIMS_MAX];
	size_t n;
	size_t from, to; /* of them, in hand */
};
/* Clears the directories of what is completed. */
struct sched_tidy {
	struct sched_op op;
	struct compute_run_id due[SCHED_TIDY_MAX], v[SCHED_TIDY_MAX];
	size_t n_due, n;
};
/* A row of this node without an attempt behind it. */
struct sched_orphan {
	struct tenant_id tenant;
	struct uuid id;
	int64_t epoch, attempt;
	enum job_state state;
};
/* State changes that end nothing here: started, cancel, and rows without an attempt. */
struct sched_moves {
	struct sched_op op;
	struct job_move moves[SCHED_MOVES_MAX];
	size_t n;
	char *details[SCHED_MOVES_MAX]; /* malloc'ed JSON of the moves, or NULL */
};
enum sched_verdict { SCHED_DONE, SCHED_UNSURE, SCHED_DROPPED };
struct sched_completion {
	/* in */
	struct compute_run_id id;
	enum job_state row;
	const struct environment *environment;
	int64_t attempt, max_attempts;
	struct sched_over over;
	bool lost, bare, overdue;
	/* out */
	struct compute_outcome outcome;
	struct job_sample *samples; /* in the batch's arena */
	size_t n_samples;
	struct sched_cause cause;
	struct result_set results;
	bool has_results;
	struct sched_next next;
	char *detail; /* malloc'ed JSON of the cause, or NULL */
	enum sched_verdict verdict;
};
struct sched_finish {
	struct sched_op op;
	struct sched_completion v[SCHED_FINISH_MAX];
	size_t n;
	size_t n_taken; /* of them, those that the batch had room for */
};
struct sched_renew {
	struct sched_op op;
	bool failing; /* it was logged */
};
struct sched_reap {
	struct sched_op op;
	size_t n_reaped;
};
/* Start-up: one attempt found in any of three places, and what follows. */
struct sched_found {
	struct compute_run_id id;
	const struct job_queued *row;
	bool live;
	enum sched_action action;
	const struct environment *environment;
	struct compute_run limits; /* by its manifest; {0} without one */
	struct sched_hold hold;
};
struct sched_age {
	struct sched_op op;
	struct loop_timer *timer;
	int64_t n; /* keys forgotten by the last batch */
};
struct sched_boot {
	struct sched_op op;
	uint64_t list;               /* number of the list it works on */
	struct compute_run_id *live; /* in mem */
	size_t n_live;
	struct sched_found *found;
	size_t n_found;
};

struct sched {
	/* immutable once the threads run */
	struct sched_options o;
	struct loop *loop;
	struct work *ledger; /* SQL and what runs left behind, in order */
	struct work *files;  /* run directories: a slow disk must not keep the queue waiting */
	struct work *leases; /* renewals alone: nothing slow may cost a lease */
	struct compute *compute;
	struct thread thread;
	/* any thread */
	atomic_bool bell;
	atomic_bool stopping; /* nothing is claimed any more */
	atomic_bool drained;
	_Atomic(const char *) unready; /* NULL: ready */
	struct loop_item bell_item, stop_item;
	/* loop */
	struct loop_timer *tick, *poll, *heartbeat, *reaper, *trust, *later, *drain;
	struct sched_run *buckets[SCHED_BUCKETS];
	size_t n_runs;
	struct compute_run_id *live; /* what the spawner listed, before start-up is reconciled */
	size_t n_live, cap_live;
	uint64_t list;       /* number of the present or last list */
	uint64_t connection; /* number of the present or last one */
	bool connected, listing, booted, trusted;
	bool foreign; /* the spawner last seen is of another release: it starts nothing for us */
	bool live_broken; /* the list does not hold all that the spawner said */
	bool boot_due;    /* the list is complete and waits to be reconciled */
	bool turn_due, mine_due, moves_due, finish_due;
	bool unsent; /* a start or a stop did not fit into the spawner's socket */
	bool draining, drain_failed;
	int64_t turn_after_ms, mine_read_ms, pause_until_ms, lost_since_ms;
	int failures; /* of the ledger, in a row */
	struct sched_orphan orphans[SCHED_ORPHANS_MAX];
	size_t n_orphans;
	struct sched_turn turn;
	struct sched_prepare prepare;
	struct sched_tidy tidy;
	struct sched_moves moves;
	struct sched_finish finish;
	struct sched_renew renew;
	struct sched_reap reap;
	struct sched_age age;
	struct sched_boot boot;
};

/* sched_outside.c */
int64_t sched_now_ms(void); /* monotonic */
uint32_t sched_random(void);

/* sched.c */
/* Sends off what is due; called after everything that happens. */
void sched_advance(struct sched *s);
/* The op is not in flight; its `done` follows on the loop. */
void sched_op_push(struct sched_op *op);
/* A failure of the database or of files: logs the first, and puts the next try off. */
void sched_ledger_failed(struct sched *s, const struct err *e, const char *what);
void sched_ledger_worked(struct sched *s);

/* sched_table.c */
bool sched_id_same(const struct compute_run_id *a, const struct compute_run_id *b);
/* NULL when memory is short.  The run is in the table from now on. */
struct sched_run *sched_table_add(struct sched *s, const struct compute_run *launch);
struct sched_run *sched_table_find(struct sched *s, const struct compute_run_id *id);
void sched_table_remove(struct sched *s, struct sched_run *r); /* frees it */
void sched_table_clear(struct sched *s);
/* What the run has to itself; nothing once it is over. */
struct sched_hold sched_table_hold(const struct sched_run *r);
/* Iteration: NULL starts and ends; the one in hand may not be removed. */
struct sched_run *sched_table_next(struct sched *s, const struct sched_run *r);

/* sched_run.c */
void sched_run_event(void *ctx, const struct compute_event *ev);
void sched_run_over(struct sched *s, struct sched_run *r);
void sched_run_failed(
    struct sched *s, struct sched_run *r, const char *what, int sys, const char *why);
void sched_run_stop(struct sched *s, struct sched_run *r, enum sched_stop how);
/* Sends starts and stops that are due. */
void sched_run_flush(struct sched *s);
/* Each second: limits that a keeper should have enforced, and starts that nobody answers. */
void sched_run_watch(struct sched *s);
void sched_run_gauges(struct sched *s);

/* sched_spec.c: pool's thread */
struct sched_spec {
	struct json *doc; /* parameters point into it */
	struct job_spec spec;
};
void sched_spec_done(struct sched_spec *x);
int sched_spec_of(const struct sched *s, const char *manifest, struct arena *mem,
    struct sched_spec *ret, struct err *e) MUST_CHECK;
/* From the database; ERR_NOT_FOUND when there is no such job. */
int sched_spec_read(const struct sched *s, const struct compute_run_id *id, struct arena *mem,
    struct sched_spec *ret, struct err *e) MUST_CHECK;

/* The environment variables of a run; NULL when mem is exhausted. */
struct sched_env {
	const char **v;
	size_t n;
};
/* What the manifest and its environment say about how to run it; argv, env and inputs apart. */
void sched_spec_apply(const struct job_spec *spec, struct compute_run *run);
int sched_env_build(const struct job_spec *spec, const struct compute_run *run, int64_t attempt,
    struct arena *mem, struct sched_env *ret, struct err *e) MUST_CHECK;

/* sched_claim.c */
void sched_turn_init(struct sched *s);
void sched_turn_push(struct sched *s);
/* What a run of this row has to itself. */
struct sched_hold_counts sched_row_wants(const struct job_queued *row);
/* sched_files.c */
void sched_files_init(struct sched *s);
void sched_prepare_push(struct sched *s);
/* What does not fit is tidied by the next start. */
void sched_tidy_add(struct sched *s, const struct compute_run_id *id);
void sched_tidy_push(struct sched *s);
/* sched_cancel.c: what the rows of this node say about its runs */
void sched_rows_compare(struct sched *s, const struct sched_turn *t);
/* pool's thread: ends waiting jobs that somebody canceled */
int sched_cancel_waiting(struct sched *s, const struct job_queued *rows, size_t n,
    struct arena *mem, size_t *ret_n, struct err *e) MUST_CHECK;
/* sched_move.c */
void sched_moves_init(struct sched *s);
void sched_moves_push(struct sched *s);
/* sched_finish.c */
void sched_finish_init(struct sched *s);
void sched_finish_push(struct sched *s);
int sched_assess(
    struct sched *s, struct sched_completion *c, struct arena *mem, struct err *e) MUST_CHECK;
/* sched_lease.c */
void sched_lease_init(struct sched *s);
void sched_lease_beat(void *arg);
void sched_lease_reap(void *arg);
void sched_lease_expire(void *arg);
/* sched_age.c */
void sched_age_init(struct sched *s);
void sched_age_beat(void *arg);
/* sched_boot.c */
void sched_boot_init(struct sched *s);
void sched_boot_listed(struct sched *s, const struct compute_run_id *id);
void sched_boot_ended(struct sched *s, const struct compute_run_id *id);
void sched_boot_push(struct sched *s);

#endif
