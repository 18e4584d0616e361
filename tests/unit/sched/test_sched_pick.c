/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sched_node.h"

static void
the_tenant_with_the_least_share_goes_first(void **state)
{
	struct node *n = new_node(4, 4, 10);

	(void)state;
	ask(n, 1, 2000, GIB, 0);
	(void)play(n, 10, 100);
	ask(n, 1, 1000, MIB, 100);
	n->now += 5;
	ask(n, 2, 1000, MIB, -100);
	assert_int_equal(play(n, 1, 100), 1);
	assert_int_equal(n->started[2], 1);
	test_free(n);
}

static void
a_share_is_measured_by_the_resource_that_a_tenant_uses_most(void **state)
{
	struct node *n = new_node(8, 8, 10);

	(void)state;
	ask(n, 1, 100, 6 * GIB, 0); /* three quarters of the memory, hardly any CPU */
	ask(n, 2, 4000, MIB, 0);    /* half of the CPUs */
	assert_int_equal(play(n, 10, 100), 2);
	ask(n, 1, 100, MIB, 0);
	n->now += 5;
	ask(n, 2, 100, MIB, 0);
	assert_int_equal(play(n, 1, 100), 1);
	assert_int_equal(n->started[2], 2);
	test_free(n);
}

static void
inside_a_tenant_priority_goes_before_age(void **state)
{
	struct node *n = new_node(1, 1, 1);

	(void)state;
	ask(n, 1, 1000, MIB, 0);
	n->now++;
	ask(n, 1, 900, MIB, 5);
	n->now++;
	ask(n, 1, 800, MIB, 5);
	assert_int_equal(play(n, 10, 1), 1);
	assert_int_equal(n->running[0].cpu_milli, 900);
	assert_int_equal(play(n, 10, 1), 1);
	assert_int_equal(n->running[0].cpu_milli, 800);
	assert_int_equal(play(n, 10, 1), 1);
	assert_int_equal(n->running[0].cpu_milli, 1000);
	test_free(n);
}

static void
a_free_node_is_filled_from_all_tenants_in_turn(void **state)
{
	struct node *n = new_node(6, 6, 100);

	(void)state;
	for (int i = 0; i < 20; i++)
		ask(n, 1, 1000, MIB, 0);
	for (unsigned who = 2; who <= 3; who++)
		for (int i = 0; i < 2; i++)
			ask(n, who, 1000, MIB, 0);
	assert_int_equal(play(n, 100, 9), 6);
	for (unsigned who = 1; who <= 3; who++)
		assert_int_equal(n->started[who], 2);
	test_free(n);
}

static void
a_job_larger_than_the_node_blocks_nobody(void **state)
{
	struct node *n = new_node(2, 2, 10);

	(void)state;
	ask(n, 1, 3000, MIB, 100);
	ask(n, 1, 1000, 3 * GIB, 100);
	for (int i = 0; i < 200; i++) {
		ask(n, 1, 1000, MIB, 0);
		assert_int_equal(play(n, 10, 1), 1);
	}
	assert_int_equal(n->reserved.n, 0);
	assert_int_equal(n->n_waiting, 2);
	test_free(n);
}

static void
nothing_is_picked_when_no_place_is_left(void **state)
{
	struct node *n = new_node(8, 8, 2);

	(void)state;
	for (int i = 0; i < 5; i++)
		ask(n, 1, 1000, MIB, 0);
	assert_int_equal(play(n, 10, 1), 2);
	n->now--; /* the same round again: both still run */
	assert_int_equal(play(n, 10, 1), 0);
	test_free(n);
}

/* A tenant's large job at the head, its own small ones behind it, one CPU always busy. */
static void
a_large_job_is_overtaken_a_bounded_number_of_times(void **state)
{
	struct node *n = new_node(4, 4, 100);
	size_t small = 0;

	(void)state;
	ask(n, 2, 1000, MIB, 0);
	assert_int_equal(play(n, 1, 1), 1);
	n->until[0] = 1000;
	n->running[0].tenant = tenant(1);
	ask(n, 1, 4000, MIB, 0);
	for (int i = 0; i < 100; i++) {
		for (int k = 0; k < 3; k++)
			ask(n, 1, 1000, MIB, 0);
		small += play(n, 10, 1);
	}
	assert_int_equal(small, SCHED_OVERTAKES_MAX);
	assert_int_equal(n->reserved.n, 1);
	/* Once the node is empty it starts, and the others go on. */
	n->now = 1000;
	assert_int_equal(play(n, 10, 1), 1);
	assert_int_equal(n->running[0].cpu_milli, 4000);
	assert_true(play(n, 10, 1) > 1);
	assert_int_equal(n->reserved.n, 0);
	test_free(n);
}

