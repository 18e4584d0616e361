/* SPDX-License-Identifier: Apache-2.0 */
/* Which GPUs and CPUs a run gets for itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "sched_hold.h"

/* Nodes of cores with two threads each, numbered as machines do: all first threads come first. */
static struct sched_topology
machine(unsigned nodes, unsigned cores)
{
	struct sched_topology t = { 0 };

	for (unsigned node = 0; node < nodes; node++)
		for (unsigned core = 0; core < cores; core++)
			for (unsigned thread = 0; thread < 2; thread++) {
				const unsigned first = node * cores + core;

				t.at[t.n++] = (struct sched_cpu){ .node = (uint16_t)node,
					.core = (uint16_t)first,
					.id = (uint16_t)(first + thread * nodes * cores) };
			}
	return t;
}

static struct sched_hold
cpus(const unsigned *ids, size_t n)
{
	struct sched_hold h = { 0 };

	for (size_t i = 0; i < n; i++)
		h.cpus[ids[i] / 64] |= UINT64_C(1) << ids[i] % 64;
	return h;
}
#define CPUS(...)                                                                                  \
	cpus((const unsigned[]){ __VA_ARGS__ },                                                    \
	    sizeof((const unsigned[]){ __VA_ARGS__ }) / sizeof(unsigned))

static void
assert_holds(const struct sched_hold *have, struct sched_hold want)
{
	assert_memory_equal(have, &want, sizeof(want));
}

static void
devices_are_given_from_the_lowest_free_one(void **state)
{
	struct sched_hold spare = { .gpus = 0xf6 }, got;
	const struct sched_hold_counts three = { .gpus = 3 };

	(void)state;
	assert_true(sched_hold_pick(NULL, three, &spare, &got));
	assert_int_equal(got.gpus, 0x16);
	assert_int_equal(spare.gpus, 0xe0);
	assert_true(sched_hold_pick(NULL, three, &spare, &got));
	assert_int_equal(got.gpus, 0xe0);
	assert_int_equal(spare.gpus, 0);
}

static void
too_few_free_ones_change_nothing(void **state)
{
	const struct sched_topology t = machine(1, 2);
	const struct sched_hold_counts one_each = { .gpus = 1, .cpus = 1 };
	struct sched_hold spare = { .gpus = 0 }, got = { .gpus = 7 };

	(void)state;
	spare.cpus[0] = 0xf;
	assert_false(sched_hold_pick(&t, one_each, &spare, &got));
	assert_int_equal(spare.cpus[0], 0xf);
	assert_int_equal(got.gpus, 7);
	spare = (struct sched_hold){ .gpus = 1 };
	assert_false(sched_hold_pick(&t, one_each, &spare, &got));
	assert_int_equal(spare.gpus, 1);
}

static void
the_last_device_of_sixty_four_can_be_given(void **state)
{
	struct sched_hold spare = sched_hold_all(UINT64_MAX, NULL), got;
	const struct sched_hold_counts all = { .gpus = 64 };

	(void)state;
	assert_true(sched_hold_pick(NULL, all, &spare, &got));
	assert_true(got.gpus == UINT64_MAX);
	assert_true(spare.gpus == 0);
}

static void
threads_of_a_core_go_together(void **state)
{
	const struct sched_topology t = machine(1, 4); /* cores {0,4} {1,5} {2,6} {3,7} */
	struct sched_hold spare = sched_hold_all(0, &t), got;

	(void)state;
	assert_true(sched_hold_pick(&t, (struct sched_hold_counts){ .cpus = 2 }, &spare, &got));
	assert_holds(&got, CPUS(0, 4));
	assert_true(sched_hold_pick(&t, (struct sched_hold_counts){ .cpus = 1 }, &spare, &got));
	assert_holds(&got, CPUS(1));
	/* Two more do not break a second core open while a whole one is left. */
	assert_true(sched_hold_pick(&t, (struct sched_hold_counts){ .cpus = 2 }, &spare, &got));
	assert_holds(&got, CPUS(2, 6));
	/* The half core is used up before the last whole one. */
	assert_true(sched_hold_pick(&t, (struct sched_hold_counts){ .cpus = 1 }, &spare, &got));
	assert_holds(&got, CPUS(5));
	assert_holds(&spare, CPUS(3, 7));
}

