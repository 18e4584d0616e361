/* SPDX-License-Identifier: Apache-2.0 */
/* Where jobs may be submitted: projects, permissions, and the limits that hold at submission. */
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

/* Submits to a project (NULL: none is named); the id goes nowhere. */
static int
try_to(const struct principal *who, const char *project, struct err *e)
{
	struct job_submission s = fixture_submission();
	struct uuid id = { 0 };
	bool replayed;

	*e = (struct err){ 0 };
	s.spec.project = project;
	return job_submit(f.db, FIXTURE_BY(who), &s, f.mem, &id, &replayed, e);
}

static struct uuid
submit_to(const struct principal *who, const char *project)
{
	struct job_submission s = fixture_submission();

	s.spec.project = project;
	return fixture_submit_as(&f, who, &s);
}

/* Somebody of alpha who has some permissions in one project and nothing elsewhere. */
static struct principal
limited_to(struct uuid project, permission_set set)
{
	struct principal who = f.alpha;

	who.grants = (struct grants){ 0 };
	assert_true(grants_add(&who.grants, project, set));
	return who;
}

static void
expect_field(const struct err *e, const char *pointer, const char *part)
{
	assert_int_equal(e->n_fields, 1);
	assert_string_equal(e->fields[0].name, pointer);
	if (strstr(e->fields[0].msg, part) == NULL)
		fail_msg("'%s' lacks '%s'", e->fields[0].msg, part);
}

/* --- projects ------------------------------------------------------------------------------- */

static void
a_job_goes_to_the_named_project_or_to_the_default_one(void **state)
{
	struct uuid other = fixture_project(&f, &f.alpha, "other");
	struct uuid plain = fixture_project(&f, &f.alpha, "default");
	char id[ID_STR_SIZE];
	const struct {
		const char *named;
		struct uuid project;
	} all[] = { { NULL, plain }, { "default", plain }, { "other", other },
		{ id_format("prj", other, id), other } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct uuid job = submit_to(&f.alpha, all[i].named);

		assert_int_equal(
		    uuid_cmp(fixture_get(&f, &f.alpha, job).project, all[i].project), 0);
	}
	assert_int_equal(fixture_count(&f, "select count(*) from wardian.job_queue q join "
					   "wardian.job j using (tenant_id, job_id, project_id)"),
	    4);
}

static void
a_job_names_who_made_it_and_its_project_in_the_log(void **state)
{
	struct uuid project = fixture_project(&f, &f.alpha, "default");
	struct principal who = f.alpha;
	char text[ID_STR_SIZE], uuid[UUID_STR_SIZE];

	(void)state;
	who.kind = PRINCIPAL_ISSUER;
	who.key = (struct uuid){ 0 };
	(void)submit_to(&who, NULL);
	assert_string_equal(test_text(f.t.url, "select created_by from wardian.job"),
	    uuid_format(principal_id(&who), uuid));
	assert_string_equal(
	    uuid_format(who.user, uuid), test_text(f.t.url, "select created_by from wardian.job"));
	assert_string_equal(
	    test_text(f.t.url,
		"select entry::json -> 'changes' -> 'project' ->> 1 from wardian.audit_log"),
	    id_format("prj", project, text));
}

