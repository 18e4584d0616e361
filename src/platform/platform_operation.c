/* SPDX-License-Identifier: Apache-2.0 */
#include "platform_internal.h"

#include <string.h>

#define OPERATION_COLS(op)                                                                         \
	{                                                                                          \
		DB_UUID("operation_id", &(op)->id), DB_UUID("target", &(op)->target),              \
		    DB_TEXT("kind", &(op)->kind), DB_TEXT("target_name", &(op)->target_name),      \
		    DB_TEXT("stage", &(op)->stage), DB_JSON("progress", &(op)->progress),          \
		    DB_TEXT_NULL("problem", &(op)->problem),                                       \
		    DB_TEXT("created_by", &(op)->created_by), DB_BOOL("done", &(op)->done),        \
		    DB_TIME("created_at", &(op)->created_wall_us),                                 \
		    DB_TIME("updated_at", &(op)->updated_wall_us),                                 \
		    DB_TIME_NULL("ended_at", &(op)->ended_wall_us), DB_COLS_END                    \
	}

static int
check_confirm(const struct platform_tenant *t, const char *confirm, struct err *e)
{
	if (confirm != NULL && strcmp(t->name, confirm) == 0)
		return 0;
	err_field_add(e, "confirm",
	    "deleting a tenant destroys all that it owns; repeat its name to say that you mean it");
	return err_fields_done(e, ERR_BAD_PARAMETER);
}

static int
insert(struct registry_change *c, struct uuid operation, struct err *e)
{
	static const char gone[] = "deleting";
	struct uuid tenant = c->tenant.id.uuid;
	char by[ID_STR_SIZE];
	const struct db_arg row[] = { DB_ARG_UUID(operation), DB_ARG_UUID(tenant),
		DB_ARG_TEXT(c->tenant.name), DB_ARG_TEXT(asker(c->ask, by)), DB_ARGS_END };
	const struct db_arg move[] = { DB_ARG_UUID(tenant), DB_ARG_TEXT(gone), DB_ARG_TEXT(NULL),
		DB_ARGS_END };

	if (registry_exec(c, "platform_operation_insert", row, e) < 0)
		return -1;
	return registry_exec(c, "platform_tenant_move", move, e);
}

int
platform_tenant_delete(const struct platform_ask *a, struct tenant_id id, const char *confirm,
    struct platform_operation *ret, struct err *e)
{
	struct uuid operation = uuid_v7();
	AUTO_REGISTRY_CHANGE c = { 0 };
	char resource[ID_STR_SIZE];

	if (registry_begin(&c, a, id, e) < 0 || customers_only(&c.tenant, e) < 0 ||
	    check_confirm(&c.tenant, confirm, e) < 0)
		return -1;
	if (strcmp(c.tenant.state, "deleting") == 0)
		return err_set(e, ERR_CONFLICT,
		    "The tenant is being deleted already; GET /v1/operations tells how far it is");
	if (insert(&c, operation, e) < 0 ||
	    registry_commit(&c, "tenant.delete", id_format("ten", id.uuid, resource),
		changed_text(a, "name", c.tenant.name, NULL), e) < 0)
		return -1;
	return platform_operation_get(a->db, operation, a->mem, ret, e);
}

/* --- reading ---------------------------------------------------------------------------------- */

enum { NODES_MAX = 1000 };

struct node_listing {
	struct platform_node row;
	struct page_rows rows;
};

static int
keep_node(void *ctx, struct err *e)
{
	struct node_listing *l = ctx;

	if (l->rows.n == l->rows.max)
		return err_set(e, ERR_TOO_LARGE, "More than %d nodes are awaited", NODES_MAX);
	page_rows_add(&l->rows, &l->row);
	return 0;
}

