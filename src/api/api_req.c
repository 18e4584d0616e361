/* SPDX-License-Identifier: Apache-2.0 */
/* What handlers ask of their request: path, body, conditions, idempotency keys. */

#include "api_internal.h"
#include "api_query_internal.h"
#include "api_value_internal.h"

#include "auth.h"
#include "http.h"
#include "parse.h"

#include <string.h>

/* --- path and query --------------------------------------------------------------------------- */

static bool
is_name(const struct req_arg *a, const char *name)
{
	return strlen(name) == a->name_n && memcmp(a->name, name, a->name_n) == 0;
}

/* A role is given by its id or its name, in which there is no '_'. */
static const char *
prefix_of(const struct req_arg *a)
{
	if (is_name(a, "role") && strncmp(a->text, "rol_", 4) == 0)
		return "rol";
	return route_id_prefix(a->name, a->name_n);
}

/* One {placeholder}: decoded, and for ids checked. */
static int
read_arg(struct req *rq, size_t i, struct err *e)
{
	struct req_arg a = { .name = rq->match.args[i].name, .name_n = rq->match.args[i].name_n };
	char *text = arena_alloc(rq->mem, rq->match.args[i].raw_n + 1);

	if (text == NULL)
		return arena_err(e);
	if (http_decode(rq->match.args[i].raw, rq->match.args[i].raw_n, false, text) < 0)
		return err_set(e, ERR_BAD_REQUEST,
		    "The path holds a malformed percent escape, or bytes that are not UTF-8.");
	a.text = text;
	a.prefix = prefix_of(&a);
	if (a.prefix != NULL && id_parse(a.prefix, text, &a.id, e) < 0)
		return -1;
	rq->args[rq->n_args++] = a;
	return 0;
}

int
req_read_args(struct req *rq, struct err *e)
{
	rq->n_args = 0;
	for (size_t i = 0; i < rq->match.n; i++)
		if (read_arg(rq, i, e) < 0)
			return -1;
	return 0;
}

static const struct req_arg *
arg_of(const struct req *rq, const char *name)
{
	for (size_t i = 0; i < rq->n_args; i++)
		if (is_name(&rq->args[i], name))
			return &rq->args[i];
	return NULL;
}

struct uuid
req_id(const struct req *rq, const char *name)
{
	const struct req_arg *a = arg_of(rq, name);

	REQUIRE(a != NULL);
	return a->id;
}

const char *
req_text(const struct req *rq, const char *name)
{
	const struct req_arg *a = arg_of(rq, name);

	REQUIRE(a != NULL);
	return a->text;
}

int
req_query(struct req *rq, const struct query_param *params, struct err *e)
{
	return query_decode(http_req_query(rq->http), params, rq->mem, e);
}

const char *
req_accept(const struct req *rq, const char *const *types)
{
	const char *accept = http_req_header(rq->http, "Accept"), *best = types[0];
	int best_quality = 0;

	for (; *types != NULL; types++) {
		int quality = value_accept(accept, *types);

		if (quality > best_quality) {
			best_quality = quality;
			best = *types;
		}
	}
	return best;
}

/* --- body and conditions ---------------------------------------------------------------------- */

int
req_body_decode(struct req *rq, const struct json_field *fields, struct err *e)
{
	size_t n;
	const char *text = http_req_body(rq->http, &n);

	if (n == 0 && (rq->route->flags & ROUTE_BODY_OPTIONAL) != 0) {
		text = "{}";
		n = 2;
	}
	if (rq->doc == NULL && json_parse(text, n, &rq->doc, e) < 0)
		return -1;
	return json_decode(rq->doc, fields, rq->mem, e);
}

bool
req_body_has(const struct req *rq, const char *name)
{
	REQUIRE(rq->doc != NULL);
	return json_member(json_root(rq->doc), name) != NULL;
}

void
req_body_id(
    const char *text, const char *prefix, const char *pointer, struct uuid *ret, struct err *e)
{
	struct uuid id;
	struct err why = { 0 };

	if (text == NULL)
		return;
	if (id_parse(prefix, text, &id, &why) < 0 || uuid_is_nil(id))
		err_field_add(e, pointer, "must be an id that begins with %s_", prefix);
	else
		*ret = id;
}

int
req_if_match(const struct req *rq, int64_t *ret_version, struct err *e)
{
	switch (value_version(http_req_header(rq->http, "If-Match"), ret_version)) {
	case VALUE_VERSION_ANY:
		*ret_version = REQ_ANY_VERSION;
		return 0;
	case VALUE_VERSION_ONE:
		return 0;
	case VALUE_VERSION_NONE:
		*ret_version = REQ_NO_VERSION;
		return 0;
	case VALUE_VERSION_MANY:
		break;
	}
	err_field_add(e, "If-Match", "must be one entity tag, as an ETag gave it, or *");
	return err_fields_done(e, ERR_BAD_HEADER);
}

int
req_stale(struct err *e)
{
	return err_set(e, ERR_PRECONDITION,
	    "The resource has changed since the version in If-Match; read it again.");
}

/* --- Idempotency-Key -------------------------------------------------------------------------- */

/* Who asks is a part of it: a key that somebody else has used gives no look at what they made. */
static int
fingerprint(const struct req *rq, uint8_t out[static REQ_FINGERPRINT_SIZE], struct err *e)
{
	struct uuid who = principal_id(&rq->who);
	AUTO(auth_digest) d = NULL;
	size_t n;
	const char *body = http_req_body(rq->http, &n);

	if (auth_digest_new(&d, e) < 0)
		return -1;
	/* The NULs keep method, path and body apart. */
	auth_digest_add(d, who.b, sizeof(who.b));
	auth_digest_add(d, rq->method, strlen(rq->method) + 1);
	auth_digest_add(d, rq->raw_path, strlen(rq->raw_path) + 1);
	auth_digest_add(d, body, n);
	auth_digest_end(d, out);
	return 0;
}

int
req_idempotency(
    struct req *rq, const char **ret_key, uint8_t out[static REQ_FINGERPRINT_SIZE], struct err *e)
{
	const char *given = http_req_header(rq->http, "Idempotency-Key");
	char *key;

	_Static_assert(REQ_FINGERPRINT_SIZE == (int)AUTH_SHA256_SIZE, "it is a SHA-256");
	if (given == NULL) {
		*ret_key = NULL;
		return 0;
	}
	key = arena_alloc(rq->mem, VALUE_KEY_SIZE);
	if (key == NULL)
		return arena_err(e);
	if (value_idempotency_key(given, key, e) < 0 || fingerprint(rq, out, e) < 0)
		return -1;
	*ret_key = key;
	return 0;
}
