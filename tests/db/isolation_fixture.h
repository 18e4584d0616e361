/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ISOLATION_FIXTURE_H
#define ISOLATION_FIXTURE_H

/*
 * Two tenants with one row in every table, and the serving roles' own connections to try statements
 * on, without the module's help.
 */
#include "test_db.h"

enum { SQL_SIZE = 4096 };

static struct test_db t;
/* One for each serving role. */
enum { API, SCHED, PLATFORM, ROLES };
static const char *const role_names[ROLES] = { "wardian_api", "wardian_sched", "wardian_platform" };
static char role_urls[ROLES][TEST_URL_SIZE];
static struct tenant_id alpha, beta;
static char alpha_text[UUID_STR_SIZE], beta_text[UUID_STR_SIZE];

#define ID(n) "'00000000-0000-7000-8000-0000000000" n "'"
#define JOB ID("01")
#define KEY ID("02")
#define NODE ID("03")
#define USER ID("04")
#define ROLE ID("05")
#define PROJECT ID("10")
#define HASH "decode(repeat('00', 32), 'hex')"

/* What each role may do: S(elect) I(nsert) U(pdate some column) D(elete). */
struct table {
	const char *name, *may[ROLES];
	const char *columns, *values; /* of one row beside tenant_id; NULL: made with the tenant */
	const char *touch;            /* a column to update */
};
/* A table stands behind those that it refers to. */
static const struct table tables[] = {
	{ "tenant", { "SU", "S", "SIUD" }, "", NULL, "version" },
	{ "audit_head", { "SU", "", "SIUD" }, "", NULL, "number" },
	{ "project", { "SIUD", "", "SID" }, ", project_id, name", NULL, "title" },
	{ "issuer", { "SIUD", "", "SD" }, ", issuer_id, name, url, audience, jwks",
	    ", " ID("06") ", 'i', 'https://i', 'a', '{}'", "rules" },
	{ "tenant_user", { "SIUD", "", "SD" }, ", user_id, kind, name", ", " USER ", 'person', 'u'",
	    "email" },
	{ "role", { "SIUD", "", "SD" }, ", role_id, name, permissions", ", " ROLE ", 'r', '{}'",
	    "title" },
	{ "api_key", { "SIUD", "", "SUD" }, ", key_id, public_id, hash, name, user_id",
	    ", " KEY ", 'abcdefghijkl', " HASH ", 'k', " USER, "revoked_at" },
	{ "role_assignment", { "SID", "", "SD" }, ", assignment_id, user_id, role_id, project_id",
	    ", " ID("07") ", " USER ", " ROLE ", " PROJECT, "system_role" },
	{ "token_revocation", { "SID", "", "SD" }, ", token_id, expires_at",
	    ", " ID("08") ", now()", "expires_at" },
	{ "support_access", { "SU", "", "SIUD" },
	    ", support_id, operator_id, operator_name, system_role, reason, expires_at",
	    ", " ID("09") ", " USER ", 'o', 'viewer', 'because of this', now()", "ended_by" },
	{ "tenant_quota", { "S", "S", "SIUD" }, ", name", ", 'q'", "amount" },
	{ "project_quota", { "SIUD", "S", "SD" }, ", project_id, name, amount",
	    ", " PROJECT ", 'q', 1", "amount" },
	{ "rate_use", { "S", "", "SIUD" }, ", bucket, node_id, spent", ", 'b', " NODE ", 1",
	    "spent" },
	{ "job_use", { "SI", "SIU", "SD" }, ", project_id", ", " PROJECT, "jobs" },
	{ "job_day", { "SIU", "S", "SD" }, ", project_id, day", ", " PROJECT ", '2020-01-01'",
	    "jobs" },
	{ "job", { "SI", "SU", "SD" },
	    ", job_id, project_id, environment, environment_digest, priority, cpu_milli, "
	    "memory_bytes, created_by",
	    ", " JOB ", " PROJECT ", 'e', 'd', 0, 1000, 1, " KEY, "cause" },
	{ "job_manifest", { "SI", "S", "SD" }, ", job_id, manifest", ", " JOB ", '{}'",
	    "manifest" },
	{ "job_queue", { "SIU", "SUD", "SD" },
	    ", job_id, project_id, priority, cpu_milli, memory_bytes, max_attempts",
	    ", " JOB ", " PROJECT ", 0, 1000, 1, 1", "cancel_requested_at" },
	{ "job_event", { "S", "SI", "SD" }, ", job_id, number, from_state, to_state, event, epoch",
	    ", " JOB ", 0, 'queued', 'claimed', 'claim', 1", "detail" },
	{ "job_attempt", { "S", "SI", "SD" },
	    ", job_id, epoch, node_id, outcome, exit_code, signal, ended_at, wall_ns, cpu_user_ns, "
	    "cpu_system_ns, memory_peak_bytes, throttled_ns, log_bytes, output_files, "
	    "output_bytes, log_truncated",
	    ", " JOB ", 1, " NODE ", 'exited', 0, 0, now(), 1, 1, 1, 1, 1, 1, 1, 1, false",
	    "outcome" },
	{ "attempt_usage", { "S", "SI", "SD" },
	    ", job_id, epoch, at_ms, cpu_ns, throttled_ns, memory_bytes, processes, io_read_bytes, "
	    "io_write_bytes",
	    ", " JOB ", 1, '{1}', '{1}', '{1}', '{1}', '{1}', '{1}', '{1}'", "at_ms" },
	{ "idempotency", { "SI", "SD", "SD" }, ", key, fingerprint, resource_id",
	    ", 'k', " HASH ", " JOB, "key" },
	{ "result", { "S", "SID", "SD" }, ", job_id, name, value", ", " JOB ", 'n', 1", "unit" },
	{ "metric", { "S", "SID", "SD" }, ", job_id, name, number, step, value",
	    ", " JOB ", 'n', 0, 0, 0", "value" },
	{ "audit_log", { "SI", "", "SID" }, ", number, at, entry, hash",
	    ", 1, now(), '{\"action\": \"a\", \"actor\": {\"id\": \"x\"}, \"outcome\": "
	    "\"ok\"}', " HASH,
	    "hash" },
};

