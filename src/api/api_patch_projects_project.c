/* SPDX-License-Identifier: Apache-2.0 */
#include "api_identity_internal.h"

/* PATCH /v1/projects/{project}: name, title, archived. */
int
api_patch_projects_project(struct req *rq, struct err *e)
{
	const struct identity_ask ask = req_ask(rq);
	struct identity_project_change c = { 0 };
	const struct json_field fields[] = {
		PATCH_TEXT("name", &c.name, WISH_NAME_BYTES, 0),
		PATCH_TEXT("title", &c.title, WISH_TITLE_BYTES, JSON_NULLABLE),
		PATCH_FLAG("archived", &c.archived),
		JSON_FIELDS_END,
	};
	struct identity_project p;
	int64_t version;

	if (req_body_decode(rq, fields, e) < 0 || req_if_match(rq, &version, e) < 0)
		return -1;
	req_text_cleared(rq, "title", &c.title);
	if (identity_project_update(&ask, req_id(rq, "project"), &c, version, &p, e) < 0)
		return -1;
	identity_project_print(&p, reply_begin(rq));
	return reply_json_versioned(rq, p.version, e);
}
