/* SPDX-License-Identifier: Apache-2.0 */
/* Limits that hold at claims, suspended tenants, and what else the scheduler does for tenants. */
#include "job_fixture.h"

#include "lock.h"

static struct fixture f;

static int
clear(void **state)
{
	(void)state;
	fixture_clear(&f);
	return 0;
}

static int
recount(void **state)
{
	(void)state;
	fixture_recount(&f);
	return 0;
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, clear, recount)

static struct uuid
submit_to(const struct principal *who, const char *project, int64_t cpu_milli)
{
	struct job_submission s = fixture_submission();

	s.spec.project = project;
	s.spec.cpu_milli = cpu_milli;
	return fixture_submit_as(&f, who, &s);
}

static struct uuid
submit_gpus(const struct principal *who, const char *project, int64_t gpus)
{
	struct job_submission s = fixture_submission();

	s.spec.project = project;
	s.spec.gpus = gpus;
	s.spec.pin_cpus = gpus == 2;
	return fixture_submit_as(&f, who, &s);
}

static size_t
claim_all(struct job_claim *c, size_t n)
{
	struct err e = { 0 };
	size_t got = 0;

	must(job_claim(f.db, f.node, 60000, &fixture_quota, c, n, f.mem, &e));
	for (size_t i = 0; i < n; i++) {
		assert_false(c[i].limited && c[i].epoch != 0);
		got += c[i].epoch != 0;
	}
	return got;
}

static size_t
list_waiting(struct job_queued **ret)
{
	struct err e = { 0 };
	size_t n;

	must(job_queue_waiting(f.db, &fixture_quota, 1000, f.mem, ret, &n, &e));
	return n;
}

/* --- claims --------------------------------------------------------------------------------- */

static void
a_batch_is_claimed_as_far_as_the_limits_go_in_its_order(void **state)
{
	struct job_claim c[9] = { 0 };

	(void)state;
	fixture_limit(&f, &f.alpha, NULL, "jobs_running", 4);
	fixture_limit(&f, &f.alpha, "p", "jobs_running", 1);
	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		c[i].tenant = i < 7 ? f.alpha.tenant : f.beta.tenant;
		c[i].id =
		    submit_to(i < 7 ? &f.alpha : &f.beta, i % 2 == 1 && i < 7 ? "p" : NULL, 1000);
	}
	/* default, p, default, (p), default, -, default */
	assert_int_equal(claim_all(c, ARRAY_LEN(c)), 4 + 2);
	for (size_t i = 0; i < ARRAY_LEN(c); i++)
		assert_int_equal(c[i].limited, i == 3 || i == 5 || i == 6);
}

static void
cpus_and_memory_are_limits_of_their_own(void **state)
{
	static const struct {
		const char *name;
		int64_t amount;
		size_t fit; /* of jobs of 1.5 CPUs and 64 MiB */
	} all[] = { { "cpus", 4, 2 }, { "memory_bytes", 200 * MIB, 3 }, { "jobs_running", 5, 5 },
		{ "cpus", 1, 0 }, { "memory_bytes", 0, 0 } };

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(all); k++)
		for (int of_project = 0; of_project < 2; of_project++) {
			struct job_claim c[6] = { 0 };

			fixture_clear(&f);
			for (size_t i = 0; i < ARRAY_LEN(c); i++)
				c[i] = (struct job_claim){ .tenant = f.alpha.tenant,
					.id = submit_to(&f.alpha, NULL, 1500) };
			fixture_limit(&f, &f.alpha, of_project ? "default" : NULL, all[k].name,
			    all[k].amount);
			assert_int_equal(claim_all(c, ARRAY_LEN(c)), all[k].fit);
			fixture_recount(&f);
		}
}

