/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Support access: an operator may look into a tenant for a while, for a reason, and the tenant sees
 * who, when and why, and may end it.
 */
#include "platform_internal.h"

#include <string.h>

#define SUPPORT_COLS(s)                                                                            \
	{                                                                                          \
		DB_UUID("support_id", &(s)->id), DB_UUID("operator_id", &(s)->operator_id),        \
		    DB_TEXT("operator_name", &(s)->operator_name),                                 \
		    DB_TEXT("system_role", &(s)->role), DB_TEXT("reason", &(s)->reason),           \
		    DB_TIME("created_at", &(s)->created_wall_us),                                  \
		    DB_TIME("expires_at", &(s)->expires_wall_us),                                  \
		    DB_TIME_NULL("ended_at", &(s)->ended_wall_us),                                 \
		    DB_TEXT_NULL("ended_by", &(s)->ended_by), DB_BOOL("active", &(s)->active),     \
		    DB_COLS_END                                                                    \
	}

static int
check_open(const struct platform_tenant *t, enum system_role role, struct err *e)
{
	if (customers_only(t, e) < 0)
		return -1;
	if (role == ROLE_OWNER || role == ROLE_OPERATOR) {
		err_field_add(
		    e, "/role", "support access cannot have this role; take a lesser one");
		return err_fields_done(e, ERR_INVALID);
	}
	if (strcmp(t->state, "deleting") == 0)
		return err_set(e, ERR_CONFLICT, "The tenant is being deleted");
	if (!t->support_allowed)
		return err_set(e, ERR_DENIED,
		    "The tenant does not allow support access; ask an owner of it to set "
		    "support_allowed");
	return 0;
}

int
platform_support_open(const struct platform_ask *a, struct tenant_id id, enum system_role role,
    const char *reason, int64_t lifetime_s, struct platform_support *ret, struct err *e)
{
	const struct principal *who = a->by->who;
	struct uuid support = uuid_v7();
	struct platform_support s = { 0 };
	const struct db_col cols[] = SUPPORT_COLS(&s);
	AUTO_REGISTRY_CHANGE c = { 0 };
	char resource[ID_STR_SIZE];

	REQUIRE(lifetime_s >= PLATFORM_SUPPORT_LEAST_S && lifetime_s <= PLATFORM_SUPPORT_MOST_S);
	if (reason_clean(a, &reason, PLATFORM_SUPPORT_REASON_MIN, e) < 0)
		return -1;
	const struct db_arg args[] = { DB_ARG_UUID(id.uuid), DB_ARG_UUID(support),
		DB_ARG_UUID(who->user), DB_ARG_TEXT(who->name), DB_ARG_TEXT(system_role_name(role)),
		DB_ARG_TEXT(reason), DB_ARG_I64(lifetime_s), DB_ARGS_END };
	if (registry_begin(&c, a, id, e) < 0 || check_open(&c.tenant, role, e) < 0)
		return -1;
	if (db_platform_one(c.tx, "platform_support_insert", args, cols, a->mem, e) < 0)
		return -1;
	if (registry_commit(&c, "support.open", id_format("sup", support, resource),
		changed_text(a, "reason", NULL, reason), e) < 0)
		return -1;
	*ret = s;
	return 0;
}

static int
not_known(struct err *e)
{
	return err_set(e, ERR_NOT_FOUND, "There is no such support access");
}

int
platform_support_end(
    const struct platform_ask *a, struct tenant_id id, struct uuid support, struct err *e)
{
	char by[ID_STR_SIZE], resource[ID_STR_SIZE];
	const struct db_arg args[] = { DB_ARG_UUID(id.uuid), DB_ARG_UUID(support),
		DB_ARG_TEXT(asker(a, by)), DB_ARGS_END };
	const struct db_arg known_args[] = { DB_ARG_UUID(id.uuid), DB_ARG_UUID(support),
		DB_ARGS_END };
	const struct db_arg bump[] = { DB_ARG_UUID(id.uuid), DB_ARGS_END };
	bool known = false;
	const struct db_col cols[] = { DB_BOOL("known", &known), DB_COLS_END };
	AUTO_REGISTRY_CHANGE c = { 0 };
	int64_t n;

	if (registry_begin(&c, a, id, e) < 0 ||
	    db_platform_one(c.tx, "platform_support_known", known_args, cols, a->mem, e) < 0)
		return -1;
	if (!known)
		return not_known(e);
	n = db_platform_exec(c.tx, "platform_support_end", args, e);
	if (n <= 0)
		return n < 0 ? -1 : 0; /* it had ended: nothing to write */
	if (registry_exec(&c, "platform_access_bump", bump, e) < 0)
		return -1;
	return registry_commit(&c, "support.end", id_format("sup", support, resource), NULL, e);
}

