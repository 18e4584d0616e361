/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include "rate.h"
#include "rate_bucket_internal.h"

static const int64_t S = 1000000000, MS = 1000000;

static void
a_bucket_gives_its_burst_and_then_its_rate(void **state)
{
	struct rate_bucket b;
	int given = 0;

	(void)state;
	rate_bucket_init(&b, 600, 20, 0); /* ten a second */
	for (int i = 0; i < 100; i++)
		if (rate_bucket_has(&b, 0)) {
			rate_bucket_debit(&b, 1, 0);
			given++;
		}
	assert_int_equal(given, 20);
	assert_int_equal(rate_bucket_wait_ms(&b, 0), 101);
	assert_int_equal(rate_bucket_full_ms(&b, 0), 2001);
	for (int64_t ms = 1; ms <= 10000; ms++)
		if (rate_bucket_has(&b, ms * MS)) {
			rate_bucket_debit(&b, 1, ms * MS);
			given++;
		}
	assert_int_equal(given, 120);
}

static void
looking_often_loses_no_tokens(void **state)
{
	struct rate_bucket b;
	int given = 0;

	(void)state;
	rate_bucket_init(&b, 7, 1, 0); /* a rate that does not divide anything */
	rate_bucket_debit(&b, 1, 0);
	for (int64_t ns = 0; ns <= 600 * S; ns += 313007)
		if (rate_bucket_has(&b, ns)) {
			rate_bucket_debit(&b, 1, ns);
			given++;
		}
	assert_in_range(given, 69, 70);
}

static void
a_debt_ends_at_one_burst(void **state)
{
	struct rate_bucket b;

	(void)state;
	rate_bucket_init(&b, 60, 10, 0);
	rate_bucket_debit(&b, INT64_MAX / 2, 0);
	assert_int_equal(rate_bucket_left(&b, 0), 0);
	assert_int_equal(rate_bucket_wait_ms(&b, 0), 11001);
	assert_false(rate_bucket_has(&b, 10 * S));
	assert_true(rate_bucket_has(&b, 11 * S));
	assert_int_equal(rate_bucket_left(&b, 1000 * S), 10);
}

static void
another_rate_keeps_what_was_spent(void **state)
{
	struct rate_bucket b;

	(void)state;
	rate_bucket_init(&b, 600, 20, 0);
	rate_bucket_debit(&b, 20, 0);
	rate_bucket_set(&b, 6000, 200, 0);
	assert_int_equal(rate_bucket_left(&b, 0), 0);
	assert_int_equal(rate_bucket_left(&b, S), 100);
	rate_bucket_set(&b, 60, 2, S);
	assert_int_equal(rate_bucket_left(&b, S), 2);
}

static void
time_that_stands_still_or_jumps_is_harmless(void **state)
{
	struct rate_bucket b;

	(void)state;
	rate_bucket_init(&b, 60 * (int64_t)RATE_MAX, RATE_MAX, INT64_MAX / 2);
	rate_bucket_debit(&b, RATE_MAX, INT64_MAX / 2);
	assert_int_equal(rate_bucket_left(&b, 5), 0);
	assert_int_equal(rate_bucket_left(&b, INT64_MAX), RATE_MAX);
}

static void
a_table_forgets_the_fullest_first(void **state)
{
	struct rate_table t;
	struct rate_slot *kept;
	struct rate_key k = { { 1 } };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(rate_table_init(&t, RATE_WAYS, 42, &e), 0);
	kept = rate_table_get(&t, &k, 60, 100, 0);
	rate_bucket_debit(&kept->bucket, 50, 0);
	for (int i = 2; i < 200; i++) {
		k.bytes[0] = (uint8_t)i;
		rate_bucket_debit(&rate_table_get(&t, &k, 60, 100, 0)->bucket, 1, 0);
	}
	k.bytes[0] = 1;
	assert_ptr_equal(rate_table_find(&t, &k), kept);
	assert_int_equal(rate_bucket_left(&kept->bucket, 0), 50);
	rate_table_done(&t);
}

/* --- limits -------------------------------------------------------------------------------------
 */

static struct rates *
make_rates(void)
{
	struct rates_options o = { .tenant_per_s = 10,
		.key_per_s = 5,
		.source_per_s = 20,
		.failures_per_min = 10,
		.entries = 256 };
	struct rates *r = NULL;
	struct err e = { 0 };

	assert_int_equal(rates_new(&o, &r, &e), 0);
	return r;
}

static struct principal
somebody(uint8_t tenant, uint8_t key)
{
	struct principal p = { .tenant.uuid.b = { tenant }, .key.b = { key } };

	return p;
}