static void
gpus_are_held_from_the_claim_to_the_end(void **state)
{
	struct job_claim c[4] = { 0 };
	struct job_queued *rows;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(c); i++)
		c[i] = (struct job_claim){ .tenant = f.alpha.tenant,
			.id = submit_gpus(&f.alpha, NULL, i == 3 ? 0 : 2) };
	fixture_limit(&f, &f.alpha, NULL, "gpus", 5);
	/* Two of them, not the third, and the one that needs none. */
	assert_int_equal(claim_all(c, ARRAY_LEN(c)), 3);
	assert_true(c[2].limited && !c[3].limited);
	fixture_recount(&f);
	assert_int_equal(list_waiting(&rows), 1);
	assert_int_equal(rows[0].gpus, 2);
	assert_true(rows[0].pin_cpus);
	assert_int_equal(rows[0].tenant_room.gpus, 1);
	assert_true(fixture_step(&f, c[0].id, 1, JOB_CLAIMED, JOB_ON_EXITED_OK));
	assert_int_equal(list_waiting(&rows), 1);
	assert_int_equal(rows[0].tenant_room.gpus, 3);
	assert_int_equal(fixture_claim(&f, &f.alpha, c[2].id), 1);
	assert_int_equal(fixture_get(&f, &f.alpha, c[2].id).gpus, 2);
	assert_true(fixture_get(&f, &f.alpha, c[2].id).pin_cpus);
	assert_int_equal(fixture_count(&f, "select sum(gpus) from wardian.job_use"), 4);
}

static void
a_project_has_a_limit_of_gpus_of_its_own(void **state)
{
	struct job_claim c[3] = { 0 };

	(void)state;
	fixture_limit(&f, &f.alpha, "p", "gpus", 1);
	for (size_t i = 0; i < ARRAY_LEN(c); i++)
		c[i] = (struct job_claim){ .tenant = f.alpha.tenant,
			.id = submit_gpus(&f.alpha, i < 2 ? "p" : NULL, 1) };
	assert_int_equal(claim_all(c, ARRAY_LEN(c)), 2);
	assert_true(c[1].limited);
}

static void
what_waits_for_gpus_that_are_all_held_hides_no_job_that_needs_none(void **state)
{
	struct job_queued *rows;
	struct uuid held;
	struct err e = { 0 };
	size_t n;

	(void)state;
	fixture_limit(&f, &f.alpha, NULL, "gpus", 1);
	held = submit_gpus(&f.alpha, NULL, 1);
	for (int i = 0; i < 50; i++)
		(void)submit_gpus(&f.alpha, NULL, 1);
	(void)submit_gpus(&f.alpha, NULL, 0);
	assert_int_equal(fixture_claim(&f, &f.alpha, held), 1);
	must(job_queue_waiting(f.db, &fixture_quota, 10, f.mem, &rows, &n, &e));
	assert_int_equal(n, 1);
	assert_int_equal(rows[0].gpus, 0);
	fixture_limit(&f, &f.alpha, NULL, "gpus", 0);
	assert_int_equal(list_waiting(&rows), 1);
}

static void
defaults_hold_where_a_tenant_has_no_limit_of_its_own(void **state)
{
	struct job_quota_defaults one = fixture_quota;
	struct job_claim c[4] = { 0 };
	struct err e = { 0 };

	(void)state;
	one.jobs_running = 1;
	one.gpus = 0;
	fixture_limit(&f, &f.beta, NULL, "jobs_running", 2);
	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		const struct principal *who = i < 2 ? &f.alpha : &f.beta;

		c[i] =
		    (struct job_claim){ .tenant = who->tenant, .id = submit_to(who, NULL, 1000) };
	}
	must(job_claim(f.db, f.node, 60000, &one, c, ARRAY_LEN(c), f.mem, &e));
	assert_int_equal(c[0].epoch + c[1].epoch, 1);
	assert_int_equal(c[2].epoch + c[3].epoch, 2);
}

