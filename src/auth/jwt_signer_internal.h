/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JWT_SIGNER_INTERNAL_H
#define JWT_SIGNER_INTERNAL_H

#include "jws_internal.h"
#include "jwt_token.h"

struct jwt_signer {
	struct jws_key key; /* the public half */
	EVP_PKEY *private_key;
};

/* r and s of an ECDSA signature over SHA-256, 32 bytes each, as RFC 7518 section 3.4 has them. */
enum { JWT_ES256_SIZE = 64 };
int jwt_signer_sign(const struct jwt_signer *s, const char *text, size_t n,
    uint8_t out[static JWT_ES256_SIZE], struct err *e) MUST_CHECK;

#endif
