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

/* Classes 1 and 2 have queues of their own (see queue_of in work.c). */
enum { ALPHA = 1, BETA = 2, ORDER_MAX = 64 };

struct scene {
	struct lock lock;
	struct cond moved;
	bool open;
	int inside;
	int n_order;
	char order[ORDER_MAX];
};
struct step {
	struct scene *scene;
	char name;
};

static void
scene_init(struct scene *s)
{
	memset(s, 0, sizeof(*s));
	lock_init(&s->lock);
	cond_init(&s->moved);
}

static void
scene_done(struct scene *s)
{
	cond_done(&s->moved);
	lock_done(&s->lock);
}

static void
wait_at_gate(void *arg)
{
	struct scene *s = arg;

	lock_take(&s->lock);
	s->inside++;
	cond_wake_all(&s->moved);
	while (!s->open)
		(void)cond_wait(&s->moved, &s->lock, deadline_in_ms(10000));
	lock_give(&s->lock);
}

static void
await_inside(struct scene *s, int n)
{
	struct deadline d = deadline_in_ms(10000);

	lock_take(&s->lock);
	while (s->inside < n && cond_wait(&s->moved, &s->lock, d))
		;
	assert_int_equal(s->inside, n);
	lock_give(&s->lock);
}

static void
open_gate(struct scene *s)
{
	lock_take(&s->lock);
	s->open = true;
	cond_wake_all(&s->moved);
	lock_give(&s->lock);
}

static void
note(void *arg)
{
	struct step *step = arg;
	struct scene *s = step->scene;

	lock_take(&s->lock);
	s->order[s->n_order++] = step->name;
	cond_wake_all(&s->moved);
	lock_give(&s->lock);
}

static void
a_backlog_of_one_class_does_not_delay_another(void **state)
{
	struct scene s;
	struct step a = { &s, 'a' }, b = { &s, 'b' };
	struct work *w = NULL;
	struct err e = { 0 };

	(void)state;
	scene_init(&s);
	assert_int_equal(work_new("test", 1, 100, &w, &e), 0);
	assert_int_equal(work_push(w, wait_at_gate, &s, &e), 0);
	await_inside(&s, 1);
	for (int i = 0; i < 20; i++)
		assert_int_equal(work_push_for(w, ALPHA, WORK_WIDE, note, &a, &e), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(work_push_for(w, BETA, WORK_WIDE, note, &b, &e), 0);
	open_gate(&s);
	work_stop(w);
	assert_int_equal(s.n_order, 23);
	assert_memory_equal(s.order, "abababaaaaaaaaaaaaaaaaa", 23);
	work_free(w);
	scene_done(&s);
}

static void
a_class_may_fill_a_quarter_of_the_places(void **state)
{
	struct scene s;
	struct step a = { &s, 'a' };
	struct work *w = NULL;
	struct err e = { 0 };

	(void)state;
	scene_init(&s);
	assert_int_equal(work_new("test", 1, 8, &w, &e), 0);
	assert_int_equal(work_push(w, wait_at_gate, &s, &e), 0);
	await_inside(&s, 1);
	assert_int_equal(work_push_for(w, ALPHA, WORK_WIDE, note, &a, &e), 0);
	assert_int_equal(work_push_for(w, ALPHA, WORK_WIDE, note, &a, &e), 0);
	assert_int_equal(work_push_for(w, ALPHA, WORK_WIDE, note, &a, &e), -1);
	assert_int_equal(e.code, ERR_BUSY);
	assert_int_equal(work_push_for(w, BETA, WORK_WIDE, note, &a, &e), 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(work_push(w, note, &a, &e), 0);
	assert_int_equal(work_push_for(w, BETA, WORK_WIDE, note, &a, &e), -1);
	assert_int_equal(e.code, ERR_BUSY);
	open_gate(&s);
	work_stop(w);
	assert_int_equal(s.n_order, 8);
	work_free(w);
	scene_done(&s);
}

static void
a_class_of_slow_items_leaves_threads_to_others(void **state)
{
	struct scene s;
	struct step b = { &s, 'b' };
	struct work *w = NULL;
	struct err e = { 0 };
	struct deadline d = deadline_in_ms(10000);

	(void)state;
	scene_init(&s);
	assert_int_equal(work_new("test", 4, 100, &w, &e), 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(work_push_for(w, ALPHA, WORK_WIDE, wait_at_gate, &s, &e), 0);
	await_inside(&s, 3);
	assert_int_equal(work_push_for(w, BETA, WORK_WIDE, note, &b, &e), 0);
	lock_take(&s.lock);
	while (s.n_order == 0 && cond_wait(&s.moved, &s.lock, d))
		;
	assert_int_equal(s.n_order, 1);
	assert_int_equal(s.inside, 3);
	lock_give(&s.lock);
	open_gate(&s);
	work_stop(w);
	assert_int_equal(s.inside, 10);
	work_free(w);
	scene_done(&s);
}

static void
a_narrow_class_holds_two_threads(void **state)
{
	struct scene s;
	struct step a = { &s, 'a' };
	struct work *w = NULL;
	struct err e = { 0 };
	struct deadline d = deadline_in_ms(10000);

	(void)state;
	scene_init(&s);
	assert_int_equal(work_new("test", 8, 100, &w, &e), 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(work_push_for(w, ALPHA, WORK_NARROW, wait_at_gate, &s, &e), 0);
	await_inside(&s, 2);
	/* The same class finds the other threads for what does not wait. */
	assert_int_equal(work_push_for(w, ALPHA, WORK_WIDE, note, &a, &e), 0);
	lock_take(&s.lock);
	while (s.n_order == 0 && cond_wait(&s.moved, &s.lock, d))
		;
	assert_int_equal(s.n_order, 1);
	assert_int_equal(s.inside, 2);
	lock_give(&s.lock);
	open_gate(&s);
	work_stop(w);
	assert_int_equal(s.inside, 10);
	work_free(w);
	scene_done(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_backlog_of_one_class_does_not_delay_another),
		cmocka_unit_test(a_class_may_fill_a_quarter_of_the_places),
		cmocka_unit_test(a_class_of_slow_items_leaves_threads_to_others),
		cmocka_unit_test(a_narrow_class_holds_two_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
