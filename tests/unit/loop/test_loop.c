/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "../base/aborts.h"
#include "clock.h"
#include "fd.h"
#include "lock.h"
#include "loop.h"

/* What a test's callbacks see and count. */
struct stage {
	struct loop *loop;
	struct loop_timer *timer;
	struct loop_watch *watch;
	struct loop_item item;
	int fds[2];
	int fired;
	int stop_after;
	int events;
};

static int
make_stage(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));
	struct err e = { 0 };

	*state = s;
	s->fds[0] = s->fds[1] = -1;
	return loop_new(&s->loop, &e);
}

static int
drop_stage(void **state)
{
	struct stage *s = *state;

	loop_timer_free(s->timer);
	loop_watch_free(s->watch);
	loop_free(s->loop);
	fd_close(&s->fds[0]);
	fd_close(&s->fds[1]);
	free(s);
	return 0;
}

static void
fire(void *arg)
{
	struct stage *s = arg;

	if (++s->fired >= s->stop_after)
		loop_stop(s->loop);
}

enum { POSTERS = 4, POSTS = 500 };

struct poster {
	struct collector *to;
	struct thread thread;
	struct loop_item items[POSTS];
	int seen; /* loop thread: items of this poster that ran */
};
struct collector {
	struct loop *loop;
	int total; /* loop thread */
	pthread_t owner;
	struct poster posters[POSTERS];
};
struct posted {
	struct poster *from;
	int number;
};

static void
collect(void *arg)
{
	struct posted *p = arg;
	struct collector *c = p->from->to;

	assert_int_equal(p->number, p->from->seen++);
	assert_true(pthread_equal(pthread_self(), c->owner));
	free(p);
	if (++c->total == POSTERS * POSTS)
		loop_stop(c->loop);
}

static void *
post_many(void *arg)
{
	struct poster *from = arg;

	for (int i = 0; i < POSTS; i++) {
		struct posted *p = malloc(sizeof(*p));

		p->from = from;
		p->number = i;
		loop_post(from->to->loop, &from->items[i], collect, p);
	}
	return NULL;
}

static void
posts_of_many_threads_run_on_the_loop_in_each_ones_order(void **state)
{
	static struct collector c;
	struct stage *s = *state;
	struct err e = { 0 };

	memset(&c, 0, sizeof(c));
	c.loop = s->loop;
	c.owner = pthread_self();
	for (int i = 0; i < POSTERS; i++) {
		c.posters[i].to = &c;
		assert_int_equal(
		    thread_start(&c.posters[i].thread, "poster", post_many, &c.posters[i], &e), 0);
	}
	loop_run(s->loop);
	for (int i = 0; i < POSTERS; i++)
		thread_join(&c.posters[i].thread);
	assert_int_equal(c.total, POSTERS * POSTS);
}

static void
post_again(void *arg)
{
	struct stage *s = arg;

	if (++s->fired == 100)
		loop_stop(s->loop);
	else
		loop_post(s->loop, &s->item, post_again, s);
}

static void
an_item_may_post_itself_again(void **state)
{
	struct stage *s = *state;

	loop_post(s->loop, &s->item, post_again, s);
	loop_run(s->loop);
	assert_int_equal(s->fired, 100);
}

struct own_item {
	struct loop_item item;
	struct stage *stage;
};

static void
release_self(void *arg)
{
	struct own_item *o = arg;

	fire(o->stage);
	free(o);
}

static void
an_item_may_be_released_by_its_callback(void **state)
{
	struct stage *s = *state;

	s->stop_after = 10;
	for (int i = 0; i < 10; i++) {
		struct own_item *o = calloc(1, sizeof(*o));

		o->stage = s;
		loop_post(s->loop, &o->item, release_self, o);
	}
	loop_run(s->loop);
	assert_int_equal(s->fired, 10);
}

static void
post_twice(void *arg)
{
	struct stage *s = arg;

	loop_post(s->loop, &s->item, fire, s);
	loop_post(s->loop, &s->item, fire, s);
}

static void
posting_a_queued_item_aborts(void **state)
{
	assert_true(aborts(post_twice, *state));
}

static void
what_was_posted_before_stop_runs_and_the_loop_can_run_again(void **state)
{
	struct stage *s = *state;
	struct loop_item more = { 0 };

	s->stop_after = 1000;
	for (int i = 1; i <= 3; i++) {
		loop_post(s->loop, &s->item, fire, s);
		loop_post(s->loop, &more, fire, s);
		loop_stop(s->loop);
		loop_run(s->loop);
		assert_int_equal(s->fired, 2 * i);
	}
}

