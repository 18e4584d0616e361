/* SPDX-License-Identifier: Apache-2.0 */
#include "api_identity_internal.h"

static int
read_wish(struct req *rq, struct roles_wish *roles, struct identity_user_new *n, struct err *e)
{
	const char *kind = NULL, *issuer = NULL;
	const struct json_field fields[] = {
		JSON_TEXT("name", &n->name, 1, WISH_NAME_BYTES, JSON_REQUIRED),
		JSON_TEXT("kind", &kind, 1, IDENTITY_NAME_MAX, 0),
		JSON_TEXT("email", &n->email, 1, WISH_EMAIL_BYTES, JSON_NULLABLE),
		JSON_TEXT("issuer", &issuer, 1, ID_STR_SIZE, JSON_NULLABLE),
		JSON_TEXT("subject", &n->subject, 1, WISH_SUBJECT_BYTES, JSON_NULLABLE),
		WISH_ROLES(roles),
		JSON_FIELDS_END,
	};

	if (req_body_decode(rq, fields, e) < 0)
		return -1;
	req_body_kind(kind, &n->person, e);
	req_body_id(issuer, "iss", "/issuer", &n->issuer, e);
	n->roles = req_roles(roles);
	return err_fields_done(e, ERR_INVALID);
}

/* POST /v1/users */
int
api_post_users(struct req *rq, struct err *e)
{
	struct roles_wish roles = { .n = 0 };
	struct identity_user_new n = { 0 };
	struct identity_once once;
	struct identity_ask ask;
	struct identity_user u;

	if (read_wish(rq, &roles, &n, e) < 0 || req_ask_once(rq, &once, &ask, e) < 0 ||
	    identity_user_create(&ask, &n, &u, e) < 0)
		return -1;
	req_rights_changed(rq);
	identity_user_print(&u, reply_begin(rq));
	const struct reply_made made = { .collection = "/v1/users",
		.prefix = "usr",
		.id = u.id,
		.version = u.version,
		.replayed = once.replayed };
	return reply_created(rq, &made, e);
}
