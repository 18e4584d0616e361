/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens of tenants' own issuers: whose they are, what they may do, and that no tenant can take or
 * disturb another's. */
#include "tenant_fixture.h"

#define EVERYWHERE                                                                                 \
	(struct uuid)                                                                              \
	{                                                                                          \
		0                                                                                  \
	}

static const char idp_url[] = "https://login.example";
static const char admins[] = "[{\"claim\":\"groups\",\"value\":\"admins\",\"role\":\"admin\"},"
			     "{\"claim\":\"realm.level\",\"value\":\"low\",\"role\":\"viewer\"}]";

/* Somebody's identity provider, and one who pretends. */
static struct jwt_signer *idp, *stranger;

struct registration {
	const char *url, *audience; /* audience NULL: the tenant's default */
	const char *claim;          /* NULL: none */
	const char *rules;
	const struct jwt_signer *keys;
};

static struct uuid
register_issuer(struct tenant_id tenant, const struct registration *r)
{
	struct uuid id = uuid_v7();
	char audience[64], ten[ID_STR_SIZE];
	struct jws_keys *keys;
	struct json_out o;
	AUTO_BUF jwks = { 0 };
	struct err e = { 0 };

	must(jwt_signer_keys(&r->keys, 1, &keys, &e));
	buf_init(&jwks, JWS_DOCUMENT_MAX);
	json_out_init(&o, &jwks);
	jws_keys_print(keys, &o);
	jws_keys_free(keys);
	(void)snprintf(
	    audience, sizeof(audience), "wardian:%s", id_format("ten", tenant.uuid, ten));
	fixture_sql(
	    "insert into wardian.issuer (tenant_id, issuer_id, name, url, audience, "
	    "tenant_claim, jwks, rules) values ('%s', '%s', 'i-%s', '%s', '%s', nullif('%s', "
	    "''), '%s', '%s')",
	    fixture_text(tenant.uuid), fixture_text(id), fixture_text(id), r->url,
	    r->audience == NULL ? audience : r->audience, r->claim == NULL ? "" : r->claim, jwks.p,
	    r->rules);
	return id;
}

static struct uuid
trust(struct tenant_id tenant, const char *rules)
{
	const struct registration r = { idp_url, NULL, NULL, rules, idp };

	return register_issuer(tenant, &r);
}

/* A token of the provider, for one tenant by its audience. */
struct foreign {
	struct jwt_claims c;
	struct jwt_text_claim texts[4];
	char audience[64], ten[ID_STR_SIZE];
};

static void
write_token(struct foreign *f, struct tenant_id tenant)
{
	int64_t now = clock_wall_us() / 1000000;

	*f = (struct foreign){ .c = { .issuer = idp_url,
				   .audience = f->audience,
				   .subject = "ada@example",
				   .id = "some-id",
				   .issued_s = now,
				   .not_before_s = now,
				   .expires_s = now + 600,
				   .texts = f->texts,
				   .n_texts = 1 },
		.texts = { { "groups", "admins" } } };
	(void)snprintf(
	    f->audience, sizeof(f->audience), "wardian:%s", id_format("ten", tenant.uuid, f->ten));
}

static int
present(const struct jwt_signer *signer, const struct foreign *f,
    struct credential_refusal *refusal, struct principal *who)
{
	char text[JWT_SIZE];
	struct err e = { 0 };
	int rc;

	must(jwt_issue(signer, &f->c, text, &e));
	rc = fixture_ask(fx.tenants, text, "192.0.2.1", refusal, who, &e);
	if (rc < 0 && e.code != ERR_UNAUTHENTICATED && e.code != ERR_SUSPENDED)
		fail_msg("%s: %s", err_slug(e.code), e.msg);
	return rc;
}

static bool
lets_in(const struct jwt_signer *signer, const struct foreign *f, struct tenant_id tenant)
{
	struct principal who;

	if (present(signer, f, NULL, &who) < 0)
		return false;
	assert_int_equal(uuid_cmp(who.tenant.uuid, tenant.uuid), 0);
	return true;
}

