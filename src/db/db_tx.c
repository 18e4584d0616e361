/* SPDX-License-Identifier: Apache-2.0 */
/* A tenant's transactions.  Only here, and in db_tx.sql, is the tenant of a transaction set. */
#include "db_internal.h"

#include <string.h>

struct db_tx {
	struct db_txn t;
};

int
db_tx_context(
    const struct db *db, const struct tenant_id *tenant, struct db_params *p, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(tenant->uuid), DB_ARGS_END };
	const struct db_stmt *st = db->context;

	/* The nil uuid is nobody's: a tenant that was never filled in. */
	REQUIRE(!uuid_is_nil(tenant->uuid));
	if (db_params_build(p, args, st->params, st->n_params, st->name, e) == 0)
		return 0;
	db_params_done(p);
	return -1;
}

int
db_tx_context_check(struct db *db, struct db_conn *c, const struct db_step *step, struct err *e)
{
	if (db_rows_cell(step->result, 0)[0] == '\0')
		return 0;
	c->broken = true;
	db_observe(db, "other", -1);
	log_error(
	    &db->log, "a database connection carried another tenant's context and was closed");
	return err_set(e, ERR_INTERNAL, "a database connection carried another tenant's context");
}

int
db_tx_begin(struct db *db, struct tenant_id tenant, struct db_tx **ret, struct err *e)
{
	AUTO_FREE struct db_tx *tx = calloc(1, sizeof(*tx));

	if (tx == NULL)
		return err_set(e, ERR_NO_MEMORY, "there is no memory for a transaction");
	if (db_txn_begin(&db->api, &tenant, &tx->t, e) < 0)
		return -1;
	*ret = tx;
	tx = NULL;
	return 0;
}

void
db_tx_free(struct db_tx *tx)
{
	if (tx == NULL)
		return;
	db_txn_end(&tx->t);
	free(tx);
}

int
db_tx_commit(struct db_tx **tx, struct err *e)
{
	AUTO(db_tx) mine = *tx;

	*tx = NULL;
	return db_txn_commit(&mine->t, e);
}

int
db_one(struct db_tx *tx, const char *stmt, const struct db_arg *args, const struct db_col *cols,
    struct arena *mem, struct err *e)
{
	const struct db_query q = {
		.stmt = stmt, .args = args, .cols = cols, .mem = mem, .single = true
	};

	return (int)db_txn_query(&tx->t, &q, false, e);
}

int64_t
db_each(struct db_tx *tx, const char *stmt, const struct db_arg *args, const struct db_col *cols,
    struct arena *mem, db_row_fn *row, void *ctx, struct err *e)
{
	const struct db_query q = {
		.stmt = stmt, .args = args, .cols = cols, .mem = mem, .row = row, .ctx = ctx
	};

	return db_txn_query(&tx->t, &q, false, e);
}

int64_t
db_exec(struct db_tx *tx, const char *stmt, const struct db_arg *args, struct err *e)
{
	const struct db_query q = { .stmt = stmt, .args = args };

	return db_txn_query(&tx->t, &q, false, e);
}

int
db_one_commit(struct db_tx **tx, const char *stmt, const struct db_arg *args,
    const struct db_col *cols, struct arena *mem, struct err *e)
{
	const struct db_query q = {
		.stmt = stmt, .args = args, .cols = cols, .mem = mem, .single = true
	};
	AUTO(db_tx) mine = *tx;

	*tx = NULL;
	return (int)db_txn_query(&mine->t, &q, true, e);
}

int
db_read_one(struct db *db, struct tenant_id tenant, const char *stmt, const struct db_arg *args,
    const struct db_col *cols, struct arena *mem, struct err *e)
{
	const struct db_query q = {
		.stmt = stmt, .args = args, .cols = cols, .mem = mem, .single = true
	};

	return (int)db_txn_read(&db->api, &tenant, &q, e);
}

int64_t
db_read_each(struct db *db, struct tenant_id tenant, const char *stmt, const struct db_arg *args,
    const struct db_col *cols, struct arena *mem, db_row_fn *row, void *ctx, struct err *e)
{
	const struct db_query q = {
		.stmt = stmt, .args = args, .cols = cols, .mem = mem, .row = row, .ctx = ctx
	};

	return db_txn_read(&db->api, &tenant, &q, e);
}
