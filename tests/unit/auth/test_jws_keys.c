/* SPDX-License-Identifier: Apache-2.0 */
/* JWK Sets: which keys are taken, and what is said about the others. */
#include "jwt_rig.h"

#include "json.h"
#include "jws_internal.h"

/* Keys of RFC 7515 appendices A.2 and A.3 and of RFC 8037 appendix A.2. */
#define RSA_N                                                                                      \
	"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt" \
	"0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSX" \
	"ndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5" \
	"IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"
#define EC_X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define EC_Y "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define ED_X "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"

#define RSA(more) "{\"kty\":\"RSA\",\"kid\":\"r\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\"" more "}"
#define RS256 ",\"alg\":\"RS256\""
#define EC(more)                                                                                   \
	"{\"kty\":\"EC\",\"kid\":\"e\",\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y         \
	"\"" more "}"
#define ED(more) "{\"kty\":\"OKP\",\"kid\":\"d\",\"crv\":\"Ed25519\",\"x\":\"" ED_X "\"" more "}"
#define SET(keys) "{\"keys\":[" keys "]}"

static struct jws_keys *
parsed(const char *text)
{
	struct jws_keys *set = NULL;
	struct err e = { 0 };

	must(jws_keys_parse_text(text, strlen(text), &set, &e));
	return set;
}

static char *
printed(const struct jws_keys *set)
{
	static char out[JWS_DOCUMENT_MAX];
	AUTO_BUF b = { 0 };
	struct json_out o;

	buf_init(&b, sizeof(out));
	json_out_init(&o, &b);
	jws_keys_print(set, &o);
	assert_false(b.failed);
	memcpy(out, b.p, b.n + 1);
	return out;
}

