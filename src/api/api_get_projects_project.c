/* SPDX-License-Identifier: Apache-2.0 */
#include "api_identity_internal.h"

/* GET /v1/projects/{project} */
int
api_get_projects_project(struct req *rq, struct err *e)
{
	struct identity_project p;

	if (identity_project_get(rq->api->o.db, rq->who.tenant, &rq->scope, req_id(rq, "project"),
		rq->mem, &p, e) < 0)
		return -1;
	identity_project_print(&p, reply_begin(rq));
	return reply_json_versioned(rq, p.version, e);
}
