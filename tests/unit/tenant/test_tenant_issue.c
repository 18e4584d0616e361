/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens that the daemon issues: what stands in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "clock.h"
#include "json.h"
#include "tenant_internal.h"

static struct tenants tenants = { .o.issuer = "https://wardian.example" };
static struct jwt_signer *signer;
static struct jws_keys *keys;
static struct arena *mem;

static int
setup(void **state)
{
	const struct jwt_signer *all[1];
	char pem[JWT_PEM_SIZE];
	struct err e;

	(void)state;
	mem = arena_new(1 << 20);
	if (mem == NULL || jwt_signer_make(pem, &signer, &e) < 0)
		return -1;
	all[0] = signer;
	tenants_sign_with(&tenants, signer);
	return jwt_signer_keys(all, 1, &keys, &e);
}

static int
teardown(void **state)
{
	(void)state;
	jws_keys_free(keys);
	jwt_signer_free(signer);
	arena_free(mem);
	return 0;
}

static struct principal
somebody(void)
{
	struct principal who = {
		.kind = PRINCIPAL_KEY, .tenant = { { { 1 } } }, .user = { { 2 } }, .key = { { 3 } }
	};

	(void)grants_add(
	    &who.grants, (struct uuid){ 0 }, PERM_BIT(PERM_JOB_READ) | PERM_BIT(PERM_KEY_READ));
	(void)grants_add(&who.grants, (struct uuid){ { 9 } }, PERM_BIT(PERM_JOB_CREATE));
	return who;
}

static const char *
claim(const struct jwt_token *jwt, const char *name)
{
	const char *text = NULL;

	(void)json_get_text(jwt_claim(jwt, name), &text);
	return text;
}

static struct jwt_token *
read_token(const struct tenants_token *token, struct err *e)
{
	static const char *const types[] = { "at+jwt", NULL };
	const struct jwt_rules rules = { .issuer = tenants.o.issuer,
		.audience = tenants.o.issuer,
		.types = types,
		.now_s = clock_wall_us() / 1000000,
		.leeway_s = 0,
		.lifetime_max_s = TENANTS_SUPPORT_S };
	struct jwt_token *jwt = NULL;
	const char *why = "";

	if (jwt_read(token->text, strlen(token->text), &jwt, &why, e) < 0 ||
	    jwt_verify(jwt, keys, &why, e) < 0 || jwt_check_claims(jwt, &rules, &why, e) < 0)
		fail_msg("%s", why);
	return jwt;
}

static void
a_token_names_its_key_and_what_it_may_do(void **state)
{
	const struct principal who = somebody();
	struct tenants_token token;
	struct jwt_token *jwt;
	char id[ID_STR_SIZE];
	struct err e = { 0 };

	(void)state;
	assert_int_equal(
	    tenants_issue(&tenants, &who, PERM_BIT(PERM_JOB_READ) | PERM_BIT(PERM_JOB_CANCEL), 600,
		mem, &token, &e),
	    0);
	assert_string_equal(token.scope, "job:read");
	jwt = read_token(&token, &e);
	assert_string_equal(claim(jwt, "scope"), "job:read");
	assert_string_equal(claim(jwt, "ten"), id_format("ten", who.tenant.uuid, id));
	assert_string_equal(claim(jwt, "key"), id_format("key", who.key, id));
	assert_string_equal(claim(jwt, "usr"), id_format("usr", who.user, id));
	assert_string_equal(jwt_subject(jwt), id);
	assert_string_equal(jwt_id(jwt), id_format("tok", token.id, id));
	assert_null(jwt_claim(jwt, "sup"));
	assert_in_range(token.expires_wall_us - clock_wall_us(), 598 * 1000000, 600 * 1000000);
	jwt_token_free(jwt);
}

