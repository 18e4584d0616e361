/* SPDX-License-Identifier: Apache-2.0 */
#include "auth.h"
#include "caps.h"
#include "daemon_internal.h"
#include "db.h"
#include "db_schema.h"
#include "identity.h"
#include "json.h"
#include "platform.h"

#include <string.h>
#include <unistd.h>

static const char platform_name[] = "platform"; /* migration 0007 */

static int
print_key(struct tenant_id tenant, const char *name, const char *key, FILE *out, struct err *e)
{
	char id[ID_STR_SIZE];
	AUTO_BUF b = { 0 };
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
find_or_create(const struct platform_ask *a, const char *name, struct tenant_id *ret, struct err *e)
{
	struct platform_tenant t;
	struct err found = { 0 };

	/* A customer of this name would be taken for the platform's own tenant. */
	if (strcmp(name, platform_name) == 0)
		return err_set(e, ERR_USAGE,
		    "keys of the platform's own tenant are made with --operator NAME");
	if (platform_tenant_find(a->db, name, a->mem, &t, &found) < 0) {
		if (found.code != ERR_NOT_FOUND) {
			*e = found;
			return -1;
		}
		if (platform_tenant_create(a, name, &t, e) < 0)
			return -1;
	}
	*ret = t.id;
	return 0;
}

/* An operator's key is one of the platform's tenant; that one was made by the migrations. */
static int
make_key(struct db *db, const struct bootstrap *b, struct arena *mem, FILE *out, struct err *e)
{
	static const struct caller nobody = { 0 };
	const bool of_platform = b->operator_name != NULL;
	const struct platform_ask platform = { .db = db, .by = &nobody, .mem = mem };
	const struct identity_first first = {
		.user = of_platform ? b->operator_name : "bootstrap",
		.key_name = b->key_name,
		.role = of_platform ? ROLE_OPERATOR : ROLE_OWNER,
	};
	struct identity_ask ask = {
		.db = db, .tenant = tenant_platform_id, .by = &nobody, .mem = mem
	};
	char key[AUTH_KEY_SIZE];
	int rc;

	if (!of_platform && find_or_create(&platform, b->tenant, &ask.tenant, e) < 0)
		return -1;
	if (identity_first_key(&ask, &first, key, e) < 0)
		return -1;
	rc = print_key(ask.tenant, of_platform ? platform_name : b->tenant, key, out, e);
	auth_wipe(key, sizeof(key));
	return rc;
}

static int
open_and_make(const struct conf *c, const struct database *d, const struct bootstrap *b,
    const struct log *log, FILE *out, struct err *e)
{
	AUTO(arena) mem = arena_new(CAP_REQUEST_ARENA_BYTES);
	AUTO(db) db = NULL;

	if (mem == NULL)
		return err_set(e, ERR_NO_MEMORY, "There is no memory to make a key");
	if (db_migrate_up(d->url, c->database_timeout_ms, log, e) < 0 ||
	    database_pools(c, d, log, NULL, NULL, &db, e) < 0)
		return -1;
	return make_key(db, b, mem, out, e);
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
bootstrap_run(const struct conf *c, const struct bootstrap *b, const struct log *log, FILE *out,
    struct err *e)
{
	struct database d;
	struct state s;
	int rc;

	if (visit(c, log, &s, &d, e) < 0)
		return -1;
	rc = open_and_make(c, &d, b, log, out, e);
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
