/* SPDX-License-Identifier: Apache-2.0 */
#include "api_platform_internal.h"

/* POST /v1/tenants/{tenant}/resume */
int
api_post_tenants_tenant_resume(struct req *rq, struct err *e)
{
	const struct platform_ask ask = req_platform_ask(rq);
	struct platform_tenant t;

	if (platform_tenant_resume(&ask, req_tenant(rq), &t, e) < 0)
		return -1;
	tenants_forget(rq->api->o.tenants, t.id);
	rq->api->o.wake(rq->api->o.ctx); /* its queued jobs may start */
	return req_reply_registered(rq, &t, e);
}
