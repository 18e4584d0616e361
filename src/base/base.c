/* SPDX-License-Identifier: Apache-2.0 */
#include "base.h"

#include <stdio.h>

void
base_require_failed(const char *cond, const char *file, int line)
{
	/* The process is broken: no lock, no allocation, one line, then a core for the debugger. */
	(void)fprintf(stderr, "%s:%d: broken invariant: %s\n", file, line, cond);
	abort();
}
