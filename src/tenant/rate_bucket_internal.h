/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RATE_BUCKET_INTERNAL_H
#define RATE_BUCKET_INTERNAL_H

/*
 * A token bucket, and a table of them; pure but for the clock that the caller reads.  Tokens are
 * counted in millionths, so that slow rates do not round to nothing.
 */

#include "base.h"
#include "err.h"

#include <stdbool.h>

struct rate_bucket {
	int64_t micro; /* millionths of a token; below 0 after a debit */
	int64_t at_ns; /* monotonic, when micro was right */
	int64_t per_min;
	int64_t burst;
};
/* Full.  burst: 1 to RATE_MAX; per_min: 1 to 60 times that. */
enum { RATE_MAX = 10000000 };
void rate_bucket_init(struct rate_bucket *b, int64_t per_min, int64_t burst, int64_t now_ns);
/* Another rate; what is in it stays, up to the new burst. */
void rate_bucket_set(struct rate_bucket *b, int64_t per_min, int64_t burst, int64_t now_ns);
bool rate_bucket_has(struct rate_bucket *b, int64_t now_ns); /* a whole token */
/* Takes n tokens whether or not they are there; the debt ends at one burst. */
void rate_bucket_debit(struct rate_bucket *b, int64_t n, int64_t now_ns);
int64_t rate_bucket_left(struct rate_bucket *b, int64_t now_ns); /* whole tokens, at least 0 */
/* Milliseconds until there is one token, and until it is full; 0 when it is so now. */
int64_t rate_bucket_wait_ms(struct rate_bucket *b, int64_t now_ns);
int64_t rate_bucket_full_ms(struct rate_bucket *b, int64_t now_ns);

/* --- table ----------------------------------------------------------------------------------- */

/* What is counted: bytes that tell it apart, zero-padded. */
enum { RATE_KEY_SIZE = 32, RATE_WAYS = 4 };
struct rate_key {
	uint8_t bytes[RATE_KEY_SIZE];
};
struct rate_slot {
	struct rate_key key;
	bool used;
	struct rate_bucket bucket;
	/* of tenants and keys, for the exchange */
	int64_t spent;  /* let through since it was made */
	int64_t told;   /* what of it the others know */
	int64_t others; /* what the others had let through when last asked */
	bool others_known;
	bool introduced; /* was in an exchange: its limits are known */
	/* of refusals */
	int64_t locked_until_ns;
	int64_t lockouts;
};
struct rate_table {
	size_t n_sets;
	uint64_t seed; /* so that nobody can aim at one set */
	struct rate_slot *slots;
};
int rate_table_init(struct rate_table *t, int entries, uint64_t seed, struct err *e) MUST_CHECK;
void rate_table_done(struct rate_table *t);
/* The slot of a key, or NULL. */
struct rate_slot *rate_table_find(struct rate_table *t, const struct rate_key *k);
/* The slot of a key; a new one is full.  It may take the place of the fullest of its set, which
 * forgets least. */
struct rate_slot *rate_table_get(
    struct rate_table *t, const struct rate_key *k, int64_t per_min, int64_t burst, int64_t now_ns);

#endif
