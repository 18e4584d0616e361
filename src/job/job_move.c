/* SPDX-License-Identifier: Apache-2.0 */
#include "job_internal.h"

#include <string.h>

/*
 * Whoever holds the lease moves the job, and proves it by the epoch: a row under another epoch or
 * in another state is not touched, and the move comes back with ok false.  Times of leases are the
 * database's, because several nodes must agree on them.  What a tenant's jobs hold is counted by
 * the same statement, so it is as exact as the states are.
 */

enum { BATCH = JOB_MOVE_BATCH };

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
apply_batch(struct db_sys_tx *tx, const struct move_batch *b, const struct job_lease *lease,
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
job_move_batch(struct db_sys_tx *tx, struct job_move *moves, size_t n,
    const struct job_lease *lease, struct arena *mem, struct err *e)
{
	struct move_batch *b = arena_alloc(mem, sizeof(*b));

	if (b == NULL)
		return arena_err(e);
	REQUIRE(batch_take(b, moves, n) == n);
	return n == 0 ? 0 : apply_batch(tx, b, lease, moves, mem, e);
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
