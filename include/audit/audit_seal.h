/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_SEAL_H
#define AUDIT_SEAL_H

/*
 * Checkpoints of all tenants' logs, kept outside of the database: a thread looks at the heads and
 * appends a signed line (checkpoint.h) to <dir>/<tenant uuid>.ndjson for each log that has moved
 * since the last one, at once after the start, every interval, sooner after AUDIT_SEAL_ENTRIES
 * entries, and at the stop.  A log that has gone back behind its last line is never sealed over:
 * that is logged as an error and counted, until the log is right again or somebody takes the file
 * away.
 *
 * Growth: a line has about 550 bytes and stands for at least one entry and an interval, or for
 * AUDIT_SEAL_ENTRIES entries: at most 0.8 MB a day at 60 s for a tenant that never rests, or half a
 * byte per entry for one that is faster than that.
 */

#include "base.h"
#include "err.h"
#include "id.h"
#include "log.h"

struct audit_seal;
struct db;
struct metrics;
struct sign_key;

enum { AUDIT_SEAL_ENTRIES = 1000, AUDIT_SEAL_LOOK_MS = 5000 /* at the heads, at most */ };
struct audit_seal_options {
	struct db *db;
	int dirfd; /* stays the caller's, as do key and metrics */
	const struct sign_key *key;
	struct uuid node;
	int64_t interval_ms;
	struct metrics *metrics;
	struct log log;
};
int audit_seal_start(
    const struct audit_seal_options *o, struct audit_seal **ret, struct err *e) MUST_CHECK;
/* Seals once more (at most five seconds), then ends.  Accepts NULL. */
void audit_seal_stop(struct audit_seal *s);
/* Any thread: what keeps checkpoints from being made (static), NULL when nothing does. */
const char *audit_seal_ill(struct audit_seal *s);
/* Removes the tenant's lines.  After its state is 'deleting', from when on it gets none. */
int audit_seal_forget(struct audit_seal *s, struct tenant_id tenant, struct err *e) MUST_CHECK;

#endif
