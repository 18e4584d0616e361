/* SPDX-License-Identifier: Apache-2.0 */
/* What somebody can do with little: shut others out, outlive their own limits, come back. */
#include "identity_fixture.h"

#include "buf.h"
#include "identity_self.h"
#include "json.h"

static struct fixture f;

static int
setup(void **state)
{
	(void)state;
	fixture_fresh(&f);
	return 0;
}

static int
limit_to_role(const struct identity_ask *a, struct uuid key, const char *role, struct uuid project,
    struct err *e)
{
	const struct identity_assignment_new n = { .key = key,
		.role = { .role = role, .project = project } };
	struct identity_assignment x;
	bool made;

	*e = (struct err){ 0 };
	return identity_assignment_create(a, &n, &x, &made, e);
}

static int
change(const struct identity_ask *a, struct uuid key, const struct identity_key_change *c,
    struct err *e)
{
	struct identity_key got;

	*e = (struct err){ 0 };
	return identity_key_update(a, key, c, IDENTITY_ANY_VERSION, &got, e);
}

static int
end_key(const struct identity_ask *a, struct uuid key, struct err *e)
{
	*e = (struct err){ 0 };
	return identity_key_revoke(a, key, IDENTITY_ANY_VERSION, e);
}

/* --- keys of others --------------------------------------------------------------------------- */

static void
nobody_revokes_a_key_that_may_more_than_they(void **state)
{
	struct actor owner, admin, engineer, other;
	struct identity_key got;
	struct err e;

	(void)state;
	fixture_actor(&f.root, "owner", "owner", &owner);
	fixture_actor(&f.root, "admin", "admin", &admin);
	fixture_actor(&f.root, "engineer", "engineer", &engineer);
	fixture_actor(&f.root, "other", "engineer", &other);
	must_fail(ERR_LACKING, end_key(&engineer.ask, owner.who.key, &e));
	must_fail(ERR_LACKING, end_key(&engineer.ask, admin.who.key, &e));
	must_fail(ERR_LACKING, end_key(&admin.ask, owner.who.key, &e));
	must(identity_key_get(f.db, f.alpha, owner.who.key, f.mem, &got, &e));
	assert_int_equal(got.revoked_wall_us, 0);
	must(end_key(&engineer.ask, other.who.key, &e));
	/* Again, it changes nothing and needs nothing. */
	must(end_key(&owner.ask, admin.who.key, &e));
	must(end_key(&engineer.ask, admin.who.key, &e));
}

static void
nobody_narrows_a_key_that_may_more_than_they(void **state)
{
	struct identity_key_change changes[] = {
		{ .scopes = { true, { true, PERM_BIT(PERM_JOB_READ) } } },
		{ .cidrs = { .set = true, .v.limited = true } },
		{ .expires = { true, clock_wall_us() + 60000000 } },
	};
	const struct identity_key_change rename = { .name = { true, "another" } };
	struct actor owner, engineer, other;
	struct err e = { 0 };

	(void)state;
	fixture_actor(&f.root, "owner", "owner", &owner);
	fixture_actor(&f.root, "engineer", "engineer", &engineer);
	fixture_actor(&f.root, "other", "engineer", &other);
	must(net_cidrs_parse("192.0.2.77/32", &changes[1].cidrs.v.list, &e));
	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		must_fail(ERR_LACKING, change(&engineer.ask, owner.who.key, &changes[i], &e));
		must(change(&engineer.ask, other.who.key, &changes[i], &e));
	}
	must(change(&engineer.ask, owner.who.key, &rename, &e));
}

/* A key that can do nothing but revoke is one to keep at hand: what its owner may counts. */
static void
keys_of_ones_own_are_revoked_and_narrowed_with_any_of_them(void **state)
{
	const permission_set little =
	    PERM_BIT(PERM_KEY_REVOKE) | PERM_BIT(PERM_KEY_UPDATE) | PERM_BIT(PERM_USER_CREATE);
	const struct identity_key_change less = { .scopes = { true, { true, little } } };
	struct actor owner, admin, engineer;
	struct err e;

	(void)state;
	fixture_actor(&f.root, "owner", "owner", &owner);
	fixture_actor(&f.root, "admin", "admin", &admin);
	fixture_actor(&f.root, "engineer", "engineer", &engineer);
	const struct identity_key_new n = {
		.name = "k", .user = owner.who.user, .scopes = { true, little }
	};
	const struct identity_key small = fixture_key(&f.root, &n, NULL);
	fixture_act_as(&f.root, &small, &owner);
	const struct identity_key_new another = { .name = "k", .user = owner.who.user };
	must(change(&owner.ask, fixture_key(&f.root, &another, NULL).id, &less, &e));
	must(end_key(&owner.ask, fixture_key(&f.root, &another, NULL).id, &e));
	must(end_key(&owner.ask, admin.who.key, &e));
	must_fail(ERR_LACKING, end_key(&engineer.ask, small.id, &e));
}

