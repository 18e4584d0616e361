/* SPDX-License-Identifier: Apache-2.0 */
#include "job_internal.h"

#include <string.h>

/* Reading the hot table. */

struct queue_walk {
	struct job_queued row;
	const char *state;
	struct job_rows rows;
};

static int
queue_row(void *ctx, struct err *e)
{
	struct queue_walk *w = ctx;

	if (!job_state_parse(w->state, &w->row.state))
		return err_set(e, ERR_DB_SCHEMA,
		    "The queue holds a state that this version does not know; "
		    "run the version that wrote it.");
	return job_rows_push(&w->rows, &w->row, e);
}

enum { QUEUE_COLS = 24 };

/* Rooms come with waiting rows only. */
static void
queue_columns(struct queue_walk *w, bool with_rooms, struct db_col cols[static QUEUE_COLS])
{
	struct job_queued *r = &w->row;
	const struct db_col all[] = { DB_UUID("tenant_id", &r->tenant.uuid),
		DB_UUID("job_id", &r->id), DB_UUID("project_id", &r->project),
		DB_TEXT("state", &w->state), DB_I64("priority", &r->priority),
		DB_TIME("queued_at", &r->queued_wall_us), DB_I64("cpu_milli", &r->cpu_milli),
		DB_I64("memory_bytes", &r->memory_bytes), DB_I64("gpus", &r->gpus),
		DB_BOOL("pin_cpus", &r->pin_cpus), DB_I64("attempt", &r->attempt),
		DB_I64("max_attempts", &r->max_attempts), DB_I64("epoch", &r->epoch),
		DB_UUID_NULL("lease_owner", &r->lease_owner),
		DB_BOOL("cancel_requested", &r->cancel_requested),
		DB_I64_NULL("tenant_jobs", &r->tenant_room.jobs),
		DB_I64_NULL("tenant_cpu_milli", &r->tenant_room.cpu_milli),
		DB_I64_NULL("tenant_memory_bytes", &r->tenant_room.memory_bytes),
		DB_I64_NULL("tenant_gpus", &r->tenant_room.gpus),
		DB_I64_NULL("project_jobs", &r->project_room.jobs),
		DB_I64_NULL("project_cpu_milli", &r->project_room.cpu_milli),
		DB_I64_NULL("project_memory_bytes", &r->project_room.memory_bytes),
		DB_I64_NULL("project_gpus", &r->project_room.gpus), DB_COLS_END };
	size_t n_rooms = 8;

	_Static_assert(ARRAY_LEN(all) <= QUEUE_COLS, "room for every column");
	memcpy(cols, all, sizeof(all));
	if (!with_rooms)
		cols[ARRAY_LEN(all) - 1 - n_rooms] = (struct db_col)DB_COLS_END;
}

static int
queue_list(struct db *db, const char *stmt, const struct db_arg *args, bool with_rooms,
    struct arena *mem, struct job_queued **ret, size_t *ret_n, struct err *e)
{
	struct queue_walk w = { .rows = { .mem = mem, .size = sizeof(struct job_queued) } };
	struct db_col cols[QUEUE_COLS];

	queue_columns(&w, with_rooms, cols);
	if (db_sys_read_each(db, stmt, args, cols, mem, queue_row, &w, e) < 0)
		return -1;
	*ret = (struct job_queued *)(void *)w.rows.p;
	*ret_n = w.rows.n;
	return 0;
}

int
job_queue_waiting(struct db *db, const struct job_quota_defaults *quota, int64_t max,
    struct arena *mem, struct job_queued **ret, size_t *ret_n, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_I64(max), DB_ARG_I64(quota->jobs_running),
		DB_ARG_I64(quota->cpu_milli), DB_ARG_I64(quota->memory_bytes),
		DB_ARG_I64(quota->gpus), DB_ARGS_END };

	return queue_list(db, "job_queue_waiting", args, true, mem, ret, ret_n, e);
}

int
job_queue_mine(struct db *db, struct uuid node, struct arena *mem, struct job_queued **ret,
    size_t *ret_n, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(node), DB_ARGS_END };

	return queue_list(db, "job_queue_mine", args, false, mem, ret, ret_n, e);
}

int
job_queue_expired(struct db *db, int64_t grace_ms, int64_t max, struct arena *mem,
    struct job_queued **ret, size_t *ret_n, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_I64(grace_ms), DB_ARG_I64(max), DB_ARGS_END };

	return queue_list(db, "job_queue_expired", args, false, mem, ret, ret_n, e);
}

int64_t
job_idempotency_expire(struct db *db, int64_t older_ms, int64_t max, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_I64(older_ms), DB_ARG_I64(max), DB_ARGS_END };
	AUTO(db_sys_tx) tx = NULL;
	int64_t n;

	if (db_sys_begin(db, &tx, e) < 0)
		return -1;
	n = db_sys_exec(tx, "job_idempotency_expire", args, e);
	if (n < 0 || db_sys_commit(&tx, e) < 0)
		return -1;
	return n;
}
