/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IDENTITY_LIMIT_H
#define IDENTITY_LIMIT_H

/* Limits that a tenant sets for its projects, inside its own. */

#include "identity.h"
#include "quota.h"

struct identity_limit {
	enum quota quota; /* one that projects can have */
	int64_t amount;   /* -1: only the tenant's holds */
};
/* Sets those that are named and leaves the others alone. */
int identity_project_limits(const struct identity_ask *a, struct uuid project,
    const struct identity_limit *limits, size_t n, struct err *e) MUST_CHECK;

#endif
