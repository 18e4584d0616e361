/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ISOLATION_H
#define ISOLATION_H

/*
 * A tenant has its own isolation probed: with its own transactions it asks for things of another
 * tenant that are known to exist (the platform's), and for what the database enforces.  Nothing is
 * changed; what is found is evidence with a date.  Blocking; thread-safe.
 */

#include "arena.h"
#include "base.h"
#include "db.h"
#include "err.h"
#include "id.h"

#include <stdbool.h>

struct isolation_probe {
	const char *name;     /* stable, e.g. "foreign-rows" */
	const char *question; /* a sentence: what was tried */
	const char *expected, *found;
	bool ok;
};
enum { ISOLATION_PROBES_MAX = 16 };
struct isolation_report {
	struct isolation_probe probes[ISOLATION_PROBES_MAX];
	size_t n;
	bool ok; /* all of them */
};
/* runs_dirfd: directory of run directories.  A probe that finds something is a result, not an
 * error; -1 when the probes could not be made. */
int isolation_probe(struct db *db, struct tenant_id tenant, int runs_dirfd, struct arena *mem,
    struct isolation_report *ret, struct err *e) MUST_CHECK;

#endif
