/* SPDX-License-Identifier: Apache-2.0 */
#include "api_identity_internal.h"

#include "identity_issuer.h"

/* GET /v1/issuers/{issuer} */
int
api_get_issuers_issuer(struct req *rq, struct err *e)
{
	struct identity_issuer i;

	if (identity_issuer_get(
		rq->api->o.db, rq->who.tenant, req_id(rq, "issuer"), rq->mem, &i, e) < 0)
		return -1;
	identity_issuer_print(&i, reply_begin(rq));
	return reply_json_versioned(rq, i.version, e);
}
