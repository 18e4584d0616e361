/* SPDX-License-Identifier: Apache-2.0 */
#include "api_identity_internal.h"

/* GET /v1/projects: those that the caller may see, newest first. */
int
api_get_projects(struct req *rq, struct err *e)
{
	const char *archived = NULL;
	const struct query_param filters[] = {
		QUERY_EITHER("archived", &archived),
		QUERY_PARAMS_END,
	};
	struct identity_project_filter f = { .scope = &rq->scope };
	struct identity_projects list;
	struct json_out *o;
	struct page page;

	if (page_begin(rq, filters, &page, e) < 0)
		return -1;
	f.page = req_page(&page);
	f.archived = req_either(archived);
	if (identity_project_list(rq->api->o.db, rq->who.tenant, &f, rq->mem, &list, e) < 0)
		return -1;
	o = page_rows(rq);
	for (size_t i = 0; i < list.n; i++)
		identity_project_print(&list.p[i], o);
	return page_end(rq, &page, list.more ? &list.p[list.n - 1].id : NULL, e);
}
