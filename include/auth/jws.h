/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JWS_H
#define JWS_H

/*
 * Public keys that sign tokens: JWK Sets (RFC 7517, 7518, 8037).  An algorithm belongs to a key and
 * never comes from a token; `none` and HMAC do not exist here.  A set is immutable and may be used
 * by several threads at once.  Tokens are in jwt_token.h.
 */

#include "base.h"
#include "err.h"

#include <stdbool.h>

struct json_out;
struct json_value;

enum jws_alg {
	JWS_RS256,
	JWS_RS384,
	JWS_RS512,
	JWS_PS256, /* MGF1 with SHA-256, salt of 32 bytes */
	JWS_ES256, /* P-256 */
	JWS_ES384, /* P-384 */
	JWS_EDDSA, /* Ed25519 */
	JWS_ALG_COUNT
};
const char *jws_alg_name(enum jws_alg a); /* "RS256", ..., "EdDSA" */
/* Exact, with the case of the standard. */
bool jws_alg_parse(const char *name, enum jws_alg *ret);

enum {
	JWS_KEYS_MAX = 16,
	JWS_KID_MAX = 128, /* bytes */
	JWS_RSA_BITS_MIN = 2048,
	JWS_RSA_BITS_MAX = 8192, /* a signature takes 0.7 ms to check at worst */
	JWS_DOCUMENT_MAX =
	    32768 /* bytes of jws_keys_print for the largest set, 25 KiB, with room */
};

/* 1 to JWS_KID_MAX letters, digits and -._~+/=:@ (the issuers in use need all of these; a kid is
 * compared in memory and is never a path or part of a statement). */
bool jws_kid_valid(const char *kid);

/*
 * The keys of a JWK Set.  Each needs `kid` (unique) and `kty`:
 *
 *   RSA  n of 2048 to 8192 bits, e odd from 3 to 2^32 - 1; `alg` RS256, RS384, RS512 or PS256 is
 *        required, for nothing else says how the issuer signs
 *   EC   crv P-256 or P-384, a point on the curve; `alg`, when present, is ES256 or ES384
 *   OKP  crv Ed25519, no point of small order; `alg`, when present, is EdDSA (or Ed25519, RFC 9864)
 *
 * Numbers are canonical base64url.  `use` must be "sig" and `key_ops` hold "verify" when present;
 * keys of `use` "enc", which issuers publish in the same document, are left out.  Private members
 * and kty "oct" refuse the whole document.  Other members are ignored (RFC 7517 section 4).
 */
struct jws_keys;

/* pointer: where `jwks` is in the request, "/jwks", or "" for the whole document.  ERR_INVALID with
 * a field for each fault. */
int jws_keys_parse(const struct json_value *jwks, const char *pointer, struct jws_keys **ret,
    struct err *e) MUST_CHECK;
int jws_keys_parse_text(
    const char *text, size_t n, struct jws_keys **ret, struct err *e) MUST_CHECK;
void jws_keys_free(struct jws_keys *k);
AUTO_TYPE(jws_keys);

size_t jws_keys_count(const struct jws_keys *k); /* at least 1 */
const char *jws_keys_kid(const struct jws_keys *k, size_t i);
enum jws_alg jws_keys_alg(const struct jws_keys *k, size_t i);
bool jws_keys_has(const struct jws_keys *k, const char *kid);
/* Writes {"keys":[...]}: public members only, in a fixed order, `alg` always there; parses back to
 * the same set. */
void jws_keys_print(const struct jws_keys *k, struct json_out *o);

#endif
