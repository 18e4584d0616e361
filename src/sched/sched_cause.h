/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCHED_CAUSE_H
#define SCHED_CAUSE_H

/* Why an attempt ended: from kernel facts to a category, a kind and a sentence.  Pure. */

#include "base.h"
#include "buf.h"
#include "compute.h"

#include <stdbool.h>

enum sched_category { SCHED_USER, SCHED_NUMERICAL, SCHED_RESOURCE, SCHED_PLATFORM };
const char *sched_category_name(enum sched_category c);

enum { SCHED_MESSAGE_SIZE = 256 };
struct sched_cause {
	bool ok; /* nothing to explain; the rest is meaningless */
	enum sched_category category;
	const char *kind; /* static: "exit-code", "signal", "oom", ... */
	bool has_exit_code, has_signal;
	int64_t exit_code, signal;
	char message[SCHED_MESSAGE_SIZE]; /* one sentence that says what to do */
};
/* Writes a sentence; what does not fit is cut off. */
void sched_message(char out[static SCHED_MESSAGE_SIZE], const char *fmt, ...) PRINTF_LIKE(2, 3);

struct sched_facts {
	const struct compute_outcome *outcome;
	bool canceled;             /* it was told to end because somebody asked for it */
	int64_t success_exit_code; /* of the environment */
	const char *criteria;      /* why the environment's criteria do not hold; NULL: they do */
	const char *fault;         /* FAULT: a better sentence than the step's, or NULL */
};
void sched_cause_of(const struct sched_facts *f, struct sched_cause *ret);
/* A job taken from a node whose lease ran out. */
void sched_cause_lost(struct sched_cause *ret);
/* A job that ended because somebody asked for it. */
void sched_cause_canceled(struct sched_cause *ret);
/* The object that is stored with the move. */
void sched_cause_print(const struct sched_cause *c, struct buf *out);

#endif
