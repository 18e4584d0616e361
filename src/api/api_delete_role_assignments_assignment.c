/* SPDX-License-Identifier: Apache-2.0 */
#include "api_identity_internal.h"

#include "identity_role.h"

/* DELETE /v1/role-assignments/{assignment}: takes a role away. */
int
api_delete_role_assignments_assignment(struct req *rq, struct err *e)
{
	const struct identity_ask ask = req_ask(rq);

	if (identity_assignment_delete(&ask, req_id(rq, "assignment"), e) < 0)
		return -1;
	return req_reply_removed(rq, e);
}
