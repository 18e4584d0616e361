/* SPDX-License-Identifier: Apache-2.0 */
#include "tenant.h"

extern const unsigned char sql_tenant[];
const struct db_sql tenant_sql = { "tenant", (const char *)sql_tenant };

int
tenant_get(
    struct db *db, struct tenant_id tenant, struct arena *mem, struct tenant *ret, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(tenant.uuid), DB_ARGS_END };
	struct tenant t;
	const struct db_col cols[] = { DB_UUID("tenant_id", &t.id.uuid), DB_TEXT("name", &t.name),
		DB_TEXT("kind", &t.kind), DB_TEXT("state", &t.state),
		DB_TEXT_NULL("state_reason", &t.state_reason),
		DB_BOOL("support_allowed", &t.support_allowed), DB_I64("version", &t.version),
		DB_TIME("created_at", &t.created_wall_us), DB_COLS_END };
	int rows = db_read_one(db, tenant, "tenant_self", args, cols, mem, e);

	if (rows < 0)
		return -1;
	if (rows == 0)
		return err_set(e, ERR_NOT_FOUND, "There is no such tenant");
	*ret = t;
	return 0;
}
