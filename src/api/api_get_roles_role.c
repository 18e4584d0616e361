/* SPDX-License-Identifier: Apache-2.0 */
#include "api_identity_internal.h"

#include "identity_role.h"

/* GET /v1/roles/{role}: by id or name. */
int
api_get_roles_role(struct req *rq, struct err *e)
{
	struct identity_role r;

	if (identity_role_get(rq->api->o.db, rq->who.tenant, req_text(rq, "role"), rq->mem, &r, e) <
	    0)
		return -1;
	identity_role_print(&r, reply_begin(rq));
	return reply_json_versioned(rq, r.version, e);
}
