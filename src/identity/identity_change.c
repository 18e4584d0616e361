/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frame of every change.  It begins with the lock of the tenant's audit chain: from there to
 * the commit no other change of this tenant runs, so that rules over several rows (the last owner,
 * limits, names, what the caller may do) are checked by plain reads and cannot be raced.  Nothing
 * that a cache says is enough: the credential may have been revoked, or its roles taken away, since
 * the request was let in.  A token's scopes and an issuer's claims are in the principal alone, so
 * that what counts is what both the principal and the database allow.
 */
#include "identity_internal.h"

#include "audit.h"
#include "auth.h"
#include "clock.h"

#include <stdio.h>
#include <string.h>

enum {
	NOTES_MAX_BYTES = 64 << 10, /* the log leaves out what is more than an entry holds */
	/* An issuer's keys and rules before and after, with everything else that a change can have,
	 * stay within what an entry holds: nothing is left out because of what stands beside it. */
	NOTE_DOCUMENT_MAX = 1024
};

struct standing {
	bool platform, user, key, issuer, support, token_revoked;
	const char *state, *state_reason, *key_scopes;
	struct uuid key_user;
};

static int
read_standing(struct change *c, const struct principal *who, struct standing *s, struct err *e)
{
	const struct identity_ask *a = c->ask;
	struct uuid nil = { { 0 } };
	const struct db_arg args[] = { DB_ARG_UUID(a->tenant.uuid),
		ARG_UUID_OR_NULL(who == NULL ? nil : who->user),
		ARG_UUID_OR_NULL(who == NULL ? nil : who->key),
		ARG_UUID_OR_NULL(who == NULL ? nil : who->issuer),
		ARG_UUID_OR_NULL(who == NULL ? nil : who->support),
		ARG_UUID_OR_NULL(who == NULL ? nil : who->token), DB_ARGS_END };
	const struct db_col cols[] = { DB_BOOL("platform", &s->platform),
		DB_TEXT("state", &s->state), DB_TEXT_NULL("state_reason", &s->state_reason),
		DB_BOOL("user_stands", &s->user), DB_BOOL("key_stands", &s->key),
		DB_UUID_NULL("key_user", &s->key_user), DB_TEXT_NULL("key_scopes", &s->key_scopes),
		DB_BOOL("issuer_stands", &s->issuer), DB_BOOL("support_stands", &s->support),
		DB_BOOL("token_revoked", &s->token_revoked), DB_COLS_END };
	int rows = db_one(c->tx, "identity_standing", args, cols, a->mem, e);

	if (rows < 0)
		return -1;
	return rows == 0 ? not_found(e, "tenant") : 0;
}

static bool
stands(const struct principal *who, const struct standing *s)
{
	bool key = uuid_is_nil(who->key) || (s->key && uuid_cmp(s->key_user, who->user) == 0);
	bool user = uuid_is_nil(who->user) || s->user;

	switch (who->kind) {
	case PRINCIPAL_KEY:
		return key && user && !uuid_is_nil(who->key);
	case PRINCIPAL_TOKEN:
		return key && user && !uuid_is_nil(who->user) && !s->token_revoked;
	case PRINCIPAL_ISSUER:
		return s->issuer && user;
	case PRINCIPAL_SUPPORT:
		return s->support && !s->token_revoked;
	}
	return false;
}

/* What the caller may do now: nothing that the principal lacks, and nothing that has been taken
 * away since. */
static int
read_grants(struct change *c, const struct principal *who, const struct standing *s, struct err *e)
{
	struct holder h = { 0 };

	c->grants = who->grants;
	if (who->kind == PRINCIPAL_ISSUER || who->kind == PRINCIPAL_SUPPORT)
		return 0; /* from claims and the platform; both stand */
	if (holder_read(c->tx, c->ask->tenant, who->user, who->key, &h, e) < 0)
		return -1;
	c->roled = h.key_limited;
	c->roles = h.key;
	c->scoped = s->key_scopes != NULL;
	c->scopes = permissions_read(s->key_scopes);
	const struct grants now = holder_grants(&h, c->scoped, c->scopes);
	(void)grants_intersect(&c->grants, &now); /* what does not fit gives less */
	return 0;
}

