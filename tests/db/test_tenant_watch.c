/* SPDX-License-Identifier: Apache-2.0 */
/* Two daemons on one database: how long what was true once is believed, and when keys were used. */
#include "tenant_fixture.h"

#include "lock.h"

#define EVERYWHERE                                                                                 \
	(struct uuid)                                                                              \
	{                                                                                          \
		0                                                                                  \
	}

static struct tenants *other;

static bool
recalls(struct tenants *t, const char *credential)
{
	char header[256];
	const struct credential c = { .authorization = header, .source = "192.0.2.1" };
	struct principal who;
	struct err e;

	(void)snprintf(header, sizeof(header), "Bearer %s", credential);
	return tenants_recall(t, &c, &who, &e) == 1;
}

/* Both daemons know the key, and the first one has it in its cache right now. */
static void
learn(const struct fixture_key *k)
{
	struct principal who;
	struct err e;

	must(fixture_ask(fx.tenants, k->key.text, "192.0.2.1", NULL, &who, &e));
	must(fixture_ask(other, k->key.text, "192.0.2.1", NULL, &who, &e));
}

/* Milliseconds until t refuses the key, as its HTTP loop and workers would ask it: at most 5 s. */
static int64_t
until_refused(struct tenants *t, const char *credential, enum err_code expected)
{
	int64_t start = clock_mono_ms();
	struct principal who;
	struct err e = { 0 };

	while (fixture_ask(t, credential, "192.0.2.1", NULL, &who, &e) == 0 &&
	       clock_mono_ms() - start < 5000)
		continue;
	assert_int_equal(e.code, expected);
	return clock_mono_ms() - start;
}

static void
a_change_reaches_every_daemon_within_a_second(void **state)
{
	static const struct {
		const char *table, *set;
		enum err_code code;
	} cases[] = {
		{ "api_key", "revoked_at = now()", ERR_UNAUTHENTICATED },
		{ "tenant_user", "disabled_at = now()", ERR_UNAUTHENTICATED },
		{ "tenant", "state = 'suspended'", ERR_SUSPENDED },
		{ "tenant", "state = 'deleting'", ERR_UNAUTHENTICATED },
		{ "api_key", "cidrs = '{10.0.0.0/8}'", ERR_UNAUTHENTICATED },
	};
	int64_t worst = 0;

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(cases); i++) {
		size_t n = i % ARRAY_LEN(cases);
		struct fixture_key k = fixture_key("revoked", "viewer");
		int64_t start, took;

		learn(&k);
		fixture_sql(
		    "begin; update wardian.%s set %s where tenant_id = '%s'; update "
		    "wardian.tenant set access_version = access_version + 1 where tenant_id = "
		    "'%s'; commit",
		    cases[n].table, cases[n].set, fixture_text(k.tenant.uuid),
		    fixture_text(k.tenant.uuid));
		start = clock_mono_ms();
		(void)until_refused(other, k.key.text, cases[n].code);
		(void)until_refused(fx.tenants, k.key.text, cases[n].code);
		took = clock_mono_ms() - start;
		assert_in_range(took, 0, TENANTS_REVOKE_MS);
		worst = took > worst ? took : worst;
	}
	print_message("longest time until both daemons refused: %lld ms\n", (long long)worst);
}

static void
a_tenant_that_is_deleted_is_gone_from_every_daemon_within_a_second(void **state)
{
	struct fixture_key k = fixture_key("deleted", "viewer");
	int64_t start;

	(void)state;
	learn(&k);
	/* The row alone: whatever else it owned says nothing to a look-up any more. */
	fixture_sql(
	    "begin; set local session_replication_role = replica; delete from wardian.tenant "
	    "where tenant_id = '%s'; commit",
	    fixture_text(k.tenant.uuid));
	start = clock_mono_ms();
	(void)until_refused(other, k.key.text, ERR_UNAUTHENTICATED);
	(void)until_refused(fx.tenants, k.key.text, ERR_UNAUTHENTICATED);
	assert_in_range(clock_mono_ms() - start, 0, TENANTS_REVOKE_MS);
}

static void
an_entry_that_nothing_changes_stays_cached(void **state)
{
	struct fixture_key k = fixture_key("stays", "viewer");
	int64_t start = clock_mono_ms();
	int missed = 0;

	(void)state;
	learn(&k);
	/* Longer than an entry is trusted without the watcher. */
	while (clock_mono_ms() - start < INT64_C(2) * TENANTS_REVOKE_MS)
		missed += !recalls(fx.tenants, k.key.text);
	assert_int_equal(missed, 0);
}

static void
a_change_in_one_tenant_leaves_another_ones_entries_alone(void **state)
{
	struct fixture_key a = fixture_key("moves", "viewer"), b = fixture_key("rests", "viewer");
	int64_t start = clock_mono_ms();

	(void)state;
	learn(&a);
	learn(&b);
	fixture_bump(a.tenant);
	while (recalls(fx.tenants, a.key.text) && clock_mono_ms() - start < 5000)
		assert_true(recalls(fx.tenants, b.key.text));
	assert_false(recalls(fx.tenants, a.key.text));
	assert_true(recalls(fx.tenants, b.key.text));
}