static void
each_kind_of_key_is_taken_with_its_algorithm(void **state)
{
	static const struct {
		const char *key;
		enum jws_alg alg;
	} rows[] = {
		{ RSA(RS256), JWS_RS256 },
		{ RSA(",\"alg\":\"RS384\""), JWS_RS384 },
		{ RSA(",\"alg\":\"RS512\""), JWS_RS512 },
		{ RSA(",\"alg\":\"PS256\""), JWS_PS256 },
		{ EC(""), JWS_ES256 },
		{ EC(",\"alg\":\"ES256\""), JWS_ES256 },
		{ ED(""), JWS_EDDSA },
		{ ED(",\"alg\":\"EdDSA\""), JWS_EDDSA },
		{ ED(",\"alg\":\"Ed25519\""), JWS_EDDSA },
		/* members that are none of ours */
		{ EC(",\"use\":\"sig\",\"key_ops\":[\"verify\"],\"x5t\":\"a\",\"x5c\":[\"b\"],"
		     "\"issuer\":\"c\",\"exp\":1"),
		    JWS_ES256 },
		/* e of 3 and of 2^32 - 1 */
		{ "{\"kty\":\"RSA\",\"kid\":\"r\",\"n\":\"" RSA_N "\",\"e\":\"Aw\"" RS256 "}",
		    JWS_RS256 },
		{ "{\"kty\":\"RSA\",\"kid\":\"r\",\"n\":\"" RSA_N "\",\"e\":\"_____w\"" RS256 "}",
		    JWS_RS256 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[4096];
		struct jws_keys *set;

		(void)snprintf(text, sizeof(text), SET("%s"), rows[i].key);
		set = parsed(text);
		assert_int_equal(jws_keys_count(set), 1);
		assert_int_equal(jws_keys_alg(set, 0), rows[i].alg);
		assert_true(jws_keys_has(set, jws_keys_kid(set, 0)));
		assert_false(jws_keys_has(set, "x"));
		jws_keys_free(set);
	}
}

static void
what_is_printed_reads_back_to_the_same_set(void **state)
{
	struct rig rig;
	struct jws_keys *again;
	char *first;

	(void)state;
	rig_open(&rig);
	first = strdup(printed(rig.set));
	assert_non_null(first);
	again = parsed(first);
	assert_string_equal(printed(again), first);
	assert_int_equal(jws_keys_count(again), RIG_KEYS);
	for (size_t i = 0; i < RIG_KEYS; i++) {
		assert_string_equal(jws_keys_kid(again, i), rig.keys[i].kid);
		assert_string_equal(jws_alg_name(jws_keys_alg(again, i)), rig.keys[i].alg);
	}
	jws_keys_free(again);
	free(first);
	rig_close(&rig);
}

static void
a_printed_key_holds_the_public_members_in_order(void **state)
{
	struct jws_keys *set = parsed(SET(ED(",\"x5t\":\"a\"") "," EC(",\"use\":\"sig\"")));

	(void)state;
	assert_string_equal(
	    printed(set), SET("{\"kty\":\"OKP\",\"use\":\"sig\",\"alg\":\"EdDSA\",\"kid\":\"d\","
			      "\"crv\":\"Ed25519\",\"x\":\"" ED_X "\"},"
			      "{\"kty\":\"EC\",\"use\":\"sig\",\"alg\":\"ES256\",\"kid\":\"e\","
			      "\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}"));
	jws_keys_free(set);
}

static void
keys_for_encryption_are_left_out(void **state)
{
	struct jws_keys *set =
	    parsed(SET("{\"kty\":\"RSA\",\"kid\":\"x\",\"use\":\"enc\","
		       "\"alg\":\"RSA-OAEP\",\"n\":\"AQ\",\"e\":\"AQAB\"},"
		       "{\"kty\":\"OKP\",\"crv\":\"X25519\",\"use\":\"enc\"}," EC("")));

	(void)state;
	assert_int_equal(jws_keys_count(set), 1);
	assert_string_equal(jws_keys_kid(set, 0), "e");
	jws_keys_free(set);
}

static void
the_largest_set_prints_within_its_limit(void **state)
{
	static char text[2 * JWS_DOCUMENT_MAX];
	char number[1367], kid[JWS_KID_MAX + 1];
	uint8_t bytes[JWS_NUMBER_MAX];
	size_t n = (size_t)snprintf(text, sizeof(text), "{\"keys\":[");
	struct jws_keys *set;

	(void)state;
	memset(bytes, 0xff, sizeof(bytes));
	(void)base64_encode(BASE64_URL, bytes, sizeof(bytes), number);
	for (int i = 0; i < JWS_KEYS_MAX; i++) {
		(void)snprintf(kid, sizeof(kid), "%0*d", JWS_KID_MAX, i);
		n += (size_t)snprintf(text + n, sizeof(text) - n,
		    "%s{\"kty\":\"RSA\",\"kid\":\"%s\",\"alg\":\"PS256\",\"n\":\"%s\","
		    "\"e\":\"_____w\"}",
		    i == 0 ? "" : ",", kid, number);
	}
	(void)snprintf(text + n, sizeof(text) - n, "]}");
	set = parsed(text);
	assert_int_equal(jws_keys_count(set), JWS_KEYS_MAX);
	assert_true(strlen(printed(set)) < JWS_DOCUMENT_MAX);
	jws_keys_free(set);
}

/* --- refusals ------------------------------------------------------------------------------- */

struct refusal {
	const char *text, *pointer, *part; /* of the message */
};

#define RSA_OF(n, e) "{\"kty\":\"RSA\",\"kid\":\"r\",\"n\":\"" n "\",\"e\":\"" e "\"" RS256 "}"
#define EC_OF(crv, x, y)                                                                           \
	"{\"kty\":\"EC\",\"kid\":\"e\",\"crv\":\"" crv "\",\"x\":\"" x "\",\"y\":\"" y "\"}"
#define ED_OF(x) "{\"kty\":\"OKP\",\"kid\":\"d\",\"crv\":\"Ed25519\",\"x\":\"" x "\"}"
#define ZEROS "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static const struct refusal refusals[] = {
	{ "[]", "/keys", "array of 1 to 16" },
	{ "{}", "/keys", "array of 1 to 16" },
	{ EC(""), "/keys", "array of 1 to 16" },
	{ "{\"keys\":{}}", "/keys", "array of 1 to 16" },
	{ "{\"keys\":null}", "/keys", "array of 1 to 16" },
	{ SET(""), "/keys", "must hold a key" },
	{ SET("1"), "/keys/0", "must be an object" },
	{ SET(EC("") ",\"x\""), "/keys/1", "must be an object" },
	{ SET("{\"kty\":\"RSA\",\"use\":\"enc\"}"), "/keys", "must hold a key" },

	{ SET("{}"), "/keys/0/kty", "must be \"RSA\"" },
	{ SET("{\"kty\":1}"), "/keys/0/kty", "must be \"RSA\"" },
	{ SET("{\"kty\":\"rsa\"}"), "/keys/0/kty", "must be \"RSA\"" },
	{ SET("{\"kty\":\"oct\",\"kid\":\"o\"}"), "/keys/0/kty", "shared secret" },
	{ SET("{\"kty\":\"oct\",\"kid\":\"o\",\"k\":\"AA\"}"), "/keys/0/k", "secret key" },
	{ SET(EC("") ",{\"kty\":\"oct\",\"use\":\"enc\",\"k\":\"AA\"}"), "/keys/1/k",
	    "secret key" },
	{ SET(EC(",\"d\":\"AQ\"")), "/keys/0/d", "secret key" },
	{ SET(EC(",\"d\":null")), "/keys/0/d", "secret key" },
	{ SET(RSA(RS256 ",\"d\":\"AQ\"")), "/keys/0/d", "only its public half" },
	{ SET(RSA(RS256 ",\"qi\":\"AQ\"")), "/keys/0/qi", "make a new key" },
	{ SET(RSA(RS256 ",\"oth\":[]")), "/keys/0/oth", "secret key" },
	{ SET(EC(",\"use\":\"enc\",\"d\":\"AQ\"")), "/keys/0/d", "secret key" },

	{ SET(EC(",\"use\":\"tls\"")), "/keys/0/use", "must be \"sig\"" },
	{ SET(EC(",\"use\":1")), "/keys/0/use", "must be \"sig\"" },
	{ SET(EC(",\"key_ops\":[\"sign\"]")), "/keys/0/key_ops", "\"verify\"" },
	{ SET(EC(",\"key_ops\":\"verify\"")), "/keys/0/key_ops", "\"verify\"" },
	{ SET(EC(",\"key_ops\":[]")), "/keys/0/key_ops", "\"verify\"" },

	{ SET("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" ED_X "\"}"), "/keys/0/kid",
	    "must name the key" },
	{ SET("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" ED_X "\",\"kid\":1}"), "/keys/0/kid",
	    "must name the key" },
	{ SET("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" ED_X "\",\"kid\":\"a b\"}"),
	    "/keys/0/kid", "1 to 128 letters" },
	{ SET(EC("") "," EC("")), "/keys/1/kid", "earlier key" },

	{ SET(RSA("")), "/keys/0/alg", "\"RS256\" (most do)" },
	{ SET(RSA(",\"alg\":\"rs256\"")), "/keys/0/alg", "\"RS256\"" },
	{ SET(RSA(",\"alg\":\"HS256\"")), "/keys/0/alg", "\"RS256\"" },
	{ SET(RSA(",\"alg\":\"none\"")), "/keys/0/alg", "\"RS256\"" },
	{ SET(RSA(",\"alg\":\"ES256\"")), "/keys/0/alg", "\"RS256\"" },
	{ SET(RSA(",\"alg\":1")), "/keys/0/alg", "\"RS256\"" },
	{ SET(EC(",\"alg\":\"ES384\"")), "/keys/0/alg", "\"ES256\"" },
	{ SET(EC(",\"alg\":\"HS256\"")), "/keys/0/alg", "\"ES256\"" },
	{ SET(EC(",\"alg\":null")), "/keys/0/alg", "\"ES256\"" },
	{ SET(ED(",\"alg\":\"ES256\"")), "/keys/0/alg", "\"EdDSA\"" },

	{ SET(EC_OF("P-521", EC_X, EC_Y)), "/keys/0/crv", "\"P-256\" or \"P-384\"" },
	{ SET(EC_OF("p-256", EC_X, EC_Y)), "/keys/0/crv", "\"P-256\" or \"P-384\"" },
	{ SET(EC_OF("secp256k1", EC_X, EC_Y)), "/keys/0/crv", "\"P-256\" or \"P-384\"" },
	{ SET(EC_OF("Ed25519", EC_X, EC_Y)), "/keys/0/crv", "\"P-256\" or \"P-384\"" },
	{ SET("{\"kty\":\"EC\",\"kid\":\"e\"}"), "/keys/0/crv", "\"P-256\" or \"P-384\"" },
	{ SET("{\"kty\":\"OKP\",\"kid\":\"e\",\"crv\":\"Ed448\"}"), "/keys/0/crv", "\"Ed25519\"" },
	{ SET("{\"kty\":\"OKP\",\"kid\":\"e\",\"crv\":\"X25519\"}"), "/keys/0/crv", "\"Ed25519\"" },
	{ SET("{\"kty\":\"OKP\",\"kid\":\"e\",\"crv\":\"P-256\"}"), "/keys/0/crv", "\"Ed25519\"" },

	{ SET(EC_OF("P-256", EC_X, EC_X)), "/keys/0/x", "not a point" },
	{ SET(EC_OF("P-256", ZEROS, ZEROS)), "/keys/0/x", "not a point" },
	{ SET(EC_OF("P-256", "__________________________________________8", EC_Y)), "/keys/0/x",
	    "not a point" },
	{ SET(EC_OF("P-384", EC_X, EC_Y)), "/keys/0/x", "48 bytes in base64url, not 32" },
	{ SET(EC_OF("P-256", EC_X, "AQAB")), "/keys/0/y", "32 bytes in base64url, not 3" },
	{ SET(EC_OF("P-256", "AA" EC_X "A", EC_Y)), "/keys/0/x", "32 bytes in base64url, not 34" },
	{ SET(EC_OF("P-256", EC_X "=", EC_Y)), "/keys/0/x", "without padding" },
	{ SET(EC_OF("P-256", "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEV", EC_Y)), "/keys/0/x",
	    "base64url" }, /* a stray bit */
	{ SET(EC_OF("P-256", EC_X, "x/FEzRu9m36HLN/tue659LNpXW6pCyStikYjKIWI5a0")), "/keys/0/y",
	    "base64url" },
	{ SET(EC_OF("P-256", "", EC_Y)), "/keys/0/x", "base64url" },
	{ SET("{\"kty\":\"EC\",\"kid\":\"e\",\"crv\":\"P-256\",\"x\":\"" EC_X "\"}"), "/keys/0/y",
	    "base64url" },
	{ SET("{\"kty\":\"EC\",\"kid\":\"e\",\"crv\":\"P-256\",\"x\":1,\"y\":2}"), "/keys/0/x",
	    "base64url" },

	{ SET(RSA_OF("AQAB", "AQAB")), "/keys/0/n", "2048 to 8192 bits" },
	{ SET(RSA_OF("AA" RSA_N "AA", "AQAB")), "/keys/0/n", "zero byte" },
	{ SET(RSA_OF("", "AQAB")), "/keys/0/n", "base64url" },
	{ SET(RSA_OF(RSA_N "==", "AQAB")), "/keys/0/n", "without padding" },
	{ SET(RSA_OF(RSA_N, "")), "/keys/0/e", "base64url" },
	{ SET(RSA_OF(RSA_N, "AAEAAQ")), "/keys/0/e", "zero byte" },
	{ SET(RSA_OF(RSA_N, "AA")), "/keys/0/e", "zero byte" },
	{ SET(RSA_OF(RSA_N, "AQ")), "/keys/0/e", "between 3 and" },
	{ SET(RSA_OF(RSA_N, "Ag")), "/keys/0/e", "odd" },
	{ SET(RSA_OF(RSA_N, "AQAA")), "/keys/0/e", "odd" },
	{ SET(RSA_OF(RSA_N, "AQAAAAE")), "/keys/0/e", "4294967295" },
	{ SET(RSA_OF(RSA_N, RSA_N)), "/keys/0/e", "4294967295" },

	{ SET(ED_OF("AQAB")), "/keys/0/x", "32 bytes" },
	{ SET(ED_OF(ED_X "A")), "/keys/0/x", "base64url" },
	/* y = 2 is on no point; y = p is not canonical */
	{ SET(ED_OF("AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")), "/keys/0/x", "Ed25519" },
	{ SET(ED_OF("7f_______________________________________38")), "/keys/0/x", "Ed25519" },
	{ SET(ED_OF("__________________________________________8")), "/keys/0/x", "Ed25519" },
	/* points of order 4, 1, 2, 8 and 8; the first and the last with the sign of x set, too */
	{ SET(ED_OF(ZEROS)), "/keys/0/x", "Ed25519" },
	{ SET(ED_OF("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIA")), "/keys/0/x", "Ed25519" },
	{ SET(ED_OF("AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")), "/keys/0/x", "Ed25519" },
	{ SET(ED_OF("7P_______________________________________38")), "/keys/0/x", "Ed25519" },
	{ SET(ED_OF("JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU")), "/keys/0/x", "Ed25519" },
	{ SET(ED_OF("xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA3o")), "/keys/0/x", "Ed25519" },
	{ SET(ED_OF("xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA_o")), "/keys/0/x", "Ed25519" },
};

