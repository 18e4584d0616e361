/* SPDX-License-Identifier: Apache-2.0 */
#include "api_platform_internal.h"

#include "auth.h"

#include <stdio.h>
#include <string.h>

struct wish {
	const char *name, *kind;
	struct owner_wish owner;
};

static int
read_wish(struct req *rq, struct wish *w, struct err *e)
{
	struct json_field owner[OWNER_FIELDS];
	const struct json_field fields[] = {
		JSON_TEXT("name", &w->name, 1, IDENTITY_NAME_MAX, JSON_REQUIRED),
		JSON_OBJECT("owner", owner, JSON_REQUIRED),
		JSON_FIELDS_END,
	};

	req_owner_fields(&w->owner, &w->kind, owner);
	if (req_body_decode(rq, fields, e) < 0)
		return -1;
	return req_owner_kind(w->kind, "/owner/kind", &w->owner, e);
}

/* Before the tenant is made: what is refused must leave nothing behind. */
static int
check_owner(struct req *rq, const struct owner_wish *w, struct err *e)
{
	const struct identity_user_new user = { .name = w->name, .email = w->email };
	struct err why = { 0 };

	if (identity_user_check(&user, rq->mem, &why) == 0)
		return 0;
	if (why.n_fields == 0) {
		*e = why;
		return -1;
	}
	for (uint32_t i = 0; i < why.n_fields; i++) {
		char pointer[sizeof("/owner") + ERR_FIELD_SIZE];

		(void)snprintf(pointer, sizeof(pointer), "/owner%s", why.fields[i].name); /* fits */
		err_field_add(e, pointer, "%s", why.fields[i].msg);
	}
	return err_fields_done(e, ERR_INVALID);
}

/* The tenant is there before its owner is; when making the owner fails, it says how to go on. */
static int
make(struct req *rq, const struct wish *w, struct platform_tenant *t, struct owner_made *made,
    char text[static AUTH_KEY_SIZE], struct err *e)
{
	const struct platform_ask ask = req_platform_ask(rq);
	char id[ID_STR_SIZE];

	if (platform_tenant_create(&ask, w->name, t, e) < 0)
		return -1;
	if (req_make_owner(rq, t->id, &w->owner, made, text, e) == 0)
		return 0;
	return err_wrap(e,
	    "The tenant %s was made, its owner was not; POST /v1/tenants/%s/owners makes one",
	    id_format("ten", t->id.uuid, id), id);
}

/* POST /v1/tenants: a tenant with its first owner, whose key is shown once. */
int
api_post_tenants(struct req *rq, struct err *e)
{
	struct wish w = { 0 };
	struct platform_tenant t;
	struct owner_made made;
	char text[AUTH_KEY_SIZE];
	struct reply_made reply = { .collection = "/v1/tenants", .prefix = "ten" };
	struct json_out *o;

	if (read_wish(rq, &w, e) < 0 || check_owner(rq, &w.owner, e) < 0 ||
	    make(rq, &w, &t, &made, text, e) < 0)
		return -1;
	o = reply_begin(rq);
	json_out_begin(o);
	json_out_key(o, "tenant");
	platform_tenant_print(&t, o);
	json_out_key(o, "owner");
	req_print_owner(&made, text, o);
	json_out_end(o);
	auth_wipe(text, sizeof(text));
	reply.id = t.id.uuid;
	reply.version = t.version;
	return reply_created(rq, &reply, e);
}
