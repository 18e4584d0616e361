/* SPDX-License-Identifier: Apache-2.0 */
#include "job_internal.h"

#include <string.h>

/* Reading, in transactions of one tenant. */

enum { HISTORY_MAX = 1000 };

extern const unsigned char sql_job[];
const struct db_sql job_sql = { .module = "job", .text = (const char *)sql_job };

int
job_not_found(struct uuid id, struct err *e)
{
	char text[ID_STR_SIZE];

	return err_set(e, ERR_NOT_FOUND, "There is no job %s; GET /v1/jobs lists yours.",
	    id_format("job", id, text));
}

static int
parse_state(const char *text, enum job_state *ret, struct err *e)
{
	if (!job_state_parse(text, ret))
		return err_set(e, ERR_DB_SCHEMA,
		    "The database holds a job state that this version does "
		    "not know; run the version that wrote it.");
	return 0;
}

/* A row of job_get or job_list lands here before it becomes a struct job. */
struct job_row {
	struct job job;
	const char *state;
};

enum { JOB_COLS = 26 };

static void
job_columns(struct job_row *r, bool with_manifest, struct db_col cols[static JOB_COLS])
{
	struct job *j = &r->job;
	const struct db_col all[] = { DB_UUID("job_id", &j->id), DB_UUID("project_id", &j->project),
		DB_TEXT("state", &r->state), DB_TEXT("environment", &j->environment),
		DB_TEXT_NULL("name", &j->name), DB_JSON("labels", &j->labels),
		DB_JSON_NULL("cause", &j->cause), DB_I64("priority", &j->priority),
		DB_I64("attempt", &j->attempt), DB_I64("epoch", &j->epoch),
		DB_I64("cpu_milli", &j->cpu_milli), DB_I64("memory_bytes", &j->memory_bytes),
		DB_I64("gpus", &j->gpus), DB_BOOL("pin_cpus", &j->pin_cpus),
		DB_TIME("created_at", &j->created_wall_us),
		DB_TIME_NULL("claimed_at", &j->claimed_wall_us),
		DB_TIME_NULL("started_at", &j->started_wall_us),
		DB_TIME_NULL("ended_at", &j->ended_wall_us),
		DB_TIME_NULL("cancel_requested_at", &j->cancel_requested_wall_us),
		DB_I64_NULL("wall_ns", &j->wall_ns), DB_I64_NULL("cpu_ns", &j->cpu_ns),
		DB_I64_NULL("memory_peak_bytes", &j->memory_peak_bytes),
		DB_BOOL("log_truncated", &j->log_truncated),
		DB_I64("output_files_skipped", &j->output_files_skipped),
		DB_JSON("manifest", &j->manifest), DB_COLS_END };
	size_t n = ARRAY_LEN(all) - 2;

	_Static_assert(ARRAY_LEN(all) <= JOB_COLS, "room for every column");
	memcpy(cols, all, sizeof(all));
	if (!with_manifest)
		cols[n] = (struct db_col)DB_COLS_END;
}

int
job_get(struct db *db, struct tenant_id tenant, const struct scope *scope, struct uuid id,
    struct arena *mem, struct job *ret, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(tenant.uuid), DB_ARG_UUID(id),
		DB_ARG_SCOPE(scope), DB_ARGS_END };
	struct db_col cols[JOB_COLS];
	struct job_row row = { 0 };
	int found;

	job_columns(&row, true, cols);
	found = db_lookup(db, tenant, "job_get", args, cols, mem, e);
	if (found < 0)
		return -1;
	if (found == 0)
		return job_not_found(id, e);
	if (parse_state(row.state, &row.job.state, e) < 0)
		return -1;
	*ret = row.job;
	return 0;
}

struct list_walk {
	struct job_row row;
	struct job_rows rows;
};

