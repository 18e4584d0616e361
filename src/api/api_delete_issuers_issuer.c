/* SPDX-License-Identifier: Apache-2.0 */
#include "api_identity_internal.h"

#include "identity_issuer.h"

/* DELETE /v1/issuers/{issuer}: its tokens are refused from now on. */
int
api_delete_issuers_issuer(struct req *rq, struct err *e)
{
	const struct identity_ask ask = req_ask(rq);
	int64_t version;

	if (req_if_match(rq, &version, e) < 0 ||
	    identity_issuer_delete(&ask, req_id(rq, "issuer"), version, e) < 0)
		return -1;
	return req_reply_removed(rq, e);
}
