/* SPDX-License-Identifier: Apache-2.0 */
/* Issuers of tokens: what is stored of them, and who may say whose word counts. */
#include "identity_fixture.h"

#include "json.h"

static struct fixture f;

static const char jwks_text[] =
    "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"one\",\"x-note\":\"dropped\","
    "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}";
static const char private_text[] = "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"one\","
				   "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
				   "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\","
				   "\"d\":\"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI\"}]}";

/* Kept until the end of a test. */
static struct json *documents[8];
static size_t n_documents;

static int
setup(void **state)
{
	(void)state;
	fixture_fresh(&f);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	while (n_documents > 0)
		json_free(documents[--n_documents]);
	return 0;
}

static const struct json_value *
value_of(const char *text)
{
	struct err e = { 0 };

	assert_true(n_documents < ARRAY_LEN(documents));
	must(json_parse(text, strlen(text), &documents[n_documents], &e));
	return json_root(documents[n_documents++]);
}

static struct tenant_rules
one_rule(const char *role, struct uuid project)
{
	return (struct tenant_rules){ .n = 1,
		.at = { { .claim = "groups",
		    .value = { .type = JSON_STRING, .text = "sim" },
		    .role = role,
		    .project = project } } };
}

static struct identity_issuer
make(const struct identity_ask *a, const char *name, const struct tenant_rules *rules)
{
	const struct identity_issuer_new n = { .name = name,
		.url = "https://login.example.org",
		.jwks = value_of(jwks_text),
		.rules = rules };
	struct identity_issuer i = { 0 };
	struct err e = { 0 };

	must(identity_issuer_create(a, &n, &i, &e));
	return i;
}

static void
an_issuer_is_stored_with_public_keys_and_rules_alone(void **state)
{
	struct identity_project red = fixture_project(&f.root, "red");
	struct tenant_rules rules = one_rule("engineer", red.id), again;
	struct identity_issuer i = make(&f.root, "login", &rules), got;
	char audience[64], id[ID_STR_SIZE];
	struct err e = { 0 };

	(void)state;
	(void)snprintf(
	    audience, sizeof(audience), "wardian:%s", id_format("ten", f.alpha.uuid, id));
	must(identity_issuer_get(f.db, f.alpha, i.id, f.mem, &got, &e));
	assert_string_equal(got.audience, audience);
	assert_null(got.tenant_claim);
	assert_null(strstr(got.jwks, "x-note"));
	assert_non_null(strstr(got.jwks, "\"alg\": \"ES256\""));
	must(tenant_rules_parse(got.rules, f.mem, &again, &e));
	assert_int_equal(again.n, 1);
	assert_string_equal(again.at[0].role, "engineer");
	assert_int_equal(uuid_cmp(again.at[0].project, red.id), 0);
	fixture_expect_entry(&f, f.alpha, "\"action\":\"issuer.create\"");
}

static void
what_is_not_right_is_refused_by_its_pointer(void **state)
{
	struct tenant_rules ok = one_rule("engineer", fixture_nil);
	struct tenant_rules no_role = one_rule("nobody", fixture_nil);
	struct tenant_rules operators = one_rule("platform-operator", fixture_nil);
	struct tenant_rules no_project = one_rule("engineer", uuid_v7());
	const struct {
		struct identity_issuer_new n;
		const char *jwks, *pointer;
	} rows[] = {
		{ { .name = "", .url = "https://a", .rules = &ok }, jwks_text, "/name" },
		{ { .name = "n", .url = "http://a", .rules = &ok }, jwks_text, "/url" },
		{ { .name = "n", .url = "https://u@a", .rules = &ok }, jwks_text, "/url" },
		{ { .name = "n", .url = "https://a", .audience = "mine", .rules = &ok }, jwks_text,
		    "/tenant_claim" },
		{ { .name = "n", .url = "https://a", .rules = &ok }, "{\"keys\":[]}",
		    "/jwks/keys" },
		{ { .name = "n", .url = "https://a", .rules = &no_role }, jwks_text,
		    "/rules/0/role" },
		{ { .name = "n", .url = "https://a", .rules = &operators }, jwks_text,
		    "/rules/0/role" },
		{ { .name = "n", .url = "https://a", .rules = &no_project }, jwks_text,
		    "/rules/0/project" },
	};
	struct identity_issuer i;

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		struct identity_issuer_new n = rows[k].n;
		struct err e = { 0 };

		n.jwks = value_of(rows[k].jwks);
		must_fail(ERR_INVALID, identity_issuer_create(&f.root, &n, &i, &e));
		fixture_expect_field(&e, rows[k].pointer);
	}
}

