/* SPDX-License-Identifier: Apache-2.0 */
#include "api_platform_internal.h"

#include "api_query_internal.h"
#include "caps.h"

/* GET /v1/tenants: newest first, a page at a time. */
int
api_get_tenants(struct req *rq, struct err *e)
{
	struct platform_filter f = { 0 };
	const struct query_param filters[] = {
		QUERY_PARAM("name", TEXT, 1, CAP_NAME_BYTES, &f.name),
		QUERY_WORDS("state", "active suspended deleting", &f.state),
		QUERY_PARAMS_END,
	};
	struct platform_tenant *rows;
	struct json_out *o;
	struct page page;
	bool more;
	size_t n;

	if (page_begin(rq, filters, &page, e) < 0)
		return -1;
	f.before = page.last;
	f.limit = page.limit;
	if (platform_tenant_list(rq->api->o.db, &f, rq->mem, &rows, &n, &more, e) < 0)
		return -1;
	o = page_rows(rq);
	for (size_t i = 0; i < n; i++)
		platform_tenant_print(&rows[i], o);
	return page_end(rq, &page, more && n > 0 ? &rows[n - 1].id.uuid : NULL, e);
}
