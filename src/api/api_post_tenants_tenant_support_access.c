/* SPDX-License-Identifier: Apache-2.0 */
#include "api_platform_internal.h"

struct wish {
	const char *reason, *role;
	int64_t expires_in_s;
};

static int
read_wish(struct req *rq, struct wish *w, enum system_role *ret_role, struct err *e)
{
	const struct json_field fields[] = {
		JSON_TEXT("reason", &w->reason, 1, PLATFORM_REASON_BYTES, JSON_REQUIRED),
		JSON_TEXT("role", &w->role, 1, IDENTITY_NAME_MAX, 0),
		JSON_I64("expires_in_s", &w->expires_in_s, PLATFORM_SUPPORT_LEAST_S,
		    PLATFORM_SUPPORT_MOST_S, 0),
		JSON_FIELDS_END,
	};

	if (req_body_decode(rq, fields, e) < 0)
		return -1;
	if (!system_role_parse(w->role, ret_role))
		err_field_add(e, "/role", "must be a system role; GET /v1/roles lists them");
	return err_fields_done(e, ERR_INVALID);
}

/* POST /v1/tenants/{tenant}/support-access: a token that opens the tenant for a while. */
int
api_post_tenants_tenant_support_access(struct req *rq, struct err *e)
{
	enum { LIFETIME_S = 3600 };
	const struct platform_ask ask = req_platform_ask(rq);
	struct wish w = { .role = "viewer", .expires_in_s = LIFETIME_S };
	struct platform_support s;
	struct tenants_token token;
	enum system_role role;
	struct json_out *o;

	if (read_wish(rq, &w, &role, e) < 0 ||
	    platform_support_open(&ask, req_tenant(rq), role, w.reason, w.expires_in_s, &s, e) <
		0 ||
	    tenants_issue_support(rq->api->o.tenants, req_tenant(rq), s.id, s.expires_wall_us,
		rq->mem, &token, e) < 0)
		return -1;
	o = reply_begin(rq);
	json_out_begin(o);
	platform_support_print(&s, o);
	json_put_text(o, "access_token", token.text);
	json_out_end(o);
	return reply_json(rq, 201, e);
}

/* DELETE /v1/tenants/{tenant}/support-access/{support} */
int
api_delete_tenants_tenant_support_access_support(struct req *rq, struct err *e)
{
	const struct platform_ask ask = req_platform_ask(rq);

	if (platform_support_end(&ask, req_tenant(rq), req_id(rq, "support"), e) < 0)
		return -1;
	tenants_forget(rq->api->o.tenants, req_tenant(rq));
	return reply_nothing(rq, e);
}
