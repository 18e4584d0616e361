/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The three types of transaction and what a tenant's has beside.  Only here, and in db_tx.sql, is
 * the tenant of a transaction set.  The functions of a type stand in db_tx.def, once for all types.
 */
#include "db_internal.h"

#define TX(x) db_##x
#define TX_LIFE(x) db_tx_##x
#define TX_TYPE db_tx
#define TX_FREE db_tx_free
#define TX_POOL api
#define TX_PARAMETER struct tenant_id tenant,
#define TX_TENANT &tenant
#include "db_tx.def"

#define TX(x) db_sys_##x
#define TX_LIFE(x) db_sys_##x
#define TX_TYPE db_sys_tx
#define TX_FREE db_sys_tx_free
#define TX_POOL sched
#define TX_PARAMETER
#define TX_TENANT NULL
#include "db_tx.def"

#define TX(x) db_platform_##x
#define TX_LIFE(x) db_platform_##x
#define TX_TYPE db_platform_tx
#define TX_FREE db_platform_tx_free
#define TX_POOL platform
#define TX_PARAMETER
#define TX_TENANT NULL
#include "db_tx.def"

/* --- a tenant's ------------------------------------------------------------------------------- */

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
db_lookup(struct db *db, struct tenant_id tenant, const char *stmt, const struct db_arg *args,
    const struct db_col *cols, struct arena *mem, struct err *e)
{
	const struct db_query q = {
		.stmt = stmt, .args = args, .cols = cols, .mem = mem, .single = true
	};

	return (int)db_group_lookup(db, tenant, &q, e);
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
