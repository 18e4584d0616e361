/* SPDX-License-Identifier: Apache-2.0 */
#include "platform_internal.h"

#include <string.h>

enum { NAME_MAX_BYTES = 63 };

static int
check_name(const char *name, struct err *e)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
	size_t n = strlen(name);

	if (n >= 1 && n <= NAME_MAX_BYTES && strspn(name, allowed) == n && name[0] != '-' &&
	    name[n - 1] != '-')
		return 0;
	err_field_add(e, "/name",
	    "a tenant's name is 1 to %d of a-z, 0-9 and '-', with no '-' at either end",
	    NAME_MAX_BYTES);
	return err_fields_done(e, ERR_INVALID);
}

int
platform_tenant_get(struct db *db, struct tenant_id id, struct arena *mem,
    struct platform_tenant *ret, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(id.uuid), DB_ARGS_END };
	struct platform_tenant t = { 0 };
	const struct db_col cols[] = REGISTRY_COLS(&t);
	int rows = db_platform_read_one(db, "platform_tenant_get", args, cols, mem, e);

	if (rows < 0)
		return -1;
	if (rows == 0)
		return err_set(e, ERR_NOT_FOUND, "There is no such tenant");
	*ret = t;
	return 0;
}

int
platform_tenant_find(
    struct db *db, const char *name, struct arena *mem, struct platform_tenant *ret, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_TEXT(name), DB_ARGS_END };
	struct tenant_id id;
	int64_t n = 0;
	const struct db_col cols[] = { DB_UUID("tenant_id", &id.uuid), DB_I64("n", &n),
		DB_COLS_END };
	int rows = db_platform_read_one(db, "platform_tenant_find", args, cols, mem, e);

	if (rows < 0)
		return -1;
	if (rows == 0)
		return err_set(e, ERR_NOT_FOUND, "There is no tenant of this name");
	if (n > 1)
		return err_set(e, ERR_CONFLICT, "There are %lld tenants of this name; use the id",
		    (long long)n);
	return platform_tenant_get(db, id, mem, ret, e);
}

struct listing {
	struct platform_tenant row;
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
platform_tenant_list(struct db *db, const struct platform_filter *f, struct arena *mem,
    struct platform_tenant **ret, size_t *ret_n, bool *ret_more, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(before_or_newest(f->before)),
		DB_ARG_TEXT(f->name), DB_ARG_TEXT(f->state), DB_ARG_I64(f->limit + 1),
		DB_ARGS_END };
	struct listing l = { 0 };
	const struct db_col cols[] = REGISTRY_COLS(&l.row);

	if (page_rows_init(&l.rows, mem, sizeof(l.row), f->limit, e) < 0)
		return -1;
	if (db_platform_read_each(db, "platform_tenant_list", args, cols, mem, keep_row, &l, e) < 0)
		return -1;
	*ret_more = page_rows_more(&l.rows);
	*ret = l.rows.at;
	*ret_n = l.rows.n;
	return 0;
}

/* --- changes ---------------------------------------------------------------------------------- */

static int
insert(struct db_platform_tx *tx, struct tenant_id id, const char *name, struct err *e)
{
	const struct db_arg row[] = { DB_ARG_UUID(id.uuid), DB_ARG_TEXT(name), DB_ARGS_END };
	const struct db_arg head[] = { DB_ARG_UUID(id.uuid), DB_ARGS_END };
	const struct db_arg project[] = { DB_ARG_UUID(id.uuid), DB_ARG_UUID(uuid_v7()),
		DB_ARGS_END };

	if (db_platform_exec(tx, "platform_tenant_insert", row, e) < 0 ||
	    db_platform_exec(tx, "platform_tenant_head", head, e) < 0 ||
	    db_platform_exec(tx, "platform_tenant_project", project, e) < 0)
		return -1;
	return 0;
}

