/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens that are taken, what is read from them, and where their limits lie. */
#include "jwt_rig.h"

#include "json.h"
#include "jws_internal.h"

static struct rig rig;
static char text[RIG_TEXT_SIZE];

static struct jwt_token *
read_payload(const char *payload)
{
	struct jwt_token *t = NULL;
	struct err e = { 0 };
	size_t n = rig_token(&rig.keys[RIG_EDDSA],
	    "{\"alg\":\"EdDSA\",\"kid\":\"eddsa\",\"typ\":\"at+jwt\"}", payload, text);

	must(jwt_read(text, n, &t, NULL, &e));
	return t;
}

static const char *
why_of(const char *payload)
{
	size_t n = rig_token(&rig.keys[RIG_EDDSA],
	    "{\"alg\":\"EdDSA\",\"kid\":\"eddsa\",\"typ\":\"at+jwt\"}", payload, text);

	return rig_why(rig.set, &rig_rules, text, n);
}

static void
a_token_of_each_algorithm_is_taken(void **state)
{
	(void)state;
	for (enum rig_kid key = 0; key < RIG_KEYS; key++) {
		/* Many: the halves of an ECDSA signature begin with zero bytes now and then. */
		for (int i = 0; i < (key == RIG_ES256 ? 600 : 3); i++) {
			char head[128];
			size_t n;

			(void)snprintf(head, sizeof(head),
			    "{\"alg\":\"%s\",\"kid\":\"%s\",\"typ\":\"at+jwt\"}", rig.keys[key].alg,
			    rig.keys[key].kid);
			n = rig_token(&rig.keys[key], head, RIG_PAYLOAD, text);
			assert_string_equal(rig_why(rig.set, &rig_rules, text, n), "");
		}
	}
}

/* RFC 7515 appendices A.2 and A.3, RFC 8037 appendix A.4; their headers name no key, so the
 * signatures are checked below jwt_verify. */
static void
the_examples_of_the_standards_verify(void **state)
{
	static const char claims[] =
	    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
	    "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
	static const struct {
		const char *jwk, *head, *payload, *sig;
	} examples[] = {
		{ "{\"kty\":\"RSA\",\"kid\":\"a\",\"alg\":\"RS256\",\"e\":\"AQAB\",\"n\":\""
		  "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJ"
		  "PMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0"
		  "LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uD"
		  "Zlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2"
		  "PAcDTW9gb54h4FRWyuXpoQ\"}",
		    "eyJhbGciOiJSUzI1NiJ9", claims,
		    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_"
		    "lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO7"
		    "5vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOk"
		    "HWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWy"
		    "wlVmtVrBp0igcN_IoypGlUPQGe77Rw" },
		{ "{\"kty\":\"EC\",\"kid\":\"a\",\"crv\":\"P-256\","
		  "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
		  "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}",
		    "eyJhbGciOiJFUzI1NiJ9", claims,
		    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3"
		    "-Kg6NU1Q" },
		{ "{\"kty\":\"OKP\",\"kid\":\"a\",\"crv\":\"Ed25519\","
		  "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
		    "eyJhbGciOiJFZERTQSJ9", "RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
		    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr"
		    "_MuM0KAg" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(examples); i++) {
		char jwks[2048], input[256];
		uint8_t sig[512];
		struct jws_keys *set;
		struct jws_bytes data = { input, 0 }, made = { sig, 0 };
		struct err e = { 0 };
		int n = snprintf(jwks, sizeof(jwks), "{\"keys\":[%s]}", examples[i].jwk);

		must(jws_keys_parse_text(jwks, (size_t)n, &set, &e));
		data.n = (size_t)snprintf(
		    input, sizeof(input), "%s.%s", examples[i].head, examples[i].payload);
		assert_true(base64_decode(BASE64_URL, examples[i].sig, strlen(examples[i].sig), sig,
		    sizeof(sig), &made.n));
		assert_int_equal(jws_key_verify(jws_keys_find(set, "a"), &data, &made, &e), 0);
		input[3] ^= 1;
		assert_int_equal(jws_key_verify(jws_keys_find(set, "a"), &data, &made, &e), 1);
		jws_keys_free(set);
	}
}

static void
what_a_token_says_is_read(void **state)
{
	struct jwt_token *t = read_payload(
	    "{\"iss\":\"i\",\"sub\":\"s\",\"jti\":\"j\",\"aud\":[\"a\",\"b\"],\"exp\":12}");
	uint8_t digest[AUTH_SHA256_SIZE];
	int64_t exp;

	(void)state;
	assert_string_equal(jwt_kid(t), "eddsa");
	assert_string_equal(jwt_alg_name(t), "EdDSA");
	assert_string_equal(jwt_type(t), "at+jwt");
	assert_string_equal(jwt_issuer(t), "i");
	assert_string_equal(jwt_subject(t), "s");
	assert_string_equal(jwt_id(t), "j");
	assert_true(jwt_expires_s(t, &exp));
	assert_int_equal(exp, 12);
	assert_int_equal(jwt_audience_count(t), 2);
	assert_string_equal(jwt_audience(t, 0), "a");
	assert_string_equal(jwt_audience(t, 1), "b");
	assert_true(jwt_has_audience(t, "b"));
	assert_false(jwt_has_audience(t, "c"));
	auth_sha256(text, strlen(text), digest);
	assert_memory_equal(jwt_digest(t), digest, sizeof(digest));
	jwt_token_free(t);
}

static void
what_a_token_does_not_say_is_empty(void **state)
{
	static const char *const payloads[] = { "{}",
		"{\"iss\":1,\"sub\":[],\"jti\":{},\"aud\":7,\"exp\":\"1\"}",
		"{\"iss\":null,\"aud\":[1]}", "{\"aud\":[]}", "{\"aud\":{\"a\":\"b\"}}" };
	int64_t exp = 99;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(payloads); i++) {
		struct jwt_token *t = read_payload(payloads[i]);

		assert_string_equal(jwt_issuer(t), "");
		assert_string_equal(jwt_subject(t), "");
		assert_string_equal(jwt_id(t), "");
		assert_false(jwt_expires_s(t, &exp));
		assert_int_equal(exp, 99);
		assert_int_equal(jwt_audience_count(t), 0);
		assert_false(jwt_has_audience(t, ""));
		jwt_token_free(t);
	}
}

