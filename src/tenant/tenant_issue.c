/* SPDX-License-Identifier: Apache-2.0 */
#include "tenant_internal.h"

#include "clock.h"

#include <string.h>

/* iss, aud and times of ours; the rest is the caller's. */
static int
sign(struct tenants *t, struct jwt_claims *c, int64_t expires_s, struct arena *mem,
    struct tenants_token *ret, struct err *e)
{
	const struct jwt_signer *signer = atomic_load(&t->signer);
	char *text = arena_alloc(mem, JWT_SIZE), id[ID_STR_SIZE];
	struct uuid token = uuid_v7();

	if (text == NULL)
		return arena_err(e);
	if (signer == NULL)
		return err_set(e, ERR_UNAVAILABLE, "This server signs no tokens; use the API key");
	c->issuer = c->audience = t->o.issuer;
	c->id = id_format("tok", token, id);
	c->issued_s = c->not_before_s = clock_wall_us() / 1000000;
	c->expires_s = expires_s;
	if (jwt_issue(signer, c, text, e) < 0)
		return -1;
	ret->text = text;
	ret->id = token;
	ret->expires_wall_us = expires_s * 1000000;
	return 0;
}

static int64_t
earlier(int64_t seconds, int64_t wall_us)
{
	return wall_us != 0 && wall_us / 1000000 < seconds ? wall_us / 1000000 : seconds;
}

int
tenants_issue(struct tenants *t, const struct principal *who, permission_set scopes,
    int64_t lifetime_s, struct arena *mem, struct tenants_token *ret, struct err *e)
{
	permission_set may = grants_anywhere(&who->grants);
	int64_t now_s = clock_wall_us() / 1000000;
	char tenant[ID_STR_SIZE], user[ID_STR_SIZE], key[ID_STR_SIZE];
	char *scope = arena_alloc(mem, PERMISSION_SET_TEXT_SIZE), mark[2 * PRINCIPAL_MARK_SIZE + 1];
	struct tenants_token token = { 0 };

	if (who->kind != PRINCIPAL_KEY)
		return err_set(e, ERR_DENIED, "Only an API key can be exchanged for a token");
	if (scope == NULL)
		return arena_err(e);
	if (lifetime_s > TENANTS_TOKEN_S)
		lifetime_s = TENANTS_TOKEN_S;
	auth_hex(who->mark, sizeof(who->mark), mark);
	token.scope = permission_set_format(scopes == 0 ? may : may & scopes, scope);
	const struct jwt_text_claim texts[] = {
		{ "ten", id_format("ten", who->tenant.uuid, tenant) },
		{ "usr", id_format("usr", who->user, user) },
		{ "key", id_format("key", who->key, key) },
		{ "mark", mark },
		{ "scope", scope },
	};
	struct jwt_claims c = {
		.subject = user, .texts = texts, .n_texts = ARRAY_LEN(texts) - (scopes == 0)
	};

	if (sign(t, &c, earlier(now_s + lifetime_s, who->expires_wall_us), mem, &token, e) < 0)
		return -1;
	*ret = token;
	return 0;
}

int
tenants_issue_support(struct tenants *t, struct tenant_id tenant, struct uuid support,
    int64_t expires_wall_us, struct arena *mem, struct tenants_token *ret, struct err *e)
{
	char tenant_text[ID_STR_SIZE], support_text[ID_STR_SIZE];
	int64_t last_s = clock_wall_us() / 1000000 + TENANTS_SUPPORT_S;
	const struct jwt_text_claim texts[] = {
		{ "ten", id_format("ten", tenant.uuid, tenant_text) },
		{ "sup", id_format("sup", support, support_text) },
	};
	struct jwt_claims c = {
		.subject = support_text, .texts = texts, .n_texts = ARRAY_LEN(texts)
	};
	struct tenants_token token = { .scope = "" };

	if (sign(t, &c, earlier(last_s, expires_wall_us), mem, &token, e) < 0)
		return -1;
	*ret = token;
	return 0;
}

void
tenants_sign_with(struct tenants *t, const struct jwt_signer *signer)
{
	atomic_store(&t->signer, signer);
}

void
tenants_print_jwks(struct tenants *t, struct json_out *o)
{
	tenant_ring_print(t->ring, o);
}
