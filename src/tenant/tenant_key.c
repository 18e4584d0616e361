/* SPDX-License-Identifier: Apache-2.0 */
/*
 * API keys, presented themselves or as a token that was issued for one.  What a key may do is what
 * its owner may do now, within its scopes, within roles of its own if it has any.
 */
#include "tenant_internal.h"

#include <stdio.h>
#include <string.h>

struct found {
	struct tenant_row tenant;
	struct uuid key, user;
	const char *public_id, *user_name;
	struct db_bytes hash, previous_hash;
	int64_t previous_until_wall_us, expires_wall_us;
	bool previous_holds, expired, revoked, token_revoked, user_disabled;
	const char *scopes, *cidrs;    /* NULL: not limited */
	const char *roles, *key_roles; /* key_roles NULL: not limited */
};

static int
read_found(struct tenants *t, const struct tenant_key_query *q, struct arena *mem, struct found *f,
    struct err *e)
{
	const struct auth_key *k = q->key;
	const struct db_arg by_text[] = { DB_ARG_TEXT(k == NULL ? NULL : k->id),
		DB_ARG_BYTES(k == NULL ? NULL : k->hash, AUTH_SHA256_SIZE),
		DB_ARG_NULL(DB_TYPE_UUID), DB_ARG_NULL(DB_TYPE_UUID), DB_ARG_NULL(DB_TYPE_UUID),
		DB_ARGS_END };
	const struct db_arg by_id[] = { DB_ARG_NULL(DB_TYPE_TEXT), DB_ARG_NULL(DB_TYPE_BYTES),
		DB_ARG_UUID(q->tenant), DB_ARG_UUID(q->key_id), DB_ARG_UUID(q->token),
		DB_ARGS_END };
	const struct db_col cols[] = { DB_UUID("tenant_id", &f->tenant.id.uuid),
		DB_TEXT("state", &f->tenant.state), DB_TEXT_NULL("state_reason", &f->tenant.reason),
		DB_I64("access_version", &f->tenant.version), DB_UUID("key_id", &f->key),
		DB_TEXT("public_id", &f->public_id), DB_BYTES("hash", &f->hash),
		DB_BYTES("previous_hash", &f->previous_hash),
		DB_TIME_NULL("previous_until", &f->previous_until_wall_us),
		DB_BOOL("previous_holds", &f->previous_holds), DB_TEXT_NULL("scopes", &f->scopes),
		DB_TEXT_NULL("cidrs", &f->cidrs), DB_TIME_NULL("expires_at", &f->expires_wall_us),
		DB_BOOL("expired", &f->expired), DB_BOOL("revoked", &f->revoked),
		DB_BOOL("token_revoked", &f->token_revoked), DB_UUID("user_id", &f->user),
		DB_TEXT("user_name", &f->user_name), DB_BOOL("user_disabled", &f->user_disabled),
		DB_JSON_NULL("roles", &f->roles), DB_JSON_NULL("key_roles", &f->key_roles),
		DB_COLS_END };

	return db_platform_read_one(
	    t->o.db, "tenant_key_look_up", k == NULL ? by_id : by_text, cols, mem, e);
}

static bool
is(const struct db_bytes *b, const uint8_t *hash)
{
	static const uint8_t nobody[AUTH_SHA256_SIZE];

	/* What is not there is compared, too, so that it takes no less time. */
	return auth_equal(b->n == AUTH_SHA256_SIZE ? b->p : nobody, hash, AUTH_SHA256_SIZE) &&
	       b->n == AUTH_SHA256_SIZE;
}

/* A token is signed, so what it says of a text is no guess and takes no care. */
static bool
is_text(const struct db_bytes *b, const struct tenant_key_query *q)
{
	char mark[2 * PRINCIPAL_MARK_SIZE + 1];

	if (q->key != NULL)
		return is(b, q->key->hash);
	if (b->n != AUTH_SHA256_SIZE)
		return false;
	auth_hex(b->p, PRINCIPAL_MARK_SIZE, mark);
	return strcmp(mark, q->mark) == 0;
}

/* Whether it is the key that was presented; a former text of it has an end of its own, and so have
 * the tokens that were issued for that. */
static enum tenant_outcome
check_secret(const struct found *f, const struct tenant_key_query *q, struct tenant_known *k)
{
	bool now = is_text(&f->hash, q), before = is_text(&f->previous_hash, q);

	if (q->key == NULL && (f->token_revoked || (!now && !before)))
		return OUTCOME_REVOKED;
	if (now)
		return OUTCOME_OK;
	if (!before)
		return OUTCOME_UNKNOWN;
	tenant_known_ends(k, f->previous_until_wall_us);
	return f->previous_holds ? OUTCOME_OK : OUTCOME_EXPIRED;
}

static enum tenant_outcome
check_state(const struct found *f, enum tenant_outcome secret)
{
	if (f->revoked)
		return OUTCOME_REVOKED;
	if (secret != OUTCOME_OK)
		return secret;
	if (f->expired)
		return OUTCOME_EXPIRED;
	return f->user_disabled ? OUTCOME_DISABLED : OUTCOME_OK;
}

static int
grant(struct tenants *t, const struct found *f, struct principal *who, struct err *e)
{
	struct grants own = { 0 };
	bool lost = false;

	if (tenant_roles_add(f->roles, who->tenant, &who->grants, &lost, e) < 0 ||
	    tenant_roles_add(f->key_roles, who->tenant, &own, &lost, e) < 0)
		return -1;
	if (f->scopes != NULL)
		grants_mask(&who->grants, permission_set_parse(f->scopes));
	if (f->key_roles != NULL && !grants_intersect(&who->grants, &own))
		lost = true;
	if (lost)
		tenant_role_warn(t, who);
	return 0;
}

/* A list that cannot be read lets nobody in. */
static void
bind(const struct found *f, struct tenant_known *k)
{
	struct err bad = { 0 };

	k->bound = f->cidrs != NULL;
	if (k->bound && net_cidrs_parse(f->cidrs, &k->cidrs, &bad) < 0)
		k->cidrs.n = 0;
}

int
tenant_key_look_up(struct tenants *t, const struct tenant_key_query *q, struct arena *mem,
    struct tenant_found *ret, struct err *e)
{
	struct tenant_known *k = &ret->known;
	struct found f = { 0 };
	enum tenant_outcome secret;
	int rows = read_found(t, q, mem, &f, e);

	if (rows < 0)
		return -1;
	secret = check_secret(&f, q, k);
	ret->outcome = OUTCOME_UNKNOWN;
	if (rows == 0 || secret == OUTCOME_UNKNOWN || tenant_row_apply(&f.tenant, k) != OUTCOME_OK)
		return 0;
	k->who.kind = q->key != NULL ? PRINCIPAL_KEY : PRINCIPAL_TOKEN;
	k->who.key = f.key;
	k->who.user = f.user;
	k->who.token = q->token;
	if (q->key != NULL)
		memcpy(k->who.mark, q->key->hash, sizeof(k->who.mark));
	(void)snprintf(k->who.key_public, sizeof(k->who.key_public), "%s", f.public_id);
	principal_set_name(&k->who, f.user_name);
	tenant_known_ends(k, f.expires_wall_us);
	k->who.expires_wall_us = k->until_wall_us;
	bind(&f, k);
	ret->outcome = check_state(&f, secret);
	return ret->outcome == OUTCOME_OK ? grant(t, &f, &k->who, e) : 0;
}
