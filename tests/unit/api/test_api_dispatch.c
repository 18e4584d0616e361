/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The way of requests that need no database: real server, real pool. */

#include <stdio.h>

#include "api_server.h"

#include "api.h"
#include "err.h"
#include "lock.h"
#include "work.h"

#include <errno.h>

struct world {
	struct server server;
	struct work *work;
	struct api *api;

	struct lock lock;
	struct cond changed;
	/* under lock */
	bool blocked; /* the pool's only worker waits */
	bool holding;
};

/* "/fail" is answered as a failure of the system would be. */
static void
handle(void *ctx, struct http_req *r)
{
	struct world *w = ctx;
	struct err e = { 0 };

	if (strcmp(http_req_path(r), "/fail") == 0) {
		(void)err_sys(&e, ENOSPC, "write /secret/path");
		api_refuse(w->api, r, &e);
	} else {
		api_handle(w->api, r);
	}
}

static void
refuse(void *ctx, struct http_req *r, const struct err *e)
{
	struct world *w = ctx;

	api_refuse(w->api, r, e);
}

static int
start(void **state)
{
	static struct world w;
	struct api_options o = { .runs_dirfd = -1, .spool_dirfd = -1 };
	struct err e = { 0 };

	w = (struct world){ 0 };
	lock_init(&w.lock);
	cond_init(&w.changed);
	assert_int_equal(work_new("test", 1, 1, &w.work, &e), 0);
	server_start(&w.server, handle, refuse, &w);
	o.work = w.work;
	o.metrics = w.server.metrics;
	assert_int_equal(api_new(&o, &w.api, &e), 0);
	*state = &w;
	return 0;
}

static int
stop(void **state)
{
	struct world *w = *state;

	api_drain(w->api);
	server_stop(&w->server);
	work_free(w->work);
	api_free(w->api);
	server_release(&w->server);
	cond_done(&w->changed);
	lock_done(&w->lock);
	return 0;
}

static void
ask(struct world *w, const char *method, const char *path, const char *fields, struct buf *in)
{
	server_ask(&w->server, method, path, fields, in);
}

