/* SPDX-License-Identifier: Apache-2.0 */
/* What users and keys may do right now, from the rows of their roles. */
#include "identity_internal.h"

#include <string.h>

/* --- permissions as text ---------------------------------------------------------------------- */

permission_set
permissions_read(const char *text)
{
	permission_set set = 0;
	enum permission p;
	char name[64]; /* longer ones are in no list */

	while (text != NULL && *text != '\0') {
		size_t n = strcspn(text, " ");

		if (n < sizeof(name)) {
			memcpy(name, text, n);
			name[n] = '\0';
			if (permission_parse(name, &p))
				set |= PERM_BIT(p);
		}
		text += n + strspn(text + n, " ");
	}
	return set;
}

void
permissions_name(permission_set set, struct permission_names *ret)
{
	ret->n = 0;
	for (int p = 0; p < PERM_COUNT; p++)
		if ((set & PERM_BIT(p)) != 0)
			ret->name[ret->n++] = permission_name((enum permission)p);
}

void
permissions_print(permission_set set, struct json_out *o)
{
	struct permission_names names;

	permissions_name(set, &names);
	json_out_begin_array(o);
	for (size_t i = 0; i < names.n; i++)
		json_out_text(o, names.name[i]);
	json_out_end_array(o);
}

/* --- roles as text ---------------------------------------------------------------------------- */

/* One "<role>:<project or nothing>" of n bytes. */
static int
read_ref(
    const char *text, size_t n, struct arena *mem, struct identity_role_ref *ret, struct err *e)
{
	const char *colon = memchr(text, ':', n);
	size_t name_n;
	char *name, *project;

	if (colon == NULL)
		return err_set(e, ERR_DB_SCHEMA, "a role comes without its project");
	name_n = (size_t)(colon - text);
	name = arena_strndup(mem, text, name_n);
	project = arena_strndup(mem, colon + 1, n - name_n - 1);
	if (name == NULL || project == NULL)
		return arena_err(e);
	*ret = (struct identity_role_ref){ .role = name };
	return project[0] == '\0' ? 0 : uuid_parse(project, &ret->project, e);
}

int
roles_read(const char *text, struct arena *mem, struct identity_roles *ret, struct err *e)
{
	struct identity_role_ref *p;
	size_t n = 0, i = 0;

	*ret = (struct identity_roles){ 0 };
	if (text == NULL)
		return 0;
	for (const char *at = text; at != NULL; at = strchr(at + 1, ' '))
		n++;
	p = arena_array(mem, n, sizeof(*p));
	if (p == NULL)
		return arena_err(e);
	while (i < n) {
		size_t length = strcspn(text, " ");

		if (read_ref(text, length, mem, &p[i++], e) < 0)
			return -1;
		text += length + 1; /* behind the last one nothing is read */
	}
	*ret = (struct identity_roles){ .p = p, .n = n };
	return 0;
}

/* --- holders ---------------------------------------------------------------------------------- */

struct walk {
	struct holder *h;
	/* a row */
	bool of_key, system;
	const char *role, *permissions;
	struct uuid project;
};

static int
add_row(void *ctx, struct err *e)
{
	struct walk *w = ctx;
	permission_set set = 0;
	enum system_role role;

	(void)e; /* a name that this version does not know gives nothing */
	if (!w->system)
		set = permissions_read(w->permissions);
	else if (system_role_parse(w->role, &role))
		set = system_role_permissions(role);
	if (!grants_add(w->of_key ? &w->h->key : &w->h->user, w->project, set))
		w->h->overflow = true;
	w->h->key_limited |= w->of_key;
	w->h->n++;
	return 0;
}

static int
read_rows(struct db_tx *tx, const char *stmt, const struct db_arg *args, struct holder *ret,
    struct err *e)
{
	enum { MEM_BYTES = 16 << 20 }; /* all assignments of a tenant, with the longest roles */
	AUTO(arena) mem = arena_new(MEM_BYTES);
	struct holder h = { 0 };
	struct walk w = { .h = &h };
	const struct db_col cols[] = { DB_BOOL("of_key", &w.of_key), DB_TEXT("role", &w.role),
		DB_BOOL("system", &w.system), DB_TEXT_NULL("permissions", &w.permissions),
		DB_UUID_NULL("project_id", &w.project), DB_COLS_END };

	if (mem == NULL)
		return err_set(e, ERR_NO_MEMORY, "There is no memory to read roles");
	if (db_each(tx, stmt, args, cols, mem, add_row, &w, e) < 0)
		return -1;
	*ret = h;
	return 0;
}

int
holder_read(struct db_tx *tx, struct tenant_id tenant, struct uuid user, struct uuid key,
    struct holder *ret, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(tenant.uuid), ARG_UUID_OR_NULL(user),
		ARG_UUID_OR_NULL(key), DB_ARGS_END };

	return read_rows(tx, "identity_grants", args, ret, e);
}

int
holder_read_issuer(struct db_tx *tx, struct tenant_id tenant, struct uuid issuer,
    struct holder *ret, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(tenant.uuid), DB_ARG_UUID(issuer), DB_ARGS_END };

	return read_rows(tx, "identity_issuer_grants", args, ret, e);
}

int
holder_read_project(struct db_tx *tx, struct tenant_id tenant, struct uuid project,
    struct holder *ret, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(tenant.uuid), DB_ARG_UUID(project),
		DB_ARGS_END };

	return read_rows(tx, "identity_project_grants", args, ret, e);
}

struct grants
holder_grants(const struct holder *h, bool scoped, permission_set scopes)
{
	struct grants g = h->user;

	if (h->key_limited) /* projects that do not fit are left out: less, never more */
		(void)grants_intersect(&g, &h->key);
	if (scoped)
		grants_mask(&g, scopes);
	return g;
}
