/* SPDX-License-Identifier: Apache-2.0 */
/* Permissions, system roles and principals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "access.h"
#include "db_value.h"

static const struct tenant_id customer = { { { 7 } } };

static permission_set
everything(void)
{
	return (UINT64_C(1) << PERM_COUNT) - 1;
}

static void
every_permission_has_a_name_that_leads_back_to_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < PERM_COUNT; i++) {
		const char *name = permission_name((enum permission)i), *colon = strchr(name, ':');
		enum permission found;

		assert_true(permission_parse(name, &found));
		assert_int_equal(found, i);
		assert_non_null(colon);
		assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz"), colon - name);
		assert_int_equal(
		    strspn(colon + 1, "abcdefghijklmnopqrstuvwxyz"), strlen(colon + 1));
		assert_true(strlen(permission_sentence((enum permission)i)) > 10);
	}
}

static void
a_name_that_is_not_exactly_a_permission_is_none(void **state)
{
	static const char *const names[] = { "", "job", "job:", ":read", "job:rea", "job:reads",
		"JOB:READ", " job:read", "job:read ", "job:read job:create", "*", "job:*" };
	enum permission found;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert_false(permission_parse(names[i], &found));
}

static void
the_levels_divide_the_permissions(void **state)
{
	permission_set project = permission_set_of_level(PERM_LEVEL_PROJECT),
		       tenant = permission_set_of_level(PERM_LEVEL_TENANT),
		       platform = permission_set_of_level(PERM_LEVEL_PLATFORM);

	(void)state;
	assert_true((project & tenant) == 0);
	assert_true((project & platform) == 0);
	assert_true((tenant & platform) == 0);
	assert_true((project | tenant | platform) == everything());
	assert_true((platform & PERM_BIT(PERM_TENANTS_DELETE)) != 0);
	assert_true((project & PERM_BIT(PERM_JOB_CREATE)) != 0);
	assert_true((tenant & PERM_BIT(PERM_KEY_CREATE)) != 0);
}

static void
a_set_becomes_text_and_the_same_set_again(void **state)
{
	char text[PERMISSION_SET_TEXT_SIZE];
	const permission_set some = PERM_BIT(PERM_JOB_READ) | PERM_BIT(PERM_KEY_READ);

	(void)state;
	assert_string_equal(permission_set_format(0, text), "");
	assert_string_equal(permission_set_format(some, text), "job:read key:read");
	assert_true(permission_set_parse(text) == some);
	assert_true(
	    permission_set_parse(permission_set_format(everything(), text)) == everything());
	for (size_t i = 0; i < PERM_COUNT; i++)
		assert_true(
		    permission_set_parse(permission_set_format(PERM_BIT(i), text)) == PERM_BIT(i));
}

static void
unknown_names_in_a_set_give_nothing(void **state)
{
	(void)state;
	assert_true(permission_set_parse("") == 0);
	assert_true(permission_set_parse("   ") == 0);
	assert_true(permission_set_parse("* job:* all owner jobs:read") == 0);
	assert_true(
	    permission_set_parse("  job:fly  job:read   nonsense ") == PERM_BIT(PERM_JOB_READ));
	assert_true(permission_set_parse("job:read,job:create") == 0);
}

/* The table in words, so that nobody widens a role without meaning to. */
static void
the_system_roles_have_what_their_names_say(void **state)
{
	const permission_set owner = system_role_permissions(ROLE_OWNER),
			     admin = system_role_permissions(ROLE_ADMIN),
			     engineer = system_role_permissions(ROLE_ENGINEER),
			     viewer = system_role_permissions(ROLE_VIEWER),
			     billing = system_role_permissions(ROLE_BILLING),
			     auditor = system_role_permissions(ROLE_AUDITOR),
			     of_operator = system_role_permissions(ROLE_OPERATOR);
	const permission_set platform = permission_set_of_level(PERM_LEVEL_PLATFORM);
	char text[PERMISSION_SET_TEXT_SIZE];

	(void)state;
	assert_true(owner == (everything() & ~platform));
	assert_string_equal(
	    permission_set_format(owner & ~admin, text), "billing:read audit:read tenant:update");
	assert_string_equal(permission_set_format(engineer, text),
	    "job:read job:create job:cancel environment:read project:read key:read key:create "
	    "key:update key:revoke token:create quota:read tenant:read");
	assert_string_equal(permission_set_format(viewer, text),
	    "job:read environment:read project:read user:read role:read token:create quota:read "
	    "tenant:read");
	assert_string_equal(permission_set_format(billing, text),
	    "project:read token:create quota:read billing:read tenant:read");
	assert_true((auditor & PERM_BIT(PERM_AUDIT_READ)) != 0);
	assert_string_equal(
	    permission_set_format(auditor & ~(viewer | PERM_BIT(PERM_AUDIT_READ)), text),
	    "key:read issuer:read tenant:test support:read");
	assert_true((of_operator & platform) == platform);
	assert_true((of_operator & PERM_BIT(PERM_JOB_READ)) == 0);
	assert_true(((owner | admin | engineer | viewer | billing | auditor) & platform) == 0);
}

