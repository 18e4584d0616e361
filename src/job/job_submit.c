/* SPDX-License-Identifier: Apache-2.0 */
#include "job_internal.h"

#include "audit.h"

#include <string.h>

/*
 * A submission looks first (job_admission.c): where it may go, whether its key was used before, how
 * much room there is.  Refusals end there and cost nobody else anything.  Then one unit of a group
 * commit makes the job, its counters, the idempotency key and the audit entry durable together or
 * not at all.  The unit holds only as long as the look does; when more came in between than there
 * was room for, look and writes are made again in a transaction that holds the tenant's changes up
 * meanwhile, which cannot fail like this.
 */

/* What a submission writes, in order, and what the statements point to. */
struct unit {
	struct db_arg audit_args[AUDIT_ARGS], key[5], day[4], job[18];
	struct db_write writes[DB_GROUP_STATEMENTS];
	size_t n;
};

static void
add_write(struct unit *u, const char *stmt, struct db_arg *args, const struct db_arg *filled,
    size_t n, bool must_affect)
{
	REQUIRE(u->n < DB_GROUP_STATEMENTS);
	memcpy(args, filled, n * sizeof(*args));
	u->writes[u->n++] =
	    (struct db_write){ .stmt = stmt, .args = args, .must_affect = must_affect };
}

/* First, because it takes the tenant's lock. */
static int
add_audit(struct unit *u, const struct caller *by, struct uuid id, struct uuid project,
    struct arena *mem, struct err *e)
{
	char job[ID_STR_SIZE], prj[ID_STR_SIZE];
	const struct audit_note note = { .by = by,
		.action = "job.create",
		.resource = id_format("job", id, job),
		.changes = arena_printf(
		    mem, "{\"project\":[null,\"%s\"]}", id_format("prj", project, prj)) };

	if (note.changes == NULL)
		return arena_err(e);
	return audit_write(by->who->tenant, &note, mem, u->audit_args, &u->writes[u->n++], e);
}

/* Number of the tenant's change up to which the look is good. */
static int64_t
last_number(const struct job_admission *a)
{
	int64_t room = job_admission_room(a);

	return room < INT64_MAX - a->number ? a->number + room : INT64_MAX;
}

static int
build_unit(struct unit *u, const struct caller *by, const struct job_submission *s,
    const struct job_admission *a, struct uuid id, struct arena *mem, struct err *e)
{
	const struct job_spec *spec = &s->spec;
	struct uuid tenant = by->who->tenant.uuid;
	const char *manifest = arena_strndup(mem, s->manifest, s->manifest_n);
	const struct db_arg key[] = { DB_ARG_UUID(tenant), DB_ARG_TEXT(s->idempotency_key),
		DB_ARG_BYTES(s->fingerprint, sizeof(s->fingerprint)), DB_ARG_UUID(id),
		DB_ARGS_END };
	const struct db_arg day[] = { DB_ARG_UUID(tenant), DB_ARG_UUID(a->project),
		DB_ARG_I32(a->day), DB_ARGS_END };
	const struct db_arg job[] = { DB_ARG_UUID(tenant), DB_ARG_UUID(id), DB_ARG_UUID(a->project),
		DB_ARG_TEXT(spec->environment->name), DB_ARG_TEXT(spec->environment->digest),
		DB_ARG_TEXT(spec->name), DB_ARG_JSON(spec->labels), DB_ARG_I32(spec->priority),
		DB_ARG_I64(spec->cpu_milli), DB_ARG_I64(spec->memory_bytes),
		DB_ARG_UUID(principal_id(by->who)), DB_ARG_JSON(manifest),
		DB_ARG_I32(spec->max_attempts), DB_ARG_I32(a->day), DB_ARG_I64(last_number(a)),
		DB_ARG_I32(spec->gpus), DB_ARG_BOOL(spec->pin_cpus), DB_ARGS_END };

	if (manifest == NULL)
		return arena_err(e);
	if (add_audit(u, by, id, a->project, mem, e) < 0)
		return -1;
	if (s->idempotency_key != NULL)
		add_write(u, "job_idempotency_insert", u->key, key, ARRAY_LEN(key), false);
	if (!a->day_open)
		add_write(u, "job_day_open", u->day, day, ARRAY_LEN(day), false);
	add_write(u, "job_accept", u->job, job, ARRAY_LEN(job), true);
	return 0;
}