static void
every_other_document_is_refused_at_its_fault(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		const struct refusal *r = &refusals[i];
		struct jws_keys *set = NULL;
		struct err e = { 0 };

		if (jws_keys_parse_text(r->text, strlen(r->text), &set, &e) == 0)
			fail_msg("taken: %s", r->text);
		assert_null(set);
		assert_int_equal(e.code, ERR_INVALID);
		assert_int_equal(e.n_fields, 1);
		assert_string_equal(e.fields[0].name, r->pointer);
		if (strstr(e.fields[0].msg, r->part) == NULL)
			fail_msg("%s: %s", r->text, e.fields[0].msg);
	}
}

static void
all_faults_of_a_document_are_told_with_where_it_stands(void **state)
{
	static const char text[] = "{\"issuer\":{\"jwks\":" SET(
	    "{},1," EC(",\"alg\":\"RS256\"") "," ED("") "," RSA("")) "}}";
	static const char *const pointers[] = { "/issuer/jwks/keys/0/kty", "/issuer/jwks/keys/1",
		"/issuer/jwks/keys/2/alg", "/issuer/jwks/keys/4/alg" };
	AUTO(json) j = NULL;
	struct jws_keys *set = NULL;
	struct err e = { 0 };

	(void)state;
	must(json_parse(text, strlen(text), &j, &e));
	assert_int_equal(jws_keys_parse(json_member(json_member(json_root(j), "issuer"), "jwks"),
			     "/issuer/jwks", &set, &e),
	    -1);
	assert_int_equal(e.n_fields, ARRAY_LEN(pointers));
	for (size_t i = 0; i < ARRAY_LEN(pointers); i++)
		assert_string_equal(e.fields[i].name, pointers[i]);
	assert_int_equal(jws_keys_parse(NULL, "/jwks", &set, &e), -1);
	assert_string_equal(e.fields[0].name, "/jwks/keys");
	assert_null(set);
}

