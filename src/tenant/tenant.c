/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a header to a principal.  A key with a wrong checksum is refused without a look-up; a known
 * one is trusted for cache_ms without asking again, which is how long a revocation may take.
 * Everything else is one read on the scheduler's role, because no tenant is known yet.  Who asks
 * learns only whether the key is valid, never why it is not; the counters tell the operator.
 */
#include "tenant_internal.h"

#include "clock.h"
#include "metrics.h"

#include <string.h>

struct tenants {
	struct tenants_options o;
	struct tenant_cache *cache;
};

int
tenants_new(const struct tenants_options *o, struct tenants **ret, struct err *e)
{
	struct tenants *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return err_set(e, ERR_NO_MEMORY, "There is no memory for the cache of keys");
	t->o = *o;
	if (tenant_cache_new(o->cache_entries, o->cache_ms, &t->cache, e) < 0) {
		free(t);
		return -1;
	}
	*ret = t;
	return 0;
}

void
tenants_free(struct tenants *t)
{
	if (t == NULL)
		return;
	tenant_cache_free(t->cache);
	free(t);
}

struct found {
	struct uuid tenant, key;
	struct db_bytes hash;
	int64_t expires_wall_us;
	bool expired, revoked;
};

/* "ok", or the label of the counter that says why not; NULL on error. */
static const char *
look_up(struct tenants *t, const struct auth_key *key, struct arena *mem, struct found *f,
    struct err *e)
{
	static const uint8_t nobody[AUTH_SHA256_SIZE];
	const struct db_arg args[] = { DB_ARG_TEXT(key->id),
		DB_ARG_BYTES(key->hash, sizeof(key->hash)), DB_ARGS_END };
	const struct db_col cols[] = { DB_UUID("tenant_id", &f->tenant), DB_UUID("key_id", &f->key),
		DB_BYTES("hash", &f->hash), DB_TIME_NULL("expires_at", &f->expires_wall_us),
		DB_BOOL("expired", &f->expired), DB_BOOL("revoked", &f->revoked), DB_COLS_END };
	int rows = db_sys_read_one(t->o.db, "tenant_key_by_public", args, cols, mem, e);
	const void *hash = nobody;

	if (rows < 0)
		return NULL;
	/* An unknown public part is compared, too, so that it takes no less time. */
	if (rows == 1 && f->hash.n == sizeof(key->hash))
		hash = f->hash.p;
	if (!auth_equal(hash, key->hash, sizeof(key->hash)) || rows == 0)
		return "unknown";
	if (f->revoked)
		return "revoked";
	return f->expired ? "expired" : "ok";
}

static int
refuse(struct tenants *t, const char *outcome, struct err *e)
{
	metrics_add_by(t->o.metrics, METRIC_AUTH_CHECKS, outcome, 1);
	return err_set(e, ERR_UNAUTHENTICATED,
	    "The API key is not valid; check that it is whole, not expired and not revoked");
}

static int
check(struct tenants *t, const struct auth_key *key, struct principal *ret, struct err *e)
{
	enum { MEM_BYTES = 16 << 10 }; /* one row */
	AUTO(arena) mem = arena_new(MEM_BYTES);
	struct principal p = { 0 };
	struct found f = { 0 };
	const char *outcome;

	if (mem == NULL)
		return err_set(e, ERR_NO_MEMORY, "There is no memory to check the API key");
	outcome = look_up(t, key, mem, &f, e);
	if (outcome == NULL)
		return -1;
	if (strcmp(outcome, "ok") != 0)
		return refuse(t, outcome, e);
	p.tenant.uuid = f.tenant;
	p.key = f.key;
	memcpy(p.key_public, key->id, sizeof(key->id));
	tenant_cache_put(t->cache, key->hash, &p, f.expires_wall_us);
	metrics_add_by(t->o.metrics, METRIC_AUTH_CHECKS, "ok", 1);
	*ret = p;
	return 0;
}

int
tenants_authenticate(
    struct tenants *t, const char *authorization, struct principal *ret, struct err *e)
{
	char text[AUTH_KEY_SIZE];
	struct auth_key key;
	int rc;

	if (authorization == NULL)
		return err_set(e, ERR_UNAUTHENTICATED,
		    "The request carries no API key; send it as 'Authorization: Bearer "
		    "wdn_sk_...'");
	if (!tenant_credential_read(authorization, text))
		return refuse(t, "malformed", e);
	rc = auth_key_read(text, &key, e);
	auth_wipe(text, sizeof(text));
	if (rc < 0)
		return refuse(t, "malformed", e);
	if (tenant_cache_get(t->cache, key.hash, clock_wall_us(), ret)) {
		metrics_add_by(t->o.metrics, METRIC_AUTH_CHECKS, "cached", 1);
		return 0;
	}
	return check(t, &key, ret, e);
}