static int
check_caller(struct change *c, const struct principal *who, struct err *e)
{
	struct standing s = { 0 };

	if (read_standing(c, who, &s, e) < 0)
		return -1;
	c->platform = s.platform;
	if (who == NULL)
		return 0;
	REQUIRE(uuid_cmp(who->tenant.uuid, c->ask->tenant.uuid) == 0);
	if (!stands(who, &s) || strcmp(s.state, "deleting") == 0)
		return err_set(e, ERR_UNAUTHENTICATED,
		    "The credential has just been revoked, or its user disabled; use another one");
	if (strcmp(s.state, "active") != 0)
		return err_set(e, ERR_SUSPENDED, "The tenant is suspended%s%.160s",
		    s.state_reason == NULL ? "" : ": ",
		    s.state_reason == NULL ? "" : s.state_reason);
	if (who->kind == PRINCIPAL_SUPPORT && c->kind->access)
		return err_set(e, ERR_DENIED,
		    "Support access ends by itself, so it cannot change who may do what; ask an "
		    "owner of the tenant");
	return read_grants(c, who, &s, e);
}

int
change_begin(
    struct change *c, const struct identity_ask *a, const struct change_kind *k, struct err *e)
{
	const struct principal *who = a->platform ? NULL : a->by->who;
	struct uuid nil = { { 0 } };

	*c = (struct change){ .ask = a, .kind = k, .trusted = who == NULL };
	buf_init(&c->notes, NOTES_MAX_BYTES);
	json_out_init(&c->out, &c->notes);
	json_out_begin(&c->out);
	if (db_tx_begin(a->db, a->tenant, &c->tx, e) < 0 || audit_lock(c->tx, a->tenant, e) < 0 ||
	    check_caller(c, who, e) < 0)
		return -1;
	if (!k->somewhere)
		return change_needs(c, k->needs, nil, e);
	if (c->trusted || (grants_anywhere(&c->grants) & PERM_BIT(k->needs)) != 0)
		return 0;
	return change_needs(c, k->needs, nil, e);
}

int
change_replay(struct change *c, bool secret, struct uuid *ret, struct err *e)
{
	struct identity_once *once = c->ask->once;
	struct db_bytes seen = { 0 };
	struct uuid id;
	const struct db_col cols[] = { DB_BYTES("fingerprint", &seen), DB_UUID("resource_id", &id),
		DB_COLS_END };
	int rows;

	if (once == NULL)
		return 0;
	const struct db_arg args[] = { DB_ARG_UUID(c->ask->tenant.uuid), DB_ARG_TEXT(once->key),
		DB_ARGS_END };
	rows = db_one(c->tx, "identity_once_get", args, cols, c->ask->mem, e);
	if (rows <= 0)
		return rows;
	if (seen.n != AUTH_SHA256_SIZE || memcmp(seen.p, once->fingerprint, seen.n) != 0)
		return err_set(e, ERR_IDEMPOTENCY_REUSED,
		    "This Idempotency-Key was used for another request; use a new one");
	if (secret)
		return err_set(e, ERR_CONFLICT,
		    "This request was done before and its secret was shown once; make another key "
		    "with a new Idempotency-Key");
	once->replayed = true;
	*ret = id;
	return 1;
}

static int
keep_once(struct change *c, struct uuid id, struct err *e)
{
	const struct identity_once *once = c->ask->once;

	if (once == NULL)
		return 0;
	const struct db_arg args[] = { DB_ARG_UUID(c->ask->tenant.uuid), DB_ARG_TEXT(once->key),
		DB_ARG_BYTES(once->fingerprint, AUTH_SHA256_SIZE), DB_ARG_UUID(id), DB_ARGS_END };
	return db_exec(c->tx, "identity_once_insert", args, e) < 0 ? -1 : 0;
}

