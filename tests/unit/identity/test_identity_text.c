/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "identity_internal.h"
#include "identity_issuer.h"

#include <string.h>

static int
setup(void **state)
{
	*state = arena_new((size_t)1 << 20);
	return *state == NULL;
}

static int
teardown(void **state)
{
	arena_free(*state);
	return 0;
}

static void
expect_fault(const struct err *e, const char *pointer)
{
	assert_int_equal(e->code, ERR_INVALID);
	assert_int_equal(e->n_fields, 1);
	assert_string_equal(e->fields[0].name, pointer);
}

static void
blanks_at_the_ends_are_cut_and_the_rest_is_kept(void **state)
{
	static const char *const rows[][2] = {
		{ "ada", "ada" },
		{ "  ada  ", "ada" },
		{ "Ada  Lovelace", "Ada  Lovelace" },
		{ "\xc3\xa4\xe2\x82\xac", "\xc3\xa4\xe2\x82\xac" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *text = rows[i][0];
		struct err e = { 0 };

		assert_int_equal(text_clean(*state, &text, 63, "/name", &e), 0);
		assert_string_equal(text, rows[i][1]);
	}
}

static void
absent_text_stays_absent(void **state)
{
	const char *text = NULL;
	struct err e = { 0 };

	assert_int_equal(text_clean(*state, &text, 1, "/name", &e), 0);
	assert_null(text);
}

static void
lengths_are_counted_in_characters(void **state)
{
	const char *three = "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac";
	const char *text = three;
	struct err e = { 0 };

	assert_int_equal(text_clean(*state, &text, 3, "/name", &e), 0);
	text = three;
	assert_int_equal(text_clean(*state, &text, 2, "/name", &e), -1);
	expect_fault(&e, "/name");
	assert_ptr_equal(text, three);
}

static void
empty_and_unprintable_text_is_refused(void **state)
{
	static const char *const rows[] = { "", " ", "a\nb", "\x01", "a\x7f", "\xff", "\xc3",
		"\xed\xa0\x80" };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *text = rows[i];
		struct err e = { 0 };

		assert_int_equal(text_clean(*state, &text, 63, "/x", &e), -1);
		expect_fault(&e, "/x");
	}
}

static void
labels_are_dns_labels(void **state)
{
	static const char long_ok[] =
	    "a12345678901234567890123456789012345678901234567890123456789012";
	static const char *const good[] = { "a", "0", "a-b", "night-shift-2", long_ok };
	static const char *const bad[] = { "", "-", "-a", "a-", "A", "a.b", "a b", "a_b",
		"\xc3\xa4", "a123456789012345678901234567890123456789012345678901234567890123" };

	(void)state;
	assert_int_equal(strlen(long_ok), 63);
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct err e = { 0 };

		assert_int_equal(label_check(good[i], "/name", &e), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = { 0 };

		assert_int_equal(label_check(bad[i], "/name", &e), -1);
		expect_fault(&e, "/name");
	}
}

static void
addresses_have_two_sides(void **state)
{
	static const char *const bad[] = { "", "a", "@", "a@", "@b", "a b@c", "a@b c" };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(email_check("ada@example.org", "/email", &e), 0);
	assert_int_equal(email_check("\"a@b\"@c", "/email", &e), 0);
	assert_int_equal(email_check(NULL, "/email", &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		e = (struct err){ 0 };
		assert_int_equal(email_check(bad[i], "/email", &e), -1);
		expect_fault(&e, "/email");
	}
}

static void
issuers_are_https_or_on_the_loopback_address(void **state)
{
	static const char *const good[] = { "https://a", "https://login.example.org/",
		"https://login.example.org:8443/realms/x", "https://[2001:db8::1]:8443/x",
		"http://localhost:8080", "http://127.0.0.1", "http://127.0.0.1:1/x",
		"http://[::1]:8080/x" };
	static const char *const bad[] = { "", "a", "ftp://a", "https:/a", "https://", "https:///x",
		"HTTPS://a", "http://a", "http://localhost.evil.example",
		"http://127.0.0.1.evil.example", "http://127.0.0.10",
		"http://localhost@evil.example", "https://u@a", "https://u:p@a", "https://a?x",
		"https://a#x", "https://a b", "https://a\\b", "https://\xc3\xa4",
		"https://a:", "https://a:x", "https://a:123456", "https://[::1", "https://[::1]x",
		"http://[::1]x", "http://[::1]evil.example:80", "https://a\r\nx" };
	char long_url[IDENTITY_URL_MAX + 2] = "https://";

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct err e = { 0 };

		if (issuer_url_check(good[i], "/url", &e) < 0)
			fail_msg("%s: %s", good[i], e.msg);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = { 0 };

		if (issuer_url_check(bad[i], "/url", &e) == 0)
			fail_msg("%s was taken", bad[i]);
		expect_fault(&e, "/url");
	}
	for (size_t n = IDENTITY_URL_MAX; n <= IDENTITY_URL_MAX + 1; n++) {
		struct err e = { 0 };

		memset(long_url + 8, 'a', n - 8);
		long_url[n] = '\0';
		assert_int_equal(
		    issuer_url_check(long_url, "/url", &e), n == IDENTITY_URL_MAX ? 0 : -1);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(blanks_at_the_ends_are_cut_and_the_rest_is_kept),
		TEST(absent_text_stays_absent),
		TEST(lengths_are_counted_in_characters),
		TEST(empty_and_unprintable_text_is_refused),
		TEST(labels_are_dns_labels),
		TEST(addresses_have_two_sides),
		TEST(issuers_are_https_or_on_the_loopback_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
