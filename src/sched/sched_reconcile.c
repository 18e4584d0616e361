/* SPDX-License-Identifier: Apache-2.0 */
#include "sched_reconcile.h"

/*
 *   row        live            gone, record     gone, no record
 *   held       adopt           collect          lose
 *   canceling  stop            collect          lose
 *   none       kill            tidy             tidy
 *
 * A live one with a record is about to end; its end will be told.  Every action can be done again:
 * completing is fenced, killing and tidying what is gone does nothing.
 */
enum sched_action
sched_reconcile_action(enum sched_row row, bool live, bool record)
{
	if (live) {
		if (row == SCHED_ROW_NONE)
			return SCHED_KILL;
		return row == SCHED_ROW_CANCELING ? SCHED_STOP : SCHED_ADOPT;
	}
	if (row == SCHED_ROW_NONE)
		return SCHED_TIDY;
	return record ? SCHED_COLLECT : SCHED_LOSE;
}

const char *
sched_action_name(enum sched_action a)
{
	static const char *const names[] = { [SCHED_ADOPT] = "adopted",
		[SCHED_STOP] = "adopted",
		[SCHED_COLLECT] = "collected",
		[SCHED_LOSE] = "lost",
		[SCHED_KILL] = "killed",
		[SCHED_TIDY] = NULL };

	REQUIRE((size_t)a < ARRAY_LEN(names));
	return names[a];
}
