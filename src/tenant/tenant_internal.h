/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TENANT_INTERNAL_H
#define TENANT_INTERNAL_H

/* What the files of the module share; the theory is at the head of tenant.c. */

#include "auth.h"
#include "jwt_token.h"
#include "lock.h"
#include "net.h"
#include "tenant.h"

/* --- outcomes --------------------------------------------------------------------------------- */

enum tenant_outcome {
	OUTCOME_OK,
	OUTCOME_CACHED,
	OUTCOME_MALFORMED, /* no key and no token, or a wrong checksum */
	OUTCOME_UNKNOWN,
	OUTCOME_EXPIRED,
	OUTCOME_REVOKED,
	OUTCOME_DISABLED, /* its user */
	OUTCOME_SUSPENDED,
	OUTCOME_SOURCE,    /* not from this address */
	OUTCOME_THROTTLED, /* not looked at */
	OUTCOME_ISSUER,    /* of a token: none, or not exactly one, that a tenant trusts */
	OUTCOME_SIGNATURE,
	OUTCOME_CLAIMS,
	OUTCOME_STRANGER, /* a token of somebody whom no rule names */
	OUTCOME_COUNT
};
const char *tenant_outcome_name(enum tenant_outcome o); /* label of METRIC_AUTH_CHECKS */

/* --- tenant_credential.c: the header ---------------------------------------------------------- */

struct tenant_text {
	bool token;
	const char *p; /* token: its text, inside the header */
	size_t n;
	struct auth_key key; /* else: kind, id and hash */
	uint8_t digest[AUTH_SHA256_SIZE];
};
/*
 * "Bearer <key or token>", or "Basic <base64>" of "<key>:" as `curl -u <key>:` sends it.  False
 * when the value has neither form, is longer than any credential, or the key's checksum is wrong.
 */
bool tenant_credential_read(const char *authorization, struct tenant_text *ret);

/* --- what is known of a credential ------------------------------------------------------------ */

/* A version of a tenant that something was seen under. */
struct tenant_version {
	struct uuid tenant;
	int64_t version; /* -1: the tenant is gone */
};
/* By which keys a signature was found right: an issuer's, in the version of its row; or those of
 * the daemons (issuer nil, version 1). {0}: no signature. */
struct tenant_proof {
	struct uuid issuer;
	int64_t version;
};
enum { TENANT_WATCHES = 2, TENANT_REASON_SIZE = 160 };
struct tenant_known {
	struct principal who;
	int64_t seen_mono_ns;  /* before it was looked up */
	int64_t until_wall_us; /* 0: for ever */
	/* What it rests on: its own tenant, and for support access the operator's. */
	struct tenant_version watch[TENANT_WATCHES];
	size_t n_watch;
	struct tenant_proof proof;
	bool bound; /* to the addresses in cidrs */
	struct net_cidrs cidrs;
	bool suspended;
	char reason[TENANT_REASON_SIZE]; /* of the suspension; "" for none */
};
struct tenant_found {
	enum tenant_outcome outcome;
	struct tenant_known known; /* filled as far as the outcome allows */
};
/* Copies what is printable UTF-8 as far as it fits. */
void tenant_text_clean(char *out, size_t size, const char *text);

/* --- tenant_cache.c --------------------------------------------------------------------------- */

/*
 * Principals by the digest of their credential.  A fixed table of sets of four: a full set loses
 * the entry that was not used for longest, so that no flood can make it grow.  An entry is trusted
 * while its versions were found current less than TENANT_TRUST_MS ago (it itself was looked up, or
 * tenant_cache_confirm).  Dropped entries are not found any more but keep their proof.
 * Thread-safe.
 */
enum { TENANT_TRUST_MS = TENANTS_REVOKE_MS - 200 };
struct tenant_now {
	int64_t mono_ns, wall_us;
};
struct tenant_now tenant_now(void);
enum tenant_hit { TENANT_MISS, TENANT_HIT, TENANT_HIT_USE /* its use is to be noted */ };
struct tenant_cache;
int tenant_cache_new(int entries, struct tenant_cache **ret, struct err *e) MUST_CHECK;
void tenant_cache_free(struct tenant_cache *c);
AUTO_TYPE(tenant_cache);
/* Fills of *ret who, bound and cidrs, suspended and reason. */
enum tenant_hit tenant_cache_get(struct tenant_cache *c,
    const uint8_t digest[static AUTH_SHA256_SIZE], struct tenant_now now, struct tenant_known *ret);
void tenant_cache_put(struct tenant_cache *c, const uint8_t digest[static AUTH_SHA256_SIZE],
    const struct tenant_known *k);
/* Whether the credential's signature was found right by these very keys. */
bool tenant_cache_proved(struct tenant_cache *c, const uint8_t digest[static AUTH_SHA256_SIZE],
    const struct tenant_proof *proof);
/* Tenants that entries rest on: sorted, each once; out has room for tenant_cache_room(c). */
size_t tenant_cache_room(const struct tenant_cache *c);
size_t tenant_cache_tenants(struct tenant_cache *c, struct tenant_version *out);
/* The present versions of these tenants (sorted), asked for at mono_ns: confirms or drops. */
void tenant_cache_confirm(
    struct tenant_cache *c, const struct tenant_version *v, size_t n, int64_t mono_ns);
