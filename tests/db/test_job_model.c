/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random events against the state table and PostgreSQL at once, under limits that change and with a
 * tenant that is suspended now and then: after each, both must agree.  Then a storm of everything
 * from many threads, after which every history must be a walk through the table, and every counter
 * what is counted.
 */
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

/* --- a model of one job --------------------------------------------------------------------- */

enum { MODEL_JOBS = 12, MODEL_STEPS = 3000, MODEL_PROJECTS = 3 };

static const char *const project_names[MODEL_PROJECTS] = { "default", "one", "two" };

struct model {
	struct uuid id;
	unsigned project;
	enum job_state state;
	int64_t epoch, attempt, moves;
	bool wished; /* to be canceled */
};

/* What alpha may hold at once: jobs of one CPU each.  And how much it was held back. */
static struct {
	struct model jobs[MODEL_JOBS];
	int64_t cpus, project_jobs[MODEL_PROJECTS];
	bool suspended;
	int limited, waited;
} world;

/* xorshift: the same walk on every machine. */
static uint64_t
next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void
compare(const struct model *m)
{
	struct job j = fixture_get(&f, &f.alpha, m->id);

	assert_string_equal(job_state_name(j.state), job_state_name(m->state));
	assert_int_equal(j.epoch, m->epoch);
	assert_int_equal(j.attempt, m->attempt);
	assert_int_equal(j.cancel_requested_wall_us != 0, m->wished);
	assert_int_equal(j.ended_wall_us != 0, job_state_terminal(m->state));
}

/* Epoch and state as the caller believes them; one in four is wrong. */
static void
try_move(struct model *m, uint64_t *seed)
{
	enum job_event on = (enum job_event)(1 + next_random(seed) % (JOB_EVENT_COUNT - 1));
	bool wrong_epoch = next_random(seed) % 8 == 0, wrong_state = next_random(seed) % 8 == 0;
	enum job_state from =
	    wrong_state ? (enum job_state)(next_random(seed) % JOB_STATE_COUNT) : m->state;
	struct job_move move = { .tenant = f.alpha.tenant,
		.id = m->id,
		.from = from,
		.on = on,
		.epoch = m->epoch + wrong_epoch,
		.refund = next_random(seed) % 3 == 0 };
	enum job_state to;
	bool moves;

	_Static_assert(JOB_ON_CLAIM == 0, "claims are left out by their number");
	if (!job_fsm_next(from, on, &to))
		return; /* job_move takes rows of the table only */
	moves = from == m->state && !wrong_epoch;
	assert_int_equal(fixture_move(&f, &move), moves);
	if (!moves)
		return;
	m->state = to;
	m->moves++;
	if (to == JOB_QUEUED && move.refund)
		m->attempt--;
}

static bool
is_held(const struct model *m)
{
	return m->state != JOB_QUEUED && !job_state_terminal(m->state);
}

static bool
has_room(const struct model *m)
{
	int64_t held = 0, in_project = 0;

	for (size_t i = 0; i < MODEL_JOBS; i++) {
		held += is_held(&world.jobs[i]);
		in_project += is_held(&world.jobs[i]) && world.jobs[i].project == m->project;
	}
	return held < world.cpus && in_project < world.project_jobs[m->project];
}

static void
try_claim(struct model *m)
{
	bool free = m->state == JOB_QUEUED && !m->wished && !world.suspended;
	struct job_claim c = { .tenant = f.alpha.tenant, .id = m->id };
	bool claims = free && has_room(m);
	struct err e = { 0 };

	must(job_claim(f.db, f.node, 15000, &fixture_quota, &c, 1, f.mem, &e));
	assert_int_equal(c.epoch, claims ? m->epoch + 1 : 0);
	assert_int_equal(c.limited, free && !claims);
	world.limited += c.limited;
	world.waited += m->state == JOB_QUEUED && world.suspended;
	if (!claims)
		return;
	m->state = JOB_CLAIMED;
	m->epoch++;
	m->attempt++;
	m->moves++;
}

static void
try_cancel(struct model *m)
{
	struct err e = { 0 };
	int rc = fixture_cancel(&f, &f.alpha, m->id, &e);

	assert_int_equal(rc, job_state_terminal(m->state) ? -1 : 0);
	if (rc < 0)
		assert_int_equal(e.code, ERR_CONFLICT);
	else
		m->wished = true;
}

static void
begin(struct model *m)
{
	struct job_submission s = fixture_submission();
	unsigned project = (unsigned)(m - world.jobs) % MODEL_PROJECTS;

	s.spec.project = project_names[project];
	*m = (struct model){
		.id = fixture_submit_as(&f, &f.alpha, &s), .project = project, .state = JOB_QUEUED
	};
}

