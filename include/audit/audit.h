/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_H
#define AUDIT_H

/*
 * Append-only record of who changed what, written in the same transaction as the change.  The
 * application role may insert and read, never change.
 */

#include "base.h"
#include "db.h"
#include "err.h"
#include "tenant.h"

extern const struct db_sql audit_sql;

struct audit_entry {
	struct uuid id;         /* filled by audit_entry_init */
	char actor[24];         /* "key:<public part>" or "system" */
	const char *action;     /* "job.submit", static */
	const char *resource;   /* "job_01...", outlives the write */
	const char *outcome;    /* "ok" or "denied", static */
	const char *request_id; /* NULL outside requests */
};
void audit_entry_init(struct audit_entry *a, const struct principal *who, const char *action,
    const char *resource, const char *request_id);
/* Fills args[AUDIT_ARGS] and *w so that the entry joins a unit of db_group_write. */
enum { AUDIT_ARGS = 7 };
void audit_write(
    const struct audit_entry *a, struct db_arg args[static AUDIT_ARGS], struct db_write *w);
/* Inside an open transaction. */
int audit_append(struct db_tx *tx, const struct audit_entry *a, struct err *e) MUST_CHECK;

#endif
