/* SPDX-License-Identifier: Apache-2.0 */
#include "api_platform_internal.h"

/* PATCH /v1/tenants/{tenant}: another name. */
int
api_patch_tenants_tenant(struct req *rq, struct err *e)
{
	const struct platform_ask ask = req_platform_ask(rq);
	const char *name = NULL;
	const struct json_field fields[] = {
		JSON_TEXT("name", &name, 1, IDENTITY_NAME_MAX, JSON_REQUIRED),
		JSON_FIELDS_END,
	};
	struct platform_tenant t;
	int64_t version;

	if (req_body_decode(rq, fields, e) < 0 || req_if_match(rq, &version, e) < 0 ||
	    platform_tenant_rename(&ask, req_tenant(rq), name, version, &t, e) < 0)
		return -1;
	return req_reply_registered(rq, &t, e);
}
