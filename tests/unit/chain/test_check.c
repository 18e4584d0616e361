/* SPDX-License-Identifier: Apache-2.0 */
/* Every way to damage a log is found, named and located. */
#include "chain_fixture.h"

#include "auth.h"

static void
the_hash_is_the_one_that_is_documented(void **state)
{
	static const uint8_t plain[] = "\x00\x00\x00\x00\x00\x00\x00\x02"
				       "\x00\x06\x60\x8b\x41\x4e\x60\x00{}";
	const struct chain_entry entry = {
		.number = 2, .at_wall_us = 0x0006608b414e6000, .text = "{}", .text_n = 2
	};
	struct fixture_log *l = log_new();
	uint8_t bytes[32 + 18], expected[32], got[32];

	(void)state;
	auth_sha256(l->tenant.uuid.b, 16, expected);
	chain_genesis(l->tenant, got);
	assert_memory_equal(got, expected, 32);
	memcpy(bytes, expected, 32);
	memcpy(bytes + 32, plain, 18);
	auth_sha256(bytes, sizeof(bytes), expected);
	chain_next(&l->check.hasher, got, &entry, got);
	assert_memory_equal(got, expected, 32);
	free(l);
}

static void
a_whole_log_has_no_problem(void **state)
{
	struct fixture_log *l = log_new();

	(void)state;
	log_check(l);
	assert_int_equal(l->check.n_problems, 0);
	assert_int_equal(l->check.n_entries, LOG_N);
	l->n = 0;
	l->head.number = 0;
	chain_genesis(l->tenant, l->head.hash);
	log_expect(l, "");
}

static void
a_part_is_checked_from_its_first_entry_on(void **state)
{
	struct fixture_log *l = log_new();

	(void)state;
	chain_check_start_at(&l->check, 7);
	for (size_t i = 6; i < l->n; i++)
		chain_check_entry(&l->check, &l->at[i]);
	chain_check_end(&l->check, &l->head);
	assert_string_equal(log_problems(&l->check), "");
	chain_check_start_at(&l->check, 7);
	l->at[9].at_wall_us++;
	for (size_t i = 7; i < l->n; i++)
		chain_check_entry(&l->check, &l->at[i]);
	chain_check_end(&l->check, &l->head);
	assert_string_equal(log_problems(&l->check), "missing@7 modified@10");
	free(l);
}

static void
a_changed_entry_is_found_wherever_it_is(void **state)
{
	(void)state;
	for (size_t i = 0; i < LOG_N; i++) {
		struct fixture_log *l = log_new();
		char expected[32];

		(void)snprintf(expected, sizeof(expected), "modified@%zu", i + 1);
		l->at[i].text = "{\"action\":\"other\"}";
		l->at[i].text_n = strlen(l->at[i].text);
		log_expect(l, expected);
		l = log_new();
		l->at[i].at_wall_us++;
		log_expect(l, expected);
		l = log_new();
		l->at[i].hash[31] ^= 1;
		log_expect(l, expected);
	}
}

static void
an_entry_changed_with_its_hash_shows_at_the_next(void **state)
{
	struct fixture_log *l = log_new();

	(void)state;
	l->at[7].at_wall_us++;
	log_hash(l, 7);
	log_expect(l, "modified@9");
	l = log_new();
	l->at[LOG_N - 1].at_wall_us++;
	log_hash(l, LOG_N - 1);
	log_expect(l, "modified@20");
}

static void
several_changes_are_found_each(void **state)
{
	struct fixture_log *l = log_new();

	(void)state;
	l->at[2].at_wall_us++;
	l->at[3].at_wall_us++;
	l->at[11].hash[0] ^= 1;
	log_expect(l, "modified@3 modified@4 modified@12");
}

static void
entries_taken_out_are_missed(void **state)
{
	struct fixture_log *l = log_new();

	(void)state;
	log_remove(l, 8, 1);
	log_expect(l, "missing@8");
	l = log_new();
	log_remove(l, 1, 3);
	log_expect(l, "missing@1");
	l = log_new();
	log_remove(l, 8, 3);
	log_renumber(l);
	log_expect(l, "missing@8");
	l = log_new();
	log_remove(l, 1, 1);
	log_renumber(l);
	log_expect(l, "missing@1");
}

