/* SPDX-License-Identifier: Apache-2.0 */
#include "result_internal.h"

#include <string.h>

/* Writing what was found, a statement for all values and one for ten thousand points, and reading
 * it back. */

/* Points in one statement: a fraction of a second, so that no call comes near its deadline. */
enum { POINTS_PER_STATEMENT = 10000 };

extern const unsigned char sql_result[];
const struct db_sql result_sql = { .module = "result", .text = (const char *)sql_result };

/* --- writing -------------------------------------------------------------------------------- */

static int
store_values(struct db_sys_tx *tx, struct tenant_id tenant, struct uuid job,
    const struct result_set *set, struct arena *mem, struct err *e)
{
	size_t n = set->n_values;
	const char **names = arena_array(mem, n, sizeof(*names));
	const char **units = arena_array(mem, n, sizeof(*units));
	const char **reasons = arena_array(mem, n, sizeof(*reasons));
	double *values = arena_array(mem, n, sizeof(*values));
	int64_t *missing = arena_array(mem, n, sizeof(*missing));
	const struct db_arg args[] = { DB_ARG_UUID(tenant.uuid), DB_ARG_UUID(job),
		DB_ARG_TEXTS(names, n), DB_ARG_F64S(values, n), DB_ARG_TEXTS(units, n),
		DB_ARG_I64S(missing, n), DB_ARG_TEXTS(reasons, n), DB_ARGS_END };

	if (names == NULL || units == NULL || reasons == NULL || values == NULL || missing == NULL)
		return arena_err(e);
	for (size_t i = 0; i < n; i++) {
		const struct result_value *v = &set->values[i];

		names[i] = v->name;
		units[i] = v->unit;
		reasons[i] = v->missing ? v->reason : NULL;
		values[i] = v->missing ? 0 : v->value;
		missing[i] = v->missing;
	}
	return db_sys_exec(tx, "result_insert", args, e) < 0 ? -1 : 0;
}

/* Room for one statement's points, used again for the next. */
struct point_batch {
	const char *names[POINTS_PER_STATEMENT];
	double steps[POINTS_PER_STATEMENT], values[POINTS_PER_STATEMENT];
	int64_t numbers[POINTS_PER_STATEMENT];
	size_t n;
};

static int
store_batch(struct db_sys_tx *tx, struct tenant_id tenant, struct uuid job,
    const struct point_batch *b, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(tenant.uuid), DB_ARG_UUID(job),
		DB_ARG_TEXTS(b->names, b->n), DB_ARG_F64S(b->steps, b->n),
		DB_ARG_F64S(b->values, b->n), DB_ARG_I64S(b->numbers, b->n), DB_ARGS_END };

	return db_sys_exec(tx, "metric_insert", args, e) < 0 ? -1 : 0;
}

static int
store_points(struct db_sys_tx *tx, struct tenant_id tenant, struct uuid job,
    const struct result_set *set, struct arena *mem, struct err *e)
{
	struct point_batch *b = arena_alloc(mem, sizeof(*b));
	struct result_sink *counts = result_sink_new(mem);

	if (b == NULL || counts == NULL)
		return arena_err(e);
	for (size_t i = 0; i < set->n_points; i++) {
		const struct result_point *p = &set->points[i];
		int series = result_sink_series(counts, p->name, e);

		REQUIRE(series != -1); /* the set was made under the same cap */
		if (series < 0)
			return -1;
		b->names[b->n] = p->name;
		b->steps[b->n] = p->step;
		b->values[b->n] = p->value;
		b->numbers[b->n] = (int64_t)counts->series[series].n_points++;
		if (++b->n == POINTS_PER_STATEMENT || i + 1 == set->n_points) {
			if (store_batch(tx, tenant, job, b, e) < 0)
				return -1;
			b->n = 0;
		}
	}
	return 0;
}

