/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_ROUTE_INTERNAL_H
#define API_ROUTE_INTERNAL_H

/* The route table and the matcher; pure. */

#include "base.h"
#include "err.h"

#include <stdbool.h>

struct req;

enum route_method { ROUTE_GET, ROUTE_POST, ROUTE_METHOD_COUNT };
enum route_access { ROUTE_PUBLIC, ROUTE_KEY };
/* What the endpoint answers with, for Accept. */
enum route_media { ROUTE_JSON, ROUTE_TEXT, ROUTE_JSON_OR_TEXT, ROUTE_LOG, ROUTE_ANY };
enum {
	ROUTE_QUIET = 1,  /* probes: logged at debug */
	ROUTE_INLINE = 2, /* answered on the HTTP loop, so that a full queue does not hide it */
	ROUTE_QUERY = 4   /* the handler reads query parameters; without it, any is refused */
};

struct route {
	const char *path; /* template: {name} is one segment, {name...} the rest */
	int (*handler)(struct req *rq, struct err *e);
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
/* False when the path does not fit the template. */
bool route_matches(const char *template, const char *path, struct route_match *ret);
/* The route, or NULL; *ret_allowed: bit per route_method that the path has. */
const struct route *route_find(
    const char *method, const char *path, struct route_match *ret, unsigned *ret_allowed);
/* "GET, HEAD, OPTIONS" */
enum { ROUTE_ALLOW_SIZE = 48 };
const char *route_allow(unsigned allowed, char out[static ROUTE_ALLOW_SIZE]);
/* Whether HTTP knows the method; others are 501. */
bool route_method_known(const char *method);

#endif
