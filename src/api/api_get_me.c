/* SPDX-License-Identifier: Apache-2.0 */
#include "api_internal.h"
#include "api_query_internal.h"

/* An issuer's subject need not be a user, and an operator is one of another tenant. */
static int
put_user(struct req *rq, struct json_out *o, struct err *e)
{
	struct identity_user u;

	json_out_key(o, "user");
	if (uuid_is_nil(rq->who.user) || rq->who.kind == PRINCIPAL_SUPPORT) {
		json_out_null(o);
		return 0;
	}
	if (identity_user_get(rq->api->o.db, rq->who.tenant, rq->who.user, rq->mem, &u, e) < 0)
		return -1;
	json_out_begin(o);
	put_id(o, "id", "usr", u.id);
	json_put_text(o, "name", u.name);
	json_put_text(o, "kind", u.person ? "person" : "service");
	json_out_end(o);
	return 0;
}

/* GET /v1/me: whose credential this is. */
int
api_get_me(struct req *rq, struct err *e)
{
	const struct principal *who = &rq->who;
	struct json_out *o = reply_begin(rq);
	struct tenant tenant;

	if (tenant_get(rq->api->o.db, who->tenant, rq->mem, &tenant, e) < 0)
		return -1;
	json_out_begin(o);
	put_id(o, "tenant_id", "ten", tenant.id.uuid);
	json_put_text(o, "tenant_name", tenant.name);
	json_put_time(o, "tenant_created_at", tenant.created_wall_us);
	json_out_key(o, "credential");
	json_out_begin(o);
	json_put_text(o, "type", principal_kind_name(who->kind));
	json_put_time(o, "expires_at", who->expires_wall_us);
	json_out_end(o);
	if (put_user(rq, o, e) < 0)
		return -1;
	put_id(o, "key_id", "key", who->key);
	/* The public part: the rest is nowhere. */
	json_put_text(o, "key", who->key_public[0] == '\0' ? NULL : who->key_public);
	put_id(o, "support_id", "sup", who->support);
	json_out_end(o);
	return reply_json(rq, 200, e);
}

/* --- permissions ------------------------------------------------------------------------------ */

static void
put_permissions(struct json_out *o, const char *name, permission_set set)
{
	json_out_key(o, name);
	json_out_begin_array(o);
	for (int p = 0; p < PERM_COUNT; p++)
		if ((set & PERM_BIT(p)) != 0)
			json_out_text(o, permission_name((enum permission)p));
	json_out_end_array(o);
}

static void
put_project(struct json_out *o, struct uuid project, permission_set set)
{
	json_out_begin(o);
	put_id(o, "project", "prj", project);
	put_permissions(o, "permissions", set);
	json_out_end(o);
}

static void
put_grants(struct json_out *o, const struct grants *g)
{
	json_out_begin(o);
	put_permissions(o, "everywhere", g->everywhere);
	json_out_key(o, "projects");
	json_out_begin_array(o);
	for (size_t i = 0; i < g->n; i++)
		put_project(o, g->in[i].project, grants_in(g, g->in[i].project));
	json_out_end_array(o);
	json_out_end(o);
}

/* A project where nothing is allowed is one that cannot be seen. */
static int
check_project(struct req *rq, struct uuid project, permission_set set, struct err *e)
{
	const struct scope anywhere = { .everywhere = true };
	struct identity_project p;

	if (set != 0 && identity_project_get(
			    rq->api->o.db, rq->who.tenant, &anywhere, project, rq->mem, &p, e) == 0)
		return 0;
	if (set != 0 && e->code != ERR_NOT_FOUND)
		return -1;
	return err_set(
	    e, ERR_NOT_FOUND, "No project of yours has this id; GET /v1/projects lists them.");
}

/* GET /v1/me/permissions: what the credential allows now, everything counted. */
int
api_get_me_permissions(struct req *rq, struct err *e)
{
	struct uuid project = { 0 };
	const struct query_param params[] = {
		QUERY_TYPED_ID("project", "prj", &project),
		QUERY_PARAMS_END,
	};
	permission_set set;

	if (req_query(rq, params, e) < 0)
		return -1;
	if (uuid_is_nil(project)) {
		put_grants(reply_begin(rq), &rq->who.grants);
		return reply_json(rq, 200, e);
	}
	set = grants_in(&rq->who.grants, project);
	if (check_project(rq, project, set, e) < 0)
		return -1;
	put_project(reply_begin(rq), project, set);
	return reply_json(rq, 200, e);
}
