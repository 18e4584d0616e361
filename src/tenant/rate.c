/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Four tables of buckets under one lock, which is held for a few hundred instructions at a time.
 */
#include "rate_internal.h"

#include "clock.h"
#include "metrics.h"
#include "net.h"

#include <string.h>

enum {
	FAILURES_QUIET_S = 600, /* after this long without a lock the pauses begin small again */
	PAUSE_LEAST_S = 6,
	PAUSE_MOST_S = 300,
	PAUSE_DOUBLINGS = 6,
};
static const int64_t NS_PER_S = 1000000000;

/* --- keys ---------------------------------------------------------------------------------------
 */

static struct rate_key
key_of(const void *a, size_t a_n, const void *b, size_t b_n)
{
	struct rate_key k = { 0 };

	REQUIRE(a_n + b_n <= RATE_KEY_SIZE);
	memcpy(k.bytes, a, a_n);
	memcpy(k.bytes + a_n, b, b_n);
	return k;
}

/* An IPv6 host usually has a /64 to choose addresses from. */
static struct rate_key
key_of_source(const char *source)
{
	enum { NET64_BYTES = 8 };
	struct net_addr a;
	struct err e;
	size_t n;

	if (net_addr_parse(source, &a, &e) == 0)
		return key_of(a.bytes, net_addr_is_v4(&a) ? sizeof(a.bytes) : NET64_BYTES, "ip", 2);
	n = strnlen(source, RATE_KEY_SIZE);
	return key_of(source, n, "", 0);
}

static struct rate_key
key_of_public(const char *key_public)
{
	return key_of("key ", 4, key_public, strnlen(key_public, 16));
}

static struct uuid
key_behind(const struct principal *who)
{
	return uuid_is_nil(who->key) ? principal_id(who) : who->key;
}

/* --- requests
 * ------------------------------------------------------------------------------------- */

static struct rate_slot *
slot(struct rates *r, enum rate_kind kind, const struct rate_key *k, int64_t now_ns)
{
	const int64_t per_s[] = { [RATE_TENANT] = r->o.tenant_per_s,
		[RATE_KEY] = r->o.key_per_s,
		[RATE_SOURCE] = r->o.source_per_s,
		[RATE_FAILURE] = 0 };

	if (kind == RATE_FAILURE)
		return rate_table_get(&r->tables[RATE_FAILURE], k, r->o.failures_per_min,
		    r->o.failures_per_min, now_ns);
	return rate_table_get(
	    &r->tables[kind], k, per_s[kind] * 60, per_s[kind] * RATES_BURST_S, now_ns);
}

static void
describe(struct rate_slot *s, const char *name, int64_t now_ns, struct rate_policy *ret)
{
	struct rate_bucket *b = &s->bucket;

	*ret = (struct rate_policy){ .name = name,
		.quota = b->burst,
		.window_s = RATES_BURST_S,
		.remaining = rate_bucket_left(b, now_ns),
		.reset_s = (rate_bucket_full_ms(b, now_ns) + 999) / 1000 };
}

static int
refuse(struct rates *r, const char *what, const char *whose, int64_t wait_ms, struct err *e)
{
	int64_t wait_s = (wait_ms + 999) / 1000;

	if (r->o.metrics != NULL)
		metrics_add_by(r->o.metrics, METRIC_RATE_LIMITED, what, 1);
	e->retry_after_s = 0;
	err_set(e, ERR_RATE, "%s; wait %lld s, and send more slowly after that", whose,
	    (long long)(wait_s < 1 ? 1 : wait_s));
	e->retry_after_s = (int)(wait_s < 1 ? 1 : wait_s);
	return -1;
}

/* Both or none; the longer wait. */
static int64_t
take_both(
    struct rate_slot *const slots[static RATE_POLICIES], struct rate_state *ret, int64_t now_ns)
{
	int64_t wait_ms = 0;

	for (size_t i = 0; i < RATE_POLICIES; i++) {
		int64_t ms = rate_bucket_wait_ms(&slots[i]->bucket, now_ns);

		ret->policies[i].violated = ms > 0;
		if (ms > wait_ms)
			wait_ms = ms;
	}
	for (size_t i = 0; i < RATE_POLICIES && wait_ms == 0; i++) {
		rate_bucket_debit(&slots[i]->bucket, 1, now_ns);
		slots[i]->spent++;
	}
	return wait_ms;
}

static void
hurry_for_newcomers(struct rates *r, struct rate_slot *const slots[static RATE_POLICIES])
{
	bool known = true;

	for (size_t i = 0; i < RATE_POLICIES; i++)
		known = known && slots[i]->introduced;
	if (known || r->hurry || r->o.db == NULL)
		return;
	r->hurry = true;
	cond_wake_all(&r->woken);
}