static void
a_private_key_is_refused_and_stored_nowhere(void **state)
{
	struct tenant_rules rules = one_rule("engineer", fixture_nil);
	const struct identity_issuer_new n = {
		.name = "n", .url = "https://a", .jwks = value_of(private_text), .rules = &rules
	};
	struct identity_issuer i;
	struct err e = { 0 };

	(void)state;
	must_fail(ERR_INVALID, identity_issuer_create(&f.root, &n, &i, &e));
	assert_string_equal(
	    test_text(f.t.url, "select (select count(*) from issuer i where i::text like "
			       "'%jpsQnnGQmL%') + (select count(*) from audit_log a where a::text "
			       "like '%jpsQnnGQmL%')"),
	    "0");
}

static void
many_rules_are_recorded_by_their_digest(void **state)
{
	static char text[TENANT_RULE_VALUE_MAX + 1];
	struct tenant_rules rules = one_rule("engineer", fixture_nil);
	struct identity_issuer i = make(&f.root, "login", &rules);
	const struct identity_issuer_change many = { .rules = &rules, .name = { true, "many" } };
	struct err e = { 0 };

	(void)state;
	memset(text, '"', TENANT_RULE_VALUE_MAX); /* twice as long when written */
	for (rules.n = 0; rules.n < TENANT_RULES_MAX; rules.n++) {
		rules.at[rules.n] = rules.at[0];
		rules.at[rules.n].claim = rules.at[rules.n].value.text = text;
	}
	must(identity_issuer_update(&f.root, i.id, &many, IDENTITY_ANY_VERSION, &i, &e));
	fixture_expect_entry(&f, f.alpha, "\"name\":[\"login\",\"many\"]");
	fixture_expect_entry(&f, f.alpha, "\"sha256:");
}

static void
rules_give_nothing_that_their_maker_lacks(void **state)
{
	struct tenant_rules owner = one_rule("owner", fixture_nil);
	struct tenant_rules engineer = one_rule("engineer", fixture_nil);
	struct identity_issuer_new n = {
		.name = "n", .url = "https://a", .jwks = value_of(jwks_text), .rules = &owner
	};
	const struct identity_issuer_change widen = { .rules = &owner };
	struct identity_issuer i;
	struct actor admin, boss;
	struct err e = { 0 };

	(void)state;
	fixture_actor(&f.root, "admin", "admin", &admin);
	fixture_actor(&f.root, "boss", "owner", &boss);
	must_fail(ERR_LACKING, identity_issuer_create(&admin.ask, &n, &i, &e));
	n.rules = &engineer;
	must(identity_issuer_create(&admin.ask, &n, &i, &e));
	must_fail(ERR_LACKING,
	    identity_issuer_update(&admin.ask, i.id, &widen, IDENTITY_ANY_VERSION, &i, &e));
	must(identity_issuer_update(&boss.ask, i.id, &widen, IDENTITY_ANY_VERSION, &i, &e));
}

