/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One log as server-sent events:
 *   event: log      id: offset after the chunk   data: {"offset":..,"text":..} or {..,"base64":..}
 *   event: attempt  the job runs again; offsets begin at 0    data: {"attempt":..}
 *   event: end      id: end                      data: {"job_id":..,"state":..}
 *   event: closing  the server shuts down; connect again      data: {"reason":..}
 * Ids of a later attempt (its epoch is not 1) are "<epoch>.<offset>", so that an id always names
 * one byte of one log.  A slow reader is not dropped: its bytes wait in the file.
 */

#include "api_follow_internal.h"
#include "api_value_internal.h"

#include "base64.h"
#include "fd.h"
#include "http.h"
#include "json.h"
#include "parse.h"

#include <stdio.h>
#include <string.h>

enum {
	CHUNK_MAX = 64 << 10,
	CHUNKS_PER_STEP = 4, /* then the others have their turn */
	EVENT_OVERHEAD = 512,
	ROOM_MIN = 4096,
	ASK_MS = 1000,
	SURE_MS = 100, /* with what the answer itself may be old: within a second */
	BEAT_MS = 15000,
	STUCK_MS = 120000 /* a reader that takes nothing for so long is gone */
};

static bool
send_text(struct follow *f, struct follower *w)
{
	struct err e = { 0 };

	w->beat_ms = f->now_ms + BEAT_MS;
	return buf_check(&f->text, &e) == 0 && follow_write(f, w, f->text.p, f->text.n);
}

static bool
send_comment(struct follow *f, struct follower *w, const char *text)
{
	buf_clear(&f->text);
	buf_str(&f->text, text);
	return send_text(f, w);
}

static void
begin_event(struct follow *f, const char *id, const char *event, struct json_out *o)
{
	buf_clear(&f->text);
	if (id != NULL)
		buf_printf(&f->text, "id: %s\n", id);
	buf_printf(&f->text, "event: %s\ndata: ", event);
	json_out_init(o, &f->text);
	json_out_begin(o);
}

static bool
send_event(struct follow *f, struct follower *w, struct json_out *o)
{
	json_out_end(o);
	buf_str(&f->text, "\n\n");
	f->moved = true;
	return send_text(f, w);
}

static bool
send_chunk(struct follow *f, struct follower *w, const struct api_log_piece *p)
{
	struct json_out o;
	char id[48];

	if (w->target.seen.epoch == 1)
		(void)snprintf(id, sizeof(id), "%lld", (long long)p->next); /* both fit */
	else
		(void)snprintf(id, sizeof(id), "%lld.%lld", (long long)w->target.seen.epoch,
		    (long long)p->next);
	begin_event(f, id, "log", &o);
	json_put_i64(&o, "offset", w->target.offset);
	if (parse_utf8_valid(f->chunk, p->n)) {
		json_out_key(&o, "text");
		json_out_text_n(&o, f->chunk, p->n);
	} else {
		json_out_key(&o, "base64");
		json_out_raw(&o, "\"");
		base64_append(&f->text, BASE64_STANDARD, f->chunk, p->n);
		buf_char(&f->text, '"');
	}
	return send_event(f, w, &o);
}

static bool
send_end(struct follow *f, struct follower *w)
{
	struct json_out o;
	char id[ID_STR_SIZE];

	begin_event(f, "end", "end", &o);
	json_put_text(&o, "job_id", id_format("job", w->target.job, id));
	json_put_text(&o, "state", job_state_name(w->target.seen.state));
	return send_event(f, w, &o);
}

/* --- bytes ------------------------------------------------------------------------------------ */

/* The attempt may be claimed but not started; then there is nothing to open yet. */
static void
open_log(struct follow *f, struct follower *w)
{
	struct err e = { 0 };

	if (w->log.fd >= 0)
		return;
	follow_open_run(f, w);
	if (w->run_dirfd >= 0 && api_log_open(w->run_dirfd, w->target.which, &w->log, &e) < 0)
		log_err(&f->o.log, LOG_LEVEL_DEBUG, &e, "a followed log cannot be opened");
}

/* The attempt has ended: what is in its log is all there will be. */
static bool
log_final(const struct follower *w)
{
	return w->over || w->later.epoch > 0;
}

/*
 * Reads the next chunk of at most max bytes; p->n is 0 when there is none now.  A character that is
 * cut at the end waits for its rest.
 */
