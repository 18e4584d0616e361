/* SPDX-License-Identifier: Apache-2.0 */
/* Logs: at once, or followed as server-sent events through reconnects. */
#include "cli_internal.h"
#include "parse.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

enum { LINE_MAX_BYTES = 1 << 20, RECONNECT_MS = 500, RECONNECTS = 120 };

/* A reader of the event stream (WHATWG HTML, "server-sent events"), as far as this server writes it. */
struct follower {
	struct buf line;
	char event[32];
	struct buf data;
	int64_t offset;    /* behind the last byte printed */
	bool ended;
	bool failed;
	char state[32];
};

static int
digit_of(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c == '\0' ? NULL : strchr(digits, c);

	return at == NULL ? -1 : (int)(at - digits);
}

static void
print_base64(const char *text)
{
	uint32_t bits = 0;
	int have = 0;

	for (const char *p = text; *p != '\0'; p++) {
		int digit = digit_of(*p);
		char byte;

		if (digit < 0)
			break;
		bits = bits << 6 | (uint32_t)digit;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		byte = (char)(bits >> have & 0xff);
		cli_print_safe(&byte, 1);
	}
}

static void
take_event(struct follower *f)
{
	AUTO(json) j = NULL;
	struct err ignored = { 0 };
	const char *text;

	if (f->data.n == 0 || json_parse(f->data.p, f->data.n, &j, &ignored) < 0)
		return;
	if (strcmp(f->event, "end") == 0) {
		f->ended = true;
		(void)snprintf(f->state, sizeof(f->state), "%s", cli_text(json_root(j), "state"));
	} else if (strcmp(f->event, "log") == 0) {
		if (json_get_text(json_member(json_root(j), "text"), &text))
			cli_print_safe(text, strlen(text));
		else
			print_base64(cli_text(json_root(j), "base64"));
		(void)fflush(stdout); /* a full disk is noticed at the end */
	}
}

static void
take_line(struct follower *f)
{
	struct err ignored = { 0 };
	const char *line = f->line.n == 0 ? "" : f->line.p;
	int64_t id;

	if (line[0] == '\0') {
		take_event(f);
		buf_clear(&f->data);
		f->event[0] = '\0';
	} else if (strncmp(line, "event: ", 7) == 0) {
		(void)snprintf(f->event, sizeof(f->event), "%.31s", line + 7);
	} else if (strncmp(line, "data: ", 6) == 0) {
		buf_str(&f->data, line + 6);
	} else if (strncmp(line, "id: ", 4) == 0 && parse_i64(line + 4, 0, INT64_MAX, &id, &ignored) == 0) {
		f->offset = id;
	}
}

static bool
take_bytes(void *ctx, const char *p, size_t n)
{
	struct follower *f = ctx;

	for (size_t i = 0; i < n; i++) {
		if (p[i] != '\n') {
			buf_char(&f->line, p[i]);
			continue;
		}
		take_line(f);
		buf_clear(&f->line);
	}
	f->failed = f->line.failed || f->data.failed;
	return !f->failed && !f->ended;
}

static int
follow_once(struct cli *cli, const char *job, struct follower *f, struct err *e)
{
	AUTO_BUF path;

	buf_init(&path, 4096);
	buf_str(&path, "/v1/jobs/");
	client_escape(job, &path);
	buf_printf(&path, "/log?follow=sse&offset=%lld", (long long)f->offset);
	if (buf_check(&path, e) < 0)
		return -1;
	buf_clear(&f->line);
	buf_clear(&f->data);
	return client_stream(cli->client, path.p, take_bytes, f, e);
}

int
cli_follow(struct cli *cli, const char *job, int64_t offset, struct err *e)
{
	struct follower f = { .offset = offset };
	int rc = 0;

	buf_init(&f.line, LINE_MAX_BYTES);
	buf_init(&f.data, LINE_MAX_BYTES);
	for (int i = 0; i < RECONNECTS && !f.ended && !f.failed; i++) {
		if (i > 0)
			(void)poll(NULL, 0, RECONNECT_MS);
		rc = follow_once(cli, job, &f, e);
		if (rc < 0 && !err_retryable(e->code))
			break;
	}
	if (rc == 0 && !f.ended)
		rc = err_set(e, ERR_UNAVAILABLE, "the log's stream broke off; the job goes on: wardian job "
		                                 "logs %s --follow --offset %lld", job, (long long)f.offset);
	buf_done(&f.line);
	buf_done(&f.data);
	if (f.ended)
		rc = 0;
	return rc;
}

int
cli_job_logs(struct cli *cli, struct err *e)
{
	const char *tail = cli_option(cli, "--tail"), *offset_text = cli_option(cli, "--offset");
	AUTO_BUF body = { 0 };
	AUTO_BUF path;
	int64_t offset = 0;

	if (offset_text != NULL && parse_i64(offset_text, 0, INT64_MAX, &offset, e) < 0)
		return err_wrap(e, "--offset (bytes)");
	if (cli_flag(cli, "--follow"))
		return cli_follow(cli, cli->words[0], offset, e);
	buf_init(&path, 4096);
	cli_job_path(cli, "/log?", &path);
	if (tail != NULL) {
		buf_str(&path, "tail=");
		client_escape(tail, &path);
	} else {
		buf_printf(&path, "offset=%lld", (long long)offset);
	}
	if (buf_check(&path, e) < 0 || cli_get(cli, path.p, &body, e) < 0)
		return -1;
	cli_print_safe(body.p, body.n);
	return 0;
}
