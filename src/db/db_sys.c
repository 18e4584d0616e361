/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions of the scheduler's role, over all tenants: another type, so that the two never meet.
 */
#include "db_internal.h"

struct db_sys_tx {
	struct db_txn t;
};

int
db_sys_begin(struct db *db, struct db_sys_tx **ret, struct err *e)
{
	AUTO_FREE struct db_sys_tx *tx = calloc(1, sizeof(*tx));

	if (tx == NULL)
		return err_set(e, ERR_NO_MEMORY, "there is no memory for a transaction");
	if (db_txn_begin(&db->sched, NULL, &tx->t, e) < 0)
		return -1;
	*ret = tx;
	tx = NULL;
	return 0;
}

void
db_sys_tx_free(struct db_sys_tx *tx)
{
	if (tx == NULL)
		return;
	db_txn_end(&tx->t);
	free(tx);
}

int
db_sys_commit(struct db_sys_tx **tx, struct err *e)
{
	AUTO(db_sys_tx) mine = *tx;

	*tx = NULL;
	return db_txn_commit(&mine->t, e);
}

int
db_sys_one(struct db_sys_tx *tx, const char *stmt, const struct db_arg *args,
    const struct db_col *cols, struct arena *mem, struct err *e)
{
	const struct db_query q = {
		.stmt = stmt, .args = args, .cols = cols, .mem = mem, .single = true
	};

	return (int)db_txn_query(&tx->t, &q, false, e);
}

int64_t
db_sys_each(struct db_sys_tx *tx, const char *stmt, const struct db_arg *args,
    const struct db_col *cols, struct arena *mem, db_row_fn *row, void *ctx, struct err *e)
{
	const struct db_query q = {
		.stmt = stmt, .args = args, .cols = cols, .mem = mem, .row = row, .ctx = ctx
	};

	return db_txn_query(&tx->t, &q, false, e);
}

int64_t
db_sys_exec(struct db_sys_tx *tx, const char *stmt, const struct db_arg *args, struct err *e)
{
	const struct db_query q = { .stmt = stmt, .args = args };

	return db_txn_query(&tx->t, &q, false, e);
}

int
db_sys_read_one(struct db *db, const char *stmt, const struct db_arg *args,
    const struct db_col *cols, struct arena *mem, struct err *e)
{
	const struct db_query q = {
		.stmt = stmt, .args = args, .cols = cols, .mem = mem, .single = true
	};

	return (int)db_txn_read(&db->sched, NULL, &q, e);
}
