/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCHED_RETRY_H
#define SCHED_RETRY_H

/* What follows the end of an attempt: functions over values, without a clock or randomness. */

#include "base.h"
#include "job.h"
#include "sched_cause.h"

#include <stdbool.h>

enum {
	SCHED_RETRY_FIRST_MS = 1000,
	SCHED_RETRY_CAP_MS = 300000,
	/* Attempts lost to the platform, over the life of a job, before it is given up: they cost
	 * nothing, but a job that brings down every sandbox must not circle for ever. */
	SCHED_PLATFORM_LOSSES_MAX = 5
};

struct sched_end {
	enum job_state from;
	bool ok;                      /* the attempt did what was asked */
	enum sched_category category; /* of the failure, when not ok */
	int64_t attempt, max_attempts;
	int64_t epoch; /* claims so far; those beyond `attempt` were lost to the platform */
};
struct sched_next {
	enum job_event on;
	int64_t delay_ms; /* RETRY: the least wait */
	bool refund;      /* the attempt does not count */
};

/* 1 s doubled for each earlier one, at most 5 min, times 0.5 to 1.5 by `random`.  n: 1, 2, ... */
int64_t sched_retry_delay_ms(int64_t n, uint32_t random);
struct sched_next sched_retry(const struct sched_end *end, uint32_t random);
/* The same for a job whose holder fell silent. */
struct sched_next sched_retry_lost(int64_t attempt, int64_t epoch, uint32_t random);

#endif
