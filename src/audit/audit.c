/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries are composed here and numbered, dated and hashed by the statement that stores them, with
 * the tenant's row of audit_head in hand.  An entry is what was hashed, for ever: its members come
 * in a fixed order, and everything in it that a caller chose is cut, cleaned of control characters,
 * and text that jsonb can hold, so that no input can make the entry, and with it the change that it
 * tells of, fail.
 */
#include "audit.h"

#include "json.h"
#include "parse.h"

#include <string.h>

extern const unsigned char sql_audit[];
const struct db_sql audit_sql = { "audit", (const char *)sql_audit };

enum {
	ENTRY_MAX = 16384, /* bytes; the table's limit counts characters */
	CHANGES_MAX = 12288,
	/* Bytes before escaping, which at most doubles them: with the actor and all names they stay
	 * under the 4 KiB that CHANGES_MAX leaves. */
	REASON_MAX = 512,
	RESOURCE_MAX = 256,
	SOURCE_MAX = 64,
	REQUEST_ID_MAX = 64,
};

/* --- the entry -------------------------------------------------------------------------------- */

/* At most max bytes, "..." standing for the rest, what is not printable shown as '?'. */
static void
put_clean(struct json_out *o, const char *name, const char *text, size_t max)
{
	char out[REASON_MAX + 4];
	size_t n = 0, left;

	REQUIRE(max <= REASON_MAX);
	if (text == NULL) {
		json_put_null(o, name);
		return;
	}
	left = strnlen(text, max + 4); /* the character at the limit is seen whole */
	while (left > 0) {
		size_t len = parse_utf8_printable(text, left);

		if (n + (len == 0 ? 1 : len) > max)
			break;
		if (len == 0)
			out[n] = '?';
		else
			memcpy(out + n, text, len);
		len += len == 0;
		text += len;
		left -= len;
		n += len;
	}
	memcpy(out + n, left > 0 ? "..." : "", left > 0 ? 4 : 1);
	json_put_text(o, name, out);
}

static void
put_id(struct json_out *o, const char *name, const char *prefix, struct uuid id)
{
	char text[ID_STR_SIZE];

	if (!uuid_is_nil(id))
		json_put_text(o, name, id_format(prefix, id, text));
}

static void
put_actor(struct json_out *o, const struct principal *who)
{
	char id[ID_STR_SIZE];

	json_out_key(o, "actor");
	json_out_begin(o);
	json_put_text(o, "type", who == NULL ? "system" : principal_kind_name(who->kind));
	json_put_text(o, "id", who == NULL ? "system" : principal_format(who, id));
	put_clean(o, "name", who == NULL ? NULL : who->name, PRINCIPAL_NAME_SIZE);
	if (who != NULL) {
		put_id(o, "user", "usr", who->user);
		put_id(o, "support", "sup", who->support);
	}
	json_out_end(o);
}

/* Text that is no object, or too long, is left out, and the entry says so. */
static int
put_changes(struct json_out *o, const char *changes, struct err *e)
{
	AUTO(json) j = NULL;
	struct err why = { 0 };
	size_t n = changes == NULL ? 0 : strlen(changes);

	if (changes == NULL) {
		json_put_null(o, "changes");
		return 0;
	}
	if (n <= CHANGES_MAX && json_parse(changes, n, &j, &why) < 0 && why.code == ERR_NO_MEMORY) {
		*e = why;
		return -1;
	}
	if (j != NULL && json_type(json_root(j)) == JSON_DICT) {
		json_put_raw(o, "changes", changes);
		return 0;
	}
	json_out_key(o, "changes");
	json_out_begin(o);
	json_put_i64(o, "omitted_bytes", (int64_t)n);
	json_out_end(o);
	return 0;
}

static int
compose(const struct audit_note *n, struct arena *mem, const char **ret, struct err *e)
{
	const struct caller *by = n->by;
	struct json_out o;
	AUTO_BUF b;

	buf_init(&b, ENTRY_MAX);
	json_out_init(&o, &b);
	json_out_begin(&o);
	json_put_text(&o, "action", n->action);
	put_actor(&o, by->who);
	put_clean(&o, "resource", n->resource, RESOURCE_MAX);
	json_put_text(&o, "outcome", n->denied == NULL ? "ok" : "denied");
	put_clean(&o, "reason", n->denied, REASON_MAX);
	put_clean(&o, "source", by->source, SOURCE_MAX);
	put_clean(&o, "request_id", by->request_id, REQUEST_ID_MAX);
	if (put_changes(&o, n->changes, e) < 0)
		return -1;
	json_out_end(&o);
	if (buf_check(&b, e) < 0)
		return -1;
	*ret = arena_strndup(mem, b.p, b.n);
	return *ret == NULL ? arena_err(e) : 0;
}

/* --- storing it ------------------------------------------------------------------------------- */

static void
fill_args(struct tenant_id tenant, const char *entry, struct db_arg args[static AUDIT_ARGS])
{
	const struct db_arg filled[AUDIT_ARGS] = { DB_ARG_UUID(tenant.uuid), DB_ARG_TEXT(entry),
		DB_ARGS_END };

	for (size_t i = 0; i < AUDIT_ARGS; i++)
		args[i] = filled[i];
}

int
audit_write(struct tenant_id tenant, const struct audit_note *n, struct arena *mem,
    struct db_arg args[static AUDIT_ARGS], struct db_write *w, struct err *e)
{
	const char *entry;

	if (compose(n, mem, &entry, e) < 0)
		return -1;
	fill_args(tenant, entry, args);
	*w = (struct db_write){ .stmt = "audit_insert", .args = args, .must_affect = true };
	return 0;
}

/* The row of audit_head is made with the tenant and goes with it. */
static int
check_found(int64_t rows, struct err *e)
{
	if (rows == 0)
		return err_set(e, ERR_CONFLICT,
		    "The tenant has no audit log, so nothing can be changed in it; it is being "
		    "deleted.");
	return rows < 0 ? -1 : 0;
}

int
audit_lock(struct db_tx *tx, struct tenant_id tenant, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(tenant.uuid), DB_ARGS_END };

	return check_found(db_exec(tx, "audit_lock", args, e), e);
}

int
audit_append(struct db_tx *tx, struct tenant_id tenant, const struct audit_note *n,
    struct arena *mem, struct err *e)
{
	struct db_arg args[AUDIT_ARGS];
	const char *entry;

	if (compose(n, mem, &entry, e) < 0)
		return -1;
	fill_args(tenant, entry, args);
	return check_found(db_exec(tx, "audit_insert", args, e), e);
}

int
audit_platform_lock(struct db_platform_tx *tx, struct tenant_id tenant, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(tenant.uuid), DB_ARGS_END };

	return check_found(db_platform_exec(tx, "audit_lock", args, e), e);
}

int
audit_platform_append(struct db_platform_tx *tx, struct tenant_id tenant,
    const struct audit_note *n, struct arena *mem, struct err *e)
{
	struct db_arg args[AUDIT_ARGS];
	const char *entry;

	if (compose(n, mem, &entry, e) < 0)
		return -1;
	fill_args(tenant, entry, args);
	return check_found(db_platform_exec(tx, "audit_insert", args, e), e);
}

int
audit_record(struct db *db, struct tenant_id tenant, const struct audit_note *n, struct arena *mem,
    struct err *e)
{
	struct db_arg args[AUDIT_ARGS];
	struct db_write w;

	if (audit_write(tenant, n, mem, args, &w, e) < 0)
		return -1;
	return db_group_write(db, tenant, &w, 1, NULL, mem, e);
}
