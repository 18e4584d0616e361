/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens of tenants' own issuers.  Many tenants may trust one issuer, and nobody keeps a tenant
 * from registering an issuer, audience and even the keys that are another's.  So a row of `issuer`
 * only counts when the token itself names the row's tenant: by the audience "wardian:<tenant id>",
 * or by the claim that the row says, which must be the tenant's id.  What somebody else registers
 * can then neither take nor disturb a token that is not addressed to him.
 */
#include "tenant_internal.h"

#include "base64.h"
#include "clock.h"
#include "json.h"
#include "tenant_rule.h"

#include <stdio.h>
#include <string.h>

enum {
	NAMED_MAX = 8, /* tenants that one token may name */
	CANDIDATES_MAX = 8,
	AUDIENCES_MAX = 16,
	ID_LEN = 30 /* ten_ and 26 digits */
};

/* --- which tenants a token names ---------------------------------------------------------------
 */

struct named {
	struct uuid tenants[NAMED_MAX];
	size_t n;
};

static void
add_named(struct named *all, struct uuid tenant)
{
	for (size_t i = 0; i < all->n; i++) {
		if (uuid_cmp(all->tenants[i], tenant) == 0)
			return;
	}
	if (all->n < NAMED_MAX)
		all->tenants[all->n++] = tenant;
}

/* Ids anywhere in the payload's text: only to find the rows that may count, which are then compared
 * with the claims themselves. */
static void
find_named(const struct tenant_text *text, struct named *all)
{
	const char *first = memchr(text->p, '.', text->n);
	const char *payload = first == NULL ? text->p : first + 1;
	const char *end = memchr(payload, '.', text->n - (size_t)(payload - text->p));
	char bytes[BASE64_BYTES_SIZE(JWT_TEXT_MAX)], id[ID_LEN + 1];
	struct uuid tenant;
	struct err bad = { 0 };
	size_t n = 0;

	if (end == NULL ||
	    !base64_decode(BASE64_URL, payload, (size_t)(end - payload), bytes, sizeof(bytes), &n))
		return;
	for (const char *at = bytes; (at = memmem(at, n - (size_t)(at - bytes), "ten_", 4)) != NULL;
	     at += 4) {
		if (n - (size_t)(at - bytes) < ID_LEN)
			break;
		memcpy(id, at, ID_LEN);
		id[ID_LEN] = '\0';
		if (id_parse("ten", id, &tenant, &bad) == 0)
			add_named(all, tenant);
	}
}

/* --- whose token it is -------------------------------------------------------------------------
 */

struct row {
	struct tenant_row tenant;
	struct uuid issuer, user; /* user: nil without one */
	int64_t version;
	const char *audience, *tenant_claim; /* claim NULL: the audience says it */
	const char *jwks, *rules, *rule_roles, *roles;
	const char *user_name; /* the subject without a user */
	bool user_disabled;
};

struct choice {
	const struct jwt_token *jwt;
	struct row row; /* being read */
	struct row chosen;
	size_t n_read, n_chosen;
};

static bool
addressed(const struct jwt_token *jwt, const struct row *r)
{
	char id[ID_STR_SIZE], own[ID_STR_SIZE + 8];
	const char *claim;

	(void)id_format("ten", r->tenant.id.uuid, id);
	(void)snprintf(own, sizeof(own), "wardian:%s", id);
	if (!jwt_has_audience(jwt, r->audience))
		return false;
	if (r->tenant_claim == NULL)
		return strcmp(r->audience, own) == 0;
	return json_get_text(jwt_claim(jwt, r->tenant_claim), &claim) && strcmp(claim, id) == 0;
}

static int
choose(void *ctx, struct err *e)
{
	struct choice *c = ctx;

	(void)e;
	c->n_read++;
	if (addressed(c->jwt, &c->row)) {
		c->chosen = c->row;
		c->n_chosen++;
	}
	return 0;
}

static int64_t
read_rows(struct tenants *t, const struct named *named, struct choice *c, struct arena *mem,
    struct err *e)
{
	struct row *r = &c->row;
	const char *audiences[AUDIENCES_MAX];
	size_t n = 0;

	while (n < AUDIENCES_MAX && n < jwt_audience_count(c->jwt)) {
		audiences[n] = jwt_audience(c->jwt, n);
		n++;
	}
	const struct db_arg args[] = { DB_ARG_TEXT(jwt_issuer(c->jwt)),
		DB_ARG_UUIDS(named->tenants, named->n), DB_ARG_TEXTS(audiences, n),
		DB_ARG_TEXT(jwt_subject(c->jwt)), DB_ARGS_END };
	const struct db_col cols[] = { DB_UUID("tenant_id", &r->tenant.id.uuid),
		DB_TEXT("state", &r->tenant.state), DB_TEXT_NULL("state_reason", &r->tenant.reason),
		DB_I64("access_version", &r->tenant.version), DB_UUID("issuer_id", &r->issuer),
		DB_I64("version", &r->version), DB_TEXT("audience", &r->audience),
		DB_TEXT_NULL("tenant_claim", &r->tenant_claim), DB_JSON("jwks", &r->jwks),
		DB_JSON("rules", &r->rules), DB_JSON_NULL("rule_roles", &r->rule_roles),
		DB_UUID_NULL("user_id", &r->user), DB_TEXT("user_name", &r->user_name),
		DB_BOOL("user_disabled", &r->user_disabled), DB_JSON_NULL("roles", &r->roles),
		DB_COLS_END };

	return db_platform_read_each(
	    t->o.db, "tenant_issuer_look_up", args, cols, mem, choose, c, e);
}

