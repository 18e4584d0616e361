/* SPDX-License-Identifier: Apache-2.0 */
#include "api_internal.h"
#include "api_query_internal.h"

#include "audit_log.h"

/* GET /v1/audit/checkpoints: the lines that this node has signed, to be kept elsewhere. */
int
api_get_audit_checkpoints(struct req *rq, struct err *e)
{
	int64_t after = 0;
	const struct query_param params[] = {
		QUERY_PARAM("after", I64, 0, CHAIN_NUMBER_MAX, &after),
		QUERY_PARAMS_END,
	};
	struct audit_part part;

	if (req_query(rq, params, e) < 0 ||
	    audit_checkpoints(rq->api->o.audit, rq->who.tenant, after, &part, e) < 0)
		return -1;
	rq->reply = (struct reply){ .kind = part.fd < 0 || part.n == 0 ? REPLY_BYTES : REPLY_FILE,
		.status = 200,
		.fd = part.fd,
		.offset = part.offset,
		.n = part.n };
	return reply_header(rq, "Content-Type", "application/x-ndjson", e);
}
