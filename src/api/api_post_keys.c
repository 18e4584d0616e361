/* SPDX-License-Identifier: Apache-2.0 */
#include "api_identity_internal.h"

#include "clock.h"

#include <string.h>

#define EXPIRES_MAX_S (INT64_C(100) * 365 * 24 * 3600)

/* Said as a time, as a number of seconds, as null for never, or not at all. */
static void
read_expiry(
    const struct req *rq, const char *at, int64_t in_s, struct identity_time *ret, struct err *e)
{
	if (at != NULL && in_s != 0)
		err_field_add(e, "/expires_in_s", "cannot be combined with expires_at");
	req_body_time(at, "/expires_at", &ret->wall_us, e);
	if (in_s != 0)
		ret->wall_us = clock_wall_us() + in_s * 1000000;
	ret->set = ret->wall_us != 0 || req_cleared(rq, "expires_at", at != NULL);
}

static int
read_wish(struct req *rq, struct roles_wish *roles, struct identity_key_new *n, struct err *e)
{
	const char *user = NULL, *at = NULL;
	int64_t in_s = 0;
	const struct json_field fields[] = {
		JSON_TEXT("name", &n->name, 1, WISH_NAME_BYTES, JSON_REQUIRED),
		JSON_TEXT("user", &user, 1, ID_STR_SIZE, JSON_NULLABLE),
		WISH_LIST("scopes", req_permission_each, &n->scopes.set, &n->scopes.limited,
		    PERM_COUNT, JSON_NULLABLE),
		WISH_LIST("cidrs", req_cidr_each, &n->cidrs.list, &n->cidrs.limited, NET_CIDRS_MAX,
		    JSON_NULLABLE),
		JSON_TEXT("expires_at", &at, 1, CLOCK_STR_SIZE, JSON_NULLABLE),
		JSON_I64("expires_in_s", &in_s, 1, EXPIRES_MAX_S, 0),
		WISH_ROLES(roles),
		JSON_FIELDS_END,
	};

	if (req_body_decode(rq, fields, e) < 0)
		return -1;
	req_body_id(user, "usr", "/user", &n->user, e);
	read_expiry(rq, at, in_s, &n->expires, e);
	n->roles = req_roles(roles);
	return err_fields_done(e, ERR_INVALID);
}

/* POST /v1/keys: a key of the caller's or another user, shown this once. */
int
api_post_keys(struct req *rq, struct err *e)
{
	struct roles_wish roles = { .n = 0 };
	struct identity_key_new n = { 0 };
	char text[AUTH_KEY_SIZE];
	struct identity_once once;
	struct identity_ask ask;
	struct identity_key k;

	if (read_wish(rq, &roles, &n, e) < 0 || req_ask_once(rq, &once, &ask, e) < 0 ||
	    identity_key_create(&ask, &n, &k, text, e) < 0)
		return -1;
	identity_key_print(&k, text, reply_begin(rq));
	auth_wipe(text, sizeof(text));
	const struct reply_made made = {
		.collection = "/v1/keys", .prefix = "key", .id = k.id, .version = k.version
	};
	return reply_created(rq, &made, e);
}
