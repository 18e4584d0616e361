/* SPDX-License-Identifier: Apache-2.0 */
#include "api_internal.h"
#include "api_query_internal.h"

#include "caps.h"
#include "http.h"
#include "result.h"

enum { POINTS_DEFAULT = 1000, POINTS_MAX = CAP_METRIC_POINTS, NAME_MAX_BYTES = 128 };

/* One series, in the order of its points. */
static int
print_points(struct req *rq, const char *name, int64_t limit, struct json_out *o, struct err *e)
{
	struct result_point *points;
	size_t n, shown;

	/* One more than asked for tells whether there is more. */
	if (result_points(rq->api->o.db, rq->who.tenant, req_id(rq, "job"), name, limit + 1,
		rq->mem, &points, &n, e) < 0)
		return -1;
	shown = n > (size_t)limit ? (size_t)limit : n;
	json_put_text(o, "name", name);
	json_out_key(o, "data");
	json_out_begin_array(o);
	for (size_t i = 0; i < shown; i++) {
		json_out_begin(o);
		req_number_print(o, "step", points[i].step);
		req_number_print(o, "value", points[i].value);
		json_out_end(o);
	}
	json_out_end_array(o);
	json_put_bool(o, "has_more", n > shown);
	return 0;
}

/* GET /v1/jobs/{job}/metrics: the names of its series, or with ?name= the points of one. */
int
api_get_jobs_job_metrics(struct req *rq, struct err *e)
{
	const char *name = NULL;
	int64_t limit = POINTS_DEFAULT;
	const struct query_param params[] = {
		QUERY_PARAM("name", TEXT, 1, NAME_MAX_BYTES, &name),
		QUERY_PARAM("limit", LIMIT, 1, POINTS_MAX, &limit),
		QUERY_PARAMS_END,
	};
	struct json_out *o = reply_begin(rq);
	struct job job;
	char id[ID_STR_SIZE];
	int rc;

	if (query_decode(http_req_query(rq->http), params, rq->mem, e) < 0 ||
	    req_job(rq, &job, e) < 0)
		return -1;
	json_out_begin(o);
	json_put_text(o, "job_id", id_format("job", job.id, id));
	rc =
	    name == NULL ? req_series_print(rq, job.id, o, e) : print_points(rq, name, limit, o, e);
	if (rc < 0)
		return -1;
	json_out_end(o);
	return reply_json_tagged(rq, e);
}
