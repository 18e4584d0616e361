/* SPDX-License-Identifier: Apache-2.0 */
/* API keys: what they may do is never more than their maker has; their text is nowhere. */
#include "identity_fixture.h"

static struct fixture f;

#define DAY_US (INT64_C(24) * 3600 * 1000000)

static int
setup(void **state)
{
	(void)state;
	fixture_fresh(&f);
	return 0;
}

static int
make(const struct identity_ask *a, const struct identity_key_new *n, struct identity_key *ret,
    struct err *e)
{
	char text[AUTH_KEY_SIZE];

	*e = (struct err){ 0 };
	return identity_key_create(a, n, ret, text, e);
}

static int64_t
rows_with(const char *text)
{
	char sql[1024];

	/* Its secret part: behind the public one, before the checksum. */
	(void)snprintf(sql, sizeof(sql),
	    "select (select count(*) from api_key k where k::text like '%%%.32s%%') + "
	    "(select count(*) from audit_log a where a::text like '%%%.32s%%') + "
	    "(select count(*) from idempotency i where i::text like '%%%.32s%%')",
	    text + strlen(text) - 38, text + strlen(text) - 38, text + strlen(text) - 38);
	return strtoll(test_text(f.t.url, sql), NULL, 10);
}

/* --- making ----------------------------------------------------------------------------------- */

static void
a_key_is_shown_once_and_stored_as_a_digest(void **state)
{
	struct identity_user u = fixture_user(&f.root, "u", "viewer", false);
	const struct identity_key_new n = { .name = "ci",
		.user = u.id,
		.scopes = { .limited = true, .set = PERM_BIT(PERM_JOB_READ) } };
	char text[AUTH_KEY_SIZE], sql[256], hex[2 * AUTH_SHA256_SIZE + 1], id[UUID_STR_SIZE];
	struct identity_key k = fixture_key(&f.root, &n, text), got;
	struct auth_key read;
	struct err e = { 0 };

	(void)state;
	must(auth_key_read(text, &read, &e));
	assert_string_equal(read.id, k.public_id);
	assert_memory_equal(k.last4, text + strlen(text) - 4, 5);
	assert_int_equal(rows_with(text), 0);
	auth_hex(read.hash, sizeof(read.hash), hex);
	(void)snprintf(sql, sizeof(sql),
	    "select encode(hash, 'hex') from api_key where key_id = '%s'", uuid_format(k.id, id));
	assert_string_equal(test_text(f.t.url, sql), hex);
	must(identity_key_get(f.db, f.alpha, k.id, f.mem, &got, &e));
	assert_true(got.scopes.limited);
	assert_true(got.scopes.set == PERM_BIT(PERM_JOB_READ));
	assert_false(got.cidrs.limited);
	fixture_expect_entry(&f, f.alpha, "\"action\":\"key.create\"");
	fixture_expect_entry(&f, f.alpha, k.public_id);
}

static void
the_kind_follows_from_the_owner(void **state)
{
	struct identity_ask platform = fixture_system(&f, tenant_platform_id);
	struct identity_user service = fixture_user(&f.root, "s", NULL, false);
	struct identity_user person = fixture_user(&f.root, "p", NULL, true);
	struct identity_user operator_ = fixture_user(&platform, "o", "platform-operator", false);
	struct identity_key_new n = { .name = "k", .user = service.id };
	struct identity_key k;

	(void)state;
	k = fixture_key(&f.root, &n, NULL);
	assert_string_equal(k.kind, "sk");
	assert_int_equal(k.expires_wall_us, 0);
	n.user = person.id;
	k = fixture_key(&f.root, &n, NULL);
	assert_string_equal(k.kind, "pat");
	assert_in_range(k.expires_wall_us - clock_wall_us(), 90 * DAY_US - 60000000, 90 * DAY_US);
	n.user = operator_.id;
	k = fixture_key(&platform, &n, NULL);
	assert_string_equal(k.kind, "op");
}

