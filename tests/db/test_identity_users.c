/* SPDX-License-Identifier: Apache-2.0 */
/* Users: who may make, change and remove them; the last owner; races. */
#include "identity_fixture.h"

static struct fixture f;

static int
setup(void **state)
{
	(void)state;
	fixture_fresh(&f);
	return 0;
}

/* --- making ----------------------------------------------------------------------------------- */

static void
a_user_is_made_with_roles_and_comes_back_whole(void **state)
{
	struct identity_project p = fixture_project(&f.root, "red");
	const struct identity_role_ref roles[] = { { .role = "viewer" },
		{ .role = "engineer", .project = p.id } };
	const struct identity_user_new n = { .person = true,
		.name = "  Ada Lovelace ",
		.email = "ada@example.org",
		.roles = { .p = roles, .n = 2 } };
	struct identity_user u, again;
	struct err e = { 0 };

	(void)state;
	must(identity_user_create(&f.root, &n, &u, &e));
	assert_string_equal(u.name, "Ada Lovelace");
	assert_true(u.person);
	assert_int_equal(u.version, 1);
	must(identity_user_get(f.db, f.alpha, u.id, f.mem, &again, &e));
	assert_string_equal(again.email, "ada@example.org");
	assert_int_equal(again.roles.n, 2);
	assert_string_equal(again.roles.p[0].role, "viewer");
	assert_true(uuid_is_nil(again.roles.p[0].project));
	assert_string_equal(again.roles.p[1].role, "engineer");
	assert_int_equal(uuid_cmp(again.roles.p[1].project, p.id), 0);
	fixture_expect_entry(&f, f.alpha, "\"action\":\"user.create\"");
	fixture_expect_entry(&f, f.alpha, "\"name\":[null,\"Ada Lovelace\"]");
	fixture_expect_entry(&f, f.alpha, "\"roles\":[[],[{\"role\":\"viewer\"");
}

static void
texts_that_are_not_right_are_refused_by_their_pointer(void **state)
{
	static char long_name[3 * 64 + 1];
	const struct {
		struct identity_user_new n;
		const char *pointer;
	} rows[] = {
		{ { .name = "" }, "/name" },
		{ { .name = "   " }, "/name" },
		{ { .name = "a\tb" }, "/name" },
		{ { .name = "a\x7f" }, "/name" },
		{ { .name = long_name }, "/name" },
		{ { .name = "a", .email = "nobody" }, "/email" },
		{ { .name = "a", .email = "@b" }, "/email" },
		{ { .name = "a", .email = "a@" }, "/email" },
		{ { .name = "a", .email = "a b@c" }, "/email" },
		{ { .name = "a", .subject = "s" }, "/issuer" },
		{ { .name = "a", .issuer = { { 1 } } }, "/subject" },
		{ { .name = "a", .issuer = { { 1 } }, .subject = "s" }, "/issuer" },
	};
	struct identity_user u;

	(void)state;
	for (int i = 0; i < 64; i++)
		memcpy(long_name + (size_t)3 * i, "\xe2\x82\xac", 3);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = { 0 };

		must_fail(ERR_INVALID, identity_user_create(&f.root, &rows[i].n, &u, &e));
		fixture_expect_field(&e, rows[i].pointer);
	}
	long_name[(size_t)3 * 63] = '\0';
	(void)fixture_user(&f.root, long_name, NULL, true); /* 63 characters of three bytes */
}

static void
names_and_subjects_are_unique_in_a_tenant_only(void **state)
{
	const struct identity_user_new n = { .name = "ada" };
	const struct identity_user ada = fixture_user(&f.root, "ada", NULL, true);
	struct identity_user_change change = { .name = { .set = true, .v = "ada" } };
	struct identity_user bob = fixture_user(&f.root, "bob", NULL, true), u;
	struct err e = { 0 };

	(void)state;
	must_fail(ERR_NAME_TAKEN, identity_user_create(&f.root, &n, &u, &e));
	fixture_expect_field(&e, "/name");
	e = (struct err){ 0 };
	must_fail(ERR_NAME_TAKEN,
	    identity_user_update(&f.root, bob.id, &change, IDENTITY_ANY_VERSION, &u, &e));
	must(identity_user_create(&f.root_beta, &n, &u, &e));
	assert_int_not_equal(uuid_cmp(u.id, ada.id), 0);
}

