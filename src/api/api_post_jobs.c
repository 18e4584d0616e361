/* SPDX-License-Identifier: Apache-2.0 */
#include "api_internal.h"

/* POST /v1/jobs: queue one job. */
int
api_post_jobs(struct req *rq, struct err *e)
{
	struct json_out *o;
	struct submitted s;
	struct job job;

	if (req_submit(rq, &s, e) < 0)
		return -1;
	rq->job = s.id;
	if (req_job(rq, &job, e) < 0)
		return -1;
	o = reply_begin(rq);
	job_print(&job, false, o);
	return reply_json(rq, 201, e);
}
