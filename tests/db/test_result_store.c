/* SPDX-License-Identifier: Apache-2.0 */
/* Results and series: written with the end of a job, read by its tenant alone. */
#include "job_fixture.h"

#include <math.h>

static struct fixture f;

static int
clear(void **state)
{
	(void)state;
	fixture_clear(&f);
	return 0;
}

static int
store(struct uuid id, const struct result_set *set, struct err *e)
{
	AUTO(db_sys_tx) tx = NULL;

	if (db_sys_begin(f.db, &tx, e) < 0)
		return -1;
	if (result_store(tx, f.alpha.tenant, id, set, e) < 0)
		return -1;
	return db_sys_commit(&tx, e);
}

static void
values_come_back_by_name_with_units_and_reasons(void **state)
{
	struct result_value v[] = {
		{ .name = "vmax", .value = 0.1 + 0.2, .unit = "V" },
		{ .name = "bad",
		    .missing = true,
		    .value = 7,
		    .reason = "the log has no such line" },
		{ .name = "nan", .value = (double)NAN },
		{ .name = "inf", .value = -(double)INFINITY },
		{ .name = "\xcf\x83 \"quoted\" {1,2}", .value = 5e-324 },
	};
	const struct result_set set = { .values = v, .n_values = ARRAY_LEN(v) };
	struct uuid id = fixture_submit(&f);
	struct result_value *got;
	size_t n;
	struct err e = { 0 };

	(void)state;
	must(store(id, &set, &e));
	must(result_values(f.db, f.alpha.tenant, id, f.mem, &got, &n, &e));
	assert_int_equal(n, ARRAY_LEN(v));
	for (size_t i = 0; i < n; i++) {
		const struct result_value *want = NULL;

		assert_true(i == 0 || strcmp(got[i - 1].name, got[i].name) != 0);
		for (size_t k = 0; k < ARRAY_LEN(v); k++)
			if (strcmp(v[k].name, got[i].name) == 0)
				want = &v[k];
		assert_non_null(want);
		assert_int_equal(got[i].missing, want->missing);
		if (want->missing) {
			assert_string_equal(got[i].reason, want->reason);
			continue;
		}
		assert_null(got[i].reason);
		assert_true(
		    got[i].value == want->value || (isnan(got[i].value) && isnan(want->value)));
		assert_int_equal(got[i].unit == NULL, want->unit == NULL);
	}
}

static void
points_come_back_in_the_order_in_which_they_were_found(void **state)
{
	struct result_point p[] = {
		{ "T", 0, 1 },
		{ "P", 0, 10 },
		{ "T", 20, 2 },
		{ "P", 20, (double)NAN },
		{ "T", 5, 3 },
	};
	const struct result_set set = { .points = p, .n_points = ARRAY_LEN(p) };
	struct uuid id = fixture_submit(&f);
	struct result_point *got;
	size_t n;
	struct err e = { 0 };

	(void)state;
	must(store(id, &set, &e));
	must(result_points(f.db, f.alpha.tenant, id, NULL, 10, f.mem, &got, &n, &e));
	assert_int_equal(n, 2);
	assert_string_equal(got[0].name, "P");
	assert_true(got[0].value == 2);
	assert_string_equal(got[1].name, "T");
	assert_true(got[1].value == 3);
	must(result_points(f.db, f.alpha.tenant, id, "T", 10, f.mem, &got, &n, &e));
	assert_int_equal(n, 3);
	assert_string_equal(got[2].name, "T");
	assert_true(got[0].step == 0 && got[1].step == 20 && got[2].step == 5);
	assert_true(got[0].value == 1 && got[1].value == 2 && got[2].value == 3);
	must(result_points(f.db, f.alpha.tenant, id, "T", 2, f.mem, &got, &n, &e));
	assert_int_equal(n, 2);
	must(result_points(f.db, f.alpha.tenant, id, "Q", 2, f.mem, &got, &n, &e));
	assert_int_equal(n, 0);
}

static void
an_empty_set_writes_nothing(void **state)
{
	const struct result_set set = { 0 };
	struct uuid id = fixture_submit(&f);
	struct result_value *values;
	struct result_point *points;
	size_t n = 7;
	struct err e = { 0 };

	(void)state;
	must(store(id, &set, &e));
	must(result_values(f.db, f.alpha.tenant, id, f.mem, &values, &n, &e));
	assert_int_equal(n, 0);
	must(result_points(f.db, f.alpha.tenant, id, NULL, 1, f.mem, &points, &n, &e));
	assert_int_equal(n, 0);
}