/* Looks and decides: 0, or 1 when the key was used before for the same request. */
static int
look(struct db *db, struct db_tx *tx, const struct caller *by, const struct job_submission *s,
    struct arena *mem, struct job_admission *ret, struct err *e)
{
	if (job_admission_look(db, tx, by->who->tenant, s, mem, ret, e) < 0)
		return -1;
	/* A key opens nobody's project, but its job may stand in one that is closed by now. */
	if (job_admission_may(ret, by->who, e) < 0)
		return -1;
	if (!ret->used_before)
		return job_admission_takes(ret, &s->spec, e);
	if (memcmp(ret->fingerprint, s->fingerprint, sizeof(s->fingerprint)) != 0)
		return err_set(e, ERR_IDEMPOTENCY_REUSED,
		    "This Idempotency-Key was used for another request; send a new key, or the "
		    "very same request.");
	return 1;
}

/* 0, or 1 when the key was used before: *ret_id is that job then. */
static int
submit_locked(struct db *db, const struct caller *by, const struct job_submission *s,
    struct arena *mem, struct uuid *ret_id, struct err *e)
{
	struct job_admission a;
	struct unit u = { .n = 0 };
	AUTO(db_tx) tx = NULL;
	int replayed;

	if (db_tx_begin(db, by->who->tenant, &tx, e) < 0)
		return -1;
	if (audit_lock(tx, by->who->tenant, e) < 0)
		return -1;
	replayed = look(db, tx, by, s, mem, &a, e);
	if (replayed > 0)
		*ret_id = a.resource;
	if (replayed != 0)
		return replayed;
	if (build_unit(&u, by, s, &a, *ret_id, mem, e) < 0)
		return -1;
	for (size_t i = 0; i < u.n; i++) {
		int64_t n = db_exec(tx, u.writes[i].stmt, u.writes[i].args, e);

		if (n < 0)
			return -1;
		/* Nobody changes anything under the lock, but a tenant can be on its way out. */
		if (n == 0 && u.writes[i].must_affect)
			return err_set(e, ERR_DB_RETRY,
			    "The job was not accepted, because the tenant was changed meanwhile; "
			    "send the request again.");
	}
	return db_tx_commit(&tx, e);
}

static bool
came_between(const struct err *e)
{
	return e->code == ERR_CONFLICT ||
	       (e->code == ERR_DB_CONSTRAINT &&
		   strcmp(db_err_constraint(e), "idempotency_pkey") == 0);
}

/* As submit_locked. */
static int
submit(struct db *db, const struct caller *by, const struct job_submission *s, struct arena *mem,
    struct uuid *ret_id, struct err *e)
{
	struct job_admission a;
	struct unit u = { .n = 0 };
	struct err own = { 0 };
	int replayed = look(db, NULL, by, s, mem, &a, e);

	if (replayed > 0)
		*ret_id = a.resource;
	if (replayed != 0)
		return replayed;
	if (build_unit(&u, by, s, &a, *ret_id, mem, e) < 0)
		return -1;
	if (db_group_write(db, by->who->tenant, u.writes, u.n, NULL, mem, &own) == 0)
		return 0;
	if (came_between(&own))
		return submit_locked(db, by, s, mem, ret_id, e);
	*e = own;
	return -1;
}

int
job_submit(struct db *db, const struct caller *by, const struct job_submission *s,
    struct arena *mem, struct uuid *ret_id, bool *ret_replayed, struct err *e)
{
	struct uuid id = uuid_v7();
	int replayed;

	REQUIRE(by->who != NULL);
	replayed = submit(db, by, s, mem, &id, e);
	if (replayed < 0)
		return -1;
	*ret_id = id;
	*ret_replayed = replayed > 0;
	return 0;
}
