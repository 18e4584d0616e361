/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IDENTITY_KEY_H
#define IDENTITY_KEY_H

/*
 * API keys.  A key belongs to a user and never may more than that user may now; roles and scopes
 * limit it further.  Its text is returned once, by the call that makes it, and is nowhere else.
 */

#include "auth.h"
#include "identity.h"
#include "net.h"

enum {
	IDENTITY_OVERLAP_MAX_S = 7 * 24 * 3600,
	IDENTITY_PERSON_KEY_DAYS = 90, /* unless said otherwise */
	IDENTITY_PERSON_KEY_DAYS_MAX = 365,
	/* Revoked keys of a tenant that are kept to be looked at, the newest; older ones are
	 * forgotten when keys are made. */
	IDENTITY_REVOKED_KEYS = 5000
};

struct identity_scopes {
	bool limited; /* else everything that the owner may */
	permission_set set;
};
struct identity_cidrs {
	bool limited; /* else from anywhere */
	struct net_cidrs list;
};
struct identity_key {
	struct uuid id, user;
	const char *public_id, *kind, *name, *last4;
	struct identity_scopes scopes;
	struct identity_cidrs cidrs;
	struct identity_roles roles; /* none: not limited by roles */
	int64_t created_wall_us;
	int64_t expires_wall_us;    /* 0: never */
	int64_t last_used_wall_us;  /* 0: never */
	const char *last_used_from; /* NULL: never used */
	int64_t previous_until_us;  /* the former text is accepted until then; 0: there is none */
	int64_t revoked_wall_us;    /* 0: it is not */
	const char *revoked_by;     /* NULL: it is not */
	int64_t version;
};
struct identity_keys {
	struct identity_key *p;
	size_t n;
	bool more;
};
struct identity_key_filter {
	struct identity_page page;
	struct uuid user; /* nil: any */
	struct identity_flag revoked;
};
struct identity_key_new {
	const char *name;
	struct uuid user; /* nil: the caller's */
	struct identity_scopes scopes;
	struct identity_cidrs cidrs;
	struct identity_time expires; /* not set: the default of the owner's kind */
	struct identity_roles roles;
};
struct identity_key_change {
	struct identity_text name;
	struct {
		bool set;
		struct identity_scopes v;
	} scopes;
	struct {
		bool set;
		struct identity_cidrs v;
	} cidrs;
	struct identity_time expires;
};

int identity_key_get(struct db *db, struct tenant_id tenant, struct uuid id, struct arena *mem,
    struct identity_key *ret, struct err *e) MUST_CHECK;
int identity_key_list(struct db *db, struct tenant_id tenant, const struct identity_key_filter *f,
    struct arena *mem, struct identity_keys *ret, struct err *e) MUST_CHECK;
/* text: the whole key; the caller wipes it. */
int identity_key_create(const struct identity_ask *a, const struct identity_key_new *n,
    struct identity_key *ret, char text[static AUTH_KEY_SIZE], struct err *e) MUST_CHECK;
int identity_key_update(const struct identity_ask *a, struct uuid id,
    const struct identity_key_change *c, int64_t if_version, struct identity_key *ret,
    struct err *e) MUST_CHECK;
/* Another text under the same public part; the former one is accepted for overlap_s seconds more.
 */
int identity_key_rotate(const struct identity_ask *a, struct uuid id, int64_t overlap_s,
    struct identity_key *ret, char text[static AUTH_KEY_SIZE], struct err *e) MUST_CHECK;
/* Again changes nothing.  The row stays. */
int identity_key_revoke(
    const struct identity_ask *a, struct uuid id, int64_t if_version, struct err *e) MUST_CHECK;
/* text: NULL but in the answer that shows it. */
void identity_key_print(const struct identity_key *k, const char *text, struct json_out *o);

#endif
