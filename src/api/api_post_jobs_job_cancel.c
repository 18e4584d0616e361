/* SPDX-License-Identifier: Apache-2.0 */
#include "api_internal.h"

/* POST /v1/jobs/{job}/cancel: ask for its end; asking again is no fault. */
int
api_post_jobs_job_cancel(struct req *rq, struct err *e)
{
	struct json_out *o;
	struct job job;

	/* First whether it may be seen and ended: the answers differ. */
	if (req_job(rq, &job, e) < 0)
		return -1;
	if (job_cancel(rq->api->o.db, rq->who.tenant, &rq->scope, &rq->caller, job.id, rq->mem, e) <
	    0)
		return req_job_error(e);
	rq->api->o.wake(rq->api->o.ctx);
	if (req_job(rq, &job, e) < 0)
		return -1;
	o = reply_begin(rq);
	job_print(&job, false, o);
	return reply_json(rq, 202, e);
}
