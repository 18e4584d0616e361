/* SPDX-License-Identifier: Apache-2.0 */
#include "sched_hold.h"

#include <string.h>

static bool
has_cpu(const struct sched_hold *h, unsigned id)
{
	return (h->cpus[id / 64] >> id % 64 & 1) != 0;
}

struct sched_hold_counts
sched_hold_count(const struct sched_hold *h)
{
	struct sched_hold_counts n = { .gpus = __builtin_popcountll(h->gpus) };

	for (size_t i = 0; i < COMPUTE_CPU_WORDS; i++)
		n.cpus += __builtin_popcountll(h->cpus[i]);
	return n;
}

struct sched_hold
sched_hold_all(uint64_t gpus, const struct sched_topology *t)
{
	struct sched_hold h = { .gpus = gpus };

	for (size_t i = 0; t != NULL && i < t->n; i++)
		h.cpus[t->at[i].id / 64] |= UINT64_C(1) << t->at[i].id % 64;
	return h;
}

void
sched_hold_take_off(struct sched_hold *a, const struct sched_hold *b)
{
	a->gpus &= ~b->gpus;
	for (size_t i = 0; i < COMPUTE_CPU_WORDS; i++)
		a->cpus[i] &= ~b->cpus[i];
}

/* --- CPUs ------------------------------------------------------------------------------------- */

/* Neighbours in the topology: the CPUs of one node, or of one core. */
struct group {
	size_t first, end;
	int64_t free;
};

static bool
same_group(const struct sched_cpu *a, const struct sched_cpu *b, bool cores)
{
	return a->node == b->node && (!cores || a->core == b->core);
}

static struct group
group_at(const struct sched_topology *t, size_t first, bool cores, const struct sched_hold *spare)
{
	struct group g = { .first = first, .end = first };

	while (g.end < t->n && same_group(&t->at[first], &t->at[g.end], cores))
		g.free += has_cpu(spare, t->at[g.end++].id);
	return g;
}

/* A node that has n, and as little more as possible; else the one that has most. */
static bool
is_better_node(const struct group *a, const struct group *b, int64_t n)
{
	if ((a->free >= n) != (b->free >= n))
		return a->free >= n;
	return a->free >= n ? a->free < b->free : a->free > b->free;
}

/* A core that is used up as a whole, and as many of its threads as possible; else the one that
 * leaves least. */
static bool
is_better_core(const struct group *a, const struct group *b, int64_t n)
{
	if (a->free == 0 || b->free == 0)
		return a->free > 0;
	if ((a->free <= n) != (b->free <= n))
		return a->free <= n;
	return a->free <= n ? a->free > b->free : a->free < b->free;
}

/* The best group between first and end, with free 0 when nothing is free in any. */
static struct group
best_group(const struct sched_topology *t, size_t first, size_t end, int64_t n,
    const struct sched_hold *spare, bool cores)
{
	struct group best = { 0 };

	for (size_t i = first; i < end;) {
		struct group g = group_at(t, i, cores, spare);

		if (g.free > 0 && (best.free == 0 || (cores ? is_better_core(&g, &best, n)
							    : is_better_node(&g, &best, n))))
			best = g;
		i = g.end;
	}
	return best;
}

/* From one core; how many. */
static int64_t
take_cpus(const struct sched_topology *t, const struct group *core, int64_t n,
    struct sched_hold *spare, struct sched_hold *ret)
{
	int64_t taken = 0;

	for (size_t i = core->first; i < core->end && taken < n; i++) {
		const unsigned id = t->at[i].id;
		const uint64_t bit = UINT64_C(1) << id % 64;

		if (!has_cpu(spare, id))
			continue;
		spare->cpus[id / 64] &= ~bit;
		ret->cpus[id / 64] |= bit;
		taken++;
	}
	return taken;
}

static void
pick_cpus(
    const struct sched_topology *t, int64_t n, struct sched_hold *spare, struct sched_hold *ret)
{
	while (n > 0) {
		struct group node = best_group(t, 0, t->n, n, spare, false);

		while (n > 0 && node.free > 0) {
			struct group core = best_group(t, node.first, node.end, n, spare, true);
			int64_t taken = take_cpus(t, &core, n, spare, ret);

			REQUIRE(taken > 0);
			n -= taken;
			node.free -= taken;
		}
	}
}

bool
sched_hold_pick(const struct sched_topology *t, struct sched_hold_counts n,
    struct sched_hold *spare, struct sched_hold *ret)
{
	const struct sched_hold_counts have = sched_hold_count(spare);

	if (n.gpus > have.gpus || n.cpus > have.cpus)
		return false;
	*ret = (struct sched_hold){ 0 };
	for (int64_t i = 0; i < n.gpus; i++) {
		const uint64_t lowest = spare->gpus & -spare->gpus;

		ret->gpus |= lowest;
		spare->gpus &= ~lowest;
	}
	pick_cpus(t, n.cpus, spare, ret);
	return true;
}
