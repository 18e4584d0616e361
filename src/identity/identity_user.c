/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users.  Whoever decides about a user's existence, disabling or link to an issuer decides about
 * the user's roles, and needs all that they allow.
 */
#include "identity_internal.h"

#include <stdio.h>
#include <string.h>

/* --- rows ------------------------------------------------------------------------------------- */

struct user_row {
	struct identity_user user;
	const char *kind, *roles;
};

enum { USER_COLS = 11 };

static void
user_columns(struct user_row *r, struct db_col cols[static USER_COLS])
{
	struct identity_user *u = &r->user;
	const struct db_col all[] = { DB_UUID("user_id", &u->id), DB_TEXT("kind", &r->kind),
		DB_TEXT("name", &u->name), DB_TEXT_NULL("email", &u->email),
		DB_UUID_NULL("issuer_id", &u->issuer), DB_TEXT_NULL("subject", &u->subject),
		DB_TIME("created_at", &u->created_wall_us),
		DB_TIME_NULL("disabled_at", &u->disabled_wall_us), DB_I64("version", &u->version),
		DB_TEXT_NULL("roles", &r->roles), DB_COLS_END };

	_Static_assert(ARRAY_LEN(all) == USER_COLS, "every column has a place");
	memcpy(cols, all, sizeof(all));
}

static int
read_row(const struct user_row *r, struct arena *mem, struct identity_user *ret, struct err *e)
{
	struct identity_user u = r->user;

	u.person = strcmp(r->kind, "person") == 0;
	if (roles_read(r->roles, mem, &u.roles, e) < 0)
		return -1;
	*ret = u;
	return 0;
}

static const char *
kind_name(bool person)
{
	return person ? "person" : "service";
}

/* --- reading ---------------------------------------------------------------------------------- */

int
identity_user_get(struct db *db, struct tenant_id tenant, struct uuid id, struct arena *mem,
    struct identity_user *ret, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(tenant.uuid), DB_ARG_UUID(id), DB_ARGS_END };
	struct user_row row = { 0 };
	struct db_col cols[USER_COLS];
	int rows;

	user_columns(&row, cols);
	rows = db_read_one(db, tenant, "identity_user_get", args, cols, mem, e);
	if (rows < 0)
		return -1;
	return rows == 0 ? not_found(e, "user") : read_row(&row, mem, ret, e);
}

struct list_walk {
	struct arena *mem;
	struct user_row row;
	struct rows rows;
};

static int
list_row(void *ctx, struct err *e)
{
	struct list_walk *w = ctx;
	struct identity_user u = { 0 };

	if (read_row(&w->row, w->mem, &u, e) < 0)
		return -1;
	rows_push(&w->rows, &u);
	return 0;
}

int
identity_user_list(struct db *db, struct tenant_id tenant, const struct identity_user_filter *f,
    struct arena *mem, struct identity_users *ret, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(tenant.uuid), DB_ARG_UUID(page_before(&f->page)),
		DB_ARG_TEXT(f->person.set ? kind_name(f->person.v) : NULL), ARG_FLAG(f->disabled),
		DB_ARG_I64(f->page.limit + 1), DB_ARGS_END };
	struct db_col cols[USER_COLS];
	struct list_walk w = { .mem = mem };

	user_columns(&w.row, cols);
	if (rows_init(&w.rows, mem, sizeof(struct identity_user), f->page.limit, e) < 0 ||
	    db_read_each(db, tenant, "identity_user_list", args, cols, mem, list_row, &w, e) < 0)
		return -1;
	ret->more = rows_more(&w.rows);
	ret->p = (struct identity_user *)(void *)w.rows.p;
	ret->n = w.rows.n;
	return 0;
}

int
user_read(struct change *c, struct uuid id, struct identity_user *ret, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(c->ask->tenant.uuid), DB_ARG_UUID(id),
		DB_ARGS_END };
	struct user_row row = { 0 };
	struct db_col cols[USER_COLS];
	int rows;

	user_columns(&row, cols);
	rows = change_one(c, "identity_user_get", args, cols, e);
	if (rows < 0)
		return -1;
	return rows == 0 ? not_found(e, "user") : read_row(&row, c->ask->mem, ret, e);
}