/* --- what it may do -----------------------------------------------------------------------------
 */

static void
claims_become_roles_by_the_tenants_rules(void **state)
{
	struct tenant_id tenant = test_tenant(&fx.t, "rules");
	struct uuid issuer = trust(tenant, admins);
	struct principal who;
	struct foreign f;

	(void)state;
	write_token(&f, tenant);
	assert_int_equal(present(idp, &f, NULL, &who), 0);
	assert_int_equal(who.kind, PRINCIPAL_ISSUER);
	assert_int_equal(uuid_cmp(who.tenant.uuid, tenant.uuid), 0);
	assert_int_equal(uuid_cmp(who.issuer, issuer), 0);
	assert_true(uuid_is_nil(who.user));
	assert_string_equal(who.name, "ada@example");
	assert_int_equal(who.expires_wall_us, f.c.expires_s * 1000000);
	assert_true(who.grants.everywhere == system_role_permissions(ROLE_ADMIN));
	f.texts[0] = (struct jwt_text_claim){ "realm.level", "low" };
	assert_int_equal(present(idp, &f, NULL, &who), 0);
	assert_true(who.grants.everywhere == system_role_permissions(ROLE_VIEWER));
	f.texts[1] = (struct jwt_text_claim){ "groups", "admins" };
	f.c.n_texts = 2;
	assert_int_equal(present(idp, &f, NULL, &who), 0);
	assert_true(who.grants.everywhere ==
		    (system_role_permissions(ROLE_VIEWER) | system_role_permissions(ROLE_ADMIN)));
}

static void
rules_give_roles_in_projects_and_the_tenants_own_roles(void **state)
{
	struct tenant_id tenant = test_tenant(&fx.t, "rules-2");
	struct uuid project = fixture_project(tenant, "p1");
	struct uuid user = fixture_user(tenant, "holder");
	char rules[512], prj[ID_STR_SIZE];
	struct principal who;
	struct foreign f;

	(void)state;
	fixture_assign_own(tenant, "user_id", user, "mine", "key:read,job:read");
	(void)snprintf(rules, sizeof(rules),
	    "[{\"claim\":\"*\",\"role\":\"mine\"},"
	    "{\"claim\":\"*\",\"role\":\"engineer\",\"project\":\"%s\"},"
	    "{\"claim\":\"*\",\"role\":\"platform-operator\"},"
	    "{\"claim\":\"*\",\"role\":\"gone\"}]",
	    id_format("prj", project, prj));
	(void)trust(tenant, rules);
	write_token(&f, tenant);
	assert_int_equal(present(idp, &f, NULL, &who), 0);
	assert_string_equal(fixture_may(&who), "job:read key:read");
	assert_true(principal_may_in(&who, PERM_JOB_CREATE, project));
}

static void
whom_no_rule_and_no_user_names_is_refused(void **state)
{
	struct tenant_id tenant = test_tenant(&fx.t, "stranger");
	struct credential_refusal refusal;
	struct principal who;
	struct foreign f;

	(void)state;
	(void)trust(tenant, admins);
	write_token(&f, tenant);
	f.texts[0].value = "guests";
	assert_int_equal(present(idp, &f, &refusal, &who), -1);
	assert_null(refusal.why);
}

static void
rules_that_cannot_be_read_let_nobody_in(void **state)
{
	static const char project[] = "[{\"claim\":\"*\",\"role\":\"owner\",\"project\":"
				      "\"prj_00000000000000000000000000\"}]";
	static const char *const rules[] = {
		"[{\"claim\":\"*\",\"role\":\"owner\",\"project\":\"nonsense\"}]",
		project,
		"[7, {\"claim\":\"*\",\"role\":\"owner\"}]",
		"{\"claim\":\"*\",\"role\":\"owner\"}",
		"7",
		"null",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		struct tenant_id tenant = test_tenant(&fx.t, "bad-rules");
		struct principal who;
		struct foreign f;

		(void)trust(tenant, rules[i]);
		write_token(&f, tenant);
		assert_int_equal(present(idp, &f, NULL, &who), -1);
	}
}

