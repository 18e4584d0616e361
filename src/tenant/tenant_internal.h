/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TENANT_INTERNAL_H
#define TENANT_INTERNAL_H

#include "auth.h"
#include "tenant.h"

/*
 * The key's text from the value of an Authorization header: "Bearer <key>", or "Basic <base64>" of
 * "<key>:" as `curl -u <key>:` sends it.  False when it has neither form or is longer than any key.
 */
bool tenant_credential_read(const char *authorization, char out[static AUTH_KEY_SIZE]);

/*
 * Checked keys by their digest, for a few seconds.  A fixed table of sets of four: a full set loses
 * its oldest entry, so that no flood of keys can make it grow.  Thread-safe.
 */
struct tenant_cache;
int tenant_cache_new(
    int entries, int64_t trust_ms, struct tenant_cache **ret, struct err *e) MUST_CHECK;
void tenant_cache_free(struct tenant_cache *c);
/* wall_us is now; an entry that expires earlier (expires_wall_us, 0 for never) is not found. */
bool tenant_cache_get(struct tenant_cache *c, const uint8_t hash[static AUTH_SHA256_SIZE],
    int64_t wall_us, struct principal *ret);
void tenant_cache_put(struct tenant_cache *c, const uint8_t hash[static AUTH_SHA256_SIZE],
    const struct principal *p, int64_t expires_wall_us);

#endif
