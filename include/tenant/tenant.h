/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TENANT_H
#define TENANT_H

/*
 * Turns a credential into a principal.  A credential is looked up on the platform's role (it has no
 * tenant yet); what was found is kept in a bounded cache by the digest of the credential and
 * dropped when the tenant's access_version moves: a watcher asks for the versions of all cached
 * tenants several times a second, and while it cannot, nothing cached is trusted.  So a revocation
 * holds on every daemon within TENANTS_REVOKE_MS, and a signature is checked once per token.
 * Whoever changes what a principal may do, or whether, moves access_version in the same
 * transaction.  Thread-safe.
 */

#include "access.h"
#include "arena.h"
#include "base.h"
#include "db.h"
#include "err.h"
#include "id.h"
#include "log.h"

#include <stdbool.h>

struct tenants;
struct metrics;
struct rates;
struct jwt_signer;
struct json_out;

extern const struct db_sql tenant_sql;

enum {
	TENANTS_REVOKE_MS = 1000,
	TENANTS_TOKEN_S = 3600,      /* longest life of a token issued for a key */
	TENANTS_SUPPORT_S = 8 * 3600 /* longest support access, and the longest life of any token */
};
struct tenants_options {
	struct db *db;
	struct metrics *metrics;
	struct rates *rates;             /* counts failures per source; outlives *t; may be NULL */
	const struct jwt_signer *signer; /* of this node; its public half is registered by now */
	const char *issuer; /* "iss" and "aud" of the daemon's own tokens; outlives *t */
	int cache_entries;  /* principals, and keys whose last use is kept for a while */
	struct log log;
};
/* Reads the signing keys and starts the watcher's thread. */
int tenants_new(const struct tenants_options *o, struct tenants **ret, struct err *e) MUST_CHECK;
void tenants_free(struct tenants *t); /* writes what is known of last uses; accepts NULL */
AUTO_TYPE(tenants);

/* A credential that is right in itself and was refused: something for the log of its tenant. */
struct credential_refusal {
	const char *why; /* static: "revoked", "expired", "disabled", "suspended" or "source"; NULL
			    when nothing is known or nobody needs to know */
	struct principal who; /* without grants */
};
/* What a request presents. */
struct credential {
	const char *authorization; /* value of the header, NULL when absent */
	const char *source;        /* client's address */
	/* May be NULL; filled by tenants_authenticate when it fails.  A suspended tenant is told of
	 * when it was looked up, not of each request. */
	struct credential_refusal *refusal;
};
/*
 * Without blocking, for the HTTP loop: 1 and the principal when the credential is cached and
 * trusted, 0 when it has to be looked up (tenants_authenticate), -1 when it can only be refused:
 * malformed, or from a source that must pause (errors as below).
 */
int tenants_recall(
    struct tenants *t, const struct credential *c, struct principal *ret, struct err *e) MUST_CHECK;
/* Whether the credential is cached and trusted, as tenants_recall, of a request that goes on. */
bool tenants_known(struct tenants *t, const struct credential *c);
/*
 * "Bearer <key or token>" and "Basic <base64 of key:>".  ERR_UNAUTHENTICATED with one message for
 * unknown, expired, revoked, malformed and from the wrong address; ERR_SUSPENDED (403) with the
 * operator's reason when all is right but the tenant is suspended; ERR_RATE after too many failures
 * from the source.
 */
int tenants_authenticate(
    struct tenants *t, const struct credential *c, struct principal *ret, struct err *e) MUST_CHECK;
/* Drops what is cached of a tenant on this daemon at once, what is being looked up included. */
void tenants_forget(struct tenants *t, struct tenant_id tenant);

/* --- tokens ----------------------------------------------------------------------------------- */

struct tenants_token {
	char *text;        /* in mem; exists nowhere else */
	const char *scope; /* names of permissions, in mem: what it may do somewhere now */
	struct uuid id;    /* "jti" */
	int64_t expires_wall_us;
};
/* POST /v1/auth/token: for an API key (others: ERR_DENIED), what `who` may do, or less.  scopes: 0
 * for all, so that an empty list is the caller's to refuse.  Lives at most TENANTS_TOKEN_S, and not
 * longer than the key. */
int tenants_issue(struct tenants *t, const struct principal *who, permission_set scopes,
    int64_t lifetime_s, struct arena *mem, struct tenants_token *ret, struct err *e) MUST_CHECK;
/* A token for an operator in the tenant of a support access; valid until that ends. */
int tenants_issue_support(struct tenants *t, struct tenant_id tenant, struct uuid support,
    int64_t expires_wall_us, struct arena *mem, struct tenants_token *ret,
    struct err *e) MUST_CHECK;
/* {"keys": [...]}: the public keys of all daemons, as far as this one knows them. */
void tenants_print_jwks(struct tenants *t, struct json_out *o);

/*
 * The life of a signing key: registered before it is used, retired by the next one of its node,
 * pruned when its last token has expired.  The private half never leaves the node.
 */
/* Registers the key and retires the node's former ones; again changes nothing.  ERR_CONFLICT when
 * another node has it. */
int tenant_signing_key_register(
    struct db *db, struct uuid node, const struct jwt_signer *signer, struct err *e) MUST_CHECK;
/* The number of keys deleted, or -1. */
int64_t tenant_signing_keys_prune(struct db *db, struct err *e) MUST_CHECK;
/* Signs with this one from now on, which is registered by now; both outlive *t. */
void tenants_sign_with(struct tenants *t, const struct jwt_signer *signer);

/* --- the tenant itself ------------------------------------------------------------------------ */

struct tenant {
	struct tenant_id id;
	const char *name, *kind, *state, *state_reason; /* reason: NULL when there is none */
	bool support_allowed;
	int64_t version, created_wall_us;
};
/* The tenant's own row, as it sees itself. */
int tenant_get(struct db *db, struct tenant_id tenant, struct arena *mem, struct tenant *ret,
    struct err *e) MUST_CHECK;

#endif