static void
a_linked_user_adds_roles_and_can_be_disabled(void **state)
{
	struct tenant_id tenant = test_tenant(&fx.t, "linked");
	struct uuid issuer = trust(tenant, "[]"), user = fixture_user(tenant, "Ada");
	struct credential_refusal refusal;
	struct principal who;
	struct foreign f;

	(void)state;
	fixture_sql(
	    "update wardian.tenant_user set issuer_id = '%s', subject = 'ada@example' where "
	    "user_id = '%s'",
	    fixture_text(issuer), fixture_text(user));
	fixture_assign(tenant, "user_id", user, "billing", EVERYWHERE);
	write_token(&f, tenant);
	assert_int_equal(present(idp, &f, NULL, &who), 0);
	assert_int_equal(uuid_cmp(who.user, user), 0);
	assert_string_equal(who.name, "Ada");
	assert_true(who.grants.everywhere == system_role_permissions(ROLE_BILLING));
	f.c.subject = "eve@example";
	assert_int_equal(present(idp, &f, NULL, &who), -1);
	f.c.subject = "ada@example";
	fixture_sql("update wardian.tenant_user set disabled_at = now() where user_id = '%s'",
	    fixture_text(user));
	tenants_forget(fx.tenants, tenant);
	assert_int_equal(present(idp, &f, &refusal, &who), -1);
	assert_string_equal(refusal.why, "disabled");
	assert_int_equal(uuid_cmp(refusal.who.user, user), 0);
}

/* --- whose it is --------------------------------------------------------------------------------
 */

static void
two_tenants_with_the_same_issuer_and_keys_stay_apart(void **state)
{
	struct tenant_id a = test_tenant(&fx.t, "same-a"), b = test_tenant(&fx.t, "same-b");
	struct foreign fa, fb;
	struct principal who;

	(void)state;
	(void)trust(a, admins);
	(void)trust(b, "[{\"claim\":\"*\",\"role\":\"billing\"}]");
	write_token(&fa, a);
	write_token(&fb, b);
	assert_true(lets_in(idp, &fa, a));
	assert_true(lets_in(idp, &fb, b));
	assert_int_equal(present(idp, &fb, NULL, &who), 0);
	assert_true(who.grants.everywhere == system_role_permissions(ROLE_BILLING));
}

/* Mallory registers what is Alice's, as often as the database lets her. */
static void
registering_another_tenants_audience_takes_and_disturbs_nothing(void **state)
{
	struct tenant_id alice = test_tenant(&fx.t, "alice"),
			 mallory = test_tenant(&fx.t, "mallory");
	char audience[64], ten[ID_STR_SIZE];
	const struct registration hers = { idp_url, "simulations", "tenant", admins, idp };
	struct registration his = { idp_url, audience, NULL, admins, idp };
	struct foreign f;

	(void)state;
	(void)snprintf(audience, sizeof(audience), "wardian:%s", id_format("ten", alice.uuid, ten));
	(void)trust(alice, admins);
	(void)register_issuer(alice, &hers);
	for (int i = 0; i < 20; i++) {
		his.audience = i % 2 == 0 ? audience : "simulations";
		his.claim = i % 4 < 2 ? NULL : i % 3 == 0 ? "tenant" : "groups";
		(void)register_issuer(mallory, &his);
	}
	his.keys = stranger;
	(void)register_issuer(mallory, &his);
	write_token(&f, alice);
	assert_true(lets_in(idp, &f, alice));
	assert_false(lets_in(stranger, &f, alice));
	f.c.audience = "simulations";
	f.texts[1] = (struct jwt_text_claim){ "tenant", ten };
	f.c.n_texts = 2;
	assert_true(lets_in(idp, &f, alice));
	assert_false(lets_in(stranger, &f, alice));
}

