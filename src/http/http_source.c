/* SPDX-License-Identifier: Apache-2.0 */
#include "http_internal.h"

#include <string.h>

#include "id.h"

/* What one customer of a network provider can send from: an IPv4 address, a /64 of IPv6. */
static struct net_addr
source_addr(const struct net_addr *a)
{
	struct net_addr source = *a;

	if (!net_addr_is_v4(a))
		memset(source.bytes + 8, 0, 8);
	return source;
}

/* Every bit of the result depends on every bit of v (the finalizer of MurmurHash3). */
static uint64_t
mix(uint64_t v)
{
	v ^= v >> 33;
	v *= UINT64_C(0xff51afd7ed558ccd);
	v ^= v >> 33;
	v *= UINT64_C(0xc4ceb9fe1a85ec53);
	return v ^ (v >> 33);
}

/* With secret bits, so that nobody can choose addresses that share a bucket. */
static struct source **
bucket_of(struct sources *s, const struct net_addr *a)
{
	uint64_t word[2];

	memcpy(word, a->bytes, sizeof(word));
	return &s->buckets[mix(mix(s->secret ^ word[0]) ^ word[1]) % SOURCE_BUCKETS];
}

void
sources_init(struct sources *s)
{
	*s = (struct sources){ 0 };
	random_bytes(&s->secret, sizeof(s->secret));
}

struct source *
source_take(struct sources *s, const struct net_addr *a)
{
	const struct net_addr addr = source_addr(a);
	struct source **bucket = bucket_of(s, &addr);
	struct source *found = *bucket;

	while (found != NULL && !net_addr_equal(&found->addr, &addr))
		found = found->next;
	if (found == NULL) {
		found = malloc(sizeof(*found));
		if (found == NULL)
			return NULL;
		*found = (struct source){ .addr = addr, .next = *bucket };
		*bucket = found;
	}
	found->n_conns++;
	return found;
}

void
source_give(struct sources *s, struct source *source)
{
	struct source **p = bucket_of(s, &source->addr);

	if (--source->n_conns > 0)
		return;
	while (*p != source)
		p = &(*p)->next;
	*p = source->next;
	free(source);
}
