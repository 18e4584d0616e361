/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of jobs, in virtual time; deterministic: what fails fails again. */
#define WORLD_TICK_MS 20
#include "sched_sim.h"

static void
jobs_run_within_the_node_and_end_once(void **state)
{
	struct instance a;

	(void)state;
	new_world(1);
	start_node(&a, 'A', true);
	for (int i = 0; i < 200; i++)
		(void)submit(GOES_WELL, draw(3000));
	await_all_ended();
	stop_node(&a);
	assert_promises_kept();
	assert_nothing_is_left();
	assert_int_equal(world.starts, 200);
	assert_int_equal(world.stale, 0);
	assert_int_equal(world.sampled, 200);
	end_world();
}

static void
a_job_starts_soon_after_the_bell(void **state)
{
	struct instance a;
	size_t i;

	(void)state;
	new_world(2);
	start_node(&a, 'A', true);
	pass_ms(3000);
	i = submit(RUNS_ON, 0);
	sched_wake(a.s);
	await_state_within(i, JOB_RUNNING, 150);
	world.jobs[i].cancel = true;
	sched_wake(a.s);
	await_state_within(i, JOB_CANCELED, 300);
	stop_node(&a);
	assert_promises_kept();
	assert_nothing_is_left();
	end_world();
}

static void
a_job_that_fails_is_tried_as_often_as_it_may_be(void **state)
{
	struct instance a;
	size_t i;

	(void)state;
	new_world(3);
	i = submit(EXITS_BADLY, 1);
	world.jobs[i].max_attempts = 3;
	start_node(&a, 'A', true);
	await_state(i, JOB_FAILED);
	stop_node(&a);
	assert_promises_kept();
	assert_nothing_is_left();
	assert_int_equal(world.starts, 3);
	assert_int_equal(world.jobs[i].attempt, 3);
	assert_non_null(strstr(world.jobs[i].cause, "\"exit-code\""));
	/* Only what the last attempt found is kept. */
	assert_int_equal(world.jobs[i].results, 1);
	end_world();
}

static void
the_job_s_own_faults_are_told_apart(void **state)
{
	static const struct {
		enum behaviour behaviour;
		const char *category, *kind;
	} all[] = {
		{ EXITS_BADLY, "\"user\"", "\"exit-code\"" },
		{ LOGS_ERROR, "\"numerical\"", "\"success-criteria\"" },
		{ CANNOT_EXECUTE, "\"user\"", "\"exec-failed\"" },
		{ INPUTS_TOO_LARGE, "\"resource\"", "\"scratch-space\"" },
	};
	struct instance a;

	(void)state;
	new_world(4);
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		assert_int_equal(submit(all[i].behaviour, 10), i);
	start_node(&a, 'A', true);
	await_all_ended();
	stop_node(&a);
	assert_promises_kept();
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		assert_int_equal(world.jobs[i].state, JOB_FAILED);
		assert_int_equal(world.jobs[i].epoch, 1);
		assert_non_null(strstr(world.jobs[i].cause, all[i].category));
		assert_non_null(strstr(world.jobs[i].cause, all[i].kind));
	}
	end_world();
}

static void
what_the_platform_breaks_costs_no_attempt_and_ends_in_time(void **state)
{
	static const enum behaviour broken[] = { KEEPER_DIES, CANNOT_START, BAD_RESULT };
	struct instance a;

	(void)state;
	new_world(5);
	for (size_t i = 0; i < ARRAY_LEN(broken); i++)
		assert_int_equal(submit(broken[i], 1), i);
	start_node(&a, 'A', true);
	await_all_ended();
	stop_node(&a);
	assert_promises_kept();
	assert_nothing_is_left();
	for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
		assert_int_equal(world.jobs[i].state, JOB_FAILED);
		assert_int_equal(world.jobs[i].attempt, 1);
		assert_int_equal(world.jobs[i].epoch, 6); /* five losses given back */
		assert_non_null(strstr(world.jobs[i].cause, "\"platform\""));
	}
	end_world();
}

