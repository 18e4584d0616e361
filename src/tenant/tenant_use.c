/* SPDX-License-Identifier: Apache-2.0 */
#include "tenant_internal.h"

#include <string.h>

enum { WAYS = 4 };

struct tenant_uses {
	/* immutable */
	size_t n; /* slots: sets of WAYS */
	/* under lock */
	struct lock lock;
	size_t n_noted;
	size_t next; /* where taking goes on, so that no slot waits for ever */
	struct tenant_use *slots;
};

int
tenant_uses_new(int entries, struct tenant_uses **ret, struct err *e)
{
	AUTO(tenant_uses) u = calloc(1, sizeof(*u));

	REQUIRE(entries > 0);
	if (u != NULL) {
		lock_init(&u->lock);
		u->n = ((size_t)entries + WAYS - 1) / WAYS * WAYS;
		u->slots = calloc(u->n, sizeof(*u->slots));
	}
	if (u == NULL || u->slots == NULL)
		return err_set(e, ERR_NO_MEMORY, "There is no memory for the last uses of keys");
	*ret = u;
	u = NULL;
	return 0;
}

void
tenant_uses_free(struct tenant_uses *u)
{
	if (u == NULL)
		return;
	lock_done(&u->lock);
	free(u->slots);
	free(u);
}

/* The key's own slot, else a free one; NULL when the set is full. */
static struct tenant_use *
slot_for(struct tenant_uses *u, const struct tenant_use *use)
{
	struct tenant_use *set, *at = NULL;
	uint64_t random; /* the tail of a UUIDv7 */

	memcpy(&random, use->key.b + 8, sizeof(random));
	set = &u->slots[random % (u->n / WAYS) * WAYS];
	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].wall_us == 0)
			at = at == NULL ? &set[i] : at;
		else if (uuid_cmp(set[i].key, use->key) == 0 &&
			 uuid_cmp(set[i].tenant.uuid, use->tenant.uuid) == 0)
			return &set[i];
	}
	return at;
}

void
tenant_uses_note(struct tenant_uses *u, const struct tenant_use *use)
{
	struct tenant_use *at;

	lock_take(&u->lock);
	at = slot_for(u, use);
	if (at != NULL && at->wall_us < use->wall_us) {
		u->n_noted += at->wall_us == 0;
		*at = *use;
	}
	lock_give(&u->lock);
}

size_t
tenant_uses_take(struct tenant_uses *u, struct tenant_use *out, size_t max)
{
	size_t n = 0;

	lock_take(&u->lock);
	for (size_t looked = 0; looked < u->n && n < max && u->n_noted > 0; looked++) {
		struct tenant_use *at = &u->slots[u->next];

		u->next = (u->next + 1) % u->n;
		if (at->wall_us == 0)
			continue;
		out[n++] = *at;
		at->wall_us = 0;
		u->n_noted--;
	}
	lock_give(&u->lock);
	return n;
}

bool
tenant_uses_crowded(struct tenant_uses *u)
{
	bool crowded;

	lock_take(&u->lock);
	crowded = u->n_noted > u->n / 2;
	lock_give(&u->lock);
	return crowded;
}