static void
cpus_come_from_one_node_where_they_fit(void **state)
{
	const struct sched_topology t = machine(2, 4); /* node 0: 0-3, 8-11; node 1: 4-7, 12-15 */
	struct sched_hold spare = sched_hold_all(0, &t), got;
	const struct sched_hold taken = CPUS(0, 8);

	(void)state;
	sched_hold_take_off(&spare, &taken);
	/* Node 0 has six left, which is the closest fit for six. */
	assert_true(sched_hold_pick(&t, (struct sched_hold_counts){ .cpus = 6 }, &spare, &got));
	assert_holds(&got, CPUS(1, 2, 3, 9, 10, 11));
	spare = sched_hold_all(0, &t);
	sched_hold_take_off(&spare, &taken);
	/* Eight fit into node 1 alone. */
	assert_true(sched_hold_pick(&t, (struct sched_hold_counts){ .cpus = 8 }, &spare, &got));
	assert_holds(&got, CPUS(4, 5, 6, 7, 12, 13, 14, 15));
}

static void
what_fits_into_no_node_takes_the_emptiest_and_more(void **state)
{
	const struct sched_topology t = machine(2, 2); /* node 0: 0 1 4 5; node 1: 2 3 6 7 */
	struct sched_hold spare = sched_hold_all(0, &t), got;
	const struct sched_hold taken = CPUS(0, 4);

	(void)state;
	sched_hold_take_off(&spare, &taken);
	assert_true(sched_hold_pick(&t, (struct sched_hold_counts){ .cpus = 5 }, &spare, &got));
	assert_holds(&got, CPUS(1, 2, 3, 6, 7));
	assert_holds(&spare, CPUS(5));
}

static void
cpus_beyond_the_first_word_count(void **state)
{
	struct sched_topology t = { .n = 2, .at = { { 0, 64, 64 }, { 0, 1023, 1023 } } };
	struct sched_hold spare = sched_hold_all(0, &t), got;

	(void)state;
	assert_int_equal(sched_hold_count(&spare).cpus, 2);
	assert_true(sched_hold_pick(&t, (struct sched_hold_counts){ .cpus = 2 }, &spare, &got));
	assert_int_equal(got.cpus[1], 1);
	assert_true(got.cpus[15] == UINT64_C(1) << 63);
}

/* A thousand comings and goings on a large machine: nobody ever shares anything. */
static void
nothing_is_ever_given_twice(void **state)
{
	const struct sched_topology t = machine(4, 16);
	struct sched_hold held[64] = { { 0 } };
	uint64_t seed = 7;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct sched_hold spare = sched_hold_all(0xff, &t);
		struct sched_hold_counts n, before;
		size_t who;

		seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		who = seed >> 40 & 63;
		n = (struct sched_hold_counts){ .gpus = seed >> 50 & 3, .cpus = seed >> 52 & 15 };
		held[who] = (struct sched_hold){ 0 };
		for (size_t k = 0; k < ARRAY_LEN(held); k++)
			sched_hold_take_off(&spare, &held[k]);
		before = sched_hold_count(&spare);
		if (!sched_hold_pick(&t, n, &spare, &held[who])) {
			assert_true(n.gpus > before.gpus || n.cpus > before.cpus);
			continue;
		}
		assert_int_equal(sched_hold_count(&held[who]).gpus, n.gpus);
		assert_int_equal(sched_hold_count(&held[who]).cpus, n.cpus);
		assert_int_equal(sched_hold_count(&spare).gpus, before.gpus - n.gpus);
		for (size_t k = 0; k < ARRAY_LEN(held); k++)
			for (size_t w = 0; k != who && w < COMPUTE_CPU_WORDS; w++) {
				assert_true((held[k].gpus & held[who].gpus) == 0);
				assert_true((held[k].cpus[w] & held[who].cpus[w]) == 0);
			}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(devices_are_given_from_the_lowest_free_one),
		cmocka_unit_test(too_few_free_ones_change_nothing),
		cmocka_unit_test(the_last_device_of_sixty_four_can_be_given),
		cmocka_unit_test(threads_of_a_core_go_together),
		cmocka_unit_test(cpus_come_from_one_node_where_they_fit),
		cmocka_unit_test(what_fits_into_no_node_takes_the_emptiest_and_more),
		cmocka_unit_test(cpus_beyond_the_first_word_count),
		cmocka_unit_test(nothing_is_ever_given_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