static void
what_ends_or_returns_makes_room(void **state)
{
	struct uuid a, b;

	(void)state;
	fixture_limit(&f, &f.alpha, NULL, "jobs_running", 1);
	a = fixture_submit(&f);
	b = fixture_submit(&f);
	assert_int_equal(fixture_claim(&f, &f.alpha, a), 1);
	assert_int_equal(fixture_claim(&f, &f.alpha, b), 0);
	assert_true(fixture_step(&f, a, 1, JOB_CLAIMED, JOB_ON_STARTED));
	assert_int_equal(fixture_claim(&f, &f.alpha, b), 0);
	assert_true(fixture_step(&f, a, 1, JOB_RUNNING, JOB_ON_CANCEL));
	assert_int_equal(fixture_claim(&f, &f.alpha, b), 0);
	assert_true(fixture_step(&f, a, 1, JOB_CANCELING, JOB_ON_REAPED));
	assert_int_equal(fixture_claim(&f, &f.alpha, b), 1);
	a = fixture_submit(&f);
	assert_int_equal(fixture_claim(&f, &f.alpha, a), 0);
	assert_true(fixture_step(&f, b, 1, JOB_CLAIMED, JOB_ON_LEASE_LOST));
	assert_int_equal(fixture_claim(&f, &f.alpha, a), 1);
	assert_int_equal(fixture_claim(&f, &f.alpha, b), 0);
}

/* --- the list of what waits ----------------------------------------------------------------- */

static void
rows_tell_what_their_tenant_and_project_may_still_claim(void **state)
{
	struct uuid held = submit_to(&f.alpha, "default", 1500);
	struct job_queued *rows;

	(void)state;
	fixture_limit(&f, &f.alpha, NULL, "cpus", 4);
	fixture_limit(&f, &f.alpha, "p", "jobs_running", 3);
	fixture_limit(&f, &f.alpha, "p", "memory_bytes", 128 * MIB);
	assert_int_equal(fixture_claim(&f, &f.alpha, held), 1);
	(void)submit_to(&f.alpha, "p", 1000);
	assert_int_equal(list_waiting(&rows), 1);
	assert_int_equal(uuid_cmp(rows[0].project, fixture_project(&f, &f.alpha, "p")), 0);
	assert_int_equal(rows[0].tenant_room.cpu_milli, 2500);
	assert_true(rows[0].tenant_room.jobs > 1000000);
	assert_int_equal(rows[0].project_room.jobs, 3);
	assert_int_equal(rows[0].project_room.memory_bytes, 128 * MIB);
	assert_true(rows[0].project_room.cpu_milli > 1000000);
}

static void
what_cannot_be_claimed_is_left_out(void **state)
{
	struct job_queued *rows;
	struct uuid held;
	size_t n;

	(void)state;
	fixture_limit(&f, &f.alpha, "full", "jobs_running", 1);
	(void)submit_to(&f.alpha, "full", 1000);
	held = submit_to(&f.alpha, "full", 1000);
	assert_int_equal(fixture_claim(&f, &f.alpha, held), 1);
	(void)fixture_project(&f, &f.alpha, "open");
	(void)submit_to(&f.alpha, "open", 1000);
	(void)submit_to(&f.alpha, "open", 9000); /* larger than all of the limit below */
	fixture_limit(&f, &f.alpha, "open", "cpus", 8);
	(void)submit_to(&f.beta, NULL, 1000);
	n = list_waiting(&rows);
	assert_int_equal(n, 2);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(rows[i].cpu_milli, 1000);
	fixture_limit(&f, &f.alpha, NULL, "memory_bytes", 64 * MIB);
	assert_int_equal(list_waiting(&rows), 1);
	assert_int_equal(uuid_cmp(rows[0].tenant.uuid, f.beta.tenant.uuid), 0);
}

