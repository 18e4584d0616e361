/* SPDX-License-Identifier: Apache-2.0 */
#include "jws_internal.h"

#include <openssl/bn.h>

/*
 * OpenSSL takes any 32 bytes for an Ed25519 key.  Bytes that are no point would make a key that
 * verifies nothing; a point of small order makes one for which signatures can be had without a
 * private key.  Both are found from y alone (RFC 8032 section 5.1.3), with A = y^2 and
 * d = -121665/121666, everything modulo p = 2^255 - 19:
 *
 *   - there is an x when (A - 1)/(d A + 1) is a square, so when (A - 1)(121666 - 121665 A) 121666
 * is
 *   - order 1 or 2: A = 1, where that product is 0.  Order 4: A = 0.  Order 8: the double has y =
 * 0, so x^2 = -A, so d A^2 + 2 A - 1 = 0, so 121665 A^2 - 243332 A + 121666 = 0
 */

/* c2 A^2 + c1 A + c0 modulo p. */
static bool
quadratic(BIGNUM *out, const BIGNUM *a, const int64_t c[static 3], const BIGNUM *p, BN_CTX *ctx)
{
	BN_zero(out);
	for (int i = 2; i >= 0; i--) {
		BN_ULONG size = (BN_ULONG)(c[i] < 0 ? -c[i] : c[i]);

		if (!BN_mod_mul(out, out, a, p, ctx))
			return false;
		if (!(c[i] < 0 ? BN_sub_word(out, size) : BN_add_word(out, size)))
			return false;
	}
	return BN_nnmod(out, out, p, ctx) == 1;
}

/* A = y^2 of the encoding; false when y is not below p. */
static bool
square_of_y(BIGNUM *a, const uint8_t enc[static 32], BIGNUM *p, BN_CTX *ctx)
{
	uint8_t y[32];

	for (size_t i = 0; i < sizeof(y); i++)
		y[i] = enc[i];
	y[31] &= 0x7f; /* the sign of x */
	return BN_lebin2bn(y, sizeof(y), a) != NULL && BN_set_word(p, 1) && BN_lshift(p, p, 255) &&
	       BN_sub_word(p, 19) && BN_cmp(a, p) < 0 && BN_mod_sqr(a, a, p, ctx);
}

static bool
point_good(const uint8_t enc[static 32], BIGNUM *v[static 4], BN_CTX *ctx)
{
	/* 121666 (A - 1)(121666 - 121665 A), multiplied out */
	static const int64_t squareness[] = { -INT64_C(121666) * 121666,
		INT64_C(121666) * (121666 + 121665), -INT64_C(121666) * 121665 };
	static const int64_t order8[] = { 121666, -243332, 121665 };
	BIGNUM *p = v[0], *a = v[1], *value = v[2], *small = v[3];

	return square_of_y(a, enc, p, ctx) && !BN_is_zero(a) &&
	       quadratic(small, a, order8, p, ctx) && !BN_is_zero(small) &&
	       quadratic(value, a, squareness, p, ctx) && BN_kronecker(value, p, ctx) == 1;
}

bool
jws_ed25519_point(const uint8_t p[static 32])
{
	BN_CTX *ctx = BN_CTX_new();
	BIGNUM *v[4];
	bool good = ctx != NULL;

	if (!good)
		return false;
	BN_CTX_start(ctx);
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		v[i] = BN_CTX_get(ctx);
		good = good && v[i] != NULL;
	}
	good = good && point_good(p, v, ctx);
	BN_CTX_end(ctx);
	BN_CTX_free(ctx);
	return good;
}
