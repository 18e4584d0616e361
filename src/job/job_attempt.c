/* SPDX-License-Identifier: Apache-2.0 */
#include "job_internal.h"

/* What attempts used.  The key (tenant, job, epoch) makes usage count once, whoever reports it. */

/* --- the scheduler's side --------------------------------------------------------------------- */

/* One array per column of the table. */
struct sample_columns {
	int64_t at_ms[JOB_SAMPLES_MAX], cpu_ns[JOB_SAMPLES_MAX], throttled_ns[JOB_SAMPLES_MAX];
	int64_t memory_bytes[JOB_SAMPLES_MAX], processes[JOB_SAMPLES_MAX];
	int64_t io_read_bytes[JOB_SAMPLES_MAX], io_write_bytes[JOB_SAMPLES_MAX];
};

static int
record_samples(struct db_sys_tx *tx, const struct job_attempt *a, struct err *e)
{
	AUTO_FREE struct sample_columns *c = malloc(sizeof(*c));
	size_t n = a->n_samples;

	REQUIRE(n <= JOB_SAMPLES_MAX);
	if (c == NULL)
		return err_set(e, ERR_NO_MEMORY, "The server is short of memory; try again later.");
	for (size_t i = 0; i < n; i++) {
		const struct job_sample *s = &a->samples[i];

		c->at_ms[i] = s->at_ms;
		c->cpu_ns[i] = s->cpu_ns;
		c->throttled_ns[i] = s->throttled_ns;
		c->memory_bytes[i] = s->memory_bytes;
		c->processes[i] = s->processes;
		c->io_read_bytes[i] = s->io_read_bytes;
		c->io_write_bytes[i] = s->io_write_bytes;
	}
	const struct db_arg args[] = { DB_ARG_UUID(a->tenant.uuid), DB_ARG_UUID(a->id),
		DB_ARG_I64(a->epoch), DB_ARG_I64S(c->at_ms, n), DB_ARG_I64S(c->cpu_ns, n),
		DB_ARG_I64S(c->throttled_ns, n), DB_ARG_I64S(c->memory_bytes, n),
		DB_ARG_I64S(c->processes, n), DB_ARG_I64S(c->io_read_bytes, n),
		DB_ARG_I64S(c->io_write_bytes, n), DB_ARGS_END };

	return db_sys_exec(tx, "job_samples_insert", args, e) < 0 ? -1 : 0;
}

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
		DB_ARG_BOOL(a->log_truncated), DB_ARG_I64(a->stage_ns), DB_ARG_I64(a->launch_ns),
		DB_ARG_I64(a->collect_ns), DB_ARG_I64(a->faults_minor), DB_ARG_I64(a->faults_major),
		DB_ARG_I64(a->io_read_bytes), DB_ARG_I64(a->io_write_bytes),
		DB_ARG_I64(a->processes_peak), DB_ARG_I64(a->oom_kills), DB_ARG_TEXT(a->fault_step),
		{ .type = DB_TYPE_I32, .null = a->fault_errno == 0, .v.i64 = a->fault_errno },
		DB_ARG_I64(a->output_files_skipped), DB_ARGS_END };
	int64_t written = db_sys_exec(tx, "job_attempt_insert", args, e);

	if (written < 0)
		return -1;
	if (written == 0)
		return err_set(e, ERR_CONFLICT,
		    "The lease of this attempt has moved on, so its record is "
		    "refused; the attempt that holds the lease counts.");
	return a->n_samples == 0 ? 0 : record_samples(tx, a, e);
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

/* --- as tenants see it ------------------------------------------------------------------------ */

struct attempt_walk {
	struct job_attempt_view row;
	struct job_rows rows;
	size_t seen;
};

static int
attempt_row(void *ctx, struct err *e)
{
	struct attempt_walk *w = ctx;

	w->seen++;
	if (w->row.did.epoch == 0)
		return 0; /* the job has no attempts yet */
	return job_rows_push(&w->rows, &w->row, e);
}

