/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_LOG_H
#define AUDIT_LOG_H

/*
 * Reading the record of changes: pages, whole exports, verification, and the checkpoints that
 * audit_seal.h writes.  A struct audit_desk, one per daemon, holds what must be known across
 * requests: whose export and whose verification is under way, and which reads were recorded of
 * late.  Thread-safe; everything blocks.
 */

#include "arena.h"
#include "audit.h"
#include "chain.h"
#include "json.h"

struct audit_desk;
struct audit_desk_options {
	struct db *db;
	int dirfd;        /* of the checkpoints' files; stays the caller's */
	struct uuid node; /* whose checkpoints they are */
	uint8_t key[32];  /* public key of their signatures */
	int64_t export_max_bytes;
	int exports; /* under way at once, 1 to AUDIT_EXPORTS_MAX; each may hold that many bytes */
};
enum { AUDIT_EXPORTS_MAX = 64 };
int audit_desk_new(
    const struct audit_desk_options *o, struct audit_desk **ret, struct err *e) MUST_CHECK;
/* What is under way ends with ERR_STOPPING at its next page. */
void audit_desk_stop(struct audit_desk *d);
void audit_desk_free(struct audit_desk *d); /* when no thread uses it any more; accepts NULL */
AUTO_TYPE(audit_desk);

/* --- pages ------------------------------------------------------------------------------------ */

struct audit_filter {
	int64_t from_wall_us, to_wall_us; /* from <= at < to; 0: open */
	const char *actor;                /* actor's id; NULL here and below: any */
	const char *action;               /* exact, or "key.*" for all that begin with "key." */
	const char *resource, *outcome;
	int64_t after; /* numbers above it; 0: all */
};
/* A JSON object of what is given, for the record and for exports. */
int audit_filter_print(
    const struct audit_filter *f, struct arena *mem, const char **ret, struct err *e) MUST_CHECK;

struct audit_row {
	int64_t number, at_wall_us;
	uint8_t hash[CHAIN_HASH_SIZE];
	const char *action, *outcome;
	const char *actor_type, *actor, *actor_name, *actor_user, *actor_support; /* id alone is
										     never NULL */
	const char *resource, *reason, *source, *request_id;                      /* NULL: none */
	const char *changes; /* JSON, or NULL */
};
struct audit_page {
	int64_t last; /* where the page before ended; 0: begin */
	int64_t upto; /* the newest entry to show; 0: all that are there */
	bool oldest_first;
	int64_t limit;
};
/* *ret_next: `last` of the next page, 0 when there is none.  A page may have less than limit rows,
 * or none, and still be followed by another: what is rare is not looked for without end. */
int audit_list(struct db *db, struct tenant_id tenant, const struct audit_filter *f,
    const struct audit_page *p, struct arena *mem, struct audit_row **ret, size_t *ret_n,
    int64_t *ret_next, struct err *e) MUST_CHECK;
void audit_row_print(const struct audit_row *row, struct json_out *o);

/*
 * A read of the log is a sensitive one and stands in the log itself: action "audit.read", with
 * {"view": view, "filter": {...}} as its changes.  The same caller reading the same again within
 * AUDIT_READ_AGAIN_MS (the next page, a client that polls) is not recorded again by this daemon.
 */
enum { AUDIT_READ_AGAIN_MS = 60000 };
int audit_record_read(struct audit_desk *d, struct tenant_id tenant, const struct caller *by,
    const char *view, const char *filter, struct arena *mem, struct err *e) MUST_CHECK;

/* --- whole exports ---------------------------------------------------------------------------- */

enum audit_format { AUDIT_NDJSON /* export.h */, AUDIT_CSV };
struct audit_export {
	int fd; /* of an unlinked file; the caller's */
	int64_t size;
	void *slot; /* for audit_export_done */
};
/*
 * Oldest first, up to what is there when it begins.  One of a tenant at a time, until the file was
 * sent (ERR_RATE); ERR_BUSY when all are in use; ERR_TOO_LARGE beyond export_max_bytes.  The file
 * lies in spool_dirfd without a name.
 */
int audit_export(struct audit_desk *d, struct tenant_id tenant, const struct audit_filter *f,
    enum audit_format format, int spool_dirfd, struct audit_export *ret, struct err *e) MUST_CHECK;
/* When the file is closed: another one may be made.  Any thread. */
void audit_export_done(void *slot);

/* --- verification ----------------------------------------------------------------------------- */

struct audit_verdict {
	int64_t first, last;           /* entries that were checked; last < first: none */
	uint8_t head[CHAIN_HASH_SIZE]; /* hash of the last one */
	int64_t checkpoints;           /* lines of this node; other nodes' lie with them */
	int64_t checkpoint_number, checkpoint_wall_us; /* of the last line, made at; 0: none */
	struct uuid node;
	const struct chain_problem *problems;
	size_t n_problems;
	int64_t n_problems_lost; /* beyond CHAIN_PROBLEMS_MAX */
	int64_t duration_ms, verified_wall_us;
};
/*
 * Walks the log from entry `from` (at least 1) to its end and compares it with its head and the
 * checkpoints.  One of a tenant at a time (ERR_RATE).
 */
int audit_verify(struct audit_desk *d, struct tenant_id tenant, int64_t from, struct arena *mem,
    struct audit_verdict *ret, struct err *e) MUST_CHECK;
void audit_verdict_print(const struct audit_verdict *v, struct json_out *o);

/* The checkpoints of this node that are beyond an entry: n bytes of a file from offset, whole
 * lines.  *ret_fd is -1 when there are none. */
struct audit_part {
	int fd; /* the caller's */
	int64_t offset, n;
};
int audit_checkpoints(struct audit_desk *d, struct tenant_id tenant, int64_t after,
    struct audit_part *ret, struct err *e) MUST_CHECK;
/* {"keys":[...]}: the public key as a JWK (RFC 8037), whose kid is the key in hexadecimal digits as
 * in the lines. */
void audit_keys_print(const struct audit_desk *d, struct json_out *o);

#endif