static void
a_claim_is_found_by_its_path(void **state)
{
	static const struct {
		const char *path, *want; /* want: NULL when there is none */
	} rows[] = {
		{ "a", "1" },
		{ "realm.roles", "2" },
		{ "https://x.example/roles", "3" }, /* a name with dots */
		{ "https://x.example/map.deep", "4" },
		{ "p.q.r", "5" }, /* {"p.q": {"r": ..}} */
		{ "u.v", "6" },   /* "u.v" goes before {"u": {"v": ..}} */
		{ "k.l.m", "8" }, /* {"k.l": {}} has no m, {"k": {"l": {"m": ..}}} has */
		{ ".", "9" },
		{ "e.", "10" },
		{ "", "11" },
		{ "b", NULL },
		{ "a.b", NULL },
		{ "realm", "object" },
		{ "realm.", NULL },
		{ ".realm", NULL },
		{ "realm..roles", NULL },
		{ "list.0", NULL },
		{ "realm.roles.x", NULL },
	};
	struct jwt_token *t = read_payload(
	    "{\"a\":\"1\",\"realm\":{\"roles\":\"2\"},\"https://x.example/roles\":\"3\","
	    "\"https://x.example/map\":{\"deep\":\"4\"},\"p.q\":{\"r\":\"5\"},\"u.v\":\"6\","
	    "\"u\":{\"v\":\"7\"},\"k.l\":{},\"k\":{\"l\":{\"m\":\"8\"}},\".\":\"9\","
	    "\"e\":{\"\":\"10\"},\"\":\"11\",\"list\":[\"12\"]}");
	char path[300];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct json_value *v = jwt_claim(t, rows[i].path);
		const char *got = NULL;

		if ((v == NULL) != (rows[i].want == NULL))
			fail_msg("'%s' was %sfound", rows[i].path, v == NULL ? "not " : "");
		if (v != NULL && json_get_text(v, &got))
			assert_string_equal(got, rows[i].want);
		else if (v != NULL)
			assert_string_equal("object", rows[i].want);
	}
	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_null(jwt_claim(t, path));
	memset(path, '.', sizeof(path) - 1);
	assert_null(jwt_claim(t, path));
	path[256] = '\0';
	assert_null(jwt_claim(t, path));
	jwt_token_free(t);
}

