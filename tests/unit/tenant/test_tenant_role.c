/* SPDX-License-Identifier: Apache-2.0 */
/* Roles as statements return them, and rules from claims to roles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "json.h"
#include "tenant_internal.h"
#include "tenant_rule.h"

static const struct tenant_id customer = { { { 7 } } };
static const struct uuid project = { { 0x01, 0x89, 0x0a, 0x5d, 0xac, 0x96, 0x77, 0x4b, 0xbc, 0xce,
    0xb3, 0x02, 0x09, 0x9a, 0x80, 0x57 } };
#define PROJECT "\"01890a5d-ac96-774b-bcce-b302099a8057\""

static struct grants
roles(const char *text, struct tenant_id tenant, bool *lost)
{
	struct grants g = { 0 };
	struct err e = { 0 };

	*lost = false;
	if (tenant_roles_add(text, tenant, &g, lost, &e) < 0)
		fail_msg("%s", e.msg);
	return g;
}

static void
roles_add_up(void **state)
{
	bool lost;
	struct grants g = roles("[[\"billing\", null, null], [null, \"job:read job:fly\", null],"
				"[\"engineer\", null, " PROJECT "]]",
	    customer, &lost);

	(void)state;
	assert_false(lost);
	assert_true(
	    g.everywhere == (system_role_permissions(ROLE_BILLING) | PERM_BIT(PERM_JOB_READ)));
	assert_true((grants_in(&g, project) & PERM_BIT(PERM_JOB_CREATE)) != 0);
	assert_true((grants_in(&g, project) & PERM_BIT(PERM_KEY_CREATE)) == 0);
	g = roles(NULL, customer, &lost);
	assert_true(grants_anywhere(&g) == 0);
}

static void
what_the_tenant_cannot_have_gives_nothing(void **state)
{
	bool lost;
	struct grants g = roles("[[\"platform-operator\", null, null],"
				"[null, \"tenants:read tenants:delete\", null]]",
	    customer, &lost);

	(void)state;
	assert_true(grants_anywhere(&g) == 0);
	g = roles("[[\"owner\", null, null], [\"viewer\", null, null]]", tenant_platform_id, &lost);
	assert_true(grants_anywhere(&g) == 0);
	g = roles("[[\"platform-operator\", null, null]]", tenant_platform_id, &lost);
	assert_true(g.everywhere == system_role_permissions(ROLE_OPERATOR));
	g = roles("[[\"auditor\", null, null]]", tenant_platform_id, &lost);
	assert_true((g.everywhere & PERM_BIT(PERM_AUDIT_READ)) != 0);
	assert_true((g.everywhere & PERM_BIT(PERM_JOB_READ)) == 0);
}

/* Nothing that cannot be read may become the whole tenant. */
static void
a_role_that_cannot_be_read_gives_nothing(void **state)
{
	static const char *const cases[] = { "[]", "{}", "[1, null, \"x\"]", "[[]]",
		"[[\"owner\"]]", "[[\"owner\", null]]", "[[\"owner\", null, \"nonsense\"]]",
		"[[\"owner\", null, 7]]", "[[\"owner\", null, []]]",
		"[[\"owner\", null, \"00000000-0000-0000-0000-000000000000\"]]",
		"[[\"Owner\", null, null]]", "[[\"\", \"job:read\", null]]", "[[null, null, null]]",
		"[{\"owner\": null}]" };
	bool lost;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct grants g = roles(cases[i], customer, &lost);

		if (grants_anywhere(&g) != 0)
			fail_msg("gives something: %s", cases[i]);
	}
}

static void
text_that_is_no_json_is_an_error_of_ours(void **state)
{
	struct grants g = { 0 };
	struct err e = { 0 };
	bool lost;

	(void)state;
	assert_int_equal(tenant_roles_add("[", customer, &g, &lost, &e), -1);
	assert_int_equal(e.code, ERR_INTERNAL);
}

static void
too_many_roles_or_projects_are_left_out(void **state)
{
	char text[16384];
	size_t n = 0;
	bool lost;
	struct grants g;

	(void)state;
	for (int i = 0; i <= TENANT_ROLES_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s[%s, null, null]",
		    i == 0 ? "[" : ",", i == TENANT_ROLES_MAX ? "\"owner\"" : "\"viewer\"");
	(void)snprintf(text + n, sizeof(text) - n, "]");
	g = roles(text, customer, &lost);
	assert_true(lost);
	assert_true(g.everywhere == system_role_permissions(ROLE_VIEWER));
	n = 0;
	for (unsigned i = 0; i <= GRANT_PROJECTS_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
		    "%s[\"viewer\", null, \"01890a5d-ac96-774b-bcce-b302099a80%02x\"]",
		    i == 0 ? "[" : ",", i);
	(void)snprintf(text + n, sizeof(text) - n, "]");
	g = roles(text, customer, &lost);
	assert_true(lost);
	assert_int_equal(g.n, GRANT_PROJECTS_MAX);
}

