/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens as an attacker makes them.  Each differs in one thing from one that is taken, and is
 * refused for that thing: a check that is missing shows.
 */
#include "jwt_rig.h"

#include "json.h"

static struct rig rig;

#define HEAD "{\"typ\":\"at+jwt\",\"kid\":\"es256\",\"alg\":\"ES256\"}"

static void
refused(const char *name, const char *want, const struct rig_key *key, const char *head,
    const char *payload)
{
	static char text[RIG_TEXT_SIZE];
	size_t n = rig_token(key, head, payload, text);
	const char *why = rig_why(rig.set, &rig_rules, text, n);

	if (strcmp(why, want) != 0)
		fail_msg("%s: \"%s\" instead of \"%s\"", name, why, want);
}

static void
the_token_that_all_attacks_start_from_is_taken(void **state)
{
	static char text[RIG_TEXT_SIZE];
	size_t n = rig_token(&rig.keys[RIG_ES256], HEAD, RIG_PAYLOAD, text);

	(void)state;
	assert_string_equal(rig_why(rig.set, &rig_rules, text, n), "");
}

/* --- headers -------------------------------------------------------------------------------- */

#define ALG(alg) "{\"typ\":\"at+jwt\",\"kid\":\"es256\",\"alg\":" alg "}"
#define KID(kid) "{\"typ\":\"at+jwt\",\"alg\":\"ES256\",\"kid\":" kid "}"
#define AND(members) "{\"typ\":\"at+jwt\",\"kid\":\"es256\",\"alg\":\"ES256\"," members "}"
#define OF(kid, alg) "{\"typ\":\"at+jwt\",\"kid\":\"" kid "\",\"alg\":\"" alg "\"}"
#define TYP(typ) "{\"kid\":\"es256\",\"alg\":\"ES256\",\"typ\":" typ "}"
#define TEN "0123456789"
#define THIRTY TEN TEN TEN

