/* SPDX-License-Identifier: Apache-2.0 */
/* Logs: at once, or followed as server-sent events through reconnects. */
#include "cli_internal.h"
#include "base64.h"
#include "parse.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

enum {
	LINE_MAX_BYTES = 1 << 20,
	RECONNECT_MS = 500,
	RECONNECTS = 120, /* in a row, without a single event */
	ID_SIZE = 48,
	PIECE_BYTES = 4 << 20
};

/* A reader of the event stream (WHATWG HTML, "server-sent events"), as far as this server writes
 * it. */
struct follower {
	struct buf line;
	char event[32];
	struct buf data;
	char id[ID_SIZE]; /* of the last event: "<offset>" or "<epoch>.<offset>" of a log; "" at
			     first */
	int64_t epoch;    /* whose log was printed last; 0: none yet */
	bool heard;       /* something came since the last connection was made */
	bool ended;
	bool failed;
};

/* Decoded as a whole: a character may not be cut, or it would be shown as bytes. */
static void
print_base64(const char *text)
{
	size_t n = strlen(text), size = BASE64_BYTES_SIZE(n);
	AUTO_FREE char *bytes = malloc(size);

	if (bytes != NULL && base64_decode(BASE64_STANDARD, text, n, bytes, size, &n))
		cli_print_safe(bytes, n);
}

static void
say_attempt(struct follower *f, int64_t attempt)
{
	if (attempt > 0)
		(void)fprintf(stderr,
		    "wardian: the job runs again (attempt %lld); its log begins anew\n",
		    (long long)attempt);
	else
		(void)fprintf(stderr, "wardian: the job runs again; its log begins anew\n");
	f->epoch = 0;
}

/* Ids without an epoch are of the first.  After a reconnect they alone tell that the job runs
 * again. */
static void
take_log(struct follower *f, const struct json_value *root)
{
	struct err ignored = { 0 };
	char first[ID_SIZE];
	size_t n = strcspn(f->id, ".");
	int64_t epoch = 1;
	const char *text;

	(void)snprintf(first, sizeof(first), "%.*s", (int)n, f->id);
	if (f->id[n] == '.' && parse_i64(first, 1, INT64_MAX, &epoch, &ignored) < 0)
		epoch = 1;
	if (f->epoch != 0 && f->epoch != epoch)
		say_attempt(f, 0);
	f->epoch = epoch;
	if (json_get_text(json_member(root, "text"), &text))
		cli_print_safe(text, strlen(text));
	else
		print_base64(cli_text(root, "base64"));
	f->failed = fflush(stdout) != 0 || ferror(stdout) != 0;
}

static void
take_event(struct follower *f)
{
	AUTO(json) j = NULL;
	struct err ignored = { 0 };
	int64_t attempt = 0;

	if (f->data.n == 0 || json_parse(f->data.p, f->data.n, &j, &ignored) < 0)
		return;
	f->heard = true;
	if (strcmp(f->event, "end") == 0) {
		f->ended = true;
	} else if (strcmp(f->event, "attempt") == 0) {
		(void)json_get_i64(json_member(json_root(j), "attempt"), &attempt);
		say_attempt(f, attempt);
	} else if (strcmp(f->event, "log") == 0) {
		take_log(f, json_root(j));
	}
}

static void
take_line(struct follower *f)
{
	const char *line = f->line.n == 0 ? "" : f->line.p;

	if (line[0] == '\0') {
		take_event(f);
		buf_clear(&f->data);
		f->event[0] = '\0';
	} else if (strncmp(line, "event: ", 7) == 0) {
		(void)snprintf(f->event, sizeof(f->event), "%.31s", line + 7);
	} else if (strncmp(line, "data: ", 6) == 0) {
		buf_str(&f->data, line + 6);
	} else if (strncmp(line, "id: ", 4) == 0 && strlen(line + 4) < sizeof(f->id) &&
		   line[4 + strspn(line + 4, "0123456789.")] == '\0') {
		(void)snprintf(f->id, sizeof(f->id), "%s", line + 4); /* measured: fits */
	}
}

static bool
take_bytes(void *ctx, const char *p, size_t n)
{
	struct follower *f = ctx;

	for (size_t i = 0; i < n && !f->failed && !f->ended; i++) {
		if (p[i] != '\n') {
			buf_char(&f->line, p[i]);
			continue;
		}
		f->failed = f->line.failed || f->data.failed;
		if (!f->failed)
			take_line(f);
		buf_clear(&f->line);
	}
	f->failed = f->failed || f->line.failed || f->data.failed;
	return !f->failed && !f->ended;
}

/* Later connections say what was seen rather than where to begin: the server knows which attempt an
 * id belongs to. */
