/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACCESS_H
#define ACCESS_H

/*
 * Who is asking and what they may do: permissions, roles, grants, the principal of a request.  Pure
 * values and rules; tenant.h turns a credential into a principal.  Thread-safe.
 */

#include "base.h"
#include "err.h"
#include "id.h"

#include <stdbool.h>

/* --- permissions and system roles ---------------------------------------------------------------
 */

enum permission {
#define PERMISSION(name, text, level, roles, sentence) PERM_##name,
#include "permission.def"
#undef PERMISSION
	PERM_COUNT,
	PERM_NONE = PERM_COUNT /* of routes: any valid credential will do */
};
enum permission_level { PERM_LEVEL_PROJECT, PERM_LEVEL_TENANT, PERM_LEVEL_PLATFORM };
const char *permission_name(enum permission p);     /* "job:read" */
const char *permission_sentence(enum permission p); /* what it allows */
enum permission_level permission_level(enum permission p);
bool permission_parse(const char *text, enum permission *ret);

typedef uint64_t permission_set;
#define PERM_BIT(p) (UINT64_C(1) << (p))
/* All permissions of a level. */
permission_set permission_set_of_level(enum permission_level l);
/* Names with blanks between them; names that are not known give nothing. */
permission_set permission_set_parse(const char *names);
/* The same text, in the order of the list; "" for none. */
enum { PERMISSION_SET_TEXT_SIZE = 1536 };
const char *permission_set_format(permission_set set, char out[static PERMISSION_SET_TEXT_SIZE]);
/* What can be had in a tenant at all: in the platform's what operators have, who could give nobody
 * more; elsewhere everything but PLATFORM permissions. */
permission_set permission_set_in(struct tenant_id tenant);
/* What support access can give: nothing that leaves access behind when it has ended (keys, tokens,
 * users, roles, issuers), nor a say in support access itself. */
permission_set permission_set_of_support(void);

enum system_role {
	ROLE_OWNER,
	ROLE_ADMIN,
	ROLE_ENGINEER,
	ROLE_VIEWER,
	ROLE_BILLING,
	ROLE_AUDITOR,
	ROLE_OPERATOR, /* only in the platform's tenant */
	ROLE_COUNT
};
const char *system_role_name(enum system_role r);  /* "owner", ..., "platform-operator" */
const char *system_role_title(enum system_role r); /* a sentence */
permission_set system_role_permissions(enum system_role r);
bool system_role_parse(const char *name, enum system_role *ret);
/* Whether the role exists there: operators and auditors in the platform's tenant, all but operators
 * elsewhere. */
bool system_role_in(enum system_role r, struct tenant_id tenant);

/* --- grants
 * --------------------------------------------------------------------------------------- */

/* What somebody may do: in the whole tenant, and more in some projects.  Always in one form, so
 * that equal grants have equal members: projects are sorted, none is there twice or without a gain.
 */
enum { GRANT_PROJECTS_MAX = 32 };
struct grants {
	permission_set everywhere;
	size_t n;
	struct {
		struct uuid project;
		permission_set set; /* beyond `everywhere`; grants_in has both */
	} in[GRANT_PROJECTS_MAX];
};
/* Adds a role's permissions; project nil: everywhere.  In a project only PROJECT-level ones count.
 * False when there is no room for another project, which then gives nothing. */
bool grants_add(struct grants *g, struct uuid project, permission_set set);
/* What both allow.  False when that are more projects than fit; the last ones then give nothing. */
bool grants_intersect(struct grants *g, const struct grants *other);
/* Keeps only these permissions. */
void grants_mask(struct grants *g, permission_set keep);
/* Whether a allows everything that b does. */
bool grants_cover(const struct grants *a, const struct grants *b);
permission_set grants_in(const struct grants *g, struct uuid project); /* `everywhere` included */
permission_set grants_anywhere(const struct grants *g);                /* union */

/* --- principals
 * ------------------------------------------------------------------------------------- */

/* The tenant whose users are the operators; made by migration 0007. */
extern const struct tenant_id tenant_platform_id;

enum principal_kind {
	PRINCIPAL_KEY,    /* an API key of a user */
	PRINCIPAL_TOKEN,  /* a token that the daemon issued for a key or user */
	PRINCIPAL_ISSUER, /* a token of the tenant's own issuer; user may be nil */
	PRINCIPAL_SUPPORT /* an operator in somebody else's tenant, for a while */
};
const char *principal_kind_name(
    enum principal_kind k); /* "api_key", "token", "issuer", "support" */

/* Copied by value into each request. */
enum { PRINCIPAL_NAME_SIZE = 72, PRINCIPAL_MARK_SIZE = 8 };
struct principal {
	enum principal_kind kind;
	struct tenant_id tenant;
	struct uuid user;    /* nil: an issuer's subject without a row */
	struct uuid key;     /* nil: no API key is behind it */
	struct uuid issuer;  /* ISSUER only, else nil */
	struct uuid support; /* SUPPORT only, else nil */
	struct uuid token;   /* "jti" of the daemon's tokens, else nil */
	char key_public[16]; /* public part of the key, "" without one */
	/* KEY only: the first bytes of the SHA-256 of its text, by which tokens tell for which text
	 * of the key they were issued. */
	uint8_t mark[PRINCIPAL_MARK_SIZE];
	/* For logs and audit: the user's name, or the issuer's subject, cut to fit and cleaned of
	 * control characters. */
	char name[PRINCIPAL_NAME_SIZE];
	int64_t expires_wall_us; /* of the credential; 0: never */
	struct grants grants;    /* what it may do now, everything counted */
};
/* Cuts the text to fit; what is no printable UTF-8 becomes '?'. */
void principal_set_name(struct principal *p, const char *text);
/* Id of the credential's key, else user, issuer or support access: job.created_by. */
struct uuid principal_id(const struct principal *p);
/* The same as text with its type, e.g. "key_01j...": the actor of the audit log. */
const char *principal_format(const struct principal *p, char out[static ID_STR_SIZE]);
bool principal_may(const struct principal *p, enum permission perm); /* in the whole tenant */
bool principal_may_in(const struct principal *p, enum permission perm, struct uuid project);
bool principal_may_somewhere(const struct principal *p, enum permission perm);

/* Projects in which a permission holds; an argument of stores, so that what lies elsewhere is not
 * found. */
struct scope {
	bool everywhere;
	size_t n;
	struct uuid projects[GRANT_PROJECTS_MAX];
};
void principal_scope(const struct principal *p, enum permission perm, struct scope *ret);
bool scope_has(const struct scope *s, struct uuid project);
/* The scope as an argument of a statement: NULL for everywhere, else the ids.
 *     ($n::uuid[] is null or project_id = any ($n::uuid[])) */
#define DB_ARG_SCOPE(s)                                                                            \
	{                                                                                          \
		.type = DB_TYPE_UUIDS, .null = (s)->everywhere, .v.p = (s)->projects, .n = (s)->n  \
	}

/* Behind every change: for the audit log.  Borrowed; lives as long as the request. */
struct caller {
	const struct principal *who; /* NULL: the system itself */
	const char *request_id;      /* NULL outside requests */
	const char *source;          /* address; NULL outside requests */
};

#endif
