/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who has which role where.  Who gives a role or takes it away needs role:assign there and all that
 * the role allows there.  A role of a key limits the key; its first one therefore takes something
 * away and its last one cannot go.
 */
#include "identity_key_internal.h"
#include "identity_role.h"

#include <stdio.h>
#include <string.h>

/* --- giving ----------------------------------------------------------------------------------- */

int
project_check(struct change *c, struct uuid project, const char *pointer, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(c->ask->tenant.uuid), DB_ARG_UUID(project),
		DB_ARGS_END };
	struct uuid id;
	const struct db_col cols[] = { DB_UUID("project_id", &id), DB_COLS_END };
	int rows;

	if (uuid_is_nil(project))
		return 0;
	rows = change_one(c, "identity_project_get", args, cols, e);
	if (rows < 0)
		return -1;
	return rows == 0 ? invalid(e, pointer, "is not a project of this tenant") : 0;
}

int
roles_resolve(struct change *c, const struct identity_roles *roles, const char *base,
    struct role_pick *ret, struct grants *g, struct err *e)
{
	char pointer[ERR_FIELD_SIZE];

	for (size_t i = 0; i < roles->n; i++) {
		(void)snprintf(pointer, sizeof(pointer), "%s/%zu/role", base, i); /* short */
		if (role_pick(c, roles->p[i].role, pointer, &ret[i], e) < 0)
			return -1;
		(void)snprintf(pointer, sizeof(pointer), "%s/%zu/project", base, i);
		if (project_check(c, roles->p[i].project, pointer, e) < 0 ||
		    role_add(c, &ret[i], roles->p[i].project, g, e) < 0)
			return -1;
	}
	return 0;
}

/* 1 and the id when exactly this is there. */
static int
find_same(struct change *c, const struct role_holder *h, const struct role_pick *r,
    struct uuid project, struct uuid *ret, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(c->ask->tenant.uuid), ARG_UUID_OR_NULL(h->user),
		ARG_UUID_OR_NULL(h->key), DB_ARG_TEXT(r->system ? r->name : NULL),
		ARG_UUID_OR_NULL(r->id), ARG_UUID_OR_NULL(project), DB_ARGS_END };
	struct uuid id;
	const struct db_col cols[] = { DB_UUID("assignment_id", &id), DB_COLS_END };
	int rows = change_one(c, "identity_assignment_find", args, cols, e);

	if (rows > 0)
		*ret = id;
	return rows;
}

static int
insert_row(struct change *c, const struct role_holder *h, const struct role_pick *r,
    struct uuid project, struct uuid *ret, struct err *e)
{
	struct uuid id = uuid_v7();
	const struct db_arg args[] = { DB_ARG_UUID(c->ask->tenant.uuid), DB_ARG_UUID(id),
		ARG_UUID_OR_NULL(h->user), ARG_UUID_OR_NULL(h->key),
		DB_ARG_TEXT(r->system ? r->name : NULL), ARG_UUID_OR_NULL(r->id),
		ARG_UUID_OR_NULL(project), DB_ARGS_END };

	if (change_quota(c, QUOTA_ROLE_ASSIGNMENTS, 1, e) < 0 ||
	    change_exec(c, "identity_assignment_insert", args, e) < 0)
		return -1;
	*ret = id;
	return 1;
}

int
assignment_put(struct change *c, const struct role_holder *h, const struct role_pick *r,
    struct uuid project, struct uuid *ret, struct err *e)
{
	int found = find_same(c, h, r, project, ret, e);

	if (found != 0)
		return found < 0 ? -1 : 0;
	return insert_row(c, h, r, project, ret, e);
}

int
assignments_put(struct change *c, const struct role_holder *h, const struct identity_roles *roles,
    const struct role_pick *picks, struct err *e)
{
	struct uuid ignored;

	for (size_t i = 0; i < roles->n; i++)
		if (assignment_put(c, h, &picks[i], roles->p[i].project, &ignored, e) < 0)
			return -1;
	return 0;
}

int
holders_touch(struct change *c, const struct touched *t, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(c->ask->tenant.uuid),
		ARG_UUID_OR_NULL(t->assignment), ARG_UUID_OR_NULL(t->project),
		ARG_UUID_OR_NULL(t->role), DB_ARGS_END };

	if (change_exec(c, "identity_touch_users", args, e) < 0)
		return -1;
	return change_exec(c, "identity_touch_keys", args, e);
}

/* --- reading ---------------------------------------------------------------------------------- */

enum { ASSIGNMENT_COLS = 7 };

static void
assignment_columns(struct identity_assignment *x, struct db_col cols[static ASSIGNMENT_COLS])
{
	const struct db_col all[] = { DB_UUID("assignment_id", &x->id),
		DB_UUID_NULL("user_id", &x->user), DB_UUID_NULL("key_id", &x->key),
		DB_TEXT("role", &x->role.role), DB_UUID_NULL("project_id", &x->role.project),
		DB_TIME("created_at", &x->created_wall_us), DB_COLS_END };

	_Static_assert(ARRAY_LEN(all) == ASSIGNMENT_COLS, "every column has a place");
	memcpy(cols, all, sizeof(all));
}

