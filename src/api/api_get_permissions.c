/* SPDX-License-Identifier: Apache-2.0 */
#include "api_internal.h"

static const char *const level_names[] = {
	[PERM_LEVEL_PROJECT] = "project",
	[PERM_LEVEL_TENANT] = "tenant",
	[PERM_LEVEL_PLATFORM] = "platform",
};

/* GET /v1/permissions: all there are. */
int
api_get_permissions(struct req *rq, struct err *e)
{
	struct json_out *o = reply_begin(rq);

	json_out_begin(o);
	json_out_key(o, "data");
	json_out_begin_array(o);
	for (int i = 0; i < PERM_COUNT; i++) {
		enum permission p = (enum permission)i;

		json_out_begin(o);
		json_put_text(o, "name", permission_name(p));
		json_put_text(o, "level", level_names[permission_level(p)]);
		json_put_text(o, "description", permission_sentence(p));
		json_out_end(o);
	}
	json_out_end_array(o);
	json_out_end(o);
	return reply_json_tagged(rq, e);
}
