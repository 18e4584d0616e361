/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "aborts.h"
#include "lock.h"

#include <stdio.h>

struct shared {
	struct lock lock;
	struct cond turned;
	int64_t count;
	bool turn;
	sigset_t mask;
	char name[16];
};

static void
setup(struct shared *s)
{
	memset(s, 0, sizeof(*s));
	lock_init(&s->lock);
	cond_init(&s->turned);
}

static void
teardown(struct shared *s)
{
	cond_done(&s->turned);
	lock_done(&s->lock);
}

static void *
count_up(void *arg)
{
	struct shared *s = arg;

	for (int i = 0; i < 20000; i++) {
		lock_take(&s->lock);
		s->count++;
		lock_give(&s->lock);
	}
	return NULL;
}

static void
threads_under_a_lock_lose_no_update(void **state)
{
	struct thread threads[4] = { 0 };
	struct err e = { 0 };
	struct shared s;

	(void)state;
	setup(&s);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		assert_int_equal(thread_start(&threads[i], "counter", count_up, &s, &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		thread_join(&threads[i]);
	assert_int_equal(s.count, 80000);
	teardown(&s);
}

static void *
look_held(void *arg)
{
	struct shared *s = arg;

	s->turn = lock_held(&s->lock);
	return NULL;
}

static void
a_lock_knows_whether_the_caller_holds_it(void **state)
{
	struct thread t = { 0 };
	struct err e = { 0 };
	struct shared s;

	(void)state;
	setup(&s);
	assert_false(lock_held(&s.lock));
	lock_take(&s.lock);
	assert_true(lock_held(&s.lock));
	s.turn = true;
	assert_int_equal(thread_start(&t, "looker", look_held, &s, &e), 0);
	thread_join(&t);
	assert_false(s.turn);
	lock_give(&s.lock);
	assert_false(lock_held(&s.lock));
	teardown(&s);
}

static void
take_twice(void *arg)
{
	struct shared *s = arg;

	lock_take(&s->lock);
	lock_take(&s->lock);
}

static void
give_unheld(void *arg)
{
	lock_give(&((struct shared *)arg)->lock);
}

static void
wait_unheld(void *arg)
{
	struct shared *s = arg;

	(void)cond_wait(&s->turned, &s->lock, deadline_in_ms(1));
}

static void
drop_held(void *arg)
{
	struct shared *s = arg;

	lock_take(&s->lock);
	lock_done(&s->lock);
}

static void
misuse_of_a_lock_aborts(void **state)
{
	struct shared s;

	(void)state;
	setup(&s);
	assert_true(aborts(take_twice, &s));
	assert_true(aborts(give_unheld, &s));
	assert_true(aborts(wait_unheld, &s));
	assert_true(aborts(drop_held, &s));
	teardown(&s);
}

static void *
turn_and_wake(void *arg)
{
	struct shared *s = arg;

	lock_take(&s->lock);
	s->turn = true;
	cond_wake_one(&s->turned);
	lock_give(&s->lock);
	return NULL;
}

static void
a_waiter_wakes_when_told_and_holds_the_lock_again(void **state)
{
	static const struct deadline never;
	struct thread t = { 0 };
	struct err e = { 0 };
	struct shared s;

	(void)state;
	setup(&s);
	lock_take(&s.lock);
	assert_int_equal(thread_start(&t, "waker", turn_and_wake, &s, &e), 0);
	while (!s.turn)
		assert_true(cond_wait(&s.turned, &s.lock, never));
	assert_true(lock_held(&s.lock));
	lock_give(&s.lock);
	thread_join(&t);
	teardown(&s);
}

static void
a_wait_ends_at_its_deadline(void **state)
{
	int64_t before = clock_mono_ms();
	struct shared s;

	(void)state;
	setup(&s);
	lock_take(&s.lock);
	assert_false(cond_wait(&s.turned, &s.lock, deadline_in_ms(20)));
	assert_true(clock_mono_ms() - before >= 19);
	assert_false(cond_wait(&s.turned, &s.lock, deadline_in_ms(-1)));
	assert_true(lock_held(&s.lock));
	lock_give(&s.lock);
	teardown(&s);
}

static void *
wait_for_turn(void *arg)
{
	struct shared *s = arg;

	lock_take(&s->lock);
	while (!s->turn)
		(void)cond_wait(&s->turned, &s->lock, deadline_in_ms(10000));
	s->count++;
	lock_give(&s->lock);
	return NULL;
}

static void
waking_all_wakes_all(void **state)
{
	struct thread threads[3] = { 0 };
	struct err e = { 0 };
	struct shared s;

	(void)state;
	setup(&s);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		assert_int_equal(thread_start(&threads[i], "waiter", wait_for_turn, &s, &e), 0);
	lock_take(&s.lock);
	s.turn = true;
	cond_wake_all(&s.turned);
	lock_give(&s.lock);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		thread_join(&threads[i]);
	assert_int_equal(s.count, 3);
	teardown(&s);
}

static void *
note_mask_and_name(void *arg)
{
	struct shared *s = arg;
	FILE *f;

	(void)pthread_sigmask(SIG_SETMASK, NULL, &s->mask);
	/* The maker names the thread after it began. */
	lock_take(&s->lock);
	while (!s->turn)
		(void)cond_wait(&s->turned, &s->lock, deadline_in_ms(10000));
	lock_give(&s->lock);
	f = fopen("/proc/thread-self/comm", "re");
	if (f != NULL) {
		if (fgets(s->name, sizeof(s->name), f) == NULL)
			s->name[0] = '\0';
		(void)fclose(f);
	}
	return NULL;
}

static void
a_thread_has_its_name_and_blocks_all_but_faults(void **state)
{
	struct thread t = { 0 };
	struct err e = { 0 };
	struct shared s;
	sigset_t mine;

	(void)state;
	setup(&s);
	assert_int_equal(thread_start(&t, "fifteen-letters", note_mask_and_name, &s, &e), 0);
	(void)turn_and_wake(&s);
	thread_join(&t);
	assert_string_equal(s.name, "fifteen-letters");
	assert_int_equal(sigismember(&s.mask, SIGTERM), 1);
	assert_int_equal(sigismember(&s.mask, SIGPIPE), 1);
	assert_int_equal(sigismember(&s.mask, SIGCHLD), 1);
	assert_int_equal(sigismember(&s.mask, SIGSEGV), 0);
	assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &mine), 0);
	assert_int_equal(sigismember(&mine, SIGTERM), 0);
	teardown(&s);
}

