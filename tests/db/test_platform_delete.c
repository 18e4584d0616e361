/* SPDX-License-Identifier: Apache-2.0 */
/* The deletion of tenants by the workers of several daemons: what they remove, for whom they wait,
 * and what happens when one of them fails or stops halfway. */
#include "test_db.h"

#include "audit.h"
#include "clock.h"
#include "job.h"
#include "lock.h"
#include "platform.h"

enum { NODES = 2, WAIT_MS = 20000 };

/* One daemon: its node, its directory of runs, and what it was asked to forget. */
struct node {
	struct uuid id;
	char dir[64];
	int runs_dirfd;
	struct platform_worker *worker;
	struct lock lock;
	int fail;               /* under lock: calls of forget that fail from now on */
	struct tenant_id stuck; /* the one that it always fails for; nil: none */
	int n_forgotten;
	struct tenant_id forgotten;
};

static struct test_db t;
static struct db *db;
static struct arena *mem;
static struct node nodes[NODES];
static const struct caller nobody;

static struct platform_ask
ask(void)
{
	return (struct platform_ask){ .db = db, .by = &nobody, .mem = mem };
}

static int
forget(void *ctx, struct tenant_id tenant, struct err *e)
{
	struct node *n = ctx;
	bool fails;

	lock_take(&n->lock);
	fails = n->fail > 0;
	n->fail -= fails;
	fails = fails || uuid_cmp(n->stuck.uuid, tenant.uuid) == 0;
	n->n_forgotten++;
	n->forgotten = tenant;
	lock_give(&n->lock);
	return fails ? err_set(e, ERR_SYSTEM, "the disk is full") : 0;
}

static void
start(struct node *n)
{
	const struct platform_worker_options o = {
		.db = db, .node = n->id, .runs_dirfd = n->runs_dirfd, .forget = forget, .ctx = n
	};
	struct err e = { 0 };

	must(platform_worker_start(&o, &n->worker, &e));
}

static void
stop(struct node *n)
{
	platform_worker_stop(n->worker);
	n->worker = NULL;
}

static struct tenant_id
make_tenant(const char *name)
{
	const struct platform_ask a = ask();
	struct platform_tenant made;
	struct err e = { 0 };

	must(platform_tenant_create(&a, name, &made, &e));
	return made.id;
}

/* A statement with the tenant's id in place of each "$". */
static void
run(struct tenant_id tenant, const char *template)
{
	char sql[2048], id[UUID_STR_SIZE];
	size_t n = 0;

	uuid_format(tenant.uuid, id);
	for (const char *p = template; *p != '\0'; p++) {
		assert_true(n + UUID_STR_SIZE + 3 < sizeof(sql));
		if (*p == '$')
			n += (size_t)snprintf(sql + n, sizeof(sql) - n, "'%s'", id);
		else
			sql[n++] = *p;
	}
	sql[n] = '\0';
	test_script(t.url, sql);
}

/* A job that ended on this node, with rows in most tables of jobs. */
static void
add_history(struct tenant_id tenant, const struct node *on, int metrics)
{
	char sql[1536], node[UUID_STR_SIZE];

	(void)snprintf(sql, sizeof(sql),
	    "insert into wardian.job (tenant_id, job_id, project_id, environment, "
	    "environment_digest, "
	    "priority, cpu_milli, memory_bytes, created_by) select $, gen_random_uuid(), "
	    "project_id, "
	    "'e', 'd', 0, 1000, 1, gen_random_uuid() from wardian.project where tenant_id = $;"
	    "insert into wardian.job_attempt (tenant_id, job_id, epoch, node_id, outcome, "
	    "exit_code, "
	    "signal, ended_at, wall_ns, cpu_user_ns, cpu_system_ns, memory_peak_bytes, "
	    "throttled_ns, "
	    "log_bytes, output_files, output_bytes, log_truncated) select $, job_id, 1, '%s', "
	    "'exited', "
	    "0, 0, now(), 1, 1, 1, 1, 1, 1, 1, 1, false from wardian.job where tenant_id = $;"
	    "insert into wardian.attempt_usage select tenant_id, job_id, epoch, '{1}', '{1}', "
	    "'{1}', "
	    "'{1}', '{1}', '{1}', '{1}' from wardian.job_attempt where tenant_id = $;"
	    "insert into wardian.metric (tenant_id, job_id, name, number, step, value) select $, "
	    "job_id, "
	    "'m', n, 0, 0 from wardian.job, generate_series(1, %d) as n where tenant_id = $;",
	    uuid_format(on->id, node), metrics);
	run(tenant, sql);
}

