/* SPDX-License-Identifier: Apache-2.0 */
#include "api_internal.h"

static void
print_move(const struct job_move_record *m, struct json_out *o)
{
	json_out_begin(o);
	json_put_i64(o, "number", m->number);
	json_put_time(o, "at", m->at_wall_us);
	json_put_text(o, "event", m->event);
	json_put_text(o, "from", m->from);
	json_put_text(o, "to", m->to);
	if (m->detail != NULL)
		json_put_raw(o, "detail", m->detail);
	json_out_end(o);
}

/* GET /v1/jobs/{job}/events: every move of its state, in order. */
int
api_get_jobs_job_events(struct req *rq, struct err *e)
{
	struct json_out *o = reply_begin(rq);
	struct job_move_record *moves;
	size_t n;

	if (job_history(rq->api->o.db, rq->who.tenant, &rq->scope, req_id(rq, "job"), rq->mem,
		&moves, &n, e) < 0)
		return req_job_error(e);
	json_out_begin(o);
	json_out_key(o, "data");
	json_out_begin_array(o);
	for (size_t i = 0; i < n; i++)
		print_move(&moves[i], o);
	json_out_end_array(o);
	json_out_end(o);
	return reply_json_tagged(rq, e);
}
