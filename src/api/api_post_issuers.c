/* SPDX-License-Identifier: Apache-2.0 */
#include "api_identity_internal.h"

#include "identity_issuer.h"

static int
read_wish(struct req *rq, struct tenant_rules *rules, struct identity_issuer_new *n, struct err *e)
{
	const struct json_field fields[] = {
		JSON_TEXT("name", &n->name, 1, WISH_NAME_BYTES, JSON_REQUIRED),
		JSON_TEXT("url", &n->url, 1, IDENTITY_URL_MAX, JSON_REQUIRED),
		JSON_TEXT("audience", &n->audience, 1, WISH_TITLE_BYTES, JSON_NULLABLE),
		JSON_TEXT("tenant_claim", &n->tenant_claim, 1, WISH_TITLE_BYTES, JSON_NULLABLE),
		JSON_VALUE("jwks", &n->jwks, JSON_REQUIRED),
		WISH_LIST(
		    "rules", tenant_rule_decode, rules, NULL, TENANT_RULES_MAX, JSON_REQUIRED),
		JSON_FIELDS_END,
	};

	n->rules = rules;
	return req_body_decode(rq, fields, e);
}

/* POST /v1/issuers: tokens of an issuer of the tenant's own are accepted from now on. */
int
api_post_issuers(struct req *rq, struct err *e)
{
	struct tenant_rules rules = { 0 };
	struct identity_issuer_new n = { 0 };
	struct identity_issuer i;
	struct identity_once once;
	struct identity_ask ask;

	if (read_wish(rq, &rules, &n, e) < 0 || req_ask_once(rq, &once, &ask, e) < 0 ||
	    identity_issuer_create(&ask, &n, &i, e) < 0)
		return -1;
	req_rights_changed(rq);
	identity_issuer_print(&i, reply_begin(rq));
	const struct reply_made made = { .collection = "/v1/issuers",
		.prefix = "iss",
		.id = i.id,
		.version = i.version,
		.replayed = once.replayed };
	return reply_created(rq, &made, e);
}
