/* SPDX-License-Identifier: Apache-2.0 */
#include "jws_internal.h"

#include "base64.h"
#include "json.h"

#include <stdio.h>
#include <string.h>

/* One JWK being read; faults are collected, so that a document is corrected in one go. */
struct jwk {
	const struct json_value *v;
	char pointer[ERR_FIELD_SIZE];
	struct err *faults;
	struct jws_key *key;
	struct jws_numbers numbers;
};

/* --- faults --------------------------------------------------------------------------------- */

PRINTF_LIKE(3, 4)
static bool
fault(struct jwk *w, const char *member, const char *fmt, ...)
{
	char pointer[ERR_FIELD_SIZE], msg[ERR_FIELD_MSG_SIZE];
	va_list ap;

	memcpy(pointer, w->pointer, sizeof(pointer));
	if (member[0] != '\0')
		(void)json_pointer_add(pointer, sizeof(pointer), member); /* else the key's own */
	va_start(ap, fmt);
	(void)vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	err_field_add(w->faults, pointer, "%s", msg);
	return false;
}

/* NULL when the member is absent or no text. */
static const char *
text_of(const struct jwk *w, const char *member)
{
	const char *text = NULL;

	return json_get_text(json_member(w->v, member), &text) ? text : NULL;
}

/* --- members -------------------------------------------------------------------------------- */

/* Whoever sends a private key has shown it to us, to every proxy and perhaps to a log. */
static bool
check_public(struct jwk *w)
{
	static const char *const private_members[] = { "d", "p", "q", "dp", "dq", "qi", "oth",
		"k" };

	for (size_t i = 0; i < ARRAY_LEN(private_members); i++) {
		if (json_member(w->v, private_members[i]) != NULL)
			return fault(w, private_members[i],
			    "is part of a secret key; make a new key, for this one is known "
			    "now, and send only its public half");
	}
	return true;
}

static bool
check_operations(struct jwk *w)
{
	const struct json_value *ops = json_member(w->v, "key_ops");
	bool found = false;
	const char *op;

	for (size_t i = 0; i < json_count(ops); i++)
		found = found || (json_get_text(json_at(ops, i), &op) && strcmp(op, "verify") == 0);
	if (ops != NULL && !found)
		return fault(w, "key_ops", "must be an array that holds \"verify\"");
	return true;
}

/* False, without a fault, too for a key that is for encryption. */
static bool
check_use(struct jwk *w)
{
	const char *use = text_of(w, "use");

	if (use != NULL && strcmp(use, "enc") == 0)
		return false;
	if (json_member(w->v, "use") != NULL && (use == NULL || strcmp(use, "sig") != 0))
		return fault(w, "use", "must be \"sig\"");
	return check_operations(w);
}

static bool
read_kid(struct jwk *w, const struct jws_keys *others)
{
	const char *kid = text_of(w, "kid");

	if (kid == NULL || !jws_kid_valid(kid))
		return fault(w, "kid",
		    "must name the key as the header of the issuer's tokens does: 1 to %d letters, "
		    "digits and -._~+/=:@",
		    JWS_KID_MAX);
	if (jws_keys_find(others, kid) != NULL)
		return fault(w, "kid", "is the name of an earlier key; each needs its own");
	(void)snprintf(w->key->kid, sizeof(w->key->kid), "%s", kid);
	return true;
}

/* The algorithm that a curve leaves no choice about. */
static bool
alg_of_curve(struct jwk *w, const char *kty, enum jws_alg *ret)
{
	const char *crv = text_of(w, "crv");

	for (int i = 0; crv != NULL && i < JWS_ALG_COUNT; i++) {
		const struct jws_alg_row *row = jws_alg_row((enum jws_alg)i);

		if (row->crv == NULL || strcmp(row->crv, crv) != 0 || strcmp(row->kty, kty) != 0)
			continue;
		*ret = (enum jws_alg)i;
		return true;
	}
	return fault(w, "crv", "must be %s",
	    strcmp(kty, "EC") == 0 ? "\"P-256\" or \"P-384\"" : "\"Ed25519\"");
}