static void
entries_put_in_are_found(void **state)
{
	struct fixture_log *l = log_new();

	(void)state;
	log_insert(l, 8);
	log_expect(l, "inserted@8");
	l = log_new();
	log_insert(l, 8);
	log_hash(l, 7); /* with a hash that fits */
	log_expect(l, "inserted@8");
	l = log_new();
	log_insert(l, 1);
	log_hash(l, 0);
	log_expect(l, "inserted@1");
	l = log_new();
	for (size_t i = 8; i < 11; i++) {
		log_insert(l, i);
		log_hash(l, i - 1);
	}
	log_expect(l, "inserted@8");
	l = log_new();
	log_insert(l, LOG_N + 1);
	log_hash(l, LOG_N);
	log_expect(l, "inserted@21");
}

static void
swapped_entries_are_found(void **state)
{
	struct fixture_log *l;

	(void)state;
	for (size_t i = 1; i < LOG_N; i++) {
		char expected[32];

		(void)snprintf(expected, sizeof(expected), "reordered@%zu", i);
		l = log_new();
		log_swap(l, i, i + 1);
		log_expect(l, expected);
	}
	l = log_new();
	log_swap(l, 5, 9);
	log_check(l);
	assert_int_equal(l->check.problems[0].fault, CHAIN_REORDERED);
	assert_int_equal(l->check.problems[0].number, 5);
	assert_string_equal(l->check.problems[0].detail, "what belongs here stands as entry 9");
	free(l);
}

static void
lines_in_the_wrong_order_are_found(void **state)
{
	struct fixture_log *l = log_new();
	struct chain_entry kept = l->at[4];

	(void)state;
	l->at[4] = l->at[5];
	l->at[5] = kept;
	log_check(l);
	assert_int_equal(l->check.problems[0].fault, CHAIN_REORDERED);
	assert_int_equal(l->check.problems[0].number, 5);
	free(l);
	l = log_new();
	l->at[6] = l->at[5];
	log_check(l);
	assert_string_equal(log_problems(&l->check), "inserted@6 missing@7");
	free(l);
}

static void
a_cut_log_does_not_reach_its_head(void **state)
{
	struct fixture_log *l = log_new();

	(void)state;
	l->n = 12;
	log_expect(l, "truncated@13");
	l = log_new();
	l->n = 0;
	log_expect(l, "truncated@1");
	l = log_new();
	l->head.number = 12; /* the head was moved back alone */
	log_expect(l, "inserted@13");
	l = log_new();
	l->head.hash[3] ^= 4;
	log_expect(l, "modified@20");
}

static void
rows_that_no_log_wrote_are_named(void **state)
{
	struct fixture_log *l = log_new();

	(void)state;
	log_insert(l, LOG_N + 1);
	l->at[LOG_N].number = INT64_MAX;
	log_expect(l, "inserted@9223372036854775807");
	l = log_new();
	log_insert(l, LOG_N + 1);
	l->at[LOG_N].number = -4;
	log_expect(l, "inserted@-4");
	l = log_new();
	l->at[3].text_n = CHAIN_ENTRY_MAX + 1;
	log_expect(l, "inserted@4 missing@4");
}

static void
problems_beyond_the_room_are_counted(void **state)
{
	struct fixture_log *l = log_new();

	(void)state;
	for (int k = 0; k < 10; k++)
		for (size_t i = 0; i < LOG_N; i++) {
			l->at[l->n] = l->at[i];
			l->at[l->n].number = (int64_t)l->n + 1;
			l->at[l->n].at_wall_us += k;
			l->n++;
		}
	log_check(l);
	assert_int_equal(l->check.n_problems, CHAIN_PROBLEMS_MAX);
	assert_true(l->check.n_problems_lost > 100);
	free(l);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_hash_is_the_one_that_is_documented),
	cmocka_unit_test(a_whole_log_has_no_problem),
	cmocka_unit_test(a_part_is_checked_from_its_first_entry_on),
	cmocka_unit_test(a_changed_entry_is_found_wherever_it_is),
	cmocka_unit_test(an_entry_changed_with_its_hash_shows_at_the_next),
	cmocka_unit_test(several_changes_are_found_each),
	cmocka_unit_test(entries_taken_out_are_missed),
	cmocka_unit_test(entries_put_in_are_found),
	cmocka_unit_test(swapped_entries_are_found),
	cmocka_unit_test(lines_in_the_wrong_order_are_found),
	cmocka_unit_test(a_cut_log_does_not_reach_its_head),
	cmocka_unit_test(rows_that_no_log_wrote_are_named),
	cmocka_unit_test(problems_beyond_the_room_are_counted),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