static void
more_than_16_keys_are_refused(void **state)
{
	static char text[JWS_DOCUMENT_MAX];

	(void)state;
	for (int count = JWS_KEYS_MAX; count <= JWS_KEYS_MAX + 1; count++) {
		size_t n = (size_t)snprintf(text, sizeof(text), "{\"keys\":[");
		struct jws_keys *set = NULL;
		struct err e = { 0 };
		int rc;

		for (int i = 0; i < count; i++)
			n += (size_t)snprintf(text + n, sizeof(text) - n,
			    "%s{\"kty\":\"OKP\",\"kid\":\"%d\",\"crv\":\"Ed25519\",\"x\":\"" ED_X
			    "\"}",
			    i == 0 ? "" : ",", i);
		n += (size_t)snprintf(text + n, sizeof(text) - n, "]}");
		rc = jws_keys_parse_text(text, n, &set, &e);
		assert_int_equal(rc, count > JWS_KEYS_MAX ? -1 : 0);
		jws_keys_free(set);
	}
}

static void
a_text_that_is_no_json_is_bad_json(void **state)
{
	static const char *const texts[] = { "", "{", "-----BEGIN PUBLIC KEY-----",
		"{\"keys\":[],\"keys\":[]}" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct jws_keys *set = NULL;
		struct err e = { 0 };

		assert_int_equal(jws_keys_parse_text(texts[i], strlen(texts[i]), &set, &e), -1);
		assert_int_equal(e.code, ERR_BAD_JSON);
	}
}

