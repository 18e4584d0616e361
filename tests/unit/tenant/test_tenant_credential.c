/* SPDX-License-Identifier: Apache-2.0 */
/* Values of the Authorization header, and the counters of what became of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base64.h"
#include "metrics.h"
#include "tenant_internal.h"

static void
basic(const char *user, char out[static 256])
{
	size_t n = (size_t)snprintf(out, 256, "Basic ");

	(void)base64_encode(BASE64_STANDARD, user, strlen(user), out + n);
}

static void
bearer_and_basic_carry_a_key(void **state)
{
	static const char *const schemes[] = { "Bearer ", "bearer   ", "BEARER " };
	struct auth_key key;
	struct tenant_text text;
	char header[256], user[AUTH_KEY_SIZE + 1];

	(void)state;
	auth_key_make(AUTH_KEY_SERVICE, &key);
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		(void)snprintf(header, sizeof(header), "%s%s", schemes[i], key.text);
		assert_true(tenant_credential_read(header, &text));
		assert_false(text.token);
		assert_string_equal(text.key.id, key.id);
		assert_memory_equal(text.digest, key.hash, sizeof(key.hash));
	}
	(void)snprintf(user, sizeof(user), "%s:", key.text);
	basic(user, header);
	assert_true(tenant_credential_read(header, &text));
	assert_memory_equal(text.digest, key.hash, sizeof(key.hash));
	/* The text itself is not kept. */
	assert_null(memmem(&text, sizeof(text), key.text + 20, 20));
}

static void
a_text_with_two_dots_is_a_token(void **state)
{
	uint8_t digest[AUTH_SHA256_SIZE];
	struct tenant_text text;

	(void)state;
	assert_true(tenant_credential_read("Bearer a.bc.def", &text));
	assert_true(text.token);
	assert_int_equal(text.n, 8);
	assert_memory_equal(text.p, "a.bc.def", 8);
	auth_sha256("a.bc.def", 8, digest);
	assert_memory_equal(text.digest, digest, sizeof(digest));
}

static void
a_token_may_have_as_many_bytes_as_are_read(void **state)
{
	enum { PREFIX = 7 };
	char header[PREFIX + JWT_TEXT_MAX + 2];
	struct tenant_text text;

	(void)state;
	memset(header, 'a', sizeof(header));
	memcpy(header, "Bearer a.b.", PREFIX + 4);
	header[PREFIX + JWT_TEXT_MAX] = '\0';
	assert_true(tenant_credential_read(header, &text));
	assert_int_equal(text.n, JWT_TEXT_MAX);
	header[PREFIX + JWT_TEXT_MAX] = 'a';
	header[PREFIX + JWT_TEXT_MAX + 1] = '\0';
	assert_false(tenant_credential_read(header, &text));
}

static void
anything_else_is_refused(void **state)
{
	static const char *const cases[] = {
		"", " ", "Bearer", "Bearer ", "Bearer x", "Bearer wdn_sk_abc", "Bearer a.b",
		"Bearer a.b.c.d", "Basic", "Basic ", "Basic a.b.c", "Digest x", "Bearerx y",
		"Bear x", "Basic YWJj", /* no colon */
		"Basic YWI6cGFzcw==",   /* a password behind the colon */
		"Basic Og==",           /* no user */
		"Basic YTo",            /* length not a multiple of four */
		"Basic YTp=",           /* stray bits under the padding */
		"Basic Y=o=", "Basic ====", "Basic YT\x01=", "Basic YTo= ",
		"Basic AAA6", /* NUL bytes in the user */
	};
	struct tenant_text text;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (tenant_credential_read(cases[i], &text))
			fail_msg("accepted: %s", cases[i]);
	}
}

/* Each character of a key is changed to each of a few others: nothing of that is looked up. */
static void
a_key_with_a_wrong_character_is_refused(void **state)
{
	static const char others[] = "0aZ_";
	struct tenant_text text;
	struct auth_key key;
	char header[128];

	(void)state;
	auth_key_make(AUTH_KEY_PERSON, &key);
	for (size_t i = 0; i < strlen(key.text); i++) {
		for (size_t k = 0; k < sizeof(others) - 1; k++) {
			(void)snprintf(header, sizeof(header), "Bearer %s", key.text);
			if (header[7 + i] == others[k])
				continue;
			header[7 + i] = others[k];
			assert_false(tenant_credential_read(header, &text));
		}
	}
}

static void
a_key_that_is_cut_or_longer_is_refused(void **state)
{
	struct tenant_text text;
	struct auth_key key;
	char header[512];

	(void)state;
	auth_key_make(AUTH_KEY_OPERATOR, &key);
	for (int n = 0; n < (int)strlen(key.text); n++) {
		(void)snprintf(header, sizeof(header), "Bearer %.*s", n, key.text);
		assert_false(tenant_credential_read(header, &text));
	}
	(void)snprintf(header, sizeof(header), "Bearer %s0", key.text);
	assert_false(tenant_credential_read(header, &text));
	(void)snprintf(header, sizeof(header), "Bearer %s %s", key.text, key.text);
	assert_false(tenant_credential_read(header, &text));
	(void)snprintf(header, sizeof(header), "Bearer %s%s%s", key.text, key.text, key.text);
	assert_false(tenant_credential_read(header, &text));
}

static void
every_outcome_is_counted_under_its_own_name(void **state)
{
	struct metrics *m;
	struct buf out;
	struct err e;
	char line[128];

	(void)state;
	assert_int_equal(metrics_new(&m, &e), 0);
	for (size_t i = 0; i < OUTCOME_COUNT; i++)
		metrics_add_by(m, METRIC_AUTH_CHECKS, tenant_outcome_name((enum tenant_outcome)i),
		    (int64_t)i + 1);
	buf_init(&out, 1 << 20);
	metrics_print(m, &out);
	for (size_t i = 0; i < OUTCOME_COUNT; i++) {
		(void)snprintf(line, sizeof(line),
		    "wardian_auth_checks_total{outcome=\"%s\"} %zu\n",
		    tenant_outcome_name((enum tenant_outcome)i), i + 1);
		if (strstr(out.p, line) == NULL)
			fail_msg("no line %s", line);
	}
	buf_done(&out);
	metrics_free(m);
}

#define TEST(fn) cmocka_unit_test(fn)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(bearer_and_basic_carry_a_key),
		TEST(a_text_with_two_dots_is_a_token),
		TEST(a_token_may_have_as_many_bytes_as_are_read),
		TEST(anything_else_is_refused),
		TEST(a_key_with_a_wrong_character_is_refused),
		TEST(a_key_that_is_cut_or_longer_is_refused),
		TEST(every_outcome_is_counted_under_its_own_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