static void
a_repeated_request_makes_one_user(void **state)
{
	static const uint8_t first[32] = { 1 }, second[32] = { 2 };
	struct identity_once once = { .key = "abc", .fingerprint = first };
	struct identity_ask ask = f.root;
	const struct identity_user_new n = { .name = "ada" };
	struct identity_user u, again;
	struct err e = { 0 };

	(void)state;
	ask.once = &once;
	must(identity_user_create(&ask, &n, &u, &e));
	assert_false(once.replayed);
	must(identity_user_create(&ask, &n, &again, &e));
	assert_true(once.replayed);
	assert_int_equal(uuid_cmp(u.id, again.id), 0);
	once.fingerprint = second;
	must_fail(ERR_IDEMPOTENCY_REUSED, identity_user_create(&ask, &n, &again, &e));
	assert_int_equal(
	    fixture_count(&f, "select count(*) from tenant_user where tenant_id =", f.alpha.uuid),
	    1);
}

/* --- nobody grants what they lack ------------------------------------------------------------- */

static int
make_with_role(
    const struct identity_ask *a, const char *name, struct identity_role_ref role, struct err *e)
{
	const struct identity_user_new n = { .name = name, .roles = { .p = &role, .n = 1 } };
	struct identity_user u;

	*e = (struct err){ 0 };
	return identity_user_create(a, &n, &u, e);
}

static void
roles_at_creation_are_given_like_any_other(void **state)
{
	struct identity_project p = fixture_project(&f.root, "red");
	struct identity_role_ref engineer = { .role = "engineer", .project = p.id };
	struct actor owner, admin, maker;
	struct err e = { 0 };

	(void)state;
	(void)fixture_role(&f.root, "maker", PERM_BIT(PERM_USER_CREATE) | PERM_BIT(PERM_USER_READ));
	fixture_actor(&f.root, "owner", "owner", &owner);
	fixture_actor(&f.root, "admin", "admin", &admin);
	fixture_actor(&f.root, "maker", "maker", &maker);
	must(make_with_role(&owner.ask, "a", (struct identity_role_ref){ .role = "owner" }, &e));
	must_fail(ERR_LACKING,
	    make_with_role(&admin.ask, "b", (struct identity_role_ref){ .role = "owner" }, &e));
	assert_non_null(strstr(e.msg, "billing:read")); /* the first of them */
	must(make_with_role(&admin.ask, "b", (struct identity_role_ref){ .role = "engineer" }, &e));
	/* user:create alone gives no roles. */
	must_fail(ERR_DENIED,
	    make_with_role(&maker.ask, "c", (struct identity_role_ref){ .role = "maker" }, &e));
	must_fail(ERR_DENIED, make_with_role(&maker.ask, "c", engineer, &e));
}

static void
the_permission_itself_is_looked_at_again(void **state)
{
	const struct identity_user_new n = { .name = "x" };
	const struct identity_user_change change = { .disabled = { .set = true, .v = true } };
	struct identity_user u = fixture_user(&f.root, "u", NULL, false), got;
	struct actor viewer;
	struct err e = { 0 };

	(void)state;
	fixture_actor(&f.root, "viewer", "viewer", &viewer);
	must_fail(ERR_DENIED, identity_user_create(&viewer.ask, &n, &got, &e));
	assert_non_null(strstr(e.msg, "user:create"));
	must_fail(ERR_DENIED,
	    identity_user_update(&viewer.ask, u.id, &change, IDENTITY_ANY_VERSION, &got, &e));
	must_fail(
	    ERR_DENIED, identity_user_delete(&viewer.ask, u.id, true, IDENTITY_ANY_VERSION, &e));
}

static void
a_cache_that_knows_of_less_limits_too(void **state)
{
	const struct identity_user_new n = { .name = "x" };
	struct identity_user got;
	struct actor owner;
	struct err e = { 0 };

	(void)state;
	fixture_actor(&f.root, "owner", "owner", &owner);
	owner.who.grants.everywhere = PERM_BIT(PERM_JOB_READ); /* a token with scopes */
	must_fail(ERR_DENIED, identity_user_create(&owner.ask, &n, &got, &e));
}

