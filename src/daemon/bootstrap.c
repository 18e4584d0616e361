/* SPDX-License-Identifier: Apache-2.0 */
#include "auth.h"
#include "daemon_internal.h"
#include "db.h"
#include "json.h"
#include "tenant.h"

#include <string.h>
#include <unistd.h>

static int
find_or_create(struct db *db, const char *name, struct tenant_id *ret, struct err *e)
{
	struct err found = { 0 };

	if (tenant_find(db, name, ret, &found) == 0)
		return 0;
	if (found.code != ERR_NOT_FOUND) {
		*e = found;
		return -1;
	}
	return tenant_create(db, name, ret, e);
}

static int
print_key(struct tenant_id tenant, const char *name, const char *key, FILE *out, struct err *e)
{
	char id[ID_STR_SIZE];
	AUTO_BUF b;
	struct json_out o;

	buf_init(&b, 4096);
	json_out_init(&o, &b);
	json_out_begin(&o);
	json_put_text(&o, "tenant", id_format("ten", tenant.uuid, id));
	json_put_text(&o, "name", name);
	json_put_text(&o, "api_key", key);
	json_out_end(&o);
	buf_char(&b, '\n');
	if (buf_check(&b, e) < 0)
		return -1;
	if (fwrite(b.p, 1, b.n, out) != b.n || fflush(out) != 0)
		return err_set(e, ERR_SYSTEM, "the key could not be written; make another one");
	auth_wipe(b.p, b.n);
	return 0;
}

static int
make_key(const struct conf *c, const struct database *d, const char *tenant, const char *key_name,
    const struct log *log, FILE *out, struct err *e)
{
	AUTO(db) db = NULL;
	char key[AUTH_KEY_SIZE];
	struct tenant_id id;
	int rc;

	if (db_migrate_up(d->url, c->database_timeout_ms, log, e) < 0)
		return -1;
	if (database_pools(c, d, log, NULL, NULL, &db, e) < 0)
		return -1;
	if (find_or_create(db, tenant, &id, e) < 0)
		return -1;
	if (tenant_key_create(db, id, key_name, 0, key, e) < 0)
		return -1;
	rc = print_key(id, tenant, key, out, e);
	auth_wipe(key, sizeof(key));
	return rc;
}

/* Opens state and database as the account, with a serving daemon or without one. */
static int
visit(
    const struct conf *c, const struct log *log, struct state *s, struct database *d, struct err *e)
{
	struct account a;
	bool served = false;

	if (account_find(c, &a, e) < 0)
		return -1;
	if (state_open(c, &a, false, s, &served, e) < 0)
		return -1;
	if (account_become(&a, e) < 0 || database_open(c, s, served, log, d, e) < 0) {
		state_close(s);
		return -1;
	}
	return 0;
}

int
bootstrap_run(const struct conf *c, const char *tenant, const char *key_name, const struct log *log,
    FILE *out, struct err *e)
{
	struct database d;
	struct state s;
	int rc;

	if (visit(c, log, &s, &d, e) < 0)
		return -1;
	rc = make_key(c, &d, tenant, key_name, log, out, e);
	database_close(&d);
	state_close(&s);
	return rc;
}

static int
print_migration(void *ctx, const struct db_migration *m)
{
	return fprintf(ctx, "%04d  %-10s %s\n", m->number, m->applied ? "applied" : "pending",
		   m->name) < 0
		   ? -1
		   : 0;
}

int
migrate_run(const struct conf *c, bool apply, const struct log *log, FILE *out, struct err *e)
{
	struct database d;
	struct state s;
	int rc = 0;

	if (visit(c, log, &s, &d, e) < 0)
		return -1;
	if (apply && db_migrate_up(d.url, c->database_timeout_ms, log, e) < 0)
		rc = -1;
	if (rc == 0)
		rc = db_migrate_status(d.url, c->database_timeout_ms, print_migration, out, e);
	database_close(&d);
	state_close(&s);
	return rc;
}
