/* SPDX-License-Identifier: Apache-2.0 */
/* What a tenant decides about itself, and tokens that are given back. */
#include "identity_fixture.h"

#include "identity_self.h"

static struct fixture f;

static int
setup(void **state)
{
	(void)state;
	fixture_fresh(&f);
	return 0;
}

static int64_t
version_of(struct tenant_id t)
{
	return fixture_count(&f, "select version from tenant where tenant_id =", t.uuid);
}

static int64_t
entries_of(struct tenant_id t)
{
	return fixture_count(&f, "select count(*) from audit_log where tenant_id =", t.uuid);
}

static void
a_switch_makes_a_version_an_entry_and_forgets_what_is_cached(void **state)
{
	const struct identity_self_change off = { .support_allowed = { .set = true } };
	const int64_t version = version_of(f.alpha), access = fixture_access_version(&f, f.alpha);
	const int64_t others = version_of(f.beta);
	struct actor owner;
	struct err e = { 0 };

	(void)state;
	fixture_actor(&f.root, "olga", "owner", &owner);
	must(identity_self_update(&owner.ask, &off, version, &e));
	assert_int_equal(version_of(f.alpha), version + 1);
	assert_true(fixture_access_version(&f, f.alpha) > access);
	fixture_expect_entry(&f, f.alpha, "\"tenant.update\"");
	fixture_expect_entry(&f, f.alpha, "\"support_allowed\"");
	assert_int_equal(version_of(f.beta), others);
}

static void
a_version_that_has_passed_and_nothing_new_change_nothing(void **state)
{
	const struct identity_self_change off = { .support_allowed = { .set = true } };
	const struct identity_self_change on = { .support_allowed = { .set = true, .v = true } };
	const struct identity_self_change nothing = { 0 };
	const int64_t version = version_of(f.alpha), entries = entries_of(f.alpha);
	struct err e = { 0 };

	(void)state;
	must_fail(ERR_PRECONDITION, identity_self_update(&f.root, &off, version + 1, &e));
	must_fail(ERR_PRECONDITION, identity_self_update(&f.root, &off, 0, &e));
	must(identity_self_update(&f.root, &on, IDENTITY_ANY_VERSION, &e));
	must(identity_self_update(&f.root, &nothing, version, &e));
	assert_int_equal(version_of(f.alpha), version);
	assert_int_equal(entries_of(f.alpha), entries);
}

static void
only_owners_decide_about_the_tenant(void **state)
{
	static const char *const roles[] = { "admin", "engineer", "auditor", NULL };
	const struct identity_self_change off = { .support_allowed = { .set = true } };
	struct actor who;
	struct err e = { 0 };
	char name[16];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
		(void)snprintf(name, sizeof(name), "user-%zu", i);
		fixture_actor(&f.root, name, roles[i], &who);
		must_fail(
		    ERR_DENIED, identity_self_update(&who.ask, &off, IDENTITY_ANY_VERSION, &e));
	}
}

static void
a_token_is_given_back_once_and_by_whoever_holds_it(void **state)
{
	const int64_t access = fixture_access_version(&f, f.alpha);
	struct actor who;
	struct err e = { 0 };
	int64_t entries;

	(void)state;
	fixture_actor(&f.root, "nobody", NULL, &who); /* without any role */
	who.who.kind = PRINCIPAL_TOKEN;
	who.who.token = uuid_v7();
	who.who.expires_wall_us = clock_wall_us() + INT64_C(3600000000);
	entries = entries_of(f.alpha);
	must(identity_self_revoke(&who.ask, &e));
	must(identity_self_revoke(&who.ask, &e));
	assert_int_equal(fixture_count(&f, "select count(*) from token_revocation where token_id =",
			     who.who.token),
	    1);
	assert_int_equal(entries_of(f.alpha), entries + 1);
	fixture_expect_entry(&f, f.alpha, "\"token.revoke\"");
	assert_true(fixture_access_version(&f, f.alpha) > access);
}

static void
rows_of_tokens_that_have_expired_go(void **state)
{
	struct actor who;
	struct err e = { 0 };
	struct uuid old = uuid_v7();

	(void)state;
	fixture_actor(&f.root, "nobody", NULL, &who);
	who.who.kind = PRINCIPAL_TOKEN;
	who.who.token = old;
	who.who.expires_wall_us = clock_wall_us() - INT64_C(3600000000);
	must(identity_self_revoke(&who.ask, &e));
	who.who.token = uuid_v7();
	who.who.expires_wall_us = clock_wall_us() + INT64_C(3600000000);
	must(identity_self_revoke(&who.ask, &e));
	assert_int_equal(
	    fixture_count(&f, "select count(*) from token_revocation where token_id =", old), 0);
	assert_int_equal(
	    fixture_count(
		&f, "select count(*) from token_revocation where tenant_id =", f.alpha.uuid),
	    1);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)
static const struct CMUnitTest tests[] = {
	TEST(a_switch_makes_a_version_an_entry_and_forgets_what_is_cached),
	TEST(a_version_that_has_passed_and_nothing_new_change_nothing),
	TEST(only_owners_decide_about_the_tenant),
	TEST(a_token_is_given_back_once_and_by_whoever_holds_it),
	TEST(rows_of_tokens_that_have_expired_go),
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