/* Half of them with the sign of x set. */
static void
every_new_ed25519_key_is_a_point(void **state)
{
	(void)state;
	for (int i = 0; i < 64; i++) {
		EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
		uint8_t raw[32];
		size_t n = sizeof(raw);

		assert_int_equal(EVP_PKEY_get_raw_public_key(pkey, raw, &n), 1);
		assert_true(jws_ed25519_point(raw));
		EVP_PKEY_free(pkey);
	}
}

/* --- names ---------------------------------------------------------------------------------- */

static void
sizes_of_rsa_keys_are_bounded(void **state)
{
	static const struct {
		size_t bytes;
		uint8_t first;
		bool taken;
	} rows[] = { { 256, 0x80, true }, { 256, 0x7f, false }, { 255, 0xff, false },
		{ 257, 0x01, true }, { 512, 0xff, true }, { 1024, 0xff, true },
		{ 1025, 1, false } };
	uint8_t bytes[JWS_NUMBER_MAX + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char number[BASE64_TEXT_SIZE(sizeof(bytes))], text[2048];
		struct jws_keys *set = NULL;
		struct err e = { 0 };
		int rc, n;

		memset(bytes, 0xff, sizeof(bytes));
		bytes[0] = rows[i].first;
		(void)base64_encode(BASE64_URL, bytes, rows[i].bytes, number);
		n = snprintf(text, sizeof(text), SET(RSA_OF("%s", "AQAB")), number);
		rc = jws_keys_parse_text(text, (size_t)n, &set, &e);
		assert_int_equal(rc, rows[i].taken ? 0 : -1);
		if (rc < 0)
			assert_string_equal(e.fields[0].name, "/keys/0/n");
		jws_keys_free(set);
		bytes[rows[i].bytes - 1] = 0xfe;
		(void)base64_encode(BASE64_URL, bytes, rows[i].bytes, number);
		n = snprintf(text, sizeof(text), SET(RSA_OF("%s", "AQAB")), number);
		assert_int_equal(jws_keys_parse_text(text, (size_t)n, &set, &e), -1);
	}
}

