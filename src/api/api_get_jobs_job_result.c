/* SPDX-License-Identifier: Apache-2.0 */
#include "api_internal.h"

#include "result.h"

static void
print_value(const struct result_value *v, struct json_out *o)
{
	json_out_key(o, v->name);
	json_out_begin(o);
	if (v->missing)
		json_put_bool(o, "missing", true);
	else
		req_number_print(o, "value", v->value);
	if (v->unit != NULL)
		json_put_text(o, "unit", v->unit);
	if (v->missing)
		json_put_text(o, "reason", v->reason);
	json_out_end(o);
}

/* GET /v1/jobs/{job}/result: the numbers that it found. */
int
api_get_jobs_job_result(struct req *rq, struct err *e)
{
	struct json_out *o;
	struct result_value *values;
	struct job job;
	char id[ID_STR_SIZE];
	size_t n;

	if (req_job(rq, &job, e) < 0)
		return -1;
	if (!job_state_terminal(job.state))
		return err_set(e, ERR_NO_RESULT,
		    "The job is %s; its result is there once it is over (GET "
		    "/v1/jobs/{job}?wait=60s).",
		    job_state_name(job.state));
	if (result_values(rq->api->o.db, rq->who.tenant, job.id, rq->mem, &values, &n, e) < 0)
		return -1;
	o = reply_begin(rq);
	json_out_begin(o);
	json_put_text(o, "job_id", id_format("job", job.id, id));
	json_put_text(o, "state", job_state_name(job.state));
	json_out_key(o, "values");
	json_out_begin(o);
	for (size_t i = 0; i < n; i++)
		print_value(&values[i], o);
	json_out_end(o);
	if (req_series_print(rq, job.id, o, e) < 0)
		return -1;
	json_out_end(o);
	return reply_json_tagged(rq, e);
}
