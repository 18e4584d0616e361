/* SPDX-License-Identifier: Apache-2.0 */
#include "job_internal.h"

#include <string.h>

/*
 * The scheduler's side.  Whoever holds the lease moves the job, and proves it by the epoch: a row
 * under another epoch or in another state is not touched, and the move comes back with ok false.
 * Times of leases are the database's, because several nodes must agree on them.
 */

enum {
	/* Moves in one statement: a millisecond or two of work, and arrays of a few KiB. */
	BATCH = JOB_CLAIM_MAX,
	/* Manifests that one claim carries; the caller's arena holds them all. */
	CLAIM_MANIFEST_BYTES = 8 << 20,
};

/* --- reading the hot table ------------------------------------------------------------------ */

struct queue_walk {
	struct job_queued row;
	const char *state;
	struct job_rows rows;
};

static int
queue_row(void *ctx, struct err *e)
{
	struct queue_walk *w = ctx;

	if (!job_state_parse(w->state, &w->row.state))
		return err_set(e, ERR_DB_SCHEMA,
		    "The queue holds a state that this version does not know; "
		    "run the version that wrote it.");
	return job_rows_push(&w->rows, &w->row, e);
}

static int
queue_read(struct db *db, const char *stmt, const struct db_arg *args, struct arena *mem,
    struct job_rows *ret, struct err *e)
{
	struct queue_walk w = { .rows = { .mem = mem, .size = sizeof(struct job_queued) } };
	const struct db_col cols[] = { DB_UUID("tenant_id", &w.row.tenant.uuid),
		DB_UUID("job_id", &w.row.id), DB_TEXT("state", &w.state),
		DB_I64("priority", &w.row.priority), DB_TIME("queued_at", &w.row.queued_wall_us),
		DB_I64("cpu_milli", &w.row.cpu_milli), DB_I64("memory_bytes", &w.row.memory_bytes),
		DB_I64("attempt", &w.row.attempt), DB_I64("max_attempts", &w.row.max_attempts),
		DB_I64("epoch", &w.row.epoch),
		{ .name = "lease_owner",
		    .type = DB_TYPE_UUID,
		    .nullable = true,
		    .dest = &w.row.lease_owner },
		DB_BOOL("cancel_requested", &w.row.cancel_requested), DB_COLS_END };
	AUTO(db_sys_tx) tx = NULL;

	if (db_sys_begin(db, &tx, e) < 0)
		return -1;
	if (db_sys_each(tx, stmt, args, cols, mem, queue_row, &w, e) < 0)
		return -1;
	if (db_sys_commit(&tx, e) < 0)
		return -1;
	*ret = w.rows;
	return 0;
}

static int
queue_list(struct db *db, const char *stmt, const struct db_arg *args, struct arena *mem,
    struct job_queued **ret, size_t *ret_n, struct err *e)
{
	struct job_rows rows;

	if (queue_read(db, stmt, args, mem, &rows, e) < 0)
		return -1;
	*ret = (struct job_queued *)(void *)rows.p;
	*ret_n = rows.n;
	return 0;
}

int
job_queue_waiting(struct db *db, int64_t max, struct arena *mem, struct job_queued **ret,
    size_t *ret_n, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_I64(max), DB_ARGS_END };

	return queue_list(db, "job_queue_waiting", args, mem, ret, ret_n, e);
}

int
job_queue_mine(struct db *db, struct uuid node, struct arena *mem, struct job_queued **ret,
    size_t *ret_n, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(node), DB_ARGS_END };

	return queue_list(db, "job_queue_mine", args, mem, ret, ret_n, e);
}

int
job_queue_expired(struct db *db, int64_t grace_ms, int64_t max, struct arena *mem,
    struct job_queued **ret, size_t *ret_n, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_I64(grace_ms), DB_ARG_I64(max), DB_ARGS_END };

	return queue_list(db, "job_queue_expired", args, mem, ret, ret_n, e);
}

/* --- moving --------------------------------------------------------------------------------- */

/* What a claim adds to its moves. */
struct lease {
	struct uuid owner;
	int64_t ms;
};

/* One column of job_move's arguments each. */
struct move_batch {
	struct uuid tenants[BATCH], ids[BATCH];
	int64_t epochs[BATCH], delays[BATCH], refunds[BATCH], ends[BATCH];
	const char *from[BATCH], *to[BATCH], *on[BATCH], *detail[BATCH];
	size_t n;
};

