/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOB_FIXTURE_H
#define JOB_FIXTURE_H

/* A database with two tenants and an owner in each, and short ways to submit, claim and move jobs
 * in it.  Eight connections of the scheduler's role let that many transactions meet. */

#include "test_db.h"

#include "audit.h"
#include "caps.h"
#include "job_queue.h"
#include "result.h"

struct fixture {
	struct test_db t;
	struct db *db;
	struct arena *mem; /* emptied before each test */
	struct principal alpha, beta;
	struct uuid node;
};

static const struct environment fixture_environment = {
	.name = "demo", .digest = "0123456789abcdef", .available = true
};
static const struct job_quota_defaults fixture_quota = { .jobs_queued = 100000,
	.jobs_per_day = INT64_MAX,
	.storage_bytes = INT64_MAX,
	.jobs_running = INT64_MAX,
	.cpu_milli = INT64_MAX,
	.memory_bytes = INT64_MAX,
	.gpus = INT64_MAX };
static const struct scope fixture_everywhere = { .everywhere = true };
static const char fixture_manifest[] = "{\"environment\": \"demo\"}";

/* Who asks, for the duration of the expression. */
#define FIXTURE_BY(principal)                                                                      \
	(&(const struct caller){                                                                   \
	    .who = (principal), .request_id = "req-00000001", .source = "192.0.2.1" })

/* An owner of a new tenant. */
static inline struct principal
fixture_tenant(struct fixture *f, const char *name)
{
	struct principal who = { .kind = PRINCIPAL_KEY,
		.tenant = test_tenant(&f->t, name),
		.user = uuid_v7(),
		.key = uuid_v7(),
		.key_public = "abcdefghijkl",
		.name = "somebody" };

	who.grants.everywhere = system_role_permissions(ROLE_OWNER);
	return who;
}

