/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IDENTITY_FIXTURE_H
#define IDENTITY_FIXTURE_H

/*
 * A database with two tenants, and short ways to make users, keys and roles in them.  An actor's
 * principal says that everything is allowed, as a cache that has not heard of anything would: what
 * it may do is decided by the rows.  The system's own changes go through `f->root`.
 */

#include "test_db.h"

#include "audit.h"
#include "auth.h"
#include "clock.h"
#include "identity.h"
#include "identity_issuer.h"
#include "identity_key.h"
#include "identity_role.h"
#include "lock.h"
#include "platform.h"
#include "quota.h"

struct actor {
	struct principal who;
	struct caller by;
	struct identity_ask ask;
	char key[AUTH_KEY_SIZE];
};

struct fixture {
	struct test_db t;
	struct db *db;
	struct arena *mem; /* emptied before each test */
	struct caller nobody;
	struct quota_amounts quotas; /* large ones; tests make them small */
	/* made anew for each test */
	struct tenant_id alpha, beta;
	struct identity_ask root, root_beta; /* the system in alpha and in beta */
};

static const struct uuid fixture_nil;

static inline void
fixture_open(struct fixture *f)
{
	static struct db_sql sql[5];
	struct db_options o = { .api_connections = 10,
		.sched_connections = 1,
		.platform_connections = 2,
		.timeout_ms = 20000,
		.sql = sql };
	struct err e = { 0 };

	sql[0] = audit_sql;
	sql[1] = quota_sql;
	sql[2] = identity_sql;
	sql[3] = platform_sql;
	test_db_open(&f->t);
	o.url = f->t.url;
	if (db_open(&o, &f->db, &e) < 0)
		test_die("db_open", e.msg);
	f->mem = arena_new((size_t)64 << 20);
	if (f->mem == NULL)
		test_die("fixture_open", "no memory");
}

static inline void
fixture_close(struct fixture *f)
{
	arena_free(f->mem);
	db_free(f->db);
	test_db_close(&f->t);
}

static inline struct identity_ask
fixture_system(struct fixture *f, struct tenant_id tenant)
{
	return (struct identity_ask){
		.db = f->db, .tenant = tenant, .by = &f->nobody, .quotas = &f->quotas, .mem = f->mem
	};
}

static inline struct tenant_id
fixture_tenant(struct fixture *f)
{
	static int n;
	char name[32];

	(void)snprintf(name, sizeof(name), "t-%d", n++);
	return test_tenant(&f->t, name);
}

/* Every test has tenants of its own. */
static inline void
fixture_fresh(struct fixture *f)
{
	arena_reset(f->mem);
	for (int q = 0; q < QUOTA_COUNT; q++)
		f->quotas.amount[q] = 1000;
	f->alpha = fixture_tenant(f);
	f->beta = fixture_tenant(f);
	f->root = fixture_system(f, f->alpha);
	f->root_beta = fixture_system(f, f->beta);
}

static inline struct identity_user
fixture_user(const struct identity_ask *root, const char *name, const char *role, bool person)
{
	const struct identity_role_ref ref = { .role = role };
	const struct identity_user_new n = {
		.name = name, .person = person, .roles = { .p = &ref, .n = role != NULL }
	};
	struct identity_user u = { 0 };
	struct err e = { 0 };

	must(identity_user_create(root, &n, &u, &e));
	return u;
}

static inline struct identity_project
fixture_project(const struct identity_ask *root, const char *name)
{
	struct identity_project p = { 0 };
	struct err e = { 0 };

	must(identity_project_create(root, name, NULL, &p, &e));
	return p;
}

static inline struct identity_role
fixture_role(const struct identity_ask *root, const char *name, permission_set set)
{
	const struct identity_role_new n = { .name = name, .permissions = set };
	struct identity_role r = { 0 };
	struct err e = { 0 };

	must(identity_role_create(root, &n, &r, &e));
	return r;
}

static inline struct identity_assignment
fixture_assign(
    const struct identity_ask *root, struct uuid user, const char *role, struct uuid project)
{
	const struct identity_assignment_new n = { .user = user,
		.role = { .role = role, .project = project } };
	struct identity_assignment x = { 0 };
	bool made = false;
	struct err e = { 0 };

	must(identity_assignment_create(root, &n, &x, &made, &e));
	return x;
}

static inline struct identity_key
fixture_key(const struct identity_ask *a, const struct identity_key_new *n, char *text)
{
	struct identity_key k = { 0 };
	char own[AUTH_KEY_SIZE];
	struct err e = { 0 };

	must(identity_key_create(a, n, &k, text == NULL ? own : text, &e));
	return k;
}

/* A principal whose cached grants know no limits. */
static inline void
fixture_act_as(const struct identity_ask *root, const struct identity_key *k, struct actor *ret)
{
	*ret = (struct actor){ .who = { .kind = PRINCIPAL_KEY,
				   .tenant = root->tenant,
				   .user = k->user,
				   .key = k->id,
				   .name = "somebody",
				   .grants.everywhere = ~UINT64_C(0) } };
	(void)snprintf(ret->who.key_public, sizeof(ret->who.key_public), "%s", k->public_id);
	ret->by =
	    (struct caller){ .who = &ret->who, .request_id = "req-0000001", .source = "192.0.2.1" };
	ret->ask = *root;
	ret->ask.by = &ret->by;
}

/* A user with a role in the whole tenant (NULL: none) and a key of it. */
static inline void
fixture_actor(
    const struct identity_ask *root, const char *name, const char *role, struct actor *ret)
{
	const struct identity_user u = fixture_user(root, name, role, false);
	const struct identity_key_new n = { .name = "k", .user = u.id };
	char text[AUTH_KEY_SIZE];
	const struct identity_key k = fixture_key(root, &n, text);

	fixture_act_as(root, &k, ret);
	memcpy(ret->key, text, sizeof(text));
}

static inline int64_t
fixture_count(struct fixture *f, const char *fmt, struct uuid id)
{
	char sql[512], text[UUID_STR_SIZE];

	(void)snprintf(sql, sizeof(sql), "%.400s '%s'", fmt, uuid_format(id, text));
	return strtoll(test_text(f->t.url, sql), NULL, 10);
}

static inline int64_t
fixture_access_version(struct fixture *f, struct tenant_id t)
{
	return fixture_count(f, "select access_version from tenant where tenant_id =", t.uuid);
}

/* The last entry of a tenant's log. */
static inline const char *
fixture_last_entry(struct fixture *f, struct tenant_id t)
{
	char sql[256], text[UUID_STR_SIZE];

	(void)snprintf(sql, sizeof(sql),
	    "select entry from audit_log where tenant_id = '%s' order by number desc limit 1",
	    uuid_format(t.uuid, text));
	return test_text(f->t.url, sql);
}

static inline void
fixture_expect_entry(struct fixture *f, struct tenant_id t, const char *part)
{
	const char *entry = fixture_last_entry(f, t);

	if (strstr(entry, part) == NULL)
		fail_msg("no %s in %s", part, entry);
}

/* The JSON Pointer of the only fault. */
static inline void
fixture_expect_field(const struct err *e, const char *pointer)
{
	assert_int_equal(e->n_fields, 1);
	assert_string_equal(e->fields[0].name, pointer);
}

#endif