static void
ends_are_in_the_future_and_those_of_people_within_a_year(void **state)
{
	struct identity_user service = fixture_user(&f.root, "s", NULL, false);
	struct identity_user person = fixture_user(&f.root, "p", NULL, true);
	int64_t now = clock_wall_us();
	const struct {
		struct uuid user;
		int64_t expires_us;
		bool ok;
	} rows[] = {
		{ service.id, 0, true },
		{ service.id, now - 1, false },
		{ service.id, now + 60000000, true },
		{ service.id, now + 4000 * DAY_US, true },
		{ person.id, 0, false },
		{ person.id, now + 365 * DAY_US, true },
		{ person.id, now + 366 * DAY_US, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct identity_key_new n = { .name = "k",
			.user = rows[i].user,
			.expires = { .set = true, .wall_us = rows[i].expires_us } };
		struct identity_key k;
		struct err e;
		int rc = make(&f.root, &n, &k, &e);

		assert_int_equal(rc, rows[i].ok ? 0 : -1);
		if (rows[i].ok) {
			assert_int_equal(k.expires_wall_us, rows[i].expires_us);
			continue;
		}
		assert_int_equal(e.code, ERR_INVALID);
		fixture_expect_field(&e, "/expires_at");
	}
}

static void
the_owner_is_the_caller_or_a_user_that_stands(void **state)
{
	struct identity_user theirs = fixture_user(&f.root_beta, "u", NULL, false);
	struct identity_user off = fixture_user(&f.root, "off", NULL, false), u;
	const struct identity_user_change disable = { .disabled = { true, true } };
	struct identity_key_new n = { .name = "k" };
	struct identity_key k;
	struct actor engineer;
	struct err e = { 0 };

	(void)state;
	fixture_actor(&f.root, "engineer", "engineer", &engineer);
	must(identity_user_update(&f.root, off.id, &disable, IDENTITY_ANY_VERSION, &u, &e));
	must(make(&engineer.ask, &n, &k, &e));
	assert_int_equal(uuid_cmp(k.user, engineer.who.user), 0);
	n.user = theirs.id;
	must_fail(ERR_INVALID, make(&engineer.ask, &n, &k, &e));
	fixture_expect_field(&e, "/user");
	n.user = off.id;
	must_fail(ERR_INVALID, make(&engineer.ask, &n, &k, &e));
	fixture_expect_field(&e, "/user");
	n.user = fixture_nil;
	must_fail(ERR_INVALID, make(&f.root, &n, &k, &e)); /* the system is no user */
	fixture_expect_field(&e, "/user");
}

static void
a_key_may_not_do_what_its_maker_lacks(void **state)
{
	struct identity_project red = fixture_project(&f.root, "red");
	struct identity_user boss = fixture_user(&f.root, "boss", "owner", false);
	struct identity_user viewer = fixture_user(&f.root, "viewer", "viewer", false);
	const struct identity_role_ref as_engineer = { .role = "engineer" };
	const struct identity_role_ref red_viewer = { .role = "viewer", .project = red.id };
	struct identity_key_new n = { .name = "k", .user = boss.id };
	struct identity_key k;
	struct actor engineer;
	struct err e;

	(void)state;
	fixture_actor(&f.root, "engineer", "engineer", &engineer);
	must_fail(ERR_LACKING, make(&engineer.ask, &n, &k, &e));
	n.scopes = (struct identity_scopes){ .limited = true, .set = PERM_BIT(PERM_JOB_CREATE) };
	must(make(&engineer.ask, &n, &k, &e));
	n.scopes.set |= PERM_BIT(PERM_USER_CREATE);
	must_fail(ERR_LACKING, make(&engineer.ask, &n, &k, &e));
	assert_non_null(strstr(e.msg, "user:create"));
	n.scopes.limited = false;
	n.roles = (struct identity_roles){ .p = &as_engineer, .n = 1 };
	must(make(&engineer.ask, &n, &k, &e));
	/* viewer sees users and roles, which an engineer does not. */
	n = (struct identity_key_new){ .name = "k", .user = viewer.id };
	must_fail(ERR_LACKING, make(&engineer.ask, &n, &k, &e));
	n.roles = (struct identity_roles){ .p = &red_viewer, .n = 1 };
	must(make(&engineer.ask, &n, &k, &e));
}

static void
a_limited_key_makes_keys_that_are_limited_like_it(void **state)
{
	permission_set own = PERM_BIT(PERM_KEY_CREATE) | PERM_BIT(PERM_JOB_READ);
	struct identity_user boss = fixture_user(&f.root, "boss", "owner", false);
	struct identity_user nobody = fixture_user(&f.root, "nobody", NULL, false);
	const struct identity_key_new limited = {
		.name = "k", .user = boss.id, .scopes = { .limited = true, .set = own }
	};
	struct identity_key mine = fixture_key(&f.root, &limited, NULL), k;
	struct identity_key_new n = { .name = "k" };
	struct actor actor;
	struct err e;

	(void)state;
	fixture_act_as(&f.root, &mine, &actor);
	must_fail(ERR_LACKING, make(&actor.ask, &n, &k, &e));
	/* Even when its owner may do nothing yet. */
	n.user = nobody.id;
	must_fail(ERR_LACKING, make(&actor.ask, &n, &k, &e));
	n.user = fixture_nil;
	n.scopes = (struct identity_scopes){ .limited = true, .set = PERM_BIT(PERM_JOB_READ) };
	must(make(&actor.ask, &n, &k, &e));
	n.scopes.set = PERM_BIT(PERM_JOB_CREATE);
	must_fail(ERR_LACKING, make(&actor.ask, &n, &k, &e));
}

static void
roles_of_a_key_limit_what_its_holder_changes(void **state)
{
	const struct identity_role_ref viewer = { .role = "viewer" };
	struct identity_user boss = fixture_user(&f.root, "boss", "owner", false), u;
	const struct identity_key_new n = {
		.name = "k", .user = boss.id, .roles = { .p = &viewer, .n = 1 }
	};
	const struct identity_user_new someone = { .name = "someone" };
	struct identity_key k = fixture_key(&f.root, &n, NULL);
	struct actor actor;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(k.roles.n, 1);
	fixture_act_as(&f.root, &k, &actor);
	must_fail(ERR_DENIED, identity_user_create(&actor.ask, &someone, &u, &e));
}

static void
a_key_never_may_more_than_its_owner_may_now(void **state)
{
	const struct identity_user_new someone = { .name = "someone" };
	struct identity_user u;
	struct identity_assignment x;
	struct actor actor;
	struct err e = { 0 };

	(void)state;
	(void)fixture_user(&f.root, "boss", "owner", true);
	fixture_actor(&f.root, "admin", NULL, &actor);
	x = fixture_assign(&f.root, actor.who.user, "admin", fixture_nil);
	must(identity_user_create(&actor.ask, &someone, &u, &e));
	must(identity_assignment_delete(&f.root, x.id, &e));
	must_fail(ERR_DENIED, identity_user_create(&actor.ask, &someone, &u, &e));
}

static void
the_limit_on_keys_counts_those_that_are_not_revoked(void **state)
{
	struct identity_user u = fixture_user(&f.root, "u", NULL, false);
	const struct identity_key_new n = { .name = "k", .user = u.id };
	struct identity_key k, more;
	struct err e;

	(void)state;
	f.quotas.amount[QUOTA_KEYS] = 1;
	must(make(&f.root, &n, &k, &e));
	must_fail(ERR_QUOTA, make(&f.root, &n, &more, &e));
	must(identity_key_revoke(&f.root, k.id, IDENTITY_ANY_VERSION, &e));
	must(make(&f.root, &n, &more, &e));
}

static void
a_repeated_request_does_not_show_the_key_again(void **state)
{
	static const uint8_t fingerprint[32] = { 7 };
	struct identity_user u = fixture_user(&f.root, "u", NULL, false);
	const struct identity_key_new n = { .name = "k", .user = u.id };
	struct identity_once once = { .key = "abc", .fingerprint = fingerprint };
	struct identity_ask ask = f.root;
	struct identity_key k;
	struct err e;

	(void)state;
	ask.once = &once;
	must(make(&ask, &n, &k, &e));
	must_fail(ERR_CONFLICT, make(&ask, &n, &k, &e));
	assert_int_equal(
	    fixture_count(&f, "select count(*) from api_key where tenant_id =", f.alpha.uuid), 1);
}

/* --- changing --------------------------------------------------------------------------------- */

static struct identity_cidrs
networks(const char *list)
{
	struct identity_cidrs c = { .limited = true };
	struct err e = { 0 };

	must(net_cidrs_parse(list, &c.list, &e));
	return c;
}

static void
what_widens_a_key_needs_what_it_may_do(void **state)
{
	permission_set narrow = PERM_BIT(PERM_JOB_READ);
	struct identity_user boss = fixture_user(&f.root, "boss", "owner", false);
	int64_t end = clock_wall_us() + DAY_US;
	const struct identity_key_new n = { .name = "k",
		.user = boss.id,
		.scopes = { .limited = true, .set = narrow | PERM_BIT(PERM_USER_CREATE) },
		.cidrs = networks("10.0.0.0/8,2001:db8::/32"),
		.expires = { .set = true, .wall_us = end } };
	struct identity_key k = fixture_key(&f.root, &n, NULL), got;
	const struct {
		struct identity_key_change change;
		bool widens;
	} rows[] = {
		{ { .name = { true, "other" } }, false },
		{ { .scopes = { .set = true } }, true },
		{ { .cidrs = { .set = true } }, true },
		{ { .cidrs = { true, networks("10.0.0.0/7") } }, true },
		{ { .cidrs = { true, networks("10.1.0.0/16,192.0.2.0/24") } }, true },
		{ { .cidrs = { true, networks("10.1.0.0/16,2001:db8:1::/48") } }, false },
		{ { .expires = { true, end + 1 } }, true },
		{ { .expires = { true, 0 } }, true },
		{ { .expires = { true, end - 1000000 } }, false },
		{ { .scopes = { true, { true, narrow } } }, false },
	};
	/* What narrows keys of one's own is free, with whichever of them. */
	const struct identity_key_new few = { .name = "few",
		.user = boss.id,
		.scopes = { .limited = true, .set = narrow | PERM_BIT(PERM_KEY_UPDATE) } };
	struct identity_key own = fixture_key(&f.root, &few, NULL);
	struct actor little;
	struct err e;

	(void)state;
	fixture_act_as(&f.root, &own, &little);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int rc;

		e = (struct err){ 0 };
		rc = identity_key_update(
		    &little.ask, k.id, &rows[i].change, IDENTITY_ANY_VERSION, &got, &e);
		if (rc != (rows[i].widens ? -1 : 0))
			fail_msg("row %zu: %d %s", i, rc, e.msg);
		if (rc < 0)
			assert_int_equal(e.code, ERR_LACKING);
	}
	assert_int_equal(got.version, 5);
	/* What is left of it is the other key's, too. */
	must(identity_key_update(&little.ask, k.id,
	    &(struct identity_key_change){ .cidrs = { .set = true } }, 5, &got, &e));
	assert_false(got.cidrs.limited);
	must_fail(ERR_PRECONDITION,
	    identity_key_update(&little.ask, k.id,
		&(struct identity_key_change){ .name = { true, "x" } }, 5, &got, &e));
}

