/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api_internal.h"

#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* The description and the route table, the error table and the state table say the same. */

extern const unsigned char api_openapi_json[];

/* In two parts, for the whole has more members than the strict parser takes in one text. */
struct docs {
	struct json *paths; /* {"paths": ...} */
	struct json *rest;
};

static void
parse_text(const char *text, size_t n, struct json **ret)
{
	struct err e = { 0 };

	if (json_parse(text, n, ret, &e) < 0)
		fail_msg("%s", e.msg);
}

/* The merge writes the members of the document in this order, each at the start of a line. */
static int
parse(void **state)
{
	static struct docs docs;
	const char *text = (const char *)api_openapi_json;
	const char *paths = strstr(text, ",\n\"paths\" : {");
	const char *components = strstr(text, ",\n\"components\" : {");
	AUTO_BUF part;

	json_start();
	assert_non_null(paths);
	assert_true(components > paths);
	buf_init(&part, 4 << 20);
	buf_char(&part, '{');
	buf_append(&part, paths + 1, (size_t)(components - paths) - 1);
	buf_char(&part, '}');
	parse_text(part.p, part.n, &docs.paths);
	buf_clear(&part);
	buf_append(&part, text, (size_t)(paths - text));
	buf_str(&part, components);
	parse_text(part.p, part.n, &docs.rest);
	*state = &docs;
	return 0;
}