static void
names_of_algorithms_are_exact(void **state)
{
	static const char *const none[] = { "", "none", "HS256", "rs256", "Rs256", "RS256 ",
		"ES512", "ES256K", "PS384", "PS512", "eddsa", "EDDSA", "Ed25519", "Ed448" };
	enum jws_alg alg = JWS_ALG_COUNT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(none); i++)
		assert_false(jws_alg_parse(none[i], &alg));
	assert_int_equal(alg, JWS_ALG_COUNT);
	for (enum jws_alg a = 0; a < JWS_ALG_COUNT; a++) {
		assert_true(jws_alg_parse(jws_alg_name(a), &alg));
		assert_int_equal(alg, a);
	}
}

static void
names_of_keys_are_bounded_and_plain(void **state)
{
	static const char *const good[] = { "a", "2011-04-29", "../../x", "a.b_c-d~e",
		"abcdefghijklmnopqrsexample=", "https://x.example/k:1@2", "+/==" };
	static const char *const bad[] = { "", " ", "a b", "a\n", "a\"", "a'b", "a\\b", "a;b",
		"\xc3\xa4", "\x7f", "a|b", "a%20b" };
	char kid[JWS_KID_MAX + 2];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(jws_kid_valid(good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(jws_kid_valid(bad[i]));
	memset(kid, 'k', sizeof(kid));
	kid[JWS_KID_MAX + 1] = '\0';
	assert_false(jws_kid_valid(kid));
	kid[JWS_KID_MAX] = '\0';
	assert_true(jws_kid_valid(kid));
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
		cmocka_unit_test(each_kind_of_key_is_taken_with_its_algorithm),
		cmocka_unit_test(what_is_printed_reads_back_to_the_same_set),
		cmocka_unit_test(a_printed_key_holds_the_public_members_in_order),
		cmocka_unit_test(keys_for_encryption_are_left_out),
		cmocka_unit_test(the_largest_set_prints_within_its_limit),
		cmocka_unit_test(every_other_document_is_refused_at_its_fault),
		cmocka_unit_test(all_faults_of_a_document_are_told_with_where_it_stands),
		cmocka_unit_test(more_than_16_keys_are_refused),
		cmocka_unit_test(a_text_that_is_no_json_is_bad_json),
		cmocka_unit_test(every_new_ed25519_key_is_a_point),
		cmocka_unit_test(sizes_of_rsa_keys_are_bounded),
		cmocka_unit_test(names_of_algorithms_are_exact),
		cmocka_unit_test(names_of_keys_are_bounded_and_plain),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