/* --- whether it holds --------------------------------------------------------------------------
 */

/* 1 when one of the issuer's keys signed it, else 0; -1 when that could not be found out. */
static int
signature_holds(struct tenants *t, const struct choice *c, const struct tenant_text *text,
    const struct tenant_proof *proof, struct err *e)
{
	AUTO(jws_keys) keys = NULL;
	struct err bad = { 0 };

	if (tenant_cache_proved(t->cache, text->digest, proof))
		return 1;
	if (jws_keys_parse_text(c->chosen.jwks, strlen(c->chosen.jwks), &keys, &bad) == 0 &&
	    jwt_verify(c->jwt, keys, NULL, &bad) == 0)
		return 1;
	if (bad.code != ERR_NO_MEMORY)
		return 0;
	*e = bad;
	return -1;
}

static bool
claims_hold(const struct choice *c)
{
	/* What issuers in use write there; every other type means another kind of token. */
	static const char *const types[] = { "at+jwt", "JWT", "", NULL };
	const struct jwt_rules rules = { .issuer = jwt_issuer(c->jwt), /* the row was found by it */
		.audience = c->chosen.audience,
		.types = types,
		.now_s = clock_wall_us() / 1000000,
		.leeway_s = JWT_LEEWAY_S,
		.lifetime_max_s = JWT_LIFETIME_MAX_S };
	struct err bad = { 0 };

	return jwt_check_claims(c->jwt, &rules, NULL, &bad) == 0;
}

/* --- what it may do ----------------------------------------------------------------------------
 */

/* Adds the role of each rule that holds; how many did. */
static int
apply_rules(
    const struct choice *c, struct arena *mem, struct principal *who, bool *lost, struct err *e)
{
	const char *roles = c->chosen.rule_roles == NULL ? "{}" : c->chosen.rule_roles;
	struct tenant_rules *rules = arena_alloc(mem, sizeof(*rules));
	struct err bad = { 0 };
	AUTO(json) own = NULL;
	int n = 0;

	if (rules == NULL)
		return arena_err(e);
	/* Rules that cannot be read give nothing. */
	if (tenant_rules_parse(c->chosen.rules, mem, rules, &bad) < 0)
		rules->n = 0;
	if (json_parse(roles, strlen(roles), &own, e) < 0)
		return -1;
	for (size_t i = 0; i < rules->n; i++) {
		const struct tenant_rule *r = &rules->at[i];
		const char *permissions = NULL;
		enum system_role ignored;

		if (!tenant_rule_holds(r, jwt_claim(c->jwt, r->claim)))
			continue;
		(void)json_get_text(json_member(json_root(own), r->role), &permissions);
		tenant_role_add(system_role_parse(r->role, &ignored) ? r->role : NULL, permissions,
		    r->project, who->tenant, &who->grants, lost);
		n++;
	}
	return n;
}

static int
grant(struct tenants *t, const struct choice *c, struct arena *mem, struct tenant_found *ret,
    struct err *e)
{
	struct principal *who = &ret->known.who;
	bool lost = false;
	int rules = apply_rules(c, mem, who, &lost, e);

	if (rules < 0 || tenant_roles_add(c->chosen.roles, who->tenant, &who->grants, &lost, e) < 0)
		return -1;
	if (lost)
		tenant_role_warn(t, who);
	/* An issuer may sign for the whole world: whom no rule and no user names is nobody here,
	 * and must not spend the tenant's rate or fill its audit log. */
	if (rules == 0 && uuid_is_nil(who->user))
		ret->outcome = OUTCOME_STRANGER;
	return 0;
}

static enum tenant_outcome
identify(const struct choice *c, struct tenant_known *k)
{
	const struct row *r = &c->chosen;
	int64_t expires_s = 0;

	if (tenant_row_apply(&r->tenant, k) != OUTCOME_OK)
		return OUTCOME_UNKNOWN;
	k->who.kind = PRINCIPAL_ISSUER;
	k->who.issuer = r->issuer;
	k->who.user = r->user;
	principal_set_name(&k->who, r->user_name);
	REQUIRE(jwt_expires_s(c->jwt, &expires_s)); /* its claims hold */
	k->who.expires_wall_us = expires_s * 1000000;
	tenant_known_ends(k, k->who.expires_wall_us + JWT_LEEWAY_S * INT64_C(1000000));
	return r->user_disabled ? OUTCOME_DISABLED : OUTCOME_OK;
}

int
tenant_issuer_look_up(struct tenants *t, const struct jwt_token *jwt,
    const struct tenant_text *text, struct arena *mem, struct tenant_found *ret, struct err *e)
{
	struct choice c = { .jwt = jwt };
	struct named named = { .n = 0 };
	struct tenant_proof proof;
	int signature;

	ret->outcome = OUTCOME_ISSUER;
	find_named(text, &named);
	if (named.n > 0 && read_rows(t, &named, &c, mem, e) < 0)
		return -1;
	if (c.n_chosen != 1 || c.n_read > CANDIDATES_MAX)
		return 0;
	proof = (struct tenant_proof){ c.chosen.issuer, c.chosen.version };
	signature = signature_holds(t, &c, text, &proof, e);
	if (signature < 0)
		return -1;
	ret->outcome = signature == 0 ? OUTCOME_SIGNATURE : OUTCOME_CLAIMS;
	if (signature == 0 || !claims_hold(&c))
		return 0;
	ret->known.proof = proof;
	ret->outcome = identify(&c, &ret->known);
	return ret->outcome == OUTCOME_OK ? grant(t, &c, mem, ret, e) : 0;
}
