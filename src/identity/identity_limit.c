/* SPDX-License-Identifier: Apache-2.0 */
#include "identity_limit.h"

#include "identity_internal.h"

#include <stdio.h>

static const struct change_kind kind_limits = { .action = "quota.update",
	.needs = PERM_QUOTA_UPDATE };

static const char *
amount_text(int64_t amount, char out[static 24])
{
	if (amount < 0)
		return "null";
	(void)snprintf(out, 24, "%lld", (long long)amount); /* fits any int64_t */
	return out;
}

static int
set(struct change *c, struct uuid project, const struct identity_limit *l, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(c->ask->tenant.uuid), DB_ARG_UUID(project),
		DB_ARG_TEXT(quota_name(l->quota)), DB_ARGS_END };
	char before_text[24], after_text[24];
	int64_t before = -1;
	const struct db_col cols[] = { DB_I64("amount", &before), DB_COLS_END };

	if (db_one(c->tx, "identity_project_limit", args, cols, c->ask->mem, e) < 0 ||
	    quota_set_project(c->tx, c->ask->tenant, project, l->quota, l->amount, e) < 0)
		return -1;
	change_json(c, quota_name(l->quota), amount_text(before, before_text),
	    amount_text(l->amount, after_text));
	return 0;
}

int
identity_project_limits(const struct identity_ask *a, struct uuid project,
    const struct identity_limit *limits, size_t n, struct err *e)
{
	const struct scope everywhere = { .everywhere = true };
	struct identity_project p = { 0 };
	AUTO_CHANGE c = { 0 };

	if (identity_project_get(a->db, a->tenant, &everywhere, project, a->mem, &p, e) < 0 ||
	    change_begin(&c, a, &kind_limits, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (set(&c, project, &limits[i], e) < 0)
			return -1;
	return change_commit(&c, "prj", project, e);
}