static void
public_answers_carry_id_and_protection(void **state)
{
	struct world *w = *state;
	AUTO_BUF in;

	buf_init(&in, 1 << 20);
	ask(w, "GET", "/livez", "X-Request-Id: abcdefgh\r\n", &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 200"));
	assert_non_null(strstr(in.p, "X-Request-Id: abcdefgh\r\n"));
	assert_non_null(strstr(in.p, "X-Content-Type-Options: nosniff\r\n"));
	assert_non_null(strstr(in.p, "Cache-Control: no-store\r\n"));
	assert_non_null(strstr(in.p, "Referrer-Policy: no-referrer\r\n"));
	assert_null(strstr(in.p, "Vary:"));
	assert_non_null(strstr(in.p, "{\"status\":\"ok\"}"));
	ask(w, "GET", "/livez", "X-Request-Id: a b\r\n", &in);
	assert_non_null(strstr(in.p, "X-Request-Id: req_"));
}

static void
a_problem_names_type_status_and_instance(void **state)
{
	struct world *w = *state;
	AUTO_BUF in;

	buf_init(&in, 1 << 20);
	ask(w, "GET", "/nowhere", "X-Request-Id: abcdefgh\r\n", &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 404"));
	assert_non_null(strstr(in.p, "Content-Type: application/problem+json\r\n"));
	assert_non_null(strstr(in.p, "{\"type\":\"/problems/no-such-route\","));
	assert_non_null(strstr(in.p, "\"instance\":\"urn:wardian:request:abcdefgh\","));
	assert_non_null(strstr(in.p, "\"retryable\":false}"));
}

static void
our_own_faults_say_nothing_about_the_inside(void **state)
{
	struct world *w = *state;
	AUTO_BUF in;

	buf_init(&in, 1 << 20);
	ask(w, "GET", "/fail", "", &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 500"));
	assert_null(strstr(in.p, "secret"));
	assert_null(strstr(in.p, "No space"));
	assert_non_null(strstr(in.p, "\"code\":\"system\""));
}

static void
other_methods_learn_what_is_allowed(void **state)
{
	struct world *w = *state;
	AUTO_BUF in;

	buf_init(&in, 1 << 20);
	ask(w, "DELETE", "/problems", "", &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 405"));
	assert_non_null(strstr(in.p, "Allow: GET, HEAD, OPTIONS\r\n"));
	ask(w, "PATCH", "/v1/tenant/", "", &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 404"));
	ask(w, "POST", "/v1/tenant", "", &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 405"));
	assert_non_null(strstr(in.p, "Allow: GET, HEAD, PATCH, OPTIONS\r\n"));
	ask(w, "OPTIONS", "/v1/tenant", "", &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 204"));
	assert_non_null(
	    strstr(in.p, "Accept-Patch: application/merge-patch+json, application/json\r\n"));
	ask(w, "OPTIONS", "/problems", "", &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 204"));
	assert_null(strstr(in.p, "Accept-Patch"));
	assert_non_null(strstr(in.p, "Allow: GET, HEAD, OPTIONS\r\n"));
}

static void
a_problem_drops_what_the_answer_was_to_be(void **state)
{
	struct world *w = *state;
	AUTO_BUF in;

	buf_init(&in, 1 << 20);
	ask(w, "GET", "/openapi.json", "If-Match: \"x\"\r\n", &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 412"));
	assert_null(strstr(in.p, "ETag:"));
	assert_non_null(strstr(in.p, "Cache-Control: no-store\r\n"));
}

/* Occupies the worker until it is let go. */
static void
hold(void *arg)
{
	struct world *w = arg;

	lock_take(&w->lock);
	w->holding = true;
	cond_wake_all(&w->changed);
	while (w->blocked)
		(void)cond_wait(&w->changed, &w->lock, (struct deadline){ 0 });
	lock_give(&w->lock);
}

static void
nothing(void *arg)
{
	(void)arg;
}

static void
a_full_queue_is_answered_at_once_and_hides_no_liveness(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };
	AUTO_BUF in;

	buf_init(&in, 1 << 20);
	w->blocked = true;
	assert_int_equal(work_push(w->work, hold, w, &e), 0);
	lock_take(&w->lock);
	while (!w->holding)
		(void)cond_wait(&w->changed, &w->lock, (struct deadline){ 0 });
	lock_give(&w->lock);
	assert_int_equal(work_push(w->work, nothing, w, &e), 0);
	ask(w, "GET", "/problems", "", &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 503"));
	assert_non_null(strstr(in.p, "Retry-After: 1\r\n"));
	assert_non_null(strstr(in.p, "\"code\":\"busy\""));
	ask(w, "GET", "/livez", "", &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 200"));
	lock_take(&w->lock);
	w->blocked = false;
	cond_wake_all(&w->changed);
	lock_give(&w->lock);
}

static void
after_the_drain_requests_are_told_to_come_again(void **state)
{
	struct world *w = *state;
	AUTO_BUF in;

	buf_init(&in, 1 << 20);
	api_drain(w->api);
	ask(w, "GET", "/problems", "", &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 503"));
	assert_non_null(strstr(in.p, "\"code\":\"stopping\""));
	assert_non_null(strstr(in.p, "Retry-After:"));
	ask(w, "GET", "/livez", "", &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 200"));
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(public_answers_carry_id_and_protection),
		TEST(a_problem_names_type_status_and_instance),
		TEST(our_own_faults_say_nothing_about_the_inside),
		TEST(other_methods_learn_what_is_allowed),
		TEST(a_problem_drops_what_the_answer_was_to_be),
		TEST(a_full_queue_is_answered_at_once_and_hides_no_liveness),
		TEST(after_the_drain_requests_are_told_to_come_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
