/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of tenants and projects, suspended tenants and old keys, in virtual time. */
#define WORLD_TICK_MS 20
#include "sched_sim.h"

enum { ONE = 1, TWO = 2 }; /* tenants */

static size_t
submit_to(unsigned tenant, unsigned project, enum behaviour behaviour, int64_t lasts_ms)
{
	size_t i = submit(behaviour, lasts_ms);

	world.jobs[i].tenant.uuid.b[0] = (uint8_t)tenant;
	world.jobs[i].project.b[0] = (uint8_t)project;
	return i;
}

static size_t
count(unsigned tenant, enum job_state state)
{
	size_t n = 0;

	for (size_t i = 0; i < world.n_jobs; i++)
		n += world.jobs[i].tenant.uuid.b[0] == tenant && world.jobs[i].state == state;
	return n;
}

static size_t
count_live(unsigned tenant)
{
	return count(tenant, JOB_CLAIMED) + count(tenant, JOB_RUNNING) +
	       count(tenant, JOB_CANCELING);
}

static void
two_nodes_keep_the_limits_of_tenants_and_projects(void **state)
{
	struct instance a, b;
	size_t most = 0;

	(void)state;
	for (uint64_t seed = 100; seed < 110; seed++) {
		new_world(seed);
		for (size_t k = 0; k < TENANTS; k++) {
			world.tenants[k].limit = (struct job_room){ 3, 3000, 0, 0 };
			world.tenants[k].project_limit[1] = (struct job_room){ 2, 0, 0, 0 };
			world.tenants[k].project_limit[2] =
			    (struct job_room){ 0, 2000, 2 * MIB, 0 };
		}
		for (int i = 0; i < 150; i++)
			(void)submit(GOES_WELL, draw(2000));
		start_node(&a, 'A', false);
		start_node(&b, 'B', false);
		while (count(ONE, JOB_QUEUED) > 0) {
			pass_ms(50);
			most = count_live(ONE) > most ? count_live(ONE) : most;
		}
		await_all_ended();
		stop_node(&a);
		stop_node(&b);
		assert_promises_kept();
		assert_nothing_is_left();
		end_world();
	}
	assert_int_equal(most, 3); /* the limit was reached, not only kept */
}

static void
a_tenant_at_its_limit_holds_up_nobody_else(void **state)
{
	struct instance a;
	size_t other;

	(void)state;
	new_world(120);
	world.tenants[ONE].limit.jobs = 1;
	for (int i = 0; i < 100; i++)
		(void)submit_to(ONE, 1, RUNS_ON, 0);
	start_node(&a, 'A', true);
	pass_ms(3000);
	assert_int_equal(count_live(ONE), 1);
	other = submit_to(TWO, 1, GOES_WELL, 100);
	sched_wake(a.s);
	pass_ms(500);
	assert_int_equal(world.jobs[other].state, JOB_SUCCEEDED);
	assert_int_equal(count_live(ONE), 1);
	stop_node(&a);
	assert_promises_kept();
	end_world();
}

static void
a_project_at_its_limit_holds_up_no_other_project(void **state)
{
	struct instance a;

	(void)state;
	new_world(121);
	world.tenants[ONE].project_limit[1].jobs = 1;
	for (int i = 0; i < 20; i++)
		(void)submit_to(ONE, 1, RUNS_ON, 0);
	for (int i = 0; i < 20; i++)
		(void)submit_to(ONE, 2, GOES_WELL, 100);
	start_node(&a, 'A', true);
	pass_ms(10000);
	assert_int_equal(count(ONE, JOB_SUCCEEDED), 20);
	assert_int_equal(count_live(ONE), 1);
	stop_node(&a);
	assert_promises_kept();
	end_world();
}

/* Small jobs that keep coming must not keep the limit used up for ever. */
static void
a_large_job_under_a_limit_gets_its_turn(void **state)
{
	struct instance a;
	size_t large;

	(void)state;
	new_world(122);
	world.tenants[ONE].limit.cpu_milli = 2000;
	for (int i = 0; i < 4; i++)
		(void)submit_to(ONE, 1, GOES_WELL, 700 + 100 * i);
	large = submit_to(ONE, 1, GOES_WELL, 100);
	world.jobs[large].cpu_milli = 2000;
	start_node(&a, 'A', true);
	for (int i = 0; i < 100 && world.jobs[large].state != JOB_SUCCEEDED; i++) {
		pass_ms(200);
		(void)submit_to(ONE, 1, GOES_WELL, 700 + draw(500));
	}
	assert_int_equal(world.jobs[large].state, JOB_SUCCEEDED);
	assert_true(world.n_jobs < 60);
	await_all_ended();
	stop_node(&a);
	assert_promises_kept();
	end_world();
}