/* Objects nested as deep as a document may be, all of whose names hold dots: the search ends. */
static void
a_path_through_names_with_dots_costs_little(void **state)
{
	char payload[4096], path[257];
	size_t n = 0;
	struct jwt_token *t;

	(void)state;
	for (int depth = 0; depth < JSON_MAX_DEPTH; depth++)
		n += (size_t)snprintf(payload + n, sizeof(payload) - n,
		    "{\".\":1,\"..\":2,\"...\":3,\"....\":4,\"\":%s",
		    depth + 1 == JSON_MAX_DEPTH ? "5" : "");
	memset(payload + n, '}', JSON_MAX_DEPTH);
	payload[n + JSON_MAX_DEPTH] = '\0';
	t = read_payload(payload);
	memset(path, '.', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_null(jwt_claim(t, path));
	jwt_token_free(t);
}

static void
types_are_compared_as_media_types(void **state)
{
	static const char *const accepted[] = { "at+jwt", "AT+JWT", "application/at+jwt",
		"Application/At+Jwt", "" };
	static const char *const both[] = { "application/at+jwt", "", NULL };
	struct jwt_rules rules = rig_rules;
	char head[128];

	(void)state;
	rules.types = both;
	for (size_t i = 0; i < ARRAY_LEN(accepted); i++) {
		size_t n;

		(void)snprintf(head, sizeof(head),
		    "{\"alg\":\"EdDSA\",\"kid\":\"eddsa\",\"typ\":\"%s\"}", accepted[i]);
		n = rig_token(&rig.keys[RIG_EDDSA], head, RIG_PAYLOAD, text);
		assert_string_equal(rig_why(rig.set, &rules, text, n), "");
	}
	assert_string_equal(rig_why(rig.set, &rules, text,
				rig_token(&rig.keys[RIG_EDDSA],
				    "{\"alg\":\"EdDSA\",\"kid\":\"eddsa\"}", RIG_PAYLOAD, text)),
	    "");
}

/* Even where a token without a type is taken. */
static void
other_types_are_refused_whatever_is_accepted(void **state)
{
	static const char *const accepted[] = { "text/x", "", NULL };
	static const char *const types[] = { "1", "null", "{}", "\"application/text/x\"", "\"x\"",
		"\"application/x\"" };
	struct jwt_rules rules = rig_rules;
	char head[128];

	(void)state;
	rules.types = accepted;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		size_t n;

		(void)snprintf(head, sizeof(head),
		    "{\"alg\":\"EdDSA\",\"kid\":\"eddsa\",\"typ\":%s}", types[i]);
		n = rig_token(&rig.keys[RIG_EDDSA], head, RIG_PAYLOAD, text);
		assert_string_equal(rig_why(rig.set, &rules, text, n), "typ");
	}
}

/* Whoever asks for the issuer's keys may log the name. */
static void
a_name_of_a_key_is_plain_before_anything_is_verified(void **state)
{
	static const char head[] = "{\"alg\":\"EdDSA\",\"kid\":\"a b\",\"typ\":\"at+jwt\"}";
	struct jwt_token *t = NULL;
	const char *why = "";
	struct err e = { 0 };
	size_t n = rig_token(&rig.keys[RIG_EDDSA], head, RIG_PAYLOAD, text);

	(void)state;
	assert_int_equal(jwt_read(text, n, &t, &why, &e), -1);
	assert_string_equal(why, "kid");
	assert_null(t);
}

#define CLAIMS "{\"iss\":\"" RIG_ISSUER "\",\"aud\":[\"x\",\"wardian\"],\"sub\":\"a\","

