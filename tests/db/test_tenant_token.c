/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens that daemons issue, the keys that sign them, and support access. */
#include "tenant_fixture.h"

#define EVERYWHERE                                                                                 \
	(struct uuid)                                                                              \
	{                                                                                          \
		0                                                                                  \
	}

static struct tenants_token
exchange(const struct fixture_key *k, permission_set scopes)
{
	const struct principal who = fixture_who(k->key.text);
	struct tenants_token token = { 0 };
	struct err e = { 0 };

	must(tenants_issue(fx.tenants, &who, scopes, 600, fx.mem, &token, &e));
	return token;
}

static void
a_token_is_its_key_within_its_scopes(void **state)
{
	struct fixture_key k = fixture_key("token", "engineer");
	struct tenants_token all = exchange(&k, 0),
			     some =
				 exchange(&k, PERM_BIT(PERM_JOB_READ) | PERM_BIT(PERM_AUDIT_READ));
	struct principal who = fixture_who(all.text);

	(void)state;
	assert_int_equal(who.kind, PRINCIPAL_TOKEN);
	assert_int_equal(uuid_cmp(who.tenant.uuid, k.tenant.uuid), 0);
	assert_int_equal(uuid_cmp(who.key, k.id), 0);
	assert_int_equal(uuid_cmp(who.user, k.user), 0);
	assert_int_equal(uuid_cmp(who.token, all.id), 0);
	assert_string_equal(who.key_public, k.key.id);
	assert_int_equal(who.expires_wall_us, all.expires_wall_us);
	assert_true(who.grants.everywhere == system_role_permissions(ROLE_ENGINEER));
	who = fixture_who(some.text);
	assert_string_equal(fixture_may(&who), "job:read");
}

static void
a_token_may_what_its_key_may_now(void **state)
{
	struct fixture_key k = fixture_key("token-now", "engineer");
	struct tenants_token token = exchange(&k, 0);
	struct principal who = fixture_who(token.text);

	(void)state;
	assert_true(principal_may(&who, PERM_JOB_CREATE));
	fixture_sql("update wardian.api_key set scopes = '{job:read}' where key_id = '%s'",
	    fixture_text(k.id));
	tenants_forget(fx.tenants, k.tenant);
	who = fixture_who(token.text);
	assert_string_equal(fixture_may(&who), "job:read");
}

static void
a_token_dies_with_what_is_behind_it(void **state)
{
	static const struct {
		const char *table, *set, *why;
		enum err_code code;
	} cases[] = {
		{ "api_key", "revoked_at = now()", "revoked", ERR_UNAUTHENTICATED },
		{ "api_key", "expires_at = now()", "expired", ERR_UNAUTHENTICATED },
		{ "api_key", "cidrs = '{10.0.0.0/8}'", "source", ERR_UNAUTHENTICATED },
		{ "tenant_user", "disabled_at = now()", "disabled", ERR_UNAUTHENTICATED },
		{ "tenant", "state = 'suspended'", "suspended", ERR_SUSPENDED },
		{ "tenant", "state = 'deleting'", NULL, ERR_UNAUTHENTICATED },
	};
	struct principal who;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct credential_refusal refusal;
		struct fixture_key k = fixture_key("token-dies", "viewer");
		struct tenants_token token = exchange(&k, 0);

		(void)fixture_who(token.text);
		fixture_sql("update wardian.%s set %s where tenant_id = '%s'", cases[i].table,
		    cases[i].set, fixture_text(k.tenant.uuid));
		tenants_forget(fx.tenants, k.tenant);
		must_fail(cases[i].code,
		    fixture_ask(fx.tenants, token.text, "192.0.2.1", &refusal, &who, &e));
		if (cases[i].why == NULL) {
			assert_null(refusal.why);
			continue;
		}
		assert_string_equal(refusal.why, cases[i].why);
		assert_int_equal(refusal.who.kind, PRINCIPAL_TOKEN);
		assert_int_equal(uuid_cmp(refusal.who.token, token.id), 0);
	}
}

