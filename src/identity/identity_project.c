/* SPDX-License-Identifier: Apache-2.0 */
/* Projects.  "default" is made with the tenant, takes the jobs that name no project, and stays. */
#include "identity_internal.h"

#include <string.h>

static const char default_name[] = "default";

/* --- rows ------------------------------------------------------------------------------------- */

enum { PROJECT_COLS = 7 };

static void
project_columns(struct identity_project *p, struct db_col cols[static PROJECT_COLS])
{
	const struct db_col all[] = { DB_UUID("project_id", &p->id), DB_TEXT("name", &p->name),
		DB_TEXT_NULL("title", &p->title), DB_TIME("created_at", &p->created_wall_us),
		DB_TIME_NULL("archived_at", &p->archived_wall_us), DB_I64("version", &p->version),
		DB_COLS_END };

	_Static_assert(ARRAY_LEN(all) == PROJECT_COLS, "every column has a place");
	memcpy(cols, all, sizeof(all));
}

/* --- reading ---------------------------------------------------------------------------------- */

int
identity_project_get(struct db *db, struct tenant_id tenant, const struct scope *scope,
    struct uuid id, struct arena *mem, struct identity_project *ret, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(tenant.uuid), DB_ARG_UUID(id), DB_ARGS_END };
	struct identity_project p = { 0 };
	struct db_col cols[PROJECT_COLS];
	int rows;

	if (!scope_has(scope, id))
		return not_found(e, "project");
	project_columns(&p, cols);
	rows = db_read_one(db, tenant, "identity_project_get", args, cols, mem, e);
	if (rows < 0)
		return -1;
	if (rows == 0)
		return not_found(e, "project");
	*ret = p;
	return 0;
}

struct list_walk {
	struct identity_project row;
	struct rows rows;
};

static int
list_row(void *ctx, struct err *e)
{
	struct list_walk *w = ctx;

	(void)e; /* there is room for every row */
	rows_push(&w->rows, &w->row);
	return 0;
}

int
identity_project_list(struct db *db, struct tenant_id tenant,
    const struct identity_project_filter *f, struct arena *mem, struct identity_projects *ret,
    struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(tenant.uuid), DB_ARG_UUID(page_before(&f->page)),
		DB_ARG_SCOPE(f->scope), ARG_FLAG(f->archived), DB_ARG_I64(f->page.limit + 1),
		DB_ARGS_END };
	struct db_col cols[PROJECT_COLS];
	struct list_walk w = { 0 };

	project_columns(&w.row, cols);
	if (rows_init(&w.rows, mem, sizeof(w.row), f->page.limit, e) < 0 ||
	    db_read_each(db, tenant, "identity_project_list", args, cols, mem, list_row, &w, e) < 0)
		return -1;
	ret->more = rows_more(&w.rows);
	ret->p = (struct identity_project *)(void *)w.rows.p;
	ret->n = w.rows.n;
	return 0;
}

/* Who may not see the project does not learn that it is there. */
static int
read_project(struct change *c, struct uuid id, struct identity_project *ret, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(c->ask->tenant.uuid), DB_ARG_UUID(id),
		DB_ARGS_END };
	struct identity_project p = { 0 };
	struct db_col cols[PROJECT_COLS];
	int rows;

	project_columns(&p, cols);
	rows = change_one(c, "identity_project_get", args, cols, e);
	if (rows < 0)
		return -1;
	if (rows == 0 ||
	    !(change_may(c, PERM_PROJECT_READ, id) || change_may(c, c->kind->needs, id)))
		return not_found(e, "project");
	*ret = p;
	return 0;
}

/* --- changing --------------------------------------------------------------------------------- */

static void
note_project(
    struct change *c, const struct identity_project *before, const struct identity_project *after)
{
	static const struct identity_project none = { 0 };
	const struct identity_project *b = before == NULL ? &none : before;
	const struct identity_project *a = after == NULL ? &none : after;

	change_text(c, "name", b->name, a->name);
	change_text(c, "title", b->title, a->title);
	change_flag(c, "archived", b->archived_wall_us != 0, a->archived_wall_us != 0);
}

static int
insert_project(struct change *c, struct identity_project *p, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(c->ask->tenant.uuid), DB_ARG_UUID(p->id),
		DB_ARG_TEXT(p->name), DB_ARG_TEXT(p->title), DB_ARGS_END };
	struct db_col cols[PROJECT_COLS];

	project_columns(p, cols);
	if (change_quota(c, QUOTA_PROJECTS, 1, e) < 0 ||
	    change_one(c, "identity_project_insert", args, cols, e) < 0)
		return -1;
	note_project(c, NULL, p);
	return change_commit(c, "prj", p->id, e);
}

int
identity_project_create(const struct identity_ask *a, const char *name, const char *title,
    struct identity_project *ret, struct err *e)
{
	static const struct change_kind kind = { .action = "project.create",
		.needs = PERM_PROJECT_CREATE };
	struct identity_project p = { .id = uuid_v7(), .name = name, .title = title };
	AUTO_CHANGE c = { 0 };
	int replay;

	if (label_check(name, "/name", e) < 0 ||
	    text_clean(a->mem, &p.title, IDENTITY_TITLE_MAX, "/title", e) < 0 ||
	    change_begin(&c, a, &kind, e) < 0)
		return -1;
	replay = change_replay(&c, false, &p.id, e);
	if (replay != 0)
		return replay < 0 ? -1 : read_project(&c, p.id, ret, e);
	if (insert_project(&c, &p, e) < 0)
		return -1;
	*ret = p;
	return 0;
}