int
platform_support_end_own(
    const struct platform_ask *a, struct tenant_id tenant, struct uuid support, struct err *e)
{
	char by[ID_STR_SIZE], resource[ID_STR_SIZE];
	const struct db_arg args[] = { DB_ARG_UUID(tenant.uuid), DB_ARG_UUID(support),
		DB_ARG_TEXT(asker(a, by)), DB_ARGS_END };
	const struct db_arg known_args[] = { DB_ARG_UUID(tenant.uuid), DB_ARG_UUID(support),
		DB_ARGS_END };
	const struct db_arg bump[] = { DB_ARG_UUID(tenant.uuid), DB_ARGS_END };
	bool known = false;
	const struct db_col cols[] = { DB_BOOL("known", &known), DB_COLS_END };
	const struct audit_note note = { .by = a->by,
		.action = "support.end",
		.resource = id_format("sup", support, resource) };
	AUTO(db_tx) tx = NULL;
	int64_t n;

	if (db_tx_begin(a->db, tenant, &tx, e) < 0 || audit_lock(tx, tenant, e) < 0 ||
	    db_one(tx, "platform_support_known_own", known_args, cols, a->mem, e) < 0)
		return -1;
	if (!known)
		return not_known(e);
	n = db_exec(tx, "platform_support_end_own", args, e);
	if (n <= 0)
		return n < 0 ? -1 : 0; /* it had ended: nothing to write */
	if (db_exec(tx, "platform_access_bump_own", bump, e) < 0 ||
	    audit_append(tx, tenant, &note, a->mem, e) < 0)
		return -1;
	return db_tx_commit(&tx, e);
}

/* --- lists ------------------------------------------------------------------------------------ */

struct listing {
	struct platform_support row;
	struct page_rows rows;
};

static int
keep_row(void *ctx, struct err *e)
{
	struct listing *l = ctx;

	(void)e; /* nothing can fail */
	page_rows_add(&l->rows, &l->row);
	return 0;
}

int
platform_support_list(struct db *db, struct tenant_id tenant, struct uuid before, int64_t limit,
    struct arena *mem, struct platform_support **ret, size_t *ret_n, bool *ret_more, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(tenant.uuid),
		DB_ARG_UUID(before_or_newest(before)), DB_ARG_I64(limit + 1), DB_ARGS_END };
	struct listing l = { 0 };
	const struct db_col cols[] = SUPPORT_COLS(&l.row);

	if (page_rows_init(&l.rows, mem, sizeof(l.row), limit, e) < 0 ||
	    db_read_each(db, tenant, "platform_support_list", args, cols, mem, keep_row, &l, e) < 0)
		return -1;
	*ret_more = page_rows_more(&l.rows);
	*ret = l.rows.at;
	*ret_n = l.rows.n;
	return 0;
}

void
platform_support_print(const struct platform_support *s, struct json_out *o)
{
	char id[ID_STR_SIZE];

	json_put_text(o, "id", id_format("sup", s->id, id));
	json_out_key(o, "operator");
	json_out_begin(o);
	json_put_text(o, "id", id_format("usr", s->operator_id, id));
	json_put_text(o, "name", s->operator_name);
	json_out_end(o);
	json_put_text(o, "role", s->role);
	json_put_text(o, "reason", s->reason);
	json_put_time(o, "created_at", s->created_wall_us);
	json_put_time(o, "expires_at", s->expires_wall_us);
	json_put_time(o, "ended_at", s->ended_wall_us);
	json_put_text(o, "ended_by", s->ended_by);
	json_put_bool(o, "active", s->active);
}
