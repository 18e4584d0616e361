/* SPDX-License-Identifier: Apache-2.0 */
#include "api_identity_internal.h"

#include "identity_role.h"

/* A role whose permissions the new one begins with. */
static int
add_base(struct req *rq, const char *base, struct identity_role_new *n, struct err *e)
{
	struct identity_role role;

	if (base == NULL)
		return 0;
	if (identity_role_get(rq->api->o.db, rq->who.tenant, base, rq->mem, &role, e) == 0) {
		n->permissions |= role.permissions;
		return 0;
	}
	if (e->code != ERR_NOT_FOUND)
		return -1;
	err_field_add(e, "/base", "is not a role of this tenant; GET /v1/roles lists them");
	return err_fields_done(e, ERR_INVALID);
}

static int
read_wish(struct req *rq, struct identity_role_new *n, struct err *e)
{
	const char *base = NULL;
	const struct json_field fields[] = {
		JSON_TEXT("name", &n->name, 1, WISH_NAME_BYTES, JSON_REQUIRED),
		JSON_TEXT("title", &n->title, 1, WISH_TITLE_BYTES, JSON_NULLABLE),
		JSON_EACH(
		    "permissions", req_permission_each, &n->permissions, PERM_COUNT, JSON_REQUIRED),
		JSON_TEXT("base", &base, 1, IDENTITY_NAME_MAX, JSON_NULLABLE),
		JSON_FIELDS_END,
	};

	if (req_body_decode(rq, fields, e) < 0)
		return -1;
	return add_base(rq, base, n, e);
}

/* POST /v1/roles: a role of the tenant's own. */
int
api_post_roles(struct req *rq, struct err *e)
{
	struct identity_role_new n = { 0 };
	struct identity_once once;
	struct identity_ask ask;
	struct identity_role r;

	if (read_wish(rq, &n, e) < 0 || req_ask_once(rq, &once, &ask, e) < 0 ||
	    identity_role_create(&ask, &n, &r, e) < 0)
		return -1;
	identity_role_print(&r, reply_begin(rq));
	const struct reply_made made = { .collection = "/v1/roles",
		.prefix = "rol",
		.id = r.id,
		.version = r.version,
		.replayed = once.replayed };
	return reply_created(rq, &made, e);
}
