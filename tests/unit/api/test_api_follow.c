/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/*
 * The follower with real streams and files; only the database is played.  The test tells how the
 * job stands by writing to `answer` under its lock.
 */

#include <stdio.h>

#include "api_server.h"

#include "api_follow_internal.h"
#include "fd.h"

#include <fcntl.h>
#include <sys/stat.h>

static const struct tenant_id tenant = { .uuid = { .b = { 1 } } };
static const struct uuid job = { .b = { 2 } };

struct world {
	struct server server;
	struct follow *follow;
	char dir[64];
	int dirfd;
	struct follow_target target; /* of the next request */

	struct lock lock;
	/* under lock */
	struct follow_answer answer;
	enum err_code failure;
	bool unknown; /* the credential has to be asked about */
	int resumed;
};

static int
ask(void *ctx, const struct follow_target *t, struct follow_answer *ret, struct err *e)
{
	struct world *w = ctx;
	enum err_code failure;

	assert_int_equal(uuid_cmp(t->tenant.uuid, tenant.uuid), 0);
	assert_int_equal(uuid_cmp(t->job, job), 0);
	/* A copy: the request that brought them is gone by now. */
	assert_ptr_not_equal(t->authorization, w->target.authorization);
	assert_string_equal(t->authorization, w->target.authorization);
	assert_string_equal(t->source, w->target.source);
	lock_take(&w->lock);
	failure = w->failure;
	*ret = w->answer;
	lock_give(&w->lock);
	return failure == ERR_NONE ? 0 : err_set(e, failure, "played");
}

static bool
known(void *ctx, const struct follow_target *t)
{
	struct world *w = ctx;
	bool unknown;

	assert_string_equal(t->authorization, w->target.authorization);
	lock_take(&w->lock);
	unknown = w->unknown;
	lock_give(&w->lock);
	return !unknown;
}

/* Parked requests of this test are the HTTP requests themselves. */
static void
resume(void *ctx, struct req *rq)
{
	struct world *w = ctx;

	lock_take(&w->lock);
	w->resumed++;
	lock_give(&w->lock);
	http_reply((struct http_req *)(void *)rq, 200, "resumed", 7);
}

static void
refuse(void *ctx, struct http_req *r, const struct err *e)
{
	(void)ctx;
	http_reply(r, err_http_status(e->code), e->msg, strlen(e->msg));
}

static void
handle(void *ctx, struct http_req *r)
{
	struct world *w = ctx;
	struct follower *f;
	struct http_stream *stream;
	struct follow_target target;
	struct err e = { 0 };

	lock_take(&w->lock);
	target = w->target;
	lock_give(&w->lock);
	if (follow_reserve(w->follow, &target, &f, &e) < 0) {
		refuse(ctx, r, &e);
	} else if (strcmp(http_req_path(r), "/wait") == 0) {
		follow_park(w->follow, f, (struct req *)(void *)r);
	} else if (strcmp(http_req_path(r), "/cancel") == 0) {
		follow_cancel(w->follow, f);
		http_reply(r, 200, "canceled", 8);
	} else if (http_reply_stream(r, FOLLOW_BUFFER_BYTES, &stream, &e) < 0) {
		follow_cancel(w->follow, f);
		refuse(ctx, r, &e);
	} else {
		follow_stream(w->follow, f, stream);
	}
}

static void
set_answer(struct world *w, enum job_state s, int64_t epoch)
{
	lock_take(&w->lock);
	w->answer = (struct follow_answer){ .state = s, .epoch = epoch, .attempt = epoch };
	lock_give(&w->lock);
}

static void
set_wait(struct world *w, int64_t ms)
{
	lock_take(&w->lock);
	w->target.wait_ms = ms;
	lock_give(&w->lock);
}

