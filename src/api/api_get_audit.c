/* SPDX-License-Identifier: Apache-2.0 */
#include "api_internal.h"
#include "api_query_internal.h"

#include "audit_log.h"
#include "http.h"

#include <string.h>

enum { ACTION_MAX = 63, RESOURCE_MAX = 256 };

static const char *const types[] = { "application/json", "application/x-ndjson", "text/csv", NULL };
enum { TYPE_JSON, TYPE_NDJSON, TYPE_CSV };

struct audit_query {
	struct audit_filter filter;
	const char *order, *format;
	struct page page;
};

static int
read_query(struct req *rq, struct audit_query *q, struct err *e)
{
	const struct query_param params[] = {
		QUERY_PARAM("from", WHEN, 0, 0, &q->filter.from_wall_us),
		QUERY_PARAM("to", WHEN, 0, 0, &q->filter.to_wall_us),
		QUERY_PARAM("actor", TEXT, 1, ID_STR_SIZE, &q->filter.actor),
		QUERY_PARAM("action", TEXT, 1, ACTION_MAX, &q->filter.action),
		QUERY_PARAM("resource", TEXT, 1, RESOURCE_MAX, &q->filter.resource),
		QUERY_WORDS("outcome", "ok denied", &q->filter.outcome),
		QUERY_PARAM("after", I64, 0, CHAIN_NUMBER_MAX, &q->filter.after),
		QUERY_WORDS("order", "asc desc", &q->order),
		QUERY_WORDS("format", "json ndjson csv", &q->format),
		QUERY_PARAMS_END,
	};

	return page_begin(rq, params, &q->page, e);
}

static int
type_of(const struct req *rq, const struct audit_query *q)
{
	static const char *const formats[] = { "json", "ndjson", "csv" };
	const char *accepted = req_accept(rq, types);
	int type = TYPE_JSON;

	for (int i = 0; i < (int)ARRAY_LEN(formats); i++)
		if (q->format != NULL ? strcmp(q->format, formats[i]) == 0 : accepted == types[i])
			type = i;
	return type;
}

static int
record(struct req *rq, const struct audit_query *q, const char *view, struct err *e)
{
	const char *filter;

	if (audit_filter_print(&q->filter, rq->mem, &filter, e) < 0)
		return -1;
	return audit_record_read(
	    rq->api->o.audit, rq->who.tenant, &rq->caller, view, filter, rq->mem, e);
}

static int
reply_page(struct req *rq, const struct audit_query *q, struct err *e)
{
	const struct audit_page page = { .last = page_number_of(q->page.last),
		.oldest_first = q->order != NULL && strcmp(q->order, "asc") == 0,
		.limit = q->page.limit };
	struct audit_row *rows;
	struct json_out *o;
	struct uuid last;
	int64_t next;
	size_t n;

	if (record(rq, q, "list", e) < 0 || audit_list(rq->api->o.db, rq->who.tenant, &q->filter,
						&page, rq->mem, &rows, &n, &next, e) < 0)
		return -1;
	o = page_rows(rq);
	for (size_t i = 0; i < n; i++)
		audit_row_print(&rows[i], o);
	last = page_number(next);
	return page_end(rq, &q->page, next != 0 ? &last : NULL, e);
}

/* --- the whole as a file ---------------------------------------------------------------------- */

/* A file has no pages, and its entries stand in the order in which they can be checked. */
static int
check_whole(const struct audit_query *q, struct err *e)
{
	for (size_t i = 0; i < q->page.n_given; i++) {
		const char *name = q->page.given[i].name;

		if (strcmp(name, "limit") == 0 || strcmp(name, "cursor") == 0 ||
		    (strcmp(name, "order") == 0 && strcmp(q->order, "desc") == 0))
			err_field_add(e, name,
			    "goes with JSON alone; an export is whole, oldest entry first");
	}
	return err_fields_done(e, ERR_BAD_PARAMETER);
}

static void
let_go(struct http_req *http, void *slot)
{
	(void)http; /* the slot knows whose it is */
	audit_export_done(slot);
}

static int
reply_export(struct req *rq, const struct audit_query *q, int type, struct err *e)
{
	enum audit_format format = type == TYPE_CSV ? AUDIT_CSV : AUDIT_NDJSON;
	struct audit_export x;

	if (check_whole(q, e) < 0 || record(rq, q, "export", e) < 0 ||
	    audit_export(rq->api->o.audit, rq->who.tenant, &q->filter, format,
		rq->api->o.spool_dirfd, &x, e) < 0)
		return -1;
	/* The next one may begin when the file is closed, which is when it was sent. */
	http_req_on_done(rq->http, let_go, x.slot);
	rq->reply = (struct reply){ .kind = REPLY_FILE, .status = 200, .fd = x.fd, .n = x.size };
	if (reply_header(rq, "Content-Type",
		type == TYPE_CSV ? "text/csv; charset=utf-8; header=present" : types[type], e) < 0)
		return -1;
	return reply_header(rq, "Content-Disposition",
	    type == TYPE_CSV ? "attachment; filename=\"audit.csv\""
			     : "attachment; filename=\"audit.ndjson\"",
	    e);
}

/* GET /v1/audit: what was done in the tenant; a page as JSON, or all of it as NDJSON or CSV. */
int
api_get_audit(struct req *rq, struct err *e)
{
	struct audit_query q = { 0 };
	int type;

	if (read_query(rq, &q, e) < 0)
		return -1;
	type = type_of(rq, &q);
	return type == TYPE_JSON ? reply_page(rq, &q, e) : reply_export(rq, &q, type, e);
}
