/* SPDX-License-Identifier: Apache-2.0 */
/* The API's side of jobs: submit, read, list, cancel, each seen from two tenants. */
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

/* --- submit and get ------------------------------------------------------------------------- */

static void
what_was_submitted_is_read_back(void **state)
{
	struct job_submission s = fixture_submission();
	struct uuid id;
	struct job j;

	(void)state;
	s.spec.name = "a \"name\"";
	s.spec.labels = "{\"team\":\"aero\"}";
	s.spec.priority = -7;
	s.spec.cpu_milli = 2300;
	s.manifest =
	    "{\"environment\":\"demo\",\"name\":\"a \\\"name\\\"\"} trailing bytes are not its own";
	s.manifest_n = strlen("{\"environment\":\"demo\",\"name\":\"a \\\"name\\\"\"}");
	id = fixture_submit_as(&f, &f.alpha, &s);
	j = fixture_get(&f, &f.alpha, id);
	assert_int_equal(uuid_cmp(j.id, id), 0);
	assert_int_equal(j.state, JOB_QUEUED);
	assert_string_equal(j.environment, "demo");
	assert_string_equal(j.name, "a \"name\"");
	assert_string_equal(j.labels, "{\"team\": \"aero\"}");
	assert_string_equal(
	    j.manifest, "{\"name\": \"a \\\"name\\\"\", \"environment\": \"demo\"}");
	assert_null(j.cause);
	assert_int_equal(j.priority, -7);
	assert_int_equal(j.cpu_milli, 2300);
	assert_int_equal(j.memory_bytes, 64 * MIB);
	assert_int_equal(j.attempt, 0);
	assert_int_equal(j.epoch, 0);
	assert_true(j.created_wall_us > 0);
	assert_int_equal(j.claimed_wall_us + j.started_wall_us + j.ended_wall_us, 0);
	assert_int_equal(j.cancel_requested_wall_us, 0);
	assert_int_equal(j.wall_ns + j.cpu_ns + j.memory_peak_bytes, 0);
	assert_false(j.log_truncated);
}

static void
a_submission_is_whole_and_audited(void **state)
{
	struct uuid id = fixture_submit(&f);
	char resource[ID_STR_SIZE];

	(void)state;
	assert_int_equal(fixture_count(&f, "select count(*) from wardian.job"), 1);
	assert_int_equal(fixture_count(&f, "select count(*) from wardian.job_manifest"), 1);
	assert_int_equal(
	    fixture_count(&f, "select count(*) from wardian.job_queue where state = 'queued'"), 1);
	assert_int_equal(fixture_count(&f, "select count(*) from wardian.idempotency"), 0);
	assert_string_equal(
	    test_text(f.t.url,
		"select concat_ws(' ', action, outcome, entry::json ->> 'request_id', "
		"entry::json ->> 'source') from wardian.audit_log"),
	    "job.create ok req-00000001 192.0.2.1");
	assert_string_equal(test_text(f.t.url, "select resource from wardian.audit_log"),
	    id_format("job", id, resource));
}

static void
a_manifest_that_the_database_refuses_leaves_nothing_behind(void **state)
{
	struct job_submission s = fixture_submission();
	struct uuid id = { 0 };
	bool replayed;
	struct err e = { 0 };

	(void)state;
	s.manifest = "{";
	s.manifest_n = 1;
	s.idempotency_key = "k";
	assert_int_equal(job_submit(f.db, FIXTURE_BY(&f.alpha), &s, f.mem, &id, &replayed, &e), -1);
	assert_true(uuid_is_nil(id));
	assert_int_equal(fixture_count(&f, "select count(*) from wardian.job"), 0);
	assert_int_equal(fixture_count(&f, "select count(*) from wardian.idempotency"), 0);
	assert_int_equal(fixture_count(&f, "select count(*) from wardian.audit_log"), 0);
}

/* --- idempotency ---------------------------------------------------------------------------- */

