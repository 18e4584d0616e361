/* SPDX-License-Identifier: Apache-2.0 */
/* Roles and who has them: nobody grants what they lack, in all ways of granting. */
#include "identity_fixture.h"

static struct fixture f;

static int
setup(void **state)
{
	(void)state;
	fixture_fresh(&f);
	return 0;
}

static int
make_role(const struct identity_ask *a, const char *name, permission_set set, struct err *e)
{
	const struct identity_role_new n = { .name = name, .permissions = set };
	struct identity_role r;

	*e = (struct err){ 0 };
	return identity_role_create(a, &n, &r, e);
}

static int
assign(const struct identity_ask *a, struct uuid user, const char *role, struct uuid project,
    struct err *e)
{
	const struct identity_assignment_new n = { .user = user,
		.role = { .role = role, .project = project } };
	struct identity_assignment x;
	bool made;

	*e = (struct err){ 0 };
	return identity_assignment_create(a, &n, &x, &made, e);
}

/* --- roles ------------------------------------------------------------------------------------ */

static void
a_role_comes_back_by_id_and_by_name(void **state)
{
	permission_set set = PERM_BIT(PERM_JOB_CREATE) | PERM_BIT(PERM_JOB_READ);
	struct identity_role r = fixture_role(&f.root, "night", set), got;
	char id[ID_STR_SIZE];
	struct err e = { 0 };

	(void)state;
	must(identity_role_get(f.db, f.alpha, "night", f.mem, &got, &e));
	assert_int_equal(uuid_cmp(got.id, r.id), 0);
	assert_true(got.permissions == set);
	must(identity_role_get(f.db, f.alpha, id_format("rol", r.id, id), f.mem, &got, &e));
	assert_string_equal(got.name, "night");
	assert_false(got.system);
	fixture_expect_entry(&f, f.alpha, "\"permissions\":[null,[\"job:read\",\"job:create\"]]");
	must(identity_role_get(f.db, f.alpha, "owner", f.mem, &got, &e));
	assert_true(got.system);
	must_fail(ERR_NOT_FOUND, identity_role_get(f.db, f.beta, "night", f.mem, &got, &e));
	must_fail(ERR_NOT_FOUND, identity_role_get(f.db, f.beta, id, f.mem, &got, &e));
	must_fail(ERR_NOT_FOUND, identity_role_get(f.db, f.alpha, "rol_bad", f.mem, &got, &e));
	must_fail(
	    ERR_NOT_FOUND, identity_role_get(f.db, f.alpha, "platform-operator", f.mem, &got, &e));
}

static void
the_list_has_the_systems_roles_and_then_the_tenants_own(void **state)
{
	struct identity_role_list list;
	struct err e = { 0 };

	(void)state;
	(void)fixture_role(&f.root, "zz", PERM_BIT(PERM_JOB_READ));
	(void)fixture_role(&f.root, "aa", PERM_BIT(PERM_JOB_READ));
	(void)fixture_role(&f.root_beta, "theirs", PERM_BIT(PERM_JOB_READ));
	must(identity_role_list(f.db, f.alpha, f.mem, &list, &e));
	assert_int_equal(list.n, ROLE_COUNT - 1 + 2);
	assert_string_equal(list.p[0].name, "owner");
	assert_string_equal(list.p[list.n - 2].name, "aa");
	assert_string_equal(list.p[list.n - 1].name, "zz");
	must(identity_role_list(f.db, tenant_platform_id, f.mem, &list, &e));
	assert_int_equal(list.n, 2);
	assert_string_equal(list.p[0].name, "auditor");
	assert_string_equal(list.p[1].name, "platform-operator");
}

static void
names_of_the_system_and_taken_ones_are_refused(void **state)
{
	struct err e;

	(void)state;
	for (int r = 0; r < ROLE_COUNT; r++) {
		must_fail(ERR_NAME_TAKEN,
		    make_role(&f.root, system_role_name((enum system_role)r), 0, &e));
		fixture_expect_field(&e, "/name");
	}
	(void)fixture_role(&f.root, "night", 0);
	must_fail(ERR_NAME_TAKEN, make_role(&f.root, "night", 0, &e));
	fixture_expect_field(&e, "/name");
	must_fail(ERR_INVALID, make_role(&f.root, "Night", 0, &e));
	must_fail(ERR_INVALID, make_role(&f.root, "-", 0, &e));
}