/* Appends to the log of an attempt, making its directories first. */
static void
write_log(const struct world *w, int64_t epoch, const char *p, size_t n)
{
	char path[ID_RUN_PATH_SIZE + 16], run[ID_RUN_PATH_SIZE];
	struct err e = { 0 };
	AUTO_FD int fd = -1;

	(void)id_run_path(tenant, job, epoch, run);
	*strchr(run, '/') = '\0';
	(void)mkdirat(w->dirfd, run, 0750); /* may exist */
	(void)mkdirat(w->dirfd, id_run_path(tenant, job, epoch, run), 0750);
	(void)snprintf(path, sizeof(path), "%s/out", run);
	(void)mkdirat(w->dirfd, path, 0750);
	(void)snprintf(path, sizeof(path), "%s/out/log", run);
	fd = openat(w->dirfd, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, p, n, &e), 0);
}

static int
start(void **state)
{
	static struct world w;
	struct follow_options o = { .ask = ask, .known = known, .resume = resume, .ctx = &w };
	struct err e = { 0 };

	w = (struct world){ .target = { .tenant = tenant,
				.job = job,
				.at_most = 2,
				.authorization = "Bearer secret",
				.source = "127.0.0.1" } };
	(void)snprintf(w.dir, sizeof(w.dir), "/tmp/api-follow-XXXXXX");
	assert_non_null(mkdtemp(w.dir));
	w.dirfd = open(w.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	lock_init(&w.lock);
	o.runs_dirfd = w.dirfd;
	assert_int_equal(follow_new(&o, &w.follow, &e), 0);
	server_start(&w.server, handle, refuse, &w);
	*state = &w;
	return 0;
}

static int
stop(void **state)
{
	struct world *w = *state;
	char command[128];

	follow_drain(w->follow);
	server_stop(&w->server);
	follow_free(w->follow);
	server_release(&w->server);
	lock_done(&w->lock);
	assert_int_equal(close(w->dirfd), 0);
	(void)snprintf(command, sizeof(command), "rm -r %s", w->dir);
	return system(command);
}

/* Begins a request whose job stands like this; the socket. */
static int
begin(struct world *w, const char *path, enum job_state s, int64_t epoch, int64_t offset)
{
	int fd = server_connect(&w->server);
	char text[128];
	/* 1.0, so that no chunk sizes stand between the bytes. */
	int n = snprintf(text, sizeof(text), "GET %s HTTP/1.0\r\n\r\n", path);

	set_answer(w, s, epoch);
	lock_take(&w->lock);
	w->target.seen = (struct follow_answer){ .state = s, .epoch = epoch, .attempt = epoch };
	w->target.offset = offset;
	lock_give(&w->lock);
	assert_int_equal(send(fd, text, (size_t)n, MSG_NOSIGNAL), n);
	return fd;
}

static void
bytes_reach_a_follower_as_they_are_written_and_the_end_closes(void **state)
{
	struct world *w = *state;
	AUTO_BUF in;
	int fd;

	buf_init(&in, 1 << 20);
	write_log(w, 1, "early\n", 6);
	fd = begin(w, "/log", JOB_RUNNING, 1, 0);
	server_read(fd, &in, "id: 6\nevent: log\ndata: {\"offset\":0,\"text\":\"early\\n\"}\n\n");
	write_log(w, 1, "late \"quoted\"\n", 14);
	server_read(fd, &in,
	    "id: 20\nevent: log\ndata: {\"offset\":6,\"text\":\"late \\\"quoted\\\"\\n\"}\n\n");
	assert_null(strstr(in.p, "event: end"));
	write_log(w, 1, "last", 4);
	set_answer(w, JOB_SUCCEEDED, 1);
	server_read(fd, &in, "event: end\ndata: {\"job_id\":\"job_");
	server_read(fd, &in, "\"state\":\"succeeded\"}\n\n");
	assert_non_null(strstr(in.p, "\"text\":\"last\""));
	assert_non_null(strstr(in.p, "retry: 3000\n\n"));
	assert_int_equal(close(fd), 0);
}

static void
a_follower_goes_on_from_its_offset(void **state)
{
	struct world *w = *state;
	AUTO_BUF in;
	int fd;

	buf_init(&in, 1 << 20);
	write_log(w, 1, "0123456789", 10);
	fd = begin(w, "/log", JOB_FAILED, 1, 7);
	server_read(fd, &in, "event: end");
	assert_non_null(
	    strstr(in.p, "id: 10\nevent: log\ndata: {\"offset\":7,\"text\":\"789\"}\n\n"));
	assert_null(strstr(in.p, "0123"));
	assert_int_equal(close(fd), 0);
}

static void
a_character_cut_in_the_file_is_sent_whole(void **state)
{
	struct world *w = *state;
	AUTO_BUF in;
	int fd;

	buf_init(&in, 1 << 20);
	write_log(w, 1, "a\xe2\x82", 3);
	fd = begin(w, "/log", JOB_RUNNING, 1, 0);
	server_read(fd, &in, "id: 1\nevent: log\ndata: {\"offset\":0,\"text\":\"a\"}\n\n");
	write_log(w, 1, "\xac", 1);
	server_read(
	    fd, &in, "id: 4\nevent: log\ndata: {\"offset\":1,\"text\":\"\xe2\x82\xac\"}\n\n");
	write_log(w, 1, "\xff\x00", 2);
	server_read(fd, &in, "id: 6\nevent: log\ndata: {\"offset\":4,\"base64\":\"/wA=\"}\n\n");
	write_log(w, 1, "\xc3", 1);
	set_answer(w, JOB_CANCELED, 1);
	server_read(fd, &in, "\"base64\":\"ww==\"}\n\n");
	server_read(fd, &in, "event: end");
	assert_int_equal(close(fd), 0);
}

static void
a_queued_job_is_followed_into_its_first_attempt(void **state)
{
	struct world *w = *state;
	AUTO_BUF in;
	int fd;

	buf_init(&in, 1 << 20);
	fd = begin(w, "/log", JOB_QUEUED, 0, 0);
	server_read(fd, &in, "retry: 3000");
	write_log(w, 1, "hello", 5);
	set_answer(w, JOB_RUNNING, 1);
	server_read(fd, &in, "\"text\":\"hello\"");
	assert_null(strstr(in.p, "event: attempt"));
	assert_int_equal(close(fd), 0);
}

static void
another_attempt_begins_at_zero_with_ids_of_its_own(void **state)
{
	struct world *w = *state;
	AUTO_BUF in;
	int fd;

	buf_init(&in, 1 << 20);
	write_log(w, 1, "first", 5);
	fd = begin(w, "/log", JOB_RUNNING, 1, 0);
	server_read(fd, &in, "\"text\":\"first\"");
	write_log(w, 1, " end", 4);
	write_log(w, 2, "second", 6);
	set_answer(w, JOB_SUCCEEDED, 2);
	server_read(fd, &in, "event: end");
	assert_non_null(
	    strstr(in.p, "\"text\":\" end\"}\n\nevent: attempt\ndata: {\"attempt\":2}\n\n"));
	assert_non_null(
	    strstr(in.p, "id: 2.6\nevent: log\ndata: {\"offset\":0,\"text\":\"second\"}"));
	assert_int_equal(close(fd), 0);
}

/* Puts the texts of all log events together; newlines are the only escapes in them. */
static void
collect(const char *events, struct buf *out)
{
	const char *at = events;

	while ((at = strstr(at, "\"text\":\"")) != NULL)
		for (at += 8; *at != '"'; at++)
			if (at[0] == '\\' && at[1] == 'n') {
				buf_char(out, '\n');
				at++;
			} else {
				buf_char(out, *at);
			}
}

static void
a_large_log_arrives_whole_and_in_order(void **state)
{
	enum { LINES = 40000 };
	struct world *w = *state;
	AUTO_BUF text;
	AUTO_BUF in;
	AUTO_BUF got;
	int fd;

	buf_init(&text, 8 << 20);
	buf_init(&in, 8 << 20);
	buf_init(&got, 8 << 20);
	for (int i = 0; i < LINES; i++)
		buf_printf(&text, "line %06d\n", i);
	write_log(w, 1, text.p, text.n);
	fd = begin(w, "/log", JOB_SUCCEEDED, 1, 0);
	server_read(fd, &in, "event: end");
	collect(in.p, &got);
	assert_int_equal(got.n, text.n);
	assert_memory_equal(got.p, text.p, text.n);
	assert_int_equal(close(fd), 0);
}

static void
a_reader_that_stops_reading_holds_up_nobody(void **state)
{
	struct world *w = *state;
	static char text[4 << 20];
	AUTO_BUF in;
	int slow, quick;

	buf_init(&in, 1 << 20);
	memset(text, '\1', sizeof(text)); /* grows six times on its way */
	write_log(w, 1, text, sizeof(text));
	slow = begin(w, "/log", JOB_RUNNING, 1, 0);
	quick = begin(w, "/log", JOB_RUNNING, 1, sizeof(text));
	server_read(quick, &in, "retry: 3000");
	write_log(w, 1, "quick", 5);
	server_read(quick, &in, "\"text\":\"quick\"");
	assert_int_equal(close(slow), 0);
	assert_int_equal(close(quick), 0);
}

static void
places_are_limited_and_given_back(void **state)
{
	struct world *w = *state;
	AUTO_BUF in;
	int fds[2];

	buf_init(&in, 1 << 20);
	for (int i = 0; i < 2; i++) {
		fds[i] = begin(w, "/log", JOB_QUEUED, 0, 0);
		buf_clear(&in);
		server_read(fds[i], &in, "retry: 3000");
	}
	server_ask(&w->server, "GET", "/cancel", "", &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 429"));
	set_answer(w, JOB_CANCELED, 0);
	for (int i = 0; i < 2; i++) {
		buf_clear(&in);
		server_read(fds[i], &in, "event: end");
		assert_int_equal(close(fds[i]), 0);
	}
	for (int i = 0; i < 5; i++) {
		server_ask(&w->server, "GET", "/cancel", "", &in);
		assert_non_null(strstr(in.p, "HTTP/1.1 200"));
	}
}

static void
a_parked_request_returns_when_the_state_changes_or_time_is_up(void **state)
{
	struct world *w = *state;
	int64_t started_ms;
	AUTO_BUF in;
	int fd;

	buf_init(&in, 1 << 20);
	set_wait(w, 30000);
	fd = begin(w, "/wait", JOB_QUEUED, 0, 0);
	set_answer(w, JOB_RUNNING, 1);
	server_read(fd, &in, "resumed");
	assert_int_equal(close(fd), 0);

	set_wait(w, 300);
	started_ms = clock_mono_ms();
	buf_clear(&in);
	fd = begin(w, "/wait", JOB_QUEUED, 0, 0);
	server_read(fd, &in, "resumed");
	assert_true(clock_mono_ms() - started_ms >= 290);
	assert_int_equal(close(fd), 0);
}

static void
a_job_that_vanished_ends_its_followers(void **state)
{
	struct world *w = *state;
	AUTO_BUF in;
	int fds[2];

	buf_init(&in, 1 << 20);
	lock_take(&w->lock);
	w->failure = ERR_NOT_FOUND;
	lock_give(&w->lock);
	set_wait(w, 30000);
	fds[0] = begin(w, "/wait", JOB_QUEUED, 0, 0);
	server_read(fds[0], &in, "resumed");
	fds[1] = begin(w, "/log", JOB_QUEUED, 0, 0);
	server_read(fds[1], &in, NULL);
	assert_null(strstr(in.p, "event: end"));
	assert_int_equal(close(fds[0]), 0);
	assert_int_equal(close(fds[1]), 0);
}

static void
refuse_callers(struct world *w)
{
	lock_take(&w->lock);
	w->unknown = true;
	w->failure = ERR_NOT_FOUND;
	lock_give(&w->lock);
}

/* Who stays behind the log is not asked about the job, but about the right to read on. */
static void
a_slow_reader_whose_right_ends_gets_no_more_than_is_on_its_way(void **state)
{
	enum { LOG_BYTES = 16 << 20 };
	struct world *w = *state;
	static char text[LOG_BYTES];
	AUTO_BUF in = { 0 };
	int fd;

	buf_init(&in, (size_t)LOG_BYTES * 2);
	memset(text, 'x', sizeof(text));
	write_log(w, 1, text, sizeof(text));
	fd = begin(w, "/log", JOB_RUNNING, 1, 0);
	server_read(fd, &in, "event: log");
	refuse_callers(w);
	server_read(fd, &in, NULL); /* as slowly as a test can: a page at a time */
	assert_true(in.n < LOG_BYTES);
	assert_int_equal(close(fd), 0);
}

static void
a_reader_whose_right_ends_is_cut_off_at_once(void **state)
{
	struct world *w = *state;
	int64_t began_ms;
	AUTO_BUF in = { 0 };
	int fd;

	buf_init(&in, 1 << 20);
	write_log(w, 1, "one", 3);
	fd = begin(w, "/log", JOB_RUNNING, 1, 0);
	server_read(fd, &in, "\"text\":\"one\"");
	began_ms = clock_mono_ms();
	refuse_callers(w);
	server_read(fd, &in, NULL);
	assert_true(clock_mono_ms() - began_ms < 500);
	assert_int_equal(close(fd), 0);
}

static void
while_the_database_is_away_bytes_still_flow(void **state)
{
	struct world *w = *state;
	AUTO_BUF in;
	int fd;

	buf_init(&in, 1 << 20);
	lock_take(&w->lock);
	w->failure = ERR_UNAVAILABLE;
	w->unknown = true;
	lock_give(&w->lock);
	write_log(w, 1, "one", 3);
	fd = begin(w, "/log", JOB_RUNNING, 1, 0);
	server_read(fd, &in, "\"text\":\"one\"");
	write_log(w, 1, "two", 3);
	server_read(fd, &in, "\"text\":\"two\"");
	assert_int_equal(close(fd), 0);
}

static void
the_drain_ends_streams_and_answers_what_was_parked(void **state)
{
	struct world *w = *state;
	AUTO_BUF in;
	int stream, parked;

	buf_init(&in, 1 << 20);
	stream = begin(w, "/log", JOB_QUEUED, 0, 0);
	server_read(stream, &in, "retry: 3000");
	set_wait(w, 60000);
	parked = begin(w, "/wait", JOB_QUEUED, 0, 0);
	/* The drain must find it parked or refuse it; both answer. */
	follow_drain(w->follow);
	server_read(stream, &in, NULL);
	buf_clear(&in);
	server_read(parked, &in, "\r\n\r\n");
	assert_true(strstr(in.p, "HTTP/1.1 200") != NULL || strstr(in.p, "HTTP/1.1 503") != NULL);
	buf_clear(&in);
	server_ask(&w->server, "GET", "/log", "", &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 503"));
	assert_int_equal(close(stream), 0);
	assert_int_equal(close(parked), 0);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(bytes_reach_a_follower_as_they_are_written_and_the_end_closes),
		TEST(a_follower_goes_on_from_its_offset),
		TEST(a_character_cut_in_the_file_is_sent_whole),
		TEST(a_queued_job_is_followed_into_its_first_attempt),
		TEST(another_attempt_begins_at_zero_with_ids_of_its_own),
		TEST(a_large_log_arrives_whole_and_in_order),
		TEST(a_reader_that_stops_reading_holds_up_nobody),
		TEST(places_are_limited_and_given_back),
		TEST(a_parked_request_returns_when_the_state_changes_or_time_is_up),
		TEST(a_job_that_vanished_ends_its_followers),
		TEST(a_slow_reader_whose_right_ends_gets_no_more_than_is_on_its_way),
		TEST(a_reader_whose_right_ends_is_cut_off_at_once),
		TEST(while_the_database_is_away_bytes_still_flow),
		TEST(the_drain_ends_streams_and_answers_what_was_parked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
