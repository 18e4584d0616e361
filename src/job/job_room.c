/* SPDX-License-Identifier: Apache-2.0 */
#include "job_queue.h"

#include <stdlib.h>

/* Sorted on the first question, so that each answer costs a binary search. */

static int
compare(const void *x, const void *y)
{
	const struct job_lane *a = x, *b = y;
	int by_tenant = uuid_cmp(a->tenant.uuid, b->tenant.uuid);

	return by_tenant != 0 ? by_tenant : uuid_cmp(a->project, b->project);
}

void
job_rooms_add(struct job_rooms *r, struct tenant_id tenant, struct uuid project,
    struct job_room of_tenant, struct job_room of_project)
{
	REQUIRE(!r->sorted);
	r->v[r->n++] = (struct job_lane){ .tenant = tenant, .room = of_tenant };
	r->v[r->n++] =
	    (struct job_lane){ .tenant = tenant, .project = project, .room = of_project };
}

static void
sort(struct job_rooms *r)
{
	size_t kept = 0;

	if (r->n > 0)
		qsort(r->v, r->n, sizeof(*r->v), compare);
	for (size_t i = 0; i < r->n; i++)
		if (kept == 0 || compare(&r->v[kept - 1], &r->v[i]) != 0)
			r->v[kept++] = r->v[i];
	r->n = kept;
	r->sorted = true;
}

static struct job_room *
find(struct job_rooms *r, struct tenant_id tenant, struct uuid project)
{
	const struct job_lane key = { .tenant = tenant, .project = project };
	struct job_lane *lane;

	if (!r->sorted)
		sort(r);
	lane = r->n == 0 ? NULL : bsearch(&key, r->v, r->n, sizeof(*r->v), compare);
	REQUIRE(lane != NULL); /* every job that is asked about was added */
	return &lane->room;
}

static bool
fits(struct job_room *room, const struct job_size *size)
{
	if (room->jobs < 1 || room->cpu_milli < size->cpu_milli ||
	    room->memory_bytes < size->memory_bytes) {
		room->jobs = 0;
		return false;
	}
	if (size->gpus == 0 || room->gpus >= size->gpus)
		return true;
	room->gpus = 0;
	return false;
}

bool
job_rooms_fit(
    struct job_rooms *r, struct tenant_id tenant, struct uuid project, const struct job_size *size)
{
	/* A project's limit is asked first: what it holds back does not close the tenant. */
	return fits(find(r, tenant, project), size) &&
	       fits(find(r, tenant, (struct uuid){ 0 }), size);
}

static void
take(struct job_room *room, const struct job_size *size)
{
	room->jobs--;
	room->cpu_milli -= size->cpu_milli;
	room->memory_bytes -= size->memory_bytes;
	room->gpus -= size->gpus;
}

void
job_rooms_take(
    struct job_rooms *r, struct tenant_id tenant, struct uuid project, const struct job_size *size)
{
	take(find(r, tenant, project), size);
	take(find(r, tenant, (struct uuid){ 0 }), size);
}
