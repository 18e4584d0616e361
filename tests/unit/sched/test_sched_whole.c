/* SPDX-License-Identifier: Apache-2.0 */
/* What runs have to themselves, in virtual time: through waiting, restarts and damage. */
#define WORLD_TICK_MS 20
#include "sched_sim.h"

static size_t
submit_with(enum behaviour behaviour, int64_t lasts_ms, int64_t gpus, int64_t pins)
{
	size_t i = submit(behaviour, lasts_ms);

	world.jobs[i].gpus = gpus;
	world.jobs[i].pin_cpus = pins > 0;
	world.jobs[i].cpu_milli = pins > 0 ? pins * 1000 : 100;
	return i;
}

static void
end_and_check(struct instance *a)
{
	await_all_ended();
	stop_node(a);
	assert_promises_kept();
	assert_nothing_is_left();
	end_world();
}

static void
gpus_are_shared_by_nobody_and_all_are_used(void **state)
{
	struct instance a;

	(void)state;
	new_world(1);
	start_node(&a, 'A', true);
	for (int i = 0; i < 60; i++)
		(void)submit_with(GOES_WELL, 100 + draw(2000), draw(4), 0);
	pass_ms(3000);
	/* Three there are, and many wait for them. */
	assert_int_equal(metrics_get(metrics, METRIC_SCHED_GPUS), 3);
	assert_in_range(metrics_get(metrics, METRIC_SCHED_GPUS_IN_USE), 1, 3);
	end_and_check(&a);
	assert_int_equal(metrics_get(metrics, METRIC_SCHED_GPUS_IN_USE), 0);
}

static void
pinned_cpus_are_shared_by_nobody(void **state)
{
	struct instance a;
	size_t two;

	(void)state;
	new_world(2);
	start_node(&a, 'A', true);
	two = submit_with(GOES_WELL, 20000, 0, 2);
	await_state(two, JOB_RUNNING);
	pass_ms(2000);
	assert_int_equal(metrics_get(metrics, METRIC_SCHED_CPUS_PINNED), 2);
	for (int i = 0; i < 40; i++)
		(void)submit_with(GOES_WELL, 100 + draw(2000), 0, 1 + draw(3));
	end_and_check(&a);
}

static void
a_job_that_asks_where_no_gpu_is_waits_and_others_go_on(void **state)
{
	struct instance a;
	size_t asks, plain;

	(void)state;
	new_world(3);
	world.gpus = 0;
	start_node(&a, 'A', true);
	asks = submit_with(GOES_WELL, 10, 1, 0);
	plain = submit(GOES_WELL, 10);
	await_state(plain, JOB_SUCCEEDED);
	pass_ms(60000);
	assert_int_equal(world.jobs[asks].state, JOB_QUEUED);
	world.jobs[asks].cancel = true;
	end_and_check(&a);
}

/* The next life knows what the runs of the last one hold. */
static void
a_restart_gives_nothing_of_a_living_run_to_another(void **state)
{
	struct instance lives[4];
	size_t going, waiting, pinned;

	(void)state;
	new_world(4);
	start_node(&lives[0], 'A', true);
	going = submit_with(GOES_WELL, 200000, 2, 0);
	pinned = submit_with(GOES_WELL, 200000, 0, 3);
	await_state(going, JOB_RUNNING);
	await_state(pinned, JOB_RUNNING);
	waiting = submit_with(GOES_WELL, 10, 2, 0);
	for (int i = 1; i < 4; i++) {
		if (i == 2)
			kill_node(&lives[i - 1]);
		else
			stop_node(&lives[i - 1]);
		start_node(&lives[i], 'A', true);
		pass_ms(20000);
		assert_int_equal(world.jobs[going].state, JOB_RUNNING);
		assert_int_equal(world.jobs[waiting].state, JOB_QUEUED);
		assert_int_equal(metrics_get(metrics, METRIC_SCHED_GPUS_IN_USE), 2);
		assert_int_equal(metrics_get(metrics, METRIC_SCHED_CPUS_PINNED), 3);
	}
	/* The third device is nobody's. */
	(void)submit_with(GOES_WELL, 10, 1, 0);
	await_state(waiting + 1, JOB_SUCCEEDED);
	await_state(waiting, JOB_SUCCEEDED);
	assert_int_equal(world.jobs[waiting].epoch, 1);
	bury(&lives[1]);
	end_and_check(&lives[3]);
}

static void
when_nobody_knows_what_a_run_holds_nothing_is_given_away(void **state)
{
	struct instance lives[2];
	size_t going, waiting, plain;

	(void)state;
	new_world(5);
	start_node(&lives[0], 'A', true);
	going = submit_with(GOES_WELL, 100000, 1, 0);
	await_state(going, JOB_RUNNING);
	stop_node(&lives[0]);
	world.holds_lost = true;
	start_node(&lives[1], 'A', true);
	waiting = submit_with(GOES_WELL, 10, 1, 0);
	(void)submit_with(GOES_WELL, 10, 0, 1);
	plain = submit(GOES_WELL, 10);
	await_state(plain, JOB_SUCCEEDED);
	pass_ms(20000);
	assert_int_equal(world.jobs[waiting].state, JOB_QUEUED);
	assert_int_equal(world.jobs[waiting + 1].state, JOB_QUEUED);
	end_and_check(&lives[1]);
	assert_int_equal(world.jobs[going].state, JOB_SUCCEEDED);
}

/* Its row was taken away while no daemon was there: the sandbox is ended before its devices go on.
 */
static void
devices_of_a_stranger_are_free_once_it_has_ended(void **state)
{
	struct instance lives[2];
	size_t stranger, next;

	(void)state;
	new_world(6);
	start_node(&lives[0], 'A', false);
	stranger = submit_with(RUNS_ON, 0, 3, 0);
	await_state(stranger, JOB_RUNNING);
	stop_node(&lives[0]);
	world.jobs[stranger].state = JOB_CANCELED;
	world.jobs[stranger].ends = 1;
	next = submit_with(GOES_WELL, 10, 3, 0);
	/* Nobody can be told to end anything. */
	atomic_store(&world.spawner_down[0], true);
	start_node(&lives[1], 'A', false);
	pass_ms(2000);
	atomic_store(&world.spawner_down[0], false);
	await_state(next, JOB_SUCCEEDED);
	assert_int_equal(world.kills, 1);
	end_and_check(&lives[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(gpus_are_shared_by_nobody_and_all_are_used),
		CASE(pinned_cpus_are_shared_by_nobody),
		CASE(a_job_that_asks_where_no_gpu_is_waits_and_others_go_on),
		CASE(a_restart_gives_nothing_of_a_living_run_to_another),
		CASE(when_nobody_knows_what_a_run_holds_nothing_is_given_away),
		CASE(devices_of_a_stranger_are_free_once_it_has_ended),
	};

	json_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
