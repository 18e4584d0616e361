/* SPDX-License-Identifier: Apache-2.0 */
#include "job_internal.h"

#include "clock.h"

#include <stdio.h>
#include <string.h>

/*
 * What one look at the database says about a submission, and the refusals that follow from it,
 * which are true of that moment, figures included.  What it allows stays exact by the number of the
 * tenant's last change: with room for n more jobs the limits hold for the next n changes, whatever
 * they are, and job_accept goes no further.
 */

/* What a submission needs of a limit: one more of what is counted, or its size at once. */
struct limit_text {
	const char *name;
	const char *what;   /* "<used> of at most <amount> ..." */
	const char *remedy; /* NULL: none but a greater limit */
	int64_t scale;      /* of the amounts that are set */
};
static const struct limit_text limits[JOB_LIMIT_COUNT] = {
	[JOB_LIMIT_QUEUED] = { "jobs_queued", "jobs are waiting",
	    "wait until some have started, cancel some", 1 },
	[JOB_LIMIT_DAY] = { "jobs_per_day", "jobs were accepted today",
	    "submit again after midnight UTC", 1 },
	[JOB_LIMIT_STORAGE] = { "storage_bytes", "bytes of output are kept", NULL, 1 },
	[JOB_LIMIT_CPUS] = { "cpus", NULL, NULL, 1000 },
	[JOB_LIMIT_MEMORY] = { "memory_bytes", NULL, NULL, 1 },
	[JOB_LIMIT_GPUS] = { "gpus", NULL, NULL, 1 },
};
static const char by_name_default[] = "default";

/* --- looking ---------------------------------------------------------------------------------- */

/* What one project uses. */
struct project_use {
	struct uuid project;
	int64_t waiting, on_day, bytes, day;
};
struct look_walk {
	struct job_admission *a;
	int64_t today;
	struct job_rows uses;
	/* the row in hand; what the values are depends on the kind */
	const char *kind, *name;
	struct uuid id;
	int64_t v[4];
	struct db_bytes fingerprint;
};

/* Names of limits that are held elsewhere are no business of this. */
static void
set_limit(struct job_limit_use set[static JOB_LIMIT_COUNT], const char *name, int64_t amount)
{
	for (size_t i = 0; i < JOB_LIMIT_COUNT; i++)
		if (strcmp(limits[i].name, name) == 0)
			set[i].amount = amount > INT64_MAX / limits[i].scale
					    ? INT64_MAX
					    : amount * limits[i].scale;
}

static int
look_row(void *ctx, struct err *e)
{
	struct look_walk *w = ctx;
	struct job_admission *a = w->a;

	if (strcmp(w->kind, "use") == 0) {
		const struct project_use use = { w->id, w->v[0], w->v[1], w->v[2], w->v[3] };

		return job_rows_push(&w->uses, &use, e);
	}
	if (strcmp(w->kind, "limit") == 0) {
		set_limit(a->whole, w->name, w->v[0]);
	} else if (strcmp(w->kind, "project") == 0) {
		a->project = w->id;
		a->archived = w->v[1] != 0;
		a->number = w->v[2];
		w->today = w->v[3];
		if (w->name != NULL)
			set_limit(a->part, w->name, w->v[0]);
	} else if (w->fingerprint.n == sizeof(a->fingerprint)) {
		a->used_before = true;
		a->resource = w->id;
		memcpy(a->fingerprint, w->fingerprint.p, sizeof(a->fingerprint));
	}
	return 0;
}

static void
add_use(struct job_limit_use of[static JOB_LIMIT_COUNT], const struct project_use *u, int64_t today)
{
	of[JOB_LIMIT_QUEUED].used += u->waiting;
	of[JOB_LIMIT_DAY].used += u->day >= today ? u->on_day : 0;
	of[JOB_LIMIT_STORAGE].used += u->bytes;
}

