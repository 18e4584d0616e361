/* SPDX-License-Identifier: Apache-2.0 */
#include "tenant_internal.h"

#include "json.h"

#include <string.h>

struct adding {
	struct tenant_id tenant;
	struct grants *g;
	bool *lost;
	size_t n;
};

void
tenant_role_add(const char *system_role, const char *permissions, struct uuid project,
    struct tenant_id tenant, struct grants *g, bool *lost)
{
	permission_set set = 0;
	enum system_role role;

	if (system_role == NULL)
		set = permission_set_parse(permissions == NULL ? "" : permissions);
	else if (system_role_parse(system_role, &role) && system_role_in(role, tenant))
		set = system_role_permissions(role);
	if (!grants_add(g, project, set & permission_set_in(tenant)))
		*lost = true;
}

/* [system role or null, permissions or null, project or null] */
static int
add_role(void *ctx, const char *name, const struct json_value *v)
{
	struct adding *a = ctx;
	const struct json_value *place = json_at(v, 2);
	const char *system_role = NULL, *permissions = NULL, *text = "";
	struct uuid project = { 0 };
	struct err bad = { 0 };

	(void)name;
	if (a->n++ == TENANT_ROLES_MAX) {
		*a->lost = true;
		return 1;
	}
	(void)json_get_text(json_at(v, 0), &system_role); /* NULL stays where the value is null */
	(void)json_get_text(json_at(v, 1), &permissions);
	(void)json_get_text(place, &text);
	/* A project that is none must not become the whole tenant. */
	if (json_count(v) != 3 ||
	    (json_type(place) != JSON_NULL &&
		(uuid_parse(text, &project, &bad) < 0 || uuid_is_nil(project))))
		return 0;
	tenant_role_add(system_role, permissions, project, a->tenant, a->g, a->lost);
	return 0;
}

int
tenant_roles_add(
    const char *roles, struct tenant_id tenant, struct grants *g, bool *lost, struct err *e)
{
	struct adding a = { tenant, g, lost, 0 };
	AUTO(json) j = NULL;

	if (roles == NULL)
		return 0;
	if (json_parse(roles, strlen(roles), &j, e) < 0)
		return e->code == ERR_NO_MEMORY
			   ? -1
			   : err_set(e, ERR_INTERNAL, "the roles of a credential cannot be read");
	(void)json_for_each(json_root(j), add_role, &a); /* ends early when there are too many */
	return 0;
}

void
tenant_role_warn(const struct tenants *t, const struct principal *who)
{
	char tenant[ID_STR_SIZE], id[ID_STR_SIZE];

	log_warn(&t->o.log,
	    "%s of tenant %s has roles in more than %d projects, or more than %d roles; the others "
	    "give nothing",
	    principal_format(who, id), id_format("ten", who->tenant.uuid, tenant),
	    GRANT_PROJECTS_MAX, TENANT_ROLES_MAX);
}
