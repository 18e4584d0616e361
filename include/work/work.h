/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WORK_H
#define WORK_H

/*
 * Bounded pool of threads for work that may block, fair between classes of callers (tenants): each
 * class has a queue of its own and the queues take turns, so that one caller's backlog delays
 * another's by as many items as there are classes, not by its length.  Callable from any thread.
 */

#include "base.h"
#include "err.h"

struct work;

/* Classes that share a queue by chance share its limits, too. */
enum { WORK_QUEUES = 256 };

/* name: at most 12 characters.  capacity: items that may wait. */
int work_new(
    const char *name, int n_threads, int capacity, struct work **ret, struct err *e) MUST_CHECK;
/* Queues fn(arg); -1 with ERR_BUSY when the pool is full, ERR_STOPPING after work_stop. */
int work_push(struct work *w, void (*fn)(void *arg), void *arg, struct err *e) MUST_CHECK;
/* The same for one class, which may hold a quarter of the places (at least one), so that others
 * always find one.  WIDE: it may hold three quarters of the threads (all, when there are fewer than
 * two).  NARROW: at most two, for items of a class that only wait for each other. */
enum work_width { WORK_WIDE, WORK_NARROW };
int work_push_for(struct work *w, uint64_t class, enum work_width width, void (*fn)(void *arg),
    void *arg, struct err *e) MUST_CHECK;
int work_depth(struct work *w); /* items waiting now */
/* Refuses new items, runs those that wait, joins the threads.  Idempotent; called by the thread
 * that made the pool, never by an item. */
void work_stop(struct work *w);
void work_free(struct work *w); /* stops first; accepts NULL */
AUTO_TYPE(work);

#endif
