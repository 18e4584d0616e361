/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the private PostgreSQL alive: its end is seen on the loop, the revival blocks and so runs
 * on a worker, and its outcome comes back to the loop.  At any time the cluster belongs to one of
 * the two.
 */

#include "daemon_internal.h"
#include "db_cluster.h"
#include "loop.h"
#include "work.h"

enum { AGAIN_MS = 1000 };

struct cluster_watch {
	struct loop *loop;
	struct work *work;
	struct db_cluster *cluster;
	struct log log;
	struct loop_watch *watch; /* on the server's pidfd, NULL while it is being revived */
	struct loop_timer *again;
	struct loop_item item;
	bool revived; /* outcome of the worker */
};

static void on_end(void *arg, int events);

static int
arm(struct cluster_watch *w, struct err *e)
{
	if (loop_watch_new(w->loop, db_cluster_pidfd(w->cluster), on_end, w, &w->watch, e) < 0)
		return -1;
	loop_watch_start(w->watch, LOOP_READ);
	return 0;
}

/* Loop. */
static void
on_outcome(void *arg)
{
	struct cluster_watch *w = arg;
	struct err e = { 0 };

	if (w->revived && arm(w, &e) == 0)
		return;
	if (w->revived)
		log_err(&w->log, LOG_LEVEL_ERROR, &e, "watch the private database");
	loop_timer_start(w->again, AGAIN_MS, 0);
}

/* Worker. */
static void
revive(void *arg)
{
	struct cluster_watch *w = arg;
	struct err e = { 0 };

	w->revived = db_cluster_revive(w->cluster, &e) == 0;
	if (!w->revived)
		log_err(&w->log, LOG_LEVEL_ERROR, &e, "revive the private database");
	loop_post(w->loop, &w->item, on_outcome, w);
}

static void
on_again(void *arg)
{
	struct cluster_watch *w = arg;
	struct err e = { 0 };

	/* The queue may be full just because the database is away. */
	if (work_push(w->work, revive, w, &e) < 0)
		loop_timer_start(w->again, AGAIN_MS, 0);
}

static void
on_end(void *arg, int events)
{
	struct cluster_watch *w = arg;

	(void)events; /* a pidfd knows only one */
	log_warn(&w->log, "the private database has ended; starting it again");
	loop_watch_free(w->watch);
	w->watch = NULL;
	on_again(w);
}

int
cluster_watch_new(struct loop *loop, struct work *work, struct db_cluster *cluster,
    const struct log *log, struct cluster_watch **ret, struct err *e)
{
	struct cluster_watch *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return err_set(e, ERR_NO_MEMORY, "not enough memory to watch the private database");
	*w = (struct cluster_watch){ .loop = loop,
		.work = work,
		.cluster = cluster,
		.log = log_component(log, "postgres") };
	if (loop_timer_new(loop, on_again, w, &w->again, e) < 0 || arm(w, e) < 0) {
		cluster_watch_free(w);
		return -1;
	}
	*ret = w;
	return 0;
}

int
cluster_watch_pidfd(const struct cluster_watch *w)
{
	return w->watch == NULL ? -1 : db_cluster_pidfd(w->cluster);
}

void
cluster_watch_free(struct cluster_watch *w)
{
	if (w == NULL)
		return;
	loop_watch_free(w->watch);
	loop_timer_free(w->again);
	free(w);
}