static int
read_chunk(struct follow *f, struct follower *w, size_t max, struct api_log_piece *p, struct err *e)
{
	size_t cut;

	if (api_log_read(&w->log, w->target.offset, f->chunk, max, p, e) < 0)
		return -1;
	cut = value_utf8_tail(f->chunk, p->n);
	if (cut == 0 || (cut == p->n && log_final(w)))
		return 0;
	if (cut == p->n) {
		*p = (struct api_log_piece){ .next = w->target.offset };
		return 0;
	}
	return api_log_read(&w->log, w->target.offset, f->chunk, p->n - cut, p, e);
}

/* Bytes that may be sent now, 0 when the reader is slow; *ret_gone when it will not come back. */
static size_t
chunk_room(struct follow *f, struct follower *w, bool *ret_gone)
{
	size_t room = 0;

	lock_take(&f->lock);
	*ret_gone = w->stream == NULL || http_stream_gone(w->stream);
	if (!*ret_gone)
		room = http_stream_room(w->stream);
	lock_give(&f->lock);
	if (room >= ROOM_MIN)
		w->stuck_ms = 0;
	else if (w->stuck_ms == 0)
		w->stuck_ms = f->now_ms;
	else if (f->now_ms - w->stuck_ms > STUCK_MS)
		*ret_gone = true;
	if (room < ROOM_MIN)
		return 0;
	room = (room - EVENT_OVERHEAD) / 6; /* a control character becomes \u00XX */
	return room < CHUNK_MAX ? room : CHUNK_MAX;
}

enum sent { SENT_SOME, SENT_ALL, SENT_SLOW, SENT_FAILED };

/* Sends what the log has, as far as the reader takes it. */
static enum sent
send_log(struct follow *f, struct follower *w)
{
	for (int i = 0; i < CHUNKS_PER_STEP; i++) {
		struct api_log_piece p;
		struct err e = { 0 };
		bool gone;
		size_t max = chunk_room(f, w, &gone);

		if (gone)
			return SENT_FAILED;
		if (max == 0)
			return SENT_SLOW;
		if (read_chunk(f, w, max, &p, &e) < 0)
			return SENT_FAILED;
		if (p.n > 0 && !send_chunk(f, w, &p))
			return SENT_FAILED;
		w->target.offset = p.next;
		if (p.n == 0)
			return p.last || !log_final(w) ? SENT_ALL : SENT_SOME;
	}
	return SENT_SOME;
}

/* --- the job ---------------------------------------------------------------------------------- */

/* Turns to the log of another attempt. */
static bool
change_attempt(struct follow *f, struct follower *w)
{
	bool first = w->target.seen.epoch == 0;
	struct json_out o;

	w->target.seen = w->later;
	w->over = job_state_terminal(w->later.state);
	w->later = (struct follow_answer){ 0 };
	if (first)
		return true;
	api_log_close(&w->log);
	fd_close(&w->run_dirfd);
	w->news_ms = 0;
	w->target.offset = 0;
	begin_event(f, NULL, "attempt", &o);
	json_put_i64(&o, "attempt", w->target.seen.attempt);
	return send_event(f, w, &o);
}

/* The log holds nothing new: is there anything new about the job? */
static bool
ask_job(struct follow *f, struct follower *w)
{
	struct follow_answer now;
	int rc = follow_ask(f, w, ASK_MS, &now);

	if (rc <= 0)
		return rc == 0;
	w->sure_ms = f->now_ms + SURE_MS;
	if (now.epoch != w->target.seen.epoch)
		w->later = now;
	w->target.seen.state = now.state;
	w->over = w->later.epoch == 0 && job_state_terminal(now.state);
	f->moved = f->moved || log_final(w);
	return true;
}

/* What the caller may see can end while it is still behind with reading. */
static bool
may_go_on(struct follow *f, struct follower *w)
{
	if (f->now_ms < w->sure_ms || f->o.known(f->o.ctx, &w->target))
		return true;
	w->ask_ms = f->now_ms;
	return ask_job(f, w);
}

bool
follow_log_step(struct follow *f, struct follower *w)
{
	enum sent sent;

	if (!w->greeted && !send_comment(f, w, "retry: 3000\n\n"))
		return false;
	w->greeted = true;
	if (!may_go_on(f, w))
		return false;
	open_log(f, w);
	sent = send_log(f, w);
	if (sent == SENT_FAILED)
		return false;
	if (sent == SENT_ALL && w->later.epoch > 0)
		return change_attempt(f, w);
	if (sent == SENT_ALL && w->over) {
		(void)send_end(f, w); /* sent or not, it was the last event */
		return false;
	}
	if (sent == SENT_ALL && !ask_job(f, w))
		return false;
	/* A client that has left is noticed by writing. */
	if (sent != SENT_SLOW && f->now_ms >= w->beat_ms)
		return send_comment(f, w, ":\n\n");
	return true;
}
