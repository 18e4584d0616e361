/* SPDX-License-Identifier: Apache-2.0 */
#include "audit_internal.h"

#include "auth.h"
#include "buf.h"
#include "clock.h"

#include <string.h>

enum {
	FILTER_MAX = 4096,
	PAGE_MS = 1000 /* about a million entries */
};

/* --- statements ------------------------------------------------------------------------------- */

void
audit_where_fill(
    struct audit_where *w, struct tenant_id tenant, const struct audit_filter *f, int64_t limit)
{
	size_t n = f->action == NULL ? 0 : strlen(f->action);
	bool prefix = n >= 2 && n < sizeof(w->prefix) && strcmp(f->action + n - 2, ".*") == 0;
	const struct db_arg filled[AUDIT_PAGE_ARGS] = { DB_ARG_UUID(tenant.uuid), DB_ARG_I64(0),
		DB_ARG_I64(0), DB_ARG_TIME_OR_NULL(f->from_wall_us),
		DB_ARG_TIME_OR_NULL(f->to_wall_us), DB_ARG_TEXT(f->actor),
		DB_ARG_TEXT(prefix ? NULL : f->action), DB_ARG_TEXT(prefix ? w->prefix : NULL),
		DB_ARG_TEXT(f->resource), DB_ARG_TEXT(f->outcome), DB_ARG_I64(limit), DB_ARGS_END };

	memcpy(w->args, filled, sizeof(w->args));
	w->prefix[0] = '\0';
	if (prefix) { /* all but the star */
		memcpy(w->prefix, f->action, n - 1);
		w->prefix[n - 1] = '\0';
	}
}

int
audit_hash_copy(const struct db_bytes *from, uint8_t out[static CHAIN_HASH_SIZE], struct err *e)
{
	if (from->n != CHAIN_HASH_SIZE)
		return err_set(e, ERR_DB_SCHEMA, "a hash of the audit log is not one");
	memcpy(out, from->p, CHAIN_HASH_SIZE);
	return 0;
}

int
audit_ends_get(struct db *db, struct tenant_id tenant, struct arena *mem, struct audit_ends *ret,
    struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(tenant.uuid), DB_ARGS_END };
	struct audit_ends ends = { 0 };
	struct db_bytes hash = { 0 };
	const struct db_col cols[] = { DB_I64("number", &ends.number), DB_BYTES("hash", &hash),
		DB_I64("last", &ends.last), DB_COLS_END };

	if (db_read_one(db, tenant, "audit_ends", args, cols, mem, e) < 0 ||
	    audit_hash_copy(&hash, ends.head.hash, e) < 0)
		return -1;
	ends.head.number = ends.number;
	*ret = ends;
	return 0;
}

void
audit_raw_cols(struct audit_raw *r, struct db_col cols[static AUDIT_RAW_COLS])
{
	const struct db_col filled[AUDIT_RAW_COLS] = { DB_I64("number", &r->entry.number),
		DB_TIME("at", &r->entry.at_wall_us), DB_TEXT("entry", &r->entry.text),
		DB_BYTES("hash", &r->hash), DB_COLS_END };

	for (size_t i = 0; i < AUDIT_RAW_COLS; i++)
		cols[i] = filled[i];
}

int
audit_raw_take(struct audit_raw *r, struct err *e)
{
	r->entry.text_n = strlen(r->entry.text);
	return audit_hash_copy(&r->hash, r->entry.hash, e);
}

/* --- filter ----------------------------------------------------------------------------------- */

int
audit_filter_print(const struct audit_filter *f, struct arena *mem, const char **ret, struct err *e)
{
	const struct {
		const char *name, *value;
	} texts[] = { { "actor", f->actor }, { "action", f->action }, { "resource", f->resource },
		{ "outcome", f->outcome } };
	struct json_out o;
	AUTO_BUF b;

	buf_init(&b, FILTER_MAX);
	json_out_init(&o, &b);
	json_out_begin(&o);
	if (f->from_wall_us != 0)
		json_put_time(&o, "from", f->from_wall_us);
	if (f->to_wall_us != 0)
		json_put_time(&o, "to", f->to_wall_us);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (texts[i].value != NULL)
			json_put_text(&o, texts[i].name, texts[i].value);
	if (f->after != 0)
		json_put_i64(&o, "after", f->after);
	json_out_end(&o);
	if (buf_check(&b, e) < 0)
		return -1;
	*ret = arena_strndup(mem, b.p, b.n);
	return *ret == NULL ? arena_err(e) : 0;
}

/* --- a page ----------------------------------------------------------------------------------- */

/* Few entries, or none, may be among very many: there is an index for actors and resources alone,
 * and the planner need not take it where most entries are of one. */
bool
audit_filter_scans(const struct audit_filter *f)
{
	return f->action != NULL || f->outcome != NULL || f->actor != NULL || f->resource != NULL ||
	       f->from_wall_us != 0 || f->to_wall_us != 0;
}

struct collector {
	struct db *db;
	struct tenant_id tenant;
	struct arena *mem;
	const char *stmt;
	struct audit_where where;
	struct audit_row row; /* what the columns are read into */
	struct db_bytes hash;
	struct audit_row *rows;
	size_t n, max;
};

