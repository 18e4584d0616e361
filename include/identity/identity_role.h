/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IDENTITY_ROLE_H
#define IDENTITY_ROLE_H

/*
 * Roles, who has them where, and why somebody may do something.  System roles are in the program;
 * the others are the tenant's own.  Names are unique over both.
 */

#include "identity.h"

struct identity_role {
	struct uuid id;           /* nil: a system role */
	const char *name, *title; /* title: NULL when there is none */
	bool system;
	permission_set permissions;
	int64_t created_wall_us; /* 0 for system roles */
	int64_t version;         /* 1 for system roles */
};
struct identity_role_list {
	struct identity_role *p;
	size_t n;
};
struct identity_role_new {
	const char *name, *title;
	permission_set permissions;
};
struct identity_role_change {
	struct identity_text name, title;
	struct {
		bool set;
		permission_set v;
	} permissions;
};
/* ref: a role's id (rol_...) or name. */
int identity_role_get(struct db *db, struct tenant_id tenant, const char *ref, struct arena *mem,
    struct identity_role *ret, struct err *e) MUST_CHECK;
/* The system roles that can be assigned in this tenant, then its own by name. */
int identity_role_list(struct db *db, struct tenant_id tenant, struct arena *mem,
    struct identity_role_list *ret, struct err *e) MUST_CHECK;
int identity_role_create(const struct identity_ask *a, const struct identity_role_new *n,
    struct identity_role *ret, struct err *e) MUST_CHECK;
/* ERR_DENIED for system roles. */
int identity_role_update(const struct identity_ask *a, const char *ref,
    const struct identity_role_change *c, int64_t if_version, struct identity_role *ret,
    struct err *e) MUST_CHECK;
/* ERR_IN_USE while somebody has it or an issuer's rule names it. */
int identity_role_delete(
    const struct identity_ask *a, const char *ref, int64_t if_version, struct err *e) MUST_CHECK;
void identity_role_print(const struct identity_role *r, struct json_out *o);

/* --- assignments ---------------------------------------------------------------------------- */

struct identity_assignment {
	struct uuid id;
	struct uuid user, key; /* one of them is nil */
	struct identity_role_ref role;
	int64_t created_wall_us;
};
struct identity_assignments {
	struct identity_assignment *p;
	size_t n;
	bool more;
};
struct identity_assignment_filter {
	struct identity_page page;
	struct uuid user, key, project; /* nil: any */
	const char *role;               /* a name; NULL: any */
};
struct identity_assignment_new {
	struct uuid user, key; /* one of them is nil */
	struct identity_role_ref role;
};
int identity_assignment_list(struct db *db, struct tenant_id tenant,
    const struct identity_assignment_filter *f, struct arena *mem, struct identity_assignments *ret,
    struct err *e) MUST_CHECK;
/* An assignment that is there already is returned as it is: *ret_made tells. */
int identity_assignment_create(const struct identity_ask *a,
    const struct identity_assignment_new *n, struct identity_assignment *ret, bool *ret_made,
    struct err *e) MUST_CHECK;
/* A key's last role stays (ERR_IN_USE): without one it could do all that its owner may. */
int identity_assignment_delete(
    const struct identity_ask *a, struct uuid id, struct err *e) MUST_CHECK;
void identity_assignment_print(const struct identity_assignment *x, struct json_out *o);

/* --- why ------------------------------------------------------------------------------------ */

/* Whether a user or a key may do something, where (project nil: in the whole tenant), and why. */
struct identity_question {
	struct uuid user, key; /* one of them is nil */
	enum permission permission;
	struct uuid project;
};
struct identity_reason {
	struct identity_role_ref role;
	bool of_key; /* a role that the key is limited to; else one of its owner */
};
enum { IDENTITY_LIMITS_MAX = 8 };
struct identity_explanation {
	bool allowed;
	/* Roles that hold the permission there, whether or not a limit stands against it. */
	const struct identity_reason *reasons;
	size_t n_reasons;
	const char *limits[IDENTITY_LIMITS_MAX]; /* what stands against it, in words */
	size_t n_limits;
	const char *sentence; /* the answer for a person */
};
/* ERR_NOT_FOUND for unknown users, keys and projects. */
int identity_explain(struct db *db, struct tenant_id tenant, const struct identity_question *q,
    struct arena *mem, struct identity_explanation *ret, struct err *e) MUST_CHECK;

#endif