static void
joining_twice_or_never_started_does_nothing(void **state)
{
	struct thread t = { 0 };
	struct err e = { 0 };
	struct shared s;

	(void)state;
	thread_join(&t);
	setup(&s);
	assert_int_equal(thread_start(&t, "once", look_held, &s, &e), 0);
	thread_join(&t);
	thread_join(&t);
	assert_false(t.started);
	teardown(&s);
}

struct hand_over {
	struct latch ready;
	int value;
};

static void *
fill_and_open(void *arg)
{
	struct hand_over *h = arg;

	h->value = 7;
	latch_open(&h->ready);
	return NULL;
}

static void
a_latch_hands_over_what_was_written_before_it_opened(void **state)
{
	struct err e = { 0 };

	(void)state;
	for (int i = 0; i < 200; i++) {
		struct hand_over *h = calloc(1, sizeof(*h));
		struct thread t = { 0 };

		assert_non_null(h);
		latch_init(&h->ready);
		assert_int_equal(thread_start(&t, "opener", fill_and_open, h, &e), 0);
		assert_true(
		    latch_wait(&h->ready, i % 2 ? (struct deadline){ 0 } : deadline_in_ms(5000)));
		assert_int_equal(h->value, 7);
		latch_done(&h->ready);
		thread_join(&t);
		free(h);
	}
}

static void
a_latch_that_stays_shut_is_waited_for_until_the_deadline(void **state)
{
	int64_t began_ns = clock_mono_ns();
	struct latch l;

	(void)state;
	latch_init(&l);
	assert_false(latch_wait(&l, deadline_in_ms(30)));
	assert_true(clock_mono_ns() - began_ns >= INT64_C(29) * 1000000);
	latch_open(&l);
	assert_true(latch_wait(&l, deadline_in_ms(30)));
	latch_done(&l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_under_a_lock_lose_no_update),
		cmocka_unit_test(a_lock_knows_whether_the_caller_holds_it),
		cmocka_unit_test(misuse_of_a_lock_aborts),
		cmocka_unit_test(a_waiter_wakes_when_told_and_holds_the_lock_again),
		cmocka_unit_test(a_wait_ends_at_its_deadline),
		cmocka_unit_test(waking_all_wakes_all),
		cmocka_unit_test(a_thread_has_its_name_and_blocks_all_but_faults),
		cmocka_unit_test(a_latch_hands_over_what_was_written_before_it_opened),
		cmocka_unit_test(a_latch_that_stays_shut_is_waited_for_until_the_deadline),
		cmocka_unit_test(joining_twice_or_never_started_does_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
