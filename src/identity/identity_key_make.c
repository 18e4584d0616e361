/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making API keys, and their rules.  Whoever makes a key, or gets to see its text by rotating it,
 * can do what it may do: roles of the owner, less what the key's own roles and scopes leave out,
 * must all be the caller's.  Whoever takes something away from somebody else's key needs as much.
 */
#include "identity_key_internal.h"

#include "clock.h"

#include <stdio.h>
#include <string.h>

#define DAY_US (INT64_C(24) * 3600 * 1000000)

enum { LAST_LEN = 4 };

/* --- rules ------------------------------------------------------------------------------------ */

/* What a key could do at most, whatever its owner is given, is within what the caller's roles of
 * its own allow. */
static bool
within_own_roles(const struct change *c, const struct holder *h, const struct identity_scopes *s)
{
	struct grants most = { .everywhere = ~(permission_set)0 };

	if (h->key_limited)
		most = h->key;
	if (s->limited)
		grants_mask(&most, s->set);
	return grants_cover(&c->roles, &most);
}

int
key_covers(
    const struct change *c, const struct holder *h, const struct identity_scopes *s, struct err *e)
{
	struct grants may = holder_grants(h, s->limited, s->set);

	if (c->trusted)
		return 0;
	/* A key with limits stays behind what its owner gets later; so must those that it makes. */
	if (c->scoped && (!s->limited || (s->set & ~c->scopes) != 0))
		return err_set(e, ERR_LACKING,
		    "Your own key is limited to scopes, so this key must be limited to some of "
		    "them");
	if (c->roled && !within_own_roles(c, h, s))
		return err_set(e, ERR_LACKING,
		    "Your own key is limited to roles, so this key must be limited to some of "
		    "what they allow, by roles or scopes");
	if (h->overflow)
		return projects_overflow(e);
	return change_covers(c, &may, e);
}

/* With a key that can do nothing but revoke, too, which is one to keep at hand: so the roles of the
 * caller's user count, not what is left of them to the credential. */
int
key_may_take(struct change *c, const struct identity_key *k, struct err *e)
{
	const struct principal *who = c->ask->by->who;
	const struct uuid nil = { { 0 } };
	struct holder theirs = { 0 }, own = { 0 };
	struct grants may;

	if (c->trusted || uuid_cmp(who->user, k->user) == 0)
		return 0;
	if (holder_read(c->tx, c->ask->tenant, k->user, k->id, &theirs, e) < 0)
		return -1;
	if (theirs.overflow)
		return projects_overflow(e);
	may = holder_grants(&theirs, k->scopes.limited, k->scopes.set);
	if (uuid_is_nil(who->key))
		return change_covers(c, &may, e);
	if (holder_read(c->tx, c->ask->tenant, who->user, nil, &own, e) < 0)
		return -1;
	return change_covers_by(c, &own.user, &may, e);
}

int
key_expiry(bool person, const struct identity_time *want, int64_t *ret, struct err *e)
{
	int64_t now = clock_wall_us(), last = now + IDENTITY_PERSON_KEY_DAYS_MAX * DAY_US;

	if (!want->set) {
		*ret = person ? now + IDENTITY_PERSON_KEY_DAYS * DAY_US : 0;
		return 0;
	}
	if (want->wall_us == 0 && person)
		return invalid(e, "/expires_at", "must be a time: keys of people end after %d days",
		    IDENTITY_PERSON_KEY_DAYS_MAX);
	if (want->wall_us != 0 && want->wall_us <= now)
		return invalid(e, "/expires_at", "must be in the future");
	if (person && want->wall_us > last)
		return invalid(e, "/expires_at", "must be within %d days: it is a person's key",
		    IDENTITY_PERSON_KEY_DAYS_MAX);
	*ret = want->wall_us;
	return 0;
}

void
key_limits_print(
    const struct identity_scopes *s, const struct identity_cidrs *cidrs, struct key_limits *ret)
{
	permissions_name(s->set, &ret->scopes);
	ret->n_cidrs = cidrs->list.n;
	for (size_t i = 0; i < cidrs->list.n; i++)
		ret->cidrs[i] = net_cidr_format(&cidrs->list.at[i], ret->text[i]);
}

/* --- notes ------------------------------------------------------------------------------------ */

static void
note_cidrs(
    struct change *c, const struct identity_cidrs *before, const struct identity_cidrs *after)
{
	enum { TEXT_MAX = 4096 }; /* 32 networks of at most 52 characters with their signs */
	AUTO_BUF b = { 0 }, a = { 0 };
	struct json_out o;

	buf_init(&b, TEXT_MAX);
	buf_init(&a, TEXT_MAX);
	json_out_init(&o, &b);
	key_cidrs_print(before, &o);
	json_out_init(&o, &a);
	key_cidrs_print(after, &o);
	if (!b.failed && !a.failed)
		change_json(c, "cidrs", b.p, a.p);
}

