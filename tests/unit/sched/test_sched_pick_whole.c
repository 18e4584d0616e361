/* SPDX-License-Identifier: Apache-2.0 */
/* Picking jobs that want GPUs, or CPUs of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sched_node.h"

static void
ask_whole(struct node *n, unsigned who, int64_t cpu_milli, int64_t gpus, int64_t pins)
{
	ask(n, who, cpu_milli, MIB, 0);
	n->waiting[n->n_waiting - 1].gpus = gpus;
	n->waiting[n->n_waiting - 1].pins = pins;
}

static struct node *
new_node_with(int64_t cpus, int64_t gpus)
{
	struct node *n = new_node(cpus, 64, 100);

	n->total.gpus = gpus;
	n->total.pins = cpus;
	return n;
}

static void
a_gpu_is_given_to_one_job_at_a_time(void **state)
{
	struct node *n = new_node_with(16, 2);

	(void)state;
	for (int i = 0; i < 5; i++)
		ask_whole(n, 1, 100, 1, 0);
	assert_int_equal(play(n, 10, 1), 2);
	assert_int_equal(play(n, 10, 1), 2);
	assert_int_equal(play(n, 10, 1), 1);
	test_free(n);
}

static void
where_no_gpu_is_a_job_that_asks_waits_and_blocks_nobody(void **state)
{
	struct node *n = new_node_with(2, 0);

	(void)state;
	ask_whole(n, 1, 100, 1, 0);
	for (int i = 0; i < 5 * SCHED_OVERTAKES_MAX; i++) {
		ask(n, 1, 2000, MIB, 0);
		assert_int_equal(play(n, 10, 1), 1);
	}
	assert_int_equal(n->reserved.n, 0);
	assert_int_equal(n->n_waiting, 1);
	test_free(n);
}

static void
a_job_that_waits_for_a_gpu_holds_up_nobody_who_needs_none(void **state)
{
	struct node *n = new_node_with(4, 1);

	(void)state;
	ask_whole(n, 1, 1000, 1, 0);
	assert_int_equal(play(n, 10, 1), 1);
	n->until[0] = 1000;
	ask_whole(n, 1, 1000, 1, 0);
	for (int i = 0; i < 5 * SCHED_OVERTAKES_MAX; i++) {
		ask(n, 1, 1000, MIB, 0);
		ask(n, 2, 1000, MIB, 0);
		assert_int_equal(play(n, 10, 1), 2);
	}
	assert_int_equal(n->reserved.n, 1);
	assert_int_equal(n->reserved.v[0].overtaken, 0);
	test_free(n);
}

/* One GPU is always busy, the other one asked for by many. */
static void
a_two_gpu_job_is_overtaken_a_bounded_number_of_times(void **state)
{
	struct node *n = new_node_with(16, 2);
	size_t small = 0;

	(void)state;
	ask_whole(n, 2, 100, 1, 0);
	assert_int_equal(play(n, 1, 1), 1);
	n->until[0] = 1000;
	n->running[0].tenant = tenant(1);
	ask_whole(n, 1, 100, 2, 0);
	for (int i = 0; i < 100; i++) {
		ask_whole(n, 1, 100, 1, 0);
		small += play(n, 10, 1);
	}
	assert_int_equal(small, SCHED_OVERTAKES_MAX);
	n->now = 1000;
	assert_int_equal(play(n, 10, 1), 1);
	assert_int_equal(n->running[0].gpus, 2);
	assert_int_equal(play(n, 10, 1), 2);
	test_free(n);
}

/* The GPU is there, the CPUs are not: then it is a large job like any other. */
static void
a_gpu_job_without_room_for_the_rest_drains_the_node(void **state)
{
	struct node *n = new_node_with(4, 1);
	size_t small = 0;

	(void)state;
	ask(n, 2, 1000, MIB, 0);
	assert_int_equal(play(n, 1, 1), 1);
	n->until[0] = 1000;
	n->running[0].tenant = tenant(1);
	ask_whole(n, 1, 4000, 1, 0);
	for (int i = 0; i < 100; i++) {
		for (int k = 0; k < 3; k++)
			ask(n, 1, 1000, MIB, 0);
		small += play(n, 10, 1);
	}
	assert_int_equal(small, SCHED_OVERTAKES_MAX);
	n->now = 1000;
	assert_int_equal(play(n, 10, 1), 1);
	assert_int_equal(n->running[0].gpus, 1);
	test_free(n);
}

