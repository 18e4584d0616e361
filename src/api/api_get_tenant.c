/* SPDX-License-Identifier: Apache-2.0 */
#include "api_internal.h"

int
req_reply_tenant(struct req *rq, struct err *e)
{
	struct json_out *o = reply_begin(rq);
	struct tenant t;

	if (tenant_get(rq->api->o.db, rq->who.tenant, rq->mem, &t, e) < 0)
		return -1;
	json_out_begin(o);
	put_id(o, "id", "ten", t.id.uuid);
	json_put_text(o, "name", t.name);
	json_put_text(o, "kind", t.kind);
	json_put_text(o, "state", t.state);
	json_put_text(o, "state_reason", t.state_reason);
	json_put_bool(o, "support_allowed", t.support_allowed);
	json_put_time(o, "created_at", t.created_wall_us);
	json_put_i64(o, "version", t.version);
	json_out_end(o);
	return reply_json_versioned(rq, t.version, e);
}

/* GET /v1/tenant: the caller's own. */
int
api_get_tenant(struct req *rq, struct err *e)
{
	return req_reply_tenant(rq, e);
}