static void
the_greatest_set_is_stored_and_read_within_a_request_s_memory(void **state)
{
	static struct result_point p[CAP_METRIC_POINTS];
	static struct result_value v[CAP_RESULT_VALUES];
	static char names[CAP_RESULT_VALUES][16];
	const struct result_set set = { .values = v,
		.n_values = CAP_RESULT_VALUES,
		.points = p,
		.n_points = CAP_METRIC_POINTS };
	AUTO(arena) mem = arena_new(CAP_REQUEST_ARENA_BYTES);
	struct uuid id = fixture_submit(&f);
	struct result_value *values;
	struct result_point *points;
	size_t n;
	struct err e = { 0 };

	(void)state;
	for (int i = 0; i < CAP_RESULT_VALUES; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "n%04d", i);
		v[i] = (struct result_value){ .name = names[i], .value = i };
	}
	for (int i = 0; i < CAP_METRIC_POINTS; i++)
		p[i] = (struct result_point){ .name = names[i % 2], .step = i / 2, .value = -i };
	must(store(id, &set, &e));
	must(result_values(f.db, f.alpha.tenant, id, mem, &values, &n, &e));
	assert_int_equal(n, CAP_RESULT_VALUES);
	assert_true(values[999].value == 999);
	must(result_points(
	    f.db, f.alpha.tenant, id, "n0001", CAP_METRIC_POINTS + 1, mem, &points, &n, &e));
	assert_int_equal(n, CAP_METRIC_POINTS / 2);
	assert_true(points[n - 1].step == CAP_METRIC_POINTS / 2 - 1);
	for (size_t i = 1; i < n; i++)
		assert_true(points[i].step == points[i - 1].step + 1);
}

static void
a_second_set_for_the_same_job_is_refused_whole(void **state)
{
	struct result_value v[] = { { .name = "a", .value = 1 }, { .name = "b", .value = 2 } };
	struct result_set set = { .values = v, .n_values = 1 };
	struct uuid id = fixture_submit(&f);
	struct err e = { 0 };

	(void)state;
	must(store(id, &set, &e));
	set.n_values = 2;
	must_fail(ERR_DB_CONSTRAINT, store(id, &set, &e));
	assert_int_equal(fixture_count(&f, "select count(*) from wardian.result"), 1);
}

static void
results_need_a_job_of_the_same_tenant(void **state)
{
	struct result_value v[] = { { .name = "a", .value = 1 } };
	const struct result_set set = { .values = v, .n_values = 1 };
	struct job_submission s = fixture_submission();
	struct uuid theirs = fixture_submit_as(&f, &f.beta, &s);
	struct err e = { 0 };

	(void)state;
	must_fail(ERR_DB_CONSTRAINT, store(theirs, &set, &e));
	must_fail(ERR_DB_CONSTRAINT, store(uuid_v7(), &set, &e));
}

static void
another_tenant_reads_nothing(void **state)
{
	struct result_value v[] = { { .name = "a", .value = 1 } };
	struct result_point p[] = { { "T", 0, 1 } };
	const struct result_set set = { .values = v, .n_values = 1, .points = p, .n_points = 1 };
	struct uuid id = fixture_submit(&f);
	struct result_value *values;
	struct result_point *points;
	size_t n;
	struct err e = { 0 };

	(void)state;
	must(store(id, &set, &e));
	must(result_values(f.db, f.beta.tenant, id, f.mem, &values, &n, &e));
	assert_int_equal(n, 0);
	must(result_points(f.db, f.beta.tenant, id, NULL, 9, f.mem, &points, &n, &e));
	assert_int_equal(n, 0);
	must(result_points(f.db, f.beta.tenant, id, "T", 9, f.mem, &points, &n, &e));
	assert_int_equal(n, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(values_come_back_by_name_with_units_and_reasons, clear),
		cmocka_unit_test_setup(
		    points_come_back_in_the_order_in_which_they_were_found, clear),
		cmocka_unit_test_setup(an_empty_set_writes_nothing, clear),
		cmocka_unit_test_setup(
		    the_greatest_set_is_stored_and_read_within_a_request_s_memory, clear),
		cmocka_unit_test_setup(a_second_set_for_the_same_job_is_refused_whole, clear),
		cmocka_unit_test_setup(results_need_a_job_of_the_same_tenant, clear),
		cmocka_unit_test_setup(another_tenant_reads_nothing, clear),
	};
	int rc;

	fixture_open(&f);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	fixture_close(&f);
	return rc;
}
