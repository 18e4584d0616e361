/* SPDX-License-Identifier: Apache-2.0 */
/* What operators may not do: go on after they were dismissed, make themselves owners of a tenant.
 */
#include "identity_fixture.h"

#include "platform.h"

static struct fixture f;
static struct identity_ask platform_root;

static int
setup(void **state)
{
	(void)state;
	fixture_fresh(&f);
	platform_root = fixture_system(&f, tenant_platform_id);
	return 0;
}

/* Names of operators are unique, and their tenant stays from test to test. */
static void
make_operator(struct actor *ret)
{
	static int n;
	char name[32];

	(void)snprintf(name, sizeof(name), "operator-%d", n++);
	fixture_actor(&platform_root, name, "platform-operator", ret);
}

static struct platform_ask
asked_by(const struct actor *a)
{
	return (struct platform_ask){ .db = f.db, .by = &a->by, .mem = f.mem };
}

static int
rename_alpha(const struct actor *a, struct err *e)
{
	const struct platform_ask ask = asked_by(a);
	struct platform_tenant t;

	*e = (struct err){ 0 };
	return platform_tenant_rename(&ask, f.alpha, "renamed", PLATFORM_ANY_VERSION, &t, e);
}

/* text: a statement but for the id at its end. */
static void
run_sql(struct uuid id, const char *text)
{
	char sql[512], quoted[UUID_STR_SIZE];

	(void)snprintf(sql, sizeof(sql), "%.400s'%s'", text, uuid_format(id, quoted));
	test_script(f.t.url, sql);
}

static void
an_operator_who_was_dismissed_does_nothing_more_whatever_a_cache_says(void **state)
{
	static const struct {
		const char *sql;
		bool of_key;
	} ends[] = {
		{ "update api_key set revoked_at = now() where key_id = ", true },
		{ "update api_key set expires_at = now() where key_id = ", true },
		{ "update tenant_user set disabled_at = now() where user_id = ", false },
		{ "delete from role_assignment where user_id = ", false },
		{ "update role_assignment set system_role = 'auditor' where user_id = ", false },
	};
	struct platform_tenant t;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		struct actor gone;
		const struct platform_ask ask = asked_by(&gone);

		make_operator(&gone);
		must(rename_alpha(&gone, &e));
		run_sql(ends[i].of_key ? gone.who.key : gone.who.user, ends[i].sql);
		must_fail(ERR_UNAUTHENTICATED, rename_alpha(&gone, &e));
		must_fail(ERR_UNAUTHENTICATED, platform_tenant_create(&ask, "made", &t, &e));
	}
}

static void
a_token_that_was_given_back_operates_nothing(void **state)
{
	char sql[256], tenant[UUID_STR_SIZE], token[UUID_STR_SIZE];
	struct actor operator;
	struct err e;

	(void)state;
	make_operator(&operator);
	operator.who.kind = PRINCIPAL_TOKEN;
	operator.who.token = uuid_v7();
	must(rename_alpha(&operator, & e));
	(void)snprintf(sql, sizeof(sql),
	    "insert into token_revocation (tenant_id, token_id, expires_at) values ('%s', '%s', "
	    "now() + interval '1 hour')",
	    uuid_format(tenant_platform_id.uuid, tenant), uuid_format(operator.who.token, token));
	test_script(f.t.url, sql);
	must_fail(ERR_UNAUTHENTICATED, rename_alpha(&operator, & e));
}

static int
admit(const struct actor *a, struct tenant_id tenant, struct err *e)
{
	const struct platform_ask ask = asked_by(a);

	*e = (struct err){ 0 };
	return platform_owner_admit(&ask, tenant, e);
}

static void
an_owner_who_can_come_in_keeps_operators_from_making_another(void **state)
{
	struct actor operator, owner;
	struct err e = { 0 };

	(void)state;
	make_operator(&operator);
	must(admit(&operator, f.alpha, &e)); /* nobody is there yet */
	fixture_actor(&f.root, "owner", "owner", &owner);
	must_fail(ERR_CONFLICT, admit(&operator, f.alpha, &e));
	must(identity_key_revoke(&f.root, owner.who.key, IDENTITY_ANY_VERSION, &e));
	must(admit(&operator, f.alpha, &e));
	fixture_expect_entry(&f, f.alpha, "tenant.admit_owner");
	fixture_expect_entry(&f, tenant_platform_id, "tenant.admit_owner");
}

static void
who_counts_as_an_owner_who_can_come_in(void **state)
{
	static const struct {
		const char *sql; /* of the owner's user */
		bool stands;
	} rows[] = {
		{ "update api_key set expires_at = now() + interval '1 hour' where user_id = ",
		    true },
		{ "update api_key set expires_at = now() where user_id = ", false },
		{ "update tenant_user set disabled_at = now() where user_id = ", false },
		{ "update role_assignment set system_role = 'admin' where user_id = ", false },
		{ "with gone as (update api_key set revoked_at = now()) "
		  "update tenant_user set issuer_id = (select i.issuer_id from issuer i "
		  "where i.tenant_id = tenant_user.tenant_id), subject = 's' where user_id = ",
		    true },
	};
	struct actor operator, owner;
	struct err e;

	(void)state;
	make_operator(&operator);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int rc;

		fixture_fresh(&f);
		fixture_actor(&f.root, "owner", "owner", &owner);
		run_sql(f.alpha.uuid,
		    "insert into issuer (tenant_id, issuer_id, name, url, audience, jwks) select "
		    "tenant_id, gen_random_uuid(), 'i', 'https://i.example.com', 'a', '{}' "
		    "from tenant where tenant_id = ");
		run_sql(owner.who.user, rows[i].sql);
		rc = admit(&operator, f.alpha, &e);
		if ((rc < 0) != rows[i].stands)
			fail_msg("row %zu: %d %s", i, rc, rc < 0 ? e.msg : "");
	}
}

static void
the_platform_itself_and_what_is_being_deleted_get_no_owners(void **state)
{
	struct actor operator;
	struct err e;

	(void)state;
	make_operator(&operator);
	must_fail(ERR_CONFLICT, admit(&operator, tenant_platform_id, &e));
	must_fail(ERR_NOT_FOUND, admit(&operator,(struct tenant_id){ uuid_v7() }, &e));
	run_sql(f.alpha.uuid, "update tenant set state = 'deleting' where tenant_id = ");
	must_fail(ERR_CONFLICT, admit(&operator, f.alpha, &e));
}

#define TEST(name) cmocka_unit_test_setup(name, setup)
static const struct CMUnitTest tests[] = {
	TEST(an_operator_who_was_dismissed_does_nothing_more_whatever_a_cache_says),
	TEST(a_token_that_was_given_back_operates_nothing),
	TEST(an_owner_who_can_come_in_keeps_operators_from_making_another),
	TEST(who_counts_as_an_owner_who_can_come_in),
	TEST(the_platform_itself_and_what_is_being_deleted_get_no_owners),
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