static void
a_repeated_key_answers_with_the_first_job(void **state)
{
	struct job_submission s = fixture_submission();
	struct uuid first, again = { 0 };
	bool replayed = false;
	struct err e = { 0 };

	(void)state;
	s.idempotency_key = "order-1";
	memset(s.fingerprint, 1, sizeof(s.fingerprint));
	first = fixture_submit_as(&f, &f.alpha, &s);
	must(job_submit(f.db, FIXTURE_BY(&f.alpha), &s, f.mem, &again, &replayed, &e));
	assert_true(replayed);
	assert_int_equal(uuid_cmp(first, again), 0);
	assert_int_equal(fixture_count(&f, "select count(*) from wardian.job"), 1);
	assert_int_equal(fixture_count(&f, "select count(*) from wardian.audit_log"), 1);
}

static void
a_key_used_for_another_request_is_refused(void **state)
{
	struct job_submission s = fixture_submission();
	struct uuid id = { 0 };
	bool replayed = false;
	struct err e = { 0 };

	(void)state;
	s.idempotency_key = "order-1";
	memset(s.fingerprint, 1, sizeof(s.fingerprint));
	(void)fixture_submit_as(&f, &f.alpha, &s);
	s.fingerprint[31] ^= 1;
	must_fail(ERR_IDEMPOTENCY_REUSED,
	    job_submit(f.db, FIXTURE_BY(&f.alpha), &s, f.mem, &id, &replayed, &e));
	assert_true(uuid_is_nil(id));
	assert_false(replayed);
	assert_int_equal(fixture_count(&f, "select count(*) from wardian.job"), 1);
}

static void
keys_of_two_tenants_never_meet(void **state)
{
	struct job_submission s = fixture_submission();
	struct uuid mine, theirs;

	(void)state;
	s.idempotency_key = "order-1";
	mine = fixture_submit_as(&f, &f.alpha, &s);
	s.fingerprint[0] = 9;
	theirs = fixture_submit_as(&f, &f.beta, &s);
	assert_int_not_equal(uuid_cmp(mine, theirs), 0);
}

struct submitter {
	struct thread thread;
	struct uuid id;
	bool replayed;
	int rc;
	struct err e;
};

static void *
submit_with_key(void *arg)
{
	struct submitter *u = arg;
	struct job_submission s = fixture_submission();
	AUTO(arena) mem = arena_new(1 << 20);

	s.idempotency_key = "the-same";
	u->rc = job_submit(f.db, FIXTURE_BY(&f.alpha), &s, mem, &u->id, &u->replayed, &u->e);
	return NULL;
}

static void
equal_requests_at_once_make_one_job(void **state)
{
	struct submitter u[32] = { 0 };
	struct err e = { 0 };
	int first = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(u); i++)
		must(thread_start(&u[i].thread, "submit", submit_with_key, &u[i], &e));
	for (size_t i = 0; i < ARRAY_LEN(u); i++)
		thread_join(&u[i].thread);
	for (size_t i = 0; i < ARRAY_LEN(u); i++) {
		if (u[i].rc != 0)
			fail_msg("%s", u[i].e.msg);
		assert_int_equal(uuid_cmp(u[i].id, u[0].id), 0);
		first += !u[i].replayed;
	}
	assert_int_equal(first, 1);
	assert_int_equal(fixture_count(&f, "select count(*) from wardian.job"), 1);
	assert_int_equal(fixture_count(&f, "select count(*) from wardian.job_queue"), 1);
}

/* --- quota ---------------------------------------------------------------------------------- */

