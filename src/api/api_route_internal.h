/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_ROUTE_INTERNAL_H
#define API_ROUTE_INTERNAL_H

/* The route table and the matcher; pure. */

#include "access.h"
#include "base.h"
#include "err.h"

#include <stdbool.h>

struct req;

enum route_method {
	ROUTE_GET,
	ROUTE_POST,
	ROUTE_PUT,
	ROUTE_PATCH,
	ROUTE_DELETE,
	ROUTE_METHOD_COUNT
};
/* Who may: holders of one permission, ANYONE with a valid credential, or everybody. */
enum route_access {
#define PERMISSION(name, text, level, roles, sentence) ROUTE_MAY_##name = PERM_##name,
#include "permission.def"
#undef PERMISSION
	ROUTE_MAY_ANYONE = PERM_NONE,
	ROUTE_MAY_PUBLIC
};
/* What the endpoint answers with, for Accept. */
enum route_media {
	ROUTE_JSON,
	ROUTE_TEXT,
	ROUTE_JSON_OR_TEXT,
	ROUTE_LOG,
	ROUTE_EXPORT, /* JSON, NDJSON or CSV */
	ROUTE_NDJSON,
	ROUTE_ANY,
	ROUTE_MEDIA_COUNT
};
enum {
	ROUTE_QUIET = 1,     /* probes: logged at debug */
	ROUTE_INLINE = 2,    /* answered on the HTTP loop, so that a full queue does not hide it */
	ROUTE_QUERY = 4,     /* the handler reads query parameters; without it, any is refused */
	ROUTE_TOGETHER = 32, /* a change that is stored together with others (group commit) */
	ROUTE_SENSITIVE = 8, /* successful reads are recorded in the audit log, too */
	ROUTE_BODY_OPTIONAL = 16 /* no body counts as {} */
};
/* Body cap of everything that is no job: issuers' key sets (32 KiB) with their rules fit. */
enum { ROUTE_BODY_BYTES = 64 << 10 };

struct route {
	const char *path; /* template: {name} is one segment, {name...} the rest */
	int (*handler)(struct req *rq, struct err *e);
	const char *name; /* of the handler: api_<method>_<path>, which is its file's name, too */
	int64_t body_max;
	enum route_method method;
	enum route_access access;
	enum route_media media;
	unsigned flags;
};

#define ROUTE(method, path, handler, access, body_max, media, flags)                               \
	int handler(struct req *rq, struct err *e) MUST_CHECK;
#include "api_routes.def"
#undef ROUTE

enum { ROUTE_ARGS_MAX = 2 };
struct route_match {
	size_t n;
	struct {
		const char *name; /* points into the template, "job}/log" */
		size_t name_n;
		const char *raw; /* points into the path, undecoded */
		size_t raw_n;
	} args[ROUTE_ARGS_MAX];
};

size_t route_count(void);
const struct route *route_at(size_t i);
const char *route_method_name(enum route_method m);
/* PERM_NONE for ANYONE and PUBLIC. */
enum permission route_permission(const struct route *r);
/* Type of the id that a placeholder stands for ("job" -> "job", "tenant" -> "ten"); NULL when it
 * is a name. */
const char *route_id_prefix(const char *name, size_t name_n);
/* False when the path does not fit the template. */
bool route_matches(const char *template, const char *path, struct route_match *ret);
/* The route, or NULL; *ret_allowed: bit per route_method that the path has. */
const struct route *route_find(
    const char *method, const char *path, struct route_match *ret, unsigned *ret_allowed);
/* "GET, HEAD, OPTIONS" */
enum { ROUTE_ALLOW_SIZE = 64 };
const char *route_allow(unsigned allowed, char out[static ROUTE_ALLOW_SIZE]);
/* Whether HTTP knows the method; others are 501. */
bool route_method_known(const char *method);

#endif
