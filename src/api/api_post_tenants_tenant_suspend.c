/* SPDX-License-Identifier: Apache-2.0 */
#include "api_platform_internal.h"

/* POST /v1/tenants/{tenant}/suspend: its credentials answer 403 with the reason, queued jobs wait.
 */
int
api_post_tenants_tenant_suspend(struct req *rq, struct err *e)
{
	const struct platform_ask ask = req_platform_ask(rq);
	const char *reason = NULL;
	struct platform_tenant t;

	if (req_reason(rq, &reason, e) < 0 ||
	    platform_tenant_suspend(&ask, req_tenant(rq), reason, &t, e) < 0)
		return -1;
	tenants_forget(rq->api->o.tenants, t.id);
	return req_reply_registered(rq, &t, e);
}
