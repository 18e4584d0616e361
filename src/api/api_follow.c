/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The follower's thread.  Ten times a second (a hundred times while bytes flow) it looks at each
 * follower: fstat for logs, one question per job and second to the database, sooner when the files
 * say that the job has moved on.  Files are looked at rather than watched: fstat of 500 files costs
 * less than a millisecond, and a round that needs no notification cannot miss one.
 *
 * The lock guards what the workers and the drain touch: the list's head, and the stream or request
 * of each follower.  It is held over writes to a stream (a copy into memory) and never over files
 * or the database, so the drain on the HTTP loop does not wait for either.
 */

#include "api_follow_internal.h"

#include "auth.h"
#include "clock.h"
#include "fd.h"
#include "http.h"
#include "object.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
	ROUND_MS = 100,
	BUSY_ROUND_MS = 10,
	ASKS_PER_ROUND = 64,
	ASK_AGAIN_MS = 2000, /* after the database failed */
	PARKED_ASK_MS = 250,
	NEWS_ASK_MS = 100,
	NEWS_MS = 5000, /* the end is in the database within milliseconds, or waits for a retry */
	CHUNK_BYTES = 64 << 10,
	EVENT_BYTES = 6 * CHUNK_BYTES + 512 /* every byte as \u00XX */
};

void
follow_open_run(struct follow *f, struct follower *w)
{
	const struct follow_target *t = &w->target;
	struct err e = { 0 };

	if (w->run_dirfd >= 0 || t->seen.epoch == 0)
		return;
	if (object_open_run(f->o.runs_dirfd, t->tenant, t->job, t->seen.epoch, &w->run_dirfd, &e) ==
	    0)
		return;
	if (e.code != ERR_NOT_FOUND)
		log_err(&f->o.log, LOG_LEVEL_DEBUG, &e, "a followed run cannot be opened");
}

/*
 * Whether the files say that the job has moved on: there is an exit record, or a directory of the
 * next attempt.  Two system calls tell ten times a second what asking the database tells once.
 */
static bool
moved_on(struct follow *f, struct follower *w)
{
	AUTO_FD int next = -1;
	struct err e = { 0 };
	struct stat st;

	follow_open_run(f, w);
	if (w->run_dirfd >= 0 && fstatat(w->run_dirfd, "out/exit", &st, AT_SYMLINK_NOFOLLOW) == 0)
		return true;
	return object_open_run(f->o.runs_dirfd, w->target.tenant, w->target.job,
		   w->target.seen.epoch + 1, &next, &e) == 0;
}

/* How long to wait between questions: little after there was news, but not for as long as a retry
 * may be waited for. */
static int64_t
ask_pause_ms(struct follow *f, struct follower *w, int64_t every_ms)
{
	if (!moved_on(f, w))
		w->news_ms = 0;
	else if (w->news_ms == 0)
		w->news_ms = f->now_ms;
	return w->news_ms != 0 && f->now_ms - w->news_ms < NEWS_MS ? NEWS_ASK_MS : every_ms;
}

int
follow_ask(struct follow *f, struct follower *w, int64_t every_ms, struct follow_answer *ret)
{
	int64_t pause_ms = ask_pause_ms(f, w, every_ms);
	struct err e = { 0 };

	if (w->ask_ms > f->now_ms + pause_ms)
		w->ask_ms = f->now_ms;
	if (f->now_ms < w->ask_ms || f->now_ms < f->ask_ms || f->asks_left == 0)
		return 0;
	f->asks_left--;
	w->ask_ms = f->now_ms + pause_ms;
	if (f->o.ask(f->o.ctx, &w->target, ret, &e) == 0)
		return 1;
	if (e.code == ERR_NOT_FOUND)
		return -1;
	log_err(&f->o.log, LOG_LEVEL_DEBUG, &e, "a followed job cannot be looked up");
	f->ask_ms = f->now_ms + ASK_AGAIN_MS;
	return 0;
}

bool
follow_write(struct follow *f, struct follower *w, const char *p, size_t n)
{
	struct err e = { 0 };
	bool ok;

	lock_take(&f->lock);
	ok = w->stream != NULL && http_stream_write(w->stream, p, n, &e) == 0;
	lock_give(&f->lock);
	return ok;
}

/* --- rounds ----------------------------------------------------------------------------------- */

