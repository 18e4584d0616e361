/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /v1/jobs/{job}/log: what the latest attempt wrote, as bytes or as a stream of events.
 * X-Log-Offset and X-Log-Next tell which part of the log an answer stands for (with ?stream= the
 * bytes of the other stream are missing in between), X-Log-Size how long the log is now, and
 * X-Log-Complete that nothing will ever follow X-Log-Next.
 */

#include "api_follow_internal.h"
#include "api_internal.h"
#include "api_log_internal.h"
#include "api_query_internal.h"
#include "api_value_internal.h"

#include "fd.h"
#include "http.h"

#include <string.h>

enum {
	LIMIT_DEFAULT = 1 << 20,
	LIMIT_MAX = 16 << 20,
	FILTERED_MAX = 1 << 20, /* of one stream: copied through memory instead of by sendfile */
	TAIL_LINES_MAX = 10000
};

struct log_query {
	int64_t offset; /* -1: not given */
	int64_t limit;
	int64_t tail; /* lines; -1: not given */
	const char *stream, *follow;
};

static int
read_query(struct req *rq, struct log_query *q, struct err *e)
{
	const struct query_param params[] = {
		QUERY_PARAM("offset", I64, 0, INT64_MAX / 2, &q->offset),
		QUERY_PARAM("limit", LIMIT, 1, LIMIT_MAX, &q->limit),
		QUERY_PARAM("tail", I64, 0, TAIL_LINES_MAX, &q->tail),
		QUERY_WORDS("stream", "stdout stderr", &q->stream),
		QUERY_WORDS("follow", "sse", &q->follow),
		QUERY_PARAMS_END,
	};

	if (query_decode(http_req_query(rq->http), params, rq->mem, e) < 0)
		return -1;
	if (q->offset >= 0 && q->tail >= 0)
		err_field_add(e, "tail", "cannot be combined with offset; give one of them");
	return err_fields_done(e, ERR_BAD_PARAMETER);
}

static int
which_of(const struct log_query *q)
{
	if (q->stream == NULL)
		return LOG_BOTH;
	return strcmp(q->stream, "stdout") == 0 ? LOG_STDOUT : LOG_STDERR;
}

/* --- bytes ------------------------------------------------------------------------------------ */

static int
put_log_headers(
    struct req *rq, int64_t offset, int64_t next, int64_t size, bool complete, struct err *e)
{
	if (reply_header_i64(rq, "X-Log-Offset", offset, e) < 0 ||
	    reply_header_i64(rq, "X-Log-Next", next, e) < 0 ||
	    reply_header_i64(rq, "X-Log-Size", size, e) < 0)
		return -1;
	return reply_header(rq, "X-Log-Complete", complete ? "true" : "false", e);
}

/* The bytes as they lie in the file, by sendfile; only what is there now, so n cannot grow. */
static int
reply_bytes(
    struct req *rq, struct api_log *l, int64_t offset, int64_t limit, bool over, struct err *e)
{
	int64_t size, n;

	if (api_log_size(l, &size, e) < 0)
		return -1;
	n = offset < size ? size - offset : 0;
	n = n < limit ? n : limit;
	if (put_log_headers(rq, offset, offset + n, size, over && offset + n >= size, e) < 0)
		return -1;
	if (n == 0)
		return reply_text(rq, "text/plain; charset=utf-8", e);
	if (reply_header(rq, "Content-Type", "text/plain; charset=utf-8", e) < 0)
		return -1;
	rq->reply = (struct reply){
		.kind = REPLY_FILE, .status = 200, .fd = fd_take(&l->fd), .offset = offset, .n = n
	};
	return 0;
}

static int
reply_filtered(
    struct req *rq, struct api_log *l, int64_t offset, int64_t limit, bool over, struct err *e)
{
	size_t max = limit < FILTERED_MAX ? (size_t)limit : FILTERED_MAX;
	struct api_log_piece p;
	int64_t size;
	char *room;

