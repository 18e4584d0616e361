/* SPDX-License-Identifier: Apache-2.0 */
#include "rate_bucket_internal.h"

#include <string.h>

enum { MICRO = 1000000 };
static const int64_t NS_PER_MIN = INT64_C(60000000000);
/* A rate of one per minute makes a millionth in this many nanoseconds.  Products of a time and a
 * rate stay below 2 * RATE_MAX * NS_PER_MIN = 1.2e18. */
static const int64_t NS_PER_MICRO = 60000;

/* Time in which a bucket fills that is as deep in debt as it can be. */
static int64_t
fill_ns(const struct rate_bucket *b)
{
	return 2 * b->burst * NS_PER_MIN / b->per_min;
}

static void
refill(struct rate_bucket *b, int64_t now_ns)
{
	int64_t full = b->burst * MICRO, passed = now_ns - b->at_ns, made;

	if (passed <= 0)
		return;
	b->at_ns = now_ns;
	if (passed >= fill_ns(b)) {
		b->micro = full;
		return;
	}
	made = passed * b->per_min;
	/* What rounding would lose at every look is left for the next one. */
	b->at_ns -= made % NS_PER_MICRO / b->per_min;
	b->micro += made / NS_PER_MICRO;
	if (b->micro > full)
		b->micro = full;
}

void
rate_bucket_init(struct rate_bucket *b, int64_t per_min, int64_t burst, int64_t now_ns)
{
	REQUIRE(per_min > 0 && per_min <= RATE_MAX * INT64_C(60));
	REQUIRE(burst > 0 && burst <= RATE_MAX);
	*b = (struct rate_bucket){
		.micro = burst * MICRO, .at_ns = now_ns, .per_min = per_min, .burst = burst
	};
}

void
rate_bucket_set(struct rate_bucket *b, int64_t per_min, int64_t burst, int64_t now_ns)
{
	struct rate_bucket fresh;

	refill(b, now_ns);
	rate_bucket_init(&fresh, per_min, burst, now_ns);
	if (b->micro < fresh.micro)
		fresh.micro = b->micro;
	*b = fresh;
}

bool
rate_bucket_has(struct rate_bucket *b, int64_t now_ns)
{
	refill(b, now_ns);
	return b->micro >= MICRO;
}

void
rate_bucket_debit(struct rate_bucket *b, int64_t n, int64_t now_ns)
{
	int64_t least = -b->burst * MICRO;

	refill(b, now_ns);
	if (n > 2 * b->burst)
		n = 2 * b->burst;
	b->micro -= n * MICRO;
	if (b->micro < least)
		b->micro = least;
}

int64_t
rate_bucket_left(struct rate_bucket *b, int64_t now_ns)
{
	refill(b, now_ns);
	return b->micro > 0 ? b->micro / MICRO : 0;
}

/* Milliseconds, rounded up, until there are `micro` millionths. */
static int64_t
wait_for(struct rate_bucket *b, int64_t micro, int64_t now_ns)
{
	static const int64_t NS_PER_MS = 1000000;

	refill(b, now_ns);
	if (b->micro >= micro)
		return 0;
	return (micro - b->micro) * NS_PER_MICRO / b->per_min / NS_PER_MS + 1;
}

int64_t
rate_bucket_wait_ms(struct rate_bucket *b, int64_t now_ns)
{
	return wait_for(b, MICRO, now_ns);
}

int64_t
rate_bucket_full_ms(struct rate_bucket *b, int64_t now_ns)
{
	return wait_for(b, b->burst * MICRO, now_ns);
}

/* --- table ----------------------------------------------------------------------------------- */

int
rate_table_init(struct rate_table *t, int entries, uint64_t seed, struct err *e)
{
	REQUIRE(entries > 0);
	*t = (struct rate_table){ .n_sets = ((size_t)entries + RATE_WAYS - 1) / RATE_WAYS,
		.seed = seed };
	t->slots = calloc(t->n_sets * RATE_WAYS, sizeof(*t->slots));
	if (t->slots == NULL)
		return err_set(e, ERR_NO_MEMORY, "there is no memory for rate limits");
	return 0;
}

void
rate_table_done(struct rate_table *t)
{
	free(t->slots);
	*t = (struct rate_table){ 0 };
}

/* Multiply and fold, keyed: enough to spread keys that somebody chose without knowing the seed. */
static struct rate_slot *
set_of(struct rate_table *t, const struct rate_key *k)
{
	uint64_t h = t->seed, word;

	for (size_t i = 0; i < RATE_KEY_SIZE; i += sizeof(word)) {
		memcpy(&word, k->bytes + i, sizeof(word));
		h = (h ^ word) * (t->seed << 1 | 1);
		h ^= h >> 29;
	}
	return &t->slots[h % t->n_sets * RATE_WAYS];
}

struct rate_slot *
rate_table_find(struct rate_table *t, const struct rate_key *k)
{
	struct rate_slot *set = set_of(t, k);

	for (int i = 0; i < RATE_WAYS; i++)
		if (set[i].used && memcmp(&set[i].key, k, sizeof(*k)) == 0)
			return &set[i];
	return NULL;
}

/* What is missing in it, in millionths of its burst; locks count as the emptiest. */
static int64_t
emptiness(struct rate_slot *s, int64_t now_ns)
{
	if (!s->used)
		return -1;
	if (s->locked_until_ns > now_ns)
		return INT64_MAX;
	return (s->bucket.burst - rate_bucket_left(&s->bucket, now_ns)) * MICRO / s->bucket.burst;
}

struct rate_slot *
rate_table_get(
    struct rate_table *t, const struct rate_key *k, int64_t per_min, int64_t burst, int64_t now_ns)
{
	struct rate_slot *found = rate_table_find(t, k), *set = set_of(t, k), *at = set;

	if (found != NULL)
		return found;
	for (int i = 1; i < RATE_WAYS; i++)
		if (emptiness(&set[i], now_ns) < emptiness(at, now_ns))
			at = &set[i];
	*at = (struct rate_slot){ .key = *k, .used = true };
	rate_bucket_init(&at->bucket, per_min, burst, now_ns);
	return at;
}
