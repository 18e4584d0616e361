/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCHED_TIME_H
#define SCHED_TIME_H

/*
 * A loop, pools and a clock without waiting: loop.h and work.h over one list of events in virtual
 * time, run one by one in order, so that a seed decides everything.  Work takes a random time on
 * its pool and happens as a whole at its end.
 *
 * The test's thread turns the clock (sim_step).  The scheduler's own thread sleeps in loop_run,
 * with one exception: while the test's thread waits in sched_stop, the thread that is to end turns
 * the clock itself.  So one thread runs at a time, and nothing here needs a lock but the handing
 * over.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "lock.h"
#include "loop.h"
#include "work.h"

enum { SIM_TIMERS = 512, SIM_POOLS = 160, SIM_ITEMS = 16, SIM_NEVER = 0 };

/* One daemon's life: a name, and whether it has died. */
struct instance {
	char name;
	bool dead;    /* killed: nothing of it happens any more */
	bool db_down; /* cut off from the database */
	struct sched *s;
	struct loop *loop;
};

struct loop {
	struct instance *of;
	struct loop_item *head, *tail;
	bool stopped;
	/* Handing over the clock; of its own, so that a test that failed in the middle and left a
	 * sleeping thread behind disturbs no other. */
	struct lock lock;
	struct cond cond;
	bool stopping; /* the next item posted starts its thread */
	bool driving;
};
struct loop_timer {
	struct loop *loop;
	void (*fn)(void *arg);
	void *arg;
	int64_t at_ms, repeat_ms; /* at_ms SIM_NEVER: stopped */
	uint64_t order;
};
struct sim_item {
	void (*fn)(void *arg);
	void *arg;
	int64_t at_ms;
	uint64_t order;
};
struct work {
	struct instance *of;
	struct sim_item items[SIM_ITEMS];
	size_t n;
};

static struct sim {
	int64_t now_ms;
	uint64_t order;
	uint64_t seed;
	int slowness_ms; /* longest that a piece of work takes */
	struct instance *starting;
	struct loop_timer *timers[SIM_TIMERS];
	struct work *pools[SIM_POOLS];
	struct loop *loops[SIM_POOLS];
} sim;

static uint32_t
draw(uint32_t below)
{
	uint64_t x = sim.seed += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)(x >> 33) % below;
}

int64_t sched_now_ms(void);
uint32_t sched_random(void);

int64_t
sched_now_ms(void)
{
	return sim.now_ms;
}

uint32_t
sched_random(void)
{
	return draw(UINT32_MAX);
}

static size_t
slot_of(void **slots, size_t n, const void *wanted)
{
	for (size_t i = 0; i < n; i++)
		if (slots[i] == wanted)
			return i;
	abort();
}
#define SLOT(slots, wanted) slot_of((void **)(slots), ARRAY_LEN(slots), (wanted))

/* --- loop.h ----------------------------------------------------------------------------------- */

int
loop_new(struct loop **ret, struct err *e)
{
	struct loop *l = calloc(1, sizeof(*l));

	(void)e;
	l->of = sim.starting;
	l->of->loop = l;
	lock_init(&l->lock);
	cond_init(&l->cond);
	sim.loops[SLOT(sim.loops, NULL)] = l;
	*ret = l;
	return 0;
}

void
loop_free(struct loop *l)
{
	if (l == NULL)
		return;
	sim.loops[SLOT(sim.loops, l)] = NULL;
	cond_done(&l->cond);
	lock_done(&l->lock);
	free(l);
}

void
loop_post(struct loop *l, struct loop_item *item, void (*fn)(void *arg), void *arg)
{
	REQUIRE(item->fn == NULL);
	*item = (struct loop_item){ .fn = fn, .arg = arg };
	if (l->tail == NULL)
		l->head = item;
	else
		l->tail->next = item;
	l->tail = item;
	lock_take(&l->lock);
	if (l->stopping) {
		l->driving = true;
		cond_wake_all(&l->cond);
	}
	lock_give(&l->lock);
}

void
loop_stop(struct loop *l)
{
	l->stopped = true;
}

int
loop_timer_new(
    struct loop *l, void (*fn)(void *arg), void *arg, struct loop_timer **ret, struct err *e)
{
	struct loop_timer *t = calloc(1, sizeof(*t));

	(void)e;
	*t = (struct loop_timer){ .loop = l, .fn = fn, .arg = arg };
	sim.timers[SLOT(sim.timers, NULL)] = t;
	*ret = t;
	return 0;
}

void
loop_timer_start(struct loop_timer *t, int64_t first_ms, int64_t repeat_ms)
{
	REQUIRE(first_ms >= 0);
	t->at_ms = sim.now_ms + first_ms;
	t->repeat_ms = repeat_ms;
	t->order = sim.order++;
}

