/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api_route_internal.h"

#include <stdio.h>
#include <string.h>

static void
literal_paths_match_exactly(void **state)
{
	struct route_match m;

	(void)state;
	assert_true(route_matches("/v1/jobs", "/v1/jobs", &m));
	assert_int_equal(m.n, 0);
	assert_false(route_matches("/v1/jobs", "/v1/jobs/", &m));
	assert_false(route_matches("/v1/jobs", "/v1/job", &m));
	assert_false(route_matches("/v1/jobs", "/V1/jobs", &m));
	assert_false(route_matches("/v1/jobs", "", &m));
	assert_false(route_matches("/v1/jobs", "/v1/%6aobs", &m));
}

static void
a_placeholder_takes_one_segment_or_the_rest(void **state)
{
	struct route_match m;

	(void)state;
	assert_true(route_matches("/j/{job}/files/{path...}", "/j/x1/files/a/b/c", &m));
	assert_int_equal(m.n, 2);
	assert_int_equal(m.args[0].name_n, 3);
	assert_memory_equal(m.args[0].raw, "x1", 2);
	assert_int_equal(m.args[0].raw_n, 2);
	assert_int_equal(m.args[1].name_n, 4);
	assert_memory_equal(m.args[1].name, "path", 4);
	assert_int_equal(m.args[1].raw_n, 5);
	assert_false(route_matches("/j/{job}/files/{path...}", "/j/x1/files/", &m));
	assert_false(route_matches("/j/{job}", "/j/", &m));
	assert_false(route_matches("/j/{job}", "/j/a/b", &m));
	assert_false(route_matches("/j/{job}/log", "/j//log", &m));
}

static void
methods_that_a_path_has_are_reported(void **state)
{
	struct route_match m;
	char allow[ROUTE_ALLOW_SIZE];
	unsigned allowed;

	(void)state;
	assert_non_null(route_find("GET", "/v1/jobs", &m, &allowed));
	assert_string_equal(route_allow(allowed, allow), "GET, HEAD, POST, OPTIONS");
	assert_null(route_find("DELETE", "/v1/me", &m, &allowed));
	assert_string_equal(route_allow(allowed, allow), "GET, HEAD, OPTIONS");
	assert_null(route_find("GET", "/simulate", &m, &allowed));
	assert_string_equal(route_allow(allowed, allow), "POST, OPTIONS");
	assert_null(route_find("GET", "/nowhere", &m, &allowed));
	assert_int_equal(allowed, 0);
}

static void
head_goes_to_get(void **state)
{
	struct route_match m;
	unsigned allowed;

	(void)state;
	assert_ptr_equal(
	    route_find("HEAD", "/livez", &m, &allowed), route_find("GET", "/livez", &m, &allowed));
}

static void
each_concrete_path_has_one_route_per_method(void **state)
{
	(void)state;
	for (size_t i = 0; i < route_count(); i++)
		for (size_t j = i + 1; j < route_count(); j++) {
			const struct route *a = route_at(i), *b = route_at(j);
			struct route_match m;

			/* A template is itself a path that its own kind matches. */
			if (a->method == b->method)
				assert_false(route_matches(a->path, b->path, &m) &&
					     strchr(a->path, '{') == NULL);
			assert_false(a->method == b->method && strcmp(a->path, b->path) == 0);
		}
}

