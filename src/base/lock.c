/* SPDX-License-Identifier: Apache-2.0 */
#include "lock.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

enum { NAME_MAX_LENGTH = 15 }; /* pthread_setname_np(3) */

static uintptr_t
self(void)
{
	return (uintptr_t)pthread_self();
}

void
lock_init(struct lock *l)
{
	REQUIRE(pthread_mutex_init(&l->mutex, NULL) == 0);
	atomic_init(&l->owner, 0);
}

void
lock_done(struct lock *l)
{
	REQUIRE(atomic_load_explicit(&l->owner, memory_order_relaxed) == 0);
	REQUIRE(pthread_mutex_destroy(&l->mutex) == 0);
}

bool
lock_held(struct lock *l)
{
	/* Relaxed is enough: only this thread stores its own id. */
	return atomic_load_explicit(&l->owner, memory_order_relaxed) == self();
}

void
lock_take(struct lock *l)
{
	REQUIRE(!lock_held(l));
	REQUIRE(pthread_mutex_lock(&l->mutex) == 0);
	atomic_store_explicit(&l->owner, self(), memory_order_relaxed);
}

void
lock_give(struct lock *l)
{
	REQUIRE(lock_held(l));
	atomic_store_explicit(&l->owner, 0, memory_order_relaxed);
	REQUIRE(pthread_mutex_unlock(&l->mutex) == 0);
}

void
cond_init(struct cond *c)
{
	pthread_condattr_t attr;

	REQUIRE(pthread_condattr_init(&attr) == 0);
	REQUIRE(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
	REQUIRE(pthread_cond_init(&c->cond, &attr) == 0);
	REQUIRE(pthread_condattr_destroy(&attr) == 0);
}

void
cond_done(struct cond *c)
{
	REQUIRE(pthread_cond_destroy(&c->cond) == 0);
}

void
cond_wake_one(struct cond *c)
{
	REQUIRE(pthread_cond_signal(&c->cond) == 0);
}

void
cond_wake_all(struct cond *c)
{
	REQUIRE(pthread_cond_broadcast(&c->cond) == 0);
}

bool
cond_wait(struct cond *c, struct lock *l, struct deadline d)
{
	struct timespec ts = { .tv_sec = (time_t)(d.mono_ns / 1000000000),
		.tv_nsec = (long)(d.mono_ns % 1000000000) };
	int rc;

	REQUIRE(lock_held(l));
	atomic_store_explicit(&l->owner, 0, memory_order_relaxed);
	if (d.mono_ns == 0)
		rc = pthread_cond_wait(&c->cond, &l->mutex);
	else
		rc = pthread_cond_timedwait(&c->cond, &l->mutex, &ts);
	atomic_store_explicit(&l->owner, self(), memory_order_relaxed);
	REQUIRE(rc == 0 || rc == ETIMEDOUT);
	return rc == 0;
}

void
latch_init(struct latch *l)
{
	lock_init(&l->lock);
	cond_init(&l->opened);
	l->open = false;
}

void
latch_done(struct latch *l)
{
	cond_done(&l->opened);
	lock_done(&l->lock);
}

void
latch_open(struct latch *l)
{
	lock_take(&l->lock);
	l->open = true;
	/* Under the lock: the waiter, who needs it, finds nobody at the condition that it destroys.
	 */
	cond_wake_one(&l->opened);
	lock_give(&l->lock);
}

bool
latch_wait(struct latch *l, struct deadline d)
{
	bool in_time = true, open;

	lock_take(&l->lock);
	while (!l->open && in_time)
		in_time = cond_wait(&l->opened, &l->lock, d);
	open = l->open;
	lock_give(&l->lock);
	return open;
}

int
thread_start(struct thread *t, const char *name, void *(*fn)(void *), void *arg, struct err *e)
{
	/* What a fault of the thread itself raises stays deliverable, for the core dump. */
	static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT };
	sigset_t all, before;
	int rc;

	REQUIRE(strlen(name) <= NAME_MAX_LENGTH);
	(void)sigfillset(&all); /* cannot fail */
	for (size_t i = 0; i < ARRAY_LEN(faults); i++)
		(void)sigdelset(&all, faults[i]); /* cannot fail for a valid signal */
	/* The new thread inherits the mask of its maker. */
	REQUIRE(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
	rc = pthread_create(&t->id, NULL, fn, arg);
	REQUIRE(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
	if (rc != 0)
		return err_sys(e, rc, "cannot start thread '%s'", name);
	t->started = true;
	(void)pthread_setname_np(t->id, name); /* only for ps(1) */
	return 0;
}

void
thread_join(struct thread *t)
{
	if (!t->started)
		return;
	REQUIRE(pthread_join(t->id, NULL) == 0);
	t->started = false;
}