static void
whoever_changes_its_keys_could_be_anybody_that_it_names(void **state)
{
	struct tenant_rules owner = one_rule("owner", fixture_nil);
	struct tenant_rules engineer = one_rule("engineer", fixture_nil);
	struct identity_issuer strong = make(&f.root, "strong", &owner), got;
	struct identity_issuer linked = make(&f.root, "linked", &engineer);
	const struct identity_role_ref role = { .role = "owner" };
	const struct identity_user_new user = { .name = "boss",
		.person = true,
		.issuer = linked.id,
		.subject = "42",
		.roles = { .p = &role, .n = 1 } };
	const struct identity_issuer_change keys = { .jwks = value_of(jwks_text) };
	const struct identity_issuer_change url = { .url = { true, "https://evil.example" } };
	const struct identity_issuer_change off = { .disabled = { true, true } };
	const struct identity_issuer_change rename = { .name = { true, "other name" } };
	const struct identity_issuer_change *const grave[] = { &keys, &url, &off };
	struct identity_user u;
	struct actor admin;
	struct err e = { 0 };

	(void)state;
	must(identity_user_create(&f.root, &user, &u, &e));
	fixture_actor(&f.root, "admin", "admin", &admin);
	for (size_t i = 0; i < ARRAY_LEN(grave); i++) {
		must_fail(ERR_LACKING, identity_issuer_update(&admin.ask, strong.id, grave[i],
					   IDENTITY_ANY_VERSION, &got, &e));
		must_fail(ERR_LACKING, identity_issuer_update(&admin.ask, linked.id, grave[i],
					   IDENTITY_ANY_VERSION, &got, &e));
	}
	must_fail(
	    ERR_LACKING, identity_issuer_delete(&admin.ask, strong.id, IDENTITY_ANY_VERSION, &e));
	must(
	    identity_issuer_update(&admin.ask, strong.id, &rename, IDENTITY_ANY_VERSION, &got, &e));
	assert_string_equal(got.name, "other name");
}

static void
linking_a_user_to_a_subject_gives_the_subject_its_roles(void **state)
{
	struct tenant_rules rules = one_rule("engineer", fixture_nil);
	struct identity_issuer i = make(&f.root, "login", &rules);
	struct identity_user boss = fixture_user(&f.root, "boss", "owner", true), got;
	const struct identity_user_change link = { .subject = { true, "me" },
		.issuer = { true, i.id } };
	const struct identity_user_change relink = { .subject = { true, "somebody else" } };
	const struct identity_user_change half = { .issuer = { .set = true } };
	struct actor admin;
	struct err e = { 0 };

	(void)state;
	fixture_actor(&f.root, "admin", "admin", &admin);
	must_fail(ERR_LACKING,
	    identity_user_update(&admin.ask, boss.id, &link, IDENTITY_ANY_VERSION, &got, &e));
	must(identity_user_update(&f.root, boss.id, &link, IDENTITY_ANY_VERSION, &got, &e));
	must_fail(ERR_LACKING,
	    identity_user_update(&admin.ask, boss.id, &relink, IDENTITY_ANY_VERSION, &got, &e));
	must_fail(ERR_INVALID,
	    identity_user_update(&f.root, boss.id, &half, IDENTITY_ANY_VERSION, &got, &e));
	fixture_expect_field(&e, "/issuer");
	must_fail(ERR_IN_USE, identity_issuer_delete(&f.root, i.id, IDENTITY_ANY_VERSION, &e));
}

static void
roles_and_projects_that_rules_name_stay(void **state)
{
	struct identity_project red = fixture_project(&f.root, "red");
	struct tenant_rules rules;
	const struct identity_role_change rename = { .name = { true, "day" } };
	const struct identity_role_change retitle = { .title = { true, "By night" } };
	struct identity_role role;
	struct identity_issuer i;
	struct err e = { 0 };

	(void)state;
	(void)fixture_role(&f.root, "night", PERM_BIT(PERM_JOB_READ));
	rules = one_rule("night", red.id);
	i = make(&f.root, "login", &rules);
	must_fail(ERR_IN_USE, identity_role_delete(&f.root, "night", IDENTITY_ANY_VERSION, &e));
	must_fail(ERR_IN_USE,
	    identity_role_update(&f.root, "night", &rename, IDENTITY_ANY_VERSION, &role, &e));
	must(identity_role_update(&f.root, "night", &retitle, IDENTITY_ANY_VERSION, &role, &e));
	must_fail(ERR_IN_USE, identity_project_delete(&f.root, red.id, IDENTITY_ANY_VERSION, &e));
	must(identity_issuer_delete(&f.root, i.id, IDENTITY_ANY_VERSION, &e));
	must(identity_role_delete(&f.root, "night", IDENTITY_ANY_VERSION, &e));
	must(identity_project_delete(&f.root, red.id, IDENTITY_ANY_VERSION, &e));
}

