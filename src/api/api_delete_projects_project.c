/* SPDX-License-Identifier: Apache-2.0 */
#include "api_identity_internal.h"

/* DELETE /v1/projects/{project}: one that holds no jobs. */
int
api_delete_projects_project(struct req *rq, struct err *e)
{
	const struct identity_ask ask = req_ask(rq);
	int64_t version;

	if (req_if_match(rq, &version, e) < 0 ||
	    identity_project_delete(&ask, req_id(rq, "project"), version, e) < 0)
		return -1;
	return req_reply_removed(rq, e);
}