/* True when the request is to go on: the state changed, time is up, or the job cannot be seen. */
static bool
parked_due(struct follow *f, struct follower *w)
{
	struct follow_answer now;
	int rc;

	if (f->now_ms >= w->until_ms)
		return true;
	rc = follow_ask(f, w, PARKED_ASK_MS, &now);
	return rc < 0 || (rc > 0 && now.state != w->target.seen.state);
}

static void
resume(struct follow *f, struct follower *w)
{
	struct req *rq;

	lock_take(&f->lock);
	rq = w->parked;
	w->parked = NULL;
	w->kind = FOLLOWER_OVER;
	lock_give(&f->lock);
	if (rq != NULL)
		f->o.resume(f->o.ctx, rq);
}

static void
end_stream(struct follow *f, struct follower *w)
{
	lock_take(&f->lock);
	if (w->stream != NULL)
		http_stream_close(w->stream);
	w->stream = NULL;
	w->kind = FOLLOWER_OVER;
	lock_give(&f->lock);
}

static void
step(struct follow *f, struct follower *w)
{
	enum follower_kind kind;

	lock_take(&f->lock);
	kind = w->kind;
	lock_give(&f->lock);
	if (kind == FOLLOWER_PARKED && parked_due(f, w))
		resume(f, w);
	else if (kind == FOLLOWER_STREAM && !follow_log_step(f, w))
		end_stream(f, w);
}

static void
release(struct follower *w)
{
	api_log_close(&w->log);
	fd_close(&w->run_dirfd);
	if (w->credential != NULL)
		auth_wipe(w->credential, w->credential_n);
	free(w->credential);
	free(w);
}

/* Unlinks and frees those that are over. */
static void
reap(struct follow *f)
{
	struct follower **at, *w, *over = NULL;

	lock_take(&f->lock);
	for (at = &f->list; (w = *at) != NULL;) {
		if (w->kind == FOLLOWER_OVER) {
			*at = w->next;
			w->next = over;
			over = w;
		} else {
			at = &w->next;
		}
	}
	lock_give(&f->lock);
	while ((w = over) != NULL) {
		over = w->next;
		release(w);
	}
}

/* Waits until there is something to look at; the head of the list, or NULL to end. */
static struct follower *
next_round(struct follow *f)
{
	struct follower *head;

	lock_take(&f->lock);
	if (!f->stopping && f->list != NULL)
		(void)cond_wait(&f->changed, &f->lock, /* a spurious wake-up is one more round */
		    deadline_in_ms(f->moved ? BUSY_ROUND_MS : ROUND_MS));
	while (!f->stopping && f->list == NULL)
		(void)cond_wait(
		    &f->changed, &f->lock, (struct deadline){ 0 }); /* never times out */
	head = f->stopping ? NULL : f->list;
	lock_give(&f->lock);
	return head;
}

static void *
follow_run(void *arg)
{
	struct follow *f = arg;
	struct follower *w;

	while ((w = next_round(f)) != NULL) {
		f->now_ms = clock_mono_ms();
		f->asks_left = ASKS_PER_ROUND;
		f->moved = false;
		for (; w != NULL; w = w->next)
			step(f, w);
		reap(f);
	}
	return NULL;
}

/* --- handing over ----------------------------------------------------------------------------- */

static int64_t
count_of_tenant(const struct follow *f, struct tenant_id tenant)
{
	int64_t n = 0;

	for (const struct follower *w = f->list; w != NULL; w = w->next)
		n += w->kind != FOLLOWER_OVER && uuid_cmp(w->target.tenant.uuid, tenant.uuid) == 0;
	return n;
}

static struct follower *
follower_new(const struct follow_target *t)
{
	struct follower *w = calloc(1, sizeof(*w));
	size_t n = strlen(t->authorization) + 1, source_n = strlen(t->source) + 1;

	if (w == NULL)
		return NULL;
	w->log = (struct api_log){ .fd = -1, .index_fd = -1, .which = t->which };
	w->run_dirfd = -1;
	w->target = *t;
	w->credential_n = n + source_n;
	w->credential = malloc(w->credential_n);
	if (w->credential == NULL) {
		release(w);
		return NULL;
	}
	memcpy(w->credential, t->authorization, n);
	memcpy(w->credential + n, t->source, source_n);
	w->target.authorization = w->credential;
	w->target.source = w->credential + n;
	w->over = job_state_terminal(t->seen.state);
	w->until_ms = clock_mono_ms() + t->wait_ms;
	return w;
}

