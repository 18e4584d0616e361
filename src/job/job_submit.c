/* SPDX-License-Identifier: Apache-2.0 */
#include "job_internal.h"

#include "audit.h"

#include <string.h>

/*
 * Submission is one unit of a group commit: the job, its manifest, its place in the queue, the
 * idempotency key and the audit row become durable together or not at all.  The statements need
 * nothing of each other, because ids are made here.  The key is not looked up first: a first use is
 * the rule, and only the unique index can decide between requests that arrive together.
 */

/* What the statements point to; alive until the unit is acknowledged. */
struct submission {
	char resource[ID_STR_SIZE];
	struct audit_entry audit;
	struct db_arg audit_args[AUDIT_ARGS + 1];
	struct db_write writes[DB_GROUP_STATEMENTS];
	size_t n;
};

static void
add_write(struct submission *u, const char *stmt, const struct db_arg *args, bool must_affect)
{
	REQUIRE(u->n < DB_GROUP_STATEMENTS);
	u->writes[u->n++] =
	    (struct db_write){ .stmt = stmt, .args = args, .must_affect = must_affect };
}

static void
add_audit(struct submission *u, const struct principal *who, struct uuid id, const char *request_id)
{
	(void)id_format("job", id, u->resource); /* returns its buffer */
	audit_entry_init(&u->audit, who, "job.submit", u->resource, request_id);
	audit_write(&u->audit, u->audit_args, &u->writes[u->n++]);
}

static int
write_unit(struct db *db, const struct principal *who, const struct job_submission *s,
    const char *manifest, struct uuid id, struct arena *mem, struct err *e)
{
	const struct job_spec *spec = &s->spec;
	struct uuid tenant = who->tenant.uuid;
	const struct db_arg job[] = { DB_ARG_UUID(tenant), DB_ARG_UUID(id),
		DB_ARG_TEXT(spec->environment->name), DB_ARG_TEXT(spec->environment->digest),
		DB_ARG_TEXT(spec->name), DB_ARG_JSON(spec->labels), DB_ARG_I32(spec->priority),
		DB_ARG_I64(spec->cpu_milli), DB_ARG_I64(spec->memory_bytes), DB_ARG_UUID(who->key),
		DB_ARGS_END };
	const struct db_arg body[] = { DB_ARG_UUID(tenant), DB_ARG_UUID(id), DB_ARG_JSON(manifest),
		DB_ARGS_END };
	const struct db_arg queue[] = { DB_ARG_UUID(tenant), DB_ARG_UUID(id),
		DB_ARG_I32(spec->priority), DB_ARG_I64(spec->cpu_milli),
		DB_ARG_I64(spec->memory_bytes), DB_ARG_I32(spec->max_attempts),
		DB_ARG_I64(s->queued_max), DB_ARGS_END };
	const struct db_arg key[] = { DB_ARG_UUID(tenant), DB_ARG_TEXT(s->idempotency_key),
		DB_ARG_BYTES(s->fingerprint, sizeof(s->fingerprint)), DB_ARG_UUID(id),
		DB_ARGS_END };
	struct submission u = { .n = 0 };

	/* The key first: a repeated one then fails before anything else was written. */
	if (s->idempotency_key != NULL)
		add_write(&u, "job_idempotency_insert", key, false);
	add_write(&u, "job_insert", job, false);
	add_write(&u, "job_manifest_insert", body, false);
	add_write(&u, "job_queue_insert", queue, true);
	add_audit(&u, who, id, s->request_id);
	return db_group_write(db, who->tenant, u.writes, u.n, NULL, mem, e);
}

/* The key was used before: the same request gets the same answer, another one a refusal. */
static int
replay(struct db *db, struct tenant_id tenant, const struct job_submission *s, struct arena *mem,
    struct uuid *ret_id, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(tenant.uuid), DB_ARG_TEXT(s->idempotency_key),
		DB_ARGS_END };
	struct db_bytes fingerprint = { 0 };
	struct uuid id = { 0 };
	const struct db_col cols[] = { DB_BYTES("fingerprint", &fingerprint),
		DB_UUID("resource_id", &id), DB_COLS_END };
	int found = db_read_one(db, tenant, "job_idempotency_get", args, cols, mem, e);

	if (found < 0)
		return -1;
	if (found == 0) /* aged out between the two statements */
		return err_set(e, ERR_DB_RETRY,
		    "The idempotency key has just expired; send the request again.");
	if (fingerprint.n != sizeof(s->fingerprint) ||
	    memcmp(fingerprint.p, s->fingerprint, sizeof(s->fingerprint)) != 0)
		return err_set(e, ERR_IDEMPOTENCY_REUSED,
		    "This Idempotency-Key was used for another "
		    "request; send a new key, or the very same request.");
	*ret_id = id;
	return 0;
}

static int
quota_refusal(
    struct db *db, struct tenant_id tenant, int64_t queued_max, struct arena *mem, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(tenant.uuid), DB_ARGS_END };
	int64_t waiting = 0;
	const struct db_col cols[] = { DB_I64("waiting", &waiting), DB_COLS_END };

	if (db_read_one(db, tenant, "job_queue_count", args, cols, mem, e) < 0)
		return -1;
	return err_set(e, ERR_QUOTA,
	    "%lld of at most %lld jobs are waiting; wait until some have started, "
	    "cancel some, or ask the operator for a greater limit.",
	    (long long)waiting, (long long)queued_max);
}

int
job_submit(struct db *db, const struct principal *who, const struct job_submission *s,
    struct arena *mem, struct uuid *ret_id, bool *ret_replayed, struct err *e)
{
	struct uuid id = uuid_v7();
	struct err own = { 0 };
	bool replayed = false;
	char *manifest = arena_strndup(mem, s->manifest, s->manifest_n);

	if (manifest == NULL)
		return arena_err(e);
	if (write_unit(db, who, s, manifest, id, mem, &own) < 0) {
		if (own.code == ERR_CONFLICT)
			return quota_refusal(db, who->tenant, s->queued_max, mem, e);
		if (own.code != ERR_DB_CONSTRAINT ||
		    strcmp(db_err_constraint(&own), "idempotency_pkey") != 0) {
			*e = own;
			return -1;
		}
		if (replay(db, who->tenant, s, mem, &id, e) < 0)
			return -1;
		replayed = true;
	}
	*ret_id = id;
	*ret_replayed = replayed;
	return 0;
}
