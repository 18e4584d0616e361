/* SPDX-License-Identifier: Apache-2.0 */
/* The rules that changes must keep: permissions, cover, limits, the last owner; and what the
 * database says when a row breaks one of its own. */
#include "identity_internal.h"

#include <string.h>

/* --- who may ---------------------------------------------------------------------------------- */

bool
change_may(const struct change *c, enum permission p, struct uuid project)
{
	if (c->trusted)
		return true;
	if (uuid_is_nil(project))
		return (c->grants.everywhere & PERM_BIT(p)) != 0;
	return (grants_in(&c->grants, project) & PERM_BIT(p)) != 0;
}

int
change_needs(const struct change *c, enum permission p, struct uuid project, struct err *e)
{
	if (change_may(c, p, project))
		return 0;
	return err_set(e, ERR_DENIED, "This needs the permission %s%s", permission_name(p),
	    uuid_is_nil(project) ? "" : " in the project");
}

void
change_mask(const struct change *c, struct grants *g)
{
	if (c->platform)
		grants_mask(g, system_role_permissions(ROLE_OPERATOR));
	else
		grants_mask(g, ~permission_set_of_level(PERM_LEVEL_PLATFORM));
}

/* The first permission of `missing`, in the order of the list. */
static enum permission
first_of(permission_set missing)
{
	int p = 0;

	while (p < PERM_COUNT - 1 && (missing & PERM_BIT(p)) == 0)
		p++;
	return (enum permission)p;
}

static int
lacking(const struct grants *have, const struct grants *given, struct err *e)
{
	permission_set missing = given->everywhere & ~have->everywhere;

	if (missing != 0)
		return err_set(e, ERR_LACKING,
		    "You cannot give or take away %s in the whole tenant, because you do not have "
		    "it; ask somebody who has",
		    permission_name(first_of(missing)));
	for (size_t i = 0; i < given->n && missing == 0; i++)
		missing = given->in[i].set & ~grants_in(have, given->in[i].project);
	return err_set(e, ERR_LACKING,
	    "You cannot give or take away %s in the project, because you do not have it there; ask "
	    "somebody who has",
	    permission_name(first_of(missing)));
}

int
change_covers_by(
    const struct change *c, const struct grants *have, const struct grants *given, struct err *e)
{
	struct grants counted = *given;

	if (c->trusted)
		return 0;
	change_mask(c, &counted);
	return grants_cover(have, &counted) ? 0 : lacking(have, &counted, e);
}

int
change_covers(const struct change *c, const struct grants *given, struct err *e)
{
	return change_covers_by(c, &c->grants, given, e);
}

int
change_covers_holder(const struct change *c, const struct holder *h, struct err *e)
{
	if (h->overflow && !c->trusted)
		return projects_overflow(e);
	return change_covers(c, &h->user, e);
}

int
projects_overflow(struct err *e)
{
	return err_set(e, ERR_QUOTA,
	    "Roles in more than %d projects are too many for one user or key; give a role in the "
	    "whole tenant instead",
	    GRANT_PROJECTS_MAX);
}

/* --- limits ----------------------------------------------------------------------------------- */

static int
read_use(struct change *c, enum quota q, int64_t *ret, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(c->ask->tenant.uuid), DB_ARGS_END };
	int64_t n[QUOTA_COUNT] = { 0 };
	const struct db_col cols[] = { DB_I64("projects", &n[QUOTA_PROJECTS]),
		DB_I64("users", &n[QUOTA_USERS]), DB_I64("roles", &n[QUOTA_ROLES]),
		DB_I64("assignments", &n[QUOTA_ROLE_ASSIGNMENTS]), DB_I64("keys", &n[QUOTA_KEYS]),
		DB_I64("issuers", &n[QUOTA_ISSUERS]), DB_COLS_END };

	if (db_one(c->tx, "identity_use", args, cols, c->ask->mem, e) < 0)
		return -1;
	*ret = n[q];
	return 0;
}

