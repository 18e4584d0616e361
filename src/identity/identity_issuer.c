/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Issuers of tokens.  Who holds an issuer's keys can be anybody whom its rules and linked users
 * allow.  So whoever registers one, or changes where its tokens come from, who signs them or what
 * they give, needs every permission that can come of it.
 */
#include "identity_internal.h"
#include "identity_issuer.h"

#include "jws.h"

#include <stdio.h>
#include <string.h>

enum {
	AUDIENCE_MAX = 255,
	RULES_TEXT_MAX = 256 << 10 /* 64 rules with the longest texts, each byte escaped */
};

/* --- rows ------------------------------------------------------------------------------------- */

enum { ISSUER_COLS = 11 };

static void
issuer_columns(struct identity_issuer *i, struct db_col cols[static ISSUER_COLS])
{
	const struct db_col all[] = { DB_UUID("issuer_id", &i->id), DB_TEXT("name", &i->name),
		DB_TEXT("url", &i->url), DB_TEXT("audience", &i->audience),
		DB_TEXT_NULL("tenant_claim", &i->tenant_claim), DB_JSON("jwks", &i->jwks),
		DB_JSON("rules", &i->rules), DB_TIME("created_at", &i->created_wall_us),
		DB_TIME_NULL("disabled_at", &i->disabled_wall_us), DB_I64("version", &i->version),
		DB_COLS_END };

	_Static_assert(ARRAY_LEN(all) == ISSUER_COLS, "every column has a place");
	memcpy(cols, all, sizeof(all));
}

/* --- reading ---------------------------------------------------------------------------------- */

int
identity_issuer_get(struct db *db, struct tenant_id tenant, struct uuid id, struct arena *mem,
    struct identity_issuer *ret, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(tenant.uuid), DB_ARG_UUID(id), DB_ARGS_END };
	struct identity_issuer i = { 0 };
	struct db_col cols[ISSUER_COLS];
	int rows;

	issuer_columns(&i, cols);
	rows = db_read_one(db, tenant, "identity_issuer_get", args, cols, mem, e);
	if (rows < 0)
		return -1;
	if (rows == 0)
		return not_found(e, "issuer");
	*ret = i;
	return 0;
}

struct list_walk {
	struct identity_issuer row;
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
identity_issuer_list(struct db *db, struct tenant_id tenant, const struct identity_page *page,
    struct arena *mem, struct identity_issuers *ret, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(tenant.uuid), DB_ARG_UUID(page_before(page)),
		DB_ARG_I64(page->limit + 1), DB_ARGS_END };
	struct db_col cols[ISSUER_COLS];
	struct list_walk w = { 0 };

	issuer_columns(&w.row, cols);
	if (rows_init(&w.rows, mem, sizeof(w.row), page->limit, e) < 0 ||
	    db_read_each(db, tenant, "identity_issuer_list", args, cols, mem, list_row, &w, e) < 0)
		return -1;
	ret->more = rows_more(&w.rows);
	ret->p = (struct identity_issuer *)(void *)w.rows.p;
	ret->n = w.rows.n;
	return 0;
}

static int
read_issuer(struct change *c, struct uuid id, struct identity_issuer *ret, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(c->ask->tenant.uuid), DB_ARG_UUID(id),
		DB_ARGS_END };
	struct identity_issuer i = { 0 };
	struct db_col cols[ISSUER_COLS];
	int rows;

	issuer_columns(&i, cols);
	rows = change_one(c, "identity_issuer_get", args, cols, e);
	if (rows < 0)
		return -1;
	if (rows == 0)
		return not_found(e, "issuer");
	*ret = i;
	return 0;
}

/* --- what a row may hold ---------------------------------------------------------------------- */

static bool
is_loopback(const char *host, size_t n)
{
	static const char *const hosts[] = { "localhost", "127.0.0.1", "[::1]" };

	for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
		if (strlen(hosts[i]) == n && memcmp(hosts[i], host, n) == 0)
			return true;
	return false;
}

/* Letters, digits and punctuation of RFC 3986 without what a URL of an issuer does not have. */
static bool
plain_url(const char *url)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789-._~:/[]!$&'()*+,;=%";

	return strspn(url, allowed) == strlen(url);
}