/* A row that job_move returned: the number of the move in the batch, from 1. */
struct moved_row {
	int64_t n, epoch, attempt;
	const struct move_batch *batch;
	struct job_move *moves;
};

static void
batch_add(struct move_batch *b, const struct job_move *m)
{
	enum job_state to = m->from;
	size_t i = b->n++;

	REQUIRE(i < BATCH);
	/* A move that the table does not have is a mistake of the caller, never of a row. */
	REQUIRE(job_fsm_next(m->from, m->on, &to));
	b->tenants[i] = m->tenant.uuid;
	b->ids[i] = m->id;
	b->epochs[i] = m->epoch;
	b->from[i] = job_state_name(m->from);
	b->to[i] = job_state_name(to);
	b->on[i] = job_event_name(m->on);
	b->detail[i] = m->detail;
	b->delays[i] = to == JOB_QUEUED ? m->delay_ms : 0;
	b->refunds[i] = to == JOB_QUEUED && m->refund;
	b->ends[i] = job_state_terminal(to);
}

static bool
batch_has(const struct move_batch *b, struct uuid id)
{
	for (size_t i = 0; i < b->n; i++)
		if (uuid_cmp(b->ids[i], id) == 0)
			return true;
	return false;
}

/* The number of moves from the front that fit in one statement, in which a job may stand once: the
 * statement sees the rows as they were before it. */
static size_t
batch_take(struct move_batch *b, const struct job_move *moves, size_t n)
{
	b->n = 0;
	while (b->n < n && b->n < BATCH && !batch_has(b, moves[b->n].id))
		batch_add(b, &moves[b->n]);
	return b->n;
}

static int
moved_row(void *ctx, struct err *e)
{
	struct moved_row *r = ctx;

	if (r->n < 1 || r->n > (int64_t)r->batch->n)
		return err_set(
		    e, ERR_DB_SCHEMA, "A state change came back for a job that was not asked for.");
	r->moves[r->n - 1].ok = true;
	r->moves[r->n - 1].epoch = r->epoch;
	return 0;
}

static int
apply_batch(struct db_sys_tx *tx, const struct move_batch *b, const struct lease *lease,
    struct job_move *moves, struct arena *mem, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUIDS(b->tenants, b->n), DB_ARG_UUIDS(b->ids, b->n),
		DB_ARG_I64S(b->epochs, b->n), DB_ARG_TEXTS(b->from, b->n),
		DB_ARG_TEXTS(b->to, b->n), DB_ARG_TEXTS(b->on, b->n), DB_ARG_TEXTS(b->detail, b->n),
		DB_ARG_I64S(b->delays, b->n), DB_ARG_I64S(b->refunds, b->n),
		DB_ARG_I64S(b->ends, b->n),
		{ .type = DB_TYPE_UUID,
		    .null = lease == NULL,
		    .v.uuid = lease ? lease->owner : b->ids[0] },
		{ .type = DB_TYPE_I64, .null = lease == NULL, .v.i64 = lease ? lease->ms : 0 },
		DB_ARGS_END };
	struct moved_row row = { .batch = b, .moves = moves };
	const struct db_col cols[] = { DB_I64("n", &row.n), DB_I64("epoch", &row.epoch),
		DB_I64("attempt", &row.attempt), DB_COLS_END };

	return db_sys_each(tx, "job_move", args, cols, mem, moved_row, &row, e) < 0 ? -1 : 0;
}

int
job_move(struct db_sys_tx *tx, struct job_move *moves, size_t n, struct err *e)
{
	AUTO(arena) mem = arena_new(MIB);
	struct move_batch *b;

	if (mem == NULL || (b = arena_alloc(mem, sizeof(*b))) == NULL)
		return err_set(e, ERR_NO_MEMORY, "The server is short of memory; try again later.");
	for (size_t i = 0; i < n; i++) {
		REQUIRE(moves[i].on != JOB_ON_CLAIM); /* needs a lease: job_claim */
		moves[i].ok = false;
	}
	for (size_t done = 0; done < n;) {
		size_t taken = batch_take(b, moves + done, n - done);

		if (apply_batch(tx, b, NULL, moves + done, mem, e) < 0)
			return -1;
		done += taken;
	}
	return 0;
}

/* --- claiming ------------------------------------------------------------------------------- */

