/* SPDX-License-Identifier: Apache-2.0 */
#include "platform_internal.h"

#include "parse.h"

#include <string.h>

extern const unsigned char sql_platform[];
const struct db_sql platform_sql = { "platform", (const char *)sql_platform };

static bool
is_platform(struct tenant_id id)
{
	return uuid_cmp(id.uuid, tenant_platform_id.uuid) == 0;
}

/* Operators have keys, or tokens of keys. */
static int
check_asker(struct registry_change *c, struct err *e)
{
	const struct principal *who = c->ask->by->who;
	bool stands = false;
	const struct db_col cols[] = { DB_BOOL("stands", &stands), DB_COLS_END };

	if (who == NULL)
		return 0;
	const struct db_arg args[] = { DB_ARG_UUID(tenant_platform_id.uuid), DB_ARG_UUID(who->user),
		DB_ARG_TEXT(system_role_name(ROLE_OPERATOR)), DB_ARG_UUID(who->key),
		DB_ARG_UUID(who->token), DB_ARGS_END };
	if (db_platform_one(c->tx, "platform_asker_stands", args, cols, c->ask->mem, e) < 0)
		return -1;
	if (stands)
		return 0;
	return err_set(e, ERR_UNAUTHENTICATED,
	    "The credential has just been revoked, or its user is no operator any more; use "
	    "another one");
}

int
registry_open(struct registry_change *c, const struct platform_ask *a, struct err *e)
{
	c->ask = a;
	if (db_platform_begin(a->db, &c->tx, e) < 0 ||
	    audit_platform_lock(c->tx, tenant_platform_id, e) < 0)
		return -1;
	return check_asker(c, e);
}

static int
read_locked(struct registry_change *c, struct tenant_id id, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(id.uuid), DB_ARGS_END };
	const struct db_col cols[] = REGISTRY_COLS(&c->tenant);
	int rows = db_platform_one(c->tx, "platform_tenant_get", args, cols, c->ask->mem, e);

	if (rows < 0)
		return -1;
	return rows == 0 ? err_set(e, ERR_NOT_FOUND, "There is no such tenant") : 0;
}

int
registry_begin(
    struct registry_change *c, const struct platform_ask *a, struct tenant_id id, struct err *e)
{
	*c = (struct registry_change){ 0 };
	if (registry_open(c, a, e) < 0)
		return -1;
	/* Before its log is locked: an unknown tenant has none. */
	if (read_locked(c, id, e) < 0)
		return -1;
	if (is_platform(id))
		return 0;
	if (audit_platform_lock(c->tx, id, e) < 0)
		return -1;
	return read_locked(c, id, e); /* as it is under the lock */
}

int
registry_commit(struct registry_change *c, const char *action, const char *resource,
    const char *changes, struct err *e)
{
	struct audit_note note = {
		.by = c->ask->by, .action = action, .resource = resource, .changes = changes
	};
	struct tenant_id id = c->tenant.id;

	if (audit_platform_append(c->tx, tenant_platform_id, &note, c->ask->mem, e) < 0)
		return -1;
	if (!is_platform(id) && audit_platform_append(c->tx, id, &note, c->ask->mem, e) < 0)
		return -1;
	return db_platform_commit(&c->tx, e);
}

void
registry_done(struct registry_change *c)
{
	db_platform_tx_free(c->tx);
	c->tx = NULL;
}

int
registry_exec(struct registry_change *c, const char *stmt, const struct db_arg *args, struct err *e)
{
	return db_platform_exec(c->tx, stmt, args, e) < 0 ? -1 : 0;
}

int
customers_only(const struct platform_tenant *t, struct err *e)
{
	if (strcmp(t->kind, "customer") == 0)
		return 0;
	return err_set(e, ERR_CONFLICT,
	    "This is the platform's own tenant, whose users are the operators; it stays as it is");
}

const char *
changed_text(
    const struct platform_ask *a, const char *member, const char *before, const char *after)
{
	enum { CHANGES_MAX_BYTES = 16 << 10 };
	AUTO_BUF b = { 0 };
	struct json_out o;

	buf_init(&b, CHANGES_MAX_BYTES);
	json_out_init(&o, &b);
	json_out_begin(&o);
	json_out_key(&o, member);
	json_out_begin_array(&o);
	json_out_text(&o, before);
	json_out_text(&o, after);
	json_out_end_array(&o);
	json_out_end(&o);
	return b.p == NULL ? NULL : arena_strndup(a->mem, b.p, b.n);
}

const char *
asker(const struct platform_ask *a, char out[static ID_STR_SIZE])
{
	return a->by->who == NULL ? "system" : principal_format(a->by->who, out);
}

/* -1: not all of it is printable. */
static int64_t
count_characters(const char *p, size_t n)
{
	int64_t characters = 0;

	for (size_t at = 0, step; at < n; at += step, characters++) {
		step = parse_utf8_printable(p + at, n - at);
		if (step == 0)
			return -1;
	}
	return characters;
}

int
reason_clean(const struct platform_ask *a, const char **reason, int64_t least, struct err *e)
{
	const char *from = *reason + strspn(*reason, " ");
	size_t n = strlen(from);
	int64_t characters;
	char *copy;

	while (n > 0 && from[n - 1] == ' ')
		n--;
	characters = count_characters(from, n);
	if (characters < least || characters > PLATFORM_REASON_MAX) {
		err_field_add(e, "/reason",
		    "must have %lld to %d characters, none of them a control character",
		    (long long)least, PLATFORM_REASON_MAX);
		return err_fields_done(e, ERR_INVALID);
	}
	copy = arena_strndup(a->mem, from, n);
	if (copy == NULL)
		return arena_err(e);
	*reason = copy;
	return 0;
}

/* --- pages ------------------------------------------------------------------------------------ */

struct uuid
before_or_newest(struct uuid before)
{
	struct uuid greatest;

	memset(&greatest, 0xff, sizeof(greatest));
	return uuid_is_nil(before) ? greatest : before;
}

int
page_rows_init(struct page_rows *r, struct arena *mem, size_t size, int64_t limit, struct err *e)
{
	REQUIRE(limit > 0);
	*r = (struct page_rows){ .size = size, .max = (size_t)limit + 1 };
	r->at = arena_array(mem, r->max, size);
	return r->at == NULL ? arena_err(e) : 0;
}

void
page_rows_add(struct page_rows *r, const void *row)
{
	REQUIRE(r->n < r->max);
	memcpy((char *)r->at + r->n++ * r->size, row, r->size);
}

bool
page_rows_more(struct page_rows *r)
{
	bool more = r->n == r->max;

	r->n -= more;
	return more;
}