int
issuer_url_check(const char *url, const char *pointer, struct err *e)
{
	bool tls = strncmp(url, "https://", 8) == 0, open = strncmp(url, "http://", 7) == 0;
	const char *host = url + (tls ? 8 : 7);
	size_t authority, name;

	if (strlen(url) > IDENTITY_URL_MAX)
		return invalid(e, pointer, "must have at most %d bytes", IDENTITY_URL_MAX);
	if (!tls && !open)
		return invalid(e, pointer, "must begin with https://");
	if (!plain_url(url))
		return invalid(
		    e, pointer, "must be a plain URL: no user, query or fragment, no blanks");
	authority = strcspn(host, "/");
	name = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/");
	if (name == 0 || name > authority)
		return invalid(e, pointer, "must name a host");
	if (host[name] == ':' && (strspn(host + name + 1, "0123456789") != authority - name - 1 ||
				     authority - name - 1 > 5 || authority == name + 1))
		return invalid(e, pointer, "must have a port of digits behind the ':'");
	if (host[name] != ':' && name != authority)
		return invalid(e, pointer, "must name a host");
	if (open && !is_loopback(host, name))
		return invalid(
		    e, pointer, "must begin with https://; http:// is for the loopback address");
	return 0;
}

static int
check_binding(struct change *c, struct identity_issuer *i, struct err *e)
{
	char own[ID_STR_SIZE + 16], id[ID_STR_SIZE];

	(void)snprintf(own, sizeof(own), "wardian:%s", id_format("ten", c->ask->tenant.uuid, id));
	if (i->audience == NULL) {
		i->audience = arena_strdup(c->ask->mem, own);
		return i->audience == NULL ? arena_err(e) : 0;
	}
	if (strcmp(i->audience, own) != 0 && i->tenant_claim == NULL)
		return invalid(e, "/tenant_claim",
		    "is required with an audience other than %s: it is the claim that holds the "
		    "tenant's id",
		    own);
	return 0;
}

static int
check_texts(struct change *c, struct identity_issuer *i, struct err *e)
{
	struct arena *mem = c->ask->mem;

	if (text_clean(mem, &i->name, IDENTITY_NAME_MAX, "/name", e) < 0 ||
	    issuer_url_check(i->url, "/url", e) < 0 ||
	    text_clean(mem, &i->audience, AUDIENCE_MAX, "/audience", e) < 0 ||
	    text_clean(mem, &i->tenant_claim, TENANT_RULE_CLAIM_MAX, "/tenant_claim", e) < 0)
		return -1;
	return check_binding(c, i, e);
}

static int
take_keys(struct change *c, const struct json_value *jwks, struct identity_issuer *i, struct err *e)
{
	AUTO(jws_keys) keys = NULL;
	struct json_out o;
	AUTO_BUF b = { 0 };

	if (jws_keys_parse(jwks, "/jwks", &keys, e) < 0)
		return -1;
	buf_init(&b, JWS_DOCUMENT_MAX);
	json_out_init(&o, &b);
	jws_keys_print(keys, &o);
	if (buf_check(&b, e) < 0)
		return -1;
	i->jwks = arena_strndup(c->ask->mem, b.p, b.n);
	return i->jwks == NULL ? arena_err(e) : 0;
}

static int
take_rules(
    struct change *c, const struct tenant_rules *rules, struct identity_issuer *i, struct err *e)
{
	struct json_out o;
	AUTO_BUF b = { 0 };

	buf_init(&b, RULES_TEXT_MAX);
	json_out_init(&o, &b);
	tenant_rules_print(rules, &o);
	if (buf_check(&b, e) < 0)
		return -1;
	i->rules = arena_strndup(c->ask->mem, b.p, b.n);
	return i->rules == NULL ? arena_err(e) : 0;
}

/* --- what can come of an issuer --------------------------------------------------------------- */

/* The roles of rules as a list, so that they are resolved like any other. */
static int
add_rules(struct change *c, const struct tenant_rules *rules, struct grants *g, struct err *e)
{
	struct identity_role_ref refs[TENANT_RULES_MAX];
	struct role_pick picks[TENANT_RULES_MAX];
	const struct identity_roles roles = { .p = refs, .n = rules->n };

	for (size_t i = 0; i < rules->n; i++)
		refs[i] = (struct identity_role_ref){ .role = rules->at[i].role,
			.project = rules->at[i].project };
	return roles_resolve(c, &roles, "/rules", picks, g, e);
}

