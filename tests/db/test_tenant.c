/* SPDX-License-Identifier: Apache-2.0 */
/* Tenants, API keys, and who is asking. */
#include "test_db.h"

#include "auth.h"
#include "clock.h"
#include "lock.h"
#include "metrics.h"
#include "tenant.h"

static struct test_db t;
static struct db *db;
static struct metrics *metrics;
static struct tenants *tenants;

static int
setup(void **state)
{
	const struct tenants_options o = {
		.db = db, .metrics = metrics, .cache_ms = 300, .cache_entries = 64
	};
	struct err e;

	(void)state;
	return tenants_new(&o, &tenants, &e);
}

static int
teardown(void **state)
{
	(void)state;
	tenants_free(tenants);
	return 0;
}

static int
authenticate(const char *key, struct principal *who, struct err *e)
{
	char header[128];

	(void)snprintf(header, sizeof(header), "Bearer %s", key);
	return tenants_authenticate(tenants, header, who, e);
}

static struct tenant_id
make_tenant(const char *name)
{
	struct tenant_id id = { { { 0 } } };
	struct err e;

	must(tenant_create(db, name, &id, &e));
	return id;
}

static void
a_tenant_reads_itself_and_is_found_by_name(void **state)
{
	struct tenant_id a = make_tenant("acme-1"), b = make_tenant("beta"), found;
	struct arena *mem = arena_new(1 << 16);
	struct tenant ta, tb;
	struct err e;

	(void)state;
	must(tenant_get(db, a, mem, &ta, &e));
	must(tenant_get(db, b, mem, &tb, &e));
	assert_string_equal(ta.name, "acme-1");
	assert_int_equal(uuid_cmp(ta.id.uuid, a.uuid), 0);
	assert_int_equal(tb.uid_slot, ta.uid_slot + 1);
	assert_in_range(clock_wall_us() - ta.created_wall_us, 0, 60 * 1000000);
	must(tenant_find(db, "beta", &found, &e));
	assert_int_equal(uuid_cmp(found.uuid, b.uuid), 0);
	must_fail(ERR_NOT_FOUND, tenant_find(db, "nobody", &found, &e));
	(void)make_tenant("beta");
	must_fail(ERR_CONFLICT, tenant_find(db, "beta", &found, &e));
	must_fail(ERR_NOT_FOUND, tenant_get(db, (struct tenant_id){ uuid_v7() }, mem, &ta, &e));
	arena_free(mem);
}

static void
names_that_are_not_labels_are_refused(void **state)
{
	static const char *const names[] = { "", "-a", "a-", "A", "a b", "a.b", "\xc3\xa4",
		"a123456789012345678901234567890123456789012345678901234567890123" };
	struct tenant_id id;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		must_fail(ERR_INVALID, tenant_create(db, names[i], &id, &e));
}

static void
a_key_tells_its_tenant(void **state)
{
	struct tenant_id a = make_tenant("a"), b = make_tenant("b");
	char key_a[AUTH_KEY_SIZE], key_b[AUTH_KEY_SIZE];
	int64_t before = metrics_get(metrics, METRIC_AUTH_CHECKS);
	struct principal who;
	struct auth_key read;
	struct err e;

	(void)state;
	must(tenant_key_create(db, a, "ci", 0, key_a, &e));
	must(tenant_key_create(db, b, "ci", clock_wall_us() + 60000000, key_b, &e));
	must(authenticate(key_a, &who, &e));
	assert_int_equal(uuid_cmp(who.tenant.uuid, a.uuid), 0);
	must(auth_key_read(key_a, &read, &e));
	assert_string_equal(who.key_public, read.id);
	must(authenticate(key_b, &who, &e));
	assert_int_equal(uuid_cmp(who.tenant.uuid, b.uuid), 0);
	must(authenticate(key_b, &who, &e));
	assert_int_equal(metrics_get(metrics, METRIC_AUTH_CHECKS) - before, 3);
	must_fail(ERR_NOT_FOUND,
	    tenant_key_create(db, (struct tenant_id){ uuid_v7() }, "x", 0, key_a, &e));
	must_fail(ERR_INVALID, tenant_key_create(db, a, "", 0, key_a, &e));
}

static void
the_key_itself_is_nowhere_in_the_database(void **state)
{
	struct tenant_id a = make_tenant("nowhere");
	char key[AUTH_KEY_SIZE], sql[256];
	struct err e;

	(void)state;
	must(tenant_key_create(db, a, "ci", 0, key, &e));
	(void)snprintf(sql, sizeof(sql),
	    "select count(*) from api_key k where k::text like '%%%.32s%%'",
	    key + strlen(key) - 38);
	assert_string_equal(test_text(t.url, sql), "0");
}

