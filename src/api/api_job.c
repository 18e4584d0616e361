/* SPDX-License-Identifier: Apache-2.0 */
/* What the endpoints below /v1/jobs share. */

#include "api_follow_internal.h"
#include "api_internal.h"

#include "caps.h"
#include "fd.h"
#include "http.h"
#include "metrics.h"
#include "object.h"
#include "quota.h"
#include "result.h"

#include <math.h>

/* Foreign, removed and invented ids get one sentence, so that nothing can be told from it. */
int
req_job_error(struct err *e)
{
	if (e->code != ERR_NOT_FOUND)
		return -1;
	return err_set(e, ERR_NOT_FOUND, "No job of yours has this id; GET /v1/jobs lists them.");
}

int
req_job(struct req *rq, struct job *ret, struct err *e)
{
	enum permission perm = route_permission(rq->route);
	struct scope readable;
	struct job job;

	principal_scope(&rq->who, PERM_JOB_READ, &readable);
	if (job_get(rq->api->o.db, rq->who.tenant, &readable, req_id(rq, "job"), rq->mem, &job, e) <
	    0)
		return req_job_error(e);
	if (perm != PERM_JOB_READ && req_may_in(rq, perm, job.project, e) < 0)
		return -1;
	*ret = job;
	return 0;
}

static int
submit(struct req *rq, const struct json *manifest, struct job_submission *s, struct submitted *ret,
    struct err *e)
{
	const struct api_options *o = &rq->api->o;

	if (job_spec_decode(manifest, o->environments, o->limits, rq->mem, &s->spec, e) < 0)
		return -1;
	return job_submit(o->db, &rq->caller, s, rq->mem, &ret->id, &ret->replayed, e);
}

static int
reply_submitted(struct req *rq, const struct submitted *s, struct err *e)
{
	char id[ID_STR_SIZE];
	char *location = arena_printf(rq->mem, "/v1/jobs/%s", id_format("job", s->id, id));

	if (location == NULL)
		return arena_err(e);
	if (s->replayed && reply_header(rq, "Idempotency-Replayed", "true", e) < 0)
		return -1;
	return reply_header(rq, "Location", location, e);
}

int
req_submit(struct req *rq, struct submitted *ret, struct err *e)
{
	AUTO(json) manifest = NULL;
	struct job_submission s = { .quota = *rq->api->o.job_quota };

	s.manifest = http_req_body(rq->http, &s.manifest_n);
	if (req_idempotency(rq, &s.idempotency_key, s.fingerprint, e) < 0 ||
	    json_parse(s.manifest, s.manifest_n, &manifest, e) < 0 ||
	    submit(rq, manifest, &s, ret, e) < 0)
		return -1;
	if (!ret->replayed) {
		metrics_add(rq->api->o.metrics, METRIC_JOBS_SUBMITTED, 1);
		rq->api->o.wake(rq->api->o.ctx);
	}
	return reply_submitted(rq, ret, e);
}

int
req_follow(struct req *rq, struct follow_target *t, struct err *e)
{
	struct quota_amounts q;

	if (quota_amounts(rq->api->o.db, rq->who.tenant, rq->api->o.quotas, rq->mem, &q, e) < 0)
		return -1;
	t->tenant = rq->who.tenant;
	t->authorization = http_req_header(rq->http, "Authorization");
	t->source = rq->peer;
	t->at_most = q.amount[QUOTA_STREAMS];
	return follow_reserve(rq->api->follow, t, &rq->reply.follower, e);
}

int
req_open_out(struct req *rq, const struct job *job, const char *name, int *ret_fd, struct err *e)
{
	AUTO_FD int run = -1;
	struct err why = { 0 };
	int rc;

	if (job->epoch == 0)
		return 0;
	rc =
	    object_open_run(rq->api->o.runs_dirfd, rq->who.tenant, job->id, job->epoch, &run, &why);
	if (rc == 0 && name != NULL)
		rc = object_open_dir(run, name, ret_fd, &why);
	else if (rc == 0)
		*ret_fd = fd_take(&run);
	if (rc == 0)
		return 1;
	if (why.code == ERR_NOT_FOUND)
		return 0;
	*e = why;
	return -1;
}

void
req_number_print(struct json_out *o, const char *name, double v)
{
	if (isfinite(v))
		json_put_f64(o, name, v);
	else if (isnan(v))
		json_put_text(o, name, "NaN");
	else
		json_put_text(o, name, v > 0 ? "Infinity" : "-Infinity");
}

int
req_series_print(struct req *rq, struct uuid job, struct json_out *o, struct err *e)
{
	struct result_point *series;
	size_t n;

	if (result_points(rq->api->o.db, rq->who.tenant, job, NULL, CAP_RESULT_VALUES, rq->mem,
		&series, &n, e) < 0)
		return -1;
	json_out_key(o, "series");
	json_out_begin(o);
	for (size_t i = 0; i < n; i++)
		json_put_i64(o, series[i].name, (int64_t)series[i].value);
	json_out_end(o);
	return 0;
}
