/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "err.h"
#include "fd.h"
#include "lock.h"
#include "log.h"
#include "parse.h"

/* A socket that keeps record borders: one write is one record. */
struct capture {
	struct log_sink sink;
	int fds[2];
	char text[2 * PIPE_BUF];
};

static void
capture_start(struct capture *c, enum log_format format)
{
	memset(c, 0, sizeof(*c));
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, c->fds), 0);
	c->sink =
	    (struct log_sink){ .fd = c->fds[0], .min_level = LOG_LEVEL_DEBUG, .format = format };
}

static const char *
capture_next(struct capture *c)
{
	ssize_t n = recv(c->fds[1], c->text, sizeof(c->text) - 1, MSG_DONTWAIT);

	c->text[n < 0 ? 0 : n] = '\0';
	return n < 0 ? NULL : c->text;
}

static void
capture_done(struct capture *c)
{
	assert_null(capture_next(c));
	fd_close(&c->fds[0]);
	fd_close(&c->fds[1]);
}

/* The line after its time stamp, which is checked for shape. */
static const char *
after_ts(const char *line)
{
	static const char head[] = "{\"ts\":\"20";

	assert_non_null(line);
	assert_memory_equal(line, head, sizeof(head) - 1);
	assert_memory_equal(line + 33, "Z\",", 3);
	return line + 36;
}

static void
keys_come_in_a_fixed_order_and_context_outside_in(void **state)
{
	struct capture c;
	struct log root, http, request, tenant;

	(void)state;
	capture_start(&c, LOG_FORMAT_JSON);
	root = (struct log){ .sink = &c.sink };
	http = log_component(&root, "http");
	request = log_with(&http, "request_id", "r1");
	tenant = log_with(&request, "tenant", "t1");
	log_info(&tenant, "took %d ms", 12);
	assert_string_equal(after_ts(capture_next(&c)),
	    "\"level\":\"info\",\"component\":\"http\",\"msg\":\"took 12 "
	    "ms\",\"request_id\":\"r1\","
	    "\"tenant\":\"t1\"}\n");
	capture_done(&c);
}

static void
an_error_is_logged_with_slug_errno_and_place(void **state)
{
	struct capture c;
	struct log log;
	struct err e = { 0 };
	const char *line;

	(void)state;
	capture_start(&c, LOG_FORMAT_JSON);
	log = log_component(&(struct log){ .sink = &c.sink }, "sched");
	(void)err_sys_at(&e, ENOSPC, "src/x.c", 42, "cannot write");
	log_err(&log, LOG_LEVEL_ERROR, &e, "run lost");
	line = after_ts(capture_next(&c));
	assert_string_equal(line,
	    "\"level\":\"error\",\"component\":\"sched\",\"msg\":\"run lost\",\"error\":\"cannot "
	    "write: "
	    "No space left on "
	    "device\",\"slug\":\"system\",\"errno\":\"ENOSPC\",\"at\":\"src/x.c:42\"}\n");
	capture_done(&c);
}

static void
what_a_caller_sends_cannot_break_out_of_its_line(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "a\nb", "a\\u000ab" },
		{ "\"}{\\", "\\\"}{\\\\" },
		{ "\x1b[2J", "\\u001b[2J" },
		{ "\x7f", "\\u007f" },
		{ "\xc2\x9b"
		  "31m",
		    "\\u009b31m" },
		{ "\xff\xfe", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xc2", "\xef\xbf\xbd" },
		{ "gr\xc3\xb6\xc3\x9f"
		  "e",
		    "gr\xc3\xb6\xc3\x9f"
		    "e" },
		{ "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
	};
	struct capture c;
	struct log log, with;

	(void)state;
	capture_start(&c, LOG_FORMAT_JSON);
	log = log_component(&(struct log){ .sink = &c.sink }, "x");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char expected[200];

		with = log_with(&log, "key", cases[i].in);
		log_warn(&with, "%s", cases[i].in);
		(void)snprintf(expected, sizeof(expected),
		    "\"level\":\"warn\",\"component\":\"x\",\"msg\":\"%s\",\"key\":\"%s\"}\n",
		    cases[i].out, cases[i].out);
		assert_string_equal(after_ts(capture_next(&c)), expected);
	}
	capture_done(&c);
}

static void
an_endless_message_is_cut_and_marked_and_the_line_stays_whole(void **state)
{
	static char text[100000];
	struct log chain[40];
	struct capture c;
	const char *line;

	(void)state;
	capture_start(&c, LOG_FORMAT_JSON);
	for (int fill = 0; fill < 4; fill++) {
		memset(text, "a\n\"\xff"[fill], sizeof(text) - 1);
		chain[0] = log_component(&(struct log){ .sink = &c.sink }, text);
		for (size_t i = 1; i < ARRAY_LEN(chain); i++)
			chain[i] = log_with(&chain[i - 1], "key", text);
		log_info(&chain[ARRAY_LEN(chain) - 1], "%s", text);
		line = capture_next(&c);
		assert_non_null(line);
		assert_in_range(strlen(line), 3000, PIPE_BUF);
		assert_true(parse_utf8_valid(line, strlen(line)));
		assert_string_equal(line + strlen(line) - 20, "\",\"truncated\":true}\n");
	}
	capture_done(&c);
}

