/* SPDX-License-Identifier: Apache-2.0 */
#include "job_internal.h"

/*
 * A claim is one short transaction in four steps, in the order in which everybody locks: what is
 * still free of the batch is locked in the queue, then the counters of its tenants, so that nobody
 * else claims for them until this is over; then what they allow is read, and as many as fit are
 * moved.
 */

enum {
	/* Manifests that one claim carries; the caller's arena holds them all. */
	MANIFEST_BYTES = 8 << 20
};

/* One claim of the batch as it was found, before the claim's own increments. */
struct found {
	struct job_claim claim;
	struct uuid project;
	struct job_size size;
	bool locked;
};
struct claiming {
	struct found *v;
	size_t n;
	/* the row in hand */
	struct found row;
	int64_t number;
};

/* --- what is free ----------------------------------------------------------------------------- */

static int
lock_row(void *ctx, struct err *e)
{
	struct claiming *c = ctx;
	struct found *f = c->number < 1 || c->number > (int64_t)c->n ? NULL : &c->v[c->number - 1];

	if (f == NULL)
		return err_set(
		    e, ERR_DB_SCHEMA, "A claim came back for a job that was not asked for.");
	c->row.claim.tenant = f->claim.tenant;
	c->row.claim.id = f->claim.id;
	c->row.locked = true;
	*f = c->row;
	return 0;
}

static int
lock_queue(struct db_sys_tx *tx, const struct job_claim *claims, struct claiming *c,
    struct arena *mem, struct err *e)
{
	struct uuid tenants[JOB_CLAIM_MAX], ids[JOB_CLAIM_MAX];
	const struct db_arg args[] = { DB_ARG_UUIDS(tenants, c->n), DB_ARG_UUIDS(ids, c->n),
		DB_ARG_I64(MANIFEST_BYTES), DB_ARGS_END };
	struct job_claim *r = &c->row.claim;
	const struct db_col cols[] = { DB_I64("n", &c->number),
		DB_UUID("project_id", &c->row.project), DB_I64("cpu_milli", &c->row.size.cpu_milli),
		DB_I64("memory_bytes", &c->row.size.memory_bytes),
		DB_I64("gpus", &c->row.size.gpus), DB_I64("epoch", &r->epoch),
		DB_I64("attempt", &r->attempt), DB_I64("uid_slot", &r->uid_slot),
		DB_JSON("manifest", &r->manifest), DB_TIME("created_at", &r->created_wall_us),
		DB_COLS_END };

	for (size_t i = 0; i < c->n; i++) {
		tenants[i] = claims[i].tenant.uuid;
		ids[i] = claims[i].id;
		c->v[i].claim =
		    (struct job_claim){ .tenant = claims[i].tenant, .id = claims[i].id };
	}
	return db_sys_each(tx, "job_queue_lock", args, cols, mem, lock_row, c, e) < 0 ? -1 : 0;
}

/* --- limits ----------------------------------------------------------------------------------- */

/* Tenants and projects of what was locked; neighbours that are the same stand once. */
struct pairs {
	struct uuid tenants[JOB_CLAIM_MAX], projects[JOB_CLAIM_MAX];
	size_t n;
};
struct room_walk {
	const struct pairs *pairs;
	struct job_rooms rooms;
	/* the row in hand */
	int64_t number;
	struct job_room of_tenant, of_project;
};

static void
collect(const struct claiming *c, struct pairs *p)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct found *f = &c->v[i];

		if (!f->locked)
			continue;
		if (p->n > 0 && uuid_cmp(p->tenants[p->n - 1], f->claim.tenant.uuid) == 0 &&
		    uuid_cmp(p->projects[p->n - 1], f->project) == 0)
			continue;
		p->tenants[p->n] = f->claim.tenant.uuid;
		p->projects[p->n++] = f->project;
	}
}

static int
room_row(void *ctx, struct err *e)
{
	struct room_walk *w = ctx;
	struct tenant_id tenant;

	if (w->number < 1 || w->number > (int64_t)w->pairs->n)
		return err_set(
		    e, ERR_DB_SCHEMA, "Limits came back for a tenant that was not asked for.");
	tenant.uuid = w->pairs->tenants[w->number - 1];
	job_rooms_add(
	    &w->rooms, tenant, w->pairs->projects[w->number - 1], w->of_tenant, w->of_project);
	return 0;
}