static void
only_an_equal_disables_removes_or_relinks_a_user(void **state)
{
	const struct identity_user_change disable = { .disabled = { .set = true, .v = true } };
	const struct identity_user_change enable = { .disabled = { .set = true } };
	const struct identity_user_change rename = { .name = { .set = true, .v = "new name" } };
	struct identity_user boss = fixture_user(&f.root, "boss", "owner", true), got;
	struct actor owner, admin;
	struct err e = { 0 };

	(void)state;
	fixture_actor(&f.root, "owner", "owner", &owner);
	fixture_actor(&f.root, "admin", "admin", &admin);
	must_fail(ERR_LACKING,
	    identity_user_update(&admin.ask, boss.id, &disable, IDENTITY_ANY_VERSION, &got, &e));
	must_fail(ERR_LACKING,
	    identity_user_delete(&admin.ask, boss.id, false, IDENTITY_ANY_VERSION, &e));
	must(identity_user_update(&admin.ask, boss.id, &rename, IDENTITY_ANY_VERSION, &got, &e));
	assert_string_equal(got.name, "new name");
	must(identity_user_update(&owner.ask, boss.id, &disable, IDENTITY_ANY_VERSION, &got, &e));
	assert_true(got.disabled_wall_us != 0);
	must_fail(ERR_LACKING,
	    identity_user_update(&admin.ask, boss.id, &enable, IDENTITY_ANY_VERSION, &got, &e));
	must(identity_user_update(&owner.ask, boss.id, &enable, IDENTITY_ANY_VERSION, &got, &e));
	assert_int_equal(got.disabled_wall_us, 0);
}

/* --- a caller that no longer stands ----------------------------------------------------------- */

static void
a_credential_that_was_taken_away_meanwhile_changes_nothing(void **state)
{
	static const char *const ends[] = {
		"update api_key set revoked_at = now() where key_id =",
		"update api_key set revoked_at = null, expires_at = now() where key_id =",
		"update tenant_user u set disabled_at = now() from api_key k where k.user_id = "
		"u.user_id "
		"and k.expires_at is null and k.revoked_at is null and k.key_id =",
	};
	const struct identity_user_new n = { .name = "x" };
	struct identity_user got;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		char name[] = { 'o', (char)('0' + i), '\0' }, sql[256], text[UUID_STR_SIZE];
		struct actor owner;
		struct err e = { 0 };

		fixture_actor(&f.root, name, "owner", &owner);
		(void)snprintf(
		    sql, sizeof(sql), "%s '%s'", ends[i], uuid_format(owner.who.key, text));
		test_script(f.t.url, sql);
		must_fail(ERR_UNAUTHENTICATED, identity_user_create(&owner.ask, &n, &got, &e));
	}
}

static void
in_a_suspended_tenant_nothing_changes(void **state)
{
	const struct identity_user_new n = { .name = "x" };
	struct identity_user got;
	char sql[256], text[UUID_STR_SIZE];
	struct actor owner;
	struct err e = { 0 };

	(void)state;
	fixture_actor(&f.root, "owner", "owner", &owner);
	(void)snprintf(sql, sizeof(sql),
	    "update tenant set state = 'suspended', state_reason = 'unpaid' where tenant_id = '%s'",
	    uuid_format(f.alpha.uuid, text));
	test_script(f.t.url, sql);
	must_fail(ERR_SUSPENDED, identity_user_create(&owner.ask, &n, &got, &e));
	assert_non_null(strstr(e.msg, "unpaid"));
}

static void
support_access_cannot_change_who_may_do_what(void **state)
{
	const struct identity_user_new n = { .name = "x" };
	struct identity_user got;
	struct identity_project p;
	char sql[512], text[2][UUID_STR_SIZE];
	struct actor helper;
	struct err e = { 0 };

	(void)state;
	fixture_actor(&f.root, "ignored", NULL, &helper);
	helper.who.kind = PRINCIPAL_SUPPORT;
	helper.who.user = helper.who.key = fixture_nil;
	helper.who.support = uuid_v7();
	must_fail(ERR_UNAUTHENTICATED, identity_project_create(&helper.ask, "p", NULL, &p, &e));
	(void)snprintf(sql, sizeof(sql),
	    "insert into support_access (tenant_id, support_id, operator_id, operator_name, "
	    "system_role, reason, expires_at) values ('%s', '%s', gen_random_uuid(), 'op', "
	    "'admin', "
	    "'looking into it', now() + interval '1 hour')",
	    uuid_format(f.alpha.uuid, text[0]), uuid_format(helper.who.support, text[1]));
	test_script(f.t.url, sql);
	must(identity_project_create(&helper.ask, "p", NULL, &p, &e));
	must_fail(ERR_DENIED, identity_user_create(&helper.ask, &n, &got, &e));
	/* The tenant can switch support off, and what is open ends. */
	(void)snprintf(sql, sizeof(sql),
	    "update tenant set support_allowed = false where tenant_id = '%s'", text[0]);
	test_script(f.t.url, sql);
	must_fail(ERR_UNAUTHENTICATED, identity_project_create(&helper.ask, "q", NULL, &p, &e));
}