static void
a_used_up_quota_refuses_with_both_numbers_and_only_its_own_tenant(void **state)
{
	struct job_submission s = fixture_submission();
	struct uuid id = { 0 };
	bool replayed;
	struct err e = { 0 };

	(void)state;
	s.quota.jobs_queued = 3;
	for (int i = 0; i < 3; i++)
		(void)fixture_submit_as(&f, &f.alpha, &s);
	s.idempotency_key = "not kept";
	must_fail(ERR_QUOTA, job_submit(f.db, FIXTURE_BY(&f.alpha), &s, f.mem, &id, &replayed, &e));
	assert_non_null(strstr(e.msg, "3 of at most 3"));
	assert_int_equal(fixture_count(&f, "select count(*) from wardian.job"), 3);
	assert_int_equal(fixture_count(&f, "select count(*) from wardian.idempotency"), 0);
	assert_int_equal(fixture_count(&f, "select count(*) from wardian.audit_log"), 3);
	(void)fixture_submit_as(&f, &f.beta, &s);
}

static void
a_claimed_job_no_longer_counts_as_waiting(void **state)
{
	struct job_submission s = fixture_submission();
	struct uuid id;

	(void)state;
	s.quota.jobs_queued = 1;
	id = fixture_submit_as(&f, &f.alpha, &s);
	assert_true(fixture_claim(&f, &f.alpha, id) > 0);
	(void)fixture_submit_as(&f, &f.alpha, &s);
}

static void
a_quota_beyond_a_page_of_rows_still_holds(void **state)
{
	struct job_submission s = fixture_submission();
	struct uuid id;
	bool replayed;
	struct err e = { 0 };

	(void)state;
	s.quota.jobs_queued = 200;
	for (int i = 0; i < 200; i++)
		(void)fixture_submit_as(&f, &f.alpha, &s);
	must_fail(ERR_QUOTA, job_submit(f.db, FIXTURE_BY(&f.alpha), &s, f.mem, &id, &replayed, &e));
}

/* --- list ----------------------------------------------------------------------------------- */

static void
list(const struct principal *who, const struct job_filter *filter, struct job **ret, size_t *ret_n,
    bool *ret_more)
{
	struct err e = { 0 };

	must(job_list(
	    f.db, who->tenant, &fixture_everywhere, filter, f.mem, ret, ret_n, ret_more, &e));
}

static int
later_first(const void *a, const void *b)
{
	return uuid_cmp(*(const struct uuid *)b, *(const struct uuid *)a);
}

static void
pages_are_newest_first_without_gaps_or_repeats(void **state)
{
	struct uuid ids[7]; /* two of one millisecond have no order but that of their ids */
	struct job_filter filter = { .limit = 3 };
	size_t seen = 0;
	bool more = true;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		ids[i] = fixture_submit(&f);
	qsort(ids, ARRAY_LEN(ids), sizeof(ids[0]), later_first);
	while (more) {
		struct job *page;
		size_t n;

		list(&f.alpha, &filter, &page, &n, &more);
		assert_true(n >= 1 && n <= 3);
		for (size_t i = 0; i < n; i++, seen++)
			assert_int_equal(uuid_cmp(page[i].id, ids[seen]), 0);
		filter.before = page[n - 1].id;
	}
	assert_int_equal(seen, ARRAY_LEN(ids));
}

static void
a_page_that_ends_exactly_promises_no_other(void **state)
{
	struct job_filter filter = { .limit = 2 };
	struct job *page;
	bool more = true;
	size_t n;

	(void)state;
	list(&f.alpha, &filter, &page, &n, &more);
	assert_int_equal(n, 0);
	assert_false(more);
	(void)fixture_submit(&f);
	(void)fixture_submit(&f);
	list(&f.alpha, &filter, &page, &n, &more);
	assert_int_equal(n, 2);
	assert_false(more);
}

static void
expect_only(const struct job_filter *filter, const struct uuid *ids, size_t n_ids)
{
	struct job *page;
	bool more;
	size_t n;

	list(&f.alpha, filter, &page, &n, &more);
	assert_int_equal(n, n_ids);
	for (size_t i = 0; i < n; i++) {
		size_t k = 0;

		while (k < n_ids && uuid_cmp(page[i].id, ids[k]) != 0)
			k++;
		assert_true(k < n_ids);
	}
}

