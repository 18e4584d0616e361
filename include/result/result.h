/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RESULT_H
#define RESULT_H

/*
 * Results: scalars and metric series found in what a run left behind, by the rules of its
 * environment.  The text is hostile: lines are bounded, counts are capped, nothing recurses.
 * Extraction is pure over descriptors; the store writes in the transaction that completes the job.
 */

#include "arena.h"
#include "base.h"
#include "db.h"
#include "environment.h"
#include "err.h"
#include "id.h"

#include <stdbool.h>

extern const struct db_sql result_sql;

struct result_value {
	const char *name;
	double value;
	bool missing;       /* value is meaningless; reason says why */
	const char *unit;   /* NULL: none */
	const char *reason; /* NULL unless missing */
};
struct result_point {
	const char *name;
	double step;
	double value;
};
struct result_set {
	struct result_value *values;
	size_t n_values;
	struct result_point *points;
	size_t n_points;
	bool truncated; /* a cap was reached */
};
/*
 * out_dirfd: the run's out/ directory.  values: the job's parameters, for file names.  Names:
 * MEASURE, JSON and columns of a TABLE (a result is the last row) as the text has them; BLOCK
 * <rule>.<column>.max, the number of greatest magnitude with its sign.  When a rule finds nothing,
 * what it declares is missing with a reason: <rule>, for a BLOCK each of its columns.  Names and
 * units are printable UTF-8 whatever the job wrote; a repeated name keeps its last value.  mem: 16
 * MiB are always enough.
 */
int result_extract(const struct environment *env, const struct environment_value *values,
    size_t n_values, int out_dirfd, struct arena *mem, struct result_set *ret,
    struct err *e) MUST_CHECK;
/* One rule over text; for tests and fuzzing. */
int result_extract_text(const struct environment_rule *rule, const char *text, size_t n,
    struct arena *mem, struct result_set *ret, struct err *e) MUST_CHECK;
/* Whether the environment's own success criteria hold (texts that must be absent from the log);
 * *ret_why is NULL or a clause in mem, with the line of the log. */
int result_check_success(const struct environment *env, int out_dirfd, struct arena *mem,
    const char **ret_why, struct err *e) MUST_CHECK;

/* In the transaction of the move that ends the job, when that move was ok; once per job. */
int result_store(struct db_sys_tx *tx, struct tenant_id tenant, struct uuid job,
    const struct result_set *set, struct err *e) MUST_CHECK;
int result_values(struct db *db, struct tenant_id tenant, struct uuid job, struct arena *mem,
    struct result_value **ret, size_t *ret_n, struct err *e) MUST_CHECK;
/* name NULL: the names with their counts (value), else the points as they were found, at most max
 * (1 .. CAP_METRIC_POINTS + 1: one more tells whether there are more). */
int result_points(struct db *db, struct tenant_id tenant, struct uuid job, const char *name,
    int64_t max, struct arena *mem, struct result_point **ret, size_t *ret_n,
    struct err *e) MUST_CHECK;

#endif
