/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why an entry can be trusted: what it says was read in one snapshot with the versions of its
 * tenants, after mono_ns of its look-up.  As long as the database says the same versions, it would
 * be read the same way again; so each answer of the watcher's question renews the moment at which
 * the entry is known to have been true, and an entry whose moment is older than TENANT_TRUST_MS is
 * of no use.  A change that committed at T is therefore forgotten at T + TENANT_TRUST_MS at the
 * latest, however long a thread that carries an older answer was held up, and whether the watcher
 * lives or not.
 */
#include "tenant_internal.h"

#include "clock.h"

#include <string.h>

enum { WAYS = 4, WALK_SLOTS = 256 /* looked at under one hold of the lock: microseconds */ };

/* What is looked at for every request and every round of the watcher; apart from what only a hit
 * needs, so that a walk over all of them stays in the processor's cache. */
struct slot {
	bool used;
	uint8_t digest[AUTH_SHA256_SIZE];
	int64_t seen_ns;
	int64_t true_ns; /* known to have been true then; 0: dropped */
	int64_t until_wall_us;
	int64_t touched_ns;
	int64_t noted_ns; /* when its use was last noted */
	struct tenant_proof proof;
	size_t n_watch;
	struct tenant_version watch[TENANT_WATCHES];
};

struct value {
	struct principal who;
	bool bound, suspended;
	struct net_cidrs cidrs;
	char reason[TENANT_REASON_SIZE];
};

struct tenant_cache {
	/* immutable */
	size_t n; /* slots: sets of WAYS */
	/* under lock */
	struct lock lock;
	int64_t forgot_ns; /* what was seen before is not to be kept */
	struct slot *slots;
	struct value *values; /* of the slot with the same index */
};

struct tenant_now
tenant_now(void)
{
	return (struct tenant_now){ clock_mono_ns(), clock_wall_us() };
}

int
tenant_cache_new(int entries, struct tenant_cache **ret, struct err *e)
{
	AUTO(tenant_cache) c = calloc(1, sizeof(*c));

	REQUIRE(entries > 0);
	if (c != NULL) {
		lock_init(&c->lock);
		c->n = ((size_t)entries + WAYS - 1) / WAYS * WAYS;
		c->slots = calloc(c->n, sizeof(*c->slots));
		c->values = calloc(c->n, sizeof(*c->values));
	}
	if (c == NULL || c->slots == NULL || c->values == NULL)
		return err_set(e, ERR_NO_MEMORY, "There is no memory for the cache of credentials");
	*ret = c;
	c = NULL;
	return 0;
}

void
tenant_cache_free(struct tenant_cache *c)
{
	if (c == NULL)
		return;
	lock_done(&c->lock);
	free(c->slots);
	free(c->values);
	free(c);
}

/* --- one entry -------------------------------------------------------------------------------- */

/* A digest is as good as random, so its first bytes choose the set. */
static size_t
set_of(const struct tenant_cache *c, const uint8_t *digest)
{
	uint64_t n;

	memcpy(&n, digest, sizeof(n));
	return n % (c->n / WAYS) * WAYS;
}

/* The digest cannot be chosen by who does not know the credential, so plain comparison tells
 * nothing. */
static struct slot *
find(const struct tenant_cache *c, const uint8_t *digest)
{
	struct slot *set = &c->slots[set_of(c, digest)];

	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].used && memcmp(set[i].digest, digest, AUTH_SHA256_SIZE) == 0)
			return &set[i];
	}
	return NULL;
}

static bool
trusted(const struct slot *s, struct tenant_now now)
{
	return s != NULL && s->true_ns != 0 &&
	       now.mono_ns - s->true_ns < TENANT_TRUST_MS * INT64_C(1000000) &&
	       (s->until_wall_us == 0 || now.wall_us < s->until_wall_us);
}

static enum tenant_hit
hit(struct slot *s, const struct value *v, struct tenant_now now, struct tenant_known *ret)
{
	bool note = now.mono_ns - s->noted_ns >= TENANT_USE_NOTE_MS * INT64_C(1000000);

	s->touched_ns = now.mono_ns;
	if (note)
		s->noted_ns = now.mono_ns;
	ret->who = v->who;
	ret->bound = v->bound;
	if (v->bound)
		ret->cidrs = v->cidrs;
	ret->suspended = v->suspended;
	if (v->suspended)
		memcpy(ret->reason, v->reason, sizeof(v->reason));
	return note ? TENANT_HIT_USE : TENANT_HIT;
}

enum tenant_hit
tenant_cache_get(struct tenant_cache *c, const uint8_t digest[static AUTH_SHA256_SIZE],
    struct tenant_now now, struct tenant_known *ret)
{
	enum tenant_hit found = TENANT_MISS;
	struct slot *s;

	lock_take(&c->lock);
	s = find(c, digest);
	if (trusted(s, now))
		found = hit(s, &c->values[s - c->slots], now, ret);
	lock_give(&c->lock);
	return found;
}

bool
tenant_cache_proved(struct tenant_cache *c, const uint8_t digest[static AUTH_SHA256_SIZE],
    const struct tenant_proof *proof)
{
	const struct slot *s;
	bool proved;

	lock_take(&c->lock);
	s = find(c, digest);
	proved = s != NULL && proof->version != 0 && s->proof.version == proof->version &&
		 uuid_cmp(s->proof.issuer, proof->issuer) == 0;
	lock_give(&c->lock);
	return proved;
}

/* Whom a new entry replaces: an empty slot, else a dropped one, else the one not used for longest.
 */