static void
filters_choose_by_state_environment_and_label(void **state)
{
	static const struct environment other = { .name = "other", .digest = "00" };
	struct job_submission s = fixture_submission();
	struct uuid queued, running, failed;
	struct job_filter filter = { .limit = 50 };

	(void)state;
	queued = fixture_submit_as(&f, &f.alpha, &s);
	s.spec.labels = "{\"team\":\"aero\",\"run\":\"1\"}";
	running = fixture_submit_as(&f, &f.alpha, &s);
	s.spec.environment = &other;
	failed = fixture_submit_as(&f, &f.alpha, &s);
	assert_int_equal(fixture_claim(&f, &f.alpha, running), 1);
	assert_true(fixture_step(&f, running, 1, JOB_CLAIMED, JOB_ON_STARTED));
	assert_int_equal(fixture_claim(&f, &f.alpha, failed), 1);
	assert_true(fixture_step(&f, failed, 1, JOB_CLAIMED, JOB_ON_EXITED_BAD));

	filter.by_state = true;
	filter.state = JOB_QUEUED;
	expect_only(&filter, &queued, 1);
	filter.state = JOB_RUNNING;
	expect_only(&filter, &running, 1);
	filter.state = JOB_FAILED;
	expect_only(&filter, &failed, 1);
	filter.state = JOB_SUCCEEDED;
	expect_only(&filter, NULL, 0);
	filter.by_state = false;
	filter.environment = "other";
	expect_only(&filter, &failed, 1);
	filter.environment = "Other";
	expect_only(&filter, NULL, 0);
	filter.environment = NULL;
	filter.label_name = "team";
	filter.label_value = "aero";
	expect_only(&filter, (struct uuid[]){ failed, running }, 2);
	filter.label_value = "aer";
	expect_only(&filter, NULL, 0);
	filter.label_value = "aero";
	filter.by_state = true;
	filter.state = JOB_RUNNING;
	expect_only(&filter, &running, 1);
	filter.state = JOB_QUEUED;
	expect_only(&filter, NULL, 0);
}

/* --- cancel --------------------------------------------------------------------------------- */

static void
a_wish_to_cancel_is_kept_once_and_audited_once(void **state)
{
	struct uuid id = fixture_submit(&f);
	int64_t first;
	struct err e = { 0 };

	(void)state;
	must(fixture_cancel(&f, &f.alpha, id, &e));
	first = fixture_get(&f, &f.alpha, id).cancel_requested_wall_us;
	assert_true(first > 0);
	must(fixture_cancel(&f, &f.alpha, id, &e));
	assert_int_equal(fixture_get(&f, &f.alpha, id).cancel_requested_wall_us, first);
	fixture_expect_state(&f, id, JOB_QUEUED); /* a wish is no move */
	assert_int_equal(
	    fixture_count(&f, "select count(*) from wardian.audit_log where action = 'job.cancel'"),
	    1);
}

static void
a_job_that_is_over_cannot_be_canceled(void **state)
{
	struct uuid id = fixture_submit(&f);
	struct err e = { 0 };

	(void)state;
	assert_int_equal(fixture_claim(&f, &f.alpha, id), 1);
	assert_true(fixture_step(&f, id, 1, JOB_CLAIMED, JOB_ON_EXITED_OK));
	must_fail(ERR_CONFLICT, fixture_cancel(&f, &f.alpha, id, &e));
	assert_non_null(strstr(e.msg, "succeeded"));
	assert_int_equal(
	    fixture_count(&f, "select count(*) from wardian.audit_log where action = 'job.cancel'"),
	    0);
}

static void
a_canceled_job_remembers_when_it_was_wished(void **state)
{
	struct uuid id = fixture_submit(&f);
	int64_t wished;
	struct job j;
	struct err e = { 0 };

	(void)state;
	must(fixture_cancel(&f, &f.alpha, id, &e));
	wished = fixture_get(&f, &f.alpha, id).cancel_requested_wall_us;
	assert_int_equal(fixture_claim(&f, &f.alpha, id), 0); /* not started for nothing */
	assert_true(fixture_step(&f, id, 0, JOB_QUEUED, JOB_ON_CANCEL));
	j = fixture_get(&f, &f.alpha, id);
	assert_int_equal(j.state, JOB_CANCELED);
	assert_int_equal(j.cancel_requested_wall_us, wished);
	assert_true(j.ended_wall_us >= wished);
}