static void
one_result_that_cannot_be_stored_holds_up_no_other(void **state)
{
	struct instance a;

	(void)state;
	new_world(6);
	for (int i = 0; i < 40; i++)
		(void)submit(i % 10 == 5 ? BAD_RESULT : GOES_WELL, 10);
	start_node(&a, 'A', true);
	pass_ms(30000);
	for (size_t i = 0; i < world.n_jobs; i++)
		if (world.jobs[i].behaviour == GOES_WELL)
			assert_int_equal(world.jobs[i].state, JOB_SUCCEEDED);
	await_all_ended();
	stop_node(&a);
	assert_promises_kept();
	end_world();
}

static void
a_wish_to_cancel_ends_a_job_wherever_it_stands(void **state)
{
	struct instance a;
	size_t running, stubborn, waiting;

	(void)state;
	new_world(7);
	running = submit(RUNS_ON, 0);
	stubborn = submit(IGNORES_TERM, 0);
	waiting = submit(GOES_WELL, 1);
	world.jobs[waiting].cancel = true;
	start_node(&a, 'A', true);
	await_state(waiting, JOB_CANCELED);
	await_state(running, JOB_RUNNING);
	await_state(stubborn, JOB_RUNNING);
	world.jobs[running].cancel = true;
	world.jobs[stubborn].cancel = true;
	await_state_within(running, JOB_CANCELED, 2500);
	assert_int_equal(world.kills, 0);
	/* Its keeper should have ended it after the grace; ten seconds later the spawner does. */
	await_state_within(stubborn, JOB_CANCELED, 5000 + 10000 + 3000);
	assert_int_equal(world.kills, 1);
	stop_node(&a);
	assert_promises_kept();
	assert_nothing_is_left();
	assert_non_null(strstr(world.jobs[running].cause, "\"canceled\""));
	assert_int_equal(world.jobs[waiting].epoch, 0);
	end_world();
}

static void
a_sole_node_keeps_its_runs_through_an_outage_of_the_database(void **state)
{
	struct instance a;
	const char *why = "";
	size_t ended, going;

	(void)state;
	new_world(8);
	ended = submit(GOES_WELL, 5000);
	going = submit(GOES_WELL, 600000);
	start_node(&a, 'A', true);
	await_state(ended, JOB_RUNNING);
	await_state(going, JOB_RUNNING);
	a.db_down = true;
	pass_ms(300000);
	assert_false(sched_ready(a.s, &why));
	assert_non_null(strstr(why, "database"));
	a.db_down = false;
	await_state_within(ended, JOB_SUCCEEDED, 10000);
	assert_true(sched_ready(a.s, &why));
	await_all_ended();
	stop_node(&a);
	assert_promises_kept();
	assert_nothing_is_left();
	assert_int_equal(world.starts, 2);
	assert_int_equal(world.kills, 0);
	end_world();
}

/* The reaper must never be faster than the renewal that follows an outage. */
static void
a_node_never_takes_its_own_runs_for_a_silent_one_s(void **state)
{
	struct instance a;
	size_t i;

	(void)state;
	new_world(18);
	i = submit(GOES_WELL, 1200000);
	start_node(&a, 'A', true);
	await_state(i, JOB_RUNNING);
	for (int k = 0; k < 30; k++) {
		a.db_down = true;
		pass_ms(20000 + k * 137);
		a.db_down = false;
		pass_ms(5000);
	}
	await_state(i, JOB_SUCCEEDED);
	stop_node(&a);
	assert_promises_kept();
	assert_int_equal(world.starts, 1);
	end_world();
}

