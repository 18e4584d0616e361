/* SPDX-License-Identifier: Apache-2.0 */
/* Why somebody may do something, or why not: the same rows that grants are made of, kept apart. */
#include "identity_key_internal.h"
#include "identity_role.h"

#include <string.h>

enum { REASONS_MAX = 2 * IDENTITY_ROLES_MAX };

struct walk {
	struct change c; /* a frame without a change: only its transaction and memory are used */
	const struct identity_question *q;
	struct identity_explanation *x;
	struct identity_reason reasons[REASONS_MAX];
	bool by_user, by_key, key_limited;
	/* a row */
	bool of_key, system;
	const char *role, *permissions;
	struct uuid project;
};

static void
limit(struct walk *w, const char *why)
{
	if (w->x->n_limits < IDENTITY_LIMITS_MAX)
		w->x->limits[w->x->n_limits++] = why;
}

/* --- roles ------------------------------------------------------------------------------------ */

/* Whether a role in a project, or in the whole tenant, answers the question. */
static bool
answers(const struct walk *w, permission_set set)
{
	struct grants g = { 0 };

	if (!grants_add(&g, w->project, set))
		return false;
	change_mask(&w->c, &g);
	return (grants_in(&g, w->q->project) & PERM_BIT(w->q->permission)) != 0;
}

static int
see_row(void *ctx, struct err *e)
{
	struct walk *w = ctx;
	permission_set set = w->system ? 0 : permissions_read(w->permissions);
	enum system_role role;
	char *name;

	if (w->system && system_role_parse(w->role, &role))
		set = system_role_permissions(role);
	w->key_limited |= w->of_key;
	if (!answers(w, set) || w->x->n_reasons == REASONS_MAX)
		return 0;
	name = arena_strdup(w->c.ask->mem, w->role);
	if (name == NULL)
		return arena_err(e);
	w->reasons[w->x->n_reasons++] =
	    (struct identity_reason){ .role = { .role = name, .project = w->project },
		    .of_key = w->of_key };
	*(w->of_key ? &w->by_key : &w->by_user) = true;
	return 0;
}

static int
see_roles(struct walk *w, struct uuid user, struct uuid key, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(w->c.ask->tenant.uuid), ARG_UUID_OR_NULL(user),
		ARG_UUID_OR_NULL(key), DB_ARGS_END };
	const struct db_col cols[] = { DB_BOOL("of_key", &w->of_key), DB_TEXT("role", &w->role),
		DB_BOOL("system", &w->system), DB_TEXT_NULL("permissions", &w->permissions),
		DB_UUID_NULL("project_id", &w->project), DB_COLS_END };

	return db_each(w->c.tx, "identity_grants", args, cols, w->c.ask->mem, see_row, w, e) < 0
		   ? -1
		   : 0;
}

/* --- what stands against it ------------------------------------------------------------------- */

static void
see_key(struct walk *w, const struct identity_key *k, bool expired)
{
	if (k->revoked_wall_us != 0)
		limit(w, "the key is revoked");
	else if (expired)
		limit(w, "the key has expired");
	if (k->scopes.limited && (k->scopes.set & PERM_BIT(w->q->permission)) == 0)
		limit(w, "the key's scopes leave it out");
	if (w->key_limited && !w->by_key)
		limit(w, "the key is limited to roles that do not have it there");
}

static int
see_state(struct walk *w, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(w->c.ask->tenant.uuid),
		DB_ARG_NULL(DB_TYPE_UUID), DB_ARG_NULL(DB_TYPE_UUID), DB_ARG_NULL(DB_TYPE_UUID),
		DB_ARG_NULL(DB_TYPE_UUID), DB_ARG_NULL(DB_TYPE_UUID), DB_ARGS_END };
	const char *state = "";
	const struct db_col cols[] = { DB_BOOL("platform", &w->c.platform),
		DB_TEXT("state", &state), DB_COLS_END };
	int rows = change_one(&w->c, "identity_standing", args, cols, e);

	if (rows < 0)
		return -1;
	if (rows == 0)
		return not_found(e, "tenant");
	if (strcmp(state, "active") != 0)
		limit(w, "the tenant is suspended");
	return 0;
}

