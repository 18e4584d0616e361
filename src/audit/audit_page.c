/* SPDX-License-Identifier: Apache-2.0 */
#include "audit_internal.h"

#include "auth.h"
#include "buf.h"

#include <string.h>

enum { FILTER_MAX = 4096 };

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

struct collector {
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

int
audit_list(struct db *db, struct tenant_id tenant, const struct audit_filter *f,
    const struct audit_page *p, struct arena *mem, struct audit_row **ret, size_t *ret_n,
    bool *ret_more, struct err *e)
{
	/* One more than asked for tells whether there is more. */
	struct collector c = { .max = (size_t)p->limit + 1 };
	struct audit_row *r = &c.row;
	const struct db_col cols[] = { DB_I64("number", &r->number), DB_TIME("at", &r->at_wall_us),
		DB_BYTES("hash", &c.hash), DB_TEXT("action", &r->action),
		DB_TEXT("actor", &r->actor), DB_TEXT_NULL("resource", &r->resource),
		DB_TEXT("outcome", &r->outcome), DB_TEXT_NULL("actor_type", &r->actor_type),
		DB_TEXT_NULL("actor_name", &r->actor_name),
		DB_TEXT_NULL("actor_user", &r->actor_user),
		DB_TEXT_NULL("actor_support", &r->actor_support),
		DB_TEXT_NULL("reason", &r->reason), DB_TEXT_NULL("source", &r->source),
		DB_TEXT_NULL("request_id", &r->request_id), DB_JSON_NULL("changes", &r->changes),
		DB_COLS_END };
	int64_t above = p->oldest_first && p->last > f->after ? p->last : f->after;
	struct audit_where w;

	c.rows = arena_array(mem, c.max, sizeof(*c.rows));
	if (c.rows == NULL)
		return arena_err(e);
	audit_where_fill(&w, tenant, f, p->limit + 1);
	w.args[AUDIT_WHERE_ABOVE].v.i64 = above;
	w.args[AUDIT_WHERE_TO].v.i64 = p->last;
	w.args[AUDIT_WHERE_TO].null = p->oldest_first || p->last == 0;
	if (db_read_each(db, tenant, p->oldest_first ? "audit_page_oldest" : "audit_page_newest",
		w.args, cols, mem, collect, &c, e) < 0)
		return -1;
	*ret = c.rows;
	*ret_more = c.n == c.max;
	*ret_n = *ret_more ? c.n - 1 : c.n;
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