static void
permissions_of_the_platform_are_in_no_role_of_a_tenant(void **state)
{
	struct err e;

	(void)state;
	for (int p = 0; p < PERM_COUNT; p++) {
		char name[] = { 'r', (char)('0' + p / 10), (char)('0' + p % 10), '\0' };
		int rc = make_role(&f.root, name, PERM_BIT(p), &e);

		if (permission_level((enum permission)p) != PERM_LEVEL_PLATFORM) {
			assert_int_equal(rc, 0);
			continue;
		}
		assert_int_equal(rc, -1);
		assert_int_equal(e.code, ERR_INVALID);
		fixture_expect_field(&e, "/permissions");
	}
}

static void
a_role_holds_nothing_that_its_maker_lacks_everywhere(void **state)
{
	struct identity_project red = fixture_project(&f.root, "red");
	permission_set more = PERM_BIT(PERM_JOB_READ) | PERM_BIT(PERM_BILLING_READ);
	struct identity_role_change widen = { .permissions = { .set = true, .v = more } };
	struct identity_role_change narrow = { .permissions = { .set = true } };
	struct identity_role got;
	struct actor admin, owner;
	struct err e;

	(void)state;
	fixture_actor(&f.root, "admin", "admin", &admin);
	fixture_actor(&f.root, "owner", "owner", &owner);
	must_fail(ERR_LACKING, make_role(&admin.ask, "a", PERM_BIT(PERM_BILLING_READ), &e));
	assert_non_null(strstr(e.msg, "billing:read"));
	/* Having it in a project is not having it everywhere. */
	(void)fixture_role(&f.root, "maker", PERM_BIT(PERM_ROLE_CREATE));
	(void)fixture_assign(&f.root, admin.who.user, "owner", red.id);
	must_fail(ERR_LACKING, make_role(&admin.ask, "a", PERM_BIT(PERM_TENANT_UPDATE), &e));
	must(make_role(&admin.ask, "a", PERM_BIT(PERM_JOB_READ), &e));
	must_fail(ERR_LACKING,
	    identity_role_update(&admin.ask, "a", &widen, IDENTITY_ANY_VERSION, &got, &e));
	must(identity_role_update(&owner.ask, "a", &widen, IDENTITY_ANY_VERSION, &got, &e));
	/* What one lacks is not taken away either. */
	must_fail(ERR_LACKING,
	    identity_role_update(&admin.ask, "a", &narrow, IDENTITY_ANY_VERSION, &got, &e));
}

static void
system_roles_cannot_be_changed(void **state)
{
	const struct identity_role_change c = { .title = { .set = true, .v = "x" } };
	struct identity_role got;
	struct err e = { 0 };

	(void)state;
	must_fail(ERR_DENIED,
	    identity_role_update(&f.root, "viewer", &c, IDENTITY_ANY_VERSION, &got, &e));
	must_fail(ERR_DENIED, identity_role_delete(&f.root, "viewer", IDENTITY_ANY_VERSION, &e));
}