static int
list_row(void *ctx, struct err *e)
{
	struct list_walk *w = ctx;

	if (parse_state(w->row.state, &w->row.job.state, e) < 0)
		return -1;
	return job_rows_push(&w->rows, &w->row.job, e);
}

/* The projects that a list shows: those of the scope, or one of them. */
static struct scope
narrow(const struct scope *scope, const struct job_filter *f)
{
	struct scope one = { .everywhere = false };

	if (uuid_is_nil(f->project))
		return *scope;
	if (scope_has(scope, f->project))
		one.projects[one.n++] = f->project;
	return one;
}

int
job_list(struct db *db, struct tenant_id tenant, const struct scope *scope,
    const struct job_filter *f, struct arena *mem, struct job **ret, size_t *ret_n, bool *ret_more,
    struct err *e)
{
	const struct scope in = narrow(scope, f);
	/* Greater than every id, so that the bound is always an index condition. */
	struct uuid newest, before = f->before;
	struct list_walk w = { .rows = { .mem = mem, .size = sizeof(struct job) } };
	struct db_col cols[JOB_COLS];
	const char *state = f->by_state ? job_state_name(f->state) : NULL;
	bool ended = f->by_state && job_state_terminal(f->state);

	REQUIRE(f->limit >= 1);
	REQUIRE(f->limit <= CAP_PAGE_ITEMS);
	memset(&newest, 0xff, sizeof(newest));
	if (uuid_is_nil(before))
		before = newest;
	/* One more than asked for tells whether there is another page. */
	const struct db_arg args[] = { DB_ARG_UUID(tenant.uuid), DB_ARG_UUID(before),
		DB_ARG_TEXT(ended ? state : NULL), DB_ARG_TEXT(f->environment),
		DB_ARG_TEXT(f->label_name), DB_ARG_TEXT(f->label_value), DB_ARG_I64(f->limit + 1),
		DB_ARG_TEXT(ended ? NULL : state), DB_ARG_SCOPE(&in), DB_ARGS_END };
	job_columns(&w.row, false, cols);
	if (db_read_each(db, tenant, "job_list", args, cols, mem, list_row, &w, e) < 0)
		return -1;
	*ret_more = w.rows.n > (size_t)f->limit;
	*ret_n = *ret_more ? (size_t)f->limit : w.rows.n;
	*ret = (struct job *)(void *)w.rows.p;
	return 0;
}

/* --- history -------------------------------------------------------------------------------- */

struct history_walk {
	struct job_move_record row;
	struct job_rows rows;
	size_t seen;
};

static int
history_row(void *ctx, struct err *e)
{
	struct history_walk *w = ctx;

	w->seen++;
	if (w->row.event == NULL)
		return 0; /* the job has not moved yet */
	return job_rows_push(&w->rows, &w->row, e);
}

int
job_history(struct db *db, struct tenant_id tenant, const struct scope *scope, struct uuid id,
    struct arena *mem, struct job_move_record **ret, size_t *ret_n, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(tenant.uuid), DB_ARG_UUID(id),
		DB_ARG_I64(HISTORY_MAX), DB_ARG_SCOPE(scope), DB_ARGS_END };
	struct history_walk w = { .rows = { .mem = mem, .size = sizeof(struct job_move_record) } };
	const struct db_col cols[] = { DB_I64_NULL("number", &w.row.number),
		DB_TIME_NULL("at", &w.row.at_wall_us), DB_TEXT_NULL("from_state", &w.row.from),
		DB_TEXT_NULL("to_state", &w.row.to), DB_TEXT_NULL("event", &w.row.event),
		DB_JSON_NULL("detail", &w.row.detail), DB_COLS_END };

	if (db_read_each(db, tenant, "job_history", args, cols, mem, history_row, &w, e) < 0)
		return -1;
	if (w.seen == 0)
		return job_not_found(id, e);
	*ret = (struct job_move_record *)(void *)w.rows.p;
	*ret_n = w.rows.n;
	return 0;
}
