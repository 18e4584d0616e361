/* SPDX-License-Identifier: Apache-2.0 */
/* API keys: form, checksum, and that no single mistake passes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "auth.h"

#include <stdio.h>
#include <string.h>

static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* Made by hand: the CRC-32 of the first 51 bytes is 0xbee381e9, in base62 "3Ujhbl". */
static const char known_key[] = "wdn_sk_"
				"0123456789AB"
				"CDEFGHIJKLMNOPQRSTUVWXYZabcdefgh"
				"3Ujhbl";

static bool
accepted(const char *text)
{
	struct auth_key key = { .id = "untouched" };
	struct err e = { 0 };

	if (auth_key_read(text, &key, &e) == 0)
		return true;
	assert_int_equal(e.code, ERR_UNAUTHENTICATED);
	assert_null(strstr(e.msg, "CDEFGH"));
	assert_string_equal(key.id, "untouched");
	return false;
}

static void
a_made_key_has_the_form_and_reads_back(void **state)
{
	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct auth_key made, read;
		struct err e = { 0 };
		uint8_t hash[AUTH_SHA256_SIZE];

		auth_key_make("sk", &made);
		assert_int_equal(strlen(made.text), 57);
		assert_memory_equal(made.text, "wdn_sk_", 7);
		assert_int_equal(strspn(made.text + 7, digits), 50);
		assert_memory_equal(made.text + 7, made.id, AUTH_KEY_ID_LEN);
		assert_int_equal(auth_key_read(made.text, &read, &e), 0);
		assert_string_equal(read.id, made.id);
		assert_memory_equal(read.hash, made.hash, sizeof(read.hash));
		assert_string_equal(read.text, "");
		auth_sha256(made.text, strlen(made.text), hash);
		assert_memory_equal(made.hash, hash, sizeof(hash));
	}
}

static void
the_checksum_of_a_known_key_holds(void **state)
{
	struct auth_key key;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(auth_key_read(known_key, &key, &e), 0);
	assert_string_equal(key.id, "0123456789AB");
}

static void
no_single_wrong_character_passes(void **state)
{
	char text[sizeof(known_key)];

	(void)state;
	for (size_t at = 0; at < sizeof(known_key) - 1; at++) {
		for (int c = 1; c < 256; c++) {
			memcpy(text, known_key, sizeof(text));
			text[at] = (char)c;
			assert_int_equal(accepted(text), text[at] == known_key[at]);
		}
	}
}

static void
no_two_swapped_neighbours_pass(void **state)
{
	char text[sizeof(known_key)];

	(void)state;
	for (size_t at = 0; at + 1 < sizeof(known_key) - 1; at++) {
		memcpy(text, known_key, sizeof(text));
		text[at] = known_key[at + 1];
		text[at + 1] = known_key[at];
		assert_false(accepted(text) && strcmp(text, known_key) != 0);
	}
}

static void
a_cut_or_longer_key_is_refused(void **state)
{
	char text[sizeof(known_key) + 8];

	(void)state;
	for (size_t n = 0; n < sizeof(known_key) - 1; n++) {
		memcpy(text, known_key, n);
		text[n] = '\0';
		assert_false(accepted(text));
	}
	(void)snprintf(text, sizeof(text), "%s0", known_key);
	assert_false(accepted(text));
	(void)snprintf(text, sizeof(text), " %s", known_key);
	assert_false(accepted(text));
	(void)snprintf(text, sizeof(text), "%s\n", known_key);
	assert_false(accepted(text));
}

static void
a_very_long_text_is_refused_without_reading_it_all(void **state)
{
	static char text[1 << 20];

	(void)state;
	memset(text, 'A', sizeof(text) - 1);
	memcpy(text, "wdn_sk_", 7);
	assert_false(accepted(text));
}

static void
digits_of_keys_are_even(void **state)
{
	int seen[62] = { 0 };

	(void)state;
	for (int i = 0; i < 2000; i++) {
		struct auth_key key;

		auth_key_make("sk", &key);
		for (size_t k = 7; k < 7 + AUTH_KEY_ID_LEN + AUTH_KEY_SECRET_LEN; k++)
			seen[strchr(digits, key.text[k]) - digits]++;
	}
	/* 88,000 digits: 1,419 of each expected, standard deviation 37; a plain remainder of a byte
	 * would give 1,718 of the first eight.  Eight deviations fail once in 10^13 runs. */
	for (size_t i = 0; i < ARRAY_LEN(seen); i++)
		assert_in_range(seen[i], 1419 - 8 * 37, 1419 + 8 * 37 - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_made_key_has_the_form_and_reads_back),
		cmocka_unit_test(the_checksum_of_a_known_key_holds),
		cmocka_unit_test(no_single_wrong_character_passes),
		cmocka_unit_test(no_two_swapped_neighbours_pass),
		cmocka_unit_test(a_cut_or_longer_key_is_refused),
		cmocka_unit_test(a_very_long_text_is_refused_without_reading_it_all),
		cmocka_unit_test(digits_of_keys_are_even),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
