/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_IDENTITY_INTERNAL_H
#define API_IDENTITY_INTERNAL_H

/* What the endpoints of projects, users, roles, keys and issuers share: members of bodies that
 * several of them take, and the end of a change. */

#include "api_internal.h"
#include "api_query_internal.h"

#include "identity.h"
#include "identity_key.h"

/* --- bodies ----------------------------------------------------------------------------------- */

/* The decoder counts bytes, the stores characters of at most four. */
enum {
	WISH_NAME_BYTES = 4 * IDENTITY_NAME_MAX,
	WISH_TITLE_BYTES = 4 * IDENTITY_TITLE_MAX,
	WISH_EMAIL_BYTES = 4 * IDENTITY_EMAIL_MAX,
	WISH_SUBJECT_BYTES = 4 * IDENTITY_SUBJECT_MAX
};

/* Members of a patch: absent is unchanged.  Nullable ones need req_cleared after the decoding. */
#define PATCH_TEXT(nm, t, max_n, fl)                                                               \
	{                                                                                          \
		.name = (nm), .kind = JSON_KIND_TEXT, .flags = (fl), .dest = &(t)->v,              \
		.present = &(t)->set, .min = 1, .max = (max_n)                                     \
	}
#define PATCH_FLAG(nm, f)                                                                          \
	{                                                                                          \
		.name = (nm), .kind = JSON_KIND_BOOL, .dest = &(f)->v, .present = &(f)->set        \
	}
/* Whether a nullable member was given as null. */
bool req_cleared(const struct req *rq, const char *member, bool present);
void req_text_cleared(const struct req *rq, const char *member, struct identity_text *t);

/* [{"role", "project"}]. */
struct roles_wish {
	struct identity_role_ref refs[IDENTITY_ROLES_MAX];
	size_t n;
};
int req_role_each(
    struct json_decoder *d, const struct json_value *v, size_t index, const char *name, void *ctx);
#define WISH_ROLES(w) JSON_EACH("roles", req_role_each, w, IDENTITY_ROLES_MAX, 0)
struct identity_roles req_roles(const struct roles_wish *w);

/* ["job:read"] into a permission_set, ["10.0.0.0/8"] into struct net_cidrs. */
int req_permission_each(
    struct json_decoder *d, const struct json_value *v, size_t index, const char *name, void *ctx);
int req_cidr_each(
    struct json_decoder *d, const struct json_value *v, size_t index, const char *name, void *ctx);
/* A list that must not be empty; null is no limit. */
#define WISH_LIST(nm, fn, dst, there, max_n, fl)                                                   \
	{                                                                                          \
		.name = (nm), .kind = JSON_KIND_EACH, .flags = (fl), .each = (fn), .ctx = (dst),   \
		.present = (there), .min = 1, .max = (max_n)                                       \
	}
/* RFC 3339 text (NULL: absent) of a member; records a fault. */
void req_body_time(const char *text, const char *pointer, int64_t *ret_wall_us, struct err *e);
/* "person" or "service"; NULL is the latter. */
void req_body_kind(const char *text, bool *ret_person, struct err *e);

/* --- queries ---------------------------------------------------------------------------------- */

/* "true", "false" or NULL for a filter that was not given. */
#define QUERY_EITHER(nm, dst) QUERY_WORDS(nm, "true false", dst)
struct identity_flag req_either(const char *word);
struct identity_page req_page(const struct page *p);

/* --- changes ---------------------------------------------------------------------------------- */

/* req_ask with the request's Idempotency-Key. */
int req_ask_once(
    struct req *rq, struct identity_once *once, struct identity_ask *ret, struct err *e) MUST_CHECK;
/* What this daemon remembers of the tenant's rights is looked up again; the others learn of it by
 * the tenant's version. */
void req_rights_changed(struct req *rq);
/* 204 of a change of rights. */
int req_reply_removed(struct req *rq, struct err *e) MUST_CHECK;

#endif
