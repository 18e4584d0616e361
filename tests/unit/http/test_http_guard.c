/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "http_internal.h"

/* A whole head as text: request line, fields, LF between them. */
struct verdict {
	const char *head;
	enum err_code code;
	int64_t body_bytes;
};

enum { FIELDS_MAX = 80 };

struct parsed {
	char text[40000];
	struct http_field fields[FIELDS_MAX];
	struct http_head head;
};

static void
parse_head(const char *text, struct parsed *p)
{
	char *line, *next = p->text;

	assert_true(strlen(text) < sizeof(p->text));
	memcpy(p->text, text, strlen(text) + 1);
	line = strsep(&next, "\n");
	p->head = (struct http_head){ .method = strsep(&line, " "), .fields = p->fields };
	p->head.target = strsep(&line, " ");
	p->head.version = line;
	p->head.target_bytes = strlen(p->head.target);
	while ((line = strsep(&next, "\n")) != NULL) {
		struct http_field *f = &p->fields[p->head.n_fields++];

		f->name = strsep(&line, ":");
		f->value = line + (*line == ' ');
	}
}

static void
check(const struct verdict *v)
{
	static struct parsed p;
	struct err e = { 0 };
	int64_t body_bytes = -7;

	memset(&p, 0, sizeof(p));
	parse_head(v->head, &p);
	if (http_guard(&p.head, &body_bytes, &e) == 0)
		e.code = ERR_NONE;
	if (e.code != v->code)
		print_error("%.200s\n-> %s: %s\n", v->head, err_slug(e.code), e.msg);
	assert_int_equal(e.code, v->code);
	assert_int_equal(body_bytes, v->code == ERR_NONE ? v->body_bytes : -7);
}

static void
check_refused(const char *const *heads, size_t n, enum err_code code)
{
	for (size_t i = 0; i < n; i++)
		check(&(struct verdict){ heads[i], code, 0 });
}

#define CHECK_REFUSED(table, code) check_refused((table), ARRAY_LEN(table), (code))

