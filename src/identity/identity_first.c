/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way in when nobody has a credential: whoever can run wardiand on its host can make a tenant,
 * an owner of it and an operator of the platform.  Recorded like everything else, as done by the
 * system.
 */
#include "identity_internal.h"
#include "identity_key.h"
#include "identity_role.h"

struct found {
	struct uuid id;
	bool stands; /* active, with the role */
};

/* 1 found, 0 there is none. */
static int
find_user(
    const struct identity_ask *a, const struct identity_first *f, struct found *ret, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(a->tenant.uuid), DB_ARG_TEXT(f->user),
		DB_ARG_TEXT(system_role_name(f->role)), DB_ARGS_END };
	struct found u = { .stands = false };
	const struct db_col cols[] = { DB_UUID("user_id", &u.id), DB_BOOL("stands", &u.stands),
		DB_COLS_END };
	int rows = db_read_one(a->db, a->tenant, "identity_user_by_name", args, cols, a->mem, e);

	if (rows > 0)
		*ret = u;
	return rows;
}

/* Who has the name without the role does not get it: whoever made that user, and may hold a key of
 * it, need not be one who could give the role.  Names of operators are chosen, others are made up.
 */
static int
choose_name(const struct identity_ask *a, const struct identity_first *f, bool taken,
    const char **ret, struct err *e)
{
	char id[UUID_STR_SIZE];
	const char *name = f->user;

	if (taken && f->role == ROLE_OPERATOR)
		return err_set(e, ERR_CONFLICT,
		    "There is a user '%.63s' who is no operator, or is disabled; choose another "
		    "name, or let an operator change that",
		    f->user);
	if (taken)
		name = arena_printf(
		    a->mem, "%.26s-%s", f->user, uuid_format(uuid_v7(), id)); /* 63 at most */
	if (name == NULL)
		return arena_err(e);
	*ret = name;
	return 0;
}

static int
make_user(
    const struct identity_ask *a, const struct identity_first *f, struct uuid *ret, struct err *e)
{
	const struct identity_role_ref role = { .role = system_role_name(f->role) };
	struct identity_user_new n = { .roles = { .p = &role, .n = 1 } };
	struct found there = { .stands = false };
	struct identity_user u = { 0 };
	int found = find_user(a, f, &there, e);

	if (found < 0)
		return -1;
	if (there.stands) {
		*ret = there.id;
		return 0;
	}
	if (choose_name(a, f, found > 0, &n.name, e) < 0 || identity_user_create(a, &n, &u, e) < 0)
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