static inline void
fixture_open(struct fixture *f)
{
	static struct db_sql sql[4];
	struct db_options o = { .api_connections = 4,
		.sched_connections = 8,
		.platform_connections = 1,
		.timeout_ms = 20000,
		.sql = sql };
	struct err e = { 0 };

	sql[0] = job_sql;
	sql[1] = audit_sql;
	sql[2] = result_sql;
	test_db_open(&f->t);
	f->alpha = fixture_tenant(f, "alpha");
	f->beta = fixture_tenant(f, "beta");
	f->node = uuid_v7();
	o.url = f->t.url;
	if (db_open(&o, &f->db, &e) < 0)
		test_die("db_open", e.msg);
	f->mem = arena_new((size_t)4 * CAP_REQUEST_ARENA_BYTES);
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

/* Every test begins with no jobs at all, default projects only, and no limits set. */
static inline void
fixture_clear(struct fixture *f)
{
	arena_reset(f->mem);
	test_script(f->t.url,
	    "truncate wardian.job, wardian.job_manifest, wardian.job_queue, wardian.job_event, "
	    "wardian.job_attempt, wardian.attempt_usage, wardian.idempotency, wardian.result, "
	    "wardian.metric, "
	    "wardian.audit_log, wardian.job_use, wardian.job_day, "
	    "wardian.tenant_quota, wardian.project_quota;"
	    "delete from wardian.project where name <> 'default';"
	    "update wardian.project set archived_at = null where archived_at is not null;"
	    "update wardian.tenant set state = 'active' where state <> 'active'");
}

static inline struct uuid
fixture_uuid(struct fixture *f, const char *sql)
{
	struct uuid u = { 0 };
	struct err e = { 0 };

	must(uuid_parse(test_text(f->t.url, sql), &u, &e));
	return u;
}

/* The default project of a tenant, or one that is made now. */
static inline struct uuid
fixture_project(struct fixture *f, const struct principal *who, const char *name)
{
	char sql[512], tenant[UUID_STR_SIZE], id[UUID_STR_SIZE];

	(void)uuid_format(who->tenant.uuid, tenant);
	(void)snprintf(sql, sizeof(sql),
	    "insert into wardian.project (tenant_id, project_id, name) values ('%s', '%s', '%s') "
	    "on conflict (tenant_id, name) do nothing",
	    tenant, uuid_format(uuid_v7(), id), name);
	test_script(f->t.url, sql);
	(void)snprintf(sql, sizeof(sql),
	    "select project_id from wardian.project where tenant_id = '%s' and name = '%s'", tenant,
	    name);
	return fixture_uuid(f, sql);
}

/* Sets a limit; project NULL: of the tenant. */
static inline void
fixture_limit(struct fixture *f, const struct principal *who, const char *project, const char *name,
    int64_t amount)
{
	char sql[768], tenant[UUID_STR_SIZE], id[UUID_STR_SIZE];

	(void)uuid_format(who->tenant.uuid, tenant);
	if (project == NULL)
		(void)snprintf(sql, sizeof(sql),
		    "insert into wardian.tenant_quota (tenant_id, name, amount) "
		    "values ('%s', '%s', %lld) "
		    "on conflict (tenant_id, name) do update set amount = excluded.amount",
		    tenant, name, (long long)amount);
	else
		(void)snprintf(sql, sizeof(sql),
		    "insert into wardian.project_quota (tenant_id, project_id, name, amount) "
		    "values ('%s', '%s', '%s', %lld) on conflict (tenant_id, project_id, name) "
		    "do update set amount = excluded.amount",
		    tenant, uuid_format(fixture_project(f, who, project), id), name,
		    (long long)amount);
	test_script(f->t.url, sql);
}

static inline void
fixture_state(struct fixture *f, const struct principal *who, const char *state)
{
	char sql[256], tenant[UUID_STR_SIZE];

	(void)snprintf(sql, sizeof(sql),
	    "update wardian.tenant set state = '%s' where tenant_id = '%s'", state,
	    uuid_format(who->tenant.uuid, tenant));
	test_script(f->t.url, sql);
}

static inline struct job_submission
fixture_submission(void)
{
	return (struct job_submission){ .spec = { .environment = &fixture_environment,
					    .cpu_milli = 1000,
					    .memory_bytes = 64 * MIB,
					    .max_attempts = 3,
					    .labels = "{}" },
		.manifest = fixture_manifest,
		.manifest_n = sizeof(fixture_manifest) - 1,
		.quota = fixture_quota };
}

static inline struct uuid
fixture_submit_as(struct fixture *f, const struct principal *who, const struct job_submission *s)
{
	struct uuid id = { 0 };
	bool replayed = true;
	struct err e = { 0 };

	must(job_submit(f->db, FIXTURE_BY(who), s, f->mem, &id, &replayed, &e));
	assert_false(replayed);
	assert_false(uuid_is_nil(id));
	return id;
}

static inline struct uuid
fixture_submit(struct fixture *f)
{
	struct job_submission s = fixture_submission();

	return fixture_submit_as(f, &f->alpha, &s);
}

static inline struct job
fixture_get(struct fixture *f, const struct principal *who, struct uuid id)
{
	struct job j = { 0 };
	struct err e = { 0 };

	must(job_get(f->db, who->tenant, &fixture_everywhere, id, f->mem, &j, &e));
	return j;
}

static inline void
fixture_expect_state(struct fixture *f, struct uuid id, enum job_state s)
{
	assert_string_equal(job_state_name(fixture_get(f, &f->alpha, id).state), job_state_name(s));
}

/* The epoch of the claim, 0 when it was not to be had. */
static inline int64_t
fixture_claim(struct fixture *f, const struct principal *who, struct uuid id)
{
	struct job_claim c = { .tenant = who->tenant, .id = id };
	struct err e = { 0 };

	must(job_claim(f->db, f->node, 15000, &fixture_quota, &c, 1, f->mem, &e));
	return c.epoch;
}

static inline bool
fixture_move(struct fixture *f, struct job_move *m)
{
	struct db_sys_tx *tx;
	struct err e = { 0 };

	must(db_sys_begin(f->db, &tx, &e));
	must(job_move(tx, m, 1, &e));
	must(db_sys_commit(&tx, &e));
	return m->ok;
}

/* A move of alpha's job. */
static inline bool
fixture_step(
    struct fixture *f, struct uuid id, int64_t epoch, enum job_state from, enum job_event on)
{
	struct job_move m = {
		.tenant = f->alpha.tenant, .id = id, .epoch = epoch, .from = from, .on = on
	};

	return fixture_move(f, &m);
}

static inline int
fixture_cancel(struct fixture *f, const struct principal *who, struct uuid id, struct err *e)
{
	return job_cancel(f->db, who->tenant, &fixture_everywhere, FIXTURE_BY(who), id, f->mem, e);
}

static inline int64_t
fixture_count(struct fixture *f, const char *sql)
{
	return strtoll(test_text(f->t.url, sql), NULL, 10);
}

/* What the counters say is what is there, project by project. */
static inline void
fixture_recount(struct fixture *f)
{
	static const char wrong[] =
	    "select count(*) from wardian.project p"
	    " left join wardian.job_use u using (tenant_id, project_id)"
	    " left join lateral (select d.accepted from wardian.job_day d"
	    "  where d.tenant_id = p.tenant_id and d.project_id = p.project_id"
	    "  order by d.day desc limit 1) a on true"
	    " left join lateral (select count(*) filter (where q.state = 'queued') as waiting,"
	    "   count(*) filter (where q.state <> 'queued') as jobs,"
	    "   coalesce(sum(q.cpu_milli) filter (where q.state <> 'queued'), 0) as cpu_milli,"
	    "   coalesce(sum(q.memory_bytes) filter (where q.state <> 'queued'), 0) as memory,"
	    "   coalesce(sum(q.gpus) filter (where q.state <> 'queued'), 0) as gpus"
	    "  from wardian.job_queue q"
	    "  where q.tenant_id = p.tenant_id and q.project_id = p.project_id) q on true"
	    " left join lateral (select count(*) as jobs from wardian.job j"
	    "  where j.tenant_id = p.tenant_id and j.project_id = p.project_id) j on true"
	    " left join lateral (select coalesce(sum(t.output_bytes), 0) as bytes"
	    "  from wardian.job_attempt t join wardian.job j using (tenant_id, job_id)"
	    "  where j.tenant_id = p.tenant_id and j.project_id = p.project_id) t on true"
	    " left join lateral (select coalesce(sum(d.jobs), 0) as jobs from wardian.job_day d"
	    "  where d.tenant_id = p.tenant_id and d.project_id = p.project_id) d on true"
	    " where coalesce(a.accepted, 0) <> j.jobs or d.jobs <> j.jobs"
	    "  or coalesce(a.accepted, 0) - coalesce(u.jobs_left, 0) <> q.waiting"
	    "  or coalesce(u.jobs, 0) <> q.jobs or coalesce(u.cpu_milli, 0) <> q.cpu_milli"
	    "  or coalesce(u.memory_bytes, 0) <> q.memory or coalesce(u.gpus, 0) <> q.gpus"
	    "  or coalesce(u.output_bytes, 0) <> t.bytes";

	assert_int_equal(fixture_count(f, wrong), 0);
}

#endif
