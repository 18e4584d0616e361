/* SPDX-License-Identifier: Apache-2.0 */
#include "api_identity_internal.h"

#include "identity_self.h"

/* POST /v1/auth/revoke: gives back the token that the request carries. */
int
api_post_auth_revoke(struct req *rq, struct err *e)
{
	const struct identity_ask ask = req_ask(rq);
	char id[ID_STR_SIZE];

	if (rq->who.kind == PRINCIPAL_KEY)
		return err_set(e, ERR_CONFLICT,
		    "This is an API key, not a token; revoke it with DELETE /v1/keys/%s.",
		    id_format("key", rq->who.key, id));
	if (uuid_is_nil(rq->who.token))
		return err_set(e, ERR_CONFLICT,
		    "The token is of your own issuer; revoke it there, or disable the issuer "
		    "here.");
	if (identity_self_revoke(&ask, e) < 0)
		return -1;
	return req_reply_removed(rq, e);
}
