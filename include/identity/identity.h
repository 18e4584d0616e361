/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IDENTITY_H
#define IDENTITY_H

/*
 * Who exists in a tenant and what they may do.  This header has what all parts share, projects and
 * users; identity_role.h has roles and assignments, identity_key.h API keys, identity_issuer.h
 * issuers of tokens.
 *
 * A change is one transaction of the tenant, which takes the lock of the tenant's audit log first:
 * the changes of one tenant happen one after the other, so that what one has checked still holds
 * when it writes.  It reads what the caller may do now, whatever a cache says, and ends with an
 * entry in the audit log.  Nobody grants what they lack, and nobody takes away what they lack.
 *
 * Errors of every change: ERR_UNAUTHENTICATED when the caller's credential no longer holds,
 * ERR_DENIED when it lacks the permission, ERR_LACKING when it lacks what the change would grant,
 * ERR_NOT_FOUND for unknown ids and for those of other tenants, ERR_PRECONDITION when the row has
 * another version than if_version, ERR_INVALID with the JSON Pointer of the member,
 * ERR_NAME_TAKEN, ERR_IN_USE, ERR_LAST_OWNER, ERR_QUOTA.  Calls block on the database; thread-safe.
 */

#include "access.h"
#include "arena.h"
#include "base.h"
#include "db.h"
#include "err.h"
#include "id.h"

#include <stdbool.h>

struct json_out;
struct quota_amounts;

extern const struct db_sql identity_sql;

/* A creation that may be repeated.  With a key that was used before, the fingerprint decides: the
 * same gives what was made then (replayed) or, where a secret was shown, ERR_CONFLICT; another one
 * is ERR_IDEMPOTENCY_REUSED. */
struct identity_once {
	const char *key;
	const uint8_t *fingerprint; /* 32 bytes */
	bool replayed;              /* out */
};

/* Who asks for a change, and where its results live.  Borrowed for the call. */
struct identity_ask {
	struct db *db;
	struct tenant_id tenant;
	/* by->who NULL: the system, which may do everything. */
	const struct caller *by;
	/* An operation of the platform, whose rights were checked by it: by->who is an operator,
	 * for the audit log alone. */
	bool platform;
	/* The defaults of limits; what was set for the tenant holds in their place.  NULL: nothing
	 * is limited. */
	const struct quota_amounts *quotas;
	struct identity_once *once; /* of creations; NULL: no Idempotency-Key */
	struct arena *mem;
};

enum {
	IDENTITY_ANY_VERSION = -1, /* as if_version */
	IDENTITY_NAME_MAX = 63,    /* characters of a user's, key's or issuer's name */
	IDENTITY_TITLE_MAX = 255,  /* characters, like the next two */
	IDENTITY_EMAIL_MAX = 254,
	IDENTITY_SUBJECT_MAX = 255,
	/* Roles of one user or key: lists show them all. */
	IDENTITY_ROLES_MAX = 64
};

/* Members of a change that may be left alone. */
struct identity_text {
	bool set;
	const char *v; /* NULL: cleared, where that is possible */
};
struct identity_flag {
	bool set, v;
};
struct identity_time {
	bool set;
	int64_t wall_us; /* 0: cleared */
};

/* A part of a list, newest first. */
struct identity_page {
	struct uuid before; /* nil: from the newest on */
	int64_t limit;      /* 1 to CAP_PAGE_ITEMS */
};

/* A role as others see it: its name, system or the tenant's own, and where. */
struct identity_role_ref {
	const char *role;
	struct uuid project; /* nil: in the whole tenant */
};
struct identity_roles {
	const struct identity_role_ref *p;
	size_t n; /* at most IDENTITY_ROLES_MAX */
};

/* --- projects ------------------------------------------------------------------------------- */

