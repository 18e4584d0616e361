/* SPDX-License-Identifier: Apache-2.0 */
#include "api_identity_internal.h"

#include "identity_role.h"

/* PATCH /v1/roles/{role}: name, title, permissions of one of the tenant's own. */
int
api_patch_roles_role(struct req *rq, struct err *e)
{
	const struct identity_ask ask = req_ask(rq);
	struct identity_role_change c = { 0 };
	const struct json_field fields[] = {
		PATCH_TEXT("name", &c.name, WISH_NAME_BYTES, 0),
		PATCH_TEXT("title", &c.title, WISH_TITLE_BYTES, JSON_NULLABLE),
		{ .name = "permissions",
		    .kind = JSON_KIND_EACH,
		    .each = req_permission_each,
		    .ctx = &c.permissions.v,
		    .present = &c.permissions.set,
		    .max = PERM_COUNT },
		JSON_FIELDS_END,
	};
	struct identity_role r;
	int64_t version;

	if (req_body_decode(rq, fields, e) < 0 || req_if_match(rq, &version, e) < 0)
		return -1;
	req_text_cleared(rq, "title", &c.title);
	if (identity_role_update(&ask, req_text(rq, "role"), &c, version, &r, e) < 0)
		return -1;
	req_rights_changed(rq);
	identity_role_print(&r, reply_begin(rq));
	return reply_json_versioned(rq, r.version, e);
}