int
platform_tenant_create(
    const struct platform_ask *a, const char *name, struct platform_tenant *ret, struct err *e)
{
	struct tenant_id id = { uuid_v7() };
	AUTO_REGISTRY_CHANGE c = { .tenant.id = id };
	char resource[ID_STR_SIZE];

	if (check_name(name, e) < 0)
		return -1;
	if (registry_open(&c, a, e) < 0 || insert(c.tx, id, name, e) < 0)
		return -1;
	if (registry_commit(&c, "tenant.create", id_format("ten", id.uuid, resource),
		changed_text(a, "name", NULL, name), e) < 0)
		return -1;
	return platform_tenant_get(a->db, id, a->mem, ret, e);
}

static int
check_version(const struct platform_tenant *t, int64_t want, struct err *e)
{
	if (want == PLATFORM_ANY_VERSION || want == t->version)
		return 0;
	return err_set(e, ERR_PRECONDITION,
	    "The tenant was changed meanwhile; read it again and send its present entity tag");
}

int
platform_tenant_rename(const struct platform_ask *a, struct tenant_id id, const char *name,
    int64_t if_version, struct platform_tenant *ret, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(id.uuid), DB_ARG_TEXT(name), DB_ARGS_END };
	AUTO_REGISTRY_CHANGE c = { 0 };
	char resource[ID_STR_SIZE];

	if (check_name(name, e) < 0 || registry_begin(&c, a, id, e) < 0 ||
	    customers_only(&c.tenant, e) < 0 || check_version(&c.tenant, if_version, e) < 0 ||
	    registry_exec(&c, "platform_tenant_rename", args, e) < 0)
		return -1;
	if (registry_commit(&c, "tenant.rename", id_format("ten", id.uuid, resource),
		changed_text(a, "name", c.tenant.name, name), e) < 0)
		return -1;
	return platform_tenant_get(a->db, id, a->mem, ret, e);
}

struct state_change {
	const char *action, *from, *to, *reason;
};

static int
change_state(const struct platform_ask *a, struct tenant_id id, const struct state_change *s,
    struct platform_tenant *ret, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(id.uuid), DB_ARG_TEXT(s->to),
		DB_ARG_TEXT(s->reason), DB_ARGS_END };
	AUTO_REGISTRY_CHANGE c = { 0 };
	char resource[ID_STR_SIZE];

	if (registry_begin(&c, a, id, e) < 0 || customers_only(&c.tenant, e) < 0)
		return -1;
	if (strcmp(c.tenant.state, s->from) != 0)
		return err_set(
		    e, ERR_CONFLICT, "The tenant is %s, not %s", c.tenant.state, s->from);
	if (registry_exec(&c, "platform_tenant_move", args, e) < 0 ||
	    registry_commit(&c, s->action, id_format("ten", id.uuid, resource),
		changed_text(a, "state_reason", c.tenant.state_reason, s->reason), e) < 0)
		return -1;
	return platform_tenant_get(a->db, id, a->mem, ret, e);
}

int
platform_tenant_suspend(const struct platform_ask *a, struct tenant_id id, const char *reason,
    struct platform_tenant *ret, struct err *e)
{
	struct state_change s = { "tenant.suspend", "active", "suspended", reason };

	if (reason_clean(a, &s.reason, 1, e) < 0)
		return -1;
	return change_state(a, id, &s, ret, e);
}

int
platform_tenant_resume(
    const struct platform_ask *a, struct tenant_id id, struct platform_tenant *ret, struct err *e)
{
	const struct state_change s = { "tenant.resume", "suspended", "active", NULL };

	return change_state(a, id, &s, ret, e);
}

/* --- owners ----------------------------------------------------------------------------------- */

