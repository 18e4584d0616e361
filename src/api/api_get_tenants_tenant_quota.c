/* SPDX-License-Identifier: Apache-2.0 */
#include "api_platform_internal.h"

/* GET /v1/tenants/{tenant}/quota */
int
api_get_tenants_tenant_quota(struct req *rq, struct err *e)
{
	struct uuid whole = { { 0 } };
	struct platform_tenant t;

	if (platform_tenant_get(rq->api->o.db, req_tenant(rq), rq->mem, &t, e) < 0)
		return -1;
	return req_reply_limits(rq, t.id, whole, e);
}

/* PUT /v1/tenants/{tenant}/quota: those that are named; null goes back to the default. */
int
api_put_tenants_tenant_quota(struct req *rq, struct err *e)
{
	const struct platform_ask ask = req_platform_ask(rq);
	struct uuid whole = { { 0 } };
	struct limits_wish w;

	if (req_limits(rq, false, &w, e) < 0 ||
	    platform_limits_set(&ask, req_tenant(rq), w.p, w.n, e) < 0)
		return -1;
	return req_reply_limits(rq, req_tenant(rq), whole, e);
}