static void
add_uses(struct job_admission *a, const struct look_walk *w)
{
	const struct project_use *v = (const struct project_use *)(const void *)w->uses.p;

	a->day = w->today;
	for (size_t i = 0; i < w->uses.n; i++) {
		add_use(a->whole, &v[i], w->today);
		if (uuid_cmp(v[i].project, a->project) != 0)
			continue;
		add_use(a->part, &v[i], w->today);
		/* A clock that was put back does not end a day before one that was begun. */
		a->day_open = v[i].day >= w->today;
		a->day = a->day_open ? v[i].day : w->today;
	}
}

static void
set_defaults(struct job_admission *a, const struct job_quota_defaults *q)
{
	const int64_t amounts[JOB_LIMIT_COUNT] = { [JOB_LIMIT_QUEUED] = q->jobs_queued,
		[JOB_LIMIT_DAY] = q->jobs_per_day,
		[JOB_LIMIT_STORAGE] = q->storage_bytes,
		[JOB_LIMIT_CPUS] = q->cpu_milli,
		[JOB_LIMIT_MEMORY] = q->memory_bytes,
		[JOB_LIMIT_GPUS] = q->gpus };

	for (size_t i = 0; i < JOB_LIMIT_COUNT; i++) {
		a->whole[i].amount = amounts[i];
		a->part[i].amount = INT64_MAX;
	}
}

int
job_admission_look(struct db *db, struct db_tx *tx, struct tenant_id tenant,
    const struct job_submission *s, struct arena *mem, struct job_admission *ret, struct err *e)
{
	const char *project = s->spec.project == NULL ? by_name_default : s->spec.project;
	struct job_admission a = { .named = project };
	struct look_walk w = { .a = &a,
		.uses = { .mem = mem, .size = sizeof(struct project_use) } };
	struct uuid id = { 0 };
	struct err not_an_id;
	bool by_id = id_parse("prj", project, &id, &not_an_id) == 0;
	const struct db_arg args[] = { DB_ARG_UUID(tenant.uuid),
		{ .type = DB_TYPE_UUID, .null = !by_id, .v.uuid = id },
		DB_ARG_TEXT(by_id ? NULL : project), DB_ARG_TEXT(s->idempotency_key), DB_ARGS_END };
	const struct db_col cols[] = { DB_TEXT("kind", &w.kind), DB_UUID_NULL("id", &w.id),
		DB_TEXT_NULL("name", &w.name), DB_I64("v0", &w.v[0]), DB_I64("v1", &w.v[1]),
		DB_I64("v2", &w.v[2]), DB_I64("v3", &w.v[3]),
		{ .name = "fingerprint",
		    .type = DB_TYPE_BYTES,
		    .nullable = true,
		    .dest = &w.fingerprint },
		DB_COLS_END };

	int64_t rc;

	set_defaults(&a, &s->quota);
	rc = tx == NULL
		 ? db_read_each(db, tenant, "job_admission", args, cols, mem, look_row, &w, e)
		 : db_each(tx, "job_admission", args, cols, mem, look_row, &w, e);
	if (rc < 0)
		return -1;
	add_uses(&a, &w);
	*ret = a;
	return 0;
}

/* --- the project ------------------------------------------------------------------------------ */

static int
refuse_project(struct err *e, const char *named, const char *why)
{
	*e = (struct err){ 0 };
	err_field_add(e, "/project", "the project '%s' %s", named, why);
	return err_fields_done(e, ERR_INVALID);
}

int
job_admission_may(const struct job_admission *a, const struct principal *who, struct err *e)
{
	bool exists = !uuid_is_nil(a->project);

	if (exists && principal_may_in(who, PERM_JOB_CREATE, a->project))
		return 0;
	if (exists && principal_may_in(who, PERM_PROJECT_READ, a->project))
		return err_set(e, ERR_DENIED,
		    "Submitting jobs to the project '%s' needs the permission %s there; ask an "
		    "owner of the tenant for it.",
		    a->named, permission_name(PERM_JOB_CREATE));
	/* The same for one that does not exist and one that the caller may not know. */
	return refuse_project(e, a->named, "does not exist; GET /v1/projects lists yours");
}