static int
follow_once(struct cli *cli, const char *job, const char *from, struct follower *f, struct err *e)
{
	struct client_request q = { .method = "GET",
		.last_event_id = f->id[0] == '\0' ? NULL : f->id };
	AUTO_BUF path = { 0 };

	buf_init(&path, 4096);
	buf_str(&path, "/v1/jobs/");
	client_escape(job, &path);
	buf_str(&path, "/log?follow=sse");
	if (q.last_event_id == NULL)
		buf_printf(&path, "&%s", from);
	if (buf_check(&path, e) < 0)
		return -1;
	q.path = path.p;
	f->heard = false;
	f->event[0] = '\0';
	buf_clear(&f->line);
	buf_clear(&f->data);
	return client_stream(cli->client, &q, take_bytes, f, e);
}

static int
broken_off(const struct follower *f, const char *job, struct err *e)
{
	if (cli_flush(e) < 0)
		return -1;
	if (f->failed)
		return err_set(e, ERR_PROTOCOL,
		    "the log's stream holds an event larger than %d KiB", LINE_MAX_BYTES >> 10);
	return err_set(e, ERR_UNAVAILABLE,
	    "the log's stream broke off; the job goes on: wardian job logs %.60s --follow", job);
}

int
cli_follow(struct cli *cli, const char *job, const char *from, struct err *e)
{
	struct follower f = { 0 };
	bool reached = false;
	int rc = 0;

	buf_init(&f.line, LINE_MAX_BYTES);
	buf_init(&f.data, LINE_MAX_BYTES);
	for (int i = 0; i < RECONNECTS && !f.ended && !f.failed; i++) {
		if (i > 0 || reached)
			(void)poll(NULL, 0, RECONNECT_MS);
		rc = follow_once(cli, job, from, &f, e);
		reached = reached || rc == 0 || f.heard;
		if (rc < 0 && (!reached || !err_retryable(e->code)))
			break;
		if (f.heard)
			i = 0;
	}
	if (rc == 0 && !f.ended)
		rc = broken_off(&f, job, e);
	buf_done(&f.line);
	buf_done(&f.data);
	return f.ended ? 0 : rc;
}

/* --- at once -------------------------------------------------------------------------------- */

/* The bytes of a piece that can be printed now: whole lines, when more may follow. */
static size_t
whole_lines(const struct buf *piece)
{
	const char *end = piece->n < PIECE_BYTES ? NULL : memrchr(piece->p, '\n', piece->n);

	return end == NULL ? piece->n : (size_t)(end - piece->p) + 1;
}

/* One piece; true in *ret_more when the log goes on behind the *ret_printed bytes of it.  ret_more
 * NULL: all of the piece, for it is the last. */
static int
print_piece(struct cli *cli, const char *from, bool *ret_more, int64_t *ret_printed, struct err *e)
{
	AUTO_BUF body = { 0 };
	AUTO_BUF path = { 0 };
	size_t n;

	buf_init(&path, 4096);
	cli_job_path(cli, "/log?", &path);
	buf_printf(&path, "%s&limit=%d", from, PIECE_BYTES);
	if (buf_check(&path, e) < 0 || cli_get(cli, path.p, &body, e) < 0)
		return -1;
	n = ret_more == NULL ? body.n : whole_lines(&body);
	cli_print_safe(body.p, n);
	if (ret_more != NULL) {
		*ret_more = body.n >= PIECE_BYTES;
		*ret_printed = (int64_t)n;
	}
	return cli_flush(e);
}

/* Piece by piece to the end that the log has by then. */
static int
print_from(struct cli *cli, int64_t offset, struct err *e)
{
	int64_t printed = 0;
	bool more = false;

	do {
		char from[48];

		(void)snprintf(from, sizeof(from), "offset=%lld", (long long)offset); /* fits */
		if (print_piece(cli, from, &more, &printed, e) < 0)
			return -1;
		offset += printed;
	} while (more);
	return 0;
}

int
cli_job_logs(struct cli *cli, struct err *e)
{
	const char *tail = cli_option(cli, "--tail"), *offset_text = cli_option(cli, "--offset");
	int64_t offset = 0, lines = 0;
	char from[48];

	if (offset_text != NULL && parse_i64(offset_text, 0, INT64_MAX / 2, &offset, e) < 0)
		return err_wrap(e, "--offset (bytes)");
	if (tail != NULL && parse_i64(tail, 0, INT32_MAX, &lines, e) < 0)
		return err_wrap(e, "--tail (lines)");
	if (tail != NULL && offset_text != NULL)
		return err_set(e, ERR_USAGE, "give --tail or --offset, not both");
	(void)snprintf(from, sizeof(from), "%s=%lld", tail != NULL ? "tail" : "offset",
	    (long long)(tail != NULL ? lines : offset)); /* fits */
	if (cli_flag(cli, "--follow"))
		return cli_follow(cli, cli->words[0], from, e);
	if (tail != NULL)
		return print_piece(cli, from, NULL, NULL, e);
	return print_from(cli, offset, e);
}
