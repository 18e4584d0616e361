/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that looks.  A disk of another machine or a driver may never answer, and no call can
 * be taken back then: so the thread is left behind, with a copy of everything that it reads, and
 * the last of the two that lets go frees it.
 */
#include "host_internal.h"

#include "arena.h"
#include "lock.h"

#include <unistd.h>

enum { COPY_MAX = 1 << 20 };

struct examination {
	/* immutable while the thread runs */
	struct arena *mem; /* holds the texts of o */
	struct host_options o;
	struct thread thread;
	/* the thread's */
	struct host_facts facts;
	struct host_report work;
	struct lock lock;
	struct cond changed;
	/* under lock */
	struct host_report report; /* the first n_done rows */
	size_t n_done;
	bool over, left_behind;
	int rc;
	struct err err;
};

static void
examination_free(struct examination *x)
{
	cond_done(&x->changed);
	lock_done(&x->lock);
	arena_free(x->mem);
	free(x);
}

static int
copy_options(struct examination *x, const struct host_options *o, struct err *e)
{
	struct host_simulator *s = arena_alloc(x->mem, (o->n_simulators + 1) * sizeof(*s));
	const char **texts[] = { &x->o.root, &x->o.state_dir, &x->o.user, &x->o.spawner,
		&x->o.keeper, &x->o.postgres_dir, &x->o.simulators_why };
	bool ok = s != NULL;

	x->o = *o;
	for (size_t i = 0; i < ARRAY_LEN(texts) && ok; i++)
		ok = *texts[i] == NULL || (*texts[i] = arena_strdup(x->mem, *texts[i])) != NULL;
	for (size_t i = 0; i < o->n_simulators && ok; i++) {
		s[i] = o->simulators[i];
		s[i].name = arena_strdup(x->mem, s[i].name);
		s[i].package = arena_strdup(x->mem, s[i].package);
		ok = s[i].name != NULL && s[i].package != NULL;
	}
	x->o.simulators = s;
	return ok ? 0 : err_set(e, ERR_NO_MEMORY, "there is no memory to look at this machine");
}

static void
publish(struct examination *x, size_t n_done)
{
	lock_take(&x->lock);
	x->report = x->work;
	x->n_done = n_done;
	lock_give(&x->lock);
}

static int
look(struct examination *x, struct err *e)
{
	struct host_view v;

	if (host_view_open(&x->o, &x->facts, &x->work, &v, e) < 0)
		return -1;
	host_ask_kernel(&x->facts);
	for (size_t i = 0; i < HOST_CHECKS; i++) {
		if (i == HOST_AT_state_disk)
			host_ask_disk(x->o.state_dir, &x->facts.disk);
		if (i == HOST_AT_gpus)
			host_ask_gpus(&x->facts);
		host_judge_row(&v, (enum host_check)i);
		publish(x, i + 1);
	}
	host_judge_weak(&v);
	publish(x, HOST_CHECKS);
	host_view_close(&v);
	return 0;
}

static void *
run(void *arg)
{
	struct examination *x = arg;
	struct err e = { 0 };
	int rc = look(x, &e);
	bool left_behind;

	lock_take(&x->lock);
	x->rc = rc;
	x->err = e;
	x->over = true;
	left_behind = x->left_behind;
	cond_wake_all(&x->changed);
	lock_give(&x->lock);
	if (left_behind)
		examination_free(x);
	return NULL;
}

/* The rows that were not reached; what a sandbox lacks is told by those that were. */
static void
take_late(struct examination *x, int64_t timeout_ms, struct host_report *ret)
{
	struct host_view v = { .o = &x->o, .f = &x->facts, .report = ret };

	*ret = x->report;
	for (size_t i = x->n_done; i < HOST_CHECKS; i++) {
		const struct host_row *row = host_row((enum host_check)i);

		v.out = &ret->at[i];
		*v.out = (struct host_finding){ .level = x->facts.uid == 0 ? row->as_root
									   : row->as_user };
		host_say(&v, HOST_UNSEEN,
		    i == x->n_done ? "no answer within %lld ms"
				   : "not looked at, %lld ms were over",
		    (long long)timeout_ms);
	}
	host_judge_weak(&v);
}

static int
wait_for(struct examination *x, int64_t timeout_ms, struct host_report *ret, struct err *e)
{
	struct deadline until = deadline_in_ms(timeout_ms);
	bool waiting = true, over;
	int rc = 0;

	lock_take(&x->lock);
	while (!x->over && waiting)
		waiting = cond_wait(&x->changed, &x->lock, until);
	over = x->over;
	x->left_behind = !over;
	rc = over ? x->rc : 0;
	if (rc < 0)
		*e = x->err;
	else if (over)
		*ret = x->report;
	else
		take_late(x, timeout_ms, ret);
	/* Nobody will join it; before the lock is given, for it frees x when it ends. */
	if (!over)
		REQUIRE(pthread_detach(x->thread.id) == 0);
	lock_give(&x->lock);
	if (over) {
		thread_join(&x->thread);
		examination_free(x);
	}
	return rc;
}

int
host_examine(
    const struct host_options *o, int64_t timeout_ms, struct host_report *ret, struct err *e)
{
	struct examination *x = calloc(1, sizeof(*x));

	if (x == NULL)
		return err_set(e, ERR_NO_MEMORY, "there is no memory to look at this machine");
	lock_init(&x->lock);
	cond_init(&x->changed);
	x->facts.uid = geteuid();
	x->mem = arena_new(COPY_MAX);
	if (x->mem == NULL)
		(void)err_set(e, ERR_NO_MEMORY, "there is no memory to look at this machine");
	else if (copy_options(x, o, e) == 0 && thread_start(&x->thread, "host", run, x, e) == 0)
		return wait_for(x, timeout_ms, ret, e);
	examination_free(x);
	return -1;
}