/* --- limits ----------------------------------------------------------------------------------- */

static int
refuse_count(enum job_limit l, const struct job_limit_use *use, bool of_project, struct err *e)
{
	const struct limit_text *t = &limits[l];

	(void)err_set(e, ERR_QUOTA,
	    "%lld of at most %lld %s (limit %s of the %s); %s%sask %s for a "
	    "greater limit.",
	    (long long)use->used, (long long)use->amount, t->what, t->name,
	    of_project ? "project" : "tenant", t->remedy == NULL ? "" : t->remedy,
	    t->remedy == NULL ? "" : ", or ",
	    of_project ? "an owner of the tenant" : "the operator");
	if (l == JOB_LIMIT_DAY)
		e->retry_after_s = (int)(86400 - clock_wall_us() / 1000000 % 86400);
	return -1;
}

/* A job that is larger than all that may be held at once would wait for ever. */
static int
refuse_size(enum job_limit l, const struct job_limit_use *use, bool of_project, struct err *e)
{
	const char *of = of_project ? "project" : "tenant";
	char pointer[64];

	*e = (struct err){ 0 };
	(void)snprintf(pointer, sizeof(pointer), "/resources/%s", limits[l].name);
	if (l == JOB_LIMIT_CPUS)
		err_field_add(e, pointer, "must be at most %lld.%lld, the limit cpus of the %s",
		    (long long)(use->amount / 1000), (long long)(use->amount % 1000 / 100), of);
	else
		err_field_add(e, pointer, "must be at most %lld, the limit %s of the %s",
		    (long long)use->amount, limits[l].name, of);
	return err_fields_done(e, ERR_IMPOSSIBLE);
}

static int
hold(
    enum job_limit l, int64_t need, const struct job_limit_use *use, bool of_project, struct err *e)
{
	/* Amounts are at most INT64_MAX, for none at all, and used is less than 0 at no time. */
	if (use->used <= use->amount - need)
		return 0;
	return limits[l].what == NULL ? refuse_size(l, use, of_project, e)
				      : refuse_count(l, use, of_project, e);
}

/* What is used of a size is no matter of a submission: `used` stays 0. */
static int64_t
need_of(const struct job_spec *spec, enum job_limit l)
{
	switch (l) {
	case JOB_LIMIT_CPUS:
		return spec->cpu_milli;
	case JOB_LIMIT_MEMORY:
		return spec->memory_bytes;
	case JOB_LIMIT_GPUS:
		return spec->gpus;
	case JOB_LIMIT_QUEUED:
	case JOB_LIMIT_DAY:
	case JOB_LIMIT_STORAGE:
	case JOB_LIMIT_COUNT:
		break;
	}
	return 1; /* one more of what is counted */
}

int
job_admission_takes(const struct job_admission *a, const struct job_spec *spec, struct err *e)
{
	if (a->archived)
		return refuse_project(
		    e, a->named, "is archived and takes no new jobs; choose another one");
	for (int i = 0; i < JOB_LIMIT_COUNT; i++) {
		enum job_limit l = (enum job_limit)i;
		int64_t need = need_of(spec, l);

		if (hold(l, need, &a->part[i], true, e) < 0 ||
		    hold(l, need, &a->whole[i], false, e) < 0)
			return -1;
	}
	return 0;
}

static int64_t
least_room(const struct job_limit_use of[static JOB_LIMIT_COUNT])
{
	int64_t waiting = of[JOB_LIMIT_QUEUED].amount - of[JOB_LIMIT_QUEUED].used;
	int64_t today = of[JOB_LIMIT_DAY].amount - of[JOB_LIMIT_DAY].used;

	return waiting < today ? waiting : today;
}

int64_t
job_admission_room(const struct job_admission *a)
{
	int64_t whole = least_room(a->whole), part = least_room(a->part);

	return whole < part ? whole : part;
}
