/* SPDX-License-Identifier: Apache-2.0 */
#include "api_internal.h"

#include "audit_log.h"

/* GET /v1/audit/keys: what the signatures of checkpoints are checked with. */
int
api_get_audit_keys(struct req *rq, struct err *e)
{
	audit_keys_print(rq->api->o.audit, reply_begin(rq));
	return reply_json(rq, 200, e);
}