/* Signed as the key's own algorithm says, whatever the header says. */
static const struct {
	const char *name, *why, *head;
	enum rig_kid key;
} heads[] = {
	{ "none", "alg", ALG("\"none\""), RIG_ES256 },
	{ "None", "alg", ALG("\"None\""), RIG_ES256 },
	{ "nOnE", "alg", ALG("\"nOnE\""), RIG_ES256 },
	{ "NONE", "alg", ALG("\"NONE\""), RIG_ES256 },
	{ "alg in lower case", "alg", ALG("\"es256\""), RIG_ES256 },
	{ "alg in mixed case", "alg", ALG("\"Es256\""), RIG_ES256 },
	{ "alg with a blank", "alg", ALG("\"ES256 \""), RIG_ES256 },
	{ "alg empty", "alg", ALG("\"\""), RIG_ES256 },
	{ "alg null", "alg", ALG("null"), RIG_ES256 },
	{ "alg a number", "alg", ALG("256"), RIG_ES256 },
	{ "alg an array", "alg", ALG("[\"ES256\"]"), RIG_ES256 },
	{ "alg absent", "alg", "{\"typ\":\"at+jwt\",\"kid\":\"es256\"}", RIG_ES256 },
	{ "alg ES512", "alg", ALG("\"ES512\""), RIG_ES256 },
	{ "alg ES256K", "alg", ALG("\"ES256K\""), RIG_ES256 },
	{ "alg PS384", "alg", OF("ps256", "PS384"), RIG_PS256 },
	{ "alg HS256", "alg", ALG("\"HS256\""), RIG_ES256 },
	{ "alg dir, of encryption", "alg", ALG("\"dir\""), RIG_ES256 },
	{ "RS256 with a key of RS384", "alg", OF("rs384", "RS256"), RIG_RS256 },
	{ "RS384 with a key of RS256", "alg", OF("rs256", "RS384"), RIG_RS384 },
	{ "RS512 with a key of RS256", "alg", OF("rs256", "RS512"), RIG_RS512 },
	{ "PS256 with a key of RS256", "alg", OF("rs256", "PS256"), RIG_PS256 },
	{ "RS256 with a key of PS256", "alg", OF("ps256", "RS256"), RIG_RS256 },
	{ "ES256 with a key of P-384", "alg", OF("es384", "ES256"), RIG_ES384 },
	{ "ES384 with a key of P-256", "alg", OF("es256", "ES384"), RIG_ES256 },
	{ "EdDSA with a key of P-256", "alg", OF("es256", "EdDSA"), RIG_EDDSA },
	{ "ES256 with an Ed25519 key", "alg", OF("eddsa", "ES256"), RIG_ES256 },
	{ "RS256 with a key of P-256", "alg", OF("es256", "RS256"), RIG_RS256 },
	{ "signed on P-384, said to be of P-256", "signature", HEAD, RIG_ES384 },
	{ "signed with RSA, said to be of P-256", "signature", HEAD, RIG_RS256 },
	{ "signed with Ed25519, said to be of P-256", "signature", HEAD, RIG_EDDSA },
	{ "signed PKCS #1, said to be PSS", "signature", OF("ps256", "PS256"), RIG_RS256 },
	{ "signed PSS, said to be PKCS #1", "signature", OF("rs256", "RS256"), RIG_PS256 },
	{ "digest SHA-512, said to be SHA-256", "signature", OF("rs256", "RS256"), RIG_RS512 },
	{ "signed by a stranger with a known kid", "signature", HEAD, RIG_STRANGER },

	{ "crit b64", "header", AND("\"crit\":[\"b64\"],\"b64\":true"), RIG_ES256 },
	{ "crit empty", "header", AND("\"crit\":[]"), RIG_ES256 },
	{ "crit of a known member", "header", AND("\"crit\":[\"exp\"],\"exp\":1"), RIG_ES256 },
	{ "crit null", "header", AND("\"crit\":null"), RIG_ES256 },
	{ "b64 false", "header", AND("\"b64\":false"), RIG_ES256 },
	{ "zip", "header", AND("\"zip\":\"DEF\""), RIG_ES256 },
	{ "enc", "header", AND("\"enc\":\"A128GCM\""), RIG_ES256 },
	{ "cty of a nested token", "header", AND("\"cty\":\"JWT\""), RIG_ES256 },
	{ "jku", "header", AND("\"jku\":\"https://evil.example/jwks\""), RIG_ES256 },
	{ "jku of a file", "header", AND("\"jku\":\"file:///etc/passwd\""), RIG_ES256 },
	{ "x5u", "header", AND("\"x5u\":\"https://evil.example/pem\""), RIG_ES256 },
	{ "x5c", "header", AND("\"x5c\":[\"MIIB\"]"), RIG_ES256 },
	{ "jwk, key injection", "header", AND("\"jwk\":{\"kty\":\"EC\"}"), RIG_STRANGER },

	{ "kid traversal", "kid", KID("\"../../../../dev/null\""), RIG_ES256 },
	{ "kid SQL", "kid", KID("\"x' UNION SELECT 'a'--\""), RIG_ES256 },
	{ "kid a command", "kid", KID("\"es256|sleep 9\""), RIG_ES256 },
	{ "kid unknown", "kid", KID("\"es257\""), RIG_ES256 },
	{ "kid of a key outside of the set", "kid", KID("\"stranger\""), RIG_STRANGER },
	{ "kid in another case", "kid", KID("\"ES256\""), RIG_ES256 },
	{ "kid a prefix", "kid", KID("\"es25\""), RIG_ES256 },
	{ "kid longer than any", "kid", KID("\"" THIRTY THIRTY THIRTY THIRTY "012345678\""),
	    RIG_ES256 },
	{ "kid empty", "kid", KID("\"\""), RIG_ES256 },
	{ "kid a number", "kid", KID("0"), RIG_ES256 },
	{ "kid null", "kid", KID("null"), RIG_ES256 },
	{ "kid an array", "kid", KID("[\"es256\"]"), RIG_ES256 },
	{ "kid absent", "kid", "{\"typ\":\"at+jwt\",\"alg\":\"ES256\"}", RIG_ES256 },
	{ "kid cut by an escaped NUL", "header", KID("\"es256\\u0000x\""), RIG_ES256 },

	{ "alg twice", "header", AND("\"alg\":\"ES256\""), RIG_ES256 },
	{ "alg twice, once escaped", "header", AND("\"\\u0061lg\":\"none\""), RIG_ES256 },
	{ "kid twice", "header", AND("\"kid\":\"rs256\""), RIG_ES256 },
	{ "header an array", "header", "[" HEAD "]", RIG_ES256 },
	{ "header a string", "header", "\"ES256\"", RIG_ES256 },
	{ "header null", "header", "null", RIG_ES256 },
	{ "header no JSON", "header", "alg=ES256", RIG_ES256 },
	{ "header with text behind", "header", HEAD "x", RIG_ES256 },
	{ "header twice", "header", HEAD HEAD, RIG_ES256 },
	{ "header with a byte order mark", "header", "\xef\xbb\xbf" HEAD, RIG_ES256 },
	{ "header not UTF-8", "header", AND("\"a\":\"\xff\""), RIG_ES256 },
	{ "header with a comma behind", "header", AND(""), RIG_ES256 },
	{ "header in single quotes", "header", "{'alg':'ES256','kid':'es256'}", RIG_ES256 },

	{ "typ JWT, an ID token", "typ", TYP("\"JWT\""), RIG_ES256 },
	{ "typ of a logout token", "typ", TYP("\"logout+jwt\""), RIG_ES256 },
	{ "typ absent", "typ", "{\"kid\":\"es256\",\"alg\":\"ES256\"}", RIG_ES256 },
	{ "typ empty", "typ", TYP("\"\""), RIG_ES256 },
	{ "typ a number", "typ", TYP("1"), RIG_ES256 },
	{ "typ null", "typ", TYP("null"), RIG_ES256 },
	{ "typ an array", "typ", TYP("[\"at+jwt\"]"), RIG_ES256 },
	{ "typ with a blank", "typ", TYP("\"at+jwt \""), RIG_ES256 },
	{ "typ a prefix", "typ", TYP("\"at+jwt2\""), RIG_ES256 },
	{ "typ of another media type", "typ", TYP("\"text/at+jwt\""), RIG_ES256 },
	{ "typ application twice", "typ", TYP("\"application/application/at+jwt\""), RIG_ES256 },
};

