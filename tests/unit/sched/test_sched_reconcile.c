/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sched_reconcile.h"

static void
every_combination_has_its_action(void **state)
{
	static const struct {
		enum sched_row row;
		bool live, record;
		enum sched_action action;
	} all[] = {
		{ SCHED_ROW_HELD, true, false, SCHED_ADOPT },
		{ SCHED_ROW_HELD, true, true, SCHED_ADOPT },
		{ SCHED_ROW_HELD, false, true, SCHED_COLLECT },
		{ SCHED_ROW_HELD, false, false, SCHED_LOSE },
		{ SCHED_ROW_CANCELING, true, false, SCHED_STOP },
		{ SCHED_ROW_CANCELING, true, true, SCHED_STOP },
		{ SCHED_ROW_CANCELING, false, true, SCHED_COLLECT },
		{ SCHED_ROW_CANCELING, false, false, SCHED_LOSE },
		{ SCHED_ROW_NONE, true, false, SCHED_KILL },
		{ SCHED_ROW_NONE, true, true, SCHED_KILL },
		{ SCHED_ROW_NONE, false, true, SCHED_TIDY },
		{ SCHED_ROW_NONE, false, false, SCHED_TIDY },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		assert_int_equal(
		    sched_reconcile_action(all[i].row, all[i].live, all[i].record), all[i].action);
}

static void
only_a_live_run_with_a_row_goes_on(void **state)
{
	(void)state;
	for (int row = SCHED_ROW_NONE; row <= SCHED_ROW_CANCELING; row++)
		for (int live = 0; live <= 1; live++)
			for (int record = 0; record <= 1; record++) {
				enum sched_action a = sched_reconcile_action(
				    (enum sched_row)row, live != 0, record != 0);

				assert_int_equal(a == SCHED_ADOPT || a == SCHED_STOP,
				    live != 0 && row != SCHED_ROW_NONE);
			}
}

static void
what_is_counted_has_a_name(void **state)
{
	(void)state;
	assert_string_equal(sched_action_name(SCHED_ADOPT), "adopted");
	assert_string_equal(sched_action_name(SCHED_STOP), "adopted");
	assert_string_equal(sched_action_name(SCHED_COLLECT), "collected");
	assert_string_equal(sched_action_name(SCHED_LOSE), "lost");
	assert_string_equal(sched_action_name(SCHED_KILL), "killed");
	assert_null(sched_action_name(SCHED_TIDY));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_combination_has_its_action),
		cmocka_unit_test(only_a_live_run_with_a_row_goes_on),
		cmocka_unit_test(what_is_counted_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
