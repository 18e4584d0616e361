/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdatomic.h>

#include "lock.h"
#include "work.h"

/* A gate that items wait at, so that a test decides when a worker is busy. */
struct gate {
	struct lock lock;
	struct cond moved;
	int inside;
	bool open;
	atomic_int ran;
};

static void
gate_init(struct gate *g)
{
	memset(g, 0, sizeof(*g));
	lock_init(&g->lock);
	cond_init(&g->moved);
}

static void
gate_done(struct gate *g)
{
	cond_done(&g->moved);
	lock_done(&g->lock);
}

static void
pass_gate(void *arg)
{
	struct gate *g = arg;

	lock_take(&g->lock);
	g->inside++;
	cond_wake_all(&g->moved);
	while (!g->open)
		(void)cond_wait(&g->moved, &g->lock, deadline_in_ms(10000));
	lock_give(&g->lock);
	atomic_fetch_add(&g->ran, 1);
}

static void
gate_await_inside(struct gate *g, int n)
{
	struct deadline d = deadline_in_ms(10000);

	lock_take(&g->lock);
	while (g->inside < n && cond_wait(&g->moved, &g->lock, d))
		;
	assert_true(g->inside >= n);
	lock_give(&g->lock);
}

static void
gate_open(struct gate *g)
{
	lock_take(&g->lock);
	g->open = true;
	cond_wake_all(&g->moved);
	lock_give(&g->lock);
}

static void
count(void *arg)
{
	atomic_fetch_add((atomic_int *)arg, 1);
}

static void
every_item_runs_exactly_once(void **state)
{
	atomic_int counts[300];
	struct work *w = NULL;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(work_new("test", 3, 300, &w, &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		atomic_init(&counts[i], 0);
		assert_int_equal(work_push(w, count, &counts[i], &e), 0);
	}
	work_stop(w);
	for (size_t i = 0; i < ARRAY_LEN(counts); i++)
		assert_int_equal(atomic_load(&counts[i]), 1);
	work_free(w);
}

static void
items_run_beside_each_other(void **state)
{
	struct work *w = NULL;
	struct err e = { 0 };
	struct gate g;

	(void)state;
	gate_init(&g);
	assert_int_equal(work_new("test", 3, 3, &w, &e), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(work_push(w, pass_gate, &g, &e), 0);
		gate_await_inside(&g, i + 1);
	}
	gate_open(&g);
	work_free(w);
	assert_int_equal(atomic_load(&g.ran), 3);
	gate_done(&g);
}

static void
a_full_queue_refuses_and_keeps_what_it_accepted(void **state)
{
	struct work *w = NULL;
	struct err e = { 0 };
	struct gate g;

	(void)state;
	gate_init(&g);
	assert_int_equal(work_new("test", 1, 4, &w, &e), 0);
	assert_int_equal(work_push(w, pass_gate, &g, &e), 0);
	gate_await_inside(&g, 1);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(work_depth(w), i);
		assert_int_equal(work_push(w, pass_gate, &g, &e), 0);
	}
	assert_int_equal(work_push(w, pass_gate, &g, &e), -1);
	assert_int_equal(e.code, ERR_BUSY);
	assert_int_equal(work_depth(w), 4);
	gate_open(&g);
	work_stop(w);
	assert_int_equal(atomic_load(&g.ran), 5);
	assert_int_equal(work_depth(w), 0);
	work_free(w);
	gate_done(&g);
}

static void
after_stop_nothing_is_accepted(void **state)
{
	atomic_int ran = 0;
	struct work *w = NULL;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(work_new("a-longer-name-than-fits", 200, 1, &w, &e), 0);
	work_stop(w);
	work_stop(w);
	assert_int_equal(work_push(w, count, &ran, &e), -1);
	assert_int_equal(e.code, ERR_STOPPING);
	work_free(w);
	work_free(NULL);
	assert_int_equal(atomic_load(&ran), 0);
}

struct chain {
	struct work *work;
	atomic_int left;
	atomic_int refused;
};

static void
push_next(void *arg)
{
	struct chain *c = arg;
	struct err e = { 0 };

	if (atomic_fetch_sub(&c->left, 1) > 1 && work_push(c->work, push_next, c, &e) < 0)
		atomic_store(&c->refused, (int)e.code);
}

static void
an_item_may_push_more_until_the_pool_stops(void **state)
{
	struct chain c = { .left = 1 << 30 };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(work_new("test", 2, 2, &c.work, &e), 0);
	assert_int_equal(work_push(c.work, push_next, &c, &e), 0);
	work_stop(c.work);
	assert_int_equal(atomic_load(&c.refused), ERR_STOPPING);
	work_free(c.work);
}

struct pusher {
	struct work *work;
	struct thread thread;
	atomic_int *ran;
	int accepted;
};

static void *
push_many(void *arg)
{
	struct pusher *p = arg;
	struct err e = { 0 };

	for (int i = 0; i < 2000; i++)
		if (work_push(p->work, count, p->ran, &e) == 0)
			p->accepted++;
	return NULL;
}

static void
many_pushers_lose_nothing_that_was_accepted(void **state)
{
	struct pusher pushers[4] = { 0 };
	atomic_int ran = 0;
	struct work *w = NULL;
	struct err e = { 0 };
	int accepted = 0;

	(void)state;
	assert_int_equal(work_new("test", 3, 16, &w, &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(pushers); i++) {
		pushers[i] = (struct pusher){ .work = w, .ran = &ran };
		assert_int_equal(
		    thread_start(&pushers[i].thread, "pusher", push_many, &pushers[i], &e), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(pushers); i++) {
		thread_join(&pushers[i].thread);
		accepted += pushers[i].accepted;
	}
	work_stop(w);
	assert_int_equal(atomic_load(&ran), accepted);
	assert_true(accepted >= 16);
	work_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_item_runs_exactly_once),
		cmocka_unit_test(items_run_beside_each_other),
		cmocka_unit_test(a_full_queue_refuses_and_keeps_what_it_accepted),
		cmocka_unit_test(after_stop_nothing_is_accepted),
		cmocka_unit_test(an_item_may_push_more_until_the_pool_stops),
		cmocka_unit_test(many_pushers_lose_nothing_that_was_accepted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
