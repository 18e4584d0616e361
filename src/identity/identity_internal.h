/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IDENTITY_INTERNAL_H
#define IDENTITY_INTERNAL_H

/* What the parts of identity share: the frame of a change, what somebody may do right now, the
 * choice of a role, checks of texts. */

#include "identity.h"
#include "json.h"
#include "quota.h"

/* --- what somebody may do --------------------------------------------------------------------- */

/* Roles of a user, and of a key where one is meant. */
struct holder {
	struct grants user, key;
	bool key_limited; /* the key has roles */
	bool overflow;    /* roles in more projects than fit */
	size_t n;         /* rows */
};
/* user or key nil: without. */
int holder_read(struct db_tx *tx, struct tenant_id tenant, struct uuid user, struct uuid key,
    struct holder *ret, struct err *e) MUST_CHECK;
/* The same of every user that an issuer's tokens can name, and of everybody in a project. */
int holder_read_issuer(struct db_tx *tx, struct tenant_id tenant, struct uuid issuer,
    struct holder *ret, struct err *e) MUST_CHECK;
int holder_read_project(struct db_tx *tx, struct tenant_id tenant, struct uuid project,
    struct holder *ret, struct err *e) MUST_CHECK;
/* What is left of the owner's rights behind roles and scopes of a key. */
struct grants holder_grants(const struct holder *h, bool scoped, permission_set scopes);

/* "job:read job:create" as it is stored; names that the program does not know give nothing. */
permission_set permissions_read(const char *text);
/* Their names, in the order of the list. */
struct permission_names {
	const char *name[PERM_COUNT];
	size_t n;
};
void permissions_name(permission_set set, struct permission_names *ret);
/* As JSON, for entries of the audit log. */
void permissions_print(permission_set set, struct json_out *o);

/* "engineer:<uuid> viewer: ..." as statements return it; NULL is none. */
int roles_read(
    const char *text, struct arena *mem, struct identity_roles *ret, struct err *e) MUST_CHECK;

/* --- the frame of a change -------------------------------------------------------------------- */

struct change_kind {
	const char *action; /* in the audit log */
	enum permission needs;
	bool somewhere; /* needed in one project only: which one is checked by the operation */
	bool access;    /* changes who may do what */
};
struct change {
	const struct identity_ask *ask;
	const struct change_kind *kind;
	struct db_tx *tx;
	bool trusted;         /* the system, or an operation of the platform */
	bool platform;        /* of the platform's own tenant */
	struct grants grants; /* of the caller */
	bool scoped, roled;   /* the caller's key has scopes, roles */
	permission_set scopes;
	struct grants roles; /* of the key, whatever its owner has */
	struct buf notes;    /* what changed, as JSON */
	struct json_out out;
	size_t n_notes;
};
/* Locks the tenant's changes, then checks that the caller stands and has the permission. */
int change_begin(struct change *c, const struct identity_ask *a, const struct change_kind *k,
    struct err *e) MUST_CHECK;
/* Of creations: 1 when the request's Idempotency-Key has made *ret before, else 0. */
int change_replay(struct change *c, bool secret, struct uuid *ret, struct err *e) MUST_CHECK;
/* Writes the entry about <prefix>_<id> and commits. */
int change_commit(struct change *c, const char *prefix, struct uuid id, struct err *e) MUST_CHECK;
void change_done(struct change *c); /* rolls back what was not committed */
#define AUTO_CHANGE __attribute__((cleanup(change_done))) struct change

/* Notes a member that changes; does nothing when it does not.  NULL and 0 are null. */
void change_text(struct change *c, const char *member, const char *before, const char *after);
void change_flag(struct change *c, const char *member, bool before, bool after);
void change_time(struct change *c, const char *member, int64_t before_us, int64_t after_us);
void change_set(struct change *c, const char *member, bool had, permission_set before, bool has,
    permission_set after);
void change_id(struct change *c, const char *member, const char *prefix, struct uuid before,
    struct uuid after);
/* before, after: JSON. */
void change_json(struct change *c, const char *member, const char *before, const char *after);

/* Whether the caller has the permission there (project nil: in the whole tenant), or ERR_DENIED. */
bool change_may(const struct change *c, enum permission p, struct uuid project);
int change_needs(
    const struct change *c, enum permission p, struct uuid project, struct err *e) MUST_CHECK;
/* Nobody grants what they lack: ERR_LACKING with the first permission that is missing. */
int change_covers(const struct change *c, const struct grants *given, struct err *e) MUST_CHECK;
/* The same by what somebody has who need not be the caller. */
int change_covers_by(const struct change *c, const struct grants *have, const struct grants *given,
    struct err *e) MUST_CHECK;
/* The same of what a holder may do. */
int change_covers_holder(const struct change *c, const struct holder *h, struct err *e) MUST_CHECK;
/* What means nothing in this kind of tenant is left out. */
void change_mask(const struct change *c, struct grants *g);
/* Whether `more` rows fit, or ERR_QUOTA. */
int change_quota(struct change *c, enum quota q, int64_t more, struct err *e) MUST_CHECK;
/* ERR_PRECONDITION unless have is the wanted version. */
int version_check(int64_t have, int64_t want, struct err *e) MUST_CHECK;
/* ERR_LAST_OWNER when nobody is left who may do everything. */
int change_keeps_owner(struct change *c, struct err *e) MUST_CHECK;
/* The role that may not lose its last holder. */
enum system_role change_owner_role(const struct change *c);