/* --- rules ------------------------------------------------------------------------------------ */

static int
parse(const char *text, struct tenant_rules *ret, struct err *e)
{
	static struct arena *mem;

	if (mem == NULL)
		mem = arena_new(1 << 20);
	arena_reset(mem);
	*e = (struct err){ 0 };
	return tenant_rules_parse(text, mem, ret, e);
}

static void
rules_are_read_and_written_alike(void **state)
{
	static const char text[] =
	    "[{\"claim\":\"groups\",\"value\":\"sim-admins\",\"role\":\"admin\",\"project\":null},"
	    "{\"claim\":\"level\",\"value\":3,\"role\":\"viewer\",\"project\":"
	    "\"prj_01h455vb4pex5vsknk084sn02q\"},"
	    "{\"claim\":\"share\",\"value\":0.5,\"role\":\"viewer\",\"project\":null},"
	    "{\"claim\":\"mfa\",\"value\":true,\"role\":\"viewer\",\"project\":null},"
	    "{\"claim\":\"*\",\"value\":null,\"role\":\"my-role\",\"project\":null}]";
	struct tenant_rules rules;
	struct json_out o;
	struct buf b;
	struct err e;

	(void)state;
	assert_int_equal(parse(text, &rules, &e), 0);
	assert_int_equal(rules.n, 5);
	assert_int_equal(uuid_cmp(rules.at[1].project, project), 0);
	buf_init(&b, 4096);
	json_out_init(&o, &b);
	tenant_rules_print(&rules, &o);
	assert_string_equal(b.p, text);
	buf_done(&b);
}

static void
each_fault_of_a_rule_is_named(void **state)
{
	static const struct {
		const char *text, *field;
	} cases[] = {
		{ "[7]", "/rules/0" },
		{ "[{\"value\":1,\"role\":\"viewer\"}]", "/rules/0/claim" },
		{ "[{\"claim\":\"\",\"value\":1,\"role\":\"viewer\"}]", "/rules/0/claim" },
		{ "[{\"claim\":\"a\",\"role\":\"viewer\"}]", "/rules/0/value" },
		{ "[{\"claim\":\"a\",\"value\":null,\"role\":\"viewer\"}]", "/rules/0/value" },
		{ "[{\"claim\":\"a\",\"value\":[],\"role\":\"viewer\"}]", "/rules/0/value" },
		{ "[{\"claim\":\"a\",\"value\":{},\"role\":\"viewer\"}]", "/rules/0/value" },
		{ "[{\"claim\":\"*\",\"value\":1,\"role\":\"viewer\"}]", "/rules/0/value" },
		{ "[{\"claim\":\"a\",\"value\":1}]", "/rules/0/role" },
		{ "[{\"claim\":\"a\",\"value\":1,\"role\":7}]", "/rules/0/role" },
		{ "[{\"claim\":\"a\",\"value\":1,\"role\":\"viewer\",\"project\":\"x\"}]",
		    "/rules/0/project" },
		{ "[{\"claim\":\"a\",\"value\":1,\"role\":\"viewer\",\"project\":"
		  "\"prj_00000000000000000000000000\"}]",
		    "/rules/0/project" },
		{ "[{\"claim\":\"a\",\"value\":1,\"role\":\"viewer\",\"projct\":null}]",
		    "/rules/0/projct" },
		{ "{}", "/rules" },
	};
	struct tenant_rules rules;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(parse(cases[i].text, &rules, &e), -1);
		assert_int_equal(e.code, ERR_INVALID);
		assert_string_equal(e.fields[0].name, cases[i].field);
	}
	assert_int_equal(parse("]", &rules, &e), -1);
	assert_int_equal(parse("[", &rules, &e), -1);
}

