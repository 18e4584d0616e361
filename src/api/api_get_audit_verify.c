/* SPDX-License-Identifier: Apache-2.0 */
#include "api_internal.h"
#include "api_query_internal.h"

#include "audit_log.h"

/* GET /v1/audit/verify: whether the log is whole, and what is wrong with it where. */
int
api_get_audit_verify(struct req *rq, struct err *e)
{
	int64_t from = 1;
	const struct query_param params[] = {
		QUERY_PARAM("from", I64, 1, CHAIN_NUMBER_MAX, &from),
		QUERY_PARAMS_END,
	};
	struct audit_verdict verdict;
	struct err why = { 0 };
	const char *filter;

	if (req_query(rq, params, e) < 0)
		return -1;
	filter = arena_printf(rq->mem, "{\"from\":%lld}", (long long)from);
	if (filter == NULL)
		return arena_err(e);
	/* A log whose head was taken away cannot be written, which is to be found out here. */
	if (audit_record_read(rq->api->o.audit, rq->who.tenant, &rq->caller, "verify", filter,
		rq->mem, &why) < 0 &&
	    why.code != ERR_CONFLICT) {
		*e = why;
		return -1;
	}
	if (audit_verify(rq->api->o.audit, rq->who.tenant, from, rq->mem, &verdict, e) < 0)
		return -1;
	audit_verdict_print(&verdict, reply_begin(rq));
	return reply_json(rq, 200, e);
}