/* db_exec and db_one with rules of the database in words. */
int change_exec(
    struct change *c, const char *stmt, const struct db_arg *args, struct err *e) MUST_CHECK;
int change_one(struct change *c, const char *stmt, const struct db_arg *args,
    const struct db_col *cols, struct err *e) MUST_CHECK;

/* Roles of a tenant's own come in one list without pages, whatever the limit was set to. */
enum { OWN_ROLES_MAX = 1000 };

/* --- roles ------------------------------------------------------------------------------------ */

struct role_pick {
	const char *name;
	bool system;
	enum system_role role; /* of a system role */
	struct uuid id;        /* of one of the tenant's own */
	permission_set permissions;
};
/* ERR_INVALID at the pointer for names that are unknown or cannot be given in this tenant. */
int role_pick(struct change *c, const char *name, const char *pointer, struct role_pick *ret,
    struct err *e) MUST_CHECK;
/* Whether a system role can be given in the platform's tenant, or in another one. */
bool role_fits(enum system_role r, bool platform);
/* What the role gives in the project (nil: in the whole tenant), added to g. */
int role_add(const struct change *c, const struct role_pick *r, struct uuid project,
    struct grants *g, struct err *e) MUST_CHECK;

struct role_holder {
	struct uuid user, key; /* one of them is nil */
};
/* Picks every role of a list, checks its project, and adds what they give; the pointers are
 * <base>/<index>/role and .../project. */
int roles_resolve(struct change *c, const struct identity_roles *roles, const char *base,
    struct role_pick *ret, struct grants *g, struct err *e) MUST_CHECK;
/* ERR_INVALID at the pointer without such a project; nil is the whole tenant. */
int project_check(
    struct change *c, struct uuid project, const char *pointer, struct err *e) MUST_CHECK;
/* 1 and the id of a new row, 0 and that of one that says the same. */
int assignment_put(struct change *c, const struct role_holder *h, const struct role_pick *r,
    struct uuid project, struct uuid *ret, struct err *e) MUST_CHECK;
/* Every role of a list that was resolved. */
int assignments_put(struct change *c, const struct role_holder *h,
    const struct identity_roles *roles, const struct role_pick *picks, struct err *e) MUST_CHECK;
/* Users and keys are shown with their roles, so these move their versions: one assignment, those in
 * a project, or those of a role; the others nil.  While the rows are there. */
struct touched {
	struct uuid assignment, project, role;
};
int holders_touch(struct change *c, const struct touched *t, struct err *e) MUST_CHECK;
/* ERR_QUOTA: roles in more projects than struct grants holds. */
int projects_overflow(struct err *e);

/* ERR_NOT_FOUND without such a user. */
/* ERR_INVALID unless it is https, or http on the loopback address, and nothing but a place. */
int issuer_url_check(const char *url, const char *pointer, struct err *e) MUST_CHECK;
int user_read(
    struct change *c, struct uuid id, struct identity_user *ret, struct err *e) MUST_CHECK;
/* Whoever decides whether tokens of an issuer hold needs what its rules give them.  0 without such
 * an issuer. */
int issuer_covers_rules(struct change *c, struct uuid issuer, struct err *e) MUST_CHECK;

/* --- texts ------------------------------------------------------------------------------------ */

/* ERR_INVALID with one fault. */
int invalid(struct err *e, const char *pointer, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* -1 in plain sight: checkers of single files follow it. */
static inline int
not_found(struct err *e, const char *what)
{
	(void)err_set(e, ERR_NOT_FOUND, "There is no such %s", what);
	return -1;
}
/* Without blanks at the ends; 1 to max characters, no control characters.  NULL stays NULL. */
int text_clean(struct arena *mem, const char **text, size_t max, const char *pointer,
    struct err *e) MUST_CHECK;
int label_check(const char *text, const char *pointer, struct err *e) MUST_CHECK;
int email_check(const char *text, const char *pointer, struct err *e) MUST_CHECK;

#define ARG_UUID_OR_NULL(x)                                                                        \
	{                                                                                          \
		.type = DB_TYPE_UUID, .null = uuid_is_nil(x), .v.uuid = (x)                        \
	}
#define ARG_FLAG(f)                                                                                \
	{                                                                                          \
		.type = DB_TYPE_BOOL, .null = !(f).set, .v.boolean = (f).v                         \
	}
/* Greater than every id: the bound of a list's first page. */
struct uuid page_before(const struct identity_page *p);

/* The rows of one page, and one more that tells whether there is another. */
struct rows {
	char *p;
	size_t size, n, max;
};
int rows_init(
    struct rows *r, struct arena *mem, size_t size, int64_t limit, struct err *e) MUST_CHECK;
void rows_push(struct rows *r, const void *row);
/* Takes the row too many away. */
bool rows_more(struct rows *r);

#endif
