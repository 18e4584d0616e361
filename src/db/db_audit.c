/* SPDX-License-Identifier: Apache-2.0 */
/* The catalogue audit: runs every statement of db_audit.sql and passes on what they find. */
#include "db_internal.h"
#include "db_owner_internal.h"
#include "db_schema.h"

struct audit {
	struct db_owner *owner;
	void (*fn)(void *ctx, const char *finding);
	void *ctx;
	int n;
};

static int
pass_on(void *ctx, const char *const *cells, struct err *e)
{
	struct audit *a = ctx;

	(void)e;
	a->n++;
	a->fn(a->ctx, cells[0] == NULL ? "a finding without words" : cells[0]);
	return 0;
}

static int
run_check(void *ctx, const char *name, const char *text, struct err *e)
{
	struct audit *a = ctx;

	if (db_owner_query(a->owner, text, 0, NULL, pass_on, a, e) < 0)
		return err_wrap(e, "%s", name);
	return 0;
}

int
db_audit_catalogue(const char *url, int64_t timeout_ms, void (*fn)(void *ctx, const char *finding),
    void *ctx, struct err *e)
{
	AUTO(db_owner) owner = NULL;
	struct audit a = { .fn = fn, .ctx = ctx };

	if (db_owner_open(url, timeout_ms, &owner, e) < 0)
		return -1;
	a.owner = owner;
	return db_owner_each_stmt(owner, "audit_", run_check, &a, e) < 0 ? -1 : a.n;
}
