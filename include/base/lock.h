/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOCK_H
#define LOCK_H

/*
 * A mutex that knows its owner, a condition, a latch and threads; the only includer of pthread.h.
 * Taking a lock twice, releasing a foreign one and waiting without it are broken invariants.
 */

#include "base.h"
#include "clock.h"
#include "err.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct lock {
	pthread_mutex_t mutex;
	_Atomic(uintptr_t) owner; /* thread that holds it, 0 for none */
};
struct cond {
	pthread_cond_t cond; /* on CLOCK_MONOTONIC */
};

void lock_init(struct lock *l);
void lock_done(struct lock *l);
void lock_take(struct lock *l);
void lock_give(struct lock *l);
bool lock_held(struct lock *l); /* by the calling thread */
void cond_init(struct cond *c);
void cond_done(struct cond *c);
void cond_wake_one(struct cond *c);
void cond_wake_all(struct cond *c);
/* False when the deadline passed; spurious wake-ups happen, so callers loop on their condition. */
bool cond_wait(struct cond *c, struct lock *l, struct deadline d);

/*
 * Opened once, by one thread, for the one that waits: cheaper than a condition when many are waited
 * for under one lock, which all those that wake up would have to take.  The waiter may destroy it
 * as soon as latch_wait has said true.
 */
struct latch {
	struct lock lock;
	struct cond opened;
	bool open;
};
void latch_init(struct latch *g);
void latch_done(struct latch *g);
void latch_open(struct latch *g);
/* False when the deadline passed before it was opened; {0}: none. */
bool latch_wait(struct latch *g, struct deadline d);

struct thread {
	pthread_t id;
	bool started;
};
/* name: at most 15 characters, shown by ps -T.  The new thread blocks all signals except those that
 * a fault of its own raises (SIGSEGV, SIGABRT, ...). */
int thread_start(
    struct thread *t, const char *name, void *(*fn)(void *), void *arg, struct err *e) MUST_CHECK;
/* Waits for the end; does nothing when never started. */
void thread_join(struct thread *t);

#endif
