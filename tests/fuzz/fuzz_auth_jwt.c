/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens from a client.  An input with a newline is a header and a payload, which are signed here,
 * so that the claims behind the signature are reached; any other is a whole token.
 */
#include "base64.h"
#include "json.h"
#include "jwt_token.h"
#include "sign.h"

#include <stdio.h>
#include <string.h>

static const uint8_t seed[SIGN_SEED_SIZE] = "0123456789abcdef0123456789abcde";

/* The one key, made at the first input. */
struct issuer {
	struct sign_key *key;
	struct jws_keys *keys;
};

static const struct issuer *
issuer(void)
{
	static struct issuer it;
	char x[BASE64_TEXT_SIZE(SIGN_PUBLIC_SIZE)], jwks[256];
	struct err e = { 0 };
	int n;

	if (it.keys != NULL)
		return &it;
	REQUIRE(sign_key_load(seed, &it.key, &e) == 0);
	(void)base64_encode(BASE64_URL, sign_key_public(it.key), SIGN_PUBLIC_SIZE, x);
	n = snprintf(jwks, sizeof(jwks),
	    "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"k\",\"x\":\"%s\"}]}", x);
	REQUIRE(jws_keys_parse_text(jwks, (size_t)n, &it.keys, &e) == 0);
	return &it;
}

static bool
refused(const struct err *e, const char *why)
{
	REQUIRE(e->code == ERR_UNAUTHENTICATED);
	REQUIRE(strcmp(e->msg, "The token is not valid here; get a new one") == 0);
	REQUIRE(why != NULL);
	return false;
}

/* Whatever is taken keeps what the rules promise. */
static bool
taken(const char *text, size_t n)
{
	static const char *const types[] = { "at+jwt", NULL };
	const struct jwt_rules rules = { "https://i.example", "wardian", types, 1700000000,
		JWT_LEEWAY_S, JWT_LIFETIME_MAX_S };
	AUTO(jwt_token) t = NULL;
	const char *why = NULL;
	struct err e = { 0 };
	int64_t expires_s = 0;

	if (jwt_read(text, n, &t, &why, &e) < 0)
		return refused(&e, why);
	REQUIRE(jws_kid_valid(jwt_kid(t)));
	(void)jwt_claim(t, jwt_subject(t)); /* any path ends */
	for (size_t i = 0; i < jwt_audience_count(t); i++)
		REQUIRE(jwt_has_audience(t, jwt_audience(t, i)));
	if (jwt_verify(t, issuer()->keys, &why, &e) < 0)
		return refused(&e, why);
	if (jwt_check_claims(t, &rules, &why, &e) < 0)
		return refused(&e, why);
	REQUIRE(strcmp(jwt_kid(t), "k") == 0);
	REQUIRE(strcmp(jwt_alg_name(t), "EdDSA") == 0);
	REQUIRE(strcmp(jwt_issuer(t), rules.issuer) == 0);
	REQUIRE(jwt_has_audience(t, rules.audience));
	REQUIRE(jwt_subject(t)[0] != '\0');
	REQUIRE(jwt_expires_s(t, &expires_s));
	REQUIRE(expires_s > rules.now_s - rules.leeway_s);
	REQUIRE(expires_s <= rules.now_s + rules.leeway_s + rules.lifetime_max_s);
	return true;
}

/* No other signature, and no other text of the same signature, is taken. */
static void
check_changes(const char *text, size_t n)
{
	AUTO_FREE char *copy = malloc(n + 1);

	REQUIRE(copy != NULL);
	memcpy(copy, text, n);
	copy[n] = '=';
	REQUIRE(!taken(copy, n + 1));
	copy[n - 1] = copy[n - 1] == 'A' ? 'B' : 'A';
	REQUIRE(!taken(copy, n));
}

static void
sign_and_take(const uint8_t *data, size_t head_n, size_t size)
{
	uint8_t sig[SIGN_SIZE];
	struct err e = { 0 };
	AUTO_BUF b = { 0 };

	buf_init(&b, 4 * (size_t)JWT_TEXT_MAX);
	base64_append(&b, BASE64_URL, data, head_n);
	buf_char(&b, '.');
	base64_append(&b, BASE64_URL, data + head_n + 1, size - head_n - 1);
	REQUIRE(sign_make(issuer()->key, b.p, b.n, sig, &e) == 0);
	buf_char(&b, '.');
	base64_append(&b, BASE64_URL, sig, sizeof(sig));
	if (!b.failed && taken(b.p, b.n))
		check_changes(b.p, b.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *newline = size == 0 ? NULL : memchr(data, '\n', size);

	if (newline == NULL)
		(void)taken((const char *)data, size);
	else
		sign_and_take(data, (size_t)(newline - data), size);
	return 0;
}
