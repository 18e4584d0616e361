/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's own tokens: what libjwt makes is what our verifier takes. */
#include "jwt_rig.h"

#include "json.h"

#include <openssl/param_build.h>
#include <openssl/pem.h>

#include <pthread.h>

static struct jwt_signer *
made(char pem[static JWT_PEM_SIZE])
{
	struct jwt_signer *s = NULL;
	struct err e = { 0 };

	must(jwt_signer_make(pem, &s, &e));
	return s;
}

static struct jwt_signer *
some_signer(void)
{
	char pem[JWT_PEM_SIZE];

	return made(pem);
}

static struct jws_keys *
keys_of(const struct jwt_signer *s)
{
	struct jws_keys *set = NULL;
	struct err e = { 0 };

	must(jwt_signer_keys(&s, 1, &set, &e));
	return set;
}

static const struct jwt_text_claim texts[] = { { "scope", "job:read job:submit" },
	{ "tenant", "ten_01jd0000000000000000000000" } };
static const struct jwt_claims claims = { .issuer = RIG_ISSUER,
	.audience = "wardian",
	.subject = "usr_1",
	.id = "t1",
	.issued_s = RIG_NOW_S,
	.not_before_s = RIG_NOW_S - 5,
	.expires_s = RIG_NOW_S + 3600,
	.texts = texts,
	.n_texts = ARRAY_LEN(texts) };

static void
what_is_issued_is_taken_by_our_verifier(void **state)
{
	struct jwt_signer *s = some_signer();
	struct jws_keys *set = keys_of(s);
	struct jwt_token *t;
	char text[JWT_SIZE];
	const char *claim;
	int64_t time;
	struct err e = { 0 };

	(void)state;
	must(jwt_issue(s, &claims, text, &e));
	assert_string_equal(rig_why(set, &rig_rules, text, strlen(text)), "");
	must(jwt_read(text, strlen(text), &t, NULL, &e));
	assert_string_equal(jwt_alg_name(t), "ES256");
	assert_string_equal(jwt_type(t), "at+jwt");
	assert_string_equal(jwt_kid(t), jwt_signer_kid(s));
	assert_string_equal(jwt_issuer(t), RIG_ISSUER);
	assert_string_equal(jwt_subject(t), "usr_1");
	assert_string_equal(jwt_id(t), "t1");
	assert_int_equal(jwt_audience_count(t), 1);
	assert_true(jwt_has_audience(t, "wardian"));
	assert_true(json_get_text(jwt_claim(t, "scope"), &claim));
	assert_string_equal(claim, "job:read job:submit");
	assert_true(json_get_text(jwt_claim(t, "tenant"), &claim));
	assert_string_equal(claim, "ten_01jd0000000000000000000000");
	assert_true(json_get_i64(jwt_claim(t, "iat"), &time));
	assert_int_equal(time, RIG_NOW_S);
	assert_true(json_get_i64(jwt_claim(t, "nbf"), &time));
	assert_int_equal(time, RIG_NOW_S - 5);
	assert_true(jwt_expires_s(t, &time));
	assert_int_equal(time, RIG_NOW_S + 3600);
	jwt_token_free(t);
	jws_keys_free(set);
	jwt_signer_free(s);
}

/* A half of a signature is shorter than 32 bytes once in 128 tokens, and must be filled up. */
static void
every_one_of_many_tokens_is_taken(void **state)
{
	struct jwt_signer *s = some_signer();
	struct jws_keys *set = keys_of(s);
	char text[JWT_SIZE];
	struct err e = { 0 };

	(void)state;
	for (int i = 0; i < 1000; i++) {
		must(jwt_issue(s, &claims, text, &e));
		assert_string_equal(rig_why(set, &rig_rules, text, strlen(text)), "");
	}
	jws_keys_free(set);
	jwt_signer_free(s);
}

static void
a_key_that_was_kept_signs_as_before(void **state)
{
	char pem[JWT_PEM_SIZE], text[JWT_SIZE];
	struct jwt_signer *first = made(pem), *second = NULL;
	struct jws_keys *set = keys_of(first);
	struct err e = { 0 };

	(void)state;
	assert_memory_equal(pem, "-----BEGIN PRIVATE KEY-----\n", 28);
	must(jwt_signer_load(pem, &second, &e));
	assert_string_equal(jwt_signer_kid(second), jwt_signer_kid(first));
	must(jwt_issue(second, &claims, text, &e));
	assert_string_equal(rig_why(set, &rig_rules, text, strlen(text)), "");
	jws_keys_free(set);
	jwt_signer_free(first);
	jwt_signer_free(second);
}

