/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TENANT_FIXTURE_H
#define TENANT_FIXTURE_H

/*
 * Tenants, users, keys and issuers made by the server's superuser, and the daemon's side that is
 * asked who they are.  What a test changes behind the daemon's back it changes with fixture_sql, as
 * the modules that write do: with a new access_version (fixture_bump).
 */

#include "test_db.h"

#include "auth.h"
#include "buf.h"
#include "clock.h"
#include "json.h"
#include "jwt_token.h"
#include "metrics.h"
#include "tenant.h"

struct fixture {
	struct test_db t;
	struct db *db;
	struct metrics *metrics;
	struct arena *mem; /* emptied by each test that uses it */
	struct uuid node;
	struct jwt_signer *signer; /* registered */
	struct tenants *tenants;
};

static const char fixture_issuer[] = "https://wardian.test";
static struct fixture fx;

static inline struct tenants *
fixture_daemon(void)
{
	const struct tenants_options o = { .db = fx.db,
		.metrics = fx.metrics,
		.signer = fx.signer,
		.issuer = fixture_issuer,
		.cache_entries = 64 };
	struct tenants *t = NULL;
	struct err e;

	if (tenants_new(&o, &t, &e) < 0)
		test_die("tenants_new", e.msg);
	return t;
}

static inline void
fixture_open(void)
{
	static struct db_sql sql[2];
	char pem[JWT_PEM_SIZE];
	struct err e = { 0 };

	json_start();
	sql[0] = tenant_sql;
	test_db_open(&fx.t);
	fx.db = test_db_pools(&fx.t, sql, 5000);
	fx.mem = arena_new(4 << 20);
	fx.node = uuid_v7();
	if (fx.mem == NULL || metrics_new(&fx.metrics, &e) < 0 ||
	    jwt_signer_make(pem, &fx.signer, &e) < 0 ||
	    tenant_signing_key_register(fx.db, fx.node, fx.signer, &e) < 0)
		test_die("fixture_open", e.msg);
	fx.tenants = fixture_daemon();
}

static inline void
fixture_close(void)
{
	tenants_free(fx.tenants);
	jwt_signer_free(fx.signer);
	metrics_free(fx.metrics);
	arena_free(fx.mem);
	db_free(fx.db);
	test_db_close(&fx.t);
}

/* --- making things ---------------------------------------------------------------------------- */

PRINTF_LIKE(1, 2)
static inline void
fixture_sql(const char *fmt, ...)
{
	char sql[16384];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(sql, sizeof(sql), fmt, ap);
	va_end(ap);
	if (n < 0 || n >= (int)sizeof(sql))
		test_die("fixture_sql", "too long");
	test_script(fx.t.url, sql);
}

/* A uuid as text, for one statement of a few. */
static inline const char *
fixture_text(struct uuid u)
{
	static char texts[8][UUID_STR_SIZE];
	static size_t next;

	return uuid_format(u, texts[next++ % ARRAY_LEN(texts)]);
}

static inline void
fixture_bump(struct tenant_id tenant)
{
	fixture_sql("update wardian.tenant set access_version = access_version + 1 "
		    "where tenant_id = '%s'",
	    fixture_text(tenant.uuid));
}

static inline struct uuid
fixture_user(struct tenant_id tenant, const char *name)
{
	struct uuid id = uuid_v7();

	fixture_sql("insert into wardian.tenant_user (tenant_id, user_id, kind, name) "
		    "values ('%s', '%s', 'service', '%s')",
	    fixture_text(tenant.uuid), fixture_text(id), name);
	return id;
}

static inline struct uuid
fixture_project(struct tenant_id tenant, const char *name)
{
	struct uuid id = uuid_v7();

	fixture_sql("insert into wardian.project (tenant_id, project_id, name) "
		    "values ('%s', '%s', '%s')",
	    fixture_text(tenant.uuid), fixture_text(id), name);
	return id;
}

/* holder: "user_id" or "key_id"; role: a system role; project nil: everywhere. */
static inline void
fixture_assign(struct tenant_id tenant, const char *holder, struct uuid id, const char *role,
    struct uuid project)
{
	fixture_sql(
	    "insert into wardian.role_assignment (tenant_id, assignment_id, %s, system_role, "
	    "project_id) values ('%s', '%s', '%s', '%s', nullif('%s', '%s')::uuid)",
	    holder, fixture_text(tenant.uuid), fixture_text(uuid_v7()), fixture_text(id), role,
	    fixture_text(project), fixture_text((struct uuid){ 0 }));
}

/* The same with a role of the tenant's own. */
static inline void
fixture_assign_own(struct tenant_id tenant, const char *holder, struct uuid id, const char *name,
    const char *permissions)
{
	struct uuid role = uuid_v7();

	fixture_sql("insert into wardian.role (tenant_id, role_id, name, permissions) "
		    "values ('%s', '%s', '%s', '{%s}')",
	    fixture_text(tenant.uuid), fixture_text(role), name, permissions);
	fixture_sql("insert into wardian.role_assignment (tenant_id, assignment_id, %s, role_id) "
		    "values ('%s', '%s', '%s', '%s')",
	    holder, fixture_text(tenant.uuid), fixture_text(uuid_v7()), fixture_text(id),
	    fixture_text(role));
}

struct fixture_key {
	struct tenant_id tenant;
	struct uuid user, id;
	struct auth_key key;
};

/* A key of a user that is there. */
static inline struct fixture_key
fixture_key_of(struct tenant_id tenant, struct uuid user)
{
	struct fixture_key k = { .tenant = tenant, .user = user, .id = uuid_v7() };
	char hex[2 * AUTH_SHA256_SIZE + 1];

	auth_key_make(AUTH_KEY_SERVICE, &k.key);
	auth_hex(k.key.hash, sizeof(k.key.hash), hex);
	fixture_sql(
	    "insert into wardian.api_key (tenant_id, key_id, public_id, hash, name, user_id) "
	    "values ('%s', '%s', '%s', '\\x%s', 'k', '%s')",
	    fixture_text(tenant.uuid), fixture_text(k.id), k.key.id, hex, fixture_text(user));
	return k;
}

/* A tenant with a user that has the role (NULL: none) everywhere, and a key of it. */
static inline struct fixture_key
fixture_key(const char *name, const char *role)
{
	struct tenant_id tenant = test_tenant(&fx.t, name);
	struct uuid user = fixture_user(tenant, "worker");

	if (role != NULL)
		fixture_assign(tenant, "user_id", user, role, (struct uuid){ 0 });
	return fixture_key_of(tenant, user);
}

/* --- asking -------------------------------------------------------------------------------------
 */

static inline int
fixture_ask(struct tenants *t, const char *credential, const char *source,
    struct credential_refusal *refusal, struct principal *who, struct err *e)
{
	char header[JWT_SIZE + 16];
	const struct credential c = {
		.authorization = header, .source = source, .refusal = refusal
	};

	*e = (struct err){ 0 };
	(void)snprintf(header, sizeof(header), "Bearer %s", credential);
	return tenants_authenticate(t, &c, who, e);
}

static inline int
fixture_try(const char *credential, struct principal *who, struct err *e)
{
	return fixture_ask(fx.tenants, credential, "192.0.2.1", NULL, who, e);
}

static inline struct principal
fixture_who(const char *credential)
{
	struct principal who = { 0 };
	struct err e;

	must(fixture_try(credential, &who, &e));
	return who;
}

static inline const char *
fixture_may(const struct principal *who)
{
	static char text[PERMISSION_SET_TEXT_SIZE];

	return permission_set_format(who->grants.everywhere, text);
}

#endif