static void
a_backlog_at_its_limit_hides_nobody(void **state)
{
	struct job_queued *rows;
	struct uuid mine;
	size_t n;
	struct err e = { 0 };

	(void)state;
	fixture_limit(&f, &f.alpha, "full", "jobs_running", 0);
	for (int i = 0; i < 300; i++)
		(void)submit_to(&f.alpha, i % 2 == 0 ? "full" : NULL, 1000);
	mine = submit_to(&f.beta, NULL, 1000);
	must(job_queue_waiting(f.db, &fixture_quota, 100, f.mem, &rows, &n, &e));
	assert_int_equal(n, 100);
	assert_int_equal(uuid_cmp(rows[0].id, mine) == 0 || uuid_cmp(rows[1].id, mine) == 0, 1);
	for (size_t i = 0; i < n; i++)
		assert_true(rows[i].project_room.jobs > 0);
}

/* --- why a job waits ------------------------------------------------------------------------ */

static struct job_wait
why(struct uuid id)
{
	struct job_wait w = { .reason = JOB_WAIT_TURN };
	struct err e = { 0 };

	assert_int_equal(1, job_waiting(f.db, f.alpha.tenant, id, &fixture_quota, f.mem, &w, &e));
	return w;
}

static void
a_job_that_waits_knows_the_first_thing_that_holds_it_up(void **state)
{
	struct uuid held, plain, with, none = uuid_v7();
	struct job_wait w;
	struct err e = { 0 };

	(void)state;
	(void)fixture_project(&f, &f.alpha, "p");
	held = submit_gpus(&f.alpha, "p", 2);
	plain = submit_gpus(&f.alpha, "p", 0);
	with = submit_gpus(&f.alpha, "p", 2);
	assert_int_equal(fixture_claim(&f, &f.alpha, held), 1);
	assert_int_equal(why(plain).reason, JOB_WAIT_TURN);
	w = why(with);
	assert_int_equal(w.reason, JOB_WAIT_GPUS);
	assert_int_equal(w.gpus, 2);
	fixture_limit(&f, &f.alpha, NULL, "gpus", 3);
	assert_int_equal(why(plain).reason, JOB_WAIT_TURN);
	w = why(with);
	assert_int_equal(w.reason, JOB_WAIT_LIMIT);
	assert_string_equal(w.limit, "gpus");
	assert_false(w.of_project);
	assert_true(w.used == 2 && w.amount == 3);
	fixture_limit(&f, &f.alpha, "p", "cpus", 1);
	w = why(plain);
	assert_string_equal(w.limit, "cpus");
	assert_true(w.of_project && w.used == 1000 && w.amount == 1000);
	fixture_limit(&f, &f.alpha, NULL, "jobs_running", 1);
	assert_string_equal(why(plain).limit, "jobs_running");
	test_script(f.t.url, "update wardian.job_queue set not_before = now() + interval '1 hour' "
			     "where state = 'queued'");
	assert_int_equal(why(plain).reason, JOB_WAIT_DELAY);
	assert_true(why(plain).until_wall_us > 0);
	assert_int_equal(0, job_waiting(f.db, f.alpha.tenant, held, &fixture_quota, f.mem, &w, &e));
	assert_int_equal(0, job_waiting(f.db, f.alpha.tenant, none, &fixture_quota, f.mem, &w, &e));
	assert_int_equal(0, job_waiting(f.db, f.beta.tenant, with, &fixture_quota, f.mem, &w, &e));
}

/* --- tenants that are not active ------------------------------------------------------------ */

