/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JWT_TOKEN_H
#define JWT_TOKEN_H

/*
 * Access tokens: signed JWTs in compact form (RFC 7515, 7519, 8725, 9068).  Reading one:
 *
 *   jwt_read          text -> struct jwt_token, nothing of which may be believed yet
 *   jwt_issuer        finds whose keys and rules apply
 *   jwt_verify        one of those keys signed it
 *   jwt_check_claims  it is meant for us, now
 *
 * Every refusal is ERR_UNAUTHENTICATED with the same sentence, so that nobody can feel his way; the
 * reason goes to *ret_why (may be NULL), a static slug for a counter or a debug log: "size" "form"
 * "header" "alg" "kid" "typ" "payload" "signature" "issuer" "audience" "subject" "expires"
 * "expired" "not-before" "issued-at" "lifetime".  Pure functions; a token may be read by several
 * threads.
 *
 * libjwt owns the file name jwt.h and the names `struct jwt` and jwt_free.
 */

#include "auth.h"
#include "jws.h"

enum { JWT_TEXT_MAX = 8192 /* bytes of a token that is read */ };

/* --- reading -------------------------------------------------------------------------------- */

struct jwt_token;

/* Exactly one text is accepted for a header, a payload and a signature.  Refused are `alg` outside
 * of enum jws_alg, and the header members crit, b64, zip, enc, cty, jku, jwk, x5u and x5c. */
int jwt_read(const char *text, size_t n, struct jwt_token **ret, const char **ret_why,
    struct err *e) MUST_CHECK;
void jwt_token_free(struct jwt_token *t);
AUTO_TYPE(jwt_token);

/* Texts live as long as the token. */
const char *jwt_kid(const struct jwt_token *t);
const char *jwt_alg_name(const struct jwt_token *t);
const char *jwt_type(const struct jwt_token *t);   /* "" when absent */
const char *jwt_issuer(const struct jwt_token *t); /* "" when absent or no string; so below */
const char *jwt_subject(const struct jwt_token *t);
const char *jwt_id(const struct jwt_token *t);
bool jwt_expires_s(const struct jwt_token *t, int64_t *ret); /* seconds since 1970 */
/* `aud` as a string or an array of nothing but strings; any other form has no audiences. */
size_t jwt_audience_count(const struct jwt_token *t);
const char *jwt_audience(const struct jwt_token *t, size_t i);
bool jwt_has_audience(const struct jwt_token *t, const char *audience);
/* path: member names joined by dots, "realm_access.roles"; names that hold dots themselves are
 * found, too ("https://example.com/roles"): the longest name wins.  At most 256 bytes, else NULL.
 */
const struct json_value *jwt_claim(const struct jwt_token *t, const char *path);
/* SHA-256 of the text: the key of a cache of checked tokens.  Never of a list of refused ones: an
 * ECDSA signature (r, s) can be turned into (r, n - s) by anybody, so a token can have two texts.
 * What is revoked is jwt_id, or the subject. */
const uint8_t *jwt_digest(const struct jwt_token *t); /* AUTH_SHA256_SIZE bytes */

/* The key is found by kid in this set only, and the token's alg must be the one of that key. */
int jwt_verify(const struct jwt_token *t, const struct jws_keys *keys, const char **ret_why,
    struct err *e) MUST_CHECK;

enum { JWT_LEEWAY_S = 60, JWT_LIFETIME_MAX_S = 24 * 3600, JWT_SUBJECT_MAX = 255 };
struct jwt_rules {
	const char *issuer;       /* exact */
	const char *audience;     /* must be among the token's */
	const char *const *types; /* accepted `typ`, NULL-terminated; case and a leading
				     "application/" do not count; "" accepts none at all */
	int64_t now_s;            /* seconds since 1970 */
	int64_t leeway_s;         /* of clocks that disagree; JWT_LEEWAY_S */
	int64_t lifetime_max_s;   /* exp - iat, or exp - now without iat; JWT_LIFETIME_MAX_S */
};
/* iss, aud, typ; sub of 1 to JWT_SUBJECT_MAX bytes; exp (required), nbf and iat as integers. */
int jwt_check_claims(const struct jwt_token *t, const struct jwt_rules *r, const char **ret_why,
    struct err *e) MUST_CHECK;

/* --- issuing -------------------------------------------------------------------------------- */

/* A P-256 private key that signs the daemon's own tokens (ES256).  Its kid is the thumbprint of RFC
 * 7638.  May be used by several threads at once. */
struct jwt_signer;
enum { JWT_PEM_SIZE = 512, JWT_SIZE = 4096 };

/* A new key; its PEM text (PKCS #8) is all that must be kept, wiped by the caller. */
int jwt_signer_make(
    char pem[static JWT_PEM_SIZE], struct jwt_signer **ret, struct err *e) MUST_CHECK;
int jwt_signer_load(const char *pem, struct jwt_signer **ret, struct err *e) MUST_CHECK;
void jwt_signer_free(struct jwt_signer *s); /* wipes it */
AUTO_TYPE(jwt_signer);
const char *jwt_signer_kid(const struct jwt_signer *s);
void jwt_signer_print_jwk(const struct jwt_signer *s, struct json_out *o); /* public part */
/* The set that verifies what any of these signers, 1 to JWS_KEYS_MAX, issued. */
int jwt_signer_keys(const struct jwt_signer *const *signers, size_t n, struct jws_keys **ret,
    struct err *e) MUST_CHECK;

struct jwt_text_claim {
	const char *name; /* none of the registered names below */
	const char *value;
};
struct jwt_claims {
	const char *issuer, *audience, *subject, *id; /* iss, aud, sub, jti */
	int64_t issued_s, not_before_s, expires_s;    /* iat, nbf, exp: seconds since 1970 */
	const struct jwt_text_claim *texts;           /* {"scope", "job:read job:submit"}, ... */
	size_t n_texts;
};
/* With typ "at+jwt".  ERR_TOO_LARGE when the text has JWT_SIZE bytes or more. */
int jwt_issue(const struct jwt_signer *s, const struct jwt_claims *c, char out[static JWT_SIZE],
    struct err *e) MUST_CHECK;

#endif
