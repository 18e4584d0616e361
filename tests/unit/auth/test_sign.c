/* SPDX-License-Identifier: Apache-2.0 */
/* Detached signatures. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "auth.h"
#include "sign.h"

#include <string.h>

/* RFC 8032 section 7.1, tests 1 to 3. */
static const struct {
	const char *seed, *public_key, *sig, *text;
	size_t n;
} vectors[] = {
	{ "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
	    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
	    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39"
	    "701cf9b46bd25bf5f0595bbe24655141438e7a100b",
	    "", 0 },
	{ "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
	    "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
	    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f36"
	    "13d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
	    "\x72", 1 },
	{ "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
	    "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
	    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f7"
	    "60984dc6594a7c15e9716ed28dc027beceea1ec40a",
	    "\xaf\x82", 2 },
};

static void
bytes_of(const char *hex, uint8_t *out)
{
	for (size_t i = 0; hex[2 * i] != '\0'; i++) {
		const char *digits = "0123456789abcdef";

		out[i] = (uint8_t)((strchr(digits, hex[2 * i]) - digits) << 4 |
				   (strchr(digits, hex[2 * i + 1]) - digits));
	}
}

static void
the_vectors_of_the_specification_hold(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		uint8_t seed[SIGN_SEED_SIZE], public_key[SIGN_PUBLIC_SIZE], want[SIGN_SIZE],
		    sig[SIGN_SIZE];
		struct sign_key *k = NULL;
		struct err e = { 0 };

		bytes_of(vectors[i].seed, seed);
		bytes_of(vectors[i].public_key, public_key);
		bytes_of(vectors[i].sig, want);
		assert_int_equal(sign_key_load(seed, &k, &e), 0);
		assert_memory_equal(sign_key_public(k), public_key, sizeof(public_key));
		assert_int_equal(sign_make(k, vectors[i].text, vectors[i].n, sig, &e), 0);
		assert_memory_equal(sig, want, sizeof(sig));
		assert_true(sign_verify(public_key, vectors[i].text, vectors[i].n, sig));
		sign_key_free(k);
	}
}

static void
a_new_key_signs_and_comes_back_from_its_seed(void **state)
{
	uint8_t seed[SIGN_SEED_SIZE], other_seed[SIGN_SEED_SIZE], sig[SIGN_SIZE];
	struct sign_key *k = NULL, *again = NULL, *other = NULL;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(sign_key_make(seed, &k, &e), 0);
	assert_int_equal(sign_key_make(other_seed, &other, &e), 0);
	assert_memory_not_equal(seed, other_seed, sizeof(seed));
	assert_int_equal(sign_key_load(seed, &again, &e), 0);
	assert_memory_equal(sign_key_public(k), sign_key_public(again), SIGN_PUBLIC_SIZE);
	assert_int_equal(sign_make(again, "text", 4, sig, &e), 0);
	assert_true(sign_verify(sign_key_public(k), "text", 4, sig));
	assert_false(sign_verify(sign_key_public(other), "text", 4, sig));
	sign_key_free(k);
	sign_key_free(again);
	sign_key_free(other);
	sign_key_free(NULL);
}

static void
nothing_changed_verifies(void **state)
{
	uint8_t seed[SIGN_SEED_SIZE], sig[SIGN_SIZE], public_key[SIGN_PUBLIC_SIZE];
	char text[] = "a checkpoint of 32 bytes or more";
	struct sign_key *k = NULL;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(sign_key_make(seed, &k, &e), 0);
	assert_int_equal(sign_make(k, text, sizeof(text), sig, &e), 0);
	memcpy(public_key, sign_key_public(k), sizeof(public_key));
	for (size_t bit = 0; bit < 8 * sizeof(sig); bit++) {
		sig[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_false(sign_verify(public_key, text, sizeof(text), sig));
		sig[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t bit = 0; bit < 8 * sizeof(public_key); bit++) {
		public_key[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_false(sign_verify(public_key, text, sizeof(text), sig));
		public_key[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t at = 0; at < sizeof(text); at++) {
		text[at] ^= 1;
		assert_false(sign_verify(public_key, text, sizeof(text), sig));
		text[at] ^= 1;
	}
	assert_false(sign_verify(public_key, text, sizeof(text) - 1, sig));
	assert_false(sign_verify(public_key, NULL, 0, sig));
	assert_true(sign_verify(public_key, text, sizeof(text), sig));
	sign_key_free(k);
}

static void
a_public_key_that_is_no_point_verifies_nothing(void **state)
{
	uint8_t public_key[SIGN_PUBLIC_SIZE] = { 2 }, sig[SIGN_SIZE] = { 1 };

	(void)state;
	assert_false(sign_verify(public_key, "x", 1, sig));
	memset(public_key, 0xff, sizeof(public_key));
	assert_false(sign_verify(public_key, "x", 1, sig));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_vectors_of_the_specification_hold),
		cmocka_unit_test(a_new_key_signs_and_comes_back_from_its_seed),
		cmocka_unit_test(nothing_changed_verifies),
		cmocka_unit_test(a_public_key_that_is_no_point_verifies_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
