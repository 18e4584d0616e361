/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps of a tenant's deletion, each of which may be repeated:
 *   stopping  its live jobs are asked to end, until none is left
 *   files     every node that ran its jobs removes its files and says so
 *   rows      its rows go, table by table in bounded batches, the tenant's own row last
 *   done
 */
#include "platform_delete_internal.h"

#include "job.h"

#include <stdio.h>
#include <string.h>

enum { BATCH_ROWS = 2000, BATCHES_PER_STEP = 50, STEP_ARENA_BYTES = 1 << 20, NODES_MAX = 1000 };

/* One statement per table, in the order in which they can be emptied. */
static const char *const deletes[] = {
	"platform_delete_result",
	"platform_delete_metric",
	"platform_delete_attempt_usage",
	"platform_delete_job_attempt",
	"platform_delete_job_event",
	"platform_delete_job_manifest",
	"platform_delete_job_queue",
	"platform_delete_idempotency",
	"platform_delete_job",
	"platform_delete_job_use",
	"platform_delete_job_day",
	"platform_delete_project_quota",
	"platform_delete_tenant_quota",
	"platform_delete_rate_use",
	"platform_delete_role_assignment",
	"platform_delete_api_key",
	"platform_delete_token_revocation",
	"platform_delete_support_access",
	"platform_delete_tenant_user",
	"platform_delete_issuer",
	"platform_delete_role",
	"platform_delete_project",
	"platform_delete_audit_log",
	"platform_delete_audit_head",
	"platform_delete_tenant",
};

/* Moves the operation on; the lease ends with it, so that the next look comes at once. */
static int
move(
    struct deletion *d, const char *stage, const char *progress, const char *problem, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(d->operation), DB_ARG_UUID(d->node),
		DB_ARG_TEXT(stage), DB_ARG_JSON(progress), DB_ARG_TEXT(problem), DB_ARGS_END };
	AUTO(db_platform_tx) tx = NULL;

	if (db_platform_begin(d->db, &tx, e) < 0 ||
	    db_platform_exec(tx, "platform_work_move", args, e) < 0)
		return -1;
	return db_platform_commit(&tx, e);
}

static int
count(struct deletion *d, const char *stmt, const char *column, struct uuid of, int64_t *ret,
    struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(of), DB_ARGS_END };
	const struct db_col cols[] = { DB_I64(column, ret), DB_COLS_END };

	return db_platform_read_one(d->db, stmt, args, cols, d->mem, e) < 0 ? -1 : 0;
}

/* --- stopping --------------------------------------------------------------------------------- */

struct nodes {
	struct uuid row;
	struct uuid ids[NODES_MAX];
	size_t n;
};

static int
keep_node(void *ctx, struct err *e)
{
	struct nodes *nodes = ctx;

	if (nodes->n == NODES_MAX)
		return err_set(e, ERR_TOO_LARGE, "More than %d nodes ran its jobs", NODES_MAX);
	nodes->ids[nodes->n++] = nodes->row;
	return 0;
}

/* This node is among them even if it ran nothing: it may hold what a crash left. */
static int
await_nodes(struct deletion *d, struct err *e)
{
	struct nodes *nodes = arena_alloc(d->mem, sizeof(*nodes));
	const struct db_arg who[] = { DB_ARG_UUID(d->tenant.uuid), DB_ARGS_END };
	AUTO(db_platform_tx) tx = NULL;

	if (nodes == NULL)
		return arena_err(e);
	nodes->ids[0] = d->node;
	nodes->n = 1;
	const struct db_col cols[] = { DB_UUID("node_id", &nodes->row), DB_COLS_END };
	if (db_read_each(d->db, d->tenant, "platform_work_ran_on", who, cols, d->mem, keep_node,
		nodes, e) < 0)
		return -1;
	const struct db_arg args[] = { DB_ARG_UUID(d->operation),
		DB_ARG_UUIDS(nodes->ids, nodes->n), DB_ARGS_END };
	if (db_platform_begin(d->db, &tx, e) < 0 ||
	    db_platform_exec(tx, "platform_work_await", args, e) < 0)
		return -1;
	return db_platform_commit(&tx, e);
}

static int
stop_jobs(struct deletion *d, struct err *e)
{
	const struct caller system = { 0 };
	char progress[64], problem[96];
	int64_t live = 0;

	if (job_cancel_all(d->db, d->tenant, &system, d->mem, e) < 0 ||
	    count(d, "platform_work_live", "live", d->tenant.uuid, &live, e) < 0)
		return -1;
	(void)snprintf(progress, sizeof(progress), "{\"live_jobs\": %lld}", (long long)live);
	(void)snprintf(problem, sizeof(problem), "%lld jobs are still ending", (long long)live);
	if (live > 0)
		return move(d, "stopping", progress, problem, e);
	if (await_nodes(d, e) < 0)
		return -1;
	return move(d, "files", progress, NULL, e);
}

/* --- files ------------------------------------------------------------------------------------ */

static int
await_files(struct deletion *d, struct err *e)
{
	char problem[96];
	int64_t awaited = 0;

	if (count(d, "platform_work_awaited", "awaited", d->operation, &awaited, e) < 0)
		return -1;
	if (awaited == 0)
		return move(d, "rows", "{}", NULL, e);
	(void)snprintf(problem, sizeof(problem),
	    "%lld nodes have not removed its files yet; waive those that are gone for good",
	    (long long)awaited);
	return move(d, "files", "{}", problem, e);
}

/* --- rows ------------------------------------------------------------------------------------- */

static int64_t
delete_batch(struct deletion *d, const char *stmt, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(d->tenant.uuid), DB_ARG_I64(BATCH_ROWS),
		DB_ARGS_END };
	AUTO(db_platform_tx) tx = NULL;
	int64_t n;

	if (db_platform_begin(d->db, &tx, e) < 0)
		return -1;
	n = db_platform_exec(tx, stmt, args, e);
	if (n < 0 || db_platform_commit(&tx, e) < 0)
		return -1;
	return n;
}

/* Empties tables in order, as far as one step goes; 1 when nothing is left. */
static int
delete_some(struct deletion *d, int64_t *ret_rows, struct err *e)
{
	size_t table = 0;

	for (int i = 0; i < BATCHES_PER_STEP && table < ARRAY_LEN(deletes); i++) {
		int64_t n = delete_batch(d, deletes[table], e);

		if (n < 0)
			return -1;
		*ret_rows += n;
		table += n < BATCH_ROWS;
	}
	return table == ARRAY_LEN(deletes);
}

static int
delete_rows(struct deletion *d, struct err *e)
{
	char progress[64];
	int64_t rows = 0;
	int done = delete_some(d, &rows, e);

	if (done < 0)
		return -1;
	(void)snprintf(progress, sizeof(progress), "{\"rows_last_step\": %lld}", (long long)rows);
	return move(d, done == 1 ? "done" : "rows", progress, NULL, e);
}

int
deletion_step(struct deletion *d, struct err *e)
{
	if (strcmp(d->stage, "stopping") == 0)
		return stop_jobs(d, e);
	if (strcmp(d->stage, "files") == 0)
		return await_files(d, e);
	if (strcmp(d->stage, "rows") == 0)
		return delete_rows(d, e);
	return err_set(e, ERR_DB_SCHEMA, "operation in unknown stage '%.40s'", d->stage);
}