int
result_store(struct db_sys_tx *tx, struct tenant_id tenant, struct uuid job,
    const struct result_set *set, struct err *e)
{
	AUTO(arena) mem = arena_new(4 * MIB);

	if (mem == NULL)
		return err_set(e, ERR_NO_MEMORY, "The server is short of memory; try again later.");
	if (set->n_values > 0 && store_values(tx, tenant, job, set, mem, e) < 0)
		return -1;
	if (set->n_points > 0 && store_points(tx, tenant, job, set, mem, e) < 0)
		return -1;
	return 0;
}

/* --- reading -------------------------------------------------------------------------------- */

struct value_walk {
	struct result_value row, *rows;
	size_t n, max;
};

static int
value_row(void *ctx, struct err *e)
{
	struct value_walk *w = ctx;

	if (w->n == w->max)
		return err_set(e, ERR_DB_SCHEMA, "A result has more values than any job may have.");
	w->rows[w->n++] = w->row;
	return 0;
}

int
result_values(struct db *db, struct tenant_id tenant, struct uuid job, struct arena *mem,
    struct result_value **ret, size_t *ret_n, struct err *e)
{
	struct value_walk w = { .max = CAP_RESULT_VALUES };
	const struct db_arg args[] = { DB_ARG_UUID(tenant.uuid), DB_ARG_UUID(job),
		DB_ARG_I64(CAP_RESULT_VALUES), DB_ARGS_END };
	const struct db_col cols[] = { DB_TEXT("name", &w.row.name),
		DB_F64_NULL("value", &w.row.value), DB_BOOL("missing", &w.row.missing),
		DB_TEXT_NULL("unit", &w.row.unit), DB_TEXT_NULL("reason", &w.row.reason),
		DB_COLS_END };

	w.rows = arena_array(mem, w.max, sizeof(*w.rows));
	if (w.rows == NULL)
		return arena_err(e);
	if (db_read_each(db, tenant, "result_list", args, cols, mem, value_row, &w, e) < 0)
		return -1;
	*ret = w.rows;
	*ret_n = w.n;
	return 0;
}

struct point_walk {
	struct result_point row, *rows;
	size_t n, max;
};

static int
point_row(void *ctx, struct err *e)
{
	struct point_walk *w = ctx;

	if (w->n == w->max)
		return err_set(
		    e, ERR_DB_SCHEMA, "A series came back longer than it was asked for.");
	w->rows[w->n++] = w->row;
	return 0;
}

int
result_points(struct db *db, struct tenant_id tenant, struct uuid job, const char *name,
    int64_t max, struct arena *mem, struct result_point **ret, size_t *ret_n, struct err *e)
{
	struct point_walk w = { .max = (size_t)max };
	const struct db_arg args[] = { DB_ARG_UUID(tenant.uuid), DB_ARG_UUID(job), DB_ARG_I64(max),
		name == NULL ? (struct db_arg)DB_ARGS_END : (struct db_arg)DB_ARG_TEXT(name),
		DB_ARGS_END };
	/* A hundred thousand copies of one name would fill the arena. */
	const struct db_col cols[] = { DB_F64("value", &w.row.value), DB_F64("step", &w.row.step),
		name == NULL ? (struct db_col)DB_TEXT("name", &w.row.name)
			     : (struct db_col)DB_COLS_END,
		DB_COLS_END };

	REQUIRE(max >= 1);
	REQUIRE(max <= CAP_METRIC_POINTS + 1);
	w.rows = arena_array(mem, w.max, sizeof(*w.rows));
	if (w.rows == NULL)
		return arena_err(e);
	if (name != NULL && (w.row.name = arena_strdup(mem, name)) == NULL)
		return arena_err(e);
	if (db_read_each(db, tenant, name == NULL ? "metric_names" : "metric_points", args, cols,
		mem, point_row, &w, e) < 0)
		return -1;
	*ret = w.rows;
	*ret_n = w.n;
	return 0;
}
