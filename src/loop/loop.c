/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thin owner of libuv.  Only two things cross threads: a list of posted items under a lock, with
 * a uv_async_t that rings, and the wish to stop.  libuv folds rings that come before the loop woke
 * into one, which is why the items travel in a list of their own.  Closing a handle takes a turn of
 * the loop, so timers and watches release their memory from libuv's close callback.
 */
#include "loop.h"

#include <uv.h>

#include "lock.h"

struct loop {
	/* loop thread */
	uv_loop_t uv;
	uv_async_t ring;
	int n_handles; /* timers and watches not yet freed */
	/* under lock */
	struct lock lock;
	struct loop_item *head, *tail;
	bool stopping;
};

struct loop_timer {
	uv_timer_t uv;
	void (*fn)(void *arg);
	void *arg;
};

struct loop_watch {
	uv_poll_t uv;
	void (*fn)(void *arg, int events);
	void *arg;
	int events; /* asked for; 0: stopped */
};

static struct loop *
loop_of(uv_loop_t *uv)
{
	struct loop *l = uv->data;

	REQUIRE(l != NULL);
	return l;
}

static int
uv_err(struct err *e, int status, const char *what)
{
	/* libuv's codes are negative errno values on Linux. */
	return err_sys(e, -status, "cannot make %s", what);
}

/* Marks the item as no longer queued, after which its owner may post or release it. */
static void
run_item(struct loop *l, struct loop_item *item)
{
	void (*fn)(void *arg);
	void *arg;

	lock_take(&l->lock);
	fn = item->fn;
	arg = item->arg;
	*item = (struct loop_item){ 0 };
	lock_give(&l->lock);
	fn(arg);
}

static void
on_ring(uv_async_t *ring)
{
	struct loop *l = loop_of(ring->loop);
	struct loop_item *batch;
	bool stopping;

	/* What is posted from here on rings again: no poster can starve the loop. */
	lock_take(&l->lock);
	batch = l->head;
	l->head = NULL;
	l->tail = NULL;
	stopping = l->stopping;
	lock_give(&l->lock);
	while (batch != NULL) {
		struct loop_item *item = batch;

		batch = item->next;
		run_item(l, item);
	}
	if (stopping)
		uv_stop(&l->uv);
}

static int
loop_init(struct loop *l, struct err *e)
{
	int status = uv_loop_init(&l->uv);

	if (status < 0)
		return uv_err(e, status, "an event loop");
	l->uv.data = l;
	status = uv_async_init(&l->uv, &l->ring, on_ring);
	if (status < 0) {
		(void)uv_loop_close(&l->uv); /* holds no handle */
		return uv_err(e, status, "an event loop's bell");
	}
	return 0;
}

int
loop_new(struct loop **ret, struct err *e)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return err_set(e, ERR_NO_MEMORY, "no memory for an event loop");
	lock_init(&l->lock);
	if (loop_init(l, e) < 0) {
		lock_done(&l->lock);
		free(l);
		return -1;
	}
	*ret = l;
	return 0;
}

void
loop_free(struct loop *l)
{
	if (l == NULL)
		return;
	REQUIRE(l->n_handles == 0);
	uv_close((uv_handle_t *)&l->ring, NULL);
	/* One turn runs what is left: the close callbacks of freed timers and watches. */
	(void)uv_run(&l->uv, UV_RUN_NOWAIT);
	REQUIRE(uv_loop_close(&l->uv) == 0);
	lock_done(&l->lock);
	free(l);
}

void
loop_run(struct loop *l)
{
	/* The bell is a live handle, so only uv_stop ends this. */
	(void)uv_run(&l->uv, UV_RUN_DEFAULT);
	lock_take(&l->lock);
	l->stopping = false;
	lock_give(&l->lock);
}

static void
ring(struct loop *l)
{
	REQUIRE(uv_async_send(&l->ring) == 0);
}

void
loop_stop(struct loop *l)
{
	lock_take(&l->lock);
	l->stopping = true;
	lock_give(&l->lock);
	ring(l);
}