int
job_attempts(struct db *db, struct tenant_id tenant, const struct scope *scope, struct uuid id,
    int64_t number, struct arena *mem, struct job_attempt_view **ret, size_t *ret_n, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(tenant.uuid), DB_ARG_UUID(id),
		DB_ARG_I64(JOB_ATTEMPTS_MAX),
		{ .type = DB_TYPE_I64, .null = number == 0, .v.i64 = number }, DB_ARG_SCOPE(scope),
		DB_ARGS_END };
	struct attempt_walk w = { .rows = { .mem = mem, .size = sizeof(w.row) } };
	struct job_attempt *a = &w.row.did;
	const struct db_col cols[] = { DB_I64_NULL("epoch", &a->epoch),
		DB_TIME_NULL("queued_at", &w.row.queued_wall_us),
		DB_TIME_NULL("claimed_at", &w.row.claimed_wall_us),
		DB_TIME_NULL("started_at", &a->started_wall_us),
		DB_TIME_NULL("ended_at", &a->ended_wall_us), DB_JSON_NULL("cause", &w.row.cause),
		DB_UUID_NULL("node_id", &a->node), DB_TEXT_NULL("outcome", &a->outcome),
		DB_BOOL("recorded", &w.row.recorded), DB_BOOL("detailed", &w.row.detailed),
		DB_I64_NULL("exit_code", &a->exit_code), DB_I64_NULL("signal", &a->signal),
		DB_I64_NULL("wall_ns", &a->wall_ns), DB_I64_NULL("cpu_user_ns", &a->cpu_user_ns),
		DB_I64_NULL("cpu_system_ns", &a->cpu_system_ns),
		DB_I64_NULL("memory_peak_bytes", &a->memory_peak_bytes),
		DB_I64_NULL("throttled_ns", &a->throttled_ns),
		DB_I64_NULL("log_bytes", &a->log_bytes),
		DB_I64_NULL("output_files", &a->output_files),
		DB_I64_NULL("output_bytes", &a->output_bytes),
		DB_BOOL("log_truncated", &a->log_truncated), DB_I64_NULL("stage_ns", &a->stage_ns),
		DB_I64_NULL("launch_ns", &a->launch_ns), DB_I64_NULL("collect_ns", &a->collect_ns),
		DB_I64_NULL("faults_minor", &a->faults_minor),
		DB_I64_NULL("faults_major", &a->faults_major),
		DB_I64_NULL("io_read_bytes", &a->io_read_bytes),
		DB_I64_NULL("io_write_bytes", &a->io_write_bytes),
		DB_I64_NULL("processes_peak", &a->processes_peak),
		DB_I64_NULL("oom_kills", &a->oom_kills),
		DB_I64_NULL("output_files_skipped", &a->output_files_skipped),
		DB_TEXT_NULL("fault_step", &a->fault_step),
		DB_I64_NULL("fault_errno", &a->fault_errno), DB_COLS_END };

	REQUIRE(number >= 0);
	if (db_read_each(db, tenant, "job_attempts", args, cols, mem, attempt_row, &w, e) < 0)
		return -1;
	if (w.seen == 0)
		return job_not_found(id, e);
	*ret = (struct job_attempt_view *)(void *)w.rows.p;
	*ret_n = w.rows.n;
	return 0;
}

struct sample_walk {
	struct job_sample row;
	struct job_rows rows;
};

static int
sample_row(void *ctx, struct err *e)
{
	struct sample_walk *w = ctx;

	return job_rows_push(&w->rows, &w->row, e);
}

int
job_samples(struct db *db, struct tenant_id tenant, struct uuid id, int64_t number,
    struct arena *mem, struct job_sample **ret, size_t *ret_n, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(tenant.uuid), DB_ARG_UUID(id),
		DB_ARG_I64(number), DB_ARGS_END };
	struct sample_walk w = { .rows = { .mem = mem, .size = sizeof(w.row) } };
	const struct db_col cols[] = { DB_I64("at_ms", &w.row.at_ms),
		DB_I64("cpu_ns", &w.row.cpu_ns), DB_I64("throttled_ns", &w.row.throttled_ns),
		DB_I64("memory_bytes", &w.row.memory_bytes), DB_I64("processes", &w.row.processes),
		DB_I64("io_read_bytes", &w.row.io_read_bytes),
		DB_I64("io_write_bytes", &w.row.io_write_bytes), DB_COLS_END };

	if (db_read_each(db, tenant, "job_samples", args, cols, mem, sample_row, &w, e) < 0)
		return -1;
	*ret = (struct job_sample *)(void *)w.rows.p;
	*ret_n = w.rows.n;
	return 0;
}