/* --- the last owner --------------------------------------------------------------------------- */

static void
the_last_owner_stays(void **state)
{
	const struct identity_user_change disable = { .disabled = { .set = true, .v = true } };
	struct identity_user boss = fixture_user(&f.root, "boss", NULL, true);
	struct identity_assignment x = fixture_assign(&f.root, boss.id, "owner", fixture_nil);
	struct identity_project p = fixture_project(&f.root, "red");
	struct identity_user second = fixture_user(&f.root, "second", NULL, true), got;
	struct err e = { 0 };

	(void)state;
	/* An owner of a project, and one that is disabled, do not count. */
	(void)fixture_assign(&f.root, second.id, "owner", p.id);
	(void)fixture_user(&f.root, "third", "owner", true);
	must(identity_user_get(f.db, f.alpha, boss.id, f.mem, &got, &e));
	test_script(f.t.url, "update tenant_user set disabled_at = now() where name = 'third'");
	must_fail(ERR_LAST_OWNER,
	    identity_user_update(&f.root, boss.id, &disable, IDENTITY_ANY_VERSION, &got, &e));
	must_fail(
	    ERR_LAST_OWNER, identity_user_delete(&f.root, boss.id, true, IDENTITY_ANY_VERSION, &e));
	must_fail(ERR_LAST_OWNER, identity_assignment_delete(&f.root, x.id, &e));
	assert_string_equal(
	    test_text(f.t.url,
		"select count(*) from tenant_user where name = 'boss' and disabled_at "
		"is null"),
	    "1");
	(void)fixture_assign(&f.root, second.id, "owner", fixture_nil);
	must(identity_assignment_delete(&f.root, x.id, &e));
	must(identity_user_delete(&f.root, boss.id, false, IDENTITY_ANY_VERSION, &e));
}

enum { RACERS = 8 };
struct racer {
	const struct identity_ask *ask;
	struct uuid user, assignment;
	int way, rc;
	enum err_code code;
	struct thread thread;
};

static void *
race(void *arg)
{
	const struct identity_user_change disable = { .disabled = { .set = true, .v = true } };
	struct racer *r = arg;
	struct identity_ask ask = *r->ask;
	struct identity_user u;
	struct err e = { 0 };

	ask.mem = arena_new((size_t)4 << 20);
	if (r->way == 0)
		r->rc = identity_user_delete(&ask, r->user, true, IDENTITY_ANY_VERSION, &e);
	else if (r->way == 1)
		r->rc = identity_user_update(&ask, r->user, &disable, IDENTITY_ANY_VERSION, &u, &e);
	else
		r->rc = identity_assignment_delete(&ask, r->assignment, &e);
	r->code = e.code;
	arena_free(ask.mem);
	return NULL;
}

static void
of_owners_that_are_removed_all_at_once_one_stays(void **state)
{
	struct racer racers[RACERS];
	struct err e = { 0 };

	(void)state;
	for (int round = 0; round < 4; round++) {
		int done = 0;

		fixture_fresh(&f);
		for (int i = 0; i < RACERS; i++) {
			char name[] = { 'o', (char)('0' + i), '\0' };
			struct identity_user u = fixture_user(&f.root, name, NULL, true);
			struct identity_assignment x =
			    fixture_assign(&f.root, u.id, "owner", fixture_nil);

			racers[i] = (struct racer){ .ask = &f.root,
				.user = u.id,
				.assignment = x.id,
				.way = (i + round) % 3 };
		}
		for (int i = 0; i < RACERS; i++)
			must(thread_start(&racers[i].thread, "racer", race, &racers[i], &e));
		for (int i = 0; i < RACERS; i++) {
			thread_join(&racers[i].thread);
			done += racers[i].rc == 0;
			if (racers[i].rc < 0)
				assert_int_equal(racers[i].code, ERR_LAST_OWNER);
		}
		assert_int_equal(done, RACERS - 1);
		assert_int_equal(
		    fixture_count(&f,
			"select count(*) from role_assignment a join tenant_user u using "
			"(tenant_id, "
			"user_id) where a.system_role = 'owner' and u.disabled_at is null and "
			"a.tenant_id =",
			f.alpha.uuid),
		    1);
	}
}