void
key_note(struct change *c, const struct identity_key *before, const struct identity_key *after)
{
	static const struct identity_key none = { 0 };
	const struct identity_key *b = before == NULL ? &none : before;
	const struct identity_key *a = after == NULL ? &none : after;

	change_text(c, "name", b->name, a->name);
	change_text(c, "public_id", b->public_id, a->public_id);
	change_id(c, "user", "usr", b->user, a->user);
	change_set(c, "scopes", b->scopes.limited, b->scopes.set, a->scopes.limited, a->scopes.set);
	note_cidrs(c, &b->cidrs, &a->cidrs);
	change_time(c, "expires_at", b->expires_wall_us, a->expires_wall_us);
	change_flag(c, "revoked", b->revoked_wall_us != 0, a->revoked_wall_us != 0);
}

/* --- making ----------------------------------------------------------------------------------- */

static enum auth_key_kind
kind_of(const struct change *c, const struct identity_user *owner)
{
	if (c->platform)
		return AUTH_KEY_OPERATOR;
	return owner->person ? AUTH_KEY_PERSON : AUTH_KEY_SERVICE;
}

static int
find_owner(struct change *c, struct uuid wanted, struct identity_user *ret, struct err *e)
{
	const struct principal *who = c->trusted ? NULL : c->ask->by->who;
	struct uuid id = wanted;

	if (uuid_is_nil(id) && who != NULL)
		id = who->user;
	if (uuid_is_nil(id))
		return invalid(
		    e, "/user", "is required: the credential of this request is no user's");
	if (user_read(c, id, ret, e) < 0)
		return e->code == ERR_NOT_FOUND
			   ? invalid(e, "/user", "is not a user of this tenant")
			   : -1;
	if (ret->disabled_wall_us != 0)
		return invalid(e, "/user", "is disabled; enable the user first");
	return 0;
}

/* The key's roles, and whether the caller has all that the key may do with them. */
static int
check_power(struct change *c, const struct identity_key_new *n, struct uuid owner,
    struct role_pick *picks, struct err *e)
{
	const struct uuid nil = { { 0 } };
	struct grants of_key = { 0 };
	struct holder h = { 0 };

	if (roles_resolve(c, &n->roles, "/roles", picks, &of_key, e) < 0 ||
	    holder_read(c->tx, c->ask->tenant, owner, nil, &h, e) < 0)
		return -1;
	h.key = of_key;
	h.key_limited = n->roles.n > 0;
	return key_covers(c, &h, &n->scopes, e);
}

static int
forget_old(struct change *c, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(c->ask->tenant.uuid),
		DB_ARG_I64(IDENTITY_REVOKED_KEYS), DB_ARGS_END };
	char forgotten[24];
	int64_t n;

	if (db_exec(c->tx, "identity_key_forget_roles", args, e) < 0)
		return -1;
	n = db_exec(c->tx, "identity_key_forget", args, e);
	if (n <= 0)
		return n < 0 ? -1 : 0;
	(void)snprintf(forgotten, sizeof(forgotten), "%lld", (long long)n); /* fits any int64_t */
	change_json(c, "forgotten_keys", forgotten, "0");
	return 0;
}

static int
insert_key(struct change *c, const struct identity_key_new *n, const struct identity_key *k,
    const struct auth_key *made, struct err *e)
{
	const char *last4 = made->text + strlen(made->text) - LAST_LEN;
	struct key_limits limits;

	key_limits_print(&n->scopes, &n->cidrs, &limits);
	const struct db_arg args[] = { DB_ARG_UUID(c->ask->tenant.uuid), DB_ARG_UUID(k->id),
		DB_ARG_UUID(k->user), DB_ARG_TEXT(made->id),
		DB_ARG_TEXT(auth_key_kind_name(made->kind)), DB_ARG_TEXT(k->name),
		DB_ARG_BYTES(made->hash, sizeof(made->hash)), DB_ARG_TEXT(last4),
		KEY_ARG_SCOPES(&n->scopes, &limits), KEY_ARG_CIDRS(&n->cidrs, &limits),
		DB_ARG_TIME_OR_NULL(k->expires_wall_us), DB_ARGS_END };
	if (change_quota(c, QUOTA_KEYS, 1, e) < 0 || forget_old(c, e) < 0)
		return -1;
	return change_exec(c, "identity_key_insert", args, e);
}

static int
make_key(struct change *c, const struct identity_key_new *n, struct identity_key *k,
    struct auth_key *made, struct err *e)
{
	const struct role_holder h = { .key = k->id };
	struct role_pick picks[IDENTITY_ROLES_MAX];
	struct identity_user owner = { 0 };

