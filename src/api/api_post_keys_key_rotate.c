/* SPDX-License-Identifier: Apache-2.0 */
#include "api_identity_internal.h"

/* POST /v1/keys/{key}/rotate: another text, shown this once; the former one holds for a while. */
int
api_post_keys_key_rotate(struct req *rq, struct err *e)
{
	int64_t overlap_s = 0;
	const struct json_field fields[] = {
		JSON_I64("overlap_s", &overlap_s, 0, IDENTITY_OVERLAP_MAX_S, 0),
		JSON_FIELDS_END,
	};
	char text[AUTH_KEY_SIZE];
	struct identity_once once;
	struct identity_ask ask;
	struct identity_key k;

	if (req_body_decode(rq, fields, e) < 0 || req_ask_once(rq, &once, &ask, e) < 0 ||
	    identity_key_rotate(&ask, req_id(rq, "key"), overlap_s, &k, text, e) < 0)
		return -1;
	req_rights_changed(rq);
	identity_key_print(&k, text, reply_begin(rq));
	auth_wipe(text, sizeof(text));
	return reply_json_versioned(rq, k.version, e);
}