/* --- versions, limits, other tenants ---------------------------------------------------------- */

static void
a_change_of_another_version_is_refused(void **state)
{
	const struct identity_user_change rename = { .name = { .set = true, .v = "b" } };
	struct identity_user u = fixture_user(&f.root, "a", NULL, true), got;
	struct err e = { 0 };

	(void)state;
	must_fail(ERR_PRECONDITION, identity_user_update(&f.root, u.id, &rename, 2, &got, &e));
	must(identity_user_update(&f.root, u.id, &rename, 1, &got, &e));
	assert_int_equal(got.version, 2);
	must_fail(ERR_PRECONDITION, identity_user_delete(&f.root, u.id, false, 1, &e));
	must(identity_user_delete(&f.root, u.id, false, 2, &e));
}

static void
a_change_that_changes_nothing_leaves_no_trace(void **state)
{
	const struct identity_user_change same = { .name = { .set = true, .v = "a" } };
	struct identity_user u = fixture_user(&f.root, "a", NULL, true), got;
	int64_t before = fixture_access_version(&f, f.alpha);
	struct err e = { 0 };

	(void)state;
	must(identity_user_update(&f.root, u.id, &same, IDENTITY_ANY_VERSION, &got, &e));
	assert_int_equal(got.version, 1);
	assert_int_equal(fixture_access_version(&f, f.alpha), before);
	fixture_expect_entry(&f, f.alpha, "\"action\":\"user.create\"");
}

static void
every_change_of_rights_moves_the_access_version(void **state)
{
	const struct identity_user_change disable = { .disabled = { .set = true, .v = true } };
	struct identity_user u = fixture_user(&f.root, "a", NULL, true), got;
	int64_t v = fixture_access_version(&f, f.alpha);
	struct identity_assignment x;
	struct err e = { 0 };

	(void)state;
	x = fixture_assign(&f.root, u.id, "viewer", fixture_nil);
	assert_int_equal(fixture_access_version(&f, f.alpha), ++v);
	must(identity_user_update(&f.root, u.id, &disable, IDENTITY_ANY_VERSION, &got, &e));
	assert_int_equal(fixture_access_version(&f, f.alpha), ++v);
	must(identity_assignment_delete(&f.root, x.id, &e));
	assert_int_equal(fixture_access_version(&f, f.alpha), ++v);
	must(identity_user_delete(&f.root, u.id, false, IDENTITY_ANY_VERSION, &e));
	assert_int_equal(fixture_access_version(&f, f.alpha), ++v);
}

static void
the_limit_on_users_is_exact(void **state)
{
	struct identity_user_new n = { .name = "one too many" };
	struct identity_user u;
	struct err e = { 0 };

	(void)state;
	f.quotas.amount[QUOTA_USERS] = 2;
	(void)fixture_user(&f.root, "a", NULL, true);
	(void)fixture_user(&f.root, "b", NULL, true);
	must_fail(ERR_QUOTA, identity_user_create(&f.root, &n, &u, &e));
	assert_non_null(strstr(e.msg, "users is 2"));
	assert_non_null(strstr(e.msg, "2 are there"));
	(void)fixture_user(&f.root_beta, "a", NULL, true);
}

static void
users_of_others_are_not_there(void **state)
{
	const struct identity_user_change rename = { .name = { .set = true, .v = "mine" } };
	struct identity_user theirs = fixture_user(&f.root_beta, "theirs", NULL, true), got;
	const struct identity_user_filter all = { .page.limit = 200 };
	struct identity_users list;
	struct actor owner;
	struct err e = { 0 };

	(void)state;
	fixture_actor(&f.root, "owner", "owner", &owner);
	must_fail(ERR_NOT_FOUND, identity_user_get(f.db, f.alpha, theirs.id, f.mem, &got, &e));
	must_fail(ERR_NOT_FOUND,
	    identity_user_update(&owner.ask, theirs.id, &rename, IDENTITY_ANY_VERSION, &got, &e));
	must_fail(ERR_NOT_FOUND,
	    identity_user_delete(&owner.ask, theirs.id, true, IDENTITY_ANY_VERSION, &e));
	must(identity_user_list(f.db, f.alpha, &all, f.mem, &list, &e));
	assert_int_equal(list.n, 1);
	must(identity_user_get(f.db, f.beta, theirs.id, f.mem, &got, &e));
	assert_string_equal(got.name, "theirs");
}

