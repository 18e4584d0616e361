/* SPDX-License-Identifier: Apache-2.0 */
/* Paths and base64 of inputs, as pure functions. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "job_internal.h"

#include <stdio.h>
#include <string.h>

static void
plain_relative_paths_are_valid(void **state)
{
	static const char *const good[] = { "a", "a/b", "deck.cir", "0/U", "system/controlDict",
		".hidden", "...", "a..b/c", "with blank", "-n", "\xc3\xa9t\xc3\xa9", "a/.b/c.", "~",
		"a:b", "$HOME" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		const char *why = NULL;

		if (!job_path_valid(good[i], &why))
			fail_msg("'%s' %s", good[i], why);
	}
}

static void
paths_that_leave_or_confuse_are_refused(void **state)
{
	static const char *const bad[] = { "", "/", "/etc/passwd", "a/", "a//b", ".", "..", "../a",
		"a/..", "a/../b", "./a", "a/.", "a/./b", "a\\b", "a\nb", "a\tb", "\x1b[31m",
		"a\x7f", "\xc2\x85", "\xff", "\xc0\xaf", "\xe2\x82", "\xed\xa0\x80",
		"a/\xf8\x88\x80\x80\x80" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const char *why = NULL;

		if (job_path_valid(bad[i], &why))
			fail_msg("'%s' was taken", bad[i]);
		assert_non_null(why);
	}
}

static void
lengths_of_paths_and_parts_are_bounded(void **state)
{
	char path[CAP_PATH_BYTES + 2];
	const char *why;

	(void)state;
	memset(path, 'a', sizeof(path));
	path[255] = '\0';
	assert_true(job_path_valid(path, &why));
	path[255] = 'a';
	path[256] = '\0';
	assert_false(job_path_valid(path, &why));
	path[256] = 'a';
	path[200] = path[400] = '/';
	path[CAP_PATH_BYTES] = '\0';
	assert_true(job_path_valid(path, &why));
	path[CAP_PATH_BYTES] = 'a';
	path[CAP_PATH_BYTES + 1] = '\0';
	assert_false(job_path_valid(path, &why));
}

/* The test vectors of RFC 4648 section 10, and bytes that are no text. */
static void
base64_reads_the_vectors_of_its_specification(void **state)
{
	static const struct {
		const char *text, *bytes;
		size_t n;
	} good[] = {
		{ "", "", 0 },
		{ "Zg==", "f", 1 },
		{ "Zm8=", "fo", 2 },
		{ "Zm9v", "foo", 3 },
		{ "Zm9vYg==", "foob", 4 },
		{ "Zm9vYmE=", "fooba", 5 },
		{ "Zm9vYmFy", "foobar", 6 },
		{ "AAD/", "\0\0\xff", 3 },
		{ "+/+/", "\xfb\xff\xbf", 3 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		char out[16];
		size_t n = 99;

		assert_true(job_base64_decode(good[i].text, strlen(good[i].text), out, &n));
		assert_int_equal(n, good[i].n);
		assert_memory_equal(out, good[i].bytes, n);
	}
}

static void
malformed_base64_is_refused(void **state)
{
	static const char *const bad[] = { "Z", "Zg", "Zg=", "Zm8", "Zg===", "=",
		"==", "===", "====", "Zm9v=", "Zg==Zg==", "Zm=v", "Z===", "Zm9v\n", "Zm 9", "Zm9-",
		"Zm_v", "Zh==", "Zm9=", "\xc3\xa9zz", "Zm9vYg==\n" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char out[16];
		size_t n = 99;

		if (job_base64_decode(bad[i], strlen(bad[i]), out, &n))
			fail_msg("'%s' was taken", bad[i]);
		assert_int_equal(n, 99);
	}
}

static void
base64_reads_back_whatever_was_written(void **state)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned char bytes[48], out[64];
	char text[80];

	(void)state;
	for (size_t n = 0; n < sizeof(bytes); n++) {
		size_t used = 0, back;

		bytes[n] = (unsigned char)(n * 37 + 11);
		for (size_t i = 0; i < n; i += 3) {
			uint32_t group = (uint32_t)bytes[i] << 16 |
					 (uint32_t)(i + 1 < n ? bytes[i + 1] : 0) << 8 |
					 (i + 2 < n ? bytes[i + 2] : 0);

			text[used++] = digits[group >> 18 & 63];
			text[used++] = digits[group >> 12 & 63];
			text[used++] = i + 1 < n ? digits[group >> 6 & 63] : '=';
			text[used++] = i + 2 < n ? digits[group & 63] : '=';
		}
		assert_true(job_base64_decode(text, used, (char *)out, &back));
		assert_int_equal(back, n);
		assert_memory_equal(out, bytes, n);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_relative_paths_are_valid),
		cmocka_unit_test(paths_that_leave_or_confuse_are_refused),
		cmocka_unit_test(lengths_of_paths_and_parts_are_bounded),
		cmocka_unit_test(base64_reads_the_vectors_of_its_specification),
		cmocka_unit_test(malformed_base64_is_refused),
		cmocka_unit_test(base64_reads_back_whatever_was_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
