/* SPDX-License-Identifier: Apache-2.0 */
/* The cache of principals, with time as an argument; and the notes of last uses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "clock.h"
#include "tenant_internal.h"

static const int64_t MS = 1000000;
static const struct uuid tenant_a = { { 0xa } }, tenant_b = { { 0xb } }, nobody = { { 0xc } };

static struct tenant_cache *cache;
static int64_t start_ns;

static int
setup(void **state)
{
	struct err e;

	(void)state;
	start_ns = clock_mono_ns();
	return tenant_cache_new(64, &cache, &e);
}

static int
teardown(void **state)
{
	(void)state;
	tenant_cache_free(cache);
	return 0;
}

static struct tenant_known
known_of(struct uuid tenant, int64_t version, int64_t seen_ns)
{
	struct tenant_known k = {
		.seen_mono_ns = seen_ns, .watch = { { tenant, version } }, .n_watch = 1
	};

	k.who.tenant.uuid = tenant;
	k.who.key_public[0] = (char)('a' + version);
	return k;
}

static void
put(uint8_t n, struct uuid tenant, int64_t version, int64_t seen_ns)
{
	const struct tenant_known k = known_of(tenant, version, seen_ns);
	const uint8_t digest[AUTH_SHA256_SIZE] = { n };

	tenant_cache_put(cache, digest, &k);
}

static bool
has_at(uint8_t n, int64_t ns, int64_t wall_us)
{
	const uint8_t digest[AUTH_SHA256_SIZE] = { n };
	struct tenant_known k;

	return tenant_cache_get(cache, digest, (struct tenant_now){ ns, wall_us }, &k) !=
	       TENANT_MISS;
}

static bool
has(uint8_t n, int64_t ns)
{
	return has_at(n, ns, 1);
}

static void
confirm(struct uuid tenant, int64_t version, int64_t asked_ns)
{
	const struct tenant_version v = { tenant, version };

	tenant_cache_confirm(cache, &v, 1, asked_ns);
}

static void
an_entry_is_trusted_as_long_as_it_is_confirmed(void **state)
{
	int64_t now = start_ns;

	(void)state;
	put(1, tenant_a, 5, now);
	assert_true(has(1, now));
	assert_true(has(1, now + TENANT_TRUST_MS * MS - 1));
	assert_false(has(1, now + TENANT_TRUST_MS * MS));
	confirm(tenant_a, 5, now + 300 * MS);
	assert_true(has(1, now + (300 + TENANT_TRUST_MS) * MS - 1));
	assert_false(has(1, now + (300 + TENANT_TRUST_MS) * MS));
	/* A late answer to an early question changes nothing. */
	confirm(tenant_a, 5, now + 100 * MS);
	assert_true(has(1, now + (300 + TENANT_TRUST_MS) * MS - 1));
	assert_false(has(2, now));
}

static void
another_version_drops_the_entry_for_good(void **state)
{
	int64_t now = start_ns;

	(void)state;
	put(1, tenant_a, 5, now);
	put(2, tenant_b, 5, now);
	confirm(tenant_a, 6, now + 1);
	assert_false(has(1, now + 2));
	assert_true(has(2, now + 2));
	confirm(tenant_a, 5, now + 3);
	assert_false(has(1, now + 4));
	put(1, tenant_a, 6, now + 5);
	assert_true(has(1, now + 6));
}

static void
a_tenant_that_is_gone_drops_its_entries(void **state)
{
	(void)state;
	put(1, tenant_a, 5, start_ns);
	confirm(tenant_a, -1, start_ns + 1);
	assert_false(has(1, start_ns + 2));
}

/* The look-up saw the change, the question did not: neither drops the other. */
static void
an_entry_that_is_newer_than_the_answer_stays_with_its_own_moment(void **state)
{
	int64_t now = start_ns;

	(void)state;
	put(1, tenant_a, 6, now);
	confirm(tenant_a, 5, now + 200 * MS);
	assert_true(has(1, now + TENANT_TRUST_MS * MS - 1));
	assert_false(has(1, now + TENANT_TRUST_MS * MS));
	confirm(tenant_a, 6, now + 400 * MS);
	assert_true(has(1, now + (400 + TENANT_TRUST_MS) * MS - 1));
}

static void
an_answer_without_the_tenant_confirms_nothing(void **state)
{
	int64_t now = start_ns;

	(void)state;
	put(1, tenant_a, 5, now);
	confirm(tenant_b, 5, now + 500 * MS);
	assert_true(has(1, now + 1));
	assert_false(has(1, now + TENANT_TRUST_MS * MS));
}

