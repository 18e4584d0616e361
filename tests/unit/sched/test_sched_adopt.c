/* SPDX-License-Identifier: Apache-2.0 */
/* What a start makes of what it finds, in virtual time. */
#define WORLD_TICK_MS 20
#include "sched_sim.h"

static void
a_restart_adopts_collects_loses_kills_and_tidies(void **state)
{
	struct instance a;
	size_t goes_on, ended, died, canceled, stranger;

	(void)state;
	new_world(11);
	world.cpu_milli = 8000;
	goes_on = submit(GOES_WELL, 60000);
	ended = submit(GOES_WELL, 5000);
	died = submit(KEEPER_DIES, 5000);
	canceled = submit(RUNS_ON, 0);
	stranger = submit(RUNS_ON, 0);
	start_node(&a, 'A', false);
	for (size_t i = goes_on; i <= stranger; i++)
		await_state(i, JOB_RUNNING);
	stop_node(&a);
	assert_int_equal(world.kills, 0);
	sim.now_ms += 10000; /* nobody watches: two end, and rows change behind the node's back */
	world.jobs[canceled].state = JOB_CANCELING;
	world.jobs[stranger].state = JOB_QUEUED;
	world.jobs[stranger].cancel = true;
	start_node(&a, 'A', false);
	await_all_ended();
	pass_ms(1000);
	stop_node(&a);
	assert_promises_kept();
	for (size_t i = 0; i < world.n_boxes; i++)
		assert_false(world.boxes[i].live);
	assert_int_equal(world.jobs[goes_on].state, JOB_SUCCEEDED);
	assert_int_equal(world.jobs[goes_on].epoch, 1);
	assert_int_equal(world.jobs[ended].state, JOB_SUCCEEDED);
	assert_int_equal(world.jobs[ended].epoch, 1);
	assert_int_equal(world.jobs[died].state, JOB_FAILED);
	assert_int_equal(world.jobs[canceled].state, JOB_CANCELED);
	assert_int_equal(world.jobs[stranger].state, JOB_CANCELED);
	assert_int_equal(world.kills, 1);
	assert_int_equal(metrics_get(metrics, METRIC_SCHED_ADOPTED), 5);
	/* The stranger's directory is what the next start finds. */
	start_node(&a, 'A', false);
	pass_ms(1000);
	stop_node(&a);
	assert_nothing_is_left();
	end_world();
}

/* Nobody but the keeper knows its stop recipe then, so it gets the time of the longest. */
static void
an_adopted_run_whose_profile_is_gone_is_not_ended_in_the_middle_of_its_recipe(void **state)
{
	struct instance a;
	size_t stubborn;

	(void)state;
	new_world(9);
	stubborn = submit(IGNORES_TERM, 0);
	start_node(&a, 'A', true);
	await_state(stubborn, JOB_RUNNING);
	stop_node(&a);
	world.profile_gone = true;
	start_node(&a, 'A', true);
	pass_ms(2000);
	world.jobs[stubborn].cancel = true;
	pass_ms(ENVIRONMENT_STOP_WAIT_MAX_MS);
	assert_int_equal(world.jobs[stubborn].state, JOB_CANCELING);
	assert_int_equal(world.kills, 0);
	await_state_within(stubborn, JOB_CANCELED, 5000 + 10000 + 3000);
	assert_int_equal(world.kills, 1);
	stop_node(&a);
	assert_promises_kept();
	end_world();
}

static void
a_run_that_ends_while_start_up_reads_is_collected(void **state)
{
	struct instance a;
	size_t i;

	(void)state;
	for (int k = 0; k < 20; k++) {
		new_world(400 + (uint64_t)k);
		i = submit(GOES_WELL, 5000);
		start_node(&a, 'A', false);
		await_state(i, JOB_RUNNING);
		stop_node(&a);
		world.boxes[0].ends_ms = sched_now_ms() + 100 * k;
		sim.slowness_ms = 2000;
		start_node(&a, 'A', false);
		await_state_within(i, JOB_SUCCEEDED, 20000);
		pass_ms(5000);
		stop_node(&a);
		assert_promises_kept();
		assert_nothing_is_left();
		assert_int_equal(world.starts, 1);
		end_world();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_restart_adopts_collects_loses_kills_and_tidies),
		CASE(an_adopted_run_whose_profile_is_gone_is_not_ended_in_the_middle_of_its_recipe),
		CASE(a_run_that_ends_while_start_up_reads_is_collected),
	};

	json_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