static bool
read_alg_of_curve(struct jwk *w, const char *kty)
{
	const char *alg;

	if (!alg_of_curve(w, kty, &w->key->alg))
		return false;
	if (json_member(w->v, "alg") == NULL)
		return true;
	alg = text_of(w, "alg");
	/* RFC 9864 gives EdDSA on this curve a name of its own. */
	if (alg != NULL && w->key->alg == JWS_EDDSA && strcmp(alg, "Ed25519") == 0)
		return true;
	if (alg == NULL || strcmp(alg, jws_alg_name(w->key->alg)) != 0)
		return fault(w, "alg", "must be \"%s\", the algorithm of the key's curve",
		    jws_alg_name(w->key->alg));
	return true;
}

static bool
read_alg_of_rsa(struct jwk *w)
{
	const char *alg = text_of(w, "alg");

	if (alg == NULL || !jws_alg_parse(alg, &w->key->alg) ||
	    jws_alg_row(w->key->alg)->crv != NULL)
		return fault(w, "alg",
		    "must say how the issuer signs with this key: \"RS256\" (most do), \"RS384\", "
		    "\"RS512\" or \"PS256\"");
	return true;
}

static bool
read_alg(struct jwk *w)
{
	const char *kty = text_of(w, "kty");

	if (kty != NULL && strcmp(kty, "RSA") == 0)
		return read_alg_of_rsa(w);
	if (kty != NULL && (strcmp(kty, "EC") == 0 || strcmp(kty, "OKP") == 0))
		return read_alg_of_curve(w, kty);
	if (kty != NULL && strcmp(kty, "oct") == 0)
		return fault(w, "kty",
		    "is a shared secret, with which we could make the issuer's tokens; let it sign "
		    "with \"RSA\", \"EC\" or \"OKP\"");
	return fault(w, "kty", "must be \"RSA\", \"EC\" or \"OKP\"");
}

/* --- numbers -------------------------------------------------------------------------------- */

static bool
read_number(struct jwk *w, const char *member, uint8_t out[static JWS_NUMBER_MAX], size_t *ret_n)
{
	const char *text = text_of(w, member);

	if (text == NULL || text[0] == '\0' ||
	    !base64_decode(BASE64_URL, text, strlen(text), out, JWS_NUMBER_MAX, ret_n))
		return fault(w, member,
		    "must be a number of at most %d bytes in base64url without padding",
		    JWS_NUMBER_MAX);
	return true;
}

static bool
read_coordinate(
    struct jwk *w, const char *member, uint8_t out[static JWS_NUMBER_MAX], size_t *ret_n)
{
	size_t size = jws_alg_row(w->key->alg)->part;

	if (!read_number(w, member, out, ret_n))
		return false;
	if (*ret_n != size)
		return fault(w, member, "must be %zu bytes in base64url, not %zu", size, *ret_n);
	return true;
}

static size_t
bits_of(const uint8_t *p, size_t n)
{
	/* the first byte is not 0 */
	return 8 * n - (size_t)(__builtin_clz(p[0]) - 24);
}

static bool
read_rsa(struct jwk *w)
{
	struct jws_numbers *v = &w->numbers;
	uint64_t e = 0;

	if (!read_number(w, "n", v->a, &v->a_n) || !read_number(w, "e", v->b, &v->b_n))
		return false;
	/* RFC 7518 section 6.3.1.1: as few bytes as the number needs */
	if (v->a[0] == 0 || v->b[0] == 0)
		return fault(w, v->a[0] == 0 ? "n" : "e", "must not begin with a zero byte");
	if (bits_of(v->a, v->a_n) < JWS_RSA_BITS_MIN || v->a[v->a_n - 1] % 2 == 0)
		return fault(w, "n", "must be odd and have %d to %d bits; make a larger key",
		    JWS_RSA_BITS_MIN, JWS_RSA_BITS_MAX);
	for (size_t i = 0; i < v->b_n && e <= UINT32_MAX; i++)
		e = e << 8 | v->b[i];
	if (e < 3 || e > UINT32_MAX || e % 2 == 0)
		return fault(
		    w, "e", "must be odd and lie between 3 and 4294967295; 65537 is usual");
	return true;
}

static bool
read_numbers(struct jwk *w)
{
	struct jws_numbers *v = &w->numbers;
	const struct jws_alg_row *row = jws_alg_row(w->key->alg);

	if (row->crv == NULL)
		return read_rsa(w);
	v->b_n = 0;
	if (!read_coordinate(w, "x", v->a, &v->a_n))
		return false;
	return w->key->alg == JWS_EDDSA || read_coordinate(w, "y", v->b, &v->b_n);
}