static int
let_through(struct rates *r, const struct principal *who, int tries)
{
	struct rate_state s;
	struct err e = { 0 };
	int n = 0;

	for (int i = 0; i < tries; i++)
		n += rates_take(r, who, &s, &e) == 0;
	return n;
}

static void
each_key_and_each_tenant_has_its_own_limit(void **state)
{
	struct rates *r = make_rates();
	struct principal a1 = somebody(1, 1), a2 = somebody(1, 2), a3 = somebody(1, 3),
			 b1 = somebody(2, 1);

	(void)state;
	assert_in_range(let_through(r, &a1, 50), 10, 11);
	assert_in_range(let_through(r, &a2, 50), 9, 11);
	assert_in_range(let_through(r, &a3, 50), 0, 1);
	assert_in_range(let_through(r, &b1, 50), 10, 11);
	rates_free(r);
}

static void
a_refusal_names_the_limit_and_the_delay(void **state)
{
	struct rates *r = make_rates();
	struct principal a = somebody(1, 1);
	struct rate_state s = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(rates_take(r, &a, &s, &e), 0);
	assert_int_equal(s.n, 2);
	assert_string_equal(s.policies[0].name, "tenant");
	assert_int_equal(s.policies[0].quota, 20);
	assert_int_equal(s.policies[0].remaining, 19);
	assert_string_equal(s.policies[1].name, "key");
	assert_int_equal(s.policies[1].remaining, 9);
	assert_false(s.policies[1].violated);
	let_through(r, &a, 50);
	assert_int_equal(rates_take(r, &a, &s, &e), -1);
	assert_int_equal(e.code, ERR_RATE);
	assert_true(e.retry_after_s >= 1);
	assert_false(s.policies[0].violated);
	assert_true(s.policies[1].violated);
	rates_free(r);
}

static void
sources_are_limited_by_address_and_ipv6_by_network(void **state)
{
	struct rates *r = make_rates();
	char source[64];
	struct err e = { 0 };
	int n = 0;

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		(void)snprintf(source, sizeof(source), "2001:db8::%x", i);
		n += rates_take_source(r, source, &e) == 0;
	}
	assert_in_range(n, 40, 42);
	assert_int_equal(rates_take_source(r, "2001:db8:0:1::1", &e), 0);
	assert_int_equal(rates_take_source(r, "192.0.2.1", &e), 0);
	rates_free(r);
}

static int
guesses(struct rates *r, const char *source, const char *key, int tries)
{
	struct err e = { 0 };
	int n = 0;

	for (int i = 0; i < tries; i++) {
		if (rates_try(r, source, key, &e) < 0) {
			assert_int_equal(e.code, ERR_RATE);
			assert_true(e.retry_after_s >= 1);
			continue;
		}
		rates_failed(r, source, key);
		n++;
	}
	return n;
}

static void
guessing_is_throttled_per_source(void **state)
{
	struct rates *r = make_rates();
	struct err e = { 0 };

	(void)state;
	assert_int_equal(guesses(r, "192.0.2.1", "", 100000), 10);
	assert_int_equal(rates_try(r, "192.0.2.2", "", &e), 0);
	rates_free(r);
}

static void
a_key_under_attack_can_be_used_from_a_clean_address(void **state)
{
	struct rates *r = make_rates();
	char source[32];
	struct err e = { 0 };
	int n = 0;

	(void)state;
	for (int i = 0; i < 100; i++) {
		(void)snprintf(source, sizeof(source), "198.51.100.%d", i);
		n += guesses(r, source, "abcdefghijkl", 3);
	}
	/* Nine failures leave one for the key; each address has one that is its first. */
	assert_in_range(n, 100, 110);
	assert_int_equal(rates_try(r, "192.0.2.1", "abcdefghijkl", &e), 0);
	rates_free(r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bucket_gives_its_burst_and_then_its_rate),
		cmocka_unit_test(looking_often_loses_no_tokens),
		cmocka_unit_test(a_debt_ends_at_one_burst),
		cmocka_unit_test(another_rate_keeps_what_was_spent),
		cmocka_unit_test(time_that_stands_still_or_jumps_is_harmless),
		cmocka_unit_test(a_table_forgets_the_fullest_first),
		cmocka_unit_test(each_key_and_each_tenant_has_its_own_limit),
		cmocka_unit_test(a_refusal_names_the_limit_and_the_delay),
		cmocka_unit_test(sources_are_limited_by_address_and_ipv6_by_network),
		cmocka_unit_test(guessing_is_throttled_per_source),
		cmocka_unit_test(a_key_under_attack_can_be_used_from_a_clean_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
