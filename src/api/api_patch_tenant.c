/* SPDX-License-Identifier: Apache-2.0 */
#include "api_identity_internal.h"

#include "identity_self.h"

/* PATCH /v1/tenant: what a tenant decides about itself. */
int
api_patch_tenant(struct req *rq, struct err *e)
{
	const struct identity_ask ask = req_ask(rq);
	struct identity_self_change c = { 0 };
	const struct json_field fields[] = {
		PATCH_FLAG("support_allowed", &c.support_allowed),
		JSON_FIELDS_END,
	};
	int64_t version;

	if (req_body_decode(rq, fields, e) < 0 || req_if_match(rq, &version, e) < 0 ||
	    identity_self_update(&ask, &c, version, e) < 0)
		return -1;
	req_rights_changed(rq);
	return req_reply_tenant(rq, e);
}