static void
room_that_a_finished_job_leaves_is_used_at_once(void **state)
{
	struct instance a;
	int64_t began_ms;

	(void)state;
	new_world(123);
	world.tenants[ONE].limit.jobs = 1;
	for (int i = 0; i < 50; i++)
		(void)submit_to(ONE, 1, GOES_WELL, 10);
	start_node(&a, 'A', true);
	pass_ms(1000);
	began_ms = sched_now_ms();
	await_all_ended();
	/* Waiting for the poll timer would take a second each. */
	assert_in_range(sched_now_ms() - began_ms, 0, 15000);
	stop_node(&a);
	assert_promises_kept();
	assert_nothing_is_left();
	end_world();
}

static void
a_lowered_limit_ends_nothing_and_lets_nothing_new_start(void **state)
{
	struct instance a;

	(void)state;
	new_world(124);
	for (int i = 0; i < 8; i++)
		(void)submit_to(ONE, 1, GOES_WELL, i < 4 ? 10000 : 10);
	start_node(&a, 'A', true);
	pass_ms(2000);
	assert_int_equal(count_live(ONE), 4);
	world.tenants[ONE].limit.jobs = 2;
	pass_ms(2000);
	assert_int_equal(count_live(ONE), 4);
	await_all_ended();
	stop_node(&a);
	assert_promises_kept();
	assert_int_equal(world.kills, 0);
	end_world();
}

static void
jobs_of_a_suspended_tenant_wait_and_its_runs_go_on(void **state)
{
	struct instance a;
	size_t running, waiting, unwanted;

	(void)state;
	new_world(125);
	running = submit_to(ONE, 1, GOES_WELL, 30000);
	start_node(&a, 'A', true);
	pass_ms(2000);
	assert_int_equal(world.jobs[running].state, JOB_RUNNING);
	world.tenants[ONE].suspended = true;
	waiting = submit_to(ONE, 1, GOES_WELL, 10);
	unwanted = submit_to(ONE, 1, GOES_WELL, 10);
	(void)submit_to(TWO, 1, GOES_WELL, 10);
	pass_ms(60000);
	assert_int_equal(world.jobs[running].state, JOB_SUCCEEDED);
	assert_int_equal(world.jobs[waiting].state, JOB_QUEUED);
	assert_int_equal(count(TWO, JOB_SUCCEEDED), 1);
	world.jobs[unwanted].cancel = true;
	pass_ms(3000);
	assert_int_equal(world.jobs[unwanted].state, JOB_CANCELED);
	world.tenants[ONE].suspended = false;
	pass_ms(3000);
	assert_int_equal(world.jobs[waiting].state, JOB_SUCCEEDED);
	stop_node(&a);
	assert_promises_kept();
	end_world();
}

static void
jobs_of_a_dead_daemon_count_until_they_are_taken_over(void **state)
{
	struct instance a, b;

	(void)state;
	new_world(127);
	world.tenants[ONE].limit.jobs = 2;
	for (int i = 0; i < 6; i++)
		(void)submit_to(ONE, 1, GOES_WELL, 3000);
	start_node(&a, 'A', false);
	pass_ms(2000);
	assert_int_equal(count_live(ONE), 2);
	kill_node(&a);
	start_node(&b, 'B', false);
	pass_ms(LEASE_MS - 3000);
	assert_int_equal(world.starts, 2);
	await_all_ended();
	assert_int_equal(count(ONE, JOB_SUCCEEDED), 6);
	stop_node(&b);
	bury(&a);
	assert_promises_kept();
	end_world();
}

static void
old_idempotency_keys_are_forgotten_about_hourly(void **state)
{
	struct instance a;

	(void)state;
	new_world(126);
	start_node(&a, 'A', true);
	pass_ms(61 * 1000);
	assert_int_equal(world.expiries, 1);
	a.db_down = true;
	pass_ms(2 * 3600 * 1000);
	a.db_down = false;
	assert_int_equal(world.expiries, 1);
	pass_ms(12 * 3600 * 1000);
	assert_in_range(world.expiries, 8, 25);
	stop_node(&a);
	end_world();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(two_nodes_keep_the_limits_of_tenants_and_projects),
		CASE(a_tenant_at_its_limit_holds_up_nobody_else),
		CASE(a_project_at_its_limit_holds_up_no_other_project),
		CASE(a_large_job_under_a_limit_gets_its_turn),
		CASE(room_that_a_finished_job_leaves_is_used_at_once),
		CASE(a_lowered_limit_ends_nothing_and_lets_nothing_new_start),
		CASE(jobs_of_a_suspended_tenant_wait_and_its_runs_go_on),
		CASE(jobs_of_a_dead_daemon_count_until_they_are_taken_over),
		CASE(old_idempotency_keys_are_forgotten_about_hourly),
	};

	json_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
