/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TENANT_H
#define TENANT_H

/*
 * Who is asking: turns a credential into a principal, and keeps tenants and API keys.  A credential
 * is looked up on the scheduler's role (it has no tenant yet) and cached for a few seconds by its
 * digest; everything after that happens in the tenant's own transactions.  Thread-safe.
 */

#include "arena.h"
#include "base.h"
#include "db.h"
#include "err.h"
#include "id.h"

#include <stdbool.h>

struct tenants;
struct metrics;

extern const struct db_sql tenant_sql;

/* Copied by value into each request. */
struct principal {
	struct tenant_id tenant;
	struct uuid key;     /* api_key.key_id */
	char key_public[16]; /* public part, for logs and audit */
};

struct tenants_options {
	struct db *db;
	struct metrics *metrics;
	int64_t cache_ms; /* how long a checked key is trusted without asking again */
	int cache_entries;
};
int tenants_new(const struct tenants_options *o, struct tenants **ret, struct err *e) MUST_CHECK;
void tenants_free(struct tenants *t);
AUTO_TYPE(tenants);

/* authorization: value of the header, NULL when absent.  "Bearer <key>" and "Basic <base64 of
 * key:>" are read.  ERR_UNAUTHENTICATED with the same message for unknown, expired and revoked. */
int tenants_authenticate(
    struct tenants *t, const char *authorization, struct principal *ret, struct err *e) MUST_CHECK;

struct tenant {
	struct tenant_id id;
	const char *name;
	int64_t uid_slot;
	int64_t created_wall_us;
};
/* Creates a tenant (platform operation, scheduler's role).  name: 1 to 63 of [a-z0-9-]. */
int tenant_create(struct db *db, const char *name, struct tenant_id *ret, struct err *e) MUST_CHECK;
/* Creates a key inside the tenant and writes its text (AUTH_KEY_SIZE bytes) to out; the text exists
 * nowhere else.  expires_wall_us: 0 for never. */
int tenant_key_create(struct db *db, struct tenant_id tenant, const char *name,
    int64_t expires_wall_us, char out[static 64], struct err *e) MUST_CHECK;
/* Revokes by public part; ERR_NOT_FOUND.  Takes effect when caches expire. */
int tenant_key_revoke(
    struct db *db, struct tenant_id tenant, const char *key_public, struct err *e) MUST_CHECK;
/* The tenant's own row, as it sees itself. */
int tenant_get(struct db *db, struct tenant_id tenant, struct arena *mem, struct tenant *ret,
    struct err *e) MUST_CHECK;
/* By name, on the scheduler's role; ERR_NOT_FOUND. */
int tenant_find(struct db *db, const char *name, struct tenant_id *ret, struct err *e) MUST_CHECK;

#endif