/* Whoever had found the key's text would keep what he got for it. */
static void
a_token_ends_with_the_text_of_the_key_that_it_was_got_for(void **state)
{
	static const struct {
		const char *set;
		bool holds;
	} cases[] = {
		{ "previous_hash = hash, previous_until = now() + interval '5 minutes'", true },
		{ "previous_hash = hash, previous_until = now()", false },
		{ "previous_hash = null", false },
	};
	struct principal who;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct fixture_key k = fixture_key("token-rotated", "viewer");
		struct tenants_token token = exchange(&k, 0);
		int rc;

		(void)fixture_who(token.text);
		fixture_sql("update wardian.api_key set %s, hash = sha256('another') where "
			    "key_id = '%s'",
		    cases[i].set, fixture_text(k.id));
		tenants_forget(fx.tenants, k.tenant);
		rc = fixture_try(token.text, &who, &e);
		if ((rc == 0) != cases[i].holds)
			fail_msg("case %zu: %d", i, rc);
		/* And at the end of the overlap at the latest. */
		if (rc == 0)
			assert_in_range(
			    who.expires_wall_us - clock_wall_us(), 0, INT64_C(300) * 1000000);
	}
}

static void
a_token_that_was_given_back_is_refused_and_no_other(void **state)
{
	struct fixture_key k = fixture_key("given-back", "viewer");
	struct tenants_token gone = exchange(&k, 0), stays = exchange(&k, 0);
	struct principal who;
	struct err e;

	(void)state;
	(void)fixture_who(gone.text);
	fixture_sql("insert into wardian.token_revocation (tenant_id, token_id, expires_at) "
		    "values ('%s', '%s', now() + interval '1 hour')",
	    fixture_text(k.tenant.uuid), fixture_text(gone.id));
	tenants_forget(fx.tenants, k.tenant);
	must_fail(ERR_UNAUTHENTICATED, fixture_try(gone.text, &who, &e));
	(void)fixture_who(stays.text);
	(void)fixture_who(k.key.text);
}

/* --- forgeries ----------------------------------------------------------------------------------
 */

/* A token as the daemon would sign it, but for what the test changes. */
struct forged {
	struct jwt_claims c;
	struct jwt_text_claim texts[4];
	char ids[4][ID_STR_SIZE], mark[2 * PRINCIPAL_MARK_SIZE + 1];
};

static void
forge(struct forged *f, const struct fixture_key *k)
{
	int64_t now = clock_wall_us() / 1000000;

	*f = (struct forged){ .c = { .issuer = fixture_issuer,
				  .audience = fixture_issuer,
				  .subject = f->ids[0],
				  .id = f->ids[1],
				  .issued_s = now,
				  .not_before_s = now,
				  .expires_s = now + 600,
				  .texts = f->texts,
				  .n_texts = 3 } };
	(void)id_format("usr", k->user, f->ids[0]);
	(void)id_format("tok", uuid_v7(), f->ids[1]);
	f->texts[0] = (struct jwt_text_claim){ "ten", id_format("ten", k->tenant.uuid, f->ids[2]) };
	f->texts[1] = (struct jwt_text_claim){ "key", id_format("key", k->id, f->ids[3]) };
	auth_hex(k->key.hash, PRINCIPAL_MARK_SIZE, f->mark);
	f->texts[2] = (struct jwt_text_claim){ "mark", f->mark };
}

static int
present(const struct jwt_signer *signer, const struct forged *f, struct principal *who)
{
	char text[JWT_SIZE];
	struct err e = { 0 };
	int rc;

	must(jwt_issue(signer, &f->c, text, &e));
	rc = fixture_try(text, who, &e);
	if (rc < 0)
		assert_int_equal(e.code, ERR_UNAUTHENTICATED);
	return rc;
}

static void
a_token_that_another_key_signed_is_refused(void **state)
{
	struct fixture_key k = fixture_key("forged", "owner");
	char pem[JWT_PEM_SIZE];
	struct jwt_signer *stranger;
	struct principal who;
	struct forged f;
	struct err e;

	(void)state;
	must(jwt_signer_make(pem, &stranger, &e));
	forge(&f, &k);
	assert_int_equal(present(fx.signer, &f, &who), 0);
	assert_int_equal(present(stranger, &f, &who), -1);
	/* Until its node registers it. */
	must(tenant_signing_key_register(fx.db, uuid_v7(), stranger, &e));
	assert_int_equal(present(stranger, &f, &who), 0);
	jwt_signer_free(stranger);
}