/* Everything that the issuer's tokens can do by its rules, and the users that they can name. */
static int
check_power(struct change *c, const struct identity_issuer *i, struct err *e)
{
	struct tenant_rules rules;
	struct grants of_rules = { 0 };
	struct holder h = { 0 };

	if (tenant_rules_parse(i->rules, c->ask->mem, &rules, e) < 0 ||
	    add_rules(c, &rules, &of_rules, e) < 0 || change_covers(c, &of_rules, e) < 0 ||
	    holder_read_issuer(c->tx, c->ask->tenant, i->id, &h, e) < 0)
		return -1;
	return change_covers_holder(c, &h, e);
}

int
issuer_covers_rules(struct change *c, struct uuid issuer, struct err *e)
{
	struct identity_issuer i = { 0 };
	struct grants of_rules = { 0 };
	struct tenant_rules rules;

	if (read_issuer(c, issuer, &i, e) < 0)
		return e->code == ERR_NOT_FOUND ? 0 : -1;
	if (tenant_rules_parse(i.rules, c->ask->mem, &rules, e) < 0 ||
	    add_rules(c, &rules, &of_rules, e) < 0)
		return -1;
	return change_covers(c, &of_rules, e);
}

/* --- changing --------------------------------------------------------------------------------- */

static void
note_issuer(
    struct change *c, const struct identity_issuer *before, const struct identity_issuer *after)
{
	static const struct identity_issuer none = { .jwks = "null", .rules = "null" };
	const struct identity_issuer *b = before == NULL ? &none : before;
	const struct identity_issuer *a = after == NULL ? &none : after;

	change_text(c, "name", b->name, a->name);
	change_text(c, "url", b->url, a->url);
	change_text(c, "audience", b->audience, a->audience);
	change_text(c, "tenant_claim", b->tenant_claim, a->tenant_claim);
	change_json(c, "jwks", b->jwks, a->jwks);
	change_json(c, "rules", b->rules, a->rules);
	change_flag(c, "disabled", b->disabled_wall_us != 0, a->disabled_wall_us != 0);
}

static int
insert_issuer(struct change *c, struct identity_issuer *i, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(c->ask->tenant.uuid), DB_ARG_UUID(i->id),
		DB_ARG_TEXT(i->name), DB_ARG_TEXT(i->url), DB_ARG_TEXT(i->audience),
		DB_ARG_TEXT(i->tenant_claim), DB_ARG_JSON(i->jwks), DB_ARG_JSON(i->rules),
		DB_ARGS_END };
	struct db_col cols[ISSUER_COLS];

	issuer_columns(i, cols);
	if (change_quota(c, QUOTA_ISSUERS, 1, e) < 0)
		return -1;
	return change_one(c, "identity_issuer_insert", args, cols, e) < 0 ? -1 : 0;
}

static int
make_issuer(
    struct change *c, const struct identity_issuer_new *n, struct identity_issuer *i, struct err *e)
{
	if (check_texts(c, i, e) < 0 || take_keys(c, n->jwks, i, e) < 0 ||
	    take_rules(c, n->rules, i, e) < 0 || check_power(c, i, e) < 0 ||
	    insert_issuer(c, i, e) < 0)
		return -1;
	note_issuer(c, NULL, i);
	return change_commit(c, "iss", i->id, e);
}

int
identity_issuer_create(const struct identity_ask *a, const struct identity_issuer_new *n,
    struct identity_issuer *ret, struct err *e)
{
	static const struct change_kind kind = {
		.action = "issuer.create", .needs = PERM_ISSUER_CREATE, .access = true
	};
	struct identity_issuer i = { .id = uuid_v7(),
		.name = n->name,
		.url = n->url,
		.audience = n->audience,
		.tenant_claim = n->tenant_claim };
	AUTO_CHANGE c = { 0 };
	int replay;

	if (change_begin(&c, a, &kind, e) < 0)
		return -1;
	replay = change_replay(&c, false, &i.id, e);
	if (replay != 0)
		return replay < 0 ? -1 : read_issuer(&c, i.id, ret, e);
	if (make_issuer(&c, n, &i, e) < 0)
		return -1;
	*ret = i;
	return 0;
}

