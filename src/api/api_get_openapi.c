/* SPDX-License-Identifier: Apache-2.0 */
#include "api_internal.h"

/* Embedded from openapi.json. */
extern const unsigned char api_openapi_json[];

/* GET /openapi.json: the description of everything here. */
int
api_get_openapi(struct req *rq, struct err *e)
{
	int done = reply_conditional(rq, rq->api->openapi_etag, e);

	if (done != 0)
		return done < 0 ? -1 : 0;
	buf_append(&rq->body, api_openapi_json, rq->api->openapi_n);
	return reply_json(rq, 200, e);
}
