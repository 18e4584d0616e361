/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOB_FIXTURE_H
#define JOB_FIXTURE_H

/* A database with two tenants, and short ways to submit, claim and move jobs in it.  Eight
 * connections of the scheduler's role let that many transactions meet. */

#include "test_db.h"

#include "audit.h"
#include "caps.h"
#include "job.h"
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
static const char fixture_manifest[] = "{\"environment\": \"demo\"}";

static inline void
fixture_open(struct fixture *f)
{
	static struct db_sql sql[4];
	struct principal who = { .key_public = "abcdefghijkl" };
	struct db_options o = {
		.api_connections = 4, .sched_connections = 8, .timeout_ms = 20000, .sql = sql
	};
	struct err e = { 0 };

	sql[0] = job_sql;
	sql[1] = audit_sql;
	sql[2] = result_sql;
	test_db_open(&f->t);
	f->alpha = f->beta = who;
	f->alpha.tenant = test_tenant(&f->t, "alpha");
	f->beta.tenant = test_tenant(&f->t, "beta");
	f->alpha.key = uuid_v7();
	f->beta.key = uuid_v7();
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

/* Every test begins with no jobs at all. */
static inline void
fixture_clear(struct fixture *f)
{
	arena_reset(f->mem);
	test_script(f->t.url,
	    "truncate wardian.job, wardian.job_manifest, wardian.job_queue, wardian.job_event, "
	    "wardian.job_attempt, wardian.idempotency, wardian.result, wardian.metric, "
	    "wardian.audit_log");
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
		.request_id = "req-00000001",
		.queued_max = 100000 };
}

static inline struct uuid
fixture_submit_as(struct fixture *f, const struct principal *who, const struct job_submission *s)
{
	struct uuid id = { 0 };
	bool replayed = true;
	struct err e = { 0 };

	must(job_submit(f->db, who, s, f->mem, &id, &replayed, &e));
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

	must(job_get(f->db, who->tenant, id, f->mem, &j, &e));
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

	must(job_claim(f->db, f->node, 15000, &c, 1, f->mem, &e));
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

static inline int64_t
fixture_count(struct fixture *f, const char *sql)
{
	return strtoll(test_text(f->t.url, sql), NULL, 10);
}

#endif
