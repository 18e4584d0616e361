/* SPDX-License-Identifier: Apache-2.0 */
#include "api_platform_internal.h"

#include "auth.h"

/* POST /v1/tenants/{tenant}/owners: another owner, for a tenant that lost all of its own. */
int
api_post_tenants_tenant_owners(struct req *rq, struct err *e)
{
	const struct platform_ask ask = req_platform_ask(rq);
	struct owner_wish w = { 0 };
	struct json_field fields[OWNER_FIELDS];
	const char *kind = NULL;
	struct owner_made made;
	char text[AUTH_KEY_SIZE];

	req_owner_fields(&w, &kind, fields);
	if (req_body_decode(rq, fields, e) < 0 || req_owner_kind(kind, "/kind", &w, e) < 0 ||
	    platform_owner_admit(&ask, req_tenant(rq), e) < 0 ||
	    req_make_owner(rq, req_tenant(rq), &w, &made, text, e) < 0)
		return -1;
	req_print_owner(&made, text, reply_begin(rq));
	auth_wipe(text, sizeof(text));
	return reply_json(rq, 201, e);
}
