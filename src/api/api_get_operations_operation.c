/* SPDX-License-Identifier: Apache-2.0 */
#include "api_platform_internal.h"

static int
reply(struct req *rq, struct err *e)
{
	struct platform_operation op;

	if (platform_operation_get(rq->api->o.db, req_id(rq, "operation"), rq->mem, &op, e) < 0)
		return -1;
	platform_operation_print(&op, reply_begin(rq));
	return reply_json(rq, 200, e);
}

/* GET /v1/operations/{operation} */
int
api_get_operations_operation(struct req *rq, struct err *e)
{
	return reply(rq, e);
}

/* POST /v1/operations/{operation}/waive-node: do not wait for a node that is gone for good. */
int
api_post_operations_operation_waive_node(struct req *rq, struct err *e)
{
	const struct platform_ask ask = req_platform_ask(rq);
	const char *text = NULL;
	const struct json_field fields[] = {
		JSON_TEXT("node", &text, 1, UUID_STR_SIZE, JSON_REQUIRED),
		JSON_FIELDS_END,
	};
	struct err why = { 0 };
	struct uuid node;

	if (req_body_decode(rq, fields, e) < 0)
		return -1;
	if (uuid_parse(text, &node, &why) < 0) {
		err_field_add(e, "/node", "must be the id of a node as the operation shows it");
		return err_fields_done(e, ERR_INVALID);
	}
	if (platform_operation_waive(&ask, req_id(rq, "operation"), node, e) < 0)
		return -1;
	return reply(rq, e);
}
