/* SPDX-License-Identifier: Apache-2.0 */
/* The live attempts of this node, by id; a few thousand at most, so the buckets are fixed. */
#include "sched_internal.h"

#include <string.h>

bool
sched_id_same(const struct compute_run_id *a, const struct compute_run_id *b)
{
	return a->epoch == b->epoch && uuid_cmp(a->run, b->run) == 0 &&
	       uuid_cmp(a->tenant.uuid, b->tenant.uuid) == 0;
}

/* The last byte of a UUIDv7 is random. */
static size_t
bucket_of(const struct compute_run_id *id)
{
	return id->run.b[15] % SCHED_BUCKETS;
}

struct sched_run *
sched_table_add(struct sched *s, const struct compute_run *launch)
{
	struct sched_run *r = calloc(1, sizeof(*r));
	size_t i = bucket_of(&launch->id);

	if (r == NULL)
		return NULL;
	r->launch = *launch;
	r->next = s->buckets[i];
	s->buckets[i] = r;
	s->n_runs++;
	return r;
}

struct sched_run *
sched_table_find(struct sched *s, const struct compute_run_id *id)
{
	struct sched_run *r = s->buckets[bucket_of(id)];

	while (r != NULL && !sched_id_same(&r->launch.id, id))
		r = r->next;
	return r;
}

void
sched_table_remove(struct sched *s, struct sched_run *r)
{
	struct sched_run **at = &s->buckets[bucket_of(&r->launch.id)];

	while (*at != r) {
		REQUIRE(*at != NULL);
		at = &(*at)->next;
	}
	*at = r->next;
	s->n_runs--;
	free(r);
}

struct sched_hold
sched_table_hold(const struct sched_run *r)
{
	struct sched_hold h = { 0 };

	if (r->state == SCHED_RUN_OVER)
		return h;
	h.gpus = r->launch.gpus;
	memcpy(h.cpus, r->launch.cpu_set, sizeof(h.cpus));
	return h;
}

struct sched_run *
sched_table_next(struct sched *s, const struct sched_run *r)
{
	size_t i = 0;

	if (r != NULL) {
		if (r->next != NULL)
			return r->next;
		i = bucket_of(&r->launch.id) + 1;
	}
	for (; i < SCHED_BUCKETS; i++)
		if (s->buckets[i] != NULL)
			return s->buckets[i];
	return NULL;
}

void
sched_table_clear(struct sched *s)
{
	struct sched_run *r;

	while ((r = sched_table_next(s, NULL)) != NULL)
		sched_table_remove(s, r);
}