static void
a_shared_audience_needs_the_claim_with_the_tenants_id(void **state)
{
	struct tenant_id a = test_tenant(&fx.t, "claim-a"), b = test_tenant(&fx.t, "claim-b");
	const struct registration r = { idp_url, "shared", "org.tenant", admins, idp };
	char ten[ID_STR_SIZE];
	struct foreign f;

	(void)state;
	(void)register_issuer(a, &r);
	(void)register_issuer(b, &r);
	write_token(&f, a);
	f.c.audience = "shared";
	assert_false(lets_in(idp, &f, a));
	f.texts[1] = (struct jwt_text_claim){ "org.tenant", id_format("ten", b.uuid, ten) };
	f.c.n_texts = 2;
	assert_true(lets_in(idp, &f, b));
	(void)id_format("ten", a.uuid, ten);
	assert_true(lets_in(idp, &f, a));
	f.texts[1].name = "org.tenants";
	assert_false(lets_in(idp, &f, a));
	f.texts[1] = (struct jwt_text_claim){ "org.tenant", "nonsense" };
	assert_false(lets_in(idp, &f, a));
}

/* The id that a rule's claim holds is somebody's text, not the binding. */
static void
an_id_in_another_claim_names_no_tenant(void **state)
{
	struct tenant_id a = test_tenant(&fx.t, "named-a"), b = test_tenant(&fx.t, "named-b");
	char ten[ID_STR_SIZE];
	struct foreign f;

	(void)state;
	(void)trust(a, admins);
	(void)trust(b, admins);
	write_token(&f, a);
	f.texts[1] = (struct jwt_text_claim){ "nickname", id_format("ten", b.uuid, ten) };
	f.c.n_texts = 2;
	assert_true(lets_in(idp, &f, a));
	f.c.audience = ten; /* without the prefix */
	assert_false(lets_in(idp, &f, b));
	f.c.audience = "wardian";
	assert_false(lets_in(idp, &f, b));
}

/* Mallory is named somewhere in Alice's token, and has registered what Alice has. */
static void
an_id_in_another_claim_lends_no_weight_to_a_registration(void **state)
{
	struct tenant_id alice = test_tenant(&fx.t, "alice"),
			 mallory = test_tenant(&fx.t, "mallory");
	char audience[64], id[ID_STR_SIZE], his_id[ID_STR_SIZE];
	const struct registration hers = { idp_url, "shared", "tenant", admins, idp },
				  his[] = { { idp_url, audience, NULL, admins, idp }, hers,
					  { idp_url, "shared", NULL, admins, idp } };
	struct foreign f;

	(void)state;
	(void)snprintf(audience, sizeof(audience), "wardian:%s", id_format("ten", alice.uuid, id));
	(void)trust(alice, admins);
	(void)register_issuer(alice, &hers);
	for (size_t i = 0; i < ARRAY_LEN(his); i++)
		(void)register_issuer(mallory, &his[i]);
	write_token(&f, alice);
	f.texts[1] = (struct jwt_text_claim){ "nickname", id_format("ten", mallory.uuid, his_id) };
	f.texts[2] = (struct jwt_text_claim){ "tenant", id };
	f.c.n_texts = 3;
	assert_true(lets_in(idp, &f, alice));
	f.c.audience = "shared";
	assert_true(lets_in(idp, &f, alice));
}

static void
an_audience_that_two_registrations_of_a_tenant_accept_is_refused(void **state)
{
	struct tenant_id tenant = test_tenant(&fx.t, "twice");
	struct foreign f;

	(void)state;
	(void)trust(tenant, admins);
	write_token(&f, tenant);
	assert_true(lets_in(idp, &f, tenant));
	(void)trust(tenant, "[{\"claim\":\"*\",\"role\":\"owner\"}]");
	tenants_forget(fx.tenants, tenant);
	assert_false(lets_in(idp, &f, tenant));
}

