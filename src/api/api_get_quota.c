/* SPDX-License-Identifier: Apache-2.0 */
#include "api_platform_internal.h"

#include "api_query_internal.h"
#include "audit.h"

static int
check_project(struct req *rq, struct uuid project, struct err *e)
{
	struct identity_project p;

	if (uuid_is_nil(project))
		return principal_may(&rq->who, PERM_QUOTA_READ)
			   ? 0
			   : err_set(e, ERR_BAD_PARAMETER,
				 "You may see the limits of your projects; name one with "
				 "?project=prj_...");
	return identity_project_get(
	    rq->api->o.db, rq->who.tenant, &rq->scope, project, rq->mem, &p, e);
}

/* GET /v1/quota: limits and what is used of them, of the tenant or of one project. */
int
api_get_quota(struct req *rq, struct err *e)
{
	struct uuid project = { { 0 } };
	const struct query_param params[] = {
		QUERY_TYPED_ID("project", "prj", &project),
		QUERY_PARAMS_END,
	};

	if (req_query(rq, params, e) < 0 || check_project(rq, project, e) < 0)
		return -1;
	return req_reply_limits(rq, rq->who.tenant, project, e);
}

/* PUT /v1/projects/{project}/quota: those that are named; null leaves the tenant's alone. */
int
api_put_projects_project_quota(struct req *rq, struct err *e)
{
	const struct identity_ask ask = req_ask(rq);
	struct uuid project = req_id(rq, "project");
	struct limits_wish w;
	struct identity_limit limits[QUOTA_COUNT];

	if (req_limits(rq, true, &w, e) < 0)
		return -1;
	for (size_t i = 0; i < w.n; i++)
		limits[i] =
		    (struct identity_limit){ .quota = w.p[i].quota, .amount = w.p[i].amount };
	if (identity_project_limits(&ask, project, limits, w.n, e) < 0)
		return -1;
	return req_reply_limits(rq, rq->who.tenant, project, e);
}
