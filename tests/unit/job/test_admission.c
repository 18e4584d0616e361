/* SPDX-License-Identifier: Apache-2.0 */
/* What follows from a look at the database: pure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "job_internal.h"

static const struct job_spec small = { .cpu_milli = 1000, .memory_bytes = 1000 };

static struct job_admission
look(void)
{
	struct job_admission a = { .named = "wing", .project = uuid_v7() };

	for (size_t i = 0; i < JOB_LIMIT_COUNT; i++)
		a.whole[i].amount = a.part[i].amount = INT64_MAX;
	return a;
}

static void
without_limits_there_is_room_for_everything(void **state)
{
	const struct job_admission a = look();
	struct err e = { 0 };

	(void)state;
	assert_int_equal(job_admission_takes(&a, &small, &e), 0);
	assert_true(job_admission_room(&a) == INT64_MAX);
}

static void
each_limit_refuses_from_its_last_place_on_and_says_so(void **state)
{
	static const struct {
		enum job_limit l;
		const char *name;
	} all[] = { { JOB_LIMIT_QUEUED, "jobs_queued" }, { JOB_LIMIT_DAY, "jobs_per_day" },
		{ JOB_LIMIT_STORAGE, "storage_bytes" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		for (int of_project = 0; of_project < 2; of_project++) {
			struct job_admission a = look();
			struct job_limit_use *use =
			    of_project ? &a.part[all[i].l] : &a.whole[all[i].l];
			struct err e = { 0 };

			*use = (struct job_limit_use){ .used = 6, .amount = 7 };
			assert_int_equal(job_admission_takes(&a, &small, &e), 0);
			use->used = 7;
			assert_int_equal(job_admission_takes(&a, &small, &e), -1);
			assert_int_equal(e.code, ERR_QUOTA);
			assert_non_null(strstr(e.msg, "7 of at most 7"));
			assert_non_null(strstr(e.msg, all[i].name));
			assert_non_null(
			    strstr(e.msg, of_project ? "of the project" : "of the tenant"));
			assert_int_equal(e.msg[strlen(e.msg) - 1], '.'); /* not cut */
		}
}

static void
messages_with_the_longest_figures_are_not_cut(void **state)
{
	struct job_admission a = look();
	struct err e = { 0 };

	(void)state;
	a.part[JOB_LIMIT_QUEUED] = (struct job_limit_use){ INT64_MAX - 1, INT64_MAX - 2 };
	assert_int_equal(job_admission_takes(&a, &small, &e), -1);
	assert_int_equal(e.msg[strlen(e.msg) - 1], '.');
	assert_true(strlen(e.msg) < ERR_MSG_SIZE - 1);
}

static void
a_job_as_large_as_a_limit_fits_and_a_larger_one_never_will(void **state)
{
	struct job_admission a = look();
	struct err e = { 0 };

	(void)state;
	a.whole[JOB_LIMIT_CPUS].amount = 1000;
	a.part[JOB_LIMIT_MEMORY].amount = 1000;
	assert_int_equal(job_admission_takes(&a, &small, &e), 0);
	a.whole[JOB_LIMIT_CPUS].amount = 900;
	assert_int_equal(job_admission_takes(&a, &small, &e), -1);
	assert_int_equal(e.code, ERR_IMPOSSIBLE);
	assert_string_equal(e.fields[0].name, "/resources/cpus");
	assert_string_equal(e.fields[0].msg, "must be at most 0.9, the limit cpus of the tenant");
	a.part[JOB_LIMIT_MEMORY].amount = 999;
	a.whole[JOB_LIMIT_CPUS].amount = 1000;
	assert_int_equal(job_admission_takes(&a, &small, &e), -1);
	assert_string_equal(e.fields[0].name, "/resources/memory_bytes");
}

