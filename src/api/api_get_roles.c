/* SPDX-License-Identifier: Apache-2.0 */
#include "api_identity_internal.h"

#include "identity_role.h"

/* GET /v1/roles: the system's, then the tenant's own; few enough for one answer. */
int
api_get_roles(struct req *rq, struct err *e)
{
	struct identity_role_list list;
	struct json_out *o;

	if (identity_role_list(rq->api->o.db, rq->who.tenant, rq->mem, &list, e) < 0)
		return -1;
	o = reply_begin(rq);
	json_out_begin(o);
	json_out_key(o, "data");
	json_out_begin_array(o);
	for (size_t i = 0; i < list.n; i++)
		identity_role_print(&list.p[i], o);
	json_out_end_array(o);
	json_out_end(o);
	return reply_json_tagged(rq, e);
}
