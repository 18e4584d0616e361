/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verification.  The order matters while the log grows: the checkpoints first, then head and last
 * row in one snapshot, then the rows up to there.  So what comes meanwhile is not looked at, and
 * what is looked at must agree.
 */
#include "audit_internal.h"

#include "auth.h"
#include "clock.h"
#include "fd.h"
#include "lines.h"

#include <string.h>

/* Entries of one statement: a few milliseconds to read, 16 MiB at worst. */
enum { PAGE_ENTRIES = 1000, PAGE_BYTES = 64 << 20 };

struct walk {
	struct audit_desk *desk;
	struct tenant_id tenant;
	struct arena *mem; /* of one page */
	struct checkpoint_trail trail;
	struct chain_check *check;
	struct audit_raw raw;
};

static int
read_trail(struct walk *w, struct err *e)
{
	AUTO_FD int fd = -1;
	AUTO_LINES lines = { .fd = -1 };
	const char *line;
	size_t n = 0;
	int rc;

	if (audit_file_open(w->desk->o.dirfd, w->tenant, &fd, e) < 0)
		return -1;
	if (fd < 0)
		return 0;
	if (lines_init(&lines, fd, CHECKPOINT_LINE_SIZE, e) < 0)
		return -1;
	while ((rc = lines_next(&lines, &line, &n, e)) == 1)
		checkpoint_trail_line(&w->trail, line, n, w->check);
	if (rc < 0 && e->code != ERR_TOO_LARGE)
		return -1;
	if (rc < 0)
		chain_check_report(w->check, CHAIN_CHECKPOINT, 0,
		    "the file of checkpoints holds something else behind line %lld",
		    (long long)w->trail.n_lines);
	checkpoint_trail_end(&w->trail, w->desk->o.key, w->check);
	return 0;
}

static int
take_entry(void *ctx, struct err *e)
{
	struct walk *w = ctx;

	if (audit_raw_take(&w->raw, e) < 0)
		return -1;
	checkpoint_trail_entry(&w->trail, &w->raw.entry, w->check);
	chain_check_entry(w->check, &w->raw.entry);
	arena_reset(w->mem);
	return 0;
}

/* All rows above one number and up to another, in pages. */
static int
walk_rows(struct walk *w, int64_t above, int64_t to, struct err *e)
{
	struct db_col cols[AUDIT_RAW_COLS];
	int64_t n = PAGE_ENTRIES;

	audit_raw_cols(&w->raw, cols);
	while (n == PAGE_ENTRIES) {
		const struct db_arg args[] = { DB_ARG_UUID(w->tenant.uuid), DB_ARG_I64(above),
			DB_ARG_I64(to), DB_ARG_I64(PAGE_ENTRIES), DB_ARGS_END };

		if (audit_desk_goes_on(w->desk, e) < 0)
			return -1;
		n = db_read_each(
		    w->desk->o.db, w->tenant, "audit_walk", args, cols, w->mem, take_entry, w, e);
		if (n < 0)
			return -1;
		above = w->raw.entry.number;
	}
	return 0;
}

static int
walk(struct walk *w, int64_t from, struct audit_verdict *ret, struct err *e)
{
	struct audit_ends ends;

	checkpoint_trail_start(&w->trail, w->tenant);
	if (from == 1)
		chain_check_start(w->check, w->tenant);
	else
		chain_check_start_at(w->check, from - 1);
	if (read_trail(w, e) < 0 || audit_ends_get(w->desk->o.db, w->tenant, w->mem, &ends, e) < 0)
		return -1;
	if (from > 1 && from > ends.last + 1 && from > ends.number + 1)
		return err_set(e, ERR_BAD_PARAMETER,
		    "The log ends with entry %lld; verify from that one or an earlier one.",
		    (long long)ends.last);
	/* Rows with numbers that none should have stand before the first. */
	if (walk_rows(w, from == 1 ? INT64_MIN : from - 2, ends.last, e) < 0)
		return -1;
	if (ends.number < 0)
		chain_check_report(w->check, CHAIN_MISSING, 0, "the head of the log is not there");
	else
		chain_check_end(w->check, &ends.head);
	checkpoint_trail_head(&w->trail, &ends.head, w->check);
	ret->first = from;
	ret->last = w->check->last.number;
	memcpy(ret->head, w->check->last.hash, sizeof(ret->head));
	return 0;
}

