/* SPDX-License-Identifier: Apache-2.0 */
/* API keys: who is asking, what that may do, and every reason not to let it in. */
#include "tenant_fixture.h"

#include "lock.h"
#include "rate.h"

#define EVERYWHERE                                                                                 \
	(struct uuid)                                                                              \
	{                                                                                          \
		0                                                                                  \
	}

static void
a_tenant_reads_itself_and_no_other(void **state)
{
	struct tenant_id a = test_tenant(&fx.t, "self-a");
	struct tenant t;
	struct err e;

	(void)state;
	(void)test_tenant(&fx.t, "self-b");
	arena_reset(fx.mem);
	fixture_sql("update wardian.tenant set state = 'suspended', state_reason = 'unpaid', "
		    "support_allowed = false, version = 7 where tenant_id = '%s'",
	    fixture_text(a.uuid));
	must(tenant_get(fx.db, a, fx.mem, &t, &e));
	assert_string_equal(t.name, "self-a");
	assert_string_equal(t.kind, "customer");
	assert_string_equal(t.state, "suspended");
	assert_string_equal(t.state_reason, "unpaid");
	assert_false(t.support_allowed);
	assert_int_equal(t.version, 7);
	assert_in_range(clock_wall_us() - t.created_wall_us, 0, 60 * 1000000);
	must_fail(
	    ERR_NOT_FOUND, tenant_get(fx.db, (struct tenant_id){ uuid_v7() }, fx.mem, &t, &e));
}

static void
a_key_tells_its_tenant_its_user_and_what_it_may_do(void **state)
{
	struct fixture_key a = fixture_key("tells-a", "viewer"),
			   b = fixture_key("tells-b", "owner");
	struct principal who = fixture_who(a.key.text);

	(void)state;
	assert_int_equal(who.kind, PRINCIPAL_KEY);
	assert_int_equal(uuid_cmp(who.tenant.uuid, a.tenant.uuid), 0);
	assert_int_equal(uuid_cmp(who.key, a.id), 0);
	assert_int_equal(uuid_cmp(who.user, a.user), 0);
	assert_string_equal(who.key_public, a.key.id);
	assert_string_equal(who.name, "worker");
	assert_int_equal(who.expires_wall_us, 0);
	assert_true(who.grants.everywhere == system_role_permissions(ROLE_VIEWER));
	who = fixture_who(b.key.text);
	assert_int_equal(uuid_cmp(who.tenant.uuid, b.tenant.uuid), 0);
	assert_true(who.grants.everywhere == system_role_permissions(ROLE_OWNER));
}

static void
the_second_request_needs_no_database(void **state)
{
	struct fixture_key k = fixture_key("recall", "viewer");
	char header[128];
	const struct credential c = { .authorization = header, .source = "192.0.2.1" };
	struct principal who = { 0 };
	struct err e;

	(void)state;
	(void)snprintf(header, sizeof(header), "Bearer %s", k.key.text);
	assert_int_equal(tenants_recall(fx.tenants, &c, &who, &e), 0);
	(void)fixture_who(k.key.text);
	assert_int_equal(tenants_recall(fx.tenants, &c, &who, &e), 1);
	assert_int_equal(uuid_cmp(who.key, k.id), 0);
	assert_true(who.grants.everywhere == system_role_permissions(ROLE_VIEWER));
}

static void
what_can_only_be_refused_is_refused_without_a_look_up(void **state)
{
	static const char *const headers[] = { NULL, "", "Bearer ", "Bearer x", "Digest x",
		"Bearer wdn_sk_0123456789AB0123456789abcdefghijABCDEFGHIJ01000000" };
	struct principal who;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
		const struct credential c = { .authorization = headers[i], .source = "192.0.2.1" };

		must_fail(ERR_UNAUTHENTICATED, tenants_recall(fx.tenants, &c, &who, &e));
		must_fail(ERR_UNAUTHENTICATED, tenants_authenticate(fx.tenants, &c, &who, &e));
	}
}

static void
the_key_itself_is_nowhere_in_the_database(void **state)
{
	struct fixture_key k = fixture_key("nowhere", "viewer");
	char sql[256];

	(void)state;
	(void)fixture_who(k.key.text);
	(void)snprintf(sql, sizeof(sql),
	    "select count(*) from wardian.api_key k where k::text like '%%%.32s%%'",
	    k.key.text + strlen(k.key.text) - 38);
	assert_string_equal(test_text(fx.t.url, sql), "0");
}

