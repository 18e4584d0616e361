/* SPDX-License-Identifier: Apache-2.0 */
/* Projects: what is seen of them from inside and outside, and what keeps them. */
#include "identity_fixture.h"

static struct fixture f;
static const struct scope everywhere = { .everywhere = true };

static int
setup(void **state)
{
	(void)state;
	fixture_fresh(&f);
	return 0;
}

static struct identity_project
default_project(void)
{
	const struct identity_project_filter all = { .page.limit = 200, .scope = &everywhere };
	struct identity_projects list;
	struct err e = { 0 };

	must(identity_project_list(f.db, f.alpha, &all, f.mem, &list, &e));
	for (size_t i = 0; i < list.n; i++)
		if (strcmp(list.p[i].name, "default") == 0)
			return list.p[i];
	fail_msg("there is no default project");
	return (struct identity_project){ 0 };
}

static int
update(const struct identity_ask *a, struct uuid id, struct identity_project_change c,
    struct identity_project *ret, struct err *e)
{
	*e = (struct err){ 0 };
	return identity_project_update(a, id, &c, IDENTITY_ANY_VERSION, ret, e);
}

static void
a_project_is_made_changed_and_removed(void **state)
{
	struct identity_project p, got;
	struct err e = { 0 };

	(void)state;
	must(identity_project_create(&f.root, "aero", " Wings ", &p, &e));
	assert_string_equal(p.title, "Wings");
	must(update(&f.root, p.id,
	    (struct identity_project_change){
		.name = { true, "aero-2" }, .title = { true, NULL }, .archived = { true, true } },
	    &got, &e));
	assert_string_equal(got.name, "aero-2");
	assert_null(got.title);
	assert_in_range(clock_wall_us() - got.archived_wall_us, 0, 60000000);
	assert_int_equal(got.version, 2);
	fixture_expect_entry(&f, f.alpha, "\"name\":[\"aero\",\"aero-2\"]");
	fixture_expect_entry(&f, f.alpha, "\"archived\":[false,true]");
	must(update(&f.root, p.id, (struct identity_project_change){ .archived = { .set = true } },
	    &got, &e));
	assert_int_equal(got.archived_wall_us, 0);
	must_fail(ERR_PRECONDITION, identity_project_delete(&f.root, p.id, 2, &e));
	must(identity_project_delete(&f.root, p.id, 3, &e));
	must_fail(
	    ERR_NOT_FOUND, identity_project_get(f.db, f.alpha, &everywhere, p.id, f.mem, &got, &e));
}

static void
names_are_labels_and_unique(void **state)
{
	static const char *const bad[] = { "", "A", "a_b", "-a", "a-", "a.b", "\xc3\xa4",
		"a123456789012345678901234567890123456789012345678901234567890123" };
	struct identity_project p, q;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		e = (struct err){ 0 };
		must_fail(ERR_INVALID, identity_project_create(&f.root, bad[i], NULL, &p, &e));
		fixture_expect_field(&e, "/name");
	}
	p = fixture_project(&f.root, "a");
	q = fixture_project(&f.root, "b");
	must_fail(ERR_NAME_TAKEN, identity_project_create(&f.root, "default", NULL, &p, &e));
	must_fail(
	    ERR_NAME_TAKEN, update(&f.root, q.id,
				(struct identity_project_change){ .name = { true, "a" } }, &p, &e));
	fixture_expect_field(&e, "/name");
	(void)fixture_project(&f.root_beta, "a");
}

static void
the_default_project_stays_as_it_is(void **state)
{
	struct identity_project p = default_project(), got;
	struct err e;

	(void)state;
	must_fail(
	    ERR_IN_USE, update(&f.root, p.id,
			    (struct identity_project_change){ .name = { true, "x" } }, &got, &e));
	must_fail(ERR_IN_USE,
	    update(&f.root, p.id, (struct identity_project_change){ .archived = { true, true } },
		&got, &e));
	must_fail(ERR_IN_USE, identity_project_delete(&f.root, p.id, IDENTITY_ANY_VERSION, &e));
	must(update(&f.root, p.id, (struct identity_project_change){ .title = { true, "Rest" } },
	    &got, &e));
}

