/* SPDX-License-Identifier: Apache-2.0 */
#include "api_identity_internal.h"

/* DELETE /v1/keys/{key}: revokes it, for good; again changes nothing. */
int
api_delete_keys_key(struct req *rq, struct err *e)
{
	const struct identity_ask ask = req_ask(rq);
	int64_t version;

	if (req_if_match(rq, &version, e) < 0 ||
	    identity_key_revoke(&ask, req_id(rq, "key"), version, e) < 0)
		return -1;
	return req_reply_removed(rq, e);
}