static void
a_suspended_tenant_s_jobs_wait_and_can_be_canceled(void **state)
{
	struct uuid running = fixture_submit(&f), waiting = fixture_submit(&f);
	struct job_queued *rows;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(fixture_claim(&f, &f.alpha, running), 1);
	fixture_state(&f, &f.alpha, "suspended");
	assert_int_equal(list_waiting(&rows), 0);
	assert_int_equal(fixture_claim(&f, &f.alpha, waiting), 0);
	assert_true(fixture_step(&f, running, 1, JOB_CLAIMED, JOB_ON_STARTED));
	assert_int_equal(job_lease_renew(f.db, f.node, 60000, &e), 1);
	must(fixture_cancel(&f, &f.alpha, waiting, &e));
	assert_int_equal(list_waiting(&rows), 1);
	assert_true(rows[0].cancel_requested);
	assert_true(fixture_step(&f, running, 1, JOB_RUNNING, JOB_ON_EXITED_OK));
	waiting = fixture_submit(&f);
	fixture_state(&f, &f.alpha, "active");
	assert_int_equal(fixture_claim(&f, &f.alpha, waiting), 1);
}

static void
all_jobs_of_a_tenant_are_asked_to_end_in_bounded_steps(void **state)
{
	struct err e = { 0 };
	struct uuid live;

	(void)state;
	for (int i = 0; i < JOB_CANCEL_ALL + 200; i++) {
		arena_reset(f.mem);
		live = fixture_submit(&f);
	}
	(void)submit_to(&f.beta, NULL, 1000);
	assert_int_equal(fixture_claim(&f, &f.alpha, live), 1);
	must(fixture_cancel(&f, &f.alpha, live, &e));
	test_script(f.t.url, "truncate wardian.audit_log");
	assert_int_equal(
	    job_cancel_all(f.db, f.alpha.tenant, FIXTURE_BY(&f.alpha), f.mem, &e), JOB_CANCEL_ALL);
	assert_int_equal(job_cancel_all(f.db, f.alpha.tenant, FIXTURE_BY(NULL), f.mem, &e), 199);
	assert_int_equal(job_cancel_all(f.db, f.alpha.tenant, FIXTURE_BY(NULL), f.mem, &e), 0);
	assert_int_equal(fixture_count(&f, "select count(*) from wardian.job_queue "
					   "where cancel_requested_at is null"),
	    1);
	assert_int_equal(fixture_count(&f, "select count(*) from wardian.audit_log "
					   "where action = 'job.cancel'"),
	    2);
}

/* --- old keys ------------------------------------------------------------------------------- */

static void
old_idempotency_keys_are_forgotten_in_bounded_steps(void **state)
{
	struct job_submission s = fixture_submission();
	char keys[8][8];
	struct err e = { 0 };

	(void)state;
	for (int i = 0; i < 8; i++) {
		(void)snprintf(keys[i], sizeof(keys[i]), "key-%d", i);
		s.idempotency_key = keys[i];
		(void)fixture_submit_as(&f, i % 2 == 0 ? &f.alpha : &f.beta, &s);
	}
	test_script(f.t.url, "update wardian.idempotency set created_at = now() - "
			     "interval '25 hours' where key < 'key-5'");
	assert_int_equal(job_idempotency_expire(f.db, 24 * 3600 * 1000, 3, &e), 3);
	assert_int_equal(job_idempotency_expire(f.db, 24 * 3600 * 1000, 3, &e), 2);
	assert_int_equal(job_idempotency_expire(f.db, 24 * 3600 * 1000, 3, &e), 0);
	assert_string_equal(
	    test_text(f.t.url, "select string_agg(key, ' ' order by key) from wardian.idempotency"),
	    "key-5 key-6 key-7");
	s.idempotency_key = "key-0";
	(void)fixture_submit_as(&f, &f.alpha, &s); /* as if it were new */
}

/* --- two daemons ---------------------------------------------------------------------------- */

enum {
	RACE_JOBS = 60,
	RACE_THREADS = 4, /* two to a node */
	RACE_ROUNDS = 600,
	RACE_BATCH = 8,
	TENANT_MOST = 7,
	PROJECT_MOST = 3
};

static struct uuid race_ids[RACE_JOBS];

struct racer {
	struct thread thread;
	struct uuid node;
	unsigned seed;
	int64_t claimed, limited;
	struct err e;
	bool failed;
};