static struct slot *
victim(const struct tenant_cache *c, const uint8_t *digest)
{
	struct slot *set = &c->slots[set_of(c, digest)], *worst = set;

	for (size_t i = 1; i < WAYS && worst->used; i++) {
		bool worse = set[i].true_ns == 0 && worst->true_ns != 0;

		if ((set[i].true_ns == 0) == (worst->true_ns == 0))
			worse = set[i].touched_ns < worst->touched_ns;
		if (!set[i].used || worse)
			worst = &set[i];
	}
	return worst;
}

static void
store(struct tenant_cache *c, struct slot *s, const struct tenant_known *k)
{
	struct value *v = &c->values[s - c->slots];

	s->used = true;
	s->seen_ns = s->true_ns = k->seen_mono_ns;
	s->touched_ns = k->seen_mono_ns;
	s->noted_ns = k->seen_mono_ns; /* the look-up noted it */
	s->until_wall_us = k->until_wall_us;
	s->proof = k->proof;
	s->n_watch = k->n_watch;
	memcpy(s->watch, k->watch, sizeof(s->watch));
	v->who = k->who;
	v->bound = k->bound;
	v->cidrs = k->cidrs;
	v->suspended = k->suspended;
	memcpy(v->reason, k->reason, sizeof(v->reason));
}

void
tenant_cache_put(struct tenant_cache *c, const uint8_t digest[static AUTH_SHA256_SIZE],
    const struct tenant_known *k)
{
	struct slot *s;

	REQUIRE(k->n_watch >= 1 && k->n_watch <= TENANT_WATCHES);
	lock_take(&c->lock);
	s = find(c, digest);
	if (k->seen_mono_ns > c->forgot_ns && (s == NULL || s->seen_ns <= k->seen_mono_ns)) {
		if (s == NULL)
			s = victim(c, digest);
		memcpy(s->digest, digest, AUTH_SHA256_SIZE);
		store(c, s, k);
	}
	lock_give(&c->lock);
}

/* --- all entries ------------------------------------------------------------------------------ */

/* Calls fn for each slot, and lets others have the lock now and then. */
static void
walk(struct tenant_cache *c, void (*fn)(struct slot *s, void *ctx), void *ctx)
{
	for (size_t from = 0; from < c->n; from += WALK_SLOTS) {
		lock_take(&c->lock);
		for (size_t i = from; i < c->n && i < from + WALK_SLOTS; i++) {
			if (c->slots[i].used)
				fn(&c->slots[i], ctx);
		}
		lock_give(&c->lock);
	}
}

static void
drop(struct slot *s)
{
	s->true_ns = 0;
	s->n_watch = 0; /* nothing can confirm it again */
}

static int
by_tenant(const void *a, const void *b)
{
	const struct tenant_version *x = a, *y = b;

	return uuid_cmp(x->tenant, y->tenant);
}

size_t
tenant_cache_room(const struct tenant_cache *c)
{
	return c->n * TENANT_WATCHES;
}

struct collection {
	struct tenant_version *p;
	size_t n;
};

static void
collect(struct slot *s, void *ctx)
{
	struct collection *all = ctx;

	for (size_t i = 0; i < s->n_watch; i++)
		all->p[all->n++] = s->watch[i];
}

size_t
tenant_cache_tenants(struct tenant_cache *c, struct tenant_version *out)
{
	struct collection all = { out, 0 };
	size_t kept = 0;

	walk(c, collect, &all);
	qsort(out, all.n, sizeof(*out), by_tenant);
	for (size_t i = 0; i < all.n; i++) {
		if (kept == 0 || by_tenant(&out[kept - 1], &out[i]) != 0)
			out[kept++] = out[i];
	}
	return kept;
}

struct confirmation {
	const struct tenant_version *v;
	size_t n;
	int64_t mono_ns;
};

static void
confirm(struct slot *s, void *ctx)
{
	const struct confirmation *now = ctx;
	bool current = s->n_watch > 0;

	for (size_t i = 0; i < s->n_watch; i++) {
		const struct tenant_version *v =
		    bsearch(&s->watch[i], now->v, now->n, sizeof(*now->v), by_tenant);

		/* One that was put here after the question, or is newer than the answer, has a
		 * moment of its own. */
		if (v == NULL || (v->version >= 0 && v->version < s->watch[i].version)) {
			current = false;
		} else if (v->version != s->watch[i].version) {
			drop(s);
			return;
		}
	}
	if (current && s->true_ns < now->mono_ns)
		s->true_ns = now->mono_ns;
}

void
tenant_cache_confirm(
    struct tenant_cache *c, const struct tenant_version *v, size_t n, int64_t mono_ns)
{
	struct confirmation now = { v, n, mono_ns };

	walk(c, confirm, &now);
}

/* From here on, nothing that was seen before now is kept. */
static void
forget_until_now(struct tenant_cache *c)
{
	lock_take(&c->lock);
	c->forgot_ns = clock_mono_ns();
	lock_give(&c->lock);
}

static void
forget(struct slot *s, void *ctx)
{
	const struct tenant_id *tenant = ctx;

	for (size_t i = 0; i < s->n_watch; i++) {
		if (uuid_cmp(s->watch[i].tenant, tenant->uuid) == 0) {
			drop(s);
			return;
		}
	}
}

void
tenant_cache_forget(struct tenant_cache *c, struct tenant_id tenant)
{
	forget_until_now(c);
	walk(c, forget, &tenant);
}

static void
clear(struct slot *s, void *ctx)
{
	(void)ctx;
	*s = (struct slot){ 0 };
}

void
tenant_cache_clear(struct tenant_cache *c)
{
	forget_until_now(c);
	walk(c, clear, NULL);
}