static void
the_first_role_of_a_key_takes_away_what_the_key_may_do(void **state)
{
	struct identity_project red = fixture_project(&f.root, "red");
	struct identity_user u = fixture_user(&f.root, "lead", NULL, false);
	const struct identity_key_new n = { .name = "k", .user = u.id };
	struct actor owner, lead;
	struct err e;

	(void)state;
	fixture_actor(&f.root, "owner", "owner", &owner);
	(void)fixture_assign(&f.root, u.id, "admin", red.id);
	const struct identity_key k = fixture_key(&f.root, &n, NULL);
	fixture_act_as(&f.root, &k, &lead);
	/* It would leave the owner of the tenant a viewer of one project. */
	must_fail(ERR_LACKING, limit_to_role(&lead.ask, owner.who.key, "viewer", red.id, &e));
	must(limit_to_role(&lead.ask, k.id, "viewer", red.id, &e));
	/* A second one takes nothing away. */
	must(limit_to_role(&owner.ask, owner.who.key, "owner", fixture_nil, &e));
	must_fail(ERR_DENIED, limit_to_role(&lead.ask, owner.who.key, "viewer", red.id, &e));
}

static void
a_key_that_is_limited_to_roles_makes_keys_that_are_limited_like_it(void **state)
{
	const struct identity_role_ref engineer = { .role = "engineer" },
				       viewer = { .role = "viewer" };
	struct identity_user u = fixture_user(&f.root, "u", "engineer", false);
	const struct identity_key_new limited = {
		.name = "k", .user = u.id, .roles = { .p = &engineer, .n = 1 }
	};
	const struct identity_key k = fixture_key(&f.root, &limited, NULL);
	struct identity_key_new n = { .name = "another" };
	struct identity_key got;
	char text[AUTH_KEY_SIZE];
	struct actor actor;
	struct err e = { 0 };

	(void)state;
	fixture_act_as(&f.root, &k, &actor);
	/* Without limits it would have whatever its owner is given later. */
	must_fail(ERR_LACKING, identity_key_create(&actor.ask, &n, &got, text, &e));
	n.roles = (struct identity_roles){ .p = &viewer, .n = 1 };
	must_fail(ERR_LACKING, identity_key_create(&actor.ask, &n, &got, text, &e)); /* user:read */
	n.roles.p = &engineer;
	must(identity_key_create(&actor.ask, &n, &got, text, &e));
	n.roles.n = 0;
	n.scopes = (struct identity_scopes){ true, PERM_BIT(PERM_JOB_READ) };
	must(identity_key_create(&actor.ask, &n, &got, text, &e));
	n.scopes.set = PERM_BIT(PERM_USER_CREATE);
	must_fail(ERR_LACKING, identity_key_create(&actor.ask, &n, &got, text, &e));
	/* Nor does it take the limits off itself, or see the text of one without them. */
	n = (struct identity_key_new){ .name = "free", .user = u.id };
	must_fail(ERR_LACKING,
	    identity_key_rotate(&actor.ask, fixture_key(&f.root, &n, NULL).id, 0, &got, text, &e));
}