static int
read_nodes(struct db *db, struct arena *mem, struct platform_operation *op, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(op->id), DB_ARGS_END };
	struct node_listing l = { 0 };
	const struct db_col cols[] = { DB_UUID("node_id", &l.row.id),
		DB_BOOL("waived", &l.row.waived), DB_TIME_NULL("done_at", &l.row.done_wall_us),
		DB_COLS_END };

	if (page_rows_init(&l.rows, mem, sizeof(l.row), NODES_MAX, e) < 0 ||
	    db_platform_read_each(
		db, "platform_operation_nodes", args, cols, mem, keep_node, &l, e) < 0)
		return -1;
	op->nodes = l.rows.at;
	op->n_nodes = l.rows.n;
	return 0;
}

int
platform_operation_get(
    struct db *db, struct uuid id, struct arena *mem, struct platform_operation *ret, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(id), DB_ARGS_END };
	struct platform_operation op = { 0 };
	const struct db_col cols[] = OPERATION_COLS(&op);
	int rows = db_platform_read_one(db, "platform_operation_get", args, cols, mem, e);

	if (rows < 0)
		return -1;
	if (rows == 0)
		return err_set(e, ERR_NOT_FOUND, "There is no such operation");
	if (read_nodes(db, mem, &op, e) < 0)
		return -1;
	*ret = op;
	return 0;
}

struct listing {
	struct platform_operation row;
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
platform_operation_list(struct db *db, struct uuid before, int64_t limit, struct arena *mem,
    struct platform_operation **ret, size_t *ret_n, bool *ret_more, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(before_or_newest(before)), DB_ARG_I64(limit + 1),
		DB_ARGS_END };
	struct listing l = { 0 };
	const struct db_col cols[] = OPERATION_COLS(&l.row);

	if (page_rows_init(&l.rows, mem, sizeof(l.row), limit, e) < 0 ||
	    db_platform_read_each(db, "platform_operation_list", args, cols, mem, keep_row, &l, e) <
		0)
		return -1;
	*ret_more = page_rows_more(&l.rows);
	*ret = l.rows.at;
	*ret_n = l.rows.n;
	return 0;
}

int
platform_operation_waive(
    const struct platform_ask *a, struct uuid id, struct uuid node, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(id), DB_ARG_UUID(node), DB_ARGS_END };
	AUTO_REGISTRY_CHANGE c = { 0 };
	char resource[ID_STR_SIZE], text[UUID_STR_SIZE];
	int64_t n;

	if (registry_begin(&c, a, tenant_platform_id, e) < 0)
		return -1;
	n = db_platform_exec(c.tx, "platform_operation_waive", args, e);
	if (n < 0)
		return -1;
	if (n == 0)
		return err_set(e, ERR_NOT_FOUND, "The operation does not wait for this node");
	return registry_commit(&c, "operation.waive_node", id_format("opr", id, resource),
	    changed_text(a, "node", uuid_format(node, text), NULL), e);
}

static void
print_nodes(const struct platform_operation *op, struct json_out *o)
{
	char text[UUID_STR_SIZE];

	json_out_key(o, "nodes");
	json_out_begin_array(o);
	for (size_t i = 0; i < op->n_nodes; i++) {
		json_out_begin(o);
		json_put_text(o, "node", uuid_format(op->nodes[i].id, text));
		json_put_bool(o, "waived", op->nodes[i].waived);
		json_put_time(o, "done_at", op->nodes[i].done_wall_us);
		json_out_end(o);
	}
	json_out_end_array(o);
}

void
platform_operation_print(const struct platform_operation *op, struct json_out *o)
{
	char id[ID_STR_SIZE];

	json_out_begin(o);
	json_put_text(o, "id", id_format("opr", op->id, id));
	json_put_text(o, "kind", op->kind);
	json_put_text(o, "target", id_format("ten", op->target, id));
	json_put_text(o, "target_name", op->target_name);
	json_put_bool(o, "done", op->done);
	json_put_text(o, "stage", op->stage);
	json_put_raw(o, "progress", op->progress);
	json_put_text(o, "problem", op->problem);
	json_put_text(o, "created_by", op->created_by);
	json_put_time(o, "created_at", op->created_wall_us);
	json_put_time(o, "updated_at", op->updated_wall_us);
	json_put_time(o, "ended_at", op->ended_wall_us);
	if (op->nodes != NULL)
		print_nodes(op, o);
	json_out_end(o);
}
