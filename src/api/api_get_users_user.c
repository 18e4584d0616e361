/* SPDX-License-Identifier: Apache-2.0 */
#include "api_identity_internal.h"

/* GET /v1/users/{user} */
int
api_get_users_user(struct req *rq, struct err *e)
{
	struct identity_user u;

	if (identity_user_get(rq->api->o.db, rq->who.tenant, req_id(rq, "user"), rq->mem, &u, e) <
	    0)
		return -1;
	identity_user_print(&u, reply_begin(rq));
	return reply_json_versioned(rq, u.version, e);
}
