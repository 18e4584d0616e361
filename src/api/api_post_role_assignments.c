/* SPDX-License-Identifier: Apache-2.0 */
#include "api_identity_internal.h"

#include "identity_role.h"

static int
read_wish(struct req *rq, struct identity_assignment_new *n, struct err *e)
{
	const char *user = NULL, *key = NULL, *project = NULL;
	const struct json_field fields[] = {
		JSON_TEXT("user", &user, 1, ID_STR_SIZE, JSON_NULLABLE),
		JSON_TEXT("key", &key, 1, ID_STR_SIZE, JSON_NULLABLE),
		JSON_TEXT("role", &n->role.role, 1, IDENTITY_NAME_MAX, JSON_REQUIRED),
		JSON_TEXT("project", &project, 1, ID_STR_SIZE, JSON_NULLABLE),
		JSON_FIELDS_END,
	};

	if (req_body_decode(rq, fields, e) < 0)
		return -1;
	req_body_id(user, "usr", "/user", &n->user, e);
	req_body_id(key, "key", "/key", &n->key, e);
	req_body_id(project, "prj", "/project", &n->role.project, e);
	if (user == NULL && key == NULL)
		err_field_add(e, "/user", "is required, or key in its place");
	else if (user != NULL && key != NULL)
		err_field_add(e, "/key", "cannot be combined with user; give one of them");
	return err_fields_done(e, ERR_INVALID);
}

/* POST /v1/role-assignments: a role for a user or a key; 200 when it has it already. */
int
api_post_role_assignments(struct req *rq, struct err *e)
{
	struct identity_assignment_new n = { 0 };
	struct identity_assignment x;
	struct identity_once once;
	struct identity_ask ask;
	bool made;

	if (read_wish(rq, &n, e) < 0 || req_ask_once(rq, &once, &ask, e) < 0 ||
	    identity_assignment_create(&ask, &n, &x, &made, e) < 0)
		return -1;
	req_rights_changed(rq);
	identity_assignment_print(&x, reply_begin(rq));
	if (!made)
		return reply_json(rq, 200, e);
	const struct reply_made reply = { .collection = "/v1/role-assignments",
		.prefix = "asg",
		.id = x.id,
		.replayed = once.replayed };
	return reply_created(rq, &reply, e);
}