struct lock_walk {
	struct job_claim row; /* as read, before the claim's own increments */
	int64_t n;
	struct job_claim *found; /* one per claim of the batch; epoch -1: not locked */
	size_t n_found;
};

static int
lock_row(void *ctx, struct err *e)
{
	struct lock_walk *w = ctx;

	if (w->n < 1 || w->n > (int64_t)w->n_found)
		return err_set(
		    e, ERR_DB_SCHEMA, "A claim came back for a job that was not asked for.");
	w->row.tenant = w->found[w->n - 1].tenant;
	w->row.id = w->found[w->n - 1].id;
	w->found[w->n - 1] = w->row;
	return 0;
}

static int
lock_free(struct db_sys_tx *tx, const struct job_claim *claims, size_t n, struct arena *mem,
    struct job_claim *found, struct err *e)
{
	struct uuid tenants[BATCH], ids[BATCH];
	const struct db_arg args[] = { DB_ARG_UUIDS(tenants, n), DB_ARG_UUIDS(ids, n),
		DB_ARG_I64(CLAIM_MANIFEST_BYTES), DB_ARGS_END };
	struct lock_walk w = { .found = found, .n_found = n };
	const struct db_col cols[] = { DB_I64("n", &w.n), DB_I64("epoch", &w.row.epoch),
		DB_I64("attempt", &w.row.attempt), DB_I64("uid_slot", &w.row.uid_slot),
		DB_JSON("manifest", &w.row.manifest), DB_TIME("created_at", &w.row.created_wall_us),
		DB_COLS_END };

	for (size_t i = 0; i < n; i++) {
		tenants[i] = claims[i].tenant.uuid;
		ids[i] = claims[i].id;
		found[i] = (struct job_claim){
			.tenant = claims[i].tenant, .id = claims[i].id, .epoch = -1
		};
	}
	return db_sys_each(tx, "job_queue_lock", args, cols, mem, lock_row, &w, e) < 0 ? -1 : 0;
}

/* Turns what was locked into claims; whatever was not has epoch 0 afterwards. */
static int
claim_locked(struct db_sys_tx *tx, const struct lease *lease, struct job_claim *found, size_t n,
    struct arena *mem, struct err *e)
{
	struct move_batch *b = arena_alloc(mem, sizeof(*b));
	struct job_move *moves = arena_array(mem, n, sizeof(*moves));
	size_t *origin = arena_array(mem, n, sizeof(*origin));

	if (b == NULL || moves == NULL || origin == NULL)
		return arena_err(e);
	for (size_t i = 0; i < n; i++) {
		if (found[i].epoch < 0 || batch_has(b, found[i].id))
			continue;
		origin[b->n] = i;
		moves[b->n] = (struct job_move){ .tenant = found[i].tenant,
			.id = found[i].id,
			.epoch = found[i].epoch,
			.from = JOB_QUEUED,
			.on = JOB_ON_CLAIM };
		batch_add(b, &moves[b->n]);
	}
	for (size_t i = 0; i < n; i++)
		found[i].epoch = 0;
	if (b->n == 0)
		return 0;
	if (apply_batch(tx, b, lease, moves, mem, e) < 0)
		return -1;
	for (size_t k = 0; k < b->n; k++) {
		struct job_claim *c = &found[origin[k]];

		c->epoch = moves[k].ok ? moves[k].epoch : 0;
		c->attempt++; /* the claim began it */
	}
	return 0;
}

int
job_claim(struct db *db, struct uuid node, int64_t lease_ms, struct job_claim *claims, size_t n,
    struct arena *mem, struct err *e)
{
	const struct lease lease = { .owner = node, .ms = lease_ms };
	struct job_claim *found;
	AUTO(db_sys_tx) tx = NULL;

	REQUIRE(n <= JOB_CLAIM_MAX);
	if (n == 0)
		return 0;
	found = arena_array(mem, n, sizeof(*found));
	if (found == NULL)
		return arena_err(e);
	if (db_sys_begin(db, &tx, e) < 0)
		return -1;
	if (lock_free(tx, claims, n, mem, found, e) < 0)
		return -1;
	if (claim_locked(tx, &lease, found, n, mem, e) < 0)
		return -1;
	if (db_sys_commit(&tx, e) < 0)
		return -1;
	memcpy(claims, found, n * sizeof(*claims));
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
