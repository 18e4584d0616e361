/* SPDX-License-Identifier: Apache-2.0 */
#include "quota.h"

#include <string.h>

extern const unsigned char sql_quota[];
const struct db_sql quota_sql = { "quota", (const char *)sql_quota };

enum level { PROJECT, TENANT };

static const struct {
	const char *name, *unit, *sentence;
	enum level level;
} table[] = {
#define QUOTA(name, text, level, unit, sentence) { #text, unit, sentence, level },
#include "quota.def"
#undef QUOTA
};

const char *
quota_name(enum quota q)
{
	return table[q].name;
}

const char *
quota_unit(enum quota q)
{
	return table[q].unit;
}

const char *
quota_sentence(enum quota q)
{
	return table[q].sentence;
}

bool
quota_of_project(enum quota q)
{
	return table[q].level == PROJECT;
}

bool
quota_parse(const char *name, enum quota *ret)
{
	for (int q = 0; q < QUOTA_COUNT; q++)
		if (strcmp(table[q].name, name) == 0) {
			*ret = (enum quota)q;
			return true;
		}
	return false;
}

/* --- what was set
 * --------------------------------------------------------------------------------- */

struct setting {
	const char *name;
	int64_t amount;
	struct quota_amounts *into;
	bool *set; /* QUOTA_COUNT of them; may be NULL */
};

/* A name that this version does not know was set by another one and means nothing here. */
static int
keep_setting(void *ctx, struct err *e)
{
	struct setting *s = ctx;
	enum quota q;

	(void)e; /* nothing can fail */
	if (!quota_parse(s->name, &q))
		return 0;
	s->into->amount[q] = s->amount;
	if (s->set != NULL)
		s->set[q] = true;
	return 0;
}

int
quota_amounts(struct db *db, struct tenant_id tenant, const struct quota_amounts *defaults,
    struct arena *mem, struct quota_amounts *ret, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(tenant.uuid), DB_ARGS_END };
	struct quota_amounts amounts = *defaults;
	struct setting s = { .into = &amounts };
	const struct db_col cols[] = { DB_TEXT("name", &s.name), DB_I64("amount", &s.amount),
		DB_COLS_END };

	if (db_read_each(db, tenant, "quota_of_tenant", args, cols, mem, keep_setting, &s, e) < 0)
		return -1;
	*ret = amounts;
	return 0;
}

int
quota_amounts_in(struct db_tx *tx, struct tenant_id tenant, const struct quota_amounts *defaults,
    struct arena *mem, struct quota_amounts *ret, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(tenant.uuid), DB_ARGS_END };
	struct quota_amounts amounts = *defaults;
	struct setting s = { .into = &amounts };
	const struct db_col cols[] = { DB_TEXT("name", &s.name), DB_I64("amount", &s.amount),
		DB_COLS_END };

	if (db_each(tx, "quota_of_tenant", args, cols, mem, keep_setting, &s, e) < 0)
		return -1;
	*ret = amounts;
	return 0;
}

/* --- lines
 * ---------------------------------------------------------------------------------------- */

static int
read_set(struct db *db, struct tenant_id tenant, struct uuid project, struct arena *mem,
    struct setting *s, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(tenant.uuid), DB_ARG_UUID(project),
		DB_ARGS_END };
	const struct db_arg of_tenant[] = { DB_ARG_UUID(tenant.uuid), DB_ARGS_END };
	const struct db_col cols[] = { DB_TEXT("name", &s->name), DB_I64("amount", &s->amount),
		DB_COLS_END };
	bool *set = s->set;

	/* Of a project, the tenant's amounts are what it has by default. */
	s->set = uuid_is_nil(project) ? set : NULL;
	if (db_read_each(db, tenant, "quota_of_tenant", of_tenant, cols, mem, keep_setting, s, e) <
	    0)
		return -1;
	s->set = set;
	if (uuid_is_nil(project))
		return 0;
	return db_read_each(db, tenant, "quota_of_project", args, cols, mem, keep_setting, s, e) < 0
		   ? -1
		   : 0;
}