static void
every_key_that_is_not_valid_gets_the_same_answer(void **state)
{
	struct tenant_id a = make_tenant("refusals");
	char expired[AUTH_KEY_SIZE], revoked[AUTH_KEY_SIZE], wrong[AUTH_KEY_SIZE], sql[256];
	struct auth_key unknown, read;
	struct principal who;
	const char *keys[4];
	struct err e, first;

	(void)state;
	must(tenant_key_create(db, a, "expired", clock_wall_us() - 1, expired, &e));
	must(tenant_key_create(db, a, "revoked", 0, revoked, &e));
	must(auth_key_read(revoked, &read, &e));
	must(tenant_key_revoke(db, a, read.id, &e));
	auth_key_make("sk", &unknown);
	/* A known public part with another secret. */
	must(tenant_key_create(db, a, "wrong", 0, wrong, &e));
	must(auth_key_read(wrong, &read, &e));
	(void)snprintf(sql, sizeof(sql),
	    "update api_key set hash = decode(repeat('11', 32), 'hex') where public_id = '%s'",
	    read.id);
	test_script(t.url, sql);
	keys[0] = expired;
	keys[1] = revoked;
	keys[2] = unknown.text;
	keys[3] = wrong;
	must_fail(ERR_UNAUTHENTICATED, authenticate("wdn_sk_nonsense", &who, &e));
	first = e;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		must_fail(ERR_UNAUTHENTICATED, authenticate(keys[i], &who, &e));
		assert_string_equal(e.msg, first.msg);
	}
	must_fail(ERR_UNAUTHENTICATED, tenants_authenticate(tenants, NULL, &who, &e));
	must_fail(ERR_UNAUTHENTICATED, tenants_authenticate(tenants, "Digest x", &who, &e));
}

static void
a_revoked_key_is_refused_when_the_cache_has_forgotten_it(void **state)
{
	struct tenant_id a = make_tenant("cache"), b = make_tenant("stranger");
	char key[AUTH_KEY_SIZE];
	struct principal who;
	struct auth_key read;
	int64_t start;
	struct err e;

	(void)state;
	must(tenant_key_create(db, a, "ci", 0, key, &e));
	must(authenticate(key, &who, &e));
	must(auth_key_read(key, &read, &e));
	must_fail(ERR_NOT_FOUND, tenant_key_revoke(db, b, read.id, &e));
	must_fail(ERR_NOT_FOUND, tenant_key_revoke(db, a, "aaaaaaaaaaaa", &e));
	must(tenant_key_revoke(db, a, read.id, &e));
	must(tenant_key_revoke(db, a, read.id, &e));
	start = clock_mono_ms();
	while (authenticate(key, &who, &e) == 0)
		assert_in_range(clock_mono_ms() - start, 0, 2000);
	assert_int_equal(e.code, ERR_UNAUTHENTICATED);
}

struct asker {
	const char *keys[2];
	struct tenant_id tenants[2];
	int index, wrong;
	struct thread thread;
};

static void *
ask(void *arg)
{
	struct asker *a = arg;

	for (int i = 0; i < 300; i++) {
		int k = (i + a->index) % 2;
		struct principal who;
		struct err e;

		if (authenticate(a->keys[k], &who, &e) < 0 ||
		    uuid_cmp(who.tenant.uuid, a->tenants[k].uuid) != 0)
			a->wrong++;
	}
	return NULL;
}

static void
threads_that_ask_at_once_get_their_own_tenants(void **state)
{
	enum { THREADS = 8 };
	struct tenant_id ids[2] = { make_tenant("one"), make_tenant("two") };
	struct asker askers[THREADS] = { 0 };
	char keys[2][AUTH_KEY_SIZE];
	struct err e;

	(void)state;
	for (int i = 0; i < 2; i++)
		must(tenant_key_create(db, ids[i], "k", 0, keys[i], &e));
	for (int i = 0; i < THREADS; i++) {
		askers[i] = (struct asker){
			.keys = { keys[0], keys[1] }, .tenants = { ids[0], ids[1] }, .index = i
		};
		must(thread_start(&askers[i].thread, "asker", ask, &askers[i], &e));
	}
	for (int i = 0; i < THREADS; i++) {
		thread_join(&askers[i].thread);
		assert_int_equal(askers[i].wrong, 0);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
static const struct CMUnitTest tests[] = {
	TEST(a_tenant_reads_itself_and_is_found_by_name),
	TEST(names_that_are_not_labels_are_refused),
	TEST(a_key_tells_its_tenant),
	TEST(the_key_itself_is_nowhere_in_the_database),
	TEST(every_key_that_is_not_valid_gets_the_same_answer),
	TEST(a_revoked_key_is_refused_when_the_cache_has_forgotten_it),
	TEST(threads_that_ask_at_once_get_their_own_tenants),
};

int
main(void)
{
	struct db_sql sql[2] = { tenant_sql, { NULL, NULL } };
	struct err e;
	int rc;

	test_db_open(&t);
	db = test_db_pools(&t, sql, 5000);
	if (metrics_new(&metrics, &e) < 0)
		test_die("metrics_new", e.msg);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	metrics_free(metrics);
	db_free(db);
	test_db_close(&t);
	return rc;
}
