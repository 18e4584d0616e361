/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PLATFORM_INTERNAL_H
#define PLATFORM_INTERNAL_H

#include "audit.h"
#include "platform.h"

/*
 * The frame of a change of the registry: both logs are locked first, the platform's before the
 * tenant's (its id is the least), so that changes of one tenant happen one after the other.  Behind
 * the lock the operator must stand still, whatever a cache said when the request was let in.
 */
struct registry_change {
	const struct platform_ask *ask;
	struct db_platform_tx *tx;
	struct platform_tenant tenant; /* as it was at the beginning */
};
/* For a tenant that is not there yet: locks the platform's log alone. */
int registry_open(
    struct registry_change *c, const struct platform_ask *a, struct err *e) MUST_CHECK;
/* Locks and reads the tenant; ERR_NOT_FOUND. */
int registry_begin(struct registry_change *c, const struct platform_ask *a, struct tenant_id id,
    struct err *e) MUST_CHECK;
/* An entry in both logs (once, when the tenant is the platform itself), then the commit. */
int registry_commit(struct registry_change *c, const char *action, const char *resource,
    const char *changes, struct err *e) MUST_CHECK;
void registry_done(struct registry_change *c); /* rolls back what was not committed */
#define AUTO_REGISTRY_CHANGE __attribute__((cleanup(registry_done))) struct registry_change

/* Columns of the registry, in *t. */
#define REGISTRY_COLS(t)                                                                           \
	{                                                                                          \
		DB_UUID("tenant_id", &(t)->id.uuid), DB_TEXT("name", &(t)->name),                  \
		    DB_TEXT("kind", &(t)->kind), DB_TEXT("state", &(t)->state),                    \
		    DB_TEXT_NULL("state_reason", &(t)->state_reason),                              \
		    DB_BOOL("support_allowed", &(t)->support_allowed),                             \
		    DB_TIME_NULL("state_changed_at", &(t)->state_changed_wall_us),                 \
		    DB_TIME("created_at", &(t)->created_wall_us),                                  \
		    DB_I64("version", &(t)->version), DB_COLS_END                                  \
	}

/* {"<member>": [before, after]} of texts, NULL for none; in the ask's memory, NULL without any. */
const char *changed_text(
    const struct platform_ask *a, const char *member, const char *before, const char *after);
/* One row of a statement without columns, or -1. */
int registry_exec(struct registry_change *c, const char *stmt, const struct db_arg *args,
    struct err *e) MUST_CHECK;
/* ERR_CONFLICT for the platform's own tenant. */
int customers_only(const struct platform_tenant *t, struct err *e) MUST_CHECK;
/* What a person gave as the reason, without blanks around it; ERR_INVALID for less than `least`
 * characters, more than PLATFORM_REASON_MAX, and control characters. */
int reason_clean(
    const struct platform_ask *a, const char **reason, int64_t least, struct err *e) MUST_CHECK;
/* Who asks, as the audit log names actors. */
const char *asker(const struct platform_ask *a, char out[static ID_STR_SIZE]);
/* Greater than every id, for a list's first page. */
struct uuid before_or_newest(struct uuid before);

/* Rows of one page, and one more that tells whether there is another. */
struct page_rows {
	void *at;
	size_t size, n, max;
};
int page_rows_init(
    struct page_rows *r, struct arena *mem, size_t size, int64_t limit, struct err *e) MUST_CHECK;
void page_rows_add(struct page_rows *r, const void *row);
/* Takes the row too many away. */
bool page_rows_more(struct page_rows *r);

#endif
