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

		auth_key_make(AUTH_KEY_SERVICE, &made);
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

/* Checksums made by hand, as that of known_key. */
static void
the_kind_of_a_key_is_read(void **state)
{
	static const struct {
		const char *text;
		enum auth_key_kind kind;
	} known[] = {
		{ "wdn_sk_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefgh3Ujhbl", AUTH_KEY_SERVICE },
		{ "wdn_pat_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefgh41nG05", AUTH_KEY_PERSON },
		{ "wdn_op_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefgh1HGd8S", AUTH_KEY_OPERATOR },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		struct auth_key key = { .kind = AUTH_KEY_KIND_COUNT };
		struct err e = { 0 };

		assert_int_equal(auth_key_read(known[i].text, &key, &e), 0);
		assert_int_equal(key.kind, known[i].kind);
		assert_string_equal(key.id, "0123456789AB");
	}
	for (enum auth_key_kind kind = 0; kind < AUTH_KEY_KIND_COUNT; kind++) {
		struct auth_key made, read;
		struct err e = { 0 };

		auth_key_make(kind, &made);
		assert_int_equal(made.kind, kind);
		assert_memory_equal(
		    made.text + 4, auth_key_kind_name(kind), strlen(auth_key_kind_name(kind)));
		assert_int_equal(auth_key_read(made.text, &read, &e), 0);
		assert_int_equal(read.kind, kind);
	}
}

/* Each with a checksum that holds. */
static void
a_key_of_an_unknown_kind_is_refused(void **state)
{
	static const char *const texts[] = {
		"wdn_rk_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefgh3wnWcW",
		"wdn_sup_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefgh47hcJQ",
		"wdn_s_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefgh28t40H",
		"wdn_ska_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefgh2L5igV",
		"wdn_SK_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefgh0675NS",
		"wdn_pa_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefgh3GTtzW",
		"wdn_sk-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefgh2dKQn4",
		"wdn_op__0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefgh1R573E",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (accepted(texts[i]))
			fail_msg("taken: %s", texts[i]);
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

		auth_key_make(AUTH_KEY_SERVICE, &key);
		for (size_t k = 7; k < 7 + AUTH_KEY_ID_LEN + AUTH_KEY_SECRET_LEN; k++)
			seen[strchr(digits, key.text[k]) - digits]++;
	}
	/* 88,000 digits: 1,419 of each expected, standard deviation 37; a plain remainder of a byte
	 * would give 1,718 of the first eight.  Eight deviations fail once in 10^13 runs. */
	for (size_t i = 0; i < ARRAY_LEN(seen); i++)
		assert_in_range(seen[i], 1419 - 8 * 37, 1419 + 8 * 37 - 1);
}

static void
a_renewed_key_keeps_its_public_part_alone(void **state)
{
	struct auth_key first, second, read;
	struct err e = { 0 };

	(void)state;
	auth_key_make(AUTH_KEY_PERSON, &first);
	auth_key_renew(AUTH_KEY_PERSON, first.id, &second);
	assert_string_equal(first.id, second.id);
	assert_string_not_equal(first.text, second.text);
	assert_int_equal(auth_key_read(second.text, &read, &e), 0);
	assert_int_equal(read.kind, AUTH_KEY_PERSON);
	assert_string_equal(read.id, first.id);
	assert_memory_equal(read.hash, second.hash, sizeof(read.hash));
	assert_memory_not_equal(read.hash, first.hash, sizeof(read.hash));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_made_key_has_the_form_and_reads_back),
		cmocka_unit_test(the_kind_of_a_key_is_read),
		cmocka_unit_test(a_key_of_an_unknown_kind_is_refused),
		cmocka_unit_test(the_checksum_of_a_known_key_holds),
		cmocka_unit_test(no_single_wrong_character_passes),
		cmocka_unit_test(no_two_swapped_neighbours_pass),
		cmocka_unit_test(a_cut_or_longer_key_is_refused),
		cmocka_unit_test(a_very_long_text_is_refused_without_reading_it_all),
		cmocka_unit_test(digits_of_keys_are_even),
		cmocka_unit_test(a_renewed_key_keeps_its_public_part_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