/* <runs>/<tenant>/<run>/out.txt */
static void
add_files(const struct node *n, struct tenant_id tenant)
{
	char path[128], id[UUID_STR_SIZE];
	int fd;

	uuid_format(tenant.uuid, id);
	assert_int_equal(mkdirat(n->runs_dirfd, id, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/run", id);
	assert_int_equal(mkdirat(n->runs_dirfd, path, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/run/out.txt", id);
	fd = openat(n->runs_dirfd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
}

static bool
has_files(const struct node *n, struct tenant_id tenant)
{
	char id[UUID_STR_SIZE];

	return faccessat(n->runs_dirfd, uuid_format(tenant.uuid, id), F_OK, 0) == 0;
}

static int64_t
count_rows(struct tenant_id tenant, const char *table)
{
	char sql[256], id[UUID_STR_SIZE];

	(void)snprintf(sql, sizeof(sql), "select count(*) from wardian.%s where tenant_id = '%s'",
	    table, uuid_format(tenant.uuid, id));
	return strtoll(test_text(t.url, sql), NULL, 10);
}

/* Rows in all tables that have a tenant_id. */
static int64_t
rows_of(struct tenant_id tenant)
{
	char sql[512], id[UUID_STR_SIZE];

	(void)snprintf(sql, sizeof(sql),
	    "select sum((xpath('/row/n/text()', query_to_xml(format('select count(*) as n from "
	    "wardian.%%I where tenant_id = ''%s''', c.relname), false, true, "
	    "'')))[1]::text::bigint) "
	    "from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' "
	    "where c.relnamespace = 'wardian'::regnamespace and c.relkind = 'r'",
	    uuid_format(tenant.uuid, id));
	return strtoll(test_text(t.url, sql), NULL, 10);
}

static struct uuid delete (struct tenant_id tenant, const char *name)
{
	const struct platform_ask a = ask();
	struct platform_operation op;
	struct err e = { 0 };

	must(platform_tenant_delete(&a, tenant, name, &op, &e));
	assert_string_equal(op.stage, "stopping");
	assert_false(op.done);
	return op.id;
}

static struct platform_operation
read_operation(struct uuid id)
{
	struct platform_operation op;
	struct err e = { 0 };

	arena_reset(mem);
	must(platform_operation_get(db, id, mem, &op, &e));
	return op;
}

static void
wait_for_stage(struct uuid id, const char *stage)
{
	int64_t until = clock_mono_ns() + WAIT_MS * INT64_C(1000000);

	while (strcmp(read_operation(id).stage, stage) != 0) {
		if (clock_mono_ns() > until)
			fail_msg("still %s, not %s", read_operation(id).stage, stage);
		usleep(10000);
	}
}

/* --- tests ---------------------------------------------------------------------------------- */

static void
only_the_deleted_tenants_rows_and_files_go(void **state)
{
	struct tenant_id gone = make_tenant("gone"), stays = make_tenant("stays");
	int64_t before;

	(void)state;
	add_history(gone, &nodes[0], 5000);
	add_history(stays, &nodes[0], 10);
	add_files(&nodes[0], gone);
	add_files(&nodes[0], stays);
	before = rows_of(stays);
	assert_true(rows_of(gone) > 5000);
	start(&nodes[0]);
	wait_for_stage(delete (gone, "gone"), "done");
	assert_int_equal(rows_of(gone), 0);
	assert_int_equal(rows_of(stays), before);
	assert_false(has_files(&nodes[0], gone));
	assert_true(has_files(&nodes[0], stays));
	assert_true(nodes[0].n_forgotten >= 1);
	assert_memory_equal(&nodes[0].forgotten, &gone, sizeof(gone));
}

static void
a_tenant_is_deleted_by_its_name_and_once(void **state)
{
	const struct platform_ask a = ask();
	struct tenant_id id = make_tenant("named");
	struct platform_operation op;
	struct err e = { 0 };

	(void)state;
	must_fail(ERR_BAD_PARAMETER, platform_tenant_delete(&a, id, NULL, &op, &e));
	must_fail(ERR_BAD_PARAMETER, platform_tenant_delete(&a, id, "name", &op, &e));
	must_fail(
	    ERR_CONFLICT, platform_tenant_delete(&a, tenant_platform_id, "platform", &op, &e));
	(void)delete (id, "named");
	must_fail(ERR_CONFLICT, platform_tenant_delete(&a, id, "named", &op, &e));
}

static void
what_cannot_be_removed_yet_is_tried_again_before_any_row_goes(void **state)
{
	struct tenant_id id = make_tenant("stubborn");
	struct uuid operation;

	(void)state;
	add_history(id, &nodes[0], 10);
	nodes[0].fail = 2;
	start(&nodes[0]);
	operation = delete (id, "stubborn");
	wait_for_stage(operation, "files");
	assert_int_equal(count_rows(id, "metric"), 10);
	wait_for_stage(operation, "done");
	assert_true(nodes[0].n_forgotten >= 3);
	assert_int_equal(rows_of(id), 0);
}

static void
a_tenant_that_cannot_be_removed_holds_no_other_up(void **state)
{
	struct tenant_id stuck = make_tenant("stuck"), behind = make_tenant("behind");
	struct uuid first, second;

	(void)state;
	nodes[0].stuck = stuck;
	start(&nodes[0]);
	first = delete (stuck, "stuck");
	wait_for_stage(first, "files");
	second = delete (behind, "behind");
	wait_for_stage(second, "done");
	assert_string_equal(read_operation(first).stage, "files");
	assert_int_equal(rows_of(behind), 0);
}

static void
nodes_that_ran_its_jobs_are_waited_for(void **state)
{
	struct tenant_id id = make_tenant("spread");
	struct uuid operation;
	struct platform_operation op;

	(void)state;
	add_history(id, &nodes[1], 10);
	add_files(&nodes[1], id);
	start(&nodes[0]);
	operation = delete (id, "spread");
	wait_for_stage(operation, "files");
	usleep(700 * 1000); /* several looks of the first */
	op = read_operation(operation);
	assert_string_equal(op.stage, "files");
	assert_int_equal(op.n_nodes, NODES);
	assert_non_null(strstr(op.problem, "waive"));
	assert_int_equal(count_rows(id, "metric"), 10);
	start(&nodes[1]);
	wait_for_stage(operation, "done");
	assert_false(has_files(&nodes[1], id));
	assert_int_equal(rows_of(id), 0);
}

static void
a_node_that_was_waived_removes_its_files_when_it_comes_back(void **state)
{
	const struct platform_ask a = ask();
	struct tenant_id id = make_tenant("absent");
	struct uuid operation;
	struct err e = { 0 };

	(void)state;
	add_history(id, &nodes[1], 10);
	add_files(&nodes[1], id);
	start(&nodes[0]);
	operation = delete (id, "absent");
	wait_for_stage(operation, "files");
	must_fail(ERR_NOT_FOUND, platform_operation_waive(&a, operation, uuid_v7(), &e));
	must(platform_operation_waive(&a, operation, nodes[1].id, &e));
	wait_for_stage(operation, "done");
	assert_true(has_files(&nodes[1], id));
	test_script(
	    t.url, "update wardian.operation set created_at = created_at - interval '1 minute'");
	start(&nodes[1]);
	for (int i = 0; i < 200 && has_files(&nodes[1], id); i++)
		usleep(50000);
	assert_false(has_files(&nodes[1], id));
}

static void
another_worker_goes_on_where_one_stopped(void **state)
{
	struct tenant_id id = make_tenant("handed-over");
	struct uuid operation;

	(void)state;
	add_history(id, &nodes[0], 10);
	nodes[0].fail = 1000000; /* it never gets beyond its files */
	start(&nodes[0]);
	operation = delete (id, "handed-over");
	wait_for_stage(operation, "files");
	stop(&nodes[0]);
	start(&nodes[1]); /* waits for the first one's files, and may carry on else */
	usleep(500 * 1000);
	assert_string_equal(read_operation(operation).stage, "files");
	nodes[0].fail = 0;
	start(&nodes[0]);
	wait_for_stage(operation, "done");
	assert_int_equal(rows_of(id), 0);
}

static void
several_deletions_and_workers_do_not_disturb_each_other(void **state)
{
	enum { MANY = 5 };
	static const char *const names[MANY] = { "many-a", "many-b", "many-c", "many-d", "many-e" };
	struct tenant_id ids[MANY];
	struct uuid operations[MANY];

	(void)state;
	for (int i = 0; i < MANY; i++) {
		ids[i] = make_tenant(names[i]);
		add_history(ids[i], &nodes[i % NODES], 3000);
		add_files(&nodes[i % NODES], ids[i]);
	}
	start(&nodes[0]);
	start(&nodes[1]);
	for (int i = 0; i < MANY; i++)
		operations[i] = delete (ids[i], names[i]);
	for (int i = 0; i < MANY; i++) {
		wait_for_stage(operations[i], "done");
		assert_int_equal(rows_of(ids[i]), 0);
		assert_false(has_files(&nodes[i % NODES], ids[i]));
	}
}

static void
row_level_security_lets_the_platform_delete_nothing_of_a_tenant_that_stays(void **state)
{
	struct tenant_id id = make_tenant("protected");
	char url[TEST_URL_SIZE], sql[256], text[UUID_STR_SIZE];
	struct db_owner *o;
	struct err e = { 0 };

	(void)state;
	add_history(id, &nodes[0], 10);
	test_url_as(t.url, "wardian_platform", url);
	must(db_owner_open(url, TEST_TIMEOUT_MS, &o, &e));
	(void)snprintf(sql, sizeof(sql), "delete from wardian.metric where tenant_id = '%s'",
	    uuid_format(id.uuid, text));
	assert_int_equal(db_owner_query(o, sql, 0, NULL, NULL, NULL, &e), 0);
	run(id, "update wardian.tenant set state = 'suspended' where tenant_id = $");
	assert_int_equal(db_owner_query(o, sql, 0, NULL, NULL, NULL, &e), 0);
	run(id, "update wardian.tenant set state = 'deleting' where tenant_id = $");
	assert_int_equal(db_owner_query(o, sql, 0, NULL, NULL, NULL, &e), 10);
	db_owner_free(o);
}

/* --- all ------------------------------------------------------------------------------------ */

static int
setup(void **state)
{
	(void)state;
	arena_reset(mem);
	for (int i = 0; i < NODES; i++) {
		struct node *n = &nodes[i];

		*n = (struct node){ .id = uuid_v7() };
		lock_init(&n->lock);
		(void)snprintf(n->dir, sizeof(n->dir), "/tmp/wardian-runs-XXXXXX");
		if (mkdtemp(n->dir) == NULL)
			return -1;
		n->runs_dirfd = open(n->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	for (int i = 0; i < NODES; i++) {
		stop(&nodes[i]);
		close(nodes[i].runs_dirfd);
		test_remove_tree(AT_FDCWD, nodes[i].dir);
		lock_done(&nodes[i].lock);
	}
	test_script(t.url, "truncate wardian.operation, wardian.operation_node");
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	static struct db_sql sql[5];
	struct db_options o = { .api_connections = 2,
		.sched_connections = 1,
		.platform_connections = 2 * NODES,
		.timeout_ms = TEST_TIMEOUT_MS,
		.sql = sql };
	const struct CMUnitTest tests[] = {
		TEST(only_the_deleted_tenants_rows_and_files_go),
		TEST(a_tenant_is_deleted_by_its_name_and_once),
		TEST(what_cannot_be_removed_yet_is_tried_again_before_any_row_goes),
		TEST(a_tenant_that_cannot_be_removed_holds_no_other_up),
		TEST(nodes_that_ran_its_jobs_are_waited_for),
		TEST(a_node_that_was_waived_removes_its_files_when_it_comes_back),
		TEST(another_worker_goes_on_where_one_stopped),
		TEST(several_deletions_and_workers_do_not_disturb_each_other),
		TEST(row_level_security_lets_the_platform_delete_nothing_of_a_tenant_that_stays),
	};
	struct err e = { 0 };
	int rc;

	sql[0] = audit_sql;
	sql[1] = job_sql;
	sql[2] = platform_sql;
	sql[3] = quota_sql;
	test_db_open(&t);
	o.url = t.url;
	if (db_open(&o, &db, &e) < 0)
		test_die("db_open", e.msg);
	mem = arena_new((size_t)16 << 20);
	if (mem == NULL)
		test_die("main", "no memory");
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	arena_free(mem);
	db_free(db);
	test_db_close(&t);
	return rc;
}