/* --- history -------------------------------------------------------------------------------- */

static void
history_is_empty_then_in_order(void **state)
{
	static const char *const to[] = { "claimed", "running", "succeeded" };
	struct uuid id = fixture_submit(&f);
	struct job_move_record *moves;
	size_t n = 9;
	struct err e = { 0 };

	(void)state;
	must(job_history(f.db, f.alpha.tenant, &fixture_everywhere, id, f.mem, &moves, &n, &e));
	assert_int_equal(n, 0);
	assert_int_equal(fixture_claim(&f, &f.alpha, id), 1);
	assert_true(fixture_step(&f, id, 1, JOB_CLAIMED, JOB_ON_STARTED));
	assert_true(fixture_step(&f, id, 1, JOB_RUNNING, JOB_ON_EXITED_OK));
	must(job_history(f.db, f.alpha.tenant, &fixture_everywhere, id, f.mem, &moves, &n, &e));
	assert_int_equal(n, 3);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(moves[i].number, i);
		assert_string_equal(moves[i].to, to[i]);
		assert_string_equal(moves[i].from, i == 0 ? "queued" : to[i - 1]);
		assert_true(i == 0 || moves[i].at_wall_us >= moves[i - 1].at_wall_us);
	}
	assert_string_equal(moves[0].event, "claim");
	assert_null(moves[2].detail);
}

/* --- strangers ------------------------------------------------------------------------------ */

static void
a_foreign_job_is_not_there_in_any_function(void **state)
{
	struct uuid mine = fixture_submit(&f), nobody = uuid_v7();
	const struct uuid ids[] = { mine, nobody };
	struct job_filter filter = { .limit = 10 };
	struct job_move_record *moves;
	struct result_value *values;
	struct result_point *points;
	struct err told[2][3], e = { 0 };
	struct job *page, j;
	bool more;
	size_t n;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		memset(told[i], 0, sizeof(told[i]));
		assert_int_equal(job_get(f.db, f.beta.tenant, &fixture_everywhere, ids[i], f.mem,
				     &j, &told[i][0]),
		    -1);
		assert_int_equal(fixture_cancel(&f, &f.beta, ids[i], &told[i][1]), -1);
		assert_int_equal(job_history(f.db, f.beta.tenant, &fixture_everywhere, ids[i],
				     f.mem, &moves, &n, &told[i][2]),
		    -1);
		for (size_t k = 0; k < 3; k++)
			assert_int_equal(told[i][k].code, ERR_NOT_FOUND);
	}
	list(&f.beta, &filter, &page, &n, &more);
	assert_int_equal(n, 0);
	/* The cursor of another tenant is only a place in one's own list. */
	filter.before = mine;
	list(&f.beta, &filter, &page, &n, &more);
	assert_int_equal(n, 0);
	must(result_values(f.db, f.beta.tenant, mine, f.mem, &values, &n, &e));
	assert_int_equal(n, 0);
	must(result_points(f.db, f.beta.tenant, mine, NULL, 10, f.mem, &points, &n, &e));
	assert_int_equal(n, 0);
	assert_int_equal(fixture_count(&f, "select count(*) from wardian.job_queue "
					   "where cancel_requested_at is not null"),
	    0);
	assert_int_equal(fixture_count(&f, "select count(*) from wardian.audit_log"), 1);
}

static struct scope
scope_of(struct uuid a, struct uuid b)
{
	struct scope s = { .n = 2, .projects = { a, b } };

	return s;
}