/* --- refusals -----------------------------------------------------------------------------------
 */

struct refused {
	const char *table, *set; /* what happened */
	const char *why;         /* what the tenant's log may be told; NULL: nothing */
};

static void
every_key_that_is_not_valid_gets_the_same_answer(void **state)
{
	static const struct refused cases[] = {
		{ "api_key", "expires_at = now()", "expired" },
		{ "api_key", "revoked_at = now()", "revoked" },
		{ "api_key", "hash = decode(repeat('11', 32), 'hex')", NULL },
		{ "api_key", "public_id = 'aaaaaaaaaaaa'", NULL },
		{ "tenant_user", "disabled_at = now()", "disabled" },
		{ "tenant", "state = 'deleting'", NULL },
		{ "api_key", "cidrs = '{10.0.0.0/8}'", "source" },
		{ "api_key", "cidrs = '{}'", "source" },
		{ "api_key", "cidrs = '{nonsense}'", "source" },
		{ "api_key",
		    "previous_hash = hash, previous_until = now(), hash = decode(repeat('11', 32), "
		    "'hex')",
		    "expired" },
	};
	struct err first = { 0 }, e;
	struct principal who;

	(void)state;
	(void)fixture_try("wdn_sk_nonsense", &who, &first);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct credential_refusal refusal = { .why = "left over" };
		struct fixture_key k = fixture_key("refusals", "owner");

		fixture_sql("update wardian.%s set %s where tenant_id = '%s'", cases[i].table,
		    cases[i].set, fixture_text(k.tenant.uuid));
		must_fail(ERR_UNAUTHENTICATED,
		    fixture_ask(fx.tenants, k.key.text, "192.0.2.1", &refusal, &who, &e));
		assert_string_equal(e.msg, first.msg);
		if (cases[i].why == NULL) {
			assert_null(refusal.why);
			continue;
		}
		assert_string_equal(refusal.why, cases[i].why);
		assert_int_equal(uuid_cmp(refusal.who.tenant.uuid, k.tenant.uuid), 0);
		assert_int_equal(uuid_cmp(refusal.who.key, k.id), 0);
		assert_true(grants_anywhere(&refusal.who.grants) == 0);
	}
}

static void
an_unknown_key_gets_the_same_answer(void **state)
{
	struct auth_key unknown;
	struct err first = { 0 }, e;
	struct principal who;

	(void)state;
	auth_key_make(AUTH_KEY_SERVICE, &unknown);
	(void)fixture_try("wdn_sk_nonsense", &who, &first);
	must_fail(ERR_UNAUTHENTICATED, fixture_try(unknown.text, &who, &e));
	assert_string_equal(e.msg, first.msg);
}

/* Who does not have the secret learns nothing of revocation or suspension, and fills no log. */
static void
a_public_part_with_another_secret_is_unknown_whatever_the_key_is(void **state)
{
	struct credential_refusal refusal;
	struct fixture_key k = fixture_key("guess", "owner");
	struct auth_key guess;
	char sql[160];
	struct principal who;
	struct err e;

	(void)state;
	auth_key_make(AUTH_KEY_SERVICE, &guess);
	(void)snprintf(sql, sizeof(sql), "public_id = '%s', revoked_at = now()", guess.id);
	fixture_sql("update wardian.api_key set %s where key_id = '%s'", sql, fixture_text(k.id));
	fixture_sql("update wardian.tenant set state = 'suspended' where tenant_id = '%s'",
	    fixture_text(k.tenant.uuid));
	must_fail(ERR_UNAUTHENTICATED,
	    fixture_ask(fx.tenants, guess.text, "192.0.2.1", &refusal, &who, &e));
	assert_null(refusal.why);
}

static void
a_suspended_tenant_learns_why_when_the_key_is_right(void **state)
{
	struct fixture_key k = fixture_key("suspended", "owner");
	struct credential_refusal refusal;
	struct principal who;
	struct err e;

	(void)state;
	fixture_sql("update wardian.tenant set state = 'suspended', state_reason = 'unpaid\nbill', "
		    "access_version = access_version + 1 where tenant_id = '%s'",
	    fixture_text(k.tenant.uuid));
	must_fail(
	    ERR_SUSPENDED, fixture_ask(fx.tenants, k.key.text, "192.0.2.1", &refusal, &who, &e));
	assert_non_null(strstr(e.msg, "unpaid?bill"));
	assert_string_equal(refusal.why, "suspended");
	/* The next one is answered from the cache, and told to nobody. */
	must_fail(
	    ERR_SUSPENDED, fixture_ask(fx.tenants, k.key.text, "192.0.2.1", &refusal, &who, &e));
	assert_null(refusal.why);
	fixture_sql(
	    "update wardian.tenant set state = 'active', access_version = access_version + 1 "
	    "where tenant_id = '%s'",
	    fixture_text(k.tenant.uuid));
	tenants_forget(fx.tenants, k.tenant);
	(void)fixture_who(k.key.text);
}