static void
revoked_keys_are_kept_but_not_without_end(void **state)
{
	struct identity_user u = fixture_user(&f.root, "u", "viewer", false);
	const struct identity_key_new n = { .name = "k", .user = u.id };
	char sql[1024], tenant[UUID_STR_SIZE], user[UUID_STR_SIZE];
	struct err e = { 0 };

	(void)state;
	(void)snprintf(sql, sizeof(sql),
	    "with made as (insert into api_key (tenant_id, key_id, public_id, hash, name, user_id, "
	    "revoked_at) select '%s', gen_random_uuid(), lpad(i::text, 12, '0'), "
	    "decode(repeat('00', 32), "
	    "'hex'), i::text, '%s', now() - i * interval '1 minute' from generate_series(1, %d) i "
	    "returning tenant_id, key_id) insert into role_assignment (tenant_id, assignment_id, "
	    "key_id, system_role) select tenant_id, gen_random_uuid(), key_id, 'viewer' from made",
	    uuid_format(f.alpha.uuid, tenant), uuid_format(u.id, user), IDENTITY_REVOKED_KEYS + 3);
	test_script(f.t.url, sql);
	f.quotas.amount[QUOTA_ROLE_ASSIGNMENTS] = 2 * IDENTITY_REVOKED_KEYS;
	const struct identity_key k = fixture_key(&f.root, &n, NULL);
	assert_int_equal(fixture_count(&f,
			     "select count(*) from api_key where revoked_at is not null and "
			     "tenant_id =",
			     f.alpha.uuid),
	    IDENTITY_REVOKED_KEYS);
	/* The oldest went, with an entry in the log. */
	assert_int_equal(fixture_count(&f,
			     "select count(*) from api_key where revoked_at < now() - interval "
			     "'5000.5 minutes' and tenant_id =",
			     f.alpha.uuid),
	    0);
	fixture_expect_entry(&f, f.alpha, "\"forgotten_keys\":[3,0]");
	must(end_key(&f.root, k.id, &e));
}

/* --- wardiand bootstrap
 * --------------------------------------------------------------------------- */

/* An admin could have made a user of that name, with a key, and waited. */
static void
bootstrap_makes_an_owner_of_nobody_who_is_there(void **state)
{
	const struct identity_first first = {
		.user = "bootstrap", .key_name = "k", .role = ROLE_OWNER
	};
	const struct identity_first again = {
		.user = "oncall", .key_name = "k", .role = ROLE_OPERATOR
	};
	struct identity_ask platform = fixture_system(&f, tenant_platform_id);
	struct identity_user waiting = fixture_user(&f.root, "bootstrap", "viewer", false), got;
	char text[AUTH_KEY_SIZE];
	struct err e = { 0 };

	(void)state;
	must(identity_first_key(&f.root, &first, text, &e));
	must(identity_user_get(f.db, f.alpha, waiting.id, f.mem, &got, &e));
	assert_int_equal(got.roles.n, 1);
	assert_string_equal(got.roles.p[0].role, "viewer");
	assert_int_equal(
	    fixture_count(&f,
		"select count(*) from tenant_user u join role_assignment a using (tenant_id, "
		"user_id) "
		"where u.name like 'bootstrap-%' and a.system_role = 'owner' and tenant_id =",
		f.alpha.uuid),
	    1);
	/* Who is one already gets another key. */
	(void)fixture_user(&f.root_beta, "bootstrap", "owner", false);
	must(identity_first_key(&f.root_beta, &first, text, &e));
	assert_int_equal(
	    fixture_count(&f, "select count(*) from tenant_user where tenant_id =", f.beta.uuid),
	    1);
	/* Names of operators are chosen, so that another one would not be what was meant. */
	(void)fixture_user(&platform, "oncall", "auditor", false);
	must_fail(ERR_CONFLICT, identity_first_key(&platform, &again, text, &e));
}

/* --- projects that are not there -------------------------------------------------------------- */

static void
a_project_that_may_not_be_seen_is_none_when_roles_are_given(void **state)
{
	struct identity_project red = fixture_project(&f.root, "red"),
				blue = fixture_project(&f.root, "blue");
	struct identity_user u = fixture_user(&f.root, "lead", NULL, false);
	const struct identity_key_new n = { .name = "k", .user = u.id };
	struct identity_assignment_new give = { .user = u.id, .role = { .role = "viewer" } };
	struct identity_assignment x;
	struct actor lead;
	struct err unknown, hidden;
	bool made;

	(void)state;
	(void)fixture_assign(&f.root, u.id, "admin", red.id);
	const struct identity_key k = fixture_key(&f.root, &n, NULL);
	fixture_act_as(&f.root, &k, &lead);
	unknown = hidden = (struct err){ 0 };
	give.role.project = uuid_v7();
	assert_int_equal(identity_assignment_create(&lead.ask, &give, &x, &made, &unknown), -1);
	give.role.project = blue.id;
	assert_int_equal(identity_assignment_create(&lead.ask, &give, &x, &made, &hidden), -1);
	assert_int_equal(hidden.code, unknown.code);
	assert_string_equal(hidden.msg, unknown.msg);
	assert_string_equal(hidden.fields[0].msg, unknown.fields[0].msg);
}

