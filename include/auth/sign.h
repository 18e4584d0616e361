/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIGN_H
#define SIGN_H

/*
 * Detached Ed25519 signatures (RFC 8032) over bytes: checkpoints and evidence that must hold
 * outside of the database.  Keys may be used by several threads at once.
 */

#include "base.h"
#include "err.h"

#include <stdbool.h>

enum { SIGN_SEED_SIZE = 32, SIGN_PUBLIC_SIZE = 32, SIGN_SIZE = 64 };

struct sign_key;

/* A new key.  The seed is all that must be kept of it; the caller wipes it. */
int sign_key_make(
    uint8_t seed[static SIGN_SEED_SIZE], struct sign_key **ret, struct err *e) MUST_CHECK;
int sign_key_load(
    const uint8_t seed[static SIGN_SEED_SIZE], struct sign_key **ret, struct err *e) MUST_CHECK;
void sign_key_free(struct sign_key *k); /* wipes the private part */
AUTO_TYPE(sign_key);
const uint8_t *sign_key_public(const struct sign_key *k); /* SIGN_PUBLIC_SIZE bytes */

int sign_make(const struct sign_key *k, const void *p, size_t n, uint8_t out[static SIGN_SIZE],
    struct err *e) MUST_CHECK;
/* False, too, when the public key is none. */
bool sign_verify(const uint8_t public_key[static SIGN_PUBLIC_SIZE], const void *p, size_t n,
    const uint8_t sig[static SIGN_SIZE]) MUST_CHECK;

#endif
