/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_PLATFORM_INTERNAL_H
#define API_PLATFORM_INTERNAL_H

/* What the endpoints of operators, and those of limits and support access, share. */

#include "api_internal.h"

#include "identity.h"
#include "identity_key.h"
#include "identity_limit.h"
#include "platform.h"

struct platform_ask req_platform_ask(const struct req *rq);
/* The {tenant} of the path. */
struct tenant_id req_tenant(const struct req *rq);
/* The registry's row as the answer, with its version. */
int req_reply_registered(struct req *rq, const struct platform_tenant *t, struct err *e) MUST_CHECK;
/* {"reason": "..."}, which must be given. */
int req_reason(struct req *rq, const char **ret, struct err *e) MUST_CHECK;

/* --- limits: the same answer and body for a tenant's own, a project's, and operators ---------- */

/* project nil: of the tenant. */
int req_reply_limits(
    struct req *rq, struct tenant_id tenant, struct uuid project, struct err *e) MUST_CHECK;
/* {"limits": {"<name>": <amount> | null}}; of_project: only those that a project can have. */
struct limits_wish {
	struct platform_limit p[QUOTA_COUNT];
	size_t n;
	bool of_project;
};
int req_limits(struct req *rq, bool of_project, struct limits_wish *ret, struct err *e) MUST_CHECK;

/* --- first owners --------------------------------------------------------------------------- */

struct owner_wish {
	const char *name, *email;
	bool person;
};
/* Members of an object that describes an owner: room for OWNER_FIELDS. */
enum { OWNER_FIELDS = 4 };
void req_owner_fields(struct owner_wish *w, const char **kind, struct json_field *fields);
/* "person" or "service"; NULL is the latter. */
int req_owner_kind(
    const char *kind, const char *pointer, struct owner_wish *w, struct err *e) MUST_CHECK;
/* Makes an owner of the tenant with a key; text: AUTH_KEY_SIZE bytes, which the caller wipes. */
struct owner_made {
	struct identity_user user;
	struct identity_key key;
};
int req_make_owner(struct req *rq, struct tenant_id tenant, const struct owner_wish *w,
    struct owner_made *ret, char text[static AUTH_KEY_SIZE], struct err *e) MUST_CHECK;
void req_print_owner(const struct owner_made *made, const char *text, struct json_out *o);

#endif