int
change_quota(struct change *c, enum quota q, int64_t more, struct err *e)
{
	const struct identity_ask *a = c->ask;
	struct quota_amounts limits;
	int64_t used, limit;

	if (a->quotas == NULL)
		return 0;
	if (read_use(c, q, &used, e) < 0 ||
	    quota_amounts_in(c->tx, a->tenant, a->quotas, a->mem, &limits, e) < 0)
		return -1;
	limit = limits.amount[q];
	if (q == QUOTA_ROLES && limit > OWN_ROLES_MAX)
		limit = OWN_ROLES_MAX;
	if (used + more <= limit)
		return 0;
	return err_set(e, ERR_QUOTA,
	    "The limit %s is %lld %s and %lld are there; remove some, or ask the operator for a "
	    "greater limit",
	    quota_name(q), (long long)limit, quota_unit(q), (long long)used);
}

int
version_check(int64_t have, int64_t want, struct err *e)
{
	if (want == IDENTITY_ANY_VERSION || want == have)
		return 0;
	return err_set(e, ERR_PRECONDITION,
	    "It has changed since (version %lld); read it again, then repeat the change",
	    (long long)have);
}

/* --- the last owner --------------------------------------------------------------------------- */

enum system_role
change_owner_role(const struct change *c)
{
	return c->platform ? ROLE_OPERATOR : ROLE_OWNER;
}

int
change_keeps_owner(struct change *c, struct err *e)
{
	const char *role = system_role_name(change_owner_role(c));
	const struct db_arg args[] = { DB_ARG_UUID(c->ask->tenant.uuid), DB_ARG_TEXT(role),
		DB_ARGS_END };
	int64_t n = 0;
	const struct db_col cols[] = { DB_I64("n", &n), DB_COLS_END };

	if (db_one(c->tx, "identity_owners", args, cols, c->ask->mem, e) < 0)
		return -1;
	if (n > 0)
		return 0;
	return err_set(e, ERR_LAST_OWNER,
	    "Nobody active would have the role %s in the whole tenant; give it to somebody else "
	    "first",
	    role);
}

/* --- rules of the database -------------------------------------------------------------------- */

/* Constraints by the end of their names: a shorter text stands for several. */
static const struct {
	const char *name;
	enum err_code code;
	const char *pointer, *why;
} broken[] = {
	{ "project_tenant_id_name_key", ERR_NAME_TAKEN, "/name", "is another project's" },
	{ "tenant_user_tenant_id_name_key", ERR_NAME_TAKEN, "/name", "is another user's" },
	{ "tenant_user_tenant_id_issuer_id_subject_key", ERR_NAME_TAKEN, "/subject",
	    "is another user's at this issuer" },
	{ "tenant_user_tenant_id_issuer_id_fkey", ERR_INVALID, "/issuer",
	    "is not an issuer of this tenant" },
	{ "role_tenant_id_name_key", ERR_NAME_TAKEN, "/name", "is another role's" },
	{ "issuer_tenant_id_name_key", ERR_NAME_TAKEN, "/name", "is another issuer's" },
};

static int
explain_constraint(struct err *e)
{
	char name[ERR_FIELD_SIZE];
	size_t n;

	if (e->code != ERR_DB_CONSTRAINT)
		return -1;
	memcpy(name, db_err_constraint(e), strlen(db_err_constraint(e)) + 1);
	for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
		if (strcmp(broken[i].name, name) != 0)
			continue;
		err_field_add(e, broken[i].pointer, "%s", broken[i].why);
		return err_fields_done(e, broken[i].code);
	}
	/* References from tables of other modules: jobs and what was counted of them. */
	n = strlen(name);
	if (n > 5 && strcmp(name + n - 5, "_fkey") == 0)
		return err_set(e, ERR_IN_USE, "Something still refers to it, so it cannot go");
	return -1;
}

int
change_exec(struct change *c, const char *stmt, const struct db_arg *args, struct err *e)
{
	return db_exec(c->tx, stmt, args, e) < 0 ? explain_constraint(e) : 0;
}

int
change_one(struct change *c, const char *stmt, const struct db_arg *args, const struct db_col *cols,
    struct err *e)
{
	int rows = db_one(c->tx, stmt, args, cols, c->ask->mem, e);

	return rows < 0 ? explain_constraint(e) : rows;
}
