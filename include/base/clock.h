/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOCK_H
#define CLOCK_H

/*
 * Two clocks, never mixed: monotonic nanoseconds for durations and deadlines, wall microseconds
 * since 1970 (UTC) for what people and the database see.
 */

#include "base.h"
#include "err.h"

#include <stdbool.h>

int64_t clock_mono_ns(void);
int64_t clock_mono_ms(void);
int64_t clock_wall_us(void);

/* A point in monotonic time.  {0} is "never". */
struct deadline {
	int64_t mono_ns;
};
struct deadline deadline_in_ms(int64_t ms);
/* Milliseconds left for poll(2): 0 when passed, -1 for never, rounded up, at most INT_MAX. */
int deadline_poll_ms(struct deadline d);
bool deadline_passed(struct deadline d);

/* "2026-11-23T06:16:43.123456Z": RFC 3339, UTC, microseconds. */
enum { CLOCK_STR_SIZE = 32 };
const char *clock_format(int64_t wall_us, char out[static CLOCK_STR_SIZE]);
/* RFC 3339 with any offset and up to nine fractional digits; ERR_INVALID otherwise. */
int clock_parse(const char *text, int64_t *ret_wall_us, struct err *e) MUST_CHECK;
/* "Mon, 23 Nov 2026 06:16:43 GMT": RFC 9110 IMF-fixdate. */
const char *clock_http_date(int64_t wall_us, char out[static CLOCK_STR_SIZE]);

#endif
