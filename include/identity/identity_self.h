/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IDENTITY_SELF_H
#define IDENTITY_SELF_H

/* What a tenant decides about itself, and what a caller decides about its own credential. */

#include "identity.h"

struct identity_self_change {
	struct identity_flag support_allowed; /* off: support that is open ends with it */
};
int identity_self_update(const struct identity_ask *a, const struct identity_self_change *c,
    int64_t if_version, struct err *e) MUST_CHECK;

/* Revokes the daemon's token that the caller presented (a->by->who->token is not nil), whatever it
 * may do otherwise.  Again changes nothing. */
int identity_self_revoke(const struct identity_ask *a, struct err *e) MUST_CHECK;

#endif