static int
merge(struct change *c, const struct identity_issuer_change *ch, struct identity_issuer *i,
    struct err *e)
{
	if (ch->name.set)
		i->name = ch->name.v;
	if (ch->url.set)
		i->url = ch->url.v;
	if (ch->audience.set)
		i->audience = ch->audience.v;
	if (ch->tenant_claim.set)
		i->tenant_claim = ch->tenant_claim.v;
	if (ch->disabled.set && ch->disabled.v != (i->disabled_wall_us != 0))
		i->disabled_wall_us = ch->disabled.v; /* the database says when */
	if (check_texts(c, i, e) < 0 || (ch->jwks != NULL && take_keys(c, ch->jwks, i, e) < 0))
		return -1;
	return ch->rules == NULL ? 0 : take_rules(c, ch->rules, i, e);
}

static int
update_issuer(struct change *c, struct identity_issuer *i, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(c->ask->tenant.uuid), DB_ARG_UUID(i->id),
		DB_ARG_TEXT(i->name), DB_ARG_TEXT(i->url), DB_ARG_TEXT(i->audience),
		DB_ARG_TEXT(i->tenant_claim), DB_ARG_JSON(i->jwks), DB_ARG_JSON(i->rules),
		DB_ARG_BOOL(i->disabled_wall_us != 0), DB_ARGS_END };
	struct db_col cols[ISSUER_COLS];

	issuer_columns(i, cols);
	if (change_one(c, "identity_issuer_update", args, cols, e) < 0)
		return -1;
	return change_commit(c, "iss", i->id, e);
}

/* A new name alone gives nobody anything. */
static bool
matters(const struct identity_issuer_change *ch)
{
	return ch->url.set || ch->audience.set || ch->tenant_claim.set || ch->jwks != NULL ||
	       ch->rules != NULL || ch->disabled.set;
}

int
identity_issuer_update(const struct identity_ask *a, struct uuid id,
    const struct identity_issuer_change *ch, int64_t if_version, struct identity_issuer *ret,
    struct err *e)
{
	static const struct change_kind kind = {
		.action = "issuer.update", .needs = PERM_ISSUER_UPDATE, .access = true
	};
	struct identity_issuer before = { 0 }, after;
	AUTO_CHANGE c = { 0 };

	if (change_begin(&c, a, &kind, e) < 0 || read_issuer(&c, id, &before, e) < 0 ||
	    version_check(before.version, if_version, e) < 0)
		return -1;
	after = before;
	if (merge(&c, ch, &after, e) < 0)
		return -1;
	if (matters(ch) && (check_power(&c, &before, e) < 0 || check_power(&c, &after, e) < 0))
		return -1;
	note_issuer(&c, &before, &after);
	if (c.n_notes > 0 && update_issuer(&c, &after, e) < 0)
		return -1;
	*ret = after;
	return 0;
}

static int
check_unlinked(struct change *c, struct uuid id, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(c->ask->tenant.uuid), DB_ARG_UUID(id),
		DB_ARGS_END };
	int64_t n = 0;
	const struct db_col cols[] = { DB_I64("n", &n), DB_COLS_END };

	if (change_one(c, "identity_issuer_users", args, cols, e) < 0)
		return -1;
	if (n == 0)
		return 0;
	return err_set(e, ERR_IN_USE,
	    "%lld user%s linked to it; unlink them first: PATCH {\"issuer\": null, \"subject\": "
	    "null}",
	    (long long)n, n == 1 ? " is" : "s are");
}

int
identity_issuer_delete(
    const struct identity_ask *a, struct uuid id, int64_t if_version, struct err *e)
{
	static const struct change_kind kind = {
		.action = "issuer.delete", .needs = PERM_ISSUER_DELETE, .access = true
	};
	const struct db_arg args[] = { DB_ARG_UUID(a->tenant.uuid), DB_ARG_UUID(id), DB_ARGS_END };
	struct identity_issuer i = { 0 };
	AUTO_CHANGE c = { 0 };

	if (change_begin(&c, a, &kind, e) < 0 || read_issuer(&c, id, &i, e) < 0 ||
	    version_check(i.version, if_version, e) < 0 || check_unlinked(&c, id, e) < 0 ||
	    check_power(&c, &i, e) < 0 || change_exec(&c, "identity_issuer_delete", args, e) < 0)
		return -1;
	note_issuer(&c, &i, NULL);
	return change_commit(&c, "iss", id, e);
}