static void
a_node_among_others_ends_its_runs_before_they_are_taken_over(void **state)
{
	struct instance a, b;
	size_t i;

	(void)state;
	new_world(9);
	i = submit(GOES_WELL, 60000);
	start_node(&a, 'A', false);
	await_state(i, JOB_RUNNING);
	start_node(&b, 'B', false);
	a.db_down = true;
	pass_ms(LEASE_MS - 2500);
	assert_int_equal(world.kills, 1);
	assert_false(world.boxes[0].live);
	/* lease 15 s, grace 1 s, reaper 2 s */
	pass_ms(2500 + 1000 + 2000 + 50);
	assert_true(world.jobs[i].epoch == 2 || world.jobs[i].state == JOB_QUEUED);
	await_state(i, JOB_RUNNING);
	a.db_down = false;
	await_state(i, JOB_SUCCEEDED);
	pass_ms(5000);
	stop_node(&a);
	stop_node(&b);
	assert_promises_kept();
	assert_nothing_is_left();
	assert_int_equal(world.overlaps_there, 0);
	assert_int_equal(world.jobs[i].attempt, 1);
	end_world();
}

static void
jobs_of_a_dead_daemon_are_taken_over_in_time_and_its_sandboxes_ended_on_return(void **state)
{
	struct instance a, b, again;

	(void)state;
	new_world(10);
	for (int i = 0; i < 4; i++)
		(void)submit(RUNS_ON, 0);
	start_node(&a, 'A', false);
	for (size_t i = 0; i < 4; i++)
		await_state(i, JOB_RUNNING);
	kill_node(&a);
	start_node(&b, 'B', false);
	pass_ms(20000);
	for (size_t i = 0; i < 4; i++)
		assert_true(world.jobs[i].epoch == 2 || world.jobs[i].state == JOB_QUEUED);
	for (size_t i = 0; i < 4; i++)
		await_state_within(i, JOB_RUNNING, 2000);
	start_node(&again, 'A', false);
	pass_ms(3000);
	assert_int_equal(world.kills, 4);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(world.jobs[i].state, JOB_RUNNING);
		assert_int_equal(world.jobs[i].attempt, 1);
		world.jobs[i].cancel = true;
	}
	await_all_ended();
	stop_node(&again);
	stop_node(&b);
	bury(&a);
	assert_promises_kept();
	end_world();
}

static void
without_a_spawner_nothing_is_claimed_and_runs_go_on(void **state)
{
	struct instance a;
	const char *why = "";
	size_t running, waiting;

	(void)state;
	new_world(12);
	running = submit(GOES_WELL, 20000);
	start_node(&a, 'A', false);
	await_state(running, JOB_RUNNING);
	atomic_store(&world.spawner_down[0], true);
	pass_ms(100);
	waiting = submit(GOES_WELL, 1);
	sched_wake(a.s);
	pass_ms(60000); /* the run ends, and no event says so */
	assert_false(sched_ready(a.s, &why));
	assert_non_null(strstr(why, "spawner"));
	assert_int_equal(world.jobs[waiting].epoch, 0);
	assert_int_equal(world.jobs[running].state, JOB_RUNNING);
	atomic_store(&world.spawner_down[0], false);
	await_state_within(running, JOB_SUCCEEDED, 1000);
	await_state_within(waiting, JOB_SUCCEEDED, 3000);
	stop_node(&a);
	assert_promises_kept();
	assert_nothing_is_left();
	assert_int_equal(world.kills, 0);
	end_world();
}

static void
an_attempt_whose_lease_moved_on_is_ended_and_does_not_count(void **state)
{
	struct instance a;
	size_t i;

	(void)state;
	new_world(13);
	i = submit(RUNS_ON, 0);
	start_node(&a, 'A', false);
	await_state(i, JOB_RUNNING);
	world.jobs[i].owner = node_id('B');
	world.jobs[i].epoch = 2;
	world.jobs[i].lease_ms = INT64_MAX;
	pass_ms(2500);
	assert_int_equal(world.kills, 1);
	assert_nothing_is_left();
	stop_node(&a);
	assert_int_equal(world.jobs[i].state, JOB_RUNNING);
	assert_int_equal(world.jobs[i].recorded, 0);
	assert_int_equal(metrics_get(metrics, METRIC_SCHED_LEASES_LOST), 1);
	end_world();
}

