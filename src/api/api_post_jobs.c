/* SPDX-License-Identifier: Apache-2.0 */
#include "api_internal.h"

/* POST /v1/jobs: queue one job. */
int
api_post_jobs(struct req *rq, struct err *e)
{
	/* Its own job is shown to a caller who may submit, but not read. */
	const struct scope anywhere = { .everywhere = true };
	struct json_out *o;
	struct submitted s;
	struct job job;

	if (req_submit(rq, &s, e) < 0)
		return -1;
	if (job_get(rq->api->o.db, rq->who.tenant, &anywhere, s.id, rq->mem, &job, e) < 0)
		return req_job_error(e);
	o = reply_begin(rq);
	job_print(&job, false, o);
	return reply_json(rq, 201, e);
}
