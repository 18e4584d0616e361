/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api_route_internal.h"

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
everything_below_v1_needs_a_key(void **state)
{
	(void)state;
	for (size_t i = 0; i < route_count(); i++) {
		const struct route *r = route_at(i);

		if (strncmp(r->path, "/v1/", 4) == 0 || r->method == ROUTE_POST)
			assert_int_equal(r->access, ROUTE_KEY);
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
		cmocka_unit_test(everything_below_v1_needs_a_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
