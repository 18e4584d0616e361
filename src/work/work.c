/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Items wait in lists chosen by class, WORK_QUEUES for the wide and as many for the narrow ones;
 * list 0 is the pool's own and has no limits but the pool's.  Lists with something that may run
 * stand in a ring; a thread takes the oldest item of the list whose turn it is, and the turn passes
 * on.  A list whose class holds all the threads it may is left out of the ring until one of its
 * items is done.
 */
#include "work.h"

#include <stdio.h>

#include "lock.h"

enum { NAME_MAX_LENGTH = 12, THREADS_MAX = 1024, NONE = -1, NARROW_RUNNING_MAX = 2 };
enum {
	FIRST_WIDE = 1,
	FIRST_NARROW = FIRST_WIDE + WORK_QUEUES,
	QUEUES = FIRST_NARROW + WORK_QUEUES
};

struct item {
	void (*fn)(void *arg);
	void *arg;
	int next; /* index of the next one in its list, or of the next free one */
};

struct queue {
	int first, last; /* items; NONE when empty */
	int depth;
	int running;
	int next_turn; /* the queue after this one in the ring */
	bool in_ring;
};

struct work {
	/* immutable */
	int capacity;
	int n_threads;
	int class_depth_max;
	int class_running_max;
	/* under lock */
	struct lock lock;
	struct cond filled; /* the ring is not empty, or the pool stops */
	struct item *items;
	struct queue queues[QUEUES];
	int free;                  /* first free item */
	int ring_first, ring_last; /* queues; NONE when empty */
	int depth;
	bool stopping;
	/* thread that made the pool */
	struct thread *threads;
};

/* --- under the lock -----------------------------------------------------------------------------
 */

static bool
may_run(const struct work *w, int q)
{
	const struct queue *x = &w->queues[q];

	if (x->depth == 0 || q == 0)
		return x->depth > 0;
	return x->running < (q < FIRST_NARROW ? w->class_running_max : NARROW_RUNNING_MAX);
}

static void
ring_add(struct work *w, int q)
{
	struct queue *x = &w->queues[q];

	if (x->in_ring || !may_run(w, q))
		return;
	x->in_ring = true;
	x->next_turn = NONE;
	if (w->ring_first == NONE)
		w->ring_first = q;
	else
		w->queues[w->ring_last].next_turn = q;
	w->ring_last = q;
	cond_wake_one(&w->filled);
}

static int
ring_take(struct work *w)
{
	int q = w->ring_first;

	w->ring_first = w->queues[q].next_turn;
	if (w->ring_first == NONE)
		w->ring_last = NONE;
	w->queues[q].in_ring = false;
	return q;
}

static void
append(struct work *w, int q, void (*fn)(void *arg), void *arg)
{
	struct queue *x = &w->queues[q];
	int i = w->free;

	w->free = w->items[i].next;
	w->items[i] = (struct item){ fn, arg, NONE };
	if (x->depth == 0)
		x->first = i;
	else
		w->items[x->last].next = i;
	x->last = i;
	x->depth++;
	w->depth++;
}

static struct item
take_first(struct work *w, int q)
{
	struct queue *x = &w->queues[q];
	int i = x->first;
	struct item item = w->items[i];

	x->first = item.next;
	x->depth--;
	x->running++;
	w->depth--;
	w->items[i].next = w->free;
	w->free = i;
	return item;
}

/* --- threads ------------------------------------------------------------------------------------
 */

/* Gives back the place of what this thread ran before (NONE: nothing) and takes the next item,
 * waiting for one; false when the pool stops and none is left for this thread. */
static bool
take(struct work *w, int *queue, struct item *ret)
{
	bool got;

	lock_take(&w->lock);
	if (*queue != NONE) {
		w->queues[*queue].running--;
		ring_add(w, *queue);
	}
	while (w->ring_first == NONE && !(w->stopping && w->depth == 0))
		(void)cond_wait(&w->filled, &w->lock, (struct deadline){ 0 }); /* never times out */
	got = w->ring_first != NONE;
	if (got) {
		*queue = ring_take(w);
		*ret = take_first(w, *queue);
		ring_add(w, *queue);
		/* The last item is taken: the others need not wait for more. */
		if (w->stopping && w->depth == 0)
			cond_wake_all(&w->filled);
	}
	lock_give(&w->lock);
	return got;
}