static void
a_claim_whose_answer_was_lost_goes_back_to_the_queue(void **state)
{
	struct instance a;

	(void)state;
	new_world(14);
	for (int i = 0; i < 30; i++)
		(void)submit(GOES_WELL, 100);
	atomic_store(&world.lost_acks_percent, 50);
	start_node(&a, 'A', false);
	pass_ms(120000);
	atomic_store(&world.lost_acks_percent, 0);
	await_all_ended();
	pass_ms(1000);
	stop_node(&a);
	assert_promises_kept();
	for (size_t i = 0; i < world.n_jobs; i++)
		assert_true(world.jobs[i].state == JOB_SUCCEEDED ||
			    strstr(world.jobs[i].cause, "\"platform\"") != NULL);
	end_world();
}

static void
a_lost_answer_to_the_start_does_not_run_the_job_again(void **state)
{
	struct instance a;
	size_t i;

	(void)state;
	for (uint64_t seed = 200; seed < 230; seed++) {
		new_world(seed);
		i = submit(GOES_WELL, 2000);
		start_node(&a, 'A', false);
		while (world.starts == 0)
			sim_step();
		atomic_store(&world.lost_acks_percent, 100);
		pass_ms((int64_t)draw(3000));
		atomic_store(&world.lost_acks_percent, 0);
		await_state(i, JOB_SUCCEEDED);
		pass_ms(3000);
		stop_node(&a);
		assert_promises_kept();
		assert_nothing_is_left();
		assert_int_equal(world.starts, 1);
		end_world();
	}
}

static void
no_run_is_told_to_end_before_its_row_says_so(void **state)
{
	struct instance a;
	size_t i;

	(void)state;
	for (uint64_t seed = 300; seed < 320; seed++) {
		new_world(seed);
		i = submit(RUNS_ON, 0);
		start_node(&a, 'A', false);
		await_state(i, JOB_RUNNING);
		atomic_store(&world.lost_acks_percent, 100);
		world.jobs[i].cancel = true;
		for (int k = 0; k < 200; k++) {
			sim_step();
			assert_true(world.boxes[0].live || world.jobs[i].state != JOB_RUNNING);
		}
		atomic_store(&world.lost_acks_percent, 0);
		await_state(i, JOB_CANCELED);
		stop_node(&a);
		assert_promises_kept();
		assert_int_equal(world.starts, 1);
		assert_non_null(strstr(world.jobs[i].cause, "\"canceled\""));
		end_world();
	}
}

static void
a_node_that_cannot_renew_claims_nothing(void **state)
{
	struct instance a;
	const char *why = "";
	size_t waiting;

	(void)state;
	new_world(19);
	start_node(&a, 'A', false);
	pass_ms(3000);
	atomic_store(&world.renewals_fail, true);
	pass_ms(LEASE_MS);
	waiting = submit(GOES_WELL, 10);
	sched_wake(a.s);
	pass_ms(60000);
	assert_int_equal(world.jobs[waiting].epoch, 0);
	assert_false(sched_ready(a.s, &why));
	assert_non_null(strstr(why, "leases"));
	atomic_store(&world.renewals_fail, false);
	await_state_within(waiting, JOB_SUCCEEDED, 5000);
	stop_node(&a);
	assert_promises_kept();
	end_world();
}

static void
a_start_whose_word_was_lost_with_the_connection_is_known_by_the_list(void **state)
{
	struct instance a;
	size_t i;

	(void)state;
	new_world(20);
	i = submit(GOES_WELL, 60000);
	start_node(&a, 'A', false);
	while (world.starts == 0)
		sim_step();
	atomic_store(&world.spawner_down[0], true);
	pass_ms(1000);
	assert_int_equal(world.jobs[i].state, JOB_CLAIMED);
	atomic_store(&world.spawner_down[0], false);
	await_state_within(i, JOB_RUNNING, 1000);
	await_state(i, JOB_SUCCEEDED);
	stop_node(&a);
	assert_promises_kept();
	assert_int_equal(world.starts, 1);
	end_world();
}

