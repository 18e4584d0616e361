/* SPDX-License-Identifier: Apache-2.0 */
#include "api_internal.h"

#include "environment.h"

/* GET /v1/environments: the simulators that jobs can run in. */
int
api_get_environments(struct req *rq, struct err *e)
{
	const struct environments *set = rq->api->o.environments;
	struct json_out *o = reply_begin(rq);

	json_out_begin(o);
	json_out_key(o, "data");
	json_out_begin_array(o);
	for (size_t i = 0; i < environments_count(set); i++)
		environment_print(environments_at(set, i), o);
	json_out_end_array(o);
	json_out_end(o);
	return reply_json_tagged(rq, e);
}

/* GET /v1/environments/{environment}: one of them. */
int
api_get_environments_environment(struct req *rq, struct err *e)
{
	const struct environments *set = rq->api->o.environments;
	const char *name = req_text(rq, "environment"), *near;
	const struct environment *env = environments_find(set, name);

	if (env == NULL) {
		near = environments_nearest(set, name);
		if (near[0] == '\0')
			return err_set(e, ERR_NOT_FOUND,
			    "No environment has this name; GET /v1/environments lists them.");
		return err_set(
		    e, ERR_NOT_FOUND, "No environment has this name; did you mean %s?", near);
	}
	environment_print(env, reply_begin(rq));
	return reply_json_tagged(rq, e);
}