static int
read_assignment(struct change *c, struct uuid id, struct identity_assignment *ret, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(c->ask->tenant.uuid), DB_ARG_UUID(id),
		DB_ARGS_END };
	struct identity_assignment x = { 0 };
	struct db_col cols[ASSIGNMENT_COLS];
	int rows;

	assignment_columns(&x, cols);
	rows = change_one(c, "identity_assignment_get", args, cols, e);
	if (rows < 0)
		return -1;
	if (rows == 0)
		return not_found(e, "role assignment");
	*ret = x;
	return 0;
}

struct list_walk {
	struct identity_assignment row;
	struct rows rows;
};

static int
list_row(void *ctx, struct err *e)
{
	struct list_walk *w = ctx;

	(void)e; /* there is room for every row */
	rows_push(&w->rows, &w->row);
	return 0;
}

int
identity_assignment_list(struct db *db, struct tenant_id tenant,
    const struct identity_assignment_filter *f, struct arena *mem, struct identity_assignments *ret,
    struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(tenant.uuid), DB_ARG_UUID(page_before(&f->page)),
		ARG_UUID_OR_NULL(f->user), ARG_UUID_OR_NULL(f->key), ARG_UUID_OR_NULL(f->project),
		DB_ARG_TEXT(f->role), DB_ARG_I64(f->page.limit + 1), DB_ARGS_END };
	struct db_col cols[ASSIGNMENT_COLS];
	struct list_walk w = { 0 };

	assignment_columns(&w.row, cols);
	if (rows_init(&w.rows, mem, sizeof(w.row), f->page.limit, e) < 0 ||
	    db_read_each(db, tenant, "identity_assignment_list", args, cols, mem, list_row, &w, e) <
		0)
		return -1;
	ret->more = rows_more(&w.rows);
	ret->p = (struct identity_assignment *)(void *)w.rows.p;
	ret->n = w.rows.n;
	return 0;
}

/* --- changing --------------------------------------------------------------------------------- */

/* The first role of a key takes away all that the key can do elsewhere and otherwise. */
static int
check_key(struct change *c, struct uuid id, struct err *e)
{
	struct identity_key k = { 0 };

	if (key_read(c, id, &k, NULL, e) < 0)
		return e->code == ERR_NOT_FOUND
			   ? invalid(e, "/key", "is not an API key of this tenant")
			   : -1;
	return k.roles.n > 0 || k.revoked_wall_us != 0 ? 0 : key_may_take(c, &k, e);
}

static int
check_holder(struct change *c, const struct role_holder *h, struct err *e)
{
	struct identity_user u = { 0 };

	if (uuid_is_nil(h->user))
		return check_key(c, h->key, e);
	if (user_read(c, h->user, &u, e) == 0)
		return 0;
	return e->code == ERR_NOT_FOUND ? invalid(e, "/user", "is not a user of this tenant") : -1;
}

/* One that the caller may not see is like one that is not there. */
static int
check_place(struct change *c, struct uuid project, struct err *e)
{
	bool seen = uuid_is_nil(project) || change_may(c, PERM_PROJECT_READ, project) ||
		    change_may(c, PERM_ROLE_ASSIGN, project);

	/* Nobody's id is looked for in its place, so that both take the same way. */
	return project_check(c, seen ? project : uuid_v7(), "/project", e);
}

/* Whether the holder's roles still fit, the new one included. */
static int
check_room(struct change *c, const struct role_holder *h, struct err *e)
{
	struct holder now = { 0 };

	if (holder_read(c->tx, c->ask->tenant, h->user, h->key, &now, e) < 0)
		return -1;
	if (now.overflow)
		return projects_overflow(e);
	if (now.n > IDENTITY_ROLES_MAX)
		return err_set(e, ERR_QUOTA,
		    "One user or key has at most %d roles; make a role that joins them",
		    IDENTITY_ROLES_MAX);
	return 0;
}

static int
check_given(
    struct change *c, const struct identity_assignment_new *n, struct role_pick *ret, struct err *e)
{
	const struct role_holder h = { .user = n->user, .key = n->key };
	struct grants given = { 0 };

	if (check_place(c, n->role.project, e) < 0 ||
	    change_needs(c, PERM_ROLE_ASSIGN, n->role.project, e) < 0 ||
	    check_holder(c, &h, e) < 0 || role_pick(c, n->role.role, "/role", ret, e) < 0)
		return -1;
	if (ret->system && ret->role == ROLE_OPERATOR && !uuid_is_nil(n->role.project))
		return invalid(
		    e, "/project", "must be left out: operators have the whole platform");
	return role_add(c, ret, n->role.project, &given, e) < 0 ? -1 : change_covers(c, &given, e);
}

