/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages of lists.  What chooses the rows is the path and every parameter but limit and cursor, so
 * their digest ties a cursor to them, and the Link of a page repeats them as they were given.
 */

#include "api_internal.h"
#include "api_page_internal.h"
#include "api_query_internal.h"
#include "api_value_internal.h"

#include "auth.h"
#include "caps.h"
#include "clock.h"
#include "http.h"

#include <stdio.h>
#include <string.h>

enum {
	LIMIT_DEFAULT = 50,
	/* A path and a query that came in one request line of 8 KiB, escaped anew. */
	LINK_MAX = 32 << 10
};

/* Parameters that move within the rows. */
static bool
is_move(const char *name)
{
	return strcmp(name, "limit") == 0 || strcmp(name, "cursor") == 0;
}

/* The next name in order after `before`, NULL when there is none.  Names are distinct by now. */
static const struct query_given *
next_by_name(const struct page *p, const char *before)
{
	const struct query_given *best = NULL;

	for (size_t i = 0; i < p->n_given; i++) {
		const struct query_given *g = &p->given[i];

		if (before != NULL && strcmp(g->name, before) <= 0)
			continue;
		if (best == NULL || strcmp(g->name, best->name) < 0)
			best = g;
	}
	return best;
}

/* The NULs keep path, names and values apart. */
static int
digest_filter(const struct req *rq, struct page *p, struct err *e)
{
	const struct query_given *g = NULL;
	AUTO(auth_digest) d = NULL;

	if (auth_digest_new(&d, e) < 0)
		return -1;
	auth_digest_add(d, rq->raw_path, strlen(rq->raw_path) + 1);
	while ((g = next_by_name(p, g == NULL ? NULL : g->name)) != NULL) {
		if (is_move(g->name))
			continue;
		auth_digest_add(d, g->name, strlen(g->name) + 1);
		auth_digest_add(d, g->value, strlen(g->value) + 1);
	}
	auth_digest_end(d, p->filter);
	return 0;
}

static void
scope_of(const struct req *rq, const struct page *p, struct page_scope *ret)
{
	*ret = (struct page_scope){
		.key = rq->api->o.cursor_key, .tenant = rq->who.tenant, .route = rq->route->path
	};
	memcpy(ret->filter, p->filter, sizeof(ret->filter));
}

static int
decode(struct req *rq, const struct query_param *filters, struct page *p, const char **ret_cursor,
    struct err *e)
{
	struct query_param params[QUERY_PARAMS_MAX];
	size_t n = 0;

	for (; filters[n].kind != QUERY_END; n++) {
		REQUIRE(n + 3 < ARRAY_LEN(params));
		params[n] = filters[n];
	}
	params[n++] = (struct query_param)QUERY_PARAM("limit", LIMIT, 1, CAP_PAGE_ITEMS, &p->limit);
	params[n++] =
	    (struct query_param)QUERY_PARAM("cursor", TEXT, 1, PAGE_CURSOR_SIZE, ret_cursor);
	params[n] = (struct query_param)QUERY_PARAMS_END;
	return query_decode(http_req_query(rq->http), params, rq->mem, e);
}

int
page_begin(struct req *rq, const struct query_param *filters, struct page *ret, struct err *e)
{
	struct page p = { .limit = LIMIT_DEFAULT };
	struct query_given *given = arena_array(rq->mem, QUERY_PARAMS_MAX, sizeof(*given));
	const char *cursor = NULL;
	struct page_scope scope;

	if (given == NULL)
		return arena_err(e);
	if (decode(rq, filters, &p, &cursor, e) < 0 ||
	    query_split(http_req_query(rq->http), rq->mem, given, &p.n_given, e) < 0)
		return -1;
	p.given = given;
	if (digest_filter(rq, &p, e) < 0)
		return -1;
	scope_of(rq, &p, &scope);
	if (cursor != NULL && page_cursor_read(&scope, cursor, clock_wall_us(), &p.last, e) < 0)
		return -1;
	*ret = p;
	return 0;
}

struct json_out *
page_rows(struct req *rq)
{
	struct json_out *o = reply_begin(rq);

	json_out_begin(o);
	json_out_key(o, "data");
	json_out_begin_array(o);
	return o;
}

/* Link: the same list after this page, with all its parameters (RFC 8288). */
static int
put_link(struct req *rq, const struct page *p, const char *cursor, struct err *e)
{
	AUTO_BUF b = { 0 };

	buf_init(&b, LINK_MAX);
	buf_char(&b, '<');
	value_escape(&b, rq->raw_path, "/%");
	buf_char(&b, '?');
	for (size_t i = 0; i < p->n_given; i++) {
		if (is_move(p->given[i].name))
			continue;
		value_escape(&b, p->given[i].name, "");
		buf_char(&b, '=');
		value_escape(&b, p->given[i].value, "");
		buf_char(&b, '&');
	}
	buf_printf(&b, "limit=%lld&cursor=", (long long)p->limit);
	value_escape(&b, cursor, "");
	buf_str(&b, ">; rel=\"next\"");
	if (buf_check(&b, e) < 0)
		return -1;
	return reply_header(rq, "Link", b.p, e);
}

int
page_end(struct req *rq, const struct page *p, const struct uuid *last, struct err *e)
{
	struct json_out *o = &rq->out;
	char cursor[PAGE_CURSOR_SIZE];
	struct page_scope scope;

	if (last != NULL) {
		scope_of(rq, p, &scope);
		if (page_cursor_make(&scope, *last, clock_wall_us(), cursor, e) < 0 ||
		    put_link(rq, p, cursor, e) < 0)
			return -1;
	}
	json_out_end_array(o);
	json_put_text(o, "next_cursor", last == NULL ? NULL : cursor);
	json_put_bool(o, "has_more", last != NULL);
	json_out_end(o);
	return reply_json(rq, 200, e);
}

/* Big-endian at the end; the version digit of a UUID stays 0, so that it is nobody's id. */
struct uuid
page_number(int64_t number)
{
	struct uuid u = { 0 };

	REQUIRE(number >= 0);
	for (size_t i = 0; i < sizeof(number); i++)
		u.b[sizeof(u.b) - 1 - i] = (uint8_t)((uint64_t)number >> (8 * i));
	return u;
}

int64_t
page_number_of(struct uuid last)
{
	uint64_t v = 0;

	for (size_t i = sizeof(last.b) - sizeof(v); i < sizeof(last.b); i++)
		v = v << 8 | last.b[i];
	return (int64_t)(v & INT64_MAX);
}