static void
claims_that_do_not_fit_are_refused(void **state)
{
	struct fixture_key k = fixture_key("claims", "owner"),
			   other = fixture_key("claims-2", "owner");
	struct principal who;
	struct forged f;
	char id[ID_STR_SIZE];

	(void)state;
#define REFUSED(change)                                                                            \
	do {                                                                                       \
		forge(&f, &k);                                                                     \
		change;                                                                            \
		if (present(fx.signer, &f, &who) == 0)                                             \
			fail_msg("accepted: %s", #change);                                         \
	} while (0)
	REFUSED(f.c.issuer = "https://other.test");
	REFUSED(f.c.audience = "https://other.test");
	REFUSED(f.c.expires_s = f.c.issued_s - 120; f.c.issued_s -= 600);
	REFUSED(f.c.not_before_s += 600);
	REFUSED(f.c.issued_s += 600);
	REFUSED(f.c.expires_s = f.c.issued_s + TENANTS_TOKEN_S + 1);
	REFUSED(f.c.id = "nonsense");
	REFUSED(f.c.id = id_format("key", k.id, id));
	REFUSED(f.c.id = "tok_00000000000000000000000000");
	REFUSED(f.texts[0].value = id_format("ten", other.tenant.uuid, id));
	REFUSED(f.texts[0].value = "nonsense");
	REFUSED(f.texts[0].name = "tenant");
	REFUSED(f.texts[1].value = id_format("key", other.id, id));
	REFUSED(f.texts[1].value = id_format("usr", k.user, id));
	REFUSED(f.texts[1].name = "keys");
	REFUSED(f.texts[1].name = "sup");
	REFUSED(f.texts[2].value = "");
	REFUSED(f.texts[2].value = "0123456789abcdef");
	REFUSED(f.texts[2].name = "marks");
#undef REFUSED
	forge(&f, &k);
	assert_int_equal(present(fx.signer, &f, &who), 0);
}

static void
a_token_with_a_changed_byte_is_refused(void **state)
{
	struct fixture_key k = fixture_key("bytes", "owner");
	struct tenants_token token = exchange(&k, 0);
	size_t n = strlen(token.text), refused = 0;
	struct principal who;
	struct err e;

	(void)state;
	(void)fixture_who(token.text);
	for (size_t i = 0; i < n; i += 7) {
		char was = token.text[i];

		token.text[i] = was == 'A' ? 'B' : 'A';
		refused += fixture_try(token.text, &who, &e) < 0;
		assert_int_equal(e.code, ERR_UNAUTHENTICATED);
		token.text[i] = was;
	}
	assert_int_equal(refused, (n + 6) / 7);
	(void)fixture_who(token.text);
}

/* --- signing keys -------------------------------------------------------------------------------
 */

static void
a_key_is_registered_once_and_retires_the_nodes_former_ones(void **state)
{
	struct jwt_signer *first, *second;
	struct uuid node = uuid_v7();
	char pem[JWT_PEM_SIZE], sql[256];
	struct err e;

	(void)state;
	must(jwt_signer_make(pem, &first, &e));
	must(jwt_signer_make(pem, &second, &e));
	must(tenant_signing_key_register(fx.db, node, first, &e));
	must(tenant_signing_key_register(fx.db, node, first, &e));
	must_fail(ERR_CONFLICT, tenant_signing_key_register(fx.db, uuid_v7(), first, &e));
	must(tenant_signing_key_register(fx.db, node, second, &e));
	(void)snprintf(sql, sizeof(sql),
	    "select string_agg((retired_at is null)::text, ' ' order by created_at) from "
	    "wardian.signing_key where node_id = '%s'",
	    fixture_text(node));
	assert_string_equal(test_text(fx.t.url, sql), "false true");
	/* A node that goes back to an older file signs with that one again. */
	must(tenant_signing_key_register(fx.db, node, first, &e));
	assert_string_equal(test_text(fx.t.url, sql), "true false");
	jwt_signer_free(first);
	jwt_signer_free(second);
}

static void
a_retired_key_is_accepted_until_its_last_token_has_expired(void **state)
{
	struct fixture_key k = fixture_key("retired", "owner");
	struct uuid node = uuid_v7();
	struct jwt_signer *signer;
	char pem[JWT_PEM_SIZE];
	struct principal who;
	struct tenants *other;
	struct forged f;
	struct err e;

	(void)state;
	must(jwt_signer_make(pem, &signer, &e));
	must(tenant_signing_key_register(fx.db, node, signer, &e));
	fixture_sql("update wardian.signing_key set retired_at = now() - interval '7 hours' where "
		    "node_id = '%s'",
	    fixture_text(node));
	forge(&f, &k);
	assert_int_equal(present(signer, &f, &who), 0);
	assert_int_equal(tenant_signing_keys_prune(fx.db, &e), 0);
	fixture_sql("update wardian.signing_key set retired_at = now() - interval '9 hours' where "
		    "node_id = '%s'",
	    fixture_text(node));
	/* A daemon that never saw it. */
	other = fx.tenants;
	fx.tenants = fixture_daemon();
	assert_int_equal(present(signer, &f, &who), -1);
	tenants_free(fx.tenants);
	fx.tenants = other;
	assert_int_equal(tenant_signing_keys_prune(fx.db, &e), 1);
	jwt_signer_free(signer);
}

static void
a_key_that_is_removed_ends_its_tokens(void **state)
{
	struct fixture_key k = fixture_key("removed", "owner");
	struct uuid node = uuid_v7();
	int64_t start = clock_mono_ms();
	struct jwt_signer *signer;
	char pem[JWT_PEM_SIZE], text[JWT_SIZE];
	struct principal who;
	struct forged f;
	struct err e;
	int rc;

	(void)state;
	must(jwt_signer_make(pem, &signer, &e));
	must(tenant_signing_key_register(fx.db, node, signer, &e));
	forge(&f, &k);
	must(jwt_issue(signer, &f.c, text, &e));
	(void)fixture_who(text);
	fixture_sql("delete from wardian.signing_key where node_id = '%s'", fixture_text(node));
	do
		rc = fixture_try(text, &who, &e);
	while (rc == 0 && clock_mono_ms() - start < 15000);
	assert_int_equal(rc, -1);
	assert_int_equal(e.code, ERR_UNAUTHENTICATED);
	jwt_signer_free(signer);
}

static void
the_published_keys_verify_what_is_issued(void **state)
{
	struct fixture_key k = fixture_key("jwks", "owner");
	struct tenants_token token = exchange(&k, 0);
	AUTO(jwt_token) jwt = NULL;
	AUTO(jws_keys) keys = NULL;
	struct json_out o;
	AUTO_BUF b = { 0 };
	struct err e;

	(void)state;
	buf_init(&b, 1 << 16);
	json_out_init(&o, &b);
	tenants_print_jwks(fx.tenants, &o);
	must(buf_check(&b, &e));
	assert_null(strstr(b.p, "\"d\""));
	must(jws_keys_parse_text(b.p, b.n, &keys, &e));
	assert_true(jws_keys_has(keys, jwt_signer_kid(fx.signer)));
	must(jwt_read(token.text, strlen(token.text), &jwt, NULL, &e));
	must(jwt_verify(jwt, keys, NULL, &e));
}

/* --- support access -----------------------------------------------------------------------------
 */

struct support {
	struct tenant_id tenant;
	struct uuid operator_id, id;
	struct tenants_token token;
};

static struct support
open_support(const char *role)
{
	struct support s = { .tenant = test_tenant(&fx.t, "helped"), .id = uuid_v7() };
	char name[64];
	struct err e = { 0 };

	(void)snprintf(name, sizeof(name), "op-%.36s", fixture_text(s.id));
	s.operator_id = fixture_user(tenant_platform_id, name);
	fixture_assign(
	    tenant_platform_id, "user_id", s.operator_id, "platform-operator", EVERYWHERE);
	fixture_sql(
	    "insert into wardian.support_access (tenant_id, support_id, operator_id, "
	    "operator_name, system_role, reason, expires_at) values ('%s', '%s', '%s', '%s', "
	    "'%s', 'a job hangs', now() + interval '2 hours')",
	    fixture_text(s.tenant.uuid), fixture_text(s.id), fixture_text(s.operator_id), name,
	    role);
	must(tenants_issue_support(fx.tenants, s.tenant, s.id,
	    clock_wall_us() + 7200 * INT64_C(1000000), fx.mem, &s.token, &e));
	return s;
}

static void
a_support_token_opens_the_tenant_with_the_role_of_the_access(void **state)
{
	struct support s = open_support("viewer");
	struct principal who = fixture_who(s.token.text);

	(void)state;
	assert_int_equal(who.kind, PRINCIPAL_SUPPORT);
	assert_int_equal(uuid_cmp(who.tenant.uuid, s.tenant.uuid), 0);
	assert_int_equal(uuid_cmp(who.support, s.id), 0);
	assert_true(uuid_is_nil(who.user));
	assert_true(uuid_is_nil(who.key));
	assert_int_equal(strncmp(who.name, "op-", 3), 0);
	assert_true(who.grants.everywhere ==
		    (system_role_permissions(ROLE_VIEWER) & permission_set_of_support()));
	/* Cached. */
	who = fixture_who(s.token.text);
	assert_int_equal(who.kind, PRINCIPAL_SUPPORT);
}

static void
support_as_admin_leaves_no_access_behind(void **state)
{
	struct support s = open_support("admin");
	struct principal who = fixture_who(s.token.text);

	(void)state;
	assert_true(principal_may(&who, PERM_JOB_CANCEL));
	assert_false(principal_may(&who, PERM_KEY_CREATE));
	assert_false(principal_may(&who, PERM_ROLE_ASSIGN));
	assert_false(principal_may(&who, PERM_SUPPORT_END));
}

static void
a_support_access_ends_in_many_ways(void **state)
{
	static const struct {
		const char *sql; /* %s: the tenant, the operator */
		bool of_operator;
		const char *why;
	} cases[] = {
		{ "update wardian.support_access set ended_at = now() where tenant_id =", false,
		    "revoked" },
		{ "update wardian.support_access set expires_at = now() where tenant_id =", false,
		    "revoked" },
		{ "update wardian.tenant set support_allowed = false where tenant_id =", false,
		    "revoked" },
		{ "delete from wardian.support_access where tenant_id =", false, NULL },
		{ "update wardian.tenant_user set disabled_at = now() where user_id =", true,
		    "disabled" },
		{ "delete from wardian.role_assignment where user_id =", true, "disabled" },
		{ "update wardian.role_assignment set system_role = 'auditor' where user_id =",
		    true, "disabled" },
	};
	struct principal who;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct credential_refusal refusal;
		struct support s = open_support("viewer");

		(void)fixture_who(s.token.text);
		fixture_sql("%s '%s'", cases[i].sql,
		    fixture_text(cases[i].of_operator ? s.operator_id : s.tenant.uuid));
		/* The operator's side moves the version of the platform's tenant only. */
		tenants_forget(fx.tenants, cases[i].of_operator ? tenant_platform_id : s.tenant);
		must_fail(ERR_UNAUTHENTICATED,
		    fixture_ask(fx.tenants, s.token.text, "192.0.2.1", &refusal, &who, &e));
		if (cases[i].why == NULL)
			assert_null(refusal.why);
		else
			assert_string_equal(refusal.why, cases[i].why);
	}
}

