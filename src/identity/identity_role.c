/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Roles.  System roles are values of the program, never rows; a tenant's own have a name that no
 * system role bears, so that a name alone says which is meant.  A role of one's own can hold no
 * permission of the platform, and none that its maker lacks in the whole tenant.
 */
#include "identity_internal.h"
#include "identity_role.h"

#include <string.h>

bool
role_fits(enum system_role r, bool platform)
{
	if (platform)
		return r == ROLE_OPERATOR || r == ROLE_AUDITOR;
	return r != ROLE_OPERATOR;
}

/* --- rows ------------------------------------------------------------------------------------- */

struct role_row {
	struct identity_role role;
	const char *permissions;
};

enum { ROLE_COLS = 7 };

static void
role_columns(struct role_row *r, struct db_col cols[static ROLE_COLS])
{
	const struct db_col all[] = { DB_UUID("role_id", &r->role.id),
		DB_TEXT("name", &r->role.name), DB_TEXT_NULL("title", &r->role.title),
		DB_TEXT("permissions", &r->permissions),
		DB_TIME("created_at", &r->role.created_wall_us),
		DB_I64("version", &r->role.version), DB_COLS_END };

	_Static_assert(ARRAY_LEN(all) == ROLE_COLS, "every column has a place");
	memcpy(cols, all, sizeof(all));
}

static struct identity_role
own_role(const struct role_row *r)
{
	struct identity_role role = r->role;

	role.permissions = permissions_read(r->permissions);
	return role;
}

static struct identity_role
system_role_of(enum system_role r, bool platform)
{
	permission_set set = system_role_permissions(r);

	if (platform)
		set &= system_role_permissions(ROLE_OPERATOR);
	return (struct identity_role){ .name = system_role_name(r),
		.title = system_role_title(r),
		.system = true,
		.permissions = set,
		.version = 1 };
}

/* --- reading ---------------------------------------------------------------------------------- */

/* An id when it looks like one, else a name.  False when it can be neither. */
static bool
read_ref(const char *ref, struct uuid *ret_id, const char **ret_name)
{
	struct err ignored;

	*ret_name = NULL;
	*ret_id = (struct uuid){ { 0 } };
	if (strncmp(ref, "rol_", 4) == 0)
		return id_parse("rol", ref, ret_id, &ignored) == 0;
	*ret_name = ref;
	return true;
}

static bool
find_system(struct tenant_id tenant, const char *name, struct identity_role *ret)
{
	bool platform = uuid_cmp(tenant.uuid, tenant_platform_id.uuid) == 0;
	enum system_role r;

	if (name == NULL || !system_role_parse(name, &r) || !role_fits(r, platform))
		return false;
	*ret = system_role_of(r, platform);
	return true;
}

int
identity_role_get(struct db *db, struct tenant_id tenant, const char *ref, struct arena *mem,
    struct identity_role *ret, struct err *e)
{
	struct role_row row = { 0 };
	struct db_col cols[ROLE_COLS];
	struct uuid id;
	const char *name;
	int rows;

	if (!read_ref(ref, &id, &name))
		return not_found(e, "role");
	if (find_system(tenant, name, ret))
		return 0;
	const struct db_arg args[] = { DB_ARG_UUID(tenant.uuid), ARG_UUID_OR_NULL(id),
		DB_ARG_TEXT(name), DB_ARGS_END };
	role_columns(&row, cols);
	rows = db_read_one(db, tenant, "identity_role_find", args, cols, mem, e);
	if (rows < 0)
		return -1;
	if (rows == 0)
		return not_found(e, "role");
	*ret = own_role(&row);
	return 0;
}

struct list_walk {
	struct role_row row;
	struct rows rows;
};

static int
list_row(void *ctx, struct err *e)
{
	struct list_walk *w = ctx;
	struct identity_role role = own_role(&w->row);

	(void)e; /* there is room for every row */
	rows_push(&w->rows, &role);
	return 0;
}

int
identity_role_list(struct db *db, struct tenant_id tenant, struct arena *mem,
    struct identity_role_list *ret, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(tenant.uuid), DB_ARG_I64(OWN_ROLES_MAX),
		DB_ARGS_END };
	struct db_col cols[ROLE_COLS];
	struct list_walk w = { 0 };
	struct identity_role role = { 0 };

	if (rows_init(&w.rows, mem, sizeof(role), OWN_ROLES_MAX + ROLE_COUNT, e) < 0)
		return -1;
	for (int r = 0; r < ROLE_COUNT; r++)
		if (find_system(tenant, system_role_name((enum system_role)r), &role))
			rows_push(&w.rows, &role);
	role_columns(&w.row, cols);
	if (db_read_each(db, tenant, "identity_role_list", args, cols, mem, list_row, &w, e) < 0)
		return -1;
	*ret = (struct identity_role_list){ .p = (struct identity_role *)(void *)w.rows.p,
		.n = w.rows.n };
	return 0;
}

/* --- changing --------------------------------------------------------------------------------- */