static int
race_claim(struct racer *r, struct job_claim *c, struct arena *mem)
{
	for (size_t i = 0; i < RACE_BATCH; i++) {
		r->seed = r->seed * 1103515245u + 12345u;
		c[i] = (struct job_claim){ .tenant = f.alpha.tenant,
			.id = race_ids[(r->seed >> 16) % RACE_JOBS] };
	}
	return job_claim(f.db, r->node, 60000, &fixture_quota, c, RACE_BATCH, mem, &r->e);
}

static int
race_return(struct racer *r, const struct job_claim *c)
{
	struct job_move m[RACE_BATCH];
	AUTO(db_sys_tx) tx = NULL;
	size_t n = 0;

	for (size_t i = 0; i < RACE_BATCH; i++) {
		r->limited += c[i].limited;
		if (c[i].epoch == 0)
			continue;
		r->claimed++;
		m[n++] = (struct job_move){ .tenant = c[i].tenant,
			.id = c[i].id,
			.epoch = c[i].epoch,
			.from = JOB_CLAIMED,
			.on = JOB_ON_LEASE_LOST,
			.refund = true };
	}
	if (db_sys_begin(f.db, &tx, &r->e) < 0 || job_move(tx, m, n, &r->e) < 0)
		return -1;
	return db_sys_commit(&tx, &r->e);
}

static void *
race(void *arg)
{
	struct racer *r = arg;

	for (int round = 0; round < RACE_ROUNDS && !r->failed; round++) {
		AUTO(arena) mem = arena_new((size_t)CAP_REQUEST_ARENA_BYTES);
		struct job_claim c[RACE_BATCH];

		r->failed = race_claim(r, c, mem) < 0 || race_return(r, c) < 0;
	}
	return NULL;
}

struct observer {
	struct thread thread;
	atomic_bool stop;
	int64_t looks, most, most_in_project, broken, most_gpus, most_gpus_in_project;
};

/* Every look is one snapshot. */
static void *
observe(void *arg)
{
	struct observer *o = arg;
	struct db_owner *owner;
	char text[64];
	struct err e;

	if (db_owner_open(f.t.url, TEST_TIMEOUT_MS, &owner, &e) < 0)
		return NULL;
	while (!atomic_load(&o->stop)) {
		long long whole, part, wrong, gpus, part_gpus;

		if (db_owner_text(owner,
			"select (select count(*) from wardian.job_queue where state <> 'queued') "
			"|| ' ' || (select coalesce(max(n), 0) from (select count(*) as n from "
			"wardian.job_queue where state <> 'queued' group by project_id) p) || ' ' "
			"|| (select count(*) from wardian.job_use u where u.jobs <> (select "
			"count(*) "
			"from wardian.job_queue q where q.project_id = u.project_id and "
			"q.state <> 'queued') or u.gpus <> (select coalesce(sum(q.gpus), 0) from "
			"wardian.job_queue q where q.project_id = u.project_id and q.state <> "
			"'queued')) || (select ' ' || coalesce(sum(n), 0) || ' ' || "
			"coalesce(max(n), 0) from (select sum(gpus) as n from wardian.job_queue "
			"where state <> 'queued' group by project_id) p)",
			text, sizeof(text), &e) < 0 ||
		    sscanf(text, "%lld %lld %lld %lld %lld", &whole, &part, &wrong, &gpus,
			&part_gpus) != 5)
			break;
		o->most_gpus = gpus > o->most_gpus ? gpus : o->most_gpus;
		o->most_gpus_in_project =
		    part_gpus > o->most_gpus_in_project ? part_gpus : o->most_gpus_in_project;
		o->looks++;
		o->most = whole > o->most ? whole : o->most;
		o->most_in_project = part > o->most_in_project ? part : o->most_in_project;
		o->broken += wrong;
	}
	db_owner_free(owner);
	return NULL;
}

