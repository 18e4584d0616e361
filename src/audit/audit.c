/* SPDX-License-Identifier: Apache-2.0 */
#include "audit.h"

#include <stdio.h>

extern const unsigned char sql_audit[];
const struct db_sql audit_sql = { "audit", (const char *)sql_audit };

static const char stmt_insert[] = "audit_insert";

void
audit_entry_init(struct audit_entry *a, const struct principal *who, const char *action,
    const char *resource, const char *request_id)
{
	*a = (struct audit_entry){ .id = uuid_v7(),
		.actor = "system",
		.action = action,
		.resource = resource,
		.outcome = "ok",
		.request_id = request_id };
	if (who != NULL)
		(void)snprintf(a->actor, sizeof(a->actor), "key:%.15s", who->key_public); /* fits */
}

void
audit_write(const struct audit_entry *a, struct db_arg args[static AUDIT_ARGS], struct db_write *w)
{
	const struct db_arg filled[AUDIT_ARGS] = { DB_ARG_UUID(a->id), DB_ARG_TEXT(a->actor),
		DB_ARG_TEXT(a->action), DB_ARG_TEXT(a->resource), DB_ARG_TEXT(a->outcome),
		DB_ARG_TEXT(a->request_id), DB_ARGS_END };

	for (size_t i = 0; i < AUDIT_ARGS; i++)
		args[i] = filled[i];
	*w = (struct db_write){ .stmt = stmt_insert, .args = args };
}

int
audit_append(struct db_tx *tx, const struct audit_entry *a, struct err *e)
{
	struct db_arg args[AUDIT_ARGS];
	struct db_write w;

	audit_write(a, args, &w);
	return db_exec(tx, w.stmt, w.args, e) < 0 ? -1 : 0;
}
