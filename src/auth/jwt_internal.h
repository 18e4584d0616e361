/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JWT_INTERNAL_H
#define JWT_INTERNAL_H

#include "jws_internal.h"
#include "jwt_token.h"

struct json;

struct jwt_token {
	struct json *head, *payload;
	enum jws_alg alg; /* what the token claims */
	const char *kid, *type, *issuer, *subject,
	    *id;                           /* inside of the documents; "" when absent */
	const struct json_value *audience; /* may be NULL */
	size_t n_audiences;
	uint8_t digest[AUTH_SHA256_SIZE];
	uint8_t sig[JWS_NUMBER_MAX];
	size_t sig_n;
	size_t signed_n; /* leading bytes of the text that are signed: header, dot, payload */
	size_t n;
	char text[];
};

#endif