struct identity_project {
	struct uuid id;
	const char *name, *title;                  /* title: NULL when there is none */
	int64_t created_wall_us, archived_wall_us; /* archived: 0 when it is not */
	int64_t version;
};
struct identity_projects {
	struct identity_project *p;
	size_t n;
	bool more;
};
struct identity_project_filter {
	struct identity_page page;
	const struct scope *scope; /* what lies elsewhere is not found */
	struct identity_flag archived;
};
struct identity_project_change {
	struct identity_text name, title;
	struct identity_flag archived;
};
int identity_project_get(struct db *db, struct tenant_id tenant, const struct scope *scope,
    struct uuid id, struct arena *mem, struct identity_project *ret, struct err *e) MUST_CHECK;
int identity_project_list(struct db *db, struct tenant_id tenant,
    const struct identity_project_filter *f, struct arena *mem, struct identity_projects *ret,
    struct err *e) MUST_CHECK;
int identity_project_create(const struct identity_ask *a, const char *name, const char *title,
    struct identity_project *ret, struct err *e) MUST_CHECK;
int identity_project_update(const struct identity_ask *a, struct uuid id,
    const struct identity_project_change *c, int64_t if_version, struct identity_project *ret,
    struct err *e) MUST_CHECK;
/* With its role assignments and limits.  ERR_IN_USE while it has jobs, and while a key or an issuer
 * refers to it. */
int identity_project_delete(
    const struct identity_ask *a, struct uuid id, int64_t if_version, struct err *e) MUST_CHECK;
void identity_project_print(const struct identity_project *p, struct json_out *o);

/* --- users ---------------------------------------------------------------------------------- */

struct identity_user {
	struct uuid id;
	bool person; /* else a service account */
	const char *name;
	const char *email;                         /* NULL: none */
	struct uuid issuer;                        /* nil: none */
	const char *subject;                       /* NULL with a nil issuer */
	int64_t created_wall_us, disabled_wall_us; /* disabled: 0 when it is not */
	int64_t version;
	struct identity_roles roles;
};
struct identity_users {
	struct identity_user *p;
	size_t n;
	bool more;
};
struct identity_user_filter {
	struct identity_page page;
	struct identity_flag person, disabled;
};
struct identity_user_new {
	bool person;
	const char *name, *email;
	struct uuid issuer; /* nil and NULL: none */
	const char *subject;
	struct identity_roles roles;
};
struct identity_user_change {
	struct identity_text name, email, subject;
	struct {
		bool set;
		struct uuid id; /* nil: cleared */
	} issuer;
	struct identity_flag disabled;
};
int identity_user_get(struct db *db, struct tenant_id tenant, struct uuid id, struct arena *mem,
    struct identity_user *ret, struct err *e) MUST_CHECK;
int identity_user_list(struct db *db, struct tenant_id tenant, const struct identity_user_filter *f,
    struct arena *mem, struct identity_users *ret, struct err *e) MUST_CHECK;
/* Whether such a user can be at all, as far as its own members tell. */
int identity_user_check(
    const struct identity_user_new *n, struct arena *mem, struct err *e) MUST_CHECK;
int identity_user_create(const struct identity_ask *a, const struct identity_user_new *n,
    struct identity_user *ret, struct err *e) MUST_CHECK;
int identity_user_update(const struct identity_ask *a, struct uuid id,
    const struct identity_user_change *c, int64_t if_version, struct identity_user *ret,
    struct err *e) MUST_CHECK;
/* With its role assignments.  with_keys: its keys go, too; else they are ERR_IN_USE. */
int identity_user_delete(const struct identity_ask *a, struct uuid id, bool with_keys,
    int64_t if_version, struct err *e) MUST_CHECK;
void identity_user_print(const struct identity_user *u, struct json_out *o);
/* [{"role", "project"}], of users and keys. */
void identity_roles_print(const struct identity_roles *r, struct json_out *o);

/* --- the first of all: wardiand bootstrap --------------------------------------------------- */

/* Makes a key of the service account `user`, which has the system role in the whole tenant; when
 * there is none, it is made, under another name when somebody without the role has that one (an
 * operator: ERR_CONFLICT).  text holds AUTH_KEY_SIZE (64) bytes; the caller wipes it. */
struct identity_first {
	const char *user, *key_name;
	enum system_role role;
};
int identity_first_key(const struct identity_ask *a, const struct identity_first *f,
    char text[static 64], struct err *e) MUST_CHECK;

#endif