static void
issuers_are_counted_named_once_and_nobody_elses(void **state)
{
	struct tenant_rules rules = one_rule("engineer", fixture_nil);
	struct identity_issuer_new n = {
		.name = "login", .url = "https://a", .jwks = value_of(jwks_text), .rules = &rules
	};
	const struct identity_issuer_change rename = { .name = { true, "mine" } };
	struct identity_page all = { .limit = 200 };
	struct identity_issuer theirs = make(&f.root_beta, "login", &rules), got;
	struct identity_issuers list;
	struct err e = { 0 };

	(void)state;
	f.quotas.amount[QUOTA_ISSUERS] = 1;
	must(identity_issuer_create(&f.root, &n, &got, &e));
	n.name = "second";
	must_fail(ERR_QUOTA, identity_issuer_create(&f.root, &n, &got, &e));
	f.quotas.amount[QUOTA_ISSUERS] = 8;
	n.name = "login";
	must_fail(ERR_NAME_TAKEN, identity_issuer_create(&f.root, &n, &got, &e));
	e = (struct err){ 0 };
	must_fail(ERR_NOT_FOUND, identity_issuer_get(f.db, f.alpha, theirs.id, f.mem, &got, &e));
	must_fail(ERR_NOT_FOUND,
	    identity_issuer_update(&f.root, theirs.id, &rename, IDENTITY_ANY_VERSION, &got, &e));
	must_fail(
	    ERR_NOT_FOUND, identity_issuer_delete(&f.root, theirs.id, IDENTITY_ANY_VERSION, &e));
	must(identity_issuer_list(f.db, f.alpha, &all, f.mem, &list, &e));
	assert_int_equal(list.n, 1);
	must_fail(ERR_PRECONDITION, identity_issuer_delete(&f.root, list.p[0].id, 2, &e));
}

static void
a_user_is_linked_to_an_issuer_of_its_own_tenant_only(void **state)
{
	struct tenant_rules rules = one_rule("engineer", fixture_nil);
	struct identity_issuer theirs = make(&f.root_beta, "login", &rules);
	struct identity_issuer mine = make(&f.root, "login", &rules);
	struct identity_user_new n = { .name = "u", .issuer = theirs.id, .subject = "s" };
	struct identity_user u;
	struct err e = { 0 };

	(void)state;
	must_fail(ERR_INVALID, identity_user_create(&f.root, &n, &u, &e));
	fixture_expect_field(&e, "/issuer");
	n.issuer = mine.id;
	must(identity_user_create(&f.root, &n, &u, &e));
	n.name = "v";
	must_fail(ERR_NAME_TAKEN, identity_user_create(&f.root, &n, &u, &e));
	fixture_expect_field(&e, "/subject");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
static const struct CMUnitTest tests[] = {
	TEST(an_issuer_is_stored_with_public_keys_and_rules_alone),
	TEST(what_is_not_right_is_refused_by_its_pointer),
	TEST(a_private_key_is_refused_and_stored_nowhere),
	TEST(many_rules_are_recorded_by_their_digest),
	TEST(rules_give_nothing_that_their_maker_lacks),
	TEST(whoever_changes_its_keys_could_be_anybody_that_it_names),
	TEST(linking_a_user_to_a_subject_gives_the_subject_its_roles),
	TEST(roles_and_projects_that_rules_name_stay),
	TEST(issuers_are_counted_named_once_and_nobody_elses),
	TEST(a_user_is_linked_to_an_issuer_of_its_own_tenant_only),
};

int
main(void)
{
	int rc;

	json_start();
	fixture_open(&f);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	fixture_close(&f);
	return rc;
}
