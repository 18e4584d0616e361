/* SPDX-License-Identifier: Apache-2.0 */
/* A ring of fixed capacity under one lock; threads sleep on `filled` while it is empty. */
#include "work.h"

#include <stdio.h>

#include "lock.h"

enum { NAME_MAX_LENGTH = 12, THREADS_MAX = 1024 };

struct item {
	void (*fn)(void *arg);
	void *arg;
};

struct work {
	/* immutable */
	int capacity;
	int n_threads;
	/* under lock */
	struct lock lock;
	struct cond filled;
	struct item *ring;
	int first; /* index of the oldest item */
	int depth;
	bool stopping;
	/* thread that made the pool */
	struct thread *threads;
};

/* Takes the oldest item, waiting for one; false when the pool stops and none is left. */
static bool
take(struct work *w, struct item *ret)
{
	bool got;

	lock_take(&w->lock);
	while (w->depth == 0 && !w->stopping)
		(void)cond_wait(&w->filled, &w->lock, (struct deadline){ 0 }); /* never times out */
	got = w->depth > 0;
	if (got) {
		*ret = w->ring[w->first];
		w->first = (w->first + 1) % w->capacity;
		w->depth--;
	}
	lock_give(&w->lock);
	return got;
}

static void *
serve(void *arg)
{
	struct work *w = arg;
	struct item item;

	while (take(w, &item))
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
	w->ring = calloc((size_t)capacity, sizeof(*w->ring));
	w->threads = calloc((size_t)n_threads, sizeof(*w->threads));
	if (w->ring == NULL || w->threads == NULL)
		return err_set(e, ERR_NO_MEMORY, "no memory for a pool of %d threads", n_threads);
	if (start_threads(w, name, e) < 0)
		return -1;
	*ret = w;
	w = NULL;
	return 0;
}

int
work_push(struct work *w, void (*fn)(void *arg), void *arg, struct err *e)
{
	bool stopping, full;

	lock_take(&w->lock);
	stopping = w->stopping;
	full = w->depth == w->capacity;
	if (!stopping && !full) {
		w->ring[(w->first + w->depth) % w->capacity] = (struct item){ fn, arg };
		w->depth++;
		cond_wake_one(&w->filled);
	}
	lock_give(&w->lock);
	if (stopping)
		return err_set(
		    e, ERR_STOPPING, "the server is shutting down; try again in a moment");
	if (full)
		return err_set(
		    e, ERR_BUSY, "%d requests wait already; try again in a moment", w->capacity);
	return 0;
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
	free(w->ring);
	free(w);
}