static int
hand_over(const struct walk *w, struct arena *mem, struct audit_verdict *v, struct err *e)
{
	const struct chain_check *c = w->check;
	struct chain_problem *problems = arena_array(mem, c->n_problems + 1, sizeof(*problems));

	if (problems == NULL)
		return arena_err(e);
	memcpy(problems, c->problems, c->n_problems * sizeof(*problems));
	v->problems = problems;
	v->n_problems = c->n_problems;
	v->n_problems_lost = c->n_problems_lost;
	v->checkpoints = w->trail.n_lines;
	v->checkpoint_number = w->trail.last.number;
	v->checkpoint_wall_us = w->trail.last.made_wall_us;
	v->node = w->desk->o.node;
	return 0;
}

int
audit_verify(struct audit_desk *d, struct tenant_id tenant, int64_t from, struct arena *mem,
    struct audit_verdict *ret, struct err *e)
{
	struct walk w = { .desk = d, .tenant = tenant };
	struct audit_verdict v = { 0 };
	int64_t start_ns = clock_mono_ns();
	struct audit_slot *slot;
	int rc = -1;

	if (audit_slot_take(
		d, d->verifications, AUDIT_EXPORTS_MAX, tenant, "verification", &slot, e) < 0)
		return -1;
	w.check = malloc(sizeof(*w.check));
	w.mem = arena_new(PAGE_BYTES);
	if (w.check == NULL || w.mem == NULL)
		(void)err_set(e, ERR_NO_MEMORY, "The server is short of memory; try again later.");
	else
		rc = walk(&w, from, &v, e) < 0 ? -1 : hand_over(&w, mem, &v, e);
	checkpoint_trail_done(&w.trail);
	arena_free(w.mem);
	free(w.check);
	audit_slot_give(slot);
	if (rc < 0)
		return -1;
	v.duration_ms = (clock_mono_ns() - start_ns) / 1000000;
	v.verified_wall_us = clock_wall_us();
	*ret = v;
	return 0;
}

/* --- as JSON ---------------------------------------------------------------------------------- */

static void
print_checkpoints(const struct audit_verdict *v, struct json_out *o)
{
	char node[UUID_STR_SIZE];

	json_out_key(o, "checkpoints");
	json_out_begin(o);
	json_put_i64(o, "checked", v->checkpoints);
	if (v->checkpoint_number > 0)
		json_put_i64(o, "last_number", v->checkpoint_number);
	else
		json_put_null(o, "last_number");
	json_put_time(o, "last_at", v->checkpoint_wall_us);
	json_put_text(o, "node", uuid_format(v->node, node));
	json_out_end(o);
}

void
audit_verdict_print(const struct audit_verdict *v, struct json_out *o)
{
	char head[2 * CHAIN_HASH_SIZE + 1];

	auth_hex(v->head, sizeof(v->head), head);
	json_out_begin(o);
	json_put_bool(o, "ok", v->n_problems == 0);
	json_put_i64(o, "first", v->first);
	json_put_i64(o, "last", v->last);
	json_put_text(o, "head", head);
	print_checkpoints(v, o);
	json_out_key(o, "problems");
	json_out_begin_array(o);
	for (size_t i = 0; i < v->n_problems; i++) {
		json_out_begin(o);
		json_put_text(o, "kind", chain_fault_name(v->problems[i].fault));
		json_put_i64(o, "number", v->problems[i].number);
		json_put_text(o, "detail", v->problems[i].detail);
		json_out_end(o);
	}
	json_out_end_array(o);
	json_put_i64(o, "problems_not_shown", v->n_problems_lost);
	json_put_i64(o, "duration_ms", v->duration_ms);
	json_put_time(o, "verified_at", v->verified_wall_us);
	json_out_end(o);
}

/* --- checkpoints ------------------------------------------------------------------------------ */

int
audit_checkpoints(struct audit_desk *d, struct tenant_id tenant, int64_t after,
    struct audit_part *ret, struct err *e)
{
	struct audit_part part = { .fd = -1 };
	AUTO_FD int fd = -1;
	int64_t end;

	if (audit_file_open(d->o.dirfd, tenant, &fd, e) < 0)
		return -1;
	if (fd >= 0) {
		if (audit_file_find(fd, after, &part.offset, &end, e) < 0)
			return -1;
		part.n = end - part.offset;
		part.fd = fd_take(&fd);
	}
	*ret = part;
	return 0;
}