static void
forgetting_is_immediate_on_the_own_daemon(void **state)
{
	struct fixture_key k = fixture_key("forgotten", "viewer");

	(void)state;
	learn(&k);
	assert_true(recalls(fx.tenants, k.key.text));
	tenants_forget(fx.tenants, k.tenant);
	assert_false(recalls(fx.tenants, k.key.text));
	assert_true(recalls(other, k.key.text));
}

/* Milliseconds until nothing is recalled, at most 5 s. */
static int64_t
until_distrusted(const char *credential)
{
	int64_t start = clock_mono_ms();

	while (recalls(fx.tenants, credential) && clock_mono_ms() - start < 5000)
		continue;
	return clock_mono_ms() - start;
}

static void
a_watcher_that_is_refused_its_answer_leaves_nothing_trusted(void **state)
{
	struct fixture_key k = fixture_key("unanswered", "viewer");
	struct principal who;
	struct err e;

	(void)state;
	learn(&k);
	fixture_sql("revoke select on wardian.tenant from wardian_platform");
	assert_in_range(until_distrusted(k.key.text), 0, TENANTS_REVOKE_MS);
	/* It cannot be looked up either, which is the server's fault and says nothing of the key.
	 */
	assert_int_equal(fixture_ask(fx.tenants, k.key.text, "192.0.2.1", NULL, &who, &e), -1);
	assert_int_equal(err_http_status(e.code) / 100, 5);
	fixture_sql("grant select on wardian.tenant to wardian_platform");
	(void)fixture_who(k.key.text);
	assert_true(recalls(fx.tenants, k.key.text));
}

static void
a_watcher_that_waits_for_its_answer_leaves_nothing_trusted(void **state)
{
	struct fixture_key k = fixture_key("waiting", "viewer");
	struct db_owner *locker;
	struct err e = { 0 };

	(void)state;
	learn(&k);
	must(db_owner_open(fx.t.url, TEST_TIMEOUT_MS, &locker, &e));
	must(db_owner_script(locker, "begin; lock table wardian.tenant in access exclusive mode",
	    TEST_TIMEOUT_MS, &e));
	assert_in_range(until_distrusted(k.key.text), 0, TENANTS_REVOKE_MS);
	must(db_owner_script(locker, "rollback", TEST_TIMEOUT_MS, &e));
	db_owner_free(locker);
	(void)fixture_who(k.key.text);
	assert_true(recalls(fx.tenants, k.key.text));
}

/* --- look-ups against changes -------------------------------------------------------------------
 */

struct race {
	struct fixture_key k;
	_Atomic int64_t revoked_ms; /* when the change had committed; 0: not yet */
	_Atomic bool stop;
	_Atomic int64_t accepted;
	_Atomic int64_t longest_ms; /* that the key was accepted after the change */
};

/* Until the change, every second request has to look up; after it, what was looked up meanwhile is
 * recalled for as long as it is believed. */
static void *
run_race(void *arg)
{
	struct race *r = arg;
	struct principal who;
	struct err e;

	while (!atomic_load(&r->stop)) {
		int64_t asked = clock_mono_ms(), revoked = atomic_load(&r->revoked_ms);

		if (revoked == 0 && atomic_load(&r->accepted) % 2 == 0)
			tenants_forget(fx.tenants, r->k.tenant);
		if (fixture_ask(fx.tenants, r->k.key.text, "192.0.2.1", NULL, &who, &e) < 0)
			continue;
		atomic_fetch_add(&r->accepted, 1);
		if (revoked != 0 && asked - revoked > atomic_load(&r->longest_ms))
			atomic_store(&r->longest_ms, asked - revoked);
	}
	return NULL;
}

static void
a_look_up_that_meets_a_revocation_does_not_prolong_the_key(void **state)
{
	enum { THREADS = 3, ROUNDS = 4 };
	static struct race r;
	struct thread threads[THREADS] = { 0 };
	struct err e;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		r = (struct race){ .k = fixture_key("race", "viewer") };
		for (int i = 0; i < THREADS; i++)
			must(thread_start(&threads[i], "race", run_race, &r, &e));
		while (atomic_load(&r.accepted) < 100)
			continue;
		fixture_sql("begin; update wardian.api_key set revoked_at = now() where key_id = "
			    "'%s'; update wardian.tenant set access_version = access_version + "
			    "1 where tenant_id = '%s'; commit",
		    fixture_text(r.k.id), fixture_text(r.k.tenant.uuid));
		atomic_store(&r.revoked_ms, clock_mono_ms());
		while (clock_mono_ms() < atomic_load(&r.revoked_ms) + TENANTS_REVOKE_MS + 100)
			(void)recalls(other, r.k.key.text);
		atomic_store(&r.stop, true);
		for (int i = 0; i < THREADS; i++)
			thread_join(&threads[i]);
		assert_in_range(atomic_load(&r.longest_ms), 0, TENANTS_REVOKE_MS);
	}
}