static void
system_roles_are_found_by_name(void **state)
{
	enum system_role found;

	(void)state;
	for (size_t i = 0; i < ROLE_COUNT; i++) {
		assert_true(system_role_parse(system_role_name((enum system_role)i), &found));
		assert_int_equal(found, i);
		assert_true(strlen(system_role_title((enum system_role)i)) > 10);
	}
	assert_false(system_role_parse("", &found));
	assert_false(system_role_parse("Owner", &found));
	assert_false(system_role_parse("operator", &found));
}

static void
what_a_tenant_cannot_have_depends_on_its_kind(void **state)
{
	permission_set here = permission_set_in(customer),
		       there = permission_set_in(tenant_platform_id);

	(void)state;
	assert_true(here == system_role_permissions(ROLE_OWNER));
	assert_true((there & system_role_permissions(ROLE_OPERATOR)) ==
		    system_role_permissions(ROLE_OPERATOR));
	assert_true((there & PERM_BIT(PERM_JOB_READ)) == 0);
	assert_true((there & PERM_BIT(PERM_JOB_CREATE)) == 0);
	assert_true((there & PERM_BIT(PERM_AUDIT_READ)) != 0);
	for (size_t i = 0; i < ROLE_COUNT; i++) {
		assert_int_equal(system_role_in((enum system_role)i, customer), i != ROLE_OPERATOR);
		assert_int_equal(system_role_in((enum system_role)i, tenant_platform_id),
		    i == ROLE_OPERATOR || i == ROLE_AUDITOR);
	}
}

static void
support_access_leaves_no_access_behind(void **state)
{
	static const enum permission lasting[] = { PERM_KEY_CREATE, PERM_KEY_UPDATE,
		PERM_TOKEN_CREATE, PERM_USER_CREATE, PERM_USER_UPDATE, PERM_ROLE_ASSIGN,
		PERM_ROLE_UPDATE, PERM_ISSUER_CREATE, PERM_ISSUER_UPDATE, PERM_TENANT_UPDATE };
	permission_set support = permission_set_of_support();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lasting); i++)
		assert_true((support & PERM_BIT(lasting[i])) == 0);
	assert_true((support & permission_set_of_level(PERM_LEVEL_PLATFORM)) == 0);
	assert_true((support & PERM_BIT(PERM_JOB_READ)) != 0);
	assert_true((support & PERM_BIT(PERM_JOB_CANCEL)) != 0);
	assert_true((support & PERM_BIT(PERM_AUDIT_READ)) != 0);
}

/* --- principals ------------------------------------------------------------------------------- */

static const struct uuid u1 = { { 1 } }, u2 = { { 2 } }, u3 = { { 3 } };

static void
a_principal_is_named_by_its_key_before_its_user(void **state)
{
	static const struct {
		struct principal who;
		const char *prefix;
		struct uuid id;
	} cases[] = {
		{ { .kind = PRINCIPAL_KEY, .key = { { 1 } }, .user = { { 2 } } }, "key_",
		    { { 1 } } },
		{ { .kind = PRINCIPAL_TOKEN, .key = { { 1 } }, .user = { { 2 } } }, "key_",
		    { { 1 } } },
		{ { .kind = PRINCIPAL_ISSUER, .issuer = { { 1 } }, .user = { { 2 } } }, "usr_",
		    { { 2 } } },
		{ { .kind = PRINCIPAL_ISSUER, .issuer = { { 1 } } }, "iss_", { { 1 } } },
		{ { .kind = PRINCIPAL_SUPPORT, .support = { { 3 } }, .user = { { 2 } } }, "sup_",
		    { { 3 } } },
	};
	char id[ID_STR_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(uuid_cmp(principal_id(&cases[i].who), cases[i].id), 0);
		(void)principal_format(&cases[i].who, id);
		assert_int_equal(strncmp(id, cases[i].prefix, 4), 0);
	}
	assert_string_equal(principal_kind_name(PRINCIPAL_KEY), "api_key");
	assert_string_equal(principal_kind_name(PRINCIPAL_TOKEN), "token");
	assert_string_equal(principal_kind_name(PRINCIPAL_ISSUER), "issuer");
	assert_string_equal(principal_kind_name(PRINCIPAL_SUPPORT), "support");
}