/* --- documents ------------------------------------------------------------------------------ */

/* Adds the key at w->v.  -1 without memory only. */
static int
add_key(struct jws_keys *all, struct jwk *w, struct err *e)
{
	const char *why = NULL;
	int rc;

	if (json_type(w->v) != JSON_DICT) {
		(void)fault(w, "", "must be an object, a JWK");
		return 0;
	}
	if (!check_public(w) || !check_use(w) || !read_alg(w) || !read_kid(w, all) ||
	    !read_numbers(w))
		return 0;
	rc = jws_key_init(w->key, &w->numbers, &why, e);
	if (rc > 0)
		(void)fault(w, jws_alg_row(w->key->alg)->crv == NULL ? "n" : "x", "%s", why);
	if (rc == 0)
		all->n++;
	return rc < 0 ? -1 : 0;
}

static int
add_keys(struct jws_keys *all, const struct json_value *list, const char *pointer,
    struct err *faults, struct err *e)
{
	struct jwk w = { .faults = faults };

	for (size_t i = 0; i < json_count(list); i++) {
		size_t before = all->n;
		int rc;

		w.v = json_at(list, i);
		w.key = &all->keys[before];
		(void)snprintf(w.pointer, sizeof(w.pointer), "%s/keys/%zu", pointer, i);
		rc = add_key(all, &w, e);
		if (all->n == before)
			jws_key_done(w.key);
		if (rc < 0)
			return -1;
	}
	return 0;
}

int
jws_keys_parse(
    const struct json_value *jwks, const char *pointer, struct jws_keys **ret, struct err *e)
{
	AUTO(jws_keys) all = calloc(1, sizeof(*all));
	const struct json_value *list = json_member(jwks, "keys");
	struct err faults = { 0 };
	char at[ERR_FIELD_SIZE];

	if (all == NULL)
		return jws_no_memory(e);
	(void)snprintf(at, sizeof(at), "%s/keys", pointer);
	if (list == NULL || json_type(list) != JSON_ARRAY || json_count(list) > JWS_KEYS_MAX)
		err_field_add(
		    &faults, at, "must be an array of 1 to %d keys, as in a JWK Set", JWS_KEYS_MAX);
	else if (add_keys(all, list, pointer, &faults, e) < 0)
		return -1;
	else if (all->n == 0 && faults.n_fields == 0)
		err_field_add(&faults, at, "must hold a key with which tokens are signed");
	if (err_fields_done(&faults, ERR_INVALID) < 0) {
		*e = faults;
		return -1;
	}
	*ret = all;
	all = NULL;
	return 0;
}

int
jws_keys_parse_text(const char *text, size_t n, struct jws_keys **ret, struct err *e)
{
	AUTO(json) j = NULL;

	if (json_parse(text, n, &j, e) < 0)
		return -1;
	return jws_keys_parse(json_root(j), "", ret, e);
}

void
jws_keys_free(struct jws_keys *k)
{
	if (k == NULL)
		return;
	for (size_t i = 0; i < k->n; i++)
		jws_key_done(&k->keys[i]);
	free(k);
}

/* --- a set that was read -------------------------------------------------------------------- */

const struct jws_key *
jws_keys_find(const struct jws_keys *k, const char *kid)
{
	for (size_t i = 0; i < k->n; i++)
		if (strcmp(k->keys[i].kid, kid) == 0)
			return &k->keys[i];
	return NULL;
}

size_t
jws_keys_count(const struct jws_keys *k)
{
	return k->n;
}

const char *
jws_keys_kid(const struct jws_keys *k, size_t i)
{
	REQUIRE(i < k->n);
	return k->keys[i].kid;
}

enum jws_alg
jws_keys_alg(const struct jws_keys *k, size_t i)
{
	REQUIRE(i < k->n);
	return k->keys[i].alg;
}

bool
jws_keys_has(const struct jws_keys *k, const char *kid)
{
	return jws_keys_find(k, kid) != NULL;
}

void
jws_keys_print(const struct jws_keys *k, struct json_out *o)
{
	json_out_begin(o);
	json_out_key(o, "keys");
	json_out_begin_array(o);
	for (size_t i = 0; i < k->n; i++)
		jws_key_print(&k->keys[i], o);
	json_out_end_array(o);
	json_out_end(o);
}
