/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Support access: an operator in a customer's tenant for a while.  It rests on two tenants, because
 * it ends, too, when the operator loses the right to it in the platform's.
 */
#include "tenant_internal.h"

#include <string.h>

struct found {
	struct tenant_row tenant;
	int64_t platform_version, expires_wall_us;
	const char *system_role, *operator_name;
	bool ended, operator_stands, token_revoked;
	const char *roles; /* the operator's */
};

static int
read_found(struct tenants *t, const struct tenant_support_query *q, struct arena *mem,
    struct found *f, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(q->tenant), DB_ARG_UUID(q->support),
		DB_ARG_UUID(tenant_platform_id.uuid), DB_ARG_UUID(q->token), DB_ARGS_END };
	const struct db_col cols[] = { DB_UUID("tenant_id", &f->tenant.id.uuid),
		DB_TEXT("state", &f->tenant.state), DB_TEXT_NULL("state_reason", &f->tenant.reason),
		DB_I64("access_version", &f->tenant.version),
		DB_I64("platform_version", &f->platform_version),
		DB_TEXT("system_role", &f->system_role),
		DB_TEXT("operator_name", &f->operator_name),
		DB_TIME("expires_at", &f->expires_wall_us), DB_BOOL("ended", &f->ended),
		DB_BOOL("operator_stands", &f->operator_stands),
		DB_BOOL("token_revoked", &f->token_revoked), DB_JSON_NULL("roles", &f->roles),
		DB_COLS_END };

	return db_platform_read_one(t->o.db, "tenant_support_look_up", args, cols, mem, e);
}

/* Whether the operator may open support access now. */
static int
operator_may(const struct found *f, bool *ret, struct err *e)
{
	struct grants g = { 0 };
	bool lost = false; /* roles in projects, of which operators need none */

	if (tenant_roles_add(f->roles, tenant_platform_id, &g, &lost, e) < 0)
		return -1;
	*ret = f->operator_stands && (g.everywhere & PERM_BIT(PERM_TENANTS_SUPPORT)) != 0;
	return 0;
}

static void
grant(const struct found *f, struct principal *who)
{
	bool lost = false; /* one role, everywhere */

	tenant_role_add(f->system_role, NULL, (struct uuid){ 0 }, who->tenant, &who->grants, &lost);
	grants_mask(&who->grants, permission_set_of_support());
}

int
tenant_support_look_up(struct tenants *t, const struct tenant_support_query *q, struct arena *mem,
    struct tenant_found *ret, struct err *e)
{
	struct tenant_known *k = &ret->known;
	struct found f = { 0 };
	bool may = false;
	int rows = read_found(t, q, mem, &f, e);

	if (rows < 0 || operator_may(&f, &may, e) < 0)
		return -1;
	ret->outcome = OUTCOME_UNKNOWN;
	if (rows == 0 || tenant_row_apply(&f.tenant, k) != OUTCOME_OK)
		return 0;
	k->watch[k->n_watch++] =
	    (struct tenant_version){ tenant_platform_id.uuid, f.platform_version };
	k->who.kind = PRINCIPAL_SUPPORT;
	k->who.support = q->support;
	k->who.token = q->token;
	principal_set_name(&k->who, f.operator_name);
	tenant_known_ends(k, f.expires_wall_us);
	k->who.expires_wall_us = k->until_wall_us;
	grant(&f, &k->who);
	ret->outcome = f.ended || f.token_revoked ? OUTCOME_REVOKED
		       : may                      ? OUTCOME_OK
						  : OUTCOME_DISABLED;
	return 0;
}