static int
release(void **state)
{
	struct docs *docs = *state;

	json_free(docs->paths);
	json_free(docs->rest);
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
rest_of(void **state)
{
	const struct docs *docs = *state;

	return json_root(docs->rest);
}

static const struct json_value *
operation(const struct docs *docs, const struct route *r)
{
	char path[128], method[8];

	described_path(r, path);
	(void)snprintf(method, sizeof(method), "%s", route_method_name(r->method));
	for (char *p = method; *p != '\0'; p++)
		*p = (char)(*p + ('a' - 'A'));
	return AT(json_root(docs->paths), "paths", path, method);
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

	assert_int_equal(json_for_each(AT(json_root(((struct docs *)*state)->paths), "paths"),
			     check_path, &total),
	    0);
	assert_int_equal(total.n, route_count());
}

static void
operations_ask_for_a_credential_where_routes_do(void **state)
{
	static const char *const refusals[] = { "401", "403", "429" };

	for (size_t i = 0; i < route_count(); i++) {
		const struct route *r = route_at(i);
		const struct json_value *op = operation(*state, r);
		bool open = r->access == ROUTE_MAY_PUBLIC;

		assert_non_null(AT(op, "security"));
		assert_int_equal(json_count(AT(op, "security")), open ? 0 : 2);
		for (size_t k = 0; k < ARRAY_LEN(refusals); k++)
			assert_int_equal(AT(op, "responses", refusals[k]) == NULL, open);
	}
}

static void
operations_state_the_permission_of_their_route(void **state)
{
	for (size_t i = 0; i < route_count(); i++) {
		const struct route *r = route_at(i);
		const char *text = "";

		assert_true(json_get_text(AT(operation(*state, r), "x-permission"), &text));
		if (r->access == ROUTE_MAY_PUBLIC)
			assert_string_equal(text, "none");
		else if (r->access == ROUTE_MAY_ANYONE)
			assert_string_equal(text, "any");
		else
			assert_string_equal(text, permission_name(route_permission(r)));
	}
}

static void
changes_are_merge_patches(void **state)
{
	for (size_t i = 0; i < route_count(); i++) {
		const struct json_value *op = operation(*state, route_at(i));
		bool patch =
		    AT(op, "requestBody", "content", "application/merge-patch+json") != NULL;

		assert_int_equal(patch, route_at(i)->method == ROUTE_PATCH);
	}
}

/* The strict parser sees a member that is given twice, which the merge would not. */
static void
every_fragment_is_strict_json(void **state)
{
	char pattern[] = WARDIAN_SOURCE_DIR "/src/api/openapi/*.json";
	glob_t found;

	(void)state;
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	assert_true(found.gl_pathc >= 5);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		static char text[1 << 20];
		FILE *f = fopen(found.gl_pathv[i], "re");
		struct err e = { 0 };
		struct json *doc = NULL;
		size_t n;

		assert_non_null(f);
		n = fread(text, 1, sizeof(text), f);
		assert_int_equal(fclose(f), 0);
		assert_true(n < sizeof(text));
		if (json_parse(text, n, &doc, &e) < 0)
			fail_msg("%s: %s", found.gl_pathv[i], e.msg);
		json_free(doc);
	}
	globfree(&found);
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
resolve(const struct docs *docs, const struct json_value *v)
{
	const char *to;
	char names[4][64] = { { 0 } };

	if (json_member(v, "$ref") == NULL || !json_get_text(json_member(v, "$ref"), &to))
		return v;
	assert_int_equal(sscanf(to, "#/%63[^/]/%63[^/]/%63[^/]", names[0], names[1], names[2]), 3);
	return AT(json_root(docs->rest), names[0], names[1], names[2]);
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

static size_t
count_placeholders(const char *path)
{
	size_t n = 0;

	for (; *path != '\0'; path++)
		n += *path == '{';
	return n;
}

static void
operations_declare_the_placeholders_of_their_path(void **state)
{
	for (size_t i = 0; i < route_count(); i++) {
		const struct route *r = route_at(i);
		const struct json_value *params = AT(operation(*state, r), "parameters");
		size_t n = 0;

		for (size_t k = 0; k < json_count(params); k++) {
			const struct json_value *p = resolve(*state, json_at(params, k));
			const char *in = "", *name = "";
			char placeholder[80];

			assert_true(json_get_text(AT(p, "in"), &in));
			assert_true(json_get_text(AT(p, "name"), &name));
			if (strcmp(in, "path") != 0)
				continue;
			(void)snprintf(placeholder, sizeof(placeholder), "{%s", name);
			assert_non_null(strstr(r->path, placeholder));
			n++;
		}
		if (n != count_placeholders(r->path))
			fail_msg("%s %s: %zu parameters", route_method_name(r->method), r->path, n);
		if (n > 0)
			assert_non_null(AT(operation(*state, r), "responses", "404"));
	}
}

static int
check_references(void *ctx, const char *name, const struct json_value *v)
{
	const char *to;

	if (name != NULL && strcmp(name, "$ref") == 0 && json_get_text(v, &to)) {
		const struct docs *docs = ctx;
		char names[3][80] = { { 0 } };

		if (sscanf(to, "#/%79[^/]/%79[^/]/%79[^/]", names[0], names[1], names[2]) != 3 ||
		    AT(json_root(docs->rest), names[0], names[1], names[2]) == NULL)
			fail_msg("%s leads nowhere", to);
		return 0;
	}
	return json_for_each(v, check_references, ctx);
}

static void
references_lead_somewhere_and_tags_are_declared(void **state)
{
	struct docs *docs = *state;
	const struct json_value *tags = AT(json_root(docs->rest), "tags");

	assert_int_equal(check_references(*state, NULL, json_root(docs->paths)), 0);
	assert_int_equal(check_references(*state, NULL, json_root(docs->rest)), 0);
	for (size_t i = 0; i < route_count(); i++) {
		const char *used = "", *tag = "";
		bool found = false;

		assert_true(
		    json_get_text(json_at(AT(operation(*state, route_at(i)), "tags"), 0), &used));
		for (size_t k = 0; k < json_count(tags); k++)
			found = found || (json_get_text(AT(json_at(tags, k), "name"), &tag) &&
					     strcmp(tag, used) == 0);
		assert_true(found);
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
	    AT(rest_of(state), "components", "schemas", "ProblemCode", "enum");

	assert_int_equal(json_count(codes), ERR_CODE_COUNT - 1);
	for (int code = ERR_NONE + 1; code < ERR_CODE_COUNT; code++)
		if (!listed(codes, err_slug((enum err_code)code)))
			fail_msg("%s is not described", err_slug((enum err_code)code));
}

static void
permissions_are_those_of_the_table(void **state)
{
	const struct json_value *names =
	    AT(rest_of(state), "components", "schemas", "Permission", "enum");

	assert_int_equal(json_count(names), PERM_COUNT);
	for (int p = 0; p < PERM_COUNT; p++)
		if (!listed(names, permission_name((enum permission)p)))
			fail_msg("%s is not described", permission_name((enum permission)p));
}

static void
states_are_those_of_the_state_table(void **state)
{
	const struct json_value *states =
	    AT(rest_of(state), "components", "schemas", "State", "enum");

	assert_int_equal(json_count(states), JOB_STATE_COUNT);
	for (int s = 0; s < JOB_STATE_COUNT; s++)
		assert_true(listed(states, job_state_name((enum job_state)s)));
}

static void
the_version_is_the_programs(void **state)
{
	const char *version = "";

	assert_true(json_get_text(AT(rest_of(state), "info", "version"), &version));
	assert_string_equal(version, WARDIAN_VERSION);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_route_has_an_operation),
		cmocka_unit_test(every_operation_has_a_route),
		cmocka_unit_test(operations_ask_for_a_credential_where_routes_do),
		cmocka_unit_test(operations_state_the_permission_of_their_route),
		cmocka_unit_test(changes_are_merge_patches),
		cmocka_unit_test(every_fragment_is_strict_json),
		cmocka_unit_test(operations_take_a_body_where_routes_do),
		cmocka_unit_test(operations_declare_the_placeholders_of_their_path),
		cmocka_unit_test(references_lead_somewhere_and_tags_are_declared),
		cmocka_unit_test(operations_take_query_parameters_where_routes_do),
		cmocka_unit_test(operation_ids_are_unique_and_texts_are_there),
		cmocka_unit_test(problem_codes_are_those_of_the_error_table),
		cmocka_unit_test(permissions_are_those_of_the_table),
		cmocka_unit_test(states_are_those_of_the_state_table),
		cmocka_unit_test(the_version_is_the_programs),
	};

	return cmocka_run_group_tests(tests, parse, release);
}