static void
who_is_limited_to_a_project_sees_no_other(void **state)
{
	struct identity_project red = fixture_project(&f.root, "red");
	struct identity_project blue = fixture_project(&f.root, "blue"), got;
	const struct identity_project_change title = { .title = { true, "x" } };
	struct scope scope = { .n = 1, .projects = { red.id } };
	struct identity_project_filter filter = { .page.limit = 200, .scope = &scope };
	struct identity_projects list;
	struct actor viewer, lead;
	struct err e = { 0 };

	(void)state;
	must(identity_project_list(f.db, f.alpha, &filter, f.mem, &list, &e));
	assert_int_equal(list.n, 1);
	assert_string_equal(list.p[0].name, "red");
	must(identity_project_get(f.db, f.alpha, &scope, red.id, f.mem, &got, &e));
	must_fail(
	    ERR_NOT_FOUND, identity_project_get(f.db, f.alpha, &scope, blue.id, f.mem, &got, &e));
	fixture_actor(&f.root, "viewer", NULL, &viewer);
	fixture_actor(&f.root, "lead", NULL, &lead);
	(void)fixture_assign(&f.root, viewer.who.user, "viewer", red.id);
	(void)fixture_assign(&f.root, lead.who.user, "admin", red.id);
	must(update(&lead.ask, red.id, title, &got, &e));
	must_fail(ERR_NOT_FOUND, update(&lead.ask, blue.id, title, &got, &e));
	must_fail(ERR_DENIED, update(&viewer.ask, red.id, title, &got, &e));
	/* An admin of both sees blue from above, once it may read everywhere. */
	(void)fixture_assign(&f.root, lead.who.user, "viewer", fixture_nil);
	must_fail(ERR_DENIED, update(&lead.ask, blue.id, title, &got, &e));
	/* Making and deleting are of the whole tenant. */
	must_fail(ERR_DENIED, identity_project_create(&lead.ask, "green", NULL, &got, &e));
	must_fail(ERR_DENIED, identity_project_delete(&lead.ask, red.id, IDENTITY_ANY_VERSION, &e));
}

static void
a_project_with_jobs_is_not_deleted(void **state)
{
	struct identity_project red = fixture_project(&f.root, "red");
	char sql[1024], tenant[UUID_STR_SIZE], project[UUID_STR_SIZE];
	struct err e = { 0 };

	(void)state;
	(void)snprintf(sql, sizeof(sql),
	    "insert into job (tenant_id, job_id, project_id, environment, environment_digest, "
	    "priority, cpu_milli, memory_bytes, created_by) values ('%s', gen_random_uuid(), '%s', "
	    "'python', 'x', 0, 1000, 1000, gen_random_uuid())",
	    uuid_format(f.alpha.uuid, tenant), uuid_format(red.id, project));
	test_script(f.t.url, sql);
	must_fail(ERR_IN_USE, identity_project_delete(&f.root, red.id, IDENTITY_ANY_VERSION, &e));
	assert_non_null(strstr(e.msg, "archive"));
}

static void
a_project_goes_with_its_roles_and_limits(void **state)
{
	struct identity_project red = fixture_project(&f.root, "red");
	struct identity_user u = fixture_user(&f.root, "u", NULL, true), got;
	char sql[512], tenant[UUID_STR_SIZE], project[UUID_STR_SIZE];
	int64_t version = fixture_access_version(&f, f.alpha);
	struct err e = { 0 };

	(void)state;
	(void)fixture_assign(&f.root, u.id, "engineer", red.id);
	(void)snprintf(sql, sizeof(sql),
	    "insert into project_quota (tenant_id, project_id, name, amount) values ('%s', '%s', "
	    "'jobs_queued', 1)",
	    uuid_format(f.alpha.uuid, tenant), uuid_format(red.id, project));
	test_script(f.t.url, sql);
	must(identity_project_delete(&f.root, red.id, IDENTITY_ANY_VERSION, &e));
	must(identity_user_get(f.db, f.alpha, u.id, f.mem, &got, &e));
	assert_int_equal(got.roles.n, 0);
	assert_int_equal(got.version, 3);
	assert_int_equal(fixture_access_version(&f, f.alpha), version + 2);
}

