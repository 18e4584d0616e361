/* SPDX-License-Identifier: Apache-2.0 */
#include "api_platform_internal.h"

#include "api_query_internal.h"

/* DELETE /v1/tenants/{tenant}?confirm=<name>: begins the deletion of all that it owns. */
int
api_delete_tenants_tenant(struct req *rq, struct err *e)
{
	const struct platform_ask ask = req_platform_ask(rq);
	const char *confirm = NULL;
	const struct query_param params[] = {
		QUERY_PARAM("confirm", TEXT, 1, IDENTITY_NAME_MAX, &confirm),
		QUERY_PARAMS_END,
	};
	struct platform_operation op;
	char id[ID_STR_SIZE], *location;

	if (req_query(rq, params, e) < 0 ||
	    platform_tenant_delete(&ask, req_tenant(rq), confirm, &op, e) < 0)
		return -1;
	tenants_forget(rq->api->o.tenants, req_tenant(rq));
	location = arena_printf(rq->mem, "/v1/operations/%s", id_format("opr", op.id, id));
	if (location == NULL)
		return arena_err(e);
	platform_operation_print(&op, reply_begin(rq));
	if (reply_header(rq, "Location", location, e) < 0)
		return -1;
	return reply_json(rq, 202, e);
}