static struct uuid
submit_to(const char *project)
{
	struct job_submission s = fixture_submission();

	s.spec.project = project;
	return fixture_submit_as(&f, &f.alpha, &s);
}

static void
what_lies_outside_the_scope_is_not_there(void **state)
{
	struct scope nothing = { .n = 0 }, other = { .n = 1 };
	const struct scope *const scopes[] = { &nothing, &other };
	struct uuid id;
	struct job_move_record *moves;
	struct err told[4], e = { 0 };
	struct job j;
	size_t n;

	(void)state;
	other.projects[0] = fixture_project(&f, &f.alpha, "other");
	(void)fixture_project(&f, &f.alpha, "mine");
	id = submit_to("mine");
	must_fail(
	    ERR_NOT_FOUND, job_get(f.db, f.beta.tenant, &fixture_everywhere, id, f.mem, &j, &e));
	for (size_t i = 0; i < ARRAY_LEN(scopes); i++) {
		memset(told, 0, sizeof(told));
		assert_int_equal(
		    job_get(f.db, f.alpha.tenant, scopes[i], id, f.mem, &j, &told[0]), -1);
		assert_int_equal(job_cancel(f.db, f.alpha.tenant, scopes[i], FIXTURE_BY(&f.alpha),
				     id, f.mem, &told[1]),
		    -1);
		assert_int_equal(
		    job_history(f.db, f.alpha.tenant, scopes[i], id, f.mem, &moves, &n, &told[2]),
		    -1);
		for (size_t k = 0; k < 3; k++) {
			assert_int_equal(told[k].code, ERR_NOT_FOUND);
			assert_string_equal(told[k].msg, e.msg); /* as for a foreign id */
		}
	}
	assert_int_equal(fixture_get(&f, &f.alpha, id).cancel_requested_wall_us, 0);
	other.projects[0] = fixture_project(&f, &f.alpha, "mine");
	must(job_cancel(f.db, f.alpha.tenant, &other, FIXTURE_BY(&f.alpha), id, f.mem, &e));
	must(job_history(f.db, f.alpha.tenant, &other, id, f.mem, &moves, &n, &e));
	must(job_get(f.db, f.alpha.tenant, &other, id, f.mem, &j, &e));
	assert_true(j.cancel_requested_wall_us > 0);
}

/* Walks all pages and counts; ids fall and projects lie in the scope, or it fails. */
static size_t
count_listed(const struct scope *scope, struct job_filter filter)
{
	struct uuid last;
	size_t seen = 0, n;
	bool more = true;
	struct job *page;
	struct err e = { 0 };

	memset(&last, 0xff, sizeof(last));
	while (more) {
		must(job_list(f.db, f.alpha.tenant, scope, &filter, f.mem, &page, &n, &more, &e));
		for (size_t i = 0; i < n; i++) {
			assert_true(uuid_cmp(page[i].id, last) < 0);
			assert_true(scope_has(scope, page[i].project));
			last = page[i].id;
		}
		seen += n;
		filter.before = last;
	}
	return seen;
}

