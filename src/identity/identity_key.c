/* SPDX-License-Identifier: Apache-2.0 */
/* Reading API keys. */
#include "identity_key_internal.h"

#include <string.h>

/* --- rows ------------------------------------------------------------------------------------- */

struct key_row {
	struct identity_key key;
	const char *scopes, *cidrs, *roles;
	bool expired;
};

enum { KEY_COLS = 20 };

static void
key_columns(struct key_row *r, struct db_col cols[static KEY_COLS])
{
	struct identity_key *k = &r->key;
	const struct db_col all[] = { DB_UUID("key_id", &k->id), DB_UUID("user_id", &k->user),
		DB_TEXT("public_id", &k->public_id), DB_TEXT("kind", &k->kind),
		DB_TEXT("name", &k->name), DB_TEXT("last4", &k->last4),
		DB_TEXT_NULL("scopes", &r->scopes), DB_TEXT_NULL("cidrs", &r->cidrs),
		DB_TIME("created_at", &k->created_wall_us),
		DB_TIME_NULL("expires_at", &k->expires_wall_us),
		DB_TIME_NULL("last_used_at", &k->last_used_wall_us),
		DB_TEXT_NULL("last_used_from", &k->last_used_from),
		DB_TIME_NULL("previous_until", &k->previous_until_us),
		DB_TIME_NULL("revoked_at", &k->revoked_wall_us),
		DB_TEXT_NULL("revoked_by", &k->revoked_by), DB_I64("version", &k->version),
		DB_BOOL("expired", &r->expired), DB_TEXT_NULL("roles", &r->roles), DB_COLS_END };

	_Static_assert(ARRAY_LEN(all) <= KEY_COLS, "every column has a place");
	memcpy(cols, all, sizeof(all));
}

static int
read_row(const struct key_row *r, struct arena *mem, struct identity_key *ret, struct err *e)
{
	struct identity_key k = r->key;

	k.scopes.limited = r->scopes != NULL;
	k.scopes.set = permissions_read(r->scopes);
	k.cidrs.limited = r->cidrs != NULL;
	if (roles_read(r->roles, mem, &k.roles, e) < 0 ||
	    (r->cidrs != NULL && net_cidrs_parse(r->cidrs, &k.cidrs.list, e) < 0))
		return -1;
	*ret = k;
	return 0;
}

/* --- reading ---------------------------------------------------------------------------------- */

int
identity_key_get(struct db *db, struct tenant_id tenant, struct uuid id, struct arena *mem,
    struct identity_key *ret, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(tenant.uuid), DB_ARG_UUID(id), DB_ARGS_END };
	struct key_row row = { 0 };
	struct db_col cols[KEY_COLS];
	int rows;

	key_columns(&row, cols);
	rows = db_read_one(db, tenant, "identity_key_get", args, cols, mem, e);
	if (rows < 0)
		return -1;
	return rows == 0 ? not_found(e, "API key") : read_row(&row, mem, ret, e);
}

struct list_walk {
	struct arena *mem;
	struct key_row row;
	struct rows rows;
};

static int
list_row(void *ctx, struct err *e)
{
	struct list_walk *w = ctx;
	struct identity_key k = { 0 };

	if (read_row(&w->row, w->mem, &k, e) < 0)
		return -1;
	rows_push(&w->rows, &k);
	return 0;
}

int
identity_key_list(struct db *db, struct tenant_id tenant, const struct identity_key_filter *f,
    struct arena *mem, struct identity_keys *ret, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(tenant.uuid), DB_ARG_UUID(page_before(&f->page)),
		ARG_UUID_OR_NULL(f->user), ARG_FLAG(f->revoked), DB_ARG_I64(f->page.limit + 1),
		DB_ARGS_END };
	struct db_col cols[KEY_COLS];
	struct list_walk w = { .mem = mem };

	key_columns(&w.row, cols);
	if (rows_init(&w.rows, mem, sizeof(struct identity_key), f->page.limit, e) < 0 ||
	    db_read_each(db, tenant, "identity_key_list", args, cols, mem, list_row, &w, e) < 0)
		return -1;
	ret->more = rows_more(&w.rows);
	ret->p = (struct identity_key *)(void *)w.rows.p;
	ret->n = w.rows.n;
	return 0;
}

int
key_read(
    struct change *c, struct uuid id, struct identity_key *ret, bool *ret_expired, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(c->ask->tenant.uuid), DB_ARG_UUID(id),
		DB_ARGS_END };
	struct key_row row = { 0 };
	struct db_col cols[KEY_COLS];
	int rows;

	key_columns(&row, cols);
	rows = change_one(c, "identity_key_get", args, cols, e);
	if (rows < 0)
		return -1;
	if (rows == 0)
		return not_found(e, "API key");
	if (ret_expired != NULL)
		*ret_expired = row.expired;
	return read_row(&row, c->ask->mem, ret, e);
}
