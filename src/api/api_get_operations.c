/* SPDX-License-Identifier: Apache-2.0 */
#include "api_platform_internal.h"

#include "api_query_internal.h"

/* GET /v1/operations: newest first, a page at a time. */
int
api_get_operations(struct req *rq, struct err *e)
{
	const struct query_param none[] = { QUERY_PARAMS_END };
	struct platform_operation *rows;
	struct json_out *o;
	struct page page;
	bool more;
	size_t n;

	if (page_begin(rq, none, &page, e) < 0 || platform_operation_list(rq->api->o.db, page.last,
						      page.limit, rq->mem, &rows, &n, &more, e) < 0)
		return -1;
	o = page_rows(rq);
	for (size_t i = 0; i < n; i++)
		platform_operation_print(&rows[i], o);
	return page_end(rq, &page, more && n > 0 ? &rows[n - 1].id : NULL, e);
}
