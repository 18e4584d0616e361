/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOOP_H
#define LOOP_H

/*
 * One event loop on one thread; the only owner of libuv.  Everything except loop_post and loop_stop
 * must be called on the loop's thread (or before it runs).  Callbacks never block.
 */

#include "base.h"
#include "err.h"

struct loop;
struct loop_timer;
struct loop_watch;

int loop_new(struct loop **ret, struct err *e) MUST_CHECK;
/* After the loop's thread has ended; every timer and watch must be freed before. */
void loop_free(struct loop *l);
/* Runs fn-s until loop_stop; call it on the thread that is to own the loop. */
void loop_run(struct loop *l);
/* Any thread: makes loop_run return within two turns, when everything posted before has run. */
void loop_stop(struct loop *l);

/*
 * Any thread: calls fn(arg) on the loop's thread, in order of posting.  `item` is storage owned by
 * the caller, zeroed before its first use, that must live until fn runs; fn may post it again or
 * release it.  Posting an item that is already queued is a broken invariant.  Never fails, never
 * allocates.
 */
struct loop_item {
	struct loop_item *next;
	void (*fn)(void *arg);
	void *arg;
};
void loop_post(struct loop *l, struct loop_item *item, void (*fn)(void *arg), void *arg);

/* first_ms from now, then every repeat_ms (0: once). */
int loop_timer_new(struct loop *l, void (*fn)(void *arg), void *arg, struct loop_timer **ret,
    struct err *e) MUST_CHECK;
void loop_timer_start(struct loop_timer *t, int64_t first_ms, int64_t repeat_ms);
void loop_timer_stop(struct loop_timer *t);
void loop_timer_free(struct loop_timer *t); /* accepts NULL; may be called from its own callback */

enum { LOOP_READ = 1, LOOP_WRITE = 2 };
/*
 * Level-triggered; fn(arg, events) with LOOP_READ, LOOP_WRITE; an error comes as both, a hang-up at
 * least as what was asked for.  Makes the descriptor non-blocking.  One watch per descriptor.
 */
int loop_watch_new(struct loop *l, int fd, void (*fn)(void *arg, int events), void *arg,
    struct loop_watch **ret, struct err *e) MUST_CHECK;
void loop_watch_start(struct loop_watch *w, int events);
void loop_watch_stop(struct loop_watch *w);
/* Accepts NULL; does not close the descriptor, which must still be open; may be called from its own
 * callback. */
void loop_watch_free(struct loop_watch *w);

#endif