static void
rotation_keeps_the_public_part_and_may_overlap(void **state)
{
	struct identity_user u = fixture_user(&f.root, "u", NULL, false);
	const struct identity_key_new n = { .name = "k", .user = u.id };
	char first[AUTH_KEY_SIZE], second[AUTH_KEY_SIZE], third[AUTH_KEY_SIZE];
	struct identity_key k = fixture_key(&f.root, &n, first), got;
	struct auth_key read;
	int64_t version;
	struct err e = { 0 };

	(void)state;
	version = fixture_access_version(&f, f.alpha);
	must(identity_key_rotate(&f.root, k.id, 3600, &got, second, &e));
	assert_string_not_equal(first, second);
	must(auth_key_read(second, &read, &e));
	assert_string_equal(read.id, k.public_id);
	assert_in_range(got.previous_until_us - clock_wall_us(), INT64_C(3590) * 1000000,
	    INT64_C(3610) * 1000000);
	assert_int_equal(fixture_count(&f,
			     "select count(*) from api_key where previous_hash is not null and "
			     "key_id =",
			     k.id),
	    1);
	assert_int_equal(fixture_access_version(&f, f.alpha), version + 1);
	must(identity_key_rotate(&f.root, k.id, 0, &got, third, &e));
	assert_int_equal(got.previous_until_us, 0);
	assert_int_equal(
	    fixture_count(
		&f, "select count(*) from api_key where previous_hash is null and key_id =", k.id),
	    1);
	fixture_expect_entry(&f, f.alpha, "\"secret\":[null,\"***\"]");
	assert_int_equal(rows_with(first) + rows_with(second) + rows_with(third), 0);
}

