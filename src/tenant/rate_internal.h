/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RATE_INTERNAL_H
#define RATE_INTERNAL_H

#include "rate.h"

#include "lock.h"
#include "rate_bucket_internal.h"

enum { RATE_EXCHANGE_MAX = 1024 }; /* buckets in one exchange; the rest is told by the next ones */
enum rate_kind { RATE_TENANT, RATE_KEY, RATE_SOURCE, RATE_FAILURE, RATE_KIND_COUNT };

struct rate_exchange {
	size_t n;
	struct uuid tenants[RATE_EXCHANGE_MAX];
	const char *buckets[RATE_EXCHANGE_MAX];
	char names[RATE_EXCHANGE_MAX][UUID_STR_SIZE];
	int64_t spent[RATE_EXCHANGE_MAX];
	int64_t others[RATE_EXCHANGE_MAX];
	struct rate_key keys[RATE_EXCHANGE_MAX];
	enum rate_kind kinds[RATE_EXCHANGE_MAX];
};

struct rates {
	/* immutable */
	struct rates_options o;
	/* under lock */
	struct lock lock;
	struct cond woken; /* the exchange thread */
	struct rate_table tables[RATE_KIND_COUNT];
	size_t next; /* where the next exchange begins to look */
	bool stop;
	bool hurry; /* somebody is new, whose limits nobody here knows */
	/* exchange thread */
	struct thread thread;
	bool has_thread;
	struct rate_exchange *x;
	bool failing; /* logged once per outage */
};

/* Starts and ends the exchange thread. */
int rate_exchange_start(struct rates *r, struct err *e) MUST_CHECK;
void rate_exchange_stop(struct rates *r);

#endif
