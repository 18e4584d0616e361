/* SPDX-License-Identifier: Apache-2.0 */
#include "job_queue.h"

/* What attempts used.  The key (tenant, job, epoch) makes usage count once, whoever reports it. */

int
job_attempt_record(struct db_sys_tx *tx, const struct job_attempt *a, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(a->tenant.uuid), DB_ARG_UUID(a->id),
		DB_ARG_I64(a->epoch), DB_ARG_UUID(a->node), DB_ARG_TEXT(a->outcome),
		DB_ARG_I32(a->exit_code), DB_ARG_I32(a->signal),
		DB_ARG_TIME_OR_NULL(a->started_wall_us), DB_ARG_TIME(a->ended_wall_us),
		DB_ARG_I64(a->wall_ns), DB_ARG_I64(a->cpu_user_ns), DB_ARG_I64(a->cpu_system_ns),
		DB_ARG_I64(a->memory_peak_bytes), DB_ARG_I64(a->throttled_ns),
		DB_ARG_I64(a->log_bytes), DB_ARG_I64(a->output_files), DB_ARG_I64(a->output_bytes),
		DB_ARG_BOOL(a->log_truncated), DB_ARGS_END };
	int64_t written = db_sys_exec(tx, "job_attempt_insert", args, e);

	if (written < 0)
		return -1;
	if (written == 0)
		return err_set(e, ERR_CONFLICT,
		    "The lease of this attempt has moved on, so its record is "
		    "refused; the attempt that holds the lease counts.");
	return 0;
}

int
job_attempt_known(
    struct db *db, struct tenant_id tenant, struct uuid id, int64_t epoch, bool *ret, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(tenant.uuid), DB_ARG_UUID(id), DB_ARG_I64(epoch),
		DB_ARGS_END };
	bool known = false;
	const struct db_col cols[] = { DB_BOOL("known", &known), DB_COLS_END };

	if (db_sys_read_one(db, "job_attempt_known", args, cols, NULL, e) < 0)
		return -1;
	*ret = known;
	return 0;
}
