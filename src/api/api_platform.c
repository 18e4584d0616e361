/* SPDX-License-Identifier: Apache-2.0 */
#include "api_platform_internal.h"

#include "quota.h"

#include <string.h>

struct platform_ask
req_platform_ask(const struct req *rq)
{
	return (struct platform_ask){ .db = rq->api->o.db, .by = &rq->caller, .mem = rq->mem };
}

struct tenant_id
req_tenant(const struct req *rq)
{
	return (struct tenant_id){ req_id(rq, "tenant") };
}

int
req_reply_registered(struct req *rq, const struct platform_tenant *t, struct err *e)
{
	platform_tenant_print(t, reply_begin(rq));
	return reply_json_versioned(rq, t->version, e);
}

int
req_reason(struct req *rq, const char **ret, struct err *e)
{
	const struct json_field fields[] = {
		JSON_TEXT("reason", ret, 1, PLATFORM_REASON_BYTES, JSON_REQUIRED),
		JSON_FIELDS_END,
	};

	return req_body_decode(rq, fields, e);
}

/* --- limits ----------------------------------------------------------------------------------- */

static void
put_line(struct json_out *o, enum quota q, const struct quota_line *l)
{
	json_out_begin(o);
	json_put_text(o, "name", quota_name(q));
	json_put_text(o, "unit", quota_unit(q));
	json_put_i64(o, "limit", l->limit);
	json_put_bool(o, "default", l->is_default);
	if (l->used < 0)
		json_put_null(o, "used");
	else
		json_put_i64(o, "used", l->used);
	json_put_text(o, "description", quota_sentence(q));
	json_out_end(o);
}

int
req_reply_limits(struct req *rq, struct tenant_id tenant, struct uuid project, struct err *e)
{
	struct quota_line lines[QUOTA_COUNT];
	struct json_out *o;

	if (quota_lines(rq->api->o.db, tenant, project, rq->api->o.quotas, rq->mem, lines, e) < 0)
		return -1;
	o = reply_begin(rq);
	json_out_begin(o);
	json_out_key(o, "data");
	json_out_begin_array(o);
	for (int q = 0; q < QUOTA_COUNT; q++)
		if (lines[q].limit >= 0)
			put_line(o, (enum quota)q, &lines[q]);
	json_out_end_array(o);
	put_id(o, "project", "prj", project);
	json_out_end(o);
	return reply_json(rq, 200, e);
}

static int
each_limit(
    struct json_decoder *d, const struct json_value *v, size_t index, const char *name, void *ctx)
{
	struct limits_wish *w = ctx;
	int64_t amount = -1;
	enum quota q;

	(void)index; /* members have names */
	if (!quota_parse(name, &q) || (w->of_project && !quota_of_project(q))) {
		json_fault(d, "", "is no limit that can be set here; GET lists those that can");
		return 0;
	}
	if (json_type(v) != JSON_NULL &&
	    (!json_get_i64(v, &amount) || amount < 0 || amount > QUOTA_MAX)) {
		json_fault(d, "", "must be an integer from 0 to %lld, or null to unset it",
		    (long long)QUOTA_MAX);
		return 0;
	}
	REQUIRE(w->n < QUOTA_COUNT); /* names are distinct */
	w->p[w->n++] = (struct platform_limit){ .quota = q, .amount = amount };
	return 0;
}

int
req_limits(struct req *rq, bool of_project, struct limits_wish *ret, struct err *e)
{
	struct limits_wish w = { .of_project = of_project };
	const struct json_field fields[] = {
		JSON_MAP("limits", each_limit, &w, QUOTA_COUNT, JSON_REQUIRED),
		JSON_FIELDS_END,
	};

	if (req_body_decode(rq, fields, e) < 0)
		return -1;
	*ret = w;
	return 0;
}

/* --- owners ----------------------------------------------------------------------------------- */

void
req_owner_fields(struct owner_wish *w, const char **kind, struct json_field *fields)
{
	const struct json_field owner[OWNER_FIELDS] = {
		/* The decoder counts bytes, the stores characters of at most four. */
		JSON_TEXT("name", &w->name, 1, 4 * IDENTITY_NAME_MAX, JSON_REQUIRED),
		JSON_TEXT("kind", kind, 1, IDENTITY_NAME_MAX, 0),
		JSON_TEXT("email", &w->email, 1, 4 * IDENTITY_EMAIL_MAX, JSON_NULLABLE),
		JSON_FIELDS_END,
	};

	for (size_t i = 0; i < OWNER_FIELDS; i++)
		fields[i] = owner[i];
}

int
req_owner_kind(const char *kind, const char *pointer, struct owner_wish *w, struct err *e)
{
	w->person = kind != NULL && strcmp(kind, "person") == 0;
	if (kind != NULL && !w->person && strcmp(kind, "service") != 0)
		err_field_add(e, pointer, "must be \"person\" or \"service\"");
	return err_fields_done(e, ERR_INVALID);
}

int
req_make_owner(struct req *rq, struct tenant_id tenant, const struct owner_wish *w,
    struct owner_made *ret, char text[static AUTH_KEY_SIZE], struct err *e)
{
	static const struct identity_role_ref owner = { .role = "owner" };
	struct identity_ask ask = req_ask(rq);
	const struct identity_user_new user = {
		.person = w->person, .name = w->name, .email = w->email, .roles = { &owner, 1 }
	};
	struct identity_key_new key = { .name = "first key" };

	ask.tenant = tenant;
	ask.platform = true;
	if (identity_user_create(&ask, &user, &ret->user, e) < 0)
		return -1;
	key.user = ret->user.id;
	return identity_key_create(&ask, &key, &ret->key, text, e);
}

void
req_print_owner(const struct owner_made *made, const char *text, struct json_out *o)
{
	json_out_begin(o);
	put_id(o, "user", "usr", made->user.id);
	put_id(o, "key_id", "key", made->key.id);
	json_put_text(o, "key", text);
	json_out_end(o);
}