/* Submits jobs of so many GPUs, sets limits, and lets two nodes claim and return them. */
static struct observer
race_for(const char *limit, int64_t gpus)
{
	static const char *const projects[] = { "default", "one", "two" };
	struct racer r[RACE_THREADS] = { 0 };
	struct observer o = { .looks = 0 };
	int64_t claimed = 0, limited = 0;
	struct err e = { 0 };

	fixture_limit(&f, &f.alpha, NULL, limit, TENANT_MOST);
	for (size_t i = 0; i < 3; i++)
		fixture_limit(&f, &f.alpha, projects[i], limit, PROJECT_MOST);
	for (size_t i = 0; i < RACE_JOBS; i++)
		race_ids[i] = submit_gpus(&f.alpha, projects[i % 3], gpus);
	must(thread_start(&o.thread, "observe", observe, &o, &e));
	for (size_t i = 0; i < RACE_THREADS; i++) {
		r[i].node = i % 2 == 0 ? uuid_v7() : r[i - 1].node;
		r[i].seed = 77u + (unsigned)i;
		must(thread_start(&r[i].thread, "race", race, &r[i], &e));
	}
	for (size_t i = 0; i < RACE_THREADS; i++)
		thread_join(&r[i].thread);
	atomic_store(&o.stop, true);
	thread_join(&o.thread);
	for (size_t i = 0; i < RACE_THREADS; i++) {
		if (r[i].failed)
			fail_msg("%s: %s", err_slug(r[i].e.code), r[i].e.msg);
		claimed += r[i].claimed;
		limited += r[i].limited;
	}
	print_message("%lld claims, %lld held back, %lld looks, at most %lld at once\n",
	    (long long)claimed, (long long)limited, (long long)o.looks, (long long)o.most);
	assert_true(claimed > RACE_ROUNDS);
	assert_true(limited > RACE_ROUNDS);
	assert_true(o.looks > 100);
	assert_int_equal(o.broken, 0);
	return o;
}

static void
claims_of_two_daemons_never_pass_a_limit(void **state)
{
	struct observer o = race_for("jobs_running", 0);

	(void)state;
	assert_true(o.most <= TENANT_MOST);
	assert_true(o.most_in_project <= PROJECT_MOST);
}

static void
claims_of_two_daemons_never_hold_more_gpus_than_a_limit(void **state)
{
	struct observer o = race_for("gpus", 2);

	(void)state;
	/* In twos: one job of each project, three of the tenant. */
	assert_int_equal(o.most_gpus, TENANT_MOST - 1);
	assert_int_equal(o.most_gpus_in_project, PROJECT_MOST - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_batch_is_claimed_as_far_as_the_limits_go_in_its_order),
		CASE(cpus_and_memory_are_limits_of_their_own),
		CASE(gpus_are_held_from_the_claim_to_the_end),
		CASE(a_project_has_a_limit_of_gpus_of_its_own),
		CASE(what_waits_for_gpus_that_are_all_held_hides_no_job_that_needs_none),
		CASE(defaults_hold_where_a_tenant_has_no_limit_of_its_own),
		CASE(what_ends_or_returns_makes_room),
		CASE(rows_tell_what_their_tenant_and_project_may_still_claim),
		CASE(what_cannot_be_claimed_is_left_out),
		CASE(a_backlog_at_its_limit_hides_nobody),
		CASE(a_job_that_waits_knows_the_first_thing_that_holds_it_up),
		CASE(a_suspended_tenant_s_jobs_wait_and_can_be_canceled),
		CASE(all_jobs_of_a_tenant_are_asked_to_end_in_bounded_steps),
		CASE(old_idempotency_keys_are_forgotten_in_bounded_steps),
		CASE(claims_of_two_daemons_never_pass_a_limit),
		CASE(claims_of_two_daemons_never_hold_more_gpus_than_a_limit),
	};
	int rc;

	fixture_open(&f);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	fixture_close(&f);
	return rc;
}
