/* SPDX-License-Identifier: Apache-2.0 */
#include "api_identity_internal.h"

#include "audit.h"
#include "auth.h"
#include "clock.h"

#include <stdio.h>
#include <string.h>

enum { LIFETIME_MIN_S = 60 };

struct wish {
	int64_t expires_in_s;
	permission_set scopes; /* 0: all */
};

static int
read_wish(struct req *rq, struct wish *w, struct err *e)
{
	bool limited =
	    false; /* an empty list is refused, so that no set of scopes is 0 by mistake */
	const struct json_field fields[] = {
		JSON_I64("expires_in_s", &w->expires_in_s, LIFETIME_MIN_S, TENANTS_TOKEN_S, 0),
		WISH_LIST("scopes", req_permission_each, &w->scopes, &limited, PERM_COUNT, 0),
		JSON_FIELDS_END,
	};

	return req_body_decode(rq, fields, e);
}

/* The token itself is kept nowhere, so its making is what the log can tell of. */
static int
record(struct req *rq, const struct tenants_token *t, struct err *e)
{
	char id[ID_STR_SIZE], expires[CLOCK_STR_SIZE];
	char *changes =
	    arena_printf(rq->mem, "{\"expires_at\":[null,\"%s\"],\"scope\":[null,\"%s\"]}",
		clock_format(t->expires_wall_us, expires), t->scope);
	const struct audit_note note = { .by = &rq->caller,
		.action = "token.create",
		.resource = id_format("tok", t->id, id),
		.changes = changes };

	if (changes == NULL)
		return arena_err(e);
	return audit_record(rq->api->o.db, rq->who.tenant, &note, rq->mem, e);
}

/* A token does not outlive its key, so it may end sooner than was asked. */
static int64_t
seconds_left(const struct tenants_token *t, int64_t asked_s)
{
	int64_t left_s = (t->expires_wall_us - clock_wall_us() + 999999) / 1000000;

	return left_s < asked_s ? left_s : asked_s;
}

/* POST /v1/auth/token: exchanges an API key for a token of at most an hour. */
int
api_post_auth_token(struct req *rq, struct err *e)
{
	struct wish w = { .expires_in_s = TENANTS_TOKEN_S };
	struct tenants_token t;
	struct json_out *o;

	if (read_wish(rq, &w, e) < 0)
		return -1;
	if (tenants_issue(rq->api->o.tenants, &rq->who, w.scopes, w.expires_in_s, rq->mem, &t, e) <
		0 ||
	    record(rq, &t, e) < 0)
		return -1;
	o = reply_begin(rq);
	json_out_begin(o);
	json_put_text(o, "access_token", t.text);
	json_put_text(o, "token_type", "Bearer");
	json_put_i64(o, "expires_in", seconds_left(&t, w.expires_in_s));
	json_put_time(o, "expires_at", t.expires_wall_us);
	put_id(o, "id", "tok", t.id);
	json_put_text(o, "scope", t.scope);
	json_out_end(o);
	auth_wipe(t.text, strlen(t.text));
	return reply_json(rq, 201, e);
}