void tenant_cache_forget(struct tenant_cache *c, struct tenant_id tenant);
void tenant_cache_clear(struct tenant_cache *c); /* proofs, too */

/* --- tenant_use.c: when keys were last used --------------------------------------------------- */

enum { TENANT_USE_NOTE_MS = 10000, TENANT_USE_FLUSH_MS = 30000 };
struct tenant_use {
	struct tenant_id tenant;
	struct uuid key;
	int64_t wall_us; /* 0: nothing is noted */
	char source[NET_ADDR_SIZE];
};
/* A fixed table; a note for which there is no room is dropped.  Thread-safe. */
struct tenant_uses;
int tenant_uses_new(int entries, struct tenant_uses **ret, struct err *e) MUST_CHECK;
void tenant_uses_free(struct tenant_uses *u);
AUTO_TYPE(tenant_uses);
void tenant_uses_note(struct tenant_uses *u, const struct tenant_use *use);
/* Moves at most max notes out; the count. */
size_t tenant_uses_take(struct tenant_uses *u, struct tenant_use *out, size_t max);
/* More than half full: worth writing before its time. */
bool tenant_uses_crowded(struct tenant_uses *u);

/* --- tenant_signing.c: public keys of the daemons --------------------------------------------- */

struct tenant_ring;
int tenant_ring_new(struct tenant_ring **ret, struct err *e) MUST_CHECK;
void tenant_ring_free(struct tenant_ring *r);
AUTO_TYPE(tenant_ring);
int tenant_ring_read(struct tenant_ring *r, struct db *db, struct err *e) MUST_CHECK;
/* Whether a key is gone since this was last asked: what it signed must not be trusted any more. */
bool tenant_ring_take_lost(struct tenant_ring *r);
/* 1 when one of the keys signed the token, else 0; -1 when that could not be found out. */
int tenant_ring_verify(
    struct tenant_ring *r, struct db *db, const struct jwt_token *jwt, struct err *e) MUST_CHECK;
void tenant_ring_print(struct tenant_ring *r, struct json_out *o);

/* --- the module's state -------------------------------------------------------------------------
 */

struct tenants {
	/* immutable, or with locks of their own */
	struct tenants_options o;
	_Atomic(const struct jwt_signer *) signer;
	struct tenant_cache *cache;
	struct tenant_uses *uses;
	struct tenant_ring *ring;
	struct thread watcher;
	/* under lock */
	struct lock lock;
	struct cond wake;
	bool stopping;
};

/* tenant_watch.c */
int tenant_watch_start(struct tenants *t, struct err *e) MUST_CHECK;
void tenant_watch_stop(struct tenants *t); /* and writes last uses */

/* --- looking up ------------------------------------------------------------------------------- */

/* 0 with *ret->outcome, or -1 when the database did not answer. */

enum { TENANT_ROLES_MAX = 128 /* roles of one user or key that are read */ };

/* tenant_role.c: roles as the statements return them, NULL for none, into grants in that tenant.
 * What the tenant's kind cannot have gives nothing.  *lost: some found no room. */
int tenant_roles_add(const char *roles, struct tenant_id tenant, struct grants *g, bool *lost,
    struct err *e) MUST_CHECK;
/* One role: system_role or, when that is NULL, the permissions of one of the tenant's own. */
void tenant_role_add(const char *system_role, const char *permissions, struct uuid project,
    struct tenant_id tenant, struct grants *g, bool *lost);
/* Says at warn that a principal has less than it was given. */
void tenant_role_warn(const struct tenants *t, const struct principal *who);

/* tenant_state.c: what all look-ups bring of the tenant. */
struct tenant_row {
	struct tenant_id id;
	const char *state, *reason; /* reason: NULL for none */
	int64_t version;
};
/* OUTCOME_OK for active and suspended ones; a tenant on its way out is OUTCOME_UNKNOWN. */
enum tenant_outcome tenant_row_apply(const struct tenant_row *row, struct tenant_known *k);
void tenant_known_ends(struct tenant_known *k, int64_t wall_us); /* 0: not; the earliest counts */

/* tenant_key.c */
struct tenant_key_query {
	const struct auth_key *key;        /* by its text; else NULL, and */
	struct uuid tenant, key_id, token; /* a token that was issued for it, */
	const char *mark;                  /* for this text of it, in hexadecimal digits */
};
int tenant_key_look_up(struct tenants *t, const struct tenant_key_query *q, struct arena *mem,
    struct tenant_found *ret, struct err *e) MUST_CHECK;
/* tenant_support.c */
struct tenant_support_query {
	struct uuid tenant, support, token;
};
int tenant_support_look_up(struct tenants *t, const struct tenant_support_query *q,
    struct arena *mem, struct tenant_found *ret, struct err *e) MUST_CHECK;
/* tenant_issuer.c: a token of somebody else's.  text: the same token. */
int tenant_issuer_look_up(struct tenants *t, const struct jwt_token *jwt,
    const struct tenant_text *text, struct arena *mem, struct tenant_found *ret,
    struct err *e) MUST_CHECK;
/* tenant_token.c */
int tenant_token_look_up(struct tenants *t, const struct tenant_text *text, struct arena *mem,
    struct tenant_found *ret, struct err *e) MUST_CHECK;

#endif