static int
merge(struct change *c, const struct identity_project_change *ch, struct identity_project *p,
    struct err *e)
{
	bool fixed = strcmp(p->name, default_name) == 0;
	bool archived = p->archived_wall_us != 0;

	if (ch->name.set && strcmp(ch->name.v, p->name) != 0) {
		if (fixed)
			return err_set(e, ERR_IN_USE,
			    "The project \"default\" takes jobs that name no "
			    "project, so it keeps its name");
		p->name = ch->name.v;
	}
	if (ch->title.set)
		p->title = ch->title.v;
	if (ch->archived.set && ch->archived.v != archived) {
		if (fixed)
			return err_set(e, ERR_IN_USE,
			    "The project \"default\" takes jobs that name no project, so it is "
			    "not archived");
		p->archived_wall_us = ch->archived.v; /* the database says when */
	}
	if (label_check(p->name, "/name", e) < 0)
		return -1;
	return text_clean(c->ask->mem, &p->title, IDENTITY_TITLE_MAX, "/title", e);
}

static int
update_project(struct change *c, struct identity_project *p, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(c->ask->tenant.uuid), DB_ARG_UUID(p->id),
		DB_ARG_TEXT(p->name), DB_ARG_TEXT(p->title), DB_ARG_BOOL(p->archived_wall_us != 0),
		DB_ARGS_END };
	struct db_col cols[PROJECT_COLS];

	project_columns(p, cols);
	if (change_one(c, "identity_project_update", args, cols, e) < 0)
		return -1;
	return change_commit(c, "prj", p->id, e);
}

int
identity_project_update(const struct identity_ask *a, struct uuid id,
    const struct identity_project_change *ch, int64_t if_version, struct identity_project *ret,
    struct err *e)
{
	static const struct change_kind kind = {
		.action = "project.update", .needs = PERM_PROJECT_UPDATE, .somewhere = true
	};
	struct identity_project before = { 0 }, after;
	AUTO_CHANGE c = { 0 };

	if (change_begin(&c, a, &kind, e) < 0 || read_project(&c, id, &before, e) < 0 ||
	    change_needs(&c, kind.needs, id, e) < 0 ||
	    version_check(before.version, if_version, e) < 0)
		return -1;
	after = before;
	if (merge(&c, ch, &after, e) < 0)
		return -1;
	note_project(&c, &before, &after);
	if (c.n_notes > 0 && update_project(&c, &after, e) < 0)
		return -1;
	*ret = after;
	return 0;
}

/* --- removing --------------------------------------------------------------------------------- */

/* What names the project and must not be left without it. */
static int
check_unused(struct change *c, struct uuid id, struct err *e)
{
	char text[ID_STR_SIZE];
	const struct db_arg keys[] = { DB_ARG_UUID(c->ask->tenant.uuid), DB_ARG_UUID(id),
		DB_ARGS_END };
	const struct db_arg rules[] = { DB_ARG_UUID(c->ask->tenant.uuid), DB_ARG_NULL(DB_TYPE_TEXT),
		DB_ARG_TEXT(id_format("prj", id, text)), DB_ARGS_END };
	const char *issuer = NULL;
	int64_t n = 0;
	const struct db_col count[] = { DB_I64("n", &n), DB_COLS_END };
	const struct db_col name[] = { DB_TEXT("name", &issuer), DB_COLS_END };

	if (change_one(c, "identity_project_keys", keys, count, e) < 0 ||
	    change_one(c, "identity_rule_issuer", rules, name, e) < 0)
		return -1;
	if (n > 0)
		return err_set(e, ERR_IN_USE,
		    "%lld API key%s limited to roles in this project, and would not be limited "
		    "without it; revoke them first",
		    (long long)n, n == 1 ? " is" : "s are");
	if (issuer != NULL)
		return err_set(e, ERR_IN_USE,
		    "A rule of the issuer '%.100s' gives a role in this project; change the "
		    "issuer's rules first",
		    issuer);
	return 0;
}

static int
check_removal(struct change *c, const struct identity_project *p, struct err *e)
{
	struct holder h = { 0 };

	if (strcmp(p->name, default_name) == 0)
		return err_set(e, ERR_IN_USE,
		    "The project \"default\" takes jobs that name no project, so it stays");
	if (check_unused(c, p->id, e) < 0 ||
	    holder_read_project(c->tx, c->ask->tenant, p->id, &h, e) < 0)
		return -1;
	return change_covers_holder(c, &h, e);
}

int
identity_project_delete(
    const struct identity_ask *a, struct uuid id, int64_t if_version, struct err *e)
{
	static const struct change_kind kind = {
		.action = "project.delete", .needs = PERM_PROJECT_DELETE, .access = true
	};
	static const char *const steps[] = { "identity_project_unassign",
		"identity_project_unlimit", "identity_project_delete" };
	const struct db_arg args[] = { DB_ARG_UUID(a->tenant.uuid), DB_ARG_UUID(id), DB_ARGS_END };
	const struct touched touched = { .project = id };
	struct identity_project p = { 0 };
	AUTO_CHANGE c = { 0 };

	if (change_begin(&c, a, &kind, e) < 0 || read_project(&c, id, &p, e) < 0 ||
	    version_check(p.version, if_version, e) < 0 || check_removal(&c, &p, e) < 0 ||
	    holders_touch(&c, &touched, e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		if (change_exec(&c, steps[i], args, e) < 0)
			return e->code != ERR_IN_USE
				   ? -1
				   : err_set(e, ERR_IN_USE,
					 "The project has jobs, or had some; archive it instead: "
					 "PATCH {\"archived\": true}");
	note_project(&c, &p, NULL);
	return change_commit(&c, "prj", id, e);
}