static void
a_message_just_over_the_budget_is_marked_too(void **state)
{
	struct capture c;
	struct log log;
	char text[2100];

	(void)state;
	capture_start(&c, LOG_FORMAT_JSON);
	log = log_component(&(struct log){ .sink = &c.sink }, "x");
	for (size_t n = 2040; n < 2056; n++) {
		const char *line;
		bool marked, whole;

		memset(text, 'm', sizeof(text));
		text[n] = '\0';
		log_info(&log, "%s", text);
		line = capture_next(&c);
		marked = strstr(line, "truncated") != NULL;
		whole = strstr(line, text) != NULL;
		assert_true(marked != whole);
	}
	capture_done(&c);
}

static void
text_lines_are_for_eyes_and_as_safe(void **state)
{
	struct capture c;
	struct log log;
	const char *line;

	(void)state;
	capture_start(&c, LOG_FORMAT_TEXT);
	log = log_component(&(struct log){ .sink = &c.sink }, "http");
	log = log_with(&(struct log){ .sink = &c.sink, .component = "http" }, "id", "a\nb");
	log_error(&log, "oh \"no\"");
	line = capture_next(&c);
	assert_non_null(line);
	assert_string_equal(
	    line + 27, " error component=http msg=\"oh \\\"no\\\"\" id=\"a\\u000ab\"\n");
	capture_done(&c);
}

static void
lines_below_the_level_and_without_a_sink_are_not_written(void **state)
{
	struct capture c;
	struct log log, silent = log_component(NULL, "x");
	struct err e = { 0 };

	(void)state;
	capture_start(&c, LOG_FORMAT_JSON);
	c.sink.min_level = LOG_LEVEL_WARN;
	log = log_component(&(struct log){ .sink = &c.sink }, "x");
	log_debug(&log, "no");
	log_info(&log, "no");
	log_err(&log, LOG_LEVEL_INFO, &e, "no");
	log_error(&silent, "no");
	log_error(NULL, "no");
	assert_null(capture_next(&c));
	log_warn(&log, "yes");
	assert_non_null(capture_next(&c));
	capture_done(&c);
}

static void
logging_keeps_errno_even_when_it_fails(void **state)
{
	struct log_sink sink = { .fd = -1 };
	struct log log = log_component(&(struct log){ .sink = &sink }, "x");

	(void)state;
	errno = EDOM;
	log_error(&log, "nowhere to go");
	assert_int_equal(errno, EDOM);
}

static void
levels_are_read_by_name(void **state)
{
	enum log_level level = LOG_LEVEL_DEBUG;

	(void)state;
	assert_int_equal(log_level_parse("error", &level), 0);
	assert_int_equal(level, LOG_LEVEL_ERROR);
	assert_int_equal(log_level_parse("loud", &level), -1);
	assert_int_equal(level, LOG_LEVEL_ERROR);
}

static void *
chatter(void *arg)
{
	for (int i = 0; i < 200; i++)
		log_info(arg, "%s", "a line that has some length to it");
	return NULL;
}

static void
lines_of_many_threads_do_not_mix(void **state)
{
	char path[] = "/tmp/wardian-log-XXXXXX";
	AUTO_FD int fd = mkostemp(path, O_CLOEXEC | O_APPEND);
	struct log_sink sink = { .fd = fd };
	struct log log = log_component(&(struct log){ .sink = &sink }, "x");
	struct thread threads[4] = { 0 };
	AUTO_FREE char *text = NULL;
	struct err e = { 0 };
	size_t n = 0, lines = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		assert_int_equal(thread_start(&threads[i], "chatter", chatter, &log, &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		thread_join(&threads[i]);
	assert_int_equal(fd_read_file(AT_FDCWD, path, 1 << 20, &text, &n, &e), 0);
	assert_int_equal(unlink(path), 0);
	for (char *at = text, *end; (end = strchr(at, '\n')) != NULL; at = end + 1, lines++) {
		assert_memory_equal(at, "{\"ts\":", 6);
		assert_int_equal(end - at, strchr(text, '\n') - text);
	}
	assert_int_equal(lines, 800);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_come_in_a_fixed_order_and_context_outside_in),
		cmocka_unit_test(an_error_is_logged_with_slug_errno_and_place),
		cmocka_unit_test(what_a_caller_sends_cannot_break_out_of_its_line),
		cmocka_unit_test(an_endless_message_is_cut_and_marked_and_the_line_stays_whole),
		cmocka_unit_test(a_message_just_over_the_budget_is_marked_too),
		cmocka_unit_test(text_lines_are_for_eyes_and_as_safe),
		cmocka_unit_test(lines_below_the_level_and_without_a_sink_are_not_written),
		cmocka_unit_test(logging_keeps_errno_even_when_it_fails),
		cmocka_unit_test(levels_are_read_by_name),
		cmocka_unit_test(lines_of_many_threads_do_not_mix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
