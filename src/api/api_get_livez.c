/* SPDX-License-Identifier: Apache-2.0 */
#include "api_internal.h"

/* GET /livez: the HTTP loop turns.  Answered on it, and asks nothing else. */
int
api_get_livez(struct req *rq, struct err *e)
{
	struct json_out *o = reply_begin(rq);

	json_out_begin(o);
	json_put_text(o, "status", "ok");
	json_out_end(o);
	return reply_json(rq, 200, e);
}