static int
check_project(struct walk *w, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(w->c.ask->tenant.uuid),
		DB_ARG_UUID(w->q->project), DB_ARGS_END };
	struct uuid id;
	const struct db_col cols[] = { DB_UUID("project_id", &id), DB_COLS_END };
	int rows;

	if (uuid_is_nil(w->q->project))
		return 0;
	rows = change_one(&w->c, "identity_project_get", args, cols, e);
	if (rows < 0)
		return -1;
	return rows == 0 ? not_found(e, "project") : 0;
}

/* --- the answer ------------------------------------------------------------------------------- */

static int
put_sentence(struct walk *w, const char *who, struct err *e)
{
	const char *perm = permission_name(w->q->permission);
	const char *where = uuid_is_nil(w->q->project) ? "in the whole tenant" : "in the project";
	struct identity_explanation *x = w->x;
	const char *text;

	if (x->allowed)
		text = arena_printf(w->c.ask->mem, "%s may do %s %s, by the role %s.", who, perm,
		    where, x->reasons[0].role.role);
	else if (!w->by_user)
		text =
		    arena_printf(w->c.ask->mem, "%s may not do %s %s: no role of %s has it there.",
			who, perm, where, uuid_is_nil(w->q->key) ? "the user" : "the key's owner");
	else
		text = arena_printf(
		    w->c.ask->mem, "%s may not do %s %s: %s.", who, perm, where, x->limits[0]);
	if (text == NULL)
		return arena_err(e);
	x->sentence = text;
	return 0;
}

static int
conclude(struct walk *w, const char *who, struct err *e)
{
	struct identity_explanation *x = w->x;
	struct identity_reason *reasons;

	x->allowed = w->by_user && x->n_limits == 0;
	reasons = arena_array(w->c.ask->mem, x->n_reasons + 1, sizeof(*reasons));
	if (reasons == NULL)
		return arena_err(e);
	memcpy(reasons, w->reasons, x->n_reasons * sizeof(*reasons));
	x->reasons = reasons;
	return put_sentence(w, who, e);
}

static int
explain(struct walk *w, struct err *e)
{
	const struct identity_question *q = w->q;
	bool of_key = !uuid_is_nil(q->key), expired = false;
	struct identity_key key = { .user = q->user };
	struct identity_user user = { 0 };

	if (see_state(w, e) < 0 || check_project(w, e) < 0 ||
	    (of_key && key_read(&w->c, q->key, &key, &expired, e) < 0) ||
	    user_read(&w->c, key.user, &user, e) < 0 || see_roles(w, key.user, q->key, e) < 0)
		return -1;
	if (user.disabled_wall_us != 0)
		limit(w, of_key ? "the key's owner is disabled" : "the user is disabled");
	if (of_key)
		see_key(w, &key, expired);
	return conclude(w, of_key ? "The key" : "The user", e);
}

int
identity_explain(struct db *db, struct tenant_id tenant, const struct identity_question *q,
    struct arena *mem, struct identity_explanation *ret, struct err *e)
{
	const struct identity_ask ask = { .db = db, .tenant = tenant, .mem = mem };
	struct identity_explanation x = { 0 };
	struct walk w = { .c.ask = &ask, .q = q, .x = &x };
	int rc;

	REQUIRE(uuid_is_nil(q->user) != uuid_is_nil(q->key));
	REQUIRE(q->permission < PERM_COUNT);
	/* One transaction: the parts of the answer are of one time. */
	if (db_tx_begin(db, tenant, &w.c.tx, e) < 0)
		return -1;
	rc = explain(&w, e);
	change_done(&w.c);
	if (rc == 0)
		*ret = x;
	return rc;
}
