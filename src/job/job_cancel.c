/* SPDX-License-Identifier: Apache-2.0 */
#include "job_internal.h"

#include "audit.h"

/* Wishes to end jobs; the scheduler turns them into moves. */

enum {
	/* A job that is neither over nor asked to end was one of both a moment later. */
	TRIES = 3
};

/* 1: somebody asked already; 0: nobody did. */
static int
look(struct db *db, struct tenant_id tenant, const struct db_arg *args, struct uuid id,
    struct arena *mem, struct err *e)
{
	const char *end_state = NULL;
	bool wished = false;
	const struct db_col cols[] = { DB_TEXT_NULL("end_state", &end_state),
		DB_BOOL("wished", &wished), DB_COLS_END };
	int found = db_read_one(db, tenant, "job_cancel_look", args, cols, mem, e);

	if (found < 0)
		return -1;
	if (found == 0)
		return job_not_found(id, e);
	if (end_state != NULL)
		return err_set(e, ERR_CONFLICT,
		    "The job is over already (%s), so there is nothing to cancel.", end_state);
	return wished;
}

static int
write_wish(struct db *db, struct tenant_id tenant, const struct audit_note *note,
    const struct db_arg *args, struct arena *mem, struct err *e)
{
	struct db_arg audit_args[AUDIT_ARGS];
	struct db_write writes[2];

	if (audit_write(tenant, note, mem, audit_args, &writes[0], e) < 0)
		return -1;
	writes[1] =
	    (struct db_write){ .stmt = "job_cancel_wish", .args = args, .must_affect = true };
	return db_group_write(db, tenant, writes, ARRAY_LEN(writes), NULL, mem, e);
}

int
job_cancel(struct db *db, struct tenant_id tenant, const struct scope *scope,
    const struct caller *by, struct uuid id, struct arena *mem, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(tenant.uuid), DB_ARG_UUID(id),
		DB_ARG_SCOPE(scope), DB_ARGS_END };
	char resource[ID_STR_SIZE];
	const struct audit_note note = {
		.by = by, .action = "job.cancel", .resource = id_format("job", id, resource)
	};
	struct err between;

	for (int i = 0; i < TRIES; i++) {
		int wished = look(db, tenant, args, id, mem, e);

		if (wished != 0)
			return wished < 0 ? -1 : 0;
		if (write_wish(db, tenant, &note, args, mem, &between) == 0)
			return 0;
		if (between.code != ERR_CONFLICT)
			break;
	}
	*e = between;
	return -1;
}

int64_t
job_cancel_all(struct db *db, struct tenant_id tenant, const struct caller *by, struct arena *mem,
    struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(tenant.uuid), DB_ARG_I64(JOB_CANCEL_ALL),
		DB_ARGS_END };
	char resource[ID_STR_SIZE];
	const struct audit_note note = { .by = by,
		.action = "job.cancel",
		.resource = id_format("ten", tenant.uuid, resource) };
	AUTO(db_tx) tx = NULL;
	int64_t n;

	if (db_tx_begin(db, tenant, &tx, e) < 0)
		return -1;
	if (audit_lock(tx, tenant, e) < 0)
		return -1;
	n = db_exec(tx, "job_cancel_wish_all", args, e);
	if (n <= 0)
		return n;
	if (audit_append(tx, tenant, &note, mem, e) < 0 || db_tx_commit(&tx, e) < 0)
		return -1;
	return n;
}