static void
a_role_that_somebody_has_is_not_deleted_and_its_versions_count(void **state)
{
	struct identity_user u = fixture_user(&f.root, "u", NULL, true), seen;
	const struct identity_role_change rename = { .name = { .set = true, .v = "day" } };
	struct identity_assignment x;
	struct identity_role got;
	struct err e = { 0 };

	(void)state;
	(void)fixture_role(&f.root, "night", PERM_BIT(PERM_JOB_READ));
	x = fixture_assign(&f.root, u.id, "night", fixture_nil);
	must_fail(ERR_IN_USE, identity_role_delete(&f.root, "night", IDENTITY_ANY_VERSION, &e));
	assert_non_null(strstr(e.msg, "1 time;"));
	must_fail(ERR_PRECONDITION, identity_role_update(&f.root, "night", &rename, 7, &got, &e));
	must(identity_role_update(&f.root, "night", &rename, 1, &got, &e));
	assert_int_equal(got.version, 2);
	/* Who has it is shown with its name, and so has a new version. */
	must(identity_user_get(f.db, f.alpha, u.id, f.mem, &seen, &e));
	assert_string_equal(seen.roles.p[0].role, "day");
	assert_int_equal(seen.version, 3);
	must(identity_assignment_delete(&f.root, x.id, &e));
	must_fail(ERR_PRECONDITION, identity_role_delete(&f.root, "day", 1, &e));
	must(identity_role_delete(&f.root, "day", 2, &e));
	must_fail(ERR_NOT_FOUND, identity_role_get(f.db, f.alpha, "day", f.mem, &got, &e));
}

static void
the_limit_on_roles_is_exact(void **state)
{
	struct err e;

	(void)state;
	f.quotas.amount[QUOTA_ROLES] = 1;
	must(make_role(&f.root, "a", 0, &e));
	must_fail(ERR_QUOTA, make_role(&f.root, "b", 0, &e));
}

/* --- assignments ------------------------------------------------------------------------------ */

static void
nobody_assigns_what_they_lack_there(void **state)
{
	struct identity_project red = fixture_project(&f.root, "red");
	struct identity_project blue = fixture_project(&f.root, "blue");
	struct identity_user u = fixture_user(&f.root, "u", NULL, true);
	struct actor admin, lead;
	struct err e;

	(void)state;
	fixture_actor(&f.root, "admin", "admin", &admin);
	fixture_actor(&f.root, "lead", NULL, &lead);
	(void)fixture_assign(&f.root, lead.who.user, "admin", red.id);
	must(assign(&admin.ask, u.id, "engineer", fixture_nil, &e));
	must(assign(&admin.ask, u.id, "admin", fixture_nil, &e));
	must_fail(ERR_LACKING, assign(&admin.ask, u.id, "owner", fixture_nil, &e));
	must_fail(ERR_LACKING, assign(&admin.ask, u.id, "billing", fixture_nil, &e));
	/* In a project an owner has no more than an admin: the rest is not granted there. */
	must(assign(&admin.ask, u.id, "owner", red.id, &e));
	/* An admin of a project gives roles there and nowhere else. */
	must(assign(&lead.ask, u.id, "engineer", red.id, &e));
	(void)fixture_assign(&f.root, lead.who.user, "viewer", blue.id);
	must_fail(ERR_DENIED, assign(&lead.ask, u.id, "viewer", blue.id, &e));
	must_fail(ERR_DENIED, assign(&lead.ask, u.id, "viewer", fixture_nil, &e));
}

static void
nobody_takes_away_what_they_lack(void **state)
{
	struct identity_project red = fixture_project(&f.root, "red");
	struct identity_user u = fixture_user(&f.root, "u", NULL, true);
	struct identity_assignment owner = fixture_assign(&f.root, u.id, "owner", fixture_nil);
	struct identity_assignment viewer = fixture_assign(&f.root, u.id, "viewer", fixture_nil);
	struct identity_assignment there = fixture_assign(&f.root, u.id, "viewer", red.id);
	struct actor admin, lead;
	struct err e = { 0 };

	(void)state;
	(void)fixture_user(&f.root, "boss", "owner", true);
	fixture_actor(&f.root, "admin", "admin", &admin);
	fixture_actor(&f.root, "lead", NULL, &lead);
	(void)fixture_assign(&f.root, lead.who.user, "admin", red.id);
	must_fail(ERR_LACKING, identity_assignment_delete(&admin.ask, owner.id, &e));
	must(identity_assignment_delete(&admin.ask, viewer.id, &e));
	/* Who sees no roles elsewhere does not learn that there is one. */
	must_fail(ERR_NOT_FOUND, identity_assignment_delete(&lead.ask, owner.id, &e));
	must_fail(ERR_NOT_FOUND, identity_assignment_delete(&lead.ask, uuid_v7(), &e));
	must(identity_assignment_delete(&lead.ask, there.id, &e));
}

