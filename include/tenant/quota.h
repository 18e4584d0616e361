/* SPDX-License-Identifier: Apache-2.0 */
#ifndef QUOTA_H
#define QUOTA_H

/*
 * Limits of tenants and projects: names, units, what is set and what is used.  Where a limit is
 * enforced is its user's business; what it is, is answered here.  Thread-safe.
 */

#include "access.h"
#include "arena.h"
#include "base.h"
#include "db.h"
#include "err.h"
#include "id.h"

#include <stdbool.h>

extern const struct db_sql quota_sql;

enum quota {
#define QUOTA(name, text, level, unit, sentence) QUOTA_##name,
#include "quota.def"
#undef QUOTA
	QUOTA_COUNT
};
const char *quota_name(enum quota q); /* "jobs_queued" */
const char *quota_unit(enum quota q);
const char *quota_sentence(enum quota q);
bool quota_of_project(enum quota q); /* can be set per project */
bool quota_parse(const char *name, enum quota *ret);

/* Greatest amount that can be set: sums of it stay far from overflow. */
#define QUOTA_MAX (INT64_C(1) << 53)

struct quota_amounts {
	int64_t amount[QUOTA_COUNT];
};
/* What holds for the tenant: the defaults, and in their place what was set. */
int quota_amounts(struct db *db, struct tenant_id tenant, const struct quota_amounts *defaults,
    struct arena *mem, struct quota_amounts *ret, struct err *e) MUST_CHECK;
/* The same inside a transaction. */
int quota_amounts_in(struct db_tx *tx, struct tenant_id tenant,
    const struct quota_amounts *defaults, struct arena *mem, struct quota_amounts *ret,
    struct err *e) MUST_CHECK;

struct quota_line {
	int64_t limit;
	bool is_default; /* nobody set it; of a project: the tenant's holds */
	int64_t used;    /* -1: not counted here */
};
/* project nil: of the tenant.  Lines that a project cannot have get limit -1. */
int quota_lines(struct db *db, struct tenant_id tenant, struct uuid project,
    const struct quota_amounts *defaults, struct arena *mem,
    struct quota_line ret[static QUOTA_COUNT], struct err *e) MUST_CHECK;

/* amount -1: back to the default. */
int quota_set(struct db_platform_tx *tx, struct tenant_id tenant, enum quota q, int64_t amount,
    struct err *e) MUST_CHECK;
/* amount -1: only the tenant's holds.  ERR_NOT_FOUND without such a project. */
int quota_set_project(struct db_tx *tx, struct tenant_id tenant, struct uuid project, enum quota q,
    int64_t amount, struct err *e) MUST_CHECK;

#endif
