/* SPDX-License-Identifier: Apache-2.0 */
/* Changing and revoking API keys.  What widens a key is like making it; what narrows or ends it is
 * free for keys of one's own. */
#include "identity_key_internal.h"

#include <string.h>

static bool
cidr_within(const struct net_cidr *c, const struct net_cidrs *list)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->at[i].prefix <= c->prefix && net_cidr_contains(&list->at[i], &c->addr))
			return true;
	return false;
}

static bool
cidrs_within(const struct identity_cidrs *after, const struct identity_cidrs *before)
{
	if (!before->limited)
		return true;
	if (!after->limited)
		return false;
	for (size_t i = 0; i < after->list.n; i++)
		if (!cidr_within(&after->list.at[i], &before->list))
			return false;
	return true;
}

static bool
scopes_within(const struct identity_scopes *after, const struct identity_scopes *before)
{
	return !before->limited || (after->limited && (after->set & ~before->set) == 0);
}

static bool
ends_no_later(int64_t after_us, int64_t before_us)
{
	return before_us == 0 || (after_us != 0 && after_us <= before_us);
}

static bool
widens(const struct identity_key *after, const struct identity_key *before)
{
	return !scopes_within(&after->scopes, &before->scopes) ||
	       !cidrs_within(&after->cidrs, &before->cidrs) ||
	       !ends_no_later(after->expires_wall_us, before->expires_wall_us);
}

static int
merge_expiry(
    struct change *c, const struct identity_key_change *ch, struct identity_key *k, struct err *e)
{
	struct identity_user owner = { 0 };

	if (!ch->expires.set || ch->expires.wall_us == k->expires_wall_us)
		return 0;
	if (user_read(c, k->user, &owner, e) < 0)
		return -1;
	return key_expiry(owner.person, &ch->expires, &k->expires_wall_us, e);
}

static int
merge(struct change *c, const struct identity_key_change *ch, struct identity_key *k, struct err *e)
{
	bool limits = ch->scopes.set || ch->cidrs.set || ch->expires.set;

	if (k->revoked_wall_us != 0 && limits)
		return err_set(e, ERR_CONFLICT,
		    "The key is revoked, so that only its name can be changed; make a new key");
	if (ch->name.set)
		k->name = ch->name.v;
	if (ch->scopes.set)
		k->scopes = ch->scopes.v;
	if (ch->cidrs.set)
		k->cidrs = ch->cidrs.v;
	if (text_clean(c->ask->mem, &k->name, IDENTITY_NAME_MAX, "/name", e) < 0)
		return -1;
	return merge_expiry(c, ch, k, e);
}

static int
check_power(struct change *c, const struct identity_key *before, const struct identity_key *after,
    struct err *e)
{
	struct holder h = { 0 };

	/* The other way round: something is taken away. */
	if (widens(before, after) && key_may_take(c, before, e) < 0)
		return -1;
	if (!widens(after, before))
		return 0;
	if (holder_read(c->tx, c->ask->tenant, before->user, before->id, &h, e) < 0)
		return -1;
	return key_covers(c, &h, &after->scopes, e);
}

static int
update_key(struct change *c, const struct identity_key *k, struct err *e)
{
	struct key_limits limits;

	key_limits_print(&k->scopes, &k->cidrs, &limits);
	const struct db_arg args[] = { DB_ARG_UUID(c->ask->tenant.uuid), DB_ARG_UUID(k->id),
		DB_ARG_TEXT(k->name), KEY_ARG_SCOPES(&k->scopes, &limits),
		KEY_ARG_CIDRS(&k->cidrs, &limits), DB_ARG_TIME_OR_NULL(k->expires_wall_us),
		DB_ARGS_END };
	return change_exec(c, "identity_key_update", args, e);
}

int
identity_key_update(const struct identity_ask *a, struct uuid id,
    const struct identity_key_change *ch, int64_t if_version, struct identity_key *ret,
    struct err *e)
{
	static const struct change_kind kind = {
		.action = "key.update", .needs = PERM_KEY_UPDATE, .access = true
	};
	struct identity_key before = { 0 }, after;
	AUTO_CHANGE c = { 0 };

	if (change_begin(&c, a, &kind, e) < 0 || key_read(&c, id, &before, NULL, e) < 0 ||
	    version_check(before.version, if_version, e) < 0)
		return -1;
	after = before;
	if (merge(&c, ch, &after, e) < 0 || check_power(&c, &before, &after, e) < 0)
		return -1;
	key_note(&c, &before, &after);
	if (c.n_notes == 0) {
		*ret = before;
		return 0;
	}
	if (update_key(&c, &after, e) < 0 || key_read(&c, id, &after, NULL, e) < 0 ||
	    change_commit(&c, "key", id, e) < 0)
		return -1;
	*ret = after;
	return 0;
}

int
identity_key_revoke(const struct identity_ask *a, struct uuid id, int64_t if_version, struct err *e)
{
	static const struct change_kind kind = {
		.action = "key.revoke", .needs = PERM_KEY_REVOKE, .access = true
	};
	char actor[ID_STR_SIZE];
	const char *by = a->by->who == NULL ? "system" : principal_format(a->by->who, actor);
	const struct db_arg args[] = { DB_ARG_UUID(a->tenant.uuid), DB_ARG_UUID(id),
		DB_ARG_TEXT(by), DB_ARGS_END };
	struct identity_key k = { 0 };
	AUTO_CHANGE c = { 0 };

	if (change_begin(&c, a, &kind, e) < 0 || key_read(&c, id, &k, NULL, e) < 0 ||
	    version_check(k.version, if_version, e) < 0)
		return -1;
	if (k.revoked_wall_us != 0)
		return 0; /* as it was to be */
	if (key_may_take(&c, &k, e) < 0)
		return -1;
	change_flag(&c, "revoked", false, true);
	if (change_exec(&c, "identity_key_revoke", args, e) < 0)
		return -1;
	return change_commit(&c, "key", id, e);
}
