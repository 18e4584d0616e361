/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IDENTITY_KEY_INTERNAL_H
#define IDENTITY_KEY_INTERNAL_H

/* What the parts of API keys share. */

#include "identity_internal.h"
#include "identity_key.h"

/* ERR_NOT_FOUND without such a key.  ret_expired may be NULL. */
int key_read(struct change *c, struct uuid id, struct identity_key *ret, bool *ret_expired,
    struct err *e) MUST_CHECK;
/* Whoever gets a key's text can do what it may do: all of it must be the caller's.  h: its owner's
 * roles and its own. */
int key_covers(const struct change *c, const struct holder *h, const struct identity_scopes *s,
    struct err *e) MUST_CHECK;
/* Whoever takes something away from a key: one's own are free, of others everything that the key
 * may do must be the caller's user's. */
int key_may_take(struct change *c, const struct identity_key *k, struct err *e) MUST_CHECK;
/* When a key ends; 0: never. */
int key_expiry(
    bool person, const struct identity_time *want, int64_t *ret, struct err *e) MUST_CHECK;
/* Notes what differs; NULL: no key. */
void key_note(
    struct change *c, const struct identity_key *before, const struct identity_key *after);

/* null without a limit. */
void key_cidrs_print(const struct identity_cidrs *cidrs, struct json_out *o);

/* Scopes and networks as arguments of a statement. */
struct key_limits {
	struct permission_names scopes;
	char text[NET_CIDRS_MAX][NET_CIDR_SIZE];
	const char *cidrs[NET_CIDRS_MAX];
	size_t n_cidrs;
};
void key_limits_print(
    const struct identity_scopes *s, const struct identity_cidrs *cidrs, struct key_limits *ret);
#define KEY_ARG_SCOPES(s, l)                                                                       \
	{                                                                                          \
		.type = DB_TYPE_TEXTS, .null = !(s)->limited, .v.p = (l)->scopes.name,             \
		.n = (l)->scopes.n                                                                 \
	}
#define KEY_ARG_CIDRS(c, l)                                                                        \
	{                                                                                          \
		.type = DB_TYPE_TEXTS, .null = !(c)->limited, .v.p = (l)->cidrs, .n = (l)->n_cidrs \
	}

#endif