static void
a_role_that_a_customer_cannot_have_gives_support_nothing(void **state)
{
	static const char *const roles[] = { "platform-operator", "nonsense" };
	struct principal who;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
		struct support s = open_support(roles[i]);

		who = fixture_who(s.token.text);
		assert_true(grants_anywhere(&who.grants) == 0);
	}
}

static void
the_operators_loss_reaches_the_tenants_cache_by_itself(void **state)
{
	struct support s = open_support("viewer");
	int64_t start;
	struct principal who;
	struct err e;
	int rc;

	(void)state;
	(void)fixture_who(s.token.text);
	fixture_sql("update wardian.tenant_user set disabled_at = now() where user_id = '%s'",
	    fixture_text(s.operator_id));
	fixture_bump(tenant_platform_id);
	start = clock_mono_ms();
	do
		rc = fixture_try(s.token.text, &who, &e);
	while (rc == 0 && clock_mono_ms() - start < 5000);
	assert_int_equal(rc, -1);
	assert_in_range(clock_mono_ms() - start, 0, TENANTS_REVOKE_MS);
}

static int
clean(void **state)
{
	(void)state;
	arena_reset(fx.mem);
	return 0;
}

#define TEST(fn) cmocka_unit_test_setup(fn, clean)

static const struct CMUnitTest tests[] = {
	TEST(a_token_is_its_key_within_its_scopes),
	TEST(a_token_may_what_its_key_may_now),
	TEST(a_token_dies_with_what_is_behind_it),
	TEST(a_token_ends_with_the_text_of_the_key_that_it_was_got_for),
	TEST(a_token_that_was_given_back_is_refused_and_no_other),
	TEST(a_token_that_another_key_signed_is_refused),
	TEST(claims_that_do_not_fit_are_refused),
	TEST(a_token_with_a_changed_byte_is_refused),
	TEST(a_key_is_registered_once_and_retires_the_nodes_former_ones),
	TEST(a_retired_key_is_accepted_until_its_last_token_has_expired),
	TEST(a_key_that_is_removed_ends_its_tokens),
	TEST(the_published_keys_verify_what_is_issued),
	TEST(a_support_token_opens_the_tenant_with_the_role_of_the_access),
	TEST(support_as_admin_leaves_no_access_behind),
	TEST(a_support_access_ends_in_many_ways),
	TEST(a_role_that_a_customer_cannot_have_gives_support_nothing),
	TEST(the_operators_loss_reaches_the_tenants_cache_by_itself),
};

int
main(void)
{
	int rc;

	fixture_open();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	fixture_close();
	return rc;
}
