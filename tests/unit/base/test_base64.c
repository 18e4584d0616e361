/* SPDX-License-Identifier: Apache-2.0 */
/* Base64: one text for each sequence of bytes, in both alphabets. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base64.h"

#include <string.h>

static const struct {
	const char *standard, *url, *bytes;
	size_t n;
} vectors[] = {
	/* RFC 4648 section 10 */
	{ "", "", "", 0 },
	{ "Zg==", "Zg", "f", 1 },
	{ "Zm8=", "Zm8", "fo", 2 },
	{ "Zm9v", "Zm9v", "foo", 3 },
	{ "Zm9vYg==", "Zm9vYg", "foob", 4 },
	{ "Zm9vYmE=", "Zm9vYmE", "fooba", 5 },
	{ "Zm9vYmFy", "Zm9vYmFy", "foobar", 6 },
	/* bytes that are no text, and all four digits in which the alphabets differ */
	{ "AAD/", "AAD_", "\0\0\xff", 3 },
	{ "////", "____", "\xff\xff\xff", 3 },
	{ "+/+/", "-_-_", "\xfb\xff\xbf", 3 },
};

static void
the_vectors_of_the_specification_hold_in_both_directions(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		for (int a = BASE64_STANDARD; a <= BASE64_URL; a++) {
			const char *want =
			    a == BASE64_STANDARD ? vectors[i].standard : vectors[i].url;
			char text[16], out[16];
			size_t n = 99;

			assert_int_equal(
			    base64_encode(a, vectors[i].bytes, vectors[i].n, text), strlen(want));
			assert_string_equal(text, want);
			assert_true(base64_decode(a, want, strlen(want), out, sizeof(out), &n));
			assert_int_equal(n, vectors[i].n);
			assert_memory_equal(out, vectors[i].bytes, n);
		}
	}
}

static void
malformed_text_is_refused(void **state)
{
	static const char *const standard[] = { "Z", "Zg", "Zg=", "Zm8", "Zg===", "=",
		"==", "===", "====", "Zm9v=", "Zm9v====", "Zg==Zg==", "Zm=v", "Z===", "Zm9v\n",
		"Zm 9", "Zm9-", "Zm_v", "Zh==", "Zm9=", "\xc3\xa9zz", "Zm9vYg==\n", "Zm9v\x80zzz" };
	static const char *const url[] = { "Z", "A", "AAAAA", "Zm9vZ", "Zg==", "Zm8=", "=", "Zm9+",
		"Zm/v", "Zh", "Zm9", "Zm9v\n", " Zm9v", "Zm 9", "Z\xc3\xa9z", "Zg=" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(standard) + ARRAY_LEN(url); i++) {
		bool first = i < ARRAY_LEN(standard);
		const char *text = first ? standard[i] : url[i - ARRAY_LEN(standard)];
		char out[16];
		size_t n = 99;

		if (base64_decode(first ? BASE64_STANDARD : BASE64_URL, text, strlen(text), out,
			sizeof(out), &n))
			fail_msg("'%s' was taken", text);
		assert_int_equal(n, 99);
	}
}

static void
a_nul_byte_is_no_digit(void **state)
{
	char out[16];
	size_t n;

	(void)state;
	assert_false(base64_decode(BASE64_URL, "Zm\0v", 4, out, sizeof(out), &n));
	assert_false(base64_decode(BASE64_STANDARD, "Zm9\0", 4, out, sizeof(out), &n));
	assert_false(base64_decode(BASE64_STANDARD, "Zm\0=", 4, out, sizeof(out), &n));
}

static void
every_length_reads_back_and_only_with_its_own_bits(void **state)
{
	unsigned char bytes[64], out[64];
	char text[BASE64_TEXT_SIZE(sizeof(bytes))];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i * 37 + 11);
	for (size_t n = 0; n <= sizeof(bytes); n++) {
		for (int a = BASE64_STANDARD; a <= BASE64_URL; a++) {
			size_t used = base64_encode(a, bytes, n, text), back = 0;

			assert_true(used < BASE64_TEXT_SIZE(n));
			assert_int_equal(text[used], '\0');
			assert_true(base64_decode(a, text, used, out, n, &back));
			assert_int_equal(back, n);
			assert_memory_equal(out, bytes, n);
			assert_true(back <= BASE64_BYTES_SIZE(used));
		}
	}
}

/* 2 digits and 3 digits leave bits over: of the 16 or 4 texts that differ in them one is read. */
static void
bits_beyond_the_last_byte_must_be_zero(void **state)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	int two = 0, three = 0;

	(void)state;
	for (int i = 0; i < 64; i++) {
		const char text[] = { 'A', 'A', digits[i], '\0' };
		char out[4];
		size_t n;

		two += base64_decode(BASE64_URL, text + 1, 2, out, sizeof(out), &n);
		three += base64_decode(BASE64_URL, text, 3, out, sizeof(out), &n);
	}
	assert_int_equal(two, 4);
	assert_int_equal(three, 16);
}

static void
bytes_that_do_not_fit_are_refused_unread(void **state)
{
	char out[4] = "abc";
	size_t n = 99;

	(void)state;
	assert_false(base64_decode(BASE64_STANDARD, "Zm9vYg==", 8, out, 3, &n));
	assert_false(base64_decode(BASE64_URL, "Zm9vYg", 6, out, 3, &n));
	assert_false(base64_decode(BASE64_URL, "Zg", 2, out, 0, &n));
	assert_string_equal(out, "abc");
	assert_int_equal(n, 99);
	assert_true(base64_decode(BASE64_STANDARD, "Zm9vYg==", 8, out, 4, &n));
	assert_memory_equal(out, "foob", 4);
}

static void
appending_in_pieces_is_one_text(void **state)
{
	enum { SIZES = 1200 };
	static unsigned char bytes[SIZES];
	static char text[BASE64_TEXT_SIZE(SIZES)];

	(void)state;
	for (size_t i = 0; i < SIZES; i++)
		bytes[i] = (unsigned char)(i * 41);
	for (size_t n = 0; n <= SIZES; n += n < 400 ? 1 : 61) {
		AUTO_BUF b = { 0 };

		buf_init(&b, sizeof(text) + 4);
		buf_str(&b, "x:");
		base64_append(&b, BASE64_STANDARD, bytes, n);
		assert_int_equal(b.n, 2 + base64_encode(BASE64_STANDARD, bytes, n, text));
		assert_string_equal(b.p + 2, text);
		assert_false(b.failed);
	}
}

static void
appending_beyond_the_limit_is_told(void **state)
{
	AUTO_BUF b = { 0 };

	(void)state;
	buf_init(&b, 7);
	base64_append(&b, BASE64_STANDARD, "foob", 4);
	assert_true(b.failed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_vectors_of_the_specification_hold_in_both_directions),
		cmocka_unit_test(malformed_text_is_refused),
		cmocka_unit_test(a_nul_byte_is_no_digit),
		cmocka_unit_test(every_length_reads_back_and_only_with_its_own_bits),
		cmocka_unit_test(bits_beyond_the_last_byte_must_be_zero),
		cmocka_unit_test(bytes_that_do_not_fit_are_refused_unread),
		cmocka_unit_test(appending_in_pieces_is_one_text),
		cmocka_unit_test(appending_beyond_the_limit_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
