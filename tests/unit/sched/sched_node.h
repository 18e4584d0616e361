/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCHED_NODE_H
#define SCHED_NODE_H

/* A node in rounds: what waits, what runs on it, and sched_pick between the two.  Included after
 * cmocka.h. */

#include "sched_pick.h"

#include <string.h>

enum { WAITING_MAX = 2000, RUNNING_MAX = 256 };

static const struct job_room unlimited = { INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX };

/* A node, its queue and what runs on it; time is a count of rounds. */
struct node {
	struct sched_capacity total;
	struct sched_candidate waiting[WAITING_MAX];
	int64_t asked[WAITING_MAX]; /* round in which it came */
	size_t n_waiting;
	struct sched_use running[RUNNING_MAX];
	int64_t until[RUNNING_MAX];
	size_t n_running;
	struct sched_reservations reserved;
	int64_t now;
	uint64_t seed;
	uint32_t next_id;
	int64_t longest_wait[8]; /* by tenant */
	size_t started[8];
};

static uint32_t
draw(struct node *n, uint32_t below)
{
	n->seed = n->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(n->seed >> 33) % below;
}

static struct tenant_id
tenant(unsigned number)
{
	struct tenant_id t = { 0 };

	t.uuid.b[0] = 1;
	t.uuid.b[15] = (uint8_t)number;
	return t;
}

static void
ask(struct node *n, unsigned who, int64_t cpu_milli, int64_t memory_bytes, int64_t priority)
{
	struct sched_candidate *c = &n->waiting[n->n_waiting];

	assert_true(n->n_waiting < WAITING_MAX);
	*c = (struct sched_candidate){ .tenant = tenant(who),
		.priority = priority,
		.queued_wall_us = n->now,
		.cpu_milli = cpu_milli,
		.memory_bytes = memory_bytes,
		.tenant_room = unlimited,
		.project_room = unlimited };
	n->next_id++;
	memcpy(c->id.b, &n->next_id, sizeof(n->next_id));
	c->project.b[0] = 9;
	n->asked[n->n_waiting++] = n->now;
}

static void
start(struct node *n, size_t i, int64_t rounds)
{
	const struct sched_candidate *c = &n->waiting[i];
	unsigned who = c->tenant.uuid.b[15];

	assert_true(n->n_running < RUNNING_MAX);
	n->running[n->n_running] = (struct sched_use){ .tenant = c->tenant,
		.cpu_milli = c->cpu_milli,
		.memory_bytes = c->memory_bytes,
		.gpus = c->gpus,
		.pins = c->pins };
	n->until[n->n_running++] = n->now + rounds;
	if (n->now - n->asked[i] > n->longest_wait[who])
		n->longest_wait[who] = n->now - n->asked[i];
	n->started[who]++;
}

static void
end_what_is_due(struct node *n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n->n_running; i++)
		if (n->until[i] > n->now) {
			n->running[kept] = n->running[i];
			n->until[kept++] = n->until[i];
		}
	n->n_running = kept;
}

static void
assert_within_capacity(const struct node *n)
{
	int64_t cpu = 0, memory = 0, gpus = 0, pins = 0;

	for (size_t i = 0; i < n->n_running; i++) {
		gpus += n->running[i].gpus;
		pins += n->running[i].pins;
		cpu += n->running[i].cpu_milli;
		memory += n->running[i].memory_bytes;
	}
	assert_true(cpu <= n->total.cpu_milli);
	assert_true(memory <= n->total.memory_bytes);
	assert_true(gpus <= n->total.gpus);
	assert_true(pins <= n->total.pins);
	assert_true((int64_t)n->n_running <= n->total.jobs);
}

/* One round: picks, checks them, starts them for 1 to `most` rounds; the number of starts. */
static size_t
play(struct node *n, size_t max, uint32_t most)
{
	struct sched_question q = { .candidates = n->waiting,
		.n_candidates = n->n_waiting,
		.uses = n->running,
		.n_uses = n->n_running,
		.total = n->total,
		.max = max };
	AUTO(arena) mem = arena_new(1 << 20);
	bool taken[WAITING_MAX] = { false };
	struct err e = { 0 };
	size_t *picks, n_picks, kept = 0;

	end_what_is_due(n);
	q.n_uses = n->n_running;
	assert_int_equal(sched_pick(&q, &n->reserved, mem, &picks, &n_picks, &e), 0);
	assert_true(n_picks <= max);
	for (size_t i = 0; i < n_picks; i++) {
		assert_true(picks[i] < n->n_waiting);
		assert_false(taken[picks[i]]);
		taken[picks[i]] = true;
		start(n, picks[i], 1 + draw(n, most));
	}
	assert_within_capacity(n);
	for (size_t i = 0; i < n->n_waiting; i++)
		if (!taken[i]) {
			n->waiting[kept] = n->waiting[i];
			n->asked[kept++] = n->asked[i];
		}
	n->n_waiting = kept;
	n->now++;
	return n_picks;
}

static struct node *
new_node(int64_t cpus, int64_t gib, int64_t jobs)
{
	struct node *n = test_calloc(1, sizeof(*n));

	n->total = (struct sched_capacity){ cpus * 1000, gib * GIB, jobs, 0, 0 };
	n->seed = 42;
	return n;
}

static void
give_room(struct node *n, unsigned who, struct job_room of_tenant, struct job_room of_project)
{
	for (size_t i = 0; i < n->n_waiting; i++)
		if (n->waiting[i].tenant.uuid.b[15] == who) {
			n->waiting[i].tenant_room = of_tenant;
			n->waiting[i].project_room = of_project;
		}
}

#endif