/* --- last use -----------------------------------------------------------------------------------
 */

static const char *
used_from(const struct fixture_key *k)
{
	char sql[256];

	(void)snprintf(sql, sizeof(sql),
	    "select coalesce(last_used_from, 'never') || ' ' || coalesce((now() - last_used_at < "
	    "interval '1 minute')::text, '') from wardian.api_key where key_id = '%s'",
	    fixture_text(k->id));
	return test_text(fx.t.url, sql);
}

static void
the_last_use_of_a_key_is_written_when_the_daemon_ends(void **state)
{
	struct fixture_key used = fixture_key("used", "viewer"),
			   unused = fixture_key("unused", "viewer"),
			   refused = fixture_key("refused", "viewer");
	struct tenants *t = fixture_daemon();
	struct principal who;
	struct err e;

	(void)state;
	fixture_sql("update wardian.api_key set expires_at = now() where key_id = '%s'",
	    fixture_text(refused.id));
	must(fixture_ask(t, used.key.text, "198.51.100.7", NULL, &who, &e));
	must_fail(
	    ERR_UNAUTHENTICATED, fixture_ask(t, refused.key.text, "198.51.100.7", NULL, &who, &e));
	tenants_free(t);
	assert_string_equal(used_from(&used), "198.51.100.7 true");
	assert_string_equal(used_from(&unused), "never ");
	assert_string_equal(used_from(&refused), "never ");
}

static void
a_crowded_table_of_uses_is_written_before_its_time(void **state)
{
	enum { KEYS = 48 }; /* of the 64 that the fixture's daemons have room for */
	struct fixture_key first = fixture_key("crowd", "viewer"), k;
	struct tenants *t = fixture_daemon();
	int64_t start;
	struct principal who;
	struct err e;

	(void)state;
	must(fixture_ask(t, first.key.text, "198.51.100.8", NULL, &who, &e));
	for (int i = 1; i < KEYS; i++) {
		k = fixture_key_of(first.tenant, first.user);
		must(fixture_ask(t, k.key.text, "198.51.100.9", NULL, &who, &e));
	}
	start = clock_mono_ms();
	while (
	    strcmp(used_from(&first), "198.51.100.8 true") != 0 && clock_mono_ms() - start < 10000)
		continue;
	assert_string_equal(used_from(&first), "198.51.100.8 true");
	tenants_free(t);
}

static void
an_older_use_does_not_replace_a_newer_one_and_a_locked_row_is_not_waited_for(void **state)
{
	struct fixture_key newer = fixture_key("newer", "viewer"),
			   locked = fixture_key("locked", "viewer");
	struct tenants *t = fixture_daemon();
	struct db_owner *locker;
	char sql[160];
	int64_t start;
	struct principal who;
	struct err e = { 0 };

	(void)state;
	fixture_sql("update wardian.api_key set last_used_at = now() + interval '10 s', "
		    "last_used_from = 'elsewhere' where key_id = '%s'",
	    fixture_text(newer.id));
	must(fixture_ask(t, newer.key.text, "198.51.100.7", NULL, &who, &e));
	must(fixture_ask(t, locked.key.text, "198.51.100.7", NULL, &who, &e));
	must(db_owner_open(fx.t.url, TEST_TIMEOUT_MS, &locker, &e));
	(void)snprintf(sql, sizeof(sql),
	    "begin; select from wardian.api_key where key_id = '%s' for update",
	    fixture_text(locked.id));
	must(db_owner_script(locker, sql, TEST_TIMEOUT_MS, &e));
	start = clock_mono_ms();
	tenants_free(t);
	assert_in_range(clock_mono_ms() - start, 0, 2000);
	must(db_owner_script(locker, "rollback", TEST_TIMEOUT_MS, &e));
	db_owner_free(locker);
	assert_string_equal(used_from(&newer), "elsewhere true");
	assert_string_equal(used_from(&locked), "never ");
}

#define TEST(fn) cmocka_unit_test(fn)

static const struct CMUnitTest tests[] = {
	TEST(a_change_reaches_every_daemon_within_a_second),
	TEST(a_tenant_that_is_deleted_is_gone_from_every_daemon_within_a_second),
	TEST(an_entry_that_nothing_changes_stays_cached),
	TEST(a_change_in_one_tenant_leaves_another_ones_entries_alone),
	TEST(forgetting_is_immediate_on_the_own_daemon),
	TEST(a_watcher_that_is_refused_its_answer_leaves_nothing_trusted),
	TEST(a_watcher_that_waits_for_its_answer_leaves_nothing_trusted),
	TEST(a_look_up_that_meets_a_revocation_does_not_prolong_the_key),
	TEST(the_last_use_of_a_key_is_written_when_the_daemon_ends),
	TEST(a_crowded_table_of_uses_is_written_before_its_time),
	TEST(an_older_use_does_not_replace_a_newer_one_and_a_locked_row_is_not_waited_for),
};

int
main(void)
{
	int rc;

	fixture_open();
	other = fixture_daemon();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	tenants_free(other);
	fixture_close();
	return rc;
}
