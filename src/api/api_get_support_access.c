/* SPDX-License-Identifier: Apache-2.0 */
#include "api_platform_internal.h"

#include "api_query_internal.h"

/* GET /v1/support-access: who of the operators could look in, when and why. */
int
api_get_support_access(struct req *rq, struct err *e)
{
	const struct query_param none[] = { QUERY_PARAMS_END };
	struct platform_support *rows;
	struct json_out *o;
	struct page page;
	bool more;
	size_t n;

	if (page_begin(rq, none, &page, e) < 0 ||
	    platform_support_list(rq->api->o.db, rq->who.tenant, page.last, page.limit, rq->mem,
		&rows, &n, &more, e) < 0)
		return -1;
	o = page_rows(rq);
	for (size_t i = 0; i < n; i++) {
		json_out_begin(o);
		platform_support_print(&rows[i], o);
		json_out_end(o);
	}
	return page_end(rq, &page, more && n > 0 ? &rows[n - 1].id : NULL, e);
}

/* DELETE /v1/support-access/{support}: the tenant shows the operator out. */
int
api_delete_support_access_support(struct req *rq, struct err *e)
{
	const struct platform_ask ask = req_platform_ask(rq);

	if (platform_support_end_own(&ask, rq->who.tenant, req_id(rq, "support"), e) < 0)
		return -1;
	tenants_forget(rq->api->o.tenants, rq->who.tenant);
	return reply_nothing(rq, e);
}