static void
times_are_taken_up_to_their_limits(void **state)
{
	static const char *const rows[][2] = {
		{ CLAIMS "\"exp\":1699999941}", "" },
		{ CLAIMS "\"exp\":1699999940}", "expired" },
		{ CLAIMS "\"exp\":1700086400}", "" },
		{ CLAIMS "\"exp\":1700086401}", "lifetime" },
		{ CLAIMS "\"exp\":1700086460,\"iat\":1700000060}", "" },
		{ CLAIMS "\"exp\":1700086461,\"iat\":1700000060}", "lifetime" },
		{ CLAIMS "\"exp\":1700000001,\"iat\":1699913601}", "" },
		{ CLAIMS "\"exp\":1700000001,\"iat\":1699913600}", "lifetime" },
		{ CLAIMS "\"exp\":1700000001,\"iat\":1700000000}", "" },
		{ CLAIMS "\"exp\":1700000001,\"iat\":1700000001}", "lifetime" },
		{ CLAIMS "\"exp\":1700003600,\"nbf\":1700000060}", "" },
		{ CLAIMS "\"exp\":1700003600,\"nbf\":1700000061}", "not-before" },
		{ CLAIMS "\"exp\":1700003600,\"nbf\":0}", "" },
		{ CLAIMS "\"exp\":1700003600,\"iat\":1700000060}", "" },
		{ CLAIMS "\"exp\":1700003600,\"iat\":1700000061}", "issued-at" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(why_of(rows[i][0]), rows[i][1]) != 0)
			fail_msg("%s: not \"%s\"", rows[i][0], rows[i][1]);
}

static void
a_subject_of_255_bytes_is_taken(void **state)
{
	char payload[1024];

	(void)state;
	(void)snprintf(payload, sizeof(payload),
	    "{\"iss\":\"" RIG_ISSUER
	    "\",\"aud\":\"wardian\",\"exp\":1700003600,\"sub\":\"%0255d\"}",
	    1);
	assert_string_equal(why_of(payload), "");
	(void)snprintf(payload, sizeof(payload),
	    "{\"iss\":\"" RIG_ISSUER
	    "\",\"aud\":\"wardian\",\"exp\":1700003600,\"sub\":\"%0256d\"}",
	    1);
	assert_string_equal(why_of(payload), "subject");
}

static void
the_rules_are_those_of_the_caller(void **state)
{
	struct jwt_rules rules = rig_rules;
	static const char *const none[] = { NULL };
	size_t n = rig_token(&rig.keys[RIG_EDDSA],
	    "{\"alg\":\"EdDSA\",\"kid\":\"eddsa\",\"typ\":\"at+jwt\"}", RIG_PAYLOAD, text);

	(void)state;
	rules.types = none;
	assert_string_equal(rig_why(rig.set, &rules, text, n), "typ");
	rules = rig_rules;
	rules.lifetime_max_s = 3599;
	assert_string_equal(rig_why(rig.set, &rules, text, n), "lifetime");
	rules = rig_rules;
	rules.now_s = RIG_NOW_S + 3600;
	assert_string_equal(rig_why(rig.set, &rules, text, n), "");
	rules.leeway_s = 0;
	assert_string_equal(rig_why(rig.set, &rules, text, n), "expired");
	rules = rig_rules;
	rules.issuer = "https://other.example";
	assert_string_equal(rig_why(rig.set, &rules, text, n), "issuer");
	rules = rig_rules;
	rules.audience = "";
	assert_string_equal(rig_why(rig.set, &rules, text, n), "audience");
}

/* Anybody can turn an ECDSA signature (r, s) into (r, n - s): both texts are good, which is why no
 * list of refused tokens may be kept by digest. */
static void
a_second_signature_of_ecdsa_has_another_digest(void **state)
{
	BIGNUM *order = NULL, *s = BN_new();
	struct jwt_token *a, *b;
	struct err e = { 0 };
	uint8_t sig[RIG_SIG_MAX];
	const char head[] = "{\"alg\":\"ES256\",\"kid\":\"es256\",\"typ\":\"at+jwt\"}";
	EVP_PKEY *pkey = rig.keys[RIG_ES256].pkey;
	size_t n = rig_join(head, strlen(head), RIG_PAYLOAD, strlen(RIG_PAYLOAD), text), sig_n;

	(void)state;
	sig_n = rig_sign(pkey, rig_sign_of("ES256"), text, n, sig);
	must(jwt_read(text, rig_attach(text, n, sig, sig_n), &a, NULL, &e));
	assert_int_equal(EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_EC_ORDER, &order), 1);
	assert_non_null(BN_bin2bn(sig + 32, 32, s));
	assert_int_equal(BN_sub(s, order, s), 1);
	assert_int_equal(BN_bn2binpad(s, sig + 32, 32), 32);
	must(jwt_read(text, rig_attach(text, n, sig, sig_n), &b, NULL, &e));
	must(jwt_verify(a, rig.set, NULL, &e));
	must(jwt_verify(b, rig.set, NULL, &e));
	assert_memory_not_equal(jwt_digest(a), jwt_digest(b), AUTH_SHA256_SIZE);
	assert_string_equal(jwt_id(a), jwt_id(b));
	jwt_token_free(a);
	jwt_token_free(b);
	BN_free(order);
	BN_free(s);
}

static int
open_rig(void **state)
{
	(void)state;
	json_start();
	rig_open(&rig);
	return 0;
}

static int
close_rig(void **state)
{
	(void)state;
	rig_close(&rig);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_of_each_algorithm_is_taken),
		cmocka_unit_test(the_examples_of_the_standards_verify),
		cmocka_unit_test(what_a_token_says_is_read),
		cmocka_unit_test(what_a_token_does_not_say_is_empty),
		cmocka_unit_test(a_claim_is_found_by_its_path),
		cmocka_unit_test(a_path_through_names_with_dots_costs_little),
		cmocka_unit_test(types_are_compared_as_media_types),
		cmocka_unit_test(other_types_are_refused_whatever_is_accepted),
		cmocka_unit_test(a_name_of_a_key_is_plain_before_anything_is_verified),
		cmocka_unit_test(times_are_taken_up_to_their_limits),
		cmocka_unit_test(a_subject_of_255_bytes_is_taken),
		cmocka_unit_test(the_rules_are_those_of_the_caller),
		cmocka_unit_test(a_second_signature_of_ecdsa_has_another_digest),
	};

	return cmocka_run_group_tests(tests, open_rig, close_rig);
}
