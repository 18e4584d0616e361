/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_H
#define AUTH_H

/*
 * Cryptography and the formats built on it; the only owner of OpenSSL.  Pure functions over bytes,
 * thread-safe, constant time where secrets are compared.
 */

#include "base.h"
#include "err.h"

#include <stdbool.h>

enum { AUTH_SHA256_SIZE = 32 };
void auth_sha256(const void *p, size_t n, uint8_t out[static AUTH_SHA256_SIZE]);
/* RFC 2104 with SHA-256. */
void auth_hmac(
    const void *key, size_t key_n, const void *p, size_t n, uint8_t out[static AUTH_SHA256_SIZE]);
bool auth_equal(const void *a, const void *b, size_t n); /* constant time */
void auth_wipe(void *p, size_t n);                       /* never optimised away */

/* Streaming SHA-256 for files. */
struct auth_digest;
int auth_digest_new(struct auth_digest **ret, struct err *e) MUST_CHECK;
void auth_digest_free(struct auth_digest *d);
AUTO_TYPE(auth_digest);
void auth_digest_add(struct auth_digest *d, const void *p, size_t n);
void auth_digest_end(struct auth_digest *d, uint8_t out[static AUTH_SHA256_SIZE]);
/* Lower-case hexadecimal, NUL-terminated: out holds 2 * n + 1 bytes. */
void auth_hex(const void *p, size_t n, char *out);

/*
 * API keys: wdn_<kind>_<id:12><secret:32><checksum:6>, base62 parts, e.g. wdn_sk_....  The checksum
 * is the CRC-32 of everything before it, so that a mistyped key is refused without a look-up.
 */
enum { AUTH_KEY_ID_LEN = 12, AUTH_KEY_SECRET_LEN = 32, AUTH_KEY_SIZE = 64 };
enum auth_key_kind {
	AUTH_KEY_SERVICE,  /* wdn_sk_: a service account of a tenant */
	AUTH_KEY_PERSON,   /* wdn_pat_: a user of a tenant */
	AUTH_KEY_OPERATOR, /* wdn_op_: an operator of the platform */
	AUTH_KEY_KIND_COUNT
};
const char *auth_key_kind_name(enum auth_key_kind kind); /* "sk", "pat", "op" */
struct auth_key {
	enum auth_key_kind kind;
	char text[AUTH_KEY_SIZE];       /* the whole key; shown once, wiped by the caller */
	char id[AUTH_KEY_ID_LEN + 1];   /* public part, stored and shown */
	uint8_t hash[AUTH_SHA256_SIZE]; /* SHA-256 of text, stored */
};
void auth_key_make(enum auth_key_kind kind, struct auth_key *ret);
/* Another secret under a public part of AUTH_KEY_ID_LEN digits. */
void auth_key_renew(enum auth_key_kind kind, const char *id, struct auth_key *ret);
/* Fills kind, id and hash, not text; ERR_UNAUTHENTICATED when form, kind or checksum are wrong. */
int auth_key_read(const char *text, struct auth_key *ret, struct err *e) MUST_CHECK;

/*
 * Sealed tokens: opaque, URL-safe text whose bytes nobody else can make or change (HMAC over
 * purpose and payload, lengths included).  Used for cursors.  key: 32 bytes.
 */
enum { AUTH_TOKEN_SIZE = 512 };
int auth_token_seal(const uint8_t key[static 32], const char *purpose, const void *p, size_t n,
    char out[static AUTH_TOKEN_SIZE], struct err *e) MUST_CHECK;
/* *ret_n is the size of out going in, the payload's size coming out; ERR_BAD_CURSOR when forged. */
int auth_token_open(const uint8_t key[static 32], const char *purpose, const char *text, void *out,
    size_t *ret_n, struct err *e) MUST_CHECK;

#endif
