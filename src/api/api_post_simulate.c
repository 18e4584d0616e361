/* SPDX-License-Identifier: Apache-2.0 */
#include "api_internal.h"

/* POST /simulate: the short form of POST /v1/jobs, for scripts that want only the id. */
int
api_post_simulate(struct req *rq, struct err *e)
{
	struct json_out *o;
	struct submitted s;
	char id[ID_STR_SIZE];

	if (req_submit(rq, &s, e) < 0)
		return -1;
	o = reply_begin(rq);
	json_out_begin(o);
	json_put_text(o, "job_id", id_format("job", s.id, id));
	json_out_end(o);
	return reply_json(rq, 202, e);
}
