/* SPDX-License-Identifier: Apache-2.0 */
/* Time and chance, all that the scheduler takes from outside beside its modules: the simulation in
 * the tests brings its own, so that hours pass in milliseconds and a seed replays. */
#include "sched_internal.h"

int64_t
sched_now_ms(void)
{
	return clock_mono_ms();
}

uint32_t
sched_random(void)
{
	uint32_t random;

	random_bytes(&random, sizeof(random));
	return random;
}
