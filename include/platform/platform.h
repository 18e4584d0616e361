/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PLATFORM_H
#define PLATFORM_H

/*
 * What operators do with tenants: the registry, limits, support access, deletion.  Everything runs
 * on the platform's role, which sees nothing of what tenants own, and stands in two audit logs: the
 * platform's and that of the tenant concerned.  Permissions are the caller's business; that whoever
 * asks is an operator still is looked at again with each change (ERR_UNAUTHENTICATED).  Blocking;
 * thread-safe.
 */

#include "access.h"
#include "arena.h"
#include "base.h"
#include "db.h"
#include "err.h"
#include "id.h"
#include "json.h"
#include "log.h"
#include "quota.h"

#include <stdbool.h>

extern const struct db_sql platform_sql;

/* Who asks, and where results live.  Borrowed for the call. */
struct platform_ask {
	struct db *db;
	const struct caller *by; /* by->who NULL: the system itself */
	struct arena *mem;
};

enum {
	PLATFORM_ANY_VERSION = -1,
	PLATFORM_REASON_MAX = 1000, /* characters */
	PLATFORM_REASON_BYTES = 4 * PLATFORM_REASON_MAX
};

/* --- registry ------------------------------------------------------------------------------- */

struct platform_tenant {
	struct tenant_id id;
	const char *name, *kind, *state;
	const char *state_reason; /* NULL: none given */
	bool support_allowed;
	int64_t state_changed_wall_us; /* 0: never */
	int64_t created_wall_us, version;
};
/* With its default project; name: a DNS label.  It has no users yet. */
int platform_tenant_create(const struct platform_ask *a, const char *name,
    struct platform_tenant *ret, struct err *e) MUST_CHECK;
int platform_tenant_get(struct db *db, struct tenant_id id, struct arena *mem,
    struct platform_tenant *ret, struct err *e) MUST_CHECK;
/* By name, which need not be unique: ERR_NOT_FOUND, or ERR_CONFLICT for namesakes. */
int platform_tenant_find(struct db *db, const char *name, struct arena *mem,
    struct platform_tenant *ret, struct err *e) MUST_CHECK;
struct platform_filter {
	const char *name, *state; /* NULL: any */
	struct uuid before;       /* nil: from the newest */
	int64_t limit;            /* 1 .. CAP_PAGE_ITEMS */
};
int platform_tenant_list(struct db *db, const struct platform_filter *f, struct arena *mem,
    struct platform_tenant **ret, size_t *ret_n, bool *ret_more, struct err *e) MUST_CHECK;
int platform_tenant_rename(const struct platform_ask *a, struct tenant_id id, const char *name,
    int64_t if_version, struct platform_tenant *ret, struct err *e) MUST_CHECK;
/* Credentials are refused with the reason within a second, queued jobs wait, running ones go on.
 * ERR_INVALID for a reason of blanks alone, or with control characters; ERR_CONFLICT in another
 * state than active, and for the platform's own tenant. */
int platform_tenant_suspend(const struct platform_ask *a, struct tenant_id id, const char *reason,
    struct platform_tenant *ret, struct err *e) MUST_CHECK;
int platform_tenant_resume(const struct platform_ask *a, struct tenant_id id,
    struct platform_tenant *ret, struct err *e) MUST_CHECK;
/* Before an owner is made for a tenant from outside: ERR_CONFLICT while one of its own can come in,
 * so that operators look into tenants by support access alone. */
int platform_owner_admit(
    const struct platform_ask *a, struct tenant_id id, struct err *e) MUST_CHECK;
void platform_tenant_print(const struct platform_tenant *t, struct json_out *o);

/* --- limits ----------------------------------------------------------------------------------- */

struct platform_limit {
	enum quota quota;
	int64_t amount; /* -1: back to the default */
};
int platform_limits_set(const struct platform_ask *a, struct tenant_id id,
    const struct platform_limit *limits, size_t n, struct err *e) MUST_CHECK;

/* --- support access --------------------------------------------------------------------------- */