/* An operator who made himself an owner would have what support access is there to bound. */
static int
check_ownerless(struct registry_change *c, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(c->tenant.id.uuid),
		DB_ARG_TEXT(system_role_name(ROLE_OWNER)), DB_ARGS_END };
	bool stands = true;
	const struct db_col cols[] = { DB_BOOL("stands", &stands), DB_COLS_END };

	if (strcmp(c->tenant.state, "deleting") == 0)
		return err_set(e, ERR_CONFLICT, "The tenant is being deleted");
	if (db_platform_one(c->tx, "platform_owner_stands", args, cols, c->ask->mem, e) < 0)
		return -1;
	if (!stands)
		return 0;
	return err_set(e, ERR_CONFLICT,
	    "An owner of the tenant has a key in force, or can come in by an issuer, and makes "
	    "others; when all keys are lost, run wardiand bootstrap --tenant on the server's host");
}

int
platform_owner_admit(const struct platform_ask *a, struct tenant_id id, struct err *e)
{
	AUTO_REGISTRY_CHANGE c = { 0 };
	char resource[ID_STR_SIZE];

	if (registry_begin(&c, a, id, e) < 0 || customers_only(&c.tenant, e) < 0 ||
	    check_ownerless(&c, e) < 0)
		return -1;
	return registry_commit(
	    &c, "tenant.admit_owner", id_format("ten", id.uuid, resource), NULL, e);
}

/* --- limits ----------------------------------------------------------------------------------- */

static int
amount_before(struct registry_change *c, enum quota q, int64_t *ret, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(c->tenant.id.uuid), DB_ARG_TEXT(quota_name(q)),
		DB_ARGS_END };
	const char *name;
	const struct db_col cols[] = { DB_TEXT("name", &name), DB_I64("amount", ret), DB_COLS_END };

	*ret = -1;
	return db_platform_one(c->tx, "platform_limit_get", args, cols, c->ask->mem, e) < 0 ? -1
											    : 0;
}

static void
put_amount(struct json_out *o, int64_t amount)
{
	if (amount < 0)
		json_out_null(o);
	else
		json_out_i64(o, amount);
}

static int
set_limits(struct registry_change *c, const struct platform_limit *limits, size_t n,
    struct json_out *o, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		enum quota q = limits[i].quota;
		int64_t before;

		if (amount_before(c, q, &before, e) < 0 ||
		    quota_set(c->tx, c->tenant.id, q, limits[i].amount, e) < 0)
			return -1;
		json_out_key(o, quota_name(q));
		json_out_begin_array(o);
		put_amount(o, before);
		put_amount(o, limits[i].amount);
		json_out_end_array(o);
	}
	return 0;
}

int
platform_limits_set(const struct platform_ask *a, struct tenant_id id,
    const struct platform_limit *limits, size_t n, struct err *e)
{
	enum { CHANGES_MAX_BYTES = 16 << 10 };
	AUTO_REGISTRY_CHANGE c = { 0 };
	AUTO_BUF b = { 0 };
	char resource[ID_STR_SIZE];
	struct json_out o;

	buf_init(&b, CHANGES_MAX_BYTES);
	json_out_init(&o, &b);
	json_out_begin(&o);
	if (registry_begin(&c, a, id, e) < 0 || set_limits(&c, limits, n, &o, e) < 0)
		return -1;
	json_out_end(&o);
	if (buf_check(&b, e) < 0)
		return -1;
	return registry_commit(&c, "quota.update", id_format("ten", id.uuid, resource), b.p, e);
}

void
platform_tenant_print(const struct platform_tenant *t, struct json_out *o)
{
	char id[ID_STR_SIZE];

	json_out_begin(o);
	json_put_text(o, "id", id_format("ten", t->id.uuid, id));
	json_put_text(o, "name", t->name);
	json_put_text(o, "kind", t->kind);
	json_put_text(o, "state", t->state);
	json_put_text(o, "state_reason", t->state_reason);
	json_put_time(o, "state_changed_at", t->state_changed_wall_us);
	json_put_bool(o, "support_allowed", t->support_allowed);
	json_put_time(o, "created_at", t->created_wall_us);
	json_put_i64(o, "version", t->version);
	json_out_end(o);
}