	if (find_owner(c, n->user, &owner, e) < 0 ||
	    key_expiry(owner.person, &n->expires, &k->expires_wall_us, e) < 0 ||
	    check_power(c, n, owner.id, picks, e) < 0)
		return -1;
	k->user = owner.id;
	auth_key_make(kind_of(c, &owner), made);
	if (insert_key(c, n, k, made, e) < 0 || assignments_put(c, &h, &n->roles, picks, e) < 0 ||
	    key_read(c, k->id, k, NULL, e) < 0)
		return -1;
	key_note(c, NULL, k);
	return change_commit(c, "key", k->id, e);
}

int
identity_key_create(const struct identity_ask *a, const struct identity_key_new *n,
    struct identity_key *ret, char text[static AUTH_KEY_SIZE], struct err *e)
{
	static const struct change_kind kind = {
		.action = "key.create", .needs = PERM_KEY_CREATE, .access = true
	};
	struct identity_key k = { .id = uuid_v7(), .name = n->name };
	struct auth_key made = { 0 };
	struct uuid ignored;
	AUTO_CHANGE c = { 0 };
	int rc;

	REQUIRE(n->roles.n <= IDENTITY_ROLES_MAX);
	if (text_clean(a->mem, &k.name, IDENTITY_NAME_MAX, "/name", e) < 0 ||
	    change_begin(&c, a, &kind, e) < 0 || change_replay(&c, true, &ignored, e) < 0)
		return -1;
	rc = make_key(&c, n, &k, &made, e);
	if (rc == 0) {
		memcpy(text, made.text, sizeof(made.text));
		*ret = k;
	}
	auth_wipe(&made, sizeof(made));
	return rc;
}

/* --- another text ----------------------------------------------------------------------------- */

static int
check_rotation(struct change *c, const struct identity_key *k, bool expired, struct err *e)
{
	struct holder h = { 0 };

	if (k->revoked_wall_us != 0)
		return err_set(
		    e, ERR_CONFLICT, "The key is revoked, for good; make a new one instead");
	if (expired)
		return err_set(e, ERR_CONFLICT,
		    "The key has expired; give it another expires_at first, or make a new one");
	if (holder_read(c->tx, c->ask->tenant, k->user, k->id, &h, e) < 0)
		return -1;
	return key_covers(c, &h, &k->scopes, e);
}

static int
rotate(struct change *c, const struct identity_key *k, const struct auth_key *made,
    int64_t overlap_s, struct err *e)
{
	const char *last4 = made->text + strlen(made->text) - LAST_LEN;
	const struct db_arg args[] = { DB_ARG_UUID(c->ask->tenant.uuid), DB_ARG_UUID(k->id),
		DB_ARG_BYTES(made->hash, sizeof(made->hash)), DB_ARG_TEXT(last4),
		DB_ARG_I64(overlap_s), DB_ARGS_END };

	return change_exec(c, "identity_key_rotate", args, e);
}

static enum auth_key_kind
kind_named(const char *name)
{
	int kind = 0;

	while (kind < AUTH_KEY_KIND_COUNT - 1 &&
	       strcmp(auth_key_kind_name((enum auth_key_kind)kind), name) != 0)
		kind++;
	return (enum auth_key_kind)kind;
}

static int
rotate_key(struct change *c, struct uuid id, int64_t overlap_s, struct identity_key *k,
    struct auth_key *made, struct err *e)
{
	struct identity_key before = { 0 };
	bool expired;

	if (key_read(c, id, &before, &expired, e) < 0 || check_rotation(c, &before, expired, e) < 0)
		return -1;
	auth_key_renew(kind_named(before.kind), before.public_id, made);
	if (rotate(c, &before, made, overlap_s, e) < 0 || key_read(c, id, k, NULL, e) < 0)
		return -1;
	change_text(c, "secret", NULL, "***");
	change_time(c, "previous_until", before.previous_until_us, k->previous_until_us);
	return change_commit(c, "key", id, e);
}

int
identity_key_rotate(const struct identity_ask *a, struct uuid id, int64_t overlap_s,
    struct identity_key *ret, char text[static AUTH_KEY_SIZE], struct err *e)
{
	static const struct change_kind kind = {
		.action = "key.rotate", .needs = PERM_KEY_UPDATE, .access = true
	};
	struct auth_key made = { 0 };
	struct identity_key k = { 0 };
	struct uuid ignored;
	AUTO_CHANGE c = { 0 };
	int rc;

	REQUIRE(overlap_s >= 0 && overlap_s <= IDENTITY_OVERLAP_MAX_S);
	if (change_begin(&c, a, &kind, e) < 0 || change_replay(&c, true, &ignored, e) < 0)
		return -1;
	rc = rotate_key(&c, id, overlap_s, &k, &made, e);
	if (rc == 0) {
		memcpy(text, made.text, sizeof(made.text));
		*ret = k;
	}
	auth_wipe(&made, sizeof(made));
	return rc;
}