static void
a_token_for_another_tenant_is_none_here(void **state)
{
	struct tenant_id here = test_tenant(&fx.t, "here"), there = test_tenant(&fx.t, "there");
	struct foreign f;

	(void)state;
	(void)trust(here, admins);
	write_token(&f, there);
	assert_false(lets_in(idp, &f, here));
}

/* --- refusals -----------------------------------------------------------------------------------
 */

static void
tokens_that_do_not_fit_are_refused(void **state)
{
	struct tenant_id tenant = test_tenant(&fx.t, "refusals");
	struct foreign f;

	(void)state;
	(void)trust(tenant, admins);
#define REFUSED(change)                                                                            \
	do {                                                                                       \
		write_token(&f, tenant);                                                           \
		change;                                                                            \
		if (lets_in(idp, &f, tenant))                                                      \
			fail_msg("accepted: %s", #change);                                         \
	} while (0)
	REFUSED(f.c.issuer = "https://login.example/");
	REFUSED(f.c.issuer = "https://LOGIN.example");
	REFUSED(f.c.issuer = "");
	REFUSED(f.c.issuer = fixture_issuer);
	REFUSED(f.c.audience = "");
	REFUSED(f.c.subject = "");
	REFUSED(f.c.not_before_s += 600);
	REFUSED(f.c.issued_s += 600);
	REFUSED(f.c.issued_s -= 600; f.c.expires_s = f.c.issued_s + 120);
	REFUSED(f.c.expires_s = f.c.issued_s + JWT_LIFETIME_MAX_S + 1);
#undef REFUSED
	write_token(&f, tenant);
	assert_false(lets_in(stranger, &f, tenant));
	assert_false(lets_in(fx.signer, &f, tenant));
	assert_true(lets_in(idp, &f, tenant));
}

static void
our_own_tokens_cannot_be_made_by_a_tenants_issuer(void **state)
{
	struct fixture_key victim = fixture_key("victim", "owner");
	struct tenant_id tenant = test_tenant(&fx.t, "maker");
	const struct registration r = { fixture_issuer, NULL, NULL, admins, idp };
	char ids[3][ID_STR_SIZE];
	struct foreign f;

	(void)state;
	(void)register_issuer(tenant, &r);
	write_token(&f, tenant);
	f.c.issuer = f.c.audience = fixture_issuer;
	f.c.id = id_format("tok", uuid_v7(), ids[0]);
	f.texts[0] = (struct jwt_text_claim){ "ten", id_format("ten", victim.tenant.uuid, ids[1]) };
	f.texts[1] = (struct jwt_text_claim){ "key", id_format("key", victim.id, ids[2]) };
	f.c.n_texts = 2;
	assert_false(lets_in(idp, &f, victim.tenant));
	write_token(&f, tenant);
	f.c.issuer = fixture_issuer;
	assert_false(lets_in(idp, &f, tenant));
}

static void
a_tenants_state_reaches_its_issuers_tokens(void **state)
{
	struct tenant_id tenant = test_tenant(&fx.t, "state");
	struct credential_refusal refusal;
	struct principal who;
	struct foreign f;

	(void)state;
	(void)trust(tenant, admins);
	write_token(&f, tenant);
	fixture_sql("update wardian.tenant set state = 'suspended' where tenant_id = '%s'",
	    fixture_text(tenant.uuid));
	assert_int_equal(present(idp, &f, &refusal, &who), -1);
	assert_string_equal(refusal.why, "suspended");
	fixture_sql("update wardian.tenant set state = 'deleting' where tenant_id = '%s'",
	    fixture_text(tenant.uuid));
	tenants_forget(fx.tenants, tenant);
	assert_int_equal(present(idp, &f, &refusal, &who), -1);
	assert_null(refusal.why);
}

/* That a token's signature was right once does not count for another version of the keys. */
static void
an_issuer_that_changed_its_keys_or_is_disabled_ends_its_tokens(void **state)
{
	struct tenant_id tenant = test_tenant(&fx.t, "rekeyed");
	struct uuid first = trust(tenant, admins);
	const struct registration again = { idp_url, NULL, NULL, admins, stranger };
	char text[JWT_SIZE];
	struct principal who;
	struct foreign f;
	struct err e = { 0 };

	(void)state;
	write_token(&f, tenant);
	must(jwt_issue(idp, &f.c, text, &e));
	must(fixture_try(text, &who, &e));
	tenants_forget(fx.tenants, tenant);
	must(fixture_try(text, &who, &e));
	(void)register_issuer(tenant, &again);
	fixture_sql("update wardian.issuer a set jwks = b.jwks, version = a.version + 1 from "
		    "wardian.issuer b where a.issuer_id = '%s' and b.tenant_id = a.tenant_id and "
		    "b.issuer_id <> a.issuer_id",
	    fixture_text(first));
	fixture_sql("delete from wardian.issuer where tenant_id = '%s' and issuer_id <> '%s'",
	    fixture_text(tenant.uuid), fixture_text(first));
	tenants_forget(fx.tenants, tenant);
	must_fail(ERR_UNAUTHENTICATED, fixture_try(text, &who, &e));
	assert_true(lets_in(stranger, &f, tenant));
	fixture_sql("update wardian.issuer set disabled_at = now() where issuer_id = '%s'",
	    fixture_text(first));
	tenants_forget(fx.tenants, tenant);
	assert_false(lets_in(stranger, &f, tenant));
}

static void
the_same_token_is_recalled(void **state)
{
	struct tenant_id tenant = test_tenant(&fx.t, "recalled");
	char header[JWT_SIZE + 16];
	const struct credential c = { .authorization = header, .source = "192.0.2.1" };
	struct principal who;
	struct foreign f;
	struct err e;

	(void)state;
	(void)trust(tenant, admins);
	write_token(&f, tenant);
	memcpy(header, "Bearer ", 7);
	must(jwt_issue(idp, &f.c, header + 7, &e));
	assert_int_equal(tenants_recall(fx.tenants, &c, &who, &e), 0);
	must(tenants_authenticate(fx.tenants, &c, &who, &e));
	assert_int_equal(tenants_recall(fx.tenants, &c, &who, &e), 1);
	assert_int_equal(uuid_cmp(who.tenant.uuid, tenant.uuid), 0);
}

#define TEST(fn) cmocka_unit_test(fn)

static const struct CMUnitTest tests[] = {
	TEST(claims_become_roles_by_the_tenants_rules),
	TEST(rules_give_roles_in_projects_and_the_tenants_own_roles),
	TEST(whom_no_rule_and_no_user_names_is_refused),
	TEST(rules_that_cannot_be_read_let_nobody_in),
	TEST(a_linked_user_adds_roles_and_can_be_disabled),
	TEST(two_tenants_with_the_same_issuer_and_keys_stay_apart),
	TEST(registering_another_tenants_audience_takes_and_disturbs_nothing),
	TEST(a_shared_audience_needs_the_claim_with_the_tenants_id),
	TEST(an_id_in_another_claim_names_no_tenant),
	TEST(an_id_in_another_claim_lends_no_weight_to_a_registration),
	TEST(an_audience_that_two_registrations_of_a_tenant_accept_is_refused),
	TEST(a_token_for_another_tenant_is_none_here),
	TEST(tokens_that_do_not_fit_are_refused),
	TEST(our_own_tokens_cannot_be_made_by_a_tenants_issuer),
	TEST(a_tenants_state_reaches_its_issuers_tokens),
	TEST(an_issuer_that_changed_its_keys_or_is_disabled_ends_its_tokens),
	TEST(the_same_token_is_recalled),
};

int
main(void)
{
	char pem[JWT_PEM_SIZE];
	struct err e;
	int rc;

	fixture_open();
	if (jwt_signer_make(pem, &idp, &e) < 0 || jwt_signer_make(pem, &stranger, &e) < 0)
		test_die("jwt_signer_make", e.msg);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	jwt_signer_free(idp);
	jwt_signer_free(stranger);
	fixture_close();
	return rc;
}