static int
collect(void *ctx, struct err *e)
{
	struct collector *c = ctx;

	REQUIRE(c->n < c->max);
	if (audit_hash_copy(&c->hash, c->row.hash, e) < 0)
		return -1;
	c->rows[c->n++] = c->row;
	return 0;
}

/* Rows with above < number <= to (newest first: < to + 1), as many as there is room for. */
static int
read_rows(struct collector *c, int64_t above, int64_t to, struct err *e)
{
	struct audit_row *r = &c->row;
	const struct db_col cols[] = { DB_I64("number", &r->number), DB_TIME("at", &r->at_wall_us),
		DB_BYTES("hash", &c->hash), DB_TEXT("action", &r->action),
		DB_TEXT("actor", &r->actor), DB_TEXT_NULL("resource", &r->resource),
		DB_TEXT("outcome", &r->outcome), DB_TEXT_NULL("actor_type", &r->actor_type),
		DB_TEXT_NULL("actor_name", &r->actor_name),
		DB_TEXT_NULL("actor_user", &r->actor_user),
		DB_TEXT_NULL("actor_support", &r->actor_support),
		DB_TEXT_NULL("reason", &r->reason), DB_TEXT_NULL("source", &r->source),
		DB_TEXT_NULL("request_id", &r->request_id), DB_JSON_NULL("changes", &r->changes),
		DB_COLS_END };
	struct db_arg *args = c->where.args;

	args[AUDIT_WHERE_ABOVE].v.i64 = above;
	args[AUDIT_WHERE_TO].v.i64 = to;
	args[AUDIT_WHERE_LIMIT].v.i64 = (int64_t)(c->max - c->n);
	return db_read_each(c->db, c->tenant, c->stmt, args, cols, c->mem, collect, c, e) < 0 ? -1
											      : 0;
}

/*
 * Piece by piece, so that no statement looks at more than AUDIT_SCAN_ENTRIES entries, and for a
 * bounded time, after which the page ends where it stands.  `low` and `high` are what is left.
 */
static int
read_pieces(
    struct collector *c, bool oldest_first, int64_t *low, int64_t *high, bool scans, struct err *e)
{
	struct deadline until = deadline_in_ms(PAGE_MS);

	while (*low < *high && c->n < c->max) {
		int64_t piece = scans ? AUDIT_SCAN_ENTRIES : INT64_MAX;
		int64_t from = !oldest_first && *high - *low > piece ? *high - piece : *low;
		int64_t to = oldest_first && *high - *low > piece ? *low + piece : *high;

		if (read_rows(c, from, to, e) < 0)
			return -1;
		if (oldest_first)
			*low = to;
		else
			*high = from;
		if (deadline_passed(until))
			break;
	}
	return 0;
}

int
audit_list(struct db *db, struct tenant_id tenant, const struct audit_filter *f,
    const struct audit_page *p, struct arena *mem, struct audit_row **ret, size_t *ret_n,
    int64_t *ret_next, struct err *e)
{
	/* One more than asked for tells whether there is more. */
	struct collector c = { .db = db,
		.tenant = tenant,
		.mem = mem,
		.stmt = p->oldest_first ? "audit_page_oldest" : "audit_page_newest",
		.max = (size_t)p->limit + 1 };
	int64_t low = f->after, high;
	struct audit_ends ends;

	c.rows = arena_array(mem, c.max, sizeof(*c.rows));
	if (c.rows == NULL)
		return arena_err(e);
	if (audit_ends_get(db, tenant, mem, &ends, e) < 0)
		return -1;
	high = p->upto != 0 && p->upto < ends.last ? p->upto : ends.last;
	if (p->last != 0 && p->oldest_first)
		low = p->last > low ? p->last : low;
	else if (p->last != 0)
		high = p->last - 1 < high ? p->last - 1 : high;
	audit_where_fill(&c.where, tenant, f, 0);
	if (read_pieces(&c, p->oldest_first, &low, &high, audit_filter_scans(f), e) < 0)
		return -1;
	*ret = c.rows;
	*ret_n = c.n == c.max ? c.n - 1 : c.n;
	if (c.n == c.max)
		*ret_next = c.rows[c.n - 2].number;
	else if (low < high)
		*ret_next = p->oldest_first ? low : high + 1;
	else
		*ret_next = 0;
	return 0;
}

void
audit_row_print(const struct audit_row *row, struct json_out *o)
{
	char hash[2 * CHAIN_HASH_SIZE + 1];

	auth_hex(row->hash, sizeof(row->hash), hash);
	json_out_begin(o);
	json_put_i64(o, "number", row->number);
	json_put_time(o, "at", row->at_wall_us);
	json_put_text(o, "action", row->action);
	json_out_key(o, "actor");
	json_out_begin(o);
	json_put_text(o, "type", row->actor_type);
	json_put_text(o, "id", row->actor);
	json_put_text(o, "name", row->actor_name);
	json_put_text(o, "user", row->actor_user);
	json_put_text(o, "support", row->actor_support);
	json_out_end(o);
	json_put_text(o, "resource", row->resource);
	json_put_text(o, "outcome", row->outcome);
	json_put_text(o, "reason", row->reason);
	json_put_text(o, "source", row->source);
	json_put_text(o, "request_id", row->request_id);
	json_put_raw(o, "changes", row->changes == NULL ? "null" : row->changes);
	json_put_text(o, "hash", hash);
	json_out_end(o);
}