static void
gpus_count_in_a_tenant_s_share(void **state)
{
	struct node *n = new_node_with(16, 2);

	(void)state;
	ask_whole(n, 1, 100, 1, 0); /* half of the GPUs */
	ask(n, 2, 4000, MIB, 0);    /* a quarter of the CPUs */
	assert_int_equal(play(n, 10, 100), 2);
	ask(n, 1, 100, MIB, 0);
	n->now += 5;
	ask(n, 2, 100, MIB, 0);
	assert_int_equal(play(n, 1, 100), 1);
	assert_int_equal(n->started[2], 2);
	test_free(n);
}

static void
a_limit_of_gpus_holds_for_those_who_ask_for_them(void **state)
{
	const struct job_room one_gpu = { 10, INT64_MAX, INT64_MAX, 1 };
	struct node *n = new_node_with(16, 4);

	(void)state;
	for (int i = 0; i < 3; i++)
		ask_whole(n, 1, 100, 1, 0);
	ask(n, 1, 100, MIB, 0);
	give_room(n, 1, one_gpu, unlimited);
	assert_int_equal(play(n, 10, 100), 2);
	assert_int_equal(n->running[0].gpus + n->running[1].gpus, 1);
	test_free(n);
}

static void
pinned_jobs_share_no_cpu_and_hold_up_only_each_other(void **state)
{
	struct node *n = new_node_with(4, 0);

	(void)state;
	n->total.cpu_milli = 64000; /* lent many times over, but pinned only once */
	ask_whole(n, 1, 3000, 0, 3);
	assert_int_equal(play(n, 10, 1), 1);
	n->until[0] = 1000;
	ask_whole(n, 1, 2000, 0, 2);
	for (int i = 0; i < 5 * SCHED_OVERTAKES_MAX; i++) {
		ask(n, 1, 1000, MIB, 0);
		assert_int_equal(play(n, 10, 1), 1);
	}
	n->now = 1000;
	assert_int_equal(play(n, 10, 1), 1);
	assert_int_equal(n->running[0].pins, 2);
	test_free(n);
}

static void
no_gpu_job_starves_in_a_thousand_random_rounds(void **state)
{
	struct node *n = new_node_with(8, 4);

	(void)state;
	for (int i = 0; i < 1000; i++) {
		/* More than there is, but no queue of older jobs that come first by right. */
		for (unsigned who = 1; who <= 3; who++)
			if (draw(n, 2) == 0 && n->n_waiting < 8)
				ask_whole(n, who, 100 + draw(n, 2000), draw(n, 3), 0);
		if (i % 80 == 0)
			ask_whole(n, 4, 4000, 4, 0);
		if (i % 25 == 0)
			ask_whole(n, 5, 3000, 0, 3);
		(void)play(n, 32, 5);
	}
	assert_true(n->started[4] >= 12);
	assert_true(n->started[5] >= 38);
	/* Of GPUs about one overtaking a round, of the rest at most five rounds to drain. */
	assert_in_range(n->longest_wait[4], 0, 60);
	assert_in_range(n->longest_wait[5], 0, 60);
	for (int i = 0; i < 1000 && n->n_waiting > 0; i++)
		(void)play(n, 32, 5);
	assert_int_equal(n->n_waiting, 0);
	test_free(n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_gpu_is_given_to_one_job_at_a_time),
		cmocka_unit_test(where_no_gpu_is_a_job_that_asks_waits_and_blocks_nobody),
		cmocka_unit_test(a_job_that_waits_for_a_gpu_holds_up_nobody_who_needs_none),
		cmocka_unit_test(a_two_gpu_job_is_overtaken_a_bounded_number_of_times),
		cmocka_unit_test(a_gpu_job_without_room_for_the_rest_drains_the_node),
		cmocka_unit_test(gpus_count_in_a_tenant_s_share),
		cmocka_unit_test(a_limit_of_gpus_holds_for_those_who_ask_for_them),
		cmocka_unit_test(pinned_jobs_share_no_cpu_and_hold_up_only_each_other),
		cmocka_unit_test(no_gpu_job_starves_in_a_thousand_random_rounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
