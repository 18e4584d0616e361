/* SPDX-License-Identifier: Apache-2.0 */
#include "db_internal.h"

#include "parse.h"

#include <string.h>

enum { COLUMNS_MAX = 40 }; /* the widest statement has half of them */

/* Most readers name the columns in the statement's order; the library searches from the first and
 * folds the case of each name, which for a wide row costs more than all its values. */
static int
column_number(const PGresult *r, size_t expected, const char *name)
{
	const char *there = PQfname(r, (int)expected);

	return there != NULL && strcmp(there, name) == 0 ? (int)expected : PQfnumber(r, name);
}

static int
find_columns(const PGresult *r, const struct db_query *q, int *at, size_t *ret_n, struct err *e)
{
	size_t n = 0;

	for (const struct db_col *c = q->cols; c != NULL && c->name != NULL; c++, n++) {
		REQUIRE(n < COLUMNS_MAX);
		REQUIRE(c->type < DB_TYPE_UUIDS);
		at[n] = column_number(r, n, c->name);
		if (at[n] < 0)
			return err_set(
			    e, ERR_DB_SCHEMA, "statement %s has no column %s", q->stmt, c->name);
		if (!db_value_fits(c->type, PQftype(r, at[n])) || PQfformat(r, at[n]) != 1)
			return err_set(e, ERR_DB_SCHEMA, "column %s of statement %s has type %u",
			    c->name, q->stmt, PQftype(r, at[n]));
	}
	*ret_n = n;
	return 0;
}

static struct db_cell
cell_at(const PGresult *r, int row, int column)
{
	if (PQgetisnull(r, row, column))
		return (struct db_cell){ 0 };
	return (struct db_cell){ .p = PQgetvalue(r, row, column),
		.n = (size_t)PQgetlength(r, row, column) };
}

/* All of a row is checked before any of it is written. */
static int
read_row(
    const PGresult *r, int row, const struct db_query *q, const int *at, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		if (db_value_check(
			&q->cols[i], PQftype(r, at[i]), cell_at(r, row, at[i]), q->stmt, e) < 0)
			return -1;
	}
	for (size_t i = 0; i < n; i++) {
		if (db_value_read(
			&q->cols[i], PQftype(r, at[i]), cell_at(r, row, at[i]), q->mem, e) < 0)
			return -1;
	}
	return q->row == NULL ? 0 : q->row(q->ctx, e);
}

int64_t
db_rows_affected(PGresult *r)
{
	const char *text = PQcmdTuples(r);
	struct err ignored;
	int64_t n;

	return parse_i64(text, 0, INT64_MAX, &n, &ignored) < 0 ? 0 : n;
}

int64_t
db_rows_read(PGresult *r, const struct db_query *q, struct err *e)
{
	bool returns = PQresultStatus(r) == PGRES_TUPLES_OK;
	int64_t rows = returns ? PQntuples(r) : db_rows_affected(r);
	int at[COLUMNS_MAX] = { 0 };
	size_t n = 0;

	if (find_columns(r, q, at, &n, e) < 0)
		return -1;
	if (q->single && rows > 1)
		return err_set(e, ERR_DB_SCHEMA, "statement %s found %lld rows instead of one",
		    q->stmt, (long long)rows);
	for (int i = 0; i < PQntuples(r) && (i == 0 || !q->first); i++) {
		if (read_row(r, i, q, at, n, e) < 0)
			return -1;
	}
	return rows;
}

const char *
db_rows_cell(const PGresult *r, int column)
{
	if (r == NULL || PQntuples(r) == 0 || column >= PQnfields(r))
		return "";
	return PQgetvalue(r, 0, column); /* "" for NULL; text is the same in both formats */
}