static void *
serve(void *arg)
{
	struct work *w = arg;
	struct item item;
	int queue = NONE;

	while (take(w, &queue, &item))
		item.fn(item.arg);
	return NULL;
}

static int
start_threads(struct work *w, const char *name, struct err *e)
{
	char thread_name[32];

	for (int i = 0; i < w->n_threads; i++) {
		(void)snprintf(
		    thread_name, sizeof(thread_name), "%.*s-%d", NAME_MAX_LENGTH, name, i);
		thread_name[15] = '\0'; /* the kernel's limit; a cut number serves ps(1) as well */
		if (thread_start(&w->threads[i], thread_name, serve, w, e) < 0)
			return -1;
	}
	return 0;
}

static void
link_free(struct work *w)
{
	for (int i = 0; i < w->capacity; i++)
		w->items[i].next = i + 1;
	w->items[w->capacity - 1].next = NONE;
	w->free = 0;
	w->ring_first = w->ring_last = NONE;
}

int
work_new(const char *name, int n_threads, int capacity, struct work **ret, struct err *e)
{
	AUTO(work) w = calloc(1, sizeof(*w));

	REQUIRE(n_threads > 0 && n_threads <= THREADS_MAX);
	REQUIRE(capacity > 0);
	if (w == NULL)
		return err_set(e, ERR_NO_MEMORY, "no memory for a pool of threads");
	lock_init(&w->lock);
	cond_init(&w->filled);
	w->capacity = capacity;
	w->n_threads = n_threads;
	w->class_depth_max = (capacity + 3) / 4;
	w->class_running_max = n_threads - n_threads / 4 - (n_threads == 2 || n_threads == 3);
	w->items = calloc((size_t)capacity, sizeof(*w->items));
	w->threads = calloc((size_t)n_threads, sizeof(*w->threads));
	if (w->items == NULL || w->threads == NULL)
		return err_set(e, ERR_NO_MEMORY, "no memory for a pool of %d threads", n_threads);
	link_free(w);
	if (start_threads(w, name, e) < 0)
		return -1;
	*ret = w;
	w = NULL;
	return 0;
}

/* --- callers ------------------------------------------------------------------------------------
 */

static int
push(struct work *w, int q, void (*fn)(void *arg), void *arg, struct err *e)
{
	bool stopping, full, crowded;

	lock_take(&w->lock);
	stopping = w->stopping;
	full = w->depth == w->capacity;
	crowded = q != 0 && w->queues[q].depth >= w->class_depth_max;
	if (!stopping && !full && !crowded) {
		append(w, q, fn, arg);
		ring_add(w, q);
	}
	lock_give(&w->lock);
	if (stopping)
		return err_set(
		    e, ERR_STOPPING, "the server is shutting down; try again in a moment");
	if (crowded)
		return err_set(e, ERR_BUSY, "%d of your requests wait already; send fewer at once",
		    w->class_depth_max);
	if (full)
		return err_set(
		    e, ERR_BUSY, "%d requests wait already; try again in a moment", w->capacity);
	return 0;
}

int
work_push(struct work *w, void (*fn)(void *arg), void *arg, struct err *e)
{
	return push(w, 0, fn, arg, e);
}

/* Fibonacci hashing: the top byte of a product with 2^64 divided by the golden ratio. */
static int
hash(uint64_t class)
{
	_Static_assert(WORK_QUEUES == 256, "one byte chooses the queue");
	return (int)(class * UINT64_C(0x9e3779b97f4a7c15) >> 56);
}

int
work_push_for(struct work *w, uint64_t class, enum work_width width, void (*fn)(void *arg),
    void *arg, struct err *e)
{
	int first = width == WORK_WIDE ? FIRST_WIDE : FIRST_NARROW;

	return push(w, first + hash(class), fn, arg, e);
}

int
work_depth(struct work *w)
{
	int depth;

	lock_take(&w->lock);
	depth = w->depth;
	lock_give(&w->lock);
	return depth;
}

void
work_stop(struct work *w)
{
	lock_take(&w->lock);
	w->stopping = true;
	cond_wake_all(&w->filled);
	lock_give(&w->lock);
	for (int i = 0; i < w->n_threads && w->threads != NULL; i++)
		thread_join(&w->threads[i]);
}

void
work_free(struct work *w)
{
	if (w == NULL)
		return;
	work_stop(w);
	cond_done(&w->filled);
	lock_done(&w->lock);
	free(w->threads);
	free(w->items);
	free(w);
}