static void
change_limits(uint64_t *seed)
{
	unsigned project = (unsigned)(next_random(seed) % MODEL_PROJECTS);

	world.cpus = (int64_t)(next_random(seed) % MODEL_JOBS);
	world.project_jobs[project] = (int64_t)(next_random(seed) % 5);
	fixture_limit(&f, &f.alpha, NULL, "cpus", world.cpus);
	fixture_limit(
	    &f, &f.alpha, project_names[project], "jobs_running", world.project_jobs[project]);
	world.suspended = next_random(seed) % 4 == 0;
	fixture_state(&f, &f.alpha, world.suspended ? "suspended" : "active");
}

static void
check_history(const struct model *m)
{
	struct job_move_record *moves;
	enum job_state at = JOB_QUEUED;
	struct err e = { 0 };
	size_t n;

	must(job_history(f.db, f.alpha.tenant, &fixture_everywhere, m->id, f.mem, &moves, &n, &e));
	assert_int_equal(n, m->moves);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(moves[i].number, i);
		assert_string_equal(moves[i].from, job_state_name(at));
		assert_true(job_state_parse(moves[i].to, &at));
	}
	assert_int_equal(at, m->state);
}

static void
step(struct model *m, uint64_t *seed)
{
	uint64_t what = next_random(seed) % 64;

	if (what == 0)
		try_cancel(m);
	else if (what < 24)
		try_claim(m);
	else
		try_move(m, seed);
	compare(m);
}

static void
the_database_walks_as_the_table_and_the_limits_say(void **state)
{
	uint64_t seed = 0x9e3779b97f4a7c15u;
	int ended = 0;

	(void)state;
	memset(&world, 0, sizeof(world));
	for (size_t i = 0; i < MODEL_PROJECTS; i++) {
		(void)fixture_project(&f, &f.alpha, project_names[i]);
		world.project_jobs[i] = INT64_MAX;
	}
	world.cpus = INT64_MAX;
	for (size_t i = 0; i < MODEL_JOBS; i++)
		begin(&world.jobs[i]);
	for (int i = 0; i < MODEL_STEPS; i++) {
		struct model *m = &world.jobs[next_random(&seed) % MODEL_JOBS];

		arena_reset(f.mem);
		if (next_random(&seed) % 64 == 0)
			change_limits(&seed);
		step(m, &seed);
		if (i % 100 == 0)
			fixture_recount(&f);
		if (job_state_terminal(m->state) && world.cpus > 0 && next_random(&seed) % 4 == 0) {
			check_history(m);
			begin(m);
			ended++;
		}
	}
	for (size_t i = 0; i < MODEL_JOBS; i++)
		check_history(&world.jobs[i]);
	fixture_recount(&f);
	assert_true(ended > 20);
	assert_true(world.limited > 20);
	assert_true(world.waited > 20);
}

/* --- a storm -------------------------------------------------------------------------------- */

enum { STORM_JOBS = 300, STORM_THREADS = 8, STORM_ROUNDS = 60 };

static struct uuid storm_ids[STORM_JOBS];

struct stormer {
	struct thread thread;
	struct uuid node;
	uint64_t seed;
	int64_t moved, refused;
	struct err e;
	bool failed;
};

/* A job that is over already.  Deadlocks (ERR_DB_RETRY) must not happen: rows are locked in one
 * order. */
static bool
excused(const struct err *e)
{
	return e->code == ERR_CONFLICT;
}

static int
storm_claim(struct stormer *s, struct arena *mem)
{
	struct job_claim claims[20] = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(claims); i++) {
		claims[i].tenant = f.alpha.tenant;
		claims[i].id = storm_ids[next_random(&s->seed) % STORM_JOBS];
	}
	return job_claim(
	    f.db, s->node, 60000, &fixture_quota, claims, ARRAY_LEN(claims), mem, &s->e);
}

/* Any move that the table has, for all that this node holds. */
static int
storm_move(struct stormer *s, struct arena *mem)
{
	struct job_queued *rows;
	struct job_move *moves;
	AUTO(db_sys_tx) tx = NULL;
	size_t n, used = 0;

	if (job_queue_mine(f.db, s->node, mem, &rows, &n, &s->e) < 0)
		return -1;
	moves = arena_array(mem, n + 1, sizeof(*moves));
	if (moves == NULL)
		return arena_err(&s->e);
	for (size_t i = 0; i < n; i++) {
		enum job_event on =
		    (enum job_event)(1 + next_random(&s->seed) % (JOB_EVENT_COUNT - 1));
		enum job_state to;

		if (job_fsm_next(rows[i].state, on, &to))
			moves[used++] = (struct job_move){ .tenant = rows[i].tenant,
				.id = rows[i].id,
				.epoch = rows[i].epoch,
				.from = rows[i].state,
				.on = on,
				.refund = true };
	}
	if (db_sys_begin(f.db, &tx, &s->e) < 0 || job_move(tx, moves, used, &s->e) < 0 ||
	    db_sys_commit(&tx, &s->e) < 0)
		return -1;
	for (size_t i = 0; i < used; i++) {
		s->moved += moves[i].ok;
		s->refused += !moves[i].ok;
	}
	return 0;
}

