/* SPDX-License-Identifier: Apache-2.0 */
#include "api_internal.h"

/* GET /v1/me: whose credential this is. */
int
api_get_me(struct req *rq, struct err *e)
{
	struct json_out *o = reply_begin(rq);
	struct tenant tenant;
	char id[ID_STR_SIZE];

	if (tenant_get(rq->api->o.db, rq->who.tenant, rq->mem, &tenant, e) < 0)
		return -1;
	json_out_begin(o);
	json_put_text(o, "tenant_id", id_format("ten", tenant.id.uuid, id));
	json_put_text(o, "tenant_name", tenant.name);
	json_put_time(o, "tenant_created_at", tenant.created_wall_us);
	json_put_text(o, "key_id", id_format("key", rq->who.key, id));
	json_put_text(o, "key", rq->who.key_public); /* the public part: the rest is nowhere */
	json_out_end(o);
	return reply_json(rq, 200, e);
}
