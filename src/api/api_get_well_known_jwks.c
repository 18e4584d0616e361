/* SPDX-License-Identifier: Apache-2.0 */
#include "api_internal.h"

/* GET /.well-known/jwks.json: the public keys of the daemons' tokens.  Those who check tokens
 * themselves may keep it for a while; an unknown kid is their reason to ask again. */
int
api_get_well_known_jwks(struct req *rq, struct err *e)
{
	tenants_print_jwks(rq->api->o.tenants, reply_begin(rq));
	if (reply_header(rq, "Cache-Control", "public, max-age=300", e) < 0)
		return -1;
	return reply_json(rq, 200, e);
}
