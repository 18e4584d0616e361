/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LINES_H
#define LINES_H

/* Lines of a file that only grows, or that somebody sent: bounded, without copies. */

#include "base.h"
#include "err.h"

#include <stdbool.h>

struct lines {
	int fd; /* the caller's; read from where it stands */
	char *p;
	size_t n, at, max;
	bool at_end;
	size_t rest; /* bytes behind the last newline, which are no line (yet) */
};
/* max: the longest line, its newline included. */
int lines_init(struct lines *l, int fd, size_t max, struct err *e) MUST_CHECK;
void lines_done(struct lines *l);
#define AUTO_LINES __attribute__((cleanup(lines_done))) struct lines
/* 1 and a line without its newline, good until the next call; 0 at the end; ERR_TOO_LARGE for a
 * longer line. */
int lines_next(struct lines *l, const char **ret, size_t *ret_n, struct err *e) MUST_CHECK;

#endif
