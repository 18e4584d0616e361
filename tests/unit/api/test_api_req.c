/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* What handlers ask of a request and how they answer, with routes of the test's own. */

#include <stdio.h>

#include "api_server.h"

#include "api_identity_internal.h"
#include "work.h"

struct world {
	struct server server;
	struct work *work;
	struct api *api;
	struct route route;
	struct principal who;
	uint8_t fingerprint[REQ_FINGERPRINT_SIZE]; /* of the last request that had a key */
};

/* The steps of dispatch that come after the caller is known. */
static void
handle(void *ctx, struct http_req *http)
{
	struct world *w = ctx;
	struct req *rq = req_new(w->api, http);
	struct err e = { 0 };

	assert_non_null(rq);
	rq->route = &w->route;
	rq->who = w->who;
	assert_true(route_matches(w->route.path, rq->raw_path, &rq->match));
	if (req_read_args(rq, &e) < 0 || w->route.handler(rq, &e) < 0)
		reply_problem(rq, &e);
	req_send(rq);
}

static void
refuse(void *ctx, struct http_req *http, const struct err *e)
{
	struct world *w = ctx;

	api_refuse(w->api, http, e);
}

static struct world *the_world;

static int
start(void **state)
{
	static struct world w;
	struct api_options o = { .runs_dirfd = -1, .spool_dirfd = -1 };
	struct err e = { 0 };

	w = (struct world){ .route = { .path = "/x", .method = ROUTE_GET } };
	json_start();
	assert_int_equal(work_new("test", 1, 1, &w.work, &e), 0);
	o.work = w.work;
	server_prepare(&w.server);
	o.metrics = w.server.metrics;
	assert_int_equal(api_new(&o, &w.api, &e), 0);
	server_start(&w.server, handle, refuse, &w);
	the_world = *state = &w;
	return 0;
}

static int
stop(void **state)
{
	struct world *w = *state;

	server_stop(&w->server);
	work_free(w->work);
	api_free(w->api);
	server_release(&w->server);
	return 0;
}

static void
ask(struct world *w, const char *method, const char *path, const char *fields, struct buf *in)
{
	server_ask(&w->server, method, path, fields, in);
}

