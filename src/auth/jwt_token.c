/* SPDX-License-Identifier: Apache-2.0 */
#include "jwt_internal.h"

#include "base64.h"
#include "json.h"

#include <stdio.h>
#include <string.h>

enum { PATH_MAX_BYTES = 256 };

/* --- reading -------------------------------------------------------------------------------- */

/* The three parts of a compact token. */
struct parts {
	const char *p[3];
	size_t n[3];
};

static bool
split(const char *text, size_t n, struct parts *ret)
{
	const char *end = text + n;

	for (size_t i = 0; i < ARRAY_LEN(ret->p); i++) {
		const char *dot = memchr(text, '.', (size_t)(end - text));

		if (dot == NULL)
			dot = end;
		if (dot == text || (dot == end) != (i + 1 == ARRAY_LEN(ret->p)))
			return false;
		ret->p[i] = text;
		ret->n[i] = (size_t)(dot - text);
		text = dot + (dot != end);
	}
	return true;
}

/* A part that is a JSON object.  0; 1 when it is none; -1 without memory. */
static int
read_object(const char *text, size_t text_n, struct json **ret, struct err *e)
{
	char bytes[BASE64_BYTES_SIZE(JWT_TEXT_MAX)];
	struct err bad = { 0 };
	AUTO(json) j = NULL;
	size_t n;

	if (!base64_decode(BASE64_URL, text, text_n, bytes, sizeof(bytes), &n))
		return 1;
	if (json_parse(bytes, n, &j, &bad) < 0)
		return bad.code == ERR_NO_MEMORY ? jws_no_memory(e) : 1;
	if (json_type(json_root(j)) != JSON_DICT)
		return 1;
	*ret = j;
	j = NULL;
	return 0;
}

/* NULL, or why the header is refused. */
static const char *
read_header(struct jwt_token *t)
{
	/* Each would let the token say how it is to be read or where its key is. */
	static const char *const refused[] = { "crit", "b64", "zip", "enc", "cty", "jku", "jwk",
		"x5u", "x5c" };
	const struct json_value *head = json_root(t->head), *type = json_member(head, "typ");
	const char *alg;

	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		if (json_member(head, refused[i]) != NULL)
			return "header";
	if (!json_get_text(json_member(head, "alg"), &alg) || !jws_alg_parse(alg, &t->alg))
		return "alg";
	if (!json_get_text(json_member(head, "kid"), &t->kid) || !jws_kid_valid(t->kid))
		return "kid";
	t->type = "";
	if (type != NULL && !json_get_text(type, &t->type))
		return "typ";
	return NULL;
}

static const char *
text_or_empty(const struct json_value *v)
{
	const char *text;

	return json_get_text(v, &text) ? text : "";
}

static size_t
count_audiences(const struct json_value *aud)
{
	size_t n = json_count(aud);
	const char *text;

	if (json_get_text(aud, &text))
		return 1;
	/* The members of an object are not at a place. */
	for (size_t i = 0; i < n; i++)
		if (!json_get_text(json_at(aud, i), &text))
			return 0;
	return n;
}

static void
read_payload(struct jwt_token *t)
{
	const struct json_value *claims = json_root(t->payload);

	t->issuer = text_or_empty(json_member(claims, "iss"));
	t->subject = text_or_empty(json_member(claims, "sub"));
	t->id = text_or_empty(json_member(claims, "jti"));
	t->audience = json_member(claims, "aud");
	t->n_audiences = count_audiences(t->audience);
}

static int
read_parts(struct jwt_token *t, const char **ret_why, struct err *e)
{
	const char *why;
	struct parts part;
	int rc;

	if (!split(t->text, t->n, &part))
		return jwt_refuse("form", ret_why, e);
	t->signed_n = part.n[0] + 1 + part.n[1];
	rc = read_object(part.p[0], part.n[0], &t->head, e);
	if (rc != 0)
		return rc < 0 ? -1 : jwt_refuse("header", ret_why, e);
	why = read_header(t);
	if (why != NULL)
		return jwt_refuse(why, ret_why, e);
	rc = read_object(part.p[1], part.n[1], &t->payload, e);
	if (rc != 0)
		return rc < 0 ? -1 : jwt_refuse("payload", ret_why, e);
	read_payload(t);
	if (!base64_decode(BASE64_URL, part.p[2], part.n[2], t->sig, sizeof(t->sig), &t->sig_n))
		return jwt_refuse("signature", ret_why, e);
	return 0;
}

int
jwt_read(const char *text, size_t n, struct jwt_token **ret, const char **ret_why, struct err *e)
{
	AUTO(jwt_token) t = NULL;

	if (n == 0 || n > JWT_TEXT_MAX)
		return jwt_refuse("size", ret_why, e);
	t = calloc(1, sizeof(*t) + n);
	if (t == NULL)
		return jws_no_memory(e);
	memcpy(t->text, text, n);
	t->n = n;
	if (read_parts(t, ret_why, e) < 0)
		return -1;
	auth_sha256(text, n, t->digest);
	*ret = t;
	t = NULL;
	return 0;
}

void
jwt_token_free(struct jwt_token *t)
{
	if (t == NULL)
		return;
	json_free(t->head);
	json_free(t->payload);
	auth_wipe(t, sizeof(*t) + t->n); /* whoever has the text is whoever it names */
	free(t);
}

/* --- what it says --------------------------------------------------------------------------- */

const char *
jwt_kid(const struct jwt_token *t)
{
	return t->kid;
}

const char *
jwt_alg_name(const struct jwt_token *t)
{
	return jws_alg_name(t->alg);
}

const char *
jwt_type(const struct jwt_token *t)
{
	return t->type;
}

const char *
jwt_issuer(const struct jwt_token *t)
{
	return t->issuer;
}

const char *
jwt_subject(const struct jwt_token *t)
{
	return t->subject;
}

const char *
jwt_id(const struct jwt_token *t)
{
	return t->id;
}

bool
jwt_expires_s(const struct jwt_token *t, int64_t *ret)
{
	return json_get_i64(json_member(json_root(t->payload), "exp"), ret);
}

size_t
jwt_audience_count(const struct jwt_token *t)
{
	return t->n_audiences;
}

const char *
jwt_audience(const struct jwt_token *t, size_t i)
{
	REQUIRE(i < t->n_audiences);
	if (json_type(t->audience) == JSON_STRING)
		return text_or_empty(t->audience);
	return text_or_empty(json_at(t->audience, i));
}

bool
jwt_has_audience(const struct jwt_token *t, const char *audience)
{
	for (size_t i = 0; i < t->n_audiences; i++)
		if (strcmp(jwt_audience(t, i), audience) == 0)
			return true;
	return false;
}

/* The longest name first.  Ends, because a document is at most JSON_MAX_DEPTH deep. */
static const struct json_value *
claim_at(const struct json_value *v, const char *path)
{
	char name[PATH_MAX_BYTES + 1];
	const struct json_value *child = json_member(v, path);

	for (size_t n = strlen(path); child == NULL && n-- > 0;) {
		if (path[n] != '.')
			continue;
		memcpy(name, path, n);
		name[n] = '\0';
		child = json_member(v, name);
		if (child != NULL)
			child = claim_at(child, path + n + 1);
	}
	return child;
}

const struct json_value *
jwt_claim(const struct jwt_token *t, const char *path)
{
	if (strlen(path) > PATH_MAX_BYTES)
		return NULL;
	return claim_at(json_root(t->payload), path);
}

const uint8_t *
jwt_digest(const struct jwt_token *t)
{
	return t->digest;
}