static void
tenants_with_a_smaller_share_overtake_nobody(void **state)
{
	struct node *n = new_node(4, 4, 100);

	(void)state;
	ask(n, 1, 1000, MIB, 0);
	assert_int_equal(play(n, 1, 1), 1);
	n->until[0] = 1000000; /* tenant 1 keeps one CPU and asks for all four */
	ask(n, 1, 4000, MIB, 0);
	for (int i = 0; i < 200; i++) {
		if (n->n_waiting < 10)
			ask(n, 2, 500, MIB, 0);
		(void)play(n, 10, 1);
	}
	/* Its own job is in its way; the other tenant has a smaller share and is not held up. */
	assert_true(n->started[2] > 150);
	test_free(n);
}

static void
the_reservation_of_a_job_that_left_is_forgotten(void **state)
{
	struct node *n = new_node(2, 2, 10);

	(void)state;
	ask(n, 1, 1000, MIB, 0);
	assert_int_equal(play(n, 1, 1), 1);
	n->until[0] = 1000;
	ask(n, 2, 2000, MIB, 0);
	assert_int_equal(play(n, 10, 1), 0);
	assert_int_equal(n->reserved.n, 1);
	n->n_waiting = 0; /* canceled */
	ask(n, 3, 1000, MIB, 0);
	assert_int_equal(play(n, 10, 1), 1);
	assert_int_equal(n->reserved.n, 0);
	test_free(n);
}

static void
more_large_jobs_than_reservations_do_no_harm(void **state)
{
	struct node *n = new_node(4, 4, 100);

	(void)state;
	ask(n, 0, 1000, MIB, 0);
	assert_int_equal(play(n, 1, 1), 1);
	n->until[0] = 3;
	for (unsigned who = 1; who <= 2 * SCHED_RESERVATIONS; who++) {
		ask(n, who % 200, 4000, MIB, 0);
		n->waiting[n->n_waiting - 1].tenant.uuid.b[14] = (uint8_t)who;
		n->waiting[n->n_waiting - 1].tenant.uuid.b[15] = 7;
	}
	for (int i = 0; i < 300 && n->n_waiting > 0; i++) {
		(void)play(n, 10, 1);
		assert_true(n->reserved.n <= SCHED_RESERVATIONS);
	}
	assert_int_equal(n->n_waiting, 0);
	test_free(n);
}

static void
no_job_starves_in_a_thousand_random_rounds(void **state)
{
	struct node *n = new_node(8, 16, 40);

	(void)state;
	for (int i = 0; i < 1000; i++) {
		/* Three tenants would fill the node by themselves, with jobs of all sizes. */
		for (unsigned who = 1; who <= 3; who++)
			if (draw(n, 2) == 0 && n->n_waiting < 60)
				ask(n, who, 100 + draw(n, 3000), (1 + draw(n, 4096)) * MIB,
				    (int64_t)draw(n, 201) - 100);
		/* The fourth wants all of it now and then, the fifth half of the memory. */
		if (i % 40 == 0)
			ask(n, 4, 8000, 15 * GIB, 0);
		if (i % 25 == 0)
			ask(n, 5, 100, 8 * GIB, 0);
		(void)play(n, 32, 5);
	}
	assert_true(n->started[4] >= 24);
	assert_true(n->started[5] >= 38);
	/* One generation of overtakers at two or so a round, then at most five rounds to drain. */
	assert_in_range(n->longest_wait[4], 0, 40);
	assert_in_range(n->longest_wait[5], 0, 40);
	/* What is left is started in the end, the lowest priorities included. */
	for (int i = 0; i < 1000 && n->n_waiting > 0; i++)
		(void)play(n, 32, 5);
	assert_int_equal(n->n_waiting, 0);
	test_free(n);
}

static void
many_tenants_and_candidates_stay_within_capacity(void **state)
{
	struct node *n = new_node(32, 64, 200);

	(void)state;
	for (int i = 0; i < 200; i++) {
		while (n->n_waiting < 500)
			ask(n, draw(n, 8), 100 + draw(n, 8000), (1 + draw(n, 16384)) * MIB,
			    (int64_t)draw(n, 10));
		(void)play(n, 1 + draw(n, 32), 4);
	}
	test_free(n);
}