static int
check_name(const char *name, struct err *e)
{
	enum system_role r;

	if (label_check(name, "/name", e) < 0)
		return -1;
	if (!system_role_parse(name, &r))
		return 0;
	e->n_fields = 0;
	err_field_add(e, "/name", "is the name of a system role; choose another one");
	return err_fields_done(e, ERR_NAME_TAKEN);
}

/* `changed`: what the role would give or no longer give. */
static int
check_permissions(const struct change *c, permission_set all, permission_set changed, struct err *e)
{
	const struct grants g = { .everywhere = changed };
	permission_set foreign = all & permission_set_of_level(PERM_LEVEL_PLATFORM);
	struct permission_names names;

	permissions_name(foreign, &names);
	if (names.n > 0)
		return invalid(e, "/permissions",
		    "%s is for operators of the platform and in no role of a tenant",
		    names.name[0]);
	return change_covers(c, &g, e);
}

static int
write_role(struct change *c, const char *stmt, struct identity_role *role, struct err *e)
{
	struct permission_names names;
	struct role_row row = { 0 };
	struct db_col cols[ROLE_COLS];

	permissions_name(role->permissions, &names);
	const struct db_arg args[] = { DB_ARG_UUID(c->ask->tenant.uuid), DB_ARG_UUID(role->id),
		DB_ARG_TEXT(role->name), DB_ARG_TEXT(role->title),
		DB_ARG_TEXTS(names.name, names.n), DB_ARGS_END };
	role_columns(&row, cols);
	if (change_one(c, stmt, args, cols, e) < 0)
		return -1;
	*role = own_role(&row);
	return 0;
}

static void
note_role(struct change *c, const struct identity_role *before, const struct identity_role *after)
{
	static const struct identity_role none = { 0 };
	const struct identity_role *b = before == NULL ? &none : before;
	const struct identity_role *a = after == NULL ? &none : after;

	change_text(c, "name", b->name, a->name);
	change_text(c, "title", b->title, a->title);
	change_set(c, "permissions", before != NULL, b->permissions, after != NULL, a->permissions);
}

/* One of the tenant's own, for changing it. */
static int
find_own(struct change *c, const char *ref, struct identity_role *ret, struct err *e)
{
	struct role_row row = { 0 };
	struct db_col cols[ROLE_COLS];
	struct uuid id;
	const char *name;
	int rows;

	if (!read_ref(ref, &id, &name))
		return not_found(e, "role");
	if (find_system(c->ask->tenant, name, ret))
		return err_set(e, ERR_DENIED,
		    "System roles cannot be changed; make a role of your own from its permissions");
	const struct db_arg args[] = { DB_ARG_UUID(c->ask->tenant.uuid), ARG_UUID_OR_NULL(id),
		DB_ARG_TEXT(name), DB_ARGS_END };
	role_columns(&row, cols);
	rows = change_one(c, "identity_role_find", args, cols, e);
	if (rows < 0)
		return -1;
	if (rows == 0)
		return not_found(e, "role");
	*ret = own_role(&row);
	return 0;
}

static int
make_role(struct change *c, struct identity_role *role, struct err *e)
{
	if (c->platform)
		return err_set(e, ERR_CONFLICT, "The platform's tenant has system roles only");
	if (check_permissions(c, role->permissions, role->permissions, e) < 0 ||
	    change_quota(c, QUOTA_ROLES, 1, e) < 0 ||
	    write_role(c, "identity_role_insert", role, e) < 0)
		return -1;
	note_role(c, NULL, role);
	return change_commit(c, "rol", role->id, e);
}

int
identity_role_create(const struct identity_ask *a, const struct identity_role_new *n,
    struct identity_role *ret, struct err *e)
{
	static const struct change_kind kind = { .action = "role.create",
		.needs = PERM_ROLE_CREATE };
	struct identity_role role = {
		.id = uuid_v7(), .name = n->name, .title = n->title, .permissions = n->permissions
	};
	char id[ID_STR_SIZE];
	AUTO_CHANGE c = { 0 };
	int replay;

	if (check_name(n->name, e) < 0 ||
	    text_clean(a->mem, &role.title, IDENTITY_TITLE_MAX, "/title", e) < 0 ||
	    change_begin(&c, a, &kind, e) < 0)
		return -1;
	replay = change_replay(&c, false, &role.id, e);
	if (replay != 0)
		return replay < 0 ? -1 : find_own(&c, id_format("rol", role.id, id), ret, e);
	if (make_role(&c, &role, e) < 0)
		return -1;
	*ret = role;
	return 0;
}

/* Rules of issuers name roles: a role that one names keeps its name. */
static int
check_rules(struct change *c, const struct identity_role *role, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(c->ask->tenant.uuid), DB_ARG_TEXT(role->name),
		DB_ARG_NULL(DB_TYPE_TEXT), DB_ARGS_END };
	const char *issuer = NULL;
	const struct db_col cols[] = { DB_TEXT("name", &issuer), DB_COLS_END };
	int rows = change_one(c, "identity_rule_issuer", args, cols, e);

	if (rows <= 0)
		return rows;
	return err_set(e, ERR_IN_USE,
	    "A rule of the issuer '%.100s' gives this role; change the issuer's rules first",
	    issuer);
}