static void
all_methods_of_a_path_are_allowed_in_one_order(void **state)
{
	char allow[ROUTE_ALLOW_SIZE];

	(void)state;
	assert_string_equal(route_allow((1u << ROUTE_METHOD_COUNT) - 1, allow),
	    "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
	assert_string_equal(route_allow(1u << ROUTE_DELETE, allow), "DELETE, OPTIONS");
	assert_string_equal(route_allow(0, allow), "OPTIONS");
}

static void
a_method_chooses_among_the_routes_of_a_path(void **state)
{
	struct route_match m;
	unsigned allowed;
	const struct route *get, *patch;

	(void)state;
	get = route_find("GET", "/v1/tenant", &m, &allowed);
	patch = route_find("PATCH", "/v1/tenant", &m, &allowed);
	assert_non_null(get);
	assert_non_null(patch);
	assert_int_equal(get->method, ROUTE_GET);
	assert_int_equal(patch->method, ROUTE_PATCH);
	assert_int_equal(allowed, 1u << ROUTE_GET | 1u << ROUTE_PATCH);
	assert_null(route_find("patch", "/v1/tenant", &m, &allowed));
	assert_null(route_find("PUT", "/v1/tenant", &m, &allowed));
}

/* A path that is open to everybody needs a reason, and stands here with it. */
static const struct {
	const char *path, *why;
} open_to_all[] = {
	{ "/livez", "a probe of a supervisor that has no key" },
	{ "/readyz", "the same of a load balancer" },
	{ "/metrics", "numbers of the process; nothing of a tenant is among them" },
	{ "/openapi.json", "the description of what everybody may read in the source" },
	{ "/problems", "where the `type` of an answer without a credential leads" },
	{ "/problems/{slug}", "the same" },
	{ "/.well-known/jwks.json", "public keys, for those who check tokens themselves" },
};

static bool
is_open(const char *path)
{
	for (size_t i = 0; i < ARRAY_LEN(open_to_all); i++)
		if (strcmp(open_to_all[i].path, path) == 0)
			return open_to_all[i].why[0] != '\0';
	return false;
}

static void
every_route_needs_a_credential_or_has_a_reason_not_to(void **state)
{
	(void)state;
	for (size_t i = 0; i < route_count(); i++) {
		const struct route *r = route_at(i);

		if ((r->access == ROUTE_MAY_PUBLIC) != is_open(r->path))
			fail_msg("%s %s: %s", route_method_name(r->method), r->path,
			    is_open(r->path) ? "needs a credential" : "is open without a reason");
		if (r->access == ROUTE_MAY_PUBLIC)
			assert_int_equal(r->method, ROUTE_GET);
		/* Who asks, and what the audit log is told, is found out by blocking. */
		if ((r->flags & ROUTE_INLINE) != 0)
			assert_int_equal(r->access, ROUTE_MAY_PUBLIC);
	}
}

/* Any valid credential will do where a caller learns about itself alone, or gives itself up. */
static const char *const about_oneself[] = { "/v1/me", "/v1/me/permissions", "/v1/permissions",
	"/v1/access/check", "/v1/auth/revoke" };

static void
every_route_names_its_permission_unless_it_is_about_the_caller(void **state)
{
	(void)state;
	for (size_t i = 0; i < route_count(); i++) {
		const struct route *r = route_at(i);
		bool self = false;

		for (size_t k = 0; k < ARRAY_LEN(about_oneself); k++)
			self = self || strcmp(about_oneself[k], r->path) == 0;
		if ((r->access == ROUTE_MAY_ANYONE) != self)
			fail_msg("%s %s", route_method_name(r->method), r->path);
		assert_int_equal(route_permission(r) == PERM_NONE, r->access >= ROUTE_MAY_ANYONE);
	}
}

/* Reading needs no more than a permission to read, and changing more than one. */
static void
permissions_fit_what_the_methods_do(void **state)
{
	(void)state;
	for (size_t i = 0; i < route_count(); i++) {
		const struct route *r = route_at(i);
		enum permission p = route_permission(r);
		const char *verb = p == PERM_NONE ? NULL : strchr(permission_name(p), ':');
		bool reads;

		if (verb == NULL)
			continue;
		reads = strcmp(verb, ":read") == 0 || strcmp(verb, ":test") == 0;
		if ((r->method == ROUTE_GET) != reads)
			fail_msg("%s %s needs %s", route_method_name(r->method), r->path,
			    permission_name(p));
	}
}

/* "/v1/jobs/{job}/files/{path...}" of GET as "api_get_jobs_job_files_path". */
static void
name_of(const struct route *r, char out[static 128])
{
	const char *p = strncmp(r->path, "/v1/", 4) == 0 ? r->path + 3 : r->path;
	size_t n = (size_t)snprintf(out, 128, "api_%s", route_method_name(r->method));

	for (; *p != '\0' && strcmp(p, ".json") != 0 && n < 127; p++)
		if (*p == '/' || *p == '-')
			out[n++] = '_';
		else if (strchr("{}.", *p) == NULL)
			out[n++] = *p;
	out[n] = '\0';
	for (size_t i = 0; i < n; i++)
		out[i] = (char)(out[i] >= 'A' && out[i] <= 'Z' ? out[i] + ('a' - 'A') : out[i]);
}

static void
handlers_are_named_by_method_and_path(void **state)
{
	(void)state;
	for (size_t i = 0; i < route_count(); i++) {
		char name[128];

		name_of(route_at(i), name);
		assert_string_equal(route_at(i)->name, name);
	}
}

static void
placeholders_are_ids_of_a_type_or_known_names(void **state)
{
	static const char *const names[] = { "role", "environment", "slug", "path", "attempt" };

	(void)state;
	for (size_t i = 0; i < route_count(); i++)
		for (const char *p = route_at(i)->path; (p = strchr(p, '{')) != NULL; p++) {
			size_t n = strcspn(p + 1, ".}");
			bool known = route_id_prefix(p + 1, n) != NULL;

			for (size_t k = 0; k < ARRAY_LEN(names); k++)
				known = known ||
					(strlen(names[k]) == n && memcmp(names[k], p + 1, n) == 0);
			if (!known)
				fail_msg("%s", route_at(i)->path);
		}
	assert_string_equal(route_id_prefix("tenant}", 6), "ten");
	assert_null(route_id_prefix("tenants}", 7));
	assert_null(route_id_prefix("job", 2));
}

/* What has no body cap refuses bodies: changes that need one have to say so. */
static void
changes_of_a_resource_take_a_body(void **state)
{
	(void)state;
	for (size_t i = 0; i < route_count(); i++) {
		const struct route *r = route_at(i);

		if (r->method == ROUTE_PUT || r->method == ROUTE_PATCH)
			assert_true(r->body_max > 0);
		if (r->method == ROUTE_GET || r->method == ROUTE_DELETE)
			assert_int_equal(r->body_max, 0);
		assert_false((r->flags & ROUTE_BODY_OPTIONAL) != 0 && r->body_max == 0);
		assert_false((r->flags & ROUTE_SENSITIVE) != 0 && r->method != ROUTE_GET);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(literal_paths_match_exactly),
		cmocka_unit_test(a_placeholder_takes_one_segment_or_the_rest),
		cmocka_unit_test(methods_that_a_path_has_are_reported),
		cmocka_unit_test(head_goes_to_get),
		cmocka_unit_test(each_concrete_path_has_one_route_per_method),
		cmocka_unit_test(all_methods_of_a_path_are_allowed_in_one_order),
		cmocka_unit_test(a_method_chooses_among_the_routes_of_a_path),
		cmocka_unit_test(every_route_needs_a_credential_or_has_a_reason_not_to),
		cmocka_unit_test(every_route_names_its_permission_unless_it_is_about_the_caller),
		cmocka_unit_test(permissions_fit_what_the_methods_do),
		cmocka_unit_test(handlers_are_named_by_method_and_path),
		cmocka_unit_test(placeholders_are_ids_of_a_type_or_known_names),
		cmocka_unit_test(changes_of_a_resource_take_a_body),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