	buf_clear(&rq->body);
	room = buf_room(&rq->body, max);
	if (room == NULL)
		return err_set(e, ERR_NO_MEMORY, "The server is short of memory; try again later.");
	if (api_log_read(l, offset, room, max, &p, e) < 0 || api_log_size(l, &size, e) < 0)
		return -1;
	buf_grown(&rq->body, p.n);
	if (put_log_headers(rq, offset, p.next, size, over && p.last, e) < 0)
		return -1;
	return reply_text(rq, "text/plain; charset=utf-8", e);
}

/* --- events ----------------------------------------------------------------------------------- */

/* Where a client that was cut off goes on; 1 when it has seen the end. */
static int
take_last_event(struct req *rq, const struct job *job, int64_t *offset, struct err *e)
{
	const char *text = http_req_header(rq->http, "Last-Event-ID");
	struct value_event_id id;

	if (text == NULL)
		return 0;
	if (!value_event_id(text, &id)) {
		err_field_add(e, "Last-Event-ID", "must be the id of an event of this stream");
		return err_fields_done(e, ERR_BAD_HEADER);
	}
	if (id.end && job_state_terminal(job->state))
		return 1;
	/* Of an earlier attempt: that log is history, the present one begins at 0. */
	*offset = !id.end && id.epoch == job->epoch ? id.offset : 0;
	return 0;
}

static int
put_stream_headers(struct req *rq, struct err *e)
{
	if (reply_header(rq, "Content-Type", "text/event-stream; charset=utf-8", e) < 0 ||
	    reply_header(rq, "Cache-Control", "no-store, no-transform", e) < 0)
		return -1;
	/* nginx would collect the events otherwise. */
	return reply_header(rq, "X-Accel-Buffering", "no", e);
}

static int
reply_events(struct req *rq, const struct job *job, int which, int64_t offset, struct err *e)
{
	struct follow_target target = { .job = job->id,
		.which = which,
		.seen = { .state = job->state, .epoch = job->epoch, .attempt = job->attempt },
		.offset = offset };
	int seen_end = take_last_event(rq, job, &target.offset, e);

	if (seen_end < 0)
		return -1;
	if (seen_end > 0) { /* 204 makes an EventSource stop (HTML section 9.2.2) */
		rq->reply.kind = REPLY_BYTES;
		rq->reply.status = 204;
		return 0;
	}
	if (put_stream_headers(rq, e) < 0)
		return -1;
	rq->reply.status = 200;
	if (rq->head) {
		rq->reply.kind = REPLY_BYTES;
		return 0;
	}
	if (req_follow(rq, &target, e) < 0)
		return -1;
	rq->reply.kind = REPLY_STREAM;
	return 0;
}

/* ---------------------------------------------------------------------------------------------- */

static int
open_log(struct req *rq, const struct job *job, int which, struct api_log *ret, struct err *e)
{
	AUTO_FD int run = -1;
	int found = req_open_out(rq, job, NULL, &run, e);

	return found <= 0 ? found : api_log_open(run, which, ret, e);
}

int
api_get_jobs_job_log(struct req *rq, struct err *e)
{
	struct log_query q = { .offset = -1, .limit = LIMIT_DEFAULT, .tail = -1 };
	AUTO_LOG l = { .fd = -1, .index_fd = -1 };
	int64_t offset;
	struct job job;
	bool over;

	/* Asked before the log is measured: what a finished job wrote is all there by then. */
	if (read_query(rq, &q, e) < 0 || req_job(rq, &job, e) < 0)
		return -1;
	over = job_state_terminal(job.state);
	l.which = which_of(&q);
	if (open_log(rq, &job, l.which, &l, e) < 0)
		return -1;
	offset = q.offset < 0 ? 0 : q.offset;
	if (q.tail >= 0 && api_log_tail(&l, q.tail, q.limit, &offset, e) < 0)
		return -1;
	if (q.follow != NULL)
		return reply_events(rq, &job, l.which, offset, e);
	if (l.which == LOG_BOTH)
		return reply_bytes(rq, &l, offset, q.limit, over, e);
	return reply_filtered(rq, &l, offset, q.limit, over, e);
}