static void
whoever_rotates_a_key_could_use_it_and_so_needs_its_rights(void **state)
{
	struct identity_user boss = fixture_user(&f.root, "boss", "owner", false);
	const struct identity_key_new n = { .name = "k", .user = boss.id };
	struct identity_key k = fixture_key(&f.root, &n, NULL), got;
	char text[AUTH_KEY_SIZE];
	struct actor engineer;
	struct err e = { 0 };

	(void)state;
	fixture_actor(&f.root, "engineer", "engineer", &engineer);
	must_fail(ERR_LACKING, identity_key_rotate(&engineer.ask, k.id, 0, &got, text, &e));
	must(identity_key_rotate(&engineer.ask, engineer.who.key, 0, &got, text, &e));
}

static void
expired_and_revoked_keys_are_not_rotated(void **state)
{
	struct identity_user u = fixture_user(&f.root, "u", NULL, false);
	const struct identity_key_new n = { .name = "k", .user = u.id };
	const struct identity_key_change rename = { .name = { true, "old" } };
	const struct identity_key_change open = { .cidrs = { .set = true } };
	struct identity_key expired = fixture_key(&f.root, &n, NULL);
	struct identity_key revoked = fixture_key(&f.root, &n, NULL), got;
	char text[AUTH_KEY_SIZE], sql[128], id[UUID_STR_SIZE];
	struct err e = { 0 };

	(void)state;
	(void)snprintf(sql, sizeof(sql),
	    "update api_key set expires_at = now() where key_id = '%s'",
	    uuid_format(expired.id, id));
	test_script(f.t.url, sql);
	must(identity_key_revoke(&f.root, revoked.id, 1, &e));
	must_fail(ERR_CONFLICT, identity_key_rotate(&f.root, expired.id, 0, &got, text, &e));
	must_fail(ERR_CONFLICT, identity_key_rotate(&f.root, revoked.id, 0, &got, text, &e));
	must(identity_key_update(&f.root, revoked.id, &rename, IDENTITY_ANY_VERSION, &got, &e));
	must_fail(ERR_CONFLICT,
	    identity_key_update(&f.root, revoked.id, &open, IDENTITY_ANY_VERSION, &got, &e));
}

