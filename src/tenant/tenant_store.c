/* SPDX-License-Identifier: Apache-2.0 */
#include "tenant_internal.h"

#include <string.h>

extern const unsigned char sql_tenant[];
const struct db_sql tenant_sql = { "tenant", (const char *)sql_tenant };

static bool
is_name(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
	size_t n = strlen(name);

	return n >= 1 && n <= 63 && strspn(name, allowed) == n && name[0] != '-' &&
	       name[n - 1] != '-';
}

int
tenant_create(struct db *db, const char *name, struct tenant_id *ret, struct err *e)
{
	struct tenant_id id = { uuid_v7() };
	const struct db_arg args[] = { DB_ARG_UUID(id.uuid), DB_ARG_TEXT(name), DB_ARGS_END };
	AUTO(db_sys_tx) tx = NULL;

	if (!is_name(name))
		return err_set(e, ERR_INVALID,
		    "A tenant's name is 1 to 63 of a-z, 0-9 and '-', with no '-' at either end");
	if (db_sys_begin(db, &tx, e) < 0 || db_sys_exec(tx, "tenant_insert", args, e) < 0 ||
	    db_sys_commit(&tx, e) < 0)
		return -1;
	*ret = id;
	return 0;
}

int
tenant_find(struct db *db, const char *name, struct tenant_id *ret, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_TEXT(name), DB_ARGS_END };
	struct uuid id;
	int64_t n;
	const struct db_col cols[] = { DB_UUID("tenant_id", &id), DB_I64("n", &n), DB_COLS_END };
	int rows = db_sys_read_one(db, "tenant_by_name", args, cols, NULL, e);

	if (rows < 0)
		return -1;
	if (rows == 0)
		return err_set(e, ERR_NOT_FOUND, "There is no tenant of this name");
	if (n > 1)
		return err_set(e, ERR_CONFLICT, "There are %lld tenants of this name; use the id",
		    (long long)n);
	*ret = (struct tenant_id){ id };
	return 0;
}

int
tenant_get(
    struct db *db, struct tenant_id tenant, struct arena *mem, struct tenant *ret, struct err *e)
{
	const struct db_arg args[] = { DB_ARGS_END };
	struct tenant t;
	const struct db_col cols[] = { DB_UUID("tenant_id", &t.id.uuid), DB_TEXT("name", &t.name),
		DB_I64("uid_slot", &t.uid_slot), DB_TIME("created_at", &t.created_wall_us),
		DB_COLS_END };
	int rows = db_read_one(db, tenant, "tenant_self", args, cols, mem, e);

	if (rows < 0)
		return -1;
	if (rows == 0)
		return err_set(e, ERR_NOT_FOUND, "There is no such tenant");
	*ret = t;
	return 0;
}

static int
insert_key(struct db *db, struct tenant_id tenant, const struct auth_key *key, const char *name,
    int64_t expires_wall_us, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(uuid_v7()), DB_ARG_TEXT(key->id),
		DB_ARG_BYTES(key->hash, sizeof(key->hash)), DB_ARG_TEXT(name),
		DB_ARG_TIME_OR_NULL(expires_wall_us), DB_ARGS_END };
	AUTO(db_tx) tx = NULL;

	if (db_tx_begin(db, tenant, &tx, e) < 0 || db_exec(tx, "tenant_key_insert", args, e) < 0)
		return -1;
	return db_tx_commit(&tx, e);
}

int
tenant_key_create(struct db *db, struct tenant_id tenant, const char *name, int64_t expires_wall_us,
    char out[static 64], struct err *e)
{
	struct auth_key key;
	size_t n = strlen(name);
	int rc;

	_Static_assert(AUTH_KEY_SIZE == 64, "the contract says 64 bytes");
	if (n < 1 || n > 63)
		return err_set(e, ERR_INVALID, "A key's name is 1 to 63 bytes long");
	auth_key_make("sk", &key);
	rc = insert_key(db, tenant, &key, name, expires_wall_us, e);
	if (rc == 0)
		memcpy(out, key.text, sizeof(key.text));
	auth_wipe(&key, sizeof(key));
	/* The tenant itself is the only thing that the row refers to. */
	if (rc < 0 && e->code == ERR_DB_CONSTRAINT)
		return err_set(e, ERR_NOT_FOUND, "There is no such tenant");
	return rc;
}

int
tenant_key_revoke(struct db *db, struct tenant_id tenant, const char *key_public, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_TEXT(key_public), DB_ARGS_END };
	AUTO(db_tx) tx = NULL;
	int64_t n;

	if (db_tx_begin(db, tenant, &tx, e) < 0)
		return -1;
	n = db_exec(tx, "tenant_key_revoke", args, e);
	if (n < 0)
		return -1;
	if (n == 0)
		return err_set(e, ERR_NOT_FOUND, "There is no such key");
	return db_tx_commit(&tx, e);
}
