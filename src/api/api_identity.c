/* SPDX-License-Identifier: Apache-2.0 */
#include "api_identity_internal.h"

#include "clock.h"

#include <stdio.h>
#include <string.h>

/* --- bodies ----------------------------------------------------------------------------------- */

bool
req_cleared(const struct req *rq, const char *member, bool present)
{
	return !present && req_body_has(rq, member);
}

void
req_text_cleared(const struct req *rq, const char *member, struct identity_text *t)
{
	if (req_cleared(rq, member, t->set))
		*t = (struct identity_text){ .set = true };
}

int
req_role_each(
    struct json_decoder *d, const struct json_value *v, size_t index, const char *name, void *ctx)
{
	struct roles_wish *w = ctx;
	const char *project = NULL;
	struct identity_role_ref ref = { 0 };
	const struct json_field fields[] = {
		JSON_TEXT("role", &ref.role, 1, IDENTITY_NAME_MAX, JSON_REQUIRED),
		JSON_TEXT("project", &project, 1, ID_STR_SIZE, JSON_NULLABLE),
		JSON_FIELDS_END,
	};
	struct err bad;

	(void)index;
	(void)name;
	if (json_decode_value(d, v, fields) < 0)
		return -1;
	if (project != NULL && id_parse("prj", project, &ref.project, &bad) < 0)
		json_fault(d, "project", "%s", bad.msg);
	else if (project != NULL && uuid_is_nil(ref.project))
		/* The program's word for the whole tenant is nobody's id. */
		json_fault(d, "project", "must be the id of a project");
	REQUIRE(w->n < IDENTITY_ROLES_MAX); /* the decoder counts */
	w->refs[w->n++] = ref;
	return 0;
}

struct identity_roles
req_roles(const struct roles_wish *w)
{
	return (struct identity_roles){ .p = w->refs, .n = w->n };
}

int
req_permission_each(
    struct json_decoder *d, const struct json_value *v, size_t index, const char *name, void *ctx)
{
	permission_set *set = ctx;
	enum permission p;
	const char *text;

	(void)index;
	(void)name;
	if (json_get_text(v, &text) && permission_parse(text, &p))
		*set |= PERM_BIT(p);
	else
		json_fault(d, "", "is not a permission; GET /v1/permissions lists them");
	return 0;
}

int
req_cidr_each(
    struct json_decoder *d, const struct json_value *v, size_t index, const char *name, void *ctx)
{
	struct net_cidrs *cidrs = ctx;
	struct net_cidr cidr;
	struct err bad = { 0 };
	const char *text;

	(void)index;
	(void)name;
	REQUIRE(cidrs->n < NET_CIDRS_MAX); /* the decoder counts */
	if (!json_get_text(v, &text))
		json_fault(d, "", "must be a network such as \"10.0.0.0/8\"");
	else if (net_cidr_parse(text, &cidr, &bad) < 0)
		json_fault(d, "", "%s", bad.msg);
	else
		cidrs->at[cidrs->n++] = cidr;
	return 0;
}

void
req_body_time(const char *text, const char *pointer, int64_t *ret_wall_us, struct err *e)
{
	struct err bad = { 0 };

	if (text != NULL && clock_parse(text, ret_wall_us, &bad) < 0)
		err_field_add(e, pointer, "must be a time such as 2026-11-23T06:16:43Z");
}

void
req_body_kind(const char *text, bool *ret_person, struct err *e)
{
	*ret_person = text != NULL && strcmp(text, "person") == 0;
	if (text != NULL && !*ret_person && strcmp(text, "service") != 0)
		err_field_add(e, "/kind", "must be \"person\" or \"service\"");
}

/* --- queries ---------------------------------------------------------------------------------- */

struct identity_flag
req_either(const char *word)
{
	return (struct identity_flag){ .set = word != NULL,
		.v = word != NULL && strcmp(word, "true") == 0 };
}

struct identity_page
req_page(const struct page *p)
{
	return (struct identity_page){ .before = p->last, .limit = p->limit };
}

/* --- changes ---------------------------------------------------------------------------------- */

int
req_ask_once(struct req *rq, struct identity_once *once, struct identity_ask *ret, struct err *e)
{
	uint8_t *fingerprint = arena_alloc(rq->mem, REQ_FINGERPRINT_SIZE);

	if (fingerprint == NULL)
		return arena_err(e);
	*once = (struct identity_once){ .fingerprint = fingerprint };
	if (req_idempotency(rq, &once->key, fingerprint, e) < 0)
		return -1;
	*ret = req_ask(rq);
	ret->once = once->key == NULL ? NULL : once;
	return 0;
}

void
req_rights_changed(struct req *rq)
{
	tenants_forget(rq->api->o.tenants, rq->who.tenant);
}

int
req_reply_removed(struct req *rq, struct err *e)
{
	req_rights_changed(rq);
	return reply_nothing(rq, e);
}