static void
lists_show_the_projects_of_the_scope_in_one_order(void **state)
{
	static const char *const names[] = { "one", "two", "three" };
	struct job_filter filter = { .limit = 4 };
	struct scope nothing = { .n = 0 }, two;
	struct uuid projects[3];

	(void)state;
	for (size_t i = 0; i < 3; i++)
		projects[i] = fixture_project(&f, &f.alpha, names[i]);
	for (int i = 0; i < 30; i++) {
		struct uuid id = submit_to(names[i % 3]);

		if (i % 2 == 0)
			continue;
		assert_int_equal(fixture_claim(&f, &f.alpha, id), 1);
		if (i % 4 == 1)
			assert_true(fixture_step(&f, id, 1, JOB_CLAIMED, JOB_ON_EXITED_OK));
	}
	two = scope_of(projects[0], projects[2]);
	assert_int_equal(count_listed(&fixture_everywhere, filter), 30);
	assert_int_equal(count_listed(&two, filter), 20);
	assert_int_equal(count_listed(&nothing, filter), 0);
	filter.project = projects[2];
	assert_int_equal(count_listed(&two, filter), 10);
	filter.project = projects[1];
	assert_int_equal(count_listed(&two, filter), 0);
	assert_int_equal(count_listed(&fixture_everywhere, filter), 10);
	filter.project = (struct uuid){ 0 };
	filter.by_state = true;
	for (int everywhere = 0; everywhere < 2; everywhere++) {
		const struct scope *scope = everywhere ? &fixture_everywhere : &two;

		filter.state = JOB_SUCCEEDED; /* 1, 5, ... 29: of them 1 mod 3 are 1, 13, 25 */
		assert_int_equal(count_listed(scope, filter), everywhere ? 8 : 5);
		filter.state = JOB_CLAIMED; /* 3, 7, ... 27: of them 1 mod 3 are 7, 19 */
		assert_int_equal(count_listed(scope, filter), everywhere ? 7 : 5);
		filter.state = JOB_QUEUED; /* the even ones */
		assert_int_equal(count_listed(scope, filter), everywhere ? 15 : 10);
		filter.state = JOB_FAILED;
		assert_int_equal(count_listed(scope, filter), 0);
	}
}

static void
another_tenant_s_backlog_does_not_change_what_one_sees(void **state)
{
	struct job_submission s = fixture_submission();
	struct job_filter filter = { .limit = 2 };
	struct uuid mine = fixture_submit(&f);
	struct job *page;
	bool more;
	size_t n;

	(void)state;
	for (int i = 0; i < 5; i++)
		(void)fixture_submit_as(&f, &f.beta, &s);
	list(&f.alpha, &filter, &page, &n, &more);
	assert_int_equal(n, 1);
	assert_false(more);
	assert_int_equal(uuid_cmp(page[0].id, mine), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_was_submitted_is_read_back, clear),
		cmocka_unit_test_setup(a_submission_is_whole_and_audited, clear),
		cmocka_unit_test_setup(
		    a_manifest_that_the_database_refuses_leaves_nothing_behind, clear),
		cmocka_unit_test_setup(a_repeated_key_answers_with_the_first_job, clear),
		cmocka_unit_test_setup(a_key_used_for_another_request_is_refused, clear),
		cmocka_unit_test_setup(keys_of_two_tenants_never_meet, clear),
		cmocka_unit_test_setup(equal_requests_at_once_make_one_job, clear),
		cmocka_unit_test_setup(
		    a_used_up_quota_refuses_with_both_numbers_and_only_its_own_tenant, clear),
		cmocka_unit_test_setup(a_claimed_job_no_longer_counts_as_waiting, clear),
		cmocka_unit_test_setup(a_quota_beyond_a_page_of_rows_still_holds, clear),
		cmocka_unit_test_setup(pages_are_newest_first_without_gaps_or_repeats, clear),
		cmocka_unit_test_setup(a_page_that_ends_exactly_promises_no_other, clear),
		cmocka_unit_test_setup(filters_choose_by_state_environment_and_label, clear),
		cmocka_unit_test_setup(a_wish_to_cancel_is_kept_once_and_audited_once, clear),
		cmocka_unit_test_setup(a_job_that_is_over_cannot_be_canceled, clear),
		cmocka_unit_test_setup(a_canceled_job_remembers_when_it_was_wished, clear),
		cmocka_unit_test_setup(history_is_empty_then_in_order, clear),
		cmocka_unit_test_setup(a_foreign_job_is_not_there_in_any_function, clear),
		cmocka_unit_test_setup(what_lies_outside_the_scope_is_not_there, clear),
		cmocka_unit_test_setup(lists_show_the_projects_of_the_scope_in_one_order, clear),
		cmocka_unit_test_setup(
		    another_tenant_s_backlog_does_not_change_what_one_sees, clear),
	};
	int rc;

	fixture_open(&f);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	fixture_close(&f);
	return rc;
}