static void
what_is_given_already_is_given_once(void **state)
{
	struct identity_user u = fixture_user(&f.root, "u", NULL, true);
	const struct identity_assignment_new n = { .user = u.id, .role.role = "viewer" };
	struct identity_assignment first, second;
	struct err e = { 0 };
	bool made;

	(void)state;
	must(identity_assignment_create(&f.root, &n, &first, &made, &e));
	assert_true(made);
	must(identity_assignment_create(&f.root, &n, &second, &made, &e));
	assert_false(made);
	assert_int_equal(uuid_cmp(first.id, second.id), 0);
	assert_int_equal(fixture_count(&f, "select count(*) from role_assignment where tenant_id =",
			     f.alpha.uuid),
	    1);
}

static void
ids_of_others_are_unknown_ids(void **state)
{
	struct identity_user mine = fixture_user(&f.root, "u", NULL, true);
	struct identity_user theirs = fixture_user(&f.root_beta, "u", NULL, true);
	struct identity_project their_project = fixture_project(&f.root_beta, "red");
	struct identity_assignment x =
	    fixture_assign(&f.root_beta, theirs.id, "viewer", fixture_nil);
	struct identity_assignment_filter all = { .page.limit = 200 };
	struct identity_assignments list;
	struct err e;

	(void)state;
	(void)fixture_role(&f.root_beta, "theirs", PERM_BIT(PERM_JOB_READ));
	must_fail(ERR_INVALID, assign(&f.root, theirs.id, "viewer", fixture_nil, &e));
	fixture_expect_field(&e, "/user");
	must_fail(ERR_INVALID, assign(&f.root, mine.id, "viewer", their_project.id, &e));
	fixture_expect_field(&e, "/project");
	must_fail(ERR_INVALID, assign(&f.root, mine.id, "theirs", fixture_nil, &e));
	fixture_expect_field(&e, "/role");
	e = (struct err){ 0 };
	must_fail(ERR_NOT_FOUND, identity_assignment_delete(&f.root, x.id, &e));
	must(identity_assignment_list(f.db, f.alpha, &all, f.mem, &list, &e));
	assert_int_equal(list.n, 0);
}

static void
the_platforms_tenant_has_its_own_roles_and_others_do_not(void **state)
{
	struct identity_ask platform = fixture_system(&f, tenant_platform_id);
	struct identity_user u = fixture_user(&f.root, "u", NULL, true);
	struct identity_user op = fixture_user(&platform, "op", "platform-operator", true);
	struct identity_project p = fixture_project(&platform, "p");
	struct identity_assignment x;
	struct actor actor;
	struct err e;

	(void)state;
	must_fail(ERR_INVALID, assign(&f.root, u.id, "platform-operator", fixture_nil, &e));
	fixture_expect_field(&e, "/role");
	for (int r = 0; r < ROLE_COUNT; r++) {
		int rc = assign(
		    &platform, op.id, system_role_name((enum system_role)r), fixture_nil, &e);

		assert_int_equal(rc, r == ROLE_OPERATOR || r == ROLE_AUDITOR ? 0 : -1);
	}
	must_fail(ERR_CONFLICT, make_role(&platform, "own", 0, &e));
	must_fail(ERR_INVALID, assign(&platform, op.id, "platform-operator", p.id, &e));
	fixture_expect_field(&e, "/project");
	/* An operator can give both roles; the last one stays. */
	fixture_actor(&platform, "second", "platform-operator", &actor);
	must(assign(&actor.ask, op.id, "auditor", fixture_nil, &e));
	e = (struct err){ 0 };
	must(identity_user_delete(&actor.ask, op.id, true, IDENTITY_ANY_VERSION, &e));
	must_fail(ERR_LAST_OWNER,
	    identity_user_delete(&platform, actor.who.user, true, IDENTITY_ANY_VERSION, &e));
	x = fixture_assign(&platform, actor.who.user, "platform-operator", fixture_nil);
	must_fail(ERR_LAST_OWNER, identity_assignment_delete(&platform, x.id, &e));
}

