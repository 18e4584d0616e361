/* SPDX-License-Identifier: Apache-2.0 */
#include "jwt_signer_internal.h"

#include "base64.h"

#include <errno.h>
#include <string.h>

#include <jwt.h>

/*
 * Tokens of our own.  libjwt 1.10.2 composes the header and the claims: it escapes, checks UTF-8
 * and refuses a name that comes twice.  It does not sign, because its jwt_encode_str puts `typ`
 * "JWT" in place of ours, which would make an access token look like an ID token, and reads the key
 * from PEM again for each token.
 */

/* An errno value, as everywhere in libjwt: EINVAL for text that is not UTF-8, EEXIST for a claim
 * that is there already. */
static int
fill_header(jwt_t *jwt, const struct jwt_signer *s)
{
	int rc = jwt_add_header(jwt, "typ", "at+jwt");

	if (rc == 0)
		rc = jwt_add_header(jwt, "alg", jws_alg_name(s->key.alg));
	return rc == 0 ? jwt_add_header(jwt, "kid", s->key.kid) : rc;
}

static int
fill_claims(jwt_t *jwt, const struct jwt_claims *c)
{
	const struct jwt_text_claim registered[] = { { "iss", c->issuer }, { "aud", c->audience },
		{ "sub", c->subject }, { "jti", c->id } };
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(registered); i++)
		rc = jwt_add_grant(jwt, registered[i].name, registered[i].value);
	for (size_t i = 0; rc == 0 && i < c->n_texts; i++)
		rc = jwt_add_grant(jwt, c->texts[i].name, c->texts[i].value);
	if (rc == 0)
		rc = jwt_add_grant_int(jwt, "iat", c->issued_s);
	if (rc == 0)
		rc = jwt_add_grant_int(jwt, "nbf", c->not_before_s);
	return rc == 0 ? jwt_add_grant_int(jwt, "exp", c->expires_s) : rc;
}

static void
put_part(struct buf *out, const char *json)
{
	base64_append(out, BASE64_URL, json, strlen(json));
	buf_char(out, '.');
}

/* Appends the header and the claims, each with its dot. */
static int
compose(const struct jwt_signer *s, const struct jwt_claims *c, struct buf *out, struct err *e)
{
	AUTO_FREE char *header = NULL;
	AUTO_FREE char *claims = NULL;
	jwt_t *jwt = NULL;
	int rc = jwt_new(&jwt);

	if (rc == 0)
		rc = fill_header(jwt, s);
	if (rc == 0)
		rc = fill_claims(jwt, c);
	if (rc == 0) {
		header = jwt_get_headers_json(jwt, NULL);
		claims = jwt_get_grants_json(jwt, NULL);
	}
	jwt_free(jwt);
	if (rc == EINVAL || rc == EEXIST)
		return err_set(e, ERR_INTERNAL,
		    "The token cannot be written; its claims must be UTF-8 and have different "
		    "names");
	if (header == NULL || claims == NULL)
		return jws_no_memory(e);
	put_part(out, header);
	put_part(out, claims);
	return 0;
}

int
jwt_issue(const struct jwt_signer *s, const struct jwt_claims *c, char out[static JWT_SIZE],
    struct err *e)
{
	uint8_t sig[JWT_ES256_SIZE];
	AUTO_BUF text = { 0 };

	buf_init(&text, JWT_SIZE - 1);
	if (compose(s, c, &text, e) < 0)
		return -1;
	/* What is signed ends before the second dot. */
	if (!text.failed && jwt_signer_sign(s, text.p, text.n - 1, sig, e) < 0)
		return -1;
	base64_append(&text, BASE64_URL, sig, sizeof(sig));
	if (text.no_memory)
		return buf_check(&text, e);
	if (text.failed)
		return err_set(e, ERR_TOO_LARGE,
		    "The token would have more than %d bytes; ask for fewer scopes", JWT_SIZE - 1);
	memcpy(out, text.p, text.n + 1);
	auth_wipe(text.p, text.n);
	return 0;
}