static void *
run_loop(void *arg)
{
	loop_run(arg);
	return NULL;
}

static void
another_thread_can_stop_an_idle_loop(void **state)
{
	struct stage *s = *state;
	struct thread t = { 0 };
	struct err e = { 0 };

	assert_int_equal(thread_start(&t, "loop", run_loop, s->loop, &e), 0);
	loop_stop(s->loop);
	thread_join(&t);
}

static void
a_timer_fires_once_and_not_early(void **state)
{
	struct stage *s = *state;
	int64_t before = clock_mono_ms();
	struct err e = { 0 };

	s->stop_after = 1;
	assert_int_equal(loop_timer_new(s->loop, fire, s, &s->timer, &e), 0);
	loop_timer_start(s->timer, 15, 0);
	loop_run(s->loop);
	assert_true(clock_mono_ms() - before >= 14);
	assert_int_equal(s->fired, 1);
}

static void
a_timer_repeats_until_stopped(void **state)
{
	struct stage *s = *state;
	struct err e = { 0 };

	s->stop_after = 4;
	assert_int_equal(loop_timer_new(s->loop, fire, s, &s->timer, &e), 0);
	loop_timer_start(s->timer, 0, 1);
	loop_run(s->loop);
	assert_true(s->fired >= 4);
	s->fired = 0;
	loop_timer_stop(s->timer);
	loop_timer_stop(s->timer);
	loop_stop(s->loop);
	loop_run(s->loop);
	assert_int_equal(s->fired, 0);
}

static void
nap_then_start(void *arg)
{
	struct stage *s = arg;
	struct deadline d = deadline_in_ms(30);

	while (!deadline_passed(d))
		;
	s->events = (int)clock_mono_ms();
	loop_timer_start(s->timer, 20, 0);
}

static void
a_timer_counts_from_its_start_not_from_the_turns(void **state)
{
	struct stage *s = *state;
	struct err e = { 0 };

	s->stop_after = 1;
	assert_int_equal(loop_timer_new(s->loop, fire, s, &s->timer, &e), 0);
	loop_post(s->loop, &s->item, nap_then_start, s);
	loop_run(s->loop);
	assert_true((int)clock_mono_ms() - s->events >= 19);
}

static void
free_own_timer(void *arg)
{
	struct stage *s = arg;

	loop_timer_free(s->timer);
	s->timer = NULL;
	fire(s);
}

static void
a_timer_may_free_itself(void **state)
{
	struct stage *s = *state;
	struct err e = { 0 };

	s->stop_after = 1;
	assert_int_equal(loop_timer_new(s->loop, free_own_timer, s, &s->timer, &e), 0);
	loop_timer_start(s->timer, 0, 1);
	loop_run(s->loop);
	assert_int_equal(s->fired, 1);
}

static void
free_loop(void *arg)
{
	loop_free(((struct stage *)arg)->loop);
}

static void
freeing_a_loop_with_a_live_timer_aborts(void **state)
{
	struct stage *s = *state;
	struct err e = { 0 };

	assert_int_equal(loop_timer_new(s->loop, fire, s, &s->timer, &e), 0);
	assert_true(aborts(free_loop, s));
}

static void
see(void *arg, int events)
{
	struct stage *s = arg;

	s->events |= events;
	fire(s);
}

static void
watch(struct stage *s, int fd, int events)
{
	struct err e = { 0 };

	assert_int_equal(loop_watch_new(s->loop, fd, see, s, &s->watch, &e), 0);
	loop_watch_start(s->watch, events);
}

static void
make_pair(struct stage *s)
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s->fds), 0);
}

static void
unread_bytes_are_told_again(void **state)
{
	struct stage *s = *state;

	make_pair(s);
	assert_int_equal(write(s->fds[1], "x", 1), 1);
	s->stop_after = 3;
	watch(s, s->fds[0], LOOP_READ);
	loop_run(s->loop);
	assert_int_equal(s->events, LOOP_READ);
	assert_true(s->fired >= 3);
}

static void
only_what_was_asked_for_is_told(void **state)
{
	struct stage *s = *state;

	make_pair(s);
	assert_int_equal(write(s->fds[1], "x", 1), 1);
	s->stop_after = 1;
	watch(s, s->fds[0], LOOP_WRITE);
	loop_run(s->loop);
	assert_int_equal(s->events, LOOP_WRITE);
	s->events = s->fired = 0;
	loop_watch_start(s->watch, LOOP_READ | LOOP_WRITE);
	loop_run(s->loop);
	assert_int_equal(s->events, LOOP_READ | LOOP_WRITE);
}

