/* SPDX-License-Identifier: Apache-2.0 */
#include "tenant_internal.h"

#include "clock.h"
#include "lock.h"

#include <string.h>

enum { WAYS = 4 };

struct entry {
	uint8_t hash[AUTH_SHA256_SIZE];
	struct principal principal;
	int64_t expires_wall_us; /* 0: never */
	int64_t until_mono_ms;   /* 0: empty */
};

struct tenant_cache {
	/* immutable */
	size_t n_sets;
	int64_t trust_ms;
	/* under lock */
	struct lock lock;
	struct entry *entries; /* n_sets times WAYS */
};

int
tenant_cache_new(int entries, int64_t trust_ms, struct tenant_cache **ret, struct err *e)
{
	struct tenant_cache *c = calloc(1, sizeof(*c));

	REQUIRE(entries > 0);
	if (c == NULL)
		return err_set(e, ERR_NO_MEMORY, "There is no memory for the cache of keys");
	c->n_sets = ((size_t)entries + WAYS - 1) / WAYS;
	c->trust_ms = trust_ms;
	c->entries = calloc(c->n_sets * WAYS, sizeof(*c->entries));
	if (c->entries == NULL) {
		free(c);
		return err_set(e, ERR_NO_MEMORY, "There is no memory for the cache of keys");
	}
	lock_init(&c->lock);
	*ret = c;
	return 0;
}

void
tenant_cache_free(struct tenant_cache *c)
{
	if (c == NULL)
		return;
	lock_done(&c->lock);
	free(c->entries);
	free(c);
}

/* A digest is as good as random, so its first bytes choose the set. */
static struct entry *
set_of(const struct tenant_cache *c, const uint8_t *hash)
{
	uint64_t n;

	memcpy(&n, hash, sizeof(n));
	return &c->entries[n % c->n_sets * WAYS];
}

/* The digest cannot be chosen by who does not know the key, so plain comparison tells nothing. */
static bool
is(const struct entry *x, const uint8_t *hash)
{
	return x->until_mono_ms != 0 && memcmp(x->hash, hash, AUTH_SHA256_SIZE) == 0;
}

bool
tenant_cache_get(struct tenant_cache *c, const uint8_t hash[static AUTH_SHA256_SIZE],
    int64_t wall_us, struct principal *ret)
{
	struct entry *set = set_of(c, hash);
	int64_t now = clock_mono_ms();
	bool found = false;

	lock_take(&c->lock);
	for (int i = 0; i < WAYS && !found; i++) {
		const struct entry *x = &set[i];

		found = is(x, hash) && now < x->until_mono_ms &&
			(x->expires_wall_us == 0 || wall_us < x->expires_wall_us);
		if (found)
			*ret = x->principal;
	}
	lock_give(&c->lock);
	return found;
}

void
tenant_cache_put(struct tenant_cache *c, const uint8_t hash[static AUTH_SHA256_SIZE],
    const struct principal *p, int64_t expires_wall_us)
{
	struct entry *set = set_of(c, hash), *at = set;

	lock_take(&c->lock);
	for (int i = 0; i < WAYS; i++) {
		if (is(&set[i], hash)) {
			at = &set[i];
			break;
		}
		if (set[i].until_mono_ms < at->until_mono_ms)
			at = &set[i];
	}
	*at = (struct entry){ .principal = *p,
		.expires_wall_us = expires_wall_us,
		.until_mono_ms = clock_mono_ms() + c->trust_ms };
	memcpy(at->hash, hash, AUTH_SHA256_SIZE);
	lock_give(&c->lock);
}