/* Its holders are shown with its name. */
static int
check_rename(struct change *c, const struct identity_role *role, struct err *e)
{
	const struct touched touched = { .role = role->id };

	return check_rules(c, role, e) < 0 ? -1 : holders_touch(c, &touched, e);
}

int
identity_role_update(const struct identity_ask *a, const char *ref,
    const struct identity_role_change *ch, int64_t if_version, struct identity_role *ret,
    struct err *e)
{
	static const struct change_kind kind = {
		.action = "role.update", .needs = PERM_ROLE_UPDATE, .access = true
	};
	struct identity_role before = { 0 }, after;
	AUTO_CHANGE c = { 0 };

	if (change_begin(&c, a, &kind, e) < 0 || find_own(&c, ref, &before, e) < 0 ||
	    version_check(before.version, if_version, e) < 0)
		return -1;
	after = before;
	if (ch->name.set)
		after.name = ch->name.v;
	if (ch->title.set)
		after.title = ch->title.v;
	if (ch->permissions.set)
		after.permissions = ch->permissions.v;
	if (check_name(after.name, e) < 0 ||
	    text_clean(a->mem, &after.title, IDENTITY_TITLE_MAX, "/title", e) < 0 ||
	    check_permissions(&c, after.permissions, after.permissions ^ before.permissions, e) < 0)
		return -1;
	if (strcmp(after.name, before.name) != 0 && check_rename(&c, &before, e) < 0)
		return -1;
	note_role(&c, &before, &after);
	if (c.n_notes == 0) {
		*ret = before;
		return 0;
	}
	if (write_role(&c, "identity_role_update", &after, e) < 0 ||
	    change_commit(&c, "rol", after.id, e) < 0)
		return -1;
	*ret = after;
	return 0;
}

static int
check_unassigned(struct change *c, const struct identity_role *role, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(c->ask->tenant.uuid), DB_ARG_UUID(role->id),
		DB_ARGS_END };
	int64_t n = 0;
	const struct db_col cols[] = { DB_I64("n", &n), DB_COLS_END };

	if (change_one(c, "identity_role_assignments", args, cols, e) < 0)
		return -1;
	if (n == 0)
		return check_rules(c, role, e);
	return err_set(e, ERR_IN_USE,
	    "The role is given %lld time%s; take it away first: GET /v1/role-assignments?role=%s",
	    (long long)n, n == 1 ? "" : "s", role->name);
}

int
identity_role_delete(
    const struct identity_ask *a, const char *ref, int64_t if_version, struct err *e)
{
	static const struct change_kind kind = { .action = "role.delete",
		.needs = PERM_ROLE_DELETE };
	struct identity_role role = { 0 };
	AUTO_CHANGE c = { 0 };

	if (change_begin(&c, a, &kind, e) < 0 || find_own(&c, ref, &role, e) < 0 ||
	    version_check(role.version, if_version, e) < 0 || check_unassigned(&c, &role, e) < 0)
		return -1;
	const struct db_arg args[] = { DB_ARG_UUID(a->tenant.uuid), DB_ARG_UUID(role.id),
		DB_ARGS_END };
	note_role(&c, &role, NULL);
	if (change_exec(&c, "identity_role_delete", args, e) < 0)
		return -1;
	return change_commit(&c, "rol", role.id, e);
}

/* --- choosing a role to give ------------------------------------------------------------------ */

static int
pick_own(
    struct change *c, const char *name, const char *pointer, struct role_pick *ret, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(c->ask->tenant.uuid), DB_ARG_NULL(DB_TYPE_UUID),
		DB_ARG_TEXT(name), DB_ARGS_END };
	struct role_row row = { 0 };
	struct db_col cols[ROLE_COLS];
	int rows;

	role_columns(&row, cols);
	rows = change_one(c, "identity_role_find", args, cols, e);
	if (rows < 0)
		return -1;
	if (rows == 0)
		return invalid(
		    e, pointer, "is not a role of this tenant; GET /v1/roles lists them");
	*ret = (struct role_pick){ .name = row.role.name,
		.id = row.role.id,
		.permissions = permissions_read(row.permissions) };
	return 0;
}

int
role_pick(
    struct change *c, const char *name, const char *pointer, struct role_pick *ret, struct err *e)
{
	enum system_role r;

	if (!system_role_parse(name, &r))
		return pick_own(c, name, pointer, ret, e);
	if (!role_fits(r, c->platform))
		return invalid(e, pointer,
		    "is not given in this tenant; GET /v1/roles lists those "
		    "that are");
	*ret = (struct role_pick){ .name = system_role_name(r),
		.system = true,
		.role = r,
		.permissions = system_role_permissions(r) };
	return 0;
}

int
role_add(const struct change *c, const struct role_pick *r, struct uuid project, struct grants *g,
    struct err *e)
{
	struct grants one = { 0 };

	/* Masked before it is added: in the platform's tenant a role is less than elsewhere. */
	if (!grants_add(&one, project, r->permissions))
		return err_set(e, ERR_INTERNAL, "one project does not fit into none");
	change_mask(c, &one);
	return grants_add(g, project, grants_in(&one, project)) ? 0 : projects_overflow(e);
}