/* A PEM text of the key; traditional: in the older form of SEC 1. */
static void
write_pem(EVP_PKEY *pkey, bool traditional, char out[static 4096])
{
	BIO *bio = BIO_new(BIO_s_mem());
	int n;

	assert_int_equal(
	    traditional ? PEM_write_bio_PrivateKey_traditional(bio, pkey, NULL, NULL, 0, NULL, NULL)
			: PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL),
	    1);
	n = BIO_read(bio, out, 4095);
	assert_true(n > 0);
	out[n] = '\0';
	BIO_free(bio);
}

/* The key of RFC 7515 appendix A.3. */
static EVP_PKEY *
published_key(void)
{
	static const char numbers[3][44] = { "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
		"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
		"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI" };
	OSSL_PARAM_BLD *params = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	uint8_t bytes[1 + 3 * 32] = { 4 };
	OSSL_PARAM *list;
	EVP_PKEY *pkey = NULL;
	BIGNUM *d;
	size_t n;

	for (size_t i = 0; i < 3; i++)
		assert_true(base64_decode(BASE64_URL, numbers[i], 43, bytes + 1 + 32 * i, 32, &n));
	d = BN_bin2bn(bytes + 65, 32, NULL);
	assert_int_equal(OSSL_PARAM_BLD_push_utf8_string(params, "group", "P-256", 0), 1);
	assert_int_equal(OSSL_PARAM_BLD_push_octet_string(params, "pub", bytes, 65), 1);
	assert_int_equal(OSSL_PARAM_BLD_push_BN(params, "priv", d), 1);
	list = OSSL_PARAM_BLD_to_param(params);
	assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
	assert_int_equal(EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_KEYPAIR, list), 1);
	OSSL_PARAM_free(list);
	OSSL_PARAM_BLD_free(params);
	EVP_PKEY_CTX_free(ctx);
	BN_free(d);
	return pkey;
}

/* Thumbprint computed apart from this code. */
static void
the_name_of_a_key_is_its_thumbprint(void **state)
{
	EVP_PKEY *pkey = published_key();
	AUTO_BUF b = { 0 };
	struct json_out o;

	(void)state;
	for (int traditional = 0; traditional < 2; traditional++) {
		struct jwt_signer *s = NULL;
		struct err e = { 0 };
		char pem[4096];

		write_pem(pkey, traditional, pem);
		must(jwt_signer_load(pem, &s, &e));
		assert_string_equal(
		    jwt_signer_kid(s), "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U");
		buf_init(&b, 1024);
		json_out_init(&o, &b);
		jwt_signer_print_jwk(s, &o);
		assert_string_equal(b.p,
		    "{\"kty\":\"EC\",\"use\":\"sig\",\"alg\":\"ES256\","
		    "\"kid\":\"oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U\",\"crv\":\"P-256\","
		    "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
		    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}");
		buf_done(&b);
		jwt_signer_free(s);
	}
	EVP_PKEY_free(pkey);
}