static void
an_honest_head_passes_with_its_body_length(void **state)
{
	static const struct verdict TABLE[] = {
		{ "GET / HTTP/1.1\nHost: a", ERR_NONE, 0 },
		{ "GET /v1/jobs?limit=2&after=a%2Fb+c HTTP/1.1\nHost: a.example:8080", ERR_NONE,
		    0 },
		{ "GET / HTTP/1.1\nHost: [::1]:80", ERR_NONE, 0 },
		{ "GET / HTTP/1.1\nHost: [2001:db8::7]", ERR_NONE, 0 },
		{ "GET / HTTP/1.1\nHost: a_b-c.example~:", ERR_NONE, 0 },
		{ "GET / HTTP/1.1\nHost: a\nConnection: close", ERR_NONE, 0 },
		{ "GET / HTTP/1.1\nHost: a\nConnection: Keep-Alive, TE,,upgrade\t,\nTE: trailers",
		    ERR_NONE, 0 },
		{ "GET / HTTP/1.1\nHost: a\nConnection: ", ERR_NONE, 0 },
		{ "GET / HTTP/1.1\nHost: a\nContent-Length: 0", ERR_NONE, 0 },
		{ "DELETE / HTTP/1.1\nHost: a\nContent-Length: 3", ERR_NONE, 3 },
		{ "GET / HTTP/1.0", ERR_NONE, 0 },
		{ "POST / HTTP/1.1\nHost: a\nContent-Length: 12", ERR_NONE, 12 },
		{ "POST / HTTP/1.1\nHost: a\nContent-Length: 0007", ERR_NONE, 7 },
		{ "POST / HTTP/1.1\nHost: a\nContent-Length: 999999999999999999", ERR_NONE,
		    999999999999999999 },
		{ "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked", ERR_NONE,
		    HTTP_BODY_CHUNKED },
		{ "POST / HTTP/1.1\nHost: a\ntransfer-encoding: CHUNKED", ERR_NONE,
		    HTTP_BODY_CHUNKED },
		{ "PUT / HTTP/1.1\nHost: a\nExpect: 100-Continue\nContent-Length: 1", ERR_NONE, 1 },
		{ "OPTIONS * HTTP/1.1\nHost: a", ERR_NONE, 0 },
		{ "GET /%E2%82%AC/a%20b HTTP/1.1\nHost: a", ERR_NONE, 0 },
		{ "GET //a/...//.a/b. HTTP/1.1\nHost: a", ERR_NONE, 0 },
		{ "GET / HTTP/1.1\nHost: a\nX-Latin: caf\xe9\tx", ERR_NONE, 0 },
		{ "GET / HTTP/1.1\nHost: a\nAccept: a\nAccept: b", ERR_NONE, 0 },
		{ "GET / HTTP/1.1\nHost: a\nX_A: v\nContent_Length_: 3\n_: w", ERR_NONE, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(TABLE); i++)
		check(&TABLE[i]);
}

static void
a_head_whose_end_is_in_doubt_is_refused(void **state)
{
	static const char *const TABLE[] = {
		"POST / HTTP/1.1\nHost: a\nContent-Length: 3\nContent-Length: 5",
		"POST / HTTP/1.1\nHost: a\nContent-Length: 3\nContent-Length: 3",
		"POST / HTTP/1.1\nHost: a\nContent-Length: 3, 3",
		"POST / HTTP/1.1\nHost: a\nContent-Length: +3",
		"POST / HTTP/1.1\nHost: a\nContent-Length: -1",
		"POST / HTTP/1.1\nHost: a\nContent-Length: 0x10",
		"POST / HTTP/1.1\nHost: a\nContent-Length: ",
		"POST / HTTP/1.1\nHost: a\nContent-Length: 1000000000000000000",
		"POST / HTTP/1.1\nHost: a\nContent-Length : 3",
		"POST / HTTP/1.1\nHost: a\nContent-Length: 3\nTransfer-Encoding: chunked",
		"POST / HTTP/1.1\nHost: a\nTransfer-Encoding: gzip, chunked",
		"POST / HTTP/1.1\nHost: a\nTransfer-Encoding: identity",
		"POST / HTTP/1.1\nHost: a\nTransfer-Encoding: xchunked",
		"POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked ",
		"POST / HTTP/1.1\nHost: a\nTransfer-Encoding: \013chunked",
		"POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\nTransfer-Encoding: chunked",
		"POST / HTTP/1.0\nTransfer-Encoding: chunked",
	};

	(void)state;
	CHECK_REFUSED(TABLE, ERR_BAD_REQUEST);
}

static void
fields_that_are_no_fields_are_refused(void **state)
{
	static const char *const TABLE[] = {
		"GET / HTTP/1.1\nHost: a\n: v",
		"GET / HTTP/1.1\nHost: a\nX A: v",
		"GET / HTTP/1.1\nHost: a\nX\tA: v",
		"GET / HTTP/1.1\nHost: a\nX(A): v",
		"GET / HTTP/1.1\nHost: a\nX\x80: v",
		"GET / HTTP/1.1\nHost: a\nX-A: v\rX-B: w",
		"GET / HTTP/1.1\nHost: a\nTransfer_Encoding: chunked",
		"GET / HTTP/1.1\nHost: a\ncontent_LENGTH: 3",
		"GET / HTTP/1.1\nHost: a\nIf_None-Match: x",
		"GET / HTTP/1.1\nHost: a\nX-A: \x01",
		"GET / HTTP/1.1\nHost: a\nX-A: \x7f",
	};

	(void)state;
	CHECK_REFUSED(TABLE, ERR_BAD_REQUEST);
}

static void
who_is_asked_and_who_asks_is_said_once(void **state)
{
	static const char *const TABLE[] = {
		"GET / HTTP/1.1",
		"GET / HTTP/1.2",
		"GET / HTTP/1.1\nHost: a\nHost: a",
		"GET / HTTP/1.1\nHost: a\nhost: b",
		"GET / HTTP/1.1\nHost: a b",
		"GET / HTTP/1.1\nHost: user@a",
		"GET / HTTP/1.1\nHost: a/b",
		"GET / HTTP/1.1\nHost: a, b",
		"GET / HTTP/1.1\nHost: ",
		"GET / HTTP/1.1\nHost: :80",
		"GET / HTTP/1.1\nHost: a:b",
		"GET / HTTP/1.1\nHost: a:80:80",
		"GET / HTTP/1.1\nHost: a:123456",
		"GET / HTTP/1.1\nHost: ::1",
		"GET / HTTP/1.1\nHost: [::1",
		"GET / HTTP/1.1\nHost: [::1]80",
		"GET / HTTP/1.1\nHost: [::g]",
		"GET / HTTP/1.1\nHost: [1.2.3.4]",
		"GET / HTTP/1.1\nHost: []",
		"GET / HTTP/1.1\nHost: [a]:80",
		"GET / HTTP/1.1\nHost: [1:2:3:4:5:6:7:8:9:a:b:c:d:e:f:1:2:3:4:5:6:7:8:9:0]",
		"GET / HTTP/1.1\nHost: a%2eb",
		"GET / HTTP/1.1\nHost: a\nAuthorization: x\nauthorization: y",
		"POST / HTTP/1.1\nHost: a\nIdempotency-Key: x\nIdempotency-Key: y",
		"POST / HTTP/1.1\nHost: a\nContent-Type: x\nContent-Type: y",
		"GET / HTTP/1.1\nHost: a\nIf-None-Match: \"x\"\nIf-None-Match: \"y\"",
		"PATCH / HTTP/1.1\nHost: a\nIf-Match: \"x\"\nIf-Match: \"y\"",
		"GET / HTTP/1.1\nHost: a\nX-Request-Id: x\nx-request-id: y",
		"GET / HTTP/1.1\nHost: a\nOrigin: x\nOrigin: y",
	};

	(void)state;
	CHECK_REFUSED(TABLE, ERR_BAD_REQUEST);
}

static void
a_connection_field_may_not_name_other_fields(void **state)
{
	static const char *const TABLE[] = {
		"GET / HTTP/1.1\nHost: a\nConnection: authorization",
		"GET / HTTP/1.1\nHost: a\nConnection: close, X-Forwarded-For",
		"GET / HTTP/1.1\nHost: a\nConnection: close\nConnection: Host",
		"POST / HTTP/1.1\nHost: a\nConnection: content-length\nContent-Length: 3",
		"GET / HTTP/1.1\nHost: a\nConnection: closed",
		"GET / HTTP/1.1\nHost: a\nConnection: close;x",
		"GET / HTTP/1.1\nHost: a\nConnection: clos",
	};

	(void)state;
	CHECK_REFUSED(TABLE, ERR_BAD_REQUEST);
}

static void
requests_that_only_ask_have_no_body(void **state)
{
	static const char *const TABLE[] = {
		"GET / HTTP/1.1\nHost: a\nContent-Length: 1",
		"HEAD / HTTP/1.1\nHost: a\nContent-Length: 1",
		"GET / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked",
		"HEAD / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked",
		"GET / HTTP/1.0\nContent-Length: 5",
	};

	(void)state;
	CHECK_REFUSED(TABLE, ERR_BAD_REQUEST);
}

static void
a_target_names_one_path_only(void **state)
{
	static const char *const TABLE[] = {
		"GET /a%00b HTTP/1.1\nHost: a",
		"GET /a?x=%00 HTTP/1.1\nHost: a",
		"GET /a%2fb HTTP/1.1\nHost: a",
		"GET /a%2Fb HTTP/1.1\nHost: a",
		"GET /a%5cb HTTP/1.1\nHost: a",
		"GET /a\\b HTTP/1.1\nHost: a",
		"GET /a?\\ HTTP/1.1\nHost: a",
		"GET /a/../b HTTP/1.1\nHost: a",
		"GET /a/.. HTTP/1.1\nHost: a",
		"GET /./a HTTP/1.1\nHost: a",
		"GET /a/%2e%2e/b HTTP/1.1\nHost: a",
		"GET /a/.%2E HTTP/1.1\nHost: a",
		"GET /%2e HTTP/1.1\nHost: a",
		"GET /a%0d%0aX:y HTTP/1.1\nHost: a",
		"GET /a%7f HTTP/1.1\nHost: a",
		"GET /a% HTTP/1.1\nHost: a",
		"GET /a%4 HTTP/1.1\nHost: a",
		"GET /a%zz HTTP/1.1\nHost: a",
		"GET /a?b=%zz HTTP/1.1\nHost: a",
		"GET /%c0%af HTTP/1.1\nHost: a",
		"GET /%ff HTTP/1.1\nHost: a",
		"GET /\xc3\xa9 HTTP/1.1\nHost: a",
		"GET /a#b HTTP/1.1\nHost: a",
		"GET /a\x01 HTTP/1.1\nHost: a",
		"GET /a\x7f HTTP/1.1\nHost: a",
		"GET http://evil/a HTTP/1.1\nHost: a",
		"GET a HTTP/1.1\nHost: a",
		"GET * HTTP/1.1\nHost: a",
	};

	(void)state;
	CHECK_REFUSED(TABLE, ERR_BAD_REQUEST);
}

static void
methods_beyond_the_list_are_not_implemented(void **state)
{
	static const char *const TABLE[] = { "CONNECT a:80 HTTP/1.1\nHost: a",
		"TRACE / HTTP/1.1\nHost: a", "get / HTTP/1.1\nHost: a",
		"GETT / HTTP/1.1\nHost: a" };
	static const char *const NO_TOKENS[] = { "G\x01T / HTTP/1.1\nHost: a",
		"G(T / HTTP/1.1\nHost: a" };

	(void)state;
	CHECK_REFUSED(TABLE, ERR_METHOD_UNKNOWN);
	CHECK_REFUSED(NO_TOKENS, ERR_BAD_REQUEST);
}

static void
unknown_expectations_are_refused(void **state)
{
	static const char *const TABLE[] = { "POST / HTTP/1.1\nHost: a\nExpect: foo",
		"POST / HTTP/1.1\nHost: a\nExpect: 100-continue, foo" };
	static const char *const TWO[] = {
		"POST / HTTP/1.1\nHost: a\nExpect: 100-continue\nExpect: foo"
	};

	(void)state;
	CHECK_REFUSED(TABLE, ERR_EXPECTATION);
	CHECK_REFUSED(TWO, ERR_BAD_REQUEST);
}

static void
the_longest_target_passes_and_one_byte_more_does_not(void **state)
{
	static char text[HTTP_TARGET_MAX + 64];
	struct verdict v = { .head = text };

	(void)state;
	for (int n = HTTP_TARGET_MAX; n <= HTTP_TARGET_MAX + 1; n++) {
		memset(text, 'a', sizeof(text));
		memcpy(text, "GET /", 5);
		memcpy(text + 4 + n, " HTTP/1.1\nHost: a", sizeof(" HTTP/1.1\nHost: a"));
		v.code = n <= HTTP_TARGET_MAX ? ERR_NONE : ERR_URI_TOO_LONG;
		check(&v);
	}
}

static void
sixty_four_fields_pass_and_one_more_does_not(void **state)
{
	static struct http_field fields[HTTP_FIELDS_MAX + 1];
	struct http_head head = { .method = "GET",
		.target = "/",
		.target_bytes = 1,
		.version = "HTTP/1.1",
		.fields = fields };
	struct err e = { 0 };
	int64_t n;

	(void)state;
	fields[0] = (struct http_field){ "Host", "a" };
	for (int i = 1; i <= HTTP_FIELDS_MAX; i++)
		fields[i] = (struct http_field){ "X", "y" };
	head.n_fields = HTTP_FIELDS_MAX;
	assert_int_equal(http_guard(&head, &n, &e), 0);
	head.n_fields = HTTP_FIELDS_MAX + 1;
	assert_int_equal(http_guard(&head, &n, &e), -1);
	assert_int_equal(e.code, ERR_HEAD_TOO_LARGE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_honest_head_passes_with_its_body_length),
		cmocka_unit_test(a_head_whose_end_is_in_doubt_is_refused),
		cmocka_unit_test(fields_that_are_no_fields_are_refused),
		cmocka_unit_test(who_is_asked_and_who_asks_is_said_once),
		cmocka_unit_test(a_connection_field_may_not_name_other_fields),
		cmocka_unit_test(requests_that_only_ask_have_no_body),
		cmocka_unit_test(a_target_names_one_path_only),
		cmocka_unit_test(methods_beyond_the_list_are_not_implemented),
		cmocka_unit_test(unknown_expectations_are_refused),
		cmocka_unit_test(the_longest_target_passes_and_one_byte_more_does_not),
		cmocka_unit_test(sixty_four_fields_pass_and_one_more_does_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