/* Without tenants; nobody's but the platform's. */
static const char *const platform_tables[] = { "operation", "operation_node", "signing_key" };

enum context { NONE, ENDED, ALPHA };
static const char *const context_names[] = { "no context", "an ended context", "alpha's context" };

/* One session for each role and context; that of NONE never sees a tenant set. */
static struct db_owner *sessions[ROLES][3];

static inline struct db_owner *
session(int role, enum context c)
{
	struct db_owner **o = &sessions[role][c];
	char begin[256];
	struct err e;

	if (*o == NULL)
		must(db_owner_open(role_urls[role], TEST_TIMEOUT_MS, o, &e));
	(void)snprintf(begin, sizeof(begin), "begin; %s%s%s%s",
	    c == NONE ? "" : "select set_config('wardian.tenant_id', '",
	    c == NONE ? "" : alpha_text, c == NONE ? "" : "', true)",
	    c == ENDED ? "; commit; begin" : "");
	must(db_owner_script(*o, begin, TEST_TIMEOUT_MS, &e));
	return *o;
}

/* Rows that a statement counts or affects, -1 when it is refused for lack of rights, -2 otherwise.
 */
static inline int64_t
attempt(int role, enum context c, const char *sql)
{
	struct db_owner *o = session(role, c);
	struct err e, ignored;
	int64_t n = db_owner_query(o, sql, 0, NULL, NULL, NULL, &e);

	if (db_owner_script(o, "rollback", TEST_TIMEOUT_MS, &ignored) < 0)
		test_die("rollback", ignored.msg);
	if (n < 0)
		return strstr(e.msg, "42501") != NULL ? -1 : -2;
	return n;
}

static inline void
print_verb(char verb, const struct table *x, const char *tenant, char out[static SQL_SIZE])
{
	switch (verb) {
	case 'S':
		(void)snprintf(out, SQL_SIZE, "select tenant_id from %s where tenant_id = '%s'",
		    x->name, tenant);
		break;
	case 'I':
		(void)snprintf(out, SQL_SIZE, "insert into %s (tenant_id%s) values ('%s'%s)",
		    x->name, x->columns, tenant, x->values == NULL ? "" : x->values);
		break;
	case 'U':
		(void)snprintf(out, SQL_SIZE, "update %s set %s = %s where tenant_id = '%s'",
		    x->name, x->touch, x->touch, tenant);
		break;
	default:
		(void)snprintf(
		    out, SQL_SIZE, "delete from %s where tenant_id = '%s'", x->name, tenant);
	}
}

static inline void
seed(const char *tenant)
{
	char sql[SQL_SIZE];

	(void)snprintf(sql, sizeof(sql),
	    "update project set project_id = " PROJECT " where tenant_id = '%s'", tenant);
	test_script(t.url, sql);
	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		if (tables[i].values == NULL)
			continue;
		print_verb('I', &tables[i], tenant, sql);
		test_script(t.url, sql);
	}
}

static inline void
isolation_open(void)
{
	test_cluster_open(&t);
	test_database_new(&t);
	test_migrate(&t);
	for (int role = 0; role < ROLES; role++)
		test_url_as(t.url, role_names[role], role_urls[role]);
	alpha = test_tenant(&t, "alpha");
	beta = test_tenant(&t, "beta");
	(void)uuid_format(alpha.uuid, alpha_text);
	(void)uuid_format(beta.uuid, beta_text);
	seed(alpha_text);
	seed(beta_text);
}

static inline void
isolation_close(void)
{
	for (int i = 0; i < ROLES * 3; i++)
		db_owner_free(sessions[i / 3][i % 3]);
	test_db_close(&t);
}

#endif