static void
a_stopped_watch_is_silent_until_started(void **state)
{
	struct stage *s = *state;

	make_pair(s);
	watch(s, s->fds[0], LOOP_WRITE);
	loop_watch_stop(s->watch);
	loop_stop(s->loop);
	loop_run(s->loop);
	assert_int_equal(s->fired, 0);
	s->stop_after = 1;
	loop_watch_start(s->watch, LOOP_WRITE);
	loop_run(s->loop);
	assert_true(s->fired >= 1);
}

static void
a_hang_up_is_told_as_readable(void **state)
{
	struct stage *s = *state;

	make_pair(s);
	fd_close(&s->fds[1]);
	s->stop_after = 2;
	watch(s, s->fds[0], LOOP_READ);
	loop_run(s->loop);
	assert_true((s->events & LOOP_READ) != 0);
	assert_true(s->fired >= 2);
}

static void
an_error_is_told_as_both_and_again_until_stopped(void **state)
{
	struct stage *s = *state;

	/* The write end of a pipe that nobody reads is in error for as long as it lives. */
	assert_int_equal(pipe2(s->fds, O_CLOEXEC), 0);
	fd_close(&s->fds[0]);
	s->stop_after = 3;
	watch(s, s->fds[1], LOOP_WRITE);
	loop_run(s->loop);
	assert_int_equal(s->events, LOOP_READ | LOOP_WRITE);
	assert_true(s->fired >= 3);
	s->fired = 0;
	loop_watch_stop(s->watch);
	loop_stop(s->loop);
	loop_run(s->loop);
	assert_int_equal(s->fired, 0);
}

static void
free_own_watch(void *arg, int events)
{
	struct stage *s = arg;

	(void)events;
	loop_watch_free(s->watch);
	s->watch = NULL;
	fire(s);
}

static void
a_watch_may_free_itself_even_in_error(void **state)
{
	struct stage *s = *state;
	struct err e = { 0 };

	assert_int_equal(pipe2(s->fds, O_CLOEXEC), 0);
	fd_close(&s->fds[0]);
	s->stop_after = 1;
	assert_int_equal(loop_watch_new(s->loop, s->fds[1], free_own_watch, s, &s->watch, &e), 0);
	loop_watch_start(s->watch, LOOP_WRITE);
	loop_run(s->loop);
	assert_int_equal(s->fired, 1);
	assert_true(fcntl(s->fds[1], F_GETFD) >= 0);
}

static void
a_descriptor_that_cannot_be_watched_is_an_error(void **state)
{
	struct stage *s = *state;
	AUTO_FD int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct err e = { 0 };

	assert_true(file >= 0);
	assert_int_equal(loop_watch_new(s->loop, file, see, s, &s->watch, &e), -1);
	assert_int_equal(e.sys, EPERM);
	assert_int_equal(loop_watch_new(s->loop, 9999, see, s, &s->watch, &e), -1);
	assert_null(s->watch);
	loop_watch_free(NULL);
	loop_timer_free(NULL);
}

int
main(void)
{
#define ON_STAGE(test) cmocka_unit_test_setup_teardown(test, make_stage, drop_stage)
	const struct CMUnitTest tests[] = {
		ON_STAGE(posts_of_many_threads_run_on_the_loop_in_each_ones_order),
		ON_STAGE(an_item_may_post_itself_again),
		ON_STAGE(an_item_may_be_released_by_its_callback),
		ON_STAGE(posting_a_queued_item_aborts),
		ON_STAGE(what_was_posted_before_stop_runs_and_the_loop_can_run_again),
		ON_STAGE(another_thread_can_stop_an_idle_loop),
		ON_STAGE(a_timer_fires_once_and_not_early),
		ON_STAGE(a_timer_repeats_until_stopped),
		ON_STAGE(a_timer_counts_from_its_start_not_from_the_turns),
		ON_STAGE(a_timer_may_free_itself),
		ON_STAGE(freeing_a_loop_with_a_live_timer_aborts),
		ON_STAGE(unread_bytes_are_told_again),
		ON_STAGE(only_what_was_asked_for_is_told),
		ON_STAGE(a_stopped_watch_is_silent_until_started),
		ON_STAGE(a_hang_up_is_told_as_readable),
		ON_STAGE(an_error_is_told_as_both_and_again_until_stopped),
		ON_STAGE(a_watch_may_free_itself_even_in_error),
		ON_STAGE(a_descriptor_that_cannot_be_watched_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
