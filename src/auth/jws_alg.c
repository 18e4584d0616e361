/* SPDX-License-Identifier: Apache-2.0 */
#include "jws_internal.h"

#include <string.h>

#include <openssl/err.h>

static const struct jws_alg_row rows[JWS_ALG_COUNT] = {
	[JWS_RS256] = { "RS256", "RSA", NULL, "SHA256", false, 0 },
	[JWS_RS384] = { "RS384", "RSA", NULL, "SHA384", false, 0 },
	[JWS_RS512] = { "RS512", "RSA", NULL, "SHA512", false, 0 },
	[JWS_PS256] = { "PS256", "RSA", NULL, "SHA256", true, 0 },
	[JWS_ES256] = { "ES256", "EC", "P-256", "SHA256", false, 32 },
	[JWS_ES384] = { "ES384", "EC", "P-384", "SHA384", false, 48 },
	[JWS_EDDSA] = { "EdDSA", "OKP", "Ed25519", NULL, false, 32 },
};

const struct jws_alg_row *
jws_alg_row(enum jws_alg a)
{
	REQUIRE((unsigned)a < JWS_ALG_COUNT);
	return &rows[a];
}

const char *
jws_alg_name(enum jws_alg a)
{
	return jws_alg_row(a)->name;
}

bool
jws_alg_parse(const char *name, enum jws_alg *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (strcmp(rows[i].name, name) != 0)
			continue;
		*ret = (enum jws_alg)i;
		return true;
	}
	return false;
}

bool
jws_kid_valid(const char *kid)
{
	size_t n = strspn(kid, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
			       "0123456789-._~+/=:@");

	return n > 0 && n <= JWS_KID_MAX && kid[n] == '\0';
}

int
jws_no_memory(struct err *e)
{
	return err_set(e, ERR_NO_MEMORY, "The server is short of memory; try again later");
}

bool
jws_drain_errors(void)
{
	bool memory = false;
	unsigned long code;

	while ((code = ERR_get_error()) != 0)
		memory = memory || ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE;
	return memory;
}

int
jwt_refuse(const char *why, const char **ret_why, struct err *e)
{
	if (ret_why != NULL)
		*ret_why = why;
	return err_set(e, ERR_UNAUTHENTICATED, "The token is not valid here; get a new one");
}
