/* SPDX-License-Identifier: Apache-2.0 */
/* Values of the Authorization header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tenant_internal.h"

static void
bearer_and_basic_carry_the_key(void **state)
{
	static const char *const cases[][2] = {
		{ "Bearer wdn_sk_abc", "wdn_sk_abc" },
		{ "bearer   wdn_sk_abc", "wdn_sk_abc" },
		{ "BEARER x", "x" },
		{ "Basic d2RuX3NrX2FiYzo=", "wdn_sk_abc" }, /* wdn_sk_abc: */
		{ "basic YTo=", "a" },
		{ "Basic YWI6", "ab" },
		{ "Basic YWJjOg==", "abc" },
	};
	char out[AUTH_KEY_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (!tenant_credential_read(cases[i][0], out))
			fail_msg("refused: %s", cases[i][0]);
		assert_string_equal(out, cases[i][1]);
	}
}

static void
anything_else_is_refused(void **state)
{
	static const char *const cases[] = {
		"",
		" ",
		"Bearer",
		"Bearer ",
		"Basic",
		"Basic ",
		"Digest x",
		"Bearerx y",
		"Bear x",
		"Basic YWJj",         /* no colon */
		"Basic YWI6cGFzcw==", /* a password behind the colon */
		"Basic Og==",         /* no user */
		"Basic YTo",          /* length not a multiple of four */
		"Basic YTp=",         /* stray bits under the padding */
		"Basic Y=o=",
		"Basic ====",
		"Basic YT\x01=",
		"Basic YTo= ",
		"Basic AAA6", /* NUL bytes in the user */
		"Bearer 0123456789012345678901234567890123456789012345678901234567890123", /* 64
											      bytes
											    */
		"Basic "
		"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MD"
		"EyMzo=",
	};
	char out[AUTH_KEY_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (tenant_credential_read(cases[i], out))
			fail_msg("accepted: %s", cases[i]);
	}
}

static void
a_cached_key_is_found_until_it_expires(void **state)
{
	const struct principal p = { .key_public = "abc" };
	uint8_t hash[AUTH_SHA256_SIZE] = { 1 }, other[AUTH_SHA256_SIZE] = { 2 };
	struct tenant_cache *c;
	struct principal got;
	struct err e;

	(void)state;
	assert_int_equal(tenant_cache_new(8, 60000, &c, &e), 0);
	assert_false(tenant_cache_get(c, hash, 100, &got));
	tenant_cache_put(c, hash, &p, 200);
	assert_true(tenant_cache_get(c, hash, 199, &got));
	assert_string_equal(got.key_public, "abc");
	assert_false(tenant_cache_get(c, hash, 200, &got));
	assert_false(tenant_cache_get(c, other, 100, &got));
	tenant_cache_put(c, hash, &p, 0);
	assert_true(tenant_cache_get(c, hash, INT64_MAX, &got));
	tenant_cache_free(c);
}

static void
nothing_is_trusted_longer_than_asked(void **state)
{
	const struct principal p = { .key_public = "abc" };
	uint8_t hash[AUTH_SHA256_SIZE] = { 1 };
	struct tenant_cache *c;
	struct principal got;
	struct err e;

	(void)state;
	assert_int_equal(tenant_cache_new(8, 0, &c, &e), 0);
	tenant_cache_put(c, hash, &p, 0);
	assert_false(tenant_cache_get(c, hash, 0, &got));
	tenant_cache_free(c);
}

static void
a_flood_of_keys_keeps_the_cache_at_its_size(void **state)
{
	struct principal p = { .key_public = "x" };
	uint8_t hash[AUTH_SHA256_SIZE] = { 0 };
	struct tenant_cache *c;
	struct principal got;
	struct err e;
	int found = 0;

	(void)state;
	assert_int_equal(tenant_cache_new(64, 60000, &c, &e), 0);
	for (int i = 0; i < 10000; i++) {
		memcpy(hash, &i, sizeof(i));
		tenant_cache_put(c, hash, &p, 0);
		assert_true(tenant_cache_get(c, hash, 0, &got));
	}
	for (int i = 0; i < 10000; i++) {
		memcpy(hash, &i, sizeof(i));
		found += tenant_cache_get(c, hash, 0, &got);
	}
	assert_int_equal(found, 64);
	tenant_cache_free(c);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(bearer_and_basic_carry_the_key),
		cmocka_unit_test(anything_else_is_refused),
		cmocka_unit_test(a_cached_key_is_found_until_it_expires),
		cmocka_unit_test(nothing_is_trusted_longer_than_asked),
		cmocka_unit_test(a_flood_of_keys_keeps_the_cache_at_its_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
