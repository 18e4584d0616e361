/* SPDX-License-Identifier: Apache-2.0 */
#include "api_identity_internal.h"

/* POST /v1/projects: a part of the tenant with members and limits of its own. */
int
api_post_projects(struct req *rq, struct err *e)
{
	const char *name = NULL, *title = NULL;
	const struct json_field fields[] = {
		JSON_TEXT("name", &name, 1, WISH_NAME_BYTES, JSON_REQUIRED),
		JSON_TEXT("title", &title, 1, WISH_TITLE_BYTES, JSON_NULLABLE),
		JSON_FIELDS_END,
	};
	struct identity_project p;
	struct identity_once once;
	struct identity_ask ask;

	if (req_body_decode(rq, fields, e) < 0 || req_ask_once(rq, &once, &ask, e) < 0 ||
	    identity_project_create(&ask, name, title, &p, e) < 0)
		return -1;
	identity_project_print(&p, reply_begin(rq));
	const struct reply_made made = { .collection = "/v1/projects",
		.prefix = "prj",
		.id = p.id,
		.version = p.version,
		.replayed = once.replayed };
	return reply_created(rq, &made, e);
}
