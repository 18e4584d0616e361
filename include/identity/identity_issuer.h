/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IDENTITY_ISSUER_H
#define IDENTITY_ISSUER_H

/*
 * Issuers whose tokens a tenant accepts: where they are from, the public keys that sign them, and
 * rules from claims to roles.  Who may change an issuer's keys can be anybody whom its rules and
 * linked users allow, so that a change needs all of their permissions.
 */

#include "identity.h"
#include "tenant_rule.h"

struct json_value;

enum { IDENTITY_URL_MAX = 255 };

struct identity_issuer {
	struct uuid id;
	const char *name, *url, *audience;
	const char *tenant_claim; /* NULL: the audience binds its tokens to the tenant */
	const char *jwks;         /* JSON text, public keys only */
	const char *rules;        /* JSON text, as tenant_rules_print writes it */
	int64_t created_wall_us, disabled_wall_us; /* disabled: 0 when it is not */
	int64_t version;
};
struct identity_issuers {
	struct identity_issuer *p;
	size_t n;
	bool more;
};
struct identity_issuer_new {
	const char *name, *url;
	const char *audience;     /* NULL: "wardian:<tenant id>" */
	const char *tenant_claim; /* NULL: none */
	const struct json_value *jwks;
	const struct tenant_rules *rules;
};
struct identity_issuer_change {
	struct identity_text name, url, audience, tenant_claim;
	const struct json_value *jwks;    /* NULL: as it is */
	const struct tenant_rules *rules; /* NULL: as they are */
	struct identity_flag disabled;
};

int identity_issuer_get(struct db *db, struct tenant_id tenant, struct uuid id, struct arena *mem,
    struct identity_issuer *ret, struct err *e) MUST_CHECK;
int identity_issuer_list(struct db *db, struct tenant_id tenant, const struct identity_page *page,
    struct arena *mem, struct identity_issuers *ret, struct err *e) MUST_CHECK;
int identity_issuer_create(const struct identity_ask *a, const struct identity_issuer_new *n,
    struct identity_issuer *ret, struct err *e) MUST_CHECK;
int identity_issuer_update(const struct identity_ask *a, struct uuid id,
    const struct identity_issuer_change *c, int64_t if_version, struct identity_issuer *ret,
    struct err *e) MUST_CHECK;
/* ERR_IN_USE while users are linked to it. */
int identity_issuer_delete(
    const struct identity_ask *a, struct uuid id, int64_t if_version, struct err *e) MUST_CHECK;
void identity_issuer_print(const struct identity_issuer *i, struct json_out *o);

#endif