/* --- what a user's row may hold --------------------------------------------------------------- */

static int
check_texts(struct arena *mem, struct identity_user *u, struct err *e)
{
	if (text_clean(mem, &u->name, IDENTITY_NAME_MAX, "/name", e) < 0 ||
	    text_clean(mem, &u->email, IDENTITY_EMAIL_MAX, "/email", e) < 0 ||
	    email_check(u->email, "/email", e) < 0 ||
	    text_clean(mem, &u->subject, IDENTITY_SUBJECT_MAX, "/subject", e) < 0)
		return -1;
	if (uuid_is_nil(u->issuer) && u->subject != NULL)
		return invalid(e, "/issuer", "is required with a subject");
	if (!uuid_is_nil(u->issuer) && u->subject == NULL)
		return invalid(e, "/subject", "is required with an issuer");
	return 0;
}

static void
note_user(struct change *c, const struct identity_user *before, const struct identity_user *after)
{
	static const struct identity_user none = { 0 };
	const struct identity_user *b = before == NULL ? &none : before;
	const struct identity_user *a = after == NULL ? &none : after;

	change_text(c, "name", b->name, a->name);
	change_text(c, "kind", before == NULL ? NULL : kind_name(b->person),
	    after == NULL ? NULL : kind_name(a->person));
	change_text(c, "email", b->email, a->email);
	change_id(c, "issuer", "iss", b->issuer, a->issuer);
	change_text(c, "subject", b->subject, a->subject);
	change_flag(c, "disabled", b->disabled_wall_us != 0, a->disabled_wall_us != 0);
}

static void
note_roles(struct change *c, const struct identity_roles *roles, bool given)
{
	static const char none[] = "[]";
	AUTO_BUF b = { 0 };
	struct json_out o;

	buf_init(&b, (size_t)64 << 10);
	json_out_init(&o, &b);
	identity_roles_print(roles, &o);
	if (roles->n > 0 && !b.failed)
		change_json(c, "roles", given ? none : b.p, given ? b.p : none);
}

/* --- changing --------------------------------------------------------------------------------- */

/* Roles at creation are given like any other. */
static int
check_given(
    struct change *c, const struct identity_roles *roles, struct role_pick *picks, struct err *e)
{
	struct grants given = { 0 };

	if (roles_resolve(c, roles, "/roles", picks, &given, e) < 0)
		return -1;
	for (size_t i = 0; i < roles->n; i++)
		if (change_needs(c, PERM_ROLE_ASSIGN, roles->p[i].project, e) < 0)
			return -1;
	return change_covers(c, &given, e);
}

static int
insert_user(struct change *c, const struct identity_user *u, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(c->ask->tenant.uuid), DB_ARG_UUID(u->id),
		DB_ARG_TEXT(kind_name(u->person)), DB_ARG_TEXT(u->name), DB_ARG_TEXT(u->email),
		ARG_UUID_OR_NULL(u->issuer), DB_ARG_TEXT(u->subject), DB_ARGS_END };

	if (change_quota(c, QUOTA_USERS, 1, e) < 0)
		return -1;
	return change_exec(c, "identity_user_insert", args, e);
}

static int
make_user(
    struct change *c, const struct identity_user_new *n, struct identity_user *u, struct err *e)
{
	const struct role_holder h = { .user = u->id };
	struct role_pick picks[IDENTITY_ROLES_MAX];

	if (check_given(c, &n->roles, picks, e) < 0 || insert_user(c, u, e) < 0 ||
	    assignments_put(c, &h, &n->roles, picks, e) < 0 || user_read(c, u->id, u, e) < 0)
		return -1;
	note_user(c, NULL, u);
	note_roles(c, &u->roles, true);
	return change_commit(c, "usr", u->id, e);
}

