/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /v1/access/check: whether somebody may do something, and why.  Roles are the database's to
 * explain.  Beside them a caller may be limited by the scopes of its token, or allowed by the rules
 * of an issuer or by a support access, which only its principal tells of; they have no role's name.
 */

#include "api_internal.h"

#include "caps.h"
#include "identity_role.h"

#include <string.h>

struct question {
	struct identity_question q;
	bool of_self;
};

static int
read_question(struct req *rq, struct question *ret, struct err *e)
{
	const char *permission = NULL, *project = NULL, *user = NULL, *key = NULL;
	const struct json_field fields[] = {
		JSON_TEXT("permission", &permission, 1, CAP_NAME_BYTES, JSON_REQUIRED),
		JSON_TEXT("project", &project, 1, ID_STR_SIZE, JSON_NULLABLE),
		JSON_TEXT("user", &user, 1, ID_STR_SIZE, JSON_NULLABLE),
		JSON_TEXT("key", &key, 1, ID_STR_SIZE, JSON_NULLABLE),
		JSON_FIELDS_END,
	};
	struct identity_question q = { 0 };

	if (req_body_decode(rq, fields, e) < 0)
		return -1;
	if (!permission_parse(permission, &q.permission))
		err_field_add(
		    e, "/permission", "is not a permission; GET /v1/permissions lists them");
	req_body_id(project, "prj", "/project", &q.project, e);
	req_body_id(user, "usr", "/user", &q.user, e);
	req_body_id(key, "key", "/key", &q.key, e);
	if (user != NULL && key != NULL)
		err_field_add(e, "/key", "cannot be combined with user; give one of them");
	*ret = (struct question){ .q = q };
	return err_fields_done(e, ERR_INVALID);
}

/* Nobody named, or the caller's own ids: about oneself.  A user's own id is about what the user
 * may, not about what is left of it to this credential. */
static int
choose(struct req *rq, struct question *x, struct err *e)
{
	const struct principal *who = &rq->who;
	struct identity_question *q = &x->q;

	x->of_self = uuid_is_nil(q->user) && uuid_is_nil(q->key);
	if (x->of_self && !uuid_is_nil(who->key))
		q->key = who->key;
	else if (x->of_self && who->kind != PRINCIPAL_SUPPORT)
		q->user = who->user;
	if (x->of_self || (!uuid_is_nil(q->user) && uuid_cmp(q->user, who->user) == 0) ||
	    (!uuid_is_nil(q->key) && uuid_cmp(q->key, who->key) == 0))
		return 0;
	return req_may(rq, PERM_ROLE_READ, e);
}

/* A project where nothing is allowed is one that cannot be seen, but for those who see all roles.
 */
static bool
may_ask_about(const struct req *rq, struct uuid project)
{
	return uuid_is_nil(project) || principal_may(&rq->who, PERM_ROLE_READ) ||
	       grants_in(&rq->who.grants, project) != 0;
}

/* Without roles of its own: an issuer's subject that is no user, or an operator. */
static int
explain(struct req *rq, const struct question *x, struct identity_explanation *ret, struct err *e)
{
	const struct scope anywhere = { .everywhere = true };
	struct identity_project p;

	if (!may_ask_about(rq, x->q.project))
		return err_set(e, ERR_NOT_FOUND, "There is no such project");
	if (!uuid_is_nil(x->q.user) || !uuid_is_nil(x->q.key))
		return identity_explain(rq->api->o.db, rq->who.tenant, &x->q, rq->mem, ret, e);
	*ret = (struct identity_explanation){ 0 };
	if (uuid_is_nil(x->q.project))
		return 0;
	return identity_project_get(
	    rq->api->o.db, rq->who.tenant, &anywhere, x->q.project, rq->mem, &p, e);
}

/* What the principal knows and the roles do not. */
struct verdict {
	bool allowed;
	const char *via;   /* a reason without a role; NULL: none */
	const char *limit; /* NULL: none */
	const char *sentence;
};

static int
judge(struct req *rq, const struct question *x, const struct identity_explanation *roles,
    struct verdict *ret, struct err *e)
{
	const struct principal *who = &rq->who;
	const char *name = permission_name(x->q.permission);
	bool may = uuid_is_nil(x->q.project) ? principal_may(who, x->q.permission)
					     : principal_may_in(who, x->q.permission, x->q.project);
	struct verdict v = { .allowed = roles->allowed, .sentence = roles->sentence };

	if (x->of_self && who->kind == PRINCIPAL_TOKEN && roles->allowed && !may) {
		v.allowed = false;
		v.limit = "the token's scopes leave it out";
		v.sentence = arena_printf(rq->mem, "No: the token's scopes leave %s out.", name);
	} else if (x->of_self && who->kind == PRINCIPAL_ISSUER && may && !roles->allowed) {
		v.allowed = true;
		v.via = "issuer";
		v.sentence = arena_printf(
		    rq->mem, "Yes: the rules for the token's issuer allow %s there.", name);
	} else if (x->of_self && who->kind == PRINCIPAL_SUPPORT && may) {
		v.allowed = true;
		v.via = "support";
		v.sentence =
		    arena_printf(rq->mem, "Yes: the support access allows %s there.", name);
	} else if (roles->sentence == NULL) {
		v.sentence = arena_printf(
		    rq->mem, "No: nothing that the credential has allows %s there.", name);
	}
	if (v.sentence == NULL)
		return arena_err(e);
	*ret = v;
	return 0;
}

static void
put_reason(struct json_out *o, const char *role, const char *via, struct uuid project)
{
	json_out_begin(o);
	json_put_text(o, "role", role);
	json_put_text(o, "scope", uuid_is_nil(project) ? "tenant" : "project");
	put_id(o, "project", "prj", project);
	json_put_text(o, "via", via);
	json_out_end(o);
}

static void
put_reasons(struct json_out *o, const struct question *x, const struct verdict *v,
    const struct identity_explanation *roles)
{
	json_out_key(o, "reasons");
	json_out_begin_array(o);
	for (size_t i = 0; i < roles->n_reasons; i++)
		put_reason(o, roles->reasons[i].role.role,
		    roles->reasons[i].of_key ? "key" : "user", roles->reasons[i].role.project);
	if (v->via != NULL)
		put_reason(o, NULL, v->via, x->q.project);
	json_out_end_array(o);
	json_out_key(o, "limits");
	json_out_begin_array(o);
	for (size_t i = 0; i < roles->n_limits; i++)
		json_out_text(o, roles->limits[i]);
	if (v->limit != NULL)
		json_out_text(o, v->limit);
	json_out_end_array(o);
}

int
api_post_access_check(struct req *rq, struct err *e)
{
	struct identity_explanation roles = { 0 };
	struct question x = { 0 };
	struct json_out *o;
	struct verdict v = { 0 };

	if (read_question(rq, &x, e) < 0 || choose(rq, &x, e) < 0 ||
	    explain(rq, &x, &roles, e) < 0 || judge(rq, &x, &roles, &v, e) < 0)
		return -1;
	o = reply_begin(rq);
	json_out_begin(o);
	json_put_bool(o, "allowed", v.allowed);
	put_reasons(o, &x, &v, &roles);
	json_put_text(o, "sentence", v.sentence);
	json_out_end(o);
	return reply_json(rq, 200, e);
}
