/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "job_queue.h"

enum { LANES = 512 };

static const struct job_room unlimited = { INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX };

static struct tenant_id
tenant(unsigned n)
{
	struct tenant_id t = { 0 };

	t.uuid.b[15] = (uint8_t)n;
	return t;
}

static struct uuid
project(unsigned n)
{
	struct uuid u = { 0 };

	u.b[0] = (uint8_t)n;
	return u;
}

static bool
take_gpus(struct job_rooms *r, unsigned t, unsigned p, const struct job_size *size)
{
	if (!job_rooms_fit(r, tenant(t), project(p), size))
		return false;
	job_rooms_take(r, tenant(t), project(p), size);
	return true;
}

static bool
take(struct job_rooms *r, unsigned t, unsigned p, int64_t cpu_milli, int64_t memory_bytes)
{
	return take_gpus(r, t, p, &(const struct job_size){ cpu_milli, memory_bytes, 0 });
}

static void
a_room_is_used_up_exactly(void **state)
{
	struct job_lane v[LANES];
	struct job_rooms r = { .v = v };

	(void)state;
	job_rooms_add(&r, tenant(1), project(1), (struct job_room){ 2, 1000, 100, 0 }, unlimited);
	assert_true(take(&r, 1, 1, 400, 50));
	assert_true(take(&r, 1, 1, 600, 50));
	assert_false(take(&r, 1, 1, 0, 0)); /* no third job, however small */
}

static void
each_amount_limits_by_itself(void **state)
{
	const struct job_room all[] = { { 1, 9, 9, 0 }, { 9, 1, 9, 0 }, { 9, 9, 1, 0 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		for (int of_project = 0; of_project < 2; of_project++) {
			struct job_lane v[LANES];
			struct job_rooms r = { .v = v };

			job_rooms_add(&r, tenant(1), project(1), of_project ? unlimited : all[i],
			    of_project ? all[i] : unlimited);
			assert_true(take(&r, 1, 1, 1, 1));
			assert_false(take(&r, 1, 1, 1, 1));
		}
}

static void
projects_share_the_room_of_their_tenant(void **state)
{
	const struct job_room three = { 3, 100, 100, 0 };
	struct job_lane v[LANES];
	struct job_rooms r = { .v = v };

	(void)state;
	for (unsigned p = 1; p <= 5; p++)
		job_rooms_add(&r, tenant(1), project(p), three, unlimited);
	job_rooms_add(&r, tenant(2), project(1), three, unlimited);
	assert_true(take(&r, 1, 1, 1, 1));
	assert_true(take(&r, 1, 5, 1, 1));
	assert_true(take(&r, 1, 3, 1, 1));
	assert_false(take(&r, 1, 2, 1, 1));
	assert_true(take(&r, 2, 1, 1, 1));
}

static void
what_a_job_does_not_fit_into_is_closed_for_those_behind(void **state)
{
	const struct job_room small = { 9, 1000, 100, 0 };
	struct job_lane v[LANES];
	struct job_rooms r = { .v = v };

	(void)state;
	job_rooms_add(&r, tenant(1), project(1), unlimited, small);
	job_rooms_add(&r, tenant(1), project(2), unlimited, unlimited);
	job_rooms_add(&r, tenant(2), project(1), small, unlimited);
	job_rooms_add(&r, tenant(2), project(2), small, unlimited);
	assert_false(take(&r, 1, 1, 1001, 1));
	assert_false(take(&r, 1, 1, 1, 1));
	assert_true(take(&r, 1, 2, 1001, 1)); /* the project's limit is not the tenant's */
	assert_false(take(&r, 2, 1, 1, 101));
	assert_false(take(&r, 2, 2, 1, 1)); /* the tenant's limit is each project's */
}

static void
gpus_are_used_up_exactly(void **state)
{
	const struct job_room four = { 9, 9000, 900, 4 }, three = { 9, 9000, 900, 3 };
	const struct job_size two = { 1, 1, 2 }, one = { 1, 1, 1 };
	struct job_lane v[LANES];
	struct job_rooms r = { .v = v };

	(void)state;
	job_rooms_add(&r, tenant(1), project(1), four, three);
	job_rooms_add(&r, tenant(1), project(2), four, unlimited);
	assert_true(take_gpus(&r, 1, 1, &two));
	assert_true(take_gpus(&r, 1, 1, &one));
	assert_false(take_gpus(&r, 1, 1, &one)); /* the project's three are gone */
	assert_true(take_gpus(&r, 1, 2, &one));
	assert_false(take_gpus(&r, 1, 2, &one)); /* and so are the tenant's four */
	assert_true(take(&r, 1, 1, 1, 1));       /* what needs none goes on */
	assert_true(take(&r, 1, 2, 1, 1));
}

static void
a_job_that_lacks_gpus_closes_them_and_nothing_else(void **state)
{
	const struct job_size three = { 1, 1, 3 }, one = { 1, 1, 1 }, large = { 9001, 1, 1 };
	const struct job_room room = { 9, 9000, 900, 2 };
	struct job_lane v[LANES];
	struct job_rooms r = { .v = v };

	(void)state;
	job_rooms_add(&r, tenant(1), project(1), room, unlimited);
	job_rooms_add(&r, tenant(2), project(1), room, unlimited);
	assert_false(take_gpus(&r, 1, 1, &three));
	assert_false(take_gpus(&r, 1, 1, &one)); /* it would go before the larger one for ever */
	assert_true(take(&r, 1, 1, 1, 1));
	assert_false(take_gpus(&r, 2, 1, &large)); /* that lacks CPUs, so all wait behind it */
	assert_false(take(&r, 2, 1, 1, 1));
}

static void
room_below_nothing_lets_nothing_through(void **state)
{
	struct job_lane v[LANES];
	struct job_rooms r = { .v = v };

	(void)state;
	job_rooms_add(
	    &r, tenant(1), project(1), (struct job_room){ -3, INT64_MIN, -1, -1 }, unlimited);
	assert_false(take(&r, 1, 1, 0, 0));
}

static void
repetitions_and_any_order_make_no_difference(void **state)
{
	struct job_lane v[LANES];
	struct job_rooms r = { .v = v };
	size_t taken = 0;

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		job_rooms_add(&r, tenant(1 + i * 7 % 5), project(1 + i * 11 % 3),
		    (struct job_room){ 4, 1000, 1000, 0 }, (struct job_room){ 2, 1000, 1000, 0 });
	for (unsigned i = 0; i < 300; i++)
		taken += take(&r, 1 + i % 5, 1 + i % 3, 1, 1);
	assert_int_equal(taken, 5 * 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_room_is_used_up_exactly),
		cmocka_unit_test(each_amount_limits_by_itself),
		cmocka_unit_test(projects_share_the_room_of_their_tenant),
		cmocka_unit_test(what_a_job_does_not_fit_into_is_closed_for_those_behind),
		cmocka_unit_test(gpus_are_used_up_exactly),
		cmocka_unit_test(a_job_that_lacks_gpus_closes_them_and_nothing_else),
		cmocka_unit_test(room_below_nothing_lets_nothing_through),
		cmocka_unit_test(repetitions_and_any_order_make_no_difference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