int
follow_reserve(
    struct follow *f, const struct follow_target *t, struct follower **ret, struct err *e)
{
	struct follower *w = follower_new(t);
	bool stopping, full;

	if (w == NULL)
		return err_set(e, ERR_NO_MEMORY, "The server is short of memory; try again later.");
	lock_take(&f->lock);
	stopping = f->stopping;
	full = count_of_tenant(f, t->tenant) >= t->at_most;
	if (!stopping && !full) {
		w->next = f->list;
		f->list = w;
		*ret = w;
	}
	lock_give(&f->lock);
	if (!stopping && !full)
		return 0;
	release(w);
	if (stopping)
		return err_set(
		    e, ERR_STOPPING, "The server is shutting down; try again in a moment.");
	return err_set(e, ERR_QUOTA,
	    "This tenant has %lld streams and long polls open, as many as it may (quota streams); "
	    "close one first, or ask the operator for more.",
	    (long long)t->at_most);
}

void
follow_cancel(struct follow *f, struct follower *w)
{
	lock_take(&f->lock);
	w->kind = FOLLOWER_OVER;
	cond_wake_all(&f->changed);
	lock_give(&f->lock);
}

void
follow_stream(struct follow *f, struct follower *w, struct http_stream *stream)
{
	lock_take(&f->lock);
	w->kind = f->stopping ? FOLLOWER_OVER : FOLLOWER_STREAM;
	w->stream = f->stopping ? NULL : stream;
	if (f->stopping)
		http_stream_close(stream);
	cond_wake_all(&f->changed);
	lock_give(&f->lock);
}

void
follow_park(struct follow *f, struct follower *w, struct req *rq)
{
	bool stopping;

	lock_take(&f->lock);
	stopping = f->stopping;
	w->kind = stopping ? FOLLOWER_OVER : FOLLOWER_PARKED;
	w->parked = stopping ? NULL : rq;
	cond_wake_all(&f->changed);
	lock_give(&f->lock);
	if (stopping)
		f->o.resume(f->o.ctx, rq);
}

/* --- start and stop --------------------------------------------------------------------------- */

int
follow_new(const struct follow_options *o, struct follow **ret, struct err *e)
{
	struct follow *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return err_set(e, ERR_NO_MEMORY, "no memory for the log follower");
	f->o = *o;
	f->chunk = malloc(CHUNK_BYTES);
	buf_init(&f->text, EVENT_BYTES);
	lock_init(&f->lock);
	cond_init(&f->changed);
	if (f->chunk == NULL) {
		follow_free(f);
		return err_set(e, ERR_NO_MEMORY, "no memory for the log follower");
	}
	if (thread_start(&f->thread, "api-follow", follow_run, f, e) < 0) {
		follow_free(f);
		return -1;
	}
	*ret = f;
	return 0;
}

/* A client that reads it knows that the job is not over and where to ask again. */
static void
say_closing(struct http_stream *stream)
{
	static const char text[] =
	    "event: closing\ndata: {\"reason\":\"the server is shutting down\"}\n\n";
	struct err ignored = { 0 };

	if (http_stream_write(stream, text, sizeof(text) - 1, &ignored) < 0)
		return; /* a reader that is slow or gone sees the end of the stream */
}

void
follow_drain(struct follow *f)
{
	struct req *parked;

	lock_take(&f->lock);
	f->stopping = true;
	for (struct follower *w = f->list; w != NULL; w = w->next) {
		if (w->stream != NULL) {
			say_closing(w->stream);
			http_stream_close(w->stream);
		}
		w->stream = NULL;
		if (w->kind == FOLLOWER_STREAM)
			w->kind = FOLLOWER_OVER;
	}
	cond_wake_all(&f->changed);
	lock_give(&f->lock);
	do {
		parked = NULL;
		lock_take(&f->lock);
		for (struct follower *w = f->list; w != NULL && parked == NULL; w = w->next) {
			parked = w->parked;
			w->parked = NULL;
		}
		lock_give(&f->lock);
		if (parked != NULL)
			f->o.resume(f->o.ctx, parked);
	} while (parked != NULL);
}

void
follow_free(struct follow *f)
{
	struct follower *w;

	if (f == NULL)
		return;
	follow_drain(f);
	thread_join(&f->thread);
	while ((w = f->list) != NULL) {
		f->list = w->next;
		release(w);
	}
	cond_done(&f->changed);
	lock_done(&f->lock);
	buf_done(&f->text);
	free(f->chunk);
	free(f);
}
