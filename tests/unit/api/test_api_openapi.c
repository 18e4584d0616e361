/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api_internal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* The description and the route table, the error table and the state table say the same. */

extern const unsigned char api_openapi_json[];

static int
parse(void **state)
{
	struct err e = { 0 };
	struct json *doc;
	const char *text = (const char *)api_openapi_json;

	json_start();
	if (json_parse(text, strlen(text), &doc, &e) < 0)
		fail_msg("%s", e.msg);
	*state = doc;
	return 0;
}

static int
release(void **state)
{
	json_free(*state);
	return 0;
}

static const struct json_value *
at(const struct json_value *v, const char *const *names)
{
	for (; *names != NULL && v != NULL; names++)
		v = json_member(v, *names);
	return v;
}
#define AT(v, ...) at((v), (const char *const[]){ __VA_ARGS__, NULL })

/* "/files/{path...}" of the table is "/files/{path}" of the description. */
static void
described_path(const struct route *r, char out[static 128])
{
	char *dots;

	(void)snprintf(out, 128, "%s", r->path);
	dots = strstr(out, "...}");
	if (dots != NULL)
		memcpy(dots, "}", 2);
}

static const struct json_value *
operation(const struct json *doc, const struct route *r)
{
	char path[128], method[8];

	described_path(r, path);
	(void)snprintf(method, sizeof(method), "%s",
	    r->method == ROUTE_GET    ? "get"
	    : r->method == ROUTE_POST ? "post"
				      : "?");
	return AT(json_root(doc), "paths", path, method);
}

static void
every_route_has_an_operation(void **state)
{
	for (size_t i = 0; i < route_count(); i++)
		if (operation(*state, route_at(i)) == NULL)
			fail_msg("%s %s is not described", route_method_name(route_at(i)->method),
			    route_at(i)->path);
}

struct place {
	const char *path;
	int n;
};

static int
check_operation(void *ctx, const char *method, const struct json_value *v)
{
	struct place *p = ctx;

	(void)v;
	for (size_t i = 0; i < route_count(); i++) {
		char path[128];

		described_path(route_at(i), path);
		if (strcmp(path, p->path) == 0 &&
		    strcasecmp(route_method_name(route_at(i)->method), method) == 0) {
			p->n++;
			return 0;
		}
	}
	fail_msg("%s %s is described, but not served", method, p->path);
	return -1;
}

static int
check_path(void *ctx, const char *path, const struct json_value *v)
{
	struct place *total = ctx;
	struct place p = { .path = path };

	assert_int_equal(json_for_each(v, check_operation, &p), 0);
	total->n += p.n;
	return 0;
}

static void
every_operation_has_a_route(void **state)
{
	struct place total = { 0 };

	assert_int_equal(json_for_each(AT(json_root(*state), "paths"), check_path, &total), 0);
	assert_int_equal(total.n, route_count());
}

static void
operations_ask_for_a_key_where_routes_do(void **state)
{
	for (size_t i = 0; i < route_count(); i++) {
		const struct route *r = route_at(i);
		const struct json_value *op = operation(*state, r);

		assert_int_equal(json_count(AT(op, "security")), r->access == ROUTE_KEY ? 2 : 0);
		assert_int_equal(AT(op, "responses", "401") != NULL, r->access == ROUTE_KEY);
	}
}

static void
operations_take_a_body_where_routes_do(void **state)
{
	for (size_t i = 0; i < route_count(); i++) {
		const struct json_value *op = operation(*state, route_at(i));

		assert_int_equal(AT(op, "requestBody") != NULL, route_at(i)->body_max > 0);
		assert_int_equal(AT(op, "responses", "415") != NULL, route_at(i)->body_max > 0);
	}
}

/* Follows a reference such as "#/components/parameters/Job". */
static const struct json_value *
resolve(const struct json *doc, const struct json_value *v)
{
	const char *to;
	char names[4][64] = { { 0 } };

	if (json_member(v, "$ref") == NULL || !json_get_text(json_member(v, "$ref"), &to))
		return v;
	assert_int_equal(sscanf(to, "#/%63[^/]/%63[^/]/%63[^/]", names[0], names[1], names[2]), 3);
	return AT(json_root(doc), names[0], names[1], names[2]);
}

static void
operations_take_query_parameters_where_routes_do(void **state)
{
	for (size_t i = 0; i < route_count(); i++) {
		const struct json_value *params = AT(operation(*state, route_at(i)), "parameters");
		bool any = false;

		for (size_t k = 0; k < json_count(params); k++) {
			const char *in = "";

			assert_true(
			    json_get_text(AT(resolve(*state, json_at(params, k)), "in"), &in));
			any = any || strcmp(in, "query") == 0;
		}
		assert_int_equal(any, (route_at(i)->flags & ROUTE_QUERY) != 0);
	}
}

static void
operation_ids_are_unique_and_texts_are_there(void **state)
{
	for (size_t i = 0; i < route_count(); i++) {
		const char *id = "", *other = "", *text = "";
		const struct json_value *op = operation(*state, route_at(i));

		assert_true(json_get_text(AT(op, "operationId"), &id));
		assert_true(json_get_text(AT(op, "summary"), &text) && text[0] != '\0');
		assert_true(json_get_text(AT(op, "description"), &text) && text[0] != '\0');
		assert_int_equal(json_count(AT(op, "tags")), 1);
		for (size_t k = i + 1; k < route_count(); k++) {
			assert_true(json_get_text(
			    AT(operation(*state, route_at(k)), "operationId"), &other));
			assert_string_not_equal(id, other);
		}
	}
}

static bool
listed(const struct json_value *words, const char *word)
{
	const char *text = "";

	for (size_t i = 0; i < json_count(words); i++)
		if (json_get_text(json_at(words, i), &text) && strcmp(text, word) == 0)
			return true;
	return false;
}

static void
problem_codes_are_those_of_the_error_table(void **state)
{
	const struct json_value *codes =
	    AT(json_root(*state), "components", "schemas", "Problem", "properties", "code", "enum");

	assert_int_equal(json_count(codes), ERR_CODE_COUNT - 1);
	for (int code = ERR_NONE + 1; code < ERR_CODE_COUNT; code++)
		if (!listed(codes, err_slug((enum err_code)code)))
			fail_msg("%s is not described", err_slug((enum err_code)code));
}

static void
states_are_those_of_the_state_table(void **state)
{
	const struct json_value *states =
	    AT(json_root(*state), "components", "schemas", "State", "enum");

	assert_int_equal(json_count(states), JOB_STATE_COUNT);
	for (int s = 0; s < JOB_STATE_COUNT; s++)
		assert_true(listed(states, job_state_name((enum job_state)s)));
}

static void
the_version_is_the_programs(void **state)
{
	const char *version = "";

	assert_true(json_get_text(AT(json_root(*state), "info", "version"), &version));
	assert_string_equal(version, WARDIAN_VERSION);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_route_has_an_operation),
		cmocka_unit_test(every_operation_has_a_route),
		cmocka_unit_test(operations_ask_for_a_key_where_routes_do),
		cmocka_unit_test(operations_take_a_body_where_routes_do),
		cmocka_unit_test(operations_take_query_parameters_where_routes_do),
		cmocka_unit_test(operation_ids_are_unique_and_texts_are_there),
		cmocka_unit_test(problem_codes_are_those_of_the_error_table),
		cmocka_unit_test(states_are_those_of_the_state_table),
		cmocka_unit_test(the_version_is_the_programs),
	};

	return cmocka_run_group_tests(tests, parse, release);
}
