/* SPDX-License-Identifier: Apache-2.0 */
#include "api_identity_internal.h"

/* DELETE /v1/users/{user}: with its roles; with its keys when the caller says so. */
int
api_delete_users_user(struct req *rq, struct err *e)
{
	const struct identity_ask ask = req_ask(rq);
	bool with_keys = false;
	const struct query_param params[] = {
		QUERY_PARAM("revoke_keys", FLAG, 0, 0, &with_keys),
		QUERY_PARAMS_END,
	};
	int64_t version;

	if (req_query(rq, params, e) < 0 || req_if_match(rq, &version, e) < 0 ||
	    identity_user_delete(&ask, req_id(rq, "user"), with_keys, version, e) < 0)
		return -1;
	return req_reply_removed(rq, e);
}