static void
note_assignment(struct change *c, const struct identity_assignment *x, bool made)
{
	const struct uuid nil = { { 0 } };

	change_id(c, "user", "usr", made ? nil : x->user, made ? x->user : nil);
	change_id(c, "key", "key", made ? nil : x->key, made ? x->key : nil);
	change_text(c, "role", made ? NULL : x->role.role, made ? x->role.role : NULL);
	change_id(c, "project", "prj", made ? nil : x->role.project, made ? x->role.project : nil);
}

/* 1 made, 0 there already. */
static int
make_assignment(struct change *c, const struct identity_assignment_new *n,
    struct identity_assignment *x, struct err *e)
{
	const struct role_holder h = { .user = n->user, .key = n->key };
	struct role_pick role = { 0 };
	int made;

	if (check_given(c, n, &role, e) < 0)
		return -1;
	made = assignment_put(c, &h, &role, n->role.project, &x->id, e);
	if (made < 0 || read_assignment(c, x->id, x, e) < 0)
		return -1;
	if (made == 0)
		return 0;
	note_assignment(c, x, true);
	const struct touched touched = { .assignment = x->id };
	if (check_room(c, &h, e) < 0 || holders_touch(c, &touched, e) < 0 ||
	    change_commit(c, "asg", x->id, e) < 0)
		return -1;
	return 1;
}

int
identity_assignment_create(const struct identity_ask *a, const struct identity_assignment_new *n,
    struct identity_assignment *ret, bool *ret_made, struct err *e)
{
	static const struct change_kind kind = { .action = "role.assign",
		.needs = PERM_ROLE_ASSIGN,
		.somewhere = true,
		.access = true };
	struct identity_assignment x = { 0 };
	AUTO_CHANGE c = { 0 };
	int rc;

	REQUIRE(uuid_is_nil(n->user) != uuid_is_nil(n->key));
	if (change_begin(&c, a, &kind, e) < 0)
		return -1;
	rc = change_replay(&c, false, &x.id, e);
	if (rc != 0) {
		if (rc < 0 || read_assignment(&c, x.id, &x, e) < 0)
			return -1;
	} else {
		rc = make_assignment(&c, n, &x, e);
		if (rc < 0)
			return -1;
	}
	*ret = x;
	*ret_made = rc > 0;
	return 0;
}

/* Without any role a key is not limited by roles at all. */
static int
check_key_keeps_role(struct change *c, struct uuid key, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(c->ask->tenant.uuid), DB_ARG_UUID(key),
		DB_ARGS_END };
	const char *roles = NULL;
	int64_t revoked_us = 0;
	const struct db_col cols[] = { DB_TEXT_NULL("roles", &roles),
		DB_TIME_NULL("revoked_at", &revoked_us), DB_COLS_END };

	if (uuid_is_nil(key))
		return 0;
	if (change_one(c, "identity_key_get", args, cols, e) < 0)
		return -1;
	if (roles != NULL || revoked_us != 0)
		return 0;
	return err_set(e, ERR_IN_USE,
	    "It is the key's only role, and without one the key could do all that its owner may; "
	    "give it another role first, or revoke the key");
}

static int
check_taken(struct change *c, const struct identity_assignment *x, struct err *e)
{
	const struct uuid nil = { { 0 } };
	struct grants taken = { 0 };
	struct role_pick role = { 0 };

	/* Who sees roles may learn that it is there. */
	if (!change_may(c, PERM_ROLE_ASSIGN, x->role.project))
		return change_may(c, PERM_ROLE_READ, nil)
			   ? change_needs(c, PERM_ROLE_ASSIGN, x->role.project, e)
			   : not_found(e, "role assignment");
	if (role_pick(c, x->role.role, "", &role, e) < 0 ||
	    role_add(c, &role, x->role.project, &taken, e) < 0)
		return -1;
	return change_covers(c, &taken, e);
}

int
identity_assignment_delete(const struct identity_ask *a, struct uuid id, struct err *e)
{
	static const struct change_kind kind = { .action = "role.unassign",
		.needs = PERM_ROLE_ASSIGN,
		.somewhere = true,
		.access = true };
	const struct db_arg args[] = { DB_ARG_UUID(a->tenant.uuid), DB_ARG_UUID(id), DB_ARGS_END };
	const struct touched touched = { .assignment = id };
	struct identity_assignment x = { 0 };
	AUTO_CHANGE c = { 0 };

	if (change_begin(&c, a, &kind, e) < 0 || read_assignment(&c, id, &x, e) < 0 ||
	    check_taken(&c, &x, e) < 0 || holders_touch(&c, &touched, e) < 0 ||
	    change_exec(&c, "identity_assignment_delete", args, e) < 0 ||
	    check_key_keeps_role(&c, x.key, e) < 0)
		return -1;
	if (strcmp(x.role.role, system_role_name(change_owner_role(&c))) == 0 &&
	    uuid_is_nil(x.role.project) && change_keeps_owner(&c, e) < 0)
		return -1;
	note_assignment(&c, &x, false);
	return change_commit(&c, "asg", id, e);
}
