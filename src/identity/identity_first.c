/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way in when nobody has a credential: whoever can run wardiand on its host can make a tenant,
 * an owner of it and an operator of the platform.  Recorded like everything else, as done by the
 * system.
 */
#include "identity_internal.h"
#include "identity_key.h"
#include "identity_role.h"

/* 1 found, 0 there is none. */
static int
find_user(const struct identity_ask *a, const char *name, struct uuid *ret, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(a->tenant.uuid), DB_ARG_TEXT(name),
		DB_ARGS_END };
	struct uuid id;
	const struct db_col cols[] = { DB_UUID("user_id", &id), DB_COLS_END };
	int rows = db_read_one(a->db, a->tenant, "identity_user_by_name", args, cols, a->mem, e);

	if (rows > 0)
		*ret = id;
	return rows;
}

static int
give_role(const struct identity_ask *a, struct uuid user, const char *role, struct err *e)
{
	const struct identity_assignment_new n = { .user = user, .role.role = role };
	struct identity_assignment x = { 0 };
	bool made;

	return identity_assignment_create(a, &n, &x, &made, e);
}

static int
make_user(
    const struct identity_ask *a, const struct identity_first *f, struct uuid *ret, struct err *e)
{
	const struct identity_role_ref role = { .role = system_role_name(f->role) };
	const struct identity_user_new n = { .name = f->user, .roles = { .p = &role, .n = 1 } };
	struct identity_user u = { 0 };
	int found = find_user(a, f->user, ret, e);

	if (found != 0)
		return found < 0 ? -1 : give_role(a, *ret, role.role, e);
	if (identity_user_create(a, &n, &u, e) < 0)
		return -1;
	*ret = u.id;
	return 0;
}

int
identity_first_key(const struct identity_ask *a, const struct identity_first *f,
    char text[static 64], struct err *e)
{
	struct identity_key_new n = { .name = f->key_name };
	struct identity_key k = { 0 };

	_Static_assert(AUTH_KEY_SIZE == 64, "the contract says 64 bytes");
	if (make_user(a, f, &n.user, e) < 0)
		return -1;
	return identity_key_create(a, &n, &k, text, e);
}
