/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_H
#define AUDIT_H

/*
 * Append-only record of who changed what, and of denied and sensitive reads, written in the same
 * transaction as what it tells of.  Each tenant's entries form a chain (chain.h).  Writing an entry
 * locks the tenant's row of audit_head until the transaction ends, and comes FIRST in it
 * (audit_lock, or the entry itself): changes of one tenant then happen one after the other, can
 * check what must hold over several rows ("the last owner stays"), and cannot deadlock.
 */

#include "access.h"
#include "arena.h"
#include "base.h"
#include "db.h"
#include "err.h"

extern const struct db_sql audit_sql;

/* Texts are borrowed; lengths are bounded by cutting. */
struct audit_note {
	const struct caller *by;
	const char *action;   /* "job.create": static */
	const char *resource; /* "job_01..."; NULL: none */
	const char *denied;   /* NULL: it was done; else why not, e.g. "needs job:create" */
	const char *changes; /* JSON object of changed fields, {"name": ["old", "new"]}; NULL: none.
			      * Secrets never go in; "***" stands for them. */
};

/* As the first write of a unit of db_group_write.  args and what they point to (mem) live until it
 * is acknowledged. */
enum { AUDIT_ARGS = 3 };
int audit_write(struct tenant_id tenant, const struct audit_note *n, struct arena *mem,
    struct db_arg args[static AUDIT_ARGS], struct db_write *w, struct err *e) MUST_CHECK;
/* In an open transaction of the tenant: takes the lock alone, for changes that must look first. */
int audit_lock(struct db_tx *tx, struct tenant_id tenant, struct err *e) MUST_CHECK;
int audit_append(struct db_tx *tx, struct tenant_id tenant, const struct audit_note *n,
    struct arena *mem, struct err *e) MUST_CHECK;
/* Platform operations: an entry in the log of `tenant` (the platform's own, or the one concerned;
 * when both, the lower id first). */
int audit_platform_lock(
    struct db_platform_tx *tx, struct tenant_id tenant, struct err *e) MUST_CHECK;
int audit_platform_append(struct db_platform_tx *tx, struct tenant_id tenant,
    const struct audit_note *n, struct arena *mem, struct err *e) MUST_CHECK;
/* One entry in a transaction of its own (denials, sensitive reads). */
int audit_record(struct db *db, struct tenant_id tenant, const struct audit_note *n,
    struct arena *mem, struct err *e) MUST_CHECK;

#endif
