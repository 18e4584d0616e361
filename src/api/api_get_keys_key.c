/* SPDX-License-Identifier: Apache-2.0 */
#include "api_identity_internal.h"

/* GET /v1/keys/{key} */
int
api_get_keys_key(struct req *rq, struct err *e)
{
	struct identity_key k;

	if (identity_key_get(rq->api->o.db, rq->who.tenant, req_id(rq, "key"), rq->mem, &k, e) < 0)
		return -1;
	identity_key_print(&k, NULL, reply_begin(rq));
	return reply_json_versioned(rq, k.version, e);
}
