/* SPDX-License-Identifier: Apache-2.0 */
#include "api_internal.h"
#include "api_query_internal.h"

#include "caps.h"
#include "http.h"
#include "parse.h"

enum { POINTS_MIN = 4 };

/* The number of the path; what is none is one that no job reaches. */
static int64_t
attempt_number(const struct req *rq)
{
	struct err ignored = { 0 };
	int64_t number = INT64_MAX;

	return parse_i64(req_text(rq, "attempt"), 1, INT64_MAX, &number, &ignored) < 0 ? INT64_MAX
										       : number;
}

static int
no_attempt(struct err *e)
{
	return err_set(
	    e, ERR_NOT_FOUND, "The job has no attempt of this number; its attempts list them.");
}

/* number 0: all of them. */
static int
read_attempts(
    struct req *rq, int64_t number, struct job_attempt_view **ret, size_t *ret_n, struct err *e)
{
	if (job_attempts(rq->api->o.db, rq->who.tenant, &rq->scope, req_id(rq, "job"), number,
		rq->mem, ret, ret_n, e) < 0)
		return req_job_error(e);
	return 0;
}

/* GET /v1/jobs/{job}/attempts: what each of its attempts used and how it ended, in order. */
int
api_get_jobs_job_attempts(struct req *rq, struct err *e)
{
	struct json_out *o = reply_begin(rq);
	struct job_attempt_view *v;
	size_t n;

	if (read_attempts(rq, 0, &v, &n, e) < 0)
		return -1;
	json_out_begin(o);
	json_out_key(o, "data");
	json_out_begin_array(o);
	for (size_t i = 0; i < n; i++)
		job_attempt_print(&v[i], o);
	json_out_end_array(o);
	json_out_end(o);
	return reply_json_tagged(rq, e);
}

/* GET /v1/jobs/{job}/attempts/{attempt}: one of them. */
int
api_get_jobs_job_attempts_attempt(struct req *rq, struct err *e)
{
	struct job_attempt_view *v;
	size_t n;

	if (read_attempts(rq, attempt_number(rq), &v, &n, e) < 0)
		return -1;
	if (n == 0)
		return no_attempt(e);
	job_attempt_print(&v[0], reply_begin(rq));
	return reply_json_tagged(rq, e);
}

/* --- over time -------------------------------------------------------------------------------- */

/* Whether this attempt still goes on, as far as the row says. */
static bool
goes_on(const struct job *job, int64_t number)
{
	return number == job->epoch && job->state != JOB_QUEUED && !job_state_terminal(job->state);
}

/* From its node while it goes on, else from the record of its end. */
static int
read_samples(struct req *rq, const struct job *job, int64_t number, struct job_sample **ret,
    size_t *ret_n, struct err *e)
{
	const struct api_options *o = &rq->api->o;

	if (goes_on(job, number))
		return o->samples(o->ctx, rq->who.tenant, job->id, number, rq->mem, ret, ret_n, e);
	return job_samples(o->db, rq->who.tenant, job->id, number, rq->mem, ret, ret_n, e);
}

/* GET /v1/jobs/{job}/attempts/{attempt}/usage: what it used over time, so far or as a whole. */
int
api_get_jobs_job_attempts_attempt_usage(struct req *rq, struct err *e)
{
	int64_t points = JOB_SAMPLES_MAX, number = attempt_number(rq);
	const struct query_param params[] = {
		QUERY_PARAM("points", LIMIT, POINTS_MIN, JOB_SAMPLES_MAX, &points),
		QUERY_PARAMS_END,
	};
	struct json_out *o = reply_begin(rq);
	struct job_sample *v = NULL;
	char id[ID_STR_SIZE];
	struct job job;
	size_t n = 0;

	if (req_query(rq, params, e) < 0 || req_job(rq, &job, e) < 0)
		return -1;
	if (number > job.epoch)
		return no_attempt(e);
	if (read_samples(rq, &job, number, &v, &n, e) < 0)
		return -1;
	n = job_samples_thin(v, n, (size_t)points);
	json_out_begin(o);
	json_put_text(o, "job_id", id_format("job", job.id, id));
	json_put_i64(o, "attempt", number);
	json_put_bool(o, "over", !goes_on(&job, number));
	json_out_key(o, "data");
	json_out_begin_array(o);
	for (size_t i = 0; i < n; i++)
		job_sample_print(&v[i], o);
	json_out_end_array(o);
	json_out_end(o);
	return reply_json_tagged(rq, e);
}
