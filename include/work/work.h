/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WORK_H
#define WORK_H

/* Bounded pool of threads for work that may block.  work_push may be called from any thread. */

#include "base.h"
#include "err.h"

struct work;

/* name: at most 12 characters.  capacity: items that may wait. */
int work_new(
    const char *name, int n_threads, int capacity, struct work **ret, struct err *e) MUST_CHECK;
/* Queues fn(arg); -1 with ERR_BUSY when the queue is full, ERR_STOPPING after work_stop. */
int work_push(struct work *w, void (*fn)(void *arg), void *arg, struct err *e) MUST_CHECK;
int work_depth(struct work *w); /* items waiting now */
/* Refuses new items, runs those that wait, joins the threads.  Idempotent; called by the thread
 * that made the pool, never by an item. */
void work_stop(struct work *w);
void work_free(struct work *w); /* stops first; accepts NULL */
AUTO_TYPE(work);

#endif