static void
a_key_bound_to_networks_works_from_them_alone(void **state)
{
	static const struct {
		const char *source;
		bool in;
	} cases[] = {
		{ "10.1.2.3", true },
		{ "::ffff:10.1.2.3", true },
		{ "2001:db8::7", true },
		{ "11.1.2.3", false },
		{ "2001:db9::7", false },
		{ "", false },
		{ "10.1.2.3.4", false },
		{ NULL, false },
	};
	struct fixture_key k = fixture_key("bound", "viewer");
	struct credential_refusal refusal;
	struct principal who;
	struct err e;

	(void)state;
	fixture_sql("update wardian.api_key set cidrs = '{10.0.0.0/8,2001:db8::/32}' "
		    "where key_id = '%s'",
	    fixture_text(k.id));
	/* The first round looks up, the second one is cached. */
	for (size_t i = 0; i < 2 * ARRAY_LEN(cases); i++) {
		const char *source = cases[i % ARRAY_LEN(cases)].source;

		if (cases[i % ARRAY_LEN(cases)].in) {
			must(fixture_ask(fx.tenants, k.key.text, source, &refusal, &who, &e));
			continue;
		}
		must_fail(ERR_UNAUTHENTICATED,
		    fixture_ask(fx.tenants, k.key.text, source, &refusal, &who, &e));
		assert_string_equal(refusal.why, "source");
		assert_int_equal(uuid_cmp(refusal.who.key, k.id), 0);
	}
}

static void
a_cached_key_expires_on_time(void **state)
{
	struct fixture_key k = fixture_key("expiring", "viewer");
	int64_t start = clock_mono_ms();
	struct principal who;
	struct err e;
	int rc;

	(void)state;
	fixture_sql("update wardian.api_key set expires_at = now() + interval '500 ms' "
		    "where key_id = '%s'",
	    fixture_text(k.id));
	who = fixture_who(k.key.text);
	assert_in_range(who.expires_wall_us - clock_wall_us(), 0, 500000);
	do
		rc = fixture_try(k.key.text, &who, &e);
	while (rc == 0 && clock_mono_ms() - start < 5000);
	assert_int_equal(rc, -1);
	assert_in_range(clock_mono_ms() - start, 400, 1500);
}

static void
a_rotated_key_is_accepted_in_both_texts_until_the_overlap_is_over(void **state)
{
	struct fixture_key k = fixture_key("rotated", "viewer");
	char hex[2 * AUTH_SHA256_SIZE + 1];
	int64_t start = clock_mono_ms();
	struct principal who;
	struct auth_key now;
	struct err e;
	int rc;

	(void)state;
	auth_key_renew(AUTH_KEY_SERVICE, k.key.id, &now);
	auth_hex(now.hash, sizeof(now.hash), hex);
	fixture_sql("update wardian.api_key set previous_hash = hash, previous_until = now() + "
		    "interval '600 ms', hash = '\\x%s' where key_id = '%s'",
	    hex, fixture_text(k.id));
	who = fixture_who(now.text);
	assert_int_equal(who.expires_wall_us, 0);
	who = fixture_who(k.key.text);
	assert_in_range(who.expires_wall_us - clock_wall_us(), 0, 600000);
	do
		rc = fixture_try(k.key.text, &who, &e);
	while (rc == 0 && clock_mono_ms() - start < 5000);
	assert_int_equal(rc, -1);
	assert_in_range(clock_mono_ms() - start, 300, 1600);
	must_fail(ERR_UNAUTHENTICATED, fixture_try(k.key.text, &who, &e));
	(void)fixture_who(now.text);
}

/* --- guessing -----------------------------------------------------------------------------------
 */

