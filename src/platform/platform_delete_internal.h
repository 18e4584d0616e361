/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PLATFORM_DELETE_INTERNAL_H
#define PLATFORM_DELETE_INTERNAL_H

#include "platform_internal.h"

/* An operation whose lease this node holds. */
struct deletion {
	struct db *db;
	struct arena *mem;
	struct uuid operation, node;
	struct tenant_id tenant;
	const char *stage;
};
/* One bounded step: the operation is in the same stage with more done, or in the next. */
int deletion_step(struct deletion *d, struct err *e) MUST_CHECK;

#endif