static void
a_rule_takes_so_many_bytes_and_a_list_so_many_rules(void **state)
{
	char text[16384], long_text[TENANT_RULE_CLAIM_MAX + 2];
	struct tenant_rules rules;
	struct err e;

	(void)state;
	for (size_t over = 0; over < 2; over++) {
		size_t n = TENANT_RULE_CLAIM_MAX + over;
		int expected = over == 0 ? 0 : -1;

		memset(long_text, 'x', n);
		long_text[n] = '\0';
		(void)snprintf(text, sizeof(text),
		    "[{\"claim\":\"%s\",\"value\":1,\"role\":\"viewer\"}]", long_text);
		assert_int_equal(parse(text, &rules, &e), expected);
		(void)snprintf(text, sizeof(text),
		    "[{\"claim\":\"a\",\"value\":\"%s\",\"role\":\"viewer\"}]", long_text);
		assert_int_equal(parse(text, &rules, &e), expected);
		n = 0;
		for (size_t i = 0; i < TENANT_RULES_MAX + over; i++)
			n += (size_t)snprintf(text + n, sizeof(text) - n,
			    "%s{\"claim\":\"*\",\"role\":\"viewer\"}", i == 0 ? "[" : ",");
		(void)snprintf(text + n, sizeof(text) - n, "]");
		assert_int_equal(parse(text, &rules, &e), expected);
	}
}

/* Whether a rule for claim "c" with this value holds for {"c": claim}. */
static bool
holds(const char *value, const char *claim)
{
	struct tenant_rules rules;
	struct json *j = NULL;
	char text[512];
	struct err e;
	bool yes;

	(void)snprintf(
	    text, sizeof(text), "[{\"claim\":\"c\",\"value\":%s,\"role\":\"viewer\"}]", value);
	if (parse(text, &rules, &e) < 0)
		fail_msg("%s: %s", text, e.msg);
	(void)snprintf(text, sizeof(text), "{\"c\":%s}", claim);
	if (json_parse(text, strlen(text), &j, &e) < 0)
		fail_msg("%s: %s", text, e.msg);
	yes = tenant_rule_holds(&rules.at[0], json_member(json_root(j), "c"));
	json_free(j);
	return yes;
}

static void
a_rule_holds_for_its_value_or_an_array_with_it(void **state)
{
	static const struct {
		const char *value, *claim;
		bool holds;
	} cases[] = {
		{ "\"a\"", "\"a\"", true },
		{ "\"a\"", "[\"b\", \"a\"]", true },
		{ "\"a\"", "\"A\"", false },
		{ "\"a\"", "\"a \"", false },
		{ "\"a\"", "\"a,b\"", false },
		{ "\"a\"", "[]", false },
		{ "\"a\"", "[[\"a\"]]", false },
		{ "\"a\"", "{\"a\": true}", false },
		{ "\"a\"", "null", false },
		{ "\"\"", "\"\"", true },
		{ "\"\"", "null", false },
		{ "1", "1", true },
		{ "1", "\"1\"", false },
		{ "1", "1.0", false },
		{ "1", "true", false },
		{ "1", "[0, 1]", true },
		{ "9007199254740993", "9007199254740993", true },
		{ "9007199254740993", "9007199254740992", false },
		{ "0.5", "0.5", true },
		{ "0.5", "0.25", false },
		{ "1.0", "1", false },
		{ "true", "true", true },
		{ "true", "[false, true]", true },
		{ "true", "1", false },
		{ "true", "\"true\"", false },
		{ "false", "false", true },
		{ "false", "null", false },
		{ "false", "[]", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (holds(cases[i].value, cases[i].claim) != cases[i].holds)
			fail_msg("rule %s, claim %s", cases[i].value, cases[i].claim);
	}
}

static void
a_claim_that_is_not_there_satisfies_only_the_star(void **state)
{
	struct tenant_rules rules;
	struct err e;

	(void)state;
	assert_int_equal(parse("[{\"claim\":\"a\",\"value\":false,\"role\":\"viewer\"},"
			       "{\"claim\":\"*\",\"role\":\"viewer\"}]",
			     &rules, &e),
	    0);
	assert_false(tenant_rule_holds(&rules.at[0], NULL));
	assert_true(tenant_rule_holds(&rules.at[1], NULL));
}

#define TEST(fn) cmocka_unit_test(fn)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(roles_add_up),
		TEST(what_the_tenant_cannot_have_gives_nothing),
		TEST(a_role_that_cannot_be_read_gives_nothing),
		TEST(text_that_is_no_json_is_an_error_of_ours),
		TEST(too_many_roles_or_projects_are_left_out),
		TEST(rules_are_read_and_written_alike),
		TEST(each_fault_of_a_rule_is_named),
		TEST(a_rule_takes_so_many_bytes_and_a_list_so_many_rules),
		TEST(a_rule_holds_for_its_value_or_an_array_with_it),
		TEST(a_claim_that_is_not_there_satisfies_only_the_star),
	};

	json_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