static struct tenants *
daemon_with_rates(struct rates **ret)
{
	const struct rates_options ro = { .tenant_per_s = 1000,
		.key_per_s = 1000,
		.source_per_s = 1000,
		.failures_per_min = 5,
		.entries = 64 };
	struct tenants_options o = { .db = fx.db,
		.metrics = fx.metrics,
		.signer = fx.signer,
		.issuer = fixture_issuer,
		.cache_entries = 64 };
	struct tenants *t = NULL;
	struct err e;

	must(rates_new(&ro, ret, &e));
	o.rates = *ret;
	must(tenants_new(&o, &t, &e));
	return t;
}

static void
who_guesses_has_to_pause_and_others_have_not(void **state)
{
	struct fixture_key known = fixture_key("knows", "viewer"), k = fixture_key("new", "viewer");
	struct rates *rates;
	struct tenants *t = daemon_with_rates(&rates);
	char header[128];
	const struct credential c = { .authorization = header, .source = "192.0.2.66" };
	struct auth_key guess;
	struct principal who;
	struct err e;
	int throttled = 0;

	(void)state;
	must(fixture_ask(t, known.key.text, "192.0.2.66", NULL, &who, &e));
	for (int i = 0; i < 50; i++) {
		auth_key_make(AUTH_KEY_SERVICE, &guess);
		assert_int_equal(fixture_ask(t, guess.text, "192.0.2.66", NULL, &who, &e), -1);
		if (e.code == ERR_RATE) {
			assert_true(e.retry_after_s > 0);
			throttled++;
		}
	}
	assert_in_range(throttled, 40, 46);
	/* Not even the right one is tried from there; what is known already is not held up. */
	must_fail(ERR_RATE, fixture_ask(t, k.key.text, "192.0.2.66", NULL, &who, &e));
	(void)snprintf(header, sizeof(header), "Bearer %s", k.key.text);
	must_fail(ERR_RATE, tenants_recall(t, &c, &who, &e));
	(void)snprintf(header, sizeof(header), "Bearer %s", known.key.text);
	assert_int_equal(tenants_recall(t, &c, &who, &e), 1);
	must(fixture_ask(t, known.key.text, "192.0.2.66", NULL, &who, &e));
	must(fixture_ask(t, k.key.text, "192.0.2.67", NULL, &who, &e));
	tenants_free(t);
	rates_free(rates);
}

/* Each refusal is an entry of the tenant's log: who has stolen a key cannot fill it. */
static void
a_known_key_from_the_wrong_address_has_to_pause_like_a_guess(void **state)
{
	struct fixture_key k = fixture_key("bound", "viewer");
	struct rates *rates;
	struct tenants *t = daemon_with_rates(&rates);
	char header[128];
	struct credential c = { .authorization = header, .source = "198.51.100.9" };
	struct principal who;
	struct err e;
	int told = 0;

	(void)state;
	fixture_sql("update wardian.api_key set cidrs = '{192.0.2.0/24}' where key_id = '%s'",
	    fixture_text(k.id));
	must(fixture_ask(t, k.key.text, "192.0.2.1", NULL, &who, &e));
	for (int i = 0; i < 50; i++) {
		struct credential_refusal refusal = { 0 };

		assert_int_equal(fixture_ask(t, k.key.text, c.source, &refusal, &who, &e), -1);
		told += refusal.why != NULL;
	}
	assert_in_range(told, 1, 6);
	(void)snprintf(header, sizeof(header), "Bearer %s", k.key.text);
	must_fail(ERR_RATE, tenants_recall(t, &c, &who, &e));
	/* Its owner has not failed and does not pause. */
	c.source = "192.0.2.1";
	assert_int_equal(tenants_recall(t, &c, &who, &e), 1);
	tenants_forget(t, k.tenant);
	must(fixture_ask(t, k.key.text, c.source, NULL, &who, &e));
	tenants_free(t);
	rates_free(rates);
}

static void
a_suspended_tenant_does_not_have_to_pause(void **state)
{
	struct fixture_key k = fixture_key("patient", "viewer");
	struct rates *rates;
	struct tenants *t = daemon_with_rates(&rates);
	struct principal who;
	struct err e;

	(void)state;
	fixture_sql("update wardian.tenant set state = 'suspended' where tenant_id = '%s'",
	    fixture_text(k.tenant.uuid));
	for (int i = 0; i < 50; i++)
		must_fail(ERR_SUSPENDED, fixture_ask(t, k.key.text, "192.0.2.68", NULL, &who, &e));
	tenants_free(t);
	rates_free(rates);
}

/* --- what a key may do --------------------------------------------------------------------------
 */

