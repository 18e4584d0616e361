/* SPDX-License-Identifier: Apache-2.0 */
/* Sealed tokens: one text per payload, and nothing else opens. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "auth.h"

#include <string.h>

enum { PAYLOAD_MAX = 349 }; /* 381 bytes in 508 digits, less the tag */

static const uint8_t key[32] = "0123456789abcdef0123456789abcde";
static const uint8_t other_key[32] = "0123456789abcdef0123456789abcdf";

static bool
opens(const uint8_t *with, const char *purpose, const char *text)
{
	uint8_t out[AUTH_TOKEN_SIZE] = "untouched";
	size_t n = sizeof(out);
	struct err e = { 0 };

	if (auth_token_open(with, purpose, text, out, &n, &e) == 0)
		return true;
	assert_int_equal(e.code, ERR_BAD_CURSOR);
	assert_int_equal(n, sizeof(out));
	assert_string_equal((char *)out, "untouched");
	return false;
}

static void
every_size_of_payload_comes_back(void **state)
{
	uint8_t payload[PAYLOAD_MAX + 1], out[PAYLOAD_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 37);
	for (size_t n = 0; n <= PAYLOAD_MAX; n++) {
		char text[AUTH_TOKEN_SIZE];
		size_t out_n = sizeof(out);
		struct err e = { 0 };

		assert_int_equal(auth_token_seal(key, "jobs", payload, n, text, &e), 0);
		assert_int_equal(strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					      "0123456789-_"),
		    strlen(text));
		assert_int_equal(auth_token_open(key, "jobs", text, out, &out_n, &e), 0);
		assert_int_equal(out_n, n);
		assert_memory_equal(out, payload, n);
	}
}

static void
a_payload_that_does_not_fit_is_refused(void **state)
{
	uint8_t payload[PAYLOAD_MAX + 1] = { 0 };
	char text[AUTH_TOKEN_SIZE] = "untouched";
	struct err e = { 0 };

	(void)state;
	assert_int_equal(auth_token_seal(key, "jobs", payload, sizeof(payload), text, &e), -1);
	assert_int_equal(e.code, ERR_TOO_LARGE);
	assert_string_equal(text, "untouched");
}

static void
a_payload_larger_than_the_callers_room_is_refused(void **state)
{
	char text[AUTH_TOKEN_SIZE], out[4] = "abc";
	struct err e = { 0 };
	size_t n = 3;

	(void)state;
	assert_int_equal(auth_token_seal(key, "jobs", "xyz!", 4, text, &e), 0);
	assert_int_equal(auth_token_open(key, "jobs", text, out, &n, &e), -1);
	assert_string_equal(out, "abc");
	n = 4;
	assert_int_equal(auth_token_open(key, "jobs", text, out, &n, &e), 0);
	assert_memory_equal(out, "xyz!", 4);
}

/* HMAC over 04 00.. "jobs" 02 00.. "hi", computed apart from this code. */
static void
the_text_of_a_known_token_holds(void **state)
{
	char text[AUTH_TOKEN_SIZE];
	struct err e = { 0 };

	(void)state;
	assert_int_equal(auth_token_seal(key, "jobs", "hi", 2, text, &e), 0);
	assert_string_equal(text, "aGmnGkZE-kjAENcPW1wQOsKa_TP2aF-YkRrhUFU3omRiCQ");
}

static void
another_key_or_purpose_does_not_open(void **state)
{
	char text[AUTH_TOKEN_SIZE];
	struct err e = { 0 };

	(void)state;
	assert_int_equal(auth_token_seal(key, "jobs", "payload", 7, text, &e), 0);
	assert_true(opens(key, "jobs", text));
	assert_false(opens(other_key, "jobs", text));
	assert_false(opens(key, "job", text));
	assert_false(opens(key, "jobsp", text));
	assert_false(opens(key, "", text));
}

static void
no_changed_character_opens(void **state)
{
	char text[AUTH_TOKEN_SIZE], changed[AUTH_TOKEN_SIZE];
	struct err e = { 0 };

	(void)state;
	/* 7, 8 and 9 bytes end in 0, 2 and 4 left-over bits. */
	for (size_t n = 7; n <= 9; n++) {
		assert_int_equal(auth_token_seal(key, "jobs", "payload!!", n, text, &e), 0);
		for (size_t at = 0; text[at] != '\0'; at++) {
			for (int c = 1; c < 256; c++) {
				memcpy(changed, text, sizeof(changed));
				changed[at] = (char)c;
				assert_int_equal(
				    opens(key, "jobs", changed), changed[at] == text[at]);
			}
		}
	}
}

static void
no_cut_longer_or_padded_text_opens(void **state)
{
	static const char *const tails[] = { "=", "==", "A", "AA", "AAA", "AAAA", "\n", " " };
	char text[AUTH_TOKEN_SIZE], changed[2 * AUTH_TOKEN_SIZE];
	struct err e = { 0 };
	size_t n;

	(void)state;
	assert_int_equal(auth_token_seal(key, "jobs", "payload", 7, text, &e), 0);
	n = strlen(text);
	for (size_t cut = 0; cut < n; cut++) {
		memcpy(changed, text, cut);
		changed[cut] = '\0';
		assert_false(opens(key, "jobs", changed));
	}
	for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
		memcpy(changed, text, n);
		memcpy(changed + n, tails[i], strlen(tails[i]) + 1);
		assert_false(opens(key, "jobs", changed));
	}
	memset(changed, 'A', sizeof(changed) - 1);
	changed[sizeof(changed) - 1] = '\0';
	assert_false(opens(key, "jobs", changed));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_size_of_payload_comes_back),
		cmocka_unit_test(a_payload_that_does_not_fit_is_refused),
		cmocka_unit_test(a_payload_larger_than_the_callers_room_is_refused),
		cmocka_unit_test(the_text_of_a_known_token_holds),
		cmocka_unit_test(another_key_or_purpose_does_not_open),
		cmocka_unit_test(no_changed_character_opens),
		cmocka_unit_test(no_cut_longer_or_padded_text_opens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
