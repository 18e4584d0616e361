/* SPDX-License-Identifier: Apache-2.0 */
#include "api_identity_internal.h"

/* GET /v1/keys: API keys without their secrets, newest first. */
int
api_get_keys(struct req *rq, struct err *e)
{
	const char *revoked = NULL;
	struct identity_key_filter f = { 0 };
	const struct query_param filters[] = {
		QUERY_TYPED_ID("user", "usr", &f.user),
		QUERY_EITHER("revoked", &revoked),
		QUERY_PARAMS_END,
	};
	struct identity_keys list;
	struct json_out *o;
	struct page page;

	if (page_begin(rq, filters, &page, e) < 0)
		return -1;
	f.page = req_page(&page);
	f.revoked = req_either(revoked);
	if (identity_key_list(rq->api->o.db, rq->who.tenant, &f, rq->mem, &list, e) < 0)
		return -1;
	o = page_rows(rq);
	for (size_t i = 0; i < list.n; i++)
		identity_key_print(&list.p[i], NULL, o);
	return page_end(rq, &page, list.more ? &list.p[list.n - 1].id : NULL, e);
}
