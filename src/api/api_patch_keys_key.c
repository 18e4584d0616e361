/* SPDX-License-Identifier: Apache-2.0 */
#include "api_identity_internal.h"

#include "clock.h"

static int
read_change(struct req *rq, struct identity_key_change *c, struct err *e)
{
	struct identity_scopes *scopes = &c->scopes.v;
	struct identity_cidrs *cidrs = &c->cidrs.v;
	const char *at = NULL;
	const struct json_field fields[] = {
		PATCH_TEXT("name", &c->name, WISH_NAME_BYTES, 0),
		WISH_LIST("scopes", req_permission_each, &scopes->set, &scopes->limited, PERM_COUNT,
		    JSON_NULLABLE),
		WISH_LIST("cidrs", req_cidr_each, &cidrs->list, &cidrs->limited, NET_CIDRS_MAX,
		    JSON_NULLABLE),
		JSON_TEXT("expires_at", &at, 1, CLOCK_STR_SIZE, JSON_NULLABLE),
		JSON_FIELDS_END,
	};

	if (req_body_decode(rq, fields, e) < 0)
		return -1;
	c->scopes.set = req_body_has(rq, "scopes");
	c->cidrs.set = req_body_has(rq, "cidrs");
	c->expires.set = req_body_has(rq, "expires_at");
	req_body_time(at, "/expires_at", &c->expires.wall_us, e);
	return err_fields_done(e, ERR_INVALID);
}

/* PATCH /v1/keys/{key}: name, scopes, cidrs, expires_at. */
int
api_patch_keys_key(struct req *rq, struct err *e)
{
	const struct identity_ask ask = req_ask(rq);
	struct identity_key_change c = { 0 };
	struct identity_key k;
	int64_t version;

	if (read_change(rq, &c, e) < 0 || req_if_match(rq, &version, e) < 0 ||
	    identity_key_update(&ask, req_id(rq, "key"), &c, version, &k, e) < 0)
		return -1;
	req_rights_changed(rq);
	identity_key_print(&k, NULL, reply_begin(rq));
	return reply_json_versioned(rq, k.version, e);
}
