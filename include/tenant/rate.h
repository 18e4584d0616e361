/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RATE_H
#define RATE_H

/*
 * Token buckets: per tenant and per key once the caller is known, per source address before, and
 * per source and key for credentials that were refused.  A bucket holds two seconds' worth. Nothing
 * blocks but the thread that exchanges, twice a second, what daemons on one database have let
 * through: n daemons together exceed a limit by at most what n - 1 of them let through in
 * RATES_EXCHANGE_MS, once per burst.  A limit that an operator set holds from the first exchange
 * after it, for a caller that is new to a daemon within some tens of milliseconds; until then the
 * default does.  Sources and refusals are counted by each daemon alone.  Thread-safe.
 */

#include "access.h"
#include "base.h"
#include "db.h"
#include "err.h"
#include "id.h"
#include "log.h"

#include <stdbool.h>

struct rates;
struct metrics;

extern const struct db_sql rate_sql;

enum { RATES_EXCHANGE_MS = 500, RATES_BURST_S = 2 };

struct rates_options {
	struct db *db; /* NULL: alone, with the limits below for everybody */
	struct uuid node;
	struct metrics *metrics;  /* NULL: not counted */
	int64_t tenant_per_s;     /* unless the tenant's quota says otherwise */
	int64_t key_per_s;        /* the same */
	int64_t source_per_s;     /* of one address, whoever it is */
	int64_t failures_per_min; /* refused credentials of one address */
	int entries;              /* buckets of each kind kept; the fullest are forgotten first */
	struct log log;
};
int rates_new(const struct rates_options *o, struct rates **ret, struct err *e) MUST_CHECK;
void rates_free(struct rates *r); /* accepts NULL */
AUTO_TYPE(rates);

/* What an answer tells of the caller's limits. */
enum { RATE_POLICIES = 2 };
struct rate_policy {
	const char *name; /* "tenant" or "key" */
	int64_t quota;    /* requests in a window */
	int64_t window_s;
	int64_t remaining; /* requests left now */
	int64_t reset_s;   /* until the bucket is full again */
	bool violated;
};
struct rate_state {
	size_t n; /* 0: nothing to tell */
	struct rate_policy policies[RATE_POLICIES];
};
/* One request of a known caller: 0, or ERR_RATE with the delay in e->retry_after_s and nothing
 * taken from any bucket.  *ret is filled in both cases. */
int rates_take(
    struct rates *r, const struct principal *who, struct rate_state *ret, struct err *e) MUST_CHECK;
/* One request of an address, before anything is known of it: 0 or ERR_RATE. */
int rates_take_source(struct rates *r, const char *source, struct err *e) MUST_CHECK;

/* Whether a credential that is not known yet may be tried: 0, or ERR_RATE.  key_public: "" for
 * tokens and malformed keys.  A key under attack from elsewhere can still be tried from an address
 * that has not failed lately. */
int rates_try(
    struct rates *r, const char *source, const char *key_public, struct err *e) MUST_CHECK;
/* The credential was refused.  Each time the allowance is used up the pause grows, to 5 minutes. */
void rates_failed(struct rates *r, const char *source, const char *key_public);

#endif
