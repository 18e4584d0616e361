/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "identity_internal.h"

#include <stdio.h>
#include <string.h>

static const struct uuid nil;

static struct uuid
project(uint8_t n)
{
	return (struct uuid){ { n } };
}

/* --- permissions as text ---------------------------------------------------------------------- */

static void
every_permission_survives_being_written_and_read(void **state)
{
	(void)state;
	for (int p = 0; p < PERM_COUNT; p++) {
		struct permission_names names;

		permissions_name(PERM_BIT(p), &names);
		assert_int_equal(names.n, 1);
		assert_true(permissions_read(names.name[0]) == PERM_BIT(p));
	}
}

static void
names_that_are_not_known_give_nothing(void **state)
{
	char text[300];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_true(permissions_read(NULL) == 0);
	assert_true(permissions_read("") == 0);
	assert_true(permissions_read(" ") == 0);
	assert_true(permissions_read(text) == 0);
	assert_true(permissions_read("job:rea job:readd JOB:READ job: :") == 0);
	assert_true(permissions_read("job:gone job:read  job:create ") ==
		    (PERM_BIT(PERM_JOB_READ) | PERM_BIT(PERM_JOB_CREATE)));
}

/* --- roles as text ---------------------------------------------------------------------------- */

static void
roles_are_read_with_their_places(void **state)
{
	struct arena *mem = arena_new((size_t)1 << 16);
	struct identity_roles r;
	char text[128], id[UUID_STR_SIZE];
	struct err e = { 0 };

	(void)state;
	assert_int_equal(roles_read(NULL, mem, &r, &e), 0);
	assert_int_equal(r.n, 0);
	(void)snprintf(
	    text, sizeof(text), "owner: night-shift:%s viewer:", uuid_format(project(7), id));
	assert_int_equal(roles_read(text, mem, &r, &e), 0);
	assert_int_equal(r.n, 3);
	assert_string_equal(r.p[0].role, "owner");
	assert_true(uuid_is_nil(r.p[0].project));
	assert_string_equal(r.p[1].role, "night-shift");
	assert_int_equal(uuid_cmp(r.p[1].project, project(7)), 0);
	assert_string_equal(r.p[2].role, "viewer");
	assert_int_equal(roles_read("owner", mem, &r, &e), -1);
	assert_int_equal(e.code, ERR_DB_SCHEMA);
	assert_int_equal(roles_read("owner:x", mem, &r, &e), -1);
	arena_free(mem);
}

/* --- what is left of an owner's rights behind a key ------------------------------------------- */

static struct holder
holder(void)
{
	struct holder h = { 0 };

	assert_true(grants_add(&h.user, nil, PERM_BIT(PERM_JOB_READ) | PERM_BIT(PERM_KEY_CREATE)));
	assert_true(grants_add(&h.user, project(1), PERM_BIT(PERM_JOB_CREATE)));
	return h;
}

static void
a_plain_key_may_what_its_owner_may(void **state)
{
	struct holder h = holder();
	struct grants g = holder_grants(&h, false, 0);

	(void)state;
	assert_true(grants_cover(&g, &h.user));
	assert_true(grants_cover(&h.user, &g));
}

static void
scopes_take_away_everywhere(void **state)
{
	struct holder h = holder();
	struct grants g = holder_grants(&h, true, PERM_BIT(PERM_JOB_CREATE));

	(void)state;
	assert_true(g.everywhere == 0);
	assert_true(grants_in(&g, project(1)) == PERM_BIT(PERM_JOB_CREATE));
	g = holder_grants(&h, true, 0);
	assert_true(grants_anywhere(&g) == 0);
}

static void
roles_of_a_key_limit_it_and_give_nothing_more(void **state)
{
	struct holder h = holder();
	struct grants g;

	(void)state;
	h.key_limited = true;
	g = holder_grants(&h, false, 0);
	assert_true(grants_anywhere(&g) == 0); /* roles that allow nothing */
	assert_true(grants_add(&h.key, nil,
	    PERM_BIT(PERM_JOB_READ) | PERM_BIT(PERM_JOB_CREATE) | PERM_BIT(PERM_USER_CREATE)));
	g = holder_grants(&h, false, 0);
	assert_true(g.everywhere == PERM_BIT(PERM_JOB_READ));
	assert_true(
	    grants_in(&g, project(1)) == (PERM_BIT(PERM_JOB_READ) | PERM_BIT(PERM_JOB_CREATE)));
	assert_true(grants_in(&g, project(2)) == PERM_BIT(PERM_JOB_READ));
}

static void
roles_of_the_key_do_not_count_while_it_has_none(void **state)
{
	struct holder h = holder();

	(void)state;
	h.key.everywhere = 0;
	h.key_limited = false;
	const struct grants g = holder_grants(&h, false, 0);
	assert_true(grants_in(&g, project(1)) == grants_in(&h.user, project(1)));
}

/* --- versions --------------------------------------------------------------------------------- */

static void
any_version_will_do_unless_one_was_named(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_int_equal(version_check(7, IDENTITY_ANY_VERSION, &e), 0);
	assert_int_equal(version_check(7, 7, &e), 0);
	assert_int_equal(version_check(7, 6, &e), -1);
	assert_int_equal(e.code, ERR_PRECONDITION);
	assert_int_equal(version_check(7, 0, &e), -1);
}

static void
the_platforms_tenant_has_two_roles_and_the_others_the_rest(void **state)
{
	(void)state;
	for (int r = 0; r < ROLE_COUNT; r++) {
		assert_int_equal(
		    role_fits((enum system_role)r, true), r == ROLE_OPERATOR || r == ROLE_AUDITOR);
		assert_int_equal(role_fits((enum system_role)r, false), r != ROLE_OPERATOR);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_permission_survives_being_written_and_read),
		cmocka_unit_test(names_that_are_not_known_give_nothing),
		cmocka_unit_test(roles_are_read_with_their_places),
		cmocka_unit_test(a_plain_key_may_what_its_owner_may),
		cmocka_unit_test(scopes_take_away_everywhere),
		cmocka_unit_test(roles_of_a_key_limit_it_and_give_nothing_more),
		cmocka_unit_test(roles_of_the_key_do_not_count_while_it_has_none),
		cmocka_unit_test(any_version_will_do_unless_one_was_named),
		cmocka_unit_test(the_platforms_tenant_has_two_roles_and_the_others_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
