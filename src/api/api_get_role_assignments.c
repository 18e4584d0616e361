/* SPDX-License-Identifier: Apache-2.0 */
#include "api_identity_internal.h"

#include "identity_role.h"

/* GET /v1/role-assignments: who has which role where, newest first. */
int
api_get_role_assignments(struct req *rq, struct err *e)
{
	struct identity_assignment_filter f = { 0 };
	const struct query_param filters[] = {
		QUERY_TYPED_ID("user", "usr", &f.user),
		QUERY_TYPED_ID("key", "key", &f.key),
		QUERY_TYPED_ID("project", "prj", &f.project),
		QUERY_PARAM("role", TEXT, 1, IDENTITY_NAME_MAX, &f.role),
		QUERY_PARAMS_END,
	};
	struct identity_assignments list;
	struct json_out *o;
	struct page page;

	if (page_begin(rq, filters, &page, e) < 0)
		return -1;
	f.page = req_page(&page);
	if (identity_assignment_list(rq->api->o.db, rq->who.tenant, &f, rq->mem, &list, e) < 0)
		return -1;
	o = page_rows(rq);
	for (size_t i = 0; i < list.n; i++)
		identity_assignment_print(&list.p[i], o);
	return page_end(rq, &page, list.more ? &list.p[list.n - 1].id : NULL, e);
}
