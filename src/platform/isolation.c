/* SPDX-License-Identifier: Apache-2.0 */
#include "isolation.h"

#include "platform_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

struct probing {
	struct db *db;
	struct tenant_id tenant;
	struct arena *mem;
	int runs_dirfd;
	struct uuid project, user; /* of the platform's tenant */
	struct isolation_report *report;
};

/* What was found, in words. */
static int
add(struct probing *p, const char *name, const char *question, const char *expected,
    const char *found, struct err *e)
{
	struct isolation_report *r = p->report;

	if (found == NULL)
		return arena_err(e);
	REQUIRE(r->n < ISOLATION_PROBES_MAX);
	r->probes[r->n++] = (struct isolation_probe){ .name = name,
		.question = question,
		.expected = expected,
		.found = found,
		.ok = strcmp(expected, found) == 0 };
	r->ok = r->ok && r->probes[r->n - 1].ok;
	return 0;
}

static const char *
rows(struct probing *p, int64_t n)
{
	return arena_printf(p->mem, "%lld rows", (long long)n);
}

static int
find_known(struct probing *p, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(tenant_platform_id.uuid), DB_ARGS_END };
	const struct db_col cols[] = { DB_UUID("project_id", &p->project),
		DB_UUID_NULL("user_id", &p->user), DB_COLS_END };
	int found = db_platform_read_one(p->db, "isolation_known", args, cols, p->mem, e);

	if (found < 0)
		return -1;
	return found == 0 ? err_set(e, ERR_DB_SCHEMA, "the platform's tenant has no project") : 0;
}

static int
probe_role(struct probing *p, struct err *e)
{
	const struct db_arg args[] = { DB_ARGS_END };
	const char *role = "", *context = "";
	char own[UUID_STR_SIZE];
	bool powerful = true;
	const struct db_col cols[] = { DB_TEXT("role", &role), DB_BOOL("powerful", &powerful),
		DB_TEXT("context", &context), DB_COLS_END };

	if (db_read_one(p->db, p->tenant, "isolation_role", args, cols, p->mem, e) < 0)
		return -1;
	if (add(p, "database-role",
		"Which role do this tenant's transactions run as, and can it pass row-level "
		"security?",
		"wardian_api, which cannot",
		arena_printf(p->mem, "%s, which %s", role, powerful ? "can" : "cannot"), e) < 0)
		return -1;
	return add(p, "transaction-tenant", "For which tenant is the transaction open?", "this one",
	    strcmp(context, uuid_format(p->tenant.uuid, own)) == 0 ? "this one" : "another", e);
}

static int
probe_tables(struct probing *p, struct err *e)
{
	const struct db_arg args[] = { DB_ARGS_END };
	int64_t tables = 0, filtered = -1, forced = -1, others = -1;
	const struct db_col cols[] = { DB_I64("tables", &tables), DB_I64("filtered", &filtered),
		DB_I64("forced", &forced), DB_COLS_END };
	const struct db_col policy_cols[] = { DB_I64("others", &others), DB_COLS_END };
	const char *all;

	if (db_read_one(p->db, p->tenant, "isolation_tables", args, cols, p->mem, e) < 0 ||
	    db_read_one(p->db, p->tenant, "isolation_policies", args, policy_cols, p->mem, e) < 0)
		return -1;
	all = arena_printf(p->mem, "%lld of %lld tables filtered, %lld forced", (long long)tables,
	    (long long)tables, (long long)tables);
	if (all == NULL)
		return arena_err(e);
	if (add(p, "row-security",
		"Is every table that these transactions can reach filtered by tenant, even for its "
		"owner?",
		all,
		arena_printf(p->mem, "%lld of %lld tables filtered, %lld forced",
		    (long long)filtered, (long long)tables, (long long)forced),
		e) < 0)
		return -1;
	return add(p, "policies",
	    "How many of the filters say anything but \"the transaction's tenant\"?", "0 filters",
	    arena_printf(p->mem, "%lld filters", (long long)others), e);
}