int
change_commit(struct change *c, const char *prefix, struct uuid id, struct err *e)
{
	const struct identity_ask *a = c->ask;
	const struct db_arg args[] = { DB_ARG_UUID(a->tenant.uuid), DB_ARGS_END };
	char resource[ID_STR_SIZE];
	struct audit_note note = {
		.by = a->by, .action = c->kind->action, .resource = id_format(prefix, id, resource)
	};

	json_out_end(&c->out);
	if (buf_check(&c->notes, e) < 0)
		return -1;
	note.changes = c->n_notes == 0 ? NULL : c->notes.p;
	if (c->kind->access && db_exec(c->tx, "identity_access_bump", args, e) < 0)
		return -1;
	if (keep_once(c, id, e) < 0 || audit_append(c->tx, a->tenant, &note, a->mem, e) < 0)
		return -1;
	return db_tx_commit(&c->tx, e);
}

void
change_done(struct change *c)
{
	db_tx_free(c->tx);
	c->tx = NULL;
	buf_done(&c->notes);
}

/* --- notes ------------------------------------------------------------------------------------ */

static struct json_out *
note_begin(struct change *c, const char *member)
{
	c->n_notes++;
	json_out_key(&c->out, member);
	json_out_begin_array(&c->out);
	return &c->out;
}

void
change_text(struct change *c, const char *member, const char *before, const char *after)
{
	struct json_out *o;

	if (before == after || (before != NULL && after != NULL && strcmp(before, after) == 0))
		return;
	o = note_begin(c, member);
	json_out_text(o, before);
	json_out_text(o, after);
	json_out_end_array(o);
}

void
change_flag(struct change *c, const char *member, bool before, bool after)
{
	struct json_out *o;

	if (before == after)
		return;
	o = note_begin(c, member);
	json_out_bool(o, before);
	json_out_bool(o, after);
	json_out_end_array(o);
}

static void
put_time(struct json_out *o, int64_t wall_us)
{
	char text[CLOCK_STR_SIZE];

	json_out_text(o, wall_us == 0 ? NULL : clock_format(wall_us, text));
}

void
change_time(struct change *c, const char *member, int64_t before_us, int64_t after_us)
{
	struct json_out *o;

	if (before_us == after_us)
		return;
	o = note_begin(c, member);
	put_time(o, before_us);
	put_time(o, after_us);
	json_out_end_array(o);
}

static void
put_set(struct json_out *o, bool has, permission_set set)
{
	if (has)
		permissions_print(set, o);
	else
		json_out_null(o);
}

void
change_set(struct change *c, const char *member, bool had, permission_set before, bool has,
    permission_set after)
{
	struct json_out *o;

	if (had == has && (!has || before == after))
		return;
	o = note_begin(c, member);
	put_set(o, had, before);
	put_set(o, has, after);
	json_out_end_array(o);
}

static void
put_id(struct json_out *o, const char *prefix, struct uuid id)
{
	char text[ID_STR_SIZE];

	json_out_text(o, uuid_is_nil(id) ? NULL : id_format(prefix, id, text));
}

void
change_id(
    struct change *c, const char *member, const char *prefix, struct uuid before, struct uuid after)
{
	struct json_out *o;

	if (uuid_cmp(before, after) == 0)
		return;
	o = note_begin(c, member);
	put_id(o, prefix, before);
	put_id(o, prefix, after);
	json_out_end_array(o);
}

/* A document that would crowd out the rest of an entry is noted by its digest. */
static void
put_document(struct json_out *o, const char *json)
{
	enum { PREFIX = 7 };
	char text[PREFIX + 2 * AUTH_SHA256_SIZE + 1] = "sha256:";
	uint8_t digest[AUTH_SHA256_SIZE];

	if (strlen(json) <= NOTE_DOCUMENT_MAX) {
		json_out_raw(o, json);
		return;
	}
	auth_sha256(json, strlen(json), digest);
	auth_hex(digest, sizeof(digest), text + PREFIX);
	json_out_text(o, text);
}

void
change_json(struct change *c, const char *member, const char *before, const char *after)
{
	struct json_out *o;

	if (strcmp(before, after) == 0)
		return;
	o = note_begin(c, member);
	put_document(o, before);
	put_document(o, after);
	json_out_end_array(o);
}