static void
an_entry_that_rests_on_two_tenants_needs_both(void **state)
{
	const uint8_t digest[AUTH_SHA256_SIZE] = { 1 };
	struct tenant_known k = known_of(tenant_a, 5, start_ns);
	const struct tenant_version one_new[] = { { tenant_a, 5 }, { tenant_b, 8 } },
				    both[] = { { tenant_a, 5 }, { tenant_b, 7 } };
	int64_t late = start_ns + (500 + TENANT_TRUST_MS) * MS - 1;

	(void)state;
	k.watch[k.n_watch++] = (struct tenant_version){ tenant_b, 7 };
	tenant_cache_put(cache, digest, &k);
	confirm(tenant_a, 5, start_ns + 500 * MS);
	assert_false(has(1, late));
	tenant_cache_confirm(cache, both, ARRAY_LEN(both), start_ns + 500 * MS);
	assert_true(has(1, late));
	tenant_cache_confirm(cache, one_new, ARRAY_LEN(one_new), start_ns + 501 * MS);
	assert_false(has(1, start_ns + 502 * MS));
}

static void
a_credential_is_forgotten_when_it_expires(void **state)
{
	const uint8_t digest[AUTH_SHA256_SIZE] = { 1 };
	struct tenant_known k = known_of(tenant_a, 5, start_ns);

	(void)state;
	k.until_wall_us = 200;
	tenant_cache_put(cache, digest, &k);
	assert_true(has_at(1, start_ns, 199));
	assert_false(has_at(1, start_ns, 200));
	assert_false(has_at(1, start_ns, INT64_MAX));
}

static void
what_was_seen_before_a_forgetting_is_not_kept(void **state)
{
	int64_t before = clock_mono_ns(), after;

	(void)state;
	put(1, tenant_a, 5, before);
	put(2, tenant_b, 5, before);
	tenant_cache_forget(cache, (struct tenant_id){ tenant_a });
	assert_false(has(1, before));
	assert_true(has(2, before));
	/* A look-up that was under way. */
	put(1, tenant_a, 5, before);
	assert_false(has(1, before));
	after = clock_mono_ns() + 1;
	put(1, tenant_a, 6, after);
	assert_true(has(1, after));
}

static void
an_older_look_up_does_not_replace_a_newer_one(void **state)
{
	const uint8_t digest[AUTH_SHA256_SIZE] = { 1 };
	struct tenant_known k;

	(void)state;
	put(1, tenant_a, 6, start_ns + 10);
	put(1, tenant_a, 5, start_ns);
	assert_int_not_equal(
	    tenant_cache_get(cache, digest, (struct tenant_now){ start_ns + 20, 1 }, &k),
	    TENANT_MISS);
	assert_string_equal(k.who.key_public, "g");
}

static void
a_proof_outlives_what_was_dropped_but_not_a_clearing(void **state)
{
	const uint8_t digest[AUTH_SHA256_SIZE] = { 1 }, other[AUTH_SHA256_SIZE] = { 2 };
	struct tenant_known k = known_of(tenant_a, 5, start_ns);
	const struct tenant_proof proof = { tenant_a, 3 }, later = { tenant_a, 4 },
				  foreign = { tenant_b, 3 }, none = { .version = 0 };

	(void)state;
	put(2, tenant_a, 5, start_ns);
	assert_false(tenant_cache_proved(cache, other, &none));
	k.proof = proof;
	tenant_cache_put(cache, digest, &k);
	confirm(tenant_a, 6, start_ns + 1);
	assert_false(has(1, start_ns + 2));
	assert_true(tenant_cache_proved(cache, digest, &proof));
	assert_false(tenant_cache_proved(cache, digest, &later));
	assert_false(tenant_cache_proved(cache, digest, &foreign));
	assert_false(tenant_cache_proved(cache, other, &proof));
	tenant_cache_clear(cache);
	assert_false(tenant_cache_proved(cache, digest, &proof));
	assert_false(has(2, start_ns + 2));
}

static void
the_tenants_in_it_are_listed_once_in_order(void **state)
{
	struct tenant_version *all = calloc(tenant_cache_room(cache), sizeof(*all));

	(void)state;
	assert_non_null(all);
	assert_int_equal(tenant_cache_tenants(cache, all), 0);
	for (uint8_t i = 0; i < 12; i++)
		put(i, i % 3 == 0 ? tenant_b : tenant_a, 5, start_ns);
	assert_int_equal(tenant_cache_tenants(cache, all), 2);
	assert_int_equal(uuid_cmp(all[0].tenant, tenant_a), 0);
	assert_int_equal(uuid_cmp(all[1].tenant, tenant_b), 0);
	/* Those that can never be trusted again are not asked for. */
	confirm(tenant_a, 6, start_ns + 1);
	assert_int_equal(tenant_cache_tenants(cache, all), 1);
	assert_int_equal(uuid_cmp(all[0].tenant, tenant_b), 0);
	free(all);
}

