/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DB_GROUP_INTERNAL_H
#define DB_GROUP_INTERNAL_H

/* A unit of writes, or one lookup, and the batch that carries many of them. */

#include "db_internal.h"

enum {
	/* Units in one transaction: at 256 the cost of the commit is spread to below that of a
	 * statement (measured), and a caller waits for few strangers. */
	DB_BATCH_UNITS = 256,
	/* Arguments in one transaction; the last unit may go over. */
	DB_BATCH_BYTES = 4 << 20,
	/* begin, then per unit its context and statements, then the id. */
	DB_BATCH_STEPS = 2 + DB_BATCH_UNITS * (1 + DB_GROUP_STATEMENTS),
};

struct db_unit {
	/* immutable once queued */
	struct tenant_id tenant;
	struct db_params context;
	const struct db_write *writes;
	size_t n;
	const struct db_stmt *stmts[DB_GROUP_STATEMENTS];
	struct db_params params[DB_GROUP_STATEMENTS];
	size_t n_params; /* built, to be released */
	size_t bytes;
	/* under the group's lock */
	struct db_unit *next;
	bool taken; /* it is the committer's */
	struct latch done;
	/* the committer's while taken, the caller's once `done` is open */
	size_t arrival; /* place in the queue */
	PGresult *results[DB_GROUP_STATEMENTS];
	bool failed;
	struct err err;
};

struct db_batch {
	struct db_unit **units; /* DB_BATCH_UNITS */
	size_t n;
	struct db_step *steps; /* DB_BATCH_STEPS */
};
int db_batch_init(struct db_batch *b, struct err *e) MUST_CHECK;
void db_batch_done(struct db_batch *b);
/* Runs all units, all of them lookups or all of them writes; each ends with its results or with its
 * error, never with neither. */
void db_batch_run(struct db_batch *b, bool reads, struct db_pool *pool, struct db_conn *c);

#endif