static void
revoking_twice_is_revoking_once(void **state)
{
	struct actor owner;
	struct identity_key got;
	char actor[ID_STR_SIZE];
	int64_t version;
	struct err e = { 0 };

	(void)state;
	fixture_actor(&f.root, "owner", "owner", &owner);
	version = fixture_access_version(&f, f.alpha);
	must(identity_key_revoke(&owner.ask, owner.who.key, IDENTITY_ANY_VERSION, &e));
	assert_int_equal(fixture_access_version(&f, f.alpha), version + 1);
	must(identity_key_get(f.db, f.alpha, owner.who.key, f.mem, &got, &e));
	assert_true(got.revoked_wall_us != 0);
	assert_string_equal(got.revoked_by, principal_format(&owner.who, actor));
	must(identity_key_revoke(&f.root, owner.who.key, IDENTITY_ANY_VERSION, &e));
	assert_int_equal(fixture_access_version(&f, f.alpha), version + 1);
	/* And it revoked itself: nothing goes any more. */
	must_fail(ERR_UNAUTHENTICATED,
	    identity_key_revoke(&owner.ask, owner.who.key, IDENTITY_ANY_VERSION, &e));
}

/* --- roles of keys ---------------------------------------------------------------------------- */

static void
the_last_role_of_a_key_stays_because_it_limits_it(void **state)
{
	struct identity_project red = fixture_project(&f.root, "red");
	struct identity_user boss = fixture_user(&f.root, "boss", "owner", false);
	const struct identity_role_ref roles[] = { { .role = "viewer", .project = red.id } };
	const struct identity_key_new n = {
		.name = "k", .user = boss.id, .roles = { .p = roles, .n = 1 }
	};
	struct identity_key k = fixture_key(&f.root, &n, NULL);
	const struct identity_assignment_new second = { .key = k.id, .role.role = "billing" };
	const struct identity_assignment_filter of_key = { .page.limit = 10, .key = k.id };
	struct identity_assignments list;
	struct identity_assignment x;
	bool made;
	struct err e = { 0 };

	(void)state;
	must(identity_assignment_list(f.db, f.alpha, &of_key, f.mem, &list, &e));
	assert_int_equal(list.n, 1);
	must_fail(ERR_IN_USE, identity_assignment_delete(&f.root, list.p[0].id, &e));
	/* Nor does it go with its project. */
	must_fail(ERR_IN_USE, identity_project_delete(&f.root, red.id, IDENTITY_ANY_VERSION, &e));
	must(identity_assignment_create(&f.root, &second, &x, &made, &e));
	must(identity_project_delete(&f.root, red.id, IDENTITY_ANY_VERSION, &e));
	must_fail(ERR_IN_USE, identity_assignment_delete(&f.root, x.id, &e));
	must(identity_key_revoke(&f.root, k.id, IDENTITY_ANY_VERSION, &e));
	must(identity_assignment_delete(&f.root, x.id, &e));
}

