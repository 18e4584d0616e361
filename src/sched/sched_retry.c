/* SPDX-License-Identifier: Apache-2.0 */
#include "sched_retry.h"

int64_t
sched_retry_delay_ms(int64_t n, uint32_t random)
{
	int64_t base = SCHED_RETRY_FIRST_MS;

	for (int64_t i = 1; i < n && base < SCHED_RETRY_CAP_MS; i++)
		base *= 2;
	if (base > SCHED_RETRY_CAP_MS)
		base = SCHED_RETRY_CAP_MS;
	/* base * (0.5 + random / 2^32); at most 3e5 * 2^32, far below 2^63. */
	return base / 2 + (base * (int64_t)random >> 32);
}

static int64_t
losses(int64_t attempt, int64_t epoch)
{
	return epoch > attempt ? epoch - attempt : 0;
}

static struct sched_next
after_platform(enum job_event on, int64_t attempt, int64_t epoch, uint32_t random)
{
	int64_t lost = losses(attempt, epoch);

	if (lost >= SCHED_PLATFORM_LOSSES_MAX)
		return (struct sched_next){ .on = JOB_ON_ATTEMPTS_SPENT, .refund = true };
	return (struct sched_next){
		.on = on, .refund = true, .delay_ms = sched_retry_delay_ms(lost + 1, random)
	};
}

struct sched_next
sched_retry(const struct sched_end *end, uint32_t random)
{
	if (end->from == JOB_CANCELING)
		return (struct sched_next){ .on = JOB_ON_REAPED };
	if (end->ok)
		return (struct sched_next){ .on = JOB_ON_EXITED_OK };
	if (end->category == SCHED_PLATFORM)
		return after_platform(JOB_ON_RETRY, end->attempt, end->epoch, random);
	if (end->attempt < end->max_attempts)
		return (struct sched_next){ .on = JOB_ON_RETRY,
			.delay_ms = sched_retry_delay_ms(end->attempt, random) };
	return (struct sched_next){ .on = JOB_ON_EXITED_BAD };
}

struct sched_next
sched_retry_lost(int64_t attempt, int64_t epoch, uint32_t random)
{
	return after_platform(JOB_ON_LEASE_LOST, attempt, epoch, random);
}
