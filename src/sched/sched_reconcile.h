/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCHED_RECONCILE_H
#define SCHED_RECONCILE_H

/* What to do with one attempt that start-up finds in any of three places.  A pure table. */

#include "base.h"

#include <stdbool.h>

enum sched_row {
	SCHED_ROW_NONE,     /* no row leased to this node at this epoch */
	SCHED_ROW_HELD,     /* claimed or running */
	SCHED_ROW_CANCELING /* told to end */
};
enum sched_action {
	SCHED_ADOPT,   /* keep running, same processes */
	SCHED_STOP,    /* adopt, and tell it again to end */
	SCHED_COLLECT, /* it ended meanwhile: complete it from its exit record */
	SCHED_LOSE,    /* it ended without a record, or never started */
	SCHED_KILL,    /* a live sandbox that nobody pays for */
	SCHED_TIDY     /* completed, but what it needed to start still lies there */
};
enum sched_action sched_reconcile_action(enum sched_row row, bool live, bool record);
/* Label of the metric SCHED_ADOPTED, NULL for TIDY. */
const char *sched_action_name(enum sched_action a);

#endif