static void
names_are_cut_at_characters_and_cleaned(void **state)
{
	struct principal p;
	char text[200];

	(void)state;
	principal_set_name(&p, "Ada L\xc3\xb6velace");
	assert_string_equal(p.name, "Ada L\xc3\xb6velace");
	principal_set_name(&p, "a\nb\x1b[0m\xff\x7f");
	assert_string_equal(p.name, "a?b?[0m??");
	principal_set_name(&p, "");
	assert_string_equal(p.name, "");
	memset(text, 'x', sizeof(text));
	text[PRINCIPAL_NAME_SIZE - 2] = '\xc3';
	text[PRINCIPAL_NAME_SIZE - 1] = '\xb6';
	text[sizeof(text) - 1] = '\0';
	principal_set_name(&p, text);
	assert_int_equal(strlen(p.name), PRINCIPAL_NAME_SIZE - 2);
}

static void
what_a_principal_may_depends_on_where(void **state)
{
	struct principal p = { 0 };

	(void)state;
	assert_true(grants_add(&p.grants, (struct uuid){ 0 }, PERM_BIT(PERM_JOB_READ)));
	assert_true(grants_add(&p.grants, u1, PERM_BIT(PERM_JOB_CREATE)));
	assert_true(principal_may(&p, PERM_JOB_READ));
	assert_false(principal_may(&p, PERM_JOB_CREATE));
	assert_true(principal_may_in(&p, PERM_JOB_CREATE, u1));
	assert_true(principal_may_in(&p, PERM_JOB_READ, u1));
	assert_false(principal_may_in(&p, PERM_JOB_CREATE, u2));
	assert_true(principal_may_somewhere(&p, PERM_JOB_CREATE));
	assert_false(principal_may_somewhere(&p, PERM_JOB_CANCEL));
	/* Any valid credential will do. */
	assert_true(principal_may(&p, PERM_NONE));
	assert_true(principal_may_in(&p, PERM_NONE, u2));
	assert_true(principal_may_somewhere(&(struct principal){ 0 }, PERM_NONE));
}

static void
a_scope_lists_the_projects_of_a_permission(void **state)
{
	struct principal p = { 0 };
	struct scope s;

	(void)state;
	assert_true(grants_add(&p.grants, (struct uuid){ 0 }, PERM_BIT(PERM_JOB_READ)));
	assert_true(grants_add(&p.grants, u3, PERM_BIT(PERM_JOB_CREATE)));
	assert_true(grants_add(&p.grants, u1, PERM_BIT(PERM_JOB_CREATE)));
	assert_true(grants_add(&p.grants, u2, PERM_BIT(PERM_JOB_CANCEL)));
	principal_scope(&p, PERM_JOB_READ, &s);
	assert_true(s.everywhere);
	assert_true(scope_has(&s, u2));
	principal_scope(&p, PERM_JOB_CREATE, &s);
	assert_false(s.everywhere);
	assert_int_equal(s.n, 2);
	assert_true(scope_has(&s, u1));
	assert_true(scope_has(&s, u3));
	assert_false(scope_has(&s, u2));
	principal_scope(&p, PERM_KEY_READ, &s);
	assert_false(s.everywhere);
	assert_int_equal(s.n, 0);
	assert_false(scope_has(&s, u1));
}

static void
a_scope_is_null_as_an_argument_only_when_it_is_everywhere(void **state)
{
	const struct scope all = { .everywhere = true }, none = { .n = 0 },
			   one = { .n = 1, .projects = { { { 1 } } } };
	const struct db_arg args[] = { DB_ARG_SCOPE(&all), DB_ARG_SCOPE(&none),
		DB_ARG_SCOPE(&one) };

	(void)state;
	assert_true(args[0].null);
	assert_false(args[1].null);
	assert_int_equal(args[1].n, 0);
	assert_false(args[2].null);
	assert_int_equal(args[2].n, 1);
}

#define TEST(fn) cmocka_unit_test(fn)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(every_permission_has_a_name_that_leads_back_to_it),
		TEST(a_name_that_is_not_exactly_a_permission_is_none),
		TEST(the_levels_divide_the_permissions),
		TEST(a_set_becomes_text_and_the_same_set_again),
		TEST(unknown_names_in_a_set_give_nothing),
		TEST(the_system_roles_have_what_their_names_say),
		TEST(system_roles_are_found_by_name),
		TEST(what_a_tenant_cannot_have_depends_on_its_kind),
		TEST(support_access_leaves_no_access_behind),
		TEST(a_principal_is_named_by_its_key_before_its_user),
		TEST(names_are_cut_at_characters_and_cleaned),
		TEST(what_a_principal_may_depends_on_where),
		TEST(a_scope_lists_the_projects_of_a_permission),
		TEST(a_scope_is_null_as_an_argument_only_when_it_is_everywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