static void
every_header_is_refused_for_its_own_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(heads); i++)
		refused(heads[i].name, heads[i].why, &rig.keys[heads[i].key], heads[i].head,
		    RIG_PAYLOAD);
}

/* --- payloads ------------------------------------------------------------------------------- */

#define EXP "\"exp\":1700003600"
#define WITH(claims) "{" RIG_CLAIMS "," claims "}"
#define SUB(sub) "{\"iss\":\"" RIG_ISSUER "\",\"aud\":\"wardian\"," EXP sub "}"
#define AUD(aud) "{\"iss\":\"" RIG_ISSUER "\",\"sub\":\"alice\"," EXP aud "}"
#define ISS(iss) "{\"aud\":\"wardian\",\"sub\":\"alice\"," EXP iss "}"
#define TIME(times) "{\"iss\":\"" RIG_ISSUER "\",\"aud\":\"wardian\",\"sub\":\"alice\"," times "}"

static const struct {
	const char *name, *why, *payload;
} payloads[] = {
	{ "iss wrong", "issuer", ISS(",\"iss\":\"https://evil.example\"") },
	{ "iss with a slash", "issuer", ISS(",\"iss\":\"" RIG_ISSUER "/\"") },
	{ "iss in another case", "issuer", ISS(",\"iss\":\"HTTPS://issuer.example\"") },
	{ "iss a prefix", "issuer", ISS(",\"iss\":\"https://issuer.exampl\"") },
	{ "iss missing", "issuer", ISS("") },
	{ "iss empty", "issuer", ISS(",\"iss\":\"\"") },
	{ "iss an array", "issuer", ISS(",\"iss\":[\"" RIG_ISSUER "\"]") },
	{ "iss null", "issuer", ISS(",\"iss\":null") },

	{ "aud wrong", "audience", AUD(",\"aud\":\"other\"") },
	{ "aud missing", "audience", AUD("") },
	{ "aud a number", "audience", AUD(",\"aud\":1") },
	{ "aud null", "audience", AUD(",\"aud\":null") },
	{ "aud empty", "audience", AUD(",\"aud\":\"\"") },
	{ "aud an empty array", "audience", AUD(",\"aud\":[]") },
	{ "aud an array of others", "audience", AUD(",\"aud\":[\"a\",\"wardian2\"]") },
	{ "aud ours beside a number", "audience", AUD(",\"aud\":[\"wardian\",1]") },
	{ "aud nested", "audience", AUD(",\"aud\":[[\"wardian\"]]") },
	{ "aud an object", "audience", AUD(",\"aud\":{\"wardian\":\"wardian\"}") },
	{ "aud a list in a string", "audience", AUD(",\"aud\":\"wardian other\"") },
	{ "aud in another case", "audience", AUD(",\"aud\":\"Wardian\"") },

	{ "sub missing", "subject", SUB("") },
	{ "sub empty", "subject", SUB(",\"sub\":\"\"") },
	{ "sub a number", "subject", SUB(",\"sub\":1") },
	{ "sub null", "subject", SUB(",\"sub\":null") },
	{ "sub an array", "subject", SUB(",\"sub\":[\"alice\"]") },
	{ "sub of 256 bytes", "subject",
	    SUB(",\"sub\":\"" THIRTY THIRTY THIRTY THIRTY THIRTY THIRTY THIRTY THIRTY TEN
		"012345\"") },

	{ "exp missing", "expires", TIME("\"iat\":1700000000") },
	{ "exp a string", "expires", WITH("\"exp\":\"1700003600\"") },
	{ "exp a fraction", "expires", WITH("\"exp\":1700003600.5") },
	{ "exp with a dot", "expires", WITH("\"exp\":1700003600.0") },
	{ "exp with an exponent", "expires", WITH("\"exp\":17000036e2") },
	{ "exp null", "expires", WITH("\"exp\":null") },
	{ "exp true", "expires", WITH("\"exp\":true") },
	{ "exp an array", "expires", WITH("\"exp\":[1700003600]") },
	{ "exp negative", "expires", WITH("\"exp\":-1") },
	{ "exp the least integer", "expires", WITH("\"exp\":-9223372036854775808") },
	{ "exp the greatest integer", "expires", WITH("\"exp\":9223372036854775807") },
	{ "exp beyond integers", "payload", WITH("\"exp\":99999999999999999999") },
	{ "exp infinite", "payload", WITH("\"exp\":1e999") },
	{ "exp in 1970", "expired", TIME("\"exp\":1") },
	{ "exp at the leeway's end", "expired", TIME("\"exp\":1699999940") },
	{ "exp a day and a second from iat", "lifetime", WITH("\"exp\":1700086401") },
	{ "exp a day and a second from now", "lifetime", TIME("\"exp\":1700086401") },
	{ "exp in milliseconds", "expires", WITH("\"exp\":1700003600000") },
	{ "exp not after iat", "lifetime", WITH("\"exp\":1700000000") },
	{ "iat long ago", "lifetime", TIME(EXP ",\"iat\":1699917199") },
	{ "nbf beyond the leeway", "not-before", TIME(EXP ",\"nbf\":1700000061") },
	{ "nbf a string", "not-before", TIME(EXP ",\"nbf\":\"1700000000\"") },
	{ "nbf a fraction", "not-before", TIME(EXP ",\"nbf\":1.5") },
	{ "nbf null", "not-before", TIME(EXP ",\"nbf\":null") },
	{ "nbf negative", "not-before", TIME(EXP ",\"nbf\":-1") },
	{ "iat beyond the leeway", "issued-at", TIME(EXP ",\"iat\":1700000061") },
	{ "iat a string", "issued-at", TIME(EXP ",\"iat\":\"1700000000\"") },
	{ "iat null", "issued-at", TIME(EXP ",\"iat\":null") },
	{ "iat negative", "issued-at", TIME(EXP ",\"iat\":-9223372036854775808") },

	{ "a claim twice", "payload", WITH(EXP ",\"role\":\"user\",\"role\":\"owner\"") },
	{ "sub twice, once escaped", "payload", WITH(EXP ",\"s\\u0075b\":\"bob\"") },
	{ "payload an array", "payload", "[" RIG_PAYLOAD "]" },
	{ "payload a string", "payload", "\"alice\"" },
	{ "payload null", "payload", "null" },
	{ "payload no JSON", "payload", "sub=alice" },
	{ "payload with text behind", "payload", RIG_PAYLOAD " x" },
	{ "payload with a byte order mark", "payload", "\xef\xbb\xbf" RIG_PAYLOAD },
	{ "payload not UTF-8", "payload", WITH(EXP ",\"a\":\"\xc3\"") },
	{ "payload with half of a surrogate", "payload", WITH(EXP ",\"a\":\"\\ud800\"") },
	{ "payload with an escaped NUL", "payload", WITH(EXP ",\"a\":\"\\u0000\"") },
	{ "payload with NaN", "payload", WITH(EXP ",\"a\":NaN") },
};

static void
every_payload_is_refused_for_its_own_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(payloads); i++)
		refused(payloads[i].name, payloads[i].why, &rig.keys[RIG_ES256], HEAD,
		    payloads[i].payload);
}

/* --- all ------------------------------------------------------------------------------------ */

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
		cmocka_unit_test(the_token_that_all_attacks_start_from_is_taken),
		cmocka_unit_test(every_header_is_refused_for_its_own_reason),
		cmocka_unit_test(every_payload_is_refused_for_its_own_reason),
	};

	return cmocka_run_group_tests(tests, open_rig, close_rig);
}
