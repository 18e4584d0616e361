/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens.  Whose token it is says its "iss": ours, or a tenant's issuer.  Ours only name a key or a
 * support access; what that may do is read from the database as if it had been presented itself.
 */
#include "tenant_internal.h"

#include "clock.h"
#include "json.h"

#include <string.h>

struct own {
	struct uuid tenant, token, key, support; /* key or support is nil */
	const char *mark;                        /* with key */
	const char *scope;                       /* NULL: all */
	int64_t expires_s;
};

static bool
read_id(const struct jwt_token *jwt, const char *claim, const char *prefix, struct uuid *ret)
{
	struct err bad = { 0 };
	const char *text;

	return json_get_text(jwt_claim(jwt, claim), &text) &&
	       id_parse(prefix, text, ret, &bad) == 0 && !uuid_is_nil(*ret);
}

static bool
read_own(const struct jwt_token *jwt, struct own *ret)
{
	const struct json_value *scope = jwt_claim(jwt, "scope");

	return read_id(jwt, "ten", "ten", &ret->tenant) &&
	       read_id(jwt, "jti", "tok", &ret->token) && jwt_expires_s(jwt, &ret->expires_s) &&
	       (scope == NULL || json_get_text(scope, &ret->scope)) &&
	       (jwt_claim(jwt, "sup") != NULL
		       ? read_id(jwt, "sup", "sup", &ret->support)
		       : read_id(jwt, "key", "key", &ret->key) &&
			     json_get_text(jwt_claim(jwt, "mark"), &ret->mark));
}

/* Whether it is meant for us, now. */
static bool
claims_hold(const struct tenants *t, const struct jwt_token *jwt, const struct own *o)
{
	static const char *const types[] = { "at+jwt", NULL };
	const struct jwt_rules rules = { .issuer = t->o.issuer,
		.audience = t->o.issuer,
		.types = types,
		.now_s = clock_wall_us() / 1000000,
		.leeway_s = JWT_LEEWAY_S,
		.lifetime_max_s = uuid_is_nil(o->key) ? TENANTS_SUPPORT_S : TENANTS_TOKEN_S };
	struct err bad = { 0 };

	return jwt_check_claims(jwt, &rules, NULL, &bad) == 0;
}

/* 1, 0, or -1. */
static int
signature_holds(struct tenants *t, const struct jwt_token *jwt, const struct tenant_text *text,
    const struct tenant_proof *proof, struct err *e)
{
	if (tenant_cache_proved(t->cache, text->digest, proof))
		return 1;
	return tenant_ring_verify(t->ring, t->o.db, jwt, e);
}

static int
look_up_own(struct tenants *t, const struct own *o, struct arena *mem, struct tenant_found *ret,
    struct err *e)
{
	const struct tenant_support_query support = { o->tenant, o->support, o->token };
	const struct tenant_key_query key = {
		.tenant = o->tenant, .key_id = o->key, .token = o->token, .mark = o->mark
	};

	if (uuid_is_nil(o->key))
		return tenant_support_look_up(t, &support, mem, ret, e);
	return tenant_key_look_up(t, &key, mem, ret, e);
}

static void
limit(const struct own *o, struct tenant_known *k)
{
	int64_t expires_us = o->expires_s * 1000000;

	if (o->scope != NULL)
		grants_mask(&k->who.grants, permission_set_parse(o->scope));
	if (k->who.expires_wall_us == 0 || expires_us < k->who.expires_wall_us)
		k->who.expires_wall_us = expires_us;
	tenant_known_ends(k, expires_us + JWT_LEEWAY_S * INT64_C(1000000));
}

static int
check_own(struct tenants *t, const struct jwt_token *jwt, const struct tenant_text *text,
    struct arena *mem, struct tenant_found *ret, struct err *e)
{
	const struct tenant_proof ours = { .version = 1 };
	struct own o = { 0 };
	int signature = signature_holds(t, jwt, text, &ours, e);

	if (signature < 0)
		return -1;
	ret->outcome = signature == 0 ? OUTCOME_SIGNATURE : OUTCOME_CLAIMS;
	if (signature == 0 || !read_own(jwt, &o) || !claims_hold(t, jwt, &o))
		return 0;
	if (look_up_own(t, &o, mem, ret, e) < 0)
		return -1;
	ret->known.proof = ours;
	limit(&o, &ret->known);
	return 0;
}

int
tenant_token_look_up(struct tenants *t, const struct tenant_text *text, struct arena *mem,
    struct tenant_found *ret, struct err *e)
{
	AUTO(jwt_token) jwt = NULL;
	struct err bad = { 0 };

	if (jwt_read(text->p, text->n, &jwt, NULL, &bad) < 0) {
		ret->outcome = OUTCOME_MALFORMED;
		if (bad.code == ERR_UNAUTHENTICATED)
			return 0;
		*e = bad;
		return -1;
	}
	if (strcmp(jwt_issuer(jwt), t->o.issuer) == 0)
		return check_own(t, jwt, text, mem, ret, e);
	return tenant_issuer_look_up(t, jwt, text, mem, ret, e);
}
