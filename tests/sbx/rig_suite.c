/* SPDX-License-Identifier: Apache-2.0 */
/* A rig as the state of a group of tests. */
#include "rig.h"

#include <stdlib.h>

int
rig_suite_open(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return -1;
	rig_open(r);
	*state = r;
	return 0;
}

int
rig_suite_close(void **state)
{
	rig_close(*state);
	free(*state);
	return 0;
}