static void
one_user_has_roles_in_a_limited_number_of_projects(void **state)
{
	struct identity_user u = fixture_user(&f.root, "u", NULL, true), got;
	struct err e;

	(void)state;
	for (int i = 0; i < GRANT_PROJECTS_MAX; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "p%d", i);
		must(assign(&f.root, u.id, "viewer", fixture_project(&f.root, name).id, &e));
	}
	must_fail(
	    ERR_QUOTA, assign(&f.root, u.id, "viewer", fixture_project(&f.root, "last").id, &e));
	must(assign(&f.root, u.id, "engineer", fixture_nil, &e));
	must(identity_user_get(f.db, f.alpha, u.id, f.mem, &got, &e));
	assert_int_equal(got.roles.n, GRANT_PROJECTS_MAX + 1);
}

static void
one_user_has_a_limited_number_of_roles(void **state)
{
	struct identity_user u = fixture_user(&f.root, "u", NULL, true);
	struct err e;

	(void)state;
	for (int i = 0; i < IDENTITY_ROLES_MAX; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "r%d", i);
		(void)fixture_role(&f.root, name, 0);
		must(assign(&f.root, u.id, name, fixture_nil, &e));
	}
	must_fail(ERR_QUOTA, assign(&f.root, u.id, "viewer", fixture_nil, &e));
	f.quotas.amount[QUOTA_ROLE_ASSIGNMENTS] = IDENTITY_ROLES_MAX;
	must_fail(ERR_QUOTA,
	    assign(&f.root, fixture_user(&f.root, "v", NULL, true).id, "viewer", fixture_nil, &e));
	assert_non_null(strstr(e.msg, "role_assignments"));
}

static void
assignments_are_listed_by_what_they_join(void **state)
{
	struct identity_project red = fixture_project(&f.root, "red");
	struct identity_user u = fixture_user(&f.root, "u", "viewer", true);
	struct identity_user v = fixture_user(&f.root, "v", "viewer", true);
	const struct {
		struct identity_assignment_filter filter;
		size_t n;
	} rows[] = {
		{ { .page.limit = 200 }, 4 },
		{ { .page.limit = 200, .user = u.id }, 3 },
		{ { .page.limit = 200, .project = red.id }, 1 },
		{ { .page.limit = 200, .role = "viewer" }, 2 },
		{ { .page.limit = 200, .role = "night" }, 1 },
		{ { .page.limit = 200, .role = "owner" }, 0 },
		{ { .page.limit = 200, .key = v.id }, 0 },
	};
	struct identity_assignments list;
	struct err e = { 0 };

	(void)state;
	(void)fixture_role(&f.root, "night", PERM_BIT(PERM_JOB_READ));
	(void)fixture_assign(&f.root, u.id, "night", fixture_nil);
	(void)fixture_assign(&f.root, u.id, "engineer", red.id);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		must(identity_assignment_list(f.db, f.alpha, &rows[i].filter, f.mem, &list, &e));
		assert_int_equal(list.n, rows[i].n);
		assert_false(list.more);
	}
}

/* --- why -------------------------------------------------------------------------------------- */

static struct identity_explanation
explain(struct identity_question q)
{
	struct identity_explanation x = { 0 };
	struct err e = { 0 };

	must(identity_explain(f.db, f.alpha, &q, f.mem, &x, &e));
	return x;
}