enum {
	PLATFORM_SUPPORT_LEAST_S = 300,
	PLATFORM_SUPPORT_MOST_S = 8 * 3600,
	PLATFORM_SUPPORT_REASON_MIN = 10 /* characters */
};
struct platform_support {
	struct uuid id, operator_id;
	const char *operator_name, *role, *reason;
	int64_t created_wall_us, expires_wall_us;
	int64_t ended_wall_us; /* 0: it was not ended */
	const char *ended_by;  /* NULL with ended_wall_us 0 */
	bool active;
};
/* role: any system role of customers but owner.  ERR_DENIED when the tenant allows no support. */
int platform_support_open(const struct platform_ask *a, struct tenant_id id, enum system_role role,
    const char *reason, int64_t lifetime_s, struct platform_support *ret, struct err *e) MUST_CHECK;
/* By the operators' side; again changes nothing. */
int platform_support_end(const struct platform_ask *a, struct tenant_id id, struct uuid support,
    struct err *e) MUST_CHECK;
/* By the tenant's side, in its own transaction. */
int platform_support_end_own(const struct platform_ask *a, struct tenant_id tenant,
    struct uuid support, struct err *e) MUST_CHECK;
/* As the tenant sees it (its own rows alone). */
int platform_support_list(struct db *db, struct tenant_id tenant, struct uuid before, int64_t limit,
    struct arena *mem, struct platform_support **ret, size_t *ret_n, bool *ret_more,
    struct err *e) MUST_CHECK;
void platform_support_print(const struct platform_support *s, struct json_out *o);

/* --- deletion -----------------------------------------------------------------------------------
 */

struct platform_node {
	struct uuid id;
	bool waived;
	int64_t done_wall_us; /* 0: not yet */
};
struct platform_operation {
	struct uuid id, target;
	const char *kind, *target_name, *stage, *progress; /* progress: JSON object */
	const char *problem;                               /* NULL: nothing holds it up */
	const char *created_by;
	bool done;
	int64_t created_wall_us, updated_wall_us, ended_wall_us;
	struct platform_node *nodes; /* only from platform_operation_get */
	size_t n_nodes;
};
/*
 * Begins the deletion of a tenant with all that it owns: from the commit on its credentials are
 * unknown; the rest is done by the workers (struct platform_worker) of all daemons.  confirm must
 * be the tenant's name (ERR_INVALID).  It cannot be taken back.
 */
int platform_tenant_delete(const struct platform_ask *a, struct tenant_id id, const char *confirm,
    struct platform_operation *ret, struct err *e) MUST_CHECK;
int platform_operation_get(struct db *db, struct uuid id, struct arena *mem,
    struct platform_operation *ret, struct err *e) MUST_CHECK;
int platform_operation_list(struct db *db, struct uuid before, int64_t limit, struct arena *mem,
    struct platform_operation **ret, size_t *ret_n, bool *ret_more, struct err *e) MUST_CHECK;
/* A node that is gone for good need not remove its files.  ERR_NOT_FOUND when it is not awaited. */
int platform_operation_waive(
    const struct platform_ask *a, struct uuid id, struct uuid node, struct err *e) MUST_CHECK;
void platform_operation_print(const struct platform_operation *op, struct json_out *o);

/* --- the worker ---------------------------------------------------------------------------------
 */

/*
 * A thread that carries operations on: cancels the tenant's jobs, waits until none is alive,
 * removes this node's files, waits for the other nodes that ran its jobs, deletes the rows in
 * bounded batches.  Every step can be repeated, so a crash at any point costs nothing; one daemon
 * at a time holds an operation's lease for the steps in the database.  Nodes that nobody waits for
 * remove what they have when they learn of the deletion, also after it is done.
 */
struct platform_worker;
struct platform_worker_options {
	struct db *db;
	struct uuid node;
	int runs_dirfd; /* stays the caller's */
	/* Forgets what this daemon keeps of a tenant outside of the database and its run
	 * directories; may be NULL.  What fails is tried again. */
	int (*forget)(void *ctx, struct tenant_id tenant, struct err *e);
	void *ctx;
	struct log log;
};
int platform_worker_start(const struct platform_worker_options *o, struct platform_worker **ret,
    struct err *e) MUST_CHECK;
void platform_worker_wake(struct platform_worker *w); /* any thread */
void platform_worker_stop(struct platform_worker *w); /* joins; accepts NULL */

#endif
