/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Progressive filling.  Candidates are sorted into lanes, one per tenant; each turn asks the lane
 * with the least dominant share for its next job.  A job that fits is taken and its tenant's share
 * grows.  A lane's first job that does not fit blocks: the lane's later jobs and the lanes that
 * come after it may go on, but each of them is one overtaking, and when those are used up the round
 * ends. Lanes with a smaller share come before the blocked one and overtake nobody.
 *
 * Why a blocked job stops other tenants, too: a job that needs the whole node would otherwise wait
 * for ever while two other tenants keep it half full.  A job that waits for its tenant's own limits
 * needs nothing of the others and only stops its own.  Between the two is a job that waits for GPUs
 * or for CPUs to pin: those are given whole and to few, so it stops only those that take of them,
 * or a node would stand idle behind one long simulation on its only GPU.  Once it has them, and
 * nobody else can take them away, it waits for the rest like any other.
 */
#include "sched_pick.h"

#include <stdbool.h>
#include <string.h>

/* What a job can lack, and what others can take away from it. */
enum { ROOM = 1 << 0 /* CPU time, memory, a place */, GPUS = 1 << 1, PINS = 1 << 2 };

struct lane {
	struct tenant_id tenant;
	size_t next, end;      /* of the sorted candidates */
	struct sched_use held; /* picks included */
	double share;          /* the largest of its parts of the node */
	bool blocked;          /* its head did not fit in this round */
};
struct round {
	const struct sched_question *q;
	const struct sched_candidate **sorted;
	size_t n_sorted;
	struct lane *lanes;
	size_t n_lanes;
	struct sched_capacity left;
	struct job_rooms rooms;
	struct sched_reservations *reserved;
	unsigned lacking[SCHED_RESERVATIONS]; /* by reservations that block in this round */
	unsigned closed;                      /* what nobody may take any more in this round */
	size_t *picks;
	size_t n_picks;
};

static unsigned
lacks(const struct sched_capacity *room, const struct sched_candidate *c)
{
	unsigned what = 0;

	if (c->gpus > room->gpus)
		what |= GPUS;
	if (c->pins > room->pins)
		what |= PINS;
	if (what == 0 && (room->jobs < 1 || c->cpu_milli > room->cpu_milli ||
			     c->memory_bytes > room->memory_bytes))
		what = ROOM;
	return what;
}

static unsigned
takes(const struct sched_candidate *c)
{
	return ROOM | (c->gpus > 0 ? GPUS : 0u) | (c->pins > 0 ? PINS : 0u);
}

static struct job_size
size_of(const struct sched_candidate *c)
{
	return (struct job_size){ c->cpu_milli, c->memory_bytes, c->gpus };
}

