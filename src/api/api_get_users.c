/* SPDX-License-Identifier: Apache-2.0 */
#include "api_identity_internal.h"

#include <string.h>

/* GET /v1/users: people and service accounts with their roles, newest first. */
int
api_get_users(struct req *rq, struct err *e)
{
	const char *kind = NULL, *disabled = NULL;
	const struct query_param filters[] = {
		QUERY_WORDS("kind", "person service", &kind),
		QUERY_EITHER("disabled", &disabled),
		QUERY_PARAMS_END,
	};
	struct identity_user_filter f = { 0 };
	struct identity_users list;
	struct json_out *o;
	struct page page;

	if (page_begin(rq, filters, &page, e) < 0)
		return -1;
	f.page = req_page(&page);
	f.disabled = req_either(disabled);
	f.person.set = kind != NULL;
	f.person.v = kind != NULL && strcmp(kind, "person") == 0;
	if (identity_user_list(rq->api->o.db, rq->who.tenant, &f, rq->mem, &list, e) < 0)
		return -1;
	o = page_rows(rq);
	for (size_t i = 0; i < list.n; i++)
		identity_user_print(&list.p[i], o);
	return page_end(rq, &page, list.more ? &list.p[list.n - 1].id : NULL, e);
}