int
identity_user_check(const struct identity_user_new *n, struct arena *mem, struct err *e)
{
	struct identity_user u = {
		.name = n->name, .email = n->email, .issuer = n->issuer, .subject = n->subject
	};

	return check_texts(mem, &u, e);
}

int
identity_user_create(const struct identity_ask *a, const struct identity_user_new *n,
    struct identity_user *ret, struct err *e)
{
	static const struct change_kind kind = {
		.action = "user.create", .needs = PERM_USER_CREATE, .access = true
	};
	struct identity_user u = { .id = uuid_v7(),
		.person = n->person,
		.name = n->name,
		.email = n->email,
		.issuer = n->issuer,
		.subject = n->subject };
	AUTO_CHANGE c = { 0 };
	int replay;

	REQUIRE(n->roles.n <= IDENTITY_ROLES_MAX);
	if (check_texts(a->mem, &u, e) < 0 || change_begin(&c, a, &kind, e) < 0)
		return -1;
	replay = change_replay(&c, false, &u.id, e);
	if (replay != 0)
		return replay < 0 ? -1 : user_read(&c, u.id, ret, e);
	if (make_user(&c, n, &u, e) < 0)
		return -1;
	*ret = u;
	return 0;
}

static struct identity_user
merge(const struct identity_user *before, const struct identity_user_change *ch)
{
	struct identity_user u = *before;

	if (ch->name.set)
		u.name = ch->name.v;
	if (ch->email.set)
		u.email = ch->email.v;
	if (ch->issuer.set)
		u.issuer = ch->issuer.id;
	if (ch->subject.set)
		u.subject = ch->subject.v;
	if (ch->disabled.set && !ch->disabled.v)
		u.disabled_wall_us = 0;
	else if (ch->disabled.set && u.disabled_wall_us == 0)
		u.disabled_wall_us = 1; /* the database says when */
	return u;
}

/* Tokens of the subject of a disabled user are refused, whatever the issuer's rules say. */
static int
covers_subject(struct change *c, const struct identity_user *u, struct err *e)
{
	if (u->disabled_wall_us == 0 || uuid_is_nil(u->issuer))
		return 0;
	return issuer_covers_rules(c, u->issuer, e);
}

/* Whoever links a user to a subject gives its roles away; whoever disables it takes them, and what
 * rules give its subject. */
static int
check_power(struct change *c, const struct identity_user *before, const struct identity_user *after,
    struct err *e)
{
	const struct uuid nil = { { 0 } };
	bool toggled = (before->disabled_wall_us != 0) != (after->disabled_wall_us != 0);
	bool linked = uuid_cmp(before->issuer, after->issuer) != 0 ||
		      (after->subject != NULL && before->subject != NULL &&
			  strcmp(before->subject, after->subject) != 0);
	struct holder h = { 0 };

	if (!toggled && !linked)
		return 0;
	if (covers_subject(c, before, e) < 0 || covers_subject(c, after, e) < 0 ||
	    holder_read(c->tx, c->ask->tenant, before->id, nil, &h, e) < 0)
		return -1;
	return change_covers_holder(c, &h, e);
}

static bool
is_owner(const struct change *c, const struct identity_user *u)
{
	const char *owner = system_role_name(change_owner_role(c));

	for (size_t i = 0; i < u->roles.n; i++)
		if (uuid_is_nil(u->roles.p[i].project) && strcmp(u->roles.p[i].role, owner) == 0)
			return u->disabled_wall_us == 0;
	return false;
}

static int
update_user(struct change *c, const struct identity_user *u, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(c->ask->tenant.uuid), DB_ARG_UUID(u->id),
		DB_ARG_TEXT(u->name), DB_ARG_TEXT(u->email), ARG_UUID_OR_NULL(u->issuer),
		DB_ARG_TEXT(u->subject), DB_ARG_BOOL(u->disabled_wall_us != 0), DB_ARGS_END };

	return change_exec(c, "identity_user_update", args, e);
}