static int
compare_i64(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

/* Age, then id, so that the order is total. */
static int
compare_age(const struct sched_candidate *a, const struct sched_candidate *b)
{
	int by_age = compare_i64(a->queued_wall_us, b->queued_wall_us);

	return by_age != 0 ? by_age : uuid_cmp(a->id, b->id);
}

static int
compare(const void *x, const void *y)
{
	const struct sched_candidate *const *a = x, *const *b = y;
	int by_tenant = uuid_cmp((*a)->tenant.uuid, (*b)->tenant.uuid);
	int by_priority = compare_i64((*b)->priority, (*a)->priority);

	if (by_tenant != 0)
		return by_tenant;
	return by_priority != 0 ? by_priority : compare_age(*a, *b);
}

/* Jobs larger than the whole node wait for another one and block nobody here. */
static void
sort_candidates(struct round *r)
{
	const struct sched_question *q = r->q;

	for (size_t i = 0; i < q->n_candidates; i++)
		if (lacks(&q->total, &q->candidates[i]) == 0)
			r->sorted[r->n_sorted++] = &q->candidates[i];
	for (size_t i = 0; i < r->n_sorted; i++)
		job_rooms_add(&r->rooms, r->sorted[i]->tenant, r->sorted[i]->project,
		    r->sorted[i]->tenant_room, r->sorted[i]->project_room);
	if (r->n_sorted > 0)
		qsort(r->sorted, r->n_sorted, sizeof(*r->sorted), compare);
}

static void
make_lanes(struct round *r)
{
	for (size_t i = 0; i < r->n_sorted; i++) {
		struct tenant_id tenant = r->sorted[i]->tenant;
		struct lane *last = r->n_lanes > 0 ? &r->lanes[r->n_lanes - 1] : NULL;

		if (last != NULL && uuid_cmp(last->tenant.uuid, tenant.uuid) == 0)
			last->end = i + 1;
		else
			r->lanes[r->n_lanes++] =
			    (struct lane){ .tenant = tenant, .next = i, .end = i + 1 };
	}
}

static struct lane *
lane_of(struct round *r, struct tenant_id tenant)
{
	size_t low = 0, high = r->n_lanes;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = uuid_cmp(r->lanes[mid].tenant.uuid, tenant.uuid);

		if (order == 0)
			return &r->lanes[mid];
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

/* Dominant Resource Fairness: who needs much of one resource is measured by that one. */
static double
dominant_share(const struct sched_use *held, const struct sched_capacity *total)
{
	const double cpu = (double)held->cpu_milli / (double)total->cpu_milli;
	const double memory = (double)held->memory_bytes / (double)total->memory_bytes;
	const double gpus = total->gpus > 0 ? (double)held->gpus / (double)total->gpus : 0;
	const double most = cpu > memory ? cpu : memory;

	return most > gpus ? most : gpus;
}

static void
take_off(struct round *r, struct lane *lane, const struct sched_use *u)
{
	r->left.cpu_milli -= u->cpu_milli;
	r->left.memory_bytes -= u->memory_bytes;
	r->left.gpus -= u->gpus;
	r->left.pins -= u->pins;
	r->left.jobs -= 1;
	if (lane == NULL)
		return;
	lane->held.cpu_milli += u->cpu_milli;
	lane->held.memory_bytes += u->memory_bytes;
	lane->held.gpus += u->gpus;
	lane->share = dominant_share(&lane->held, &r->q->total);
}

static void
take_off_uses(struct round *r)
{
	r->left = r->q->total;
	for (size_t i = 0; i < r->q->n_uses; i++)
		take_off(r, lane_of(r, r->q->uses[i].tenant), &r->q->uses[i]);
}

/* True when a goes before b: by share, then by the age of their next jobs. */
static bool
lane_before(const struct round *r, const struct lane *a, const struct lane *b)
{
	if (a->share < b->share || a->share > b->share)
		return a->share < b->share;
	return compare_age(r->sorted[a->next], r->sorted[b->next]) < 0;
}

/* The lane whose turn it is, NULL when all are empty. */
static struct lane *
next_lane(const struct round *r)
{
	struct lane *best = NULL;

	for (size_t i = 0; i < r->n_lanes; i++) {
		struct lane *lane = &r->lanes[i];

		if (lane->next < lane->end && (best == NULL || lane_before(r, lane, best)))
			best = lane;
	}
	return best;
}

/* --- reservations ----------------------------------------------------------------------------- */

static bool
same_job(const struct sched_reservation *v, const struct sched_candidate *c)
{
	return uuid_cmp(v->id, c->id) == 0 && uuid_cmp(v->tenant.uuid, c->tenant.uuid) == 0;
}

static bool
still_waits(const struct round *r, const struct sched_reservation *v)
{
	for (size_t i = 0; i < r->n_sorted; i++)
		if (same_job(v, r->sorted[i]))
			return true;
	return false;
}

static void
forget(struct sched_reservations *set, size_t i)
{
	set->v[i] = set->v[--set->n];
}

static void
forget_gone(struct round *r)
{
	for (size_t i = 0; i < r->reserved->n;)
		if (still_waits(r, &r->reserved->v[i]))
			i++;
		else
			forget(r->reserved, i);
}

/* Index of the reservation, SCHED_RESERVATIONS when there is none. */
static size_t
find(const struct sched_reservations *set, const struct sched_candidate *c)
{
	for (size_t i = 0; i < set->n; i++)
		if (same_job(&set->v[i], c))
			return i;
	return SCHED_RESERVATIONS;
}

/* When nothing may pass a reservation any more, what it lacks is closed. */
static void
close_for(struct round *r, size_t i)
{
	if (r->reserved->v[i].overtaken >= SCHED_OVERTAKES_MAX)
		r->closed |= r->lacking[i];
}

static void
block(struct round *r, const struct sched_candidate *c, unsigned lacking)
{
	struct sched_reservations *set = r->reserved;
	size_t i = find(set, c);

	if (i == SCHED_RESERVATIONS && set->n < SCHED_RESERVATIONS) {
		i = set->n++;
		set->v[i] = (struct sched_reservation){ .tenant = c->tenant, .id = c->id };
	}
	if (i == SCHED_RESERVATIONS)
		/* so many large jobs wait that this one's turn to be counted is later */
		return;
	r->lacking[i] = lacking;
	close_for(r, i);
}

/* Counts one overtaking for every job that blocks and lacks what this one takes. */
static void
overtake(struct round *r, const struct sched_candidate *c)
{
	for (size_t i = 0; i < r->reserved->n; i++) {
		if ((r->lacking[i] & takes(c)) == 0)
			continue;
		r->reserved->v[i].overtaken++;
		close_for(r, i);
	}
}

/* --- the round -------------------------------------------------------------------------------- */

static void
take(struct round *r, struct lane *lane, const struct sched_candidate *c)
{
	const struct job_size size = size_of(c);
	const struct sched_use use = { .cpu_milli = c->cpu_milli,
		.memory_bytes = c->memory_bytes,
		.gpus = c->gpus,
		.pins = c->pins };

	r->picks[r->n_picks++] = (size_t)(c - r->q->candidates);
	job_rooms_take(&r->rooms, c->tenant, c->project, &size);
	take_off(r, lane, &use);
	overtake(r, c);
}

static bool
is_full(const struct round *r)
{
	return r->n_picks >= r->q->max || r->left.jobs < 1 || r->left.cpu_milli < 1 ||
	       r->left.memory_bytes < 1;
}

/* Takes or passes one job; false ends the round. */
static bool
turn(struct round *r)
{
	struct lane *lane = is_full(r) ? NULL : next_lane(r);
	const struct sched_candidate *c;
	struct job_size size;
	unsigned lacking;

	if (lane == NULL)
		return false;
	c = r->sorted[lane->next++];
	size = size_of(c);
	if (!job_rooms_fit(&r->rooms, c->tenant, c->project, &size))
		return true;
	lacking = lacks(&r->left, c);
	if (lacking == 0 && (takes(c) & r->closed) == 0) {
		take(r, lane, c);
	} else if (lacking != 0 && !lane->blocked) {
		lane->blocked = true; /* only the first of a tenant is reserved for */
		block(r, c, lacking);
	}
	/* Everybody takes room. */
	return (r->closed & ROOM) == 0;
}

static int
round_init(struct round *r, const struct sched_question *q, struct sched_reservations *reserved,
    struct arena *mem, struct err *e)
{
	size_t n = q->n_candidates;

	*r = (struct round){ .q = q, .reserved = reserved };
	r->sorted = arena_array(mem, n, sizeof(*r->sorted));
	r->lanes = arena_array(mem, n, sizeof(*r->lanes));
	r->picks = arena_array(mem, n, sizeof(*r->picks));
	r->rooms.v = arena_array(mem, 2 * n, sizeof(*r->rooms.v));
	if (r->rooms.v == NULL || r->sorted == NULL || r->lanes == NULL || r->picks == NULL)
		return arena_err(e);
	return 0;
}

int
sched_pick(const struct sched_question *q, struct sched_reservations *reserved, struct arena *mem,
    size_t **ret, size_t *ret_n, struct err *e)
{
	struct round r;

	REQUIRE(q->total.cpu_milli > 0);
	REQUIRE(q->total.memory_bytes > 0);
	if (round_init(&r, q, reserved, mem, e) < 0)
		return -1;
	sort_candidates(&r);
	make_lanes(&r);
	take_off_uses(&r);
	forget_gone(&r);
	while (turn(&r))
		continue;
	*ret = r.picks;
	*ret_n = r.n_picks;
	return 0;
}