static void
two_nodes_share_a_queue_without_running_anything_twice(void **state)
{
	struct instance a, b;

	(void)state;
	new_world(15);
	for (int i = 0; i < 200; i++)
		(void)submit(GOES_WELL, draw(2000));
	start_node(&a, 'A', false);
	start_node(&b, 'B', false);
	await_all_ended();
	stop_node(&a);
	stop_node(&b);
	assert_promises_kept();
	assert_nothing_is_left();
	assert_int_equal(world.starts, 200);
	assert_int_equal(world.overlaps_there, 0);
	end_world();
}

static void
a_job_lost_with_its_unstarted_attempt_is_not_forgotten(void **state)
{
	struct instance a, again;
	size_t i;

	(void)state;
	new_world(16);
	start_node(&a, 'A', false);
	pass_ms(2000);
	i = submit(GOES_WELL, 100);
	sched_wake(a.s);
	while (world.n_boxes == 0)
		sim_step(); /* claimed and prepared; the spawner has not heard of it */
	kill_node(&a);
	assert_false(world.boxes[0].live);
	start_node(&again, 'A', false);
	await_state(i, JOB_SUCCEEDED);
	pass_ms(1000);
	stop_node(&again);
	bury(&a);
	assert_promises_kept();
	assert_nothing_is_left();
	assert_int_equal(world.jobs[i].attempt, 1);
	assert_int_equal(world.jobs[i].epoch, 2);
	end_world();
}

static void
stopping_is_quick_whatever_is_away(void **state)
{
	struct instance a;
	int64_t began_ms;

	(void)state;
	for (int i = 0; i < 4; i++) {
		new_world(17);
		atomic_store(&world.spawner_down[0], (i & 2) != 0);
		(void)submit(RUNS_ON, 0);
		start_node(&a, 'A', true);
		pass_ms(2000);
		a.db_down = (i & 1) != 0;
		pass_ms(2000);
		began_ms = sched_now_ms();
		stop_node(&a);
		assert_in_range(sched_now_ms() - began_ms, 0, 100);
		assert_int_equal(world.kills, 0);
		end_world();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(jobs_run_within_the_node_and_end_once),
		CASE(a_job_starts_soon_after_the_bell),
		CASE(a_job_that_fails_is_tried_as_often_as_it_may_be),
		CASE(the_job_s_own_faults_are_told_apart),
		CASE(what_the_platform_breaks_costs_no_attempt_and_ends_in_time),
		CASE(one_result_that_cannot_be_stored_holds_up_no_other),
		CASE(a_wish_to_cancel_ends_a_job_wherever_it_stands),
		CASE(a_sole_node_keeps_its_runs_through_an_outage_of_the_database),
		CASE(a_node_never_takes_its_own_runs_for_a_silent_one_s),
		CASE(a_node_among_others_ends_its_runs_before_they_are_taken_over),
		CASE(
		    jobs_of_a_dead_daemon_are_taken_over_in_time_and_its_sandboxes_ended_on_return),
		CASE(without_a_spawner_nothing_is_claimed_and_runs_go_on),
		CASE(an_attempt_whose_lease_moved_on_is_ended_and_does_not_count),
		CASE(a_claim_whose_answer_was_lost_goes_back_to_the_queue),
		CASE(a_lost_answer_to_the_start_does_not_run_the_job_again),
		CASE(no_run_is_told_to_end_before_its_row_says_so),
		CASE(a_node_that_cannot_renew_claims_nothing),
		CASE(a_start_whose_word_was_lost_with_the_connection_is_known_by_the_list),
		CASE(two_nodes_share_a_queue_without_running_anything_twice),
		CASE(a_job_lost_with_its_unstarted_attempt_is_not_forgotten),
		CASE(stopping_is_quick_whatever_is_away),
	};

	json_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
