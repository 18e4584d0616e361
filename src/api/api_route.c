/* SPDX-License-Identifier: Apache-2.0 */
#include "api_route_internal.h"

#include "caps.h"

#include <stdio.h>
#include <string.h>

static const struct route routes[] = {
#define ROUTE(method, path, handler, access, body_max, media, flags)                               \
	{ path, handler, #handler, body_max, ROUTE_##method, ROUTE_MAY_##access, media, flags },
#include "api_routes.def"
#undef ROUTE
};

static const char *const method_names[ROUTE_METHOD_COUNT] = {
	[ROUTE_GET] = "GET",
	[ROUTE_POST] = "POST",
	[ROUTE_PUT] = "PUT",
	[ROUTE_PATCH] = "PATCH",
	[ROUTE_DELETE] = "DELETE",
};

/* Placeholders that are ids of one type; others are names. */
static const struct {
	const char *name, *prefix;
} ids[] = {
	{ "job", "job" },
	{ "tenant", "ten" },
	{ "project", "prj" },
	{ "user", "usr" },
	{ "assignment", "asg" },
	{ "key", "key" },
	{ "issuer", "iss" },
	{ "support", "sup" },
	{ "operation", "opr" },
};

size_t
route_count(void)
{
	return ARRAY_LEN(routes);
}

const struct route *
route_at(size_t i)
{
	REQUIRE(i < ARRAY_LEN(routes));
	return &routes[i];
}

const char *
route_method_name(enum route_method m)
{
	return method_names[m];
}

enum permission
route_permission(const struct route *r)
{
	return r->access < ROUTE_MAY_ANYONE ? (enum permission)r->access : PERM_NONE;
}

const char *
route_id_prefix(const char *name, size_t name_n)
{
	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		if (strlen(ids[i].name) == name_n && memcmp(ids[i].name, name, name_n) == 0)
			return ids[i].prefix;
	return NULL;
}

/* Takes one {placeholder} of the template; the length of the path that it covers, 0 for none. */
static size_t
take_arg(const char *open, const char *close, const char *path, struct route_match *m)
{
	bool rest = close[-1] == '.';
	size_t n = rest ? strlen(path) : strcspn(path, "/");

	REQUIRE(m->n < ROUTE_ARGS_MAX);
	m->args[m->n].name = open + 1;
	m->args[m->n].name_n = (size_t)(close - open) - 1 - (rest ? 3 : 0);
	m->args[m->n].raw = path;
	m->args[m->n].raw_n = n;
	m->n++;
	return n;
}

bool
route_matches(const char *template, const char *path, struct route_match *ret)
{
	struct route_match m = { 0 };

	while (*template != '\0') {
		if (*template == '{') {
			const char *close = strchr(template, '}');
			size_t n;

			REQUIRE(close != NULL);
			n = take_arg(template, close, path, &m);
			if (n == 0)
				return false;
			template = close + 1;
			path += n;
		} else if (*template ++ != *path++) {
			return false; /* at the path's end, too: NUL is in no template */
		}
	}
	if (*path != '\0')
		return false;
	*ret = m;
	return true;
}

const struct route *
route_find(const char *method, const char *path, struct route_match *ret, unsigned *ret_allowed)
{
	const struct route *found = NULL;
	unsigned allowed = 0;
	struct route_match m;

	if (strcmp(method, "HEAD") == 0)
		method = "GET";
	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		if (!route_matches(routes[i].path, path, &m))
			continue;
		allowed |= 1u << routes[i].method;
		if (strcmp(method_names[routes[i].method], method) == 0) {
			found = &routes[i];
			*ret = m;
		}
	}
	*ret_allowed = allowed;
	return found;
}

const char *
route_allow(unsigned allowed, char out[static ROUTE_ALLOW_SIZE])
{
	static const char *const words[ROUTE_METHOD_COUNT] = {
		[ROUTE_GET] = "GET, HEAD, ",
		[ROUTE_POST] = "POST, ",
		[ROUTE_PUT] = "PUT, ",
		[ROUTE_PATCH] = "PATCH, ",
		[ROUTE_DELETE] = "DELETE, ",
	};
	size_t n = 0;

	for (size_t m = 0; m < ARRAY_LEN(words); m++)
		if ((allowed & 1u << m) != 0) {
			memcpy(out + n, words[m], strlen(words[m]));
			n += strlen(words[m]);
		}
	memcpy(out + n, "OPTIONS", sizeof("OPTIONS")); /* all of them have 46 bytes */
	return out;
}

bool
route_method_known(const char *method)
{
	static const char *const known[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE",
		"OPTIONS" };

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strcmp(known[i], method) == 0)
			return true;
	return false;
}