int
rates_take(struct rates *r, const struct principal *who, struct rate_state *ret, struct err *e)
{
	struct uuid key = key_behind(who);
	struct rate_key t = key_of(&who->tenant.uuid, sizeof(struct uuid), "", 0);
	struct rate_key k = key_of(&who->tenant.uuid, sizeof(struct uuid), &key, sizeof(key));
	int64_t now_ns = clock_mono_ns(), wait_ms;
	struct rate_slot *slots[RATE_POLICIES];
	struct rate_state state = { .n = RATE_POLICIES };
	bool violated[RATE_POLICIES];

	lock_take(&r->lock);
	slots[0] = slot(r, RATE_TENANT, &t, now_ns);
	slots[1] = slot(r, RATE_KEY, &k, now_ns);
	hurry_for_newcomers(r, slots);
	wait_ms = take_both(slots, &state, now_ns);
	for (size_t i = 0; i < RATE_POLICIES; i++) {
		violated[i] = state.policies[i].violated;
		describe(slots[i], i == 0 ? "tenant" : "key", now_ns, &state.policies[i]);
		state.policies[i].violated = violated[i];
	}
	lock_give(&r->lock);
	*ret = state;
	if (wait_ms == 0)
		return 0;
	return refuse(r, violated[0] ? "tenant" : "key",
	    violated[0] ? "Your tenant sends more requests than it may"
			: "This credential sends more requests than it may",
	    wait_ms, e);
}

int
rates_take_source(struct rates *r, const char *source, struct err *e)
{
	struct rate_key k = key_of_source(source);
	int64_t now_ns = clock_mono_ns(), wait_ms;
	struct rate_slot *s;

	lock_take(&r->lock);
	s = slot(r, RATE_SOURCE, &k, now_ns);
	wait_ms = rate_bucket_wait_ms(&s->bucket, now_ns);
	if (wait_ms == 0)
		rate_bucket_debit(&s->bucket, 1, now_ns);
	lock_give(&r->lock);
	if (wait_ms == 0)
		return 0;
	return refuse(r, "source", "Your address sends more requests than it may", wait_ms, e);
}

/* --- refused credentials
 * ---------------------------------------------------------------------------- */

/* Milliseconds until another try, 0 for now. */
static int64_t
locked_ms(const struct rate_slot *s, int64_t now_ns)
{
	if (s == NULL || s->locked_until_ns <= now_ns)
		return 0;
	return (s->locked_until_ns - now_ns) / 1000000 + 1;
}

static bool
has_failed_lately(struct rate_slot *s, int64_t now_ns)
{
	return s != NULL && rate_bucket_full_ms(&s->bucket, now_ns) > 0;
}

int
rates_try(struct rates *r, const char *source, const char *key_public, struct err *e)
{
	struct rate_key from = key_of_source(source), of = key_of_public(key_public);
	struct rate_table *failures = &r->tables[RATE_FAILURE];
	int64_t now_ns = clock_mono_ns(), wait_ms;
	struct rate_slot *s;

	lock_take(&r->lock);
	s = rate_table_find(failures, &from);
	wait_ms = locked_ms(s, now_ns);
	if (wait_ms == 0 && key_public[0] != '\0' && has_failed_lately(s, now_ns))
		wait_ms = locked_ms(rate_table_find(failures, &of), now_ns);
	lock_give(&r->lock);
	if (wait_ms == 0)
		return 0;
	return refuse(r, "failures", "Too many credentials from your address were refused lately",
	    wait_ms, e);
}

static void
count_failure(struct rates *r, const struct rate_key *k, int64_t now_ns)
{
	struct rate_slot *s = slot(r, RATE_FAILURE, k, now_ns);
	int64_t pause_s = PAUSE_LEAST_S;

	rate_bucket_debit(&s->bucket, 1, now_ns);
	if (rate_bucket_has(&s->bucket, now_ns))
		return;
	if (s->lockouts > 0 && now_ns - s->locked_until_ns > FAILURES_QUIET_S * NS_PER_S)
		s->lockouts = 0;
	pause_s <<= s->lockouts < PAUSE_DOUBLINGS ? s->lockouts : PAUSE_DOUBLINGS;
	s->lockouts++;
	s->locked_until_ns = now_ns + (pause_s < PAUSE_MOST_S ? pause_s : PAUSE_MOST_S) * NS_PER_S;
}

void
rates_failed(struct rates *r, const char *source, const char *key_public)
{
	struct rate_key from = key_of_source(source), of = key_of_public(key_public);
	int64_t now_ns = clock_mono_ns();

	lock_take(&r->lock);
	count_failure(r, &from, now_ns);
	if (key_public[0] != '\0')
		count_failure(r, &of, now_ns);
	lock_give(&r->lock);
}

/* --- life
 * ----------------------------------------------------------------------------------------- */

static int
init_tables(struct rates *r, struct err *e)
{
	uint64_t seed;

	for (int i = 0; i < RATE_KIND_COUNT; i++) {
		random_bytes(&seed, sizeof(seed));
		if (rate_table_init(&r->tables[i], r->o.entries, seed, e) < 0)
			return -1;
	}
	return 0;
}

int
rates_new(const struct rates_options *o, struct rates **ret, struct err *e)
{
	AUTO(rates) r = calloc(1, sizeof(*r));

	if (r == NULL)
		return err_set(e, ERR_NO_MEMORY, "there is no memory for rate limits");
	r->o = *o;
	lock_init(&r->lock);
	cond_init(&r->woken);
	if (init_tables(r, e) < 0)
		return -1;
	if (o->db != NULL && rate_exchange_start(r, e) < 0)
		return -1;
	*ret = r;
	r = NULL;
	return 0;
}

void
rates_free(struct rates *r)
{
	if (r == NULL)
		return;
	rate_exchange_stop(r);
	for (int i = 0; i < RATE_KIND_COUNT; i++)
		rate_table_done(&r->tables[i]);
	cond_done(&r->woken);
	lock_done(&r->lock);
	free(r);
}