static void
keys_of_others_are_not_there(void **state)
{
	struct identity_user theirs = fixture_user(&f.root_beta, "u", NULL, false);
	const struct identity_key_new n = { .name = "k", .user = theirs.id };
	struct identity_key k = fixture_key(&f.root_beta, &n, NULL), got;
	const struct identity_key_change rename = { .name = { true, "mine" } };
	const struct identity_assignment_new role = { .key = k.id, .role.role = "viewer" };
	const struct identity_key_filter all = { .page.limit = 200 };
	char text[AUTH_KEY_SIZE];
	struct identity_assignment x;
	struct identity_keys list;
	bool made;
	struct err e = { 0 };

	(void)state;
	must_fail(ERR_NOT_FOUND, identity_key_get(f.db, f.alpha, k.id, f.mem, &got, &e));
	must_fail(ERR_NOT_FOUND,
	    identity_key_update(&f.root, k.id, &rename, IDENTITY_ANY_VERSION, &got, &e));
	must_fail(ERR_NOT_FOUND, identity_key_rotate(&f.root, k.id, 0, &got, text, &e));
	must_fail(ERR_NOT_FOUND, identity_key_revoke(&f.root, k.id, IDENTITY_ANY_VERSION, &e));
	must_fail(ERR_INVALID, identity_assignment_create(&f.root, &role, &x, &made, &e));
	fixture_expect_field(&e, "/key");
	must(identity_key_list(f.db, f.alpha, &all, f.mem, &list, &e));
	assert_int_equal(list.n, 0);
	must(identity_key_get(f.db, f.beta, k.id, f.mem, &got, &e));
	assert_int_equal(got.revoked_wall_us, 0);
}

static void
keys_are_listed_by_owner_and_state(void **state)
{
	struct identity_user u = fixture_user(&f.root, "u", NULL, false);
	struct identity_user v = fixture_user(&f.root, "v", NULL, false);
	struct identity_key_new n = { .name = "k", .user = u.id };
	struct identity_key first = fixture_key(&f.root, &n, NULL);
	struct identity_key_filter filter = { .page.limit = 1 };
	struct identity_keys list;
	struct err e = { 0 };

	(void)state;
	n.user = v.id;
	(void)fixture_key(&f.root, &n, NULL);
	must(identity_key_revoke(&f.root, first.id, IDENTITY_ANY_VERSION, &e));
	must(identity_key_list(f.db, f.alpha, &filter, f.mem, &list, &e));
	assert_true(list.more);
	filter = (struct identity_key_filter){ .page.limit = 9, .user = u.id };
	must(identity_key_list(f.db, f.alpha, &filter, f.mem, &list, &e));
	assert_int_equal(list.n, 1);
	assert_int_equal(uuid_cmp(list.p[0].id, first.id), 0);
	filter.revoked.set = true;
	must(identity_key_list(f.db, f.alpha, &filter, f.mem, &list, &e));
	assert_int_equal(list.n, 0);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)
static const struct CMUnitTest tests[] = {
	TEST(a_key_is_shown_once_and_stored_as_a_digest),
	TEST(the_kind_follows_from_the_owner),
	TEST(ends_are_in_the_future_and_those_of_people_within_a_year),
	TEST(the_owner_is_the_caller_or_a_user_that_stands),
	TEST(a_key_may_not_do_what_its_maker_lacks),
	TEST(a_limited_key_makes_keys_that_are_limited_like_it),
	TEST(roles_of_a_key_limit_what_its_holder_changes),
	TEST(a_key_never_may_more_than_its_owner_may_now),
	TEST(the_limit_on_keys_counts_those_that_are_not_revoked),
	TEST(a_repeated_request_does_not_show_the_key_again),
	TEST(what_widens_a_key_needs_what_it_may_do),
	TEST(rotation_keeps_the_public_part_and_may_overlap),
	TEST(whoever_rotates_a_key_could_use_it_and_so_needs_its_rights),
	TEST(expired_and_revoked_keys_are_not_rotated),
	TEST(revoking_twice_is_revoking_once),
	TEST(the_last_role_of_a_key_stays_because_it_limits_it),
	TEST(keys_of_others_are_not_there),
	TEST(keys_are_listed_by_owner_and_state),
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