/* --- removing and listing --------------------------------------------------------------------- */

static void
a_user_with_keys_is_removed_only_together_with_them(void **state)
{
	struct identity_user u = fixture_user(&f.root, "u", "viewer", false);
	const struct identity_role_ref ref = { .role = "viewer" };
	const struct identity_key_new n = {
		.name = "k", .user = u.id, .roles = { .p = &ref, .n = 1 }
	};
	struct identity_key k = fixture_key(&f.root, &n, NULL), got;
	struct err e = { 0 };

	(void)state;
	(void)fixture_user(&f.root, "boss", "owner", true);
	must_fail(ERR_IN_USE, identity_user_delete(&f.root, u.id, false, IDENTITY_ANY_VERSION, &e));
	must(identity_key_get(f.db, f.alpha, k.id, f.mem, &got, &e));
	must(identity_user_delete(&f.root, u.id, true, IDENTITY_ANY_VERSION, &e));
	must_fail(ERR_NOT_FOUND, identity_key_get(f.db, f.alpha, k.id, f.mem, &got, &e));
	fixture_expect_entry(&f, f.alpha, "\"name\":[\"u\",null]");
	fixture_expect_entry(&f, f.alpha, "\"keys\":[1,0]");
}

static void
lists_come_in_pages_with_filters(void **state)
{
	struct identity_user_filter filter = { .page.limit = 2 };
	struct identity_users page;
	struct err e = { 0 };

	(void)state;
	for (int i = 0; i < 5; i++) {
		char name[] = { 'u', (char)('0' + i), '\0' };

		(void)fixture_user(&f.root, name, "viewer", i % 2 == 0);
	}
	must(identity_user_list(f.db, f.alpha, &filter, f.mem, &page, &e));
	assert_int_equal(page.n, 2);
	assert_true(page.more);
	assert_string_equal(page.p[0].name, "u4");
	assert_int_equal(page.p[0].roles.n, 1);
	filter.page.before = page.p[1].id;
	filter.page.limit = 3;
	must(identity_user_list(f.db, f.alpha, &filter, f.mem, &page, &e));
	assert_int_equal(page.n, 3);
	assert_false(page.more);
	filter = (struct identity_user_filter){ .page.limit = 200, .person = { true, true } };
	must(identity_user_list(f.db, f.alpha, &filter, f.mem, &page, &e));
	assert_int_equal(page.n, 3);
	filter.disabled = (struct identity_flag){ true, true };
	must(identity_user_list(f.db, f.alpha, &filter, f.mem, &page, &e));
	assert_int_equal(page.n, 0);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)
static const struct CMUnitTest tests[] = {
	TEST(a_user_is_made_with_roles_and_comes_back_whole),
	TEST(texts_that_are_not_right_are_refused_by_their_pointer),
	TEST(names_and_subjects_are_unique_in_a_tenant_only),
	TEST(a_repeated_request_makes_one_user),
	TEST(roles_at_creation_are_given_like_any_other),
	TEST(the_permission_itself_is_looked_at_again),
	TEST(a_cache_that_knows_of_less_limits_too),
	TEST(only_an_equal_disables_removes_or_relinks_a_user),
	TEST(a_credential_that_was_taken_away_meanwhile_changes_nothing),
	TEST(in_a_suspended_tenant_nothing_changes),
	TEST(support_access_cannot_change_who_may_do_what),
	TEST(the_last_owner_stays),
	TEST(of_owners_that_are_removed_all_at_once_one_stays),
	TEST(a_change_of_another_version_is_refused),
	TEST(a_change_that_changes_nothing_leaves_no_trace),
	TEST(every_change_of_rights_moves_the_access_version),
	TEST(the_limit_on_users_is_exact),
	TEST(users_of_others_are_not_there),
	TEST(a_user_with_keys_is_removed_only_together_with_them),
	TEST(lists_come_in_pages_with_filters),
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