/* A request with a body. */
static void
send_body(struct world *w, const char *method, const char *body, struct buf *in)
{
	char fields[512];

	(void)snprintf(fields, sizeof(fields),
	    "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);
	server_ask(&w->server, method, "/x", fields, in);
}

/* --- paths ------------------------------------------------------------------------------------ */

static int
show_args(struct req *rq, struct err *e)
{
	struct json_out *o = reply_begin(rq);

	json_out_begin(o);
	put_id(o, "tenant", "ten", req_id(rq, "tenant"));
	put_id(o, "role", "rol", req_id(rq, "role"));
	json_put_text(o, "text", req_text(rq, "role"));
	json_out_end(o);
	return reply_json(rq, 200, e);
}

static void
a_path_has_two_ids_or_an_id_and_a_name(void **state)
{
	struct world *w = *state;
	AUTO_BUF in;

	buf_init(&in, 1 << 20);
	w->route.path = "/t/{tenant}/r/{role}";
	w->route.handler = show_args;
	ask(w, "GET", "/t/ten_00000000000000000000000001/r/rol_00000000000000000000000002", "",
	    &in);
	assert_non_null(strstr(in.p, "\"tenant\":\"ten_00000000000000000000000001\""));
	assert_non_null(strstr(in.p, "\"role\":\"rol_00000000000000000000000002\""));
	ask(w, "GET", "/t/ten_00000000000000000000000001/r/my%20role", "", &in);
	assert_non_null(strstr(in.p, "\"role\":null,\"text\":\"my role\""));
	ask(w, "GET", "/t/ten_00000000000000000000000001/r/rol_x", "", &in);
	assert_non_null(strstr(in.p, "\"code\":\"bad-id\""));
	ask(w, "GET", "/t/usr_00000000000000000000000001/r/x", "", &in);
	assert_non_null(strstr(in.p, "\"code\":\"bad-id\""));
}

/* --- bodies ----------------------------------------------------------------------------------- */

static int
change(struct req *rq, struct err *e)
{
	const char *title = "unchanged", *user = NULL;
	permission_set set = 0;
	struct uuid id = { 0 };
	const struct json_field fields[] = {
		JSON_TEXT("title", &title, 1, 20, JSON_NULLABLE),
		JSON_TEXT("user", &user, 1, 40, 0),
		JSON_EACH("permissions", req_permission_each, &set, 10, 0),
		JSON_FIELDS_END,
	};
	struct json_out *o;

	if (req_body_decode(rq, fields, e) < 0)
		return -1;
	req_body_id(user, "usr", "/user", &id, e);
	if (err_fields_done(e, ERR_INVALID) < 0)
		return -1;
	o = reply_begin(rq);
	json_out_begin(o);
	json_put_bool(o, "given", req_body_has(rq, "title"));
	json_put_text(o, "title", title);
	put_id(o, "user", "usr", id);
	json_put_i64(o, "set", (int64_t)set);
	json_out_end(o);
	return reply_json(rq, 200, e);
}

static void
absent_null_and_given_members_differ(void **state)
{
	struct world *w = *state;
	AUTO_BUF in;

	buf_init(&in, 1 << 20);
	w->route.handler = change;
	w->route.body_max = 100;
	send_body(w, "PATCH", "{}", &in);
	assert_non_null(strstr(in.p, "{\"given\":false,\"title\":\"unchanged\""));
	send_body(w, "PATCH", "{\"title\":null}", &in);
	assert_non_null(strstr(in.p, "{\"given\":true,\"title\":\"unchanged\""));
	send_body(w, "PATCH", "{\"title\":\"new\"}", &in);
	assert_non_null(strstr(in.p, "{\"given\":true,\"title\":\"new\""));
}

static void
faults_of_bodies_have_their_pointers(void **state)
{
	struct world *w = *state;
	AUTO_BUF in;

	buf_init(&in, 1 << 20);
	w->route.handler = change;
	send_body(w, "PATCH", "{\"version\":3}", &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 422"));
	assert_non_null(strstr(in.p, "\"pointer\":\"/version\""));
	send_body(w, "PATCH", "{\"user\":\"key_00000000000000000000000001\"}", &in);
	assert_non_null(strstr(in.p, "\"pointer\":\"/user\""));
	send_body(w, "PATCH", "{\"user\":\"usr_00000000000000000000000000\"}", &in);
	assert_non_null(strstr(in.p, "\"pointer\":\"/user\""));
	send_body(w, "PATCH", "{\"permissions\":[\"job:read\",\"job:fly\",7]}", &in);
	assert_non_null(strstr(in.p, "\"pointer\":\"/permissions/1\""));
	assert_non_null(strstr(in.p, "\"pointer\":\"/permissions/2\""));
	assert_null(strstr(in.p, "\"pointer\":\"/permissions/0\""));
	send_body(w, "PATCH", "{\"title\":", &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 400"));
}

static void
no_body_is_an_empty_object_only_where_the_route_says_so(void **state)
{
	struct world *w = *state;
	AUTO_BUF in;

	buf_init(&in, 1 << 20);
	w->route.handler = change;
	ask(w, "POST", "/x", "Content-Length: 0\r\n", &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 400"));
	w->route.flags = ROUTE_BODY_OPTIONAL;
	ask(w, "POST", "/x", "Content-Length: 0\r\n", &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 200"));
}

/* --- versions --------------------------------------------------------------------------------- */

static int
show_version(struct req *rq, struct err *e)
{
	int64_t wanted = 77;
	struct json_out *o;

	if (rq->route->method != ROUTE_GET && req_if_match(rq, &wanted, e) < 0)
		return -1;
	o = reply_begin(rq);
	json_out_begin(o);
	json_put_i64(o, "wanted", wanted);
	json_out_end(o);
	return reply_json_versioned(rq, 5, e);
}

static void
a_resource_with_a_version_is_read_conditionally(void **state)
{
	struct world *w = *state;
	AUTO_BUF in;

	buf_init(&in, 1 << 20);
	w->route.handler = show_version;
	ask(w, "GET", "/x", "", &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 200"));
	assert_non_null(strstr(in.p, "ETag: \"5\"\r\n"));
	ask(w, "GET", "/x", "If-None-Match: \"4\", \"5\"\r\n", &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 304"));
	assert_null(strstr(in.p, "wanted"));
	ask(w, "GET", "/x", "If-Match: \"4\"\r\n", &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 412"));
}

static void
a_change_learns_which_version_must_hold(void **state)
{
	struct world *w = *state;
	AUTO_BUF in;

	buf_init(&in, 1 << 20);
	w->route.handler = show_version;
	w->route.method = ROUTE_PATCH;
	ask(w, "PATCH", "/x", "", &in);
	assert_non_null(strstr(in.p, "{\"wanted\":-1}"));
	/* The new version is told, and the old condition not asked again. */
	ask(w, "PATCH", "/x", "If-Match: \"4\"\r\n", &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 200"));
	assert_non_null(strstr(in.p, "ETag: \"5\"\r\n"));
	assert_non_null(strstr(in.p, "{\"wanted\":4}"));
	ask(w, "PATCH", "/x", "If-Match: W/\"4\"\r\n", &in);
	assert_non_null(strstr(in.p, "{\"wanted\":0}"));
	ask(w, "PATCH", "/x", "If-Match: \"4\", \"5\"\r\n", &in);
	assert_non_null(strstr(in.p, "\"code\":\"bad-header\""));
	assert_non_null(strstr(in.p, "\"header\":\"If-Match\""));
}

/* --- idempotency ------------------------------------------------------------------------------ */

static int
create(struct req *rq, struct err *e)
{
	struct reply_made made = {
		.collection = "/v1/projects", .prefix = "prj", .version = 1, .id.b[15] = 1
	};
	const char *key;

	if (req_idempotency(rq, &key, the_world->fingerprint, e) < 0)
		return -1;
	made.replayed = key != NULL && strcmp(key, "again") == 0;
	json_out_text(reply_begin(rq), key);
	return reply_created(rq, &made, e);
}

static void
what_was_made_is_told_with_its_place(void **state)
{
	struct world *w = *state;
	AUTO_BUF in;

	buf_init(&in, 1 << 20);
	w->route.handler = create;
	w->route.method = ROUTE_POST;
	ask(w, "POST", "/x", "", &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 201"));
	assert_non_null(strstr(in.p, "Location: /v1/projects/prj_00000000000000000000000001\r\n"));
	assert_non_null(strstr(in.p, "ETag: \"1\"\r\n"));
	assert_null(strstr(in.p, "Idempotency-Replayed"));
	ask(w, "POST", "/x", "Idempotency-Key: again\r\n", &in);
	assert_non_null(strstr(in.p, "Idempotency-Replayed: true\r\n"));
	ask(w, "POST", "/x", "Idempotency-Key: a b\r\n", &in);
	assert_non_null(strstr(in.p, "\"code\":\"bad-header\""));
}

static void
a_fingerprint_is_of_principal_method_path_and_body(void **state)
{
	uint8_t first[REQ_FINGERPRINT_SIZE];
	struct world *w = *state;
	AUTO_BUF in;

	buf_init(&in, 1 << 20);
	w->route.handler = create;
	w->route.method = ROUTE_POST;
	w->who.key.b[0] = 1;
	ask(w, "POST", "/x", "Idempotency-Key: k\r\n", &in);
	memcpy(first, w->fingerprint, sizeof(first));
	ask(w, "POST", "/x", "Idempotency-Key: other\r\n", &in);
	assert_memory_equal(first, w->fingerprint, sizeof(first));
	ask(w, "PUT", "/x", "Idempotency-Key: k\r\n", &in);
	assert_memory_not_equal(first, w->fingerprint, sizeof(first));
	w->who.key.b[0] = 2;
	ask(w, "POST", "/x", "Idempotency-Key: k\r\n", &in);
	assert_memory_not_equal(first, w->fingerprint, sizeof(first));
	w->who.key.b[0] = 1;
	ask(w, "POST", "/x", "Idempotency-Key: k\r\nContent-Length: 2\r\n\r\n{}", &in);
	assert_memory_not_equal(first, w->fingerprint, sizeof(first));
	ask(w, "POST", "/x", "Idempotency-Key: k\r\n", &in);
	assert_memory_equal(first, w->fingerprint, sizeof(first));
}

/* --- media ------------------------------------------------------------------------------------ */

static int
show_media(struct req *rq, struct err *e)
{
	static const char *const types[] = { "application/json", "application/x-ndjson", "text/csv",
		NULL };

	json_out_text(reply_begin(rq), req_accept(rq, types));
	return reply_json(rq, 200, e);
}

static void
the_most_welcome_media_type_is_chosen(void **state)
{
	struct world *w = *state;
	AUTO_BUF in;

	buf_init(&in, 1 << 20);
	w->route.handler = show_media;
	ask(w, "GET", "/x", "", &in);
	assert_non_null(strstr(in.p, "\"application/json\""));
	ask(w, "GET", "/x", "Accept: */*\r\n", &in);
	assert_non_null(strstr(in.p, "\"application/json\""));
	ask(w, "GET", "/x", "Accept: application/json;q=0.5, text/csv\r\n", &in);
	assert_non_null(strstr(in.p, "\"text/csv\""));
	ask(w, "GET", "/x", "Accept: application/x-ndjson\r\n", &in);
	assert_non_null(strstr(in.p, "\"application/x-ndjson\""));
}

static void
numbers_go_through_pages_like_ids(void **state)
{
	static const int64_t numbers[] = { 0, 1, 255, 256, INT64_C(1) << 40, INT64_MAX };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		assert_int_equal(page_number_of(page_number(numbers[i])), numbers[i]);
	assert_true(uuid_is_nil(page_number(0)));
	assert_true(uuid_cmp(page_number(255), page_number(256)) < 0);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(a_path_has_two_ids_or_an_id_and_a_name),
		TEST(absent_null_and_given_members_differ),
		TEST(faults_of_bodies_have_their_pointers),
		TEST(no_body_is_an_empty_object_only_where_the_route_says_so),
		TEST(a_resource_with_a_version_is_read_conditionally),
		TEST(a_change_learns_which_version_must_hold),
		TEST(what_was_made_is_told_with_its_place),
		TEST(a_fingerprint_is_of_principal_method_path_and_body),
		TEST(the_most_welcome_media_type_is_chosen),
		TEST(numbers_go_through_pages_like_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