static void
a_key_never_has_more_than_its_owner_has_now(void **state)
{
	struct fixture_key k = fixture_key("owner-now", "engineer");
	struct principal who = fixture_who(k.key.text);

	(void)state;
	assert_true(principal_may(&who, PERM_JOB_CREATE));
	fixture_sql(
	    "delete from wardian.role_assignment where user_id = '%s'", fixture_text(k.user));
	fixture_assign(k.tenant, "user_id", k.user, "viewer", EVERYWHERE);
	fixture_bump(k.tenant);
	tenants_forget(fx.tenants, k.tenant);
	who = fixture_who(k.key.text);
	assert_true(who.grants.everywhere == system_role_permissions(ROLE_VIEWER));
	fixture_sql(
	    "delete from wardian.role_assignment where user_id = '%s'", fixture_text(k.user));
	tenants_forget(fx.tenants, k.tenant);
	who = fixture_who(k.key.text);
	assert_true(grants_anywhere(&who.grants) == 0);
}

static void
scopes_narrow_a_key_and_never_widen_it(void **state)
{
	struct fixture_key k = fixture_key("scopes", "engineer");
	struct principal who;

	(void)state;
	fixture_sql("update wardian.api_key set scopes = '{job:read,audit:read,job:fly}' "
		    "where key_id = '%s'",
	    fixture_text(k.id));
	who = fixture_who(k.key.text);
	assert_string_equal(fixture_may(&who), "job:read");
	fixture_sql(
	    "update wardian.api_key set scopes = '{}' where key_id = '%s'", fixture_text(k.id));
	tenants_forget(fx.tenants, k.tenant);
	who = fixture_who(k.key.text);
	assert_string_equal(fixture_may(&who), "");
}

static void
roles_of_a_key_narrow_it_and_never_widen_it(void **state)
{
	struct fixture_key k = fixture_key("key-roles", "engineer");
	struct uuid project = fixture_project(k.tenant, "p1"),
		    other = fixture_project(k.tenant, "p2");
	struct principal who;

	(void)state;
	fixture_assign(k.tenant, "key_id", k.id, "owner", project);
	who = fixture_who(k.key.text);
	assert_string_equal(fixture_may(&who), "");
	assert_true(principal_may_in(&who, PERM_JOB_CREATE, project));
	assert_false(principal_may_in(&who, PERM_PROJECT_UPDATE, project)); /* no engineer may */
	assert_false(principal_may_in(&who, PERM_JOB_READ, other));
	fixture_assign(k.tenant, "key_id", k.id, "viewer", EVERYWHERE);
	tenants_forget(fx.tenants, k.tenant);
	who = fixture_who(k.key.text);
	assert_true(principal_may_in(&who, PERM_JOB_READ, other));
	assert_false(principal_may_in(&who, PERM_JOB_CREATE, other));
	assert_false(principal_may(&who, PERM_USER_READ)); /* a viewer may, an engineer not */
}

static void
roles_of_ones_own_count_and_unknown_permissions_do_not(void **state)
{
	struct fixture_key k = fixture_key("custom", NULL);
	struct principal who;

	(void)state;
	fixture_assign_own(
	    k.tenant, "user_id", k.user, "mine", "job:read,job:fly,tenants:delete,key:read");
	who = fixture_who(k.key.text);
	assert_string_equal(fixture_may(&who), "job:read key:read");
}

static void
roles_in_a_project_hold_there(void **state)
{
	struct fixture_key k = fixture_key("projects", "billing");
	struct uuid project = fixture_project(k.tenant, "p1");
	struct principal who;

	(void)state;
	fixture_assign(k.tenant, "user_id", k.user, "engineer", project);
	who = fixture_who(k.key.text);
	assert_true(who.grants.everywhere == system_role_permissions(ROLE_BILLING));
	assert_true(principal_may_in(&who, PERM_JOB_CREATE, project));
	assert_false(principal_may(&who, PERM_JOB_CREATE));
	assert_false(principal_may_somewhere(&who, PERM_KEY_CREATE));
}

