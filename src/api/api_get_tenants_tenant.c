/* SPDX-License-Identifier: Apache-2.0 */
#include "api_platform_internal.h"

/* GET /v1/tenants/{tenant} */
int
api_get_tenants_tenant(struct req *rq, struct err *e)
{
	struct platform_tenant t;

	if (platform_tenant_get(rq->api->o.db, req_tenant(rq), rq->mem, &t, e) < 0)
		return -1;
	return req_reply_registered(rq, &t, e);
}