static int
storm_cancel(struct stormer *s, struct arena *mem)
{
	struct uuid id = storm_ids[next_random(&s->seed) % STORM_JOBS];

	return job_cancel(
	    f.db, f.alpha.tenant, &fixture_everywhere, FIXTURE_BY(&f.alpha), id, mem, &s->e);
}

static void *
storm(void *arg)
{
	struct stormer *s = arg;

	for (int round = 0; round < STORM_ROUNDS && !s->failed; round++) {
		AUTO(arena) mem = arena_new(CAP_REQUEST_ARENA_BYTES);
		int64_t rc = 0;

		switch (next_random(&s->seed) % 6) {
		case 0:
		case 1:
			rc = storm_claim(s, mem);
			break;
		case 2:
			rc = job_lease_renew(f.db, s->node, 60000, &s->e);
			break;
		case 3:
			rc = storm_cancel(s, mem);
			break;
		default:
			rc = storm_move(s, mem);
			break;
		}
		s->failed = rc < 0 && !excused(&s->e);
	}
	return NULL;
}

/* A way through the table, without gaps, to where the job stands. */
static void
check_walk(struct uuid id)
{
	struct job_move_record *moves;
	enum job_state at = JOB_QUEUED;
	struct err e = { 0 };
	size_t n;

	must(job_history(f.db, f.alpha.tenant, &fixture_everywhere, id, f.mem, &moves, &n, &e));
	for (size_t i = 0; i < n; i++) {
		enum job_state to = JOB_STATE_COUNT;
		bool legal = false;

		assert_int_equal(moves[i].number, i);
		assert_string_equal(moves[i].from, job_state_name(at));
		for (unsigned ev = 0; ev < JOB_EVENT_COUNT; ev++)
			if (strcmp(job_event_name((enum job_event)ev), moves[i].event) == 0)
				legal = job_fsm_next(at, (enum job_event)ev, &to);
		assert_true(legal);
		assert_string_equal(moves[i].to, job_state_name(to));
		at = to;
	}
	fixture_expect_state(&f, id, at);
}

static void
after_a_storm_every_history_is_a_walk_through_the_table(void **state)
{
	struct stormer s[STORM_THREADS] = { 0 };
	struct job_submission submission = fixture_submission();
	int64_t moved = 0;
	struct err e = { 0 };

	(void)state;
	fixture_limit(&f, &f.alpha, "default", "jobs_running", 90);
	fixture_limit(&f, &f.alpha, "other", "cpus", 60);
	for (size_t i = 0; i < STORM_JOBS; i++) {
		submission.spec.project = i % 2 == 0 ? "other" : NULL;
		storm_ids[i] = fixture_submit_as(&f, &f.alpha, &submission);
	}
	for (size_t i = 0; i < STORM_THREADS; i++) {
		/* Two threads to a node, so that they meet on its rows. */
		s[i].node = i % 2 == 0 ? uuid_v7() : s[i - 1].node;
		s[i].seed = 0x1234567 + i * 977;
		must(thread_start(&s[i].thread, "storm", storm, &s[i], &e));
	}
	for (size_t i = 0; i < STORM_THREADS; i++)
		thread_join(&s[i].thread);
	for (size_t i = 0; i < STORM_THREADS; i++) {
		if (s[i].failed)
			fail_msg("%s: %s", err_slug(s[i].e.code), s[i].e.msg);
		moved += s[i].moved;
	}
	assert_true(moved > 100);
	for (size_t i = 0; i < STORM_JOBS; i++) {
		arena_reset(f.mem);
		check_walk(storm_ids[i]);
	}
	assert_int_equal(
	    fixture_count(&f, "select count(*) from wardian.job_queue q join wardian.job j using "
			      "(tenant_id, job_id) where j.end_state is not null"),
	    0);
	assert_int_equal(
	    fixture_count(&f,
		"select count(*) from wardian.job_queue q where moves <> (select count(*) "
		"from wardian.job_event e where e.job_id = q.job_id)"),
	    0);
	fixture_recount(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_database_walks_as_the_table_and_the_limits_say, clear),
		cmocka_unit_test_setup(
		    after_a_storm_every_history_is_a_walk_through_the_table, clear),
	};
	int rc;

	fixture_open(&f);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	fixture_close(&f);
	return rc;
}