static void
a_key_of_another_kind_is_refused(void **state)
{
	EVP_PKEY *others[] = { EVP_EC_gen("P-384"), EVP_EC_gen("secp256k1"), EVP_RSA_gen(2048),
		EVP_PKEY_Q_keygen(NULL, NULL, "ED25519") };
	static const char *const texts_of_none[] = { "", "x",
		"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
		"-----BEGIN PRIVATE KEY-----\nMIG\n-----END PRIVATE KEY-----\n" };
	struct jwt_signer *s = NULL;
	struct err e = { 0 };
	char pem[4096];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		write_pem(others[i], false, pem);
		assert_int_equal(jwt_signer_load(pem, &s, &e), -1);
		assert_int_equal(e.code, ERR_CONF);
		EVP_PKEY_free(others[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(texts_of_none); i++) {
		assert_int_equal(jwt_signer_load(texts_of_none[i], &s, &e), -1);
		assert_int_equal(e.code, ERR_CONF);
	}
	assert_null(s);
}

/* OpenSSL would ask for the pass phrase at the terminal. */
static void
an_encrypted_key_is_refused_without_a_question(void **state)
{
	EVP_PKEY *pkey = published_key();
	BIO *bio = BIO_new(BIO_s_mem());
	struct jwt_signer *s = NULL;
	struct err e = { 0 };
	char pem[4096];
	int n;

	(void)state;
	assert_int_equal(
	    PEM_write_bio_PKCS8PrivateKey(bio, pkey, EVP_aes_128_cbc(), "secret", 6, NULL, NULL),
	    1);
	n = BIO_read(bio, pem, sizeof(pem) - 1);
	assert_true(n > 0);
	pem[n] = '\0';
	assert_int_equal(jwt_signer_load(pem, &s, &e), -1);
	assert_int_equal(e.code, ERR_CONF);
	BIO_free(bio);
	EVP_PKEY_free(pkey);
}

static void
tokens_of_rotated_keys_are_taken_while_the_set_holds_them(void **state)
{
	const struct jwt_signer *signers[3] = { some_signer(), some_signer(), some_signer() };
	struct jws_keys *two = NULL;
	char text[JWT_SIZE];
	struct err e = { 0 };

	(void)state;
	must(jwt_signer_keys(signers, 2, &two, &e));
	assert_int_equal(jws_keys_count(two), 2);
	for (size_t i = 0; i < 3; i++) {
		must(jwt_issue(signers[i], &claims, text, &e));
		assert_string_equal(
		    rig_why(two, &rig_rules, text, strlen(text)), i < 2 ? "" : "kid");
	}
	/* The set outlives its signers. */
	must(jwt_issue(signers[0], &claims, text, &e));
	for (size_t i = 0; i < 3; i++)
		jwt_signer_free((struct jwt_signer *)signers[i]);
	assert_string_equal(rig_why(two, &rig_rules, text, strlen(text)), "");
	jws_keys_free(two);
}

static void
claims_that_cannot_be_written_are_told(void **state)
{
	static const struct jwt_text_claim twice[] = { { "sub", "root" } };
	struct jwt_signer *s = some_signer();
	struct jwt_claims bad = claims;
	char text[JWT_SIZE] = "untouched";
	struct err e = { 0 };

	(void)state;
	bad.subject = "\xff";
	assert_int_equal(jwt_issue(s, &bad, text, &e), -1);
	assert_int_equal(e.code, ERR_INTERNAL);
	bad = claims;
	bad.texts = twice;
	bad.n_texts = 1;
	assert_int_equal(jwt_issue(s, &bad, text, &e), -1);
	assert_int_equal(e.code, ERR_INTERNAL);
	assert_string_equal(text, "untouched");
	jwt_signer_free(s);
}

static void
a_token_that_would_be_too_long_is_refused(void **state)
{
	static char scope[JWT_SIZE];
	struct jwt_text_claim long_claim = { "scope", scope };
	struct jwt_signer *s = some_signer();
	struct jws_keys *set = keys_of(s);
	struct jwt_claims c = claims;
	int taken = 0, refused = 0;
	char text[JWT_SIZE];
	struct err e = { 0 };

	(void)state;
	c.texts = &long_claim;
	c.n_texts = 1;
	memset(scope, 's', 2600);
	for (size_t n = 2600; n < 2800; n++) {
		scope[n] = 's';
		(void)snprintf(text, sizeof(text), "untouched");
		if (jwt_issue(s, &c, text, &e) == 0) {
			assert_string_equal(rig_why(set, &rig_rules, text, strlen(text)), "");
			assert_int_equal(refused, 0);
			taken++;
		} else {
			assert_int_equal(e.code, ERR_TOO_LARGE);
			assert_string_equal(text, "untouched");
			refused++;
		}
	}
	assert_true(taken > 0);
	assert_true(refused > 0);
	jws_keys_free(set);
	jwt_signer_free(s);
}

struct shared {
	struct jwt_signer *signer;
	struct jws_keys *set;
};

static void *
issue_and_read(void *arg)
{
	struct shared *shared = arg;
	uintptr_t bad = 0;

	for (int i = 0; i < 50; i++) {
		struct jwt_token *mine = NULL;
		struct err e = { 0 };
		char text[JWT_SIZE];

		if (jwt_issue(shared->signer, &claims, text, &e) < 0 ||
		    jwt_read(text, strlen(text), &mine, NULL, &e) < 0 ||
		    jwt_verify(mine, shared->set, NULL, &e) < 0 ||
		    jwt_check_claims(mine, &rig_rules, NULL, &e) < 0)
			bad++;
		jwt_token_free(mine);
	}
	return (void *)bad;
}

static void
several_threads_share_a_signer_and_a_set(void **state)
{
	struct shared shared = { .signer = some_signer() };
	pthread_t threads[4];

	(void)state;
	shared.set = keys_of(shared.signer);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, issue_and_read, &shared), 0);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		void *bad;

		assert_int_equal(pthread_join(threads[i], &bad), 0);
		assert_null(bad);
	}
	jws_keys_free(shared.set);
	jwt_signer_free(shared.signer);
}

static int
start(void **state)
{
	(void)state;
	json_start();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_issued_is_taken_by_our_verifier),
		cmocka_unit_test(every_one_of_many_tokens_is_taken),
		cmocka_unit_test(a_key_that_was_kept_signs_as_before),
		cmocka_unit_test(the_name_of_a_key_is_its_thumbprint),
		cmocka_unit_test(a_key_of_another_kind_is_refused),
		cmocka_unit_test(an_encrypted_key_is_refused_without_a_question),
		cmocka_unit_test(tokens_of_rotated_keys_are_taken_while_the_set_holds_them),
		cmocka_unit_test(claims_that_cannot_be_written_are_told),
		cmocka_unit_test(a_token_that_would_be_too_long_is_refused),
		cmocka_unit_test(several_threads_share_a_signer_and_a_set),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