static void
a_flood_keeps_the_cache_at_its_size_and_what_is_used_in_it(void **state)
{
	uint8_t digest[AUTH_SHA256_SIZE] = { 0 };
	const uint8_t busy[AUTH_SHA256_SIZE] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
	struct tenant_known k = known_of(tenant_a, 5, start_ns);
	struct tenant_now now = { start_ns, 1 };
	int found = 0;

	(void)state;
	tenant_cache_put(cache, busy, &k);
	for (int i = 0; i < 10000; i++) {
		memcpy(digest, &i, sizeof(i));
		now.mono_ns++;
		k.seen_mono_ns = now.mono_ns;
		tenant_cache_put(cache, digest, &k);
		assert_int_not_equal(tenant_cache_get(cache, digest, now, &k), TENANT_MISS);
		now.mono_ns++;
		assert_int_not_equal(tenant_cache_get(cache, busy, now, &k), TENANT_MISS);
	}
	for (int i = 0; i < 10000; i++) {
		memcpy(digest, &i, sizeof(i));
		found += tenant_cache_get(cache, digest, now, &k) != TENANT_MISS;
	}
	assert_int_equal(found, 63);
}

static void
a_use_is_to_be_noted_every_ten_seconds(void **state)
{
	const uint8_t digest[AUTH_SHA256_SIZE] = { 1 };
	struct tenant_known k;
	int64_t ns = start_ns;

	(void)state;
	put(1, tenant_a, 5, ns); /* the look-up notes its own */
	for (int i = 1; i <= 30; i++) {
		ns += 500 * MS;
		confirm(tenant_a, 5, ns);
		assert_int_equal(tenant_cache_get(cache, digest, (struct tenant_now){ ns, 1 }, &k),
		    i == TENANT_USE_NOTE_MS / 500 ? TENANT_HIT_USE : TENANT_HIT);
	}
}

/* --- last uses -------------------------------------------------------------------------------- */

static struct tenant_use
use_of(uint8_t n, int64_t wall_us)
{
	struct tenant_use u = { .wall_us = wall_us };

	u.tenant.uuid = nobody;
	u.key.b[8] = n;
	(void)snprintf(u.source, sizeof(u.source), "10.0.0.%d", n);
	return u;
}

static void
the_last_use_of_each_key_is_taken_once(void **state)
{
	struct tenant_use in[] = { use_of(1, 10), use_of(2, 20), use_of(1, 30), use_of(1, 25) },
			  out[8];
	struct tenant_uses *uses;
	struct err e;

	(void)state;
	assert_int_equal(tenant_uses_new(64, &uses, &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(in); i++)
		tenant_uses_note(uses, &in[i]);
	assert_int_equal(tenant_uses_take(uses, out, ARRAY_LEN(out)), 2);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(out[i].wall_us, out[i].key.b[8] == 1 ? 30 : 20);
	assert_int_equal(tenant_uses_take(uses, out, ARRAY_LEN(out)), 0);
	tenant_uses_free(uses);
}

static void
a_full_table_drops_notes_and_says_that_it_is_crowded(void **state)
{
	struct tenant_use out[16], u;
	struct tenant_uses *uses;
	size_t n, all = 0;
	struct err e;

	(void)state;
	assert_int_equal(tenant_uses_new(32, &uses, &e), 0);
	assert_false(tenant_uses_crowded(uses));
	for (int i = 1; i < 200; i++) {
		u = use_of((uint8_t)i, i);
		tenant_uses_note(uses, &u);
	}
	assert_true(tenant_uses_crowded(uses));
	while ((n = tenant_uses_take(uses, out, ARRAY_LEN(out))) > 0)
		all += n;
	assert_int_equal(all, 32);
	assert_false(tenant_uses_crowded(uses));
	tenant_uses_free(uses);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(an_entry_is_trusted_as_long_as_it_is_confirmed),
		TEST(another_version_drops_the_entry_for_good),
		TEST(a_tenant_that_is_gone_drops_its_entries),
		TEST(an_entry_that_is_newer_than_the_answer_stays_with_its_own_moment),
		TEST(an_answer_without_the_tenant_confirms_nothing),
		TEST(an_entry_that_rests_on_two_tenants_needs_both),
		TEST(a_credential_is_forgotten_when_it_expires),
		TEST(what_was_seen_before_a_forgetting_is_not_kept),
		TEST(an_older_look_up_does_not_replace_a_newer_one),
		TEST(a_proof_outlives_what_was_dropped_but_not_a_clearing),
		TEST(the_tenants_in_it_are_listed_once_in_order),
		TEST(a_flood_keeps_the_cache_at_its_size_and_what_is_used_in_it),
		TEST(a_use_is_to_be_noted_every_ten_seconds),
		TEST(the_last_use_of_each_key_is_taken_once),
		TEST(a_full_table_drops_notes_and_says_that_it_is_crowded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