static void
a_limit_of_gpus_refuses_only_those_who_want_more(void **state)
{
	const struct job_spec two = { .cpu_milli = 1000, .memory_bytes = 1000, .gpus = 2 };
	struct job_admission a = look();
	struct err e = { 0 };

	(void)state;
	a.part[JOB_LIMIT_GPUS].amount = 2;
	assert_int_equal(job_admission_takes(&a, &two, &e), 0);
	a.part[JOB_LIMIT_GPUS].amount = 0;
	assert_int_equal(job_admission_takes(&a, &small, &e), 0);
	assert_int_equal(job_admission_takes(&a, &two, &e), -1);
	assert_int_equal(e.code, ERR_IMPOSSIBLE);
	assert_string_equal(e.fields[0].name, "/resources/gpus");
	assert_string_equal(e.fields[0].msg, "must be at most 0, the limit gpus of the project");
	a.part[JOB_LIMIT_GPUS].amount = INT64_MAX;
	a.whole[JOB_LIMIT_GPUS].amount = 1;
	assert_int_equal(job_admission_takes(&a, &two, &e), -1);
	assert_string_equal(e.fields[0].msg, "must be at most 1, the limit gpus of the tenant");
}

static void
room_is_what_the_tightest_count_leaves(void **state)
{
	struct job_admission a = look();

	(void)state;
	a.whole[JOB_LIMIT_QUEUED] = (struct job_limit_use){ 10, 100 };
	assert_int_equal(job_admission_room(&a), 90);
	a.part[JOB_LIMIT_DAY] = (struct job_limit_use){ 10, 17 };
	assert_int_equal(job_admission_room(&a), 7);
	a.whole[JOB_LIMIT_DAY] = (struct job_limit_use){ 1, 2 };
	assert_int_equal(job_admission_room(&a), 1);
	/* Sizes and storage are not used up by submitting. */
	a.whole[JOB_LIMIT_CPUS].amount = a.part[JOB_LIMIT_STORAGE].amount = 0;
	assert_int_equal(job_admission_room(&a), 1);
}

static void
an_archived_project_is_told_to_those_who_may_use_it(void **state)
{
	struct job_admission a = look();
	struct principal who = { .kind = PRINCIPAL_KEY };
	struct err e = { 0 };

	(void)state;
	a.archived = true;
	assert_int_equal(job_admission_may(&a, &who, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	assert_null(strstr(e.fields[0].msg, "archived"));
	who.grants.everywhere = PERM_BIT(PERM_JOB_CREATE);
	assert_int_equal(job_admission_may(&a, &who, &e), 0);
	assert_int_equal(job_admission_takes(&a, &small, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	assert_non_null(strstr(e.fields[0].msg, "archived"));
}

static void
permissions_count_in_the_project_and_everywhere(void **state)
{
	const struct job_admission a = look();
	struct principal who = { .kind = PRINCIPAL_KEY };
	struct err e = { 0 };

	(void)state;
	assert_true(grants_add(&who.grants, uuid_v7(), PERM_BIT(PERM_JOB_CREATE)));
	assert_int_equal(job_admission_may(&a, &who, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	assert_true(grants_add(&who.grants, a.project, PERM_BIT(PERM_PROJECT_READ)));
	assert_int_equal(job_admission_may(&a, &who, &e), -1);
	assert_int_equal(e.code, ERR_DENIED);
	assert_true(grants_add(&who.grants, a.project, PERM_BIT(PERM_JOB_CREATE)));
	assert_int_equal(job_admission_may(&a, &who, &e), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_limits_there_is_room_for_everything),
		cmocka_unit_test(each_limit_refuses_from_its_last_place_on_and_says_so),
		cmocka_unit_test(messages_with_the_longest_figures_are_not_cut),
		cmocka_unit_test(a_job_as_large_as_a_limit_fits_and_a_larger_one_never_will),
		cmocka_unit_test(a_limit_of_gpus_refuses_only_those_who_want_more),
		cmocka_unit_test(room_is_what_the_tightest_count_leaves),
		cmocka_unit_test(an_archived_project_is_told_to_those_who_may_use_it),
		cmocka_unit_test(permissions_count_in_the_project_and_everywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