/* --- subjects of issuers ---------------------------------------------------------------------- */

static struct uuid
issuer_with_owners(void)
{
	char sql[512], tenant[UUID_STR_SIZE], text[UUID_STR_SIZE];
	struct uuid id = uuid_v7();

	(void)snprintf(sql, sizeof(sql),
	    "insert into issuer (tenant_id, issuer_id, name, url, audience, jwks, rules) values "
	    "('%s', '%s', 'idp', 'https://idp.example.com', 'a', '{}', "
	    "'[{\"claim\": \"*\", \"role\": \"owner\", \"project\": null}]')",
	    uuid_format(f.alpha.uuid, tenant), uuid_format(id, text));
	test_script(f.t.url, sql);
	return id;
}

static int
patch(const struct identity_ask *a, struct uuid user, const struct identity_user_change *c,
    struct err *e)
{
	struct identity_user got;

	*e = (struct err){ 0 };
	return identity_user_update(a, user, c, IDENTITY_ANY_VERSION, &got, e);
}

/* The tokens of a subject do what the rules say as soon as no disabled user stands in their way,
 * and nothing any more when one does. */
static void
whoever_blocks_a_subject_or_lets_it_in_again_needs_what_the_rules_give_it(void **state)
{
	struct uuid idp = issuer_with_owners();
	const struct identity_user_new wish = { .name = "s", .issuer = idp, .subject = "s" };
	const struct identity_user_change disable = { .disabled = { true, true } },
					  enable = { .disabled = { true, false } },
					  unlink = { .issuer = { .set = true },
						  .subject = { true, NULL } },
					  relink = { .subject = { true, "t" } };
	struct actor admin, owner;
	struct identity_user u;
	struct err e = { 0 };

	(void)state;
	fixture_actor(&f.root, "admin", "admin", &admin);
	fixture_actor(&f.root, "owner", "owner", &owner);
	must(identity_user_create(&admin.ask, &wish, &u, &e));
	must_fail(ERR_LACKING, patch(&admin.ask, u.id, &disable, &e));
	must(patch(&admin.ask, u.id, &unlink, &e));
	must(patch(&admin.ask, u.id, &disable, &e));
	must_fail(ERR_LACKING,
	    patch(&admin.ask, u.id,
		&(struct identity_user_change){ .issuer = { true, idp }, .subject = { true, "s" } },
		&e));
	must(patch(&owner.ask, u.id,
	    &(struct identity_user_change){ .issuer = { true, idp }, .subject = { true, "s" } },
	    &e));
	must_fail(ERR_LACKING, patch(&admin.ask, u.id, &enable, &e));
	must_fail(ERR_LACKING, patch(&admin.ask, u.id, &unlink, &e));
	must_fail(ERR_LACKING, patch(&admin.ask, u.id, &relink, &e));
	must_fail(
	    ERR_LACKING, identity_user_delete(&admin.ask, u.id, true, IDENTITY_ANY_VERSION, &e));
	must(identity_user_delete(&owner.ask, u.id, true, IDENTITY_ANY_VERSION, &e));
}

/* --- the platform's tenant -------------------------------------------------------------------- */

static void
an_auditor_of_the_platform_has_nothing_that_operators_cannot_give(void **state)
{
	const permission_set there = permission_set_in(tenant_platform_id);

	(void)state;
	assert_true((system_role_permissions(ROLE_AUDITOR) & there &
			~system_role_permissions(ROLE_OPERATOR)) == 0);
	assert_true((there & PERM_BIT(PERM_AUDIT_READ)) != 0);
}

/* --- support ---------------------------------------------------------------------------------- */

static struct uuid
open_support(void)
{
	char sql[512], tenant[UUID_STR_SIZE], text[UUID_STR_SIZE], user[UUID_STR_SIZE];
	struct uuid id = uuid_v7();

	(void)snprintf(sql, sizeof(sql),
	    "insert into support_access (tenant_id, support_id, operator_id, operator_name, "
	    "system_role, reason, expires_at) values ('%s', '%s', '%s', 'op', 'viewer', "
	    "'looking into it', now() + interval '1 hour')",
	    uuid_format(f.alpha.uuid, tenant), uuid_format(id, text), uuid_format(uuid_v7(), user));
	test_script(f.t.url, sql);
	return id;
}