static void
unknown_foreign_and_hidden_projects_get_one_answer(void **state)
{
	struct uuid mine = fixture_project(&f, &f.alpha, "mine");
	struct uuid hidden = fixture_project(&f, &f.alpha, "hidden");
	struct uuid theirs = fixture_project(&f, &f.beta, "theirs");
	struct principal who = limited_to(mine, PERM_BIT(PERM_JOB_CREATE));
	struct err e[6] = { 0 };
	char ids[3][ID_STR_SIZE];

	(void)state;
	assert_int_equal(try_to(&who, "hidden", &e[0]), -1);
	assert_int_equal(try_to(&who, "unseen", &e[1]), -1); /* there is none */
	assert_int_equal(try_to(&who, "theirs", &e[2]), -1);
	assert_int_equal(try_to(&who, id_format("prj", hidden, ids[0]), &e[3]), -1);
	assert_int_equal(try_to(&who, id_format("prj", uuid_v7(), ids[1]), &e[4]), -1);
	assert_int_equal(try_to(&who, id_format("prj", theirs, ids[2]), &e[5]), -1);
	for (size_t i = 0; i < ARRAY_LEN(e); i++) {
		const char *named =
		    i < 3 ? (const char *[]){ "hidden", "unseen", "theirs" }[i] : ids[i - 3];
		char expected[ERR_FIELD_MSG_SIZE];

		(void)snprintf(expected, sizeof(expected),
		    "the project '%s' does not exist; GET /v1/projects lists yours", named);
		assert_int_equal(e[i].code, ERR_INVALID);
		expect_field(&e[i], "/project", expected);
		assert_string_equal(
		    e[i].msg + strlen(e[i].msg) - 4, e[0].msg + strlen(e[0].msg) - 4);
	}
	assert_int_equal(try_to(&who, "mine", &e[0]), 0);
	assert_int_equal(fixture_count(&f, "select count(*) from wardian.audit_log"), 1);
}

static void
a_project_that_may_be_seen_but_not_used_says_what_is_missing(void **state)
{
	struct uuid shown = fixture_project(&f, &f.alpha, "shown");
	struct principal who = limited_to(shown, PERM_BIT(PERM_PROJECT_READ));
	struct err e;

	(void)state;
	assert_int_equal(try_to(&who, "shown", &e), -1);
	assert_int_equal(e.code, ERR_DENIED);
	assert_non_null(strstr(e.msg, "job:create"));
	assert_int_equal(try_to(&who, NULL, &e), -1);
	assert_int_equal(e.code, ERR_INVALID); /* the default project is hidden from it */
	assert_int_equal(fixture_count(&f, "select count(*) from wardian.job"), 0);
}