static void
a_token_without_scopes_may_do_what_its_key_may_then(void **state)
{
	const struct principal who = somebody();
	struct tenants_token token;
	struct jwt_token *jwt;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(tenants_issue(&tenants, &who, 0, 60, mem, &token, &e), 0);
	assert_string_equal(token.scope, "job:read job:create key:read");
	jwt = read_token(&token, &e);
	assert_null(jwt_claim(jwt, "scope"));
	jwt_token_free(jwt);
}

static void
scopes_that_the_key_lacks_leave_a_token_that_may_nothing(void **state)
{
	const struct principal who = somebody();
	struct tenants_token token;
	struct jwt_token *jwt;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(
	    tenants_issue(&tenants, &who, PERM_BIT(PERM_AUDIT_READ), 60, mem, &token, &e), 0);
	jwt = read_token(&token, &e);
	assert_string_equal(claim(jwt, "scope"), "");
	jwt_token_free(jwt);
}

static void
a_token_lives_no_longer_than_an_hour_or_its_key(void **state)
{
	struct principal who = somebody();
	struct tenants_token token;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(tenants_issue(&tenants, &who, 0, 86400, mem, &token, &e), 0);
	assert_in_range(token.expires_wall_us - clock_wall_us(),
	    (TENANTS_TOKEN_S - 2) * INT64_C(1000000), TENANTS_TOKEN_S * INT64_C(1000000));
	who.expires_wall_us = clock_wall_us() + 100 * INT64_C(1000000);
	assert_int_equal(tenants_issue(&tenants, &who, 0, 3600, mem, &token, &e), 0);
	assert_true(token.expires_wall_us <= who.expires_wall_us);
}

static void
only_a_key_is_exchanged(void **state)
{
	static const enum principal_kind kinds[] = { PRINCIPAL_TOKEN, PRINCIPAL_ISSUER,
		PRINCIPAL_SUPPORT };
	struct principal who = somebody();
	struct tenants_token token = { .text = NULL };
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		who.kind = kinds[i];
		assert_int_equal(tenants_issue(&tenants, &who, 0, 60, mem, &token, &e), -1);
		assert_int_equal(e.code, ERR_DENIED);
		assert_null(token.text);
	}
}

static void
a_support_token_names_the_access_and_ends_with_it(void **state)
{
	const struct tenant_id tenant = { { { 1 } } };
	const struct uuid support = { { 5 } };
	int64_t until = clock_wall_us() + 7200 * INT64_C(1000000);
	struct tenants_token token;
	struct jwt_token *jwt;
	char id[ID_STR_SIZE];
	struct err e = { 0 };

	(void)state;
	assert_int_equal(
	    tenants_issue_support(&tenants, tenant, support, until, mem, &token, &e), 0);
	jwt = read_token(&token, &e);
	assert_string_equal(claim(jwt, "sup"), id_format("sup", support, id));
	assert_string_equal(claim(jwt, "ten"), id_format("ten", tenant.uuid, id));
	assert_null(jwt_claim(jwt, "key"));
	assert_true(token.expires_wall_us <= until);
	assert_true(token.expires_wall_us > until - 2000000);
	jwt_token_free(jwt);
	until += INT64_C(100) * 3600 * 1000000;
	assert_int_equal(
	    tenants_issue_support(&tenants, tenant, support, until, mem, &token, &e), 0);
	assert_true(
	    token.expires_wall_us <= clock_wall_us() + TENANTS_SUPPORT_S * INT64_C(1000000));
}

#define TEST(fn) cmocka_unit_test(fn)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_token_names_its_key_and_what_it_may_do),
		TEST(a_token_without_scopes_may_do_what_its_key_may_then),
		TEST(scopes_that_the_key_lacks_leave_a_token_that_may_nothing),
		TEST(a_token_lives_no_longer_than_an_hour_or_its_key),
		TEST(only_a_key_is_exchanged),
		TEST(a_support_token_names_the_access_and_ends_with_it),
	};

	json_start();
	return cmocka_run_group_tests(tests, setup, teardown);
}
