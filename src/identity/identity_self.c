/* SPDX-License-Identifier: Apache-2.0 */
#include "identity_self.h"
#include "identity_internal.h"

#include "audit.h"

#include <stdio.h>

static const struct change_kind update_kind = {
	.action = "tenant.update", .needs = PERM_TENANT_UPDATE, .access = true
};

static int
end_support(struct change *c, struct err *e)
{
	const struct principal *who = c->ask->by->who;
	char id[ID_STR_SIZE], ended[24];
	const struct db_arg args[] = { DB_ARG_UUID(c->ask->tenant.uuid),
		DB_ARG_TEXT(who == NULL ? "system" : principal_format(who, id)), DB_ARGS_END };
	int64_t n = db_exec(c->tx, "identity_support_end", args, e);

	if (n <= 0)
		return n < 0 ? -1 : 0;
	(void)snprintf(ended, sizeof(ended), "%lld", (long long)n); /* fits any int64_t */
	change_json(c, "open_support", ended, "0");
	return 0;
}

int
identity_self_update(const struct identity_ask *a, const struct identity_self_change *ch,
    int64_t if_version, struct err *e)
{
	AUTO_CHANGE c = { 0 };
	const struct db_arg tenant[] = { DB_ARG_UUID(a->tenant.uuid), DB_ARGS_END };
	int64_t version = 0;
	bool before = false, after;
	const struct db_col cols[] = { DB_BOOL("support_allowed", &before),
		DB_I64("version", &version), DB_COLS_END };
	int rows;

	if (change_begin(&c, a, &update_kind, e) < 0)
		return -1;
	rows = change_one(&c, "identity_self_get", tenant, cols, e);
	if (rows < 0)
		return -1;
	if (rows == 0)
		return not_found(e, "tenant");
	after = ch->support_allowed.set ? ch->support_allowed.v : before;
	const struct db_arg args[] = { DB_ARG_UUID(a->tenant.uuid), DB_ARG_BOOL(after),
		DB_ARGS_END };
	change_flag(&c, "support_allowed", before, after);
	if (version_check(version, if_version, e) < 0)
		return -1;
	if (before == after)
		return 0; /* no new version for what is so already */
	if (change_exec(&c, "identity_self_update", args, e) < 0 ||
	    (!after && end_support(&c, e) < 0))
		return -1;
	return change_commit(&c, "ten", a->tenant.uuid, e);
}

/* Outside of the frame of a change: it needs no permission, and nobody else's rights move. */
int
identity_self_revoke(const struct identity_ask *a, struct err *e)
{
	const struct principal *who = a->by->who;
	const struct db_arg tenant[] = { DB_ARG_UUID(a->tenant.uuid), DB_ARGS_END };
	const struct db_arg args[] = { DB_ARG_UUID(a->tenant.uuid), DB_ARG_UUID(who->token),
		DB_ARG_TIME(who->expires_wall_us), DB_ARGS_END };
	char token[ID_STR_SIZE];
	const struct audit_note note = { .by = a->by,
		.action = "token.revoke",
		.resource = id_format("tok", who->token, token) };
	AUTO(db_tx) tx = NULL;
	int64_t made;

	REQUIRE(!uuid_is_nil(who->token));
	if (db_tx_begin(a->db, a->tenant, &tx, e) < 0 || audit_lock(tx, a->tenant, e) < 0)
		return -1;
	made = db_exec(tx, "identity_token_revoke", args, e);
	if (made < 0)
		return -1;
	if (made == 0)
		return 0;
	if (db_exec(tx, "identity_token_prune", tenant, e) < 0 ||
	    db_exec(tx, "identity_access_bump", tenant, e) < 0 ||
	    audit_append(tx, a->tenant, &note, a->mem, e) < 0)
		return -1;
	return db_tx_commit(&tx, e);
}