static void
an_archived_project_takes_no_jobs_but_answers_for_old_keys(void **state)
{
	struct job_submission s = fixture_submission();
	struct uuid first, again = { 0 };
	bool replayed = false;
	struct err e = { 0 };

	(void)state;
	(void)fixture_project(&f, &f.alpha, "closing");
	s.spec.project = "closing";
	s.idempotency_key = "order-7";
	first = fixture_submit_as(&f, &f.alpha, &s);
	test_script(f.t.url, "update wardian.project set archived_at = now() "
			     "where name = 'closing'");
	assert_int_equal(try_to(&f.alpha, "closing", &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	expect_field(&e, "/project", "archived");
	e = (struct err){ 0 };
	must(job_submit(f.db, FIXTURE_BY(&f.alpha), &s, f.mem, &again, &replayed, &e));
	assert_true(replayed);
	assert_int_equal(uuid_cmp(first, again), 0);
}

static void
a_key_opens_no_project_to_those_who_may_not_use_it(void **state)
{
	struct uuid mine = fixture_project(&f, &f.alpha, "mine");
	struct principal who = limited_to(mine, PERM_BIT(PERM_JOB_CREATE));
	struct job_submission s = fixture_submission();
	struct uuid id = { 0 };
	bool replayed = false;
	struct err e = { 0 };

	(void)state;
	s.idempotency_key = "shared";
	(void)fixture_submit_as(&f, &f.alpha, &s);
	must_fail(ERR_INVALID, job_submit(f.db, FIXTURE_BY(&who), &s, f.mem, &id, &replayed, &e));
	assert_true(uuid_is_nil(id));
}

/* --- limits --------------------------------------------------------------------------------- */

static void
expect_quota(const struct principal *who, const char *project, const char *parts[3])
{
	struct err e;

	assert_int_equal(try_to(who, project, &e), -1);
	if (e.code != ERR_QUOTA)
		fail_msg("%s: %s", err_slug(e.code), e.msg);
	for (size_t i = 0; i < 3; i++)
		if (strstr(e.msg, parts[i]) == NULL)
			fail_msg("'%s' lacks '%s'", e.msg, parts[i]);
}

static void
the_limit_that_refuses_is_named_with_its_use(void **state)
{
	(void)state;
	fixture_limit(&f, &f.alpha, NULL, "jobs_queued", 4);
	fixture_limit(&f, &f.alpha, "small", "jobs_queued", 2);
	for (int i = 0; i < 2; i++)
		(void)submit_to(&f.alpha, "small");
	expect_quota(&f.alpha, "small",
	    (const char *[]){ "2 of at most 2 jobs are waiting", "jobs_queued of the project",
		"an owner of the tenant" });
	for (int i = 0; i < 2; i++)
		(void)submit_to(&f.alpha, NULL);
	expect_quota(&f.alpha, NULL,
	    (const char *[]){
		"4 of at most 4 jobs are waiting", "jobs_queued of the tenant", "the operator" });
	fixture_limit(&f, &f.alpha, NULL, "jobs_per_day", 4);
	fixture_limit(&f, &f.alpha, NULL, "jobs_queued", 5);
	expect_quota(&f.alpha, NULL,
	    (const char *[]){ "4 of at most 4 jobs were accepted today",
		"jobs_per_day of the tenant", "midnight UTC" });
	(void)submit_to(&f.beta, NULL);
}

static void
a_limit_of_nothing_allows_nothing_and_none_is_the_default(void **state)
{
	struct job_submission s = fixture_submission();
	struct uuid id;
	bool replayed;
	struct err e = { 0 };

	(void)state;
	fixture_limit(&f, &f.alpha, NULL, "jobs_queued", 0);
	expect_quota(&f.alpha, NULL, (const char *[]){ "0 of at most 0", "jobs_queued", "tenant" });
	test_script(f.t.url, "update wardian.tenant_quota set amount = null");
	s.quota.jobs_queued = 1;
	(void)fixture_submit_as(&f, &f.alpha, &s);
	must_fail(ERR_QUOTA, job_submit(f.db, FIXTURE_BY(&f.alpha), &s, f.mem, &id, &replayed, &e));
}

static void
waiting_jobs_count_only_while_they_wait(void **state)
{
	struct uuid id;
	struct err e;

	(void)state;
	fixture_limit(&f, &f.alpha, NULL, "jobs_queued", 1);
	id = submit_to(&f.alpha, NULL);
	assert_int_equal(try_to(&f.alpha, NULL, &e), -1);
	assert_int_equal(fixture_claim(&f, &f.alpha, id), 1);
	assert_int_equal(try_to(&f.alpha, NULL, &e), 0);
	/* One that comes back counts again, and may pass the limit. */
	assert_true(fixture_step(&f, id, 1, JOB_CLAIMED, JOB_ON_LEASE_LOST));
	expect_quota(&f.alpha, NULL, (const char *[]){ "2 of at most 1", "jobs_queued", "" });
	assert_true(fixture_step(&f, id, 1, JOB_QUEUED, JOB_ON_CANCEL));
	expect_quota(&f.alpha, NULL, (const char *[]){ "1 of at most 1", "jobs_queued", "" });
}

static void
a_day_s_jobs_count_on_their_day(void **state)
{
	struct err e;

	(void)state;
	fixture_limit(&f, &f.alpha, "p", "jobs_per_day", 2);
	(void)submit_to(&f.alpha, "p");
	(void)submit_to(&f.alpha, "p");
	assert_int_equal(try_to(&f.alpha, "p", &e), -1);
	assert_in_range(e.retry_after_s, 1, 86400);
	test_script(f.t.url, "update wardian.job_day set day = day - 1");
	(void)submit_to(&f.alpha, "p");
	assert_string_equal(test_text(f.t.url, "select string_agg(jobs || '/' || accepted, ' ' "
					       "order by day) from wardian.job_day"),
	    "2/2 1/3");
}

/* A clock that was ahead has left a day behind that is still to come. */
static void
a_clock_that_is_put_back_begins_no_day_anew(void **state)
{
	struct err e;

	(void)state;
	fixture_limit(&f, &f.alpha, NULL, "jobs_per_day", 2);
	(void)submit_to(&f.alpha, NULL);
	test_script(f.t.url, "update wardian.job_day set day = day + 1");
	(void)submit_to(&f.alpha, NULL);
	assert_int_equal(try_to(&f.alpha, NULL, &e), -1);
	assert_int_equal(e.code, ERR_QUOTA);
	assert_int_equal(fixture_count(&f, "select count(*) from wardian.job_day"), 1);
}

static void
a_job_larger_than_a_whole_limit_is_refused_with_its_pointer(void **state)
{
	struct job_submission s = fixture_submission();
	struct uuid id;
	bool replayed;
	struct err e = { 0 };

	(void)state;
	fixture_limit(&f, &f.alpha, NULL, "cpus", 2);
	s.spec.cpu_milli = 2100;
	must_fail(
	    ERR_IMPOSSIBLE, job_submit(f.db, FIXTURE_BY(&f.alpha), &s, f.mem, &id, &replayed, &e));
	expect_field(&e, "/resources/cpus", "at most 2.0, the limit cpus of the tenant");
	s.spec.cpu_milli = 2000;
	(void)fixture_submit_as(&f, &f.alpha, &s);
	fixture_limit(&f, &f.alpha, "default", "memory_bytes", 64 * MIB - 1);
	must_fail(
	    ERR_IMPOSSIBLE, job_submit(f.db, FIXTURE_BY(&f.alpha), &s, f.mem, &id, &replayed, &e));
	expect_field(&e, "/resources/memory_bytes", "memory_bytes of the project");
}

static void
record_output(struct uuid id, int64_t epoch, int64_t bytes)
{
	const struct job_attempt a = { .tenant = f.alpha.tenant,
		.id = id,
		.epoch = epoch,
		.node = f.node,
		.outcome = "exited",
		.ended_wall_us = 1,
		.output_bytes = bytes };
	struct db_sys_tx *tx;
	struct err e = { 0 };

	must(db_sys_begin(f.db, &tx, &e));
	must(job_attempt_record(tx, &a, &e));
	must(db_sys_commit(&tx, &e));
}

static void
kept_output_of_every_attempt_counts_as_storage(void **state)
{
	struct uuid id = fixture_submit(&f);

	(void)state;
	fixture_limit(&f, &f.alpha, NULL, "storage_bytes", 1000);
	assert_int_equal(fixture_claim(&f, &f.alpha, id), 1);
	assert_true(fixture_step(&f, id, 1, JOB_CLAIMED, JOB_ON_RETRY));
	record_output(id, 1, 600);
	(void)fixture_submit(&f);
	assert_int_equal(fixture_claim(&f, &f.alpha, id), 2);
	assert_true(fixture_step(&f, id, 2, JOB_CLAIMED, JOB_ON_EXITED_OK));
	record_output(id, 2, 500);
	expect_quota(&f.alpha, NULL,
	    (const char *[]){ "1100 of at most 1000 bytes of output", "storage_bytes of the tenant",
		"ask the operator" });
}

/* --- many at once --------------------------------------------------------------------------- */

enum { SUBMITTERS = 12, EACH = 20 };

struct submitter {
	struct thread thread;
	const char *project;
	int accepted, refused;
	struct err other;
};

static void *
submit_all(void *arg)
{
	struct submitter *u = arg;
	struct job_submission s = fixture_submission();
	AUTO(arena) mem = arena_new((size_t)CAP_REQUEST_ARENA_BYTES);

	s.spec.project = u->project;
	for (int i = 0; i < EACH; i++) {
		struct uuid id;
		bool replayed;
		struct err e = { 0 };

		if (job_submit(f.db, FIXTURE_BY(&f.alpha), &s, mem, &id, &replayed, &e) == 0)
			u->accepted++;
		else if (e.code == ERR_QUOTA)
			u->refused++;
		else
			u->other = e;
	}
	return NULL;
}

static void
flood(int accepted[3])
{
	static const char *const projects[] = { "default", "one", "two" };
	struct submitter u[SUBMITTERS] = { 0 };
	struct err e = { 0 };

	for (size_t i = 0; i < SUBMITTERS; i++) {
		u[i].project = projects[i % 3];
		must(thread_start(&u[i].thread, "submit", submit_all, &u[i], &e));
	}
	for (size_t i = 0; i < SUBMITTERS; i++)
		thread_join(&u[i].thread);
	for (size_t i = 0; i < SUBMITTERS; i++) {
		if (u[i].other.code != ERR_NONE)
			fail_msg("%s: %s", err_slug(u[i].other.code), u[i].other.msg);
		assert_int_equal(u[i].accepted + u[i].refused, EACH);
		accepted[i % 3] += u[i].accepted;
	}
}

static void
a_flood_passes_no_limit_and_uses_each_up(void **state)
{
	static const char *const names[] = { "jobs_queued", "jobs_per_day" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		int accepted[3] = { 0 };

		fixture_clear(&f);
		fixture_limit(&f, &f.alpha, NULL, names[i], 97);
		fixture_limit(&f, &f.alpha, "one", names[i], 13);
		fixture_limit(&f, &f.alpha, "two", names[i], 29);
		flood(accepted);
		assert_int_equal(accepted[0] + accepted[1] + accepted[2], 97);
		assert_true(accepted[1] <= 13);
		assert_true(accepted[2] <= 29);
		assert_int_equal(fixture_count(&f, "select count(*) from wardian.job"), 97);
		assert_int_equal(fixture_count(&f, "select count(*) from wardian.audit_log"), 97);
		recount(state);
	}
}

static void
projects_are_filled_to_their_own_limits(void **state)
{
	int accepted[3] = { 0 };

	(void)state;
	fixture_limit(&f, &f.alpha, "default", "jobs_queued", 11);
	fixture_limit(&f, &f.alpha, "one", "jobs_queued", 13);
	fixture_limit(&f, &f.alpha, "two", "jobs_queued", 29);
	flood(accepted);
	assert_int_equal(accepted[0], 11);
	assert_int_equal(accepted[1], 13);
	assert_int_equal(accepted[2], 29);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_job_goes_to_the_named_project_or_to_the_default_one),
		CASE(a_job_names_who_made_it_and_its_project_in_the_log),
		CASE(unknown_foreign_and_hidden_projects_get_one_answer),
		CASE(a_project_that_may_be_seen_but_not_used_says_what_is_missing),
		CASE(an_archived_project_takes_no_jobs_but_answers_for_old_keys),
		CASE(a_key_opens_no_project_to_those_who_may_not_use_it),
		CASE(the_limit_that_refuses_is_named_with_its_use),
		CASE(a_limit_of_nothing_allows_nothing_and_none_is_the_default),
		CASE(waiting_jobs_count_only_while_they_wait),
		CASE(a_day_s_jobs_count_on_their_day),
		CASE(a_clock_that_is_put_back_begins_no_day_anew),
		CASE(a_job_larger_than_a_whole_limit_is_refused_with_its_pointer),
		CASE(kept_output_of_every_attempt_counts_as_storage),
		CASE(a_flood_passes_no_limit_and_uses_each_up),
		CASE(projects_are_filled_to_their_own_limits),
	};
	int rc;

	fixture_open(&f);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	fixture_close(&f);
	return rc;
}
