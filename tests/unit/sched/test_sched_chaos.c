/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deaths, outages, lost answers, slow work, cancel wishes and suspended tenants at random, under
 * limits of tenants and projects, over one node and over two; a seed that fails fails again.
 * WARDIAN_SIM_SEEDS plays as many seeds instead of a few.
 */
#define WORLD_TICK_MS 100
#include "sched_sim.h"

enum { LIVES_MAX = 40 };

struct chaos {
	struct instance lives[LIVES_MAX];
	size_t n_lives;
	struct instance *node[2];
	size_t n_nodes;
};

static void
give_life(struct chaos *c, size_t k)
{
	c->node[k] = &c->lives[c->n_lives++];
	start_node(c->node[k], k == 0 ? 'A' : 'B', false);
}

static void
weather(struct chaos *c)
{
	size_t k = draw((uint32_t)c->n_nodes);
	struct instance *node = c->node[k];

	switch (draw(8)) {
	case 0:
		node->db_down = !node->db_down;
		break;
	case 1:
		atomic_store(&world.spawner_down[k], !atomic_load(&world.spawner_down[k]));
		break;
	case 2:
	case 3:
		if (c->n_lives == LIVES_MAX)
			break;
		if (draw(2) == 0)
			kill_node(node);
		else
			stop_node(node);
		world.holds_lost = draw(4) == 0;
		if (draw(4) == 0)
			pass_ms(draw(c->n_nodes == 1 ? 1 : 30000));
		give_life(c, k);
		break;
	case 4:
		atomic_store(&world.lost_acks_percent, (int)draw(30));
		break;
	case 5:
		world.jobs[draw((uint32_t)world.n_jobs)].cancel = true;
		break;
	case 6:
		k = draw(TENANTS);
		world.tenants[k].suspended = !world.tenants[k].suspended;
		break;
	default:
		sim.slowness_ms = (int)draw(400);
		break;
	}
	pass_ms(1 + draw(8000));
}

static void
clear_up(struct chaos *c)
{
	for (size_t k = 0; k < c->n_nodes; k++) {
		c->node[k]->db_down = false;
		atomic_store(&world.spawner_down[k], false);
	}
	for (size_t k = 0; k < TENANTS; k++)
		world.tenants[k].suspended = false;
	atomic_store(&world.lost_acks_percent, 0);
	sim.slowness_ms = 5;
	await_all_ended();
	/* What a life left behind is found by the next. */
	pass_ms(30000);
	for (size_t k = 0; k < c->n_nodes; k++) {
		stop_node(c->node[k]);
		start_node(c->node[k], k == 0 ? 'A' : 'B', false);
	}
	pass_ms(5000);
}

/* None that a single job of the mixture would not fit into. */
static void
set_limits(void)
{
	for (size_t k = 0; k < TENANTS; k++) {
		struct world_tenant *t = &world.tenants[k];

		t->limit =
		    (struct job_room){ draw(5), draw(2) * (3100 + draw(3000)), 0, draw(4) / 2 * 3 };
		for (size_t i = 0; i < PROJECTS; i++)
			t->project_limit[i] = (struct job_room){ draw(4), 0, draw(3) * MIB, 0 };
	}
}

static void
play_chaos(uint64_t seed, size_t n_nodes)
{
	static const enum behaviour mixture[] = { GOES_WELL, GOES_WELL, GOES_WELL, EXITS_BADLY,
		CANNOT_START, KEEPER_DIES, LOGS_ERROR, BAD_RESULT, CANNOT_EXECUTE };
	struct chaos c = { .n_nodes = n_nodes };

	new_world(seed);
	set_limits();
	for (int i = 0; i < 60; i++) {
		size_t k = submit(mixture[draw(ARRAY_LEN(mixture))], draw(40000));

		world.jobs[k].cpu_milli = 100 + draw(3000);
		world.jobs[k].gpus = draw(3) == 0 ? 1 + draw(3) : 0;
		world.jobs[k].pin_cpus = draw(5) == 0;
		if (world.jobs[k].pin_cpus)
			world.jobs[k].cpu_milli = 1000 * (1 + draw(3));
		world.jobs[k].max_attempts = 1 + draw(3);
	}
	for (size_t k = 0; k < n_nodes; k++)
		give_life(&c, k);
	for (int i = 0; i < 50; i++)
		weather(&c);
	clear_up(&c);
	assert_promises_kept();
	assert_nothing_is_left();
	for (size_t k = 0; k < n_nodes; k++)
		stop_node(c.node[k]);
	for (size_t i = 0; i < c.n_lives; i++)
		if (c.lives[i].dead)
			bury(&c.lives[i]);
	end_world();
}

static void
random_outages_break_no_promise(void **state)
{
	const char *wanted = getenv("WARDIAN_SIM_SEEDS");
	uint64_t n = wanted != NULL ? strtoull(wanted, NULL, 10) : 16;

	(void)state;
	for (uint64_t seed = 1; seed <= n; seed++) {
		if (seed % 10 == 1)
			print_message("seeds from %llu\n", (unsigned long long)seed);
		play_chaos(seed, 1 + seed % 2);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(random_outages_break_no_promise),
	};

	json_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