static int
probe_reads(struct probing *p, struct err *e)
{
	const struct db_arg tenant[] = { DB_ARG_UUID(tenant_platform_id.uuid), DB_ARGS_END };
	const struct db_arg ids[] = { DB_ARG_UUID(p->project), DB_ARG_UUID(p->user), DB_ARGS_END };
	int64_t seen = -1, by_id = -1;
	const struct db_col cols[] = { DB_I64("seen", &seen), DB_COLS_END };
	const struct db_col id_cols[] = { DB_I64("seen", &by_id), DB_COLS_END };

	if (db_read_one(p->db, p->tenant, "isolation_foreign", tenant, cols, p->mem, e) < 0 ||
	    db_read_one(p->db, p->tenant, "isolation_foreign_ids", ids, id_cols, p->mem, e) < 0)
		return -1;
	if (add(p, "foreign-rows",
		"How many rows of another tenant, which has some, does this tenant see in all "
		"tables, without any filter of the program?",
		"0 rows", rows(p, seen), e) < 0)
		return -1;
	return add(p, "foreign-ids",
	    "How many are found by ids that exist there, without naming the tenant?", "0 rows",
	    rows(p, by_id), e);
}

/* Without a commit: whatever happened is undone.  Where a row was found and the database then
 * refused to write it, the filter is not what held. */
static int
try_change(
    struct probing *p, const char *stmt, const struct db_arg *args, const char **ret, struct err *e)
{
	AUTO(db_tx) tx = NULL;
	struct err why = { 0 };
	int64_t n;

	if (db_tx_begin(p->db, p->tenant, &tx, e) < 0)
		return -1;
	n = db_exec(tx, stmt, args, &why);
	if (n < 0 && why.code != ERR_DB && why.code != ERR_DB_CONSTRAINT) {
		*e = why;
		return -1;
	}
	*ret = n < 0 ? "rows, refused when they were written" : rows(p, n);
	return 0;
}

static int
probe_writes(struct probing *p, struct err *e)
{
	const struct db_arg project[] = { DB_ARG_UUID(tenant_platform_id.uuid),
		DB_ARG_UUID(p->project), DB_ARGS_END };
	const struct db_arg tenant[] = { DB_ARG_UUID(tenant_platform_id.uuid), DB_ARGS_END };
	const struct {
		const char *name, *question, *stmt;
		const struct db_arg *args;
	} tries[] = {
		{ "foreign-change", "How many rows of another tenant can this tenant change?",
		    "isolation_foreign_write", project },
		{ "foreign-delete", "How many can it delete?", "isolation_foreign_delete", tenant },
	};

	for (size_t i = 0; i < ARRAY_LEN(tries); i++) {
		const char *found = NULL;

		if (try_change(p, tries[i].stmt, tries[i].args, &found, e) < 0 ||
		    add(p, tries[i].name, tries[i].question, "0 rows", found, e) < 0)
			return -1;
	}
	return 0;
}

/* Run directories are reached by their tenant's id alone; nobody else on the host may enter. */
static int
probe_files(struct probing *p, struct err *e)
{
	static const char closed[] = "closed to others";
	char own[UUID_STR_SIZE];
	struct stat st;

	uuid_format(p->tenant.uuid, own);
	if (fstatat(p->runs_dirfd, own, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT)
			return err_sys(e, errno, "look at the tenant's run directories");
		return add(p, "files",
		    "Can other users of this machine enter the tenant's run directories?", closed,
		    closed, e);
	}
	return add(p, "files",
	    "Can other users of this machine enter the tenant's run directories?", closed,
	    S_ISDIR(st.st_mode) && (st.st_mode & S_IRWXO) == 0 ? closed : "open to others", e);
}

int
isolation_probe(struct db *db, struct tenant_id tenant, int runs_dirfd, struct arena *mem,
    struct isolation_report *ret, struct err *e)
{
	struct isolation_report report = { .ok = true };
	struct probing p = {
		.db = db, .tenant = tenant, .mem = mem, .runs_dirfd = runs_dirfd, .report = &report
	};

	if (find_known(&p, e) < 0 || probe_role(&p, e) < 0 || probe_tables(&p, e) < 0 ||
	    probe_reads(&p, e) < 0 || probe_writes(&p, e) < 0 || probe_files(&p, e) < 0)
		return -1;
	*ret = report;
	return 0;
}