void
loop_post(struct loop *l, struct loop_item *item, void (*fn)(void *arg), void *arg)
{
	REQUIRE(fn != NULL);
	lock_take(&l->lock);
	REQUIRE(item->fn == NULL); /* else it is queued already */
	*item = (struct loop_item){ .fn = fn, .arg = arg };
	if (l->tail == NULL)
		l->head = item;
	else
		l->tail->next = item;
	l->tail = item;
	/* Rung under the lock: when this item is the last before the loop ends, the loop cannot be
	 * gone before the ring is over. */
	ring(l);
	lock_give(&l->lock);
}

static void
on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

/* data points to the struct that embeds the handle, which dies in on_closed. */
static void
handle_free(uv_handle_t *handle)
{
	loop_of(handle->loop)->n_handles--;
	uv_close(handle, on_closed);
}

static void
on_timer(uv_timer_t *uv)
{
	struct loop_timer *t = uv->data;

	t->fn(t->arg);
}

int
loop_timer_new(
    struct loop *l, void (*fn)(void *arg), void *arg, struct loop_timer **ret, struct err *e)
{
	struct loop_timer *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return err_set(e, ERR_NO_MEMORY, "no memory for a timer");
	REQUIRE(uv_timer_init(&l->uv, &t->uv) == 0);
	t->uv.data = t;
	t->fn = fn;
	t->arg = arg;
	l->n_handles++;
	*ret = t;
	return 0;
}

void
loop_timer_start(struct loop_timer *t, int64_t first_ms, int64_t repeat_ms)
{
	REQUIRE(first_ms >= 0);
	REQUIRE(repeat_ms >= 0);
	/* libuv counts from the start of its turn, which may be a while ago. */
	uv_update_time(t->uv.loop);
	REQUIRE(uv_timer_start(&t->uv, on_timer, (uint64_t)first_ms, (uint64_t)repeat_ms) == 0);
}

void
loop_timer_stop(struct loop_timer *t)
{
	REQUIRE(uv_timer_stop(&t->uv) == 0);
}

void
loop_timer_free(struct loop_timer *t)
{
	if (t != NULL)
		handle_free((uv_handle_t *)&t->uv);
}

static void watch_arm(struct loop_watch *w);

static void
on_poll(uv_poll_t *uv, int status, int events)
{
	struct loop_watch *w = uv->data;
	int seen = 0;

	if (status < 0) {
		/* libuv stops a watch on EPOLLERR; ours last until their owner stops them. */
		watch_arm(w);
		seen = LOOP_READ | LOOP_WRITE;
	}
	if ((events & UV_READABLE) != 0)
		seen |= LOOP_READ;
	if ((events & UV_WRITABLE) != 0)
		seen |= LOOP_WRITE;
	w->fn(w->arg, seen);
}

static void
watch_arm(struct loop_watch *w)
{
	int events = 0;

	if ((w->events & LOOP_READ) != 0)
		events |= UV_READABLE;
	if ((w->events & LOOP_WRITE) != 0)
		events |= UV_WRITABLE;
	REQUIRE(uv_poll_start(&w->uv, events, on_poll) == 0);
}

int
loop_watch_new(struct loop *l, int fd, void (*fn)(void *arg, int events), void *arg,
    struct loop_watch **ret, struct err *e)
{
	struct loop_watch *w = calloc(1, sizeof(*w));
	int status;

	if (w == NULL)
		return err_set(e, ERR_NO_MEMORY, "no memory for a watch");
	status = uv_poll_init(&l->uv, &w->uv, fd);
	if (status < 0) {
		free(w);
		return uv_err(e, status, "a watch on a descriptor");
	}
	w->uv.data = w;
	w->fn = fn;
	w->arg = arg;
	l->n_handles++;
	*ret = w;
	return 0;
}

void
loop_watch_start(struct loop_watch *w, int events)
{
	REQUIRE(events != 0);
	REQUIRE((events & ~(LOOP_READ | LOOP_WRITE)) == 0);
	w->events = events;
	watch_arm(w);
}

void
loop_watch_stop(struct loop_watch *w)
{
	w->events = 0;
	REQUIRE(uv_poll_stop(&w->uv) == 0);
}

void
loop_watch_free(struct loop_watch *w)
{
	if (w != NULL)
		handle_free((uv_handle_t *)&w->uv);
}
