/* SPDX-License-Identifier: Apache-2.0 */
#include "api_internal.h"
#include "api_page_internal.h"
#include "api_query_internal.h"
#include "api_value_internal.h"

#include "auth.h"
#include "caps.h"
#include "clock.h"
#include "http.h"

#include <string.h>

enum { LIMIT_DEFAULT = 50, LABEL_MAX = 255 };

struct list_query {
	const char *state, *environment, *cursor;
	struct query_pair label;
	int64_t limit;
};

static const char states[] =
#define STATE(name, text, terminal) text " "
#include "job_fsm.def"
#undef STATE
    ;

static int
read_query(struct req *rq, struct list_query *q, struct err *e)
{
	const struct query_param params[] = {
		QUERY_WORDS("state", states, &q->state),
		QUERY_PARAM("environment", TEXT, 1, CAP_NAME_BYTES, &q->environment),
		QUERY_PARAM("label.", PAIR, 0, LABEL_MAX, &q->label),
		QUERY_PARAM("limit", LIMIT, 1, CAP_PAGE_ITEMS, &q->limit),
		QUERY_PARAM("cursor", TEXT, 1, PAGE_CURSOR_SIZE, &q->cursor),
		QUERY_PARAMS_END,
	};

	return query_decode(http_req_query(rq->http), params, rq->mem, e);
}

/* Everything that chooses rows, in one order; "" and absent differ. */
static int
digest_filter(const struct list_query *q, uint8_t out[static AUTH_SHA256_SIZE], struct err *e)
{
	const char *const parts[] = { q->state, q->environment, q->label.name, q->label.value };
	AUTO(auth_digest) d = NULL;

	if (auth_digest_new(&d, e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (parts[i] == NULL)
			auth_digest_add(d, "-", 1);
		else
			auth_digest_add(d, parts[i], strlen(parts[i]) + 1);
	auth_digest_end(d, out);
	return 0;
}

static void
put_parameter(struct buf *b, const char *name, const char *value)
{
	if (value == NULL)
		return;
	buf_char(b, b->p != NULL && memchr(b->p, '?', b->n) != NULL ? '&' : '?');
	buf_str(b, name);
	buf_char(b, '=');
	value_escape(b, value, "");
}

/* Link: the same list after this page, with all its parameters. */
static int
put_link(struct req *rq, const struct list_query *q, const char *cursor, struct err *e)
{
	AUTO_BUF b;
	char *limit = arena_printf(rq->mem, "%lld", (long long)q->limit);

	buf_init(&b, 4 * CAP_PATH_BYTES + 4 * PAGE_CURSOR_SIZE + 8 * LABEL_MAX);
	buf_str(&b, "</v1/jobs");
	put_parameter(&b, "state", q->state);
	put_parameter(&b, "environment", q->environment);
	if (q->label.name != NULL) {
		buf_char(&b, memchr(b.p, '?', b.n) != NULL ? '&' : '?');
		buf_str(&b, "label.");
		value_escape(&b, q->label.name, "");
		buf_char(&b, '=');
		value_escape(&b, q->label.value, "");
	}
	put_parameter(&b, "limit", limit);
	put_parameter(&b, "cursor", cursor);
	buf_str(&b, ">; rel=\"next\"");
	if (limit == NULL)
		return arena_err(e);
	if (buf_check(&b, e) < 0)
		return -1;
	return reply_header(rq, "Link", b.p, e);
}

static int
make_filter(
    const struct list_query *q, const struct page_scope *scope, struct job_filter *f, struct err *e)
{
	*f = (struct job_filter){ .environment = q->environment,
		.label_name = q->label.name,
		.label_value = q->label.value,
		.limit = q->limit };
	f->by_state = q->state != NULL && job_state_parse(q->state, &f->state);
	if (q->cursor == NULL)
		return 0;
	return page_cursor_read(scope, q->cursor, clock_wall_us(), &f->before, e);
}

/* GET /v1/jobs: newest first, a page at a time. */
int
api_get_jobs(struct req *rq, struct err *e)
{
	struct list_query q = { .limit = LIMIT_DEFAULT };
	struct page_scope scope = {
		.key = rq->api->o.cursor_key, .tenant = rq->who.tenant, .route = "GET /v1/jobs"
	};
	char cursor[PAGE_CURSOR_SIZE];
	struct json_out *o;
	struct job_filter filter;
	struct job *jobs;
	bool more;
	size_t n;

	if (read_query(rq, &q, e) < 0 || digest_filter(&q, scope.filter, e) < 0 ||
	    make_filter(&q, &scope, &filter, e) < 0)
		return -1;
	if (job_list(rq->api->o.db, rq->who.tenant, &filter, rq->mem, &jobs, &n, &more, e) < 0)
		return -1;
	more = more && n > 0;
	if (more && (page_cursor_make(&scope, jobs[n - 1].id, clock_wall_us(), cursor, e) < 0 ||
			put_link(rq, &q, cursor, e) < 0))
		return -1;
	o = reply_begin(rq);
	json_out_begin(o);
	json_out_key(o, "data");
	json_out_begin_array(o);
	for (size_t i = 0; i < n; i++)
		job_print(&jobs[i], false, o);
	json_out_end_array(o);
	json_put_text(o, "next_cursor", more ? cursor : NULL);
	json_put_bool(o, "has_more", more);
	json_out_end(o);
	return reply_json(rq, 200, e);
}