static int
read_use(struct db *db, struct tenant_id tenant, struct uuid project, struct arena *mem,
    int64_t used[static QUOTA_COUNT], struct err *e)
{
	struct db_arg args[] = { DB_ARG_UUID(tenant.uuid), DB_ARG_UUID(project), DB_ARGS_END };
	int64_t cpu_milli = 0;
	const struct db_col cols[] = { DB_I64("jobs_queued", &used[QUOTA_JOBS_QUEUED]),
		DB_I64("jobs_per_day", &used[QUOTA_JOBS_PER_DAY]),
		DB_I64("jobs_running", &used[QUOTA_JOBS_RUNNING]), DB_I64("cpu_milli", &cpu_milli),
		DB_I64("memory_bytes", &used[QUOTA_MEMORY_BYTES]),
		DB_I64("gpus", &used[QUOTA_GPUS]),
		DB_I64("storage_bytes", &used[QUOTA_STORAGE_BYTES]),
		DB_I64("projects", &used[QUOTA_PROJECTS]), DB_I64("users", &used[QUOTA_USERS]),
		DB_I64("roles", &used[QUOTA_ROLES]),
		DB_I64("role_assignments", &used[QUOTA_ROLE_ASSIGNMENTS]),
		DB_I64("keys", &used[QUOTA_KEYS]), DB_I64("issuers", &used[QUOTA_ISSUERS]),
		DB_COLS_END };

	args[1].null = uuid_is_nil(project);
	for (int q = 0; q < QUOTA_COUNT; q++)
		used[q] = -1;
	if (db_read_one(db, tenant, "quota_use", args, cols, mem, e) < 0)
		return -1;
	used[QUOTA_CPUS] = (cpu_milli + 999) / 1000;
	return 0;
}

int
quota_lines(struct db *db, struct tenant_id tenant, struct uuid project,
    const struct quota_amounts *defaults, struct arena *mem,
    struct quota_line ret[static QUOTA_COUNT], struct err *e)
{
	struct quota_amounts amounts = *defaults;
	bool set[QUOTA_COUNT] = { false }, of_project = !uuid_is_nil(project);
	struct setting s = { .into = &amounts, .set = set };
	int64_t used[QUOTA_COUNT];

	if (read_set(db, tenant, project, mem, &s, e) < 0 ||
	    read_use(db, tenant, project, mem, used, e) < 0)
		return -1;
	for (int q = 0; q < QUOTA_COUNT; q++) {
		bool has = !of_project || quota_of_project((enum quota)q);

		ret[q] = (struct quota_line){ .limit = has ? amounts.amount[q] : -1,
			.is_default = !set[q],
			.used = has ? used[q] : -1 };
	}
	return 0;
}

/* --- setting
 * -------------------------------------------------------------------------------------- */

int
quota_set(
    struct db_platform_tx *tx, struct tenant_id tenant, enum quota q, int64_t amount, struct err *e)
{
	struct db_arg args[] = { DB_ARG_UUID(tenant.uuid), DB_ARG_TEXT(quota_name(q)),
		DB_ARG_I64(amount), DB_ARGS_END };

	args[2].null = amount < 0;
	return db_platform_exec(tx, "quota_set", args, e) < 0 ? -1 : 0;
}

int
quota_set_project(struct db_tx *tx, struct tenant_id tenant, struct uuid project, enum quota q,
    int64_t amount, struct err *e)
{
	const struct db_arg set[] = { DB_ARG_UUID(tenant.uuid), DB_ARG_UUID(project),
		DB_ARG_TEXT(quota_name(q)), DB_ARG_I64(amount), DB_ARGS_END };
	const struct db_arg unset[] = { DB_ARG_UUID(tenant.uuid), DB_ARG_UUID(project),
		DB_ARG_TEXT(quota_name(q)), DB_ARGS_END };
	int64_t n;

	REQUIRE(quota_of_project(q));
	if (amount < 0)
		return db_exec(tx, "quota_project_unset", unset, e) < 0 ? -1 : 0;
	n = db_exec(tx, "quota_project_set", set, e);
	if (n < 0)
		return -1;
	return n == 0 ? err_set(e, ERR_NOT_FOUND, "There is no such project") : 0;
}
