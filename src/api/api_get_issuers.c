/* SPDX-License-Identifier: Apache-2.0 */
#include "api_identity_internal.h"

#include "identity_issuer.h"

/* GET /v1/issuers: whose tokens the tenant accepts, newest first. */
int
api_get_issuers(struct req *rq, struct err *e)
{
	const struct query_param filters[] = { QUERY_PARAMS_END };
	struct identity_issuers list;
	struct identity_page part;
	struct json_out *o;
	struct page page;

	if (page_begin(rq, filters, &page, e) < 0)
		return -1;
	part = req_page(&page);
	if (identity_issuer_list(rq->api->o.db, rq->who.tenant, &part, rq->mem, &list, e) < 0)
		return -1;
	o = page_rows(rq);
	for (size_t i = 0; i < list.n; i++)
		identity_issuer_print(&list.p[i], o);
	return page_end(rq, &page, list.more ? &list.p[list.n - 1].id : NULL, e);
}