static void
whoever_deletes_a_project_takes_its_roles_and_needs_them(void **state)
{
	struct identity_project red = fixture_project(&f.root, "red");
	struct identity_user u = fixture_user(&f.root, "u", "owner", true);
	struct actor cleaner;
	struct err e = { 0 };

	(void)state;
	(void)fixture_assign(&f.root, u.id, "engineer", red.id);
	(void)fixture_role(
	    &f.root, "cleaner", PERM_BIT(PERM_PROJECT_DELETE) | PERM_BIT(PERM_PROJECT_READ));
	fixture_actor(&f.root, "cleaner", "cleaner", &cleaner);
	must_fail(
	    ERR_LACKING, identity_project_delete(&cleaner.ask, red.id, IDENTITY_ANY_VERSION, &e));
	must(identity_project_delete(
	    &cleaner.ask, fixture_project(&f.root, "empty").id, IDENTITY_ANY_VERSION, &e));
}

enum { RACERS = 8 };
struct racer {
	char name[8];
	int rc;
	enum err_code code;
	struct thread thread;
};

static void *
race(void *arg)
{
	struct racer *r = arg;
	struct identity_ask ask = f.root;
	struct identity_project p;
	struct err e = { 0 };

	ask.mem = arena_new((size_t)4 << 20);
	r->rc = identity_project_create(&ask, r->name, NULL, &p, &e);
	r->code = e.code;
	arena_free(ask.mem);
	return NULL;
}

static void
the_limit_on_projects_is_exact_in_a_race(void **state)
{
	struct racer racers[RACERS];
	int made = 0;
	struct err e = { 0 };

	(void)state;
	f.quotas.amount[QUOTA_PROJECTS] = 4; /* one is there */
	for (int i = 0; i < RACERS; i++) {
		racers[i] = (struct racer){ .rc = -1 };
		(void)snprintf(racers[i].name, sizeof(racers[i].name), "p%d", i);
		must(thread_start(&racers[i].thread, "racer", race, &racers[i], &e));
	}
	for (int i = 0; i < RACERS; i++) {
		thread_join(&racers[i].thread);
		made += racers[i].rc == 0;
		if (racers[i].rc < 0)
			assert_int_equal(racers[i].code, ERR_QUOTA);
	}
	assert_int_equal(made, 3);
}

static void
projects_of_others_are_not_there(void **state)
{
	struct identity_project theirs = fixture_project(&f.root_beta, "red"), got;
	struct identity_project_filter all = { .page.limit = 200, .scope = &everywhere };
	struct identity_projects list;
	struct err e;

	(void)state;
	must_fail(ERR_NOT_FOUND,
	    update(&f.root, theirs.id, (struct identity_project_change){ .title = { true, "x" } },
		&got, &e));
	must_fail(
	    ERR_NOT_FOUND, identity_project_delete(&f.root, theirs.id, IDENTITY_ANY_VERSION, &e));
	must_fail(ERR_NOT_FOUND,
	    identity_project_get(f.db, f.alpha, &everywhere, theirs.id, f.mem, &got, &e));
	must(identity_project_list(f.db, f.alpha, &all, f.mem, &list, &e));
	assert_int_equal(list.n, 1);
	all.archived = (struct identity_flag){ true, true };
	must(identity_project_list(f.db, f.alpha, &all, f.mem, &list, &e));
	assert_int_equal(list.n, 0);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)
static const struct CMUnitTest tests[] = {
	TEST(a_project_is_made_changed_and_removed),
	TEST(names_are_labels_and_unique),
	TEST(the_default_project_stays_as_it_is),
	TEST(who_is_limited_to_a_project_sees_no_other),
	TEST(a_project_with_jobs_is_not_deleted),
	TEST(a_project_goes_with_its_roles_and_limits),
	TEST(whoever_deletes_a_project_takes_its_roles_and_needs_them),
	TEST(the_limit_on_projects_is_exact_in_a_race),
	TEST(projects_of_others_are_not_there),
};

int
main(void)
{
	int rc;

	fixture_open(&f);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	fixture_close(&f);
	return rc;
}
