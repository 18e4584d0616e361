/* SPDX-License-Identifier: Apache-2.0 */
#include "api_identity_internal.h"

#include "identity_issuer.h"

static int
read_change(
    struct req *rq, struct tenant_rules *rules, struct identity_issuer_change *c, struct err *e)
{
	bool with_rules = false;
	const struct json_field fields[] = {
		PATCH_TEXT("name", &c->name, WISH_NAME_BYTES, 0),
		PATCH_TEXT("url", &c->url, IDENTITY_URL_MAX, 0),
		PATCH_TEXT("audience", &c->audience, WISH_TITLE_BYTES, JSON_NULLABLE),
		PATCH_TEXT("tenant_claim", &c->tenant_claim, WISH_TITLE_BYTES, JSON_NULLABLE),
		JSON_VALUE("jwks", &c->jwks, 0),
		WISH_LIST("rules", tenant_rule_decode, rules, &with_rules, TENANT_RULES_MAX, 0),
		PATCH_FLAG("disabled", &c->disabled),
		JSON_FIELDS_END,
	};

	if (req_body_decode(rq, fields, e) < 0)
		return -1;
	req_text_cleared(rq, "audience", &c->audience); /* the default again */
	req_text_cleared(rq, "tenant_claim", &c->tenant_claim);
	c->rules = with_rules ? rules : NULL;
	return 0;
}

/* PATCH /v1/issuers/{issuer} */
int
api_patch_issuers_issuer(struct req *rq, struct err *e)
{
	const struct identity_ask ask = req_ask(rq);
	struct tenant_rules rules = { 0 };
	struct identity_issuer_change c = { 0 };
	struct identity_issuer i;
	int64_t version;

	if (read_change(rq, &rules, &c, e) < 0 || req_if_match(rq, &version, e) < 0 ||
	    identity_issuer_update(&ask, req_id(rq, "issuer"), &c, version, &i, e) < 0)
		return -1;
	req_rights_changed(rq);
	identity_issuer_print(&i, reply_begin(rq));
	return reply_json_versioned(rq, i.version, e);
}