static void
a_tenant_gets_no_more_than_its_limits_leave(void **state)
{
	const struct job_room two_jobs = { 2, INT64_MAX, INT64_MAX, INT64_MAX };
	const struct job_room three_cpus = { 10, 3500, INT64_MAX, INT64_MAX };
	const struct job_room two_gib = { 10, INT64_MAX, 2 * GIB, INT64_MAX };
	struct node *n = new_node(64, 64, 64);

	(void)state;
	for (int i = 0; i < 12; i++)
		ask(n, 1 + (unsigned)i % 4, 1000, GIB, 0);
	give_room(n, 1, two_jobs, unlimited);
	give_room(n, 2, unlimited, three_cpus);
	give_room(n, 3, two_gib, unlimited);
	for (int i = 0; i < 2; i++)
		ask(n, 2, 1000, GIB, 0);
	give_room(n, 2, unlimited, three_cpus);
	(void)play(n, 64, 100);
	assert_int_equal(n->started[1], 2);
	assert_int_equal(n->started[2], 3);
	assert_int_equal(n->started[3], 2);
	assert_int_equal(n->started[4], 3);
	test_free(n);
}

static void
a_limited_job_keeps_its_place_before_smaller_ones_of_its_tenant(void **state)
{
	const struct job_room one_cpu = { 10, 1000, INT64_MAX, INT64_MAX };
	struct node *n = new_node(64, 64, 64);

	(void)state;
	ask(n, 1, 2000, GIB, 5);
	ask(n, 1, 500, GIB, 0);
	ask(n, 2, 500, GIB, 0);
	give_room(n, 1, one_cpu, unlimited);
	assert_int_equal(play(n, 64, 100), 1);
	assert_int_equal(n->started[2], 1);
	test_free(n);
}

static void
a_limited_project_leaves_the_tenant_s_others_alone(void **state)
{
	const struct job_room none_left = { 0, INT64_MAX, INT64_MAX, INT64_MAX };
	struct node *n = new_node(64, 64, 64);

	(void)state;
	ask(n, 1, 1000, GIB, 5);
	n->waiting[0].project.b[0] = 1;
	n->waiting[0].project_room = none_left;
	ask(n, 1, 1000, GIB, 0);
	n->waiting[1].project.b[0] = 2;
	assert_int_equal(play(n, 64, 100), 1);
	assert_int_equal(n->waiting[0].project.b[0], 1);
	test_free(n);
}

static void
limits_of_a_tenant_reserve_nothing_of_the_node(void **state)
{
	const struct job_room none_left = { 1, 100, INT64_MAX, INT64_MAX };
	struct node *n = new_node(4, 64, 64);

	(void)state;
	ask(n, 1, 4000, GIB, 0);
	give_room(n, 1, none_left, unlimited);
	for (int i = 0; i < 5 * SCHED_OVERTAKES_MAX; i++) {
		ask(n, 2, 3000, GIB, 0);
		assert_int_equal(play(n, 1, 1), 1);
	}
	assert_int_equal(n->reserved.n, 0);
	test_free(n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_tenant_with_the_least_share_goes_first),
		cmocka_unit_test(a_share_is_measured_by_the_resource_that_a_tenant_uses_most),
		cmocka_unit_test(inside_a_tenant_priority_goes_before_age),
		cmocka_unit_test(a_free_node_is_filled_from_all_tenants_in_turn),
		cmocka_unit_test(a_job_larger_than_the_node_blocks_nobody),
		cmocka_unit_test(nothing_is_picked_when_no_place_is_left),
		cmocka_unit_test(a_large_job_is_overtaken_a_bounded_number_of_times),
		cmocka_unit_test(tenants_with_a_smaller_share_overtake_nobody),
		cmocka_unit_test(the_reservation_of_a_job_that_left_is_forgotten),
		cmocka_unit_test(more_large_jobs_than_reservations_do_no_harm),
		cmocka_unit_test(no_job_starves_in_a_thousand_random_rounds),
		cmocka_unit_test(many_tenants_and_candidates_stay_within_capacity),
		cmocka_unit_test(a_tenant_gets_no_more_than_its_limits_leave),
		cmocka_unit_test(a_limited_job_keeps_its_place_before_smaller_ones_of_its_tenant),
		cmocka_unit_test(a_limited_project_leaves_the_tenant_s_others_alone),
		cmocka_unit_test(limits_of_a_tenant_reserve_nothing_of_the_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
