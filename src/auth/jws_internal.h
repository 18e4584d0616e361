/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JWS_INTERNAL_H
#define JWS_INTERNAL_H

/* What the files about signed tokens share: the table of algorithms, one public key, refusals. */

#include "auth.h"
#include "jws.h"

#include <openssl/evp.h>

struct jws_alg_row {
	const char *name;
	const char *kty;
	const char *crv;    /* NULL for RSA */
	const char *digest; /* NULL: the algorithm hashes by itself */
	bool pss;
	size_t part; /* bytes of a coordinate and of half a signature; 0 for RSA */
};
const struct jws_alg_row *jws_alg_row(enum jws_alg a);

enum { JWS_NUMBER_MAX = JWS_RSA_BITS_MAX / 8 /* bytes of a number, also of a signature */ };

/* The two numbers of a public key as big-endian bytes: n and e, x and y, or x and nothing. */
struct jws_numbers {
	uint8_t a[JWS_NUMBER_MAX], b[JWS_NUMBER_MAX];
	size_t a_n, b_n;
};

struct jws_key {
	char kid[JWS_KID_MAX + 1];
	enum jws_alg alg;
	EVP_PKEY *pkey;
	char *a, *b; /* the numbers in base64url; b is NULL for OKP */
};

/*
 * Makes pkey, a and b of a key whose kid and alg are set.  The sizes of the numbers are those of
 * the algorithm.  0; 1 when they are no key and *ret_why (static, "is not a point of P-256") says
 * so; -1 without memory.
 */
int jws_key_init(struct jws_key *k, const struct jws_numbers *numbers, const char **ret_why,
    struct err *e) MUST_CHECK;
/* Shares what src holds. */
int jws_key_copy(struct jws_key *k, const struct jws_key *src, struct err *e) MUST_CHECK;
void jws_key_done(struct jws_key *k);
struct jws_bytes {
	const void *p;
	size_t n;
};
/* 0; 1 when the key did not sign the text, or sig has not the form of its algorithm in a JWS; -1
 * without memory. */
int jws_key_verify(const struct jws_key *key, const struct jws_bytes *text,
    const struct jws_bytes *sig, struct err *e) MUST_CHECK;
void jws_key_print(const struct jws_key *k, struct json_out *o);

struct jws_keys {
	size_t n;
	struct jws_key keys[JWS_KEYS_MAX];
};
const struct jws_key *jws_keys_find(const struct jws_keys *k, const char *kid);

/* Whether 32 bytes are the canonical encoding of a point of edwards25519 whose order is not 1, 2, 4
 * or 8.  Without memory it says no. */
bool jws_ed25519_point(const uint8_t p[static 32]);

/* -1 and the one sentence for every token that is not valid. */
int jwt_refuse(const char *why, const char **ret_why, struct err *e);

int jws_no_memory(struct err *e);
/* Empties OpenSSL's error queue, which other users of the thread would take for theirs.  True when
 * memory was what lacked. */
bool jws_drain_errors(void);

#endif
