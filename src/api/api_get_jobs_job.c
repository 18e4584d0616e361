/* SPDX-License-Identifier: Apache-2.0 */
#include "api_follow_internal.h"
#include "api_internal.h"
#include "api_query_internal.h"

#include "http.h"

enum { WAIT_MAX_MS = 60000 };

static int
park(struct req *rq, const struct job *job, int64_t wait_ms, struct err *e)
{
	struct follow_target target = { .job = job->id,
		.seen = { .state = job->state, .epoch = job->epoch },
		.wait_ms = wait_ms };

	if (req_follow(rq, &target, e) < 0)
		return -1;
	rq->reply.kind = REPLY_PARK;
	return 0;
}

/* GET /v1/jobs/{job}: how it stands; ?wait=30s answers when its state changes or the time is up. */
int
api_get_jobs_job(struct req *rq, struct err *e)
{
	int64_t wait_ms = 0;
	const struct query_param params[] = {
		QUERY_PARAM("wait", TIME, 0, WAIT_MAX_MS, &wait_ms),
		QUERY_PARAMS_END,
	};
	struct job_wait why;
	struct json_out *o;
	struct job job;
	int waits = 0;

	if (query_decode(http_req_query(rq->http), params, rq->mem, e) < 0 ||
	    req_job(rq, &job, e) < 0)
		return -1;
	if (wait_ms > 0 && !rq->resumed && !rq->head && !job_state_terminal(job.state))
		return park(rq, &job, wait_ms, e);
	if (job.state == JOB_QUEUED)
		waits = job_waiting(
		    rq->api->o.db, rq->who.tenant, job.id, rq->api->o.job_quota, rq->mem, &why, e);
	if (waits < 0)
		return -1;
	job.wait = waits > 0 ? &why : NULL;
	o = reply_begin(rq);
	job_print(&job, true, o);
	return reply_json_tagged(rq, e);
}