int
identity_user_update(const struct identity_ask *a, struct uuid id,
    const struct identity_user_change *ch, int64_t if_version, struct identity_user *ret,
    struct err *e)
{
	static const struct change_kind kind = {
		.action = "user.update", .needs = PERM_USER_UPDATE, .access = true
	};
	struct identity_user before = { 0 }, after;
	AUTO_CHANGE c = { 0 };

	if (change_begin(&c, a, &kind, e) < 0 || user_read(&c, id, &before, e) < 0 ||
	    version_check(before.version, if_version, e) < 0)
		return -1;
	after = merge(&before, ch);
	if (check_texts(a->mem, &after, e) < 0 || check_power(&c, &before, &after, e) < 0)
		return -1;
	note_user(&c, &before, &after);
	if (c.n_notes == 0) {
		*ret = before;
		return 0;
	}
	if (update_user(&c, &after, e) < 0 || user_read(&c, id, &after, e) < 0)
		return -1;
	if (is_owner(&c, &before) && !is_owner(&c, &after) && change_keeps_owner(&c, e) < 0)
		return -1;
	if (change_commit(&c, "usr", id, e) < 0)
		return -1;
	*ret = after;
	return 0;
}

/* --- removing --------------------------------------------------------------------------------- */

/* Notes how many go. */
static int
check_keys(struct change *c, struct uuid id, bool with_keys, struct err *e)
{
	char before[24];
	const struct db_arg args[] = { DB_ARG_UUID(c->ask->tenant.uuid), DB_ARG_UUID(id),
		DB_ARGS_END };
	int64_t live = 0;
	const struct db_col cols[] = { DB_I64("live", &live), DB_COLS_END };

	if (change_one(c, "identity_user_keys", args, cols, e) < 0)
		return -1;
	if (live > 0 && !with_keys)
		return err_set(e, ERR_IN_USE,
		    "The user has %lld API key%s in force; revoke them first, or all at once with "
		    "?revoke_keys=true",
		    (long long)live, live == 1 ? "" : "s");
	(void)snprintf(before, sizeof(before), "%lld", (long long)live); /* fits any int64_t */
	change_json(c, "keys", before, "0");
	if (live > 0)
		return change_needs(c, PERM_KEY_REVOKE, (struct uuid){ { 0 } }, e);
	return 0;
}

static int
remove_user(struct change *c, struct uuid id, struct err *e)
{
	static const char *const steps[] = { "identity_user_unassign", "identity_user_keys_delete",
		"identity_user_delete" };
	const struct db_arg args[] = { DB_ARG_UUID(c->ask->tenant.uuid), DB_ARG_UUID(id),
		DB_ARGS_END };

	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		if (change_exec(c, steps[i], args, e) < 0)
			return -1;
	return 0;
}

int
identity_user_delete(
    const struct identity_ask *a, struct uuid id, bool with_keys, int64_t if_version, struct err *e)
{
	static const struct change_kind kind = {
		.action = "user.delete", .needs = PERM_USER_DELETE, .access = true
	};
	const struct uuid nil = { { 0 } };
	struct identity_user u = { 0 };
	struct holder h = { 0 };
	AUTO_CHANGE c = { 0 };

	if (change_begin(&c, a, &kind, e) < 0 || user_read(&c, id, &u, e) < 0 ||
	    version_check(u.version, if_version, e) < 0 ||
	    holder_read(c.tx, a->tenant, id, nil, &h, e) < 0 ||
	    change_covers_holder(&c, &h, e) < 0 || covers_subject(&c, &u, e) < 0 ||
	    check_keys(&c, id, with_keys, e) < 0 || remove_user(&c, id, e) < 0)
		return -1;
	if (is_owner(&c, &u) && change_keeps_owner(&c, e) < 0)
		return -1;
	note_user(&c, &u, NULL);
	note_roles(&c, &u.roles, false);
	return change_commit(&c, "usr", id, e);
}
