/* SPDX-License-Identifier: Apache-2.0 */
#include "api_identity_internal.h"

static int
read_change(struct req *rq, struct identity_user_change *c, struct err *e)
{
	const char *issuer = NULL;
	const struct json_field fields[] = {
		PATCH_TEXT("name", &c->name, WISH_NAME_BYTES, 0),
		PATCH_TEXT("email", &c->email, WISH_EMAIL_BYTES, JSON_NULLABLE),
		JSON_TEXT("issuer", &issuer, 1, ID_STR_SIZE, JSON_NULLABLE),
		PATCH_TEXT("subject", &c->subject, WISH_SUBJECT_BYTES, JSON_NULLABLE),
		PATCH_FLAG("disabled", &c->disabled),
		JSON_FIELDS_END,
	};

	if (req_body_decode(rq, fields, e) < 0)
		return -1;
	req_text_cleared(rq, "email", &c->email);
	req_text_cleared(rq, "subject", &c->subject);
	c->issuer.set = req_body_has(rq, "issuer");
	req_body_id(issuer, "iss", "/issuer", &c->issuer.id, e);
	return err_fields_done(e, ERR_INVALID);
}

/* PATCH /v1/users/{user}: name, email, the link to an issuer's subject, disabled. */
int
api_patch_users_user(struct req *rq, struct err *e)
{
	const struct identity_ask ask = req_ask(rq);
	struct identity_user_change c = { 0 };
	struct identity_user u;
	int64_t version;

	if (read_change(rq, &c, e) < 0 || req_if_match(rq, &version, e) < 0 ||
	    identity_user_update(&ask, req_id(rq, "user"), &c, version, &u, e) < 0)
		return -1;
	req_rights_changed(rq);
	identity_user_print(&u, reply_begin(rq));
	return reply_json_versioned(rq, u.version, e);
}