static int
read_rooms(struct db_sys_tx *tx, const struct pairs *p, const struct job_quota_defaults *quota,
    struct arena *mem, struct job_rooms *ret, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUIDS(p->tenants, p->n),
		DB_ARG_UUIDS(p->projects, p->n), DB_ARG_I64(quota->jobs_running),
		DB_ARG_I64(quota->cpu_milli), DB_ARG_I64(quota->memory_bytes),
		DB_ARG_I64(quota->gpus), DB_ARGS_END };
	const struct db_arg lock[] = { args[0], DB_ARGS_END };
	struct room_walk w = { .pairs = p };
	const struct db_col cols[] = { DB_I64("n", &w.number),
		DB_I64("tenant_jobs", &w.of_tenant.jobs),
		DB_I64("tenant_cpu_milli", &w.of_tenant.cpu_milli),
		DB_I64("tenant_memory_bytes", &w.of_tenant.memory_bytes),
		DB_I64("tenant_gpus", &w.of_tenant.gpus),
		DB_I64("project_jobs", &w.of_project.jobs),
		DB_I64("project_cpu_milli", &w.of_project.cpu_milli),
		DB_I64("project_memory_bytes", &w.of_project.memory_bytes),
		DB_I64("project_gpus", &w.of_project.gpus), DB_COLS_END };

	w.rooms.v = arena_array(mem, 2 * p->n, sizeof(*w.rooms.v));
	if (w.rooms.v == NULL)
		return arena_err(e);
	if (db_sys_exec(tx, "job_use_lock", lock, e) < 0)
		return -1;
	if (db_sys_each(tx, "job_room", args, cols, mem, room_row, &w, e) < 0)
		return -1;
	*ret = w.rooms;
	return 0;
}

/* --- claiming --------------------------------------------------------------------------------- */

/* Moves of the batch, and for each the index of its claim. */
struct claim_moves {
	struct job_move v[JOB_CLAIM_MAX];
	size_t origin[JOB_CLAIM_MAX];
	size_t n;
};

static bool
has(const struct claim_moves *m, struct uuid id)
{
	for (size_t i = 0; i < m->n; i++)
		if (uuid_cmp(m->v[i].id, id) == 0)
			return true;
	return false;
}

static void
choose(struct claiming *c, struct job_rooms *rooms, struct claim_moves *m)
{
	for (size_t i = 0; i < c->n; i++) {
		struct found *f = &c->v[i];
		struct job_claim *r = &f->claim;

		if (!f->locked || has(m, r->id))
			continue;
		r->limited = !job_rooms_fit(rooms, r->tenant, f->project, &f->size);
		if (r->limited)
			continue;
		job_rooms_take(rooms, r->tenant, f->project, &f->size);
		m->origin[m->n] = i;
		m->v[m->n++] = (struct job_move){ .tenant = r->tenant,
			.id = r->id,
			.epoch = r->epoch,
			.from = JOB_QUEUED,
			.on = JOB_ON_CLAIM };
	}
}

static void
set_epochs(struct claiming *c, const struct claim_moves *m)
{
	for (size_t i = 0; i < c->n; i++)
		c->v[i].claim.epoch = 0;
	for (size_t k = 0; k < m->n; k++) {
		struct job_claim *r = &c->v[m->origin[k]].claim;

		r->epoch = m->v[k].ok ? m->v[k].epoch : 0;
		r->attempt++; /* the claim began it */
	}
}

static int
claim_locked(struct db_sys_tx *tx, const struct job_lease *lease,
    const struct job_quota_defaults *quota, struct claiming *c, struct arena *mem, struct err *e)
{
	struct pairs *p = arena_alloc(mem, sizeof(*p));
	struct claim_moves *m = arena_alloc(mem, sizeof(*m));
	struct job_rooms rooms;

	if (p == NULL || m == NULL)
		return arena_err(e);
	collect(c, p);
	if (p->n == 0)
		return 0;
	if (read_rooms(tx, p, quota, mem, &rooms, e) < 0)
		return -1;
	choose(c, &rooms, m);
	if (job_move_batch(tx, m->v, m->n, lease, mem, e) < 0)
		return -1;
	set_epochs(c, m);
	return 0;
}

int
job_claim(struct db *db, struct uuid node, int64_t lease_ms, const struct job_quota_defaults *quota,
    struct job_claim *claims, size_t n, struct arena *mem, struct err *e)
{
	const struct job_lease lease = { .owner = node, .ms = lease_ms };
	struct claiming c = { .n = n };
	AUTO(db_sys_tx) tx = NULL;

	REQUIRE(n <= JOB_CLAIM_MAX);
	if (n == 0)
		return 0;
	c.v = arena_array(mem, n, sizeof(*c.v));
	if (c.v == NULL)
		return arena_err(e);
	if (db_sys_begin(db, &tx, e) < 0)
		return -1;
	if (lock_queue(tx, claims, &c, mem, e) < 0)
		return -1;
	if (claim_locked(tx, &lease, quota, &c, mem, e) < 0)
		return -1;
	if (db_sys_commit(&tx, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		claims[i] = c.v[i].claim;
	return 0;
}

int64_t
job_lease_renew(struct db *db, struct uuid node, int64_t lease_ms, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(node), DB_ARG_I64(lease_ms), DB_ARGS_END };
	AUTO(db_sys_tx) tx = NULL;
	int64_t renewed;

	if (db_sys_begin(db, &tx, e) < 0)
		return -1;
	renewed = db_sys_exec(tx, "job_lease_renew", args, e);
	if (renewed < 0 || db_sys_commit(&tx, e) < 0)
		return -1;
	return renewed;
}