static void
support_that_was_switched_off_does_not_come_back_when_it_is_allowed_again(void **state)
{
	struct identity_self_change c = { .support_allowed = { true, false } };
	struct uuid open = open_support();
	struct actor owner;
	char by[ID_STR_SIZE], sql[256], id[UUID_STR_SIZE];
	struct err e = { 0 };

	(void)state;
	fixture_actor(&f.root, "owner", "owner", &owner);
	must(identity_self_update(&owner.ask, &c, IDENTITY_ANY_VERSION, &e));
	c.support_allowed.v = true;
	must(identity_self_update(&owner.ask, &c, IDENTITY_ANY_VERSION, &e));
	(void)snprintf(sql, sizeof(sql),
	    "select ended_by from support_access where support_id = '%s'", uuid_format(open, id));
	assert_string_equal(test_text(f.t.url, sql), principal_format(&owner.who, by));
}

/* --- the log ---------------------------------------------------------------------------------- */

/* Rules and keys of nearly as many bytes as a note of a document may have. */
static void
fill_rules(int round, struct tenant_rules *ret)
{
	static char claims[2][TENANT_RULES_MAX][16], value[201];

	memset(value, 'x', sizeof(value) - 1);
	ret->n = 14;
	for (size_t i = 0; i < ret->n; i++) {
		(void)snprintf(claims[round][i], sizeof(claims[round][i]), "%d-%zu", round, i);
		ret->at[i] = (struct tenant_rule){ .claim = claims[round][i],
			.value = { .type = JSON_STRING, .text = value },
			.role = "viewer" };
	}
}

static struct json *
make_keys(int round)
{
	AUTO_BUF b = { 0 };
	struct json *j = NULL;
	struct err e = { 0 };

	buf_init(&b, 8192);
	buf_str(&b, "{\"keys\":[");
	for (int i = 0; i < 16; i++)
		buf_printf(&b,
		    "%s{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ES256\",\"kid\":\"%d-%d\","
		    "\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","
		    "\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"}",
		    i == 0 ? "" : ",", round, i);
	buf_str(&b, "]}");
	must(json_parse(b.p, b.n, &j, &e));
	return j;
}

static void
a_change_is_not_hidden_behind_large_ones(void **state)
{
	static const char *const urls[] = { "https://one.example.com", "https://two.example.com" };
	struct uuid idp = issuer_with_owners();
	struct tenant_rules rules;
	struct identity_issuer got;
	struct err e = { 0 };

	(void)state;
	for (int round = 0; round < 2; round++) {
		AUTO(json) keys = make_keys(round);
		const struct identity_issuer_change c = { .url = { true, urls[round] },
			.audience = { .set = true },
			.jwks = json_root(keys),
			.rules = &rules };

		fill_rules(round, &rules);
		must(identity_issuer_update(&f.root, idp, &c, IDENTITY_ANY_VERSION, &got, &e));
	}
	fixture_expect_entry(&f, f.alpha, "\"url\":[\"https://one.example.com\",");
}

#define TEST(name) cmocka_unit_test_setup(name, setup)
static const struct CMUnitTest tests[] = {
	TEST(nobody_revokes_a_key_that_may_more_than_they),
	TEST(nobody_narrows_a_key_that_may_more_than_they),
	TEST(keys_of_ones_own_are_revoked_and_narrowed_with_any_of_them),
	TEST(the_first_role_of_a_key_takes_away_what_the_key_may_do),
	TEST(a_key_that_is_limited_to_roles_makes_keys_that_are_limited_like_it),
	TEST(revoked_keys_are_kept_but_not_without_end),
	TEST(bootstrap_makes_an_owner_of_nobody_who_is_there),
	TEST(a_project_that_may_not_be_seen_is_none_when_roles_are_given),
	TEST(whoever_blocks_a_subject_or_lets_it_in_again_needs_what_the_rules_give_it),
	TEST(an_auditor_of_the_platform_has_nothing_that_operators_cannot_give),
	TEST(support_that_was_switched_off_does_not_come_back_when_it_is_allowed_again),
	TEST(a_change_is_not_hidden_behind_large_ones),
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