static void
an_explanation_names_the_roles_and_what_stands_against_them(void **state)
{
	struct identity_project red = fixture_project(&f.root, "red");
	struct identity_project blue = fixture_project(&f.root, "blue");
	struct identity_user u = fixture_user(&f.root, "u", "viewer", false);
	const struct identity_role_ref there = { .role = "engineer", .project = blue.id };
	struct identity_key_new n = { .name = "k", .user = u.id };
	struct identity_key plain = fixture_key(&f.root, &n, NULL), scoped, limited;
	const struct identity_user_change disable = { .disabled = { true, true } };
	struct identity_explanation x;
	struct identity_user got;
	struct err e = { 0 };

	(void)state;
	n.scopes = (struct identity_scopes){ .limited = true, .set = PERM_BIT(PERM_JOB_READ) };
	scoped = fixture_key(&f.root, &n, NULL);
	n.scopes.limited = false;
	n.roles = (struct identity_roles){ .p = &there, .n = 1 };
	limited = fixture_key(&f.root, &n, NULL);
	(void)fixture_assign(&f.root, u.id, "engineer", red.id);
	x = explain((struct identity_question){
	    .user = u.id, .permission = PERM_JOB_CREATE, .project = red.id });
	assert_true(x.allowed);
	assert_int_equal(x.n_reasons, 1);
	assert_string_equal(x.reasons[0].role.role, "engineer");
	assert_non_null(strstr(x.sentence, "engineer"));
	x = explain((struct identity_question){ .user = u.id, .permission = PERM_JOB_CREATE });
	assert_false(x.allowed);
	assert_int_equal(x.n_reasons, 0);
	x = explain((struct identity_question){ .key = plain.id, .permission = PERM_JOB_READ });
	assert_true(x.allowed);
	x = explain((struct identity_question){
	    .key = scoped.id, .permission = PERM_JOB_CREATE, .project = red.id });
	assert_false(x.allowed);
	assert_int_equal(x.n_limits, 1);
	assert_non_null(strstr(x.limits[0], "scopes"));
	/* The key's own role holds elsewhere. */
	x = explain((struct identity_question){
	    .key = limited.id, .permission = PERM_JOB_CREATE, .project = red.id });
	assert_false(x.allowed);
	assert_non_null(strstr(x.limits[0], "limited to roles"));
	must(identity_key_revoke(&f.root, plain.id, IDENTITY_ANY_VERSION, &e));
	must(identity_user_update(&f.root, u.id, &disable, IDENTITY_ANY_VERSION, &got, &e));
	x = explain((struct identity_question){ .key = plain.id, .permission = PERM_JOB_READ });
	assert_false(x.allowed);
	assert_int_equal(x.n_limits, 2);
}

static void
an_explanation_of_unknown_ids_is_not_found(void **state)
{
	struct identity_user theirs = fixture_user(&f.root_beta, "u", "viewer", false);
	struct identity_user mine = fixture_user(&f.root, "u", "viewer", false);
	const struct identity_question rows[] = {
		{ .user = theirs.id },
		{ .user = uuid_v7() },
		{ .key = uuid_v7() },
		{ .user = mine.id, .project = uuid_v7() },
	};
	struct identity_explanation x;
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		must_fail(ERR_NOT_FOUND, identity_explain(f.db, f.alpha, &rows[i], f.mem, &x, &e));
}

#define TEST(name) cmocka_unit_test_setup(name, setup)
static const struct CMUnitTest tests[] = {
	TEST(a_role_comes_back_by_id_and_by_name),
	TEST(the_list_has_the_systems_roles_and_then_the_tenants_own),
	TEST(names_of_the_system_and_taken_ones_are_refused),
	TEST(permissions_of_the_platform_are_in_no_role_of_a_tenant),
	TEST(a_role_holds_nothing_that_its_maker_lacks_everywhere),
	TEST(system_roles_cannot_be_changed),
	TEST(a_role_that_somebody_has_is_not_deleted_and_its_versions_count),
	TEST(the_limit_on_roles_is_exact),
	TEST(nobody_assigns_what_they_lack_there),
	TEST(nobody_takes_away_what_they_lack),
	TEST(what_is_given_already_is_given_once),
	TEST(ids_of_others_are_unknown_ids),
	TEST(the_platforms_tenant_has_its_own_roles_and_others_do_not),
	TEST(one_user_has_roles_in_a_limited_number_of_projects),
	TEST(one_user_has_a_limited_number_of_roles),
	TEST(assignments_are_listed_by_what_they_join),
	TEST(an_explanation_names_the_roles_and_what_stands_against_them),
	TEST(an_explanation_of_unknown_ids_is_not_found),
};

int
main(void)
{
	int rc;

	fixture_open(&f);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	fixture_close(&f);
	return rc;
}