static void
roles_in_more_projects_than_fit_give_nothing_there(void **state)
{
	struct fixture_key k = fixture_key("many", "billing");
	struct principal who;

	(void)state;
	fixture_sql("with p as (insert into wardian.project (tenant_id, project_id, name) select "
		    "'%s', gen_random_uuid(), 'p' || i from generate_series(1, %d) i returning "
		    "tenant_id, project_id) insert into wardian.role_assignment (tenant_id, "
		    "assignment_id, user_id, system_role, project_id) select tenant_id, "
		    "gen_random_uuid(), '%s', 'viewer', project_id from p",
	    fixture_text(k.tenant.uuid), GRANT_PROJECTS_MAX + 8, fixture_text(k.user));
	who = fixture_who(k.key.text);
	assert_int_equal(who.grants.n, GRANT_PROJECTS_MAX);
	assert_true(who.grants.everywhere == system_role_permissions(ROLE_BILLING));
}

static void
operators_are_operators_in_the_platforms_tenant_alone(void **state)
{
	struct fixture_key k = fixture_key("no-operator", "platform-operator");
	struct uuid user = fixture_user(tenant_platform_id, "operator-1");
	struct fixture_key op = fixture_key_of(tenant_platform_id, user);
	struct principal who = fixture_who(k.key.text);

	(void)state;
	assert_true(grants_anywhere(&who.grants) == 0);
	fixture_assign(tenant_platform_id, "user_id", user, "platform-operator", EVERYWHERE);
	fixture_assign(tenant_platform_id, "user_id", user, "owner", EVERYWHERE);
	who = fixture_who(op.key.text);
	assert_true(who.grants.everywhere == system_role_permissions(ROLE_OPERATOR));
}

/* --- many at once -------------------------------------------------------------------------------
 */

enum { THREADS = 6, ROUNDS = 300 };
struct asker {
	struct thread thread;
	struct fixture_key k;
	int wrong; /* answers */
};

static void *
ask_often(void *arg)
{
	struct asker *a = arg;
	struct principal who;
	struct err e;

	for (int i = 0; i < ROUNDS; i++) {
		if (i % 20 == 0)
			tenants_forget(fx.tenants, a->k.tenant);
		if (fixture_try(a->k.key.text, &who, &e) < 0 ||
		    uuid_cmp(who.tenant.uuid, a->k.tenant.uuid) != 0 ||
		    uuid_cmp(who.key, a->k.id) != 0)
			a->wrong++;
	}
	return NULL;
}

static void
threads_that_ask_at_once_get_their_own_tenants(void **state)
{
	static struct asker askers[THREADS];
	struct err e;

	(void)state;
	for (int i = 0; i < THREADS; i++)
		askers[i].k = fixture_key("thread", "viewer");
	for (int i = 0; i < THREADS; i++)
		must(thread_start(&askers[i].thread, "ask", ask_often, &askers[i], &e));
	for (int i = 0; i < THREADS; i++)
		thread_join(&askers[i].thread);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(askers[i].wrong, 0);
}

#define TEST(fn) cmocka_unit_test(fn)

static const struct CMUnitTest tests[] = {
	TEST(a_tenant_reads_itself_and_no_other),
	TEST(a_key_tells_its_tenant_its_user_and_what_it_may_do),
	TEST(the_second_request_needs_no_database),
	TEST(what_can_only_be_refused_is_refused_without_a_look_up),
	TEST(the_key_itself_is_nowhere_in_the_database),
	TEST(every_key_that_is_not_valid_gets_the_same_answer),
	TEST(an_unknown_key_gets_the_same_answer),
	TEST(a_public_part_with_another_secret_is_unknown_whatever_the_key_is),
	TEST(a_suspended_tenant_learns_why_when_the_key_is_right),
	TEST(a_key_bound_to_networks_works_from_them_alone),
	TEST(a_cached_key_expires_on_time),
	TEST(a_rotated_key_is_accepted_in_both_texts_until_the_overlap_is_over),
	TEST(who_guesses_has_to_pause_and_others_have_not),
	TEST(a_known_key_from_the_wrong_address_has_to_pause_like_a_guess),
	TEST(a_suspended_tenant_does_not_have_to_pause),
	TEST(a_key_never_has_more_than_its_owner_has_now),
	TEST(scopes_narrow_a_key_and_never_widen_it),
	TEST(roles_of_a_key_narrow_it_and_never_widen_it),
	TEST(roles_of_ones_own_count_and_unknown_permissions_do_not),
	TEST(roles_in_a_project_hold_there),
	TEST(roles_in_more_projects_than_fit_give_nothing_there),
	TEST(operators_are_operators_in_the_platforms_tenant_alone),
	TEST(threads_that_ask_at_once_get_their_own_tenants),
};

int
main(void)
{
	int rc;

	fixture_open();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	fixture_close();
	return rc;
}
