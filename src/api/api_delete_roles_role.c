/* SPDX-License-Identifier: Apache-2.0 */
#include "api_identity_internal.h"

#include "identity_role.h"

/* DELETE /v1/roles/{role}: one that nobody has. */
int
api_delete_roles_role(struct req *rq, struct err *e)
{
	const struct identity_ask ask = req_ask(rq);
	int64_t version;

	if (req_if_match(rq, &version, e) < 0 ||
	    identity_role_delete(&ask, req_text(rq, "role"), version, e) < 0)
		return -1;
	return reply_nothing(rq, e);
}