void
loop_timer_stop(struct loop_timer *t)
{
	t->at_ms = SIM_NEVER;
}

void
loop_timer_free(struct loop_timer *t)
{
	if (t == NULL)
		return;
	sim.timers[SLOT(sim.timers, t)] = NULL;
	free(t);
}

/* --- work.h ----------------------------------------------------------------------------------- */

int
work_new(const char *name, int n_threads, int capacity, struct work **ret, struct err *e)
{
	struct work *w = calloc(1, sizeof(*w));

	(void)name;
	(void)e;
	REQUIRE(n_threads == 1 && capacity <= SIM_ITEMS);
	w->of = sim.starting;
	sim.pools[SLOT(sim.pools, NULL)] = w;
	*ret = w;
	return 0;
}

int
work_push(struct work *w, void (*fn)(void *arg), void *arg, struct err *e)
{
	int64_t from_ms = w->n > 0 ? w->items[w->n - 1].at_ms : sim.now_ms;

	(void)e;
	REQUIRE(w->n < SIM_ITEMS);
	w->items[w->n++] = (struct sim_item){ .fn = fn,
		.arg = arg,
		.order = sim.order++,
		.at_ms = from_ms + draw((uint32_t)sim.slowness_ms + 1) };
	return 0;
}

static void
work_do(struct work *w)
{
	struct sim_item item = w->items[0];

	w->n--;
	memmove(w->items, w->items + 1, w->n * sizeof(w->items[0]));
	item.fn(item.arg);
}

void
work_free(struct work *w)
{
	if (w == NULL)
		return;
	while (w->n > 0)
		work_do(w);
	sim.pools[SLOT(sim.pools, w)] = NULL;
	free(w);
}

/* --- the clock -------------------------------------------------------------------------------- */

struct sim_choice {
	int64_t at_ms;
	uint64_t order;
	struct loop_timer *timer;
	struct work *work;
};

static void
consider(struct sim_choice *best, const struct sim_choice *c)
{
	bool none = best->timer == NULL && best->work == NULL;

	if (none || c->at_ms < best->at_ms || (c->at_ms == best->at_ms && c->order < best->order))
		*best = *c;
}

static struct sim_choice
choose(void)
{
	struct sim_choice best = { .timer = NULL };

	for (size_t i = 0; i < SIM_TIMERS; i++) {
		struct loop_timer *t = sim.timers[i];

		if (t != NULL && t->at_ms != SIM_NEVER && !t->loop->of->dead && !t->loop->stopped)
			consider(&best, &(struct sim_choice){
					    .at_ms = t->at_ms, .order = t->order, .timer = t });
	}
	for (size_t i = 0; i < SIM_POOLS; i++) {
		struct work *w = sim.pools[i];

		if (w != NULL && w->n > 0 && !w->of->dead)
			consider(&best, &(struct sim_choice){ .at_ms = w->items[0].at_ms,
					    .order = w->items[0].order,
					    .work = w });
	}
	return best;
}

static bool
run_posted(void)
{
	for (size_t i = 0; i < SIM_POOLS; i++) {
		struct loop *l = sim.loops[i];
		struct loop_item *item = l != NULL ? l->head : NULL;
		struct loop_item copy;

		if (item == NULL || l->of->dead || l->stopped)
			continue;
		copy = *item;
		l->head = item->next;
		if (l->head == NULL)
			l->tail = NULL;
		*item = (struct loop_item){ 0 };
		copy.fn(copy.arg);
		return true;
	}
	return false;
}

/* Lets the next thing happen. */
static void
sim_step(void)
{
	struct sim_choice c;

	if (run_posted())
		return;
	c = choose();
	REQUIRE(c.timer != NULL || c.work != NULL);
	if (c.at_ms > sim.now_ms)
		sim.now_ms = c.at_ms;
	if (c.work != NULL) {
		work_do(c.work);
		return;
	}
	c.timer->at_ms = c.timer->repeat_ms > 0 ? sim.now_ms + c.timer->repeat_ms : SIM_NEVER;
	c.timer->order = sim.order++;
	c.timer->fn(c.timer->arg);
}

void
loop_run(struct loop *l)
{
	lock_take(&l->lock);
	while (!l->driving)
		(void)cond_wait(&l->cond, &l->lock, (struct deadline){ 0 }); /* never times out */
	lock_give(&l->lock);
	while (!l->stopped)
		sim_step();
}

static void
sim_begin(uint64_t seed)
{
	sim = (struct sim){ .now_ms = 1000000, .seed = seed, .slowness_ms = 5 };
}

#endif
